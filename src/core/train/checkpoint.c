/*
 * train/checkpoint.c: a training as it stands, as a stream of bytes.
 *
 * One walk over the state writes the stream and reads it, so the two cannot differ.
 * Numbers stand as they do in memory: a checkpoint never leaves its machine.  Whatever
 * is read is checked before it is used as a count or a place, and the hash at the end
 * before the training goes on.
 *
 * Of a team the first member writes and reads.  Weights and moments are the team's anyway;
 * states of lanes are brought together before a checkpoint and given out behind it; and
 * where the training stands, a few numbers, passes to the others as a note.
 */
#include "train/trainer_private.h"

#include <math.h>
#include <string.h>
#include "base/rng.h"

/* Changes with whatever stands in a stream. */
#define FORMAT		UINT64_C(0x706c73746d636b32)

/* Bytes that pass between two polls: about 1 ms. */
#define PART_BYTES	((size_t) 1 << 20)

typedef struct Walk
{
	const NnCheckpoints *checkpoints;
	const NnEnv *env;
	bool		is_reading;
	bool		is_bad;			/* something read cannot be */
	uint64_t	hash;
	NnError    *err;
} Walk;

/* ---- pieces ---------------------------------------------------------------------- */

static NnStatus
walk_bytes(Walk *walk, void *bytes, size_t n_bytes)
{
	const NnCheckpoints *checkpoints = walk->checkpoints;

	for (size_t at = 0; at < n_bytes; at += PART_BYTES)
	{
		char	   *part = (char *) bytes + at;
		size_t		n = n_bytes - at < PART_BYTES ? n_bytes - at : PART_BYTES;

		if (walk->env->poll(walk->env->ctx) != 0)
			return nn_fail(walk->err, NN_ECANCELED, "training was canceled");
		if (walk->is_reading)
			NN_TRY(checkpoints->get(checkpoints->ctx, part, n, walk->err));
		else
			NN_TRY(checkpoints->put(checkpoints->ctx, part, n, walk->err));
		walk->hash = nn_hash_bytes(part, n, walk->hash);
	}
	return NN_OK;
}

/* A number that is not what it must be makes the stream bad, and is mended so that the walk can go on. */
static NnStatus
walk_count(Walk *walk, int64_t *value, int64_t low, int64_t high)
{
	NN_TRY(walk_bytes(walk, value, sizeof(*value)));
	if (*value >= low && *value <= high)
		return NN_OK;
	walk->is_bad = true;
	*value = low;
	return NN_OK;
}

static NnStatus
walk_int(Walk *walk, int *value, int low, int high)
{
	int64_t		wide = *value;

	NN_TRY(walk_count(walk, &wide, low, high));
	*value = (int) wide;
	return NN_OK;
}

static NnStatus
walk_bool(Walk *walk, bool *value)
{
	int			number = *value ? 1 : 0;

	NN_TRY(walk_int(walk, &number, 0, 1));
	*value = number == 1;
	return NN_OK;
}

static NnStatus
walk_double(Walk *walk, double *value)
{
	return walk_bytes(walk, value, sizeof(*value));
}

static NnStatus
walk_rng(Walk *walk, NnRng *rng)
{
	NN_TRY(walk_bytes(walk, rng->state, sizeof(rng->state)));
	/* the one state that a generator never leaves */
	if ((rng->state[0] | rng->state[1] | rng->state[2] | rng->state[3]) == 0)
		walk->is_bad = true;
	return NN_OK;
}

/* What both sides know: another one means another training. */
static NnStatus
walk_mark(Walk *walk, uint64_t mark)
{
	uint64_t	found = mark;

	NN_TRY(walk_bytes(walk, &found, sizeof(found)));
	if (found != mark)
		return nn_fail(walk->err, NN_EFORMAT, "the checkpoint is not of this training");
	return NN_OK;
}

