/*
 * nn/token_loss.c: the softmax over a vocabulary, in chunks of rows and blocks
 * of columns.
 *
 * A chunk is up to MAX_CHUNK_ROWS rows that have a label, copied side by side.
 * It passes over the table twice.  Forward, for each block of 960 tokens:
 *   z = x W_b^T + bias_b     h = max z     e = exp(z - h)     s = sum e
 * The pairs (h, s) of a row's blocks add up to log Z = log sum exp(z).
 * Backward, block by block again, with eps the label smoothing and y the label:
 *   p = e exp(h - log Z)
 *   d = scale ((1 - eps) own (p - [v = y]) + eps (p - 1 / V))
 * own being the softmax's share in the label's probability, 1 but in a mixture;
 *   dx += d W_b     dW_b += d^T x     dbias_b += sum_m d
 * A block of z is computed and exponentiated in the L2 cache; the e of a whole
 * chunk then wait for log Z further out, which costs little: each takes part in
 * 6 E floating-point operations.  Without gradients a single block is held.
 *
 * Over a sample, the columns are the sampled tokens, gathered into a small table
 * with -log Q added to their biases, and a label that was not drawn is one more
 * column of its own row.
 *
 * Block borders and the order of every sum depend on V and E only: a row's
 * log-likelihood is bit-identical alone and in any batch.
 *
 * All memory is the scratch arena's, taken before any gradient is touched.
 */
#include "nn/token_loss.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"

/*
 * Tokens of a block: a multiple of 16 (a panel of the packed table) and of 192
 * (the k that nn_gemm packs at once), and no power of two, so that rows of a
 * block do not fight for the same lines of the cache.
 */
#define BLOCK_COLUMNS	960

/*
 * Rows of a chunk.  More make the products larger (each chunk reads and writes
 * the whole gradient of the table); fewer keep the chunk's e smaller.  Measured
 * with bench/token_loss.
 */
#define MIN_CHUNK_ROWS	48
#define MAX_CHUNK_ROWS	384
#define MAX_CHUNK_BYTES ((size_t) 64 * 1024 * 1024)

/* log sum exp of what was added so far: highest + log(sum). */
typedef struct LogSum
{
	float		highest;
	double		sum;
} LogSum;

static const LogSum log_sum_empty = {-INFINITY, 0.0};

typedef struct Chunk
{
	const NnTokenTable *table;	/* whose rows are the columns here */
	const int32_t *place;		/* token -> column + 1, -1 where it is none; NULL: token -> token */
	int			n_blocks;
	int			stride;			/* from row to row of a block */
	int			n_rows_max;
	int			n_rows;
	bool		is_backward;	/* the blocks are kept */
	double		smoothing;		/* eps */

	/* of each row */
	float	   *x;				/* (n_rows_max, E) */
	float	   *dx;				/* (n_rows_max, E) */
	int64_t    *row;			/* where it came from */
	int32_t    *token;			/* its label */
	int32_t    *column;			/* its label's column, -1 if it has none */
	float	   *logit;			/* its label's z */
	bool	   *is_first;		/* no column of the label's block, and none before it there, has more */
	LogSum	   *total;
	double	   *log_z;
	double	   *log_p;			/* of its label, the mixture counted in */
	double	   *own;			/* the softmax's share in that: 1 without a mixture */
	double	   *logit_sum;		/* sum of z, where labels are smoothed */

	float	   *highest;		/* (n_blocks, n_rows_max): h */
	float	   *block;			/* (n_blocks or 1, n_rows_max, stride): e */
} Chunk;

/* ---- sums of exponentials ------------------------------------------------ */

/* Add sum * exp(highest).  NaN and infinity end as NaN in the sum. */
static void
log_sum_add(LogSum *total, float highest, double sum)
{
	if (highest > total->highest)
	{
		total->sum = total->sum * exp((double) total->highest - (double) highest) + sum;
		total->highest = highest;
	}
	else
		total->sum += sum * exp((double) highest - (double) total->highest);
}

