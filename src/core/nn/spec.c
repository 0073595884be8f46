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
#include "nn/crf.h"

#include <stdio.h>
#include <string.h>

#define N_ITEMS(array) ((int) (sizeof(array) / sizeof((array)[0])))

static const char *const cell_names[] = {"none", "rnn", "lstm", "gru"};
static const char *const task_names[] = {"classify", "regress", "tag", "translate", "caption", "language", "forecast"};
static const char *const input_names[] = {"text", "series", "vector"};
static const char *const wide_names[] = {"none", "bag", "flat", "linear"};
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

int
nn_spec_input_width(const NnSpec *spec)
{
	if (spec->input != NN_INPUT_TEXT && spec->task == NN_TASK_CAPTION)
		return spec->channels;
	return spec->embedding + (spec->spelling_rows > 0 ? spec->spelling + NN_SHAPE_FLAGS : 0);
}

int
nn_spec_channels(const NnSpec *spec)
{
	if (spec->input == NN_INPUT_TEXT)
		return 0;
	if (spec->task == NN_TASK_CAPTION)
		return spec->channels;
	if (spec->task == NN_TASK_FORECAST)
		return spec->n_outputs / spec->horizon / spec->n_quantiles;
	return spec->embedding;
}

bool
nn_spec_has_level(const NnSpec *spec)
{
	return spec->task == NN_TASK_FORECAST && spec->embedding == 2 * nn_spec_channels(spec);
}

double
nn_quantile_level(int n_quantiles, int q)
{
	return n_quantiles == 1 ? 0.5 : 0.1 + 0.8 * q / (n_quantiles - 1);
}

int
nn_spec_decoder_hidden(const NnSpec *spec)
{
	return spec->hidden * (spec->n_layers > 0 && spec->is_bidirectional ? 2 : 1);
}

bool
nn_task_is_pooled(NnTask task)
{
	return task == NN_TASK_CLASSIFY || task == NN_TASK_REGRESS || task == NN_TASK_FORECAST;
}

