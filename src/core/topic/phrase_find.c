/*
 * topic/phrase_find.c: which phrases the cohort has more often, and what of them is to be
 * told.
 *
 * 1. Tests.  A phrase that is in t of the compared rows cannot have a smaller p-value than if
 *    all t were the cohort's.  Phrases too rare to be found whatever they did are not tested,
 *    so that there are fewer to correct for (Tarone 1990); that looks at t alone, which a
 *    random split does not change.
 * 2. What speaks for the label.  A phrase is kept if its words weigh more than the words of its
 *    rows would if all spoke for the label alike, or if the cohort's compared rows have it
 *    far oftener than its others (the model may not have learned it).  Others are a mark of the
 *    cohort, as its name is, and so is what is but a mark with a word more.
 * 3. Overlap.  A part of a longer finding whose forms have most of its rows tells nothing beside it.
 *    From the surest on, neither does one that shares a word with another and has most
 *    of its rows inside that one's.  Forms of the same words are one finding.
 * 4. Shares, counted over all forms (phrase_tell.c).
 */
#include "topic/phrase_search.h"

#include <math.h>
#include <string.h>

#include "stat/tests.h"
#include "text/sort.h"

/* Findings that are compared with each other. */
#define MAX_COMPARED	1000

/* "Most" of a phrase's rows. */
#define MOST			0.8

/*
 * The cohort's compared rows have a phrase so many times as often as its others, and by chance they would no
 * oftener than that: a mark of the cohort is in both alike.
 */
#define OFTENER			2.0
#define SURELY			0.01

/* Of phrases in more rows it is not asked whether they could be found. */
#define MAX_RARE		1000

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

static NnTwoSamples
samples_of(const NnPhrases *phrases, const NnPhrase *phrase)
{
	return (NnTwoSamples)
	{
		phrase->n_rows[NN_ROWS_COHORT], phrases->n_rows[NN_ROWS_COHORT],
			phrase->n_rows[NN_ROWS_BASELINE], phrases->n_rows[NN_ROWS_BASELINE]
	};
}

static int32_t
n_compared(const NnPhrase *phrase)
{
	return phrase->n_rows[NN_ROWS_COHORT] + phrase->n_rows[NN_ROWS_BASELINE];
}

/* ---- 1. tests ----------------------------------------------------------------------- */

/* The fewest rows with which a phrase could be found. */
static int32_t
least_rows(const NnPhraseSearch *search)
{
	const NnPhrases *phrases = search->phrases;
	int64_t		n_with[MAX_RARE + 1] = {0}; /* phrases in so many rows */
	int64_t		n_left = (int64_t) phrases->phrases.n;

	for (size_t i = 0; i < phrases->phrases.n; i++)
	{
		int32_t		t = n_compared(nn_phrase_get(phrases, (int32_t) i));

		n_with[t < MAX_RARE ? t : MAX_RARE]++;
	}
	for (int32_t t = 1; t <= MAX_RARE; t++)
	{
		int64_t		n_cohort = phrases->n_rows[NN_ROWS_COHORT];
		int64_t		most = t < n_cohort ? t : n_cohort;
		NnTwoSamples best = {most, n_cohort, t - most, phrases->n_rows[NN_ROWS_BASELINE]};

		n_left -= n_with[t - 1];
		if (best.second_with > best.second_n)
			break;
		if (nn_fisher_test(&best, NN_FIRST_MORE) * (double) n_left <= search->options->false_rate)
			return t;
	}
	return MAX_RARE;
}

static NnStatus
test_phrases(NnPhraseSearch *search, NnError *err)
{
	NnPhrases  *phrases = search->phrases;
	int32_t		least = least_rows(search);
	int32_t		n_phrases = (int32_t) phrases->phrases.n;
	double	   *p = NN_TAKE(search->arena, double, (size_t) n_phrases);
	int32_t    *order = NN_TAKE(search->arena, int32_t, (size_t) n_phrases);
	int32_t		n = 0;

	search->candidate = NN_TAKE(search->arena, NnPhraseCandidate, (size_t) n_phrases);
	if (n_phrases > 0 && (p == NULL || order == NULL || search->candidate == NULL))
		return out_of_memory(err);
	for (int32_t i = 0; i < n_phrases; i++)
	{
		const NnPhrase *phrase = nn_phrase_get(phrases, i);
		NnTwoSamples samples = samples_of(phrases, phrase);

		NN_TRY(nn_phrase_poll(phrases, 64, err));
		if (n_compared(phrase) < least)
			continue;
		search->candidate[n] = (NnPhraseCandidate)
		{
			.phrase = i, .g = nn_g_statistic(&samples), .group = NN_NO_GROUP
		};
		p[n++] = nn_share_test(&samples, NN_FIRST_MORE);
	}
	search->n_tests = n;
	nn_benjamini_hochberg(p, n, n, order);
	for (int32_t i = 0; i < n; i++)
	{
		search->candidate[i].p = p[i];
		if (p[i] <= search->options->false_rate)
			search->candidate[search->n++] = search->candidate[i];
	}
	return NN_OK;
}

