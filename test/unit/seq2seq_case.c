/*
 * seq2seq_case.c: random sources and the texts written from them.
 */
#include "seq2seq_case.h"

#include <math.h>
#include <string.h>

NnSpec
seq2seq_case_spec(NnCell cell, NnInputKind input, int n_layers, bool is_bidirectional, int decoder_layers, bool has_copy)
{
	NnSpec		spec = {0};

	spec.task = (input == NN_INPUT_TEXT) ? NN_TASK_TRANSLATE : NN_TASK_CAPTION;
	spec.input = input;
	spec.cell = cell;
	spec.n_layers = n_layers;
	spec.hidden = 5;
	spec.is_bidirectional = is_bidirectional;
	spec.vocabulary = SEQ2SEQ_V;
	spec.embedding = 6;
	spec.decoder_layers = decoder_layers;
	spec.has_copy = has_copy;
	spec.channels = (input == NN_INPUT_TEXT) ? 0 : 4;
	return spec;
}

/* Tokens below are pieces of words, some of which begin one: in a source several words of several pieces. */
#define SEQ2SEQ_PIECES 6
static const bool starts_word[SEQ2SEQ_PIECES] = {false, true, false, false, true, false};

/* Sources draw from few tokens, so that labels are found in them. */
static int32_t
random_token(NnRng *rng)
{
	return net_case_int(rng, 1, 9);
}

static void
random_source(NnRng *rng, const NnSpec *spec, NaiveRow *row, int length)
{
	int32_t    *token = INTS(length);
	float	   *values = FLOATS(length * spec->channels);

	row->length = length;
	for (int t = 0; t < length; t++)
		token[t] = random_token(rng);
	for (int i = 0; i < length * spec->channels; i++)
		values[i] = net_case_float(rng, -1.5f, 1.5f);
	row->token = token;
	row->values = values;
}

/* A text that begins with the end token and whose labels end with it; a few labels do not count. */
static void
random_text(NnRng *rng, NaiveRow *row, int32_t **label, int length)
{
	int32_t    *token = INTS(length);

	*label = INTS(length);
	row->length = length;
	for (int t = 1; t < length; t++)
		token[t] = random_token(rng);
	for (int t = 0; t < length; t++)
		(*label)[t] = (net_case_int(rng, 0, 7) == 0) ? -1 : (t + 1 < length) ? token[t + 1] : NN_TOKEN_END;
	row->token = token;
}

void
seq2seq_case_arenas(Seq2seqCase *c)
{
	c->arena = nn_arena_create(&nn_env_malloc);
	c->scratch = nn_arena_create(&nn_env_malloc);
}

void
seq2seq_case_begin(Seq2seqCase *c, const NnSpec *spec, int n_sources, int n_texts, int longest, NnRng *rng)
{
	memset(c, 0, sizeof(*c));
	c->spec = *spec;
	seq2seq_case_arenas(c);
	c->net = net_case_net(rng, spec, c->arena, true);
	if (spec->has_copy)
	{
		c->pieces = (NaivePieces)
		{
			SEQ2SEQ_PIECES, starts_word
		};
		nn_net_set_pieces(c->net, c->pieces.n, c->pieces.starts_word);
	}
	c->n_sources = n_sources;
	c->source = net_case_alloc(n_sources, sizeof(NaiveRow));
	for (int i = 0; i < n_sources; i++)
		random_source(rng, spec, &c->source[i], spec->input == NN_INPUT_VECTOR ? 1 :
					  i == 1 ? 0 : net_case_int(rng, 1, longest));
	c->n_texts = n_texts;
	c->text = net_case_alloc(n_texts, sizeof(NaiveRow));
	c->label = net_case_alloc(n_texts, sizeof(int32_t *));
	c->source_of = net_case_alloc(n_texts, sizeof(int));
	for (int i = 0; i < n_texts; i++)
	{
		random_text(rng, &c->text[i], &c->label[i], i == 2 ? 0 : net_case_int(rng, 1, longest));
		/* the first two have sources of their own, of which one is empty */
		c->source_of[i] = (i < 2 && i < n_sources) ? i : net_case_int(rng, 0, n_sources - 1);
	}
}

