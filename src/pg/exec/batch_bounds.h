/*
 * exec/batch_bounds.h: how many rows a batch node may read ahead.
 */
#ifndef LSTM_BATCH_BOUNDS_H
#define LSTM_BATCH_BOUNDS_H

#include "executor/execdesc.h"

struct LstmBatchState;

/* A statement that runs with batch nodes. */
typedef struct LstmBatchQuery
{
	QueryDesc  *query_desc;
	uint64		n_wanted;		/* the count of the ExecutorRun at hand; 0: all rows */
} LstmBatchQuery;

/* Tell each batch node of a statement that was just started who reads it. */
extern void lstm_batch_link(LstmBatchQuery *query);

/* How many rows to gather next, at least 1. */
extern int	lstm_batch_want(struct LstmBatchState *node);

/* Tell the child how many rows are needed in all, for its sorts, as a LIMIT above would. */
extern void lstm_batch_bound_child(struct LstmBatchState *node);

#endif							/* LSTM_BATCH_BOUNDS_H */
