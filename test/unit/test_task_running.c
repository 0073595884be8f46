/*
 * test_task_running.c: running text and vectors of texts (model/write.h).
 *
 *  - texts that follow one another are read just as training scores a running text;
 *  - the state goes on from call to call, bit for bit;
 *  - vectors of texts: alone and among others, of every task that has them;
 *  - memory does not grow with the number of texts, failures give everything back.
 */
#include "task_case.h"

#include <math.h>
#include "model/encode.h"
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
	options.batch = 2;
	options.rate = options.rate_embedding = 0.01;
	options.validation = 0.0;
	return options;
}

static NnLearner *
learn_counting(const NnOptions *options, NnTask task)
{
	static const char *const word[] = {"one two", "two three", "three four", "four one"};
	TaskRow		rows[40];

	memset(rows, 0, sizeof(rows));
	for (int i = 0; i < 40; i++)
	{
		bool		is_tag = task == NN_TASK_TAG;
		const char *target = is_tag ? (i % 2 == 0 ? "B-x I-x" : "O B-x") : word[(i + 1) % 4];

		rows[i].input = is_tag ? task_words(word[i % 4]) : task_text(word[i % 4]);
		rows[i].target = is_tag ? task_words(target) : task_text(target);
	}
	return task_learn(task, options, NULL, rows, 40, NULL);
}

/* ---- running text ----------------------------------------------------------------------- */

#define N_TEXTS 12

/* Texts of many lengths, some of nothing, one longer than is read at once. */
static void
make_texts(NnValue *texts)
{
	char		text[40000];
	size_t		at = 0;

	for (int i = 0; i < 9000; i++)
		at += (size_t) sprintf(text + at, "%s", i % 7 == 0 ? "one " : i % 3 == 0 ? "two " : "9 ");
	for (int i = 0; i < N_TEXTS; i++)
		texts[i] = task_text(i % 3 == 0 ? "one" : i % 3 == 1 ? "two three four, three" : "");
	texts[N_TEXTS / 2] = task_bytes(text, at);
}

/* A state of zeros. */
static NnState
first_state(const NnModel *model)
{
	size_t		n = (size_t) model->spec.n_layers * (size_t) model->spec.hidden;
	NnState		state = {net_case_alloc(n, sizeof(float)), NULL};

	if (model->spec.cell == NN_CELL_LSTM)
		state.c = net_case_alloc(n, sizeof(float));
	return state;
}

/* What training says of the texts, in one lane and few steps at a time. */
static NnBatchScore
score_in_training(const NnModel *model, const NnValue *texts, NnArena *scratch)
{
	NnBatchScore score = {0};
	NnExamples	examples;

	net_case_check(nn_encode_exact(model, texts, N_TEXTS, scratch, &examples, NULL, NULL, &err), &err);
	examples.is_running = true;
	net_case_check(nn_score(model->net, &examples, 1, 64, &nn_env_malloc, &score, &err), &err);
	return score;
}

