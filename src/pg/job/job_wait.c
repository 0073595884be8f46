/*
 * job/job_wait.c: a session waits for a job.
 *
 * It looks at the job's row now and then, with a snapshot of its own each time, and calls
 * for a process if nobody works on the job.
 */
#include "glue/compat.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "job/job.h"

#define FIRST_NAP_MS	20
#define LONGEST_NAP_MS	200
#define CALL_MS			5000

static void
nap(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
look(int64 id, LstmJobState *state)
{
	lstm_job_need(id, state);
	if (state->is_uncommitted)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("job " INT64_FORMAT " was submitted in this transaction", id),
				 errdetail("It begins when the transaction commits."),
				 errhint("Commit first, then wait.")));
}

void
lstm_job_wait(int64 id, TimestampTz until, LstmJobState *state)
{
	TimestampTz called = DT_NOBEGIN;
	long		ms = FIRST_NAP_MS;

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		look(id, state);
		if (!state->has_ended && state->pid == 0 && !RecoveryInProgress() &&
			(called == DT_NOBEGIN || TimestampDifferenceExceeds(called, now, CALL_MS)))
		{
			(void) lstm_job_call(MyDatabaseId);
			called = now;
		}
		if (state->has_ended || (until != DT_NOEND && now >= until))
			return;
		nap(until == DT_NOEND ? ms : Min(ms, 1 + (long) ((until - now) / 1000)));
		ms = Min(2 * ms, LONGEST_NAP_MS);
	}
}
