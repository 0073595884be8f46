/*
 * text/sort.h: sorting that can be canceled and takes its memory from the env,
 * which qsort() does not.
 */
#ifndef NN_SORT_H
#define NN_SORT_H

#include "base/env.h"
#include "base/status.h"

/* Should a stand before b?  Must order any two different numbers. */
typedef int (*NnSortBefore) (int32_t a, int32_t b, const void *context);

/* Merge sort of numbers by before(). */
NnStatus	nn_sort_numbers(int32_t *numbers, size_t n, NnSortBefore before,
							const void *context, const NnEnv *env);

/* Radix sort of keys, ascending. */
NnStatus	nn_sort_keys(uint64_t *keys, size_t n, const NnEnv *env);

#endif							/* NN_SORT_H */
