/*
 * test_bleu.c: tokens as 13a has them and BLEU worked out by hand.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tap.h"
#include "test_host.h"
#include "train/metrics_sequence.h"
#include "train/tokens_13a.h"

static NnArena *arena;

/* Tokens with a space between them. */
static void
tokens_are(NnTokenRule rule, const char *text, size_t n_bytes, const char *expected)
{
	char		joined[512] = "";
	size_t		n = 0;
	size_t		n_token;
	const char *token;
	NnTokens	tokens;

	nn_arena_reset(arena);
	nn_tokens_init(&tokens, rule, text, n_bytes, arena, NULL);
	while ((token = nn_tokens_next(&tokens, &n_token)) != NULL && n + n_token + 1 < sizeof(joined))
	{
		if (n > 0)
			joined[n++] = ' ';
		memcpy(joined + n, token, n_token);
		n += n_token;
	}
	is_text(joined, n, expected, "tokens: %s", expected);
}

static void
test_13a(void)
{
	static const char *const cases[][2] = {
		/* signs stand alone, ' - . , are left to the other rules */
		{"Hello, World!", "Hello , World !"},
		{"(a/b) [c] {d} <e> f_g^h`i~", "( a / b ) [ c ] { d } < e > f _ g ^ h ` i ~"},
		{"100% $5 #3 a@b c&d e*f+g=h", "100 % $ 5 # 3 a @ b c & d e * f + g = h"},
		{"\"it's\" l'homme \\n;:?|", "\" it's \" l'homme \\ n ; : ? |"},
		/* a period or comma between digits is kept */
		{"1.5 and 1,000.25", "1.5 and 1,000.25"},
		{"U.S. costs 5. .5 a.5 5.a", "U . S . costs 5 . . 5 a . 5 5 . a"},
		{"end.", "end ."},
		{".", "."},
		/* marks in a row: each second one is what an earlier match used up */
		{"wait... no", "wait . . . no"},
		{"a..5 a...5 a,.,.5", "a . .5 a . . . 5 a , . , .5"},
		{"1..5 1.,5", "1 . . 5 1 . , 5"},
		/* a hyphen stands alone behind a digit only */
		{"well-known 1990-95 5--3 a-5 -7", "well-known 1990 - 95 5 - -3 a-5 -7"},
		/* what comes before the rules */
		{"a <skipped>b", "a b"},
		{"hyphen-\nated line\nends", "hyphenated line ends"},
		{"trailing-\n", "trailing-"},
		{"&quot;x&quot; &amp; &lt;b&gt;", "\" x \" & < b >"},
		{"&amp;lt; &amp;quot;", "< & quot ;"},
		/* white space of Unicode divides, other characters do not */
		{"a\tb\xC2\xA0" "c\xE3\x80\x80" "d\xE2\x80\xA8" "e\x1C" "f \r", "a b c d e f"},
		{"\xC3\xBC" "ber-\xE2\x82\xAC" "5,\xC2\xBF" "qu\xC3\xA9?", "\xC3\xBC" "ber-\xE2\x82\xAC" "5 , \xC2\xBF" "qu\xC3\xA9 ?"},
		{"\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82", "\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82"},
		{"", ""},
		{" \n\t ", ""},
	};

	const char *caption = "A Dog's ball (RED), 2.5 ft -- isn't... it? &QUOT;";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		tokens_are(NN_TOKENS_13A, cases[i][0], strlen(cases[i][0]), cases[i][1]);
	tokens_are(NN_TOKENS_13A, "\xC2", 1, "\xC2");
	tokens_are(NN_TOKENS_13A, "a\xE2\x80", 3, "a\xE2\x80");
	tokens_are(NN_TOKENS_CHARACTERS, "ab, \xE4\xBD\xA0\xE5\xA5\xBD &lt;\n", 15, "a b , \xE4\xBD\xA0 \xE5\xA5\xBD & l t ;");
	tokens_are(NN_TOKENS_CHARACTERS, "\x80\x80\x80\x80\x80", 5, "\x80\x80\x80\x80 \x80");
	tokens_are(NN_TOKENS_CAPTION, caption, strlen(caption), "a dog's ball red 2.5 ft isn't it & quot");
}

static void
add(NnBleu *bleu, const char *candidate, const char *reference, const char *second)
{
	const char *const references[2] = {reference, second};
	size_t		n_bytes[2] = {strlen(reference), second != NULL ? strlen(second) : 0};

	nn_arena_reset(arena);
	nn_bleu_add(bleu, candidate, strlen(candidate), references, n_bytes, second != NULL ? 2 : 1, false, arena, NULL);
}

