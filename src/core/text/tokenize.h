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
 *
 * Exact words are for text that is to be written again.  Nothing is normalized,
 * folded or left out: the words' bytes end to end are one space and then the text,
 * byte for byte (of an empty text there are no words).  They are cut by the same
 * rule, but
 *  - a word takes the one space (U+0020) before it along: " the", " !"; the first
 *    word as well, as if a space stood before the text;
 *  - white space is words too: a run of spaces but for the one that goes to the
 *    word behind it ("a   b" is " a", "  ", " b"), and a run of other white space
 *    (line ends, tabs, U+00A0...), all of it together;
 *  - the space counts among the NN_WORD_CHARACTERS, and all runs are cut there;
 *  - ignorable characters (soft hyphen, joiners...) belong to the word before them.
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
	bool		is_exact;		/* exact words; is_case_kept is then without meaning */
} NnTokenizerOptions;

typedef struct NnWord
{
	const char *bytes;			/* normalized UTF-8, not 0-terminated; valid until the next call */
	int			n_bytes;

	/*
	 * In characters (code points) of the original text, stop behind the last one. The space that an exact
	 * word took along is not counted.  Only the space that is thought before an exact text, where a word of
	 * its own, has start = stop.
	 */
	int64_t		start;
	int64_t		stop;
	bool		is_glued;		/* no white space between the word before and this one; white: false */
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

/* The byte at which the n-th character behind that at byte `at` begins; n_bytes if the text ends before. */
size_t		nn_utf8_skip(const char *text, size_t n_bytes, size_t at, int64_t n);

/* Begin.  text is not copied.  Invalid UTF-8 is found when it is reached. */
void		nn_tokenizer_init(NnTokenizer *tokenizer, const NnEnv *env,
							  const NnTokenizerOptions *options, const char *text, size_t n_bytes);

/*
 * NN_OK and *word; word->bytes is NULL behind the last word.  NN_EENCODING on
 * invalid UTF-8, NN_ECANCELED if poll (asked every 64 kB) says so.
 */
NnStatus	nn_tokenizer_next(NnTokenizer *tokenizer, NnWord *word, NnError *err);

/*
 * The form that a given word has in a vocabulary: normalized as the tokenizer does
 * it, and case-folded unless is_case_kept, but not cut.  "U.S." becomes "u.s.",
 * "can't" stays whole, white space inside is kept, white space around it is not.
 * Writes at most NN_WORD_BYTES bytes to out, not 0-terminated: a longer word ends
 * before the character that has no room.  *n_out is 0 for a word of nothing but
 * white space and ignorable characters.  NN_EENCODING on invalid UTF-8 (as far as
 * it is read), NN_ECANCELED as the tokenizer.
 */
NnStatus	nn_text_fold(const NnEnv *env, bool is_case_kept, const char *bytes, size_t n_bytes,
						 char *out, int *n_out, NnError *err);

#endif							/* NN_TOKENIZE_H */
