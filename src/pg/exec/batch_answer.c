/*
 * exec/batch_answer.c: answers of many inputs of one model, as datums.
 *
 * One function for each that can be batched.  All but the datums is left in the
 * current memory context.  A model of another task than a function is for is
 * reported as core reports an input: the plain call says it better.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/typcache.h"

#include "model/write.h"

#include "exec/batch_private.h"
#include "exec/classify.h"
#include "exec/embed.h"
#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/sentiment.h"
#include "glue/errors.h"
#include "glue/result.h"

static NnStatus
need_task(const LstmBatchModel *asked, NnTask task, NnError *err)
{
	return asked->model->spec.task == task ? NN_OK : nn_fail(err, NN_EINVAL, "a model of another task");
}

/* What a call of core has read, for EXPLAIN. */
static void
count_read(LstmBatchModel *asked, const NnReading *readings, int n)
{
	int			last = 0;

	for (int i = 0; i < n; i++)
	{
		asked->n_tokens += readings[i].n_used;
		last = Max(last, readings[i].batch);
	}
	asked->n_packed += last + 1;
}

/* Probabilities or numbers (n, C) with what was read. */
static NnStatus
answer(LstmBatchModel *asked, const NnValue *inputs, int n, float **out, NnReading **readings, NnError *err)
{
	const NnModel *model = asked->model;

	*out = palloc_extended(sizeof(float) * n * model->spec.n_outputs, MCXT_ALLOC_HUGE);
	*readings = palloc(sizeof(NnReading) * n);
	NN_TRY(nn_answer(model, inputs, n, lstm_scratch(), *out, *readings, NULL, err));
	count_read(asked, *readings, n);
	return NN_OK;
}

/* A text of UTF-8; false if it cannot be said. */
static bool
text_datum(const LstmBatchModel *asked, const char *bytes, size_t n_bytes, Datum *result)
{
	size_t		n;
	char	   *text = lstm_from_utf8_quietly(bytes, n_bytes, &n);
	MemoryContext old;

	if (text == NULL)
		return false;
	old = MemoryContextSwitchTo(asked->results);
	*result = PointerGetDatum(cstring_to_text_with_len(text, (int) n));
	MemoryContextSwitchTo(old);
	pfree(text);
	return true;
}

static Datum
double_datum(const LstmBatchModel *asked, double number)
{
	MemoryContext old = MemoryContextSwitchTo(asked->results);
	Datum		datum = Float8GetDatum(number);

	MemoryContextSwitchTo(old);
	return datum;
}

NnStatus
lstm_batch_predict(LstmBatchModel *asked, const NnValue *inputs, int n,
				   Datum *result, bool *is_done, NnError *err)
{
	LstmText   *texts = palloc(sizeof(LstmText) * n);
	NnReading  *readings = palloc(sizeof(NnReading) * n);

	NN_TRY(lstm_predict_texts(asked->model, inputs, n, texts, readings, err));
	count_read(asked, readings, n);
	for (int i = 0; i < n; i++)
		is_done[i] = text_datum(asked, texts[i].bytes, texts[i].n_bytes, &result[i]);
	return NN_OK;
}

NnStatus
lstm_batch_classify(LstmBatchModel *asked, const NnValue *inputs, int n,
					Datum *result, bool *is_done, NnError *err)
{
	const NnModel *model = asked->model;
	int			C = model->spec.n_outputs;
	NnReading  *readings;
	float	   *out;
	const LstmCuts *cuts;
	TupleDesc	desc;

	NN_TRY(need_task(asked, NN_TASK_CLASSIFY, err));
	NN_TRY(answer(asked, inputs, n, &out, &readings, err));
	cuts = lstm_cuts_of(&asked->ref);
	desc = lookup_rowtype_tupdesc_copy(asked->result_type, -1);
	for (int i = 0; i < n; i++)
	{
		const float *probabilities = out + (size_t) i * C;
		const char *label = model->labels[lstm_best_of(probabilities, C)];
		LstmRowBuilder row = {.desc = desc, .context = CurrentMemoryContext};
		MemoryContext old;
		size_t		n_bytes;

		label = lstm_from_utf8_quietly(label, strlen(label), &n_bytes);
		is_done[i] = label != NULL;
		if (label == NULL)
			continue;
		lstm_classify_row(&row, model, cuts, probabilities, label, &readings[i], asked->ref.version);
		old = MemoryContextSwitchTo(asked->results);
		result[i] = lstm_row_value(&row);
		MemoryContextSwitchTo(old);
	}
	return NN_OK;
}

