/*
 * text/normalize.c: Unicode normalization of a text too long to copy.
 *
 * Composition and reordering of marks never reach across an extended grapheme
 * cluster (UAX #29), so a text may be normalized one cluster at a time in a
 * buffer on the stack.  A cluster of more than 64 code points (nobody's
 * language) is cut there.  utf8proc is called only where it does not allocate.
 *
 * The form is NFKC, or NFKC with case folding, with these differences:
 *  - a free-standing accent stays itself: its compatibility form is a space and
 *    a mark, which would cut a word in two;
 *  - the typographic apostrophes and the acute accent become ';
 *  - default ignorable characters (soft hyphen, joiners, variation selectors,
 *    byte order mark...) are dropped, but an emoji cluster keeps its joiners and
 *    tags, and U+200B, which marks ends of words in some scripts, is a space.
 *
 * For exact words the characters stay what they are; only their kinds are wanted.
 *
 * Places: if a cluster has as many characters after normalization as before, each
 * keeps its own; else each of them has the place of the whole cluster.
 */
#include "text/normalize.h"

#include <string.h>
#include <utf8proc.h>

#include "text/utf8.h"

#define CLUSTER_CODEPOINTS	64

/* U+FDFA becomes 18 characters; no other code point becomes more. */
#define EXPANSION_MAX		18

#define S NN_KIND_SPACE
#define X NN_KIND_SIGN
#define Q NN_KIND_APOSTROPHE
#define L NN_KIND_LETTER
#define D NN_KIND_DIGIT
#define U NN_KIND_UNDERSCORE
#define N NN_KIND_NONE
#define N16 N, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N

const uint8_t nn_ascii_kind[256] = {
	N, X, X, X, X, X, X, X, X, S, S, S, S, S, X, X,
	X, X, X, X, X, X, X, X, X, X, X, X, X, X, X, X,
	S, X, X, X, X, X, X, Q, X, X, X, X, X, X, X, X,
	D, D, D, D, D, D, D, D, D, D, X, X, X, X, X, X,
	X, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, L, L, L, L, L, L, X, X, X, X, U,
	X, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L,
	L, L, L, L, L, L, L, L, L, L, L, X, X, X, X, X,
	N16, N16, N16, N16, N16, N16, N16, N16
};

#undef S
#undef X
#undef Q
#undef L
#undef D
#undef U
#undef N
#undef N16

/* Scripts that are written without spaces and whose characters we take one by one. */
static bool
is_ideograph(int32_t c)
{
	if (c < 0x2E80)
		return false;
	return (c <= 0x2FDF) ||		/* radicals */
		(c >= 0x3005 && c <= 0x3007) || /* iteration mark, closing mark, zero */
		(c >= 0x3021 && c <= 0x3029) || (c >= 0x3031 && c <= 0x303C) ||
		(c >= 0x3041 && c <= 0x30FF) || /* Hiragana, Katakana */
		(c >= 0x31F0 && c <= 0x31FF) ||
		(c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) ||
		(c >= 0xF900 && c <= 0xFAFF) ||
		(c >= 0xFF66 && c <= 0xFF9F) || /* halfwidth Katakana */
		(c >= 0x1AFF0 && c <= 0x1B16F) ||
		(c >= 0x20000 && c <= 0x3FFFF);
}

/* The typographic forms that stand for ' in running text. */
static inline bool
is_apostrophe(int32_t c)
{
	return c == 0x2019 || c == 0x2018 || c == 0x02BC || c == 0x00B4;
}

static uint8_t
kind_of(int32_t c, const utf8proc_property_t *property)
{
	if (c < 0x80)
		return nn_ascii_kind[c];
	switch (property->category)
	{
		case UTF8PROC_CATEGORY_LU:
		case UTF8PROC_CATEGORY_LL:
		case UTF8PROC_CATEGORY_LT:
		case UTF8PROC_CATEGORY_LM:
		case UTF8PROC_CATEGORY_LO:
			return is_ideograph(c) ? NN_KIND_IDEOGRAPH : NN_KIND_LETTER;
		case UTF8PROC_CATEGORY_MN:
		case UTF8PROC_CATEGORY_MC:
		case UTF8PROC_CATEGORY_ME:
			return NN_KIND_MARK;
		case UTF8PROC_CATEGORY_ND:
		case UTF8PROC_CATEGORY_NL:
		case UTF8PROC_CATEGORY_NO:
			return is_ideograph(c) ? NN_KIND_IDEOGRAPH : NN_KIND_DIGIT;
		case UTF8PROC_CATEGORY_ZS:
		case UTF8PROC_CATEGORY_ZL:
		case UTF8PROC_CATEGORY_ZP:
			return NN_KIND_SPACE;
		default:
			return c == 0x85 || c == 0x200B ? NN_KIND_SPACE : NN_KIND_SIGN;
	}
}

