/*
 * sqlapi/fn_write.c: lstm_translate, lstm_alignment, lstm_caption,
 * lstm_generate, lstm_score.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/task.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/value.h"

#define MAX_GENERATED		100000	/* tokens; also what may be asked to choose from */
#define MAX_TEMPERATURE		100.0

PG_FUNCTION_INFO_V1(pg_lstm_translate);
PG_FUNCTION_INFO_V1(pg_lstm_alignment);
PG_FUNCTION_INFO_V1(pg_lstm_caption);
PG_FUNCTION_INFO_V1(pg_lstm_generate);
PG_FUNCTION_INFO_V1(pg_lstm_score);

/* Write by the arguments (model, input, beam).  What is written is core's scratch. */
static void
write_one(FunctionCallInfo fcinfo, NnTask task, bool has_alignment, NnValue *value, NnWritten *written)
{
	const LstmRef *ref = lstm_model_argument(fcinfo, 0);
	const NnModel *model = lstm_cache_get(ref);
	NnWriteOptions options;
	NnError		err = {0};

	lstm_need_task(model, ref->name, task);
	lstm_write_options(&options, lstm_integer_argument(fcinfo, 2, "beam", 1, LSTM_MAX_BEAM));
	lstm_input_argument(fcinfo, 1, value);
	lstm_check(nn_write(model, value, 1, &options, has_alignment, lstm_scratch(), written, NULL, &err), &err);
}

static Datum
written_text(const NnWritten *written)
{
	return CStringGetTextDatum(lstm_from_utf8_bytes(written->text, written->n_bytes));
}

Datum
pg_lstm_translate(PG_FUNCTION_ARGS)
{
	NnValue		value;
	NnWritten	written;

	write_one(fcinfo, NN_TASK_TRANSLATE, false, &value, &written);
	PG_RETURN_DATUM(written_text(&written));
}

Datum
pg_lstm_caption(PG_FUNCTION_ARGS)
{
	NnValue		value;
	NnWritten	written;

	write_one(fcinfo, NN_TASK_CAPTION, false, &value, &written);
	PG_RETURN_DATUM(written_text(&written));
}

Datum
pg_lstm_alignment(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	NnValue		value;
	NnWritten	written;
	LstmRuler	source_ruler;
	LstmRuler	written_ruler;

	write_one(fcinfo, NN_TASK_TRANSLATE, true, &value, &written);
	lstm_ruler_init(&source_ruler, &value);
	lstm_ruler_init_text(&written_ruler, written.text, written.n_bytes);
	for (int w = 0; w < written.n_tokens; w++)
	{
		for (int s = 0; s < written.n_source; s++)
		{
			const NnPiece *to = &written.written[w];
			const NnPiece *from = &written.source[s];

			lstm_row_range(&row, &written_ruler, to->start, to->stop);
			lstm_row_start_stop(&row, to->start, to->stop);
			lstm_row_range(&row, &source_ruler, from->start, from->stop);
			lstm_row_start_stop(&row, from->start, from->stop);
			lstm_row_datum(&row, Float4GetDatum(written.weight[(size_t) w * written.n_source + s]));
			lstm_row_put(&row, set);
		}
	}
	return (Datum) 0;
}

static double
temperature_argument(FunctionCallInfo fcinfo, int n)
{
	double		temperature = PG_GETARG_FLOAT8(n);

	if (!(temperature >= 0.0 && temperature <= MAX_TEMPERATURE))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("argument \"temperature\" must be between 0 and %g, not %g", MAX_TEMPERATURE, temperature),
				 errhint("0 always goes on with the most probable word, 1 as often with each as the model thinks it probable.")));
	return temperature;
}

/* A 0-terminated text in UTF-8. */
static const char *
utf8_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *string = text_to_cstring(PG_GETARG_TEXT_PP(n));
	size_t		n_bytes = strlen(string);

	return lstm_to_utf8(string, &n_bytes);
}

/* (model, prompt, max_tokens, temperature, top_k, seed, stop); only stop may be null. */
Datum
pg_lstm_generate(PG_FUNCTION_ARGS)
{
	const LstmRef *ref;
	const NnModel *model;
	NnWriteOptions options;
	NnWritten	written;
	NnValue		prompt;
	NnError		err = {0};

	for (int i = 0; i < 6; i++)
	{
		if (PG_ARGISNULL(i))
			PG_RETURN_NULL();
	}
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_task(model, ref->name, NN_TASK_LANGUAGE);
	lstm_value_from_text(PG_GETARG_DATUM(1), &prompt);
	lstm_write_options(&options, 1);
	options.max_tokens = lstm_integer_argument(fcinfo, 2, "max_tokens", 1, MAX_GENERATED);
	options.temperature = temperature_argument(fcinfo, 3);
	options.top_k = lstm_integer_argument(fcinfo, 4, "top_k", 0, PG_INT32_MAX);
	options.seed = (uint64) PG_GETARG_INT64(5);
	options.stop = PG_ARGISNULL(6) ? NULL : utf8_argument(fcinfo, 6);
	lstm_check(nn_generate(model, &prompt, &options, lstm_scratch(), &written, &err), &err);
	PG_RETURN_DATUM(written_text(&written));
}

Datum
pg_lstm_score(PG_FUNCTION_ARGS)
{
	const LstmRef *ref = lstm_model_argument(fcinfo, 0);
	const NnModel *model = lstm_cache_get(ref);
	NnLikelihood likelihood;
	NnValue		value;
	NnError		err = {0};

	lstm_need_task(model, ref->name, NN_TASK_LANGUAGE);
	lstm_input_argument(fcinfo, 1, &value);
	lstm_check(nn_likelihood(model, &value, 1, lstm_scratch(), &likelihood, NULL, &err), &err);
	PG_RETURN_FLOAT8(likelihood.sum / (double) Max(likelihood.n_tokens, 1));
}
