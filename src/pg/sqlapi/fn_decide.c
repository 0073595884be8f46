/*
 * sqlapi/fn_decide.c: lstm_threshold, lstm_unlike, lstm_suspects, lstm_ask.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "exec/ask.h"
#include "exec/options_json.h"
#include "exec/retrain.h"
#include "exec/suspects.h"
#include "exec/task.h"
#include "exec/threshold.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/history.h"

PG_FUNCTION_INFO_V1(pg_lstm_threshold);
PG_FUNCTION_INFO_V1(pg_lstm_unlike);
PG_FUNCTION_INFO_V1(pg_lstm_suspects);
PG_FUNCTION_INFO_V1(pg_lstm_ask);

#define MAX_FOLDS		50
#define MAX_QUESTIONS	10000

/* A row of type lstm_threshold_row. */
static Datum
cut_row(FunctionCallInfo fcinfo, const char *model, int version, const LstmCut *cut, bool is_removed)
{
	LstmRowBuilder row;

	lstm_row_begin(&row, fcinfo);
	lstm_row_text(&row, model);
	lstm_row_datum(&row, Int32GetDatum(version));
	lstm_row_text(&row, cut->label != NULL ? lstm_from_utf8(cut->label) : NULL);
	if (is_removed)
	{
		for (int i = 0; i < 5; i++)
			lstm_row_null(&row);
		return lstm_row_value(&row);
	}
	lstm_row_datum(&row, Float4GetDatum(cut->threshold));
	lstm_row_number(&row, (double) cut->n_answered / (double) Max(cut->n_judged, 1));
	if (cut->kind == LSTM_CUT_UNLIKE)
	{
		lstm_row_null(&row);
		lstm_row_null(&row);
	}
	else
	{
		lstm_row_number(&row, (double) cut->n_right / (double) Max(cut->n_answered, 1));
		lstm_row_number(&row, cut->bound);
	}
	lstm_row_datum(&row, Int64GetDatum(cut->n_judged));
	return lstm_row_value(&row);
}

/* (model, label, min_precision, confidence) */
Datum
pg_lstm_threshold(PG_FUNCTION_ARGS)
{
	LstmCut		cut = {.kind = LSTM_CUT_ANY};
	bool		is_removed = PG_ARGISNULL(2);
	char	   *model;
	int			version;

	lstm_need_writable("lstm_threshold()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(3))
		PG_RETURN_NULL();
	model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!PG_ARGISNULL(1))
	{
		text	   *label = PG_GETARG_TEXT_PP(1);
		size_t		n_bytes = VARSIZE_ANY_EXHDR(label);
		const char *utf8 = lstm_to_utf8(VARDATA_ANY(label), &n_bytes);

		cut.kind = LSTM_CUT_LABEL;
		cut.label = pnstrdup(utf8, n_bytes);
	}
	cut.asked = is_removed ? 0.0 : PG_GETARG_FLOAT8(2);
	cut.confidence = PG_GETARG_FLOAT8(3);
	version = lstm_set_cut(model, &cut, is_removed);
	PG_RETURN_DATUM(cut_row(fcinfo, model, version, &cut, is_removed));
}

/* (model, keep) */
Datum
pg_lstm_unlike(PG_FUNCTION_ARGS)
{
	LstmCut		cut = {.kind = LSTM_CUT_UNLIKE};
	bool		is_removed = PG_ARGISNULL(1);
	char	   *model;
	int			version;

	lstm_need_writable("lstm_unlike()");
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	model = text_to_cstring(PG_GETARG_TEXT_PP(0));
	cut.asked = is_removed ? 0.0 : PG_GETARG_FLOAT8(1);
	version = lstm_set_cut(model, &cut, is_removed);
	PG_RETURN_DATUM(cut_row(fcinfo, model, version, &cut, is_removed));
}

/* Argument n, the name of a column, or what stands for a NULL. */
static const char *
column_argument(FunctionCallInfo fcinfo, int n, const char *otherwise)
{
	return PG_ARGISNULL(n) ? otherwise : NameStr(*PG_GETARG_NAME(n));
}

