/*
 * text/sort.c: merge sort of numbers, radix sort of keys.
 *
 * Both work in passes between the given block and one of the same size from the
 * env, and poll every POLL_ITEMS items.
 */
#include "text/sort.h"

#include <string.h>

#define POLL_ITEMS	16384

/* Merge the sorted runs from[0 .. middle) and from[middle .. n) into to. */
static NnStatus
merge_runs(const int32_t *from, size_t middle, size_t n, int32_t *to,
		   NnSortBefore before, const void *context, const NnEnv *env)
{
	size_t		left = 0;
	size_t		right = middle;
	size_t		i;

	for (i = 0; i < n; i++)
	{
		if (right == n || (left < middle && !before(from[right], from[left], context)))
			to[i] = from[left++];
		else
			to[i] = from[right++];
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && env->poll(env->ctx) != 0)
			return NN_ECANCELED;
	}
	return NN_OK;
}

/* Bottom up: runs of 1, 2, 4... */
static NnStatus
merge_passes(int32_t *numbers, int32_t *spare, size_t n,
			 NnSortBefore before, const void *context, const NnEnv *env)
{
	int32_t    *from = numbers;
	int32_t    *to = spare;
	size_t		n_polled = 0;
	size_t		width;

	for (width = 1; width < n; width *= 2)
	{
		int32_t    *swap = from;
		size_t		at;

		for (at = 0; at < n; at += 2 * width)
		{
			size_t		n_both = n - at < 2 * width ? n - at : 2 * width;
			size_t		n_left = n_both < width ? n_both : width;

			NN_TRY(merge_runs(from + at, n_left, n_both, to + at, before, context, env));
			n_polled += n_both;
			if (n_polled >= POLL_ITEMS)
			{
				n_polled = 0;
				if (env->poll(env->ctx) != 0)
					return NN_ECANCELED;
			}
		}
		from = to;
		to = swap;
	}
	if (from != numbers)
		memcpy(numbers, from, n * sizeof(int32_t));
	return NN_OK;
}

NnStatus
nn_sort_numbers(int32_t *numbers, size_t n, NnSortBefore before,
				const void *context, const NnEnv *env)
{
	int32_t    *spare;
	NnStatus	status;

	if (n < 2)
		return NN_OK;
	if (n > SIZE_MAX / 4 / sizeof(int32_t))
		return NN_ENOMEM;
	spare = env->alloc(env->ctx, n * sizeof(int32_t));
	if (spare == NULL)
		return NN_ENOMEM;
	status = merge_passes(numbers, spare, n, before, context, env);
	env->release(env->ctx, spare);
	return status;
}

/* One stable pass by the byte at shift. */
static NnStatus
distribute(const uint64_t *from, uint64_t *to, size_t n, int shift, const NnEnv *env)
{
	size_t		starts[256] = {0};
	size_t		at = 0;
	size_t		i;

	for (i = 0; i < n; i++)
	{
		starts[(from[i] >> shift) & 0xFF]++;
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && env->poll(env->ctx) != 0)
			return NN_ECANCELED;
	}
	for (i = 0; i < 256; i++)
	{
		size_t		n_here = starts[i];

		starts[i] = at;
		at += n_here;
	}
	for (i = 0; i < n; i++)
	{
		to[starts[(from[i] >> shift) & 0xFF]++] = from[i];
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && env->poll(env->ctx) != 0)
			return NN_ECANCELED;
	}
	return NN_OK;
}

/* From the lowest byte to the highest: an even number of passes ends in keys. */
NnStatus
nn_sort_keys(uint64_t *keys, size_t n, const NnEnv *env)
{
	NnStatus	status = NN_OK;
	uint64_t   *spare;
	int			shift;

	if (n < 2)
		return NN_OK;
	if (n > SIZE_MAX / sizeof(uint64_t))
		return NN_ENOMEM;
	spare = env->alloc(env->ctx, n * sizeof(uint64_t));
	if (spare == NULL)
		return NN_ENOMEM;
	for (shift = 0; shift < 64 && status == NN_OK; shift += 16)
	{
		status = distribute(keys, spare, n, shift, env);
		if (status == NN_OK)
			status = distribute(spare, keys, n, shift + 8, env);
	}
	env->release(env->ctx, spare);
	return status;
}
