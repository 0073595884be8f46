/*
 * grad_tagger.c: the whole tagger (nn/embed.c, nn/tagger.c) against a twin in double
 * and central differences of the twin's loss.
 *
 * The twin takes one sentence at a time: its input rows are put together from
 * nn/embed.c's equation, the recurrent layers are naive_net.c's, and the CRF's
 * normalizer is a sum over all paths, one by one.  Forms repeat, several have one
 * word, some have none, some have no row of spelling.
 *
 * What word dropout leaves out is left out of the value and of the gradient: with
 * the words of all forms dropped, the tagger is the one whose forms have no word.
 */
#include "net_case.h"

#include <stdlib.h>
#include <string.h>
#include "kern/kern.h"
#include "tap.h"

#define V			256
#define N_FORMS		9
#define N_SPELLING	11

/* Sentences of forms, and the batch of them. */
typedef struct Case
{
	NnSpec		spec;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	int			n;
	int			length[6];
	int32_t		form[6][8];
	int32_t		tag[6][8];
	int32_t		word[N_FORMS];
	int32_t		start[N_FORMS + 1];
	int32_t		row[N_FORMS * 4];
	uint16_t	flags[N_FORMS];
	NnBatch		batch;
} Case;

static NnError err;

/* All forms are the batch's distinct tokens, in their order. */
static void
pack_case(Case *c)
{
	int32_t    *length = net_case_alloc((size_t) c->n, sizeof(int32_t));
	int32_t    *active = net_case_alloc((size_t) c->length[0], sizeof(int32_t));
	int32_t    *offset = net_case_alloc((size_t) c->length[0] + 1, sizeof(int32_t));
	int32_t    *token;
	int32_t    *label;

	for (int t = 0; t < c->length[0]; t++)
	{
		for (int b = 0; b < c->n; b++)
			active[t] += c->length[b] > t;
		offset[t + 1] = offset[t] + active[t];
	}
	token = net_case_alloc((size_t) offset[c->length[0]], sizeof(int32_t));
	label = net_case_alloc((size_t) offset[c->length[0]], sizeof(int32_t));
	for (int b = 0; b < c->n; b++)
	{
		length[b] = c->length[b];
		for (int t = 0; t < c->length[b]; t++)
		{
			token[offset[t] + b] = c->form[b][t];
			label[offset[t] + b] = c->tag[b][t];
		}
	}
	c->batch = (NnBatch)
	{
		.n_sequences = c->n, .n_steps = c->length[0], .n_rows = offset[c->length[0]],
			.length = length, .active = active, .offset = offset, .n_distinct = N_FORMS, .distinct = c->word, .token = token,
			.spelling_start = c->start, .spelling_row = c->row, .spelling_flags = c->flags, .row_label = label
	};
}

static void
begin_case(Case *c, NnRng *rng, NnCell cell, int n_layers, bool is_bidirectional, bool has_spelling)
{
	memset(c, 0, sizeof(*c));
	c->spec = (NnSpec)
	{
		.task = NN_TASK_TAG, .input = NN_INPUT_TEXT, .n_outputs = 3, .cell = cell, .n_layers = n_layers,
			.hidden = 3, .is_bidirectional = is_bidirectional, .vocabulary = V, .embedding = 4,
			.spelling_rows = has_spelling ? N_SPELLING : 0, .spelling = has_spelling ? 3 : 0
	};
	c->arena = nn_arena_create(&nn_env_malloc);
	c->scratch = nn_arena_create(&nn_env_malloc);
	c->net = net_case_net(rng, &c->spec, c->arena, true);
	c->n = 6;
	for (int b = 0; b < c->n; b++)
	{
		c->length[b] = 5 - b;	/* the last is empty */
		for (int t = 0; t < c->length[b]; t++)
		{
			c->form[b][t] = net_case_int(rng, 0, N_FORMS - 1);
			c->tag[b][t] = net_case_int(rng, 0, 2);
		}
	}
	for (int u = 0; u < N_FORMS; u++)
	{
		int			n = has_spelling ? net_case_int(rng, 0, 4) : 0;

		c->word[u] = u % 3 == 0 ? -1 : net_case_int(rng, 0, 3);
		c->flags[u] = (uint16_t) net_case_int(rng, 0, 1023);
		c->start[u + 1] = c->start[u] + n;
		for (int j = c->start[u]; j < c->start[u + 1]; j++)
			c->row[j] = net_case_int(rng, 0, N_SPELLING - 1);
	}
	pack_case(c);
}

static void
end_case(Case *c)
{
	nn_arena_destroy(c->scratch);
	nn_arena_destroy(c->arena);
	net_case_free_all();
}

/* ---- the twin -------------------------------------------------------------------- */

static const double *
twin_tensor(const NaiveNet *twin, const char *name)
{
	for (int i = 0; i < twin->n_tensors; i++)
		if (strcmp(twin->tensor[i].name, name) == 0)
			return twin->tensor[i].data;
	return NULL;
}

