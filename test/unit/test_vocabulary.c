/*
 * test_vocabulary.c: lexicon, byte-pair encoding, vocabulary.
 */
#include "tap.h"
#include "test_host.h"

#include <stdlib.h>

#include "base/rng.h"
#include "text/features.h"
#include "text/lexicon.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

static const NnEnv *const env = &nn_env_malloc;

/* ---- lexicon ------------------------------------------------------------------ */

static void
add_times(NnLexicon *lexicon, const char *word, int n_times, int first_row)
{
	int32_t		number;
	int			i;

	for (i = 0; i < n_times; i++)
		nn_lexicon_add(lexicon, word, (int) strlen(word), first_row + i, &number);
}

static void
test_lexicon(void)
{
	NnLexicon  *lexicon;
	const NnLexeme *lexeme;
	bool		is_good = true;
	int32_t		number;
	int			i;

	nn_lexicon_create(&lexicon, env);
	is_int(nn_lexicon_find(lexicon, "a", 1), -1, "nothing is in an empty lexicon");
	nn_lexicon_add(lexicon, "a", 1, 0, &number);
	is_int(number, 0, "the first word");
	nn_lexicon_add(lexicon, "ab", 2, 0, &number);
	is_int(number, 1, "the second");
	nn_lexicon_add(lexicon, "a", 1, 0, &number);
	is_int(number, 0, "the first again");
	nn_lexicon_add(lexicon, "a", 1, 3, &number);
	nn_lexicon_add(lexicon, "", 0, 3, &number);
	is_int(number, 2, "the empty word");
	lexeme = nn_lexicon_get(lexicon, 0);
	ok(lexeme->n_tokens == 3 && lexeme->n_rows == 2 && lexeme->last_row == 3, "tokens and rows");
	ok(lexeme->hash == nn_hash_bytes("a", 1, 0), "its hash");
	for (i = 0; i < 20000; i++)
	{
		char		word[20];
		int			n = snprintf(word, sizeof(word), "w%d", i);

		is_good = is_good && nn_lexicon_add(lexicon, word, n, i, &number) == NN_OK && number == i + 3;
	}
	for (i = 0; i < 20000; i++)
	{
		char		word[20];
		int			n = snprintf(word, sizeof(word), "w%d", i);

		is_good = is_good && nn_lexicon_find(lexicon, word, n) == i + 3 &&
			memcmp(nn_lexicon_bytes(lexicon, i + 3), word, (size_t) n) == 0;
	}
	ok(is_good && nn_lexicon_n(lexicon) == 20003, "20000 words");
	ok(nn_lexicon_size_bytes(lexicon) > 20000 * sizeof(NnLexeme), "its size");
	nn_lexicon_destroy(lexicon);
	nn_lexicon_destroy(NULL);
}

/* ---- byte-pair encoding: a worked example ------------------------------------------ */

static NnVocabulary *
learn(const NnLexicon *lexicon, int max_words, int max_units, int min_rows)
{
	NnVocabularyOptions options = {max_words, max_units, min_rows};
	NnVocabulary *vocabulary = NULL;
	NnError		err;

	if (nn_vocabulary_learn(&vocabulary, lexicon, &options, env, &err) != NN_OK)
		diag("learning failed: %s", err.message);
	return vocabulary;
}

/* Bytes of the ids from first on, separated by |. */
static void
is_tokens(const NnVocabulary *vocabulary, const int32_t *ids, int n, const char *expected, const char *what)
{
	char		text[2000];
	size_t		at = 0;
	int			i;

	text[0] = '\0';
	for (i = 0; i < n; i++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, ids[i], &n_bytes);

		at += (size_t) snprintf(text + at, sizeof(text) - at, "%s%.*s", i > 0 ? "|" : "", n_bytes, bytes);
	}
	is_text(text, at, expected, "%s", what);
}

static void
is_encoded(const NnVocabulary *vocabulary, const char *word, bool expect_known, const char *expected)
{
	int32_t		ids[64];
	bool		is_known;
	int			n = nn_vocabulary_encode(vocabulary, word, (int) strlen(word), ids, &is_known);

	is_tokens(vocabulary, ids, n, expected, word);
	ok(is_known == expect_known, "%s is%s known", word, expect_known ? "" : " not");
}

