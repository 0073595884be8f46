/*
 * test_task_language.c: language models, from rows to text (model/learn.h, model/write.h).
 *
 *  - a text learned by heart is written again byte for byte, whatever its tokens are;
 *  - a source whose entropy is known is found, and no model is better than it;
 *  - rows in an order are read with those before them in mind;
 *  - drawing, stop texts, likelihoods alone and in a batch, hostile input.
 */
#include "task_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "net_case.h"
#include "tap.h"

static NnError err;

static NnOptions
small_options(int epochs)
{
	NnOptions	options = task_options();

	options.hidden = 24;
	options.embedding = 16;
	options.epochs = epochs;
	options.batch = 4;
	options.rate = options.rate_embedding = 0.02;
	options.validation = 0.0;
	return options;
}

static NnWriteOptions
greedy(void)
{
	return (NnWriteOptions) {.beam = 1, .max_tokens = 200};
}

static NnWritten
write_on(const NnModel *model, const char *prompt, const NnWriteOptions *options, NnArena *scratch)
{
	NnValue		value = task_text(prompt != NULL ? prompt : "");
	NnWritten	out = {0};

	if (nn_generate(model, prompt != NULL ? &value : NULL, options, scratch, &out, &err) != NN_OK)
		diag("%s", err.message);
	return out;
}

static double
likelihood(const NnModel *model, NnValue value, NnLikelihood *out, NnArena *scratch)
{
	if (nn_likelihood(model, &value, 1, scratch, out, NULL, &err) != NN_OK)
		diag("%s", err.message);
	return out->sum;
}

/* ---- learned by heart ---------------------------------------------------------------- */

/* A model of one text, in six rows. */
static NnLearner *
learn_text(NnValue value, const NnOptions *options)
{
	TaskRow		rows[6];

	for (int i = 0; i < 6; i++)
		rows[i] = (TaskRow) {.input = value};
	return task_learn(NN_TASK_LANGUAGE, options, NULL, rows, 6, NULL);
}

static void
test_by_heart(NnArena *scratch)
{
	const char *text = "Hello  World!\n\nThe \xc3\x84rger isn't \xf0\x9f\x98\x80 over ;) ...  it  is.\tEnd ";
	NnOptions	options = small_options(60);
	NnLearner  *learner = learn_text(task_text(text), &options);
	const NnModel *model = nn_learner_model(learner);
	NnModel    *read_back = task_read_back(learner);
	NnWriteOptions how = greedy();
	NnLikelihood likely;
	NnWritten	out = write_on(model, NULL, &how, scratch);

	is_text(out.text, out.n_bytes, text, "words: the text again");
	ok(!out.is_cut && out.n_tokens > 10, "to its end");
	is_near(out.log_probability, likelihood(model, task_text(text), &likely, scratch), 1e-4,
			"its probability is what nn_likelihood() says");
	is_int(likely.n_tokens, out.n_tokens + 1, "of its tokens and the end");
	is_int(likely.n_characters, 59, "of 58 characters and the end");
	is_int(likely.n_words, 13, "of twelve words and the end");
	for (int t = 1; t < out.n_tokens; t++)
		if (out.written[t].start < out.written[t - 1].stop)
			ok(false, "pieces follow one another");

	out = write_on(model, "Hello", &how, scratch);
	is_text(out.text, out.n_bytes, text + 5, "behind a prompt, spaces and all");
	how.max_tokens = 2;
	out = write_on(model, NULL, &how, scratch);
	is_text(out.text, out.n_bytes, "Hello ", "two tokens");
	ok(out.is_cut, "are a part of it");
	how.max_tokens = 200;
	how.stop = "\n\nThe";
	out = write_on(model, NULL, &how, scratch);
	is_text(out.text, out.n_bytes, "Hello  World!", "up to a stop text over several tokens");
	ok(!out.is_cut, "which is an end");
	is_int(out.n_tokens, 4, "and none of the text's pieces");
	how.stop = "ello";
	out = write_on(model, NULL, &how, scratch);
	ok(out.n_tokens == 1 && out.written[0].start == 0 && out.written[0].stop == 1, "a stop text within a piece cuts it");
	how.stop = " Hello";
	out = write_on(model, NULL, &how, scratch);
	is_text(out.text, out.n_bytes, text, "the space that is thought before a text stops nothing");
	how.stop = NULL;
	if (ok(read_back != NULL, "the file is read back"))
	{
		out = write_on(read_back, NULL, &how, scratch);
		is_text(out.text, out.n_bytes, text, "and writes the same");
	}
	nn_model_destroy(read_back);
	nn_learner_destroy(learner);
}

