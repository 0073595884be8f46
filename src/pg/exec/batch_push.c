/*
 * exec/batch_push.c: a batch node below a node whose own work has calls.
 *
 * The arguments of aggregates and window functions, and the keys of hash joins,
 * are computed where they are.  So a batch node goes below, passes its child's
 * columns on and adds the results of calls.  Where f(x) stood, the node above
 * now has COALESCE(result, f(x)): a row that the batch could not answer has a
 * NULL there, and raises its error when and if it is evaluated.
 */
#include "glue/compat.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"

#include "exec/batch_rewrite_private.h"

typedef struct Push
{
	Rewrite    *rewrite;
	int			varno;			/* how the node names its child's columns */
	LstmColumns columns;
	bool		is_writing;		/* else looking for calls */
} Push;

/*
 * The child's columns, as the node names them.  Window functions look at rows of
 * their frames only, and joins at no key behind one that is NULL: they may skip.
 */
static void
push_begin(Push *push, Rewrite *rewrite, Plan *child, int varno, bool may_skip)
{
	ListCell   *lc;

	memset(push, 0, sizeof(Push));
	push->rewrite = rewrite;
	push->varno = varno;
	push->columns.stmt = rewrite->stmt;
	push->columns.leaf_varno = varno;
	push->columns.may_skip = may_skip;
	foreach(lc, child->targetlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);

		push->columns.leaves = lappend(push->columns.leaves, makeVarFromTargetEntry(varno, entry));
	}
}

/* Calls that have a column become COALESCE(column, call). */
static Node *
push_mutator(Node *node, void *context)
{
	Push	   *push = context;
	CoalesceExpr *coalesce;
	int			column;

	if (node == NULL)
		return NULL;
	column = lstm_columns_find(&push->columns, node);
	if (column == 0)
		return expression_tree_mutator(node, push_mutator, context);
	coalesce = makeNode(CoalesceExpr);
	coalesce->coalescetype = exprType(node);
	coalesce->coalescecollid = exprCollation(node);
	coalesce->args = list_make2(makeVar(push->varno, column, exprType(node), exprTypmod(node), exprCollation(node), 0), node);
	coalesce->location = -1;
	push->rewrite->fallbacks = lappend(push->rewrite->fallbacks, node);
	return (Node *) coalesce;
}

/* An expression that the node evaluates where the guard holds: look for its calls, or write it. */
static void
push_expression(Push *push, Node **expression, Node *guard)
{
	if (!lstm_has_call(*expression))
		return;
	if (push->is_writing)
		*expression = push_mutator(*expression, push);
	else
		(void) lstm_columns_rewrite(&push->columns, *expression, guard);
}

static Node *
push_filter(Push *push, Node **filter)
{
	Node	   *guard = NULL;

	if (*filter == NULL)
		return NULL;
	if (!push->is_writing)
		guard = lstm_columns_rewrite(&push->columns, *filter, NULL);
	push_expression(push, filter, NULL);
	return guard;
}

/* Arguments of aggregates and window functions, changed where they stand: the plan is our copy. */
static bool
push_arguments_walker(Node *node, void *context)
{
	Push	   *push = context;

	if (node == NULL)
		return false;
	if (IsA(node, Aggref))
	{
		Aggref	   *aggref = (Aggref *) node;
		Node	   *guard = push_filter(push, (Node **) &aggref->aggfilter);

		push_expression(push, (Node **) &aggref->args, guard);
		return false;
	}
	if (IsA(node, WindowFunc))
	{
		WindowFunc *function = (WindowFunc *) node;
		Node	   *guard = push_filter(push, (Node **) &function->aggfilter);

		push_expression(push, (Node **) &function->args, guard);
		return false;
	}
	return expression_tree_walker(node, push_arguments_walker, context);
}

static void
push_arguments(Push *push, Plan *plan)
{
	push_arguments_walker((Node *) plan->targetlist, push);
	push_arguments_walker((Node *) plan->qual, push);
}

/* PARAM_EXEC parameters of the calls: a rescan must reach the batch node when they change. */
static bool
add_params_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_EXEC)
	{
		Bitmapset **params = context;

		*params = bms_add_member(*params, ((Param *) node)->paramid);
	}
	return expression_tree_walker(node, add_params_walker, context);
}

