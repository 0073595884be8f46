/*
 * model/file_metadata.c: the texts in a model file's header -> spec, reading,
 * labels and training record; and what they must fulfil, for the writer too.
 *
 * A text is JSON of a known form: every member is named here, has a range, and
 * none may be left unread.  What is read lives in the reader's scratch arena; the
 * model owns copies.
 */
#include "model/file_private.h"

#include <stdlib.h>
#include <string.h>

#define MAX_OBJECT_TOKENS 256	/* values and keys in spec or reading */

/* ---- what a model is held to --------------------------------------------------- */

static const char *const unit_names[] = {"word", "character", "given"};

#define N_UNITS ((int) (sizeof(unit_names) / sizeof(unit_names[0])))

const char *
nn_file_unit_name(NnUnit unit)
{
	return (int) unit >= 0 && (int) unit < N_UNITS ? unit_names[unit] : "?";
}

int
nn_file_unit_from_name(const char *name)
{
	for (int i = 0; i < N_UNITS; i++)
		if (strcmp(unit_names[i], name) == 0)
			return i;
	return -1;
}

const char *
nn_file_label_problem(const char *label, const char *before)
{
	size_t		bad_at;
	int			order = before != NULL ? strcmp(before, label) : -1;

	if (!nn_utf8_check(label, strlen(label), &bad_at))
		return "is not valid UTF-8";
	if (order == 0)
		return "occurs twice";
	return order > 0 ? "is out of order" : NULL;
}

bool
nn_file_has_text(const NnSpec *spec)
{
	return spec->input == NN_INPUT_TEXT || spec->vocabulary > 0;
}

bool
nn_file_has_labels(const NnSpec *spec)
{
	return spec->task == NN_TASK_CLASSIFY || spec->task == NN_TASK_TAG;
}

int
nn_file_features(const NnSpec *spec)
{
	return spec->wide == NN_WIDE_BAG ? spec->wide_inputs : spec->document_words;
}

const char *
nn_file_keys_name(const NnSpec *spec)
{
	return spec->wide == NN_WIDE_BAG ? NN_FILE_KEYS : NN_FILE_DOCUMENT_KEYS;
}

int
nn_file_flat_steps(const NnSpec *spec)
{
	if (spec->wide != NN_WIDE_FLAT)
		return 0;
	return spec->wide_inputs / spec->embedding;
}

/* The wide branch reads the window, and the level of each channel if that is an input. */
static const char *
forecast_problem(const NnModel *model)
{
	const NnSpec *spec = &model->spec;
	int			n_flat = model->window + (nn_spec_has_level(spec) ? 1 : 0);

	if (model->window < 1 || model->window > NN_MAX_WINDOW)
		return "\"window\" is out of range";
	if (model->season < 0 || model->season > NN_MAX_WINDOW)
		return "\"season\" is out of range";
	if (spec->wide != NN_WIDE_NONE && spec->wide_inputs != n_flat * nn_spec_channels(spec))
		return "the wide branch does not read the window";
	return NULL;
}

const char *
nn_file_reading_problem(const NnModel *model)
{
	if (model->max_tokens < 1 || model->max_tokens > NN_FILE_MAX_TOKENS)
		return "\"max_tokens\" is out of range";
	if (nn_file_has_text(&model->spec) && ((int) model->unit < 0 || (int) model->unit >= N_UNITS))
		return "\"unit\" has no name";
	if (model->is_running && (model->spec.task != NN_TASK_LANGUAGE || model->spec.is_bidirectional))
		return "\"running\" is not for this network";
	return model->spec.task == NN_TASK_FORECAST ? forecast_problem(model) : NULL;
}

/* A temperature moves a probability only so far: what is beyond is a mistake. */
#define LEAST_TEMPERATURE	0.001
#define MOST_TEMPERATURE	1000.0

