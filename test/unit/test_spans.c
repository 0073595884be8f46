/*
 * test_spans.c: tags to spans, by hand and against a twin that goes token by
 * token as the shared tasks' script does.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tap.h"
#include "test_host.h"
#include "train/metrics_sequence.h"

#define COUNT(array) ((int) (sizeof(array) / sizeof((array)[0])))

static const char *const tags[] = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-date.year-end", "I-date.year-end"};

enum
{
	O, B_PER, I_PER, B_LOC, I_LOC, B_YEAR, I_YEAR
};

/* Types in byte order. */
enum
{
	LOC, PER, YEAR, N_TYPES
};

static NnArena *arena;
static NnTagScheme scheme;

static void
test_scheme(void)
{
	static const char *const parts[] = {"NOUN", "VERB", "O"};
	static const char *const inside[] = {"I-x", "O"};
	static const char *const bare[] = {"B", "I", "O"};
	static const char *const empty[] = {"B-", "O"};
	static const char *const outside[] = {"O"};
	static const char *const ends[] = {"B-x", "E-x", "O"};
	NnTagScheme other;

	is_int(nn_tag_scheme(&scheme, tags, COUNT(tags), arena, NULL), NN_OK, "a scheme");
	ok(scheme.is_bio && scheme.n_tags == 7 && scheme.n_types == N_TYPES, "is BIO with 3 types");
	is_text(scheme.type_name[LOC], strlen(scheme.type_name[LOC]), "LOC", "types in byte order");
	is_text(scheme.type_name[PER], strlen(scheme.type_name[PER]), "PER", "the second");
	is_text(scheme.type_name[YEAR], strlen(scheme.type_name[YEAR]), "date.year-end",
			"a type is all behind the first '-'");
	ok(scheme.type[O] == -1 && scheme.prefix[O] == 'O', "O has no type");
	ok(scheme.type[I_LOC] == LOC && scheme.prefix[I_LOC] == 'I' &&
	   scheme.type[B_YEAR] == YEAR && scheme.prefix[B_YEAR] == 'B', "prefixes and types");

	nn_tag_scheme(&other, parts, COUNT(parts), arena, NULL);
	ok(!other.is_bio && other.n_types == 0 && other.type[0] == -1, "parts of speech are not BIO");
	nn_tag_scheme(&other, inside, COUNT(inside), arena, NULL);
	ok(other.is_bio && other.n_types == 1, "I-x without B-x is");
	nn_tag_scheme(&other, bare, COUNT(bare), arena, NULL);
	ok(!other.is_bio, "B and I without types are not");
	nn_tag_scheme(&other, empty, COUNT(empty), arena, NULL);
	ok(!other.is_bio, "nor is an empty type");
	nn_tag_scheme(&other, outside, COUNT(outside), arena, NULL);
	ok(!other.is_bio, "nor is O alone");
	nn_tag_scheme(&other, ends, COUNT(ends), arena, NULL);
	ok(!other.is_bio, "nor is E-x");
	is_int(nn_tag_scheme(&other, NULL, 0, arena, NULL), NN_OK, "no tags at all");
	ok(!other.is_bio && nn_tag_spans(&other, NULL, 0, NULL) == 0, "have no spans");
	is_int(nn_tag_scheme(&other, tags, -1, arena, NULL), NN_ELIMIT, "less than none is an error");
	is_int(nn_tag_scheme(&other, NULL, 40000, arena, NULL), NN_ELIMIT, "more than can be numbered too");
}

/* Spans as "first-last:type ...". */
static void
test_spans(void)
{
	static const struct
	{
		const char *what;
		int			n;
		int32_t		tag[4];
		const char *expected;
	}			cases[] = {
		{"two spans, the last at the end", 4, {B_PER, I_PER, O, B_LOC}, "0-2:PER 3-4:LOC"},
		{"none", 3, {O, O, O}, ""},
		{"one token", 1, {B_PER}, "0-1:PER"},
		{"no token", 0, {O}, ""},
		{"B after B begins another", 3, {B_PER, B_PER, I_PER}, "0-1:PER 1-3:PER"},
		{"I at the start begins one", 3, {I_PER, I_PER, O}, "0-2:PER"},
		{"I after O begins one", 3, {O, I_LOC, I_LOC}, "1-3:LOC"},
		{"I of another type begins one", 3, {B_PER, I_LOC, I_LOC}, "0-1:PER 1-3:LOC"},
		{"B after I of the same type begins one", 3, {I_PER, B_PER, I_PER}, "0-1:PER 1-3:PER"},
		{"O divides", 3, {B_LOC, O, I_LOC}, "0-1:LOC 2-3:LOC"},
		{"an unknown tag reads as O", 4, {B_LOC, 99, -1, I_LOC}, "0-1:LOC 3-4:LOC"},
	};

	for (int c = 0; c < COUNT(cases); c++)
	{
		NnSpan		span[4];
		char		text[256] = "";
		int			n_spans = nn_tag_spans(&scheme, cases[c].tag, cases[c].n, span);

		for (int i = 0; i < n_spans; i++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d-%d:%s", i > 0 ? " " : "",
					 span[i].first, span[i].last, scheme.type_name[span[i].type]);
		is_text(text, strlen(text), cases[c].expected, "%s", cases[c].what);
	}
}

