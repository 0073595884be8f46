/*
 * exec/batch_rewrite.c: a finished plan with batch nodes in it.
 *
 * After the planner's last step every expression of a plan node either is
 * computed there or refers to a column below, so who evaluates what is plain
 * to see.  Two changes are made, both behind the backs of the nodes above,
 * which find the same columns at the same places: a batch node above a node
 * takes over its target list and quals (batch_split.c), and one below it
 * computes what its aggregates or joins need (batch_push.c).
 *
 * Nothing is changed before it is sure that the node gets a call to batch.
 */
#include "glue/compat.h"

#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "exec/batch_rewrite_private.h"

static int
next_plan_id(Rewrite *rewrite)
{
	if (rewrite->next_plan_id == 0)
		rewrite->next_plan_id = lstm_greatest_plan_id(rewrite->stmt) + 1;
	return rewrite->next_plan_id++;
}

/* Guards as a list that has no NULL in it. */
static List *
guard_list(const LstmColumns *columns)
{
	List	   *guards = NIL;
	ListCell   *lc;

	foreach(lc, columns->guards)
		guards = lappend(guards, lfirst(lc) != NULL ? lfirst(lc) : makeBoolConst(true, true));
	return guards;
}

/* The row of a batch node: leaves by number, and calls. */
static List *
scan_tlist(const LstmColumns *columns)
{
	List	   *tlist = NIL;
	int			n = 0;
	ListCell   *lc;

	foreach(lc, columns->leaves)
	{
		Node	   *leaf = lfirst(lc);
		Var		   *var = makeVar(OUTER_VAR, ++n, exprType(leaf), exprTypmod(leaf), exprCollation(leaf), 0);

		tlist = lappend(tlist, makeTargetEntry((Expr *) var, n, NULL, false));
	}
	foreach(lc, columns->calls)
		tlist = lappend(tlist, makeTargetEntry(lfirst(lc), ++n, NULL, false));
	return tlist;
}

CustomScan *
lstm_rewrite_make_node(Rewrite *rewrite, Plan *child, const LstmColumns *columns, bool is_tame)
{
	CustomScan *node = makeNode(CustomScan);
	Plan	   *plan = &node->scan.plan;

	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	LSTM_COPY_DISABLED(plan, child);
	plan->parallel_safe = child->parallel_safe;
	/* Only then do workers report what they have counted. */
	plan->parallel_aware = rewrite->is_below_gather;
	plan->plan_node_id = next_plan_id(rewrite);
	plan->lefttree = child;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	LSTM_FORBID_ASYNC(child);
	node->flags = LSTM_CUSTOM_SCAN_PROJECTS;
	node->custom_scan_tlist = scan_tlist(columns);
	node->custom_exprs = list_make3(guard_list(columns), NIL, NIL);
	node->custom_private = list_make1(list_make4_int(list_length(columns->leaves), is_tame, 0, 0));
	node->methods = &lstm_batch_scan_methods;
	rewrite->has_changed = true;
	return node;
}

TargetEntry *
lstm_rewrite_copy_entry(const TargetEntry *entry, Node *expression)
{
	TargetEntry *copy = flatCopyTargetEntry(unconstify(TargetEntry *, entry));

	copy->expr = (Expr *) expression;
	return copy;
}

bool
lstm_rewrite_is_tame(const Rewrite *rewrite, const LstmColumns *columns, LstmTameness child)
{
	ListCell   *lc;

	if (child < LSTM_TAME || lstm_expression_tameness(rewrite->stmt, (Node *) columns->guards) < LSTM_TAME)
		return false;
	foreach(lc, columns->calls)
	{
		if (lstm_expression_tameness(rewrite->stmt, (Node *) lfirst_node(FuncExpr, lc)->args) < LSTM_TAME)
			return false;
	}
	return true;
}

