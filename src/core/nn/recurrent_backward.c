/*
 * nn/recurrent_backward.c: gradients of the recurrent stack.
 *
 * The walk of recurrent.c the other way round, a stretch after the other: first
 * the gradients da of its gates, step by step, then what they add to:
 *   dW_hh += da^T h_prev    dW_ih += da^T x    db += sum da    dx = da W_ih
 * Where the input side was computed once for each distinct token, da is summed by
 * token, in the order of the rows, and the last three follow at the end.
 *
 * Of a direction whose weights have no gradients only dx is computed (nn/slopes.c).
 */
#include "nn/recurrent_private.h"

#include <string.h>

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

/* Where the gradients of a layer's input sides go. */
typedef struct NnInputGradient
{
	const float *input;			/* (N, in), or of tokens (U, in) */
	float	   *d_input;		/* its gradient, or NULL: not asked for */
	bool		is_added;		/* is there one already? */
	float	   *d_distinct;		/* (U, G) da summed by distinct token, or NULL */
	float	   *gathered;		/* (rows of a stretch, in) of tokens, or NULL */
	float	   *d_gathered;
} NnInputGradient;

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
	const float *d_gates = back->d_h_gates + (size_t) (batch->offset[t] - trace->first_row) * (size_t) G;
	float	   *dh_prev = (t_prev < 0) ? NULL : dh + (size_t) batch->offset[t_prev] * (size_t) ldh;
	bool		is_added = layers->cell == NN_CELL_GRU; /* d_state holds dh * z */

	if (trace->recurrent_mask == NULL && !is_added && dh_prev != NULL)
	{
		nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, dh_prev, ldh, true);
		return;
	}
	nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, back->d_state, H, is_added);
	if (trace->recurrent_mask != NULL)
		nn_mask_rows(n_prev, H, trace->recurrent_mask, back->d_state, H);
	for (int b = 0; dh_prev != NULL && b < n_prev; b++)
		nn_axpy(H, 1.0f, back->d_state + (size_t) b * (size_t) H, dh_prev + (size_t) b * (size_t) ldh);
}

