/*
 * test_exact.c: exact words (text that can be written again), their way through a
 * vocabulary and back, and folding of one given word.
 *
 * Expected words are written in brackets, [ the:0-3], with a + behind those that
 * are glued; places are characters of the original text, without the space that a
 * word took along.
 */
#include "tap.h"
#include "test_host.h"

#include <stdlib.h>

#include "base/rng.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

static const NnEnv *const env = &nn_env_malloc;

/* ---- words --------------------------------------------------------------------- */

static void
is_words(const char *text, const char *expected, const char *what)
{
	NnTokenizerOptions options = {.is_exact = true};
	char		words[4096] = "";
	NnTokenizer tokenizer;
	NnWord		word;
	size_t		n = 0;

	nn_tokenizer_init(&tokenizer, env, &options, text, strlen(text));
	while (nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes != NULL)
		n += (size_t) snprintf(words + n, sizeof(words) - n, "[%.*s:%d-%d%s]", word.n_bytes, word.bytes,
							   (int) word.start, (int) word.stop, word.is_glued ? "+" : "");
	is_text(words, n, expected, "%s", what);
}

static void
test_words(void)
{
	is_words("", "", "no text");
	is_words("The cat, and 2 Dogs.",
			 "[ The:0-3][ cat:4-7][,:7-8+][ and:9-12][ 2:13-14][ Dogs:15-19][.:19-20+]", "English");
	is_words("Don't we\xE2\x80\x99ll l'homme 'x' N'T",
			 "[ Do:0-2][n't:2-5+][ we:6-8][\xE2\x80\x99ll:8-11+][ l:12-13]['homme:13-19+]"
			 "[ ':20-21][x:21-22+][':22-23+][ N'T:24-27]", "apostrophes stay as they are");
	is_words("do n't , it 's", "[ do:0-2][ n't:3-6][ ,:7-8][ it:9-11][ 's:12-14]", "a treebank's words");
	is_words("x_1-2y", "[ x_1:0-3][-:3-4+][2y:4-6+]", "letters, digits and _ together");
	is_words("\xE4\xBD\xA0\xE5\xA5\xBD \xE4\xB8\x96\xEF\xBC\x81",
			 "[ \xE4\xBD\xA0:0-1][\xE5\xA5\xBD:1-2+][ \xE4\xB8\x96:3-4][\xEF\xBC\x81:4-5+]",
			 "Chinese: a character, a word; the wide sign stays wide");
	is_words("\xEF\xBD\xB6\xEF\xBE\x9E\xE3\x81\x8B\xE3\x82\x99",
			 "[ \xEF\xBD\xB6\xEF\xBE\x9E:0-2][\xE3\x81\x8B\xE3\x82\x99:2-4+]", "Japanese: a kana and its voicing");
	is_words("caf\xC3\xA9 cafe\xCC\x81 \xEF\xAC\x81ne co\xC2\xADop",
			 "[ caf\xC3\xA9:0-4][ cafe\xCC\x81:5-10][ \xEF\xAC\x81ne:11-14][ co\xC2\xADop:15-20]",
			 "nothing is composed, replaced or dropped");
	is_words("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD \xE2\x9D\xA4\xEF\xB8\x8Fok",
			 "[ \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7:0-3][\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD:3-5+]"
			 "[ \xE2\x9D\xA4\xEF\xB8\x8F:6-8][ok:8-10+]", "an emoji cluster is a word, selectors and all");
	is_words("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7 1\xEF\xB8\x8F\xE2\x83\xA3",
			 "[ \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA:0-2][\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7:2-4+][ 1\xEF\xB8\x8F\xE2\x83\xA3:5-8]",
			 "flags and a keycap");
	is_words("\xEF\xBB\xBFx \xCC\x81y", "[ \xEF\xBB\xBFx:0-2][ \xCC\x81y:3-5]",
			 "a byte order mark and a lone mark begin a word");
}

