/*
 * model/windows.c: which windows are cut, and what their numbers become.
 *
 * Lengths that were not asked for (doc/recipes.md has the measurements):
 *
 *	horizon	one season of at most 24 steps, else 24; at most an eighth of the
 *			longest series
 *	window	as many whole seasons as fit into 336 steps (two weeks of hours) if
 *			there are twenty windows for each number of a window to learn from;
 *			else as fit into 100 steps, with two windows for each; without a
 *			season, two horizons.  With too little data fewer seasons, and then
 *			fewer steps; at most half of the series may be too short.
 *
 * Held out at the end of each series is its last share, and at least one and a
 * half horizons, so that several windows judge.  A held-out window may begin
 * among the training steps; only targets must not be shared:
 *
 *	|-------------------- n ---------------------|
 *	|------------- cut ------------|-- held out --|
 *	[  window  ][ horizon ]      ..				first and
 *	            [  window  ][ hor. ]			last training window
 *	                   [  window  ][ horizon ]	first held-out window
 *
 * Nothing here allocates but the plan's arrays.
 */
#include "model/windows.h"

#include <math.h>
#include <string.h>

#define SEASONS_WITHIN		100 /* steps */
#define SEASONS_WITHIN_MUCH 336 /* steps, with much data */
#define WINDOWS_A_NUMBER	2
#define WINDOWS_A_NUMBER_MUCH 20
#define LONGEST_SEASON_HORIZON 24
#define TREND_SHARE			0.5 /* of the variance, from which on a straight line is a trend */
#define WHOLE_SERIES_LEAST	10	/* series, from which on whole ones may be held out */
#define MAX_TRAIN			20000
#define MAX_VALID			2000
#define LEAST_UNIT			1e-30	/* far from where floats lose their precision */
#define POLL_STEPS			(1 << 20)
#define POLL_SERIES			4096

static int64_t
series_steps(const NnSeriesSet *set, int64_t i)
{
	return set->step_start[i + 1] - set->step_start[i];
}

/* Windows in n steps. */
static int64_t
count_windows(int64_t n, int64_t window, int64_t horizon)
{
	return n >= window + horizon ? n - window - horizon + 1 : 0;
}

/* ---- lengths --------------------------------------------------------------- */

/* Are there so many windows of this length for each number in one? */
static bool
is_taught(const NnSeriesSet *set, int window, int horizon, int windows_a_number)
{
	double		n_needed = (double) windows_a_number * window * set->n_channels;
	int64_t		n_windows = 0;
	int64_t		n_short = 0;

	if (window > NN_MAX_WINDOW)
		return false;
	for (int64_t i = 0; i < set->n; i++)
	{
		int64_t		n = count_windows(series_steps(set, i), window, horizon);

		n_windows += n;
		n_short += n == 0;
	}
	return (double) n_windows >= n_needed && 2 * n_short <= set->n;
}

static int
choose_horizon(const NnSeriesSet *set, int season)
{
	int			horizon = season > 1 && season <= LONGEST_SEASON_HORIZON ? season : LONGEST_SEASON_HORIZON;
	int64_t		longest = 0;

	for (int64_t i = 0; i < set->n; i++)
	{
		if (series_steps(set, i) > longest)
			longest = series_steps(set, i);
	}
	if (horizon > longest / 8)
		horizon = (int) (longest / 8);
	return horizon > 1 ? horizon : 1;
}

/* The most whole seasons within so many steps (at least one) that are taught, in steps; 0: not even one. */
static int
choose_seasons(const NnSeriesSet *set, int season, int horizon, int within, int windows_a_number)
{
	int			n_seasons = season < within ? within / season : 1;

	while (n_seasons > 0 && !is_taught(set, n_seasons * season, horizon, windows_a_number))
		n_seasons--;
	return n_seasons * season;
}

static int
choose_window(const NnSeriesSet *set, int season, int horizon)
{
	int			window = 0;

	if (season > 1)
	{
		int			much = choose_seasons(set, season, horizon, SEASONS_WITHIN_MUCH, WINDOWS_A_NUMBER_MUCH);

		window = choose_seasons(set, season, horizon, SEASONS_WITHIN, WINDOWS_A_NUMBER);
		if (much > window)
			window = much;
	}
	if (window > 0)
		return window;
	window = 2 * horizon > 16 ? 2 * horizon : 16;
	if (window > NN_MAX_WINDOW)
		window = NN_MAX_WINDOW;
	while (window > 1 && !is_taught(set, window, horizon, WINDOWS_A_NUMBER))
		window -= (window + 3) / 4;
	return window > 1 ? window : 1;
}

