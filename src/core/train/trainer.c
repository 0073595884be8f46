/*
 * train/trainer.c: the training loop.
 *
 *	for each epoch
 *		deal the batches (batch.c)
 *		for each batch
 *			poll; one step (trainer_step.c); perhaps a checkpoint (checkpoint.c)
 *		validate (evaluate.c); keep a copy of the weights (guard.c); stop early?
 *	weights of the best epoch, or of the last
 *
 * All memory (trainer_memory.c) is gone when nn_train() returns; if poll() does not
 * return, the host gives it back.
 *
 * The order of examples and what is dropped are drawn from generators of one seed
 * that know nothing of each other, so that no dropout setting changes the batches.
 */
#include "train/trainer_private.h"

#include <math.h>
#include <string.h>

#define PROGRESS_SECONDS	0.5
#define GRADIENT_SEQUENCES	32	/* by which gradients are followed back */

/* ---- checks ------------------------------------------------------------------ */

static NnStatus
check_options(const NnTrainOptions *options, NnError *err)
{
	if (options->epochs < 1 || options->epochs > NN_MAX_EPOCHS)
		return nn_fail(err, NN_ERANGE, "%d epochs are outside 1 ... %d", options->epochs, NN_MAX_EPOCHS);
	if (options->stop < 0 || options->max_examples < 0)
		return nn_fail(err, NN_ERANGE, "a stop after %d epochs of %lld examples", options->stop,
					   (long long) options->max_examples);
	if (options->batch < 1 || options->window < 1)
		return nn_fail(err, NN_ERANGE, "a batch of %d, a window of %d batches", options->batch, options->window);
	if (!(options->beta1 >= 0 && options->beta1 < 1 && options->beta2 >= 0 && options->beta2 < 1 &&
		  options->epsilon > 0 && options->epsilon_bag >= 0))
		return nn_fail(err, NN_ERANGE, "beta1 and beta2 must be in [0, 1) and epsilon above 0");
	if (!(options->drop_feature >= 0 && options->drop_feature < 1))
		return nn_fail(err, NN_ERANGE, "the share of dropped features must be in [0, 1)");
	if (!(options->warmup >= 0 && options->warmup <= 1))
		return nn_fail(err, NN_ERANGE, "the share of warm-up must be in [0, 1]");
	if (options->shards < 0 || options->shards > NN_MAX_SHARDS)
		return nn_fail(err, NN_ERANGE, "%d shards are outside 0 ... %d", options->shards, NN_MAX_SHARDS);
	if (options->team != NULL && (options->team->size < 1 || options->team->rank < 0 ||
								  options->team->rank >= options->team->size))
		return nn_fail(err, NN_EINTERNAL, "member %d of a team of %d", options->team->rank, options->team->size);
	return NN_OK;
}

/* ---- progress ---------------------------------------------------------------- */

static int
epochs_to_run(const NnTrainOptions *options)
{
	return options->stop > 0 && options->stop < options->epochs ? options->stop : options->epochs;
}

static double
now(const NnTrainer *trainer)
{
	return trainer->env->now(trainer->env->ctx);
}

/* The running epoch's row of the report, as far as it has got. */
static void
record_epoch(NnTrainer *trainer)
{
	const NnEpochSums *sums = &trainer->sums;
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];
	double		n_steps = (double) sums->n_steps;

	epoch->loss_train = sums->n_counted > 0 ? sums->loss / (double) sums->n_counted : (double) NAN;
	epoch->gradient_norm = sums->n_steps > 0 ? sums->norm / n_steps : (double) NAN;
	epoch->share_clipped = sums->n_steps > 0 ? (double) sums->n_clipped / n_steps : 0.0;
	epoch->rate = sums->share;
	epoch->seconds = sums->before + now(trainer) - sums->started;
}

/* Of all epochs that are to run. */
static double
share_done(const NnTrainer *trainer)
{
	double		n = (double) trainer->order.n;

	return ((trainer->epoch - 1) * n + (double) trainer->sums.n_rows) / (epochs_to_run(trainer->options) * n);
}

