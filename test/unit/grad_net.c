/*
 * grad_net.c: the backward pass of nn/net.h against finite differences.
 *
 *  - Without dropout: central differences of the naive twin's loss, in double,
 *    by single numbers of every tensor and by a random direction through each
 *    whole tensor (which a wrong number anywhere in it would show).
 *  - With dropout: the masks depend on the generator alone, so with the same
 *    generator the loss is a smooth function of the weights; central differences
 *    of the loss that nn_net_backward() itself returns.
 *  - Dropout's masks: how often, how large, and where.
 *  - The contract: gradients are added to what is there, tables get gradients in
 *    touched rows alone, the same seed gives the same bytes.
 */
#include "net_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "kern/kern.h"
#include "tap.h"

#define MAX_ROWS 48

/* Step of the differences in double: truncation about 1e-10, rounding about 1e-11. */
#define STEP 1e-5

/*
 * A gradient is a sum over rows and steps of products of rounded numbers with
 * activations that are off by up to 4e-7, so its error follows the largest
 * gradients of its tensor, not its own size.  Measured: at most a fifth of this.
 */
#define TOLERANCE_RELATIVE 1e-4
#define TOLERANCE_ABSOLUTE 1e-6

/* Numbers of a tensor that are tried one by one. */
#define N_TRIED 24

static const char *const cell_names[] = {"wide only", "rnn", "lstm", "gru"};
static const char *const input_names[] = {"text", "series", "vector"};

/* A net in training, rows, and how the loss is counted. */
typedef struct Training
{
	NnSpec		spec;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	int			n;
	NaiveRow   *rows;
	NnBatch		batch;
	NnLoss		loss_options;
	NnDropout	dropout;
} Training;

static void
check(NnStatus status, const NnError *err)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err->message);
	exit(1);
}

static void
training_begin(Training *training, const NnSpec *spec, NetCaseRows wish, NnRng *rng)
{
	NnError		err;
	int			order[MAX_ROWS];

	memset(training, 0, sizeof(*training));
	training->spec = *spec;
	training->arena = nn_arena_create(&nn_env_malloc);
	training->scratch = nn_arena_create(&nn_env_malloc);
	check(nn_net_create(&training->net, training->arena, spec, true, &err), &err);
	net_case_fill(training->net, rng);
	training->n = wish.n;
	training->rows = net_case_rows(rng, spec, wish);
	net_case_pack(spec, training->rows, NULL, wish.n, &training->batch, order);
}

static void
training_end(Training *training)
{
	nn_arena_destroy(training->scratch);
	nn_arena_destroy(training->arena);
	net_case_free_all();
}

/* All gradients set to zero, then one backward pass; the loss comes back. */
static double
backward(Training *training, uint64_t seed)
{
	NnRng		rng;
	NnError		err;
	double		loss;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training->net, k);

		if (tensor->grad != NULL)
			memset(tensor->grad, 0, (size_t) tensor->n_rows * tensor->n_columns * sizeof(float));
	}
	nn_arena_reset(training->scratch);
	nn_rng_seed(&rng, seed);
	nn_net_pack(training->net);
	check(nn_net_backward(training->net, &training->batch, &training->dropout, &training->loss_options,
						  &rng, training->scratch, &loss, &err), &err);
	return loss;
}

static int
tensor_size(const NnTensor *tensor)
{
	return tensor->n_rows * tensor->n_columns;
}

/* ---- differences of the twin --------------------------------------------- */

/* Derivative of the twin's loss along direction (one number for each of the tensor's). */
static double
twin_derivative(const Training *training, NaiveNet *naive, NaiveTensor *tensor, const float *direction)
{
	int			n = tensor->n_rows * tensor->n_columns;
	double		side[2];

	for (int k = 0; k < 2; k++)
	{
		double		step = k == 0 ? STEP : -STEP;

		for (int i = 0; i < n; i++)
			tensor->data[i] += step * direction[i];
		side[k] = naive_net_loss(naive, training->rows, training->n, &training->loss_options);
		for (int i = 0; i < n; i++)
			tensor->data[i] -= step * direction[i];
	}
	return (side[0] - side[1]) / (2 * STEP);
}

