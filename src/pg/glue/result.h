/*
 * glue/result.h: rows out of a function.
 */
#ifndef LSTM_RESULT_H
#define LSTM_RESULT_H

#include "fmgr.h"
#include "utils/array.h"
#include "utils/tuplestore.h"

#define LSTM_MAX_COLUMNS 18

/* One row, filled column by column. */
typedef struct LstmRowBuilder
{
	TupleDesc	desc;
	MemoryContext context;		/* of a set: holds the columns of the row at hand */
	int			n;
	Datum		values[LSTM_MAX_COLUMNS];
	bool		nulls[LSTM_MAX_COLUMNS];
} LstmRowBuilder;

/* real[] in the current context. */
extern ArrayType *lstm_reals(const float *numbers, int n);

/* For a function that returns one composite value. */
extern void lstm_row_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo);

/* For a function that returns a set of them, in a tuplestore. */
extern Tuplestorestate *lstm_set_begin(LstmRowBuilder *row, FunctionCallInfo fcinfo);

/* The next column. */
extern void lstm_row_null(LstmRowBuilder *row);
extern void lstm_row_datum(LstmRowBuilder *row, Datum value);
extern void lstm_row_integer(LstmRowBuilder *row, int64 number);	/* int4; the largest there is if it is
																	 * larger */
extern void lstm_row_number(LstmRowBuilder *row, double number);	/* float8; NULL if not finite */
extern void lstm_row_text(LstmRowBuilder *row, const char *text);	/* NULL: a NULL */
extern void lstm_row_utf8(LstmRowBuilder *row, const char *bytes, size_t n_bytes);
extern void lstm_row_reals(LstmRowBuilder *row, const float *numbers, int n);	/* real[]; NULL: a NULL */

/* All columns are filled.  Put serves interrupts and forgets the columns. */
extern Datum lstm_row_value(LstmRowBuilder *row);
extern void lstm_row_put(LstmRowBuilder *row, Tuplestorestate *set);

#endif							/* LSTM_RESULT_H */
