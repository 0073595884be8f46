/*
 * test_phrases.c: phrases that tell rows apart, planted by construction; groups of rows by
 * what drives them.
 */
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "tap.h"
#include "test_host.h"
#include "topic/cause_groups.h"
#include "topic/phrases.h"

#define N_ROWS 400

static TestHost host;

/* Filler words, and in every fifth row of the first half a phrase. */
static void
make_text(int i, char *text, size_t size, bool has_plant)
{
	NnRng		rng;
	size_t		n = 0;

	nn_rng_seed(&rng, (uint64_t) i + 1);
	for (int w = 0; w < 8; w++)
	{
		if (w == 4 && has_plant && i < N_ROWS / 2 && i % 5 == 0)
			n += (size_t) snprintf(text + n, size - n, i % 10 == 0 ? "broken overhead bins " : "Broken overhead bin ");
		n += (size_t) snprintf(text + n, size - n, "w%d%s ", (int) nn_rng_below(&rng, 30), w == 6 ? "," : "");
	}
}

static NnStatus
add_rows(NnPhrases *phrases, bool has_plant, NnError *err)
{
	for (int i = 0; i < N_ROWS; i++)
	{
		char		text[256];

		make_text(i, text, sizeof(text), has_plant);
		NN_TRY(nn_phrases_add_row(phrases, err));
		NN_TRY(nn_phrases_add_text(phrases, text, strlen(text), err));
	}
	return NN_OK;
}

/* Each word of the planted phrase weighs 2, the others so much. */
static NnStatus
weigh_rows(NnPhrases *phrases, double planted, double other, NnError *err)
{
	for (int32_t i = 0; i < N_ROWS / 2; i++)
	{
		char		text[256];
		NnWeighted	weighted[256];
		int			n = 0;

		make_text(i, text, sizeof(text), true);
		for (int64_t at = 0; text[at] != '\0'; at++)
		{
			bool		is_planted = text[at] != ' ' && strchr("bBrokenvhadis", text[at]) != NULL && text[at] != 'w';

			weighted[n++] = (NnWeighted) {at, at + 1, is_planted ? planted : other};
		}
		NN_TRY(nn_phrases_weigh(phrases, i, text, strlen(text), weighted, n, err));
	}
	return NN_OK;
}

static const NnFindingOptions options = {.false_rate = 0.01, .max_findings = 20, .n_examples = 3};

/* All of it; what was found is in the arena. */
static NnStatus
find(bool has_plant, double planted, NnArena *arena, NnFindings *findings, NnError *err)
{
	uint8_t		cell[N_ROWS];
	NnPhrases  *phrases;
	NnStatus	status = nn_phrases_create(&phrases, &host.env, (size_t) 64 << 20, err);

	for (int i = 0; i < N_ROWS; i++)
		cell[i] = i < N_ROWS / 2 ? NN_ROWS_COHORT : NN_ROWS_BASELINE;
	if (status != NN_OK)
		return status;
	status = add_rows(phrases, has_plant, err);
	if (status == NN_OK)
		status = nn_phrases_count(phrases, cell, 5, 4, err);
	if (status == NN_OK)
		status = weigh_rows(phrases, planted, 0.1, err);
	if (status == NN_OK)
		status = nn_phrases_find(phrases, &options, arena, findings, err);
	nn_phrases_destroy(phrases);
	return status;
}

