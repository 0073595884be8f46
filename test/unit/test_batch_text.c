/*
 * test_batch_text.c: packing of tags, next tokens, written texts and running text
 * (train/batch_text.c, train/running.c) against plain loops over the examples; ids
 * that are none; and that nn_batch_bytes() is what a batch takes at most.
 */
#include "train/batch.h"

#include <stdlib.h>
#include <string.h>
#include "net_case.h"
#include "tap.h"

#define V			40
#define N_TAGS		5
#define N_FORMS		30
#define N_SPELLING	64
#define BLOCK_BYTES	((size_t) 1 << 20)

static NnError err;

/* Examples with all streams that a text can have. */
typedef struct Texts
{
	NnExamples	examples;
	NnForms		forms;
	int64_t    *token_start;
	int32_t    *token;
	int32_t    *tag;
	int64_t    *written_start;
	int32_t    *written;
	int32_t    *word;
	int32_t    *row;
} Texts;

static int32_t *
draw_stream(NnRng *rng, int n, int max_length, int limit, int64_t **start)
{
	int32_t    *stream;

	*start = net_case_alloc((size_t) n + 1, sizeof(int64_t));
	for (int i = 0; i < n; i++)
		(*start)[i + 1] = (*start)[i] + (net_case_int(rng, 0, 5) == 0 ? 0 : net_case_int(rng, 0, max_length));
	stream = net_case_alloc((size_t) (*start)[n], sizeof(int32_t));
	for (int64_t j = 0; j < (*start)[n]; j++)
		stream[j] = net_case_int(rng, 0, limit - 1);
	return stream;
}

static void
draw_forms(NnRng *rng, Texts *texts)
{
	int64_t    *start;
	uint16_t   *flags = net_case_alloc(N_FORMS, sizeof(uint16_t));

	texts->row = draw_stream(rng, N_FORMS, 9, N_SPELLING, &start);
	texts->word = net_case_alloc(N_FORMS, sizeof(int32_t));
	for (int i = 0; i < N_FORMS; i++)
	{
		texts->word[i] = net_case_int(rng, -1, V - 1);
		flags[i] = (uint16_t) net_case_int(rng, 0, 1023);
	}
	texts->forms = (NnForms) {N_FORMS, texts->word, start, texts->row, flags};
}

static Texts *
draw_texts(NnRng *rng, int n, int max_length, bool is_tag)
{
	Texts	   *texts = net_case_alloc(1, sizeof(Texts));

	texts->token = draw_stream(rng, n, max_length, is_tag ? N_FORMS : V, &texts->token_start);
	texts->written = draw_stream(rng, n, max_length, V, &texts->written_start);
	texts->tag = net_case_alloc((size_t) texts->token_start[n], sizeof(int32_t));
	for (int64_t j = 0; j < texts->token_start[n]; j++)
		texts->tag[j] = net_case_int(rng, 0, N_TAGS - 1);
	draw_forms(rng, texts);
	texts->examples.n = n;
	texts->examples.token_start = texts->token_start;
	texts->examples.token = texts->token;
	texts->examples.tag = texts->tag;
	texts->examples.forms = &texts->forms;
	texts->examples.written_start = texts->written_start;
	texts->examples.written = texts->written;
	return texts;
}

static NnSpec
spec_of(NnTask task)
{
	NnSpec		spec = {.task = task, .input = NN_INPUT_TEXT, .cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 4,
	.vocabulary = V, .embedding = 4};

	if (task == NN_TASK_TAG)
	{
		spec.n_outputs = N_TAGS;
		spec.spelling_rows = N_SPELLING;
		spec.spelling = 3;
	}
	spec.decoder_layers = task == NN_TASK_TRANSLATE ? 1 : 0;
	return spec;
}

static int32_t *
first_numbers(int n)
{
	int32_t    *pick = net_case_alloc((size_t) n, sizeof(int32_t));

	for (int i = 0; i < n; i++)
		pick[i] = i;
	return pick;
}

/* Pack examples 0 ... n - 1. */
static NnStatus
pack(const Texts *texts, const NnSpec *spec, int n, NnArena *scratch, NnBatch *batch, int32_t *order)
{
	return nn_batch_pack(batch, spec, &texts->examples, first_numbers(n), n, 0, NULL, scratch, order, &err);
}

