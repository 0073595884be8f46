/*
 * nn/seq2seq_backward.c: texts written from a source: from the loss back to all
 * weights.  The forward pass, and what its letters mean, are in nn/seq2seq.c.
 */
#include "nn/seq2seq_private.h"

#include <string.h>

/* d = d (1 - f^2): through f = tanh(x), from f to x. */
static void
tanh_backward(size_t n, const float *f, float *d)
{
	for (size_t i = 0; i < n; i++)
		d[i] *= 1.0f - f[i] * f[i];
}

/* ---- the loss ------------------------------------------------------------------- */

static void
touch_row(void *ctx, int32_t row)
{
	nn_touch(ctx, row);
}

/* Rows with a label. */
static int64_t
count_labels(const NnBatch *written)
{
	int64_t		n = 0;

	for (int row = 0; row < written->n_rows; row++)
		n += written->row_label[row] >= 0;
	return n;
}

/* Sum of the rows' losses (not smoothed over a sample), and its gradient by z times scale; mixture or NULL. */
static NnStatus
token_loss(NnNet *net, const NnBatch *written, const float *z, const NnTokenMixture *mixture,
		   const NnLoss *options, double scale, float *d_z, NnRng *rng, NnArena *scratch,
		   double *loss, NnError *err)
{
	NnTokenTable table = nn_net_token_table(net, true, options->n_samples > 0);
	int			N = written->n_rows;

	table.mixture = mixture;
	if (options->n_samples > 0)
	{
		size_t		n_touched = (size_t) N + (size_t) options->n_samples + (size_t) options->first_sampled;

		NN_TRY(nn_touch_reserve(net->embedding, n_touched, scratch, err));
		return nn_token_loss_sampled(&table, N, z, written->row_label, options->n_samples,
									 options->first_sampled, (float) scale, d_z, rng, touch_row,
									 net->embedding, scratch, loss, err);
	}
	nn_touch_all(net->embedding);
	return nn_token_loss(&table, N, z, written->row_label, options->label_smoothing, (float) scale, d_z,
						 scratch, loss, NULL, err);
}

/* ---- backward --------------------------------------------------------------------- */

/* Gradients on their way from the loss to the source. */
typedef struct Backward
{
	float	   *d_z;			/* (N, E) */
	float	   *d_copy;			/* (N), or NULL */
	float	   *d_weight;		/* of the attention's weights, or NULL */
	float	   *d_top;			/* (N, 2D) */
	float	   *d_h;			/* (N, D) of u, then of h */
	float	   *d_context;		/* (N, D) */
	float	   *d_states;		/* (N_source, D) */
	NnState		d_state;		/* of the first states */
	float	   *d_first;		/* (B_source, layers * D) the same, added up by source */
} Backward;

static NnStatus
take_backward(const NnNet *net, const NnBatch *batch, const NnDecoded *decoded, NnArena *scratch,
			  Backward *back, NnError *err)
{
	int			N = batch->written->n_rows;
	int			D = nn_spec_decoder_hidden(&net->spec);
	bool		has_copy = decoded->copy != NULL;

	memset(back, 0, sizeof(*back));
	back->d_z = nn_take_matrix(scratch, N, net->spec.embedding);
	if (has_copy)
	{
		back->d_copy = nn_take_matrix(scratch, N, 1);
		back->d_weight = NN_TAKE(scratch, float, (size_t) decoded->attention.start[N]);
	}
	back->d_top = nn_take_matrix(scratch, N, 2 * D);
	back->d_h = nn_take_matrix(scratch, N, D);
	back->d_context = nn_take_matrix(scratch, N, D);
	back->d_states = NN_ALLOC(scratch, float, (size_t) batch->n_rows * (size_t) D);
	back->d_first = NN_ALLOC(scratch, float,
							 (size_t) batch->n_sequences * (size_t) net->bridge.weight->n_rows);
	if (back->d_z == NULL || (has_copy && (back->d_copy == NULL || back->d_weight == NULL)) ||
		back->d_top == NULL || back->d_h == NULL || back->d_context == NULL ||
		back->d_states == NULL || back->d_first == NULL)
		return nn_no_memory(err);
	return nn_decoder_take_state(net, batch->written->n_sequences, scratch, &back->d_state, err);
}

