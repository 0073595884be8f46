/*
 * exec/evaluate.c: a model's answers against a relation's target column.
 *
 * Rows stream through the same path as the answering functions, some hundred at
 * a time; of each only what its metrics need together is kept.  What that is
 * differs by task: evaluate_labels.c, evaluate_sets.c, evaluate_tags.c, evaluate_texts.c,
 * evaluate_series.c.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/evaluate.h"
#include "exec/evaluate_private.h"
#include "exec/report_json.h"
#include "exec/task.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"

/* Wrong columns are the usual reason for more; a list of them helps nobody. */
#define MAX_UNKNOWN_LABELS 1000

static const LstmEvaluator *const evaluators[] = {
	[NN_TASK_CLASSIFY] = &lstm_evaluator_labels,
	[NN_TASK_REGRESS] = &lstm_evaluator_numbers,
	[NN_TASK_TAG] = &lstm_evaluator_tags,
	[NN_TASK_TRANSLATE] = &lstm_evaluator_texts,
	[NN_TASK_CAPTION] = &lstm_evaluator_texts,
	[NN_TASK_LANGUAGE] = &lstm_evaluator_language,
	[NN_TASK_FORECAST] = &lstm_evaluator_series,
};

void *
lstm_evaluating_push(LstmEvaluating *e, NnArray *array, size_t n)
{
	void	   *items = nn_array_push(array, n);

	if (items == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errhint("Evaluate on a view with fewer rows.")));
	return items;
}

static void
check_memory(const LstmEvaluating *e)
{
	if (MemoryContextMemAllocated(e->env.context, true) > lstm_megabytes(lstm_train_memory_mb))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("answers of so many rows need more than pg_lstm.train_memory (%d MB)", lstm_train_memory_mb),
				 errhint("Raise pg_lstm.train_memory, or evaluate on a view with fewer rows.")));
}

/* ---- labels and tags ------------------------------------------------------ */

static int
compare_label(const char *label, const char *bytes, size_t n_bytes)
{
	size_t		n = strlen(label);
	int			order = memcmp(label, bytes, Min(n, n_bytes));

	return order != 0 ? order : (n > n_bytes) - (n < n_bytes);
}

int32
lstm_evaluating_label(LstmEvaluating *e, const char *bytes, size_t n_bytes)
{
	const char *what = e->model->spec.task == NN_TASK_TAG ? "tags" : "labels";
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

	e->n_unknown++;
	for (size_t i = 0; i < e->unknown.n; i++)
	{
		if (compare_label(unknown[i], bytes, n_bytes) == 0)
			return e->model->spec.n_outputs + (int32) i;
	}
	if (e->unknown.n >= MAX_UNKNOWN_LABELS)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("column \"%s\" holds more than %d %s that the model does not know", e->info.target,
						MAX_UNKNOWN_LABELS, what),
				 errhint("Give the column with the %s that the model was trained on.", what)));
	*(char **) lstm_evaluating_push(e, &e->unknown, 1) =
		MemoryContextStrdup(e->env.context, pnstrdup(bytes, n_bytes));
	return e->model->spec.n_outputs + (int32) e->unknown.n - 1;
}

const char **
lstm_evaluating_labels(LstmEvaluating *e, int *n)
{
	int			C = e->model->spec.n_outputs;
	char	  **unknown = e->unknown.data;
	const char **labels;

	*n = C + (int) e->unknown.n;
	labels = palloc(sizeof(char *) * *n);
	for (int c = 0; c < *n; c++)
		labels[c] = lstm_from_utf8(c < C ? e->model->labels[c] : unknown[c - C]);
	return labels;
}

/* ---- the whole ------------------------------------------------------------ */

static void
answer_all(LstmEvaluating *e, const LstmEvaluator *evaluator)
{
	int			n_batch = evaluator->batch_rows;
	LstmSource *source = lstm_source_open(&e->info, NULL, lstm_read_target_as(e->model->spec.task, &e->info));
	LstmRow    *rows = palloc(sizeof(LstmRow) * n_batch);
	NnValue    *inputs = palloc(sizeof(NnValue) * n_batch);
	NnReading  *readings = palloc(sizeof(NnReading) * n_batch);
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &e->position};
	int			n;

	e->position.relation = e->info.relation;
	error_context_stack = &callback;
	while ((n = lstm_source_read(source, rows, n_batch)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			inputs[i] = rows[i].input;
		memset(readings, 0, sizeof(NnReading) * n);
		e->n_rows += n;
		evaluator->take(e, rows, inputs, readings, n);
		e->position.row = 0;
		for (int i = 0; i < n; i++)
			e->n_truncated += readings[i].n_used < readings[i].n_tokens;
		check_memory(e);
	}
	error_context_stack = callback.previous;
	e->n_skipped = lstm_source_n_skipped(source);
	lstm_source_close(source);
}

static char *
metrics_json(LstmEvaluating *e, const LstmEvaluator *evaluator)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_count(&json, "rows_skipped_null", e->n_skipped);
	lstm_json_count(&json, "rows_truncated", e->n_truncated);
	evaluator->finish(e, &json);
	appendStringInfoChar(&json, '}');
	return json.data;
}

static void
check_target(const LstmEvaluating *e)
{
	if (e->model->spec.task == NN_TASK_REGRESS &&
		(e->info.target_kind == LSTM_TARGET_LABEL || e->info.target_kind == LSTM_TARGET_TEXT))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" holds labels, but the model answers with a number", e->info.target)));
	lstm_check_target(e->model->spec.task, &e->info);
	if (e->model->spec.task == NN_TASK_CLASSIFY &&
		e->model->spec.is_multi_label != (e->info.target_kind == LSTM_TARGET_WORDS))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 e->model->spec.is_multi_label ?
				 errmsg("column \"%s\" holds one label a row, but the model answers with any number of them", e->info.target) :
				 errmsg("column \"%s\" holds lists of labels, but the model answers with one label", e->info.target),
				 errhint("A view can make arrays of labels, ARRAY[label], or take one label out of each.")));
}

void
lstm_evaluate(const LstmRef *ref, Oid relid, const char *input, const char *target,
			  LstmEvaluation *evaluation)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm evaluation", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	LstmEvaluating *e = palloc0(sizeof(LstmEvaluating));
	const LstmEvaluator *evaluator;

	lstm_env_init(&e->env, context);
	e->ref = ref;
	e->model = lstm_cache_get(ref);
	/* The relation may be a view that asks other models. */
	lstm_cache_pin(e->model, context);
	evaluator = e->model->spec.is_multi_label ? &lstm_evaluator_sets : evaluators[e->model->spec.task];
	nn_array_init(&e->unknown, &e->env.env, sizeof(char *));

	lstm_source_describe(relid, input, target, &e->info);
	check_target(e);
	evaluator->begin(e);
	answer_all(e, evaluator);
	if (e->n_rows == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("relation %s has no rows to evaluate on", e->info.relation),
				 errdetail(INT64_FORMAT " rows were skipped because of a NULL.", e->n_skipped)));
	evaluation->metrics = MemoryContextStrdup(caller, metrics_json(e, evaluator));
	evaluation->n_rows = e->n_rows;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}
