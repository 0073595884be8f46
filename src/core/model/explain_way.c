/*
 * model/explain_way.c: the integral of integrated gradients, of many inputs together.
 *
 * The way of an input from nothing (0) to itself (1) is cut into pieces.  A piece has
 * three points, its ends and its middle; what a number of the input gains on it is, by
 * Simpson's rule,
 *   h / 6 (r(a) + 4 r(m) + r(b))
 * with r its part of the slope dF/da (nn/net.h).  What all of them gain together is
 * known exactly, F(b) - F(a): the difference is the piece's error.  As long as the
 * errors add up to more than is tolerated the pieces with the largest ones are halved;
 * the points that they had are used again.  Errors may cancel in the sum, which is the
 * gap, but not in the shares of single numbers: so their sizes are bounded too, by a
 * share of all that is gained and lost.
 *
 * Sequences of a batch are points: of one input several, of many inputs side by side.
 * Which points are looked at depends on the input alone, and so does all else.
 */
#include "model/explain_private.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "text/sort.h"

/* Points stand at whole numbers of 0 ... GRID. */
#define GRID		(1 << 20)	/* a number of single precision holds each */
#define FIRST_PIECES	4

#define MAX_POINTS	1025
#define MIN_POINTS	17
#define INPUT_BYTES	((size_t) 64 << 20) /* points of one input, unless MIN_POINTS take more */
#define GROUP_BYTES	((size_t) 128 << 20)	/* ... of inputs at work together */

/* A batch ends at so many sequences or, past its first, so many rows or bytes. */
#define BATCH_SEQUENCES	64
#define BATCH_ROWS	4096
#define BATCH_BYTES	((size_t) 128 << 20)

/* Where gains and losses cancel each other, what is tolerated is a share of this share of their sizes. */
#define LEAST_SHARE	1e-4

/* Sizes of errors: tolerated is this share of the tolerance, of the sizes of gains and losses. */
#define SIZE_SHARE	0.5

/* Halved are pieces whose error is so large a share of the largest one's. */
#define HALVED		0.5

typedef struct Point
{
	double		score;			/* F */
	double		slope;			/* dF/da */
	double		size;			/* its parts without their signs */
	float	   *rate;			/* (numbers of the input) its parts */
} Point;

typedef struct Piece
{
	int			from;
	int			stop;
	Point	   *at[3];			/* from, in the middle, stop */
} Piece;

/* An input at work. */
typedef struct Walk
{
	int			input;
	size_t		n_numbers;
	int			max_points;
	int			n_points;
	int			n_pieces;
	Piece	   *piece;			/* in their order, room for max_points */
} Walk;

/* A point that is wanted. */
typedef struct Wish
{
	const Walk *walk;
	int			at;
	Point	   *point;
} Wish;

typedef struct Walking
{
	NnExplainer *explainer;
	NnExplainWay *way;			/* of all inputs */
	NnSpec		spec;			/* the model's, without a bag: that is proportional */
	int64_t		max_rows;		/* of a batch of several sequences */
	Walk	   *walk;			/* of the group, the longest first */
	int			n_walks;
	Wish	   *wish;
	size_t		n_wishes;
} Walking;

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

/* ---- points --------------------------------------------------------------------------- */

/* Numbers that have parts of their own. */
static size_t
numbers_of(const NnExplainer *explainer, int i)
{
	return nn_size_mul((size_t) nn_explain_length(explainer, i), (size_t) explainer->width);
}

/* How many points an input may have, by its own size alone. */
static int
max_points(size_t n_numbers)
{
	size_t		n = INPUT_BYTES / (sizeof(float) * (n_numbers > 0 ? n_numbers : 1));

	return n > MAX_POINTS ? MAX_POINTS : n < MIN_POINTS ? MIN_POINTS : (int) n;
}

static size_t
points_bytes(size_t n_numbers)
{
	size_t		each = nn_size_add(nn_size_mul(n_numbers, sizeof(float)), sizeof(Point) + sizeof(Piece) + 128);

	return nn_size_mul(each, (size_t) max_points(n_numbers));
}

