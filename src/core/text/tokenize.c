/*
 * text/tokenize.c: cutting normalized characters into words.
 *
 * There are two paths, which give the same words.  The quick one takes a word
 * straight from the bytes: ASCII letters, digits and _, or one ASCII sign, if
 * the byte behind it is ASCII too (so no mark can belong to its last character)
 * and no apostrophe.  Everything else goes through the characters read ahead
 * (text/normalize.c), of which at most LOOK_AHEAD are looked at before one is
 * taken.  The quick path is open only while nothing is read ahead.
 *
 * A word read ahead is one of
 *
 *	run			LETTER, DIGIT, UNDERSCORE, MARK ... up to 64 characters
 *	single		SIGN or IDEOGRAPH, and its MARKs
 *	n't			before a character that is not of a run; a run stops before it
 *	elision		' and a run: ' stands between a run and a LETTER
 *	suffix		's 'd 'm 're 've 'll, standing free, as treebanks write them
 */
#include "text/tokenize.h"

#include "text/normalize.h"
#include "text/utf8.h"

#define LOOK_AHEAD	4
#define POLL_BYTES	((size_t) 64 * 1024)

_Static_assert(NN_CLUSTER_NORMALIZED + LOOK_AHEAD <=
			   sizeof(((NnTokenizer *) NULL)->ahead) / sizeof(((NnTokenizer *) NULL)->ahead[0]),
			   "a cluster must fit behind what is looked at");
_Static_assert(NN_WORD_CHARACTERS * 4 <= NN_WORD_BYTES, "a word must fit");

void
nn_tokenizer_init(NnTokenizer *tokenizer, const NnEnv *env,
				  const NnTokenizerOptions *options, const char *text, size_t n_bytes)
{
	static const NnTokenizerOptions defaults = {0};

	/* field by field: clearing the 8 kB of the struct would cost more than a short text */
	tokenizer->env = env;
	tokenizer->options = options != NULL ? *options : defaults;
	tokenizer->text = (const uint8_t *) text;
	tokenizer->n_bytes = n_bytes;
	tokenizer->at = 0;
	tokenizer->character = 0;
	tokenizer->polled_at = 0;
	tokenizer->n_ahead = 0;
	tokenizer->ahead_at = 0;
	tokenizer->was_space = true;
}

static inline bool
is_run(uint8_t kind)
{
	return kind >= NN_KIND_LETTER && kind <= NN_KIND_MARK;
}

/* ---- the quick path -------------------------------------------------------- */

/* Skip ASCII white space, as far as the next poll. */
static void
skip_spaces(NnTokenizer *tokenizer)
{
	size_t		stop = tokenizer->n_bytes;
	size_t		at = tokenizer->at;

	if (stop - tokenizer->polled_at > POLL_BYTES)
		stop = tokenizer->polled_at + POLL_BYTES;
	while (at < stop && nn_ascii_kind[tokenizer->text[at]] == NN_KIND_SPACE)
		at++;
	if (at > tokenizer->at)
	{
		tokenizer->was_space = true;
		tokenizer->character += (int64_t) (at - tokenizer->at);
		tokenizer->at = at;
	}
}

/* Take a word of ASCII characters; false if that is not what comes next. */
static bool
take_ascii_word(NnTokenizer *tokenizer, NnWord *word)
{
	const uint8_t *text = tokenizer->text + tokenizer->at;
	size_t		n_left = tokenizer->n_bytes - tokenizer->at;
	size_t		n_most = n_left < NN_WORD_CHARACTERS ? n_left : NN_WORD_CHARACTERS;
	bool		is_alphabetic = false;
	size_t		n = 0;

	while (n < n_most && is_run(nn_ascii_kind[text[n]]))
	{
		uint8_t		c = text[n];

		is_alphabetic |= c >= 'A' && c != '_';
		if (c >= 'A' && c <= 'Z' && !tokenizer->options.is_case_kept)
			c |= 0x20;
		tokenizer->word[n++] = (char) c;
	}
	if (n == 0)
	{
		if (n_left == 0 || nn_ascii_kind[text[0]] != NN_KIND_SIGN)
			return false;
		tokenizer->word[n++] = (char) text[0];
		if (n < n_left && text[n] >= 0x80)
			return false;
	}
	else if (n < n_left && (text[n] >= 0x80 || text[n] == '\''))
		return false;

	word->bytes = tokenizer->word;
	word->n_bytes = (int) n;
	word->start = tokenizer->character;
	word->stop = tokenizer->character + (int64_t) n;
	word->is_glued = !tokenizer->was_space;
	word->is_alphabetic = is_alphabetic;
	tokenizer->at += n;
	tokenizer->character += (int64_t) n;
	tokenizer->was_space = false;
	return true;
}

