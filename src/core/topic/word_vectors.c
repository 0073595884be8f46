/*
 * topic/word_vectors.c: what words stand near each other -> vectors of words.
 *
 * Row c of the matrix is made whole before the next: the places of word c are known from a
 * list, and the words around them are counted in an array as long as the vocabulary.  The
 * marginals need no counting of pairs, so only what is positive is ever stored.
 */
#include "topic/vectors.h"

#include <math.h>
#include <string.h>

#include "topic/directions.h"

#define WINDOW			10
#define SMOOTHING		0.75
#define N_ITERATIONS	4
#define N_BINS			40
#define POLL_PLACES		20000

typedef struct Pairs
{
	const NnTopicRows *rows;
	int64_t    *place_start;	/* (n_words + 1) */
	int64_t    *place;			/* where each word stands, word by word */
	int64_t    *row_start;		/* of each place: in int64_t */
	int64_t    *row_stop;
	double	   *marginal;		/* (n_words) m_w */
	double	   *smooth;			/* (n_words) log q_c */
	double		all;			/* Z */
	float	   *telling;		/* (n_words) out */
	int64_t		bin_words[N_BINS];	/* words by log2 of their share */
	double		bin_share[N_BINS];	/* their shares added up */
	int64_t    *count;			/* (n_words) of the row at hand */
	int32_t    *near;			/* (n_words) which are not zero */
	NnArray		start;			/* int64_t */
	NnArray		column;			/* int32_t */
	NnArray		value;			/* float */
	size_t		limit_bytes;
	const NnArena *arena;
} Pairs;

