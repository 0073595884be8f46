/*
 * exec/predict.h: answers of a model, for one row or a batch.
 */
#ifndef LSTM_PREDICT_H
#define LSTM_PREDICT_H

#include "model/answer.h"

/*
 * Core's scratch memory, empty: what a call of core leaves in it is good until
 * the next caller of this function, which may be any answer of this session.
 */
extern NnArena *lstm_scratch(void);

/*
 * Answers for n inputs into out (n, C); readings (n) and hidden (n,
 * nn_answer_hidden) may be NULL.  Raises core's errors.
 */
extern void lstm_predict_batch(const NnModel *model, const NnValue *inputs, int n,
							   float *out, NnReading *readings, float *hidden);

/* Where the largest of C probabilities is (the first of equal ones). */
extern int	lstm_best_of(const float *probabilities, int C);

/* The shortest decimal that names a number of an answer, and the double that decimal names. */
extern char *lstm_number_text(float number);
extern double lstm_number_double(float number);

/* Give back scratch memory that one huge input left; called at transaction end. */
extern void lstm_predict_init(void);

#endif							/* LSTM_PREDICT_H */
