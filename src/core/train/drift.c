/*
 * train/drift.c: have texts changed since training?
 */
#include "train/drift.h"

#include <math.h>

int
nn_psi_used(int n_bins, const int64_t *before, const int64_t *now)
{
	int			n_used = 0;

	for (int b = 0; b < n_bins; b++)
		n_used += before[b] > 0 || now[b] > 0;
	return n_used;
}

double
nn_psi(int n_bins, const int64_t *before, const int64_t *now)
{
	int			n_used = nn_psi_used(n_bins, before, now);
	double		n_before = 0.0;
	double		n_now = 0.0;
	double		psi = 0.0;

	for (int b = 0; b < n_bins; b++)
	{
		n_before += (double) before[b];
		n_now += (double) now[b];
	}
	if (n_before <= 0.0 || n_now <= 0.0)
		return 0.0;
	for (int b = 0; b < n_bins; b++)
	{
		double		p = ((double) before[b] + 0.5) / (n_before + 0.5 * n_used);
		double		q = ((double) now[b] + 0.5) / (n_now + 0.5 * n_used);

		if (before[b] > 0 || now[b] > 0)
			psi += (p - q) * log(p / q);
	}
	return psi;
}

/* The 95 % quantile of a chi-square: d (1 - 2 / (9 d) + z sqrt(2 / (9 d)))^3 */
static double
chi_square_95(int degrees)
{
	double		a = 2.0 / (9.0 * degrees);
	double		root = 1.0 - a + 1.6448536269514722 * sqrt(a);

	return degrees * root * root * root;
}

double
nn_psi_chance(int n_bins, int64_t n_before, int64_t n_now)
{
	if (n_bins < 2)
		return 0.0;
	if (n_before <= 0 || n_now <= 0)
		return INFINITY;
	return (1.0 / (double) n_before + 1.0 / (double) n_now) * chi_square_95(n_bins - 1);
}

int
nn_length_bin(int64_t length)
{
	int			bin = 0;

	while (length > 0 && bin < NN_LENGTH_BINS - 1)
	{
		length >>= 1;
		bin++;
	}
	return bin;
}
