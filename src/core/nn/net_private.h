/*
 * nn/net_private.h: what the files of this room share about a net.
 *
 *   layout.c     spec -> the names and shapes of the tensors
 *   create.c     memory of a net; packing
 *   init.c       first weights
 *   embed.c      tokens -> input rows
 *   recurrent.c, recurrent_backward.c  a stack of recurrent layers over a packed batch
 *   recurrent_answer.c  the same for an answer, pooled as it is read
 *   pool.c       steps -> one vector
 *   head.c       linear layers, the wide branch, losses of labels and numbers
 *   crf.c, token_loss*.c, attention.c   blocks with headers of their own
 *   pooled.c, tagger.c, language.c, seq2seq*.c   the compositions
 *   net.c        the calls that go by task; dropout masks, touched rows
 *   trace.c      a look inside: gates and states, and how far back a gradient reaches
 *   slopes.c     how a score grows with the input
 */
#ifndef NN_NET_PRIVATE_H
#define NN_NET_PRIVATE_H

#include "kern/kern.h"
#include "nn/attention.h"
#include "nn/crf.h"
#include "nn/net.h"
#include "nn/token_loss.h"

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
	float	   *packed_ih_back; /* for da W_ih; training only */
	float	   *bias;			/* (G) what the input side adds: b_ih + b_hh, GRU: b_ih */
	float	   *projected;		/* (n_projected, G) input sides of words, ready for answers; or NULL */
} NnDirection;

/* A stack of recurrent layers and what its first layer reads. */
typedef struct NnLayers
{
	NnCell		cell;
	int			n_layers;		/* 0: the network has no such stack */
	int			n_directions;	/* 1 or 2 */
	int			hidden;			/* H */
	int			n_gates;		/* G */
	int			n_in;			/* width of an input row */
	NnTensor   *embedding;		/* tokens are read; NULL: rows of numbers */
	NnTensor   *spelling;		/* NULL unless spelling is read too */
	size_t		n_trace_bytes;	/* traces of all layers that are kept for a backward pass, at most */
	int32_t		first_projected;	/* tokens whose input sides are ready in direction[0][] */
	int32_t		n_projected;
	NnDirection direction[NN_MAX_LAYERS][2];
} NnLayers;

/* A linear layer: y = x W^T + b. */
typedef struct NnLinear
{
	NnTensor   *weight;			/* (out, in); NULL: the network has no such layer */
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
	int			capacity;
	bool		is_all;
} NnTouched;

struct NnNet
{
	NnSpec		spec;
	NnArena    *arena;			/* the caller's; asked for poll */
	bool		is_training;
	int			n_tensors;
	NnTensor   *tensors;

	NnTensor   *embedding;
	NnTensor   *spelling;
	NnLayers	stack;			/* "rnn": the recurrent branch, the encoder */
	NnLinear	head;			/* labels, numbers, tags */

	/* pooled networks */
	NnTensor   *pool_attention;
	NnTensor   *bag;
	NnLinear	flat;
	NnLinear	wide_head;
	NnTensor   *scale;

	/* tag */
	NnTensor   *transition;
	NnTensor   *transition_start;
	NnTensor   *transition_end;

	/* text that is written: softmax(E readout + b) with the embedding E */
	NnLinear	readout;		/* (E, width below); language: absent where H is E already */
	NnLinear	readout_back;	/* bidirectional language */
	NnTensor   *output_bias;	/* (V) */
	float	   *packed_output;	/* the embedding, for x E^T */
	bool	   *is_output_packed;	/* in training it is packed when it is first asked for */

	/* translate, caption */
	NnLinear	source;			/* vector -> (D), tanh */
	NnLinear	bridge;			/* source -> first states (layers * D), tanh */
	NnLayers	decoder;		/* "decoder": its first layer, which reads tokens */
	NnLayers	upper;			/* "decoder" l1...: the layers above the attention, which read [h, context] */
	NnTensor   *attention;		/* (D, D) */
	float	   *packed_attention;
	NnLinear	copy;			/* [state, context] -> 1: how likely a token is copied */
	int			n_pieces;		/* ids below are pieces of words... */
	const bool *starts_word;	/* (n_pieces) ...and some of them only begin one */
};

/* ---- embed.c --------------------------------------------------------------- */

