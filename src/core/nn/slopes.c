/*
 * nn/slopes.c: how a score grows with its input.
 *
 * The forward and backward passes are those of a training (recurrent_backward.c,
 * pool.c), over rows of numbers: a token's row is its embedding, multiplied by how far
 * on its way the sequence is.  What differs is where they begin and end.  They begin
 * with the gradient of one score, which is a row of the head's weights; and they end
 * at the rows read, one for each packed row, since a token may be at several places
 * and each has a part of its own.
 *
 * A view is a net whose tensors have no gradients, so that only those of the rows are
 * computed, and nothing of the net is written to: it may be one that others answer
 * with.  Every product adds in the order of nn_gemm_packed(): no sequence sees its
 * neighbors.
 */
#include "nn/net_private.h"

#include <string.h>

/* A linear layer whose outputs are scored: z_c, or z_c less the mean of the others. */
typedef struct Scored
{
	const NnLinear *linear;
	float		scale;			/* of the branch */
	float	   *mean;			/* (width) mean of the outputs' weights; NULL: not a margin */
	double		mean_bias;
} Scored;

struct NnSlopeView
{
	NnNet		net;			/* its tensors without gradients... */
	NnLayers	rows;			/* ...and its stack, over rows of numbers */
	NnTensor	weights[NN_MAX_LAYERS][2][4];
	NnTensor	attention;
	Scored		head;
	Scored		wide;
	float	   *packed_flat_back;	/* for d W, of the dense layer over numbers */
};

/* ---- a view ---------------------------------------------------------------------- */

static NnTensor *
without_gradient(NnTensor *copy, const NnTensor *tensor)
{
	*copy = *tensor;
	copy->grad = NULL;
	copy->touched = NULL;
	return copy;
}

static bool
view_direction(const NnLayers *layers, NnDirection *direction, NnTensor copy[4], NnArena *arena)
{
	int			G = layers->n_gates;
	int			H = layers->hidden;
	int			n_in = direction->weight_ih->n_columns;
	float	   *hh_back = NN_TAKE(arena, float, nn_pack_floats(G, H));
	float	   *ih_back = NN_TAKE(arena, float, nn_pack_floats(G, n_in));

	if (hh_back == NULL || ih_back == NULL)
		return false;
	nn_pack(direction->weight_hh->data, H, G, H, false, hh_back);
	nn_pack(direction->weight_ih->data, n_in, G, n_in, false, ih_back);
	direction->packed_hh_back = hh_back;
	direction->packed_ih_back = ih_back;
	direction->weight_ih = without_gradient(&copy[0], direction->weight_ih);
	direction->weight_hh = without_gradient(&copy[1], direction->weight_hh);
	direction->bias_ih = without_gradient(&copy[2], direction->bias_ih);
	direction->bias_hh = without_gradient(&copy[3], direction->bias_hh);
	return true;
}

static NnStatus
view_stack(NnSlopeView *view, NnArena *arena, NnError *err)
{
	NnLayers   *layers = &view->rows;

	*layers = view->net.stack;
	for (int k = 0; k < layers->n_layers; k++)
		for (int d = 0; d < layers->n_directions; d++)
		{
			NN_TRY(nn_arena_poll(arena));
			if (!view_direction(layers, &layers->direction[k][d], view->weights[k][d], arena))
				return nn_fail(err, NN_ENOMEM, "out of memory");
		}
	layers->embedding = NULL;
	layers->spelling = NULL;
	return NN_OK;
}

