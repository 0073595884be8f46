/*
 * nn/language.c: which token comes next.
 *
 *   x = E[token]               dropout.word, dropout.input: of a distinct token
 *   h = stack(x)               dropout.recurrent; between layers dropout.input
 *   g = mask_b * h             dropout.output
 *   y = W g + c                the readout; where H is E already there is none: y = g
 *   p = softmax(E y + b)       the same E again (Press and Wolf 2017; Inan et al. 2017)
 *
 * A mask of states is kept over time, one for each sequence (Gal and Ghahramani
 * 2016; AWD-LSTM's locked dropout, Merity et al. 2018).  The loss is the mean over
 * the rows that have a label.
 *
 * A network of two directions is two language models with one embedding (ELMo's,
 * Peters et al. 2018): the backward one predicts the token before, through a
 * readout of its own, and the losses are averaged.  That it can be trained is all
 * it is for; whatever is asked of it afterwards is asked of the forward direction,
 * which in one layer can do without the other.
 *
 * Running text goes on in the state from batch to batch, and the gradient ends
 * where a batch begins (truncated back-propagation through time, Williams and
 * Peng 1990).  With two directions each training batch begins with zeros: what
 * the backward one would go on from has not been read.
 *
 * Scratch memory of a pass stands in the caller's arena until the caller resets it.
 */
#include "nn/net_private.h"

#include <string.h>

/* ---- the readout ------------------------------------------------------------- */

/* y (N, E) of the states h (N, H); h itself where there is no readout. */
static NnStatus
read_out(const NnLinear *readout, int N, const float *h, NnArena *scratch, const float **y, NnError *err)
{
	float	   *out;
	int			n_in,
				n_out,
				n_part;

	*y = h;
	if (readout->weight == NULL)
		return NN_OK;
	n_in = readout->weight->n_columns;
	n_out = readout->weight->n_rows;
	n_part = nn_rows_per_poll(n_out, n_in);
	out = NN_TAKE(scratch, float, (size_t) N * (size_t) n_out);
	if (out == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int first = 0; first < N; first += n_part)
	{
		NN_TRY(nn_arena_poll(scratch));
		nn_linear_forward(readout, N - first < n_part ? N - first : n_part, h + (size_t) first * (size_t) n_in,
						  out + (size_t) first * (size_t) n_out);
	}
	*y = out;
	return NN_OK;
}

/* Adds to the readout's gradients; dh (N, H) gets that of h. */
static NnStatus
read_out_backward(const NnLinear *readout, int N, const float *h, const float *dy, float *dh,
				  const NnArena *scratch)
{
	int			n_in = readout->weight->n_columns;
	int			n_out = readout->weight->n_rows;
	int			n_part = nn_rows_per_poll(n_out, n_in);

	for (int first = 0; first < N; first += n_part)
	{
		size_t		at_in = (size_t) first * (size_t) n_in;
		size_t		at_out = (size_t) first * (size_t) n_out;

		NN_TRY(nn_arena_poll(scratch));
		nn_linear_backward(readout, N - first < n_part ? N - first : n_part, h + at_in, dy + at_out, dh + at_in);
	}
	return NN_OK;
}

/* ---- training ------------------------------------------------------------------ */

/* One direction of a training pass. */
typedef struct NnPredictor
{
	int			d;
	const NnLinear *readout;
	const int32_t *label;		/* (N) */
	float	   *mask;			/* (B, H) or NULL */
	const float *h;				/* (N, H) after dropout */
} NnPredictor;

/* Multiply each row of x (N, H) by its sequence's mask (B, H). */
static void
mask_states(const NnBatch *batch, int H, const float *mask, float *x)
{
	for (int t = 0; t < batch->n_steps; t++)
		nn_multiply((int64_t) batch->active[t] * H, mask, x + (size_t) batch->offset[t] * (size_t) H);
}

