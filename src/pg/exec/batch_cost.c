/*
 * exec/batch_cost.c: what an answer costs, for the planner.
 *
 * Multiplications and additions of the network, by the number of tokens, in units
 * of cpu_operator_cost; beside them what reading the text takes.  The network is
 * that of the model if it is loaded, else what its version's row says of it; where
 * neither is to be had, the network that a short text is given by default.
 */
#include "glue/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "exec/batch_private.h"
#include "exec/sentiment.h"
#include "store/cache.h"
#include "store/shipped.h"

/*
 * Floating point operations in the time of one simple operator: about 130 GFLOP/s, as
 * bench/answer measured, over about 10 ns an operator, which is a guess.
 */
#define FLOPS_PER_OPERATOR	1300.0

/* Operators for a call, and for each token that is cut from a text and looked up: guesses from the same runs. */
#define OPERATORS_PER_CALL	200.0
#define OPERATORS_PER_TOKEN	30.0

#define BYTES_PER_TOKEN		5.0

/* What is written: hypotheses at once, and tokens for each of the input. */
#define BEAM				4.0
#define CONTINUED_TOKENS	20.0

/* ---- the network ---------------------------------------------------------------- */

static void
usual_spec(NnSpec *spec)
{
	memset(spec, 0, sizeof(*spec));
	spec->task = NN_TASK_CLASSIFY;
	spec->input = NN_INPUT_TEXT;
	spec->n_outputs = 2;
	spec->cell = NN_CELL_LSTM;
	spec->n_layers = 1;
	spec->hidden = 128;
	spec->is_bidirectional = true;
	spec->vocabulary = 20000;
	spec->embedding = 100;
}

static JsonbValue *
fact(const Jsonb *facts, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer((JsonbContainer *) &facts->root, name, strlen(name), value);
}

/* A number of the facts within bounds; 0 if there is none. */
static int
number_fact(const Jsonb *facts, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = fact(facts, name, &buffer);
	double		number = 0.0;

	if (value != NULL && value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	return number >= 0.0 && number <= 1e7 ? (int) number : 0;
}

static char *
text_fact(const Jsonb *facts, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = fact(facts, name, &buffer);

	return value != NULL && value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : "";
}

/* The row may hold anything: what it does not say well costs nothing. */
static void
spec_of_facts(const Jsonb *facts, NnSpec *spec)
{
	JsonbValue	buffer;
	JsonbValue *value = fact(facts, "bidirectional", &buffer);
	int			input = nn_input_from_name(text_fact(facts, "input"));
	int			cell = nn_cell_from_name(text_fact(facts, "cell"));

	memset(spec, 0, sizeof(*spec));
	spec->input = input < 0 ? NN_INPUT_TEXT : (NnInputKind) input;
	spec->cell = cell < 0 ? NN_CELL_NONE : (NnCell) cell;
	spec->n_layers = Min(number_fact(facts, "layers"), NN_MAX_LAYERS);
	spec->hidden = number_fact(facts, "hidden");
	spec->is_bidirectional = value != NULL && value->type == jbvBool && value->val.boolean;
	spec->vocabulary = number_fact(facts, "vocabulary");
	spec->embedding = number_fact(facts, "embedding");
	spec->decoder_layers = number_fact(facts, "decoder_layers");
	spec->n_outputs = number_fact(facts, "outputs");
	spec->horizon = number_fact(facts, "horizon");
	spec->task = spec->decoder_layers > 0 ? NN_TASK_TRANSLATE :
		spec->n_outputs > 0 ? NN_TASK_CLASSIFY : NN_TASK_LANGUAGE;
}

static const LstmRef *
sentiment_or_null(void)
{
	const LstmRef *ref = lstm_live_version_if_any(LSTM_SENTIMENT_MODEL);

	return ref != NULL ? ref : lstm_live_version_or_null(LSTM_SHIPPED_MODEL, strlen(LSTM_SHIPPED_MODEL));
}

static void
find_spec(const LstmBatchFunction *function, const char *name, NnSpec *spec)
{
	const LstmRef *ref = NULL;
	const NnModel *model;
	Jsonb	   *facts;

	if (function != NULL && function->n_args == 1)
		ref = sentiment_or_null();
	else if (name != NULL)
		ref = function != NULL && function->is_pinned ? lstm_pinned_version_or_null(name, strlen(name)) :
			lstm_live_version_or_null(name, strlen(name));
	usual_spec(spec);
	if (ref == NULL)
		return;
	model = lstm_cache_peek(ref);
	if (model != NULL)
		*spec = model->spec;
	else if ((facts = lstm_version_facts(ref)) != NULL)
		spec_of_facts(facts, spec);
}

/* ---- what it does ------------------------------------------------------------------ */

static double
tokens_of(const NnSpec *spec, double n_bytes)
{
	double		numbers = n_bytes / sizeof(float);

	switch (spec->input)
	{
		case NN_INPUT_TEXT:
			return Max(n_bytes / BYTES_PER_TOKEN, 1.0);
		case NN_INPUT_SERIES:
			return Max(numbers / Max(spec->embedding, 1), 1.0);
		default:
			return 1.0;
	}
}

/* Of a step of a stack of layers that reads rows of n_in numbers. */
static double
step_flops(const NnSpec *spec, int n_layers, double n_in, double H, bool is_bidirectional)
{
	double		directions = is_bidirectional ? 2.0 : 1.0;
	double		flops = 0.0;

	if (spec->cell == NN_CELL_NONE)
		return 0.0;
	for (int k = 0; k < n_layers; k++)
	{
		flops += directions * 2.0 * nn_cell_gates(spec->cell) * H * (n_in + H);
		n_in = directions * H;
	}
	return flops;
}

/* Of one token of text that is said to follow. */
static double
word_flops(const NnSpec *spec)
{
	return 2.0 * (double) spec->vocabulary * spec->embedding;
}

static double
answer_flops(const NnSpec *spec, double n_tokens)
{
	double		read = n_tokens * step_flops(spec, spec->n_layers, spec->embedding, spec->hidden,
											 spec->is_bidirectional);
	double		width = spec->hidden * (spec->is_bidirectional ? 2.0 : 1.0);

	if (spec->decoder_layers > 0)
		return read + BEAM * n_tokens *
			(step_flops(spec, spec->decoder_layers, spec->embedding, width, false) + word_flops(spec));
	if (spec->task == NN_TASK_LANGUAGE)
		return read + (n_tokens + CONTINUED_TOKENS) * word_flops(spec);
	return read + n_tokens * 2.0 * spec->wide_hidden + 2.0 * width * spec->n_outputs;
}

double
lstm_batch_cost(const LstmBatchFunction *function, const char *model, double n_bytes)
{
	NnSpec		spec;
	double		n_tokens;

	find_spec(function, model, &spec);
	n_tokens = tokens_of(&spec, n_bytes);
	return OPERATORS_PER_CALL + n_tokens * OPERATORS_PER_TOKEN + answer_flops(&spec, n_tokens) / FLOPS_PER_OPERATOR;
}

double
lstm_batch_tokens(const char *model, double n_bytes)
{
	NnSpec		spec;

	find_spec(NULL, model, &spec);
	return tokens_of(&spec, n_bytes);
}

double
lstm_batch_outputs(const char *model)
{
	NnSpec		spec;

	find_spec(NULL, model, &spec);
	return Max(spec.n_outputs, 1);
}
