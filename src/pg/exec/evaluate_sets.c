/*
 * exec/evaluate_sets.c: any number of labels a row against those of a column.
 *
 * A label that the model does not know is one that it missed: it counts against recall.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "train/calibrate.h"
#include "train/label_sets.h"

#include "exec/evaluate_private.h"
#include "exec/predict.h"
#include "exec/report_json.h"

typedef struct KeptSets
{
	float	   *out;			/* (batch, C), of the batch at hand */
	NnArray		probabilities;	/* float (n, C) */
	NnArray		target;			/* float (n, C) */
	NnArray		n_more;			/* int32 (n): labels that the model does not know */
} KeptSets;

static void
begin(LstmEvaluating *e)
{
	KeptSets   *kept = palloc0(sizeof(KeptSets));

	kept->out = MemoryContextAllocHuge(e->env.context, sizeof(float) * lstm_evaluator_sets.batch_rows *
									   e->model->spec.n_outputs);
	nn_array_init(&kept->probabilities, &e->env.env, sizeof(float));
	nn_array_init(&kept->target, &e->env.env, sizeof(float));
	nn_array_init(&kept->n_more, &e->env.env, sizeof(int32));
	e->kept = kept;
}

static int
compare_integers(const void *a, const void *b)
{
	int32		x = *(const int32 *) a;
	int32		y = *(const int32 *) b;

	return (x > y) - (x < y);
}

/* The labels of a row, each counted once, into target (C); returns how many the model does not know. */
static int32
read_labels(LstmEvaluating *e, const NnValue *labels, float *target)
{
	int			C = e->model->spec.n_outputs;
	int32	   *numbers = palloc(sizeof(int32) * Max(labels->n_words, 1));
	int32		n_more = 0;

	memset(target, 0, sizeof(float) * C);
	for (int i = 0; i < labels->n_words; i++)
		numbers[i] = lstm_evaluating_label(e, labels->words[i], labels->word_bytes[i]);
	qsort(numbers, labels->n_words, sizeof(int32), compare_integers);
	for (int i = 0; i < labels->n_words; i++)
	{
		if (numbers[i] < C)
			target[numbers[i]] = 1.0f;
		else if (i == 0 || numbers[i] != numbers[i - 1])
			n_more++;
	}
	pfree(numbers);
	return n_more;
}

static void
take_sets(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	KeptSets   *kept = e->kept;
	size_t		C = e->model->spec.n_outputs;
	float	   *target;
	int32	   *n_more;

	lstm_predict_batch(e->model, inputs, n, kept->out, readings, NULL);
	memcpy(lstm_evaluating_push(e, &kept->probabilities, n * C), kept->out, sizeof(float) * n * C);
	target = lstm_evaluating_push(e, &kept->target, n * C);
	n_more = lstm_evaluating_push(e, &kept->n_more, n);
	for (int i = 0; i < n; i++)
		n_more[i] = read_labels(e, &rows[i].target, target + i * C);
}

static void
finish_sets(LstmEvaluating *e, StringInfo json)
{
	KeptSets   *kept = e->kept;
	const NnModel *model = e->model;
	int			C = model->spec.n_outputs;
	int64		n = (int64) kept->n_more.n;
	NnClassMetrics *per_class = palloc0(sizeof(NnClassMetrics) * C);
	NnTruth		truth = {NULL, kept->target.data};
	NnCalibration calibration[2];
	NnSetMetrics metrics;
	int			n_all;

	nn_metrics_sets(n, C, kept->probabilities.data, kept->target.data, kept->n_more.data, model->threshold,
					&metrics, per_class);
	nn_calibration(n, C, kept->probabilities.data, &truth, &calibration[1]);
	nn_untemper(model->temperature, true, n, C, kept->probabilities.data);
	nn_calibration(n, C, kept->probabilities.data, &truth, &calibration[0]);
	lstm_json_count(json, "labels_unknown", e->n_unknown);
	lstm_json_sets(json, &metrics);
	lstm_json_number(json, "cross_entropy", calibration[1].cross_entropy);
	lstm_json_number(json, "calibration_error", calibration[1].error);
	lstm_json_per_class(json, C, lstm_evaluating_labels(e, &n_all), NULL, per_class, model->threshold);
	lstm_json_calibration(json, model->temperature, &calibration[0], &calibration[1]);
}

const LstmEvaluator lstm_evaluator_sets = {256, begin, take_sets, finish_sets};