static void
test_characters(NnArena *scratch)
{
	const char *text = " So  \xc3\xa4-\xf0\x9f\x98\x80\n oder so";
	NnOptions	options = small_options(120);
	NnWriteOptions how = greedy();
	NnLearner  *learner;
	NnWritten	out;

	options.unit = NN_UNIT_CHARACTER;
	learner = learn_text(task_text(text), &options);
	out = write_on(nn_learner_model(learner), NULL, &how, scratch);
	is_text(out.text, out.n_bytes, text, "characters: the text again");
	is_int(out.n_tokens, 17, "a token for each");
	out = write_on(nn_learner_model(learner), " So  ", &how, scratch);
	is_text(out.text, out.n_bytes, text + 5, "behind a prompt");
	nn_learner_destroy(learner);

	learner = learn_text(task_words("ab c d"), &options);
	out = write_on(nn_learner_model(learner), NULL, &how, scratch);
	is_text(out.text, out.n_bytes, "ab c d", "the characters of words, one space between");
	nn_learner_destroy(learner);
}

static void
test_given(NnArena *scratch)
{
	NnOptions	options = small_options(40);
	NnWriteOptions how = greedy();
	NnLearner  *learner = learn_text(task_words("<unk> N New-York 's isn't <unk> ;)"), &options);
	const NnModel *model = nn_learner_model(learner);
	NnWritten	out = write_on(model, NULL, &how, scratch);
	NnLikelihood words;
	NnLikelihood text;

	is_text(out.text, out.n_bytes, "<unk> N New-York 's isn't <unk> ;)", "given words: one space between each two");
	is_int(out.n_tokens, 7, "a token for each");
	out = write_on(model, "<unk>\tN", &how, scratch);
	is_text(out.text, out.n_bytes, " New-York 's isn't <unk> ;)", "behind a prompt, which is cut at white space");
	how.stop = "'s isn't";
	out = write_on(model, NULL, &how, scratch);
	is_text(out.text, out.n_bytes, "<unk> N New-York ", "up to a stop text with a space");
	ok(likelihood(model, task_words("<unk> N ;)"), &words, scratch) ==
	   likelihood(model, task_text(" <unk>  N\n;) "), &text, scratch), "the words of a text are those of text[]");
	ok(words.n_words == 4 && text.n_words == 4, "and so is their number");
	nn_learner_destroy(learner);
}

/* ---- a source that is known ------------------------------------------------------------- */

/* From each of three words: the chances of the three and of the end. */
static const double chance[4][4] = {
	{0.10, 0.60, 0.25, 0.05},
	{0.70, 0.05, 0.20, 0.05},
	{0.15, 0.15, 0.60, 0.10},
	{0.50, 0.30, 0.20, 0.00},	/* the first word */
};

/* A text drawn from it, and its log-likelihood. */
static char *
draw_text(NnRng *rng, double *log_p)
{
	char		text[1000];
	int			n = 0;
	int			from = 3;

	*log_p = 0.0;
	for (;;)
	{
		double		u = (double) nn_rng_uniform(rng);
		int			to = 0;

		while (to < 3 && u >= chance[from][to])
			u -= chance[from][to++];
		if (from == 3 && to == 3)
			to = 2;
		*log_p += log(chance[from][to]);
		if (to == 3 || n > 900)
			break;
		n += snprintf(text + n, sizeof(text) - (size_t) n, "%s%s", n > 0 ? " " : "", to == 0 ? "red" : to == 1 ? "green" : "blue");
		from = to;
	}
	return task_print("%s", text);
}

