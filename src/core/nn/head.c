/*
 * nn/head.c: linear layers, the wide branch, and the losses.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

void
nn_linear_forward(const NnLinear *linear, int M, const float *x, float *out)
{
	int			n_in = linear->weight->n_columns;
	int			n_out = linear->weight->n_rows;

	for (int m = 0; m < M; m++)
		memcpy(out + (size_t) m * (size_t) n_out, linear->bias->data, (size_t) n_out * sizeof(float));
	nn_gemm_packed(M, n_out, n_in, x, n_in, linear->packed, out, n_out, true);
}

void
nn_linear_backward(const NnLinear *linear, int M, const float *x, const float *d_out, float *dx)
{
	int			n_in = linear->weight->n_columns;
	int			n_out = linear->weight->n_rows;

	nn_gemm(true, false, n_out, n_in, M, d_out, n_out, x, n_in, linear->weight->grad, n_in, true);
	nn_sum_rows(M, n_out, d_out, n_out, linear->bias->grad);
	if (dx != NULL)
		nn_gemm(false, false, M, n_in, n_out, d_out, n_out, linear->weight->data, n_in, dx, n_in, false);
}

/*
 * Bag: hidden_b = sum_j weight_j table[row_j]  (fastText's, Joulin et al. 2017,
 * but with 1 / sqrt(n) for the mean's 1 / n, as the weights come in).
 * Flat: hidden_b = tanh(W x_b + bias).
 * A linear branch has no hidden vector: its head reads the flattened input itself.
 */
void
nn_wide_forward(const NnNet *net, const NnBatch *batch, float *hidden)
{
	int			D = net->spec.wide_hidden;
	int			B = batch->n_sequences;

	if (net->spec.wide == NN_WIDE_FLAT)
	{
		nn_linear_forward(&net->flat, B, batch->flat, hidden);
		nn_tanh((int64_t) B * D, hidden, hidden);
		return;
	}
	memset(hidden, 0, (size_t) B * (size_t) D * sizeof(float));
	for (int b = 0; b < B; b++)
	{
		int			start = batch->bag_start[b];

		nn_gather_sum(batch->bag_start[b + 1] - start, batch->bag_row + start, batch->bag_weight + start,
					  net->bag->data, D, hidden + (size_t) b * (size_t) D);
	}
}

NnStatus
nn_wide_backward(NnNet *net, const NnBatch *batch, const float *hidden, float *d_hidden,
				 NnArena *scratch, NnError *err)
{
	int			D = net->spec.wide_hidden;
	int			B = batch->n_sequences;

	if (net->spec.wide == NN_WIDE_FLAT)
	{
		/* tanh' = 1 - tanh^2 */
		for (size_t i = 0; i < (size_t) B * (size_t) D; i++)
			d_hidden[i] *= 1.0f - hidden[i] * hidden[i];
		nn_linear_backward(&net->flat, B, batch->flat, d_hidden, NULL);
		return NN_OK;
	}
	NN_TRY(nn_touch_reserve(net->bag, (size_t) batch->bag_start[B], scratch, err));
	for (int b = 0; b < B; b++)
	{
		int			start = batch->bag_start[b];

		for (int j = start; j < batch->bag_start[b + 1]; j++)
			nn_touch(net->bag, batch->bag_row[j]);
		nn_scatter_sum(batch->bag_start[b + 1] - start, batch->bag_row + start, batch->bag_weight + start,
					   d_hidden + (size_t) b * (size_t) D, D, net->bag->grad);
	}
	return NN_OK;
}

/*
 * Cross-entropy with class weights w and label smoothing e (Szegedy et al. 2016;
 * PyTorch's definition).  With y the label, p = softmax(z), W = sum_b w_{y_b}:
 *   loss = (1 / W) sum_b [ (1 - e) w_y (-log p_y) + (e / C) sum_c w_c (-log p_c) ]
 *   dz_c = (1 / W) [ (1 - e) w_y (p_c - [c = y]) + (e / C) (p_c sum_k w_k - w_c) ]
 */
