/*
 * train/examples.c: examples in order.
 *
 * An epoch: shuffle all examples, sort each window of `window` batches by
 * length, cut it into batches, shuffle the batches.  Sequences of a batch are
 * then of nearly one length, so that few steps run with few rows, and yet no
 * two epochs see the same batches.
 *
 * Everything here is sorted by one stable radix sort: lengths and token ids are
 * small integers, and ties must not depend on a library's qsort().
 */
#include "train/batch.h"

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory while sorting examples");
}

/* Least significant byte first; bytes that are zero in all keys are skipped. */
NnKeyed *
nn_sort_keyed(NnKeyed *items, NnKeyed *other, int64_t n)
{
	uint32_t	bits = 0;

	for (int64_t i = 0; i < n; i++)
		bits |= items[i].key;

	for (int shift = 0; shift < 32 && (bits >> shift) != 0; shift += 8)
	{
		int64_t		start[256] = {0};
		int64_t		sum = 0;
		NnKeyed    *swap = items;

		for (int64_t i = 0; i < n; i++)
			start[(items[i].key >> shift) & 255]++;
		for (int digit = 0; digit < 256; digit++)
		{
			int64_t		count = start[digit];

			start[digit] = sum;
			sum += count;
		}
		for (int64_t i = 0; i < n; i++)
			other[start[(items[i].key >> shift) & 255]++] = items[i];
		items = other;
		other = swap;
	}
	return items;
}

/* ---- examples ------------------------------------------------------------ */

/* The losses index by label. */
static NnStatus
check_labels(const NnExamples *examples, const NnSpec *spec, NnError *err)
{
	for (int64_t i = 0; i < examples->n; i++)
	{
		if (examples->label[i] < 0 || examples->label[i] >= spec->n_outputs)
			return nn_fail(err, NN_EINVAL, "label %d of example %lld is outside 0 ... %d",
						   (int) examples->label[i], (long long) i, spec->n_outputs - 1);
	}
	return NN_OK;
}

NnStatus
nn_examples_check(const NnExamples *examples, const NnSpec *spec, bool has_targets, NnError *err)
{
	bool		has_cell = spec->cell != NN_CELL_NONE;
	bool		is_text = spec->input == NN_INPUT_TEXT;
	const char *missing = NULL;

	if (examples->n < 0 || examples->n > INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "too many examples: %lld", (long long) examples->n);
	if (examples->n == 0)
		return NN_OK;

	if (is_text && has_cell && (examples->token_start == NULL || examples->token == NULL))
		missing = "tokens";
	else if (spec->wide == NN_WIDE_BAG && (examples->bag_start == NULL || examples->bag_row == NULL))
		missing = "bag features";
	else if (!is_text && examples->values == NULL)
		missing = "values";
	else if (spec->input == NN_INPUT_SERIES && examples->step_start == NULL)
		missing = "steps";
	else if (has_targets && spec->task == NN_TASK_CLASSIFY && !spec->is_multi_label && examples->label == NULL)
		missing = "labels";
	else if (has_targets &&
			 (spec->task == NN_TASK_REGRESS || spec->task == NN_TASK_FORECAST || spec->is_multi_label) &&
			 examples->target == NULL)
		missing = "targets";
	else if (spec->wide == NN_WIDE_LINEAR && examples->flat == NULL)
		missing = "flat windows";
	else if (spec->task == NN_TASK_TAG && examples->forms == NULL)
		missing = "forms";
	else if (has_targets && spec->task == NN_TASK_TAG && examples->tag == NULL)
		missing = "tags";
	else if (has_targets && spec->decoder_layers > 0 &&
			 (examples->written_start == NULL || examples->written == NULL))
		missing = "written texts";

	if (missing != NULL)
		return nn_fail(err, NN_EINTERNAL, "examples have no %s", missing);
	if (has_targets && spec->task == NN_TASK_CLASSIFY && !spec->is_multi_label)
		return check_labels(examples, spec, err);
	return NN_OK;
}

int64_t
nn_example_steps(const NnExamples *examples, int64_t i)
{
	/* Vectors are series of one step each and may come without starts. */
	if (examples->step_start == NULL)
		return 1;
	return examples->step_start[i + 1] - examples->step_start[i];
}

