/*
 * train/evaluate.c: outputs of a net for many examples.
 *
 * Examples are sorted by length once, cut into batches that stay within a
 * bound, and each batch's outputs are handed to a sink: nn_outputs() puts them
 * back in the order of the examples, nn_validate() adds up figures, shard by
 * shard (train/shards.h), and keeps nothing.  Networks that are not pooled have a score for each batch.  An
 * output does not depend on the batch it was computed in (kern/kern.h), so none
 * of this depends on the bound.
 */
#include "train/evaluate.h"

#include <float.h>
#include <math.h>
#include <string.h>
#include "kern/kern.h"

/*
 * Batches of nn_outputs(): wide enough for the matrix products, and with few
 * enough steps that a poll is never far away (a guess; a batch of short texts is
 * full at 64 sequences, one of long texts at 8192 steps).
 */
static const NnBatchBound answer_bound = {
	.n_sequences = 64, .n_rows = 8192, .n_bag = 1 << 20, .n_written = 8192
};

/* How many of order[0 ... n - 1] make the next batch. */
static int
cut_batch(const NnEvaluation *evaluation, const int32_t *order, int64_t n)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	int64_t		n_rows = 0;
	int64_t		n_bag = 0;
	int64_t		n_written = 0;
	int			k;

	for (k = 0; k < n && k < evaluation->bound.n_sequences; k++)
	{
		n_rows += nn_example_length(evaluation->examples, spec, order[k]);
		n_bag += nn_example_bag(evaluation->examples, spec, order[k]);
		n_written += nn_example_written(evaluation->examples, spec, order[k]);
		if (k > 0 && (n_rows > evaluation->bound.n_rows || n_bag > evaluation->bound.n_bag ||
					  n_written > evaluation->bound.n_written))
			break;
	}
	return k;
}

/* One batch through the net; arrays are scratch's. */
static NnStatus
evaluate_batch(const NnEvaluation *evaluation, const int32_t *pick, int n_pick,
			   NnOutputs *outputs, NnError *err)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	NnArena    *scratch = evaluation->scratch;
	size_t		n_numbers = nn_size_mul((size_t) n_pick, (size_t) spec->n_outputs);
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n_pick);
	NnBatch		batch;

	outputs->n = n_pick;
	outputs->out = NN_ALLOC(scratch, float, n_numbers);
	outputs->recurrent = evaluation->is_split ? NN_ALLOC(scratch, float, n_numbers) : NULL;
	outputs->wide = evaluation->is_split ? NN_ALLOC(scratch, float, n_numbers) : NULL;
	if (order == NULL || outputs->out == NULL ||
		(evaluation->is_split && (outputs->recurrent == NULL || outputs->wide == NULL)))
		return nn_fail(err, NN_ENOMEM, "out of memory while evaluating");

	NN_TRY(nn_batch_pack(&batch, spec, evaluation->examples, pick, n_pick, 0, NULL, scratch, order, err));
	NN_TRY(nn_net_forward(evaluation->net, &batch, scratch, outputs->out,
						  outputs->recurrent, outputs->wide, NULL, err));
	/* from places in pick to numbers of examples */
	for (int r = 0; r < n_pick; r++)
		order[r] = pick[order[r]];
	outputs->example = order;
	return NN_OK;
}

NnStatus
nn_evaluate(const NnEvaluation *evaluation, int s, int n_shards, NnOutputsSink sink, void *ctx, NnError *err)
{
	int64_t		k = 0;
	int			n_pick;

	for (int64_t first = 0; first < evaluation->n; first += n_pick, k++)
	{
		NnOutputs	outputs;

		n_pick = cut_batch(evaluation, evaluation->order + first, evaluation->n - first);
		if (k % n_shards != s)
			continue;
		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(evaluation->scratch);
		NN_TRY(evaluate_batch(evaluation, evaluation->order + first, n_pick, &outputs, err));
		sink(ctx, &outputs);
	}
	return NN_OK;
}

/* ---- all outputs ------------------------------------------------------------ */

typedef struct NnScatter
{
	size_t		C;
	float	   *out;
	float	   *recurrent;
	float	   *wide;
} NnScatter;

static void
scatter_row(float *all, size_t C, int32_t example, const float *rows, int r)
{
	if (all != NULL)
		memcpy(all + (size_t) example * C, rows + (size_t) r * C, C * sizeof(float));
}

static void
scatter_outputs(void *ctx, const NnOutputs *outputs)
{
	NnScatter  *scatter = ctx;

	for (int r = 0; r < outputs->n; r++)
	{
		scatter_row(scatter->out, scatter->C, outputs->example[r], outputs->out, r);
		scatter_row(scatter->recurrent, scatter->C, outputs->example[r], outputs->recurrent, r);
		scatter_row(scatter->wide, scatter->C, outputs->example[r], outputs->wide, r);
	}
}

