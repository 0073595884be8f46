/*
 * model/language.c: what a language model writes, and how likely it finds a text.
 */
#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "model/encode.h"
#include "model/pieces.h"
#include "model/written.h"
#include "nn/beam.h"

#define BATCH_SEQUENCES	64
#define BATCH_TOKENS	8192
#define BATCH_BYTES		((size_t) 1024 * 1024 * 1024)

/* ---- writing --------------------------------------------------------------------------- */

typedef struct Generation
{
	const NnModel *model;
	const NnWriteOptions *options;
	NnArena    *scratch;
	NnArena    *step;
	NnState		state;
	float	   *log_p;			/* (V) of what follows */
	NnArray		bytes;			/* written so far, for finding the stop text */
	bool		is_continued;	/* behind a prompt that says something */
} Generation;

/* Read one token. */
static NnStatus
read_token(Generation *generation, int32_t token, NnError *err)
{
	const NnModel *model = generation->model;

	if (model->env->poll(model->env->ctx) != 0)
		return nn_fail(err, NN_ECANCELED, "canceled");
	nn_arena_reset(generation->step);
	return nn_language_step(model->net, 1, &token, &generation->state, generation->step, generation->log_p, err);
}

static NnStatus
read_prompt(Generation *generation, const NnValue *prompt, NnError *err)
{
	NnExamples	examples;

	NN_TRY(read_token(generation, NN_TOKEN_END, err));
	if (prompt == NULL)
		return NN_OK;
	NN_TRY(nn_encode_exact(generation->model, prompt, 1, generation->scratch, &examples, NULL, NULL, err));
	generation->is_continued = examples.token_start[1] > 0;
	for (int64_t i = 0; i < examples.token_start[1]; i++)
		NN_TRY(read_token(generation, examples.token[i], err));
	return NN_OK;
}

/* The bytes of the last of n tokens, with or without a space before them as in the text (written.c). */
static NnStatus
write_token(Generation *generation, const int32_t *token, int n)
{
	const NnModel *model = generation->model;
	bool		is_first = n == 1 && !generation->is_continued;
	int			n_bytes;
	const char *bytes = nn_vocabulary_bytes(model->vocabulary, token[n - 1], &n_bytes);

	if (is_first && model->unit == NN_UNIT_WORD && n_bytes > 0 && bytes[0] == ' ')
		return nn_write_bytes(&generation->bytes, bytes + 1, (size_t) n_bytes - 1);
	if (!is_first && model->unit == NN_UNIT_GIVEN &&
		(n == 1 || nn_is_whole_word(model, token[n - 1]) || nn_is_whole_word(model, token[n - 2])))
		NN_TRY(nn_write_bytes(&generation->bytes, " ", 1));
	return nn_write_bytes(&generation->bytes, bytes, (size_t) n_bytes);
}

/* Is the stop text in what was written?  It was not in the first n_before bytes. */
static bool
has_stop(const Generation *generation, size_t n_before)
{
	const char *stop = generation->options->stop;
	size_t		n_stop = stop != NULL ? strlen(stop) : 0;

	for (size_t at = n_before < n_stop ? 0 : n_before - n_stop + 1;
		 n_stop > 0 && at + n_stop <= generation->bytes.n; at++)
		if (memcmp((const char *) generation->bytes.data + at, stop, n_stop) == 0)
			return true;
	return false;
}

static NnStatus
write_tokens(Generation *generation, int32_t *token, NnWritten *out, NnError *err)
{
	const NnModel *model = generation->model;
	const NnWriteOptions *options = generation->options;
	NnRng		rng;

	nn_rng_seed(&rng, nn_mix64(options->seed));
	out->is_cut = true;
	while (out->n_tokens < options->max_tokens)
	{
		int32_t		next = nn_sample_token(generation->log_p, model->spec.vocabulary, options->temperature,
										   options->top_k, &rng);
		size_t		n_before = generation->bytes.n;

		out->log_probability += (double) generation->log_p[next];
		if (!isfinite(out->log_probability))
			return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
		out->is_cut = next != NN_TOKEN_END;
		if (next == NN_TOKEN_END)
			break;
		token[out->n_tokens++] = next;
		if (write_token(generation, token, out->n_tokens) != NN_OK)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		if (has_stop(generation, n_before))
			break;
		NN_TRY(read_token(generation, next, err));
	}
	return NN_OK;
}

