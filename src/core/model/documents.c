/*
 * model/documents.c: term vectors by subspace iteration.
 *
 *	Q random
 *	N_ITERATIONS times:  Y = A'A Q;  Q = Y R^-1 with Y'Y = R'R (Cholesky)
 *	x = idf (A'A Q)
 *
 * A is never stored: a text's row is its terms' idf over their norm, and
 * Y += a_i (a_i' Q) is a gathered sum and a scattered one.  Sums run in the order
 * of the texts, those of Y'Y in double.
 */
#include "model/documents.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

#define N_ITERATIONS	4		/* one more changed no figure */
#define POLL_TEXTS		256
#define POLL_TERMS		1024

/* A column of Y that is so small a part of the largest is none. */
#define LEAST_PIVOT		1e-10

typedef struct Iteration
{
	const NnTermRows *rows;
	int			width;
	float	   *idf;			/* (terms) */
	float	   *weight;			/* (longest text) */
	float	   *sum;			/* (width) */
	float	   *q;				/* (terms, width) */
	double	   *gram;			/* (width, width), then its factor R', lower */
	double	   *row;			/* (width) */
	const NnArena *arena;
} Iteration;

static int64_t
longest_text(const NnTermRows *rows)
{
	int64_t		longest = 0;

	for (int64_t i = 0; i < rows->n; i++)
		if (rows->start[i + 1] - rows->start[i] > longest)
			longest = rows->start[i + 1] - rows->start[i];
	return longest;
}