static void
test_white_space(void)
{
	is_words(" ", "[  :0-1]", "one space, behind the one thought before the text");
	is_words(" a", "[ :0-0][ a:1-2]", "that one alone has no place");
	is_words("  a", "[  :0-1][ a:2-3]", "two");
	is_words("a ", "[ a:0-1][ :1-2]", "at the end");
	is_words("a    b", "[ a:0-1][   :1-4][ b:5-6]", "between words all but one");
	is_words("a\nb", "[ a:0-1][\n:1-2][b:2-3]", "a line end; the word behind it is not glued");
	is_words("\n", "[ :0-0][\n:0-1]", "alone");
	is_words("a \r\n\r\n\t  b", "[ a:0-1][ :1-2][\r\n\r\n\t:2-7][ :7-8][ b:9-10]", "several kinds");
	is_words("a\n b", "[ a:0-1][\n:1-2][ b:3-4]", "a word takes its space behind a line end too");
	is_words("a\xC2\xA0\xE3\x80\x80" "b \xE2\x80\x8B c", "[ a:0-1][\xC2\xA0\xE3\x80\x80:1-3][b:3-4][ :4-5]"
			 "[\xE2\x80\x8B:5-6][ c:7-8]", "white space of Unicode is not the space");
	is_words(" !", "[ :0-0][ !:1-2]", "signs take the space too");
}

/* ---- what holds for any text ------------------------------------------------------- */

/*
 * Walk through the words: end to end they must be a space and the text, and each
 * must be where it says.  The number of words, or -1.
 */
static long
count_words(const char *text, size_t n_bytes, const NnEnv *host, NnStatus *status)
{
	NnTokenizerOptions options = {.is_exact = true};
	NnTokenizer tokenizer;
	NnWord		word;
	size_t		at = 0;			/* in the text */
	int64_t		character = 0;	/* its number */
	long		n = 0;

	nn_tokenizer_init(&tokenizer, host, &options, text, n_bytes);
	for (;;)
	{
		const char *bytes;
		int			n_here;
		int64_t		n_characters;

		*status = nn_tokenizer_next(&tokenizer, &word, NULL);
		if (*status != NN_OK)
			return n;
		if (word.bytes == NULL)
			return at == n_bytes ? n : -1;
		if (word.n_bytes < 1 || nn_utf8_length(word.bytes, (size_t) word.n_bytes) > NN_WORD_CHARACTERS)
			return -1;
		bytes = word.bytes;
		n_here = word.n_bytes;
		if (n == 0)
		{
			if (bytes[0] != ' ')
				return -1;
			bytes++;
			n_here--;
		}
		if ((size_t) n_here > n_bytes - at || memcmp(text + at, bytes, (size_t) n_here) != 0)
			return -1;
		n_characters = nn_utf8_length(bytes, (size_t) n_here);
		if (word.stop != character + n_characters ||
			(word.start != character && (word.start != character + 1 || bytes[0] != ' ')))
			return -1;
		at += (size_t) n_here;
		character += n_characters;
		n++;
	}
}

static void
fill(char *text, size_t n_bytes, const char *unit)
{
	size_t		n_unit = strlen(unit);
	size_t		at;

	for (at = 0; at + n_unit <= n_bytes; at += n_unit)
		memcpy(text + at, unit, n_unit);
	memset(text + at, 'z', n_bytes - at);
}

static void
test_long(void)
{
	static const char *const units[] = {
		"x", " ", "\n", "\xCC\x81", "\xC2\xAD", "'", "n't", "\xF0\x9F\x91\xA9\xE2\x80\x8D", "\xEF\xB7\xBA", " \xCC\x81", "  a"
	};
	const size_t n_bytes = 1000 * 1000;
	char	   *text = malloc(n_bytes);
	NnStatus	status;
	TestHost	host;
	size_t		i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
	{
		test_host_init(&host);
		fill(text, n_bytes, units[i]);
		ok(count_words(text, n_bytes, &host.env, &status) >= (long) (n_bytes / NN_WORD_BYTES) && status == NN_OK,
		   "a million bytes, %zu, are cut and stay what they are", i);
		ok(host.n_allocs == 0 && host.n_polls >= (long) (n_bytes / 65536) - 1, "in constant memory, with polls");
		host.cancel_at = host.n_polls + 3;
		count_words(text, n_bytes, &host.env, &status);
		is_int(status, NN_ECANCELED, "and can be canceled");
	}
	fill(text, n_bytes, "x");
	is_int(count_words(text, 63 + 64 + 64, env, &status), 3, "the first piece has a character less, and a space");
	is_int(count_words(text, 63 + 64 + 65, env, &status), 4, "and no piece more than 64");
	fill(text, 65, "\n");
	is_int(count_words(text, 65, env, &status), 3, "line ends: the space before the text, 64 and 1");
	free(text);
}

