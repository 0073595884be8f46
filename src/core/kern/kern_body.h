/*
 * kern/kern_body.h: the kernels in vectors of NN_VW floats.
 *
 * Not a header in the usual sense: kern_generic.c, kern_avx2.c and kern_avx512.c
 * each include it once, after defining
 *   NN_VW            floats of a vector: 4, 8 or 16
 *   NN_KERNELS, NN_KERNELS_NAME  the table to define, and its name
 *   NN_TILE_ROWS, NN_TILE_PANELS, NN_TILE_VECTORS, NN_TILE_LIST(X)
 *                    the tiles of products to compile (kern_body_gemm.h)
 *   v_fma, v_max, v_min, v_sqrt, v_load_n, v_store_n, v_keep, v_double
 * Here are vectors, sigma, tanh and exp; kern_body_gemm.h has the products,
 * kern_body_steps.h the recurrent steps, kern_body_vectors.h the rest, and at the
 * end is the table of all.  Functions have the names they have in kern_naive.c,
 * where the equations are; what is said here is how they are made fast.
 *
 * Elements do not mix across the lanes of a vector, so a result does not depend
 * on the lane it falls into; the last, partial vector of a row goes through
 * v_load_n and v_store_n and the same arithmetic.
 */
#include <math.h>
#include <string.h>

#define NN_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define NN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NN_UNROLL _Pragma("GCC unroll 32")
#endif

/* Rows too far apart for the hardware to foresee are asked for so many turns ahead. */
#define NN_ROWS_AHEAD	8

#define V_PER_PANEL (NN_PANEL / NN_VW)

typedef float __attribute__((vector_size(NN_VW * 4))) Vec;
typedef float __attribute__((vector_size(NN_VW * 4), aligned(4), may_alias)) VecUnaligned;
typedef int32_t __attribute__((vector_size(NN_VW * 4))) IVec;

/* Half as many floats, and as many doubles. */
typedef float __attribute__((vector_size(NN_VW * 2), aligned(4), may_alias)) HalfUnaligned;
typedef double __attribute__((vector_size(NN_VW * 4))) DVec;

static NN_INLINE Vec
v_load(const float *from)
{
	return *(const VecUnaligned *) from;
}

static NN_INLINE void
v_store(float *to, Vec v)
{
	*(VecUnaligned *) to = v;
}

static NN_INLINE Vec
v_all(float x)
{
	return x - (Vec) {0};
}

/* A whole vector, or its first n lanes. */
static NN_INLINE Vec
v_load_part(const float *from, int n)
{
	return n >= NN_VW ? v_load(from) : v_load_n(from, n);
}

static NN_INLINE void
v_store_part(float *to, Vec v, int n)
{
	if (n >= NN_VW)
		v_store(to, v);
	else
		v_store_n(to, v, n);
}

/* x, or 0 where it is tiny; a NaN survives. */
static NN_INLINE Vec
v_cut(Vec x)
{
	IVec		is_kept = ((IVec) x & 0x7FFFFFFF) >= NN_TINY_BITS;

	return (Vec) ((IVec) x & is_kept);
}

static NN_INLINE Vec
v_tanh(Vec x)
{
	Vec			u,
				p,
				q;

	x = v_max(v_all(-NN_TANH_BOUND), x);
	x = v_min(v_all(NN_TANH_BOUND), x);
	u = x * x;
	p = v_fma(u, v_all(NN_TANH_P4), v_all(NN_TANH_P3));
	q = v_fma(u, v_all(NN_TANH_Q4), v_all(NN_TANH_Q3));
	p = v_fma(u, p, v_all(NN_TANH_P2));
	q = v_fma(u, q, v_all(NN_TANH_Q2));
	p = v_fma(u, p, v_all(NN_TANH_P1));
	q = v_fma(u, q, v_all(NN_TANH_Q1));
	p = v_fma(u, p, v_all(NN_TANH_P0));
	q = v_fma(u, q, v_all(NN_TANH_Q0));
	x = x * p / q;
	return v_max(v_all(-1.0f), v_min(v_all(1.0f), x));
}

static NN_INLINE Vec
v_sigmoid(Vec x)
{
	return v_fma(v_all(0.5f), v_tanh(v_all(0.5f) * x), v_all(0.5f));
}

/* A NaN survives: whatever power its bits give, the product is NaN. */
static NN_INLINE Vec
v_exp(Vec x)
{
	Vec			rounded,
				j,
				r,
				p;
	IVec		exponent,
				half;

	x = v_max(v_all(NN_EXP_LOWEST), x);
	x = v_min(v_all(NN_EXP_HIGHEST), x);
	rounded = v_fma(x, v_all(NN_LOG2_E), v_all(NN_ROUNDER));
	j = rounded - v_all(NN_ROUNDER);
	r = v_fma(j, v_all(-NN_LN2_HIGH), x);
	r = v_fma(j, v_all(-NN_LN2_LOW), r);
	p = v_fma(r, v_all(1.0f / 5040), v_all(1.0f / 720));
	p = v_fma(r, p, v_all(1.0f / 120));
	p = v_fma(r, p, v_all(1.0f / 24));
	p = v_fma(r, p, v_all(1.0f / 6));
	p = v_fma(r, p, v_all(0.5f));
	p = v_fma(r, p, v_all(1.0f));
	p = v_fma(r, p, v_all(1.0f));
	exponent = (IVec) rounded - NN_ROUNDER_BITS;
	half = exponent >> 1;
	return p * (Vec) ((half + 127) << 23) * (Vec) ((exponent - half + 127) << 23);
}

#include "kern/kern_body_gemm.h"
#include "kern/kern_body_vectors.h"
#include "kern/kern_body_steps.h"

const NnKernels NN_KERNELS = {
	.name = NN_KERNELS_NAME,
	.gemm_packed = body_gemm_packed,
	.gemm = body_gemm,
	.lstm_step = body_lstm_step,
	.lstm_step_backward = body_lstm_step_backward,
	.gru_step = body_gru_step,
	.gru_step_backward = body_gru_step_backward,
	.rnn_step = body_rnn_step,
	.rnn_step_backward = body_rnn_step_backward,
	.sigmoid = body_sigmoid,
	.tanh = body_tanh,
	.exp = body_exp,
	.axpy = body_axpy,
	.scale = body_scale,
	.scale_shift = body_scale_shift,
	.multiply = body_multiply,
	.maximum = body_maximum,
	.maximum_from = body_maximum_from,
	.add_rows = body_add_rows,
	.sum_rows = body_sum_rows,
	.sum = body_sum,
	.sum_squares = body_sum_squares,
	.highest = body_highest,
	.exp_sum = body_exp_sum,
	.all_finite = body_all_finite,
	.softmax_rows = body_softmax_rows,
	.adam = body_adam,
	.gather_sum = body_gather_sum,
	.scatter_sum = body_scatter_sum,
};