/* Lengths, active rows and offsets as nn/net.h says. */
static bool
is_packed(const NnBatch *batch)
{
	int			n_rows = 0;

	for (int b = 0; b < batch->n_sequences; b++)
	{
		if (b > 0 && batch->length[b] > batch->length[b - 1])
			return false;
		n_rows += batch->length[b];
	}
	for (int t = 0; t < batch->n_steps; t++)
	{
		int			n = 0;

		while (n < batch->n_sequences && batch->length[n] > t)
			n++;
		if (batch->active[t] != n || batch->offset[t + 1] - batch->offset[t] != n)
			return false;
	}
	for (int u = 1; u < batch->n_distinct && batch->spelling_start == NULL; u++)
		if (batch->distinct[u] <= batch->distinct[u - 1])
			return false;
	return n_rows == batch->n_rows && batch->offset[0] == 0 &&
		(batch->n_sequences == 0 || batch->n_steps == batch->length[0]);
}

/* ---- tags -------------------------------------------------------------------------- */

static bool
is_form(const NnBatch *batch, int u, const NnForms *forms, int32_t form)
{
	int64_t		n = forms->spelling_start[form + 1] - forms->spelling_start[form];

	return batch->distinct[u] == forms->word[form] && batch->spelling_flags[u] == forms->flags[form] &&
		batch->spelling_start[u + 1] - batch->spelling_start[u] == n &&
		(n == 0 || memcmp(batch->spelling_row + batch->spelling_start[u], forms->spelling_row + forms->spelling_start[form],
						  (size_t) n * sizeof(int32_t)) == 0);
}

static void
test_tags(NnRng *rng, NnArena *scratch)
{
	NnSpec		spec = spec_of(NN_TASK_TAG);
	int			n_bad = 0;

	for (int round = 0; round < 30; round++)
	{
		int			n = net_case_int(rng, 1, 12);
		Texts	   *texts = draw_texts(rng, n, 9, true);
		int32_t		order[12];
		NnBatch		batch;

		nn_arena_reset(scratch);
		n_bad += pack(texts, &spec, n, scratch, &batch, order) != NN_OK || !is_packed(&batch);
		for (int b = 0; b < n; b++)
		{
			int64_t		first = texts->token_start[order[b]];

			n_bad += batch.length[b] != texts->token_start[order[b] + 1] - first;
			for (int t = 0; t < batch.length[b]; t++)
			{
				int			row = batch.offset[t] + b;

				n_bad += batch.row_label[row] != texts->tag[first + t];
				n_bad += !is_form(&batch, batch.token[row], &texts->forms, texts->token[first + t]);
			}
		}
	}
	is_int(n_bad, 0, "tags and forms stand at their rows");
}

/* Set *place to value for one packing, which must fail. */
static bool
is_refused(const Texts *texts, const NnSpec *spec, int32_t *place, int32_t value, NnArena *scratch)
{
	int32_t		order[12];
	int32_t		was = *place;
	NnBatch		batch;
	NnStatus	status;

	*place = value;
	nn_arena_reset(scratch);
	status = pack(texts, spec, (int) texts->examples.n, scratch, &batch, order);
	*place = was;
	return status == NN_EINVAL;
}

static void
test_hostile(NnRng *rng, NnArena *scratch)
{
	static const int32_t wrong[] = {-2, INT32_MIN, INT32_MAX, 1000};
	NnSpec		tag = spec_of(NN_TASK_TAG);
	NnSpec		language = spec_of(NN_TASK_LANGUAGE);
	NnSpec		translate = spec_of(NN_TASK_TRANSLATE);
	Texts	   *texts = draw_texts(rng, 12, 9, true);
	int			form = texts->token[3];
	int64_t		row = texts->forms.spelling_start[form];
	int			n_bad = 0;

	for (int i = 0; i < 4; i++)
	{
		n_bad += !is_refused(texts, &tag, &texts->token[3], wrong[i], scratch);
		n_bad += !is_refused(texts, &tag, &texts->tag[3], wrong[i], scratch);
		n_bad += !is_refused(texts, &tag, &texts->word[form], wrong[i], scratch);
		if (texts->forms.spelling_start[form + 1] > row)
			n_bad += !is_refused(texts, &tag, &texts->row[row], wrong[i], scratch);
		n_bad += !is_refused(texts, &language, &texts->token[3], wrong[i], scratch);
		n_bad += !is_refused(texts, &translate, &texts->token[3], wrong[i], scratch);
		n_bad += !is_refused(texts, &translate, &texts->written[3], wrong[i], scratch);
	}
	is_int(n_bad, 0, "ids that are none are errors");
}

/* ---- texts ----------------------------------------------------------------------------- */