/* ---- characters read ahead --------------------------------------------------- */

static NnStatus
poll_if_due(NnTokenizer *tokenizer, NnError *err)
{
	if (tokenizer->at - tokenizer->polled_at < POLL_BYTES)
		return NN_OK;
	tokenizer->polled_at = tokenizer->at;
	if (tokenizer->env->poll(tokenizer->env->ctx) != 0)
		return nn_fail(err, NN_ECANCELED, "%s", nn_status_text(NN_ECANCELED));
	return NN_OK;
}

/* Have n <= LOOK_AHEAD characters read ahead, or all that are left. */
static NnStatus
look_ahead(NnTokenizer *tokenizer, int n, NnError *err)
{
	while (tokenizer->n_ahead - tokenizer->ahead_at < n && tokenizer->at < tokenizer->n_bytes)
	{
		if (tokenizer->ahead_at > 0)
		{
			int			i;

			/* less than LOOK_AHEAD of them */
			for (i = tokenizer->ahead_at; i < tokenizer->n_ahead; i++)
				tokenizer->ahead[i - tokenizer->ahead_at] = tokenizer->ahead[i];
			tokenizer->n_ahead -= tokenizer->ahead_at;
			tokenizer->ahead_at = 0;
		}
		NN_TRY(poll_if_due(tokenizer, err));
		NN_TRY(nn_normalize_cluster(tokenizer, err));
	}
	return NN_OK;
}

/* Kind of the i-th character ahead; behind the end there is white space. */
static inline uint8_t
kind_ahead(const NnTokenizer *tokenizer, int i)
{
	int			at = tokenizer->ahead_at + i;

	return at < tokenizer->n_ahead ? tokenizer->ahead[at].kind : NN_KIND_SPACE;
}

/* Is the i-th character ahead this ASCII letter, in either case? */
static inline bool
is_letter_ahead(const NnTokenizer *tokenizer, int i, char letter)
{
	int			at = tokenizer->ahead_at + i;

	return at < tokenizer->n_ahead && (tokenizer->ahead[at].codepoint | 0x20) == letter;
}

/* Is n't next, and at its end a word's end?  LOOK_AHEAD characters are there. */
static bool
is_negation_ahead(const NnTokenizer *tokenizer)
{
	return is_letter_ahead(tokenizer, 0, 'n') &&
		kind_ahead(tokenizer, 1) == NN_KIND_APOSTROPHE &&
		is_letter_ahead(tokenizer, 2, 't') &&
		!is_run(kind_ahead(tokenizer, 3));
}

/* Length of the free-standing suffix that starts with the ' ahead, or 0. */
static int
suffix_ahead(const NnTokenizer *tokenizer)
{
	static const char suffixes[][3] = {"s", "d", "m", "re", "ve", "ll"};
	size_t		i;

	for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
	{
		int			n = suffixes[i][1] == '\0' ? 1 : 2;
		uint8_t		behind = kind_ahead(tokenizer, n + 1);

		/* a second apostrophe: one letter in quotes */
		if (is_letter_ahead(tokenizer, 1, suffixes[i][0]) &&
			(n == 1 || is_letter_ahead(tokenizer, 2, suffixes[i][1])) &&
			!is_run(behind) && behind != NN_KIND_APOSTROPHE)
			return n + 1;
	}
	return 0;
}

/* ---- words of characters read ahead --------------------------------------------- */

