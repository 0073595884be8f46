/*
 * exec/batch_node.c: the batch node as it runs.
 *
 * Gather some rows of the child, compute the calls for all of them at once, and
 * return the rows one by one, in the child's order.  Everything but the calls
 * (quals, other columns, volatile functions) is evaluated when a row is
 * returned, as in the plain plan.
 *
 * A row for which a call has no result, because it failed, is evaluated the
 * plain way when its turn comes.  So an error is the plain call's own, at the
 * moment where that would raise it; or it is never raised.
 */
#include "glue/compat.h"

#include "access/parallel.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "storage/shm_toc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "exec/batch_bounds.h"
#include "exec/batch_node.h"

static Node *create_state(CustomScan *plan);
static void begin(CustomScanState *state, EState *estate, int eflags);
static TupleTableSlot *next_row(CustomScanState *state);
static void end(CustomScanState *state);
static void rescan(CustomScanState *state);
static Size estimate_shared(CustomScanState *state, ParallelContext *pcxt);
static void initialize_shared(CustomScanState *state, ParallelContext *pcxt, void *coordinate);
static void reinitialize_shared(CustomScanState *state, ParallelContext *pcxt, void *coordinate);
static void initialize_worker(CustomScanState *state, shm_toc *toc, void *coordinate);
static void shut_down(CustomScanState *state);

const CustomScanMethods lstm_batch_scan_methods = {
	.CustomName = "LstmBatch",
	.CreateCustomScanState = create_state,
};

static const CustomExecMethods exec_methods = {
	.CustomName = "LstmBatch",
	.BeginCustomScan = begin,
	.ExecCustomScan = next_row,
	.EndCustomScan = end,
	.ReScanCustomScan = rescan,
	.EstimateDSMCustomScan = estimate_shared,
	.InitializeDSMCustomScan = initialize_shared,
	.ReInitializeDSMCustomScan = reinitialize_shared,
	.InitializeWorkerCustomScan = initialize_worker,
	.ShutdownCustomScan = shut_down,
	.ExplainCustomScan = lstm_batch_explain,
};

static Node *
create_state(CustomScan *plan)
{
	LstmBatchState *node = (LstmBatchState *) newNode(sizeof(LstmBatchState), T_CustomScanState);

	node->css.methods = &exec_methods;
	return (Node *) node;
}

static void
begin_call(LstmBatchState *node, LstmBatchCall *call, FuncExpr *expression, Expr *guard)
{
	ListCell   *lc;

	call->function = lstm_batch_function(expression->funcid);
	if (call->function == NULL)
		elog(ERROR, "function %u cannot be batched", expression->funcid);
	call->collation = expression->inputcollid;
	call->is_strict = func_strict(expression->funcid);
	foreach(lc, expression->args)
	{
		Expr	   *arg = lfirst(lc);
		int			a = call->n_args++;

		if (a >= LSTM_BATCH_MAX_ARGS)
			elog(ERROR, "function %u has too many arguments to be batched", expression->funcid);
		call->arg_types[a] = exprType((Node *) arg);
		get_typlenbyval(call->arg_types[a], &call->arg_lengths[a], &call->arg_by_value[a]);
		call->arg_is_stored[a] = call->arg_by_value[a] || IsA(arg, Var) || IsA(arg, Const);
		call->args[a] = ExecInitExpr(arg, &node->css.ss.ps);
	}
	call->is_always = IsA(guard, Const);
	call->guard = call->is_always ? NULL : ExecInitExpr(guard, &node->css.ss.ps);
}

static void
begin_calls(LstmBatchState *node, CustomScan *plan)
{
	List	   *guards = list_nth(plan->custom_exprs, LSTM_BATCH_GUARDS);

	node->n_leaves = lstm_batch_private(plan, LSTM_BATCH_N_LEAVES);
	node->n_calls = list_length(plan->custom_scan_tlist) - node->n_leaves;
	node->calls = palloc0(sizeof(LstmBatchCall) * node->n_calls);
	for (int n = 0; n < node->n_calls; n++)
	{
		TargetEntry *entry = list_nth_node(TargetEntry, plan->custom_scan_tlist, node->n_leaves + n);

		begin_call(node, &node->calls[n], castNode(FuncExpr, entry->expr), list_nth(guards, n));
	}
}

/* The same columns with plain calls.  Their right to EXECUTE is checked here, for the batched ones too. */
static void
begin_replay(LstmBatchState *node, CustomScan *plan)
{
	PlanState  *ps = &node->css.ss.ps;
	List	   *tlist = list_nth(plan->custom_exprs, LSTM_BATCH_REPLAY_TLIST);

	/* EXISTS wants no column at all: its rows are there or not */
	if (tlist == NIL && ps->plan->targetlist != NIL)
		return;
	node->replay_qual = ExecInitQual(list_nth(plan->custom_exprs, LSTM_BATCH_REPLAY_QUAL), ps);
	node->replay = ExecBuildProjectionInfo(tlist, ps->ps_ExprContext, ps->ps_ResultTupleSlot, ps,
										   node->css.ss.ss_ScanTupleSlot->tts_tupleDescriptor);
}

