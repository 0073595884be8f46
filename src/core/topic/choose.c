/*
 * topic/choose.c: the number of clusters that one finds again.
 *
 * Rows are parted into two halves at random, and each half into k clusters.  If there are k, the centers found in
 * one half part the other as its own do; if there are others, chance decides which are torn apart or put together
 * (Ben-Hur, Elisseeff and Guyon 2002; Tibshirani and Walther 2005).  A cut into two or three is found again more
 * easily than one into many, and says less; so the k is taken with the highest
 *
 *	agreement^2 sqrt(log k)
 *
 * where agreement is the mean of some halvings.  The form of it was chosen on five sets of texts whose labels
 * are known.  A ladder of numbers is tried on an even choice of the rows.
 */
#include "topic/choose.h"

#include <math.h>
#include <string.h>

#include "topic/kmeans.h"

#define MAX_ROWS	5000
#define N_STARTS	2
#define N_HALVINGS	3

static const int ladder[] = {2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 25, 28, 32, 36, 40, 45, 50, 60, 70, 85, 100,
120, 150, 180, 220, 270, 330, 400, 500};

#define N_LADDER	((int) (sizeof(ladder) / sizeof(ladder[0])))

typedef struct Choosing
{
	const float *x;
	int64_t		n;
	int			width;
	int64_t		stride;			/* rows from one that is tried to the next */
	int32_t    *order;			/* those that are tried */
	int64_t		n_tried;
	float	   *half[2];		/* (n_tried / 2, width) */
	NnRng	   *rng;
	NnArena    *arena;
} Choosing;

double
nn_adjusted_rand(const int32_t *a, const int32_t *b, int64_t n, int k, int64_t *joint)
{
	double		together = 0.0;
	double		in_a = 0.0;
	double		in_b = 0.0;
	double		expected;
	double		most;

	memset(joint, 0, (size_t) k * (size_t) k * sizeof(int64_t));
	for (int64_t i = 0; i < n; i++)
		joint[a[i] * (int64_t) k + b[i]]++;
	for (int64_t i = 0; i < k; i++)
	{
		double		row = 0.0;
		double		column = 0.0;

		for (int64_t j = 0; j < k; j++)
		{
			double		both = (double) joint[i * k + j];

			together += 0.5 * both * (both - 1.0);
			row += both;
			column += (double) joint[j * k + i];
		}
		in_a += 0.5 * row * (row - 1.0);
		in_b += 0.5 * column * (column - 1.0);
	}
	expected = n > 1 ? in_a * in_b / (0.5 * (double) n * (double) (n - 1)) : 0.0;
	most = 0.5 * (in_a + in_b);
	return most > expected ? (together - expected) / (most - expected) : 1.0;
}

static NnStatus
create_choosing(Choosing *c, NnError *err)
{
	size_t		floats;

	c->stride = (c->n + MAX_ROWS - 1) / MAX_ROWS;
	c->n_tried = (c->n + c->stride - 1) / c->stride;
	floats = nn_size_mul((size_t) (c->n_tried / 2), (size_t) c->width);
	c->order = NN_TAKE(c->arena, int32_t, (size_t) c->n_tried);
	c->half[0] = NN_TAKE(c->arena, float, floats);
	c->half[1] = NN_TAKE(c->arena, float, floats);
	if (c->order == NULL || c->half[0] == NULL || c->half[1] == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

static void
halve(Choosing *c)
{
	size_t		D = (size_t) c->width;
	int64_t		n = c->n_tried / 2;

	for (int64_t i = 0; i < c->n_tried; i++)
		c->order[i] = (int32_t) i;
	nn_rng_shuffle(c->rng, c->order, c->n_tried);
	for (int64_t i = 0; i < 2 * n; i++)
		memcpy(c->half[i % 2] + (size_t) (i / 2) * D, c->x + (size_t) (c->order[i] * c->stride) * D, D * sizeof(float));
}

/* How alike k clusters of the one half and of the other part the other. */
static NnStatus
agree(Choosing *c, int k, double *agreement, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(c->arena);
	int64_t		n = c->n_tried / 2;
	int64_t    *joint = NN_TAKE(c->arena, int64_t, (size_t) k * (size_t) k);
	NnClusters	from;
	NnClusters	own;

	if (joint == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_clusters_create(&from, k, n, c->width, c->arena, err));
	NN_TRY(nn_clusters_create(&own, k, n, c->width, c->arena, err));
	NN_TRY(nn_kmeans(c->half[0], n, c->width, N_STARTS, c->rng, c->arena, &from, err));
	NN_TRY(nn_kmeans(c->half[1], n, c->width, N_STARTS, c->rng, c->arena, &own, err));
	NN_TRY(nn_kmeans_assign(c->half[1], n, c->width, c->arena, &from, err));
	*agreement = nn_adjusted_rand(from.cluster, own.cluster, n, k, joint);
	nn_arena_rewind(c->arena, &mark);
	return NN_OK;
}

NnStatus
nn_choose_topics(const float *x, int64_t n, int width, int most, NnRng *rng, NnArena *scratch, int *n_topics,
				 NnError *err)
{
	Choosing	c = {.x = x, .n = n, .width = width, .rng = rng, .arena = scratch};
	double		mean[N_LADDER] = {0};
	double		best = -INFINITY;
	int			n_steps = 0;

	NN_TRY(create_choosing(&c, err));
	while (n_steps < N_LADDER && ladder[n_steps] <= most && 4 * (int64_t) ladder[n_steps] <= c.n_tried)
		n_steps++;
	*n_topics = ladder[0];
	for (int halving = 0; halving < N_HALVINGS; halving++)
	{
		halve(&c);
		for (int step = 0; step < n_steps; step++)
		{
			double		agreement = 0.0;

			NN_TRY(agree(&c, ladder[step], &agreement, err));
			mean[step] += agreement / N_HALVINGS;
		}
	}
	for (int step = 0; step < n_steps; step++)
	{
		double		figure = mean[step] * fabs(mean[step]) * sqrt(log((double) ladder[step]));

		if (figure > best)
		{
			best = figure;
			*n_topics = ladder[step];
		}
	}
	return NN_OK;
}