/* An evaluation of all examples, longest first. */
static NnStatus
begin_evaluation(const NnNet *net, const NnExamples *examples, const NnEnv *env, NnArena *memory,
				 NnArena *scratch, NnEvaluation *evaluation, NnError *err)
{
	int32_t    *order = NN_TAKE(memory, int32_t, (size_t) examples->n);

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory while evaluating");
	for (int64_t i = 0; i < examples->n; i++)
		order[i] = (int32_t) i;
	NN_TRY(nn_examples_sort(examples, nn_net_spec(net), order, examples->n, scratch, err));

	memset(evaluation, 0, sizeof(*evaluation));
	evaluation->net = net;
	evaluation->examples = examples;
	evaluation->n = examples->n;
	evaluation->order = order;
	evaluation->bound = answer_bound;
	evaluation->env = env;
	evaluation->scratch = scratch;
	return NN_OK;
}

/* nn_outputs() once its two arenas exist. */
static NnStatus
outputs_in(const NnNet *net, const NnExamples *examples, const NnEnv *env, NnArena *memory,
		   NnArena *scratch, NnScatter *scatter, NnError *err)
{
	NnEvaluation evaluation;

	NN_TRY(begin_evaluation(net, examples, env, memory, scratch, &evaluation, err));
	evaluation.is_split = scatter->recurrent != NULL || scatter->wide != NULL;
	return nn_evaluate(&evaluation, 0, 1, scatter_outputs, scatter, err);
}

