/*
 * kern_case.c: what the tests of the kernels share.
 */
#include "kern_case.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 1;

/* A float in [-1, 1); splitmix64. */
float
kern_case_float(void)
{
	uint64_t	z = (random_state += 0x9E3779B97F4A7C15u);

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
	z ^= z >> 31;
	return (float) (z >> 40) * (1.0f / 8388608) - 1.0f;
}

float *
kern_case_floats(size_t n)
{
	size_t		bytes = (n * sizeof(float) + 63) / 64 * 64;
	float	   *x = aligned_alloc(64, bytes > 0 ? bytes : 64);

	if (x == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	for (size_t i = 0; i < n; i++)
		x[i] = kern_case_float();
	return x;
}

float *
kern_case_copy(const float *x, size_t n)
{
	float	   *y = kern_case_floats(n);

	memcpy(y, x, n * sizeof(float));
	return y;
}

/* Is fused multiply-add what the kernels in use compute? */
bool
kern_case_is_fused(void)
{
	float		x = 1.0f + 1.0f / 4096;
	float		y = -(1.0f + 2.0f / 4096);

	nn_axpy(1, x, &x, &y);
	return y != 0.0f;
}

/* Same bytes, or within `bound` where the kernels do not fuse. */
bool
kern_case_is_same(const float *got, const float *expected, size_t n, float bound)
{
	if (memcmp(got, expected, n * sizeof(float)) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
	{
		if (memcmp(&got[i], &expected[i], sizeof(float)) == 0)
			continue;
		if (!kern_case_is_fused() && fabsf(got[i] - expected[i]) <= bound)
			continue;
		if (isnan(got[i]) && isnan(expected[i]))
			continue;
		printf("# element %zu of %zu: %.9g, expected %.9g\n", i, n, got[i], expected[i]);
		return false;
	}
	return true;
}

const NnKernels *
kern_case_use(int i)
{
	static const char *const names[] = {"naive", "generic", "avx2", "avx512"};

	if (nn_kern_use(names[i]))
		return nn_kern_table();
	printf("# no %s here\n", names[i]);
	return NULL;
}
