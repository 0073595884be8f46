/*
 * model/learn_linear.c: forecasts: the linear branch begins with a solution.
 *
 * Ridge regression (autoregression.c) of what follows a window on the window.  Of
 * several channels each is forecast either from the steps of all of them or from its
 * own alone, whichever does better on the held-out windows: channels that have nothing
 * to say of each other only add noise.  The median begins with the solution, the other
 * quantiles with its weights too and the quantiles of its errors for biases.
 *
 * A last training on all windows keeps what was chosen.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

/* Held-out windows answered between two polls. */
#define CHUNK	64

/* A solution: outputs are (horizon, channels), without quantiles. */
typedef struct Linear
{
	int			n_inputs;
	int			n_outputs;
	float	   *weight;			/* (n_outputs, n_inputs) */
	float	   *bias;			/* (n_outputs) */
} Linear;

static bool
linear_create(Linear *linear, int n_inputs, int n_outputs, NnArena *arena)
{
	linear->n_inputs = n_inputs;
	linear->n_outputs = n_outputs;
	linear->weight = NN_ALLOC(arena, float, nn_size_mul((size_t) n_outputs, (size_t) n_inputs));
	linear->bias = NN_ALLOC(arena, float, (size_t) n_outputs);
	return linear->weight != NULL && linear->bias != NULL;
}

/* ---- rows for the regression ---------------------------------------------------------- */

/* All channels: a row counts what its channels' errors count in the mean. */
static NnStatus
rows_together(const NnWindowShape *shape, const NnExamples *examples, NnArena *arena, NnRidgeRows *rows,
			  NnError *err)
{
	int			C = shape->n_targets;
	float	   *weight = NN_TAKE(arena, float, (size_t) examples->n);

	if (weight == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < examples->n; i++)
	{
		double		sum = 0.0;

		for (int c = 0; c < C; c++)
			sum += (double) examples->weight[i * C + c];
		weight[i] = (float) (sum / C);
	}
	rows->n = examples->n;
	rows->n_inputs = (int) nn_window_n_inputs(shape);
	rows->n_outputs = shape->horizon * C;
	rows->n_shared = shape->window * shape->n_channels;
	rows->input = examples->flat;
	rows->target = examples->target;
	rows->weight = weight;
	return NN_OK;
}

/* Channel c alone: every C-th number of a window, of its levels and of what follows. */
static NnStatus
rows_alone(const NnWindowShape *shape, const NnExamples *examples, int c, NnArena *arena, NnRidgeRows *rows,
		   NnError *err)
{
	int			C = shape->n_channels;
	int			n_in = shape->window + (shape->has_level ? 1 : 0);
	float	   *input = NN_TAKE(arena, float, nn_size_mul((size_t) examples->n, (size_t) n_in));
	float	   *target = NN_TAKE(arena, float, nn_size_mul((size_t) examples->n, (size_t) shape->horizon));
	float	   *weight = NN_TAKE(arena, float, (size_t) examples->n);

	if (input == NULL || target == NULL || weight == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < examples->n; i++)
	{
		for (int t = 0; t < n_in; t++)
			input[i * n_in + t] = examples->flat[(i * n_in + t) * C + c];
		for (int k = 0; k < shape->horizon; k++)
			target[i * shape->horizon + k] = examples->target[(i * shape->horizon + k) * C + c];
		weight[i] = examples->weight[i * C + c];
	}
	*rows = (NnRidgeRows)
	{
		.n = examples->n, .n_inputs = n_in, .n_outputs = shape->horizon, .n_shared = shape->window,
			.input = input, .target = target, .weight = weight
	};
	return NN_OK;
}

/* ---- solving ----------------------------------------------------------------------------- */

static NnStatus
fit_together(NnLearner *learner, Linear *linear, NnArena *scratch, NnError *err)
{
	const NnWindowShape *shape = &learner->windowing.plan.shape;
	NnRidgeRows train;
	NnRidgeRows valid;

	NN_TRY(rows_together(shape, &learner->train.examples, scratch, &train, err));
	NN_TRY(rows_together(shape, &learner->valid.examples, scratch, &valid, err));
	return nn_ridge_fit(&train, valid.n > 0 ? &valid : NULL, &learner->windowing.lambda[0],
						linear->weight, linear->bias, scratch, err);
}

