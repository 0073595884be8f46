/*
 * kern/kern_private.h: what the files of this room share.
 *
 *   kern_naive.c    the plainest loops; says what every kernel computes
 *   kern_body*.h    the same with vectors, compiled once for each width by
 *   kern_generic.c, kern_avx2.c, kern_avx512.c
 *   pack.c          the layout of packed matrices, one for all kernels
 *   dispatch.c      the table of kernels in use, and kern.h's functions
 *   blas.c          the one file that knows BLAS
 *
 * Same bits everywhere.  The naive kernels and those for CPUs with fused
 * multiply-add give the same bits, because each follows three rules: a product
 * that is added to something is written as a fused multiply-add, so the
 * compiler has nothing left to contract; sums have an order that does not
 * depend on the vector width; sigma, tanh and exp are our own (kern_naive.c)
 * and not libm's.
 */
#ifndef NN_KERN_PRIVATE_H
#define NN_KERN_PRIVATE_H

#include "kern/kern.h"

/*
 * Packed matrices are cut into panels of 16 columns: panel p holds, for
 * k = 0, 1..., the 16 numbers of row k in columns 16 p to 16 p + 15, zeros where
 * there is no such column.  16 floats are a cache line, one vector of AVX-512,
 * two of AVX2 and four of SSE or NEON, so one layout serves all kernels.
 */
#define NN_PANEL 16

/* Row m of a start; NULL: zeros. */
static inline const float *
nn_start_row(NnStart start, int64_t m)
{
	if (start.row != NULL)
		return start.row[m];
	return start.from != NULL ? start.from + (size_t) m * start.ld : NULL;
}

/* The same start for the rows from m on, and the columns from n on. */
static inline NnStart
nn_start_at(NnStart start, int64_t m)
{
	if (start.row != NULL)
		start.row += m;
	else if (start.from != NULL)
		start.from += (size_t) m * start.ld;
	return start;
}

/* C itself, or zeros. */
static inline NnStart
nn_start_added(const float *C, int ldc, bool is_added)
{
	NnStart		start = {is_added ? C : NULL, (size_t) ldc, NULL};

	return start;
}

/* One set of kernels; kern.h describes each. */
typedef struct NnKernels
{
	const char *name;
	void		(*gemm_packed) (int64_t M, int N, int K, const float *A, int lda,
								const float *packed, NnStart start, float *C, int ldc);
	void		(*gemm) (bool trans_a, bool trans_b, int M, int N, int K,
						 const float *A, int lda, const float *B, int ldb,
						 float *C, int ldc, bool is_added);
	void		(*lstm_step) (int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
							  NnStart input, float *gates, const float *c_prev, float *c, float *tanh_c,
							  float *h, int ldh);
	void		(*lstm_step_backward) (int n, int n_prev, int H, const float *gates,
									   const float *c_prev, const float *tanh_c,
									   const float *dh, int lddh, float *dc, float *dgates);
	void		(*gru_step) (int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
							 const float *b_hh, float *gates, float *h_gates, float *h, int ldh);
	void		(*gru_step_backward) (int n, int n_prev, int H, const float *gates,
									  const float *h_gates, const float *h_prev,
									  const float *dh, int lddh, float *dgates, float *dh_gates,
									  float *dh_prev, int lddp);
	void		(*rnn_step) (int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
							 float *gates, float *h, int ldh);
	void		(*rnn_step_backward) (int n, int H, const float *gates,
									  const float *dh, int lddh, float *dgates);
	void		(*sigmoid) (int64_t n, const float *x, float *y);
	void		(*tanh) (int64_t n, const float *x, float *y);
	void		(*exp) (int64_t n, const float *x, float *y);
	void		(*axpy) (int64_t n, float a, const float *x, float *y);
	void		(*scale) (int64_t n, float a, float *x);
	void		(*scale_shift) (int64_t n, float a, float b, float *x);
	void		(*multiply) (int64_t n, const float *x, float *y);
	void		(*maximum) (int64_t n, const float *x, float *y);
	void		(*maximum_from) (int64_t n, int32_t row, const float *x, float *y, int32_t *from);
	void		(*add_rows) (int64_t M, int N, const float *bias, float *C, int ldc);
	void		(*sum_rows) (int64_t M, int N, const float *C, int ldc, float *sum);
	double		(*sum) (int64_t n, const float *x);
	double		(*sum_squares) (int64_t n, const float *x);
	float		(*highest) (int64_t n, const float *x);
	double		(*exp_sum) (int64_t n, float shift, const float *x, float *y);
	bool		(*all_finite) (int64_t n, const float *x);
	void		(*softmax_rows) (int64_t M, int N, float *C, int ldc);
	void		(*adam) (const NnAdam *adam, int64_t n, float *w, float *grad, float *m, float *v);
	void		(*gather_sum) (int64_t n, const int32_t *row, const float *weight,
							   const float *table, int D, float *out);
	void		(*scatter_sum) (int64_t n, const int32_t *row, const float *weight,
								const float *dout, int D, float *grad);
} NnKernels;

