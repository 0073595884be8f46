/*
 * train/running.c: one running text for a language model.
 *
 * All texts stand end to end, an end token between them, and are cut into lanes
 * of one length; a batch is bptt steps of every lane, and the state it ends in is
 * where the next begins.  Gradients stop at the border of a batch: truncated
 * back-propagation through time (Williams and Peng 1990; Mikolov et al. 2010).
 * What is left over at the end, fewer tokens than lanes, is not read.
 */
#include "train/batch.h"

#include <string.h>

static int64_t
count_tokens(const NnExamples *examples)
{
	return examples->token_start[examples->n] - examples->token_start[0] + examples->n + 1;
}

/* Lanes shorter than a batch would only carry zeros. */
static int
choose_lanes(int64_t n_tokens, int n_lanes, int bptt)
{
	int64_t		n_useful = (n_tokens - 1) / bptt;

	return (int) (n_useful < 1 ? 1 : n_useful < n_lanes ? n_useful : n_lanes);
}

/* Numbers of h, or of c, of a lane. */
static size_t
lane_floats(const NnSpec *spec)
{
	return nn_size_mul((size_t) spec->n_layers, (size_t) spec->hidden);
}

size_t
nn_running_state_floats(const NnSpec *spec, int n_lanes)
{
	return nn_size_mul(nn_size_mul(2, lane_floats(spec)), (size_t) n_lanes);
}

/* Each shard's state is a piece of one array: h, then c. */
static NnStatus
create_states(NnRunning *running, const NnSpec *spec, NnArena *arena, NnError *err)
{
	float	   *at;

	running->n_state_floats = nn_running_state_floats(spec, running->n_lanes);
	running->state = NN_ALLOC(arena, NnState, (size_t) running->n_shards);
	running->state_floats = NN_ALLOC(arena, float, running->n_state_floats);
	if (running->state == NULL || running->state_floats == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the running text");
	at = running->state_floats;
	for (int s = 0; s < running->n_shards; s++)
	{
		size_t		n_lanes = (size_t) (nn_running_lane(running, s + 1) - nn_running_lane(running, s));

		running->state[s].h = at;
		running->state[s].c = at + n_lanes * lane_floats(spec);
		at += 2 * n_lanes * lane_floats(spec);
	}
	return NN_OK;
}

NnStatus
nn_running_create(NnRunning *running, const NnSpec *spec, const NnExamples *examples,
				  int n_lanes, int n_shards, int bptt, NnArena *arena, NnError *err)
{
	memset(running, 0, sizeof(*running));
	running->n_shards = n_shards;
	if (examples->n == 0)
		return NN_OK;
	running->n_tokens = count_tokens(examples);
	running->bptt = bptt;
	running->n_lanes = choose_lanes(running->n_tokens, n_lanes, bptt);
	running->n_steps = (running->n_tokens - 1) / running->n_lanes;
	running->n_batches = (running->n_steps + bptt - 1) / bptt;
	running->token = NN_TAKE(arena, int32_t, (size_t) running->n_tokens);
	if (running->token == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the running text");
	return create_states(running, spec, arena, err);
}

size_t
nn_running_bytes(const NnSpec *spec, const NnExamples *examples, int n_lanes, int n_shards)
{
	size_t		n;

	if (examples->n == 0)
		return 0;
	n = nn_size_mul((size_t) count_tokens(examples), sizeof(int32_t));
	n = nn_size_add(n, nn_size_mul(nn_running_state_floats(spec, n_lanes), sizeof(float)));
	return nn_size_add(n, (size_t) n_shards * sizeof(NnState) + 3 * 64);
}

int
nn_running_lane(const NnRunning *running, int s)
{
	return (int) ((int64_t) s * running->n_lanes / running->n_shards);
}

int
nn_running_steps(const NnRunning *running, int64_t k)
{
	int64_t		left = running->n_steps - k * running->bptt;

	return (int) (left < running->bptt ? left : running->bptt);
}

NnStatus
nn_running_begin(NnRunning *running, const NnExamples *examples, NnRng *rng, NnArena *scratch, NnError *err)
{
	int32_t    *order = NULL;
	int64_t		at = 0;

	if (examples->n == 0)
		return NN_OK;
	if (rng != NULL)
	{
		order = NN_TAKE(scratch, int32_t, (size_t) examples->n);
		if (order == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory for the running text");
		for (int64_t i = 0; i < examples->n; i++)
			order[i] = (int32_t) i;
		nn_rng_shuffle(rng, order, examples->n);
	}
	running->token[at++] = NN_TOKEN_END;
	for (int64_t i = 0; i < examples->n; i++)
	{
		int64_t		example = order != NULL ? order[i] : i;
		int64_t		first = examples->token_start[example];
		int64_t		n = examples->token_start[example + 1] - first;

		if (n > 0)
			memcpy(running->token + at, examples->token + first, (size_t) n * sizeof(int32_t));
		at += n;
		running->token[at++] = NN_TOKEN_END;
	}
	nn_running_forget(running);
	return NN_OK;
}

void
nn_running_forget(NnRunning *running)
{
	memset(running->state_floats, 0, running->n_state_floats * sizeof(float));
}

NnStatus
nn_running_pack(const NnRunning *running, int s, int64_t k, NnBatch *batch, const NnSpec *spec,
				NnArena *scratch, NnError *err)
{
	int			lane = nn_running_lane(running, s);
	int			B = nn_running_lane(running, s + 1) - lane;
	int			T = nn_running_steps(running, k);
	int64_t		first = k * running->bptt;
	int32_t    *length = NN_TAKE(scratch, int32_t, (size_t) B);
	int32_t    *key = NN_TAKE(scratch, int32_t, (size_t) B * (size_t) T);
	int32_t    *next = NN_TAKE(scratch, int32_t, (size_t) B * (size_t) T);

	memset(batch, 0, sizeof(*batch));
	if (length == NULL || key == NULL || next == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory while building a batch");
	batch->n_sequences = B;
	for (int b = 0; b < B; b++)
	{
		const int32_t *from = running->token + (int64_t) (lane + b) * running->n_steps + first;

		length[b] = T;
		for (int t = 0; t < T; t++)
		{
			key[(size_t) t * (size_t) B + (size_t) b] = from[t];
			next[(size_t) t * (size_t) B + (size_t) b] = from[t + 1];
		}
		/* the other labels are keys of this batch, which are looked at below */
		if (from[T] < 0 || from[T] >= spec->vocabulary)
			return nn_fail(err, NN_EINVAL, "token %d is outside a vocabulary of %d", (int) from[T],
						   spec->vocabulary);
	}
	NN_TRY(nn_pack_lengths(batch, length, scratch, err));
	batch->row_label = next;
	return nn_pack_distinct(batch, key, spec->vocabulary, scratch, err);
}
