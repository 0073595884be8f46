/*
 * glue/env_pg.c: memory, interrupts and the clock for core.
 */
#include "glue/compat.h"

#include <time.h>

#include "miscadmin.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"

#include "glue/env_pg.h"

/* Core's kernels load whole cache lines. */
#define ALIGNMENT 64

/* Bytes cleared between two looks at interrupts: some 20 ms of fresh pages. */
#define CLEAR_BYTES ((size_t) 32 * 1024 * 1024)

/*
 * Core owns nothing but memory of this context, so an interrupt may be served
 * while a large block is cleared as well as at a poll.
 */
void
lstm_clear(char *block, size_t n_bytes)
{
	for (size_t done = 0; done < n_bytes; done += CLEAR_BYTES)
	{
		if (n_bytes > CLEAR_BYTES)
			CHECK_FOR_INTERRUPTS();
		memset(block + done, 0, Min(CLEAR_BYTES, n_bytes - done));
	}
}

/* Stands right before what core gets. */
typedef struct BlockHead
{
	void	   *block;			/* as the context knows it */
	Size		n_bytes;		/* as core asked */
} BlockHead;

/* What a block is larger, so that an aligned part of it has room for a head before it. */
#define EXTRA_BYTES (ALIGNMENT + sizeof(BlockHead))

static void *
env_alloc(void *ctx, size_t size_bytes)
{
	LstmEnv    *env = ctx;
	char	   *block;
	char	   *aligned;
	BlockHead	head;

	/* Too large a size raises an error even with NO_OOM. */
	if (size_bytes > MaxAllocHugeSize - EXTRA_BYTES)
		return NULL;
	block = MemoryContextAllocExtended(env->context, size_bytes + EXTRA_BYTES,
									   MCXT_ALLOC_HUGE | MCXT_ALLOC_NO_OOM);
	if (block == NULL)
		return NULL;
	lstm_clear(block, size_bytes + EXTRA_BYTES);
	aligned = (char *) TYPEALIGN(ALIGNMENT, block + sizeof(BlockHead));
	head.block = block;
	head.n_bytes = size_bytes;
	memcpy(aligned - sizeof(BlockHead), &head, sizeof(BlockHead));
	env->held_bytes += size_bytes;
	env->peak_bytes = Max(env->peak_bytes, env->held_bytes);
	return aligned;
}

static void
env_release(void *ctx, void *aligned)
{
	LstmEnv    *env = ctx;
	BlockHead	head;

	if (aligned == NULL)
		return;
	memcpy(&head, (char *) aligned - sizeof(BlockHead), sizeof(BlockHead));
	env->held_bytes -= head.n_bytes;
	pfree(head.block);
}

static void *
env_map(void *ctx, void *block, size_t old_bytes, size_t size_bytes)
{
	LstmEnv    *env = ctx;

	return lstm_file_map(&env->maps, block, size_bytes);
}

static void
env_unmap(void *ctx, void *block, size_t size_bytes)
{
	LstmEnv    *env = ctx;

	if (block != NULL)
		lstm_file_unmap(&env->maps, block);
}

/*
 * Without its postmaster a process that computes on would keep the server from
 * starting again: its shared memory is in use.  Whoever waits is told by its latch.
 */
static void
need_postmaster(void)
{
	if (IsUnderPostmaster && !PostmasterIsAlive())
		ereport(FATAL,
				(errcode(ERRCODE_ADMIN_SHUTDOWN),
				 errmsg("terminating connection due to unexpected postmaster exit")));
}

static int
env_poll(void *ctx)
{
	LstmEnv    *env = ctx;

	CHECK_FOR_INTERRUPTS();
	need_postmaster();
	if (env->on_poll != NULL)
		env->on_poll(env->on_poll_arg);
	return 0;
}

static void
env_progress(void *ctx, const NnProgress *progress)
{
	LstmEnv    *env = ctx;

	if (env->progress != NULL)
		env->progress(env->progress_arg, progress);
}

static double
env_now(void *ctx)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

void
lstm_env_init(LstmEnv *env, MemoryContext context)
{
	env->env.ctx = env;
	env->env.alloc = env_alloc;
	env->env.release = env_release;
	env->env.map = env_map;
	env->env.unmap = env_unmap;
	env->env.poll = env_poll;
	env->env.progress = env_progress;
	env->env.now = env_now;
	env->context = context;
	env->held_bytes = 0;
	env->peak_bytes = 0;
	lstm_file_maps_init(&env->maps, context);
	env->progress = NULL;
	env->progress_arg = NULL;
	env->on_poll = NULL;
	env->on_poll_arg = NULL;
}
