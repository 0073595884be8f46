/*
 * test_net_create.c: a net's memory and its first weights.
 *
 *  - A failed allocation, whichever it is, is a status.
 *  - nn_net_bytes() and nn_net_batch_bytes() are what a net and a batch take.
 *  - First weights are what nn_net_init() promises.
 */
#include "net_case.h"

#include <math.h>
#include <string.h>
#include "tap.h"

/* ---- memory ------------------------------------------------------------------ */

/* An env that refuses its n-th block. */
typedef struct Scarce
{
	int			n_left;
} Scarce;

static void *
scarce_alloc(void *ctx, size_t size_bytes)
{
	Scarce	   *scarce = ctx;

	if (scarce->n_left-- <= 0)
		return NULL;
	return nn_env_malloc.alloc(nn_env_malloc.ctx, size_bytes);
}

static void
scarce_release(void *ctx, void *block)
{
	(void) ctx;
	nn_env_malloc.release(nn_env_malloc.ctx, block);
}

/* All of create, forward and backward with an env of n blocks. */
static NnStatus
run_scarce(int n, const NnSpec *spec, const NnBatch *batch, float *out)
{
	Scarce		scarce = {n};
	NnEnv		env = nn_env_malloc;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	NnDropout	dropout = {0.2f, 0.2f, 0.2f, 0.2f, 0.2f};
	NnLoss		loss_options = {0};
	NnRng		rng;
	double		loss;
	NnStatus	status = NN_ENOMEM;

	env.ctx = &scarce;
	env.alloc = scarce_alloc;
	env.release = scarce_release;
	arena = nn_arena_create(&env);
	scratch = nn_arena_create(&env);
	nn_rng_seed(&rng, 1);
	if (arena != NULL && scratch != NULL)
		status = nn_net_create(&net, arena, spec, true, NULL);
	if (status == NN_OK)
	{
		net_case_fill(net, &rng);
		status = nn_net_forward(net, batch, scratch, out, NULL, NULL, NULL, NULL);
	}
	if (status == NN_OK)
		status = nn_net_backward(net, batch, NULL, &dropout, &loss_options, &rng, scratch, &loss, NULL);
	nn_arena_destroy(arena);
	nn_arena_destroy(scratch);
	return status;
}

static void
test_memory(NnCell cell, NnInputKind input)
{
	NnRng		rng;
	NnSpec		spec;
	NetCaseRows wish = {9, 30, true, false};
	NaiveRow   *rows;
	NnBatch		batch;
	int			order[NET_CASE_MAX_ROWS];
	float	   *out;
	NnStatus	status = NN_ENOMEM;
	int			n;

	nn_rng_seed(&rng, 8 + cell);
	spec = net_case_spec(&rng, cell, input, 2, true, 60);
	spec.pool = 15;
	rows = net_case_rows(&rng, &spec, wish);
	net_case_pack(&spec, rows, NULL, wish.n, &batch, order);
	out = net_case_alloc((size_t) wish.n * spec.n_outputs, sizeof(float));
	for (n = 0; n < 200 && status == NN_ENOMEM; n++)
		status = run_scarce(n, &spec, &batch, out);
	ok(status == NN_OK && n > 3, "%s, %s: each failed allocation is NN_ENOMEM, %d blocks are enough",
	   net_case_cells[cell], net_case_inputs[input], n - 1);
	net_case_free_all();
}

/*
 * Scratch of one block: pieces taken before a pass move the block's end through
 * all of the pass's own pieces, so each of them is the one that is refused.
 */
static void
test_scratch(NnCell cell, NnInputKind input)
{
	NnSpec		spec = net_case_both_branches(cell, input, NN_TASK_CLASSIFY);
	NetCaseRows wish = {3, 4, false, false};
	Scarce		scarce = {0};
	NnEnv		env = nn_env_malloc;
	NetTraining training;
	NnRng		rng;
	float	   *out = net_case_alloc((size_t) wish.n * spec.n_outputs, sizeof(float));
	int			n_refused = 0;
	int			n_other = 0;

	spec.hidden = 2;
	env.ctx = &scarce;
	env.alloc = scarce_alloc;
	env.release = scarce_release;
	nn_rng_seed(&rng, 6);
	net_training_begin(&training, &spec, wish, &rng);
	training.dropout = (NnDropout) {0.2f, 0.2f, 0.2f, 0.2f, 0.2f};
	for (size_t n_taken = 64; n_taken < 16 * 1024; n_taken += 64)
		for (int is_backward = 0; is_backward < 2; is_backward++)
		{
			NnArena    *scratch;
			NnStatus	status;
			double		loss;

			scarce.n_left = 2;	/* the arena itself and one block */
			scratch = nn_arena_create(&env);
			nn_arena_take(scratch, n_taken, 1);
			scarce.n_left = 0;
			status = is_backward
				? nn_net_backward(training.net, &training.batch, NULL, &training.dropout, &training.loss_options,
								  &rng, scratch, &loss, NULL)
				: nn_net_forward(training.net, &training.batch, scratch, out, NULL, NULL, NULL, NULL);
			n_refused += status == NN_ENOMEM;
			n_other += status != NN_ENOMEM && status != NN_OK;
			nn_arena_destroy(scratch);
		}
	ok(n_refused > 50 && n_other == 0, "%s, %s: each piece of scratch may be refused (%d were)",
	   net_case_cells[cell], net_case_inputs[input], n_refused);
	net_training_end(&training);
}

