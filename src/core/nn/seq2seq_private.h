/*
 * nn/seq2seq_private.h: what learning (seq2seq_backward.c) and writing (seq2seq_step.c)
 * share: the forward pass of a network that writes text, and copying
 * (seq2seq_copy.c).
 */
#ifndef NN_SEQ2SEQ_PRIVATE_H
#define NN_SEQ2SEQ_PRIVATE_H

#include "nn/net_private.h"

#include <string.h>

/* The source as the decoder sees it. */
typedef struct NnSource
{
	NnStack		stack;			/* untouched where a vector is read */
	float	   *states;			/* (N, D) s */
	float	   *last;			/* (B, D) where the bridge begins; zeros for an empty source */
	float	   *first;			/* (B, layers * D) the decoder's first states */
} NnSource;

/* What the decoder keeps of a forward pass over the N rows of a written batch. */
typedef struct NnDecoded
{
	NnStack		lower;			/* the layer below the attention */
	NnStack		upper;			/* those above */
	NnAttention attention;
	float	   *context;		/* (N, D) */
	float	   *below;			/* (N, 2D) [h, context], what the upper layers read */
	float	   *top;			/* (N, 2D) [u, context] after dropout; below itself if nothing lies between */
	float	   *top_mask;		/* (B, 2D) or NULL */
	float	   *z;				/* (N, E) */
	float	   *copy;			/* (N) the copy gate before its sigmoid, or NULL */
} NnDecoded;

/* dropout and rng are NULL for an answer. */
NnStatus	nn_source_forward(const NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
							  NnArena *scratch, NnSource *source, NnError *err);

/*
 * state: in, where each written sequence begins; out, where it ends.  states
 * (N_source, D) must stay until the backward pass.
 */
NnStatus	nn_decoder_forward(const NnNet *net, const NnBatch *written, const NnBatch *source,
							   const int32_t *source_of, const float *states, NnState *state,
							   const NnDropout *dropout, NnRng *rng, NnArena *scratch,
							   NnDecoded *decoded, NnError *err);

/* The first state of n written sequences: rows of first (B_source, layers * D), and c = 0. */
void		nn_decoder_begin(const NnNet *net, const float *first, int n, const int32_t *source_of, NnState *state);

/* Room for it. */
NnStatus	nn_decoder_take_state(const NnNet *net, int n, NnArena *scratch, NnState *state, NnError *err);

/* ---- shared ---------------------------------------------------------------------- */

static inline NnStatus
nn_no_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* A matrix in scratch, not cleared. */
static inline float *
nn_take_matrix(NnArena *scratch, int n_rows, int n_columns)
{
	return NN_TAKE(scratch, float, (size_t) n_rows * (size_t) n_columns);
}

/* Multiply each row by its sequence's mask; NULL is no mask. */
static inline void
nn_mask_rows(const NnBatch *batch, int width, const float *mask, float *x)
{
	for (int t = 0; mask != NULL && t < batch->n_steps; t++)
		nn_multiply((int64_t) batch->active[t] * width, mask, x + (size_t) batch->offset[t] * (size_t) width);
}

/* Width of the forward direction's part of a state of the source. */
static inline int
nn_forward_width(const NnNet *net)
{
	return nn_spec_decoder_hidden(&net->spec) / (net->stack.n_directions == 2 ? 2 : 1);
}

/* Row of the state behind all of sequence b, which is not empty; backward's stands in row b. */
static inline size_t
nn_last_row(const NnBatch *batch, int b)
{
	return (size_t) (batch->offset[batch->length[b] - 1] + b);
}

/* The part of a state that belongs to the upper layers. */
static inline NnState
nn_upper_state(const NnNet *net, const NnBatch *written, const NnState *state)
{
	size_t		n = (size_t) written->n_sequences * (size_t) nn_spec_decoder_hidden(&net->spec);

	return (NnState) {state->h + n, state->c != NULL ? state->c + n : NULL};
}

/* ---- seq2seq_copy.c ------------------------------------------------------------ */

/* What copying makes of each row's label. */
typedef struct NnCopying
{
	float	   *log_own;		/* (N) log(1 - g) */
	float	   *log_copy;		/* (N) log(g A), -INFINITY where the label is not in the source */
	float	   *share;			/* (N) r; the loss sets it */
	float	   *found;			/* (N) A */
} NnCopying;

NnStatus	nn_copying_forward(const NnNet *net, const NnBatch *source, const NnBatch *written,
							   const int32_t *source_of, const NnDecoded *decoded, NnArena *scratch,
							   NnCopying *copying, NnError *err);

/*
 * weight is what a row's -log p(label) counts in the loss.  d_copy (N) and
 * d_weight (the attention's compressed rows) get the gradients.
 */
NnStatus	nn_copying_backward(const NnNet *net, const NnBatch *source, const NnBatch *written,
								const int32_t *source_of, const NnDecoded *decoded, const NnCopying *copying,
								double weight, float *d_copy, float *d_weight, const NnArena *scratch);

/*
 * log_p (V) of the softmax becomes that of the mixture, for a row that read the
 * token `before` and whose source sequence has that number; copy is its gate before
 * sigma, a its attention.  found (source's U): zeros, before and after.
 */
void		nn_copying_mix(const NnNet *net, const NnBatch *source, int number, int32_t before, float copy,
						   const float *a, float *found, float *log_p);

#endif							/* NN_SEQ2SEQ_PRIVATE_H */
