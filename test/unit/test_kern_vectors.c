/*
 * test_kern_vectors.c: sigma, tanh and exp against libm in double; these and all
 * functions of vectors and rows against their naive twins (see test_kern.c).
 */
#include "kern_case.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* ---- sigma, tanh, exp --------------------------------------------------------- */

/* Every 4099th float: all signs, exponents, subnormals, infinities and NaNs are among them. */
static int64_t
sampled_floats(float **x)
{
	int64_t		n = 0;

	*x = kern_case_floats((size_t) (UINT32_MAX / 4099 + 16));
	for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 4099)
	{
		uint32_t	low = (uint32_t) bits;

		memcpy(&(*x)[n++], &low, sizeof(low));
	}
	(*x)[n++] = INFINITY;
	(*x)[n++] = -INFINITY;
	(*x)[n++] = 0.0f;
	(*x)[n++] = -0.0f;
	(*x)[n++] = FLT_MAX;
	(*x)[n++] = -FLT_MAX;
	(*x)[n++] = NAN;
	return n;
}

static double
exact_sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/*
 * Worst error of y over x: absolute, or relative to the result where that is a
 * normal float.  A NaN must give NaN, and nothing else may.
 */
static double
worst_error(int64_t n, const float *x, const float *y, double (*exact) (double), bool is_relative)
{
	double		worst = 0.0;

	for (int64_t i = 0; i < n; i++)
	{
		double		e = exact((double) x[i]);
		double		error = fabs((double) y[i] - e);

		if (isnan(x[i]) != isnan(y[i]))
			return INFINITY;
		if (isnan(x[i]) || (isinf((float) e) && isinf(y[i])))
			continue;
		if (is_relative)
			error /= fmax(fabs(e), (double) FLT_MIN);
		worst = fmax(worst, error);
	}
	return worst;
}

static void
test_activations(const NnKernels *kernels)
{
	float	   *x;
	int64_t		n = sampled_floats(&x);
	float	   *y = kern_case_floats((size_t) n);
	double		worst;
	float		most = 0.0f;

	kernels->sigmoid(n, x, y);
	worst = worst_error(n, x, y, exact_sigmoid, false);
	ok(worst < 4e-7, "%s: sigma is right to 4e-7 (%.2g)", kernels->name, worst);
	kernels->tanh(n, x, y);
	worst = worst_error(n, x, y, tanh, false);
	ok(worst < 4e-7, "%s: tanh is right to 4e-7 (%.2g)", kernels->name, worst);
	worst = worst_error(n, x, y, tanh, true);
	ok(worst < 6e-7, "%s: tanh is right to 6e-7 of itself (%.2g)", kernels->name, worst);
	for (int64_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(y[i]));
	ok(most == 1.0f, "%s: |tanh| is at most 1", kernels->name);
	kernels->exp(n, x, y);
	worst = worst_error(n, x, y, exp, true);
	ok(worst < 2e-6, "%s: exp is right to 2e-6 of itself (%.2g)", kernels->name, worst);
	free(x);
	free(y);
}

/* ---- vectors --------------------------------------------------------------------- */

