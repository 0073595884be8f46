/*
 * model/file_read.c: bytes that claim to be a model -> a model, or why not.
 *
 * The order keeps hostile bytes cheap:
 *
 *   1. the container is sound (safetensors.c): tensors lie in the file;
 *   2. spec and reading, all members, each in its range, and the spec as a whole;
 *   3. the file is long enough for as many numbers as the spec has, and what the
 *      spec will take in memory is within the limit;
 *   4. only now the net is created, and each of its tensors found, of the right
 *      shape, and finite;
 *   5. vocabulary, bag keys, standardization;
 *   6. no tensor is left over.
 *
 * What is read lives in a scratch arena until the end; the model owns copies.
 */
#include "model/file_private.h"

#include <math.h>
#include <string.h>

#define MAX_OBJECT_TOKENS 256	/* values and keys in spec or reading */

typedef struct Reader
{
	const NnEnv *env;
	NnArena    *scratch;
	size_t		limit_bytes;	/* SIZE_MAX: none */
	NnSafetensors file;
	NnModel    *model;			/* NULL while only the facts are read */
	int			n_units;
	NnError    *err;
} Reader;

/* ---- memory --------------------------------------------------------------------- */

/*
 * What an arena grows by, at most, when a piece of n_more bytes is asked of it or
 * reserved: a new block is as large as all before it, up to 8 MB (base/arena.c).
 */
static size_t
arena_growth(size_t n_held, size_t n_more)
{
	size_t		n_block = n_held < 8 * 1024 * 1024 ? n_held : 8 * 1024 * 1024;

	return nn_size_add(n_more > n_block ? n_more : n_block, 32 * 1024);
}

static size_t
bytes_held(const Reader *reader)
{
	return nn_arena_bytes(reader->scratch) + (reader->model != NULL ? nn_model_bytes(reader->model) : 0);
}

/* Fail before n_more bytes are allocated, if they would pass the limit. */
static NnStatus
reserve(const Reader *reader, size_t n_more)
{
	size_t		n_held = bytes_held(reader);
	size_t		n_needed = nn_size_add(n_held, arena_growth(n_held, n_more));

	if (reader->limit_bytes == SIZE_MAX || n_needed <= reader->limit_bytes)
		return NN_OK;
	nn_fail(reader->err, NN_ELIMIT, "the model needs more memory than is allowed");
	nn_fail_detail(reader->err, "Reading it may take %zu bytes; the limit is %zu bytes.",
				   n_needed, reader->limit_bytes);
	return NN_ELIMIT;
}

static NnStatus
out_of_memory(const Reader *reader)
{
	return nn_fail(reader->err, NN_ENOMEM, "out of memory");
}

/* ---- metadata -------------------------------------------------------------------- */

/* The metadata text of this name; NULL in *text if there is none. */
static NnStatus
read_metadata(Reader *reader, const char *name, char **text, size_t *n_bytes)
{
	const NnJson *json = &reader->file.header;
	int			value = -1;

	*text = NULL;
	if (reader->file.metadata >= 0)
		value = nn_json_find(json, reader->file.metadata, name);
	if (value < 0)
		return NN_OK;
	NN_TRY(reserve(reader, nn_json_string_bytes(json, value) + 1));
	*text = nn_json_string(json, value, reader->scratch, n_bytes);
	return *text != NULL ? NN_OK : out_of_memory(reader);
}

static NnStatus
check_metadata(Reader *reader, const char *name, const char *expected)
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
parse_metadata(Reader *reader, const char *name, NnJsonKind kind, size_t max_tokens, NnJson *json)
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
	NN_TRY(reserve(reader, nn_size_mul(max_tokens, NN_JSON_TOKEN_BYTES)));
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
	Reader	   *reader;
	const char *name;
	NnJson		json;
	int			n_read;
} Members;

static NnStatus
open_members(Reader *reader, const char *name, Members *members)
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
	NN_TRY(reserve(members->reader, nn_json_string_bytes(&members->json, value) + 1));
	*text = nn_json_string(&members->json, value, members->reader->scratch, &n_bytes);
	if (*text == NULL)
		return out_of_memory(members->reader);
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

