/*
 * nn/token_loss_sampled.c: the softmax over a sample of the vocabulary.
 *
 * The log-uniform distribution over the n_ranks tokens from `first` on, which
 * follows Zipf's law:
 *   P(r) = log((r + 2) / (r + 1)) / log(n_ranks + 1)
 * Tokens are drawn until n_samples different ones have come; with T draws made,
 * token r is among them with probability Q(r) = 1 - (1 - P(r))^T.
 *
 * For a row with label y, given the tokens C that it looks at, the posterior of
 * y being the label among C has logits z_c - log Q(c) (Jean et al. 2015; Bengio
 * and Senecal 2008).  That holds for C = the drawn tokens and y itself: a label
 * of another row which was not drawn would be there far more often than Q says,
 * so it takes no part; and a label that was drawn is there once.
  *
 * The columns of a chunk (nn/token_loss.c) are the sampled tokens, gathered into a
 * small table with -log Q added to their biases; a label that was not drawn is one
 * more column of its own row.
 */
#include "nn/token_loss_private.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

typedef struct Sample
{
	NnTokenTable table;			/* the tokens that all rows look at: always there, or drawn */
	int32_t    *id;				/* (table.n_tokens) their ids, ascending */
	int32_t    *place;			/* (V) column + 1; -1 for a label that is none; 0 for the rest */
	int			first;
	bool		is_whole;		/* all tokens are in, and Q = 1 */
	double		n_draws;		/* T */
	double		log_ranks;		/* log(n_ranks + 1) */
} Sample;

static double
log_expected_count(const Sample *sample, int32_t id)
{
	double		p;

	if (sample->is_whole || id < sample->first)
		return 0.0;
	p = log1p(1.0 / (id - sample->first + 1.0)) / sample->log_ranks;
	return log(-expm1(sample->n_draws * log1p(-p)));
}

/* Mark n_samples different tokens.  Many must be refused where nearly all are wanted, so this polls. */
static NnStatus
draw_tokens(Sample *sample, int V, int n_samples, NnRng *rng, const NnArena *scratch)
{
	int64_t		n_draws = 0;

	sample->log_ranks = log(V - sample->first + 1.0);
	while (n_samples > 0)
	{
		double		u = (double) (nn_rng_u64(rng) >> 11) * 0x1p-53;
		int			id = sample->first + (int) (exp(u * sample->log_ranks) - 1.0);

		if ((++n_draws & 0xFFFF) == 0)
			NN_TRY(nn_arena_poll(scratch));
		if (id >= V || sample->place[id] != 0)
			continue;			/* beyond the end by rounding, or drawn before */
		sample->place[id] = 1;
		n_samples--;
	}
	sample->n_draws = (double) n_draws;
	return NN_OK;
}