const char *
nn_file_decision_problem(const NnModel *model)
{
	/* written so that NaN fails */
	if (!(model->temperature >= LEAST_TEMPERATURE && model->temperature <= MOST_TEMPERATURE))
		return "the temperature is out of range";
	if (model->temperature != 1.0 && model->spec.task != NN_TASK_CLASSIFY)
		return "a temperature is not for this network";
	for (int c = 0; c < model->spec.n_outputs && model->spec.is_multi_label; c++)
		if (!(model->threshold[c] >= 0 && model->threshold[c] <= 1))
			return "the threshold of a label is no probability";
	return NULL;
}

/* ---- metadata -------------------------------------------------------------------- */

/* The metadata text of this name; NULL in *text if there is none. */
static NnStatus
read_metadata(NnFileReader *reader, const char *name, char **text, size_t *n_bytes)
{
	const NnJson *json = &reader->file.header;
	int			value = -1;

	*text = NULL;
	if (reader->file.metadata >= 0)
		value = nn_json_find(json, reader->file.metadata, name);
	if (value < 0)
		return NN_OK;
	NN_TRY(nn_file_reserve(reader, nn_json_string_bytes(json, value) + 1));
	*text = nn_json_string(json, value, reader->scratch, n_bytes);
	return *text != NULL ? NN_OK : nn_file_no_memory(reader);
}

static NnStatus
check_metadata(NnFileReader *reader, const char *name, const char *expected)
{
	char	   *text;
	size_t		n_bytes;

	NN_TRY(read_metadata(reader, name, &text, &n_bytes));
	if (text == NULL)
		return nn_file_malformed(reader->err, "Its metadata lacks \"%s\"; was it written by another program?", name);
	if (strcmp(text, expected) != 0)
		return nn_file_malformed(reader->err, "Its \"%s\" is \"%s\"; only \"%s\" can be read.", name, text, expected);
	return NN_OK;
}

/* Parse the metadata text of this name, an object or array; json->n_tokens is 0 if there is none. */
static NnStatus
parse_metadata(NnFileReader *reader, const char *name, NnJsonKind kind, size_t max_tokens, NnJson *json)
{
	char	   *text;
	size_t		n_bytes;
	NnError		part;
	NnStatus	status;

	memset(json, 0, sizeof(*json));
	NN_TRY(read_metadata(reader, name, &text, &n_bytes));
	if (text == NULL)
		return NN_OK;

	/* No value takes less than a byte. */
	if (max_tokens > n_bytes)
		max_tokens = n_bytes;
	NN_TRY(nn_file_reserve(reader, nn_size_mul(max_tokens, NN_JSON_TOKEN_BYTES)));
	status = nn_json_parse(json, name, text, n_bytes, max_tokens, reader->scratch, &part);
	if (status != NN_OK)
		return nn_file_pass_on(reader->err, status, &part);
	if (nn_json_kind(json, 0) != kind)
		return nn_file_malformed(reader->err, "Its \"%s\" is not a JSON %s.", name,
								 kind == NN_JSON_OBJECT ? "object" : "array");
	return NN_OK;
}

/* ---- members of an object --------------------------------------------------------- */

/* An object of known members; each that was read is counted, so that none is left unread. */
typedef struct Members
{
	NnFileReader *reader;
	const char *name;
	NnJson		json;
	int			n_read;
} Members;

static NnStatus
open_members(NnFileReader *reader, const char *name, Members *members)
{
	members->reader = reader;
	members->name = name;
	members->n_read = 0;
	NN_TRY(parse_metadata(reader, name, NN_JSON_OBJECT, MAX_OBJECT_TOKENS, &members->json));
	if (members->json.n_tokens == 0)
		return nn_file_malformed(reader->err, "Its metadata lacks \"%s\".", name);
	if (nn_json_has_repeats(&members->json, 0))
		return nn_file_malformed(reader->err, "A member of its \"%s\" repeats.", name);
	return NN_OK;
}

