/*
 * grad_dropout.c: dropout in the backward pass of nn/net.h.
 *
 *  - Masks depend on the generator alone, so with the same generator the loss is
 *    a smooth function of the weights: gradients are compared with differences of
 *    the loss that nn_net_backward() itself returns.
 *  - The masks: how often, how large, and where.
 *  - The same seed gives the same bytes, and a probability of almost 0 is none.
 */
#include "net_case.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"
#include "tap.h"

typedef enum DropoutKind
{
	DROP_WORD,
	DROP_INPUT,
	DROP_RECURRENT,
	DROP_OUTPUT,
	DROP_WIDE,
	DROP_ALL
} DropoutKind;

static const char *const dropout_names[] = {"word", "input", "recurrent", "output", "wide", "all"};

static NnDropout
dropout_of(DropoutKind kind, float p)
{
	NnDropout	dropout = {0};

	if (kind == DROP_WORD || kind == DROP_ALL)
		dropout.word = p;
	if (kind == DROP_INPUT || kind == DROP_ALL)
		dropout.input = p;
	if (kind == DROP_RECURRENT || kind == DROP_ALL)
		dropout.recurrent = p;
	if (kind == DROP_OUTPUT || kind == DROP_ALL)
		dropout.output = p;
	if (kind == DROP_WIDE || kind == DROP_ALL)
		dropout.wide = p;
	return dropout;
}

/* The masks are the generator's, and nothing else is random. */
static void
test_seed(NnCell cell, NnInputKind input)
{
	NnSpec		spec = net_case_both_branches(cell, input, NN_TASK_CLASSIFY);
	NetCaseRows wish = {9, 8, true, false};
	NetTraining training;
	NnRng		rng;
	float	   *once;
	double		loss;
	double		again;

	nn_rng_seed(&rng, 4);
	net_training_begin(&training, &spec, wish, &rng);
	training.dropout = dropout_of(DROP_ALL, 0.3f);
	loss = net_training_backward(&training, 99);
	once = net_training_gradients(&training);
	again = net_training_backward(&training, 99);
	ok(again == loss && net_training_is_gradient(&training, once, 1, 0), "%s, %s: the same seed drops the same",
	   net_case_cells[cell], net_case_inputs[input]);
	ok(net_training_backward(&training, 100) != loss, "%s, %s: another seed drops others",
	   net_case_cells[cell], net_case_inputs[input]);
	net_training_end(&training);
}

/*
 * One tensor: the derivative of the returned loss along the gradient, and along
 * a random direction, with the same generator.  The loss is computed in single
 * precision, so the step is large (rounding gives about 1e-7 / step) and the rule
 * has four points (truncation step^4).  Returned is the larger error, as a multiple
 * of what is allowed.
 */
static double
dropout_tensor_error(NetTraining *training, NnTensor *tensor, const float *gradient, NnRng *rng, uint64_t seed)
{
	int			n = net_case_size(tensor);
	float	   *saved = net_case_alloc(n, sizeof(float));
	float	   *direction = net_case_alloc(n, sizeof(float));
	double		norm = 0;
	double		worst = 0;

	memcpy(saved, tensor->data, n * sizeof(float));
	for (int i = 0; i < n; i++)
		norm += (double) gradient[i] * gradient[i];
	norm = sqrt(norm);
	/* a tensor that the dropped batch does not use has no gradient and no derivative */
	for (int k = 0; k < 2 && norm != 0; k++)
	{
		double		step = 4e-3;
		double		length = 0;
		double		along = 0;
		double		value[4];

		for (int i = 0; i < n; i++)
		{
			direction[i] = k == 0 ? gradient[i] : net_case_float(rng, -1, 1);
			length += (double) direction[i] * direction[i];
		}
		for (int i = 0; i < n; i++)
		{
			direction[i] = (float) (direction[i] / sqrt(length));
			along += (double) direction[i] * gradient[i];
		}
		for (int side = 0; side < 4; side++)
		{
			static const double place[] = {-2, -1, 1, 2};

			for (int i = 0; i < n; i++)
				tensor->data[i] = (float) (saved[i] + place[side] * step * direction[i]);
			value[side] = net_training_backward(training, seed);
		}
		/* f' = (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12 h */
		worst = net_case_worse(worst, fabs((value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * step) - along) /
							   (1e-3 * norm + 1e-4));
	}
	memcpy(tensor->data, saved, n * sizeof(float));
	return worst;
}

