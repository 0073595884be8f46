/*
 * model/origins.h: where in a text the numbers that a pooled network reads come from.
 *
 * nn_encode_origins() fills it beside the lists of an answer (model/encode.h): words
 * with their places, how many tokens are read of each, and which words each feature
 * of the bag is made of.
 */
#ifndef NN_ORIGINS_H
#define NN_ORIGINS_H

#include "base/arena.h"
#include "text/features.h"
#include "text/tokenize.h"

/*
 * Where a token of one input comes from, for answers that point into a text:
 * characters of the original text; of words, as if one space stood between each two.
 */
typedef struct NnPlace
{
	int64_t		start;
	int64_t		stop;
	const char *bytes;			/* as written in the input */
	int			n_bytes;
} NnPlace;

/* Places of n tokens that may be parts of characters: each becomes the whole characters that it touches. */
void		nn_places_widen(NnPlace *place, int64_t n);

/* A word of an input. */
typedef struct NnOriginWord
{
	NnPlace		place;
	int32_t		n_tokens;		/* of it that are read */
	int32_t		n_bytes;		/* as its n-grams are counted */
} NnOriginWord;

/* What a feature is made of; words are numbered from 0 in each input. */
typedef struct NnOrigin
{
	int32_t		word;
	int32_t		before;			/* of a pair its first word, else -1 */
	NnByteRange range;			/* of an n-gram, bytes of the word; else 0, 0: all of it */
} NnOrigin;

typedef struct NnOriginList
{
	NnOrigin   *item;
	int64_t		n;
	int64_t		capacity;
} NnOriginList;

/* Of all inputs, one behind the other. */
typedef struct NnOrigins
{
	NnArena    *scratch;
	NnOriginWord *word;
	int64_t		n_words;
	int64_t		word_capacity;
	int64_t    *word_start;		/* (inputs + 1) */
	NnOriginList feature;		/* beside bag_row */
	NnOriginList ngram;			/* of the input at hand */

	/* the text at hand: words come in order, several perhaps of one character (U+00BD is 1, a slash and 2) */
	const char *text;
	size_t		n_bytes;
	size_t		at;				/* where the last word began */
	int64_t		character;		/* of the text, at `at` */
	int64_t		base;			/* characters before the text */
} NnOrigins;

/* All return false, or NULL, if out of memory. */
bool		nn_origins_begin(NnOrigins *origins, int n_inputs, NnArena *scratch);

/* A text begins, base characters behind the beginning of its input. */
void		nn_origins_text(NnOrigins *origins, const char *text, size_t n_bytes, int64_t base);

/* Its next word. */
NnOriginWord *nn_origins_word(NnOrigins *origins, const NnWord *word);

/* Those of n features that have a row. */
bool		nn_origins_add(NnOrigins *origins, NnOriginList *list, const NnOrigin *origin, const int32_t *row, int n);

/* Input i ends: its n-grams stand behind its words and pairs. */
bool		nn_origins_close(NnOrigins *origins, int i);

#endif							/* NN_ORIGINS_H */
