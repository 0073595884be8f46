/*
 * sqlapi/fn_evaluate.c: lstm_evaluate.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "exec/evaluate.h"
#include "glue/result.h"
#include "sqlapi/input.h"

PG_FUNCTION_INFO_V1(pg_lstm_evaluate);

Datum
pg_lstm_evaluate(PG_FUNCTION_ARGS)
{
	LstmRef		ref;
	LstmEvaluation evaluation;
	LstmRowBuilder row;

	/* The target may be null: some tasks have none. */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	ref = *lstm_model_argument(fcinfo, 0);
	lstm_row_begin(&row, fcinfo);
	lstm_evaluate(&ref, PG_GETARG_OID(1), NameStr(*PG_GETARG_NAME(2)),
				  PG_ARGISNULL(3) ? NULL : NameStr(*PG_GETARG_NAME(3)), &evaluation);
	lstm_row_text(&row, ref.name);
	lstm_row_datum(&row, Int32GetDatum(ref.version));
	lstm_row_datum(&row, Int64GetDatum(evaluation.n_rows));
	lstm_row_datum(&row, DirectFunctionCall1(jsonb_in, CStringGetDatum(evaluation.metrics)));
	PG_RETURN_DATUM(lstm_row_value(&row));
}
