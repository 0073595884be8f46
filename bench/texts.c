/*
 * bench/texts.c: BLEU, CIDEr-D and exact matches of texts that something else wrote,
 * by the code that measures ours.
 *
 *   bench_texts <LINES
 *
 * A line is an item: what was written, then its references, tabs between them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/metrics_sequence.h"

#define MAX_REFERENCES 64

static void
check(NnStatus status, const NnError *err)
{
	if (status == NN_OK)
		return;
	fprintf(stderr, "error %d: %s\n", (int) status, err->message);
	exit(1);
}

/* Cut at tabs, in place; lengths beside the parts. */
static int
cut(char *line, const char **part, size_t *n_bytes)
{
	int			n = 0;

	line[strcspn(line, "\n")] = '\0';
	while (line != NULL && n < MAX_REFERENCES + 1)
	{
		part[n] = strsep(&line, "\t");
		n_bytes[n] = strlen(part[n]);
		n++;
	}
	return n;
}

int
main(void)
{
	NnError		err = {0};
	NnArena    *kept = nn_arena_create(&nn_env_malloc);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnCider    *cider;
	NnBleu		bleu = {0};
	double		score;
	int64_t		n_items = 0;
	int64_t		n_exact = 0;
	char	   *line = NULL;
	size_t		capacity = 0;

	if (kept == NULL || scratch == NULL)
		abort();
	check(nn_cider_create(&cider, kept, &err), &err);
	while (getline(&line, &capacity, stdin) > 0)
	{
		const char *part[MAX_REFERENCES + 1];
		size_t		n_bytes[MAX_REFERENCES + 1];
		int			n = cut(line, part, n_bytes);
		bool		is_exact = false;

		if (n < 2)
			continue;
		check(nn_bleu_add(&bleu, part[0], n_bytes[0], part + 1, n_bytes + 1, n - 1, false, scratch, &err), &err);
		check(nn_cider_add(cider, part[0], n_bytes[0], part + 1, n_bytes + 1, n - 1, &err), &err);
		for (int i = 1; i < n; i++)
			is_exact |= strcmp(part[0], part[i]) == 0;
		n_exact += is_exact;
		n_items++;
		nn_arena_reset(scratch);
	}
	check(nn_cider_score(cider, &score, &err), &err);
	printf("{\"items\": %lld, \"bleu\": %.4f, \"cider\": %.4f, \"exact\": %.4f}\n", (long long) n_items,
		   nn_bleu_score(&bleu), score, n_items > 0 ? (double) n_exact / (double) n_items : 0.0);
	free(line);
	nn_arena_destroy(scratch);
	nn_arena_destroy(kept);
	return 0;
}
