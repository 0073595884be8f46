/*
 * train/compare.c: two models on the same rows.
 */
#include "train/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/arena.h"
#include "train/metrics_sequence.h"

/* ---- binomial tails ---------------------------------------------------------- */

/* log of n! / (k! (n - k)!) p^k (1 - p)^(n - k), 0 < p < 1 */
static double
log_term(int64_t n, int64_t k, double p)
{
	return lgamma((double) n + 1.0) - lgamma((double) k + 1.0) - lgamma((double) (n - k) + 1.0) +
		(double) k * log(p) + (double) (n - k) * log1p(-p);
}

/*
 * The terms from k = first on towards last fall off from the largest, so they are added
 * from the far end, the small ones first.
 */
static double
sum_terms(int64_t n, int64_t first, int64_t last, double p)
{
	double		sum = 0.0;
	int64_t		step = first <= last ? -1 : 1;

	for (int64_t k = last; k != first + step; k += step)
		sum += exp(log_term(n, k, p));
	return sum < 1.0 ? sum : 1.0;
}

double
nn_binomial_upper(int64_t n, int64_t k, double p)
{
	if (k <= 0)
		return 1.0;
	if (k > n || p <= 0.0)
		return 0.0;
	if (p >= 1.0)
		return 1.0;
	/* the tail that is shorter by weight; the other one is its complement */
	if ((double) k > (double) n * p)
		return sum_terms(n, k, n, p);
	return 1.0 - sum_terms(n, k - 1, 0, p);
}

double
nn_binomial_lower(int64_t n, int64_t k, double p)
{
	return nn_binomial_upper(n, n - k, 1.0 - p);
}

/* ---- McNemar ------------------------------------------------------------------ */

double
nn_mcnemar_worse(const NnDiscordant *rows)
{
	return nn_binomial_upper(rows->n_champion + rows->n_challenger, rows->n_champion, 0.5);
}

double
nn_mcnemar_two_sided(const NnDiscordant *rows)
{
	int64_t		n = rows->n_champion + rows->n_challenger;
	int64_t		larger = rows->n_champion > rows->n_challenger ? rows->n_champion : rows->n_challenger;
	double		p = 2.0 * nn_binomial_upper(n, larger, 0.5);

	return p < 1.0 ? p : 1.0;
}

/* ---- bootstrap ------------------------------------------------------------------ */

static void
add_row(double *sums, const double *row, int n_sums)
{
	for (int s = 0; s < n_sums; s++)
		sums[s] += row[s];
}

static void
figures_of_all(const NnPairs *pairs, NnComparison *comparison)
{
	double		champion[NN_MAX_PAIR_SUMS] = {0};
	double		challenger[NN_MAX_PAIR_SUMS] = {0};

	for (int64_t i = 0; i < pairs->n; i++)
	{
		add_row(champion, pairs->champion + i * pairs->n_sums, pairs->n_sums);
		add_row(challenger, pairs->challenger + i * pairs->n_sums, pairs->n_sums);
	}
	comparison->champion = pairs->figure(champion);
	comparison->challenger = pairs->figure(challenger);
}

/* challenger - champion of n rows drawn with replacement */
static double
draw_difference(const NnPairs *pairs, NnRng *rng)
{
	double		champion[NN_MAX_PAIR_SUMS] = {0};
	double		challenger[NN_MAX_PAIR_SUMS] = {0};

	for (int64_t i = 0; i < pairs->n; i++)
	{
		int64_t		row = (int64_t) nn_rng_below(rng, (uint64_t) pairs->n);

		add_row(champion, pairs->champion + row * pairs->n_sums, pairs->n_sums);
		add_row(challenger, pairs->challenger + row * pairs->n_sums, pairs->n_sums);
	}
	return pairs->figure(challenger) - pairs->figure(champion);
}

static int
by_size(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static NnStatus
draw_all(const NnPairs *pairs, int n_draws, uint64_t seed, const NnEnv *env, double *difference,
		 NnComparison *comparison, NnError *err)
{
	NnRng		rng;
	int			n_not_worse = 0;

	nn_rng_seed(&rng, seed);
	for (int d = 0; d < n_draws; d++)
	{
		if (env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		difference[d] = draw_difference(pairs, &rng);
		/* a set in which a figure is undefined does not show that it is worse */
		n_not_worse += !(difference[d] < 0.0);
	}
	qsort(difference, (size_t) n_draws, sizeof(double), by_size);
	comparison->low = difference[(int) (0.025 * (n_draws - 1))];
	comparison->high = difference[(int) (0.975 * (n_draws - 1) + 0.5)];
	comparison->p_worse = (1.0 + n_not_worse) / (1.0 + n_draws);
	return NN_OK;
}

NnStatus
nn_bootstrap_pairs(const NnPairs *pairs, int n_draws, uint64_t seed, const NnEnv *env,
				   NnComparison *comparison, NnError *err)
{
	double	   *difference;
	NnStatus	status;

	*comparison = (NnComparison) {NAN, NAN, NAN, NAN, 1.0};
	if (pairs->n_sums < 1 || pairs->n_sums > NN_MAX_PAIR_SUMS || n_draws < 1)
		return nn_fail(err, NN_EINTERNAL, "rows cannot be drawn so");
	if (pairs->n == 0)
		return NN_OK;
	difference = env->alloc(env->ctx, (size_t) n_draws * sizeof(double));
	if (difference == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	figures_of_all(pairs, comparison);
	status = draw_all(pairs, n_draws, seed, env, difference, comparison, err);
	env->release(env->ctx, difference);
	return status;
}

/* ---- figures ----------------------------------------------------------------------- */

double
nn_figure_less_error(const double *sums)
{
	return sums[1] > 0.0 ? -sums[0] / sums[1] : 0.0;
}

double
nn_figure_share_right(const double *sums)
{
	return sums[1] > 0.0 ? 1.0 - sums[0] / sums[1] : 0.0;
}

double
nn_figure_bleu(const double *sums)
{
	NnBleu		bleu;

	for (int n = 0; n < 4; n++)
	{
		bleu.n_right[n] = (int64_t) sums[n];
		bleu.n_total[n] = (int64_t) sums[4 + n];
	}
	bleu.n_candidate = (int64_t) sums[8];
	bleu.n_reference = (int64_t) sums[9];
	return nn_bleu_score(&bleu);
}
