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

static ArrayType *
embed_pooled(const NnModel *model, const NnValue *input)
{
	int			n = nn_answer_hidden(model);
	float	   *out = palloc(sizeof(float) * model->spec.n_outputs);
	float	   *hidden = palloc(sizeof(float) * n);

	lstm_predict_batch(model, input, 1, out, NULL, hidden);
	return lstm_reals(hidden, n);
}

static ArrayType *
embed_text(const NnModel *model, const NnValue *input)
{
	int			n = nn_embed_width(model);
	float	   *out = palloc(sizeof(float) * n);
	NnError		err = {0};

	lstm_check(nn_embed(model, input, 1, lstm_scratch(), out, NULL, &err), &err);
	return lstm_reals(out, n);
}

/*
 * The mean of the states that a caption's series leaves.  Summed in double in the
 * order of the steps, so that the answer is always the same.
 */
static ArrayType *
embed_series(const NnModel *model, const NnValue *input)
{
	int			H = model->spec.hidden;
	int			n = H * (model->spec.is_bidirectional ? 2 : 1);
	double	   *sum = palloc0(sizeof(double) * n);
	float	   *mean = palloc(sizeof(float) * n);
	int64		n_tokens = 0;
	NnTraced	traced;
	NnError		err = {0};

	lstm_check(nn_trace(model, input, lstm_scratch(), &traced, &err), &err);
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
	return lstm_reals(mean, n);
}

ArrayType *
lstm_embed(const NnModel *model, const NnValue *input)
{
	if (nn_task_is_pooled(model->spec.task))
		return embed_pooled(model, input);
	return model->spec.task == NN_TASK_CAPTION ? embed_series(model, input) : embed_text(model, input);
}
