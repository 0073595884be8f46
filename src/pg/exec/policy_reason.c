/*
 * exec/policy_reason.c: is there reason to retrain a model?
 *
 * The cheap questions come first: age, then a count, then what takes answers.  With a
 * column that says when a row got its label, only rows that came since the live version
 * was trained are looked at.
 */
#include "glue/compat.h"

#include <math.h>

#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "train/compare.h"

#include "exec/drift.h"
#include "exec/pairs.h"
#include "exec/policy_private.h"
#include "exec/predict.h"
#include "exec/retrain.h"
#include "exec/task.h"
#include "store/cache.h"
#include "store/source.h"

#define READ_ROWS 256

/* A fall in accuracy must be beyond chance at this level. */
#define ALPHA 0.05

typedef struct Question
{
	const LstmModelRow *model;
	const LstmPolicy *policy;
	LstmOrigin	origin;
	Oid			relid;
	LstmVersionRow version;
	const char *is_new;			/* condition on rows since the training; NULL: cannot be told */
	const char *is_source;		/* condition on all rows of the source; NULL: none */
} Question;

/* ---- which rows --------------------------------------------------------------------- */

static const char *
and_condition(const char *a, const char *b)
{
	/* the line end closes a comment at the end of a condition */
	return a == NULL ? b : b == NULL ? a : psprintf("(%s\n) AND (%s\n)", a, b);
}

/* The option "where" of the model. */
static const char *
source_condition(const LstmOrigin *origin)
{
	JsonbValue *value = JB_ROOT_IS_OBJECT(origin->options) ?
	getKeyJsonValueFromContainer(&origin->options->root, "where", 5, NULL) : NULL;

	return value != NULL && value->type == jbvString && value->val.string.len > 0 ?
		pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

static const char *
qualified(const Question *q, const char *column)
{
	return psprintf("%s.%s", q->origin.relation, quote_identifier(column));
}

static int64
count_labeled(const Question *q, const char *condition)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT pg_catalog.count(*) FROM %s WHERE %s IS NOT NULL", q->origin.relation,
					 qualified(q, q->origin.input));
	if (q->origin.target != NULL)
		appendStringInfo(&sql, " AND %s IS NOT NULL", qualified(q, q->origin.target));
	if (condition != NULL)
		appendStringInfo(&sql, " AND (%s\n)", condition);
	return lstm_source_count(sql.data);
}

/* ---- the questions -------------------------------------------------------------------- */

static const char *
are_rows_new(const Question *q)
{
	int64		n;

	if (q->policy->new_rows == 0)
		return NULL;
	if (q->is_new != NULL)
		n = count_labeled(q, and_condition(q->is_source, q->is_new));
	else if (q->version.rows >= 0)
		n = count_labeled(q, q->is_source) - q->version.rows;
	else
		return "It is not known how many rows the live version has learned from.";
	return n < q->policy->new_rows ? NULL : psprintf("There are " INT64_FORMAT " new rows.", n);
}

/* Of rows with many labels those that were told all and no others. */
static double
accuracy_then(const Question *q)
{
	JsonbContainer *metrics = &q->version.metrics->root;
	JsonbValue *value = NULL;

	if (JB_ROOT_IS_OBJECT(q->version.metrics))
		value = getKeyJsonValueFromContainer(metrics, "accuracy", 8, NULL);
	if (JB_ROOT_IS_OBJECT(q->version.metrics) && value == NULL)
		value = getKeyJsonValueFromContainer(metrics, "exact_sets", 10, NULL);
	return value != NULL && value->type == jbvNumeric ?
		DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric))) : NAN;
}

static bool
is_right(const NnModel *model, const float *out, const LstmRow *row)
{
	const char *label;

	if (model->spec.is_multi_label)
		return lstm_sets_agree(model, out, &row->target);
	label = model->labels[lstm_best_of(out, model->spec.n_outputs)];
	return strlen(label) == row->label_bytes && memcmp(label, row->label, row->label_bytes) == 0;
}

