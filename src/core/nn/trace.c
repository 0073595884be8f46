/*
 * nn/trace.c: a look inside a stack: what its gates did, and how far back the
 * gradient of a loss reaches.
 *
 * Distances.  The loss of a sequence is let act on the last state h_T of the top
 * layer's forward direction only, and from there goes back through the recurrence:
 *   dL/dh_{T-k} = (dh_{T-k+1}/dh_{T-k})^T dL/dh_{T-k+1}
 * the product of k Jacobians whose norm shrinks or grows with k (Hochreiter 1991;
 * Bengio, Simard and Frasconi 1994; Pascanu et al. 2013).  An lstm's cells carry
 * their own part on the way, so that it counts for the states before too.
 *
 * No gradient of a weight is touched: this may run between any two steps of a
 * training.  Scratch memory stands in the caller's arena until the caller resets
 * it; it is no more than a training pass takes.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

NnStatus
nn_net_trace(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnNetTrace *out, NnError *err)
{
	const NnLayers *layers = &net->stack;
	NnStack		stack;

	memset(out, 0, sizeof(*out));
	if (layers->n_layers == 0)
		return nn_fail(err, NN_EINVAL, "the network has no recurrent layers that read its input");
	NN_TRY(nn_stack_forward(layers, batch, batch->values, NULL, NULL, NULL, scratch, &stack, err));
	out->cell = layers->cell;
	out->n_layers = layers->n_layers;
	out->n_directions = layers->n_directions;
	out->hidden = layers->hidden;
	out->n_gates = layers->n_gates;
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
		{
			NnLayerTrace *layer = &out->layer[k][d];

			layer->gates = stack.trace[k][d].gates;
			layer->c = stack.trace[k][d].c;
			layer->h = stack.output[k] + d * layers->hidden;
			layer->ldh = layers->n_directions * layers->hidden;
		}
	return NN_OK;
}

/* ---- from the loss to the last states ------------------------------------------- */

/* A pass whose gradients are looked at. */
typedef struct NnReach
{
	const NnNet *net;
	const NnBatch *batch;
	NnArena    *scratch;
	NnStack		stack;
	const float *h;				/* (N, width) of the top layer */
	int			width;			/* directions * H */
	int32_t    *last;			/* (B) step that the loss acts on, or -1 */
	float	   *d_last;			/* (B, H) gradient of the forward direction's state there */
} NnReach;

/* The packed row of step t of sequence b. */
static size_t
row_of(const NnBatch *batch, int t, int b)
{
	return (size_t) (batch->offset[t] + b);
}

/* dx (M, in) = d W */
static void
through_linear(const NnLinear *linear, int M, const float *d, float *dx)
{
	int			n_in = linear->weight->n_columns;
	int			n_out = linear->weight->n_rows;

	nn_gemm(false, false, M, n_in, n_out, d, n_out, linear->weight->data, n_in, dx, n_in, false);
}

