/*
 * nn/net.h: a network's tensors, and what one batch does with them.
 *
 * Packed batches.  The sequences of a batch are sorted by length, longest
 * first.  Step t has active[t] rows (the sequences longer than t), which stand
 * at packed rows offset[t] ... offset[t + 1] - 1, in the order of the batch; N
 * = offset[T] rows in all, and none of them is padding.  Both directions use
 * the same rows; the backward direction walks t from T - 1 to 0, and a sequence
 * joins with a zero state at its own last token.
 *
 * The input projection of text is computed once for each distinct token of the
 * batch and copied to its rows; what is dropped is dropped for all occurrences
 * of a token (word-type dropout), which makes that exact.
 */
#ifndef NN_NET_H
#define NN_NET_H

#include "base/arena.h"
#include "base/rng.h"
#include "nn/spec.h"

typedef struct NnBatch
{
	int			n_sequences;	/* B */
	int			n_steps;		/* T, the longest length (0: all are empty) */
	int			n_rows;			/* N */
	const int32_t *length;		/* (B), descending; may end in zeros (empty texts) */
	const int32_t *active;		/* (T) */
	const int32_t *offset;		/* (T + 1) */

	/* text */
	int			n_distinct;		/* U */
	const int32_t *distinct;	/* (U) token ids, ascending */
	const int32_t *token;		/* (N) index into distinct */

	/* series and vectors, standardized */
	const float *values;		/* (N, E) */

	/* wide branch: a bag as compressed rows... */
	const int32_t *bag_start;	/* (B + 1) */
	const int32_t *bag_row;		/* rows of the bag's table */
	const float *bag_weight;	/* weight of each: 1 / sqrt(number of its kind) */
	/* ... or the flattened input, standardized */
	const float *flat;			/* (B, wide_inputs) */

	/* targets, for training and losses */
	const int32_t *label;		/* (B), classify */
	const float *target;		/* (B, C), regress, standardized */
} NnBatch;

/* How the optimizer treats a tensor. */
typedef enum NnTensorKind
{
	NN_TENSOR_MATRIX,			/* dense, decays */
	NN_TENSOR_BIAS,				/* dense, does not decay */
	NN_TENSOR_TABLE,			/* only the rows that occurred in the batch change */
	NN_TENSOR_FIXED				/* not trained: branch scales, standardization */
} NnTensorKind;

typedef struct NnTensor
{
	char		name[48];		/* PyTorch's: "rnn.weight_ih_l0_reverse" */
	int			n_rows;
	int			n_columns;		/* 1-D tensors: n_rows = 1, is_vector */
	bool		is_vector;
	NnTensorKind kind;
	bool		is_wide;		/* belongs to the wide branch (own learning rate) */
	float	   *data;			/* n_rows * n_columns */
	float	   *grad;			/* the same, or NULL in a net for inference */
} NnTensor;

typedef struct NnNet NnNet;

/*
 * A network with all tensors zero.  With is_training also gradients.  All
 * memory comes from arena, which must outlive the net.
 */
NnStatus	nn_net_create(NnNet **net, NnArena *arena, const NnSpec *spec, bool is_training, NnError *err);

/* Bytes nn_net_create() will take. */
size_t		nn_net_bytes(const NnSpec *spec, bool is_training);

/* Scratch bytes that one batch of B sequences, N rows, U distinct tokens takes at most. */
size_t		nn_net_batch_bytes(const NnSpec *spec, bool is_training, int64_t B, int64_t N, int64_t U);

/*
 * First weights: embeddings N(0, 0.1); W_ih and heads Glorot-uniform (Glorot
 * and Bengio 2010); W_hh orthogonal for each gate (Saxe et al. 2014); biases 0,
 * the forget gate's 1 (Gers et al. 2000; Jozefowicz et al. 2015); branch scales 1
 * (0.5 each where the numbers of two branches are to be averaged).
 * Polls the arena of the net; NN_ECANCELED is the only failure.
 */
NnStatus	nn_net_init(NnNet *net, NnRng *rng);

const NnSpec *nn_net_spec(const NnNet *net);
int			nn_net_n_tensors(const NnNet *net);
NnTensor   *nn_net_tensor(NnNet *net, int index);
NnTensor   *nn_net_find_tensor(NnNet *net, const char *name);	/* NULL if there is none */
int64_t		nn_net_n_parameters(const NnNet *net);	/* numbers trained */

/* Must be called after the tensors' data changed and before a forward pass. */
void		nn_net_pack(NnNet *net);

/* Dropout of a training pass; zeros switch it off.  Each is a probability to drop. */
typedef struct NnDropout
{
	float		word;			/* a distinct token's embedding, everywhere in the batch; those kept are not
								 * scaled, so that a kept word looks as it will in an answer */
	float		input;			/* elements of the input (text: of a distinct token) and between layers (one
								 * mask a sequence) */
	float		recurrent;		/* elements of h_{t-1}, one mask a sequence (Gal and Ghahramani 2016) */
	float		output;			/* elements of the pooled vector */
	float		wide;			/* elements of the wide branch's hidden vector */
} NnDropout;

/* How the loss is counted. */
typedef struct NnLoss
{
	float		label_smoothing;	/* Szegedy et al. 2016 */
	const float *class_weight;	/* (C) or NULL */
} NnLoss;

/*
 * Outputs of both branches for a batch: logits or standardized numbers, added
 * with the branches' scales, into out (B, C).  recurrent_out and wide_out (B, C)
 * get each branch's own, unscaled; either may be NULL, and is not written where
 * the spec lacks the branch.  hidden_out (B, pooled
 * width + D), or NULL, gets the vectors below the heads (recurrent, then wide).
 * scratch is not reset here.
 */
NnStatus	nn_net_forward(const NnNet *net, const NnBatch *batch, NnArena *scratch,
						   float *out, float *recurrent_out, float *wide_out,
						   float *hidden_out, NnError *err);

/*
 * Forward and backward pass of one training batch: adds the gradients of
 * (loss of recurrent branch + loss of wide branch), each the mean over the
 * batch's rows weighted by class, to the tensors' grad.  *loss gets the sum of
 * the branches' losses.  Rows touched in tables are remembered until the next
 * call of nn_net_touched() forgets them.
 */
NnStatus	nn_net_backward(NnNet *net, const NnBatch *batch, const NnDropout *dropout,
							const NnLoss *loss_options, NnRng *rng, NnArena *scratch,
							double *loss, NnError *err);

/*
 * Rows of a NN_TENSOR_TABLE that the last nn_net_backward() touched, each once,
 * in the order in which the batch first names them; valid until scratch is reset.
 */
int			nn_net_touched(const NnNet *net, const NnTensor *table, const int32_t **rows);

#endif							/* NN_NET_H */
