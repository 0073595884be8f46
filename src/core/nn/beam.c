/*
 * nn/beam.c: beam search over rows of log-probabilities, and drawing a token.
 *
 * Hypotheses form a tree.  Level t holds the rows of step t: each one's last
 * token and its parent, a row of level t - 1; level 0 holds one row an input.
 * A hypothesis that has ended is a level and a row, from where its tokens are
 * read backward.
 *
 * Scores (Wu et al. 2016, equation 14, without the coverage term), with the
 * length of Y counting its end:
 *   score(Y) = log P(Y | X) / lp(Y)      lp(Y) = ((5 + length) / 6)^alpha
 * Continuations of one step are equally long, so they are compared by their sums
 * alone.
 */
#include "nn/beam.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* Tokens looked at together: four lines of the cache. */
#define BLOCK	64

/* A continuation of a row by a token. */
typedef struct Candidate
{
	double		sum;			/* log-probability of the whole */
	int32_t		token;
	int32_t		row;
} Candidate;

/* A hypothesis that has ended. */
typedef struct Ended
{
	double		score;
	double		log_p;
	int			level;
	int32_t		row;
} Ended;

struct NnBeam
{
	NnBeamOptions options;
	int			max_rows;		/* inputs times K */
	int			step;			/* the level of the rows */
	int32_t    *token;			/* (max_steps, max_rows) the tree */
	int32_t    *parent;			/* (max_steps, max_rows) */
	NnBeamRows	rows;
	int32_t    *input;			/* (max_rows) of the rows, and of those of the next step */
	int32_t    *input_next;
	double	   *sum;			/* (max_rows) likewise */
	double	   *sum_next;
	Candidate  *best;			/* (K) of the input at hand, the best first */
	int32_t    *limit;			/* (max_inputs) steps allowed */
	int32_t    *n_ended;		/* (max_inputs) */
	Ended	   *ended;			/* (max_inputs, K) the best first */
};

/* ---- memory ---------------------------------------------------------------------- */

static NnStatus
check_options(const NnBeamOptions *options, NnError *err)
{
	if (options->width < 1 || options->max_inputs < 1 || options->max_steps < 1)
		return nn_fail(err, NN_ERANGE, "a beam search needs at least one input, hypothesis and step");
	if (options->max_inputs > INT_MAX / options->width)
		return nn_fail(err, NN_ERANGE, "a beam of %d hypotheses is too wide for %d inputs",
					   options->width, options->max_inputs);
	if (!isfinite(options->alpha))
		return nn_fail(err, NN_ERANGE, "length normalization must be a finite number");
	return NN_OK;
}