static void
begin(CustomScanState *state, EState *estate, int eflags)
{
	LstmBatchState *node = (LstmBatchState *) state;
	CustomScan *plan = (CustomScan *) state->ss.ps.plan;

	outerPlanState(state) = ExecInitNode(outerPlan(plan), estate, eflags & ~(EXEC_FLAG_BACKWARD | EXEC_FLAG_MARK));
	node->leaf_slot = ExecInitExtraTupleSlot(estate, ExecGetResultType(outerPlanState(state)), &TTSOpsMinimalTuple);
	node->is_tame = lstm_batch_private(plan, LSTM_BATCH_IS_TAME);
	begin_calls(node, plan);
	begin_replay(node, plan);
	node->batch_context = AllocSetContextCreate(estate->es_query_cxt, "pg_lstm batch", ALLOCSET_DEFAULT_SIZES);
	node->argument_context = AllocSetContextCreate(estate->es_query_cxt, "pg_lstm batch arguments", ALLOCSET_DEFAULT_SIZES);
	node->tid_column = lstm_batch_private(plan, LSTM_BATCH_TID_COLUMN);
	if (node->tid_column > 0)
		state->ss.ss_currentRelation = ((ScanState *) outerPlanState(state))->ss_currentRelation;
	if (lstm_batch_private(plan, LSTM_BATCH_CAN_GO_BACK) && (eflags & EXEC_FLAG_BACKWARD) != 0)
		lstm_batch_begin_history(node);
	node->size = 1;
	node->bound = -1;
	node->stats = &node->own;
}

/* The row at hand with plain calls; NULL if a qual does not hold. */
static TupleTableSlot *
replay_row(LstmBatchState *node, ExprContext *econtext)
{
	node->stats->n_replayed++;
	return ExecQual(node->replay_qual, econtext) ? ExecProject(node->replay) : NULL;
}

static TupleTableSlot *
project_row(LstmBatchState *node, ExprContext *econtext)
{
	PlanState  *ps = &node->css.ss.ps;

	if (!ExecQual(ps->qual, econtext))
		return NULL;
	return ps->ps_ProjInfo != NULL ? ExecProject(ps->ps_ProjInfo) : econtext->ecxt_scantuple;
}

bool
lstm_batch_next(LstmBatchState *node, bool *is_unanswered)
{
	int			i;

	if (node->next >= node->n_rows &&
		(node->is_at_end || !lstm_batch_gather(node, lstm_batch_want(node))))
	{
		lstm_batch_forget(node);
		return false;
	}
	i = node->next++;
	lstm_batch_load(node, i);
	*is_unanswered = node->are_unanswered[i];
	return true;
}

static TupleTableSlot *
next_row(CustomScanState *state)
{
	LstmBatchState *node = (LstmBatchState *) state;
	ExprContext *econtext = state->ss.ps.ps_ExprContext;

	for (;;)
	{
		TupleTableSlot *slot;
		bool		is_unanswered;

		CHECK_FOR_INTERRUPTS();
		ResetExprContext(econtext);
		if (!(node->history != NULL ? lstm_batch_next_or_back : lstm_batch_next) (node, &is_unanswered))
			return ExecClearTuple(state->ss.ps.ps_ResultTupleSlot);
		if (node->tid_column > 0)
			lstm_batch_set_tid(node);
		econtext->ecxt_scantuple = state->ss.ss_ScanTupleSlot;
		if (node->replay != NULL && is_unanswered)
			slot = replay_row(node, econtext);
		else
			slot = project_row(node, econtext);
		if (slot != NULL)
			return slot;
		InstrCountFiltered1(node, 1);
	}
}

static void
end(CustomScanState *state)
{
	LstmBatchState *node = (LstmBatchState *) state;

	lstm_batch_forget(node);
	lstm_batch_forget_history(node);
	ExecEndNode(outerPlanState(state));
}

static void
rescan(CustomScanState *state)
{
	LstmBatchState *node = (LstmBatchState *) state;
	PlanState  *child = outerPlanState(state);

	lstm_batch_forget(node);
	lstm_batch_forget_history(node);
	ExecClearTuple(state->ss.ps.ps_ResultTupleSlot);
	node->is_at_end = false;
	node->size = 1;
	node->n_gathered = 0;
	/* Before the child is told to begin anew: a sort decides then whether it can keep what it has. */
	lstm_batch_bound_child(node);
	if (child->chgParam == NULL)
		ExecReScan(child);
}

/* ---- What workers report ---- */

static Size
estimate_shared(CustomScanState *state, ParallelContext *pcxt)
{
	return offsetof(LstmBatchShared, workers) + sizeof(LstmBatchStats) * pcxt->nworkers;
}

static void
initialize_shared(CustomScanState *state, ParallelContext *pcxt, void *coordinate)
{
	LstmBatchState *node = (LstmBatchState *) state;

	memset(coordinate, 0, estimate_shared(state, pcxt));
	node->shared = coordinate;
	node->shared->n_workers = pcxt->nworkers;
}

/* A Gather runs again: what its workers have counted before still counts. */
static void
reinitialize_shared(CustomScanState *state, ParallelContext *pcxt, void *coordinate)
{
}

static void
initialize_worker(CustomScanState *state, shm_toc *toc, void *coordinate)
{
	LstmBatchShared *shared = coordinate;

	((LstmBatchState *) state)->stats = &shared->workers[ParallelWorkerNumber];
}

static void
shut_down(CustomScanState *state)
{
	LstmBatchState *node = (LstmBatchState *) state;
	LstmBatchStats *own = &node->own;

	if (node->shared == NULL)
		return;
	for (int w = 0; w < node->shared->n_workers; w++)
	{
		const LstmBatchStats *worker = &node->shared->workers[w];

		own->counts.n_packed += worker->counts.n_packed;
		own->counts.n_rows += worker->counts.n_rows;
		own->counts.n_duplicates += worker->counts.n_duplicates;
		own->counts.n_tokens += worker->counts.n_tokens;
		own->n_batches += worker->n_batches;
		own->n_largest = Max(own->n_largest, worker->n_largest);
		own->n_replayed += worker->n_replayed;
	}
	node->shared = NULL;
}