static NnStatus
wish(Walking *walking, Walk *walk, int at, Point **point, NnError *err)
{
	NnArena    *scratch = walking->explainer->scratch;

	*point = NN_ALLOC(scratch, Point, 1);
	if (*point == NULL)
		return out_of_memory(err);
	(*point)->rate = NN_ALLOC(scratch, float, walk->n_numbers);
	if ((*point)->rate == NULL && walk->n_numbers > 0)
		return out_of_memory(err);
	walking->wish[walking->n_wishes++] = (Wish) {walk, at, *point};
	walk->n_points++;
	return NN_OK;
}

/* ---- a batch of points -------------------------------------------------------------------- */

/* Sequence b of the batch as a point. */
static void
keep_point(const NnBatch *batch, const NnSlopes *slopes, int b, size_t n_numbers, Point *point)
{
	size_t		width = (size_t) slopes->width;

	point->score = slopes->score[b];
	if (slopes->row != NULL)
		for (int t = 0; t < batch->length[b]; t++)
			memcpy(point->rate + (size_t) t * width, slopes->row + (size_t) (batch->offset[t] + b) * width,
				   width * sizeof(float));
	if (slopes->flat != NULL)
		nn_axpy((int64_t) n_numbers, 1.0f, slopes->flat + (size_t) b * n_numbers, point->rate);
	point->slope = point->size = 0.0;
	for (size_t j = 0; j < n_numbers; j++)
	{
		point->slope += (double) point->rate[j];
		point->size += fabs((double) point->rate[j]);
	}
}

static NnStatus
check_point(const NnExplainer *explainer, const Point *point, NnError *err)
{
	if (isfinite(point->score) && isfinite(point->size))
		return NN_OK;
	if (explainer->model->spec.input == NN_INPUT_TEXT)
	{
		nn_fail(err, NN_EFORMAT, "the model's weights give no finite explanation");
		return nn_fail_hint(err, "The weights file is damaged; deploy another version.");
	}
	nn_fail(err, NN_ERANGE, "the model gives no finite explanation of this input");
	return nn_fail_hint(err, "Its numbers are far outside those of the training, or the weights file is damaged.");
}

/* The tags in question beside the packed rows. */
static NnStatus
pack_tags(const NnExplainer *explainer, NnBatch *batch, const int32_t *pick, const int32_t *order, NnError *err)
{
	int32_t    *tag = NN_TAKE(explainer->scratch, int32_t, (size_t) batch->n_rows);

	if (tag == NULL && batch->n_rows > 0)
		return out_of_memory(err);
	for (int b = 0; b < batch->n_sequences; b++)
	{
		const int32_t *of = explainer->tag + explainer->examples.token_start[pick[order[b]]];

		for (int t = 0; t < batch->length[b]; t++)
			tag[batch->offset[t] + b] = of[t];
	}
	batch->row_label = tag;
	return NN_OK;
}

static NnStatus
compute_batch(const Walking *walking, const Wish *wishes, int n, NnError *err)
{
	const NnExplainer *explainer = walking->explainer;
	NnArena    *scratch = explainer->scratch;
	int32_t    *pick = NN_TAKE(scratch, int32_t, (size_t) n);
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n);
	int32_t    *label = NN_TAKE(scratch, int32_t, (size_t) n);
	float	   *way = NN_TAKE(scratch, float, (size_t) n);
	NnBatch		batch;
	NnSlopes	slopes;

	if (pick == NULL || order == NULL || label == NULL || way == NULL)
		return out_of_memory(err);
	for (int i = 0; i < n; i++)
		pick[i] = wishes[i].walk->input;
	NN_TRY(nn_batch_pack(&batch, &walking->spec, &explainer->examples, pick, n, 0.0f, NULL, scratch, order, err));
	for (int b = 0; b < n; b++)
	{
		label[b] = explainer->out[pick[order[b]]].label;
		way[b] = (float) wishes[order[b]].at / GRID;
	}
	batch.label = label;
	if (explainer->tag != NULL)
		NN_TRY(pack_tags(explainer, &batch, pick, order, err));
	NN_TRY(nn_slopes(explainer->view, &batch, way, scratch, &slopes, err));
	for (int b = 0; b < n; b++)
	{
		const Wish *of = &wishes[order[b]];

		keep_point(&batch, &slopes, b, of->walk->n_numbers, of->point);
		NN_TRY(check_point(explainer, of->point, err));
	}
	return NN_OK;
}

