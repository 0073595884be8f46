/*
 * job/job_table.c: rows of lstm_job.
 *
 * A row is a request and, at its end, what came of it.  In between it says what was asked
 * of the job, and how far it got ahead; never that it is running.
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "job/job.h"
#include "store/catalog.h"

/* Jobs that ended so long ago are forgotten when another ends. */
#define FORGET_AFTER "interval '90 days'"

static const char *const outcome_names[] = {
	[LSTM_JOB_DONE] = "done",
	[LSTM_JOB_STOPPED] = "stopped",
	[LSTM_JOB_FAILED] = "failed",
	[LSTM_JOB_CANCELED] = "canceled",
};

/* A JSON object of the first row of the result, or NULL. */
static Jsonb *
result_jsonb(int column)
{
	bool		is_null;
	Datum		value = lstm_owner_result(column, &is_null);

	return is_null ? NULL : DatumGetJsonbPCopy(value);
}

/* A text of the first row of the result, or NULL. */
static char *
result_text(int column)
{
	bool		is_null;
	Datum		value = lstm_owner_result(column, &is_null);

	return is_null ? NULL : TextDatumGetCString(value);
}

static int64
result_number(int column, int64 if_null)
{
	bool		is_null;
	Datum		value = lstm_owner_result(column, &is_null);

	return is_null ? if_null : DatumGetInt64(value);
}

/* ---- one statement ------------------------------------------------------------------ */

static uint64
run(const char *statement, LstmArgs *args)
{
	LstmOwnerScope scope;
	uint64		n;

	lstm_owner_begin(&scope);
	n = lstm_owner_run(statement, args);
	lstm_owner_end(&scope);
	return n;
}

/* The number that it returns, 0 if it returns no row. */
static int64
run_for_number(const char *statement, LstmArgs *args)
{
	LstmOwnerScope scope;
	int64		number = 0;

	lstm_owner_begin(&scope);
	if (lstm_owner_run(statement, args) > 0)
		number = result_number(1, 0);
	lstm_owner_end(&scope);
	return number;
}

/* Arguments whose first is a job. */
static LstmArgs
args_of(int64 id)
{
	LstmArgs	args = {0};

	lstm_arg(&args, INT8OID, Int64GetDatum(id));
	return args;
}

/* ---- submit ------------------------------------------------------------------------- */

int64
lstm_job_insert(const LstmJobRequest *request)
{
	LstmArgs	args = {0};

	lstm_arg_text(&args, request->kind);
	lstm_arg(&args, OIDOID, ObjectIdGetDatum(request->role));
	lstm_arg_text(&args, request->model);
	lstm_arg_text(&args, request->task);
	lstm_arg(&args, OIDOID, ObjectIdGetDatum(request->relid));
	lstm_arg_text(&args, request->source);
	lstm_arg_text(&args, request->input);
	lstm_arg_text(&args, request->target);
	lstm_arg(&args, JSONBOID, JsonbPGetDatum(request->options));
	lstm_arg(&args, JSONBOID, JsonbPGetDatum(lstm_job_settings()));
	lstm_arg_text(&args, request->reason);
	return run_for_number("INSERT INTO %s.lstm_job (kind, role, model, task, relation, source, input, target, options,"
						  " settings, reason)"
						  " VALUES ($1, $2::regrole, $3, $4, $5::regclass, $6, $7, $8, $9, $10, $11) RETURNING id",
						  &args);
}

int64
lstm_job_open(const char *kind, const char *model)
{
	LstmArgs	args = {0};

	lstm_arg_text(&args, kind);
	lstm_arg_text(&args, model);
	return run_for_number("SELECT id FROM %s.lstm_job WHERE finished IS NULL AND kind = $1 AND model = $2"
						  " ORDER BY id LIMIT 1", &args);
}

/* ---- what a process needs --------------------------------------------------------------- */

