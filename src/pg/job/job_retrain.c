/*
 * job/job_retrain.c: retrainings as jobs.
 *
 * A retraining is a training whose start and whose end ask for another version.  What it
 * goes on from and is compared with is kept with the job's rows when these are read; so
 * nothing that happens meanwhile, to the version, the rows or the options of the model,
 * changes what is trained.  Only the decision looks at the model as it is then.
 */
#include "glue/compat.h"

#include "job/job.h"
#include "job/job_retrain.h"
#include "job/job_rows.h"
#include "store/change.h"

/* ---- submit ----------------------------------------------------------------------- */

int64
lstm_job_submit_retrain(const char *model, Jsonb *options, const char *reason)
{
	LstmTrainRun *run = palloc0(sizeof(LstmTrainRun));
	LstmJobRequest request = {.kind = LSTM_KIND_RETRAIN, .options = options, .reason = reason};
	int64		id;

	lstm_need_writable("lstm_submit_retrain()");
	request.role = lstm_retrain_describe(model, options, run);
	request.model = run->model;
	request.task = nn_task_name(run->task);
	request.relid = run->source.relid;
	request.source = run->source.relation;
	request.input = run->source.input;
	request.target = run->source.target;
	id = lstm_job_insert(&request);
	lstm_job_call_at_commit();
	return id;
}

static int64
find_open(const char *model)
{
	return lstm_job_open(LSTM_KIND_RETRAIN, model);
}

static void
call_for_idle(void)
{
	if (lstm_job_count_idle() > 0)
		lstm_job_call_at_commit();
}

const LstmRetrainQueue lstm_job_retrain_queue = {find_open, lstm_job_submit_retrain, call_for_idle};

/* ---- do it -------------------------------------------------------------------------- */

LstmRetraining *
lstm_job_begin_retrain(LstmJob *job, MemoryContext lasting)
{
	MemoryContext own;
	LstmRetraining *r;
	bytea	   *former;

	r = lstm_retrain_begin(job->model, job->options, &former);
	lstm_rows_keep_former(job->id, former);
	pfree(former);
	own = MemoryContextSwitchTo(lasting);
	job->record = lstm_retrain_record(r);
	MemoryContextSwitchTo(own);
	return r;
}

LstmRetraining *
lstm_job_resume_retrain(const LstmJob *job)
{
	bytea	   *former = lstm_rows_former(job->id);
	LstmRetraining *r;

	if (job->record == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("the job's row does not say what it goes on from"),
				 errhint("Submit the job again.")));
	lstm_job_begin();
	r = lstm_retrain_resume(job->model, job->options, job->record, former);
	lstm_job_commit();
	pfree(former);
	return r;
}
