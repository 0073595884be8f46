/*
 * model/learn_weights.c: what a row counts by its label.
 *
 * One label a row: the row's loss is multiplied by the label's weight, and "balanced"
 * gives every label the same weight in all, n / (C n_c) a row (King and Zeng 2001;
 * scikit-learn's "balanced").  Many labels: a row that has the label counts so many times
 * one that has it not, and "balanced" makes both sides equal, (n - n_c) / n_c, up to
 * MOST_BALANCED: beyond it a label of a few rows would outweigh all that is learned.
 *
 * Weights move probabilities: a net trained with them tells the rare labels more often
 * than they occur, which a temperature does not undo (doc/decisions.md).
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

#define MOST_BALANCED	100.0

NnStatus
nn_learner_weigh(NnLearner *learner, const char *label, size_t n_bytes, double weight, NnError *err)
{
	int32_t		number;
	float	   *place;

	if (!(weight >= NN_LEAST_CLASS_WEIGHT && weight <= NN_MOST_CLASS_WEIGHT))
	{
		nn_fail(err, NN_ERANGE, "the weight of label \"%.*s\" cannot be %g", n_bytes < 100 ? (int) n_bytes : 100, label, weight);
		return nn_fail_detail(err, "A weight is a number from %g to %g.", NN_LEAST_CLASS_WEIGHT, NN_MOST_CLASS_WEIGHT);
	}
	if (nn_lexicon_add(learner->weighed, label, (int) n_bytes, 0, &number) != NN_OK)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	place = number < (int32_t) learner->weights.n ? (float *) learner->weights.data + number :
		nn_array_push(&learner->weights, 1);
	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*place = (float) weight;
	return NN_OK;
}

/* The label that a misspelled one is nearest to, as a hint. */
static NnStatus
throw_no_label(const NnLearner *learner, const char *label, int n_bytes, NnError *err)
{
	int			C = nn_lexicon_n(learner->label_lexicon);
	NnArena    *arena = nn_arena_create(learner->env);
	const char **names = arena != NULL ? NN_ALLOC(arena, const char *, (size_t) C) : NULL;
	const char *near = NULL;

	for (int c = 0; c < C && names != NULL; c++)
	{
		names[c] = nn_arena_copy(arena, nn_lexicon_bytes(learner->label_lexicon, c),
								 nn_lexicon_get(learner->label_lexicon, c)->n_bytes);
		if (names[c] == NULL)
			names = NULL;
	}
	if (names != NULL)
		near = nn_nearest(nn_arena_copy(arena, label, (size_t) n_bytes), names, C);
	nn_fail(err, NN_EUNKNOWN, "option \"class_weights\" names a label \"%.*s\" that no row has",
			n_bytes < 100 ? n_bytes : 100, label);
	if (near != NULL)
		nn_fail_hint(err, "Perhaps you meant \"%s\".", near);
	nn_arena_destroy(arena);
	return NN_EUNKNOWN;
}

NnStatus
nn_learner_check_weights(const NnLearner *learner, NnError *err)
{
	for (int32_t i = 0; i < nn_lexicon_n(learner->weighed); i++)
	{
		const char *label = nn_lexicon_bytes(learner->weighed, i);
		int			n_bytes = (int) nn_lexicon_get(learner->weighed, i)->n_bytes;

		if (nn_lexicon_find(learner->label_lexicon, label, n_bytes) < 0)
			return throw_no_label(learner, label, n_bytes, err);
	}
	return NN_OK;
}

/* Rows of the training part that have each label. */
static void
count_rows(const NnLearner *learner, double *count)
{
	const NnExamples *examples = &learner->train.examples;
	int			C = learner->model->spec.n_outputs;

	for (int64_t i = 0; i < examples->n; i++)
	{
		if (!learner->is_multi_label)
			count[examples->label[i]] += 1.0;
		for (int c = 0; c < C && learner->is_multi_label; c++)
			count[c] += (double) examples->target[i * C + c];
	}
}

static double
balanced(const NnLearner *learner, double n, double count)
{
	if (!learner->is_multi_label)
		return n / (learner->model->spec.n_outputs * fmax(count, 1.0));
	return fmin(fmax((n - count) / fmax(count, 1.0), 1.0 / MOST_BALANCED), MOST_BALANCED);
}

NnStatus
nn_learner_weigh_classes(NnLearner *learner, NnError *err)
{
	int			C = learner->model->spec.n_outputs;
	bool		is_balanced = learner->options.class_weights == 1;
	double	   *count;

	learner->class_weight = NULL;
	if (learner->task != NN_TASK_CLASSIFY || (!is_balanced && learner->weights.n == 0))
		return NN_OK;
	learner->class_weight = NN_ALLOC(learner->model->arena, float, (size_t) C);
	count = NN_ALLOC(learner->model->arena, double, (size_t) C);
	if (learner->class_weight == NULL || count == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (is_balanced)
		count_rows(learner, count);
	for (int32_t l = 0; l < C; l++)
	{
		int32_t		given = nn_lexicon_find(learner->weighed, nn_lexicon_bytes(learner->label_lexicon, l),
											(int) nn_lexicon_get(learner->label_lexicon, l)->n_bytes);
		int			c = learner->label_rank[l];

		learner->class_weight[c] = given >= 0 ? ((const float *) learner->weights.data)[given] :
			is_balanced ? (float) balanced(learner, (double) learner->train.examples.n, count[c]) : 1.0f;
	}
	return NN_OK;
}
