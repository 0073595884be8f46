/*
 * test_autoregression.c: ridge regression against hand-worked cases and its own
 * normal equations, and the choice of lambda.
 */
#include "model/autoregression.h"

#include "base/rng.h"
#include "tap.h"
#include "test_host.h"

#define N 400
#define P 6
#define Q 3

static TestHost host;
static NnArena *arena;
static float input[N * P];
static float target[N * Q];
static float row_weight[N];
static float weight[Q * P];
static float bias[Q];
static const float truth[Q][P] = {{1, -2, 0, 0.5f, 0, 3}, {0, 0, 0, 0, 0, 0}, {0.25f, 0, 0, -1, 2, 0}};

static NnRidgeRows
make_rows(double noise, uint64_t seed)
{
	NnRng		rng;

	nn_rng_seed(&rng, seed);
	for (int i = 0; i < N; i++)
	{
		for (int j = 0; j < P; j++)
			input[i * P + j] = nn_rng_normal(&rng) + (float) j;
		for (int o = 0; o < Q; o++)
		{
			double		y = 10.0 * o + noise * nn_rng_normal(&rng);

			for (int j = 0; j < P; j++)
				y += (double) truth[o][j] * input[i * P + j];
			target[i * Q + o] = (float) y;
		}
		row_weight[i] = 0.5f + nn_rng_uniform(&rng);
	}
	return (NnRidgeRows)
	{
		.n = N, .n_inputs = P, .n_outputs = Q, .n_shared = P,
			.input = input, .target = target, .weight = row_weight
	};
}

/* Two rows at x = -1 and 1, y = -1 and 1: G = 1, so w = 1 / (1 + lambda). */
static void
test_by_hand(void)
{
	float		x[] = {4, 6};
	float		y[] = {-1, 1};
	float		w;
	float		b;
	double		lambda = 1.0;
	NnError		err;
	NnRidgeRows rows = {.n = 2, .n_inputs = 1, .n_outputs = 1, .n_shared = 1, .input = x, .target = y};

	ok(nn_ridge_fit(&rows, NULL, &lambda, &w, &b, arena, &err) == NN_OK, "two rows");
	is_near(w, 0.5, 1e-7, "lambda 1 halves the slope");
	is_near(b, -2.5, 1e-6, "the bias is where the means meet");
	lambda = 0.0;
	ok(nn_ridge_fit(&rows, NULL, &lambda, &w, &b, arena, &err) == NN_OK && lambda == 0.1, "unjudged: 0.1");
	is_near(w, 1.0 / 1.1, 1e-6, "and its slope");
	x[1] = 4;
	ok(nn_ridge_fit(&rows, NULL, &lambda, &w, &b, arena, &err) == NN_OK && w == 0.0f, "a constant input has no weight");
	is_near(b, 0.0, 1e-7, "and the bias is the mean");
	rows.n = 1;
	ok(nn_ridge_fit(&rows, NULL, &lambda, &w, &b, arena, &err) == NN_OK && w == 0.0f && b == -1.0f, "one row");
}

static void
test_exact(void)
{
	NnRidgeRows rows = make_rows(0.0, 1);
	double		lambda = 1e-9;
	double		worst = 0.0;
	NnError		err;

	ok(nn_ridge_fit(&rows, NULL, &lambda, weight, bias, arena, &err) == NN_OK, "no noise, nearly no lambda");
	for (int o = 0; o < Q; o++)
	{
		for (int j = 0; j < P; j++)
			worst = fmax(worst, fabs(weight[o * P + j] - truth[o][j]));
		worst = fmax(worst, fabs(bias[o] - 10.0 * o));
	}
	is_near(worst, 0.0, 2e-5, "finds what made the rows (float targets of size 30)");
}

/* At the least, the gradient is zero: sum v r z + lambda sum v W s z's scale = 0. */
static void
test_normal_equations(void)
{
	NnRidgeRows rows = make_rows(2.0, 2);
	double		lambda = 0.3;
	double		worst = 0.0;
	double		mean[P] = {0};
	double		square = 0.0;
	double		sum = 0.0;
	NnError		err;

	ok(nn_ridge_fit(&rows, NULL, &lambda, weight, bias, arena, &err) == NN_OK, "noise and lambda");
	for (int i = 0; i < N; i++)
	{
		double		v = (double) row_weight[i] * row_weight[i];

		sum += v;
		for (int j = 0; j < P; j++)
			mean[j] += v * input[i * P + j];
	}
	for (int i = 0; i < N; i++)
	{
		for (int j = 0; j < P; j++)
			square += (double) row_weight[i] * row_weight[i] * pow(input[i * P + j] - mean[j] / sum, 2.0) / sum / P;
	}
	for (int o = 0; o < Q; o++)
	{
		for (int j = 0; j <= P; j++)
		{
			double		gradient = 0.0;

			for (int i = 0; i < N; i++)
			{
				double		r = target[i * Q + o] - bias[o];

				for (int k = 0; k < P; k++)
					r -= (double) weight[o * P + k] * input[i * P + k];
				gradient += (double) row_weight[i] * row_weight[i] / sum * r * (j < P ? input[i * P + j] : 1.0);
			}
			worst = fmax(worst, fabs(gradient - (j < P ? lambda * square * weight[o * P + j] : 0.0)));
		}
	}
	is_near(worst, 0.0, 1e-5, "the gradient of weights and bias is zero");
}

