/*
 * test_topics.c: topics of rows (topic/topics.h) and what they are made of, against examples
 * worked by hand and plain loops.
 */
#include "topic/topics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "topic/agreement.h"
#include "topic/choose.h"
#include "topic/directions.h"
#include "topic/kmeans.h"
#include "topic/match.h"
#include "topic/mixture.h"
#include "topic/refine.h"
#include "topic/vectors.h"

#include "tap.h"
#include "test_host.h"

static TestHost host;
static NnArena *arena;
static NnError err;

/* ---- eigenvectors, leading directions ------------------------------------------------------ */

static void
test_eigen(void)
{
	/* eigenvalues 3 - sqrt 3, 3, 3 + sqrt 3 */
	double		a[9] = {2, 1, 0, 1, 3, 1, 0, 1, 4};
	double		b[9] = {2, 1, 0, 1, 3, 1, 0, 1, 4};
	double		vector[9];
	double		value[3];
	double		worst = 0.0;

	ok(nn_symmetric_eigen(3, a, vector, value, arena, &err) == NN_OK, "a matrix of three rows");
	is_near(value[0], 3.0 + sqrt(3.0), 1e-12, "the largest eigenvalue is first");
	is_near(value[1], 3.0, 1e-12, "the second");
	is_near(value[2], 3.0 - sqrt(3.0), 1e-12, "the third");
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
		{
			double		sum = 0.0;
			double		dot = 0.0;

			for (int k = 0; k < 3; k++)
			{
				sum += b[i * 3 + k] * vector[k * 3 + j];
				dot += vector[k * 3 + i] * vector[k * 3 + j];
			}
			worst = fmax(worst, fabs(sum - value[j] * vector[i * 3 + j]));
			worst = fmax(worst, fabs(dot - (i == j ? 1.0 : 0.0)));
		}
	ok(worst < 1e-12, "its eigenvectors are orthonormal and what they should be (%.1e)", worst);
}

/* A = diag(3, 2, 1) in a corner of 5 columns: the directions are the first columns, their squares 9 and 4. */
static void
test_directions(void)
{
	static const int64_t start[] = {0, 1, 2, 3};
	static const int32_t column[] = {0, 1, 2};
	static const float value[] = {3.0f, 2.0f, 1.0f};
	NnSparse	matrix = {.n_rows = 3, .n_columns = 5, .start = start, .column = column, .value = value};
	float		q[10];
	float		spare[10];
	double		squares[2];
	NnRng		rng;

	nn_rng_seed(&rng, 3);
	ok(nn_directions_find(&matrix, 2, 30, &rng, arena, q, spare, &err) == NN_OK &&
	   nn_directions_align(&matrix, 2, arena, q, spare, squares, &err) == NN_OK, "two directions of a diagonal matrix");
	is_near(squares[0], 9.0, 1e-4, "the square of the largest singular value");
	is_near(squares[1], 4.0, 1e-4, "and of the second");
	is_near(fabs((double) q[0]), 1.0, 1e-4, "the first direction is the first column");
	is_near(fabs((double) q[3]), 1.0, 1e-4, "the second the second");
	is_near(q[8], 0.0, 1e-6, "a column of zeros is in none");
}

/* ---- clusters -------------------------------------------------------------------------------- */

#define N_POINTS 60

static void
test_kmeans(void)
{
	float		x[N_POINTS * 2];
	NnClusters	clusters;
	NnRng		rng;
	double		inertia = 0.0;
	bool		is_right = true;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i < N_POINTS; i++)
	{
		x[2 * i] = (float) (i % 3) * 10.0f + 0.1f * nn_rng_normal(&rng);
		x[2 * i + 1] = (float) (i % 3 == 1) * 10.0f + 0.1f * nn_rng_normal(&rng);
	}
	ok(nn_clusters_create(&clusters, 3, N_POINTS, 2, arena, &err) == NN_OK &&
	   nn_kmeans(x, N_POINTS, 2, 3, &rng, arena, &clusters, &err) == NN_OK, "three heaps of points");
	for (int i = 0; i < N_POINTS; i++)
	{
		const float *c = clusters.center + 2 * clusters.cluster[i];

		is_right = is_right && clusters.cluster[i] == clusters.cluster[i % 3];
		inertia += pow((double) (x[2 * i] - c[0]), 2) + pow((double) (x[2 * i + 1] - c[1]), 2);
	}
	ok(is_right && clusters.cluster[0] != clusters.cluster[1] && clusters.cluster[1] != clusters.cluster[2] &&
	   clusters.cluster[0] != clusters.cluster[2], "are three clusters");
	is_near(clusters.inertia, inertia, 1e-3, "the inertia is the sum of squared distances");
	for (int i = 0; i < 2 * N_POINTS; i++)
		x[i] = 1.0f;
	ok(nn_kmeans(x, N_POINTS, 2, 2, &rng, arena, &clusters, &err) == NN_OK && clusters.inertia == 0.0,
	   "points that are all the same are no trouble");
}

