/*
 * nn/pooled.c: networks that make one answer of a whole row: labels, numbers,
 * forecasts.
 *
 * The two branches meet only here: where labels or numbers are asked for each has
 * a loss of its own; a forecast has one on their sum, as the linear branch begins
 * with a solution and the recurrent one is to learn what it leaves.  Scratch memory
 * of a pass stands in the caller's arena until the caller resets it.
 */
#include "nn/net_private.h"

#include <string.h>

/* ---- a branch's head ---------------------------------------------------------- */

/* What a head keeps of a training pass. */
typedef struct HeadPass
{
	const NnLinear *head;
	float	   *mask;			/* (B, width below) or NULL */
	float	   *dropped;		/* (B, width below) */
} HeadPass;

/* Hidden vectors, some numbers dropped, to outputs (B, C). */
static NnStatus
head_forward(const NnLinear *head, int B, const float *hidden, float drop, NnRng *rng, NnArena *scratch,
			 HeadPass *pass, float *out, NnError *err)
{
	size_t		n_hidden = (size_t) B * (size_t) head->weight->n_columns;
	bool		failed = false;

	pass->head = head;
	pass->mask = nn_mask(scratch, rng, n_hidden, drop, &failed);
	pass->dropped = NN_TAKE(scratch, float, n_hidden);
	if (failed || pass->dropped == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(pass->dropped, hidden, n_hidden * sizeof(float));
	if (pass->mask != NULL)
		nn_multiply((int64_t) n_hidden, pass->mask, pass->dropped);
	nn_linear_forward(head, B, pass->dropped, out);
	return NN_OK;
}

/* The outputs' gradient to that of the hidden vectors. */
static NnStatus
head_backward(const HeadPass *pass, int B, const float *d_out, NnArena *scratch, float **d_hidden, NnError *err)
{
	size_t		n_hidden = (size_t) B * (size_t) pass->head->weight->n_columns;

	*d_hidden = NN_TAKE(scratch, float, n_hidden);
	if (*d_hidden == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_linear_backward(pass->head, B, pass->dropped, d_out, *d_hidden);
	if (pass->mask != NULL)
		nn_multiply((int64_t) n_hidden, pass->mask, *d_hidden);
	return NN_OK;
}

/* ---- the recurrent branch -------------------------------------------------------- */

/* What the branch keeps of a training pass. */
typedef struct RecurrentPass
{
	NnStack		stack;
	NnPooled	pooled;
	const float *h;				/* of the top layer */
	HeadPass	head;
} RecurrentPass;

static NnStatus
recurrent_forward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng, NnArena *scratch,
				  RecurrentPass *pass, float *out, NnError *err)
{
	NN_TRY(nn_stack_forward(&net->stack, batch, batch->values, NULL, dropout, rng, scratch, &pass->stack, err));
	pass->h = pass->stack.output[net->spec.n_layers - 1];
	NN_TRY(nn_pool_forward(net, batch, pass->h, scratch, &pass->pooled, err));
	return head_forward(&net->head, batch->n_sequences, pass->pooled.out, dropout->output, rng, scratch,
						&pass->head, out, err);
}

static NnStatus
recurrent_backward(NnNet *net, const NnBatch *batch, const RecurrentPass *pass, const float *d_out,
				   NnArena *scratch, NnError *err)
{
	float	   *d_pooled;
	float	   *dh;

	NN_TRY(head_backward(&pass->head, batch->n_sequences, d_out, scratch, &d_pooled, err));
	dh = NN_ALLOC(scratch, float,
				  (size_t) batch->n_rows * (size_t) net->stack.n_directions * (size_t) net->spec.hidden);
	if (dh == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_pool_backward(net, batch, pass->h, &pass->pooled, d_pooled, dh);
	return nn_stack_backward(&net->stack, batch, &pass->stack, dh, NULL, NULL, scratch, err);
}

/* ---- training passes --------------------------------------------------------------- */

/* A batch's outputs, (B, C). */
static float *
take_outputs(const NnNet *net, const NnBatch *batch, NnArena *scratch)
{
	return NN_TAKE(scratch, float, (size_t) batch->n_sequences * (size_t) net->spec.n_outputs);
}

/* Each of these two with a loss of its own. */
static NnStatus
train_recurrent(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
				NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	float	   *out = take_outputs(net, batch, scratch);
	RecurrentPass pass;

	if (out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(recurrent_forward(net, batch, dropout, rng, scratch, &pass, out, err));
	*loss += nn_head_loss(&net->spec, batch, options, out);
	return recurrent_backward(net, batch, &pass, out, scratch, err);
}

static NnStatus
train_wide(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
		   NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	float	   *hidden = NN_TAKE(scratch, float, (size_t) batch->n_sequences * (size_t) net->spec.wide_hidden);
	float	   *out = take_outputs(net, batch, scratch);
	float	   *d_hidden;
	HeadPass	pass;

	if (hidden == NULL || out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_wide_forward(net, batch, hidden);
	NN_TRY(head_forward(&net->wide_head, batch->n_sequences, hidden, dropout->wide, rng, scratch, &pass, out, err));
	*loss += nn_head_loss(&net->spec, batch, options, out);
	NN_TRY(head_backward(&pass, batch->n_sequences, out, scratch, &d_hidden, err));
	return nn_wide_backward(net, batch, hidden, d_hidden, scratch, err);
}

/*
 * One loss on z = a r + b w.  Its gradient of r is a dz, that of w b dz; both
 * scales are 1 in training, as a fit of them would only repeat what the heads do.
 */
static NnStatus
train_sum(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
		  NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	int			B = batch->n_sequences;
	int64_t		n = (int64_t) B * net->spec.n_outputs;
	const float *scale = net->scale->data;
	float	   *branch = take_outputs(net, batch, scratch);
	float	   *sum = NN_ALLOC(scratch, float, (size_t) n);
	RecurrentPass pass;

	if (branch == NULL || sum == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (net->spec.cell != NN_CELL_NONE)
	{
		NN_TRY(recurrent_forward(net, batch, dropout, rng, scratch, &pass, branch, err));
		nn_axpy(n, scale[0], branch, sum);
	}
	if (net->spec.wide != NN_WIDE_NONE)
	{
		nn_linear_forward(&net->wide_head, B, batch->flat, branch);
		nn_axpy(n, scale[1], branch, sum);
	}
	*loss += nn_head_loss(&net->spec, batch, options, sum);
	if (net->spec.wide != NN_WIDE_NONE)
	{
		memcpy(branch, sum, (size_t) n * sizeof(float));
		nn_scale(n, scale[1], branch);
		nn_linear_backward(&net->wide_head, B, batch->flat, branch, NULL);
	}
	if (net->spec.cell == NN_CELL_NONE)
		return NN_OK;
	nn_scale(n, scale[0], sum);
	return recurrent_backward(net, batch, &pass, sum, scratch, err);
}

NnStatus
nn_pooled_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
				   NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	if (net->spec.task == NN_TASK_FORECAST)
		return train_sum(net, batch, dropout, options, rng, scratch, loss, err);
	if (net->spec.cell != NN_CELL_NONE)
		NN_TRY(train_recurrent(net, batch, dropout, options, rng, scratch, loss, err));
	if (net->spec.wide != NN_WIDE_NONE)
		NN_TRY(train_wide(net, batch, dropout, options, rng, scratch, loss, err));
	return NN_OK;
}

/* ---- answers ------------------------------------------------------------------------- */

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

/* The recurrent branch's vectors, (B, pooled width). */
static NnStatus
answer_recurrent(const NnNet *net, const NnBatch *batch, NnArena *scratch, float **out, NnError *err)
{
	NnStack		stack;
	NnPooled	pooled;

	if ((net->spec.pool & NN_POOL_ATTENTION) == 0)
	{
		*out = NN_TAKE(scratch, float, (size_t) batch->n_sequences * (size_t) nn_spec_pooled(&net->spec));
		if (*out == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		return nn_stack_answer(net, batch, scratch, *out, err);
	}
	NN_TRY(nn_stack_forward(&net->stack, batch, batch->values, NULL, NULL, NULL, scratch, &stack, err));
	NN_TRY(nn_pool_forward(net, batch, stack.output[net->spec.n_layers - 1], scratch, &pooled, err));
	*out = pooled.out;
	return NN_OK;
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
		float	   *pooled;

		NN_TRY(answer_recurrent(net, batch, scratch, &pooled, err));
		NN_TRY(add_branch(net, &net->head, B, pooled, net->scale->data[0], scratch, out,
						  recurrent_out, err));
		if (hidden_out != NULL)
			copy_columns(B, n_pooled, pooled, hidden_out, n_hidden, 0);
	}
	if (spec->wide == NN_WIDE_LINEAR)
		return add_branch(net, &net->wide_head, B, batch->flat, net->scale->data[1], scratch, out, wide_out, err);
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

/* The arrays of pooling and heads, added up as if every dropout were on. */
size_t
nn_pooled_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size)
{
	double		directions = spec->is_bidirectional ? 2.0 : 1.0;
	double		P = nn_spec_pooled(spec);
	double		D = spec->wide_hidden;
	double		b = (double) size->B;
	double		floats = b * (P + D) * 5.0 + b * spec->n_outputs * 3.0;

	(void) is_training;
	if (spec->cell != NN_CELL_NONE)
		floats += (double) size->N * (directions * spec->hidden + 1.0) + b * directions * spec->hidden;
	return floats > 1e15 ? SIZE_MAX : (size_t) (floats * 4.0) + 65536;
}