/* Numbers worth a try: those of a table that some row uses have a gradient. */
static int
pick_number(const NnTensor *tensor, int k, NnRng *rng)
{
	int			n = tensor_size(tensor);
	int			at = n <= N_TRIED ? k : net_case_int(rng, 0, n - 1);

	for (int i = 0; tensor->kind == NN_TENSOR_TABLE && i < n && tensor->grad[at] == 0 && k % 8 != 0; i++)
		at = (at + 1) % n;
	return at;
}

/*
 * The largest error of a tensor's gradient, as a multiple of what is allowed.
 */
static double
tensor_error(const Training *training, NaiveNet *naive, int index, NnRng *rng)
{
	const NnTensor *tensor = nn_net_tensor(training->net, index);
	NaiveTensor *twin = &naive->tensor[index];
	int			n = tensor_size(tensor);
	float	   *direction = net_case_alloc(n, sizeof(float));
	double		scale = 0;
	double		worst = 0;
	double		along = 0;
	double		norm = 0;

	for (int i = 0; i < n; i++)
		scale = fmax(scale, fabs((double) tensor->grad[i]));
	for (int k = 0; k < N_TRIED && k < n; k++)
	{
		int			i = pick_number(tensor, k, rng);
		double		derivative;

		direction[i] = 1;
		derivative = twin_derivative(training, naive, twin, direction);
		direction[i] = 0;
		worst = fmax(worst, fabs(derivative - tensor->grad[i]) /
					 (TOLERANCE_RELATIVE * fmax(scale, fabs(derivative)) + TOLERANCE_ABSOLUTE));
	}
	for (int i = 0; i < n; i++)
	{
		direction[i] = net_case_float(rng, -1, 1);
		along += (double) direction[i] * tensor->grad[i];
		norm += (double) tensor->grad[i] * tensor->grad[i];
	}
	/* what is far from small numbers of rounding errors adds like a random walk */
	return fmax(worst, fabs(twin_derivative(training, naive, twin, direction) - along) /
				(TOLERANCE_RELATIVE * sqrt(norm) + TOLERANCE_ABSOLUTE * sqrt(n)));
}

/* The largest error of all tensors, as a multiple of what is allowed; says where if it is too large. */
static double
gradient_error(Training *training, NnRng *rng)
{
	NaiveNet	naive;
	double		loss = backward(training, 1);
	double		worst;

	naive_net_read(&naive, training->net);
	worst = fabs(loss - naive_net_loss(&naive, training->rows, training->n, &training->loss_options)) / 1e-5;
	if (!(worst < 1))
		printf("# loss %g\n", loss);
	for (int k = 0; k < naive.n_tensors; k++)
	{
		double		error;

		if (nn_net_tensor(training->net, k)->kind == NN_TENSOR_FIXED)
			continue;
		error = tensor_error(training, &naive, k, rng);
		if (!(error < 1))
			printf("# %s: %g times the error allowed\n", naive.tensor[k].name, error);
		worst = isnan(error) ? INFINITY : fmax(worst, error);
	}
	naive_net_free(&naive);
	return worst;
}

static void
test_architecture(NnCell cell, NnInputKind input, int n_layers, bool is_bidirectional)
{
	/* rows, longest, has an empty one */
	static const NetCaseRows wishes[] = {{1, 1, false}, {1, 7, false}, {4, 1, false}, {6, 7, true}};
	NnRng		rng;
	double		worst = 0;

	nn_rng_seed(&rng, 1000 * cell + 100 * input + 10 * n_layers + is_bidirectional);
	for (int k = 0; k < 4; k++)
	{
		NnSpec		spec = net_case_spec(&rng, cell, input, n_layers, is_bidirectional, k == 3 ? 9 : 4);
		Training	training;

		training_begin(&training, &spec, wishes[k], &rng);
		if (k >= 2)
			training.loss_options.class_weight = net_case_class_weight(&rng, &spec);
		if (k % 2 == 1)
			training.loss_options.label_smoothing = 0.1f;
		worst = fmax(worst, gradient_error(&training, &rng));
		training_end(&training);
	}
	ok(worst < 1, "%s, %s, %d layer(s)%s: loss and gradients (%.2f of the error allowed)",
	   cell_names[cell], input_names[input], n_layers, is_bidirectional ? ", bidirectional" : "", worst);
}

