/*
 * train/joint.h: inside this room: what a team has only once.
 *
 * The weights of a team and the optimizer's moments lie in memory that all members see.
 * In a step each member changes its units of them (train/part.h), and all read the whole:
 *
 *	gradients of shards		each its own shards; meet
 *	add them up, squares	each its own units; meet
 *	the optimizer's step	each its own units; meet
 *
 * so no number is read by one member while another writes it.
 *
 * What the host wishes (train/checkpoint.h) only the first member knows.  It says so before
 * a meeting, and all hear it behind that meeting.
 */
#ifndef NN_JOINT_H
#define NN_JOINT_H

#include "train/checkpoint.h"
#include "train/optimizer.h"
#include "train/shards.h"

typedef struct NnJoint NnJoint;

/*
 * The net's trained weights become the team's, which are those of its first member.
 * *joint stays NULL where options name no team.
 */
NnStatus	nn_joint_create(NnJoint **joint, NnNet *net, const NnTrainOptions *options, const NnBatchBound *bound,
							NnArena *arena, NnError *err);

/* Bytes at the beginning of the exchange. */
size_t		nn_joint_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound);

/* Moments for nn_optimizer_create(), all zero; NULL where joint is NULL. */
float	   *nn_joint_moments(const NnJoint *joint);

/* Room for the states of a running text's lanes, and for a note of NN_JOINT_NOTE bytes. */
#define NN_JOINT_NOTE	512
float	   *nn_joint_lanes(const NnJoint *joint);
void	   *nn_joint_note(const NnJoint *joint);

/* Say a wish; at least one meeting later, hear it.  Each member calls both in turn; somebody alone hears its own. */
void		nn_joint_say(NnJoint *joint, NnWish wish);
NnWish		nn_joint_hear(NnJoint *joint, NnWish own);

/* nn_optimizer_norm() of all units.  joint NULL: somebody alone. */
NnStatus	nn_joint_norm(NnJoint *joint, const NnOptimizer *optimizer, double *norm, NnError *err);

/* The net's weights are its own again; the first member's are the team's. */
void		nn_joint_release(NnJoint *joint);	/* NULL allowed */

/* Which units are a member's; team NULL: all of them. */
NnPart		nn_team_part(const NnTeam *team);

/* Nothing where there is no team. */
NnStatus	nn_team_meet(const NnTeam *team, NnError *err);

#endif							/* NN_JOINT_H */