/* Row t of sequence b reads token t of END w ... (END), says token t + 1. */
static int
count_wrong(const NnBatch *batch, int b, const int32_t *w, int n)
{
	int			n_bad = 0;

	for (int t = 0; t < batch->length[b]; t++)
	{
		int			row = batch->offset[t] + b;
		int32_t		read = t == 0 || t > n ? NN_TOKEN_END : w[t - 1];
		int32_t		next = t < n ? w[t] : t == n ? NN_TOKEN_END : -1;
		int32_t		before = t == 0 ? -1 : t == 1 ? NN_TOKEN_END : w[t - 2];

		n_bad += batch->distinct[batch->token[row]] != read || batch->row_label[row] != next;
		n_bad += batch->row_label_back != NULL && batch->row_label_back[row] != before;
	}
	return n_bad;
}

static void
test_language(NnRng *rng, NnArena *scratch)
{
	NnSpec		spec = spec_of(NN_TASK_LANGUAGE);
	int			n_bad = 0;

	for (int round = 0; round < 30; round++)
	{
		int			n = net_case_int(rng, 1, 12);
		Texts	   *texts = draw_texts(rng, n, 9, false);
		int32_t		order[12];
		NnBatch		batch;

		spec.is_bidirectional = round % 2 == 1;
		nn_arena_reset(scratch);
		n_bad += pack(texts, &spec, n, scratch, &batch, order) != NN_OK || !is_packed(&batch);
		n_bad += (batch.row_label_back != NULL) != spec.is_bidirectional;
		for (int b = 0; b < n; b++)
		{
			int64_t		first = texts->token_start[order[b]];
			int			n_tokens = (int) (texts->token_start[order[b] + 1] - first);

			n_bad += batch.length[b] != n_tokens + (spec.is_bidirectional ? 2 : 1);
			n_bad += count_wrong(&batch, b, texts->token + first, n_tokens);
		}
	}
	is_int(n_bad, 0, "next tokens, and those before");
}

static void
test_written(NnRng *rng, NnArena *scratch)
{
	NnSpec		spec = spec_of(NN_TASK_TRANSLATE);
	int			n_bad = 0;

	for (int round = 0; round < 30; round++)
	{
		int			n = net_case_int(rng, 1, 12);
		Texts	   *texts = draw_texts(rng, n, 9, false);
		bool		is_seen[12] = {false};
		int32_t		order[12];
		NnBatch		batch;

		nn_arena_reset(scratch);
		n_bad += pack(texts, &spec, n, scratch, &batch, order) != NN_OK || !is_packed(&batch) ||
			!is_packed(batch.written) || batch.written->n_sequences != n;
		for (int b = 0; b < n; b++)
		{
			int			example = order[batch.source_of[b]];
			int64_t		first = texts->written_start[example];
			int			n_tokens = (int) (texts->written_start[example + 1] - first);

			n_bad += is_seen[example] || batch.written->length[b] != n_tokens + 1;
			is_seen[example] = true;
			n_bad += count_wrong(batch.written, b, texts->written + first, n_tokens);
		}
		texts->examples.written_start = NULL;
		n_bad += pack(texts, &spec, n, scratch, &batch, order) != NN_OK || batch.written != NULL;
	}
	is_int(n_bad, 0, "written texts, in their own order");
}

/* ---- running text -------------------------------------------------------------------------- */

/* All texts end to end in the examples' order, an end before and behind each. */
static int32_t *
join(const Texts *texts)
{
	int32_t    *all = net_case_alloc((size_t) (texts->token_start[texts->examples.n] + texts->examples.n + 1), sizeof(int32_t));
	int64_t		at = 1;

	for (int64_t i = 0; i < texts->examples.n; i++)
	{
		for (int64_t j = texts->token_start[i]; j < texts->token_start[i + 1]; j++)
			all[at++] = texts->token[j];
		all[at++] = NN_TOKEN_END;
	}
	return all;
}

static int
count_wrong_lanes(const NnRunning *running, const NnSpec *spec, const int32_t *all, NnArena *scratch)
{
	int			n_bad = 0;
	int64_t		n_steps = 0;

	for (int64_t k = 0; k < running->n_batches; k++)
	{
		NnBatch		batch;

		nn_arena_reset(scratch);
		n_bad += nn_running_pack(running, 0, k, &batch, spec, scratch, &err) != NN_OK || !is_packed(&batch) ||
			batch.n_steps > running->bptt || batch.n_sequences != running->n_lanes;
		for (int b = 0; b < running->n_lanes; b++)
			for (int t = 0; t < batch.n_steps; t++)
			{
				const int32_t *here = all + b * running->n_steps + n_steps + t;
				int			row = batch.offset[t] + b;

				n_bad += batch.distinct[batch.token[row]] != here[0] || batch.row_label[row] != here[1];
			}
		n_steps += batch.n_steps;
	}
	return n_bad + (n_steps != running->n_steps);
}

