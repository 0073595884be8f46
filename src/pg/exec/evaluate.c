/*
 * exec/evaluate.c: a model's answers against a relation's target column.
 *
 * Rows stream through the same path as lstm_predict, BATCH_ROWS at a time; of
 * each row only its answer and its target are kept, since the calibration
 * error needs them together.  A label that the model does not know cannot be
 * right: it becomes a class of its own, with probability 0.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "train/train.h"

#include "exec/evaluate.h"
#include "exec/predict.h"
#include "exec/report_json.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/source.h"

#define BATCH_ROWS 256

typedef struct Evaluation
{
	const NnModel *model;
	NnTask		task;
	LstmEnv		env;
	LstmSourceInfo info;
	int64		n_skipped;
	int64		n_truncated;
	/* classify */
	NnArray		probabilities;	/* float (n, C of the model) */
	NnArray		label;			/* int32 (n) */
	NnArray		unknown;		/* char *: labels that the model lacks, in order of appearance */
	int64		n_unknown_rows;
	/* regress */
	NnArray		predicted;		/* double (n) */
	NnArray		actual;
} Evaluation;

static void *
push(Evaluation *e, NnArray *array, size_t n)
{
	size_t		limit = lstm_megabytes(lstm_train_memory_mb);
	size_t		held;
	void	   *items;

	held = nn_array_bytes(&e->probabilities) + nn_array_bytes(&e->label);
	held += nn_array_bytes(&e->predicted) + nn_array_bytes(&e->actual);
	if (held > limit)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answers of so many rows need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint("Raise pg_lstm.train_memory, or evaluate on a view with fewer rows.")));
	items = nn_array_push(array, n);
	if (items == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errhint("Evaluate on a view with fewer rows.")));
	return items;
}

static int
compare_label(const char *label, const char *bytes, size_t n_bytes)
{
	size_t		n = strlen(label);
	int			order = memcmp(label, bytes, Min(n, n_bytes));

	return order != 0 ? order : (n > n_bytes) - (n < n_bytes);
}

/* The number of a label: below C if the model knows it. */
static int32
label_number(Evaluation *e, const char *bytes, size_t n_bytes)
{
	int			low = 0;
	int			high = e->model->spec.n_outputs - 1;
	char	  **unknown = e->unknown.data;

	/* The model's labels are in byte order. */
	while (low <= high)
	{
		int			middle = (low + high) / 2;
		int			order = compare_label(e->model->labels[middle], bytes, n_bytes);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle - 1;
	}

	e->n_unknown_rows++;
	for (size_t i = 0; i < e->unknown.n; i++)
	{
		if (compare_label(unknown[i], bytes, n_bytes) == 0)
			return e->model->spec.n_outputs + (int32) i;
	}
	/* Wrong columns are the usual reason; a list of them helps nobody. */
	if (e->unknown.n >= 1000)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("column \"%s\" holds more than 1000 labels that the model does not know", e->info.target),
				 errhint("Give the column with the labels that the model was trained on.")));
	*(char **) push(e, &e->unknown, 1) = MemoryContextStrdup(e->env.context, pnstrdup(bytes, n_bytes));
	return e->model->spec.n_outputs + (int32) e->unknown.n - 1;
}

static void
keep_answers(Evaluation *e, const LstmRow *rows, const float *out, int n)
{
	int			C = e->model->spec.n_outputs;

	if (e->task == NN_TASK_CLASSIFY)
	{
		int32	   *label;

		memcpy(push(e, &e->probabilities, (size_t) n * C), out, sizeof(float) * n * C);
		label = push(e, &e->label, n);
		for (int i = 0; i < n; i++)
			label[i] = label_number(e, rows[i].label, rows[i].label_bytes);
	}
	else
	{
		double	   *predicted = push(e, &e->predicted, n);
		double	   *actual = push(e, &e->actual, n);

		for (int i = 0; i < n; i++)
		{
			predicted[i] = out[(size_t) i * C];
			actual[i] = rows[i].number;
		}
	}
}