static void
test_planted(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnFindings	findings;
	NnError		err;

	is_int(find(true, 2.0, arena, &findings, &err), NN_OK, "found");
	is_int(findings.n, 1, "one finding");
	is_text(findings.finding[0].bytes, findings.finding[0].n_bytes, "broken overhead bin", "the planted phrase");
	is_text(findings.finding[0].forms, findings.finding[0].n_form_bytes, "broken overhead bins", "with its plural");
	is_int(findings.finding[0].n_rows[NN_ROWS_COHORT], 40, "in all its rows");
	is_int(findings.finding[0].n_rows[NN_ROWS_BASELINE], 0, "and nowhere else");
	is_near(findings.finding[0].lift, 40.5 / 200.5 / (0.5 / 200.5), 1e-9, "lift, with half a row more");
	ok(findings.finding[0].share > 0.15 && findings.finding[0].share < 0.2, "its share: most of a fifth of the rows (%g)", findings.finding[0].share);
	ok(findings.finding[0].p_value < 1e-3, "surely");
	ok(findings.finding[0].n_examples == 3 && findings.finding[0].example[0].row % 5 == 0 && findings.finding[0].example[0].word == 4 &&
	   findings.finding[0].example[0].n_words == 3, "examples point at it");
	nn_arena_reset(arena);
	is_int(find(false, 2.0, arena, &findings, &err), NN_OK, "rows without it");
	is_int(findings.n, 0, "nothing is found");
	nn_arena_reset(arena);
	is_int(find(true, -2.0, arena, &findings, &err), NN_OK, "it speaks against");
	is_int(findings.n, 0, "then it is no cause");
	nn_arena_destroy(arena);
}

/* Random halves, many times: at a rate of 1 in 100 a few findings in all are allowed. */
static void
test_random(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	int			n_found = 0;

	for (int turn = 0; turn < 60; turn++)
	{
		uint8_t		cell[N_ROWS];
		NnPhrases  *phrases;
		NnFindings	findings;
		NnError		err;
		NnRng		rng;

		nn_rng_seed(&rng, (uint64_t) turn);
		for (int i = 0; i < N_ROWS; i++)
			cell[i] = nn_rng_below(&rng, 10) < (turn % 2 == 0 ? 5u : 1u) ? NN_ROWS_COHORT : NN_ROWS_BASELINE;
		nn_phrases_create(&phrases, &host.env, (size_t) 64 << 20, &err);
		add_rows(phrases, true, &err);
		nn_phrases_count(phrases, cell, 2, 4, &err);
		nn_phrases_find(phrases, &options, arena, &findings, &err);
		n_found += findings.n > 0;
		nn_phrases_destroy(phrases);
		nn_arena_reset(arena);
	}
	ok(n_found <= 3, "%d of 60 random splits with a finding", n_found);
	nn_arena_destroy(arena);
}

/* Half of the cohort is compared: 30 of these 100 rows alone have a cause, 90 of them and 80 of the others a name. */
static NnStatus
find_cause_and_name(NnPhrases *phrases, NnArena *arena, NnFindings *findings, NnError *err)
{
	const uint8_t sets[] = {NN_ROWS_COHORT, NN_ROWS_COHORT_OTHER, NN_ROWS_BASELINE, NN_ROWS_BASELINE_OTHER};
	uint8_t		cell[N_ROWS];
	char		text[N_ROWS][256];
	int64_t		n_filler[N_ROWS];

	for (int i = 0; i < N_ROWS; i++)
	{
		int			set = i / 100;
		size_t		n;

		cell[i] = sets[set];
		make_text(i, text[i], sizeof(text[i]), false);
		n = strlen(text[i]);
		n_filler[i] = (int64_t) n;
		if (set < 2 && i % 100 < (set == 0 ? 90 : 80))
			n += (size_t) snprintf(text[i] + n, sizeof(text[i]) - n, ", model seven");
		if (set == 0 && i % 100 >= 70)
			snprintf(text[i] + n, sizeof(text[i]) - n, ", leaking valve");
		NN_TRY(nn_phrases_add_row(phrases, err));
		NN_TRY(nn_phrases_add_text(phrases, text[i], strlen(text[i]), err));
	}
	NN_TRY(nn_phrases_count(phrases, cell, 5, 4, err));
	for (int32_t i = 0; i < 100; i++)
	{
		int64_t		n = (int64_t) strlen(text[i]);
		NnWeighted	weighted[2] = {{0, n_filler[i], 0.1}, {n_filler[i], n, 8.0}};

		NN_TRY(nn_phrases_weigh(phrases, i, text[i], (size_t) n, weighted, 2, err));
	}
	return nn_phrases_find(phrases, &options, arena, findings, err);
}

