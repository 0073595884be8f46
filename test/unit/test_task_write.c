/*
 * test_task_write.c: translators and captions, from rows to text (model/learn.h, model/write.h).
 *
 *  - a toy language is learned: words by a dictionary, the verb moved to the end;
 *  - names never seen are copied, bytes and all;
 *  - vectors are told in words;
 *  - alignments, alone and in a batch, files, failures, hostile input.
 */
#include "task_case.h"

#include <math.h>
#include <stdlib.h>
#include "net_case.h"
#include "tap.h"

static NnError err;

static NnOptions
small_options(int epochs)
{
	NnOptions	options = task_options();

	options.hidden = 40;
	options.embedding = 100;
	options.decoder_layers = 1;
	options.epochs = epochs;
	options.batch = 4;
	options.rate = options.rate_embedding = 0.005;
	options.validation = 0.1;
	options.label_smoothing = 0.0;
	return options;
}

/* "the dog sees the Bado" -> "der Hund die Bado sieht"; the name is drawn. */
static TaskRow
make_pair(NnRng *rng, bool has_name)
{
	static const char *const who[][2] = {{"dog", "Hund"}, {"cat", "Katze"}, {"bird", "Vogel"}};
	static const char *const verb[][2] = {{"sees", "sieht"}, {"hears", "h\xc3\xb6rt"}};
	int			a = net_case_int(rng, 0, 2);
	int			b = net_case_int(rng, 0, 2);
	int			v = net_case_int(rng, 0, 1);
	const char *name = has_name ? task_name(rng, 2) : NULL;
	TaskRow		row = {.label = NULL};

	row.input = task_text(task_print("the %s %s the %s.", who[a][0], verb[v][0], name ? name : who[b][0]));
	row.target = task_text(task_print("Der %s den %s %s.", who[a][1], name ? name : who[b][1], verb[v][1]));
	return row;
}

static NnWriteOptions
beam_of(int beam)
{
	return (NnWriteOptions) {.beam = beam, .length_penalty = 1.0};
}

static NnWritten *
write_all(const NnModel *model, const NnValue *inputs, int n, int beam, bool has_alignment, NnArena *scratch)
{
	NnWriteOptions options = beam_of(beam);
	NnWritten  *out = nn_arena_alloc(scratch, (size_t) n, sizeof(NnWritten));

	if (nn_write(model, inputs, n, &options, has_alignment, scratch, out, NULL, &err) != NN_OK)
	{
		printf("Bail out! %s\n", err.message);
		exit(1);
	}
	return out;
}

static int
count_right(const TaskRow *rows, const NnWritten *out, int n)
{
	int			n_right = 0;

	for (int i = 0; i < n; i++)
		n_right += out[i].n_bytes == rows[i].target.n_bytes && memcmp(out[i].text, rows[i].target.text, out[i].n_bytes) == 0;
	return n_right;
}

/* ---- translations ---------------------------------------------------------------------- */

/* Each row of weights is a distribution over the source; its places are those of the texts. */
static void
test_alignment(const NnModel *model, NnArena *scratch)
{
	NnValue		input = task_text("the dog sees the cat.");
	NnWritten  *out = write_all(model, &input, 1, 3, true, scratch);
	double		worst = 0.0;
	bool		is_placed = out->n_source > 4 && out->n_tokens > 4;

	for (int t = 0; t < out->n_tokens; t++)
	{
		double		sum = 0.0;

		for (int s = 0; s < out->n_source; s++)
			sum += (double) out->weight[t * out->n_source + s];
		worst = net_case_worse(worst, fabs(sum - 1.0));
		is_placed = is_placed && out->written[t].stop <= nn_utf8_length(out->text, out->n_bytes) &&
			(t == 0 || out->written[t].start >= out->written[t - 1].stop);
	}
	ok(worst < 1e-5, "weights over the source sum to 1 (error %.2g)", worst);
	ok(is_placed && out->source[0].start == 0 && out->source[0].stop == 3 && out->source[1].start == 4 &&
	   out->source[out->n_source - 1].stop == 21, "and both sides have places");
}

