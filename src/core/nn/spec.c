/*
 * nn/spec.c: is a spec sound, and the names of its parts.
 *
 * Names are the ones that users write in options and that stand in weights
 * files; each enum has one table here, indexed by its value.
 *
 * nn_spec_check() asks for one form only: numbers of a branch that is not there
 * are zero.  So equal networks have equal specs, and equal bytes in a file.
 */
#include "nn/spec.h"

#include <stdio.h>
#include <string.h>

#define N_ITEMS(array) ((int) (sizeof(array) / sizeof((array)[0])))

static const char *const cell_names[] = {"none", "rnn", "lstm", "gru"};
static const char *const task_names[] = {"classify", "regress"};
static const char *const input_names[] = {"text", "series", "vector"};
static const char *const wide_names[] = {"none", "bag", "flat"};
static const char *const pool_names[] = {"last", "max", "mean", "attention"};	/* bit 0, 1... */

#define POOL_ALL ((1u << N_ITEMS(pool_names)) - 1)

/* A name by its index; "?" for a value that is no enum value. */
static const char *
name_of(const char *const *names, int n_names, int index)
{
	return index >= 0 && index < n_names ? names[index] : "?";
}

/* The index of a name, or -1. */
static int
index_of(const char *const *names, int n_names, const char *name, size_t n_bytes)
{
	for (int i = 0; i < n_names; i++)
		if (strlen(names[i]) == n_bytes && memcmp(names[i], name, n_bytes) == 0)
			return i;
	return -1;
}

const char *
nn_cell_name(NnCell cell)
{
	return name_of(cell_names, N_ITEMS(cell_names), (int) cell);
}

int
nn_cell_from_name(const char *name)
{
	return index_of(cell_names, N_ITEMS(cell_names), name, strlen(name));
}

const char *
nn_task_name(NnTask task)
{
	return name_of(task_names, N_ITEMS(task_names), (int) task);
}

int
nn_task_from_name(const char *name)
{
	return index_of(task_names, N_ITEMS(task_names), name, strlen(name));
}

const char *
nn_input_name(NnInputKind input)
{
	return name_of(input_names, N_ITEMS(input_names), (int) input);
}

int
nn_input_from_name(const char *name)
{
	return index_of(input_names, N_ITEMS(input_names), name, strlen(name));
}

const char *
nn_wide_name(NnWide wide)
{
	return name_of(wide_names, N_ITEMS(wide_names), (int) wide);
}

int
nn_wide_from_name(const char *name)
{
	return index_of(wide_names, N_ITEMS(wide_names), name, strlen(name));
}

void
nn_pool_format(unsigned pool, char *out, int n_out)
{
	int			at = 0;

	if (n_out > 0)
		out[0] = '\0';
	for (int i = 0; i < N_ITEMS(pool_names) && at < n_out; i++)
		if (pool & (1u << i))
			at += snprintf(out + at, (size_t) (n_out - at), "%s%s",
						   at > 0 ? "+" : "", pool_names[i]);
}

unsigned
nn_pool_from_name(const char *name)
{
	unsigned	pool = 0;

	for (;;)
	{
		size_t		n_bytes = strcspn(name, "+");
		int			bit = index_of(pool_names, N_ITEMS(pool_names), name, n_bytes);

		if (bit < 0 || (pool & (1u << bit)))
			return 0;
		pool |= 1u << bit;
		if (name[n_bytes] == '\0')
			return pool;
		name += n_bytes + 1;
	}
}

int
nn_cell_gates(NnCell cell)
{
	switch (cell)
	{
		case NN_CELL_NONE:
			return 0;
		case NN_CELL_RNN:
			return 1;
		case NN_CELL_LSTM:
			return 4;
		case NN_CELL_GRU:
			return 3;
	}
	return 0;
}

int
nn_spec_pooled(const NnSpec *spec)
{
	int			n_pools = 0;

	if (spec->cell == NN_CELL_NONE)
		return 0;
	for (int i = 0; i < N_ITEMS(pool_names); i++)
		n_pools += (spec->pool >> i) & 1;
	return n_pools * spec->hidden * (spec->is_bidirectional ? 2 : 1);
}

/*
 * With G gate rows, D directions, and n_in inputs of a layer (E, then D H):
 *   embedding V E, each direction G n_in + G H + 2 G, attention D H,
 *   head C P + C; wide table or matrix, and its head; two scales.
 * The largest spec has some 2e11 numbers: no overflow.
 */