/* Channel c from its own steps, into its outputs; other channels have no say in them. */
static NnStatus
fit_alone(NnLearner *learner, int c, Linear *linear, NnArena *scratch, NnError *err)
{
	const NnWindowShape *shape = &learner->windowing.plan.shape;
	size_t		C = (size_t) shape->n_channels;
	NnRidgeRows train;
	NnRidgeRows valid;
	Linear		own;

	NN_TRY(rows_alone(shape, &learner->train.examples, c, scratch, &train, err));
	NN_TRY(rows_alone(shape, &learner->valid.examples, c, scratch, &valid, err));
	if (!linear_create(&own, train.n_inputs, train.n_outputs, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_ridge_fit(&train, valid.n > 0 ? &valid : NULL, &learner->windowing.lambda[1 + c],
						own.weight, own.bias, scratch, err));
	for (size_t k = 0; k < (size_t) own.n_outputs; k++)
	{
		size_t		output = k * C + (size_t) c;
		float	   *to = linear->weight + output * (size_t) linear->n_inputs;

		memset(to, 0, (size_t) linear->n_inputs * sizeof(float));
		for (size_t t = 0; t < (size_t) own.n_inputs; t++)
			to[t * C + (size_t) c] = own.weight[k * (size_t) own.n_inputs + t];
		linear->bias[output] = own.bias[k];
	}
	return NN_OK;
}

/* Summed absolute errors of each channel on the held-out windows, standardized, into error (channels). */
static NnStatus
judge(const NnLearner *learner, const Linear *linear, NnArena *scratch, double *error, NnError *err)
{
	const NnExamples *valid = &learner->valid.examples;
	int			C = learner->windowing.plan.shape.n_targets;
	int			n_out = linear->n_outputs;
	int			n_in = linear->n_inputs;
	float	   *out = NN_TAKE(scratch, float, (size_t) CHUNK * (size_t) n_out);

	if (out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C; c++)
		error[c] = 0.0;
	for (int64_t first = 0; first < valid->n; first += CHUNK)
	{
		int			n = (int) (valid->n - first < CHUNK ? valid->n - first : CHUNK);
		const float *target = valid->target + first * n_out;

		if (nn_arena_poll(scratch) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "training was canceled");
		nn_gemm(false, true, n, n_out, n_in, valid->flat + first * n_in, n_in, linear->weight, n_in, out, n_out, false);
		for (int64_t i = 0; i < (int64_t) n * n_out; i++)
			error[i % C] += (double) valid->weight[(first + i / n_out) * C + i % C] *
				fabs((double) target[i] - (double) out[i] - (double) linear->bias[i % n_out]);
	}
	return NN_OK;
}

/* Take each channel's better half of two solutions; remember which. */
static void
choose_each(NnWindowing *windowing, const Linear *alone, const double *error_alone, const double *error,
			Linear *linear)
{
	int			C = windowing->plan.shape.n_targets;

	for (int o = 0; o < linear->n_outputs; o++)
	{
		size_t		at = (size_t) o * (size_t) linear->n_inputs;

		windowing->is_alone[o % C] = error_alone[o % C] < error[o % C];
		if (!windowing->is_alone[o % C])
			continue;
		memcpy(linear->weight + at, alone->weight + at, (size_t) linear->n_inputs * sizeof(float));
		linear->bias[o] = alone->bias[o];
	}
}

/* The first time: both ways, and what each channel does better with. */
static NnStatus
solve_first(NnLearner *learner, Linear *linear, NnArena *memory, NnArena *scratch, NnError *err)
{
	NnWindowing *windowing = &learner->windowing;
	int			C = windowing->plan.shape.n_targets;
	double	   *error = NN_TAKE(memory, double, 2 * (size_t) C);
	Linear		alone;

	NN_TRY(fit_together(learner, linear, scratch, err));
	if (C == 1)
		return NN_OK;
	if (error == NULL || !linear_create(&alone, linear->n_inputs, linear->n_outputs, memory))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C; c++)
	{
		nn_arena_reset(scratch);
		NN_TRY(fit_alone(learner, c, &alone, scratch, err));
	}
	nn_arena_reset(scratch);
	NN_TRY(judge(learner, linear, scratch, error, err));
	NN_TRY(judge(learner, &alone, scratch, error + C, err));

	/* With nothing held out, the fewer weights. */
	for (int c = 0; c < C && learner->valid.examples.n == 0; c++)
		error[c] = 1.0;
	choose_each(windowing, &alone, error + C, error, linear);
	return NN_OK;
}