static void
test_going_on(NnCell cell, int n_layers, NnArena *scratch)
{
	NnOptions	options = small_options(3);
	NnLearner  *learner;
	NnModel    *model;
	NnValue		texts[N_TEXTS];
	NnLikelihood whole[N_TEXTS];
	NnLikelihood parts[N_TEXTS];
	NnLikelihood alone[2];
	NnReading	readings[N_TEXTS];
	NnBatchScore score;
	NnState		state;
	NnState		again;
	double		sum = 0.0;
	int64_t		n_tokens = 0;

	options.running = 1;
	options.bptt = 10;
	options.cell = (int) cell;
	options.layers = n_layers;
	learner = learn_counting(&options, NN_TASK_LANGUAGE);
	ok(nn_learner_model(learner)->is_running, "%s: the model knows that it reads a running text", nn_cell_name(cell));
	model = task_read_back(learner);
	ok(model != NULL && model->is_running, "and so does that of its file");
	state = first_state(model);
	again = first_state(model);
	make_texts(texts);
	score = score_in_training(model, texts, scratch);
	net_case_check(nn_likelihood_running(model, texts, N_TEXTS, &state, scratch, whole, readings, &err), &err);
	for (int i = 0; i < N_TEXTS; i++)
	{
		sum += whole[i].sum;
		n_tokens += whole[i].n_tokens;
		net_case_check(nn_likelihood_running(model, texts + i, 1, &again, scratch, parts + i, NULL, &err), &err);
	}
	is_int(n_tokens, score.n_tokens, "as many tokens as in training");
	is_near(sum / score.loss, -1.0, 1e-7, "which are as likely");
	ok(readings[N_TEXTS / 2].n_used > 8192, "in more than one part");
	ok(memcmp(whole, parts, sizeof(whole)) == 0 &&
	   memcmp(state.h, again.h, (size_t) (n_layers * model->spec.hidden) * sizeof(float)) == 0,
	   "one call or many, bit for bit");
	net_case_check(nn_likelihood(model, texts, 2, scratch, alone, NULL, &err), &err);
	ok(memcmp(&alone[0], &whole[0], sizeof(alone[0])) == 0, "the first text is as it is alone");
	ok(alone[1].n_tokens == whole[1].n_tokens && alone[1].n_words == whole[1].n_words &&
	   alone[1].n_characters == whole[1].n_characters && alone[1].sum != whole[1].sum, "the second is not");
	nn_model_destroy(model);
	nn_learner_destroy(learner);
}

/* Not asked for, or not possible: no running text. */
static void
test_not_running(NnArena *scratch)
{
	NnOptions	options = small_options(1);
	NnValue		bad = task_bytes("\xff", 1);
	NnLearner  *learner;
	NnLikelihood likely;
	NnState		state;

	options.running = 0;
	learner = learn_counting(&options, NN_TASK_LANGUAGE);
	state = first_state(nn_learner_model(learner));
	ok(!nn_learner_model(learner)->is_running, "a model of single texts");
	is_int(nn_likelihood_running(nn_learner_model(learner), &bad, 1, &state, scratch, &likely, NULL, &err),
		   NN_EENCODING, "a text that is none");
	nn_learner_destroy(learner);

	options.bidirectional = 1;
	learner = learn_counting(&options, NN_TASK_LANGUAGE);
	is_int(nn_likelihood_running(nn_learner_model(learner), &bad, 1, &state, scratch, &likely, NULL, &err),
		   NN_EINVAL, "a model of two directions");
	nn_learner_destroy(learner);
}

/* ---- vectors ------------------------------------------------------------------------------ */

static void
test_vectors(NnTask task, bool is_bidirectional, int expected_width, NnArena *scratch)
{
	enum
	{
		N = 300
	};
	NnOptions	options = small_options(1);
	NnLearner  *learner;
	const NnModel *model;
	NnReading	readings[N];
	NnValue		texts[N];
	float	   *all;
	float	   *one;
	size_t		n_row;
	size_t		n_bytes;

	options.bidirectional = is_bidirectional;
	options.running = 0;
	learner = learn_counting(&options, task);
	model = nn_learner_model(learner);
	is_int(nn_embed_width(model), expected_width, "%s: width of a vector", nn_task_name(task));
	n_row = (size_t) expected_width * sizeof(float);
	all = net_case_alloc(N, n_row);
	one = net_case_alloc(1, n_row);
	for (int i = 0; i < N; i++)
		texts[i] = task_text(i % 3 == 0 ? "one two three one two three" : i % 3 == 1 ? "four" : "");
	net_case_check(nn_embed(model, texts, 4, scratch, all, NULL, &err), &err);
	n_bytes = nn_arena_bytes(scratch);
	net_case_check(nn_embed(model, texts, N, scratch, all, readings, &err), &err);
	ok(nn_arena_bytes(scratch) <= n_bytes, "many texts take no more memory than a few");
	ok(readings[0].n_tokens >= 6 && readings[1].n_tokens >= 1 && readings[2].n_tokens == 0, "readings");
	net_case_check(nn_embed(model, texts + N - 2, 1, scratch, one, NULL, &err), &err);
	ok(memcmp(one, all + (N - 2) * expected_width, n_row) == 0 && memcmp(one, all, n_row) != 0,
	   "a text has its vector, alone or among others");
	if (task == NN_TASK_TAG)
	{
		memset(one, 0, n_row);
		ok(memcmp(one, all + 2 * expected_width, n_row) == 0, "no token, all zeros");
	}
	texts[1] = task_bytes("\xff", 1);
	is_int(nn_embed(model, texts, 2, scratch, all, NULL, &err), NN_EENCODING, "a text that is none");
	nn_learner_destroy(learner);
}

