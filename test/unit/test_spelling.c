/*
 * test_spelling.c: rows of character n-grams and flags of shape.
 */
#include "tap.h"

#include "base/rng.h"
#include "text/spelling.h"

#define N_TABLE		1000003		/* large enough that few n-grams share a row */

/* ---- rows ----------------------------------------------------------------------- */

static int
rows_of(const char *word, int32_t *rows)
{
	return nn_spelling_rows(word, (int) strlen(word), N_TABLE, rows);
}

static int
count_rows(const char *word)
{
	int32_t		rows[NN_SPELLING_MAX];

	return rows_of(word, rows);
}

/* How many rows two words share. */
static int
count_shared(const char *a, const char *b)
{
	int32_t		rows_a[NN_SPELLING_MAX];
	int32_t		rows_b[NN_SPELLING_MAX];
	int			n_a = rows_of(a, rows_a);
	int			n_b = rows_of(b, rows_b);
	int			n = 0;
	int			i;
	int			k;

	for (i = 0; i < n_a; i++)
		for (k = 0; k < n_b; k++)
			n += rows_a[i] == rows_b[k];
	return n;
}

static void
test_counts(void)
{
	is_int(count_rows(""), 1, "<>");
	is_int(count_rows("a"), 3, "<a a> <a>");
	is_int(count_rows("ab"), 6, "<a ab b> <ab ab> <ab>");
	is_int(count_rows("cat"), 9, "4 of two, 3 of three, 2 of four");
	is_int(count_rows("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80"), 9, "characters, not bytes");
	/* <a aa a> <aa aaa aa> <aaa aaaa aaa> */
	is_int(count_rows("aaaaaaaa"), 9, "each distinct one once");
	is_int(count_rows("abcdefghijklmnopqrstuvwxyz0123"), 3 * 30, "30 characters");
	is_int(count_rows("abcdefghijklmnopqrstuvwxyz01234567"), 3 * 30, "no more of a longer word");
	is_int(count_shared("abcdefghijklmnopqrstuvwxyz0123", "abcdefghijklmnopqrstuvwxyz01234567"), 3 * 30,
		   "its beginning is all that counts");
	/* at t> at> */
	is_int(count_shared("cat", "hat"), 3, "cat and hat share at, t> and at>");
	is_int(count_shared("cat", "Cat"), 3, "case is kept: so do cat and Cat");
	is_int(count_shared("ab", "ba"), 0, "order matters");
}

/* These numbers are in model files: they must be the same on any machine and for ever. */
static void
test_stable(void)
{
	static const int32_t expected[] = {
		1345, 1934, 3602, 3628, 4114, 5231, 7851, 9531, 10935,
		12475, 14317, 14592, 15093, 15594, 16546, 18626, 19785, 19821
	};
	static const int32_t small[] = {0, 1, 2, 3, 4, 5, 6, 7};
	int32_t		rows[NN_SPELLING_MAX];
	int			n = nn_spelling_rows("Z\xC3\xBCrich", 7, 20000, rows);
	int			i;

	is_int(n, sizeof(expected) / sizeof(expected[0]), "rows of a word");
	for (i = 0; i < n; i++)
		is_int(rows[i], expected[i], "row %d", i);
	n = nn_spelling_rows("cat", 3, 8, rows);
	is_int(n, sizeof(small) / sizeof(small[0]), "in a small table n-grams share rows");
	for (i = 0; i < n; i++)
		is_int(rows[i], small[i], "row %d", i);
	ok(nn_spelling_rows("cat", 3, 1, rows) == 1 && rows[0] == 0, "a table of one row");
	n = nn_spelling_rows("cat", 3, INT32_MAX, rows);
	ok(n == 9 && rows[0] >= 0, "the largest table");
}

