/*
 * sqlapi/fn_causes.c: lstm_root_causes, lstm_root_causes_agg.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/expandeddatum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

#include "exec/cause_groups.h"
#include "exec/causes.h"
#include "exec/causes_relation.h"
#include "exec/causes_state.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/value.h"

PG_FUNCTION_INFO_V1(pg_lstm_root_causes);
PG_FUNCTION_INFO_V1(pg_lstm_causes);
PG_FUNCTION_INFO_V1(pg_lstm_causes_row);
PG_FUNCTION_INFO_V1(pg_lstm_causes_merge);
PG_FUNCTION_INFO_V1(pg_lstm_causes_result);

/* text[], NULLs for missing ones. */
static Datum
text_array(const char *const *items, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(n, 1));
	int			low = 1;

	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	for (int i = 0; i < n; i++)
	{
		nulls[i] = items[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(items[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &n, &low, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The lines of a text as text[]. */
static Datum
line_array(const char *lines)
{
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	while (lines[0] != '\0')
	{
		size_t		n = strcspn(lines, "\n");

		state = accumArrayResult(state, PointerGetDatum(cstring_to_text_with_len(lines, n)), false, TEXTOID,
								 CurrentMemoryContext);
		lines += n + (lines[n] == '\n');
	}
	return makeArrayResult(state, CurrentMemoryContext);
}

/* The columns of type lstm_root_cause. */
static void
fill_cause(LstmRowBuilder *row, const LstmCause *cause)
{
	MemoryContext old;

	lstm_row_text(row, cause->phrase);
	lstm_row_number(row, cause->share);
	lstm_row_number(row, cause->lift);
	lstm_row_datum(row, Int64GetDatum(cause->support));
	lstm_row_number(row, cause->p_value);
	old = MemoryContextSwitchTo(row->context);
	lstm_row_datum(row, text_array(cause->examples, cause->n_examples));
	lstm_row_datum(row, text_array(cause->snippets, cause->n_examples));
	lstm_row_datum(row, line_array(cause->forms));
	MemoryContextSwitchTo(old);
	lstm_row_datum(row, Int64GetDatum(cause->baseline_support));
}

static const char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* (model, relation, input, label, cohort, baseline, key, options) */
Datum
pg_lstm_root_causes(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmCausesRequest request = {0};
	MemoryContext context;
	MemoryContext old;
	LstmCause  *causes;
	int			n;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(7))
		return (Datum) 0;
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm root causes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	request.model = *lstm_model_argument(fcinfo, 0);
	request.relation = PG_GETARG_OID(1);
	request.input = NameStr(*PG_GETARG_NAME(2));
	request.label = text_argument(fcinfo, 3);
	request.cohort = text_argument(fcinfo, 4);
	request.baseline = text_argument(fcinfo, 5);
	request.key = PG_ARGISNULL(6) ? NULL : NameStr(*PG_GETARG_NAME(6));
	lstm_causes_options(PG_GETARG_JSONB_P(7), &request.options);
	causes = lstm_causes_of_relation(&request, &n);
	for (int i = 0; i < n; i++)
	{
		fill_cause(&row, &causes[i]);
		lstm_row_put(&row, set);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* ---- groups ---------------------------------------------------------------------------- */

#define MAX_GROUPS		500

/* (model, relation, input, label, causes, key, seed) */
Datum
pg_lstm_causes(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	MemoryContext context;
	MemoryContext old;
	LstmSourceInfo info;
	LstmGroupedRows *grouped;
	LstmRef		ref;
	int			n_groups;

	for (int i = 0; i < 7; i++)
	{
		if (i != 5 && PG_ARGISNULL(i))
			return (Datum) 0;
	}
	n_groups = lstm_integer_argument(fcinfo, 4, "causes", 1, MAX_GROUPS);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm causes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	ref = *lstm_model_argument(fcinfo, 0);
	lstm_causes_describe(PG_GETARG_OID(1), NameStr(*PG_GETARG_NAME(2)), PG_ARGISNULL(5) ? NULL : NameStr(*PG_GETARG_NAME(5)), &info);
	grouped = lstm_group_causes(&ref, &info, text_argument(fcinfo, 3), n_groups, (uint64) PG_GETARG_INT64(6));
	for (int64 i = 0; i < grouped->n; i++)
	{
		const LstmGroupedRow *found = &grouped->row[i];

		lstm_row_text(&row, found->key);
		if (found->group < 0)
		{
			lstm_row_null(&row);
			lstm_row_null(&row);
			lstm_row_null(&row);
		}
		else
		{
			lstm_row_integer(&row, found->group + 1);
			lstm_row_text(&row, grouped->name[found->group]);
			lstm_row_datum(&row, Float4GetDatum(found->near));
		}
		lstm_row_put(&row, set);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}

/* ---- the aggregate ------------------------------------------------------------------- */

static MemoryContext
need_aggregate(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("a part of the aggregate lstm_root_causes_agg cannot be called by itself")));
	return context;
}

/* (state, model, input, label [, cohort [, key, options]]) */
static void
read_asked(FunctionCallInfo fcinfo, LstmCausesAsked *asked)
{
	asked->model = text_argument(fcinfo, 1);
	asked->label = text_argument(fcinfo, 3);
	asked->has_cohort = PG_NARGS() > 4;
	asked->options = "{}";
	if (PG_NARGS() > 6 && !PG_ARGISNULL(6))
		asked->options = JsonbToCString(NULL, &PG_GETARG_JSONB_P(6)->root, VARSIZE(PG_GETARG_JSONB_P(6)));
	if (!asked->has_cohort && asked->label == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("there is neither a label nor a cohort"),
				 errhint("Give a label, or as a fourth argument what the rows of the cohort fulfill.")));
}

Datum
pg_lstm_causes_row(PG_FUNCTION_ARGS)
{
	MemoryContext context = need_aggregate(fcinfo);
	LstmCausesState *state;
	LstmCausesAsked asked;
	LstmCausesRow row = {0};

	/* a row without a text, or without a model, tells nothing */
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	read_asked(fcinfo, &asked);
	if (PG_ARGISNULL(0))
		state = lstm_causes_state(context, &asked);
	else
		state = lstm_causes_state_of(PG_GETARG_DATUM(0), context);
	lstm_causes_state_check(state, &asked);
	lstm_value_from_text(PG_GETARG_DATUM(2), &row.input);
	row.is_cohort = asked.has_cohort && !PG_ARGISNULL(4) && PG_GETARG_BOOL(4);
	row.key = PG_NARGS() > 5 ? text_argument(fcinfo, 5) : NULL;
	lstm_causes_state_add(state, &row);
	PG_RETURN_DATUM(lstm_causes_state_datum(state));
}

Datum
pg_lstm_causes_merge(PG_FUNCTION_ARGS)
{
	MemoryContext context = need_aggregate(fcinfo);
	LstmCausesState *state;
	const LstmCausesState *other;

	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	}
	other = lstm_causes_state_of(PG_GETARG_DATUM(1), CurrentMemoryContext);
	if (PG_ARGISNULL(0))
		state = lstm_causes_state(context, lstm_causes_state_asked(other));
	else
		state = lstm_causes_state_of(PG_GETARG_DATUM(0), context);
	lstm_causes_state_check(state, lstm_causes_state_asked(other));
	lstm_causes_state_merge(state, other);
	PG_RETURN_DATUM(lstm_causes_state_datum(state));
}

/* lstm_root_cause[] in the current context. */
static Datum
cause_array(Oid array_type, const LstmCause *causes, int n)
{
	Oid			element = get_element_type(array_type);
	TupleDesc	desc = lookup_rowtype_tupdesc_copy(element, -1);
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		LstmRowBuilder row = {.desc = desc, .context = CurrentMemoryContext};

		fill_cause(&row, &causes[i]);
		values[i] = lstm_row_value(&row);
	}
	if (n == 0)
		return PointerGetDatum(construct_empty_array(element));
	return PointerGetDatum(construct_array(values, n, element, -1, false, TYPALIGN_DOUBLE));
}

Datum
pg_lstm_causes_result(PG_FUNCTION_ARGS)
{
	Oid			type = get_fn_expr_rettype(fcinfo->flinfo);
	MemoryContext context;
	MemoryContext old;
	LstmCause  *causes;
	Datum		result;
	int			n;

	(void) need_aggregate(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm root causes", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	causes = lstm_causes_of_state(lstm_causes_state_of(PG_GETARG_DATUM(0), context), &n);
	MemoryContextSwitchTo(old);
	result = cause_array(type, causes, n);
	MemoryContextDelete(context);
	PG_RETURN_DATUM(result);
}
