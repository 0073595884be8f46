/*
 * exec/batch_columns.c: the columns of a batch node, and expressions over them.
 *
 * A call is computed ahead where its value cannot depend on when: its arguments
 * hold nothing volatile and no subquery.  It is computed only for rows whose
 * evaluation would reach it: CASE, COALESCE, AND and OR put guards before what
 * they may skip.  A guard is evaluated once more than in the plain plan, so it
 * must be of a kind that nobody sees; else the call stays as it is.
 *
 * A guard that is too wide costs time and changes nothing: a result that is not
 * asked for is not looked at.
 */
#include "glue/compat.h"

#include "access/transam.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"

#include "exec/batch_call.h"
#include "exec/batch_columns.h"
#include "exec/batch_plan.h"

typedef struct Rewriting
{
	LstmColumns *columns;
	Node	   *guard;			/* of what is being rewritten; NULL: always */
	bool		is_lazy;		/* under something that may skip it in ways that no guard tells */
	bool		may_skip;		/* the same, but computing too much is right if no argument can fail */
	bool		is_plain;		/* calls stay */
} Rewriting;

static Node *rewrite(Node *node, void *context);

/* What a node computes itself: nothing above it can do that. */
static bool
is_leaf(Node *node)
{
	return IsA(node, Var) || IsA(node, Aggref) || IsA(node, GroupingFunc) || IsA(node, WindowFunc) ||
		LSTM_IS_MERGE_SUPPORT(node);
}

bool
lstm_is_call(Node *node)
{
	FuncExpr   *call = (FuncExpr *) node;

	return IsA(node, FuncExpr) && call->funcid >= FirstNormalObjectId && !call->funcretset &&
		lstm_batch_function(call->funcid) != NULL;
}

static bool
has_call_walker(Node *node, void *context)
{
	if (node == NULL || (context == NULL && is_leaf(node)))
		return false;
	return lstm_is_call(node) || expression_tree_walker(node, has_call_walker, context);
}

bool
lstm_has_call(Node *expression)
{
	return has_call_walker(expression, NULL);
}

bool
lstm_has_any_call(Node *expression)
{
	bool		into_leaves = true;

	return has_call_walker(expression, &into_leaves);
}

static bool
add_leaves_walker(Node *node, void *context)
{
	LstmColumns *columns = context;

	if (node == NULL)
		return false;
	if (is_leaf(node))
	{
		columns->leaves = list_append_unique(columns->leaves, node);
		return false;
	}
	return expression_tree_walker(node, add_leaves_walker, context);
}

void
lstm_columns_add_leaves(LstmColumns *columns, Node *expression)
{
	add_leaves_walker(expression, columns);
}

/* A column as a Var. */
static Var *
column_var(Node *expression, int column)
{
	return makeVar(INDEX_VAR, column, exprType(expression), exprTypmod(expression), exprCollation(expression), 0);
}

static Node *
rewrite_leaf(LstmColumns *columns, Node *leaf)
{
	int			column = 0;
	ListCell   *lc;

	if (columns->leaf_varno != 0)
	{
		Var		   *var = (Var *) leaf;

		/* What is not the child's stays, and keeps what it is part of from being batched. */
		if (!IsA(leaf, Var) || var->varno != columns->leaf_varno || var->varattno <= 0)
			return leaf;
		return (Node *) column_var(leaf, var->varattno);
	}
	foreach(lc, columns->leaves)
	{
		column++;
		if (equal(lfirst(lc), leaf))
			return (Node *) column_var(leaf, column);
	}
	elog(ERROR, "expression of a batch node refers to what its child does not deliver");
	return NULL;
}

static Node *
and_guard(Node *guard, Node *condition)
{
	if (guard == NULL || condition == NULL)
		return guard != NULL ? guard : condition;
	return (Node *) makeBoolExpr(AND_EXPR, list_make2(guard, condition), -1);
}

/*
 * Things whose value is set from outside, or which are not of this node's row.
 * CASE sets its own CaseTestExpr: only one outside of it hangs in the air.
 */
static bool
is_bound_walker(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, CaseExpr) && ((CaseExpr *) node)->arg != NULL)
	{
		ListCell   *lc;

		foreach(lc, ((CaseExpr *) node)->args)
		{
			CaseWhen   *when = lfirst_node(CaseWhen, lc);

			/* CaseTestExpr = value */
			if (!IsA(when->expr, OpExpr) || list_length(((OpExpr *) when->expr)->args) != 2 ||
				is_bound_walker(lsecond(((OpExpr *) when->expr)->args), context) ||
				is_bound_walker((Node *) when->result, context))
				return true;
		}
		return is_bound_walker((Node *) ((CaseExpr *) node)->arg, context) ||
			is_bound_walker((Node *) ((CaseExpr *) node)->defresult, context);
	}
	if (IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) || IsA(node, CaseTestExpr) || IsA(node, CoerceToDomainValue))
		return true;
	if (IsA(node, Var))
		return ((Var *) node)->varno != INDEX_VAR;
	return is_leaf(node) || expression_tree_walker(node, is_bound_walker, context);
}

