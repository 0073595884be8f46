/*
 * nn/recurrent.c: the recurrent stack over a packed batch.
 *
 * Layer k, direction d turns its input x (N, in) into h (N, H), written into
 * columns dH ... dH + H - 1 of the layer's output (N, directions * H).
 *
 * Forward.  Step t has rows offset[t] ... offset[t + 1] - 1.  The forward
 * direction walks t = 0, 1, ...; since sequences only end, every row of a step
 * had a state in the step before.  The backward direction walks t = T - 1, ...;
 * there sequences only begin, and the rows beyond those of the step before start
 * with zeros (n_prev of nn_*_step).  Either way row b of a step is sequence b, so
 * the state of the step before is a run of rows: nothing is ever gathered.
 *
 * The input side W_ih x + b is one product for the whole batch, for tokens one row
 * for each distinct one (nn/embed.c), copied to its places step by step.
 *
 * A forward stack may begin in a given state (NnState) and leaves there the one it
 * ends in: text that goes on from batch to batch, a decoder that begins where the
 * encoder ended, a generator that takes one step at a time.
 *
 * Backward walks the same steps the other way round, collects the gradients of
 * the gates (N, G), and ends with products over all rows:
 *   dW_hh += da^T h_prev    dW_ih += da^T x    db += sum da    dx = da W_ih
 */
#include "nn/net_private.h"

#include <string.h>

/* The step at place p of a direction's walk, and the step before it in that walk (-1: none). */
static void
walk(const NnBatch *batch, int d, int p, int *t, int *t_prev)
{
	*t = (d == 0) ? p : batch->n_steps - 1 - p;
	*t_prev = (p == 0) ? -1 : (d == 0) ? p - 1 : *t + 1;
}

/* Rows of step t that have a state from step t_prev; all of the first step, if there was one before the batch. */
static int
rows_with_state(const NnBatch *batch, const NnTrace *trace, int t, int t_prev)
{
	if (t_prev < 0)
		return trace->h_first != NULL ? batch->active[t] : 0;
	return batch->active[t] < batch->active[t_prev] ? batch->active[t] : batch->active[t_prev];
}

/* Multiply each row of step t by its sequence's mask. */
static void
mask_rows(int n, int width, const float *mask, float *x, int ldx)
{
	for (int b = 0; b < n; b++)
		nn_multiply(width, mask + (size_t) b * (size_t) width, x + (size_t) b * (size_t) ldx);
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
		mask_rows(batch->active[t], n_in, stack->input_mask[k],
				  stack->input[k] + (size_t) batch->offset[t] * (size_t) n_in, n_in);
	return NN_OK;
}

/* Rows whose sums are still in the L2 cache when the product is added to their bias. */
#define PROJECT_ROWS 96

/* x W_ih^T + b for M rows. */
static NnStatus
project(const NnLayers *layers, const NnDirection *direction, int M, const float *x, float *out,
		const NnArena *scratch)
{
	int			G = layers->n_gates;
	int			n_in = direction->weight_ih->n_columns;
	int			n_poll = nn_rows_per_poll(G, n_in);
	int			n_part = n_poll < PROJECT_ROWS ? n_poll : PROJECT_ROWS;

	for (int first = 0; first < M; first += n_part)
	{
		int			n = M - first < n_part ? M - first : n_part;
		float	   *part = out + (size_t) first * (size_t) G;

		NN_TRY(nn_arena_poll(scratch));
		for (int m = 0; m < n; m++)
			memcpy(part + (size_t) m * (size_t) G, direction->bias, (size_t) G * sizeof(float));
		nn_gemm_packed(n, G, n_in, x + (size_t) first * (size_t) n_in, n_in, direction->packed_ih,
					   part, G, true);
	}
	return NN_OK;
}

/* grad (G, K) += d^T x over M rows. */
static NnStatus
add_weight_gradient(int G, int K, int M, const float *d, const float *x, float *grad,
					const NnArena *scratch)
{
	int			n_part = nn_rows_per_poll(G, K);

	for (int first = 0; first < M; first += n_part)
	{
		int			n = M - first < n_part ? M - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm(true, false, G, K, n, d + (size_t) first * (size_t) G, G,
				x + (size_t) first * (size_t) K, K, grad, K, true);
	}
	return NN_OK;
}