/* ---- failures ------------------------------------------------------------------------------- */

/* A model's file. */
static NnArray
file_of(NnLearner *learner)
{
	NnArray		bytes;

	nn_array_init(&bytes, &nn_env_malloc, 1);
	net_case_check(nn_file_write(nn_learner_model(learner), NN_FLOAT_F32, &bytes, &err), &err);
	return bytes;
}

/* Read two texts in a host that refuses or cancels once the model is there; what the model holds is left. */
static NnStatus
read_in(TestHost *host, const NnArray *file, long fail_at, long cancel_at, bool is_vector)
{
	float		vector[2 * 24];
	NnValue		texts[2] = {task_text("one two"), task_text("three")};
	NnLikelihood likely[2];
	NnStatus	status = NN_ENOMEM;
	NnArena    *scratch;
	NnModel    *model;
	NnState		state;
	int64_t		n_before;

	test_host_init(host);
	net_case_check(nn_file_read(&model, file->data, file->n, 0, &host->env, &err), &err);
	state = first_state(model);
	n_before = host->n_blocks;
	host->fail_at = fail_at > 0 ? host->n_allocs + fail_at : 0;
	host->cancel_at = cancel_at > 0 ? host->n_polls + cancel_at : 0;
	scratch = nn_arena_create(&host->env);
	if (scratch != NULL && is_vector)
		status = nn_embed(model, texts, 2, scratch, vector, NULL, &err);
	else if (scratch != NULL)
		status = nn_likelihood_running(model, texts, 2, &state, scratch, likely, NULL, &err);
	nn_arena_destroy(scratch);
	if (host->n_blocks != n_before)
		status = NN_EINTERNAL;
	nn_model_destroy(model);
	return host->n_blocks == 0 ? status : NN_EINTERNAL;
}

static void
test_failures(void)
{
	NnOptions	options = small_options(1);
	NnLearner  *learner;
	NnArray		file;
	TestHost	host;

	options.running = 1;
	learner = learn_counting(&options, NN_TASK_LANGUAGE);
	file = file_of(learner);
	for (int is_vector = 0; is_vector < 2; is_vector++)
	{
		int			n_refused = 0;
		int			n_canceled = 0;

		while (read_in(&host, &file, n_refused + 1, 0, is_vector) == NN_ENOMEM)
			n_refused++;
		is_int(read_in(&host, &file, n_refused + 1, 0, is_vector), NN_OK, "%d allocations may fail", n_refused);
		while (read_in(&host, &file, 0, n_canceled + 1, is_vector) == NN_ECANCELED)
			n_canceled++;
		is_int(read_in(&host, &file, 0, n_canceled + 1, is_vector), NN_OK, "%d polls may say stop", n_canceled);
		ok(n_refused >= 2 && n_canceled >= 2, "and they are there");
	}
	nn_array_free(&file);
	nn_learner_destroy(learner);
}

int
main(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);

	test_going_on(NN_CELL_LSTM, 1, scratch);
	test_going_on(NN_CELL_GRU, 2, scratch);
	test_not_running(scratch);
	test_vectors(NN_TASK_LANGUAGE, false, 24, scratch);
	test_vectors(NN_TASK_LANGUAGE, true, 24, scratch);
	test_vectors(NN_TASK_TAG, true, 48, scratch);
	test_vectors(NN_TASK_TAG, false, 24, scratch);
	test_vectors(NN_TASK_TRANSLATE, true, 48, scratch);
	test_failures();
	nn_arena_destroy(scratch);
	task_free_values();
	return done_testing();
}
