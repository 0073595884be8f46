/*
 * nn/net.c: one batch, forward and backward.
 *
 * The two branches meet only here.  Scratch memory of a pass stands in the
 * caller's arena until the caller resets it.
 */
#include "nn/net_private.h"

#include <math.h>
#include <string.h>

float *
nn_mask(NnArena *scratch, NnRng *rng, size_t n, float p, bool *failed)
{
	float	   *mask;
	float		keep = 1.0f / (1.0f - p);

	if (p <= 0.0f || n == 0)
		return NULL;
	mask = NN_TAKE(scratch, float, n);
	if (mask == NULL)
	{
		*failed = true;
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		mask[i] = nn_rng_uniform(rng) < p ? 0.0f : keep;
	return mask;
}

void
nn_touch(NnTouched *touched, int32_t row)
{
	if (touched->stamp[row] == touched->pass)
		return;
	touched->stamp[row] = touched->pass;
	touched->rows[touched->n++] = row;
}

/* Begin a pass: no row is touched.  Stamps of 2^32 - 1 passes ago must not look like this one's. */
static void
begin_touched(NnTouched *touched, const NnTensor *table)
{
	if (table == NULL)
		return;
	touched->n = 0;
	if (++touched->pass == 0)
	{
		memset(touched->stamp, 0, (size_t) table->n_rows * sizeof(uint32_t));
		touched->pass = 1;
	}
}

int
nn_net_touched(const NnNet *net, const NnTensor *table, const int32_t **rows)
{
	const NnTouched *touched = (table == net->bag) ? &net->touched_bag : &net->touched_embedding;

	*rows = touched->rows;
	return touched->n;
}

/* One branch of a training pass, from its hidden vectors to the loss and back. */
static NnStatus
branch_backward(NnNet *net, NnLinear *head, const NnBatch *batch, const NnLoss *options,
				float *hidden, float drop, NnRng *rng, NnArena *scratch,
				float **d_hidden, double *loss, NnError *err)
{
	int			B = batch->n_sequences;
	size_t		n_hidden = (size_t) B * (size_t) head->weight->n_columns;
	bool		failed = false;
	float	   *mask = nn_mask(scratch, rng, n_hidden, drop, &failed);
	float	   *dropped = NN_TAKE(scratch, float, n_hidden);
	float	   *out = NN_TAKE(scratch, float, (size_t) B * (size_t) net->spec.n_outputs);

	*d_hidden = NN_TAKE(scratch, float, n_hidden);
	if (failed || dropped == NULL || out == NULL || *d_hidden == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(dropped, hidden, n_hidden * sizeof(float));
	if (mask != NULL)
		nn_multiply((int64_t) n_hidden, mask, dropped);
	nn_linear_forward(head, B, dropped, out);
	*loss += nn_head_loss(&net->spec, batch, options, out);
	nn_linear_backward(head, B, dropped, out, *d_hidden);
	if (mask != NULL)
		nn_multiply((int64_t) n_hidden, mask, *d_hidden);
	return NN_OK;
}

static NnStatus
recurrent_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
				   NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	const float *h;
	NnStack		stack;
	NnPooled	pooled;
	float	   *d_pooled;
	float	   *dh;

	NN_TRY(nn_stack_forward(net, batch, dropout, rng, scratch, &stack, err));
	h = stack.output[net->spec.n_layers - 1];
	NN_TRY(nn_pool_forward(net, batch, h, scratch, &pooled, err));
	NN_TRY(branch_backward(net, &net->head, batch, options, pooled.out, dropout->output, rng, scratch,
						   &d_pooled, loss, err));
	dh = NN_ALLOC(scratch, float,
				  (size_t) batch->n_rows * (size_t) net->n_directions * (size_t) net->spec.hidden);
	if (dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_pool_backward(net, batch, h, &pooled, d_pooled, dh);
	return nn_stack_backward(net, batch, &stack, dh, scratch, err);
}

static NnStatus
wide_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
			  NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	float	   *hidden = NN_TAKE(scratch, float, (size_t) batch->n_sequences * (size_t) net->spec.wide_hidden);
	float	   *d_hidden;

	if (hidden == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_wide_forward(net, batch, hidden);
	NN_TRY(branch_backward(net, &net->wide_head, batch, options, hidden, dropout->wide, rng, scratch,
						   &d_hidden, loss, err));
	return nn_wide_backward(net, batch, hidden, d_hidden, scratch, err);
}

NnStatus
nn_net_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
				NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	if (!net->is_training)
		return nn_fail(err, NN_EINTERNAL, "backward pass of a net without gradients");
	*loss = 0.0;
	begin_touched(&net->touched_embedding, net->embedding);
	begin_touched(&net->touched_bag, net->bag);
	if (net->spec.cell != NN_CELL_NONE)
		NN_TRY(recurrent_backward(net, batch, dropout, options, rng, scratch, loss, err));
	if (net->spec.wide != NN_WIDE_NONE)
		NN_TRY(wide_backward(net, batch, dropout, options, rng, scratch, loss, err));
	return NN_OK;
}

/* out (B, C) += scale * branch's outputs; keep them in own if it is not NULL. */
static NnStatus
add_branch(const NnNet *net, const NnLinear *head, int B, const float *hidden, float scale,
		   NnArena *scratch, float *out, float *own, NnError *err)
{
	size_t		n = (size_t) B * (size_t) net->spec.n_outputs;

	if (own == NULL)
		own = NN_TAKE(scratch, float, n);
	if (own == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_linear_forward(head, B, hidden, own);
	nn_axpy((int64_t) n, scale, own, out);
	return NN_OK;
}

/* Copy (B, width) into columns at ... of (B, ld). */
static void
copy_columns(int B, int width, const float *from, float *to, int ld, int at)
{
	for (int b = 0; b < B; b++)
		memcpy(to + (size_t) b * (size_t) ld + at, from + (size_t) b * (size_t) width,
			   (size_t) width * sizeof(float));
}

NnStatus
nn_net_forward(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *out,
			   float *recurrent_out, float *wide_out, float *hidden_out, NnError *err)
{
	const NnSpec *spec = &net->spec;
	int			B = batch->n_sequences;
	int			n_pooled = (spec->cell == NN_CELL_NONE) ? 0 : nn_spec_pooled(spec);
	int			n_hidden = n_pooled + ((spec->wide == NN_WIDE_NONE) ? 0 : spec->wide_hidden);

	memset(out, 0, (size_t) B * (size_t) spec->n_outputs * sizeof(float));
	if (spec->cell != NN_CELL_NONE)
	{
		NnStack		stack;
		NnPooled	pooled;

		NN_TRY(nn_stack_forward(net, batch, NULL, NULL, scratch, &stack, err));
		NN_TRY(nn_pool_forward(net, batch, stack.output[spec->n_layers - 1], scratch, &pooled, err));
		NN_TRY(add_branch(net, &net->head, B, pooled.out, net->scale->data[0], scratch, out,
						  recurrent_out, err));
		if (hidden_out != NULL)
			copy_columns(B, n_pooled, pooled.out, hidden_out, n_hidden, 0);
	}
	if (spec->wide != NN_WIDE_NONE)
	{
		float	   *hidden = NN_TAKE(scratch, float, (size_t) B * (size_t) spec->wide_hidden);

		if (hidden == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		nn_wide_forward(net, batch, hidden);
		NN_TRY(add_branch(net, &net->wide_head, B, hidden, net->scale->data[1], scratch, out,
						  wide_out, err));
		if (hidden_out != NULL)
			copy_columns(B, spec->wide_hidden, hidden, hidden_out, n_hidden, n_pooled);
	}
	return NN_OK;
}

/*
 * The arrays of nn_stack_forward, nn_stack_backward, pooling and heads, added up
 * as if every dropout were on.
 */
size_t
nn_net_batch_bytes(const NnSpec *spec, bool is_training, int64_t B, int64_t N, int64_t U)
{
	double		directions = spec->is_bidirectional ? 2.0 : 1.0;
	double		H = spec->hidden;
	double		G = (spec->cell == NN_CELL_NONE) ? 0.0 : nn_cell_gates(spec->cell) * H;
	double		floats = 0.0;
	double		P = (spec->cell == NN_CELL_NONE) ? 0.0 : nn_spec_pooled(spec);
	double		D = (spec->wide == NN_WIDE_NONE) ? 0.0 : spec->wide_hidden;
	double		b = (double) B,
				n = (double) N,
				u = (double) U;

	if (spec->cell != NN_CELL_NONE)
	{
		double		trace = n * (G + 4.0 * H + (spec->cell == NN_CELL_GRU ? G : 0.0)) + b * H;
		double		back = is_training ? n * 2.0 * G + 2.0 * b * H : 0.0;

		for (int k = 0; k < spec->n_layers; k++)
		{
			double		n_in = (k == 0) ? spec->embedding : directions * H;
			bool		is_distinct = spec->input == NN_INPUT_TEXT && k == 0;
			double		rows = is_distinct ? u : n;

			floats += directions * (trace + back) + n * directions * H + rows * n_in * (is_training ? 3.0 : 1.0);
			floats += b * n_in + (is_distinct ? directions * u * G * 2.0 : 0.0);
		}
		floats += n * (directions * H + 1.0) + b * directions * H;
	}
	floats += b * (P + D) * 5.0 + b * spec->n_outputs * 3.0 + u * 4.0;
	if (floats > 1e15)
		return SIZE_MAX;
	return (size_t) (floats * 4.0) + 65536;
}
