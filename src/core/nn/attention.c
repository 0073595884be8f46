/*
 * nn/attention.c: Luong's general attention over packed batches.
 *
 * Forward, with H (N, D) the target's rows and S (S, D) the states of one source:
 *   Q = H W                      one product for the whole batch
 *   A = softmax(Q_r S^T)         for the rows r that look at this source
 *   C_r = A S
 * Backward, with dC and perhaps a gradient dA' of the weights themselves:
 *   dA = dC_r S^T + dA'          dE = A * (dA - rowsum(A * dA))
 *   dQ_r = dE S                  dS += A^T dC_r + dE^T Q_r
 *   dH += dQ W^T                 dW += H^T dQ
 *
 * The steps of a sequence lie spread over a packed batch, so the states of a
 * source and the rows that look at it are first copied together.  All target
 * sequences that share a source (the hypotheses of a beam) are taken together.
 * Copying is a twentieth of the time, and the three products with W are four
 * fifths, at D = 512 and 13 steps on either side.
 *
 * The forward pass computes with nn_gemm_packed() and nn_softmax_rows() only,
 * both of which treat every row by itself: a pair's results do not depend on its
 * batch (promise P2).
 */
#include "nn/net_private.h"

#include <string.h>
#include "kern/kern.h"

/* Target rows taken together: enough to use a packed source well, few enough for the caches. */
#define ROWS_AT_ONCE	64

/* Target rows, ordered by the source they look at. */
typedef struct Groups
{
	int32_t    *start;			/* (sources + 1) where the rows of a source begin */
	int32_t    *row;			/* (N_target) */
	int			max_steps;		/* of a source that is looked at */
} Groups;

/* Blocks for one source, and for some of its rows; R = ROWS_AT_ONCE. */
typedef struct Forward
{
	float	   *states;			/* (S, D) */
	float	   *packed_scores;	/* the states for x S^T */
	float	   *packed_context; /* the states for x S */
	float	   *rows;			/* (R, D) first queries, then contexts */
	float	   *weight;			/* (R, S) */
} Forward;

typedef struct Backward
{
	float	   *states;			/* (S, D) */
	float	   *d_states;		/* (S, D) */
	float	   *rows;			/* (2 R, D) gradients of contexts, then queries */
	float	   *d_rows;			/* (R, D) gradients of queries */
	float	   *weight;			/* (R, S) */
	float	   *d_weight;		/* (R, S), then of the scores */
	float	   *mixed;			/* (S, 2 R) both, transposed */
	float	   *d_query;		/* (N_target, D) of the whole batch */
} Backward;

/* ---- rows and blocks ---------------------------------------------------------- */

static NnStatus
no_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* A matrix in scratch, not cleared. */
static float *
take_matrix(NnArena *scratch, int64_t n_rows, int64_t n_columns)
{
	return NN_TAKE(scratch, float, nn_size_mul((size_t) n_rows, (size_t) n_columns));
}

/* Sort the target's rows by source: count, add up, place. */
static NnStatus
group_rows(const NnBatch *target, const NnBatch *source, const int32_t *source_of,
		   NnArena *scratch, Groups *groups, NnError *err)
{
	int32_t    *at;

	groups->start = NN_ALLOC(scratch, int32_t, (size_t) source->n_sequences + 1);
	groups->row = NN_TAKE(scratch, int32_t, (size_t) target->n_rows);
	at = NN_TAKE(scratch, int32_t, (size_t) source->n_sequences + 1);
	groups->max_steps = 0;
	if (groups->start == NULL || groups->row == NULL || at == NULL)
		return no_memory(err);
	for (int b = 0; b < target->n_sequences && target->length[b] > 0; b++)
	{
		int			steps = source->length[source_of[b]];

		groups->start[source_of[b] + 1] += target->length[b];
		groups->max_steps = steps > groups->max_steps ? steps : groups->max_steps;
	}
	for (int s = 0; s < source->n_sequences; s++)
		groups->start[s + 1] += groups->start[s];
	memcpy(at, groups->start, ((size_t) source->n_sequences + 1) * sizeof(int32_t));
	for (int t = 0; t < target->n_steps; t++)
		for (int b = 0; b < target->active[t]; b++)
			groups->row[at[source_of[b]]++] = target->offset[t] + b;
	return NN_OK;
}