static void
test_order(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnPhrases  *phrases;
	NnFindings	findings;
	NnError		err;

	is_int(nn_phrases_create(&phrases, &host.env, (size_t) 64 << 20, &err), NN_OK, "created");
	is_int(find_cause_and_name(phrases, arena, &findings, &err), NN_OK, "found");
	is_int(findings.n, 2, "a cause, and the cohort's name, which weighs as much");
	is_text(findings.finding[0].bytes, findings.finding[0].n_bytes, "leaking valve", "what rows without the label lack comes first");
	is_text(findings.finding[1].bytes, findings.finding[1].n_bytes, "model seven", "though the name is in more rows");
	ok(findings.finding[1].p_value < findings.finding[0].p_value, "and differs more surely from the baseline");
	nn_phrases_destroy(phrases);
	nn_arena_destroy(arena);
}

static void
test_forms(void)
{
	ok(nn_is_inflection("delayed", 7, "delays", 6) && nn_is_inflection("bag", 3, "bags", 4) &&
	   nn_is_inflection("canceled", 8, "canceling", 9), "forms");
	ok(!nn_is_inflection("bag", 3, "bagel", 5) && !nn_is_inflection("on", 2, "one", 3) && !nn_is_inflection("flight", 6, "fly", 3) &&
	   !nn_is_inflection("", 0, "", 0), "no forms");
	/* Verspätung, verspätet; and a character that is cut: both begin with the same byte of two */
	ok(nn_is_inflection("versp\303\244tung", 11, "versp\303\244tet", 10) && !nn_is_inflection("ab\303\244", 4, "ab\303\266", 4), "in UTF-8");
}

static void
test_words(void)
{
	const char *text = "ab cd-ef";
	NnWeighted	weighted[] = {{0, 2, 1.0}, {3, 8, 5.0}, {8, 9, NAN}};
	NnWordWeights words;
	NnWord		word;
	double		expected[] = {1.0, 2.0, 1.0, 2.0};
	double		weight;
	NnError		err;

	nn_word_weights_init(&words, &host.env, text, strlen(text), weighted, 3);
	for (int i = 0; i < 4; i++)
	{
		nn_word_weights_next(&words, &word, &weight, &err);
		is_near(weight, expected[i], 1e-12, "word %d of a part that spans three", i);
	}
	nn_word_weights_next(&words, &word, &weight, &err);
	ok(word.bytes == NULL && weight == 0.0, "the end");
}

/* ---- groups -------------------------------------------------------------------------- */

#define N_REASONS 4

/* From this row on all have the first reason, those before reason i % N_REASONS. */
static int	first_from = 144;

static int
reason_of(int i)
{
	return i >= first_from ? 0 : i % N_REASONS;
}

static NnStatus
group(NnArena *arena, NnGrouped *grouped, bool is_backward, NnError *err)
{
	static const char *const reason[N_REASONS][4] = {
		{"cable", "wire", "torn", "plug"}, {"wifi", "signal", "weak", "antenna"}, {"price", "bill", "refund", "paid"},
		{"rude", "staff", "angry", "agent"}
	};
	NnCauseGroups *groups;
	NnStatus	status = nn_cause_groups_create(&groups, &host.env, (size_t) 64 << 20, err);

	if (status != NN_OK)
		return status;
	for (int n = 0; n < 160 && status == NN_OK; n++)
	{
		int			i = is_backward ? 159 - n : n;
		const char *const *r = reason[reason_of(i)];
		char		text[128];
		int			n_bytes;
		NnWeighted	weighted;

		/* three of the four words */
		n_bytes = snprintf(text, sizeof(text), "%s %s %s", r[i / 4 % 4], r[(i / 4 + 1) % 4], r[(i / 4 + 2) % 4]);
		weighted = (NnWeighted) {0, n_bytes, 1.0};
		snprintf(text + n_bytes, sizeof(text) - (size_t) n_bytes, " filler%d common thing%d", i % 4, i % 5);
		status = nn_cause_groups_add(groups, text, strlen(text), &weighted, 1, err);
	}
	if (status == NN_OK)
		status = nn_cause_groups_add(groups, "", 0, NULL, 0, err);
	if (status == NN_OK)
		status = nn_cause_groups_learn(groups, N_REASONS, 7, arena, grouped, err);
	/* names are the corpus's: look at them before it goes */
	if (status == NN_OK && !is_backward && grouped->n_groups == N_REASONS)
		ok(grouped->group[0].n_words > 0 && strchr("cwtp", grouped->group[0].word[0][0]) != NULL, "the larger group is named by its words");
	nn_cause_groups_destroy(groups);
	return status;
}

