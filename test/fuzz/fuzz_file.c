/*
 * fuzz_file.c: nn_file_read() on any bytes.
 *
 * Attacks the length, the JSON and the JSON inside its strings, offsets, shapes,
 * spec, labels, vocabulary, keys and numbers.  What is read must fit the limit of
 * memory, answer, and write a file that reads back and writes the same bytes.
 *
 * The first byte chooses: 0, the rest is a file; else the rest is a header, a 0
 * byte and the tensors, and the length in front is made right, so that a header may
 * grow and shrink.  Seeds: test_file --seeds test/fuzz/corpus/file.
 */
#include "fuzz_main.h"

#include <string.h>
#include "base/bytes.h"
#include "model/answer_tags.h"
#include "model/forecast.h"
#include "model/file.h"
#include "model/trace.h"
#include "model/write.h"

#define LIMIT_BYTES		((size_t) 64 * 1024 * 1024)
#define ANSWER_BYTES	((size_t) 4 * 1024 * 1024)	/* larger models are read, but not asked */

/* The file that the input stands for, in a block of exactly its size. */
static uint8_t *
make_file(const uint8_t *data, size_t size, size_t *n_bytes)
{
	const uint8_t *end;
	size_t		n_header;
	uint8_t    *file;

	if (data[0] == 0)
	{
		*n_bytes = size - 1;
		file = malloc(size);
		FUZZ_REQUIRE(file != NULL);
		memcpy(file, data + 1, size - 1);
		return file;
	}
	end = memchr(data + 1, 0, size - 1);
	n_header = end != NULL ? (size_t) (end - data) - 1 : size - 1;
	*n_bytes = 8 + (end != NULL ? size - 2 : size - 1);
	file = malloc(*n_bytes);
	FUZZ_REQUIRE(file != NULL);
	for (int i = 0; i < 8; i++)
		file[i] = (uint8_t) ((uint64_t) n_header >> (8 * i));
	memcpy(file + 8, data + 1, n_header);
	if (end != NULL)
		memcpy(file + 8 + n_header, end + 1, *n_bytes - 8 - n_header);
	return file;
}

/* Three inputs of the kind that the model reads; false if its steps are too large. */
static bool
make_inputs(const NnModel *model, NnValue *inputs)
{
	static const char *const texts[] = {"", "the Thing, a dog's d\303\266g \346\274\242\345\255\227 \360\237\230\200 http://x.y", "thingcatthing"};
	static const float numbers[64] = {1, -2, 3.5f, 1e30f, -1e-30f};

	memset(inputs, 0, 3 * sizeof(*inputs));
	for (int i = 0; i < 3; i++)
	{
		if (model->spec.input == NN_INPUT_TEXT)
		{
			inputs[i].kind = NN_VALUE_TEXT;
			inputs[i].text = texts[i];
			inputs[i].n_bytes = strlen(texts[i]);
			continue;
		}
		inputs[i].kind = NN_VALUE_NUMBERS;
		inputs[i].numbers = numbers;
		inputs[i].n_channels = model->n_channels;
		inputs[i].n_steps = model->flat_steps > 0 ? model->flat_steps : model->window > 0 ? model->window : i;
		if ((size_t) inputs[i].n_steps * (size_t) model->n_channels > 64)
			return false;
	}
	return true;
}

