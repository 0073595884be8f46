/*
 * job/job_start.c: when processes that do jobs are started.
 *
 * A transaction that submits a job calls for a process when it commits, so that one that
 * rolls back starts nothing.  What runs behind a commit may not fail: a server without a
 * free slot for background workers is met with a WARNING, and the job waits for the next
 * call (lstm_submit, lstm_wait or the launcher).
 */
#include "glue/compat.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#include "glue/workers.h"
#include "job/job.h"

#define MAX_NUDGES 16

/* What is to be done at the commit of this transaction, and the subtransaction that wants it. */
static SubTransactionId caller = InvalidSubTransactionId;
static struct
{
	SubTransactionId wanted_by;
	int			pid;
	bool		is_cancel;
}			nudge[MAX_NUDGES];
static int	n_nudges = 0;

/* ---- at once ------------------------------------------------------------------- */

bool
lstm_job_call(Oid database)
{
	return lstm_job_call_watched(database, NULL);
}

bool
lstm_job_call_watched(Oid database, BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_lstm job worker");
	snprintf(worker.bgw_type, BGW_MAXLEN, "pg_lstm job");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "$libdir/pg_lstm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "lstm_job_worker_main");
	worker.bgw_notify_pid = handle != NULL ? MyProcPid : 0;
	return RegisterDynamicBackgroundWorker(&worker, handle);
}

/* The launcher sees to jobs that found no slot for a process; else there must be one now. */
bool
lstm_job_can_start(void)
{
	return lstm_job_has_launcher() || lstm_free_workers() > 0;
}

/* A latch that is set without need does no harm. */
void
lstm_job_nudge(int pid)
{
	PGPROC	   *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/* ---- at commit ------------------------------------------------------------------- */

static void
forget(void)
{
	caller = InvalidSubTransactionId;
	n_nudges = 0;
}

static void
act(void)
{
	if (caller != InvalidSubTransactionId && !lstm_job_call(MyDatabaseId))
	{
		lstm_job_report_left();
		ereport(WARNING,
				(errmsg("no background worker could be started for the job"),
				 errdetail("All of max_worker_processes are in use."),
				 errhint("The job waits for the next call of lstm_submit or lstm_wait.")));
	}
	for (int i = 0; i < n_nudges; i++)
	{
		lstm_job_nudge(nudge[i].pid);
		/* as pg_cancel_backend() does, a process that may have ended is told by its number */
		if (nudge[i].is_cancel && BackendPidGetProc(nudge[i].pid) != NULL)
			kill(nudge[i].pid, SIGINT);
	}
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			act();
			forget();
			break;
		case XACT_EVENT_PREPARE:
			if (caller != InvalidSubTransactionId)
				lstm_job_report_left();
			forget();
			break;
		case XACT_EVENT_ABORT:
			forget();
			break;
		default:
			break;
	}
}

/* What a subtransaction wanted, its parent wants when it commits, and nobody when it rolls back. */
static void
on_subtransaction(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *arg)
{
	SubTransactionId heir = event == SUBXACT_EVENT_COMMIT_SUB ? parent : InvalidSubTransactionId;
	int			n = 0;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (caller == own)
		caller = heir;
	for (int i = 0; i < n_nudges; i++)
	{
		if (nudge[i].wanted_by == own)
			nudge[i].wanted_by = heir;
		if (nudge[i].wanted_by != InvalidSubTransactionId)
			nudge[n++] = nudge[i];
	}
	n_nudges = n;
}

static void
watch_transactions(void)
{
	static bool is_registered = false;

	if (is_registered)
		return;
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
	is_registered = true;
}

void
lstm_job_call_at_commit(void)
{
	watch_transactions();
	lstm_job_prepare_report();
	/* an outer one that wants it already wants it for longer */
	if (caller == InvalidSubTransactionId)
		caller = GetCurrentSubTransactionId();
}

void
lstm_job_nudge_at_commit(int pid, bool is_cancel)
{
	watch_transactions();
	/* one that is not told sees the wish by itself, a little later */
	if (pid == 0 || n_nudges == MAX_NUDGES)
		return;
	nudge[n_nudges].wanted_by = GetCurrentSubTransactionId();
	nudge[n_nudges].pid = pid;
	nudge[n_nudges++].is_cancel = is_cancel;
}
