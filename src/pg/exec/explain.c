/*
 * exec/explain.c: which words made an answer what it is.
 */
#include "glue/compat.h"

#include "model/options.h"

#include "exec/explain.h"
#include "exec/predict.h"
#include "glue/errors.h"
#include "glue/settings.h"

NnExplanation *
lstm_explain_rows(const NnModel *model, const NnValue *inputs, const int32_t *label, int n, const NnExplainOptions *options)
{
	NnExplainOptions chosen = {0};
	NnArena    *scratch = lstm_scratch();
	NnExplanation *out;
	NnError		err = {0};

	if (options != NULL)
		chosen = *options;
	if (chosen.limit_bytes == 0)
		chosen.limit_bytes = lstm_megabytes(lstm_train_memory_mb);
	out = NN_ALLOC(scratch, NnExplanation, n);
	if (out == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	lstm_check(nn_explain(model, inputs, label, n, &chosen, scratch, out, &err), &err);
	return out;
}

void
lstm_need_explained(const NnModel *model, const char *model_name)
{
	NnTask		task = model->spec.task;

	if (task != NN_TASK_CLASSIFY && task != NN_TASK_REGRESS && task != NN_TASK_TAG)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" of task %s has no explanations", model_name, nn_task_name(task)),
				 errdetail("Explained are models that answer with labels, tags or a number: tasks classify, tag and regress."),
				 task == NN_TASK_TRANSLATE ? errhint("lstm_alignment() shows which words a translation looked at.") :
				 errhint("lstm_trace() shows what the network does with its input.")));
}

int32_t
lstm_label_number(const NnModel *model, const char *model_name, const char *label)
{
	size_t		n_bytes;
	const char *utf8;
	size_t		n_shown;
	const char *nearest;

	if (label == NULL)
		return -1;
	if (model->labels == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("model \"%s\" has no labels", model_name),
				 errdetail("It answers with a number."),
				 errhint("Leave the label away.")));
	n_bytes = strlen(label);
	utf8 = lstm_to_utf8(label, &n_bytes);
	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		if (strlen(model->labels[c]) == n_bytes && memcmp(model->labels[c], utf8, n_bytes) == 0)
			return c;
	}
	nearest = nn_nearest(pnstrdup(utf8, n_bytes), (const char *const *) model->labels, model->spec.n_outputs);
	if (nearest != NULL)
		nearest = lstm_from_utf8_quietly(nearest, strlen(nearest), &n_shown);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" has no label \"%s\"", model_name, label),
			 nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest) :
			 model->spec.task == NN_TASK_TAG ? errhint("lstm_tag() answers with the model's tags.") :
			 errhint("lstm_probabilities() lists the labels.")));
	pg_unreachable();
}
