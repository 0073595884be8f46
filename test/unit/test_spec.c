/*
 * test_spec.c: names, widths, and which specs are sound (nn/spec.h).
 */
#include "nn/net.h"

#include <string.h>
#include "tap.h"

static const NnSpec text_spec = {
	.task = NN_TASK_CLASSIFY, .input = NN_INPUT_TEXT, .n_outputs = 3,
	.cell = NN_CELL_LSTM, .n_layers = 2, .hidden = 5, .is_bidirectional = true,
	.pool = NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION, .vocabulary = 300, .embedding = 7,
	.wide = NN_WIDE_BAG, .wide_inputs = 11, .wide_hidden = 4,
};

static const NnSpec series_spec = {
	.task = NN_TASK_REGRESS, .input = NN_INPUT_SERIES, .n_outputs = 1,
	.cell = NN_CELL_GRU, .n_layers = 1, .hidden = 6, .pool = NN_POOL_LAST, .embedding = 3,
	.wide = NN_WIDE_FLAT, .wide_inputs = 12, .wide_hidden = 4,
};

static const NnSpec vector_spec = {
	.task = NN_TASK_CLASSIFY, .input = NN_INPUT_VECTOR, .n_outputs = 2,
	.cell = NN_CELL_NONE, .embedding = 64,
	.wide = NN_WIDE_FLAT, .wide_inputs = 64, .wide_hidden = 8,
};

static void
test_names(void)
{
	char		name[64];
	char		small[5];
	int			n_wrong = 0;

	for (int i = 0; i < 4; i++)
		n_wrong += nn_cell_from_name(nn_cell_name((NnCell) i)) != i;
	for (int i = 0; i < 2; i++)
		n_wrong += nn_task_from_name(nn_task_name((NnTask) i)) != i;
	for (int i = 0; i < 3; i++)
		n_wrong += nn_input_from_name(nn_input_name((NnInputKind) i)) != i;
	for (int i = 0; i < 3; i++)
		n_wrong += nn_wide_from_name(nn_wide_name((NnWide) i)) != i;
	for (unsigned pool = 1; pool < 16; pool++)
	{
		nn_pool_format(pool, name, sizeof(name));
		n_wrong += nn_pool_from_name(name) != pool;
	}
	ok(n_wrong == 0, "every name is read back");

	nn_pool_format(NN_POOL_MAX | NN_POOL_MEAN, name, sizeof(name));
	ok(strcmp(name, "max+mean") == 0, "poolings are joined in the order of their bits");
	nn_pool_format(15, small, sizeof(small));
	ok(strcmp(small, "last") == 0, "a short buffer cuts the name and no more");
	ok(nn_pool_from_name("mean+max") == (NN_POOL_MAX | NN_POOL_MEAN), "in any order");
	ok(nn_pool_from_name("") == 0 && nn_pool_from_name("+") == 0 && nn_pool_from_name("max+") == 0 &&
	   nn_pool_from_name("+max") == 0 && nn_pool_from_name("max+max") == 0 && nn_pool_from_name("maxi") == 0,
	   "what is no set of poolings has none");
	ok(nn_cell_from_name("LSTM") == -1 && nn_cell_from_name("") == -1 && nn_task_from_name("lst") == -1,
	   "unknown names are -1");
}

/* A spec that differs from another in one number. */
typedef struct Change
{
	const char *what;
	const NnSpec *spec;
	int			offset;
	int			value;
} Change;

#define AT(field) (int) offsetof(NnSpec, field)