static void
test_batches(const NnModel *model, const NnModel *read_back, const NnValue *inputs, int n, NnArena *scratch)
{
	int			n_alone = 0;
	int			n_read = 0;

	for (int beam = 1; beam <= 4; beam += 3)
	{
		NnWritten  *together = write_all(model, inputs, n, beam, false, scratch);

		for (int i = 0; i < n; i++)
		{
			NnWritten  *alone = write_all(model, &inputs[i], 1, beam, false, scratch);
			NnWritten  *read = write_all(read_back, &inputs[i], 1, beam, false, scratch);

			n_alone += strcmp(alone->text, together[i].text) == 0 &&
				memcmp(&alone->log_probability, &together[i].log_probability, sizeof(double)) == 0;
			n_read += strcmp(read->text, together[i].text) == 0 &&
				memcmp(&read->log_probability, &together[i].log_probability, sizeof(double)) == 0;
		}
	}
	is_int(n_alone, 2 * n, "alone and in a batch, bit for bit");
	is_int(n_read, 2 * n, "a model read from its file writes the same");
}

static void
test_hostile(const NnModel *model, NnArena *scratch)
{
	NnValue		bad = task_bytes("\xf0\x9f", 2);
	NnValue		odd[3];
	float		numbers[2] = {1, 2};
	NnValue		wrong = task_numbers(numbers, 2);
	NnWriteOptions options = beam_of(4);
	NnWritten	out[3];
	NnReading	readings[3];
	char	   *many = net_case_alloc(10000 * 4 + 1, 1);

	for (int i = 0; i < 10000; i++)
		memcpy(many + 4 * i, "dog ", 4);
	many[40000] = '\0';
	is_int(nn_write(model, &bad, 1, &options, false, scratch, out, NULL, &err), NN_EENCODING, "bytes that are no text");
	is_int(nn_write(model, &wrong, 1, &options, false, scratch, out, NULL, &err), NN_EINVAL, "numbers");
	options.beam = 65;
	is_int(nn_write(model, &odd[0], 1, &options, false, scratch, out, NULL, &err), NN_ERANGE, "a beam too wide");
	options = beam_of(2);
	options.max_tokens = 12;
	odd[0] = task_text("");
	odd[1] = task_text(many);
	odd[2] = task_text("\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80");
	ok(nn_write(model, odd, 3, &options, true, scratch, out, readings, &err) == NN_OK, "nothing, too much, and strange signs");
	ok(readings[1].n_tokens >= 10000 && readings[1].n_used == model->max_tokens, "cut where it was said");
	for (int i = 0; i < 3; i++)
		ok(out[i].n_tokens <= 12 && nn_utf8_check(out[i].text, out[i].n_bytes, &(size_t) {0}), "answers are bounded text");
}

static void
test_translation(NnArena *scratch)
{
	enum
	{
		N = 300, N_NEW = 30
	};
	static TaskRow rows[N];
	static TaskRow fresh[N_NEW];
	NnValue		inputs[N_NEW];
	NnOptions	options = small_options(12);
	const NnLearnReport *report;
	NnLearner  *learner;
	NnModel    *model;
	NnModel    *read_back;
	NnWritten  *out;
	NnRng		rng;
	int			n_right;

	nn_rng_seed(&rng, 3);
	for (int i = 0; i < N; i++)
		rows[i] = make_pair(&rng, i % 2 == 0);
	for (int i = 0; i < N_NEW; i++)
	{
		fresh[i] = make_pair(&rng, i % 2 == 0);
		inputs[i] = fresh[i].input;
	}
	options.subwords = 0;
	options.rate = options.rate_embedding = 0.003;	/* attention finds its place sooner */
	learner = task_learn(NN_TASK_TRANSLATE, &options, NULL, rows, N, &report);
	model = nn_learner_model(learner);
	ok(report->sequence.perplexity < 1.5 && report->sequence.n > 0, "held out: perplexity %.3f", report->sequence.perplexity);
	out = write_all(model, inputs, N_NEW, 4, false, scratch);
	n_right = count_right(fresh, out, N_NEW);
	if (!ok(n_right >= 0.9 * N_NEW, "%d of %d new sentences, half of them with a name never seen", n_right, N_NEW))
		for (int i = 0; i < 6; i++)
			diag("%.*s -> %s", (int) inputs[i].n_bytes, inputs[i].text, out[i].text);
	test_alignment(model, scratch);
	read_back = task_read_back(learner);
	if (ok(read_back != NULL, "the file is read back"))
		test_batches(model, read_back, inputs, 10, scratch);
	test_hostile(model, scratch);
	nn_model_destroy(read_back);
	nn_learner_destroy(learner);

	options.epochs = 1;
	options.dropout = options.dropout_input = options.dropout_word = 0.2;
	ok(task_ignores_order(NN_TASK_TRANSLATE, &options, rows, 40), "the same file whatever the order of the rows");
	ok(task_keeps_its_plan(NN_TASK_TRANSLATE, &options, rows, 60), "no more memory than planned");
	options.decoder_layers = 2;
	options.copy = 0;
	options.subwords = 0;
	ok(task_keeps_its_plan(NN_TASK_TRANSLATE, &options, rows, 60), "nor with two layers and no copying");
	rows[3].input = task_text("");
	rows[4].target = task_text("");
	ok(task_survives_failures(NN_TASK_TRANSLATE, &options, rows, 10), "failed allocations and stopped polls");
}

