/*
 * train/shards.c: the sequences of a batch dealt to shards.
 *
 * The loss of a batch is a mean over its terms: rows (weighted by class) or tokens.
 * A shard's own loss is the mean over the shard's, so with w_s the shard's share
 * of the terms
 *   loss = sum_s w_s loss_s      gradient = sum_s w_s gradient_s
 * exactly, but for what is drawn: each shard drops words of its own.
 */
#include "train/shards.h"

#include <string.h>

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory in a training step");
}

int
nn_shards_count(const NnTrainOptions *options)
{
	int			n = options->shards < options->batch ? options->shards : options->batch;

	return n < 1 ? 1 : n;
}

int
nn_shards_batch(const NnTrainOptions *options)
{
	int			n_shards = nn_shards_count(options);

	return (int) (((int64_t) options->batch + n_shards - 1) / n_shards);
}

/* ---- terms ----------------------------------------------------------------------- */

/* Terms of the loss that an example has: tokens where text is written, else the one of its row. */
static int64_t
count_terms(const NnSpec *spec, const NnExamples *examples, int64_t i)
{
	if (spec->task == NN_TASK_LANGUAGE)
		return examples->token_start[i + 1] - examples->token_start[i] + 1;
	if (spec->decoder_layers > 0)
		return nn_example_written(examples, spec, i);
	return 1;
}

/* ... and what they weigh. */
static double
weigh_terms(const NnSpec *spec, const NnExamples *examples, const NnTrainOptions *options, int64_t i)
{
	if (spec->task == NN_TASK_CLASSIFY && !spec->is_multi_label && options->class_weight != NULL)
		return (double) options->class_weight[examples->label[i]];
	return (double) count_terms(spec, examples, i);
}

/* From sums of terms to shares. */
static void
share_weights(NnDeal *deal)
{
	double		sum = 0.0;

	for (int s = 0; s < deal->n_shards; s++)
		sum += deal->weight[s];
	for (int s = 0; s < deal->n_shards; s++)
		deal->weight[s] = sum > 0.0 ? deal->weight[s] / sum : 0.0;
}

/* ---- dealing ----------------------------------------------------------------------- */

static NnStatus
create_deal(NnDeal *deal, int n_shards, int n_picked, NnArena *scratch, NnError *err)
{
	memset(deal, 0, sizeof(*deal));
	deal->n_shards = n_shards;
	deal->start = NN_ALLOC(scratch, int, (size_t) n_shards + 1);
	deal->weight = NN_ALLOC(scratch, double, (size_t) n_shards);
	if (n_picked > 0)
		deal->pick = NN_TAKE(scratch, int32_t, (size_t) n_picked);
	if (deal->start == NULL || deal->weight == NULL || (n_picked > 0 && deal->pick == NULL))
		return out_of_memory(err);
	return NN_OK;
}

/* The shard of place i: there and back again, so that no shard has the longest of every turn. */
static int
shard_of(int i, int n_shards)
{
	int			at = i % n_shards;

	return i / n_shards % 2 == 0 ? at : n_shards - 1 - at;
}

NnStatus
nn_deal_examples(NnDeal *deal, int n_shards, const NnSpec *spec, const NnExamples *examples,
				 const NnTrainOptions *options, const int32_t *pick, int n, NnArena *scratch, NnError *err)
{
	int			at = 0;

	NN_TRY(create_deal(deal, n_shards, n, scratch, err));
	for (int s = 0; s < n_shards; s++)
	{
		deal->start[s] = at;
		for (int i = 0; i < n; i++)
		{
			if (shard_of(i, n_shards) != s)
				continue;
			deal->pick[at++] = pick[i];
			deal->weight[s] += weigh_terms(spec, examples, options, pick[i]);
			deal->n_terms += count_terms(spec, examples, pick[i]);
		}
	}
	deal->start[n_shards] = at;
	share_weights(deal);
	return NN_OK;
}

NnStatus
nn_deal_running(NnDeal *deal, const NnRunning *running, int64_t k, NnArena *scratch, NnError *err)
{
	int			T = nn_running_steps(running, k);

	NN_TRY(create_deal(deal, running->n_shards, 0, scratch, err));
	for (int s = 0; s <= running->n_shards; s++)
		deal->start[s] = nn_running_lane(running, s);
	for (int s = 0; s < running->n_shards; s++)
		deal->weight[s] = (double) (deal->start[s + 1] - deal->start[s]) * T;
	deal->n_terms = (int64_t) running->n_lanes * T;
	share_weights(deal);
	return NN_OK;
}

size_t
nn_deal_bytes(const NnTrainOptions *options, int64_t n)
{
	size_t		n_shards = (size_t) nn_shards_count(options);

	return nn_size_add(nn_size_mul((size_t) n, sizeof(int32_t)),
					   (n_shards + 1) * (sizeof(int) + sizeof(double)) + 3 * 64);
}