static void
test_rules(void)
{
	static const char *const inside[] = {"I-x", "O", "B-y", "I-y"};
	static const uint8_t expected[5][4] = {
		/* I-x O B-y I-y */
		{1, 1, 1, 0},			/* I-x */
		{1, 1, 1, 0},			/* O */
		{1, 1, 1, 1},			/* B-y */
		{1, 1, 1, 1},			/* I-y */
		{1, 1, 1, 0}			/* first */
	};
	static const char *const parts[] = {"NOUN", "VERB"};
	NnTagScheme other;
	uint8_t    *allowed;

	is_int(nn_tag_rules(&scheme, arena, &allowed, NULL), NN_OK, "rules");
	ok(allowed[O * 7 + B_PER] && allowed[O * 7 + O] && !allowed[O * 7 + I_PER], "after O: no I");
	ok(allowed[B_PER * 7 + I_PER] && allowed[I_PER * 7 + I_PER] && !allowed[B_PER * 7 + I_LOC],
	   "after B: I of the same type alone");
	ok(allowed[7 * 7 + B_LOC] && allowed[7 * 7 + O] && !allowed[7 * 7 + I_YEAR], "no I first");

	nn_tag_scheme(&other, inside, COUNT(inside), arena, NULL);
	nn_tag_rules(&other, arena, &allowed, NULL);
	ok(memcmp(allowed, expected, sizeof(expected)) == 0, "an I without its B may stand anywhere");
	nn_tag_scheme(&other, parts, COUNT(parts), arena, NULL);
	is_int(nn_tag_rules(&other, arena, &allowed, NULL), NN_OK, "no rules for parts of speech");
	ok(allowed == NULL, "are a NULL");
}

/*
 *	truth		B-PER I-PER O B-LOC O     B-LOC I-LOC I-LOC
 *	predicted	B-PER I-PER O I-LOC B-LOC B-LOC I-LOC O
 *
 * true: PER 0-2, LOC 3-4, LOC 5-8; predicted: PER 0-2, LOC 3-4, LOC 4-5, LOC 5-7.
 * Right: PER 0-2 and LOC 3-4 (an I that begins it is no matter).
 * P = 2/4, R = 2/3, F1 = 4/7; LOC: P 1/3, R 1/2, F1 2/5.
 */
static void
test_counts(void)
{
	const int32_t truth[] = {B_PER, I_PER, O, B_LOC, O, B_LOC, I_LOC, I_LOC};
	const int32_t predicted[] = {B_PER, I_PER, O, I_LOC, B_LOC, B_LOC, I_LOC, O};
	NnSpanCount count[1 + N_TYPES] = {{0}};

	nn_span_count_add(&scheme, truth, predicted, 8, arena, count, NULL);
	ok(count[0].n_true == 3 && count[0].n_predicted == 4 && count[0].n_right == 2, "counts of all");
	is_near(nn_span_precision(&count[0]), 0.5, 1e-12, "precision");
	is_near(nn_span_recall(&count[0]), 2.0 / 3, 1e-12, "recall");
	is_near(nn_span_f1(&count[0]), 4.0 / 7, 1e-12, "F1");
	is_near(nn_span_f1(&count[1 + LOC]), 0.4, 1e-12, "F1 of a type");
	is_near(nn_span_f1(&count[1 + PER]), 1.0, 1e-12, "F1 of one all right");
	ok(nn_span_f1(&count[1 + YEAR]) == 0 && nn_span_precision(&count[1 + YEAR]) == 0 &&
	   nn_span_recall(&count[1 + YEAR]) == 0, "0 where undefined");
	nn_span_count_add(&scheme, truth, truth, 8, arena, count, NULL);
	ok(count[0].n_true == 6 && count[0].n_right == 5, "a second sentence adds");
	is_int(nn_span_count_add(&scheme, truth, truth, 0, arena, count, NULL), NN_OK, "an empty sentence adds nothing");
	ok(count[0].n_true == 6, "nothing");
}

/*
 * The twin: both sides' boundaries are looked at before each token and behind the
 * last, and a flag says that a span of the same type is open on both sides since
 * the same token.
 */
