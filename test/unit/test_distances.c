/*
 * test_distances.c: gradients by distance (nn/net.h).
 *
 *  - they are what central differences of one sequence's loss give when a state k
 *    steps before its last is moved, for labels, tags and next tokens;
 *  - no gradient of a weight changes.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "naive_steps.h"
#include "tap.h"
#include "text/vocabulary.h"
#include "train/train.h"

static NnError err;

static void
must(NnStatus status)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err.message);
	exit(1);
}

#define N_SEQUENCES 4
#define N_DISTANCES 9
#define STEP		1e-4

static const int lengths[N_SEQUENCES] = {7, 0, 1, 5};

/* A net in training with drawn tensors, and examples for it. */
typedef struct Case
{
	NnSpec		spec;
	NnArena    *arena;
	NnNet	   *net;
	NnExamples	examples;
	int64_t		start[N_SEQUENCES + 1];
	int32_t		token[64];
	int32_t		tag[64];
	int32_t		label[N_SEQUENCES];
	NnForms		forms;
	int32_t		word[16];
	int64_t		spelling_start[17];
	uint16_t	flags[16];
} Case;

static void
case_begin(Case *c, NnTask task, NnCell cell, int n_layers, bool is_bidirectional, unsigned pool)
{
	NnRng		rng;

	memset(c, 0, sizeof(*c));
	c->spec.task = task;
	c->spec.input = NN_INPUT_TEXT;
	c->spec.cell = cell;
	c->spec.n_layers = n_layers;
	c->spec.hidden = 4;
	c->spec.is_bidirectional = is_bidirectional;
	c->spec.vocabulary = 256;
	c->spec.embedding = task == NN_TASK_LANGUAGE && n_layers > 1 ? 4 : 3;
	c->spec.pool = pool;
	c->spec.n_outputs = task == NN_TASK_LANGUAGE ? 0 : 3;
	c->arena = nn_arena_create(&nn_env_malloc);
	must(nn_spec_check(&c->spec, &err));
	must(nn_net_create(&c->net, c->arena, &c->spec, true, &err));
	nn_rng_seed(&rng, 3 + (uint64_t) task);
	for (int i = 0; i < nn_net_n_tensors(c->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(c->net, i);

		for (int j = 0; j < tensor->n_rows * tensor->n_columns; j++)
		{
			tensor->data[j] = 0.5f * nn_rng_normal(&rng);
			if (tensor->grad != NULL)
				tensor->grad[j] = nn_rng_normal(&rng);
		}
	}
	nn_net_pack(c->net);
	for (int b = 0; b < N_SEQUENCES; b++)
	{
		c->start[b + 1] = c->start[b] + lengths[b];
		c->label[b] = b % 3;
		for (int64_t i = c->start[b]; i < c->start[b + 1]; i++)
		{
			c->token[i] = (int32_t) (i * 7 % 16);
			c->tag[i] = (int32_t) (i * i % 3);
		}
	}
	for (int i = 0; i < 16; i++)
		c->word[i] = i;
	c->forms = (NnForms) {16, c->word, c->spelling_start, NULL, c->flags};
	c->examples.n = N_SEQUENCES;
	c->examples.token_start = c->start;
	c->examples.token = c->token;
	c->examples.label = c->spec.task == NN_TASK_LANGUAGE ? NULL : c->label;
	c->examples.forms = &c->forms;
	c->examples.tag = c->tag;
}

/* Numbers of a tensor by its full name. */
static const float *
tensor_of(const Case *c, const char *name)
{
	return nn_net_find_tensor(c->net, name)->data;
}

/* All poolings of the top layer's states (T, D), and the cross-entropy of the head. */
static double
pooled_loss(const Case *c, int T, double h[][NAIVE_WIDTH], int label)
{
	int			H = c->spec.hidden;
	int			D = H * (c->spec.is_bidirectional ? 2 : 1);
	const float *a = (c->spec.pool & NN_POOL_ATTENTION) ? tensor_of(c, "attention.weight") : NULL;
	double		pooled[4 * NAIVE_WIDTH] = {0};
	double		weight[NAIVE_STEPS];
	double		sum = 0.0;
	double		z[3];
	int			n = 0;

	for (int t = 0; a != NULL && t < T; t++)
	{
		double		score = 0.0;

		for (int j = 0; j < D; j++)
			score += (double) a[j] * h[t][j];
		weight[t] = exp(score);
		sum += weight[t];
	}
	for (int j = 0; (c->spec.pool & NN_POOL_LAST) && j < D; j++)
		pooled[n++] = h[j < H ? T - 1 : 0][j];
	for (int j = 0; (c->spec.pool & NN_POOL_MAX) && j < D; j++, n++)
	{
		pooled[n] = h[0][j];
		for (int t = 1; t < T; t++)
			pooled[n] = fmax(pooled[n], h[t][j]);
	}
	for (int j = 0; (c->spec.pool & NN_POOL_MEAN) && j < D; j++, n++)
		for (int t = 0; t < T; t++)
			pooled[n] += h[t][j] / T;
	for (int j = 0; a != NULL && j < D; j++, n++)
		for (int t = 0; t < T; t++)
			pooled[n] += weight[t] / sum * h[t][j];
	sum = 0.0;
	for (int k = 0; k < 3; k++)
	{
		z[k] = naive_row_times(tensor_of(c, "head.weight"), tensor_of(c, "head.bias"), k, n, pooled);
		sum += exp(z[k]);
	}
	return log(sum) - z[label];
}

/* The CRF's negative log likelihood: over all paths, by the forward recursion in plain exponentials. */
static double
tag_loss(const Case *c, int T, double h[][NAIVE_WIDTH], const int32_t *tag)
{
	const float *move = tensor_of(c, "crf.transitions");
	const float *start = tensor_of(c, "crf.start_transitions");
	const float *end = tensor_of(c, "crf.end_transitions");
	int			D = c->spec.hidden * (c->spec.is_bidirectional ? 2 : 1);
	double		alpha[3];
	double		score = 0.0;
	double		sum = 0.0;

	for (int t = 0; t < T; t++)
	{
		double		before[3];

		memcpy(before, alpha, sizeof(before));
		for (int k = 0; k < 3; k++)
		{
			double		e = naive_row_times(tensor_of(c, "head.weight"), tensor_of(c, "head.bias"), k, D, h[t]);

			alpha[k] = t == 0 ? exp((double) start[k] + e) : 0.0;
			for (int i = 0; t > 0 && i < 3; i++)
				alpha[k] += before[i] * exp((double) move[3 * i + k] + e);
			if (tag[t] == k)
				score += e + (double) (t == 0 ? start[k] : move[3 * tag[t - 1] + k]);
		}
	}
	for (int k = 0; k < 3; k++)
		sum += alpha[k] * exp((double) end[k]);
	return log(sum) - score - (double) end[tag[T - 1]];
}

/* -log p of the token that ends the text, of the forward state h (H). */
static double
language_loss(const Case *c, const double *h)
{
	int			H = c->spec.hidden;
	int			E = c->spec.embedding;
	const float *table = tensor_of(c, "embedding.weight");
	const float *bias = tensor_of(c, "output.bias");
	double		y[NAIVE_WIDTH];
	double		sum = 0.0;
	double		end = 0.0;

	for (int j = 0; j < E; j++)
		y[j] = E == H ? h[j] : naive_row_times(tensor_of(c, "readout.weight"), tensor_of(c, "readout.bias"), j, H, h);
	for (int v = 0; v < c->spec.vocabulary; v++)
	{
		double		z = naive_row_times(table, bias, v, E, y);

		sum += exp(z);
		if (v == NN_TOKEN_END)
			end = z;
	}
	return log(sum) - end;
}

/* Sequence b, its states by the twin. */
typedef struct Sequence
{
	const Case *c;
	int			b;
	int			T;				/* steps that are read */
	int			last;			/* the one whose state the loss sees */
	NaiveSteps	twin[2][2];
} Sequence;

static void
sequence_begin(Sequence *s, const Case *c, int b)
{
	static double x[NAIVE_STEPS][NAIVE_WIDTH];
	const float *table = tensor_of(c, "embedding.weight");
	bool		is_language = c->spec.task == NN_TASK_LANGUAGE;
	int			E = c->spec.embedding;

	s->c = c;
	s->b = b;
	s->T = lengths[b] + (is_language ? (c->spec.is_bidirectional ? 2 : 1) : 0);
	s->last = is_language ? lengths[b] : s->T - 1;
	for (int t = 0; t < s->T; t++)
	{
		int			i = is_language ? t - 1 : t;
		int			token = i < 0 || i >= lengths[b] ? NN_TOKEN_END : c->token[c->start[b] + i];

		for (int e = 0; e < E; e++)
			x[t][e] = (double) table[token * E + e];
	}
	naive_steps(c->net, s->T, x, s->twin);
}

/* The loss if the state k steps before the last is moved by step in direction j, and acts through the last alone. */
static double
moved_loss(const Sequence *s, int k, int j, double step)
{
	static double h[NAIVE_STEPS][NAIVE_WIDTH];
	const Case *c = s->c;
	int			top = c->spec.n_layers - 1;
	int			H = c->spec.hidden;
	const NaiveSteps *twin = &s->twin[top][0];
	double		state[NAIVE_WIDTH];
	double		cell[NAIVE_WIDTH];
	double		gates[NAIVE_WIDTH];

	memcpy(state, twin->h[s->last - k], sizeof(state));
	memcpy(cell, twin->c[s->last - k], sizeof(cell));
	state[j] += step;
	for (int t = s->last - k + 1; t <= s->last; t++)
		naive_step(c->net, top, false, naive_step_inputs(&c->spec, top), twin->x[t], state, cell, gates);

	if (c->spec.task == NN_TASK_LANGUAGE)
		return language_loss(c, state);
	for (int t = 0; t < s->T; t++)
		for (int i = 0; i < 2 * H; i++)
			h[t][i] = s->twin[top][i / H].h[t][i % H];
	memcpy(h[s->last], state, (size_t) H * sizeof(double));
	if (c->spec.task == NN_TASK_TAG)
		return tag_loss(c, s->T, h, c->tag + c->start[s->b]);
	return pooled_loss(c, s->T, h, c->label[s->b]);
}

/* Mean norm by central differences; NAN if no sequence is so long. */
static void
expected_norms(const Case *c, double *norm)
{
	static Sequence s;
	int			n[N_DISTANCES] = {0};

	for (int k = 0; k < N_DISTANCES; k++)
		norm[k] = 0.0;
	for (int b = 0; b < N_SEQUENCES; b++)
	{
		sequence_begin(&s, c, b);
		for (int k = 0; k < N_DISTANCES && k <= s.last; k++)
		{
			double		squares = 0.0;

			for (int j = 0; j < c->spec.hidden; j++)
			{
				double		d = (moved_loss(&s, k, j, STEP) - moved_loss(&s, k, j, -STEP)) / (2 * STEP);

				squares += d * d;
			}
			norm[k] += sqrt(squares);
			n[k]++;
		}
	}
	for (int k = 0; k < N_DISTANCES; k++)
		norm[k] = n[k] > 0 ? norm[k] / n[k] : NAN;
}

static uint64_t
gradients_hash(NnNet *net)
{
	uint64_t	hash = 0;

	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		if (tensor->grad != NULL)
			hash = nn_hash_bytes(tensor->grad, (uint64_t) tensor->n_rows * (uint64_t) tensor->n_columns * sizeof(float), hash);
	}
	return hash;
}

