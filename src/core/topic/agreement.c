/*
 * topic/agreement.c: mean cosines of rows by the words they share.
 */
#include "topic/agreement.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

typedef struct Sums
{
	const NnBags *bags;
	int			width;
	const float *vector;
	const float *weight;
	float	   *share;			/* (longest row) what each word of the row at hand adds */
	float	   *row;			/* (width) the vector of the row at hand */
	float	   *rest;			/* (width) without a word */
	double	   *mean;			/* (width) */
	float	   *sum;			/* (n_words, width) */
	int32_t    *n_rows;			/* (n_words) */
	NnArena    *arena;
	double		work;			/* since the last poll */
} Sums;

static NnStatus
create_sums(Sums *s, NnError *err)
{
	size_t		D = (size_t) s->width;
	size_t		V = (size_t) s->bags->n_words;

	s->share = NN_TAKE(s->arena, float, (size_t) s->bags->longest);
	s->row = NN_TAKE(s->arena, float, D);
	s->rest = NN_TAKE(s->arena, float, D);
	s->mean = NN_ALLOC(s->arena, double, D);
	s->sum = NN_ALLOC(s->arena, float, nn_size_mul(V, D));
	s->n_rows = NN_ALLOC(s->arena, int32_t, V);
	if (s->share == NULL || s->row == NULL || s->rest == NULL || s->mean == NULL || s->sum == NULL || s->n_rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* share and row, of row i. */
static NnStatus
make_row(Sums *s, int64_t i, NnError *err)
{
	const NnBags *bags = s->bags;
	int64_t		from = bags->start[i];
	int64_t		n = bags->start[i + 1] - from;
	float		all = (float) nn_sum(n, bags->count + from);

	for (int64_t j = 0; j < n; j++)
		s->share[j] = s->weight[bags->word[from + j]] * bags->count[from + j] / all;
	memset(s->row, 0, (size_t) s->width * sizeof(float));
	nn_gather_sum(n, bags->word + from, s->share, s->vector, s->width, s->row);
	return nn_arena_poll_work(s->arena, &s->work, (double) (n * s->width), err);
}

static NnStatus
find_mean(Sums *s, NnError *err)
{
	for (int64_t i = 0; i < s->bags->n; i++)
	{
		NN_TRY(make_row(s, i, err));
		for (int d = 0; d < s->width; d++)
			s->mean[d] += (double) s->row[d];
	}
	for (int d = 0; d < s->width && s->bags->n > 0; d++)
		s->mean[d] /= (double) s->bags->n;
	return NN_OK;
}

/* The row at hand without its word j, to the sum of that word. */
static void
add_rest(Sums *s, int32_t word, float share)
{
	size_t		D = (size_t) s->width;
	double		before = nn_sum_squares(s->width, s->row);
	double		norm;

	for (size_t d = 0; d < D; d++)
		s->rest[d] = s->row[d] - (float) s->mean[d];
	nn_axpy(s->width, -share, s->vector + (size_t) word * D, s->rest);
	norm = nn_sum_squares(s->width, s->rest);
	if (!(norm > 1e-10 * before))
		return;
	nn_axpy(s->width, (float) (1.0 / sqrt(norm)), s->rest, s->sum + (size_t) word * D);
	s->n_rows[word]++;
}

NnStatus
nn_topic_agreement(const NnBags *bags, int width, const float *vector, const float *weight, NnArena *scratch,
				   float *agreement, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	Sums		s = {.bags = bags, .width = width, .vector = vector, .weight = weight, .arena = scratch};

	NN_TRY(create_sums(&s, err));
	NN_TRY(find_mean(&s, err));
	for (int64_t i = 0; i < bags->n; i++)
	{
		NN_TRY(make_row(&s, i, err));
		NN_TRY(nn_arena_poll_work(s.arena, &s.work,
								  4.0 * (double) ((bags->start[i + 1] - bags->start[i]) * width), err));
		for (int64_t j = bags->start[i]; j < bags->start[i + 1]; j++)
			add_rest(&s, bags->word[j], s.share[j - bags->start[i]]);
	}
	for (int w = 0; w < bags->n_words; w++)
	{
		double		n = (double) s.n_rows[w];
		double		squares = nn_sum_squares(width, s.sum + (size_t) w * (size_t) width);

		agreement[w] = n > 1.0 ? (float) ((squares - n) / (n * (n - 1.0))) : 0.0f;
	}
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}
