/*
 * kern/kern.h: float arrays in, float arrays out.
 *
 * Kernels allocate nothing, never poll and cannot fail.  All matrices are row
 * major; ld* is the distance of two rows in floats.  Dimension letters of the
 * whole project: B sequences of a batch, T steps, N packed rows (tokens),
 * E input width, H hidden size, G gate rows (4H, 3H or H), V vocabulary,
 * C outputs.
 *
 * Order of addition.  nn_gemm_packed() adds every output element over k = 0,
 * 1, 2... in one accumulator with fused multiply-add, whatever the number of
 * rows: a row's result is bit-identical alone and in any batch (promise P2),
 * and on every CPU with FMA.  Inference uses nothing else.  nn_gemm() may add
 * in another order for other shapes; only training calls it.
 *
 * The implementation is chosen once by nn_kern_init(); each has the naive twin
 * in kern_naive.c, which says the same in the plainest loops.
 */
#ifndef NN_KERN_H
#define NN_KERN_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* Choose the kernels for this CPU.  Cheap, idempotent; every entry point of model/ calls it. */
void		nn_kern_init(void);

/* "avx512", "avx2", "generic" or "naive": what was chosen. */
const char *nn_kern_name(void);

/* For tests: use the named kernels; false if this CPU or build lacks them. */
bool		nn_kern_use(const char *name);

/* ---- matrix products ------------------------------------------------- */

/*
 * Pack W for products with it on the right: B (K, N) with
 * B[k][n] = is_transposed ? W[n * ldw + k] : W[k * ldw + n].
 * PyTorch's weight (G, E) applied to rows x (M, E), x W^T, is
 * nn_pack(W, E, E, G, true, ...).
 * packed holds nn_pack_floats(K, N) floats, 64-byte aligned.
 */
size_t		nn_pack_floats(int K, int N);
void		nn_pack(const float *W, int ldw, int K, int N, bool is_transposed, float *packed);

/* C (M, N) = A (M, K) B, or C += A B if is_added.  Fixed order of addition (above). */
void		nn_gemm_packed(int64_t M, int N, int K, const float *A, int lda,
						   const float *packed, float *C, int ldc, bool is_added);

/*
 * What the rows of a product begin with: row m of C with row[m], or where row is
 * NULL with from + m * ld (ld 0: all with the same), or where both are with zeros.
 */
typedef struct NnStart
{
	const float *from;
	size_t		ld;
	const float *const *row;	/* (M) */
} NnStart;

/* C = start + A B, in the same order of addition.  No row of start may be another row of C. */
void		nn_gemm_packed_from(int64_t M, int N, int K, const float *A, int lda,
								const float *packed, NnStart start, float *C, int ldc);

/*
 * The large products of training, C (M, N) = op(A) op(B), or += if is_added;
 * op is the transpose where trans_* is set.  Our own kernels where this CPU has
 * vectors for them; elsewhere BLAS with one thread, if it was found and passed
 * its test (kern/blas.c).  The same shapes give the same bytes.
 */
void		nn_gemm(bool trans_a, bool trans_b, int M, int N, int K,
					const float *A, int lda, const float *B, int ldb,
					float *C, int ldc, bool is_added);

/*
 * What nn_gemm uses: "own" or "OpenBLAS 0.3.21 ...".  Loads BLAS, where it is
 * wanted, at the first call of nn_gemm or of this.  If BLAS was found and rejected, *problem says why,
 * else it is NULL.
 */
const char *nn_gemm_name(const char **problem);

/* ---- recurrent steps -------------------------------------------------- */

/*
 * One step of one direction over a packed batch.  n rows are active; the first
 * n_prev of them have a state from the step before (h_prev, c_prev), the other
 * n - n_prev start with zeros.  Rows of h_prev, c_prev... are H apart unless an
 * ld is given.
 *
 * LSTM (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al.
 * 2000), gate order i, f, g, o as PyTorch's:
 *   a = W_ih x_t + b_ih + b_hh + W_hh h_{t-1}
 *   i = sigma(a_i)  f = sigma(a_f)  g = tanh(a_g)  o = sigma(a_o)
 *   c_t = f * c_{t-1} + i * g       h_t = o * tanh(c_t)
 * input (n, 4H): W_ih x_t + b_ih + b_hh, perhaps in gates itself.
 * gates (n, 4H): out, the activated i, f, g, o.
 * packed_hh: nn_pack of W_hh (4H, H) with K = H, N = 4H, transposed.
 * tanh_c (n, H) is kept for the backward step.
 */
void		nn_lstm_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
						 NnStart input, float *gates, const float *c_prev, float *c, float *tanh_c,
						 float *h, int ldh);

/*
 * dh (n, H; lddh apart) is the whole gradient of h_t; dc (n, H) that of c_t from
 * the step after (zeros where there was none) and on return that of c_{t-1}.
 * dgates (n, 4H): gradient of a; may be gates, here and below.  The caller then does
 * dh_{t-1} += dgates W_hh.
 */