/* Tell the host; within an epoch the validation figures are the last epoch's. */
static void
tell_progress(NnTrainer *trainer, bool is_epoch_end)
{
	const NnTrainReport *report = trainer->report;
	const NnEpoch *epoch = &report->epoch[trainer->epoch - 1];
	const NnEpoch *validated = is_epoch_end || trainer->epoch == 1 ? epoch : epoch - 1;
	int			n_epochs = epochs_to_run(trainer->options);
	double		done;
	NnProgress	progress = {0};

	record_epoch(trainer);
	trainer->reported = now(trainer);
	if (trainer->env->progress == NULL || (trainer->options->team != NULL && trainer->options->team->rank != 0))
		return;

	progress.epoch = trainer->epoch;
	progress.n_epochs = n_epochs;
	progress.is_epoch_end = is_epoch_end;
	progress.n_rows_done = trainer->sums.n_rows;
	progress.n_rows = trainer->order.n;
	progress.n_batches_done = trainer->batch;
	progress.n_batches = nn_trainer_batches(trainer);
	progress.loss_train = epoch->loss_train;
	progress.loss_valid = validated->loss_valid;
	progress.metric = validated->metric;
	progress.gradient_norm = epoch->gradient_norm;
	progress.n_clipped = epoch->share_clipped;
	progress.seconds = trainer->reported - trainer->started;
	if (epoch->seconds > 0)
		progress.rows_per_second = (double) trainer->sums.n_rows / epoch->seconds;
	/* batches come in random order, so what is left takes as long a row as what is done */
	done = share_done(trainer);
	if (done > trainer->done_before)
		progress.seconds_left = progress.seconds * (1.0 - done) / (done - trainer->done_before);
	trainer->env->progress(trainer->env->ctx, &progress);
}

/* ---- epochs ------------------------------------------------------------------ */

int64_t
nn_trainer_batches(const NnTrainer *trainer)
{
	return trainer->is_running ? trainer->running.n_batches : trainer->order.n_batches;
}

static NnStatus
deal_epoch(NnTrainer *trainer, NnError *err)
{
	trainer->rng_epoch = trainer->rng_order;
	if (!trainer->is_running)
		return nn_epoch_order_shuffle(&trainer->order, trainer->spec, trainer->train, &trainer->rng_order,
									  trainer->env, trainer->scratch, err);
	nn_arena_reset(trainer->scratch);
	NN_TRY(nn_running_begin(&trainer->running, trainer->train,
							trainer->options->is_ordered ? NULL : &trainer->rng_order, trainer->scratch, err));
	if (trainer->lanes_to_be != NULL)
		memcpy(trainer->running.state_floats, trainer->lanes_to_be,
			   trainer->running.n_state_floats * sizeof(float));
	trainer->lanes_to_be = NULL;
	return NN_OK;
}

/* What the host of the first member wishes. */
static NnWish
ask_host(const NnTrainer *trainer)
{
	const NnCheckpoints *checkpoints = trainer->options->checkpoints;

	return checkpoints != NULL ? checkpoints->ask(checkpoints->ctx) : NN_WISH_NOTHING;
}

/* Do it; a checkpoint where one can be written. */
static NnStatus
heed_wish(NnTrainer *trainer, NnWish wish, bool can_save, NnError *err)
{
	if (wish == NN_WISH_STOP)
		trainer->report->is_stopped = true;
	if (wish == NN_WISH_CHECKPOINT && can_save)
		return nn_trainer_save(trainer, err);
	return NN_OK;
}

/* A batch, in which a team meets, and what is wished behind it. */
static NnStatus
train_batch(NnTrainer *trainer, bool is_last, NnError *err)
{
	NnWish		wish = ask_host(trainer);

	if (trainer->env->poll(trainer->env->ctx) != 0)
		return nn_fail(err, NN_ECANCELED, "training was canceled");
	nn_joint_say(trainer->joint, wish);
	NN_TRY(nn_trainer_step(trainer, trainer->batch++, err));
	if (now(trainer) - trainer->reported >= PROGRESS_SECONDS)
		tell_progress(trainer, false);
	return heed_wish(trainer, nn_joint_hear(trainer->joint, wish), !is_last, err);
}

/* From its first batch, or from where a checkpoint stands. */
static NnStatus
train_epoch(NnTrainer *trainer, NnError *err)
{
	int64_t		n_batches = nn_trainer_batches(trainer);
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];

	trainer->sums.started = now(trainer);
	epoch->loss_valid = (double) NAN;
	epoch->metric = (double) NAN;

	NN_TRY(deal_epoch(trainer, err));
	while (trainer->batch < n_batches && !trainer->report->is_stopped)
		NN_TRY(train_batch(trainer, trainer->batch + 1 == n_batches, err));
	return NN_OK;
}