/* Input rows of the batch's distinct tokens. */
typedef struct NnEmbedded
{
	float	   *input;			/* (U, n_in) after dropout */
	float	   *mask;			/* (U, n_in) or NULL */
	bool	   *is_dropped;		/* (U) or NULL */
} NnEmbedded;

NnStatus	nn_embed_forward(const NnLayers *layers, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
							 NnArena *scratch, NnEmbedded *embedded, NnError *err);

/* dx (U, n_in) is consumed. */
NnStatus	nn_embed_backward(const NnLayers *layers, const NnBatch *batch, const NnEmbedded *embedded,
							  float *dx, NnArena *scratch, NnError *err);

/* ---- recurrent.c ----------------------------------------------------------- */

/*
 * What one direction of one layer keeps of a forward pass.  Of a large batch in
 * training it keeps states and cells alone; the arrays marked * are then those of
 * the stretch at hand, and the backward pass computes each stretch again (Chen et al.
 * 2016), which costs a forward pass and spares three quarters of the memory.
 */
typedef struct NnTrace
{
	bool		is_kept;		/* arrays marked * have all rows */
	int			first_row;		/* of them; 0 if all are kept */
	float	   *gates;			/* (N, G) * activated */
	float	   *h_prev;			/* (N, H) * the state each row started from, after recurrent dropout */
	float	   *c;				/* (N, H) lstm */
	float	   *tanh_c;			/* (N, H) * lstm */
	float	   *h_gates;		/* (N, 3H) * gru */
	float	   *recurrent_mask; /* (B, H) or NULL */
	float	   *h_first;		/* (B, H) the state before the batch, or NULL */
	float	   *c_first;
} NnTrace;

/* What the input sides of a layer's rows are made of. */
typedef struct NnInputSide
{
	const float *input;			/* (N, in), or of tokens (U, in) */
	float	   *projected;		/* (U, G) ready sides of distinct tokens, or NULL */
	const float **rows;			/* (B) those of a step: lstm begins with them where they lie; or NULL */
	float	   *gathered;		/* (rows of a stretch, in) of tokens, or NULL */
} NnInputSide;

/* What a stack keeps of a forward pass. */
typedef struct NnStack
{
	NnEmbedded	embedded;
	float	   *input[NN_MAX_LAYERS];	/* (N, in) of each layer after dropout; [0] is NULL for tokens */
	float	   *input_mask[NN_MAX_LAYERS];	/* (B, in) or NULL */
	float	   *output[NN_MAX_LAYERS];	/* (N, directions * H) */
	NnTrace		trace[NN_MAX_LAYERS][2];
	NnInputSide side[NN_MAX_LAYERS][2];
} NnStack;

/*
 * input (N, n_in): rows of numbers, NULL where tokens are read; must stay until
 * backward.  state, or NULL for zeros: in, where each sequence begins, out, where
 * it ends (one direction only).  dropout and rng are NULL for an answer; dropout is
 * not NULL where a backward pass follows, and only then may the trace be part of itself.
 */
NnStatus	nn_stack_forward(const NnLayers *layers, const NnBatch *batch, const float *input, NnState *state,
							 const NnDropout *dropout, NnRng *rng, NnArena *scratch, NnStack *stack,
							 NnError *err);

/*
 * d_output (N, directions * H) is consumed: it ends as the whole gradient of each
 * state.  So are the gates in the stack's traces: one backward pass a forward pass.  d_input (N, n_in), or NULL, gets the gradient of input; d_state, or
 * NULL, that of the state before the batch.
 */
NnStatus	nn_stack_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack,
							  float *d_output, float *d_input, NnState *d_state, NnArena *scratch,
							  NnError *err);

/*
 * The recurrence of direction d of layer k alone: d_output (N, directions * H), its
 * columns of that direction, ends as the whole gradient of each state.  No
 * gradient of a weight is added to.
 */
NnStatus	nn_recurrence_backward(const NnLayers *layers, const NnBatch *batch, const NnStack *stack, int k, int d,
								   float *d_output, NnArena *scratch, NnError *err);

/* Default of n_trace_bytes. */
#define NN_TRACE_BYTES	((size_t) 128 << 20)

/* Scratch bytes of both at most. */
size_t		nn_stack_bytes(const NnLayers *layers, bool is_training, int64_t B, int64_t N, int64_t U);

/* ---- pool.c ------------------------------------------------------------------ */
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

/* ---- recurrent_answer.c ------------------------------------------------------- */