static void
test_invalid(void)
{
	static const char *const texts[] = {"\xFF", "a\x80", " \xE2\x82", "\n\xED\xA0\x80", "abc \xC0\xAF"};
	NnStatus	status;
	size_t		i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		count_words(texts[i], strlen(texts[i]), env, &status);
		is_int(status, NN_EENCODING, "invalid UTF-8, %zu", i);
	}
	count_words("a\0b", 3, env, &status);
	is_int(status, NN_EENCODING, "a 0 byte");
}

/* Without white space, and the spaces taken along, exact words of ASCII are the plain ones with their case. */
static void
test_plain(void)
{
	NnTokenizerOptions options[2] = {{.is_case_kept = true}, {.is_exact = true}};
	long		n_wrong = 0;
	long		n_words = 0;
	NnRng		rng;
	int			round;

	nn_rng_seed(&rng, 5);
	for (round = 0; round < 20000; round++)
	{
		NnTokenizer plain;
		NnTokenizer exact;
		NnWord		expected;
		NnWord		word;
		char		text[120];
		size_t		n = 1 + (size_t) nn_rng_below(&rng, sizeof(text));
		size_t		i;

		for (i = 0; i < n; i++)
			text[i] = "ant'sT _1.-  \t\n,xNll"[nn_rng_below(&rng, 20)];
		nn_tokenizer_init(&plain, env, &options[0], text, n);
		nn_tokenizer_init(&exact, env, &options[1], text, n);
		do
		{
			n_wrong += nn_tokenizer_next(&plain, &expected, NULL) != NN_OK;
			do
				n_wrong += nn_tokenizer_next(&exact, &word, NULL) != NN_OK;
			while (word.bytes != NULL && strchr(" \t\n", word.bytes[word.n_bytes - 1]) != NULL);
			if (word.bytes != NULL && word.bytes[0] == ' ')
			{
				word.bytes++;
				word.n_bytes--;
			}
			n_wrong += word.n_bytes != expected.n_bytes || word.start != expected.start ||
				word.stop != expected.stop || word.is_glued != expected.is_glued ||
				word.is_alphabetic != expected.is_alphabetic ||
				(word.n_bytes > 0 && memcmp(word.bytes, expected.bytes, (size_t) word.n_bytes) != 0);
			n_words++;
		} while (expected.bytes != NULL && word.bytes != NULL);
		n_wrong += expected.bytes != word.bytes;
	}
	ok(n_wrong == 0 && n_words > 100000, "they are the words of a plain tokenizer (%ld)", n_words);
}

/* ---- through a vocabulary and back ----------------------------------------------------- */

