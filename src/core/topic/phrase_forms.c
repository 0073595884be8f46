/*
 * topic/phrase_forms.c: phrases as text, and which of them say the same.
 */
#include "topic/phrase_find.h"

#include <string.h>

#include "text/tokenize.h"

/* Of a word and its forms: characters in common at the begin, and behind them. */
#define STEM		4
#define SUFFIX		3
#define SHORT_STEM	3
#define SHORT_SUFFIX 1

bool
nn_is_inflection(const char *a, int n_a, const char *b, int n_b)
{
	int			same = 0;
	int64_t		stem;
	int64_t		rest_a;
	int64_t		rest_b;

	while (same < n_a && same < n_b && a[same] == b[same])
		same++;
	/* not within a character */
	while (same > 0 && ((same < n_a && ((unsigned char) a[same] & 0xC0) == 0x80) ||
						(same < n_b && ((unsigned char) b[same] & 0xC0) == 0x80)))
		same--;
	stem = nn_utf8_length(a, (size_t) same);
	rest_a = nn_utf8_length(a + same, (size_t) (n_a - same));
	rest_b = nn_utf8_length(b + same, (size_t) (n_b - same));
	return (stem >= STEM && rest_a <= SUFFIX && rest_b <= SUFFIX) ||
		(stem >= SHORT_STEM && rest_a + rest_b <= SHORT_SUFFIX);
}

static const char *
word_bytes(const NnPhrases *phrases, int32_t word, int *n_bytes)
{
	*n_bytes = (int) nn_lexicon_get(phrases->lexicon, word)->n_bytes;
	return nn_lexicon_bytes(phrases->lexicon, word);
}

bool
nn_phrase_is_form(const NnPhrases *phrases, int32_t a, int32_t b)
{
	int32_t		word_a[NN_PHRASE_WORDS];
	int32_t		word_b[NN_PHRASE_WORDS];
	int			n = nn_phrase_words(phrases, a, word_a);

	if (nn_phrase_words(phrases, b, word_b) != n)
		return false;
	for (int i = 0; i < n; i++)
	{
		int			n_bytes_a;
		int			n_bytes_b;
		const char *bytes_a = word_bytes(phrases, word_a[i], &n_bytes_a);
		const char *bytes_b = word_bytes(phrases, word_b[i], &n_bytes_b);

		if (word_a[i] != word_b[i] && !nn_is_inflection(bytes_a, n_bytes_a, bytes_b, n_bytes_b))
			return false;
	}
	return true;
}

bool
nn_phrase_share_word(const NnPhrases *phrases, int32_t a, int32_t b)
{
	int32_t		word_a[NN_PHRASE_WORDS];
	int32_t		word_b[NN_PHRASE_WORDS];
	int			n_a = nn_phrase_words(phrases, a, word_a);
	int			n_b = nn_phrase_words(phrases, b, word_b);

	for (int i = 0; i < n_a; i++)
	{
		for (int j = 0; j < n_b; j++)
		{
			if (word_a[i] == word_b[j])
				return true;
		}
	}
	return false;
}

bool
nn_phrase_is_within(const NnPhrases *phrases, int32_t part, int32_t whole)
{
	int32_t		word_part[NN_PHRASE_WORDS];
	int32_t		word_whole[NN_PHRASE_WORDS];
	int			n_part = nn_phrase_words(phrases, part, word_part);
	int			n_whole = nn_phrase_words(phrases, whole, word_whole);

	for (int i = 0; i + n_part <= n_whole; i++)
	{
		if (n_part < n_whole && memcmp(word_part, word_whole + i, sizeof(int32_t) * (size_t) n_part) == 0)
			return true;
	}
	return false;
}

int
nn_phrase_compare(const NnPhrases *phrases, int32_t a, int32_t b)
{
	int32_t		word_a[NN_PHRASE_WORDS];
	int32_t		word_b[NN_PHRASE_WORDS];
	int			n = nn_phrase_words(phrases, a, word_a);

	nn_phrase_words(phrases, b, word_b);
	for (int i = 0; i < n; i++)
	{
		int			n_a;
		int			n_b;
		const char *bytes_a = word_bytes(phrases, word_a[i], &n_a);
		const char *bytes_b = word_bytes(phrases, word_b[i], &n_b);
		int			order = memcmp(bytes_a, bytes_b, (size_t) (n_a < n_b ? n_a : n_b));

		if (order != 0 || n_a != n_b)
			return order != 0 ? order : n_a - n_b;
	}
	return 0;
}

const char *
nn_phrase_text(const NnPhrases *phrases, int32_t number, NnArena *arena, int *n_bytes)
{
	const NnPhrase *phrase = nn_phrase_get(phrases, number);
	int32_t		word[NN_PHRASE_WORDS];
	int			n = nn_phrase_words(phrases, number, word);
	size_t		size = 0;
	char	   *text;

	for (int i = 0; i < n; i++)
		size += nn_lexicon_get(phrases->lexicon, word[i])->n_bytes + 1;
	text = NN_TAKE(arena, char, size);
	*n_bytes = 0;
	for (int i = 0; i < n && text != NULL; i++)
	{
		int			n_word;
		const char *bytes = word_bytes(phrases, word[i], &n_word);

		if (i > 0 && (phrase->glued >> i & 1) == 0)
			text[(*n_bytes)++] = ' ';
		memcpy(text + *n_bytes, bytes, (size_t) n_word);
		*n_bytes += n_word;
	}
	return text;
}
