/*
 * test_kern.c: the kernels against their naive twins.
 *
 * Where the CPU has fused multiply-add, every kernel must give the bytes of the
 * naive twin; "generic" on x86-64 has none and is held to an error bound.
 * Buffers carry a canary behind each row and at their end, and whole buffers are
 * compared, so a store too far is seen (a load too far by ASan).
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kern/kern_private.h"
#include "tap.h"

/* ---- numbers to compute with -------------------------------------------- */

static uint64_t random_state;

/* A float in [-1, 1); splitmix64. */
static float
random_float(void)
{
	uint64_t	z = (random_state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	z ^= z >> 31;
	return (float) (z >> 40) * (1.0f / 8388608) - 1.0f;
}

static float *
new_floats(size_t n)
{
	size_t		bytes = (n * sizeof(float) + 63) / 64 * 64;
	float	   *x = aligned_alloc(64, bytes > 0 ? bytes : 64);

	if (x == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	for (size_t i = 0; i < n; i++)
		x[i] = random_float();
	return x;
}

static float *
copy_floats(const float *x, size_t n)
{
	float	   *y = new_floats(n);

	memcpy(y, x, n * sizeof(float));
	return y;
}

/* Is fused multiply-add what the kernels in use compute? */
static bool
is_fused(void)
{
	float		x = 1.0f + 1.0f / 4096;
	float		y = -(1.0f + 2.0f / 4096);

	nn_axpy(1, x, &x, &y);
	return y != 0.0f;
}

/* Same bytes, or within `bound` where the kernels do not fuse. */
static bool
is_same(const float *got, const float *expected, size_t n, float bound)
{
	if (memcmp(got, expected, n * sizeof(float)) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
	{
		if (memcmp(&got[i], &expected[i], sizeof(float)) == 0)
			continue;
		if (!is_fused() && fabsf(got[i] - expected[i]) <= bound)
			continue;
		if (isnan(got[i]) && isnan(expected[i]))
			continue;
		printf("# element %zu of %zu: %.9g, expected %.9g\n", i, n, got[i], expected[i]);
		return false;
	}
	return true;
}

/* ---- matrix products ------------------------------------------------------- */

static void
test_pack(void)
{
	const int	K = 5,
				N = 19;
	float	   *W = new_floats(K * N);
	float	   *packed = new_floats(nn_pack_floats(K, N));
	float	   *packed_transposed = new_floats(nn_pack_floats(K, N));
	float	   *T = new_floats(K * N);
	int			n_wrong = 0;

	for (int k = 0; k < K; k++)
		for (int n = 0; n < N; n++)
			T[n * K + k] = W[k * N + n];
	nn_pack(W, N, K, N, false, packed);
	nn_pack(T, K, K, N, true, packed_transposed);
	for (int k = 0; k < K; k++)
		for (int n = 0; n < 2 * NN_PANEL; n++)
			n_wrong += packed[n / NN_PANEL * NN_PANEL * K + k * NN_PANEL + n % NN_PANEL]
				!= (n < N ? W[k * N + n] : 0.0f);
	ok(nn_pack_floats(K, N) == 2 * NN_PANEL * K, "packed matrices are whole panels");
	ok(n_wrong == 0, "nn_pack puts every number in its place, zeros behind the last column");
	ok(memcmp(packed, packed_transposed, nn_pack_floats(K, N) * sizeof(float)) == 0,
	   "nn_pack of the transpose is the same");
	free(W);
	free(T);
	free(packed);
	free(packed_transposed);
}

/* One shape against the naive twin; the rows of C are ldc = N + 3 apart. */
static bool
check_gemm_packed(const NnKernels *kernels, int M, int N, int K, bool is_added)
{
	int			lda = K + 2,
				ldc = N + 3;
	size_t		n_c = (size_t) M * ldc;
	float	   *A = new_floats((size_t) M * lda);
	float	   *B = new_floats((size_t) K * N);
	float	   *packed = new_floats(nn_pack_floats(K, N));
	float	   *C = new_floats(n_c);
	float	   *expected = copy_floats(C, n_c);
	bool		is_right;

	nn_pack(B, N, K, N, false, packed);
	kernels->gemm_packed(M, N, K, A, lda, packed, C, ldc, is_added);
	nn_kernels_naive.gemm_packed(M, N, K, A, lda, packed, expected, ldc, is_added);
	is_right = is_same(C, expected, n_c, (float) K * 2e-7f + 1e-6f);
	if (!is_right)
		printf("# at M = %d, N = %d, K = %d, is_added = %d\n", M, N, K, is_added);
	free(A);
	free(B);
	free(packed);
	free(C);
	free(expected);
	return is_right;
}

static void
test_gemm_packed(const NnKernels *kernels)
{
	static const int sizes_N[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 64, 100, 127, 129, 140, 513};
	static const int sizes_K[] = {0, 1, 2, 3, 8, 33, 128};
	int			n_wrong = 0;

	for (int M = 0; M <= 27; M++)
		for (size_t n = 0; n < sizeof(sizes_N) / sizeof(int); n++)
			for (size_t k = 0; k < sizeof(sizes_K) / sizeof(int); k++)
				n_wrong += !check_gemm_packed(kernels, M, sizes_N[n], sizes_K[k], (M + n + k) % 2);
	n_wrong += !check_gemm_packed(kernels, 333, 65, 37, true);
	ok(n_wrong == 0, "%s: nn_gemm_packed is its naive twin", kernels->name);
}

/* Promise P2: a row's result is the same alone and at any place among any rows. */
static void
test_row_alone(const NnKernels *kernels)
{
	const int	M = 70,
				N = 200,
				K = 96;
	float	   *A = new_floats(M * K);
	float	   *B = new_floats(K * N);
	float	   *packed = new_floats(nn_pack_floats(K, N));
	float	   *together = new_floats(M * N);
	float	   *alone = new_floats(M * N);
	int			n_wrong = 0;

	nn_pack(B, N, K, N, false, packed);
	for (int m = 0; m < M; m++)
		kernels->gemm_packed(1, N, K, A + m * K, K, packed, alone + m * N, N, false);
	for (int first = 0; first < M; first += 7)
		for (int n_rows = 1; first + n_rows <= M; n_rows++)
		{
			kernels->gemm_packed(n_rows, N, K, A + first * K, K, packed, together, N, false);
			n_wrong += memcmp(together, alone + first * N, (size_t) n_rows * N * sizeof(float)) != 0;
		}
	ok(n_wrong == 0, "%s: a row alone has the bytes it has among others", kernels->name);
	free(A);
	free(B);
	free(packed);
	free(together);
	free(alone);
}

static void
test_gemm(const NnKernels *kernels)
{
	static const int shapes[][3] = {
		{1, 1, 1}, {3, 5, 0}, {7, 33, 65}, {13, 100, 300}, {50, 129, 257}, {64, 20, 513}
	};
	int			n_wrong = 0;

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (int variant = 0; variant < 8; variant++)
		{
			int			M = shapes[s][0],
						N = shapes[s][1],
						K = shapes[s][2];
			bool		trans_a = variant & 1,
						trans_b = variant & 2,
						is_added = variant & 4;
			int			lda = (trans_a ? M : K) + 1,
						ldb = (trans_b ? K : N) + 2,
						ldc = N + 3;
			size_t		n_c = (size_t) M * ldc;
			float	   *A = new_floats((size_t) lda * (trans_a ? K : M));
			float	   *B = new_floats((size_t) ldb * (trans_b ? N : K));
			float	   *C = new_floats(n_c);
			float	   *expected = copy_floats(C, n_c);

			kernels->gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added);
			nn_kernels_naive.gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, expected, ldc, is_added);
			n_wrong += !is_same(C, expected, n_c, (float) K * 2e-7f + 1e-6f);
			free(A);
			free(B);
			free(C);
			free(expected);
		}
	ok(n_wrong == 0, "%s: our own nn_gemm is its naive twin", kernels->name);
}

/* ---- recurrent steps --------------------------------------------------------- */

/* The arrays of one step of any cell, once for each kernel. */
typedef struct Step
{
	size_t		n_gates,
				n_state;
	float	   *gates,
			   *h_gates,
			   *c,
			   *tanh_c,
			   *h,
			   *dgates,
			   *dh_gates,
			   *dc,
			   *dh_prev;
} Step;

static Step
new_step(int n, int H, int ld)
{
	Step		step;

	step.n_gates = (size_t) n * 4 * H;
	step.n_state = (size_t) n * ld;
	step.gates = new_floats(step.n_gates);
	for (size_t i = 0; i < step.n_gates; i++)
		step.gates[i] *= 8.0f;
	step.h_gates = new_floats(step.n_gates);
	step.dgates = new_floats(step.n_gates);
	step.dh_gates = new_floats(step.n_gates);
	step.c = new_floats(step.n_state);
	step.tanh_c = new_floats(step.n_state);
	step.h = new_floats(step.n_state);
	step.dc = new_floats(step.n_state);
	step.dh_prev = new_floats(step.n_state);
	return step;
}

static Step
copy_step(const Step *from)
{
	Step		step = *from;

	step.gates = copy_floats(from->gates, step.n_gates);
	step.h_gates = copy_floats(from->h_gates, step.n_gates);
	step.dgates = copy_floats(from->dgates, step.n_gates);
	step.dh_gates = copy_floats(from->dh_gates, step.n_gates);
	step.c = copy_floats(from->c, step.n_state);
	step.tanh_c = copy_floats(from->tanh_c, step.n_state);
	step.h = copy_floats(from->h, step.n_state);
	step.dc = copy_floats(from->dc, step.n_state);
	step.dh_prev = copy_floats(from->dh_prev, step.n_state);
	return step;
}

static void
free_step(Step *step)
{
	free(step->gates);
	free(step->h_gates);
	free(step->dgates);
	free(step->dh_gates);
	free(step->c);
	free(step->tanh_c);
	free(step->h);
	free(step->dc);
	free(step->dh_prev);
}

static bool
is_same_step(const Step *got, const Step *expected)
{
	return is_same(got->gates, expected->gates, got->n_gates, 1e-5f) &&
		is_same(got->h_gates, expected->h_gates, got->n_gates, 1e-5f) &&
		is_same(got->dgates, expected->dgates, got->n_gates, 1e-5f) &&
		is_same(got->dh_gates, expected->dh_gates, got->n_gates, 1e-5f) &&
		is_same(got->c, expected->c, got->n_state, 1e-5f) &&
		is_same(got->tanh_c, expected->tanh_c, got->n_state, 1e-5f) &&
		is_same(got->h, expected->h, got->n_state, 1e-5f) &&
		is_same(got->dc, expected->dc, got->n_state, 1e-5f) &&
		is_same(got->dh_prev, expected->dh_prev, got->n_state, 1e-5f);
}

typedef enum Cell
{
	CELL_LSTM, CELL_GRU, CELL_RNN
} Cell;

/* A step forward and back. */
static void
run_step(const NnKernels *kernels, Cell cell, int n, int n_prev, int H, int ld,
		 const float *h_prev, const float *c_prev, const float *packed, const float *bias,
		 const float *dh, Step *s)
{
	switch (cell)
	{
		case CELL_LSTM:
			kernels->lstm_step(n, n_prev, H, h_prev, packed, s->gates, c_prev, s->c, s->tanh_c,
							   s->h, ld);
			kernels->lstm_step_backward(n, n_prev, H, s->gates, c_prev, s->tanh_c, dh, ld,
										s->dc, s->dgates);
			break;
		case CELL_GRU:
			kernels->gru_step(n, n_prev, H, h_prev, packed, bias, s->gates, s->h_gates, s->h, ld);
			kernels->gru_step_backward(n, n_prev, H, s->gates, s->h_gates, h_prev, dh, ld,
									   s->dgates, s->dh_gates, s->dh_prev, ld);
			break;
		case CELL_RNN:
			kernels->rnn_step(n, n_prev, H, h_prev, packed, s->gates, s->h, ld);
			kernels->rnn_step_backward(n, H, s->gates, dh, ld, s->dgates);
			break;
	}
}

static void
test_steps(const NnKernels *kernels, Cell cell, const char *name, int n_gates)
{
	static const int sizes_H[] = {1, 3, 8, 16, 20, 33, 64, 100};
	static const int sizes_n[] = {1, 2, 5, 12, 13, 50, 97};
	int			n_wrong = 0;

	for (size_t i = 0; i < sizeof(sizes_H) / sizeof(int); i++)
		for (size_t j = 0; j < sizeof(sizes_n) / sizeof(int); j++)
			for (int variant = 0; variant < 3; variant++)
			{
				int			H = sizes_H[i],
							n = sizes_n[j],
							G = n_gates * H,
							ld = H + 3;
				int			n_prev = variant == 0 ? n : variant == 1 ? n / 2 : 0;
				float	   *W = new_floats((size_t) G * H);
				float	   *packed = new_floats(nn_pack_floats(H, G));
				float	   *bias = new_floats((size_t) G);
				float	   *h_prev = n_prev > 0 ? new_floats((size_t) n_prev * H) : NULL;
				float	   *c_prev = n_prev > 0 ? new_floats((size_t) n_prev * H) : NULL;
				float	   *dh = new_floats((size_t) n * ld);
				Step		got = new_step(n, H, ld);
				Step		expected = copy_step(&got);

				nn_pack(W, H, H, G, true, packed);
				run_step(kernels, cell, n, n_prev, H, ld, h_prev, c_prev, packed, bias, dh, &got);
				run_step(&nn_kernels_naive, cell, n, n_prev, H, ld, h_prev, c_prev, packed, bias, dh,
						 &expected);
				n_wrong += !is_same_step(&got, &expected);
				free(W);
				free(packed);
				free(bias);
				free(h_prev);
				free(c_prev);
				free(dh);
				free_step(&got);
				free_step(&expected);
			}
	ok(n_wrong == 0, "%s: %s steps are their naive twins", kernels->name, name);
}

/*
 * The naive LSTM step against its equation in double, and its backward step
 * against central differences of sum(dh * h) + sum(dc * c) in double.  The step
 * of 1e-4 makes their own error about 1e-8 (third derivatives are below 1).
 */
typedef struct LstmCase
{
	double		a[4],
				c_prev,
				dh,
				dc;
} LstmCase;

static double
lstm_loss(const LstmCase *x)
{
	double		i = 1.0 / (1.0 + exp(-x->a[0]));
	double		f = 1.0 / (1.0 + exp(-x->a[1]));
	double		g = tanh(x->a[2]);
	double		o = 1.0 / (1.0 + exp(-x->a[3]));
	double		c = f * x->c_prev + i * g;

	return x->dh * o * tanh(c) + x->dc * c;
}

static void
test_lstm_gradient(void)
{
	double		worst = 0.0;
	float		packed[4 * NN_PANEL] = {0};

	for (int turn = 0; turn < 200; turn++)
	{
		float		gates[4],
					dgates[4];
		float		c_prev = random_float(),
					dh = random_float(),
					dc = random_float();
		float		h_prev = 0.0f,
					c,
					tanh_c,
					h;
		LstmCase	at = {.c_prev = c_prev,.dh = dh,.dc = dc};

		for (int g = 0; g < 4; g++)
			at.a[g] = gates[g] = 3.0f * random_float();
		nn_lstm_step(1, 1, 1, &h_prev, packed, gates, &c_prev, &c, &tanh_c, &h, 1);
		worst = fmax(worst, fabs((double) dh * h + (double) dc * c - lstm_loss(&at)));
		nn_lstm_step_backward(1, 1, 1, gates, &c_prev, &tanh_c, &dh, 1, &dc, dgates);
		for (int g = 0; g < 5; g++)
		{
			LstmCase	more = at,
						less = at;
			double		numeric;

			if (g < 4)
				more.a[g] += 1e-4, less.a[g] -= 1e-4;
			else
				more.c_prev += 1e-4, less.c_prev -= 1e-4;
			numeric = (lstm_loss(&more) - lstm_loss(&less)) / 2e-4;
			worst = fmax(worst, fabs(numeric - (double) (g < 4 ? dgates[g] : dc)));
		}
	}
	ok(worst < 1e-6, "an LSTM step is its equations and their gradient (worst %.2g)", worst);
}

/* ---- sigma, tanh, exp --------------------------------------------------------- */

/* Every 1021st float: all signs, exponents, subnormals, infinities and NaNs are among them. */
static int64_t
sampled_floats(float **x)
{
	int64_t		n = 0;

	*x = new_floats((size_t) (UINT32_MAX / 1021 + 16));
	for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 1021)
	{
		uint32_t	low = (uint32_t) bits;

		memcpy(&(*x)[n++], &low, sizeof(low));
	}
	(*x)[n++] = INFINITY;
	(*x)[n++] = -INFINITY;
	(*x)[n++] = 0.0f;
	(*x)[n++] = -0.0f;
	(*x)[n++] = FLT_MAX;
	(*x)[n++] = -FLT_MAX;
	(*x)[n++] = NAN;
	return n;
}

