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

typedef struct NnBatch NnBatch;
struct NnBatch
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
	/* ... or the flattened input, standardized; forecast: the window and perhaps levels (model/windows.h) */
	const float *flat;			/* (B, wide_inputs) */

	/*
	 * tag: distinct tokens are written forms; distinct is the row of the word vector, or -1 (and may
	 * repeat)
	 */
	const int32_t *spelling_start;	/* (U + 1) */
	const int32_t *spelling_row;	/* rows of the spelling table */
	const uint16_t *spelling_flags; /* (U) text/spelling.h */

	/* targets, for training and losses */
	const int32_t *label;		/* (B), classify with one label */
	const float *target;		/* (B, C) regress, standardized; 0 or 1 for many labels; (B, horizon *
								 * channels) forecast */
	const float *weight;		/* (B, channels) forecast: what an error of each channel counts; NULL: 1 */
	const int32_t *row_label;	/* (N) tag: the tag; language, and the target of translate: the next token;
								 * -1 does not count */
	const int32_t *row_label_back;	/* (N) bidirectional language: the token before */

	/* translate, caption: what is written, a packed batch of its own... */
	const NnBatch *written;		/* its tokens begin with NN_TOKEN_END, its row_labels end with it */
	const int32_t *source_of;	/* (B of written) ...whose sequence b belongs to this sequence here */
};

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
	struct NnTouched *touched;	/* tables in training: this room's */
} NnTensor;

/* Where a forward stack begins and ends: for text that goes on, and for writing token by token. */
typedef struct NnState
{
	float	   *h;				/* (L, B, H) */
	float	   *c;				/* the same; NULL unless lstm */
} NnState;

typedef struct NnNet NnNet;

/*
 * A network with all tensors zero.  With is_training also gradients.  All
 * memory comes from arena, which must outlive the net.
 */
NnStatus	nn_net_create(NnNet **net, NnArena *arena, const NnSpec *spec, bool is_training, NnError *err);

/* Bytes nn_net_create() will take. */
size_t		nn_net_bytes(const NnSpec *spec, bool is_training);

/* How large a batch is. */
typedef struct NnBatchSize
{
	int64_t		B,
				N,
				U;
	int64_t		n_spelling;		/* rows of the spelling table, of all distinct tokens */
	int64_t		N_written,
				U_written;
	int64_t		n_pairs;		/* source rows times written rows, of each pair, added up */
	int64_t		n_sampled;		/* columns of a sampled softmax: first_sampled + n_samples; 0: it is whole */
} NnBatchSize;

/* Scratch bytes that one batch takes at most. */
size_t		nn_net_batch_bytes(const NnSpec *spec, bool is_training, const NnBatchSize *size);

/*
 * First weights: embeddings N(0, 0.1), those of a decoder N(0, max(0.1, 1.5 / sqrt(E))); W_ih and heads Glorot-uniform (Glorot
 * and Bengio 2010; of forecasts zero, as their loss is that of a sum); W_hh orthogonal for each gate (Saxe et al. 2014); biases 0,
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

/*
 * Gates that are ready to remember for up to n_steps steps (chrono
 * initialization, Tallec and Ollivier 2018), after nn_net_init(): lstm,
 * b_f = log(uniform(1, n_steps - 1)), b_i = -b_f; gru, the same for its update
 * gate.  Nothing for n_steps < 3 and for rnn, which has no gate.
 */
void		nn_net_remember(NnNet *net, int n_steps, NnRng *rng);

/* Must be called after the tensors' data changed and before a forward pass. */
void		nn_net_pack(NnNet *net);

/*
 * Compute the input sides of n tokens, the most frequent ones, once for all answers
 * of a packed net: memory of its arena, nn_net_projected_bytes() a token (0: this net
 * has no use for them).  No answer changes by a bit.
 */
size_t		nn_net_projected_bytes(const NnNet *net);
NnStatus	nn_net_project(NnNet *net, int32_t first, int32_t n, NnError *err);

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
	int			n_samples;		/* of the softmax over a vocabulary; 0: all of it */
	int			first_sampled;	/* ids from here on are ordered by frequency */
} NnLoss;