static void
test_choice(void)
{
	NnRidgeRows rows = make_rows(0.1, 3);
	NnRidgeRows valid = rows;
	double		lambda = 0.0;
	NnError		err;

	rows.n = 200;
	valid.n = 200;
	valid.input += 200 * P;
	valid.target += 200 * Q;
	valid.weight += 200;
	ok(nn_ridge_fit(&rows, &valid, &lambda, weight, bias, arena, &err) == NN_OK && lambda <= 0.01,
	   "a clear relation is trusted: lambda %g", lambda);

	/* nothing to be found in 40 rows of noise */
	rows = make_rows(0.0, 4);
	valid = rows;
	for (int i = 0; i < N * Q; i++)
		target[i] = (float) (nn_mix64((uint64_t) i) % 1000);
	rows.n = 12;
	valid.n = N - 12;
	valid.input += 12 * P;
	valid.target += 12 * Q;
	valid.weight += 12;
	lambda = 0.0;
	ok(nn_ridge_fit(&rows, &valid, &lambda, weight, bias, arena, &err) == NN_OK && lambda >= 1.0,
	   "noise is not: lambda %g", lambda);
	rows.n_inputs = NN_MAX_RIDGE_INPUTS + 1;
	ok(nn_ridge_fit(&rows, NULL, &lambda, weight, bias, arena, &err) == NN_ELIMIT && err.hint[0] != '\0', "too many inputs");
}

static void
test_quantiles(void)
{
	float		x[5] = {0};
	float		y[5] = {30, 10, 50, 20, 40};
	float		w = 1.0f;
	float		b = 10.0f;
	float		out[3];
	double		level[3] = {0.1, 0.5, 0.75};
	NnError		err;
	NnRidgeRows rows = {.n = 5, .n_inputs = 1, .n_outputs = 1, .n_shared = 1, .input = x, .target = y};

	ok(nn_ridge_quantiles(&rows, &w, &b, level, 3, out, arena, &err) == NN_OK, "quantiles of five residuals");
	is_near(out[0], 4.0, 1e-5, "0.1: four tenths of the way from the first to the second");
	is_near(out[1], 20.0, 1e-5, "the median");
	is_near(out[2], 30.0, 1e-5, "the upper quartile");
}

static void
test_failures(void)
{
	NnRidgeRows rows = make_rows(0.1, 5);
	bool		is_enomem = true;
	double		lambda = 0.0;
	NnError		err;

	for (long at = 1; at < 6; at++)
	{
		TestHost	failing;
		NnArena    *other;

		test_host_init(&failing);
		failing.fail_at = at;
		failing.is_failing_on = true;
		other = nn_arena_create(&failing.env);
		if (other != NULL)
		{
			NnStatus	status = nn_ridge_fit(&rows, &rows, &lambda, weight, bias, other, &err);

			is_enomem &= status == NN_OK || status == NN_ENOMEM;
			nn_arena_destroy(other);
		}
		is_enomem &= failing.n_live == 0;
	}
	ok(is_enomem, "out of memory anywhere");
}

/* Large enough to poll. */
static void
test_cancel(void)
{
	NnRidgeRows rows = {.n = 600, .n_inputs = 200, .n_outputs = Q, .n_shared = 200};
	float	   *x = NN_ALLOC(arena, float, 600 * 200);
	float	   *y = NN_ALLOC(arena, float, 600 * Q);
	float	   *w = NN_ALLOC(arena, float, Q * 200);
	bool		is_canceled = true;
	double		lambda;
	long		n_polls;
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 6);
	for (int i = 0; i < 600 * 200; i++)
		x[i] = nn_rng_normal(&rng);
	for (int i = 0; i < 600 * Q; i++)
		y[i] = nn_rng_normal(&rng);
	rows.input = x;
	rows.target = y;
	host.n_polls = 0;
	lambda = 0.0;
	ok(nn_ridge_fit(&rows, &rows, &lambda, w, bias, arena, &err) == NN_OK && host.n_polls > 2, "%ld polls", host.n_polls);
	n_polls = host.n_polls;
	for (long at = 1; at <= n_polls; at++)
	{
		host.n_polls = 0;
		host.cancel_at = at;
		lambda = 0.0;
		is_canceled &= nn_ridge_fit(&rows, &rows, &lambda, w, bias, arena, &err) == NN_ECANCELED;
	}
	host.cancel_at = 0;
	ok(is_canceled, "canceled anywhere");
}

int
main(void)
{
	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	test_by_hand();
	test_exact();
	test_normal_equations();
	test_choice();
	test_quantiles();
	test_failures();
	test_cancel();
	nn_arena_destroy(arena);
	is_int(host.n_live, 0, "all memory is given back");
	return done_testing();
}
