/*
 * model/leave_one_out.h: a linear function of few numbers, fitted to few rows.
 *
 * Ridge regression (Hoerl and Kennard 1970) of targets y (n, C) on inputs x (n, D),
 *
 *	minimize over W, b:  sum_i |y_i - W x_i - b|^2 + mu |W|^2
 *
 * with the mu whose answers are best for rows that were left out.  A row need not be
 * left out for that: with H the matrix that makes fitted values of targets, leaving
 * row i out gives y_i - (y_i - f_i) / (1 - H_ii) (Allen's PRESS, 1974).
 */
#ifndef NN_LEAVE_ONE_OUT_H
#define NN_LEAVE_ONE_OUT_H

#include "base/arena.h"

typedef struct NnFewRows
{
	int64_t		n;
	int			n_inputs;		/* D */
	int			n_outputs;		/* C */
	const float *input;			/* (n, D) */
	const int32_t *label;		/* (n): y is 1 for it and 0 elsewhere; or NULL: */
	const float *target;		/* (n, C) */
} NnFewRows;

/*
 * Fit weight (C, D) and bias (C).  Labels: both are multiplied by the factor that makes
 * the left-out answers the likeliest, so that they are logits.  Of many rows an
 * even choice is left out.  scratch is not reset.  NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_leave_one_out_fit(const NnFewRows *rows, float *weight, float *bias, NnArena *scratch, NnError *err);

/* Scratch bytes that takes. */
size_t		nn_leave_one_out_bytes(int n_inputs, int n_outputs);

#endif							/* NN_LEAVE_ONE_OUT_H */
