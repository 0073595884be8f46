/*
 * model/autoregression.c: ridge regression by the normal equations.
 *
 * With centered inputs z = (x - mean) / s and targets, all means weighted by v:
 *
 *	G = mean of z z'		R = mean of z y'		(G + lambda I) B = R
 *	W = (B / s)'			b = mean y - W mean x
 *
 * solved by Cholesky's G + lambda I = L L' in double.  G is made once for all
 * lambdas.  The diagonal of G is about 1, so lambda >= 0.001 keeps the condition
 * number under 1000 times the number of inputs, far from double's limits.
 *
 * G holds its lower triangle; four rows are added at a time, which reads and
 * writes G a quarter as often, and the inner loop runs along a row of G, so that
 * compilers use vectors without changing the order of any sum.
 */
#include "model/autoregression.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_WORK			2e10	/* products for G */
#define LEAST_DEVIATION		1e-6	/* of an input: a constant one gets weight 0 */
#define LAMBDA_UNJUDGED		0.1
#define MAX_QUANTILE_ROWS	2048	/* an even choice of rows: a band needs no more */

static const double LAMBDAS[] = {0.001, 0.01, 0.1, 1.0, 10.0};

#define N_LAMBDAS ((int) (sizeof(LAMBDAS) / sizeof(LAMBDAS[0])))

typedef struct Ridge
{
	const NnRidgeRows *rows;
	int64_t		stride;			/* every so many-th row is used */
	int			n_inputs;
	int			n_outputs;
	double		sum_weight;		/* of v */
	double	   *mean_input;		/* (n_inputs) */
	double	   *deviation;		/* (n_inputs) */
	double	   *mean_target;	/* (n_outputs) */
	double	   *gram;			/* (n_inputs, n_inputs), lower triangle */
	double	   *product;		/* (n_inputs, n_outputs): R */
	double	   *factor;			/* (n_inputs, n_inputs): L */
	double	   *solution;		/* (n_inputs, n_outputs): B */
	double	   *row_input;		/* (4, n_inputs) */
	double	   *row_target;		/* (4, n_outputs) */
	double		work;			/* since the last poll */
	const NnArena *arena;
} Ridge;

static NnStatus
ridge_create(Ridge *ridge, const NnRidgeRows *rows, NnArena *scratch, NnError *err)
{
	size_t		n_inputs = (size_t) rows->n_inputs;
	size_t		n_outputs = (size_t) rows->n_outputs;
	double		n_affordable = MAX_WORK / ((double) n_inputs * (double) n_inputs);

	memset(ridge, 0, sizeof(*ridge));
	if (rows->n_inputs > NN_MAX_RIDGE_INPUTS)
	{
		nn_fail(err, NN_ELIMIT, "a window of %d numbers is too long for the linear branch", rows->n_inputs);
		return nn_fail_hint(err, "Steps times channels may be %d at most.", NN_MAX_RIDGE_INPUTS);
	}
	ridge->rows = rows;
	ridge->stride = (double) rows->n > n_affordable ? (int64_t) ceil((double) rows->n / n_affordable) : 1;
	ridge->n_inputs = rows->n_inputs;
	ridge->n_outputs = rows->n_outputs;
	ridge->arena = scratch;
	ridge->mean_input = NN_ALLOC(scratch, double, n_inputs);
	ridge->deviation = NN_ALLOC(scratch, double, n_inputs);
	ridge->mean_target = NN_ALLOC(scratch, double, n_outputs);
	ridge->gram = NN_ALLOC(scratch, double, nn_size_mul(n_inputs, n_inputs));
	ridge->product = NN_ALLOC(scratch, double, nn_size_mul(n_inputs, n_outputs));
	ridge->factor = NN_TAKE(scratch, double, nn_size_mul(n_inputs, n_inputs));
	ridge->solution = NN_TAKE(scratch, double, nn_size_mul(n_inputs, n_outputs));
	ridge->row_input = NN_TAKE(scratch, double, 4 * n_inputs);
	ridge->row_target = NN_TAKE(scratch, double, nn_size_mul(4, n_outputs));
	if (ridge->mean_input == NULL || ridge->deviation == NULL || ridge->mean_target == NULL ||
		ridge->gram == NULL || ridge->product == NULL || ridge->factor == NULL ||
		ridge->solution == NULL || ridge->row_input == NULL || ridge->row_target == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

static double
row_weight(const Ridge *ridge, int64_t i)
{
	double		weight = ridge->rows->weight != NULL ? ridge->rows->weight[i] : 1.0;

	return weight * weight;
}

/* Weighted means, then deviations: one for the shared inputs, one for each of the others. */
static NnStatus
measure(Ridge *ridge, NnError *err)
{
	const NnRidgeRows *rows = ridge->rows;
	double		shared = 0.0;

	for (int64_t i = 0; i < rows->n; i += ridge->stride)
	{
		double		v = row_weight(ridge, i);

		for (int j = 0; j < ridge->n_inputs; j++)
			ridge->mean_input[j] += v * rows->input[i * ridge->n_inputs + j];
		for (int k = 0; k < ridge->n_outputs; k++)
			ridge->mean_target[k] += v * rows->target[i * ridge->n_outputs + k];
		ridge->sum_weight += v;
		NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, ridge->n_inputs + ridge->n_outputs, err));
	}
	for (int j = 0; j < ridge->n_inputs; j++)
		ridge->mean_input[j] /= ridge->sum_weight;
	for (int k = 0; k < ridge->n_outputs; k++)
		ridge->mean_target[k] /= ridge->sum_weight;

	for (int64_t i = 0; i < rows->n; i += ridge->stride)
	{
		double		v = row_weight(ridge, i);

		for (int j = 0; j < ridge->n_inputs; j++)
		{
			double		distance = rows->input[i * ridge->n_inputs + j] - ridge->mean_input[j];

			ridge->deviation[j] += v * distance * distance;
		}
		NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, ridge->n_inputs, err));
	}
	for (int j = 0; j < rows->n_shared; j++)
		shared += ridge->deviation[j] / rows->n_shared;
	for (int j = 0; j < ridge->n_inputs; j++)
	{
		double		square = j < rows->n_shared ? shared : ridge->deviation[j];

		ridge->deviation[j] = fmax(sqrt(square / ridge->sum_weight), LEAST_DEVIATION);
	}
	return NN_OK;
}

