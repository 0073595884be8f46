/*
 * test_forecast.c: forecasts, from series to what comes next (model/learn.h,
 * model/forecast.h).
 *
 * The series rises along a line, swings with a season of twelve steps, and is noisy.
 */
#include "task_case.h"

#include <stdlib.h>
#include "kern/kern.h"
#include "model/encode.h"
#include "model/forecast.h"
#include "model/trace.h"
#include "net_case.h"
#include "tap.h"

#define SEASON	12
#define Q		3

static NnError err;

static const NnValue nothing = {.kind = NN_VALUE_NUMBERS};

/* ---- series ----------------------------------------------------------------- */

/* x_t = 100 + t / 4 + 20 sin(2 pi t / 12) + noise, from step `first` on; of net_case's memory. */
static float *
make_series(int first, int n, float noise, uint64_t seed)
{
	float	   *x = net_case_alloc((size_t) n, sizeof(float));
	NnRng		rng;

	nn_rng_seed(&rng, seed);
	for (int t = 0; t < n; t++)
		x[t] = 100.0f + (float) (first + t) / 4.0f +
			20.0f * (float) sin(2.0 * M_PI * (first + t) / SEASON) + noise * nn_rng_normal(&rng);
	return x;
}

static NnValue
series_value(const float *x, int n_steps, int n_channels)
{
	return (NnValue) {.kind = NN_VALUE_NUMBERS, .numbers = x, .n_steps = n_steps, .n_channels = n_channels};
}

static TaskRow
series_row(const float *x, int n_steps, int n_channels)
{
	return (TaskRow)
	{
		.input = series_value(x, n_steps, n_channels), .target = nothing
	};
}

/* What is left alone is by recipe; small, and quick to learn. */
static NnOptions
small_options(void)
{
	NnOptions	options;

	nn_options_init(&options);
	options.hidden = 8;
	options.epochs = 3;
	return options;
}

/* A forecast of n_steps into net_case's memory; a failure ends the test. */
static float *
forecast(const NnModel *model, const float *x, int n, int n_steps)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue		value = series_value(x, n, model->n_channels);
	float	   *out = net_case_alloc((size_t) (n_steps * model->n_channels * Q), sizeof(float));

	net_case_check(nn_forecast(model, &value, n_steps, scratch, out, &err), &err);
	nn_arena_destroy(scratch);
	return out;
}

static NnStatus
forecast_status(const NnModel *model, const NnValue *value, int n_steps)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	float	   *out = net_case_alloc(1024, sizeof(float));
	NnStatus	status = nn_forecast(model, value, n_steps, scratch, out, &err);

	nn_arena_destroy(scratch);
	return status;
}

/* ---- how good ---------------------------------------------------------------- */

typedef struct Judged
{
	double		model;			/* mean absolute errors */
	double		naive;			/* as a season before */
	double		coverage;
	bool		is_ascending;	/* all quantiles are */
} Judged;

/* Every origin from n_train on. */
static Judged
judge(const NnModel *model, const float *x, int n_train, int n)
{
	int			horizon = model->spec.horizon;
	Judged		judged = {.is_ascending = true};
	int			n_all = 0;

	for (int origin = n_train; origin + horizon <= n; origin++)
	{
		float	   *out = forecast(model, x, origin, horizon);

		for (int k = 0; k < horizon; k++, out += Q, n_all++)
		{
			float		actual = x[origin + k];

			judged.model += fabs((double) actual - (double) out[1]);
			judged.naive += fabs((double) actual - (double) x[origin + k - SEASON * (k / SEASON + 1)]);
			judged.coverage += actual >= out[0] && actual <= out[2];
			judged.is_ascending = judged.is_ascending && out[0] <= out[1] && out[1] <= out[2];
		}
	}
	judged.model /= n_all;
	judged.naive /= n_all;
	judged.coverage /= n_all;
	return judged;
}

