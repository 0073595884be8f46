/*
 * exec/predict_text.c: the answer of a model of any task, as text.
 */
#include "glue/compat.h"

#include "lib/stringinfo.h"

#include "model/answer_tags.h"
#include "model/forecast.h"

#include "exec/predict.h"
#include "exec/predict_text.h"
#include "glue/errors.h"

/* alpha of ((5 + n) / 6)^alpha, which a text's score is divided by (Wu et al. 2016); 1 is what doc/recipes.md measured with. */
#define LENGTH_PENALTY	1.0

/* lstm_predict of a language model: the tokens of a short sentence. */
#define NEXT_TOKENS		20

void
lstm_write_options(NnWriteOptions *options, int beam)
{
	memset(options, 0, sizeof(*options));
	options->beam = beam;
	options->length_penalty = LENGTH_PENALTY;
}

static char *
label_or_number(const NnModel *model, const NnValue *input)
{
	float	   *out = palloc(sizeof(float) * model->spec.n_outputs);

	lstm_predict_batch(model, input, 1, out, NULL, NULL);
	if (model->spec.task == NN_TASK_REGRESS)
		return lstm_number_text(out[0]);
	return pstrdup(lstm_from_utf8(model->labels[lstm_best_of(out, model->spec.n_outputs)]));
}

static char *
tags(const NnModel *model, const NnValue *input)
{
	StringInfoData all;
	NnTaggedText tagged;
	NnError		err = {0};

	lstm_check(nn_answer_tags(model, input, 1, lstm_scratch(), &tagged, NULL, NULL, &err), &err);
	initStringInfo(&all);
	for (int i = 0; i < tagged.n_tokens; i++)
		appendStringInfo(&all, "%s%s", i > 0 ? " " : "", lstm_from_utf8(model->labels[tagged.token[i].tag]));
	return all.data;
}

static char *
written(const NnModel *model, const NnValue *input)
{
	NnWriteOptions options;
	NnWritten text;
	NnError		err = {0};

	lstm_write_options(&options, LSTM_DEFAULT_BEAM);
	if (model->spec.task == NN_TASK_LANGUAGE)
	{
		options.max_tokens = NEXT_TOKENS;
		lstm_check(nn_generate(model, input, &options, lstm_scratch(), &text, &err), &err);
	}
	else
		lstm_check(nn_write(model, input, 1, &options, false, lstm_scratch(), &text, NULL, &err), &err);
	return lstm_from_utf8_bytes(text.text, text.n_bytes);
}

static char *
medians(const NnModel *model, const NnValue *input)
{
	const NnSpec *spec = &model->spec;
	int			C = model->n_channels;
	float	   *out = palloc_extended(sizeof(float) * spec->horizon * C * spec->n_quantiles, MCXT_ALLOC_HUGE);
	StringInfoData array;
	NnError		err = {0};

	lstm_check(nn_forecast(model, input, spec->horizon, lstm_scratch(), out, &err), &err);
	initStringInfo(&array);
	appendStringInfoChar(&array, '{');
	for (int t = 0; t < spec->horizon; t++)
	{
		appendStringInfoString(&array, t > 0 ? "," : "");
		appendStringInfoString(&array, C > 1 ? "{" : "");
		for (int c = 0; c < C; c++)
			appendStringInfo(&array, "%s%s", c > 0 ? "," : "",
							 lstm_number_text(out[((size_t) t * C + c) * spec->n_quantiles + spec->n_quantiles / 2]));
		appendStringInfoString(&array, C > 1 ? "}" : "");
	}
	appendStringInfoChar(&array, '}');
	return array.data;
}

char *
lstm_predict_text(const NnModel *model, const NnValue *input)
{
	switch (model->spec.task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
			break;
		case NN_TASK_TAG:
			return tags(model, input);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
		case NN_TASK_LANGUAGE:
			return written(model, input);
		case NN_TASK_FORECAST:
			return medians(model, input);
	}
	return label_or_number(model, input);
}
