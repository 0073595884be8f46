/*
 * train/trainer.c: the training loop.
 *
 *	for each epoch
 *		deal the batches (batch.c)
 *		for each batch
 *			poll; pack; forward and backward; norm of the gradients
 *			finite: clip and step (optimizer.c)    else: skip, perhaps go back
 *		validate (evaluate.c); keep a copy of the weights (guard.c); stop early?
 *	weights of the best epoch, or of the last
 *
 * The NaN guard.  The norm is looked at before the weights are changed, so a
 * loss or gradient that is not finite never reaches them: that batch is skipped.
 * If it happens twice in a row, or the weights are not finite themselves, or a
 * validation loss is not, the training goes back to its copy of good weights
 * with half the learning rates and fresh moments; after MAX_RESETS times it
 * gives up.
 *
 * Memory.  What lives as long as the training (moments, copy, orders) comes from
 * one arena; what lives as long as a step from another, which is brought to its
 * largest size before the first step: the loop itself allocates nothing, and
 * nn_train_bytes() can say what it takes.  Both are gone when nn_train()
 * returns; if poll() does not return, the host gives them back.
 *
 * The order of examples and what is dropped are drawn from two generators of
 * one seed, so that no dropout setting changes the batches.
 */
#include "train/train.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"
#include "train/batch.h"
#include "train/evaluate.h"
#include "train/guard.h"
#include "train/optimizer.h"

#define MAX_RESETS			5
#define PROGRESS_SECONDS	0.5
#define GRADIENT_SEQUENCES	32	/* by which gradients are followed back */

/* What an epoch adds up; steps that were skipped count in rows only. */
typedef struct NnEpochSums
{
	double		started;
	int64_t		n_rows;			/* seen */
	int64_t		n_counted;		/* what the losses were means over: rows, or tokens */
	int64_t		n_steps;		/* good ones */
	int64_t		n_clipped;
	double		loss;			/* times what it was the mean over */
	double		norm;
	double		share;			/* of the peak rate, last */
} NnEpochSums;

typedef struct NnTrainer
{
	NnNet	   *net;
	const NnSpec *spec;
	const NnExamples *train;
	const NnTrainOptions *options;
	const NnEnv *env;
	NnTrainReport *report;
	NnArena    *memory;
	NnArena    *scratch;

	NnOptimizer *optimizer;
	NnSnapshot	snapshot;
	NnEpochOrder order;
	bool		is_running;		/* a language model's running text: batches in their order */
	NnRunning	running;
	NnRunning	running_valid;
	NnEvaluation valid;			/* n = 0: there is none */
	NnRng		rng_order;
	NnRng		rng_drop;

	int			epoch;			/* 1-based, the running one */
	int64_t		step;			/* of all, skipped ones included */
	int64_t		n_steps;		/* planned */
	int			n_bad_in_row;
	NnEpochSums sums;
	double		started;
	double		reported;		/* when progress was last told */
	double		goodness;		/* of the running epoch: more is better; NAN without a validation part */
	double		best_goodness;
	int			n_epochs_stale; /* since the metric got better */
} NnTrainer;

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
	return NN_OK;
}

/* ---- memory ------------------------------------------------------------------ */

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

/* A batch of a running text has as many rows whatever the texts. */
static void
batch_bound(NnBatchBound *bound, const NnExamples *examples, const NnSpec *spec, const NnTrainOptions *options)
{
	nn_batch_bound(bound, examples, spec, options->batch);
	if (options->n_samples > 0)
		bound->n_sampled = (int64_t) options->first_sampled + options->n_samples;
	if (examples->is_running)
	{
		bound->n_sequences = options->batch;
		bound->n_rows = (int64_t) options->batch * options->bptt;
	}
}

/*
 * The validation part is taken to be no larger than train, and its longest
 * example no longer than train's longest batch.
 */
size_t
nn_train_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options)
{
	size_t		n_parameters = nn_net_bytes(spec, false) / sizeof(float);
	size_t		bytes = nn_optimizer_bytes(n_parameters, 4 * 3 * NN_MAX_LAYERS + 16);
	size_t		slack = (size_t) 16 << 20;
	NnBatchBound bound;

	batch_bound(&bound, train, spec, options);
	if (train->is_running)
		bytes = nn_size_add(bytes, nn_size_mul(2, nn_running_bytes(spec, train, options->batch)));
	bytes = nn_size_add(bytes, nn_size_mul(n_parameters, sizeof(float)));	/* the copy */
	bytes = nn_size_add(bytes, nn_size_mul((size_t) train->n, 3 * sizeof(int32_t)));	/* orders */
	/* An arena grows by what it has, and never by more than 8 MB: what may stay unused. */
	bytes = nn_size_add(bytes, bytes < slack ? bytes : slack);
	return nn_size_add(bytes, nn_size_add(65536, scratch_bytes(spec, &bound,
															   largest_sort(options, train, train->n))));
}