/*
 * Read the code points of the next cluster.  Returns how many, 0 if the next
 * bytes are no character; *n_bytes is their length together.
 */
static int
read_cluster(const NnTokenizer *tokenizer, int32_t *codepoints, uint8_t *lengths)
{
	const uint8_t *text = tokenizer->text + tokenizer->at;
	size_t		n_left = tokenizer->n_bytes - tokenizer->at;
	utf8proc_int32_t state = 0;
	int			n = 0;

	while (n < CLUSTER_CODEPOINTS && n_left > 0)
	{
		int			n_bytes = nn_utf8_decode(text, n_left, &codepoints[n]);

		if (n_bytes == 0)
			break;				/* a fault behind the cluster is met on the next call */
		if (n > 0 && utf8proc_grapheme_break_stateful(codepoints[n - 1], codepoints[n], &state))
			break;
		lengths[n++] = (uint8_t) n_bytes;
		text += n_bytes;
		n_left -= (size_t) n_bytes;
	}
	return n;
}

/*
 * Normalize n code points, n_bytes of UTF-8 at text, into characters (room for
 * n_room); returns how many, or more than n_room if they do not fit.
 */
static int
normalize(const uint8_t *text, size_t n_bytes, int32_t *characters, int n_room, int form)
{
	utf8proc_ssize_t n;

	/* canonical order is restored inside, unless the room is too small */
	n = utf8proc_decompose_custom(text, (utf8proc_ssize_t) n_bytes, characters, n_room,
								  (utf8proc_option_t) form, NULL, NULL);
	if (n < 0 || n > n_room)
		return n_room + 1;
	if (n > 1)
		n = utf8proc_normalize_utf32(characters, n, (utf8proc_option_t) form);
	return (int) n;
}

/* As normalize(), in the form told in the head of this file. */
static int
normalize_cluster(const NnTokenizer *tokenizer, const int32_t *codepoints, int n, size_t n_bytes,
				  int32_t *characters, int n_room)
{
	const uint8_t *text = tokenizer->text + tokenizer->at;
	const utf8proc_property_t *first = utf8proc_get_property(codepoints[0]);
	int			fold = tokenizer->options.is_case_kept ? 0 : UTF8PROC_CASEFOLD;
	int			form = UTF8PROC_STABLE | UTF8PROC_COMPOSE | fold;
	int			n_characters;

	if (tokenizer->options.is_exact)
	{
		memcpy(characters, codepoints, (size_t) n * sizeof(int32_t));
		return n;
	}
	/* most code points outside ASCII stand alone and have no other form */
	if (n == 1 && first->decomp_seqindex == UINT16_MAX &&
		(fold == 0 || first->casefold_seqindex == UINT16_MAX))
	{
		characters[0] = codepoints[0];
		return 1;
	}
	n_characters = normalize(text, n_bytes, characters, n_room, form | UTF8PROC_COMPAT);
	if (n_characters > 0 && characters[0] == ' ' && kind_of(codepoints[0], first) != NN_KIND_SPACE)
		n_characters = normalize(text, n_bytes, characters, n_room, form);
	return n_characters;
}

/*
 * Is the cluster an emoji or a flag, also after normalization (not a circled
 * letter or a trade mark sign, which become letters), or a keycap?
 */
static bool
is_emoji(const int32_t *codepoints, int n, int32_t first_character)
{
	const utf8proc_property_t *property = utf8proc_get_property(codepoints[0]);

	if (codepoints[n - 1] == 0x20E3 && codepoints[0] >= '0' && codepoints[0] <= '9')
		return true;
	return codepoints[0] == first_character &&
		(property->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC ||
		 property->boundclass == UTF8PROC_BOUNDCLASS_REGIONAL_INDICATOR);
}

