/*
 * job/job_retrain.h: what a job does more if it is a retraining.
 */
#ifndef LSTM_JOB_RETRAIN_H
#define LSTM_JOB_RETRAIN_H

#include "exec/retrain.h"
#include "job/job.h"

/* In the transaction that reads the rows; keeps the champion, fills job->record, which is in lasting. */
extern LstmRetraining *lstm_job_begin_retrain(LstmJob *job, MemoryContext lasting);

/* Once that was done; outside of any transaction. */
extern LstmRetraining *lstm_job_resume_retrain(const LstmJob *job);

#endif							/* LSTM_JOB_RETRAIN_H */