/* The mean of the outputs' weights, for margins. */
static NnStatus
take_mean(Scored *scored, NnArena *arena, NnError *err)
{
	const NnTensor *weight = scored->linear->weight;
	int			C = weight->n_rows;

	scored->mean = NN_ALLOC(arena, float, (size_t) weight->n_columns);
	if (scored->mean == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_sum_rows(C, weight->n_columns, weight->data, weight->n_columns, scored->mean);
	nn_scale(weight->n_columns, 1.0f / (float) C, scored->mean);
	scored->mean_bias = nn_sum(C, scored->linear->bias->data) / C;
	return NN_OK;
}

static NnStatus
view_heads(NnSlopeView *view, bool is_margin, NnArena *arena, NnError *err)
{
	const NnNet *net = &view->net;

	view->head = (Scored) {&net->head, net->scale != NULL ? net->scale->data[0] : 1.0f, NULL, 0.0};
	view->wide = (Scored) {&net->wide_head, net->scale != NULL ? net->scale->data[1] : 1.0f, NULL, 0.0};
	if (is_margin && net->head.weight != NULL)
		NN_TRY(take_mean(&view->head, arena, err));
	if (is_margin && net->wide_head.weight != NULL)
		NN_TRY(take_mean(&view->wide, arena, err));
	return NN_OK;
}

/* What pooling adds to the gradient of its weights goes where nobody looks. */
static NnStatus
view_pooling(NnSlopeView *view, NnArena *arena, NnError *err)
{
	NnNet	   *net = &view->net;
	const NnTensor *flat = net->flat.weight;

	if (net->pool_attention != NULL)
	{
		view->attention = *net->pool_attention;
		view->attention.grad = NN_ALLOC(arena, float, (size_t) view->attention.n_columns);
		if (view->attention.grad == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		net->pool_attention = &view->attention;
	}
	if (flat == NULL)
		return NN_OK;
	view->packed_flat_back = NN_TAKE(arena, float, nn_pack_floats(flat->n_rows, flat->n_columns));
	if (view->packed_flat_back == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_pack(flat->data, flat->n_columns, flat->n_rows, flat->n_columns, false, view->packed_flat_back);
	return NN_OK;
}

NnStatus
nn_slope_view_create(NnSlopeView **view_out, const NnNet *net, bool is_margin, NnArena *arena, NnError *err)
{
	const NnSpec *spec = &net->spec;
	NnSlopeView *view;

	if (spec->task != NN_TASK_CLASSIFY && spec->task != NN_TASK_REGRESS && spec->task != NN_TASK_TAG)
		return nn_fail(err, NN_EINTERNAL, "slopes of a network without a score");
	if (is_margin && (spec->task != NN_TASK_CLASSIFY || spec->n_outputs < 2))
		return nn_fail(err, NN_EINTERNAL, "margin of a network without labels");
	nn_kern_init();
	view = NN_ALLOC(arena, NnSlopeView, 1);
	if (view == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	view->net = *net;
	NN_TRY(view_stack(view, arena, err));
	NN_TRY(view_pooling(view, arena, err));
	NN_TRY(view_heads(view, is_margin, arena, err));
	*view_out = view;
	return NN_OK;
}

size_t
nn_slope_view_bytes(const NnSpec *spec)
{
	NnLayers	layers;
	size_t		n = sizeof(NnSlopeView) + 4096;

	nn_kern_init();
	nn_layout_stack(spec, &layers);
	for (int k = 0; k < layers.n_layers; k++)
	{
		int			n_in = k == 0 ? layers.n_in : layers.n_directions * layers.hidden;
		size_t		n_packed = nn_size_add(nn_pack_floats(layers.n_gates, layers.hidden),
										   nn_pack_floats(layers.n_gates, n_in));

		n = nn_size_add(n, nn_size_mul(nn_size_mul(n_packed, (size_t) layers.n_directions), sizeof(float)));
	}
	if (spec->wide == NN_WIDE_FLAT)
		n = nn_size_add(n, nn_size_mul(nn_pack_floats(spec->wide_hidden, spec->wide_inputs), sizeof(float)));
	return nn_size_add(n, ((size_t) nn_spec_pooled(spec) * 3 + (size_t) spec->wide_hidden) * sizeof(float));
}

/* ---- scores ------------------------------------------------------------------------- */

static double
dot(size_t n, const float *x, const float *y)
{
	double		sum = 0.0;

	for (size_t i = 0; i < n; i++)
		sum += (double) x[i] * (double) y[i];
	return sum;
}

/*
 * A score's gradient of what the layer reads, into d (width); returns its constant.
 * With m the mean of all C outputs, the mean of the others is (C m - z_c) / (C - 1), so
 * that the margin is C / (C - 1) (z_c - m).
 */
static double
score_gradient(const Scored *scored, int c, float *d)
{
	const NnTensor *weight = scored->linear->weight;
	int			width = weight->n_columns;
	double		bias = (double) scored->linear->bias->data[c];
	float		factor = scored->scale;

	memcpy(d, weight->data + (size_t) c * (size_t) width, (size_t) width * sizeof(float));
	if (scored->mean != NULL)
	{
		nn_axpy(width, -1.0f, scored->mean, d);
		bias -= scored->mean_bias;
		factor *= (float) weight->n_rows / (float) (weight->n_rows - 1);
	}
	nn_scale(width, factor, d);
	return (double) factor * bias;
}

double
nn_slope_bag(const NnSlopeView *view, int label, int64_t n, const int32_t *row, const float *weight, double *part)
{
	size_t		D = (size_t) view->net.spec.wide_hidden;
	float		d[NN_MAX_HIDDEN];
	double		nothing = score_gradient(&view->wide, label, d);

	for (int64_t j = 0; j < n; j++)
		part[j] = (double) weight[j] * dot(D, d, view->net.bag->data + (size_t) row[j] * D);
	return nothing;
}

/* ---- rows --------------------------------------------------------------------------- */

/* A pass at work. */
typedef struct Pass
{
	const NnSlopeView *view;
	const NnBatch *batch;
	const float *way;
	NnArena    *scratch;
	const float *x;				/* rows as they are read at the end of the way: of distinct tokens, or all */
	float	   *values;			/* (N, n_in) as they are now */
	float	   *d_values;		/* (N, n_in) */
	NnStack		stack;
	const float *h;				/* (N, directions * H) of the top layer */
	float	   *dh;				/* (N, directions * H) */
} Pass;

static const float *
row_at_end(const Pass *pass, int r)
{
	size_t		n_in = (size_t) pass->view->rows.n_in;
	size_t		at = pass->batch->token != NULL ? (size_t) pass->batch->token[r] : (size_t) r;

	return pass->x + at * n_in;
}

/* The rows as they are now, and the stack's states. */
static NnStatus
go_forward(Pass *pass, NnError *err)
{
	static const NnDropout none = {0};
	const NnLayers *layers = &pass->view->rows;
	const NnBatch *batch = pass->batch;
	size_t		n_in = (size_t) layers->n_in;
	size_t		n_numbers = nn_size_mul((size_t) batch->n_rows, n_in);
	NnEmbedded	embedded = {0};

	pass->values = NN_TAKE(pass->scratch, float, n_numbers);
	pass->d_values = NN_ALLOC(pass->scratch, float, n_numbers);
	pass->dh = NN_ALLOC(pass->scratch, float, nn_size_mul((size_t) batch->n_rows,
														  (size_t) layers->n_directions * (size_t) layers->hidden));
	if (pass->values == NULL || pass->d_values == NULL || pass->dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	pass->x = batch->values;
	if (pass->view->net.stack.embedding != NULL)
	{
		NN_TRY(nn_embed_forward(&pass->view->net.stack, batch, NULL, NULL, pass->scratch, &embedded, err));
		pass->x = embedded.input;
	}
	for (int t = 0; t < batch->n_steps; t++)
		for (int b = 0; b < batch->active[t]; b++)
		{
			int			r = batch->offset[t] + b;
			float	   *to = pass->values + (size_t) r * n_in;

			memcpy(to, row_at_end(pass, r), n_in * sizeof(float));
			nn_scale((int64_t) n_in, pass->way[b], to);
		}
	NN_TRY(nn_stack_forward(layers, batch, pass->values, NULL, &none, NULL, pass->scratch, &pass->stack, err));
	pass->h = pass->stack.output[layers->n_layers - 1];
	return NN_OK;
}

/* From the states' gradients to the parts of the slope. */
static NnStatus
go_backward(Pass *pass, NnSlopes *out, NnError *err)
{
	const NnBatch *batch = pass->batch;
	size_t		n_in = (size_t) pass->view->rows.n_in;

	NN_TRY(nn_stack_backward(&pass->view->rows, batch, &pass->stack, pass->dh, pass->d_values, NULL, pass->scratch,
							 err));
	for (int r = 0; r < batch->n_rows; r++)
	{
		const float *x = row_at_end(pass, r);
		float	   *d = pass->d_values + (size_t) r * n_in;

		if (out->width == 1 && batch->token != NULL)
			out->row[r] = (float) dot(n_in, d, x);
		else
			for (size_t i = 0; i < n_in; i++)
				out->row[(size_t) r * n_in + i] = d[i] * x[i];
	}
	return NN_OK;
}

/* ---- the heads ---------------------------------------------------------------------- */

static NnStatus
slope_pooled(Pass *pass, NnSlopes *out, NnError *err)
{
	const NnNet *net = &pass->view->net;
	const NnBatch *batch = pass->batch;
	size_t		P = (size_t) nn_spec_pooled(&net->spec);
	float	   *d_pooled = NN_TAKE(pass->scratch, float, (size_t) batch->n_sequences * P);
	NnPooled	pooled;

	if (d_pooled == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (batch->n_rows > 0)
		NN_TRY(go_forward(pass, err));
	/* a sequence without a step pools to zeros */
	NN_TRY(nn_pool_forward(net, batch, pass->h, pass->scratch, &pooled, err));
	for (int b = 0; b < batch->n_sequences; b++)
	{
		float	   *d = d_pooled + (size_t) b * P;

		out->score[b] += score_gradient(&pass->view->head, batch->label[b], d);
		out->score[b] += dot(P, d, pooled.out + (size_t) b * P);
	}
	if (batch->n_rows == 0)
		return NN_OK;
	nn_pool_backward((NnNet *) net, batch, pass->h, &pooled, d_pooled, pass->dh);
	return go_backward(pass, out, err);
}

/* Hidden vector tanh(W a x + b), and the parts x_i sum_j d_j (1 - tanh^2) W_ji. */
static NnStatus
slope_flat(const Pass *pass, NnSlopes *out, NnError *err)
{
	const NnSlopeView *view = pass->view;
	NnBatch		batch = *pass->batch;
	size_t		B = (size_t) batch.n_sequences;
	size_t		D = (size_t) view->net.spec.wide_hidden;
	size_t		F = (size_t) view->net.spec.wide_inputs;
	float	   *flat = NN_TAKE(pass->scratch, float, nn_size_mul(B, F));
	float	   *hidden = NN_TAKE(pass->scratch, float, B * D);
	float	   *d_hidden = NN_TAKE(pass->scratch, float, B * D);

	if (flat == NULL || hidden == NULL || d_hidden == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(flat, batch.flat, B * F * sizeof(float));
	for (size_t b = 0; b < B; b++)
		nn_scale((int64_t) F, pass->way[b], flat + b * F);
	batch.flat = flat;
	nn_wide_forward(&view->net, &batch, hidden);
	for (size_t b = 0; b < B; b++)
	{
		float	   *d = d_hidden + b * D;
		const float *h = hidden + b * D;

		out->score[b] += score_gradient(&view->wide, batch.label[b], d);
		out->score[b] += dot(D, d, h);
		for (size_t i = 0; i < D; i++)
			d[i] *= 1.0f - h[i] * h[i];
	}
	nn_gemm_packed((int64_t) B, (int) F, (int) D, d_hidden, (int) D, view->packed_flat_back, out->flat, (int) F, false);
	nn_multiply((int64_t) (B * F), pass->batch->flat, out->flat);
	return NN_OK;
}

static NnStatus
slope_tags(Pass *pass, NnSlopes *out, NnError *err)
{
	const NnBatch *batch = pass->batch;
	size_t		width = (size_t) pass->view->rows.n_directions * (size_t) pass->view->rows.hidden;

	if (batch->n_rows == 0)
		return NN_OK;
	NN_TRY(go_forward(pass, err));
	for (int t = 0; t < batch->n_steps; t++)
		for (int b = 0; b < batch->active[t]; b++)
		{
			size_t		r = (size_t) (batch->offset[t] + b);
			float	   *d = pass->dh + r * width;

			if (batch->row_label[r] < 0)
				continue;
			out->score[b] += score_gradient(&pass->view->head, batch->row_label[r], d);
			out->score[b] += dot(width, d, pass->h + r * width);
		}
	return go_backward(pass, out, err);
}

NnStatus
nn_slopes(const NnSlopeView *view, const NnBatch *batch, const float *way, NnArena *scratch, NnSlopes *out,
		  NnError *err)
{
	const NnSpec *spec = &view->net.spec;
	size_t		B = (size_t) batch->n_sequences;
	Pass		pass = {.view = view, .batch = batch, .way = way, .scratch = scratch};

	memset(out, 0, sizeof(*out));
	out->width = spec->input == NN_INPUT_TEXT ? 1 : view->rows.n_in;
	out->score = NN_ALLOC(scratch, double, B);
	if (spec->cell != NN_CELL_NONE)
		out->row = NN_ALLOC(scratch, float, nn_size_mul((size_t) batch->n_rows, (size_t) out->width));
	if (spec->wide == NN_WIDE_FLAT)
		out->flat = NN_ALLOC(scratch, float, nn_size_mul(B, (size_t) spec->wide_inputs));
	if (out->score == NULL || (spec->cell != NN_CELL_NONE && batch->n_rows > 0 && out->row == NULL) ||
		(spec->wide == NN_WIDE_FLAT && out->flat == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (spec->task == NN_TASK_TAG)
		return slope_tags(&pass, out, err);
	if (spec->cell != NN_CELL_NONE)
		NN_TRY(slope_pooled(&pass, out, err));
	return spec->wide == NN_WIDE_FLAT ? slope_flat(&pass, out, err) : NN_OK;
}

/* A training pass, its input rows and their gradients, parts and scores. */
size_t
nn_slopes_bytes(const NnSpec *spec, const NnBatchSize *size)
{
	double		n_in = nn_spec_input_width(spec);
	double		width = spec->hidden * (spec->is_bidirectional ? 2.0 : 1.0);
	double		floats = (double) size->N * (4.0 * n_in + width) +
	(double) size->B * (4.0 + 2.0 * spec->wide_inputs * (spec->wide == NN_WIDE_FLAT) + 3.0 * spec->wide_hidden);
	size_t		n = nn_net_batch_bytes(spec, true, size);

	return floats > 1e15 ? SIZE_MAX : nn_size_add(n, (size_t) (floats * 4.0) + 4096);
}
