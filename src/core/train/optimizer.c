/*
 * train/optimizer.c: AdamW, its lazy form for tables, clipping, the schedule.
 *
 * Dense tensors follow AdamW (Loshchilov and Hutter 2019; the equations stand
 * at nn_adam in kern/kern.h); only matrices decay, as a bias or a scale has no
 * reason to be small.  Nor does a forecast's linear branch decay: it begins with a
 * solution that was regularized, and would be pulled off it.
 *
 * Tables (word vectors, bag features) have a row for each word or feature, and
 * a batch touches a few of them.  Lazy Adam, the rule of PyTorch's SparseAdam:
 * a row that no text of the batch names keeps its weights and both of its
 * moments as they are (dense Adam would let the moments fade and the weights
 * move on by what is left); a touched row follows Adam with the bias correction
 * of the global step count, not of its own visits.  Tables do not decay: decay
 * of untouched rows would cost a pass over the whole table, and decay of
 * touched rows alone would punish frequent words.
 *
 * The bag's table has an epsilon of its own, far above the usual one.  Adam
 * divides a gradient by its own usual size, so a feature of one row moves as far
 * as one of a thousand rows, and a bag, most of whose features are rare, learns
 * its rows by heart.  With epsilon above the gradients' size,
 *   lr m / (sqrt(v) + epsilon) ~ (lr / epsilon) m,
 * a step is as long as the gradient, and rare features stay small, as under the
 * plain gradient descent of fastText (Joulin et al. 2017).  doc/recipes.md has
 * what that brings.
 *
 * Clipping is by the norm over everything (Pascanu et al. 2013).  Squares are
 * summed in double, unit by unit (train/part.h) in fixed order, so that the same
 * seed gives the same bytes.
 *
 * Layout: a table's moments lie row by row, m of a row and then v of it, so
 * that a touched row costs one place in memory and not two; a dense tensor is
 * one such row.  All moments are one piece of memory.
 */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"

typedef struct NnTensorState
{
	NnTensor   *tensor;
	float	   *moments;		/* (rows, 2, width): m, v of each row */
	size_t		width;			/* numbers of a row; of the whole tensor if dense */
	double		rate;			/* peak */
	double		decay;
	double		epsilon;
	bool		is_table;
} NnTensorState;

struct NnOptimizer
{
	NnNet	   *net;
	int			n_states;
	NnTensorState *state;		/* tensors that are trained */
	float	   *moments;		/* of all of them */
	size_t		n_moments;
	double		beta1,
				beta2,
				clip;
	double		factor;			/* of all rates; halved by a restart */
	bool		is_sgd;
	int64_t		n_steps;		/* since the moments were zero */
};

static size_t
tensor_numbers(const NnTensor *tensor)
{
	return (size_t) tensor->n_rows * (size_t) tensor->n_columns;
}

static double
tensor_rate(const NnTensor *tensor, const NnTrainOptions *options)
{
	if (tensor->is_wide)
		return options->rate_wide;
	if (strcmp(tensor->name, "embedding.weight") == 0)
		return options->rate_embedding;
	return options->rate_recurrent;
}

static double
tensor_epsilon(const NnTensor *tensor, const NnTrainOptions *options)
{
	bool		is_bag = tensor->is_wide && tensor->kind == NN_TENSOR_TABLE;

	return is_bag && options->epsilon_bag > 0 ? options->epsilon_bag : options->epsilon;
}

static double
tensor_decay(const NnTensor *tensor, const NnSpec *spec, const NnTrainOptions *options)
{
	bool		is_solved = tensor->is_wide && spec->wide == NN_WIDE_LINEAR;

	return tensor->kind == NN_TENSOR_MATRIX && !is_solved ? (double) options->weight_decay : 0.0;
}

