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

/*
 * How alike two ways to part n rows into k are: 1 the same, 0 as by chance (the Rand index adjusted for chance;
 * Hubert and Arabie 1985).  joint (k, k) is scratch.
 */
double		nn_adjusted_rand(const int32_t *a, const int32_t *b, int64_t n, int k, int64_t *joint);

#endif							/* NN_CHOOSE_H */
