/*
 * base/env.c: a copy that polls; and the host of tests and benches: malloc, free,
 * and a poll that never stops.
 */
#include "base/env.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALIGNMENT 64

/* Bytes between two polls: some milliseconds, also where the pages are new. */
#define COPY_BYTES ((size_t) 4 * 1024 * 1024)

bool
nn_env_copy(const NnEnv *env, void *to, const void *from, size_t n_bytes)
{
	for (size_t done = 0; done < n_bytes; done += COPY_BYTES)
	{
		size_t		n = n_bytes - done < COPY_BYTES ? n_bytes - done : COPY_BYTES;

		if (env->poll(env->ctx) != 0)
			return false;
		memcpy((char *) to + done, (const char *) from + done, n);
	}
	return true;
}

static void *
malloc_alloc(void *ctx, size_t size_bytes)
{
	size_t		n_bytes = size_bytes == 0 ? ALIGNMENT : size_bytes;
	void	   *block;

	(void) ctx;
	if (n_bytes > SIZE_MAX - (ALIGNMENT - 1))
		return NULL;
	/* aligned_alloc wants a multiple of the alignment */
	n_bytes = (n_bytes + ALIGNMENT - 1) & ~(size_t) (ALIGNMENT - 1);
	block = aligned_alloc(ALIGNMENT, n_bytes);
	if (block != NULL)
		memset(block, 0, n_bytes);
	return block;
}

static void
malloc_release(void *ctx, void *block)
{
	(void) ctx;
	free(block);
}

static int
malloc_poll(void *ctx)
{
	(void) ctx;
	return 0;
}

static double
malloc_now(void *ctx)
{
	struct timespec time;

	(void) ctx;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

const NnEnv nn_env_malloc = {
	.ctx = NULL,
	.alloc = malloc_alloc,
	.release = malloc_release,
	.map = NULL,
	.unmap = NULL,
	.poll = malloc_poll,
	.progress = NULL,
	.now = malloc_now,
};