static NnStatus
read_spec(Reader *reader, NnSpec *spec)
{
	Members		members;
	int			task,
				input,
				cell,
				wide,
				pool;
	NnError		part;

	memset(spec, 0, sizeof(*spec));
	NN_TRY(open_members(reader, "spec", &members));
	NN_TRY(name_member(&members, "task", nn_task_from_name, &task));
	NN_TRY(name_member(&members, "input", nn_input_from_name, &input));
	NN_TRY(integer_member(&members, "outputs", NN_MAX_OUTPUTS, &spec->n_outputs));
	NN_TRY(name_member(&members, "cell", nn_cell_from_name, &cell));
	NN_TRY(integer_member(&members, "layers", NN_MAX_LAYERS, &spec->n_layers));
	NN_TRY(integer_member(&members, "hidden", NN_MAX_HIDDEN, &spec->hidden));
	NN_TRY(boolean_member(&members, "bidirectional", &spec->is_bidirectional));
	NN_TRY(name_member(&members, "pool", pool_from_text, &pool));
	NN_TRY(integer_member(&members, "vocabulary", NN_MAX_VOCABULARY, &spec->vocabulary));
	NN_TRY(integer_member(&members, "embedding", NN_MAX_EMBEDDING, &spec->embedding));
	NN_TRY(name_member(&members, "wide", nn_wide_from_name, &wide));
	NN_TRY(integer_member(&members, "wide_inputs", NN_MAX_WIDE_INPUTS, &spec->wide_inputs));
	NN_TRY(integer_member(&members, "wide_hidden", NN_MAX_HIDDEN, &spec->wide_hidden));
	NN_TRY(close_members(&members));

	spec->task = (NnTask) task;
	spec->input = (NnInputKind) input;
	spec->cell = (NnCell) cell;
	spec->wide = (NnWide) wide;
	spec->pool = (unsigned) pool;
	if (nn_spec_check(spec, &part) != NN_OK)
		return nn_file_malformed(reader->err, "Its \"spec\" is unsound: %s.", part.message);
	return NN_OK;
}

/* The data cannot hold the spec's numbers unless there are two bytes for each. */
static NnStatus
check_extent(const Reader *reader, const NnSpec *spec)
{
	const NnSafetensors *file = &reader->file;
	size_t		n_data = 0;

	for (int i = 0; i < file->n_tensors; i++)
		n_data += file->tensors[i].n_bytes;
	if ((uint64_t) nn_spec_n_numbers(spec) > n_data / 2)
		return nn_file_malformed(reader->err, "Its \"spec\" has %lld numbers; its tensors are too short for that.",
								 (long long) nn_spec_n_numbers(spec));
	return NN_OK;
}

/* Everything that peek and read have in common. */
static NnStatus
read_facts(Reader *reader, const void *bytes, size_t n_bytes, NnSpec *spec)
{
	NN_TRY(reserve(reader, 128 * 1024));	/* the header's tokens are bounded */
	NN_TRY(nn_safetensors_open(&reader->file, bytes, n_bytes, reader->scratch, reader->err));
	NN_TRY(check_metadata(reader, "format", NN_FILE_FORMAT));
	NN_TRY(check_metadata(reader, "format_version", NN_FILE_VERSION));
	NN_TRY(read_spec(reader, spec));
	return check_extent(reader, spec);
}

static NnStatus
read_reading(Reader *reader)
{
	NnModel    *model = reader->model;
	Members		members;

	NN_TRY(open_members(reader, "reading", &members));
	NN_TRY(integer_member(&members, "max_tokens", NN_FILE_MAX_TOKENS, &model->max_tokens));
	if (model->max_tokens == 0)
		return bad_member(&members, "max_tokens", "a whole number in its range");
	if (model->spec.input == NN_INPUT_TEXT)
	{
		NN_TRY(integer_member(&members, "units", NN_MAX_VOCABULARY, &reader->n_units));
		NN_TRY(boolean_member(&members, "case_sensitive", &model->tokenizer.is_case_kept));
		NN_TRY(boolean_member(&members, "char_ngrams", &model->has_ngrams));
	}
	return close_members(&members);
}

