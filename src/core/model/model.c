/*
 * model/model.c: a model's memory.
 *
 * The struct itself comes from the env of the arena in it, which owns the net, the
 * labels and the small arrays; vocabulary and bag index own themselves.  model->env
 * is that env too, unless the model was read to be shared (nn_file_read_into).
 */
#include "model/model.h"

NnStatus
nn_model_create(NnModel **model_out, const NnEnv *env, NnError *err)
{
	NnModel    *model = env->alloc(env->ctx, sizeof(NnModel));

	*model_out = NULL;
	if (model == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	model->env = env;
	model->target_scale = 1.0;
	model->temperature = 1.0;
	model->arena = nn_arena_create(env);
	if (model->arena != NULL)
		model->training = nn_arena_copy(model->arena, "", 0);
	if (model->training == NULL)
	{
		nn_model_destroy(model);
		return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	*model_out = model;
	return NN_OK;
}

void
nn_model_destroy(NnModel *model)
{
	NnEnv		env;

	if (model == NULL)
		return;
	env = model->arena != NULL ? *nn_arena_env(model->arena) : *model->env;
	if (model->vocabulary != NULL)
		nn_vocabulary_destroy(model->vocabulary);
	if (model->features != NULL)
		nn_feature_index_destroy(model->features);
	nn_arena_destroy(model->net_arena);
	nn_arena_destroy(model->arena);
	env.release(env.ctx, model);
}

size_t
nn_model_bytes(const NnModel *model)
{
	size_t		n_bytes = nn_size_add(sizeof(NnModel), nn_arena_bytes(model->arena));

	if (model->net_arena != NULL)
		n_bytes = nn_size_add(n_bytes, nn_arena_bytes(model->net_arena));
	if (model->vocabulary != NULL)
		n_bytes = nn_size_add(n_bytes, nn_vocabulary_size_bytes(model->vocabulary));
	if (model->features != NULL)
		n_bytes = nn_size_add(n_bytes, nn_feature_index_size_bytes(model->features));
	return n_bytes;
}
