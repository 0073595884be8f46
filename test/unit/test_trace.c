/*
 * test_trace.c: a look inside (model/trace.h, nn/net.h).
 *
 *  - every gate and state of a trace is what the papers' equations give, computed
 *    here in double from the tensors alone: all cells, both directions, layers on
 *    layers, texts and numbers;
 *  - tokens say where in the text they stand, in characters, also where a token is
 *    a part of a character;
 *  - the gradient by distance is what central differences of one sequence's loss
 *    give when a state k steps before its last is moved, for labels, tags and next
 *    tokens; and no gradient of a weight changes;
 *  - every failed allocation and every stopped poll is a status.
 */
#include "file_case.h"

#include <math.h>
#include <stdio.h>
#include "model/encode.h"
#include "model/trace.h"
#include "tap.h"

#define MAX_WIDTH	64			/* of rows and gates */
#define MAX_STEPS	40

/* Sums of a few float products, and activations good to 4e-7. */
#define TOLERANCE	1e-5

static NnError err;

static void
must(NnStatus status)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err.message);
	exit(1);
}

/* ---- the recurrence in double ------------------------------------------------------ */

static double
sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

static const float *
numbers(NnNet *net, const char *what, int layer, bool is_reverse)
{
	char		name[64];

	snprintf(name, sizeof(name), "rnn.%s_l%d%s", what, layer, is_reverse ? "_reverse" : "");
	if (nn_net_find_tensor(net, name) == NULL)
	{
		printf("Bail out! no tensor %s\n", name);
		exit(1);
	}
	return nn_net_find_tensor(net, name)->data;
}

/* Row g of W times x, plus b[g]. */
static double
row_times(const float *W, const float *b, int g, int n, const double *x)
{
	double		sum = (double) b[g];

	for (int i = 0; i < n; i++)
		sum += (double) W[g * n + i] * x[i];
	return sum;
}

/* One step: h, c (H) become those behind it; gates (G), activated (kern/kern.h has the equations). */
static void
twin_step(NnNet *net, int layer, bool is_reverse, int n_in, const double *x, double *h, double *c, double *gates)
{
	const NnSpec *spec = nn_net_spec(net);
	const float *W_ih = numbers(net, "weight_ih", layer, is_reverse);
	const float *W_hh = numbers(net, "weight_hh", layer, is_reverse);
	const float *b_ih = numbers(net, "bias_ih", layer, is_reverse);
	const float *b_hh = numbers(net, "bias_hh", layer, is_reverse);
	int			H = spec->hidden;
	double		in[MAX_WIDTH];
	double		rec[MAX_WIDTH];

	for (int g = 0; g < nn_cell_gates(spec->cell) * H; g++)
	{
		in[g] = row_times(W_ih, b_ih, g, n_in, x);
		rec[g] = row_times(W_hh, b_hh, g, H, h);
	}
	for (int j = 0; j < H; j++)
		switch (spec->cell)
		{
			case NN_CELL_LSTM:
				gates[j] = sigmoid(in[j] + rec[j]);
				gates[H + j] = sigmoid(in[H + j] + rec[H + j]);
				gates[2 * H + j] = tanh(in[2 * H + j] + rec[2 * H + j]);
				gates[3 * H + j] = sigmoid(in[3 * H + j] + rec[3 * H + j]);
				c[j] = gates[H + j] * c[j] + gates[j] * gates[2 * H + j];
				h[j] = gates[3 * H + j] * tanh(c[j]);
				break;
			case NN_CELL_GRU:
				gates[j] = sigmoid(in[j] + rec[j]);
				gates[H + j] = sigmoid(in[H + j] + rec[H + j]);
				gates[2 * H + j] = tanh(in[2 * H + j] + gates[j] * rec[2 * H + j]);
				h[j] = (1.0 - gates[H + j]) * gates[2 * H + j] + gates[H + j] * h[j];
				break;
			default:
				gates[j] = h[j] = tanh(in[j] + rec[j]);
				break;
		}
}

/* What the twin keeps of one direction of one layer. */
typedef struct Twin
{
	double		x[MAX_STEPS][MAX_WIDTH];	/* what it read */
	double		h[MAX_STEPS][MAX_WIDTH];
	double		c[MAX_STEPS][MAX_WIDTH];
	double		gates[MAX_STEPS][MAX_WIDTH];
} Twin;

