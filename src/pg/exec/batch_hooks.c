/*
 * exec/batch_hooks.c: where batch nodes get into plans.
 *
 * A finished plan is changed when its execution starts, on a copy.  So cached
 * plans hold no batch nodes, and a setting, a DROP EXTENSION or an upgrade has
 * nothing to invalidate.  A statement is looked at only if its plan depends on
 * one of our functions, which the planner has noted in it.
 *
 * Parallel workers get the leader's plan with the nodes in it.
 */
#include "glue/compat.h"

#include "access/parallel.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "nodes/extensible.h"
#include "tcop/pquery.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/syscache.h"

#include "exec/batch_bounds.h"
#include "exec/batch_hooks.h"
#include "exec/batch_rewrite.h"
#include "glue/settings.h"

/* A statement that runs; lives in the executor's context, and leaves the list with it. */
typedef struct RunningQuery
{
	dlist_node	node;
	LstmBatchQuery query;
	PlannedStmt *original;		/* NULL: not ours to put back */
	MemoryContext copy;			/* holds the statement that runs in its place */
	MemoryContextCallback forget;
} RunningQuery;

static ExecutorStart_hook_type next_start = NULL;
static ExecutorRun_hook_type next_run = NULL;
static ExecutorEnd_hook_type next_end = NULL;

static dlist_head running = DLIST_STATIC_INIT(running);

/* Hash values by which plans name our functions, of all that were ever planned in this session. */
static HTAB *known = NULL;

void
lstm_batch_note_function(Oid function)
{
	uint32		hash = GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function));

	if (known == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(uint32), .entrysize = sizeof(uint32)};

		known = hash_create("pg_lstm batched functions", 16, &control, HASH_ELEM | HASH_BLOBS);
	}
	hash_search(known, &hash, HASH_ENTER, NULL);
}

static bool
calls_known_function(const PlannedStmt *stmt)
{
	ListCell   *lc;

	if (known == NULL)
		return false;
	foreach(lc, stmt->invalItems)
	{
		PlanInvalItem *item = lfirst_node(PlanInvalItem, lc);

		if (item->cacheId == PROCOID && hash_search(known, &item->hashValue, HASH_FIND, NULL) != NULL)
			return true;
	}
	return false;
}

static RunningQuery *
find_running(const QueryDesc *query_desc)
{
	dlist_iter	iter;

	dlist_foreach(iter, &running)
	{
		RunningQuery *query = dlist_container(RunningQuery, node, iter.cur);

		if (query->query.query_desc == query_desc)
			return query;
	}
	return NULL;
}

static void
forget_running(void *arg)
{
	dlist_delete(&((RunningQuery *) arg)->node);
}

static RunningQuery *
add_running(QueryDesc *query_desc)
{
	MemoryContext context = query_desc->estate->es_query_cxt;
	RunningQuery *query = MemoryContextAllocZero(context, sizeof(RunningQuery));

	query->query.query_desc = query_desc;
	dlist_push_head(&running, &query->node);
	query->forget.func = forget_running;
	query->forget.arg = query;
	MemoryContextRegisterResetCallback(context, &query->forget);
	return query;
}

/* Put a statement with batch nodes in the place of the one to run; returns the context that holds it, or NULL. */
static MemoryContext
rewrite_statement(QueryDesc *query_desc, int eflags)
{
	/* It must live as long as the QueryDesc, and no longer. */
	MemoryContext context = AllocSetContextCreate(GetMemoryChunkContext(query_desc), "pg_lstm plan", ALLOCSET_SMALL_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	bool		is_cursor = ActivePortal != NULL && ActivePortal->name[0] != '\0';
	PlannedStmt *rewritten = lstm_batch_rewrite(query_desc->plannedstmt, eflags, is_cursor);

	MemoryContextSwitchTo(caller);
	if (rewritten == NULL)
	{
		MemoryContextDelete(context);
		return NULL;
	}
	query_desc->plannedstmt = rewritten;
	return context;
}

static void
executor_start(QueryDesc *query_desc, int eflags)
{
	PlannedStmt *original = query_desc->plannedstmt;
	MemoryContext copy = NULL;

	if (lstm_enable_batch && !IsParallelWorker() && calls_known_function(original))
		copy = rewrite_statement(query_desc, eflags);
	if (next_start != NULL)
		next_start(query_desc, eflags);
	else
		standard_ExecutorStart(query_desc, eflags);
	if (copy != NULL || IsParallelWorker())
	{
		RunningQuery *query = add_running(query_desc);

		query->original = original;
		query->copy = copy;
		lstm_batch_link(&query->query);
	}
}

static void
executor_run(LSTM_EXECUTOR_RUN_PARAMETERS)
{
	RunningQuery *query = find_running(queryDesc);

	if (query != NULL)
		query->query.n_wanted = count;
	if (next_run != NULL)
		next_run(LSTM_EXECUTOR_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(LSTM_EXECUTOR_RUN_ARGUMENTS);
}

static void
executor_end(QueryDesc *query_desc)
{
	RunningQuery *query = find_running(query_desc);
	MemoryContext copy = NULL;
	PlannedStmt *original = NULL;

	if (query != NULL)
	{
		copy = query->copy;
		original = query->original;
	}
	if (next_end != NULL)
		next_end(query_desc);
	else
		standard_ExecutorEnd(query_desc);
	if (copy != NULL)
	{
		query_desc->plannedstmt = original;
		MemoryContextDelete(copy);
	}
}

void
lstm_batch_init(void)
{
	RegisterCustomScanMethods(&lstm_batch_scan_methods);
	next_start = ExecutorStart_hook;
	ExecutorStart_hook = executor_start;
	next_run = ExecutorRun_hook;
	ExecutorRun_hook = executor_run;
	next_end = ExecutorEnd_hook;
	ExecutorEnd_hook = executor_end;
}