bool
nn_task_writes_text(NnTask task)
{
	return task == NN_TASK_TRANSLATE || task == NN_TASK_CAPTION || task == NN_TASK_LANGUAGE;
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

/* Networks whose tokens or steps go through a stack, and that are not pooled. */
static NnStatus
check_stack(const NnSpec *spec, NnError *err)
{
	bool		is_vector = spec->task == NN_TASK_CAPTION && spec->input == NN_INPUT_VECTOR;

	if (spec->cell == NN_CELL_NONE || spec->pool != 0 || spec->wide != NN_WIDE_NONE)
		return nn_fail(err, NN_EINVAL, "a network for task \"%s\" has a cell, no pooling and no wide branch",
					   nn_task_name(spec->task));
	if ((spec->input == NN_INPUT_TEXT) == (spec->task == NN_TASK_CAPTION))
		return nn_fail(err, NN_EINVAL, "a network for task \"%s\" cannot read input of kind \"%s\"",
					   nn_task_name(spec->task), nn_input_name(spec->input));
	NN_TRY(check_range("number of layers", spec->n_layers, is_vector ? 0 : 1, is_vector ? 0 : NN_MAX_LAYERS, err));
	NN_TRY(check_range("hidden size", spec->hidden, 1, NN_MAX_HIDDEN, err));
	NN_TRY(check_range("vocabulary", spec->vocabulary, 256, NN_MAX_VOCABULARY, err));
	NN_TRY(check_range("embedding", spec->embedding, 1, NN_MAX_EMBEDDING, err));
	if (spec->is_bidirectional && is_vector)
		return nn_fail(err, NN_EINVAL, "a network that reads a vector has one direction");
	return NN_OK;
}

static NnStatus
check_tag(const NnSpec *spec, NnError *err)
{
	NN_TRY(check_range("number of tags", spec->n_outputs, 1, NN_MAX_TAGS, err));
	NN_TRY(check_range("spelling rows", spec->spelling_rows, 0, NN_MAX_SPELLING_ROWS, err));
	return check_range("spelling width", spec->spelling, spec->spelling_rows > 0 ? 1 : 0,
					   spec->spelling_rows > 0 ? NN_MAX_EMBEDDING : 0, err);
}

static NnStatus
check_writer(const NnSpec *spec, NnError *err)
{
	bool		is_language = spec->task == NN_TASK_LANGUAGE;
	bool		is_caption = spec->task == NN_TASK_CAPTION;

	if (spec->n_outputs != 0)
		return nn_fail(err, NN_EINVAL, "a network that writes text has its vocabulary for outputs");
	if (is_language && spec->is_bidirectional && spec->n_layers > 1)
		return nn_fail(err, NN_EINVAL, "a language model of two directions has one layer");
	NN_TRY(check_range("decoder layers", spec->decoder_layers, is_language ? 0 : 1,
					   is_language ? 0 : NN_MAX_LAYERS, err));
	NN_TRY(check_range("number of words with a document vector", spec->document_words, 0, NN_MAX_WIDE_INPUTS, err));
	NN_TRY(check_range("width of document vectors", spec->document, spec->document_words > 0 ? 1 : 0,
					   spec->document_words > 0 ? NN_MAX_DOCUMENT : 0, err));
	if (spec->has_copy && spec->task != NN_TASK_TRANSLATE)
		return nn_fail(err, NN_EINVAL, "only a translation copies tokens");
	return check_range("number of channels", spec->channels, is_caption ? 1 : 0,
					   is_caption ? NN_MAX_EMBEDDING : 0, err);
}

/* Numbers of parts that the task has not are zero. */
static NnStatus
check_absent(const NnSpec *spec, NnError *err)
{
	bool		has_spelling = spec->task == NN_TASK_TAG;
	bool		has_decoder = spec->task == NN_TASK_TRANSLATE || spec->task == NN_TASK_CAPTION;
	bool		is_forecast = spec->task == NN_TASK_FORECAST;

	if ((!has_spelling && (spec->spelling_rows != 0 || spec->spelling != 0)) ||
		(!has_decoder && (spec->decoder_layers != 0 || spec->has_copy || spec->channels != 0)) ||
		(spec->task != NN_TASK_LANGUAGE && (spec->document_words != 0 || spec->document != 0)) ||
		(!is_forecast && (spec->horizon != 0 || spec->n_quantiles != 0 || spec->wide == NN_WIDE_LINEAR)))
		return nn_fail(err, NN_EINVAL, "a network for task \"%s\" has parts of another task",
					   nn_task_name(spec->task));
	return NN_OK;
}

/* The window's steps, one channel after the other, and perhaps a level for each channel. */
static NnStatus
check_window(const NnSpec *spec, int n_channels, NnError *err)
{
	int			n_levels = nn_spec_has_level(spec) ? n_channels : 0;

	if (spec->embedding != n_channels && spec->embedding != 2 * n_channels)
		return nn_fail(err, NN_EINVAL, "%d numbers a step do not fit a forecast of %d channels",
					   spec->embedding, n_channels);
	if (spec->wide != NN_WIDE_NONE && spec->wide != NN_WIDE_LINEAR)
		return nn_fail(err, NN_EINVAL, "a forecast has no wide branch \"%s\"", nn_wide_name(spec->wide));
	if (spec->wide == NN_WIDE_LINEAR &&
		(spec->wide_inputs <= n_levels || (spec->wide_inputs - n_levels) % n_channels != 0))
		return nn_fail(err, NN_EINVAL, "%d wide inputs do not fit %d channels", spec->wide_inputs, n_channels);
	return NN_OK;
}

static NnStatus
check_forecast(const NnSpec *spec, NnError *err)
{
	if (spec->task != NN_TASK_FORECAST)
		return NN_OK;
	NN_TRY(check_range("horizon", spec->horizon, 1, NN_MAX_HORIZON, err));
	NN_TRY(check_range("number of quantiles", spec->n_quantiles, 1, 99, err));
	NN_TRY(check_range("number of outputs", spec->n_outputs, 1, NN_MAX_OUTPUTS, err));
	if (spec->n_quantiles % 2 == 0)
		return nn_fail(err, NN_EINVAL, "%d quantiles have no median among them", spec->n_quantiles);
	if (spec->input != NN_INPUT_SERIES || spec->n_outputs % spec->horizon != 0 ||
		spec->n_outputs / spec->horizon % spec->n_quantiles != 0)
		return nn_fail(err, NN_EINVAL, "%d outputs do not fit %d steps of %d quantiles",
					   spec->n_outputs, spec->horizon, spec->n_quantiles);
	return check_window(spec, nn_spec_channels(spec), err);
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
	NN_TRY(check_range("wide hidden size", spec->wide_hidden, spec->wide == NN_WIDE_LINEAR ? 0 : 1,
					   spec->wide == NN_WIDE_LINEAR ? 0 : NN_MAX_HIDDEN, err));
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
	NN_TRY(check_absent(spec, err));
	if (!nn_task_is_pooled(spec->task))
	{
		NN_TRY(check_stack(spec, err));
		if (spec->wide_inputs != 0 || spec->wide_hidden != 0)
			return nn_fail(err, NN_EINVAL, "a network without a wide branch has no wide inputs and no wide hidden size");
		return spec->task == NN_TASK_TAG ? check_tag(spec, err) : check_writer(spec, err);
	}
	NN_TRY(check_forecast(spec, err));
	NN_TRY(check_range("number of outputs", spec->n_outputs,
					   spec->task == NN_TASK_CLASSIFY && !spec->is_multi_label ? 2 : 1, NN_MAX_OUTPUTS, err));
	if (spec->cell == NN_CELL_NONE && spec->wide == NN_WIDE_NONE)
		return nn_fail(err, NN_EINVAL, "a network needs a recurrent or a wide branch");
	NN_TRY(check_recurrent(spec, err));
	return check_wide(spec, err);
}
