/*
 * job/job_wait.c: a session waits for a job.
 *
 * It looks at the job's row now and then, with a snapshot of its own each time, and calls
 * for a process if nobody works on the job.  How long it waits is told by a clock that
 * nobody sets.
 */
#include "glue/compat.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/latch.h"

#include "job/job.h"

#define FIRST_NAP_MS	20
#define LONGEST_NAP_MS	200
#define CALL_MS			5000

static int64
ms_since(const instr_time *begin)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *begin);
	return (int64) INSTR_TIME_GET_MILLISEC(now);
}

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
lstm_job_wait(int64 id, int64 timeout_ms, LstmJobState *state)
{
	instr_time	begin;
	int64		called_ms = -CALL_MS;
	long		nap_ms = FIRST_NAP_MS;

	INSTR_TIME_SET_CURRENT(begin);
	for (;;)
	{
		int64		now_ms = ms_since(&begin);

		look(id, state);
		if (!state->has_ended && state->pid == 0 && !RecoveryInProgress() && now_ms - called_ms >= CALL_MS)
		{
			(void) lstm_job_call(MyDatabaseId);
			called_ms = now_ms;
		}
		if (state->has_ended || (timeout_ms >= 0 && now_ms >= timeout_ms))
			return;
		nap(timeout_ms < 0 ? nap_ms : (long) Min(nap_ms, 1 + timeout_ms - now_ms));
		nap_ms = Min(2 * nap_ms, LONGEST_NAP_MS);
	}
}
