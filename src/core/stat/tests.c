/*
 * stat/tests.c: chi-square, the G-test, and the false discovery rate.
 */
#include "stat/tests.h"

#include <math.h>

#include "stat/deviance.h"

#define MAX_TERMS	100000
#define EPSILON		1e-16

/* ---- chi-square ------------------------------------------------------------- */

static double
log_gamma(double x)
{
	int			sign;

	return lgamma_r(x, &sign);
}

/* The incomplete gamma function P(a, x) by its series, x^a e^-x sum of x^n / (a ... (a + n)); for x < a + 1. */
static double
gamma_lower(double a, double x)
{
	double		term = 1.0 / a;
	double		sum = term;

	for (int n = 1; n <= MAX_TERMS && term > EPSILON * sum; n++)
	{
		term *= x / (a + n);
		sum += term;
	}
	return sum * exp(a * log(x) - x - log_gamma(a));
}

/* 1 - P(a, x) by its continued fraction, by Lentz's method (Press et al. 2007, 6.2); for x >= a + 1. */
static double
gamma_upper(double a, double x)
{
	const double tiny = 1e-300;
	double		b = x + 1.0 - a;
	double		c = 1.0 / tiny;
	double		d = 1.0 / b;
	double		f = d;

	for (int n = 1; n <= MAX_TERMS; n++)
	{
		double		factor = -n * (n - a);
		double		change;

		b += 2.0;
		d = factor * d + b;
		c = b + factor / c;
		d = 1.0 / (fabs(d) < tiny ? tiny : d);
		c = fabs(c) < tiny ? tiny : c;
		change = d * c;
		f *= change;
		if (fabs(change - 1.0) < EPSILON)
			break;
	}
	return f * exp(a * log(x) - x - log_gamma(a));
}

double
nn_chi_square_upper(double x, double degrees)
{
	double		a = 0.5 * degrees;

	if (!(x > 0.0))
		return 1.0;
	if (isinf(x))
		return 0.0;
	if (degrees == 1.0)
		return erfc(sqrt(0.5 * x));
	x *= 0.5;
	return x < a + 1.0 ? 1.0 - gamma_lower(a, x) : gamma_upper(a, x);
}

/* ---- G ---------------------------------------------------------------------- */

/* What one common share would let expect: of the first and the second with it, and without. */
static void
expect(const NnTwoSamples *samples, double expected[4])
{
	double		n1 = (double) samples->first_n;
	double		n2 = (double) samples->second_n;
	double		with = (double) samples->first_with + (double) samples->second_with;
	double		without = n1 + n2 - with;

	expected[0] = n1 / (n1 + n2) * with;
	expected[1] = n2 / (n1 + n2) * with;
	expected[2] = n1 / (n1 + n2) * without;
	expected[3] = n2 / (n1 + n2) * without;
}

double
nn_least_expected(const NnTwoSamples *samples)
{
	double		expected[4];
	double		least;

	if (samples->first_n + samples->second_n <= 0)
		return 0.0;
	expect(samples, expected);
	least = expected[0];
	for (int i = 1; i < 4; i++)
		least = fmin(least, expected[i]);
	return least;
}

/* The sums of O and of E are one, so O ln(O / E) may be taken less O - E: nothing cancels then. */
double
nn_g_statistic(const NnTwoSamples *samples)
{
	double		expected[4];

	if (!(nn_least_expected(samples) > 0.0))
		return 0.0;
	expect(samples, expected);
	return 2.0 * (nn_deviance((double) samples->first_with, expected[0]) +
				  nn_deviance((double) samples->second_with, expected[1]) +
				  nn_deviance((double) (samples->first_n - samples->first_with), expected[2]) +
				  nn_deviance((double) (samples->second_n - samples->second_with), expected[3]));
}

double
nn_g_test(const NnTwoSamples *samples, NnAlternative alternative)
{
	double		g = nn_g_statistic(samples);
	double		expected[4];
	bool		is_more;

	if (alternative == NN_DIFFERENT)
		return nn_chi_square_upper(g, 1.0);
	if (g == 0.0)
		return samples->first_n > 0 && samples->second_n > 0 && nn_least_expected(samples) > 0.0 ? 0.5 : 1.0;
	expect(samples, expected);
	is_more = (double) samples->first_with > expected[0];
	if (is_more == (alternative == NN_FIRST_MORE))
		return 0.5 * nn_chi_square_upper(g, 1.0);
	return 1.0 - 0.5 * nn_chi_square_upper(g, 1.0);
}

double
nn_share_test(const NnTwoSamples *samples, NnAlternative alternative)
{
	if (nn_least_expected(samples) < 5.0)
		return nn_fisher_test(samples, alternative);
	return nn_g_test(samples, alternative);
}

/* ---- false discoveries -------------------------------------------------------- */

static bool
is_before(const double *p, int32_t a, int32_t b)
{
	return p[a] < p[b] || (p[a] == p[b] && a < b);
}

static void
sift_down(const double *p, int32_t *order, int32_t from, int32_t n)
{
	for (int64_t child; (child = 2 * (int64_t) from + 1) < n; from = (int32_t) child)
	{
		int32_t		moved = order[from];

		if (child + 1 < n && is_before(p, order[child], order[child + 1]))
			child++;
		if (!is_before(p, moved, order[child]))
			return;
		order[from] = order[child];
		order[child] = moved;
	}
}

/* Heapsort: it needs no memory, and ties do not depend on a library. */
static void
sort_by_p(const double *p, int32_t *order, int32_t n)
{
	for (int32_t i = n / 2; i-- > 0;)
		sift_down(p, order, i, n);
	for (int32_t last = n - 1; last > 0; last--)
	{
		int32_t		largest = order[0];

		order[0] = order[last];
		order[last] = largest;
		sift_down(p, order, 0, last);
	}
}

/* p of rank r becomes the least of p_s * n_tests / s over all s >= r. */
void
nn_benjamini_hochberg(double *p, int32_t n, int64_t n_tests, int32_t *order)
{
	double		least = 1.0;

	for (int32_t i = 0; i < n; i++)
	{
		order[i] = i;
		if (!(p[i] <= 1.0))
			p[i] = 1.0;
	}
	sort_by_p(p, order, n);
	for (int32_t rank = n; rank > 0; rank--)
	{
		double	   *at = &p[order[rank - 1]];

		least = fmin(least, *at * (double) n_tests / rank);
		*at = least;
	}
}
