/*
 * exec/batch_bounds.c: how many rows a batch node may read ahead.
 *
 * Who reads a node either will read all of it; or certainly so many rows more,
 * for a LIMIT or a FETCH above has not got enough; or may stop at any row, as
 * the inner side of a semijoin does.  That is found out once, from the top of
 * the plan down.  A LIMIT is bound to be in order when its child is asked for a
 * row, so its own numbers are read.
 *
 * Where rows may be left unread, more than what is certain is gathered only
 * if nobody can see that (lstm_plan_tameness()), and never more than have been
 * read already: at worst the work doubles.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/parallel.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"

#include "exec/batch_bounds.h"
#include "exec/batch_node.h"
#include "glue/settings.h"

/* Batches double where the end may come soon; else they grow by this. */
#define FAST_GROWTH 8

/* Rows of a batch in a parallel plan, if there are so many: fewer are slower. */
#define FEW_ROWS 32

struct LstmReach
{
	const LstmBatchQuery *query;
	bool		is_unknown;		/* the reader may stop at any row ... */
	bool		is_unknown_in_run;	/* ... if ExecutorRun was given a count */
	bool		by_run;			/* each row that ExecutorRun wants takes one of ours, or more */
	List	   *limits;			/* LimitStates, the innermost first; each row that they want takes one or
								 * more */
	bool		is_exact;		/* one, for the innermost of them */
	LimitState *sort_limit;		/* tells how many rows a sort below has to keep; NULL: all */
	bool		is_sort_run;	/* the same by the count of ExecutorRun, in a worker */
	bool		is_dealt;		/* rows go to the leader or a worker, whoever asks first */
};

typedef struct Linking
{
	LstmBatchQuery *query;
	bool		is_dealt;		/* below a Gather, or in its worker */
	int			n_subplans;
	LstmReach  *subplans;		/* (n_subplans) who reads them */
} Linking;

static void link_node(Linking *linking, PlanState *state, LstmReach reach);

/* A reader of all rows. */
static LstmReach
whole(const Linking *linking)
{
	LstmReach	reach = {.query = linking->query};

	return reach;
}

/* Below something that may read any number of rows for each that it returns, but all if its reader does. */
static LstmReach
loose(LstmReach reach)
{
	reach.is_unknown = reach.is_unknown || reach.limits != NIL;
	reach.is_unknown_in_run = reach.is_unknown_in_run || reach.by_run;
	reach.by_run = false;
	reach.limits = NIL;
	reach.is_exact = false;
	reach.sort_limit = NULL;
	reach.is_sort_run = false;
	return reach;
}

static LstmReach
unknown(LstmReach reach)
{
	reach = loose(reach);
	reach.is_unknown = true;
	return reach;
}

/* Below something that merges: each child is read one row ahead. */
static LstmReach
merging(LstmReach reach)
{
	LstmReach	below = loose(reach);

	below.sort_limit = reach.sort_limit;
	below.is_sort_run = reach.is_sort_run;
	return below;
}

/* Below something that returns at most one row for each that it reads. */
static LstmReach
dropping(LstmReach reach)
{
	reach.is_exact = false;
	reach.sort_limit = NULL;
	reach.is_sort_run = false;
	return reach;
}

static LstmReach
below_limit(LimitState *limit, LstmReach reach)
{
	reach.limits = lcons(limit, list_copy(reach.limits));
	reach.is_exact = true;
	reach.sort_limit = limit;
	reach.is_sort_run = false;
	return reach;
}

static LstmReach
below_agg(const Linking *linking, AggState *state, LstmReach reach)
{
	Agg		   *agg = (Agg *) state->ss.ps.plan;

	if (agg->aggstrategy != AGG_SORTED)
		return whole(linking);
	/* Several grouping sets may return more rows than they read. */
	return agg->groupingSets != NIL ? loose(reach) : dropping(reach);
}

/* Of the outer side, which is read row by row, and of the inner one. */
static void
link_join(Linking *linking, JoinState *state, LstmReach reach)
{
	LstmReach	outer = loose(reach);
	LstmReach	inner = loose(reach);

	if (IsA(state, MergeJoinState))
		outer = inner = unknown(reach);
	else if (IsA(state, HashJoinState))
		inner = whole(linking);
	else if (state->single_match || state->jointype == JOIN_ANTI)
		inner = unknown(reach);
	link_node(linking, outerPlanState(state), outer);
	link_node(linking, innerPlanState(state), inner);
}

