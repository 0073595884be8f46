/*
 * naive_steps.h: the recurrence in double, step by step, from the tensors alone.
 */
#ifndef NAIVE_STEPS_H
#define NAIVE_STEPS_H

#include "nn/net.h"

#define NAIVE_WIDTH	64			/* of rows and gates, at most */
#define NAIVE_STEPS	40

/* What the twin keeps of one direction of one layer. */
typedef struct NaiveSteps
{
	double		x[NAIVE_STEPS][NAIVE_WIDTH];	/* what it read */
	double		h[NAIVE_STEPS][NAIVE_WIDTH];
	double		c[NAIVE_STEPS][NAIVE_WIDTH];
	double		gates[NAIVE_STEPS][NAIVE_WIDTH];
} NaiveSteps;

/* Row g of W times x (n), plus b[g]. */
double		naive_row_times(const float *W, const float *b, int g, int n, const double *x);

/* Width of what layer k reads. */
int			naive_step_inputs(const NnSpec *spec, int layer);

/* One step: h, c (H) become those behind it; gates (G), activated (kern/kern.h has the equations). */
void		naive_step(NnNet *net, int layer, bool is_reverse, int n_in, const double *x, double *h, double *c,
					   double *gates);

/* All layers over T rows x; twin[layer][direction]. */
void		naive_steps(NnNet *net, int T, double x[][NAIVE_WIDTH], NaiveSteps twin[][2]);

#endif							/* NAIVE_STEPS_H */
