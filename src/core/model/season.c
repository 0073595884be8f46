/*
 * model/season.c: how many steps until a series repeats itself.
 *
 * The autocorrelation of a column (one channel of one series) at lag k is
 *
 *	r(k) = mean over t of e(t) e(t + k)  /  mean over t of e(t)^2
 *
 * (Box and Jenkins 1970; here each mean over the pairs there are, so that long
 * lags are not made small).  All columns are averaged, each pair counting alike.
 * Two are computed; the shortest lag among the highest peaks of each is a
 * candidate, and the higher candidate is the season:
 *
 * 1. e = the column's steps up and down, less their mean.  Slow swings are gone,
 *    so that a day shows in hours of a whole year.
 * 2. e = the column less its straight line.  A season of many noisy steps (days
 *    of a year) only shows here.  Only peaks behind the first zero count: before
 *    it, everything looks like itself.
 *
 * Columns are looked at up to their last 8192 steps, and at most 128 of them,
 * evenly picked: about 2 GFLOP at most, whatever the set.
 */
#include "model/windows.h"

#include <math.h>

#define MAX_STEPS		8192
#define MAX_COLUMNS		128

/*
 * A peak must be higher than chance: 4 / sqrt(pairs) is four standard errors of
 * white noise, and below the other bounds a season exists but brings nothing
 * (measured on hourly, daily and monthly series).
 */
#define LEAST_OF_CHANGES	0.15
#define LEAST_OF_VALUES		0.3
#define LEAST_ERRORS		4.0

/* Multiples of a season come close to it, or a little above by chance. */
#define NEAR_HIGHEST		0.8

/* A wide peak has many small ones on its slope: the top may lie further up. */
#define TOP_WITHIN			1.1

/* Products between two polls. */
#define POLL_WORK			(1 << 22)

typedef struct Correlation
{
	int			n_lags;			/* r has n_lags + 1 entries */
	double	   *sum;			/* products, each column's variance 1 */
	double	   *n_pairs;
	double		n_steps;		/* in all columns */
	double	   *column;			/* (MAX_STEPS) */
	int64_t		work;			/* products since the last poll */
} Correlation;

/* Straight line out of column (n >= 2). */
static void
remove_line(double *column, int n)
{
	double		middle = (n - 1) / 2.0;
	double		mean = 0.0;
	double		slope = 0.0;
	double		square = 0.0;

	for (int t = 0; t < n; t++)
		mean += column[t];
	mean /= n;
	for (int t = 0; t < n; t++)
	{
		slope += (t - middle) * (column[t] - mean);
		square += (t - middle) * (t - middle);
	}
	slope /= square;
	for (int t = 0; t < n; t++)
		column[t] -= mean + slope * (t - middle);
}

/* Differences in place; returns how many, their mean taken out. */
static int
take_differences(double *column, int n)
{
	double		mean = (column[n - 1] - column[0]) / (n - 1);

	for (int t = 0; t + 1 < n; t++)
		column[t] = column[t + 1] - column[t] - mean;
	return n - 1;
}

/* Add a column of n steps; a constant one (to the precision of floats) says nothing. */
static NnStatus
add_column(Correlation *correlation, const float *values, int stride, int n, bool is_of_changes,
		   const NnArena *scratch, NnError *err)
{
	double	   *e = correlation->column;
	double		size = 0.0;
	double		variance = 0.0;

	for (int t = 0; t < n; t++)
	{
		e[t] = values[(int64_t) t * stride];
		size = fmax(size, fabs(e[t]));
	}
	if (is_of_changes)
		n = take_differences(e, n);
	else
		remove_line(e, n);
	for (int t = 0; t < n; t++)
		variance += e[t] * e[t];
	variance /= n;
	if (!(sqrt(variance) > 1e-6 * size))
		return NN_OK;

	for (int k = 0; k <= correlation->n_lags && 3 * (int64_t) k <= n; k++)
	{
		double		sum = 0.0;

		for (int t = 0; t + k < n; t++)
			sum += e[t] * e[t + k];
		correlation->sum[k] += sum / variance;
		correlation->n_pairs[k] += n - k;
		correlation->work += n;
		if (correlation->work > POLL_WORK)
		{
			correlation->work = 0;
			if (nn_arena_poll(scratch) != NN_OK)
				return nn_fail(err, NN_ECANCELED, "training was canceled");
		}
	}
	correlation->n_steps += n;
	return NN_OK;
}

