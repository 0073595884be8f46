/*
 * glue/result.c: rows out of a function.
 */
#include "glue/compat.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "glue/result.h"

void
lstm_row_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo)
{
	if (get_call_result_type(fcinfo, NULL, &row->desc) != TYPEFUNC_COMPOSITE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("function returning record called in context that cannot accept type record")));
	Assert(row->desc->natts <= LSTM_MAX_COLUMNS);
	row->desc = BlessTupleDesc(row->desc);
	row->n = 0;
}

/* As InitMaterializedSRF of newer servers. */
Tuplestorestate *
lstm_set_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	Tuplestorestate *set;

	if (info == NULL || !IsA(info, ReturnSetInfo))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	if (!(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("materialize mode required, but it is not allowed in this context")));

	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	if (get_call_result_type(fcinfo, NULL, &row->desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	Assert(row->desc->natts <= LSTM_MAX_COLUMNS);
	row->desc = CreateTupleDescCopy(row->desc);
	row->n = 0;
	set = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = set;
	info->setDesc = row->desc;
	MemoryContextSwitchTo(old);
	return set;
}

void
lstm_row_null(LstmRowBuilder *row)
{
	row->values[row->n] = (Datum) 0;
	row->nulls[row->n++] = true;
}

void
lstm_row_datum(LstmRowBuilder *row, Datum value)
{
	row->values[row->n] = value;
	row->nulls[row->n++] = false;
}

void
lstm_row_text(LstmRowBuilder *row, const char *text)
{
	if (text == NULL)
		lstm_row_null(row);
	else
		lstm_row_datum(row, CStringGetTextDatum(text));
}

Datum
lstm_row_value(LstmRowBuilder *row)
{
	Assert(row->n == row->desc->natts);
	return HeapTupleGetDatum(heap_form_tuple(row->desc, row->values, row->nulls));
}

void
lstm_row_put(LstmRowBuilder *row, Tuplestorestate *set)
{
	Assert(row->n == row->desc->natts);
	tuplestore_putvalues(set, row->desc, row->values, row->nulls);
	row->n = 0;
}