extern const NnKernels nn_kernels_naive;
extern const NnKernels nn_kernels_generic;
#if defined(__x86_64__)
extern const NnKernels nn_kernels_avx2;
extern const NnKernels nn_kernels_avx512;
#endif

/* The table in use; chooses it if nn_kern_init() was not called. */
const NnKernels *nn_kern_table(void);

/*
 * tanh(x) is x P(x^2) / Q(x^2) on [-9, 9], where both are positive sums, so that
 * nothing cancels.  Fitted by us (rational minimax by reweighted least squares
 * in 50 digits); relative error 2.1e-8 before rounding.  Beyond +-9 tanh
 * rounds to +-1.
 */
#define NN_TANH_BOUND	9.0f
#define NN_TANH_P0		1.0f
#define NN_TANH_P1		0.13381029509488085f
#define NN_TANH_P2		0.003495592307533753f
#define NN_TANH_P3		2.0609137977265578e-05f
#define NN_TANH_P4		1.3354717476790907e-08f
#define NN_TANH_Q0		1.0f
#define NN_TANH_Q1		0.46714345146065617f
#define NN_TANH_Q2		0.02587699911081056f
#define NN_TANH_Q3		0.0003285641057589095f
#define NN_TANH_Q4		7.77658554131895e-07f

/*
 * exp(x) = 2^j exp(r), r = x - j ln 2 in [-ln 2 / 2, ln 2 / 2], exp(r) by its Taylor
 * polynomial of degree 7 (relative error 5e-9).  ln 2 is subtracted in two parts
 * (Cody and Waite), of which the first times j is exact.  Adding 1.5 * 2^23
 * rounds to an integer and leaves it in the low bits.  Below -104 exp rounds to
 * 0, above 89 to infinity; between, 2^j is applied as two factors so that
 * subnormal results come out right.
 */
#define NN_EXP_LOWEST	(-104.0f)
#define NN_EXP_HIGHEST	89.0f
#define NN_LOG2_E		1.4426950408889634f
#define NN_LN2_HIGH		0.693359375f
#define NN_LN2_LOW		(-2.12194440054690583e-4f)
#define NN_ROUNDER		12582912.0f
#define NN_ROUNDER_BITS	0x4B400000

/*
 * Backward steps take gradients of states below this for zero.  Where gates forget
 * fast, those of early steps fall out of the normal range, and arithmetic on
 * denormal numbers takes some hundred cycles each.
 */
#define NN_TINY_GRADIENT	1e-30f
#define NN_TINY_BITS		0x0DA24260	/* of that, as an integer: numbers without sign compare as their
										 * bits do */

/* ---- BLAS (blas.c) -------------------------------------------------------- */

/* Its product in the Fortran interface, which all libraries have; at the end the lengths of the flags. */
typedef void (*NnSgemm) (const char *trans_a, const char *trans_b,
						 const int *m, const int *n, const int *k,
						 const float *alpha, const float *a, const int *lda,
						 const float *b, const int *ldb,
						 const float *beta, float *c, const int *ldc,
						 size_t length_a, size_t length_b);

/* Does it say what the naive twin says?  false too if there is no memory to find out. */
bool		nn_blas_is_right(NnSgemm sgemm);

/* nn_gemm by BLAS; false if there is none, and then nothing was done. */
bool		nn_blas_gemm(bool trans_a, bool trans_b, int M, int N, int K,
						 const float *A, int lda, const float *B, int ldb,
						 float *C, int ldc, bool is_added);

/* Its name or NULL; *problem as in nn_gemm_name(). */
const char *nn_blas_name(const char **problem);

/* For tests and benches: let nn_gemm use BLAS always (if there is one) or never. */
void		nn_blas_enable(bool is_enabled);

#endif							/* NN_KERN_PRIVATE_H */