/* Many sizes: what a pass takes and what nn_net_batch_bytes() and nn_net_bytes() promise. */
static void
test_sizes(void)
{
	NnRng		rng;
	int			n_over = 0;

	nn_rng_seed(&rng, 11);
	for (int k = 0; k < 60; k++)
	{
		NnSpec		spec = net_case_spec(&rng, (NnCell) (1 + k % 3), (NnInputKind) (k % 2),
										 net_case_int(&rng, 1, 3), k % 4 < 2, 50);
		NetCaseRows wish = {net_case_int(&rng, 1, 40), net_case_int(&rng, 1, 60), false};
		NaiveRow   *rows = net_case_rows(&rng, &spec, wish);
		NnArena    *arena = nn_arena_create(&nn_env_malloc);
		NnArena    *scratch = nn_arena_create(&nn_env_malloc);
		NnNet	   *net = net_case_net(&rng, &spec, arena, true);
		NnDropout	dropout = {0.2f, 0.2f, 0.2f, 0.2f, 0.2f};
		NnLoss		loss_options = {0};
		NnBatch		batch;
		int			order[NET_CASE_MAX_ROWS];
		double		loss;
		size_t		bound;

		net_case_pack(&spec, rows, NULL, wish.n, &batch, order);
		/* a second round after a reset takes what the first one needed, in one block */
		for (int round = 0; round < 2; round++)
		{
			nn_arena_reset(scratch);
			if (nn_net_backward(net, &batch, NULL, &dropout, &loss_options, &rng, scratch, &loss, NULL) != NN_OK)
				n_over++;
		}
		bound = nn_net_batch_bytes(&spec, true, &(NnBatchSize) {.B = batch.n_sequences, .N = batch.n_rows, .U = batch.n_distinct});
		if (nn_arena_bytes(scratch) > bound)
		{
			printf("# %s: %zu bytes, bound %zu\n", net_case_cells[spec.cell], nn_arena_bytes(scratch), bound);
			n_over++;
		}
		nn_arena_destroy(scratch);
		nn_arena_destroy(arena);
		net_case_free_all();
	}
	ok(n_over == 0, "no training batch of 60 takes more than nn_net_batch_bytes()");
}

/*
 * A net of the size that people train: nn_net_bytes() is what it takes, and the
 * arena may leave the ends of two blocks of 8 MB unused.
 */
static void
test_net_bytes(bool is_training)
{
	NnSpec		spec = {0};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net = NULL;
	size_t		bytes;
	size_t		bound;

	spec.n_outputs = 20;
	spec.cell = NN_CELL_LSTM;
	spec.n_layers = 2;
	spec.hidden = 128;
	spec.is_bidirectional = true;
	spec.pool = NN_POOL_MAX | NN_POOL_MEAN;
	spec.vocabulary = 30000;
	spec.embedding = 100;
	spec.wide = NN_WIDE_BAG;
	spec.wide_inputs = 100000;
	spec.wide_hidden = 32;
	ok(nn_net_create(&net, arena, &spec, is_training, NULL) == NN_OK, "a large net");
	bytes = nn_arena_bytes(arena);
	bound = nn_net_bytes(&spec, is_training);
	ok(bytes > bound / 4 * 3 && bytes <= bound + (16 << 20), "takes %zu bytes, nn_net_bytes() said %zu, %s",
	   bytes, bound, is_training ? "for training" : "for answers");
	/* 30000 * 100, 100000 * 32, two layers of 512 gate rows each way, two heads */
	ok(nn_net_n_parameters(net) == 3000000 + 3200000 + 2 * 512 * (100 + 128 + 2) + 2 * 512 * (256 + 128 + 2)
	   + 20 * (512 + 1) + 20 * (32 + 1), "has as many numbers as its shapes say");
	nn_arena_destroy(arena);
}

/* ---- first weights ----------------------------------------------------------- */