static double
log_sum_value(const LogSum *total)
{
	return (double) total->highest + log(total->sum);
}

/* log Z of a row of n logits, in the blocks of a chunk. */
static double
row_log_sum(int n, const float *z)
{
	LogSum		total = log_sum_empty;

	for (int start = 0; start < n; start += BLOCK_COLUMNS)
	{
		int			n_columns = n - start < BLOCK_COLUMNS ? n - start : BLOCK_COLUMNS;
		float		highest = nn_highest(n_columns, z + start);

		log_sum_add(&total, highest, nn_exp_sum(n_columns, highest, z + start, NULL));
	}
	return log_sum_value(&total);
}

/* The one way log-probabilities are rounded: a beam's are those of a score. */
static float
log_probability(float logit, double log_z)
{
	return logit + (float) -log_z;
}

/* ---- chunks ---------------------------------------------------------------- */

static int
block_columns(const Chunk *chunk, int b)
{
	int			n_left = chunk->table->n_tokens - b * BLOCK_COLUMNS;

	return n_left < BLOCK_COLUMNS ? n_left : BLOCK_COLUMNS;
}

static float *
block_at(const Chunk *chunk, int b)
{
	size_t		n_floats = (size_t) chunk->n_rows_max * (size_t) chunk->stride;

	return chunk->block + (chunk->is_backward ? (size_t) b * n_floats : 0);
}