void		nn_lstm_step_backward(int n, int n_prev, int H, const float *gates,
								  const float *c_prev, const float *tanh_c,
								  const float *dh, int lddh, float *dc, float *dgates);

/*
 * GRU (Cho et al. 2014, in PyTorch's form with the reset gate behind the
 * product), gate order r, z, n:
 *   r = sigma(W_ir x + b_ir + W_hr h + b_hr)   z likewise
 *   n = tanh(W_in x + b_in + r * (W_hn h + b_hn))
 *   h_t = (1 - z) * n + z * h_{t-1}
 * gates (n, 3H): in, W_ih x + b_ih; out, r, z, n.  b_hh (3H).
 * h_gates (n, 3H): out; its last H hold W_hn h + b_hn, kept for backward.
 */
void		nn_gru_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
						const float *b_hh, float *gates, float *h_gates, float *h, int ldh);

/*
 * dgates (n, 3H): gradient of the input side's sums.  dh_gates (n, 3H): of the
 * recurrent side's (differs in n); may be h_gates.  dh_prev (n_prev, H; lddp apart) += dh * z;
 * the caller then adds dh_gates W_hh to it.
 */
void		nn_gru_step_backward(int n, int n_prev, int H, const float *gates, const float *h_gates,
								 const float *h_prev, const float *dh, int lddh,
								 float *dgates, float *dh_gates, float *dh_prev, int lddp);

/* Elman's network: h_t = tanh(W_ih x + b_ih + b_hh + W_hh h_{t-1}).  gates (n, H): in, the input side; out, h_t. */
void		nn_rnn_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
						float *gates, float *h, int ldh);
void		nn_rnn_step_backward(int n, int H, const float *gates, const float *dh, int lddh, float *dgates);

/* ---- vectors ----------------------------------------------------------- */

/* y = sigma(x), tanh(x), exp(x); error at most 4e-7 absolute (exp: 2e-6 relative); y may be x. */
void		nn_sigmoid(int64_t n, const float *x, float *y);
void		nn_tanh(int64_t n, const float *x, float *y);
void		nn_exp(int64_t n, const float *x, float *y);

void		nn_axpy(int64_t n, float a, const float *x, float *y);	/* y += a x */
void		nn_scale(int64_t n, float a, float *x); /* x *= a */
void		nn_scale_shift(int64_t n, float a, float b, float *x);	/* x = a x + b */
void		nn_multiply(int64_t n, const float *x, float *y);	/* y *= x */
void		nn_maximum(int64_t n, const float *x, float *y);	/* y = max(x, y) */

/* y = max(x, y), and where x is larger, from = row */
void		nn_maximum_from(int64_t n, int32_t row, const float *x, float *y, int32_t *from);
void		nn_add_rows(int64_t M, int N, const float *bias, float *C, int ldc);	/* each row of C += bias */
void		nn_sum_rows(int64_t M, int N, const float *C, int ldc, float *sum); /* sum += each row of C */
double		nn_sum(int64_t n, const float *x);	/* fixed order, in double */
double		nn_sum_squares(int64_t n, const float *x);	/* likewise */
float		nn_highest(int64_t n, const float *x);	/* -inf if there is none; a NaN counts as none */
bool		nn_all_finite(int64_t n, const float *x);

/* y = exp(x - shift), unless y is NULL, and the sum of these as nn_sum() adds; y may be x. */
double		nn_exp_sum(int64_t n, float shift, const float *x, float *y);

/* Rows of C become their softmax (maximum subtracted first); sums run from 0 to N - 1. */
void		nn_softmax_rows(int64_t M, int N, float *C, int ldc);

/*
 * One AdamW step on n numbers (Loshchilov and Hutter 2019): with g = scale * grad,
 *   m = b1 m + (1 - b1) g     v = b2 v + (1 - b2) g^2
 *   w -= lr (m c1 / (sqrt(v c2) + eps) + decay w)
 * c1 = 1 / (1 - b1^t), c2 = 1 / (1 - b2^t).  grad is set to zero.
 */
typedef struct NnAdam
{
	float		lr,
				b1,
				b2,
				eps,
				decay,
				c1,
				c2,
				scale;
} NnAdam;

void		nn_adam(const NnAdam *adam, int64_t n, float *w, float *grad, float *m, float *v);

/*
 * Weighted sum of table rows: out (D) += sum_j weight[j] * table[row[j]].  Adds in the order of j.
 * And its transpose: grad[row[j]] += weight[j] * dout.
 */
void		nn_gather_sum(int64_t n, const int32_t *row, const float *weight,
						  const float *table, int D, float *out);
void		nn_scatter_sum(int64_t n, const int32_t *row, const float *weight,
						   const float *dout, int D, float *grad);

#endif							/* NN_KERN_H */