static void
test_markov(NnArena *scratch)
{
	enum
	{
		N = 400, N_NEW = 150
	};
	static TaskRow rows[N];
	NnValue		fresh[N_NEW];
	NnLikelihood together[N_NEW];
	NnOptions	options = small_options(6);
	const NnLearnReport *report;
	NnLearner  *learner;
	NnRng		rng;
	double		log_p;
	double		source = 0.0;
	double		found = 0.0;
	int64_t		n_tokens = 0;
	int			n_same = 0;

	nn_rng_seed(&rng, 8);
	for (int i = 0; i < N; i++)
		rows[i].input = task_text(draw_text(&rng, &log_p));
	options.hidden = 12;
	options.validation = 0.1;
	options.batch = 8;
	options.running = 0;
	learner = task_learn(NN_TASK_LANGUAGE, &options, NULL, rows, N, &report);
	for (int i = 0; i < N_NEW; i++)
	{
		fresh[i] = task_text(draw_text(&rng, &log_p));
		source += log_p;
	}
	fresh[3] = task_text("");
	fresh[4] = task_words("red  blue");
	ok(nn_likelihood(nn_learner_model(learner), fresh, N_NEW, scratch, together, NULL, &err) == NN_OK, "likelihoods");
	for (int i = 0; i < N_NEW; i++)
	{
		NnLikelihood alone;

		likelihood(nn_learner_model(learner), fresh[i], &alone, scratch);
		n_same += memcmp(&alone, &together[i], sizeof(alone)) == 0;
		found += together[i].sum;
		n_tokens += together[i].n_tokens;
	}
	is_int(n_same, N_NEW, "alone and in a batch, bit for bit");
	is_int(together[3].n_tokens, 1, "an empty text has its end");
	source = exp(-source / (double) n_tokens);
	found = exp(-found / (double) n_tokens);
	ok(found < 1.06 * source && found > 0.97 * source, "the source has perplexity %.3f, the model %.3f", source, found);
	ok(fabs(report->sequence.perplexity / report->train.epoch[report->train.best_epoch - 1].metric - 1.0) < 1e-3 &&
	   report->sequence.n_tokens > 0, "held out: %.3f", report->sequence.perplexity);
	nn_learner_destroy(learner);
}

/* A text of forty words in examples of eight: only the last one ends. */
static void
test_cut(NnArena *scratch)
{
	char		text[400] = "one";
	NnOptions	options = small_options(40);
	NnWriteOptions how = greedy();
	NnLearner  *learner;
	NnWritten	out;

	for (int i = 1; i < 40; i++)
		strcat(text, i % 4 == 0 ? " one" : i % 4 == 1 ? " two" : i % 4 == 2 ? " three" : " four");
	options.max_tokens = 8;
	options.running = 0;
	how.max_tokens = 30;
	learner = learn_text(task_text(text), &options);
	out = write_on(nn_learner_model(learner), NULL, &how, scratch);
	is_int(out.n_tokens, 30, "a text cut into examples goes on behind each of them");
	nn_learner_destroy(learner);
}

/* What is held at most does not grow with the number of batches. */
static void
test_likelihood_memory(void)
{
	enum
	{
		N = 640
	};
	NnOptions	options = small_options(1);
	NnLearner  *learner = learn_text(task_text("one two three four"), &options);
	static NnValue values[N];
	static NnLikelihood out[N];
	size_t		held[2];

	for (int i = 0; i < N; i++)
		values[i] = task_text("one two three four one two three four one two three four");
	for (int k = 0; k < 2; k++)
	{
		NnArena    *scratch = nn_arena_create(&nn_env_malloc);

		ok(nn_likelihood(nn_learner_model(learner), values, k == 0 ? 64 : N, scratch, out, NULL, &err) == NN_OK,
		   "likelihoods of %d texts", k == 0 ? 64 : N);
		held[k] = nn_arena_bytes(scratch);
		nn_arena_destroy(scratch);
	}
	ok(held[1] < 2 * held[0] + (size_t) N * 200, "ten batches need little more than one: %zu bytes, %zu bytes", held[1], held[0]);
	nn_learner_destroy(learner);
}

/* ---- running text ------------------------------------------------------------------------ */

static TaskRow *
counting_rows(int n)
{
	static const char *const word[] = {"one", "two", "three", "four"};
	TaskRow    *rows = net_case_alloc((size_t) n, sizeof(TaskRow));

	for (int i = 0; i < n; i++)
		rows[i] = (TaskRow)
	{
		.input = task_text(word[i % 4])
	};
	return rows;
}

static void
test_running(void)
{
	TaskRow    *rows = counting_rows(200);
	NnOptions	options = small_options(25);
	const NnLearnReport *report;
	NnLearner  *learner;

	/* one lane, so that it begins where the rows begin */
	options.batch = 1;
	options.rate = options.rate_embedding = 0.01;
	options.validation = 0.2;
	options.bptt = 10;
	snprintf(options.order_by, sizeof(options.order_by), "id");
	learner = task_learn(NN_TASK_LANGUAGE, &options, NULL, rows, 200, &report);
	ok(report->plan.n_valid == 40 && report->sequence.perplexity < 1.3, "in their order: %.2f", report->sequence.perplexity);
	ok(report->train.epoch[0].loss_train > 0.3 && isfinite(report->train.epoch[0].loss_train), "with a loss in training");
	nn_learner_destroy(learner);

	options.order_by[0] = '\0';
	options.running = 1;
	options.validation = 0.0;
	learner = task_learn(NN_TASK_LANGUAGE, &options, NULL, rows, 200, &report);
	ok(report->train.epoch[24].loss_train > 0.5, "dealt anew each time, nobody knows the next: loss %.2f",
	   report->train.epoch[24].loss_train);
	nn_learner_destroy(learner);

	rows[0].input = task_text(task_print("%s", "one long text, all in one row. one long text, all in one row. "));
	learner = task_learn(NN_TASK_LANGUAGE, &options, NULL, rows, 1, &report);
	ok(report->train.epoch[24].loss_train < report->train.epoch[0].loss_train, "one row is a text too");
	nn_learner_destroy(learner);
}

