/*
 * sqlapi/fn_refresh.c: lstm_refresh, lstm_refresh_all, lstm_tag_row.
 */
#include "glue/compat.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"

#include "exec/refresh.h"
#include "store/change.h"

PG_FUNCTION_INFO_V1(pg_lstm_refresh);
PG_FUNCTION_INFO_V1(pg_lstm_refresh_all);
PG_FUNCTION_INFO_V1(pg_lstm_tag_row);

/* (relation, target, model, input, version), as the script declares them. */
static void
read_refresh(FunctionCallInfo fcinfo, LstmRefresh *refresh)
{
	static const char *const names[] = {"relation", "target", "model"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	/* copies: a procedure's arguments do not outlive its first commit */
	refresh->relid = PG_GETARG_OID(0);
	refresh->target = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	refresh->model = text_to_cstring(PG_GETARG_TEXT_PP(2));
	refresh->input = PG_ARGISNULL(3) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(3)));
	refresh->version = PG_ARGISNULL(4) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(4)));
}

static int64
row_count(FunctionCallInfo fcinfo, int n, const char *name)
{
	int64		count = PG_GETARG_INT64(n);

	if (count < 1)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"%s\" must be at least 1", name)));
	return count;
}

Datum
pg_lstm_refresh(PG_FUNCTION_ARGS)
{
	LstmRefresh refresh;

	read_refresh(fcinfo, &refresh);
	lstm_need_writable("lstm_refresh()");
	PG_RETURN_INT64(lstm_refresh(&refresh, PG_ARGISNULL(5) ? 0 : row_count(fcinfo, 5, "max_rows")));
}

Datum
pg_lstm_refresh_all(PG_FUNCTION_ARGS)
{
	LstmRefresh refresh;

	read_refresh(fcinfo, &refresh);
	lstm_need_writable("lstm_refresh_all()");
	if (PG_ARGISNULL(5))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "batch")));
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("lstm_refresh_all() cannot run inside a transaction block"),
				 errhint("Call it by itself, or use lstm_refresh(), which does not commit.")));
	lstm_refresh_all(&refresh, row_count(fcinfo, 5, "batch"));
	PG_RETURN_VOID();
}

Datum
pg_lstm_tag_row(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"lstm_tag_row\" was not called by trigger manager")));
	PG_RETURN_POINTER(lstm_tag_row((TriggerData *) fcinfo->context));
}
