/*
 * job/job_run.c: one job, from its row to a version.
 *
 *	start	count the start; refuse a job that never gets ahead; the session's settings
 *	read	first: the rows, as the role, into the learner and into chunks, in one transaction;
 *			of a retraining the champion, too
 *			again: all that from the chunks
 *	train	plan and train, without a transaction, from the last checkpoint if there is one
 *	compare	of a retraining: both versions on the kept rows, without a transaction
 *	end		the version, the decision about it, the end of the job and the removal of its
 *			chunks, in one transaction
 *
 * The role's own code (views, policies, functions) runs only in `read`, under its user
 * id and as a security-restricted operation, as that of REFRESH MATERIALIZED VIEW and of
 * index expressions does: it cannot change its user id, and leaves no trigger or
 * temporary table behind.
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "exec/options_json.h"
#include "exec/task.h"
#include "glue/errors.h"
#include "job/job_checkpoint.h"
#include "job/job_retrain.h"
#include "job/job_rows.h"
#include "store/catalog.h"

/* A job whose processes end again and again without getting ahead takes the server along. */
#define MAX_BARREN_STARTS 5

/* A team of which so many workers have ended, one after the other, is none. */
#define MAX_BROKEN_TEAMS 3

/* As they stand in the job's row. */
static const char *const input_names[] = {
	[NN_VALUE_TEXT] = "text",
	[NN_VALUE_WORDS] = "words",
	[NN_VALUE_NUMBERS] = "numbers",
};
static const char *const target_names[] = {
	[LSTM_READ_NOTHING] = "nothing",
	[LSTM_READ_LABEL] = "label",
	[LSTM_READ_LABELS] = "labels",
	[LSTM_READ_NUMBER] = "number",
	[LSTM_READ_VALUE] = "value",
};

typedef struct JobRun
{
	LstmJob		job;
	bool		is_retraining;
	LstmRetraining *retraining; /* of this try at it */
	LstmTrainRequest request;	/* of a training */
	LstmTrainRun *run;
	int			n_broken;		/* teams, since this process began */
	MemoryContext lasting;
	MemoryContext context;		/* of this try at it */
	LstmJobCheckpoints *checkpoints;
} JobRun;

/* ---- as the role ------------------------------------------------------------------- */

/* This process is the role's from now on: as its current and as its session user. */
static void
become_role(Oid role)
{
	bool		is_superuser;

	lstm_job_begin();
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u, who submitted the job, does not exist any more", role),
				 errhint("Submit it again as another role.")));
	is_superuser = superuser_arg(role);
	lstm_job_commit();
	SetSessionAuthorization(role, is_superuser);
}

/*
 * A transaction in which code of the role's may run.  It stays restricted until it has
 * committed, with all that may run then.
 */
static void
begin_restricted(Oid role)
{
	lstm_job_begin();
	SetUserIdAndSecContext(role, SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

static void
commit_restricted(Oid role)
{
	lstm_job_commit();
	SetUserIdAndSecContext(role, 0);
}

/* ---- start --------------------------------------------------------------------------- */

static bool
start(JobRun *own, int64 id)
{
	bool		is_there;

	lstm_job_begin();
	is_there = lstm_job_start(id, &own->job);
	if (is_there)
		own->checkpoints = lstm_checkpoints_create(id, lstm_catalog()->model);
	lstm_job_commit();
	return is_there;
}

static void
refuse(const LstmJob *job)
{
	if (strcmp(job->kind, LSTM_KIND_TRAIN) != 0 && strcmp(job->kind, LSTM_KIND_RETRAIN) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("jobs of kind \"%s\" are not known to this version of pg_lstm", job->kind)));
	if (job->barren_starts > MAX_BARREN_STARTS)
		ereport(ERROR,
				(errcode(ERRCODE_OPERATOR_INTERVENTION),
				 errmsg("the job was interrupted %d times without getting ahead", MAX_BARREN_STARTS),
				 errdetail("Its process ended before it could write a checkpoint, or the server did."),
				 errhint("The server's log says why. Lower pg_lstm.checkpoint_interval, or let the job need less memory, and submit it again.")));
}

static void
make_request(JobRun *own)
{
	const LstmJob *job = &own->job;

	own->is_retraining = strcmp(job->kind, LSTM_KIND_RETRAIN) == 0;
	own->request.relid = job->relid;
	own->request.input = job->input;
	own->request.target = job->target;
	own->request.model = job->model;
	own->request.task = job->task;
	own->request.options = job->options;
}

/* ---- read ------------------------------------------------------------------------------ */

static void
need_source(const LstmJob *job)
{
	if (get_rel_name(job->relid) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation %s does not exist any more", job->source),
				 errdetail("It was dropped after the job was submitted and before its rows were read.")));
}