/* The predictor's states out of the stack's output, some of them dropped. */
static NnStatus
read_states(const NnNet *net, const NnBatch *batch, const NnStack *stack, const NnDropout *dropout, NnRng *rng,
			NnArena *scratch, NnPredictor *predictor, NnError *err)
{
	int			H = net->stack.hidden;
	int			ld = net->stack.n_directions * H;
	const float *output = stack->output[net->stack.n_layers - 1] + predictor->d * H;
	bool		failed = false;
	float	   *h;

	predictor->mask = nn_mask(scratch, rng, (size_t) batch->n_sequences * (size_t) H, dropout->output, &failed);
	predictor->h = output;
	if (!failed && predictor->mask == NULL && ld == H)
		return NN_OK;
	h = NN_TAKE(scratch, float, (size_t) batch->n_rows * (size_t) H);
	if (failed || h == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int r = 0; r < batch->n_rows; r++)
		memcpy(h + (size_t) r * (size_t) H, output + (size_t) r * (size_t) ld, (size_t) H * sizeof(float));
	if (predictor->mask != NULL)
		mask_states(batch, H, predictor->mask, h);
	predictor->h = h;
	return NN_OK;
}

static int64_t
count_labels(const NnBatch *batch, const int32_t *label)
{
	int64_t		n = 0;

	for (int r = 0; r < batch->n_rows; r++)
		n += label[r] >= 0;
	return n;
}

static void
touch_row(void *ctx, int32_t row)
{
	nn_touch(ctx, row);
}

/* Room for the rows that a sampled softmax touches: those always in, those drawn, the labels. */
static NnStatus
reserve_rows(const NnNet *net, const NnBatch *batch, const NnLoss *options, NnArena *scratch, NnError *err)
{
	size_t		n = (size_t) batch->n_rows + (size_t) options->n_samples;

	if (options->first_sampled > 0)
		n += (size_t) options->first_sampled;
	return nn_touch_reserve(net->embedding, n, scratch, err);
}

/* Adds share times the mean loss of the rows y to *loss; dy (N, E) gets its gradient. */
static NnStatus
predict_backward(NnNet *net, const NnBatch *batch, const NnPredictor *predictor, const float *y, double share,
				 const NnLoss *options, NnRng *rng, NnArena *scratch, float *dy, double *loss, NnError *err)
{
	NnTokenTable table = nn_net_token_table(net, true, options->n_samples > 0);
	int64_t		n = count_labels(batch, predictor->label);
	double		scale = n > 0 ? share / (double) n : 0.0;
	double		sum;

	if (options->n_samples > 0)
	{
		NN_TRY(reserve_rows(net, batch, options, scratch, err));
		NN_TRY(nn_token_loss_sampled(&table, batch->n_rows, y, predictor->label, options->n_samples,
									 options->first_sampled, (float) scale, dy, rng, touch_row, net->embedding,
									 scratch, &sum, err));
	}
	else
	{
		nn_touch_all(net->embedding);
		NN_TRY(nn_token_loss(&table, batch->n_rows, y, predictor->label, options->label_smoothing, (float) scale, dy,
							 scratch, &sum, NULL, err));
	}
	*loss += scale * sum;
	return NN_OK;
}

