/*
 * test_task_labels.c: rows with any number of labels, and what rows count by their label.
 *
 *  - the loss and its gradient, from its definition and by central differences;
 *  - learning: each label for itself, with a threshold; failures, memory, order of the rows;
 *  - the file: written and read back, the answers are the same bits; damaged, it is refused;
 *  - a temperature in the file; weights of classes.
 */
#include "task_case.h"

#include <math.h>
#include "net_case.h"
#include "nn/net_private.h"
#include "tap.h"

static NnError err;

/* ---- the loss -------------------------------------------------------------------- */

static double
loss_of(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, const float *z, float *gradient)
{
	memcpy(gradient, z, 6 * sizeof(float));
	return nn_head_loss(spec, batch, options, gradient);
}

static void
test_loss(void)
{
	static const float target[6] = {1, 0, 1, 0, 0, 0};
	static const float weight[3] = {1, 4, 0.5f};
	float		z[6] = {0.3f, -1.2f, 2.0f, -0.5f, 0.1f, 30.0f};
	NnSpec		spec = {.task = NN_TASK_CLASSIFY, .is_multi_label = true, .n_outputs = 3};
	NnBatch		batch = {.n_sequences = 2, .target = target};
	NnLoss		plain = {0};
	NnLoss		full = {.label_smoothing = 0.2f, .class_weight = weight};
	float		gradient[6];
	float		unused[6];
	double		expected = 0.0;
	double		worst = 0.0;

	for (int i = 0; i < 6; i++)
		expected += log1p(exp(target[i] > 0 ? -(double) z[i] : (double) z[i])) / 2;
	is_near(loss_of(&spec, &batch, &plain, z, gradient), expected, 1e-6, "the loss, from its definition");
	for (int k = 0; k < 2; k++)
	{
		loss_of(&spec, &batch, k == 0 ? &plain : &full, z, gradient);
		for (int i = 0; i < 6; i++)
		{
			float		kept = z[i];
			float		high = kept + 0.01f;
			float		low = kept - 0.01f;
			double		difference;

			z[i] = high;
			difference = loss_of(&spec, &batch, k == 0 ? &plain : &full, z, unused);
			z[i] = low;
			difference -= loss_of(&spec, &batch, k == 0 ? &plain : &full, z, unused);
			z[i] = kept;
			worst = fmax(worst, fabs(difference / ((double) high - (double) low) - (double) gradient[i]));
		}
	}
	ok(worst < 1e-4, "its gradient, by differences, smoothed and weighted too: off by %g", worst);
	z[0] = 1000.0f;
	z[1] = -1000.0f;
	ok(isfinite(loss_of(&spec, &batch, &full, z, gradient)) && isfinite(gradient[0]) && isfinite(gradient[1]),
	   "logits far out cost much, and are numbers");
}

/* ---- learning ---------------------------------------------------------------------- */

#define N_ROWS 240

static const char *const color[] = {"red", "green", "blue"};

/* A row has the label of each color that it names, in any order, perhaps twice. */
static void
make_rows(TaskRow *rows)
{
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	memset(rows, 0, N_ROWS * sizeof(TaskRow));
	for (int i = 0; i < N_ROWS; i++)
	{
		char		text[200] = "the";
		char		labels[200] = "";

		for (int c = 2; c >= 0; c--)
		{
			if (net_case_int(&rng, 0, c) != 0)
				continue;
			strcat(strcat(text, " "), color[c]);
			strcat(strcat(labels, labels[0] != '\0' ? " " : ""), color[c]);
			if (i % 5 == 0)
				strcat(strcat(labels, " "), color[c]);
		}
		sprintf(text + strlen(text), " thing %d", i);
		rows[i].input = task_text(task_print("%s", text));
		rows[i].target = task_words(labels);
	}
}

static NnOptions
label_options(void)
{
	NnOptions	options = task_options();

	options.hidden = 8;
	options.embedding = 8;
	options.bag_hidden = 8;
	options.epochs = 25;
	options.char_ngrams = 0;
	options.validation = 0.25;
	return options;
}

/* Probabilities (n, C) of the rows. */
static float *
answers(const NnModel *model, const TaskRow *rows, int n)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue    *inputs = net_case_alloc((size_t) n, sizeof(NnValue));
	float	   *out = net_case_alloc((size_t) (n * model->spec.n_outputs), sizeof(float));
	NnReading  *readings = net_case_alloc((size_t) n, sizeof(NnReading));

	for (int i = 0; i < n; i++)
		inputs[i] = rows[i].input;
	ok(nn_answer(model, inputs, n, scratch, out, readings, NULL, &err) == NN_OK && isfinite(readings[n - 1].energy),
	   "answers");
	nn_arena_destroy(scratch);
	return out;
}

/* Are the labels of each row, and no others, above their thresholds? */
static int
count_right(const NnModel *model, const float *probabilities, const TaskRow *rows)
{
	int			n_right = 0;

	for (int i = 0; i < N_ROWS; i++)
	{
		bool		is_right = true;

		for (int c = 0; c < model->spec.n_outputs; c++)
		{
			bool		is_named = memmem(rows[i].input.text, rows[i].input.n_bytes, model->labels[c],
										  strlen(model->labels[c])) != NULL;

			is_right = is_right && is_named == (probabilities[i * model->spec.n_outputs + c] >= model->threshold[c]);
		}
		n_right += is_right;
	}
	return n_right;
}