int64
lstm_job_next_open(int64 after, char **model)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = args_of(after);
	int64		id = 0;

	lstm_owner_begin(&scope);
	if (lstm_owner_run("SELECT id, model FROM %s.lstm_job WHERE finished IS NULL AND id > $1 ORDER BY id LIMIT 1",
					   &args) > 0)
	{
		id = result_number(1, 0);
		*model = MemoryContextStrdup(caller, result_text(2));
	}
	lstm_owner_end(&scope);
	return id;
}

/* The columns of the UPDATE in lstm_job_start(). */
static void
fill_job(int64 id, LstmJob *job)
{
	bool		is_null;

	job->id = id;
	job->role = DatumGetObjectId(lstm_owner_result(1, &is_null));
	job->kind = result_text(2);
	job->model = result_text(3);
	job->task = result_text(4);
	job->relid = DatumGetObjectId(lstm_owner_result(5, &is_null));
	job->source = result_text(6);
	job->input = result_text(7);
	job->target = result_text(8);
	job->options = result_jsonb(9);
	job->settings = result_jsonb(10);
	job->barren_starts = DatumGetInt32(lstm_owner_result(11, &is_null));
	job->rows_read = result_number(12, -1);
	job->rows_skipped = result_number(13, 0);
	job->input_kind = result_text(14);
	job->read_as = result_text(15);
	job->has_row_security = DatumGetBool(lstm_owner_result(16, &is_null)) && !is_null;
	job->record = result_jsonb(17);
}

bool
lstm_job_start(int64 id, LstmJob *job)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext old;
	LstmOwnerScope scope;
	LstmArgs	args = args_of(id);
	bool		is_there;

	lstm_owner_begin(&scope);
	is_there = lstm_owner_run("UPDATE %s.lstm_job SET started = coalesce(started, clock_timestamp()), starts = starts + 1,"
							  " barren_starts = barren_starts + 1 WHERE id = $1 AND finished IS NULL"
							  " RETURNING role::oid, kind, model, task, relation::oid, source, input, target, options,"
							  " settings, barren_starts, rows_read, rows_skipped, input_kind, read_as, row_security,"
							  " record", &args) > 0;
	if (is_there)
	{
		old = MemoryContextSwitchTo(caller);
		fill_job(id, job);
		MemoryContextSwitchTo(old);
	}
	lstm_owner_end(&scope);
	return is_there;
}

void
lstm_job_have_read(const LstmJob *job)
{
	LstmArgs	args = args_of(job->id);

	lstm_arg(&args, INT8OID, Int64GetDatum(job->rows_read));
	lstm_arg(&args, INT8OID, Int64GetDatum(job->rows_skipped));
	lstm_arg_text(&args, job->input_kind);
	lstm_arg_text(&args, job->read_as);
	lstm_arg(&args, BOOLOID, BoolGetDatum(job->has_row_security));
	lstm_arg_text(&args, job->source);
	lstm_arg_text(&args, job->input);
	lstm_arg_text(&args, job->target);
	lstm_arg(&args, JSONBOID, JsonbPGetDatum(job->record));
	args.nulls[args.n - 1] = job->record != NULL ? ' ' : 'n';
	(void) run("UPDATE %s.lstm_job SET rows_read = $2, rows_skipped = $3, input_kind = $4, read_as = $5,"
			   " row_security = $6, source = $7, input = $8, target = $9, record = $10, barren_starts = 0"
			   " WHERE id = $1", &args);
}

void
lstm_job_saved(int64 id)
{
	LstmArgs	args = args_of(id);

	(void) run("UPDATE %s.lstm_job SET saved = clock_timestamp(), barren_starts = 0 WHERE id = $1", &args);
}

void
lstm_job_notice(int64 id, const char *notice)
{
	LstmArgs	args = args_of(id);

	lstm_arg_text(&args, notice);
	(void) run("UPDATE %s.lstm_job SET notice = $2 WHERE id = $1", &args);
}