/* A known word cut like one that is not: its bytes again, in two units at least. */
static void
check_cut(const NnVocabulary *vocabulary, const char *word)
{
	int32_t		ids[NN_WORD_BYTES];
	int			n = nn_vocabulary_cut(vocabulary, word, (int) strlen(word), ids);
	size_t		at = 0;
	bool		is_right = n >= 2 || strlen(word) < 2;

	for (int i = 0; i < n; i++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, ids[i], &n_bytes);

		is_right = is_right && ids[i] < 256 + nn_vocabulary_n_units(vocabulary) &&
			at + (size_t) n_bytes <= strlen(word) && memcmp(word + at, bytes, (size_t) n_bytes) == 0;
		at += (size_t) n_bytes;
	}
	ok(is_right && at == strlen(word), "\"%s\" in %d units", word, n);
}

/*
 * The example of Sennrich et al. 2016, without their end-of-word sign.  The counts
 * at the beginning: es 9, st 9, we 8, lo 7, ow 7, ne 6, ew 6...; then by hand.
 */
static void
test_example(void)
{
	int32_t		ids[100];
	NnLexicon  *lexicon;
	NnVocabulary *vocabulary;
	int			i;

	nn_lexicon_create(&lexicon, env);
	add_times(lexicon, "low", 5, 0);
	add_times(lexicon, "lower", 2, 5);
	add_times(lexicon, "newest", 6, 7);
	add_times(lexicon, "widest", 3, 13);
	for (i = 0; i < 100; i++)
		ids[i] = 256 + i;

	vocabulary = learn(lexicon, 100, 100, 1);
	is_int(nn_vocabulary_n_units(vocabulary), 12, "units");
	is_int(nn_vocabulary_n(vocabulary), 256 + 12 + 4, "ids");
	is_tokens(vocabulary, ids, 12, "es|est|lo|low|ew|ewest|newest|dest|idest|widest|er|lower", "units in order");
	is_tokens(vocabulary, ids + 12, 4, "newest|low|widest|lower", "words by frequency");
	is_int(nn_vocabulary_find(vocabulary, "widest", 6), 256 + 14, "a word's id");
	is_int(nn_vocabulary_find(vocabulary, "est", 3), -1, "a unit is not a word");
	is_int(nn_vocabulary_find(vocabulary, "", 0), -1, "nor is nothing");
	is_encoded(vocabulary, "low", true, "low");
	is_encoded(vocabulary, "lowest", false, "low|est");
	is_encoded(vocabulary, "slowness", false, "s|low|n|es|s");
	is_encoded(vocabulary, "lo", false, "lo");
	is_encoded(vocabulary, "xyz", false, "x|y|z");
	is_encoded(vocabulary, "", false, "");
	check_cut(vocabulary, "low");
	check_cut(vocabulary, "newest");
	check_cut(vocabulary, "lowest");
	check_cut(vocabulary, "xyz");
	check_cut(vocabulary, "x");
	ok(nn_vocabulary_size_bytes(vocabulary) > 1000, "its size");
	nn_vocabulary_destroy(vocabulary);
	nn_vocabulary_destroy(NULL);

	vocabulary = learn(lexicon, 2, 3, 1);
	is_int(nn_vocabulary_n(vocabulary), 256 + 5, "as many as asked for");
	is_tokens(vocabulary, ids, 5, "es|est|lo|newest|low", "the first ones");
	nn_vocabulary_destroy(vocabulary);
	vocabulary = learn(lexicon, 0, 0, 1);
	is_int(nn_vocabulary_n(vocabulary), 256, "none but bytes");
	is_encoded(vocabulary, "low", false, "l|o|w");
	nn_vocabulary_destroy(vocabulary);
	vocabulary = learn(lexicon, 100, 100, 4);
	is_tokens(vocabulary, ids, nn_vocabulary_n(vocabulary) - 256, "es|est|lo|low|ew|ewest|newest|newest|low",
			  "only what 4 rows have");
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);

	/* pairs that overlap themselves, and a string that is split in two ways */
	nn_lexicon_create(&lexicon, env);
	add_times(lexicon, "aaaaa", 3, 0);
	vocabulary = learn(lexicon, 0, 100, 1);
	is_tokens(vocabulary, ids, nn_vocabulary_n_units(vocabulary), "aa|aaa|aaaaa", "aaaaa");
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);

	nn_lexicon_create(&lexicon, env);
	vocabulary = learn(lexicon, 100, 100, 1);
	is_int(nn_vocabulary_n(vocabulary), 256, "of no words");
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
}

