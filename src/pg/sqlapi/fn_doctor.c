/*
 * sqlapi/fn_doctor.c: lstm_doctor.
 */
#include "glue/compat.h"

#include "fmgr.h"

#include "exec/doctor.h"
#include "glue/result.h"

PG_FUNCTION_INFO_V1(pg_lstm_doctor);

Datum
pg_lstm_doctor(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmFinding findings[LSTM_MAX_FINDINGS];
	int			n = lstm_examine(findings);

	for (int i = 0; i < n; i++)
	{
		lstm_row_text(&row, findings[i].item);
		lstm_row_text(&row, findings[i].value);
		lstm_row_text(&row, findings[i].advice);
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}
