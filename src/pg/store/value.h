/*
 * store/value.h: a datum as core's input.
 *
 * What a value points to is the datum itself or memory of the current context.
 */
#ifndef LSTM_VALUE_H
#define LSTM_VALUE_H

#include "utils/array.h"

#include "model/answer.h"

/* Of a text datum, toasted or not. */
extern void lstm_value_from_text(Datum datum, NnValue *value);

/*
 * Of an array of texts (words) or numbers (1-D: steps; 2-D: steps x channels).
 * what is "input" or "target", for errors.
 */
extern void lstm_value_from_array(ArrayType *array, const char *what, NnValue *value);

/*
 * Of a datum, a text or an array, as its type says; false, and no error, where one
 * of the two above would raise one.
 */
extern bool lstm_value_quietly(Datum datum, bool is_array, NnValue *value);

/* Whether arrays of the element type are words or numbers; false if neither. */
extern bool lstm_value_kind(Oid element_type, NnValueKind *kind);

/* A copy in the current context, with all that it points to. */
extern NnValue lstm_value_copy(const NnValue *value);

#endif							/* LSTM_VALUE_H */