/*
 * All names of the table are words of the vocabulary, so pieces are met in no row;
 * names never seen fall apart into pieces of these, and are copied as a whole.
 */
static void
test_names(NnArena *scratch)
{
	static const char *const begins[] = {"Mon", "Tor", "Vin", "Cas", "Ber", "Sel", "Dra"};
	static const char *const ends[] = {"tale", "ferno", "bria", "sano", "dina", "mira"};
	static const char *const what[][2] = {{"train", "il treno"}, {"bus", "l'autobus"}, {"ship", "la nave"}};
	enum
	{
		N_NAMES = 42, N_NEW = 6, N_EACH = 9
	};
	static TaskRow rows[N_NAMES * N_EACH];
	static TaskRow fresh[N_NEW];
	NnValue		inputs[N_NEW];
	NnOptions	options = small_options(14);
	NnLearner  *learner;
	NnWritten  *out;
	int			n = 0;
	int			n_new = 0;
	int			n_right;

	for (int i = 0; i < N_NAMES; i++)
	{
		/* one of each second half is not seen, and all first halves are */
		bool		is_new = i % 7 == i / 7;

		for (int k = 0; k < (is_new ? 1 : N_EACH); k++)
		{
			const char *name = task_print("%s%s", begins[i % 7], ends[i / 7]);
			TaskRow    *row = is_new ? &fresh[n_new++] : &rows[n++];

			row->input = task_text(task_print("the %s to %s leaves at %d", what[k % 3][0], name, 4 + k / 3));
			row->target = task_text(task_print("%s per %s parte alle %d", what[k % 3][1], name, 4 + k / 3));
		}
	}
	for (int i = 0; i < n_new; i++)
		inputs[i] = fresh[i].input;
	options.batch = 8;
	options.rate = options.rate_embedding = 0.003;
	learner = task_learn(NN_TASK_TRANSLATE, &options, NULL, rows, n, NULL);
	out = write_all(nn_learner_model(learner), inputs, n_new, 4, false, scratch);
	n_right = count_right(fresh, out, n_new);
	if (!ok(n_right >= n_new - 2, "%d of %d names never seen, where all others were words", n_right, n_new))
		for (int i = 0; i < n_new; i++)
			diag("%.*s -> %s", (int) inputs[i].n_bytes, inputs[i].text, out[i].text);
	nn_learner_destroy(learner);
}

/* text[] to text: elements as they are on either side. */
static void
test_given(NnArena *scratch)
{
	TaskRow		rows[8];
	NnOptions	options = small_options(100);
	NnLearner  *learner;
	NnWritten  *out;

	options.batch = 1;
	options.validation = 0.0;
	options.min_rows = 1;
	for (int i = 0; i < 8; i++)
	{
		rows[i].label = NULL;
		rows[i].input = task_words(i % 2 == 0 ? "a1 b-2 c" : "c b-2");
		rows[i].target = i % 4 < 2 ? task_words(i % 2 == 0 ? "x;y z" : "z") : task_text(i % 2 == 0 ? "x;y z" : " z ");
	}
	learner = task_learn(NN_TASK_TRANSLATE, &options, NULL, rows, 8, NULL);
	out = write_all(nn_learner_model(learner), &rows[0].input, 1, 2, false, scratch);
	is_text(out->text, out->n_bytes, "x;y z", "given words to given words, whether they come as text[] or text");
	is_int(out->n_tokens, 2, "a token for each");
	nn_learner_destroy(learner);
}