static void
step_backward(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch,
			  const NnTrace *trace, NnBackward *back, float *dh, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) layers->hidden;
	size_t		row = (size_t) batch->offset[t];
	size_t		at = row - (size_t) trace->first_row;
	size_t		G = (size_t) layers->n_gates;
	int			n = batch->active[t];
	int			n_prev = nn_rows_with_state(batch, trace, t, t_prev);
	const float *gates = trace->gates + at * G;
	const float *dh_t = dh + row * (size_t) ldh;

	switch (layers->cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step_backward(n, n_prev, (int) H, gates,
								  nn_cells_before(layers, batch, trace, t_prev, n_prev),
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

/* ---- gradients of the weights ------------------------------------------------------ */

static bool
has_gradients(const NnDirection *direction)
{
	return direction->weight_hh->grad != NULL;
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

/* dx (M, in) = or += d (M, G) W_ih. */
static NnStatus
send_to_input(const NnLayers *layers, const NnDirection *direction, int M, const float *d, float *dx, bool is_added,
			  const NnArena *scratch)
{
	int			G = layers->n_gates;
	int			n_in = direction->weight_ih->n_columns;
	int			n_part = nn_rows_per_poll(G, n_in);

	for (int first = 0; first < M; first += n_part)
	{
		int			n = M - first < n_part ? M - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm_packed(n, n_in, G, d + (size_t) first * (size_t) G, G, direction->packed_ih_back,
					   dx + (size_t) first * (size_t) n_in, n_in, is_added);
	}
	return NN_OK;
}

/* dW_ih and dx of M rows, whose input is x. */
static NnStatus
input_gradients(const NnLayers *layers, const NnDirection *direction, int M, const float *d, const float *x,
				float *dx, bool is_added, const NnArena *scratch)
{
	if (has_gradients(direction))
		NN_TRY(add_weight_gradient(layers->n_gates, direction->weight_ih->n_columns, M, d, x,
								   direction->weight_ih->grad, scratch));
	return dx == NULL ? NN_OK : send_to_input(layers, direction, M, d, dx, is_added, scratch);
}

/* Of tokens whose input sides were computed row by row. */
static NnStatus
gathered_gradients(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch,
				   const NnStretch *stretch, const float *d, const NnInputGradient *side, const NnArena *scratch)
{
	size_t		n_in = (size_t) direction->weight_ih->n_columns;

	nn_gather_inputs(batch, stretch, (int) n_in, side->input, side->gathered);
	NN_TRY(input_gradients(layers, direction, stretch->n_rows, d, side->gathered, side->d_gathered, false, scratch));
	for (int r = 0; r < stretch->n_rows; r++)
		nn_axpy((int64_t) n_in, 1.0f, side->d_gathered + (size_t) r * n_in,
				side->d_input + (size_t) batch->token[stretch->first_row + r] * n_in);
	return NN_OK;
}

/* What the rows of a stretch add to the gradients of weights, biases and inputs. */
static NnStatus
stretch_gradients(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, const NnTrace *trace,
				  const NnBackward *back, const NnStretch *stretch, const NnInputGradient *side,
				  const NnArena *scratch)
{
	size_t		G = (size_t) layers->n_gates;
	size_t		H = (size_t) layers->hidden;
	size_t		n_in = (size_t) direction->weight_ih->n_columns;
	size_t		first = (size_t) stretch->first_row;
	size_t		at = first - (size_t) trace->first_row;
	int			n = stretch->n_rows;
	const float *d = back->d_gates + at * G;
	const float *d_h = back->d_h_gates + at * G;

	if (has_gradients(direction))
	{
		NN_TRY(add_weight_gradient((int) G, (int) H, n, d_h, trace->h_prev + at * H, direction->weight_hh->grad,
								   scratch));
		nn_sum_rows(n, (int) G, d, (int) G, direction->bias_ih->grad);
		if (d_h != d)
			nn_sum_rows(n, (int) G, d_h, (int) G, direction->bias_hh->grad);
	}
	if (side->gathered != NULL)
		return gathered_gradients(layers, direction, batch, stretch, d, side, scratch);
	if (side->d_distinct == NULL)
		return input_gradients(layers, direction, n, d, side->input + first * n_in,
							   side->d_input == NULL ? NULL : side->d_input + first * n_in, side->is_added, scratch);
	for (int r = 0; r < n; r++)
		nn_axpy((int64_t) G, 1.0f, d + (size_t) r * G, side->d_distinct + (size_t) batch->token[first + (size_t) r] * G);
	return NN_OK;
}

/* ---- layers ------------------------------------------------------------------------- */

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

/*
 * Direction d of layer k: dh (N, directions * H) gets the whole gradient of each
 * of its states.  side NULL: no gradient of a weight is added to.
 */
static NnStatus
direction_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, int d, float *dh,
				   const NnInputGradient *side, NnBackward *back, NnArena *scratch, NnError *err)
{
	const NnDirection *direction = &layers->direction[k][d];
	NnTrace		trace = stack->trace[k][d];
	int			ldh = layers->n_directions * layers->hidden;

	NN_TRY(take_backward(layers, batch, &trace, scratch, back, err));
	for (int p = batch->n_steps - 1; p >= 0;)
	{
		NnStretch	stretch = nn_stretch(batch, d, p, -1);

		if (!trace.is_kept)
			NN_TRY(nn_stretch_forward(layers, batch, k, d, p - stretch.n_places + 1, &stretch, stack, &trace, scratch));
		for (int last = p - stretch.n_places; p > last; p--)
		{
			int			t,
						t_prev;

			nn_walk(batch, d, p, &t, &t_prev);
			NN_TRY(nn_arena_poll(scratch));
			step_backward(layers, direction, batch, &trace, back, dh + d * layers->hidden, ldh, t, t_prev);
		}
		if (side != NULL)
			NN_TRY(stretch_gradients(layers, direction, batch, &trace, back, &stretch, side, scratch));
	}
	return NN_OK;
}

NnStatus
nn_recurrence_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, int d,
					   float *d_output, NnArena *scratch, NnError *err)
{
	NnBackward	back;

	return direction_backward(layers, batch, stack, k, d, d_output, NULL, &back, scratch, err);
}

static NnStatus
take_input_gradient(const NnLayers *layers, const NnDirection *direction, const NnBatch *batch, const NnStack *stack,
					int k, float *dx, bool is_added, NnArena *scratch, NnInputGradient *side, NnError *err)
{
	size_t		n = (size_t) nn_stretch_rows(batch) * (size_t) direction->weight_ih->n_columns;

	memset(side, 0, sizeof(*side));
	side->d_input = dx;
	side->is_added = is_added;
	side->input = stack->input[k];
	if (k > 0 || layers->embedding == NULL)
		return NN_OK;
	side->input = stack->embedded.input;
	if (nn_is_direct(batch))
	{
		side->gathered = NN_TAKE(scratch, float, n);
		side->d_gathered = NN_TAKE(scratch, float, n);
	}
	else
		side->d_distinct = NN_ALLOC(scratch, float, (size_t) batch->n_distinct * (size_t) layers->n_gates);
	if (side->d_distinct == NULL && (side->gathered == NULL || side->d_gathered == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* One layer: dh (N, directions * H) -> weight gradients and dx, which begins as zeros if tokens are read. */
static NnStatus
layer_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, float *dh,
			   float *dx, NnState *d_state, NnArena *scratch, NnError *err)
{
	for (int d = 0; d < layers->n_directions; d++)
	{
		const NnDirection *direction = &layers->direction[k][d];
		NnInputGradient side;
		NnBackward	back;

		NN_TRY(take_input_gradient(layers, direction, batch, stack, k, dx, d > 0, scratch, &side, err));
		NN_TRY(direction_backward(layers, batch, stack, k, d, dh, &side, &back, scratch, err));
		/* but for gru both biases stand in the same sum: their gradients were, and stay, the same */
		if (back.d_h_gates == back.d_gates && has_gradients(direction))
			memcpy(direction->bias_hh->grad, direction->bias_ih->grad, (size_t) layers->n_gates * sizeof(float));
		if (d_state != NULL)
			save_first_gradient(layers, batch, &back, k, d_state);
		if (side.d_distinct != NULL)
			NN_TRY(input_gradients(layers, direction, batch->n_distinct, side.d_distinct, side.input, dx, d > 0,
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
			dx = NN_ALLOC(scratch, float, (size_t) n_rows * (size_t) n_in);
			if (dx == NULL)
				return nn_fail(err, NN_ENOMEM, "out of memory");
		}
		NN_TRY(layer_backward(layers, batch, stack, k, dh, dx, d_state, scratch, err));
		if (dx != NULL && stack->input_mask[k] != NULL)
			for (int t = 0; t < batch->n_steps; t++)
				nn_mask_rows(batch->active[t], n_in, stack->input_mask[k],
							 dx + (size_t) batch->offset[t] * (size_t) n_in, n_in);
		dh = dx;
	}
	return has_tokens ? nn_embed_backward(layers, batch, &stack->embedded, dh, scratch, err) : NN_OK;
}