static double
exact_sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/*
 * Worst error of y over x: absolute, or relative to the result where that is a
 * normal float.  A NaN must give NaN, and nothing else may.
 */
static double
worst_error(int64_t n, const float *x, const float *y, double (*exact) (double), bool is_relative)
{
	double		worst = 0.0;

	for (int64_t i = 0; i < n; i++)
	{
		double		e = exact((double) x[i]);
		double		error = fabs((double) y[i] - e);

		if (isnan(x[i]) != isnan(y[i]))
			return INFINITY;
		if (isnan(x[i]) || (isinf((float) e) && isinf(y[i])))
			continue;
		if (is_relative)
			error /= fmax(fabs(e), (double) FLT_MIN);
		worst = fmax(worst, error);
	}
	return worst;
}

static void
test_activations(const NnKernels *kernels)
{
	float	   *x;
	int64_t		n = sampled_floats(&x);
	float	   *y = new_floats((size_t) n);
	double		worst;
	float		most = 0.0f;

	kernels->sigmoid(n, x, y);
	worst = worst_error(n, x, y, exact_sigmoid, false);
	ok(worst < 4e-7, "%s: sigma is right to 4e-7 (%.2g)", kernels->name, worst);
	kernels->tanh(n, x, y);
	worst = worst_error(n, x, y, tanh, false);
	ok(worst < 4e-7, "%s: tanh is right to 4e-7 (%.2g)", kernels->name, worst);
	worst = worst_error(n, x, y, tanh, true);
	ok(worst < 6e-7, "%s: tanh is right to 6e-7 of itself (%.2g)", kernels->name, worst);
	for (int64_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(y[i]));
	ok(most == 1.0f, "%s: |tanh| is at most 1", kernels->name);
	kernels->exp(n, x, y);
	worst = worst_error(n, x, y, exp, true);
	ok(worst < 2e-6, "%s: exp is right to 2e-6 of itself (%.2g)", kernels->name, worst);
	free(x);
	free(y);
}

