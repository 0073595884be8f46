/*
 * model/leave_one_out.c: ridge regression whose penalty the rows choose.
 *
 * With centered inputs z = x - mean and targets:
 *
 *	G = sum z z'	R = sum z y'	(G + mu I) B = R	W = B'	b = mean y - W mean x
 *
 * by Cholesky's G + mu I = L L' in double, and for each row left out
 *
 *	H_ii = 1 / n + |L^-1 z_i|^2
 *
 * mu runs over decades and their halves, measured in the mean of G's diagonal.
 */
#include "model/leave_one_out.h"

#include <math.h>
#include <string.h>

#define MAX_LEFT_OUT	4096	/* rows */
#define N_PENALTIES		15		/* 1e-6 ... 10 of the trace */
#define MAX_NEWTON		30
#define MOST_FACTOR		100.0	/* of labels: rows that are all answered rightly ask for more and more */

typedef struct Fit
{
	const NnFewRows *rows;
	int			D;
	int			C;
	int64_t		stride;			/* every so many-th row is left out */
	int64_t		n_left_out;
	double	   *mean_input;		/* (D) */
	double	   *mean_target;	/* (C) */
	double	   *gram;			/* (D, D), lower */
	double	   *product;		/* (D, C) */
	double	   *factor;			/* (D, D), lower */
	double	   *solution;		/* (D, C) */
	double	   *input;			/* (D): a row, centered */
	double	   *solved;			/* (D): L^-1 of it */
	double	   *target;			/* (C) */
	double	   *fitted;			/* (C) */
	double	   *left_out;		/* (n_left_out, C): answers */
	double		work;			/* since the last poll */
	const NnArena *arena;
} Fit;