static double
cross_entropy(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, float *z)
{
	int			B = batch->n_sequences;
	int			C = spec->n_outputs;
	double		e = (double) options->label_smoothing;
	const float *w = options->class_weight;
	double		W = 0.0;
	double		w_all = 0.0;
	double		loss = 0.0;

	for (int b = 0; b < B; b++)
		W += (w != NULL) ? (double) w[batch->label[b]] : 1.0;
	for (int c = 0; c < C; c++)
		w_all += (w != NULL) ? (double) w[c] : 1.0;
	if (W <= 0.0)
		W = 1.0;
	nn_softmax_rows(B, C, z, C);
	for (int b = 0; b < B; b++)
	{
		float	   *p = z + (size_t) b * (size_t) C;
		int			y = batch->label[b];
		double		w_y = (w != NULL) ? (double) w[y] : 1.0;

		loss -= (1.0 - e) * w_y * log(fmax((double) p[y], 1e-37));
		for (int c = 0; c < C; c++)
		{
			double		w_c = (w != NULL) ? (double) w[c] : 1.0;
			double		is_label = (c == y) ? 1.0 : 0.0;

			if (e > 0.0)
				loss -= e / C * w_c * log(fmax((double) p[c], 1e-37));
			p[c] = (float) (((1.0 - e) * w_y * ((double) p[c] - is_label) +
							 e / C * ((double) p[c] * w_all - w_c)) / W);
		}
	}
	return loss / W;
}

/*
 * Labels that do not exclude each other: binary cross-entropy, added up over the labels.
 * With y_c = 0 or 1, smoothed to (1 - e) y_c + e / 2, w_c the weight of a row that has the
 * label (PyTorch's pos_weight), s(z) = 1 / (1 + exp(-z)):
 *   loss = (1 / B) sum_b sum_c [ -w_c y_c log s(z_c) - (1 - y_c) log(1 - s(z_c)) ]
 *   dz_c = (1 / B) [ (w_c y_c + 1 - y_c) s(z_c) - w_c y_c ]
 * log s(z) = min(z, 0) - log(1 + exp(-|z|)), and 1 - s(z) = s(-z).
 */
static double
binary_cross_entropy(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, float *z)
{
	int			C = spec->n_outputs;
	size_t		n = (size_t) batch->n_sequences * (size_t) C;
	double		e = (double) options->label_smoothing;
	const float *w = options->class_weight;
	double		loss = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		double		x = (double) z[i];
		double		y = (1.0 - e) * (double) batch->target[i] + 0.5 * e;
		double		has = (w != NULL ? (double) w[i % (size_t) C] : 1.0) * y;
		double		lacks = 1.0 - y;
		double		tail = log1p(exp(-fabs(x)));

		loss += has * (tail - fmin(x, 0.0)) + lacks * (tail + fmax(x, 0.0));
		z[i] = (float) (((has + lacks) / (1.0 + exp(-x)) - has) / batch->n_sequences);
	}
	return loss / batch->n_sequences;
}

/* loss = (1 / B) sum_b (1 / 2) |z_b - target_b|^2 */
static double
half_squares(const NnSpec *spec, const NnBatch *batch, float *z)
{
	size_t		n = (size_t) batch->n_sequences * (size_t) spec->n_outputs;
	double		loss = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		double		d = (double) z[i] - (double) batch->target[i];

		loss += 0.5 * d * d;
		z[i] = (float) (d / batch->n_sequences);
	}
	return loss / batch->n_sequences;
}

/*
 * Quantiles f of levels q (Koenker and Bassett 1978).  With v the weight of a row's
 * channel and e = v (y - f), over n = rows * outputs:
 *   loss = (1 / n) sum max(q e, (q - 1) e)
 *   df = -(v / n) q where e > 0, (v / n) (1 - q) where e < 0
 */
static double
pinball(const NnSpec *spec, const NnBatch *batch, float *z)
{
	int			Q = spec->n_quantiles;
	int			C = nn_spec_channels(spec);
	int			n_targets = spec->horizon * C;
	double		n = (double) batch->n_sequences * spec->n_outputs;
	double		loss = 0.0;

	for (int64_t i = 0; i < (int64_t) batch->n_sequences * n_targets; i++)
	{
		double		v = (batch->weight != NULL) ? (double) batch->weight[i / n_targets * C + i % C] : 1.0;
		double		y = (double) batch->target[i];

		for (int j = 0; j < Q; j++, z++)
		{
			double		q = nn_quantile_level(Q, j);
			double		e = v * (y - (double) *z);

			loss += (e > 0.0) ? q * e : (q - 1.0) * e;
			*z = (float) (v / n * ((e > 0.0) ? -q : (e < 0.0) ? 1.0 - q : 0.0));
		}
	}
	return loss / n;
}

double
nn_head_loss(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, float *out)
{
	if (spec->is_multi_label)
		return binary_cross_entropy(spec, batch, options, out);
	if (spec->task == NN_TASK_CLASSIFY)
		return cross_entropy(spec, batch, options, out);
	if (spec->task == NN_TASK_FORECAST)
		return pinball(spec, batch, out);
	return half_squares(spec, batch, out);
}
