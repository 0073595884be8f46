/*
 * exec/batch_split.c: a batch node above a node whose target list or quals have calls.
 *
 * The target list of a node, and its quals from the first that calls one of our
 * functions on, move into a batch node above it.  The node keeps its other quals,
 * and delivers the leaves of what has moved.  The quals stand in the planner's
 * order, so one of a security barrier is still evaluated before a leaky one
 * behind it.
 */
#include "glue/compat.h"

#include "access/sysattr.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "exec/batch_rewrite_private.h"

typedef struct Split
{
	List	   *staying;		/* quals of the node */
	List	   *moving;			/* quals of the batch node */
	bool		from_joinqual;	/* the first of them comes from there */
	LstmColumns columns;
	List	   *tlist;			/* rewritten */
	List	   *quals;
} Split;

static bool
can_split(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
			return plan->lefttree != NULL;
		case T_ForeignScan:
			return ((ForeignScan *) plan)->operation == CMD_SELECT;
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
#if LSTM_HAS_TID_RANGE_SCAN
		case T_TidRangeScan:
#endif
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_ValuesScan:
		case T_TableFuncScan:
		case T_CteScan:
		case T_NamedTuplestoreScan:
		case T_WorkTableScan:
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
		case T_Agg:
		case T_Group:
		case T_WindowAgg:
		case T_Gather:
		case T_GatherMerge:
			return true;
		default:
			return false;
	}
}

typedef struct CallSearch
{
	List	   *fallbacks;
} CallSearch;

/* A call that is none of those that stay behind a pushed one. */
static bool
has_new_call_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (list_member_ptr(((CallSearch *) context)->fallbacks, node))
		return false;
	return lstm_is_call(node) || expression_tree_walker(node, has_new_call_walker, context);
}

static bool
has_new_call(const Rewrite *rewrite, Node *expression)
{
	CallSearch	search = {rewrite->fallbacks};

	return lstm_has_call(expression) && has_new_call_walker(expression, &search);
}

/* Where the first qual is that calls one of our functions; the length if none does. */
static int
first_call(const Rewrite *rewrite, List *quals)
{
	int			i;

	for (i = 0; i < list_length(quals); i++)
	{
		if (has_new_call(rewrite, list_nth(quals, i)))
			break;
	}
	return i;
}

/* Which quals stay.  The clauses of an inner join may move, those of other joins decide what matches. */
static void
split_quals(const Rewrite *rewrite, Plan *plan, Split *split)
{
	int			first;

	if (IsA(plan, NestLoop) || IsA(plan, MergeJoin) || IsA(plan, HashJoin))
	{
		Join	   *join = (Join *) plan;

		first = first_call(rewrite, join->joinqual);
		if (join->jointype == JOIN_INNER && first < list_length(join->joinqual))
		{
			split->from_joinqual = true;
			split->staying = list_truncate(list_copy(join->joinqual), first);
			split->moving = list_concat(list_copy_tail(join->joinqual, first), plan->qual);
			return;
		}
	}
	first = first_call(rewrite, plan->qual);
	split->staying = list_truncate(list_copy(plan->qual), first);
	split->moving = list_copy_tail(plan->qual, first);
}

static bool
is_multiexpr_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubPlan) && ((SubPlan *) node)->subLinkType == MULTIEXPR_SUBLINK)
		return true;
	return expression_tree_walker(node, is_multiexpr_walker, context);
}

/*
 * Once to find the calls that every row makes, once more to write everything:
 * so f(x) behind a CASE takes the column of an f(x) before none.
 */
static void
rewrite_split(Split *split, List *tlist)
{
	for (int pass = 0; pass < 2; pass++)
	{
		Node	   *guard;
		ListCell   *lc;

		split->columns.is_trial = pass == 0;
		split->columns.found = NIL;
		split->columns.found_at = NIL;
		split->tlist = NIL;
		split->quals = NIL;
		guard = lstm_columns_rewrite_quals(&split->columns, split->moving, &split->quals);
		foreach(lc, tlist)
		{
			TargetEntry *entry = lfirst_node(TargetEntry, lc);

			split->tlist = lappend(split->tlist,
								   lstm_rewrite_copy_entry(entry, lstm_columns_rewrite(&split->columns, (Node *) entry->expr, guard)));
		}
	}
}

/* What the node and all below it would do early. */
static LstmTameness
split_tameness(const Rewrite *rewrite, Plan *plan, const Split *split)
{
	LstmTameness tameness = lstm_input_tameness(rewrite->stmt, plan);

	tameness = Min(tameness, lstm_expression_tameness(rewrite->stmt, (Node *) split->staying));
	if (split->from_joinqual)
		return tameness;
	return Min(tameness, lstm_expression_tameness(rewrite->stmt, (Node *) split->columns.leaves));
}