/* Pairs of rows that both put together: 2 of 6 and 3, of 15; by chance 1.2. */
static void
test_rand(void)
{
	static const int32_t a[] = {0, 0, 0, 1, 1, 1};
	static const int32_t b[] = {0, 0, 1, 1, 2, 2};
	static const int32_t renamed[] = {2, 2, 2, 0, 0, 0};
	int64_t		joint[9];

	is_near(nn_adjusted_rand(a, b, 6, 3, joint), (2.0 - 1.2) / (4.5 - 1.2), 1e-12, "the adjusted Rand index");
	is_near(nn_adjusted_rand(a, renamed, 6, 3, joint), 1.0, 1e-12, "of the same parts with other names");
	is_near(nn_adjusted_rand(a, a, 1, 3, joint), 1.0, 1e-12, "of one row");
}

/* ---- coherence, diversity ------------------------------------------------------------------------ */

static void
test_npmi(void)
{
	/* P(v) = 0.4, P(w) = 0.2, P(v, w) = 0.1: log(0.1 / 0.08) / -log 0.1 */
	is_near(nn_npmi(10, 4, 2, 1), log(1.25) / log(10.0), 1e-12, "NPMI by hand");
	is_near(nn_npmi(100, 20, 50, 10), 0.0, 1e-12, "words together as by chance have 0");
	is_near(nn_npmi(10, 3, 3, 3), 1.0, 1e-12, "words that are always together have 1");
	is_near(nn_npmi(10, 3, 4, 0), -1.0, 0.0, "words that never are have -1");
	is_near(nn_npmi(10, 10, 10, 10), 1.0, 0.0, "words of all rows have 1");
}

static void
test_diversity(void)
{
	int32_t		a[] = {1, 2, 3};
	int32_t		b[] = {3, 4, 5};
	NnTopicWords words[2] = {{.n_words = 3, .word = a}, {.n_words = 3, .word = b}};

	is_near(nn_topic_diversity(words, 2), 5.0 / 6.0, 1e-12, "five of six words are different");
	ok(isnan(nn_topic_diversity(words, 0)), "no topics have no diversity");
}

/* ---- matching --------------------------------------------------------------------------------------- */

/* The best sum over all ways to pair rows from i on with columns that are free. */
static int64_t
try_all(const int64_t *overlap, int n_new, int n_old, int i, unsigned taken)
{
	int64_t		best;

	if (i == n_new)
		return 0;
	best = try_all(overlap, n_new, n_old, i + 1, taken);
	for (int j = 0; j < n_old; j++)
		if ((taken & 1u << j) == 0)
		{
			int64_t		sum = overlap[i * n_old + j] + try_all(overlap, n_new, n_old, i + 1, taken | 1u << j);

			best = sum > best ? sum : best;
		}
	return best;
}

static bool
matches_best(NnRng *rng, int n_new, int n_old)
{
	int64_t		overlap[36];
	int32_t		partner[6];
	int64_t		sum = 0;
	unsigned	taken = 0;

	for (int i = 0; i < n_new * n_old; i++)
		overlap[i] = nn_rng_below(rng, 3) == 0 ? 0 : (int64_t) nn_rng_below(rng, 50);
	if (nn_match(overlap, n_new, n_old, arena, partner, &err) != NN_OK)
		return false;
	for (int i = 0; i < n_new; i++)
	{
		if (partner[i] < 0)
			continue;
		if (partner[i] >= n_old || (taken & 1u << partner[i]) != 0 || overlap[i * n_old + partner[i]] == 0)
			return false;
		taken |= 1u << partner[i];
		sum += overlap[i * n_old + partner[i]];
	}
	return sum == try_all(overlap, n_new, n_old, 0, 0);
}

