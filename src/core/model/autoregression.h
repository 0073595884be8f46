/*
 * model/autoregression.h: a linear forecast by least squares.
 *
 * The weights a forecast's linear branch begins with: few rows determine them
 * where gradient steps from zero would take thousands (on 100 months those end
 * three times as far off), and training starts at the level of a good classical
 * method, so that the recurrent branch only has to learn what is left.
 *
 * Ridge regression (Hoerl and Kennard 1970) of targets y on inputs x, n rows:
 *
 *	minimize over W, b:  sum_i v_i |y_i - W x_i - b|^2 / sum_i v_i + lambda |W s|^2
 *
 * where s are the inputs' deviations, one for all steps of the window and one for
 * each level.  Row weights v make an error count in the series' own units.
 */
#ifndef NN_AUTOREGRESSION_H
#define NN_AUTOREGRESSION_H

#include "base/arena.h"

/* Inputs beyond this cost more than they bring: the square of them is stored. */
#define NN_MAX_RIDGE_INPUTS	4096

typedef struct NnRidgeRows
{
	int64_t		n;
	int			n_inputs;
	int			n_outputs;
	int			n_shared;		/* the first inputs, which share one deviation: window * channels */
	const float *input;			/* (n, n_inputs) */
	const float *target;		/* (n, n_outputs) */
	const float *weight;		/* (n): an error counts weight times (its square, weight^2) */
} NnRidgeRows;

/*
 * Fit weight (n_outputs, n_inputs) and bias (n_outputs) to train.  *lambda > 0
 * is used; 0 chooses among 0.001 ... 10 the one with the least mean weighted absolute
 * error on valid (0.1 if valid is NULL or empty) and returns it.  Of more than
 * about 2e10 / n_inputs^2 rows an even choice is used.  scratch is not reset.
 * NN_ENOMEM, NN_ECANCELED, NN_ELIMIT (more than NN_MAX_RIDGE_INPUTS: begin with zeros).
 */
NnStatus	nn_ridge_fit(const NnRidgeRows *train, const NnRidgeRows *valid, double *lambda,
						 float *weight, float *bias, NnArena *scratch, NnError *err);

/*
 * Quantiles of y - W x - b over the rows into out (n_outputs, n_levels), each level in
 * (0, 1): the first biases of outputs that are quantiles.  Linear between ranks.
 */
NnStatus	nn_ridge_quantiles(const NnRidgeRows *rows, const float *weight, const float *bias,
							   const double *level, int n_levels, float *out,
							   NnArena *scratch, NnError *err);

#endif							/* NN_AUTOREGRESSION_H */
