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
 * Block borders and the order of every sum depend on V and E only: a row's
 * log-likelihood is bit-identical alone and in any batch.
 *
 * All memory is the scratch arena's, taken before any gradient is touched.
 */
#include "nn/token_loss_private.h"

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

static const NnLogSum log_sum_empty = {-INFINITY, 0.0};

/* ---- sums of exponentials ------------------------------------------------ */

/* Add sum * exp(highest).  NaN and infinity end as NaN in the sum. */
void
nn_log_sum_add(NnLogSum *total, float highest, double sum)
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
log_sum_value(const NnLogSum *total)
{
	return (double) total->highest + log(total->sum);
}

/* log Z of a row of n logits, in the blocks of a chunk. */
static double
row_log_sum(int n, const float *z)
{
	NnLogSum	total = log_sum_empty;

	for (int start = 0; start < n; start += BLOCK_COLUMNS)
	{
		int			n_columns = n - start < BLOCK_COLUMNS ? n - start : BLOCK_COLUMNS;
		float		highest = nn_highest(n_columns, z + start);

		nn_log_sum_add(&total, highest, nn_exp_sum(n_columns, highest, z + start, NULL));
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
block_columns(const NnChunk *chunk, int b)
{
	int			n_left = chunk->table->n_tokens - b * BLOCK_COLUMNS;

	return n_left < BLOCK_COLUMNS ? n_left : BLOCK_COLUMNS;
}

static float *
block_at(const NnChunk *chunk, int b)
{
	size_t		n_floats = (size_t) chunk->n_rows_max * (size_t) chunk->stride;

	return chunk->block + (chunk->is_backward ? (size_t) b * n_floats : 0);
}

/* Rows of a chunk over V columns, of M in all; *row_floats is what each keeps of its blocks. */
static size_t
chunk_rows(int64_t V, int64_t M, bool is_backward, size_t *row_floats)
{
	size_t		n_blocks = (size_t) (V + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
	size_t		stride = V < BLOCK_COLUMNS ? ((size_t) V + 15) / 16 * 16 : BLOCK_COLUMNS;
	size_t		n;

	*row_floats = nn_size_mul(stride, is_backward ? n_blocks : 1);
	n = MAX_CHUNK_BYTES / sizeof(float) / (*row_floats > 0 ? *row_floats : 1);
	n = n / MIN_CHUNK_ROWS * MIN_CHUNK_ROWS;
	n = n < MIN_CHUNK_ROWS ? MIN_CHUNK_ROWS : n > MAX_CHUNK_ROWS ? MAX_CHUNK_ROWS : n;
	return (int64_t) n > M ? (size_t) M : n;
}

/* Shape and memory of chunks of M rows. */
NnStatus
nn_chunk_create(NnChunk *chunk, const NnTokenTable *table, int64_t M, bool is_backward,
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
	n = chunk_rows(V, M, is_backward, &row_floats);
	chunk->n_rows_max = (int) n;

	chunk->x = NN_TAKE(scratch, float, nn_size_mul(n, E));
	chunk->row = NN_TAKE(scratch, int64_t, n);
	chunk->token = NN_TAKE(scratch, int32_t, n);
	chunk->column = NN_TAKE(scratch, int32_t, n);
	chunk->logit = NN_TAKE(scratch, float, n);
	chunk->is_first = NN_TAKE(scratch, bool, n);
	chunk->total = NN_TAKE(scratch, NnLogSum, n);
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
bool
nn_chunk_fill(NnChunk *chunk, int64_t M, const float *x, const int32_t *label, int64_t *next)
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
scan_row(NnChunk *chunk, int i, int b, int n, float *z)
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
	nn_log_sum_add(&chunk->total[i], highest,
				   nn_exp_sum(n, highest, z, chunk->is_backward ? z : NULL));
}

/* The label of row i: log p = log(own softmax + other), and what of p is whose. */
static void
mix_row(NnChunk *chunk, int i)
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
NnStatus
nn_chunk_forward(NnChunk *chunk, const NnArena *scratch)
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
is_right(const NnChunk *chunk, int i)
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
double
nn_chunk_loss(const NnChunk *chunk)
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
block_backward(NnChunk *chunk, int b, double scale)
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

NnStatus
nn_chunk_backward(NnChunk *chunk, double scale, const NnArena *scratch)
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
void
nn_chunk_put_dx(const NnChunk *chunk, float *dx)
{
	size_t		E = (size_t) chunk->table->width;

	for (int i = 0; i < chunk->n_rows; i++)
		memcpy(dx + (size_t) chunk->row[i] * E, chunk->dx + (size_t) i * E, E * sizeof(float));
}

/* ---- the whole softmax --------------------------------------------------------- */

NnStatus
nn_check_tokens(const NnTokenTable *table, int64_t M, const int32_t *label, NnError *err)
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
	NnChunk		chunk;
	int64_t		next = 0;

	NN_TRY(nn_check_tokens(table, M, label, err));
	NN_TRY(nn_chunk_create(&chunk, table, M, dx != NULL, scratch, err));
	chunk.smoothing = (double) label_smoothing;
	if (dx != NULL)
		memset(dx, 0, (size_t) M * (size_t) table->width * sizeof(float));
	if (n_right != NULL)
		*n_right = 0;
	*loss = 0.0;
	while (nn_chunk_fill(&chunk, M, x, label, &next))
	{
		NN_TRY(nn_chunk_forward(&chunk, scratch));
		*loss += nn_chunk_loss(&chunk);
		for (int i = 0; n_right != NULL && i < chunk.n_rows; i++)
			*n_right += is_right(&chunk, i);
		if (dx != NULL)
		{
			NN_TRY(nn_chunk_backward(&chunk, (double) scale, scratch));
			nn_chunk_put_dx(&chunk, dx);
		}
	}
	return NN_OK;
}

NnStatus
nn_token_log_likelihood(const NnTokenTable *table, int64_t M, const float *x,
						const int32_t *label, NnArena *scratch, float *out, NnError *err)
{
	NnChunk		chunk;
	int64_t		next = 0;

	NN_TRY(nn_check_tokens(table, M, label, err));
	NN_TRY(nn_chunk_create(&chunk, table, M, false, scratch, err));
	memset(out, 0, (size_t) M * sizeof(float));
	while (nn_chunk_fill(&chunk, M, x, label, &next))
	{
		NN_TRY(nn_chunk_forward(&chunk, scratch));
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

/* ---- memory ------------------------------------------------------------------------ */

size_t
nn_token_loss_bytes(int V, int E, int64_t M, int64_t n_sampled, bool is_backward)
{
	int64_t		columns = n_sampled > 0 && n_sampled < V ? n_sampled : V;
	size_t		row_floats;
	size_t		n = chunk_rows(columns, M, is_backward, &row_floats);
	size_t		row_bytes = sizeof(int64_t) + 2 * sizeof(int32_t) + sizeof(float) + sizeof(bool) + sizeof(NnLogSum) +
	4 * sizeof(double) + (size_t) (columns / BLOCK_COLUMNS + 1) * sizeof(float);
	size_t		bytes;

	row_bytes = nn_size_add(row_bytes, nn_size_mul(nn_size_add(2 * (size_t) E, row_floats), sizeof(float)));
	bytes = nn_size_add(nn_size_mul(n, row_bytes), 16 * 64);	/* pieces are aligned */
	if (n_sampled > 0)
	{
		/* the columns' weights, packed ones and gradients; places of all tokens */
		bytes = nn_size_add(bytes, nn_size_mul((size_t) columns + 64, (3 * (size_t) E + 4) * sizeof(float)));
		bytes = nn_size_add(bytes, nn_size_mul((size_t) V, sizeof(int32_t)));
	}
	return bytes;
}