/* The model that came with the extension has none that is here. */
static void
read_origin(const LstmRef *ref, LstmOrigin *origin)
{
	memset(origin, 0, sizeof(*origin));
	if (!ref->is_shipped)
		lstm_read_origin(&ref->model, origin);
}

/* The live version of a model with one label a row, and where it comes from. */
static void
need_one_label(FunctionCallInfo fcinfo, LstmRef *ref, LstmOrigin *origin)
{
	const NnModel *model;

	*ref = *lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_task(model, ref->name, NN_TASK_CLASSIFY);
	if (model->spec.is_multi_label)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" answers with any number of labels", ref->name),
				 errdetail("Suspects are found among rows that have one label each."),
				 errhint("Train a model of one of its labels, from a view that says whether a row has it.")));
	read_origin(ref, origin);
}

/* Columns rank, key, given, believed, probability, given_probability. */
static void
put_suspects(LstmRowBuilder *row, Tuplestorestate *set, const LstmCrossFit *fit)
{
	int64		n;
	NnSuspect  *suspects = lstm_find_suspects(fit, &n);

	for (int64 i = 0; i < n; i++)
	{
		const NnSuspect *suspect = &suspects[i];
		const float *p = fit->probabilities + suspect->row * fit->C;
		int32		given = fit->label[suspect->row];

		lstm_row_integer(row, i + 1);
		lstm_row_text(row, fit->keys[suspect->row]);
		lstm_row_text(row, fit->labels[given]);
		lstm_row_text(row, fit->labels[suspect->believed]);
		lstm_row_datum(row, Float4GetDatum(p[suspect->believed]));
		lstm_row_datum(row, Float4GetDatum(p[given]));
		lstm_row_put(row, set);
	}
}

/* (model, key, folds, relation) */
Datum
pg_lstm_suspects(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	MemoryContext context;
	MemoryContext old;
	LstmSourceInfo info;
	NnOptions	options;
	LstmOrigin	origin;
	LstmRef		ref;
	int			folds;
	Oid			relation;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		return (Datum) 0;
	folds = lstm_integer_argument(fcinfo, 2, "folds", 2, MAX_FOLDS);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm suspects", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	need_one_label(fcinfo, &ref, &origin);
	relation = lstm_origin_relation(ref.name, &origin);
	if (!PG_ARGISNULL(3))
		relation = PG_GETARG_OID(3);
	lstm_source_describe(relation, origin.input, origin.target, &info);
	lstm_source_key(&info, column_argument(fcinfo, 1, NULL));
	lstm_options_read(origin.options, NN_TASK_CLASSIFY, &options);
	put_suspects(&row, set, lstm_crossfit(&info, &options, origin.options, folds));
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* (model, relation, n, input, key) */
Datum
pg_lstm_ask(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	MemoryContext context;
	MemoryContext old;
	LstmQuestion *questions;
	LstmSourceInfo info;
	LstmOrigin	origin;
	LstmRef		ref;
	int			n;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return (Datum) 0;
	n = lstm_integer_argument(fcinfo, 2, "n", 1, MAX_QUESTIONS);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm questions", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	ref = *lstm_model_argument(fcinfo, 0);
	lstm_need_task(lstm_cache_get(&ref), ref.name, NN_TASK_CLASSIFY);
	read_origin(&ref, &origin);
	if (PG_ARGISNULL(3) && origin.input == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("it is not known which column model \"%s\" is to read", ref.name),
				 errdetail("It was imported, or came with the extension."),
				 errhint("Name the column with input => '...'.")));
	lstm_source_describe(PG_GETARG_OID(1), column_argument(fcinfo, 3, origin.input), NULL, &info);
	lstm_source_key(&info, column_argument(fcinfo, 4, NULL));
	questions = lstm_ask(&ref, &info, n, &n);
	for (int i = 0; i < n; i++)
	{
		lstm_row_integer(&row, i + 1);
		lstm_row_text(&row, questions[i].key);
		lstm_row_text(&row, questions[i].label);
		lstm_row_datum(&row, Float4GetDatum(questions[i].probability));
		lstm_row_datum(&row, Float4GetDatum(questions[i].margin));
		lstm_row_put(&row, set);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}