/* A text of up to 511 bytes of many scripts; half of them of a few words, so that there is something to learn. */
static size_t
make_text(NnRng *rng, char *text)
{
	static const char *const pieces[] = {
		" the", " cat", " sat", "on", " ", " ", "  ", "\n", "\r\n", "\t", "a", "n", "'", "t", "s", "_", "1", ".", ",", "-",
		"\xE2\x80\x99", "\xC3\x9F", "\xCC\x81", "\xE2\x80\x8D", "\xEF\xB7\xBA", "\xF0\x9F\x91\xA9", "\xF0\x9F\x87\xA9",
		"\xEF\xB8\x8F", "\xE2\x83\xA3", "\xE4\xBD\xA0", "\xE1\x84\x92", "\xE1\x85\xA1", "\xC2\xAD", "\xC2\xA8",
		"\xE0\xA4\xA8\xE0\xA5\x8D", "\xE2\x80\x8B", "\xF0\x9F\x8F\xBD", "\xD8\x80", "\xC4\xB0", "\xC2\xA0", "\xE3\x80\x80",
		"\x01", "\x1B", "\x7F", "\xC2\x85", "\xEF\xBB\xBF", "\xEF\xBD\xB6\xEF\xBE\x9E", "\xD0\xBF\xD1\x80", "\xD9\x85\xD9\x8E",
		"\xE0\xB9\x84\xE0\xB8\x97", "\xEF\xBF\xBD", "\xF4\x8F\xBF\xBF", "\xE2\x81\xA0", "\xE3\x85\xA4"
	};
	size_t		n_choice = nn_rng_below(rng, 2) == 0 ? 18 : sizeof(pieces) / sizeof(pieces[0]);
	int			n_pieces = (int) nn_rng_below(rng, 40);
	size_t		n = 0;

	while (n_pieces-- > 0)
	{
		const char *piece = pieces[nn_rng_below(rng, n_choice)];
		size_t		n_piece = strlen(piece);

		/* now and then any character of Unicode */
		if (n_choice > 18 && nn_rng_below(rng, 6) == 0)
		{
			uint32_t	c = 1 + (uint32_t) nn_rng_below(rng, nn_rng_below(rng, 2) == 0 ? 0x2FFF : 0x10FFFF);

			if (c < 0x800)
			{
				text[n++] = (char) (c < 0x80 ? c : (0xC0 | c >> 6));
				if (c >= 0x80)
					text[n++] = (char) (0x80 | (c & 0x3F));
			}
			else if (c < 0x10000)
			{
				if (c >= 0xD800 && c <= 0xDFFF)
					continue;
				text[n++] = (char) (0xE0 | c >> 12);
				text[n++] = (char) (0x80 | (c >> 6 & 0x3F));
				text[n++] = (char) (0x80 | (c & 0x3F));
			}
			else
			{
				text[n++] = (char) (0xF0 | c >> 18);
				text[n++] = (char) (0x80 | (c >> 12 & 0x3F));
				text[n++] = (char) (0x80 | (c >> 6 & 0x3F));
				text[n++] = (char) (0x80 | (c & 0x3F));
			}
			continue;
		}
		memcpy(text + n, piece, n_piece);
		n += n_piece;
	}
	return n;
}

/* The exact words of texts from seed on, as rows of a lexicon. */
static NnLexicon *
make_lexicon(uint64_t seed, int n_texts)
{
	NnTokenizerOptions options = {.is_exact = true};
	NnLexicon  *lexicon;
	NnRng		rng;
	int			row;

	nn_lexicon_create(&lexicon, env);
	nn_rng_seed(&rng, seed);
	for (row = 0; row < n_texts; row++)
	{
		char		text[512];
		size_t		n = make_text(&rng, text);
		NnTokenizer tokenizer;
		int32_t		number;
		NnWord		word;

		nn_tokenizer_init(&tokenizer, env, &options, text, n);
		while (nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes != NULL)
			nn_lexicon_add(lexicon, word.bytes, word.n_bytes, row, &number);
	}
	return lexicon;
}

/* Does the text come back from its tokens?  *n_known counts words that were one token. */
static bool
is_same_again(const NnVocabulary *vocabulary, const char *text, size_t n_bytes, long *n_known)
{
	NnTokenizerOptions options = {.is_exact = true};
	NnTokenizer tokenizer;
	int32_t		ids[1024];
	NnArray		out;
	bool		is_known;
	bool		is_same;
	NnWord		word;
	int			n = 0;

	nn_tokenizer_init(&tokenizer, env, &options, text, n_bytes);
	while (nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes != NULL)
	{
		n += nn_vocabulary_encode(vocabulary, word.bytes, word.n_bytes, ids + n, &is_known);
		*n_known += is_known;
	}
	nn_array_init(&out, env, 1);
	is_same = nn_vocabulary_decode_exact(vocabulary, ids, n, &out) == NN_OK &&
		out.n == n_bytes && (n_bytes == 0 || memcmp(out.data, text, n_bytes) == 0);
	nn_array_free(&out);
	return is_same;
}

