/*
 * exec/causes_explain.c: what the words of many rows weigh for a label.
 *
 * A weight is a share of the label's score (model/explain.h): against the mean of the other
 * labels', or of a row with many labels its own.
 */
#include "glue/compat.h"

#include "miscadmin.h"

#include "exec/causes_explain.h"
#include "exec/explain.h"
#include "glue/settings.h"

#define EXPLAIN_AT_ONCE	256

/* Shares of many rows are added up: each may be off by more than one that is shown. */
#define TOLERANCE		0.02

static void
hand_on(const NnExplanation *explanation, int i, const NnValue *input, LstmWeightsHook hook, void *arg)
{
	NnWeighted *weighted = palloc_extended(sizeof(NnWeighted) * Max(explanation->n_parts, 1), MCXT_ALLOC_HUGE);

	for (int k = 0; k < explanation->n_parts; k++)
	{
		weighted[k].start = explanation->part[k].start;
		weighted[k].stop = explanation->part[k].stop;
		weighted[k].weight = explanation->part[k].weight;
	}
	hook(arg, i, input, weighted, explanation->n_parts);
	pfree(weighted);
}

/* So many inputs that explaining them at once takes half of the memory there is, but one at least. */
static int
count_fitting(const NnValue *inputs, int n)
{
	size_t		n_bytes = 0;
	int			fitting = 0;

	while (fitting < n && (n_bytes += nn_explain_input_bytes(&inputs[fitting])) <= lstm_megabytes(lstm_train_memory_mb) / 2)
		fitting++;
	return Max(fitting, 1);
}

void
lstm_causes_explain(const NnModel *model, int label, const NnValue *inputs, int n, LstmWeightsHook hook, void *arg)
{
	NnExplainOptions options = {.unit = NN_EXPLAIN_WORDS, .tolerance = TOLERANCE};
	int32_t    *labels = palloc(sizeof(int32_t) * EXPLAIN_AT_ONCE);

	options.score = model->spec.is_multi_label || model->spec.n_outputs < 2 ? NN_EXPLAIN_LOGIT : NN_EXPLAIN_MARGIN;
	for (int i = 0; i < EXPLAIN_AT_ONCE; i++)
		labels[i] = label;
	for (int done = 0; done < n;)
	{
		int			size = count_fitting(inputs + done, Min(EXPLAIN_AT_ONCE, n - done));
		const NnExplanation *explanations;

		CHECK_FOR_INTERRUPTS();
		explanations = lstm_explain_rows(model, inputs + done, labels, size, &options);
		for (int i = 0; i < size; i++)
			hand_on(&explanations[i], done + i, &inputs[done + i], hook, arg);
		done += size;
	}
	pfree(labels);
}
