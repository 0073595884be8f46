/*
 * nn/recurrent.c: the recurrent stack over a packed batch.
 *
 * Layer k, direction d turns its input x (N, in) into h (N, H), written into
 * columns dH ... dH + H - 1 of the layer's output (N, directions * H).
 *
 * Step t has rows offset[t] ... offset[t + 1] - 1.  The forward direction walks
 * t = 0, 1, ...; since sequences only end, every row of a step had a state in the
 * step before.  The backward direction walks t = T - 1, ...; there sequences only
 * begin, and the rows beyond those of the step before start with zeros (n_prev of
 * nn_*_step).
 *
 * The input side W_ih x + b is a product for each stretch of steps, or where tokens
 * repeat one for the distinct ones of the batch (nn/embed.c), whose rows are
 * copied to their places step by step.
 *
 * A forward stack may begin in a given state (NnState) and leaves there the one it
 * ends in: text that goes on from batch to batch, a decoder that begins where the
 * encoder ended, a generator that takes one step at a time.
 */
#include "nn/recurrent_private.h"

#include <string.h>

/* ---- stretches --------------------------------------------------------------- */

NnStretch
nn_stretch(const NnBatch *batch, int d, int p, int way)
{
	NnStretch	stretch = {0};
	int			n_left = way > 0 ? batch->n_steps - p : p + 1;

	for (; stretch.n_places < n_left; stretch.n_places++, p += way)
	{
		int			t,
					t_prev;

		nn_walk(batch, d, p, &t, &t_prev);
		if (stretch.n_places > 0 && stretch.n_rows + batch->active[t] > NN_STRETCH_ROWS)
			break;
		if (stretch.n_places == 0 || batch->offset[t] < stretch.first_row)
			stretch.first_row = batch->offset[t];
		stretch.n_rows += batch->active[t];
	}
	return stretch;
}

int
nn_stretch_rows(const NnBatch *batch)
{
	int			n = NN_STRETCH_ROWS;

	if (batch->n_steps > 0 && batch->active[0] > n)
		n = batch->active[0];
	return n < batch->n_rows ? n : batch->n_rows;
}

bool
nn_is_direct(const NnBatch *batch)
{
	return (int64_t) batch->n_distinct * 10 > (int64_t) batch->n_rows * 7;
}

/* ---- inputs ----------------------------------------------------------------- */

