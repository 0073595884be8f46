/*
 * train/trainer_memory.c: what a training takes.
 *
 * What lives as long as the training (moments, copy, orders, gradients of shards)
 * comes from one arena; what lives as long as a step from another, which is brought
 * to its largest size before the first step: the loop itself allocates nothing, and
 * nn_train_bytes() can say what it takes.
 */
#include "train/trainer_private.h"

/* Scratch of the largest thing done in it: a step, or the sorting of a window or of the validation part. */
static size_t
scratch_bytes(const NnSpec *spec, const NnBatchBound *bound, int64_t n_sorted)
{
	/* a tagger's distinct tokens are written forms, of which there may be more than words */
	bool		is_bounded = spec->task != NN_TASK_TAG && spec->vocabulary < bound->n_rows;
	int64_t		n_touched = bound->n_bag + bound->n_spelling + bound->n_rows + bound->n_written + bound->n_sampled;
	NnBatchSize size = {
		.B = bound->n_sequences,
		.N = bound->n_rows,
		.U = is_bounded ? spec->vocabulary : bound->n_rows,
		.n_spelling = bound->n_spelling,
		.N_written = bound->n_written,
		.U_written = bound->n_written < spec->vocabulary ? bound->n_written : spec->vocabulary,
		.n_pairs = bound->n_pairs,
		.n_sampled = bound->n_sampled,
	};
	size_t		step = nn_batch_bytes(spec, bound);
	size_t		sort = nn_size_add(nn_size_mul((size_t) n_sorted, 16), 256);

	step = nn_size_add(step, nn_net_batch_bytes(spec, true, &size));
	/* rows of tables that were touched */
	step = nn_size_add(step, nn_size_mul((size_t) n_touched, sizeof(int32_t)));
	return step > sort ? step : sort;
}

/* Beside the largest shard's: the dealing, and the touched rows of all of them. */
static size_t
deal_bytes(const NnTrainOptions *options, const NnBatchBound *bound)
{
	int			n_shards = nn_shards_count(options);
	int64_t		n_touched = 2 * (bound->n_bag + bound->n_spelling + bound->n_rows + bound->n_written + bound->n_sampled);
	size_t		bytes = nn_deal_bytes(options, bound->n_sequences * n_shards);

	if (n_shards == 1)
		return bytes;
	return nn_size_add(bytes, nn_size_mul(nn_size_mul((size_t) n_touched, (size_t) n_shards), sizeof(int32_t)));
}

/* Examples put in order together: a window, or the whole validation part; a running text's all. */
static int64_t
largest_sort(const NnTrainOptions *options, const NnExamples *train, int64_t n_valid)
{
	int64_t		n_train = train->n;
	int64_t		n_window = (int64_t) options->batch * options->window;

	if (n_window > n_train || train->is_running)
		n_window = n_train;
	return n_window > n_valid ? n_window : n_valid;
}

/* A shard's; one of a running text has as many rows whatever the texts. */
static void
shard_bound(NnBatchBound *bound, const NnExamples *examples, const NnSpec *spec, const NnTrainOptions *options)
{
	nn_batch_bound(bound, examples, spec, nn_shards_batch(options));
	if (options->n_samples > 0)
		bound->n_sampled = (int64_t) options->first_sampled + options->n_samples;
	if (examples->is_running)
	{
		bound->n_sequences = nn_shards_batch(options);
		bound->n_rows = bound->n_sequences * options->bptt;
	}
}

/*
 * What lives as long as the training; what a team has jointly, its members have not.  The validation part is taken
 * to be no larger than train.
 */
static size_t
lasting_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options, const NnBatchBound *bound,
			  bool is_member)
{
	size_t		n_parameters = nn_net_bytes(spec, false) / sizeof(float);
	size_t		bytes = nn_optimizer_bytes(is_member ? 0 : n_parameters, NN_MAX_TENSORS);

	if (train->is_running)
		bytes = nn_size_add(bytes, nn_size_mul(2, nn_running_bytes(spec, train, options->batch, nn_shards_count(options))));
	bytes = nn_size_add(bytes, nn_size_mul(n_parameters, sizeof(float)));	/* the copy */
	bytes = nn_size_add(bytes, nn_size_mul((size_t) train->n, 3 * sizeof(int32_t)));	/* orders */
	bytes = nn_size_add(bytes, nn_slots_bytes(spec, options, bound, is_member));
	return nn_size_add(bytes, 65536);	/* what the arena rounds up */
}

