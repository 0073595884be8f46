/*
 * nn/recurrent_answer.c: a stack over a packed batch for an answer, pooled as it is
 * read.
 *
 * The same steps as recurrent.c's, in the same order, but nothing is kept for a
 * backward pass: gates, states and cells are those of the step at hand, so that a
 * batch of some dozen rows stays in the L2 cache however long its texts are.  The
 * top layer's states go into sums and maxima at once; only layers below it write
 * their rows down.
 *
 * The input side of frequent words may have been computed when the model was loaded
 * (nn_net_project).  The product gives a row the same bits alone and among others,
 * so nobody can tell.
 *
 * Pooling adds each direction's states in the order in which it reads them.  Rows
 * that have read nothing before are the last ones of a step (recurrent.c), so sums
 * and maxima of all others are one run of numbers.
 */
#include "nn/net_private.h"

#include <string.h>

/* Rows of an input that are projected at once, about. */
#define PART_ROWS	256

/* The input side W_ih x + b of one direction. */
typedef struct InputSide
{
	const float **token;		/* (U) rows of G, of distinct tokens; else */
	const float *x;				/* (N, n_in), projected some steps at a time into */
	float	   *part;			/* (rows of the steps first ... stop - 1, G) */
	int			first;
	int			stop;
} InputSide;

/* A batch's distinct tokens, ascending: those that were projected before stand together. */
typedef struct Words
{
	int			first_known;
	int			stop_known;
	float	   *before;			/* (first_known, n_in) input rows */
	float	   *behind;			/* (U - stop_known, n_in) */
} Words;

/* One direction at work; rows of all but ended sequences, H or G apart. */
typedef struct Reader
{
	const NnLayers *layers;
	const NnDirection *direction;
	const NnBatch *batch;
	int			d;
	InputSide	side;
	float	   *gates;			/* (B, G) */
	const float **input_row;	/* (B) lstm: of tokens, what the gates begin with */
	float	   *h[2];			/* (B, H), the step before and this one by turns */
	float	   *c[2];			/* (B, H) lstm */
	float	   *work;			/* (B, H) lstm, (B, 3H) gru */
	float	   *last;			/* (B, H) or NULL: where it ended */
	float	   *max;			/* (B, H) or NULL */
	float	   *sum;			/* (B, H) or NULL */
	float	   *rows;			/* (N, directions * H) or NULL: every state */
} Reader;

/* ---- inputs ---------------------------------------------------------------------- */

static void
project(const NnDirection *direction, int M, const float *x, float *out)
{
	int			n_in = direction->weight_ih->n_columns;
	int			G = direction->weight_ih->n_rows;

	NnStart		bias = {direction->bias, 0, NULL};

	nn_gemm_packed_from(M, G, n_in, x, n_in, direction->packed_ih, bias, out, G);
}

/* The same for many rows. */
static NnStatus
project_all(const NnDirection *direction, size_t M, const float *x, float *out, const NnArena *scratch)
{
	size_t		n_in = (size_t) direction->weight_ih->n_columns;
	size_t		G = (size_t) direction->weight_ih->n_rows;

	for (size_t first = 0; first < M; first += PART_ROWS)
	{
		size_t		n = M - first < PART_ROWS ? M - first : PART_ROWS;

		NN_TRY(nn_arena_poll(scratch));
		project(direction, (int) n, x + first * n_in, out + first * G);
	}
	return NN_OK;
}

/* Project the steps around t that are read next, as many as make some rows. */
static void
project_part(Reader *reader, int t)
{
	InputSide  *side = &reader->side;
	const int32_t *offset = reader->batch->offset;
	int			n_in = reader->direction->weight_ih->n_columns;
	int			step = reader->d == 0 ? 1 : -1;
	int			end = t + step;

	while (end >= 0 && end < reader->batch->n_steps &&
		   (step > 0 ? offset[end + 1] - offset[t] : offset[t + 1] - offset[end]) <= PART_ROWS)
		end += step;
	side->first = step > 0 ? t : end + 1;
	side->stop = step > 0 ? end : t + 1;
	project(reader->direction, offset[side->stop] - offset[side->first],
			side->x + (size_t) offset[side->first] * (size_t) n_in, side->part);
}

