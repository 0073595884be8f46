/*
 * exec/progress.h: how far a training is, for whoever waits and for everybody else.
 *
 *   progress.c         NOTICEs, the process's line in pg_stat_activity
 *   progress_slots.c   a slot of shared memory, which the view lstm_progress reads
 */
#ifndef LSTM_PROGRESS_H
#define LSTM_PROGRESS_H

#include "datatype/timestamp.h"
#include "utils/palloc.h"

#include "model/learn.h"
#include "store/registry.h"

typedef enum LstmPhase
{
	LSTM_PHASE_READING,
	LSTM_PHASE_PLANNING,
	LSTM_PHASE_TRAINING,
	LSTM_PHASE_REFITTING,
	LSTM_PHASE_COMPARING,
	LSTM_PHASE_STORING
} LstmPhase;

/* One training, as others see it.  No pointers: it stands in shared memory. */
typedef struct LstmProgressRow
{
	int			pid;			/* 0: the slot is free */
	Oid			database;
	Oid			role;
	int64		job;			/* 0: a session's */
	char		model[LSTM_MAX_NAME + 1];
	NnTask		task;
	LstmPhase	phase;
	TimestampTz started;
	int64		n_rows_read;
	NnProgress	now;			/* epoch 0: there is none yet */
} LstmProgressRow;

typedef struct LstmProgress
{
	int64		job;			/* 0: a session's, which is told by NOTICEs */
	Oid			role;			/* whose it is; InvalidOid: the current user's */
	NnTask		task;
	double		last;			/* seconds of the last line; reading and training each count theirs from 0 */
	LstmProgressRow row;
	int			slot;			/* -1: all are taken */
} LstmProgress;

/* A training begins; job and role are set.  It is over when the memory context goes, which owns it. */
extern void lstm_progress_begin(LstmProgress *state, MemoryContext context, const char *model, NnTask task);
extern void lstm_progress_phase(LstmProgress *state, LstmPhase phase);

/* An LstmProgressHook; arg is an LstmProgress. */
extern void lstm_progress_report(void *arg, const NnProgress *progress);

/* While rows are read: how many so far, after so many seconds. */
extern void lstm_progress_reading(LstmProgress *state, int64 n_rows, double seconds);

extern const char *lstm_phase_name(LstmPhase phase);

/* ---- progress_slots.c ---------------------------------------------------------------- */

/* A slot for this process, -1 if there is none; it is given back with the memory context, and leave is called. */
extern int	lstm_progress_take_slot(MemoryContext context, void (*leave) (void));
extern void lstm_progress_fill_slot(int slot, const LstmProgressRow *row);

/* All trainings of the server, palloc'd.  Returns how many. */
extern int	lstm_progress_list(LstmProgressRow **rows);

#endif							/* LSTM_PROGRESS_H */
