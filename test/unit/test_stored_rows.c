/*
 * test_stored_rows.c: rows as bytes and back (model/stored_rows.h).
 *
 *  - every kind of input and target comes back as it was;
 *  - a record that is cut off or changed is refused, or is another record, but harms nobody;
 *  - allocations that fail are told, and nothing is left.
 */
#include "task_case.h"

#include <stdlib.h>
#include "base/bytes.h"
#include "model/stored_rows.h"
#include "tap.h"

static NnError err;

static bool
same_value(const NnValue *a, const NnValue *b)
{
	if (a->kind != b->kind || a->n_bytes != b->n_bytes || a->n_words != b->n_words ||
		a->n_steps != b->n_steps || a->n_channels != b->n_channels)
		return false;
	if (a->n_bytes > 0 && memcmp(a->text, b->text, a->n_bytes) != 0)
		return false;
	for (int i = 0; i < a->n_words; i++)
	{
		if (a->word_bytes[i] != b->word_bytes[i] ||
			(a->word_bytes[i] > 0 && memcmp(a->words[i], b->words[i], a->word_bytes[i]) != 0))
			return false;
	}
	/* bit by bit: NaN is kept too */
	return a->n_steps * a->n_channels == 0 ||
		memcmp(a->numbers, b->numbers, (size_t) a->n_steps * (size_t) a->n_channels * sizeof(float)) == 0;
}

static bool
same_row(const NnStoredRow *row, const NnValue *input, const NnTarget *target, NnStoredKind kind, int64_t position)
{
	if (row->position != position || !same_value(&row->input, input))
		return false;
	switch (kind)
	{
		case NN_STORED_NOTHING:
			return row->target.label == NULL && row->target.value == NULL;
		case NN_STORED_LABEL:
			return row->target.n_bytes == target->n_bytes && memcmp(row->target.label, target->label, target->n_bytes) == 0;
		case NN_STORED_NUMBER:
			return memcmp(&row->target.number, &target->number, sizeof(double)) == 0;
		case NN_STORED_VALUE:
			return row->target.value != NULL && same_value(row->target.value, target->value);
	}
	return false;
}

/* Every input with every target, one behind the other, the combination numbered k. */
#define N_INPUTS	7
#define N_TARGETS	6

static void
combine(int k, NnValue *inputs, NnTarget *target, NnStoredKind *kind, NnValue *input)
{
	static const NnStoredKind kinds[N_TARGETS] = {
		NN_STORED_NOTHING, NN_STORED_LABEL, NN_STORED_LABEL, NN_STORED_NUMBER, NN_STORED_VALUE, NN_STORED_VALUE
	};

	*input = inputs[k % N_INPUTS];
	*kind = kinds[k / N_INPUTS];
	*target = (NnTarget)
	{
		.label = k / N_INPUTS == 1 ? "" : "label", .n_bytes = k / N_INPUTS == 1 ? 0 : 5,
			.number = -1.5e300, .value = &inputs[k / N_INPUTS == 4 ? 1 : 5]
	};
}

static void
make_inputs(NnValue *inputs)
{
	static const float numbers[6] = {1.0f, -2.5f, 3e38f, 1e-45f, -0.0f, 7.0f};

	inputs[0] = task_text("");
	inputs[1] = task_text("a router, and a phone");
	inputs[2] = task_bytes("with\0zero", 9);
	inputs[3] = (NnValue) {.kind = NN_VALUE_WORDS};
	inputs[4] = task_words("one");
	inputs[5] = task_words("the words of a row");
	inputs[6] = task_numbers(numbers, 6);
	inputs[6].n_steps = 3;
	inputs[6].n_channels = 2;
}

static void
write_all(NnValue *inputs, NnArray *out)
{
	nn_array_init(out, &nn_env_malloc, 1);
	for (int k = 0; k < N_INPUTS * N_TARGETS; k++)
	{
		NnValue		input;
		NnTarget	target;
		NnStoredKind kind;

		combine(k, inputs, &target, &kind, &input);
		if (nn_stored_row_write(out, &input, &target, kind, 1000 + k, &err) != NN_OK)
			diag("%s", err.message);
	}
}