static NnStatus
close_members(const Members *members)
{
	int			n = 0;

	for (int key = nn_json_first(&members->json, 0); key >= 0; key = nn_json_next(&members->json, 0, key))
		n++;
	if (n != members->n_read)
		return nn_file_malformed(members->reader->err, "Its \"%s\" has members that are not known.", members->name);
	return NN_OK;
}

static NnStatus
bad_member(const Members *members, const char *key, const char *wanted)
{
	return nn_file_malformed(members->reader->err, "In its \"%s\", \"%s\" is not %s.", members->name, key, wanted);
}

static bool
has_member(const Members *members, const char *key)
{
	return nn_json_find(&members->json, 0, key) >= 0;
}

static NnStatus
integer_member(Members *members, const char *key, int64_t high, int *number)
{
	int			value = nn_json_find(&members->json, 0, key);
	int64_t		read;

	if (value < 0 || !nn_json_integer(&members->json, value, 0, high, &read))
		return bad_member(members, key, "a whole number in its range");
	members->n_read++;
	*number = (int) read;
	return NN_OK;
}

static NnStatus
boolean_member(Members *members, const char *key, bool *flag)
{
	int			value = nn_json_find(&members->json, 0, key);
	NnJsonKind	kind = value >= 0 ? nn_json_kind(&members->json, value) : NN_JSON_NULL;

	if (kind != NN_JSON_TRUE && kind != NN_JSON_FALSE)
		return bad_member(members, key, "true or false");
	members->n_read++;
	*flag = kind == NN_JSON_TRUE;
	return NN_OK;
}

static NnStatus
text_member(Members *members, const char *key, char **text)
{
	int			value = nn_json_find(&members->json, 0, key);
	size_t		n_bytes;

	if (value < 0 || nn_json_kind(&members->json, value) != NN_JSON_STRING)
		return bad_member(members, key, "a text");
	NN_TRY(nn_file_reserve(members->reader, nn_json_string_bytes(&members->json, value) + 1));
	*text = nn_json_string(&members->json, value, members->reader->scratch, &n_bytes);
	if (*text == NULL)
		return nn_file_no_memory(members->reader);
	members->n_read++;
	return NN_OK;
}

/* A member that names an enum's value. */
static NnStatus
name_member(Members *members, const char *key, int (*from_name) (const char *name), int *number)
{
	char	   *text;

	NN_TRY(text_member(members, key, &text));
	*number = from_name(text);
	return *number >= 0 ? NN_OK : bad_member(members, key, "a known name");
}

/* ---- spec and reading ---------------------------------------------------------------- */

/* The empty text is the empty set, which has no name. */
static int
pool_from_text(const char *text)
{
	unsigned	pool = nn_pool_from_name(text);

	return pool == 0 && text[0] != '\0' ? -1 : (int) pool;
}

/* Members that a spec has because of its task. */
static NnStatus
read_task_members(Members *members, NnSpec *spec)
{
	switch (spec->task)
	{
		case NN_TASK_TAG:
			NN_TRY(integer_member(members, "spelling_rows", NN_MAX_SPELLING_ROWS, &spec->spelling_rows));
			return integer_member(members, "spelling", NN_MAX_EMBEDDING, &spec->spelling);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			NN_TRY(integer_member(members, "decoder_layers", NN_MAX_LAYERS, &spec->decoder_layers));
			NN_TRY(boolean_member(members, "copy", &spec->has_copy));
			return integer_member(members, "channels", NN_MAX_EMBEDDING, &spec->channels);
		case NN_TASK_LANGUAGE:
			/* younger than the others */
			if (!has_member(members, "document_words"))
				return NN_OK;
			NN_TRY(integer_member(members, "document_words", NN_MAX_WIDE_INPUTS, &spec->document_words));
			return integer_member(members, "document", NN_MAX_DOCUMENT, &spec->document);
		case NN_TASK_FORECAST:
			NN_TRY(integer_member(members, "horizon", NN_MAX_HORIZON, &spec->horizon));
			return integer_member(members, "quantiles", NN_MAX_OUTPUTS, &spec->n_quantiles);
		case NN_TASK_CLASSIFY:
			/* younger than the others */
			return has_member(members, "multi_label") ?
				boolean_member(members, "multi_label", &spec->is_multi_label) : NN_OK;
		default:
			return NN_OK;
	}
}

