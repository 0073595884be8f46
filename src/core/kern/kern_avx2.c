/*
 * kern/kern_avx2.c: kern_body.h in vectors of 8 floats (AVX2 and FMA).
 */
#include "kern/kern_private.h"

#if defined(__x86_64__)

#include <immintrin.h>

/* The file is compiled with plain flags; what it may use is said here. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#endif

#define NN_VW 8
#define NN_KERNELS nn_kernels_avx2
#define NN_KERNELS_NAME "avx2"

/* 16 registers: 12 accumulators, a row of B (2) and one number of A. */
#define NN_TILE_ROWS 6
#define NN_TILE_PANELS 4
#define NN_TILE_VECTORS 12
#define NN_TILE_LIST(X) \
	X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) \
	X(1, 2) X(2, 2) X(3, 2) X(1, 4)

/* Hold it in a register: gcc would rather load it again for each of a few uses. */
#define v_keep(a)		__asm__("" : "+x" (a))

#define v_fma(a, b, c)	((Vec) _mm256_fmadd_ps((a), (b), (c)))
#define v_max(a, b)		((Vec) _mm256_max_ps((a), (b))) /* a > b ? a : b */
#define v_min(a, b)		((Vec) _mm256_min_ps((a), (b)))
#define v_sqrt(a)		((Vec) _mm256_sqrt_ps(a))
#define v_load_n(from, n)	((Vec) _mm256_maskload_ps((from), first_lanes(n)))
#define v_store_n(to, v, n) _mm256_maskstore_ps((to), first_lanes(n), (v))

#define v_double(from)	((DVec) _mm256_cvtps_pd(_mm_loadu_ps(from)))

/* A mask of the first n lanes. */
static inline __m256i
first_lanes(int n)
{
	return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

#include "kern/kern_body.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif							/* defined(__x86_64__) */
