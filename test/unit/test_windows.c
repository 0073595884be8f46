/*
 * test_windows.c: seasons, lengths, the cut in time, and scales that come back.
 */
#include "model/windows.h"

#include <stdlib.h>

#include "base/rng.h"
#include "tap.h"
#include "test_host.h"

#define MAX_STEPS 12000

static TestHost host;
static NnArena *arena;
static float series[MAX_STEPS];
static int64_t start[64];
static NnSeriesSet set;

/* One series of n steps and C channels in `series`. */
static void
one_series(int64_t n, int C)
{
	start[0] = 0;
	start[1] = n;
	set = (NnSeriesSet) {.n = 1, .n_channels = C, .step_start = start, .values = series};
}

static void
fill_sine(int n, double period, double slope, double noise, uint64_t seed)
{
	NnRng		rng;

	nn_rng_seed(&rng, seed);
	for (int t = 0; t < n; t++)
		series[t] = (float) (sin(2.0 * M_PI * t / period) + slope * t + noise * nn_rng_normal(&rng));
	one_series(n, 1);
}

static int
season_of_set(void)
{
	NnError		err;
	int			season = -1;

	nn_arena_reset(arena);
	return nn_season_detect(&set, arena, &season, &err) == NN_OK ? season : -1;
}

static void
test_season(void)
{
	NnRng		rng;

	fill_sine(600, 24.0, 0.0, 0.3, 1);
	is_int(season_of_set(), 24, "a sine of period 24 with noise");
	fill_sine(120, 12.0, 0.1, 0.1, 2);
	is_int(season_of_set(), 12, "period 12 on a steep trend");
	fill_sine(2555, 365.25, 0.0, 0.6, 3);
	ok(abs(season_of_set() - 365) <= 10, "a year in noisy days: %d", season_of_set());

	/* a day of hours within a much larger year */
	for (int t = 0; t < 8640; t++)
		series[t] = (float) (10.0 * sin(2.0 * M_PI * t / 8760.0) + sin(2.0 * M_PI * t / 24.0));
	one_series(8640, 1);
	is_int(season_of_set(), 24, "a day within a larger year");

	for (int t = 0; t < 420; t++)
		series[t] = (float) (t % 7 == 3);
	one_series(420, 1);
	is_int(season_of_set(), 7, "one step in seven");

	nn_rng_seed(&rng, 4);
	for (int t = 0; t < 3000; t++)
		series[t] = nn_rng_normal(&rng);
	one_series(3000, 1);
	is_int(season_of_set(), 1, "noise has none");
	for (int t = 0; t < 3000; t++)
		series[t] = 5.0f + 0.01f * (float) t;
	is_int(season_of_set(), 1, "a straight line has none");
	for (int t = 0; t < 3000; t++)
		series[t] = 1e30f;
	is_int(season_of_set(), 1, "a constant has none");
	one_series(1, 1);
	is_int(season_of_set(), 1, "nor has one step");
	one_series(0, 1);
	is_int(season_of_set(), 1, "nor no step");
}

/* Twenty short series of two channels: none alone says enough. */
static void
test_season_many(void)
{
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i <= 20; i++)
		start[i] = 40 * i;
	for (int t = 0; t < 800; t++)
	{
		series[2 * t] = (float) (sin(2.0 * M_PI * (t % 40) / 7.0) + 0.5 * nn_rng_normal(&rng));
		series[2 * t + 1] = nn_rng_normal(&rng);
	}
	set = (NnSeriesSet) {.n = 20, .n_channels = 2, .step_start = start, .values = series};
	is_int(season_of_set(), 7, "a week in twenty short series of two channels");
}

static NnStatus
plan_set(int window, int horizon, double validation, NnWindowPlan *plan, NnError *err)
{
	NnWindowOptions options = {.window = window, .horizon = horizon, .validation = validation};

	nn_arena_reset(arena);
	return nn_windows_plan(&set, &options, arena, plan, err);
}

