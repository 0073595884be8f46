/*
 * test_explain_golden.c: explanations (model/explain.h) against PyTorch's.
 *
 * test/golden/make_explain_golden.py computes integrated gradients by Captum's
 * definition, at 4000 points of the way, in double.  Here they are asked for as a
 * user does: a text goes in, its tokens come out with their weights.
 */
#include "file_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "golden_file.h"
#include "model/encode.h"
#include "model/explain.h"
#include "net_case.h"
#include "tap.h"

/* Of the largest weight; what is asked for, and what the default may be off by. */
#define TOLERANCE		2e-3
#define DEFAULT_OFF		0.05

#define TARGET_SCALE	2.5
#define TARGET_MEAN		-4.0

static NnError err;

static void
must(NnStatus status)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err.message);
	exit(1);
}

/* A model with the case's net. */
static NnModel *
model_of(const GoldenCase *golden)
{
	NnSpec		spec = golden_spec(golden);
	NnModel    *model = file_case_model(spec.input == NN_INPUT_TEXT ? FILE_CASE_TEXT : FILE_CASE_SERIES, &nn_env_malloc);

	model->spec = spec;
	model->max_tokens = 100;
	nn_feature_index_destroy(model->features);
	model->features = NULL;
	if (spec.task == NN_TASK_REGRESS)
		model->labels = NULL;
	model->target_scale = spec.task == NN_TASK_REGRESS ? TARGET_SCALE : 1.0;
	model->target_mean = spec.task == NN_TASK_REGRESS ? TARGET_MEAN : 0.0;
	if (spec.input != NN_INPUT_TEXT)
	{
		model->n_channels = spec.embedding;
		model->input_mean = NN_ALLOC(model->arena, float, (size_t) spec.embedding);
		model->input_scale = NN_ALLOC(model->arena, float, (size_t) spec.embedding);
		for (int c = 0; c < spec.embedding; c++)
			model->input_scale[c] = 1.0f;
		model->flat_steps = spec.wide == NN_WIDE_FLAT ? spec.wide_inputs / spec.embedding : 0;
	}
	must(nn_net_create(&model->net, model->arena, &model->spec, false, &err));
	golden_fill(golden, model->net);
	return model;
}

static NnValue
value_of(const GoldenCase *golden, const NnSpec *spec)
{
	const GoldenRecord *text = golden_find(golden, "text");
	const GoldenRecord *numbers = golden_find(golden, "numbers");
	NnValue		value = {.kind = NN_VALUE_TEXT};

	if (text != NULL)
	{
		value.text = text->text;
		value.n_bytes = (size_t) text->n;
		return value;
	}
	value.kind = NN_VALUE_NUMBERS;
	value.numbers = numbers->floats;
	value.n_channels = spec->embedding;
	value.n_steps = numbers->n / spec->embedding;
	return value;
}

/* The tokens of the text are those that the script took. */
static void
check_tokens(const GoldenCase *golden, const NnModel *model, const NnValue *value)
{
	const GoldenRecord *token = golden_find(golden, "token");
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExamples	examples;

	must(nn_encode(model, value, 1, scratch, &examples, NULL, &err));
	ok(examples.token_start[1] == token->n &&
	   memcmp(examples.token, token->ints, (size_t) token->n * sizeof(int32_t)) == 0, "%s: the tokens", golden->name);
	nn_arena_destroy(scratch);
}

static void
check_case(const GoldenCase *golden)
{
	NnModel    *model = model_of(golden);
	bool		is_number = model->spec.task == NN_TASK_REGRESS;
	double		scale = is_number ? TARGET_SCALE : 1.0;
	NnValue		value = value_of(golden, &model->spec);
	int32_t		label = golden_find(golden, "label")->ints[0];
	const GoldenRecord *weight = golden_find(golden, "weight");
	const float *score = golden_floats(golden, 2, "score");
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	double		largest = 0.0;

	if (value.kind == NN_VALUE_TEXT)
		check_tokens(golden, model, &value);
	for (int j = 0; j < weight->n; j++)
		largest = fmax(largest, scale * fabs((double) weight->floats[j]));
	for (int is_default = 0; is_default < 2; is_default++)
	{
		NnExplainOptions options = {.unit = NN_EXPLAIN_TOKENS, .tolerance = is_default ? 0.0 : 1e-4};
		NnExplanation explanation;
		double		worst = 0.0;

		must(nn_explain(model, &value, &label, 1, &options, scratch, &explanation, &err));
		for (int j = 0; j < weight->n && j < explanation.n_parts; j++)
			worst = net_case_worse(worst, fabs(explanation.part[j].weight - scale * (double) weight->floats[j]));
		ok(explanation.n_parts == weight->n && worst <= (is_default ? DEFAULT_OFF : TOLERANCE) * largest,
		   "%s%s: weights as PyTorch's (%.1e of the largest, %d points)", golden->name, is_default ? ", by default" : "",
		   worst / largest, explanation.n_points);
		is_near(explanation.score, scale * (double) score[0] + model->target_mean, 1e-4, "... the score");
		is_near(explanation.baseline, scale * (double) score[1] + model->target_mean, 1e-4, "... and that of nothing");
		ok(fabs(explanation.gap) <= 0.005 * fabs(explanation.score - explanation.baseline), "... the gap (%.1e)", explanation.gap);
	}
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

int
main(void)
{
	int			n_cases;
	GoldenCase *golden = golden_read("explain", &n_cases);

	ok(n_cases == 9, "all cases are there");
	for (int i = 0; i < n_cases; i++)
		check_case(&golden[i]);
	net_case_free_all();
	return done_testing();
}
