/*
 * bench/token_loss.c: milliseconds of the softmax over a vocabulary.
 *
 *   token_loss full|sampled|score V E M N_SAMPLES N_STEPS
 *
 * A step is the loss and all its gradients (score: the likelihood alone), with
 * the packing of the table that follows each update.  Labels follow Zipf's law.
 * Prints "ms GFLOP/s tokens/s kernel peak", of the fastest step; the operations are
 * the three products' (score: the one's), for sampled over the drawn tokens.  The
 * peak, in GFLOP/s, is the best of the same time, measured between the steps (0
 * without AVX-512).
 * bench/token_loss.py runs it beside PyTorch.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kern/kern.h"
#include "nn/token_loss.h"

#define N_CHAINS	12			/* enough for two units of latency 4 or 5 */
#define N_LOOPS		100000

/* GFLOP/s of fused multiply-add from registers, right now; 0 where bench/kern must be asked. */
#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double
peak_now(void)
{
	__m512		sum[N_CHAINS];
	volatile float factor = 0.999f;
	__m512		a = _mm512_set1_ps(factor);
	double		start = nn_env_malloc.now(NULL);

	for (int c = 0; c < N_CHAINS; c++)
		sum[c] = a;
	for (int i = 0; i < N_LOOPS; i++)
	{
#pragma GCC unroll 12
		for (int c = 0; c < N_CHAINS; c++)
			sum[c] = _mm512_fmadd_ps(sum[c], a, a);
	}
	for (int c = 1; c < N_CHAINS; c++)
		sum[0] = _mm512_add_ps(sum[0], sum[c]);
	factor = sum[0][0];
	return 2e-9 * 16 * N_CHAINS * N_LOOPS / (nn_env_malloc.now(NULL) - start);
}
#else
static double
peak_now(void)
{
	return 0.0;
}
#endif

static int64_t n_touched;

static void
count_touched(void *ctx, int32_t row)
{
	(void) ctx;
	(void) row;
	n_touched++;
}

static float *
new_floats(size_t n, NnRng *rng, float bound)
{
	float	   *x = nn_env_malloc.alloc(NULL, n * sizeof(float));

	if (x == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		x[i] = bound * (2.0f * nn_rng_uniform(rng) - 1.0f);
	return x;
}

int
main(int argc, char **argv)
{
	NnEnv		env = nn_env_malloc;
	NnArena    *scratch = nn_arena_create(&env);
	NnTokenTable table = {0};
	NnRng		rng;
	NnError		err;
	int			V,
				E,
				M,
				n_samples,
				n_steps;
	float	   *x,
			   *dx,
			   *out,
			   *packed;
	int32_t    *label;
	double		best = 1e9;
	double		loss = 0.0;
	double		flops;
	double		peak = 0.0;

	if (argc < 7)
		return 2;
	V = atoi(argv[2]);
	E = atoi(argv[3]);
	M = atoi(argv[4]);
	n_samples = atoi(argv[5]);
	n_steps = atoi(argv[6]);
	nn_kern_init();
	nn_rng_seed(&rng, 1);
	x = new_floats((size_t) M * E, &rng, 1.0f);
	dx = new_floats((size_t) M * E, &rng, 1.0f);
	out = new_floats((size_t) M, &rng, 1.0f);
	packed = new_floats(nn_pack_floats(E, V), &rng, 1.0f);
	label = malloc((size_t) M * sizeof(int32_t));
	if (label == NULL || scratch == NULL)
		return 1;
	for (int m = 0; m < M; m++)
		label[m] = (int32_t) (exp((double) nn_rng_uniform(&rng) * log((double) V)) - 1.0);
	table.n_tokens = V;
	table.width = E;
	table.weight = new_floats((size_t) V * E, &rng, 0.1f);
	table.bias = new_floats((size_t) V, &rng, 0.1f);
	table.weight_grad = new_floats((size_t) V * E, &rng, 0.0f);
	table.bias_grad = new_floats((size_t) V, &rng, 0.0f);
	table.packed = packed;
	nn_pack(table.weight, E, E, V, true, packed);

	for (int step = 0; step < n_steps; step++)
	{
		double		now = strcmp(nn_kern_name(), "avx512") == 0 ? peak_now() : 0.0;
		double		start = env.now(NULL);
		NnStatus	status;

		peak = now > peak ? now : peak;

		if (strcmp(argv[1], "full") == 0)
		{
			nn_pack(table.weight, E, E, V, true, packed);
			status = nn_token_loss(&table, M, x, label, 0.0f, 1.0f / (float) M, dx, scratch, &loss, NULL, &err);
		}
		else if (strcmp(argv[1], "score") == 0)
			status = nn_token_log_likelihood(&table, M, x, label, scratch, out, &err);
		else
			status = nn_token_loss_sampled(&table, M, x, label, n_samples, 0, 1.0f / (float) M, dx, &rng,
										   count_touched, NULL, scratch, &loss, &err);
		if (status != NN_OK)
			return 1;
		start = env.now(NULL) - start;
		best = start < best ? start : best;
		nn_arena_reset(scratch);
	}
	flops = 2.0 * M * E * (strcmp(argv[1], "sampled") == 0 ? n_samples : V);
	flops *= strcmp(argv[1], "score") == 0 ? 1.0 : 3.0;
	printf("%.3f %.1f %.0f %s %.0f\n", 1e3 * best, 1e-9 * flops / best, M / best, nn_kern_name(), peak);
	return 0;
}