static void
test_round_trip(void)
{
	static const NnVocabularyOptions cases[] = {
		{40, 300, 1}, {40, 300, 3}, {40, 0, 1}, {40, 0, 3}, {0, 300, 1}, {0, 0, 1}, {100000, 300, 1}
	};
	NnLexicon  *lexicon = make_lexicon(7, 500);
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NnVocabulary *vocabulary;
		long		n_known = 0;
		long		n_wrong = 0;
		char		text[512];
		NnError		err;
		NnRng		rng;
		int			round;

		nn_vocabulary_learn(&vocabulary, lexicon, &cases[i], env, &err);
		/* the first 500 were learned from, the rest never seen */
		nn_rng_seed(&rng, 7);
		for (round = 0; round < 3000; round++)
		{
			NnStatus	status;
			size_t		n = make_text(&rng, text);

			n_wrong += count_words(text, n, env, &status) < 0 || status != NN_OK;
			n_wrong += !is_same_again(vocabulary, text, n, &n_known);
		}
		is_int(n_wrong, 0, "3000 texts come back: %d words, %d units, in %d rows",
			   cases[i].max_words, cases[i].max_units, cases[i].min_rows);
		ok((n_known > 0) == (cases[i].max_words > 0), "and some words are known (%ld)", n_known);
		nn_vocabulary_destroy(vocabulary);
	}
	nn_lexicon_destroy(lexicon);
}

/* Units are learned with the spaces in them: "low" of test_vocabulary.c, spaced. */
static void
test_units(void)
{
	NnVocabularyOptions options = {0, 100, 1};
	NnVocabulary *vocabulary;
	NnLexicon  *lexicon;
	int32_t		ids[16];
	int32_t		number;
	bool		is_known;
	NnError		err;
	int			n_bytes;
	int			row;

	nn_lexicon_create(&lexicon, env);
	for (row = 0; row < 5; row++)
	{
		nn_lexicon_add(lexicon, " low", 4, row, &number);
		nn_lexicon_add(lexicon, "low", 3, row, &number);
		nn_lexicon_add(lexicon, "\n\n", 2, row, &number);
	}
	nn_vocabulary_learn(&vocabulary, lexicon, &options, env, &err);
	is_int(nn_vocabulary_encode(vocabulary, " low", 4, ids, &is_known), 1, "a unit with its space");
	ok(memcmp(nn_vocabulary_bytes(vocabulary, ids[0], &n_bytes), " low", 4) == 0 && n_bytes == 4, "is all of it");
	is_int(nn_vocabulary_encode(vocabulary, "low", 3, ids, &is_known), 1, "and one without");
	is_int(nn_vocabulary_encode(vocabulary, " lows", 5, ids, &is_known), 2, "a longer word begins with it");
	is_int(nn_vocabulary_encode(vocabulary, "\n\n\n", 3, ids, &is_known), 2, "line ends have units too");
	nn_vocabulary_destroy(vocabulary);
	options.max_units = 0;
	nn_vocabulary_learn(&vocabulary, lexicon, &options, env, &err);
	is_int(nn_vocabulary_encode(vocabulary, " l\xC3\xA4", 4, ids, &is_known), 4, "without units a word is spelled");
	ok(ids[0] == ' ' && ids[1] == 'l' && ids[2] == 0xC3 && ids[3] == 0xA4, "by its bytes");
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
}

/* ---- what a model may write ------------------------------------------------------------- */

#define R "\xEF\xBF\xBD"

