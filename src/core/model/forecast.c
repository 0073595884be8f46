/*
 * model/forecast.c: series in, what comes next out.
 *
 * The last window of the series is read (window_scale.c), the network answers all
 * steps of its horizon at once, and what lies beyond is forecast from a window that
 * ends with the medians so far.  Each such round has a small arena of its own: a
 * forecast of many steps holds no more than one of few.
 */
#include "model/forecast.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "model/encode.h"

/* ---- reading ---------------------------------------------------------------------- */

NnStatus
nn_forecast_shape(const NnModel *model, NnArena *arena, NnWindowShape *shape, NnError *err)
{
	int			C = model->n_channels;

	memset(shape, 0, sizeof(*shape));
	shape->season = model->season > 1 ? model->season : 1;
	shape->window = model->window;
	shape->horizon = model->spec.horizon;
	shape->n_channels = C;
	shape->n_targets = C;
	shape->has_level = nn_spec_has_level(&model->spec);
	shape->mean = model->input_mean;
	shape->deviation = NN_TAKE(arena, float, (size_t) C);
	if (shape->deviation == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C; c++)
		shape->deviation[c] = nn_forecast_deviation(model->input_scale[c]);
	return NN_OK;
}

float
nn_forecast_deviation(float scale)
{
	return (float) fmin((double) FLT_MAX, 1.0 / (double) scale);
}

static NnStatus
check_series(const NnModel *model, const NnValue *series, NnError *err)
{
	NN_TRY(nn_encode_check(model, series, err));
	if (series->n_steps >= model->window)
		return NN_OK;
	nn_fail(err, NN_EDATA, "the series is too short for a forecast");
	nn_fail_detail(err, "It has %d steps; the model looks back at %d.", series->n_steps, model->window);
	return nn_fail_hint(err, "Give a longer history, or train with a smaller \"window\".");
}