static bool
check_vectors(const NnKernels *kernels, int n)
{
	const NnKernels *naive = &nn_kernels_naive;
	size_t		size = (size_t) n + 5;
	const NnAdam adam = {0.01f, 0.9f, 0.999f, 1e-8f, 0.02f, 3.0f, 20.0f, 0.7f};
	float	   *x = kern_case_floats(size);
	float	   *y = kern_case_floats(size),
			   *expected = kern_case_copy(y, size);
	float	   *v = kern_case_floats(size);
	float	   *state[4],
			   *state_expected[4];
	int32_t    *from = calloc(size, sizeof(int32_t)),
			   *from_expected = calloc(size, sizeof(int32_t));
	bool		is_right = true;

	for (size_t i = 0; i < size; i++)
		v[i] = fabsf(v[i]);
	kernels->maximum_from(n, 7, x, y, from);
	naive->maximum_from(n, 7, x, expected, from_expected);
	is_right &= memcmp(from, from_expected, sizeof(int32_t) * size) == 0;
	kernels->axpy(n, 0.3f, x, y);
	naive->axpy(n, 0.3f, x, expected);
	kernels->multiply(n, x, y);
	naive->multiply(n, x, expected);
	kernels->scale(n, 1.7f, y);
	naive->scale(n, 1.7f, expected);
	kernels->scale_shift(n, 0.7f, -0.1f, y);
	naive->scale_shift(n, 0.7f, -0.1f, expected);
	is_right &= kern_case_is_same(y, expected, size, 1e-6f);
	is_right &= kern_case_is_same(y, expected, size, 1e-6f);
	kernels->maximum(n, x, y);
	naive->maximum(n, x, expected);
	is_right &= kern_case_is_same(y, expected, size, 1e-6f);
	kernels->sigmoid(n, y, y);
	naive->sigmoid(n, expected, expected);
	kernels->tanh(n, y, y);
	naive->tanh(n, expected, expected);
	kernels->exp(n, y, y);
	naive->exp(n, expected, expected);
	is_right &= kern_case_is_same(y, expected, size, 1e-5f);
	is_right &= kernels->sum_squares(n, x) == naive->sum_squares(n, x);
	is_right &= kernels->sum(n, x) == naive->sum(n, x);
	is_right &= kernels->highest(n, x) == naive->highest(n, x);
	is_right &= fabs(kernels->exp_sum(n, 0.3f, x, NULL) - naive->exp_sum(n, 0.3f, x, NULL)) <=
		(kern_case_is_fused() ? 0.0 : 1e-5 * n);
	is_right &= kernels->exp_sum(n, 0.3f, x, NULL) == kernels->exp_sum(n, 0.3f, x, y);
	naive->exp_sum(n, 0.3f, x, expected);
	is_right &= kern_case_is_same(y, expected, size, 1e-5f);
	is_right &= kernels->exp_sum(n, 0.3f, y, y) == naive->sum(n, y);
	naive->exp_sum(n, 0.3f, expected, expected);
	is_right &= kern_case_is_same(y, expected, size, 1e-5f);
	for (int i = 0; i < 4; i++)
	{
		state[i] = kern_case_copy(i == 3 ? v : x, size);
		state_expected[i] = kern_case_copy(i == 3 ? v : x, size);
	}
	kernels->adam(&adam, n, state[0], state[1], state[2], state[3]);
	naive->adam(&adam, n, state_expected[0], state_expected[1], state_expected[2], state_expected[3]);
	for (int i = 0; i < 4; i++)
	{
		is_right &= kern_case_is_same(state[i], state_expected[i], size, 1e-5f);
		free(state[i]);
		free(state_expected[i]);
	}
	if (!is_right)
		printf("# at n = %d\n", n);
	free(x);
	free(y);
	free(v);
	free(expected);
	free(from);
	free(from_expected);
	return is_right;
}

static bool
check_rows(const NnKernels *kernels, int M, int N)
{
	const NnKernels *naive = &nn_kernels_naive;
	int			ldc = N + 3;
	size_t		n_c = (size_t) M * ldc;
	float	   *C = kern_case_floats(n_c),
			   *expected = kern_case_copy(C, n_c);
	float	   *bias = kern_case_floats((size_t) N + 3),
			   *bias_expected = kern_case_copy(bias, (size_t) N + 3);
	bool		is_right = true;

	kernels->add_rows(M, N, bias, C, ldc);
	naive->add_rows(M, N, bias, expected, ldc);
	kernels->sum_rows(M, N, C, ldc, bias);
	naive->sum_rows(M, N, expected, ldc, bias_expected);
	is_right &= kern_case_is_same(bias, bias_expected, (size_t) N + 3, 1e-5f);
	kernels->softmax_rows(M, N, C, ldc);
	naive->softmax_rows(M, N, expected, ldc);
	is_right &= kern_case_is_same(C, expected, n_c, 1e-6f);
	if (!is_right)
		printf("# at M = %d, N = %d\n", M, N);
	free(C);
	free(expected);
	free(bias);
	free(bias_expected);
	return is_right;
}

