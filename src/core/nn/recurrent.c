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
 * The input side W_ih x + b is one product for the whole batch, for text one row
 * for each distinct token, copied to its places step by step.
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

/* Rows of step t that have a state from step t_prev. */
static int
rows_with_state(const NnBatch *batch, int t, int t_prev)
{
	if (t_prev < 0)
		return 0;
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

/* The embeddings of the batch's distinct tokens, with word-type and element dropout. */
static NnStatus
embed(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
	  NnArena *scratch, NnStack *stack, NnError *err)
{
	int			E = net->spec.embedding;
	size_t		n = (size_t) batch->n_distinct * (size_t) E;
	bool		failed = false;

	stack->distinct_input = NN_TAKE(scratch, float, n);
	if (stack->distinct_input == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (dropout != NULL && dropout->word > 0.0f)
	{
		stack->is_dropped = NN_ALLOC(scratch, bool, (size_t) batch->n_distinct);
		if (stack->is_dropped == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		for (int u = 0; u < batch->n_distinct; u++)
			stack->is_dropped[u] = nn_rng_uniform(rng) < dropout->word;
	}
	for (int u = 0; u < batch->n_distinct; u++)
	{
		float	   *x = stack->distinct_input + (size_t) u * (size_t) E;

		if (stack->is_dropped != NULL && stack->is_dropped[u])
			memset(x, 0, (size_t) E * sizeof(float));
		else
			memcpy(x, net->embedding->data + (size_t) batch->distinct[u] * (size_t) E,
				   (size_t) E * sizeof(float));
	}
	if (dropout != NULL)
	{
		stack->distinct_mask = nn_mask(scratch, rng, n, dropout->input, &failed);
		if (failed)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		if (stack->distinct_mask != NULL)
			nn_multiply((int64_t) n, stack->distinct_mask, stack->distinct_input);
	}
	return NN_OK;
}

/* Input rows of layer k (not text): the layer below or the series, after dropout. */
static NnStatus
layer_input(const NnNet *net, const NnBatch *batch, int k, const NnDropout *dropout, NnRng *rng,
			NnArena *scratch, NnStack *stack, NnError *err)
{
	int			n_in = (k == 0) ? net->spec.embedding : net->n_directions * net->spec.hidden;
	const float *below = (k == 0) ? batch->values : stack->output[k - 1];
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

/* Rows of a large product between two polls: about 2 GFLOP, some 20 ms. */
static int
rows_per_poll(int N, int K)
{
	double		rows = 1e9 / ((double) N * (double) K);

	return rows < 16.0 ? 16 : rows > 1e6 ? 1000000 : (int) rows;
}

/* x W_ih^T + b for M rows. */
static NnStatus
project(const NnNet *net, const NnDirection *direction, int M, const float *x, float *out,
		const NnArena *scratch)
{
	int			G = net->n_gates;
	int			n_in = direction->weight_ih->n_columns;
	int			n_part = rows_per_poll(G, n_in);

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
	int			n_part = rows_per_poll(G, K);

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
	int			n_part = rows_per_poll(G, K);

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
take_trace(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
		   NnArena *scratch, NnTrace *trace, NnError *err)
{
	size_t		N = (size_t) batch->n_rows;
	size_t		H = (size_t) net->spec.hidden;
	bool		failed = false;

	trace->gates = NN_TAKE(scratch, float, N * (size_t) net->n_gates);
	trace->h_prev = NN_TAKE(scratch, float, N * H);
	failed = trace->gates == NULL || trace->h_prev == NULL;
	if (net->spec.cell == NN_CELL_LSTM)
	{
		trace->c = NN_TAKE(scratch, float, N * H);
		trace->tanh_c = NN_TAKE(scratch, float, N * H);
		failed = failed || trace->c == NULL || trace->tanh_c == NULL;
	}
	if (net->spec.cell == NN_CELL_GRU)
	{
		trace->h_gates = NN_TAKE(scratch, float, N * 3 * H);
		failed = failed || trace->h_gates == NULL;
	}
	if (!failed && dropout != NULL)
		trace->recurrent_mask = nn_mask(scratch, rng, (size_t) batch->n_sequences * H,
										dropout->recurrent, &failed);
	return failed ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

/* The state that the n rows of step t start from: that of t_prev, dropped out, zeros behind. */
static void
load_state(const NnNet *net, const NnBatch *batch, NnTrace *trace, const float *h, int ldh,
		   int t, int t_prev, int n_prev)
{
	size_t		H = (size_t) net->spec.hidden;
	int			n = batch->active[t];
	float	   *state = trace->h_prev + (size_t) batch->offset[t] * H;

	for (int b = 0; b < n_prev; b++)
		memcpy(state + (size_t) b * H, h + (size_t) (batch->offset[t_prev] + b) * (size_t) ldh,
			   H * sizeof(float));
	memset(state + (size_t) n_prev * H, 0, (size_t) (n - n_prev) * H * sizeof(float));
	if (trace->recurrent_mask != NULL)
		mask_rows(n_prev, (int) H, trace->recurrent_mask, state, (int) H);
}

static void
step_forward(const NnNet *net, const NnDirection *direction, const NnBatch *batch, NnTrace *trace,
			 float *h, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) net->spec.hidden;
	size_t		at = (size_t) batch->offset[t];
	int			n = batch->active[t];
	int			n_prev = rows_with_state(batch, t, t_prev);
	float	   *gates = trace->gates + at * (size_t) net->n_gates;
	float	   *h_t = h + at * (size_t) ldh;
	const float *h_prev = trace->h_prev + at * H;

	load_state(net, batch, trace, h, ldh, t, t_prev, n_prev);
	switch (net->spec.cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step(n, n_prev, (int) H, h_prev, direction->packed_hh, gates,
						 (n_prev > 0) ? trace->c + (size_t) batch->offset[t_prev] * H : NULL,
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

/* projected: (U, G) for the first layer of text, whose rows are copied step by step; else NULL and gates are set. */
static NnStatus
direction_forward(const NnNet *net, const NnDirection *direction, const NnBatch *batch, int d,
				  const float *projected, NnTrace *trace, float *h, int ldh, const NnArena *scratch)
{
	size_t		G = (size_t) net->n_gates;

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
		step_forward(net, direction, batch, trace, h, ldh, t, t_prev);
	}
	return NN_OK;
}

NnStatus
nn_stack_forward(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
				 NnArena *scratch, NnStack *stack, NnError *err)
{
	const NnSpec *spec = &net->spec;
	bool		is_text = spec->input == NN_INPUT_TEXT;
	int			ldh = net->n_directions * spec->hidden;
	size_t		G = (size_t) net->n_gates;

	memset(stack, 0, sizeof(*stack));
	if (is_text)
		NN_TRY(embed(net, batch, dropout, rng, scratch, stack, err));
	for (int k = 0; k < spec->n_layers; k++)
	{
		bool		is_distinct = is_text && k == 0;

		if (!is_distinct)
			NN_TRY(layer_input(net, batch, k, dropout, rng, scratch, stack, err));
		stack->output[k] = NN_TAKE(scratch, float, (size_t) batch->n_rows * (size_t) ldh);
		if (stack->output[k] == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		for (int d = 0; d < net->n_directions; d++)
		{
			const NnDirection *direction = &net->direction[k][d];
			NnTrace    *trace = &stack->trace[k][d];
			float	   *projected = NULL;

			NN_TRY(take_trace(net, batch, dropout, rng, scratch, trace, err));
			if (is_distinct)
			{
				projected = NN_TAKE(scratch, float, (size_t) batch->n_distinct * G);
				if (projected == NULL)
					return nn_fail(err, NN_ENOMEM, "out of memory");
				NN_TRY(project(net, direction, batch->n_distinct, stack->distinct_input, projected, scratch));
			}
			else
				NN_TRY(project(net, direction, batch->n_rows, stack->input[k], trace->gates, scratch));
			NN_TRY(direction_forward(net, direction, batch, d, projected, trace,
									 stack->output[k] + d * spec->hidden, ldh, scratch));
		}
	}
	return NN_OK;
}

/* ---- backward ------------------------------------------------------------------- */

/* Gradients of one direction's gates. */
typedef struct NnBackward
{
	float	   *d_gates;		/* (N, G) of the input side */
	float	   *d_h_gates;		/* (N, G) of the recurrent side: d_gates itself but for gru */
	float	   *dc;				/* (B, H) lstm: of c, carried from step to step */
	float	   *d_state;		/* (B, H) of h_prev */
} NnBackward;

static NnStatus
take_backward(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnBackward *back, NnError *err)
{
	size_t		n_gates = (size_t) batch->n_rows * (size_t) net->n_gates;
	size_t		n_state = (size_t) batch->n_sequences * (size_t) net->spec.hidden;

	back->d_gates = NN_TAKE(scratch, float, n_gates);
	back->d_h_gates = (net->spec.cell == NN_CELL_GRU) ? NN_TAKE(scratch, float, n_gates) : back->d_gates;
	back->dc = NN_ALLOC(scratch, float, n_state);
	back->d_state = NN_TAKE(scratch, float, n_state);
	if (back->d_gates == NULL || back->d_h_gates == NULL || back->dc == NULL || back->d_state == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* dh_prev += d_h_gates W_hh for the rows that had a state; through the dropout mask. */
static void
send_back(const NnNet *net, const NnDirection *direction, const NnTrace *trace, NnBackward *back,
		  const NnBatch *batch, int t, int t_prev, int n_prev, float *dh, int ldh)
{
	int			H = net->spec.hidden;
	int			G = net->n_gates;
	const float *d_gates = back->d_h_gates + (size_t) batch->offset[t] * (size_t) G;
	float	   *dh_prev = dh + (size_t) batch->offset[t_prev] * (size_t) ldh;
	bool		is_added = net->spec.cell == NN_CELL_GRU;	/* d_state holds dh * z */

	if (trace->recurrent_mask == NULL && !is_added)
	{
		nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, dh_prev, ldh, true);
		return;
	}
	nn_gemm_packed(n_prev, H, G, d_gates, G, direction->packed_hh_back, back->d_state, H, is_added);
	if (trace->recurrent_mask != NULL)
		mask_rows(n_prev, H, trace->recurrent_mask, back->d_state, H);
	for (int b = 0; b < n_prev; b++)
		nn_axpy(H, 1.0f, back->d_state + (size_t) b * (size_t) H, dh_prev + (size_t) b * (size_t) ldh);
}

static void
step_backward(const NnNet *net, const NnDirection *direction, const NnBatch *batch,
			  const NnTrace *trace, NnBackward *back, float *dh, int ldh, int t, int t_prev)
{
	size_t		H = (size_t) net->spec.hidden;
	size_t		at = (size_t) batch->offset[t];
	size_t		G = (size_t) net->n_gates;
	int			n = batch->active[t];
	int			n_prev = rows_with_state(batch, t, t_prev);
	const float *gates = trace->gates + at * G;
	const float *dh_t = dh + at * (size_t) ldh;

	switch (net->spec.cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step_backward(n, n_prev, (int) H, gates,
								  (n_prev > 0) ? trace->c + (size_t) batch->offset[t_prev] * H : NULL,
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
		send_back(net, direction, trace, back, batch, t, t_prev, n_prev, dh, ldh);
}

/* dx (N, in) of a layer whose input is rows, added; NULL to skip. */
static NnStatus
weights_backward(const NnNet *net, NnDirection *direction, const NnBatch *batch, const NnTrace *trace,
				 const NnBackward *back, int n_in_rows, const float *x, const float *d_side, float *dx,
				 bool is_added, const NnArena *scratch)
{
	int			G = net->n_gates;
	int			H = net->spec.hidden;
	int			n_in = direction->weight_ih->n_columns;
	int			N = batch->n_rows;

	NN_TRY(add_weight_gradient(G, H, N, back->d_h_gates, trace->h_prev, direction->weight_hh->grad, scratch));
	nn_sum_rows(N, G, back->d_gates, G, direction->bias_ih->grad);
	nn_sum_rows(N, G, back->d_h_gates, G, direction->bias_hh->grad);
	NN_TRY(add_weight_gradient(G, n_in, n_in_rows, d_side, x, direction->weight_ih->grad, scratch));
	if (dx == NULL)
		return NN_OK;
	return send_to_input(G, n_in, n_in_rows, d_side, direction->weight_ih->data, dx, is_added, scratch);
}

/* Sum the gate gradients of each distinct token's rows, in the order of the rows: (U, G). */
static float *
gather_distinct(const NnNet *net, const NnBatch *batch, const float *d_gates, NnArena *scratch)
{
	size_t		G = (size_t) net->n_gates;
	float	   *sum = NN_ALLOC(scratch, float, (size_t) batch->n_distinct * G);

	if (sum != NULL)
		for (int r = 0; r < batch->n_rows; r++)
			nn_axpy((int64_t) G, 1.0f, d_gates + (size_t) r * G, sum + (size_t) batch->token[r] * G);
	return sum;
}

/* dx (U, E) of the distinct embeddings -> the rows of the table. */
static NnStatus
embedding_backward(NnNet *net, const NnBatch *batch, const NnStack *stack, float *dx,
				   NnArena *scratch, NnError *err)
{
	size_t		E = (size_t) net->spec.embedding;
	NnTouched  *touched = &net->touched_embedding;

	touched->rows = NN_TAKE(scratch, int32_t, (size_t) batch->n_distinct);
	if (touched->rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (stack->distinct_mask != NULL)
		nn_multiply((int64_t) ((size_t) batch->n_distinct * E), stack->distinct_mask, dx);
	for (int u = 0; u < batch->n_distinct; u++)
	{
		if (stack->is_dropped != NULL && stack->is_dropped[u])
			continue;
		nn_touch(touched, batch->distinct[u]);
		nn_axpy((int64_t) E, 1.0f, dx + (size_t) u * E,
				net->embedding->grad + (size_t) batch->distinct[u] * E);
	}
	return NN_OK;
}

/* One layer: dh (N, directions * H) -> weight gradients and dx. */
static NnStatus
layer_backward(NnNet *net, const NnBatch *batch, const NnStack *stack, int k, float *dh,
			   float *dx, NnArena *scratch, NnError *err)
{
	bool		is_distinct = net->spec.input == NN_INPUT_TEXT && k == 0;
	int			ldh = net->n_directions * net->spec.hidden;

	for (int d = 0; d < net->n_directions; d++)
	{
		NnDirection *direction = &net->direction[k][d];
		const NnTrace *trace = &stack->trace[k][d];
		NnBackward	back = {0};
		float	   *d_side;

		NN_TRY(take_backward(net, batch, scratch, &back, err));
		for (int p = batch->n_steps - 1; p >= 0; p--)
		{
			int			t,
						t_prev;

			walk(batch, d, p, &t, &t_prev);
			NN_TRY(nn_arena_poll(scratch));
			step_backward(net, direction, batch, trace, &back, dh + d * net->spec.hidden, ldh, t, t_prev);
		}
		d_side = is_distinct ? gather_distinct(net, batch, back.d_gates, scratch) : back.d_gates;
		if (d_side == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(weights_backward(net, direction, batch, trace, &back,
								is_distinct ? batch->n_distinct : batch->n_rows,
								is_distinct ? stack->distinct_input : stack->input[k], d_side, dx, d > 0,
								scratch));
	}
	return NN_OK;
}

NnStatus
nn_stack_backward(NnNet *net, const NnBatch *batch, const NnStack *stack, float *d_output,
				  NnArena *scratch, NnError *err)
{
	bool		is_text = net->spec.input == NN_INPUT_TEXT;
	float	   *dh = d_output;

	for (int k = net->spec.n_layers - 1; k >= 0; k--)
	{
		int			n_in = net->direction[k][0].weight_ih->n_columns;
		int			n_rows = (is_text && k == 0) ? batch->n_distinct : batch->n_rows;
		float	   *dx = NULL;

		/* nobody asks for the gradient of a series */
		if (k > 0 || is_text)
		{
			dx = NN_TAKE(scratch, float, (size_t) n_rows * (size_t) n_in);
			if (dx == NULL)
				return nn_fail(err, NN_ENOMEM, "out of memory");
		}
		NN_TRY(layer_backward(net, batch, stack, k, dh, dx, scratch, err));
		if (k > 0 && stack->input_mask[k] != NULL)
			for (int t = 0; t < batch->n_steps; t++)
				mask_rows(batch->active[t], n_in, stack->input_mask[k],
						  dx + (size_t) batch->offset[t] * (size_t) n_in, n_in);
		dh = dx;
	}
	return is_text ? embedding_backward(net, batch, stack, dh, scratch, err) : NN_OK;
}