void
seq2seq_case_end(Seq2seqCase *c)
{
	nn_arena_destroy(c->scratch);
	nn_arena_destroy(c->arena);
	net_case_free_all();
}

/* What net_case_pack() must know to pack sources, or texts. */
static NnSpec
packing_spec(const Seq2seqCase *c, bool is_source)
{
	NnSpec		spec = {0};

	spec.cell = c->spec.cell;
	spec.vocabulary = SEQ2SEQ_V;
	spec.input = is_source ? c->spec.input : NN_INPUT_TEXT;
	spec.embedding = c->spec.channels;
	return spec;
}

/* The texts picked (NULL: all), with all sources, or with those of these texts only. */
void
seq2seq_case_pack(const Seq2seqCase *c, const int *pick, int n, bool has_all_sources, Seq2seqBatch *packed)
{
	NnSpec		source_spec = packing_spec(c, true);
	NnSpec		text_spec = packing_spec(c, false);
	int32_t    *source_of = INTS(n);
	int32_t    *row_label;
	int			sources[SEQ2SEQ_MAX_TEXTS];
	int			n_sources = 0;

	for (int s = 0; s < c->n_sources; s++)
	{
		bool		is_used = has_all_sources;

		for (int i = 0; i < n; i++)
			is_used = is_used || c->source_of[pick != NULL ? pick[i] : i] == s;
		if (is_used)
			sources[n_sources++] = s;
	}
	net_case_pack(&source_spec, c->source, sources, n_sources, &packed->source, packed->source_order);
	net_case_pack(&text_spec, c->text, pick, n, &packed->written, packed->text_order);
	row_label = INTS(packed->written.n_rows);
	for (int b = 0; b < n; b++)
	{
		int			text = packed->text_order[b];

		for (int p = 0; p < n_sources; p++)
			if (packed->source_order[p] == c->source_of[text])
				source_of[b] = p;
		for (int t = 0; t < packed->written.length[b]; t++)
			row_label[packed->written.offset[t] + b] = c->label[text][t];
	}
	packed->written.row_label = row_label;
	packed->source.written = &packed->written;
	packed->source.source_of = source_of;
}

NnStatus
seq2seq_case_run(Seq2seqCase *c, const Seq2seqBatch *packed, uint64_t seed, double *loss, NnError *err)
{
	NnRng		rng;

	nn_rng_seed(&rng, seed);
	nn_arena_reset(c->scratch);
	for (int k = 0; k < nn_net_n_tensors(c->net); k++)
	{
		NnTensor   *tensor = nn_net_tensor(c->net, k);

		memset(tensor->grad, 0, (size_t) net_case_size(tensor) * sizeof(float));
	}
	return nn_net_backward(c->net, &packed->source, NULL, &c->dropout, &c->options, &rng, c->scratch, loss, err);
}

double
seq2seq_case_backward(Seq2seqCase *c, const Seq2seqBatch *packed, uint64_t seed)
{
	NnError		err;
	double		loss;

	net_case_check(seq2seq_case_run(c, packed, seed, &loss, &err), &err);
	return loss;
}

NnBatchScore
seq2seq_case_score(Seq2seqCase *c, const Seq2seqBatch *packed)
{
	NnBatchScore score = {0};
	NnError		err;

	nn_arena_reset(c->scratch);
	net_case_check(nn_net_score(c->net, &packed->source, NULL, c->scratch, &score, &err), &err);
	return score;
}

/* ---- writing --------------------------------------------------------------------- */

/* Rows of a state, as the caller of a beam moves them: row r was row from[r]. */
static NnState
move_state(const NnNet *net, const NnState *state, int n_before, int n, const int *from)
{
	size_t		D = (size_t) nn_seq2seq_state_width(net);
	size_t		L = (size_t) nn_seq2seq_state_layers(net);
	NnState		moved = {FLOATS(L * (size_t) n * D), NULL};

	if (state->c != NULL)
		moved.c = FLOATS(L * (size_t) n * D);
	for (size_t k = 0; k < L; k++)
	{
		for (int r = 0; r < n; r++)
		{
			size_t		to_at = (k * (size_t) n + (size_t) r) * D;
			size_t		from_at = (k * (size_t) n_before + (size_t) from[r]) * D;

			memcpy(moved.h + to_at, state->h + from_at, D * sizeof(float));
			if (state->c != NULL)
				memcpy(moved.c + to_at, state->c + from_at, D * sizeof(float));
		}
	}
	return moved;
}