/* Move the next character ahead to the end of the word. */
static void
take_character(NnTokenizer *tokenizer, NnWord *word, int *n_characters)
{
	int			at = tokenizer->ahead_at++;
	uint8_t		kind = tokenizer->ahead[at].kind;

	if (*n_characters == 0)
		word->start = tokenizer->ahead[at].start;
	word->stop = tokenizer->ahead[at].stop;
	word->n_bytes += nn_utf8_encode(tokenizer->ahead[at].codepoint,
									tokenizer->word + word->n_bytes);
	word->is_alphabetic |= kind == NN_KIND_LETTER || kind == NN_KIND_IDEOGRAPH;
	(*n_characters)++;
}

/* Take characters of a run, up to its end or that of the word. */
static NnStatus
take_run(NnTokenizer *tokenizer, NnWord *word, int *n_characters, NnError *err)
{
	bool		is_letter_last = false; /* or digit or mark */

	for (;;)
	{
		uint8_t		kind;

		NN_TRY(look_ahead(tokenizer, 1, err));
		kind = kind_ahead(tokenizer, 0);
		if (kind == NN_KIND_APOSTROPHE && is_letter_last)
		{
			NN_TRY(look_ahead(tokenizer, 2, err));
			if (kind_ahead(tokenizer, 1) == NN_KIND_LETTER)
				tokenizer->ahead[tokenizer->ahead_at].kind = NN_KIND_ELISION;
		}
		if (!is_run(kind) || *n_characters == NN_WORD_CHARACTERS)
			return NN_OK;
		if (is_letter_ahead(tokenizer, 0, 'n') && *n_characters > 0)
		{
			NN_TRY(look_ahead(tokenizer, LOOK_AHEAD, err));
			if (is_negation_ahead(tokenizer))
				return NN_OK;
		}
		take_character(tokenizer, word, n_characters);
		is_letter_last = kind != NN_KIND_UNDERSCORE;
	}
}

/* Take the word that starts with the first character ahead. */
static NnStatus
take_word(NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	uint8_t		kind = kind_ahead(tokenizer, 0);
	int			n_characters = 0;
	int			n_whole = 0;	/* characters that are a word together */

	word->bytes = tokenizer->word;
	word->n_bytes = 0;
	word->is_glued = !tokenizer->was_space;
	word->is_alphabetic = false;
	tokenizer->was_space = false;

	if (kind == NN_KIND_APOSTROPHE || is_letter_ahead(tokenizer, 0, 'n'))
	{
		NN_TRY(look_ahead(tokenizer, LOOK_AHEAD, err));
		if (kind == NN_KIND_APOSTROPHE)
			n_whole = suffix_ahead(tokenizer);
		else if (is_negation_ahead(tokenizer))
			n_whole = 3;
	}
	if (n_whole > 0)
	{
		while (n_characters < n_whole)
			take_character(tokenizer, word, &n_characters);
		return NN_OK;
	}
	if (is_run(kind))
		return take_run(tokenizer, word, &n_characters, err);

	take_character(tokenizer, word, &n_characters);
	if (kind == NN_KIND_ELISION)
		return take_run(tokenizer, word, &n_characters, err);
	for (;;)
	{
		NN_TRY(look_ahead(tokenizer, 1, err));
		if (kind_ahead(tokenizer, 0) != NN_KIND_MARK || n_characters == NN_WORD_CHARACTERS)
			return NN_OK;
		take_character(tokenizer, word, &n_characters);
	}
}

NnStatus
nn_tokenizer_next(NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	for (;;)
	{
		NN_TRY(poll_if_due(tokenizer, err));
		if (tokenizer->ahead_at == tokenizer->n_ahead)
		{
			skip_spaces(tokenizer);
			if (take_ascii_word(tokenizer, word))
				return NN_OK;
		}
		NN_TRY(look_ahead(tokenizer, 1, err));
		if (tokenizer->ahead_at == tokenizer->n_ahead)
		{
			word->bytes = NULL;
			word->n_bytes = 0;
			word->start = tokenizer->character;
			word->stop = tokenizer->character;
			word->is_glued = false;
			word->is_alphabetic = false;
			return NN_OK;
		}
		if (kind_ahead(tokenizer, 0) != NN_KIND_SPACE)
			return take_word(tokenizer, word, err);
		tokenizer->ahead_at++;
		tokenizer->was_space = true;
	}
}