/* Row i as sqrt(v) z and sqrt(v) (y - mean), at place 0 ... 3; zeros behind the last row. */
static void
load_row(Ridge *ridge, int64_t i, int place)
{
	const NnRidgeRows *rows = ridge->rows;
	double	   *z = ridge->row_input + (size_t) place * (size_t) ridge->n_inputs;
	double	   *y = ridge->row_target + (size_t) place * (size_t) ridge->n_outputs;
	double		root = i < rows->n ? sqrt(row_weight(ridge, i) / ridge->sum_weight) : 0.0;

	if (i >= rows->n)
		i = 0;
	for (int j = 0; j < ridge->n_inputs; j++)
		z[j] = root * (rows->input[i * ridge->n_inputs + j] - ridge->mean_input[j]) / ridge->deviation[j];
	for (int k = 0; k < ridge->n_outputs; k++)
		y[k] = root * (rows->target[i * ridge->n_outputs + k] - ridge->mean_target[k]);
}

/* out[j] += a0 x0[j] + a1 x1[j] + a2 x2[j] + a3 x3[j] */
static void
add_four(double *restrict out, const double *restrict x, size_t stride, int n,
		 double a0, double a1, double a2, double a3)
{
	const double *x1 = x + stride;
	const double *x2 = x1 + stride;
	const double *x3 = x2 + stride;

	for (int j = 0; j < n; j++)
		out[j] += a0 * x[j] + a1 * x1[j] + a2 * x2[j] + a3 * x3[j];
}

/* G and R. */
static NnStatus
accumulate(Ridge *ridge, NnError *err)
{
	size_t		p = (size_t) ridge->n_inputs;
	size_t		q = (size_t) ridge->n_outputs;
	const double *z = ridge->row_input;

	for (int64_t i = 0; i < ridge->rows->n; i += 4 * ridge->stride)
	{
		for (int place = 0; place < 4; place++)
			load_row(ridge, i + place * ridge->stride, place);
		for (size_t j = 0; j < p; j++)
		{
			add_four(ridge->gram + j * p, z, p, (int) j + 1, z[j], z[p + j], z[2 * p + j], z[3 * p + j]);
			add_four(ridge->product + j * q, ridge->row_target, q, (int) q,
					 z[j], z[p + j], z[2 * p + j], z[3 * p + j]);
			NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, 4.0 * (double) (j + q), err));
		}
	}
	return NN_OK;
}