static NnStatus
create_fit(Fit *fit, const NnFewRows *rows, NnArena *scratch, NnError *err)
{
	size_t		D = (size_t) rows->n_inputs;
	size_t		C = (size_t) rows->n_outputs;

	memset(fit, 0, sizeof(*fit));
	fit->rows = rows;
	fit->D = rows->n_inputs;
	fit->C = rows->n_outputs;
	fit->stride = (rows->n + MAX_LEFT_OUT - 1) / MAX_LEFT_OUT;
	fit->n_left_out = (rows->n + fit->stride - 1) / fit->stride;
	fit->arena = scratch;
	fit->mean_input = NN_ALLOC(scratch, double, D);
	fit->mean_target = NN_ALLOC(scratch, double, C);
	fit->gram = NN_ALLOC(scratch, double, D * D);
	fit->product = NN_ALLOC(scratch, double, D * C);
	fit->factor = NN_TAKE(scratch, double, D * D);
	fit->solution = NN_TAKE(scratch, double, D * C);
	fit->input = NN_TAKE(scratch, double, D);
	fit->solved = NN_TAKE(scratch, double, D);
	fit->target = NN_TAKE(scratch, double, C);
	fit->fitted = NN_TAKE(scratch, double, C);
	fit->left_out = NN_TAKE(scratch, double, (size_t) fit->n_left_out * C);
	if (fit->mean_input == NULL || fit->mean_target == NULL || fit->gram == NULL || fit->product == NULL ||
		fit->factor == NULL || fit->solution == NULL || fit->input == NULL || fit->solved == NULL ||
		fit->target == NULL || fit->fitted == NULL || fit->left_out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* ---- sums over the rows ------------------------------------------------------------ */

/* Targets of row i, not centered. */
static void
read_target(Fit *fit, int64_t i)
{
	for (int c = 0; c < fit->C; c++)
		fit->target[c] = fit->rows->label != NULL ? (double) (fit->rows->label[i] == c) :
			(double) fit->rows->target[i * fit->C + c];
}

static void
read_input(Fit *fit, int64_t i)
{
	for (int d = 0; d < fit->D; d++)
		fit->input[d] = (double) fit->rows->input[i * fit->D + d] - fit->mean_input[d];
}

static NnStatus
measure_means(Fit *fit, NnError *err)
{
	int64_t		n = fit->rows->n;

	for (int64_t i = 0; i < n; i++)
	{
		NN_TRY(nn_arena_poll_work(fit->arena, &fit->work, fit->D + fit->C, err));
		read_target(fit, i);
		for (int d = 0; d < fit->D; d++)
			fit->mean_input[d] += (double) fit->rows->input[i * fit->D + d] / (double) n;
		for (int c = 0; c < fit->C; c++)
			fit->mean_target[c] += fit->target[c] / (double) n;
	}
	return NN_OK;
}

static NnStatus
add_rows(Fit *fit, NnError *err)
{
	size_t		D = (size_t) fit->D;
	size_t		C = (size_t) fit->C;

	for (int64_t i = 0; i < fit->rows->n; i++)
	{
		NN_TRY(nn_arena_poll_work(fit->arena, &fit->work, (double) D * (double) (D + C), err));
		read_target(fit, i);
		read_input(fit, i);
		for (size_t d = 0; d < D; d++)
		{
			double		z = fit->input[d];

			for (size_t e = 0; e <= d; e++)
				fit->gram[d * D + e] += z * fit->input[e];
			for (size_t c = 0; c < C; c++)
				fit->product[d * C + c] += z * (fit->target[c] - fit->mean_target[c]);
		}
	}
	return NN_OK;
}

/* ---- one penalty --------------------------------------------------------------------- */

/* L of G + mu I; mu is far above the rounding of G. */
static void
factorize(Fit *fit, double mu)
{
	size_t		D = (size_t) fit->D;
	double	   *L = fit->factor;

	for (size_t j = 0; j < D; j++)
		for (size_t k = 0; k <= j; k++)
		{
			double		sum = fit->gram[j * D + k] + (j == k ? mu : 0.0);

			for (size_t m = 0; m < k; m++)
				sum -= L[j * D + m] * L[k * D + m];
			L[j * D + k] = j == k ? sqrt(sum) : sum / L[k * D + k];
		}
}

/* B of L L' B = R. */
static void
solve(Fit *fit)
{
	size_t		D = (size_t) fit->D;
	size_t		C = (size_t) fit->C;
	const double *L = fit->factor;
	double	   *B = fit->solution;

	memcpy(B, fit->product, D * C * sizeof(double));
	for (size_t j = 0; j < D; j++)
		for (size_t c = 0; c < C; c++)
		{
			double		sum = B[j * C + c];

			for (size_t m = 0; m < j; m++)
				sum -= L[j * D + m] * B[m * C + c];
			B[j * C + c] = sum / L[j * D + j];
		}
	for (size_t j = D; j-- > 0;)
		for (size_t c = 0; c < C; c++)
		{
			double		sum = B[j * C + c];

			for (size_t m = j + 1; m < D; m++)
				sum -= L[m * D + j] * B[m * C + c];
			B[j * C + c] = sum / L[j * D + j];
		}
}

/* H_ii of the row in fit->input. */
static double
leverage(Fit *fit)
{
	size_t		D = (size_t) fit->D;
	double		squares = 0.0;

	for (size_t j = 0; j < D; j++)
	{
		double		sum = fit->input[j];

		for (size_t m = 0; m < j; m++)
			sum -= fit->factor[j * D + m] * fit->solved[m];
		fit->solved[j] = sum / fit->factor[j * D + j];
		squares += fit->solved[j] * fit->solved[j];
	}
	return 1.0 / (double) fit->rows->n + squares;
}

/* Answers for the rows left out, and their mean square error. */
static NnStatus
leave_out(Fit *fit, double *error, NnError *err)
{
	size_t		C = (size_t) fit->C;

	*error = 0.0;
	for (int64_t k = 0; k < fit->n_left_out; k++)
	{
		double		rest;

		NN_TRY(nn_arena_poll_work(fit->arena, &fit->work, (double) fit->D * (0.5 * fit->D + fit->C), err));
		read_target(fit, k * fit->stride);
		read_input(fit, k * fit->stride);
		memcpy(fit->fitted, fit->mean_target, C * sizeof(double));
		for (int d = 0; d < fit->D; d++)
			for (size_t c = 0; c < C; c++)
				fit->fitted[c] += fit->input[d] * fit->solution[(size_t) d * C + c];
		rest = fmax(1.0 - leverage(fit), 1e-6);
		for (size_t c = 0; c < C; c++)
		{
			double		miss = (fit->target[c] - fit->fitted[c]) / rest;

			fit->left_out[(size_t) k * C + c] = fit->target[c] - miss;
			*error += miss * miss / (double) fit->n_left_out;
		}
	}
	return NN_OK;
}

/* The penalty with the least error is the one that everything stands at in the end. */
static NnStatus
choose_penalty(Fit *fit, NnError *err)
{
	double		trace = 0.0;
	double		least = HUGE_VAL;
	double		best;
	double		error;

	for (int d = 0; d < fit->D; d++)
		trace += fit->gram[(size_t) d * (size_t) fit->D + (size_t) d];
	if (!(trace > 0.0))
		trace = 1.0;
	best = trace;
	for (int p = 0; p <= N_PENALTIES; p++)
	{
		double		mu = p < N_PENALTIES ? trace * pow(10.0, 0.5 * p - 6.0) : best;

		NN_TRY(nn_arena_poll_work(fit->arena, &fit->work, pow(fit->D, 3.0) / 6.0 + (double) fit->D * fit->D * fit->C, err));
		factorize(fit, mu);
		solve(fit);
		NN_TRY(leave_out(fit, &error, err));
		if (!(error < least))
			continue;
		least = error;
		best = mu;
	}
	return NN_OK;
}

/* ---- logits ------------------------------------------------------------------------------ */

/* Slope and curve of  sum_i log sum_c exp(t f_ic) - t f_i,label. */
static void
likelihood_slope(const Fit *fit, double t, double *slope, double *curve)
{
	size_t		C = (size_t) fit->C;

	*slope = *curve = 0.0;
	for (int64_t k = 0; k < fit->n_left_out; k++)
	{
		const double *f = fit->left_out + (size_t) k * C;
		double		highest = -HUGE_VAL;
		double		sums[3] = {0.0, 0.0, 0.0};

		for (size_t c = 0; c < C; c++)
			highest = fmax(highest, f[c]);
		for (size_t c = 0; c < C; c++)
		{
			double		e = exp(t * (f[c] - highest));

			sums[0] += e;
			sums[1] += e * f[c];
			sums[2] += e * f[c] * f[c];
		}
		*slope += sums[1] / sums[0] - f[fit->rows->label[k * fit->stride]];
		*curve += sums[2] / sums[0] - (sums[1] / sums[0]) * (sums[1] / sums[0]);
	}
}

/* The factor of the likeliest left-out answers: the root of an ascending slope, by Newton within bounds. */
static NnStatus
find_factor(Fit *fit, double *factor, NnError *err)
{
	double		low = 0.0;
	double		high = MOST_FACTOR;
	double		t = 1.0;

	for (int turn = 0; turn < MAX_NEWTON; turn++)
	{
		double		slope;
		double		curve;

		NN_TRY(nn_arena_poll_work(fit->arena, &fit->work, 20.0 * (double) fit->n_left_out * fit->C, err));
		likelihood_slope(fit, t, &slope, &curve);
		if (slope > 0.0)
			high = t;
		else
			low = t;
		t = curve > 0.0 ? t - slope / curve : -1.0;
		if (!(t > low && t < high))
			t = 0.5 * (low + high);
	}
	*factor = t;
	return NN_OK;
}

/* ---- the call ---------------------------------------------------------------------------- */

NnStatus
nn_leave_one_out_fit(const NnFewRows *rows, float *weight, float *bias, NnArena *scratch, NnError *err)
{
	Fit			fit;
	double		factor = 1.0;

	if (rows->n < 2)
		return nn_fail(err, NN_EINTERNAL, "a fit to %lld rows", (long long) rows->n);
	NN_TRY(create_fit(&fit, rows, scratch, err));
	NN_TRY(measure_means(&fit, err));
	NN_TRY(add_rows(&fit, err));
	NN_TRY(choose_penalty(&fit, err));
	if (rows->label != NULL)
		NN_TRY(find_factor(&fit, &factor, err));
	for (int c = 0; c < fit.C; c++)
	{
		double		b = fit.mean_target[c];

		for (int d = 0; d < fit.D; d++)
		{
			double		w = fit.solution[(size_t) d * (size_t) fit.C + (size_t) c];

			weight[(size_t) c * (size_t) fit.D + (size_t) d] = (float) (factor * w);
			b -= w * fit.mean_input[d];
		}
		bias[c] = (float) (factor * b);
	}
	return NN_OK;
}

/* An arena's blocks leave some of their bytes unused. */
size_t
nn_leave_one_out_bytes(int n_inputs, int n_outputs)
{
	double		D = n_inputs;
	double		C = n_outputs;

	return (size_t) (1.25 * 8.0 * (2.0 * D * (D + C) + 3.0 * D + (MAX_LEFT_OUT + 3.0) * C)) + 65536;
}
