/*
 * exec/batch_plan.c: looking at a finished plan.
 *
 * The batch node reads its child's rows, and computes arguments, before the
 * plain plan would.  Whether anybody can tell is what is judged here, by the
 * functions that are called and the nodes that run:
 *
 *   volatile     random(), nextval(), row locks, changes of tables
 *   repeatable   may print: any function that a user wrote
 *   silent       may fail: the server's own functions
 *   tame         neither: functions marked leakproof, which promise as much, and
 *                a few whose only error is a result beyond all bounds
 */
#include "glue/compat.h"

#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

#include "exec/batch_plan.h"
#include "exec/batch_rewrite.h"

typedef struct Judgment
{
	const PlannedStmt *stmt;
	LstmTameness tameness;		/* the lowest so far */
} Judgment;

static void judge_plan(Judgment *judgment, Plan *plan);

static inline void
judge(Judgment *judgment, LstmTameness tameness)
{
	judgment->tameness = Min(judgment->tameness, tameness);
}

/*
 * Not marked leakproof, since an error's text could show the argument, but
 * their errors are only those of text beyond 1 GB.
 */
static bool
is_harmless(Oid function)
{
	static const Oid harmless[] = {
		1258,					/* textcat */
		1317,					/* length(text) */
		870, 871, 872,			/* lower, upper, initcap */
		884, 885, 875, 881, 876, 882,	/* btrim, ltrim, rtrim */
		2087, 3060, 3061,		/* replace, left, right */
		46, 47, 1046, 1047,		/* text and varchar, in and out */
		39, 43, 461,			/* integers, out */
		201, 215, 1702,			/* real, double precision, numeric, out */
		1243, 1085, 1313, 1151, 49	/* boolean, date, timestamps, ctid, out */
	};

	for (int i = 0; i < lengthof(harmless); i++)
	{
		if (harmless[i] == function)
			return true;
	}
	return false;
}

static LstmTameness
function_tameness(Oid function)
{
	if (func_volatile(function) == PROVOLATILE_VOLATILE)
		return LSTM_VOLATILE;
	if (is_harmless(function) || get_func_leakproof(function))
		return LSTM_TAME;
	return function < FirstNormalObjectId ? LSTM_SILENT : LSTM_REPEATABLE;
}

static bool
judge_function(Oid function, void *context)
{
	judge(context, function_tameness(function));
	return false;
}

static void
judge_subplan(Judgment *judgment, int plan_id)
{
	Plan	   *plan = list_nth(judgment->stmt->subplans, plan_id - 1);

	if (plan != NULL)
		judge_plan(judgment, plan);
}

static bool
judge_expression(Node *node, void *context)
{
	Judgment   *judgment = context;

	if (node == NULL || judgment->tameness == LSTM_VOLATILE)
		return false;
	check_functions_in_node(node, judge_function, judgment);
	switch (nodeTag(node))
	{
		case T_NextValueExpr:
			judge(judgment, LSTM_VOLATILE);
			break;
		case T_SubPlan:
			judge_subplan(judgment, ((SubPlan *) node)->plan_id);
			break;
		case T_CoerceToDomain:
		case T_MinMaxExpr:
		case T_RowCompareExpr:
			/* checks and comparisons that are looked up when they run */
			judge(judgment, LSTM_REPEATABLE);
			break;
		case T_ArrayCoerceExpr:
		case T_XmlExpr:
		case T_SubscriptingRef:
			judge(judgment, LSTM_SILENT);
			break;
		default:
			if (LSTM_IS_JSON_EXPRESSION(node))
				judge(judgment, LSTM_SILENT);
			break;
	}
	return expression_tree_walker(node, judge_expression, context);
}

LstmTameness
lstm_expression_tameness(const PlannedStmt *stmt, Node *expression)
{
	Judgment	judgment = {stmt, LSTM_TAME};

	judge_expression(expression, &judgment);
	return judgment.tameness;
}

static inline void
judge_list(Judgment *judgment, List *expressions)
{
	judge_expression((Node *) expressions, judgment);
}

