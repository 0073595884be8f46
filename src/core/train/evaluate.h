/*
 * train/evaluate.h: inside this room: a net's outputs, one batch after the other.
 */
#ifndef NN_EVALUATE_H
#define NN_EVALUATE_H

#include "train/shards.h"

/* What an evaluation needs; everything is the caller's. */
typedef struct NnEvaluation
{
	const NnNet *net;
	const NnExamples *examples;
	int64_t		n;
	const int32_t *order;		/* (n) example numbers, longest first */
	NnBatchBound bound;			/* batches stay within it unless one example alone passes it */
	bool		is_split;		/* the branches' own outputs too */
	NnRunning  *running;		/* a language model's running text, or NULL */
	const NnEnv *env;
	NnArena    *scratch;		/* reset before every batch */
} NnEvaluation;

/* Outputs of a batch; row r is of example[r].  The sink may overwrite them. */
typedef struct NnOutputs
{
	int			n;
	const int32_t *example;		/* (n) */
	float	   *out;			/* (n, C) */
	float	   *recurrent;		/* (n, C), is_split only */
	float	   *wide;
} NnOutputs;

typedef void (*NnOutputsSink) (void *ctx, const NnOutputs *outputs);

/* Run the net over all examples, or every n_shards-th batch from batch s on.  Polls before every batch. */
NnStatus	nn_evaluate(const NnEvaluation *evaluation, int s, int n_shards, NnOutputsSink sink, void *ctx,
						NnError *err);

/* Figures of a validation part. */
typedef struct NnValidation
{
	double		loss;			/* mean over the rows: cross-entropy of the sum, or half the squared error;
								 * pinball loss of the sum (forecast); over the sequences (tag); over the
								 * tokens (texts) */
	double		metric;			/* accuracy, R2, perplexity where text is written, mean absolute error of
								 * the median (forecast) */
	double		goodness;		/* the same such that more is better */
} NnValidation;

/* Each member of a team does its shards of the batches, and all get the same figures. */
NnStatus	nn_validate(const NnEvaluation *evaluation, NnSlots *slots, int n_shards, NnValidation *validation,
						NnError *err);

#endif							/* NN_EVALUATE_H */
