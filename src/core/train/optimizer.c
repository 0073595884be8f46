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
 * summed in double, tensor by tensor and row by row in fixed order, so that the
 * same seed gives the same bytes.
 *
 * Layout: a table's moments lie row by row, m of a row and then v of it, so
 * that a touched row costs one place in memory and not two; a dense tensor is
 * one such row.  All moments are one piece of the arena.
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
					NnArena *arena, NnError *err)
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

	made->moments = NN_ALLOC(arena, float, made->n_moments);
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

double
nn_optimizer_norm(const NnOptimizer *optimizer)
{
	double		sum = 0.0;

	for (int i = 0; i < optimizer->n_states; i++)
	{
		const NnTensorState *state = &optimizer->state[i];
		const int32_t *rows;
		int			n_rows;

		if (!state->is_table)
		{
			sum += nn_sum_squares((int64_t) state->width, state->tensor->grad);
			continue;
		}
		n_rows = nn_net_touched(optimizer->net, state->tensor, &rows);
		if (rows == NULL)
			sum += nn_sum_squares((int64_t) n_rows * (int64_t) state->width, state->tensor->grad);
		for (int j = 0; rows != NULL && j < n_rows; j++)
			sum += nn_sum_squares((int64_t) state->width,
								  state->tensor->grad + (size_t) rows[j] * state->width);
	}
	return sqrt(sum);
}

/* w -= lr (scale * grad + decay w), and grad is zero again. */
static void
descend(const NnAdam *adam, int64_t n, float *w, float *grad)
{
	nn_scale(n, 1.0f - adam->lr * adam->decay, w);
	nn_axpy(n, -adam->lr * adam->scale, grad, w);
	memset(grad, 0, (size_t) n * sizeof(float));
}

/* A step on row `row` of a table, or on the one row of a dense tensor. */
static void
step_row(const NnTensorState *state, size_t row, const NnAdam *adam, bool is_sgd)
{
	size_t		at = row * state->width;
	float	   *m = state->moments + 2 * at;

	if (is_sgd)
	{
		descend(adam, (int64_t) state->width, state->tensor->data + at, state->tensor->grad + at);
		return;
	}
	nn_adam(adam, (int64_t) state->width, state->tensor->data + at, state->tensor->grad + at,
			m, m + state->width);
}

void
nn_optimizer_step(NnOptimizer *optimizer, double share, double norm)
{
	double		t = (double) ++optimizer->n_steps;
	NnAdam		adam;

	adam.b1 = (float) optimizer->beta1;
	adam.b2 = (float) optimizer->beta2;
	adam.c1 = (float) (1.0 / (1.0 - pow(optimizer->beta1, t)));
	adam.c2 = (float) (1.0 / (1.0 - pow(optimizer->beta2, t)));
	adam.scale = optimizer->clip > 0 && norm > optimizer->clip ? (float) (optimizer->clip / norm) : 1.0f;

	for (int i = 0; i < optimizer->n_states; i++)
	{
		const NnTensorState *state = &optimizer->state[i];
		const int32_t *rows;
		int			n_rows;

		adam.lr = (float) (state->rate * optimizer->factor * share);
		adam.decay = (float) state->decay;
		adam.eps = (float) state->epsilon;
		if (!state->is_table)
		{
			step_row(state, 0, &adam, optimizer->is_sgd);
			continue;
		}
		n_rows = nn_net_touched(optimizer->net, state->tensor, &rows);
		for (int j = 0; j < n_rows; j++)
			step_row(state, rows == NULL ? (size_t) j : (size_t) rows[j], &adam, optimizer->is_sgd);
	}
}

void
nn_optimizer_skip(NnOptimizer *optimizer)
{
	for (int i = 0; i < optimizer->n_states; i++)
	{
		const NnTensorState *state = &optimizer->state[i];
		const int32_t *rows;
		int			n_rows;

		if (!state->is_table)
		{
			memset(state->tensor->grad, 0, state->width * sizeof(float));
			continue;
		}
		n_rows = nn_net_touched(optimizer->net, state->tensor, &rows);
		for (int j = 0; j < n_rows; j++)
			memset(state->tensor->grad + (rows == NULL ? (size_t) j : (size_t) rows[j]) * state->width, 0,
				   state->width * sizeof(float));
	}
}

void
nn_optimizer_restart(NnOptimizer *optimizer)
{
	memset(optimizer->moments, 0, optimizer->n_moments * sizeof(float));
	optimizer->n_steps = 0;
	optimizer->factor /= 2;
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
