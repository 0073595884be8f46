/*
 * test_split.c: which rows are held out (model/split.h, model/learn_split.c).
 */
#include "task_case.h"

#include <stdlib.h>
#include "net_case.h"
#include "tap.h"

static NnError err;

static uint64_t
hash_of(const char *text)
{
	NnValue		value = task_text(text);

	return nn_input_hash(&value);
}

/* The n-th text of a series whose place is in [low, high). */
static char *
text_between(const char *series, int n, double low, double high)
{
	for (int i = 0;; i++)
	{
		char	   *text = task_print("%s number %d", series, i);
		double		place = nn_split_place(hash_of(text));

		if (place >= low && place < high && n-- == 0)
			return text;
	}
}

static NnOptions
split_options(void)
{
	NnOptions	options = task_options();

	options.epochs = 1;
	options.cell = (int) NN_CELL_NONE;
	options.validation = 0.1;
	return options;
}

/* A planned learner; earlier may be NULL. */
static NnLearner *
plan_rows(const TaskRow *rows, int n, const NnSplit *earlier, const NnModel *former, NnPlan *result)
{
	NnOptions	options = split_options();
	NnLearner  *learner;
	bool		is_good = nn_learner_create(&learner, NN_TASK_CLASSIFY, NN_VALUE_TEXT, &options, 0, &nn_env_malloc, &err) == NN_OK;

	if (is_good && former != NULL)
		is_good = nn_learner_go_on(learner, former, earlier, &err) == NN_OK;
	for (int i = 0; is_good && i < n; i++)
	{
		NnTarget	target = {rows[i].label, strlen(rows[i].label), 0.0, NULL};

		is_good = nn_learner_add(learner, &rows[i].input, &target, &err) == NN_OK;
	}
	if (!is_good || nn_learner_plan(learner, result, &err) != NN_OK)
	{
		diag("no plan: %s", err.message);
		exit(1);
	}
	return learner;
}

static TaskRow
row_of(char *text, const char *label)
{
	return (TaskRow)
	{
		.input = task_text(text), .label = label
	};
}

static bool
holds_out(const NnLearner *learner, const TaskRow *row)
{
	return nn_split_holds_out(nn_learner_split(learner), nn_input_hash(&row->input));
}

/* ---- the hash ------------------------------------------------------------------------ */

static void
test_places(void)
{
	uint64_t	listed[2] = {hash_of("b"), hash_of("a")};
	NnSplit		tenth = {0.1, 0, NULL};
	NnSplit		fifth = {0.2, 0, NULL};
	NnSplit		odd = {0.1, 2, listed};
	int			n_out = 0;
	int			n_nested = 0;

	if (listed[0] > listed[1])
	{
		listed[0] = hash_of("a");
		listed[1] = hash_of("b");
	}
	for (int i = 0; i < 10000; i++)
	{
		uint64_t	hash = hash_of(task_print("text %d", i));

		n_out += nn_split_holds_out(&tenth, hash);
		n_nested += nn_split_holds_out(&tenth, hash) && nn_split_holds_out(&fifth, hash);
	}
	/* standard deviation 30 */
	ok(abs(n_out - 1000) < 120, "a tenth of 10000 texts: %d", n_out);
	is_int(n_nested, n_out, "what is in a tenth is in a fifth");
	/* fixed for ever: stored versions depend on it */
	ok(hash_of("held out for ever") == hash_of("held out for ever") && hash_of("a") != hash_of("A"), "bytes decide");
	is_int((long long) (nn_split_place(hash_of("held out for ever")) * 1e6), 996044, "the place of a text does not change");
	ok(nn_split_is_exception(&odd, hash_of("a")) && nn_split_is_exception(&odd, hash_of("b")) &&
	   !nn_split_is_exception(&odd, hash_of("c")), "exceptions are found");
	ok(nn_split_holds_out(&odd, hash_of("a")) != nn_split_holds_out(&tenth, hash_of("a")), "and stand on the other side");
}

/* ---- growing tables ---------------------------------------------------------------------- */

static void
test_growth(void)
{
	TaskRow    *rows = net_case_alloc(2000, sizeof(TaskRow));
	NnPlan		small;
	NnPlan		large;
	NnLearner  *before;
	NnLearner  *after;
	int			n_moved = 0;
	int			n_out = 0;

	for (int i = 0; i < 2000; i++)
		rows[i] = row_of(task_print("a text that is number %d", i / 2), i % 4 < 2 ? "even" : "odd");
	before = plan_rows(rows, 600, NULL, NULL, &small);
	after = plan_rows(rows, 2000, NULL, NULL, &large);
	for (int i = 0; i < 600; i++)
	{
		n_out += holds_out(before, &rows[i]);
		n_moved += holds_out(before, &rows[i]) != holds_out(after, &rows[i]);
	}
	ok(n_out == small.n_valid && n_out > 20, "%d of 600 rows are held out", n_out);
	is_int(n_moved, 0, "and still are among 2000");
	ok(large.n_valid > 3 * n_out / 2 && large.n_valid % 2 == 0, "equal texts are on one side");
	nn_learner_destroy(before);
	nn_learner_destroy(after);
}

/* ---- labels with few rows ------------------------------------------------------------------ */

