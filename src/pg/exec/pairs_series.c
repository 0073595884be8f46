/*
 * exec/pairs_series.c: two versions' forecasts.
 *
 * Held out is the end of each series: forecasts start there, one horizon apart, so that no
 * step is counted twice.  With a target column each row is one forecast.  An error counts
 * by how much the series moves: over the mean step from one season to the next, as MASE.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"

#include "model/forecast.h"

#include "exec/pairs.h"
#include "exec/predict.h"
#include "glue/errors.h"

static void
begin(LstmPairs *pairs)
{
	pairs->n_sums = 2;
	pairs->figure = nn_figure_less_error;
	pairs->result->figure = "mase";
	pairs->result->test = "bootstrap of pairs, one-sided";
}

/* The mean absolute change of a channel over one season; 1 where it never changes. */
static double
mean_change(const NnValue *series, int channel, int season)
{
	double		sum = 0.0;
	int			n = series->n_steps - season;

	for (int t = 0; t < n; t++)
	{
		const float *x = series->numbers + (size_t) t * series->n_channels + channel;

		sum += fabs((double) x[(size_t) season * series->n_channels] - (double) x[0]);
	}
	return n > 0 && sum > 0.0 && isfinite(sum) ? sum / n : 1.0;
}

/* Both forecast n_steps steps behind history. */
static void
forecast(LstmPairs *pairs, const NnValue *history, const float *actual, int n_steps)
{
	int			E = history->n_channels;
	int			season = Max(pairs->request->model[LSTM_CHALLENGER]->season, 1);
	NnError		err = {0};

	for (int side = 0; side < 2; side++)
	{
		const NnModel *model = pairs->request->model[side];
		int			Q = model->spec.n_quantiles;
		float	   *out = palloc(sizeof(float) * n_steps * E * Q);
		double	   *sums = lstm_pairs_push(pairs, side, 1);

		lstm_check(nn_forecast(model, history, n_steps, lstm_scratch(), out, &err), &err);
		for (int i = 0; i < n_steps * E; i++)
		{
			sums[0] += fabs((double) out[(size_t) i * Q + Q / 2] - (double) actual[i]) /
				mean_change(history, i % E, season);
			sums[1] += 1.0;
		}
		pfree(out);
	}
}

/* Can both be asked? */
static bool
fits(const LstmPairs *pairs, const NnValue *series, int window)
{
	return series->n_channels == pairs->request->model[0]->n_channels &&
		series->n_channels == pairs->request->model[1]->n_channels && series->n_steps > window;
}

static void
take_end(LstmPairs *pairs, const NnValue *series)
{
	const NnModel *const *model = pairs->request->model;
	int			window = Max(Max(model[0]->window, model[1]->window), 1);
	int			horizon = Max(Min(model[0]->spec.horizon, model[1]->spec.horizon), 1);
	int			origin = (int) ceil((1.0 - pairs->request->split[LSTM_CHALLENGER]->share) * series->n_steps);

	if (!fits(pairs, series, window))
		return;
	for (origin = Max(origin, window); origin < series->n_steps; origin += horizon)
	{
		NnValue		history = *series;

		CHECK_FOR_INTERRUPTS();
		history.n_steps = origin;
		forecast(pairs, &history, series->numbers + (size_t) origin * series->n_channels,
				 Min(horizon, series->n_steps - origin));
	}
}

static void
take(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	for (int i = 0; i < n; i++)
	{
		const NnValue *target = &rows[i].target;

		if (pairs->request->source->target == NULL)
			take_end(pairs, &inputs[i]);
		else if (fits(pairs, &inputs[i], 0) && target->n_channels == inputs[i].n_channels && target->n_steps > 0)
			forecast(pairs, &inputs[i], target->numbers, Min(target->n_steps, NN_MAX_HORIZON));
	}
}

const LstmPairer lstm_pairer_series = {16, begin, take, NULL};