/* dx (M, K) = or += d (M, G) W. */
static NnStatus
send_to_input(int G, int K, int M, const float *d, const float *W, float *dx, bool is_added,
			  const NnArena *scratch)
{
	int			n_part = nn_rows_per_poll(G, K);

	for (int first = 0; first < M; first += n_part)
	{
		int			n = M - first < n_part ? M - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm(false, false, n, K, G, d + (size_t) first * (size_t) G, G, W, K,
				dx + (size_t) first * (size_t) K, K, is_added);
	}
	return NN_OK;
}

/* ---- forward ------------------------------------------------------------------ */

static NnStatus
take_trace(const NnLayers *layers, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
		   NnArena *scratch, NnTrace *trace, NnError *err)
{
	size_t		N = (size_t) batch->n_rows;
	size_t		H = (size_t) layers->hidden;
	bool		failed = false;

	trace->gates = NN_TAKE(scratch, float, N * (size_t) layers->n_gates);
	trace->h_prev = NN_TAKE(scratch, float, N * H);
	failed = trace->gates == NULL || trace->h_prev == NULL;
	if (layers->cell == NN_CELL_LSTM)
	{
		trace->c = NN_TAKE(scratch, float, N * H);
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
	float	   *state = trace->h_prev + (size_t) batch->offset[t] * H;

	if (t_prev < 0 && n_prev > 0)
		memcpy(state, trace->h_first, (size_t) n_prev * H * sizeof(float));
	else
		for (int b = 0; b < n_prev; b++)
			memcpy(state + (size_t) b * H, h + (size_t) (batch->offset[t_prev] + b) * (size_t) ldh,
				   H * sizeof(float));
	memset(state + (size_t) n_prev * H, 0, (size_t) (n - n_prev) * H * sizeof(float));
	if (trace->recurrent_mask != NULL)
		mask_rows(n_prev, (int) H, trace->recurrent_mask, state, (int) H);
}

/* Cells of the step before, of the rows that had one. */
static const float *
cells_before(const NnLayers *layers, const NnBatch *batch, const NnTrace *trace, int t_prev, int n_prev)
{
	if (n_prev == 0)
		return NULL;
	return t_prev < 0 ? trace->c_first : trace->c + (size_t) batch->offset[t_prev] * (size_t) layers->hidden;
}

static void
step_forward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, NnTrace *trace,
			 float *h, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) layers->hidden;
	size_t		at = (size_t) batch->offset[t];
	int			n = batch->active[t];
	int			n_prev = rows_with_state(batch, trace, t, t_prev);
	float	   *gates = trace->gates + at * (size_t) layers->n_gates;
	float	   *h_t = h + at * (size_t) ldh;
	const float *h_prev = trace->h_prev + at * H;

	load_state(layers, batch, trace, h, ldh, t, t_prev, n_prev);
	switch (layers->cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step(n, n_prev, (int) H, h_prev, direction->packed_hh, gates,
						 cells_before(layers, batch, trace, t_prev, n_prev),
						 trace->c + at * H, trace->tanh_c + at * H, h_t, ldh);
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

/* projected: (U, G) of distinct tokens, whose rows are copied step by step; else NULL and gates are set. */
static NnStatus
direction_forward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, int d,
				  const float *projected, NnTrace *trace, float *h, int ldh, const NnArena *scratch)
{
	size_t		G = (size_t) layers->n_gates;

	for (int p = 0; p < batch->n_steps; p++)
	{
		int			t,
					t_prev;

		walk(batch, d, p, &t, &t_prev);
		if (projected != NULL)
			for (int r = batch->offset[t]; r < batch->offset[t + 1]; r++)
				memcpy(trace->gates + (size_t) r * G, projected + (size_t) batch->token[r] * G,
					   G * sizeof(float));
		NN_TRY(nn_arena_poll(scratch));
		step_forward(layers, direction, batch, trace, h, ldh, t, t_prev);
	}
	return NN_OK;
}