/* Is the character to be left out? */
static bool
is_dropped(int32_t c, uint8_t kind, bool is_in_emoji)
{
	if (is_in_emoji)
		return c >= 0xFE00 && c <= 0xFE0F;
	return kind != NN_KIND_SPACE && utf8proc_get_property(c)->ignorable;
}

/* Kind of a character that is not normalized: what would be dropped or composed continues a word. */
static uint8_t
exact_kind(int32_t c, uint8_t kind)
{
	bool		is_voicing = c == 0xFF9E || c == 0xFF9F;	/* of halfwidth Katakana */

	return is_voicing || is_dropped(c, kind, false) ? NN_KIND_MARK : kind;
}

/* Append a cluster's characters to the tokenizer's, with kinds and places. */
static void
push_characters(NnTokenizer *tokenizer, const int32_t *codepoints, int n,
				const int32_t *characters, int n_characters)
{
	bool		is_in_emoji = n_characters > 0 && is_emoji(codepoints, n, characters[0]);
	bool		is_exact = tokenizer->options.is_exact;
	int			n_before = tokenizer->n_ahead;
	int			i;

	for (i = 0; i < n_characters; i++)
	{
		bool		is_quote = is_apostrophe(characters[i]);
		int32_t		c = is_quote && !is_exact ? '\'' : characters[i];
		uint8_t		kind = is_quote ? NN_KIND_APOSTROPHE : kind_of(c, utf8proc_get_property(c));
		int64_t		start = tokenizer->character + (n == n_characters ? i : 0);
		int64_t		stop = tokenizer->character + (n == n_characters ? i + 1 : n);
		int			at = tokenizer->n_ahead;

		if (is_exact)
			kind = exact_kind(c, kind);
		else if (is_dropped(c, kind, is_in_emoji))
		{
			/* its place goes to the character before it */
			if (at > n_before)
				tokenizer->ahead[at - 1].stop = stop;
			continue;
		}
		if (is_in_emoji)
			kind = i == 0 ? NN_KIND_SIGN : NN_KIND_MARK;
		tokenizer->ahead[at].codepoint = c;
		tokenizer->ahead[at].kind = kind;
		tokenizer->ahead[at].start = start;
		tokenizer->ahead[at].stop = stop;
		tokenizer->n_ahead++;
	}
}

NnStatus
nn_normalize_cluster(NnTokenizer *tokenizer, NnError *err)
{
	int32_t		codepoints[CLUSTER_CODEPOINTS];
	uint8_t		lengths[CLUSTER_CODEPOINTS];
	int32_t		characters[NN_CLUSTER_NORMALIZED];
	int			n = read_cluster(tokenizer, codepoints, lengths);
	int			n_characters;
	size_t		n_bytes;

	_Static_assert(EXPANSION_MAX <= NN_CLUSTER_NORMALIZED, "one code point must always fit");
	if (n == 0)
	{
		nn_fail(err, NN_EENCODING, "text is not valid UTF-8");
		nn_fail_detail(err, "The fault is at byte %zu, 0x%02x.",
					   tokenizer->at + 1, tokenizer->text[tokenizer->at]);
		return NN_EENCODING;	/* also without an err, where nothing is told */
	}
	for (;;)
	{
		int			i;

		n_bytes = 0;
		for (i = 0; i < n; i++)
			n_bytes += lengths[i];
		n_characters = normalize_cluster(tokenizer, codepoints, n, n_bytes,
										 characters, NN_CLUSTER_NORMALIZED);
		if (n_characters <= NN_CLUSTER_NORMALIZED)
			break;
		if (n == 1)
			return nn_fail(err, NN_EINTERNAL, "character U+%04X cannot be normalized",
						   (unsigned int) codepoints[0]);
		n /= 2;					/* too long a cluster: only a part of it now */
	}
	push_characters(tokenizer, codepoints, n, characters, n_characters);
	tokenizer->at += n_bytes;
	tokenizer->character += n;
	return NN_OK;
}