/* ---- labels and the training record ----------------------------------------------------- */

static NnStatus
read_labels(Reader *reader)
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
	NN_TRY(reserve(reader, n_pieces));
	if (nn_arena_reserve(model->arena, n_pieces))
		model->labels = NN_ALLOC(model->arena, char *, (size_t) C);
	if (model->labels == NULL)
		return out_of_memory(reader);
	for (int item = nn_json_first(&json, 0); item >= 0; item = nn_json_next(&json, 0, item))
	{
		const char *problem;
		size_t		n_bytes;

		if (nn_json_kind(&json, item) != NN_JSON_STRING)
			return nn_file_malformed(reader->err, "Label %d is not a text.", n + 1);
		model->labels[n] = nn_json_string(&json, item, model->arena, &n_bytes);
		if (model->labels[n] == NULL)
			return out_of_memory(reader);
		problem = nn_file_label_problem(model->labels[n], n > 0 ? model->labels[n - 1] : NULL);
		if (problem != NULL)
			return nn_file_malformed(reader->err, "Label %d, \"%s\", %s.", n + 1, model->labels[n], problem);
		n++;
	}
	if (n != C)
		return nn_file_malformed(reader->err, "Its \"labels\" are not %d, as its \"spec\" says.", C);
	return NN_OK;
}

/* Checked and kept as text; nothing in it changes an answer. */
static NnStatus
read_training(Reader *reader)
{
	NnModel    *model = reader->model;
	NnJson		json;

	NN_TRY(parse_metadata(reader, "training", NN_JSON_OBJECT, NN_FILE_MAX_TRAINING, &json));
	if (json.n_tokens == 0)
		return NN_OK;
	NN_TRY(reserve(reader, json.n_bytes + 1));
	model->training = nn_arena_copy(model->arena, json.text, json.n_bytes);
	return model->training != NULL ? NN_OK : out_of_memory(reader);
}

/* ---- tensors --------------------------------------------------------------------------- */

/* Take a vector of n numbers; n < 0: of any length. */
static NnStatus
take_vector(Reader *reader, const char *name, NnDtype dtype, int64_t n, const NnSafetensor **taken)
{
	const NnSafetensor *tensor = nn_safetensors_take(&reader->file, name);

	if (tensor == NULL)
		return nn_file_malformed(reader->err, "Tensor \"%s\" is missing.", name);
	if (tensor->dtype != dtype || tensor->n_dims != 1 || (n >= 0 && tensor->shape[0] != n))
		return nn_file_malformed(reader->err, "Tensor \"%s\" has not the dtype and shape that its \"spec\" asks for.",
								 name);
	*taken = tensor;
	return NN_OK;
}

static NnStatus
read_floats(Reader *reader, const NnSafetensor *stored, int64_t n, float *out)
{
	for (int64_t from = 0; from < n; from += NN_FILE_CHUNK)
	{
		int64_t		n_now = n - from < NN_FILE_CHUNK ? n - from : NN_FILE_CHUNK;

		if (reader->env->poll(reader->env->ctx) != 0)
			return nn_fail(reader->err, NN_ECANCELED, "canceled");
		if (!nn_safetensors_floats(stored, from, n_now, out + from))
			return nn_file_malformed(reader->err, "Tensor \"%s\" holds a number that is not finite.", stored->name);
	}
	return NN_OK;
}