static void
test_season(NnCell cell, int bag, const char *name)
{
	float	   *x = make_series(0, 400, 4.0f, 1);
	TaskRow		row = series_row(x, 340, 1);
	NnOptions	options = small_options();
	const NnLearnReport *report;
	NnLearner  *learner;
	const NnModel *model;
	Judged		judged;

	options.cell = (int) cell;
	options.bag = bag;
	if (bag == 0)
	{
		/* from nothing, on few windows */
		options.hidden = 16;
		options.rate = 1e-2;
		options.epochs = 40;
		options.patience = 0;
	}
	learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, &report);
	model = nn_learner_model(learner);
	is_int(model->season, SEASON, "%s: the season is found", name);
	ok(model->spec.horizon == SEASON && model->window % SEASON == 0 && !nn_spec_has_level(&model->spec),
	   "%s: lengths follow from it, and the line is a trend", name);

	judged = judge(model, x, 340, 400);
	ok(judged.model < (bag == 0 ? 1.0 : 0.8) * judged.naive, "%s: better than a season before (%.2f, %.2f)", name,
	   judged.model, judged.naive);
	ok(judged.coverage > 0.55 && judged.coverage < 0.97, "%s: a band of 80 %% holds %.0f %%", name,
	   100 * judged.coverage);
	ok(judged.is_ascending, "%s: quantiles ascend", name);

	ok(report->plan.n_valid > 0 && report->sequence.n == report->plan.n_valid &&
	   report->sequence.n_tokens == report->plan.n_valid * SEASON && report->is_refitted,
	   "%s: measured, and trained on all", name);
	ok(fabs(report->sequence.mae / judged.model - 1.0) < 0.5 && report->sequence.rmse > report->sequence.mae &&
	   report->sequence.pinball > 0.0 && report->sequence.coverage > 0.5 && report->sequence.mase < 1.0,
	   "%s: the figures are in the series' units (MAE %.2f, MASE %.2f, coverage %.2f)", name, report->sequence.mae,
	   report->sequence.mase, report->sequence.coverage);
	nn_learner_destroy(learner);
	net_case_free_all();
}

/* Without noise the linear branch alone is right, and nothing must take it away. */
static void
test_exact(void)
{
	float	   *x = make_series(0, 300, 0.0f, 1);
	TaskRow		row = series_row(x, 240, 1);
	NnOptions	options = small_options();
	NnLearner  *learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	Judged		judged = judge(nn_learner_model(learner), x, 240, 300);

	ok(judged.model < 0.5, "a line and a sine are continued (error %.3f of a swing of 20)", judged.model);
	nn_learner_destroy(learner);
	net_case_free_all();
}

/* Errors one step ahead on what follows the first n_train steps. */
static double
chaos_error(const float *x, int n_train, int n, NnCell cell)
{
	TaskRow		row = series_row(x, n_train, 1);
	NnOptions	options = small_options();
	NnLearner  *learner;
	double		error = 0;

	options.cell = (int) cell;
	options.window = 4;
	options.horizon = 1;
	options.season = 1;
	options.rate = 1e-2;
	options.epochs = 30;
	options.patience = 0;
	learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	for (int origin = n_train; origin < n; origin++)
		error += fabs((double) forecast(nn_learner_model(learner), x, origin, 1)[1] - (double) x[origin]) / (n - n_train);
	nn_learner_destroy(learner);
	return error;
}

/* The logistic map (May 1976), which no linear forecast knows, is learned beside one. */
static void
test_chaos(void)
{
	enum
	{
		N = 900, N_TRAIN = 800
	};
	float	   *x = net_case_alloc(N, sizeof(float));
	double		linear;
	double		both;

	x[0] = 0.3f;
	for (int t = 1; t < N; t++)
		x[t] = 3.7f * x[t - 1] * (1.0f - x[t - 1]);
	linear = chaos_error(x, N_TRAIN, N, NN_CELL_NONE);
	both = chaos_error(x, N_TRAIN, N, NN_CELL_LSTM);
	ok(both < 0.4 * linear, "the recurrent branch learns what the linear one cannot say (%.4f, %.4f)", both, linear);
	net_case_free_all();
}

/*
 * Channel 0 does at t what channel 1, which is noise, did at t - 3; channel 2 is noise
 * that has to do with nothing.
 */
static void
test_channels(void)
{
	enum
	{
		N = 420, N_TRAIN = 400, C = 3
	};
	float	   *x = net_case_alloc(N * C, sizeof(float));
	NnOptions	options = small_options();
	TaskRow		row = series_row(x, N_TRAIN, C);
	double		error[C] = {0};
	NnLearner  *learner;
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	for (int t = 0; t < N; t++)
	{
		x[t * C + 1] = nn_rng_normal(&rng);
		x[t * C + 2] = 1000.0f + 100.0f * nn_rng_normal(&rng);
		x[t * C] = t < 3 ? 0.0f : -50.0f + 10.0f * x[(t - 3) * C + 1];
	}
	options.window = 8;
	options.horizon = 3;
	options.season = 1;
	learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	ok(nn_spec_has_level(&nn_learner_model(learner)->spec), "without a trend the level is an input");
	for (int origin = N_TRAIN; origin + 3 <= N; origin++)
	{
		float	   *out = forecast(nn_learner_model(learner), x, origin, 3);

		for (int i = 0; i < 3 * C; i++)
			error[i % C] += fabs((double) out[i * Q + 1] - (double) x[origin * C + i]) / (3 * (N - N_TRAIN - 2));
	}
	ok(error[0] < 2.0, "a channel that follows another is foretold (error %.2f of a deviation of 10)", error[0]);
	ok(error[1] > 0.5 && error[1] < 1.2 && error[2] > 50.0 && error[2] < 120.0,
	   "noise is forecast as its middle (%.2f, %.1f)", error[1], error[2]);
	nn_learner_destroy(learner);
	net_case_free_all();
}