NnStatus
nn_outputs(const NnNet *net, const NnExamples *examples, const NnEnv *env, float *out,
		   float *recurrent_out, float *wide_out, NnError *err)
{
	NnScatter	scatter = {(size_t) nn_net_spec(net)->n_outputs, out, recurrent_out, wide_out};
	NnArena    *memory;
	NnArena    *scratch;
	NnStatus	status;

	NN_TRY(nn_examples_check(examples, nn_net_spec(net), false, err));
	memory = nn_arena_create(env);
	scratch = nn_arena_create(env);
	if (memory == NULL || scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory while evaluating");
	else
		status = outputs_in(net, examples, env, memory, scratch, &scatter, err);
	nn_arena_destroy(scratch);
	nn_arena_destroy(memory);
	return status;
}

/* ---- validation --------------------------------------------------------------- */

/* Where a sink adds. */
typedef struct Adding
{
	const NnExamples *examples;
	const NnSpec *spec;
	int			C;
	NnFigures  *figures;
} Adding;

static void
add_classified(void *ctx, const NnOutputs *outputs)
{
	const Adding *adding = ctx;

	nn_softmax_rows(outputs->n, adding->C, outputs->out, adding->C);
	for (int r = 0; r < outputs->n; r++)
	{
		const float *p = outputs->out + (size_t) r * (size_t) adding->C;
		int32_t		label = adding->examples->label[outputs->example[r]];
		int			best = 0;

		for (int c = 1; c < adding->C; c++)
		{
			if (p[c] > p[best])
				best = c;
		}
		if (best == label)
			adding->figures->n_right++;
		/* written so that a NaN stays one, and a probability of 0 costs 87 nats and not infinity */
		adding->figures->loss -= log(p[label] < FLT_MIN ? (double) FLT_MIN : (double) p[label]);
	}
}

/* Labels that do not exclude each other: those above one half count as answers. */
static void
add_labeled(void *ctx, const NnOutputs *outputs)
{
	const Adding *adding = ctx;
	size_t		C = (size_t) adding->C;

	for (int r = 0; r < outputs->n; r++)
	{
		const float *target = adding->examples->target + (size_t) outputs->example[r] * C;
		const float *z = outputs->out + (size_t) r * C;

		for (size_t c = 0; c < C; c++)
		{
			bool		is_label = target[c] > 0.5f;
			double		x = is_label ? -(double) z[c] : (double) z[c];

			/* written so that a NaN stays one */
			adding->figures->loss += log1p(exp(-fabs(x))) + (x < 0.0 ? 0.0 : x);
			adding->figures->n_right += is_label && z[c] > 0;
			adding->figures->n_tokens += (is_label ? 1 : 0) + (z[c] > 0 ? 1 : 0);
		}
	}
}

static void
add_regressed(void *ctx, const NnOutputs *outputs)
{
	const Adding *adding = ctx;
	size_t		C = (size_t) adding->C;

	for (int r = 0; r < outputs->n; r++)
	{
		const float *target = adding->examples->target + (size_t) outputs->example[r] * C;

		for (size_t c = 0; c < C; c++)
		{
			double		error = (double) target[c] - (double) outputs->out[(size_t) r * C + c];

			adding->figures->loss += 0.5 * error * error;
		}
	}
}

/* As the loss in training (nn/head.c), here as sums. */
static void
add_forecast(void *ctx, const NnOutputs *outputs)
{
	const Adding *adding = ctx;
	const NnSpec *spec = adding->spec;
	int			Q = spec->n_quantiles;
	int			n_channels = nn_spec_channels(spec);
	int			n_targets = adding->C / Q;

	for (int r = 0; r < outputs->n; r++)
	{
		size_t		i = (size_t) outputs->example[r];
		const float *target = adding->examples->target + i * (size_t) n_targets;
		const float *weight = adding->examples->weight;
		const float *f = outputs->out + (size_t) r * (size_t) adding->C;

		for (int k = 0; k < n_targets; k++, f += Q)
		{
			double		v = weight != NULL ? (double) weight[i * (size_t) n_channels + (size_t) (k % n_channels)] : 1.0;

			for (int j = 0; j < Q; j++)
			{
				double		q = nn_quantile_level(Q, j);
				double		e = v * ((double) target[k] - (double) f[j]);

				/* written so that a NaN stays one */
				adding->figures->loss += e < 0.0 ? (q - 1.0) * e : q * e;
				if (j == Q / 2)
					adding->figures->error += fabs(e);
			}
		}
	}
}

/* Sum over outputs and rows of (target - mean target of the output)^2. */
static double
target_spread(const NnExamples *examples, int C)
{
	double		spread = 0.0;

	for (int c = 0; c < C; c++)
	{
		double		mean = 0.0;

		for (int64_t i = 0; i < examples->n; i++)
			mean += (double) examples->target[(size_t) i * (size_t) C + (size_t) c];
		mean /= (double) examples->n;
		for (int64_t i = 0; i < examples->n; i++)
		{
			double		d = (double) examples->target[(size_t) i * (size_t) C + (size_t) c] - mean;

			spread += d * d;
		}
	}
	return spread;
}

/* Every n_shards-th batch from batch s on into score. */
static NnStatus
score_examples(const NnEvaluation *evaluation, int s, int n_shards, NnBatchScore *score, NnError *err)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	int64_t		k = 0;
	int			n_pick;

	for (int64_t first = 0; first < evaluation->n; first += n_pick, k++)
	{
		NnArena    *scratch = evaluation->scratch;
		int32_t    *order;
		NnBatch		batch;

		n_pick = cut_batch(evaluation, evaluation->order + first, evaluation->n - first);
		if (k % n_shards != s)
			continue;
		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(scratch);
		order = NN_TAKE(scratch, int32_t, (size_t) n_pick);
		if (order == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory while evaluating");
		NN_TRY(nn_batch_pack(&batch, spec, evaluation->examples, evaluation->order + first, n_pick, 0, NULL,
							 scratch, order, err));
		NN_TRY(nn_net_score(evaluation->net, &batch, NULL, scratch, score, err));
	}
	return NN_OK;
}

/* The lanes of shard s of the running text, which has begun. */
static NnStatus
score_running(const NnEvaluation *evaluation, int s, NnBatchScore *score, NnError *err)
{
	NnRunning  *running = evaluation->running;

	if (running->n_batches == 0 || nn_running_lane(running, s) == nn_running_lane(running, s + 1))
		return NN_OK;
	for (int64_t k = 0; k < running->n_batches; k++)
	{
		NnBatch		batch;

		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(evaluation->scratch);
		NN_TRY(nn_running_pack(running, s, k, &batch, nn_net_spec(evaluation->net), evaluation->scratch, err));
		NN_TRY(nn_net_score(evaluation->net, &batch, &running->state[s], evaluation->scratch, score, err));
	}
	return NN_OK;
}

/* Before the first shard. */
static NnStatus
begin_scoring(const NnEvaluation *evaluation, NnError *err)
{
	if (evaluation->running == NULL)
		return NN_OK;
	nn_arena_reset(evaluation->scratch);
	return nn_running_begin(evaluation->running, evaluation->examples, NULL, evaluation->scratch, err);
}

static NnStatus
score_shard(const NnEvaluation *evaluation, int s, int n_shards, NnBatchScore *score, NnError *err)
{
	if (evaluation->running != NULL)
		return score_running(evaluation, s, score, err);
	return score_examples(evaluation, s, n_shards, score, err);
}

/* nn_score() once its two arenas exist. */
static NnStatus
score_in(const NnNet *net, const NnExamples *examples, int n_lanes, int bptt, const NnEnv *env,
		 NnArena *memory, NnArena *scratch, NnBatchScore *score, NnError *err)
{
	NnEvaluation evaluation;
	NnRunning	running;

	NN_TRY(begin_evaluation(net, examples, env, memory, scratch, &evaluation, err));
	if (examples->is_running)
	{
		NN_TRY(nn_running_create(&running, nn_net_spec(net), examples, n_lanes, 1, bptt, memory, err));
		evaluation.running = &running;
	}
	NN_TRY(begin_scoring(&evaluation, err));
	return score_shard(&evaluation, 0, 1, score, err);
}

NnStatus
nn_score(const NnNet *net, const NnExamples *examples, int n_lanes, int bptt, const NnEnv *env,
		 NnBatchScore *score, NnError *err)
{
	NnArena    *memory;
	NnArena    *scratch;
	NnStatus	status;

	NN_TRY(nn_examples_check(examples, nn_net_spec(net), true, err));
	memory = nn_arena_create(env);
	scratch = nn_arena_create(env);
	if (memory == NULL || scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory while evaluating");
	else
		status = score_in(net, examples, n_lanes, bptt, env, memory, scratch, score, err);
	nn_arena_destroy(scratch);
	nn_arena_destroy(memory);
	return status;
}

/* ---- validation by shards ------------------------------------------------------- */

/* What shard s of the batches adds up. */
static NnStatus
add_shard(const NnEvaluation *evaluation, int s, int n_shards, NnFigures *figures, NnError *err)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	Adding		adding = {evaluation->examples, spec, spec->n_outputs, figures};
	NnBatchScore score = {0};

	memset(figures, 0, sizeof(*figures));
	if (spec->is_multi_label)
		return nn_evaluate(evaluation, s, n_shards, add_labeled, &adding, err);
	if (spec->task == NN_TASK_CLASSIFY)
		return nn_evaluate(evaluation, s, n_shards, add_classified, &adding, err);
	if (spec->task == NN_TASK_REGRESS)
		return nn_evaluate(evaluation, s, n_shards, add_regressed, &adding, err);
	if (spec->task == NN_TASK_FORECAST)
		return nn_evaluate(evaluation, s, n_shards, add_forecast, &adding, err);
	NN_TRY(score_shard(evaluation, s, n_shards, &score, err));
	figures->loss = score.loss;
	figures->n_right = score.n_right;
	figures->n_tokens = score.n_tokens;
	return NN_OK;
}

/* Labels and numbers. */
static void
judge_pooled(const NnEvaluation *evaluation, const NnFigures *figures, NnValidation *validation)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	double		n = (double) evaluation->n;

	validation->loss = figures->loss / n;
	if (spec->task == NN_TASK_FORECAST)
	{
		validation->loss = figures->loss / (n * spec->n_outputs);
		validation->metric = figures->error * spec->n_quantiles / (n * spec->n_outputs);
		validation->goodness = -validation->loss;
		return;
	}
	if (spec->is_multi_label)
		/* micro-F1: twice the right answers over labels and answers */
		validation->metric = figures->n_tokens > 0 ? 2.0 * (double) figures->n_right / (double) figures->n_tokens : 0.0;
	else if (spec->task == NN_TASK_CLASSIFY)
		validation->metric = (double) figures->n_right / n;
	else
	{
		double		spread = target_spread(evaluation->examples, spec->n_outputs);

		/* R2, and 0 where it is undefined, as in metrics.c */
		validation->metric = spread > 0 ? 1.0 - 2.0 * figures->loss / spread : 0.0;
	}
	validation->goodness = validation->metric;
}

