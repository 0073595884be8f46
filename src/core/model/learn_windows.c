/*
 * model/learn_windows.c: forecasts: rows -> series -> windows as examples.
 *
 * A row is a series; a target, where there is one, is what follows it.  Series are
 * put end to end in hash order, so that the order of the rows does not matter.
 * Windows (windows.c) overlap in nearly all of their steps, and as examples each is
 * a copy: there are at most so many of them that the copies stay within
 * MAX_FLOATS, however long the series.  Flat windows are copied for a linear branch alone.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

/* Numbers of all training windows together: 96 MB. */
#define MAX_FLOATS		((int64_t) 24 << 20)
#define MAX_TRAIN		20000
#define MAX_VALID		2000

#define N_QUANTILES		3

/* Windows read, or series copied, between two polls. */
#define POLL_WINDOWS	256

/* ---- rows ------------------------------------------------------------------------- */

NnStatus
nn_learner_add_following(NnLearner *learner, const NnValue *following, NnRow *row, NnError *err)
{
	size_t		n;
	float	   *place;

	if (following == NULL || (following->kind == NN_VALUE_NUMBERS && following->n_steps == 0))
		return NN_OK;
	if (following->kind != NN_VALUE_NUMBERS)
		return nn_fail(err, NN_EINVAL, "what follows a series must be numbers");
	NN_TRY(nn_value_check(following, err));
	if (following->n_channels != learner->n_channels)
	{
		nn_fail(err, NN_EINVAL, "input and target have different widths");
		return nn_fail_detail(err, "The target has %d numbers a step, the input %d.",
							  following->n_channels, learner->n_channels);
	}
	if (following->n_steps > INT32_MAX - row->n)
		return nn_fail(err, NN_ELIMIT, "a series is too long");
	n = (size_t) following->n_steps * (size_t) following->n_channels;
	place = nn_array_push(&learner->floats, n);
	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(place, following->numbers, n * sizeof(float));
	row->n += following->n_steps;
	row->input_hash = nn_hash_bytes((const float *) learner->floats.data + row->start,
									(size_t) row->n * (size_t) learner->n_channels * sizeof(float), 3);
	return NN_OK;
}

static NnStatus
poll_learner(const NnLearner *learner, int64_t i, NnError *err)
{
	if (i % POLL_WINDOWS == 0 && learner->env->poll(learner->env->ctx) != 0)
		return nn_fail(err, NN_ECANCELED, "training was canceled");
	return NN_OK;
}

/* Are the rows' series in hash order already? */
static bool
is_in_order(const NnLearner *learner)
{
	for (int64_t i = 0; i < learner->n_sorted; i++)
		if (learner->sorted[i] != i)
			return false;
	return true;
}

/* Put the rows' series in hash order. */
static NnStatus
order_series(NnLearner *learner, NnError *err)
{
	size_t		C = (size_t) learner->n_channels;
	NnArray		ordered;
	float	   *to;

	if (is_in_order(learner))
		return NN_OK;
	NN_TRY(nn_learner_check_memory(learner, learner->floats.n * sizeof(float), err));
	nn_array_init(&ordered, learner->env, sizeof(float));
	to = nn_array_push(&ordered, learner->floats.n);
	if (to == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < learner->n_sorted; i++)
	{
		NnRow	   *row = (NnRow *) learner->rows.data + learner->sorted[i];
		size_t		n = (size_t) row->n * C;

		if (!nn_env_copy(learner->env, to, (const float *) learner->floats.data + row->start, n * sizeof(float)))
		{
			nn_array_free(&ordered);
			return nn_fail(err, NN_ECANCELED, "training was canceled");
		}
		row->start = to - (const float *) ordered.data;
		to += n;
	}
	nn_array_free(&learner->floats);
	learner->floats = ordered;
	return NN_OK;
}

