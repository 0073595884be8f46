/*
 * base/env.h: what core asks of its host.
 *
 * The host is the server (glue/env_pg.c), a unit test or a bench program.
 * Rules, each held by a test:
 *  - poll() and progress() may not return (the server's interrupt check jumps).
 *    Where core calls them it holds nothing but memory from alloc(): no lock,
 *    no file, no half-written static state.
 *  - any alloc() may fail.
 *  - two polls are at most about 20 ms apart.
 */
#ifndef NN_ENV_H
#define NN_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One report of a running training; all counts since its start. */
typedef struct NnProgress
{
	int			epoch;			/* 1-based */
	int			n_epochs;
	int			is_epoch_end;	/* 1: validation figures below are of this epoch */
	int64_t		n_rows_done;	/* rows learned from in this epoch */
	int64_t		n_rows;			/* rows of an epoch */
	int64_t		n_batches_done; /* of this epoch */
	int64_t		n_batches;
	double		loss_train;		/* mean over the rows of this epoch so far */
	double		loss_valid;		/* NAN where there is none */
	double		metric;			/* of the validation part, as NnEpoch's (train/train.h); NAN if none */
	double		gradient_norm;	/* mean of the epoch's norms before clipping */
	double		n_clipped;		/* share of the epoch's steps that were clipped */
	double		seconds;		/* since training began */
	double		rows_per_second;
	double		seconds_left;	/* an estimate */
} NnProgress;

typedef struct NnEnv
{
	void	   *ctx;			/* the host's own */

	/* A zeroed block aligned to 64 bytes, or NULL. */
	void	   *(*alloc) (void *ctx, size_t size_bytes);

	/* Give back a block of alloc(); NULL is allowed. */
	void		(*release) (void *ctx, void *block);

	/*
	 * Bytes in a temporary file, mapped: for streams larger than memory is allowed to be.  block is NULL,
	 * or one of map() that is to grow from old_bytes to size_bytes (it may move); what is new is zero. NULL
	 * if out of memory or disk; may raise an error of its own and not return.  The hook is NULL where the
	 * host has no such files.
	 */
	void	   *(*map) (void *ctx, void *block, size_t old_bytes, size_t size_bytes);

	/* Give back a block of map(); NULL is allowed. */
	void		(*unmap) (void *ctx, void *block, size_t size_bytes);

	/* 0: go on.  Else core unwinds with NN_ECANCELED.  May not return. */
	int			(*poll) (void *ctx);

	/* May be NULL.  May not return. */
	void		(*progress) (void *ctx, const NnProgress *progress);

	/* Seconds of a monotonic clock; only differences mean something. */
	double		(*now) (void *ctx);
} NnEnv;

/* memcpy of what may be large: polls now and then.  False if it was told to stop. */
bool		nn_env_copy(const NnEnv *env, void *to, const void *from, size_t n_bytes);

/* malloc, free, a poll that never stops: for tests and benches. */
extern const NnEnv nn_env_malloc;

#endif							/* NN_ENV_H */
