/*
 * sqlapi/fn_support.c: what the planner is told of the functions that answer.
 *
 * The planner asks while it simplifies expressions.  That alone loads the
 * library, so that a session's first statement is executed with it.
 *
 * It asks also what a call costs, which goes by how long the inputs are and how
 * large the model is: a cheap condition is then looked at first, and workers are
 * started where they pay.  A model that does not exist is an error of the
 * execution, never of the plan.
 */
#include "glue/compat.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

#include "exec/batch_call.h"
#include "exec/batch_hooks.h"

PG_FUNCTION_INFO_V1(pg_lstm_support);

/* An input of which nothing is known. */
#define USUAL_BYTES 100.0

/* An entity for so many tokens: about what news has. */
#define TOKENS_PER_ENTITY 8.0

/* ---- how long an input is -------------------------------------------------------- */

static Node *
strip_relabel(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

/* What stands out of line, for each row; statistics count the pointers to it. */
static double
toast_bytes(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	HeapTuple	toast;
	Oid			toast_relid;
	double		n_rows;
	double		n_bytes = 0.0;

	if (!HeapTupleIsValid(tuple))
		return 0.0;
	toast_relid = ((Form_pg_class) GETSTRUCT(tuple))->reltoastrelid;
	n_rows = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	toast = SearchSysCache1(RELOID, ObjectIdGetDatum(toast_relid));
	if (!HeapTupleIsValid(toast))
		return 0.0;
	if (n_rows >= 1.0)
		n_bytes = (double) ((Form_pg_class) GETSTRUCT(toast))->relpages * BLCKSZ / n_rows;
	ReleaseSysCache(toast);
	return n_bytes;
}

/* What a subquery costs is asked before the relations of the query around it are looked up. */
static bool
is_planned(PlannerInfo *root, Node *node)
{
	ListCell   *lc;

	foreach(lc, pull_vars_of_level(node, 0))
	{
		Var		   *var = (Var *) lfirst(lc);

		if (!IsA(var, Var) || root->simple_rel_array == NULL || var->varno >= root->simple_rel_array_size ||
			root->simple_rel_array[var->varno] == NULL)
			return false;
	}
	return true;
}

static double
column_bytes(PlannerInfo *root, Node *node)
{
	VariableStatData variable;
	double		n_bytes = USUAL_BYTES;

	if (!is_planned(root, node))
		return USUAL_BYTES;
	examine_variable(root, node, 0, &variable);
	if (HeapTupleIsValid(variable.statsTuple))
	{
		n_bytes = ((Form_pg_statistic) GETSTRUCT(variable.statsTuple))->stawidth;
		if (IsA(node, Var) && ((Var *) node)->varlevelsup == 0 &&
			planner_rt_fetch(((Var *) node)->varno, root)->rtekind == RTE_RELATION)
			n_bytes += toast_bytes(planner_rt_fetch(((Var *) node)->varno, root)->relid);
	}
	ReleaseVariableStats(variable);
	return n_bytes;
}

static double
input_bytes(PlannerInfo *root, Node *node)
{
	node = strip_relabel(node);
	if (node == NULL)
		return USUAL_BYTES;
	if (IsA(node, Const) && ((Const *) node)->constlen == -1)
		return ((Const *) node)->constisnull ? 0.0 : (double) toast_raw_datum_size(((Const *) node)->constvalue);
	return root != NULL ? column_bytes(root, node) : USUAL_BYTES;
}

/* ---- which model --------------------------------------------------------------------- */

/* A text that is known now, or NULL. */
static char *
constant_text(Node *node)
{
	Const	   *constant = (Const *) strip_relabel(node);

	if (constant == NULL || !IsA(constant, Const) || constant->constisnull || constant->consttype != TEXTOID)
		return NULL;
	return TextDatumGetCString(constant->constvalue);
}

/* The arguments of a call of ours: the model, unless it has but one, and the input. */
static bool
split_call(Node *node, char **model, Node **input)
{
	List	   *args;

	if (node == NULL || !IsA(node, FuncExpr) || ((FuncExpr *) node)->args == NIL)
		return false;
	args = ((FuncExpr *) node)->args;
	*model = list_length(args) > 1 ? constant_text(linitial(args)) : NULL;
	*input = list_length(args) > 1 ? lsecond(args) : linitial(args);
	return true;
}

/* ---- answers ----------------------------------------------------------------------------- */

static bool
tell_cost(SupportRequestCost *request)
{
	char	   *model;
	Node	   *input;

	if (!split_call(request->node, &model, &input))
		return false;
	request->startup = 0.0;
	request->per_tuple = cpu_operator_cost *
		lstm_batch_cost(lstm_batch_function(request->funcid), model, input_bytes(request->root, input));
	return true;
}

/* The C symbol of a function, which tells those that return rows apart. */
static char *
symbol_of(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		is_null;
	char	   *symbol;
	Datum		value;

	if (!HeapTupleIsValid(tuple))
		return pstrdup("");
	value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null);
	symbol = is_null ? pstrdup("") : TextDatumGetCString(value);

	ReleaseSysCache(tuple);
	return symbol;
}

static bool
tell_rows(SupportRequestRows *request)
{
	char	   *symbol = symbol_of(request->funcid);
	char	   *model;
	Node	   *input;
	double		n_tokens;

	if (!split_call(request->node, &model, &input))
		return false;
	if (strcmp(symbol, "pg_lstm_probabilities") == 0)
	{
		Const	   *top = (Const *) llast(((FuncExpr *) request->node)->args);

		request->rows = lstm_batch_outputs(model);
		if (IsA(top, Const) && top->consttype == INT4OID && !top->constisnull)
			request->rows = Min(request->rows, Max(DatumGetInt32(top->constvalue), 1));
		return true;
	}
	n_tokens = lstm_batch_tokens(model, input_bytes(request->root, input));
	if (strcmp(symbol, "pg_lstm_tag") == 0)
		request->rows = n_tokens;
	else if (strcmp(symbol, "pg_lstm_entities") == 0)
		request->rows = Max(n_tokens / TOKENS_PER_ENTITY, 1.0);
	else
		return false;
	return true;
}

Datum
pg_lstm_support(PG_FUNCTION_ARGS)
{
	Node	   *request = (Node *) PG_GETARG_POINTER(0);

	if (IsA(request, SupportRequestSimplify))
		lstm_batch_note_function(((SupportRequestSimplify *) request)->fcall->funcid);
	else if (IsA(request, SupportRequestCost) && tell_cost((SupportRequestCost *) request))
		PG_RETURN_POINTER(request);
	else if (IsA(request, SupportRequestRows) && tell_rows((SupportRequestRows *) request))
		PG_RETURN_POINTER(request);
	PG_RETURN_POINTER(NULL);
}