/* A word of one row must not be readable from the vocabulary, however often it is there. */
static void
test_rare(void)
{
	NnLexicon  *lexicon;
	NnVocabulary *vocabulary;
	bool		is_seen = false;
	int32_t		number;
	int			i;

	nn_lexicon_create(&lexicon, env);
	for (i = 0; i < 100; i++)
		nn_lexicon_add(lexicon, "qxqxqzqzqx", 10, 7, &number);
	add_times(lexicon, "common", 2, 8);
	vocabulary = learn(lexicon, 100, 100, 2);
	for (i = 256; i < nn_vocabulary_n(vocabulary); i++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, i, &n_bytes);

		is_seen = is_seen || memchr(bytes, 'q', (size_t) n_bytes) != NULL;
	}
	ok(!is_seen && nn_vocabulary_find(vocabulary, "common", 6) >= 0, "nothing of a word of one row is kept");
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
}

/* ---- byte-pair encoding: the slow, obvious twin --------------------------------------- */

#define TWIN_WORDS	60
#define TWIN_LENGTH	12
#define TWIN_UNITS	200

typedef struct Twin
{
	char		strings[256 + TWIN_UNITS][TWIN_LENGTH + 1];
	int			n_strings;
	int			words[TWIN_WORDS][TWIN_LENGTH];
	int			lengths[TWIN_WORDS];
	int			n_tokens[TWIN_WORDS];
	int			n_rows[TWIN_WORDS];
	bool		is_banned[256 + TWIN_UNITS][256 + TWIN_UNITS];
	int			counts[256 + TWIN_UNITS][256 + TWIN_UNITS];
	int			rows[256 + TWIN_UNITS][256 + TWIN_UNITS];
	int			rows_of_one[256 + TWIN_UNITS][256 + TWIN_UNITS];	/* the most that one word has */
} Twin;

static void
twin_count(Twin *twin)
{
	int			w;
	int			i;
	int			k;

	memset(twin->counts, 0, sizeof(twin->counts));
	memset(twin->rows, 0, sizeof(twin->rows));
	memset(twin->rows_of_one, 0, sizeof(twin->rows_of_one));
	for (w = 0; w < TWIN_WORDS; w++)
		for (i = 0; i + 1 < twin->lengths[w]; i++)
		{
			int			left = twin->words[w][i];
			int			right = twin->words[w][i + 1];

			twin->counts[left][right] += twin->n_tokens[w];
			for (k = 0; k < i; k++)
				if (twin->words[w][k] == left && twin->words[w][k + 1] == right)
					break;
			if (k == i)
			{
				twin->rows[left][right] += twin->n_rows[w];
				if (twin->n_rows[w] > twin->rows_of_one[left][right])
					twin->rows_of_one[left][right] = twin->n_rows[w];
			}
		}
}

/* The pair to merge next; false if none is left. */
static bool
twin_choose(const Twin *twin, int count_min, int *best_left, int *best_right)
{
	char		best[2 * TWIN_LENGTH + 1] = "";
	int			best_count = count_min - 1;
	int			left;
	int			right;

	for (left = 0; left < twin->n_strings; left++)
		for (right = 0; right < twin->n_strings; right++)
		{
			char		both[2 * TWIN_LENGTH + 1];
			int			count = twin->counts[left][right];
			int			order;

			if (count < count_min || count < best_count || twin->is_banned[left][right])
				continue;
			snprintf(both, sizeof(both), "%s%s", twin->strings[left], twin->strings[right]);
			order = strcmp(both, best);
			if (count == best_count && (order > 0 || (order == 0 && strlen(twin->strings[left]) >
													  strlen(twin->strings[*best_left]))))
				continue;
			best_count = count;
			strcpy(best, both);
			*best_left = left;
			*best_right = right;
		}
	return best_count >= count_min;
}