/*
 *	candidate	the cat sat on the mat .
 *	reference	the cat is on the mat .
 * 1: all but sat, 6/7; 2: the cat, on the, the mat, mat ., 4/6; 3: on the mat, the
 * mat ., 2/5; 4: on the mat ., 1/4.  BLEU = 100 (6/7 4/6 2/5 1/4)^(1/4) = 100 (2/35)^(1/4)
 */
static void
test_one(void)
{
	NnBleu		bleu = {.n_candidate = 0};
	const NnBleu expected = {{6, 4, 2, 1}, {7, 6, 5, 4}, 7, 7};

	add(&bleu, "the cat sat on the mat.", "the cat is on the mat.", NULL);
	ok(memcmp(&bleu, &expected, sizeof(bleu)) == 0, "one sentence: counts");
	is_near(nn_bleu_score(&bleu), 100 * pow(2.0 / 35, 0.25), 1e-9, "one sentence: %.4f", 100 * pow(2.0 / 35, 0.25));
}

/*
 *	candidate	the the the the
 *	references	the cat ate the old fish (6), the dog saw the bird (5)
 * 1: the, at most 2 in one reference: 2/4.  No other match, so 2: 1/(2 3), 3:
 * 1/(4 2), 4: 1/(8 1).  The nearest reference has 5: BP = exp(1 - 5/4).
 * BLEU = 100 e^(-1/4) (1/2 1/6 1/8 1/8)^(1/4) = 100 e^(-1/4) 768^(-1/4)
 */
static void
test_clipping(void)
{
	NnBleu		bleu = {.n_candidate = 0};
	const NnBleu expected = {{2, 0, 0, 0}, {4, 3, 2, 1}, 4, 5};

	add(&bleu, "the the the the", "the cat ate the old fish", "the dog saw the bird");
	ok(memcmp(&bleu, &expected, sizeof(bleu)) == 0, "clipped, smoothed, too short: counts");
	is_near(nn_bleu_score(&bleu), 100 * exp(-0.25) * pow(768, -0.25), 1e-9, "clipped, smoothed, too short");
}

/*
 * Counts are those of the corpus: the two sentences above and this one
 *	candidate	a small dog runs
 *	references	a small dog (3), a small dog runs fast (5)
 * with all n-grams matched (by the second) and, of two equally near, the shorter
 * reference.  1: 6+2+4 of 7+4+4; 2: 4+0+3 of 6+3+3; 3: 2+0+2 of 5+2+2; 4: 1+0+1 of 4+1+1.
 * c = 7+4+4 = 15, r = 7+5+3 = 15, BP = 1.
 */
static void
test_corpus(void)
{
	NnBleu		bleu = {.n_candidate = 0};
	const NnBleu expected = {{12, 7, 4, 2}, {15, 12, 9, 6}, 15, 15};

	add(&bleu, "the cat sat on the mat.", "the cat is on the mat.", NULL);
	add(&bleu, "the the the the", "the cat ate the old fish", "the dog saw the bird");
	add(&bleu, "a small dog runs", "a small dog", "a small dog runs fast");
	ok(memcmp(&bleu, &expected, sizeof(bleu)) == 0, "a corpus: counts");
	is_near(nn_bleu_score(&bleu), 100 * pow(12.0 / 15 * 7 / 12 * 4 / 9 * 2 / 6, 0.25), 1e-9, "a corpus");
}

static void
test_edges(void)
{
	NnBleu		bleu = {.n_candidate = 0};
	NnBleu		before;
	const char *reference = "abcd";
	size_t		n_bytes = 4;

	ok(nn_bleu_score(&bleu) == 0, "0 for nothing");
	add(&bleu, "Same words, same order!", "Same words, same order!", NULL);
	is_near(nn_bleu_score(&bleu), 100, 1e-9, "100 for the same");
	add(&bleu, "", "never said", NULL);
	ok(bleu.n_candidate == 6 && bleu.n_reference == 8, "an empty candidate adds its reference");
	is_near(nn_bleu_score(&bleu), 100 * exp(1 - 8.0 / 6), 1e-9, "which costs brevity");
	add(&bleu, "said", "", NULL);
	ok(bleu.n_candidate == 7 && bleu.n_reference == 8, "an empty reference adds none");

	memset(&bleu, 0, sizeof(bleu));
	add(&bleu, "one two three", "one two three", NULL);
	ok(nn_bleu_score(&bleu) == 0, "0 without 4-grams");
	memset(&bleu, 0, sizeof(bleu));
	add(&bleu, "one two three four", "five six seven eight", NULL);
	ok(nn_bleu_score(&bleu) == 0, "0 without a match");
	memset(&bleu, 0, sizeof(bleu));
	add(&bleu, "The Cat sat down", "the cat sat down", NULL);
	is_int(bleu.n_right[0], 2, "case counts");

	/* characters: a b c d against a b c e, as words of 1: 3/4 2/3 1/2 and 1/(2 1) */
	memset(&bleu, 0, sizeof(bleu));
	nn_bleu_add(&bleu, "ab ce", 5, &reference, &n_bytes, 1, true, arena, NULL);
	is_near(nn_bleu_score(&bleu), 100 * pow(3.0 / 4 * 2 / 3 * 1 / 2 * 1 / 2, 0.25), 1e-9, "characters");

	before = bleu;
	is_int(nn_bleu_add(&bleu, "a", 1, NULL, NULL, 0, false, arena, NULL), NN_EINVAL, "no reference is an error");
	ok(memcmp(&bleu, &before, sizeof(bleu)) == 0, "that adds nothing");
}