/* A node that keeps what its child gives, for one that wants to go back. */
static Plan *
make_material(Rewrite *rewrite, Plan *child)
{
	Material   *material = makeNode(Material);
	Plan	   *plan = &material->plan;
	ListCell   *lc;

	plan->startup_cost = child->startup_cost;
	plan->total_cost = child->total_cost;
	plan->plan_rows = child->plan_rows;
	plan->plan_width = child->plan_width;
	LSTM_COPY_DISABLED(plan, child);
	plan->parallel_safe = child->parallel_safe;
	plan->plan_node_id = next_plan_id(rewrite);
	plan->lefttree = child;
	plan->extParam = bms_copy(child->extParam);
	plan->allParam = bms_copy(child->allParam);
	plan->initPlan = child->initPlan;
	child->initPlan = NIL;
	LSTM_FORBID_ASYNC(child);
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		plan->targetlist = lappend(plan->targetlist,
								   lstm_rewrite_copy_entry(entry, (Node *) makeVarFromTargetEntry(OUTER_VAR, entry)));
	}
	return plan;
}

/* The inner side of a merge join goes back to equal rows; the planner had counted on the child for that. */
static void
keep_inner(Rewrite *rewrite, MergeJoin *join)
{
	Plan	   *plan = innerPlan(join);

	while (IsA(plan, Result) && plan->lefttree != NULL)
		plan = plan->lefttree;
	if (lstm_is_batch_plan(plan) && !join->skip_mark_restore)
		innerPlan(join) = make_material(rewrite, innerPlan(join));
}

static Plan *rewrite_plan(Plan *plan, void *context);

static void
rewrite_below(Rewrite *rewrite, Plan *plan)
{
	Rewrite		above = *rewrite;

	if (IsA(plan, Gather) || IsA(plan, GatherMerge))
		rewrite->is_below_gather = true;
	if (!(IsA(plan, Append) || IsA(plan, Limit) || IsA(plan, Result) || IsA(plan, SubqueryScan)))
		rewrite->is_updatable = false;
	lstm_plan_map(plan, rewrite_plan, rewrite);
	rewrite->is_below_gather = above.is_below_gather;
	rewrite->is_updatable = above.is_updatable;
}

static Plan *
rewrite_plan(Plan *plan, void *context)
{
	Rewrite    *rewrite = context;

	check_stack_depth();
	if (IsA(plan, CustomScan))
		return plan;
	rewrite_below(rewrite, plan);
	if (IsA(plan, MergeJoin))
		keep_inner(rewrite, (MergeJoin *) plan);
	lstm_rewrite_push_below(rewrite, plan);
	return lstm_rewrite_split_above(rewrite, plan);
}

PlannedStmt *
lstm_batch_rewrite(PlannedStmt *original, int eflags, bool is_cursor)
{
	PlannedStmt *stmt = makeNode(PlannedStmt);
	Rewrite		rewrite = {.stmt = stmt};
	ListCell   *lc;

	/* Only the plans are changed: no need to copy the range table. */
	*stmt = *original;
	stmt->planTree = copyObject(original->planTree);
	stmt->subplans = copyObject(original->subplans);
	rewrite.can_go_back = (eflags & EXEC_FLAG_BACKWARD) != 0 && ExecSupportsBackwardScan(original->planTree);

	foreach(lc, stmt->subplans)
	{
		if (lfirst(lc) != NULL)
			lfirst(lc) = rewrite_plan(lfirst(lc), &rewrite);
	}
	rewrite.is_updatable = is_cursor && stmt->rowMarks == NIL && stmt->commandType == CMD_SELECT;
	stmt->planTree = rewrite_plan(stmt->planTree, &rewrite);
	if (!rewrite.has_changed)
		return NULL;
	if (rewrite.can_go_back && !ExecSupportsBackwardScan(stmt->planTree))
		stmt->planTree = make_material(&rewrite, stmt->planTree);

	/*
	 * Our functions cost so much that almost any plan would seem worth compiling, and they are compiled
	 * already.
	 */
	stmt->jitFlags = 0;
	return stmt;
}
