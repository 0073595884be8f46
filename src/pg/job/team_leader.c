/*
 * job/team_leader.c: a session trains together with background workers.
 *
 *   decide   how many members pay; whether they fit into memory, exec/ says; how many of
 *            pg_lstm.max_workers places are free
 *   share    one segment: what all share, the plan, the exchange (job/team.h)
 *   launch   register workers; those that come are the team, and it may be nobody
 *   train    the session is member 0: core's nn_train() with a team
 *   end      wait until the workers have left, so that their slots are free again
 *
 * The result does not depend on any of it, so whatever is missing, slots or shared
 * memory, makes a smaller team and a NOTICE, and no error.
 *
 * Nothing here needs to be undone at an error: the segment and the places belong to the
 * resource owner, and letting go of the segment ends the training for the workers.
 *
 * The session may be a job's process.  It has no transaction, so it holds all of this
 * itself until its end, which comes soon behind an error.  And a worker that ends is no
 * reason to fail: the job goes on from its checkpoint (job_run.c).
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "exec/train_run.h"
#include "glue/settings.h"
#include "glue/workers.h"
#include "job/job.h"
#include "job/team.h"

/* A training of fewer seconds is not worth a launch, which takes some hundredths. */
#define WORTHWHILE_SECONDS 1.0

/* Of a step, what is not shared out: dealing, meetings, waiting for the slowest; a guess between measurements. */
#define OWN_SHARE 0.1

typedef struct Leader
{
	LstmTeam	team;			/* first: it is what a meeting knows */
	dsm_segment *segment;
	int			n_registered;
	BackgroundWorkerHandle *handle[NN_MAX_SHARDS];
} Leader;

/* ---- decide ----------------------------------------------------------------------- */

/* By the option, else by the setting where the training is long enough. */
static int
count_members(int workers, double seconds, int n_shards)
{
	if (workers < 1 && seconds < WORTHWHILE_SECONDS)
		return 1;
	return Min(n_shards, workers < 1 ? Min(lstm_max_workers, lstm_count_processors()) : workers);
}

/*
 * A member computes its shards one after the other, and all wait for the one that has most.
 * Members who wait for a processor are as good as none.
 */
static double
share_of_time(int n_members, int n_shards)
{
	int			n = Min(Min(n_members, 1 + lstm_free_workers()), lstm_count_processors());
	int			n_longest = (n_shards + n - 1) / n;

	return n < 2 ? 1.0 : OWN_SHARE + (1.0 - OWN_SHARE) * n_longest / n_shards;
}

/* Places for so many members.  Returns for how many there are; a session trains without one, too. */
static int
take_places(LstmPlaces *places, const LstmTrainHelp *help)
{
	int			n_own = help->is_job ? 1 : 0;	/* it has one since it began */
	int			limit = help->is_job ? lstm_max_workers : Max(lstm_max_workers, help->workers);
	int			n;

	lstm_places_take(places, help->n_members - n_own, limit, !help->is_job);
	n = Max(n_own + places->n, 1);
	if (n < help->n_members)
		ereport(NOTICE,
				(errmsg("training with %d of %d workers", n, help->n_members),
				 errdetail("Other trainings have the rest of pg_lstm.max_workers (%d).", lstm_max_workers),
				 errhint("The result is the same with any number of workers.")));
	return n;
}

/* ---- share ------------------------------------------------------------------------- */

/*
 * A new segment, or NULL and a NOTICE if the system has no room for it; in a
 * container /dev/shm is often small.  A subtransaction cleans up what a failed try
 * leaves.
 */
static dsm_segment *
create_segment(Size n_bytes)
{
	MemoryContext context = CurrentMemoryContext;
	bool		has_transaction = IsTransactionState();
	ResourceOwner owner;
	dsm_segment *volatile segment = NULL;

	if (!has_transaction)
		lstm_job_begin();
	owner = CurrentResourceOwner;
	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		segment = dsm_create(n_bytes, DSM_CREATE_NULL_IF_MAXSEGMENTS);
		if (segment != NULL)
			dsm_pin_mapping(segment);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *data;

		MemoryContextSwitchTo(context);
		data = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (ERRCODE_TO_CATEGORY(data->sqlerrcode) != ERRCODE_INSUFFICIENT_RESOURCES)
			ReThrowError(data);
		segment = NULL;
	}
	PG_END_TRY();
	if (!has_transaction)
		lstm_job_commit();
	else if (segment != NULL)
		dsm_unpin_mapping(segment);
	if (segment == NULL)
		ereport(NOTICE,
				(errmsg("training without workers"),
				 errdetail("There is no room for %zu MB of shared memory.", n_bytes >> 20),
				 errhint("Give the server a larger /dev/shm. The result is the same with any number of workers.")));
	return segment;
}