static void
test_groups(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnArena    *other = nn_arena_create(&host.env);
	NnGrouped	grouped;
	NnGrouped	backward;
	NnError		err;
	int			n_right = 0;
	int			n_same = 0;

	is_int(group(arena, &grouped, false, &err), NN_OK, "grouped");
	is_int(grouped.n_groups, N_REASONS, "as many groups as asked for");
	for (int i = 0; i < 160; i++)
		n_right += grouped.of_row[i] == grouped.of_row[reason_of(i)];
	is_int(n_right, 160, "by what weighs");
	is_int(grouped.of_row[160], -1, "an empty text is in none");
	is_int(grouped.of_row[0], 0, "the largest is the first");
	is_int(grouped.group[0].n_rows, 52, "with its rows");
	ok(grouped.group[0].share > 0.25 && grouped.group[0].share < 0.4, "and its share of the weight");
	is_int(group(other, &backward, true, &err), NN_OK, "rows in another order");
	for (int i = 0; i < 160; i++)
		n_same += backward.of_row[159 - i] == grouped.of_row[i] && backward.near[159 - i] == grouped.near[i];
	is_int(n_same, 160, "give the same");
	nn_arena_destroy(arena);
	nn_arena_destroy(other);
}

/* Three of four rows have the same reason, whose words are in most rows; and all rows have the same. */
static void
test_dominating(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnGrouped	grouped;
	NnError		err;
	int			n_right = 0;

	first_from = 60;
	is_int(group(arena, &grouped, false, &err), NN_OK, "rows of which most have one reason");
	first_from = 144;
	for (int i = 0; i < 60; i++)
		n_right += reason_of(i) == 0 || (grouped.of_row[i] == grouped.of_row[i % N_REASONS] && grouped.of_row[i] != grouped.of_row[0]);
	is_int(n_right, 60, "the others stand by themselves");
	nn_arena_destroy(arena);
}

static void
test_equal(void)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnCauseGroups *groups;
	NnGrouped	grouped;
	NnWeighted	weighted = {0, 4, 1.0};
	NnError		err;
	int			n_first = 0;

	is_int(nn_cause_groups_create(&groups, &host.env, (size_t) 64 << 20, &err), NN_OK, "groups of equal rows");
	for (int i = 0; i < 50; i++)
		if (nn_cause_groups_add(groups, "rude staff again", 16, &weighted, 1, &err) != NN_OK)
			ok(false, "row %d: %s", i, err.message);
	is_int(nn_cause_groups_learn(groups, 3, 7, arena, &grouped, &err), NN_OK, "learned");
	for (int i = 0; i < 50; i++)
		n_first += grouped.of_row[i] == 0;
	is_int(n_first, 50, "all in the first");
	nn_cause_groups_destroy(groups);
	nn_arena_destroy(arena);
}

