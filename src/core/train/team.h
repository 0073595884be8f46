/*
 * train/team.h: several that train one net together.
 *
 * Every member runs nn_train() with the same examples, options and seed on a net
 * of its own that begins with the same weights.  A member computes only its share
 * of each batch's shards; gradients go through memory that all members see; each
 * adds up its units of them, always in the same order, and takes the optimizer's
 * step on its units of the weights, which all see too (train/joint.h).  A team of
 * any size, one member included, gives the same bytes.
 *
 * Members meet three times a step and twice a validation.  What a member wrote
 * before a meeting is read by the others after it.
 *
 * The host says how members meet.  A member whose nn_train() ends with an error
 * must make the others' meetings fail; core itself does not.
 */
#ifndef NN_TEAM_H
#define NN_TEAM_H

#include "train/train.h"

typedef struct NnTeam
{
	int			rank;			/* 0 ... size - 1; 0 tells progress */
	int			size;
	void	   *exchange;		/* seen by all members, aligned to 64 bytes */
	size_t		n_bytes;		/* at least nn_team_bytes() */

	/*
	 * Returns when all members have called it, as often as this one.  Anything but NN_OK ends the training;
	 * *err says why.  May not return, as poll() may not.
	 */
	NnStatus	(*meet) (void *ctx, NnError *err);
	void	   *ctx;
} NnTeam;

/* Bytes that nn_train() takes of a member's own memory at most, as nn_train_bytes() of somebody alone. */
size_t		nn_team_member_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options);

/* Bytes of memory that all members see. */
size_t		nn_team_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options);

/* ---- members that see no memory but what is shared (team.c) ------------------ */

/*
 * All that a member has to know, as one block of bytes: spec, first weights,
 * examples, options.  It is trusted: it never leaves this machine.  block is aligned
 * to 64 bytes; options->team is not in it.
 */
size_t		nn_team_plan_bytes(const NnSpec *spec, const NnExamples *train, const NnExamples *valid,
							   const NnTrainOptions *options);
NnStatus	nn_team_plan_pack(void *block, NnNet *net, const NnExamples *train, const NnExamples *valid,
							  const NnTrainOptions *options, const NnEnv *env, NnError *err);

/*
 * nn_train() by a block, which must stay, on a net that is gone afterwards: what
 * every member but the first does, who trains the net that the block was made of.
 */
NnStatus	nn_team_follow(const void *block, const NnTeam *team, const NnEnv *env, NnError *err);

/* Bytes that takes at most, beside block and exchange. */
size_t		nn_team_follow_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options);

/* ---- examples as a block (team_pack.c) ----------------------------------------- */

/* All that examples point to, laid end to end; unpack points into such a block, which must stay. */
size_t		nn_examples_packed_bytes(const NnExamples *examples, const NnSpec *spec);
NnStatus	nn_examples_pack(const NnExamples *examples, const NnSpec *spec, void *block, const NnEnv *env,
							 NnError *err);

/* forms is filled where the examples have some. */
void		nn_examples_unpack(const void *block, NnExamples *examples, NnForms *forms);

#endif							/* NN_TEAM_H */
