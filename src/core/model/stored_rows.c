/*
 * model/stored_rows.c: rows as bytes, and back.
 */
#include "model/stored_rows.h"

#include <string.h>

/* ---- writing ------------------------------------------------------------------- */

static NnStatus
write_u32(NnArray *out, size_t value)
{
	uint8_t		bytes[4];

	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t) (value >> (8 * i));
	return nn_write_bytes(out, bytes, sizeof(bytes));
}

static NnStatus
write_counted(NnArray *out, const char *bytes, size_t n_bytes)
{
	NN_TRY(write_u32(out, n_bytes));
	return nn_write_bytes(out, bytes, n_bytes);
}

static NnStatus
write_floats(NnArray *out, const float *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
	{
		uint32_t	bits;

		memcpy(&bits, &numbers[i], sizeof(bits));
		NN_TRY(write_u32(out, bits));
	}
	return NN_OK;
}

static NnStatus
write_value(NnArray *out, const NnValue *value)
{
	NN_TRY(write_u32(out, (size_t) value->kind));
	switch (value->kind)
	{
		case NN_VALUE_TEXT:
			return write_counted(out, value->text, value->n_bytes);
		case NN_VALUE_WORDS:
			NN_TRY(write_u32(out, (size_t) value->n_words));
			for (int i = 0; i < value->n_words; i++)
				NN_TRY(write_counted(out, value->words[i], value->word_bytes[i]));
			return NN_OK;
		case NN_VALUE_NUMBERS:
			NN_TRY(write_u32(out, (size_t) value->n_steps));
			NN_TRY(write_u32(out, (size_t) value->n_channels));
			return write_floats(out, value->numbers, (size_t) value->n_steps * (size_t) value->n_channels);
	}
	return NN_EINTERNAL;
}

static NnStatus
write_target(NnArray *out, const NnTarget *target, NnStoredKind kind)
{
	uint64_t	bits;

	NN_TRY(write_u32(out, (size_t) kind));
	switch (kind)
	{
		case NN_STORED_NOTHING:
			return NN_OK;
		case NN_STORED_LABEL:
			return write_counted(out, target->label, target->n_bytes);
		case NN_STORED_NUMBER:
			memcpy(&bits, &target->number, sizeof(bits));
			return nn_write_u64(out, bits);
		case NN_STORED_VALUE:
			return write_value(out, target->value);
	}
	return NN_EINTERNAL;
}

static NnStatus
write_record(NnArray *out, const NnValue *input, const NnTarget *target, NnStoredKind kind, int64_t position)
{
	size_t		at = out->n;
	size_t		n_bytes;

	NN_TRY(write_u32(out, 0));
	NN_TRY(nn_write_u64(out, (uint64_t) position));
	NN_TRY(write_value(out, input));
	NN_TRY(write_target(out, target, kind));
	n_bytes = out->n - at - 4;
	if (n_bytes > UINT32_MAX)
		return NN_ELIMIT;
	for (int i = 0; i < 4; i++)
		((uint8_t *) out->data)[at + (size_t) i] = (uint8_t) (n_bytes >> (8 * i));
	return NN_OK;
}

NnStatus
nn_stored_row_write(NnArray *out, const NnValue *input, const NnTarget *target, NnStoredKind kind,
					int64_t position, NnError *err)
{
	NnStatus	status = write_record(out, input, target, kind, position);

	if (status != NN_OK)
		return nn_fail(err, status, "a row could not be stored: %s", nn_status_text(status));
	return NN_OK;
}

/* ---- reading --------------------------------------------------------------------- */

static const char *
read_counted(NnReader *reader, size_t *n_bytes)
{
	*n_bytes = nn_read_u32(reader);
	return (const char *) nn_read_bytes(reader, *n_bytes);
}

/* Have the n items that are claimed at least min_bytes each? */
static bool
can_hold(NnReader *reader, uint64_t n, size_t min_bytes)
{
	if (n > (uint64_t) (reader->end - reader->at) / min_bytes)
		reader->failed = true;
	return !reader->failed;
}