/* Rows of the step after this one: they are far apart, and asked for while this step is computed. */
static void
ask_for_step(const Reader *reader, int t)
{
	const NnBatch *batch = reader->batch;
	size_t		G = (size_t) reader->layers->n_gates;

	if (t < 0 || t >= batch->n_steps)
		return;
	for (int r = batch->offset[t]; r < batch->offset[t + 1]; r++)
	{
		const float *row = reader->side.token[batch->token[r]];

		for (size_t i = 0; i < G; i += 16)
			__builtin_prefetch(row + i, 0, 2);
	}
}

/* The input side of step t's rows. */
static NnStart
find_input(Reader *reader, int t)
{
	const NnBatch *batch = reader->batch;
	NnStart		input = {NULL, (size_t) reader->layers->n_gates, NULL};
	int			first = batch->offset[t];

	if (reader->side.token == NULL)
	{
		if (t < reader->side.first || t >= reader->side.stop)
			project_part(reader, t);
		input.from = reader->side.part + (size_t) (first - batch->offset[reader->side.first]) * input.ld;
		return input;
	}
	for (int b = 0; b < batch->active[t]; b++)
		reader->input_row[b] = reader->side.token[batch->token[first + b]];
	ask_for_step(reader, reader->d == 0 ? t + 1 : t - 1);
	input.row = reader->input_row;
	return input;
}

/* Into the gates, for cells whose step expects it there. */
static void
load_gates(const Reader *reader, NnStart input, int n)
{
	size_t		G = input.ld;

	for (int b = 0; b < n; b++)
		memcpy(reader->gates + (size_t) b * G, input.row != NULL ? input.row[b] : input.from + (size_t) b * G,
			   G * sizeof(float));
}

/* ---- steps ------------------------------------------------------------------------ */

static void
step(const Reader *reader, NnStart input, int n, int n_prev, int now)
{
	const NnDirection *direction = reader->direction;
	int			H = reader->layers->hidden;
	const float *h_prev = reader->h[1 - now];

	if (reader->layers->cell != NN_CELL_LSTM)
		load_gates(reader, input, n);
	switch (reader->layers->cell)
	{
		case NN_CELL_LSTM:
			nn_lstm_step(n, n_prev, H, h_prev, direction->packed_hh, input, reader->gates, reader->c[1 - now],
						 reader->c[now], reader->work, reader->h[now], H);
			break;
		case NN_CELL_GRU:
			nn_gru_step(n, n_prev, H, h_prev, direction->packed_hh, direction->bias_hh->data,
						reader->gates, reader->work, reader->h[now], H);
			break;
		default:
			nn_rnn_step(n, n_prev, H, h_prev, direction->packed_hh, reader->gates, reader->h[now], H);
			break;
	}
}

/* The states of a step's n rows, of which n_prev have been pooled before. */
static void
pool_step(const Reader *reader, const float *h, int n, int n_prev)
{
	int64_t		H = reader->layers->hidden;
	int64_t		n_old = n_prev * H;
	size_t		n_new = (size_t) (n - n_prev) * (size_t) H * sizeof(float);

	if (reader->last != NULL)
		memcpy(reader->last, h, (size_t) n * (size_t) H * sizeof(float));
	if (reader->max != NULL)
	{
		nn_maximum(n_old, h, reader->max);
		memcpy(reader->max + n_old, h + n_old, n_new);
	}
	if (reader->sum != NULL)
	{
		nn_axpy(n_old, 1.0f, h, reader->sum);
		memcpy(reader->sum + n_old, h + n_old, n_new);
	}
}

/* The states of a step's rows to where the layer above finds them. */
static void
keep_step(const Reader *reader, const float *h, int t)
{
	const NnBatch *batch = reader->batch;
	size_t		H = (size_t) reader->layers->hidden;
	size_t		ld = H * (size_t) reader->layers->n_directions;
	float	   *to = reader->rows + (size_t) batch->offset[t] * ld + (size_t) reader->d * H;

	for (int b = 0; b < batch->active[t]; b++)
		memcpy(to + (size_t) b * ld, h + (size_t) b * H, H * sizeof(float));
}

static NnStatus
read_steps(Reader *reader, const NnArena *scratch)
{
	const NnBatch *batch = reader->batch;
	int			n_before = 0;
	int			now = 0;

	for (int p = 0; p < batch->n_steps; p++)
	{
		int			t = reader->d == 0 ? p : batch->n_steps - 1 - p;
		int			n = batch->active[t];
		int			n_prev = n < n_before ? n : n_before;

		NN_TRY(nn_arena_poll(scratch));
		step(reader, find_input(reader, t), n, n_prev, now);
		if (reader->rows != NULL)
			keep_step(reader, reader->h[now], t);
		else
			pool_step(reader, reader->h[now], n, n_prev);
		n_before = n;
		now = 1 - now;
	}
	return NN_OK;
}