/* ---- the end -------------------------------------------------------------------------- */

/* The policy that asked for a retraining learns what became of it. */
#define TELL_POLICY \
	"UPDATE %s.lstm_policy p SET last_run = clock_timestamp(), last_result = CASE" \
	" WHEN d.went_live THEN 'deployed: ' || j.reason || ' ' || d.reason" \
	" WHEN NOT d.went_live THEN 'kept: ' || j.reason || ' ' || d.reason" \
	" ELSE j.outcome || ': ' || concat_ws(': ', j.error, j.error_detail) END" \
	" FROM %s.lstm_job j JOIN %s.lstm_model m ON m.name = j.model" \
	" LEFT JOIN %s.lstm_decision d ON d.model = m.id AND d.version = j.version" \
	" WHERE j.id = $1 AND j.reason IS NOT NULL AND p.model = m.id"

/* A job that has ended is only a row, and others behind it are forgotten some day. */
static void
clean_up(int64 id)
{
	LstmArgs	args = args_of(id);
	LstmArgs	none = {0};

	(void) run(TELL_POLICY, &args);
	(void) run("DELETE FROM %s.lstm_job_chunk WHERE job = $1", &args);
	(void) run("DELETE FROM %s.lstm_job_wish w WHERE NOT EXISTS"
			   " (SELECT FROM %s.lstm_job j WHERE j.id = w.job AND j.finished IS NULL)", &none);
	(void) run("DELETE FROM %s.lstm_job WHERE finished < now() - " FORGET_AFTER, &none);
}

bool
lstm_job_end(int64 id, LstmOutcome outcome, int version, const ErrorData *error)
{
	LstmArgs	args = args_of(id);

	lstm_arg_text(&args, outcome_names[outcome]);
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	lstm_arg_text(&args, error != NULL ? unpack_sql_state(error->sqlerrcode) : NULL);
	lstm_arg_text(&args, error != NULL ? error->message : NULL);
	lstm_arg_text(&args, error != NULL ? error->detail : NULL);
	lstm_arg_text(&args, error != NULL ? error->hint : NULL);
	lstm_arg_text(&args, error != NULL ? error->context : NULL);
	if (run("UPDATE %s.lstm_job SET finished = clock_timestamp(), outcome = $2, version = nullif($3, 0),"
			" error_code = $4, error = $5, error_detail = $6, error_hint = $7, error_context = $8"
			" WHERE id = $1 AND finished IS NULL", &args) == 0)
		return false;
	clean_up(id);
	return true;
}

/* ---- what users ask ---------------------------------------------------------------------- */

/* The lock of who works on job j. */
#define JOIN_LOCK \
	" LEFT JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 7401 AND l.mode = 'ExclusiveLock' AND l.granted" \
	" AND l.database = $2 AND l.classid = (j.id >> 32)::oid AND l.objid = (j.id & 4294967295)::oid"

int
lstm_job_count_idle(void)
{
	LstmArgs	args = args_of(0);

	lstm_arg(&args, OIDOID, ObjectIdGetDatum(MyDatabaseId));
	return (int) run_for_number("SELECT count(*) FROM %s.lstm_job j" JOIN_LOCK
								" WHERE j.finished IS NULL AND j.id > $1 AND l.pid IS NULL", &args);
}

/* As the view lstm_jobs says it. */
static const char *
state_name(const LstmJobState *state)
{
	if (RecoveryInProgress())
		return "unknown";
	if (state->pid == 0)
		return state->has_started ? "interrupted" : "queued";
	return state->wants_cancel ? "canceling" : state->wants_stop ? "stopping" : "running";
}