/* Width of what layer k reads. */
static int
twin_inputs(const NnSpec *spec, int layer)
{
	return layer == 0 ? nn_spec_input_width(spec) : spec->hidden * (spec->is_bidirectional ? 2 : 1);
}

/* All layers over T rows x; twin[layer][direction]. */
static void
twin_run(NnNet *net, int T, double x[][MAX_WIDTH], Twin twin[][2])
{
	const NnSpec *spec = nn_net_spec(net);
	int			H = spec->hidden;
	int			n_directions = spec->is_bidirectional ? 2 : 1;

	for (int k = 0; k < spec->n_layers; k++)
		for (int d = 0; d < n_directions; d++)
		{
			Twin	   *to = &twin[k][d];
			double		h[MAX_WIDTH] = {0};
			double		c[MAX_WIDTH] = {0};

			for (int p = 0; p < T; p++)
			{
				int			t = d == 0 ? p : T - 1 - p;

				memcpy(to->x[t], x[t], sizeof(x[t]));
				for (int j = 0; k > 0 && j < n_directions * H; j++)
					to->x[t][j] = twin[k - 1][j / H].h[t][j % H];
				twin_step(net, k, d == 1, twin_inputs(spec, k), to->x[t], h, c, to->gates[t]);
				memcpy(to->h[t], h, sizeof(h));
				memcpy(to->c[t], c, sizeof(c));
			}
		}
}

/* ---- gates --------------------------------------------------------------------------- */

static double
difference(int H, const float *a, const double *b)
{
	double		worst = 0.0;

	for (int j = 0; j < H; j++)
		worst = fmax(worst, isnan(a[j]) ? INFINITY : fabs((double) a[j] - b[j]));
	return worst;
}

/* The worst error of one step; infinite if it has a gate that the cell has not, or lacks one. */
static double
step_error(const NnSpec *spec, const NnTraceStep *step, const Twin *twin, int t)
{
	int			H = spec->hidden;
	bool		is_gated = spec->cell != NN_CELL_RNN;
	bool		is_lstm = spec->cell == NN_CELL_LSTM;
	double		worst = difference(H, step->hidden, twin->h[t]);

	if ((step->input != NULL) != is_gated || (step->forget != NULL) != is_gated ||
		(step->candidate != NULL) != is_gated || (step->output != NULL) != is_lstm ||
		(step->cell != NULL) != is_lstm)
		return INFINITY;
	if (is_gated)
	{
		worst = fmax(worst, difference(H, step->input, twin->gates[t]));
		worst = fmax(worst, difference(H, step->forget, twin->gates[t] + H));
		worst = fmax(worst, difference(H, step->candidate, twin->gates[t] + 2 * H));
	}
	if (is_lstm)
	{
		worst = fmax(worst, difference(H, step->output, twin->gates[t] + 3 * H));
		worst = fmax(worst, difference(H, step->cell, twin->c[t]));
	}
	return worst;
}

/* Trace value and compare with the twin over the T rows x. */
static void
check_trace(const NnModel *model, const NnValue *value, int T, double x[][MAX_WIDTH], const char *what)
{
	static Twin twin[NN_MAX_LAYERS][2];
	const NnSpec *spec = &model->spec;
	int			n_directions = spec->is_bidirectional ? 2 : 1;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnTraced	traced;
	double		worst = 0.0;

	must(nn_trace(model, value, scratch, &traced, &err));
	twin_run(model->net, T, x, twin);
	if (traced.n != (int64_t) T * spec->n_layers * n_directions || traced.hidden != spec->hidden)
		worst = INFINITY;
	for (int64_t i = 0; i < traced.n && isfinite(worst); i++)
	{
		const NnTraceStep *step = &traced.step[i];
		int			k = (int) (i / n_directions) % spec->n_layers;
		int			d = (int) i % n_directions;

		if (step->layer != k || step->is_reverse != (d == 1))
			worst = INFINITY;
		else
			worst = fmax(worst, step_error(spec, step, &twin[k][d], (int) (i / n_directions) / spec->n_layers));
	}
	ok(worst <= TOLERANCE, "%s: %s, %d layers, %s: gates and states as by hand (%.1e)", what,
	   nn_cell_name(spec->cell), spec->n_layers, spec->is_bidirectional ? "both directions" : "one direction", worst);
	nn_arena_destroy(scratch);
}

