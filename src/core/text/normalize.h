/*
 * text/normalize.h: text -> normalized characters (for exact words: just its
 * characters), cluster by cluster, each with its kind and its place.  Private to
 * text.
 */
#ifndef NN_NORMALIZE_H
#define NN_NORMALIZE_H

#include "text/tokenize.h"

/* What a character is to the tokenizer.  From LETTER on: what runs of words are made of. */
enum
{
	NN_KIND_SPACE,
	NN_KIND_SIGN,				/* a word of its own */
	NN_KIND_IDEOGRAPH,			/* Han, Hiragana, Katakana: a letter and a word of its own */
	NN_KIND_APOSTROPHE,
	NN_KIND_ELISION,			/* an apostrophe that tokenize.c found to start a second part */
	NN_KIND_LETTER,
	NN_KIND_DIGIT,
	NN_KIND_UNDERSCORE,
	NN_KIND_MARK,				/* continues any word: marks, the rest of an emoji cluster, and where they
								 * are kept ignorable characters */
	NN_KIND_NONE				/* of bytes that are no ASCII character */
};

/* Kinds of the ASCII characters; NN_KIND_NONE for the 0 byte and from 128 on. */
extern const uint8_t nn_ascii_kind[256];

/*
 * Append the next cluster's characters to tokenizer->ahead: none, where all of it
 * is ignorable.  The text is not at its end, and ahead has room for
 * NN_CLUSTER_NORMALIZED more.
 */
NnStatus	nn_normalize_cluster(NnTokenizer *tokenizer, NnError *err);

#define NN_CLUSTER_NORMALIZED	240

#endif							/* NN_NORMALIZE_H */
