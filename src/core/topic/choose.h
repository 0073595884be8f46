/*
 * topic/choose.h: how many topics there seem to be.
 */
#ifndef NN_CHOOSE_H
#define NN_CHOOSE_H

#include "base/arena.h"
#include "base/rng.h"

/* Of rows x (n, width) at length 1; 2 ... most; n is at least 2. */
NnStatus	nn_choose_topics(const float *x, int64_t n, int width, int most, NnRng *rng, NnArena *scratch,
							 int *n_topics, NnError *err);

/* Which of n > 0 ascending k, with these figures, is the knee; the first if there are fewer than three. */
int			nn_find_knee(const int *k, const double *figure, int n);

#endif							/* NN_CHOOSE_H */
