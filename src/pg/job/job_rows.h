/*
 * job/job_rows.h: what a job reads, kept, and read again.
 */
#ifndef LSTM_JOB_ROWS_H
#define LSTM_JOB_ROWS_H

#include "exec/pairs.h"
#include "exec/train_stages.h"
#include "job/job.h"

/* A keeper for run->keeper, in the current context; finish writes what is left. */
extern LstmRowKeeper *lstm_rows_keep(int64 job, LstmTrainRun *run);
extern int64 lstm_rows_finish(LstmRowKeeper *keeper);	/* how many rows */

/* Into the learner of a run that has begun again; outside of any transaction. */
extern void lstm_rows_read_again(int64 job, LstmTrainRun *run);

/* The same rows as they were read, to who compares; an LstmReadRows, read_ctx is an LstmTrainRun.  Likewise. */
extern void lstm_rows_give(void *read_ctx, int max_rows, LstmTakeRows take, void *take_ctx);

/* The weights that a retraining goes on from, or is compared with; read in the current context. */
extern void lstm_rows_keep_former(int64 job, bytea *weights);
extern bytea *lstm_rows_former(int64 job);

#endif							/* LSTM_JOB_ROWS_H */