/* Tags and texts.  Perplexity is exp(loss per token). */
static void
judge_tokens(const NnEvaluation *evaluation, const NnFigures *figures, NnValidation *validation)
{
	bool		is_tag = nn_net_spec(evaluation->net)->task == NN_TASK_TAG;
	double		n_tokens = figures->n_tokens > 0 ? (double) figures->n_tokens : 1.0;

	validation->loss = figures->loss / (is_tag ? (double) evaluation->n : n_tokens);
	validation->metric = is_tag ? (double) figures->n_right / n_tokens : exp(validation->loss);
	validation->goodness = is_tag ? validation->metric : -validation->loss;
}

NnStatus
nn_validate(const NnEvaluation *evaluation, NnSlots *slots, int n_shards, NnValidation *validation, NnError *err)
{
	NnFigures	figures;

	NN_TRY(begin_scoring(evaluation, err));
	for (int s = 0; s < n_shards; s++)
	{
		if (!nn_slots_is_mine(slots, s))
			continue;
		NN_TRY(add_shard(evaluation, s, n_shards, &figures, err));
		nn_slots_put_figures(slots, s, &figures);
	}
	NN_TRY(nn_slots_sum_figures(slots, &figures, err));
	if (nn_task_is_pooled(nn_net_spec(evaluation->net)->task))
		judge_pooled(evaluation, &figures, validation);
	else
		judge_tokens(evaluation, &figures, validation);
	return NN_OK;
}
