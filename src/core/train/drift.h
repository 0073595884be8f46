/*
 * train/drift.h: have texts changed since training?
 *
 * The population stability index compares two distributions over the same bins,
 *
 *	PSI = sum_i (p_i - q_i) ln(p_i / q_i),
 *
 * the symmetric Kullback-Leibler divergence (Jeffreys 1946).  By custom below 0.1
 * nothing has happened, above 0.25 much.  But two samples of one distribution
 * have a PSI above 0 too, about (1 / n + 1 / m) times a chi-square of B - 1 degrees
 * for B bins (Yurdakul 2018): with many labels and few rows that alone passes 0.25.
 * So the bound of chance stands beside it.
 */
#ifndef NN_DRIFT_H
#define NN_DRIFT_H

#include <stdint.h>

/* Bins that either set of counts has rows in; the others are none. */
int			nn_psi_used(int n_bins, const int64_t *before, const int64_t *now);

/*
 * PSI of two sets of counts.  Half a row is added to each bin in use, so that one that is
 * empty on one side has a logarithm.  0 if either set has no row.
 */
double		nn_psi(int n_bins, const int64_t *before, const int64_t *now);

/*
 * The PSI that 19 of 20 samples of one and the same distribution stay under, of
 * n_before and n_now rows.  The chi-square's quantile is that of Wilson and Hilferty
 * (1931), within 1 % from 3 degrees on.  INFINITY if either is 0, 0 for one bin.
 */
double		nn_psi_chance(int n_bins, int64_t n_before, int64_t n_now);

/*
 * Lengths in bins that double: bin 0 has length 0, bin b lengths 2^(b-1) ... 2^b - 1,
 * the last everything above.
 */
#define NN_LENGTH_BINS	14

int			nn_length_bin(int64_t length);

/* What later inputs are compared with: of rows that were not learned from, where there are such. */
typedef struct NnBaseline
{
	int64_t		n;				/* inputs */
	int64_t		n_tokens;
	int64_t		n_words;
	int64_t		n_unknown;		/* words that the vocabulary lacks; -1: the input has no words */
	int64_t		length[NN_LENGTH_BINS];
} NnBaseline;

#endif							/* NN_DRIFT_H */