static NnStatus
read_net_tensor(Reader *reader, NnTensor *tensor)
{
	const NnSafetensor *stored = nn_safetensors_take(&reader->file, tensor->name);
	bool		fits;

	if (stored == NULL)
		return nn_file_malformed(reader->err, "Tensor \"%s\" is missing.", tensor->name);
	if (tensor->is_vector)
		fits = stored->n_dims == 1 && stored->shape[0] == tensor->n_columns;
	else
		fits = stored->n_dims == 2 && stored->shape[0] == tensor->n_rows &&
			stored->shape[1] == tensor->n_columns;
	if (!fits || (stored->dtype != NN_DTYPE_F32 && (stored->dtype != NN_DTYPE_F16 || tensor->is_vector)))
		return nn_file_malformed(reader->err, "Tensor \"%s\" has not the dtype and shape that its \"spec\" asks for.",
								 tensor->name);
	return read_floats(reader, stored, (int64_t) tensor->n_rows * tensor->n_columns, tensor->data);
}

static NnStatus
read_net(Reader *reader)
{
	NnModel    *model = reader->model;

	NN_TRY(reserve(reader, nn_net_bytes(&model->spec, false)));
	if (!nn_arena_reserve(model->arena, nn_net_bytes(&model->spec, false)))
		return out_of_memory(reader);
	NN_TRY(nn_net_create(&model->net, model->arena, &model->spec, false, reader->err));
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
		NN_TRY(read_net_tensor(reader, nn_net_tensor(model->net, i)));
	return NN_OK;
}

/*
 * Memory for each entry of a vocabulary: where it starts, and its slots in a hash
 * table that is at least a third full.  For each key of the bag: the key, and its
 * share of the buckets.
 */
#define VOCABULARY_ENTRY_BYTES	56
#define FEATURE_KEY_BYTES		16

static NnStatus
read_vocabulary(Reader *reader)
{
	NnModel    *model = reader->model;
	int64_t		n_entries = model->spec.vocabulary - 256;
	const NnSafetensor *lengths;
	const NnSafetensor *bytes;
	NnError		part;
	NnStatus	status;

	NN_TRY(take_vector(reader, NN_FILE_LENGTHS, NN_DTYPE_U8, 2 * n_entries, &lengths));
	NN_TRY(take_vector(reader, NN_FILE_BYTES, NN_DTYPE_U8, -1, &bytes));
	NN_TRY(reserve(reader, nn_size_add((size_t) model->spec.vocabulary * VOCABULARY_ENTRY_BYTES, bytes->n_bytes)));
	status = nn_vocabulary_read(&model->vocabulary, reader->n_units, lengths->data, lengths->n_bytes,
								bytes->data, bytes->n_bytes, reader->env, &part);
	return status == NN_OK ? NN_OK : nn_file_pass_on(reader->err, status, &part);
}

static NnStatus
read_features(Reader *reader)
{
	NnModel    *model = reader->model;
	const NnSafetensor *keys;
	NnError		part;
	NnStatus	status;

	NN_TRY(take_vector(reader, NN_FILE_KEYS, NN_DTYPE_I64, model->spec.wide_inputs, &keys));
	NN_TRY(reserve(reader, (size_t) model->spec.wide_inputs * FEATURE_KEY_BYTES));
	status = nn_feature_index_read(&model->features, keys->data, model->spec.wide_inputs, reader->env, &part);
	return status == NN_OK ? NN_OK : nn_file_pass_on(reader->err, status, &part);
}

/* Standardization of the channels; a scale of 0 would hide a channel, so there is none. */
static NnStatus
read_channels(Reader *reader)
{
	NnModel    *model = reader->model;
	int			n = model->spec.embedding;
	const NnSafetensor *mean;
	const NnSafetensor *scale;

	NN_TRY(take_vector(reader, NN_FILE_MEAN, NN_DTYPE_F32, n, &mean));
	NN_TRY(take_vector(reader, NN_FILE_SCALE, NN_DTYPE_F32, n, &scale));
	NN_TRY(reserve(reader, 2 * (size_t) n * sizeof(float)));
	model->n_channels = n;
	model->input_mean = NN_ALLOC(model->arena, float, (size_t) n);
	model->input_scale = NN_ALLOC(model->arena, float, (size_t) n);
	if (model->input_mean == NULL || model->input_scale == NULL)
		return out_of_memory(reader);
	NN_TRY(read_floats(reader, mean, n, model->input_mean));
	NN_TRY(read_floats(reader, scale, n, model->input_scale));
	for (int i = 0; i < n; i++)
		if (!(model->input_scale[i] > 0))
			return nn_file_malformed(reader->err, "The scale of channel %d is not positive.", i + 1);
	if (model->spec.wide == NN_WIDE_FLAT)
		model->flat_steps = model->spec.wide_inputs / n;
	return NN_OK;
}