static void
test_broken(void)
{
	static const struct
	{
		const char *bytes;
		int			n_bytes;
		const char *expected;
	}			cases[] = {
		{"", 0, ""}, {" ", 1, ""}, {"  ", 2, " "}, {" a b ", 5, "a b "}, {"ab", 2, "ab"},
		{"\0a\0", 3, R "a" R},
		{"\x80", 1, R}, {"\xC3\xA4", 2, "\xC3\xA4"}, {"\xC3", 1, R}, {" \xC3", 2, R}, {"\xC3 x", 3, R " x"},
		{"\xC3\xC3\xA4", 3, R "\xC3\xA4"},
		{"\xC0\xAF", 2, R R}, {"\xF5\x80", 2, R R}, {"\xFE\xFF", 2, R R},
		{"\xE2\x82\xAC", 3, "\xE2\x82\xAC"}, {"\xE2\x82", 2, R}, {"\xE2\x82x", 3, R "x"},
		{"\xE0\x80\xAF", 3, R R R}, {"\xED\xA0\x80", 3, R R R}, {"\xED\x9F\xBF", 3, "\xED\x9F\xBF"},
		{"\xF0\x9F\x98\x80", 4, "\xF0\x9F\x98\x80"}, {"\xF0\x9F\x98", 3, R}, {"\xF0\x9F\x98\xF0\x9F\x98\x80", 7, R "\xF0\x9F\x98\x80"},
		{"\xF0\x8F\xBF\xBF", 4, R R R R}, {"\xF4\x90\x80\x80", 4, R R R R}, {"\xF4\x8F\xBF\xBF", 4, "\xF4\x8F\xBF\xBF"},
		/* the example of Unicode's table 3-11 */
		{"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", 9, R R R R "A"}
	};
	NnVocabulary *vocabulary;
	int32_t		ids[16];
	long		n_wrong = 0;
	NnArray		out;
	NnError		err;
	NnRng		rng;
	size_t		i;
	int			k;

	/* two units that are parts of characters */
	nn_vocabulary_read(&vocabulary, 2, (const uint8_t *) "\2\0\2\0", 4, (const uint8_t *) "\xE2\x82\xACx", 4, env, &err);
	nn_array_init(&out, env, 1);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		for (k = 0; k < cases[i].n_bytes; k++)
			ids[k] = (uint8_t) cases[i].bytes[k];
		out.n = 0;
		nn_vocabulary_decode_exact(vocabulary, ids, cases[i].n_bytes, &out);
		is_text(out.n > 0 ? out.data : "", out.n, cases[i].expected, "bytes a model may write, %zu", i);
	}
	out.n = 0;
	ids[0] = 256;
	ids[1] = 257;
	nn_vocabulary_decode_exact(vocabulary, ids, 2, &out);
	is_text(out.data, out.n, "\xE2\x82\xACx", "a character of two units");
	ids[0] = ' ';
	nn_vocabulary_decode_exact(vocabulary, ids, 2, &out);
	is_text(out.data, out.n, "\xE2\x82\xACx" R "x", "is appended; half of one is replaced");
	ids[1] = 258;
	is_int(nn_vocabulary_decode_exact(vocabulary, ids, 2, &out), NN_ERANGE, "no such id");
	ids[0] = -1;
	is_int(nn_vocabulary_decode_exact(vocabulary, ids, 1, &out), NN_ERANGE, "nor such a one");

	nn_rng_seed(&rng, 21);
	for (i = 0; i < 100000; i++)
	{
		static const uint8_t likely[] = {0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xC3, 0xED, 0xA0, 0xF4, 0x90, 0, ' ', 'x'};

		for (k = 0; k < 8; k++)
			ids[k] = nn_rng_below(&rng, 4) == 0 ? (int32_t) nn_rng_below(&rng, 258) :
				likely[nn_rng_below(&rng, sizeof(likely))];
		out.n = 0;
		n_wrong += nn_vocabulary_decode_exact(vocabulary, ids, 8, &out) != NN_OK;
		n_wrong += out.n > 0 && !nn_utf8_check(out.data, out.n, NULL);
	}
	is_int(n_wrong, 0, "whatever a model writes, the text is valid");
	nn_array_free(&out);
	nn_vocabulary_destroy(vocabulary);
}

/* ---- one given word ----------------------------------------------------------------------- */

static void
is_folded(const char *word, bool is_case_kept, const char *expected)
{
	char		folded[NN_WORD_BYTES];
	int			n = -1;

	is_int(nn_text_fold(env, is_case_kept, word, strlen(word), folded, &n, NULL), NN_OK, "fold %s", word);
	is_text(folded, n, expected, "its form");
}

