/*
 * topic/directions.c: subspace iteration on a sparse matrix.
 *
 * A'A is never stored: y += a_i (a_i' q) is a gathered sum and a scattered one for each
 * row.  Sums run in the order of the rows, those of Y'Y in double.
 */
#include "topic/directions.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

/* A column of Y that is so small a part of the largest is none. */
#define LEAST_PIVOT		1e-10

typedef struct Iteration
{
	const NnSparse *matrix;
	int			width;
	float	   *weight;			/* (longest row) */
	float	   *sum;			/* (width) */
	double	   *gram;			/* (width, width), then its factor R', lower */
	double	   *row;			/* (width) */
	double		work;			/* since the last poll */
	const NnArena *arena;
} Iteration;

static int64_t
longest_row(const NnSparse *matrix)
{
	int64_t		longest = 0;

	for (int64_t i = 0; i < matrix->n_rows; i++)
		if (matrix->start[i + 1] - matrix->start[i] > longest)
			longest = matrix->start[i + 1] - matrix->start[i];
	return longest;
}

static NnStatus
create_iteration(Iteration *iteration, const NnSparse *matrix, int width, NnArena *scratch, NnError *err)
{
	size_t		K = (size_t) width;

	memset(iteration, 0, sizeof(*iteration));
	iteration->matrix = matrix;
	iteration->width = width;
	iteration->arena = scratch;
	iteration->weight = NN_TAKE(scratch, float, (size_t) longest_row(matrix));
	iteration->sum = NN_TAKE(scratch, float, K);
	iteration->gram = NN_TAKE(scratch, double, K * K);
	iteration->row = NN_TAKE(scratch, double, K);
	if (iteration->weight == NULL || iteration->sum == NULL || iteration->gram == NULL || iteration->row == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* The entries of row i; NULL if they are all zero. */
static const float *
row_entries(Iteration *iteration, int64_t i)
{
	const NnSparse *matrix = iteration->matrix;
	const int32_t *column = matrix->column + matrix->start[i];
	int64_t		n = matrix->start[i + 1] - matrix->start[i];
	double		norm;

	if (matrix->value != NULL)
		return matrix->value + matrix->start[i];
	for (int64_t j = 0; j < n; j++)
		iteration->weight[j] = matrix->scale[column[j]];
	norm = sqrt(nn_sum_squares(n, iteration->weight));
	if (!(norm > 0.0))
		return NULL;
	nn_scale(n, (float) (1.0 / norm), iteration->weight);
	return iteration->weight;
}

/* y = A'A q */
static NnStatus
multiply(Iteration *iteration, const float *q, float *y, NnError *err)
{
	const NnSparse *matrix = iteration->matrix;
	int			K = iteration->width;

	memset(y, 0, (size_t) matrix->n_columns * (size_t) K * sizeof(float));
	for (int64_t i = 0; i < matrix->n_rows; i++)
	{
		const int32_t *column = matrix->column + matrix->start[i];
		int64_t		n = matrix->start[i + 1] - matrix->start[i];
		const float *entry;

		NN_TRY(nn_arena_poll_work(iteration->arena, &iteration->work, 2.0 * (double) (n * K) + 16.0, err));
		entry = row_entries(iteration, i);
		if (entry == NULL)
			continue;
		memset(iteration->sum, 0, (size_t) K * sizeof(float));
		nn_gather_sum(n, column, entry, q, K, iteration->sum);
		nn_scatter_sum(n, column, entry, iteration->sum, K, y);
	}
	return NN_OK;
}

/* gram = x'y, its lower triangle. */
static NnStatus
make_gram(Iteration *iteration, const float *x, const float *y, NnError *err)
{
	size_t		K = (size_t) iteration->width;

	memset(iteration->gram, 0, K * K * sizeof(double));
	for (int w = 0; w < iteration->matrix->n_columns; w++)
	{
		NN_TRY(nn_arena_poll_work(iteration->arena, &iteration->work, (double) (K * K / 2 + K), err));
		for (size_t k = 0; k < K; k++)
			iteration->row[k] = (double) y[(size_t) w * K + k];
		for (size_t k = 0; k < K; k++)
		{
			double		a = (double) x[(size_t) w * K + k];
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

	NN_TRY(make_gram(iteration, y, y, err));
	factor_gram(iteration);
	for (int w = 0; w < iteration->matrix->n_columns; w++)
	{
		float	   *row = y + (size_t) w * K;

		NN_TRY(nn_arena_poll_work(iteration->arena, &iteration->work, (double) (K * K / 2 + K), err));
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

NnStatus
nn_directions_find(const NnSparse *matrix, int width, int n_iterations, NnRng *rng, NnArena *scratch,
				   float *q, float *spare, NnError *err)
{
	size_t		n = nn_size_mul((size_t) matrix->n_columns, (size_t) width);
	Iteration	iteration;

	NN_TRY(create_iteration(&iteration, matrix, width, scratch, err));
	for (size_t i = 0; i < n; i++)
	{
		if (i % 65536 == 0)
			NN_TRY(nn_arena_poll_work(iteration.arena, &iteration.work, NN_POLL_WORK, err));
		q[i] = nn_rng_normal(rng);
	}
	for (int turn = 0; turn < n_iterations; turn++)
	{
		NN_TRY(multiply(&iteration, q, spare, err));
		NN_TRY(orthonormalize(&iteration, spare, err));
		memcpy(q, spare, n * sizeof(float));
	}
	return NN_OK;
}

NnStatus
nn_directions_multiply(const NnSparse *matrix, int width, const float *q, NnArena *scratch, float *y, NnError *err)
{
	Iteration	iteration;

	NN_TRY(create_iteration(&iteration, matrix, width, scratch, err));
	return multiply(&iteration, q, y, err);
}

/* ---- each direction by itself -------------------------------------------------------- */

/* The lower triangle mirrored. */
static void
fill_upper(double *a, size_t n)
{
	for (size_t k = 0; k < n; k++)
		for (size_t l = 0; l < k; l++)
			a[l * n + k] = a[k * n + l];
}

/* Each row of q becomes q W. */
static NnStatus
turn_rows(Iteration *iteration, const double *W, float *q, NnError *err)
{
	size_t		K = (size_t) iteration->width;

	for (int w = 0; w < iteration->matrix->n_columns; w++)
	{
		float	   *row = q + (size_t) w * K;

		NN_TRY(nn_arena_poll_work(iteration->arena, &iteration->work, (double) (K * K), err));
		memset(iteration->row, 0, K * sizeof(double));
		for (size_t k = 0; k < K; k++)
			for (size_t l = 0; l < K; l++)
				iteration->row[l] += (double) row[k] * W[k * K + l];
		for (size_t l = 0; l < K; l++)
			row[l] = (float) iteration->row[l];
	}
	return NN_OK;
}

NnStatus
nn_directions_align(const NnSparse *matrix, int width, NnArena *scratch, float *q, float *spare, double *squares,
					NnError *err)
{
	size_t		K = (size_t) width;
	double	   *W = NN_TAKE(scratch, double, K * K);
	Iteration	iteration;

	if (W == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(create_iteration(&iteration, matrix, width, scratch, err));
	NN_TRY(multiply(&iteration, q, spare, err));
	NN_TRY(make_gram(&iteration, q, spare, err));
	fill_upper(iteration.gram, K);
	NN_TRY(nn_symmetric_eigen(width, iteration.gram, W, squares, scratch, err));
	return turn_rows(&iteration, W, q, err);
}

/* An arena's blocks leave some of their bytes unused. */
size_t
nn_directions_bytes(int width, int64_t longest)
{
	double		K = width;
	double		bytes = 4.0 * ((double) longest + K) + 8.0 * K * (2.0 * K + 1.0);

	return (size_t) (1.25 * bytes) + 65536;
}