static NnStatus
walk_weights(Walk *walk, NnNet *net)
{
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		NN_TRY(walk_bytes(walk, tensor->data,
						  (size_t) tensor->n_rows * (size_t) tensor->n_columns * sizeof(float)));
	}
	return NN_OK;
}

static NnStatus
walk_epoch(Walk *walk, NnEpoch *epoch)
{
	NN_TRY(walk_double(walk, &epoch->loss_train));
	NN_TRY(walk_double(walk, &epoch->loss_valid));
	NN_TRY(walk_double(walk, &epoch->metric));
	NN_TRY(walk_double(walk, &epoch->gradient_norm));
	NN_TRY(walk_double(walk, &epoch->share_clipped));
	NN_TRY(walk_double(walk, &epoch->rate));
	NN_TRY(walk_double(walk, &epoch->seconds));
	NN_TRY(walk_int(walk, &epoch->n_distances, 0, NN_GRADIENT_DISTANCES));
	return walk_bytes(walk, epoch->gradient, (size_t) epoch->n_distances * sizeof(float));
}

/* The report so far but its epochs; how long it took is not in it. */
static NnStatus
walk_counts(Walk *walk, NnTrainReport *report)
{
	NN_TRY(walk_int(walk, &report->n_epochs, 0, NN_MAX_EPOCHS));
	NN_TRY(walk_int(walk, &report->best_epoch, 0, report->n_epochs));
	NN_TRY(walk_int(walk, &report->n_resets, 0, INT32_MAX));
	NN_TRY(walk_count(walk, &report->n_steps, 0, INT64_MAX));
	return walk_bool(walk, &report->is_stopped);
}

static NnStatus
walk_epochs(Walk *walk, NnTrainReport *report)
{
	for (int i = 0; i < report->n_epochs; i++)
		NN_TRY(walk_epoch(walk, &report->epoch[i]));
	return NN_OK;
}

/* ---- what a stream belongs to -------------------------------------------------------- */

static uint64_t
mix(uint64_t hash, uint64_t value)
{
	return nn_mix64(hash ^ value) + value;
}

/* The names and shapes of all tensors, and which training it is. */
static uint64_t
mark_of_net(const NnCheckpoints *checkpoints, NnNet *net)
{
	uint64_t	hash = mix(FORMAT, (uint64_t) checkpoints->n_done);

	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		hash = mix(hash, nn_hash_bytes(tensor->name, strlen(tensor->name), 0));
		hash = mix(hash, (uint64_t) tensor->n_rows);
		hash = mix(hash, (uint64_t) tensor->n_columns);
	}
	return hash;
}

static uint64_t
mark_of_training(const NnTrainer *trainer)
{
	const NnTrainOptions *options = trainer->options;
	uint64_t	hash = mark_of_net(options->checkpoints, trainer->net);

	hash = mix(hash, (uint64_t) trainer->train->n);
	hash = mix(hash, (uint64_t) trainer->valid.n);
	hash = mix(hash, (uint64_t) trainer->n_steps);
	hash = mix(hash, (uint64_t) options->epochs);
	hash = mix(hash, (uint64_t) options->stop);
	hash = mix(hash, (uint64_t) options->batch);
	hash = mix(hash, (uint64_t) options->window);
	hash = mix(hash, (uint64_t) trainer->n_shards);
	return mix(hash, options->seed);
}

/* ---- a running training ---------------------------------------------------------------- */

static NnStatus
walk_sums(Walk *walk, NnEpochSums *sums)
{
	if (!walk->is_reading && sums->started > 0.0)
	{
		double		now = walk->env->now(walk->env->ctx);

		sums->before += now - sums->started;
		sums->started = now;
	}
	NN_TRY(walk_double(walk, &sums->before));
	NN_TRY(walk_count(walk, &sums->n_rows, 0, INT64_MAX));
	NN_TRY(walk_count(walk, &sums->n_counted, 0, INT64_MAX));
	NN_TRY(walk_count(walk, &sums->n_steps, 0, INT64_MAX));
	NN_TRY(walk_count(walk, &sums->n_clipped, 0, INT64_MAX));
	NN_TRY(walk_double(walk, &sums->loss));
	NN_TRY(walk_double(walk, &sums->norm));
	return walk_double(walk, &sums->share);
}

