/*
 * topic/bags.c: words in their order -> distinct words.
 */
#include "topic/bags.h"

#include <math.h>

#define POLL_ROWS	1024

/* Append the distinct words of row i, how often each stands in it still in repeats; returns where they end. */
static int64_t
list_distinct(const NnTopicRows *rows, int64_t i, int64_t at, int32_t *word, int32_t *repeats)
{
	for (int64_t j = rows->start[i]; j < rows->start[i + 1]; j++)
		if (repeats[rows->word[j]]++ == 0)
			word[at++] = rows->word[j];
	return at;
}

NnStatus
nn_bags_make(const NnTopicRows *rows, NnArena *arena, NnBags *bags, NnError *err)
{
	int32_t    *repeats = NN_ALLOC(arena, int32_t, (size_t) rows->n_words);

	*bags = (NnBags)
	{
		.n = rows->n, .n_words = rows->n_words
	};
	bags->start = NN_ALLOC(arena, int64_t, (size_t) rows->n + 1);
	bags->word = NN_TAKE(arena, int32_t, (size_t) rows->n_all_tokens);
	bags->count = NN_TAKE(arena, float, (size_t) rows->n_all_tokens);
	if (repeats == NULL || bags->start == NULL || bags->word == NULL || bags->count == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < rows->n; i++)
	{
		int64_t		stop = list_distinct(rows, i, bags->start[i], bags->word, repeats);

		if (i % POLL_ROWS == 0 && nn_arena_poll(arena) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		for (int64_t j = bags->start[i]; j < stop; j++)
		{
			bags->count[j] = 1.0f + logf((float) repeats[bags->word[j]]);
			repeats[bags->word[j]] = 0;
		}
		if (stop - bags->start[i] > bags->longest)
			bags->longest = stop - bags->start[i];
		bags->start[i + 1] = stop;
	}
	return NN_OK;
}
