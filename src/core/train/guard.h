/*
 * train/guard.h: inside this room: a copy of the weights to go back to.
 */
#ifndef NN_GUARD_H
#define NN_GUARD_H

#include "train/train.h"

/* The trained tensors of a net as they were after some epoch (0: before the first). */
typedef struct NnSnapshot
{
	NnNet	   *net;
	float	   *data;			/* tensor after tensor */
	int			epoch;
} NnSnapshot;

/* Room for a copy, and the first copy. */
NnStatus	nn_snapshot_create(NnSnapshot *snapshot, NnNet *net, NnArena *arena, const NnEnv *env,
							   NnError *err);

/* Net to copy, and copy to net (which it packs).  Both poll between parts. */
NnStatus	nn_snapshot_take(NnSnapshot *snapshot, int epoch, const NnEnv *env, NnError *err);
NnStatus	nn_snapshot_restore(const NnSnapshot *snapshot, const NnEnv *env, NnError *err);

/* Is every number that is trained finite?  Polls. */
NnStatus	nn_weights_check(NnNet *net, const NnEnv *env, bool *is_finite, NnError *err);

#endif							/* NN_GUARD_H */