static NnStatus
poll(const Pairs *pairs, NnError *err)
{
	if (nn_arena_poll(pairs->arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

static NnStatus
create_pairs(Pairs *pairs, const NnTopicRows *rows, size_t limit_bytes, NnArena *scratch, NnError *err)
{
	size_t		V = (size_t) rows->n_words;
	size_t		n = (size_t) rows->n_all_tokens;
	const NnEnv *env = nn_arena_env(scratch);

	memset(pairs, 0, sizeof(*pairs));
	pairs->rows = rows;
	pairs->limit_bytes = limit_bytes;
	pairs->arena = scratch;
	pairs->place_start = NN_ALLOC(scratch, int64_t, V + 2);
	pairs->place = NN_TAKE(scratch, int64_t, n);
	pairs->row_start = NN_TAKE(scratch, int64_t, n);
	pairs->row_stop = NN_TAKE(scratch, int64_t, n);
	pairs->marginal = NN_ALLOC(scratch, double, V);
	pairs->smooth = NN_TAKE(scratch, double, V);
	pairs->count = NN_ALLOC(scratch, int64_t, V);
	pairs->near = NN_TAKE(scratch, int32_t, V);
	nn_array_init(&pairs->start, env, sizeof(int64_t));
	nn_array_init(&pairs->column, env, sizeof(int32_t));
	nn_array_init(&pairs->value, env, sizeof(float));
	if (pairs->place_start == NULL || pairs->place == NULL || pairs->row_start == NULL || pairs->row_stop == NULL ||
		pairs->marginal == NULL || pairs->smooth == NULL || pairs->count == NULL || pairs->near == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

static void
free_pairs(Pairs *pairs)
{
	nn_array_free(&pairs->start);
	nn_array_free(&pairs->column);
	nn_array_free(&pairs->value);
}

/* The first place of the window around one, and the one behind its last. */
static inline void
window(const Pairs *pairs, int64_t at, int64_t *from, int64_t *to)
{
	*from = at - WINDOW > pairs->row_start[at] ? at - WINDOW : pairs->row_start[at];
	*to = at + WINDOW + 1 < pairs->row_stop[at] ? at + WINDOW + 1 : pairs->row_stop[at];
}

/* Where each word stands, and the marginals. */
static NnStatus
list_places(Pairs *pairs, NnError *err)
{
	const NnTopicRows *rows = pairs->rows;
	int64_t    *next = pairs->place_start + 1;	/* counts, then where the next one goes */

	for (int64_t j = 0; j < rows->n_all_tokens; j++)
		next[rows->word[j] + 1]++;
	for (int w = 0; w < rows->n_words; w++)
		next[w + 1] += next[w];
	for (int64_t i = 0; i < rows->n; i++)
	{
		if (i % POLL_PLACES == 0)
			NN_TRY(poll(pairs, err));
		for (int64_t j = rows->start[i]; j < rows->start[i + 1]; j++)
		{
			int64_t		from;
			int64_t		to;

			pairs->row_start[j] = rows->start[i];
			pairs->row_stop[j] = rows->start[i + 1];
			window(pairs, j, &from, &to);
			pairs->marginal[rows->word[j]] += (double) (to - from - 1);
			pairs->place[next[rows->word[j]]++] = j;
		}
	}
	return NN_OK;
}

static void
smooth_marginals(Pairs *pairs)
{
	double		sum = 0.0;

	for (int w = 0; w < pairs->rows->n_words; w++)
	{
		pairs->all += pairs->marginal[w];
		sum += pow(pairs->marginal[w], SMOOTHING);
	}
	for (int w = 0; w < pairs->rows->n_words; w++)
	{
		double		share = pairs->marginal[w] / pairs->all;
		int			bin = share > 0.0 ? (int) (-log2(share)) : N_BINS - 1;

		bin = bin < N_BINS ? bin : N_BINS - 1;
		pairs->bin_words[bin]++;
		pairs->bin_share[bin] += share;
		pairs->smooth[w] = share > 0.0 ? SMOOTHING * log(pairs->marginal[w]) - log(sum) : 0.0;
	}
}

/* Words near word c, into count and near; returns how many. */
static NnStatus
count_near(Pairs *pairs, int c, int *n_near, NnError *err)
{
	const int32_t *word = pairs->rows->word;

	*n_near = 0;
	for (int64_t p = pairs->place_start[c]; p < pairs->place_start[c + 1]; p++)
	{
		int64_t		at = pairs->place[p];
		int64_t		from;
		int64_t		to;

		if (p % POLL_PLACES == 0)
			NN_TRY(poll(pairs, err));
		window(pairs, at, &from, &to);
		for (int64_t j = from; j < to; j++)
			if (j != at && pairs->count[word[j]]++ == 0)
				pairs->near[(*n_near)++] = word[j];
	}
	return NN_OK;
}

static NnStatus
push_entry(Pairs *pairs, int32_t w, double value, NnError *err)
{
	int32_t    *column = nn_array_push(&pairs->column, 1);
	float	   *entry = nn_array_push(&pairs->value, 1);

	if (column == NULL || entry == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*column = w;
	*entry = (float) value;
	return NN_OK;
}

/*
 * The divergence that n words drawn from all have by chance: for each of them, with l = n p
 * expected, E[k log(k / l)] of a Poisson number k, over n.  Words of about the same p are taken
 * together.
 */
static double
chance_divergence(const Pairs *pairs, double n)
{
	double		sum = 0.0;

	for (int b = 0; b < N_BINS; b++)
	{
		double		l;
		double		p;
		double		mean = 0.0;

		if (pairs->bin_words[b] == 0)
			continue;
		l = n * pairs->bin_share[b] / (double) pairs->bin_words[b];
		if (l > 20.0)
		{
			sum += (double) pairs->bin_words[b] * (0.5 + 1.0 / (12.0 * l));
			continue;
		}
		p = exp(-l);
		for (int k = 1; k < 60; k++)
		{
			p *= l / k;
			mean += p * k * log(k / l);
		}
		sum += (double) pairs->bin_words[b] * mean;
	}
	return sum / n;
}

/* Row c: M_wc of all w. */
static NnStatus
make_row(Pairs *pairs, int c, NnError *err)
{
	double		divergence = 0.0;
	int			n_near;
	int64_t    *start = nn_array_push(&pairs->start, 1);

	if (start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*start = (int64_t) pairs->column.n;
	NN_TRY(count_near(pairs, c, &n_near, err));
	for (int i = 0; i < n_near; i++)
	{
		int32_t		w = pairs->near[i];
		double		n = (double) pairs->count[w];
		double		value = log(n / pairs->marginal[w]) - pairs->smooth[c];

		divergence += n / pairs->marginal[c] * log(n * pairs->all / (pairs->marginal[c] * pairs->marginal[w]));
		pairs->count[w] = 0;
		if (value > 0.0)
			NN_TRY(push_entry(pairs, w, value, err));
	}
	pairs->telling[c] = pairs->marginal[c] > 0.0 ? (float) fmax(divergence - chance_divergence(pairs, pairs->marginal[c]), 0.0) : 0.0f;
	if (nn_array_bytes(&pairs->column) + nn_array_bytes(&pairs->value) > pairs->limit_bytes)
		return nn_fail(err, NN_ELIMIT, "the words of the rows stand together in too many pairs for the memory allowed");
	return NN_OK;
}

static NnStatus
make_matrix(Pairs *pairs, NnSparse *matrix, NnError *err)
{
	int64_t    *stop;

	NN_TRY(list_places(pairs, err));
	smooth_marginals(pairs);
	for (int c = 0; c < pairs->rows->n_words; c++)
	{
		if (c % 256 == 0)
			NN_TRY(poll(pairs, err));
		NN_TRY(make_row(pairs, c, err));
	}
	stop = nn_array_push(&pairs->start, 1);
	if (stop == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*stop = (int64_t) pairs->column.n;
	*matrix = (NnSparse)
	{
		.n_rows = pairs->rows->n_words, .n_columns = pairs->rows->n_words, .start = pairs->start.data,
			.column = pairs->column.data, .value = pairs->value.data
	};
	return NN_OK;
}

/* The matrix's rows are contexts, so that its right singular vectors are those of words. */
static NnStatus
solve(Pairs *pairs, int width, NnRng *rng, NnArena *scratch, float *vector, NnError *err)
{
	NnSparse	matrix;
	double	   *squares = NN_TAKE(scratch, double, (size_t) width);
	float	   *spare = NN_TAKE(scratch, float, nn_size_mul((size_t) pairs->rows->n_words, (size_t) width));

	if (squares == NULL || spare == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(make_matrix(pairs, &matrix, err));
	NN_TRY(nn_directions_find(&matrix, width, N_ITERATIONS, rng, scratch, vector, spare, err));
	NN_TRY(nn_directions_align(&matrix, width, scratch, vector, spare, squares, err));
	for (int k = 0; k < width; k++)
	{
		float		root = (float) pow(fmax(squares[k], 0.0), 0.25);

		for (int w = 0; w < pairs->rows->n_words; w++)
			vector[(size_t) w * (size_t) width + (size_t) k] *= root;
	}
	return NN_OK;
}

/*
 * Divergences D_w as weights: D_w^2 / (D_w^2 + D^2) with D their mean over all tokens, so that half of
 * what there is to say is said by words that weigh more than a half, whatever the column.
 */
static void
weigh_words(Pairs *pairs)
{
	const NnTopicRows *rows = pairs->rows;
	double		mean = 0.0;

	for (int w = 0; w < rows->n_words; w++)
		mean += (double) rows->n_tokens[w] / (double) rows->n_all_tokens * (double) pairs->telling[w];
	for (int w = 0; w < rows->n_words; w++)
	{
		double		square = (double) pairs->telling[w] * (double) pairs->telling[w];

		pairs->telling[w] = mean > 0.0 ? (float) (square / (square + mean * mean)) : 1.0f;
	}
}

NnStatus
nn_word_vectors(const NnTopicRows *rows, int width, size_t limit_bytes, NnRng *rng, NnArena *scratch,
				float *vector, float *telling, NnError *err)
{
	Pairs		pairs;
	NnStatus	status = create_pairs(&pairs, rows, limit_bytes, scratch, err);

	pairs.telling = telling;
	if (status == NN_OK)
		status = solve(&pairs, width, rng, scratch, vector, err);
	if (status == NN_OK)
		weigh_words(&pairs);
	free_pairs(&pairs);
	return status;
}
