/*
 * job/job_rows.h: what a job reads, kept, and read again.
 */
#ifndef LSTM_JOB_ROWS_H
#define LSTM_JOB_ROWS_H

#include "exec/train_stages.h"
#include "job/job.h"

/* A keeper for run->keeper, in the current context; finish writes what is left. */
extern LstmRowKeeper *lstm_rows_keep(int64 job, LstmTrainRun *run);
extern int64 lstm_rows_finish(LstmRowKeeper *keeper);	/* how many rows */

/* Into the learner of a run that has begun again; outside of any transaction. */
extern void lstm_rows_read_again(int64 job, LstmTrainRun *run);

#endif							/* LSTM_JOB_ROWS_H */
