/*
 * model/language.c: what a language model writes, and how likely it finds a text.
 */
#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "model/encode.h"
#include "model/written.h"
#include "nn/beam.h"

#define BATCH_SEQUENCES	64
#define BATCH_TOKENS	8192
#define BATCH_BYTES		((size_t) 1024 * 1024 * 1024)

/* ---- writing --------------------------------------------------------------------------- */

typedef struct Generation
{
	const NnModel *model;
	const NnWriteOptions *options;
	NnArena    *scratch;
	NnArena    *step;
	NnState		state;
	float	   *log_p;			/* (V) of what follows */
	NnArray		bytes;			/* written so far, as the tokens have them */
} Generation;

/* Read one token. */
static NnStatus
read_token(Generation *generation, int32_t token, NnError *err)
{
	const NnModel *model = generation->model;

	if (model->env->poll(model->env->ctx) != 0)
		return nn_fail(err, NN_ECANCELED, "canceled");
	nn_arena_reset(generation->step);
	return nn_language_step(model->net, 1, &token, &generation->state, generation->step, generation->log_p, err);
}

static NnStatus
read_prompt(Generation *generation, const NnValue *prompt, bool *is_empty, NnError *err)
{
	NnExamples	examples;

	NN_TRY(read_token(generation, NN_TOKEN_END, err));
	*is_empty = true;
	if (prompt == NULL)
		return NN_OK;
	NN_TRY(nn_encode_exact(generation->model, prompt, 1, generation->scratch, &examples, NULL, NULL, err));
	*is_empty = examples.token_start[1] == 0;
	for (int64_t i = 0; i < examples.token_start[1]; i++)
		NN_TRY(read_token(generation, examples.token[i], err));
	return NN_OK;
}

/* Where the stop text begins in what was written, or -1. */
static int64_t
find_stop(const Generation *generation)
{
	const char *stop = generation->options->stop;
	size_t		n_stop = stop != NULL ? strlen(stop) : 0;

	for (size_t at = 0; n_stop > 0 && at + n_stop <= generation->bytes.n; at++)
		if (memcmp((const char *) generation->bytes.data + at, stop, n_stop) == 0)
			return (int64_t) at;
	return -1;
}

static NnStatus
write_tokens(Generation *generation, int32_t *token, NnWritten *out, NnError *err)
{
	const NnModel *model = generation->model;
	const NnWriteOptions *options = generation->options;
	NnRng		rng;

	nn_rng_seed(&rng, nn_mix64(options->seed));
	out->is_cut = true;
	while (out->n_tokens < options->max_tokens)
	{
		int32_t		next = nn_sample_token(generation->log_p, model->spec.vocabulary, options->temperature,
										   options->top_k, &rng);
		int			n_bytes;
		const char *bytes;

		out->log_probability += (double) generation->log_p[next];
		if (!isfinite(out->log_probability))
			return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
		out->is_cut = next != NN_TOKEN_END;
		if (next == NN_TOKEN_END)
			break;
		token[out->n_tokens++] = next;
		bytes = nn_vocabulary_bytes(model->vocabulary, next, &n_bytes);
		if (nn_write_bytes(&generation->bytes, bytes, (size_t) n_bytes) != NN_OK)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		if (find_stop(generation) >= 0)
			break;
		NN_TRY(read_token(generation, next, err));
	}
	return NN_OK;
}

/* End the text before the stop text. */
static void
cut_at_stop(const char *stop, NnWritten *out)
{
	char	   *at = stop != NULL && stop[0] != '\0' ? strstr(out->text, stop) : NULL;

	if (at == NULL)
		return;
	*at = '\0';
	out->n_bytes = (size_t) (at - out->text);
	out->is_cut = false;
}

