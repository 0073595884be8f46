/*
 * bench/language.c: milliseconds of a training step of a language model.
 *
 *   language CELL LAYERS E H V B T N_SAMPLES N_STEPS [DROPOUT]
 *
 * A stream of tokens by Zipf's law in B lanes of T steps, the state going on from
 * batch to batch; forward and backward pass, clipping, AdamW of all tensors and
 * packing: all of a step but the trainer's.  N_SAMPLES 0 is the whole softmax.
 * Prints "ms cpu_ms tokens_per_second passes_ms optimizer_ms pack_ms loss kernel",
 * medians of the steps behind the first three: ms is of the clock on the wall, all
 * else of processor time, which other load on the machine changes less.  The loss
 * is the last step's.
 * bench/language.py runs it beside PyTorch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"
#include "train/optimizer.h"

enum
{
	PASSES,
	OPTIMIZER,
	PACK,
	WHOLE,
	WALL,
	N_PARTS
};

static double
cpu_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static int
compare_tokens(const void *a, const void *b)
{
	return *(const int32_t *) a - *(const int32_t *) b;
}

/* A batch of lanes: all arrays but length, active and offset are made anew for each step. */
static void
pack_lanes(NnBatch *batch, NnRng *rng, int V, int32_t *stream, int32_t *distinct, int32_t *place)
{
	int			B = batch->n_sequences;
	int			N = batch->n_rows;
	int			n = 0;

	/* row t B + b is followed by row (t + 1) B + b */
	memcpy(stream, stream + N, (size_t) B * sizeof(int32_t));
	for (int r = B; r < N + B; r++)
		stream[r] = (int32_t) (exp((double) nn_rng_uniform(rng) * log((double) V)) - 1.0);
	memcpy(distinct, stream, (size_t) N * sizeof(int32_t));
	qsort(distinct, (size_t) N, sizeof(int32_t), compare_tokens);
	for (int r = 0; r < N; r++)
		if (r == 0 || distinct[r] != distinct[n - 1])
			distinct[n++] = distinct[r];
	for (int r = 0; r < N; r++)
		place[r] = (int32_t) ((const int32_t *) bsearch(&stream[r], distinct, (size_t) n, sizeof(int32_t),
														compare_tokens) - distinct);
	batch->n_distinct = n;
	batch->distinct = distinct;
	batch->token = place;
	batch->row_label = stream + B;
}

static void *
zeros(size_t n_items, size_t item_bytes)
{
	void	   *block = calloc(n_items, item_bytes);

	if (block == NULL)
		abort();
	return block;
}

int
main(int argc, char **argv)
{
	NnEnv		env = nn_env_malloc;
	NnArena    *arena = nn_arena_create(&env);
	NnArena    *scratch = nn_arena_create(&env);
	NnTrainOptions options = {0};
	NnSpec		spec = {0};
	NnLoss		loss_options = {0};
	NnDropout	dropout = {0};
	NnBatch		batch = {0};
	NnOptimizer *optimizer;
	NnState		state;
	NnNet	   *net;
	NnError		err;
	NnRng		rng;
	int			B,
				T,
				n_steps;
	size_t		n_state;
	int32_t    *length,
			   *active,
			   *offset,
			   *stream,
			   *distinct,
			   *place;
	double	   *seconds[N_PARTS];
	double		loss = 0.0;

	if (argc < 10)
		return 2;
	nn_kern_init();
	spec.task = NN_TASK_LANGUAGE;
	spec.input = NN_INPUT_TEXT;
	spec.cell = (NnCell) nn_cell_from_name(argv[1]);
	spec.n_layers = atoi(argv[2]);
	spec.embedding = atoi(argv[3]);
	spec.hidden = atoi(argv[4]);
	spec.vocabulary = atoi(argv[5]);
	B = atoi(argv[6]);
	T = atoi(argv[7]);
	loss_options.n_samples = atoi(argv[8]);
	n_steps = atoi(argv[9]) + 3;
	if (argc > 10)
		dropout.input = dropout.recurrent = dropout.output = (float) atof(argv[10]);
	options.rate_recurrent = options.rate_embedding = 1e-3f;
	options.beta1 = 0.9f;
	options.beta2 = 0.999f;
	options.epsilon = 1e-8f;
	options.clip = 0.25f;

	length = zeros((size_t) B, sizeof(int32_t));
	active = zeros((size_t) T, sizeof(int32_t));
	offset = zeros((size_t) T + 1, sizeof(int32_t));
	stream = zeros((size_t) (T + 1) * (size_t) B, sizeof(int32_t));
	distinct = zeros((size_t) T * (size_t) B, sizeof(int32_t));
	place = zeros((size_t) T * (size_t) B, sizeof(int32_t));
	for (int b = 0; b < B; b++)
		length[b] = T;
	for (int t = 0; t < T; t++)
	{
		active[t] = B;
		offset[t + 1] = (t + 1) * B;
	}
	batch.n_sequences = B;
	batch.n_steps = T;
	batch.n_rows = B * T;
	batch.length = length;
	batch.active = active;
	batch.offset = offset;
	n_state = (size_t) spec.n_layers * (size_t) B * (size_t) spec.hidden;
	state.h = zeros(n_state, sizeof(float));
	state.c = spec.cell == NN_CELL_LSTM ? zeros(n_state, sizeof(float)) : NULL;
	for (int i = 0; i < N_PARTS; i++)
		seconds[i] = zeros((size_t) n_steps, sizeof(double));

	nn_rng_seed(&rng, 1);
	if (nn_net_create(&net, arena, &spec, true, &err) != NN_OK ||
		nn_optimizer_create(&optimizer, net, &options, NULL, arena, &err) != NN_OK)
	{
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	nn_net_init(net, &rng);
	nn_net_pack(net);
	for (int step = 0; step < n_steps; step++)
	{
		double		at[4];
		double		start;

		pack_lanes(&batch, &rng, spec.vocabulary, stream, distinct, place);
		nn_arena_reset(scratch);
		start = env.now(NULL);
		at[0] = cpu_seconds();
		if (nn_net_backward(net, &batch, &state, &dropout, &loss_options, &rng, scratch, &loss, &err) != NN_OK)
		{
			fprintf(stderr, "%s\n", err.message);
			return 1;
		}
		at[1] = cpu_seconds();
		nn_optimizer_step(optimizer, NN_PART_ALL, 1.0, nn_optimizer_norm(optimizer));
		at[2] = cpu_seconds();
		nn_net_pack(net);
		at[3] = cpu_seconds();
		for (int i = 0; i < 3; i++)
			seconds[i][step] = at[i + 1] - at[i];
		seconds[WHOLE][step] = at[3] - at[0];
		seconds[WALL][step] = env.now(NULL) - start;
	}
	for (int i = 0; i < N_PARTS; i++)
		qsort(seconds[i] + 3, (size_t) (n_steps - 3), sizeof(double), compare_doubles);
	n_steps = 3 + (n_steps - 3) / 2;
	printf("%.3f %.3f %.0f %.3f %.3f %.3f %.4f %s\n", 1e3 * seconds[WALL][n_steps], 1e3 * seconds[WHOLE][n_steps],
		   B * T / seconds[WHOLE][n_steps], 1e3 * seconds[PASSES][n_steps], 1e3 * seconds[OPTIMIZER][n_steps],
		   1e3 * seconds[PACK][n_steps], loss, nn_kern_name());
	return 0;
}
