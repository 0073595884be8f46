/*
 * exec/batch_node.h: the batch node as it runs; private to the files batch_*.c.
 */
#ifndef LSTM_BATCH_NODE_H
#define LSTM_BATCH_NODE_H

#include "executor/executor.h"
#include "nodes/execnodes.h"
#include "nodes/extensible.h"

#include "exec/batch_call.h"
#include "exec/batch_rewrite.h"

/* For EXPLAIN; of this process, or of a worker in shared memory. */
typedef struct LstmBatchStats
{
	LstmBatchCounts counts;
	int64		n_batches;		/* times that rows were gathered */
	int64		n_largest;		/* rows of the largest */
	int64		n_replayed;		/* rows that were evaluated the plain way */
} LstmBatchStats;

typedef struct LstmBatchShared
{
	int			n_workers;
	LstmBatchStats workers[FLEXIBLE_ARRAY_MEMBER];
} LstmBatchShared;

/* A column that is computed ahead. */
typedef struct LstmBatchCall
{
	const LstmBatchFunction *function;
	int			n_args;
	bool		is_strict;
	bool		is_always;		/* no guard */
	Oid			collation;
	Oid			arg_types[LSTM_BATCH_MAX_ARGS];
	int16		arg_lengths[LSTM_BATCH_MAX_ARGS];
	bool		arg_by_value[LSTM_BATCH_MAX_ARGS];
	bool		arg_is_stored[LSTM_BATCH_MAX_ARGS]; /* a column of the row itself, or a constant */
	ExprState  *args[LSTM_BATCH_MAX_ARGS];
	ExprState  *guard;
} LstmBatchCall;

/* How far a node's consumer will certainly read; see batch_bounds.h. */
typedef struct LstmReach LstmReach;

typedef struct LstmBatchState
{
	CustomScanState css;
	int			n_leaves;
	int			n_calls;
	bool		is_tame;
	LstmBatchCall *calls;
	ExprState  *replay_qual;
	ProjectionInfo *replay;		/* NULL: rows without an answer have a NULL */
	TupleTableSlot *leaf_slot;

	/* the batch at hand; all of it in batch_context */
	MemoryContext batch_context;
	MemoryContext argument_context; /* arguments of the calls that are being computed */
	int			n_rows;
	int			next;			/* the row to return next */
	MinimalTuple *rows;			/* (n_rows) leaves */
	Datum	   *results;		/* (n_rows, n_calls) */
	bool	   *are_null;
	bool	   *are_unanswered; /* (n_rows) some call has no result */
	bool		is_at_end;		/* the child has no more rows */

	/* for cursors */
	int			tid_column;		/* the leaf that is the row's ctid, or 0 */
	struct LstmBatchHistory *history;	/* rows that were read, for going back; NULL: only forward */

	/* how many rows to gather next */
	const LstmReach *reach;		/* NULL: nothing is known, one row at a time */
	int			size;
	int64		n_gathered;		/* since the start or the last rescan */
	bool		is_bounded;		/* the child was told how many rows are needed at most ... */
	int64		bound;			/* ... or -1: it was told that all are */

	LstmBatchStats own;
	LstmBatchStats *stats;		/* own, or this worker's */
	LstmBatchShared *shared;	/* of a parallel query, in the leader */
} LstmBatchState;

static inline bool
lstm_is_batch_state(PlanState *state)
{
	return IsA(state, CustomScanState) && lstm_is_batch_plan(state->plan);
}

/* Put row i of the batch into the scan slot: its leaves, and the results so far. */
extern TupleTableSlot *lstm_batch_load(LstmBatchState *node, int i);

/* Read up to `want` rows of the child and compute their calls; false if there is none. */
extern bool lstm_batch_gather(LstmBatchState *node, int want);

/*
 * The child's next row into the scan slot, by way of a batch; false at the end.
 * *is_unanswered: some call has no result.
 */
extern bool lstm_batch_next(LstmBatchState *node, bool *is_unanswered);

/* The same for a cursor that can go back, in the direction that it wants. */
extern void lstm_batch_begin_history(LstmBatchState *node);
extern bool lstm_batch_next_or_back(LstmBatchState *node, bool *is_unanswered);
extern void lstm_batch_forget_history(LstmBatchState *node);

/* WHERE CURRENT OF finds the row by the scan slot. */
extern void lstm_batch_set_tid(LstmBatchState *node);

/* Forget the batch. */
extern void lstm_batch_forget(LstmBatchState *node);

extern void lstm_batch_explain(CustomScanState *state, List *ancestors, struct ExplainState *es);

#endif							/* LSTM_BATCH_NODE_H */
