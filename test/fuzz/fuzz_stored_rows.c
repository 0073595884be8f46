/*
 * fuzz_stored_rows.c: nn_stored_row_read() on any bytes.
 *
 * What is read must lie within the bytes or in the arena, which is looked at by reading
 * all of it, and must come back when it is written and read again.
 */
#include "fuzz_main.h"

#include <string.h>
#include "model/stored_rows.h"

static size_t
touch(const NnValue *value)
{
	size_t		sum = 0;

	for (size_t i = 0; i < value->n_bytes; i++)
		sum += (unsigned char) value->text[i];
	for (int i = 0; i < value->n_words; i++)
	{
		for (size_t k = 0; k < value->word_bytes[i]; k++)
			sum += (unsigned char) value->words[i][k];
	}
	for (size_t i = 0; i < (size_t) value->n_steps * (size_t) value->n_channels; i++)
		sum += value->numbers[i] > 0.0f;
	return sum;
}

static NnStoredKind
kind_of(const NnStoredRow *row)
{
	return row->target.value != NULL ? NN_STORED_VALUE : row->target.label != NULL ? NN_STORED_LABEL :
		row->target.number != 0.0 ? NN_STORED_NUMBER : NN_STORED_NOTHING;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnReader	reader = nn_reader(data, size);
	NnStoredRow row;
	NnStoredRow back;

	FUZZ_REQUIRE(arena != NULL);
	while (reader.at < reader.end && nn_stored_row_read(&reader, arena, &row, NULL) == NN_OK)
	{
		volatile size_t sum = touch(&row.input) + (row.target.value != NULL ? touch(row.target.value) : 0);
		NnArray		out;
		NnReader	again;

		for (size_t i = 0; row.target.label != NULL && i < row.target.n_bytes; i++)
			sum += (unsigned char) row.target.label[i];
		nn_array_init(&out, &nn_env_malloc, 1);
		FUZZ_REQUIRE(nn_stored_row_write(&out, &row.input, &row.target, kind_of(&row), row.position, NULL) == NN_OK);
		again = nn_reader(out.data, out.n);
		FUZZ_REQUIRE(nn_stored_row_read(&again, arena, &back, NULL) == NN_OK && again.at == again.end);
		FUZZ_REQUIRE(back.position == row.position && touch(&back.input) == touch(&row.input));
		nn_array_free(&out);
		nn_arena_reset(arena);
	}
	nn_arena_destroy(arena);
	return 0;
}
