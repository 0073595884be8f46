/*
 * nn/recurrent_private.h: how recurrent.c and recurrent_backward.c walk a batch.
 *
 * The forward direction visits steps 0, 1..., the backward direction T - 1,
 * T - 2...; place p of a walk is its p-th step.  Since sequences are sorted by
 * length, row b of every step is sequence b, so the states of a step before are
 * a run of rows and nothing is ever gathered.
 *
 * A stretch is some steps next to each other, as many as have NN_STRETCH_ROWS
 * rows together.  What a row needs besides its step, its input side before and
 * its share of the weights' gradients after, is done a stretch at a time, while
 * the numbers of its gates are still in the L2 cache.
 */
#ifndef NN_RECURRENT_PRIVATE_H
#define NN_RECURRENT_PRIVATE_H

#include "nn/net_private.h"

/* Rows of a stretch, unless a single step has more: those of a block of nn_gemm(). */
#define NN_STRETCH_ROWS 192

typedef struct NnStretch
{
	int			n_places;
	int			first_row;
	int			n_rows;
} NnStretch;

/* The step at place p of a direction's walk, and the step before it in that walk (-1: none). */
static inline void
nn_walk(const NnBatch *batch, int d, int p, int *t, int *t_prev)
{
	*t = (d == 0) ? p : batch->n_steps - 1 - p;
	*t_prev = (p == 0) ? -1 : (d == 0) ? p - 1 : *t + 1;
}

/* Rows of step t that have a state from step t_prev; all of the first step, if there was one before the batch. */
static inline int
nn_rows_with_state(const NnBatch *batch, const NnTrace *trace, int t, int t_prev)
{
	if (t_prev < 0)
		return trace->h_first != NULL ? batch->active[t] : 0;
	return batch->active[t] < batch->active[t_prev] ? batch->active[t] : batch->active[t_prev];
}

/* Multiply each row of a step by its sequence's mask. */
static inline void
nn_mask_rows(int n, int width, const float *mask, float *x, int ldx)
{
	for (int b = 0; b < n; b++)
		nn_multiply(width, mask + (size_t) b * (size_t) width, x + (size_t) b * (size_t) ldx);
}

/* The stretch from place p on, to the end of the walk (way 1) or to its beginning (way -1). */
NnStretch	nn_stretch(const NnBatch *batch, int d, int p, int way);

/* Rows of the longest stretch at most. */
int			nn_stretch_rows(const NnBatch *batch);

/*
 * Compute the stretch that begins at place p: input sides, then steps.  Again, if
 * it was computed before: the same bytes.
 */
NnStatus	nn_stretch_forward(const NnLayers *layers, const NnBatch *batch, int k, int d, int p,
							   const NnStretch *stretch, const NnStack *stack, NnTrace *trace, const NnArena *scratch);

/*
 * Is the input side computed for every row?  Once for each distinct token is
 * less work, but costs copies before and sums after; measured, it pays where at
 * least three rows in ten repeat one.  The batch alone decides.
 */
bool		nn_is_direct(const NnBatch *batch);

/* Copy the input rows of a stretch's tokens: out (n_rows, n_in). */
void		nn_gather_inputs(const NnBatch *batch, const NnStretch *stretch, int n_in, const float *input, float *out);

/* Cells of the step before, of the rows that had one. */
const float *nn_cells_before(const NnLayers *layers, const NnBatch *batch, const NnTrace *trace, int t_prev, int n_prev);

#endif							/* NN_RECURRENT_PRIVATE_H */
