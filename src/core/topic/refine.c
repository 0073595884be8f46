/*
 * topic/refine.c: fits of the mixture, and moves between them.
 */
#include "topic/refine.h"

#include <math.h>
#include <string.h>

#include "topic/kmeans.h"
#include "topic/mixture.h"

#define N_TURNS			10
#define N_SPLIT_TURNS	4
#define MAX_MOVES		8
#define LEAST_ROWS		10		/* of a topic to be split */

typedef struct Refining
{
	NnMixture	mixture;
	const float *x;
	float	   *spare;			/* (rows, width) vectors of one topic's rows */
	int			width;
	NnMixed		all;
	int32_t    *before;			/* (all.n) topics to return to */
	int32_t    *row;			/* (all.n) that take part */
	int32_t    *at;				/* (all.n) of one topic: its places in all */
	int8_t	   *half;			/* (all.n) in which half of its topic a row would be */
	double	   *loss;			/* (K) if the topic were given up */
	double	   *gain;			/* (K) if it were split */
	NnMixed		part;			/* one topic's rows */
	int32_t    *part_row;
	NnRng	   *rng;
	NnArena    *arena;
} Refining;

static NnStatus
create_mixed(NnMixed *mixed, int64_t n, int K, NnArena *arena, NnError *err)
{
	mixed->K = K;
	mixed->topic = NN_TAKE(arena, int32_t, (size_t) n);
	mixed->best = NN_TAKE(arena, float, (size_t) n);
	mixed->second = NN_TAKE(arena, float, (size_t) n);
	if (mixed->topic == NULL || mixed->best == NULL || mixed->second == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

static NnStatus
create_refining(Refining *r, const int32_t *topic, int64_t n, int K, NnError *err)
{
	r->row = NN_TAKE(r->arena, int32_t, (size_t) n);
	r->before = NN_TAKE(r->arena, int32_t, (size_t) n);
	r->at = NN_TAKE(r->arena, int32_t, (size_t) n);
	r->half = NN_ALLOC(r->arena, int8_t, (size_t) n);
	r->loss = NN_TAKE(r->arena, double, (size_t) K);
	r->gain = NN_TAKE(r->arena, double, (size_t) K);
	r->part_row = NN_TAKE(r->arena, int32_t, (size_t) n);
	if (r->row == NULL || r->before == NULL || r->at == NULL || r->half == NULL || r->loss == NULL || r->gain == NULL ||
		r->part_row == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(create_mixed(&r->all, n, K, r->arena, err));
	NN_TRY(create_mixed(&r->part, n, 2, r->arena, err));
	r->all.row = r->row;
	r->part.row = r->part_row;
	for (int64_t i = 0; i < n; i++)
	{
		if (topic[i] < 0)
			continue;
		r->row[r->all.n] = (int32_t) i;
		r->all.topic[r->all.n++] = topic[i];
	}
	return NN_OK;
}

/* ---- what moves would bring ------------------------------------------------------------ */

static void
find_losses(Refining *r)
{
	memset(r->loss, 0, (size_t) r->all.K * sizeof(double));
	for (int64_t i = 0; i < r->all.n; i++)
		r->loss[r->all.topic[i]] += (double) r->all.best[i] - (double) r->all.second[i];
}

/* Rows of topic k into part; their scores as they are, together. */
static double
take_part(Refining *r, int k)
{
	size_t		D = (size_t) r->width;
	double		score = 0.0;

	r->part.n = 0;
	for (int64_t i = 0; i < r->all.n; i++)
	{
		if (r->all.topic[i] != k)
			continue;
		memcpy(r->spare + (size_t) r->part.n * D, r->x + (size_t) r->row[i] * D, D * sizeof(float));
		r->part_row[r->part.n] = r->row[i];
		r->at[r->part.n++] = (int32_t) i;
		score += (double) r->all.best[i];
	}
	return score;
}

/* How topic k would be split, and what that would bring.  Overwrites the mixture. */
static NnStatus
try_split(Refining *r, int k, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(r->arena);
	double		score = take_part(r, k);
	NnClusters	clusters;

	r->gain[k] = 0.0;
	if (r->part.n < LEAST_ROWS)
		return NN_OK;
	NN_TRY(nn_clusters_create(&clusters, 2, r->part.n, r->width, r->arena, err));
	NN_TRY(nn_kmeans(r->spare, r->part.n, r->width, 1, r->rng, r->arena, &clusters, err));
	memcpy(r->part.topic, clusters.cluster, (size_t) r->part.n * sizeof(int32_t));
	nn_arena_rewind(r->arena, &mark);
	NN_TRY(nn_mixture_fit(&r->mixture, N_SPLIT_TURNS, &r->part, err));
	for (int64_t i = 0; i < r->part.n; i++)
		r->half[r->at[i]] = (int8_t) r->part.topic[i];
	r->gain[k] = r->part.total - score;
	return NN_OK;
}

/* The pair of topics that brings most: one to give up, one to split.  False if none brings anything. */
static bool
choose_move(const Refining *r, int *up, int *split)
{
	double		best = 0.0;

	for (int k = 0; k < r->all.K; k++)
		for (int l = 0; l < r->all.K; l++)
			if (k != l && r->gain[l] - r->loss[k] > best)
			{
				best = r->gain[l] - r->loss[k];
				*up = k;
				*split = l;
			}
	return best > 0.0;
}

/* ---- moves ------------------------------------------------------------------------------- */

/* Make the best move; *is_better tells whether it was one.  The mixture fits the rows before and after. */
static NnStatus
move(Refining *r, bool *is_better, NnError *err)
{
	double		total = r->all.total;
	int			up = 0;
	int			split = 0;

	*is_better = false;
	memcpy(r->before, r->all.topic, (size_t) r->all.n * sizeof(int32_t));
	find_losses(r);
	for (int k = 0; k < r->all.K; k++)
		NN_TRY(try_split(r, k, err));
	NN_TRY(nn_mixture_fit(&r->mixture, 1, &r->all, err));
	if (!choose_move(r, &up, &split))
		return NN_OK;
	for (int64_t i = 0; i < r->all.n; i++)
	{
		if (r->before[i] == up)
			r->all.topic[i] = nn_mixture_other(&r->mixture, &r->all, i, up);
		else if (r->before[i] == split && r->half[i] == 1)
			r->all.topic[i] = up;
	}
	NN_TRY(nn_mixture_fit(&r->mixture, N_TURNS, &r->all, err));
	*is_better = r->all.total > total;
	if (*is_better)
		return NN_OK;
	memcpy(r->all.topic, r->before, (size_t) r->all.n * sizeof(int32_t));
	return nn_mixture_fit(&r->mixture, 1, &r->all, err);
}

NnStatus
nn_refine(const NnBags *bags, const float *x, float *spare, int width, const float *telling, int n_topics, NnRng *rng,
		  NnArena *scratch, int32_t *topic, float *sure, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	Refining	r = {.x = x, .spare = spare, .width = width, .rng = rng, .arena = scratch};
	bool		is_better = true;

	NN_TRY(create_refining(&r, topic, bags->n, n_topics, err));
	NN_TRY(nn_mixture_create(&r.mixture, bags, x, width, telling, n_topics > 2 ? n_topics : 2, scratch, err));
	NN_TRY(nn_mixture_fit(&r.mixture, N_TURNS, &r.all, err));
	for (int n = 0; n < MAX_MOVES && is_better && n_topics > 2; n++)
		NN_TRY(move(&r, &is_better, err));
	for (int64_t i = 0; i < r.all.n; i++)
	{
		topic[r.row[i]] = r.all.topic[i];
		sure[r.row[i]] = tanhf(0.5f * (r.all.best[i] - r.all.second[i]));
	}
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}