/* A text model with this stack, and the small vocabulary of file_case.c. */
static NnModel *
text_model(NnCell cell, int n_layers, bool is_bidirectional)
{
	NnModel    *model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);
	NnRng		rng;

	model->spec.cell = cell;
	model->spec.n_layers = n_layers;
	model->spec.is_bidirectional = is_bidirectional;
	must(nn_net_create(&model->net, model->arena, &model->spec, false, &err));
	nn_rng_seed(&rng, 11);
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);

		for (int j = 0; j < tensor->n_rows * tensor->n_columns; j++)
			tensor->data[j] = nn_rng_normal(&rng);
	}
	nn_net_pack(model->net);
	return model;
}

static NnValue
text_value(const char *text)
{
	NnValue		value = {.kind = NN_VALUE_TEXT, .text = text, .n_bytes = strlen(text)};

	return value;
}

/* Embeddings of the tokens that the model reads, a language model's mark included; returns how many. */
static int
embed(const NnModel *model, const NnValue *value, double x[][MAX_WIDTH])
{
	const NnTensor *table = nn_net_find_tensor(model->net, "embedding.weight");
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExamples	examples;
	int			n = 0;
	int			first = model->spec.task == NN_TASK_LANGUAGE ? -1 : 0;

	must(nn_encode(model, value, 1, scratch, &examples, NULL, &err));
	for (int i = first; i < (int) examples.token_start[1]; i++, n++)
		for (int j = 0; j < table->n_columns; j++)
			x[n][j] = (double) table->data[(i < 0 ? NN_TOKEN_END : examples.token[i]) * table->n_columns + j];
	nn_arena_destroy(scratch);
	return n;
}

static void
test_text_gates(void)
{
	static double x[MAX_STEPS][MAX_WIDTH];
	NnValue		value = text_value("cat thing d\303\266g cat dog in the thing");

	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
		for (int n_layers = 1; n_layers <= 3; n_layers += 2)
			for (int both = 0; both < 2; both++)
			{
				NnModel    *model = text_model((NnCell) cell, n_layers, both == 1);

				check_trace(model, &value, embed(model, &value, x), x, "text");
				nn_model_destroy(model);
			}
}

/* Tasks whose encoding differs. */
static void
test_task_gates(void)
{
	static const FileCase cases[] = {FILE_CASE_LANGUAGE, FILE_CASE_TRANSLATE};
	static double x[MAX_STEPS][MAX_WIDTH];
	NnValue		value = text_value("a cat");

	for (int i = 0; i < 2; i++)
	{
		NnModel    *model = file_case_model(cases[i], &nn_env_malloc);

		check_trace(model, &value, embed(model, &value, x), x, file_case_names[cases[i]]);
		nn_model_destroy(model);
	}
}

/* Series are standardized; one that is too long is read at its end. */
static void
test_number_gates(void)
{
	static const FileCase cases[] = {FILE_CASE_SERIES, FILE_CASE_STORY};
	static double x[MAX_STEPS][MAX_WIDTH];
	static float given[MAX_STEPS * 3];
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i < MAX_STEPS * 3; i++)
		given[i] = nn_rng_normal(&rng);
	for (int i = 0; i < 2; i++)
	{
		NnModel    *model = file_case_model(cases[i], &nn_env_malloc);
		int			E = model->n_channels;
		int			n_steps = model->flat_steps > 0 ? model->flat_steps : 23;
		int			T = n_steps < model->max_tokens ? n_steps : model->max_tokens;
		NnValue		value = {.kind = NN_VALUE_NUMBERS, .numbers = given, .n_steps = n_steps, .n_channels = E};
		NnArena    *scratch = nn_arena_create(&nn_env_malloc);
		NnTraced	traced;

		for (int t = 0; t < T; t++)
			for (int e = 0; e < E; e++)
				x[t][e] = ((double) given[(n_steps - T + t) * E + e] - (double) model->input_mean[e]) *
					(double) model->input_scale[e];
		check_trace(model, &value, T, x, file_case_names[cases[i]]);
		must(nn_trace(model, &value, scratch, &traced, &err));
		ok(traced.step[0].start == n_steps - T && traced.step[0].stop == n_steps - T + 1 &&
		   traced.step[traced.n - 1].start == n_steps - 1 && traced.step[0].bytes == NULL,
		   "%s: steps are numbered as they were given", file_case_names[cases[i]]);
		nn_arena_destroy(scratch);
		nn_model_destroy(model);
	}
}

/* ---- places ----------------------------------------------------------------------------- */

typedef struct Expected
{
	int			start;
	int			stop;
	const char *bytes;
} Expected;

