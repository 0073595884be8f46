/*
 * nn/seq2seq.c: texts written from a source (translate, caption): the forward
 * pass, and learning.
 *
 *   s (S, D)    the source's states: embedding -> encoder stack, D = directions * H;
 *               of a vector x: s_1 = tanh(source x)
 *   h0_k        = tanh(bridge [forward's last state, backward's at the first token])
 *               for each decoder layer k; c0 = 0.  An empty source: tanh(bias)
 *   h_t         layer 0 of the decoder, which reads y_t through the same embedding;
 *               y_0 is NN_TOKEN_END
 *   c_t         attention of h_t over s (nn/attention.h)
 *   u_t         the upper layers, which read [h_t, c_t]; without them u_t = h_t
 *   z_t         = tanh(readout [u_t, c_t])                       (Luong et al. 2015)
 *   p(y_t+1)    = softmax(E z_t + b), E the embedding (Press and Wolf 2017)
 *
 * What was attended to is not fed to the next step's input on purpose: that would
 * make every step of a training wait for the whole step before.  Attention sits
 * between the first decoder layer and the upper ones, as in GNMT (Wu et al. 2016)
 * and RNMT+ (Chen et al. 2018): the upper layers' recurrence carries what was
 * attended to, and each part is a few large products over the packed batch.
 *
 * With copying, p is a mixture of that softmax and the attention weights
 * (nn/seq2seq_copy.c).
 *
 * Written sequences are sorted by their own lengths; source_of leads to their
 * sources, of which several may be one.
 *
 * Dropout: both readings of the embedding and the stacks as everywhere;
 * dropout->output on [u, c], one mask for a sequence.
 */
#include "nn/seq2seq_private.h"

#include <string.h>

static NnStatus
no_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* A matrix in scratch, not cleared. */
static float *
take_matrix(NnArena *scratch, int n_rows, int n_columns)
{
	return NN_TAKE(scratch, float, (size_t) n_rows * (size_t) n_columns);
}

/* Rows of a product of N times K numbers each between two polls: about 2 GFLOP, some 20 ms. */
static int
rows_per_poll(const NnLinear *linear)
{
	double		rows = 1e9 / ((double) linear->weight->n_rows * (double) linear->weight->n_columns);

	return rows < 16.0 ? 16 : rows > 1e6 ? 1000000 : (int) rows;
}

/* d = d (1 - f^2): through f = tanh(x), from f to x. */
static void
tanh_backward(size_t n, const float *f, float *d)
{
	for (size_t i = 0; i < n; i++)
		d[i] *= 1.0f - f[i] * f[i];
}

/* out (N, 2D) = [left (N, D), right (N, D)] */
static void
join(int N, int D, const float *left, const float *right, float *out)
{
	size_t		n_bytes = (size_t) D * sizeof(float);

	for (int m = 0; m < N; m++)
	{
		size_t		at = (size_t) m * (size_t) D;

		memcpy(out + 2 * at, left + at, n_bytes);
		memcpy(out + 2 * at + (size_t) D, right + at, n_bytes);
	}
}

/* Multiply each row by its sequence's mask; NULL is no mask. */
static void
mask_rows(const NnBatch *batch, int width, const float *mask, float *x)
{
	for (int t = 0; mask != NULL && t < batch->n_steps; t++)
		nn_multiply((int64_t) batch->active[t] * width, mask, x + (size_t) batch->offset[t] * (size_t) width);
}

/* ---- the source -------------------------------------------------------------- */

/* Width of the forward direction's part of a state of the source. */
static int
forward_width(const NnNet *net)
{
	return nn_spec_decoder_hidden(&net->spec) / (net->stack.n_directions == 2 ? 2 : 1);
}

/* Row of the state behind all of sequence b, which is not empty; backward's stands in row b. */
static size_t
last_row(const NnBatch *batch, int b)
{
	return (size_t) (batch->offset[batch->length[b] - 1] + b);
}

/* h0 = tanh(bridge [forward's last state, backward's at the first token]) */
static NnStatus
bridge_forward(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnSource *source, NnError *err)
{
	int			B = batch->n_sequences;
	size_t		D = (size_t) nn_spec_decoder_hidden(&net->spec);
	size_t		n_forward = (size_t) forward_width(net);
	int			n_first = net->spec.decoder_layers * (int) D;

	source->last = NN_ALLOC(scratch, float, (size_t) B * D);
	source->first = take_matrix(scratch, B, n_first);
	if (source->last == NULL || source->first == NULL)
		return no_memory(err);
	for (int b = 0; b < B && batch->length[b] > 0; b++)
	{
		float	   *last = source->last + (size_t) b * D;

		memcpy(last, source->states + last_row(batch, b) * D, n_forward * sizeof(float));
		memcpy(last + n_forward, source->states + (size_t) b * D + n_forward,
			   (D - n_forward) * sizeof(float));
	}
	NN_TRY(nn_arena_poll(scratch));
	nn_linear_forward(&net->bridge, B, source->last, source->first);
	nn_tanh((int64_t) B * n_first, source->first, source->first);
	return NN_OK;
}