/* ---- 2. what speaks for the label ------------------------------------------------------ */

static NnStatus
index_candidates(NnPhraseSearch *search, NnError *err)
{
	size_t		n_phrases = search->phrases->phrases.n;

	if (search->of_phrase == NULL)
		search->of_phrase = NN_TAKE(search->arena, int32_t, n_phrases);
	if (search->of_phrase == NULL && n_phrases > 0)
		return out_of_memory(err);
	for (size_t i = 0; i < n_phrases; i++)
		search->of_phrase[i] = -1;
	for (int32_t c = 0; c < search->n; c++)
		search->of_phrase[search->candidate[c].phrase] = c;
	return NN_OK;
}

/* Weights of the words from a place on. */
static double
weight_at(const float *weight, int64_t at, int n_words)
{
	double		sum = 0.0;

	for (int i = 0; i < n_words; i++)
		sum += weight[at + i];
	return sum;
}

static int64_t
count_row_words(const NnPhrases *phrases, int32_t row)
{
	const int32_t *places;
	int64_t		n_places = nn_phrase_places(phrases, row, &places);
	int64_t		n = 0;

	for (int64_t i = 0; i < n_places; i++)
		n += places[i] != NN_PLACE_SIGN;
	return n;
}

static NnStatus
weigh_candidates(NnPhraseSearch *search, NnError *err)
{
	NnPhrases  *phrases = search->phrases;
	const NnWeighed *weighed = phrases->weighed.data;

	for (size_t i = 0; i < phrases->weighed.n; i++)
	{
		const float *weight = (const float *) phrases->weights.data + weighed[i].at;
		double		n_words = (double) count_row_words(phrases, weighed[i].row);
		NnPhraseWalk walk;

		nn_phrase_walk(phrases, weighed[i].row, phrases->max_words, &walk);
		NN_TRY(nn_phrase_poll(phrases, walk.at + 1, err));
		while (weighed[i].positive > 0.0 && nn_phrase_step(phrases, &walk))
		{
			for (int k = 1; k <= phrases->max_words && walk.begin[k] >= 0; k++)
			{
				int32_t		c = search->of_phrase[walk.begin[k]];

				if (c < 0)
					continue;
				search->candidate[c].net += weight_at(weight, walk.at, k) / weighed[i].positive;
				search->candidate[c].even += k / n_words;
			}
		}
	}
	return NN_OK;
}

/* The cohort's compared rows against its others. */
static NnTwoSamples
within_cohort(const NnPhrases *phrases, const NnPhrase *phrase)
{
	return (NnTwoSamples)
	{
		phrase->n_rows[NN_ROWS_COHORT], phrases->n_rows[NN_ROWS_COHORT],
			phrase->n_rows[NN_ROWS_COHORT_OTHER], phrases->n_rows[NN_ROWS_COHORT_OTHER]
	};
}

static bool
goes_with_label(const NnTwoSamples *s)
{
	return (double) s->first_with * (double) s->second_n >= OFTENER * (double) s->second_with * (double) s->first_n &&
		nn_share_test(s, NN_FIRST_MORE) <= SURELY;
}

static bool
speaks_for_label(const NnPhraseSearch *search, const NnPhraseCandidate *candidate)
{
	NnTwoSamples samples = within_cohort(search->phrases, nn_phrase_get(search->phrases, candidate->phrase));

	return candidate->net >= candidate->even || goes_with_label(&samples);
}

/* Is it a mark with a word more?  Then the mark has many more rows. */
static bool
inherits_mark(const NnPhraseSearch *search, const NnPhraseCandidate *candidate)
{
	const int32_t *of_word = search->phrases->of_word.data;
	const NnPhrase *phrase = nn_phrase_get(search->phrases, candidate->phrase);
	int32_t		word[NN_PHRASE_WORDS];
	int			n = nn_phrase_words(search->phrases, candidate->phrase, word);

	for (int i = 0; i < n && n > 1; i++)
	{
		int32_t		alone = of_word[word[i]];

		if (search->is_mark[alone] &&
			2 * phrase->n_rows[NN_ROWS_COHORT] < nn_phrase_get(search->phrases, alone)->n_rows[NN_ROWS_COHORT])
			return true;
	}
	return false;
}