static NnStatus
generate(Generation *generation, const NnValue *prompt, NnWritten *out, NnError *err)
{
	const NnSpec *spec = &generation->model->spec;
	size_t		n_state = (size_t) spec->n_layers * (size_t) spec->hidden;
	int32_t    *token = NN_TAKE(generation->scratch, int32_t, (size_t) generation->options->max_tokens + 1);
	bool		is_empty;

	generation->state.h = NN_ALLOC(generation->scratch, float, n_state);
	generation->state.c = NN_ALLOC(generation->scratch, float, n_state);
	generation->log_p = NN_TAKE(generation->scratch, float, (size_t) spec->vocabulary);
	if (token == NULL || generation->state.h == NULL || generation->state.c == NULL || generation->log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(read_prompt(generation, prompt, &is_empty, err));
	NN_TRY(write_tokens(generation, token, out, err));
	NN_TRY(nn_written_text(generation->model, token, out->n_tokens, !is_empty, generation->scratch, out, err));
	cut_at_stop(generation->options->stop, out);
	return NN_OK;
}

NnStatus
nn_generate(const NnModel *model, const NnValue *prompt, const NnWriteOptions *options,
			NnArena *scratch, NnWritten *out, NnError *err)
{
	Generation	generation = {.model = model, .options = options, .scratch = scratch};
	NnStatus	status;

	memset(out, 0, sizeof(*out));
	if (options->max_tokens < 0 || options->max_tokens > 1000000 || options->top_k < 0 ||
		!(options->temperature >= 0.0 && options->temperature <= 1000.0))
	{
		nn_fail(err, NN_ERANGE, "max_tokens, temperature or top_k is out of range");
		return nn_fail_detail(err, "max_tokens must be between 0 and 1000000, temperature between 0 and 1000, top_k not negative.");
	}
	generation.step = nn_arena_create(model->env);
	if (generation.step == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_array_init(&generation.bytes, model->env, 1);
	status = generate(&generation, prompt, out, err);
	nn_array_free(&generation.bytes);
	nn_arena_destroy(generation.step);
	return status;
}

/* ---- likelihood ---------------------------------------------------------------------------- */

static bool
is_white(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Words and characters of an input, the end counted as one of each. */
static void
count_units(const NnValue *input, NnLikelihood *out)
{
	out->n_words = 1;
	out->n_characters = 1;
	if (input->kind == NN_VALUE_TEXT)
	{
		out->n_characters += nn_utf8_length(input->text, input->n_bytes);
		for (size_t i = 0; i < input->n_bytes; i++)
			out->n_words += !is_white(input->text[i]) && (i == 0 || is_white(input->text[i - 1]));
		return;
	}
	out->n_words += input->n_words;
	for (int i = 0; i < input->n_words; i++)
		out->n_characters += nn_utf8_length(input->words[i], input->word_bytes[i]);
}

static NnStatus
check_memory(const NnModel *model, int64_t n_tokens, int n, NnError *err)
{
	NnBatchSize size = {.B = n, .N = n_tokens, .U = n_tokens};
	size_t		n_bytes = nn_net_batch_bytes(&model->spec, false, &size);

	if (n_bytes <= BATCH_BYTES)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "reading a text this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens, which take %zu MB; the limit is %zu MB.",
				   (long long) n_tokens, n_bytes >> 20, BATCH_BYTES >> 20);
	return nn_fail_hint(err, "Cut the text into parts.");
}

static NnStatus
likelihood_batch(const NnModel *model, const NnExamples *examples, int32_t *pick, int n, NnArena *scratch,
				 NnLikelihood *out, NnError *err)
{
	int32_t    *order = NN_TAKE(scratch, int32_t, (size_t) n);
	float	   *log_p;
	NnBatch		batch;

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_batch_pack(&batch, &model->spec, examples, pick, n, 0.0f, NULL, scratch, order, err));
	NN_TRY(check_memory(model, batch.n_rows, n, err));
	log_p = NN_TAKE(scratch, float, (size_t) batch.n_rows);
	if (log_p == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_log_likelihood(model->net, &batch, NULL, scratch, log_p, err));
	for (int b = 0; b < n; b++)
	{
		NnLikelihood *likelihood = &out[pick[order[b]]];

		likelihood->sum = 0.0;
		likelihood->n_tokens = 0;
		for (int t = 0; t < batch.length[b]; t++)
		{
			int			row = batch.offset[t] + b;

			if (batch.row_label[row] < 0)
				continue;
			likelihood->sum += (double) log_p[row];
			likelihood->n_tokens++;
		}
		if (!isfinite(likelihood->sum))
			return nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
	}
	return NN_OK;
}

NnStatus
nn_likelihood(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
			  NnLikelihood *out, NnReading *readings, NnError *err)
{
	int32_t    *pick = NN_TAKE(scratch, int32_t, (size_t) n);
	NnExamples	examples;

	if (n > 0 && pick == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_encode_exact(model, inputs, n, scratch, &examples, NULL, readings, err));
	for (int i = 0; i < n; i++)
	{
		pick[i] = i;
		count_units(&inputs[i], &out[i]);
	}
	for (int first = 0, size; first < n; first += size)
	{
		int64_t		n_tokens = 0;

		for (size = 0; first + size < n && size < BATCH_SEQUENCES; size++)
		{
			n_tokens += examples.token_start[first + size + 1] - examples.token_start[first + size];
			if (size > 0 && n_tokens > BATCH_TOKENS)
				break;
		}
		if (model->env->poll(model->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(likelihood_batch(model, &examples, pick + first, size, scratch, out, err));
	}
	return NN_OK;
}

/* ---- embedding -------------------------------------------------------------------------------- */

NnStatus
nn_embed(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, float *out, NnError *err)
{
	size_t		H = (size_t) model->spec.hidden;

	memset(out, 0, (size_t) n * H * sizeof(float));
	for (int i = 0; i < n; i++)
	{
		int32_t		pick = 0;
		int32_t		order;
		NnExamples	examples;
		NnBatch		batch;
		float	   *states;

		NN_TRY(nn_encode(model, &inputs[i], 1, scratch, &examples, NULL, err));
		NN_TRY(nn_batch_pack(&batch, &model->spec, &examples, &pick, 1, 0.0f, NULL, scratch, &order, err));
		NN_TRY(check_memory(model, batch.n_rows, 1, err));
		states = NN_TAKE(scratch, float, (size_t) batch.n_rows * H);
		if (states == NULL && batch.n_rows > 0)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(nn_net_states(model->net, &batch, scratch, states, err));
		for (int r = 0; r < batch.n_rows; r++)
			nn_axpy((int64_t) H, 1.0f / (float) batch.n_rows, states + (size_t) r * H, out + (size_t) i * H);
	}
	return NN_OK;
}