/* Four partial sums, in a fixed order: one sum alone would wait for each addition. */
static double
dot(const double *a, const double *b, size_t n)
{
	double		sum[4] = {0.0, 0.0, 0.0, 0.0};
	size_t		i = 0;

	for (; i + 4 <= n; i += 4)
	{
		for (size_t lane = 0; lane < 4; lane++)
			sum[lane] += a[i + lane] * b[i + lane];
	}
	for (; i < n; i++)
		sum[0] += a[i] * b[i];
	return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* L L' = G + lambda I, row by row: L_ij = (G_ij - sum_k<j L_ik L_jk) / L_jj. */
static NnStatus
factorize(Ridge *ridge, double lambda, NnError *err)
{
	size_t		p = (size_t) ridge->n_inputs;

	for (size_t i = 0; i < p; i++)
	{
		double	   *Li = ridge->factor + i * p;

		for (size_t j = 0; j <= i; j++)
		{
			const double *Lj = ridge->factor + j * p;
			double		rest = ridge->gram[i * p + j] + (i == j ? lambda : 0.0) - dot(Li, Lj, j);

			Li[j] = i == j ? sqrt(fmax(rest, DBL_MIN)) : rest / Lj[j];
		}
		NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, (double) (i * i), err));
	}
	return NN_OK;
}

/* B: L C = R downwards, L' B = C upwards, all outputs of a row at once. */
static NnStatus
solve(Ridge *ridge, NnError *err)
{
	size_t		p = (size_t) ridge->n_inputs;
	size_t		q = (size_t) ridge->n_outputs;
	const double *L = ridge->factor;
	double	   *B = ridge->solution;

	memcpy(B, ridge->product, p * q * sizeof(double));
	for (size_t i = 0; i < p; i++)
	{
		for (size_t k = 0; k < i; k++)
		{
			for (size_t o = 0; o < q; o++)
				B[i * q + o] -= L[i * p + k] * B[k * q + o];
		}
		for (size_t o = 0; o < q; o++)
			B[i * q + o] /= L[i * p + i];
		NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, (double) (i * q), err));
	}
	for (size_t i = p; i-- > 0;)
	{
		for (size_t k = i + 1; k < p; k++)
		{
			for (size_t o = 0; o < q; o++)
				B[i * q + o] -= L[k * p + i] * B[k * q + o];
		}
		for (size_t o = 0; o < q; o++)
			B[i * q + o] /= L[i * p + i];
		NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, (double) ((p - i) * q), err));
	}
	return NN_OK;
}

/* W and b of one lambda. */
static NnStatus
fit_lambda(Ridge *ridge, double lambda, float *weight, float *bias, NnError *err)
{
	size_t		p = (size_t) ridge->n_inputs;
	size_t		q = (size_t) ridge->n_outputs;

	NN_TRY(factorize(ridge, lambda, err));
	NN_TRY(solve(ridge, err));
	for (size_t o = 0; o < q; o++)
	{
		double		constant = ridge->mean_target[o];

		for (size_t j = 0; j < p; j++)
		{
			double		w = ridge->solution[j * q + o] / ridge->deviation[j];

			weight[o * p + j] = (float) w;
			constant -= w * ridge->mean_input[j];
		}
		bias[o] = (float) constant;
	}
	return NN_OK;
}

/* Mean weighted absolute error of the last solution: the answer is mean y + sum_j z_j B_j. */
static NnStatus
judge(Ridge *ridge, const NnRidgeRows *rows, double *error, NnError *err)
{
	int			q = ridge->n_outputs;
	double	   *answer = ridge->row_target;

	*error = 0.0;
	for (int64_t i = 0; i < rows->n; i++)
	{
		double		v = rows->weight != NULL ? rows->weight[i] : 1.0;

		memcpy(answer, ridge->mean_target, (size_t) q * sizeof(double));
		for (int j = 0; j < ridge->n_inputs; j++)
		{
			const double *B = ridge->solution + (size_t) j * (size_t) q;
			double		z = (rows->input[i * ridge->n_inputs + j] - ridge->mean_input[j]) / ridge->deviation[j];

			for (int o = 0; o < q; o++)
				answer[o] += z * B[o];
			NN_TRY(nn_arena_poll_work(ridge->arena, &ridge->work, q, err));
		}
		for (int o = 0; o < q; o++)
			*error += v * fabs(rows->target[i * q + o] - answer[o]);
	}
	*error /= (double) rows->n * q;
	return NN_OK;
}

