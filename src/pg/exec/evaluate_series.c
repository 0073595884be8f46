/*
 * exec/evaluate_series.c: forecasts against what came.
 *
 * With a target column each row is one forecast of as many steps as the target
 * has.  Without one, the model forecasts its horizon from many points of each
 * series ("rolling origins"), the first where its window is full, each time
 * from what stands before the point alone; at most MAX_ORIGINS points, at equal
 * distances.
 *
 * MASE: the mean error of a channel over that of "as one season before" inside
 * the same series (with a target: inside the input).
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"

#include "model/forecast.h"
#include "train/metrics_sequence.h"

#include "exec/evaluate_private.h"
#include "exec/predict.h"
#include "exec/report_json.h"
#include "glue/errors.h"

#define MAX_ORIGINS 5000

/* What core's forecasts give (nn/spec.h). */
static const double levels[] = {0.1, 0.5, 0.9};

#define N_LEVELS ((int) lengthof(levels))

typedef struct KeptSeries
{
	int64		n;				/* numbers compared */
	int64		n_inside;		/* between the outer quantiles */
	double		sum_absolute;
	double		sum_square;
	double		sum_pinball;	/* over the levels, too */
	double		sum_scaled;		/* absolute errors over the channel's scale */
	int64		n_scaled;		/* where there is a scale */
	int64		n_origins;
	int64		n_short;		/* rows shorter than the window */
	float	   *out;			/* (capacity, channels, levels) of one forecast */
	int			out_capacity;
	double	   *channel_error;	/* (channels) absolute errors of the row at hand */
} KeptSeries;

static void
begin(LstmEvaluating *e)
{
	KeptSeries *kept = palloc0(sizeof(KeptSeries));

	if (e->model->spec.n_quantiles != N_LEVELS)
		elog(ERROR, "a forecast with %d quantiles cannot be evaluated", e->model->spec.n_quantiles);
	kept->channel_error = palloc0(sizeof(double) * e->model->n_channels);
	e->kept = kept;
}

static float *
room_for(KeptSeries *kept, int n_steps, int n_channels)
{
	if (n_steps > kept->out_capacity)
	{
		if (kept->out != NULL)
			pfree(kept->out);
		kept->out = palloc_extended(sizeof(float) * n_steps * n_channels * N_LEVELS, MCXT_ALLOC_HUGE);
		kept->out_capacity = n_steps;
	}
	return kept->out;
}

/* Add one number: its quantiles, and what came. */
static void
compare(KeptSeries *kept, int channel, const float *quantile, double actual)
{
	double		error;

	if (!isfinite(actual))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a forecast cannot be compared with %s", isnan(actual) ? "NaN" : "infinity")));
	error = fabs(quantile[N_LEVELS / 2] - actual);
	kept->n++;
	kept->sum_absolute += error;
	kept->sum_square += error * error;
	kept->channel_error[channel] += error;
	kept->n_inside += actual >= quantile[0] && actual <= quantile[N_LEVELS - 1];
	for (int q = 0; q < N_LEVELS; q++)
	{
		double		predicted = quantile[q];

		kept->sum_pinball += nn_pinball(&predicted, &actual, 1, levels[q]);
	}
}

/* Forecast n_steps steps from history and compare them with actual (n_steps, channels). */
static void
forecast(LstmEvaluating *e, const NnValue *history, const float *actual, int n_steps)
{
	KeptSeries *kept = e->kept;
	int			C = e->model->n_channels;
	float	   *out = room_for(kept, n_steps, C);
	NnError		err = {0};

	lstm_check(nn_forecast(e->model, history, n_steps, lstm_scratch(), out, &err), &err);
	kept->n_origins++;
	for (int i = 0; i < n_steps * C; i++)
		compare(kept, i % C, out + (size_t) i * N_LEVELS, actual[i]);
}

/* What one unit of error counts in a channel: core's MASE of an error of 1. */
static double
scaled_unit(const LstmEvaluating *e, const NnValue *series, int channel)
{
	double		one = 1.0;
	double		zero = 0.0;
	double	   *history = palloc_extended(sizeof(double) * Max(series->n_steps, 1), MCXT_ALLOC_HUGE);
	double		unit;

	for (int t = 0; t < series->n_steps; t++)
		history[t] = series->numbers[(size_t) t * series->n_channels + channel];
	unit = nn_mase(&one, &zero, 1, history, series->n_steps, Max(e->model->season, 1));
	pfree(history);
	return unit;
}

/* n errors of each channel were added: scale them, and begin anew. */
static void
scale_errors(LstmEvaluating *e, const NnValue *series, int64 n)
{
	KeptSeries *kept = e->kept;

	for (int c = 0; c < e->model->n_channels; c++)
	{
		double		unit = scaled_unit(e, series, c);

		if (!isnan(unit))
		{
			kept->sum_scaled += kept->channel_error[c] * unit;
			kept->n_scaled += n;
		}
		kept->channel_error[c] = 0.0;
	}
}

static void
take_pair(LstmEvaluating *e, const NnValue *input, const NnValue *target)
{
	if (target->n_channels != e->model->n_channels || target->n_steps < 1 || target->n_steps > NN_MAX_HORIZON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target array does not fit the forecast"),
				 errdetail("It has %d steps of %d numbers; the model forecasts steps of %d.",
						   target->n_steps, target->n_channels, e->model->n_channels)));
	forecast(e, input, target->numbers, target->n_steps);
	scale_errors(e, input, target->n_steps);
}

static void
take_series(LstmEvaluating *e, const NnValue *series)
{
	KeptSeries *kept = e->kept;
	int			window = Max(e->model->window, 1);
	int			horizon = e->model->spec.horizon;
	int			n_origins = Max(series->n_steps - window - horizon + 1, 1);
	int			stride = (n_origins + MAX_ORIGINS - 1) / MAX_ORIGINS;
	int64		n = 0;

	if (series->n_steps <= window)
	{
		kept->n_short++;
		e->n_rows--;
		return;
	}
	for (int i = 0; i < n_origins; i += stride)
	{
		int			origin = window + i;
		int			n_steps = Min(horizon, series->n_steps - origin);
		NnValue		history = *series;

		CHECK_FOR_INTERRUPTS();
		history.numbers += (size_t) (origin - window) * series->n_channels;
		history.n_steps = window;
		forecast(e, &history, series->numbers + (size_t) origin * series->n_channels, n_steps);
		n += n_steps;
	}
	scale_errors(e, series, n);
}

static void
take(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	for (int i = 0; i < n; i++)
	{
		e->position.row = rows[i].position;
		if (e->info.target != NULL)
			take_pair(e, &inputs[i], &rows[i].target);
		else
			take_series(e, &inputs[i]);
	}
}

static void
finish(LstmEvaluating *e, StringInfo json)
{
	const KeptSeries *kept = e->kept;
	NnSequenceMetrics metrics;
	double		n = (double) kept->n;

	nn_sequence_metrics_init(&metrics);
	metrics.n = e->n_rows;
	metrics.n_tokens = kept->n;
	metrics.mae = kept->sum_absolute / n;
	metrics.rmse = sqrt(kept->sum_square / n);
	metrics.pinball = kept->sum_pinball / (n * N_LEVELS);
	metrics.coverage = (double) kept->n_inside / n;
	if (kept->n_scaled > 0)
		metrics.mase = kept->sum_scaled / (double) kept->n_scaled;
	lstm_json_count(json, "rows_too_short", kept->n_short);
	lstm_json_count(json, "origins", kept->n_origins);
	lstm_json_sequence(json, &metrics);
}

const LstmEvaluator lstm_evaluator_series = {16, begin, take, finish};