static void
test_learning(void)
{
	static TaskRow rows[N_ROWS];
	NnOptions	options = label_options();
	const NnLearnReport *report;
	NnLearner  *learner;
	NnModel    *back;
	float	   *before;
	float	   *after;

	make_rows(rows);
	learner = task_learn(NN_TASK_CLASSIFY, &options, NULL, rows, N_ROWS, &report);
	back = nn_learner_model(learner);
	ok(back->spec.n_outputs == 3 && strcmp(back->labels[0], "blue") == 0, "three labels in byte order");
	ok(report->sets.n == report->plan.n_valid && report->sets.micro_f1 > 0.9 && report->held_out.n == 0,
	   "sets of held-out rows: micro-F1 %.3f of %lld", report->sets.micro_f1, (long long) report->sets.n);
	ok(report->n_label_rows[2] == N_ROWS, "a label that comes twice in a row counts once");
	ok(report->answers.n_rows == report->plan.n_valid && report->answers.n_claims >= report->answers.n_rows,
	   "what held-out rows were answered is kept");
	ok(report->calibration[1].cross_entropy <= report->calibration[0].cross_entropy, "tuned is not worse than untuned");
	before = answers(back, rows, N_ROWS);
	ok(count_right(back, before, rows) > N_ROWS * 9 / 10, "%d of %d sets are right", count_right(back, before, rows), N_ROWS);

	back = task_read_back(learner);
	ok(back != NULL && back->spec.is_multi_label && back->temperature == nn_learner_model(learner)->temperature &&
	   memcmp(back->threshold, nn_learner_model(learner)->threshold, 3 * sizeof(float)) == 0, "the file keeps how to decide");
	after = answers(back, rows, N_ROWS);
	ok(memcmp(before, after, 3 * N_ROWS * sizeof(float)) == 0, "and the answers are the same bits");
	after = answers(back, rows + 7, 1);
	ok(memcmp(before + 21, after, 3 * sizeof(float)) == 0, "alone too");
	nn_model_destroy(back);
	nn_learner_destroy(learner);

	options.refit = 1;
	learner = task_learn(NN_TASK_CLASSIFY, &options, NULL, rows, N_ROWS, &report);
	ok(report->is_refitted && nn_learner_model(learner)->temperature != 1.0 && nn_learner_model(learner)->threshold[0] != 0.5f,
	   "a refit keeps temperature and thresholds");
	nn_learner_destroy(learner);

	options.epochs = 2;
	options.class_weights = 1;
	ok(task_ignores_order(NN_TASK_CLASSIFY, &options, rows, N_ROWS), "the order of the rows is no matter");
	ok(task_keeps_its_plan(NN_TASK_CLASSIFY, &options, rows, N_ROWS), "memory is as planned");
	options.epochs = 1;
	ok(task_survives_failures(NN_TASK_CLASSIFY, &options, rows, 60), "failures give everything back");
}

/* ---- errors, and rows of few labels ---------------------------------------------------- */

static NnStatus
status_of(const TaskRow *rows, int n)
{
	NnOptions	options = label_options();
	const NnLearnReport *report;
	NnStatus	status;

	nn_learner_destroy(task_try(NN_TASK_CLASSIFY, &options, NULL, rows, n, &nn_env_malloc, &report, &status, &err));
	return status;
}

static void
test_few_labels(void)
{
	static TaskRow rows[N_ROWS];

	make_rows(rows);
	for (int i = 0; i < 40; i++)
		rows[i].target = task_words(i % 2 == 0 ? "it" : "");
	is_int(status_of(rows, 40), NN_OK, "one label is enough: a row has it or not");
	for (int i = 0; i < 40; i++)
		rows[i].target = task_words("");
	is_int(status_of(rows, 40), NN_EDATA, "no label is not");
	ok(strcmp(err.message, "no row has a label") == 0, "%s", err.message);
	for (int i = 0; i < 40; i++)
		rows[i].target = task_words(task_print("label%d", i));
	is_int(status_of(rows, 40), NN_EDATA, "labels of one row each cannot be learned");
	for (int i = 0; i < 40; i++)
		rows[i].target = task_words("all");
	is_int(status_of(rows, 40), NN_OK, "a label that every row has can");
}

/* ---- the file ---------------------------------------------------------------------------- */

static NnModel *
read_with(NnModel *model, NnArray *bytes)
{
	NnModel    *back = NULL;

	nn_array_init(bytes, &nn_env_malloc, 1);
	if (nn_file_write(model, NN_FLOAT_F32, bytes, &err) == NN_OK)
		nn_file_read(&back, bytes->data, bytes->n, 0, &nn_env_malloc, &err);
	return back;
}

