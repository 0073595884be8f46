/*
 * topic/cause_groups.c: rows with a label, grouped by what drives it in them.
 */
#include "topic/cause_groups.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "text/lexicon.h"
#include "text/tokenize.h"
#include "topic/corpus.h"
#include "topic/kmeans.h"
#include "topic/vectors.h"

#define WIDTH			50
#define SIF_A			0.03
#define N_STARTS		10
#define POLL_ROWS		1024

/* A row that is no farther from the mean of all, at length 1, is at it. */
#define LEAST			1e-4

/* Larger blocks of words go to a temporary file, where the host has such. */
#define MAP_BYTES		((size_t) 16 * 1024 * 1024)

static const NnCorpusOptions corpus_options = {.min_rows = 3, .max_share = 1.0, .max_words = 10000};

/* A word of a row. */
typedef struct Place
{
	int32_t		word;			/* in the lexicon */
	float		weight;
} Place;

struct NnCauseGroups
{
	NnEnv		env;
	size_t		limit_bytes;
	NnCorpus   *corpus;
	NnLexicon  *lexicon;
	NnArray		places;
	NnArray		starts;			/* size_t: of each row among the places */
};

typedef struct Learning
{
	NnCauseGroups *groups;
	NnArena    *arena;
	NnTopicRows rows;
	float	   *own;			/* of each word of the rows, its part of the row's positive weight */
	double	   *mean;			/* of each word of the vocabulary, over what even weights would be */
	int			width;
	float	   *x;				/* (n, width) vectors of rows */
	bool	   *is_placed;		/* (n) rows that have one */
	NnRng		rng;
} Learning;

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

