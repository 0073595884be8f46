/*
 * bench/kern.c: how fast the kernels are, beside BLAS and beside the hardware.
 *
 *   kern [--quick]
 *
 * Prints, for the matrix products that matter, GFLOP/s of each set of kernels
 * and their share of what fused multiply-add from registers gives on this core
 * with the same vectors, and GFLOP/s of BLAS where the project may use it;
 * then microseconds of the recurrent steps, and nanoseconds an element of the
 * functions of vectors.  Each number is the fastest of many turns, and the
 * kernels take turns with each other, so that a busy machine harms all alike.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kern/kern_private.h"

#define MAX_KERNELS 3

static const NnKernels *kernels[MAX_KERNELS];
static double peak[MAX_KERNELS];	/* GFLOP/s of one core; 0 if not known */
static int	n_kernels;
static int	n_turns = 15;

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

static float *
new_floats(size_t n)
{
	float	   *x = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64 + 64);

	if (x == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		x[i] = (float) ((i * 2654435761u) % 2001) / 1000.0f - 1.0f;
	return x;
}

/* ---- the ceiling ---------------------------------------------------------- */

#if defined(__x86_64__)
#define N_CHAINS 12				/* enough for two units of latency 4 or 5 */
#define N_PEAK_LOOPS 200000

__attribute__((target("avx512f"))) static double
peak_avx512(void)
{
	__m512		sum[N_CHAINS];
	volatile float factor = 0.999f;
	__m512		a = _mm512_set1_ps(factor);
	double		start = seconds_now();

	for (int c = 0; c < N_CHAINS; c++)
		sum[c] = a;
	for (int i = 0; i < N_PEAK_LOOPS; i++)
	{
#pragma GCC unroll 12
		for (int c = 0; c < N_CHAINS; c++)
			sum[c] = _mm512_fmadd_ps(sum[c], a, a);
	}
	for (int c = 1; c < N_CHAINS; c++)
		sum[0] = _mm512_add_ps(sum[0], sum[c]);
	factor = sum[0][0];
	return 2e-9 * 16 * N_CHAINS * N_PEAK_LOOPS / (seconds_now() - start);
}

__attribute__((target("avx2,fma"))) static double
peak_avx2(void)
{
	__m256		sum[N_CHAINS];
	volatile float factor = 0.999f;
	__m256		a = _mm256_set1_ps(factor);
	double		start = seconds_now();

	for (int c = 0; c < N_CHAINS; c++)
		sum[c] = a;
	for (int i = 0; i < N_PEAK_LOOPS; i++)
	{
#pragma GCC unroll 12
		for (int c = 0; c < N_CHAINS; c++)
			sum[c] = _mm256_fmadd_ps(sum[c], a, a);
	}
	for (int c = 1; c < N_CHAINS; c++)
		sum[0] = _mm256_add_ps(sum[0], sum[c]);
	factor = sum[0][0];
	return 2e-9 * 8 * N_CHAINS * N_PEAK_LOOPS / (seconds_now() - start);
}
#endif

static double
measure_peak(const NnKernels *which)
{
	double		best = 0.0;

	for (int i = 0; i < 20; i++)
	{
		double		gflops = 0.0;

#if defined(__x86_64__)
		if (which == &nn_kernels_avx512)
			gflops = peak_avx512();
		else if (which == &nn_kernels_avx2)
			gflops = peak_avx2();
#else
		(void) which;
#endif
		best = gflops > best ? gflops : best;
	}
	return best;
}

/* ---- matrix products --------------------------------------------------------- */

static void
print_share(double seconds, double flops, double ceiling)
{
	double		gflops = 1e-9 * flops / seconds;

	if (ceiling > 0.0)
		printf("  %7.1f (%3.0f %%)", gflops, 100.0 * gflops / ceiling);
	else
		printf("  %7.1f        ", gflops);
}