static NnStatus
check_options(const NnSeriesSet *set, const NnWindowOptions *options, NnError *err)
{
	if (options->season < 0 || options->season > NN_MAX_WINDOW)
		return nn_fail(err, NN_ERANGE, "season must be 0 ... %d", NN_MAX_WINDOW);
	if (options->window < 0 || options->window > NN_MAX_WINDOW)
		return nn_fail(err, NN_ERANGE, "window must be 0 ... %d", NN_MAX_WINDOW);
	if (options->horizon < 0 || options->horizon > NN_MAX_HORIZON)
		return nn_fail(err, NN_ERANGE, "horizon must be 0 ... %d", NN_MAX_HORIZON);
	if (options->n_targets < 0 || options->n_targets > set->n_channels)
		return nn_fail(err, NN_ERANGE, "a series of %d channels has no %d targets",
					   set->n_channels, options->n_targets);
	if (!(options->validation >= 0.0 && options->validation <= 0.9))
		return nn_fail(err, NN_ERANGE, "validation must be 0 ... 0.9");
	return NN_OK;
}

/* Season, horizon and window, asked for or chosen. */
static NnStatus
choose_lengths(const NnSeriesSet *set, const NnWindowOptions *options, NnArena *arena,
			   NnWindowShape *shape, NnError *err)
{
	if (options->season > 0)
		shape->season = options->season;
	else
		NN_TRY(nn_season_detect(set, arena, &shape->season, err));
	shape->horizon = options->horizon > 0 ? options->horizon : choose_horizon(set, shape->season);
	shape->window = options->window > 0 ? options->window : choose_window(set, shape->season, shape->horizon);
	shape->n_channels = set->n_channels;
	shape->n_targets = options->n_targets > 0 ? options->n_targets : set->n_channels;
	return NN_OK;
}

/* ---- where windows are cut ------------------------------------------------- */

/* How the usable series are divided. */
typedef struct Split
{
	double		share;			/* held out at the end of each series... */
	int64_t		every;			/* ...or every so many-th series as a whole; 0: none */
} Split;

/* Steps of a series of n that may hold training targets; n: nothing of it is held out. */
static int64_t
steps_before_cut(const NnWindowShape *shape, double share, int64_t n)
{
	int64_t		n_held = (int64_t) ceil(share * (double) n);
	int64_t		least = shape->horizon + (shape->horizon + 1) / 2;
	int64_t		n_train;
	int64_t		n_valid;

	if (share <= 0.0)
		return n;
	if (n_held < least)
		n_held = least;
	n_train = count_windows(n - n_held, shape->window, shape->horizon);
	n_valid = n_held - shape->horizon + 1;

	/* What judges must not be more than what is judged. */
	return n_train > 0 && n_train >= n_valid ? n - n_held : n;
}

/* A usable series' parts: steps before the cut for training, and whether windows behind it are held out. */
static int64_t
divide(const NnWindowShape *shape, const Split *split, int64_t n, int64_t i_usable)
{
	if (split->every > 0)
		return i_usable % split->every == split->every - 1 ? 0 : n;
	return steps_before_cut(shape, split->share, n);
}

/* Windows of both parts. */
static void
count_parts(const NnSeriesSet *set, const NnWindowShape *shape, const Split *split,
			int64_t *n_train, int64_t *n_valid, int64_t *n_usable)
{
	*n_train = *n_valid = *n_usable = 0;
	for (int64_t i = 0; i < set->n; i++)
	{
		int64_t		n = series_steps(set, i);
		int64_t		n_windows = count_windows(n, shape->window, shape->horizon);
		int64_t		cut;

		if (n_windows == 0)
			continue;
		cut = divide(shape, split, n, (*n_usable)++);
		*n_train += count_windows(cut, shape->window, shape->horizon);
		if (cut < n)
			*n_valid += cut > 0 ? n - cut - shape->horizon + 1 : n_windows;
	}
}

/* Every stride-th window that begins at first ... last, the last one among them. */
static int64_t
put_windows(int64_t *out, int64_t n_out, int64_t start, int64_t first, int64_t last, int64_t stride)
{
	for (int64_t at = first + (last - first) % stride; at <= last; at += stride)
		out[n_out++] = start + at;
	return n_out;
}

