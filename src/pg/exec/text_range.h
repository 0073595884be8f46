/*
 * exec/text_range.h: characters of a text that core counted, as bytes.
 *
 * Core names parts of an input by characters, from 0; SQL counts them from 1,
 * and so do the columns start and stop of our functions: start is the first
 * character, stop the one behind the last, so that
 * substr(input, start, stop - start) is the part.  Of a list of words the
 * characters are those of array_to_string(input, ' ').
 */
#ifndef LSTM_TEXT_RANGE_H
#define LSTM_TEXT_RANGE_H

#include "glue/result.h"
#include "model/answer.h"

/* A walk through a text; cheap as long as it goes forward. */
typedef struct LstmRuler
{
	const char *text;			/* UTF-8 */
	size_t		n_bytes;
	size_t		byte;			/* where character begins */
	int64		character;
} LstmRuler;

/* Over a text, or over words joined by one space (in the current context). */
extern void lstm_ruler_init(LstmRuler *ruler, const NnValue *value);
extern void lstm_ruler_init_text(LstmRuler *ruler, const char *text, size_t n_bytes);

/* Columns of a row: the text from start to stop, and both counted from 1. */
extern void lstm_row_range(LstmRowBuilder *row, LstmRuler *ruler, int64 start, int64 stop);
extern void lstm_row_start_stop(LstmRowBuilder *row, int64 start, int64 stop);

#endif							/* LSTM_TEXT_RANGE_H */