static void
answer_all(Evaluation *e)
{
	int			C = e->model->spec.n_outputs;
	LstmSource *source = lstm_source_open(&e->info, NULL, e->task == NN_TASK_REGRESS);
	LstmRow    *rows = MemoryContextAlloc(e->env.context, sizeof(LstmRow) * BATCH_ROWS);
	NnValue    *inputs = MemoryContextAlloc(e->env.context, sizeof(NnValue) * BATCH_ROWS);
	NnReading  *readings = MemoryContextAlloc(e->env.context, sizeof(NnReading) * BATCH_ROWS);
	float	   *out = MemoryContextAllocHuge(e->env.context, sizeof(float) * BATCH_ROWS * C);
	int			n;

	while ((n = lstm_source_read(source, rows, BATCH_ROWS)) > 0)
	{
		for (int i = 0; i < n; i++)
			inputs[i] = rows[i].input;
		lstm_predict_batch(e->model, inputs, n, out, readings, NULL);
		for (int i = 0; i < n; i++)
			e->n_truncated += readings[i].n_used < readings[i].n_tokens;
		keep_answers(e, rows, out, n);
	}
	e->n_skipped = lstm_source_n_skipped(source);
	lstm_source_close(source);
}

/* Probabilities (n, C) with columns of zeros behind, (n, C + n_more). */
static float *
widen(Evaluation *e, size_t n, int C, int n_more)
{
	const float *narrow = e->probabilities.data;
	float	   *wide;

	if (n_more == 0)
		return e->probabilities.data;
	wide = MemoryContextAllocExtended(e->env.context, n * (C + n_more) * sizeof(float),
									  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (size_t i = 0; i < n; i++)
		memcpy(wide + i * (C + n_more), narrow + i * C, sizeof(float) * C);
	return wide;
}

static void
classify_metrics(Evaluation *e, StringInfo json)
{
	int			C = e->model->spec.n_outputs;
	int			n_more = (int) e->unknown.n;
	int			n_all = C + n_more;
	const char **labels = palloc(sizeof(char *) * n_all);
	NnClassMetrics *per_class = palloc0(sizeof(NnClassMetrics) * n_all);
	int64_t    *confusion = palloc_extended(sizeof(int64_t) * n_all * n_all, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	NnMetrics	metrics;

	for (int c = 0; c < n_all; c++)
		labels[c] = lstm_from_utf8(c < C ? e->model->labels[c] : ((char **) e->unknown.data)[c - C]);
	nn_metrics_classify((int64_t) e->label.n, n_all, widen(e, e->label.n, C, n_more), e->label.data,
						&metrics, per_class, confusion);
	lstm_json_count(json, "rows_unknown_label", e->n_unknown_rows);
	lstm_json_metrics(json, NN_TASK_CLASSIFY, &metrics, n_all, labels, NULL, per_class, confusion);
}

static char *
metrics_json(Evaluation *e)
{
	StringInfoData json;
	NnMetrics	metrics;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_count(&json, "rows_skipped_null", e->n_skipped);
	lstm_json_count(&json, "rows_truncated", e->n_truncated);
	if (e->task == NN_TASK_CLASSIFY)
		classify_metrics(e, &json);
	else
	{
		nn_metrics_regress((int64_t) e->actual.n, e->predicted.data, e->actual.data, &metrics);
		lstm_json_metrics(&json, NN_TASK_REGRESS, &metrics, 1, NULL, NULL, NULL, NULL);
	}
	appendStringInfoChar(&json, '}');
	return json.data;
}

static void
check_target(const Evaluation *e)
{
	if (e->task == NN_TASK_REGRESS && e->info.target_kind == LSTM_TARGET_LABEL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" holds labels, but the model answers with a number", e->info.target)));
}

void
lstm_evaluate(const LstmRef *ref, Oid relid, const char *input, const char *target,
			  LstmEvaluation *evaluation)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm evaluation", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Evaluation *e = palloc0(sizeof(Evaluation));

	lstm_env_init(&e->env, context);
	e->model = lstm_cache_get(ref);
	/* The relation may be a view that asks other models. */
	lstm_cache_pin(e->model, context);
	e->task = e->model->spec.task;
	nn_array_init(&e->probabilities, &e->env.env, sizeof(float));
	nn_array_init(&e->label, &e->env.env, sizeof(int32));
	nn_array_init(&e->unknown, &e->env.env, sizeof(char *));
	nn_array_init(&e->predicted, &e->env.env, sizeof(double));
	nn_array_init(&e->actual, &e->env.env, sizeof(double));

	lstm_source_describe(relid, input, target, &e->info);
	check_target(e);
	answer_all(e);
	evaluation->n_rows = (int64) (e->task == NN_TASK_CLASSIFY ? e->label.n : e->actual.n);
	if (evaluation->n_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("relation %s has no rows to evaluate on", e->info.relation),
				 errdetail(INT64_FORMAT " rows were skipped because of a NULL.", e->n_skipped)));
	evaluation->metrics = MemoryContextStrdup(caller, metrics_json(e));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