static void
fill_state(LstmJobState *state)
{
	bool		is_null;
	TransactionId xmin;
	char	   *outcome = result_text(2);

	memset(state, 0, sizeof(*state));
	state->role = DatumGetObjectId(lstm_owner_result(1, &is_null));
	state->has_ended = outcome != NULL;
	state->pid = DatumGetInt32(lstm_owner_result(3, &is_null));
	if (is_null)
		state->pid = 0;
	state->has_started = DatumGetBool(lstm_owner_result(4, &is_null));
	state->wants_stop = DatumGetBool(lstm_owner_result(5, &is_null));
	state->wants_cancel = DatumGetBool(lstm_owner_result(6, &is_null));
	xmin = DatumGetTransactionId(lstm_owner_result(7, &is_null));
	state->is_uncommitted = TransactionIdIsCurrentTransactionId(xmin) && !state->has_started;
	strlcpy(state->state, outcome != NULL ? outcome : state_name(state), sizeof(state->state));
}

bool
lstm_job_look(int64 id, LstmJobState *state)
{
	LstmOwnerScope scope;
	LstmArgs	args = args_of(id);
	bool		is_there;

	/* REPEATABLE READ would show the same for ever */
	PushActiveSnapshot(GetLatestSnapshot());
	lstm_owner_begin(&scope);
	lstm_arg(&args, OIDOID, ObjectIdGetDatum(MyDatabaseId));
	is_there = lstm_owner_look("SELECT j.role::oid, j.outcome, l.pid, j.starts > 0,"
							   " EXISTS (SELECT FROM %s.lstm_job_wish w WHERE w.job = j.id AND w.wish = 'stop'),"
							   " EXISTS (SELECT FROM %s.lstm_job_wish w WHERE w.job = j.id AND w.wish = 'cancel'), j.xmin"
							   " FROM %s.lstm_job j" JOIN_LOCK " WHERE j.id = $1", &args) > 0;
	if (is_there)
		fill_state(state);
	lstm_owner_end(&scope);
	PopActiveSnapshot();
	return is_there;
}

void
lstm_job_need(int64 id, LstmJobState *state)
{
	if (!lstm_job_look(id, state))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("job " INT64_FORMAT " does not exist", id),
				 errhint("The view lstm_jobs lists your jobs.")));
	if (!has_privs_of_role(GetUserId(), state->role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for job " INT64_FORMAT, id),
				 errhint("The role that submitted a job, its members and superusers may command it.")));
}

static void
wish(int64 id, const char *what)
{
	LstmArgs	args = args_of(id);

	lstm_arg_text(&args, what);
	(void) run("INSERT INTO %s.lstm_job_wish (job, wish) VALUES ($1, $2)", &args);
}

/* End a job that nobody works on. */
static void
end_idle(int64 id)
{
	ErrorData	error = {0};

	error.sqlerrcode = ERRCODE_QUERY_CANCELED;
	error.message = psprintf("canceled by role \"%s\"", GetUserNameFromId(GetUserId(), false));
	(void) lstm_job_end(id, LSTM_JOB_CANCELED, 0, &error);
}

bool
lstm_job_ask_cancel(int64 id)
{
	LstmJobState state;

	lstm_job_need(id, &state);
	if (state.has_ended)
		return false;
	if (lstm_lock_hold_off(id))
	{
		end_idle(id);
		return true;
	}
	wish(id, "cancel");
	lstm_job_need(id, &state);
	lstm_job_nudge_at_commit(state.pid, true);
	lstm_job_call_at_commit();
	return true;
}

/* Of a job that never began there is nothing to keep. */
bool
lstm_job_ask_stop(int64 id)
{
	LstmJobState state;

	lstm_job_need(id, &state);
	if (state.has_ended)
		return false;
	if (!state.has_started && lstm_lock_hold_off(id))
	{
		lstm_job_need(id, &state);
		if (!state.has_started)
		{
			end_idle(id);
			return true;
		}
	}
	wish(id, "stop");
	lstm_job_nudge_at_commit(state.pid, false);
	lstm_job_call_at_commit();
	return true;
}