NnStatus
nn_source_forward(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
				  NnArena *scratch, NnSource *source, NnError *err)
{
	int			D = nn_spec_decoder_hidden(&net->spec);

	memset(source, 0, sizeof(*source));
	if (net->stack.n_layers > 0)
	{
		NN_TRY(nn_stack_forward(&net->stack, batch, batch->values, NULL, dropout, rng, scratch,
								&source->stack, err));
		source->states = source->stack.output[net->stack.n_layers - 1];
	}
	else
	{
		source->states = take_matrix(scratch, batch->n_rows, D);
		if (source->states == NULL)
			return no_memory(err);
		NN_TRY(nn_arena_poll(scratch));
		nn_linear_forward(&net->source, batch->n_rows, batch->values, source->states);
		nn_tanh((int64_t) batch->n_rows * D, source->states, source->states);
	}
	return bridge_forward(net, batch, scratch, source, err);
}

/* d_states (N, D) is consumed; d_first (B, layers * D) is that of h0, and consumed. */
static NnStatus
source_backward(NnNet *net, const NnBatch *batch, const NnSource *source, float *d_first,
				float *d_states, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;
	int			D = nn_spec_decoder_hidden(&net->spec);
	int			n_forward = forward_width(net);
	float	   *d_last = take_matrix(scratch, B, D);

	if (d_last == NULL)
		return no_memory(err);
	NN_TRY(nn_arena_poll(scratch));
	tanh_backward((size_t) B * (size_t) net->bridge.weight->n_rows, source->first, d_first);
	nn_linear_backward(&net->bridge, B, source->last, d_first, d_last);
	for (int b = 0; b < B && batch->length[b] > 0; b++)
	{
		const float *d = d_last + (size_t) b * (size_t) D;

		nn_axpy(n_forward, 1.0f, d, d_states + last_row(batch, b) * (size_t) D);
		nn_axpy(D - n_forward, 1.0f, d + n_forward, d_states + (size_t) b * (size_t) D + n_forward);
	}
	if (net->stack.n_layers > 0)
		return nn_stack_backward(&net->stack, batch, &source->stack, d_states, NULL, NULL, scratch, err);
	NN_TRY(nn_arena_poll(scratch));
	tanh_backward((size_t) batch->n_rows * (size_t) D, source->states, d_states);
	nn_linear_backward(&net->source, batch->n_rows, batch->values, d_states, NULL);
	return NN_OK;
}

/* ---- the decoder, forward ------------------------------------------------------ */

NnStatus
nn_decoder_take_state(const NnNet *net, int n, NnArena *scratch, NnState *state, NnError *err)
{
	size_t		n_numbers = (size_t) net->bridge.weight->n_rows * (size_t) n;

	state->h = NN_TAKE(scratch, float, n_numbers);
	state->c = (net->spec.cell == NN_CELL_LSTM) ? NN_TAKE(scratch, float, n_numbers) : NULL;
	if (state->h == NULL || (net->spec.cell == NN_CELL_LSTM && state->c == NULL))
		return no_memory(err);
	return NN_OK;
}

void
nn_decoder_begin(const NnNet *net, const float *first, int n, const int32_t *source_of, NnState *state)
{
	size_t		D = (size_t) nn_spec_decoder_hidden(&net->spec);
	size_t		L = (size_t) net->spec.decoder_layers;

	for (size_t k = 0; k < L; k++)
		for (size_t b = 0; b < (size_t) n; b++)
			memcpy(state->h + (k * (size_t) n + b) * D, first + ((size_t) source_of[b] * L + k) * D,
				   D * sizeof(float));
	if (net->spec.cell == NN_CELL_LSTM)
		memset(state->c, 0, L * (size_t) n * D * sizeof(float));
}

/* The part of a state that belongs to the upper layers. */
static NnState
upper_state(const NnNet *net, const NnBatch *written, const NnState *state)
{
	size_t		n = (size_t) written->n_sequences * (size_t) nn_spec_decoder_hidden(&net->spec);

	return (NnState) {state->h + n, state->c != NULL ? state->c + n : NULL};
}