/* The least mean error on the rows to judge by, among LAMBDAS. */
static NnStatus
choose_lambda(Ridge *ridge, const NnRidgeRows *valid, float *weight, float *bias, double *lambda, NnError *err)
{
	double		least = INFINITY;

	for (int i = 0; i < N_LAMBDAS; i++)
	{
		double		error;

		NN_TRY(fit_lambda(ridge, LAMBDAS[i], weight, bias, err));
		NN_TRY(judge(ridge, valid, &error, err));
		if (error < least)
		{
			least = error;
			*lambda = LAMBDAS[i];
		}
	}
	return NN_OK;
}

NnStatus
nn_ridge_fit(const NnRidgeRows *train, const NnRidgeRows *valid, double *lambda,
			 float *weight, float *bias, NnArena *scratch, NnError *err)
{
	Ridge		ridge;

	NN_TRY(ridge_create(&ridge, train, scratch, err));
	NN_TRY(measure(&ridge, err));
	NN_TRY(accumulate(&ridge, err));
	if (*lambda <= 0.0)
	{
		*lambda = LAMBDA_UNJUDGED;
		if (valid != NULL && valid->n > 0)
			NN_TRY(choose_lambda(&ridge, valid, weight, bias, lambda, err));
	}
	return fit_lambda(&ridge, *lambda, weight, bias, err);
}

/* ---- quantiles -------------------------------------------------------------- */

static void
sift_down(double *item, int64_t from, int64_t n)
{
	for (int64_t child; (child = 2 * from + 1) < n; from = child)
	{
		double		moved = item[from];

		if (child + 1 < n && item[child + 1] > item[child])
			child++;
		if (item[child] <= moved)
			return;
		item[from] = item[child];
		item[child] = moved;
	}
}

/* Heapsort: qsort() may allocate behind the host's back. */
static void
sort_ascending(double *item, int64_t n)
{
	for (int64_t i = n / 2; i-- > 0;)
		sift_down(item, i, n);
	for (int64_t last = n - 1; last > 0; last--)
	{
		double		largest = item[0];

		item[0] = item[last];
		item[last] = largest;
		sift_down(item, 0, last);
	}
}

/* y - W x - b of one row and output. */
static double
residual(const NnRidgeRows *rows, const float *weight, const float *bias, int64_t i, int o)
{
	const float *x = rows->input + i * rows->n_inputs;
	const float *w = weight + (size_t) o * (size_t) rows->n_inputs;
	double		answer = bias[o];

	for (int j = 0; j < rows->n_inputs; j++)
		answer += (double) w[j] * x[j];
	return rows->target[i * rows->n_outputs + o] - answer;
}

NnStatus
nn_ridge_quantiles(const NnRidgeRows *rows, const float *weight, const float *bias,
				   const double *level, int n_levels, float *out, NnArena *scratch, NnError *err)
{
	Ridge		ridge = {.arena = scratch};
	int64_t		stride = (rows->n + MAX_QUANTILE_ROWS - 1) / MAX_QUANTILE_ROWS;
	int64_t		n = stride > 0 ? (rows->n + stride - 1) / stride : 0;
	double	   *sorted = NN_TAKE(scratch, double, (size_t) n);

	if (sorted == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int o = 0; o < rows->n_outputs; o++)
	{
		for (int64_t i = 0; i < n; i++)
		{
			sorted[i] = residual(rows, weight, bias, i * stride, o);
			NN_TRY(nn_arena_poll_work(ridge.arena, &ridge.work, rows->n_inputs, err));
		}
		sort_ascending(sorted, n);
		for (int q = 0; q < n_levels; q++)
		{
			double		rank = level[q] * (double) (n - 1);
			int64_t		below = (int64_t) rank;
			int64_t		above = below + 1 < n ? below + 1 : below;
			double		step = sorted[above] - sorted[below];

			out[o * n_levels + q] = (float) (sorted[below] + (rank - (double) below) * step);
		}
	}
	return NN_OK;
}
