/*
 * exec/evaluate_labels.c: labels and numbers against those of a column.
 *
 * A label that the model does not know cannot be right: it becomes a class of
 * its own, with probability 0.  Probabilities are kept, since the calibration
 * error needs them together.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "train/calibrate.h"
#include "train/train.h"

#include "exec/evaluate_private.h"
#include "exec/predict.h"
#include "exec/report_json.h"

typedef struct KeptLabels
{
	float	   *out;			/* (batch, C), of the batch at hand */
	NnArray		probabilities;	/* float (n, C) */
	NnArray		label;			/* int32 (n) */
	NnArray		predicted;		/* double (n); numbers */
	NnArray		actual;			/* double (n); numbers */
} KeptLabels;

static void
begin(LstmEvaluating *e)
{
	KeptLabels *kept = palloc0(sizeof(KeptLabels));

	kept->out = MemoryContextAllocHuge(e->env.context, sizeof(float) * lstm_evaluator_labels.batch_rows *
									   e->model->spec.n_outputs);
	nn_array_init(&kept->probabilities, &e->env.env, sizeof(float));
	nn_array_init(&kept->label, &e->env.env, sizeof(int32));
	nn_array_init(&kept->predicted, &e->env.env, sizeof(double));
	nn_array_init(&kept->actual, &e->env.env, sizeof(double));
	e->kept = kept;
}

static void
take_labels(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	KeptLabels *kept = e->kept;
	size_t		n_numbers = (size_t) n * e->model->spec.n_outputs;
	int32	   *label;

	lstm_predict_batch(e->model, inputs, n, kept->out, readings, NULL);
	memcpy(lstm_evaluating_push(e, &kept->probabilities, n_numbers), kept->out, sizeof(float) * n_numbers);
	label = lstm_evaluating_push(e, &kept->label, n);
	for (int i = 0; i < n; i++)
		label[i] = lstm_evaluating_label(e, rows[i].label, rows[i].label_bytes);
}

static void
take_numbers(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	KeptLabels *kept = e->kept;
	double	   *predicted;
	double	   *actual;

	lstm_predict_batch(e->model, inputs, n, kept->out, readings, NULL);
	predicted = lstm_evaluating_push(e, &kept->predicted, n);
	actual = lstm_evaluating_push(e, &kept->actual, n);
	for (int i = 0; i < n; i++)
	{
		predicted[i] = kept->out[(size_t) i * e->model->spec.n_outputs];
		actual[i] = rows[i].number;
	}
}

/* Probabilities (n, C) with columns of zeros behind, (n, C + n_more). */
static float *
widen(const KeptLabels *kept, int C, int n_more)
{
	size_t		n = kept->label.n;
	const float *narrow = kept->probabilities.data;
	float	   *wide;

	if (n_more == 0)
		return kept->probabilities.data;
	wide = palloc_extended(n * (C + n_more) * sizeof(float), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < n; i++)
		memcpy(wide + i * (C + n_more), narrow + i * C, sizeof(float) * C);
	return wide;
}

static void
finish_labels(LstmEvaluating *e, StringInfo json)
{
	KeptLabels *kept = e->kept;
	int			C = e->model->spec.n_outputs;
	int			n_all;
	const char **labels = lstm_evaluating_labels(e, &n_all);
	NnClassMetrics *per_class = palloc0(sizeof(NnClassMetrics) * n_all);
	int64_t    *confusion = palloc_extended(sizeof(int64_t) * n_all * n_all, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	float	   *probabilities = widen(kept, C, n_all - C);
	int64		n = (int64) kept->label.n;
	NnTruth		truth = {kept->label.data, NULL};
	NnCalibration calibration[2];
	NnMetrics	metrics;

	nn_metrics_classify(n, n_all, probabilities, kept->label.data, &metrics, per_class, confusion);
	nn_calibration(n, n_all, probabilities, &truth, &calibration[1]);
	nn_untemper(e->model->temperature, false, n, n_all, probabilities);
	nn_calibration(n, n_all, probabilities, &truth, &calibration[0]);
	lstm_json_count(json, "rows_unknown_label", e->n_unknown);
	lstm_json_metrics(json, NN_TASK_CLASSIFY, &metrics, n_all, labels, NULL, per_class, confusion);
	lstm_json_calibration(json, e->model->temperature, &calibration[0], &calibration[1]);
}

static void
finish_numbers(LstmEvaluating *e, StringInfo json)
{
	KeptLabels *kept = e->kept;
	NnMetrics	metrics;

	nn_metrics_regress((int64_t) kept->actual.n, kept->predicted.data, kept->actual.data, &metrics);
	lstm_json_metrics(json, NN_TASK_REGRESS, &metrics, 1, NULL, NULL, NULL, NULL);
}

const LstmEvaluator lstm_evaluator_labels = {256, begin, take_labels, finish_labels};
const LstmEvaluator lstm_evaluator_numbers = {256, begin, take_numbers, finish_numbers};