/* The validation part's longest example is taken to be no longer than train's longest batch. */
static size_t
train_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options, bool is_member)
{
	size_t		bytes;
	NnBatchBound bound;

	shard_bound(&bound, train, spec, options);
	bytes = nn_size_add(lasting_bytes(spec, train, options, &bound, is_member), deal_bytes(options, &bound));
	return nn_size_add(bytes, nn_size_add(4096, scratch_bytes(spec, &bound, largest_sort(options, train, train->n))));
}

size_t
nn_train_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options)
{
	return train_bytes(spec, train, options, false);
}

size_t
nn_team_member_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options)
{
	return train_bytes(spec, train, options, true);
}

size_t
nn_team_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options)
{
	NnBatchBound bound;

	shard_bound(&bound, train, spec, options);
	return nn_size_add(nn_joint_bytes(spec, options, &bound), nn_slots_exchange_bytes(spec, options, &bound));
}

static NnStatus
allocate_running(NnTrainer *trainer, const NnExamples *valid, NnError *err)
{
	const NnTrainOptions *options = trainer->options;

	NN_TRY(nn_running_create(&trainer->running, trainer->spec, trainer->train, options->batch, trainer->n_shards,
							 options->bptt, trainer->memory, err));
	NN_TRY(nn_running_create(&trainer->running_valid, trainer->spec, valid, options->batch, trainer->n_shards,
							 options->bptt, trainer->memory, err));
	trainer->valid.running = &trainer->running_valid;
	return NN_OK;
}

/* The validation part in its order. */
static NnStatus
allocate_valid(NnTrainer *trainer, const NnExamples *valid, const NnBatchBound *bound, NnError *err)
{
	int32_t    *order = NN_TAKE(trainer->memory, int32_t, (size_t) valid->n);

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the validation part");
	for (int64_t i = 0; i < valid->n; i++)
		order[i] = (int32_t) i;
	NN_TRY(nn_examples_sort(valid, trainer->spec, order, valid->n, trainer->scratch, err));
	trainer->valid.net = trainer->net;
	trainer->valid.examples = valid;
	trainer->valid.n = valid->n;
	trainer->valid.order = order;
	trainer->valid.bound = *bound;
	trainer->valid.env = trainer->env;
	trainer->valid.scratch = trainer->scratch;
	return NN_OK;
}

NnStatus
nn_trainer_allocate(NnTrainer *trainer, const NnExamples *valid, NnError *err)
{
	const NnTrainOptions *options = trainer->options;
	NnArena    *memory = trainer->memory;
	NnBatchBound bound;
	size_t		n_scratch;

	shard_bound(&bound, trainer->train, trainer->spec, options);
	/* at once, as an arena that grows has more than it gives */
	if (!nn_arena_reserve(memory, lasting_bytes(trainer->spec, trainer->train, options, &bound,
												options->team != NULL)))
		return nn_fail(err, NN_ENOMEM, "out of memory for the training");
	NN_TRY(nn_slots_create(&trainer->slots, trainer->net, options, &bound, memory, err));
	NN_TRY(nn_joint_create(&trainer->joint, trainer->net, options, &bound, memory, err));
	NN_TRY(nn_optimizer_create(&trainer->optimizer, trainer->net, options, nn_joint_moments(trainer->joint), memory,
							   err));
	NN_TRY(nn_snapshot_create(&trainer->snapshot, trainer->net, memory, trainer->env, err));
	NN_TRY(nn_epoch_order_create(&trainer->order, trainer->train->n, options, memory, err));

	n_scratch = nn_size_add(deal_bytes(options, &bound),
							scratch_bytes(trainer->spec, &bound, largest_sort(options, trainer->train, valid->n)));
	if (nn_arena_take(trainer->scratch, 1, n_scratch) == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for a batch of %d", options->batch);
	nn_arena_reset(trainer->scratch);
	if (trainer->is_running)
		NN_TRY(allocate_running(trainer, valid, err));
	return allocate_valid(trainer, valid, &bound, err);
}
