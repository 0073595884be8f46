/*
 * model/learn_judge.c: forecasts: what the held-out windows show, in the series'
 * own units.
 *
 * Windows are answered as nn_forecast() would: from the series itself, in double.
 * Channels and steps count alike.  The scaled error (Hyndman and Koehler 2006) is of
 * each channel of each series by itself, whose scale is what "as a season before"
 * misses in the steps before the first held-out target; then the mean over them.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

/* Windows answered together. */
#define CHUNK	64

typedef struct Judgment
{
	NnLearner  *learner;
	const NnWindowShape *shape;
	int			n_quantiles;
	double		n;				/* numbers compared */
	double		sum_absolute;
	double		sum_square;
	double		sum_pinball;	/* over the quantiles too */
	double		n_inside;
	double		n_scaled;		/* windows times channels that have a scale */
	double		sum_scaled;
	int64_t		series;			/* of the window at hand */
	double	   *scale;			/* (channels) of that series; NAN where there is none */
} Judgment;

/* mean over t of | x_t - x_{t - m} | of each channel, in the steps of a series before `end` */
static void
measure_scale(Judgment *judgment, int64_t begin, int64_t end)
{
	int			C = judgment->shape->n_channels;
	int			season = judgment->shape->season;
	const float *values = judgment->learner->windowing.set.values;

	for (int c = 0; c < C; c++)
	{
		double		sum = 0.0;

		for (int64_t t = begin + season; t < end; t++)
			sum += fabs((double) values[t * C + c] - (double) values[(t - season) * C + c]);
		judgment->scale[c] = sum > 0.0 ? sum / (double) (end - begin - season) : (double) NAN;
	}
}

/* Windows ascend, so the first one of a series tells where its held-out targets begin. */
static void
enter_series(Judgment *judgment, int64_t start)
{
	const NnSeriesSet *set = &judgment->learner->windowing.set;
	bool		is_new = judgment->series < 0;

	for (judgment->series += is_new; start >= set->step_start[judgment->series + 1]; judgment->series++)
		is_new = true;
	if (is_new)
		measure_scale(judgment, set->step_start[judgment->series], start + judgment->shape->window);
}

/* One number and its quantiles, which ascend. */
static double
judge_number(Judgment *judgment, double actual, const double *quantile)
{
	int			Q = judgment->n_quantiles;
	double		error = fabs(actual - quantile[Q / 2]);

	judgment->n += 1.0;
	judgment->sum_absolute += error;
	judgment->sum_square += error * error;
	for (int q = 0; q < Q; q++)
		judgment->sum_pinball += nn_pinball(&quantile[q], &actual, 1, nn_quantile_level(Q, q));
	judgment->n_inside += actual >= quantile[0] && actual <= quantile[Q - 1];
	return error;
}

static void
judge_window(Judgment *judgment, int64_t start, const double *answer)
{
	const NnWindowShape *shape = judgment->shape;
	int			C = shape->n_targets;
	const float *actual = judgment->learner->windowing.set.values + (start + shape->window) * C;

	enter_series(judgment, start);
	for (int c = 0; c < C; c++)
	{
		double		sum = 0.0;

		for (int k = 0; k < shape->horizon; k++)
			sum += judge_number(judgment, (double) actual[(size_t) k * (size_t) C + (size_t) c],
								answer + ((size_t) k * (size_t) C + (size_t) c) * (size_t) judgment->n_quantiles);
		if (isnan(judgment->scale[c]))
			continue;
		judgment->sum_scaled += sum / shape->horizon / judgment->scale[c];
		judgment->n_scaled += 1.0;
	}
}

/* Windows first ... first + n - 1 of the held-out ones. */
static NnStatus
judge_chunk(Judgment *judgment, int64_t first, int n, NnArena *scratch, NnError *err)
{
	const NnLearner *learner = judgment->learner;
	const NnWindowShape *shape = judgment->shape;
	const NnExamples *valid = &learner->valid.examples;
	const int64_t *start = learner->windowing.plan.valid + first;
	size_t		n_outputs = (size_t) learner->model->spec.n_outputs;
	size_t		n_flat = (size_t) nn_window_n_inputs(shape);
	float	   *out = NN_TAKE(scratch, float, (size_t) n * n_outputs);
	float	   *flat = NN_TAKE(scratch, float, n_flat);
	double	   *answer = NN_TAKE(scratch, double, n_outputs);
	NnWindowFrame *frame = NN_TAKE(scratch, NnWindowFrame, (size_t) shape->n_targets);
	NnExamples	some = *valid;

	if (out == NULL || flat == NULL || answer == NULL || frame == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	some.n = n;
	some.step_start += first;
	if (some.flat != NULL)
		some.flat += (size_t) first * n_flat;
	NN_TRY(nn_outputs(learner->model->net, &some, learner->env, out, NULL, NULL, err));
	for (int i = 0; i < n; i++)
	{
		nn_window_read(shape, learner->windowing.set.values + start[i] * shape->n_channels, flat, NULL, frame);
		nn_window_answer(shape, frame, out + (size_t) i * n_outputs, judgment->n_quantiles, answer);
		judge_window(judgment, start[i], answer);
	}
	return NN_OK;
}

NnStatus
nn_learner_judge_forecast(NnLearner *learner, NnArena *arena, NnArena *scratch, NnError *err)
{
	NnSequenceMetrics *metrics = &learner->report.sequence;
	const NnExamples *valid = &learner->valid.examples;
	Judgment	judgment = {
		.learner = learner, .shape = &learner->windowing.plan.shape,
		.n_quantiles = learner->model->spec.n_quantiles, .series = -1
	};

	judgment.scale = NN_ALLOC(arena, double, (size_t) judgment.shape->n_channels);
	if (judgment.scale == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t first = 0; first < valid->n; first += CHUNK)
	{
		nn_arena_reset(scratch);
		NN_TRY(judge_chunk(&judgment, first, (int) (valid->n - first < CHUNK ? valid->n - first : CHUNK),
						   scratch, err));
	}
	metrics->n = valid->n;
	metrics->n_tokens = valid->n * judgment.shape->horizon;
	metrics->mae = judgment.sum_absolute / judgment.n;
	metrics->rmse = sqrt(judgment.sum_square / judgment.n);
	metrics->pinball = judgment.sum_pinball / (judgment.n * judgment.n_quantiles);
	metrics->coverage = judgment.n_inside / judgment.n;
	if (judgment.n_scaled > 0.0)
		metrics->mase = judgment.sum_scaled / judgment.n_scaled;
	return NN_OK;
}