/* Input rows of layer k (not tokens): the layer below or the rows given, after dropout. */
static NnStatus
layer_input(const NnLayers *layers, const NnBatch *batch, int k, const float *below,
			const NnDropout *dropout, NnRng *rng, NnArena *scratch, NnStack *stack, NnError *err)
{
	int			n_in = layers->direction[k][0].weight_ih->n_columns;
	size_t		n = (size_t) batch->n_rows * (size_t) n_in;
	bool		failed = false;

	if (dropout != NULL)
		stack->input_mask[k] = nn_mask(scratch, rng, (size_t) batch->n_sequences * (size_t) n_in,
									   dropout->input, &failed);
	if (failed)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (stack->input_mask[k] == NULL)
	{
		/* not written by anyone below */
		stack->input[k] = (float *) below;
		return NN_OK;
	}
	stack->input[k] = NN_TAKE(scratch, float, n);
	if (stack->input[k] == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(stack->input[k], below, n * sizeof(float));
	for (int t = 0; t < batch->n_steps; t++)
		nn_mask_rows(batch->active[t], n_in, stack->input_mask[k],
					 stack->input[k] + (size_t) batch->offset[t] * (size_t) n_in, n_in);
	return NN_OK;
}

void
nn_gather_inputs(const NnBatch *batch, const NnStretch *stretch, int n_in, const float *input, float *out)
{
	size_t		width = (size_t) n_in;

	for (int r = 0; r < stretch->n_rows; r++)
		memcpy(out + (size_t) r * width, input + (size_t) batch->token[stretch->first_row + r] * width,
			   width * sizeof(float));
}

/* x W_ih^T + b for M rows. */
static NnStatus
project(const NnLayers *layers, const NnDirection *direction, int M, const float *x, float *out,
		const NnArena *scratch)
{
	int			G = layers->n_gates;
	int			n_in = direction->weight_ih->n_columns;
	int			n_part = nn_rows_per_poll(G, n_in);
	NnStart		bias = {direction->bias, 0, NULL};

	for (int first = 0; first < M; first += n_part)
	{
		int			n = M - first < n_part ? M - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm_packed_from(n, G, n_in, x + (size_t) first * (size_t) n_in, n_in, direction->packed_ih,
							bias, out + (size_t) first * (size_t) G, G);
	}
	return NN_OK;
}

/* ---- forward ------------------------------------------------------------------ */

/* Floats a row of one direction that a backward pass asks for beside states and cells. */
static size_t
trace_width(const NnLayers *layers)
{
	size_t		H = (size_t) layers->hidden;

	return (size_t) layers->n_gates + H + (layers->cell == NN_CELL_LSTM ? H : layers->cell == NN_CELL_GRU ? 3 * H : 0);
}

static bool
is_trace_kept(const NnLayers *layers, int64_t n_rows)
{
	size_t		n_directions = (size_t) layers->n_layers * (size_t) layers->n_directions;

	return nn_size_mul((size_t) n_rows, trace_width(layers) * n_directions * sizeof(float)) <= layers->n_trace_bytes;
}

static NnStatus
take_trace(const NnLayers *layers, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
		   NnArena *scratch, NnTrace *trace, NnError *err)
{
	size_t		N;
	size_t		H = (size_t) layers->hidden;
	bool		failed = false;

	trace->is_kept = dropout == NULL || is_trace_kept(layers, batch->n_rows);
	N = (size_t) (trace->is_kept ? batch->n_rows : nn_stretch_rows(batch));
	trace->gates = NN_TAKE(scratch, float, N * (size_t) layers->n_gates);
	trace->h_prev = NN_TAKE(scratch, float, N * H);
	failed = trace->gates == NULL || trace->h_prev == NULL;
	if (layers->cell == NN_CELL_LSTM)
	{
		trace->c = NN_TAKE(scratch, float, (size_t) batch->n_rows * H);
		trace->tanh_c = NN_TAKE(scratch, float, N * H);
		failed = failed || trace->c == NULL || trace->tanh_c == NULL;
	}
	if (layers->cell == NN_CELL_GRU)
	{
		trace->h_gates = NN_TAKE(scratch, float, N * 3 * H);
		failed = failed || trace->h_gates == NULL;
	}
	if (!failed && dropout != NULL)
		trace->recurrent_mask = nn_mask(scratch, rng, (size_t) batch->n_sequences * H,
										dropout->recurrent, &failed);
	return failed ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

const float *
nn_cells_before(const NnLayers *layers, const NnBatch *batch, const NnTrace *trace, int t_prev, int n_prev)
{
	if (n_prev == 0)
		return NULL;
	return t_prev < 0 ? trace->c_first : trace->c + (size_t) batch->offset[t_prev] * (size_t) layers->hidden;
}

/* Rows of a state before the batch: a copy, as the caller's is overwritten with the state behind it. */
static NnStatus
keep_first_state(const NnLayers *layers, const NnBatch *batch, const NnState *state, int k,
				 NnArena *scratch, NnTrace *trace, NnError *err)
{
	size_t		n = (size_t) batch->n_sequences * (size_t) layers->hidden;

	trace->h_first = NN_TAKE(scratch, float, n);
	trace->c_first = (layers->cell == NN_CELL_LSTM) ? NN_TAKE(scratch, float, n) : NULL;
	if (trace->h_first == NULL || (layers->cell == NN_CELL_LSTM && trace->c_first == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(trace->h_first, state->h + (size_t) k * n, n * sizeof(float));
	if (trace->c_first != NULL)
		memcpy(trace->c_first, state->c + (size_t) k * n, n * sizeof(float));
	return NN_OK;
}

/* The state behind each sequence's last step; that of an empty one stays. */
static void
save_last_state(const NnLayers *layers, const NnBatch *batch, const NnTrace *trace, const float *h, int ldh,
				int k, NnState *state)
{
	size_t		H = (size_t) layers->hidden;

	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		size_t		row = (size_t) (batch->offset[batch->length[b] - 1] + b);
		size_t		at = ((size_t) k * (size_t) batch->n_sequences + (size_t) b) * H;

		memcpy(state->h + at, h + row * (size_t) ldh, H * sizeof(float));
		if (trace->c != NULL)
			memcpy(state->c + at, trace->c + row * H, H * sizeof(float));
	}
}

/* The state that the n rows of step t start from: that of t_prev, dropped out, zeros behind. */
static void
load_state(const NnLayers *layers, const NnBatch *batch, NnTrace *trace, const float *h, int ldh,
		   int t, int t_prev, int n_prev)
{
	size_t		H = (size_t) layers->hidden;
	int			n = batch->active[t];
	float	   *state = trace->h_prev + (size_t) (batch->offset[t] - trace->first_row) * H;

	if (t_prev < 0 && n_prev > 0)
		memcpy(state, trace->h_first, (size_t) n_prev * H * sizeof(float));
	else
		for (int b = 0; b < n_prev; b++)
			memcpy(state + (size_t) b * H, h + (size_t) (batch->offset[t_prev] + b) * (size_t) ldh,
				   H * sizeof(float));
	memset(state + (size_t) n_prev * H, 0, (size_t) (n - n_prev) * H * sizeof(float));
	if (trace->recurrent_mask != NULL)
		nn_mask_rows(n_prev, (int) H, trace->recurrent_mask, state, (int) H);
}

/* input: the rows of W_ih x + b; NULL: they are in the gates. */
static void
step_forward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, NnTrace *trace,
			 const float *const *input, float *h, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) layers->hidden;
	size_t		G = (size_t) layers->n_gates;
	size_t		row = (size_t) batch->offset[t];
	size_t		at = row - (size_t) trace->first_row;
	int			n = batch->active[t];
	int			n_prev = nn_rows_with_state(batch, trace, t, t_prev);
	float	   *gates = trace->gates + at * G;
	NnStart		start = {gates, G, input};
	float	   *h_t = h + row * (size_t) ldh;
	const float *h_prev = trace->h_prev + at * H;

	load_state(layers, batch, trace, h, ldh, t, t_prev, n_prev);
	switch (layers->cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step(n, n_prev, (int) H, h_prev, direction->packed_hh, start, gates,
						 nn_cells_before(layers, batch, trace, t_prev, n_prev),
						 trace->c + row * H, trace->tanh_c + at * H, h_t, ldh);
			break;
		case NN_CELL_GRU:
			nn_gru_step(n, n_prev, (int) H, h_prev, direction->packed_hh, direction->bias_hh->data,
						gates, trace->h_gates + at * 3 * H, h_t, ldh);
			break;
		default:
			nn_rnn_step(n, n_prev, (int) H, h_prev, direction->packed_hh, gates, h_t, ldh);
			break;
	}
}

static NnStatus
take_input_side(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, int k,
				const NnStack *stack, NnArena *scratch, NnInputSide *side, NnError *err)
{
	size_t		n_in = (size_t) direction->weight_ih->n_columns;

	memset(side, 0, sizeof(*side));
	if (k > 0 || layers->embedding == NULL)
	{
		side->input = stack->input[k];
		return NN_OK;
	}
	side->input = stack->embedded.input;
	if (nn_is_direct(batch))
	{
		side->gathered = NN_TAKE(scratch, float, (size_t) nn_stretch_rows(batch) * n_in);
		return side->gathered != NULL ? NN_OK : nn_fail(err, NN_ENOMEM, "out of memory");
	}
	side->projected = NN_TAKE(scratch, float, (size_t) batch->n_distinct * (size_t) layers->n_gates);
	if (layers->cell == NN_CELL_LSTM)
		side->rows = NN_TAKE(scratch, const float *, (size_t) batch->n_sequences);
	if (side->projected == NULL || (layers->cell == NN_CELL_LSTM && side->rows == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return project(layers, direction, batch->n_distinct, side->input, side->projected, scratch);
}

/* W_ih x + b of a stretch into its gates, unless the steps begin with them where they lie. */
static NnStatus
stretch_input(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch,
			  const NnStretch *stretch, const NnInputSide *side, float *gates, const NnArena *scratch)
{
	size_t		G = (size_t) layers->n_gates;
	int			n_in = direction->weight_ih->n_columns;
	const float *x = side->gathered;

	if (side->rows != NULL)
		return NN_OK;
	if (side->projected != NULL)
	{
		for (int r = 0; r < stretch->n_rows; r++)
			memcpy(gates + (size_t) r * G, side->projected + (size_t) batch->token[stretch->first_row + r] * G,
				   G * sizeof(float));
		return NN_OK;
	}
	if (side->gathered != NULL)
		nn_gather_inputs(batch, stretch, n_in, side->input, side->gathered);
	else
		x = side->input + (size_t) stretch->first_row * (size_t) n_in;
	return project(layers, direction, stretch->n_rows, x, gates, scratch);
}

NnStatus
nn_stretch_forward(const NnLayers *layers, const NnBatch *batch, int k, int d, int p, const NnStretch *stretch,
				   const NnStack *stack, NnTrace *trace, const NnArena *scratch)
{
	const NnDirection *direction = &layers->direction[k][d];
	const NnInputSide *side = &stack->side[k][d];
	size_t		G = (size_t) layers->n_gates;
	float	   *h = stack->output[k] + d * layers->hidden;
	int			ldh = layers->n_directions * layers->hidden;

	trace->first_row = trace->is_kept ? 0 : stretch->first_row;
	NN_TRY(stretch_input(layers, direction, batch, stretch, side,
						 trace->gates + (size_t) (stretch->first_row - trace->first_row) * G, scratch));
	for (int last = p + stretch->n_places; p < last; p++)
	{
		int			t,
					t_prev;

		nn_walk(batch, d, p, &t, &t_prev);
		NN_TRY(nn_arena_poll(scratch));
		for (int b = 0; side->rows != NULL && b < batch->active[t]; b++)
			side->rows[b] = side->projected + (size_t) batch->token[batch->offset[t] + b] * G;
		step_forward(layers, direction, batch, trace, side->rows, h, ldh, t, t_prev);
	}
	return NN_OK;
}

/* Direction d of layer k, a stretch after the other. */
static NnStatus
layer_forward(const NnLayers *layers, const NnBatch *batch, int k, int d, NnState *state,
			  NnArena *scratch, NnStack *stack, NnError *err)
{
	NnTrace    *trace = &stack->trace[k][d];

	if (state != NULL)
		NN_TRY(keep_first_state(layers, batch, state, k, scratch, trace, err));
	NN_TRY(take_input_side(layers, &layers->direction[k][d], batch, k, stack, scratch, &stack->side[k][d], err));
	for (int p = 0; p < batch->n_steps;)
	{
		NnStretch	stretch = nn_stretch(batch, d, p, 1);

		NN_TRY(nn_stretch_forward(layers, batch, k, d, p, &stretch, stack, trace, scratch));
		p += stretch.n_places;
	}
	if (state != NULL)
		save_last_state(layers, batch, trace, stack->output[k] + d * layers->hidden,
						layers->n_directions * layers->hidden, k, state);
	return NN_OK;
}

NnStatus
nn_stack_forward(const NnLayers *layers, const NnBatch *batch, const float *input, NnState *state,
				 const NnDropout *dropout, NnRng *rng, NnArena *scratch, NnStack *stack, NnError *err)
{
	int			ldh = layers->n_directions * layers->hidden;

	memset(stack, 0, sizeof(*stack));
	if (layers->embedding != NULL)
		NN_TRY(nn_embed_forward(layers, batch, dropout, rng, scratch, &stack->embedded, err));
	for (int k = 0; k < layers->n_layers; k++)
	{
		if (k > 0 || layers->embedding == NULL)
			NN_TRY(layer_input(layers, batch, k, k == 0 ? input : stack->output[k - 1], dropout, rng, scratch,
							   stack, err));
		stack->output[k] = NN_TAKE(scratch, float, (size_t) batch->n_rows * (size_t) ldh);
		if (stack->output[k] == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		for (int d = 0; d < layers->n_directions; d++)
		{
			NN_TRY(take_trace(layers, batch, dropout, rng, scratch, &stack->trace[k][d], err));
			NN_TRY(layer_forward(layers, batch, k, d, state, scratch, stack, err));
		}
	}
	return NN_OK;
}

/* Floats of the traces of all layers, at most: all rows, or of more rows than that those of a stretch. */
static double
trace_floats(const NnLayers *layers, bool is_training, double B, int64_t N)
{
	double		n_directions = layers->n_layers * layers->n_directions;
	double		width = (double) trace_width(layers);
	double		stretch = B > NN_STRETCH_ROWS ? B : NN_STRETCH_ROWS;
	double		n_kept = (double) N;

	if (is_training && !is_trace_kept(layers, N))
	{
		n_kept = (double) layers->n_trace_bytes / (4.0 * width * n_directions);
		n_kept = n_kept > stretch ? n_kept : stretch;
	}
	return n_directions * (n_kept * width + (double) N * layers->hidden * (layers->cell == NN_CELL_LSTM ? 1.0 : 0.0));
}

/* The arrays of both passes, added up as if every dropout were on. */
size_t
nn_stack_bytes(const NnLayers *layers, bool is_training, int64_t B, int64_t N, int64_t U)
{
	double		directions = layers->n_directions;
	double		H = layers->hidden;
	double		G = layers->n_gates;
	double		b = (double) B,
				n = (double) N,
				u = (double) U;
	double		states = 3.0 * b * H + (is_training ? 2.0 * b * H : 0.0);
	double		floats = u * 4.0 + trace_floats(layers, is_training, b, N);

	for (int k = 0; k < layers->n_layers; k++)
	{
		double		n_in = (k == 0) ? layers->n_in : directions * H;
		bool		is_distinct = k == 0 && layers->embedding != NULL;
		double		rows = is_distinct ? u : n;

		floats += directions * states + n * directions * H + rows * n_in * (is_training ? 3.0 : 1.0);
		/* sides of distinct tokens, of at most seven rows in ten; inputs of a stretch, and their gradients */
		floats += b * n_in + directions * 2.0 * n_in * (b + NN_STRETCH_ROWS);
		if (is_distinct)
			floats += directions * 2.0 * G * (u < 0.7 * n ? u : 0.7 * n);
	}
	return floats > 1e15 ? SIZE_MAX : (size_t) (floats * 4.0) + 65536;
}