/* Where it stands: in which epoch, behind how many batches of it; all that every member of a team has to know. */
static NnStatus
walk_place(Walk *walk, NnTrainer *trainer)
{
	NnOptimizerState optimizer = nn_optimizer_state(trainer->optimizer);

	NN_TRY(walk_int(walk, &trainer->epoch, 1, NN_MAX_EPOCHS));
	NN_TRY(walk_count(walk, &trainer->batch, 0, nn_trainer_batches(trainer) - 1));
	NN_TRY(walk_rng(walk, &trainer->rng_epoch));
	NN_TRY(walk_rng(walk, &trainer->rng_drop));
	NN_TRY(walk_count(walk, &trainer->step, 0, trainer->n_steps));
	NN_TRY(walk_int(walk, &trainer->n_bad_in_row, 0, INT32_MAX));
	NN_TRY(walk_sums(walk, &trainer->sums));
	NN_TRY(walk_bool(walk, &trainer->is_start_good));
	NN_TRY(walk_double(walk, &trainer->best_goodness));
	NN_TRY(walk_int(walk, &trainer->n_epochs_stale, 0, NN_MAX_EPOCHS));
	NN_TRY(walk_count(walk, optimizer.n_steps, 0, INT64_MAX));
	NN_TRY(walk_double(walk, optimizer.factor));
	NN_TRY(walk_counts(walk, trainer->report));
	if (trainer->report->n_epochs != trainer->epoch - 1)
		walk->is_bad = true;
	return walk_int(walk, &trainer->snapshot.epoch, 0, trainer->report->n_epochs);
}

/* The states that lanes of a running text are in, in the middle of an epoch. */
static NnStatus
walk_lanes(Walk *walk, NnTrainer *trainer)
{
	NnRunning  *running = &trainer->running;

	if (!trainer->is_running || trainer->batch == 0)
		return NN_OK;
	if (walk->is_reading)
		trainer->lanes_to_be = NN_TAKE(trainer->memory, float, running->n_state_floats);
	if (walk->is_reading && trainer->lanes_to_be == NULL)
		return nn_fail(walk->err, NN_ENOMEM, "out of memory for the running text");
	return walk_bytes(walk, walk->is_reading ? trainer->lanes_to_be : running->state_floats,
					  running->n_state_floats * sizeof(float));
}

static NnStatus
walk_training(Walk *walk, NnTrainer *trainer)
{
	NnOptimizerState optimizer = nn_optimizer_state(trainer->optimizer);

	NN_TRY(walk_mark(walk, mark_of_training(trainer)));
	NN_TRY(walk_place(walk, trainer));
	NN_TRY(walk_lanes(walk, trainer));
	NN_TRY(walk_epochs(walk, trainer->report));
	NN_TRY(walk_bytes(walk, optimizer.moments, optimizer.n_moments * sizeof(float)));
	NN_TRY(walk_weights(walk, trainer->net));
	return walk_bytes(walk, trainer->snapshot.data, (size_t) nn_net_n_parameters(trainer->net) * sizeof(float));
}

/* ---- streams -------------------------------------------------------------------------- */

static Walk
begin_walk(const NnCheckpoints *checkpoints, const NnEnv *env, bool is_reading, NnError *err)
{
	return (Walk)
	{
		.checkpoints = checkpoints, .env = env, .is_reading = is_reading, .hash = FORMAT, .err = err
	};
}