/* Direction d of layer k: its input side into the gates, then its steps. */
static NnStatus
layer_forward(const NnLayers *layers, const NnBatch *batch, int k, int d, NnState *state,
			  NnArena *scratch, NnStack *stack, NnError *err)
{
	const NnDirection *direction = &layers->direction[k][d];
	NnTrace    *trace = &stack->trace[k][d];
	float	   *h = stack->output[k] + d * layers->hidden;
	int			ldh = layers->n_directions * layers->hidden;
	float	   *projected = NULL;

	if (state != NULL)
		NN_TRY(keep_first_state(layers, batch, state, k, scratch, trace, err));
	if (k == 0 && layers->embedding != NULL)
	{
		projected = NN_TAKE(scratch, float, (size_t) batch->n_distinct * (size_t) layers->n_gates);
		if (projected == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(project(layers, direction, batch->n_distinct, stack->embedded.input, projected, scratch));
	}
	else
		NN_TRY(project(layers, direction, batch->n_rows, stack->input[k], trace->gates, scratch));
	NN_TRY(direction_forward(layers, direction, batch, d, projected, trace, h, ldh, scratch));
	if (state != NULL)
		save_last_state(layers, batch, trace, h, ldh, k, state);
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

/* ---- backward ------------------------------------------------------------------- */

/*
 * Gradients of one direction's gates.  They take the places of the trace's gates,
 * which nothing reads once their step is done: half the memory, and half of what
 * passes through the caches.
 */
typedef struct NnBackward
{
	float	   *d_gates;		/* (N, G) of the input side */
	float	   *d_h_gates;		/* (N, G) of the recurrent side: d_gates itself but for gru */
	float	   *dc;				/* (B, H) lstm: of c, carried from step to step */
	float	   *d_state;		/* (B, H) of h_prev */
} NnBackward;

static NnStatus
take_backward(const NnLayers *layers, const NnBatch *batch, const NnTrace *trace, NnArena *scratch,
			  NnBackward *back, NnError *err)
{
	size_t		n_state = (size_t) batch->n_sequences * (size_t) layers->hidden;

	back->d_gates = trace->gates;
	back->d_h_gates = (layers->cell == NN_CELL_GRU) ? trace->h_gates : trace->gates;
	back->dc = NN_ALLOC(scratch, float, n_state);
	back->d_state = NN_TAKE(scratch, float, n_state);
	if (back->dc == NULL || back->d_state == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/*
 * dh_prev += d_h_gates W_hh for the rows that had a state; through the dropout
 * mask.  The gradient of a state before the batch stays in back->d_state.
 */
static void
send_back(const NnLayers *layers, const NnDirection *direction, const NnTrace *trace, NnBackward *back,
		  const NnBatch *batch, int t, int t_prev, int n_prev, float *dh, int ldh)
{
	int			H = layers->hidden;
	int			G = layers->n_gates;
	const float *d_gates = back->d_h_gates + (size_t) batch->offset[t] * (size_t) G;
	float	   *dh_prev = (t_prev < 0) ? NULL : dh + (size_t) batch->offset[t_prev] * (size_t) ldh;
	bool		is_added = layers->cell == NN_CELL_GRU; /* d_state holds dh * z */

	if (trace->recurrent_mask == NULL && !is_added && dh_prev != NULL)
	{
		nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, dh_prev, ldh, true);
		return;
	}
	nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, back->d_state, H, is_added);
	if (trace->recurrent_mask != NULL)
		mask_rows(n_prev, H, trace->recurrent_mask, back->d_state, H);
	for (int b = 0; dh_prev != NULL && b < n_prev; b++)
		nn_axpy(H, 1.0f, back->d_state + (size_t) b * (size_t) H, dh_prev + (size_t) b * (size_t) ldh);
}

static void
step_backward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch,
			  const NnTrace *trace, NnBackward *back, float *dh, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) layers->hidden;
	size_t		at = (size_t) batch->offset[t];
	size_t		G = (size_t) layers->n_gates;
	int			n = batch->active[t];
	int			n_prev = rows_with_state(batch, trace, t, t_prev);
	const float *gates = trace->gates + at * G;
	const float *dh_t = dh + at * (size_t) ldh;

	switch (layers->cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step_backward(n, n_prev, (int) H, gates,
								  cells_before(layers, batch, trace, t_prev, n_prev),
								  trace->tanh_c + at * H, dh_t, ldh, back->dc, back->d_gates + at * G);
			break;
		case NN_CELL_GRU:
			memset(back->d_state, 0, (size_t) n_prev * H * sizeof(float));
			nn_gru_step_backward(n, n_prev, (int) H, gates, trace->h_gates + at * 3 * H,
								 trace->h_prev + at * H, dh_t, ldh, back->d_gates + at * G,
								 back->d_h_gates + at * G, back->d_state, (int) H);
			break;
		default:
			nn_rnn_step_backward(n, (int) H, gates, dh_t, ldh, back->d_gates + at * G);
			break;
	}
	if (n_prev > 0)
		send_back(layers, direction, trace, back, batch, t, t_prev, n_prev, dh, ldh);
}

