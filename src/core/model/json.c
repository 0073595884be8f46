/*
 * model/json.c: strict JSON over jsmn's tokens.
 *
 * jsmn is small and safe, but takes much for JSON that is not: [1 2], {"a"},
 * 01, lone surrogates.  So a document passes four gates, each of which the next
 * one relies on:
 *
 *   1. it is UTF-8 without 0 bytes (jsmn would stop at one);
 *   2. brackets nest at most NN_JSON_DEPTH deep (jsmn's time for a closing
 *      bracket, and our recursion, grow with the depth);
 *   3. jsmn counts its tokens, then fills that many;
 *   4. a walk over text and tokens together checks that between them stand just
 *      the signs that the grammar wants, and that each token is sound.
 *
 * After that the accessors need no checks of their own.
 */
#include "model/json.h"

#include <string.h>
#include "text/tokenize.h"

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS		/* closing brackets find their partner without a search */
#include <jsmn.h>

_Static_assert(sizeof(jsmntok_t) == NN_JSON_TOKEN_BYTES, "the price of a token is public");

/* ---- strings -------------------------------------------------------------- */

static uint32_t
hex_quad(const char *at)
{
	uint32_t	value = 0;

	for (int i = 0; i < 4; i++)
	{
		char		c = at[i];
		int			digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

		value = value << 4 | (uint32_t) digit;
	}
	return value;
}

/*
 * The code point of an escape; *at stands on the backslash and moves behind.  0
 * for what is no character: half of a surrogate pair, or "\u0000".  jsmn has
 * seen to the letter behind the backslash and to four digits behind a u.
 */
static uint32_t
decode_escape(const char **at, const char *end)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	char		letter = (*at)[1];
	uint32_t	code;
	uint32_t	low;

	if (letter != 'u')
	{
		*at += 2;
		return (uint32_t) meanings[strchr(letters, letter) - letters];
	}
	code = hex_quad(*at + 2);
	*at += 6;
	if (code < 0xD800 || code > 0xDFFF)
		return code;
	if (code > 0xDBFF || end - *at < 6 || (*at)[0] != '\\' || (*at)[1] != 'u')
		return 0;
	low = hex_quad(*at + 2);
	if (low < 0xDC00 || low > 0xDFFF)
		return 0;
	*at += 6;
	return 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
}