static List *
leaf_tlist(const LstmColumns *columns)
{
	List	   *tlist = NIL;
	ListCell   *lc;

	foreach(lc, columns->leaves)
		tlist = lappend(tlist, makeTargetEntry(lfirst(lc), list_length(tlist) + 1, NULL, false));
	return tlist;
}

/* Plain evaluation of one row, over the same columns. */
static void
set_replay(CustomScan *node, Split *split, List *tlist)
{
	List	   *replay = NIL;
	ListCell   *lc;

	foreach(lc, tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		replay = lappend(replay, lstm_rewrite_copy_entry(entry, lstm_columns_plain(&split->columns, (Node *) entry->expr)));
	}
	list_nth_cell(node->custom_exprs, LSTM_BATCH_REPLAY_TLIST)->ptr_value = replay;
	list_nth_cell(node->custom_exprs, LSTM_BATCH_REPLAY_QUAL)->ptr_value =
		lstm_columns_plain(&split->columns, (Node *) split->moving);
}

/*
 * The node stands in a scan's place for WHERE CURRENT OF, which looks for a row's
 * ctid below nothing but Append, Limit, Result and SubqueryScan.
 */
static void
stand_for_scan(const Rewrite *rewrite, CustomScan *node, int tid_column)
{
	List	   *numbers = linitial(node->custom_private);

	list_nth_cell(numbers, LSTM_BATCH_TID_COLUMN)->int_value = tid_column;
	list_nth_cell(numbers, LSTM_BATCH_CAN_GO_BACK)->int_value = rewrite->can_go_back;
	if (rewrite->can_go_back)
		node->flags |= CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
}

static bool
is_table_scan(const Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_BitmapHeapScan:
		case T_TidScan:
#if LSTM_HAS_TID_RANGE_SCAN
		case T_TidRangeScan:
#endif
			return true;
		default:
			return false;
	}
}

/* The ctid as one more leaf; its column, or 0 where a cursor cannot stand. */
static int
add_tid_leaf(const Rewrite *rewrite, Plan *plan, LstmColumns *columns)
{
	Var		   *tid;

	if (!rewrite->is_updatable || !is_table_scan(plan))
		return 0;
	tid = makeVar(((Scan *) plan)->scanrelid, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0);
	columns->leaves = lappend(columns->leaves, tid);
	return list_length(columns->leaves);
}

Plan *
lstm_rewrite_split_above(Rewrite *rewrite, Plan *plan)
{
	Split		split = {.columns.stmt = rewrite->stmt};
	int			tid_column;
	LstmTameness tameness;
	CustomScan *node;

	if (!can_split(plan))
		return plan;
	split_quals(rewrite, plan, &split);
	if (!has_new_call(rewrite, (Node *) plan->targetlist) && split.moving == NIL)
		return plan;
	if (is_multiexpr_walker((Node *) plan->targetlist, NULL))
		return plan;
	if (rewrite->is_updatable && IsA(plan, IndexOnlyScan))
		return plan;			/* it has no ctid to give away */
	lstm_columns_add_leaves(&split.columns, (Node *) plan->targetlist);
	lstm_columns_add_leaves(&split.columns, (Node *) split.moving);
	tid_column = add_tid_leaf(rewrite, plan, &split.columns);
	rewrite_split(&split, plan->targetlist);
	if (split.columns.calls == NIL)
		return plan;
	tameness = split_tameness(rewrite, plan, &split);
	if (tameness == LSTM_VOLATILE)
		return plan;

	node = lstm_rewrite_make_node(rewrite, plan, &split.columns, lstm_rewrite_is_tame(rewrite, &split.columns, tameness));
	node->scan.plan.targetlist = split.tlist;
	node->scan.plan.qual = split.quals;
	set_replay(node, &split, plan->targetlist);
	if (tid_column > 0)
		stand_for_scan(rewrite, node, tid_column);
	node->scan.plan.initPlan = plan->initPlan;
	plan->initPlan = NIL;
	plan->targetlist = leaf_tlist(&split.columns);
	if (split.from_joinqual)
	{
		/* That each row matches once was proved with the clauses that go. */
		((Join *) plan)->inner_unique = false;
		((Join *) plan)->joinqual = split.staying;
		plan->qual = NIL;
	}
	else
		plan->qual = split.staying;
	return &node->scan.plan;
}