static NnStatus
poll(const Iteration *iteration, NnError *err)
{
	if (nn_arena_poll(iteration->arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

/* idf_w = log(N / df_w); 0 for a term of no text and for one of all. */
static void
weigh_terms(Iteration *iteration)
{
	const NnTermRows *rows = iteration->rows;

	for (int64_t j = rows->start[0]; j < rows->start[rows->n]; j++)
		iteration->idf[rows->term[j]] += 1.0f;
	for (int w = 0; w < rows->n_terms; w++)
		if (iteration->idf[w] > 0.0f)
			iteration->idf[w] = (float) log((double) rows->n / (double) iteration->idf[w]);
}

/* y = A'A q */
static NnStatus
multiply(Iteration *iteration, const float *q, float *y, NnError *err)
{
	const NnTermRows *rows = iteration->rows;
	int			K = iteration->width;

	memset(y, 0, (size_t) rows->n_terms * (size_t) K * sizeof(float));
	for (int64_t i = 0; i < rows->n; i++)
	{
		const int32_t *term = rows->term + rows->start[i];
		int64_t		n = rows->start[i + 1] - rows->start[i];
		double		norm;

		if (i % POLL_TEXTS == 0)
			NN_TRY(poll(iteration, err));
		for (int64_t j = 0; j < n; j++)
			iteration->weight[j] = iteration->idf[term[j]];
		norm = sqrt(nn_sum_squares(n, iteration->weight));
		if (!(norm > 0.0))
			continue;
		nn_scale(n, (float) (1.0 / norm), iteration->weight);
		memset(iteration->sum, 0, (size_t) K * sizeof(float));
		nn_gather_sum(n, term, iteration->weight, q, K, iteration->sum);
		nn_scatter_sum(n, term, iteration->weight, iteration->sum, K, y);
	}
	return NN_OK;
}

/* gram = y'y, its lower triangle. */
static NnStatus
make_gram(Iteration *iteration, const float *y, NnError *err)
{
	size_t		K = (size_t) iteration->width;

	memset(iteration->gram, 0, K * K * sizeof(double));
	for (int w = 0; w < iteration->rows->n_terms; w++)
	{
		if (w % POLL_TERMS == 0)
			NN_TRY(poll(iteration, err));
		for (size_t k = 0; k < K; k++)
			iteration->row[k] = (double) y[(size_t) w * K + k];
		for (size_t k = 0; k < K; k++)
		{
			double		a = iteration->row[k];
			double	   *gram = iteration->gram + k * K;

			for (size_t l = 0; l <= k; l++)
				gram[l] += a * iteration->row[l];
		}
	}
	return NN_OK;
}

/* gram = L L' in place; the columns of a rank that is not there get a diagonal of 0. */
static void
factor_gram(Iteration *iteration)
{
	size_t		K = (size_t) iteration->width;
	double	   *L = iteration->gram;
	double		largest = 0.0;

	for (size_t k = 0; k < K; k++)
		largest = fmax(largest, L[k * K + k]);
	for (size_t k = 0; k < K; k++)
	{
		for (size_t l = 0; l <= k; l++)
		{
			double		sum = L[k * K + l];

			for (size_t m = 0; m < l; m++)
				sum -= L[k * K + m] * L[l * K + m];
			if (l < k)
				L[k * K + l] = L[l * K + l] > 0.0 ? sum / L[l * K + l] : 0.0;
			else
				L[k * K + k] = sum > LEAST_PIVOT * largest ? sqrt(sum) : 0.0;
		}
	}
}

/* Columns of y orthonormal: each row becomes y L'^-1. */
static NnStatus
orthonormalize(Iteration *iteration, float *y, NnError *err)
{
	size_t		K = (size_t) iteration->width;
	const double *L = iteration->gram;

	NN_TRY(make_gram(iteration, y, err));
	factor_gram(iteration);
	for (int w = 0; w < iteration->rows->n_terms; w++)
	{
		float	   *row = y + (size_t) w * K;

		if (w % POLL_TERMS == 0)
			NN_TRY(poll(iteration, err));
		for (size_t k = 0; k < K; k++)
		{
			double		sum = (double) row[k];

			for (size_t m = 0; m < k; m++)
				sum -= L[k * K + m] * iteration->row[m];
			iteration->row[k] = L[k * K + k] > 0.0 ? sum / L[k * K + k] : 0.0;
		}
		for (size_t k = 0; k < K; k++)
			row[k] = (float) iteration->row[k];
	}
	return NN_OK;
}

static NnStatus
create_iteration(Iteration *iteration, const NnTermRows *rows, int width, NnArena *scratch, NnError *err)
{
	size_t		K = (size_t) width;

	memset(iteration, 0, sizeof(*iteration));
	iteration->rows = rows;
	iteration->width = width;
	iteration->arena = scratch;
	iteration->idf = NN_ALLOC(scratch, float, (size_t) rows->n_terms);
	iteration->weight = NN_TAKE(scratch, float, (size_t) longest_text(rows));
	iteration->sum = NN_TAKE(scratch, float, K);
	iteration->q = NN_TAKE(scratch, float, nn_size_mul((size_t) rows->n_terms, K));
	iteration->gram = NN_TAKE(scratch, double, K * K);
	iteration->row = NN_TAKE(scratch, double, K);
	if (iteration->idf == NULL || iteration->weight == NULL || iteration->sum == NULL ||
		iteration->q == NULL || iteration->gram == NULL || iteration->row == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* Rows times idf, and all to a mean square of 1. */
static void
finish(const Iteration *iteration, float *out)
{
	size_t		K = (size_t) iteration->width;
	int64_t		n = (int64_t) iteration->rows->n_terms * iteration->width;
	double		squares;

	for (int w = 0; w < iteration->rows->n_terms; w++)
		nn_scale((int64_t) K, iteration->idf[w], out + (size_t) w * K);
	squares = nn_sum_squares(n, out);
	if (squares > 0.0)
		nn_scale(n, (float) sqrt((double) n / squares), out);
}

NnStatus
nn_document_vectors(const NnTermRows *rows, int width, NnRng *rng, NnArena *scratch, float *out, NnError *err)
{
	Iteration	iteration;
	size_t		n = nn_size_mul((size_t) rows->n_terms, (size_t) width);

	NN_TRY(create_iteration(&iteration, rows, width, scratch, err));
	weigh_terms(&iteration);
	for (size_t i = 0; i < n; i++)
	{
		if (i % 65536 == 0)
			NN_TRY(poll(&iteration, err));
		iteration.q[i] = nn_rng_normal(rng);
	}
	for (int turn = 0; turn < N_ITERATIONS; turn++)
	{
		NN_TRY(multiply(&iteration, iteration.q, out, err));
		NN_TRY(orthonormalize(&iteration, out, err));
		memcpy(iteration.q, out, n * sizeof(float));
	}
	NN_TRY(multiply(&iteration, iteration.q, out, err));
	finish(&iteration, out);
	return NN_OK;
}

/* An arena's blocks leave some of their bytes unused. */
size_t
nn_document_bytes(int64_t n_terms, int width, int64_t longest)
{
	double		K = width;
	double		bytes = 4.0 * ((double) n_terms * (K + 1.0) + (double) longest + K) + 8.0 * K * (K + 1.0);

	return (size_t) (1.25 * bytes) + 65536;
}