/* What was read, and how, into the job's row. */
static void
write_down(JobRun *own, int64 n_rows)
{
	LstmJob    *job = &own->job;
	const LstmTrainRun *run = own->run;

	job->rows_read = n_rows;
	job->rows_skipped = run->n_skipped;
	job->input_kind = unconstify(char *, input_names[run->source.input_kind]);
	job->read_as = unconstify(char *, target_names[run->read_as]);
	job->has_row_security = run->has_row_security;
	/* of a retraining they are those of now, and no longer those of when it was submitted */
	job->source = MemoryContextStrdup(own->lasting, run->source.relation);
	job->input = MemoryContextStrdup(own->lasting, run->source.input);
	if (run->source.target != NULL)
		job->target = MemoryContextStrdup(own->lasting, run->source.target);
	lstm_job_have_read(job);
}

static void
read_first(JobRun *own)
{
	const LstmTrainRequest *request = &own->request;
	LstmTrainRun *run = own->run;
	int64		n_rows;

	begin_restricted(own->job.role);
	if (own->is_retraining)
	{
		own->retraining = lstm_job_begin_retrain(&own->job, own->lasting);
		request = lstm_retrain_request(own->retraining);
	}
	else
		need_source(&own->job);
	lstm_train_begin(run, request);
	run->keeper = lstm_rows_keep(own->job.id, run);
	lstm_train_read(run);
	n_rows = lstm_rows_finish(run->keeper);
	run->keeper = NULL;
	write_down(own, n_rows);
	commit_restricted(own->job.role);
}

/* The place of a name in a list. */
static int
find_name(const char *name, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (name != NULL && strcmp(name, names[i]) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the job's row does not say how its rows were read"),
			 errhint("Submit the job again.")));
}

static void
read_again(JobRun *own)
{
	const LstmTrainRequest *request = &own->request;
	LstmTrainRun *run = own->run;

	if (own->is_retraining)
	{
		own->retraining = lstm_job_resume_retrain(&own->job);
		request = lstm_retrain_request(own->retraining);
	}
	lstm_job_begin();
	run->task = lstm_task_named(own->job.task);
	run->model = own->job.model;
	run->source.relation = own->job.source;
	run->source.input = own->job.input;
	run->source.target = own->job.target;
	run->source.input_kind = find_name(own->job.input_kind, input_names, lengthof(input_names));
	run->read_as = find_name(own->job.read_as, target_names, lengthof(target_names));
	run->has_row_security = own->job.has_row_security;
	run->n_skipped = own->job.rows_skipped;
	lstm_options_read(request->options, run->task, &run->options);
	if (run->options.order_by[0] != '\0')
		run->source.order_by = run->options.order_by;
	lstm_train_begin_again(run, request);
	lstm_job_commit();
	lstm_rows_read_again(own->job.id, run);
}

/* ---- train ----------------------------------------------------------------------------- */