/* Arguments (rewritten) may be evaluated early; a call that stayed plain among them could raise its errors then. */
static bool
is_argument_safe(const LstmColumns *columns, List *args, bool may_skip)
{
	return !is_bound_walker((Node *) args, NULL) &&
		!lstm_has_any_call((Node *) args) &&
		lstm_expression_tameness(columns->stmt, (Node *) args) >= (may_skip ? LSTM_TAME : LSTM_REPEATABLE);
}

static bool
is_guard_safe(const LstmColumns *columns, Node *guard, bool may_skip)
{
	return guard == NULL ||
		(!is_bound_walker(guard, NULL) && !lstm_has_any_call(guard) &&
		 lstm_expression_tameness(columns->stmt, guard) >= (may_skip ? LSTM_TAME : LSTM_SILENT));
}

/* The column of an equal call that is computed wherever this one is, or 0. */
static int
find_equal(LstmColumns *columns, FuncExpr *call, Node *guard)
{
	int			column = list_length(columns->leaves);
	ListCell   *lc_call;
	ListCell   *lc_guard;

	forboth(lc_call, columns->calls, lc_guard, columns->guards)
	{
		column++;
		if (equal(lfirst(lc_call), call) && (lfirst(lc_guard) == NULL || equal(lfirst(lc_guard), guard)))
			return column;
	}
	return 0;
}

/* The call's column, new or not; the rewritten call itself where it has to stay. */
static Node *
rewrite_call(Rewriting *rewriting, FuncExpr *original)
{
	LstmColumns *columns = rewriting->columns;
	FuncExpr   *call = (FuncExpr *) expression_tree_mutator((Node *) original, rewrite, rewriting);
	bool		may_skip = columns->may_skip || rewriting->may_skip;
	int			column;

	if (rewriting->is_lazy || !is_argument_safe(columns, call->args, may_skip))
		return (Node *) call;
	column = find_equal(columns, call, rewriting->guard);
	if (column == 0)
	{
		if ((columns->is_trial && rewriting->guard != NULL) || !is_guard_safe(columns, rewriting->guard, may_skip))
			return (Node *) call;
		columns->calls = lappend(columns->calls, call);
		columns->guards = lappend(columns->guards, rewriting->guard);
		column = list_length(columns->leaves) + list_length(columns->calls);
	}
	columns->found = lappend(columns->found, original);
	columns->found_at = lappend_int(columns->found_at, column);
	return (Node *) column_var((Node *) call, column);
}

int
lstm_columns_find(const LstmColumns *columns, Node *call)
{
	ListCell   *lc;
	ListCell   *lc_at;

	forboth(lc, columns->found, lc_at, columns->found_at)
	{
		if (lfirst(lc) == call)
			return lfirst_int(lc_at);
	}
	return 0;
}

/* Rewrite under one more condition. */
static Node *
rewrite_if(Rewriting *rewriting, Node *condition, Node *node)
{
	Rewriting	inner = *rewriting;

	inner.guard = and_guard(rewriting->guard, condition);
	return rewrite(node, &inner);
}

/* Whether evaluation of a CASE gets behind the branches `over`, and into `into` if that is not NULL. */
static Node *
case_guard(Expr *arg, List *over, Expr *into)
{
	CaseExpr   *guard = makeNode(CaseExpr);
	ListCell   *lc;

	if (over == NIL && into == NULL)
		return NULL;
	guard->casetype = BOOLOID;
	guard->arg = arg;
	foreach(lc, over)
	{
		CaseWhen   *when = makeNode(CaseWhen);

		when->expr = lfirst_node(CaseWhen, lc)->expr;
		when->result = (Expr *) makeBoolConst(false, false);
		guard->args = lappend(guard->args, when);
	}
	if (into != NULL)
	{
		CaseWhen   *when = makeNode(CaseWhen);

		when->expr = into;
		when->result = (Expr *) makeBoolConst(true, false);
		guard->args = lappend(guard->args, when);
	}
	guard->defresult = (Expr *) makeBoolConst(into == NULL, false);
	return (Node *) guard;
}

static Node *
rewrite_case(Rewriting *rewriting, CaseExpr *original)
{
	CaseExpr   *result = makeNode(CaseExpr);
	ListCell   *lc;

	*result = *original;
	result->arg = (Expr *) rewrite((Node *) original->arg, rewriting);
	result->args = NIL;
	foreach(lc, original->args)
	{
		CaseWhen   *when = lfirst_node(CaseWhen, lc);
		CaseWhen   *written = makeNode(CaseWhen);

		*written = *when;
		written->expr = (Expr *) rewrite_if(rewriting, case_guard(result->arg, result->args, NULL), (Node *) when->expr);
		written->result = (Expr *) rewrite_if(rewriting, case_guard(result->arg, result->args, written->expr), (Node *) when->result);
		result->args = lappend(result->args, written);
	}
	result->defresult = (Expr *) rewrite_if(rewriting, case_guard(result->arg, result->args, NULL), (Node *) original->defresult);
	return (Node *) result;
}