static void
test_distances(NnTask task, NnCell cell, int n_layers, bool is_bidirectional, unsigned pool)
{
	static const int32_t pick[N_SEQUENCES] = {0, 1, 2, 3};
	int32_t		order[N_SEQUENCES];
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	double		norm[N_DISTANCES];
	double		expected[N_DISTANCES];
	double		worst = 0.0;
	uint64_t	before;
	NnBatch		batch;
	Case		c;

	case_begin(&c, task, cell, n_layers, is_bidirectional, pool);
	must(nn_batch_pack(&batch, &c.spec, &c.examples, pick, N_SEQUENCES, 0.0f, NULL, scratch, order, &err));
	before = gradients_hash(c.net);
	must(nn_net_gradient_distances(c.net, &batch, scratch, N_DISTANCES, norm, &err));
	expected_norms(&c, expected);
	for (int k = 0; k < N_DISTANCES; k++)
	{
		if (isnan(norm[k]) != isnan(expected[k]))
			worst = INFINITY;
		if (!isnan(expected[k]))
			worst = fmax(worst, fabs(norm[k] - expected[k]) / (expected[0] + 1e-12));
	}
	ok(worst < 1e-4 && expected[1] > 0, "%s, %s, %d layers, %s: gradients by distance are differences (%.3g, %.3g, %.3g...; %.1e)",
	   nn_task_name(task), nn_cell_name(cell), n_layers, is_bidirectional ? "both directions" : "one direction",
	   norm[0], norm[1], norm[2], worst);
	ok(gradients_hash(c.net) == before, "and no weight's gradient has changed");
	nn_arena_destroy(scratch);
	nn_arena_destroy(c.arena);
}

