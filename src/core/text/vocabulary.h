/*
 * text/vocabulary.h: words and subword units <-> token ids.
 *
 * Ids: 0 ... 255 are the bytes; then the subword units learned from the column
 * (byte-pair encoding, Sennrich et al. 2016: the order of units is the order of
 * merges); then whole words, most frequent first, equal counts in byte order.
 * So a column gives the same vocabulary whatever order its rows are read in.
 *
 * A word in the vocabulary is one token.  Another is cut into units by byte-pair
 * merges, which start from its bytes, so nothing is unknown.  The first piece of
 * a cut word and the pieces that continue it are told apart by nothing but their
 * place; encode says for each token whether it continues a word, and decode
 * joins by spaces unless told that a token is glued to the one before.  Exact
 * words (text/tokenize.h) hold their spaces, and decode_exact gives back the text.
 *
 * Words and units kept are those that occur in at least min_rows rows: a rare
 * word of one row never gets into a weights file as a word.
 */
#ifndef NN_VOCABULARY_H
#define NN_VOCABULARY_H

#include "base/bytes.h"
#include "text/lexicon.h"

typedef struct NnVocabulary NnVocabulary;

typedef struct NnVocabularyOptions
{
	int			max_words;		/* default 60000 */
	int			max_units;		/* 0: only bytes */
	int			min_rows;		/* default 3 */
} NnVocabularyOptions;

/* Learn from a lexicon.  Memory from env; poll is asked. */
NnStatus	nn_vocabulary_learn(NnVocabulary **vocabulary, const NnLexicon *lexicon,
								const NnVocabularyOptions *options, const NnEnv *env, NnError *err);
void		nn_vocabulary_destroy(NnVocabulary *vocabulary);

/* All ids: 256 + units + words. */
int			nn_vocabulary_n(const NnVocabulary *vocabulary);
int			nn_vocabulary_n_units(const NnVocabulary *vocabulary);

/* Bytes of a token. */
const char *nn_vocabulary_bytes(const NnVocabulary *vocabulary, int id, int *n_bytes);

/* Id of a whole word, or -1. */
int			nn_vocabulary_find(const NnVocabulary *vocabulary, const char *bytes, int n_bytes);

/*
 * Token ids of one word into ids (room for n_bytes of them); returns how many.
 * 1 and an id of a word if it is known as a word, else its units.
 */
int			nn_vocabulary_encode(const NnVocabulary *vocabulary, const char *bytes, int n_bytes,
								 int32_t *ids, bool *is_known);

/*
 * A word cut into units, known or not, and into two at least: the last merges of one
 * that is a unit as a whole are left away.
 */
int			nn_vocabulary_cut(const NnVocabulary *vocabulary, const char *bytes, int n_bytes, int32_t *ids);

/* The bytes of a run of tokens appended to out; a space before each token whose is_glued is false (is_glued may be NULL: a space before each). */
NnStatus	nn_vocabulary_decode(const NnVocabulary *vocabulary, const int32_t *ids,
								 const bool *is_glued, int n, NnArray *out);

/*
 * The text that the tokens of exact words stand for, appended to out: their bytes
 * end to end, less the first one if it is a space.  A model may write what no text
 * holds, so each 0 byte and each longest part of a character that is not completed
 * (Unicode 15, section 3.9) becomes U+FFFD: what is appended is valid UTF-8.
 * NN_ERANGE if an id is none; then, and without memory, out holds a part of it.
 */
NnStatus	nn_vocabulary_decode_exact(const NnVocabulary *vocabulary, const int32_t *ids, int n,
									   NnArray *out);

/* Two byte blocks that say it all: lengths (u16 little endian, one per unit and word) and bytes end to end. */
NnStatus	nn_vocabulary_write(const NnVocabulary *vocabulary, NnArray *lengths, NnArray *bytes);

/* The reverse; trusts nothing.  NN_EFORMAT on any inconsistency, repeated words included. */
NnStatus	nn_vocabulary_read(NnVocabulary **vocabulary, int n_units,
							   const uint8_t *lengths, size_t n_length_bytes,
							   const uint8_t *bytes, size_t n_bytes,
							   const NnEnv *env, NnError *err);
size_t		nn_vocabulary_size_bytes(const NnVocabulary *vocabulary);

#endif							/* NN_VOCABULARY_H */