static void
twin_merge(Twin *twin, int left, int right)
{
	char		both[2 * TWIN_LENGTH + 1];
	int			joined;
	int			w;

	snprintf(both, sizeof(both), "%s%s", twin->strings[left], twin->strings[right]);
	for (joined = 256; joined < twin->n_strings; joined++)
		if (strcmp(twin->strings[joined], both) == 0)
			break;
	if (joined == twin->n_strings)
		memcpy(twin->strings[twin->n_strings++], both, TWIN_LENGTH + 1);
	for (w = 0; w < TWIN_WORDS; w++)
	{
		int		   *word = twin->words[w];
		int			n = 0;
		int			i;

		for (i = 0; i < twin->lengths[w]; i++)
			if (i + 1 < twin->lengths[w] && word[i] == left && word[i + 1] == right)
			{
				word[n++] = joined;
				i++;
			}
			else
				word[n++] = word[i];
		twin->lengths[w] = n;
	}
}

/* Random words of a few letters; units by both ways. */
static bool
is_like_twin(Twin *twin, uint64_t seed, int min_rows)
{
	NnLexicon  *lexicon;
	NnVocabulary *vocabulary;
	bool		is_same = true;
	NnRng		rng;
	int			count_min = min_rows > 2 ? min_rows : 2;
	int			left;
	int			right;
	int			i;

	memset(twin, 0, sizeof(*twin));
	twin->n_strings = 256;
	for (i = 1; i < 256; i++)
		twin->strings[i][0] = (char) i;
	nn_rng_seed(&rng, seed);
	nn_lexicon_create(&lexicon, env);
	while (nn_lexicon_n(lexicon) < TWIN_WORDS)
	{
		char		word[TWIN_LENGTH];
		int			n = 2 + (int) nn_rng_below(&rng, TWIN_LENGTH - 1);
		int			n_tokens = 1 + (int) nn_rng_below(&rng, 9);
		int			n_rows = 1 + (int) nn_rng_below(&rng, (uint64_t) n_tokens);
		int32_t		w;

		for (i = 0; i < n; i++)
			word[i] = "abcd"[nn_rng_below(&rng, 4)];
		if (nn_lexicon_find(lexicon, word, n) >= 0)
			continue;
		for (i = 0; i < n_tokens; i++)
			nn_lexicon_add(lexicon, word, n, i < n_rows ? i : n_rows - 1, &w);
		for (i = 0; i < n; i++)
			twin->words[w][i] = word[i];
		twin->lengths[w] = n;
		twin->n_tokens[w] = n_tokens;
		twin->n_rows[w] = n_rows;
	}
	for (;;)
	{
		twin_count(twin);
		if (twin->n_strings == 256 + TWIN_UNITS || !twin_choose(twin, count_min, &left, &right))
			break;
		if (twin->rows_of_one[left][right] >= min_rows || twin->rows[left][right] >= 8 * min_rows)
			twin_merge(twin, left, right);
		else
			twin->is_banned[left][right] = true;
	}

	vocabulary = learn(lexicon, 0, TWIN_UNITS, min_rows);
	is_same = nn_vocabulary_n_units(vocabulary) == twin->n_strings - 256;
	for (i = 256; is_same && i < twin->n_strings; i++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, i, &n_bytes);

		is_same = (size_t) n_bytes == strlen(twin->strings[i]) &&
			memcmp(bytes, twin->strings[i], (size_t) n_bytes) == 0;
	}
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
	return is_same;
}

static void
test_twin(void)
{
	Twin	   *twin = malloc(sizeof(Twin));
	int			seed;

	for (seed = 0; seed < 12; seed++)
		if (!is_like_twin(twin, (uint64_t) seed, 1 + seed % 4))
			break;
	is_int(seed, 12, "units as by counting anew after each merge");
	free(twin);
}

/* ---- any column --------------------------------------------------------------------- */

