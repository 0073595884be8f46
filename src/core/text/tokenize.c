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
 *
 * Exact words are the same, with the space before them.  That it is the last space
 * of its run shows one character later, so it waits among the characters read
 * ahead; the one that is thought before the text is there from the beginning.
 */
#include "text/tokenize.h"

#include <string.h>

#include "text/normalize.h"
#include "text/utf8.h"

#define LOOK_AHEAD	4
#define POLL_BYTES	((size_t) 64 * 1024)

_Static_assert(NN_CLUSTER_NORMALIZED + LOOK_AHEAD <=
			   sizeof(((NnTokenizer *) NULL)->ahead) / sizeof(((NnTokenizer *) NULL)->ahead[0]),
			   "a cluster must fit behind what is looked at");
_Static_assert(NN_WORD_CHARACTERS * 4 <= NN_WORD_BYTES, "a word must fit");

/* Have a space of so many characters (1, or 0 if it is only thought) ahead, and nothing else. */
static void
push_space(NnTokenizer *tokenizer, int n_characters)
{
	tokenizer->ahead[0].codepoint = ' ';
	tokenizer->ahead[0].start = tokenizer->character;
	tokenizer->ahead[0].stop = tokenizer->character + n_characters;
	tokenizer->ahead[0].kind = NN_KIND_SPACE;
	tokenizer->ahead_at = 0;
	tokenizer->n_ahead = 1;
	tokenizer->at += (size_t) n_characters;
	tokenizer->character += n_characters;
}

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
	if (tokenizer->options.is_exact)
	{
		tokenizer->options.is_case_kept = true;
		if (n_bytes > 0)
			push_space(tokenizer, 0);
	}
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

/*
 * Take a word of ASCII characters behind n_lead that are in tokenizer->word; false
 * if that is not what comes next.
 */