static void
test_fold(void)
{
	char		text[3000];
	char		folded[NN_WORD_BYTES];
	TestHost	host;
	NnError		err = {0};
	int			n;

	is_folded("", false, "");
	is_folded("U.S.", false, "u.s.");
	is_folded("U.S.", true, "U.S.");
	is_folded("Can\xE2\x80\x99t", false, "can't");
	is_folded("New York", false, "new york");
	is_folded(" \tNew \n York\xC2\xA0", true, "New \n York");
	is_folded("  ", false, "");
	is_folded("\xC2\xAD", false, "");
	is_folded("Stra\xC3\x9F" "e", false, "strasse");
	is_folded("Stra\xC3\x9F" "e", true, "Stra\xC3\x9F" "e");
	is_folded("CAFE\xCC\x81", false, "caf\xC3\xA9");
	is_folded("\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x81", false, "\xE4\xBD\xA0\xE5\xA5\xBD!");
	is_folded("co\xC2\xADop", false, "coop");

	memset(text, 'x', sizeof(text));
	nn_text_fold(env, false, text, sizeof(text), folded, &n, NULL);
	is_int(n, NN_WORD_BYTES, "a long word is cut");
	fill(text, sizeof(text), "\xE2\x82\xAC");
	nn_text_fold(env, false, text, sizeof(text), folded, &n, NULL);
	is_int(n, NN_WORD_BYTES / 3 * 3, "before a character that has no room");
	fill(text, sizeof(text), "\xEF\xB7\xBA");
	nn_text_fold(env, false, text, sizeof(text), folded, &n, NULL);
	ok(n <= NN_WORD_BYTES && nn_utf8_check(folded, (size_t) n, NULL), "also within one that has become many");
	is_int(nn_text_fold(env, false, "ab\xFF", 3, folded, &n, &err), NN_EENCODING, "invalid UTF-8");
	is_int(err.status, NN_EENCODING, "and says so");

	test_host_init(&host);
	host.cancel_at = 1;
	{
		const size_t n_bytes = 200000;
		char	   *ignorable = malloc(n_bytes);

		fill(ignorable, n_bytes, "\xC2\xAD");
		is_int(nn_text_fold(&host.env, false, ignorable, n_bytes, folded, &n, &err), NN_ECANCELED,
			   "a word without end can be canceled");
		free(ignorable);
	}
}

/* A word of the tokenizer is its own place in the text, folded. */
static void
test_fold_is_tokenizer(void)
{
	long		n_wrong = 0;
	long		n_words = 0;
	NnRng		rng;
	int			round;

	nn_rng_seed(&rng, 31);
	for (round = 0; round < 5000; round++)
	{
		NnTokenizerOptions options = {.is_case_kept = round % 2 != 0};
		NnTokenizer tokenizer;
		char		folded[NN_WORD_BYTES];
		char		text[40];
		NnWord		word;
		int			n_folded;
		int			n = 0;
		int			i;

		/* letters of one case mapping each, so that places are the bytes' */
		for (i = 0; i < 30; i++)
			text[n++] = "aBcD 1_.Z"[nn_rng_below(&rng, 9)];
		nn_tokenizer_init(&tokenizer, env, &options, text, (size_t) n);
		while (nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes != NULL)
		{
			n_words++;
			nn_text_fold(env, options.is_case_kept, text + word.start, (size_t) (word.stop - word.start),
						 folded, &n_folded, NULL);
			n_wrong += n_folded != word.n_bytes || memcmp(folded, word.bytes, (size_t) n_folded) != 0;
		}
	}
	ok(n_wrong == 0 && n_words > 10000, "the tokenizer's words are folded words (%ld)", n_words);
}

int
main(void)
{
	test_words();
	test_white_space();
	test_long();
	test_invalid();
	test_plain();
	test_round_trip();
	test_units();
	test_broken();
	test_fold();
	test_fold_is_tokenizer();
	return done_testing();
}
