/*
 * job/team_worker.c: the life of a background worker that helps to train.
 *
 *   join     map the leader's segment, take a rank, wait until the size is known
 *   follow   core's nn_team_follow(): the leader's steps on weights of its own
 *   leave    whatever happened, the segment's callback ends the training for the
 *            others if it was not over; the first error goes to the leader
 *
 * A worker reads no table and holds no snapshot: all it knows is in the segment.  It
 * is connected to the leader's database so that pg_stat_activity shows it and
 * pg_terminate_backend() finds it.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "glue/env_pg.h"
#include "glue/errors.h"
#include "job/team.h"

typedef struct Worker
{
	LstmTeam	team;
	LstmEnv		env;
	int			(*poll) (void *ctx);	/* the env's own */
} Worker;

/* The one training of this process. */
static Worker worker;

/* ---- how it ends --------------------------------------------------------------- */

/* At every end of the process; one that was not announced is a termination. */
static void
on_detach(dsm_segment *segment, Datum arg)
{
	LstmTeamShared *shared = dsm_segment_address(segment);
	LstmTeamError error = {ERRCODE_OPERATOR_INTERVENTION};

	snprintf(error.message, sizeof(error.message), "worker process %d of the training was terminated", MyProcPid);
	lstm_team_end(shared, &error);
}

static void
copy_text(char *to, size_t n, const char *from)
{
	strlcpy(to, from != NULL ? from : "", n);
}

/* The server's error that is being handled. */
static void
tell_server_error(LstmTeamShared *shared)
{
	LstmTeamError error = {0};
	ErrorData  *data;

	MemoryContextSwitchTo(TopMemoryContext);
	data = CopyErrorData();
	error.sqlstate = data->sqlerrcode;
	copy_text(error.message, sizeof(error.message), data->message);
	copy_text(error.detail, sizeof(error.detail), data->detail);
	copy_text(error.hint, sizeof(error.hint), data->hint);
	lstm_team_end(shared, &error);
}

static void
tell_core_error(LstmTeamShared *shared, const NnError *err)
{
	LstmTeamError error = {0};

	error.sqlstate = lstm_sqlstate(err->status);
	copy_text(error.message, sizeof(error.message), err->message);
	copy_text(error.detail, sizeof(error.detail), err->detail);
	copy_text(error.hint, sizeof(error.hint), err->hint);
	lstm_team_end(shared, &error);
}

/* ---- join ----------------------------------------------------------------------- */

/* Leave in peace: there is nobody to tell. */
static void
leave(void)
{
	proc_exit(0);
}

static dsm_segment *
attach(Datum main_arg)
{
	dsm_segment *segment;

	CurrentResourceOwner = ResourceOwnerCreate(NULL, "pg_lstm worker");
	segment = dsm_attach(DatumGetUInt32(main_arg));
	if (segment == NULL)
		leave();				/* the leader is gone already */
	return segment;
}

/*
 * Take a rank, and wait until the leader knows who has come; false if it does without
 * this one.  From the rank on, this worker's end is the end of all.
 */
static bool
take_rank(dsm_segment *segment, LstmTeamShared *shared, NnTeam *team)
{
	bool		is_in;
	int			size;

	SpinLockAcquire(&shared->mutex);
	is_in = shared->size == 0 && !shared->is_over;
	if (is_in)
		team->rank = ++shared->n_joined;
	SpinLockRelease(&shared->mutex);
	if (!is_in)
		return false;
	on_dsm_detach(segment, on_detach, (Datum) 0);
	ConditionVariableBroadcast(&shared->changed);

	ConditionVariablePrepareToSleep(&shared->changed);
	for (;;)
	{
		SpinLockAcquire(&shared->mutex);
		size = shared->size;
		is_in = !shared->is_over;
		SpinLockRelease(&shared->mutex);
		if (size > 0 || !is_in)
			break;
		ConditionVariableSleep(&shared->changed, PG_WAIT_EXTENSION);
	}
	ConditionVariableCancelSleep();
	team->size = size;
	return is_in;
}

/* ---- follow ------------------------------------------------------------------------- */

static int
poll_both(void *ctx)
{
	if (worker.poll(ctx) != 0)
		return 1;
	return lstm_team_is_over(worker.team.shared, NULL);
}

static void
follow(LstmTeamShared *shared)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_lstm training", ALLOCSET_DEFAULT_SIZES);
	NnTeam	   *team = &worker.team.team;
	NnError		err = {0};

	MemoryContextSwitchTo(context);
	lstm_env_init(&worker.env, context);
	worker.poll = worker.env.env.poll;
	worker.env.env.poll = poll_both;
	team->exchange = (char *) shared + shared->exchange_at;
	team->n_bytes = shared->exchange_bytes;
	team->meet = lstm_team_meet;
	team->ctx = &worker.team;
	if (nn_team_follow((char *) shared + shared->plan_at, team, &worker.env.env, &err) != NN_OK)
		tell_core_error(shared, &err);
	SpinLockAcquire(&shared->mutex);
	shared->worker_bytes += worker.env.peak_bytes;
	SpinLockRelease(&shared->mutex);
}

void
lstm_team_worker_main(Datum main_arg)
{
	dsm_segment *segment;
	LstmTeamShared *shared;
	char		activity[64];

	pqsignal(SIGTERM, die);
	pqsignal(SIGINT, StatementCancelHandler);
	BackgroundWorkerUnblockSignals();
	segment = attach(main_arg);
	shared = dsm_segment_address(segment);
	worker.team.shared = shared;
	BackgroundWorkerInitializeConnectionByOid(shared->database, InvalidOid, 0);
	snprintf(activity, sizeof(activity), "training with process %d", (int) shared->leader);
	pgstat_report_activity(STATE_RUNNING, activity);

	if (!take_rank(segment, shared, &worker.team.team))
		leave();
	PG_TRY();
	{
		follow(shared);
	}
	PG_CATCH();
	{
		/* What it did is undone with the process; what is left to do is to say so. */
		HOLD_INTERRUPTS();
		ConditionVariableCancelSleep();
		tell_server_error(shared);
		proc_exit(0);
	}
	PG_END_TRY();
	cancel_on_dsm_detach(segment, on_detach, (Datum) 0);
	dsm_detach(segment);
	proc_exit(0);
}
