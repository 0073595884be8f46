/*
 * kern/dispatch.c: the table of kernels in use, and kern.h's functions.
 *
 * The table is chosen once for the CPU we run on.  Choosing is idempotent: two
 * threads that do it at once store the same pointer.  Only tests change it
 * later (nn_kern_use).
 */
#include "kern/kern_private.h"

#include <string.h>

/* The one piece of state of this room beside blas.c's. */
static const NnKernels *kernels_in_use;

/* Can this CPU run the kernels?  Generic and naive ones need nothing. */
static bool
is_supported(const NnKernels *kernels)
{
#if defined(__x86_64__)
	__builtin_cpu_init();
	if (kernels == &nn_kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
			__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
			__builtin_cpu_supports("fma");
	if (kernels == &nn_kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return kernels != NULL;
}

/* All kernels of this build, best first. */
static const NnKernels *const kernels_known[] = {
#if defined(__x86_64__)
	&nn_kernels_avx512,
	&nn_kernels_avx2,
#endif
	&nn_kernels_generic,
	&nn_kernels_naive,
};

#define N_KNOWN ((int) (sizeof(kernels_known) / sizeof(kernels_known[0])))

void
nn_kern_init(void)
{
	int			i = 0;

	if (kernels_in_use != NULL)
		return;
	while (!is_supported(kernels_known[i]))
		i++;
	kernels_in_use = kernels_known[i];
}

const NnKernels *
nn_kern_table(void)
{
	if (kernels_in_use == NULL)
		nn_kern_init();
	return kernels_in_use;
}

const char *
nn_kern_name(void)
{
	return nn_kern_table()->name;
}

bool
nn_kern_use(const char *name)
{
	for (int i = 0; i < N_KNOWN; i++)
	{
		if (strcmp(kernels_known[i]->name, name) == 0 && is_supported(kernels_known[i]))
		{
			kernels_in_use = kernels_known[i];
			return true;
		}
	}
	return false;
}

/* ---- kern.h's functions: one line each --------------------------------- */

void
nn_gemm_packed(int64_t M, int N, int K, const float *A, int lda,
			   const float *packed, float *C, int ldc, bool is_added)
{
	nn_kern_table()->gemm_packed(M, N, K, A, lda, packed, nn_start_added(C, ldc, is_added), C, ldc);
}

void
nn_gemm_packed_from(int64_t M, int N, int K, const float *A, int lda,
					const float *packed, NnStart start, float *C, int ldc)
{
	nn_kern_table()->gemm_packed(M, N, K, A, lda, packed, start, C, ldc);
}

void
nn_gemm(bool trans_a, bool trans_b, int M, int N, int K,
		const float *A, int lda, const float *B, int ldb,
		float *C, int ldc, bool is_added)
{
	if (!nn_blas_gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added))
		nn_kern_table()->gemm(trans_a, trans_b, M, N, K, A, lda, B, ldb, C, ldc, is_added);
}

const char *
nn_gemm_name(const char **problem)
{
	const char *name = nn_blas_name(problem);

	return name != NULL ? name : "own";
}

void
nn_lstm_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			 NnStart input, float *gates, const float *c_prev, float *c, float *tanh_c,
			 float *h, int ldh)
{
	nn_kern_table()->lstm_step(n, n_prev, H, h_prev, packed_hh, input, gates, c_prev, c, tanh_c, h, ldh);
}

void
nn_lstm_step_backward(int n, int n_prev, int H, const float *gates,
					  const float *c_prev, const float *tanh_c,
					  const float *dh, int lddh, float *dc, float *dgates)
{
	nn_kern_table()->lstm_step_backward(n, n_prev, H, gates, c_prev, tanh_c, dh, lddh, dc, dgates);
}

void
nn_gru_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			const float *b_hh, float *gates, float *h_gates, float *h, int ldh)
{
	nn_kern_table()->gru_step(n, n_prev, H, h_prev, packed_hh, b_hh, gates, h_gates, h, ldh);
}