static void
fill_parts(const NnSeriesSet *set, const Split *split, int64_t stride_train, int64_t stride_valid,
		   NnWindowPlan *plan)
{
	const NnWindowShape *shape = &plan->shape;
	int64_t		i_usable = 0;

	plan->n_train = plan->n_valid = 0;
	for (int64_t i = 0; i < set->n; i++)
	{
		int64_t		n = series_steps(set, i);
		int64_t		last = n - shape->window - shape->horizon;
		int64_t		cut;

		if (last < 0)
			continue;
		cut = divide(shape, split, n, i_usable++);
		if (cut > 0)
			plan->n_train = put_windows(plan->train, plan->n_train, set->step_start[i],
										0, cut - shape->window - shape->horizon, stride_train);
		if (cut < n)
			plan->n_valid = put_windows(plan->valid, plan->n_valid, set->step_start[i],
										cut > 0 ? cut - shape->window : 0, last, stride_valid);
	}
}

static NnStatus
fail_too_short(const NnSeriesSet *set, const NnWindowShape *shape, NnError *err)
{
	int64_t		longest = 0;

	for (int64_t i = 0; i < set->n; i++)
	{
		if (series_steps(set, i) > longest)
			longest = series_steps(set, i);
	}
	nn_fail(err, NN_EDATA, "no series is long enough to learn from");
	nn_fail_detail(err, "A window of %d steps and a horizon of %d need %d steps; the longest of %lld series has %lld.",
				   shape->window, shape->horizon, shape->window + shape->horizon,
				   (long long) set->n, (long long) longest);
	return nn_fail_hint(err, "A shorter window or horizon needs fewer steps.");
}

