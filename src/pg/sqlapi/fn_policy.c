/*
 * sqlapi/fn_policy.c: lstm_drift, lstm_policy, lstm_drop_policy, lstm_maintain.
 */
#include "glue/compat.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

#include "exec/drift.h"
#include "exec/policy.h"
#include "glue/result.h"
#include "job/job.h"
#include "store/change.h"
#include "store/history.h"

PG_FUNCTION_INFO_V1(pg_lstm_drift);
PG_FUNCTION_INFO_V1(pg_lstm_policy);
PG_FUNCTION_INFO_V1(pg_lstm_drop_policy);
PG_FUNCTION_INFO_V1(pg_lstm_maintain);

/* ---- drift ----------------------------------------------------------------------- */

/* By custom a PSI below 0.1 is nothing; one that chance gives is nothing either. */
#define MOVED_PSI 0.1

/* A share of unknown words that is so much higher has moved, however small it is. */
#define MOVED_RATE 1.5

static void
put_shift(LstmRowBuilder *row, Tuplestorestate *set, const char *measure, double before, double now,
		  LstmShift shift, bool has_moved)
{
	lstm_row_text(row, measure);
	lstm_row_number(row, before);
	lstm_row_number(row, now);
	lstm_row_number(row, shift.psi);
	lstm_row_number(row, shift.chance);
	lstm_row_datum(row, BoolGetDatum(has_moved && shift.psi > shift.chance));
	lstm_row_put(row, set);
}

static void
put_drift(LstmRowBuilder *row, Tuplestorestate *set, const LstmDrift *drift)
{
	LstmShift	shift;

	if (drift->has_words)
	{
		double		before = lstm_unknown_rate(drift, LSTM_BEFORE);
		double		now = lstm_unknown_rate(drift, LSTM_NOW);

		put_shift(row, set, "unknown words", before, now, lstm_unknown_shift(drift), now > MOVED_RATE * before);
	}
	shift = lstm_length_shift(drift);
	put_shift(row, set, "length", lstm_mean_length(drift, LSTM_BEFORE), lstm_mean_length(drift, LSTM_NOW), shift,
			  shift.psi >= MOVED_PSI);
	if (drift->n_labels == 0)
		return;
	shift = lstm_answer_shift(drift);
	put_shift(row, set, "answers", NAN, NAN, shift, shift.psi >= MOVED_PSI);
}

/* The column that was given, or that of the model's training. */
static const char *
input_column(FunctionCallInfo fcinfo, int n, const LstmModelRow *model)
{
	LstmOrigin	origin;

	if (!PG_ARGISNULL(n))
		return NameStr(*PG_GETARG_NAME(n));
	lstm_read_origin(&model->id, &origin);
	if (origin.input == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"input\" is missing"),
				 errdetail("Model \"%s\" was imported: it is not known which column it reads.", model->name)));
	return origin.input;
}

Datum
pg_lstm_drift(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set;
	LstmModelRow model;
	LstmDrift	drift;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", PG_ARGISNULL(0) ? "model" : "relation")));
	set = lstm_set_begin(&row, fcinfo);
	lstm_need_model(text_to_cstring(PG_GETARG_TEXT_PP(0)), &model);
	lstm_drift(&model, PG_GETARG_OID(1), input_column(fcinfo, 2, &model), NULL, &drift);
	put_drift(&row, set, &drift);
	return (Datum) 0;
}

/* ---- policies --------------------------------------------------------------------- */

/* A number within (low, high], or NAN if it is null. */
static double
number_argument(FunctionCallInfo fcinfo, int n, const char *name, double high)
{
	double		number;

	if (PG_ARGISNULL(n))
		return NAN;
	number = PG_GETARG_FLOAT8(n);
	if (!(number > 0.0 && number <= high))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"%s\" must be above 0 and at most %g", name, high)));
	return number;
}

/* (model, new_rows, max_age, unknown_rate, class_psi, accuracy_drop, labeled_at, not_more_often, hours_from, hours_to, options) */
Datum
pg_lstm_policy(PG_FUNCTION_ARGS)
{
	LstmPolicy	policy = {0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(7) || PG_ARGISNULL(10))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", PG_ARGISNULL(0) ? "model" :
						PG_ARGISNULL(7) ? "not_more_often" : "options")));
	lstm_need_writable("lstm_policy()");
	if (!PG_ARGISNULL(1))
	{
		policy.new_rows = PG_GETARG_INT64(1);
		if (policy.new_rows < 1)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("argument \"new_rows\" must be at least 1")));
	}
	policy.max_age = PG_ARGISNULL(2) ? NULL : PG_GETARG_INTERVAL_P(2);
	policy.unknown_rate = number_argument(fcinfo, 3, "unknown_rate", 1.0);
	policy.class_psi = number_argument(fcinfo, 4, "class_psi", 100.0);
	policy.accuracy_drop = number_argument(fcinfo, 5, "accuracy_drop", 1.0);
	policy.labeled_at = PG_ARGISNULL(6) ? NULL : NameStr(*PG_GETARG_NAME(6));
	policy.not_more_often = PG_GETARG_INTERVAL_P(7);
	policy.has_hours = !PG_ARGISNULL(8);
	if (PG_ARGISNULL(8) != PG_ARGISNULL(9))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("hours_from and hours_to must be given together")));
	if (policy.has_hours)
	{
		policy.hours_from = PG_GETARG_TIMEADT(8);
		policy.hours_to = PG_GETARG_TIMEADT(9);
	}
	policy.options = PG_GETARG_JSONB_P(10);
	lstm_set_policy(text_to_cstring(PG_GETARG_TEXT_PP(0)), &policy);
	PG_RETURN_VOID();
}

Datum
pg_lstm_drop_policy(PG_FUNCTION_ARGS)
{
	LstmModelRow row;

	lstm_need_writable("lstm_drop_policy()");
	lstm_need_own_model(text_to_cstring(PG_GETARG_TEXT_PP(0)), &row);
	PG_RETURN_BOOL(lstm_delete_policy(&row));
}

typedef struct MaintainSet
{
	LstmRowBuilder row;
	Tuplestorestate *set;
} MaintainSet;

static void
tell(void *ctx, const LstmMaintained *done)
{
	MaintainSet *m = ctx;

	lstm_row_text(&m->row, done->model);
	lstm_row_text(&m->row, done->action);
	lstm_row_text(&m->row, done->reason);
	if (done->version > 0)
		lstm_row_datum(&m->row, Int32GetDatum(done->version));
	else
		lstm_row_null(&m->row);
	lstm_row_number(&m->row, done->seconds);
	if (done->job != 0)
		lstm_row_datum(&m->row, Int64GetDatum(done->job));
	else
		lstm_row_null(&m->row);
	lstm_row_put(&m->row, m->set);
}

/* (in_background): NULL means wherever jobs can run. */
Datum
pg_lstm_maintain(PG_FUNCTION_ARGS)
{
	bool		in_background = PG_ARGISNULL(0) ? lstm_job_can_start() : PG_GETARG_BOOL(0);
	MaintainSet m;

	m.set = lstm_set_begin(&m.row, fcinfo);
	lstm_maintain(in_background ? &lstm_job_retrain_queue : NULL, tell, &m);
	return (Datum) 0;
}
