/*
 * job/job_launcher.c: the process that looks for jobs when the server starts.
 *
 * Only with shared_preload_libraries.  After a start, a crash or a promotion it sends a
 * job process to each database, one after the other; those that find nothing to do end at
 * once.  It does so again when somebody reports that a job was left: a process that was
 * terminated, a commit that found no free slot for a background worker.
 *
 * Without it nothing is lost: the next lstm_submit or lstm_wait in a database calls a
 * process, which takes up what was left there.
 */
#include "glue/compat.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "job/job.h"

#define NAP_MS		5000
#define RETRY_MS	1000

/* Set in the postmaster, inherited by its children. */
static bool has_launcher = false;

/* In shared memory: somebody has left a job.  A byte is written and read whole. */
static volatile bool *is_left = NULL;

static void
attach(void)
{
	bool		is_found;

	if (is_left != NULL)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	is_left = ShmemInitStruct("pg_lstm jobs", sizeof(*is_left), &is_found);
	if (!is_found)
		*is_left = false;
	LWLockRelease(AddinShmemInitLock);
}

void
lstm_job_report_left(void)
{
	if (is_left != NULL)
		*is_left = true;
}

void
lstm_job_prepare_report(void)
{
	attach();
}

/* ---- a round ------------------------------------------------------------------------- */

static void
nap(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* Databases that jobs can be in, in the context. */
static List *
list_databases(MemoryContext context)
{
	List	   *databases = NIL;
	Relation	rel;
	TableScanDesc scan;
	HeapTuple	tuple;

	lstm_job_begin();
	rel = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(rel, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old;

		if (!database->datallowconn || database->datistemplate)
			continue;
		old = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_job_commit();
	return databases;
}

static void
look_everywhere(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_lstm databases", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ListCell   *lc;

	foreach(lc, list_databases(context))
	{
		BackgroundWorkerHandle *handle;
		pid_t		pid;

		while (!lstm_job_call_watched(lfirst_oid(lc), &handle))
			nap(RETRY_MS);
		(void) WaitForBackgroundWorkerStartup(handle, &pid);
		pfree(handle);
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
}

void
lstm_job_launcher_main(Datum main_arg)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	attach();
	*is_left = true;
	for (;;)
	{
		if (*is_left)
		{
			*is_left = false;
			look_everywhere();
		}
		nap(NAP_MS);
	}
}

/* ---- at load --------------------------------------------------------------------------- */

void
lstm_job_define(void)
{
	BackgroundWorker worker = {0};

	/* a job that ended while pg_upgrade copies would be half in the copy */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 10;
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_lstm job launcher");
	snprintf(worker.bgw_type, BGW_MAXLEN, "pg_lstm job launcher");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "$libdir/pg_lstm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "lstm_job_launcher_main");
	RegisterBackgroundWorker(&worker);
	has_launcher = true;
}

bool
lstm_job_has_launcher(void)
{
	return has_launcher;
}
