/*
 * train/tokens_13a.c: the tokens of mteval-v13a, as sacreBLEU defines "13a".
 *
 * First white space at the end goes, "<skipped>" and a hyphen at a line's end go,
 * other line ends are spaces, and &quot; &amp; &lt; &gt; (in this order, so
 * &amp;lt; is < in the end) are what they stand for.  Then four substitutions, of
 * matches that do not overlap, each over the text as the one before left it and
 * with a space at both ends of the text:
 *	1. a sign (ASCII's, but not ' , - .)		stands alone
 *	2. no digit and then a period or comma		each stands alone
 *	3. a period or comma and then no digit		stands alone
 *	4. a digit and then a hyphen				the hyphen stands alone
 * and what white space divides are the tokens.
 *
 * Done here in one pass, byte by byte.  A mark (period or comma) that 2 takes
 * cannot be the "no digit" of its next match, so in "a..5" the second mark is
 * left to 3, which leaves it before the digit: a . .5 .  Behind 2 no two marks
 * touch (between them stands a space), so matches of 3 never compete.  That gives
 *	taken by 2:		the byte before is no digit, and no mark that 2 took
 *	taken by 3:		else, if the byte behind is no digit
 * Bytes above 127 are no digits and no signs, so characters stay whole.
 */
#include "train/tokens_13a.h"

#include <string.h>

#define POLL_BYTES	((size_t) 1 << 20)	/* about a millisecond's */

/* ---- the text -------------------------------------------------------------- */

/* Bytes of the white space character (as Python's str.split() knows them) that text begins with, or 0. */
static size_t
white_space(const char *text, size_t n_bytes)
{
	const unsigned char *c = (const unsigned char *) text;

	if (n_bytes == 0)
		return 0;
	if (c[0] < 0x80)
		return c[0] == ' ' || (c[0] >= 0x09 && c[0] <= 0x0D) || (c[0] >= 0x1C && c[0] <= 0x1F);
	if (c[0] == 0xC2)			/* U+0085, U+00A0 */
		return n_bytes >= 2 && (c[1] == 0x85 || c[1] == 0xA0) ? 2 : 0;
	if (n_bytes < 3)
		return 0;
	/* U+1680; U+2000 ... U+200A, U+2028, U+2029, U+202F; U+205F; U+3000 */
	if ((c[0] == 0xE1 && c[1] == 0x9A && c[2] == 0x80) ||
		(c[0] == 0xE2 && c[1] == 0x80 && c[2] >= 0x80 && c[2] <= 0x8A) ||
		(c[0] == 0xE2 && c[1] == 0x80 && (c[2] == 0xA8 || c[2] == 0xA9 || c[2] == 0xAF)) ||
		(c[0] == 0xE2 && c[1] == 0x81 && c[2] == 0x9F) ||
		(c[0] == 0xE3 && c[1] == 0x80 && c[2] == 0x80))
		return 3;
	return 0;
}

/* Length of text without the white space at its end. */
static size_t
trimmed_length(const char *text, size_t n_bytes)
{
	bool		is_space = true;

	while (n_bytes > 0 && is_space)
	{
		is_space = false;
		for (size_t n = 1; n <= 3 && n <= n_bytes && !is_space; n++)
		{
			if (white_space(text + n_bytes - n, n) == n)
			{
				n_bytes -= n;
				is_space = true;
			}
		}
	}
	return n_bytes;
}

/* Put to, which is not longer, for each from; leftmost first, in place. */
static NnStatus
replace_all(char *text, size_t *n_bytes, const char *from, const char *to, NnArena *arena)
{
	size_t		n_from = strlen(from);
	size_t		n_to = strlen(to);
	size_t		n = *n_bytes;
	size_t		n_out = 0;
	size_t		next_poll = POLL_BYTES;
	size_t		at = 0;

	while (at < n)
	{
		if (at >= next_poll)
		{
			NN_TRY(nn_arena_poll(arena));
			next_poll = at + POLL_BYTES;
		}
		if (text[at] == from[0] && n - at >= n_from && memcmp(text + at, from, n_from) == 0)
		{
			memcpy(text + n_out, to, n_to);
			n_out += n_to;
			at += n_from;
		}
		else
			text[n_out++] = text[at++];
	}
	*n_bytes = n_out;
	return NN_OK;
}

