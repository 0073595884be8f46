/*
 * exec/progress.h: core's progress reports as NOTICEs to whoever waits.
 */
#ifndef LSTM_PROGRESS_H
#define LSTM_PROGRESS_H

#include "model/learn.h"

typedef struct LstmProgress
{
	NnTask		task;
	double		last;			/* seconds of the last line; reading and training each count theirs from 0 */
} LstmProgress;

/* An LstmProgressHook; arg is an LstmProgress that begins zeroed but for task. */
extern void lstm_progress_report(void *arg, const NnProgress *progress);

/* While rows are read: how many so far, after so many seconds. */
extern void lstm_progress_reading(LstmProgress *state, int64 n_rows, double seconds);

#endif							/* LSTM_PROGRESS_H */
