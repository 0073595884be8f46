/*
 * exec/refresh.h: a column of answers that stays filled.
 */
#ifndef LSTM_REFRESH_H
#define LSTM_REFRESH_H

#include "commands/trigger.h"

typedef struct LstmRefresh
{
	Oid			relid;
	const char *target;
	const char *model;
	const char *input;			/* NULL: the column that the model was trained to read */
	const char *version;		/* the column that keeps the version, or NULL */
} LstmRefresh;

/*
 * Answer at most max_rows rows that need it (0: all), with the caller's rights; returns how
 * many.  Rows that somebody else has locked are left for the next time.
 */
extern int64 lstm_refresh(const LstmRefresh *refresh, int64 max_rows);

/* The same in batches, each committed, until nothing is left. */
extern void lstm_refresh_all(const LstmRefresh *refresh, int64 batch);

/* A row trigger's new row. */
extern HeapTuple lstm_tag_row(TriggerData *data);

#endif							/* LSTM_REFRESH_H */