static void
test_constant(void)
{
	enum
	{
		N = 80
	};
	float	   *x = net_case_alloc(N, sizeof(float));
	NnOptions	options = small_options();
	TaskRow		row = series_row(x, N, 1);
	bool		is_constant = true;
	NnLearner  *learner;
	float	   *out;

	for (int t = 0; t < N; t++)
		x[t] = 7.25f;
	learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	out = forecast(nn_learner_model(learner), x, N, 30);
	for (int i = 0; i < 30 * Q; i++)
		is_constant = is_constant && fabsf(out[i] - 7.25f) < 0.02f;
	ok(is_constant, "a constant goes on");
	nn_learner_destroy(learner);
	net_case_free_all();
}

/* ---- answers -------------------------------------------------------------------- */

static bool
is_same_forecast(const NnModel *a, const NnModel *b, const float *x, int n, int n_steps)
{
	return memcmp(forecast(a, x, n, n_steps), forecast(b, x, n, n_steps),
				  (size_t) (n_steps * a->n_channels * Q) * sizeof(float)) == 0;
}

static void
test_answers(void)
{
	enum
	{
		N = 200, HORIZON = 5, FAR = 23
	};
	float	   *x = make_series(0, N + FAR, 3.0f, 3);
	TaskRow		row = series_row(x, N, 1);
	NnOptions	options = small_options();
	NnLearner  *learner;
	const NnModel *model;
	NnModel    *back;
	float	   *far;
	bool		is_continued = true;

	options.horizon = HORIZON;
	learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	model = nn_learner_model(learner);
	back = task_read_back(learner);
	ok(back != NULL && back->window == model->window && back->season == model->season &&
	   is_same_forecast(model, back, x, N, FAR), "read back from a file: the same forecast");

	far = forecast(model, x, N, FAR);
	ok(memcmp(forecast(model, x, N, 2), far, 2 * Q * sizeof(float)) == 0, "fewer steps are the first of more");
	for (int done = HORIZON; done + HORIZON <= FAR; done += HORIZON)
	{
		/* the medians so far, as if they had happened */
		for (int k = 0; k < done; k++)
			x[N + k] = far[k * Q + 1];
		is_continued = is_continued &&
			memcmp(forecast(model, x, N + done, HORIZON), far + done * Q, HORIZON * Q * sizeof(float)) == 0;
	}
	ok(is_continued, "beyond the horizon it goes on from its own medians");
	ok(memcmp(forecast(model, x + 50, N - 50, HORIZON), far, HORIZON * Q * sizeof(float)) == 0,
	   "what lies before the window does not matter");
	nn_model_destroy(back);
	nn_learner_destroy(learner);
	net_case_free_all();
}

/* Windows of other series in the same batch change nothing. */
static void
test_batch(void)
{
	enum
	{
		N = 150, N_INPUTS = 9
	};
	float	   *x = make_series(0, N + N_INPUTS, 3.0f, 4);
	TaskRow		row = series_row(x, N, 1);
	NnOptions	options = small_options();
	NnLearner  *learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	const NnModel *model = nn_learner_model(learner);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	int			n_outputs = model->spec.n_outputs;
	float	   *out = net_case_alloc((size_t) (N_INPUTS * n_outputs), sizeof(float));
	double	   *answer = net_case_alloc((size_t) n_outputs, sizeof(double));
	NnValue		inputs[N_INPUTS];
	NnWindowFrame frames[N_INPUTS];
	NnReading	readings[N_INPUTS];
	NnWindowShape shape;
	NnExamples	examples;
	NnTraced	traced;
	bool		is_same = true;

	for (int i = 0; i < N_INPUTS; i++)
		inputs[i] = series_value(x, N + i, 1);
	net_case_check(nn_forecast_shape(model, scratch, &shape, &err), &err);
	net_case_check(nn_encode_windows(model, inputs, N_INPUTS, scratch, &examples, frames, readings, &err), &err);
	net_case_check(nn_outputs(model->net, &examples, &nn_env_malloc, out, NULL, NULL, &err), &err);
	for (int i = 0; i < N_INPUTS; i++)
	{
		float	   *alone = forecast(model, x, N + i, model->spec.horizon);

		nn_window_answer(&shape, &frames[i], out + i * n_outputs, Q, answer);
		for (int k = 0; k < n_outputs; k++)
			is_same = is_same && alone[k] == (float) answer[k];
	}
	ok(is_same, "the same alone and in a batch");
	ok(readings[3].n_tokens == N + 3 && readings[3].n_used == nn_window_n_steps(&shape), "what was read is told");
	net_case_check(nn_trace(model, &inputs[0], scratch, &traced, &err), &err);
	is_int((int) traced.n, nn_window_n_steps(&shape), "a trace of the recurrent branch has its steps");
	nn_arena_destroy(scratch);
	nn_learner_destroy(learner);
	net_case_free_all();
}

