/*
 * topic/choose.c: the number of clusters at which more of them begin to pay less.
 *
 * The simplified silhouette (Hruschka, de Castro and Campello 2006) of a row with distance a to
 * its center and b to the second nearest is (b - a) / b; of a clustering, its mean.  It tends
 * to grow with the number of clusters k however many there are, so not its peak is taken but
 * its knee: the k that is highest above the straight line, over log k, from the first to the last
 * one tried (Satopaa et al. 2011).  A ladder of numbers is tried on an even choice of the rows.
 */
#include "topic/choose.h"

#include <math.h>
#include <string.h>

#include "topic/kmeans.h"

#define MAX_ROWS	5000
#define N_STARTS	2

static const int ladder[] = {2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 25, 28, 32, 36, 40, 45, 50, 60, 70, 85, 100,
120, 150, 180, 220, 270, 330, 400, 500};

#define N_LADDER	((int) (sizeof(ladder) / sizeof(ladder[0])))

static double
silhouette(const NnClusters *clusters, int64_t n)
{
	double		sum = 0.0;

	for (int64_t i = 0; i < n; i++)
	{
		double		a = sqrt((double) clusters->distance[i]);
		double		b = sqrt((double) clusters->second[i]);

		sum += b > 0.0 ? (b - a) / b : 0.0;
	}
	return sum / (double) n;
}

/* Silhouette of k clusters. */
static NnStatus
try_number(const float *x, int64_t n, int width, int k, NnRng *rng, NnArena *scratch, double *figure, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	NnClusters	clusters;

	NN_TRY(nn_clusters_create(&clusters, k, n, width, scratch, err));
	NN_TRY(nn_kmeans(x, n, width, N_STARTS, rng, scratch, &clusters, err));
	*figure = silhouette(&clusters, n);
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}

int
nn_find_knee(const int *k, const double *figure, int n)
{
	double		span = log((double) k[n - 1] / (double) k[0]);
	double		best = -INFINITY;
	int			knee = 0;

	for (int i = 1; i < n - 1; i++)
	{
		double		share = log((double) k[i] / (double) k[0]) / span;
		double		above = figure[i] - (1.0 - share) * figure[0] - share * figure[n - 1];

		if (above > best)
		{
			best = above;
			knee = i;
		}
	}
	return knee;
}

NnStatus
nn_choose_topics(const float *x, int64_t n, int width, int most, NnRng *rng, NnArena *scratch, int *n_topics,
				 NnError *err)
{
	int64_t		stride = (n + MAX_ROWS - 1) / MAX_ROWS;
	int64_t		n_tried = (n + stride - 1) / stride;
	size_t		D = (size_t) width;
	float	   *tried = NN_TAKE(scratch, float, nn_size_mul((size_t) n_tried, D));
	double		figure[N_LADDER];
	int			n_steps = 0;

	if (tried == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < n_tried; i++)
		memcpy(tried + (size_t) i * D, x + (size_t) (i * stride) * D, D * sizeof(float));
	while (n_steps < N_LADDER && ladder[n_steps] <= most && (n_steps == 0 || ladder[n_steps] < n_tried))
	{
		NN_TRY(try_number(tried, n_tried, width, ladder[n_steps], rng, scratch, &figure[n_steps], err));
		n_steps++;
	}
	*n_topics = ladder[nn_find_knee(ladder, figure, n_steps)];
	return NN_OK;
}