/* The states of one source together. */
static void
gather_states(const NnBatch *source, int number, int D, const float *s, float *states)
{
	for (int t = 0; t < source->length[number]; t++)
		memcpy(states + (size_t) t * (size_t) D,
			   s + (size_t) (source->offset[t] + number) * (size_t) D, (size_t) D * sizeof(float));
}

static void
gather_rows(int n, const int32_t *row, int D, const float *from, float *to)
{
	for (int i = 0; i < n; i++)
		memcpy(to + (size_t) i * (size_t) D, from + (size_t) row[i] * (size_t) D,
			   (size_t) D * sizeof(float));
}

static void
scatter_rows(int n, const int32_t *row, int D, const float *from, float *to)
{
	for (int i = 0; i < n; i++)
		memcpy(to + (size_t) row[i] * (size_t) D, from + (size_t) i * (size_t) D,
			   (size_t) D * sizeof(float));
}

/* Rows that look at an empty source. */
static void
clear_rows(int n, const int32_t *row, int D, float *to)
{
	for (int i = 0; i < n; i++)
		memset(to + (size_t) row[i] * (size_t) D, 0, (size_t) D * sizeof(float));
}

/* ---- forward ------------------------------------------------------------------- */

/* Where each row's weights begin, and room for weights and queries. */
static NnStatus
take_attention(const NnBatch *target, const NnBatch *source, const int32_t *source_of, int D,
			   NnArena *scratch, NnAttention *attention, NnError *err)
{
	int64_t		n = 0;

	attention->start = NN_TAKE(scratch, int64_t, (size_t) target->n_rows + 1);
	if (attention->start == NULL)
		return no_memory(err);
	for (int t = 0; t < target->n_steps; t++)
	{
		for (int b = 0; b < target->active[t]; b++)
		{
			attention->start[target->offset[t] + b] = n;
			n += source->length[source_of[b]];
		}
	}
	attention->start[target->n_rows] = n;
	attention->weight = take_matrix(scratch, n, 1);
	attention->query = take_matrix(scratch, target->n_rows, D);
	if (attention->weight == NULL || attention->query == NULL)
		return no_memory(err);
	return NN_OK;
}

static NnStatus
take_forward(int S, int D, NnArena *scratch, Forward *forward, NnError *err)
{
	forward->states = take_matrix(scratch, S, D);
	forward->packed_scores = NN_TAKE(scratch, float, nn_pack_floats(D, S));
	forward->packed_context = NN_TAKE(scratch, float, nn_pack_floats(S, D));
	forward->rows = take_matrix(scratch, ROWS_AT_ONCE, D);
	forward->weight = take_matrix(scratch, ROWS_AT_ONCE, S);
	if (forward->states == NULL || forward->packed_scores == NULL || forward->packed_context == NULL ||
		forward->rows == NULL || forward->weight == NULL)
		return no_memory(err);
	return NN_OK;
}

/* Q = H W */
static NnStatus
project_queries(int N, int D, const float *h, const float *packed_W, float *query, const NnArena *scratch)
{
	int			n_part = nn_rows_per_poll(D, D);

	for (int first = 0; first < N; first += n_part)
	{
		size_t		at = (size_t) first * (size_t) D;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm_packed(N - first < n_part ? N - first : n_part, D, D, h + at, D, packed_W, query + at, D, false);
	}
	return NN_OK;
}

