/*
 * test_kern.c: matrix products and recurrent steps against their naive twins.
 *
 * Where the CPU has fused multiply-add, every kernel must give the bytes of the
 * naive twin; "generic" on x86-64 has none and is held to an error bound.
 * Rows lie further apart than they are long and whole arrays are compared, so a
 * store too far is seen (a load too far by ASan).
 */
#include "kern_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

/* ---- matrix products ------------------------------------------------------- */

static void
test_pack(void)
{
	const int	K = 5,
				N = 19;
	float	   *W = kern_case_floats(K * N);
	float	   *packed = kern_case_floats(nn_pack_floats(K, N));
	float	   *packed_transposed = kern_case_floats(nn_pack_floats(K, N));
	float	   *T = kern_case_floats(K * N);
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
	float	   *A = kern_case_floats((size_t) M * lda);
	float	   *B = kern_case_floats((size_t) K * N);
	float	   *packed = kern_case_floats(nn_pack_floats(K, N));
	float	   *C = kern_case_floats(n_c);
	float	   *expected = kern_case_copy(C, n_c);
	bool		is_right;

	nn_pack(B, N, K, N, false, packed);
	kernels->gemm_packed(M, N, K, A, lda, packed, nn_start_added(C, ldc, is_added), C, ldc);
	nn_kernels_naive.gemm_packed(M, N, K, A, lda, packed, nn_start_added(expected, ldc, is_added), expected, ldc);
	is_right = kern_case_is_same(C, expected, n_c, (float) K * 2e-7f + 1e-6f);
	if (!is_right)
		printf("# at M = %d, N = %d, K = %d, is_added = %d\n", M, N, K, is_added);
	free(A);
	free(B);
	free(packed);
	free(C);
	free(expected);
	return is_right;
}

/* A product that begins with one row for all, or with rows here and there, is one that is added to copies of them. */
static bool
check_start(const NnKernels *kernels, int M, int N, int K, bool is_one)
{
	int			lda = K + 1,
				ldc = N + 2;
	size_t		n_c = (size_t) M * ldc;
	float	   *A = kern_case_floats((size_t) M * lda);
	float	   *packed = kern_case_floats(nn_pack_floats(K, N));
	float	   *from = kern_case_floats((size_t) 7 * N);
	float	   *C = kern_case_floats(n_c);
	float	   *expected = kern_case_copy(C, n_c);
	const float **row = malloc((size_t) (M + 1) * sizeof(*row));
	NnStart		start = {from, 0, is_one ? NULL : row};
	bool		is_right;

	for (int m = 0; m < M; m++)
	{
		row[m] = is_one ? from : from + (m * 5 + 3) % 7 * N;
		memcpy(expected + (size_t) m * ldc, row[m], (size_t) N * sizeof(float));
	}
	kernels->gemm_packed(M, N, K, A, lda, packed, start, C, ldc);
	kernels->gemm_packed(M, N, K, A, lda, packed, nn_start_added(expected, ldc, true), expected, ldc);
	is_right = memcmp(C, expected, n_c * sizeof(float)) == 0;
	if (!is_right)
		printf("# at M = %d, N = %d, K = %d, is_one = %d\n", M, N, K, is_one);
	free(A);
	free(packed);
	free(from);
	free(C);
	free(expected);
	free(row);
	return is_right;
}

static void
test_start(const NnKernels *kernels)
{
	static const int sizes_N[] = {1, 16, 33, 100, 140};
	int			n_wrong = 0;

	for (int M = 0; M <= 40; M++)
		for (size_t n = 0; n < sizeof(sizes_N) / sizeof(int); n++)
			for (int K = 0; K <= 80; K += 16)
				n_wrong += !check_start(kernels, M, sizes_N[n], K, (M + n) % 2 == 0);
	ok(n_wrong == 0, "%s: nn_gemm_packed_from begins with the rows it is told", kernels->name);
}

static void
test_gemm_packed(const NnKernels *kernels)
{
	static const int sizes_N[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 64, 100, 127, 129, 140, 257};
	static const int sizes_K[] = {0, 1, 2, 3, 8, 33, 65};
	int			n_wrong = 0;

	/* A third of all cases: each pair of two sizes meets. */
	for (int M = 0; M <= 27; M++)
		for (size_t n = 0; n < sizeof(sizes_N) / sizeof(int); n++)
			for (size_t k = (M + n) % 3; k < sizeof(sizes_K) / sizeof(int); k += 3)
				n_wrong += !check_gemm_packed(kernels, M, sizes_N[n], sizes_K[k], (M + n + k) % 2);
	n_wrong += !check_gemm_packed(kernels, 333, 65, 37, true);
	ok(n_wrong == 0, "%s: nn_gemm_packed is its naive twin", kernels->name);
}

