/*
 * nn/embed.c: tokens -> the input rows of a stack, one for each distinct token of
 * the batch:
 *
 *   x_u = [ word vector | spelling vector | shape flags ]
 *
 * The last two only where the network reads spelling (tags): the spelling vector
 * is the sum of the rows of the token's character n-grams (text/spelling.h) over
 * the root of their number.  A token whose embedding row is -1 has no word vector:
 * zeros.  Word-type dropout drops the word vector alone, everywhere in the batch,
 * so zeros become what "a word never seen" looks like; element dropout acts on
 * all of x_u.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

static float
spelling_weight(const NnBatch *batch, int u)
{
	int			n = batch->spelling_start[u + 1] - batch->spelling_start[u];

	return 1.0f / sqrtf((float) (n > 0 ? n : 1));
}

/* The spelling vector and the flags of distinct token u behind its word vector. */
static void
spell(const NnLayers *layers, const NnBatch *batch, int u, float *x)
{
	int			S = layers->spelling->n_columns;
	float		weight = spelling_weight(batch, u);

	memset(x, 0, (size_t) S * sizeof(float));
	for (int j = batch->spelling_start[u]; j < batch->spelling_start[u + 1]; j++)
		nn_axpy(S, weight, layers->spelling->data + (size_t) batch->spelling_row[j] * (size_t) S, x);
	for (int f = 0; f < NN_SHAPE_FLAGS; f++)
		x[S + f] = (float) ((batch->spelling_flags[u] >> f) & 1);
}

/* Which distinct tokens lose their word vector; NULL and NN_OK if none does. */
static NnStatus
drop_words(const NnBatch *batch, const NnDropout *dropout, NnRng *rng, NnArena *scratch,
		   NnEmbedded *embedded, NnError *err)
{
	if (dropout == NULL || dropout->word <= 0.0f)
		return NN_OK;
	embedded->is_dropped = NN_ALLOC(scratch, bool, (size_t) batch->n_distinct);
	if (embedded->is_dropped == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int u = 0; u < batch->n_distinct; u++)
		embedded->is_dropped[u] = nn_rng_uniform(rng) < dropout->word;
	return NN_OK;
}

static bool
has_word(const NnBatch *batch, const NnEmbedded *embedded, int u)
{
	return batch->distinct[u] >= 0 && (embedded->is_dropped == NULL || !embedded->is_dropped[u]);
}

NnStatus
nn_embed_forward(const NnLayers *layers, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
				 NnArena *scratch, NnEmbedded *embedded, NnError *err)
{
	size_t		E = (size_t) layers->embedding->n_columns;
	size_t		n_in = (size_t) layers->n_in;
	size_t		n = (size_t) batch->n_distinct * n_in;
	bool		failed = false;

	embedded->input = NN_TAKE(scratch, float, n);
	if (embedded->input == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(drop_words(batch, dropout, rng, scratch, embedded, err));
	for (int u = 0; u < batch->n_distinct; u++)
	{
		float	   *x = embedded->input + (size_t) u * n_in;

		if (has_word(batch, embedded, u))
			memcpy(x, layers->embedding->data + (size_t) batch->distinct[u] * E, E * sizeof(float));
		else
			memset(x, 0, E * sizeof(float));
		if (layers->spelling != NULL)
			spell(layers, batch, u, x + E);
	}
	if (dropout == NULL)
		return NN_OK;
	embedded->mask = nn_mask(scratch, rng, n, dropout->input, &failed);
	if (failed)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (embedded->mask != NULL)
		nn_multiply((int64_t) n, embedded->mask, embedded->input);
	return NN_OK;
}

NnStatus
nn_embed_backward(const NnLayers *layers, const NnBatch *batch, const NnEmbedded *embedded, float *dx,
				  NnArena *scratch, NnError *err)
{
	size_t		E = (size_t) layers->embedding->n_columns;
	size_t		n_in = (size_t) layers->n_in;

	NN_TRY(nn_touch_reserve(layers->embedding, (size_t) batch->n_distinct, scratch, err));
	if (layers->spelling != NULL)
		NN_TRY(nn_touch_reserve(layers->spelling, (size_t) batch->spelling_start[batch->n_distinct], scratch, err));
	if (embedded->mask != NULL)
		nn_multiply((int64_t) ((size_t) batch->n_distinct * n_in), embedded->mask, dx);
	for (int u = 0; u < batch->n_distinct; u++)
	{
		const float *d = dx + (size_t) u * n_in;

		if (has_word(batch, embedded, u))
		{
			nn_touch(layers->embedding, batch->distinct[u]);
			nn_axpy((int64_t) E, 1.0f, d, layers->embedding->grad + (size_t) batch->distinct[u] * E);
		}
		if (layers->spelling != NULL)
		{
			int			S = layers->spelling->n_columns;
			float		weight = spelling_weight(batch, u);

			for (int j = batch->spelling_start[u]; j < batch->spelling_start[u + 1]; j++)
			{
				nn_touch(layers->spelling, batch->spelling_row[j]);
				nn_axpy(S, weight, d + E, layers->spelling->grad + (size_t) batch->spelling_row[j] * (size_t) S);
			}
		}
	}
	return NN_OK;
}
