/*
 * bench/train.c: milliseconds of a training step of the recurrent branch.
 *
 *   bench_train CELL DIRECTIONS E H BATCH STEPS VOCABULARY ZIPF N_STEPS KERNEL
 *
 * Sequences of one length, tokens drawn evenly (ZIPF 0) or by Zipf's law (1);
 * embedding, recurrent layer, last state, softmax over two labels, AdamW, clipping:
 * everything nn_train() does.  Prints "ms_per_step tokens_per_second kernel blas".
 * bench/train.py runs it beside PyTorch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/kern.h"
#include "train/train.h"

/* A token by Zipf's law over V words, or evenly. */
static int32_t
draw(NnRng *rng, int V, int is_zipf)
{
	double		u = (double) nn_rng_uniform(rng);

	if (!is_zipf)
		return (int32_t) (u * V);
	return (int32_t) (exp(u * log((double) V)) - 1.0);
}

int
main(int argc, char **argv)
{
	NnEnv		env = nn_env_malloc;
	NnArena    *arena = nn_arena_create(&env);
	NnSpec		spec = {0};
	NnTrainOptions options = {0};
	NnExamples	examples = {0};
	NnExamples	none = {0};
	NnTrainReport *report = calloc(1, sizeof(NnTrainReport));
	NnNet	   *net;
	NnError		err;
	NnRng		rng;
	int			B,
				T,
				n_steps;
	int64_t    *start;
	int32_t    *token;
	int32_t    *label;

	if (argc < 11)
		return 2;
	nn_kern_init();
	if (strcmp(argv[10], "best") != 0 && !nn_kern_use(argv[10]))
		return 3;
	spec.task = NN_TASK_CLASSIFY;
	spec.input = NN_INPUT_TEXT;
	spec.n_outputs = 2;
	spec.cell = (NnCell) nn_cell_from_name(argv[1]);
	spec.is_bidirectional = atoi(argv[2]) == 2;
	spec.n_layers = 1;
	spec.embedding = atoi(argv[3]);
	spec.hidden = atoi(argv[4]);
	spec.pool = NN_POOL_LAST;
	spec.vocabulary = atoi(argv[7]);
	B = atoi(argv[5]);
	T = atoi(argv[6]);
	n_steps = atoi(argv[9]);

	nn_rng_seed(&rng, 1);
	examples.n = (int64_t) B * n_steps;
	start = calloc((size_t) examples.n + 1, sizeof(int64_t));
	token = calloc((size_t) examples.n * (size_t) T, sizeof(int32_t));
	label = calloc((size_t) examples.n, sizeof(int32_t));
	for (int64_t i = 0; i < examples.n; i++)
	{
		start[i + 1] = start[i] + T;
		label[i] = (int32_t) nn_rng_below(&rng, 2);
		for (int t = 0; t < T; t++)
			token[i * T + t] = draw(&rng, spec.vocabulary, atoi(argv[8]));
	}
	examples.token_start = start;
	examples.token = token;
	examples.label = label;

	options.epochs = 2;
	options.batch = B;
	options.window = 50;
	options.rate_recurrent = options.rate_embedding = options.rate_wide = 1e-3f;
	options.beta1 = 0.9f;
	options.beta2 = 0.999f;
	options.epsilon = 1e-8f;
	options.weight_decay = 0.01f;
	options.clip = 1.0f;
	options.keep = NN_KEEP_LAST;
	options.seed = 1;
	if (nn_net_create(&net, arena, &spec, true, &err) != NN_OK)
		return 1;
	nn_net_init(net, &rng);
	if (nn_train(net, &examples, &none, &options, &env, report, &err) != NN_OK)
	{
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	/* the first epoch warms up */
	printf("%.4f %.0f %s %s\n", report->epoch[1].seconds * 1e3 / n_steps,
		   (double) examples.n * T / report->epoch[1].seconds, nn_kern_name(), nn_gemm_name(NULL));
	nn_arena_destroy(arena);
	return 0;
}