NnStatus
nn_beam_create(NnBeam **beam, NnArena *arena, const NnBeamOptions *options, NnError *err)
{
	NnBeam	   *made;
	size_t		n_inputs = (size_t) options->max_inputs;
	size_t		n_rows;
	size_t		n_tree;

	*beam = NULL;
	NN_TRY(check_options(options, err));
	n_rows = n_inputs * (size_t) options->width;
	n_tree = nn_size_mul(n_rows, (size_t) options->max_steps);
	made = NN_ALLOC(arena, NnBeam, 1);
	if (made == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	made->options = *options;
	made->max_rows = (int) n_rows;
	made->token = NN_TAKE(arena, int32_t, n_tree);
	made->parent = NN_TAKE(arena, int32_t, n_tree);
	made->input = NN_TAKE(arena, int32_t, n_rows);
	made->input_next = NN_TAKE(arena, int32_t, n_rows);
	made->sum = NN_TAKE(arena, double, n_rows);
	made->sum_next = NN_TAKE(arena, double, n_rows);
	made->best = NN_TAKE(arena, Candidate, (size_t) options->width);
	made->limit = NN_TAKE(arena, int32_t, n_inputs);
	made->n_ended = NN_ALLOC(arena, int32_t, n_inputs);
	made->ended = NN_TAKE(arena, Ended, n_rows);
	if (made->token == NULL || made->parent == NULL || made->input == NULL || made->input_next == NULL ||
		made->sum == NULL || made->sum_next == NULL || made->best == NULL || made->limit == NULL ||
		made->n_ended == NULL || made->ended == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*beam = made;
	return NN_OK;
}

size_t
nn_beam_bytes(const NnBeamOptions *options)
{
	size_t		n_inputs = (size_t) options->max_inputs;
	size_t		n_rows = nn_size_mul(n_inputs, (size_t) options->width);
	size_t		n_tree = nn_size_mul(n_rows, (size_t) options->max_steps);
	size_t		n_bytes = nn_size_add(sizeof(NnBeam), nn_size_mul((size_t) options->width, sizeof(Candidate)));

	n_bytes = nn_size_add(n_bytes, nn_size_mul(n_tree, 2 * sizeof(int32_t)));
	n_bytes = nn_size_add(n_bytes, nn_size_mul(n_rows, 2 * (sizeof(int32_t) + sizeof(double)) + sizeof(Ended)));
	n_bytes = nn_size_add(n_bytes, nn_size_mul(n_inputs, 2 * sizeof(int32_t)));
	return nn_size_add(n_bytes, 11 * 63);	/* what 11 pieces are rounded up by */
}

/* ---- the tree -------------------------------------------------------------------- */

/* Place of a row in the tree. */
static size_t
place(const NnBeam *beam, int level, int row)
{
	return (size_t) level * (size_t) beam->max_rows + (size_t) row;
}

/* Show the level beam->step with its n rows. */
static void
set_rows(NnBeam *beam, int n)
{
	beam->rows.n = n;
	beam->rows.input = beam->input;
	beam->rows.parent = beam->parent + place(beam, beam->step, 0);
	beam->rows.token = beam->token + place(beam, beam->step, 0);
}

void
nn_beam_start(NnBeam *beam, int n_inputs, const int32_t *max_steps)
{
	beam->step = 0;
	memset(beam->n_ended, 0, (size_t) beam->options.max_inputs * sizeof(int32_t));
	for (int b = 0; b < n_inputs; b++)
	{
		beam->input[b] = b;
		beam->parent[b] = b;
		beam->token[b] = beam->options.start_token;
		beam->sum[b] = 0.0;
		beam->limit[b] = beam->options.max_steps;
		if (max_steps != NULL && max_steps[b] < beam->limit[b])
			beam->limit[b] = max_steps[b];
	}
	set_rows(beam, n_inputs);
}

const NnBeamRows *
nn_beam_rows(const NnBeam *beam)
{
	return &beam->rows;
}

/* ---- one step -------------------------------------------------------------------- */

static bool
is_before(const Candidate *a, const Candidate *b)
{
	if (a->sum != b->sum)
		return a->sum > b->sum;
	return a->token != b->token ? a->token < b->token : a->row < b->row;
}

/* Put a continuation where it belongs among the n best, of which K are kept; how many there are then. */
static int
keep(NnBeam *beam, int n, const Candidate *candidate)
{
	Candidate  *best = beam->best;
	int			K = beam->options.width;
	int			at = n < K ? n : K - 1;

	if (n == K && !is_before(candidate, &best[K - 1]))
		return n;
	for (; at > 0 && is_before(candidate, &best[at - 1]); at--)
		best[at] = best[at - 1];
	best[at] = *candidate;
	return n < K ? n + 1 : K;
}

/*
 * Does one of BLOCK tokens bring a row's sum up to the bound?  In single
 * precision, a little below the bound, and without a branch, so that the
 * compiler takes several at once: most blocks hold nothing, and a vocabulary is
 * read at the speed of memory (5 to 10 times as fast as one by one).
 */
static bool
may_reach(const float *x, double sum, double bound)
{
	double		least = bound - sum - 1e-6 * (fabs(bound) + fabs(sum));
	float		least1 = fabs(least) < (double) FLT_MAX ? (float) least : -INFINITY;
	int			n = 0;

	for (int i = 0; i < BLOCK; i++)
		n += x[i] >= least1;
	return n > 0;
}

/*
 * The best continuations of rows first ... last - 1 by tokens v_first ... v_last - 1,
 * in order, into beam->best; how many there are.
 */
static int
select_best(NnBeam *beam, int first, int last, const float *log_p, int V, int v_first, int v_last)
{
	int			K = beam->options.width;
	int			n = 0;

	for (int r = first; r < last; r++)
	{
		const float *x = log_p + (size_t) r * (size_t) V;
		double		sum = beam->sum[r];
		int			v_stop;

		for (int v = v_first; v < v_last; v = v_stop)
		{
			/* until there are K, what neither -infinity nor NaN reaches */
			double		bound = n == K ? beam->best[K - 1].sum : -DBL_MAX;

			v_stop = v_last - v < BLOCK ? v_last : v + BLOCK;
			if (v_stop - v == BLOCK && !may_reach(x + v, sum, bound))
				continue;
			for (int i = v; i < v_stop; i++)
			{
				Candidate	candidate = {sum + (double) x[i], i, r};

				if (candidate.sum >= bound)
					n = keep(beam, n, &candidate);
			}
		}
	}
	return n;
}

/* lp(Y) of the file's head */
static double
length_penalty(const NnBeam *beam, int length)
{
	return pow((5.0 + length) / 6.0, beam->options.alpha);
}

/* A row ends here.  Of equal scores the earlier stands first. */
static void
end_row(NnBeam *beam, int row, double log_p)
{
	int			K = beam->options.width;
	int			input = beam->input[row];
	Ended	   *ended = beam->ended + (size_t) input * (size_t) K;
	int			n = beam->n_ended[input];
	Ended		one = {log_p / length_penalty(beam, beam->step + 1), log_p, beam->step, row};
	int			at;

	if (n == K && !(one.score > ended[K - 1].score))
		return;
	at = n < K ? n : K - 1;
	beam->n_ended[input] = at + 1;
	for (; at > 0 && one.score > ended[at - 1].score; at--)
		ended[at] = ended[at - 1];
	ended[at] = one;
}

/*
 * Could a row with this sum, of the next step, still come before the K-th that
 * has ended?  Sums only fall, and between the shortest and the longest sequence
 * it can become, the penalty is monotonic: one of the two is the best it can
 * reach.
 */
static bool
can_win(const NnBeam *beam, int input, double sum)
{
	int			K = beam->options.width;
	const Ended *ended = beam->ended + (size_t) input * (size_t) K;
	double		reach;

	if (beam->n_ended[input] < K)
		return true;
	reach = fmax(sum / length_penalty(beam, beam->step + 2), sum / length_penalty(beam, beam->limit[input]));
	return reach > ended[K - 1].score;
}

/* One step of the input with rows first ... last - 1; n_next rows stand in the next level. */
static int
advance_input(NnBeam *beam, int first, int last, const float *log_p, int V, int n_next)
{
	int			input = beam->input[first];
	int32_t		end = beam->options.end_token;
	bool		is_last = beam->step + 1 >= beam->limit[input];
	int			n = n_next;
	int			n_best;

	if (is_last)
		n_best = select_best(beam, first, last, log_p, V, end, end < V ? end + 1 : V);
	else
		n_best = select_best(beam, first, last, log_p, V, 0, V);
	if (n_best == 0)
		for (int r = first; r < last; r++)
			end_row(beam, r, -INFINITY);
	for (int i = 0; i < n_best; i++)
	{
		const Candidate *candidate = &beam->best[i];

		if (candidate->token == end)
		{
			end_row(beam, candidate->row, candidate->sum);
			continue;
		}
		beam->token[place(beam, beam->step + 1, n)] = candidate->token;
		beam->parent[place(beam, beam->step + 1, n)] = candidate->row;
		beam->input_next[n] = input;
		beam->sum_next[n] = candidate->sum;
		n++;
	}
	/* the best of them is the first */
	return n > n_next && can_win(beam, input, beam->sum_next[n_next]) ? n : n_next;
}

void
nn_beam_advance(NnBeam *beam, const float *log_p, int V)
{
	int32_t    *input = beam->input;
	double	   *sum = beam->sum;
	int			n_next = 0;
	int			last;

	for (int first = 0; first < beam->rows.n; first = last)
	{
		for (last = first + 1; last < beam->rows.n && input[last] == input[first];)
			last++;
		n_next = advance_input(beam, first, last, log_p, V, n_next);
	}
	beam->input = beam->input_next;
	beam->input_next = input;
	beam->sum = beam->sum_next;
	beam->sum_next = sum;
	/* the level after the last has no place in the tree, and no rows */
	if (n_next > 0)
		beam->step++;
	set_rows(beam, n_next);
}

/* ---- answers --------------------------------------------------------------------- */

int
nn_beam_n_hypotheses(const NnBeam *beam, int input)
{
	return beam->n_ended[input];
}

NnHypothesis
nn_beam_hypothesis(const NnBeam *beam, int input, int rank, int32_t *token, int32_t *row)
{
	const Ended *ended = beam->ended + (size_t) input * (size_t) beam->options.width + rank;
	NnHypothesis hypothesis = {ended->level, ended->log_p, ended->score};
	int32_t		r = ended->row;

	for (int level = ended->level; level >= 0; level--)
	{
		size_t		at = place(beam, level, r);

		if (row != NULL)
			row[level] = r;
		if (token != NULL && level > 0)
			token[level - 1] = beam->token[at];
		r = beam->parent[at];
	}
	return hypothesis;
}

/* ---- drawing --------------------------------------------------------------------- */

/* A float's place among all floats, ascending, as an integer; NaN before all. */
static uint32_t
order_of(float x)
{
	uint32_t	bits;

	if (isnan(x))
		return 0;
	memcpy(&bits, &x, sizeof(bits));
	return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/*
 * The k-th largest number's order, found byte by byte from the top: count how
 * many of those with the bytes so far have each next byte.  *n_equal gets how
 * many of the numbers equal to it are among the k.
 */
static uint32_t
kth_largest(const float *x, int n, int k, int *n_equal)
{
	uint32_t	found = 0;
	uint32_t	mask = 0;

	for (int shift = 24; shift >= 0; shift -= 8)
	{
		int			count[256] = {0};
		int			byte = 255;

		for (int i = 0; i < n; i++)
		{
			uint32_t	order = order_of(x[i]);

			if ((order & mask) == found)
				count[order >> shift & 255]++;
		}
		for (; count[byte] < k; byte--)
			k -= count[byte];
		found |= (uint32_t) byte << shift;
		mask |= (uint32_t) 255 << shift;
	}
	*n_equal = k;
	return found;
}

static int32_t
most_probable(const float *log_p, int V)
{
	int32_t		best = 0;

	for (int32_t v = 1; v < V; v++)
		if (log_p[v] > log_p[best] || (isnan(log_p[best]) && !isnan(log_p[v])))
			best = v;
	return best;
}

/* What is drawn from. */
typedef struct Draw
{
	const float *log_p;
	int			V;
	double		temperature;
	double		top;			/* the largest of log_p */
	uint32_t	bound;			/* order of the smallest that is drawn */
	int			n_equal;		/* how many of those equal to it are */
} Draw;

/*
 * Add up the weights exp((log_p - top) / temperature) in order of the tokens
 * until their sum is larger than a bound.  *last gets the last token added.
 */
static double
add_weights(const Draw *draw, double until, int32_t *last)
{
	int			n_equal = draw->n_equal;
	double		sum = 0.0;

	for (int32_t v = 0; v < draw->V && !(sum > until); v++)
	{
		uint32_t	order = order_of(draw->log_p[v]);
		double		weight;

		if (order < draw->bound || isnan(draw->log_p[v]) || (order == draw->bound && n_equal-- <= 0))
			continue;
		weight = exp(((double) draw->log_p[v] - draw->top) / draw->temperature);
		if (weight > 0.0)
			*last = v;
		sum += weight;
	}
	return sum;
}

int32_t
nn_sample_token(const float *log_p, int V, double temperature, int top_k, NnRng *rng)
{
	int32_t		token = most_probable(log_p, V);
	Draw		draw = {log_p, V, temperature, (double) log_p[token], 0, V};
	double		total;

	if (!(temperature > 0.0) || !isfinite(draw.top))
		return token;
	if (top_k > 0 && top_k < V)
		draw.bound = kth_largest(log_p, V, top_k, &draw.n_equal);
	total = add_weights(&draw, INFINITY, &token);
	(void) add_weights(&draw, total * ((double) (nn_rng_u64(rng) >> 11) * 0x1p-53), &token);
	return token;
}
