/*
 * train/evaluate.c: outputs of a net for many examples.
 *
 * Examples are sorted by length once, cut into batches that stay within a
 * bound, and each batch's outputs are handed to a sink: nn_outputs() puts them
 * back in the order of the examples, nn_validate() adds up its figures and
 * keeps nothing.  Networks that are not pooled have a score for each batch.  An
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
nn_evaluate(const NnEvaluation *evaluation, NnOutputsSink sink, void *ctx, NnError *err)
{
	int			n_pick;

	for (int64_t first = 0; first < evaluation->n; first += n_pick)
	{
		NnOutputs	outputs;

		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(evaluation->scratch);
		n_pick = cut_batch(evaluation, evaluation->order + first, evaluation->n - first);
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
	return nn_evaluate(&evaluation, scatter_outputs, scatter, err);
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

typedef struct NnFigures
{
	const NnExamples *examples;
	const NnSpec *spec;
	int			C;
	double		sum_loss;
	double		sum_error;		/* forecast: absolute errors of the median */
	int64_t		n_right;
} NnFigures;

static void
add_classified(void *ctx, const NnOutputs *outputs)
{
	NnFigures  *figures = ctx;

	nn_softmax_rows(outputs->n, figures->C, outputs->out, figures->C);
	for (int r = 0; r < outputs->n; r++)
	{
		const float *p = outputs->out + (size_t) r * (size_t) figures->C;
		int32_t		label = figures->examples->label[outputs->example[r]];
		int			best = 0;

		for (int c = 1; c < figures->C; c++)
		{
			if (p[c] > p[best])
				best = c;
		}
		if (best == label)
			figures->n_right++;
		/* written so that a NaN stays one, and a probability of 0 costs 87 nats and not infinity */
		figures->sum_loss -= log(p[label] < FLT_MIN ? (double) FLT_MIN : (double) p[label]);
	}
}

static void
add_regressed(void *ctx, const NnOutputs *outputs)
{
	NnFigures  *figures = ctx;
	size_t		C = (size_t) figures->C;

	for (int r = 0; r < outputs->n; r++)
	{
		const float *target = figures->examples->target + (size_t) outputs->example[r] * C;

		for (size_t c = 0; c < C; c++)
		{
			double		error = (double) target[c] - (double) outputs->out[(size_t) r * C + c];

			figures->sum_loss += 0.5 * error * error;
		}
	}
}

