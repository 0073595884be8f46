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
	int64_t		n;
	int			batch;
	int64_t		n_window;		/* examples sorted by length together */
	int64_t		n_batches;
	int32_t    *order;			/* (n) example numbers */
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
} NnBatchBound;

void		nn_batch_bound(NnBatchBound *bound, const NnExamples *examples, const NnSpec *spec,
						   int n_sequences);

/* Scratch bytes that nn_batch_pack() takes at most within the bound. */
size_t		nn_batch_bytes(const NnSpec *spec, const NnBatchBound *bound);

#endif							/* NN_TRAIN_BATCH_H */
