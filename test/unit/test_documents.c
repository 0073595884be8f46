/*
 * test_documents.c: what texts are about (model/documents.h), and linear fits to few
 * rows (model/leave_one_out.h), against what their definitions say.
 */
#include "model/documents.h"
#include "model/leave_one_out.h"

#include <math.h>
#include <string.h>

#include "tap.h"
#include "test_host.h"

static TestHost host;
static NnArena *arena;
static NnError err;

/* ---- vectors of terms ------------------------------------------------------------------- */

#define TEXTS	9
#define TERMS	6

static const int64_t start[TEXTS + 1] = {0, 3, 5, 8, 10, 13, 15, 15, 17, 18};
static const int32_t term[] = {0, 1, 2, 0, 1, 3, 4, 0, 3, 4, 2, 3, 4, 1, 2, 5, 0, 5};

/* As wide as there are terms, x_v . x_w is idf_v (A'A A'A)_vw idf_w, up to the scale of all. */
static void
test_definition(void)
{
	NnTermRows	rows = {TEXTS, TERMS, start, term};
	double		idf[TERMS] = {0};
	double		gram[TERMS][TERMS] = {{0}};
	double		x[TERMS][TERMS];
	float		out[TERMS * TERMS];
	float		again[TERMS * TERMS];
	double		expected[2] = {0, 0};
	double		worst = 0.0;
	double		squares = 0.0;
	NnRng		rng;

	for (int j = 0; j < start[TEXTS]; j++)
		idf[term[j]] += 1.0;
	for (int w = 0; w < TERMS; w++)
		idf[w] = log(TEXTS / idf[w]);
	for (int i = 0; i < TEXTS; i++)
	{
		double		norm = 0.0;

		for (int64_t j = start[i]; j < start[i + 1]; j++)
			norm += idf[term[j]] * idf[term[j]];
		for (int64_t j = start[i]; j < start[i + 1]; j++)
			for (int64_t k = start[i]; k < start[i + 1]; k++)
				gram[term[j]][term[k]] += idf[term[j]] * idf[term[k]] / norm;
	}
	nn_rng_seed(&rng, 7);
	ok(nn_document_vectors(&rows, TERMS, &rng, arena, out, &err) == NN_OK, "vectors of %d terms", TERMS);
	for (int v = 0; v < TERMS; v++)
		for (int w = 0; w < TERMS; w++)
		{
			x[v][w] = 0.0;
			for (int k = 0; k < TERMS; k++)
			{
				x[v][w] += idf[v] * gram[v][k] * gram[k][w] * idf[w];
				squares += v == w ? (double) out[v * TERMS + k] * (double) out[v * TERMS + k] : 0.0;
			}
			expected[0] += v == w ? x[v][w] : 0.0;
		}
	expected[1] = squares / expected[0];
	for (int v = 0; v < TERMS; v++)
		for (int w = 0; w < TERMS; w++)
		{
			double		got = 0.0;

			for (int k = 0; k < TERMS; k++)
				got += (double) out[v * TERMS + k] * (double) out[w * TERMS + k];
			worst = fmax(worst, fabs(got - expected[1] * x[v][w]));
		}
	ok(worst < 1e-4 * squares, "their products are those of the definition (%.1e of %.1f)", worst, squares);
	is_near(squares / (TERMS * TERMS), 1.0, 1e-4, "their mean square is 1");
	nn_rng_seed(&rng, 7);
	ok(nn_document_vectors(&rows, TERMS, &rng, arena, again, &err) == NN_OK && memcmp(out, again, sizeof(out)) == 0,
	   "the same seed, the same bytes");
}

static void
test_poor(void)
{
	static const int64_t same_start[] = {0, 2, 4, 6};
	static const int32_t same_term[] = {0, 1, 0, 1, 0, 1};
	NnTermRows	rows = {3, 4, same_start, same_term};
	float		out[4 * 3];
	bool		is_zero = true;
	NnRng		rng;

	nn_rng_seed(&rng, 1);
	ok(nn_document_vectors(&rows, 3, &rng, arena, out, &err) == NN_OK, "words that all texts have");
	for (int i = 0; i < 12; i++)
		is_zero = is_zero && out[i] == 0.0f;
	ok(is_zero, "say nothing");
	rows = (NnTermRows)
	{
		TEXTS, TERMS + 20, start, term
	};
	{
		float		wide[(TERMS + 20) * 20];
		bool		is_finite = true;

		ok(nn_document_vectors(&rows, 20, &rng, arena, wide, &err) == NN_OK, "more numbers than there are words");
		for (int i = 0; i < (TERMS + 20) * 20; i++)
			is_finite = is_finite && isfinite(wide[i]);
		ok(is_finite, "are finite");
	}
}

/* ---- fits to few rows -------------------------------------------------------------------- */

#define N	24
#define D	5