/* ---- drawing, hostile input ----------------------------------------------------------------- */

static void
test_drawing(NnArena *scratch)
{
	NnOptions	options = small_options(2);
	NnLearner  *learner = task_learn(NN_TASK_LANGUAGE, &options, NULL, counting_rows(40), 40, NULL);
	const NnModel *model = nn_learner_model(learner);
	NnWriteOptions how = {.beam = 1, .max_tokens = 30, .temperature = 1.5, .seed = 4};
	NnWritten	first = write_on(model, NULL, &how, scratch);
	NnWritten	again = write_on(model, NULL, &how, scratch);
	NnWritten	out;
	NnValue		bad = task_bytes("\xff", 1);
	NnLikelihood likely;
	float		number = 1;
	NnValue		numbers = task_numbers(&number, 1);
	int			n_other = 0;

	ok(first.n_bytes == again.n_bytes && strcmp(first.text, again.text) == 0, "the same seed, the same text");
	for (int seed = 5; seed < 15; seed++)
	{
		how.seed = (uint64_t) seed;
		out = write_on(model, NULL, &how, scratch);
		n_other += strcmp(out.text, first.text) != 0;
		if (!nn_utf8_check(out.text, out.n_bytes, &(size_t) {0}))
			ok(false, "what is drawn is valid UTF-8");
	}
	ok(n_other > 5, "other seeds, other texts");
	how.temperature = -1;
	is_int(nn_generate(model, NULL, &how, scratch, &out, &err), NN_ERANGE, "a temperature below zero");
	how = greedy();
	is_int(nn_generate(model, &bad, &how, scratch, &out, &err), NN_EENCODING, "a prompt that is no text");
	is_int(nn_generate(model, &numbers, &how, scratch, &out, &err), NN_EINVAL, "a prompt of numbers");
	is_int(nn_likelihood(model, &bad, 1, scratch, &likely, NULL, &err), NN_EENCODING, "a text that is none");
	how.max_tokens = 0;
	out = write_on(model, NULL, &how, scratch);
	is_int(out.n_bytes, 0, "nothing asked for, nothing written");
	nn_learner_destroy(learner);
}

int
main(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnOptions	options = small_options(1);
	TaskRow    *rows = counting_rows(60);
	const NnLearnReport *report;
	NnStatus	status;

	test_by_heart(scratch);
	test_characters(scratch);
	test_given(scratch);
	test_markov(scratch);
	test_cut(scratch);
	test_likelihood_memory();
	test_running();
	test_drawing(scratch);

	options.running = 0;
	options.validation = 0.2;
	ok(task_ignores_order(NN_TASK_LANGUAGE, &options, rows, 60), "the same file whatever the order of the rows");
	ok(task_keeps_its_plan(NN_TASK_LANGUAGE, &options, rows, 60), "no more memory than planned");
	ok(task_survives_failures(NN_TASK_LANGUAGE, &options, rows, 20), "failed allocations and stopped polls");
	options.running = 1;
	ok(task_ignores_order(NN_TASK_LANGUAGE, &options, rows, 60), "running: the same file whatever the order");
	ok(task_keeps_its_plan(NN_TASK_LANGUAGE, &options, rows, 60), "running: no more memory than planned");
	ok(task_survives_failures(NN_TASK_LANGUAGE, &options, rows, 20), "running: failures");
	options.running = 0;
	options.bidirectional = 1;
	options.dropout = options.dropout_input = options.dropout_recurrent = 0.2;
	ok(task_keeps_its_plan(NN_TASK_LANGUAGE, &options, rows, 60), "bidirectional: no more memory than planned");
	options.samples = 5;
	ok(task_keeps_its_plan(NN_TASK_LANGUAGE, &options, rows, 60), "sampled: no more memory than planned");
	rows[0].input = rows[1].input = task_text("");
	ok(task_try(NN_TASK_LANGUAGE, &options, NULL, rows, 2, &nn_env_malloc, &report, &status, &err) == NULL &&
	   status == NN_EDATA, "rows without a word");
	nn_arena_destroy(scratch);
	task_free_values();
	return done_testing();
}