int64_t
nn_spec_n_numbers(const NnSpec *spec)
{
	int64_t		n = 2;
	int64_t		C = spec->n_outputs;

	if (spec->cell != NN_CELL_NONE)
	{
		int64_t		H = spec->hidden;
		int64_t		D = spec->is_bidirectional ? 2 : 1;
		int64_t		G = nn_cell_gates(spec->cell) * H;
		int64_t		n_in = spec->embedding;

		n += (int64_t) spec->vocabulary * spec->embedding;
		for (int k = 0; k < spec->n_layers; k++)
		{
			n += D * (G * n_in + G * H + 2 * G);
			n_in = D * H;
		}
		if (spec->pool & NN_POOL_ATTENTION)
			n += D * H;
		n += C * nn_spec_pooled(spec) + C;
	}
	if (spec->wide != NN_WIDE_NONE)
	{
		n += (int64_t) spec->wide_inputs * spec->wide_hidden;
		if (spec->wide == NN_WIDE_FLAT)
			n += spec->wide_hidden;
		n += C * spec->wide_hidden + C;
	}
	return n;
}

/* ---- checks -------------------------------------------------------------- */

static NnStatus
check_range(const char *what, int64_t value, int64_t low, int64_t high, NnError *err)
{
	if (value >= low && value <= high)
		return NN_OK;
	nn_fail(err, NN_ERANGE, "%s of the network is out of range: %lld", what, (long long) value);
	nn_fail_detail(err, "It must be between %lld and %lld.", (long long) low, (long long) high);
	return NN_ERANGE;
}

static NnStatus
check_recurrent(const NnSpec *spec, NnError *err)
{
	bool		is_text = spec->input == NN_INPUT_TEXT;

	/* Numbers have channels even where only the wide branch reads them. */
	if (!is_text)
		NN_TRY(check_range("number of channels", spec->embedding, 1, NN_MAX_EMBEDDING, err));

	if (spec->cell == NN_CELL_NONE)
	{
		if (spec->n_layers != 0 || spec->hidden != 0 || spec->is_bidirectional ||
			spec->pool != 0 || spec->vocabulary != 0 || (is_text && spec->embedding != 0))
			return nn_fail(err, NN_EINVAL, "a network without a cell has no layers, hidden size, "
						   "direction, pooling, vocabulary or embedding");
		return NN_OK;
	}

	NN_TRY(check_range("number of layers", spec->n_layers, 1, NN_MAX_LAYERS, err));
	NN_TRY(check_range("hidden size", spec->hidden, 1, NN_MAX_HIDDEN, err));
	NN_TRY(check_range("pooling", (int64_t) spec->pool, 1, POOL_ALL, err));
	if (is_text)
	{
		/* The 256 bytes are always tokens (text/vocabulary.h). */
		NN_TRY(check_range("vocabulary", spec->vocabulary, 256, NN_MAX_VOCABULARY, err));
		NN_TRY(check_range("embedding", spec->embedding, 1, NN_MAX_EMBEDDING, err));
	}
	else if (spec->vocabulary != 0)
		return nn_fail(err, NN_EINVAL, "a network that reads numbers has no vocabulary");
	return NN_OK;
}

static NnStatus
check_wide(const NnSpec *spec, NnError *err)
{
	if (spec->wide == NN_WIDE_NONE)
	{
		if (spec->wide_inputs != 0 || spec->wide_hidden != 0)
			return nn_fail(err, NN_EINVAL, "a network without a wide branch has no wide inputs and no wide hidden size");
		return NN_OK;
	}

	if ((spec->wide == NN_WIDE_BAG) != (spec->input == NN_INPUT_TEXT))
		return nn_fail(err, NN_EINVAL, "a wide branch \"%s\" cannot read input of kind \"%s\"",
					   nn_wide_name(spec->wide), nn_input_name(spec->input));

	NN_TRY(check_range("number of wide inputs", spec->wide_inputs, 1, NN_MAX_WIDE_INPUTS, err));
	NN_TRY(check_range("wide hidden size", spec->wide_hidden, 1, NN_MAX_HIDDEN, err));
	if (spec->wide == NN_WIDE_FLAT &&
		(spec->wide_inputs % spec->embedding != 0 ||
		 (spec->input == NN_INPUT_VECTOR && spec->wide_inputs != spec->embedding)))
		return nn_fail(err, NN_EINVAL, "%d wide inputs do not fit %d channels",
					   spec->wide_inputs, spec->embedding);
	return NN_OK;
}

NnStatus
nn_spec_check(const NnSpec *spec, NnError *err)
{
	NN_TRY(check_range("task", (int64_t) spec->task, 0, N_ITEMS(task_names) - 1, err));
	NN_TRY(check_range("input kind", (int64_t) spec->input, 0, N_ITEMS(input_names) - 1, err));
	NN_TRY(check_range("cell", (int64_t) spec->cell, 0, N_ITEMS(cell_names) - 1, err));
	NN_TRY(check_range("wide branch", (int64_t) spec->wide, 0, N_ITEMS(wide_names) - 1, err));
	NN_TRY(check_range("number of outputs", spec->n_outputs,
					   spec->task == NN_TASK_CLASSIFY ? 2 : 1, NN_MAX_OUTPUTS, err));
	if (spec->cell == NN_CELL_NONE && spec->wide == NN_WIDE_NONE)
		return nn_fail(err, NN_EINVAL, "a network needs a recurrent or a wide branch");
	NN_TRY(check_recurrent(spec, err));
	return check_wide(spec, err);
}
