/*
 * exec/classify.c: probabilities of labels as a row of type lstm_answer.
 */
#include "glue/compat.h"

#include "exec/classify.h"
#include "exec/predict.h"

/* Why there should be no answer with label number best, or NULL. */
static const char *
reason_to_abstain(const NnModel *model, const LstmCuts *cuts, const float *probabilities, int best,
				  const NnReading *reading)
{
	const LstmCut *unlike = lstm_cut_unlike(cuts);
	const LstmCut *cut = lstm_cut_for(cuts, model->labels[best]);

	/* written so that what is no number is no answer */
	if (unlike != NULL && !(reading->energy <= unlike->threshold))
		return "unlike the training rows";
	if (model->spec.is_multi_label && !(probabilities[best] >= model->threshold[best]))
		return "no label reaches its threshold";
	if (cut != NULL && !(probabilities[best] >= cut->threshold))
		return "low probability";
	return NULL;
}

void
lstm_classify_row(LstmRowBuilder *row, const NnModel *model, const LstmCuts *cuts,
				  const float *probabilities, const char *label, const NnReading *reading, int version)
{
	int			C = model->spec.n_outputs;
	int			best = lstm_best_of(probabilities, C);
	const char *reason = reason_to_abstain(model, cuts, probabilities, best, reading);
	float		second = 0.0f;

	for (int c = 0; c < C; c++)
	{
		if (c != best && probabilities[c] > second)
			second = probabilities[c];
	}
	lstm_row_text(row, reason == NULL ? label : NULL);
	lstm_row_datum(row, Float4GetDatum(probabilities[best]));
	lstm_row_datum(row, Float4GetDatum(probabilities[best] - second));
	lstm_row_datum(row, BoolGetDatum(reason != NULL));
	lstm_row_integer(row, reading->n_tokens);
	lstm_row_integer(row, reading->n_used);
	lstm_row_integer(row, reading->n_unknown);
	lstm_row_integer(row, version);
	lstm_row_text(row, reason);
}
