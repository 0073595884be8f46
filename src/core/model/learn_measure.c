/*
 * model/learn_measure.c: what the held-out rows show of a trained model; of labels, learn_decide.c has seen it.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

#include "nn/crf.h"

/* A batch ends at so many examples or, past its first, so many tokens. */
#define BATCH_SEQUENCES	64
#define BATCH_TOKENS	8192

/* ---- numbers ------------------------------------------------------------- */

static void
measure_regression(NnLearner *learner, float *out, NnArena *arena)
{
	const NnExamples *valid = &learner->valid.examples;
	double	   *predicted = NN_ALLOC(arena, double, (size_t) valid->n);
	double	   *target = NN_ALLOC(arena, double, (size_t) valid->n);

	if (predicted == NULL || target == NULL)
		return;
	for (int64_t i = 0; i < valid->n; i++)
	{
		predicted[i] = (double) out[i] * learner->model->target_scale + learner->model->target_mean;
		target[i] = (double) valid->target[i] * learner->model->target_scale + learner->model->target_mean;
	}
	nn_metrics_regress(valid->n, predicted, target, &learner->report.held_out);
}

/* Numbers. */
static NnStatus
measure_numbers(NnLearner *learner, NnArena *arena, NnError *err)
{
	const NnExamples *valid = &learner->valid.examples;
	float	   *out = NN_TAKE(arena, float, (size_t) valid->n * (size_t) learner->model->spec.n_outputs);

	if (out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_outputs(learner->model->net, valid, learner->env, out, NULL, NULL, err));
	measure_regression(learner, out, arena);
	return NN_OK;
}

/* ---- tags and texts -------------------------------------------------------------------- */

/* What is added up over the held-out part. */
typedef struct Sums
{
	NnBatchScore score;
	NnSpanCount *spans;			/* (1 + types); NULL unless tags are BIO */
} Sums;

/* Tags of one sequence of a packed batch. */
static void
unpack_tags(const NnBatch *batch, int b, const int32_t *packed, int32_t *tags)
{
	for (int t = 0; t < batch->length[b]; t++)
		tags[t] = packed[batch->offset[t] + b];
}

/* The best legal paths of a batch beside the truth. */
static NnStatus
measure_paths(const NnModel *model, const NnBatch *batch, NnArena *scratch, Sums *sums, NnError *err)
{
	NnCrf		crf;
	NnCrfRules	rules = {model->allowed};
	size_t		N = (size_t) batch->n_rows;
	float	   *emission = NN_TAKE(scratch, float, N * (size_t) model->spec.n_outputs);
	int32_t    *best = NN_TAKE(scratch, int32_t, N);
	int32_t    *truth = NN_TAKE(scratch, int32_t, (size_t) batch->n_steps);
	int32_t    *found = NN_TAKE(scratch, int32_t, (size_t) batch->n_steps);

	if (emission == NULL || best == NULL || truth == NULL || found == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_net_transitions(model->net, &crf.n_tags, &crf.transition, &crf.start, &crf.end);
	NN_TRY(nn_net_emissions(model->net, batch, scratch, emission, err));
	NN_TRY(nn_crf_decode(&crf, model->allowed != NULL ? &rules : NULL, batch, emission, scratch, best, err));
	for (size_t r = 0; r < N; r++)
		sums->score.n_right += best[r] == batch->row_label[r];
	sums->score.n_tokens += batch->n_rows;
	for (int b = 0; b < batch->n_sequences && sums->spans != NULL; b++)
	{
		unpack_tags(batch, b, batch->row_label, truth);
		unpack_tags(batch, b, best, found);
		NN_TRY(nn_span_count_add(&model->scheme, truth, found, batch->length[b], scratch, sums->spans, err));
	}
	return NN_OK;
}

/* How many examples from the first on make a batch. */
static int
cut_batch(const NnExamples *examples, int64_t first)
{
	int64_t		stop = first + 1;

	while (stop < examples->n && stop - first < BATCH_SEQUENCES &&
		   examples->token_start[stop + 1] - examples->token_start[first] <= BATCH_TOKENS)
		stop++;
	return (int) (stop - first);
}

/* Tags: the best legal paths of all held-out examples. */
static NnStatus
measure_tags(NnLearner *learner, NnArena *scratch, Sums *sums, NnError *err)
{
	const NnExamples *valid = &learner->valid.examples;
	const NnModel *model = learner->model;
	int			n;

	for (int64_t first = 0; first < valid->n; first += n)
	{
		int32_t    *pick;
		int32_t    *order;
		NnBatch		batch;

		if (learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		nn_arena_reset(scratch);
		n = cut_batch(valid, first);
		pick = NN_TAKE(scratch, int32_t, (size_t) n);
		order = NN_TAKE(scratch, int32_t, (size_t) n);
		if (pick == NULL || order == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		for (int i = 0; i < n; i++)
			pick[i] = (int32_t) (first + i);
		NN_TRY(nn_batch_pack(&batch, &model->spec, valid, pick, n, 0.0f, NULL, scratch, order, err));
		NN_TRY(measure_paths(model, &batch, scratch, sums, err));
	}
	return NN_OK;
}

static NnStatus
measure_tokens(NnLearner *learner, NnArena *arena, NnArena *scratch, NnError *err)
{
	NnSequenceMetrics *metrics = &learner->report.sequence;
	const NnModel *model = learner->model;
	bool		is_tag = learner->task == NN_TASK_TAG;
	Sums		sums = {0};

	if (is_tag && model->scheme.is_bio)
	{
		sums.spans = NN_ALLOC(arena, NnSpanCount, 1 + (size_t) model->scheme.n_types);
		if (sums.spans == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	if (is_tag)
		NN_TRY(measure_tags(learner, scratch, &sums, err));
	else
		NN_TRY(nn_score(model->net, &learner->valid.examples, learner->options.batch, learner->options.bptt,
						learner->env, &sums.score, err));
	metrics->n = learner->valid.examples.n;
	metrics->n_tokens = sums.score.n_tokens;
	if (sums.score.n_tokens == 0)
		return NN_OK;
	metrics->token_accuracy = (double) sums.score.n_right / (double) sums.score.n_tokens;
	if (!is_tag)
		metrics->perplexity = exp(sums.score.loss / (double) sums.score.n_tokens);
	if (sums.spans != NULL)
	{
		metrics->precision = nn_span_precision(&sums.spans[0]);
		metrics->recall = nn_span_recall(&sums.spans[0]);
		metrics->f1 = nn_span_f1(&sums.spans[0]);
	}
	return NN_OK;
}

/* ---- the call ------------------------------------------------------------------------------ */

NnStatus
nn_learner_measure(NnLearner *learner, NnError *err)
{
	NnArena    *arena;
	NnArena    *scratch;
	NnStatus	status;

	nn_sequence_metrics_init(&learner->report.sequence);
	if (learner->valid.examples.n == 0 || learner->task == NN_TASK_CLASSIFY)
		return NN_OK;
	arena = nn_arena_create(learner->env);
	scratch = nn_arena_create(learner->env);
	if (arena == NULL || scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	else if (learner->task == NN_TASK_FORECAST)
		status = nn_learner_judge_forecast(learner, arena, scratch, err);
	else
		status = nn_task_is_pooled(learner->task) ? measure_numbers(learner, arena, err) :
			measure_tokens(learner, arena, scratch, err);
	nn_arena_destroy(scratch);
	nn_arena_destroy(arena);
	return status;
}
