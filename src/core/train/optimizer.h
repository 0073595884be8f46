/*
 * train/optimizer.h: inside this room: gradients to weights.
 *
 * The order of calls in a step: nn_net_backward() fills the gradients,
 * nn_optimizer_norm() looks at them, then either nn_optimizer_step() uses them
 * or nn_optimizer_skip() throws them away.  Both leave every gradient zero.
 * Rows touched in tables are asked of the net, so all of it must happen before
 * scratch is reset.
 */
#ifndef NN_OPTIMIZER_H
#define NN_OPTIMIZER_H

#include "train/part.h"
#include "train/train.h"

typedef struct NnOptimizer NnOptimizer;

/*
 * Memory comes from arena, which must outlive it; net must outlive it too.  moments: those
 * of a team, which are zero, two for each number that is trained; NULL: somebody alone.
 */
NnStatus	nn_optimizer_create(NnOptimizer **optimizer, NnNet *net, const NnTrainOptions *options,
								float *moments, NnArena *arena, NnError *err);

/* Upper bound of the bytes it takes for numbers trained. */
size_t		nn_optimizer_bytes(size_t n_parameters, int n_tensors);

/* Euclidean norm over all gradients; not finite if any of them is not. */
double		nn_optimizer_norm(const NnOptimizer *optimizer);

/*
 * The same by a team: each member writes the squares of its units, and the norm is
 * the root of the sum of all.  Returns how many units there are.
 */
size_t		nn_optimizer_squares(const NnOptimizer *optimizer, NnPart part, double *squares);

/*
 * One step at `share` of the peak rates, clipped to the options' norm; norm is
 * nn_optimizer_norm()'s.  Only units of part are touched.  The caller calls nn_net_pack() afterwards.
 */
void		nn_optimizer_step(NnOptimizer *optimizer, NnPart part, double share, double norm);

void		nn_optimizer_skip(NnOptimizer *optimizer, NnPart part);

/* Start over more carefully: moments zero, all rates half of what they were. */
void		nn_optimizer_restart(NnOptimizer *optimizer);

/* What it remembers from step to step: for checkpoints. */
typedef struct NnOptimizerState
{
	float	   *moments;
	size_t		n_moments;
	int64_t    *n_steps;
	double	   *factor;
} NnOptimizerState;

NnOptimizerState nn_optimizer_state(NnOptimizer *optimizer);

/* Share of the peak rate in step (0 ... n_steps - 1). */
double		nn_schedule_share(const NnTrainOptions *options, int64_t step, int64_t n_steps);

#endif							/* NN_OPTIMIZER_H */