static void
on_detach(dsm_segment *segment, Datum arg)
{
	lstm_team_end(dsm_segment_address(segment), NULL);
}

/* Fill the segment's head; the caller fills the plan. */
static LstmTeamShared *
lay_out(dsm_segment *segment, Size plan_bytes, Size exchange_bytes)
{
	LstmTeamShared *shared = dsm_segment_address(segment);

	lstm_team_init(shared);
	shared->plan_at = TYPEALIGN(64, sizeof(LstmTeamShared));
	shared->exchange_at = shared->plan_at + TYPEALIGN(64, plan_bytes);
	shared->exchange_bytes = exchange_bytes;
	shared->database = MyDatabaseId;
	shared->leader = MyProcPid;
	return shared;
}

/* ---- launch --------------------------------------------------------------------------- */

static bool
register_worker(Leader *leader)
{
	BackgroundWorker worker = {0};

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_notify_pid = MyProcPid;
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(leader->segment));
	snprintf(worker.bgw_name, BGW_MAXLEN, "pg_lstm worker of process %d", MyProcPid);
	snprintf(worker.bgw_type, BGW_MAXLEN, "pg_lstm worker");
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "$libdir/pg_lstm");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "lstm_team_worker_main");
	return RegisterDynamicBackgroundWorker(&worker, &leader->handle[leader->n_registered]);
}

/* Workers that have ended or will never start. */
static int
count_stopped(const Leader *leader)
{
	int			n = 0;
	pid_t		pid;

	for (int i = 0; i < leader->n_registered; i++)
	{
		BgwHandleStatus status = GetBackgroundWorkerPid(leader->handle[i], &pid);

		n += status == BGWH_STOPPED || status == BGWH_POSTMASTER_DIED;
	}
	return n;
}

static int
count_joined(LstmTeamShared *shared)
{
	int			n;

	SpinLockAcquire(&shared->mutex);
	n = shared->n_joined;
	SpinLockRelease(&shared->mutex);
	return n;
}

/* Wait until every registered worker has come or never will; then the size is settled. */
static int
settle_size(Leader *leader)
{
	LstmTeamShared *shared = leader->team.shared;
	int			size;

	ConditionVariablePrepareToSleep(&shared->changed);
	while (count_joined(shared) + count_stopped(leader) < leader->n_registered)
		(void) ConditionVariableTimedSleep(&shared->changed, 100, PG_WAIT_EXTENSION);
	ConditionVariableCancelSleep();

	SpinLockAcquire(&shared->mutex);
	size = shared->size = 1 + shared->n_joined;
	SpinLockRelease(&shared->mutex);
	ConditionVariableBroadcast(&shared->changed);
	return size;
}

/* Register workers for n members in all.  Returns how many members there are. */
static int
launch(Leader *leader, int n)
{
	int			size = 1;

	while (leader->n_registered < n - 1 && register_worker(leader))
		leader->n_registered++;
	if (leader->n_registered > 0)
		size = settle_size(leader);
	if (size < n)
		ereport(NOTICE,
				(errmsg("training with %d of %d workers", size, n),
				 errdetail("No more background workers could be started."),
				 errhint("Raise max_worker_processes. The result is the same with any number of workers.")));
	return size;
}

/* ---- train ------------------------------------------------------------------------------ */

static void
throw(const LstmTeamError *error)
{
	ereport(ERROR,
			(errcode(error->sqlstate),
			 errmsg("%s", error->message),
			 error->detail[0] != '\0' ? errdetail("%s", error->detail) : 0,
			 error->hint[0] != '\0' ? errhint("%s", error->hint) : 0,
			 errcontext("worker of a training")));
}

