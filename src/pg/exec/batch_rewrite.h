/*
 * exec/batch_rewrite.h: a finished plan with batch nodes in it.
 *
 * A batch node is a CustomScan over one child:
 *
 *   lefttree           the child
 *   custom_scan_tlist  its leaves, then one column for each call
 *   custom_exprs       the lists of LstmBatchExprs
 *   custom_private     the numbers of LstmBatchPrivate
 */
#ifndef LSTM_BATCH_REWRITE_H
#define LSTM_BATCH_REWRITE_H

#include "nodes/extensible.h"
#include "nodes/plannodes.h"

/* The lists in custom_exprs; replay is for rows that the batch could not answer. */
enum LstmBatchExprs
{
	LSTM_BATCH_GUARDS,			/* for each call a condition, or a NULL constant */
	LSTM_BATCH_REPLAY_QUAL,
	LSTM_BATCH_REPLAY_TLIST		/* NIL where there are columns: the node above has the plain calls, and
								 * reads NULL */
};

/* The numbers in custom_private. */
enum LstmBatchPrivate
{
	LSTM_BATCH_N_LEAVES,
	LSTM_BATCH_IS_TAME,			/* nobody can tell how many rows were gathered */
	LSTM_BATCH_TID_COLUMN,		/* for WHERE CURRENT OF: the leaf that is the row's ctid, or 0 */
	LSTM_BATCH_CAN_GO_BACK		/* keeps its rows for a cursor */
};

extern const CustomScanMethods lstm_batch_scan_methods;

static inline bool
lstm_is_batch_plan(const Plan *plan)
{
	return plan != NULL && IsA(plan, CustomScan) && ((const CustomScan *) plan)->methods == &lstm_batch_scan_methods;
}

static inline int
lstm_batch_private(const CustomScan *node, enum LstmBatchPrivate which)
{
	return list_nth_int(linitial(node->custom_private), which);
}

/*
 * A copy of the statement with batch nodes, in the current context; NULL if no
 * call of it can be batched.  eflags as for ExecutorStart; a cursor has a name,
 * by which WHERE CURRENT OF can find the row where it stands.
 */
extern PlannedStmt *lstm_batch_rewrite(PlannedStmt *stmt, int eflags, bool is_cursor);

#endif							/* LSTM_BATCH_REWRITE_H */
