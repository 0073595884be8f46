/*
 * test_host.h: an env that counts, fails on demand and cancels on demand.
 *
 * Set fail_at or cancel_at to the number (from 1) of the allocation to refuse or
 * of the poll to answer with "stop"; 0 is never.  After the code under test has
 * given everything back, n_live is 0.
 */
#ifndef TEST_HOST_H
#define TEST_HOST_H

#include <stdbool.h>
#include <string.h>

#include "base/env.h"

typedef struct TestHost
{
	NnEnv		env;
	long		n_allocs;
	long		n_live;
	long		n_polls;
	long		fail_at;
	long		cancel_at;
	bool		is_failing_on;	/* refuse all allocations from fail_at on */
} TestHost;

static void *
test_host_alloc(void *ctx, size_t size_bytes)
{
	TestHost   *host = ctx;
	void	   *block;

	host->n_allocs++;
	if (host->n_allocs == host->fail_at ||
		(host->is_failing_on && host->fail_at > 0 && host->n_allocs > host->fail_at))
		return NULL;
	block = nn_env_malloc.alloc(NULL, size_bytes);
	if (block != NULL)
		host->n_live++;
	return block;
}

static void
test_host_release(void *ctx, void *block)
{
	TestHost   *host = ctx;

	if (block != NULL)
		host->n_live--;
	nn_env_malloc.release(NULL, block);
}

static int
test_host_poll(void *ctx)
{
	TestHost   *host = ctx;

	host->n_polls++;
	return host->cancel_at > 0 && host->n_polls >= host->cancel_at;
}

static double
test_host_now(void *ctx)
{
	(void) ctx;
	return nn_env_malloc.now(NULL);
}

static inline void
test_host_init(TestHost *host)
{
	memset(host, 0, sizeof(*host));
	host->env.ctx = host;
	host->env.alloc = test_host_alloc;
	host->env.release = test_host_release;
	host->env.poll = test_host_poll;
	host->env.now = test_host_now;
}

#endif							/* TEST_HOST_H */