/* Promise P2: a row's result is the same alone and at any place among any rows. */
static void
test_row_alone(const NnKernels *kernels)
{
	const int	M = 70,
				N = 72,
				K = 48;
	float	   *A = kern_case_floats(M * K);
	float	   *B = kern_case_floats(K * N);
	float	   *packed = kern_case_floats(nn_pack_floats(K, N));
	float	   *together = kern_case_floats(M * N);
	float	   *alone = kern_case_floats(M * N);
	int			n_wrong = 0;

	nn_pack(B, N, K, N, false, packed);
	for (int m = 0; m < M; m++)
		kernels->gemm_packed(1, N, K, A + m * K, K, packed, nn_start_added(NULL, 0, false), alone + m * N, N);
	for (int first = 0; first < M; first += 9)
		for (int n_rows = 1; first + n_rows <= M; n_rows++)
		{
			kernels->gemm_packed(n_rows, N, K, A + first * K, K, packed, nn_start_added(NULL, 0, false), together, N);
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
		{1, 1, 1}, {3, 5, 0}, {7, 33, 65}, {13, 100, 300}, {50, 129, 200}, {100, 20, 401}
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
			float	   *A = kern_case_floats((size_t) lda * (trans_a ? K : M));
			float	   *B = kern_case_floats((size_t) ldb * (trans_b ? N : K));
			float	   *C = kern_case_floats(n_c);
			float	   *expected = kern_case_copy(C, n_c);

			kernels->gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added);
			nn_kernels_naive.gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, expected, ldc, is_added);
			n_wrong += !kern_case_is_same(C, expected, n_c, (float) K * 2e-7f + 1e-6f);
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
	step.gates = kern_case_floats(step.n_gates);
	for (size_t i = 0; i < step.n_gates; i++)
		step.gates[i] *= 8.0f;
	step.h_gates = kern_case_floats(step.n_gates);
	step.dgates = kern_case_floats(step.n_gates);
	step.dh_gates = kern_case_floats(step.n_gates);
	step.c = kern_case_floats(step.n_state);
	step.tanh_c = kern_case_floats(step.n_state);
	step.h = kern_case_floats(step.n_state);
	step.dc = kern_case_floats(step.n_state);
	step.dh_prev = kern_case_floats(step.n_state);
	return step;
}

static Step
copy_step(const Step *from)
{
	Step		step = *from;

	step.gates = kern_case_copy(from->gates, step.n_gates);
	step.h_gates = kern_case_copy(from->h_gates, step.n_gates);
	step.dgates = kern_case_copy(from->dgates, step.n_gates);
	step.dh_gates = kern_case_copy(from->dh_gates, step.n_gates);
	step.c = kern_case_copy(from->c, step.n_state);
	step.tanh_c = kern_case_copy(from->tanh_c, step.n_state);
	step.h = kern_case_copy(from->h, step.n_state);
	step.dc = kern_case_copy(from->dc, step.n_state);
	step.dh_prev = kern_case_copy(from->dh_prev, step.n_state);
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
	return kern_case_is_same(got->gates, expected->gates, got->n_gates, 1e-5f) &&
		kern_case_is_same(got->h_gates, expected->h_gates, got->n_gates, 1e-5f) &&
		kern_case_is_same(got->dgates, expected->dgates, got->n_gates, 1e-5f) &&
		kern_case_is_same(got->dh_gates, expected->dh_gates, got->n_gates, 1e-5f) &&
		kern_case_is_same(got->c, expected->c, got->n_state, 1e-5f) &&
		kern_case_is_same(got->tanh_c, expected->tanh_c, got->n_state, 1e-5f) &&
		kern_case_is_same(got->h, expected->h, got->n_state, 1e-5f) &&
		kern_case_is_same(got->dc, expected->dc, got->n_state, 1e-5f) &&
		kern_case_is_same(got->dh_prev, expected->dh_prev, got->n_state, 1e-5f);
}

typedef enum Cell
{
	CELL_LSTM, CELL_GRU, CELL_RNN
} Cell;

/* The step of an lstm whose input side is in the gates, or lies elsewhere, row by row. */
static void
run_lstm(const NnKernels *kernels, int n, int n_prev, int H, int ld, bool is_elsewhere, const float *h_prev,
		 const float *c_prev, const float *packed, Step *s)
{
	size_t		G = (size_t) 4 * H;
	NnStart		input = nn_start_added(s->gates, 4 * H, true);
	float	   *copy = kern_case_copy(s->gates, (size_t) n * G);
	const float **row = malloc((size_t) n * sizeof(*row));

	for (int b = 0; b < n; b++)
		row[b] = copy + (size_t) b * G;
	if (is_elsewhere)
		input.row = row;
	for (size_t i = 0; is_elsewhere && i < (size_t) n * G; i++)
		s->gates[i] = NAN;
	kernels->lstm_step(n, n_prev, H, h_prev, packed, input, s->gates, c_prev, s->c, s->tanh_c, s->h, ld);
	free(copy);
	free(row);
}