/* End the text before the stop text: pieces behind are none of it, and one may end within. */
static void
cut_at_stop(const char *stop, NnWritten *out)
{
	char	   *at = stop != NULL && stop[0] != '\0' ? strstr(out->text, stop) : NULL;
	int64_t		n_characters;

	if (at == NULL)
		return;
	*at = '\0';
	out->n_bytes = (size_t) (at - out->text);
	out->is_cut = false;
	n_characters = nn_utf8_length(out->text, out->n_bytes);
	while (out->n_tokens > 0 && out->written[out->n_tokens - 1].start >= n_characters)
		out->n_tokens--;
	if (out->n_tokens > 0 && out->written[out->n_tokens - 1].stop > n_characters)
		out->written[out->n_tokens - 1].stop = n_characters;
}

static NnStatus
generate(Generation *generation, const NnValue *prompt, NnWritten *out, NnError *err)
{
	const NnSpec *spec = &generation->model->spec;
	size_t		n_state = (size_t) spec->n_layers * (size_t) spec->hidden;
	int32_t    *token = NN_TAKE(generation->scratch, int32_t, (size_t) generation->options->max_tokens + 1);

	generation->state.h = NN_ALLOC(generation->scratch, float, n_state);
	generation->state.c = NN_ALLOC(generation->scratch, float, n_state);
	generation->log_p = NN_TAKE(generation->scratch, float, (size_t) spec->vocabulary);
	if (token == NULL || generation->state.h == NULL || generation->state.c == NULL || generation->log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(read_prompt(generation, prompt, err));
	NN_TRY(write_tokens(generation, token, out, err));
	NN_TRY(nn_written_text(generation->model, token, out->n_tokens, generation->is_continued, generation->scratch, out,
						   err));
	cut_at_stop(generation->options->stop, out);
	return NN_OK;
}

NnStatus
nn_generate(const NnModel *model, const NnValue *prompt, const NnWriteOptions *options,
			NnArena *scratch, NnWritten *out, NnError *err)
{
	Generation	generation = {.model = model, .options = options, .scratch = scratch};
	NnStatus	status;

	memset(out, 0, sizeof(*out));
	if (options->max_tokens < 0 || options->max_tokens > 1000000 || options->top_k < 0 ||
		!(options->temperature >= 0.0 && options->temperature <= 1000.0))
	{
		nn_fail(err, NN_ERANGE, "max_tokens, temperature or top_k is out of range");
		return nn_fail_detail(err, "max_tokens must be between 0 and 1000000, temperature between 0 and 1000, top_k not negative.");
	}
	generation.step = nn_arena_create(nn_arena_env(scratch));
	if (generation.step == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_array_init(&generation.bytes, nn_arena_env(scratch), 1);
	status = generate(&generation, prompt, out, err);
	nn_array_free(&generation.bytes);
	nn_arena_destroy(generation.step);
	return status;
}

/* ---- likelihood ---------------------------------------------------------------------------- */

/* Words and characters of an input, the end counted as one of each. */
static void
count_units(const NnValue *input, NnLikelihood *out)
{
	out->n_words = 1;
	out->n_characters = 1;
	if (input->kind == NN_VALUE_TEXT)
	{
		out->n_characters += nn_utf8_length(input->text, input->n_bytes);
		for (size_t i = 0; i < input->n_bytes; i++)
			out->n_words += !nn_encode_is_white(input->text[i]) && (i == 0 || nn_encode_is_white(input->text[i - 1]));
		return;
	}
	out->n_words += input->n_words;
	for (int i = 0; i < input->n_words; i++)
		out->n_characters += nn_utf8_length(input->words[i], input->word_bytes[i]);
}

static NnStatus
check_memory(const NnModel *model, int64_t n_tokens, int n, NnError *err)
{
	NnBatchSize size = {.B = n, .N = n_tokens, .U = n_tokens};
	size_t		n_bytes = nn_net_batch_bytes(&model->spec, false, &size);

	if (n_bytes <= BATCH_BYTES)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "reading a text this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens, which take %zu MB; the limit is %zu MB.",
				   (long long) n_tokens, n_bytes >> 20, BATCH_BYTES >> 20);
	return nn_fail_hint(err, "Cut the text into parts.");
}

static NnStatus
likelihood_batch(const NnModel *model, const NnExamples *examples, int32_t *pick, int n, NnArena *scratch,
				 NnLikelihood *out, NnError *err)
{
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n);
	float	   *log_p;
	NnBatch		batch;

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_batch_pack(&batch, &model->spec, examples, pick, n, 0.0f, NULL, scratch, order, err));
	NN_TRY(check_memory(model, batch.n_rows, n, err));
	log_p = NN_TAKE(scratch, float, (size_t) batch.n_rows);
	if (log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_log_likelihood(model->net, &batch, NULL, scratch, log_p, err));
	for (int b = 0; b < n; b++)
	{
		NnLikelihood *likelihood = &out[pick[order[b]]];

		likelihood->sum = 0.0;
		likelihood->n_tokens = 0;
		for (int t = 0; t < batch.length[b]; t++)
		{
			int			row = batch.offset[t] + b;

			if (batch.row_label[row] < 0)
				continue;
			likelihood->sum += (double) log_p[row];
			likelihood->n_tokens++;
		}
		if (!isfinite(likelihood->sum))
			return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
	}
	return NN_OK;
}

