/*
 * model/learn_decide.c: what the held-out rows say of how to decide: how the branches mix,
 * how sure their sum may be, from which probability on a label is answered.
 *
 * The same rows then measure the result.  Two scales and a temperature hardly fit a few hundred
 * rows by accident; a threshold for each of many labels does so a little, and F1 on these
 * rows is the better for it: a relation of its own (lstm_evaluate) is the better judge.
 */
#include "model/learn_private.h"

#include <string.h>

/* The held-out rows' outputs. */
typedef struct Outputs
{
	int64_t		n;
	int			C;
	float	   *logits;			/* (n, C) of the branches as they mix now */
	float	   *untuned;		/* (n, C) of the branches added as they were trained */
	NnTruth		truth;
} Outputs;

static NnStatus
compute_outputs(NnLearner *learner, Outputs *outputs, NnArena *arena, NnError *err)
{
	const NnExamples *valid = &learner->valid.examples;
	size_t		n_numbers = nn_size_mul((size_t) valid->n, (size_t) learner->model->spec.n_outputs);
	float	   *wide = NN_ALLOC(arena, float, n_numbers);

	outputs->n = valid->n;
	outputs->C = learner->model->spec.n_outputs;
	outputs->logits = NN_ALLOC(arena, float, n_numbers);
	outputs->untuned = NN_ALLOC(arena, float, n_numbers);
	outputs->truth = (NnTruth) {learner->is_multi_label ? NULL : valid->label, valid->target};
	if (wide == NULL || outputs->logits == NULL || outputs->untuned == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_outputs(learner->model->net, valid, learner->env, outputs->logits, outputs->untuned, wide, err));
	nn_axpy((int64_t) n_numbers, 1.0f, wide, outputs->untuned);
	return NN_OK;
}

/* Thresholds of many labels, and their figures. */
static NnStatus
choose_thresholds(NnLearner *learner, const Outputs *outputs, NnError *err)
{
	NN_TRY(nn_fit_label_thresholds(outputs->n, outputs->C, outputs->logits, outputs->truth.target,
								   learner->model->threshold, learner->env, err));
	nn_metrics_sets(outputs->n, outputs->C, outputs->logits, outputs->truth.target, NULL,
					learner->model->threshold, &learner->report.sets, learner->report.per_class);
	return NN_OK;
}

/* The logits become probabilities. */
static NnStatus
judge(NnLearner *learner, Outputs *outputs, NnArena *arena, NnError *err)
{
	NnLearnReport *report = &learner->report;
	const NnSpec *spec = &learner->model->spec;
	float	   *energy = NN_TAKE(arena, float, (size_t) outputs->n);

	if (energy == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_energies(spec, outputs->n, outputs->logits, energy);
	nn_probabilities(spec, 1.0, outputs->n, outputs->untuned);
	nn_probabilities(spec, learner->model->temperature, outputs->n, outputs->logits);
	nn_calibration(outputs->n, outputs->C, outputs->untuned, &outputs->truth, &report->calibration[0]);
	nn_calibration(outputs->n, outputs->C, outputs->logits, &outputs->truth, &report->calibration[1]);
	if (learner->is_multi_label)
		NN_TRY(choose_thresholds(learner, outputs, err));
	else
		nn_metrics_classify(outputs->n, outputs->C, outputs->logits, outputs->truth.label, &report->held_out,
							report->per_class, report->confusion);
	return nn_held_out_collect(outputs->n, outputs->C, outputs->logits, energy, &outputs->truth,
							   learner->model->threshold, learner->model->arena, &report->answers, err);
}

static NnStatus
begin_thresholds(NnModel *model, NnError *err)
{
	model->threshold = NN_TAKE(model->arena, float, (size_t) model->spec.n_outputs);
	if (model->threshold == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < model->spec.n_outputs; c++)
		model->threshold[c] = 0.5f;
	return NN_OK;
}

/* Room for the report's counts by label. */
static NnStatus
count_labels(NnLearner *learner, NnError *err)
{
	NnLearnReport *report = &learner->report;
	size_t		C = (size_t) learner->model->spec.n_outputs;
	NnArena    *arena = learner->model->arena;

	report->per_class = NN_ALLOC(arena, NnClassMetrics, C);
	report->n_label_rows = NN_ALLOC(arena, int64_t, C);
	if (report->per_class == NULL || report->n_label_rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
	{
		int			n;
		const int32_t *labels = nn_learner_row_labels(learner, nn_learner_row(learner, i), &n);

		for (int k = 0; k < n; k++)
			report->n_label_rows[learner->label_rank[labels[k]]]++;
	}

	/* a confusion matrix of thousands of labels helps nobody */
	report->confusion = C <= 200 && !learner->is_multi_label ? NN_ALLOC(arena, int64_t, C * C) : NULL;
	return NN_OK;
}

NnStatus
nn_learner_decide(NnLearner *learner, NnError *err)
{
	NnModel    *model = learner->model;
	Outputs		outputs;
	NnArena    *arena;
	NnStatus	status;

	NN_TRY(nn_fit_scales(model->net, &learner->valid.examples, learner->env, err));
	if (learner->task != NN_TASK_CLASSIFY)
		return NN_OK;
	/* as a float, which nine digits in the file name exactly */
	model->temperature = (double) (float) nn_split_temperature(model->net);
	if (learner->is_multi_label)
		NN_TRY(begin_thresholds(model, err));
	NN_TRY(count_labels(learner, err));
	if (learner->valid.examples.n == 0)
		return NN_OK;
	arena = nn_arena_create(learner->env);
	if (arena == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = compute_outputs(learner, &outputs, arena, err);
	if (status == NN_OK)
		status = judge(learner, &outputs, arena, err);
	nn_arena_destroy(arena);
	return status;
}
