/*
 * topic/topics.c: the steps from rows to topics.
 */
#include "topic/topics.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "topic/agreement.h"
#include "topic/choose.h"
#include "topic/kmeans.h"
#include "topic/refine.h"
#include "topic/vectors.h"

#define WIDTH		100			/* of vectors; 50 and 200 are within what chance does */
#define MAX_SHARE	0.5			/* of the rows that a word may be in */
#define MAX_WORDS	10000
#define N_STARTS	5
#define LEAST_AGREEMENT	0.001f

/* Rows that have a vector, end to end. */
typedef struct Placed
{
	int64_t		n;
	int64_t    *row;			/* (n) */
	float	   *x;				/* (n, width) */
} Placed;

typedef struct Learning
{
	const NnTopicOptions *options;
	NnTopics   *topics;
	NnBags		bags;
	int			width;
	float	   *x;				/* (rows, width) */
	Placed		placed;
	NnRng		rng;
	NnArena    *scratch;
	size_t		limit_bytes;
} Learning;

void
nn_topic_options_init(NnTopicOptions *options)
{
	*options = (NnTopicOptions)
	{
		.n_topics = 0, .max_topics = 50, .min_rows = 3, .n_words = 10, .is_refined = true, .seed = 1.0
	};
}

/* ---- memory -------------------------------------------------------------------------- */

/*
 * Rows and words in both orders, vectors of words and rows, the classifier; an arena's blocks leave some of their
 * bytes unused.  What stands together in pairs is bounded by what is left.
 */
size_t
nn_topics_bytes(const NnCorpus *corpus, const NnTopicOptions *options)
{
	double		n = (double) nn_corpus_n(corpus);
	double		tokens = (double) nn_corpus_n_words(corpus);
	double		V = MAX_WORDS;
	double		K = options->n_topics > 0 ? options->n_topics : options->max_topics;
	double		bytes = n * (8.0 * WIDTH + 140.0) + tokens * 36.0 + V * (12.0 * WIDTH + 4.0 * K + 120.0);

	return nn_size_add(nn_corpus_bytes(corpus), (size_t) (1.25 * bytes) + 1048576);
}

static NnStatus
check_memory(const NnCorpus *corpus, const NnTopicOptions *options, size_t limit_bytes, NnError *err)
{
	size_t		wanted = nn_topics_bytes(corpus, options);

	if (wanted <= limit_bytes)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "topics of %lld rows need more memory than is allowed", (long long) nn_corpus_n(corpus));
	return nn_fail_detail(err, "They need about %zu MB of %zu MB.", (wanted >> 20) + 1, limit_bytes >> 20);
}

/* ---- vectors ---------------------------------------------------------------------------- */

/*
 * How much words tell: the geometric mean of what stands around them and of how far rows agree that have them,
 * 1 at most.
 */
