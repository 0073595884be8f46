/*
 * nn/seq2seq_step.c: texts written from a source: how likely each next token is,
 * for scores and for writing token by token.
 *
 * A step is the forward pass (seq2seq.c) over a batch of sequences of length 1
 * that begin in the states given.  A score is the same pass over whole texts.
 * Both make their log-probabilities in log_p_of_rows(), and no row of that pass
 * depends on its batch (promise P2): so what a score counts is, bit for bit,
 * what steps gave, whatever else stood beside it in either.
 */
#include "nn/seq2seq_private.h"

#include <string.h>

struct NnEncoded
{
	NnBatch		source;			/* lengths and tokens: copies, so that the caller's batch may go */
	const float *states;		/* (N, D) */
	const float *first;			/* (B, layers * D) */
};

/* ---- what follows --------------------------------------------------------------- */

/*
 * log p (n, V) of what follows rows first ... first + n - 1; source_of is by row.
 * found (source's U) is zeros, before and after.
 */
static void
log_p_of_rows(const NnNet *net, const NnBatch *source, const int32_t *source_of, const NnBatch *written,
			  const NnDecoded *decoded, int first, int n, float *found, float *log_p)
{
	NnTokenTable table = nn_net_token_table(net, false, false);
	size_t		V = (size_t) table.n_tokens;
	size_t		E = (size_t) table.width;

	nn_token_log_softmax(&table, n, decoded->z + (size_t) first * E, log_p);
	if (decoded->copy == NULL)
		return;
	for (int row = first; row < first + n; row++)
		nn_copying_mix(net, source, source_of[row], written->distinct[written->token[row]], decoded->copy[row],
					   decoded->attention.weight + decoded->attention.start[row], found,
					   log_p + (size_t) (row - first) * V);
}