/* ---- vectors --------------------------------------------------------------------- */

static bool
check_vectors(const NnKernels *kernels, int n)
{
	const NnKernels *naive = &nn_kernels_naive;
	size_t		size = (size_t) n + 5;
	const NnAdam adam = {0.01f, 0.9f, 0.999f, 1e-8f, 0.02f, 3.0f, 20.0f, 0.7f};
	float	   *x = new_floats(size);
	float	   *y = new_floats(size),
			   *expected = copy_floats(y, size);
	float	   *v = new_floats(size);
	float	   *state[4],
			   *state_expected[4];
	bool		is_right = true;

	for (size_t i = 0; i < size; i++)
		v[i] = fabsf(v[i]);
#define SAME(call) \
	do { \
		memcpy(expected, y, size * sizeof(float)); \
		kernels->call, y)); \
		naive->call, expected)); \
		is_right &= is_same(y, expected, size, 1e-6f); \
	} while (0)
#undef SAME
	kernels->axpy(n, 0.3f, x, y);
	naive->axpy(n, 0.3f, x, expected);
	kernels->multiply(n, x, y);
	naive->multiply(n, x, expected);
	kernels->scale(n, 1.7f, y);
	naive->scale(n, 1.7f, expected);
	is_right &= is_same(y, expected, size, 1e-6f);
	kernels->maximum(n, x, y);
	naive->maximum(n, x, expected);
	is_right &= is_same(y, expected, size, 1e-6f);
	kernels->sigmoid(n, y, y);
	naive->sigmoid(n, expected, expected);
	kernels->tanh(n, y, y);
	naive->tanh(n, expected, expected);
	kernels->exp(n, y, y);
	naive->exp(n, expected, expected);
	is_right &= is_same(y, expected, size, 1e-5f);
	is_right &= kernels->sum_squares(n, x) == naive->sum_squares(n, x);
	for (int i = 0; i < 4; i++)
	{
		state[i] = copy_floats(i == 3 ? v : x, size);
		state_expected[i] = copy_floats(i == 3 ? v : x, size);
	}
	kernels->adam(&adam, n, state[0], state[1], state[2], state[3]);
	naive->adam(&adam, n, state_expected[0], state_expected[1], state_expected[2], state_expected[3]);
	for (int i = 0; i < 4; i++)
	{
		is_right &= is_same(state[i], state_expected[i], size, 1e-5f);
		free(state[i]);
		free(state_expected[i]);
	}
	if (!is_right)
		printf("# at n = %d\n", n);
	free(x);
	free(y);
	free(v);
	free(expected);
	return is_right;
}

