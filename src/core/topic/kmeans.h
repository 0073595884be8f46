/*
 * topic/kmeans.h: rows of numbers -> clusters.
 *
 * Lloyd's iterations from centers drawn with a probability in proportion to the squared
 * distance from those drawn before (k-means++; Arthur and Vassilvitskii 2007), several times;
 * the result with the least inertia, the sum of squared distances, is kept.
 */
#ifndef NN_KMEANS_H
#define NN_KMEANS_H

#include "base/arena.h"
#include "base/rng.h"

typedef struct NnClusters
{
	int			k;
	int32_t    *cluster;		/* (n) the nearest center, of equally near ones the first */
	float	   *distance;		/* (n) squared, to it */
	float	   *second;			/* (n) squared, to the second nearest; inf if k is 1 */
	float	   *center;			/* (k, width) */
	double		inertia;
} NnClusters;

/* n >= k rows x (n, width); out's arrays are the caller's. */
NnStatus	nn_kmeans(const float *x, int64_t n, int width, int n_starts, NnRng *rng, NnArena *scratch,
					  NnClusters *out, NnError *err);

/* Nearest centers alone. */
NnStatus	nn_kmeans_assign(const float *x, int64_t n, int width, NnArena *scratch, NnClusters *out, NnError *err);

/* Arrays of a result in the arena. */
NnStatus	nn_clusters_create(NnClusters *out, int k, int64_t n, int width, NnArena *arena, NnError *err);

#endif							/* NN_KMEANS_H */