/* Cut the windows of plan->shape: at most max_train and max_valid. */
static NnStatus
cut_windows(const NnSeriesSet *set, Split *split, int64_t max_train, int64_t max_valid,
			NnArena *arena, NnWindowPlan *plan, NnError *err)
{
	int64_t		n_train;
	int64_t		n_valid;
	int64_t		n_usable;
	int64_t		stride_train;
	int64_t		stride_valid;

	count_parts(set, &plan->shape, split, &n_train, &n_valid, &n_usable);
	plan->n_skipped = set->n - n_usable;
	if (n_usable == 0)
		return fail_too_short(set, &plan->shape, err);
	if (n_valid == 0 && split->share > 0.0 && n_usable >= WHOLE_SERIES_LEAST)
	{
		split->every = (int64_t) ceil(1.0 / split->share);
		if (split->every > n_usable)
			split->every = n_usable;
		if (split->every < 2)
			split->every = 2;
		count_parts(set, &plan->shape, split, &n_train, &n_valid, &n_usable);
	}

	/* Each series keeps its last window, so a part may have one window a series more than its bound. */
	stride_train = (n_train + max_train - 1) / max_train;
	stride_valid = (n_valid + max_valid - 1) / max_valid;
	stride_train = stride_train > 1 ? stride_train : 1;
	stride_valid = stride_valid > 1 ? stride_valid : 1;
	plan->train = NN_TAKE(arena, int64_t, (size_t) (n_train / stride_train + n_usable));
	plan->valid = NN_TAKE(arena, int64_t, (size_t) (n_valid / stride_valid + n_usable));
	if (plan->train == NULL || plan->valid == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	fill_parts(set, split, stride_train, stride_valid, plan);
	return NN_OK;
}

/* ---- means, deviations, trend ---------------------------------------------- */

/* Of one channel, over the usable series. */
typedef struct Moments
{
	double		n;
	double		sum;
	double		mean;
	double		square;			/* squared distances to mean; these four of training steps only */
	double		own;			/* squared distances to each series' own mean... */
	double		explained;		/* ...and what straight lines take off them */
} Moments;

/*
 * Add a series of n steps, the first n_train of them for training.  The first pass
 * sums; the second, with d = x - mean and time t counted from the middle, takes
 * squares, and the regression on time, which explains (sum d t)^2 / sum t^2.
 */
static NnStatus
add_steps(Moments *moments, const float *values, int stride, int64_t n, int64_t n_train, bool is_first,
		  const NnArena *arena, NnError *err)
{
	double		middle = (double) (n - 1) / 2.0;
	double		sum = 0.0;
	double		square = 0.0;
	double		product = 0.0;

	for (int64_t t = 0; t < (is_first ? n_train : n); t++)
	{
		double		distance = values[t * stride] - moments->mean;

		sum += distance;
		square += distance * distance;
		product += ((double) t - middle) * distance;
		if (t + 1 == n_train)
			moments->square += square;
		if ((t + 1) % POLL_STEPS == 0 && nn_arena_poll(arena) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "training was canceled");
	}
	if (is_first)
	{
		moments->sum += sum;
		moments->n += (double) n_train;
		return NN_OK;
	}
	moments->own += square - sum * sum / (double) n;
	if (n > 1)					/* sum t^2 = n (n^2 - 1) / 12 */
		moments->explained += product * product * 12.0 / ((double) n * ((double) n * (double) n - 1.0));
	return NN_OK;
}

static NnStatus
measure_channel(const NnSeriesSet *set, const Split *split, const NnWindowShape *shape, int c,
				const NnArena *arena, Moments *moments, NnError *err)
{
	memset(moments, 0, sizeof(*moments));
	for (int pass = 0; pass < 2; pass++)
	{
		int64_t		i_usable = 0;

		moments->square = 0.0;
		for (int64_t i = 0; i < set->n; i++)
		{
			int64_t		n = series_steps(set, i);

			if (i % POLL_SERIES == 0 && nn_arena_poll(arena) != NN_OK)
				return nn_fail(err, NN_ECANCELED, "training was canceled");
			if (count_windows(n, shape->window, shape->horizon) > 0)
				NN_TRY(add_steps(moments, set->values + set->step_start[i] * set->n_channels + c, set->n_channels,
								 n, divide(shape, split, n, i_usable++), pass == 0, arena, err));
		}
		if (pass == 0)
			moments->mean = moments->sum / moments->n;
	}
	return NN_OK;
}

/* Mean and deviation of each channel over the training steps; has_level of the targets. */
static NnStatus
measure(const NnSeriesSet *set, const Split *split, const NnArena *arena, NnWindowShape *shape, NnError *err)
{
	double		explained = 0.0;

	for (int c = 0; c < set->n_channels; c++)
	{
		Moments		moments;
		double		deviation;

		NN_TRY(measure_channel(set, split, shape, c, arena, &moments, err));
		deviation = sqrt(moments.square / moments.n);
		if (deviation > 1e-6 * fabs(moments.mean) && deviation > LEAST_UNIT)
		{
			if (c < shape->n_targets && moments.own > 0.0)
				explained += moments.explained / moments.own;
		}
		else					/* constant to the precision of floats: 0 in z, whatever divides it */
			deviation = fabs(moments.mean) > LEAST_UNIT ? fabs(moments.mean) : 1.0;
		shape->mean[c] = (float) moments.mean;
		shape->deviation[c] = (float) deviation;
	}
	shape->has_level = explained / shape->n_targets < TREND_SHARE;
	return NN_OK;
}

NnStatus
nn_windows_plan(const NnSeriesSet *set, const NnWindowOptions *options,
				NnArena *arena, NnWindowPlan *plan, NnError *err)
{
	Split		split = {0};

	memset(plan, 0, sizeof(*plan));
	NN_TRY(check_options(set, options, err));
	if (set->n == 0)
	{
		nn_fail(err, NN_EDATA, "there are no series to learn from");
		return nn_fail_hint(err, "Rows whose series is null do not count.");
	}
	NN_TRY(choose_lengths(set, options, arena, &plan->shape, err));
	split.share = options->validation;
	NN_TRY(cut_windows(set, &split, options->max_train > 0 ? options->max_train : MAX_TRAIN,
					   options->max_valid > 0 ? options->max_valid : MAX_VALID, arena, plan, err));
	plan->shape.mean = NN_ALLOC(arena, float, (size_t) set->n_channels);
	plan->shape.deviation = NN_ALLOC(arena, float, (size_t) set->n_channels);
	if (plan->shape.mean == NULL || plan->shape.deviation == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return measure(set, &split, arena, &plan->shape, err);
}

NnStatus
nn_windows_plan_all(const NnSeriesSet *set, const NnWindowPlan *plan, int64_t max_train,
					NnArena *arena, NnWindowPlan *all, NnError *err)
{
	Split		split = {0};

	memset(all, 0, sizeof(*all));
	all->shape = plan->shape;
	return cut_windows(set, &split, max_train > 0 ? max_train : MAX_TRAIN, 1, arena, all, err);
}