/* As the loss in training (nn/head.c), here as sums. */
static void
add_forecast(void *ctx, const NnOutputs *outputs)
{
	NnFigures  *figures = ctx;
	const NnSpec *spec = figures->spec;
	int			Q = spec->n_quantiles;
	int			n_channels = nn_spec_channels(spec);
	int			n_targets = figures->C / Q;

	for (int r = 0; r < outputs->n; r++)
	{
		size_t		i = (size_t) outputs->example[r];
		const float *target = figures->examples->target + i * (size_t) n_targets;
		const float *weight = figures->examples->weight;
		const float *f = outputs->out + (size_t) r * (size_t) figures->C;

		for (int k = 0; k < n_targets; k++, f += Q)
		{
			double		v = weight != NULL ? (double) weight[i * (size_t) n_channels + (size_t) (k % n_channels)] : 1.0;

			for (int j = 0; j < Q; j++)
			{
				double		q = nn_quantile_level(Q, j);
				double		e = v * ((double) target[k] - (double) f[j]);

				/* written so that a NaN stays one */
				figures->sum_loss += e < 0.0 ? (q - 1.0) * e : q * e;
				if (j == Q / 2)
					figures->sum_error += fabs(e);
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

static NnStatus
validate_pooled(const NnEvaluation *evaluation, NnValidation *validation, NnError *err)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	NnFigures	figures = {.examples = evaluation->examples, .spec = spec, .C = spec->n_outputs};

	if (spec->task == NN_TASK_FORECAST)
	{
		double		n = (double) evaluation->n * spec->n_outputs;

		NN_TRY(nn_evaluate(evaluation, add_forecast, &figures, err));
		validation->loss = figures.sum_loss / n;
		validation->metric = figures.sum_error * spec->n_quantiles / n;
		validation->goodness = -validation->loss;
		return NN_OK;
	}
	if (spec->task == NN_TASK_CLASSIFY)
	{
		NN_TRY(nn_evaluate(evaluation, add_classified, &figures, err));
		validation->metric = (double) figures.n_right / (double) evaluation->n;
	}
	else
	{
		double		spread = target_spread(evaluation->examples, spec->n_outputs);

		NN_TRY(nn_evaluate(evaluation, add_regressed, &figures, err));
		/* R2, and 0 where it is undefined, as in metrics.c */
		validation->metric = spread > 0 ? 1.0 - 2.0 * figures.sum_loss / spread : 0.0;
	}
	validation->loss = figures.sum_loss / (double) evaluation->n;
	validation->goodness = validation->metric;
	return NN_OK;
}

/* Examples batch by batch into score. */
static NnStatus
score_examples(const NnEvaluation *evaluation, NnBatchScore *score, NnError *err)
{
	const NnSpec *spec = nn_net_spec(evaluation->net);
	int			n_pick;

	for (int64_t first = 0; first < evaluation->n; first += n_pick)
	{
		NnArena    *scratch = evaluation->scratch;
		int32_t    *order;
		NnBatch		batch;

		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(scratch);
		n_pick = cut_batch(evaluation, evaluation->order + first, evaluation->n - first);
		order = NN_TAKE(scratch, int32_t, (size_t) n_pick);
		if (order == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory while evaluating");
		NN_TRY(nn_batch_pack(&batch, spec, evaluation->examples, evaluation->order + first, n_pick, 0, NULL,
							 scratch, order, err));
		NN_TRY(nn_net_score(evaluation->net, &batch, NULL, scratch, score, err));
	}
	return NN_OK;
}

/* The running text from its beginning. */
static NnStatus
score_running(const NnEvaluation *evaluation, NnBatchScore *score, NnError *err)
{
	NnRunning  *running = evaluation->running;

	nn_arena_reset(evaluation->scratch);
	NN_TRY(nn_running_begin(running, evaluation->examples, NULL, evaluation->scratch, err));
	for (int64_t k = 0; k < running->n_batches; k++)
	{
		NnBatch		batch;

		if (evaluation->env->poll(evaluation->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "evaluation was canceled");
		nn_arena_reset(evaluation->scratch);
		NN_TRY(nn_running_pack(running, k, &batch, nn_net_spec(evaluation->net), evaluation->scratch, err));
		NN_TRY(nn_net_score(evaluation->net, &batch, &running->state, evaluation->scratch, score, err));
	}
	return NN_OK;
}

static NnStatus
score_all(const NnEvaluation *evaluation, NnBatchScore *score, NnError *err)
{
	if (evaluation->running != NULL)
		return score_running(evaluation, score, err);
	return score_examples(evaluation, score, err);
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
		NN_TRY(nn_running_create(&running, nn_net_spec(net), examples, n_lanes, bptt, memory, err));
		evaluation.running = &running;
	}
	return score_all(&evaluation, score, err);
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

/* Perplexity is exp(loss per token). */
static NnStatus
validate_tokens(const NnEvaluation *evaluation, NnValidation *validation, NnError *err)
{
	bool		is_tag = nn_net_spec(evaluation->net)->task == NN_TASK_TAG;
	NnBatchScore score = {0};
	double		n_tokens;

	NN_TRY(score_all(evaluation, &score, err));
	n_tokens = score.n_tokens > 0 ? (double) score.n_tokens : 1.0;
	validation->loss = score.loss / (is_tag ? (double) evaluation->n : n_tokens);
	validation->metric = is_tag ? (double) score.n_right / n_tokens : exp(validation->loss);
	validation->goodness = is_tag ? validation->metric : -validation->loss;
	return NN_OK;
}

NnStatus
nn_validate(const NnEvaluation *evaluation, NnValidation *validation, NnError *err)
{
	if (nn_task_is_pooled(nn_net_spec(evaluation->net)->task))
		return validate_pooled(evaluation, validation, err);
	return validate_tokens(evaluation, validation, err);
}
