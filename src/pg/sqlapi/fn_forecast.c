/*
 * sqlapi/fn_forecast.c: lstm_forecast.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/memutils.h"

#include "model/forecast.h"

#include "exec/predict.h"
#include "exec/task.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"

PG_FUNCTION_INFO_V1(pg_lstm_forecast);

/* One row for each step and channel: the outer quantiles and the median. */
static void
put_forecast(const NnModel *model, const float *out, int n_steps, LstmRowBuilder *row, Tuplestorestate *set)
{
	int			Q = model->spec.n_quantiles;

	for (int t = 0; t < n_steps; t++)
	{
		for (int c = 0; c < model->n_channels; c++)
		{
			const float *quantile = out + ((size_t) t * model->n_channels + c) * Q;

			lstm_row_integer(row, t + 1);
			lstm_row_integer(row, c + 1);
			lstm_row_datum(row, Float8GetDatum(lstm_number_double(quantile[0])));
			lstm_row_datum(row, Float8GetDatum(lstm_number_double(quantile[Q / 2])));
			lstm_row_datum(row, Float8GetDatum(lstm_number_double(quantile[Q - 1])));
			lstm_row_put(row, set);
		}
	}
}

Datum
pg_lstm_forecast(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const LstmRef *ref;
	const NnModel *model;
	NnValue		value;
	NnError		err = {0};
	float	   *out;
	int			n_steps;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_task(model, ref->name, NN_TASK_FORECAST);
	n_steps = PG_ARGISNULL(2) ? model->spec.horizon : lstm_integer_argument(fcinfo, 2, "steps", 1, NN_MAX_HORIZON);
	lstm_input_argument(fcinfo, 1, &value);
	out = palloc_extended(sizeof(float) * n_steps * model->n_channels * model->spec.n_quantiles, MCXT_ALLOC_HUGE);
	lstm_check(nn_forecast(model, &value, n_steps, lstm_scratch(), out, &err), &err);
	put_forecast(model, out, n_steps, &row, set);
	return (Datum) 0;
}