/* ---- errors ----------------------------------------------------------------------- */

static void
test_bad_questions(void)
{
	float	   *x = make_series(0, 200, 3.0f, 6);
	TaskRow		row = series_row(x, 200, 1);
	NnOptions	options = small_options();
	NnLearner  *learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	const NnModel *model = nn_learner_model(learner);
	NnValue		value = series_value(x, model->window - 1, 1);

	ok(forecast_status(model, &value, 3) == NN_EDATA && err.detail[0] != '\0', "a history shorter than the window: %s",
	   err.detail);
	value = series_value(x, 0, 0);
	ok(forecast_status(model, &value, 3) == NN_EDATA, "no history at all: %s", err.message);
	value = series_value(x, 80, 2);
	ok(forecast_status(model, &value, 3) == NN_EINVAL, "another width: %s", err.message);
	value = task_text("1 2 3");
	ok(forecast_status(model, &value, 3) == NN_EINVAL, "a text: %s", err.message);
	value = series_value(x, 200, 1);
	ok(forecast_status(model, &value, 0) == NN_ERANGE, "no steps: %s", err.message);
	x[190] = NAN;
	ok(forecast_status(model, &value, 3) == NN_ERANGE, "NaN: %s", err.message);
	x[190] = INFINITY;
	ok(forecast_status(model, &value, 3) == NN_ERANGE, "infinity: %s", err.message);
	for (int t = 0; t < 200; t++)
		x[t] = t % 2 == 0 ? 3e38f : -3e38f;
	err.status = NN_OK;
	ok(forecast_status(model, &value, 40) == err.status && (err.status == NN_OK || err.status == NN_ERANGE),
	   "the largest numbers");
	nn_learner_destroy(learner);
	task_free_values();
	net_case_free_all();
}

static void
refused(const TaskRow *rows, int n, const NnOptions *options, NnStatus want, const char *name)
{
	const NnLearnReport *report;
	NnStatus	status;
	NnLearner  *learner = task_try(NN_TASK_FORECAST, options, NULL, rows, n, &nn_env_malloc, &report, &status, &err);

	ok(learner == NULL && status == want && err.message[0] != '\0', "%s: %s", name, err.message);
	nn_learner_destroy(learner);
}

static void
test_bad_series(void)
{
	float	   *x = make_series(0, 200, 3.0f, 7);
	TaskRow		row = series_row(x, 200, 1);
	NnOptions	options = small_options();

	options.window = 120;
	options.horizon = 81;
	refused(&row, 1, &options, NN_EDATA, "a series shorter than window and horizon");
	options = small_options();
	row.input.n_steps = 1;
	refused(&row, 1, &options, NN_EDATA, "a single step");
	refused(&row, 0, &options, NN_EDATA, "no rows");
	row.input.n_steps = 200;
	row.target = series_value(x, 10, 2);
	refused(&row, 1, &options, NN_EINVAL, "a target of another width");
	row.target = task_text("up");
	refused(&row, 1, &options, NN_EINVAL, "a target that is a text");
	row.target = nothing;
	options.cell = NN_CELL_NONE;
	options.bag = 0;
	refused(&row, 1, &options, NN_EDATA, "no network left");
	options = small_options();
	x[17] = NAN;
	refused(&row, 1, &options, NN_ERANGE, "NaN");
	task_free_values();
	net_case_free_all();
}

/* ---- what every training keeps ------------------------------------------------------ */