/* dx (N, in) of a layer whose input is rows, added; NULL to skip. */
static NnStatus
weights_backward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, const NnTrace *trace,
				 const NnBackward *back, int n_in_rows, const float *x, const float *d_side, float *dx,
				 bool is_added, const NnArena *scratch)
{
	int			G = layers->n_gates;
	int			H = layers->hidden;
	int			n_in = direction->weight_ih->n_columns;
	int			N = batch->n_rows;

	NN_TRY(add_weight_gradient(G, H, N, back->d_h_gates, trace->h_prev, direction->weight_hh->grad, scratch));
	nn_sum_rows(N, G, back->d_gates, G, direction->bias_ih->grad);
	/* but for gru both biases stand in the same sum: their gradients were, and stay, the same */
	if (back->d_h_gates == back->d_gates)
		memcpy(direction->bias_hh->grad, direction->bias_ih->grad, (size_t) G * sizeof(float));
	else
		nn_sum_rows(N, G, back->d_h_gates, G, direction->bias_hh->grad);
	NN_TRY(add_weight_gradient(G, n_in, n_in_rows, d_side, x, direction->weight_ih->grad, scratch));
	if (dx == NULL)
		return NN_OK;
	return send_to_input(G, n_in, n_in_rows, d_side, direction->weight_ih->data, dx, is_added, scratch);
}

/* Sum the gate gradients of each distinct token's rows, in the order of the rows: (U, G). */
static float *
gather_distinct(const NnLayers *layers, const NnBatch *batch, const float *d_gates, NnArena *scratch)
{
	size_t		G = (size_t) layers->n_gates;
	float	   *sum = NN_ALLOC(scratch, float, (size_t) batch->n_distinct * G);

	if (sum != NULL)
		for (int r = 0; r < batch->n_rows; r++)
			nn_axpy((int64_t) G, 1.0f, d_gates + (size_t) r * G, sum + (size_t) batch->token[r] * G);
	return sum;
}

/* Gradients of the state before the batch, left by the last (first) step of the walk. */
static void
save_first_gradient(const NnLayers *layers, const NnBatch *batch, const NnBackward *back, int k,
					NnState *d_state)
{
	size_t		n = (size_t) batch->n_sequences * (size_t) layers->hidden;
	size_t		n_begun = (batch->n_steps > 0) ? (size_t) batch->active[0] * (size_t) layers->hidden : 0;

	memcpy(d_state->h + (size_t) k * n, back->d_state, n_begun * sizeof(float));
	memset(d_state->h + (size_t) k * n + n_begun, 0, (n - n_begun) * sizeof(float));
	if (layers->cell == NN_CELL_LSTM)
		memcpy(d_state->c + (size_t) k * n, back->dc, n * sizeof(float));
}

