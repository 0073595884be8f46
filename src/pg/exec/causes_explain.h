/*
 * exec/causes_explain.h: what the words of many rows weigh for a label.
 */
#ifndef LSTM_CAUSES_EXPLAIN_H
#define LSTM_CAUSES_EXPLAIN_H

#include "model/answer.h"
#include "topic/weights.h"

/* Called with each input in its order, and the weights of its words. */
typedef void (*LstmWeightsHook) (void *arg, int i, const NnValue *input, const NnWeighted *weighted, int n);

/* Texts; the label is an output's number. */
extern void lstm_causes_explain(const NnModel *model, int label, const NnValue *inputs, int n, LstmWeightsHook hook, void *arg);

#endif							/* LSTM_CAUSES_EXPLAIN_H */