/* All wishes, which stand by length. */
static NnStatus
compute_wishes(Walking *walking, NnError *err)
{
	const NnExplainer *explainer = walking->explainer;
	size_t		size;

	for (size_t first = 0; first < walking->n_wishes; first += size)
	{
		int64_t		n_rows = 0;
		NnArenaMark mark = nn_arena_mark(explainer->scratch);

		for (size = 0; first + size < walking->n_wishes && size < BATCH_SEQUENCES; size++)
		{
			n_rows += nn_explain_length(explainer, walking->wish[first + size].walk->input);
			if (size > 0 && n_rows > walking->max_rows)
				break;
		}
		NN_TRY(nn_arena_poll(explainer->scratch));
		NN_TRY(compute_batch(walking, walking->wish + first, (int) size, err));
		nn_arena_rewind(explainer->scratch, &mark);
	}
	walking->n_wishes = 0;
	return NN_OK;
}

/* ---- one input's way --------------------------------------------------------------------- */

static double
length_of(const Piece *piece)
{
	return (double) (piece->stop - piece->from) / GRID;
}

/* Simpson's rule. */
static double
simpson(const Piece *piece, double a, double m, double b)
{
	return length_of(piece) / 6.0 * (a + 4.0 * m + b);
}

static double
error_of(const Piece *piece)
{
	Point	   *const *at = piece->at;

	return (at[2]->score - at[0]->score) - simpson(piece, at[0]->slope, at[1]->slope, at[2]->slope);
}

/* How good the way is as it is walked now. */
typedef struct Quality
{
	double		gap;			/* the errors' sum */
	double		error;			/* ... of their sizes */
	double		worst;			/* the largest */
	double		gain;			/* of the score, the bag's included */
	double		size;			/* gains and losses of all numbers, and features, without signs */
} Quality;

static Quality
judge(const Walking *walking, const Walk *walk)
{
	const NnExplainWay *way = &walking->way[walk->input];
	Quality		quality = {.gain = way->beside, .size = way->beside_size};

	for (int p = 0; p < walk->n_pieces; p++)
	{
		const Piece *piece = &walk->piece[p];
		double		error = error_of(piece);

		quality.gap += error;
		quality.error += fabs(error);
		quality.worst = fmax(quality.worst, fabs(error));
		quality.gain += piece->at[2]->score - piece->at[0]->score;
		quality.size += simpson(piece, piece->at[0]->size, piece->at[1]->size, piece->at[2]->size);
	}
	return quality;
}

static bool
is_good(const Walking *walking, const Quality *quality)
{
	double		tolerance = walking->explainer->options.tolerance;

	return fabs(quality->gap) <= tolerance * fmax(fabs(quality->gain), LEAST_SHARE * quality->size) &&
		quality->error <= SIZE_SHARE * tolerance * quality->size;
}

static Piece
piece_of(int from, int stop, Point *first, Point *middle, Point *last)
{
	Piece		piece = {from, stop, {first, middle, last}};

	return piece;
}

static NnStatus
begin_walk(Walking *walking, Walk *walk, NnError *err)
{
	Point	   *point[2 * FIRST_PIECES + 1];
	int			half = GRID / (2 * FIRST_PIECES);

	walk->piece = NN_TAKE(walking->explainer->scratch, Piece, (size_t) walk->max_points);
	if (walk->piece == NULL)
		return out_of_memory(err);
	for (int k = 0; k <= 2 * FIRST_PIECES; k++)
		NN_TRY(wish(walking, walk, k * half, &point[k], err));
	for (int p = 0; p < FIRST_PIECES; p++)
		walk->piece[p] = piece_of(2 * p * half, 2 * (p + 1) * half, point[2 * p], point[2 * p + 1], point[2 * p + 2]);
	walk->n_pieces = FIRST_PIECES;
	return NN_OK;
}

