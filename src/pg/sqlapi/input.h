/*
 * sqlapi/input.h: arguments that several functions take.
 */
#ifndef LSTM_INPUT_H
#define LSTM_INPUT_H

#include "fmgr.h"

#include "model/answer.h"
#include "store/registry.h"

/* Argument n, a text or an array, by the type that the call was planned with. */
extern void lstm_input_argument(FunctionCallInfo fcinfo, int n, NnValue *value);

/* The live version that argument n names. */
extern const LstmRef *lstm_model_argument(FunctionCallInfo fcinfo, int n);

/* Argument n of a function that is not strict must not be NULL. */
extern void lstm_need_argument(FunctionCallInfo fcinfo, int n, const char *name);

/* Argument n, an int4 that must be within bounds. */
extern int	lstm_integer_argument(FunctionCallInfo fcinfo, int n, const char *name, int low, int high);

/* Argument n, the number of a version. */
extern int	lstm_version_argument(FunctionCallInfo fcinfo, int n);

#endif							/* LSTM_INPUT_H */