/* Gather the rows of the tokens marked in place, with their corrected biases. */
static NnStatus
gather_tokens(Sample *sample, const NnTokenTable *table, int n_columns, bool is_backward,
			  NnArena *scratch, NnError *err)
{
	int			E = table->width;
	size_t		n_floats = nn_size_mul((size_t) n_columns, (size_t) E);
	float	   *weight = NN_TAKE(scratch, float, n_floats);
	float	   *bias = NN_TAKE(scratch, float, (size_t) n_columns);
	float	   *packed = NN_TAKE(scratch, float, nn_pack_floats(E, n_columns));
	int			n = 0;

	sample->id = NN_TAKE(scratch, int32_t, (size_t) n_columns);
	if (weight == NULL || bias == NULL || packed == NULL || sample->id == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (is_backward)
	{
		sample->table.weight_grad = NN_ALLOC(scratch, float, n_floats);
		sample->table.bias_grad = NN_ALLOC(scratch, float, (size_t) n_columns);
		if (sample->table.weight_grad == NULL || sample->table.bias_grad == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	for (int32_t id = 0; id < table->n_tokens; id++)
	{
		if (sample->place[id] == 0)
			continue;
		memcpy(weight + (size_t) n * (size_t) E, table->weight + (size_t) id * (size_t) E,
			   (size_t) E * sizeof(float));
		bias[n] = (float) ((double) table->bias[id] - log_expected_count(sample, id));
		sample->id[n++] = id;
		sample->place[id] = n;
	}
	nn_pack(weight, E, E, n_columns, true, packed);
	sample->table.n_tokens = n_columns;
	sample->table.width = E;
	sample->table.weight = weight;
	sample->table.bias = bias;
	sample->table.packed = packed;
	sample->table.mixture = table->mixture;
	return NN_OK;
}

static NnStatus
sample_create(Sample *sample, const NnTokenTable *table, int64_t M, const int32_t *label,
			  int n_samples, int first_sampled, bool is_backward, NnRng *rng,
			  NnArena *scratch, NnError *err)
{
	int			V = table->n_tokens;
	int			first = first_sampled < 0 ? 0 : first_sampled > V ? V : first_sampled;

	memset(sample, 0, sizeof(*sample));
	sample->place = NN_ALLOC(scratch, int32_t, (size_t) V);
	if (sample->place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	n_samples = n_samples < 1 ? 1 : n_samples;	/* none would have no Q */
	sample->is_whole = n_samples >= V - first;
	sample->first = sample->is_whole ? V : first;
	for (int id = 0; id < sample->first; id++)
		sample->place[id] = 1;
	if (sample->is_whole)
		n_samples = 0;
	else
		NN_TRY(draw_tokens(sample, V, n_samples, rng, scratch));
	NN_TRY(gather_tokens(sample, table, sample->first + n_samples, is_backward, scratch, err));
	for (int64_t m = 0; m < M; m++)
		if (label[m] >= 0 && sample->place[label[m]] == 0)
			sample->place[label[m]] = -1;
	return NN_OK;
}

/* A label that is no column: z_y - log Q(y) begins its row's sum. */
static void
own_labels_forward(NnChunk *chunk, const Sample *sample, const NnTokenTable *table)
{
	size_t		E = (size_t) table->width;

	for (int i = 0; i < chunk->n_rows; i++)
	{
		int32_t		id = chunk->token[i];
		const float *w = table->weight + (size_t) id * E;
		const float *x = chunk->x + (size_t) i * E;
		double		sum[4] = {(double) table->bias[id] - log_expected_count(sample, id)};

		if (chunk->column[i] >= 0)
			continue;
		for (size_t e = 0; e < E; e++)
			sum[e % 4] += (double) w[e] * (double) x[e];
		chunk->logit[i] = (float) (sum[0] + sum[1] + sum[2] + sum[3]);
		nn_log_sum_add(&chunk->total[i], chunk->logit[i], 1.0);
	}
}

/* d = scale own (p_y - 1);  dx += d W_y   dW_y += d x   dbias_y += d */
static void
own_labels_backward(NnChunk *chunk, double scale, const NnTokenTable *table)
{
	size_t		E = (size_t) table->width;

	for (int i = 0; i < chunk->n_rows; i++)
	{
		size_t		at = (size_t) chunk->token[i] * E;
		float		d = (float) (scale * chunk->own[i] * expm1((double) chunk->logit[i] - chunk->log_z[i]));

		if (chunk->column[i] >= 0)
			continue;
		nn_axpy((int64_t) E, d, table->weight + at, chunk->dx + (size_t) i * E);
		nn_axpy((int64_t) E, d, chunk->x + (size_t) i * E, table->weight_grad + at);
		table->bias_grad[chunk->token[i]] += d;
	}
}

/* Gradients of the gathered rows to where they belong; say which rows have any. */
static void
sample_put_gradients(const Sample *sample, const NnTokenTable *table,
					 void (*touch) (void *ctx, int32_t row), void *ctx)
{
	size_t		E = (size_t) table->width;

	for (int c = 0; c < sample->table.n_tokens; c++)
	{
		nn_axpy((int64_t) E, 1.0f, sample->table.weight_grad + (size_t) c * E,
				table->weight_grad + (size_t) sample->id[c] * E);
		table->bias_grad[sample->id[c]] += sample->table.bias_grad[c];
	}
	for (int32_t id = 0; id < table->n_tokens; id++)
		if (sample->place[id] != 0)
			touch(ctx, id);
}

NnStatus
nn_token_loss_sampled(const NnTokenTable *table, int64_t M, const float *x,
					  const int32_t *label, int n_samples, int first_sampled, float scale,
					  float *dx, NnRng *rng, void (*touch) (void *ctx, int32_t row), void *ctx,
					  NnArena *scratch, double *loss, NnError *err)
{
	Sample		sample;
	NnChunk		chunk;
	int64_t		next = 0;

	NN_TRY(nn_check_tokens(table, M, label, err));
	NN_TRY(sample_create(&sample, table, M, label, n_samples, first_sampled, dx != NULL, rng,
						 scratch, err));
	NN_TRY(nn_chunk_create(&chunk, &sample.table, M, dx != NULL, scratch, err));
	chunk.place = sample.place;
	if (dx != NULL)
		memset(dx, 0, (size_t) M * (size_t) table->width * sizeof(float));
	*loss = 0.0;
	while (nn_chunk_fill(&chunk, M, x, label, &next))
	{
		own_labels_forward(&chunk, &sample, table);
		NN_TRY(nn_chunk_forward(&chunk, scratch));
		*loss += nn_chunk_loss(&chunk);
		if (dx != NULL)
		{
			NN_TRY(nn_chunk_backward(&chunk, (double) scale, scratch));
			own_labels_backward(&chunk, (double) scale, table);
			nn_chunk_put_dx(&chunk, dx);
		}
	}
	if (dx != NULL)
		sample_put_gradients(&sample, table, touch, ctx);
	return NN_OK;
}