/* The rows as a set of series. */
static NnStatus
collect_series(NnLearner *learner, NnError *err)
{
	NnSeriesSet *set = &learner->windowing.set;
	int64_t    *start = NN_TAKE(learner->windowing.arena, int64_t, (size_t) learner->n_sorted + 1);

	if (start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(order_series(learner, err));
	start[0] = 0;
	for (int64_t i = 0; i < learner->n_sorted; i++)
		start[i + 1] = start[i] + nn_learner_row(learner, learner->sorted[i])->n;
	set->n_channels = learner->n_channels;
	set->step_start = start;
	set->values = learner->floats.data;
	set->n = learner->n_sorted;
	return NN_OK;
}

/* ---- lengths, options, network ----------------------------------------------------- */

/* Numbers of a flat window, if a linear branch may read it. */
static int64_t
flat_floats(const NnWindowShape *shape)
{
	int64_t		n = nn_window_n_inputs(shape);

	return n <= NN_RECIPE_LINEAR_INPUTS ? n : 0;
}

/* Numbers that one window takes as an example. */
static int64_t
window_floats(const NnWindowShape *shape)
{
	return flat_floats(shape) + (int64_t) nn_window_n_steps(shape) * nn_window_n_step_channels(shape) +
		((int64_t) shape->horizon + 1) * shape->n_targets;
}

static int64_t
at_most(int64_t n, int64_t bound)
{
	return n < bound ? n : bound;
}

/* Choose lengths, then cut again if the windows were too many for their size. */
static NnStatus
plan_windows(NnLearner *learner, NnError *err)
{
	NnWindowing *windowing = &learner->windowing;
	const NnOptions *options = &learner->options;
	NnWindowPlan *plan = &windowing->plan;
	NnWindowOptions wish = {
		.season = options->season > 0 ? options->season : 0,
		.window = options->window > 0 ? options->window : 0,
		.horizon = options->horizon > 0 ? options->horizon : 0,
		.validation = options->validation, .max_train = MAX_TRAIN, .max_valid = MAX_VALID
	};
	int64_t		n_fitting;

	NN_TRY(nn_windows_plan(&windowing->set, &wish, windowing->arena, plan, err));
	n_fitting = MAX_FLOATS / window_floats(&plan->shape);
	wish.max_train = at_most(MAX_TRAIN, n_fitting > 64 ? n_fitting : 64);
	wish.max_valid = at_most(MAX_VALID, n_fitting / 4 > 16 ? n_fitting / 4 : 16);
	windowing->max_train = wish.max_train;
	if (plan->n_train <= wish.max_train && plan->n_valid <= wish.max_valid)
		return NN_OK;
	wish.season = plan->shape.season;
	wish.window = plan->shape.window;
	wish.horizon = plan->shape.horizon;
	return nn_windows_plan(&windowing->set, &wish, windowing->arena, plan, err);
}

/* What was chosen, as options that say it, and the rest by recipe. */
static void
choose_options(NnLearner *learner)
{
	const NnWindowPlan *plan = &learner->windowing.plan;
	NnOptions  *options = &learner->options;
	NnDataShape shape = {
		.task = learner->task, .input = NN_INPUT_SERIES, .n_rows = plan->n_train,
		.n_tokens = learner->windowing.set.step_start[learner->windowing.set.n],
		.n_channels = plan->shape.n_channels, .n_steps = plan->shape.window,
		.n_outputs = plan->shape.horizon * plan->shape.n_targets * N_QUANTILES
	};

	options->season = plan->shape.season;
	options->window = plan->shape.window;
	options->horizon = plan->shape.horizon;
	nn_recipe_resolve(options, &shape);
}

static NnStatus
fill_spec(NnLearner *learner, NnError *err)
{
	const NnWindowShape *shape = &learner->windowing.plan.shape;
	const NnOptions *options = &learner->options;
	NnSpec	   *spec = &learner->model->spec;
	int64_t		n_outputs = (int64_t) shape->horizon * shape->n_targets * N_QUANTILES;

	if (n_outputs > NN_MAX_OUTPUTS)
	{
		nn_fail(err, NN_ELIMIT, "the horizon is too long for so many channels");
		nn_fail_detail(err, "%d steps of %d channels with %d quantiles are %lld numbers; at most %d can be answered.",
					   shape->horizon, shape->n_targets, N_QUANTILES, (long long) n_outputs, NN_MAX_OUTPUTS);
		return nn_fail_hint(err, "Lower \"horizon\": a forecast goes on beyond it from its own answers.");
	}
	memset(spec, 0, sizeof(*spec));
	spec->task = NN_TASK_FORECAST;
	spec->input = NN_INPUT_SERIES;
	spec->n_outputs = (int) n_outputs;
	spec->horizon = shape->horizon;
	spec->n_quantiles = N_QUANTILES;
	spec->embedding = nn_window_n_step_channels(shape);
	spec->cell = (NnCell) options->cell;
	if (spec->cell != NN_CELL_NONE)
	{
		spec->n_layers = options->layers;
		spec->hidden = options->hidden;
		spec->is_bidirectional = options->bidirectional == 1;
		spec->pool = (unsigned) options->pool;
	}
	if (options->bag == 1 && flat_floats(shape) > 0)
	{
		spec->wide = NN_WIDE_LINEAR;
		spec->wide_inputs = (int) nn_window_n_inputs(shape);
	}
	if (spec->cell == NN_CELL_NONE && spec->wide == NN_WIDE_NONE)
	{
		nn_fail(err, NN_EDATA, "the network has no part left to learn with");
		return nn_fail_hint(err, "Leave option \"cell\" away, or lower \"window\": a linear forecast takes at most %d numbers.",
							NN_RECIPE_LINEAR_INPUTS);
	}
	return nn_spec_check(spec, err);
}

/*
 * What the model keeps of the windows.  The plan takes the deviations as they will
 * be read back.
 */
static NnStatus
fill_model(NnLearner *learner, NnError *err)
{
	NnWindowShape *shape = &learner->windowing.plan.shape;
	NnModel    *model = learner->model;
	int			C = shape->n_channels;

	model->n_channels = C;
	model->window = shape->window;
	model->season = shape->season;
	model->max_tokens = nn_window_n_steps(shape);
	model->input_mean = NN_ALLOC(model->arena, float, (size_t) C);
	model->input_scale = NN_ALLOC(model->arena, float, (size_t) C);
	if (model->input_mean == NULL || model->input_scale == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C; c++)
	{
		model->input_mean[c] = shape->mean[c];
		model->input_scale[c] = (float) (1.0 / (double) shape->deviation[c]);
		shape->deviation[c] = nn_forecast_deviation(model->input_scale[c]);
	}
	return NN_OK;
}

/* ---- examples ------------------------------------------------------------------------ */

/* Room for n windows in every stream of a part. */
static NnStatus
open_part(NnLearner *learner, NnPart *part, int64_t n, NnError *err)
{
	const NnWindowShape *shape = &learner->windowing.plan.shape;
	NnExamples *examples = &part->examples;
	size_t		n_windows = (size_t) n;
	bool		has_flat = learner->model->spec.wide == NN_WIDE_LINEAR;
	size_t		n_values = (size_t) nn_window_n_steps(shape) * (size_t) nn_window_n_step_channels(shape);
	size_t		C = (size_t) shape->n_targets;

	nn_part_free(part);
	NN_TRY(nn_learner_check_memory(learner, nn_size_mul(n_windows, (size_t) window_floats(shape) * sizeof(float)), err));
	if (has_flat)
		examples->flat = nn_array_push(&part->flat, nn_size_mul(n_windows, (size_t) flat_floats(shape)));
	examples->values = nn_array_push(&part->values, nn_size_mul(n_windows, n_values));
	examples->target = nn_array_push(&part->target, nn_size_mul(n_windows, (size_t) shape->horizon * C));
	examples->weight = nn_array_push(&part->weight, nn_size_mul(n_windows, C));
	examples->step_start = nn_array_push(&part->step_start, n_windows + 1);
	if ((has_flat && examples->flat == NULL) || examples->values == NULL || examples->target == NULL ||
		examples->weight == NULL || examples->step_start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	examples->n = n;
	return nn_learner_check_memory(learner, 0, err);
}

/* Windows that begin at start[0 ... n - 1], into the streams of part. */
static NnStatus
fill_part(NnLearner *learner, NnPart *part, const int64_t *start, int64_t n, NnError *err)
{
	const NnWindowing *windowing = &learner->windowing;
	const NnWindowShape *shape = &windowing->plan.shape;
	size_t		n_flat = (size_t) nn_window_n_inputs(shape);
	size_t		n_values = (size_t) nn_window_n_steps(shape) * (size_t) nn_window_n_step_channels(shape);
	size_t		C = (size_t) shape->n_targets;
	size_t		n_target = (size_t) shape->horizon * C;
	NnWindowFrame *frame = NN_TAKE(windowing->arena, NnWindowFrame, C);
	float	   *unread = NN_TAKE(windowing->arena, float, n_flat);	/* where no linear branch reads it */
	int64_t    *step_start;

	NN_TRY(open_part(learner, part, n, err));
	if (frame == NULL || unread == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	step_start = part->step_start.data;
	step_start[0] = 0;
	for (int64_t i = 0; i < n; i++)
	{
		const float *from = windowing->set.values + (size_t) start[i] * C;
		float	   *flat = part->examples.flat != NULL ? (float *) part->flat.data + (size_t) i * n_flat : unread;
		float	   *weight = (float *) part->weight.data + (size_t) i * C;

		NN_TRY(poll_learner(learner, i, err));
		nn_window_read(shape, from, flat, (float *) part->values.data + (size_t) i * n_values, frame);
		nn_window_target(shape, from + (size_t) shape->window * C, frame,
						 (float *) part->target.data + (size_t) i * n_target);
		for (size_t c = 0; c < C; c++)
			weight[c] = frame[c].weight;
		step_start[i + 1] = step_start[i] + nn_window_n_steps(shape);
	}
	return NN_OK;
}

NnStatus
nn_learner_make_windows(NnLearner *learner, bool is_all_training, NnError *err)
{
	NnWindowing *windowing = &learner->windowing;

	if (learner->kind != NN_VALUE_NUMBERS)
		return nn_fail(err, NN_EINVAL, "a forecast is learned from arrays of numbers");
	if (windowing->set.n == 0)
	{
		NN_TRY(collect_series(learner, err));
		NN_TRY(plan_windows(learner, err));
		choose_options(learner);
		NN_TRY(fill_spec(learner, err));
		NN_TRY(fill_model(learner, err));
	}
	if (!is_all_training)
	{
		learner->plan.n_truncated = 0;
		NN_TRY(fill_part(learner, &learner->train, windowing->plan.train, windowing->plan.n_train, err));
		return fill_part(learner, &learner->valid, windowing->plan.valid, windowing->plan.n_valid, err);
	}
	NN_TRY(nn_windows_plan_all(&windowing->set, &windowing->plan, windowing->max_train, windowing->arena,
							   &windowing->all, err));
	nn_part_free(&learner->valid);
	return fill_part(learner, &learner->train, windowing->all.train, windowing->all.n_train, err);
}
