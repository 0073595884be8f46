/*
 * topic/refine.c: self-training of a linear softmax.
 *
 * Features of a row: (1 + log tf) idf of its words at length 1, and its vector.  AdaGrad
 * (Duchi, Hazan and Singer 2011) with one rate a feature, rows in an order drawn anew each pass:
 *
 *	G_j += x_j^2 |g|^2		W_j -= eta x_j g / sqrt(G_j)		g = n / (K n_k) (p - y)
 */
#include "topic/refine.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

#define N_PASSES	6
#define RATE		0.3f
#define KEPT_SHARE	0.7			/* of a cluster's rows, the surest */
#define STOP_SHARE	0.005		/* of the rows that still move */

typedef struct Refining
{
	const NnTopicRows *rows;
	const float *x;
	int			width;
	int			K;
	int32_t    *topic;
	float	   *sure;
	float	   *idf;			/* (n_words) */
	float	   *weight;			/* (n_words + width + 1, K); the last row is the bias */
	float	   *squares;		/* (n_words + width + 1) AdaGrad's */
	float	   *logit;			/* (K) */
	float	   *class_weight;	/* (K) */
	float	   *value;			/* (longest row) tf-idf of distinct words */
	int32_t    *distinct;		/* (longest row) */
	int32_t    *repeats;		/* (n_words) within the row at hand */
	int32_t    *order;			/* (n) rows to learn from */
	int64_t		n_order;
	NnArena    *arena;
	int64_t		work;
} Refining;