/* The hash behind all that passed. */
static NnStatus
end_walk(Walk *walk)
{
	uint64_t	hash = walk->hash;
	uint64_t	found = hash;

	NN_TRY(walk_bytes(walk, &found, sizeof(found)));
	if (!walk->is_reading)
		return walk->checkpoints->end(walk->checkpoints->ctx, walk->err);
	if (found != hash || walk->is_bad)
		return nn_fail(walk->err, NN_EFORMAT, "the checkpoint is damaged");
	return NN_OK;
}

static NnStatus
save(NnTrainer *trainer, NnError *err)
{
	const NnCheckpoints *checkpoints = trainer->options->checkpoints;
	Walk		walk = begin_walk(checkpoints, trainer->env, false, err);

	NN_TRY(checkpoints->begin(checkpoints->ctx, NN_STREAM_RUNNING, err));
	NN_TRY(walk_training(&walk, trainer));
	return end_walk(&walk);
}

static NnStatus
load(NnTrainer *trainer, bool *is_there, NnError *err)
{
	const NnCheckpoints *checkpoints = trainer->options->checkpoints;
	Walk		walk = begin_walk(checkpoints, trainer->env, true, err);

	NN_TRY(checkpoints->open(checkpoints->ctx, NN_STREAM_RUNNING, is_there, err));
	if (!*is_there)
		return NN_OK;
	NN_TRY(walk_training(&walk, trainer));
	return end_walk(&walk);
}

/* ---- a team ----------------------------------------------------------------------------- */

/* A stream that is a note. */
typedef struct Note
{
	char	   *at;
	size_t		n_left;
} Note;

static NnStatus
put_note(void *ctx, const void *bytes, size_t n_bytes, NnError *err)
{
	Note	   *note = ctx;

	if (n_bytes > note->n_left)
		return nn_fail(err, NN_EINTERNAL, "a note has no room for %zu bytes", n_bytes);
	memcpy(note->at, bytes, n_bytes);
	note->at += n_bytes;
	note->n_left -= n_bytes;
	return NN_OK;
}

static NnStatus
get_note(void *ctx, void *bytes, size_t n_bytes, NnError *err)
{
	Note	   *note = ctx;

	if (n_bytes > note->n_left)
		return nn_fail(err, NN_EINTERNAL, "a note ends too early");
	memcpy(bytes, note->at, n_bytes);
	note->at += n_bytes;
	note->n_left -= n_bytes;
	return NN_OK;
}

static bool
is_first(const NnTrainer *trainer)
{
	return trainer->options->team == NULL || trainer->options->team->rank == 0;
}

/* Where the training stands, if it goes on: written by the first member, read by the others. */
static NnStatus
walk_note(NnTrainer *trainer, bool *is_there, NnError *err)
{
	Note		note = {nn_joint_note(trainer->joint), NN_JOINT_NOTE};
	NnCheckpoints stream = {.ctx = &note, .put = put_note, .get = get_note};
	Walk		walk = begin_walk(&stream, trainer->env, !is_first(trainer), err);

	NN_TRY(walk_bool(&walk, is_there));
	return *is_there ? walk_place(&walk, trainer) : NN_OK;
}

/* Does it stand in the middle of an epoch of a running text? */
static bool
has_lanes(const NnTrainer *trainer)
{
	return trainer->is_running && trainer->batch > 0;
}

/* The states of all lanes to the first member. */
static NnStatus
gather_lanes(NnTrainer *trainer, NnError *err)
{
	NnRunning  *running = &trainer->running;
	float	   *lanes;

	if (trainer->joint == NULL || !has_lanes(trainer))
		return NN_OK;
	lanes = nn_joint_lanes(trainer->joint);
	for (int s = 0; s < running->n_shards; s++)
	{
		size_t		at = (size_t) (running->state[s].h - running->state_floats);
		size_t		end = s + 1 < running->n_shards ? (size_t) (running->state[s + 1].h - running->state_floats) :
		running->n_state_floats;

		if (nn_slots_is_mine(trainer->slots, s))
			memcpy(lanes + at, running->state_floats + at, (end - at) * sizeof(float));
	}
	NN_TRY(nn_team_meet(trainer->options->team, err));
	if (is_first(trainer))
		memcpy(running->state_floats, lanes, running->n_state_floats * sizeof(float));
	return NN_OK;
}

