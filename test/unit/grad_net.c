/*
 * grad_net.c: the backward pass of nn/net.h, without dropout (grad_dropout.c has it).
 *
 *  - Gradients are central differences of the naive twin's loss, in double: by
 *    single numbers of every tensor, and by a random direction through each whole
 *    tensor, which a wrong number anywhere in it would show.
 *  - The contract: gradients are added to what is there, and tables get gradients
 *    in touched rows alone.
 */
#include "net_case.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"
#include "nn/net_private.h"
#include "tap.h"

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

/* ---- differences of the twin --------------------------------------------- */

/* Derivative of the twin's loss along direction (one number for each of the tensor's). */
static double
twin_derivative(const NetTraining *training, NaiveNet *naive, NaiveTensor *tensor, const float *direction)
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

/* The k-th number to try: in a table, mostly one that has a gradient. */
static int
pick_number(const NnTensor *tensor, int k, NnRng *rng)
{
	int			n = net_case_size(tensor);
	int			at = n <= N_TRIED ? k : net_case_int(rng, 0, n - 1);

	for (int i = 0; tensor->kind == NN_TENSOR_TABLE && i < n && tensor->grad[at] == 0 && k % 8 != 0; i++)
		at = (at + 1) % n;
	return at;
}

/* The largest error of a tensor's gradient, as a multiple of what is allowed. */
static double
tensor_error(const NetTraining *training, NaiveNet *naive, int index, NnRng *rng)
{
	const NnTensor *tensor = nn_net_tensor(training->net, index);
	NaiveTensor *twin = &naive->tensor[index];
	int			n = net_case_size(tensor);
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
		worst = net_case_worse(worst, fabs(derivative - tensor->grad[i]) /
							   (TOLERANCE_RELATIVE * fmax(scale, fabs(derivative)) + TOLERANCE_ABSOLUTE));
	}
	for (int i = 0; i < n; i++)
	{
		direction[i] = net_case_float(rng, -1, 1);
		along += (double) direction[i] * tensor->grad[i];
		norm += (double) tensor->grad[i] * tensor->grad[i];
	}
	/* rounding errors of single numbers add like a random walk */
	return net_case_worse(worst, fabs(twin_derivative(training, naive, twin, direction) - along) /
						  (TOLERANCE_RELATIVE * sqrt(norm) + TOLERANCE_ABSOLUTE * sqrt(n)));
}

/* The largest error of all tensors, as a multiple of what is allowed; says where if it is too large. */
static double
gradient_error(NetTraining *training, NnRng *rng)
{
	NaiveNet	naive;
	double		loss = net_training_backward(training, 1);
	double		worst;

	naive_net_read(&naive, training->net);
	/* the loss is a mean of a few units: an absolute error of 1e-5 */
	worst = fabs(loss - naive_net_loss(&naive, training->rows, training->n, &training->loss_options)) / 1e-5;
	if (!(worst < 1))
		diag("loss: %g times the error allowed", worst);
	for (int k = 0; k < naive.n_tensors; k++)
	{
		double		error;

		if (nn_net_tensor(training->net, k)->kind == NN_TENSOR_FIXED)
			continue;
		error = tensor_error(training, &naive, k, rng);
		if (!(error < 1))
			diag("%s: %g times the error allowed", naive.tensor[k].name, error);
		worst = net_case_worse(worst, error);
	}
	naive_net_free(&naive);
	return worst;
}

