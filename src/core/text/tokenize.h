/*
 * text/tokenize.h: UTF-8 text -> words, one at a time, in constant memory.
 *
 * One rule for all languages.  Text is normalized cluster by cluster (NFKC, and
 * case folded unless told otherwise; utf8proc), then cut:
 *  - a run of letters, digits, marks and '_' is a word, but each Han, Hiragana
 *    or Katakana character is a word of its own, and so is each emoji cluster;
 *  - English contractions are cut as treebanks do: do|n't, it|'s, we|'re, I|'ll;
 *    an apostrophe elsewhere between letters starts the second part (l|'homme);
 *  - every other sign is a word of its own; white space separates and is no word;
 *  - a word of more than NN_WORD_CHARACTERS characters is cut there.
 */
#ifndef NN_TOKENIZE_H
#define NN_TOKENIZE_H

#include <stdbool.h>
#include "base/env.h"
#include "base/status.h"

#define NN_WORD_CHARACTERS	64
#define NN_WORD_BYTES		1024	/* enough for 64 characters after normalization; longer ones are cut */

typedef struct NnTokenizerOptions
{
	bool		is_case_kept;	/* default: case is folded */
} NnTokenizerOptions;

typedef struct NnWord
{
	const char *bytes;			/* normalized UTF-8, not 0-terminated; valid until the next call */
	int			n_bytes;
	int64_t		start;			/* in characters (code points) of the original text */
	int64_t		stop;			/* behind the last character */
	bool		is_glued;		/* no white space between the word before and this one */
	bool		is_alphabetic;	/* has a letter (Han and kana count) */
} NnWord;

/* The struct is public so that it can live on the stack; its fields are tokenize.c's. */
typedef struct NnTokenizer
{
	const NnEnv *env;
	NnTokenizerOptions options;
	const uint8_t *text;
	size_t		n_bytes;
	size_t		at;				/* next byte to read */
	int64_t		character;		/* its number */
	size_t		polled_at;
	/* normalized characters read ahead, each with its place in the original */
	struct
	{
		int32_t		codepoint;
		int64_t		start;
		int64_t		stop;
		uint8_t		kind;
	}			ahead[256];
	int			n_ahead;
	int			ahead_at;
	bool		was_space;
	char		word[NN_WORD_BYTES + 8];
} NnTokenizer;

/* Valid UTF-8 (no surrogates, no overlong forms, at most U+10FFFF, no 0 byte)?  *bad_at: byte of the first fault. */
bool		nn_utf8_check(const char *text, size_t n_bytes, size_t *bad_at);

/* Characters (code points) of valid UTF-8. */
int64_t		nn_utf8_length(const char *text, size_t n_bytes);

/* Begin.  text is not copied.  Invalid UTF-8 is found when it is reached. */
void		nn_tokenizer_init(NnTokenizer *tokenizer, const NnEnv *env,
							  const NnTokenizerOptions *options, const char *text, size_t n_bytes);

/*
 * NN_OK and *word; word->bytes is NULL behind the last word.  NN_EENCODING on
 * invalid UTF-8, NN_ECANCELED if poll (asked every 64 kB) says so.
 */
NnStatus	nn_tokenizer_next(NnTokenizer *tokenizer, NnWord *word, NnError *err);

#endif							/* NN_TOKENIZE_H */
