/*
 * nn/net_private.h: what the files of this room share about a net.
 *
 *   layout.c     spec -> tensors; memory; packing
 *   init.c       first weights
 *   recurrent.c  the recurrent stack over a packed batch
 *   pool.c       steps -> one vector
 *   head.c       linear heads, losses, the wide branch
 *   net.c        one batch, forward and backward
 */
#ifndef NN_NET_PRIVATE_H
#define NN_NET_PRIVATE_H

#include "kern/kern.h"
#include "nn/net.h"

/* One direction of one layer. */
typedef struct NnDirection
{
	NnTensor   *weight_ih;		/* (G, in) */
	NnTensor   *weight_hh;		/* (G, H) */
	NnTensor   *bias_ih;		/* (G) */
	NnTensor   *bias_hh;		/* (G) */
	float	   *packed_ih;		/* for x W_ih^T */
	float	   *packed_hh;		/* for h W_hh^T */
	float	   *packed_hh_back; /* for da W_hh; training only */
	float	   *bias;			/* (G) what the input side adds: b_ih + b_hh, GRU: b_ih */
} NnDirection;

/* A linear layer: y = x W^T + b. */
typedef struct NnLinear
{
	NnTensor   *weight;			/* (out, in) */
	NnTensor   *bias;			/* (out) */
	float	   *packed;
} NnLinear;

/* Rows of a table that a backward pass touched. */
typedef struct NnTouched
{
	uint32_t   *stamp;			/* (rows of the table) number of the pass that last touched it */
	uint32_t	pass;
	int32_t    *rows;			/* in scratch */
	int			n;
} NnTouched;

struct NnNet
{
	NnSpec		spec;
	NnArena    *arena;			/* the caller's; asked for poll */
	bool		is_training;
	int			n_tensors;
	NnTensor   *tensors;
	int			n_directions;	/* 1 or 2 */
	int			n_gates;		/* G */
	NnTensor   *embedding;
	NnDirection direction[NN_MAX_LAYERS][2];
	NnTensor   *attention;
	NnLinear	head;
	NnTensor   *bag;
	NnLinear	flat;
	NnLinear	wide_head;
	NnTensor   *scale;
	NnTouched	touched_embedding;
	NnTouched	touched_bag;
};

/* ---- recurrent.c ------------------------------------------------------- */

/* What one direction of one layer keeps of a forward pass. */
typedef struct NnTrace
{
	float	   *gates;			/* (N, G) activated */
	float	   *h_prev;			/* (N, H) the state each row started from, after recurrent dropout */
	float	   *c;				/* (N, H) lstm */
	float	   *tanh_c;			/* (N, H) lstm */
	float	   *h_gates;		/* (N, 3H) gru */
	float	   *recurrent_mask; /* (B, H) or NULL */
} NnTrace;

/* What the stack keeps of a forward pass. */
typedef struct NnStack
{
	float	   *distinct_input; /* (U, E) text: embeddings after dropout */
	float	   *distinct_mask;	/* (U, E) or NULL */
	bool	   *is_dropped;		/* (U) or NULL */
	float	   *input[NN_MAX_LAYERS];	/* (N, in) of each layer after dropout; [0] is NULL for text */
	float	   *input_mask[NN_MAX_LAYERS];	/* (B, in) or NULL */
	float	   *output[NN_MAX_LAYERS];	/* (N, directions * H) */
	NnTrace		trace[NN_MAX_LAYERS][2];
} NnStack;

/* dropout and rng are NULL for an answer. */
NnStatus	nn_stack_forward(const NnNet *net, const NnBatch *batch, const NnDropout *dropout,
							 NnRng *rng, NnArena *scratch, NnStack *stack, NnError *err);

/* d_output (N, directions * H) is consumed. */
NnStatus	nn_stack_backward(NnNet *net, const NnBatch *batch, const NnStack *stack,
							  float *d_output, NnArena *scratch, NnError *err);

/* ---- pool.c -------------------------------------------------------------- */
typedef struct NnPooled
{
	float	   *out;			/* (B, pooled width) */
	int32_t    *max_row;		/* (B, directions * H) row of each maximum */
	float	   *attention;		/* (N) softmax weights */
} NnPooled;

NnStatus	nn_pool_forward(const NnNet *net, const NnBatch *batch, const float *h,
							NnArena *scratch, NnPooled *pooled, NnError *err);

/* dh (N, directions * H) gets the gradient; it comes in as zeros. */
void		nn_pool_backward(NnNet *net, const NnBatch *batch, const float *h,
							 const NnPooled *pooled, const float *d_out, float *dh);

/* ---- head.c -------------------------------------------------------------- */

/* out (M, width of out) = x W^T + b */
void		nn_linear_forward(const NnLinear *linear, int M, const float *x, float *out);

/* Adds to the gradients of W and b; dx (M, in) = d_out W, or skipped if NULL. */
void		nn_linear_backward(NnLinear *linear, int M, const float *x, const float *d_out, float *dx);

/* Hidden vector of the wide branch, (B, D). */
void		nn_wide_forward(const NnNet *net, const NnBatch *batch, float *hidden);

/* d_hidden (B, D) is consumed; hidden before dropout. */
NnStatus	nn_wide_backward(NnNet *net, const NnBatch *batch, const float *hidden,
							 float *d_hidden, NnArena *scratch, NnError *err);

/* Loss of one branch's outputs (B, C); out becomes its gradient. */
double		nn_head_loss(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, float *out);

/* ---- shared ---------------------------------------------------------------- */

/* A mask of n numbers, 0 with probability p, else 1 / (1 - p); NULL and *failed unset if p is 0. */
float	   *nn_mask(NnArena *scratch, NnRng *rng, size_t n, float p, bool *failed);

/* Remember that row was touched in this pass. */
void		nn_touch(NnTouched *touched, int32_t row);

#endif							/* NN_NET_PRIVATE_H */