/* The batch node between a node and its child; NULL if there is nothing to batch. */
static CustomScan *
push_node(Push *push, Plan *child)
{
	LstmTameness tameness;
	CustomScan *node;
	Bitmapset  *params = NULL;
	int			n = 0;
	ListCell   *lc;

	if (push->columns.calls == NIL)
		return NULL;
	tameness = lstm_plan_tameness(push->rewrite->stmt, child);
	if (tameness == LSTM_VOLATILE)
		return NULL;
	node = lstm_rewrite_make_node(push->rewrite, child, &push->columns, lstm_rewrite_is_tame(push->rewrite, &push->columns, tameness));
	foreach(lc, node->custom_scan_tlist)
	{
		TargetEntry *entry = lfirst_node(TargetEntry, lc);
		Node	   *expression = (Node *) entry->expr;
		Var		   *var = makeVar(INDEX_VAR, ++n, exprType(expression), exprTypmod(expression), exprCollation(expression), 0);

		if (n <= list_length(child->targetlist))
			entry = lstm_rewrite_copy_entry(list_nth_node(TargetEntry, child->targetlist, n - 1), (Node *) var);
		else
			entry = makeTargetEntry((Expr *) var, n, NULL, false);
		node->scan.plan.targetlist = lappend(node->scan.plan.targetlist, entry);
	}
	add_params_walker((Node *) push->columns.calls, &params);
	add_params_walker((Node *) push->columns.guards, &params);
	node->scan.plan.extParam = bms_add_members(node->scan.plan.extParam, params);
	node->scan.plan.allParam = bms_add_members(node->scan.plan.allParam, params);
	push->is_writing = true;
	return node;
}

static void
push_below_aggregate(Rewrite *rewrite, Plan *plan)
{
	Push		push;
	CustomScan *node;

	if (plan->lefttree == NULL || !(lstm_has_any_call((Node *) plan->targetlist) || lstm_has_any_call((Node *) plan->qual)))
		return;
	push_begin(&push, rewrite, plan->lefttree, OUTER_VAR, IsA(plan, WindowAgg));
	push_arguments(&push, plan);
	node = push_node(&push, plan->lefttree);
	if (node == NULL)
		return;
	push_arguments(&push, plan);
	plan->lefttree = &node->scan.plan;
}

/* The keys of a hash join's outer side, and its clauses, which compare them again. */
static void
push_below_outer(Rewrite *rewrite, HashJoin *join)
{
	Push		push;
	Plan	   *child = outerPlan(join);
	CustomScan *node;

	push_begin(&push, rewrite, child, OUTER_VAR, true);
	push_expression(&push, (Node **) &join->hashkeys, NULL);
	push_expression(&push, (Node **) &join->hashclauses, NULL);
	node = push_node(&push, child);
	if (node == NULL)
		return;
	push_expression(&push, (Node **) &join->hashkeys, NULL);
	push_expression(&push, (Node **) &join->hashclauses, NULL);
	outerPlan(join) = &node->scan.plan;
}

/* The inner side has a Hash between, which passes on what it gets. */
static void
push_below_inner(Rewrite *rewrite, HashJoin *join)
{
	Push		keys;
	Push		clauses;
	Hash	   *hash = (Hash *) innerPlan(join);
	Plan	   *child = outerPlan(hash);
	CustomScan *node;

	push_begin(&keys, rewrite, child, OUTER_VAR, true);
	push_expression(&keys, (Node **) &hash->hashkeys, NULL);
	node = push_node(&keys, child);
	if (node == NULL)
		return;
	push_expression(&keys, (Node **) &hash->hashkeys, NULL);

	/* The join's clauses may use the columns that the keys have brought, and no others. */
	push_begin(&clauses, rewrite, child, INNER_VAR, true);
	clauses.columns.calls = list_copy(keys.columns.calls);
	clauses.columns.guards = list_copy(keys.columns.guards);
	push_expression(&clauses, (Node **) &join->hashclauses, NULL);
	clauses.is_writing = true;
	if (list_length(clauses.columns.calls) == list_length(keys.columns.calls))
		push_expression(&clauses, (Node **) &join->hashclauses, NULL);

	outerPlan(hash) = &node->scan.plan;
	for (int n = list_length(child->targetlist); n < list_length(node->scan.plan.targetlist); n++)
	{
		TargetEntry *entry = list_nth_node(TargetEntry, node->scan.plan.targetlist, n);
		Var		   *var = makeVarFromTargetEntry(OUTER_VAR, entry);

		hash->plan.targetlist = lappend(hash->plan.targetlist, makeTargetEntry((Expr *) var, n + 1, NULL, false));
	}
}

void
lstm_rewrite_push_below(Rewrite *rewrite, Plan *plan)
{
	if (IsA(plan, Agg) || IsA(plan, WindowAgg))
		push_below_aggregate(rewrite, plan);
	else if (IsA(plan, HashJoin))
	{
		push_below_outer(rewrite, (HashJoin *) plan);
		push_below_inner(rewrite, (HashJoin *) plan);
	}
}