/* The text in the file is replaced by another of the same length; is the file refused? */
static bool
is_refused_with(NnModel *model, const char *text, const char *other)
{
	NnArray		bytes;
	NnModel    *back = read_with(model, &bytes);
	char	   *at = NULL;

	nn_model_destroy(back);
	for (size_t i = 0; i + strlen(text) <= bytes.n && at == NULL; i++)
		if (memcmp((char *) bytes.data + i, text, strlen(text)) == 0)
			at = (char *) bytes.data + i;
	back = NULL;
	if (at != NULL)
	{
		memcpy(at, other, strlen(other));
		nn_file_read(&back, bytes.data, bytes.n, 0, &nn_env_malloc, &err);
	}
	nn_model_destroy(back);
	nn_array_free(&bytes);
	return at != NULL && back == NULL;
}

static void
test_file(void)
{
	static TaskRow rows[N_ROWS];
	NnOptions	options = label_options();
	NnLearner  *learner;
	NnModel    *model;
	NnModel    *back;
	NnArray		bytes;
	float		kept;

	make_rows(rows);
	options.epochs = 2;
	learner = task_learn(NN_TASK_CLASSIFY, &options, NULL, rows, 60, NULL);
	model = nn_learner_model(learner);
	model->temperature = 1.0;
	back = read_with(model, &bytes);
	ok(back != NULL && back->temperature == 1.0 && memmem(bytes.data, bytes.n, "temperature", 11) == NULL,
	   "a temperature of 1 is not in the file, and a file without one has 1");
	nn_model_destroy(back);
	nn_array_free(&bytes);

	model->temperature = 2.5;
	ok(is_refused_with(model, "\"2.5\"", "\"-.5\""), "a negative temperature");
	ok(is_refused_with(model, "\"2.5\"", "\"2,5\""), "one that is no number");
	ok(is_refused_with(model, "\"2.5\"", "\"nan\""), "one that is none at all");
	ok(is_refused_with(model, "\"2.5\"", "\"0e0\""), "zero");
	ok(is_refused_with(model, "\"2.5\"", "\"9e9\""), "one without an end");
	ok(is_refused_with(model, "multi_label", "multi_lable"), "an unknown member of the spec");
	ok(is_refused_with(model, "label.threshold", "label.treshhold"), "thresholds by another name");
	ok(!is_refused_with(model, "\"2.5\"", "\"0.5\""), "a good one is read");
	model->temperature = (double) NAN;
	ok(nn_file_write(model, NN_FLOAT_F32, &bytes, &err) == NN_ERANGE, "a temperature that is none is not written");
	model->temperature = 1.0;
	kept = model->threshold[1];
	model->threshold[1] = 1.5f;
	nn_array_init(&bytes, &nn_env_malloc, 1);
	ok(nn_file_write(model, NN_FLOAT_F32, &bytes, &err) == NN_ERANGE, "nor a threshold that is no probability");
	model->threshold[1] = kept;
	nn_array_free(&bytes);
	nn_learner_destroy(learner);
}

/* ---- weights of classes -------------------------------------------------------------------- */

/* Mean probability of label "rare" when its rows weigh so much; 0: nobody said. */
static double
share_of_rare(double weight, const char *label)
{
	static TaskRow rows[N_ROWS];
	NnOptions	options = label_options();
	NnLearner  *learner;
	NnPlan		plan;
	const NnLearnReport *report;
	NnStatus	status;
	double		sum = 0.0;
	float	   *p;

	make_rows(rows);
	for (int i = 0; i < N_ROWS; i++)
		rows[i].label = i % 12 == 0 ? "rare" : "usual";
	options.epochs = 2;
	options.validation = 0.0;
	learner = task_begin(NN_TASK_CLASSIFY, &options, NULL, rows, N_ROWS, &nn_env_malloc, &status, &err);
	if (weight > 0.0)
		status = nn_learner_weigh(learner, label, strlen(label), weight, &err);
	if (status == NN_OK)
		status = nn_learner_plan(learner, &plan, &err);
	if (status == NN_OK)
		status = nn_learner_train(learner, &report, &err);
	if (status != NN_OK)
	{
		nn_learner_destroy(learner);
		return -1.0;
	}
	p = answers(nn_learner_model(learner), rows, N_ROWS);
	for (int i = 0; i < N_ROWS; i++)
		sum += (double) p[2 * i] / N_ROWS;
	nn_learner_destroy(learner);
	return sum;
}

static void
test_weights(void)
{
	double		plain = share_of_rare(0.0, "");

	ok(share_of_rare(1.0, "rare") == plain, "a weight of 1 changes nothing");
	ok(share_of_rare(20.0, "rare") > 1.5 * plain, "a weighty label is told more often");
	ok(share_of_rare(20.0, "usual") < plain, "and less if the other is");
	ok(share_of_rare(2.0, "rear") < 0.0 && err.status == NN_EUNKNOWN && strstr(err.hint, "rare") != NULL,
	   "a label that no row has: %s", err.hint);
	ok(share_of_rare(1e9, "rare") < 0.0 && err.status == NN_ERANGE, "a weight out of range");
}

int
main(void)
{
	test_loss();
	test_learning();
	test_few_labels();
	test_file();
	test_weights();
	task_free_values();
	return done_testing();
}