/* The texts of c that have a token at step t, in an order that is another in each step. */
static int
rows_of_step(const Seq2seqCase *c, const int *pick, int n, int t, int *text)
{
	int			n_rows = 0;

	for (int i = 0; i < n; i++)
	{
		int			number = pick[(i * (t % 2 ? n - 1 : 1) + t) % n];

		if (c->text[number].length > t)
			text[n_rows++] = number;
	}
	return n_rows;
}

static void
one_step(Seq2seqCase *c, const NnEncoded *encoded, const Seq2seqBatch *packed, int t, int n, const int *text,
		 NnState *state, Seq2seqSteps *steps)
{
	float	   *log_p = FLOATS(n * SEQ2SEQ_V);
	float	   *attention = FLOATS(n * steps->ld);
	int32_t    *token = INTS(n);
	int32_t    *source_of = INTS(n);
	NnError		err;

	for (int r = 0; r < n; r++)
	{
		token[r] = c->text[text[r]].token[t];
		for (int p = 0; p < packed->source.n_sequences; p++)
			if (packed->source_order[p] == c->source_of[text[r]])
				source_of[r] = p;
	}
	if (t == 0)
		nn_seq2seq_begin(c->net, encoded, n, source_of, state);
	nn_arena_reset(c->scratch);
	net_case_check(nn_seq2seq_step(c->net, encoded, n, source_of, token, state, c->scratch, log_p,
								   attention, steps->ld, &err), &err);
	for (int r = 0; r < n; r++)
	{
		memcpy(steps->log_p[text[r]] + t * SEQ2SEQ_V, log_p + r * SEQ2SEQ_V, SEQ2SEQ_V * sizeof(float));
		memcpy(steps->attention[text[r]] + t * steps->ld, attention + r * steps->ld, steps->ld * sizeof(float));
	}
}

/* Write the given tokens of some texts side by side. */
void
seq2seq_steps_write(Seq2seqCase *c, const int *pick, int n, Seq2seqSteps *steps)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	size_t		n_state = (size_t) (nn_seq2seq_state_layers(c->net) * n * nn_seq2seq_state_width(c->net));
	NnState		state = {FLOATS(n_state), c->spec.cell == NN_CELL_LSTM ? FLOATS(n_state) : NULL};
	int			before[SEQ2SEQ_MAX_TEXTS];
	int			text[SEQ2SEQ_MAX_TEXTS];
	int			n_before = rows_of_step(c, pick, n, 0, before);
	int			n_rows;
	NnEncoded  *encoded;
	Seq2seqBatch packed;
	NnError		err;

	seq2seq_case_pack(c, pick, n, n > 1, &packed);
	net_case_check(nn_seq2seq_encode(c->net, &packed.source, arena, &encoded, &err), &err);
	for (int t = 0; (n_rows = rows_of_step(c, pick, n, t, text)) > 0; t++)
	{
		int			from[SEQ2SEQ_MAX_TEXTS] = {0};

		for (int r = 0; r < n_rows; r++)
			for (int q = 0; q < n_before; q++)
				if (before[q] == text[r])
					from[r] = q;
		state = move_state(c->net, &state, n_before, n_rows, from);
		one_step(c, encoded, &packed, t, n_rows, text, &state, steps);
		memcpy(before, text, sizeof(text));
		n_before = n_rows;
	}
	nn_arena_destroy(arena);
}

void
seq2seq_steps_take(const Seq2seqCase *c, int ld, Seq2seqSteps *steps)
{
	steps->ld = ld;
	for (int i = 0; i < c->n_texts; i++)
	{
		steps->log_p[i] = FLOATS(c->text[i].length * SEQ2SEQ_V);
		steps->attention[i] = FLOATS(c->text[i].length * ld);
	}
}