/* Rows of a table, some of them twice. */
static bool
check_gather(const NnKernels *kernels, int n, int D)
{
	enum
	{
		n_rows = 11
	};
	size_t		n_table = (size_t) n_rows * D;
	float	   *table = kern_case_floats(n_table),
			   *expected = kern_case_copy(table, n_table);
	float	   *out = kern_case_floats((size_t) D + 2),
			   *out_expected = kern_case_copy(out, (size_t) D + 2);
	float	   *weight = kern_case_floats((size_t) n);
	int32_t    *row = malloc((size_t) (n > 0 ? n : 1) * sizeof(int32_t));
	bool		is_right;

	for (int j = 0; j < n; j++)
		row[j] = j * 7 % n_rows;
	kernels->gather_sum(n, row, weight, table, D, out);
	nn_kernels_naive.gather_sum(n, row, weight, table, D, out_expected);
	kernels->scatter_sum(n, row, weight, out_expected, D, table);
	nn_kernels_naive.scatter_sum(n, row, weight, out_expected, D, expected);
	is_right = kern_case_is_same(out, out_expected, (size_t) D + 2, 1e-4f) &&
		kern_case_is_same(table, expected, n_table, 1e-4f);
	if (!is_right)
		printf("# at n = %d, D = %d\n", n, D);
	free(table);
	free(expected);
	free(out);
	free(out_expected);
	free(weight);
	free(row);
	return is_right;
}

static void
test_vectors(const NnKernels *kernels)
{
	int			n_wrong = 0;
	float		x[50];

	for (int n = 0; n <= 70; n++)
		n_wrong += !check_vectors(kernels, n);
	ok(n_wrong == 0, "%s: functions of vectors are their naive twins", kernels->name);
	n_wrong = 0;
	for (int M = 0; M <= 4; M++)
		for (int N = 1; N <= 70; N++)
			n_wrong += !check_rows(kernels, M, N);
	n_wrong += !check_rows(kernels, 3, 515);
	ok(n_wrong == 0, "%s: functions of rows are their naive twins", kernels->name);
	n_wrong = 0;
	for (int n = 0; n <= 20; n += 5)
		for (int D = 1; D <= 150; D++)
			n_wrong += !check_gather(kernels, n, D);
	ok(n_wrong == 0, "%s: gather and scatter are their naive twins", kernels->name);

	n_wrong = 0;
	for (int n = 1; n <= 50; n++)
		for (int bad = 0; bad < n; bad++)
		{
			memset(x, 0x3f, sizeof(x));
			n_wrong += !kernels->all_finite(n, x);
			x[bad] = bad % 2 ? NAN : -INFINITY;
			n_wrong += kernels->all_finite(n, x);
			n_wrong += !kernels->all_finite(bad, x);
		}
	ok(n_wrong == 0, "%s: nn_all_finite finds one that is not, anywhere", kernels->name);
}

/* The largest of n numbers wherever it stands, and NaNs as if they were not there. */
static void
test_highest(const NnKernels *kernels)
{
	float		x[150];
	int			n_wrong = 0;

	for (int n = 1; n <= 150; n++)
	{
		for (int at = 0; at < n; at++)
		{
			for (int i = 0; i < n; i++)
				x[i] = i % 3 == 0 ? NAN : -2.0f - (float) i;
			x[at] = -1.0f;
			n_wrong += kernels->highest(n, x) != -1.0f;
		}
	}
	n_wrong += kernels->highest(0, x) != -INFINITY;
	ok(n_wrong == 0, "%s: nn_highest finds the largest, anywhere", kernels->name);
}

/* A softmax in double, with a spread that overflows a plain exp. */
static void
test_softmax(const NnKernels *kernels)
{
	float		x[37];
	double		exact[37],
				sum = 0.0,
				worst = 0.0;

	for (int i = 0; i < 37; i++)
	{
		x[i] = 200.0f * kern_case_float() + 1000.0f;
		exact[i] = exp((double) x[i] - 1200.0);
		sum += exact[i];
	}
	kernels->softmax_rows(1, 37, x, 37);
	for (int i = 0; i < 37; i++)
		worst = fmax(worst, fabs((double) x[i] - exact[i] / sum));
	ok(worst < 1e-6, "%s: softmax of large numbers is right (worst %.2g)", kernels->name, worst);
}

int
main(void)
{
	for (int i = 0; i < 4; i++)
	{
		const NnKernels *kernels = kern_case_use(i);

		if (kernels == NULL)
			continue;
		test_activations(kernels);
		test_softmax(kernels);
		test_highest(kernels);
		if (kernels != &nn_kernels_naive)
			test_vectors(kernels);
	}
	return done_testing();
}
