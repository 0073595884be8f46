/*
 * sqlapi/fn_model.c: lstm_deploy, lstm_rollback, lstm_drop, lstm_export,
 * lstm_import, and what the tables and views themselves call.
 */
#include "glue/compat.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "exec/import.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/catalog.h"
#include "store/change.h"
#include "store/shipped.h"

PG_FUNCTION_INFO_V1(pg_lstm_deploy);
PG_FUNCTION_INFO_V1(pg_lstm_rollback);
PG_FUNCTION_INFO_V1(pg_lstm_drop);
PG_FUNCTION_INFO_V1(pg_lstm_drop_version);
PG_FUNCTION_INFO_V1(pg_lstm_export);
PG_FUNCTION_INFO_V1(pg_lstm_export_version);
PG_FUNCTION_INFO_V1(pg_lstm_import);
PG_FUNCTION_INFO_V1(pg_lstm_changed);
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
	lstm_deploy(name_argument(fcinfo), version);
	PG_RETURN_INT32(version);
}

Datum
pg_lstm_rollback(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_rollback()");
	PG_RETURN_INT32(lstm_rollback(name_argument(fcinfo)));
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

/* Trigger of the model tables. */
Datum
pg_lstm_changed(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"lstm_changed\" was not called by trigger manager")));
	lstm_catalog_changed();
	PG_RETURN_POINTER(NULL);
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
