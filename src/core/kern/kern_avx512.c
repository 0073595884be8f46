/*
 * kern/kern_avx512.c: kern_body.h in vectors of 16 floats (AVX-512).
 */
#include "kern/kern_private.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* The file is compiled with plain flags; what it may use is said here. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma")
#endif

#define NN_VW 16
#define NN_KERNELS nn_kernels_avx512
#define NN_KERNELS_NAME "avx512"

/* 32 registers: 24 accumulators, a row of B (2 or 4) and one number of A. */
#define NN_TILE_ROWS 12
#define NN_TILE_PANELS 4
#define NN_TILE_VECTORS 24
#define NN_TILE_LIST(X) \
	X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) \
	X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) \
	X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2) \
	X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) \
	X(1, 4) X(2, 4) X(3, 4) X(4, 4) X(5, 4) X(6, 4)

/* Hold it in a register: gcc would rather load it again for each of a few uses. */
#define v_keep(a)		__asm__("" : "+v" (a))

#define v_fma(a, b, c)	((Vec) _mm512_fmadd_ps((a), (b), (c)))
#define v_max(a, b)		((Vec) _mm512_max_ps((a), (b))) /* a > b ? a : b */
#define v_min(a, b)		((Vec) _mm512_min_ps((a), (b)))
#define v_sqrt(a)		((Vec) _mm512_sqrt_ps(a))
#define v_load_n(from, n) \
	((Vec) _mm512_maskz_loadu_ps((__mmask16) ((1u << (n)) - 1), (from)))
#define v_store_n(to, v, n) \
	_mm512_mask_storeu_ps((to), (__mmask16) ((1u << (n)) - 1), (v))

/* Eight floats as doubles: gcc 12 makes four instructions of __builtin_convertvector. */
#define v_double(from)	((DVec) _mm512_cvtps_pd(_mm256_loadu_ps(from)))

#include "kern/kern_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* defined(__x86_64__) */
