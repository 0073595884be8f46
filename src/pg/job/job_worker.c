/*
 * job/job_worker.c: the life of a process that waits for a job of its database and does it.
 *
 *	duty	one process at a time looks for a job that can run: one that has not ended, that
 *			nobody works on, whose model nobody else trains, and one of pg_lstm.max_workers
 *			places must be free, which those who train along and sessions have, too.  It looks
 *			once a second and ends when no job is open.
 *	call	it has a job: it holds the locks of job, model and place, leaves its duty, and calls
 *			for another if there are more jobs
 *	run		job_run.c
 *
 * Nothing is lost between one that ends and one that comes: who gives up its duty looks
 * once more behind that, and whoever finds the duty taken was called before.
 */
#include "glue/compat.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "glue/settings.h"
#include "job/job.h"

#define WAIT_MS 1000

/* ---- transactions --------------------------------------------------------------- */

void
lstm_job_begin(void)
{
	MemoryContext caller = CurrentMemoryContext;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(caller);
}

void
lstm_job_commit(void)
{
	MemoryContext caller = CurrentMemoryContext;

	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(false);
	MemoryContextSwitchTo(caller);
}

/* ---- what is there to do ----------------------------------------------------------- */

/* Is it open still?  Who held it before may have ended it. */
static bool
is_open(int64 id)
{
	char	   *model;

	return lstm_job_next_open(id - 1, &model) == id;
}

/* Its locks; all or none. */
static bool
take_job(int64 id, const char *model)
{
	if (!lstm_lock_try(LSTM_LOCK_JOB, (uint64) id))
		return false;
	if (lstm_lock_try(LSTM_LOCK_MODEL, lstm_lock_key(model)))
	{
		if (is_open(id))
			return true;
		lstm_lock_release(LSTM_LOCK_MODEL, lstm_lock_key(model));
	}
	lstm_lock_release(LSTM_LOCK_JOB, (uint64) id);
	return false;
}

/* Take the first job that can run, 0 if there is none; *n_open counts those that were seen. */
static int64
choose_job(int *n_open)
{
	LstmPlaces	place;
	int64		id = 0;
	char	   *model;

	lstm_places_take(&place, 1, lstm_max_workers, false);
	*n_open = 0;
	while ((id = lstm_job_next_open(id, &model)) != 0)
	{
		(*n_open)++;
		if (place.n == 0)
			return 0;
		if (take_job(id, model))
			return id;
	}
	lstm_places_give_back(&place);
	return 0;
}

/* The same in a transaction of its own, in memory that goes with it. */
static int64
look_for_job(int *n_open)
{
	int64		id;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	id = choose_job(n_open);
	PopActiveSnapshot();
	CommitTransactionCommand();
	return id;
}

static bool
take_duty(void)
{
	bool		is_taken;

	lstm_job_begin();
	is_taken = lstm_lock_try(LSTM_LOCK_DUTY, 0);
	lstm_job_commit();
	return is_taken;
}

static void
leave_duty(void)
{
	lstm_job_begin();
	lstm_lock_release(LSTM_LOCK_DUTY, 0);
	lstm_job_commit();
}

/* Who is on duty, if anybody, may find another job than it did so far. */
static int
wake_duty(void)
{
	int			pid;

	lstm_job_begin();
	pid = lstm_lock_on_duty();
	lstm_job_commit();
	lstm_job_nudge(pid);
	return pid;
}

static void
nap(void)
{
	pgstat_report_activity(STATE_IDLE, "waiting for a job that can run");
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, WAIT_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

/* ---- duty ------------------------------------------------------------------------------ */

/* A job whose locks this process holds, or 0 if there is nothing to do for it. */
static int64
wait_for_job(void)
{
	int64		id;
	int			n_open;

	while (take_duty())
	{
		while ((id = look_for_job(&n_open)) == 0 && n_open > 0)
			nap();
		leave_duty();
		if (id != 0)
			return id;
		/* one that was submitted just now may have been left to this process */
		id = look_for_job(&n_open);
		if (id != 0 || n_open == 0)
			return id;
	}
	(void) wake_duty();
	return 0;
}

/* Another process is needed if there are jobs that none holds. */
static void
call_next(void)
{
	int			n_open;

	if (wake_duty() != 0)
		return;
	lstm_job_begin();
	n_open = lstm_job_count_idle();
	lstm_job_commit();
	if (n_open > 0)
		(void) lstm_job_call(MyDatabaseId);
}

/* The job is over: its model and its place are free before the process is gone. */
static void
release_locks(void)
{
	lstm_job_begin();
	LockReleaseAll(USER_LOCKMETHOD, true);
	lstm_job_commit();
}

/* ---- the process -------------------------------------------------------------------------- */

/* As autovacuum does: what was set for sessions of this database must not be in the way. */
static void
set_calm(void)
{
	SetConfigOption("default_transaction_isolation", "read committed", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_read_only", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("default_transaction_deferrable", "off", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("statement_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("lock_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("idle_in_transaction_session_timeout", "0", PGC_SUSET, PGC_S_OVERRIDE);
}

static bool
has_extension(void)
{
	bool		is_there;

	lstm_job_begin();
	is_there = OidIsValid(get_extension_oid("pg_lstm", true));
	lstm_job_commit();
	return is_there;
}

/* Terminated, or in an error that could not be written down: the job is not done. */
static void
at_exit(int code, Datum arg)
{
	if (code != 0)
		lstm_job_report_left();
}

void
lstm_job_worker_main(Datum main_arg)
{
	int64		id;

	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(main_arg), InvalidOid, 0);
	set_calm();
	if (!has_extension())
		proc_exit(0);
	id = wait_for_job();
	if (id != 0)
	{
		lstm_job_prepare_report();
		before_shmem_exit(at_exit, (Datum) 0);
		call_next();
		lstm_job_run(id);
		release_locks();
		call_next();
	}
	proc_exit(0);
}
