/*
 * exec/batch_columns.h: the columns of a batch node, and expressions over them.
 *
 * A batch node's row has first what its child delivers (leaves), then one column
 * for each call.  Expressions that move into the node refer to both as
 * INDEX_VAR, which is what core expects over a custom_scan_tlist.
 */
#ifndef LSTM_BATCH_COLUMNS_H
#define LSTM_BATCH_COLUMNS_H

#include "nodes/plannodes.h"

typedef struct LstmColumns
{
	const PlannedStmt *stmt;
	List	   *leaves;			/* expressions, as the child computes them */
	int			leaf_varno;		/* not 0: the leaves are all columns of the child, named by this varno */
	bool		may_skip;		/* the node may not evaluate its expressions for each row: arguments must
								 * not fail */
	bool		is_trial;		/* note only calls that nothing guards */

	List	   *calls;			/* FuncExpr over the columns before them */
	List	   *guards;			/* beside calls: a condition, or NULL: always called */
	List	   *found;			/* calls as they stood in the plan ... */
	List	   *found_at;		/* ... and the columns (1, 2, ...) that have their results */
} LstmColumns;

/* Is the expression a call that might be batched? */
extern bool lstm_is_call(Node *expression);

/* Is there a call that might be batched?  Does not look into leaves. */
extern bool lstm_has_call(Node *expression);

/* Is there one anywhere, leaves included? */
extern bool lstm_has_any_call(Node *expression);

/* Add the leaves of an expression, or a list, each once. */
extern void lstm_columns_add_leaves(LstmColumns *columns, Node *expression);

/*
 * The same expression over the columns; calls become columns where they may.
 * It is evaluated only where the guard holds (a condition over the columns, or NULL).
 */
extern Node *lstm_columns_rewrite(LstmColumns *columns, Node *expression, Node *guard);

/* The same expression over the leaves alone; all calls stay. */
extern Node *lstm_columns_plain(LstmColumns *columns, Node *expression);

/*
 * Conditions that are evaluated one after the other until one does not hold:
 * rewrites each, adds it to the list, and returns the guard of what comes after.
 */
extern Node *lstm_columns_rewrite_quals(LstmColumns *columns, List *quals, List **rewritten);

/* The column that has a call's result, or 0; the call is one of the plan's own nodes. */
extern int	lstm_columns_find(const LstmColumns *columns, Node *call);

#endif							/* LSTM_BATCH_COLUMNS_H */