/*
 * Pooled networks.  Outputs of both branches for a batch: logits or standardized numbers, added
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
 * Forward and backward pass of one training batch: adds the gradients to the
 * tensors' grad; *loss gets the loss.  By task:
 *   classify, regress  loss of recurrent branch + loss of wide branch, each the mean
 *                      over the batch's rows, weighted by class
 *   forecast           pinball loss of the branches' sum, weighted by row and channel,
 *                      the mean over rows and outputs
 *   tag                mean over the sequences of the negative log likelihood, summed over tokens
 *   texts written      mean over the tokens
 * state: language alone, or NULL (nn_stack_forward).  Rows touched in tables are
 * remembered until the next pass.
 */
NnStatus	nn_net_backward(NnNet *net, const NnBatch *batch, NnState *state, const NnDropout *dropout,
							const NnLoss *loss_options, NnRng *rng, NnArena *scratch,
							double *loss, NnError *err);

/* What a batch shows of the networks that are not pooled, without dropout. */
typedef struct NnBatchScore
{
	double		loss;			/* summed: over sequences (tag), or over tokens */
	int64_t		n_sequences;
	int64_t		n_tokens;		/* with a label */
	int64_t		n_right;		/* of these, the most likely one was the label (tag: of the best path) */
} NnBatchScore;

/* Adds to *score.  state as above. */
NnStatus	nn_net_score(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch,
						 NnBatchScore *score, NnError *err);

/* ---- tag (nn/tagger.c) ---------------------------------------------------- */

/* The transition scores: K, (K, K), (K), (K); for nn/crf.h. */
void		nn_net_transitions(const NnNet *net, int *n_tags, float **transition, float **start, float **end);

/* Scores (N, K) of the tags before the CRF. */
NnStatus	nn_net_emissions(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *emission, NnError *err);

/* ---- language (nn/language.c) ----------------------------------------------- */

/* Log-probabilities of the row_labels, (N), 0 where there is none. */
NnStatus	nn_net_log_likelihood(const NnNet *net, const NnBatch *batch, NnState *state, NnArena *scratch,
								  float *out, NnError *err);

/* One step: token[b] is read by b's state; log-probabilities of what follows into log_p (B, V). */
NnStatus	nn_language_step(const NnNet *net, int B, const int32_t *token, NnState *state,
							 NnArena *scratch, float *log_p, NnError *err);

/*
 * The states of the last layer, for embedding a text: (N, H), of the forward direction,
 * in a language model; (N, directions * H) in a tagger and in what a translator reads with.
 */
NnStatus	nn_net_states(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *out, NnError *err);

/* ---- translate, caption (nn/seq2seq.c) --------------------------------------- */

/*
 * Writing: encode a batch once, then step.  Row r of a step belongs to source
 * sequence source_of[r] and goes on from state row r (the caller moves the rows
 * when a beam drops and splits hypotheses).
 */
typedef struct NnEncoded NnEncoded;

NnStatus	nn_seq2seq_encode(const NnNet *net, const NnBatch *batch, NnArena *arena, NnEncoded **encoded, NnError *err);

/*
 * Ids below n are pieces of words, all others whole words.  A piece goes on with the
 * word of the piece before it unless starts_word[id] (n, kept by the caller for as
 * long as the net).  What is copied of a word is its next piece (nn/seq2seq_copy.c);
 * of a net that was told nothing each token is a word.
 */
void		nn_net_set_pieces(NnNet *net, int n, const bool *starts_word);

/* Layers and width of the decoder's state: h and c are (layers, R, width). */
int			nn_seq2seq_state_layers(const NnNet *net);
int			nn_seq2seq_state_width(const NnNet *net);

/* The first state of R rows. */
void		nn_seq2seq_begin(const NnNet *net, const NnEncoded *encoded, int R, const int32_t *source_of, NnState *state);

/*
 * One step of R rows: token[r] is read; log-probabilities of what follows, copying
 * included, into log_p (R, V).  attention, unless NULL: weights over the source's
 * tokens, row r at attention + r * ld_attention (zeros behind its source's end).
 */
NnStatus	nn_seq2seq_step(const NnNet *net, const NnEncoded *encoded, int R, const int32_t *source_of,
							const int32_t *token, NnState *state, NnArena *scratch,
							float *log_p, float *attention, int ld_attention, NnError *err);

/* ---- a look inside (nn/trace.c) ------------------------------------------------ */

