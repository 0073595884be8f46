/*
 * test_mase.c: errors of forecasts, worked out by hand.
 */
#include <math.h>

#include "tap.h"
#include "train/metrics_sequence.h"

int
main(void)
{
	/*
	 * Season 1: |3-1| |2-3| |6-2| = 2 1 4, mean 7/3.  Season 2: |2-1| |6-3| = 1 3, mean 2. The forecast
	 * misses by 1, 0 and 2, 1 in the mean.
	 */
	const double history[4] = {1, 3, 2, 6};
	const double actual[3] = {5, 7, 4};
	const double predicted[3] = {6, 7, 2};
	const double flat[3] = {2, 2, 2};
	const double strange[2] = {1, NAN};

	is_near(nn_mase(predicted, actual, 3, history, 4, 1), 3.0 / 7, 1e-12, "scaled by the value before");
	is_near(nn_mase(predicted, actual, 3, history, 4, 2), 0.5, 1e-12, "scaled by the season before");
	is_near(nn_mase(predicted, actual, 3, history, 4, 3), 0.2, 1e-12, "by a single difference: |6 - 1|");
	ok(nn_mase(actual, actual, 3, history, 4, 1) == 0, "0 for what is right");
	ok(isnan(nn_mase(predicted, actual, 3, history, 4, 4)), "undefined where the history is one season");
	ok(isnan(nn_mase(predicted, actual, 3, history, 4, 0)), "and without a season");
	ok(isnan(nn_mase(predicted, actual, 3, flat, 3, 1)), "and where the history is flat");
	ok(isnan(nn_mase(predicted, actual, 0, history, 4, 1)), "and without a forecast");
	ok(isnan(nn_mase(predicted, actual, 3, NULL, 0, 1)), "and without a history");
	ok(isnan(nn_mase(strange, actual, 2, history, 4, 1)), "NaN stays NaN");

	/*
	 * u = actual - predicted = -1 0 2.  q = 0.9: 0.1 + 0 + 1.8; q = 0.1: 0.9 + 0 + 0.2; q = 0.5: half the
	 * absolute errors.
	 */
	is_near(nn_pinball(predicted, actual, 3, 0.9), 1.9 / 3, 1e-12, "pinball of a high quantile");
	is_near(nn_pinball(predicted, actual, 3, 0.1), 1.1 / 3, 1e-12, "of a low one");
	is_near(nn_pinball(predicted, actual, 3, 0.5), 0.5, 1e-12, "of the median: half the mean error");
	is_near(nn_pinball(predicted, actual, 3, 0.0), 1.0 / 3, 1e-12, "of 0: only being above costs");
	ok(isnan(nn_pinball(predicted, actual, 0, 0.5)), "undefined without a forecast");
	ok(isnan(nn_pinball(predicted, actual, 3, 1.5)) && isnan(nn_pinball(predicted, actual, 3, NAN)),
	   "and for what is no quantile");
	return done_testing();
}
