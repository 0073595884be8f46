/*
 * stat/fisher.c: Fisher's exact test.
 *
 * The first sample's rows with the property, given the margins, are hypergeometric.  Differences of
 * logarithms of factorials lose with large counts what the factorials have in digits before the
 * point; Loader (2000) writes a binomial probability as a product in which nothing large cancels,
 *   b(x; n, p) = sqrt(n / (2 pi x (n - x))) exp(d(n) - d(x) - d(n - x) - D(x, np) - D(n - x, nq))
 * with d the error of Stirling's formula and D the deviance (stat/deviance.h), and a
 * hypergeometric one is made of three of those, with any p.  The other terms of a tail follow by their
 * ratios.
 */
#include "stat/tests.h"

#include <math.h>

#include "stat/deviance.h"

/* Tables as probable as this one but for rounding count as such. */
#define ALIKE		(1.0 + 1e-7)

/* A tail ends where what follows cannot change its sum. */
#define NEGLIGIBLE	1e-18

#define PI			3.14159265358979323846

typedef struct Hypergeometric
{
	double		with;			/* rows with the property */
	double		without;
	double		drawn;			/* rows of the first sample */
	double		low;			/* fewest and most of those that can have it */
	double		high;
	double		mode;			/* the most probable number */
} Hypergeometric;

/* ln n! - ln(sqrt(2 pi n) (n / e)^n), n >= 1 */
static double
stirling_error(double n)
{
	double		square = n * n;
	int			sign;

	if (n < 16.0)
		return lgamma_r(n + 1.0, &sign) - (n + 0.5) * log(n) + n - 0.5 * log(2.0 * PI);
	return (1.0 / 12.0 - (1.0 / 360.0 - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / 1188.0 / square) / square) / square) / square) / n;
}

/* ln b(x; n, p), 0 < p < 1, q = 1 - p */
static double
log_binomial(double x, double n, double p, double q)
{
	if (x <= 0.0)
		return n * log1p(-p);
	if (x >= n)
		return n * log1p(-q);
	return stirling_error(n) - stirling_error(x) - stirling_error(n - x) -
		nn_deviance(x, n * p) - nn_deviance(n - x, n * q) + 0.5 * log(n / (2.0 * PI * x * (n - x)));
}

static double
probability(const Hypergeometric *h, double x)
{
	double		all = h->with + h->without;
	double		p = h->drawn / all;
	double		q = (all - h->drawn) / all;

	return exp(log_binomial(x, h->with, p, q) + log_binomial(h->drawn - x, h->without, p, q) -
			   log_binomial(h->drawn, all, p, q));
}

/* P(X >= x) for an x above the mode, or P(X <= x) for one below: the terms fall. */
static double
falling_tail(const Hypergeometric *h, double x, bool is_upward)
{
	double		term = probability(h, x);
	double		sum = term;

	while (term > NEGLIGIBLE * sum && (is_upward ? x < h->high : x > h->low))
	{
		if (is_upward)
			term *= (h->with - x) / (x + 1.0) * ((h->drawn - x) / (h->without - h->drawn + x + 1.0));
		else
			term *= x / (h->with - x + 1.0) * ((h->without - h->drawn + x) / (h->drawn - x + 1.0));
		x += is_upward ? 1.0 : -1.0;
		sum += term;
	}
	return fmin(sum, 1.0);
}

/* P(X >= x) */
static double
upper_tail(const Hypergeometric *h, double x)
{
	if (x <= h->low)
		return 1.0;
	if (x > h->high)
		return 0.0;
	return x > h->mode ? falling_tail(h, x, true) : fmax(1.0 - falling_tail(h, x - 1.0, false), 0.0);
}

/* P(X <= x) */
static double
lower_tail(const Hypergeometric *h, double x)
{
	if (x >= h->high)
		return 1.0;
	if (x < h->low)
		return 0.0;
	return x < h->mode ? falling_tail(h, x, false) : fmax(1.0 - falling_tail(h, x + 1.0, true), 0.0);
}

/* The number on the other side of the mode from which on tables are no more probable than limit; one beyond the end if none is. */
static double
opposite(const Hypergeometric *h, double limit, bool is_above)
{
	double		in = h->mode;	/* more probable */
	double		out = is_above ? h->high + 1.0 : h->low - 1.0;

	while (fabs(out - in) > 1.0)
	{
		double		middle = floor(0.5 * (in + out));

		if (probability(h, middle) > limit)
			in = middle;
		else
			out = middle;
	}
	return out;
}

static double
both_tails(const Hypergeometric *h, double x)
{
	double		limit = probability(h, x) * ALIKE;

	if (probability(h, h->mode) <= limit)
		return 1.0;
	if (x > h->mode)
		return fmin(upper_tail(h, x) + lower_tail(h, opposite(h, limit, false)), 1.0);
	return fmin(lower_tail(h, x) + upper_tail(h, opposite(h, limit, true)), 1.0);
}

double
nn_fisher_test(const NnTwoSamples *samples, NnAlternative alternative)
{
	double		x = (double) samples->first_with;
	Hypergeometric h;

	h.with = x + (double) samples->second_with;
	h.drawn = (double) samples->first_n;
	h.without = h.drawn + (double) samples->second_n - h.with;
	h.low = fmax(0.0, h.drawn - h.without);
	h.high = fmin(h.with, h.drawn);
	/* an empty margin: there is but one table */
	if (h.low >= h.high)
		return 1.0;
	h.mode = floor((h.drawn + 1.0) * ((h.with + 1.0) / (h.with + h.without + 2.0)));
	h.mode = fmax(h.low, fmin(h.mode, h.high));
	switch (alternative)
	{
		case NN_FIRST_MORE:
			return upper_tail(&h, x);
		case NN_FIRST_LESS:
			return lower_tail(&h, x);
		case NN_DIFFERENT:
			break;
	}
	return both_tails(&h, x);
}
