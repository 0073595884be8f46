/*
 * test_trace.c: a look inside (model/trace.h).
 *
 *  - every gate and state of a trace is what the papers' equations give, computed
 *    in double from the tensors alone (naive_steps.h): all cells, both directions,
 *    layers on layers, texts and numbers;
 *  - tokens say where in the text they stand, in characters, also where a token is
 *    a part of a character;
 *  - every failed allocation and every stopped poll is a status.
 */
#include "file_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/encode.h"
#include "model/trace.h"
#include "naive_steps.h"
#include "tap.h"

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
step_error(const NnSpec *spec, const NnTraceStep *step, const NaiveSteps *twin, int t)
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
check_trace(const NnModel *model, const NnValue *value, int T, double x[][NAIVE_WIDTH], const char *what)
{
	static NaiveSteps twin[NN_MAX_LAYERS][2];
	const NnSpec *spec = &model->spec;
	int			n_directions = spec->is_bidirectional ? 2 : 1;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnTraced	traced;
	double		worst = 0.0;

	must(nn_trace(model, value, scratch, &traced, &err));
	naive_steps(model->net, T, x, twin);
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
embed(const NnModel *model, const NnValue *value, double x[][NAIVE_WIDTH])
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
	static double x[NAIVE_STEPS][NAIVE_WIDTH];
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
	static double x[NAIVE_STEPS][NAIVE_WIDTH];
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
	static double x[NAIVE_STEPS][NAIVE_WIDTH];
	static float given[NAIVE_STEPS * 3];
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i < NAIVE_STEPS * 3; i++)
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
	test_failures(FILE_CASE_TEXT);
	test_failures(FILE_CASE_LANGUAGE);
	return done_testing();
}