/*
 * net->stack over a batch, pooled into (B, pooled width), for answers: as
 * nn_stack_forward() and nn_pool_forward() but for the order in which the mean of
 * the backward direction is added, and with little memory.  Not for
 * NN_POOL_ATTENTION, which has to see a text twice.
 */
NnStatus	nn_stack_answer(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *pooled, NnError *err);

/* ---- head.c ------------------------------------------------------------------- */

/* out (M, width of out) = x W^T + b */
void		nn_linear_forward(const NnLinear *linear, int M, const float *x, float *out);

/* Adds to the gradients of W and b; dx (M, in) = d_out W, or skipped if NULL. */
void		nn_linear_backward(const NnLinear *linear, int M, const float *x, const float *d_out, float *dx);

/* Hidden vector of the wide branch, (B, D). */
void		nn_wide_forward(const NnNet *net, const NnBatch *batch, float *hidden);

/* d_hidden (B, D) is consumed; hidden before dropout. */
NnStatus	nn_wide_backward(NnNet *net, const NnBatch *batch, const float *hidden,
							 float *d_hidden, NnArena *scratch, NnError *err);

/* Loss of one branch's outputs (B, C); out becomes its gradient. */
double		nn_head_loss(const NnSpec *spec, const NnBatch *batch, const NnLoss *options, float *out);

/* ---- the compositions: backward passes and scores by task ------------------------ */
NnStatus	nn_pooled_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
							   NnRng *rng, NnArena *scratch, double *loss, NnError *err);
NnStatus	nn_tagger_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, NnRng *rng,
							   NnArena *scratch, double *loss, NnError *err);
NnStatus	nn_tagger_score(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnBatchScore *score,
							NnError *err);
NnStatus	nn_language_backward(NnNet *net, const NnBatch *batch, NnState *state, const NnDropout *dropout,
								 const NnLoss *options, NnRng *rng, NnArena *scratch, double *loss,
								 NnError *err);
NnStatus	nn_language_score(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch,
							  NnBatchScore *score, NnError *err);
NnStatus	nn_seq2seq_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout, const NnLoss *options,
								NnRng *rng, NnArena *scratch, double *loss, NnError *err);
NnStatus	nn_seq2seq_score(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnBatchScore *score,
							 NnError *err);

/* Scratch bytes of a batch beyond those of net->stack's layers, by composition. */
size_t		nn_pooled_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size);
size_t		nn_tagger_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size);
size_t		nn_language_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size);
size_t		nn_seq2seq_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size);

/* ---- layout.c -------------------------------------------------------------------- */
typedef void (*NnTensorVisitor) (void *ctx, const char *name, int n_rows, int n_columns,
								 bool is_vector, NnTensorKind kind, bool is_wide);

/* Name every tensor of a spec, in the order of the file. */
void		nn_layout_walk(const NnSpec *spec, NnTensorVisitor visit, void *ctx);

/* The shapes of the stacks that a spec has; tensors are not set. */
void		nn_layout_stack(const NnSpec *spec, NnLayers *stack);
void		nn_layout_decoder(const NnSpec *spec, NnLayers *decoder, NnLayers *upper);

/* ---- shared ------------------------------------------------------------------------ */

/* Rows of a product of N times K numbers each between two polls: about 2 GFLOP, some 20 ms. */
int			nn_rows_per_poll(int N, int K);

/* A mask of n numbers, 0 with probability p, else 1 / (1 - p); NULL and *failed unset if p is 0. */
float	   *nn_mask(NnArena *scratch, NnRng *rng, size_t n, float p, bool *failed);

/* Room to touch n more rows of a table in this pass. */
NnStatus	nn_touch_reserve(const NnTensor *table, size_t n, NnArena *scratch, NnError *err);

/* Remember that row was touched in this pass; or all of them. */
void		nn_touch(const NnTensor *table, int32_t row);
void		nn_touch_all(const NnTensor *table);

/* Pack the embedding for the softmax. */
void		nn_net_pack_output(const NnNet *net);

/*
 * The softmax over the vocabulary as nn/token_loss.h takes it, with gradients if
 * is_training; over a sample it needs no packed table, and a step of a training packs none.
 */
NnTokenTable nn_net_token_table(const NnNet *net, bool is_training, bool is_sampled);

#endif							/* NN_NET_PRIVATE_H */