static void
test_any_bytes(void)
{
	long		n_wrong = 0;
	long		counts[16] = {0};
	NnRng		rng;
	int			round;

	nn_rng_seed(&rng, 17);
	for (round = 0; round < 20000; round++)
	{
		int32_t		rows[NN_SPELLING_MAX];
		char		word[200];
		int			n_bytes = (int) nn_rng_below(&rng, sizeof(word));
		int			n_table = round % 2 == 0 ? 16 : 1 + (int) nn_rng_below(&rng, INT32_MAX);
		int			n;
		int			i;

		for (i = 0; i < n_bytes; i++)
			word[i] = (char) nn_rng_u64(&rng);
		n = nn_spelling_rows(word, n_bytes, n_table, rows);
		n_wrong += n < 1 || n > NN_SPELLING_MAX;
		for (i = 0; i < n; i++)
			n_wrong += rows[i] < 0 || rows[i] >= n_table || (i > 0 && rows[i] <= rows[i - 1]);
		for (i = 0; round % 2 == 0 && n_bytes < 3 && i < n; i++)
			counts[rows[i]]++;
		n_wrong += nn_spelling_flags(word, n_bytes) >> NN_SPELLING_FLAGS != 0;
	}
	is_int(n_wrong, 0, "any bytes: rows in the table, ascending, not too many");
	for (round = 0; round < 16; round++)
		n_wrong += counts[round] == 0;
	is_int(n_wrong, 0, "all rows are used");
}

/* ---- flags ------------------------------------------------------------------------ */

#define LOWER		1
#define FIRST		2
#define UPPER		4
#define SINGLE		8
#define INSIDE		16
#define DIGIT		32
#define NUMBER		64
#define SIGNS		128
#define HYPHEN		256
#define PERIOD		512

static void
test_flags(void)
{
	static const struct
	{
		const char *word;
		int			flags;
	}			cases[] = {
		{"", SIGNS}, {"cat", LOWER}, {"Cat", FIRST}, {"CAT", UPPER}, {"I", SINGLE}, {"i", LOWER},
		{"iPhone", INSIDE}, {"McDonald", INSIDE}, {"USAir", INSIDE}, {"NYSE-listed", INSIDE | HYPHEN},
		{"J.", SINGLE | PERIOD}, {"U.S.", UPPER | PERIOD}, {"Mr.", FIRST | PERIOD}, {"e.g.", LOWER | PERIOD},
		{"'Tis", FIRST}, {"can't", LOWER}, {"O'Neil", INSIDE},
		{"A1", SINGLE | DIGIT}, {"F16", SINGLE | DIGIT}, {"mp3", LOWER | DIGIT}, {"H2O", UPPER | DIGIT},
		{"1990s", LOWER | DIGIT}, {"1990", DIGIT | NUMBER}, {"3.14", DIGIT | NUMBER | PERIOD},
		{"10-12", DIGIT | NUMBER | HYPHEN}, {"-5", DIGIT | NUMBER | HYPHEN},
		{"-", SIGNS}, {".", SIGNS}, {"--", SIGNS | HYPHEN}, {"...", SIGNS | PERIOD}, {"-.", SIGNS | HYPHEN | PERIOD},
		{",", SIGNS}, {"\xF0\x9F\x98\x80", SIGNS}, {"_", SIGNS},
		{"\xC3\xA4rger", LOWER}, {"\xC3\x84rger", FIRST}, {"\xC3\x84\xC3\x96", UPPER}, {"\xC3\x84", SINGLE},
		{"\xD0\x9C\xD0\xBE\xD1\x81\xD0\xBA\xD0\xB2\xD0\xB0", FIRST}, {"\xD0\x9D\xD0\x90\xD0\xA2\xD0\x9E", UPPER},
		{"\xC7\x85" "ep", FIRST}, {"\xE5\x8C\x97\xE4\xBA\xAC", 0}, {"\xD9\x85\xD8\xB1", 0},
		{"A\xE5\x8C\x97", FIRST}, {"\xE5\x8C\x97" "A", INSIDE}, {"a\xE5\x8C\x97", 0},
		{"\xD9\xA1\xD9\xA2", DIGIT | NUMBER}, {"\xC2\xBD", DIGIT | NUMBER}, {"\xE2\x85\xA7", DIGIT | NUMBER}
	};
	size_t		i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(nn_spelling_flags(cases[i].word, (int) strlen(cases[i].word)), cases[i].flags,
			   "shape of \"%s\"", cases[i].word);
	ok(nn_spelling_flags("\xFF\xFE", 2) == SIGNS && nn_spelling_flags("a\xFF", 2) == LOWER,
	   "bytes that are no character");
}

int
main(void)
{
	test_counts();
	test_stable();
	test_any_bytes();
	test_flags();
	return done_testing();
}