/* So often that one measurement takes about half a millisecond. */
static int
repetitions(double flops)
{
	int			n = (int) (3e7 / flops);

	return n > 0 ? n : 1;
}

/* Seconds of one BLAS call, or of our nn_gemm with the kernels in use. */
static double
time_gemm(bool trans_a, bool trans_b, int M, int N, int K,
		  const float *A, const float *B, float *C)
{
	int			n = repetitions(2.0 * M * N * K);
	double		start = seconds_now();

	for (int i = 0; i < n; i++)
		nn_gemm(trans_a, trans_b, M, N, K, A, trans_a ? M : K, B, trans_b ? K : N, C, N, false);
	return (seconds_now() - start) / n;
}

static double
time_packed(int M, int N, int K, const float *A, const float *packed, float *C)
{
	int			n = repetitions(2.0 * M * N * K);
	double		start = seconds_now();

	for (int i = 0; i < n; i++)
		nn_gemm_packed(M, N, K, A, K, packed, C, N, false);
	return (seconds_now() - start) / n;
}

/* One line: B already packed for us (inference), or packing inside (training). */
static void
bench_product(const char *what, bool is_packed, bool trans_a, bool trans_b, int M, int N, int K)
{
	float	   *A = new_floats((size_t) M * K);
	float	   *B = new_floats((size_t) K * N);
	float	   *C = new_floats((size_t) M * N);
	float	   *packed = new_floats(nn_pack_floats(K, N));
	double		best[MAX_KERNELS + 1];
	double		flops = 2.0 * M * N * K;

	nn_pack(B, trans_b ? K : N, K, N, trans_b, packed);
	for (int k = 0; k <= n_kernels; k++)
		best[k] = 1e9;
	for (int turn = 0; turn < n_turns; turn++)
	{
		for (int k = 0; k <= n_kernels; k++)
		{
			double		seconds;

			nn_blas_enable(k == n_kernels);
			nn_kern_use(kernels[k < n_kernels ? k : 0]->name);
			if (is_packed && k < n_kernels)
				seconds = time_packed(M, N, K, A, packed, C);
			else
				seconds = time_gemm(trans_a, trans_b, M, N, K, A, B, C);
			best[k] = seconds < best[k] ? seconds : best[k];
		}
	}
	printf("%-22s %5d x %4d x %4d", what, M, N, K);
	for (int k = 0; k <= n_kernels; k++)
		print_share(best[k], flops, k < n_kernels ? peak[k] : peak[0]);
	printf("\n");
	free(A);
	free(B);
	free(C);
	free(packed);
}

/* ---- recurrent steps ------------------------------------------------------------ */

static void
bench_step(int n, int H)
{
	float	   *W = new_floats((size_t) 4 * H * H);
	float	   *packed = new_floats(nn_pack_floats(H, 4 * H));
	float	   *h_prev = new_floats((size_t) n * H);
	float	   *c_prev = new_floats((size_t) n * H);
	float	   *from = new_floats((size_t) n * 4 * H);
	float	   *gates = new_floats((size_t) n * 4 * H);
	NnStart		input = {gates, (size_t) (4 * H), NULL};
	float	   *state = new_floats((size_t) 5 * n * H);
	float	   *dgates = new_floats((size_t) n * 4 * H);
	size_t		n_state = (size_t) n * H;
	double		flops = 8.0 * n * H * H;
	double		forward[MAX_KERNELS],
				backward[MAX_KERNELS];

	nn_pack(W, H, H, 4 * H, true, packed);
	for (size_t i = 0; i < (size_t) 4 * H * H; i++)
		packed[i] *= 0.1f;
	for (int k = 0; k < n_kernels; k++)
		forward[k] = backward[k] = 1e9;
	for (int turn = 0; turn < n_turns; turn++)
	{
		for (int k = 0; k < n_kernels; k++)
		{
			int			n_times = repetitions(flops);
			double		start = seconds_now(),
						middle,
						end;

			nn_kern_use(kernels[k]->name);
			for (int i = 0; i < n_times; i++)
			{
				memcpy(gates, from, (size_t) n * 4 * H * sizeof(float));
				nn_lstm_step(n, n, H, h_prev, packed, input, gates, c_prev, state, state + n_state,
							 state + 2 * n_state, H);
			}
			middle = seconds_now();
			for (int i = 0; i < n_times; i++)
				nn_lstm_step_backward(n, n, H, gates, c_prev, state + n_state,
									  state + 3 * n_state, H, state + 4 * n_state, dgates);
			end = seconds_now();
			forward[k] = (middle - start) / n_times < forward[k] ? (middle - start) / n_times : forward[k];
			backward[k] = (end - middle) / n_times < backward[k] ? (end - middle) / n_times : backward[k];
		}
	}
	printf("LSTM step    n = %3d  H = %3d", n, H);
	for (int k = 0; k < n_kernels; k++)
		printf("  %8.2f us (%3.0f %%), back %7.2f", 1e6 * forward[k],
			   peak[k] > 0 ? 1e-7 * flops / forward[k] / peak[k] : 0.0, 1e6 * backward[k]);
	printf("\n");
	free(W);
	free(packed);
	free(h_prev);
	free(c_prev);
	free(from);
	free(gates);
	free(state);
	free(dgates);
}