/* n words by Zipf's law, in the order of the numbers. */
static NnLexicon *
make_lexicon(const int32_t *numbers, int n, const NnEnv *host, NnStatus *status)
{
	NnLexicon  *lexicon;
	int			i;

	*status = nn_lexicon_create(&lexicon, host);
	for (i = 0; i < n && *status == NN_OK; i++)
	{
		char		word[64] = "";
		uint64_t	bits = nn_mix64((uint64_t) numbers[i] + 1);
		int			n_tokens = 1 + 3000 / (numbers[i] + 1);
		int			n_bytes = 0;
		int			k;

		/* syllables of two letters, some umlauts and Han characters */
		for (k = 0; k < 2 + (int) (bits >> 61); k++)
		{
			static const char *const syllables[] = {
				"ba", "ke", "lo", "ti", "\xC3\xA4", "nu", "\xE4\xBD\xA0", "s"
			};

			n_bytes += snprintf(word + n_bytes, sizeof(word) - (size_t) n_bytes, "%s",
								syllables[(bits >> (3 * k)) & 7]);
		}
		for (k = 0; k < n_tokens && *status == NN_OK; k++)
		{
			int32_t		number;

			*status = nn_lexicon_add(lexicon, word, n_bytes, i, &number);
		}
	}
	return lexicon;
}

static bool
is_same_vocabulary(const NnVocabulary *a, const NnVocabulary *b)
{
	NnArray		blocks[4];
	bool		is_same;
	int			i;

	for (i = 0; i < 4; i++)
		nn_array_init(&blocks[i], env, 1);
	is_same = nn_vocabulary_write(a, &blocks[0], &blocks[1]) == NN_OK &&
		nn_vocabulary_write(b, &blocks[2], &blocks[3]) == NN_OK &&
		nn_vocabulary_n_units(a) == nn_vocabulary_n_units(b) &&
		blocks[0].n == blocks[2].n && memcmp(blocks[0].data, blocks[2].data, blocks[0].n) == 0 &&
		blocks[1].n == blocks[3].n && memcmp(blocks[1].data, blocks[3].data, blocks[1].n) == 0;
	for (i = 0; i < 4; i++)
		nn_array_free(&blocks[i]);
	return is_same;
}

static void
test_order(void)
{
	enum
	{
		N = 3000
	};
	int32_t		numbers[N];
	NnLexicon  *lexicon;
	NnVocabulary *first = NULL;
	bool		is_same = true;
	NnStatus	status;
	NnRng		rng;
	int			round;
	int			i;

	for (i = 0; i < N; i++)
		numbers[i] = i;
	nn_rng_seed(&rng, 3);
	for (round = 0; round < 4; round++)
	{
		NnVocabulary *vocabulary;

		lexicon = make_lexicon(numbers, N, env, &status);
		/* each word in a row of its own: rows are no hindrance with min_rows 1 */
		vocabulary = learn(lexicon, 1000, 300, 1);
		nn_lexicon_destroy(lexicon);
		if (first == NULL)
			first = vocabulary;
		else
		{
			is_same = is_same && is_same_vocabulary(first, vocabulary);
			nn_vocabulary_destroy(vocabulary);
		}
		nn_rng_shuffle(&rng, numbers, N);
	}
	ok(is_same && nn_vocabulary_n_units(first) == 300 && nn_vocabulary_n(first) == 256 + 300 + 1000,
	   "the order of words makes no difference");
	nn_vocabulary_destroy(first);
}