static Node *
null_test(Node *node)
{
	NullTest   *test = makeNode(NullTest);

	test->arg = (Expr *) node;
	test->nulltesttype = IS_NULL;
	test->argisrow = false;
	test->location = -1;
	return (Node *) test;
}

static Node *
boolean_test(Node *node, BoolTestType type)
{
	BooleanTest *test = makeNode(BooleanTest);

	test->arg = (Expr *) node;
	test->booltesttype = type;
	test->location = -1;
	return (Node *) test;
}

/* Arguments that are evaluated one after the other while `goes_on` holds of each. */
static List *
rewrite_chain(Rewriting *rewriting, List *args, Node *(*goes_on) (Node *))
{
	List	   *result = NIL;
	Node	   *condition = NULL;
	ListCell   *lc;

	foreach(lc, args)
	{
		Node	   *arg = rewrite_if(rewriting, condition, lfirst(lc));

		result = lappend(result, arg);
		condition = and_guard(condition, goes_on(arg));
	}
	return result;
}

static Node *
is_not_false(Node *node)
{
	return boolean_test(node, IS_NOT_FALSE);
}

static Node *
is_not_true(Node *node)
{
	return boolean_test(node, IS_NOT_TRUE);
}

static Node *
rewrite_bool(Rewriting *rewriting, BoolExpr *original)
{
	return (Node *) makeBoolExpr(original->boolop,
								 rewrite_chain(rewriting, original->args,
											   original->boolop == AND_EXPR ? is_not_false : is_not_true),
								 original->location);
}

static Node *
rewrite_coalesce(Rewriting *rewriting, CoalesceExpr *original)
{
	CoalesceExpr *result = makeNode(CoalesceExpr);

	*result = *original;
	result->args = rewrite_chain(rewriting, original->args, null_test);
	return (Node *) result;
}

static Node *
rewrite_lazy(Rewriting *rewriting, Node *node)
{
	Rewriting	inner = *rewriting;

	inner.is_lazy = true;
	return expression_tree_mutator(node, rewrite, &inner);
}

/* What stands left of IN is not evaluated if there is nothing to compare it with. */
static Node *
rewrite_subplan(Rewriting *rewriting, Node *node)
{
	Rewriting	inner = *rewriting;

	inner.may_skip = true;
	return expression_tree_mutator(node, rewrite, &inner);
}

static Node *
rewrite(Node *node, void *context)
{
	Rewriting  *rewriting = context;

	if (node == NULL)
		return NULL;
	if (is_leaf(node))
		return rewrite_leaf(rewriting->columns, node);
	if (rewriting->is_plain)
		return expression_tree_mutator(node, rewrite, context);
	if (lstm_is_call(node))
		return rewrite_call(rewriting, (FuncExpr *) node);
	if (IsA(node, CaseExpr))
		return rewrite_case(rewriting, (CaseExpr *) node);
	if (IsA(node, CoalesceExpr))
		return rewrite_coalesce(rewriting, (CoalesceExpr *) node);
	if (IsA(node, BoolExpr) && ((BoolExpr *) node)->boolop != NOT_EXPR)
		return rewrite_bool(rewriting, (BoolExpr *) node);
	if (IsA(node, SubPlan))
		return rewrite_subplan(rewriting, node);
	if (IsA(node, RowCompareExpr) || IsA(node, AlternativeSubPlan) || LSTM_IS_JSON_EXPRESSION(node))
		return rewrite_lazy(rewriting, node);
	return expression_tree_mutator(node, rewrite, context);
}

Node *
lstm_columns_rewrite(LstmColumns *columns, Node *expression, Node *guard)
{
	Rewriting	rewriting = {.columns = columns, .guard = guard};

	return rewrite(expression, &rewriting);
}

Node *
lstm_columns_plain(LstmColumns *columns, Node *expression)
{
	Rewriting	rewriting = {.columns = columns, .is_plain = true};

	return rewrite(expression, &rewriting);
}

Node *
lstm_columns_rewrite_quals(LstmColumns *columns, List *quals, List **rewritten)
{
	Node	   *guard = NULL;
	ListCell   *lc;

	foreach(lc, quals)
	{
		Node	   *qual = lstm_columns_rewrite(columns, lfirst(lc), guard);

		*rewritten = lappend(*rewritten, qual);
		guard = and_guard(guard, qual);
	}
	return guard;
}