/* Put halves in the place of piece p. */
static NnStatus
halve(Walking *walking, Walk *walk, int p, NnError *err)
{
	Piece	   *piece = &walk->piece[p];
	Piece		whole = *piece;
	int			middle = (whole.from + whole.stop) / 2;

	memmove(piece + 2, piece + 1, (size_t) (walk->n_pieces - p - 1) * sizeof(Piece));
	walk->n_pieces++;
	piece[0] = piece_of(whole.from, middle, whole.at[0], NULL, whole.at[1]);
	piece[1] = piece_of(middle, whole.stop, whole.at[1], NULL, whole.at[2]);
	NN_TRY(wish(walking, walk, (whole.from + middle) / 2, &piece[0].at[1], err));
	return wish(walking, walk, (middle + whole.stop) / 2, &piece[1].at[1], err);
}

/* Wish for what is still needed; without a wish the way is done. */
static NnStatus
refine(Walking *walking, Walk *walk, NnError *err)
{
	Quality		quality = judge(walking, walk);

	if (is_good(walking, &quality))
		return NN_OK;
	for (int p = 0; p < walk->n_pieces; p++)
	{
		const Piece *piece = &walk->piece[p];

		if (fabs(error_of(piece)) < HALVED * quality.worst || piece->stop - piece->from < 4 ||
			walk->n_points + 2 > walk->max_points)
			continue;
		NN_TRY(halve(walking, walk, p, err));
		p++;
	}
	return NN_OK;
}