/* x_u = [ word | spelling / sqrt(n) | flags ] */
static void
twin_input(const NaiveNet *twin, const Case *c, int u, double *x)
{
	const double *words = twin_tensor(twin, "embedding.weight");
	const double *spelling = twin_tensor(twin, "spelling.weight");
	int			E = c->spec.embedding;
	int			S = c->spec.spelling;
	int			n = c->start[u + 1] - c->start[u];

	for (int e = 0; e < E; e++)
		x[e] = c->word[u] < 0 ? 0.0 : words[c->word[u] * E + e];
	if (spelling == NULL)
		return;
	for (int s = 0; s < S; s++)
	{
		x[E + s] = 0.0;
		for (int j = c->start[u]; j < c->start[u + 1]; j++)
			x[E + s] += spelling[c->row[j] * S + s] / sqrt((double) n);
	}
	for (int f = 0; f < NN_SHAPE_FLAGS; f++)
		x[E + S + f] = (c->flags[u] >> f) & 1;
}

/* log of the sum of exp(score) over all tags of steps t ... T - 1, the tag before being from. */
static double
twin_paths(const NaiveNet *twin, const Case *c, const double *emission, int T, int t, int from)
{
	const double *transition = twin_tensor(twin, "crf.transitions");
	const double *start = twin_tensor(twin, "crf.start_transitions");
	const double *end = twin_tensor(twin, "crf.end_transitions");
	int			K = c->spec.n_outputs;
	double		sum = 0.0;

	if (t == T)
		return end[from];
	for (int k = 0; k < K; k++)
		sum += exp((t == 0 ? start[k] : transition[from * K + k]) + emission[t * K + k] +
				   twin_paths(twin, c, emission, T, t + 1, k));
	return log(sum);
}

static double
twin_sentence(const NaiveNet *twin, const Case *c, int b)
{
	const double *weight = twin_tensor(twin, "head.weight");
	const double *bias = twin_tensor(twin, "head.bias");
	const double *transition = twin_tensor(twin, "crf.transitions");
	int			T = c->length[b];
	int			K = c->spec.n_outputs;
	int			D = c->spec.hidden * (c->spec.is_bidirectional ? 2 : 1);
	int			n_in = nn_spec_input_width(&c->spec);
	double		x[8 * 32];
	double		h[8 * 32];
	double		emission[8 * 3];
	double		gold;

	if (T == 0)
		return 0.0;
	for (int t = 0; t < T; t++)
		twin_input(twin, c, c->form[b][t], x + t * n_in);
	for (int k = 0; k < c->spec.n_layers; k++)
	{
		naive_net_layer(twin, k, T, k == 0 ? n_in : D, x, h);
		memcpy(x, h, sizeof(double) * (size_t) (T * D));
	}
	for (int t = 0; t < T; t++)
		for (int k = 0; k < K; k++)
		{
			emission[t * K + k] = bias[k];
			for (int j = 0; j < D; j++)
				emission[t * K + k] += weight[k * D + j] * h[t * D + j];
		}
	gold = twin_tensor(twin, "crf.start_transitions")[c->tag[b][0]] + twin_tensor(twin, "crf.end_transitions")[c->tag[b][T - 1]];
	for (int t = 0; t < T; t++)
		gold += emission[t * K + c->tag[b][t]] + (t > 0 ? transition[c->tag[b][t - 1] * K + c->tag[b][t]] : 0.0);
	return twin_paths(twin, c, emission, T, 0, 0) - gold;
}

static double
twin_loss(const NaiveNet *twin, const Case *c)
{
	double		sum = 0.0;

	for (int b = 0; b < c->n; b++)
		sum += twin_sentence(twin, c, b);
	return sum / c->n;
}

/* ---- the checks -------------------------------------------------------------------- */