static void
test_match(void)
{
	/* greedy would take 10 and be left with 0 */
	static const int64_t overlap[] = {10, 9, 8, 0};
	int32_t		partner[2];
	NnRng		rng;
	bool		is_best = true;

	ok(nn_match(overlap, 2, 2, arena, partner, &err) == NN_OK && partner[0] == 1 && partner[1] == 0,
	   "two topics keep 17 rows rather than 10");
	nn_rng_seed(&rng, 11);
	for (int i = 0; i < 300; i++)
		is_best = is_best && matches_best(&rng, 1 + (int) nn_rng_below(&rng, 5), 1 + (int) nn_rng_below(&rng, 5));
	ok(is_best, "no other pairing keeps more rows, 300 times");
}

/* ---- rows ------------------------------------------------------------------------------------------- */

static NnCorpus *
read_texts(const char *const *text, int n, bool is_backwards)
{
	NnCorpus   *corpus;

	if (nn_corpus_create(&corpus, &host.env, &err) != NN_OK)
		return corpus;
	for (int i = 0; i < n; i++)
	{
		const char *bytes = text[is_backwards ? n - 1 - i : i];

		if (nn_corpus_add_row(corpus, &err) != NN_OK || nn_corpus_add_text(corpus, bytes, strlen(bytes), &err) != NN_OK)
			break;
	}
	return corpus;
}

static bool
has_word(NnCorpus *corpus, const NnTopicRows *rows, const char *word)
{
	for (int w = 0; w < rows->n_words; w++)
	{
		int			n_bytes;
		const char *bytes = nn_corpus_word(corpus, w, &n_bytes);

		if (n_bytes == (int) strlen(word) && memcmp(bytes, word, strlen(word)) == 0)
			return true;
	}
	return false;
}

static void
test_corpus(void)
{
	static const char *const text[] = {"Printer jam, 42 x", "PRINTER isn't on", "the printer", "my jam",
	"\xe5\x8c\x97\xe4\xba\xac\xe5\xb8\x82", "\xe5\x8c\x97\xe4\xba\xac \xe5\xb8\x82"};
	NnCorpusOptions options = {1, 1.0, 100};
	NnCorpus   *corpus = read_texts(text, 6, false);
	NnTopicRows rows;

	ok(nn_corpus_finish(corpus, &options, arena, &rows, &err) == NN_OK && rows.n == 6, "six rows");
	ok(has_word(corpus, &rows, "printer") && has_word(corpus, &rows, "jam"), "words are folded");
	ok(!has_word(corpus, &rows, "x") && !has_word(corpus, &rows, "42") && !has_word(corpus, &rows, "n't"),
	   "letters, numbers and ends of contractions name no topic");
	ok(has_word(corpus, &rows, "\xe5\x8c\x97\xe4\xba\xac") && has_word(corpus, &rows, "\xe4\xba\xac\xe5\xb8\x82") &&
	   has_word(corpus, &rows, "\xe5\xb8\x82"), "Han is read in pairs, a character that stands alone by itself");
	is_int(rows.n_rows[0], 3, "the first word is that of most rows");
	nn_corpus_destroy(corpus);

	corpus = read_texts(text, 6, false);
	options.min_rows = 2;
	options.max_share = 0.4;
	ok(nn_corpus_finish(corpus, &options, arena, &rows, &err) == NN_OK && rows.n_words == 2 &&
	   has_word(corpus, &rows, "jam"), "words of too few rows or too many are left out");
	nn_corpus_destroy(corpus);
}

/* ---- bags, agreement, mixture ------------------------------------------------------------------------ */

#define BAG_ROWS	40
#define BAG_WORDS	7
#define BAG_WIDTH	3

static NnBags bags;
static float word_vector[BAG_WORDS * BAG_WIDTH];
static float word_weight[BAG_WORDS];

