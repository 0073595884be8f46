/*
 * exec/pairs_tags.c: two versions' tags.
 *
 * Tags are numbered among those of both versions, since either may know some that
 * the other does not.  Where they are B-x, I-x and O, a row adds its spans that were
 * missed or are wrong, and 1 - errors / (true + found) is F1.
 */
#include "glue/compat.h"

#include "model/answer_tags.h"

#include "exec/pairs.h"
#include "exec/predict.h"
#include "glue/errors.h"

typedef struct PairedTags
{
	const char **names;			/* of both, in byte order */
	int			n_names;
	int32	   *number[2];		/* a version's tag -> its number here */
	NnTagScheme scheme;
} PairedTags;

/* Merge two lists in byte order. */
static void
number_tags(PairedTags *tags, const NnModel *a, const NnModel *b)
{
	int			i = 0;
	int			j = 0;

	tags->names = palloc(sizeof(char *) * (a->spec.n_outputs + b->spec.n_outputs));
	tags->number[0] = palloc(sizeof(int32) * a->spec.n_outputs);
	tags->number[1] = palloc(sizeof(int32) * b->spec.n_outputs);
	while (i < a->spec.n_outputs || j < b->spec.n_outputs)
	{
		int			order = i == a->spec.n_outputs ? 1 : j == b->spec.n_outputs ? -1 :
		strcmp(a->labels[i], b->labels[j]);

		tags->names[tags->n_names] = order <= 0 ? a->labels[i] : b->labels[j];
		if (order <= 0)
			tags->number[0][i++] = tags->n_names;
		if (order >= 0)
			tags->number[1][j++] = tags->n_names;
		tags->n_names++;
	}
}

static int32
find_tag(const PairedTags *tags, const char *bytes, size_t n_bytes)
{
	for (int k = 0; k < tags->n_names; k++)
		if (strlen(tags->names[k]) == n_bytes && memcmp(tags->names[k], bytes, n_bytes) == 0)
			return k;
	return -1;
}

static void
begin(LstmPairs *pairs)
{
	PairedTags *tags = palloc0(sizeof(PairedTags));
	NnArena    *arena = nn_arena_create(&pairs->env.env);
	NnError		err = {0};

	if (arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	number_tags(tags, pairs->request->model[0], pairs->request->model[1]);
	lstm_check(nn_tag_scheme(&tags->scheme, tags->names, tags->n_names, arena, &err), &err);
	pairs->kept = tags;
	pairs->n_sums = 2;
	pairs->figure = nn_figure_share_right;
	pairs->result->figure = tags->scheme.is_bio ? "f1" : "token_accuracy";
	pairs->result->test = "bootstrap of pairs, one-sided";
}

/* Errors of one row, and how many there could have been. */
static void
add_row(const PairedTags *tags, const int32 *truth, const int32 *found, int n, double *sums)
{
	NnSpanCount *count = palloc0(sizeof(NnSpanCount) * (1 + tags->scheme.n_types));
	NnError		err = {0};

	for (int t = 0; t < n && !tags->scheme.is_bio; t++)
	{
		sums[0] += truth[t] != found[t];
		sums[1] += 1.0;
	}
	if (tags->scheme.is_bio)
	{
		lstm_check(nn_span_count_add(&tags->scheme, truth, found, n, lstm_scratch(), count, &err), &err);
		sums[0] = (double) (count[0].n_true + count[0].n_predicted - 2 * count[0].n_right);
		sums[1] = (double) (count[0].n_true + count[0].n_predicted);
	}
	pfree(count);
}

/* What one side found in n rows: a list of numbers each, palloc'd, since spans are counted in core's scratch too. */
static int32 **
ask(const LstmPairs *pairs, int side, const LstmRow *rows, const NnValue *inputs, int n)
{
	const PairedTags *tags = pairs->kept;
	NnTaggedText *tagged = palloc(sizeof(NnTaggedText) * n);
	int32	  **found = palloc(sizeof(int32 *) * n);
	NnError		err = {0};

	lstm_check(nn_answer_tags(pairs->request->model[side], inputs, n, lstm_scratch(), tagged, NULL, NULL, &err), &err);
	for (int i = 0; i < n; i++)
	{
		int			n_tokens = rows[i].target.n_words;

		found[i] = palloc(sizeof(int32) * Max(n_tokens, 1));
		for (int t = 0; t < n_tokens; t++)
			found[i][t] = t < tagged[i].n_tokens ? tags->number[side][tagged[i].token[t].tag] : -1;
	}
	pfree(tagged);
	return found;
}

static void
take(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	const PairedTags *tags = pairs->kept;
	int32	  **truth = palloc(sizeof(int32 *) * n);

	for (int i = 0; i < n; i++)
	{
		const NnValue *target = &rows[i].target;

		truth[i] = palloc(sizeof(int32) * Max(target->n_words, 1));
		for (int t = 0; t < target->n_words; t++)
			truth[i][t] = find_tag(tags, target->words[t], target->word_bytes[t]);
	}
	for (int side = 0; side < 2; side++)
	{
		int32	  **found = ask(pairs, side, rows, inputs, n);
		double	   *sums = lstm_pairs_push(pairs, side, n);

		for (int i = 0; i < n; i++)
		{
			add_row(tags, truth[i], found[i], rows[i].target.n_words, sums + 2 * i);
			pfree(found[i]);
		}
		pfree(found);
	}
	for (int i = 0; i < n; i++)
		pfree(truth[i]);
	pfree(truth);
}

const LstmPairer lstm_pairer_tags = {64, begin, take, NULL};