/* What the first member has read of lanes to all. */
static NnStatus
spread_lanes(NnTrainer *trainer, NnError *err)
{
	size_t		n = trainer->running.n_state_floats;

	if (!has_lanes(trainer) || is_first(trainer))
		return NN_OK;
	trainer->lanes_to_be = NN_TAKE(trainer->memory, float, n);
	if (trainer->lanes_to_be == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the running text");
	memcpy(trainer->lanes_to_be, nn_joint_lanes(trainer->joint), n * sizeof(float));
	return NN_OK;
}

/* What the first member has read to all. */
static NnStatus
share(NnTrainer *trainer, bool *is_there, NnError *err)
{
	if (trainer->joint == NULL)
		return NN_OK;
	if (is_first(trainer))
	{
		NN_TRY(walk_note(trainer, is_there, err));
		if (*is_there && has_lanes(trainer))
			memcpy(nn_joint_lanes(trainer->joint), trainer->lanes_to_be, trainer->running.n_state_floats * sizeof(float));
	}
	NN_TRY(nn_team_meet(trainer->options->team, err));
	if (!is_first(trainer))
		NN_TRY(walk_note(trainer, is_there, err));
	return *is_there ? spread_lanes(trainer, err) : NN_OK;
}

NnStatus
nn_trainer_save(NnTrainer *trainer, NnError *err)
{
	NN_TRY(gather_lanes(trainer, err));
	if (is_first(trainer))
		NN_TRY(save(trainer, err));
	/* nobody goes on with what is being written */
	return nn_team_meet(trainer->options->team, err);
}

NnStatus
nn_trainer_load(NnTrainer *trainer, bool *is_there, NnError *err)
{
	*is_there = false;
	/* nobody reads any more what may be written over */
	NN_TRY(nn_team_meet(trainer->options->team, err));
	if (trainer->options->checkpoints != NULL)
		NN_TRY(load(trainer, is_there, err));
	NN_TRY(share(trainer, is_there, err));
	if (!*is_there)
		return NN_OK;
	trainer->rng_order = trainer->rng_epoch;
	nn_net_pack(trainer->net);
	return NN_OK;
}

/* ---- the result of a first training ------------------------------------------------------ */

NnStatus
nn_first_save(const NnCheckpoints *checkpoints, NnNet *net, const NnEnv *env, NnTrainReport *report, NnError *err)
{
	Walk		walk = begin_walk(checkpoints, env, false, err);

	NN_TRY(checkpoints->begin(checkpoints->ctx, NN_STREAM_FIRST, err));
	NN_TRY(walk_mark(&walk, mark_of_net(checkpoints, net)));
	NN_TRY(walk_counts(&walk, report));
	NN_TRY(walk_epochs(&walk, report));
	NN_TRY(walk_weights(&walk, net));
	return end_walk(&walk);
}

NnStatus
nn_first_load(const NnCheckpoints *checkpoints, NnNet *net, const NnEnv *env, NnTrainReport *report,
			  bool *is_there, NnError *err)
{
	Walk		walk = begin_walk(checkpoints, env, true, err);

	NN_TRY(checkpoints->open(checkpoints->ctx, NN_STREAM_FIRST, is_there, err));
	if (!*is_there)
		return NN_OK;
	memset(report, 0, sizeof(*report));
	NN_TRY(walk_mark(&walk, mark_of_net(checkpoints, net)));
	NN_TRY(walk_counts(&walk, report));
	NN_TRY(walk_epochs(&walk, report));
	NN_TRY(walk_weights(&walk, net));
	NN_TRY(end_walk(&walk));
	nn_net_pack(net);
	return NN_OK;
}
