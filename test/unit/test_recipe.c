/*
 * test_recipe.c: defaults that fit the data (model/recipe.h).
 */
#include "model/recipe.h"

#include <stdio.h>
#include <string.h>

#include "model/options.h"
#include "tap.h"

static const NnTask tasks[] = {
	NN_TASK_CLASSIFY, NN_TASK_REGRESS, NN_TASK_TAG, NN_TASK_TRANSLATE, NN_TASK_CAPTION, NN_TASK_LANGUAGE, NN_TASK_FORECAST
};
static const NnInputKind inputs[] = {NN_INPUT_TEXT, NN_INPUT_SERIES, NN_INPUT_VECTOR};
static const int64_t n_rows[] = {50, 800, 4000, 30000, 200000};

#define N_OF(array) ((int) (sizeof(array) / sizeof((array)[0])))

static NnDataShape
shape_of(NnTask task, NnInputKind input, int64_t n)
{
	NnDataShape shape = {
		.task = task, .input = input, .n_rows = n, .n_tokens = n * 12, .rare_share = 0.2, .n_outputs = 3,
		.n_channels = input == NN_INPUT_TEXT ? 0 : 4, .is_one_length = true, .n_steps = 24, .n_written = n * 9
	};

	return shape;
}

/* Copies of one option's value from one set to another. */
static void
copy_option(NnOptions *to, const NnOptions *from, const NnOptionInfo *info)
{
	bool		is_double = info->kind == NN_OPTION_REAL || info->kind == NN_OPTION_WHOLE;
	size_t		n = info->kind == NN_OPTION_TEXT ? NN_OPTION_TEXT_BYTES : is_double ? sizeof(double) : sizeof(int);

	memcpy((char *) to + info->offset, (const char *) from + info->offset, n);
}

/*
 * An option that is given as it would have been chosen changes none of the others.  That is so only
 * if each is chosen after those that it depends on.
 */
static int
count_changes(const NnDataShape *shape)
{
	int			n;
	const NnOptionInfo *table = nn_options_table(&n);
	NnOptions	chosen = {0};
	int			n_bad = 0;

	nn_options_init(&chosen);
	nn_recipe_resolve(&chosen, shape);
	for (int i = 0; i < n; i++)
	{
		NnOptions	given = {0};

		nn_options_init(&given);
		copy_option(&given, &chosen, &table[i]);
		nn_recipe_resolve(&given, shape);
		if (memcmp(&given, &chosen, sizeof(NnOptions)) != 0)
		{
			printf("# task %d, input %d, %lld rows: %s changes others\n", (int) shape->task, (int) shape->input,
				   (long long) shape->n_rows, table[i].name);
			n_bad++;
		}
	}
	return n_bad;
}

static void
test_order(void)
{
	int			n_bad = 0;

	for (int t = 0; t < N_OF(tasks); t++)
		for (int k = 0; k < N_OF(inputs); k++)
			for (int r = 0; r < N_OF(n_rows); r++)
			{
				NnDataShape shape = shape_of(tasks[t], inputs[k], n_rows[r]);

				n_bad += count_changes(&shape);
			}
	ok(n_bad == 0, "an option given as it would be chosen changes no other");
}

/* Batches are dealt out to as many as can compute them, so that helpers have something to do. */
static void
test_shards(void)
{
	int			n_bad = 0;

	for (int t = 0; t < N_OF(tasks); t++)
		for (int r = 0; r < N_OF(n_rows); r++)
		{
			NnDataShape shape = shape_of(tasks[t], NN_INPUT_TEXT, n_rows[r]);
			NnOptions	options;

			nn_options_init(&options);
			nn_recipe_resolve(&options, &shape);
			if (tasks[t] != NN_TASK_FORECAST && options.batch >= 16)
				n_bad += options.shards < 2;
		}
	ok(n_bad == 0, "default batches of 16 rows and more have two shards or more");
}

int
main(void)
{
	test_order();
	test_shards();
	return done_testing();
}