/* Workers leave a note when they go; one that could not is noticed here. */
static void
watch(LstmTeam *team)
{
	LstmTeamError error = {ERRCODE_OPERATOR_INTERVENTION, "a worker of the training has ended"};

	if (count_stopped((Leader *) team) > 0)
		lstm_team_end(team->shared, &error);
}

/* Until all workers have left; they do at once.  Returns what they held at most. */
static Size
finish(Leader *leader)
{
	Size		n_bytes;

	lstm_team_end(leader->team.shared, NULL);
	for (int i = 0; i < leader->n_registered; i++)
		(void) WaitForBackgroundWorkerShutdown(leader->handle[i]);
	n_bytes = dsm_segment_map_length(leader->segment) + leader->team.shared->worker_bytes;
	dsm_detach(leader->segment);
	return n_bytes;
}

/* It ended for the others, and so for this process. */
static void
bear(LstmTrainHelp *help, const LstmTeamError *error)
{
	if (!help->is_job)
		throw(error);
	help->is_broken = true;
	ereport(LOG,
			(errmsg("a worker of a job has ended: %s", error->message),
			 errdetail("The job goes on from its last checkpoint.")));
}

/* The session's part, and everybody's end. */
static NnStatus
lead(Leader *leader, LstmTrainHelp *help, NnNet *net, const NnExamples *train, const NnExamples *valid,
	 const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report, NnError *err)
{
	LstmTeamShared *shared = leader->team.shared;
	NnTrainOptions own = *options;
	LstmTeamError error = {0};
	NnStatus	status;
	Size		n_bytes;

	leader->team.team.size = help->n_members;
	leader->team.team.exchange = (char *) shared + shared->exchange_at;
	leader->team.team.n_bytes = shared->exchange_bytes;
	leader->team.team.meet = lstm_team_meet;
	leader->team.team.ctx = &leader->team;
	leader->team.watch = watch;
	own.team = help->n_members > 1 ? &leader->team.team : NULL;
	status = nn_train(net, train, valid, &own, env, report, err);
	if (status == NN_ECANCELED && lstm_team_is_over(shared, &error))
		bear(help, &error);
	n_bytes = finish(leader);
	help->used_bytes = Max(help->used_bytes, n_bytes);
	return status;
}

/* With a segment for it, the team. */
static NnStatus
train_by(Leader *leader, LstmTrainHelp *help, NnNet *net, const NnExamples *train, const NnExamples *valid,
		 const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report, NnError *err)
{
	const NnSpec *spec = nn_net_spec(net);
	Size		plan_bytes = nn_team_plan_bytes(spec, train, valid, options);
	Size		exchange_bytes = nn_team_bytes(spec, train, options);
	Size		n_bytes = nn_size_add(sizeof(LstmTeamShared) + 128, nn_size_add(plan_bytes, exchange_bytes));

	if (help->n_members > 1)
		leader->segment = create_segment(n_bytes);
	if (leader->segment == NULL)
	{
		help->n_members = 1;	/* nor for a refit */
		return nn_train(net, train, valid, options, env, report, err);
	}
	on_dsm_detach(leader->segment, on_detach, (Datum) 0);
	leader->team.shared = lay_out(leader->segment, plan_bytes, exchange_bytes);
	NN_TRY(nn_team_plan_pack((char *) leader->team.shared + leader->team.shared->plan_at, net, train, valid, options,
							 env, err));
	help->n_members = launch(leader, help->n_members);
	return lead(leader, help, net, train, valid, options, env, report, err);
}

/* An NnTrainHook; ctx is an LstmTrainHelp. */
static NnStatus
train_together(void *ctx, NnNet *net, const NnExamples *train, const NnExamples *valid,
			   const NnTrainOptions *options, const NnEnv *env, NnTrainReport *report, NnError *err)
{
	LstmTrainHelp *help = ctx;
	Leader	   *leader = palloc0(sizeof(Leader));
	LstmPlaces	places;
	NnStatus	status;

	help->n_members = take_places(&places, help);
	status = train_by(leader, help, net, train, valid, options, env, report, err);
	lstm_places_give_back(&places);
	return status;
}

static const LstmTrainHelpers helpers = {count_members, share_of_time, train_together};

void
lstm_team_define(void)
{
	lstm_train_helpers = &helpers;
}
