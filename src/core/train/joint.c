/*
 * train/joint.c: what a team has only once.
 *
 * The exchange begins with a board for wishes and notes.  Behind it are the weights,
 * tensor after tensor, each aligned; the optimizer's moments; the states of lanes; and
 * the squares of all units of a gradient.
 */
#include "train/joint.h"

#include <math.h>
#include <string.h>

#define ALIGNMENT	((size_t) 64)

/* A wish is heard while the next may be said already, but never the one after that. */
typedef struct Board
{
	NnWish		wish[2];
	char		note[NN_JOINT_NOTE];
} Board;

struct NnJoint
{
	NnNet	   *net;
	const NnTeam *team;
	float	  **own;			/* (tensors) the net's weights before */
	Board	   *board;
	int			turn;			/* which wish is next */
	float	   *moments;
	float	   *lanes;
	double	   *squares;
};

static size_t
align_up(size_t n)
{
	return nn_size_add(n, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t
weight_bytes(const NnSpec *spec)
{
	return align_up(nn_size_add(nn_size_mul((size_t) nn_spec_n_numbers(spec), sizeof(float)),
								NN_MAX_TENSORS * ALIGNMENT));
}

static size_t
moment_bytes(const NnSpec *spec)
{
	return align_up(nn_size_mul((size_t) nn_spec_n_numbers(spec), 2 * sizeof(float)));
}

static size_t
lane_bytes(const NnSpec *spec, const NnTrainOptions *options)
{
	if (spec->task != NN_TASK_LANGUAGE)
		return 0;
	return align_up(nn_size_mul(nn_running_state_floats(spec, options->batch), sizeof(float)));
}

static size_t
tensor_bytes(const NnTensor *tensor)
{
	return (size_t) tensor->n_rows * (size_t) tensor->n_columns * sizeof(float);
}

NnPart
nn_team_part(const NnTeam *team)
{
	NnPart		part = NN_PART_ALL;

	if (team != NULL)
	{
		part.rank = team->rank;
		part.size = team->size;
	}
	return part;
}

NnStatus
nn_team_meet(const NnTeam *team, NnError *err)
{
	return team == NULL ? NN_OK : team->meet(team->ctx, err);
}

size_t
nn_joint_bytes(const NnSpec *spec, const NnTrainOptions *options, const NnBatchBound *bound)
{
	size_t		n_units = (size_t) nn_spec_n_numbers(spec) / NN_PART_NUMBERS + NN_MAX_TENSORS +
	(size_t) nn_slots_touchable(spec, options, bound);
	size_t		n_bytes = align_up(sizeof(Board));

	n_bytes = nn_size_add(n_bytes, weight_bytes(spec));
	n_bytes = nn_size_add(n_bytes, moment_bytes(spec));
	n_bytes = nn_size_add(n_bytes, lane_bytes(spec, options));
	return align_up(nn_size_add(n_bytes, nn_size_mul(n_units, sizeof(double))));
}

/* Where everything is; what is not filled by its users is zero. */
static void
lay_out(NnJoint *joint, const NnTrainOptions *options)
{
	const NnSpec *spec = nn_net_spec(joint->net);
	char	   *at = joint->team->exchange;

	joint->board = (Board *) at;
	at += align_up(sizeof(Board)) + weight_bytes(spec);
	joint->moments = (float *) at;
	if (joint->team->rank == 0)
		memset(joint->moments, 0, moment_bytes(spec));
	at += moment_bytes(spec);
	joint->lanes = (float *) at;
	joint->squares = (double *) (at + lane_bytes(spec, options));
}

/* Point each trained tensor to its place; the first member brings the weights. */
static void
move_weights(NnJoint *joint)
{
	char	   *at = (char *) joint->team->exchange + align_up(sizeof(Board));

	for (int i = 0; i < nn_net_n_tensors(joint->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(joint->net, i);

		joint->own[i] = tensor->data;
		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		if (joint->team->rank == 0)
			memcpy(at, tensor->data, tensor_bytes(tensor));
		tensor->data = (float *) at;
		at += align_up(tensor_bytes(tensor));
	}
}

NnStatus
nn_joint_create(NnJoint **joint, NnNet *net, const NnTrainOptions *options, const NnBatchBound *bound,
				NnArena *arena, NnError *err)
{
	const NnTeam *team = options->team;
	NnJoint    *made;

	*joint = NULL;
	if (team == NULL)
		return NN_OK;
	if (team->n_bytes < nn_joint_bytes(nn_net_spec(net), options, bound))
		return nn_fail(err, NN_EINTERNAL, "%zu bytes do not hold the weights of a team", team->n_bytes);
	made = NN_ALLOC(arena, NnJoint, 1);
	if (made != NULL)
		made->own = NN_ALLOC(arena, float *, (size_t) nn_net_n_tensors(net));
	if (made == NULL || made->own == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for a team");
	made->net = net;
	made->team = team;
	lay_out(made, options);
	move_weights(made);
	*joint = made;
	return nn_team_meet(team, err);
}

float *
nn_joint_moments(const NnJoint *joint)
{
	return joint == NULL ? NULL : joint->moments;
}

float *
nn_joint_lanes(const NnJoint *joint)
{
	return joint->lanes;
}

void *
nn_joint_note(const NnJoint *joint)
{
	return joint->board->note;
}

void
nn_joint_say(NnJoint *joint, NnWish wish)
{
	if (joint != NULL && joint->team->rank == 0)
		joint->board->wish[joint->turn] = wish;
}

NnWish
nn_joint_hear(NnJoint *joint, NnWish own)
{
	if (joint == NULL)
		return own;
	joint->turn = 1 - joint->turn;
	return joint->board->wish[1 - joint->turn];
}

NnStatus
nn_joint_norm(NnJoint *joint, const NnOptimizer *optimizer, double *norm, NnError *err)
{
	double		sum = 0.0;
	size_t		n_units;

	if (joint == NULL)
	{
		*norm = nn_optimizer_norm(optimizer);
		return NN_OK;
	}
	n_units = nn_optimizer_squares(optimizer, nn_team_part(joint->team), joint->squares);
	NN_TRY(nn_team_meet(joint->team, err));
	for (size_t i = 0; i < n_units; i++)
		sum += joint->squares[i];
	*norm = sqrt(sum);
	return NN_OK;
}

void
nn_joint_release(NnJoint *joint)
{
	for (int i = 0; joint != NULL && i < nn_net_n_tensors(joint->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(joint->net, i);

		if (joint->team->rank == 0 && tensor->data != joint->own[i])
			memcpy(joint->own[i], tensor->data, tensor_bytes(tensor));
		tensor->data = joint->own[i];
	}
}
