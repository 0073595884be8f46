/*
 * topic/kmeans.c: k-means++ and Lloyd's iterations.
 *
 * |x - c|^2 = |x|^2 - 2 x'c + |c|^2, the products by nn_gemm_packed, which adds in one order.
 */
#include "topic/kmeans.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

#define MAX_TURNS	100
#define STOP_SHARE	0.0005		/* of the rows that still move */
#define BLOCK_ROWS	256

typedef struct Search
{
	const float *x;
	int64_t		n;
	int			width;
	int			k;
	float	   *packed;
	float	   *products;		/* (BLOCK_ROWS, k) */
	float	   *squares;		/* (k) |c|^2 */
	double	   *sum;			/* (k, width) */
	int64_t    *count;			/* (k) */
	NnArena    *arena;
} Search;

static NnStatus
create_search(Search *search, const float *x, int64_t n, int width, int k, NnArena *scratch, NnError *err)
{
	nn_kern_init();
	*search = (Search)
	{
		.x = x, .n = n, .width = width, .k = k, .arena = scratch
	};
	search->packed = NN_TAKE(scratch, float, nn_pack_floats(width, k));
	search->products = NN_TAKE(scratch, float, nn_size_mul(BLOCK_ROWS, (size_t) k));
	search->squares = NN_TAKE(scratch, float, (size_t) k);
	search->sum = NN_TAKE(scratch, double, nn_size_mul((size_t) k, (size_t) width));
	search->count = NN_TAKE(scratch, int64_t, (size_t) k);
	if (search->packed == NULL || search->products == NULL || search->squares == NULL || search->sum == NULL ||
		search->count == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

NnStatus
nn_clusters_create(NnClusters *out, int k, int64_t n, int width, NnArena *arena, NnError *err)
{
	out->k = k;
	out->cluster = NN_ALLOC(arena, int32_t, (size_t) n);
	out->distance = NN_ALLOC(arena, float, (size_t) n);
	out->second = NN_ALLOC(arena, float, (size_t) n);
	out->center = NN_ALLOC(arena, float, nn_size_mul((size_t) k, (size_t) width));
	if (out->cluster == NULL || out->distance == NULL || out->second == NULL || out->center == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* ---- assignment -------------------------------------------------------------------- */

static int64_t
assign_row(const Search *search, NnClusters *out, int64_t i, const float *products)
{
	float		squares = (float) nn_sum_squares(search->width, search->x + (size_t) i * (size_t) search->width);
	int32_t		before = out->cluster[i];
	float		best = INFINITY;
	float		second = INFINITY;

	for (int c = 0; c < search->k; c++)
	{
		float		distance = fmaxf(squares - 2.0f * products[c] + search->squares[c], 0.0f);

		if (distance < best)
		{
			second = best;
			best = distance;
			out->cluster[i] = c;
		}
		else if (distance < second)
			second = distance;
	}
	out->distance[i] = best;
	out->second[i] = second;
	return out->cluster[i] != before;
}

/* Returns how many rows moved in *n_moved. */
static NnStatus
assign(Search *search, NnClusters *out, int64_t *n_moved, NnError *err)
{
	int			D = search->width;
	int			K = search->k;

	*n_moved = 0;
	out->inertia = 0.0;
	nn_pack(out->center, D, D, K, true, search->packed);
	for (int c = 0; c < K; c++)
		search->squares[c] = (float) nn_sum_squares(D, out->center + (size_t) c * (size_t) D);
	for (int64_t i = 0; i < search->n; i += BLOCK_ROWS)
	{
		int64_t		n = search->n - i < BLOCK_ROWS ? search->n - i : BLOCK_ROWS;

		if (nn_arena_poll(search->arena) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		nn_gemm_packed(n, K, D, search->x + (size_t) i * (size_t) D, D, search->packed, search->products, K, false);
		for (int64_t j = 0; j < n; j++)
		{
			*n_moved += assign_row(search, out, i + j, search->products + (size_t) j * (size_t) K);
			out->inertia += (double) out->distance[i + j];
		}
	}
	return NN_OK;
}

NnStatus
nn_kmeans_assign(const float *x, int64_t n, int width, NnArena *scratch, NnClusters *out, NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	Search		search;
	int64_t		n_moved;

	NN_TRY(create_search(&search, x, n, width, out->k, scratch, err));
	NN_TRY(assign(&search, out, &n_moved, err));
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}

/* ---- centers ------------------------------------------------------------------------ */

static void
put_center(const Search *search, NnClusters *out, int c, int64_t row)
{
	size_t		D = (size_t) search->width;

	memcpy(out->center + (size_t) c * D, search->x + (size_t) row * D, D * sizeof(float));
}

/* A row drawn with a probability in proportion to its distance; any if all are 0. */
static int64_t
draw_row(const float *distance, int64_t n, NnRng *rng)
{
	double		sum = nn_sum(n, distance);
	double		at = (double) (nn_rng_u64(rng) >> 11) * 0x1p-53;
	int64_t		last = -1;

	if (!(sum > 0.0))
		return (int64_t) nn_rng_below(rng, (uint64_t) n);
	at *= sum;
	for (int64_t i = 0; i < n; i++)
	{
		if (!(distance[i] > 0.0f))
			continue;
		last = i;
		at -= (double) distance[i];
		if (at < 0.0)
			break;
	}
	return last;
}

static NnStatus
draw_centers(Search *search, NnClusters *out, NnRng *rng, NnError *err)
{
	size_t		D = (size_t) search->width;

	for (int64_t i = 0; i < search->n; i++)
		out->distance[i] = 1.0f;
	for (int c = 0; c < search->k; c++)
	{
		const float *center = out->center + (size_t) c * D;

		put_center(search, out, c, draw_row(out->distance, search->n, rng));
		for (int64_t i = 0; i < search->n; i++)
		{
			const float *row = search->x + (size_t) i * D;
			float		distance = 0.0f;

			if (i % 4096 == 0 && nn_arena_poll(search->arena) != NN_OK)
				return nn_fail(err, NN_ECANCELED, "canceled");
			for (size_t d = 0; d < D; d++)
				distance += (row[d] - center[d]) * (row[d] - center[d]);
			if (c == 0 || distance < out->distance[i])
				out->distance[i] = distance;
		}
	}
	return NN_OK;
}

static int64_t
farthest_row(const NnClusters *out, int64_t n)
{
	int64_t		farthest = 0;

	for (int64_t i = 1; i < n; i++)
		if (out->distance[i] > out->distance[farthest])
			farthest = i;
	return farthest;
}

/* Means of the clusters; an empty one moves to the row that is farthest from its own center. */
static NnStatus
move_centers(Search *search, NnClusters *out, NnError *err)
{
	size_t		D = (size_t) search->width;

	memset(search->sum, 0, (size_t) search->k * D * sizeof(double));
	memset(search->count, 0, (size_t) search->k * sizeof(int64_t));
	for (int64_t i = 0; i < search->n; i++)
	{
		double	   *sum = search->sum + (size_t) out->cluster[i] * D;
		const float *row = search->x + (size_t) i * D;

		if (i % 4096 == 0 && nn_arena_poll(search->arena) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		search->count[out->cluster[i]]++;
		for (size_t d = 0; d < D; d++)
			sum[d] += (double) row[d];
	}
	for (int c = 0; c < search->k; c++)
	{
		if (search->count[c] == 0)
		{
			int64_t		row = farthest_row(out, search->n);

			put_center(search, out, c, row);
			out->distance[row] = 0.0f;
			continue;
		}
		for (size_t d = 0; d < D; d++)
			out->center[(size_t) c * D + d] = (float) (search->sum[(size_t) c * D + d] / (double) search->count[c]);
	}
	return NN_OK;
}

static NnStatus
search_once(Search *search, NnClusters *out, NnRng *rng, NnError *err)
{
	int64_t		n_moved;

	NN_TRY(draw_centers(search, out, rng, err));
	NN_TRY(assign(search, out, &n_moved, err));
	for (int turn = 0; turn < MAX_TURNS; turn++)
	{
		NN_TRY(move_centers(search, out, err));
		NN_TRY(assign(search, out, &n_moved, err));
		if ((double) n_moved <= STOP_SHARE * (double) search->n)
			break;
	}
	return NN_OK;
}

static void
copy_clusters(NnClusters *to, const NnClusters *from, int64_t n, int width)
{
	memcpy(to->cluster, from->cluster, (size_t) n * sizeof(int32_t));
	memcpy(to->distance, from->distance, (size_t) n * sizeof(float));
	memcpy(to->second, from->second, (size_t) n * sizeof(float));
	memcpy(to->center, from->center, (size_t) from->k * (size_t) width * sizeof(float));
	to->inertia = from->inertia;
}

NnStatus
nn_kmeans(const float *x, int64_t n, int width, int n_starts, NnRng *rng, NnArena *scratch, NnClusters *out,
		  NnError *err)
{
	NnArenaMark mark = nn_arena_mark(scratch);
	NnClusters	trial;
	Search		search;

	NN_TRY(create_search(&search, x, n, width, out->k, scratch, err));
	NN_TRY(nn_clusters_create(&trial, out->k, n, width, scratch, err));
	for (int start = 0; start < n_starts; start++)
	{
		NN_TRY(search_once(&search, &trial, rng, err));
		if (start == 0 || trial.inertia < out->inertia)
			copy_clusters(out, &trial, n, width);
	}
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}
