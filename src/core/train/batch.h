/*
 * train/batch.h: inside this room: examples put in order and cut into batches.
 */
#ifndef NN_TRAIN_BATCH_H
#define NN_TRAIN_BATCH_H

#include "train/train.h"

/* A sort key with what it stands for. */
typedef struct NnKeyed
{
	uint32_t	key;
	int32_t		value;
} NnKeyed;

/* Sort by ascending key, stable.  Returns the array that holds the result: items or other, both of size n. */
NnKeyed    *nn_sort_keyed(NnKeyed *items, NnKeyed *other, int64_t n);

/*
 * The order in which one epoch sees its examples: batch k is
 * order[b * batch ...] with b = batch_order[k]; only the last b may be short.
 */
typedef struct NnEpochOrder
{
	int64_t		n_all;			/* examples to draw from */
	int64_t		n;				/* that an epoch sees */
	int			batch;
	int64_t		n_window;		/* examples sorted by length together */
	int64_t		n_batches;
	int32_t    *order;			/* (n_all) example numbers; the epoch's come first */
	int32_t    *batch_order;	/* (n_batches) */
} NnEpochOrder;

NnStatus	nn_epoch_order_create(NnEpochOrder *epoch, int64_t n, const NnTrainOptions *options,
								  NnArena *arena, NnError *err);

/* Deal anew for the next epoch.  Polls, and resets scratch. */
NnStatus	nn_epoch_order_shuffle(NnEpochOrder *epoch, const NnSpec *spec, const NnExamples *examples,
								   NnRng *rng, const NnEnv *env, NnArena *scratch, NnError *err);

/*
 * Are all streams there that a net of this spec reads?  With targets also
 * labels, every one of them the spec's, or numbers.
 */
NnStatus	nn_examples_check(const NnExamples *examples, const NnSpec *spec, bool has_targets,
							  NnError *err);

/* Packed rows of the text that an example writes, its end token included; 0 if it writes none. */
int64_t		nn_example_written(const NnExamples *examples, const NnSpec *spec, int64_t i);

/* Steps of numbers, packed rows (0 without a recurrent branch) and bag features of one example. */
int64_t		nn_example_steps(const NnExamples *examples, int64_t i);
int64_t		nn_example_length(const NnExamples *examples, const NnSpec *spec, int64_t i);
int64_t		nn_example_bag(const NnExamples *examples, const NnSpec *spec, int64_t i);

/* Sort example numbers by descending length; equal lengths stay as they are. */
NnStatus	nn_examples_sort(const NnExamples *examples, const NnSpec *spec, int32_t *order, int64_t n,
							 NnArena *scratch, NnError *err);

/* Upper bounds of what any n_sequences of the examples hold together. */
typedef struct NnBatchBound
{
	int64_t		n_sequences;
	int64_t		n_rows;			/* packed rows */
	int64_t		n_bag;			/* bag features */
	int64_t		n_spelling;		/* rows of the spelling table */
	int64_t		n_written;		/* packed rows of the texts written */
	int64_t		n_pairs;		/* rows times written rows of each example */
	int64_t		n_sampled;		/* tokens of the softmax at a training step; 0: all */
} NnBatchBound;

void		nn_batch_bound(NnBatchBound *bound, const NnExamples *examples, const NnSpec *spec,
						   int n_sequences);

/* Scratch bytes that nn_batch_pack() takes at most within the bound. */
size_t		nn_batch_bytes(const NnSpec *spec, const NnBatchBound *bound);

/* ---- inside packing (batch.c, batch_text.c) ------------------------------------- */

/* n lengths, descending -> length, active, offset, n_steps, n_rows of batch. */
NnStatus	nn_pack_lengths(NnBatch *batch, const int32_t *length, NnArena *scratch, NnError *err);

/* The keys (N) of the packed rows -> distinct (ascending) and token; each is below limit. */
NnStatus	nn_pack_distinct(NnBatch *batch, const int32_t *key, int limit, NnArena *scratch, NnError *err);

/* Texts and tags of tasks that are not pooled. */
NnStatus	nn_pack_tags(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
						 const int32_t *example, NnArena *scratch, NnError *err);
NnStatus	nn_pack_language(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
							 const int32_t *example, NnArena *scratch, NnError *err);
NnStatus	nn_pack_written(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
							const int32_t *example, NnArena *scratch, NnError *err);

/* ---- running text (running.c) ------------------------------------------------------ */

/*
 * All texts end to end, cut into lanes of one length that are read side by side,
 * bptt steps a batch; the state goes on from batch to batch.  Shards have
 * neighboring lanes, and a state each.
 */
typedef struct NnRunning
{
	int			n_lanes;
	int			n_shards;
	int			bptt;
	int64_t		n_tokens;		/* of all texts, with an end token before the first and behind each */
	int64_t		n_steps;		/* of a lane */
	int64_t		n_batches;
	int32_t    *token;			/* (n_tokens) */
	NnState    *state;			/* (n_shards) */
	float	   *state_floats;	/* of all shards, and how many */
	size_t		n_state_floats;
} NnRunning;

NnStatus	nn_running_create(NnRunning *running, const NnSpec *spec, const NnExamples *examples,
							  int n_lanes, int n_shards, int bptt, NnArena *arena, NnError *err);
size_t		nn_running_bytes(const NnSpec *spec, const NnExamples *examples, int n_lanes, int n_shards);

/* Texts in their order, or dealt by rng unless NULL; the states begin with zeros. */
NnStatus	nn_running_begin(NnRunning *running, const NnExamples *examples, NnRng *rng, NnArena *scratch,
							 NnError *err);

/* The states are zeros again. */
void		nn_running_forget(NnRunning *running);

/* Numbers of the states of so many lanes. */
size_t		nn_running_state_floats(const NnSpec *spec, int n_lanes);

/* The first lane of shard s; of s = n_shards, the number of lanes. */
int			nn_running_lane(const NnRunning *running, int s);

/* Steps of batch k. */
int			nn_running_steps(const NnRunning *running, int64_t k);

/* Batch k of shard s, which has lanes. */
NnStatus	nn_running_pack(const NnRunning *running, int s, int64_t k, NnBatch *batch, const NnSpec *spec,
							NnArena *scratch, NnError *err);

#endif							/* NN_TRAIN_BATCH_H */