/* What one direction of one layer did; row r as everywhere in the batch. */
typedef struct NnLayerTrace
{
	const float *gates;			/* (N, G) activated: lstm i, f, g, o; gru r, z, n; rnn h itself */
	const float *c;				/* (N, H) lstm, else NULL */
	const float *h;				/* (N, H), rows ldh apart */
	int			ldh;
} NnLayerTrace;

typedef struct NnNetTrace
{
	NnCell		cell;
	int			n_layers;
	int			n_directions;
	int			hidden;			/* H */
	int			n_gates;		/* G */
	NnLayerTrace layer[NN_MAX_LAYERS][2];	/* [1]: reverse */
} NnNetTrace;

/* A forward pass of the layers that read the input; *out points into scratch.  NN_EINVAL if there are none. */
NnStatus	nn_net_trace(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnNetTrace *out, NnError *err);

/*
 * How far back the loss reaches: with L_b the loss of sequence b alone (language:
 * of its last token alone), T_b its last step and h the states of the top layer's
 * forward direction,
 *   norm[k] = mean over b of | dL_b / dh_{T_b - k} |
 * where L_b acts on h_{T_b} alone, so that all of it has come through k steps of
 * the recurrence.  NAN where no sequence is so long, and for networks without such
 * a stack or loss (no cell, translate, caption).  For k = 0 ... n_distances - 1; the
 * batch has targets; no dropout.  A net in training; nothing in it changes.
 */
NnStatus	nn_net_gradient_distances(const NnNet *net, const NnBatch *batch, NnArena *scratch,
									  int n_distances, double *norm, NnError *err);

/* ---- how a score grows with its input (nn/slopes.c) ------------------------------ */

/*
 * The way from nothing to an input: F(a) is the score of the input whose numbers are
 * all multiplied by a.  Its slope is a sum over the numbers x_i that are read,
 *   dF/da = sum_i x_i dF/dx_i (a x)
 * and their parts of it, added up along the way, are integrated gradients (Sundararajan,
 * Taly and Yan 2017).  The score of a sequence is a linear function of the outputs:
 *   classify, regress  output batch->label; as a margin, less the mean of the other outputs
 *   tag                the emission of batch->row_label at each row, added up; -1: none
 *
 * A view of another net, which it does not change and must not outlive: that one's
 * weights, and those of the stack packed for going backward.  Not of nets that write
 * text or forecast.
 */
typedef struct NnSlopeView NnSlopeView;

NnStatus	nn_slope_view_create(NnSlopeView **view, const NnNet *net, bool is_margin, NnArena *arena, NnError *err);

/* Bytes that it takes, and scratch bytes of nn_slopes() at most. */
size_t		nn_slope_view_bytes(const NnSpec *spec);
size_t		nn_slopes_bytes(const NnSpec *spec, const NnBatchSize *size);

typedef struct NnSlopes
{
	double	   *score;			/* (B) F(a), without the bag's part */
	int			width;			/* parts of a packed row: 1 for tokens, the channels for numbers */
	float	   *row;			/* (N, width) parts of the slope; NULL without a recurrent branch */
	float	   *flat;			/* (B, wide_inputs) those of the dense layer over numbers, or NULL */
} NnSlopes;

/* way (B): the a of each sequence.  What a sequence gets does not depend on the others by a bit. */
NnStatus	nn_slopes(const NnSlopeView *view, const NnBatch *batch, const float *way, NnArena *scratch,
					  NnSlopes *out, NnError *err);

/*
 * A bag adds to its score in proportion: parts (n) of features of these rows and
 * weights; returns what an empty bag is worth.
 */
double		nn_slope_bag(const NnSlopeView *view, int label, int64_t n, const int32_t *row, const float *weight,
						 double *part);

/*
 * Rows of a NN_TENSOR_TABLE that the last nn_net_backward() touched, each once,
 * in the order in which the batch first names them; valid until scratch is reset.
 * *rows is NULL if all n_rows of them were.
 */
int			nn_net_touched(const NnNet *net, const NnTensor *table, const int32_t **rows);

/*
 * Say instead which rows were touched, for gradients that were put together from
 * several passes: begin forgets all, and has room for n rows in scratch, rows that
 * are named twice counting twice; n_rows -1 is all of the table.
 */
NnStatus	nn_net_touch_begin(NnTensor *table, size_t n, NnArena *scratch, NnError *err);
void		nn_net_touch_rows(NnTensor *table, int n_rows, const int32_t *rows);

#endif							/* NN_NET_H */