static NnStatus
resolve_entities(char *text, size_t *n_bytes, NnArena *arena)
{
	static const char *const entity[][2] = {
		{"<skipped>", ""}, {"-\n", ""}, {"\n", " "},
		{"&quot;", "\""}, {"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}
	};

	for (size_t i = 0; i < sizeof(entity) / sizeof(entity[0]); i++)
	{
		/* most texts have none */
		if (memchr(text, entity[i][0][0], *n_bytes) != NULL)
			NN_TRY(replace_all(text, n_bytes, entity[i][0], entity[i][1], arena));
	}
	return NN_OK;
}

NnStatus
nn_tokens_init(NnTokens *tokens, NnTokenRule rule, const char *text, size_t n_bytes,
			   NnArena *arena, NnError *err)
{
	char	   *copy;

	memset(tokens, 0, sizeof(*tokens));
	n_bytes = trimmed_length(text, n_bytes);
	copy = nn_arena_copy(arena, text, n_bytes);
	if (copy == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the tokens of a text");
	if (rule != NN_TOKENS_CHARACTERS)
		NN_TRY(resolve_entities(copy, &n_bytes, arena));
	if (rule == NN_TOKENS_CAPTION)
	{
		for (size_t i = 0; i < n_bytes; i++)
		{
			if (i % POLL_BYTES == 0)
				NN_TRY(nn_arena_poll(arena));
			if (copy[i] >= 'A' && copy[i] <= 'Z')
				copy[i] = (char) (copy[i] + ('a' - 'A'));
		}
	}
	tokens->rule = rule;
	tokens->text = copy;
	tokens->n_bytes = n_bytes;
	return NN_OK;
}

void
nn_tokens_rewind(NnTokens *tokens)
{
	tokens->at = 0;
	tokens->mark_at = 0;
}

/* ---- the tokens ------------------------------------------------------------ */

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The signs of substitution 1. */
static inline bool
is_sign(char c)
{
	return (c >= '!' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
		(c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/* Is the byte at `at` a token by itself?  Asked from left to right; asking twice changes nothing. */
static bool
stands_alone(NnTokens *tokens, size_t at)
{
	const char *text = tokens->text;
	char		before = at > 0 ? text[at - 1] : ' ';
	char		behind = at + 1 < tokens->n_bytes ? text[at + 1] : ' ';

	if (text[at] == '.' || text[at] == ',')
	{
		if (!is_digit(before) && (at == 0 || tokens->mark_at != at))
		{
			tokens->mark_at = at + 1;
			return true;
		}
		return !is_digit(behind);
	}
	if (text[at] == '-')
		return is_digit(before);
	return is_sign(text[at]);
}

/* Bytes of the character at `at`: its first and the continuation bytes behind, 4 at most. */
static size_t
character_length(const NnTokens *tokens, size_t at)
{
	size_t		n = 1;

	while (n < 4 && at + n < tokens->n_bytes && ((unsigned char) tokens->text[at + n] & 0xC0) == 0x80)
		n++;
	return n;
}

/* Bytes of the token at `at`, where no white space is. */
static size_t
token_length(NnTokens *tokens, size_t at)
{
	size_t		end = at;

	if (tokens->rule == NN_TOKENS_CHARACTERS)
		return character_length(tokens, at);
	if (stands_alone(tokens, at))
		return 1;
	do
		end++;
	while (end < tokens->n_bytes && !stands_alone(tokens, end) &&
		   white_space(tokens->text + end, tokens->n_bytes - end) == 0);
	return end - at;
}

/* Punctuation in the sense of the captions' evaluation; & % $ # and the like are words there. */
static bool
is_punctuation(const char *token, size_t n_bytes)
{
	for (size_t i = 0; i < n_bytes; i++)
	{
		if (token[i] == '\0' || strchr(".,:;?!'`\"-()[]{}", token[i]) == NULL)
			return false;
	}
	return true;
}

const char *
nn_tokens_next(NnTokens *tokens, size_t *n_bytes)
{
	while (tokens->at < tokens->n_bytes)
	{
		const char *token = tokens->text + tokens->at;
		size_t		n_space = white_space(token, tokens->n_bytes - tokens->at);

		if (n_space > 0)
		{
			tokens->at += n_space;
			continue;
		}
		*n_bytes = token_length(tokens, tokens->at);
		tokens->at += *n_bytes;
		if (tokens->rule != NN_TOKENS_CAPTION || !is_punctuation(token, *n_bytes))
			return token;
	}
	*n_bytes = 0;
	return NULL;
}