static void
test_architecture(NnCell cell, NnInputKind input, int n_layers, bool is_bidirectional)
{
	/* rows, longest, has an empty one */
	static const NetCaseRows wishes[] = {
		{1, 1, false, false}, {1, 7, false, false}, {4, 1, false, false}, {6, 7, true, false}, {1, 1, true, false}
	};
	NnRng		rng;
	double		worst = 0;

	nn_rng_seed(&rng, 1000 * cell + 100 * input + 10 * n_layers + is_bidirectional);
	for (int k = 0; k < 5; k++)
	{
		NnSpec		spec = net_case_spec(&rng, cell, input, n_layers, is_bidirectional, k == 3 ? 9 : 4);
		NetTraining training;

		net_training_begin(&training, &spec, wishes[k], &rng);
		if (k >= 2)
			training.loss_options.class_weight = net_case_class_weight(&rng, &spec);
		if (k % 2 == 1)
			training.loss_options.label_smoothing = 0.1f;
		worst = net_case_worse(worst, gradient_error(&training, &rng));
		net_training_end(&training);
	}
	ok(worst < 1, "%s, %s, %d layer(s)%s: loss and gradients (%.2f of the error allowed)",
	   net_case_cells[cell], net_case_inputs[input], n_layers, is_bidirectional ? ", bidirectional" : "", worst);
}

/* Some 350 rows, so several stretches of steps; of tokens that repeat often, or hardly ever (recurrent_private.h). */
static void
test_stretches(NnCell cell, int vocabulary)
{
	NnSpec		spec = {.n_outputs = 2, .cell = cell, .n_layers = cell == NN_CELL_LSTM ? 2 : 1, .hidden = 4, .is_bidirectional = true,
		.pool = NN_POOL_LAST | NN_POOL_MEAN, .vocabulary = vocabulary, .embedding = 3
	};
	NetCaseRows wish = {28, 24, true, vocabulary > 1000};
	NetTraining training;
	NnRng		rng;
	double		worst;

	nn_rng_seed(&rng, (uint64_t) vocabulary);
	net_training_begin(&training, &spec, wish, &rng);
	worst = gradient_error(&training, &rng);
	ok(training.batch.n_rows > 240 && (training.batch.n_distinct * 10 > training.batch.n_rows * 7) == (vocabulary > 1000),
	   "%d rows with %d tokens", training.batch.n_rows, training.batch.n_distinct);
	ok(worst < 1, "%s, %d words: loss and gradients over several stretches (%.2f of the error allowed)",
	   net_case_cells[cell], vocabulary, worst);
	net_training_end(&training);
}

/* Of a batch too large to keep all gates, the backward pass computes them again: the same bytes. */
static void
test_computed_again(NnCell cell, bool is_bidirectional)
{
	NnSpec		spec = {.n_outputs = 2, .cell = cell, .n_layers = 2, .hidden = 21, .is_bidirectional = is_bidirectional,
		.pool = NN_POOL_LAST | NN_POOL_MAX, .vocabulary = 300, .embedding = 7
	};
	NetCaseRows wish = {28, 24, true, is_bidirectional};
	NetTraining training;
	NnRng		rng;
	float	   *again;
	double		loss;
	size_t		n_kept;
	size_t		n_again;

	nn_rng_seed(&rng, 5);
	net_training_begin(&training, &spec, wish, &rng);
	training.dropout = (NnDropout) {.word = 0.1f, .input = 0.2f, .recurrent = 0.3f};
	training.net->stack.n_trace_bytes = 0;
	loss = net_training_backward(&training, 8);
	again = net_training_gradients(&training);
	n_again = nn_arena_peak_bytes(training.scratch);
	training.net->stack.n_trace_bytes = NN_TRACE_BYTES;
	ok(net_training_backward(&training, 8) == loss && net_training_is_gradient(&training, again, 1, 0),
	   "%s%s: gradients of gates computed again", net_case_cells[cell], is_bidirectional ? ", bidirectional" : "");
	n_kept = nn_arena_peak_bytes(training.scratch);
	if (!is_bidirectional)		/* an arena grows by more than one direction takes */
		ok(n_again < n_kept, "%s: and less memory (%zu, %zu bytes)", net_case_cells[cell], n_again, n_kept);
	net_training_end(&training);
}

/* Each pooling alone. */
static void
test_pool(unsigned pool)
{
	NnSpec		spec = {0};
	NetCaseRows wish = {5, 8, true, false};
	NetTraining training;
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
	net_training_begin(&training, &spec, wish, &rng);
	worst = gradient_error(&training, &rng);
	ok(worst < 1, "pooling %u (%.2f of the error allowed)", pool, worst);
	net_training_end(&training);
}