/* What each number gained, to the parts. */
static void
share_out(const Walking *walking, const Walk *walk)
{
	const NnExplainer *explainer = walking->explainer;
	NnExplainWay *way = &walking->way[walk->input];
	NnExplanation *explanation = &explainer->out[walk->input];
	const int32_t *part_of = explainer->part_of_step;
	int64_t		first = 0;

	if (part_of != NULL)
		part_of += explainer->examples.token_start[walk->input];
	else
		/* steps of numbers that were not read come first */
		first = explanation->n_parts - (int64_t) walk->n_numbers;
	for (int p = 0; p < walk->n_pieces; p++)
	{
		const Piece *piece = &walk->piece[p];
		const float *rate[3] = {piece->at[0]->rate, piece->at[1]->rate, piece->at[2]->rate};

		for (size_t j = 0; j < walk->n_numbers; j++)
		{
			int64_t		k = part_of != NULL ? part_of[j] : first + (int64_t) j;

			explanation->part[k].weight += simpson(piece, (double) rate[0][j], (double) rate[1][j], (double) rate[2][j]);
		}
	}
	way->first = walk->piece[0].at[0]->score;
	way->last = walk->piece[walk->n_pieces - 1].at[2]->score;
	way->n_points = walk->n_points;
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* The longer first, ties as given. */
static int
is_longer(int32_t a, int32_t b, const void *context)
{
	const NnExplainer *explainer = context;
	int64_t		length_a = nn_explain_length(explainer, a);
	int64_t		length_b = nn_explain_length(explainer, b);

	return length_a != length_b ? length_a > length_b : a < b;
}

static NnStatus
sort_inputs(const NnExplainer *explainer, int32_t **order, NnError *err)
{
	size_t		n = (size_t) explainer->n;
	NnStatus	status;

	*order = NN_TAKE(explainer->scratch, int32_t, n);
	if (*order == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < n; i++)
		(*order)[i] = (int32_t) i;
	status = nn_sort_numbers(*order, n, is_longer, explainer, nn_arena_env(explainer->scratch));
	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}

/* How many of the inputs make the next group. */
static int
group_size(const NnExplainer *explainer, const int32_t *order, int n, size_t limit)
{
	size_t		n_bytes = 0;
	int			size = 0;

	while (size < n)
	{
		n_bytes = nn_size_add(n_bytes, points_bytes(numbers_of(explainer, order[size])));
		if (size > 0 && n_bytes > limit)
			break;
		size++;
	}
	return size;
}

static NnStatus
walk_group(Walking *walking, const int32_t *order, int n, NnError *err)
{
	const NnExplainer *explainer = walking->explainer;
	size_t		n_points = 0;

	walking->walk = NN_ALLOC(explainer->scratch, Walk, (size_t) n);
	walking->n_walks = n;
	if (walking->walk == NULL)
		return out_of_memory(err);
	for (int i = 0; i < n; i++)
	{
		Walk	   *walk = &walking->walk[i];

		walk->input = order[i];
		walk->n_numbers = numbers_of(explainer, order[i]);
		walk->max_points = max_points(walk->n_numbers);
		n_points += (size_t) walk->max_points;
	}
	walking->n_wishes = 0;
	walking->wish = NN_TAKE(explainer->scratch, Wish, n_points);
	if (walking->wish == NULL)
		return out_of_memory(err);
	for (int i = 0; i < n; i++)
		NN_TRY(begin_walk(walking, &walking->walk[i], err));
	while (walking->n_wishes > 0)
	{
		NN_TRY(compute_wishes(walking, err));
		for (int i = 0; i < n; i++)
			NN_TRY(refine(walking, &walking->walk[i], err));
	}
	for (int i = 0; i < n; i++)
		share_out(walking, &walking->walk[i]);
	return NN_OK;
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* How many rows a batch of several sequences may have. */
static int64_t
rows_at_once(const NnSpec *spec)
{
	NnBatchSize size = {.B = BATCH_SEQUENCES, .N = BATCH_ROWS, .U = BATCH_ROWS};

	while (size.N > 1 && nn_slopes_bytes(spec, &size) > BATCH_BYTES)
		size.U = size.N /= 2;
	return size.N;
}

/* The longest input decides. */
static NnStatus
check_memory(const Walking *walking, int longest, NnError *err)
{
	const NnExplainer *explainer = walking->explainer;
	size_t		limit = explainer->options.limit_bytes;
	int64_t		length = nn_explain_length(explainer, longest);
	NnBatchSize size = {.B = 1, .N = length, .U = length};
	size_t		n_bytes = nn_size_add(nn_slopes_bytes(&walking->spec, &size), points_bytes(numbers_of(explainer, longest)));

	n_bytes = nn_size_add(n_bytes, nn_arena_bytes(explainer->scratch));
	if (n_bytes <= limit)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "explaining an input this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens or steps within the model's max_tokens, which take %zu MB; the limit is %zu MB.",
				   (long long) length, n_bytes >> 20, limit >> 20);
	return nn_fail_hint(err, "Cut the input, or train with a smaller \"max_tokens\".");
}

NnStatus
nn_explain_ways(NnExplainer *explainer, NnExplainWay *way, NnError *err)
{
	Walking		walking = {.explainer = explainer, .way = way, .spec = explainer->model->spec};
	size_t		limit = explainer->options.limit_bytes / 4;
	int32_t    *order = NULL;

	if (walking.spec.wide == NN_WIDE_BAG)
	{
		walking.spec.wide = NN_WIDE_NONE;
		walking.spec.wide_inputs = walking.spec.wide_hidden = 0;
	}
	if (explainer->n == 0 || (walking.spec.cell == NN_CELL_NONE && walking.spec.wide == NN_WIDE_NONE))
		return NN_OK;
	limit = limit < GROUP_BYTES ? limit : GROUP_BYTES;
	walking.max_rows = rows_at_once(&walking.spec);
	NN_TRY(sort_inputs(explainer, &order, err));
	NN_TRY(check_memory(&walking, order[0], err));
	for (int done = 0, size; done < explainer->n; done += size)
	{
		NnArenaMark mark = nn_arena_mark(explainer->scratch);

		size = group_size(explainer, order + done, explainer->n - done, limit);
		NN_TRY(walk_group(&walking, order + done, size, err));
		nn_arena_rewind(explainer->scratch, &mark);
	}
	return NN_OK;
}
