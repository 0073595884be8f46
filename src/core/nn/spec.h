/*
 * nn/spec.h: what a network is, in numbers.
 *
 * The spec alone fixes every tensor's name and shape (nn/net.h), so it travels
 * in the weights file's metadata and a reader can check the file against it.
 *
 * Every network is a composition of the same blocks; the task says which:
 *
 *   classify, regress, forecast (nn/pooled.c): two branches that read the same row
 *     recurrent   tokens or steps -> embedding -> L layers of rnn|lstm|gru, one-
 *                 or bidirectional -> pooling over time -> dropout -> linear head
 *     wide        a bag of hashed features (text), or the flattened steps
 *                 (vectors and series of one length) -> hidden vector -> linear head
 *   tag (nn/tagger.c)        tokens with their spelling -> stack -> linear -> CRF
 *   language (nn/language.c) tokens -> forward stack -> the embedding as a softmax
 *                            over the next token
 *   translate (nn/seq2seq.c) tokens -> encoder stack; decoder with attention ->
 *                            softmax over the next token
 *   caption (nn/seq2seq.c)   vector -> dense layer (series -> encoder stack); the
 *                            same decoder
 *
 * The two branches of a pooled network have a loss each where labels are asked for
 * (one loss on the sum starves the recurrent branch: the bag fits the training
 * rows first and takes the error away); the answer adds the branches' outputs,
 * each times its scale (fitted on held-out rows, stored in the file).
 */
#ifndef NN_SPEC_H
#define NN_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef enum NnTask
{
	NN_TASK_CLASSIFY,			/* softmax over n_outputs labels; or a sigmoid for each (is_multi_label) */
	NN_TASK_REGRESS,			/* n_outputs numbers */
	NN_TASK_TAG,				/* one of n_outputs tags for each token */
	NN_TASK_TRANSLATE,			/* text -> text */
	NN_TASK_CAPTION,			/* numbers -> text */
	NN_TASK_LANGUAGE,			/* the next token */
	NN_TASK_FORECAST			/* horizon x channels x quantiles numbers */
} NnTask;

typedef enum NnInputKind
{
	NN_INPUT_TEXT,				/* token ids */
	NN_INPUT_SERIES,			/* steps x channels of floats */
	NN_INPUT_VECTOR				/* one vector: a series of one step */
} NnInputKind;

typedef enum NnCell
{
	NN_CELL_NONE,				/* no recurrent branch */
	NN_CELL_RNN,
	NN_CELL_LSTM,
	NN_CELL_GRU
} NnCell;

typedef enum NnWide
{
	NN_WIDE_NONE,
	NN_WIDE_BAG,				/* sum of table rows (text) */
	NN_WIDE_FLAT,				/* dense layer with tanh over the flattened input */
	NN_WIDE_LINEAR				/* the flattened input itself: an autoregression (forecast) */
} NnWide;

/* Poolings, a set; their results are concatenated in the order of the bits. */
#define NN_POOL_LAST		1	/* forward: the last step; backward: the first */
#define NN_POOL_MAX			2
#define NN_POOL_MEAN		4
#define NN_POOL_ATTENTION	8	/* softmax over time of a learned vector times h */