/* From the loss to d_z, d_copy and d_weight; *loss is the mean over the labels. */
static NnStatus
loss_backward(NnNet *net, const NnBatch *batch, const NnDecoded *decoded, const NnLoss *options,
			  NnRng *rng, NnArena *scratch, Backward *back, double *loss, NnError *err)
{
	const NnBatch *written = batch->written;
	int64_t		n_labels = count_labels(written);
	double		scale = n_labels > 0 ? 1.0 / (double) n_labels : 0.0;
	double		smoothing = options->n_samples > 0 ? 0.0 : (double) options->label_smoothing;
	NnCopying	copying;
	NnTokenMixture mixture = {0};

	if (decoded->copy != NULL)
	{
		NN_TRY(nn_copying_forward(net, batch, written, batch->source_of, decoded, scratch, &copying, err));
		mixture = (NnTokenMixture) {copying.log_own, copying.log_copy, copying.share};
	}
	NN_TRY(token_loss(net, written, decoded->z, decoded->copy != NULL ? &mixture : NULL, options, scale,
					  back->d_z, rng, scratch, loss, err));
	*loss *= scale;
	if (decoded->copy != NULL)
		NN_TRY(nn_copying_backward(net, batch, written, batch->source_of, decoded, &copying,
								   scale * (1.0 - smoothing), back->d_copy, back->d_weight, scratch));
	return NN_OK;
}

/* From d_z and d_copy to d_top. */
static NnStatus
readout_backward(NnNet *net, const NnBatch *written, const NnDecoded *decoded, Backward *back,
				 const NnArena *scratch)
{
	int			N = written->n_rows;
	size_t		E = (size_t) net->spec.embedding;
	size_t		n_top = (size_t) net->readout.weight->n_columns;
	int			n_part = nn_rows_per_poll(net->readout.weight->n_rows, net->readout.weight->n_columns);

	tanh_backward((size_t) N * E, decoded->z, back->d_z);
	for (int first = 0; first < N; first += n_part)
	{
		size_t		at = (size_t) first * n_top;

		NN_TRY(nn_arena_poll(scratch));
		nn_linear_backward(&net->readout, N - first < n_part ? N - first : n_part, decoded->top + at,
						   back->d_z + (size_t) first * E, back->d_top + at);
	}
	if (decoded->copy != NULL)
	{
		NN_TRY(nn_arena_poll(scratch));
		nn_linear_backward(&net->copy, N, decoded->top, back->d_copy, NULL);
		for (int m = 0; m < N; m++)
			nn_axpy((int64_t) n_top, back->d_copy[m], net->copy.weight->data, back->d_top + (size_t) m * n_top);
	}
	nn_mask_rows(written, (int) n_top, decoded->top_mask, back->d_top);
	return NN_OK;
}

/* The halves of d (N, 2D): the left one into d_h, the right one into, or added to, d_context. */
static void
split(int N, int D, const float *d, float *d_h, float *d_context, bool is_added)
{
	for (int m = 0; m < N; m++)
	{
		size_t		at = (size_t) m * (size_t) D;
		const float *right = d + 2 * at + (size_t) D;

		memcpy(d_h + at, d + 2 * at, (size_t) D * sizeof(float));
		if (is_added)
			nn_axpy(D, 1.0f, right, d_context + at);
		else
			memcpy(d_context + at, right, (size_t) D * sizeof(float));
	}
}