/* Are the weights good, and how good?  Goes back until they are; *went_back if it had to. */
static NnStatus
validate_epoch(NnTrainer *trainer, bool *went_back, NnError *err)
{
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];
	bool		is_good;

	*went_back = false;
	for (;;)
	{
		NN_TRY(nn_weights_check(trainer->net, trainer->env, &is_good, err));
		if (is_good && trainer->valid.n > 0)
		{
			NnValidation validation;

			NN_TRY(nn_validate(&trainer->valid, trainer->slots, trainer->n_shards, &validation, err));
			epoch->loss_valid = validation.loss;
			epoch->metric = validation.metric;
			trainer->goodness = validation.goodness;
			is_good = isfinite(validation.loss);
		}
		if (is_good)
			return NN_OK;
		*went_back = true;
		NN_TRY(nn_trainer_go_back(trainer, err));
	}
}

/*
 * How far back the loss reaches, on the longest sequences held out (or the first
 * ones learned from): what vanishing and exploding gradients look like.
 */
static NnStatus
follow_gradient(NnTrainer *trainer, NnError *err)
{
	const NnExamples *examples = trainer->valid.n > 0 ? trainer->valid.examples : trainer->train;
	const int32_t *pick = trainer->valid.n > 0 ? trainer->valid.order : trainer->order.order;
	int64_t		n = nn_shards_batch(trainer->options);
	NnArena    *scratch = trainer->scratch;
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];
	double	   *norm;
	int32_t    *rows;
	NnBatch		batch;

	epoch->n_distances = 0;
	nn_arena_reset(scratch);
	if (n > GRADIENT_SEQUENCES)
		n = GRADIENT_SEQUENCES;
	if (n > examples->n)
		n = examples->n;
	norm = NN_TAKE(scratch, double, NN_GRADIENT_DISTANCES);
	rows = NN_TAKE(scratch, int32_t, (size_t) n);
	if (norm == NULL || rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory in a training step");
	if (trainer->is_running)
		NN_TRY(nn_running_pack(&trainer->running, 0, 0, &batch, trainer->spec, scratch, err));
	else
		NN_TRY(nn_batch_pack(&batch, trainer->spec, examples, pick, (int) n, 0.0f, NULL, scratch, rows, err));
	NN_TRY(nn_net_gradient_distances(trainer->net, &batch, scratch, NN_GRADIENT_DISTANCES, norm, err));
	while (epoch->n_distances < NN_GRADIENT_DISTANCES && isfinite(norm[epoch->n_distances]))
	{
		epoch->gradient[epoch->n_distances] = (float) norm[epoch->n_distances];
		epoch->n_distances++;
	}
	return NN_OK;
}

/* Validate, keep a copy if these weights may be what the training ends with. */
static NnStatus
finish_epoch(NnTrainer *trainer, NnError *err)
{
	bool		is_by_metric = trainer->options->keep == NN_KEEP_BEST && trainer->valid.n > 0;
	bool		went_back;

	trainer->goodness = (double) NAN;
	NN_TRY(validate_epoch(trainer, &went_back, err));

	/* of equal epochs the later is kept: its rate was lower, it has settled more */
	if (!went_back && (!is_by_metric || trainer->goodness >= trainer->best_goodness))
		NN_TRY(nn_snapshot_take(&trainer->snapshot, trainer->epoch, trainer->env, err));
	if (trainer->goodness > trainer->best_goodness)
	{
		trainer->best_goodness = trainer->goodness;
		trainer->n_epochs_stale = 0;
	}
	else
		trainer->n_epochs_stale++;
	NN_TRY(follow_gradient(trainer, err));
	trainer->report->n_epochs = trainer->epoch;
	tell_progress(trainer, true);
	return NN_OK;
}

/* How good the first weights are, if they may be kept. */
static NnStatus
judge_start(NnTrainer *trainer, NnError *err)
{
	NnValidation validation;

	if (!trainer->options->is_start_kept || trainer->valid.n == 0)
		return NN_OK;
	NN_TRY(nn_validate(&trainer->valid, trainer->slots, trainer->n_shards, &validation, err));
	if (isfinite(validation.loss))
		trainer->best_goodness = validation.goodness;
	return NN_OK;
}

/* Epochs begin: the first, or the one that a checkpoint stands in. */
static NnStatus
begin_epochs(NnTrainer *trainer, NnError *err)
{
	bool		is_there;

	NN_TRY(nn_trainer_load(trainer, &is_there, err));
	if (is_there)
	{
		trainer->done_before = share_done(trainer);
		return NN_OK;
	}
	trainer->epoch = 1;
	NN_TRY(judge_start(trainer, err));
	trainer->is_start_good = isfinite(trainer->best_goodness);
	return NN_OK;
}

