/*
 * topic/mixture.c: classification EM of words and directions.
 */
#include "topic/mixture.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

#define PRIOR		1000.0f		/* counts of words as in the column that each topic begins with */
#define KAPPA		5.0
#define STOP_SHARE	0.002		/* of the rows that still move */

NnStatus
nn_mixture_create(NnMixture *m, const NnBags *bags, const float *x, int width, const float *telling, int most,
				  NnArena *arena, NnError *err)
{
	size_t		V = (size_t) bags->n_words;
	size_t		K = (size_t) most;
	double		all;

	*m = (NnMixture)
	{
		.bags = bags, .x = x, .width = width, .telling = telling, .most = most, .arena = arena
	};
	m->share = NN_ALLOC(arena, float, V);
	m->ratio = NN_TAKE(arena, float, nn_size_mul(V, K));
	m->center = NN_TAKE(arena, float, nn_size_mul((size_t) width, K));
	m->square = NN_TAKE(arena, double, K);
	m->n_counted = NN_TAKE(arena, float, K);
	m->vote = NN_TAKE(arena, float, (size_t) bags->longest);
	m->score = NN_TAKE(arena, float, K);
	if (m->share == NULL || m->ratio == NULL || m->center == NULL || m->square == NULL || m->n_counted == NULL ||
		m->vote == NULL || m->score == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t j = 0; j < bags->start[bags->n]; j++)
		m->share[bags->word[j]] += bags->count[j];
	all = nn_sum((int64_t) V, m->share);
	if (all > 0.0)
		nn_scale((int64_t) V, (float) (1.0 / all), m->share);
	return NN_OK;
}

/* ---- topics from rows ----------------------------------------------------------------- */

static NnStatus
count_words(NnMixture *m, const NnMixed *mixed, NnError *err)
{
	const NnBags *bags = m->bags;
	size_t		K = (size_t) mixed->K;

	memset(m->ratio, 0, (size_t) bags->n_words * K * sizeof(float));
	memset(m->n_counted, 0, K * sizeof(float));
	memset(m->center, 0, (size_t) m->width * K * sizeof(float));
	for (int64_t i = 0; i < mixed->n; i++)
	{
		int32_t		row = mixed->row[i];
		size_t		k = (size_t) mixed->topic[i];
		const float *x = m->x + (size_t) row * (size_t) m->width;

		NN_TRY(nn_arena_poll_work(m->arena, &m->work,
								  (double) (bags->start[row + 1] - bags->start[row] + m->width), err));
		for (int64_t j = bags->start[row]; j < bags->start[row + 1]; j++)
		{
			m->ratio[(size_t) bags->word[j] * K + k] += bags->count[j];
			m->n_counted[k] += bags->count[j];
		}
		for (int d = 0; d < m->width; d++)
			m->center[(size_t) d * K + k] += x[d];
	}
	return NN_OK;
}

static NnStatus
take_ratios(NnMixture *m, int K, NnError *err)
{
	for (int w = 0; w < m->bags->n_words; w++)
	{
		float	   *ratio = m->ratio + (size_t) w * (size_t) K;
		float		share = m->share[w];

		NN_TRY(nn_arena_poll_work(m->arena, &m->work, 10 * K, err));
		for (int k = 0; k < K; k++)
			ratio[k] = share > 0.0f ? logf((ratio[k] + PRIOR * share) / ((m->n_counted[k] + PRIOR) * share)) : 0.0f;
	}
	return NN_OK;
}

/* Sums of vectors become directions. */
static void
turn_centers(NnMixture *m, int K)
{
	memset(m->square, 0, (size_t) K * sizeof(double));
	for (int d = 0; d < m->width; d++)
		for (int k = 0; k < K; k++)
			m->square[k] += (double) m->center[(size_t) d * (size_t) K + (size_t) k] *
				(double) m->center[(size_t) d * (size_t) K + (size_t) k];
	for (int k = 0; k < K; k++)
		m->square[k] = m->square[k] > 0.0 ? KAPPA / sqrt(m->square[k]) : 0.0;
	for (int d = 0; d < m->width; d++)
		for (int k = 0; k < K; k++)
			m->center[(size_t) d * (size_t) K + (size_t) k] *= (float) m->square[k];
}

/* ---- rows to topics --------------------------------------------------------------------- */

static void
score_row(NnMixture *m, int K, int32_t row)
{
	const NnBags *bags = m->bags;
	int64_t		from = bags->start[row];
	int64_t		n = bags->start[row + 1] - from;
	const float *x = m->x + (size_t) row * (size_t) m->width;
	float		all;

	for (int64_t j = 0; j < n; j++)
		m->vote[j] = m->telling[bags->word[from + j]] * bags->count[from + j];
	all = (float) nn_sum(n, m->vote);
	memset(m->score, 0, (size_t) K * sizeof(float));
	nn_gather_sum(n, bags->word + from, m->vote, m->ratio, K, m->score);
	for (int d = 0; d < m->width; d++)
		nn_axpy(K, all * x[d], m->center + (size_t) d * (size_t) K, m->score);
}

/* The best topic but one (-1: any), of equal ones the first; -1 if there is none. */
static int32_t
best_but(const NnMixture *m, int K, int32_t but)
{
	int32_t		best = -1;

	for (int32_t k = 0; k < K; k++)
		if (k != but && (best < 0 || m->score[k] > m->score[best]))
			best = k;
	return best;
}

static NnStatus
assign(NnMixture *m, NnMixed *mixed, int64_t *n_moved, NnError *err)
{
	*n_moved = 0;
	mixed->total = 0.0;
	for (int64_t i = 0; i < mixed->n; i++)
	{
		int32_t		row = mixed->row[i];
		int32_t		best;
		int32_t		second;

		NN_TRY(nn_arena_poll_work(m->arena, &m->work,
								  (double) ((m->bags->start[row + 1] - m->bags->start[row] + m->width) * mixed->K), err));
		score_row(m, mixed->K, row);
		best = best_but(m, mixed->K, -1);
		second = best_but(m, mixed->K, best);
		*n_moved += mixed->topic[i] != best;
		mixed->topic[i] = best;
		mixed->best[i] = m->score[best];
		mixed->second[i] = second >= 0 ? m->score[second] : -INFINITY;
		mixed->total += (double) m->score[best];
	}
	return NN_OK;
}

int32_t
nn_mixture_other(NnMixture *m, const NnMixed *mixed, int64_t i, int32_t but)
{
	score_row(m, mixed->K, mixed->row[i]);
	return best_but(m, mixed->K, but);
}

NnStatus
nn_mixture_fit(NnMixture *m, int n_turns, NnMixed *mixed, NnError *err)
{
	for (int turn = 0; turn < n_turns; turn++)
	{
		int64_t		n_moved;

		NN_TRY(count_words(m, mixed, err));
		NN_TRY(take_ratios(m, mixed->K, err));
		turn_centers(m, mixed->K);
		NN_TRY(assign(m, mixed, &n_moved, err));
		if ((double) n_moved <= STOP_SHARE * (double) mixed->n)
			break;
	}
	return NN_OK;
}