/* [u, c] after dropout. */
static NnStatus
top_forward(const NnNet *net, const NnBatch *written, const NnDropout *dropout, NnRng *rng,
			NnArena *scratch, NnDecoded *decoded, NnError *err)
{
	int			D = nn_spec_decoder_hidden(&net->spec);
	int			n_upper = net->upper.n_layers;
	bool		failed = false;

	if (n_upper == 0)
		decoded->top = decoded->below;
	else
	{
		decoded->top = take_matrix(scratch, written->n_rows, 2 * D);
		if (decoded->top == NULL)
			return no_memory(err);
		join(written->n_rows, D, decoded->upper.output[n_upper - 1], decoded->context, decoded->top);
	}
	if (dropout != NULL)
		decoded->top_mask = nn_mask(scratch, rng, (size_t) written->n_sequences * 2 * (size_t) D,
									dropout->output, &failed);
	if (failed)
		return no_memory(err);
	mask_rows(written, 2 * D, decoded->top_mask, decoded->top);
	return NN_OK;
}

/* z = tanh(readout [u, c]), and the copy gate before its sigmoid. */
static NnStatus
readout_forward(const NnNet *net, int N, NnArena *scratch, NnDecoded *decoded, NnError *err)
{
	size_t		E = (size_t) net->spec.embedding;
	size_t		n_top = (size_t) net->readout.weight->n_columns;
	int			n_part = rows_per_poll(&net->readout);

	decoded->z = take_matrix(scratch, N, (int) E);
	decoded->copy = net->spec.has_copy ? take_matrix(scratch, N, 1) : NULL;
	if (decoded->z == NULL || (net->spec.has_copy && decoded->copy == NULL))
		return no_memory(err);
	for (int first = 0; first < N; first += n_part)
	{
		int			n = N - first < n_part ? N - first : n_part;
		const float *top = decoded->top + (size_t) first * n_top;

		NN_TRY(nn_arena_poll(scratch));
		nn_linear_forward(&net->readout, n, top, decoded->z + (size_t) first * E);
		if (decoded->copy != NULL)
			nn_linear_forward(&net->copy, n, top, decoded->copy + first);
	}
	nn_tanh((int64_t) N * (int64_t) E, decoded->z, decoded->z);
	return NN_OK;
}

