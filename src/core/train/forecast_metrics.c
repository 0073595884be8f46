/*
 * train/forecast_metrics.c: errors of forecasts that can be compared between
 * series.
 *
 * Absolute errors of different series cannot be averaged: each has its own unit.
 * The scaled error divides by what the simplest forecast misses on the same
 * series (Hyndman and Koehler 2006, "Another look at measures of forecast
 * accuracy", section 3), so below 1 is better than that one.  The pinball loss
 * is least in the mean for the true quantile.  Nothing here allocates.
 */
#include "train/metrics_sequence.h"

#include <math.h>

/*
 * MASE = mean_t |y_t - f_t| / mean over i > m of |h_i - h_{i-m}|
 * with actual y, predicted f, history h and season m.
 */
double
nn_mase(const double *predicted, const double *actual, int n,
		const double *history, int n_history, int season)
{
	double		error = 0.0;
	double		scale = 0.0;

	if (n <= 0 || season <= 0 || n_history <= season)
		return NAN;
	for (int t = 0; t < n; t++)
		error += fabs(actual[t] - predicted[t]);
	for (int i = season; i < n_history; i++)
		scale += fabs(history[i] - history[i - season]);
	if (scale == 0.0)
		return NAN;
	return (error / n) / (scale / (n_history - season));
}

/*
 * rho_q(u) = q u where u >= 0, else (q - 1) u, with u = y - f: a forecast of the
 * quantile q = 0.9 pays nine times as much for being below the value as above.
 */
double
nn_pinball(const double *predicted, const double *actual, int n, double quantile)
{
	double		sum = 0.0;

	if (n <= 0 || !(quantile >= 0.0 && quantile <= 1.0))
		return NAN;
	for (int t = 0; t < n; t++)
	{
		double		u = actual[t] - predicted[t];

		sum += u < 0.0 ? (quantile - 1.0) * u : quantile * u;
	}
	return sum / n;
}
