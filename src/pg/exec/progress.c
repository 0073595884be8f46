/*
 * exec/progress.c: core's progress reports, as NOTICEs to whoever waits and in shared
 * memory for all.
 *
 * A NOTICE is a line at the end of each epoch and at most one in INTERVAL_S between.  A
 * training that is over within INTERVAL_S says nothing.  A job has nobody who waits.
 *
 * pg_stat_activity shows of a job's process what it does, and of a session's query how far
 * it is, in a comment before the query, so that it is seen however long the query is.
 */
#include "glue/compat.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "tcop/tcopprot.h"
#include "utils/timestamp.h"

#include "exec/progress.h"
#include "exec/task.h"
#include "glue/settings.h"

#define INTERVAL_S 2.0

static void
append_time(StringInfo line, double seconds)
{
	if (seconds >= 90.0)
		appendStringInfo(line, "%.0f min", seconds / 60.0);
	else
		appendStringInfo(line, "%.0f s", seconds);
}

/* ---- for all ------------------------------------------------------------------ */

const char *
lstm_phase_name(LstmPhase phase)
{
	static const char *const names[] = {
		[LSTM_PHASE_READING] = "reading",
		[LSTM_PHASE_PLANNING] = "planning",
		[LSTM_PHASE_TRAINING] = "training",
		[LSTM_PHASE_REFITTING] = "refitting",
		[LSTM_PHASE_COMPARING] = "comparing",
		[LSTM_PHASE_STORING] = "storing",
	};

	return names[phase];
}

/* What a process does, in words. */
static void
say(const LstmProgress *state, StringInfo line)
{
	const LstmProgressRow *row = &state->row;

	appendStringInfo(line, "%s model \"%s\"", lstm_phase_name(row->phase), row->model);
	if (row->now.epoch > 0)
		appendStringInfo(line, ", epoch %d of %d", row->now.epoch, row->now.n_epochs);
}

/* The query that the session runs, as before it began to train. */
static void
show_query(void)
{
	if (debug_query_string != NULL)
		lstm_report_query(debug_query_string);
}

static void
show(LstmProgress *state)
{
	StringInfoData line;

	lstm_progress_fill_slot(state->slot, &state->row);
	if (state->job == 0 && (state->slot < 0 || debug_query_string == NULL))
		return;
	initStringInfo(&line);
	if (state->job != 0)
	{
		appendStringInfo(&line, "job " INT64_FORMAT ": ", state->job);
		say(state, &line);
		pgstat_report_activity(STATE_RUNNING, line.data);
	}
	else
	{
		appendStringInfoString(&line, "/* ");
		say(state, &line);
		appendStringInfo(&line, " */ %s", debug_query_string);
		lstm_report_query(line.data);
	}
	pfree(line.data);
}

void
lstm_progress_begin(LstmProgress *state, MemoryContext context, const char *model, NnTask task)
{
	LstmProgressRow *row = &state->row;

	state->task = task;
	state->slot = lstm_progress_take_slot(context, state->job == 0 ? show_query : NULL);
	row->pid = MyProcPid;
	row->database = MyDatabaseId;
	row->role = OidIsValid(state->role) ? state->role : GetUserId();
	row->job = state->job;
	strlcpy(row->model, model, sizeof(row->model));
	row->task = task;
	row->started = GetCurrentTimestamp();
	show(state);
}

void
lstm_progress_phase(LstmProgress *state, LstmPhase phase)
{
	state->last = 0.0;
	state->row.phase = phase;
	show(state);
}

/* Of a refit epochs are counted anew. */
static void
show_report(LstmProgress *state, const NnProgress *progress)
{
	LstmProgressRow *row = &state->row;

	if (row->phase == LSTM_PHASE_TRAINING && progress->epoch < row->now.epoch)
		row->phase = LSTM_PHASE_REFITTING;
	row->now = *progress;
	show(state);
}

/* ---- for whoever waits ---------------------------------------------------------- */

void
lstm_progress_report(void *arg, const NnProgress *progress)
{
	LstmProgress *state = arg;
	StringInfoData line;

	show_report(state, progress);
	if (!lstm_progress || progress->seconds < INTERVAL_S || state->job != 0)
		return;
	if (!progress->is_epoch_end && progress->seconds < state->last + INTERVAL_S)
		return;
	state->last = progress->seconds;

	initStringInfo(&line);
	appendStringInfo(&line, "epoch %d of %d", progress->epoch, progress->n_epochs);
	if (!progress->is_epoch_end && progress->n_rows > 0)
		appendStringInfo(&line, " at %d%%", (int) (100 * progress->n_rows_done / progress->n_rows));
	if (isfinite(progress->loss_train))
		appendStringInfo(&line, ": loss %.4f", progress->loss_train);
	if (progress->is_epoch_end && isfinite(progress->metric))
		appendStringInfo(&line, ", held-out %s %.4f",
						 lstm_task_metric(state->task), progress->metric);
	appendStringInfo(&line, ", %.0f rows/s", progress->rows_per_second);
	if (isfinite(progress->seconds_left))
	{
		appendStringInfoString(&line, ", ");
		append_time(&line, progress->seconds_left);
		appendStringInfoString(&line, " left");
	}
	ereport(NOTICE, (errmsg_internal("%s", line.data)));
	pfree(line.data);
}

void
lstm_progress_reading(LstmProgress *state, int64 n_rows, double seconds)
{
	state->row.n_rows_read = n_rows;
	lstm_progress_fill_slot(state->slot, &state->row);
	if (!lstm_progress || seconds < state->last + INTERVAL_S || state->job != 0)
		return;
	state->last = seconds;
	ereport(NOTICE, (errmsg_internal("read " INT64_FORMAT " rows", n_rows)));
}