static double
backward(Case *c, const NnDropout *dropout)
{
	NnLoss		options = {0};
	NnRng		rng;
	double		loss;

	for (int i = 0; i < nn_net_n_tensors(c->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(c->net, i);

		memset(tensor->grad, 0, (size_t) net_case_size(tensor) * sizeof(float));
	}
	nn_rng_seed(&rng, 3);
	nn_arena_reset(c->scratch);
	net_case_check(nn_net_backward(c->net, &c->batch, NULL, dropout, &options, &rng, c->scratch, &loss, &err), &err);
	return loss;
}

/* The worst difference between a gradient and a central difference of the twin. */
static double
worst_gradient(Case *c, NaiveNet *twin)
{
	double		worst = 0.0;

	for (int i = 0; i < twin->n_tensors; i++)
		for (int j = 0; j < twin->tensor[i].n_rows * twin->tensor[i].n_columns; j++)
		{
			double	   *x = &twin->tensor[i].data[j];
			double		was = *x;
			double		up,
						down;

			*x = was + 1e-5;
			up = twin_loss(twin, c);
			*x = was - 1e-5;
			down = twin_loss(twin, c);
			*x = was;
			worst = net_case_worse(worst, fabs((up - down) / 2e-5 - (double) nn_net_tensor(c->net, i)->grad[j]));
		}
	return worst;
}

/* Are the rows that were touched those of the words and the spelling, each once? */
static bool
is_touched(const Case *c, const char *name, const int32_t *rows, int n)
{
	const NnTensor *table = nn_net_find_tensor(c->net, name);
	bool		is_wanted[16] = {false};
	const int32_t *touched;
	int			n_touched = nn_net_touched(c->net, table, &touched);
	int			n_wanted = 0;

	for (int i = 0; i < n; i++)
		if (rows[i] >= 0)
			is_wanted[rows[i]] = true;
	for (int i = 0; i < 16; i++)
		n_wanted += is_wanted[i];
	for (int i = 0; i < n_touched; i++)
	{
		if (!is_wanted[touched[i]])
			return false;
		is_wanted[touched[i]] = false;
	}
	return n_touched == n_wanted;
}

static void
test_gradients(NnRng *rng, NnCell cell, int n_layers, bool is_bidirectional, bool has_spelling)
{
	Case		c;
	NaiveNet	twin;
	NnDropout	none = {0};
	double		loss;
	double		expected;
	double		worst;
	const char *what;

	begin_case(&c, rng, cell, n_layers, is_bidirectional, has_spelling);
	what = net_case_cells[cell];
	naive_net_read(&twin, c.net);
	loss = backward(&c, &none);
	expected = twin_loss(&twin, &c);
	worst = worst_gradient(&c, &twin);
	ok(fabs(loss - expected) < 1e-4 * (1.0 + expected), "%s, %d layers%s%s: loss %.6f", what, n_layers,
	   is_bidirectional ? ", both ways" : "", has_spelling ? ", spelling" : "", loss);
	ok(worst < 2e-4, "gradients (error %.2g)", worst);
	ok(is_touched(&c, "embedding.weight", c.word, N_FORMS) &&
	   (!has_spelling || is_touched(&c, "spelling.weight", c.row, c.start[N_FORMS])), "rows touched");
	naive_net_free(&twin);
	end_case(&c);
}

/* Every word dropped is a net whose forms have no word. */
static void
test_word_dropout(NnRng *rng)
{
	NnDropout	all = {.word = 1.0f};
	NnDropout	none = {0};
	Case		c;
	double		dropped;
	double		without;
	double		norm = 0.0;
	const NnTensor *embedding;
	float	   *kept;
	int			n;
	int			n_other = 0;

	begin_case(&c, rng, NN_CELL_LSTM, 1, true, true);
	embedding = nn_net_find_tensor(c.net, "spelling.weight");
	n = net_case_size(embedding);
	kept = net_case_alloc((size_t) n, sizeof(float));
	dropped = backward(&c, &all);
	memcpy(kept, embedding->grad, (size_t) n * sizeof(float));
	norm = 0.0;
	for (int i = 0; i < V * 4; i++)
		norm += fabs((double) nn_net_find_tensor(c.net, "embedding.weight")->grad[i]);
	for (int u = 0; u < N_FORMS; u++)
		c.word[u] = -1;
	without = backward(&c, &none);
	for (int i = 0; i < n; i++)
		n_other += kept[i] != embedding->grad[i];
	ok(dropped == without && norm == 0.0, "all words dropped: as if they were unknown");
	is_int(n_other, 0, "their spelling learns as before");
	end_case(&c);
}

/* Scratch memory stays within what is said of it. */
static void
test_memory(NnRng *rng)
{
	NnDropout	all = {.word = 0.3f, .input = 0.3f, .recurrent = 0.3f, .output = 0.3f};
	int			n_bad = 0;

	for (int k = 0; k < 12; k++)
	{
		Case		c;
		NnBatchSize size;
		NnBatchScore score = {0};

		begin_case(&c, rng, (NnCell) (1 + k % 3), 1 + k % 2, k % 4 < 2, k < 8);
		size = (NnBatchSize) {.B = c.n, .N = c.batch.n_rows, .U = N_FORMS, .n_spelling = c.start[N_FORMS]};
		(void) backward(&c, &all);
		n_bad += nn_arena_peak_bytes(c.scratch) > nn_net_batch_bytes(&c.spec, true, &size);
		nn_arena_reset(c.scratch);
		net_case_check(nn_net_score(c.net, &c.batch, NULL, c.scratch, &score, &err), &err);
		n_bad += score.n_tokens != c.batch.n_rows || score.n_sequences != c.n;
		end_case(&c);
	}
	is_int(n_bad, 0, "memory within its bound, and scores of all tokens");
}

int
main(void)
{
	NnRng		rng;

	nn_kern_init();
	nn_rng_seed(&rng, 23);
	test_gradients(&rng, NN_CELL_LSTM, 1, true, true);
	test_gradients(&rng, NN_CELL_GRU, 2, true, true);
	test_gradients(&rng, NN_CELL_RNN, 1, false, true);
	test_gradients(&rng, NN_CELL_LSTM, 2, false, false);
	test_word_dropout(&rng);
	test_memory(&rng);
	return done_testing();
}