/* ---- functions of vectors ---------------------------------------------------------- */

enum
{
	N_VECTOR = 8192,
	N_TABLE = 60000,
	N_GATHER = 400,
	D_GATHER = 20
};

typedef struct VectorData
{
	float	   *x,
			   *y,
			   *m,
			   *v,
			   *table;
	int32_t    *row;
} VectorData;

static void
run_tanh(VectorData *d)
{
	nn_tanh(N_VECTOR, d->x, d->y);
}

static void
run_exp(VectorData *d)
{
	nn_exp(N_VECTOR, d->x, d->y);
}

static void
run_softmax(VectorData *d)
{
	nn_softmax_rows(N_VECTOR / 32, 32, d->y, 32);
}

static void
run_squares(VectorData *d)
{
	d->y[0] = (float) nn_sum_squares(N_VECTOR, d->x);
}

static void
run_sum_rows(VectorData *d)
{
	nn_sum_rows(N_VECTOR / 512, 512, d->x, 512, d->y);
}

static void
run_adam(VectorData *d)
{
	const NnAdam adam = {0.01f, 0.9f, 0.999f, 1e-8f, 0.0f, 3.0f, 20.0f, 1.0f};

	nn_adam(&adam, N_VECTOR, d->y, d->x, d->m, d->v);
}

static void
run_gather(VectorData *d)
{
	nn_gather_sum(N_GATHER, d->row, d->x, d->table, D_GATHER, d->y);
}

static void
run_scatter(VectorData *d)
{
	nn_scatter_sum(N_GATHER, d->row, d->x, d->y, D_GATHER, d->table);
}

static void
bench_vectors(void)
{
	static const struct
	{
		const char *name;
		void		(*run) (VectorData *d);
		int			n;
	}			functions[] = {
		{"nn_tanh", run_tanh, N_VECTOR}, {"nn_exp", run_exp, N_VECTOR},
		{"nn_softmax_rows (32)", run_softmax, N_VECTOR},
		{"nn_sum_squares", run_squares, N_VECTOR}, {"nn_sum_rows (512)", run_sum_rows, N_VECTOR},
		{"nn_adam", run_adam, N_VECTOR},
		{"nn_gather_sum (20)", run_gather, N_GATHER * D_GATHER},
		{"nn_scatter_sum (20)", run_scatter, N_GATHER * D_GATHER},
	};
	VectorData	d = {
		.x = new_floats(N_VECTOR), .y = new_floats(N_VECTOR),
		.m = new_floats(N_VECTOR), .v = new_floats(N_VECTOR),
		.table = new_floats((size_t) N_TABLE * D_GATHER),
		.row = malloc(N_GATHER * sizeof(int32_t))
	};

	if (d.row == NULL)
		abort();
	for (int j = 0; j < N_GATHER; j++)
		d.row[j] = (int32_t) ((uint32_t) j * 2654435761u % N_TABLE);
	for (size_t f = 0; f < sizeof(functions) / sizeof(functions[0]); f++)
	{
		printf("%-22s", functions[f].name);
		for (int k = 0; k < n_kernels; k++)
		{
			double		best = 1e9;

			nn_kern_use(kernels[k]->name);
			for (int turn = 0; turn < 20 * n_turns; turn++)
			{
				double		start = seconds_now();

				functions[f].run(&d);
				start = seconds_now() - start;
				best = start < best ? start : best;
			}
			printf("  %7.3f ns", 1e9 * best / functions[f].n);
		}
		printf("\n");
	}
	free(d.x);
	free(d.y);
	free(d.m);
	free(d.v);
	free(d.table);
	free(d.row);
}