static void
test_lengths(void)
{
	NnWindowPlan plan;
	NnError		err;

	fill_sine(100, 12.0, 0.1, 0.1, 6);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK, "a hundred months");
	is_int(plan.shape.season, 12, "season of months");
	is_int(plan.shape.horizon, 12, "horizon: a season");
	is_int(plan.shape.window, 24, "window: two seasons are all that a hundred steps teach");
	ok(!plan.shape.has_level, "a trend: the level is no input");

	fill_sine(8640, 24.0, 0.0, 0.3, 7);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK, "a year of hours");
	is_int(plan.shape.horizon, 24, "horizon: a day");
	is_int(plan.shape.window, 336, "window: two weeks");
	ok(plan.shape.has_level, "no trend: the level is an input");

	fill_sine(2000, 24.0, 0.0, 0.3, 7);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK && plan.shape.window == 96, "fewer hours: four days");

	fill_sine(2555, 365.0, 0.0, 0.5, 8);
	ok(plan_set(0, 7, 0.2, &plan, &err) == NN_OK, "seven years of days");
	ok(plan.shape.window == plan.shape.season && abs(plan.shape.season - 365) <= 10, "window: a year");

	fill_sine(10, 3.0, 0.0, 0.0, 9);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK, "ten steps still have windows");
	ok(plan.n_train > 0, "%d train windows of %d + %d", (int) plan.n_train, plan.shape.window, plan.shape.horizon);
	one_series(2, 1);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK && plan.n_train == 1, "so have two");
	one_series(1, 1);
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_EDATA, "one has not");
	set.n = 0;
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_EDATA, "nor has no series");
}

/* Every window inside one series; targets of the parts apart. */
static void
test_cut(void)
{
	NnWindowPlan plan;
	NnWindowPlan all;
	NnError		err;

	fill_sine(200, 12.0, 0.0, 0.1, 10);
	ok(plan_set(24, 12, 0.2, &plan, &err) == NN_OK, "cut 200 steps");
	is_int(plan.n_train, 160 - 36 + 1, "training windows before the cut");
	is_int(plan.n_valid, 40 - 12 + 1, "held-out windows behind it");
	is_int(plan.train[0], 0, "the first begins the series");
	is_int(plan.train[plan.n_train - 1] + 36, 160, "the last training target stands before the cut");
	is_int(plan.valid[0] + 24, 160, "the first held-out target behind it");
	is_int(plan.valid[plan.n_valid - 1] + 36, 200, "the last held-out target ends the series");
	ok(nn_windows_plan_all(&set, &plan, 0, arena, &all, &err) == NN_OK &&
	   all.n_train == 200 - 36 + 1 && all.n_valid == 0, "all windows for a last training");
	ok(all.shape.mean == plan.shape.mean, "which keeps the means");

	ok(plan_set(24, 12, 0.0, &plan, &err) == NN_OK && plan.n_valid == 0 && plan.n_train == 165,
	   "nothing is held out when nothing is to be");
	one_series(50, 1);
	ok(plan_set(24, 12, 0.2, &plan, &err) == NN_OK && plan.n_valid == 0 && plan.n_train == 15,
	   "a series too short for both parts is for training");
}

static void
test_cut_many(void)
{
	NnWindowOptions options = {.window = 6, .horizon = 3, .season = 1, .validation = 0.2};
	NnWindowPlan plan;
	NnError		err;
	bool		is_inside = true;

	/* lengths 0 ... 39: the first nine are too short */
	start[0] = 0;
	for (int i = 0; i < 40; i++)
		start[i + 1] = start[i] + i;
	for (int t = 0; t < start[40]; t++)
		series[t] = (float) (t % 11);
	set = (NnSeriesSet) {.n = 40, .n_channels = 1, .step_start = start, .values = series};
	nn_arena_reset(arena);
	ok(nn_windows_plan(&set, &options, arena, &plan, &err) == NN_OK, "forty series of 0 to 39 steps");
	is_int(plan.n_skipped, 9, "the short ones are skipped and counted");
	for (int64_t i = 0; i < plan.n_train + plan.n_valid; i++)
	{
		int64_t		at = i < plan.n_train ? plan.train[i] : plan.valid[i - plan.n_train];
		int			s = 0;

		while (start[s + 1] <= at)
			s++;
		is_inside &= at + 9 <= start[s + 1];
	}
	ok(is_inside, "no window crosses into the next series");

	/* equal series with one window each: whole ones are held out */
	for (int i = 0; i <= 20; i++)
		start[i] = 9 * i;
	set.n = 20;
	nn_arena_reset(arena);
	ok(nn_windows_plan(&set, &options, arena, &plan, &err) == NN_OK &&
	   plan.n_train == 16 && plan.n_valid == 4, "series of one window: every fifth is held out");
	is_int(plan.valid[0], 36, "the fifth first");

	set.n = 1;
	start[1] = 8;
	nn_arena_reset(arena);
	ok(nn_windows_plan(&set, &options, arena, &plan, &err) == NN_EDATA, "eight steps for nine");
	ok(strstr(err.detail, "need 9 steps") != NULL && err.hint[0] != '\0', "says what is missing: %s", err.detail);

	options.max_train = 100;
	options.max_valid = 10;
	fill_sine(10000, 24.0, 0.0, 0.1, 11);
	nn_arena_reset(arena);
	ok(nn_windows_plan(&set, &options, arena, &plan, &err) == NN_OK &&
	   plan.n_train <= 101 && plan.n_train >= 90 && plan.n_valid <= 11, "at most so many windows");
	is_int(plan.train[plan.n_train - 1] + 9, 8000, "the newest among them");
}

