/*
 * exec/evaluate.h: a model's answers against a relation's target column.
 */
#ifndef LSTM_EVALUATE_H
#define LSTM_EVALUATE_H

#include "store/registry.h"

typedef struct LstmEvaluation
{
	int64		n_rows;
	const char *metrics;		/* JSON, in the caller's context */
} LstmEvaluation;

extern void lstm_evaluate(const LstmRef *ref, Oid relid, const char *input, const char *target,
						  LstmEvaluation *evaluation);

#endif							/* LSTM_EVALUATE_H */
