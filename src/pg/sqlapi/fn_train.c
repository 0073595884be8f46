/*
 * sqlapi/fn_train.c: lstm_train, lstm_estimate, lstm_options.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "exec/options_json.h"
#include "exec/task.h"
#include "exec/train_run.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "sqlapi/request.h"

PG_FUNCTION_INFO_V1(pg_lstm_train);
PG_FUNCTION_INFO_V1(pg_lstm_estimate);
PG_FUNCTION_INFO_V1(pg_lstm_options);

void
lstm_request_read(FunctionCallInfo fcinfo, LstmTrainRequest *request)
{
	lstm_need_argument(fcinfo, 0, "relation");
	lstm_need_argument(fcinfo, 1, "input");
	lstm_need_argument(fcinfo, 5, "options");
	memset(request, 0, sizeof(*request));
	request->relid = PG_GETARG_OID(0);
	request->input = NameStr(*PG_GETARG_NAME(1));
	request->target = PG_ARGISNULL(2) ? NULL : NameStr(*PG_GETARG_NAME(2));
	request->model = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	request->task = PG_ARGISNULL(4) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(4));
	request->options = PG_GETARG_JSONB_P(5);
}

Datum
pg_lstm_train(PG_FUNCTION_ARGS)
{
	LstmTrainRequest request;
	LstmTrainResult result;
	LstmRowBuilder row;

	lstm_request_read(fcinfo, &request);
	lstm_row_begin(&row, fcinfo);
	lstm_train_run(&request, &result);
	lstm_row_text(&row, result.model);
	lstm_row_datum(&row, Int32GetDatum(result.version));
	lstm_row_text(&row, result.task);
	lstm_row_datum(&row, Int64GetDatum(result.n_rows));
	lstm_row_datum(&row, Int32GetDatum(result.n_epochs));
	lstm_row_datum(&row, Float8GetDatum(result.seconds));
	lstm_row_datum(&row, DirectFunctionCall1(jsonb_in, CStringGetDatum(result.metrics)));
	PG_RETURN_DATUM(lstm_row_value(&row));
}

Datum
pg_lstm_estimate(PG_FUNCTION_ARGS)
{
	LstmTrainRequest request;
	NnPlan		plan;
	LstmRowBuilder row;

	lstm_request_read(fcinfo, &request);
	lstm_row_begin(&row, fcinfo);
	lstm_train_plan(&request, &plan);
	lstm_row_datum(&row, Int64GetDatum(plan.n_rows));
	lstm_row_datum(&row, Int64GetDatum(plan.n_tokens));
	lstm_row_datum(&row, Int64GetDatum(plan.n_words));
	lstm_row_datum(&row, Int64GetDatum(plan.n_parameters));
	lstm_row_datum(&row, Int64GetDatum((int64) plan.peak_bytes));
	lstm_row_datum(&row, Float8GetDatum(plan.seconds));
	PG_RETURN_DATUM(lstm_row_value(&row));
}

Datum
pg_lstm_options(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	unsigned	tasks = ~0u;
	const NnOptionInfo *table;
	int			n;

	if (!PG_ARGISNULL(0))
		tasks = 1u << lstm_task_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	table = nn_options_table(&n);
	for (int i = 0; i < n; i++)
	{
		char		range[256];

		if ((table[i].tasks & tasks) == 0)
			continue;
		nn_options_range(&table[i], range, sizeof(range));
		lstm_row_text(&row, table[i].name);
		lstm_row_text(&row, lstm_option_kind_name(table[i].kind));
		lstm_row_text(&row, table[i].default_text);
		lstm_row_text(&row, range);
		lstm_row_text(&row, table[i].meaning);
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}