/* The processor's name, where Linux tells it. */
static void
print_cpu(void)
{
	char		line[256];
	FILE	   *file = fopen("/proc/cpuinfo", "r");

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, "model name", 10) == 0)
		{
			printf("CPU%s", strchr(line, ':'));
			break;
		}
	if (file != NULL)
		fclose(file);
}

int
main(int argc, char **argv)
{
	static const char *const names[MAX_KERNELS] = {"avx512", "avx2", "generic"};
	static const int rows[] = {1, 2, 4, 8, 12, 16, 32, 64};
	const char *problem;

	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		n_turns = 5;
	for (int i = 0; i < MAX_KERNELS; i++)
	{
		if (!nn_kern_use(names[i]))
			continue;
		kernels[n_kernels] = nn_kern_table();
		peak[n_kernels] = measure_peak(kernels[n_kernels]);
		n_kernels++;
	}
	print_cpu();
	printf("BLAS: %s", nn_gemm_name(&problem));
	printf("%s%s\n", problem != NULL ? "; rejected: " : "", problem != NULL ? problem : "");
	printf("kernels:");
	for (int k = 0; k < n_kernels; k++)
		printf("  %s (peak %.1f GFLOP/s)", kernels[k]->name, peak[k]);
	printf("\n\nGFLOP/s (share of peak); the last column is BLAS\n");
	for (int i = 0; i < 8; i++)
		bench_product("packed, H = 128", true, false, true, rows[i], 512, 128);
	bench_product("packed, H = 64", true, false, true, 1, 256, 64);
	bench_product("packed, H = 64", true, false, true, 32, 256, 64);
	bench_product("packed, H = 256", true, false, true, 1, 1024, 256);
	bench_product("packed, H = 256", true, false, true, 64, 1024, 256);

	/*
	 * a training's, of a stretch of 192 rows: input side, gradients of both weights, of the input and of
	 * the state
	 */
	bench_product("packed, projection", true, false, true, 192, 512, 100);
	bench_product("nn_gemm, dW_ih", false, true, false, 512, 100, 192);
	bench_product("nn_gemm, dW_hh", false, true, false, 512, 128, 192);
	bench_product("nn_gemm, dW_hh", false, true, false, 1024, 256, 192);
	bench_product("packed, dx", true, false, false, 192, 100, 512);
	bench_product("packed, dh", true, false, false, 32, 128, 512);
	bench_product("packed, dh", true, false, false, 32, 256, 1024);
	bench_product("nn_gemm, square", false, false, false, 512, 512, 512);
	nn_blas_enable(true);
	printf("\nmicroseconds of a step (share of peak, counting the product only)\n");
	for (int i = 0; i < 8; i++)
		bench_step(rows[i], 128);
	bench_step(1, 64);
	bench_step(32, 64);
	bench_step(1, 256);
	bench_step(32, 256);
	printf("\nnanoseconds an element\n");
	bench_vectors();
	return 0;
}
