/*
 * glue/env_pg.h: the server as core's host.
 *
 * All memory of one env is one MemoryContext: deleting the context is the
 * clean-up after success, error and cancel alike.  poll() is the server's
 * interrupt check and may jump.
 */
#ifndef LSTM_ENV_PG_H
#define LSTM_ENV_PG_H

#include "base/env.h"
#include "utils/palloc.h"

#include "glue/file_map.h"

/* Called with each progress report of core; may raise an error. */
typedef void (*LstmProgressHook) (void *arg, const NnProgress *progress);

/* Lives as long as the context: env.ctx points to it. */
typedef struct LstmEnv
{
	NnEnv		env;
	MemoryContext context;
	Size		held_bytes;		/* that core asked for: now, and at most since lstm_env_init */
	Size		peak_bytes;
	LstmFileMaps maps;
	LstmProgressHook progress;	/* NULL: silent */
	void	   *progress_arg;
	void		(*on_poll) (void *arg); /* behind the interrupt check; may raise an error; NULL: nothing */
	void	   *on_poll_arg;
} LstmEnv;

extern void lstm_env_init(LstmEnv *env, MemoryContext context);

/* Zero a block; serves interrupts now and then, so it may not return. */
extern void lstm_clear(char *block, size_t n_bytes);

#endif							/* LSTM_ENV_PG_H */