static NnStatus
keep_speaking(NnPhraseSearch *search, NnError *err)
{
	int32_t		kept = 0;

	search->is_mark = NN_ALLOC(search->arena, bool, search->phrases->phrases.n);
	if (search->is_mark == NULL && search->phrases->phrases.n > 0)
		return out_of_memory(err);
	for (int32_t i = 0; i < search->n; i++)
	{
		if (speaks_for_label(search, &search->candidate[i]))
			search->candidate[kept++] = search->candidate[i];
		else
			search->is_mark[search->candidate[i].phrase] = true;
	}
	search->n = kept;
	kept = 0;
	for (int32_t i = 0; i < search->n; i++)
	{
		if (!inherits_mark(search, &search->candidate[i]))
			search->candidate[kept++] = search->candidate[i];
	}
	search->n = kept;
	return NN_OK;
}

/*
 * How surely a phrase is both: more frequent than in the baseline, and than in the cohort's other rows, if there are any.
 * Of two tests that must both hold the weaker counts (Berger 1982), so a mark of the cohort does not come before a cause
 * for being frequent.
 */
static double
sureness(const NnPhraseSearch *search, const NnPhraseCandidate *candidate)
{
	NnTwoSamples within = within_cohort(search->phrases, nn_phrase_get(search->phrases, candidate->phrase));

	if (within.second_n == 0)
		return candidate->g;
	if ((double) within.first_with * (double) within.second_n <= (double) within.second_with * (double) within.first_n)
		return 0.0;
	return fmin(candidate->g, nn_g_statistic(&within));
}

/* The surest first, of equal ones the larger G, the longer phrase, then by the words: nothing depends on the order of reading. */
static int
is_surer(int32_t a, int32_t b, const void *context)
{
	const NnPhraseSearch *search = context;
	const NnPhraseCandidate *x = &search->candidate[a];
	const NnPhraseCandidate *y = &search->candidate[b];
	int			n_x = nn_phrase_get(search->phrases, x->phrase)->n_words;
	int			n_y = nn_phrase_get(search->phrases, y->phrase)->n_words;

	if (x->sureness != y->sureness)
		return x->sureness > y->sureness;
	if (x->g != y->g)
		return x->g > y->g;
	if (n_x != n_y)
		return n_x > n_y;
	return nn_phrase_compare(search->phrases, x->phrase, y->phrase) < 0;
}

static NnStatus
sort_candidates(NnPhraseSearch *search, NnError *err)
{
	int32_t    *order = NN_TAKE(search->arena, int32_t, (size_t) search->n);
	NnPhraseCandidate *sorted = NN_TAKE(search->arena, NnPhraseCandidate, (size_t) search->n);
	NnStatus	status;

	if (search->n > 0 && (order == NULL || sorted == NULL))
		return out_of_memory(err);
	for (int32_t i = 0; i < search->n; i++)
	{
		order[i] = i;
		search->candidate[i].sureness = sureness(search, &search->candidate[i]);
		NN_TRY(nn_phrase_poll(search->phrases, 64, err));
	}
	status = nn_sort_numbers(order, (size_t) search->n, is_surer, search, &search->phrases->env);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	for (int32_t i = 0; i < search->n; i++)
		sorted[i] = search->candidate[order[i]];
	search->candidate = sorted;
	return NN_OK;
}

/* ---- 3. overlap -------------------------------------------------------------------------- */

/* The candidates of one row of the cohort, each once; returns how many. */
static int32_t
candidates_of(const NnPhraseSearch *search, int32_t row, int32_t *seen, int32_t *in_row)
{
	NnPhraseWalk walk;
	int32_t		n = 0;

	nn_phrase_walk(search->phrases, row, search->phrases->max_words, &walk);
	while (nn_phrase_step(search->phrases, &walk))
	{
		for (int k = 1; k <= search->phrases->max_words && walk.begin[k] >= 0; k++)
		{
			int32_t		c = search->of_phrase[walk.begin[k]];

			if (c >= 0 && seen[c] != row)
			{
				seen[c] = row;
				in_row[n++] = c;
			}
		}
	}
	return n;
}

static NnStatus
count_common(NnPhraseSearch *search, NnError *err)
{
	size_t		n = (size_t) search->n;
	int32_t    *seen = NN_TAKE(search->arena, int32_t, n);
	int32_t    *in_row = NN_TAKE(search->arena, int32_t, n);

	search->common = NN_ALLOC(search->arena, int32_t, n * n);
	if (n > 0 && (seen == NULL || in_row == NULL || search->common == NULL))
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++)
		seen[i] = -1;
	for (int32_t row = 0; row < nn_phrases_n_rows(search->phrases); row++)
	{
		int32_t		n_in;

		if (search->phrases->cell[row] != NN_ROWS_COHORT)
			continue;
		n_in = candidates_of(search, row, seen, in_row);
		for (int32_t i = 0; i < n_in; i++)
		{
			for (int32_t j = 0; j < n_in; j++)
				search->common[(size_t) in_row[i] * n + (size_t) in_row[j]]++;
		}
		NN_TRY(nn_phrase_poll(search->phrases, 64 + (int64_t) n_in * n_in, err));
	}
	return NN_OK;
}

