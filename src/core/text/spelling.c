/*
 * text/spelling.c: rows of a word's character n-grams, and flags of its shape.
 *
 * Both see code points: a word that comes here has been composed (NFKC), so that a
 * letter and its accent are one.  Bytes that are no UTF-8 do no harm; each counts
 * as a character that is neither letter nor digit.
 *
 * The row of an n-gram is
 *
 *	row = floor(h * n_table / 2^32),	h = the upper half of nn_hash_bytes(n-gram)
 *
 * which model files depend on: neither the hash nor this may change.
 */
#include "text/spelling.h"

#include <stdbool.h>
#include <utf8proc.h>

#include "base/rng.h"
#include "text/utf8.h"

#define NGRAM_MIN		2
#define NGRAM_MAX		4
#define SEED_SPELLING	UINT64_C(0x7370656C6C)	/* other rows than features.c has keys */

#define MARKED_MAX		(NN_SPELLING_CHARACTERS + 2)	/* characters of <word> */

_Static_assert(NGRAM_MAX - NGRAM_MIN + 1 == 3, "NN_SPELLING_MAX has room for three lengths");

/* The character at bytes, and its length; -1 and 1 where there is none. */
static int
read_character(const char *bytes, int n_bytes, int32_t *codepoint)
{
	int			n = nn_utf8_decode((const uint8_t *) bytes, (size_t) n_bytes, codepoint);

	if (n > 0)
		return n;
	*codepoint = -1;
	return 1;
}

/* ---- n-grams -------------------------------------------------------------------- */

/* Insert a row into ascending ones unless it is there; returns how many there are. */
static int
insert_row(int32_t *rows, int n, int32_t row)
{
	int			at = n;
	int			i;

	while (at > 0 && rows[at - 1] > row)
		at--;
	if (at > 0 && rows[at - 1] == row)
		return n;
	for (i = n; i > at; i--)
		rows[i] = rows[i - 1];
	rows[at] = row;
	return n + 1;
}

/* Write <word> to marked; starts gets where its characters begin, and the end.  Returns how many. */
static int
mark_word(const char *bytes, int n_bytes, char *marked, int *starts)
{
	int			n_characters = 0;
	int			n = 0;
	int			at = 0;

	starts[n_characters++] = n;
	marked[n++] = '<';
	while (at < n_bytes && n_characters <= NN_SPELLING_CHARACTERS)
	{
		int32_t		codepoint;
		int			stop = at + read_character(bytes + at, n_bytes - at, &codepoint);

		starts[n_characters++] = n;
		while (at < stop)
			marked[n++] = bytes[at++];
	}
	starts[n_characters++] = n;
	marked[n++] = '>';
	starts[n_characters] = n;
	return n_characters;
}

int
nn_spelling_rows(const char *bytes, int n_bytes, int n_table, int32_t *row)
{
	char		marked[4 * MARKED_MAX];
	int			starts[MARKED_MAX + 1];
	int			n_characters = mark_word(bytes, n_bytes, marked, starts);
	int			n_rows = 0;
	int			first;

	for (first = 0; first + NGRAM_MIN <= n_characters; first++)
	{
		int			length;

		for (length = NGRAM_MIN; length <= NGRAM_MAX && first + length <= n_characters; length++)
		{
			int			at = starts[first];
			int			stop = starts[first + length];
			uint64_t	hash = nn_hash_bytes(marked + at, (uint64_t) (stop - at), SEED_SPELLING);

			n_rows = insert_row(row, n_rows, (int32_t) ((hash >> 32) * (uint64_t) n_table >> 32));
		}
	}
	return n_rows;
}

/* ---- shape ------------------------------------------------------------------------ */

/* What a word is made of, in characters. */
typedef struct Shape
{
	int			n;
	int			n_letters;
	int			n_lower;		/* letters that are lower case */
	int			n_upper;		/* ... upper or title case */
	int			n_digits;		/* all numbers that are no letters, as the tokenizer has it */
	bool		is_first_upper; /* the first letter */
	bool		has_hyphen;
	bool		has_period;
} Shape;

static void
count_character(Shape *shape, int32_t codepoint)
{
	shape->n++;
	shape->has_hyphen |= codepoint == '-';
	shape->has_period |= codepoint == '.';
	switch (utf8proc_category(codepoint))
	{
		case UTF8PROC_CATEGORY_LU:
		case UTF8PROC_CATEGORY_LT:
			shape->n_upper++;
			shape->is_first_upper |= shape->n_letters == 0;
			shape->n_letters++;
			break;
		case UTF8PROC_CATEGORY_LL:
			shape->n_lower++;
			shape->n_letters++;
			break;
		case UTF8PROC_CATEGORY_LM:
		case UTF8PROC_CATEGORY_LO:
			shape->n_letters++;
			break;
		case UTF8PROC_CATEGORY_ND:
		case UTF8PROC_CATEGORY_NL:
		case UTF8PROC_CATEGORY_NO:
			shape->n_digits++;
			break;
		default:
			break;
	}
}

uint16_t
nn_spelling_flags(const char *bytes, int n_bytes)
{
	Shape		shape = {.n = 0};
	bool		is_all_upper;
	bool		flags[NN_SPELLING_FLAGS];
	uint16_t	bits = 0;
	int			at = 0;
	int			i;

	while (at < n_bytes)
	{
		int32_t		codepoint;

		at += read_character(bytes + at, n_bytes - at, &codepoint);
		count_character(&shape, codepoint);
	}
	is_all_upper = shape.n_upper > 0 && shape.n_upper == shape.n_letters;
	flags[0] = shape.n_lower > 0 && shape.n_lower == shape.n_letters;
	flags[1] = shape.is_first_upper && shape.n_upper == 1 && !is_all_upper;
	flags[2] = is_all_upper && shape.n_letters >= 2;
	flags[3] = is_all_upper && shape.n_letters == 1;
	flags[4] = shape.n_upper > shape.is_first_upper && !is_all_upper;
	flags[5] = shape.n_digits > 0;
	flags[6] = shape.n_digits > 0 && shape.n_letters == 0;
	flags[7] = shape.n_digits == 0 && shape.n_letters == 0;
	flags[8] = shape.has_hyphen && shape.n >= 2;
	flags[9] = shape.has_period && shape.n >= 2;
	for (i = 0; i < NN_SPELLING_FLAGS; i++)
		bits |= (uint16_t) (flags[i] << i);
	return bits;
}