static void
test_dropout_gradient(NnCell cell, NnInputKind input, DropoutKind kind)
{
	/* a maximum over steps has kinks, which a step this large may cross: pooling without it */
	NnSpec		spec = net_case_both_branches(cell, input, kind % 2 ? NN_TASK_REGRESS : NN_TASK_CLASSIFY);
	NetCaseRows wish = {7, 6, true, false};
	NetTraining training;
	NnRng		rng;
	double		worst = 0;
	const float *gradient;

	spec.pool &= ~(unsigned) NN_POOL_MAX;
	nn_rng_seed(&rng, 10 * cell + kind);
	net_training_begin(&training, &spec, wish, &rng);
	training.dropout = dropout_of(kind, 0.4f);
	net_training_backward(&training, 7);
	gradient = net_training_gradients(&training);
	for (int k = 0; k < nn_net_n_tensors(training.net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training.net, k);
		double		error;

		if (tensor->kind != NN_TENSOR_FIXED)
		{
			error = dropout_tensor_error(&training, tensor, gradient, &rng, 7);
			if (!(error < 1))
				diag("%s: %g times the error allowed", tensor->name, error);
			worst = net_case_worse(worst, error);
		}
		gradient += net_case_size(tensor);
	}
	ok(worst < 1, "%s, %s, dropout %s: gradients (%.2f of the error allowed)",
	   net_case_cells[cell], net_case_inputs[input], dropout_names[kind], worst);
	net_training_end(&training);
}

/* A probability too small to drop anything changes nothing. */
static void
test_dropout_none(NnCell cell)
{
	NnSpec		spec = net_case_both_branches(cell, NN_INPUT_TEXT, NN_TASK_CLASSIFY);
	NetCaseRows wish = {9, 8, true, false};
	NetTraining training;
	NnRng		rng;
	float	   *none;
	double		loss;

	nn_rng_seed(&rng, 12);
	net_training_begin(&training, &spec, wish, &rng);
	loss = net_training_backward(&training, 1);
	none = net_training_gradients(&training);
	training.dropout = dropout_of(DROP_ALL, 1e-9f);
	ok(fabs(net_training_backward(&training, 1) - loss) < 1e-6 && net_training_is_gradient(&training, none, 1, 1e-5),
	   "%s: dropout of almost nothing is none", net_case_cells[cell]);
	net_training_end(&training);
}

/*
 * How often and how large.  With an input side so small that tanh is a straight
 * line, one layer of rnn over two steps, a regression's output is linear in every
 * mask, and the gradient of head.bias is mean(output - target).
 * With masks of mean 1, its mean over many seeds is the value without dropout.
 * A word that is kept is not made larger, so words are tried below instead.
 */
