/*
 * sqlapi/fn_similar.c: lstm_similar.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/memutils.h"

#include "exec/similar.h"
#include "glue/result.h"
#include "sqlapi/input.h"

PG_FUNCTION_INFO_V1(pg_lstm_similar);

#define MAX_SIMILAR		10000

/* (model, input, relation, column, n, key) */
Datum
pg_lstm_similar(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	MemoryContext context;
	MemoryContext old;
	LstmSourceInfo info;
	LstmSimilar *similar;
	LstmRef		ref;
	NnValue		input;
	int			n;

	for (int i = 0; i < 5; i++)
	{
		if (PG_ARGISNULL(i))
			return (Datum) 0;
	}
	n = lstm_integer_argument(fcinfo, 4, "n", 1, MAX_SIMILAR);
	context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm similar rows", ALLOCSET_DEFAULT_SIZES);
	old = MemoryContextSwitchTo(context);
	ref = *lstm_model_argument(fcinfo, 0);
	lstm_input_argument(fcinfo, 1, &input);
	lstm_source_describe(PG_GETARG_OID(2), NameStr(*PG_GETARG_NAME(3)), NULL, &info);
	lstm_source_key_if_any(&info, PG_ARGISNULL(5) ? NULL : NameStr(*PG_GETARG_NAME(5)));
	similar = lstm_find_similar(&ref, &input, &info, n, &n);
	for (int i = 0; i < n; i++)
	{
		lstm_row_integer(&row, i + 1);
		lstm_row_text(&row, similar[i].key);
		lstm_row_datum(&row, Float4GetDatum(similar[i].similarity));
		lstm_row_text(&row, similar[i].text);
		lstm_row_put(&row, set);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return (Datum) 0;
}
