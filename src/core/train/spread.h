/*
 * train/spread.h: some rows that are worth much and do not resemble each other.
 */
#ifndef NN_SPREAD_H
#define NN_SPREAD_H

#include <stdint.h>

#include "base/env.h"
#include "base/status.h"

/*
 * Of n rows with worths (n, at least 0) and vectors (n, width), pick up to k, one after the other: the
 * row with the highest worth times distance, 1 - cosine, to the nearest row picked
 * before.  One that resembles a picked row by a cosine of more than most_alike is left out.
 * Equal ones: the first.  picked (k) gets their numbers.  NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_spread(int64_t n, int width, const float *vectors, const float *worth, double most_alike,
					  int k, int32_t *picked, int *n_picked, const NnEnv *env, NnError *err);

#endif							/* NN_SPREAD_H */
