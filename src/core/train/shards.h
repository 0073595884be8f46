/*
 * train/shards.h: inside this room: a batch cut into shards, and their gradients.
 *
 * Which sequences a shard has depends on the batch and the options alone, and so
 * do the order in which gradients are added and what is dropped: not on how many
 * members a team has.  shards.c deals; slots.c holds gradients and adds them up.
 */
#ifndef NN_SHARDS_H
#define NN_SHARDS_H

#include "train/batch.h"
#include "train/part.h"
#include "train/team.h"

/* Tensors that a spec may have, at most. */
#define NN_MAX_TENSORS (4 * 3 * NN_MAX_LAYERS + 16)

/* ---- dealing (shards.c) ------------------------------------------------------ */

/* The sequences of one batch by shard. */
typedef struct NnDeal
{
	int			n_shards;
	int32_t    *pick;			/* example numbers, shard after shard; NULL: a running text */
	int		   *start;			/* (n_shards + 1) in pick; running text: lanes */
	double	   *weight;			/* (n_shards) share of the batch's loss; they add up to 1 */
	int64_t		n_terms;		/* what the batch's loss is a mean over: sequences, or tokens */
} NnDeal;

/* Shards of a training: the options' number, 0 and 1 being one. */
int			nn_shards_count(const NnTrainOptions *options);

/* Sequences of the largest shard. */
int			nn_shards_batch(const NnTrainOptions *options);

/*
 * Deal the examples pick[0 ... n - 1], longest first, in turns, so that all shards
 * have about as many tokens.
 */
NnStatus	nn_deal_examples(NnDeal *deal, int n_shards, const NnSpec *spec, const NnExamples *examples,
							 const NnTrainOptions *options, const int32_t *pick, int n, NnArena *scratch,
							 NnError *err);

/* Batch k of a running text: to each shard its lanes. */
NnStatus	nn_deal_running(NnDeal *deal, const NnRunning *running, int64_t k, NnArena *scratch, NnError *err);

/* Scratch bytes of dealing n sequences. */
size_t		nn_deal_bytes(const NnTrainOptions *options, int64_t n);

/* ---- figures and gradients (slots.c) -------------------------------------------- */

/* What a shard of the validation part adds up. */
typedef struct NnFigures
{
	double		loss;			/* summed */
	double		error;			/* forecast: absolute errors of the median */
	int64_t		n_right;
	int64_t		n_tokens;
} NnFigures;

typedef struct NnSlots NnSlots;

/* bound: of a shard.  team NULL: alone.  Memory is arena's, the team's exchange aside. */
NnStatus	nn_slots_create(NnSlots **slots, NnNet *net, const NnTrainOptions *options, const NnBatchBound *bound,
							NnArena *arena, NnError *err);

/* Bytes of that at most; a team's member has no more than the places.  Of a team's exchange. */
size_t		nn_slots_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound, bool is_member);
size_t		nn_slots_exchange_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound);

/* Rows of tables that a batch touches at most. */
int64_t		nn_slots_touchable(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound);

/* Is shard s this member's? */
bool		nn_slots_is_mine(const NnSlots *slots, int s);

/*
 * A batch: for each shard of this member begin, nn_net_backward(), end; then fold
 * leaves the batch's touched rows in the net as if one pass had made them, and this
 * member's units of the gradient (train/part.h), its others being zero.  *loss gets the
 * batch's.  A shard of weight 0 is left out, begin included.
 */
void		nn_slots_begin(NnSlots *slots, int s);
NnStatus	nn_slots_end(NnSlots *slots, int s, double weight, double loss, NnError *err);
NnStatus	nn_slots_fold(NnSlots *slots, const NnDeal *deal, NnArena *scratch, double *loss, NnError *err);

/* A validation: the member's shards' figures in, those of all shards out, added in order. */
void		nn_slots_put_figures(NnSlots *slots, int s, const NnFigures *figures);
NnStatus	nn_slots_sum_figures(NnSlots *slots, NnFigures *sum, NnError *err);

/* The net's gradients are its own again, as they were before create. */
void		nn_slots_release(NnSlots *slots);	/* NULL allowed */

#endif							/* NN_SHARDS_H */
