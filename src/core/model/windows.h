/*
 * model/windows.h: series -> windows, and back.  Knows no network but how far it may look.
 *
 * A forecast reads the last `window` steps of a series and answers all of the
 * next `horizon` steps at once.  Here is what surrounds the network: the season
 * of a column of series, the lengths that follow from it, where windows are cut
 * and which of them are held out, and the change of scale between a series and
 * what the network sees.  doc/recipes.md has the measurements.
 *
 * Scale of a window, with x a channel's value at a step:
 *
 *	z = (x - mean) / deviation					of the channel, over all training steps
 *	u = (z - z_last) / scale					z_last: the window's last step
 *	scale = sqrt(max(deviation of z within the window, 0.1))
 *
 * Subtracting the last value makes "no change" the answer of a network that says
 * nothing.  The square root stands between no division (wrong where the season's
 * swing grows with the level, as sales do) and division by the whole deviation
 * (wrong where a quiet window says little about the next hours, as with dust in
 * the air); measured, it is never worse than the better of the two by much.
 *
 * The level z_last is an input too, so that a series that always comes back to
 * its mean is known to; but not where a trend carries the level out of the range
 * that was learned.
 */
#ifndef NN_WINDOWS_H
#define NN_WINDOWS_H

#include "base/arena.h"
#include "nn/spec.h"

/* Longest season looked for, and the most steps a season or window may have; of horizons nn/spec.h says it. */
#define NN_MAX_SEASON		512
#define NN_MAX_WINDOW		4096

/* Steps at the end of the window that a recurrent branch reads. */
#define NN_RECURRENT_STEPS	96

/* Several series of the same channels, end to end; every value is finite. */
typedef struct NnSeriesSet
{
	int64_t		n;				/* series */
	int			n_channels;
	const int64_t *step_start;	/* (n + 1), ascending from 0 */
	const float *values;		/* (steps, channels) */
} NnSeriesSet;

/*
 * The season in steps, or 1 if there is none, from the autocorrelation of all
 * channels together.  scratch is not reset.  NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_season_detect(const NnSeriesSet *set, NnArena *scratch, int *season, NnError *err);

/* What a model keeps. */
typedef struct NnWindowShape
{
	int			season;			/* 1: none */
	int			window;			/* steps read */
	int			horizon;		/* steps answered */
	int			n_channels;		/* read */
	int			n_targets;		/* answered: the first channels */
	bool		has_level;		/* z_last is an input */
	float	   *mean;			/* (n_channels) */
	float	   *deviation;		/* (n_channels), positive */
} NnWindowShape;

/* What was asked for; 0: to be chosen. */
typedef struct NnWindowOptions
{
	int			season;			/* 1: none */
	int			window;
	int			horizon;
	int			n_targets;		/* 0: all channels */
	double		validation;		/* share of each series held out at its end; 0: nothing */
	int64_t		max_train;		/* windows kept at most, evenly spaced; 0: 20000 */
	int64_t		max_valid;		/* 0: 2000 */
} NnWindowOptions;

/* Where windows begin, as steps counted from the first series' first, ascending. */
typedef struct NnWindowPlan
{
	NnWindowShape shape;
	int64_t		n_train;
	int64_t		n_valid;		/* may be 0: the series are too short to hold a part out */
	int64_t    *train;
	int64_t    *valid;
	int64_t		n_skipped;		/* series shorter than window + horizon */
} NnWindowPlan;

/*
 * Choose what is to be chosen and cut the windows.  The targets of training
 * windows all lie before those of the held-out windows of the same series;
 * where no series is long enough for both, whole series are held out.  The plan
 * lives in arena.  NN_ERANGE for options, NN_EDATA if no series is long enough.
 */
NnStatus	nn_windows_plan(const NnSeriesSet *set, const NnWindowOptions *options,
							NnArena *arena, NnWindowPlan *plan, NnError *err);

/*
 * The plan for all windows: for a last training on everything.  The shape stays, but
 * means and deviations stay too, so weights learned before still fit.
 */
NnStatus	nn_windows_plan_all(const NnSeriesSet *set, const NnWindowPlan *plan, int64_t max_train,
								NnArena *arena, NnWindowPlan *all, NnError *err);

/* How one window's target channel is scaled: x = base + unit * u. */
typedef struct NnWindowFrame
{
	double		base;			/* the last value */
	double		unit;			/* deviation * scale */
	float		weight;			/* scale: an error in u times weight is an error in z */
} NnWindowFrame;

/* Numbers of the flattened window: window * channels of u, then the level of each channel if has_level. */
int64_t		nn_window_n_inputs(const NnWindowShape *shape);

/* Steps of the recurrent branch and numbers a step: u, then the level. */
int			nn_window_n_steps(const NnWindowShape *shape);
int			nn_window_n_step_channels(const NnWindowShape *shape);

/*
 * Read one window of values (window, channels): flat gets nn_window_n_inputs()
 * numbers; steps, unless NULL, n_steps * n_step_channels; frame (n_targets).
 */
void		nn_window_read(const NnWindowShape *shape, const float *values,
						   float *flat, float *steps, NnWindowFrame *frame);

/* The steps behind the window, values (horizon, channels), as u into target (horizon, n_targets). */
void		nn_window_target(const NnWindowShape *shape, const float *values,
							 const NnWindowFrame *frame, float *target);

/*
 * Outputs u (horizon, n_targets, n_quantiles) as values of the series.  The
 * quantiles of a step are put in ascending order: networks that answer them
 * apart can cross (Chernozhukov et al. 2010 show that sorting only helps).
 */
void		nn_window_answer(const NnWindowShape *shape, const NnWindowFrame *frame,
							 const float *outputs, int n_quantiles, double *answer);

/*
 * The last window of a series of n_steps > 0 steps, into out (window, channels).
 * A shorter series is led in by its first step; returns how many such steps.
 */
int			nn_window_tail(const NnWindowShape *shape, const float *values, int64_t n_steps, float *out);

/*
 * Move a window `horizon` steps on, to forecast further than the horizon: median
 * (horizon, n_targets) is appended; channels that are not answered keep their
 * last value.
 */
void		nn_window_advance(const NnWindowShape *shape, const double *median, float *window);

#endif							/* NN_WINDOWS_H */
