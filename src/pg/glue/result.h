/*
 * glue/result.h: rows out of a function.
 */
#ifndef LSTM_RESULT_H
#define LSTM_RESULT_H

#include "fmgr.h"
#include "utils/tuplestore.h"

#define LSTM_MAX_COLUMNS 16

/* One row, filled column by column. */
typedef struct LstmRowBuilder
{
	TupleDesc	desc;
	int			n;
	Datum		values[LSTM_MAX_COLUMNS];
	bool		nulls[LSTM_MAX_COLUMNS];
} LstmRowBuilder;

/* For a function that returns one composite value. */
extern void lstm_row_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo);

/* For a function that returns a set of them, in a tuplestore. */
extern Tuplestorestate *lstm_set_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo);

/* The next column. */
extern void lstm_row_null(LstmRowBuilder *row);
extern void lstm_row_datum(LstmRowBuilder *row, Datum value);
extern void lstm_row_text(LstmRowBuilder *row, const char *text);	/* NULL: a NULL */

/* All columns are filled. */
extern Datum lstm_row_value(LstmRowBuilder *row);
extern void lstm_row_put(LstmRowBuilder *row, Tuplestorestate *set);

#endif							/* LSTM_RESULT_H */
