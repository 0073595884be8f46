/*
 * train/trainer_step.c: one batch to one step of the optimizer.
 *
 *	deal the batch to shards (shards.c)
 *	for each shard that is this member's
 *		pack; forward and backward; into its slot (slots.c)
 *	add up all slots; norm of the gradients
 *	finite: clip and step (optimizer.c)    else: skip, perhaps go back
 * where members of a team meet in between (joint.h).
 *
 * With a single shard nothing is dealt or added: its gradient is the batch's.
 *
 * The NaN guard.  The norm is looked at before the weights are changed, so a
 * loss or gradient that is not finite never reaches them: that batch is skipped.
 * If it happens twice in a row, or the weights are not finite themselves, or a
 * validation loss is not, the training goes back to its copy of good weights
 * with half the learning rates and fresh moments; after MAX_RESETS times it
 * gives up.  All members of a team look at the same sums, and so do the same.
 */
#include "train/trainer_private.h"

#include <math.h>

#define MAX_RESETS			5

/* ---- the guard --------------------------------------------------------------- */

/* The first member writes the weights, when none reads them. */
NnStatus
nn_trainer_restore(NnTrainer *trainer, NnError *err)
{
	const NnTeam *team = trainer->options->team;

	NN_TRY(nn_team_meet(team, err));
	if (team == NULL || team->rank == 0)
		NN_TRY(nn_snapshot_restore(&trainer->snapshot, trainer->env, err));
	NN_TRY(nn_team_meet(team, err));
	nn_net_pack(trainer->net);
	return NN_OK;
}

NnStatus
nn_trainer_go_back(NnTrainer *trainer, NnError *err)
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
	NN_TRY(nn_trainer_restore(trainer, err));
	nn_optimizer_restart(trainer->optimizer);
	if (trainer->is_running)
		nn_running_forget(&trainer->running);
	return NN_OK;
}

/* A step whose loss or gradient is not finite. */
static NnStatus
reject_step(NnTrainer *trainer, NnError *err)
{
	bool		is_finite;

	nn_optimizer_skip(trainer->optimizer, nn_team_part(trainer->options->team));
	trainer->n_bad_in_row++;
	NN_TRY(nn_weights_check(trainer->net, trainer->env, &is_finite, err));
	if (is_finite && trainer->n_bad_in_row < 2)
		return NN_OK;
	return nn_trainer_go_back(trainer, err);
}

/* ---- steps ------------------------------------------------------------------- */

static NnStatus
accept_step(NnTrainer *trainer, int64_t n_terms, double loss, double norm, NnError *err)
{
	const NnTeam *team = trainer->options->team;
	NnEpochSums *sums = &trainer->sums;

	sums->share = nn_schedule_share(trainer->options, trainer->step, trainer->n_steps);
	nn_optimizer_step(trainer->optimizer, nn_team_part(team), sums->share, norm);
	NN_TRY(nn_team_meet(team, err));
	nn_net_pack(trainer->net);

	trainer->n_bad_in_row = 0;
	trainer->report->n_steps++;
	sums->n_steps++;
	sums->n_counted += n_terms;
	sums->loss += loss * (double) n_terms;
	sums->norm += norm;
	if (trainer->options->clip > 0 && norm > (double) trainer->options->clip)
		sums->n_clipped++;
	return NN_OK;
}

/* ---- shards ------------------------------------------------------------------ */

/* The batch's shards, and how many examples it stands for. */
static NnStatus
deal_batch(NnTrainer *trainer, int64_t k, NnDeal *deal, int *n_rows, NnError *err)
{
	const NnEpochOrder *order = &trainer->order;
	int64_t		n = trainer->train->n;
	int64_t		first;

	if (trainer->is_running)
	{
		int64_t		n_batches = trainer->running.n_batches;

		*n_rows = (int) ((k + 1) * n / n_batches - k * n / n_batches);
		return nn_deal_running(deal, &trainer->running, k, trainer->scratch, err);
	}
	first = (int64_t) order->batch_order[k] * order->batch;
	*n_rows = (int) (order->n - first < order->batch ? order->n - first : order->batch);
	return nn_deal_examples(deal, trainer->n_shards, trainer->spec, trainer->train, trainer->options,
							order->order + first, *n_rows, trainer->scratch, err);
}

