/*
 * sqlapi/fn_predict.c: lstm_predict, lstm_predict_pinned, lstm_classify,
 * lstm_probabilities, lstm_regress, lstm_embed.
 *
 * Each comes as (text, text) and (text, anyarray); both lead here.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "exec/classify.h"
#include "exec/embed.h"
#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/task.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/value.h"

PG_FUNCTION_INFO_V1(pg_lstm_predict);
PG_FUNCTION_INFO_V1(pg_lstm_predict_pinned);
PG_FUNCTION_INFO_V1(pg_lstm_classify);
PG_FUNCTION_INFO_V1(pg_lstm_probabilities);
PG_FUNCTION_INFO_V1(pg_lstm_regress);
PG_FUNCTION_INFO_V1(pg_lstm_embed);

const LstmRef *
lstm_model_argument(FunctionCallInfo fcinfo, int n)
{
	text	   *name = PG_GETARG_TEXT_PP(n);

	return lstm_live_version(VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name));
}

void
lstm_input_argument(FunctionCallInfo fcinfo, int n, NnValue *value)
{
	/* The declared type of the argument tells the two forms apart; it is the same for all calls. */
	if (fcinfo->flinfo->fn_extra == NULL)
	{
		Oid			type = get_fn_expr_argtype(fcinfo->flinfo, n);
		char	   *kind = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, 1);

		*kind = OidIsValid(get_base_element_type(type)) ? 'a' : 't';
		fcinfo->flinfo->fn_extra = kind;
	}
	if (*(char *) fcinfo->flinfo->fn_extra == 'a')
		lstm_value_from_array(PG_GETARG_ARRAYTYPE_P(n), "input", value);
	else
		lstm_value_from_text(PG_GETARG_DATUM(n), value);
}

void
lstm_need_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

int
lstm_integer_argument(FunctionCallInfo fcinfo, int n, const char *name, int low, int high)
{
	int			number = PG_GETARG_INT32(n);

	if (number < low || number > high)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"%s\" must be between %d and %d, not %d", name, low, high, number)));
	return number;
}

/* One row's probabilities or number, in the current context. */
static float *
answer(const NnModel *model, FunctionCallInfo fcinfo, NnReading *reading)
{
	float	   *out = palloc(sizeof(float) * model->spec.n_outputs);
	NnValue		value;

	lstm_input_argument(fcinfo, 1, &value);
	lstm_predict_batch(model, &value, 1, out, reading, NULL);
	return out;
}

static Datum
predict(const LstmRef *ref, FunctionCallInfo fcinfo)
{
	const NnModel *model = lstm_cache_get(ref);
	NnValue		value;

	lstm_input_argument(fcinfo, 1, &value);
	return CStringGetTextDatum(lstm_predict_text(model, &value));
}

Datum
pg_lstm_predict(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(predict(lstm_model_argument(fcinfo, 0), fcinfo));
}

Datum
pg_lstm_predict_pinned(PG_FUNCTION_ARGS)
{
	text	   *digest = PG_GETARG_TEXT_PP(0);

	PG_RETURN_DATUM(predict(lstm_pinned_version(VARDATA_ANY(digest), VARSIZE_ANY_EXHDR(digest)), fcinfo));
}

Datum
pg_lstm_classify(PG_FUNCTION_ARGS)
{
	LstmRef		ref = *lstm_model_argument(fcinfo, 0);
	const NnModel *model = lstm_cache_get(&ref);
	NnReading	reading;
	LstmRowBuilder row;
	float	   *out;
	int			best;

	lstm_need_task(model, ref.name, NN_TASK_CLASSIFY);
	out = answer(model, fcinfo, &reading);
	best = lstm_best_of(out, model->spec.n_outputs);
	lstm_row_begin(&row, fcinfo);
	lstm_classify_row(&row, model, lstm_cuts_of(&ref), out, lstm_from_utf8(model->labels[best]), &reading, ref.version);
	PG_RETURN_DATUM(lstm_row_value(&row));
}

typedef struct RankedLabel
{
	int			label;
	float		probability;
} RankedLabel;

/* The most probable first, equal ones in the order of the labels. */
static int
compare_ranked(const void *a, const void *b)
{
	const RankedLabel *x = a;
	const RankedLabel *y = b;

	if (x->probability != y->probability)
		return x->probability > y->probability ? -1 : 1;
	return x->label - y->label;
}

static RankedLabel *
rank_labels(const float *probabilities, int C)
{
	RankedLabel *ranked = palloc(sizeof(RankedLabel) * C);

	for (int c = 0; c < C; c++)
	{
		ranked[c].label = c;
		ranked[c].probability = probabilities[c];
	}
	qsort(ranked, C, sizeof(RankedLabel), compare_ranked);
	return ranked;
}

static int
top_argument(FunctionCallInfo fcinfo, int n, int C)
{
	int			top = PG_ARGISNULL(n) ? C : PG_GETARG_INT32(n);

	if (top < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"top\" must be at least 1")));
	return Min(top, C);
}

Datum
pg_lstm_probabilities(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const LstmRef *ref;
	const NnModel *model;
	RankedLabel *ranked;
	int			top;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_task(model, ref->name, NN_TASK_CLASSIFY);
	top = top_argument(fcinfo, 2, model->spec.n_outputs);
	ranked = rank_labels(answer(model, fcinfo, NULL), model->spec.n_outputs);
	for (int i = 0; i < top; i++)
	{
		lstm_row_text(&row, lstm_from_utf8(model->labels[ranked[i].label]));
		lstm_row_datum(&row, Float4GetDatum(ranked[i].probability));
		lstm_row_datum(&row, Int32GetDatum(i + 1));
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}

Datum
pg_lstm_regress(PG_FUNCTION_ARGS)
{
	const LstmRef *ref = lstm_model_argument(fcinfo, 0);
	const NnModel *model = lstm_cache_get(ref);

	lstm_need_task(model, ref->name, NN_TASK_REGRESS);
	PG_RETURN_FLOAT8(lstm_number_double(answer(model, fcinfo, NULL)[0]));
}

Datum
pg_lstm_embed(PG_FUNCTION_ARGS)
{
	const NnModel *model = lstm_cache_get(lstm_model_argument(fcinfo, 0));
	NnValue		value;

	lstm_input_argument(fcinfo, 1, &value);
	PG_RETURN_ARRAYTYPE_P(lstm_embed(model, &value));
}
