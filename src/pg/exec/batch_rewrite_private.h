/*
 * exec/batch_rewrite_private.h: what batch_rewrite.c, batch_split.c and
 * batch_push.c share.
 */
#ifndef LSTM_BATCH_REWRITE_PRIVATE_H
#define LSTM_BATCH_REWRITE_PRIVATE_H

#include "exec/batch_columns.h"
#include "exec/batch_plan.h"
#include "exec/batch_rewrite.h"

typedef struct Rewrite
{
	PlannedStmt *stmt;			/* our copy */
	int			next_plan_id;	/* 0: not known yet */
	bool		is_below_gather;
	bool		is_updatable;	/* a cursor may stand on the rows of the scan at hand */
	bool		can_go_back;	/* and go back */
	List	   *fallbacks;		/* calls that stay behind a pushed one */
	bool		has_changed;
} Rewrite;

/* A batch node over a child; its target list and quals are the caller's to fill. */
extern CustomScan *lstm_rewrite_make_node(Rewrite *rewrite, Plan *child, const LstmColumns *columns, bool is_tame);

/* A target list's entry with another expression. */
extern TargetEntry *lstm_rewrite_copy_entry(const TargetEntry *entry, Node *expression);

/*
 * Can rows beyond those asked for be read, and calls be computed for them, with
 * nobody seeing it?  child: what reading does.
 */
extern bool lstm_rewrite_is_tame(const Rewrite *rewrite, const LstmColumns *columns, LstmTameness child);

/* What stands in the node's place: itself, or a batch node above it. */
extern Plan *lstm_rewrite_split_above(Rewrite *rewrite, Plan *plan);

/* Put batch nodes between a node and its children. */
extern void lstm_rewrite_push_below(Rewrite *rewrite, Plan *plan);

#endif							/* LSTM_BATCH_REWRITE_PRIVATE_H */