static NnStatus
poll(const Learning *l, int64_t i, NnError *err)
{
	if (i % POLL_ROWS == 0 && nn_arena_poll(l->arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

NnStatus
nn_cause_groups_create(NnCauseGroups **groups, const NnEnv *env, size_t limit_bytes, NnError *err)
{
	NnCauseGroups *made = env->alloc(env->ctx, sizeof(NnCauseGroups));

	*groups = NULL;
	if (made == NULL)
		return out_of_memory(err);
	made->env = *env;
	made->limit_bytes = limit_bytes;
	nn_array_init(&made->places, &made->env, sizeof(Place));
	nn_array_init(&made->starts, &made->env, sizeof(size_t));
	made->places.map_bytes = MAP_BYTES;
	if (nn_corpus_create(&made->corpus, &made->env, err) != NN_OK || nn_lexicon_create(&made->lexicon, &made->env) != NN_OK)
	{
		nn_cause_groups_destroy(made);
		return out_of_memory(err);
	}
	*groups = made;
	return NN_OK;
}

void
nn_cause_groups_destroy(NnCauseGroups *groups)
{
	NnEnv		env;

	if (groups == NULL)
		return;
	env = groups->env;
	nn_corpus_destroy(groups->corpus);
	nn_lexicon_destroy(groups->lexicon);
	nn_array_free(&groups->places);
	nn_array_free(&groups->starts);
	env.release(env.ctx, groups);
}

static NnStatus
check_memory(const NnCauseGroups *groups, size_t more, NnError *err)
{
	size_t		n_bytes = nn_corpus_bytes(groups->corpus) + nn_lexicon_size_bytes(groups->lexicon) +
	nn_array_bytes(&groups->places) + nn_array_bytes(&groups->starts);

	n_bytes = nn_size_add(n_bytes, more);
	if (n_bytes <= groups->limit_bytes)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "the causes of so many rows need more memory than allowed");
	return nn_fail_detail(err, "They take %zu MB; the limit is %zu MB.", (n_bytes >> 20) + 1, groups->limit_bytes >> 20);
}

NnStatus
nn_cause_groups_add(NnCauseGroups *groups, const char *text, size_t n_bytes,
					const NnWeighted *weighted, int n_weighted, NnError *err)
{
	int32_t		row = (int32_t) groups->starts.n;
	size_t	   *start = nn_array_push(&groups->starts, 1);
	NnWordWeights words;
	NnWord		word;
	double		weight;

	if (start == NULL)
		return out_of_memory(err);
	*start = groups->places.n;
	NN_TRY(nn_corpus_add_row(groups->corpus, err));
	NN_TRY(nn_corpus_add_text(groups->corpus, text, n_bytes, err));
	nn_word_weights_init(&words, &groups->env, text, n_bytes, weighted, n_weighted);
	for (;;)
	{
		Place	   *place;

		NN_TRY(nn_word_weights_next(&words, &word, &weight, err));
		if (word.bytes == NULL)
			break;
		place = nn_array_push(&groups->places, 1);
		if (place == NULL)
			return out_of_memory(err);
		NN_TRY(nn_lexicon_add(groups->lexicon, word.bytes, word.n_bytes, row, &place->word));
		place->weight = (float) (weight > 0.0 ? weight : 0.0);
	}
	return row % 256 == 255 ? check_memory(groups, 0, err) : NN_OK;
}

/* ---- weights ------------------------------------------------------------------ */

/*
 * For each word of the vocabulary its number in the lexicon, and -1; of a pair of characters that the corpus put
 * together (topic/corpus.h) the numbers of both.
 */
static NnStatus
match_words(const Learning *l, int32_t (**parts)[2], NnError *err)
{
	const NnLexicon *lexicon = l->groups->lexicon;

	*parts = nn_arena_take(l->arena, (size_t) l->rows.n_words, sizeof(**parts));
	if (*parts == NULL && l->rows.n_words > 0)
		return out_of_memory(err);
	for (int w = 0; w < l->rows.n_words; w++)
	{
		int			n_bytes;
		const char *bytes = nn_corpus_word(l->groups->corpus, w, &n_bytes);
		int			n_first = (int) nn_utf8_skip(bytes, (size_t) n_bytes, 0, 1);
		int32_t    *part = (*parts)[w];

		part[0] = nn_lexicon_find(lexicon, bytes, n_bytes);
		part[1] = -1;
		if (part[0] >= 0)
			continue;
		part[0] = nn_lexicon_find(lexicon, bytes, n_first);
		part[1] = nn_lexicon_find(lexicon, bytes + n_first, n_bytes - n_first);
	}
	return NN_OK;
}

/* The weights of one row's words, each the mean over the word's places in it, into own. */
static void
weigh_row(const Learning *l, int64_t i, int32_t (*parts)[2], float *sum, int32_t *times, double *even)
{
	const NnCauseGroups *groups = l->groups;
	const size_t *starts = groups->starts.data;
	const Place *places = groups->places.data;
	size_t		row = (size_t) l->rows.row[i];
	size_t		stop = row + 1 < groups->starts.n ? starts[row + 1] : groups->places.n;

	int64_t		from = l->rows.start[i];
	int64_t		to = l->rows.start[i + 1];
	float		positive = 0.0f;

	for (size_t p = starts[row]; p < stop; p++)
	{
		sum[places[p].word] += places[p].weight;
		times[places[p].word]++;
	}
	for (int64_t j = from; j < to; j++)
	{
		l->own[j] = 0.0f;
		for (int k = 0; k < 2; k++)
		{
			int32_t		word = parts[l->rows.word[j]][k];

			if (word >= 0 && times[word] > 0)
				l->own[j] += sum[word] / (float) times[word];
		}
		positive += l->own[j];
	}
	for (int64_t j = from; j < to; j++)
	{
		l->own[j] = positive > 0.0f ? l->own[j] / positive : 0.0f;
		l->mean[l->rows.word[j]] += l->own[j];
		even[l->rows.word[j]] += 1.0 / (double) (to - from);
	}
	for (size_t p = starts[row]; p < stop; p++)
	{
		sum[places[p].word] = 0.0f;
		times[places[p].word] = 0;
	}
}

static NnStatus
weigh_words(Learning *l, NnError *err)
{
	size_t		n_lexemes = (size_t) nn_lexicon_n(l->groups->lexicon);
	float	   *sum = NN_ALLOC(l->arena, float, n_lexemes);
	int32_t    *times = NN_ALLOC(l->arena, int32_t, n_lexemes);
	double	   *even = NN_ALLOC(l->arena, double, (size_t) l->rows.n_words);
	int32_t		(*parts)[2];

	l->own = NN_TAKE(l->arena, float, (size_t) l->rows.start[l->rows.n]);
	l->mean = NN_ALLOC(l->arena, double, (size_t) l->rows.n_words);
	if (sum == NULL || times == NULL || even == NULL || l->own == NULL || l->mean == NULL)
		return out_of_memory(err);
	NN_TRY(match_words(l, &parts, err));
	for (int64_t i = 0; i < l->rows.n; i++)
	{
		NN_TRY(poll(l, i, err));
		weigh_row(l, i, parts, sum, times, even);
	}
	for (int w = 0; w < l->rows.n_words; w++)
		l->mean[w] /= even[w];
	return NN_OK;
}

/* ---- vectors --------------------------------------------------------------------- */

/* What a place counts: m / (1 + m) a / (a + p). */
static NnStatus
sum_words(const Learning *l, const float *vector, NnError *err)
{
	const NnTopicRows *rows = &l->rows;
	float	   *weight = NN_TAKE(l->arena, float, (size_t) rows->start[rows->n]);
	double		all = rows->n_all_tokens > 0 ? (double) rows->n_all_tokens : 1.0;

	if (weight == NULL)
		return out_of_memory(err);
	memset(l->x, 0, (size_t) rows->n * (size_t) l->width * sizeof(float));
	for (int64_t i = 0; i < rows->n; i++)
	{
		int64_t		from = rows->start[i];

		NN_TRY(poll(l, i, err));
		for (int64_t j = from; j < rows->start[i + 1]; j++)
		{
			int32_t		w = rows->word[j];

			weight[j] = (float) (l->mean[w] / (1.0 + l->mean[w]) * SIF_A / (SIF_A + (double) rows->n_tokens[w] / all));
		}
		nn_gather_sum(rows->start[i + 1] - from, rows->word + from, weight + from, vector, l->width,
					  l->x + (size_t) i * (size_t) l->width);
	}
	return NN_OK;
}

/* At length 1, unless it is shorter than `least`: such a one becomes zero. */
static bool
normalize(float *x, int width, double least)
{
	double		norm = sqrt(nn_sum_squares(width, x));

	if (norm > least)
		nn_scale(width, (float) (1.0 / norm), x);
	else
		memset(x, 0, sizeof(float) * (size_t) width);
	return norm > least;
}

/* Vectors at length 1, those of rows that have one. */
static NnStatus
place_rows(Learning *l, NnError *err)
{
	l->is_placed = NN_TAKE(l->arena, bool, (size_t) l->rows.n);
	if (l->is_placed == NULL)
		return out_of_memory(err);
	for (int64_t i = 0; i < l->rows.n; i++)
	{
		NN_TRY(poll(l, i, err));
		l->is_placed[i] = normalize(l->x + (size_t) i * (size_t) l->width, l->width, 0.0);
	}
	return NN_OK;
}

/*
 * Less their mean, what all rows have in common.  Their leading direction instead (Arora, Liang and Ma 2017) does as well, but where
 * most rows have one cause it is that cause.  What is left of a row that is like the mean is rounding.
 */
static NnStatus
take_out_mean(const Learning *l, NnError *err)
{
	double	   *mean = NN_ALLOC(l->arena, double, (size_t) l->width);
	int64_t		n = 0;

	if (mean == NULL)
		return out_of_memory(err);
	for (int64_t i = 0; i < l->rows.n; i++)
	{
		NN_TRY(poll(l, i, err));
		n += l->is_placed[i];
		for (int k = 0; k < l->width; k++)
			mean[k] += (double) l->x[(size_t) i * (size_t) l->width + (size_t) k];
	}
	for (int64_t i = 0; i < l->rows.n; i++)
	{
		float	   *x = l->x + (size_t) i * (size_t) l->width;

		NN_TRY(poll(l, i, err));
		if (!l->is_placed[i])
			continue;
		for (int k = 0; k < l->width; k++)
			x[k] = (float) ((double) x[k] - mean[k] / (double) n);
		(void) normalize(x, l->width, LEAST);
	}
	return NN_OK;
}

static NnStatus
make_vectors(Learning *l, NnError *err)
{
	float	   *vector;
	float	   *telling;

	l->width = l->rows.n_words < WIDTH ? l->rows.n_words : WIDTH;
	vector = NN_TAKE(l->arena, float, nn_size_mul((size_t) l->rows.n_words, (size_t) l->width));
	telling = NN_TAKE(l->arena, float, (size_t) l->rows.n_words);
	l->x = NN_TAKE(l->arena, float, nn_size_mul((size_t) l->rows.n, (size_t) l->width));
	if (vector == NULL || telling == NULL || l->x == NULL)
		return out_of_memory(err);
	NN_TRY(nn_word_vectors(&l->rows, l->width, l->groups->limit_bytes, &l->rng, l->arena, vector, telling, err));
	NN_TRY(sum_words(l, vector, err));
	NN_TRY(place_rows(l, err));
	return take_out_mean(l, err);
}

/* ---- groups ------------------------------------------------------------------------ */

/* Rows without a vector stand behind the others; order (n) gets the rows' numbers.  Returns how many have one. */
static int64_t
gather_vectors(Learning *l, int64_t *order)
{
	int64_t		n = 0;

	for (int64_t i = 0; i < l->rows.n; i++)
	{
		if (!l->is_placed[i])
			continue;
		if (n != i)
			memcpy(l->x + (size_t) n * (size_t) l->width, l->x + (size_t) i * (size_t) l->width, sizeof(float) * (size_t) l->width);
		order[n++] = i;
	}
	return n;
}

static float
cosine_with(const float *x, const float *center, int width)
{
	double		sum = 0.0;
	double		norm = nn_sum_squares(width, center);

	for (int k = 0; k < width; k++)
		sum += (double) x[k] * (double) center[k];
	return norm > 0.0 ? (float) (sum / sqrt(norm)) : 0.0f;
}

/* Numbers of groups by their rows, most first, into rank (k). */
static void
rank_groups(const NnClusters *clusters, int64_t n, int64_t *n_rows, int32_t *rank)
{
	for (int64_t i = 0; i < n; i++)
		n_rows[clusters->cluster[i]]++;
	for (int g = 0; g < clusters->k; g++)
	{
		rank[g] = 0;
		for (int other = 0; other < clusters->k; other++)
			rank[g] += n_rows[other] > n_rows[g] || (n_rows[other] == n_rows[g] && other < g);
	}
}

static NnStatus
cluster_rows(Learning *l, int n_groups, int32_t *of_sorted, float *near, NnGrouped *grouped, NnError *err)
{
	int64_t    *order = NN_TAKE(l->arena, int64_t, (size_t) l->rows.n);
	int64_t    *n_rows = NN_ALLOC(l->arena, int64_t, (size_t) n_groups);
	int32_t    *rank = NN_TAKE(l->arena, int32_t, (size_t) n_groups);
	NnClusters	clusters;
	int64_t		n;

	if (order == NULL || n_rows == NULL || rank == NULL)
		return out_of_memory(err);
	n = gather_vectors(l, order);
	grouped->n_groups = n < n_groups ? (int) n : n_groups;
	if (n == 0)
		return NN_OK;
	NN_TRY(nn_clusters_create(&clusters, grouped->n_groups, n, l->width, l->arena, err));
	NN_TRY(nn_kmeans(l->x, n, l->width, N_STARTS, &l->rng, l->arena, &clusters, err));
	rank_groups(&clusters, n, n_rows, rank);
	for (int64_t i = 0; i < n; i++)
	{
		int32_t		c = clusters.cluster[i];

		of_sorted[order[i]] = rank[c];
		near[order[i]] = cosine_with(l->x + (size_t) i * (size_t) l->width, clusters.center + (size_t) c * (size_t) l->width, l->width);
	}
	return NN_OK;
}

/* ---- names ---------------------------------------------------------------------------- */

/* Among the words of largest score, before those of a smaller one. */
static void
offer_word(NnCauseGroup *group, double *best, int32_t *chosen, int32_t word, double score)
{
	int			at = group->n_words;

	if (!(score > 0.0) || (at == NN_CAUSE_WORDS && best[at - 1] >= score))
		return;
	if (at < NN_CAUSE_WORDS)
		group->n_words++;
	else
		at--;
	for (; at > 0 && best[at - 1] < score; at--)
	{
		best[at] = best[at - 1];
		chosen[at] = chosen[at - 1];
	}
	best[at] = score;
	chosen[at] = word;
}

/* The weight w_g of a word in group g, of W_g of all words: w_g ln((w_g / W_g) / (w / W)), as class-based tf-idf. */
static void
name_group(const Learning *l, NnCauseGroup *group, const double *in_group, double of_group, const double *in_all, double of_all)
{
	double		best[NN_CAUSE_WORDS];
	int32_t		chosen[NN_CAUSE_WORDS];

	for (int32_t w = 0; w < l->rows.n_words; w++)
	{
		if (in_group[w] > 0.0)
			offer_word(group, best, chosen, w, in_group[w] * log(in_group[w] / of_group * of_all / in_all[w]));
	}
	for (int i = 0; i < group->n_words; i++)
		group->word[i] = nn_corpus_word(l->groups->corpus, chosen[i], &group->n_bytes[i]);
}

static NnStatus
name_groups(const Learning *l, const int32_t *of_sorted, NnGrouped *grouped, NnError *err)
{
	size_t		V = (size_t) l->rows.n_words;
	size_t		K = (size_t) grouped->n_groups;
	double	   *weight = NN_ALLOC(l->arena, double, nn_size_mul(V, K + 1)); /* the last: of all */
	double	   *total = NN_ALLOC(l->arena, double, K + 1);

	if (weight == NULL || total == NULL)
		return out_of_memory(err);
	for (int64_t i = 0; i < l->rows.n; i++)
	{
		NN_TRY(poll(l, i, err));
		if (of_sorted[i] < 0)
			continue;
		grouped->group[of_sorted[i]].n_rows++;
		for (int64_t j = l->rows.start[i]; j < l->rows.start[i + 1]; j++)
		{
			weight[(size_t) of_sorted[i] * V + (size_t) l->rows.word[j]] += l->own[j];
			weight[K * V + (size_t) l->rows.word[j]] += l->own[j];
			total[of_sorted[i]] += l->own[j];
			total[K] += l->own[j];
		}
	}
	for (size_t g = 0; g < K; g++)
	{
		grouped->group[g].share = total[K] > 0.0 ? total[g] / total[K] : 0.0;
		name_group(l, &grouped->group[g], weight + g * V, total[g], weight + K * V, total[K]);
	}
	return NN_OK;
}

NnStatus
nn_cause_groups_learn(NnCauseGroups *groups, int n_groups, uint64_t seed, NnArena *arena, NnGrouped *grouped, NnError *err)
{
	Learning	l = {.groups = groups, .arena = arena};
	size_t		n = (size_t) nn_corpus_n(groups->corpus);
	int32_t    *of_sorted = NN_TAKE(arena, int32_t, n);
	float	   *near = NN_ALLOC(arena, float, n);

	memset(grouped, 0, sizeof(*grouped));
	nn_rng_seed(&l.rng, seed);
	grouped->n = (int64_t) n;
	grouped->of_row = NN_TAKE(arena, int32_t, n);
	grouped->near = NN_ALLOC(arena, float, n);
	grouped->group = NN_ALLOC(arena, NnCauseGroup, (size_t) n_groups);
	if (grouped->group == NULL || (n > 0 && (of_sorted == NULL || near == NULL || grouped->of_row == NULL || grouped->near == NULL)))
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++)
		of_sorted[i] = grouped->of_row[i] = -1;
	NN_TRY(check_memory(groups, n * (WIDTH * sizeof(float) + 64) + groups->places.n * 16, err));
	NN_TRY(nn_corpus_finish(groups->corpus, &corpus_options, arena, &l.rows, err));
	if (l.rows.n_words == 0)
		return NN_OK;
	NN_TRY(weigh_words(&l, err));
	NN_TRY(make_vectors(&l, err));
	NN_TRY(cluster_rows(&l, n_groups, of_sorted, near, grouped, err));
	NN_TRY(name_groups(&l, of_sorted, grouped, err));
	for (int64_t i = 0; i < l.rows.n; i++)
	{
		grouped->of_row[l.rows.row[i]] = of_sorted[i];
		grouped->near[l.rows.row[i]] = near[i];
	}
	return NN_OK;
}
