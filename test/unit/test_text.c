/*
 * test_text.c: UTF-8 and the tokenizer.
 *
 * Expected words are written as "word:start-stop", with a + behind those that are
 * glued to the word before; the places were counted by hand in characters (code
 * points) of the original text.
 */
#include "tap.h"
#include "test_host.h"

#include <stdlib.h>

#include "base/rng.h"
#include "text/tokenize.h"

/* ---- UTF-8 ------------------------------------------------------------------- */

static void
test_utf8(void)
{
	static const char *const valid[] = {
		"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
		"\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "abcdefghijklmnop\xC3\xA4"
	};
	static const struct
	{
		const char *text;
		int			n_bytes;
		int			bad_at;
		const char *what;
	}			invalid[] = {
		{"\x80", 1, 0, "a continuation byte alone"},
		{"ab\xBF" "c", 4, 2, "one behind letters"},
		{"\xC0\xAF", 2, 0, "an overlong form of 2 bytes"},
		{"\xC1\xBF", 2, 0, "another"},
		{"\xE0\x9F\xBF", 3, 0, "an overlong form of 3 bytes"},
		{"\xF0\x8F\xBF\xBF", 4, 0, "an overlong form of 4 bytes"},
		{"\xED\xA0\x80", 3, 0, "the first surrogate"},
		{"\xED\xBF\xBF", 3, 0, "the last surrogate"},
		{"\xF4\x90\x80\x80", 4, 0, "above U+10FFFF"},
		{"\xF5\x80\x80\x80", 4, 0, "a lead byte above F4"},
		{"\xFE", 1, 0, "FE"},
		{"\xFF", 1, 0, "FF"},
		{"\xC3", 1, 0, "1 byte of 2"},
		{"x\xE2\x82", 3, 1, "2 bytes of 3"},
		{"\xF0\x9F\x98", 3, 0, "3 bytes of 4"},
		{"\xE2\x28\xA1", 3, 0, "a second byte that is a letter"},
		{"\xE2\x82\x28", 3, 0, "a third byte that is a letter"},
		{"\xF0\x9F\x98\x28", 4, 0, "a fourth byte that is a letter"},
		{"ab\0cd", 5, 2, "a 0 byte"},
		{"abcdefghijk\0lmnop", 17, 11, "a 0 byte among many letters"},
		{"abcdefgh\xFF", 9, 8, "a bad byte behind 8 letters"}
	};
	size_t		bad_at;
	size_t		i;

	for (i = 0; i < sizeof(valid) / sizeof(valid[0]); i++)
		ok(nn_utf8_check(valid[i], strlen(valid[i]), &bad_at), "valid UTF-8, %zu", i);
	for (i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
	{
		NnTokenizer tokenizer;
		NnError		err = {0};
		NnStatus	status;
		NnWord		word;

		bad_at = 999;
		ok(!nn_utf8_check(invalid[i].text, (size_t) invalid[i].n_bytes, &bad_at) &&
		   bad_at == (size_t) invalid[i].bad_at, "%s is invalid", invalid[i].what);
		nn_tokenizer_init(&tokenizer, &nn_env_malloc, NULL, invalid[i].text, (size_t) invalid[i].n_bytes);
		do
			status = nn_tokenizer_next(&tokenizer, &word, &err);
		while (status == NN_OK && word.bytes != NULL);
		ok(status == NN_EENCODING && err.status == status, "and the tokenizer says so");
	}
	ok(!nn_utf8_check("\xFF", 1, NULL), "bad_at may be NULL");
	is_int(nn_utf8_length("", 0), 0, "length of nothing");
	is_int(nn_utf8_length("a\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 10), 4, "length in characters");
}

/* ---- words -------------------------------------------------------------------- */

/* Words of a text as written in the head of this file; the status if it fails. */
static NnStatus
write_words(const char *text, size_t n_bytes, bool is_case_kept, char *out, size_t n_out)
{
	NnTokenizerOptions options = {.is_case_kept = is_case_kept};
	NnTokenizer tokenizer;
	NnError		err;
	NnWord		word;
	size_t		n = 0;

	out[0] = '\0';
	nn_tokenizer_init(&tokenizer, &nn_env_malloc, &options, text, n_bytes);
	for (;;)
	{
		NN_TRY(nn_tokenizer_next(&tokenizer, &word, &err));
		if (word.bytes == NULL)
			return NN_OK;
		n += (size_t) snprintf(out + n, n_out - n, "%s%.*s:%d-%d%s", n > 0 ? " " : "",
							   word.n_bytes, word.bytes, (int) word.start, (int) word.stop,
							   word.is_glued ? "+" : "");
	}
}

static void
is_words(const char *text, const char *expected, const char *what)
{
	char		words[8192];

	if (write_words(text, strlen(text), false, words, sizeof(words)) != NN_OK)
		strcpy(words, "(failed)");
	is_text(words, strlen(words), expected, "%s", what);
}

static void
test_words(void)
{
	is_words("", "", "no text");
	is_words(" \t\r\n\f\v\xC2\xA0\xE3\x80\x80 ", "", "white space only, of several kinds");
	is_words("The cat, and 2 dogs.", "the:0-3 cat:4-7 ,:7-8+ and:9-12 2:13-14 dogs:15-19 .:19-20+",
			 "English");
	is_words("foo_bar x9 _ a.b", "foo_bar:0-7 x9:8-10 _:11-12 a:13-14 .:14-15+ b:15-16+",
			 "underscores and digits belong to words");
	is_words("@user #tag!!", "@:0-1 user:1-5+ #:6-7 tag:7-10+ !:10-11+ !:11-12+",
			 "each sign is a word");
	is_words("http://x.org/a?b=%20",
			 "http:0-4 ::4-5+ /:5-6+ /:6-7+ x:7-8+ .:8-9+ org:9-12+ /:12-13+ a:13-14+ ?:14-15+ "
			 "b:15-16+ =:16-17+ %:17-18+ 20:18-20+", "an address");
	is_words("2024-05-01T10:00:03 ERROR [db] pid=42",
			 "2024:0-4 -:4-5+ 05:5-7+ -:7-8+ 01t10:8-13+ ::13-14+ 00:14-16+ ::16-17+ 03:17-19+ "
			 "error:20-25 [:26-27 db:27-29+ ]:29-30+ pid:31-34 =:34-35+ 42:35-37+", "a log line");
	is_words("Stra\xC3\x9F" "e GRO\xE1\xBA\x9E \xC3\x84rger", "strasse:0-6 gross:7-11 \xC3\xA4rger:12-17",
			 "German: sharp s is folded to two letters in one place");
	is_words("\xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82, \xD0\x9C\xD0\x98\xD0\xA0",
			 "\xD0\xBF\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82:0-6 ,:6-7+ \xD0\xBC\xD0\xB8\xD1\x80:8-11",
			 "Russian");
	is_words("\xCE\xA3\xCE\x9F\xCE\xA6\xCE\x9F\xCE\xA3 \xCF\x83\xCE\xBF\xCF\x86\xCF\x8C\xCF\x82",
			 "\xCF\x83\xCE\xBF\xCF\x86\xCE\xBF\xCF\x83:0-5 \xCF\x83\xCE\xBF\xCF\x86\xCF\x8C\xCF\x83:6-11",
			 "Greek: a final sigma is folded too");
	is_words("\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82",
			 "\xE4\xBD\xA0:0-1 \xE5\xA5\xBD:1-2+ ,:2-3+ \xE4\xB8\x96:3-4+ \xE7\x95\x8C:4-5+ \xE3\x80\x82:5-6+",
			 "Chinese: a character, a word");
	is_words("AI\xE6\x8A\x80\xE6\x9C\xAF" "2.0",
			 "ai:0-2 \xE6\x8A\x80:2-3+ \xE6\x9C\xAF:3-4+ 2:4-5+ .:5-6+ 0:6-7+", "Chinese and Latin");
	is_words("\xE3\x82\xAB\xE3\x82\xBF \xEF\xBD\xB6\xEF\xBE\x9E\xE3\x81\x8B\xE3\x82\x99\xE3\x83\xBC",
			 "\xE3\x82\xAB:0-1 \xE3\x82\xBF:1-2+ \xE3\x82\xAC:3-5 \xE3\x81\x8C:5-7+ \xE3\x83\xBC:7-8+",
			 "Japanese: halfwidth and voiced kana are composed");
	is_words("\xED\x95\x9C\xEA\xB5\xAD \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB\xE1\x84\x80\xE1\x85\xAE\xE1\x86\xA8",
			 "\xED\x95\x9C\xEA\xB5\xAD:0-2 \xED\x95\x9C\xEA\xB5\xAD:3-9",
			 "Korean: letters are composed to syllables");
	is_words("\xE0\xA4\xAE\xE0\xA5\x88\xE0\xA4\x82 \xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80\xE0\xA5\xA4",
			 "\xE0\xA4\xAE\xE0\xA5\x88\xE0\xA4\x82:0-3 "
			 "\xE0\xA4\xB9\xE0\xA4\xBF\xE0\xA4\xA8\xE0\xA5\x8D\xE0\xA4\xA6\xE0\xA5\x80:4-10 \xE0\xA5\xA4:10-11+",
			 "Hindi: vowel signs and virama stay in the word");
	is_words("\xD9\x85\xD9\x8E\xD8\xB1\xD9\x92 \xD8\xA8\xD9\x87\xD8\x9F",
			 "\xD9\x85\xD9\x8E\xD8\xB1\xD9\x92:0-4 \xD8\xA8\xD9\x87:5-7 \xD8\x9F:7-8+",
			 "Arabic: vowel marks stay in the word");
	is_words("\xD9\x85\xDB\x8C\xE2\x80\x8C\xD8\xAE\xD9\x88", "\xD9\x85\xDB\x8C\xD8\xAE\xD9\x88:0-5",
			 "Persian: the zero width non-joiner is dropped");
	is_words("\xE0\xB9\x84\xE0\xB8\x97\xE0\xB8\xA2\xE0\xB8\x99\xE0\xB9\x88\xE0\xB8\xB2",
			 "\xE0\xB9\x84\xE0\xB8\x97\xE0\xB8\xA2\xE0\xB8\x99\xE0\xB9\x88\xE0\xB8\xB2:0-6", "Thai");
}

static void
test_apostrophes(void)
{
	is_words("Don't", "do:0-2 n't:2-5+", "don't");
	is_words("Don\xE2\x80\x99t don\xC2\xB4t", "do:0-2 n't:2-5+ do:6-8 n't:8-11+",
			 "typographic apostrophes");
	is_words("it's we're I'll you've I'd I'm",
			 "it:0-2 's:2-4+ we:5-7 're:7-10+ i:11-12 'll:12-15+ you:16-19 've:19-22+ i:23-24 'd:24-26+ "
			 "i:27-28 'm:28-30+", "contractions");
	is_words("l'homme O'Neil", "l:0-1 'homme:1-7+ o:8-9 'neil:9-14+", "an apostrophe between letters");
	is_words("shouldn't've", "should:0-6 n't:6-9+ 've:9-12+", "two contractions");
	is_words("do n't , it 's , n't", "do:0-2 n't:3-6 ,:7-8 it:9-11 's:12-14 ,:15-16 n't:17-20",
			 "words that a treebank has cut stay cut");
	is_words("'hello' 's' dogs'", "':0-1 hello:1-6+ ':6-7+ ':8-9 s:9-10+ ':10-11+ dogs:12-16 ':16-17+",
			 "quotation marks are signs");
	is_words("n'taa an'tb 5'10 x_'y 1990's",
			 "n:0-1 'taa:1-5+ an:6-8 'tb:8-11+ 5:12-13 ':13-14+ 10:14-16+ x_:17-19 ':19-20+ y:20-21+ "
			 "1990:22-26 's:26-28+", "what only looks like one");
	is_words("n' n't n", "n:0-1 ':1-2+ n't:3-6 n:7-8", "n at the end");
	is_words("l'\xC3\xA9t\xC3\xA9", "l:0-1 '\xC3\xA9t\xC3\xA9:1-5+", "a letter that is not ASCII follows");
}

static void
test_clusters(void)
{
	is_words("\xF0\x9F\x98\x80\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80:0-1 \xF0\x9F\x98\x80:1-2+", "two emoji");
	is_words("\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBDok", "\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD:0-2 ok:2-4+",
			 "an emoji and its skin tone are one word");
	is_words("\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 x",
			 "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7:0-3 x:4-5", "joined emoji are one word");
	is_words("\xE2\x9D\xA4\xEF\xB8\x8F \xE2\x9D\xA4", "\xE2\x9D\xA4:0-2 \xE2\x9D\xA4:3-4",
			 "a variation selector makes no difference");
	is_words("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xF0\x9F\x87\xAB\xF0\x9F\x87\xB7",
			 "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA:0-2 \xF0\x9F\x87\xAB\xF0\x9F\x87\xB7:2-4+", "two flags");
	is_words("a1\xEF\xB8\x8F\xE2\x83\xA3" "2\xE2\x83\xA3", "a:0-1 1\xE2\x83\xA3:1-4+ 2\xE2\x83\xA3:4-6+", "keycaps");
	is_words("caf\xC3\xA9 cafe\xCC\x81", "caf\xC3\xA9:0-4 caf\xC3\xA9:5-10", "NFC and NFD are one word");
	is_words("\xEF\xAC\x81ne \xE2\x91\xA1 \xEF\xBC\xA1\xEF\xBC\x91", "fine:0-3 2:4-5 a1:6-8",
			 "compatibility forms");
	is_words("\xE2\x80\xA6x", ".:0-1 .:0-1+ .:0-1+ x:1-2+", "signs of one character share its place");
	is_words("co\xC2\xADop \xEF\xBB\xBFx a\xE2\x80\x8B" "b", "coop:0-5 x:7-8 a:9-10 b:11-12",
			 "soft hyphen and byte order mark are dropped, zero width space separates");
	is_words("\xC2\xA8 \xC2\xAF", "\xC2\xA8:0-1 \xC2\xAF:2-3", "an accent that stands free stays itself");
	is_words(" \xE2\x83\xA3", "\xE2\x83\xA3:1-2", "a keycap on a space");
	is_words("!\xCC\x81x", "!\xCC\x81:0-2 x:2-3+", "a mark on a sign");
	is_words(" \xCC\x81y", "\xCC\x81y:1-3", "a mark on a space");
	is_words("x\x01\x1By", "x:0-1 \x01:1-2+ \x1B:2-3+ y:3-4+", "control characters are signs");
}

static void
test_flags(void)
{
	static const struct
	{
		const char *text;
		bool		is_alphabetic;
	}			cases[] = {
		{"a", true}, {"A1", true}, {"1", false}, {"_", false}, {"_1", false}, {"'s", true}, {"!", false},
		{"\xC3\xA4", true}, {"\xE4\xBD\xA0", true}, {"\xF0\x9F\x98\x80", false}, {"\xD9\xA1", false}
	};
	char		words[256];
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		NnTokenizer tokenizer;
		NnWord		word;

		nn_tokenizer_init(&tokenizer, &nn_env_malloc, NULL, cases[i].text, strlen(cases[i].text));
		ok(nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.is_alphabetic == cases[i].is_alphabetic,
		   "is \"%s\" alphabetic?", cases[i].text);
		ok(nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes == NULL &&
		   nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes == NULL,
		   "behind the last word there is none, again and again");
	}
	write_words("DON'T Stra\xC3\x9F" "e \xC3\x84", 16, true, words, sizeof(words));
	is_text(words, strlen(words), "DO:0-2 N'T:2-5+ Stra\xC3\x9F" "e:6-12 \xC3\x84:13-14", "case is kept if asked");
}

/* ---- long and hostile texts -------------------------------------------------------- */

/* Tokenize, and check what holds for any text; the number of words, or -1. */
static long
count_words(const char *text, size_t n_bytes, const NnEnv *env, NnStatus *status)
{
	NnTokenizer tokenizer;
	NnWord		word;
	int64_t		start = 0;
	int64_t		stop = 0;
	int64_t		length = nn_utf8_length(text, n_bytes);
	long		n = 0;

	nn_tokenizer_init(&tokenizer, env, NULL, text, n_bytes);
	for (;;)
	{
		*status = nn_tokenizer_next(&tokenizer, &word, NULL);
		if (*status != NN_OK || word.bytes == NULL)
			return n;
		n++;
		if (word.start < start || word.stop < stop || word.start >= word.stop || word.stop > length ||
			word.n_bytes < 1 || memchr(word.bytes, ' ', (size_t) word.n_bytes) != NULL ||
			!nn_utf8_check(word.bytes, (size_t) word.n_bytes, NULL) ||
			nn_utf8_length(word.bytes, (size_t) word.n_bytes) > NN_WORD_CHARACTERS)
			return -1;
		start = word.start;
		stop = word.stop;
	}
}

static void
fill(char *text, size_t n_bytes, const char *unit)
{
	size_t		n_unit = strlen(unit);
	size_t		at;

	for (at = 0; at + n_unit <= n_bytes; at += n_unit)
		memcpy(text + at, unit, n_unit);
	memset(text + at, ' ', n_bytes - at);
}

static void
test_long(void)
{
	const size_t n_bytes = 10 * 1000 * 1000;
	char	   *text = malloc(n_bytes);
	NnStatus	status;
	TestHost	host;

	test_host_init(&host);
	fill(text, n_bytes, "x");
	is_int(count_words(text, n_bytes, &host.env, &status), (n_bytes + 63) / 64, "a word of 10 MB is cut");
	ok(host.n_polls >= (long) (n_bytes / 65536) - 1, "and polls every 64 kB");
	is_int(host.n_allocs, 0, "and allocates nothing");
	fill(text, n_bytes, " ");
	host.n_polls = 0;
	is_int(count_words(text, n_bytes, &host.env, &status), 0, "10 MB of spaces");
	ok(host.n_polls >= (long) (n_bytes / 65536) - 1, "poll too");
	host.cancel_at = host.n_polls + 3;
	count_words(text, n_bytes, &host.env, &status);
	is_int(status, NN_ECANCELED, "and can be canceled");

	test_host_init(&host);
	host.cancel_at = 4;
	fill(text, n_bytes, "ab, ");
	count_words(text, n_bytes, &host.env, &status);
	is_int(status, NN_ECANCELED, "words can be canceled");
	is_int(host.n_polls, 4, "at the poll that says so");

	fill(text, 1000000, "\xCC\x81");
	is_int(count_words(text, 1000000, &nn_env_malloc, &status), 500000 / 64 + 1, "a heap of marks is cut");
	text[0] = text[1] = 'e';
	ok(count_words(text, 1000000, &nn_env_malloc, &status) > 0 && status == NN_OK, "on a letter too");
	fill(text, 1000000, "\xEF\xB7\xBA");
	is_int(count_words(text, 999999, &nn_env_malloc, &status), 3 * 333333 + 1, "the longest expansion");
	fill(text, 1000000, "\xC2\xAD");
	is_int(count_words(text, 1000000, &nn_env_malloc, &status), 0, "ignorable characters only");
	fill(text, 1000000, "'");
	is_int(count_words(text, 1000000, &nn_env_malloc, &status), 1000000, "apostrophes only");
	fill(text, 1000000, "n't");
	ok(count_words(text, 1000000, &nn_env_malloc, &status) > 0, "n't only");
	fill(text, 1000000, "\xF0\x9F\x91\xA9\xE2\x80\x8D");
	ok(count_words(text, 1000000, &nn_env_malloc, &status) > 0, "an endless family");
	free(text);
}

/* Pieces of many kinds in random order: what holds for any text must hold. */
static void
test_mixed(void)
{
	static const char *const pieces[] = {
		"a", "n", "'", "t", " ", "s", "_", "1", ".", "\xE2\x80\x99", "\xC3\x9F", "\xCC\x81", "\xE2\x80\x8D", "\xEF\xB7\xBA",
		"\xF0\x9F\x91\xA9", "\xF0\x9F\x87\xA9", "\xEF\xB8\x8F", "\xE2\x83\xA3", "\xE4\xBD\xA0", "\xE1\x84\x92", "\xE1\x85\xA1",
		"\xC2\xAD", "\xC2\xA8", "\xE0\xA4\xA8\xE0\xA5\x8D", "\r", "\n", "\xE2\x80\x8B", "\xF0\x9F\x8F\xBD", "\xD8\x80", "\xC4\xB0"
	};
	long		n_failed = 0;
	NnRng		rng;
	int			round;

	nn_rng_seed(&rng, 11);
	for (round = 0; round < 20000; round++)
	{
		char		text[512] = "";
		size_t		n = 0;
		int			n_pieces = 1 + (int) nn_rng_below(&rng, 40);
		NnStatus	status;

		while (n_pieces-- > 0)
		{
			const char *piece = pieces[nn_rng_below(&rng, sizeof(pieces) / sizeof(pieces[0]))];

			memcpy(text + n, piece, strlen(piece));
			n += strlen(piece);
		}
		n_failed += count_words(text, n, &nn_env_malloc, &status) < 0 || status != NN_OK;
	}
	is_int(n_failed, 0, "20000 mixed texts: places in order, words valid and bounded");
}

/* ASCII text must give the same words by both paths. */
static void
test_paths(void)
{
	long		n_different = 0;
	NnRng		rng;
	int			round;

	nn_rng_seed(&rng, 5);
	for (round = 0; round < 20000; round++)
	{
		static const char letters[] = "ant'sT _1.- \t,xN";
		char		text[200];
		char		quick[4096];
		char		slow[4096];
		size_t		n = 1 + (size_t) nn_rng_below(&rng, 120);
		NnTokenizer tokenizer;
		NnWord		word;
		size_t		at = 0;
		size_t		i;

		/* the slow path is kept open by a soft hyphen behind each character: places double */
		for (i = 0; i < n; i++)
			text[i] = letters[nn_rng_below(&rng, sizeof(letters) - 1)];
		write_words(text, n, false, quick, sizeof(quick));
		{
			char		slow_text[600];
			size_t		n_slow = 0;

			for (i = 0; i < n; i++)
			{
				slow_text[n_slow++] = text[i];
				slow_text[n_slow++] = '\xC2';
				slow_text[n_slow++] = '\xAD';
			}
			slow[0] = '\0';
			nn_tokenizer_init(&tokenizer, &nn_env_malloc, NULL, slow_text, n_slow);
			while (nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK && word.bytes != NULL)
				at += (size_t) snprintf(slow + at, sizeof(slow) - at, "%s%.*s:%d-%d%s", at > 0 ? " " : "",
										word.n_bytes, word.bytes, (int) word.start / 2, (int) (word.stop + 1) / 2,
										word.is_glued ? "+" : "");
		}
		if (strcmp(quick, slow) != 0 && n_different++ == 0)
			diag("quick: %s\n# slow:  %s", quick, slow);
	}
	is_int(n_different, 0, "20000 ASCII texts: both paths give the same words");
}

int
main(void)
{
	test_utf8();
	test_words();
	test_apostrophes();
	test_clusters();
	test_flags();
	test_long();
	test_mixed();
	test_paths();
	return done_testing();
}
