/*
 * text/lexicon.h: distinct words of a column, numbered as they come, with counts.
 *
 * An open-addressing table over one block of bytes.  A training reads its
 * rows once: each text becomes a run of word numbers (text/corpus.h), and what
 * a word becomes (a vocabulary entry or subword units) is decided afterwards,
 * once per distinct word.
 */
#ifndef NN_LEXICON_H
#define NN_LEXICON_H

#include "base/arena.h"

typedef struct NnLexicon NnLexicon;

typedef struct NnLexeme
{
	uint64_t	hash;			/* nn_hash_bytes(bytes, n, 0): the word's feature key */
	int64_t		n_tokens;		/* occurrences */
	int32_t		n_rows;			/* rows it occurred in */
	int32_t		last_row;		/* number of the last such row, for counting */
	uint32_t	n_bytes;
	size_t		at;				/* offset of its bytes */
} NnLexeme;

NnStatus	nn_lexicon_create(NnLexicon **lexicon, const NnEnv *env);
void		nn_lexicon_destroy(NnLexicon *lexicon);

/* The number of the word, new or known; counts it as seen in row (ascending row numbers). */
NnStatus	nn_lexicon_add(NnLexicon *lexicon, const char *bytes, int n_bytes, int32_t row, int32_t *number);

/* The number of a known word or -1. */
int32_t		nn_lexicon_find(const NnLexicon *lexicon, const char *bytes, int n_bytes);

int32_t		nn_lexicon_n(const NnLexicon *lexicon);
const NnLexeme *nn_lexicon_get(const NnLexicon *lexicon, int32_t number);
const char *nn_lexicon_bytes(const NnLexicon *lexicon, int32_t number);
size_t		nn_lexicon_size_bytes(const NnLexicon *lexicon);

#endif							/* NN_LEXICON_H */
