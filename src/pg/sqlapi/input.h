/*
 * sqlapi/input.h: the two arguments that every answering function begins with.
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

#endif							/* LSTM_INPUT_H */
