/*
 * nn/seq2seq.c: texts written from a source (translate, caption): the forward
 * pass; learning is nn/seq2seq_backward.c.
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

/* ---- the source -------------------------------------------------------------- */

/* h0 = tanh(bridge [forward's last state, backward's at the first token]) */
static NnStatus
bridge_forward(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnSource *source, NnError *err)
{
	int			B = batch->n_sequences;
	size_t		D = (size_t) nn_spec_decoder_hidden(&net->spec);
	size_t		n_forward = (size_t) nn_forward_width(net);
	int			n_first = net->spec.decoder_layers * (int) D;

	source->last = NN_ALLOC(scratch, float, (size_t) B * D);
	source->first = nn_take_matrix(scratch, B, n_first);
	if (source->last == NULL || source->first == NULL)
		return nn_no_memory(err);
	for (int b = 0; b < B && batch->length[b] > 0; b++)
	{
		float	   *last = source->last + (size_t) b * D;

		memcpy(last, source->states + nn_last_row(batch, b) * D, n_forward * sizeof(float));
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
		source->states = nn_take_matrix(scratch, batch->n_rows, D);
		if (source->states == NULL)
			return nn_no_memory(err);
		NN_TRY(nn_arena_poll(scratch));
		nn_linear_forward(&net->source, batch->n_rows, batch->values, source->states);
		nn_tanh((int64_t) batch->n_rows * D, source->states, source->states);
	}
	return bridge_forward(net, batch, scratch, source, err);
}

/* ---- the decoder, forward ------------------------------------------------------ */

NnStatus
nn_decoder_take_state(const NnNet *net, int n, NnArena *scratch, NnState *state, NnError *err)
{
	size_t		n_numbers = (size_t) net->bridge.weight->n_rows * (size_t) n;

	state->h = NN_TAKE(scratch, float, n_numbers);
	state->c = (net->spec.cell == NN_CELL_LSTM) ? NN_TAKE(scratch, float, n_numbers) : NULL;
	if (state->h == NULL || (net->spec.cell == NN_CELL_LSTM && state->c == NULL))
		return nn_no_memory(err);
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
		decoded->top = nn_take_matrix(scratch, written->n_rows, 2 * D);
		if (decoded->top == NULL)
			return nn_no_memory(err);
		join(written->n_rows, D, decoded->upper.output[n_upper - 1], decoded->context, decoded->top);
	}
	if (dropout != NULL)
		decoded->top_mask = nn_mask(scratch, rng, (size_t) written->n_sequences * 2 * (size_t) D,
									dropout->output, &failed);
	if (failed)
		return nn_no_memory(err);
	nn_mask_rows(written, 2 * D, decoded->top_mask, decoded->top);
	return NN_OK;
}

/* z = tanh(readout [u, c]), and the copy gate before its sigmoid. */
static NnStatus
readout_forward(const NnNet *net, int N, NnArena *scratch, NnDecoded *decoded, NnError *err)
{
	size_t		E = (size_t) net->spec.embedding;
	size_t		n_top = (size_t) net->readout.weight->n_columns;
	int			n_part = nn_rows_per_poll(net->readout.weight->n_rows, net->readout.weight->n_columns);

	decoded->z = nn_take_matrix(scratch, N, (int) E);
	decoded->copy = net->spec.has_copy ? nn_take_matrix(scratch, N, 1) : NULL;
	if (decoded->z == NULL || (net->spec.has_copy && decoded->copy == NULL))
		return nn_no_memory(err);
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
	NnState		above = nn_upper_state(net, written, state);

	memset(decoded, 0, sizeof(*decoded));
	NN_TRY(nn_stack_forward(&net->decoder, written, NULL, state, dropout, rng, scratch, &decoded->lower, err));
	decoded->context = nn_take_matrix(scratch, N, D);
	decoded->below = nn_take_matrix(scratch, N, 2 * D);
	if (decoded->context == NULL || decoded->below == NULL)
		return nn_no_memory(err);
	NN_TRY(nn_attention_forward(written, source, source_of, D, decoded->lower.output[0], states,
								net->packed_attention, scratch, &decoded->attention, decoded->context, err));
	join(N, D, decoded->lower.output[0], decoded->context, decoded->below);
	NN_TRY(nn_stack_forward(&net->upper, written, decoded->below, &above, dropout, rng, scratch,
							&decoded->upper, err));
	NN_TRY(top_forward(net, written, dropout, rng, scratch, decoded, err));
	return readout_forward(net, N, scratch, decoded, err);
}

/* ---- sizes -------------------------------------------------------------------------- */

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
	{
		floats += n * (4.0 * D + E + 6.0) + (double) size->n_pairs + N * D + b * D * (2.0 * L + 2.0) +
			(size->n_sampled > 0 ? 3.0 * V : 0.0);	/* rows touched */
		n_bytes = nn_size_add(n_bytes, nn_token_loss_bytes(spec->vocabulary, spec->embedding, size->N_written,
														   size->n_sampled, true));
	}
	else
		floats += n * V < 4e6 ? n * V : V < 4e6 ? 4e6 : V;	/* log-probabilities of some rows */
	return floats > 1e15 ? SIZE_MAX : nn_size_add(n_bytes, (size_t) (floats * 4.0) + 65536);
}