static void
test_same(void)
{
	NnValue		inputs[N_INPUTS];
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnArray		out;
	NnReader	reader;
	int			n_same = 0;

	make_inputs(inputs);
	write_all(inputs, &out);
	reader = nn_reader(out.data, out.n);
	for (int k = 0; k < N_INPUTS * N_TARGETS; k++)
	{
		NnStoredRow row;
		NnValue		input;
		NnTarget	target;
		NnStoredKind kind;

		nn_arena_reset(arena);
		combine(k, inputs, &target, &kind, &input);
		n_same += nn_stored_row_read(&reader, arena, &row, &err) == NN_OK && same_row(&row, &input, &target, kind, 1000 + k);
	}
	ok(n_same == N_INPUTS * N_TARGETS && reader.at == reader.end, "all inputs with all targets come back, %d", n_same);
	nn_array_free(&out);
	nn_arena_destroy(arena);
}

/* Read until the end or a failure; a block of exactly n bytes, so that a read behind them is seen. */
static NnStatus
read_copy(const void *bytes, size_t n, int *n_rows)
{
	void	   *copy = malloc(n > 0 ? n : 1);
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnReader	reader;
	NnStoredRow row;
	NnStatus	status = NN_OK;

	memcpy(copy, bytes, n);
	reader = nn_reader(copy, n);
	for (*n_rows = 0; status == NN_OK && reader.at < reader.end; (*n_rows)++)
	{
		nn_arena_reset(arena);
		status = nn_stored_row_read(&reader, arena, &row, &err);
	}
	nn_arena_destroy(arena);
	free(copy);
	return status;
}

static void
test_hostile(void)
{
	NnValue		inputs[N_INPUTS];
	NnArray		out;
	int			n_rows;
	int			n_whole = 0;
	int			n_refused = 0;
	int			n_other = 0;

	make_inputs(inputs);
	write_all(inputs, &out);
	for (size_t n = 0; n < out.n; n++)
	{
		NnStatus	status = read_copy(out.data, n, &n_rows);

		n_whole += status == NN_OK;
		n_other += status != NN_OK && status != NN_EFORMAT;
	}
	ok(n_whole == N_INPUTS * N_TARGETS && n_other == 0, "cut off anywhere but behind a record: refused");
	n_other = 0;
	for (size_t at = 0; at < out.n; at++)
	{
		static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};

		for (int v = 0; v < 5; v++)
		{
			uint8_t    *byte = (uint8_t *) out.data + at;
			uint8_t		was = *byte;
			NnStatus	status;

			*byte = values[v];
			status = read_copy(out.data, out.n, &n_rows);
			n_refused += status == NN_EFORMAT;
			n_other += status != NN_OK && status != NN_EFORMAT;
			*byte = was;
		}
	}
	ok(n_refused > 1000 && n_other == 0, "any byte changed: refused or another row (%d refused)", n_refused);
	nn_array_free(&out);
}

static void
test_memory(void)
{
	NnValue		inputs[N_INPUTS];
	NnArray		out;
	TestHost	host;
	NnStatus	status = NN_ENOMEM;
	int			n_failed = 0;
	bool		is_clean = true;

	make_inputs(inputs);
	write_all(inputs, &out);
	for (int at = 1; status == NN_ENOMEM && at < 100; at++)
	{
		NnReader	reader = nn_reader(out.data, out.n);
		NnArena    *arena;
		NnStoredRow row;

		test_host_init(&host);
		host.fail_at = at;
		arena = nn_arena_create(&host.env);
		status = arena == NULL ? NN_ENOMEM : NN_OK;
		while (status == NN_OK && reader.at < reader.end)
			status = nn_stored_row_read(&reader, arena, &row, &err);
		nn_arena_destroy(arena);
		n_failed += status == NN_ENOMEM;
		is_clean = is_clean && host.n_blocks == 0;
	}
	ok(status == NN_OK && n_failed >= 2 && is_clean, "an allocation that fails is told, and nothing is left (%d)", n_failed);
	nn_array_free(&out);
	task_free_values();
}

int
main(void)
{
	test_same();
	test_hostile();
	test_memory();
	return done_testing();
}
