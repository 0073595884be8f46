/*
 * sqlapi/fn_model.c: lstm_deploy, lstm_rollback, lstm_drop, lstm_grant,
 * lstm_revoke, lstm_owner, lstm_export, lstm_import, and what the tables and
 * views themselves call.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "exec/checks.h"
#include "exec/import.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/catalog.h"
#include "store/change.h"
#include "store/rights.h"
#include "store/shipped.h"
#include "store/standin.h"

PG_FUNCTION_INFO_V1(pg_lstm_deploy);
PG_FUNCTION_INFO_V1(pg_lstm_rollback);
PG_FUNCTION_INFO_V1(pg_lstm_drop);
PG_FUNCTION_INFO_V1(pg_lstm_drop_version);
PG_FUNCTION_INFO_V1(pg_lstm_export);
PG_FUNCTION_INFO_V1(pg_lstm_export_version);
PG_FUNCTION_INFO_V1(pg_lstm_import);
PG_FUNCTION_INFO_V1(pg_lstm_grant);
PG_FUNCTION_INFO_V1(pg_lstm_revoke);
PG_FUNCTION_INFO_V1(pg_lstm_owner);
PG_FUNCTION_INFO_V1(pg_lstm_give);
PG_FUNCTION_INFO_V1(pg_lstm_may_use);
PG_FUNCTION_INFO_V1(pg_lstm_granted);
PG_FUNCTION_INFO_V1(pg_lstm_changed);
PG_FUNCTION_INFO_V1(pg_lstm_command);
PG_FUNCTION_INFO_V1(pg_lstm_shipped);

static char *
name_argument(FunctionCallInfo fcinfo)
{
	return text_to_cstring(PG_GETARG_TEXT_PP(0));
}

int
lstm_version_argument(FunctionCallInfo fcinfo, int n)
{
	int			version = PG_GETARG_INT32(n);

	if (version < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("versions are numbered from 1, not %d", version),
				 errhint("The view lstm_versions lists them.")));
	return version;
}

Datum
pg_lstm_deploy(PG_FUNCTION_ARGS)
{
	int			version = lstm_version_argument(fcinfo, 1);

	lstm_need_writable("lstm_deploy()");
	lstm_deploy_checked(name_argument(fcinfo), version, PG_GETARG_BOOL(2));
	PG_RETURN_INT32(version);
}

Datum
pg_lstm_rollback(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_rollback()");
	PG_RETURN_INT32(lstm_rollback_checked(name_argument(fcinfo), PG_GETARG_BOOL(1)));
}

Datum
pg_lstm_drop(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_drop()");
	PG_RETURN_INT32(lstm_drop(name_argument(fcinfo), 0));
}

Datum
pg_lstm_drop_version(PG_FUNCTION_ARGS)
{
	int			version = lstm_version_argument(fcinfo, 1);

	lstm_need_writable("lstm_drop()");
	PG_RETURN_INT32(lstm_drop(name_argument(fcinfo), version));
}

Datum
pg_lstm_export(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(lstm_read_weights(lstm_model_argument(fcinfo, 0)));
}

Datum
pg_lstm_export_version(PG_FUNCTION_ARGS)
{
	LstmRef		ref;

	lstm_numbered_version(name_argument(fcinfo), lstm_version_argument(fcinfo, 1), &ref);
	PG_RETURN_BYTEA_P(lstm_read_weights(&ref));
}

Datum
pg_lstm_import(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_import()");
	PG_RETURN_INT32(lstm_import(name_argument(fcinfo), PG_GETARG_BYTEA_PP(1)));
}

/* ---- rights ---------------------------------------------------------------- */

static char *
role_argument(FunctionCallInfo fcinfo)
{
	return pstrdup(NameStr(*PG_GETARG_NAME(1)));
}

Datum
pg_lstm_grant(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_grant()");
	lstm_grant(name_argument(fcinfo), role_argument(fcinfo));
	PG_RETURN_VOID();
}

Datum
pg_lstm_revoke(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_revoke()");
	lstm_revoke(name_argument(fcinfo), role_argument(fcinfo));
	PG_RETURN_VOID();
}

Datum
pg_lstm_give(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_owner()");
	lstm_give(name_argument(fcinfo), role_argument(fcinfo));
	PG_RETURN_VOID();
}

/* NULL if there is no such model or it belongs to nobody. */
Datum
pg_lstm_owner(PG_FUNCTION_ARGS)
{
	LstmModelRow row;

	if (!lstm_find_model(name_argument(fcinfo), &row) || !OidIsValid(row.owner))
		PG_RETURN_NULL();
	PG_RETURN_OID(row.owner);
}

Datum
pg_lstm_may_use(PG_FUNCTION_ARGS)
{
	char	   *name = name_argument(fcinfo);
	LstmModelRow row;

	PG_RETURN_BOOL(strcmp(name, LSTM_SHIPPED_MODEL) == 0 || (lstm_find_model(name, &row) && lstm_may_use(&row)));
}

Datum
pg_lstm_granted(PG_FUNCTION_ARGS)
{
	ArrayBuildState *state = initArrayResult(NAMEOID, CurrentMemoryContext, false);
	LstmModelRow row;
	ListCell   *cell;

	lstm_need_model(name_argument(fcinfo), &row);
	foreach(cell, lstm_granted_to(row.name, &row.id))
		state = accumArrayResult(state, DirectFunctionCall1(namein, CStringGetDatum(lfirst(cell))), false, NAMEOID,
								 CurrentMemoryContext);
	PG_RETURN_DATUM(makeArrayResult(state, CurrentMemoryContext));
}

/* ---- triggers -------------------------------------------------------------- */

/* Trigger of the model tables. */
Datum
pg_lstm_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"lstm_changed\" was not called by trigger manager")));
	lstm_standin_follow((TriggerData *) fcinfo->context);
	lstm_catalog_changed();
	PG_RETURN_POINTER(NULL);
}

Datum
pg_lstm_command(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"lstm_command\" was not called by event trigger manager")));
	lstm_standin_command((EventTriggerData *) fcinfo->context);
	PG_RETURN_NULL();
}

Datum
pg_lstm_shipped(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmShipped facts;

	if (!lstm_shipped_facts(&facts))
		return (Datum) 0;
	lstm_row_text(&row, LSTM_SHIPPED_MODEL);
	lstm_row_text(&row, "classify");
	lstm_row_datum(&row, Int32GetDatum(1));
	lstm_row_text(&row, facts.digest);
	lstm_row_datum(&row, Int64GetDatum(facts.n_bytes));
	lstm_row_datum(&row, TimestampTzGetDatum(time_t_to_timestamptz((pg_time_t) facts.modified)));
	lstm_row_put(&row, set);
	return (Datum) 0;
}