/* Weights and contexts of n rows that look at the source of S steps, now in forward. */
static NnStatus
attend(int n, const int32_t *row, int S, int D, Forward *forward,
	   const NnAttention *attention, float *context, const NnArena *scratch)
{
	NN_TRY(nn_arena_poll(scratch));
	gather_rows(n, row, D, attention->query, forward->rows);
	nn_gemm_packed(n, S, D, forward->rows, D, forward->packed_scores, forward->weight, S, false);
	nn_softmax_rows(n, S, forward->weight, S);
	for (int i = 0; i < n; i++)
		memcpy(attention->weight + attention->start[row[i]], forward->weight + (size_t) i * (size_t) S,
			   (size_t) S * sizeof(float));
	NN_TRY(nn_arena_poll(scratch));
	nn_gemm_packed(n, D, S, forward->weight, S, forward->packed_context, forward->rows, D, false);
	scatter_rows(n, row, D, forward->rows, context);
	return NN_OK;
}

NnStatus
nn_attention_forward(const NnBatch *target, const NnBatch *source, const int32_t *source_of,
					 int D, const float *h, const float *s, const float *packed_W,
					 NnArena *scratch, NnAttention *attention, float *context, NnError *err)
{
	Groups		groups;
	Forward		forward;

	NN_TRY(take_attention(target, source, source_of, D, scratch, attention, err));
	NN_TRY(group_rows(target, source, source_of, scratch, &groups, err));
	NN_TRY(take_forward(groups.max_steps, D, scratch, &forward, err));
	NN_TRY(project_queries(target->n_rows, D, h, packed_W, attention->query, scratch));
	for (int b = 0; b < source->n_sequences; b++)
	{
		const int32_t *row = groups.row + groups.start[b];
		int			n_rows = groups.start[b + 1] - groups.start[b];
		int			S = source->length[b];

		if (S == 0)
			clear_rows(n_rows, row, D, context);
		if (S == 0 || n_rows == 0)
			continue;
		gather_states(source, b, D, s, forward.states);
		nn_pack(forward.states, D, D, S, true, forward.packed_scores);
		nn_pack(forward.states, D, S, D, false, forward.packed_context);
		for (int i = 0; i < n_rows; i += ROWS_AT_ONCE)
			NN_TRY(attend(n_rows - i < ROWS_AT_ONCE ? n_rows - i : ROWS_AT_ONCE, row + i, S, D,
						  &forward, attention, context, scratch));
	}
	return NN_OK;
}

/* ---- backward ------------------------------------------------------------------ */

static NnStatus
take_backward(int N, int S, int D, NnArena *scratch, Backward *back, NnError *err)
{
	back->states = take_matrix(scratch, S, D);
	back->d_states = take_matrix(scratch, S, D);
	back->rows = take_matrix(scratch, 2 * ROWS_AT_ONCE, D);
	back->d_rows = take_matrix(scratch, ROWS_AT_ONCE, D);
	back->weight = take_matrix(scratch, ROWS_AT_ONCE, S);
	back->d_weight = take_matrix(scratch, ROWS_AT_ONCE, S);
	back->mixed = take_matrix(scratch, S, 2 * ROWS_AT_ONCE);
	back->d_query = take_matrix(scratch, N, D);
	if (back->states == NULL || back->d_states == NULL || back->rows == NULL || back->d_rows == NULL ||
		back->weight == NULL || back->d_weight == NULL || back->mixed == NULL || back->d_query == NULL)
		return no_memory(err);
	return NN_OK;
}

/*
 * A and dE of n rows, from the gradient of the contexts:
 *   dA = dC S^T + dA'      dE = A * (dA - rowsum(A * dA))
 */
static void
scores_backward(int n, const int32_t *row, int S, int D, const NnAttention *attention,
				const float *d_weight, Backward *back)
{
	nn_gemm(false, true, n, S, D, back->rows, D, back->states, D, back->d_weight, S, false);
	for (int i = 0; i < n; i++)
	{
		int64_t		start = attention->start[row[i]];
		float	   *a = back->weight + (size_t) i * (size_t) S;
		float	   *d = back->d_weight + (size_t) i * (size_t) S;
		double		sum = 0.0;

		memcpy(a, attention->weight + start, (size_t) S * sizeof(float));
		if (d_weight != NULL)
			nn_axpy(S, 1.0f, d_weight + start, d);
		for (int j = 0; j < S; j++)
			sum += (double) a[j] * (double) d[j];
		for (int j = 0; j < S; j++)
			d[j] = a[j] * (d[j] - (float) sum);
	}
}