static const Change changes[] = {
	{"task 2", &text_spec, AT(task), 2},
	{"task -1", &text_spec, AT(task), -1},
	{"input 3", &text_spec, AT(input), 3},
	{"cell 4", &text_spec, AT(cell), 4},
	{"wide 3", &text_spec, AT(wide), 3},
	{"one label", &text_spec, AT(n_outputs), 1},
	{"no output", &series_spec, AT(n_outputs), 0},
	{"too many outputs", &text_spec, AT(n_outputs), NN_MAX_OUTPUTS + 1},
	{"no layer", &text_spec, AT(n_layers), 0},
	{"nine layers", &text_spec, AT(n_layers), 9},
	{"no hidden", &text_spec, AT(hidden), 0},
	{"negative hidden", &text_spec, AT(hidden), -1},
	{"huge hidden", &text_spec, AT(hidden), NN_MAX_HIDDEN + 1},
	{"no pooling", &text_spec, AT(pool), 0},
	{"unknown pooling", &text_spec, AT(pool), 16},
	{"a vocabulary without all bytes", &text_spec, AT(vocabulary), 255},
	{"huge vocabulary", &text_spec, AT(vocabulary), NN_MAX_VOCABULARY + 1},
	{"no embedding", &text_spec, AT(embedding), 0},
	{"no channels", &series_spec, AT(embedding), 0},
	{"no channels, no cell", &vector_spec, AT(embedding), 0},
	{"a vocabulary of numbers", &series_spec, AT(vocabulary), 300},
	{"a flat branch over text", &text_spec, AT(wide), NN_WIDE_FLAT},
	{"a bag of numbers", &series_spec, AT(wide), NN_WIDE_BAG},
	{"no wide branch but inputs", &text_spec, AT(wide), NN_WIDE_NONE},
	{"no wide inputs", &text_spec, AT(wide_inputs), 0},
	{"huge wide inputs", &text_spec, AT(wide_inputs), NN_MAX_WIDE_INPUTS + 1},
	{"no wide hidden", &text_spec, AT(wide_hidden), 0},
	{"flat inputs that are no whole steps", &series_spec, AT(wide_inputs), 13},
	{"a vector of two steps", &vector_spec, AT(wide_inputs), 128},
	{"layers without a cell", &vector_spec, AT(n_layers), 1},
	{"hidden without a cell", &vector_spec, AT(hidden), 1},
	{"pooling without a cell", &vector_spec, AT(pool), 1},
};

static void
test_check(void)
{
	NnSpec		none = series_spec;
	NnError		err;

	ok(nn_spec_check(&text_spec, &err) == NN_OK && nn_spec_check(&series_spec, &err) == NN_OK &&
	   nn_spec_check(&vector_spec, &err) == NN_OK && nn_spec_check(&text_spec, NULL) == NN_OK,
	   "sound specs are found sound");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
	{
		NnSpec		spec = *changes[i].spec;
		NnStatus	status;

		memcpy((char *) &spec + changes[i].offset, &changes[i].value, sizeof(int));
		status = nn_spec_check(&spec, &err);
		ok((status == NN_ERANGE || status == NN_EINVAL) && err.status == status && err.message[0] != '\0' &&
		   nn_spec_check(&spec, NULL) == status,
		   "refused: %s (%s)", changes[i].what, err.message);
	}

	none.cell = NN_CELL_NONE;
	none.n_layers = none.hidden = 0;
	none.pool = 0;
	ok(nn_spec_check(&none, &err) == NN_OK, "a wide branch may stand alone");
	none.wide = NN_WIDE_NONE;
	none.wide_inputs = none.wide_hidden = 0;
	ok(nn_spec_check(&none, &err) == NN_EINVAL, "refused: no branch at all (%s)", err.message);
}

/* nn_spec_n_numbers() is a formula; the net's tensors are the truth. */
static void
test_numbers(void)
{
	static const NnSpec *const bases[] = {&text_spec, &series_spec, &vector_spec};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	int			n_wrong = 0;

	for (int i = 0; i < 3 * 4 * 2 * 3 * 2; i++)
	{
		NnSpec		spec = *bases[i % 3];
		int64_t		n = 0;
		NnNet	   *net;

		if (spec.cell != NN_CELL_NONE)
		{
			spec.cell = (NnCell) (1 + i / 3 % 3);
			spec.is_bidirectional = i / 12 % 2 == 1;
			spec.n_layers = 1 + i / 24 % 3;
			spec.pool = 1 + (unsigned) i % 15;
			if (i / 72 % 2 == 1)
			{
				spec.wide = NN_WIDE_NONE;
				spec.wide_inputs = spec.wide_hidden = 0;
			}
		}
		if (nn_net_create(&net, arena, &spec, false, NULL) != NN_OK)
		{
			n_wrong++;
			continue;
		}
		for (int k = 0; k < nn_net_n_tensors(net); k++)
			n += (int64_t) nn_net_tensor(net, k)->n_rows * nn_net_tensor(net, k)->n_columns;
		n_wrong += n != nn_spec_n_numbers(&spec);
	}
	nn_arena_destroy(arena);
	ok(n_wrong == 0, "the number of numbers is that of the net's tensors");
	ok(nn_spec_pooled(&text_spec) == 30 && nn_spec_pooled(&series_spec) == 6 && nn_spec_pooled(&vector_spec) == 0,
	   "the pooled width is poolings times directions times hidden size");
	ok(nn_cell_gates(NN_CELL_LSTM) == 4 && nn_cell_gates(NN_CELL_GRU) == 3 &&
	   nn_cell_gates(NN_CELL_RNN) == 1 && nn_cell_gates(NN_CELL_NONE) == 0, "gates of each cell");
}

int
main(void)
{
	test_names();
	test_check();
	test_numbers();
	return done_testing();
}
