/*
 * glue/result.c: rows out of a function.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "glue/errors.h"
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
	row->context = CurrentMemoryContext;
	row->n = 0;
}

/* The columns of a set's rows, in the current context: those of a composite type, or one. */
static TupleDesc
set_columns(FunctionCallInfo fcinfo)
{
	TupleDesc	desc;
	Oid			type;

	switch (get_call_result_type(fcinfo, &type, &desc))
	{
		case TYPEFUNC_COMPOSITE:
			return CreateTupleDescCopy(desc);
		case TYPEFUNC_SCALAR:
			desc = CreateTemplateTupleDesc(1);
			TupleDescInitEntry(desc, 1, NULL, type, -1, 0);
			return desc;
		default:
			elog(ERROR, "return type must be a row type or a scalar one");
	}
	return NULL;
}

/* As InitMaterializedSRF of newer servers. */
Tuplestorestate *
lstm_set_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo)
{
	ReturnSetInfo *info = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext old;
	Tuplestorestate *set;

	if (info == NULL || !IsA(info, ReturnSetInfo) || !(info->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));

	old = MemoryContextSwitchTo(info->econtext->ecxt_per_query_memory);
	row->desc = set_columns(fcinfo);
	Assert(row->desc->natts <= LSTM_MAX_COLUMNS);
	row->n = 0;
	set = tuplestore_begin_heap((info->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
	info->returnMode = SFRM_Materialize;
	info->setResult = set;
	info->setDesc = row->desc;
	MemoryContextSwitchTo(old);
	row->context = AllocSetContextCreate(old, "pg_lstm row", ALLOCSET_DEFAULT_SIZES);
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
lstm_row_integer(LstmRowBuilder *row, int64 number)
{
	lstm_row_datum(row, Int32GetDatum((int32) Min(number, PG_INT32_MAX)));
}

void
lstm_row_number(LstmRowBuilder *row, double number)
{
	if (isfinite(number))
		lstm_row_datum(row, Float8GetDatum(number));
	else
		lstm_row_null(row);
}

void
lstm_row_text(LstmRowBuilder *row, const char *text)
{
	MemoryContext old;

	if (text == NULL)
	{
		lstm_row_null(row);
		return;
	}
	old = MemoryContextSwitchTo(row->context);
	lstm_row_datum(row, CStringGetTextDatum(text));
	MemoryContextSwitchTo(old);
}

void
lstm_row_utf8(LstmRowBuilder *row, const char *bytes, size_t n_bytes)
{
	MemoryContext old = MemoryContextSwitchTo(row->context);

	lstm_row_datum(row, CStringGetTextDatum(lstm_from_utf8_bytes(bytes, n_bytes)));
	MemoryContextSwitchTo(old);
}

ArrayType *
lstm_reals(const float *numbers, int n)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(n, 1));
	ArrayType  *array;

	for (int i = 0; i < n; i++)
		elements[i] = Float4GetDatum(numbers[i]);
	array = construct_array(elements, n, FLOAT4OID, sizeof(float4), true, TYPALIGN_INT);
	pfree(elements);
	return array;
}

void
lstm_row_reals(LstmRowBuilder *row, const float *numbers, int n)
{
	MemoryContext old;

	if (numbers == NULL)
	{
		lstm_row_null(row);
		return;
	}
	old = MemoryContextSwitchTo(row->context);
	lstm_row_datum(row, PointerGetDatum(lstm_reals(numbers, n)));
	MemoryContextSwitchTo(old);
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
	MemoryContextReset(row->context);
	CHECK_FOR_INTERRUPTS();
}
