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
number_text(float number, size_t *n_bytes)
{
	char	   *text = lstm_number_text(number);

	*n_bytes = strlen(text);
	return text;
}

/* As array_out() writes it: an element is quoted where it could be taken for another. */
static void
append_element(StringInfo array, const char *element)
{
	bool		is_quoted = element[0] == '\0' || pg_strcasecmp(element, "NULL") == 0 ||
	element[strcspn(element, "{},\"\\ \t\n\r\v\f")] != '\0';

	if (is_quoted)
		appendStringInfoChar(array, '"');
	for (const char *c = element; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			appendStringInfoChar(array, '\\');
		appendStringInfoChar(array, *c);
	}
	if (is_quoted)
		appendStringInfoChar(array, '"');
}

/* The labels whose probabilities reach their thresholds. */
static char *
label_set(const NnModel *model, const float *probabilities, size_t *n_bytes)
{
	StringInfoData array;

	initStringInfo(&array);
	appendStringInfoChar(&array, '{');
	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		if (!(probabilities[c] >= model->threshold[c]))
			continue;
		if (array.len > 1)
			appendStringInfoChar(&array, ',');
		append_element(&array, model->labels[c]);
	}
	appendStringInfoChar(&array, '}');
	*n_bytes = array.len;
	return array.data;
}

static NnStatus
labels_or_numbers(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, LstmText *texts,
				  NnReading *readings, NnError *err)
{
	int			C = model->spec.n_outputs;
	float	   *out = palloc_extended(sizeof(float) * n * C, MCXT_ALLOC_HUGE);

	NN_TRY(nn_answer(model, inputs, n, scratch, out, readings, NULL, err));
	for (int i = 0; i < n; i++)
	{
		const float *answer = out + (size_t) i * C;

		if (model->spec.is_multi_label)
			texts[i].bytes = label_set(model, answer, &texts[i].n_bytes);
		else if (model->spec.task == NN_TASK_REGRESS)
			texts[i].bytes = number_text(answer[0], &texts[i].n_bytes);
		else
		{
			texts[i].bytes = model->labels[lstm_best_of(answer, C)];
			texts[i].n_bytes = strlen(texts[i].bytes);
		}
	}
	pfree(out);
	return NN_OK;
}

static NnStatus
tags(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, LstmText *texts,
	 NnReading *readings, NnError *err)
{
	NnTaggedText *tagged = palloc(sizeof(NnTaggedText) * n);

	NN_TRY(nn_answer_tags(model, inputs, n, scratch, tagged, NULL, readings, err));
	for (int i = 0; i < n; i++)
	{
		StringInfoData all;

		initStringInfo(&all);
		for (int t = 0; t < tagged[i].n_tokens; t++)
		{
			if (t > 0)
				appendStringInfoChar(&all, ' ');
			appendStringInfoString(&all, model->labels[tagged[i].token[t].tag]);
		}
		texts[i].bytes = all.data;
		texts[i].n_bytes = all.len;
	}
	pfree(tagged);
	return NN_OK;
}

static NnStatus
written(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, LstmText *texts,
		NnReading *readings, NnError *err)
{
	NnWritten  *out = palloc(sizeof(NnWritten) * n);
	NnWriteOptions options;

	lstm_write_options(&options, LSTM_DEFAULT_BEAM);
	NN_TRY(nn_write(model, inputs, n, &options, false, scratch, out, readings, err));
	for (int i = 0; i < n; i++)
	{
		texts[i].bytes = out[i].text;
		texts[i].n_bytes = out[i].n_bytes;
	}
	pfree(out);
	return NN_OK;
}

/* Each goes on by itself, token by token. */
static NnStatus
continuations(const NnModel *model, const NnValue *inputs, int n, LstmText *texts, NnReading *readings, NnError *err)
{
	NnWriteOptions options;
	NnWritten	out;

	lstm_write_options(&options, LSTM_DEFAULT_BEAM);
	options.max_tokens = NEXT_TOKENS;
	for (int i = 0; i < n; i++)
	{
		NN_TRY(nn_generate(model, &inputs[i], &options, lstm_scratch(), &out, err));
		texts[i].bytes = pnstrdup(out.text, out.n_bytes);
		texts[i].n_bytes = out.n_bytes;
		if (readings != NULL)
			readings[i] = (NnReading) {.n_used = out.n_tokens, .batch = i};
	}
	return NN_OK;
}

static void
append_medians(StringInfo array, const NnModel *model, const float *out)
{
	const NnSpec *spec = &model->spec;
	int			C = model->n_channels;

	appendStringInfoChar(array, '{');
	for (int t = 0; t < spec->horizon; t++)
	{
		appendStringInfoString(array, t > 0 ? "," : "");
		appendStringInfoString(array, C > 1 ? "{" : "");
		for (int c = 0; c < C; c++)
			appendStringInfo(array, "%s%s", c > 0 ? "," : "",
							 lstm_number_text(out[((size_t) t * C + c) * spec->n_quantiles + spec->n_quantiles / 2]));
		appendStringInfoString(array, C > 1 ? "}" : "");
	}
	appendStringInfoChar(array, '}');
}

static NnStatus
medians(const NnModel *model, const NnValue *inputs, int n, LstmText *texts, NnReading *readings, NnError *err)
{
	const NnSpec *spec = &model->spec;
	float	   *out = palloc_extended(sizeof(float) * spec->horizon * model->n_channels * spec->n_quantiles,
									  MCXT_ALLOC_HUGE);

	for (int i = 0; i < n; i++)
	{
		StringInfoData array;

		NN_TRY(nn_forecast(model, &inputs[i], spec->horizon, lstm_scratch(), out, err));
		initStringInfo(&array);
		append_medians(&array, model, out);
		texts[i].bytes = array.data;
		texts[i].n_bytes = array.len;
		if (readings != NULL)
			readings[i] = (NnReading) {.n_used = model->window, .batch = i};
	}
	pfree(out);
	return NN_OK;
}

NnStatus
lstm_predict_texts(const NnModel *model, const NnValue *inputs, int n, LstmText *texts,
				   NnReading *readings, NnError *err)
{
	NnArena    *scratch = lstm_scratch();

	if (readings != NULL)
		memset(readings, 0, sizeof(NnReading) * n);
	switch (model->spec.task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
			break;
		case NN_TASK_TAG:
			return tags(model, inputs, n, scratch, texts, readings, err);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return written(model, inputs, n, scratch, texts, readings, err);
		case NN_TASK_LANGUAGE:
			return continuations(model, inputs, n, texts, readings, err);
		case NN_TASK_FORECAST:
			return medians(model, inputs, n, texts, readings, err);
	}
	return labels_or_numbers(model, inputs, n, scratch, texts, readings, err);
}

char *
lstm_predict_text(const NnModel *model, const NnValue *input)
{
	LstmText text;
	NnError		err = {0};

	lstm_check(lstm_predict_texts(model, input, 1, &text, NULL, &err), &err);
	return lstm_from_utf8_bytes(text.bytes, text.n_bytes);
}
