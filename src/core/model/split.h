/*
 * model/split.h: which rows are held out.
 *
 * A row is held out by a hash of its input: wherever it stands, whenever it is
 * read again, and in which version it is learned from.  So equal inputs are on one
 * side, a row held out once stays so while its table grows, and two versions
 * can be compared on rows that neither has learned from.
 *
 * Held out are the inputs whose hash, as a number in [0, 1), falls under the share;
 * splits of different shares are nested.  A few inputs stand on the other side, for the
 * sake of labels with few rows (learn_split.c); these exceptions are listed.
 */
#ifndef NN_SPLIT_H
#define NN_SPLIT_H

#include "model/answer.h"

typedef struct NnSplit
{
	double		share;			/* 0: nothing but exceptions is held out */
	int64_t		n_exceptions;
	const uint64_t *exception;	/* hashes of inputs, ascending */
} NnSplit;

/* What decides about an input. */
uint64_t	nn_input_hash(const NnValue *input);

/* An input's place in [0, 1), from its hash. */
double		nn_split_place(uint64_t hash);

bool		nn_split_is_exception(const NnSplit *split, uint64_t hash);
bool		nn_split_holds_out(const NnSplit *split, uint64_t hash);

#endif							/* NN_SPLIT_H */