/*
 * A forecast of one quantile, the middle: whatever its loss is, it is one of the
 * branches' sum; so what the wide branch says changes what reaches the recurrent one.
 */
static void
test_forecast_distances(void)
{
	static const int32_t pick[2] = {0, 1};
	static const int64_t steps[3] = {0, 4, 8};
	static const float target[2 * 3] = {1, -1, 0.5f, 0, 2, -3};
	NnSpec		spec = {
		.task = NN_TASK_FORECAST, .input = NN_INPUT_SERIES, .n_outputs = 3, .cell = NN_CELL_LSTM,
		.n_layers = 1, .hidden = 4, .pool = NN_POOL_LAST, .embedding = 1,
		.wide = NN_WIDE_LINEAR, .wide_inputs = 4, .horizon = 3, .n_quantiles = 1,
	};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	float		values[8];
	NnExamples	examples = {.n = 2, .step_start = steps, .values = values, .flat = values, .target = target};
	double		norm[2][6];
	int32_t		order[2];
	NnRng		rng;
	NnBatch		batch;
	NnNet	   *net;

	nn_rng_seed(&rng, 2);
	for (int i = 0; i < 8; i++)
		values[i] = nn_rng_normal(&rng);
	must(nn_net_create(&net, arena, &spec, true, &err));
	must(nn_net_init(net, &rng));
	/* heads of forecasts begin with zeros */
	for (int i = 0; i < spec.n_outputs * spec.hidden; i++)
		nn_net_find_tensor(net, "head.weight")->data[i] = nn_rng_normal(&rng);
	nn_net_pack(net);
	must(nn_batch_pack(&batch, &spec, &examples, pick, 2, 0.0f, NULL, arena, order, &err));
	for (int i = 0; i < 2; i++)
	{
		/* far below or above every target of the first step, as the recurrent branch alone is not */
		nn_net_find_tensor(net, "wide_head.bias")->data[0] = i == 0 ? -10.0f : 10.0f;
		nn_net_pack(net);
		must(nn_net_gradient_distances(net, &batch, arena, 6, norm[i], &err));
	}
	ok(norm[0][0] > 0 && norm[0][3] > 0 && norm[0][3] < norm[0][0] && isnan(norm[0][4]) && norm[1][3] != norm[0][3],
	   "a forecast's gradient comes from the sum of its branches");
	nn_arena_destroy(arena);
}