/* From the stack's states to the loss and back: the predictor's columns of d_output (N, directions * H). */
static NnStatus
predictor_backward(NnNet *net, const NnBatch *batch, const NnPredictor *predictor, const NnLoss *options, NnRng *rng,
				   NnArena *scratch, float *d_output, double *loss, NnError *err)
{
	int			N = batch->n_rows;
	int			H = net->stack.hidden;
	int			n_directions = net->stack.n_directions;
	bool		has_readout = predictor->readout->weight != NULL;
	float	   *dh = d_output;
	float	   *dy;
	const float *y;

	if (n_directions > 1)
		dh = NN_TAKE(scratch, float, (size_t) N * (size_t) H);
	dy = has_readout ? NN_TAKE(scratch, float, (size_t) N * (size_t) net->spec.embedding) : dh;
	if (dh == NULL || dy == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(read_out(predictor->readout, N, predictor->h, scratch, &y, err));
	NN_TRY(predict_backward(net, batch, predictor, y, 1.0 / n_directions, options, rng, scratch, dy, loss, err));
	if (has_readout)
		NN_TRY(read_out_backward(predictor->readout, N, predictor->h, dy, dh, scratch));
	if (predictor->mask != NULL)
		mask_states(batch, H, predictor->mask, dh);
	for (int r = 0; n_directions > 1 && r < N; r++)
		memcpy(d_output + ((size_t) r * (size_t) n_directions + (size_t) predictor->d) * (size_t) H,
			   dh + (size_t) r * (size_t) H, (size_t) H * sizeof(float));
	return NN_OK;
}

NnStatus
nn_language_backward(NnNet *net, const NnBatch *batch, NnState *state, const NnDropout *dropout,
					 const NnLoss *options, NnRng *rng, NnArena *scratch, double *loss, NnError *err)
{
	int			n_directions = net->stack.n_directions;
	NnStack		stack;
	float	   *d_output;

	NN_TRY(nn_stack_forward(&net->stack, batch, NULL, n_directions == 1 ? state : NULL, dropout, rng, scratch,
							&stack, err));
	d_output = NN_TAKE(scratch, float,
					   (size_t) batch->n_rows * (size_t) n_directions * (size_t) net->stack.hidden);
	if (d_output == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int d = 0; d < n_directions; d++)
	{
		NnPredictor predictor = {
			.d = d,
			.readout = (d == 0) ? &net->readout : &net->readout_back,
			.label = (d == 0) ? batch->row_label : batch->row_label_back,
		};

		NN_TRY(read_states(net, batch, &stack, dropout, rng, scratch, &predictor, err));
		NN_TRY(predictor_backward(net, batch, &predictor, options, rng, scratch, d_output, loss, err));
	}
	return nn_stack_backward(&net->stack, batch, &stack, d_output, NULL, NULL, scratch, err);
}

/* ---- answers --------------------------------------------------------------------- */

/* The stack's layers for an answer: a single layer's forward direction needs no other. */
static NnLayers
answering_layers(const NnNet *net)
{
	NnLayers	layers = net->stack;

	if (layers.n_layers == 1)
		layers.n_directions = 1;
	return layers;
}

/* What the softmax looks at, (N, E). */
static NnStatus
read_batch(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch, const float **y,
		   NnError *err)
{
	NnLayers	layers = answering_layers(net);
	NnStack		stack;

	NN_TRY(nn_stack_forward(&layers, batch, NULL, state, NULL, NULL, scratch, &stack, err));
	return read_out(&net->readout, batch->n_rows, stack.output[layers.n_layers - 1], scratch, y, err);
}

NnStatus
nn_language_score(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch,
				  NnBatchScore *score, NnError *err)
{
	NnTokenTable table = nn_net_token_table(net, false, false);
	const float *y;
	double		loss;
	int64_t		n_right;

	NN_TRY(read_batch(net, batch, state, scratch, &y, err));
	NN_TRY(nn_token_loss(&table, batch->n_rows, y, batch->row_label, 0.0f, 0.0f, NULL, scratch, &loss, &n_right,
						 err));
	score->loss += loss;
	score->n_sequences += batch->n_sequences;
	score->n_tokens += count_labels(batch, batch->row_label);
	score->n_right += n_right;
	return NN_OK;
}

NnStatus
nn_net_log_likelihood(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch, float *out,
					  NnError *err)
{
	NnTokenTable table = nn_net_token_table(net, false, false);
	const float *y;

	NN_TRY(read_batch(net, batch, state, scratch, &y, err));
	return nn_token_log_likelihood(&table, batch->n_rows, y, batch->row_label, scratch, out, err);
}

/* A batch of one step: row b is sequence b, and its token stands for itself. */
static NnStatus
pack_step(NnBatch *batch, int B, const int32_t *token, NnArena *scratch, NnError *err)
{
	int32_t    *length = NN_TAKE(scratch, int32_t, (size_t) B);
	int32_t    *place = NN_TAKE(scratch, int32_t, (size_t) B);
	int32_t    *active = NN_TAKE(scratch, int32_t, 1);
	int32_t    *offset = NN_TAKE(scratch, int32_t, 2);

	if (length == NULL || place == NULL || active == NULL || offset == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int b = 0; b < B; b++)
	{
		length[b] = 1;
		place[b] = b;
	}
	active[0] = B;
	offset[0] = 0;
	offset[1] = B;
	memset(batch, 0, sizeof(*batch));
	batch->n_sequences = B;
	batch->n_steps = 1;
	batch->n_rows = B;
	batch->length = length;
	batch->active = active;
	batch->offset = offset;
	batch->n_distinct = B;
	batch->distinct = token;
	batch->token = place;
	return NN_OK;
}

NnStatus
nn_language_step(const NnNet *net, int B, const int32_t *token, NnState *state, NnArena *scratch, float *log_p,
				 NnError *err)
{
	NnTokenTable table = nn_net_token_table(net, false, false);
	int			n_part = nn_rows_per_poll(table.n_tokens, table.width);
	NnBatch		batch;
	const float *y;

	NN_TRY(pack_step(&batch, B, token, scratch, err));
	NN_TRY(read_batch(net, &batch, state, scratch, &y, err));
	for (int first = 0; first < B; first += n_part)
	{
		NN_TRY(nn_arena_poll(scratch));
		nn_token_log_softmax(&table, B - first < n_part ? B - first : n_part,
							 y + (size_t) first * (size_t) table.width,
							 log_p + (size_t) first * (size_t) table.n_tokens);
	}
	return NN_OK;
}

NnStatus
nn_net_states(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *out, NnError *err)
{
	bool		is_language = net->spec.task == NN_TASK_LANGUAGE;
	NnLayers	layers = is_language ? answering_layers(net) : net->stack;
	size_t		ld = (size_t) layers.n_directions * (size_t) layers.hidden;
	size_t		width = is_language ? (size_t) layers.hidden : ld;
	NnStack		stack;
	const float *h;

	if (layers.n_layers == 0 || layers.embedding == NULL)
		return nn_fail(err, NN_EINTERNAL, "states of a network that reads no tokens");
	NN_TRY(nn_stack_forward(&layers, batch, NULL, NULL, NULL, NULL, scratch, &stack, err));
	h = stack.output[layers.n_layers - 1];
	for (int r = 0; r < batch->n_rows; r++)
		memcpy(out + (size_t) r * width, h + (size_t) r * ld, width * sizeof(float));
	return NN_OK;
}

/* ---- memory ------------------------------------------------------------------------ */

/* The arrays of a pass, added up as if every dropout were on. */
size_t
nn_language_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size)
{
	double		directions = (spec->is_bidirectional && is_training) ? 2.0 : 1.0;
	double		H = spec->hidden;
	double		E = spec->embedding;
	double		V = spec->vocabulary;
	double		n = (double) size->N;
	double		b = (double) size->B;
	double		floats = n * E + b * 2.0;
	size_t		n_bytes;

	if (is_training)
		floats = n * (3.0 * H + 2.0 * E) + b * H;
	if (is_training && size->n_sampled > 0)
		floats += 2.0 * V;		/* rows touched */
	floats *= directions;
	n_bytes = nn_token_loss_bytes(spec->vocabulary, spec->embedding, size->N, is_training ? size->n_sampled : 0,
								  is_training);
	n_bytes = nn_size_mul(n_bytes, (size_t) directions);
	return floats > 1e15 ? SIZE_MAX : nn_size_add(n_bytes, (size_t) (floats * 4.0) + 65536);
}