static void
link_list(Linking *linking, PlanState **states, int n, LstmReach reach)
{
	for (int i = 0; i < n; i++)
		link_node(linking, states[i], reach);
}

static void
link_batch_node(Linking *linking, LstmBatchState *node, LstmReach reach)
{
	LstmReach  *own;

	if (node->css.ss.ps.qual != NULL)
		reach = dropping(reach);
	own = palloc(sizeof(LstmReach));
	*own = reach;
	own->is_dealt = linking->is_dealt;
	node->reach = own;
	link_node(linking, outerPlanState(node), reach);
}

/* Below a Gather or a GatherMerge. */
static void
link_dealt(Linking *linking, PlanState *gather, LstmReach reach)
{
	bool		was_dealt = linking->is_dealt;

	linking->is_dealt = true;
	link_node(linking, outerPlanState(gather), reach);
	linking->is_dealt = was_dealt;
}

/* A WITH query is read by all that name it. */
static void
note_cte_reader(Linking *linking, PlanState *state, const LstmReach *reach)
{
	int			plan_id = ((CteScan *) state->plan)->ctePlanId;
	LstmReach	own = loose(*reach);

	linking->subplans[plan_id - 1].is_unknown |= own.is_unknown;
	linking->subplans[plan_id - 1].is_unknown_in_run |= own.is_unknown_in_run;
}

/* Subplans that an expression or an InitPlan of the node runs. */
static void
note_subplans(Linking *linking, List *states)
{
	ListCell   *lc;

	foreach(lc, states)
	{
		SubPlan    *subplan = lfirst_node(SubPlanState, lc)->subplan;
		bool		reads_all_rows = subplan->useHashTable ||
		subplan->subLinkType == ARRAY_SUBLINK || subplan->subLinkType == CTE_SUBLINK;

		if (!reads_all_rows)
			linking->subplans[subplan->plan_id - 1] = unknown(linking->subplans[subplan->plan_id - 1]);
	}
}

static void
link_node(Linking *linking, PlanState *state, LstmReach reach)
{
	if (state == NULL)
		return;
	check_stack_depth();
	note_subplans(linking, state->initPlan);
	note_subplans(linking, state->subPlan);
	switch (nodeTag(state))
	{
		case T_LimitState:
			link_node(linking, outerPlanState(state), below_limit((LimitState *) state, reach));
			break;
		case T_ResultState:
			link_node(linking, outerPlanState(state), reach);
			break;
		case T_GatherState:
			link_dealt(linking, state, reach);
			break;
		case T_SubqueryScanState:
			if (state->qual != NULL)
				reach = dropping(reach);
			link_node(linking, ((SubqueryScanState *) state)->subplan, reach);
			break;
		case T_AppendState:
			link_list(linking, ((AppendState *) state)->appendplans, ((AppendState *) state)->as_nplans, reach);
			break;
		case T_MergeAppendState:
			link_list(linking, ((MergeAppendState *) state)->mergeplans, ((MergeAppendState *) state)->ms_nplans,
					  merging(reach));
			break;
		case T_GatherMergeState:
			link_dealt(linking, state, merging(reach));
			break;
		case T_MaterialState:
		case T_LockRowsState:
		case T_UniqueState:
		case T_GroupState:
		case T_WindowAggState:
		case T_IncrementalSortState:
			link_node(linking, outerPlanState(state), dropping(reach));
			break;
		case T_SetOpState:
			link_node(linking, outerPlanState(state), loose(reach));
			link_node(linking, innerPlanState(state), loose(reach));
			break;
		case T_SortState:
		case T_HashState:
			link_node(linking, outerPlanState(state), whole(linking));
			break;
		case T_AggState:
			link_node(linking, outerPlanState(state), below_agg(linking, (AggState *) state, reach));
			break;
		case T_NestLoopState:
		case T_MergeJoinState:
		case T_HashJoinState:
			link_join(linking, (JoinState *) state, reach);
			break;
		case T_CteScanState:
			note_cte_reader(linking, state, &reach);
			break;
		case T_CustomScanState:
			if (lstm_is_batch_state(state))
				link_batch_node(linking, (LstmBatchState *) state, reach);
			else
				link_node(linking, outerPlanState(state), unknown(reach));
			break;
		default:
			/* ModifyTable, ProjectSet, RecursiveUnion, Memoize: more rows than they read, or another order */
			link_node(linking, outerPlanState(state), loose(reach));
			link_node(linking, innerPlanState(state), loose(reach));
			break;
	}
}