/* out (B, C) = both branches' outputs, each times its scale. */
static NnStatus
sum_branches(const NnReach *reach, const NnPooled *pooled, float *out, NnError *err)
{
	const NnNet *net = reach->net;
	int			B = reach->batch->n_sequences;
	int64_t		n = (int64_t) B * net->spec.n_outputs;
	float	   *own;
	float	   *hidden;

	nn_linear_forward(&net->head, B, pooled->out, out);
	nn_scale(n, net->scale->data[0], out);
	if (net->spec.wide == NN_WIDE_NONE)
		return NN_OK;
	own = NN_TAKE(reach->scratch, float, (size_t) n);
	hidden = NN_TAKE(reach->scratch, float, (size_t) B * (size_t) net->spec.wide_hidden);
	if (own == NULL || hidden == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (net->spec.wide != NN_WIDE_LINEAR)
		nn_wide_forward(net, reach->batch, hidden);
	nn_linear_forward(&net->wide_head, B, net->spec.wide == NN_WIDE_LINEAR ? reach->batch->flat : hidden, own);
	nn_axpy(n, net->scale->data[1], own, out);
	return NN_OK;
}

/*
 * Gradients of the head's outputs, (B, C), of each row's own loss.  A forecast's
 * branches are learned as one sum.
 */
static NnStatus
output_gradients(const NnReach *reach, const NnPooled *pooled, float *d, NnError *err)
{
	static const NnLoss plain = {0};
	const NnNet *net = reach->net;
	const NnBatch *batch = reach->batch;
	int64_t		n = (int64_t) batch->n_sequences * net->spec.n_outputs;

	if (net->spec.task == NN_TASK_FORECAST)
		NN_TRY(sum_branches(reach, pooled, d, err));
	else
		nn_linear_forward(&net->head, batch->n_sequences, pooled->out, d);
	(void) nn_head_loss(&net->spec, batch, &plain, d);

	/* the loss is the mean over the rows */
	nn_scale(n, (float) batch->n_sequences, d);
	if (net->spec.task == NN_TASK_FORECAST)
		nn_scale(n, net->scale->data[0], d);
	return NN_OK;
}

/* Pooling as the net does it, but what it adds to a weight's gradient goes to scratch. */
static NnStatus
pool_gradients(const NnReach *reach, const NnPooled *pooled, const float *d_pooled, float *dh, NnError *err)
{
	NnNet		shadow = *reach->net;
	NnTensor	attention;

	if (shadow.pool_attention != NULL)
	{
		attention = *shadow.pool_attention;
		attention.grad = NN_ALLOC(reach->scratch, float, (size_t) attention.n_columns);
		if (attention.grad == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		shadow.pool_attention = &attention;
	}
	nn_pool_backward(&shadow, reach->batch, reach->h, pooled, d_pooled, dh);
	return NN_OK;
}

static NnStatus
reach_pooled(NnReach *reach, NnError *err)
{
	const NnNet *net = reach->net;
	const NnBatch *batch = reach->batch;
	size_t		B = (size_t) batch->n_sequences;
	size_t		H = (size_t) net->stack.hidden;
	size_t		width = (size_t) reach->width;
	float	   *d_out = NN_TAKE(reach->scratch, float, B * (size_t) net->spec.n_outputs);
	float	   *d_pooled = NN_TAKE(reach->scratch, float, B * (size_t) nn_spec_pooled(&net->spec));
	float	   *dh = NN_ALLOC(reach->scratch, float, (size_t) batch->n_rows * width);
	NnPooled	pooled;

	if (d_out == NULL || d_pooled == NULL || dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_pool_forward(net, batch, reach->h, reach->scratch, &pooled, err));
	NN_TRY(output_gradients(reach, &pooled, d_out, err));
	through_linear(&net->head, batch->n_sequences, d_out, d_pooled);
	NN_TRY(pool_gradients(reach, &pooled, d_pooled, dh, err));
	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
		memcpy(reach->d_last + (size_t) b * H, dh + row_of(batch, reach->last[b], b) * width, H * sizeof(float));
	return NN_OK;
}

/* Of all tags' gradients only those of each last token go on. */
static NnStatus
reach_tagger(NnReach *reach, NnError *err)
{
	const NnNet *net = reach->net;
	const NnBatch *batch = reach->batch;
	NnArena    *scratch = reach->scratch;
	size_t		N = (size_t) batch->n_rows;
	size_t		H = (size_t) net->stack.hidden;
	int			K = net->spec.n_outputs;
	float	   *emission = NN_TAKE(scratch, float, N * (size_t) K);
	float	   *d_emission = NN_TAKE(scratch, float, N * (size_t) K);
	float	   *dx = NN_TAKE(scratch, float, (size_t) reach->width);
	NnCrf		crf = {K, net->transition->data, net->transition_start->data, net->transition_end->data};
	NnCrf		unused = {
		K, NN_ALLOC(scratch, float, (size_t) K * (size_t) K),
		NN_ALLOC(scratch, float, (size_t) K), NN_ALLOC(scratch, float, (size_t) K)
	};
	double		loss;

	if (emission == NULL || d_emission == NULL || dx == NULL || unused.transition == NULL ||
		unused.start == NULL || unused.end == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_linear_forward(&net->head, batch->n_rows, reach->h, emission);
	NN_TRY(nn_crf_loss(&crf, batch, emission, batch->row_label, d_emission, &unused, scratch, &loss, err));
	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		through_linear(&net->head, 1, d_emission + row_of(batch, reach->last[b], b) * (size_t) K, dx);
		memcpy(reach->d_last + (size_t) b * H, dx, H * sizeof(float));
	}
	return NN_OK;
}

/* A language model's last step is the last that has something to say. */
static void
find_last_labels(const NnReach *reach)
{
	const NnBatch *batch = reach->batch;

	for (int b = 0; b < batch->n_sequences; b++)
		while (reach->last[b] >= 0 && batch->row_label[row_of(batch, reach->last[b], b)] < 0)
			reach->last[b]--;
}

/* One token's loss -log softmax(W y + b)[label]: with p the softmax, dy = W^T (p - e_label). */
static void
token_gradient(const NnTokenTable *table, const float *y, int32_t label, float *p, float *dy)
{
	nn_token_log_softmax(table, 1, y, p);
	nn_exp(table->n_tokens, p, p);
	p[label] -= 1.0f;
	nn_gemm(false, false, 1, table->width, table->n_tokens, p, table->n_tokens, table->weight, table->width,
			dy, table->width, false);
}

static NnStatus
reach_language(NnReach *reach, NnError *err)
{
	const NnNet *net = reach->net;
	const NnBatch *batch = reach->batch;
	NnTokenTable table = nn_net_token_table(net, false, false);
	size_t		H = (size_t) net->stack.hidden;
	bool		has_readout = net->readout.weight != NULL;
	float	   *p = NN_TAKE(reach->scratch, float, (size_t) table.n_tokens);
	float	   *y = NN_TAKE(reach->scratch, float, (size_t) table.width);
	float	   *dy = NN_TAKE(reach->scratch, float, (size_t) table.width);

	if (p == NULL || y == NULL || dy == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	find_last_labels(reach);
	for (int b = 0; b < batch->n_sequences; b++)
	{
		float	   *d_last = reach->d_last + (size_t) b * H;
		size_t		row;

		if (reach->last[b] < 0)
			continue;
		NN_TRY(nn_arena_poll(reach->scratch));
		row = row_of(batch, reach->last[b], b);
		if (has_readout)
			nn_linear_forward(&net->readout, 1, reach->h + row * (size_t) reach->width, y);
		token_gradient(&table, has_readout ? y : reach->h + row * (size_t) reach->width, batch->row_label[row],
					   p, has_readout ? dy : d_last);
		if (has_readout)
			through_linear(&net->readout, 1, dy, d_last);
	}
	return NN_OK;
}

/* ---- from the last states back ---------------------------------------------------- */

/* Norms of dh (N, width), forward direction, k steps before the last; the mean over those that have such a step. */
static double
mean_norm(const NnReach *reach, const float *dh, int k)
{
	int			H = reach->net->stack.hidden;
	double		sum = 0.0;
	int64_t		n = 0;

	for (int b = 0; b < reach->batch->n_sequences; b++)
	{
		int			t = reach->last[b] - k;

		if (t < 0)
			continue;
		sum += sqrt(nn_sum_squares(H, dh + row_of(reach->batch, t, b) * (size_t) reach->width));
		n++;
	}
	return n > 0 ? sum / (double) n : (double) NAN;
}

static NnStatus
measure(const NnReach *reach, int n_distances, double *norm, NnError *err)
{
	const NnBatch *batch = reach->batch;
	const NnLayers *layers = &reach->net->stack;
	size_t		H = (size_t) layers->hidden;
	size_t		width = (size_t) reach->width;
	float	   *dh = NN_ALLOC(reach->scratch, float, (size_t) batch->n_rows * width);

	if (dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int b = 0; b < batch->n_sequences; b++)
		if (reach->last[b] >= 0)
			memcpy(dh + row_of(batch, reach->last[b], b) * width, reach->d_last + (size_t) b * H, H * sizeof(float));
	NN_TRY(nn_recurrence_backward(layers, batch, &reach->stack, layers->n_layers - 1, 0, dh, reach->scratch, err));
	for (int k = 0; k < n_distances; k++)
		norm[k] = mean_norm(reach, dh, k);
	return NN_OK;
}

static bool
has_reach(const NnNet *net)
{
	return net->stack.n_layers > 0 && net->spec.task != NN_TASK_TRANSLATE && net->spec.task != NN_TASK_CAPTION;
}

NnStatus
nn_net_gradient_distances(const NnNet *net, const NnBatch *batch, NnArena *scratch, int n_distances,
						  double *norm, NnError *err)
{
	const NnLayers *layers = &net->stack;
	size_t		B = (size_t) batch->n_sequences;
	NnReach		reach = {.net = net, .batch = batch, .scratch = scratch};

	for (int k = 0; k < n_distances; k++)
		norm[k] = (double) NAN;
	if (!has_reach(net))
		return NN_OK;
	if (!net->is_training)
		return nn_fail(err, NN_EINTERNAL, "backward pass of a net without gradients");
	reach.width = layers->n_directions * layers->hidden;
	reach.last = NN_TAKE(scratch, int32_t, B);
	reach.d_last = NN_ALLOC(scratch, float, B * (size_t) layers->hidden);
	if (reach.last == NULL || reach.d_last == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (size_t b = 0; b < B; b++)
		reach.last[b] = batch->length[b] - 1;

	NN_TRY(nn_stack_forward(layers, batch, batch->values, NULL, NULL, NULL, scratch, &reach.stack, err));
	reach.h = reach.stack.output[layers->n_layers - 1];
	if (net->spec.task == NN_TASK_TAG)
		NN_TRY(reach_tagger(&reach, err));
	else if (net->spec.task == NN_TASK_LANGUAGE)
		NN_TRY(reach_language(&reach, err));
	else
		NN_TRY(reach_pooled(&reach, err));
	return measure(&reach, n_distances, norm, err);
}
