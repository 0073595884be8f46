/*
 * nn/spec.h: what a network is, in numbers.
 *
 * The spec alone fixes every tensor's name and shape (nn/net.h), so it travels
 * in the weights file's metadata and a reader can check the file against it.
 *
 * A network is a sum of two branches that read the same row:
 *
 *   recurrent   tokens or steps -> embedding -> L layers of rnn|lstm|gru, one-
 *               or bidirectional -> pooling over time -> dropout -> linear head
 *   wide        a bag of hashed features (text), or the flattened steps
 *               (vectors and series of one length) -> hidden vector -> linear head
 *
 * Each branch has its own loss (one loss on the sum starves the recurrent
 * branch: the bag fits the training rows first and takes the error away); the
 * answer adds the branches' outputs, each times its scale (fitted on held-out
 * rows, stored in the file).
 */
#ifndef NN_SPEC_H
#define NN_SPEC_H

#include <stdbool.h>
#include <stdint.h>
#include "base/status.h"

typedef enum NnTask
{
	NN_TASK_CLASSIFY,			/* softmax over n_outputs labels */
	NN_TASK_REGRESS				/* n_outputs numbers */
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
	NN_WIDE_FLAT				/* dense layer with tanh over the flattened input */
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
	int			n_outputs;		/* C */

	/* recurrent branch */
	NnCell		cell;
	int			n_layers;		/* L */
	int			hidden;			/* H, of one direction */
	bool		is_bidirectional;
	unsigned	pool;			/* NN_POOL_* */
	int			vocabulary;		/* V; 0 unless input is text */
	int			embedding;		/* E; the number of channels unless input is text */

	/* wide branch */
	NnWide		wide;
	int			wide_inputs;	/* rows of the bag's table, or length of the flattened input */
	int			wide_hidden;	/* D */
} NnSpec;

#define NN_MAX_LAYERS		8
#define NN_MAX_HIDDEN		4096
#define NN_MAX_EMBEDDING	4096
#define NN_MAX_OUTPUTS		100000
#define NN_MAX_VOCABULARY	4000000
#define NN_MAX_WIDE_INPUTS	50000000

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

/* Width of the pooled vector. */
int			nn_spec_pooled(const NnSpec *spec);

/* Numbers in all tensors together: what a weights file of this spec holds. */
int64_t		nn_spec_n_numbers(const NnSpec *spec);

#endif							/* NN_SPEC_H */