static NnStatus
weigh_words(Learning *l, const float *vector, float *weight, NnError *err)
{
	NnTopics   *topics = l->topics;
	int			V = topics->rows.n_words;
	float	   *agreement = NN_TAKE(l->scratch, float, (size_t) V);
	float		most = 0.0f;

	if (agreement == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_row_weights(&topics->rows, topics->telling, weight);
	NN_TRY(nn_topic_agreement(&l->bags, l->width, vector, weight, l->scratch, agreement, err));
	for (int w = 0; w < V; w++)
	{
		topics->telling[w] = sqrtf(topics->telling[w] * fmaxf(agreement[w], LEAST_AGREEMENT));
		most = fmaxf(most, topics->telling[w]);
	}
	if (most > 0.0f)
		nn_scale(V, 1.0f / most, topics->telling);
	nn_row_weights(&topics->rows, topics->telling, weight);
	return NN_OK;
}

static NnStatus
make_vectors(Learning *l, NnError *err)
{
	NnTopics   *topics = l->topics;
	size_t		V = (size_t) topics->rows.n_words;
	NnArenaMark mark;
	float	   *vector;
	float	   *weight;

	l->width = topics->rows.n_words < WIDTH ? topics->rows.n_words : WIDTH;
	NN_TRY(nn_bags_make(&topics->rows, l->scratch, &l->bags, err));
	l->x = NN_TAKE(l->scratch, float, nn_size_mul((size_t) topics->rows.n, (size_t) l->width));
	mark = nn_arena_mark(l->scratch);
	vector = NN_TAKE(l->scratch, float, nn_size_mul(V, (size_t) l->width));
	weight = NN_TAKE(l->scratch, float, V);
	if (l->x == NULL || vector == NULL || weight == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_word_vectors(&topics->rows, l->width, l->limit_bytes, &l->rng, l->scratch, vector, topics->telling, err));
	NN_TRY(weigh_words(l, vector, weight, err));
	NN_TRY(nn_row_vectors(&l->bags, l->width, vector, weight, l->scratch, l->x, err));
	nn_arena_rewind(l->scratch, &mark);
	return NN_OK;
}

/* Rows without a vector have no topic; the others are moved together for the clusters. */
static NnStatus
place_rows(Learning *l, NnError *err)
{
	int64_t		n = l->topics->rows.n;
	size_t		D = (size_t) l->width;
	Placed	   *placed = &l->placed;

	placed->row = NN_TAKE(l->scratch, int64_t, (size_t) n);
	placed->x = NN_TAKE(l->scratch, float, nn_size_mul((size_t) n, D));
	if (placed->row == NULL || placed->x == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < n; i++)
	{
		if (i % 4096 == 0 && nn_arena_poll(l->scratch) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		l->topics->topic[i] = -1;
		if (!(nn_sum_squares(l->width, l->x + (size_t) i * D) > 0.0))
			continue;
		memcpy(placed->x + (size_t) placed->n * D, l->x + (size_t) i * D, D * sizeof(float));
		placed->row[placed->n++] = i;
	}
	return NN_OK;
}

/* ---- clusters --------------------------------------------------------------------------- */

static NnStatus
check_rows(const Learning *l, NnError *err)
{
	int			least = l->options->n_topics > 0 ? l->options->n_topics : 2;

	if (l->placed.n >= least)
		return NN_OK;
	nn_fail(err, NN_EDATA, "there are too few rows for %d topics", least);
	nn_fail_detail(err, "%lld of %lld rows have a word that stands in at least %d rows and in at most half of them, beside another one.",
				   (long long) l->placed.n, (long long) l->topics->rows.n, l->options->min_rows);
	return nn_fail_hint(err, "Give more rows or fewer topics, or lower the option \"min_rows\".");
}

static NnStatus
cluster(Learning *l, NnError *err)
{
	NnTopics   *topics = l->topics;
	NnClusters	clusters;

	NN_TRY(check_rows(l, err));
	topics->n_topics = l->options->n_topics;
	if (topics->n_topics == 0)
		NN_TRY(nn_choose_topics(l->placed.x, l->placed.n, l->width, l->options->max_topics, &l->rng, l->scratch,
								&topics->n_topics, err));
	NN_TRY(nn_clusters_create(&clusters, topics->n_topics, l->placed.n, l->width, l->scratch, err));
	NN_TRY(nn_kmeans(l->placed.x, l->placed.n, l->width, N_STARTS, &l->rng, l->scratch, &clusters, err));
	for (int64_t i = 0; i < l->placed.n; i++)
	{
		topics->topic[l->placed.row[i]] = clusters.cluster[i];
		topics->sure[l->placed.row[i]] = -clusters.distance[i];
	}
	return NN_OK;
}

/* Without a classifier, how much nearer the nearest center is than the second: not known here, so all are as sure. */
static void
forget_distances(NnTopics *topics)
{
	for (int64_t i = 0; i < topics->rows.n; i++)
		topics->sure[i] = 1.0f;
}

/* Topics by size, the largest first, of equal ones that of the first row: numbers that do not depend on chance. */
static NnStatus
number_topics(Learning *l, NnError *err)
{
	NnTopics   *topics = l->topics;
	size_t		K = (size_t) topics->n_topics;
	int64_t    *size = NN_ALLOC(l->scratch, int64_t, K);
	int32_t    *number = NN_ALLOC(l->scratch, int32_t, K);
	int			n = 0;

	if (size == NULL || number == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < topics->rows.n; i++)
		if (topics->topic[i] >= 0)
			size[topics->topic[i]]++;
	for (size_t turn = 0; turn < K; turn++)
	{
		size_t		largest = 0;

		for (size_t k = 1; k < K; k++)
			if (size[k] > size[largest])
				largest = k;
		n += size[largest] > 0;
		number[largest] = (int32_t) turn;
		size[largest] = -1;
	}
	for (int64_t i = 0; i < topics->rows.n; i++)
		if (topics->topic[i] >= 0)
			topics->topic[i] = number[topics->topic[i]];
	topics->n_topics = n;		/* a refinement may have left one empty */
	return NN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static NnStatus
learn(Learning *l, NnError *err)
{
	NnTopics   *topics = l->topics;

	NN_TRY(make_vectors(l, err));
	NN_TRY(place_rows(l, err));
	NN_TRY(cluster(l, err));
	if (l->options->is_refined)
		NN_TRY(nn_refine(&l->bags, l->x, l->placed.x, l->width, topics->telling, topics->n_topics, &l->rng, l->scratch,
						 topics->topic, topics->sure, err));
	else
		forget_distances(topics);
	return number_topics(l, err);
}

static NnStatus
create_topics(NnTopics *topics, NnArena *arena, NnError *err)
{
	topics->topic = NN_TAKE(arena, int32_t, (size_t) topics->rows.n);
	topics->sure = NN_ALLOC(arena, float, (size_t) topics->rows.n);
	topics->telling = NN_ALLOC(arena, float, (size_t) topics->rows.n_words);
	if (topics->topic == NULL || topics->sure == NULL || topics->telling == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

NnStatus
nn_topics_learn(NnCorpus *corpus, const NnTopicOptions *options, size_t limit_bytes, NnArena *arena,
				NnTopics *topics, NnError *err)
{
	NnCorpusOptions words = {options->min_rows, MAX_SHARE, MAX_WORDS};
	Learning	l = {.options = options, .topics = topics};
	NnStatus	status;

	nn_kern_init();
	memset(topics, 0, sizeof(*topics));
	NN_TRY(check_memory(corpus, options, limit_bytes, err));
	NN_TRY(nn_corpus_finish(corpus, &words, arena, &topics->rows, err));
	NN_TRY(create_topics(topics, arena, err));
	l.limit_bytes = limit_bytes - nn_topics_bytes(corpus, options) / 2;
	l.scratch = nn_arena_create(nn_arena_env(arena));
	if (l.scratch == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_rng_seed(&l.rng, (uint64_t) options->seed);
	status = learn(&l, err);
	nn_arena_destroy(l.scratch);
	return status;
}

NnStatus
nn_topics_name(const NnTopics *topics, const int32_t *topic, int n_topics, int n_words, NnArena *arena,
			   NnTopicWords *words, NnError *err)
{
	return nn_topic_words(&topics->rows, topic, topics->telling, n_topics, n_words, arena, words, err);
}