static void
test_options(void)
{
	NnWindowPlan plan;
	NnError		err;

	fill_sine(100, 12.0, 0.0, 0.0, 12);
	ok(plan_set(-1, 0, 0.2, &plan, &err) == NN_ERANGE, "a negative window");
	ok(plan_set(NN_MAX_WINDOW + 1, 0, 0.2, &plan, &err) == NN_ERANGE, "a window too long");
	ok(plan_set(0, NN_MAX_HORIZON + 1, 0.2, &plan, &err) == NN_ERANGE, "a horizon too long");
	ok(plan_set(0, 0, (double) NAN, &plan, &err) == NN_ERANGE, "a share that is none");
	ok(plan_set(0, NN_MAX_HORIZON, 0.2, &plan, &err) == NN_EDATA, "a horizon longer than the data");
}

/* Read a window, take the truth as the answer: the truth must come back. */
static void
test_scale(void)
{
	NnWindowOptions options = {.window = 8, .horizon = 4, .season = 1, .n_targets = 2, .validation = 0.2};
	NnWindowPlan plan;
	NnError		err;
	NnRng		rng;
	NnWindowFrame frame[2];
	float		flat[9 * 3];
	float		steps[8 * 6];
	float		target[4 * 2];
	double		answer[4 * 2];
	double		worst = 0.0;

	nn_rng_seed(&rng, 13);
	for (int t = 0; t < 300; t++)
	{
		series[3 * t] = 1000.0f + 50.0f * nn_rng_normal(&rng);
		series[3 * t + 1] = 0.001f * nn_rng_normal(&rng);
		series[3 * t + 2] = 7.0f;	/* constant */
	}
	one_series(300, 3);
	nn_arena_reset(arena);
	ok(nn_windows_plan(&set, &options, arena, &plan, &err) == NN_OK, "three channels, two of them answered");
	is_near(plan.shape.mean[0], 1000.0, 10.0, "mean of the first");
	is_near(plan.shape.deviation[1], 0.001, 0.0002, "deviation of the second");
	is_int(nn_window_n_inputs(&plan.shape), 27, "flattened window and levels");
	is_int(nn_window_n_steps(&plan.shape), 8, "steps");
	is_int(nn_window_n_step_channels(&plan.shape), 6, "numbers a step");

	for (int64_t i = 0; i < plan.n_train; i++)
	{
		const float *at = series + 3 * plan.train[i];

		nn_window_read(&plan.shape, at, flat, steps, frame);
		nn_window_target(&plan.shape, at + 8 * 3, frame, target);
		nn_window_answer(&plan.shape, frame, target, 1, answer);
		for (int k = 0; k < 4; k++)
		{
			worst = fmax(worst, fabs(answer[2 * k] - at[(8 + k) * 3]) / 50.0);
			worst = fmax(worst, fabs(answer[2 * k + 1] - at[(8 + k) * 3 + 1]) / 0.001);
		}
	}
	is_near(worst, 0.0, 1e-5, "scaled and back (float rounding of u, in deviations)");
	ok(flat[7 * 3] == 0.0f && flat[7 * 3 + 1] == 0.0f, "the last step is 0");
	ok(flat[2] == 0.0f && flat[8 * 3 + 2] == 0.0f, "so is a constant channel");
	ok(steps[6] == flat[3] && steps[6 + 3] == flat[8 * 3], "a step carries its u and the level");
	is_near(frame[0].weight * plan.shape.deviation[0], frame[0].unit, 1e-3, "weight leads to z");
}

static void
test_constant(void)
{
	NnWindowPlan plan;
	NnError		err;
	NnWindowFrame frame;
	float		flat[32];
	float		outputs[3] = {0.0f, 0.0f, 0.0f};
	double		answer[3];

	for (int t = 0; t < 100; t++)
		series[t] = -3e38f;
	one_series(100, 1);
	ok(plan_set(8, 1, 0.2, &plan, &err) == NN_OK, "a constant series");
	nn_window_read(&plan.shape, series, flat, NULL, &frame);
	nn_window_answer(&plan.shape, &frame, outputs, 3, answer);
	ok(answer[0] == -3e38f && answer[2] == -3e38f, "no change is exactly no change");
	series[3] = 3e38f;
	nn_window_read(&plan.shape, series, flat, NULL, &frame);
	ok(isfinite(flat[3]) && isfinite(frame.unit), "a jump that was never seen stays finite");

	for (int t = 0; t < 100; t++)
		series[t] = 0.0f;
	ok(plan_set(8, 1, 0.2, &plan, &err) == NN_OK && plan.shape.deviation[0] == 1.0f, "zeros only");
	series[3] = 3e38f;
	nn_window_read(&plan.shape, series, flat, NULL, &frame);
	ok(isfinite(flat[3]) && isfinite(flat[8]) && isfinite(frame.unit), "and then not");
}