static bool
take_ascii_word(NnTokenizer *tokenizer, NnWord *word, int n_lead)
{
	const uint8_t *text = tokenizer->text + tokenizer->at;
	char	   *bytes = tokenizer->word + n_lead;
	size_t		n_left = tokenizer->n_bytes - tokenizer->at;
	size_t		n_room = NN_WORD_CHARACTERS - (size_t) n_lead;
	size_t		n_most = n_left < n_room ? n_left : n_room;
	bool		is_alphabetic = false;
	size_t		n = 0;

	while (n < n_most && is_run(nn_ascii_kind[text[n]]))
	{
		uint8_t		c = text[n];

		is_alphabetic |= c >= 'A' && c != '_';
		if (c >= 'A' && c <= 'Z' && !tokenizer->options.is_case_kept)
			c |= 0x20;
		bytes[n++] = (char) c;
	}
	if (n == 0)
	{
		if (n_left == 0 || nn_ascii_kind[text[0]] != NN_KIND_SIGN)
			return false;
		bytes[n++] = (char) text[0];
		if (n < n_left && text[n] >= 0x80)
			return false;
	}
	else if (n < n_left && (text[n] >= 0x80 || text[n] == '\''))
		return false;

	word->bytes = tokenizer->word;
	word->n_bytes = n_lead + (int) n;
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

/* Begin a word with the next character ahead, behind n_lead bytes that are in tokenizer->word. */
static void
begin_word(NnTokenizer *tokenizer, NnWord *word, int n_lead)
{
	bool		is_space = kind_ahead(tokenizer, 0) == NN_KIND_SPACE;

	word->bytes = tokenizer->word;
	word->n_bytes = n_lead;
	word->start = tokenizer->ahead[tokenizer->ahead_at].start;
	word->is_glued = !tokenizer->was_space && !is_space;
	word->is_alphabetic = false;
	tokenizer->was_space = is_space;
}

/* Take the word that starts with the first character ahead, behind n_lead characters (of a byte each). */
static NnStatus
take_word(NnTokenizer *tokenizer, NnWord *word, int n_lead, NnError *err)
{
	uint8_t		kind = kind_ahead(tokenizer, 0);
	int			n_characters = n_lead;
	int			n_whole = 0;	/* characters that are a word together */

	begin_word(tokenizer, word, n_lead);

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
		while (n_characters < n_lead + n_whole)
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

/* There is no word any more. */
static void
end_words(const NnTokenizer *tokenizer, NnWord *word)
{
	word->bytes = NULL;
	word->n_bytes = 0;
	word->start = tokenizer->character;
	word->stop = tokenizer->character;
	word->is_glued = false;
	word->is_alphabetic = false;
}

/* ---- exact words ------------------------------------------------------------------ */

static inline bool
is_blank_ahead(const NnTokenizer *tokenizer)
{
	return tokenizer->ahead_at < tokenizer->n_ahead &&
		tokenizer->ahead[tokenizer->ahead_at].codepoint == ' ';
}

/*
 * Take the run of white space that is ahead: either of spaces, less the one that
 * goes to the word behind them, or of other white space.
 */
static NnStatus
take_white_space(NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	bool		is_blank = is_blank_ahead(tokenizer);
	int			n_characters = 0;

	begin_word(tokenizer, word, 0);
	do
	{
		take_character(tokenizer, word, &n_characters);
		NN_TRY(look_ahead(tokenizer, 2, err));
	} while (n_characters < NN_WORD_CHARACTERS &&
			 tokenizer->ahead_at < tokenizer->n_ahead &&
			 kind_ahead(tokenizer, 0) == NN_KIND_SPACE &&
			 is_blank_ahead(tokenizer) == is_blank &&
			 !(is_blank && kind_ahead(tokenizer, 1) != NN_KIND_SPACE));
	return NN_OK;
}

static NnStatus
next_exact(NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	int			n_ahead = tokenizer->n_ahead - tokenizer->ahead_at;

	NN_TRY(poll_if_due(tokenizer, err));
	if (n_ahead == 0 && tokenizer->at < tokenizer->n_bytes && tokenizer->text[tokenizer->at] == ' ')
	{
		push_space(tokenizer, 1);
		n_ahead = 1;
	}
	if (n_ahead == 0 || (n_ahead == 1 && is_blank_ahead(tokenizer)))
	{
		bool		was_space = tokenizer->was_space;

		tokenizer->word[0] = ' ';
		tokenizer->was_space |= n_ahead > 0;
		if (take_ascii_word(tokenizer, word, n_ahead))
		{
			tokenizer->ahead_at = tokenizer->n_ahead;
			return NN_OK;
		}
		tokenizer->was_space = was_space;
	}

	NN_TRY(look_ahead(tokenizer, 2, err));
	if (tokenizer->ahead_at == tokenizer->n_ahead)
	{
		end_words(tokenizer, word);
		return NN_OK;
	}
	if (kind_ahead(tokenizer, 0) != NN_KIND_SPACE)
		return take_word(tokenizer, word, 0, err);
	if (!is_blank_ahead(tokenizer) || kind_ahead(tokenizer, 1) == NN_KIND_SPACE)
		return take_white_space(tokenizer, word, err);
	tokenizer->ahead_at++;
	tokenizer->was_space = true;
	tokenizer->word[0] = ' ';
	return take_word(tokenizer, word, 1, err);
}

/* ---- all words -------------------------------------------------------------------- */

NnStatus
nn_tokenizer_next(NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	if (tokenizer->options.is_exact)
		return next_exact(tokenizer, word, err);
	for (;;)
	{
		NN_TRY(poll_if_due(tokenizer, err));
		if (tokenizer->ahead_at == tokenizer->n_ahead)
		{
			skip_spaces(tokenizer);
			if (take_ascii_word(tokenizer, word, 0))
				return NN_OK;
		}
		NN_TRY(look_ahead(tokenizer, 1, err));
		if (tokenizer->ahead_at == tokenizer->n_ahead)
		{
			end_words(tokenizer, word);
			return NN_OK;
		}
		if (kind_ahead(tokenizer, 0) != NN_KIND_SPACE)
			return take_word(tokenizer, word, 0, err);
		tokenizer->ahead_at++;
		tokenizer->was_space = true;
	}
}

/* ---- one given word --------------------------------------------------------------- */

NnStatus
nn_text_fold(const NnEnv *env, bool is_case_kept, const char *bytes, size_t n_bytes,
			 char *out, int *n_out, NnError *err)
{
	NnTokenizerOptions options = {.is_case_kept = is_case_kept};
	NnTokenizer tokenizer;
	int			n = 0;

	*n_out = 0;					/* behind the last character that is no white space */
	nn_tokenizer_init(&tokenizer, env, &options, bytes, n_bytes);
	for (;;)
	{
		char		character[4];
		int			n_here;
		int			at;

		NN_TRY(look_ahead(&tokenizer, 1, err));
		at = tokenizer.ahead_at;
		if (at == tokenizer.n_ahead)
			return NN_OK;
		tokenizer.ahead_at++;
		if (n == 0 && tokenizer.ahead[at].kind == NN_KIND_SPACE)
			continue;
		n_here = nn_utf8_encode(tokenizer.ahead[at].codepoint, character);
		if (n + n_here > NN_WORD_BYTES)
			return NN_OK;
		memcpy(out + n, character, (size_t) n_here);
		n += n_here;
		if (tokenizer.ahead[at].kind != NN_KIND_SPACE)
			*n_out = n;
	}
}