/*
 * What n rows send to their queries and to the states of their source.  The
 * states' two sums are one product, with (A, dE)^T for its left side:
 *   dS = or += A^T dC + dE^T Q
 */
static NnStatus
attend_backward(int n, const int32_t *row, int S, int D, const NnAttention *attention,
				const float *d_context, const float *d_weight, Backward *back, bool is_added,
				const NnArena *scratch)
{
	NN_TRY(nn_arena_poll(scratch));
	gather_rows(n, row, D, d_context, back->rows);
	gather_rows(n, row, D, attention->query, back->rows + (size_t) n * (size_t) D);
	scores_backward(n, row, S, D, attention, d_weight, back);
	NN_TRY(nn_arena_poll(scratch));
	nn_gemm(false, false, n, D, S, back->d_weight, S, back->states, D, back->d_rows, D, false);
	scatter_rows(n, row, D, back->d_rows, back->d_query);
	for (int j = 0; j < S; j++)
	{
		float	   *mixed = back->mixed + (size_t) j * 2 * (size_t) n;

		for (int i = 0; i < n; i++)
		{
			mixed[i] = back->weight[(size_t) i * (size_t) S + (size_t) j];
			mixed[n + i] = back->d_weight[(size_t) i * (size_t) S + (size_t) j];
		}
	}
	NN_TRY(nn_arena_poll(scratch));
	nn_gemm(false, false, S, D, 2 * n, back->mixed, 2 * n, back->rows, D, back->d_states, D, is_added);
	return NN_OK;
}

/* dH += dQ W^T      dW += H^T dQ */
static NnStatus
queries_backward(int N, int D, const float *h, const float *W, const float *d_query,
				 float *d_h, float *W_grad, const NnArena *scratch)
{
	int			n_part = nn_rows_per_poll(D, D);

	for (int first = 0; first < N; first += n_part)
	{
		size_t		at = (size_t) first * (size_t) D;
		int			n = N - first < n_part ? N - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		nn_gemm(false, true, n, D, D, d_query + at, D, W, D, d_h + at, D, true);
		NN_TRY(nn_arena_poll(scratch));
		nn_gemm(true, false, D, D, n, h + at, D, d_query + at, D, W_grad, D, true);
	}
	return NN_OK;
}

NnStatus
nn_attention_backward(const NnBatch *target, const NnBatch *source, const int32_t *source_of,
					  int D, const float *h, const float *s, const float *W,
					  const NnAttention *attention, const float *d_context,
					  const float *d_weight, float *d_h, float *d_s, float *W_grad,
					  NnArena *scratch, NnError *err)
{
	Groups		groups;
	Backward	back;

	NN_TRY(group_rows(target, source, source_of, scratch, &groups, err));
	NN_TRY(take_backward(target->n_rows, groups.max_steps, D, scratch, &back, err));
	for (int b = 0; b < source->n_sequences; b++)
	{
		const int32_t *row = groups.row + groups.start[b];
		int			n_rows = groups.start[b + 1] - groups.start[b];
		int			S = source->length[b];

		if (S == 0)
			clear_rows(n_rows, row, D, back.d_query);
		if (S == 0 || n_rows == 0)
			continue;
		gather_states(source, b, D, s, back.states);
		for (int i = 0; i < n_rows; i += ROWS_AT_ONCE)
			NN_TRY(attend_backward(n_rows - i < ROWS_AT_ONCE ? n_rows - i : ROWS_AT_ONCE, row + i, S, D,
								   attention, d_context, d_weight, &back, i > 0, scratch));
		for (int t = 0; t < S; t++)
			nn_axpy(D, 1.0f, back.d_states + (size_t) t * (size_t) D,
					d_s + (size_t) (source->offset[t] + b) * (size_t) D);
	}
	return queries_backward(target->n_rows, D, h, W, back.d_query, d_h, W_grad, scratch);
}