/* Encode and decode random bytes, and write and read the vocabulary. */
static void
test_round_trip(void)
{
	int32_t		numbers[2000];
	static int32_t ids[5000];
	static char word[5000];
	static bool is_glued[5000];
	NnVocabulary *vocabulary;
	NnVocabulary *copy;
	NnLexicon  *lexicon;
	NnArray		lengths;
	NnArray		bytes;
	NnArray		out;
	long		n_wrong = 0;
	NnStatus	status;
	NnError		err;
	NnRng		rng;
	int			n;
	int			i;

	for (i = 0; i < 2000; i++)
		numbers[i] = i;
	lexicon = make_lexicon(numbers, 2000, env, &status);
	vocabulary = learn(lexicon, 500, 300, 1);
	nn_array_init(&lengths, env, 1);
	nn_array_init(&bytes, env, 1);
	nn_array_init(&out, env, 1);
	is_int(nn_vocabulary_write(vocabulary, &lengths, &bytes), NN_OK, "write");
	is_int(lengths.n, 2 * (300 + 500), "two bytes for each length");
	is_int(nn_vocabulary_read(&copy, 300, lengths.data, lengths.n, bytes.data, bytes.n, env, &err), NN_OK,
		   "read");
	ok(is_same_vocabulary(vocabulary, copy), "what was written is read");

	nn_rng_seed(&rng, 9);
	for (i = 0; i < 3000; i++)
	{
		int			n_bytes = i % 100 == 0 ? (int) nn_rng_below(&rng, 5000) : (int) nn_rng_below(&rng, 30);
		bool		is_known;
		int			k;

		for (k = 0; k < n_bytes; k++)
			word[k] = i % 2 == 0 ? (char) nn_rng_u64(&rng) : "bakeloti"[nn_rng_below(&rng, 8)];
		n = nn_vocabulary_encode(vocabulary, word, n_bytes, ids, &is_known);
		for (k = 0; k < n; k++)
			is_glued[k] = true;
		out.n = 0;
		n_wrong += nn_vocabulary_decode(copy, ids, is_glued, n, &out) != NN_OK;
		n_wrong += out.n != (size_t) n_bytes || (n_bytes > 0 && memcmp(out.data, word, out.n) != 0);
	}
	is_int(n_wrong, 0, "any bytes come back");
	nn_array_free(&lengths);
	nn_array_free(&bytes);
	nn_array_free(&out);
	nn_vocabulary_destroy(copy);
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
}

static void
test_spaces(void)
{
	int32_t		ids[3] = {'a', 'b', 'c'};
	bool		is_glued[3] = {false, true, false};
	NnVocabulary *vocabulary;
	NnArray		out;
	NnError		err;

	nn_vocabulary_read(&vocabulary, 0, NULL, 0, NULL, 0, env, &err);
	nn_array_init(&out, env, 1);
	nn_vocabulary_decode(vocabulary, ids, is_glued, 3, &out);
	is_text(out.data, out.n, "ab c", "spaces before what is not glued");
	nn_vocabulary_decode(vocabulary, ids, NULL, 2, &out);
	is_text(out.data, out.n, "ab c a b", "everywhere if nothing is said");
	ids[0] = nn_vocabulary_n(vocabulary);
	is_int(nn_vocabulary_decode(vocabulary, ids, NULL, 1, &out), NN_ERANGE, "no such id");
	ids[0] = -1;
	is_int(nn_vocabulary_decode(vocabulary, ids, NULL, 1, &out), NN_ERANGE, "nor such a one");
	nn_array_free(&out);
	nn_vocabulary_destroy(vocabulary);
}

/* ---- blocks that lie ------------------------------------------------------------------ */

static void
is_refused(int n_units, const char *lengths, size_t n_lengths, const char *bytes, const char *what)
{
	TestHost	host;
	NnVocabulary *vocabulary;
	NnError		err = {0};

	test_host_init(&host);
	ok(nn_vocabulary_read(&vocabulary, n_units, (const uint8_t *) lengths, n_lengths,
						  (const uint8_t *) bytes, strlen(bytes), &host.env, &err) == NN_EFORMAT &&
	   vocabulary == NULL && err.status == NN_EFORMAT && err.message[0] != '\0' && host.n_live == 0,
	   "refused: %s", what);
}