static NnStatus
poll_work(Refining *r, int64_t work, NnError *err)
{
	r->work += work;
	if (r->work < 2000000)
		return NN_OK;
	r->work = 0;
	if (nn_arena_poll(r->arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

static NnStatus
create_refining(Refining *r, const float *telling, NnArena *scratch, NnError *err)
{
	const NnTopicRows *rows = r->rows;
	size_t		V = (size_t) rows->n_words;
	size_t		F = V + (size_t) r->width + 1;
	size_t		longest = 1;

	for (int64_t i = 0; i < rows->n; i++)
		if (rows->start[i + 1] - rows->start[i] > (int64_t) longest)
			longest = (size_t) (rows->start[i + 1] - rows->start[i]);
	r->idf = NN_ALLOC(scratch, float, V);
	r->weight = NN_ALLOC(scratch, float, nn_size_mul(F, (size_t) r->K));
	r->squares = NN_ALLOC(scratch, float, F);
	r->logit = NN_ALLOC(scratch, float, (size_t) r->K);
	r->class_weight = NN_ALLOC(scratch, float, (size_t) r->K);
	r->value = NN_ALLOC(scratch, float, longest);
	r->distinct = NN_ALLOC(scratch, int32_t, longest);
	r->repeats = NN_ALLOC(scratch, int32_t, V);
	r->order = NN_ALLOC(scratch, int32_t, (size_t) rows->n);
	if (r->idf == NULL || r->weight == NULL || r->squares == NULL || r->logit == NULL || r->class_weight == NULL ||
		r->value == NULL || r->distinct == NULL || r->repeats == NULL || r->order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (size_t w = 0; w < V; w++)
		r->idf[w] = telling[w] * (float) (log((1.0 + (double) rows->n) / (1.0 + (double) rows->n_rows[w])) + 1.0);
	return NN_OK;
}

/* ---- which rows teach ----------------------------------------------------------------- */

/* The margin that KEPT_SHARE of the topic's rows reach: a quickselect on a copy would be no shorter. */
static float
margin_of(Refining *r, int k, float *copy)
{
	int64_t		n = 0;
	int64_t		low = 0;
	int64_t		high;
	int64_t		at;

	for (int64_t i = 0; i < r->rows->n; i++)
		if (r->topic[i] == k)
			copy[n++] = r->sure[i];
	if (n == 0)
		return 0.0f;
	at = (int64_t) ((1.0 - KEPT_SHARE) * (double) n);
	high = n - 1;
	while (low < high)
	{
		float		pivot = copy[(low + high) / 2];
		int64_t		i = low;
		int64_t		j = high;

		while (i <= j)
		{
			while (copy[i] < pivot)
				i++;
			while (copy[j] > pivot)
				j--;
			if (i <= j)
			{
				float		kept = copy[i];

				copy[i++] = copy[j];
				copy[j--] = kept;
			}
		}
		if (at <= j)
			high = j;
		else if (at >= i)
			low = i;
		else
			break;
	}
	return copy[at];
}

static NnStatus
choose_teachers(Refining *r, float *copy, NnError *err)
{
	r->n_order = 0;
	for (int k = 0; k < r->K; k++)
	{
		float		least = margin_of(r, k, copy);
		int64_t		before = r->n_order;

		NN_TRY(poll_work(r, 2 * r->rows->n, err));
		for (int64_t i = 0; i < r->rows->n; i++)
			if (r->topic[i] == k && r->sure[i] >= least)
				r->order[r->n_order++] = (int32_t) i;
		r->class_weight[k] = r->n_order > before ? 1.0f / (float) (r->n_order - before) : 0.0f;
	}
	for (int k = 0; k < r->K; k++)
		r->class_weight[k] *= (float) r->n_order / (float) r->K;
	return NN_OK;
}

/* ---- the classifier ---------------------------------------------------------------------- */

/* Distinct words of row i and their values; returns how many. */
static int
make_features(Refining *r, int64_t i)
{
	const NnTopicRows *rows = r->rows;
	int			n = 0;
	double		norm;

	for (int64_t j = rows->start[i]; j < rows->start[i + 1]; j++)
		if (r->repeats[rows->word[j]]++ == 0)
			r->distinct[n++] = rows->word[j];
	for (int j = 0; j < n; j++)
	{
		r->value[j] = (1.0f + logf((float) r->repeats[r->distinct[j]])) * r->idf[r->distinct[j]];
		r->repeats[r->distinct[j]] = 0;
	}
	norm = nn_sum_squares(n, r->value);
	if (norm > 0.0)
		nn_scale(n, (float) (1.0 / sqrt(norm)), r->value);
	return n;
}

/* Probabilities of row i into logit. */
static void
answer_row(Refining *r, int64_t i, int n)
{
	int			K = r->K;
	int			V = r->rows->n_words;
	const float *x = r->x + (size_t) i * (size_t) r->width;

	memcpy(r->logit, r->weight + (size_t) (V + r->width) * (size_t) K, (size_t) K * sizeof(float));
	nn_gather_sum(n, r->distinct, r->value, r->weight, K, r->logit);
	for (int d = 0; d < r->width; d++)
		nn_axpy(K, x[d], r->weight + (size_t) (V + d) * (size_t) K, r->logit);
	nn_softmax_rows(1, K, r->logit, K);
}

static void
step_feature(Refining *r, size_t feature, float value, float squares)
{
	r->squares[feature] += value * value * squares;
	if (r->squares[feature] > 0.0f)
		nn_axpy(r->K, -RATE * value / sqrtf(r->squares[feature]), r->logit, r->weight + feature * (size_t) r->K);
}

static void
learn_row(Refining *r, int64_t i)
{
	int			n = make_features(r, i);
	size_t		V = (size_t) r->rows->n_words;
	const float *x = r->x + (size_t) i * (size_t) r->width;
	float		squares;

	answer_row(r, i, n);
	r->logit[r->topic[i]] -= 1.0f;
	nn_scale(r->K, r->class_weight[r->topic[i]], r->logit);
	squares = (float) nn_sum_squares(r->K, r->logit);
	for (int j = 0; j < n; j++)
		step_feature(r, (size_t) r->distinct[j], r->value[j], squares);
	for (int d = 0; d < r->width; d++)
		step_feature(r, V + (size_t) d, x[d], squares);
	step_feature(r, V + (size_t) r->width, 1.0f, squares);
}

static NnStatus
learn(Refining *r, NnRng *rng, NnError *err)
{
	size_t		F = (size_t) r->rows->n_words + (size_t) r->width + 1;

	memset(r->weight, 0, F * (size_t) r->K * sizeof(float));
	memset(r->squares, 0, F * sizeof(float));
	for (int pass = 0; pass < N_PASSES; pass++)
	{
		nn_rng_shuffle(rng, r->order, r->n_order);
		for (int64_t i = 0; i < r->n_order; i++)
		{
			NN_TRY(poll_work(r, (r->rows->start[r->order[i] + 1] - r->rows->start[r->order[i]] + r->width) * r->K, err));
			learn_row(r, r->order[i]);
		}
	}
	return NN_OK;
}

/* All rows' topics and margins; how many moved. */
static NnStatus
assign(Refining *r, int64_t *n_moved, NnError *err)
{
	*n_moved = 0;
	for (int64_t i = 0; i < r->rows->n; i++)
	{
		int			best = 0;
		float		second = 0.0f;

		if (r->topic[i] < 0)
			continue;
		NN_TRY(poll_work(r, (r->rows->start[i + 1] - r->rows->start[i] + r->width) * r->K, err));
		answer_row(r, i, make_features(r, i));
		for (int k = 1; k < r->K; k++)
			if (r->logit[k] > r->logit[best])
				best = k;
		for (int k = 0; k < r->K; k++)
			if (k != best && r->logit[k] > second)
				second = r->logit[k];
		*n_moved += r->topic[i] != best;
		r->topic[i] = best;
		r->sure[i] = r->logit[best] - second;
	}
	return NN_OK;
}

NnStatus
nn_refine(const NnTopicRows *rows, const float *x, int width, const float *telling, int n_topics, int n_rounds, NnRng *rng,
		  NnArena *scratch, int32_t *topic, float *sure, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	Refining	r = {.rows = rows, .x = x, .width = width, .K = n_topics, .topic = topic, .sure = sure, .arena = scratch};
	float	   *copy = NN_TAKE(scratch, float, (size_t) rows->n);

	if (copy == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(create_refining(&r, telling, scratch, err));
	for (int round = 0; round < n_rounds; round++)
	{
		int64_t		n_moved;

		NN_TRY(choose_teachers(&r, copy, err));
		NN_TRY(learn(&r, rng, err));
		NN_TRY(assign(&r, &n_moved, err));
		if ((double) n_moved < STOP_SHARE * (double) rows->n)
			break;
	}
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}