static void
test_running(NnRng *rng, NnArena *scratch)
{
	NnSpec		spec = spec_of(NN_TASK_LANGUAGE);
	int			n_bad = 0;
	int			n_refused = 0;

	for (int round = 0; round < 30; round++)
	{
		Texts	   *texts = draw_texts(rng, net_case_int(rng, 1, 20), 15, false);
		int			bptt = net_case_int(rng, 1, 9);
		NnArena    *memory = nn_arena_create(&nn_env_malloc);
		NnRunning	running;
		int32_t    *all = join(texts);

		nn_arena_reset(scratch);
		n_bad += nn_running_create(&running, &spec, &texts->examples, net_case_int(rng, 1, 6), 1, bptt, memory, &err) != NN_OK ||
			nn_running_begin(&running, &texts->examples, NULL, scratch, &err) != NN_OK;
		n_bad += memcmp(running.token, all, (size_t) running.n_tokens * sizeof(int32_t)) != 0;
		n_bad += running.n_tokens - 1 - running.n_lanes * running.n_steps >= running.n_lanes;
		n_bad += count_wrong_lanes(&running, &spec, all, scratch);

		n_bad += nn_running_begin(&running, &texts->examples, rng, scratch, &err) != NN_OK;
		n_bad += count_wrong_lanes(&running, &spec, running.token, scratch);

		/* whatever token of a lane is none, some batch says so */
		running.token[net_case_int(rng, 0, (int) (running.n_lanes * running.n_steps))] = V;
		for (int64_t k = 0; k < running.n_batches; k++)
		{
			NnBatch		batch;

			nn_arena_reset(scratch);
			if (nn_running_pack(&running, 0, k, &batch, &spec, scratch, &err) == NN_EINVAL)
			{
				n_refused++;
				break;
			}
		}
		nn_arena_destroy(memory);
	}
	is_int(n_bad, 0, "running text goes on in its lanes");
	is_int(n_refused, 30, "ids that are none are errors there too");
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* A block that is reserved once must hold whatever n examples are packed. */
static void
test_memory(NnRng *rng)
{
	static const NnTask tasks[] = {NN_TASK_TAG, NN_TASK_LANGUAGE, NN_TASK_TRANSLATE};

	for (int k = 0; k < 3; k++)
	{
		NnSpec		spec = spec_of(tasks[k]);
		int			n_bad = 0;

		for (int round = 0; round < 100; round++)
		{
			int			n_all = net_case_int(rng, 1, 30);
			int			n = net_case_int(rng, 1, n_all);
			Texts	   *texts = draw_texts(rng, n_all, round % 3 == 0 ? 2 : 20, tasks[k] == NN_TASK_TAG);
			NnArena    *scratch = nn_arena_create(&nn_env_malloc);
			int32_t    *pick = first_numbers(n_all);
			int32_t		order[30];
			NnBatchBound bound = {0};
			NnBatch		batch;
			size_t		held;

			spec.is_bidirectional = tasks[k] == NN_TASK_LANGUAGE && round % 2 == 1;
			if (tasks[k] == NN_TASK_TAG && round % 4 == 3)
			{
				memset((int64_t *) texts->forms.spelling_start, 0, (N_FORMS + 1) * sizeof(int64_t));
				spec.spelling_rows = 0;
			}
			nn_batch_bound(&bound, &texts->examples, &spec, n);
			/* blocks have a least size: fill one up to what is left for the batch */
			(void) nn_arena_reserve(scratch, BLOCK_BYTES + (nn_batch_bytes(&spec, &bound) & ~(size_t) 63));
			(void) nn_arena_take(scratch, 1, BLOCK_BYTES);
			held = nn_arena_bytes(scratch);
			nn_rng_shuffle(rng, pick, n_all);
			n_bad += nn_batch_pack(&batch, &spec, &texts->examples, pick, n, 0, NULL, scratch, order, &err) != NN_OK;
			n_bad += nn_arena_bytes(scratch) != held;
			nn_arena_destroy(scratch);
			spec = spec_of(tasks[k]);
		}
		is_int(n_bad, 0, "%s: nn_batch_bytes() is enough", nn_task_name(tasks[k]));
	}
}

int
main(void)
{
	NnRng		rng;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);

	nn_rng_seed(&rng, 17);
	test_tags(&rng, scratch);
	test_hostile(&rng, scratch);
	test_language(&rng, scratch);
	test_written(&rng, scratch);
	test_running(&rng, scratch);
	test_memory(&rng);
	nn_arena_destroy(scratch);
	net_case_free_all();
	return done_testing();
}