static bool
check_rows(const NnKernels *kernels, int M, int N)
{
	const NnKernels *naive = &nn_kernels_naive;
	int			ldc = N + 3;
	size_t		n_c = (size_t) M * ldc;
	float	   *C = new_floats(n_c),
			   *expected = copy_floats(C, n_c);
	float	   *bias = new_floats((size_t) N + 3),
			   *bias_expected = copy_floats(bias, (size_t) N + 3);
	bool		is_right = true;

	kernels->add_rows(M, N, bias, C, ldc);
	naive->add_rows(M, N, bias, expected, ldc);
	kernels->sum_rows(M, N, C, ldc, bias);
	naive->sum_rows(M, N, expected, ldc, bias_expected);
	is_right &= is_same(bias, bias_expected, (size_t) N + 3, 1e-5f);
	kernels->softmax_rows(M, N, C, ldc);
	naive->softmax_rows(M, N, expected, ldc);
	is_right &= is_same(C, expected, n_c, 1e-6f);
	if (!is_right)
		printf("# at M = %d, N = %d\n", M, N);
	free(C);
	free(expected);
	free(bias);
	free(bias_expected);
	return is_right;
}

/* Rows of a table, some of them twice. */
static bool
check_gather(const NnKernels *kernels, int n, int D)
{
	enum
	{
		n_rows = 11
	};
	size_t		n_table = (size_t) n_rows * D;
	float	   *table = new_floats(n_table),
			   *expected = copy_floats(table, n_table);
	float	   *out = new_floats((size_t) D + 2),
			   *out_expected = copy_floats(out, (size_t) D + 2);
	float	   *weight = new_floats((size_t) n);
	int32_t    *row = malloc((size_t) (n > 0 ? n : 1) * sizeof(int32_t));
	bool		is_right;

	for (int j = 0; j < n; j++)
		row[j] = j * 7 % n_rows;
	kernels->gather_sum(n, row, weight, table, D, out);
	nn_kernels_naive.gather_sum(n, row, weight, table, D, out_expected);
	kernels->scatter_sum(n, row, weight, out_expected, D, table);
	nn_kernels_naive.scatter_sum(n, row, weight, out_expected, D, expected);
	is_right = is_same(out, out_expected, (size_t) D + 2, 1e-4f) &&
		is_same(table, expected, n_table, 1e-4f);
	if (!is_right)
		printf("# at n = %d, D = %d\n", n, D);
	free(table);
	free(expected);
	free(out);
	free(out_expected);
	free(weight);
	free(row);
	return is_right;
}