/* ---- captions -------------------------------------------------------------------------------- */

static TaskRow
make_caption(NnRng *rng, int n)
{
	static const char *const thing[] = {"a zero", "one", "Two of  them", "three!", "\xe5\x9b\x9b"};
	int			k = net_case_int(rng, 0, 4);
	float		x[10];

	for (int j = 0; j < n; j++)
		x[j] = net_case_float(rng, -0.3f, 0.3f) + (j % 5 == k ? 1.0f : 0.0f);
	return (TaskRow)
	{
		.input = task_numbers(x, n), .target = task_text(thing[k])
	};
}

static void
test_captions(NnArena *scratch)
{
	enum
	{
		N = 200, N_NEW = 30
	};
	static TaskRow rows[N];
	static TaskRow fresh[N_NEW];
	NnValue		inputs[N_NEW];
	NnOptions	options = small_options(8);
	NnWriteOptions how = beam_of(3);
	NnLearner  *learner;
	const NnModel *model;
	NnModel    *read_back;
	NnWritten  *out;
	NnWritten	one;
	NnRng		rng;
	float		numbers[11] = {NAN};
	NnValue		bad;
	int			n_right;

	nn_rng_seed(&rng, 4);
	for (int i = 0; i < N; i++)
		rows[i] = make_caption(&rng, 10);
	for (int i = 0; i < N_NEW; i++)
	{
		fresh[i] = make_caption(&rng, 10);
		inputs[i] = fresh[i].input;
	}
	learner = task_learn(NN_TASK_CAPTION, &options, NULL, rows, N, NULL);
	model = nn_learner_model(learner);
	ok(model->spec.input == NN_INPUT_VECTOR && model->spec.channels == 10, "arrays of one length are vectors");
	out = write_all(model, inputs, N_NEW, 3, false, scratch);
	n_right = count_right(fresh, out, N_NEW);
	ok(n_right >= N_NEW - 1, "%d of %d captions are exact", n_right, N_NEW);
	read_back = task_read_back(learner);
	if (ok(read_back != NULL, "the file is read back"))
		test_batches(model, read_back, inputs, 10, scratch);
	bad = task_numbers(numbers, 10);
	is_int(nn_write(model, &bad, 1, &how, false, scratch, &one, NULL, &err), NN_ERANGE, "NaN is refused");
	numbers[0] = 1;
	bad = task_numbers(numbers, 11);
	is_int(nn_write(model, &bad, 1, &how, false, scratch, &one, NULL, &err), NN_EINVAL, "so is a vector of another size");
	bad = task_numbers(numbers, 0);
	is_int(nn_write(model, &bad, 1, &how, false, scratch, &one, NULL, &err), NN_EINVAL, "and an empty one");
	numbers[0] = 3e38f;
	bad = task_numbers(numbers, 10);
	ok(nn_write(model, &bad, 1, &how, false, scratch, &one, NULL, &err) != NN_EINTERNAL, "a huge one has an answer or an error");
	nn_model_destroy(read_back);
	nn_learner_destroy(learner);

	options.epochs = 1;
	ok(task_ignores_order(NN_TASK_CAPTION, &options, rows, 40), "captions: the same file whatever the order of the rows");
	ok(task_keeps_its_plan(NN_TASK_CAPTION, &options, rows, 60), "captions: no more memory than planned");
	ok(task_survives_failures(NN_TASK_CAPTION, &options, rows, 10), "captions: failures");
	rows[0] = make_caption(&rng, 5);
	ok(task_keeps_its_plan(NN_TASK_CAPTION, &options, rows, 40), "of series: no more memory than planned");
	learner = task_learn(NN_TASK_CAPTION, &options, NULL, rows, 40, NULL);
	is_int(nn_learner_model(learner)->spec.input, NN_INPUT_SERIES, "arrays of several lengths are series");
	out = write_all(nn_learner_model(learner), inputs, 3, 2, true, scratch);
	ok(out[0].text != NULL, "which are told too");
	nn_learner_destroy(learner);
}

int
main(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);

	test_translation(scratch);
	test_names(scratch);
	test_given(scratch);
	test_captions(scratch);
	nn_arena_destroy(scratch);
	task_free_values();
	return done_testing();
}