/* A learner with all rows, in a context of its own. */
static void
prepare(JobRun *own)
{
	LstmTrainRun *run;

	if (own->context != NULL)
		MemoryContextDelete(own->context);
	own->context = AllocSetContextCreate(TopMemoryContext, "pg_lstm training", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(own->context);
	run = own->run = palloc0(sizeof(LstmTrainRun));
	run->is_alone = own->n_broken >= MAX_BROKEN_TEAMS;
	run->on_poll = lstm_checkpoints_look;
	run->on_poll_arg = own->checkpoints;
	run->progress.job = own->job.id;
	run->progress.role = own->job.role;
	if (own->job.rows_read < 0)
		read_first(own);
	else
		read_again(own);
}

/*
 * Is it to be tried again, from the last checkpoint?  A checkpoint was damaged; a worker of
 * the team has ended; or a refit was stopped: once more, to the first training's result.
 */
static bool
is_tried_again(JobRun *own, NnStatus status)
{
	LstmJobCheckpoints *checkpoints = own->checkpoints;
	bool		is_damaged = status == NN_EFORMAT && checkpoints->was_opened;
	bool		is_broken = own->run->help.is_broken;
	bool		is_stopped = status == NN_ECANCELED && checkpoints->wants_stop && checkpoints->has_first;

	own->n_broken += is_broken;
	if (!is_damaged && !is_broken && !is_stopped)
		return false;
	lstm_checkpoints_reset(checkpoints, is_damaged);
	return true;
}

static const NnLearnReport *
train(JobRun *own)
{
	const NnLearnReport *report;
	NnError		err = {0};
	NnStatus	status;

	for (;;)
	{
		prepare(own);
		lstm_train_plan_rows(own->run);
		nn_learner_checkpoint(own->run->learner, &own->checkpoints->checkpoints);
		status = lstm_train_rows(own->run, &report, &err);
		if (status == NN_OK)
			return report;
		if (!is_tried_again(own, status))
			lstm_train_throw(&err);
	}
}

/* ---- compare ----------------------------------------------------------------------------- */

static void
compare(JobRun *own, const NnLearnReport *report)
{
	if (!own->is_retraining)
		return;
	lstm_progress_phase(&own->run->progress, LSTM_PHASE_COMPARING);
	lstm_retrain_compare(own->retraining, own->run, report, lstm_rows_give, own->run);
}

/* ---- end --------------------------------------------------------------------------------- */

static void
publish(JobRun *own, const NnLearnReport *report)
{
	LstmTrainResult result;
	bool		is_stopped = report->train.is_stopped || (own->checkpoints->has_first && !report->is_refitted);
	LstmOutcome outcome = is_stopped ? LSTM_JOB_STOPPED : LSTM_JOB_DONE;

	lstm_job_begin();
	lstm_train_finish(own->run, report, CurrentMemoryContext, &result);
	if (own->is_retraining)
		lstm_retrain_end(own->retraining, result.version);
	if (!lstm_job_end(own->job.id, outcome, result.version, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the job has ended meanwhile")));
	lstm_job_commit();
	ereport(LOG,
			(errmsg("job " INT64_FORMAT " made version %d of model \"%s\"", own->job.id, result.version, own->job.model)));
}

/* Without the extension that the job began with there is nothing to end, and whatever failed failed for that. */
static void
need_extension(const JobRun *own)
{
	lstm_job_begin();
	if (own->checkpoints != NULL)
		lstm_checkpoints_need_extension(own->checkpoints);
	lstm_job_commit();
}

/* The error that is being handled ends the job. */
static void
fail(const JobRun *own, int64 id)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_lstm job", ALLOCSET_DEFAULT_SIZES);
	ErrorData  *error;
	bool		is_cancel;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	need_extension(own);
	MemoryContextSwitchTo(context);
	is_cancel = error->sqlerrcode == ERRCODE_QUERY_CANCELED;
	if (is_cancel)
	{
		/* wherever it was */
		error->message = "canceling job on user request";
		error->context = NULL;
	}
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("job " INT64_FORMAT " %s: %s", id, is_cancel ? "was canceled" : "failed", error->message),
			 error->detail != NULL ? errdetail_internal("%s", error->detail) : 0,
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
	lstm_job_begin();
	(void) lstm_job_end(id, is_cancel ? LSTM_JOB_CANCELED : LSTM_JOB_FAILED, 0, error);
	lstm_job_commit();
}

static void
work(JobRun *own)
{
	const NnLearnReport *report = train(own);

	compare(own, report);
	publish(own, report);
}

void
lstm_job_run(int64 id)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_lstm job", ALLOCSET_DEFAULT_SIZES);
	JobRun	   *own = MemoryContextAllocZero(context, sizeof(JobRun));

	own->lasting = context;
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		if (start(own, id))
		{
			refuse(&own->job);
			become_role(own->job.role);
			lstm_job_begin();
			lstm_job_set(own->job.settings);
			lstm_job_commit();
			make_request(own);
			work(own);
		}
	}
	PG_CATCH();
	{
		fail(own, id);
	}
	PG_END_TRY();
}