static bool
ends_before(int32_t last, int32_t now)
{
	bool		is_open = scheme.prefix[last] != 'O';

	return is_open && (scheme.prefix[now] != 'I' || scheme.type[last] != scheme.type[now]);
}

static bool
begins_at(int32_t last, int32_t now)
{
	if (scheme.prefix[now] == 'B')
		return true;
	return scheme.prefix[now] == 'I' && (scheme.prefix[last] == 'O' || scheme.type[last] != scheme.type[now]);
}

static void
naive_count(const int32_t *truth, const int32_t *predicted, int n, NnSpanCount *count)
{
	int32_t		last_true = O;
	int32_t		last_predicted = O;
	bool		is_same = false;

	for (int t = 0; t <= n; t++)
	{
		int32_t		now_true = t < n ? truth[t] : O;
		int32_t		now_predicted = t < n ? predicted[t] : O;
		bool		end_true = ends_before(last_true, now_true);
		bool		end_predicted = ends_before(last_predicted, now_predicted);
		bool		begin_true = begins_at(last_true, now_true);
		bool		begin_predicted = begins_at(last_predicted, now_predicted);

		if (is_same && end_true && end_predicted)
			count->n_right++;
		if (end_true || end_predicted)
			is_same = false;
		if (begin_true && begin_predicted && scheme.type[now_true] == scheme.type[now_predicted])
			is_same = true;
		count->n_true += begin_true;
		count->n_predicted += begin_predicted;
		last_true = now_true;
		last_predicted = now_predicted;
	}
}

static void
test_twin(void)
{
	int			n_bad = 0;
	int64_t		n_right = 0;
	NnRng		rng;

	nn_rng_seed(&rng, 7);
	for (int i = 0; i < 2000; i++)
	{
		int32_t		truth[12];
		int32_t		predicted[12];
		int			n = (int) nn_rng_below(&rng, 13);
		NnSpanCount count[1 + N_TYPES] = {{0}};
		NnSpanCount naive = {0};

		for (int t = 0; t < n; t++)
		{
			truth[t] = (int32_t) nn_rng_below(&rng, COUNT(tags));
			predicted[t] = nn_rng_below(&rng, 3) > 0 ? truth[t] : (int32_t) nn_rng_below(&rng, COUNT(tags));
		}
		nn_span_count_add(&scheme, truth, predicted, n, arena, count, NULL);
		naive_count(truth, predicted, n, &naive);
		n_bad += memcmp(&naive, &count[0], sizeof(naive)) != 0;
		n_right += naive.n_right;
		for (int y = 0; y < N_TYPES; y++)
		{
			count[0].n_true -= count[1 + y].n_true;
			count[0].n_predicted -= count[1 + y].n_predicted;
			count[0].n_right -= count[1 + y].n_right;
		}
		n_bad += count[0].n_true != 0 || count[0].n_predicted != 0 || count[0].n_right != 0;
	}
	is_int(n_bad, 0, "2000 random sentences as the twin counts them, and types add up to all");
	ok(n_right > 1000, "with spans right among them");
}

static NnStatus
all_at_once(const NnEnv *env)
{
	NnArena    *own = nn_arena_create(env);
	NnStatus	status = NN_ENOMEM;
	NnTagScheme made;
	NnSpanCount count[1 + N_TYPES] = {{0}};
	uint8_t    *allowed;
	int32_t    *tag = calloc(5000, sizeof(*tag));

	if (own != NULL && tag != NULL)
		status = nn_tag_scheme(&made, tags, COUNT(tags), own, NULL);
	if (status == NN_OK)
		status = nn_tag_rules(&made, own, &allowed, NULL);
	if (status == NN_OK)
		status = nn_span_count_add(&made, tag, tag, 5000, own, count, NULL);
	nn_arena_destroy(own);
	free(tag);
	return status;
}

static void
test_no_memory(void)
{
	TestHost	host;
	NnStatus	status = NN_ENOMEM;
	long		n_failed = 0;
	bool		is_clean = true;

	for (long at = 1; at < 100 && status != NN_OK; at++)
	{
		test_host_init(&host);
		host.fail_at = at;
		status = all_at_once(&host.env);
		is_clean = is_clean && host.n_live == 0 && (status == NN_OK || status == NN_ENOMEM);
		n_failed += status != NN_OK;
	}
	ok(status == NN_OK && n_failed >= 3 && is_clean, "every allocation may fail (%ld)", n_failed);
}

int
main(void)
{
	arena = nn_arena_create(&nn_env_malloc);
	test_scheme();
	test_spans();
	test_rules();
	test_counts();
	test_twin();
	test_no_memory();
	nn_arena_destroy(arena);
	return done_testing();
}