/* A step forward and back. */
static void
run_step(const NnKernels *kernels, Cell cell, int n, int n_prev, int H, int ld, bool is_elsewhere,
		 const float *h_prev, const float *c_prev, const float *packed, const float *bias,
		 const float *dh, Step *s)
{
	switch (cell)
	{
		case CELL_LSTM:
			run_lstm(kernels, n, n_prev, H, ld, is_elsewhere, h_prev, c_prev, packed, s);
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
	static const int sizes_H[] = {1, 3, 8, 16, 20, 33, 64};
	static const int sizes_n[] = {1, 2, 5, 13, 50};
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
				float	   *W = kern_case_floats((size_t) G * H);
				float	   *packed = kern_case_floats(nn_pack_floats(H, G));
				float	   *bias = kern_case_floats((size_t) G);
				float	   *h_prev = n_prev > 0 ? kern_case_floats((size_t) n_prev * H) : NULL;
				float	   *c_prev = n_prev > 0 ? kern_case_floats((size_t) n_prev * H) : NULL;
				float	   *dh = kern_case_floats((size_t) n * ld);
				Step		got = new_step(n, H, ld);
				Step		expected = copy_step(&got);

				nn_pack(W, H, H, G, true, packed);
				run_step(kernels, cell, n, n_prev, H, ld, (n + H) % 2 == 0, h_prev, c_prev, packed, bias, dh, &got);
				run_step(&nn_kernels_naive, cell, n, n_prev, H, ld, false, h_prev, c_prev, packed, bias, dh,
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
 * A gradient that fades: forget gates near zero multiply it step by step, until it
 * is nothing; on the way it is never denormal.  A NaN stays one.
 */
static void
test_fading(const NnKernels *kernels)
{
	enum
	{
		H = 20
	};
	float		gates[4 * H],
				dgates[4 * H],
				c_prev[H],
				tanh_c[H],
				dh[H] = {0},
				dc[H];
	int			n_denormal = 0;
	int			n_left = 0;

	for (int i = 0; i < 4 * H; i++)
		gates[i] = 0.2f;
	for (int u = 0; u < H; u++)
	{
		c_prev[u] = tanh_c[u] = 0.5f;
		dc[u] = u == 3 ? NAN : u % 2 == 0 ? 1.0f : -1.0f;
	}
	for (int t = 0; t < 100; t++)
	{
		kernels->lstm_step_backward(1, 1, H, gates, c_prev, tanh_c, dh, H, dc, dgates);
		for (int i = 0; i < 4 * H; i++)
			n_denormal += fpclassify(dgates[i]) == FP_SUBNORMAL;
		for (int u = 0; u < H; u++)
			n_denormal += fpclassify(dc[u]) == FP_SUBNORMAL;
	}
	for (int u = 0; u < H; u++)
		n_left += u != 3 && dc[u] != 0.0f;
	ok(n_denormal == 0 && n_left == 0, "%s: a gradient that fades ends as zero and is never denormal", kernels->name);
	ok(isnan(dc[3]) && isnan(dgates[3]), "%s: one that is not a number stays so", kernels->name);
}

/*
 * The LSTM step against its equations in double, and its backward step
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
test_lstm_gradient(const NnKernels *kernels)
{
	double		worst = 0.0;
	float		packed[4 * NN_PANEL] = {0};

	for (int turn = 0; turn < 200; turn++)
	{
		float		gates[4],
					dgates[4];
		float		c_prev = kern_case_float(),
					dh = kern_case_float(),
					dc = kern_case_float();
		float		h_prev = 0.0f,
					c,
					tanh_c,
					h;
		LstmCase	at = {.c_prev = c_prev, .dh = dh, .dc = dc};

		for (int g = 0; g < 4; g++)
			at.a[g] = gates[g] = 3.0f * kern_case_float();
		kernels->lstm_step(1, 1, 1, &h_prev, packed, nn_start_added(gates, 4, true), gates, &c_prev, &c, &tanh_c, &h, 1);
		worst = fmax(worst, fabs((double) dh * h + (double) dc * c - lstm_loss(&at)));
		kernels->lstm_step_backward(1, 1, 1, gates, &c_prev, &tanh_c, &dh, 1, &dc, dgates);
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
	ok(worst < 1e-6, "%s: an LSTM step is its equations and their gradient (worst %.2g)",
	   kernels->name, worst);
}

int
main(void)
{
	nn_kern_init();
	printf("# this CPU gets %s\n", nn_kern_name());
	ok(!nn_kern_use("no such kernels"), "unknown kernels are refused");
	test_pack();
	for (int i = 0; i < 4; i++)
	{
		const NnKernels *kernels = kern_case_use(i);

		if (kernels == NULL)
			continue;
		ok(strcmp(nn_kern_name(), kernels->name) == 0, "%s: used when asked for", kernels->name);
		test_lstm_gradient(kernels);
		if (kernels == &nn_kernels_naive)
			continue;
		test_gemm_packed(kernels);
		test_start(kernels);
		test_fading(kernels);
		test_row_alone(kernels);
		test_gemm(kernels);
		test_steps(kernels, CELL_LSTM, "LSTM", 4);
		test_steps(kernels, CELL_GRU, "GRU", 3);
		test_steps(kernels, CELL_RNN, "RNN", 1);
	}
	return done_testing();
}
