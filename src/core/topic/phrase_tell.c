/*
 * topic/phrase_tell.c: what there is to tell of each finding: its rows and its share of the
 * weight, over all its forms; the rows in which it weighs most; the forms.
 */
#include "topic/phrase_search.h"

#include <math.h>
#include <string.h>

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* Rows that have a group in any form. */
static NnStatus
count_groups(NnPhraseSearch *search, NnFindings *findings, NnError *err)
{
	int32_t    *last = NN_TAKE(search->arena, int32_t, (size_t) findings->n);

	if (last == NULL && findings->n > 0)
		return out_of_memory(err);
	for (int g = 0; g < findings->n; g++)
		last[g] = -1;
	for (int32_t row = 0; row < nn_phrases_n_rows(search->phrases); row++)
	{
		NnPhraseWalk walk;

		nn_phrase_walk(search->phrases, row, search->phrases->max_words, &walk);
		NN_TRY(nn_phrase_poll(search->phrases, walk.at + 1, err));
		while (nn_phrase_step(search->phrases, &walk))
		{
			for (int k = 1; k <= search->phrases->max_words && walk.begin[k] >= 0; k++)
			{
				int32_t		c = search->of_phrase[walk.begin[k]];
				int32_t		g = c < 0 ? -1 : search->candidate[c].group;

				if (g < 0 || last[g] == row)
					continue;
				last[g] = row;
				findings->finding[g].n_rows[search->phrases->cell[row]]++;
			}
		}
	}
	return NN_OK;
}

/* What the groups have of one row: for each that is in it an example, whose share is that of all its places. */
typedef struct RowShares
{
	NnPhraseExample *of_group;	/* (n groups); share is 0 between rows */
	int64_t    *covered;		/* (n) from this place on all is counted */
	int32_t    *touched;		/* the groups of the row */
	int32_t		n_touched;
} RowShares;

static void
share_place(const NnPhraseSearch *search, const NnWeighed *weighed, int64_t at, int n_words, int32_t group, RowShares *shares)
{
	const float *weight = (const float *) search->phrases->weights.data + weighed->at;
	NnPhraseExample *example = &shares->of_group[group];

	if (example->row != weighed->row)
	{
		*example = (NnPhraseExample) {.row = weighed->row};
		shares->covered[group] = INT64_MAX;
		shares->touched[shares->n_touched++] = group;
	}
	for (int64_t i = at; i < at + n_words && i < shares->covered[group]; i++)
		example->share += weight[i] > 0.0f ? weight[i] / weighed->positive : 0.0;
	shares->covered[group] = at;
	example->word = at;
	example->n_words = n_words;
}

static void
share_row(const NnPhraseSearch *search, const NnWeighed *weighed, RowShares *shares)
{
	NnPhraseWalk walk;

	shares->n_touched = 0;
	nn_phrase_walk(search->phrases, weighed->row, search->phrases->max_words, &walk);
	while (nn_phrase_step(search->phrases, &walk))
	{
		for (int k = 1; k <= search->phrases->max_words && walk.begin[k] >= 0; k++)
		{
			int32_t		c = search->of_phrase[walk.begin[k]];

			if (c >= 0 && search->candidate[c].group >= 0)
				share_place(search, weighed, walk.at, k, search->candidate[c].group, shares);
		}
	}
}

/* Among the examples of largest share, at most n_most, before those of a smaller one. */
static void
offer_example(NnPhraseExample *examples, int *n, int n_most, const NnPhraseExample *offered)
{
	int			at = *n;

	if (at == n_most && (at == 0 || examples[at - 1].share >= offered->share))
		return;
	if (at < n_most)
		(*n)++;
	else
		at--;
	for (; at > 0 && examples[at - 1].share < offered->share; at--)
		examples[at] = examples[at - 1];
	examples[at] = *offered;
}