/* The live version's answers to rows labeled since it was trained. */
static void
judge_new_rows(const Question *q, int64 *n_rows, int64 *n_right)
{
	LstmSourceInfo info;
	LstmRef		ref;
	NnModel    *model;
	LstmSource *source;
	LstmRow    *rows = palloc(sizeof(LstmRow) * READ_ROWS);
	NnValue    *inputs = palloc(sizeof(NnValue) * READ_ROWS);
	float	   *out;
	int			n;

	*n_rows = *n_right = 0;
	lstm_source_describe(q->relid, q->origin.input, q->origin.target, &info);
	lstm_numbered_version(q->model->name, q->model->live, &ref);
	model = lstm_cache_get(&ref);
	lstm_cache_pin(model, CurrentMemoryContext);
	out = palloc_extended(sizeof(float) * READ_ROWS * model->spec.n_outputs, MCXT_ALLOC_HUGE);
	source = lstm_source_open(&info, and_condition(q->is_source, q->is_new),
							  lstm_read_target_as(model->spec.task, &info));
	while ((n = lstm_source_read(source, rows, READ_ROWS)) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		for (int i = 0; i < n; i++)
			inputs[i] = rows[i].input;
		lstm_predict_batch(model, inputs, n, out, NULL, NULL);
		*n_rows += n;
		for (int i = 0; i < n; i++)
			*n_right += is_right(model, out + (size_t) i * model->spec.n_outputs, &rows[i]);
	}
	lstm_source_close(source);
}

static const char *
has_accuracy_fallen(const Question *q)
{
	double		then = accuracy_then(q);
	int64		n;
	int64		n_right;
	double		now;

	if (isnan(q->policy->accuracy_drop) || isnan(then) || q->is_new == NULL)
		return NULL;
	judge_new_rows(q, &n, &n_right);
	now = n > 0 ? (double) n_right / (double) n : NAN;
	if (n == 0 || then - now < q->policy->accuracy_drop || nn_binomial_lower(n, n_right, then) >= ALPHA)
		return NULL;
	return psprintf("Of " INT64_FORMAT " newly labeled rows %.3g are right; it was %.3g at training.", n, now, then);
}

/* Unknown words, and what is answered. */
static const char *
have_texts_moved(const Question *q)
{
	const LstmPolicy *policy = q->policy;
	const char *condition = and_condition(q->is_source, q->is_new);
	LstmDrift	drift;
	LstmShift	shift;
	double		rate;

	if ((isnan(policy->unknown_rate) && isnan(policy->class_psi)) || !lstm_drift_is_known(q->model))
		return NULL;
	if (q->is_new != NULL && count_labeled(q, condition) == 0)
		return NULL;
	lstm_drift(q->model, q->relid, q->origin.input, condition, &drift);
	rate = lstm_unknown_rate(&drift, LSTM_NOW);
	if (!isnan(policy->unknown_rate) && !isnan(rate) && rate >= policy->unknown_rate &&
		rate > lstm_unknown_rate(&drift, LSTM_BEFORE))
		return psprintf("%.3g of the words are unknown; it was %.3g at training.", rate,
						lstm_unknown_rate(&drift, LSTM_BEFORE));
	if (isnan(policy->class_psi) || drift.n_labels == 0)
		return NULL;
	shift = lstm_answer_shift(&drift);
	if (shift.psi < policy->class_psi || shift.psi <= shift.chance)
		return NULL;
	return psprintf("The mix of answers has moved: PSI %.3g, %.3g by chance.", shift.psi, shift.chance);
}

const char *
lstm_policy_reason(const LstmModelRow *model, const LstmPolicy *policy, const LstmPolicyTimes *times)
{
	Question	q = {.model = model, .policy = policy};
	const char *reason;

	if (model->live == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("model \"%s\" has no live version", model->name),
				 errhint("Choose one with lstm_deploy.")));
	if (times->is_old)
		return psprintf("The live version was trained at %s.", times->trained_at);
	lstm_read_origin(&model->id, &q.origin);
	q.relid = lstm_origin_relation(model->name, &q.origin);
	if (!lstm_read_version(&model->id, model->live, false, &q.version))
		return NULL;
	q.is_source = source_condition(&q.origin);
	if (policy->labeled_at != NULL)
		q.is_new = psprintf("%s > %s", qualified(&q, policy->labeled_at), times->trained_at);
	reason = are_rows_new(&q);
	if (reason == NULL)
		reason = has_accuracy_fallen(&q);
	return reason != NULL ? reason : have_texts_moved(&q);
}