/* Go to the next epoch; false if there is none. */
static NnStatus
next_epoch(NnTrainer *trainer, bool *is_there, NnError *err)
{
	const NnTrainOptions *options = trainer->options;
	bool		can_stop = options->patience > 0 && trainer->valid.n > 0;
	NnWish		wish;

	trainer->batch = 0;
	memset(&trainer->sums, 0, sizeof(trainer->sums));
	*is_there = trainer->epoch < epochs_to_run(options) && !trainer->report->is_stopped &&
		!(can_stop && trainer->n_epochs_stale >= options->patience);
	if (!*is_there)
		return NN_OK;
	trainer->epoch++;
	trainer->rng_epoch = trainer->rng_order;
	wish = ask_host(trainer);
	nn_joint_say(trainer->joint, wish);
	NN_TRY(nn_team_meet(options->team, err));
	NN_TRY(heed_wish(trainer, nn_joint_hear(trainer->joint, wish), true, err));
	*is_there = !trainer->report->is_stopped;
	return NN_OK;
}

static NnStatus
train_epochs(NnTrainer *trainer, NnError *err)
{
	NnTrainReport *report = trainer->report;
	bool		is_there = true;

	NN_TRY(begin_epochs(trainer, err));
	while (is_there)
	{
		NN_TRY(train_epoch(trainer, err));
		NN_TRY(finish_epoch(trainer, err));
		NN_TRY(next_epoch(trainer, &is_there, err));
	}

	/* Every epoch went back to the first weights, or every step was skipped: nothing was learned. */
	if ((trainer->snapshot.epoch == 0 && !trainer->is_start_good) || report->n_steps == 0)
	{
		nn_fail(err, NN_EDIVERGED, "training diverged: no epoch ended with finite weights");
		return nn_fail_hint(err, "Lower \"rate\" or set \"clip\".");
	}
	report->best_epoch = trainer->snapshot.epoch;
	if (report->best_epoch != report->n_epochs)
		NN_TRY(nn_trainer_restore(trainer, err));
	return NN_OK;
}

/* nn_train() once its two arenas exist. */
static NnStatus
train_in(NnTrainer *trainer, const NnExamples *valid, NnError *err)
{
	uint64_t	seed = trainer->options->seed;

	NN_TRY(nn_trainer_allocate(trainer, valid, err));
	nn_rng_seed(&trainer->rng_order, nn_mix64(seed));
	nn_rng_seed(&trainer->rng_drop, nn_mix64(seed + 1));
	trainer->n_steps = nn_trainer_batches(trainer) * trainer->options->epochs;
	trainer->best_goodness = -HUGE_VAL;
	trainer->started = now(trainer);
	trainer->reported = trainer->started;
	nn_net_pack(trainer->net);
	return train_epochs(trainer, err);
}

NnStatus
nn_train(NnNet *net, const NnExamples *train, const NnExamples *valid, const NnTrainOptions *options,
		 const NnEnv *env, NnTrainReport *report, NnError *err)
{
	NnTrainer	trainer = {0};
	double		started = env->now(env->ctx);
	NnStatus	status;

	memset(report, 0, sizeof(*report));
	NN_TRY(check_options(options, err));
	if (train->n == 0)
		return nn_fail(err, NN_EDATA, "there is no example to train on");
	NN_TRY(nn_examples_check(train, nn_net_spec(net), true, err));
	NN_TRY(nn_examples_check(valid, nn_net_spec(net), true, err));
	if (train->is_running && options->bptt < 1)
		return nn_fail(err, NN_ERANGE, "batches of %d steps", options->bptt);

	trainer.net = net;
	trainer.spec = nn_net_spec(net);
	trainer.train = train;
	trainer.is_running = train->is_running;
	trainer.options = options;
	trainer.n_shards = nn_shards_count(options);
	trainer.env = env;
	trainer.report = report;
	trainer.memory = nn_arena_create(env);
	trainer.scratch = nn_arena_create(env);
	if (trainer.memory == NULL || trainer.scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory for the training");
	else
	{
		status = train_in(&trainer, valid, err);
		nn_slots_release(trainer.slots);
		nn_joint_release(trainer.joint);
		report->peak_bytes = nn_arena_peak_bytes(trainer.memory) + nn_arena_peak_bytes(trainer.scratch);
	}
	report->seconds = env->now(env->ctx) - started;
	nn_arena_destroy(trainer.scratch);
	nn_arena_destroy(trainer.memory);
	return status;
}
