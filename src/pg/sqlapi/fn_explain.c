/*
 * sqlapi/fn_explain.c: lstm_explain, lstm_highlight.
 */
#include "glue/compat.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "model/options.h"

#include "exec/explain.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"

PG_FUNCTION_INFO_V1(pg_lstm_explain);
PG_FUNCTION_INFO_V1(pg_lstm_highlight);

/* Argument n, one of two words; is it the second?  NULL is the first. */
static bool
is_second(FunctionCallInfo fcinfo, int n, const char *name, const char *const words[2])
{
	char	   *word;
	const char *nearest;

	if (PG_ARGISNULL(n))
		return false;
	word = text_to_cstring(PG_GETARG_TEXT_PP(n));
	for (int i = 0; i < 2; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return i == 1;
	}
	nearest = nn_nearest(word, words, 2);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" cannot be \"%s\"", name, word),
			 errdetail("It is \"%s\" or \"%s\".", words[0], words[1]),
			 nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest) : 0));
	pg_unreachable();
}

static void
options_of(FunctionCallInfo fcinfo, const NnModel *model, const char *model_name, NnExplainOptions *options)
{
	static const char *const units[2] = {"word", "token"};
	static const char *const scores[2] = {"logit", "margin"};
	const NnSpec *spec = &model->spec;

	memset(options, 0, sizeof(*options));
	options->unit = is_second(fcinfo, 3, "units", units) ? NN_EXPLAIN_TOKENS : NN_EXPLAIN_WORDS;
	options->score = is_second(fcinfo, 4, "score_as", scores) ? NN_EXPLAIN_MARGIN : NN_EXPLAIN_LOGIT;
	if (options->score == NN_EXPLAIN_MARGIN &&
		(spec->task != NN_TASK_CLASSIFY || spec->is_multi_label || spec->n_outputs < 2))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no margin between labels", model_name),
				 errdetail("A margin is the distance of one label from others that exclude it."),
				 errhint("Leave \"score_as\" away.")));
	if (PG_ARGISNULL(5))
		return;
	if (spec->task != NN_TASK_TAG)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has one answer for the whole input", model_name),
				 errdetail("Only a model of task tag answers at each place."),
				 errhint("Leave \"place\" away.")));
	options->position = lstm_integer_argument(fcinfo, 5, "place", 1, INT_MAX);
}

/* The row's first columns: what the part is, and its weight. */
static void
put_part(LstmRowBuilder *row, const NnExplainPart *part)
{
	if (part->bytes != NULL)
		lstm_row_utf8(row, part->bytes, part->n_bytes);
	else
		lstm_row_null(row);
	lstm_row_start_stop(row, part->start, part->stop);
	if (part->is_read)
		lstm_row_number(row, part->weight);
	else
		lstm_row_null(row);
	if (part->bytes == NULL)
		lstm_row_integer(row, part->channel + 1);
	else
		lstm_row_null(row);
}

/* (model, input, label, units, score_as, place) */
Datum
pg_lstm_explain(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const LstmRef *ref;
	const NnModel *model;
	const NnExplanation *explanation;
	NnExplainOptions options;
	NnValue		value;
	int32_t		label;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_explained(model, ref->name);
	options_of(fcinfo, model, ref->name, &options);
	label = lstm_label_number(model, ref->name, PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
	lstm_input_argument(fcinfo, 1, &value);
	explanation = lstm_explain_rows(model, &value, &label, 1, &options);
	for (int k = 0; k < explanation->n_parts; k++)
	{
		put_part(&row, &explanation->part[k]);
		if (model->labels != NULL && explanation->label >= 0)
			lstm_row_text(&row, lstm_from_utf8(model->labels[explanation->label]));
		else
			lstm_row_null(&row);
		lstm_row_number(&row, explanation->score);
		lstm_row_number(&row, explanation->baseline);
		lstm_row_number(&row, explanation->gap);
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}

/* (model, input, format, label) */
Datum
pg_lstm_highlight(PG_FUNCTION_ARGS)
{
	static const char *const formats[2] = {"ansi", "html"};
	const LstmRef *ref;
	const NnModel *model;
	LstmMarkup	markup;
	NnValue		value;
	int32_t		label;
	StringInfoData out;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_explained(model, ref->name);
	markup = is_second(fcinfo, 2, "format", formats) ? LSTM_MARKUP_HTML : LSTM_MARKUP_ANSI;
	label = lstm_label_number(model, ref->name, PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)));
	lstm_input_argument(fcinfo, 1, &value);
	initStringInfo(&out);
	lstm_highlight(&out, markup, &value, lstm_explain_rows(model, &value, &label, 1, NULL));
	PG_RETURN_TEXT_P(cstring_to_text(lstm_from_utf8_bytes(out.data, out.len)));
}