/* Each pooling alone. */
static void
test_pool(unsigned pool)
{
	NnSpec		spec = {0};
	NetCaseRows wish = {5, 8, true};
	Training	training;
	NnRng		rng;
	double		worst;

	nn_rng_seed(&rng, pool);
	spec.n_outputs = 3;
	spec.cell = NN_CELL_LSTM;
	spec.n_layers = 1;
	spec.hidden = 5;
	spec.is_bidirectional = true;
	spec.pool = pool;
	spec.vocabulary = 256;
	spec.embedding = 4;
	training_begin(&training, &spec, wish, &rng);
	worst = gradient_error(&training, &rng);
	ok(worst < 1, "pooling %u (%.2f of the error allowed)", pool, worst);
	training_end(&training);
}

/* ---- the contract ------------------------------------------------------------ */

/* A spec with both branches, which test everything at once. */
static NnSpec
both_branches(NnCell cell, NnInputKind input, NnTask task)
{
	NnSpec		spec = {0};

	spec.task = task;
	spec.input = input;
	spec.n_outputs = 3;
	spec.cell = cell;
	spec.n_layers = 2;
	spec.hidden = 6;
	spec.is_bidirectional = true;
	spec.pool = NN_POOL_LAST | NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION;
	spec.vocabulary = input == NN_INPUT_TEXT ? 256 : 0;
	spec.embedding = 5;
	spec.wide = input == NN_INPUT_TEXT ? NN_WIDE_BAG : NN_WIDE_FLAT;
	spec.wide_inputs = 15;
	spec.wide_hidden = 7;
	return spec;
}

static float *
copy_gradients(const Training *training)
{
	int			n = 0;
	float	   *copy;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
		n += tensor_size(nn_net_tensor(training->net, k));
	copy = net_case_alloc(n, sizeof(float));
	n = 0;
	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		const NnTensor *tensor = nn_net_tensor(training->net, k);

		if (tensor->grad != NULL)
			memcpy(copy + n, tensor->grad, tensor_size(tensor) * sizeof(float));
		n += tensor_size(tensor);
	}
	return copy;
}

/* Do the gradients equal factor * other's, to the last bit if the tolerance is 0? */
static bool
is_gradient(const Training *training, const float *other, float factor, double tolerance)
{
	int			at = 0;

	for (int k = 0; k < nn_net_n_tensors(training->net); k++)
	{
		const NnTensor *tensor = nn_net_tensor(training->net, k);

		for (int i = 0; i < tensor_size(tensor); i++, at++)
			if (tensor->grad != NULL && !(fabs((double) tensor->grad[i] - (double) (factor * other[at])) <= tolerance))
				return false;
	}
	return true;
}

/*
 * Touched rows of a table: the ones that the rows of the batch name, each once;
 * no other row has a gradient.
 */
static bool
is_touched_right(const Training *training, const char *name)
{
	NnTensor   *table = nn_net_find_tensor(training->net, name);
	int		   *wanted = net_case_alloc(table->n_rows, sizeof(int));
	const int32_t *touched;
	int			n_touched = nn_net_touched(training->net, table, &touched);

	for (int i = 0; i < training->n; i++)
	{
		const NaiveRow *row = &training->rows[i];

		if (strcmp(name, "bag.weight") == 0)
			for (int j = 0; j < row->n_bag; j++)
				wanted[row->bag_row[j]] = 1;
		else
			for (int t = 0; t < row->length; t++)
				wanted[row->token[t]] = 1;
	}
	for (int j = 0; j < n_touched; j++)
		if (touched[j] < 0 || touched[j] >= table->n_rows || wanted[touched[j]]++ != 1)
			return false;
	for (int row = 0; row < table->n_rows; row++)
	{
		if (wanted[row] == 1)
			return false;
		for (int d = 0; d < table->n_columns && wanted[row] == 0; d++)
			if (table->grad[row * table->n_columns + d] != 0)
				return false;
	}
	return true;
}

