/*
 * train/guard.c: a copy of the weights to go back to.
 *
 * A training holds one copy beside the net: with "keep the best" that of the
 * best epoch, else that of the last good one.  It serves both uses: it is what
 * the training may end with, and what it goes back to when the weights have
 * stopped being numbers.
 *
 * A table of features may have hundreds of megabytes, so whatever walks over
 * all weights does it in parts of PART_FLOATS and polls between them.
 */
#include "train/guard.h"

#include <string.h>
#include "kern/kern.h"

#define PART_FLOATS ((size_t) 1 << 20)	/* 4 MB: about 1 ms */

/* Called for each part: weights of the net, their place in the copy. */
typedef void (*PartVisitor) (void *ctx, float *weights, float *copy, size_t n);

/* Walk over all trained tensors; copy may be NULL. */
static NnStatus
walk_parts(NnNet *net, float *copy, PartVisitor visit, void *ctx, const NnEnv *env, NnError *err)
{
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);
		size_t		n = (size_t) tensor->n_rows * (size_t) tensor->n_columns;

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		for (size_t at = 0; at < n; at += PART_FLOATS)
		{
			if (env->poll(env->ctx) != 0)
				return nn_fail(err, NN_ECANCELED, "training was canceled");
			visit(ctx, tensor->data + at, copy == NULL ? NULL : copy + at,
				  n - at < PART_FLOATS ? n - at : PART_FLOATS);
		}
		if (copy != NULL)
			copy += n;
	}
	return NN_OK;
}

static void
take_part(void *ctx, float *weights, float *copy, size_t n)
{
	(void) ctx;
	memcpy(copy, weights, n * sizeof(float));
}

static void
restore_part(void *ctx, float *weights, float *copy, size_t n)
{
	(void) ctx;
	memcpy(weights, copy, n * sizeof(float));
}

static void
check_part(void *ctx, float *weights, float *copy, size_t n)
{
	bool	   *is_finite = ctx;

	(void) copy;
	*is_finite = *is_finite && nn_all_finite((int64_t) n, weights);
}

NnStatus
nn_snapshot_create(NnSnapshot *snapshot, NnNet *net, NnArena *arena, const NnEnv *env, NnError *err)
{
	snapshot->net = net;
	snapshot->data = NN_TAKE(arena, float, (size_t) nn_net_n_parameters(net));
	if (snapshot->data == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for a copy of the weights");
	return nn_snapshot_take(snapshot, 0, env, err);
}

NnStatus
nn_snapshot_take(NnSnapshot *snapshot, int epoch, const NnEnv *env, NnError *err)
{
	snapshot->epoch = epoch;
	return walk_parts(snapshot->net, snapshot->data, take_part, NULL, env, err);
}

NnStatus
nn_snapshot_restore(const NnSnapshot *snapshot, const NnEnv *env, NnError *err)
{
	NN_TRY(walk_parts(snapshot->net, snapshot->data, restore_part, NULL, env, err));
	nn_net_pack(snapshot->net);
	return NN_OK;
}

NnStatus
nn_weights_check(NnNet *net, const NnEnv *env, bool *is_finite, NnError *err)
{
	*is_finite = true;
	return walk_parts(net, NULL, check_part, is_finite, env, err);
}