/* Any bytes at all, and long enough for the tables to grow. */
static void
test_bytes(void)
{
	enum
	{
		N = 60000
	};
	char	   *bytes = malloc(N);
	const char *reference = bytes;
	size_t		n_bytes = N;
	NnBleu		bleu = {.n_candidate = 0};
	NnRng		rng;

	if (bytes == NULL)
		return;
	nn_rng_seed(&rng, 3);
	for (int i = 0; i < N; i++)
		bytes[i] = (char) nn_rng_below(&rng, 256);
	nn_arena_reset(arena);
	is_int(nn_bleu_add(&bleu, bytes, N, &reference, &n_bytes, 1, false, arena, NULL), NN_OK, "random bytes");
	ok(bleu.n_right[0] == bleu.n_total[0] && bleu.n_right[3] == bleu.n_total[3] && bleu.n_total[3] > 10000,
	   "are their own best translation");
	is_int(nn_bleu_add(&bleu, bytes, N, &reference, &n_bytes, 1, true, arena, NULL), NN_OK, "as characters too");
	is_near(nn_bleu_score(&bleu), 100, 1e-9, "100");
	free(bytes);
}

/* Enough words for growth; says whether bleu was left alone on failure. */
static NnStatus
add_with(const NnEnv *env, bool *is_kept)
{
	static char text[30000];
	const char *reference = text;
	size_t		n_bytes = sizeof(text);
	NnArena    *own = nn_arena_create(env);
	NnBleu		bleu = {.n_candidate = 0};
	const NnBleu nothing = {.n_candidate = 0};
	NnError		err = {0};
	NnStatus	status = NN_ENOMEM;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 3 == 2 ? ' ' : (char) ('a' + i * i % 23 + i / 3 % 7 % 3);
	if (own != NULL)
	{
		status = nn_bleu_add(&bleu, text, sizeof(text), &reference, &n_bytes, 1, false, own, &err);
		*is_kept = status == NN_OK || memcmp(&bleu, &nothing, sizeof(bleu)) == 0;
		*is_kept = *is_kept && (status != NN_ENOMEM || strlen(err.message) > 0);
	}
	nn_arena_destroy(own);
	return status;
}

static void
test_failures(void)
{
	TestHost	host;
	NnStatus	status = NN_ENOMEM;
	long		n_failed = 0;
	bool		is_clean = true;
	bool		is_kept = true;
	long		n_polls;

	for (long at = 1; at < 1000 && status != NN_OK; at++)
	{
		test_host_init(&host);
		host.fail_at = at;
		status = add_with(&host.env, &is_kept);
		is_clean = is_clean && is_kept && host.n_live == 0 && (status == NN_OK || status == NN_ENOMEM);
		n_failed += status != NN_OK;
	}
	ok(status == NN_OK && n_failed > 5 && is_clean, "every allocation may fail (%ld)", n_failed);
	n_polls = host.n_polls;
	for (long at = 1; at <= n_polls; at++)
	{
		test_host_init(&host);
		host.cancel_at = at;
		is_clean = is_clean && add_with(&host.env, &is_kept) == NN_ECANCELED && is_kept && host.n_live == 0;
	}
	ok(is_clean && n_polls > 5, "every poll may cancel (%ld)", n_polls);
}

int
main(void)
{
	arena = nn_arena_create(&nn_env_malloc);
	test_13a();
	test_one();
	test_clipping();
	test_corpus();
	test_edges();
	test_bytes();
	test_failures();
	nn_arena_destroy(arena);
	return done_testing();
}
