/*
 * text/bpe.h: learning subword units by byte-pair encoding.  Private to text.
 */
#ifndef NN_BPE_H
#define NN_BPE_H

#include "text/lexicon.h"

/*
 * Append up to max_units units, in the order of their merges, to bytes (end to
 * end) and their lengths (u16 little endian) to lengths.  A unit occurs in a word
 * that was seen in at least min_rows rows, or in words that were seen, added up,
 * in this many times min_rows.
 */
#define NN_BPE_ROWS_TOGETHER 8

NnStatus	nn_bpe_learn(const NnLexicon *lexicon, int max_units, int min_rows,
						 const NnEnv *env, NnArray *lengths, NnArray *bytes, int *n_units);

#endif							/* NN_BPE_H */
