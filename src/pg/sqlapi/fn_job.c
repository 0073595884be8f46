/*
 * sqlapi/fn_job.c: lstm_submit, lstm_submit_retrain, lstm_stop, lstm_cancel, lstm_wait,
 * lstm_trainings.
 */
#include "glue/compat.h"

#include <math.h>

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "exec/train_stages.h"
#include "glue/result.h"
#include "job/job.h"
#include "sqlapi/request.h"
#include "store/change.h"

PG_FUNCTION_INFO_V1(pg_lstm_submit);
PG_FUNCTION_INFO_V1(pg_lstm_submit_retrain);
PG_FUNCTION_INFO_V1(pg_lstm_stop);
PG_FUNCTION_INFO_V1(pg_lstm_cancel);
PG_FUNCTION_INFO_V1(pg_lstm_wait);
PG_FUNCTION_INFO_V1(pg_lstm_trainings);

Datum
pg_lstm_submit(PG_FUNCTION_ARGS)
{
	LstmTrainRequest request;
	LstmJobRequest job = {.kind = LSTM_KIND_TRAIN, .role = GetUserId()};
	LstmTrainRun *run = palloc0(sizeof(LstmTrainRun));
	int64		id;

	lstm_need_writable("lstm_submit()");
	lstm_request_read(fcinfo, &request);
	lstm_train_describe(run, &request);
	job.model = run->model;
	job.task = nn_task_name(run->task);
	job.relid = request.relid;
	job.source = run->source.relation;
	job.input = request.input;
	job.target = request.target;
	job.options = request.options;
	id = lstm_job_insert(&job);
	lstm_job_call_at_commit();
	PG_RETURN_INT64(id);
}

Datum
pg_lstm_submit_retrain(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", PG_ARGISNULL(0) ? "model" : "options")));
	PG_RETURN_INT64(lstm_job_submit_retrain(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_JSONB_P(1), NULL));
}

Datum
pg_lstm_stop(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_stop()");
	PG_RETURN_BOOL(lstm_job_ask_stop(PG_GETARG_INT64(0)));
}

Datum
pg_lstm_cancel(PG_FUNCTION_ARGS)
{
	lstm_need_writable("lstm_cancel()");
	PG_RETURN_BOOL(lstm_job_ask_cancel(PG_GETARG_INT64(0)));
}

/* How long an interval is from now on: of months and days the calendar knows. */
static int64
length_ms(Datum interval)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz then = DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval, TimestampTzGetDatum(now), interval));

	return then > now ? (then - now) / 1000 : 0;
}

Datum
pg_lstm_wait(PG_FUNCTION_ARGS)
{
	int64		timeout_ms = -1;
	LstmJobState state;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(1))
		timeout_ms = length_ms(PG_GETARG_DATUM(1));
	lstm_job_wait(PG_GETARG_INT64(0), timeout_ms, &state);
	PG_RETURN_TEXT_P(cstring_to_text(state.state));
}

/* The part of a training's row that comes of its epochs. */
static void
put_epoch(LstmRowBuilder *builder, const NnProgress *now)
{
	if (now->epoch == 0)
	{
		for (int i = 0; i < 9; i++)
			lstm_row_null(builder);
		return;
	}
	lstm_row_integer(builder, now->epoch);
	lstm_row_integer(builder, now->n_epochs);
	lstm_row_datum(builder, Int64GetDatum(now->n_batches_done));
	lstm_row_datum(builder, Int64GetDatum(now->n_batches));
	lstm_row_number(builder, now->loss_train);
	lstm_row_number(builder, now->loss_valid);
	lstm_row_number(builder, now->metric);
	lstm_row_number(builder, now->rows_per_second);
	lstm_row_number(builder, now->seconds_left);
}

Datum
pg_lstm_trainings(PG_FUNCTION_ARGS)
{
	LstmRowBuilder builder;
	Tuplestorestate *set = lstm_set_begin(&builder, fcinfo);
	LstmProgressRow *rows;
	int			n = lstm_progress_list(&rows);

	for (int i = 0; i < n; i++)
	{
		const LstmProgressRow *row = &rows[i];

		if (!has_privs_of_role(GetUserId(), row->role))
			continue;
		lstm_row_integer(&builder, row->pid);
		lstm_row_datum(&builder, ObjectIdGetDatum(row->database));
		lstm_row_datum(&builder, ObjectIdGetDatum(row->role));
		if (row->job != 0)
			lstm_row_datum(&builder, Int64GetDatum(row->job));
		else
			lstm_row_null(&builder);
		lstm_row_text(&builder, row->model);
		lstm_row_text(&builder, nn_task_name(row->task));
		lstm_row_text(&builder, lstm_phase_name(row->phase));
		lstm_row_datum(&builder, TimestampTzGetDatum(row->started));
		lstm_row_datum(&builder, Int64GetDatum(row->n_rows_read));
		put_epoch(&builder, &row->now);
		lstm_row_put(&builder, set);
	}
	return (Datum) 0;
}
