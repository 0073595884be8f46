/*
 * job/job_checkpoint.h: core's checkpoints as chunks of a job, and what users wish of it.
 */
#ifndef LSTM_JOB_CHECKPOINT_H
#define LSTM_JOB_CHECKPOINT_H

#include "train/checkpoint.h"

#include "exec/train_stages.h"
#include "job/job.h"

typedef struct LstmJobCheckpoints
{
	NnCheckpoints checkpoints;	/* for core; ctx is this struct */
	int64		job;
	Oid			job_table;		/* whose jobs they are: the extension may be dropped and made again */
	MemoryContext context;
	bool		wants_stop;
	bool		is_refitting;
	bool		has_first;		/* the first training's result is kept */
	bool		was_opened;		/* a checkpoint was read */

	/* seconds of the monotonic clock */
	double		looked;			/* when wishes were last looked for */
	double		saved;
	double		cost;			/* of the last checkpoint */

	/* the stream that is written or read */
	NnStream	stream;
	int			n_chunks;
	char	   *buffer;			/* LSTM_CHUNK_BYTES */
	size_t		n_buffered;
	bool		has_failed;		/* what is written cannot be kept... */
	char		trouble[512];	/* ...as was said */
	bytea	   *chunk;
	size_t		at;				/* in chunk */
} LstmJobCheckpoints;

/* In the current context. */
extern LstmJobCheckpoints *lstm_checkpoints_create(int64 job, Oid job_table);

/* Look for wishes, if it is time; raises the error of a cancel.  With or without a transaction. */
extern void lstm_checkpoints_look(void *checkpoints);

/* Ends the process if the extension is not the one that the job is of.  Within a transaction. */
extern void lstm_checkpoints_need_extension(const LstmJobCheckpoints *own);

/* Before another learner begins; without those that are there, if they are of no use. */
extern void lstm_checkpoints_reset(LstmJobCheckpoints *own, bool is_damaged);

#endif							/* LSTM_JOB_CHECKPOINT_H */