/* The steps of direction d of layer k: dh (N, directions * H) gets the whole gradient of each of its states. */
static NnStatus
direction_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, int d, float *dh,
				   NnBackward *back, NnArena *scratch, NnError *err)
{
	int			ldh = layers->n_directions * layers->hidden;

	NN_TRY(take_backward(layers, batch, &stack->trace[k][d], scratch, back, err));
	for (int p = batch->n_steps - 1; p >= 0; p--)
	{
		int			t,
					t_prev;

		walk(batch, d, p, &t, &t_prev);
		NN_TRY(nn_arena_poll(scratch));
		step_backward(layers, &layers->direction[k][d], batch, &stack->trace[k][d], back,
					  dh + d * layers->hidden, ldh, t, t_prev);
	}
	return NN_OK;
}

NnStatus
nn_recurrence_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, int d,
					   float *d_output, NnArena *scratch, NnError *err)
{
	NnBackward	back;

	return direction_backward(layers, batch, stack, k, d, d_output, &back, scratch, err);
}

/* One layer: dh (N, directions * H) -> weight gradients and dx. */
static NnStatus
layer_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, float *dh,
			   float *dx, NnState *d_state, NnArena *scratch, NnError *err)
{
	bool		is_distinct = k == 0 && layers->embedding != NULL;

	for (int d = 0; d < layers->n_directions; d++)
	{
		const NnDirection *direction = &layers->direction[k][d];
		const NnTrace *trace = &stack->trace[k][d];
		NnBackward	back;
		float	   *d_side;

		NN_TRY(direction_backward(layers, batch, stack, k, d, dh, &back, scratch, err));
		if (d_state != NULL)
			save_first_gradient(layers, batch, &back, k, d_state);
		d_side = is_distinct ? gather_distinct(layers, batch, back.d_gates, scratch) : back.d_gates;
		if (d_side == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(weights_backward(layers, direction, batch, trace, &back,
								is_distinct ? batch->n_distinct : batch->n_rows,
								is_distinct ? stack->embedded.input : stack->input[k], d_side, dx, d > 0,
								scratch));
	}
	return NN_OK;
}

NnStatus
nn_stack_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, float *d_output,
				  float *d_input, NnState *d_state, NnArena *scratch, NnError *err)
{
	bool		has_tokens = layers->embedding != NULL;
	float	   *dh = d_output;

	for (int k = layers->n_layers - 1; k >= 0; k--)
	{
		int			n_in = layers->direction[k][0].weight_ih->n_columns;
		int			n_rows = (has_tokens && k == 0) ? batch->n_distinct : batch->n_rows;
		float	   *dx = (k == 0 && !has_tokens) ? d_input : NULL;

		if (k > 0 || has_tokens)
		{
			dx = NN_TAKE(scratch, float, (size_t) n_rows * (size_t) n_in);
			if (dx == NULL)
				return nn_fail(err, NN_ENOMEM, "out of memory");
		}
		NN_TRY(layer_backward(layers, batch, stack, k, dh, dx, d_state, scratch, err));
		if (dx != NULL && stack->input_mask[k] != NULL)
			for (int t = 0; t < batch->n_steps; t++)
				mask_rows(batch->active[t], n_in, stack->input_mask[k],
						  dx + (size_t) batch->offset[t] * (size_t) n_in, n_in);
		dh = dx;
	}
	return has_tokens ? nn_embed_backward(layers, batch, &stack->embedded, dh, scratch, err) : NN_OK;
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
	double		trace = n * (G + 4.0 * H + (layers->cell == NN_CELL_GRU ? G : 0.0)) + 3.0 * b * H;
	double		back = is_training ? 2.0 * b * H : 0.0;
	double		floats = u * 4.0;

	for (int k = 0; k < layers->n_layers; k++)
	{
		double		n_in = (k == 0) ? layers->n_in : directions * H;
		bool		is_distinct = k == 0 && layers->embedding != NULL;
		double		rows = is_distinct ? u : n;

		floats += directions * (trace + back) + n * directions * H + rows * n_in * (is_training ? 3.0 : 1.0);
		floats += b * n_in + (is_distinct ? directions * u * G * 2.0 : 0.0);
	}
	return floats > 1e15 ? SIZE_MAX : (size_t) (floats * 4.0) + 65536;
}