static void
test_quantiles(void)
{
	float		mean = 10.0f;
	float		deviation = 2.0f;
	NnWindowShape shape = {.season = 1, .window = 4, .horizon = 2, .n_channels = 1, .n_targets = 1,
	.mean = &mean, .deviation = &deviation};
	NnWindowFrame frame = {.base = 10.0, .unit = 2.0};
	float		outputs[6] = {1.0f, 0.0f, -1.0f, -1.0f, 0.5f, 0.25f};
	double		answer[6];

	nn_window_answer(&shape, &frame, outputs, 3, answer);
	ok(answer[0] == 8.0 && answer[1] == 10.0 && answer[2] == 12.0, "crossed quantiles are put in order");
	ok(answer[3] == 8.0 && answer[4] == 10.5 && answer[5] == 11.0, "each step for itself");
}

static void
test_tail_and_advance(void)
{
	float		mean[2] = {0};
	float		deviation[2] = {1.0f, 1.0f};
	NnWindowShape shape = {.season = 1, .window = 4, .horizon = 2, .n_channels = 2, .n_targets = 1,
	.mean = mean, .deviation = deviation};
	float		history[] = {1, -1, 2, -2, 3, -3, 4, -4, 5, -5};
	double		median[6] = {6, 7, 8, 9, 10, 11};
	float		window[8];

	is_int(nn_window_tail(&shape, history, 5, window), 0, "a longer series");
	ok(window[0] == 2.0f && window[7] == -5.0f, "its last steps");
	nn_window_advance(&shape, median, window);
	ok(window[0] == 4.0f && window[4] == 6.0f && window[6] == 7.0f, "two answered steps on");
	ok(window[3] == -5.0f && window[5] == -5.0f && window[7] == -5.0f, "an unanswered channel stays");
	is_int(nn_window_tail(&shape, history, 2, window), 2, "a shorter series");
	ok(window[0] == 1.0f && window[2] == 1.0f && window[4] == 1.0f && window[6] == 2.0f, "led in by its first step");
	shape.horizon = 6;
	nn_window_advance(&shape, median, window);
	ok(window[0] == 8.0f && window[6] == 11.0f && window[1] == -2.0f && window[7] == -2.0f,
	   "a horizon longer than the window");
}

/* Whatever fails on the way, the status says so and nothing is kept. */
static void
test_failures(void)
{
	bool		is_enomem = true;
	bool		is_canceled;
	int			n_polls;
	NnWindowPlan plan;
	NnError		err;

	fill_sine(9000, 24.0, 0.0, 0.3, 14);
	for (long at = 1; at < 40; at++)
	{
		TestHost	failing;
		NnArena    *other;

		test_host_init(&failing);
		failing.fail_at = at;
		failing.is_failing_on = true;
		other = nn_arena_create(&failing.env);
		if (other != NULL)
		{
			NnWindowOptions options = {.validation = 0.2};
			NnStatus	status = nn_windows_plan(&set, &options, other, &plan, &err);

			is_enomem &= status == NN_OK || status == NN_ENOMEM;
			nn_arena_destroy(other);
		}
		is_enomem &= failing.n_live == 0;
	}
	ok(is_enomem, "out of memory anywhere");

	host.n_polls = 0;
	ok(plan_set(0, 0, 0.2, &plan, &err) == NN_OK && host.n_polls >= 2, "%ld polls", host.n_polls);
	n_polls = (int) host.n_polls;
	is_canceled = true;
	for (int at = 1; at <= n_polls; at++)
	{
		host.n_polls = 0;
		host.cancel_at = at;
		is_canceled &= plan_set(0, 0, 0.2, &plan, &err) == NN_ECANCELED;
	}
	host.cancel_at = 0;
	ok(is_canceled, "canceled anywhere");
}

int
main(void)
{
	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	test_season();
	test_season_many();
	test_lengths();
	test_cut();
	test_cut_many();
	test_options();
	test_scale();
	test_constant();
	test_quantiles();
	test_tail_and_advance();
	test_failures();
	nn_arena_destroy(arena);
	is_int(host.n_live, 0, "all memory is given back");
	return done_testing();
}
