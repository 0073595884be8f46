/*
 * train/spread.c: some rows that are worth much and do not resemble each other.
 *
 * The farthest-first walk of k-center (Gonzalez 1985; for labeling, Sener and Savarese
 * 2018) with each distance times what the row is worth.  Uncertainty alone asks for
 * the same doubt many times over: near-duplicates are uncertain alike.
 */
#include "train/spread.h"

#include <math.h>

/* Some million multiplications between two polls. */
#define POLL_NUMBERS	((int64_t) 1 << 22)

static double
length_of(const float *x, int width)
{
	double		sum = 0.0;

	for (int w = 0; w < width; w++)
		sum += (double) x[w] * (double) x[w];
	return sqrt(sum);
}

/* Vectors of nothing resemble each other, and nothing else. */
static double
cosine(const float *x, double x_length, const float *y, double y_length, int width)
{
	double		sum = 0.0;

	if (x_length <= 0.0 || y_length <= 0.0)
		return x_length <= 0.0 && y_length <= 0.0 ? 1.0 : 0.0;
	for (int w = 0; w < width; w++)
		sum += (double) x[w] * (double) y[w];
	return sum / (x_length * y_length);
}

typedef struct Rows
{
	int64_t		n;
	int			width;
	const float *vectors;
	const float *worth;
	double	   *length;			/* (n) */
	double	   *distance;		/* (n) to the nearest picked row; negative: out of the question */
} Rows;

static int64_t
best_row(const Rows *rows)
{
	int64_t		best = -1;

	for (int64_t i = 0; i < rows->n; i++)
		if (rows->distance[i] >= 0.0 &&
			(best < 0 || rows->distance[i] * (double) rows->worth[i] > rows->distance[best] * (double) rows->worth[best]))
			best = i;
	return best;
}

static NnStatus
come_nearer(Rows *rows, int64_t picked, double most_alike, const NnEnv *env, NnError *err)
{
	const float *y = rows->vectors + picked * rows->width;
	int64_t		n_poll = POLL_NUMBERS / (rows->width + 1) + 1;

	rows->distance[picked] = -1.0;
	for (int64_t i = 0; i < rows->n; i++)
	{
		double		alike;

		if (i % n_poll == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		if (rows->distance[i] < 0.0)
			continue;
		alike = cosine(rows->vectors + i * rows->width, rows->length[i], y, rows->length[picked], rows->width);
		if (alike > most_alike)
			rows->distance[i] = -1.0;
		else
			rows->distance[i] = fmin(rows->distance[i], 1.0 - alike);
	}
	return NN_OK;
}

NnStatus
nn_spread(int64_t n, int width, const float *vectors, const float *worth, double most_alike,
		  int k, int32_t *picked, int *n_picked, const NnEnv *env, NnError *err)
{
	Rows		rows = {n, width, vectors, worth, NULL, NULL};
	NnStatus	status = NN_OK;

	*n_picked = 0;
	rows.length = env->alloc(env->ctx, (size_t) (n + 1) * sizeof(double));
	rows.distance = env->alloc(env->ctx, (size_t) (n + 1) * sizeof(double));
	if (rows.length == NULL || rows.distance == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < n && status == NN_OK; i++)
	{
		rows.length[i] = length_of(vectors + i * width, width);
		rows.distance[i] = 1.0;
	}
	while (status == NN_OK && *n_picked < k)
	{
		int64_t		best = best_row(&rows);

		if (best < 0)
			break;
		picked[(*n_picked)++] = (int32_t) best;
		status = come_nearer(&rows, best, most_alike, env, err);
	}
	env->release(env->ctx, rows.length);
	env->release(env->ctx, rows.distance);
	return status;
}
