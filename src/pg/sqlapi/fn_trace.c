/*
 * sqlapi/fn_trace.c: lstm_trace, lstm_gradients.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "model/trace.h"

#include "exec/predict.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"

PG_FUNCTION_INFO_V1(pg_lstm_trace);
PG_FUNCTION_INFO_V1(pg_lstm_gradients);

/* The token's columns; a step of numbers has none but its position. */
static void
put_token(LstmRowBuilder *row, const NnTraceStep *step)
{
	if (step->bytes != NULL)
	{
		lstm_row_utf8(row, step->bytes, step->n_bytes);
		lstm_row_start_stop(row, step->start, step->stop);
		return;
	}
	for (int i = 0; i < 3; i++)
		lstm_row_null(row);
}

Datum
pg_lstm_trace(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const NnModel *model = lstm_cache_get(lstm_model_argument(fcinfo, 0));
	int			n_of_token = model->spec.n_layers * (model->spec.is_bidirectional ? 2 : 1);
	NnValue		value;
	NnTraced	traced;
	NnError		err = {0};

	lstm_input_argument(fcinfo, 1, &value);
	lstm_check(nn_trace(model, &value, lstm_scratch(), &traced, &err), &err);
	for (int64 i = 0; i < traced.n; i++)
	{
		const NnTraceStep *step = &traced.step[i];

		lstm_row_integer(&row, i / n_of_token + 1);
		put_token(&row, step);
		lstm_row_integer(&row, step->layer + 1);
		lstm_row_text(&row, step->is_reverse ? "backward" : "forward");
		lstm_row_reals(&row, step->forget, traced.hidden);
		lstm_row_reals(&row, step->input, traced.hidden);
		lstm_row_reals(&row, step->candidate, traced.hidden);
		lstm_row_reals(&row, step->output, traced.hidden);
		lstm_row_reals(&row, step->cell, traced.hidden);
		lstm_row_reals(&row, step->hidden, traced.hidden);
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}

static void
version_asked(FunctionCallInfo fcinfo, LstmRef *ref)
{
	if (PG_ARGISNULL(1))
		*ref = *lstm_model_argument(fcinfo, 0);
	else
		lstm_numbered_version(text_to_cstring(PG_GETARG_TEXT_PP(0)), lstm_version_argument(fcinfo, 1), ref);
}

/* (model, version) */
Datum
pg_lstm_gradients(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmEpochRow *epochs;
	LstmRef		ref;
	int			n;

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	version_asked(fcinfo, &ref);
	n = lstm_read_epochs(&ref, &epochs);
	for (int e = 0; e < n; e++)
	{
		for (int d = 0; d < epochs[e].n_distances; d++)
		{
			lstm_row_integer(&row, epochs[e].epoch);
			lstm_row_integer(&row, d);
			lstm_row_number(&row, epochs[e].gradient[d]);
			lstm_row_number(&row, epochs[e].share_clipped);
			lstm_row_put(&row, set);
		}
	}
	return (Datum) 0;
}