/* The largest |(Q^T Q - 1)_ij| of the gates of a (G, H) matrix. */
static double
distance_from_orthogonal(const NnTensor *tensor)
{
	int			H = tensor->n_columns;
	double		largest = 0;

	for (int gate = 0; gate < tensor->n_rows / H; gate++)
		for (int i = 0; i < H; i++)
			for (int j = 0; j < H; j++)
			{
				double		sum = i == j ? -1 : 0;

				for (int k = 0; k < H; k++)
					sum += (double) tensor->data[(gate * H + k) * H + i] * tensor->data[(gate * H + k) * H + j];
				largest = net_case_worse(largest, fabs(sum));
			}
	return largest;
}

/* All numbers within the bound, and their deviation that of a uniform distribution. */
static bool
is_glorot(const NnTensor *tensor, int n_in, int n_out)
{
	double		bound = sqrt(6.0 / (n_in + n_out));
	int			n = tensor->n_rows * tensor->n_columns;
	double		sum = 0;

	for (int i = 0; i < n; i++)
	{
		if (fabs(tensor->data[i]) > bound * 1.000001)
			return false;
		sum += (double) tensor->data[i] * tensor->data[i];
	}
	/* the variance of a square is 4/45 bound^4: five sigma */
	return fabs(sum / n - bound * bound / 3) < 5 * bound * bound * sqrt(4.0 / 45 / n);
}

static void
test_init(void)
{
	NnSpec		spec = {0};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net;
	NnNet	   *again;
	NnRng		rng;
	NnTensor   *tensor;
	const float *b_ih;
	const float *b_hh;
	double		sum = 0;
	bool		is_bias_right = true;
	bool		is_same = true;

	spec.n_outputs = 8;
	spec.cell = NN_CELL_LSTM;
	spec.n_layers = 2;
	spec.hidden = 24;
	spec.is_bidirectional = true;
	spec.pool = NN_POOL_MAX;
	spec.vocabulary = 500;
	spec.embedding = 40;
	nn_rng_seed(&rng, 3);
	net = net_case_net(&rng, &spec, arena, false);
	again = net_case_net(&rng, &spec, arena, false);
	nn_rng_seed(&rng, 3);
	nn_net_init(net, &rng);
	nn_rng_seed(&rng, 3);
	nn_net_init(again, &rng);
	for (int k = 0; k < nn_net_n_tensors(net); k++)
		is_same = is_same && memcmp(nn_net_tensor(net, k)->data, nn_net_tensor(again, k)->data,
									(size_t) nn_net_tensor(net, k)->n_rows * nn_net_tensor(net, k)->n_columns * sizeof(float)) == 0;
	ok(is_same, "first weights depend on the seed alone");
	ok(distance_from_orthogonal(nn_net_find_tensor(net, "rnn.weight_hh_l0")) < 1e-5 &&
	   distance_from_orthogonal(nn_net_find_tensor(net, "rnn.weight_hh_l1_reverse")) < 1e-5,
	   "W_hh is orthogonal gate by gate");
	b_ih = nn_net_find_tensor(net, "rnn.bias_ih_l1")->data;
	b_hh = nn_net_find_tensor(net, "rnn.bias_hh_l1")->data;
	for (int j = 0; j < 4 * spec.hidden; j++)
	{
		bool		is_forget = j >= spec.hidden && j < 2 * spec.hidden;

		is_bias_right = is_bias_right && b_ih[j] + b_hh[j] == (is_forget ? 1.0f : 0.0f);
	}
	ok(is_bias_right, "the forget gate's bias is 1, all others are 0");
	tensor = nn_net_find_tensor(net, "embedding.weight");
	for (int i = 0; i < 500 * 40; i++)
		sum += (double) tensor->data[i] * tensor->data[i];
	ok(fabs(sqrt(sum / 20000) - 0.1) < 0.1 * 5 / sqrt(2 * 20000), "embeddings deviate by 0.1");
	ok(is_glorot(nn_net_find_tensor(net, "head.weight"), 48, 8), "the head is Glorot-uniform");
	ok(is_glorot(nn_net_find_tensor(net, "rnn.weight_ih_l0"), 40, 24), "W_ih is Glorot-uniform gate by gate");
	ok(nn_net_find_tensor(net, "scale")->data[0] == 1.0f, "branch scales are 1");
	ok(nn_net_find_tensor(net, "no such tensor") == NULL, "an unknown tensor is not found");
	nn_arena_destroy(arena);
	net_case_free_all();
}

int
main(void)
{
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_SERIES; input++)
		{
			test_memory((NnCell) cell, (NnInputKind) input);
			test_scratch((NnCell) cell, (NnInputKind) input);
		}
	test_sizes();
	test_net_bytes(false);
	test_net_bytes(true);
	test_init();
	return done_testing();
}