/*
 * A subplan's readers are in the main plan and in subplans after it, so they go
 * from the last to the first.
 */
void
lstm_batch_link(LstmBatchQuery *query)
{
	EState	   *estate = query->query_desc->estate;
	Linking		linking = {.query = query, .is_dealt = IsParallelWorker()};
	LstmReach	top = {.query = query, .by_run = true};
	MemoryContext caller = MemoryContextSwitchTo(estate->es_query_cxt);

	top.is_sort_run = IsParallelWorker();
	linking.n_subplans = list_length(estate->es_subplanstates);
	linking.subplans = palloc(sizeof(LstmReach) * (linking.n_subplans + 1));
	for (int i = 0; i < linking.n_subplans; i++)
		linking.subplans[i] = whole(&linking);
	link_node(&linking, query->query_desc->planstate, top);
	for (int i = linking.n_subplans - 1; i >= 0; i--)
		link_node(&linking, list_nth(estate->es_subplanstates, i), linking.subplans[i]);
	pfree(linking.subplans);
	MemoryContextSwitchTo(caller);
}

/* ---- While the plan runs ---- */

/* Rows that a LIMIT has not got yet.  WITH TIES, one by one once it has. */
static int64
limit_open(const LimitState *limit)
{
	if (limit->noCount)
		return PG_INT64_MAX;
	if (limit->count > PG_INT64_MAX - limit->offset)
		return PG_INT64_MAX;
	return Max(1, limit->offset + limit->count - limit->position);
}

/* Rows that the caller of ExecutorRun has not got yet. */
static int64
run_open(const LstmBatchQuery *query)
{
	if (query->n_wanted == 0 || query->n_wanted > PG_INT64_MAX)
		return PG_INT64_MAX;
	return Max(1, (int64) query->n_wanted - (int64) query->query_desc->estate->es_processed);
}

/* Rows that will certainly be read; PG_INT64_MAX: all. */
static int64
certain_rows(const LstmReach *reach)
{
	int64		open = PG_INT64_MAX;
	ListCell   *lc;

	if (reach->is_unknown || (reach->is_unknown_in_run && run_open(reach->query) < PG_INT64_MAX))
		return 1;
	foreach(lc, reach->limits)
		open = Min(open, limit_open(lfirst(lc)));
	return reach->by_run ? Min(open, run_open(reach->query)) : open;
}

/*
 * Who takes many of the rows at once leaves the others without work: half of those that are
 * still expected here, as in guided self-scheduling (Polychronopoulos and Kuck, 1987).  Where
 * more have come than were expected, the expectation was wrong by as many at least.
 */
static double
fair_share(const LstmBatchState *node)
{
	double		n_left = outerPlanState(node)->plan->plan_rows - (double) node->n_gathered;

	return Max(FEW_ROWS, fabs(n_left) / 2);
}

int
lstm_batch_want(LstmBatchState *node)
{
	const LstmReach *reach = node->reach;
	int			want = Min(node->size, lstm_batch_size);
	int64		certain;

	if (reach == NULL)
		return 1;
	if (!node->is_bounded)
		lstm_batch_bound_child(node);
	certain = certain_rows(reach);
	node->size = Min(want * (certain == PG_INT64_MAX ? FAST_GROWTH : 2), lstm_batch_size);
	if (node->is_tame)
		certain = Max(certain, node->n_gathered);
	if (reach->is_exact)
		certain = Min(certain, limit_open(linitial(reach->limits)));
	if (reach->is_dealt)
		want = Min(want, fair_share(node));
	/* A sort that was told a number does not have more. */
	if (node->bound >= 0)
		certain = Min(certain, Max(1, node->bound - node->n_gathered));
	return Min(want, certain);
}

void
lstm_batch_bound_child(LstmBatchState *node)
{
	const LstmReach *reach = node->reach;
	const LimitState *limit;

	if (reach == NULL)
		return;
	node->is_bounded = true;
	node->bound = -1;
	limit = reach->sort_limit;
	if (limit != NULL)
	{
		if (!limit->noCount && limit->limitOption != LIMIT_OPTION_WITH_TIES)
			node->bound = limit->count + limit->offset;
	}
	else if (!reach->is_sort_run)
		return;
	else if (reach->query->n_wanted > 0)
		node->bound = (int64) reach->query->n_wanted;
	ExecSetTupleBound(node->bound, outerPlanState(node));
}