static NnStatus
begin_shares(NnPhraseSearch *search, NnFindings *findings, RowShares *shares, NnPhraseExample **examples, NnError *err)
{
	size_t		n = (size_t) findings->n;

	*examples = NN_TAKE(search->arena, NnPhraseExample, nn_size_mul(n, (size_t) search->options->n_examples));
	shares->of_group = NN_TAKE(search->arena, NnPhraseExample, n);
	shares->covered = NN_TAKE(search->arena, int64_t, n);
	shares->touched = NN_TAKE(search->arena, int32_t, n);
	if (n > 0 && (*examples == NULL || shares->of_group == NULL || shares->covered == NULL || shares->touched == NULL))
		return out_of_memory(err);
	for (size_t g = 0; g < n; g++)
	{
		shares->of_group[g].row = -1;
		findings->finding[g].example = *examples + g * (size_t) search->options->n_examples;
		findings->finding[g].share = 0.0;
	}
	return NN_OK;
}

static NnStatus
share_groups(NnPhraseSearch *search, NnFindings *findings, NnError *err)
{
	NnPhrases  *phrases = search->phrases;
	const NnWeighed *weighed = phrases->weighed.data;
	int			n_examples = search->options->n_examples;
	NnPhraseExample *examples;
	RowShares	shares;
	int64_t		n_rows = 0;

	NN_TRY(begin_shares(search, findings, &shares, &examples, err));
	for (size_t i = 0; i < phrases->weighed.n; i++)
	{
		if (!(weighed[i].positive > 0.0))
			continue;
		n_rows++;
		share_row(search, &weighed[i], &shares);
		for (int32_t j = 0; j < shares.n_touched; j++)
		{
			int32_t		g = shares.touched[j];

			findings->finding[g].share += shares.of_group[g].share;
			offer_example(examples + (size_t) g * (size_t) n_examples, &findings->finding[g].n_examples, n_examples,
						  &shares.of_group[g]);
		}
		NN_TRY(nn_phrase_poll(phrases, 64, err));
	}
	for (int g = 0; g < findings->n; g++)
		findings->finding[g].share = n_rows > 0 ? findings->finding[g].share / (double) n_rows : NAN;
	return NN_OK;
}

/* The phrases of a group behind its first, a line each. */
static NnStatus
list_forms(NnPhraseSearch *search, int32_t group, int32_t first, NnFinding *finding, NnError *err)
{
	char	   *forms = NULL;
	size_t		n = 0;

	for (int32_t c = 0; c < search->n; c++)
	{
		int			n_bytes;
		const char *text;
		char	   *longer;

		if (search->candidate[c].group != group || c == first)
			continue;
		text = nn_phrase_text(search->phrases, search->candidate[c].phrase, search->arena, &n_bytes);
		longer = NN_TAKE(search->arena, char, n + (size_t) n_bytes + 1);
		if (text == NULL || longer == NULL)
			return out_of_memory(err);
		if (n > 0)
		{
			memcpy(longer, forms, n);
			longer[n++] = '\n';
		}
		memcpy(longer + n, text, (size_t) n_bytes);
		n += (size_t) n_bytes;
		forms = longer;
	}
	finding->forms = forms != NULL ? forms : "";
	finding->n_form_bytes = (int) n;
	return NN_OK;
}

NnStatus
nn_phrase_tell(NnPhraseSearch *search, const int32_t *first, NnFindings *findings, NnError *err)
{
	const int64_t *n_rows = search->phrases->n_rows;

	NN_TRY(count_groups(search, findings, err));
	NN_TRY(share_groups(search, findings, err));
	for (int g = 0; g < findings->n; g++)
	{
		NnFinding  *finding = &findings->finding[g];
		const NnPhraseCandidate *candidate = &search->candidate[first[g]];

		finding->bytes = nn_phrase_text(search->phrases, candidate->phrase, search->arena, &finding->n_bytes);
		if (finding->bytes == NULL)
			return out_of_memory(err);
		finding->n_words = nn_phrase_get(search->phrases, candidate->phrase)->n_words;
		finding->p_value = candidate->p;
		finding->lift = ((double) finding->n_rows[NN_ROWS_COHORT] + 0.5) / ((double) n_rows[NN_ROWS_COHORT] + 0.5) /
			(((double) finding->n_rows[NN_ROWS_BASELINE] + 0.5) / ((double) n_rows[NN_ROWS_BASELINE] + 0.5));
		NN_TRY(list_forms(search, g, first[g], finding, err));
	}
	return NN_OK;
}