NnStatus
lstm_batch_regress(LstmBatchModel *asked, const NnValue *inputs, int n,
				   Datum *result, bool *is_done, NnError *err)
{
	NnReading  *readings;
	float	   *out;

	NN_TRY(need_task(asked, NN_TASK_REGRESS, err));
	NN_TRY(answer(asked, inputs, n, &out, &readings, err));
	for (int i = 0; i < n; i++)
	{
		result[i] = double_datum(asked, lstm_number_double(out[(size_t) i * asked->model->spec.n_outputs]));
		is_done[i] = true;
	}
	return NN_OK;
}

NnStatus
lstm_batch_embed(LstmBatchModel *asked, const NnValue *inputs, int n,
				 Datum *result, bool *is_done, NnError *err)
{
	int			width = lstm_embed_width(asked->model);
	float	   *out = palloc_extended(sizeof(float) * n * Max(width, 1), MCXT_ALLOC_HUGE);
	NnReading  *readings = palloc0(sizeof(NnReading) * n);
	MemoryContext old;

	NN_TRY(lstm_embed_rows(asked->model, inputs, n, out, readings, err));
	count_read(asked, readings, n);
	old = MemoryContextSwitchTo(asked->results);
	for (int i = 0; i < n; i++)
	{
		result[i] = PointerGetDatum(lstm_reals(out + (size_t) i * width, width));
		is_done[i] = true;
	}
	MemoryContextSwitchTo(old);
	return NN_OK;
}

NnStatus
lstm_batch_score(LstmBatchModel *asked, const NnValue *inputs, int n,
				 Datum *result, bool *is_done, NnError *err)
{
	NnLikelihood *likelihood = palloc(sizeof(NnLikelihood) * n);
	NnReading  *readings = palloc(sizeof(NnReading) * n);

	NN_TRY(need_task(asked, NN_TASK_LANGUAGE, err));
	NN_TRY(nn_likelihood(asked->model, inputs, n, lstm_scratch(), likelihood, readings, err));
	count_read(asked, readings, n);
	for (int i = 0; i < n; i++)
	{
		result[i] = double_datum(asked, likelihood[i].sum / (double) Max(likelihood[i].n_tokens, 1));
		is_done[i] = true;
	}
	return NN_OK;
}

/* sentiment and sentiment_score, which the type of their results tells apart. */
NnStatus
lstm_batch_sentiment(LstmBatchModel *asked, const NnValue *inputs, int n,
					 Datum *result, bool *is_done, NnError *err)
{
	LstmSentimentScale scale;
	LstmSentiment sentiment;
	NnReading  *readings;
	float	   *out;

	if (!lstm_sentiment_scale(asked->model, &scale))
		return nn_fail(err, NN_EINVAL, "a model without the labels");
	NN_TRY(answer(asked, inputs, n, &out, &readings, err));
	for (int i = 0; i < n; i++)
	{
		lstm_sentiment_of(&scale, out + (size_t) i * scale.n_labels, &readings[i], &sentiment);
		is_done[i] = true;
		if (asked->result_type == FLOAT8OID)
			result[i] = double_datum(asked, sentiment.score);
		else
			is_done[i] = text_datum(asked, sentiment.word, strlen(sentiment.word), &result[i]);
	}
	return NN_OK;
}