/* A forecast of every number of quantiles: one loss on the sum of the branches there are. */
static void
test_forecast(NnCell cell, bool has_linear, bool has_level, int n_quantiles)
{
	NnSpec		spec = {
		.task = NN_TASK_FORECAST, .input = NN_INPUT_SERIES, .n_outputs = 3 * 2 * n_quantiles,
		.embedding = has_level ? 4 : 2, .horizon = 3, .n_quantiles = n_quantiles
	};
	NetCaseRows wish = {6, 7, false, false};
	NetTraining training;
	NnRng		rng;
	double		worst;

	nn_rng_seed(&rng, 100 * cell + 10 * has_linear + n_quantiles);
	if (cell != NN_CELL_NONE)
	{
		spec.cell = cell;
		spec.n_layers = 1;
		spec.hidden = 5;
		spec.pool = NN_POOL_LAST;
	}
	if (has_linear)
	{
		spec.wide = NN_WIDE_LINEAR;
		spec.wide_inputs = (7 + has_level) * 2;
	}
	net_training_begin(&training, &spec, wish, &rng);
	worst = gradient_error(&training, &rng);
	ok(worst < 1, "forecast, %s%s, %d quantiles: loss and gradients (%.2f of the error allowed)",
	   net_case_cells[cell], has_linear ? " and a linear branch" : "", n_quantiles, worst);
	net_training_end(&training);
}

/* ---- the contract ------------------------------------------------------------ */

/*
 * Touched rows of a table: the ones that the rows of the batch name, each once;
 * no other row has a gradient.
 */
static bool
is_touched_right(const NetTraining *training, const char *name)
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
	NnSpec		spec = net_case_both_branches(cell, input, NN_TASK_CLASSIFY);
	NetCaseRows wish = {9, 8, true, false};
	NetTraining training;
	NnRng		rng;
	NnError		err;
	float	   *once;
	double		loss;
	double		again;

	nn_rng_seed(&rng, 4);
	net_training_begin(&training, &spec, wish, &rng);
	loss = net_training_backward(&training, 1);
	once = net_training_gradients(&training);
	if (input == NN_INPUT_TEXT)
		ok(is_touched_right(&training, "embedding.weight") && is_touched_right(&training, "bag.weight"),
		   "%s: tables have gradients in touched rows alone", net_case_cells[cell]);
	nn_arena_reset(training.scratch);
	net_case_check(nn_net_backward(training.net, &training.batch, NULL, &training.dropout, &training.loss_options,
								   &rng, training.scratch, &again, &err), &err);
	ok(again == loss && net_training_is_gradient(&training, once, 2, 1e-6),
	   "%s, %s: gradients are added to what is there", net_case_cells[cell], net_case_inputs[input]);
	net_training_end(&training);
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
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		test_stretches((NnCell) cell, 300);
		test_stretches((NnCell) cell, 4000);
		test_computed_again((NnCell) cell, false);
		test_computed_again((NnCell) cell, true);
	}
	for (int input = NN_INPUT_TEXT; input <= NN_INPUT_VECTOR; input++)
		test_architecture(NN_CELL_NONE, (NnInputKind) input, 0, false);
	for (int n_quantiles = 1; n_quantiles <= 9; n_quantiles += 2)
	{
		test_forecast(NN_CELL_LSTM, true, n_quantiles == 3, n_quantiles);
		test_forecast(NN_CELL_GRU, false, n_quantiles != 3, n_quantiles);
		test_forecast(NN_CELL_NONE, true, n_quantiles == 5, n_quantiles);
	}
	for (unsigned pool = NN_POOL_LAST; pool <= NN_POOL_ATTENTION; pool *= 2)
		test_pool(pool);
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
			test_contract((NnCell) cell, (NnInputKind) input);
	return done_testing();
}
