/*
 * job/team_meet.c: where the members of a training meet, and how it ends.
 *
 * Members wait at a condition variable, never by spinning: a waiting backend takes
 * cancel and termination at once, and the processor is left to those who still
 * compute.  The one who comes last wakes the others.
 *
 * A training is over for all as soon as it is over for one: each has a callback on
 * its hold on the segment, which runs at its error, its termination and its regular
 * end alike.  The others see it at their next poll or meeting.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "pgstat.h"

#include "job/team.h"

#define WATCH_MS 1000

void
lstm_team_init(LstmTeamShared *shared)
{
	memset(shared, 0, sizeof(*shared));
	SpinLockInit(&shared->mutex);
	ConditionVariableInit(&shared->changed);
}

/* Come to the meeting; returns its number, and whether this was the last to come. */
static uint64
arrive(LstmTeamShared *shared, bool *is_last)
{
	uint64		meeting;

	SpinLockAcquire(&shared->mutex);
	meeting = shared->n_meetings;
	*is_last = ++shared->n_here == shared->size;
	if (*is_last)
	{
		shared->n_here = 0;
		shared->n_meetings++;
	}
	SpinLockRelease(&shared->mutex);
	return meeting;
}

static bool
has_met(LstmTeamShared *shared, uint64 meeting, bool *is_over)
{
	bool		has_met;

	SpinLockAcquire(&shared->mutex);
	has_met = shared->n_meetings > meeting;
	*is_over = shared->is_over;
	SpinLockRelease(&shared->mutex);
	return has_met;
}

NnStatus
lstm_team_meet(void *ctx, NnError *err)
{
	LstmTeam   *team = ctx;
	LstmTeamShared *shared = team->shared;
	bool		is_last;
	bool		is_over = false;
	uint64		meeting = arrive(shared, &is_last);

	if (is_last)
	{
		ConditionVariableBroadcast(&shared->changed);
		return NN_OK;
	}
	ConditionVariablePrepareToSleep(&shared->changed);
	while (!has_met(shared, meeting, &is_over) && !is_over)
	{
		if (ConditionVariableTimedSleep(&shared->changed, WATCH_MS, PG_WAIT_EXTENSION) && team->watch != NULL)
			team->watch(team);
	}
	ConditionVariableCancelSleep();
	if (has_met(shared, meeting, &is_over))
		return NN_OK;
	return nn_fail(err, NN_ECANCELED, "another process of this training has ended");
}

void
lstm_team_end(LstmTeamShared *shared, const LstmTeamError *error)
{
	SpinLockAcquire(&shared->mutex);
	if (!shared->is_over && error != NULL)
		shared->error = *error;
	shared->is_over = true;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
}

bool
lstm_team_is_over(LstmTeamShared *shared, LstmTeamError *error)
{
	bool		is_over;

	SpinLockAcquire(&shared->mutex);
	is_over = shared->is_over;
	if (is_over && error != NULL)
		*error = shared->error;
	SpinLockRelease(&shared->mutex);
	return is_over;
}
