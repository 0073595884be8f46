/*
 * exec/similar.h: the rows of a relation whose inputs are most like one.
 */
#ifndef LSTM_SIMILAR_H
#define LSTM_SIMILAR_H

#include "store/registry.h"
#include "store/source.h"

typedef struct LstmSimilar
{
	float		similarity;		/* cosine, -1 ... 1 */
	char	   *key;			/* NULL: none */
	char	   *text;			/* of the input, or its beginning; NULL if it is no text */
} LstmSimilar;

/*
 * Up to n rows, the most alike first, equal ones in the order of their keys.  info has
 * no target; the key may be missing.  Everything is in the current context, which the caller deletes.
 */
extern LstmSimilar *lstm_find_similar(const LstmRef *ref, const NnValue *input, const LstmSourceInfo *info,
									  int n, int *n_found);

#endif							/* LSTM_SIMILAR_H */