void
nn_gru_step_backward(int n, int n_prev, int H, const float *gates, const float *h_gates,
					 const float *h_prev, const float *dh, int lddh,
					 float *dgates, float *dh_gates, float *dh_prev, int lddp)
{
	nn_kern_table()->gru_step_backward(n, n_prev, H, gates, h_gates, h_prev, dh, lddh,
									   dgates, dh_gates, dh_prev, lddp);
}

void
nn_rnn_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			float *gates, float *h, int ldh)
{
	nn_kern_table()->rnn_step(n, n_prev, H, h_prev, packed_hh, gates, h, ldh);
}

void
nn_rnn_step_backward(int n, int H, const float *gates, const float *dh, int lddh, float *dgates)
{
	nn_kern_table()->rnn_step_backward(n, H, gates, dh, lddh, dgates);
}

void
nn_sigmoid(int64_t n, const float *x, float *y)
{
	nn_kern_table()->sigmoid(n, x, y);
}

void
nn_tanh(int64_t n, const float *x, float *y)
{
	nn_kern_table()->tanh(n, x, y);
}

void
nn_exp(int64_t n, const float *x, float *y)
{
	nn_kern_table()->exp(n, x, y);
}

void
nn_axpy(int64_t n, float a, const float *x, float *y)
{
	nn_kern_table()->axpy(n, a, x, y);
}

void
nn_scale(int64_t n, float a, float *x)
{
	nn_kern_table()->scale(n, a, x);
}

void
nn_scale_shift(int64_t n, float a, float b, float *x)
{
	nn_kern_table()->scale_shift(n, a, b, x);
}

void
nn_multiply(int64_t n, const float *x, float *y)
{
	nn_kern_table()->multiply(n, x, y);
}

void
nn_maximum(int64_t n, const float *x, float *y)
{
	nn_kern_table()->maximum(n, x, y);
}

void
nn_maximum_from(int64_t n, int32_t row, const float *x, float *y, int32_t *from)
{
	nn_kern_table()->maximum_from(n, row, x, y, from);
}

void
nn_add_rows(int64_t M, int N, const float *bias, float *C, int ldc)
{
	nn_kern_table()->add_rows(M, N, bias, C, ldc);
}

void
nn_sum_rows(int64_t M, int N, const float *C, int ldc, float *sum)
{
	nn_kern_table()->sum_rows(M, N, C, ldc, sum);
}

double
nn_sum(int64_t n, const float *x)
{
	return nn_kern_table()->sum(n, x);
}

double
nn_sum_squares(int64_t n, const float *x)
{
	return nn_kern_table()->sum_squares(n, x);
}

float
nn_highest(int64_t n, const float *x)
{
	return nn_kern_table()->highest(n, x);
}

double
nn_exp_sum(int64_t n, float shift, const float *x, float *y)
{
	return nn_kern_table()->exp_sum(n, shift, x, y);
}

bool
nn_all_finite(int64_t n, const float *x)
{
	return nn_kern_table()->all_finite(n, x);
}

void
nn_softmax_rows(int64_t M, int N, float *C, int ldc)
{
	nn_kern_table()->softmax_rows(M, N, C, ldc);
}

void
nn_adam(const NnAdam *adam, int64_t n, float *w, float *grad, float *m, float *v)
{
	nn_kern_table()->adam(adam, n, w, grad, m, v);
}

void
nn_gather_sum(int64_t n, const int32_t *row, const float *weight,
			  const float *table, int D, float *out)
{
	nn_kern_table()->gather_sum(n, row, weight, table, D, out);
}

void
nn_scatter_sum(int64_t n, const int32_t *row, const float *weight,
			   const float *dout, int D, float *grad)
{
	nn_kern_table()->scatter_sum(n, row, weight, dout, D, grad);
}