/* Shape and memory of chunks of M rows. */
static NnStatus
chunk_create(Chunk *chunk, const NnTokenTable *table, int64_t M, bool is_backward,
			 NnArena *scratch, NnError *err)
{
	int			V = table->n_tokens;
	int			n_blocks = (V + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
	size_t		row_floats;
	size_t		n;
	size_t		E = (size_t) table->width;

	memset(chunk, 0, sizeof(*chunk));
	chunk->table = table;
	chunk->is_backward = is_backward;
	chunk->n_blocks = n_blocks;
	chunk->stride = V < BLOCK_COLUMNS ? (V + 15) / 16 * 16 : BLOCK_COLUMNS;
	row_floats = nn_size_mul((size_t) chunk->stride, is_backward ? (size_t) n_blocks : 1);

	n = MAX_CHUNK_BYTES / sizeof(float) / (row_floats > 0 ? row_floats : 1);
	n = n / MIN_CHUNK_ROWS * MIN_CHUNK_ROWS;
	n = n < MIN_CHUNK_ROWS ? MIN_CHUNK_ROWS : n > MAX_CHUNK_ROWS ? MAX_CHUNK_ROWS : n;
	n = (int64_t) n > M ? (size_t) M : n;
	chunk->n_rows_max = (int) n;

	chunk->x = NN_TAKE(scratch, float, nn_size_mul(n, E));
	chunk->row = NN_TAKE(scratch, int64_t, n);
	chunk->token = NN_TAKE(scratch, int32_t, n);
	chunk->column = NN_TAKE(scratch, int32_t, n);
	chunk->logit = NN_TAKE(scratch, float, n);
	chunk->is_first = NN_TAKE(scratch, bool, n);
	chunk->total = NN_TAKE(scratch, LogSum, n);
	chunk->log_z = NN_TAKE(scratch, double, n);
	chunk->log_p = NN_TAKE(scratch, double, n);
	chunk->own = NN_TAKE(scratch, double, n);
	chunk->logit_sum = NN_TAKE(scratch, double, n);
	chunk->highest = NN_TAKE(scratch, float, nn_size_mul(n, (size_t) n_blocks));
	chunk->block = NN_TAKE(scratch, float, nn_size_mul(n, row_floats));
	if (is_backward)
		chunk->dx = NN_TAKE(scratch, float, nn_size_mul(n, E));
	if (chunk->x == NULL || chunk->row == NULL || chunk->token == NULL || chunk->column == NULL ||
		chunk->logit == NULL || chunk->is_first == NULL || chunk->total == NULL ||
		chunk->log_z == NULL || chunk->log_p == NULL || chunk->own == NULL ||
		chunk->logit_sum == NULL || chunk->highest == NULL ||
		chunk->block == NULL || (is_backward && chunk->dx == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/*
 * The next rows that have a label, from row *next of M on; false if there are no
 * more.
 */
static bool
chunk_fill(Chunk *chunk, int64_t M, const float *x, const int32_t *label, int64_t *next)
{
	size_t		E = (size_t) chunk->table->width;
	int			n = 0;

	for (; *next < M && n < chunk->n_rows_max; (*next)++)
	{
		int32_t		token = label[*next];
		int32_t		column = token;

		if (token < 0)
			continue;
		if (chunk->place != NULL)
			column = chunk->place[token] > 0 ? chunk->place[token] - 1 : -1;
		memcpy(chunk->x + (size_t) n * E, x + (size_t) *next * E, E * sizeof(float));
		chunk->row[n] = *next;
		chunk->token[n] = token;
		chunk->column[n] = column;
		chunk->total[n] = log_sum_empty;
		chunk->logit_sum[n] = 0.0;
		n++;
	}
	chunk->n_rows = n;
	return n > 0;
}

/* Row i of block b, whose n logits z become exponentials if they are kept. */
static void
scan_row(Chunk *chunk, int i, int b, int n, float *z)
{
	int			label = chunk->column[i] - b * BLOCK_COLUMNS;
	float		highest = nn_highest(n, z);

	if (label >= 0 && label < n)
	{
		bool		is_first = z[label] == highest;

		for (int j = 0; is_first && j < label; j++)
			is_first = z[j] < highest;
		chunk->is_first[i] = is_first;
		chunk->logit[i] = z[label];
	}
	if (chunk->smoothing > 0.0)
		chunk->logit_sum[i] += nn_sum(n, z);
	chunk->highest[b * chunk->n_rows_max + i] = highest;
	log_sum_add(&chunk->total[i], highest,
				nn_exp_sum(n, highest, z, chunk->is_backward ? z : NULL));
}

/* The label of row i: log p = log(own softmax + other), and what of p is whose. */
static void
mix_row(Chunk *chunk, int i)
{
	const NnTokenMixture *mixture = chunk->table->mixture;
	double		log_p = (double) chunk->logit[i] - chunk->log_z[i];
	double		own;
	double		other;
	double		highest;

	chunk->log_p[i] = log_p;
	chunk->own[i] = 1.0;
	if (mixture == NULL)
		return;
	own = (double) mixture->log_own[chunk->row[i]] + log_p;
	other = (double) mixture->log_other[chunk->row[i]];
	highest = fmax(own, other);
	chunk->log_p[i] = highest + log(exp(own - highest) + exp(other - highest));
	chunk->own[i] = exp(own - chunk->log_p[i]);
	mixture->share[chunk->row[i]] = (float) exp(other - chunk->log_p[i]);
}

/* All blocks forward: log Z of each row, and what is told of its label. */
static NnStatus
chunk_forward(Chunk *chunk, const NnArena *scratch)
{
	const NnTokenTable *table = chunk->table;
	int			E = table->width;

	for (int b = 0; b < chunk->n_blocks; b++)
	{
		size_t		start = (size_t) b * BLOCK_COLUMNS;
		int			n = block_columns(chunk, b);
		float	   *z = block_at(chunk, b);

		NN_TRY(nn_arena_poll(scratch));
		for (int i = 0; i < chunk->n_rows; i++)
			memcpy(z + (size_t) i * (size_t) chunk->stride, table->bias + start, (size_t) n * sizeof(float));
		nn_gemm_packed(chunk->n_rows, n, E, chunk->x, E, table->packed + start * (size_t) E,
					   z, chunk->stride, true);
		for (int i = 0; i < chunk->n_rows; i++)
			scan_row(chunk, i, b, n, z + (size_t) i * (size_t) chunk->stride);
	}
	for (int i = 0; i < chunk->n_rows; i++)
	{
		chunk->log_z[i] = log_sum_value(&chunk->total[i]);
		mix_row(chunk, i);
	}
	return NN_OK;
}

/* Is the label of row i the best token?  Of equals the first is. */
static bool
is_right(const Chunk *chunk, int i)
{
	int			label_block = chunk->column[i] / BLOCK_COLUMNS;

	if (!chunk->is_first[i])
		return false;
	for (int b = 0; b < chunk->n_blocks; b++)
	{
		float		highest = chunk->highest[b * chunk->n_rows_max + i];

		if (b < label_block ? highest >= chunk->logit[i] : highest > chunk->logit[i])
			return false;
	}
	return true;
}

/*
 * loss = (1 - eps) (-log p) + (eps / V) sum_v (log Z - z_v)
 * (Szegedy et al. 2016; PyTorch's definition)
 */
static double
chunk_loss(const Chunk *chunk)
{
	double		eps = chunk->smoothing;
	double		loss = 0.0;

	for (int i = 0; i < chunk->n_rows; i++)
		loss += (eps - 1.0) * chunk->log_p[i] +
			eps * (chunk->log_z[i] - chunk->logit_sum[i] / chunk->table->n_tokens);
	return loss;
}

/* The e of block b become d; then the three gradients. */
static void
block_backward(Chunk *chunk, int b, double scale)
{
	const NnTokenTable *table = chunk->table;
	size_t		start = (size_t) b * BLOCK_COLUMNS;
	size_t		E = (size_t) table->width;
	int			n = block_columns(chunk, b);
	int			stride = chunk->stride;
	float	   *d = block_at(chunk, b);

	for (int i = 0; i < chunk->n_rows; i++)
	{
		float	   *row = d + (size_t) i * (size_t) stride;
		double		highest = (double) chunk->highest[b * chunk->n_rows_max + i];
		int			label = chunk->column[i] - b * BLOCK_COLUMNS;
		double		on_label = scale * (1.0 - chunk->smoothing) * chunk->own[i];

		nn_scale_shift(n, (float) ((on_label + scale * chunk->smoothing) * exp(highest - chunk->log_z[i])),
					   (float) (-scale * chunk->smoothing / table->n_tokens), row);
		if (label >= 0 && label < n)
			row[label] -= (float) on_label;
	}
	nn_sum_rows(chunk->n_rows, n, d, stride, table->bias_grad + start);
	nn_gemm(true, false, n, (int) E, chunk->n_rows, d, stride, chunk->x, (int) E,
			table->weight_grad + start * E, (int) E, true);
	nn_gemm(false, false, chunk->n_rows, (int) E, n, d, stride, table->weight + start * E, (int) E,
			chunk->dx, (int) E, b > 0);
}

static NnStatus
chunk_backward(Chunk *chunk, double scale, const NnArena *scratch)
{
	size_t		E = (size_t) chunk->table->width;

	if (chunk->n_blocks == 0)
		memset(chunk->dx, 0, (size_t) chunk->n_rows * E * sizeof(float));
	for (int b = 0; b < chunk->n_blocks; b++)
	{
		NN_TRY(nn_arena_poll(scratch));
		block_backward(chunk, b, scale);
	}
	return NN_OK;
}

/* The chunk's rows of dx to where they belong. */
static void
chunk_put_dx(const Chunk *chunk, float *dx)
{
	size_t		E = (size_t) chunk->table->width;

	for (int i = 0; i < chunk->n_rows; i++)
		memcpy(dx + (size_t) chunk->row[i] * E, chunk->dx + (size_t) i * E, E * sizeof(float));
}

/* ---- the whole softmax --------------------------------------------------------- */

static NnStatus
check_labels(const NnTokenTable *table, int64_t M, const int32_t *label, NnError *err)
{
	for (int64_t m = 0; m < M; m++)
		if (label[m] >= table->n_tokens)
			return nn_fail(err, NN_EINTERNAL, "token %d is outside of a vocabulary of %d",
						   (int) label[m], table->n_tokens);
	return NN_OK;
}

NnStatus
nn_token_loss(const NnTokenTable *table, int64_t M, const float *x, const int32_t *label,
			  float label_smoothing, float scale, float *dx, NnArena *scratch,
			  double *loss, int64_t *n_right, NnError *err)
{
	Chunk		chunk;
	int64_t		next = 0;

	NN_TRY(check_labels(table, M, label, err));
	NN_TRY(chunk_create(&chunk, table, M, dx != NULL, scratch, err));
	chunk.smoothing = (double) label_smoothing;
	if (dx != NULL)
		memset(dx, 0, (size_t) M * (size_t) table->width * sizeof(float));
	if (n_right != NULL)
		*n_right = 0;
	*loss = 0.0;
	while (chunk_fill(&chunk, M, x, label, &next))
	{
		NN_TRY(chunk_forward(&chunk, scratch));
		*loss += chunk_loss(&chunk);
		for (int i = 0; n_right != NULL && i < chunk.n_rows; i++)
			*n_right += is_right(&chunk, i);
		if (dx != NULL)
		{
			NN_TRY(chunk_backward(&chunk, (double) scale, scratch));
			chunk_put_dx(&chunk, dx);
		}
	}
	return NN_OK;
}

NnStatus
nn_token_log_likelihood(const NnTokenTable *table, int64_t M, const float *x,
						const int32_t *label, NnArena *scratch, float *out, NnError *err)
{
	Chunk		chunk;
	int64_t		next = 0;

	NN_TRY(check_labels(table, M, label, err));
	NN_TRY(chunk_create(&chunk, table, M, false, scratch, err));
	memset(out, 0, (size_t) M * sizeof(float));
	while (chunk_fill(&chunk, M, x, label, &next))
	{
		NN_TRY(chunk_forward(&chunk, scratch));
		for (int i = 0; i < chunk.n_rows; i++)
			out[chunk.row[i]] = log_probability(chunk.logit[i], chunk.log_z[i]);
	}
	return NN_OK;
}

void
nn_token_log_softmax(const NnTokenTable *table, int64_t M, const float *x, float *out)
{
	int			V = table->n_tokens;
	int			E = table->width;

	for (int64_t m = 0; m < M; m++)
		memcpy(out + (size_t) m * (size_t) V, table->bias, (size_t) V * sizeof(float));
	nn_gemm_packed(M, V, E, x, E, table->packed, out, V, true);
	for (int64_t m = 0; m < M; m++)
	{
		float	   *z = out + (size_t) m * (size_t) V;

		/* 1 z - log Z, fused, rounds as log_probability() does */
		nn_scale_shift(V, 1.0f, (float) -row_log_sum(V, z), z);
	}
}

/* ---- over a sample --------------------------------------------------------------- */

/*
 * The log-uniform distribution over the n_ranks tokens from `first` on, which
 * follows Zipf's law:
 *   P(r) = log((r + 2) / (r + 1)) / log(n_ranks + 1)
 * Tokens are drawn until n_samples different ones have come; with T draws made,
 * token r is among them with probability Q(r) = 1 - (1 - P(r))^T.
 *
 * For a row with label y, given the tokens C that it looks at, the posterior of
 * y being the label among C has logits z_c - log Q(c) (Jean et al. 2015; Bengio
 * and Senecal 2008).  That holds for C = the drawn tokens and y itself: a label
 * of another row which was not drawn would be there far more often than Q says,
 * so it takes no part; and a label that was drawn is there once.
 */
typedef struct Sample
{
	NnTokenTable table;			/* the tokens that all rows look at: always there, or drawn */
	int32_t    *id;				/* (table.n_tokens) their ids, ascending */
	int32_t    *place;			/* (V) column + 1; -1 for a label that is none; 0 for the rest */
	int			first;
	bool		is_whole;		/* all tokens are in, and Q = 1 */
	double		n_draws;		/* T */
	double		log_ranks;		/* log(n_ranks + 1) */
} Sample;

static double
log_expected_count(const Sample *sample, int32_t id)
{
	double		p;

	if (sample->is_whole || id < sample->first)
		return 0.0;
	p = log1p(1.0 / (id - sample->first + 1.0)) / sample->log_ranks;
	return log(-expm1(sample->n_draws * log1p(-p)));
}

/* Mark n_samples different tokens.  Many must be refused where nearly all are wanted, so this polls. */
static NnStatus
draw_tokens(Sample *sample, int V, int n_samples, NnRng *rng, const NnArena *scratch)
{
	int64_t		n_draws = 0;

	sample->log_ranks = log(V - sample->first + 1.0);
	while (n_samples > 0)
	{
		double		u = (double) (nn_rng_u64(rng) >> 11) * 0x1p-53;
		int			id = sample->first + (int) (exp(u * sample->log_ranks) - 1.0);

		if ((++n_draws & 0xFFFF) == 0)
			NN_TRY(nn_arena_poll(scratch));
		if (id >= V || sample->place[id] != 0)
			continue;			/* beyond the end by rounding, or drawn before */
		sample->place[id] = 1;
		n_samples--;
	}
	sample->n_draws = (double) n_draws;
	return NN_OK;
}

/* Gather the rows of the tokens marked in place, with their corrected biases. */
static NnStatus
gather_tokens(Sample *sample, const NnTokenTable *table, int n_columns, bool is_backward,
			  NnArena *scratch, NnError *err)
{
	int			E = table->width;
	size_t		n_floats = nn_size_mul((size_t) n_columns, (size_t) E);
	float	   *weight = NN_TAKE(scratch, float, n_floats);
	float	   *bias = NN_TAKE(scratch, float, (size_t) n_columns);
	float	   *packed = NN_TAKE(scratch, float, nn_pack_floats(E, n_columns));
	int			n = 0;

	sample->id = NN_TAKE(scratch, int32_t, (size_t) n_columns);
	if (weight == NULL || bias == NULL || packed == NULL || sample->id == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (is_backward)
	{
		sample->table.weight_grad = NN_ALLOC(scratch, float, n_floats);
		sample->table.bias_grad = NN_ALLOC(scratch, float, (size_t) n_columns);
		if (sample->table.weight_grad == NULL || sample->table.bias_grad == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	for (int32_t id = 0; id < table->n_tokens; id++)
	{
		if (sample->place[id] == 0)
			continue;
		memcpy(weight + (size_t) n * (size_t) E, table->weight + (size_t) id * (size_t) E,
			   (size_t) E * sizeof(float));
		bias[n] = (float) ((double) table->bias[id] - log_expected_count(sample, id));
		sample->id[n++] = id;
		sample->place[id] = n;
	}
	nn_pack(weight, E, E, n_columns, true, packed);
	sample->table.n_tokens = n_columns;
	sample->table.width = E;
	sample->table.weight = weight;
	sample->table.bias = bias;
	sample->table.packed = packed;
	sample->table.mixture = table->mixture;
	return NN_OK;
}

static NnStatus
sample_create(Sample *sample, const NnTokenTable *table, int64_t M, const int32_t *label,
			  int n_samples, int first_sampled, bool is_backward, NnRng *rng,
			  NnArena *scratch, NnError *err)
{
	int			V = table->n_tokens;
	int			first = first_sampled < 0 ? 0 : first_sampled > V ? V : first_sampled;

	memset(sample, 0, sizeof(*sample));
	sample->place = NN_ALLOC(scratch, int32_t, (size_t) V);
	if (sample->place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	n_samples = n_samples < 1 ? 1 : n_samples;	/* none would have no Q */
	sample->is_whole = n_samples >= V - first;
	sample->first = sample->is_whole ? V : first;
	for (int id = 0; id < sample->first; id++)
		sample->place[id] = 1;
	if (sample->is_whole)
		n_samples = 0;
	else
		NN_TRY(draw_tokens(sample, V, n_samples, rng, scratch));
	NN_TRY(gather_tokens(sample, table, sample->first + n_samples, is_backward, scratch, err));
	for (int64_t m = 0; m < M; m++)
		if (label[m] >= 0 && sample->place[label[m]] == 0)
			sample->place[label[m]] = -1;
	return NN_OK;
}

/* A label that is no column: z_y - log Q(y) begins its row's sum. */
static void
own_labels_forward(Chunk *chunk, const Sample *sample, const NnTokenTable *table)
{
	size_t		E = (size_t) table->width;

	for (int i = 0; i < chunk->n_rows; i++)
	{
		int32_t		id = chunk->token[i];
		const float *w = table->weight + (size_t) id * E;
		const float *x = chunk->x + (size_t) i * E;
		double		sum[4] = {(double) table->bias[id] - log_expected_count(sample, id)};

		if (chunk->column[i] >= 0)
			continue;
		for (size_t e = 0; e < E; e++)
			sum[e % 4] += (double) w[e] * (double) x[e];
		chunk->logit[i] = (float) (sum[0] + sum[1] + sum[2] + sum[3]);
		log_sum_add(&chunk->total[i], chunk->logit[i], 1.0);
	}
}

/* d = scale own (p_y - 1);  dx += d W_y   dW_y += d x   dbias_y += d */
static void
own_labels_backward(Chunk *chunk, double scale, const NnTokenTable *table)
{
	size_t		E = (size_t) table->width;

	for (int i = 0; i < chunk->n_rows; i++)
	{
		size_t		at = (size_t) chunk->token[i] * E;
		float		d = (float) (scale * chunk->own[i] * expm1((double) chunk->logit[i] - chunk->log_z[i]));

		if (chunk->column[i] >= 0)
			continue;
		nn_axpy((int64_t) E, d, table->weight + at, chunk->dx + (size_t) i * E);
		nn_axpy((int64_t) E, d, chunk->x + (size_t) i * E, table->weight_grad + at);
		table->bias_grad[chunk->token[i]] += d;
	}
}

/* Gradients of the gathered rows to where they belong; say which rows have any. */
static void
sample_put_gradients(const Sample *sample, const NnTokenTable *table,
					 void (*touch) (void *ctx, int32_t row), void *ctx)
{
	size_t		E = (size_t) table->width;

	for (int c = 0; c < sample->table.n_tokens; c++)
	{
		nn_axpy((int64_t) E, 1.0f, sample->table.weight_grad + (size_t) c * E,
				table->weight_grad + (size_t) sample->id[c] * E);
		table->bias_grad[sample->id[c]] += sample->table.bias_grad[c];
	}
	for (int32_t id = 0; id < table->n_tokens; id++)
		if (sample->place[id] != 0)
			touch(ctx, id);
}

NnStatus
nn_token_loss_sampled(const NnTokenTable *table, int64_t M, const float *x,
					  const int32_t *label, int n_samples, int first_sampled, float scale,
					  float *dx, NnRng *rng, void (*touch) (void *ctx, int32_t row), void *ctx,
					  NnArena *scratch, double *loss, NnError *err)
{
	Sample		sample;
	Chunk		chunk;
	int64_t		next = 0;

	NN_TRY(check_labels(table, M, label, err));
	NN_TRY(sample_create(&sample, table, M, label, n_samples, first_sampled, dx != NULL, rng,
						 scratch, err));
	NN_TRY(chunk_create(&chunk, &sample.table, M, dx != NULL, scratch, err));
	chunk.place = sample.place;
	if (dx != NULL)
		memset(dx, 0, (size_t) M * (size_t) table->width * sizeof(float));
	*loss = 0.0;
	while (chunk_fill(&chunk, M, x, label, &next))
	{
		own_labels_forward(&chunk, &sample, table);
		NN_TRY(chunk_forward(&chunk, scratch));
		*loss += chunk_loss(&chunk);
		if (dx != NULL)
		{
			NN_TRY(chunk_backward(&chunk, (double) scale, scratch));
			own_labels_backward(&chunk, (double) scale, table);
			chunk_put_dx(&chunk, dx);
		}
	}
	if (dx != NULL)
		sample_put_gradients(&sample, table, touch, ctx);
	return NN_OK;
}