/* Two reasons in a script without spaces, whose words are pairs of characters. */
static void
test_ideographs(void)
{
	static const char *const reason[2][3] = {
		{"\u7535\u6c60\u5145\u7535\u574f\u4e86", "\u5145\u7535\u7535\u6c60\u574f\u4e86", "\u574f\u4e86\u7535\u6c60\u5145\u7535"},
		{"\u5feb\u9012\u7269\u6d41\u592a\u6162", "\u7269\u6d41\u5feb\u9012\u592a\u6162", "\u592a\u6162\u7269\u6d41\u5feb\u9012"}
	};
	static const char *const filler[5] = {"\u4eca\u5929", "\u6211\u4eec", "\u4e1c\u897f", "\u600e\u4e48", "\u53ef\u4ee5"};
	NnArena    *arena = nn_arena_create(&host.env);
	NnCauseGroups *groups;
	NnGrouped	grouped;
	NnWeighted	weighted = {0, 6, 1.0};
	NnError		err;
	int			n_right = 0;

	is_int(nn_cause_groups_create(&groups, &host.env, (size_t) 64 << 20, &err), NN_OK, "groups of texts without spaces");
	for (int i = 0; i < 90; i++)
	{
		char		text[128];
		int			n = snprintf(text, sizeof(text), "%s %s%s", reason[i % 2][i / 2 % 3], filler[i % 5], filler[i % 3]);

		if (nn_cause_groups_add(groups, text, (size_t) n, &weighted, 1, &err) != NN_OK)
			ok(false, "row %d: %s", i, err.message);
	}
	is_int(nn_cause_groups_learn(groups, 2, 7, arena, &grouped, &err), NN_OK, "learned");
	for (int i = 0; i < 90; i++)
		n_right += grouped.of_row[i] >= 0 && grouped.of_row[i] == grouped.of_row[i % 2];
	is_int(n_right, 90, "by pairs of characters that weigh");
	ok(grouped.n_groups == 2 && grouped.group[0].n_words == NN_CAUSE_WORDS && grouped.group[0].n_bytes[0] == 6, "and named by pairs");
	nn_cause_groups_destroy(groups);
	nn_arena_destroy(arena);
}

/* ---- trouble --------------------------------------------------------------------------- */

/* Both parts, or what they fail with. */
static NnStatus
everything(NnError *err)
{
	NnArena    *arena = nn_arena_create(&host.env);
	NnFindings	findings;
	NnGrouped	grouped;
	NnStatus	status;

	if (arena == NULL)
		return NN_ENOMEM;
	status = find(true, 2.0, arena, &findings, err);
	if (status == NN_OK)
		status = group(arena, &grouped, true, err);
	nn_arena_destroy(arena);
	return status;
}

static void
test_trouble(void)
{
	static const uint8_t cell[N_ROWS];
	NnPhrases  *phrases;
	NnError		err;
	long		n_allocs;
	int			n_wrong = 0;

	host.n_allocs = 0;
	is_int(everything(&err), NN_OK, "without trouble");
	n_allocs = host.n_allocs;
	for (long at = 1; at <= n_allocs; at++)
	{
		NnStatus	status;

		host.n_allocs = 0;
		host.fail_at = at;
		host.is_failing_on = true;
		status = everything(&err);
		n_wrong += status != NN_ENOMEM || host.n_live != 0;
	}
	host.fail_at = 0;
	is_int(n_wrong, 0, "each of %ld allocations may fail", n_allocs);
	host.n_polls = 0;
	host.cancel_at = 1;
	ok(everything(&err) == NN_ECANCELED && host.n_live == 0, "canceled");
	host.cancel_at = 0;
	nn_phrases_create(&phrases, &host.env, 1000, &err);
	add_rows(phrases, false, &err);
	ok(nn_phrases_count(phrases, cell, 2, 4, &err) == NN_ELIMIT && strstr(err.detail, "limit is 0 MB") != NULL, "too little memory");
	ok(nn_phrases_add_row(phrases, &err) == NN_OK && nn_phrases_add_text(phrases, "a\377", 2, &err) == NN_EENCODING, "no UTF-8");
	nn_phrases_destroy(phrases);
	is_int(host.n_live, 0, "all memory was given back");
}

int
main(void)
{
	test_host_init(&host);
	test_planted();
	test_random();
	test_order();
	test_forms();
	test_words();
	test_groups();
	test_dominating();
	test_equal();
	test_ideographs();
	test_trouble();
	return done_testing();
}
