/*
 * kern/kern_generic.c: kern_body.h in vectors of 4 floats: SSE2, NEON, or what
 * the compiler makes of them.
 *
 * On x86-64 without FMA a product and its sum are rounded twice, so results are
 * this machine's own; everywhere else they are those of all other kernels.
 */
#include "kern/kern_private.h"

#include <math.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define NN_VW 4
#define NN_KERNELS nn_kernels_generic
#define NN_KERNELS_NAME "generic"

#define NN_TILE_PANELS 2
#if defined(__aarch64__)
/* 32 registers: 24 accumulators, a row of B (4 or 8). */
#define NN_TILE_ROWS 6
#define NN_TILE_VECTORS 24
#define NN_TILE_LIST(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(1, 2) X(2, 2)
#else
/* 16 registers: 8 or 12 accumulators. */
#define NN_TILE_ROWS 2
#define NN_TILE_VECTORS 8
#define NN_TILE_LIST(X) X(1, 1) X(2, 1) X(1, 2)
#endif

#define v_keep(a)		((void) 0)
#define v_double(from)	__builtin_convertvector(*(const HalfUnaligned *) (from), DVec)

typedef float __attribute__((vector_size(16))) Vec4;
typedef int32_t __attribute__((vector_size(16))) IVec4;

static inline Vec4
v_fma(Vec4 a, Vec4 b, Vec4 c)
{
#if defined(__aarch64__)
	return (Vec4) vfmaq_f32((float32x4_t) c, (float32x4_t) a, (float32x4_t) b);
#elif defined(__FP_FAST_FMAF)
	for (int i = 0; i < 4; i++)
		c[i] = __builtin_fmaf(a[i], b[i], c[i]);
	return c;
#else
	return a * b + c;
#endif
}

/* a > b ? a : b */
static inline Vec4
v_max(Vec4 a, Vec4 b)
{
	IVec4		is_more = a > b;

	return (Vec4) ((is_more & (IVec4) a) | (~is_more & (IVec4) b));
}

static inline Vec4
v_min(Vec4 a, Vec4 b)
{
	IVec4		is_less = a < b;

	return (Vec4) ((is_less & (IVec4) a) | (~is_less & (IVec4) b));
}

static inline Vec4
v_sqrt(Vec4 a)
{
#if defined(__SSE2__)
	return (Vec4) _mm_sqrt_ps((__m128) a);
#elif defined(__aarch64__)
	return (Vec4) vsqrtq_f32((float32x4_t) a);
#else
	for (int i = 0; i < 4; i++)
		a[i] = sqrtf(a[i]);
	return a;
#endif
}

/* The first n lanes, 0 < n < 4. */
static inline Vec4
v_load_n(const float *from, int n)
{
	Vec4		v = {0};

	/* lane by lane: gcc 13 takes the bound of a memcpy() here for a negative one, and warns */
	for (int i = 0; i < n; i++)
		v[i] = from[i];
	return v;
}

static inline void
v_store_n(float *to, Vec4 v, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = v[i];
}

#include "kern/kern_body.h"