typedef struct NnSpec
{
	NnTask		task;
	NnInputKind input;
	int			n_outputs;		/* C; tag: K; 0 where text is written (that is vocabulary) */
	bool		is_multi_label; /* classify: a row has any number of labels, each with a probability of its
								 * own */

	/* recurrent branch; the encoder; caption of a vector: the decoder's cell and H alone, n_layers 0 */
	NnCell		cell;
	int			n_layers;		/* L */
	int			hidden;			/* H, of one direction */
	bool		is_bidirectional;
	unsigned	pool;			/* NN_POOL_* */
	int			vocabulary;		/* V; 0 unless text is read or written */
	int			embedding;		/* E; numbers a step unless text is read or written: the channels; forecast:
								 * twice as many where each has its level beside it */

	/* wide branch */
	NnWide		wide;
	int			wide_inputs;	/* rows of the bag's table, or length of the flattened input */
	int			wide_hidden;	/* D; linear: 0 */

	/* tag: how tokens are spelled (text/spelling.h) */
	int			spelling_rows;	/* rows of the table of character n-grams; 0: spelling is not read */
	int			spelling;		/* S, width of a row */

	/* translate, caption: D = directions * H is the decoder's hidden size (caption of a vector: H) */
	int			decoder_layers; /* the first below the attention, the others above */
	bool		has_copy;		/* tokens of the source may be copied (one vocabulary for both sides) */
	int			channels;		/* caption: numbers of the vector, or of a step */

	/* language: what a text is about (model/documents.h) */
	int			document_words; /* rows of the table of words' vectors; 0: there is none */
	int			document;		/* width of a row */

	/* forecast */
	int			horizon;		/* steps ahead */
	int			n_quantiles;	/* odd; 3: 0.1, 0.5, 0.9; outputs are (horizon, channels, quantiles) */
} NnSpec;

#define NN_MAX_LAYERS		8
#define NN_MAX_HIDDEN		4096
#define NN_MAX_EMBEDDING	4096
#define NN_MAX_OUTPUTS		100000
#define NN_MAX_VOCABULARY	4000000
#define NN_MAX_WIDE_INPUTS	50000000
#define NN_MAX_SPELLING_ROWS	4000000
#define NN_MAX_HORIZON		10000

/* Flags of a token's shape that stand in its input row (text/spelling.h). */
#define NN_SHAPE_FLAGS		10

/* Widest vector of what a text is about: its square is stored, and solved for, where a training starts from it. */
#define NN_MAX_DOCUMENT		500

/* The token that ends (and begins) every text that is written: the zero byte, which stands in none. */
#define NN_TOKEN_END		0

/* Every number in its range and the parts fit together? */
NnStatus	nn_spec_check(const NnSpec *spec, NnError *err);

/* Names as they stand in options and files; -1 from *_from_name if unknown. */
const char *nn_cell_name(NnCell cell);
int			nn_cell_from_name(const char *name);
const char *nn_task_name(NnTask task);
int			nn_task_from_name(const char *name);
const char *nn_input_name(NnInputKind input);
int			nn_input_from_name(const char *name);
const char *nn_wide_name(NnWide wide);
int			nn_wide_from_name(const char *name);

/* "max+mean" <-> NN_POOL_MAX | NN_POOL_MEAN; 0 from nn_pool_from_name if unknown. */
void		nn_pool_format(unsigned pool, char *out, int n_out);
unsigned	nn_pool_from_name(const char *name);

/* Gate rows of a cell over hidden size: 4, 3 or 1. */
int			nn_cell_gates(NnCell cell);

/* What kind of composition a task is. */
bool		nn_task_is_pooled(NnTask task); /* classify, regress, forecast */
bool		nn_task_writes_text(NnTask task);	/* translate, caption, language */

/* Width of an input row of the first layer that reads tokens or steps. */
int			nn_spec_input_width(const NnSpec *spec);

/* Channels of numbers as they are given: of a step, or of a vector; 0 for text. */
int			nn_spec_channels(const NnSpec *spec);

/* Forecast: is each channel's level an input (model/windows.h)? */
bool		nn_spec_has_level(const NnSpec *spec);

/* The level of quantile q of n_quantiles: evenly from 0.1 to 0.9; of one alone 0.5. */
double		nn_quantile_level(int n_quantiles, int q);

/* The decoder's hidden size. */
int			nn_spec_decoder_hidden(const NnSpec *spec);

/* Width of the pooled vector. */
int			nn_spec_pooled(const NnSpec *spec);

/* Numbers in all tensors together: what a weights file of this spec holds. */
int64_t		nn_spec_n_numbers(const NnSpec *spec);

#endif							/* NN_SPEC_H */