/* Gradients of shard s, added to the net's. */
static NnStatus
run_shard(NnTrainer *trainer, int64_t k, const NnDeal *deal, int s, NnRng *rng, double *loss, NnError *err)
{
	const NnTrainOptions *options = trainer->options;
	NnLoss		loss_options = {
		options->label_smoothing, options->class_weight, options->n_samples, options->first_sampled
	};
	int			n = deal->start[s + 1] - deal->start[s];
	NnArena    *scratch = trainer->scratch;
	NnState    *state = NULL;
	NnBatch		batch;

	if (trainer->is_running)
	{
		state = &trainer->running.state[s];
		NN_TRY(nn_running_pack(&trainer->running, s, k, &batch, trainer->spec, scratch, err));
	}
	else
	{
		int32_t    *rows = NN_TAKE(scratch, int32_t, (size_t) n);

		if (rows == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory in a training step");
		NN_TRY(nn_batch_pack(&batch, trainer->spec, trainer->train, deal->pick + deal->start[s], n,
							 options->drop_feature, rng, scratch, rows, err));
	}
	return nn_net_backward(trainer->net, &batch, state, &options->dropout, &loss_options, rng, scratch, loss, err);
}

/* What a shard draws depends on the seed, the step and its number alone. */
static NnRng
shard_rng(const NnTrainer *trainer, int s)
{
	uint64_t	step = nn_mix64(trainer->options->seed + 1) + (uint64_t) trainer->step;
	NnRng		rng;

	nn_rng_seed(&rng, nn_mix64(nn_mix64(step) + (uint64_t) s));
	return rng;
}

/* The gradient of the whole batch into the net; of a team, with the others. */
static NnStatus
run_batch(NnTrainer *trainer, int64_t k, const NnDeal *deal, double *loss, NnError *err)
{
	NnSlots    *slots = trainer->slots;
	NnArenaMark mark = nn_arena_mark(trainer->scratch);

	if (deal->n_shards == 1)
		return run_shard(trainer, k, deal, 0, &trainer->rng_drop, loss, err);
	for (int s = 0; s < deal->n_shards; s++)
	{
		NnRng		rng = shard_rng(trainer, s);

		if (!(deal->weight[s] > 0.0) || !nn_slots_is_mine(slots, s))
			continue;
		nn_arena_rewind(trainer->scratch, &mark);
		nn_slots_begin(slots, s);
		NN_TRY(run_shard(trainer, k, deal, s, &rng, loss, err));
		NN_TRY(nn_slots_end(slots, s, deal->weight[s], *loss, err));
	}
	nn_arena_rewind(trainer->scratch, &mark);
	return nn_slots_fold(slots, deal, trainer->scratch, loss, err);
}

NnStatus
nn_trainer_step(NnTrainer *trainer, int64_t k, NnError *err)
{
	NnDeal		deal;
	int			n_rows;
	double		loss;
	double		norm;

	nn_arena_reset(trainer->scratch);
	NN_TRY(deal_batch(trainer, k, &deal, &n_rows, err));
	NN_TRY(run_batch(trainer, k, &deal, &loss, err));
	NN_TRY(nn_joint_norm(trainer->joint, trainer->optimizer, &norm, err));
	if (isfinite(loss) && isfinite(norm))
		NN_TRY(accept_step(trainer, deal.n_terms, loss, norm, err));
	else
		NN_TRY(reject_step(trainer, err));
	trainer->sums.n_rows += n_rows;
	trainer->step++;
	return NN_OK;
}