static void
test_vectors(const NnKernels *kernels)
{
	int			n_wrong = 0;
	float		x[50];

	for (int n = 0; n <= 70; n++)
		n_wrong += !check_vectors(kernels, n);
	ok(n_wrong == 0, "%s: functions of vectors are their naive twins", kernels->name);
	n_wrong = 0;
	for (int M = 0; M <= 4; M++)
		for (int N = 1; N <= 70; N++)
			n_wrong += !check_rows(kernels, M, N);
	n_wrong += !check_rows(kernels, 3, 515);
	ok(n_wrong == 0, "%s: functions of rows are their naive twins", kernels->name);
	n_wrong = 0;
	for (int n = 0; n <= 20; n += 5)
		for (int D = 1; D <= 150; D++)
			n_wrong += !check_gather(kernels, n, D);
	ok(n_wrong == 0, "%s: gather and scatter are their naive twins", kernels->name);

	n_wrong = 0;
	for (int n = 1; n <= 50; n++)
		for (int bad = 0; bad < n; bad++)
		{
			memset(x, 0x3f, sizeof(x));
			n_wrong += !kernels->all_finite(n, x);
			x[bad] = bad % 2 ? NAN : -INFINITY;
			n_wrong += kernels->all_finite(n, x);
			n_wrong += !kernels->all_finite(bad, x);
		}
	ok(n_wrong == 0, "%s: nn_all_finite finds one that is not, anywhere", kernels->name);
}