static void
judge_join(Judgment *judgment, Join *join)
{
	judge_list(judgment, join->joinqual);
	if (IsA(join, MergeJoin))
		judge_list(judgment, ((MergeJoin *) join)->mergeclauses);
	else if (IsA(join, HashJoin))
		judge_list(judgment, ((HashJoin *) join)->hashclauses);
}

/*
 * Of WITH queries that change a table: they run to their end in any case, but
 * errors and triggers may come earlier.
 */
static void
judge_change(Judgment *judgment, ModifyTable *plan)
{
	judge_list(judgment, plan->returningLists);
	judge_list(judgment, plan->onConflictSet);
	judge_expression(plan->onConflictWhere, judgment);
	if (plan->operation == CMD_INSERT || plan->operation == CMD_UPDATE || plan->operation == CMD_DELETE)
		judge(judgment, LSTM_REPEATABLE);
	else
		judge(judgment, LSTM_VOLATILE);
}

/*
 * What a node computes besides its target list and qual.  The functions of a
 * FunctionScan run to their end before its first row, so nobody can tell.
 */
static void
judge_own(Judgment *judgment, Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_Result:
			judge_expression(((Result *) plan)->resconstantqual, judgment);
			break;
		case T_SeqScan:
		case T_SubqueryScan:
		case T_FunctionScan:
		case T_TableFuncScan:
		case T_WorkTableScan:
		case T_NamedTuplestoreScan:
		case T_SampleScan:
		case T_Append:
		case T_MergeAppend:
		case T_RecursiveUnion:
		case T_BitmapAnd:
		case T_BitmapOr:
		case T_Material:
		case T_Sort:
		case T_IncrementalSort:
		case T_Unique:
		case T_SetOp:
		case T_Group:
		case T_Agg:
		case T_Gather:
		case T_GatherMerge:
		case T_Hash:
		case T_ProjectSet:
			break;
		case T_ValuesScan:
			judge_list(judgment, ((ValuesScan *) plan)->values_lists);
			break;
		case T_CteScan:
			judge_subplan(judgment, ((CteScan *) plan)->ctePlanId);
			break;
		case T_IndexScan:
			judge_list(judgment, ((IndexScan *) plan)->indexqual);
			judge_list(judgment, ((IndexScan *) plan)->indexqualorig);
			judge_list(judgment, ((IndexScan *) plan)->indexorderby);
			break;
		case T_IndexOnlyScan:
			judge_list(judgment, ((IndexOnlyScan *) plan)->indexqual);
			judge_list(judgment, ((IndexOnlyScan *) plan)->indexorderby);
			break;
		case T_BitmapIndexScan:
			judge_list(judgment, ((BitmapIndexScan *) plan)->indexqual);
			break;
		case T_BitmapHeapScan:
			judge_list(judgment, ((BitmapHeapScan *) plan)->bitmapqualorig);
			break;
		case T_TidScan:
			judge_list(judgment, ((TidScan *) plan)->tidquals);
			break;
#if LSTM_HAS_TID_RANGE_SCAN
		case T_TidRangeScan:
			judge_list(judgment, ((TidRangeScan *) plan)->tidrangequals);
			break;
		case T_Memoize:
			judge_list(judgment, ((Memoize *) plan)->param_exprs);
			break;
#endif
		case T_NestLoop:
		case T_MergeJoin:
		case T_HashJoin:
			judge_join(judgment, (Join *) plan);
			break;
		case T_WindowAgg:
			judge_expression(((WindowAgg *) plan)->startOffset, judgment);
			judge_expression(((WindowAgg *) plan)->endOffset, judgment);
			break;
		case T_Limit:
			judge_expression(((Limit *) plan)->limitOffset, judgment);
			judge_expression(((Limit *) plan)->limitCount, judgment);
			break;
		case T_ForeignScan:
			judge_list(judgment, ((ForeignScan *) plan)->fdw_exprs);
			judge(judgment, LSTM_SILENT);
			break;
		case T_CustomScan:
			/* of other people's we know only the expressions; ours was judged when it was made */
			if (!lstm_is_batch_plan(plan))
				judge_list(judgment, ((CustomScan *) plan)->custom_exprs);
			if (!lstm_is_batch_plan(plan) || !lstm_batch_private((CustomScan *) plan, LSTM_BATCH_IS_TAME))
				judge(judgment, LSTM_REPEATABLE);
			break;
		case T_ModifyTable:
			judge_change(judgment, (ModifyTable *) plan);
			break;
		default:
			/* LockRows, and what later servers bring */
			judge(judgment, LSTM_VOLATILE);
			break;
	}
}

