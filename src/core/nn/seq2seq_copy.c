/*
 * nn/seq2seq_copy.c: tokens of the source that are copied (See et al. 2017), with
 * the attention weights a_j over the source's tokens x_j for their distribution,
 *   g = sigma(copy [u, c])       p(y) = (1 - g) softmax(y) + g A(y)
 *   A(y) = sum of the a_j where x_j = y
 *
 * The loss is -log p(label); with r = g A / p, the copy's share in the label,
 *   d(before sigma) = g - r      da_j = -r / A where x_j is the label
 * and the softmax gets its own gradient times 1 - r (nn/token_loss.c).  Labels are
 * smoothed in the softmax alone: of g and a only the part of -log p(label) knows.
 *
 * From an empty source nothing is copied: g counts as 0.
 */
#include "nn/seq2seq_private.h"

#include <math.h>

/* log(1 + exp(x)): -log sigma(-x) */
static double
softplus(double x)
{
	return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

/* The token at position t of source sequence number, as a place in distinct. */
static int32_t
place_at(const NnBatch *source, int number, int t)
{
	return source->token[source->offset[t] + number];
}

/* ---- learning ------------------------------------------------------------------ */

NnStatus
nn_copying_forward(const NnBatch *source, const NnBatch *written, const int32_t *source_of,
				   const NnDecoded *decoded, NnArena *scratch, NnCopying *copying, NnError *err)
{
	size_t		N = (size_t) written->n_rows;

	copying->log_own = NN_TAKE(scratch, float, N);
	copying->log_copy = NN_TAKE(scratch, float, N);
	copying->share = NN_TAKE(scratch, float, N);
	copying->found = NN_TAKE(scratch, float, N);
	if (copying->log_own == NULL || copying->log_copy == NULL || copying->share == NULL ||
		copying->found == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int t = 0; t < written->n_steps; t++)
	{
		NN_TRY(nn_arena_poll(scratch));
		for (int b = 0; b < written->active[t]; b++)
		{
			int			row = written->offset[t] + b;
			int			S = source->length[source_of[b]];
			const float *a = decoded->attention.weight + decoded->attention.start[row];
			double		gate = (double) decoded->copy[row];
			double		A = 0.0;

			for (int j = 0; j < S; j++)
				if (source->distinct[place_at(source, source_of[b], j)] == written->row_label[row])
					A += (double) a[j];
			copying->found[row] = (float) A;
			copying->log_own[row] = S > 0 ? (float) -softplus(gate) : 0.0f;
			copying->log_copy[row] = A > 0.0 ? (float) (log(A) - softplus(-gate)) : -INFINITY;
		}
	}
	return NN_OK;
}

NnStatus
nn_copying_backward(const NnBatch *source, const NnBatch *written, const int32_t *source_of,
					const NnDecoded *decoded, const NnCopying *copying, double weight,
					float *d_copy, float *d_weight, const NnArena *scratch)
{
	for (int t = 0; t < written->n_steps; t++)
	{
		NN_TRY(nn_arena_poll(scratch));
		for (int b = 0; b < written->active[t]; b++)
		{
			int			row = written->offset[t] + b;
			int			S = source->length[source_of[b]];
			int32_t		label = written->row_label[row];
			float	   *d = d_weight + decoded->attention.start[row];
			double		share = (label >= 0) ? (double) copying->share[row] : 0.0;
			double		g = exp(-softplus(-(double) decoded->copy[row]));
			float		d_found = 0.0f;

			if (copying->found[row] > 0.0f)
				d_found = (float) (-weight * share / (double) copying->found[row]);
			d_copy[row] = (S > 0 && label >= 0) ? (float) (weight * (g - share)) : 0.0f;
			for (int j = 0; j < S; j++)
				d[j] = source->distinct[place_at(source, source_of[b], j)] == label ? d_found : 0.0f;
		}
	}
	return NN_OK;
}

/* ---- writing ------------------------------------------------------------------- */

/* log(exp(x) + exp(y)), y finite */
static double
log_add(double x, double y)
{
	return fmax(x, y) + log1p(exp(-fabs(x - y)));
}

/*
 * log p(y) = log((1 - g) softmax(y)) everywhere, then log(exp(that) + g A(y)) for
 * the source's tokens.  A is added up in the order of the source, by place.
 */
void
nn_copying_mix(const NnBatch *source, int number, float copy, const float *a, float *found,
			   int V, float *log_p)
{
	int			S = source->length[number];
	double		log_gate = -softplus(-(double) copy);

	if (S == 0)
		return;
	nn_scale_shift(V, 1.0f, (float) -softplus((double) copy), log_p);
	for (int j = 0; j < S; j++)
		found[place_at(source, number, j)] += a[j];
	for (int j = 0; j < S; j++)
	{
		int32_t		place = place_at(source, number, j);
		float	   *p = &log_p[source->distinct[place]];

		if (found[place] > 0.0f)
			*p = (float) log_add((double) *p, log_gate + log((double) found[place]));
		found[place] = 0.0f;	/* as it was, and done for the place's other positions */
	}
}