/* Rows of 1 to 6 words drawn from 7, and vectors of these. */
static void
make_bags(void)
{
	static int64_t start[BAG_ROWS + 1];
	static int32_t word[BAG_ROWS * 6];
	NnTopicRows rows = {.n = BAG_ROWS, .n_words = BAG_WORDS, .start = start, .word = word};
	NnRng		rng;

	nn_rng_seed(&rng, 8);
	for (int i = 0; i < BAG_ROWS; i++)
	{
		start[i + 1] = start[i] + 1 + (int64_t) nn_rng_below(&rng, 6);
		for (int64_t j = start[i]; j < start[i + 1]; j++)
			word[j] = (int32_t) nn_rng_below(&rng, BAG_WORDS);
	}
	word[0] = word[1] = word[2] = 3;
	start[1] = 3;
	start[2] = start[2] > 3 ? start[2] : 4;
	rows.n_all_tokens = start[BAG_ROWS];
	for (int i = 0; i < BAG_WORDS * BAG_WIDTH; i++)
		word_vector[i] = nn_rng_normal(&rng);
	for (int w = 0; w < BAG_WORDS; w++)
		word_weight[w] = 0.2f + 0.1f * (float) w;
	ok(nn_bags_make(&rows, arena, &bags, &err) == NN_OK && bags.start[1] == 1 && bags.word[0] == 3, "a bag has a word once");
	is_near((double) bags.count[0], 1.0 + log(3.0), 1e-6, "and tells how often it stands there");
}

/* What word w adds to row i, all words if it is -1, at place d of the vector. */
static double
naive_share(int i, int w, int d)
{
	double		sum = 0.0;
	double		all = 0.0;

	for (int64_t j = bags.start[i]; j < bags.start[i + 1]; j++)
	{
		all += (double) bags.count[j];
		if (w == -1 || bags.word[j] == w)
			sum += (double) bags.count[j] * (double) word_weight[bags.word[j]] * (double) word_vector[bags.word[j] * BAG_WIDTH + d];
	}
	return sum / all;
}

static bool
bag_has(int i, int w)
{
	for (int64_t j = bags.start[i]; j < bags.start[i + 1]; j++)
		if (bags.word[j] == w)
			return true;
	return false;
}