static void
check_places(const NnModel *model, const NnValue *value, const Expected *expected, int n, const char *what)
{
	int			n_each = model->spec.n_layers * (model->spec.is_bidirectional ? 2 : 1);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnTraced	traced;
	int			n_bad = 0;

	must(nn_trace(model, value, scratch, &traced, &err));
	for (int64_t i = 0; i < traced.n && i < (int64_t) n * n_each; i++)
	{
		const NnTraceStep *step = &traced.step[i];
		const Expected *want = &expected[i / n_each];

		if (step->start == want->start && step->stop == want->stop && step->n_bytes == (int) strlen(want->bytes) &&
			memcmp(step->bytes, want->bytes, (size_t) step->n_bytes) == 0)
			continue;
		diag("step %d: \"%.*s\" at %d to %d", (int) i, step->n_bytes, step->bytes, (int) step->start, (int) step->stop);
		n_bad++;
	}
	ok(n_bad == 0 && traced.n == (int64_t) n * n_each, "%s", what);
	nn_arena_destroy(scratch);
}

static void
test_places(void)
{
	/* "th" is a unit, "cat" and "dög" are words; all else is bytes, as "ing" is not made of units */
	static const Expected text[] = {
		{0, 3, "d\303\266g"}, {4, 5, "\346\274\242"}, {4, 5, "\346\274\242"}, {4, 5, "\346\274\242"},
		{6, 8, "th"}, {8, 9, "i"}, {9, 10, "n"}, {10, 11, "g"}, {11, 12, ","}, {13, 16, "cat"}, {17, 18, "\303\251"}, {17, 18, "\303\251"},
	};
	static const Expected exact[] = {
		{0, 0, ""}, {0, 2, "th"}, {2, 3, "i"}, {3, 4, "n"}, {4, 5, "g"},
		{6, 6, ""}, {6, 7, "\303\251"}, {6, 7, "\303\251"},
	};
	static const Expected characters[] = {
		{0, 0, ""}, {0, 1, "h"}, {1, 2, "\303\251"}, {1, 2, "\303\251"}, {2, 3, " "},
	};
	static const Expected words[] = {{0, 3, "d\303\266g"}, {4, 8, "Bonn"}};
	static const char *const given[] = {"d\303\266g", "Bonn"};
	static const size_t given_bytes[] = {4, 4};
	NnModel    *model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);
	NnValue		value = text_value("d\303\266g \346\274\242 thing, cat \303\251");

	check_places(model, &value, text, 12, "tokens of a text know their characters, parts of one their whole");
	value = text_value("");
	check_places(model, &value, text, 0, "an empty text has no steps");
	model->max_tokens = 2;
	value = text_value("d\303\266g \346\274\242");
	check_places(model, &value, text, 2, "what is beyond max_tokens was not read");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_TRANSLATE, &nn_env_malloc);
	value = text_value("thing \303\251");
	check_places(model, &value, exact, 8, "exact words: the space that a word takes along is not its place");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_LANGUAGE, &nn_env_malloc);
	value = text_value("h\303\251 ");
	check_places(model, &value, characters, 5, "characters, behind the mark that texts begin with");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_TAG, &nn_env_malloc);
	value = (NnValue) {.kind = NN_VALUE_WORDS, .words = given, .word_bytes = given_bytes, .n_words = 2};
	check_places(model, &value, words, 2, "given words, as if one space stood between them");
	value = text_value("d\303\266g Bonn");
	check_places(model, &value, words, 2, "a text cut at its white space");
	nn_model_destroy(model);
}

static void
test_refused(void)
{
	static const float given[5] = {0};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnModel    *model = file_case_model(FILE_CASE_BAG, &nn_env_malloc);
	NnValue		value = text_value("cat");
	NnTraced	traced;

	ok(nn_trace(model, &value, scratch, &traced, &err) == NN_EINVAL && traced.n == 0, "a bag: %s", err.message);
	nn_model_destroy(model);
	model = file_case_model(FILE_CASE_CAPTION, &nn_env_malloc);
	value = (NnValue) {.kind = NN_VALUE_NUMBERS, .numbers = given, .n_steps = 5, .n_channels = 1};
	ok(nn_trace(model, &value, scratch, &traced, &err) == NN_EINVAL, "a vector's caption: %s", err.message);
	nn_model_destroy(model);
	model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);
	ok(nn_trace(model, &value, scratch, &traced, &err) == NN_EINVAL, "numbers for a text: %s", err.message);
	value = text_value("\377");
	ok(nn_trace(model, &value, scratch, &traced, &err) == NN_EENCODING, "bytes that are no text: %s", err.message);
	nn_model_destroy(model);
	nn_arena_destroy(scratch);
}