static void
test_dropout_mean(DropoutKind kind, NnInputKind input)
{
	NnSpec		spec = net_case_both_branches(NN_CELL_RNN, input, NN_TASK_REGRESS);
	NetCaseRows wish = {4, 2, false, false};
	const char *bias = kind == DROP_WIDE ? "wide_head.bias" : "head.bias";
	enum
	{
		N_SEEDS = 4000
	};
	NetTraining training;
	NnRng		rng;
	double		expected[3];
	double		sum[3] = {0};
	double		sum_squares[3] = {0};
	bool		is_mean = true;
	bool		is_random = false;

	spec.n_layers = 1;
	spec.pool = NN_POOL_MEAN;
	nn_rng_seed(&rng, 3);
	net_training_begin(&training, &spec, wish, &rng);
	for (int k = 0; k < nn_net_n_tensors(training.net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training.net, k);
		bool		is_small = strstr(tensor->name, "weight_ih") != NULL || tensor->kind == NN_TENSOR_BIAS;

		for (int i = 0; i < net_case_size(tensor) && is_small; i++)
			tensor->data[i] *= 0.003f;
	}
	net_training_backward(&training, 1);
	for (int c = 0; c < 3; c++)
		expected[c] = nn_net_find_tensor(training.net, bias)->grad[c];
	training.dropout = dropout_of(kind, 0.4f);
	for (int seed = 0; seed < N_SEEDS; seed++)
	{
		net_training_backward(&training, 1000 + seed);
		for (int c = 0; c < 3; c++)
		{
			double		d = nn_net_find_tensor(training.net, bias)->grad[c] - expected[c];

			sum[c] += d;
			sum_squares[c] += d * d;
		}
	}
	for (int c = 0; c < 3; c++)
	{
		double		deviation = sqrt(sum_squares[c] / N_SEEDS);

		is_random = is_random || deviation > 1e-5;
		/* five standard errors of the mean, and what rounding and the line's bend may add */
		is_mean = is_mean && fabs(sum[c] / N_SEEDS) < 5 * deviation / sqrt(N_SEEDS) + 1e-6;
	}
	ok(is_mean && is_random, "%s, dropout %s keeps the mean", net_case_inputs[input], dropout_names[kind]);
	net_training_end(&training);
}

/*
 * Where.  Gradients that are exactly zero show what was dropped: a word's whole
 * vector, or single numbers of it, everywhere in the batch.  Counted over seeds,
 * their share is the probability.
 */
static void
test_dropout_share(DropoutKind kind)
{
	NnSpec		spec = net_case_both_branches(NN_CELL_LSTM, NN_INPUT_TEXT, NN_TASK_CLASSIFY);
	NetCaseRows wish = {6, 8, false, false};
	const double p = 0.3;
	NetTraining training;
	NnRng		rng;
	int			n_units = 0;
	int			n_dropped = 0;
	double		share;

	nn_rng_seed(&rng, 3);
	net_training_begin(&training, &spec, wish, &rng);
	training.dropout = dropout_of(kind, (float) p);
	for (int seed = 0; seed < 300; seed++)
	{
		const NnTensor *table = nn_net_find_tensor(training.net, "embedding.weight");

		net_training_backward(&training, seed);
		for (int u = 0; u < training.batch.n_distinct; u++)
		{
			const float *grad = table->grad + training.batch.distinct[u] * spec.embedding;
			int			n_zero = 0;

			for (int e = 0; e < spec.embedding; e++)
				n_zero += grad[e] == 0;
			n_units += kind == DROP_WORD ? 1 : spec.embedding;
			n_dropped += kind == DROP_WORD ? n_zero == spec.embedding : n_zero;
		}
	}
	share = (double) n_dropped / n_units;
	ok(fabs(share - p) < 5 * sqrt(p * (1 - p) / n_units), "dropout %s drops %.3f of %d, wanted %.1f",
	   dropout_names[kind], share, n_units, p);
	net_training_end(&training);
}

int
main(void)
{
	nn_kern_init();
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
		{
			test_seed((NnCell) cell, (NnInputKind) input);
			for (int kind = DROP_WORD; kind <= DROP_ALL; kind++)
				test_dropout_gradient((NnCell) cell, (NnInputKind) input, (DropoutKind) kind);
		}
		test_dropout_none((NnCell) cell);
	}
	for (int kind = DROP_INPUT; kind <= DROP_OUTPUT; kind++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
			test_dropout_mean((DropoutKind) kind, (NnInputKind) input);
	test_dropout_mean(DROP_WIDE, NN_INPUT_TEXT);
	test_dropout_share(DROP_WORD);
	test_dropout_share(DROP_INPUT);
	return done_testing();
}