static NnStatus
read_members(Members *members, NnSpec *spec)
{
	int			task,
				input,
				cell,
				wide,
				pool;

	NN_TRY(name_member(members, "task", nn_task_from_name, &task));
	NN_TRY(name_member(members, "input", nn_input_from_name, &input));
	NN_TRY(integer_member(members, "outputs", NN_MAX_OUTPUTS, &spec->n_outputs));
	NN_TRY(name_member(members, "cell", nn_cell_from_name, &cell));
	NN_TRY(integer_member(members, "layers", NN_MAX_LAYERS, &spec->n_layers));
	NN_TRY(integer_member(members, "hidden", NN_MAX_HIDDEN, &spec->hidden));
	NN_TRY(boolean_member(members, "bidirectional", &spec->is_bidirectional));
	NN_TRY(name_member(members, "pool", pool_from_text, &pool));
	NN_TRY(integer_member(members, "vocabulary", NN_MAX_VOCABULARY, &spec->vocabulary));
	NN_TRY(integer_member(members, "embedding", NN_MAX_EMBEDDING, &spec->embedding));
	NN_TRY(name_member(members, "wide", nn_wide_from_name, &wide));
	NN_TRY(integer_member(members, "wide_inputs", NN_MAX_WIDE_INPUTS, &spec->wide_inputs));
	NN_TRY(integer_member(members, "wide_hidden", NN_MAX_HIDDEN, &spec->wide_hidden));
	spec->task = (NnTask) task;
	spec->input = (NnInputKind) input;
	spec->cell = (NnCell) cell;
	spec->wide = (NnWide) wide;
	spec->pool = (unsigned) pool;
	return read_task_members(members, spec);
}

NnStatus
nn_file_read_spec(NnFileReader *reader, NnSpec *spec)
{
	Members		members;
	NnError		part;

	NN_TRY(check_metadata(reader, "format", NN_FILE_FORMAT));
	NN_TRY(check_metadata(reader, "format_version", NN_FILE_VERSION));
	memset(spec, 0, sizeof(*spec));
	NN_TRY(open_members(reader, "spec", &members));
	NN_TRY(read_members(&members, spec));
	NN_TRY(close_members(&members));
	if (nn_spec_check(spec, &part) != NN_OK)
		return nn_file_malformed(reader->err, "Its \"spec\" is unsound: %s.", part.message);
	return NN_OK;
}

/* How text is cut; "exact", "unit" and "running" stand there only where they are not the usual. */
static NnStatus
read_text_members(Members *members, NnModel *model, int *n_units)
{
	int			unit;

	NN_TRY(integer_member(members, "units", NN_MAX_VOCABULARY, n_units));
	NN_TRY(boolean_member(members, "case_sensitive", &model->tokenizer.is_case_kept));
	NN_TRY(boolean_member(members, "char_ngrams", &model->has_ngrams));
	if (has_member(members, "exact"))
		NN_TRY(boolean_member(members, "exact", &model->tokenizer.is_exact));
	if (has_member(members, "unit"))
	{
		NN_TRY(name_member(members, "unit", nn_file_unit_from_name, &unit));
		model->unit = (NnUnit) unit;
	}
	if (has_member(members, "running"))
		NN_TRY(boolean_member(members, "running", &model->is_running));
	return NN_OK;
}