NnStatus
nn_likelihood(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
			  NnLikelihood *out, NnReading *readings, NnError *err)
{
	int32_t    *pick = NN_TAKE(scratch, int32_t, (size_t) n);
	int			n_batches = 0;
	NnExamples	examples;

	if (n > 0 && pick == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_encode_exact(model, inputs, n, scratch, &examples, NULL, readings, err));
	for (int i = 0; i < n; i++)
	{
		pick[i] = i;
		count_units(&inputs[i], &out[i]);
	}
	for (int first = 0, size; first < n; first += size)
	{
		NnArenaMark mark = nn_arena_mark(scratch);
		int64_t		n_tokens = 0;

		for (size = 0; first + size < n && size < BATCH_SEQUENCES; size++)
		{
			n_tokens += examples.token_start[first + size + 1] - examples.token_start[first + size];
			if (size > 0 && n_tokens > BATCH_TOKENS)
				break;
		}
		if (model->env->poll(model->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(likelihood_batch(model, &examples, pick + first, size, scratch, out, err));
		nn_arena_rewind(scratch, &mark);
		nn_reading_in_batch(readings, pick + first, size, n_batches++);
	}
	return NN_OK;
}

/* ---- running text -------------------------------------------------------------------------- */

/* Texts that are read one after the other. */
typedef struct Reader
{
	const NnModel *model;
	NnState    *state;
	NnArena    *scratch;		/* reset for every text */
} Reader;

/* How many steps of a text are read at once: as many as there is memory for. */
static int
steps_at_once(const NnModel *model, int n_distinct)
{
	NnBatchSize size = {.B = 1, .N = BATCH_TOKENS, .U = n_distinct};

	while (size.N > 16 && nn_net_batch_bytes(&model->spec, false, &size) > BATCH_BYTES)
		size.N /= 2;
	return (int) size.N;
}

/* Steps first ... first + *n - 1 of a batch of one sequence, as a batch. */
static NnBatch
cut_steps(const NnBatch *whole, int first, const int32_t *n)
{
	NnBatch		part = *whole;

	/* each step has one row, so active and offset begin as they do anywhere */
	part.n_steps = *n;
	part.n_rows = *n;
	part.length = n;
	part.token += first;
	part.row_label += first;
	return part;
}

static NnStatus
read_part(const Reader *reader, const NnBatch *part, NnLikelihood *out, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(reader->scratch);
	float	   *log_p = NN_TAKE(reader->scratch, float, (size_t) part->n_rows);

	NN_TRY(nn_arena_poll(reader->scratch));
	if (log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_log_likelihood(reader->model->net, part, reader->state, reader->scratch, log_p, err));
	for (int r = 0; r < part->n_rows; r++)
		out->sum += (double) log_p[r];
	out->n_tokens += part->n_rows;
	nn_arena_rewind(reader->scratch, &mark);
	if (!isfinite(out->sum))
		return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
	return NN_OK;
}

static NnStatus
read_text(const Reader *reader, const NnValue *input, NnLikelihood *out, NnReading *reading, NnError *err)
{
	const NnModel *model = reader->model;
	int32_t		pick = 0;
	int32_t		order;
	int			n_part;
	NnExamples	examples;
	NnBatch		whole;

	nn_arena_reset(reader->scratch);
	NN_TRY(nn_encode_exact(model, input, 1, reader->scratch, &examples, NULL, reading, err));
	NN_TRY(nn_batch_pack(&whole, &model->spec, &examples, &pick, 1, 0.0f, NULL, reader->scratch, &order, err));
	n_part = steps_at_once(model, whole.n_distinct);
	count_units(input, out);
	out->sum = 0.0;
	out->n_tokens = 0;
	for (int first = 0; first < whole.n_steps; first += n_part)
	{
		int32_t		n = whole.n_steps - first < n_part ? whole.n_steps - first : n_part;
		NnBatch		part = cut_steps(&whole, first, &n);

		NN_TRY(read_part(reader, &part, out, err));
	}
	return NN_OK;
}

NnStatus
nn_likelihood_running(const NnModel *model, const NnValue *inputs, int n, NnState *state,
					  NnArena *scratch, NnLikelihood *out, NnReading *readings, NnError *err)
{
	Reader		reader = {model, state, scratch};

	if (model->spec.is_bidirectional)
		return nn_fail(err, NN_EINVAL, "a model that reads in both directions cannot go on from where a text ended");
	for (int i = 0; i < n; i++)
		NN_TRY(read_text(&reader, &inputs[i], &out[i], readings != NULL ? &readings[i] : NULL, err));
	return NN_OK;
}

/* ---- embedding -------------------------------------------------------------------------------- */

int
nn_embed_width(const NnModel *model)
{
	bool		has_both = model->spec.is_bidirectional && model->spec.task != NN_TASK_LANGUAGE;

	return model->spec.hidden * (has_both ? 2 : 1);
}

static NnStatus
embed_text(const NnModel *model, const NnValue *input, NnArena *scratch, float *out, NnReading *reading, NnError *err)
{
	size_t		width = (size_t) nn_embed_width(model);
	int32_t		pick = 0;
	int32_t		order;
	NnExamples	examples;
	NnBatch		batch;
	float	   *states;

	memset(out, 0, width * sizeof(float));
	NN_TRY(nn_encode(model, input, 1, scratch, &examples, reading, err));
	NN_TRY(nn_batch_pack(&batch, &model->spec, &examples, &pick, 1, 0.0f, NULL, scratch, &order, err));
	if (batch.n_rows == 0)
		return NN_OK;
	NN_TRY(check_memory(model, batch.n_rows, 1, err));
	states = NN_TAKE(scratch, float, (size_t) batch.n_rows * width);
	if (states == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_states(model->net, &batch, scratch, states, err));
	for (int r = 0; r < batch.n_rows; r++)
		nn_axpy((int64_t) width, 1.0f / (float) batch.n_rows, states + (size_t) r * width, out);
	if (!nn_all_finite((int64_t) width, out))
		return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
	return NN_OK;
}

NnStatus
nn_embed(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, float *out,
		 NnReading *readings, NnError *err)
{
	size_t		width = (size_t) nn_embed_width(model);

	for (int i = 0; i < n; i++)
	{
		nn_arena_reset(scratch);
		NN_TRY(nn_arena_poll(scratch));
		NN_TRY(embed_text(model, &inputs[i], scratch, out + (size_t) i * width,
						  readings != NULL ? &readings[i] : NULL, err));
		if (readings != NULL)
			readings[i].batch = i;
	}
	return NN_OK;
}