/* All columns, or an even choice of them; sum becomes r. */
static NnStatus
correlate(Correlation *correlation, const NnSeriesSet *set, bool is_of_changes,
		  const NnArena *scratch, NnError *err)
{
	int64_t		n_columns = set->n * set->n_channels;
	int64_t		stride = (n_columns + MAX_COLUMNS - 1) / MAX_COLUMNS;

	correlation->n_steps = 0.0;
	for (int k = 0; k <= correlation->n_lags; k++)
		correlation->sum[k] = correlation->n_pairs[k] = 0.0;

	/* Steps of a multiple of the channels would look at one channel only. */
	while (stride > 1 && set->n_channels > 1 && stride % set->n_channels == 0)
		stride++;
	for (int64_t i = 0; i < n_columns; i += stride)
	{
		int64_t		series = i / set->n_channels;
		int64_t		end = set->step_start[series + 1];
		int64_t		n = end - set->step_start[series];

		n = n > MAX_STEPS ? MAX_STEPS : n;
		if (n >= 6)
			NN_TRY(add_column(correlation, set->values + (end - n) * set->n_channels + i % set->n_channels,
							  set->n_channels, (int) n, is_of_changes, scratch, err));
	}
	for (int k = 0; k <= correlation->n_lags; k++)
		correlation->sum[k] = correlation->n_pairs[k] > 0.0 ? correlation->sum[k] / correlation->n_pairs[k] : -1.0;
	return NN_OK;
}

static bool
is_peak(const double *r, int k, double least)
{
	return r[k] >= least && r[k] > r[k - 1] && r[k] >= r[k + 1];
}

/*
 * The shortest of the highest peaks from lag first on that are above `least` and
 * above chance, or 0.  The last lag has no right neighbor.
 */
static int
choose_peak(const Correlation *correlation, int first, double least)
{
	const double *r = correlation->sum;
	double		chance = correlation->n_steps > 0.0 ? LEAST_ERRORS / sqrt(correlation->n_steps) : 1.0;
	double		highest = 0.0;
	int			shortest = 0;
	int			top;

	least = chance > least ? chance : least;
	for (int k = first; k < correlation->n_lags; k++)
	{
		if (is_peak(r, k, least) && r[k] > highest)
			highest = r[k];
	}
	if (highest == 0.0)
		return 0;
	for (int k = first; shortest == 0; k++)
	{
		if (is_peak(r, k, least) && r[k] >= NEAR_HIGHEST * highest)
			shortest = k;
	}
	top = shortest;
	for (int k = shortest; k < correlation->n_lags && k <= TOP_WITHIN * top; k++)
	{
		if (is_peak(r, k, least) && r[k] > r[top])
			top = k;
	}
	return top;
}

static bool
correlation_create(Correlation *correlation, int n_lags, NnArena *scratch)
{
	correlation->n_lags = n_lags;
	correlation->work = 0;
	correlation->sum = NN_ALLOC(scratch, double, (size_t) n_lags + 1);
	correlation->n_pairs = NN_ALLOC(scratch, double, (size_t) n_lags + 1);
	correlation->column = NN_TAKE(scratch, double, MAX_STEPS);
	return correlation->sum != NULL && correlation->n_pairs != NULL && correlation->column != NULL;
}

NnStatus
nn_season_detect(const NnSeriesSet *set, NnArena *scratch, int *season, NnError *err)
{
	Correlation correlation;
	int64_t		longest = 0;
	int			n_lags;
	int			of_changes;
	int			of_values;
	int			first = 1;
	double		height;

	*season = 1;
	for (int64_t i = 0; i < set->n; i++)
	{
		int64_t		n = set->step_start[i + 1] - set->step_start[i];

		longest = n > longest ? n : longest;
	}

	/* A season must be seen three times, and its peak has a neighbor. */
	n_lags = longest / 3 > NN_MAX_SEASON ? NN_MAX_SEASON + 1 : (int) (longest / 3);
	if (n_lags < 3)
		return NN_OK;
	if (!correlation_create(&correlation, n_lags, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");

	NN_TRY(correlate(&correlation, set, true, scratch, err));
	of_changes = choose_peak(&correlation, 2, LEAST_OF_CHANGES);
	height = of_changes > 0 ? correlation.sum[of_changes] : 0.0;

	NN_TRY(correlate(&correlation, set, false, scratch, err));
	while (first < n_lags && correlation.sum[first] > 0.0)
		first++;
	of_values = choose_peak(&correlation, first < 2 ? 2 : first, LEAST_OF_VALUES);
	if (of_values > 0 && correlation.sum[of_values] > height)
		*season = of_values;
	else if (of_changes > 0)
		*season = of_changes;
	return NN_OK;
}