/* Are most of a's rows of the cohort b's? */
static bool
is_mostly_in(const NnPhraseSearch *search, int32_t a, int32_t b)
{
	size_t		n = (size_t) search->n;

	return search->common[(size_t) a * n + (size_t) b] >= MOST * search->common[(size_t) a * n + (size_t) a];
}

/* Rows of the cohort that have c inside of a longer phrase, this one or another form of it. */
static int64_t
count_within(const NnPhraseSearch *search, int32_t c, int32_t longer)
{
	int64_t		n = 0;

	for (int32_t other = 0; other < search->n; other++)
	{
		if (search->common[(size_t) c * (size_t) search->n + (size_t) other] > 0 &&
			(other == longer || nn_phrase_is_form(search->phrases, search->candidate[other].phrase,
												  search->candidate[longer].phrase)) &&
			nn_phrase_is_within(search->phrases, search->candidate[c].phrase, search->candidate[other].phrase))
			n += search->common[(size_t) c * (size_t) search->n + (size_t) other];
	}
	return n;
}

static bool
is_part_of_longer(const NnPhraseSearch *search, int32_t c)
{
	const int32_t *common = search->common + (size_t) c * (size_t) search->n;

	for (int32_t other = 0; other < search->n; other++)
	{
		if (common[other] > 0 &&
			nn_phrase_is_within(search->phrases, search->candidate[c].phrase, search->candidate[other].phrase) &&
			(double) count_within(search, c, other) >= MOST * common[c])
			return true;
	}
	return false;
}

/* Does a surer finding tell of c already? */
static bool
is_told(const NnPhraseSearch *search, int32_t c)
{
	for (int32_t surer = 0; surer < c; surer++)
	{
		if (search->candidate[surer].group != NN_NO_GROUP &&
			nn_phrase_share_word(search->phrases, search->candidate[c].phrase, search->candidate[surer].phrase) &&
			is_mostly_in(search, c, surer))
			return true;
	}
	return false;
}

/* The finding that c belongs to: as a form of it, or else a new one; NN_NO_GROUP if it is not to be told. */
static int32_t
group_of(const NnPhraseSearch *search, int32_t c, const int32_t *first, int32_t n_groups)
{
	for (int32_t g = 0; g < n_groups; g++)
	{
		if (nn_phrase_is_form(search->phrases, search->candidate[c].phrase, search->candidate[first[g]].phrase))
			return g;
	}
	if (n_groups == search->options->max_findings || is_part_of_longer(search, c) || is_told(search, c))
		return NN_NO_GROUP;
	return n_groups;
}

/* Candidates into groups; first (max_findings) is the surest of each.  Returns how many. */
static int32_t
group_candidates(NnPhraseSearch *search, int32_t *first)
{
	int32_t		n_groups = 0;

	for (int32_t c = 0; c < search->n; c++)
	{
		search->candidate[c].group = group_of(search, c, first, n_groups);
		if (search->candidate[c].group == n_groups)
			first[n_groups++] = c;
	}
	return n_groups;
}

/* ---- all of it ---------------------------------------------------------------------------- */

NnStatus
nn_phrases_find(NnPhrases *phrases, const NnFindingOptions *options, NnArena *arena,
				NnFindings *findings, NnError *err)
{
	NnPhraseSearch search = {.phrases = phrases, .options = options, .arena = arena};
	int32_t    *first = NN_TAKE(arena, int32_t, (size_t) options->max_findings);

	memset(findings, 0, sizeof(*findings));
	memcpy(findings->n_rows, phrases->n_rows, sizeof(findings->n_rows));
	if (first == NULL)
		return out_of_memory(err);
	NN_TRY(test_phrases(&search, err));
	NN_TRY(index_candidates(&search, err));
	NN_TRY(weigh_candidates(&search, err));
	NN_TRY(keep_speaking(&search, err));
	NN_TRY(sort_candidates(&search, err));
	if (search.n > MAX_COMPARED)
		search.n = MAX_COMPARED;
	NN_TRY(index_candidates(&search, err));
	NN_TRY(count_common(&search, err));
	findings->n_tests = search.n_tests;
	findings->n = group_candidates(&search, first);
	findings->finding = NN_ALLOC(arena, NnFinding, (size_t) findings->n);
	if (findings->n > 0 && findings->finding == NULL)
		return out_of_memory(err);
	return nn_phrase_tell(&search, first, findings, err);
}
