/*
 * test_cider.c: CIDEr-D worked out by hand.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"
#include "test_host.h"
#include "train/metrics_sequence.h"

static void
add(NnCider *cider, const char *candidate, const char *reference, const char *second)
{
	const char *const references[2] = {reference, second};
	size_t		n_bytes[2] = {strlen(reference), second != NULL ? strlen(second) : 0};

	nn_cider_add(cider, candidate, strlen(candidate), references, n_bytes, second != NULL ? 2 : 1, NULL);
}

static double
score(NnCider *cider)
{
	double		value = -1;

	nn_cider_score(cider, &value, NULL);
	return value;
}

/*
 * Two items; log 2 = L.
 *	item 1	candidate "a red bus"	reference "a red bus stops"
 *	item 2	candidate "a dog"		reference "a dog"
 * "a" is in both items' references, idf 0; every other n-gram is in one, idf L.
 *
 * Item 1, order 1: red, bus against red, bus, stops: 2 L^2 / (sqrt2 L sqrt3 L) = 2/sqrt6;
 * order 2: a red, red bus against these and bus stops: 2/sqrt6; order 3: a red bus
 * against it and red bus stops: 1/sqrt2; order 4: the candidate has none: 0.  2
 * bigrams against 3: exp(-1/72).  10 exp(-1/72) (4/sqrt6 + 1/sqrt2) / 4.
 * Item 2: orders 1 and 2 are 1, 3 and 4 are 0: 10 * 2/4 = 5.
 */
static void
test_two_items(NnArena *arena)
{
	double		expected = (10 * exp(-1.0 / 72) * (4 / sqrt(6) + 1 / sqrt(2)) / 4 + 5) / 2;
	NnCider    *cider;

	is_int(nn_cider_create(&cider, arena, NULL), NN_OK, "create");
	add(cider, "A red bus.", "a red bus stops", NULL);
	ok(score(cider) == 0, "an item alone scores 0: each n-gram is in all documents");
	add(cider, "A DOG!", "\"A dog.\"", NULL);
	is_near(score(cider), expected, 1e-12, "two items: %.6f", expected);
	is_near(score(cider), expected, 1e-12, "asked again");
}

/*
 *	item 1	candidate "dog dog cat"		references "dog", "dog dog bird"
 *	item 2	candidate "x"				reference "y z"
 * Each n-gram is in at most one item's references, so idf = L for all.  First
 * reference, order 1: min(2, 1) 1 / (sqrt(4 + 1) 1) = 1/sqrt5; no other orders; 2
 * bigrams against 0: exp(-4/72).  Second, order 1: (2 2 + 0) / 5; order 2: dog dog
 * of dog dog, dog cat and dog dog, dog bird: 1/2; order 3: 0.
 * Item 1: 10 (exp(-1/18)/sqrt5 + 4/5 + 1/2) / 4 / 2; item 2: 0.
 */
static void
test_two_references(NnArena *arena)
{
	double		expected = 10 * (exp(-1.0 / 18) / sqrt(5) + 1.3) / 4 / 2 / 2;
	NnCider    *cider;

	nn_cider_create(&cider, arena, NULL);
	add(cider, "dog dog cat", "dog", "dog dog bird");
	add(cider, "x", "y z", NULL);
	is_near(score(cider), expected, 1e-12, "two references: %.6f", expected);
}

/* A candidate that says a word too often gains nothing by it: min(3, 1) 1 / (3 1) = 1/3. */
static void
test_clipping(NnArena *arena)
{
	NnCider    *cider;

	nn_cider_create(&cider, arena, NULL);
	add(cider, "dog dog dog", "dog", NULL);
	add(cider, "q", "r", NULL);
	is_near(score(cider), 10 * exp(-4.0 / 72) / 3 / 4 / 2, 1e-12, "clipped");
}

static void
test_edges(NnArena *arena)
{
	const char *reference = "a \xF0\x9F\x90\x95 \xC3\xA9t\xC3\xA9 \xFF\xFE";
	size_t		n_bytes = strlen(reference);
	NnCider    *cider;
	double		value = 0;

	nn_cider_create(&cider, arena, NULL);
	is_int(nn_cider_score(cider, &value, NULL), NN_OK, "no items");
	ok(isnan(value), "have no score");
	is_int(nn_cider_add(cider, "a", 1, NULL, NULL, 0, NULL), NN_EINVAL, "an item without a reference is an error");
	add(cider, "", "", NULL);
	add(cider, "?!", "one two", NULL);
	ok(score(cider) == 0, "nothing said scores 0");
	is_int(nn_cider_add(cider, reference, n_bytes, &reference, &n_bytes, 1, NULL), NN_OK, "any bytes");
	is_near(score(cider), 10.0 / 3, 1e-12, "the same text scores 10");
}

/* Items enough for the tables to grow. */
static NnStatus
score_with(const NnEnv *env, double *value)
{
	NnArena    *arena = nn_arena_create(env);
	NnCider    *cider = NULL;
	NnStatus	status = NN_ENOMEM;

	if (arena != NULL)
		status = nn_cider_create(&cider, arena, NULL);
	for (int i = 0; i < 100 && status == NN_OK; i++)
	{
		char		text[100];
		const char *reference = text;
		size_t		n_bytes = (size_t) snprintf(text, sizeof(text), "word%d of %d and w%d more %d", i, i % 7, i % 11, i % 3);

		status = nn_cider_add(cider, text, n_bytes, &reference, &n_bytes, 1, NULL);
	}
	if (status == NN_OK)
		status = nn_cider_score(cider, value, NULL);
	nn_arena_destroy(arena);
	return status;
}

static void
test_failures(void)
{
	TestHost	host;
	NnStatus	status = NN_ENOMEM;
	double		value = 0;
	long		n_failed = 0;
	bool		is_clean = true;
	long		n_polls;

	for (long at = 1; at < 1000 && status != NN_OK; at++)
	{
		test_host_init(&host);
		host.fail_at = at;
		status = score_with(&host.env, &value);
		is_clean = is_clean && host.n_live == 0 && (status == NN_OK || status == NN_ENOMEM);
		n_failed += status != NN_OK;
	}
	ok(status == NN_OK && n_failed > 3 && is_clean, "every allocation may fail (%ld)", n_failed);
	is_near(value, 10, 1e-9, "100 items that say what their references say");
	n_polls = host.n_polls;
	for (long at = 1; at <= n_polls; at += 7)
	{
		test_host_init(&host);
		host.cancel_at = at;
		is_clean = is_clean && score_with(&host.env, &value) == NN_ECANCELED && host.n_live == 0;
	}
	ok(is_clean && n_polls > 100, "every poll may cancel (%ld)", n_polls);
}

int
main(void)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);

	test_two_items(arena);
	test_two_references(arena);
	test_clipping(arena);
	test_edges(arena);
	test_failures();
	nn_arena_destroy(arena);
	return done_testing();
}
