/*
 * topic/words.c: words that name topics; coherence and diversity.
 */
#include "topic/words.h"

#include <math.h>
#include <string.h>

#define N_CANDIDATES	30

typedef struct Naming
{
	const NnTopicRows *rows;
	const int32_t *topic;
	const float *telling;
	int			n_topics;
	int64_t    *in_topic;		/* (n_words) tokens within the topic at hand */
	double	   *typical;		/* (n_words) */
	int32_t    *candidate;		/* (max_candidates) */
	int			max_candidates;
	int			n_candidates;
	uint64_t   *bits;			/* (max_candidates, n_bits) rows that have each */
	size_t		n_bits;			/* in words of 64 */
	int32_t    *slot;			/* (n_words) among the candidates, or -1 */
	double	   *npmi;			/* (max_candidates, max_candidates) */
	NnArena    *arena;
} Naming;

double
nn_npmi(int64_t n, int64_t a, int64_t b, int64_t both)
{
	double		p;

	if (both <= 0)
		return -1.0;
	if (both >= n)
		return 1.0;
	p = (double) both / (double) n;
	return log(p * (double) n / (double) a * (double) n / (double) b) / -log(p);
}

static NnStatus
create_naming(Naming *naming, const NnTopicRows *rows, const int32_t *topic, const float *telling, int n_topics, int n_shown,
			  NnArena *arena, NnError *err)
{
	size_t		V = (size_t) rows->n_words;
	size_t		M = (size_t) (N_CANDIDATES > n_shown ? N_CANDIDATES : n_shown);

	*naming = (Naming)
	{
		.rows = rows, .topic = topic, .telling = telling, .n_topics = n_topics, .max_candidates = (int) M, .arena = arena
	};
	naming->n_bits = ((size_t) rows->n + 63) / 64;
	naming->in_topic = NN_ALLOC(arena, int64_t, V);
	naming->typical = NN_ALLOC(arena, double, V);
	naming->candidate = NN_ALLOC(arena, int32_t, M);
	naming->bits = NN_ALLOC(arena, uint64_t, nn_size_mul(M, naming->n_bits));
	naming->slot = NN_ALLOC(arena, int32_t, V);
	naming->npmi = NN_ALLOC(arena, double, M * M);
	if (naming->in_topic == NULL || naming->typical == NULL || naming->candidate == NULL || naming->bits == NULL ||
		naming->slot == NULL || naming->npmi == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (size_t w = 0; w < V; w++)
		naming->slot[w] = -1;
	return NN_OK;
}

static NnStatus
poll(int64_t i, const Naming *naming, NnError *err)
{
	if (i % 4096 == 0 && nn_arena_poll(naming->arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

/* How typical each word is of topic k; returns the topic's rows. */
static NnStatus
weigh_words(Naming *naming, int k, int64_t *n_rows, NnError *err)
{
	const NnTopicRows *rows = naming->rows;
	int64_t		n_tokens = 0;

	memset(naming->in_topic, 0, (size_t) rows->n_words * sizeof(int64_t));
	*n_rows = 0;
	for (int64_t i = 0; i < rows->n; i++)
	{
		NN_TRY(poll(i, naming, err));
		if (naming->topic[i] != k)
			continue;
		(*n_rows)++;
		n_tokens += rows->start[i + 1] - rows->start[i];
		for (int64_t j = rows->start[i]; j < rows->start[i + 1]; j++)
			naming->in_topic[rows->word[j]]++;
	}
	for (int w = 0; w < rows->n_words; w++)
	{
		double		within = n_tokens > 0 ? (double) naming->in_topic[w] / (double) n_tokens : 0.0;
		double		overall = (double) rows->n_tokens[w] / (double) rows->n_all_tokens;

		naming->typical[w] = within > overall ? naming->telling[w] * within * log(within / overall) : 0.0;
	}
	return NN_OK;
}

/* The most typical words, in order; of equally typical ones the first. */
static void
choose_candidates(Naming *naming)
{
	int			n = 0;

	for (int w = 0; w < naming->rows->n_words; w++)
	{
		int			at = n;

		if (!(naming->typical[w] > 0.0))
			continue;
		if (n == naming->max_candidates && naming->typical[w] <= naming->typical[naming->candidate[n - 1]])
			continue;
		if (n == naming->max_candidates)
			at = n - 1;
		else
			n++;
		for (; at > 0 && naming->typical[naming->candidate[at - 1]] < naming->typical[w]; at--)
			naming->candidate[at] = naming->candidate[at - 1];
		naming->candidate[at] = w;
	}
	naming->n_candidates = n;
}

/* Which rows have which candidate. */
static NnStatus
mark_rows(Naming *naming, NnError *err)
{
	const NnTopicRows *rows = naming->rows;

	memset(naming->bits, 0, (size_t) naming->max_candidates * naming->n_bits * sizeof(uint64_t));
	for (int c = 0; c < naming->n_candidates; c++)
		naming->slot[naming->candidate[c]] = c;
	for (int64_t i = 0; i < rows->n; i++)
	{
		NN_TRY(poll(i, naming, err));
		for (int64_t j = rows->start[i]; j < rows->start[i + 1]; j++)
		{
			int32_t		c = naming->slot[rows->word[j]];

			if (c >= 0)
				naming->bits[(size_t) c * naming->n_bits + (size_t) i / 64] |= UINT64_C(1) << (i % 64);
		}
	}
	for (int c = 0; c < naming->n_candidates; c++)
		naming->slot[naming->candidate[c]] = -1;
	return NN_OK;
}

static int64_t
count_both(const Naming *naming, int c, int d)
{
	const uint64_t *x = naming->bits + (size_t) c * naming->n_bits;
	const uint64_t *y = naming->bits + (size_t) d * naming->n_bits;
	int64_t		n = 0;

	for (size_t i = 0; i < naming->n_bits; i++)
		n += __builtin_popcountll(x[i] & y[i]);
	return n;
}

static NnStatus
measure_pairs(Naming *naming, NnError *err)
{
	const NnTopicRows *rows = naming->rows;
	int			M = naming->max_candidates;

	NN_TRY(mark_rows(naming, err));
	for (int c = 0; c < naming->n_candidates; c++)
	{
		NN_TRY(poll(0, naming, err));
		for (int d = 0; d < c; d++)
		{
			double		npmi = nn_npmi(rows->n, rows->n_rows[naming->candidate[c]], rows->n_rows[naming->candidate[d]],
									   count_both(naming, c, d));

			naming->npmi[c * M + d] = npmi;
			naming->npmi[d * M + c] = npmi;
		}
	}
	return NN_OK;
}

/* Take candidate number c out, the order of the others kept. */
static void
drop_candidate(Naming *naming, int *left, int *n_left, int c)
{
	(void) naming;
	for (int i = c; i + 1 < *n_left; i++)
		left[i] = left[i + 1];
	(*n_left)--;
}

/* The one that goes least with the others; of equal ones the least typical. */
static int
find_stranger(const Naming *naming, const int *left, int n_left)
{
	int			worst = n_left - 1;
	double		least = INFINITY;

	for (int i = n_left - 1; i >= 0; i--)
	{
		double		sum = 0.0;

		for (int j = 0; j < n_left; j++)
			if (j != i)
				sum += naming->npmi[left[i] * naming->max_candidates + left[j]];
		if (sum < least)
		{
			least = sum;
			worst = i;
		}
	}
	return worst;
}

static double
mean_npmi(const Naming *naming, const int *left, int n_left)
{
	double		sum = 0.0;

	if (n_left < 2)
		return NAN;
	for (int i = 0; i < n_left; i++)
		for (int j = 0; j < i; j++)
			sum += naming->npmi[left[i] * naming->max_candidates + left[j]];
	return sum / (0.5 * n_left * (n_left - 1));
}

static NnStatus
name_topic(Naming *naming, int n_shown, NnTopicWords *words, NnError *err)
{
	int			left[NN_MAX_TOPIC_WORDS + N_CANDIDATES];
	int			n_left = naming->n_candidates;

	for (int c = 0; c < n_left; c++)
		left[c] = c;
	while (n_left > n_shown)
		drop_candidate(naming, left, &n_left, find_stranger(naming, left, n_left));
	words->n_words = n_left;
	words->word = NN_TAKE(naming->arena, int32_t, (size_t) n_left);
	words->weight = NN_TAKE(naming->arena, float, (size_t) n_left);
	if (words->word == NULL || words->weight == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n_left; i++)
	{
		words->word[i] = naming->candidate[left[i]];
		words->weight[i] = (float) naming->typical[words->word[i]];
	}
	words->coherence = mean_npmi(naming, left, n_left);
	return NN_OK;
}

NnStatus
nn_topic_words(const NnTopicRows *rows, const int32_t *topic, const float *telling, int n_topics, int n_shown, NnArena *arena,
			   NnTopicWords *words, NnError *err)
{
	Naming		naming;

	if (n_shown < 1 || n_shown > NN_MAX_TOPIC_WORDS)
		return nn_fail(err, NN_ERANGE, "%d words of a topic are not within 1 ... %d", n_shown, NN_MAX_TOPIC_WORDS);
	NN_TRY(create_naming(&naming, rows, topic, telling, n_topics, n_shown, arena, err));
	for (int k = 0; k < n_topics; k++)
	{
		NN_TRY(weigh_words(&naming, k, &words[k].n_rows, err));
		choose_candidates(&naming);
		NN_TRY(measure_pairs(&naming, err));
		NN_TRY(name_topic(&naming, n_shown, &words[k], err));
	}
	return NN_OK;
}

double
nn_topic_diversity(const NnTopicWords *words, int n_topics)
{
	int64_t		n = 0;
	int64_t		n_new = 0;

	for (int k = 0; k < n_topics; k++)
		for (int i = 0; i < words[k].n_words; i++)
		{
			bool		is_new = true;

			for (int l = 0; l < k && is_new; l++)
				for (int j = 0; j < words[l].n_words && is_new; j++)
					is_new = words[l].word[j] != words[k].word[i];
			n++;
			n_new += is_new;
		}
	return n > 0 ? (double) n_new / (double) n : NAN;
}