/* Ridge of all rows but one, by Gauss-Jordan on (D + 1) unknowns, the last one free of penalty. */
static void
solve_naively(const float *x, const double *y, int without, double mu, double w[D + 1])
{
	double		a[D + 1][D + 2] = {{0}};

	for (int i = 0; i < N; i++)
		for (int j = 0; j <= D && i != without; j++)
		{
			double		xj = j < D ? (double) x[i * D + j] : 1.0;

			for (int k = 0; k <= D; k++)
				a[j][k] += xj * (k < D ? (double) x[i * D + k] : 1.0);
			a[j][D + 1] += xj * y[i];
		}
	for (int j = 0; j < D; j++)
		a[j][j] += mu;
	for (int j = 0; j <= D; j++)
		for (int r = 0; r <= D; r++)
		{
			double		f = a[r][j] / a[j][j];

			for (int k = j; k <= D + 1 && r != j; k++)
				a[r][k] -= f * a[j][k];
		}
	for (int j = 0; j <= D; j++)
		w[j] = a[j][D + 1] / a[j][j];
}

static double
answer(const float *x, const double w[D + 1])
{
	double		y = w[D];

	for (int j = 0; j < D; j++)
		y += w[j] * (double) x[j];
	return y;
}

/* The penalty's ladder is the file's own: 10^-6, 10^-5.5 ... 10 of the trace. */
static double
best_penalty(const float *x, const double *y)
{
	double		mean[D] = {0};
	double		trace = 0.0;
	double		least = HUGE_VAL;
	double		best = 0.0;

	for (int i = 0; i < N * D; i++)
		mean[i % D] += (double) x[i] / N;
	for (int i = 0; i < N * D; i++)
		trace += ((double) x[i] - mean[i % D]) * ((double) x[i] - mean[i % D]);
	for (int p = 0; p < 15; p++)
	{
		double		mu = trace * pow(10.0, 0.5 * p - 6.0);
		double		error = 0.0;

		for (int i = 0; i < N; i++)
		{
			double		w[D + 1];

			solve_naively(x, y, i, mu, w);
			error += pow(y[i] - answer(x + i * D, w), 2.0);
		}
		if (error < least)
		{
			least = error;
			best = mu;
		}
	}
	return best;
}

static void
draw_rows(float *x, float *target, int32_t *label, double *y)
{
	NnRng		rng;

	nn_rng_seed(&rng, 3);
	for (int i = 0; i < N; i++)
	{
		for (int j = 0; j < D; j++)
			x[i * D + j] = nn_rng_normal(&rng) + (j == 0 ? 2.0f : 0.0f);
		y[i] = 1.5 + (double) x[i * D] - 0.5 * (double) x[i * D + 1] + (double) nn_rng_normal(&rng);
		target[i] = (float) y[i];
		label[i] = y[i] > 3.5;
	}
}

static void
test_fit(void)
{
	float		x[N * D];
	float		target[N];
	int32_t		label[N];
	double		y[N];
	double		w[D + 1];
	float		weight[2 * D];
	float		bias[2];
	NnFewRows	rows = {N, D, 1, x, NULL, target};
	double		worst = 0.0;
	double		ratio[2];

	draw_rows(x, target, label, y);
	ok(nn_leave_one_out_fit(&rows, weight, bias, arena, &err) == NN_OK, "a fit to %d numbers", N);
	for (int i = 0; i < N; i++)
		y[i] = (double) target[i];
	solve_naively(x, y, -1, best_penalty(x, y), w);
	for (int j = 0; j < D; j++)
		worst = fmax(worst, fabs((double) weight[j] - w[j]));
	ok(worst < 1e-5 && fabs((double) bias[0] - w[D]) < 1e-5, "has the penalty that is best for rows left out");

	rows = (NnFewRows)
	{
		N, D, 2, x, label, NULL
	};
	ok(nn_leave_one_out_fit(&rows, weight, bias, arena, &err) == NN_OK, "a fit to two labels");
	for (int i = 0; i < N; i++)
		y[i] = label[i];
	solve_naively(x, y, -1, best_penalty(x, y), w);
	ratio[0] = (double) weight[D] / w[0];
	ratio[1] = (double) weight[D + 1] / w[1];
	ok(ratio[0] > 0.5 && fabs(ratio[0] - ratio[1]) < 1e-4 * ratio[0], "is a multiple (%.2f) of that to 0 and 1", ratio[0]);
	ok(fabs((double) (weight[0] + weight[D])) < 1e-5, "of two labels each is what the other is not");
}

static void
test_degenerate(void)
{
	float		x[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	int32_t		label[4] = {0, 1, 0, 1};
	float		weight[4];
	float		bias[2];
	NnFewRows	rows = {4, 2, 2, x, label, NULL};

	ok(nn_leave_one_out_fit(&rows, weight, bias, arena, &err) == NN_OK && weight[0] == 0.0f &&
	   isfinite(bias[0]), "inputs that are all the same say nothing");
	x[0] = x[1] = 100.0f;
	x[4] = x[5] = 100.0f;
	ok(nn_leave_one_out_fit(&rows, weight, bias, arena, &err) == NN_OK && isfinite(weight[0]) && weight[0] > 0.0f,
	   "rows that are all answered rightly ask for no endless logits");
}

int
main(void)
{
	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	test_definition();
	test_poor();
	test_fit();
	test_degenerate();
	nn_arena_destroy(arena);
	return done_testing();
}
