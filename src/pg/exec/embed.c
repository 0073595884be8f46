/*
 * exec/embed.c: the vector that a network makes of an input.
 */
#include "glue/compat.h"

#include "model/trace.h"
#include "model/write.h"

#include "exec/embed.h"
#include "exec/predict.h"
#include "glue/errors.h"
#include "glue/result.h"

static NnStatus
embed_pooled(const NnModel *model, const NnValue *inputs, int n, float *out, NnReading *readings, NnError *err)
{
	float	   *answers = palloc_extended(sizeof(float) * n * model->spec.n_outputs, MCXT_ALLOC_HUGE);

	NN_TRY(nn_answer(model, inputs, n, lstm_scratch(), answers, readings, out, err));
	pfree(answers);
	return NN_OK;
}

/*
 * The mean of the states that a caption's series leaves.  Summed in double in the
 * order of the steps, so that the answer is always the same.
 */
static NnStatus
embed_series(const NnModel *model, const NnValue *input, float *mean, NnReading *reading, NnError *err)
{
	int			H = model->spec.hidden;
	int			n = lstm_embed_width(model);
	double	   *sum = palloc0(sizeof(double) * n);
	int64		n_tokens = 0;
	NnTraced	traced;

	NN_TRY(nn_trace(model, input, lstm_scratch(), &traced, err));
	for (int64 i = 0; i < traced.n; i++)
	{
		const NnTraceStep *step = &traced.step[i];

		if (step->layer != model->spec.n_layers - 1)
			continue;
		n_tokens += !step->is_reverse;
		for (int k = 0; k < H; k++)
			sum[(step->is_reverse ? H : 0) + k] += step->hidden[k];
	}
	for (int k = 0; k < n; k++)
		mean[k] = (float) (sum[k] / (double) Max(n_tokens, 1));
	pfree(sum);
	reading->n_used = n_tokens;
	return NN_OK;
}

int
lstm_embed_width(const NnModel *model)
{
	if (nn_task_is_pooled(model->spec.task))
		return nn_answer_hidden(model);
	if (model->spec.task == NN_TASK_CAPTION)
		return model->spec.hidden * (model->spec.is_bidirectional ? 2 : 1);
	return nn_embed_width(model);
}

NnStatus
lstm_embed_rows(const NnModel *model, const NnValue *inputs, int n, float *out, NnReading *readings, NnError *err)
{
	if (nn_task_is_pooled(model->spec.task))
		return embed_pooled(model, inputs, n, out, readings, err);
	memset(readings, 0, sizeof(NnReading) * n);
	if (model->spec.task != NN_TASK_CAPTION)
		return nn_embed(model, inputs, n, lstm_scratch(), out, readings, err);
	for (int i = 0; i < n; i++)
	{
		NN_TRY(embed_series(model, &inputs[i], out + (size_t) i * lstm_embed_width(model), &readings[i], err));
		readings[i].batch = i;
	}
	return NN_OK;
}

ArrayType *
lstm_embed(const NnModel *model, const NnValue *input)
{
	int			n = lstm_embed_width(model);
	float	   *out = palloc(sizeof(float) * Max(n, 1));
	NnReading	reading;
	NnError		err = {0};

	lstm_check(lstm_embed_rows(model, input, 1, out, &reading, &err), &err);
	return lstm_reals(out, n);
}