/* Once more, on other windows: as it was chosen. */
static NnStatus
solve_again(NnLearner *learner, Linear *linear, NnArena *scratch, NnError *err)
{
	const NnWindowing *windowing = &learner->windowing;
	int			n_alone = 0;

	for (int c = 0; c < windowing->plan.shape.n_targets; c++)
		n_alone += windowing->is_alone[c];
	if (n_alone < windowing->plan.shape.n_targets)
		NN_TRY(fit_together(learner, linear, scratch, err));
	for (int c = 0; c < windowing->plan.shape.n_targets; c++)
	{
		nn_arena_reset(scratch);
		if (windowing->is_alone[c])
			NN_TRY(fit_alone(learner, c, linear, scratch, err));
	}
	return NN_OK;
}

/* ---- into the network --------------------------------------------------------------------- */

/* Every quantile of an output gets its weights; its bias is moved by that quantile of the errors. */
static NnStatus
set_branch(NnLearner *learner, const Linear *linear, NnArena *scratch, NnError *err)
{
	NnNet	   *net = learner->model->net;
	int			Q = learner->model->spec.n_quantiles;
	NnTensor   *weight = nn_net_find_tensor(net, "wide_head.weight");
	NnTensor   *bias = nn_net_find_tensor(net, "wide_head.bias");
	size_t		n_in = (size_t) linear->n_inputs;
	double	   *level = NN_TAKE(scratch, double, (size_t) Q);
	float	   *quantile = NN_TAKE(scratch, float, nn_size_mul((size_t) linear->n_outputs, (size_t) Q));
	NnRidgeRows rows;

	if (level == NULL || quantile == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int q = 0; q < Q; q++)
		level[q] = nn_quantile_level(Q, q);
	NN_TRY(rows_together(&learner->windowing.plan.shape, &learner->train.examples, scratch, &rows, err));
	NN_TRY(nn_ridge_quantiles(&rows, linear->weight, linear->bias, level, Q, quantile, scratch, err));
	for (size_t o = 0; o < (size_t) linear->n_outputs; o++)
		for (size_t q = 0; q < (size_t) Q; q++)
		{
			size_t		row = o * (size_t) Q + q;

			memcpy(weight->data + row * n_in, linear->weight + o * n_in, n_in * sizeof(float));
			bias->data[row] = linear->bias[o] + quantile[row];
		}
	return NN_OK;
}

static NnStatus
solve_in(NnLearner *learner, NnArena *memory, NnArena *scratch, NnError *err)
{
	NnWindowing *windowing = &learner->windowing;
	const NnWindowShape *shape = &windowing->plan.shape;
	size_t		C = (size_t) shape->n_targets;
	Linear		linear;

	if (windowing->lambda == NULL)
	{
		windowing->lambda = NN_ALLOC(windowing->arena, double, C + 1);
		windowing->is_alone = NN_ALLOC(windowing->arena, bool, C);
	}
	if (windowing->lambda == NULL || windowing->is_alone == NULL ||
		!linear_create(&linear, (int) nn_window_n_inputs(shape), shape->horizon * shape->n_targets, memory))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (windowing->is_solved)
		NN_TRY(solve_again(learner, &linear, scratch, err));
	else
		NN_TRY(solve_first(learner, &linear, memory, scratch, err));
	windowing->is_solved = true;
	nn_arena_reset(scratch);
	return set_branch(learner, &linear, scratch, err);
}

NnStatus
nn_learner_solve_linear(NnLearner *learner, NnError *err)
{
	NnArena    *memory = nn_arena_create(learner->env);
	NnArena    *scratch = nn_arena_create(learner->env);
	NnStatus	status;

	if (memory == NULL || scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	else
		status = solve_in(learner, memory, scratch, err);
	nn_arena_destroy(scratch);
	nn_arena_destroy(memory);
	return status;
}

/*
 * Two matrices of the inputs and two of inputs times outputs in double; the solutions
 * in float; of one channel alone a copy of its windows.  An arena's blocks leave some
 * of their bytes unused.
 */
size_t
nn_learner_linear_bytes(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	double		n_in = spec->wide_inputs;
	double		n_out = spec->n_outputs;
	double		n = (double) (learner->train.examples.n + learner->valid.examples.n);
	double		bytes;

	if (spec->wide != NN_WIDE_LINEAR)
		return 0;
	n_out /= spec->n_quantiles;
	bytes = 16.0 * n_in * (n_in + n_out) + 8.0 * n_in * n_out + 4.0 * n * (1.0 + (n_in + n_out) / nn_spec_channels(spec));
	return (size_t) (1.5 * bytes) + 65536;
}
