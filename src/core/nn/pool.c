/*
 * nn/pool.c: the steps of each sequence -> one vector.
 *
 * h (N, D) with D = directions * H.  Parts are concatenated in the order of the
 * NN_POOL_* bits:
 *   last       forward half of the last step, backward half of the first
 *   max        m_j = max_t h_tj; the gradient goes to the first step that has it
 *   mean       (1 / length) sum_t h_t
 *   attention  sum_t w_t h_t with w = softmax_t(a . h_t)
 * Steps are added in order of t, so a row's vector does not depend on its batch.
 * A sequence of length 0 pools to zeros.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

/* Packed row of step t of sequence b. */
static int
row_at(const NnBatch *batch, int b, int t)
{
	return batch->offset[t] + b;
}

static void
pool_last(const NnNet *net, const NnBatch *batch, int b, const float *h, float *out)
{
	size_t		H = (size_t) net->spec.hidden;
	size_t		D = (size_t) net->stack.n_directions * H;

	memcpy(out, h + (size_t) row_at(batch, b, batch->length[b] - 1) * D, H * sizeof(float));
	if (net->stack.n_directions == 2)
		memcpy(out + H, h + (size_t) row_at(batch, b, 0) * D + H, H * sizeof(float));
}

static void
pool_max(const NnBatch *batch, int b, size_t D, const float *h, float *out, int32_t *max_row)
{
	int			first = row_at(batch, b, 0);

	memcpy(out, h + (size_t) first * D, D * sizeof(float));
	for (size_t j = 0; j < D; j++)
		max_row[j] = first;
	for (int t = 1; t < batch->length[b]; t++)
	{
		int			r = row_at(batch, b, t);

		nn_maximum_from((int64_t) D, r, h + (size_t) r * D, out, max_row);
	}
}

static void
pool_mean(const NnBatch *batch, int b, size_t D, const float *h, float *out)
{
	for (int t = 0; t < batch->length[b]; t++)
		nn_axpy((int64_t) D, 1.0f, h + (size_t) row_at(batch, b, t) * D, out);
	nn_scale((int64_t) D, 1.0f / (float) batch->length[b], out);
}

static float
dot(size_t n, const float *x, const float *y)
{
	double		sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double) x[i] * (double) y[i];
	return (float) sum;
}

static void
pool_attention(const NnNet *net, const NnBatch *batch, int b, size_t D, const float *h,
			   float *weight, float *out)
{
	float		top = -INFINITY;
	double		sum = 0.0;

	for (int t = 0; t < batch->length[b]; t++)
	{
		int			r = row_at(batch, b, t);

		weight[r] = dot(D, net->pool_attention->data, h + (size_t) r * D);
		top = weight[r] > top ? weight[r] : top;
	}
	for (int t = 0; t < batch->length[b]; t++)
	{
		int			r = row_at(batch, b, t);

		weight[r] = expf(weight[r] - top);
		sum += (double) weight[r];
	}
	for (int t = 0; t < batch->length[b]; t++)
	{
		int			r = row_at(batch, b, t);

		weight[r] = (float) ((double) weight[r] / sum);
		nn_axpy((int64_t) D, weight[r], h + (size_t) r * D, out);
	}
}

NnStatus
nn_pool_forward(const NnNet *net, const NnBatch *batch, const float *h, NnArena *scratch,
				NnPooled *pooled, NnError *err)
{
	unsigned	pool = net->spec.pool;
	size_t		D = (size_t) net->stack.n_directions * (size_t) net->spec.hidden;
	size_t		P = (size_t) nn_spec_pooled(&net->spec);
	size_t		B = (size_t) batch->n_sequences;

	memset(pooled, 0, sizeof(*pooled));
	pooled->out = NN_ALLOC(scratch, float, B * P);
	pooled->max_row = (pool & NN_POOL_MAX) ? NN_TAKE(scratch, int32_t, B * D) : NULL;
	pooled->attention = (pool & NN_POOL_ATTENTION) ? NN_TAKE(scratch, float, (size_t) batch->n_rows) : NULL;
	if (pooled->out == NULL || ((pool & NN_POOL_MAX) && pooled->max_row == NULL) ||
		((pool & NN_POOL_ATTENTION) && batch->n_rows > 0 && pooled->attention == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		float	   *out = pooled->out + (size_t) b * P;

		if (pool & NN_POOL_LAST)
		{
			pool_last(net, batch, b, h, out);
			out += D;
		}
		if (pool & NN_POOL_MAX)
		{
			pool_max(batch, b, D, h, out, pooled->max_row + (size_t) b * D);
			out += D;
		}
		if (pool & NN_POOL_MEAN)
		{
			pool_mean(batch, b, D, h, out);
			out += D;
		}
		if (pool & NN_POOL_ATTENTION)
			pool_attention(net, batch, b, D, h, pooled->attention, out);
	}
	return NN_OK;
}

/*
 * With p = sum_t w_t h_t and g = dp:
 *   ds_t = w_t (g . h_t - g . p)    dh_t += w_t g + ds_t a    da += ds_t h_t
 */
static void
attention_backward(NnNet *net, const NnBatch *batch, int b, size_t D, const float *h,
				   const float *weight, const float *out, const float *g, float *dh)
{
	float		g_out = dot(D, g, out);

	for (int t = 0; t < batch->length[b]; t++)
	{
		size_t		r = (size_t) row_at(batch, b, t);
		float		ds = weight[r] * (dot(D, g, h + r * D) - g_out);

		nn_axpy((int64_t) D, weight[r], g, dh + r * D);
		nn_axpy((int64_t) D, ds, net->pool_attention->data, dh + r * D);
		nn_axpy((int64_t) D, ds, h + r * D, net->pool_attention->grad);
	}
}

void
nn_pool_backward(NnNet *net, const NnBatch *batch, const float *h, const NnPooled *pooled,
				 const float *d_out, float *dh)
{
	unsigned	pool = net->spec.pool;
	size_t		H = (size_t) net->spec.hidden;
	size_t		D = (size_t) net->stack.n_directions * H;
	size_t		P = (size_t) nn_spec_pooled(&net->spec);

	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		const float *g = d_out + (size_t) b * P;
		const float *out = pooled->out + (size_t) b * P;

		if (pool & NN_POOL_LAST)
		{
			nn_axpy((int64_t) H, 1.0f, g, dh + (size_t) row_at(batch, b, batch->length[b] - 1) * D);
			if (net->stack.n_directions == 2)
				nn_axpy((int64_t) H, 1.0f, g + H, dh + (size_t) row_at(batch, b, 0) * D + H);
			g += D;
			out += D;
		}
		if (pool & NN_POOL_MAX)
		{
			for (size_t j = 0; j < D; j++)
				dh[(size_t) pooled->max_row[(size_t) b * D + j] * D + j] += g[j];
			g += D;
			out += D;
		}
		if (pool & NN_POOL_MEAN)
		{
			for (int t = 0; t < batch->length[b]; t++)
				nn_axpy((int64_t) D, 1.0f / (float) batch->length[b], g,
						dh + (size_t) row_at(batch, b, t) * D);
			g += D;
			out += D;
		}
		if (pool & NN_POOL_ATTENTION)
			attention_backward(net, batch, b, D, h, pooled->attention, out, g, dh);
	}
}