/* ---- gradients by distance ----------------------------------------------------------------- */

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
pooled_loss(const Case *c, int T, double h[][MAX_WIDTH], int label)
{
	int			H = c->spec.hidden;
	int			D = H * (c->spec.is_bidirectional ? 2 : 1);
	const float *a = (c->spec.pool & NN_POOL_ATTENTION) ? tensor_of(c, "attention.weight") : NULL;
	double		pooled[4 * MAX_WIDTH] = {0};
	double		weight[MAX_STEPS];
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
		z[k] = row_times(tensor_of(c, "head.weight"), tensor_of(c, "head.bias"), k, n, pooled);
		sum += exp(z[k]);
	}
	return log(sum) - z[label];
}

/* The CRF's negative log likelihood: over all paths, by the forward recursion in plain exponentials. */
static double
tag_loss(const Case *c, int T, double h[][MAX_WIDTH], const int32_t *tag)
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
			double		e = row_times(tensor_of(c, "head.weight"), tensor_of(c, "head.bias"), k, D, h[t]);

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
	double		y[MAX_WIDTH];
	double		sum = 0.0;
	double		end = 0.0;

	for (int j = 0; j < E; j++)
		y[j] = E == H ? h[j] : row_times(tensor_of(c, "readout.weight"), tensor_of(c, "readout.bias"), j, H, h);
	for (int v = 0; v < c->spec.vocabulary; v++)
	{
		double		z = row_times(table, bias, v, E, y);

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
	Twin		twin[2][2];
} Sequence;

static void
sequence_begin(Sequence *s, const Case *c, int b)
{
	static double x[MAX_STEPS][MAX_WIDTH];
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
	twin_run(c->net, s->T, x, s->twin);
}

/* The loss if the state k steps before the last is moved by step in direction j, and acts through the last alone. */
static double
moved_loss(const Sequence *s, int k, int j, double step)
{
	static double h[MAX_STEPS][MAX_WIDTH];
	const Case *c = s->c;
	int			top = c->spec.n_layers - 1;
	int			H = c->spec.hidden;
	const Twin *twin = &s->twin[top][0];
	double		state[MAX_WIDTH];
	double		cell[MAX_WIDTH];
	double		gates[MAX_WIDTH];

	memcpy(state, twin->h[s->last - k], sizeof(state));
	memcpy(cell, twin->c[s->last - k], sizeof(cell));
	state[j] += step;
	for (int t = s->last - k + 1; t <= s->last; t++)
		twin_step(c->net, top, false, twin_inputs(&c->spec, top), twin->x[t], state, cell, gates);

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

/* ---- memory and cancel ------------------------------------------------------------------------ */

static void
test_failures(FileCase which)
{
	TestHost	host;
	NnModel    *model = file_case_model(which, &nn_env_malloc);
	NnValue		value = text_value("cat thing d\303\266g");
	NnTraced	traced;
	int			n_bad = 0;
	NnStatus	status = NN_ENOMEM;

	test_host_init(&host);
	for (long i = 1; status != NN_OK; i++)
	{
		NnArena    *scratch;

		host.n_allocs = 0;
		host.fail_at = 0;
		scratch = nn_arena_create(&host.env);
		host.fail_at = i + 1;
		status = nn_trace(model, &value, scratch, &traced, &err);
		n_bad += status != NN_OK && status != NN_ENOMEM;
		nn_arena_destroy(scratch);
	}
	host.fail_at = 0;
	status = NN_ECANCELED;
	for (long i = 1; status != NN_OK; i++)
	{
		NnArena    *scratch = nn_arena_create(&host.env);

		host.n_polls = 0;
		host.cancel_at = i;
		status = nn_trace(model, &value, scratch, &traced, &err);
		n_bad += status != NN_OK && status != NN_ECANCELED;
		nn_arena_destroy(scratch);
	}
	ok(n_bad == 0 && host.n_live == 0, "%s: failed allocations and stops are survived", file_case_names[which]);
	nn_model_destroy(model);
}

int
main(void)
{
	test_text_gates();
	test_task_gates();
	test_number_gates();
	test_places();
	test_refused();
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
	test_failures(FILE_CASE_TEXT);
	test_failures(FILE_CASE_LANGUAGE);
	return done_testing();
}