static void
test_contract(NnCell cell, NnInputKind input)
{
	NnSpec		spec = both_branches(cell, input, NN_TASK_CLASSIFY);
	NetCaseRows wish = {9, 8, true};
	Training	training;
	NnRng		rng;
	NnError		err;
	float	   *once;
	double		loss;
	double		again;
	const char *name = cell_names[cell];

	nn_rng_seed(&rng, 4);
	training_begin(&training, &spec, wish, &rng);
	loss = backward(&training, 1);
	once = copy_gradients(&training);
	if (input == NN_INPUT_TEXT)
		ok(is_touched_right(&training, "embedding.weight") && is_touched_right(&training, "bag.weight"),
		   "%s: tables have gradients in touched rows alone", name);
	nn_arena_reset(training.scratch);
	check(nn_net_backward(training.net, &training.batch, &training.dropout, &training.loss_options,
						  &rng, training.scratch, &again, &err), &err);
	ok(again == loss && is_gradient(&training, once, 2, 1e-6), "%s, %s: gradients are added to what is there",
	   name, input_names[input]);

	training.dropout = (NnDropout) {0.3f, 0.3f, 0.3f, 0.3f, 0.3f};
	loss = backward(&training, 99);
	once = copy_gradients(&training);
	again = backward(&training, 99);
	ok(again == loss && is_gradient(&training, once, 1, 0), "%s, %s: the same seed drops the same",
	   name, input_names[input]);
	ok(backward(&training, 100) != loss, "%s, %s: another seed drops others", name, input_names[input]);
	training_end(&training);
}

/* ---- dropout ------------------------------------------------------------------ */

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

/*
 * One tensor: the derivative of the returned loss along the gradient, and along
 * a random direction, with the same generator.  The loss is computed in single
 * precision, so the step is large (rounding gives about 1e-7 / step) and the rule
 * has four points (truncation step^4).  Returned is the larger error, as a multiple
 * of what is allowed.
 */
static double
dropout_tensor_error(Training *training, NnTensor *tensor, const float *gradient, NnRng *rng, uint64_t seed)
{
	int			n = tensor_size(tensor);
	float	   *saved = net_case_alloc(n, sizeof(float));
	float	   *direction = net_case_alloc(n, sizeof(float));
	double		norm = 0;
	double		worst = 0;

	memcpy(saved, tensor->data, n * sizeof(float));
	for (int i = 0; i < n; i++)
		norm += (double) gradient[i] * gradient[i];
	norm = sqrt(norm);
	for (int k = 0; k < 2 && norm > 0; k++)
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
			value[side] = backward(training, seed);
		}
		/* f' = (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12 h */
		worst = fmax(worst, fabs((value[0] - 8 * value[1] + 8 * value[2] - value[3]) / (12 * step) - along) /
					 (1e-3 * norm + 1e-4));
	}
	memcpy(tensor->data, saved, n * sizeof(float));
	return worst;
}

static void
test_dropout_gradient(NnCell cell, NnInputKind input, DropoutKind kind)
{
	/* a maximum over steps has kinks, which a step this large may cross: pooling without it */
	NnSpec		spec = both_branches(cell, input, kind % 2 ? NN_TASK_REGRESS : NN_TASK_CLASSIFY);
	NetCaseRows wish = {7, 6, true};
	Training	training;
	NnRng		rng;
	double		worst = 0;
	const float *gradient;

	spec.pool &= ~(unsigned) NN_POOL_MAX;
	nn_rng_seed(&rng, 10 * cell + kind);
	training_begin(&training, &spec, wish, &rng);
	training.dropout = dropout_of(kind, 0.4f);
	backward(&training, 7);
	gradient = copy_gradients(&training);
	for (int k = 0; k < nn_net_n_tensors(training.net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training.net, k);
		double		error;

		if (tensor->kind != NN_TENSOR_FIXED)
		{
			error = dropout_tensor_error(&training, tensor, gradient, &rng, 7);
			if (!(error < 1))
				printf("# %s: %g times the error allowed\n", tensor->name, error);
			worst = fmax(worst, isnan(error) ? INFINITY : error);
		}
		gradient += tensor_size(tensor);
	}
	ok(worst < 1, "%s, %s, dropout %s: gradients (%.2f of the error allowed)",
	   cell_names[cell], input_names[input], dropout_names[kind], worst);
	training_end(&training);
}