/* Some series, one too short to be cut; odd ones in two parts, input and target. */
static void
test_rows(void)
{
	enum
	{
		N_ROWS = 6
	};
	TaskRow		rows[2][N_ROWS];
	NnOptions	options = small_options();
	uint64_t	hash[2];

	options.window = 12;
	options.horizon = 4;
	for (int i = 0; i < N_ROWS; i++)
	{
		int			n = i == 2 ? 9 : 40 + 3 * i;
		int			n_input = i % 2 == 0 ? n : 20 + i;
		float	   *x = make_series(5 * i, n, 2.0f, 20 + (uint64_t) i);

		rows[0][i] = series_row(x, n, 1);
		rows[1][i] = series_row(x, n_input, 1);
		rows[1][i].target = series_value(x + n_input, n - n_input, 1);
	}
	for (int k = 0; k < 2; k++)
	{
		NnLearner  *learner = task_learn(NN_TASK_FORECAST, &options, NULL, rows[k], N_ROWS, NULL);

		hash[k] = task_file_hash(learner);
		nn_learner_destroy(learner);
	}
	ok(hash[0] == hash[1], "a target is what follows the input");
	ok(task_ignores_order(NN_TASK_FORECAST, &options, rows[0], N_ROWS), "the order of the rows does not matter");
	options.refit = 1;
	ok(task_keeps_its_plan(NN_TASK_FORECAST, &options, rows[0], N_ROWS), "memory stays within the plan");
	options.epochs = 1;
	options.hidden = 2;
	ok(task_survives_failures(NN_TASK_FORECAST, &options, rows[0], 3), "refusals and cancels leave nothing behind");
	net_case_free_all();
}

/* As windows, a long series of many channels would be a hundred times as large. */
static void
test_size(void)
{
	enum
	{
		N = 9000, C = 20
	};
	float	   *x = net_case_alloc(N * C, sizeof(float));
	TaskRow		row = series_row(x, N, C);
	NnOptions	options = small_options();
	NnLearner  *learner;
	NnStatus	status;
	NnPlan		plan;
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i < N * C; i++)
		x[i] = nn_rng_normal(&rng);
	options.window = 400;
	options.horizon = 2;
	options.season = 1;
	learner = task_begin(NN_TASK_FORECAST, &options, NULL, &row, 1, &nn_env_malloc, &status, &err);
	net_case_check(nn_learner_plan(learner, &plan, &err), &err);
	ok(plan.n_train < 5500 && plan.n_train > 2000 && nn_learner_bytes(learner) < (size_t) 160 << 20,
	   "of large windows fewer are held (%lld, %zu MB)", (long long) plan.n_train, nn_learner_bytes(learner) >> 20);
	ok(plan.spec.wide == NN_WIDE_NONE, "and they are too large for a linear branch");
	nn_learner_destroy(learner);
	net_case_free_all();
}

static void
test_cancel(void)
{
	float	   *x = make_series(0, 100, 3.0f, 9);
	TaskRow		row = series_row(x, 100, 1);
	NnOptions	options = small_options();
	NnLearner  *learner = task_learn(NN_TASK_FORECAST, &options, NULL, &row, 1, NULL);
	NnModel    *model = nn_learner_model(learner);
	NnValue		value = series_value(x, 100, 1);
	NnStatus	status = NN_ENOMEM;
	TestHost	host;
	bool		is_clean = true;

	test_host_init(&host);
	model->env = &host.env;
	host.cancel_at = 2;
	ok(forecast_status(model, &value, 100) == NN_ECANCELED && host.n_blocks == 0, "a long forecast can be stopped");
	for (int at = 1; status == NN_ENOMEM; at++)
	{
		test_host_init(&host);
		host.fail_at = at;
		status = forecast_status(model, &value, 100);
		is_clean = is_clean && host.n_blocks == 0 && (status == NN_ENOMEM || status == NN_OK);
	}
	ok(is_clean && status == NN_OK, "no memory is an error, and gives everything back");
	model->env = &nn_env_malloc;
	nn_learner_destroy(learner);
	net_case_free_all();
}

int
main(void)
{
	nn_kern_init();
	test_season(NN_CELL_LSTM, NN_AUTO, "both branches");
	test_season(NN_CELL_NONE, NN_AUTO, "linear");
	test_season(NN_CELL_LSTM, 0, "recurrent");
	test_exact();
	test_chaos();
	test_channels();
	test_constant();
	test_answers();
	test_batch();
	test_bad_questions();
	test_bad_series();
	test_rows();
	test_size();
	test_cancel();
	return done_testing();
}