/* From d_top to d_states and the gradient of the first states. */
static NnStatus
decoder_backward(NnNet *net, const NnBatch *batch, const NnSource *source, const NnDecoded *decoded,
				 Backward *back, NnArena *scratch, NnError *err)
{
	const NnBatch *written = batch->written;
	int			N = written->n_rows;
	int			D = nn_spec_decoder_hidden(&net->spec);
	NnState		above = nn_upper_state(net, written, &back->d_state);

	split(N, D, back->d_top, back->d_h, back->d_context, false);
	if (net->upper.n_layers > 0)
	{
		/* d_top has been read and is large enough for the gradient of below */
		NN_TRY(nn_stack_backward(&net->upper, written, &decoded->upper, back->d_h, back->d_top, &above,
								 scratch, err));
		split(N, D, back->d_top, back->d_h, back->d_context, true);
	}
	NN_TRY(nn_attention_backward(written, batch, batch->source_of, D, decoded->lower.output[0],
								 source->states, net->attention->data, &decoded->attention,
								 back->d_context, back->d_weight, back->d_h, back->d_states,
								 net->attention->grad, scratch, err));
	return nn_stack_backward(&net->decoder, written, &decoded->lower, back->d_h, NULL, &back->d_state,
							 scratch, err);
}

/* ---- the source --------------------------------------------------------------- */

/* d_states (N, D) is consumed; d_first (B, layers * D) is that of h0, and consumed. */
static NnStatus
source_backward(NnNet *net, const NnBatch *batch, const NnSource *source, float *d_first,
				float *d_states, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;
	int			D = nn_spec_decoder_hidden(&net->spec);
	int			n_forward = nn_forward_width(net);
	float	   *d_last = nn_take_matrix(scratch, B, D);

	if (d_last == NULL)
		return nn_no_memory(err);
	NN_TRY(nn_arena_poll(scratch));
	tanh_backward((size_t) B * (size_t) net->bridge.weight->n_rows, source->first, d_first);
	nn_linear_backward(&net->bridge, B, source->last, d_first, d_last);
	for (int b = 0; b < B && batch->length[b] > 0; b++)
	{
		const float *d = d_last + (size_t) b * (size_t) D;

		nn_axpy(n_forward, 1.0f, d, d_states + nn_last_row(batch, b) * (size_t) D);
		nn_axpy(D - n_forward, 1.0f, d + n_forward, d_states + (size_t) b * (size_t) D + n_forward);
	}
	if (net->stack.n_layers > 0)
		return nn_stack_backward(&net->stack, batch, &source->stack, d_states, NULL, NULL, scratch, err);
	NN_TRY(nn_arena_poll(scratch));
	tanh_backward((size_t) batch->n_rows * (size_t) D, source->states, d_states);
	nn_linear_backward(&net->source, batch->n_rows, batch->values, d_states, NULL);
	return NN_OK;
}

/* Add up the gradients of the first states of all that was written from a source. */
static void
gather_first(const NnNet *net, const NnBatch *batch, const Backward *back)
{
	size_t		D = (size_t) nn_spec_decoder_hidden(&net->spec);
	size_t		L = (size_t) net->spec.decoder_layers;
	size_t		B = (size_t) batch->written->n_sequences;

	for (size_t k = 0; k < L; k++)
		for (size_t b = 0; b < B; b++)
			nn_axpy((int64_t) D, 1.0f, back->d_state.h + (k * B + b) * D,
					back->d_first + ((size_t) batch->source_of[b] * L + k) * D);
}

NnStatus
nn_seq2seq_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
					NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	const NnBatch *written = batch->written;
	NnSource	source;
	NnState		state;
	NnDecoded	decoded;
	Backward	back;

	NN_TRY(nn_source_forward(net, batch, dropout, rng, scratch, &source, err));
	NN_TRY(nn_decoder_take_state(net, written->n_sequences, scratch, &state, err));
	nn_decoder_begin(net, source.first, written->n_sequences, batch->source_of, &state);
	NN_TRY(nn_decoder_forward(net, written, batch, batch->source_of, source.states, &state, dropout, rng,
							  scratch, &decoded, err));
	NN_TRY(take_backward(net, batch, &decoded, scratch, &back, err));
	NN_TRY(loss_backward(net, batch, &decoded, options, rng, scratch, &back, loss, err));
	NN_TRY(readout_backward(net, written, &decoded, &back, scratch));
	NN_TRY(decoder_backward(net, batch, &source, &decoded, &back, scratch, err));
	gather_first(net, batch, &back);
	return source_backward(net, batch, &source, back.d_first, back.d_states, scratch, err);
}