static NnStatus
read_words(NnReader *reader, NnArena *arena, NnValue *value)
{
	uint32_t	n = nn_read_u32(reader);
	const char **words;
	size_t	   *word_bytes;

	if (!can_hold(reader, n, 4))
		return NN_OK;
	words = NN_TAKE(arena, const char *, (size_t) n);
	word_bytes = NN_TAKE(arena, size_t, (size_t) n);
	if (words == NULL || word_bytes == NULL)
		return NN_ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		words[i] = read_counted(reader, &word_bytes[i]);
	value->words = words;
	value->word_bytes = word_bytes;
	value->n_words = (int) n;
	return NN_OK;
}

static NnStatus
read_numbers(NnReader *reader, NnArena *arena, NnValue *value)
{
	uint32_t	n_steps = nn_read_u32(reader);
	uint32_t	n_channels = nn_read_u32(reader);
	uint64_t	n = (uint64_t) n_steps * n_channels;
	float	   *numbers;

	if (n_steps > INT32_MAX || n_channels > INT32_MAX)
		reader->failed = true;
	if (!can_hold(reader, n, sizeof(float)))
		return NN_OK;
	numbers = NN_TAKE(arena, float, (size_t) n);
	if (numbers == NULL)
		return NN_ENOMEM;
	for (uint64_t i = 0; i < n; i++)
	{
		uint32_t	bits = nn_read_u32(reader);

		memcpy(&numbers[i], &bits, sizeof(bits));
	}
	value->numbers = numbers;
	value->n_steps = (int) n_steps;
	value->n_channels = (int) n_channels;
	return NN_OK;
}

static NnStatus
read_value(NnReader *reader, NnArena *arena, NnValue *value)
{
	uint32_t	kind = nn_read_u32(reader);

	memset(value, 0, sizeof(*value));
	if (kind > NN_VALUE_NUMBERS)
	{
		reader->failed = true;
		return NN_OK;
	}
	value->kind = (NnValueKind) kind;
	if (value->kind == NN_VALUE_WORDS)
		return read_words(reader, arena, value);
	if (value->kind == NN_VALUE_NUMBERS)
		return read_numbers(reader, arena, value);
	value->text = read_counted(reader, &value->n_bytes);
	return NN_OK;
}

static NnStatus
read_target(NnReader *reader, NnArena *arena, NnStoredRow *row)
{
	uint64_t	bits;

	memset(&row->target, 0, sizeof(row->target));
	switch (nn_read_u32(reader))
	{
		case NN_STORED_NOTHING:
			return NN_OK;
		case NN_STORED_LABEL:
			row->target.label = read_counted(reader, &row->target.n_bytes);
			return NN_OK;
		case NN_STORED_NUMBER:
			bits = nn_read_u64(reader);
			memcpy(&row->target.number, &bits, sizeof(bits));
			return NN_OK;
		case NN_STORED_VALUE:
			row->target.value = &row->value;
			return read_value(reader, arena, &row->value);
	}
	reader->failed = true;
	return NN_OK;
}

NnStatus
nn_stored_row_read(NnReader *reader, NnArena *arena, NnStoredRow *row, NnError *err)
{
	size_t		n_bytes = nn_read_u32(reader);
	NnReader	record = nn_reader(nn_read_bytes(reader, n_bytes), n_bytes);
	NnStatus	status;

	row->position = (int64_t) nn_read_u64(&record);
	status = read_value(&record, arena, &row->input);
	if (status == NN_OK && !record.failed)
		status = read_target(&record, arena, row);
	if (status != NN_OK)
		return nn_fail(err, status, "out of memory while reading stored rows");
	if (reader->failed || record.failed || record.at != record.end)
		return nn_fail(err, NN_EFORMAT, "a stored row is damaged");
	return NN_OK;
}