/* The mean cosine of two rows with word w, pair by pair. */
static double
naive_agreement(int w)
{
	double		rest[BAG_ROWS][BAG_WIDTH];
	double		sum = 0.0;
	int			n = 0;

	for (int i = 0; i < BAG_ROWS; i++)
	{
		double		squares = 0.0;

		if (!bag_has(i, w))
			continue;
		for (int d = 0; d < BAG_WIDTH; d++)
		{
			double		mean = 0.0;

			for (int j = 0; j < BAG_ROWS; j++)
				mean += naive_share(j, -1, d) / BAG_ROWS;
			rest[n][d] = naive_share(i, -1, d) - naive_share(i, w, d) - mean;
			squares += rest[n][d] * rest[n][d];
		}
		for (int d = 0; d < BAG_WIDTH; d++)
			rest[n][d] /= sqrt(squares);
		n++;
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			for (int d = 0; d < BAG_WIDTH && i != j; d++)
				sum += rest[i][d] * rest[j][d];
	return sum / n / (n - 1);
}

static void
test_agreement(void)
{
	float		agreement[BAG_WORDS];
	double		worst = 0.0;

	ok(nn_topic_agreement(&bags, BAG_WIDTH, word_vector, word_weight, arena, agreement, &err) == NN_OK, "agreement of words");
	for (int w = 0; w < BAG_WORDS; w++)
		worst = fmax(worst, fabs((double) agreement[w] - naive_agreement(w)));
	ok(worst < 1e-5, "is the mean cosine of rows that have them, without them (%.1e)", worst);
}

/* The score of row i for topic k of two, as mixture.h has it, by plain loops; prior and kappa as in mixture.c. */
static double
naive_score(const float *x, const int32_t *topic, int i, int k)
{
	double		share[BAG_WORDS] = {0.0};
	double		in_topic[BAG_WORDS] = {0.0};
	double		mu[BAG_WIDTH] = {0.0};
	double		all = 0.0;
	double		n = 0.0;
	double		squares = 0.0;
	double		score = 0.0;
	double		near = 0.0;

	for (int r = 0; r < BAG_ROWS; r++)
	{
		for (int64_t j = bags.start[r]; j < bags.start[r + 1]; j++)
		{
			share[bags.word[j]] += (double) bags.count[j];
			all += (double) bags.count[j];
			in_topic[bags.word[j]] += topic[r] == k ? (double) bags.count[j] : 0.0;
			n += topic[r] == k ? (double) bags.count[j] : 0.0;
		}
		for (int d = 0; d < BAG_WIDTH; d++)
			mu[d] += topic[r] == k ? (double) x[r * BAG_WIDTH + d] : 0.0;
	}
	for (int d = 0; d < BAG_WIDTH; d++)
		squares += mu[d] * mu[d];
	for (int d = 0; d < BAG_WIDTH; d++)
		near += 5.0 * (double) x[i * BAG_WIDTH + d] * mu[d] / sqrt(squares);
	for (int64_t j = bags.start[i]; j < bags.start[i + 1]; j++)
	{
		double		p = share[bags.word[j]] / all;
		double		q = (in_topic[bags.word[j]] + 1000.0 * p) / (n + 1000.0);

		score += (double) word_weight[bags.word[j]] * (double) bags.count[j] * (log(q / p) + near);
	}
	return score;
}

static void
test_mixture(void)
{
	static int32_t row[BAG_ROWS];
	static int32_t before[BAG_ROWS];
	float		x[BAG_ROWS * BAG_WIDTH];
	NnMixed		mixed = {.n = BAG_ROWS, .row = row, .K = 2};
	NnMixture	mixture;
	double		worst = 0.0;
	double		total = 0.0;
	int			n_wrong = 0;

	mixed.topic = NN_ALLOC(arena, int32_t, BAG_ROWS);
	mixed.best = NN_ALLOC(arena, float, BAG_ROWS);
	mixed.second = NN_ALLOC(arena, float, BAG_ROWS);
	for (int i = 0; i < BAG_ROWS; i++)
	{
		row[i] = i;
		before[i] = mixed.topic[i] = i % 3 == 0;
	}
	ok(nn_row_vectors(&bags, BAG_WIDTH, word_vector, word_weight, arena, x, &err) == NN_OK &&
	   nn_mixture_create(&mixture, &bags, x, BAG_WIDTH, word_weight, 2, arena, &err) == NN_OK &&
	   nn_mixture_fit(&mixture, 1, &mixed, &err) == NN_OK, "a turn of the mixture");
	for (int i = 0; i < BAG_ROWS; i++)
	{
		double		score[2] = {naive_score(x, before, i, 0), naive_score(x, before, i, 1)};
		int			best = score[1] > score[0];

		n_wrong += mixed.topic[i] != best && fabs(score[1] - score[0]) > 1e-4;
		worst = fmax(worst, fabs((double) mixed.best[i] - score[best]));
		worst = fmax(worst, fabs((double) mixed.second[i] - score[!best]));
		total += score[best];
	}
	is_int(n_wrong, 0, "gives rows to the topic of the highest score");
	ok(worst < 1e-4, "which is what it should be (%.1e)", worst);
	is_near(mixed.total, total, 1e-3, "and so is their sum");
	is_int(nn_mixture_other(&mixture, &mixed, 5, mixed.topic[5]), !mixed.topic[5], "the other topic of a row");
}

/* ---- the whole -------------------------------------------------------------------------------------- */

#define N_TEXTS 240

static char texts[N_TEXTS][160];
static const char *pointers[N_TEXTS];

/* Three topics of six words each; words that all rows share; two rows without a word to tell by. */
static void
plant(void)
{
	static const char *const word[3][6] = {
		{"invoice", "payment", "refund", "card", "bank", "charge"},
		{"printer", "paper", "toner", "ink", "tray", "jam"},
		{"password", "login", "account", "reset", "locked", "user"},
	};
	static const char *const filler[5] = {"please", "help", "with", "today", "again"};
	NnRng		rng;

	nn_rng_seed(&rng, 2);
	for (int i = 0; i < N_TEXTS; i++)
	{
		texts[i][0] = '\0';
		for (int j = 0; j < 7 && i < N_TEXTS - 2; j++)
		{
			strcat(texts[i], j < 4 ? word[i % 3][nn_rng_below(&rng, 6)] : filler[nn_rng_below(&rng, 5)]);
			strcat(texts[i], " ");
		}
		pointers[i] = texts[i];
	}
	strcpy(texts[N_TEXTS - 1], "?! 12 \xf0\x9f\x99\x82");
}

static NnStatus
learn(int n_topics, bool is_backwards, NnCorpus **corpus, NnTopics *topics)
{
	NnTopicOptions options;

	nn_topic_options_init(&options);
	options.n_topics = n_topics;
	*corpus = read_texts(pointers, N_TEXTS, is_backwards);
	if (*corpus == NULL || nn_corpus_n(*corpus) < N_TEXTS)
		return err.status;
	return nn_topics_learn(*corpus, &options, (size_t) 1 << 30, arena, topics, &err);
}

static void
test_planted(void)
{
	NnTopics	topics;
	NnTopics	again;
	NnTopicWords words[3];
	NnCorpus   *corpus;
	NnCorpus   *other;
	int			topic_of[3];
	int			n_wrong = 0;

	ok(learn(3, false, &corpus, &topics) == NN_OK && topics.n_topics == 3, "three topics of planted rows");
	for (int64_t i = 0; i < topics.rows.n; i++)
		if (topics.rows.row[i] < 3)
			topic_of[topics.rows.row[i]] = topics.topic[i];
	for (int64_t i = 0; i < topics.rows.n; i++)
		n_wrong += topics.topic[i] != (topics.rows.row[i] < N_TEXTS - 2 ? topic_of[topics.rows.row[i] % 3] : -1);
	is_int(n_wrong, 0, "are those that were planted, and none for rows without words");
	ok(nn_topics_name(&topics, topics.topic, 3, 6, arena, words, &err) == NN_OK, "their words");
	for (int k = 0; k < 3; k++)
	{
		int			n_bytes;
		const char *bytes = nn_corpus_word(corpus, words[topic_of[k]].word[0], &n_bytes);

		ok(words[topic_of[k]].n_words == 6 && words[topic_of[k]].coherence > 0.0 &&
		   strncmp(bytes, "please", 6) != 0 && strncmp(bytes, "help", 4) != 0, "go together (%.2f)", words[topic_of[k]].coherence);
	}
	is_near(nn_topic_diversity(words, 3), 1.0, 1e-12, "and no two topics share one");

	ok(learn(3, true, &other, &again) == NN_OK && again.n_topics == 3, "the same rows in another order");
	n_wrong = 0;
	for (int64_t i = 0; i < topics.rows.n; i++)
		n_wrong += topics.topic[i] != again.topic[i] || topics.sure[i] != again.sure[i];
	is_int(n_wrong, 0, "give the same topics, to the last bit");
	nn_corpus_destroy(other);
	nn_corpus_destroy(corpus);

	ok(learn(0, false, &corpus, &topics) == NN_OK, "a number of topics is chosen");
	is_int(topics.n_topics, 3, "the one that was planted");
	nn_corpus_destroy(corpus);
}

/* Two planted topics begin as one, the third as two: the mixture alone stays there, the moves find them. */
static void
test_moves(void)
{
	NnCorpusOptions options = {3, 0.5, 100};
	NnCorpus   *corpus = read_texts(pointers, N_TEXTS - 2, false);
	float	   *x = NN_ALLOC(arena, float, (N_TEXTS - 2) * 3);
	float	   *spare = NN_ALLOC(arena, float, (N_TEXTS - 2) * 3);
	int32_t    *topic = NN_ALLOC(arena, int32_t, N_TEXTS - 2);
	float	   *sure = NN_ALLOC(arena, float, N_TEXTS - 2);
	float		telling[100];
	int			topic_of[3] = {-1, -1, -1};
	int			n_wrong = 0;
	NnTopicRows rows;
	NnBags		planted;
	NnRng		rng;

	nn_rng_seed(&rng, 3);
	ok(nn_corpus_finish(corpus, &options, arena, &rows, &err) == NN_OK && nn_bags_make(&rows, arena, &planted, &err) == NN_OK,
	   "bags of planted rows");
	for (int w = 0; w < 100; w++)
		telling[w] = 1.0f;
	for (int64_t i = 0; i < rows.n; i++)
	{
		int			about = (int) (rows.row[i] % 3);

		x[i * 3 + about] = 1.0f;
		topic[i] = about < 2 ? 0 : 1 + (int32_t) (i % 2);
	}
	ok(nn_refine(&planted, x, spare, 3, telling, 3, &rng, arena, topic, sure, &err) == NN_OK, "a poor guess");
	for (int64_t i = 0; i < rows.n; i++)
	{
		int			about = (int) (rows.row[i] % 3);

		if (topic_of[about] < 0)
			topic_of[about] = topic[i];
		n_wrong += topic[i] != topic_of[about] || !(sure[i] >= 0.0f && sure[i] <= 1.0f);
	}
	is_int(n_wrong, 0, "becomes the topics that were planted");
	ok(topic_of[0] != topic_of[1] && topic_of[1] != topic_of[2] && topic_of[0] != topic_of[2], "each of them");
	nn_corpus_destroy(corpus);
}

static void
test_errors(void)
{
	static const char *const few[] = {"one printer", "two printer", "three"};
	NnTopicOptions options;
	NnTopics	topics;
	NnCorpus   *corpus = read_texts(few, 3, false);

	nn_topic_options_init(&options);
	options.n_topics = 4;
	options.min_rows = 1;
	ok(nn_topics_learn(corpus, &options, (size_t) 1 << 30, arena, &topics, &err) == NN_EDATA && err.hint[0] != '\0',
	   "fewer rows than topics: %s", err.message);
	nn_corpus_destroy(corpus);
	corpus = read_texts(few, 0, false);
	ok(nn_topics_learn(corpus, &options, (size_t) 1 << 30, arena, &topics, &err) == NN_EDATA, "no rows: %s", err.detail);
	nn_corpus_destroy(corpus);
	corpus = read_texts(few, 3, false);
	ok(nn_topics_learn(corpus, &options, 1000, arena, &topics, &err) == NN_ELIMIT && err.detail[0] != '\0',
	   "too little memory: %s", err.message);
	ok(nn_corpus_add_row(corpus, &err) == NN_OK && nn_corpus_add_text(corpus, "a \xff", 3, &err) == NN_EENCODING,
	   "bytes that are no text: %s", err.message);
	nn_corpus_destroy(corpus);
}

/* Every allocation may fail and every poll may stop: then the status says so, and nothing stays behind. */
static void
test_trouble(void)
{
	long		n_live;
	long		n_allocs = host.n_allocs;
	long		n_polls = host.n_polls;
	int			n_wrong = 0;
	NnArena    *lasting = arena;
	NnCorpus   *corpus;
	NnTopics	topics;

	ok(learn(3, false, &corpus, &topics) == NN_OK, "a run to be disturbed");
	n_allocs = host.n_allocs - n_allocs;
	n_polls = host.n_polls - n_polls;
	nn_corpus_destroy(corpus);
	n_live = host.n_live;
	for (long at = 1; at <= n_allocs; at++)
	{
		host.n_allocs = 0;
		host.fail_at = 0;
		arena = nn_arena_create(&host.env);
		host.n_allocs = 0;
		host.fail_at = at;
		n_wrong += learn(3, false, &corpus, &topics) != NN_ENOMEM && host.n_allocs >= at;
		host.fail_at = 0;
		nn_corpus_destroy(corpus);
		nn_arena_destroy(arena);
		n_wrong += host.n_live != n_live;
	}
	is_int(n_wrong, 0, "each of %ld allocations may fail", n_allocs);
	for (long at = 1; at <= n_polls; at += 1 + n_polls / 200)
	{
		arena = nn_arena_create(&host.env);
		host.n_polls = 0;
		host.cancel_at = at;
		n_wrong += learn(3, false, &corpus, &topics) != NN_ECANCELED;
		host.cancel_at = 0;
		nn_corpus_destroy(corpus);
		nn_arena_destroy(arena);
		n_wrong += host.n_live != n_live;
	}
	is_int(n_wrong, 0, "and it may be canceled at each of %ld polls", n_polls);
	arena = lasting;
}

int
main(void)
{
	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	test_eigen();
	test_directions();
	test_kmeans();
	test_rand();
	test_npmi();
	test_diversity();
	test_match();
	test_corpus();
	plant();
	make_bags();
	test_agreement();
	test_mixture();
	test_planted();
	test_moves();
	test_errors();
	nn_arena_destroy(arena);
	arena = nn_arena_create(&host.env);
	test_trouble();
	nn_arena_destroy(arena);
	is_int(host.n_live, 0, "nothing is left");
	return done_testing();
}