static void
test_no_distances(void)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = {
		.task = NN_TASK_CLASSIFY, .input = NN_INPUT_TEXT, .n_outputs = 2,
		.wide = NN_WIDE_BAG, .wide_inputs = 3, .wide_hidden = 2,
	};
	NnBatch		batch = {0};
	NnNet	   *net;
	double		norm[2] = {0};

	must(nn_net_create(&net, arena, &spec, true, &err));
	ok(nn_net_gradient_distances(net, &batch, arena, 2, norm, &err) == NN_OK && isnan(norm[0]) && isnan(norm[1]),
	   "a network without a cell has none");
	nn_arena_destroy(arena);
}

int
main(void)
{
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		test_distances(NN_TASK_CLASSIFY, (NnCell) cell, 1, false, NN_POOL_LAST);
		test_distances(NN_TASK_CLASSIFY, (NnCell) cell, 2, true,
					   NN_POOL_LAST | NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION);
		test_distances(NN_TASK_TAG, (NnCell) cell, 2, true, 0);
		test_distances(NN_TASK_LANGUAGE, (NnCell) cell, 2, false, 0);
		test_distances(NN_TASK_LANGUAGE, (NnCell) cell, 1, true, 0);
	}
	test_forecast_distances();
	test_no_distances();
	return done_testing();
}