static size_t
encode_utf8(uint32_t code, char *out)
{
	if (code < 0x80)
	{
		out[0] = (char) code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = (char) (0xC0 | code >> 6);
		out[1] = (char) (0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = (char) (0xE0 | code >> 12);
		out[1] = (char) (0x80 | (code >> 6 & 0x3F));
		out[2] = (char) (0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char) (0xF0 | code >> 18);
	out[1] = (char) (0x80 | (code >> 12 & 0x3F));
	out[2] = (char) (0x80 | (code >> 6 & 0x3F));
	out[3] = (char) (0x80 | (code & 0x3F));
	return 4;
}

/* No control characters, and every escape is a character? */
static bool
check_string(const char *at, const char *end)
{
	while (at < end)
	{
		if ((unsigned char) *at < 0x20)
			return false;
		if (*at != '\\')
			at++;
		else if (decode_escape(&at, end) == 0)
			return false;
	}
	return true;
}

/* ---- numbers and literals --------------------------------------------------- */

static const char *
skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9')
		at++;
	return at;
}

/* number = ["-"] ("0" / 1-9 digits) ["." digits] [("e" / "E") ["+" / "-"] digits] */
static bool
check_number(const char *at, const char *end)
{
	const char *digits;

	if (at < end && *at == '-')
		at++;
	digits = at;
	at = skip_digits(at, end);
	if (at == digits || (*digits == '0' && at > digits + 1))
		return false;
	if (at < end && *at == '.')
	{
		digits = ++at;
		at = skip_digits(at, end);
		if (at == digits)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E'))
	{
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		digits = at;
		at = skip_digits(at, end);
		if (at == digits)
			return false;
	}
	return at == end;
}

static bool
equals(const char *at, const char *end, const char *name)
{
	size_t		n_bytes = strlen(name);

	return (size_t) (end - at) == n_bytes && memcmp(at, name, n_bytes) == 0;
}

static bool
check_primitive(const char *at, const char *end)
{
	return equals(at, end, "true") || equals(at, end, "false") || equals(at, end, "null") ||
		check_number(at, end);
}

/* ---- the grammar between tokens --------------------------------------------- */

typedef struct Walk
{
	const char *text;
	size_t		n_bytes;
	size_t		at;				/* next byte */
	const jsmntok_t *tokens;
	int			n_tokens;
	int			next;			/* next token */
} Walk;

static void
skip_space(Walk *walk)
{
	while (walk->at < walk->n_bytes && walk->text[walk->at] != '\0' &&
		   strchr(" \t\n\r", walk->text[walk->at]) != NULL)
		walk->at++;
}

/* Step over a sign if it is the next thing. */
static bool
accept(Walk *walk, char sign)
{
	skip_space(walk);
	if (walk->at >= walk->n_bytes || walk->text[walk->at] != sign)
		return false;
	walk->at++;
	return true;
}

static bool
walk_string(Walk *walk)
{
	const jsmntok_t *token = &walk->tokens[walk->next];

	if (walk->next >= walk->n_tokens || token->type != JSMN_STRING ||
		!accept(walk, '"') || walk->at != (size_t) token->start ||
		!check_string(walk->text + token->start, walk->text + token->end))
		return false;
	walk->at = (size_t) token->end + 1;
	walk->next++;
	return true;
}

static bool walk_value(Walk *walk);

/* Members or elements; the opening bracket was accepted. */
static bool
walk_container(Walk *walk, bool is_object)
{
	char		close = is_object ? '}' : ']';

	if (accept(walk, close))
		return true;
	do
	{
		if (is_object && !(walk_string(walk) && accept(walk, ':')))
			return false;
		if (!walk_value(walk))
			return false;
	} while (accept(walk, ','));
	return accept(walk, close);
}

/* Recursion is bounded by check_depth(). */
static bool
walk_value(Walk *walk)
{
	const jsmntok_t *token = &walk->tokens[walk->next];
	bool		is_object;

	if (walk->next >= walk->n_tokens)
		return false;
	if (token->type == JSMN_STRING)
		return walk_string(walk);

	skip_space(walk);
	if (walk->at != (size_t) token->start)
		return false;
	walk->next++;
	if (token->type == JSMN_PRIMITIVE)
	{
		walk->at = (size_t) token->end;
		return check_primitive(walk->text + token->start, walk->text + token->end);
	}
	is_object = token->type == JSMN_OBJECT;
	walk->at++;
	return walk_container(walk, is_object) && walk->at == (size_t) token->end;
}

/* ---- parsing ----------------------------------------------------------------- */

static bool
check_depth(const char *text, size_t n_bytes)
{
	bool		is_string = false;
	int			depth = 0;

	for (size_t i = 0; i < n_bytes; i++)
	{
		char		c = text[i];

		if (is_string && c == '\\')
			i++;
		else if (c == '"')
			is_string = !is_string;
		else if (!is_string && (c == '{' || c == '['))
		{
			if (++depth > NN_JSON_DEPTH)
				return false;
		}
		else if (!is_string && (c == '}' || c == ']'))
			depth--;
	}
	return true;
}

NnStatus
nn_json_parse(NnJson *json, const char *what, const char *text, size_t n_bytes,
			  size_t max_tokens, NnArena *arena, NnError *err)
{
	jsmn_parser parser;
	jsmntok_t  *tokens;
	Walk		walk = {0};
	size_t		bad_at;
	int			n;

	/* jsmn counts in ints. */
	if (n_bytes > INT32_MAX / 2)
		return nn_fail(err, NN_ELIMIT, "%s is too long", what);
	if (!nn_utf8_check(text, n_bytes, &bad_at))
	{
		nn_fail(err, NN_EFORMAT, "%s is not valid UTF-8 at byte %zu", what, bad_at);
		return NN_EFORMAT;
	}
	if (!check_depth(text, n_bytes))
		return nn_fail(err, NN_EFORMAT, "%s is nested more than %d deep", what, NN_JSON_DEPTH);

	jsmn_init(&parser);
	n = jsmn_parse(&parser, text, n_bytes, NULL, 0);
	if (n <= 0)
		return nn_fail(err, NN_EFORMAT, "%s is not JSON", what);
	if ((size_t) n > max_tokens)
		return nn_fail(err, NN_ELIMIT, "%s has more than %zu values", what, max_tokens);
	tokens = NN_ALLOC(arena, jsmntok_t, (size_t) n);
	if (tokens == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	jsmn_init(&parser);
	n = jsmn_parse(&parser, text, n_bytes, tokens, (unsigned int) n);

	walk.text = text;
	walk.n_bytes = n_bytes;
	walk.tokens = tokens;
	walk.n_tokens = n;
	if (n <= 0 || (tokens[0].type != JSMN_OBJECT && tokens[0].type != JSMN_ARRAY) || !walk_value(&walk))
		return nn_fail(err, NN_EFORMAT, "%s is not valid JSON at byte %zu", what, walk.at);
	skip_space(&walk);
	if (walk.at != n_bytes || walk.next != n)
		return nn_fail(err, NN_EFORMAT, "%s goes on behind its end at byte %zu", what, walk.at);

	json->text = text;
	json->n_bytes = n_bytes;
	json->tokens = tokens;
	json->n_tokens = n;
	return NN_OK;
}

/* ---- access ------------------------------------------------------------------- */

static const jsmntok_t *
token_of(const NnJson *json, int value)
{
	return (const jsmntok_t *) json->tokens + value;
}

NnJsonKind
nn_json_kind(const NnJson *json, int value)
{
	const jsmntok_t *token = token_of(json, value);

	if (token->type == JSMN_OBJECT)
		return NN_JSON_OBJECT;
	if (token->type == JSMN_ARRAY)
		return NN_JSON_ARRAY;
	if (token->type == JSMN_STRING)
		return NN_JSON_STRING;
	switch (json->text[token->start])
	{
		case 't':
			return NN_JSON_TRUE;
		case 'f':
			return NN_JSON_FALSE;
		case 'n':
			return NN_JSON_NULL;
		default:
			return NN_JSON_NUMBER;
	}
}

/* The token at index if it still lies inside the container, else -1. */
static int
inside(const NnJson *json, int container, int index)
{
	return index < json->n_tokens &&
		token_of(json, index)->start < token_of(json, container)->end ? index : -1;
}

int
nn_json_first(const NnJson *json, int container)
{
	return inside(json, container, container + 1);
}

int
nn_json_next(const NnJson *json, int container, int value)
{
	int			last = value;
	int			index;

	if (nn_json_kind(json, container) == NN_JSON_OBJECT)
		last = nn_json_value(json, value);
	/* Tokens stand in the order of the text: what starts inside belongs to it. */
	for (index = last + 1; inside(json, last, index) >= 0; index++)
		;
	return inside(json, container, index);
}

int
nn_json_value(const NnJson *json, int key)
{
	(void) json;
	return key + 1;
}

/* Compare a string with plain text; keys of ours need no escapes, so an escape never matches. */
bool
nn_json_is_key(const NnJson *json, int key, const char *name)
{
	const jsmntok_t *token = token_of(json, key);

	return equals(json->text + token->start, json->text + token->end, name);
}

int
nn_json_find(const NnJson *json, int object, const char *name)
{
	for (int key = nn_json_first(json, object); key >= 0; key = nn_json_next(json, object, key))
		if (nn_json_is_key(json, key, name))
			return nn_json_value(json, key);
	return -1;
}

bool
nn_json_has_repeats(const NnJson *json, int object)
{
	for (int a = nn_json_first(json, object); a >= 0; a = nn_json_next(json, object, a))
	{
		const jsmntok_t *token = token_of(json, a);
		size_t		n_bytes = (size_t) (token->end - token->start);

		for (int b = nn_json_next(json, object, a); b >= 0; b = nn_json_next(json, object, b))
		{
			const jsmntok_t *other = token_of(json, b);

			if ((size_t) (other->end - other->start) == n_bytes &&
				memcmp(json->text + token->start, json->text + other->start, n_bytes) == 0)
				return true;
		}
	}
	return false;
}

bool
nn_json_integer(const NnJson *json, int value, int64_t low, int64_t high, int64_t *number)
{
	const jsmntok_t *token = token_of(json, value);
	const char *at = json->text + token->start;
	const char *end = json->text + token->end;
	bool		is_negative;
	uint64_t	magnitude = 0;
	int64_t		result;

	if (nn_json_kind(json, value) != NN_JSON_NUMBER)
		return false;
	is_negative = *at == '-';
	at += is_negative;
	/* 18 digits always fit; more are in no range of ours. */
	if (skip_digits(at, end) != end || end - at > 18 || (is_negative && *at == '0'))
		return false;
	for (; at < end; at++)
		magnitude = magnitude * 10 + (uint64_t) (*at - '0');
	result = is_negative ? -(int64_t) magnitude : (int64_t) magnitude;
	if (result < low || result > high)
		return false;
	*number = result;
	return true;
}

size_t
nn_json_string_bytes(const NnJson *json, int value)
{
	const jsmntok_t *token = token_of(json, value);

	/* An escape is longer than what it stands for. */
	return (size_t) (token->end - token->start);
}

char *
nn_json_string(const NnJson *json, int value, NnArena *arena, size_t *n_bytes)
{
	const jsmntok_t *token = token_of(json, value);
	const char *at = json->text + token->start;
	const char *end = json->text + token->end;
	char	   *string = nn_arena_alloc(arena, nn_json_string_bytes(json, value) + 1, 1);
	size_t		n = 0;

	if (string == NULL)
		return NULL;
	while (at < end)
	{
		if (*at == '\\')
			n += encode_utf8(decode_escape(&at, end), string + n);
		else
			string[n++] = *at++;
	}
	string[n] = '\0';
	*n_bytes = n;
	return string;
}

/* ---- writing ------------------------------------------------------------------- */

NnStatus
nn_json_write_string(NnArray *out, const char *text, size_t n_bytes)
{
	size_t		written = 0;	/* bytes of text that are in out */

	NN_TRY(nn_write_bytes(out, "\"", 1));
	for (size_t i = 0; i < n_bytes; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		NN_TRY(nn_write_bytes(out, text + written, i - written));
		written = i + 1;
		if (c == '\n')
			NN_TRY(nn_write_bytes(out, "\\n", 2));
		else if (c >= 0x20)
			NN_TRY(nn_write_format(out, "\\%c", c));
		else
			NN_TRY(nn_write_format(out, "\\u%04x", c));
	}
	NN_TRY(nn_write_bytes(out, text + written, n_bytes - written));
	return nn_write_bytes(out, "\"", 1);
}