NnStatus
nn_encode_windows(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
				  NnExamples *examples, NnWindowFrame *frames, NnReading *readings, NnError *err)
{
	size_t		C = (size_t) model->n_channels;
	size_t		n_flat;
	size_t		n_values;
	NnWindowShape shape;
	int64_t    *step_start = NN_TAKE(scratch, int64_t, (size_t) n + 1);
	float	   *flat;
	float	   *values;

	NN_TRY(nn_forecast_shape(model, scratch, &shape, err));
	n_flat = (size_t) nn_window_n_inputs(&shape);
	n_values = (size_t) nn_window_n_steps(&shape) * (size_t) nn_window_n_step_channels(&shape);
	flat = NN_TAKE(scratch, float, nn_size_mul((size_t) n, n_flat));
	values = NN_TAKE(scratch, float, nn_size_mul((size_t) n, n_values));
	if (frames == NULL)
		frames = NN_TAKE(scratch, NnWindowFrame, nn_size_mul((size_t) n, C));
	if (step_start == NULL || flat == NULL || values == NULL || frames == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	step_start[0] = 0;
	for (int i = 0; i < n; i++)
	{
		const NnValue *series = &inputs[i];

		NN_TRY(check_series(model, series, err));
		nn_window_read(&shape, series->numbers + (size_t) (series->n_steps - shape.window) * C,
					   flat + (size_t) i * n_flat, values + (size_t) i * n_values, frames + (size_t) i * C);
		step_start[i + 1] = step_start[i] + nn_window_n_steps(&shape);
		if (readings != NULL)
			readings[i] = (NnReading)
		{
			.n_tokens = series->n_steps, .n_used = nn_window_n_steps(&shape)
		};
	}
	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	examples->step_start = step_start;
	examples->values = values;
	examples->flat = flat;
	return NN_OK;
}

/* ---- answering ---------------------------------------------------------------------- */

/* What the rounds of one forecast share. */
typedef struct Rounds
{
	const NnModel *model;
	NnWindowShape shape;
	NnArena    *work;			/* reset before each round */
	float	   *window;			/* (window, channels) the last steps, forecast ones among them */
	double	   *answer;			/* (horizon, channels, quantiles) */
	double	   *median;			/* (horizon, channels) */
} Rounds;

/* The next horizon behind rounds->window into rounds->answer. */
static NnStatus
answer_window(Rounds *rounds, NnError *err)
{
	const NnModel *model = rounds->model;
	const NnSpec *spec = &model->spec;
	NnValue		value = {
		.kind = NN_VALUE_NUMBERS, .numbers = rounds->window,
		.n_steps = rounds->shape.window, .n_channels = rounds->shape.n_channels
	};
	NnWindowFrame *frames;
	float	   *out;
	int32_t		pick = 0;
	int32_t		order;
	NnExamples	examples;
	NnBatch		batch;

	nn_arena_reset(rounds->work);
	frames = NN_TAKE(rounds->work, NnWindowFrame, (size_t) rounds->shape.n_channels);
	out = NN_TAKE(rounds->work, float, (size_t) spec->n_outputs);
	if (frames == NULL || out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_encode_windows(model, &value, 1, rounds->work, &examples, frames, NULL, err));
	NN_TRY(nn_batch_pack(&batch, spec, &examples, &pick, 1, 0.0f, NULL, rounds->work, &order, err));
	NN_TRY(nn_net_forward(model->net, &batch, rounds->work, out, NULL, NULL, NULL, err));
	nn_window_answer(&rounds->shape, frames, out, spec->n_quantiles, rounds->answer);
	return NN_OK;
}

/* A hostile file may hold finite weights so large that no forecast comes out, and so may a series hold numbers. */
static NnStatus
put_answer(const Rounds *rounds, size_t n, float *out, NnError *err)
{
	for (size_t i = 0; i < n; i++)
	{
		out[i] = (float) rounds->answer[i];
		if (isfinite(out[i]))
			continue;
		nn_fail(err, NN_ERANGE, "the model gives no finite forecast for this series");
		return nn_fail_hint(err, "Its numbers are far outside those of the training, or the weights file is damaged.");
	}
	return NN_OK;
}

static NnStatus
go_on(Rounds *rounds, int n_steps, float *out, NnError *err)
{
	const NnModel *model = rounds->model;
	int			horizon = rounds->shape.horizon;
	int			Q = model->spec.n_quantiles;
	size_t		n_medians = (size_t) horizon * (size_t) rounds->shape.n_channels;
	size_t		n_step = (size_t) rounds->shape.n_channels * (size_t) Q;

	for (int done = 0;; done += horizon)
	{
		int			n = n_steps - done < horizon ? n_steps - done : horizon;

		if (model->env->poll(model->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(answer_window(rounds, err));
		NN_TRY(put_answer(rounds, (size_t) n * n_step, out + (size_t) done * n_step, err));
		if (n_steps - done <= horizon)
			return NN_OK;
		for (size_t i = 0; i < n_medians; i++)
			rounds->median[i] = rounds->answer[i * (size_t) Q + (size_t) (Q / 2)];
		nn_window_advance(&rounds->shape, rounds->median, rounds->window);
	}
}

NnStatus
nn_forecast(const NnModel *model, const NnValue *series, int n_steps, NnArena *scratch, float *out, NnError *err)
{
	Rounds		rounds = {.model = model};
	size_t		C = (size_t) model->n_channels;
	NnStatus	status;

	if (n_steps < 1)
		return nn_fail(err, NN_ERANGE, "a forecast of %d steps", n_steps);
	NN_TRY(check_series(model, series, err));
	NN_TRY(nn_forecast_shape(model, scratch, &rounds.shape, err));
	rounds.window = NN_TAKE(scratch, float, (size_t) model->window * C);
	rounds.answer = NN_TAKE(scratch, double, (size_t) model->spec.n_outputs);
	rounds.median = NN_TAKE(scratch, double, (size_t) model->spec.horizon * C);
	rounds.work = nn_arena_create(nn_arena_env(scratch));
	if (rounds.window == NULL || rounds.answer == NULL || rounds.median == NULL || rounds.work == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	else
	{
		(void) nn_window_tail(&rounds.shape, series->numbers, series->n_steps, rounds.window);
		status = go_on(&rounds, n_steps, out, err);
	}
	nn_arena_destroy(rounds.work);
	return status;
}
