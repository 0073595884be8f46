/*
 * sqlapi/fn_cache.c: lstm_prewarm, and what the view lstm_cache calls.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"

PG_FUNCTION_INFO_V1(pg_lstm_prewarm);
PG_FUNCTION_INFO_V1(pg_lstm_cached);

Datum
pg_lstm_prewarm(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT64((int64) lstm_cache_load(lstm_model_argument(fcinfo, 0)));
}

/*
 * Who names a digest has read it in lstm_versions, which shows only what the
 * reader may use: so this needs no check, and cannot be asked for a list.
 */
Datum
pg_lstm_cached(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmCached	found[2];
	int			n = PG_ARGISNULL(0) ? 0 : lstm_cache_find(text_to_cstring(PG_GETARG_TEXT_PP(0)), found);

	for (int i = 0; i < n; i++)
	{
		lstm_row_text(&row, found[i].is_shared ? "shared" : "session");
		lstm_row_datum(&row, Int64GetDatum(found[i].n_bytes));
		lstm_row_datum(&row, Int32GetDatum(found[i].n_sessions));
		lstm_row_datum(&row, Int32GetDatum(found[i].n_pins));
		lstm_row_datum(&row, Int64GetDatum(found[i].n_hits));
		lstm_row_datum(&row, Int64GetDatum(found[i].n_loads));
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}