NnStatus
nn_file_read_reading(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	Members		members;
	const char *problem;

	NN_TRY(open_members(reader, "reading", &members));
	NN_TRY(integer_member(&members, "max_tokens", NN_FILE_MAX_TOKENS, &model->max_tokens));
	if (nn_file_has_text(&model->spec))
		NN_TRY(read_text_members(&members, model, &reader->n_units));
	if (model->spec.task == NN_TASK_FORECAST)
	{
		NN_TRY(integer_member(&members, "window", NN_MAX_WINDOW, &model->window));
		NN_TRY(integer_member(&members, "season", NN_MAX_WINDOW, &model->season));
	}
	NN_TRY(close_members(&members));
	problem = nn_file_reading_problem(model);
	if (problem != NULL)
		return nn_file_malformed(reader->err, "Its \"reading\" is unsound: %s.", problem);
	return NN_OK;
}

/* ---- labels and the training record ----------------------------------------------------- */

NnStatus
nn_file_read_labels(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	int			C = model->spec.n_outputs;
	size_t		n_pieces;
	NnJson		json;
	int			n = 0;

	NN_TRY(parse_metadata(reader, "labels", NN_JSON_ARRAY, NN_MAX_OUTPUTS + 1, &json));
	if (json.n_tokens != C + 1)
		return nn_file_malformed(reader->err, "Its \"labels\" are not %d, as its \"spec\" says.", C);

	/* Each label is a piece, rounded up to 64 bytes; so is the list of them. */
	n_pieces = json.n_bytes + (size_t) C * (sizeof(char *) + 64) + 64;
	NN_TRY(nn_file_reserve(reader, n_pieces));
	if (nn_arena_reserve(model->arena, n_pieces))
		model->labels = NN_ALLOC(model->arena, char *, (size_t) C);
	if (model->labels == NULL)
		return nn_file_no_memory(reader);
	for (int item = nn_json_first(&json, 0); item >= 0; item = nn_json_next(&json, 0, item))
	{
		const char *problem;
		size_t		n_bytes;

		if (nn_json_kind(&json, item) != NN_JSON_STRING)
			return nn_file_malformed(reader->err, "Label %d is not a text.", n + 1);
		model->labels[n] = nn_json_string(&json, item, model->arena, &n_bytes);
		if (model->labels[n] == NULL)
			return nn_file_no_memory(reader);
		problem = nn_file_label_problem(model->labels[n], n > 0 ? model->labels[n - 1] : NULL);
		if (problem != NULL)
			return nn_file_malformed(reader->err, "Label %d, \"%s\", %s.", n + 1, model->labels[n], problem);
		n++;
	}
	if (n != C)
		return nn_file_malformed(reader->err, "Its \"labels\" are not %d, as its \"spec\" says.", C);
	return NN_OK;
}

/* A decimal number; a file without one has 1. */
NnStatus
nn_file_read_temperature(NnFileReader *reader)
{
	char	   *text;
	char	   *end;
	size_t		n_bytes;

	NN_TRY(read_metadata(reader, "temperature", &text, &n_bytes));
	if (text == NULL)
		return NN_OK;
	if (n_bytes == 0 || strspn(text, "0123456789.e+-") != n_bytes)
		return nn_file_malformed(reader->err, "Its \"temperature\" is not a number.");
	/* nine digits name a float and no double */
	reader->model->temperature = (double) (float) strtod(text, &end);
	if (*end != '\0')
		return nn_file_malformed(reader->err, "Its \"temperature\" is not a number.");
	return NN_OK;
}

/* Checked and kept as text; nothing in it changes an answer. */
NnStatus
nn_file_read_training(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	NnJson		json;

	NN_TRY(parse_metadata(reader, "training", NN_JSON_OBJECT, NN_FILE_MAX_TRAINING, &json));
	if (json.n_tokens == 0)
		return NN_OK;
	NN_TRY(nn_file_reserve(reader, json.n_bytes + 1));
	model->training = nn_arena_copy(model->arena, json.text, json.n_bytes);
	return model->training != NULL ? NN_OK : nn_file_no_memory(reader);
}