static void
test_rare_labels(void)
{
	TaskRow		rows[160];
	NnPlan		result;
	NnLearner  *learner;
	int			n = 0;

	for (int i = 0; i < 100; i++)
		rows[n++] = row_of(text_between("common", i, 0.0, 1.0), "common");
	/* ten rows, none under the share: one is held out */
	for (int i = 0; i < 10; i++)
		rows[n++] = row_of(text_between("ten", i, 0.2, 1.0), "ten");
	/* nine are too few to expect one */
	for (int i = 0; i < 9; i++)
		rows[n++] = row_of(text_between("nine", i, 0.2, 1.0), "nine");
	/* three, all under the share: one is given back */
	for (int i = 0; i < 3; i++)
		rows[n++] = row_of(text_between("three", i, 0.0, 0.1), "three");
	/* one text, twelve times: learned, held out never */
	for (int i = 0; i < 12; i++)
		rows[n++] = row_of(text_between("same", 0, 0.0, 0.1), "same");
	learner = plan_rows(rows, n, NULL, NULL, &result);
	is_int(nn_learner_split(learner)->n_exceptions, 3, "three texts change sides");

	{
		int			out[5] = {0};
		uint64_t	lowest = UINT64_MAX;
		double		least = 1.0;

		for (int i = 0; i < n; i++)
			out[i < 100 ? 0 : i < 110 ? 1 : i < 119 ? 2 : i < 122 ? 3 : 4] += holds_out(learner, &rows[i]);
		is_int(out[1], 1, "of ten rows one is held out");
		is_int(out[2], 0, "of nine none, by chance");
		is_int(out[3], 2, "of three that all fall under the share one is learned");
		is_int(out[4], 0, "a label with a single text is learned");
		is_int(out[0] + out[1] + out[3], result.n_valid, "and the plan counts them");
		for (int i = 100; i < 110; i++)
			if (nn_split_place(nn_input_hash(&rows[i].input)) < least)
			{
				lowest = nn_input_hash(&rows[i].input);
				least = nn_split_place(lowest);
			}
		ok(nn_split_holds_out(nn_learner_split(learner), lowest), "the one with the lowest hash");
	}
	nn_learner_destroy(learner);
}

static void
test_nothing_left(void)
{
	TaskRow		rows[4];
	NnPlan		result;
	NnLearner  *learner;

	for (int i = 0; i < 4; i++)
		rows[i] = row_of(text_between("x", i / 2, 0.0, 0.1), i < 2 ? "a" : "b");
	learner = plan_rows(rows, 4, NULL, NULL, &result);
	is_int(result.n_valid, 0, "where all texts fall under the share, none is held out");
	nn_learner_destroy(learner);
}

/* ---- versions that go on from each other ------------------------------------------------------ */

static void
test_versions(void)
{
	TaskRow		rows[140];
	NnPlan		result;
	NnLearner  *first;
	NnLearner  *second;
	NnLearner  *alone;
	const NnLearnReport *report;
	int			n = 0;
	int			n_lost = 0;
	int			n_before;
	TaskRow		lower;

	for (int i = 0; i < 100; i++)
		rows[n++] = row_of(text_between("common", i, 0.0, 1.0), i % 2 ? "common" : "other");
	for (int i = 0; i < 10; i++)
		rows[n++] = row_of(text_between("ten", i, 0.4, 1.0), "ten");
	for (int i = 0; i < 2; i++)
		rows[n++] = row_of(text_between("two", i, 0.0, 0.1), "two");
	first = plan_rows(rows, n, NULL, NULL, &result);
	if (nn_learner_train(first, &report, &err) != NN_OK)
		exit(1);
	n_before = n;

	/*
	 * later rows: one that would be held out in place of the earlier one, and one that leaves the other
	 * alone
	 */
	lower = row_of(text_between("ten", 0, 0.15, 0.2), "ten");
	rows[n++] = lower;
	for (int i = 0; i < 3; i++)
		rows[n++] = row_of(text_between("two", i, 0.4, 1.0), "two");
	alone = plan_rows(rows, n, NULL, NULL, &result);
	ok(holds_out(alone, &lower), "a row with a lower hash would be held out");
	second = plan_rows(rows, n, nn_learner_split(first), nn_learner_model(first), &result);
	for (int i = 0; i < n_before; i++)
		n_lost += holds_out(first, &rows[i]) != holds_out(second, &rows[i]);
	is_int(n_lost, 0, "a version that goes on from another holds out and learns the same rows");
	ok(!holds_out(second, &lower), "and the row with the lower hash is learned");
	nn_learner_destroy(second);

	/* an earlier version that held out less is followed; one that held out more is not */
	{
		NnSplit		less = {0.05, 0, NULL};
		NnSplit		more = {0.3, 0, NULL};

		second = plan_rows(rows, n, &less, nn_learner_model(first), &result);
		is_near(nn_learner_split(second)->share, 0.05, 0.0, "no more is held out than before");
		nn_learner_destroy(second);
		second = plan_rows(rows, n, &more, nn_learner_model(first), &result);
		is_near(nn_learner_split(second)->share, 0.1, 0.0, "less may be");
		nn_learner_destroy(second);
	}
	nn_learner_destroy(alone);
	nn_learner_destroy(first);
}

int
main(void)
{
	test_places();
	test_growth();
	test_rare_labels();
	test_nothing_left();
	test_versions();
	task_free_values();
	return done_testing();
}
