/*
 * train/compare.h: two models on the same rows.
 *
 * Which of two models is better on rows that both answered is a question about
 * pairs: most rows are answered alike, and what the models share says nothing.
 * Labels are right or wrong, so McNemar's test counts the rows that only one of
 * them has right (McNemar 1947), exactly and not by chi-square, for there may be
 * few.  All other figures are compared by drawing the rows anew with their answers
 * (Efron 1979; of translations: Koehn 2004).
 *
 * Everything is one-sided: is the challenger worse than the champion?
 */
#ifndef NN_COMPARE_H
#define NN_COMPARE_H

#include "base/env.h"
#include "base/status.h"

/*
 * P(X >= k) of a binomial X with n trials of probability p, added up term by term.
 * 1 if k <= 0, 0 if k > n.
 */
double		nn_binomial_upper(int64_t n, int64_t k, double p);

/* P(X <= k). */
double		nn_binomial_lower(int64_t n, int64_t k, double p);

/* Rows that only one of the two has right. */
typedef struct NnDiscordant
{
	int64_t		n_champion;
	int64_t		n_challenger;
} NnDiscordant;

/*
 * McNemar's exact test.  If both models were equally good, a row that only one
 * has right would be either's with probability 1/2: the p-value is that of
 * n_champion or more heads in as many tosses as there are such rows.
 */
double		nn_mcnemar_worse(const NnDiscordant *rows);

/* The same two-sided, as tables of other programs show it: twice the smaller tail, at most 1. */
double		nn_mcnemar_two_sided(const NnDiscordant *rows);

/*
 * Rows with what each model's answer adds to the sums that a figure is made of:
 * errors and how many there could have been, or the counts of BLEU.
 */
#define NN_MAX_PAIR_SUMS	12

typedef struct NnPairs
{
	int64_t		n;
	int			n_sums;			/* at most NN_MAX_PAIR_SUMS */
	const double *champion;		/* (n, n_sums) */
	const double *challenger;	/* (n, n_sums) */
	double		(*figure) (const double *sums); /* higher is better */
} NnPairs;

typedef struct NnComparison
{
	double		champion;		/* the figure over all rows */
	double		challenger;
	double		low;			/* challenger - champion: 95 of 100 redrawn sets lie in between */
	double		high;
	double		p_worse;		/* share of redrawn sets in which the challenger is not worse */
} NnComparison;

/*
 * n_draws sets of n rows, drawn with replacement; the same seed draws the same rows.
 * p_worse = (1 + number of sets where challenger >= champion) / (1 + n_draws), so
 * that it is never 0 and ties speak for the challenger.  n = 0: all NAN, p_worse 1.
 */
NnStatus	nn_bootstrap_pairs(const NnPairs *pairs, int n_draws, uint64_t seed, const NnEnv *env,
							   NnComparison *comparison, NnError *err);

/* ---- figures --------------------------------------------------------------- */

/* sums (errors, of how many): -errors / of how many. */
double		nn_figure_less_error(const double *sums);

/* sums (errors, of how many): 1 - errors / of how many; 1 - (missed + wrong) / (true + found) is F1. */
double		nn_figure_share_right(const double *sums);

/* sums as NnBleu's ten counts. */
double		nn_figure_bleu(const double *sums);

#endif							/* NN_COMPARE_H */
