/*
 * train/threshold.c: from which probability on an answer is to be trusted.
 *
 * The share that was right among n held-out answers is a draw: of answers that are right 90
 * times of 100, 20 are all right in every eighth case.  A bound is what can be
 * promised.  It is the exact one of Clopper and Pearson and not Wilson's, although that is
 * narrower: near 1, where precision is wanted, Wilson's covers less than it says (Brown,
 * Cai and DasGupta 2001), and a promise should fail no oftener than it says.
 *
 * The cut is chosen by looking at many, and the luckiest of many bounds is no bound.  So cuts
 * are looked at in an order that is fixed before any answer is judged, from few answers to
 * more, and the first that fails ends the walk: then all that passed hold together (fixed sequence
 * testing; Angelopoulos et al. 2021, "Learn then Test").  A walk that begins with too few
 * answers fails at once, one that begins with many misses what is above; so J walks begin
 * at n, n / 2, n / 4... answers, each with its part, 1 / J, of the risk (Bonferroni), in steps of
 * an eighth of an octave.  Which answers are the first m depends on their probabilities alone, not
 * on what was right.  That answers differ in how likely they are right makes the bound only safer
 * (Hoeffding 1956).
 */
#include "train/threshold.h"

#include <math.h>
#include <stdlib.h>

/* ---- the bound ------------------------------------------------------------------ */

#define MAX_TERMS	10000

static double
log_gamma(double x)
{
	int			sign;

	return lgamma_r(x, &sign);
}

/* The continued fraction of the incomplete beta function, by Lentz's method (Press et al. 2007, 6.4). */
static double
beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double		c = 1.0;
	double		d = 1.0 - (a + b) * x / (a + 1.0);
	double		f;

	d = 1.0 / (fabs(d) < tiny ? tiny : d);
	f = d;
	for (int m = 1; m <= MAX_TERMS; m++)
	{
		double		before = f;

		for (int half = 0; half < 2; half++)
		{
			double		k = half == 0 ?
			m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)) :
			-(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));

			d = 1.0 + k * d;
			c = 1.0 + k / c;
			d = 1.0 / (fabs(d) < tiny ? tiny : d);
			c = fabs(c) < tiny ? tiny : c;
			f *= d * c;
		}
		if (fabs(f - before) < 1e-15 * fabs(f))
			break;
	}
	return f;
}

/* I_x(a, b), the regularized incomplete beta function. */
static double
incomplete_beta(double a, double b, double x)
{
	double		front;

	if (x <= 0.0)
		return 0.0;
	if (x >= 1.0)
		return 1.0;
	front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log1p(-x));
	if (x < (a + 1.0) / (a + b + 2.0))
		return front * beta_fraction(a, b, x) / a;
	return 1.0 - front * beta_fraction(b, a, 1.0 - x) / b;
}

/*
 * P(X >= k) for X binomial(n, p) is I_p(k, n - k + 1), which grows with p: the bound is where it
 * is 1 - confidence.
 */
double
nn_lower_bound(int64_t n_right, int64_t n, double confidence)
{
	double		low = 0.0;
	double		high = 1.0;

	if (n_right <= 0 || n <= 0)
		return 0.0;
	for (int i = 0; i < 60; i++)
	{
		double		middle = 0.5 * (low + high);

		if (incomplete_beta((double) n_right, (double) (n - n_right) + 1.0, middle) > 1.0 - confidence)
			high = middle;
		else
			low = middle;
	}
	return low;
}

/* ---- the cut ---------------------------------------------------------------------- */

/* The surest first; a NaN is the least sure. */
static int
compare_judged(const void *a, const void *b)
{
	float		x = ((const NnJudged *) a)->probability;
	float		y = ((const NnJudged *) b)->probability;

	return (x < y || isnan(x)) - (y < x || isnan(y));
}

/* From the first m answers to the last that is as sure as the m-th. */
static int64_t
with_equals(const NnJudged *judged, int64_t n, int64_t m)
{
	while (m < n && judged[m].probability >= judged[m - 1].probability)
		m++;
	return m;
}

typedef struct Walk
{
	const NnJudged *judged;
	int64_t		n;
	double		min_precision;
	double		confidence;		/* of one walk */
	NnCut	   *cut;
} Walk;

/* The first m answers, of which n_right are right: kept if they are the best seen.  Do they pass? */
static bool
try_cut(const Walk *walk, int64_t m, int64_t n_right)
{
	NnCut	   *cut = walk->cut;
	double		bound = nn_lower_bound(n_right, m, walk->confidence);
	bool		is_found = bound >= walk->min_precision;

	if (is_found ? (!cut->is_found || m > cut->n_answered) : (!cut->is_found && bound > cut->bound))
	{
		cut->probability = (double) walk->judged[m - 1].probability;
		cut->n_answered = m;
		cut->n_right = n_right;
		cut->bound = bound;
		cut->is_found = is_found;
	}
	return is_found;
}

/* From the first answers on to all; n_right is counted along. */
static void
walk_from(const Walk *walk, int64_t start)
{
	int64_t		n_right = 0;
	int64_t		at = 0;

	for (double wanted = (double) start; at < walk->n; wanted *= 1.0905077326652577)	/* 2^(1/8) */
	{
		int64_t		m = wanted < (double) walk->n ? (int64_t) wanted : walk->n;

		if (m <= at)
			continue;
		m = with_equals(walk->judged, walk->n, m);
		for (; at < m; at++)
			n_right += walk->judged[at].is_right;
		if (!try_cut(walk, m, n_right))
			return;
	}
}

void
nn_choose_cut(NnJudged *judged, int64_t n, double min_precision, double confidence, NnCut *cut)
{
	Walk		walk = {judged, n, min_precision, 0.0, cut};
	double		n_least = ceil(log(1.0 - confidence) / log(min_precision));
	int			n_walks = 1;

	*cut = (NnCut) {.n_judged = n, .probability = 1.0};
	while (n_walks < 40 && (double) (n >> n_walks) >= n_least)
		n_walks++;
	walk.confidence = 1.0 - (1.0 - confidence) / n_walks;
	cut->n_needed = (int64_t) fmin(ceil(log(1.0 - walk.confidence) / log(min_precision)), 1e15);
	qsort(judged, (size_t) n, sizeof(*judged), compare_judged);
	for (int k = 0; k < n_walks && n > 0; k++)
		walk_from(&walk, n >> k);
}

/* ---- rows unlike the training ------------------------------------------------------- */

static int
compare_floats(const void *a, const void *b)
{
	float		x = *(const float *) a;
	float		y = *(const float *) b;

	return (x > y) - (x < y);
}

/*
 * A further row's energy is as likely to have any of the n + 1 ranks: it is at most the
 * m-th of the n with probability m / (n + 1).
 */
bool
nn_choose_energy(float *energies, int64_t n, double keep, double *energy)
{
	double		m = ceil(keep * ((double) n + 1.0));

	if (n < 1 || m > (double) n)
		return false;
	qsort(energies, (size_t) n, sizeof(*energies), compare_floats);
	*energy = (double) energies[m < 1.0 ? 0 : (int64_t) m - 1];
	return true;
}
