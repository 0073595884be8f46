/*
 * topic/row_vectors.c: vectors of words -> vectors of rows.
 */
#include "topic/vectors.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

#define SIF_A		0.03
#define POLL_ROWS	1024

static NnStatus
poll(int64_t i, const NnArena *arena, NnError *err)
{
	if (i % POLL_ROWS == 0 && nn_arena_poll(arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

/* Weighted sums; at length 1, as are all steps after. */
static NnStatus
sum_words(const NnBags *bags, int width, const float *vector, const float *weight, NnArena *scratch, float *out, NnError *err)
{
	float	   *share = NN_TAKE(scratch, float, (size_t) bags->longest);

	if (share == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memset(out, 0, (size_t) bags->n * (size_t) width * sizeof(float));
	for (int64_t i = 0; i < bags->n; i++)
	{
		const int32_t *word = bags->word + bags->start[i];
		const float *count = bags->count + bags->start[i];
		int64_t		n = bags->start[i + 1] - bags->start[i];
		float		all = (float) nn_sum(n, count);

		NN_TRY(poll(i, scratch, err));
		for (int64_t j = 0; j < n; j++)
			share[j] = weight[word[j]] * count[j] / all;
		nn_gather_sum(n, word, share, vector, width, out + (size_t) i * (size_t) width);
	}
	return NN_OK;
}

/* What all rows have in common, into mean (width): of rows that have words at all. */
static NnStatus
common_part(const float *x, int64_t n, int width, const NnArena *arena, double *mean, NnError *err)
{
	int64_t		n_placed = 0;

	for (int64_t i = 0; i < n; i++)
	{
		const float *row = x + (size_t) i * (size_t) width;

		NN_TRY(poll(i, arena, err));
		n_placed += nn_sum_squares(width, row) > 0.0;
		for (int k = 0; k < width; k++)
			mean[k] += (double) row[k];
	}
	for (int k = 0; k < width && n_placed > 0; k++)
		mean[k] /= (double) n_placed;
	return NN_OK;
}

/* Rows less that, at length 1; what is left of nothing is zero. */
static NnStatus
take_out(float *x, int64_t n, int width, const double *mean, const NnArena *arena, NnError *err)
{
	for (int64_t i = 0; i < n; i++)
	{
		float	   *row = x + (size_t) i * (size_t) width;
		double		before = nn_sum_squares(width, row);
		double		norm;

		NN_TRY(poll(i, arena, err));
		if (!(before > 0.0))
			continue;
		for (int k = 0; k < width; k++)
			row[k] = (float) ((double) row[k] - mean[k]);
		norm = nn_sum_squares(width, row);
		if (norm > 1e-10 * before)
			nn_scale(width, (float) (1.0 / sqrt(norm)), row);
		else
			memset(row, 0, (size_t) width * sizeof(float));
	}
	return NN_OK;
}

void
nn_row_weights(const NnTopicRows *rows, const float *telling, float *weight)
{
	double		all = rows->n_all_tokens > 0 ? (double) rows->n_all_tokens : 1.0;

	for (int w = 0; w < rows->n_words; w++)
		weight[w] = telling[w] * (float) (SIF_A / (SIF_A + (double) rows->n_tokens[w] / all));
}

NnStatus
nn_row_vectors(const NnBags *bags, int width, const float *vector, const float *weight, NnArena *scratch,
			   float *out, NnError *err)
{
	double	   *mean = NN_ALLOC(scratch, double, (size_t) width);

	if (mean == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(sum_words(bags, width, vector, weight, scratch, out, err));
	NN_TRY(common_part(out, bags->n, width, scratch, mean, err));
	return take_out(out, bags->n, width, mean, scratch, err);
}