/* All memory of a training, largest pieces first, and scratch at its full size. */
static NnStatus
trainer_allocate(NnTrainer *trainer, const NnExamples *valid, NnError *err)
{
	NnArena    *memory = trainer->memory;
	int64_t		n_train = trainer->train->n;
	NnBatchBound bound;
	int32_t    *order;

	NN_TRY(nn_optimizer_create(&trainer->optimizer, trainer->net, trainer->options, memory, err));
	NN_TRY(nn_snapshot_create(&trainer->snapshot, trainer->net, memory, trainer->env, err));
	NN_TRY(nn_epoch_order_create(&trainer->order, n_train, trainer->options, memory, err));

	batch_bound(&bound, trainer->train, trainer->spec, trainer->options);
	if (nn_arena_take(trainer->scratch, 1, scratch_bytes(trainer->spec, &bound,
														 largest_sort(trainer->options, trainer->train, valid->n))) == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for a batch of %d", trainer->options->batch);
	nn_arena_reset(trainer->scratch);

	if (trainer->is_running)
	{
		NN_TRY(nn_running_create(&trainer->running, trainer->spec, trainer->train, trainer->options->batch,
								 trainer->options->bptt, memory, err));
		NN_TRY(nn_running_create(&trainer->running_valid, trainer->spec, valid, trainer->options->batch,
								 trainer->options->bptt, memory, err));
		trainer->valid.running = &trainer->running_valid;
	}
	order = NN_TAKE(memory, int32_t, (size_t) valid->n);
	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the validation part");
	for (int64_t i = 0; i < valid->n; i++)
		order[i] = (int32_t) i;
	NN_TRY(nn_examples_sort(valid, trainer->spec, order, valid->n, trainer->scratch, err));
	trainer->valid.net = trainer->net;
	trainer->valid.examples = valid;
	trainer->valid.n = valid->n;
	trainer->valid.order = order;
	trainer->valid.bound = bound;
	trainer->valid.env = trainer->env;
	trainer->valid.scratch = trainer->scratch;
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
	epoch->seconds = now(trainer) - sums->started;
}

/* Tell the host; within an epoch the validation figures are the last epoch's. */
static void
tell_progress(NnTrainer *trainer, bool is_epoch_end)
{
	const NnTrainReport *report = trainer->report;
	const NnEpoch *epoch = &report->epoch[trainer->epoch - 1];
	const NnEpoch *validated = is_epoch_end || trainer->epoch == 1 ? epoch : epoch - 1;
	double		n = (double) trainer->order.n;
	int			n_epochs = epochs_to_run(trainer->options);
	double		done;
	NnProgress	progress = {0};

	record_epoch(trainer);
	trainer->reported = now(trainer);
	if (trainer->env->progress == NULL)
		return;

	progress.epoch = trainer->epoch;
	progress.n_epochs = n_epochs;
	progress.is_epoch_end = is_epoch_end;
	progress.n_rows_done = trainer->sums.n_rows;
	progress.n_rows = trainer->order.n;
	progress.loss_train = epoch->loss_train;
	progress.loss_valid = validated->loss_valid;
	progress.metric = validated->metric;
	progress.gradient_norm = epoch->gradient_norm;
	progress.n_clipped = epoch->share_clipped;
	progress.seconds = trainer->reported - trainer->started;
	if (epoch->seconds > 0)
		progress.rows_per_second = (double) trainer->sums.n_rows / epoch->seconds;
	/* batches come in random order, so what is left takes as long a row as what is done */
	done = ((trainer->epoch - 1) * n + (double) trainer->sums.n_rows) / (n_epochs * n);
	if (done > 0)
		progress.seconds_left = progress.seconds * (1.0 - done) / done;
	trainer->env->progress(trainer->env->ctx, &progress);
}

/* ---- the guard --------------------------------------------------------------- */

/* Back to the last good weights, more carefully. */
static NnStatus
go_back(NnTrainer *trainer, NnError *err)
{
	if (trainer->report->n_resets == MAX_RESETS)
	{
		nn_fail(err, NN_EDIVERGED, "training diverged in epoch %d, step %lld",
				trainer->epoch, (long long) trainer->step + 1);
		nn_fail_detail(err, "Loss or gradient was not finite; it went back to the last good weights %d times, "
					   "each time with half the learning rate.", MAX_RESETS);
		return nn_fail_hint(err, "Lower \"rate\" or set \"clip\".");
	}
	trainer->report->n_resets++;
	trainer->n_bad_in_row = 0;
	NN_TRY(nn_snapshot_restore(&trainer->snapshot, trainer->env, err));
	nn_optimizer_restart(trainer->optimizer);
	return NN_OK;
}

/* A step whose loss or gradient is not finite. */
static NnStatus
reject_step(NnTrainer *trainer, NnError *err)
{
	bool		is_finite;

	nn_optimizer_skip(trainer->optimizer);
	trainer->n_bad_in_row++;
	NN_TRY(nn_weights_check(trainer->net, trainer->env, &is_finite, err));
	if (is_finite && trainer->n_bad_in_row < 2)
		return NN_OK;
	return go_back(trainer, err);
}

/* ---- steps ------------------------------------------------------------------- */

/* What the loss of a batch is the mean over: tokens where text is written, else sequences. */
static int64_t
count_terms(const NnSpec *spec, const NnBatch *batch)
{
	if (!nn_task_writes_text(spec->task))
		return batch->n_sequences;
	return batch->written != NULL ? batch->written->n_rows : batch->n_rows;
}

static void
accept_step(NnTrainer *trainer, int64_t n_terms, double loss, double norm)
{
	NnEpochSums *sums = &trainer->sums;

	sums->share = nn_schedule_share(trainer->options, trainer->step, trainer->n_steps);
	nn_optimizer_step(trainer->optimizer, sums->share, norm);
	nn_net_pack(trainer->net);

	trainer->n_bad_in_row = 0;
	trainer->report->n_steps++;
	sums->n_steps++;
	sums->n_counted += n_terms;
	sums->loss += loss * (double) n_terms;
	sums->norm += norm;
	if (trainer->options->clip > 0 && norm > (double) trainer->options->clip)
		sums->n_clipped++;
}

/* One batch that stands for n_rows examples. */
static NnStatus
train_step(NnTrainer *trainer, const NnBatch *batch, NnState *state, int n_rows, NnError *err)
{
	const NnTrainOptions *options = trainer->options;
	NnLoss		loss_options = {
		options->label_smoothing, options->class_weight, options->n_samples, options->first_sampled
	};
	double		loss;
	double		norm;

	NN_TRY(nn_net_backward(trainer->net, batch, state, &options->dropout, &loss_options,
						   &trainer->rng_drop, trainer->scratch, &loss, err));
	norm = nn_optimizer_norm(trainer->optimizer);

	if (isfinite(loss) && isfinite(norm))
		accept_step(trainer, count_terms(trainer->spec, batch), loss, norm);
	else
		NN_TRY(reject_step(trainer, err));
	trainer->sums.n_rows += n_rows;
	trainer->step++;
	return NN_OK;
}

/* Batch k of the epoch's order. */
static NnStatus
train_dealt(NnTrainer *trainer, int64_t k, NnError *err)
{
	const NnEpochOrder *order = &trainer->order;
	int64_t		first = (int64_t) order->batch_order[k] * order->batch;
	int			n = (int) (order->n - first < order->batch ? order->n - first : order->batch);
	NnArena    *scratch = trainer->scratch;
	int32_t    *rows;
	NnBatch		batch;

	nn_arena_reset(scratch);
	rows = NN_TAKE(scratch, int32_t, (size_t) n);
	if (rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory in a training step");
	NN_TRY(nn_batch_pack(&batch, trainer->spec, trainer->train, order->order + first, n,
						 trainer->options->drop_feature, &trainer->rng_drop, scratch, rows, err));
	return train_step(trainer, &batch, NULL, n, err);
}

/* Batch k of the running text; it stands for its share of the texts. */
static NnStatus
train_running(NnTrainer *trainer, int64_t k, NnError *err)
{
	int64_t		n_batches = trainer->running.n_batches;
	int64_t		n = trainer->train->n;
	int			n_rows = (int) ((k + 1) * n / n_batches - k * n / n_batches);
	NnBatch		batch;

	nn_arena_reset(trainer->scratch);
	NN_TRY(nn_running_pack(&trainer->running, k, &batch, trainer->spec, trainer->scratch, err));
	return train_step(trainer, &batch, &trainer->running.state, n_rows, err);
}

static int64_t
batches_of_epoch(const NnTrainer *trainer)
{
	return trainer->is_running ? trainer->running.n_batches : trainer->order.n_batches;
}

static NnStatus
deal_epoch(NnTrainer *trainer, NnError *err)
{
	if (!trainer->is_running)
		return nn_epoch_order_shuffle(&trainer->order, trainer->spec, trainer->train, &trainer->rng_order,
									  trainer->env, trainer->scratch, err);
	nn_arena_reset(trainer->scratch);
	return nn_running_begin(&trainer->running, trainer->train,
							trainer->options->is_ordered ? NULL : &trainer->rng_order, trainer->scratch, err);
}

static NnStatus
train_epoch(NnTrainer *trainer, NnError *err)
{
	int64_t		n_batches = batches_of_epoch(trainer);
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];

	memset(&trainer->sums, 0, sizeof(trainer->sums));
	trainer->sums.started = now(trainer);
	epoch->loss_valid = (double) NAN;
	epoch->metric = (double) NAN;

	NN_TRY(deal_epoch(trainer, err));
	for (int64_t k = 0; k < n_batches; k++)
	{
		if (trainer->env->poll(trainer->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "training was canceled");
		NN_TRY(trainer->is_running ? train_running(trainer, k, err) : train_dealt(trainer, k, err));
		if (now(trainer) - trainer->reported >= PROGRESS_SECONDS)
			tell_progress(trainer, false);
	}
	return NN_OK;
}

/* ---- epochs ------------------------------------------------------------------ */

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

			NN_TRY(nn_validate(&trainer->valid, &validation, err));
			epoch->loss_valid = validation.loss;
			epoch->metric = validation.metric;
			trainer->goodness = validation.goodness;
			is_good = isfinite(validation.loss);
		}
		if (is_good)
			return NN_OK;
		*went_back = true;
		NN_TRY(go_back(trainer, err));
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
	int64_t		n = trainer->options->batch < GRADIENT_SEQUENCES ? trainer->options->batch : GRADIENT_SEQUENCES;
	NnArena    *scratch = trainer->scratch;
	NnEpoch    *epoch = &trainer->report->epoch[trainer->epoch - 1];
	double	   *norm;
	int32_t    *rows;
	NnBatch		batch;

	epoch->n_distances = 0;
	nn_arena_reset(scratch);
	if (n > examples->n)
		n = examples->n;
	norm = NN_TAKE(scratch, double, NN_GRADIENT_DISTANCES);
	rows = NN_TAKE(scratch, int32_t, (size_t) n);
	if (norm == NULL || rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory in a training step");
	if (trainer->is_running)
		NN_TRY(nn_running_pack(&trainer->running, 0, &batch, trainer->spec, scratch, err));
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
	NN_TRY(nn_validate(&trainer->valid, &validation, err));
	if (isfinite(validation.loss))
		trainer->best_goodness = validation.goodness;
	return NN_OK;
}

static NnStatus
train_epochs(NnTrainer *trainer, NnError *err)
{
	const NnTrainOptions *options = trainer->options;
	NnTrainReport *report = trainer->report;
	bool		can_stop = options->patience > 0 && trainer->valid.n > 0;
	bool		is_start_good;

	NN_TRY(judge_start(trainer, err));
	is_start_good = isfinite(trainer->best_goodness);
	for (trainer->epoch = 1; trainer->epoch <= epochs_to_run(options); trainer->epoch++)
	{
		NN_TRY(train_epoch(trainer, err));
		NN_TRY(finish_epoch(trainer, err));
		if (can_stop && trainer->n_epochs_stale >= options->patience)
			break;
	}

	/* Every epoch went back to the first weights, or every step was skipped: nothing was learned. */
	if ((trainer->snapshot.epoch == 0 && !is_start_good) || report->n_steps == 0)
	{
		nn_fail(err, NN_EDIVERGED, "training diverged: no epoch ended with finite weights");
		return nn_fail_hint(err, "Lower \"rate\" or set \"clip\".");
	}
	report->best_epoch = trainer->snapshot.epoch;
	if (report->best_epoch != report->n_epochs)
		NN_TRY(nn_snapshot_restore(&trainer->snapshot, trainer->env, err));
	return NN_OK;
}

/* nn_train() once its two arenas exist. */
static NnStatus
train_in(NnTrainer *trainer, const NnExamples *valid, NnError *err)
{
	uint64_t	seed = trainer->options->seed;

	NN_TRY(trainer_allocate(trainer, valid, err));
	nn_rng_seed(&trainer->rng_order, nn_mix64(seed));
	nn_rng_seed(&trainer->rng_drop, nn_mix64(seed + 1));
	trainer->n_steps = batches_of_epoch(trainer) * trainer->options->epochs;
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
	trainer.env = env;
	trainer.report = report;
	trainer.memory = nn_arena_create(env);
	trainer.scratch = nn_arena_create(env);
	if (trainer.memory == NULL || trainer.scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory for the training");
	else
	{
		status = train_in(&trainer, valid, err);
		report->peak_bytes = nn_arena_peak_bytes(trainer.memory) + nn_arena_peak_bytes(trainer.scratch);
	}
	report->seconds = env->now(env->ctx) - started;
	nn_arena_destroy(trainer.scratch);
	nn_arena_destroy(trainer.memory);
	return status;
}