/* Room for nn_copying_mix(), where there is copying. */
static NnStatus
take_found(const NnNet *net, const NnBatch *source, NnArena *scratch, float **found, NnError *err)
{
	*found = NULL;
	if (!net->spec.has_copy)
		return NN_OK;
	*found = NN_ALLOC(scratch, float, (size_t) source->n_distinct);
	return *found == NULL ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

/* ---- scores ----------------------------------------------------------------------- */

/* Rows whose log-probabilities are held at once: 2 GFLOP of products, and 16 MB. */
#define ROWS_FLOPS	2e9
#define ROWS_FLOATS	4e6

static int
rows_at_once(const NnSpec *spec)
{
	double		V = spec->vocabulary;
	double		by_flops = ROWS_FLOPS / (2.0 * V * spec->embedding);
	double		by_floats = ROWS_FLOATS / V;
	double		rows = by_flops < by_floats ? by_flops : by_floats;

	return rows < 1.0 ? 1 : (int) rows;
}

static void
add_row(int V, const float *log_p, int32_t label, NnBatchScore *score)
{
	int			best = 0;

	if (label < 0)
		return;
	/* of equal tokens the first is the best */
	for (float highest = nn_highest(V, log_p); best < V - 1 && log_p[best] != highest;)
		best++;
	score->loss -= (double) log_p[label];
	score->n_tokens++;
	score->n_right += best == label;
}

/* source_of by row of the written batch. */
static NnStatus
sources_of_rows(const NnBatch *batch, NnArena *scratch, int32_t **source_of, NnError *err)
{
	const NnBatch *written = batch->written;

	*source_of = NN_TAKE(scratch, int32_t, (size_t) written->n_rows);
	if (*source_of == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int t = 0; t < written->n_steps; t++)
		memcpy(*source_of + written->offset[t], batch->source_of, (size_t) written->active[t] * sizeof(int32_t));
	return NN_OK;
}

NnStatus
nn_seq2seq_score(const NnNet *net, const NnBatch *batch, NnArena *scratch, NnBatchScore *score,
				 NnError *err)
{
	const NnBatch *written = batch->written;
	int			V = net->spec.vocabulary;
	int			n_part = rows_at_once(&net->spec);
	NnSource	source;
	NnState		state;
	NnDecoded	decoded;
	int32_t    *source_of;
	float	   *found;
	float	   *log_p;

	NN_TRY(nn_source_forward(net, batch, NULL, NULL, scratch, &source, err));
	NN_TRY(nn_decoder_take_state(net, written->n_sequences, scratch, &state, err));
	nn_decoder_begin(net, source.first, written->n_sequences, batch->source_of, &state);
	NN_TRY(nn_decoder_forward(net, written, batch, batch->source_of, source.states, &state, NULL, NULL,
							  scratch, &decoded, err));
	NN_TRY(sources_of_rows(batch, scratch, &source_of, err));
	NN_TRY(take_found(net, batch, scratch, &found, err));
	n_part = written->n_rows < n_part ? written->n_rows : n_part;
	log_p = NN_TAKE(scratch, float, (size_t) n_part * (size_t) V);
	if (log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int first = 0; first < written->n_rows; first += n_part)
	{
		int			n = written->n_rows - first < n_part ? written->n_rows - first : n_part;

		NN_TRY(nn_arena_poll(scratch));
		log_p_of_rows(net, batch, source_of, written, &decoded, first, n, found, log_p);
		for (int i = 0; i < n; i++)
			add_row(V, log_p + (size_t) i * (size_t) V, written->row_label[first + i], score);
	}
	score->n_sequences += written->n_sequences;
	return NN_OK;
}

/* ---- writing ----------------------------------------------------------------------- */

static const int32_t *
copy_ints(NnArena *arena, const int32_t *from, int n, bool *failed)
{
	int32_t    *to = NN_TAKE(arena, int32_t, (size_t) n);

	if (to == NULL)
		*failed = true;
	else if (n > 0)
		memcpy(to, from, (size_t) n * sizeof(int32_t));
	return to;
}

NnStatus
nn_seq2seq_encode(const NnNet *net, const NnBatch *batch, NnArena *arena, NnEncoded **encoded_out,
				  NnError *err)
{
	NnEncoded  *encoded = NN_ALLOC(arena, NnEncoded, 1);
	NnBatch    *kept;
	NnSource	source;
	bool		failed = false;

	if (encoded == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_source_forward(net, batch, NULL, NULL, arena, &source, err));
	encoded->states = source.states;
	encoded->first = source.first;
	kept = &encoded->source;
	kept->n_sequences = batch->n_sequences;
	kept->n_steps = batch->n_steps;
	kept->n_rows = batch->n_rows;
	kept->length = copy_ints(arena, batch->length, batch->n_sequences, &failed);
	kept->active = copy_ints(arena, batch->active, batch->n_steps, &failed);
	kept->offset = copy_ints(arena, batch->offset, batch->n_steps + 1, &failed);
	if (net->spec.has_copy)
	{
		kept->n_distinct = batch->n_distinct;
		kept->distinct = copy_ints(arena, batch->distinct, batch->n_distinct, &failed);
		kept->token = copy_ints(arena, batch->token, batch->n_rows, &failed);
	}
	*encoded_out = encoded;
	return failed ? nn_fail(err, NN_ENOMEM, "out of memory") : NN_OK;
}

int
nn_seq2seq_state_layers(const NnNet *net)
{
	return net->spec.decoder_layers;
}

int
nn_seq2seq_state_width(const NnNet *net)
{
	return nn_spec_decoder_hidden(&net->spec);
}

void
nn_seq2seq_begin(const NnNet *net, const NnEncoded *encoded, int R, const int32_t *source_of, NnState *state)
{
	nn_decoder_begin(net, encoded->first, R, source_of, state);
}

/* R sequences of one token each.  Each row's token counts as distinct: rows are few. */
static NnStatus
take_one_step(int R, const int32_t *token, NnArena *scratch, NnBatch *batch, NnError *err)
{
	int32_t    *number = NN_TAKE(scratch, int32_t, (size_t) R);
	int32_t    *length = NN_TAKE(scratch, int32_t, (size_t) R);
	int32_t    *active = NN_TAKE(scratch, int32_t, 1);
	int32_t    *offset = NN_TAKE(scratch, int32_t, 2);

	if (number == NULL || length == NULL || active == NULL || offset == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int r = 0; r < R; r++)
	{
		number[r] = r;
		length[r] = 1;
	}
	active[0] = R;
	offset[0] = 0;
	offset[1] = R;
	*batch = (NnBatch)
	{
		.n_sequences = R, .n_steps = 1, .n_rows = R, .length = length, .active = active, .offset = offset,
			.n_distinct = R, .distinct = token, .token = number
	};
	return NN_OK;
}

NnStatus
nn_seq2seq_step(const NnNet *net, const NnEncoded *encoded, int R, const int32_t *source_of,
				const int32_t *token, NnState *state, NnArena *scratch, float *log_p,
				float *attention, int ld_attention, NnError *err)
{
	const NnBatch *source = &encoded->source;
	size_t		V = (size_t) net->spec.vocabulary;
	int			n_part = rows_at_once(&net->spec);
	NnBatch		batch;
	NnDecoded	decoded;
	float	   *found;

	if (R == 0)
		return NN_OK;
	NN_TRY(take_one_step(R, token, scratch, &batch, err));
	NN_TRY(nn_decoder_forward(net, &batch, source, source_of, encoded->states, state, NULL, NULL, scratch,
							  &decoded, err));
	NN_TRY(take_found(net, source, scratch, &found, err));
	for (int first = 0; first < R; first += n_part)
	{
		NN_TRY(nn_arena_poll(scratch));
		log_p_of_rows(net, source, source_of, &batch, &decoded, first, R - first < n_part ? R - first : n_part,
					  found, log_p + (size_t) first * V);
	}
	for (int r = 0; attention != NULL && r < R; r++)
	{
		int			S = source->length[source_of[r]];
		float	   *to = attention + (size_t) r * (size_t) ld_attention;

		S = S < ld_attention ? S : ld_attention;
		memset(to, 0, (size_t) ld_attention * sizeof(float));
		if (S > 0)
			memcpy(to, decoded.attention.weight + decoded.attention.start[r], (size_t) S * sizeof(float));
	}
	return NN_OK;
}
