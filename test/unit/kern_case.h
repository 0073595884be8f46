/*
 * kern_case.h: what the tests of the kernels share: numbers, and the judgment
 * of two arrays.
 */
#ifndef KERN_CASE_H
#define KERN_CASE_H

#include <stdbool.h>
#include <stddef.h>

#include "kern/kern_private.h"

/* The next number in [-1, 1); every program draws the same ones. */
float		kern_case_float(void);

/* n of them, aligned to 64 bytes, for free(); and a copy of some. */
float	   *kern_case_floats(size_t n);
float	   *kern_case_copy(const float *x, size_t n);

/* Do the kernels in use compute a fused multiply-add? */
bool		kern_case_is_fused(void);

/*
 * Same bytes?  Within bound where the kernels in use do not fuse; a NaN is a NaN.
 * Says where they differ.
 */
bool		kern_case_is_same(const float *got, const float *expected, size_t n, float bound);

/* Use kernels number i (0 ... 3) and return them; NULL if this machine lacks them. */
const NnKernels *kern_case_use(int i);

#endif							/* KERN_CASE_H */