static void
ask(const NnModel *model, NnArena *scratch)
{
	const NnSpec *spec = &model->spec;
	NnValue		inputs[3];
	NnReading	readings[3];
	NnTaggedText tagged[3];
	NnEntities	entities[3];
	NnWriteOptions write = {.beam = 2, .max_tokens = 4, .length_penalty = 0.6, .temperature = 1.0};
	NnWritten	written[3];
	NnLikelihood likelihood[3];
	NnTraced	traced;
	NnError		err;
	NnStatus	status = NN_OK;

	if (!make_inputs(model, inputs))
		return;
	if (spec->task == NN_TASK_CLASSIFY || spec->task == NN_TASK_REGRESS)
	{
		float	   *out = NN_ALLOC(scratch, float, 3 * (size_t) spec->n_outputs);
		float	   *hidden = NN_ALLOC(scratch, float, 3 * (size_t) nn_answer_hidden(model));

		FUZZ_REQUIRE(out != NULL && hidden != NULL);
		status = nn_answer(model, inputs, 3, scratch, out, readings, hidden, &err);
	}
	else if (spec->task == NN_TASK_TAG)
		status = nn_answer_tags(model, inputs, 3, scratch, tagged, entities, readings, &err);
	else if (spec->task == NN_TASK_LANGUAGE)
	{
		status = nn_likelihood(model, inputs, 3, scratch, likelihood, readings, &err);
		if (status == NN_OK)
			status = nn_generate(model, &inputs[2], &write, scratch, written, &err);
	}
	else if (spec->task == NN_TASK_FORECAST)
	{
		float	   *out = NN_ALLOC(scratch, float, (size_t) (spec->n_outputs / spec->horizon) * (size_t) (spec->horizon + 1));

		FUZZ_REQUIRE(out != NULL);
		status = nn_forecast(model, &inputs[1], spec->horizon + 1, scratch, out, &err);
	}
	else
		status = nn_write(model, inputs, 3, &write, true, scratch, written, readings, &err);
	FUZZ_REQUIRE(status == NN_OK || status == NN_EINVAL || status == NN_ERANGE ||
				 status == NN_EFORMAT || status == NN_ELIMIT || status == NN_EDATA);
	status = nn_trace(model, &inputs[1], scratch, &traced, &err);
	FUZZ_REQUIRE(status == NN_OK || status == NN_EINVAL || status == NN_ERANGE || status == NN_ELIMIT ||
				 status == NN_EDATA);
}

/* Write, read, write: the same bytes. */
static void
round_trip(const NnModel *model)
{
	NnArray		first;
	NnArray		second;
	NnModel    *back;
	NnError		err;

	nn_array_init(&first, &nn_env_malloc, 1);
	nn_array_init(&second, &nn_env_malloc, 1);
	FUZZ_REQUIRE(nn_file_write(model, NN_FLOAT_F32, &first, &err) == NN_OK);
	FUZZ_REQUIRE(nn_file_read(&back, first.data, first.n, 0, &nn_env_malloc, &err) == NN_OK);
	FUZZ_REQUIRE(nn_file_write(back, NN_FLOAT_F32, &second, &err) == NN_OK);
	FUZZ_REQUIRE(first.n == second.n && memcmp(first.data, second.data, first.n) == 0);
	nn_model_destroy(back);
	nn_array_free(&first);
	nn_array_free(&second);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t		n_bytes;
	uint8_t    *file;
	NnModel    *model;
	NnSpec		spec;
	NnError		err;
	NnStatus	peeked;
	NnStatus	status;

	if (size == 0)
		return 0;
	file = make_file(data, size, &n_bytes);
	peeked = nn_file_peek(file, n_bytes, &spec, &nn_env_malloc, &err);
	status = nn_file_read(&model, file, n_bytes, LIMIT_BYTES, &nn_env_malloc, &err);
	FUZZ_REQUIRE(status == NN_OK || status == NN_EFORMAT || status == NN_ELIMIT);
	FUZZ_REQUIRE((model != NULL) == (status == NN_OK) && (peeked == NN_OK || status != NN_OK));
	if (model != NULL)
	{
		FUZZ_REQUIRE(nn_model_bytes(model) <= LIMIT_BYTES && memcmp(&spec, &model->spec, sizeof(spec)) == 0);
		if (nn_model_bytes(model) <= ANSWER_BYTES)
		{
			NnArena    *scratch = nn_arena_create(&nn_env_malloc);

			ask(model, scratch);
			nn_arena_destroy(scratch);
		}
		round_trip(model);
		nn_model_destroy(model);
	}
	free(file);
	return 0;
}