/* ---- layers -------------------------------------------------------------------------- */

/* A piece of (rows, width), or NULL if it is not needed. */
static float *
take(NnArena *scratch, bool is_needed, size_t rows, size_t width, bool *failed)
{
	float	   *piece = is_needed ? NN_TAKE(scratch, float, rows * width) : NULL;

	*failed = *failed || (is_needed && piece == NULL);
	return piece;
}

static NnStatus
take_reader(Reader *reader, unsigned pool, NnArena *scratch, NnError *err)
{
	const NnLayers *layers = reader->layers;
	size_t		B = (size_t) reader->batch->n_sequences;
	size_t		H = (size_t) layers->hidden;
	size_t		G = (size_t) layers->n_gates;
	bool		is_lstm = layers->cell == NN_CELL_LSTM;
	bool		failed = false;

	reader->gates = take(scratch, true, B, G, &failed);
	reader->input_row = NN_TAKE(scratch, const float *, B);
	failed = failed || reader->input_row == NULL;
	for (int i = 0; i < 2; i++)
	{
		reader->h[i] = take(scratch, true, B, H, &failed);
		reader->c[i] = take(scratch, is_lstm, B, H, &failed);
	}
	reader->work = take(scratch, is_lstm || layers->cell == NN_CELL_GRU, B, is_lstm ? H : 3 * H, &failed);
	reader->last = take(scratch, (pool & NN_POOL_LAST) != 0, B, H, &failed);
	reader->max = take(scratch, (pool & NN_POOL_MAX) != 0, B, H, &failed);
	reader->sum = take(scratch, (pool & NN_POOL_MEAN) != 0, B, H, &failed);
	return failed ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

/* Rows of distinct tokens first ... first + n - 1, projected now. */
static NnStatus
project_run(Reader *reader, int first, int n, const float *input, NnArena *scratch, NnError *err)
{
	size_t		G = (size_t) reader->layers->n_gates;
	bool		failed = false;
	float	   *projected = take(scratch, true, (size_t) n, G, &failed);

	if (failed)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		reader->side.token[first + i] = projected + (size_t) i * G;
	return project_all(reader->direction, (size_t) n, input, projected, scratch);
}

/* What tokens add, once for each distinct one. */
static NnStatus
project_tokens(Reader *reader, const Words *words, NnArena *scratch, NnError *err)
{
	const NnLayers *layers = reader->layers;
	const NnBatch *batch = reader->batch;
	size_t		G = (size_t) layers->n_gates;

	reader->side.token = NN_TAKE(scratch, const float *, (size_t) batch->n_distinct);
	if (reader->side.token == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int u = words->first_known; u < words->stop_known; u++)
		reader->side.token[u] = reader->direction->projected +
			(size_t) (batch->distinct[u] - layers->first_projected) * G;
	NN_TRY(project_run(reader, 0, words->first_known, words->before, scratch, err));
	return project_run(reader, words->stop_known, batch->n_distinct - words->stop_known, words->behind, scratch, err);
}

static NnStatus
prepare_rows(Reader *reader, const float *input, NnArena *scratch, NnError *err)
{
	size_t		B = (size_t) reader->batch->n_sequences;
	bool		failed = false;

	reader->side.x = input;
	reader->side.part = take(scratch, true, B > PART_ROWS ? B : PART_ROWS, (size_t) reader->layers->n_gates, &failed);
	return failed ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

/* Columns of a pooled row: parts in the order of the NN_POOL_* bits, forward before backward in each. */
static void
write_pooled(const Reader *reader, float *pooled, int P)
{
	const NnBatch *batch = reader->batch;
	size_t		H = (size_t) reader->layers->hidden;
	size_t		D = H * (size_t) reader->layers->n_directions;
	const float *parts[3] = {reader->last, reader->max, reader->sum};

	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		float	   *out = pooled + (size_t) b * (size_t) P + (size_t) reader->d * H;

		for (int i = 0; i < 3; i++)
		{
			if (parts[i] == NULL)
				continue;
			memcpy(out, parts[i] + (size_t) b * H, H * sizeof(float));
			if (parts[i] == reader->sum)
				nn_scale((int64_t) H, 1.0f / (float) batch->length[b], out);
			out += D;
		}
	}
}

/*
 * One direction of layer k.  rows, or NULL: where its states go; else pooled (B, P)
 * gets its part.
 */
static NnStatus
read_direction(const NnLayers *layers, const NnBatch *batch, int k, int d, const Words *words, const float *input,
			   float *rows, unsigned pool, float *pooled, int P, NnArena *scratch, NnError *err)
{
	Reader		reader = {.layers = layers, .direction = &layers->direction[k][d], .batch = batch, .d = d, .rows = rows};
	NnArenaMark mark = nn_arena_mark(scratch);

	NN_TRY(take_reader(&reader, rows != NULL ? 0 : pool, scratch, err));
	if (k == 0 && layers->embedding != NULL)
		NN_TRY(project_tokens(&reader, words, scratch, err));
	else
		NN_TRY(prepare_rows(&reader, input, scratch, err));
	NN_TRY(read_steps(&reader, scratch));
	if (rows == NULL)
		write_pooled(&reader, pooled, P);
	nn_arena_rewind(scratch, &mark);
	return NN_OK;
}

/* Input rows of n of the batch's distinct tokens. */
static NnStatus
embed_run(const NnLayers *layers, const NnBatch *batch, int first, int n, NnArena *scratch, float **input, NnError *err)
{
	NnBatch		part = *batch;
	NnEmbedded	embedded = {0};

	part.distinct += first;
	part.n_distinct = n;
	NN_TRY(nn_embed_forward(layers, &part, NULL, NULL, scratch, &embedded, err));
	*input = embedded.input;
	return NN_OK;
}

static NnStatus
find_words(const NnLayers *layers, const NnBatch *batch, NnArena *scratch, Words *words, NnError *err)
{
	int32_t		first = layers->first_projected;
	int			u = 0;

	while (u < batch->n_distinct && batch->distinct[u] < first)
		u++;
	words->first_known = u;
	while (u < batch->n_distinct && batch->distinct[u] - first < layers->n_projected)
		u++;
	words->stop_known = u;
	NN_TRY(embed_run(layers, batch, 0, words->first_known, scratch, &words->before, err));
	return embed_run(layers, batch, u, batch->n_distinct - u, scratch, &words->behind, err);
}

NnStatus
nn_stack_answer(const NnNet *net, const NnBatch *batch, NnArena *scratch, float *pooled, NnError *err)
{
	const NnLayers *layers = &net->stack;
	int			P = nn_spec_pooled(&net->spec);
	size_t		n_states = (size_t) batch->n_rows * (size_t) layers->n_directions * (size_t) layers->hidden;
	const float *input = batch->values;
	Words		words = {0};

	memset(pooled, 0, (size_t) batch->n_sequences * (size_t) P * sizeof(float));
	if (layers->embedding != NULL)
		NN_TRY(find_words(layers, batch, scratch, &words, err));
	for (int k = 0; k < layers->n_layers; k++)
	{
		bool		is_top = k == layers->n_layers - 1;
		float	   *rows = is_top ? NULL : NN_TAKE(scratch, float, n_states);

		if (!is_top && rows == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		for (int d = 0; d < layers->n_directions; d++)
			NN_TRY(read_direction(layers, batch, k, d, &words, input, rows, net->spec.pool, pooled, P, scratch, err));
		input = rows;
	}
	return NN_OK;
}

/* ---- words known beforehand ------------------------------------------------------------- */

size_t
nn_net_projected_bytes(const NnNet *net)
{
	const NnLayers *layers = &net->stack;

	if (net->is_training || !nn_task_is_pooled(net->spec.task) || layers->n_layers == 0 || layers->embedding == NULL)
		return 0;
	return (size_t) layers->n_directions * (size_t) layers->n_gates * sizeof(float);
}

NnStatus
nn_net_project(NnNet *net, int32_t first, int32_t n, NnError *err)
{
	NnLayers   *layers = &net->stack;
	size_t		G = (size_t) layers->n_gates;
	size_t		E = (size_t) net->embedding->n_columns;
	float	   *all = NN_TAKE(net->arena, float, (size_t) n * G * (size_t) layers->n_directions);

	if (all == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int d = 0; d < layers->n_directions; d++)
	{
		layers->direction[0][d].projected = all + (size_t) d * (size_t) n * G;
		NN_TRY(project_all(&layers->direction[0][d], (size_t) n, net->embedding->data + (size_t) first * E,
						   layers->direction[0][d].projected, net->arena));
	}
	layers->first_projected = first;
	layers->n_projected = n;
	return NN_OK;
}
