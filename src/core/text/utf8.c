/*
 * text/utf8.c: UTF-8 as RFC 3629 has it, less the 0 byte, which no text of the
 * server may hold.
 *
 *	first byte	second byte		then
 *	01..7F
 *	C2..DF		80..BF
 *	E0			A0..BF			80..BF			(no overlong forms)
 *	E1..EF		80..BF			80..BF			(ED: 80..9F, no surrogates)
 *	F0			90..BF			80..BF 80..BF	(no overlong forms)
 *	F1..F4		80..BF			80..BF 80..BF	(F4: 80..8F, up to U+10FFFF)
 */
#include "text/utf8.h"

#include <string.h>

#include "text/tokenize.h"

static inline int
is_continuation(uint8_t byte)
{
	return (byte & 0xC0) == 0x80;
}

int
nn_utf8_decode(const uint8_t *text, size_t n_bytes, int32_t *codepoint)
{
	int32_t		c;

	*codepoint = 0;
	if (n_bytes == 0 || text[0] == 0)
		return 0;
	if (text[0] < 0x80)
	{
		*codepoint = text[0];
		return 1;
	}
	if (text[0] < 0xC2 || text[0] > 0xF4 || n_bytes < 2 || !is_continuation(text[1]))
		return 0;
	if (text[0] < 0xE0)
	{
		*codepoint = (text[0] & 0x1F) << 6 | (text[1] & 0x3F);
		return 2;
	}
	if (n_bytes < 3 || !is_continuation(text[2]))
		return 0;
	if (text[0] < 0xF0)
	{
		c = (text[0] & 0x0F) << 12 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F);
		if (c < 0x800 || (c >= 0xD800 && c <= 0xDFFF))
			return 0;
		*codepoint = c;
		return 3;
	}
	if (n_bytes < 4 || !is_continuation(text[3]))
		return 0;
	c = (text[0] & 0x07) << 18 | (text[1] & 0x3F) << 12 | (text[2] & 0x3F) << 6 | (text[3] & 0x3F);
	if (c < 0x10000 || c > 0x10FFFF)
		return 0;
	*codepoint = c;
	return 4;
}

/* What continues every valid beginning is 80 80 80 or BF BF BF: see the table's second bytes. */
bool
nn_utf8_is_begun(const uint8_t *bytes, int n_bytes)
{
	uint8_t		lowest[4] = {0x80, 0x80, 0x80, 0x80};
	uint8_t		highest[4] = {0xBF, 0xBF, 0xBF, 0xBF};
	int32_t		codepoint;

	memcpy(lowest, bytes, (size_t) n_bytes);
	memcpy(highest, bytes, (size_t) n_bytes);
	return nn_utf8_decode(lowest, sizeof(lowest), &codepoint) > n_bytes ||
		nn_utf8_decode(highest, sizeof(highest), &codepoint) > n_bytes;
}

int
nn_utf8_encode(int32_t codepoint, char *bytes)
{
	uint32_t	c = (uint32_t) codepoint;

	if (c < 0x80)
	{
		bytes[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		bytes[0] = (char) (0xC0 | c >> 6);
		bytes[1] = (char) (0x80 | (c & 0x3F));
		return 2;
	}
	if (c < 0x10000)
	{
		bytes[0] = (char) (0xE0 | c >> 12);
		bytes[1] = (char) (0x80 | (c >> 6 & 0x3F));
		bytes[2] = (char) (0x80 | (c & 0x3F));
		return 3;
	}
	bytes[0] = (char) (0xF0 | c >> 18);
	bytes[1] = (char) (0x80 | (c >> 12 & 0x3F));
	bytes[2] = (char) (0x80 | (c >> 6 & 0x3F));
	bytes[3] = (char) (0x80 | (c & 0x3F));
	return 4;
}

/* All eight bytes between 1 and 127? */
static inline bool
is_ascii_8(const uint8_t *bytes)
{
	uint64_t	word;

	memcpy(&word, bytes, sizeof(word));
	/* with the high bits clear, taking 1 from each byte borrows just where one is 0 */
	return ((word | (word - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

bool
nn_utf8_check(const char *text, size_t n_bytes, size_t *bad_at)
{
	const uint8_t *bytes = (const uint8_t *) text;
	size_t		at = 0;

	while (at < n_bytes)
	{
		int32_t		codepoint;
		int			n;

		if (n_bytes - at >= 8 && is_ascii_8(bytes + at))
		{
			at += 8;
			continue;
		}
		n = nn_utf8_decode(bytes + at, n_bytes - at, &codepoint);
		if (n == 0)
		{
			if (bad_at != NULL)
				*bad_at = at;
			return false;
		}
		at += (size_t) n;
	}
	return true;
}

size_t
nn_utf8_skip(const char *text, size_t n_bytes, size_t at, int64_t n)
{
	while (n > 0 && at < n_bytes)
	{
		at++;
		while (at < n_bytes && ((unsigned char) text[at] & 0xC0) == 0x80)
			at++;
		n--;
	}
	return at;
}

int64_t
nn_utf8_length(const char *text, size_t n_bytes)
{
	int64_t		n = 0;
	size_t		i;

	for (i = 0; i < n_bytes; i++)
		n += !is_continuation((uint8_t) text[i]);
	return n;
}