static void
test_hostile(void)
{
	NnVocabulary *vocabulary;
	NnError		err;

	is_int(nn_vocabulary_read(&vocabulary, 1, (const uint8_t *) "\2\0\1\0\3\0", 6,
							  (const uint8_t *) "abcdef", 6, env, &err), NN_OK, "a good one");
	is_int(nn_vocabulary_find(vocabulary, "def", 3), 258, "its word");
	nn_vocabulary_destroy(vocabulary);
	is_int(nn_vocabulary_read(&vocabulary, 0, NULL, 0, NULL, 0, env, &err), NN_OK, "an empty one");
	nn_vocabulary_destroy(vocabulary);
	is_refused(1, "\2\0\1\0\3\0", 5, "abcdef", "half a length");
	is_refused(1, "\2\0\1\0\3\0", 6, "abcde", "too few bytes");
	is_refused(1, "\2\0\1\0\3\0", 6, "abcdefg", "too many bytes");
	is_refused(4, "\2\0\1\0\3\0", 6, "abcdef", "more units than entries");
	is_refused(-1, "\2\0\1\0\3\0", 6, "abcdef", "a negative number of units");
	is_refused(1, "\1\0\2\0\3\0", 6, "abcdef", "a unit of one byte");
	is_refused(1, "\2\0\0\0\4\0", 6, "abcdef", "an empty word");
	is_refused(1, "\2\0\377\377\3\0", 6, "abcdef", "a word of 65535 bytes");
	is_refused(0, "\2\0\2\0\2\0", 6, "abcdab", "a word twice");
	is_refused(3, "\2\0\2\0\2\0", 6, "abcdab", "a unit twice");
	is_refused(0, "\2\0\2\0\2\0", 6, "abc\xFF" "ef", "a word that is not UTF-8");
	is_refused(0, "\2\0\2\0", 4, "\xE2\x82\xAC" "a", "a character cut in two");
	is_int(nn_vocabulary_read(&vocabulary, 2, (const uint8_t *) "\2\0\2\0", 4,
							  (const uint8_t *) "\xE2\x82\xAC" "a", 4, env, &err), NN_OK, "which a unit may do");
	nn_vocabulary_destroy(vocabulary);
}

/* ---- failing memory, canceled work ---------------------------------------------------- */

/* All of learning, writing, reading and indexing in one host. */
static NnStatus
learn_all(const NnEnv *host, int n_words)
{
	NnVocabularyOptions options = {500, 200, 1};
	NnFeatureCounter *counter = NULL;
	NnFeatureIndex *index = NULL;
	NnVocabulary *vocabulary = NULL;
	NnLexicon  *lexicon = NULL;
	int32_t    *numbers = malloc((size_t) n_words * sizeof(int32_t));
	NnStatus	status;
	NnError		err;
	int			i;

	for (i = 0; i < n_words; i++)
		numbers[i] = i;
	lexicon = make_lexicon(numbers, n_words, host, &status);
	if (status == NN_OK)
		status = nn_vocabulary_learn(&vocabulary, lexicon, &options, host, &err);
	if (status == NN_OK)
		status = nn_feature_counter_create(&counter, host);
	for (i = 0; i < 20 * n_words && status == NN_OK; i++)
		status = nn_feature_counter_add(counter, nn_mix64((uint64_t) i), 1 + i % 3);
	if (status == NN_OK)
		status = nn_feature_index_learn(&index, counter, 2, 10 * n_words, host);
	if (status == NN_OK)
		ok(nn_vocabulary_n(vocabulary) > 256 && nn_feature_index_n(index) > 0, "all is learned");
	nn_feature_index_destroy(index);
	nn_feature_counter_destroy(counter);
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
	free(numbers);
	return status;
}

static void
test_failures(void)
{
	TestHost	host;
	NnStatus	status;
	bool		is_clean = true;
	long		n_polls;
	long		n;

	for (n = 1; n < 2000; n++)
	{
		test_host_init(&host);
		host.fail_at = n;
		status = learn_all(&host.env, 400);
		is_clean = is_clean && host.n_live == 0;
		if (status != NN_ENOMEM)
			break;
	}
	ok(n > 20 && n < 2000 && status == NN_OK && is_clean, "any allocation may fail (%ld of them)", n - 1);

	test_host_init(&host);
	learn_all(&host.env, 20000);
	n_polls = host.n_polls;
	ok(n_polls > 20, "learning polls (%ld times)", n_polls);
	for (n = 1; n <= n_polls; n += 1 + n_polls / 25)
	{
		test_host_init(&host);
		host.cancel_at = n;
		status = learn_all(&host.env, 20000);
		if (status != NN_ECANCELED || host.n_live != 0 || host.n_polls != n)
			break;
	}
	ok(n > n_polls, "and stops at the poll that says so, with nothing leaked");
}

int
main(void)
{
	test_lexicon();
	test_example();
	test_rare();
	test_twin();
	test_order();
	test_round_trip();
	test_spaces();
	test_hostile();
	test_failures();
	return done_testing();
}