/* Describe each trained tensor; its moments begin at an offset, counted in n_moments. */
static void
describe_tensors(NnOptimizer *optimizer, const NnTrainOptions *options)
{
	for (int i = 0; i < nn_net_n_tensors(optimizer->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(optimizer->net, i);
		NnTensorState *state = &optimizer->state[optimizer->n_states];

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		optimizer->n_states++;
		state->tensor = tensor;
		state->is_table = tensor->kind == NN_TENSOR_TABLE;
		state->width = state->is_table ? (size_t) tensor->n_columns : tensor_numbers(tensor);
		state->rate = tensor_rate(tensor, options);
		state->epsilon = tensor_epsilon(tensor, options);
		state->decay = tensor_decay(tensor, nn_net_spec(optimizer->net), options);
		optimizer->n_moments = nn_size_add(optimizer->n_moments, nn_size_mul(tensor_numbers(tensor), 2));
	}
}

NnStatus
nn_optimizer_create(NnOptimizer **optimizer, NnNet *net, const NnTrainOptions *options,
					float *moments, NnArena *arena, NnError *err)
{
	NnOptimizer *made = NN_ALLOC(arena, NnOptimizer, 1);
	size_t		at = 0;

	if (made != NULL)
		made->state = NN_ALLOC(arena, NnTensorState, (size_t) nn_net_n_tensors(net));
	if (made == NULL || made->state == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the optimizer");

	made->net = net;
	made->beta1 = (double) options->beta1;
	made->beta2 = (double) options->beta2;
	made->clip = (double) options->clip;
	made->factor = 1.0;
	made->is_sgd = options->optimizer == NN_OPTIMIZER_SGD;
	describe_tensors(made, options);

	made->moments = moments != NULL ? moments : NN_ALLOC(arena, float, made->n_moments);
	if (made->moments == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the optimizer");
	for (int i = 0; i < made->n_states; i++)
	{
		made->state[i].moments = made->moments + at;
		at += 2 * tensor_numbers(made->state[i].tensor);
	}
	*optimizer = made;
	return NN_OK;
}

size_t
nn_optimizer_bytes(size_t n_parameters, int n_tensors)
{
	size_t		bytes = nn_size_mul(n_parameters, 2 * sizeof(float));

	bytes = nn_size_add(bytes, nn_size_mul((size_t) n_tensors, sizeof(NnTensorState) + 64));
	return nn_size_add(bytes, sizeof(NnOptimizer) + 3 * 64);
}

/* ---- units (train/part.h) ----------------------------------------------------- */

/* n numbers of a tensor from the first on; their place among all units. */
typedef struct Unit
{
	const NnTensorState *state;
	size_t		first;
	size_t		n;
	size_t		index;
} Unit;

typedef void (*UnitVisitor) (void *ctx, const Unit *unit);

static void
visit_chunks(const NnTensorState *state, NnPart part, size_t *index, UnitVisitor visit, void *ctx)
{
	for (size_t at = 0; at < state->width; at += NN_PART_NUMBERS, ++*index)
	{
		size_t		n = state->width - at;
		Unit		unit = {state, at, n < NN_PART_NUMBERS ? n : NN_PART_NUMBERS, *index};

		if (nn_part_has(part, at, NN_PART_NUMBERS))
			visit(ctx, &unit);
	}
}

/* Rows that the step touched. */
static void
visit_rows(const NnOptimizer *optimizer, const NnTensorState *state, NnPart part, size_t *index,
		   UnitVisitor visit, void *ctx)
{
	const int32_t *rows;
	int			n_rows = nn_net_touched(optimizer->net, state->tensor, &rows);

	for (int j = 0; j < n_rows; j++, ++*index)
	{
		size_t		row = rows == NULL ? (size_t) j : (size_t) rows[j];
		Unit		unit = {state, row * state->width, state->width, *index};

		if (nn_part_has(part, row, NN_PART_ROWS))
			visit(ctx, &unit);
	}
}

/* Calls visit for each unit of part, in order; returns how many there are of all parts. */
static size_t
visit_units(const NnOptimizer *optimizer, NnPart part, UnitVisitor visit, void *ctx)
{
	size_t		index = 0;

	for (int i = 0; i < optimizer->n_states; i++)
	{
		const NnTensorState *state = &optimizer->state[i];

		if (state->is_table)
			visit_rows(optimizer, state, part, &index, visit, ctx);
		else
			visit_chunks(state, part, &index, visit, ctx);
	}
	return index;
}

/* ---- the norm -------------------------------------------------------------------- */

static double
unit_squares(const Unit *unit)
{
	return nn_sum_squares((int64_t) unit->n, unit->state->tensor->grad + unit->first);
}

static void
add_squares(void *ctx, const Unit *unit)
{
	*(double *) ctx += unit_squares(unit);
}

static void
put_squares(void *ctx, const Unit *unit)
{
	((double *) ctx)[unit->index] = unit_squares(unit);
}

double
nn_optimizer_norm(const NnOptimizer *optimizer)
{
	double		sum = 0.0;

	visit_units(optimizer, NN_PART_ALL, add_squares, &sum);
	return sqrt(sum);
}

size_t
nn_optimizer_squares(const NnOptimizer *optimizer, NnPart part, double *squares)
{
	return visit_units(optimizer, part, put_squares, squares);
}

/* ---- the step ---------------------------------------------------------------------- */

/* w -= lr (scale * grad + decay w), and grad is zero again. */
static void
descend(const NnAdam *adam, int64_t n, float *w, float *grad)
{
	nn_scale(n, 1.0f - adam->lr * adam->decay, w);
	nn_axpy(n, -adam->lr * adam->scale, grad, w);
	memset(grad, 0, (size_t) n * sizeof(float));
}

/* A step of one size for all tensors, but for what each adds to it. */
typedef struct Step
{
	NnAdam		adam;
	double		rate;			/* what each tensor's own is multiplied by */
	bool		is_sgd;
} Step;

static void
step_unit(void *ctx, const Unit *unit)
{
	const Step *step = ctx;
	const NnTensorState *state = unit->state;
	size_t		row = unit->first / state->width;
	float	   *m = state->moments + row * state->width + unit->first;	/* behind m and v of the rows before */
	float	   *w = state->tensor->data + unit->first;
	float	   *grad = state->tensor->grad + unit->first;
	NnAdam		adam = step->adam;

	adam.lr = (float) (state->rate * step->rate);
	adam.decay = (float) state->decay;
	adam.eps = (float) state->epsilon;
	if (step->is_sgd)
		descend(&adam, (int64_t) unit->n, w, grad);
	else
		nn_adam(&adam, (int64_t) unit->n, w, grad, m, m + state->width);
}

void
nn_optimizer_step(NnOptimizer *optimizer, NnPart part, double share, double norm)
{
	double		t = (double) ++optimizer->n_steps;
	Step		step = {.rate = optimizer->factor * share, .is_sgd = optimizer->is_sgd};

	step.adam.b1 = (float) optimizer->beta1;
	step.adam.b2 = (float) optimizer->beta2;
	step.adam.c1 = (float) (1.0 / (1.0 - pow(optimizer->beta1, t)));
	step.adam.c2 = (float) (1.0 / (1.0 - pow(optimizer->beta2, t)));
	step.adam.scale = optimizer->clip > 0 && norm > optimizer->clip ? (float) (optimizer->clip / norm) : 1.0f;
	visit_units(optimizer, part, step_unit, &step);
}

static void
skip_unit(void *ctx, const Unit *unit)
{
	(void) ctx;
	memset(unit->state->tensor->grad + unit->first, 0, unit->n * sizeof(float));
}

void
nn_optimizer_skip(NnOptimizer *optimizer, NnPart part)
{
	visit_units(optimizer, part, skip_unit, NULL);
}

void
nn_optimizer_restart(NnOptimizer *optimizer)
{
	memset(optimizer->moments, 0, optimizer->n_moments * sizeof(float));
	optimizer->n_steps = 0;
	optimizer->factor /= 2;
}

NnOptimizerState
nn_optimizer_state(NnOptimizer *optimizer)
{
	NnOptimizerState state = {
		optimizer->moments, optimizer->n_moments, &optimizer->n_steps, &optimizer->factor
	};

	return state;
}

/*
 * With S steps, W = warmup * S of them rising:
 *   share = (s + 1) / W         while s < W
 *           (S - s) / (S - W)   after, so that the last step still moves
 */
double
nn_schedule_share(const NnTrainOptions *options, int64_t step, int64_t n_steps)
{
	double		S = (double) n_steps;
	double		W = (double) options->warmup * S;
	double		share = 1.0;

	if ((double) step < W)
		share = ((double) step + 1.0) / W;
	else if (!options->is_constant_rate)
		share = (S - (double) step) / (S - W);
	return share < 1.0 ? share : 1.0;
}