static NnStatus
read_target(Reader *reader)
{
	NnModel    *model = reader->model;
	const NnSafetensor *target;

	NN_TRY(take_vector(reader, NN_FILE_TARGET, NN_DTYPE_F64, 2, &target));
	model->target_mean = nn_safetensors_double(target, 0);
	model->target_scale = nn_safetensors_double(target, 1);
	if (!isfinite(model->target_mean) || !isfinite(model->target_scale) || !(model->target_scale > 0))
		return nn_file_malformed(reader->err, "Its target has no finite mean and positive scale.");
	return NN_OK;
}

static NnStatus
check_all_taken(const Reader *reader)
{
	for (int i = 0; i < reader->file.n_tensors; i++)
		if (!reader->file.tensors[i].is_taken)
			return nn_file_malformed(reader->err, "Tensor \"%s\" does not belong to its \"spec\".",
									 reader->file.tensors[i].name);
	return NN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static NnStatus
read_model(Reader *reader, const void *bytes, size_t n_bytes)
{
	NnSpec		spec;

	NN_TRY(read_facts(reader, bytes, n_bytes, &spec));
	NN_TRY(reserve(reader, sizeof(NnModel) + 16 * 1024));
	NN_TRY(nn_model_create(&reader->model, reader->env, reader->err));
	reader->model->spec = spec;
	NN_TRY(read_reading(reader));
	if (spec.task == NN_TASK_CLASSIFY)
		NN_TRY(read_labels(reader));
	NN_TRY(read_training(reader));
	NN_TRY(read_net(reader));
	if (spec.input == NN_INPUT_TEXT && spec.cell != NN_CELL_NONE)
		NN_TRY(read_vocabulary(reader));
	else if (reader->n_units != 0)
		return nn_file_malformed(reader->err, "It has units but no vocabulary.");
	if (spec.wide == NN_WIDE_BAG)
		NN_TRY(read_features(reader));
	if (spec.input != NN_INPUT_TEXT)
		NN_TRY(read_channels(reader));
	if (spec.task == NN_TASK_REGRESS)
		NN_TRY(read_target(reader));
	NN_TRY(check_all_taken(reader));
	nn_net_pack(reader->model->net);
	return NN_OK;
}

static NnStatus
start(Reader *reader, size_t limit_bytes, const NnEnv *env, NnError *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->env = env;
	reader->limit_bytes = limit_bytes == 0 ? SIZE_MAX : limit_bytes;
	reader->err = err;
	reader->scratch = nn_arena_create(env);
	return reader->scratch != NULL ? NN_OK : out_of_memory(reader);
}

NnStatus
nn_file_read(NnModel **model, const void *bytes, size_t n_bytes, size_t limit_bytes,
			 const NnEnv *env, NnError *err)
{
	Reader		reader;
	NnStatus	status;

	*model = NULL;
	NN_TRY(start(&reader, limit_bytes, env, err));
	status = read_model(&reader, bytes, n_bytes);
	nn_arena_destroy(reader.scratch);
	if (status != NN_OK)
	{
		nn_model_destroy(reader.model);
		return status;
	}
	*model = reader.model;
	return NN_OK;
}

NnStatus
nn_file_peek(const void *bytes, size_t n_bytes, NnSpec *spec, const NnEnv *env, NnError *err)
{
	Reader		reader;
	NnStatus	status;

	NN_TRY(start(&reader, 0, env, err));
	status = read_facts(&reader, bytes, n_bytes, spec);
	nn_arena_destroy(reader.scratch);
	return status;
}