int64_t
nn_example_length(const NnExamples *examples, const NnSpec *spec, int64_t i)
{
	/* Without a recurrent branch nobody walks the steps: all lengths are 0. */
	if (spec->cell == NN_CELL_NONE)
		return 0;
	/* Texts of a language model are read from an end token on; backwards also from the one behind. */
	if (spec->task == NN_TASK_LANGUAGE)
		return examples->token_start[i + 1] - examples->token_start[i] + (spec->is_bidirectional ? 2 : 1);
	if (spec->input == NN_INPUT_TEXT)
		return examples->token_start[i + 1] - examples->token_start[i];
	return nn_example_steps(examples, i);
}

int64_t
nn_example_written(const NnExamples *examples, const NnSpec *spec, int64_t i)
{
	if (spec->decoder_layers == 0 || examples->written_start == NULL)
		return 0;
	return examples->written_start[i + 1] - examples->written_start[i] + 1;
}

int64_t
nn_example_bag(const NnExamples *examples, const NnSpec *spec, int64_t i)
{
	if (spec->wide != NN_WIDE_BAG)
		return 0;
	return examples->bag_start[i + 1] - examples->bag_start[i];
}

NnStatus
nn_examples_sort(const NnExamples *examples, const NnSpec *spec, int32_t *order, int64_t n,
				 NnArena *scratch, NnError *err)
{
	NnKeyed    *items = NN_TAKE(scratch, NnKeyed, (size_t) n);
	NnKeyed    *other = NN_TAKE(scratch, NnKeyed, (size_t) n);
	uint32_t	longest = 0;

	if (items == NULL || other == NULL)
		return out_of_memory(err);

	for (int64_t i = 0; i < n; i++)
	{
		int64_t		length = nn_example_length(examples, spec, order[i]);

		if (length < 0 || length > INT32_MAX)
			return nn_fail(err, NN_ELIMIT, "a sequence of %lld steps is too long", (long long) length);
		items[i].key = (uint32_t) length;
		items[i].value = order[i];
		if (items[i].key > longest)
			longest = items[i].key;
	}
	/* Ascending by what is missing to the longest is descending by length. */
	for (int64_t i = 0; i < n; i++)
		items[i].key = longest - items[i].key;

	items = nn_sort_keyed(items, other, n);
	for (int64_t i = 0; i < n; i++)
		order[i] = items[i].value;
	return NN_OK;
}

/* ---- epochs -------------------------------------------------------------- */

NnStatus
nn_epoch_order_create(NnEpochOrder *epoch, int64_t n, const NnTrainOptions *options,
					  NnArena *arena, NnError *err)
{
	epoch->n_all = n;
	epoch->n = options->max_examples > 0 && options->max_examples < n ? options->max_examples : n;
	epoch->batch = options->batch;
	epoch->n_window = (int64_t) options->batch * options->window;
	epoch->n_batches = (epoch->n + options->batch - 1) / options->batch;
	epoch->order = NN_TAKE(arena, int32_t, (size_t) n);
	epoch->batch_order = NN_TAKE(arena, int32_t, (size_t) epoch->n_batches);
	if (epoch->order == NULL || epoch->batch_order == NULL)
		return out_of_memory(err);
	return NN_OK;
}

NnStatus
nn_epoch_order_shuffle(NnEpochOrder *epoch, const NnSpec *spec, const NnExamples *examples,
					   NnRng *rng, const NnEnv *env, NnArena *scratch, NnError *err)
{
	/* From the identity each time: an epoch's order depends on the generator alone. */
	for (int64_t i = 0; i < epoch->n_all; i++)
		epoch->order[i] = (int32_t) i;
	for (int64_t b = 0; b < epoch->n_batches; b++)
		epoch->batch_order[b] = (int32_t) b;

	nn_rng_shuffle(rng, epoch->order, epoch->n_all);
	for (int64_t first = 0; first < epoch->n; first += epoch->n_window)
	{
		int64_t		n = epoch->n - first < epoch->n_window ? epoch->n - first : epoch->n_window;

		if (env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "training was canceled");
		nn_arena_reset(scratch);
		NN_TRY(nn_examples_sort(examples, spec, epoch->order + first, n, scratch, err));
	}
	nn_rng_shuffle(rng, epoch->batch_order, epoch->n_batches);
	return NN_OK;
}