NnStatus
nn_decoder_forward(const NnNet *net, const NnBatch *written, const NnBatch *source,
				   const int32_t *source_of, const float *states, NnState *state,
				   const NnDropout *dropout, NnRng *rng, NnArena *scratch, NnDecoded *decoded,
				   NnError *err)
{
	int			N = written->n_rows;
	int			D = nn_spec_decoder_hidden(&net->spec);
	NnState		above = upper_state(net, written, state);

	memset(decoded, 0, sizeof(*decoded));
	NN_TRY(nn_stack_forward(&net->decoder, written, NULL, state, dropout, rng, scratch, &decoded->lower, err));
	decoded->context = take_matrix(scratch, N, D);
	decoded->below = take_matrix(scratch, N, 2 * D);
	if (decoded->context == NULL || decoded->below == NULL)
		return no_memory(err);
	NN_TRY(nn_attention_forward(written, source, source_of, D, decoded->lower.output[0], states,
								net->packed_attention, scratch, &decoded->attention, decoded->context, err));
	join(N, D, decoded->lower.output[0], decoded->context, decoded->below);
	NN_TRY(nn_stack_forward(&net->upper, written, decoded->below, &above, dropout, rng, scratch,
							&decoded->upper, err));
	NN_TRY(top_forward(net, written, dropout, rng, scratch, decoded, err));
	return readout_forward(net, N, scratch, decoded, err);
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
	NnTokenTable table = nn_net_token_table(net, true);
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
	back->d_z = take_matrix(scratch, N, net->spec.embedding);
	if (has_copy)
	{
		back->d_copy = take_matrix(scratch, N, 1);
		back->d_weight = NN_TAKE(scratch, float, (size_t) decoded->attention.start[N]);
	}
	back->d_top = take_matrix(scratch, N, 2 * D);
	back->d_h = take_matrix(scratch, N, D);
	back->d_context = take_matrix(scratch, N, D);
	back->d_states = NN_ALLOC(scratch, float, (size_t) batch->n_rows * (size_t) D);
	back->d_first = NN_ALLOC(scratch, float,
							 (size_t) batch->n_sequences * (size_t) net->bridge.weight->n_rows);
	if (back->d_z == NULL || (has_copy && (back->d_copy == NULL || back->d_weight == NULL)) ||
		back->d_top == NULL || back->d_h == NULL || back->d_context == NULL ||
		back->d_states == NULL || back->d_first == NULL)
		return no_memory(err);
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
		NN_TRY(nn_copying_forward(batch, written, batch->source_of, decoded, scratch, &copying, err));
		mixture = (NnTokenMixture) {copying.log_own, copying.log_copy, copying.share};
	}
	NN_TRY(token_loss(net, written, decoded->z, decoded->copy != NULL ? &mixture : NULL, options, scale,
					  back->d_z, rng, scratch, loss, err));
	*loss *= scale;
	if (decoded->copy != NULL)
		NN_TRY(nn_copying_backward(batch, written, batch->source_of, decoded, &copying,
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
	int			n_part = rows_per_poll(&net->readout);

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
	mask_rows(written, (int) n_top, decoded->top_mask, back->d_top);
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
	NnState		above = upper_state(net, written, &back->d_state);

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

/* ---- sizes -------------------------------------------------------------------------- */

/*
 * Floats of the softmax over V columns (nn/token_loss.c), a sampled one or the
 * whole: a chunk has at most 384 rows, and the numbers it keeps of them take at
 * most 64 MB, or are of 48 rows.
 */
static double
softmax_floats(const NnSpec *spec, const NnBatchSize *size)
{
	double		V = spec->vocabulary;
	double		E = spec->embedding;
	double		n_rows = size->N_written < 384 ? (double) size->N_written : 384.0;
	double		columns = V;
	double		sampled = 0.0;
	double		most = 64.0 * 1024.0 * 1024.0 / 4.0;

	if (size->n_sampled > 0)
	{
		columns = (double) size->n_sampled < V ? (double) size->n_sampled : V;
		/* the columns' weights, packed ones and gradients; places of all tokens, and rows touched */
		sampled = (columns + 64.0) * (3.0 * E + 4.0) + 4.0 * V;
	}
	if (most < 48.0 * (columns + 960.0))
		most = 48.0 * (columns + 960.0);
	if (most > n_rows * (columns + 960.0))
		most = n_rows * (columns + 960.0);
	return most + n_rows * (2.0 * E + columns / 960.0 + 20.0) + sampled;
}

/* Of attention: blocks of its longest source, which may be all N rows, and of 64 rows. */
static double
attention_floats(double D, bool is_training, const NnBatchSize *size)
{
	double		N = (double) size->N;
	double		n = (double) size->N_written;
	double		pairs = (double) size->n_pairs;
	double		floats = n * (D + 4.0) + pairs + 2.0 * (double) size->B + 3.0 * N * D + 128.0 * (D + N);

	if (is_training)
		floats += n * (D + 1.0) + pairs + 2.0 * (double) size->B + 2.0 * N * D + 320.0 * (D + N);
	return floats;
}

/*
 * The arrays of both passes, added up as if every dropout were on.  In training
 * each source is written once.  A step is a batch of as many sequences and
 * distinct tokens as rows.
 */
size_t
nn_seq2seq_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size)
{
	double		D = nn_spec_decoder_hidden(spec);
	double		E = spec->embedding;
	double		V = spec->vocabulary;
	double		L = spec->decoder_layers;
	double		N = (double) size->N;
	double		n = (double) size->N_written;
	int64_t		B_written = (is_training || size->B > size->N_written) ? size->B : size->N_written;
	double		b = (double) (size->B + B_written);
	double		floats = N * (D + 2.0) + b * D * (3.0 * L + 3.0) + 2.0 * (double) size->U;
	NnLayers	lower;
	NnLayers	upper;
	size_t		n_bytes;

	nn_layout_decoder(spec, &lower, &upper);
	lower.embedding = (NnTensor *) &lower;	/* not looked into */
	n_bytes = nn_stack_bytes(&lower, is_training, B_written, size->N_written,
							 is_training ? size->U_written : size->N_written);
	n_bytes = nn_size_add(n_bytes, nn_stack_bytes(&upper, is_training, B_written, size->N_written, 0));
	floats += n * (5.0 * D + E + 6.0) + attention_floats(D, is_training, size);
	if (is_training)
		floats += n * (4.0 * D + E + 6.0) + (double) size->n_pairs + N * D + b * D * (2.0 * L + 2.0) +
			softmax_floats(spec, size);
	else
		floats += n * V < 4e6 ? n * V : V < 4e6 ? 4e6 : V;	/* log-probabilities of some rows */
	return floats > 1e15 ? SIZE_MAX : nn_size_add(n_bytes, (size_t) (floats * 4.0) + 65536);
}