/* A softmax in double, with a spread that overflows a plain exp. */
static void
test_softmax(const NnKernels *kernels)
{
	float		x[37];
	double		exact[37],
				sum = 0.0,
				worst = 0.0;

	for (int i = 0; i < 37; i++)
	{
		x[i] = 200.0f * random_float() + 1000.0f;
		exact[i] = exp((double) x[i] - 1200.0);
		sum += exact[i];
	}
	kernels->softmax_rows(1, 37, x, 37);
	for (int i = 0; i < 37; i++)
		worst = fmax(worst, fabs((double) x[i] - exact[i] / sum));
	ok(worst < 1e-6, "%s: softmax of large numbers is right (worst %.2g)", kernels->name, worst);
}

int
main(void)
{
	static const char *const names[] = {"naive", "generic", "avx2", "avx512"};

	random_state = 1;
	nn_kern_init();
	ok(!nn_kern_use("no such kernels"), "unknown kernels are refused");
	printf("# this CPU gets %s\n", nn_kern_name());
	test_pack();
	for (int i = 0; i < 4; i++)
	{
		const NnKernels *kernels;

		if (!nn_kern_use(names[i]))
		{
			printf("# no %s here\n", names[i]);
			continue;
		}
		kernels = nn_kern_table();
		ok(strcmp(nn_kern_name(), names[i]) == 0, "%s is used when asked for", names[i]);
		test_activations(kernels);
		test_softmax(kernels);
		test_lstm_gradient();
		if (kernels == &nn_kernels_naive)
			continue;
		test_gemm_packed(kernels);
		test_row_alone(kernels);
		test_gemm(kernels);
		test_steps(kernels, CELL_LSTM, "LSTM", 4);
		test_steps(kernels, CELL_GRU, "GRU", 3);
		test_steps(kernels, CELL_RNN, "RNN", 1);
		test_vectors(kernels);
	}
	return done_testing();
}
