/*
 * train/team.c: a training as one block of bytes, and a member that follows it.
 *
 * The block: a PlanHead, then class weights, first weights (tensor after tensor, as
 * the spec orders them) and both parts' examples (team_pack.c), each aligned to
 * ALIGNMENT.
 */
#include "train/joint.h"

#include <string.h>

#define ALIGNMENT	((size_t) 64)

typedef struct PlanHead
{
	NnSpec		spec;
	NnTrainOptions options;
	size_t		class_weight_at;	/* bytes from the head; 0: there are none */
	size_t		weights_at;
	size_t		train_at;
	size_t		valid_at;
	size_t		n_bytes;
} PlanHead;

/* ---- the block --------------------------------------------------------------------- */

/* A place of n_bytes behind what is there; returns where. */
static size_t
place(size_t *n_bytes, size_t n)
{
	size_t		at = *n_bytes;

	*n_bytes = nn_size_add(at, nn_size_add(n, ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
	return at;
}

static void
plan_layout(PlanHead *head, const NnSpec *spec, const NnExamples *train, const NnExamples *valid,
			const NnTrainOptions *options)
{
	size_t		n_bytes = 0;

	memset(head, 0, sizeof(*head));
	head->spec = *spec;
	head->options = *options;
	head->options.team = NULL;
	head->options.checkpoints = NULL;
	head->options.class_weight = NULL;
	(void) place(&n_bytes, sizeof(PlanHead));
	if (options->class_weight != NULL)
		head->class_weight_at = place(&n_bytes, (size_t) spec->n_outputs * sizeof(float));
	head->weights_at = place(&n_bytes, nn_size_mul((size_t) nn_spec_n_numbers(spec), sizeof(float)));
	head->train_at = place(&n_bytes, nn_examples_packed_bytes(train, spec));
	head->valid_at = place(&n_bytes, nn_examples_packed_bytes(valid, spec));
	head->n_bytes = n_bytes;
}

size_t
nn_team_plan_bytes(const NnSpec *spec, const NnExamples *train, const NnExamples *valid,
				   const NnTrainOptions *options)
{
	PlanHead	head;

	plan_layout(&head, spec, train, valid, options);
	return head.n_bytes;
}

static size_t
tensor_bytes(const NnTensor *tensor)
{
	return (size_t) tensor->n_rows * (size_t) tensor->n_columns * sizeof(float);
}

/* Weights of all tensors, one behind the other: out of the net, or into it. */
static NnStatus
copy_weights(NnNet *net, char *weights, bool is_out, const NnEnv *env, NnError *err)
{
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(net, i);
		size_t		n = tensor_bytes(tensor);

		if (!nn_env_copy(env, is_out ? weights : (char *) tensor->data, is_out ? (char *) tensor->data : weights, n))
			return nn_fail(err, NN_ECANCELED, "training was canceled");
		weights += n;
	}
	return NN_OK;
}

NnStatus
nn_team_plan_pack(void *block, NnNet *net, const NnExamples *train, const NnExamples *valid,
				  const NnTrainOptions *options, const NnEnv *env, NnError *err)
{
	const NnSpec *spec = nn_net_spec(net);
	PlanHead   *head = block;

	plan_layout(head, spec, train, valid, options);
	if (options->class_weight != NULL)
		memcpy((char *) block + head->class_weight_at, options->class_weight,
			   (size_t) spec->n_outputs * sizeof(float));
	NN_TRY(copy_weights(net, (char *) block + head->weights_at, true, env, err));
	NN_TRY(nn_examples_pack(train, spec, (char *) block + head->train_at, env, err));
	return nn_examples_pack(valid, spec, (char *) block + head->valid_at, env, err);
}

/* ---- following it --------------------------------------------------------------------- */

/* nn_team_follow() once its arena exists. */
static NnStatus
follow_in(const PlanHead *head, const NnTeam *team, const NnEnv *env, NnArena *arena, NnError *err)
{
	NnTrainOptions options = head->options;
	NnTrainReport *report = NULL;
	NnExamples	train;
	NnExamples	valid;
	NnForms		train_forms;
	NnForms		valid_forms;
	NnNet	   *net;

	/* in one block, so that nothing is wasted between large pieces */
	if (nn_arena_reserve(arena, nn_size_add(nn_net_bytes(&head->spec, true), sizeof(NnTrainReport) + ALIGNMENT)))
		report = NN_TAKE(arena, NnTrainReport, 1);
	if (report == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (head->class_weight_at > 0)
		options.class_weight = (const float *) ((const char *) head + head->class_weight_at);
	options.team = team;
	nn_examples_unpack((const char *) head + head->train_at, &train, &train_forms);
	nn_examples_unpack((const char *) head + head->valid_at, &valid, &valid_forms);
	NN_TRY(nn_net_create(&net, arena, &head->spec, true, err));
	NN_TRY(copy_weights(net, (char *) head + head->weights_at, false, env, err));
	return nn_train(net, &train, &valid, &options, env, report, err);
}

NnStatus
nn_team_follow(const void *block, const NnTeam *team, const NnEnv *env, NnError *err)
{
	NnArena    *arena = nn_arena_create(env);
	NnStatus	status;

	if (arena == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = follow_in(block, team, env, arena, err);
	nn_arena_destroy(arena);
	return status;
}

size_t
nn_team_follow_bytes(const NnSpec *spec, const NnExamples *train, const NnTrainOptions *options)
{
	return nn_size_add(nn_size_add(nn_team_member_bytes(spec, train, options), nn_net_bytes(spec, true)),
					   sizeof(NnTrainReport) + 65536);
}