/* Does the node read all its input before it gives its first row? */
static bool
is_blocking(Plan *plan)
{
	return IsA(plan, Sort) || IsA(plan, Hash) ||
		(IsA(plan, Agg) && ((Agg *) plan)->aggstrategy != AGG_SORTED);
}

static Plan *
judge_below(Plan *plan, void *context)
{
	judge_plan(context, plan);
	return plan;
}

static void
judge_input(Judgment *judgment, Plan *plan)
{
	ListCell   *lc;

	check_stack_depth();
	judge_own(judgment, plan);
	foreach(lc, plan->initPlan)
		judge_subplan(judgment, lfirst_node(SubPlan, lc)->plan_id);
	if (!is_blocking(plan))
		lstm_plan_map(plan, judge_below, judgment);
}

static void
judge_plan(Judgment *judgment, Plan *plan)
{
	if (judgment->tameness == LSTM_VOLATILE)
		return;
	judge_list(judgment, plan->targetlist);
	judge_list(judgment, plan->qual);
	judge_input(judgment, plan);
}

LstmTameness
lstm_plan_tameness(const PlannedStmt *stmt, Plan *plan)
{
	Judgment	judgment = {stmt, LSTM_TAME};

	judge_plan(&judgment, plan);
	return judgment.tameness;
}

LstmTameness
lstm_input_tameness(const PlannedStmt *stmt, Plan *plan)
{
	Judgment	judgment = {stmt, LSTM_TAME};

	judge_input(&judgment, plan);
	return judgment.tameness;
}

static void
map_list(List *plans, LstmPlanMap map, void *context)
{
	ListCell   *lc;

	foreach(lc, plans)
		lfirst(lc) = map(lfirst(lc), context);
}

/* What an FDW keeps below a ForeignScan runs in EvalPlanQual only; it stays as it is. */
void
lstm_plan_map(Plan *plan, LstmPlanMap map, void *context)
{
	switch (nodeTag(plan))
	{
		case T_ForeignScan:
			return;
		case T_Append:
			map_list(((Append *) plan)->appendplans, map, context);
			break;
		case T_MergeAppend:
			map_list(((MergeAppend *) plan)->mergeplans, map, context);
			break;
		case T_BitmapAnd:
			map_list(((BitmapAnd *) plan)->bitmapplans, map, context);
			break;
		case T_BitmapOr:
			map_list(((BitmapOr *) plan)->bitmapplans, map, context);
			break;
		case T_SubqueryScan:
			((SubqueryScan *) plan)->subplan = map(((SubqueryScan *) plan)->subplan, context);
			break;
		case T_CustomScan:
			map_list(((CustomScan *) plan)->custom_plans, map, context);
			break;
		case T_ModifyTable:
			map_list(LSTM_MODIFY_TABLE_PLANS(plan), map, context);
			break;
		default:
			break;
	}
	if (plan->lefttree != NULL)
		plan->lefttree = map(plan->lefttree, context);
	if (plan->righttree != NULL)
		plan->righttree = map(plan->righttree, context);
}

static Plan *
note_plan_id(Plan *plan, void *context)
{
	int		   *greatest = context;

	check_stack_depth();
	*greatest = Max(*greatest, plan->plan_node_id);
	lstm_plan_map(plan, note_plan_id, context);
	return plan;
}

int
lstm_greatest_plan_id(const PlannedStmt *stmt)
{
	int			greatest = 0;
	ListCell   *lc;

	note_plan_id(stmt->planTree, &greatest);
	foreach(lc, stmt->subplans)
	{
		if (lfirst(lc) != NULL)
			note_plan_id(lfirst(lc), &greatest);
	}
	return greatest;
}