/* A probability too small to drop anything changes nothing; so does a kind that the net has no use for. */
static void
test_dropout_none(NnCell cell)
{
	NnSpec		spec = both_branches(cell, NN_INPUT_TEXT, NN_TASK_CLASSIFY);
	NetCaseRows wish = {9, 8, true};
	Training	training;
	NnRng		rng;
	float	   *none;
	double		loss;

	nn_rng_seed(&rng, 12);
	training_begin(&training, &spec, wish, &rng);
	loss = backward(&training, 1);
	none = copy_gradients(&training);
	training.dropout = dropout_of(DROP_ALL, 1e-9f);
	ok(fabs(backward(&training, 1) - loss) < 1e-6 && is_gradient(&training, none, 1, 1e-5),
	   "%s: dropout of almost nothing is none", cell_names[cell]);
	training_end(&training);
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
	NnSpec		spec = both_branches(NN_CELL_RNN, input, NN_TASK_REGRESS);
	NetCaseRows wish = {4, 2, false};
	const char *bias = kind == DROP_WIDE ? "wide_head.bias" : "head.bias";
	enum
	{
		N_SEEDS = 4000
	};
	Training	training;
	NnRng		rng;
	double		expected[3];
	double		sum[3] = {0};
	double		sum_squares[3] = {0};
	bool		is_mean = true;
	bool		is_random = false;

	spec.n_layers = 1;
	spec.pool = NN_POOL_MEAN;
	nn_rng_seed(&rng, 3);
	training_begin(&training, &spec, wish, &rng);
	for (int k = 0; k < nn_net_n_tensors(training.net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(training.net, k);
		bool		is_small = strstr(tensor->name, "weight_ih") != NULL || tensor->kind == NN_TENSOR_BIAS;

		for (int i = 0; i < tensor_size(tensor) && is_small; i++)
			tensor->data[i] *= 0.003f;
	}
	backward(&training, 1);
	for (int c = 0; c < 3; c++)
		expected[c] = nn_net_find_tensor(training.net, bias)->grad[c];
	training.dropout = dropout_of(kind, 0.4f);
	for (int seed = 0; seed < N_SEEDS; seed++)
	{
		backward(&training, 1000 + seed);
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
	ok(is_mean && is_random, "%s, dropout %s keeps the mean", input_names[input], dropout_names[kind]);
	training_end(&training);
}

/*
 * Where.  Gradients that are exactly zero show what was dropped: a word's whole
 * vector, or single numbers of it, everywhere in the batch.  Counted over seeds,
 * their share is the probability.
 */
static void
test_dropout_share(DropoutKind kind)
{
	NnSpec		spec = both_branches(NN_CELL_LSTM, NN_INPUT_TEXT, NN_TASK_CLASSIFY);
	NetCaseRows wish = {6, 8, false};
	const double p = 0.3;
	Training	training;
	NnRng		rng;
	int			n_units = 0;
	int			n_dropped = 0;
	double		share;

	nn_rng_seed(&rng, 3);
	training_begin(&training, &spec, wish, &rng);
	training.dropout = dropout_of(kind, (float) p);
	for (int seed = 0; seed < 300; seed++)
	{
		const NnTensor *table = nn_net_find_tensor(training.net, "embedding.weight");

		backward(&training, seed);
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
	training_end(&training);
}

int
main(void)
{
	nn_kern_init();
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_VECTOR; input++)
			for (int n_layers = 1; n_layers <= 3; n_layers++)
				for (int k = 0; k < 2; k++)
					test_architecture((NnCell) cell, (NnInputKind) input, n_layers, k == 1);
	for (int input = NN_INPUT_TEXT; input <= NN_INPUT_VECTOR; input++)
		test_architecture(NN_CELL_NONE, (NnInputKind) input, 0, false);
	for (unsigned pool = NN_POOL_LAST; pool <= NN_POOL_ATTENTION; pool *= 2)
		test_pool(pool);
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
		{
			test_contract((NnCell) cell, (NnInputKind) input);
			for (int kind = DROP_WORD; kind <= DROP_ALL; kind++)
				test_dropout_gradient((NnCell) cell, (NnInputKind) input, (DropoutKind) kind);
		}
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		test_dropout_none((NnCell) cell);
	for (int kind = DROP_INPUT; kind <= DROP_WIDE; kind++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
			if (kind != DROP_WIDE || input == NN_INPUT_TEXT)
				test_dropout_mean((DropoutKind) kind, (NnInputKind) input);
	test_dropout_share(DROP_WORD);
	test_dropout_share(DROP_INPUT);
	return done_testing();
}
