/*
 * exec/progress.c: core's progress reports as NOTICEs to whoever waits.
 *
 * A line at the end of each epoch and at most one in INTERVAL_S between.  A
 * training that is over within INTERVAL_S says nothing.
 */
#include "glue/compat.h"

#include <math.h>

#include "lib/stringinfo.h"

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

void
lstm_progress_report(void *arg, const NnProgress *progress)
{
	LstmProgress *state = arg;
	StringInfoData line;

	if (!lstm_progress || progress->seconds < INTERVAL_S)
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
	if (!lstm_progress || seconds < state->last + INTERVAL_S)
		return;
	state->last = seconds;
	ereport(NOTICE, (errmsg_internal("read " INT64_FORMAT " rows", n_rows)));
}
