/*
 * model/file_read.c: bytes that claim to be a model -> a model, or why not.
 *
 * The order keeps hostile bytes cheap:
 *
 *   1. the container is sound (safetensors.c): tensors lie in the file;
 *   2. spec and reading, all members, each in its range, and the spec as a whole
 *      (file_metadata.c);
 *   3. the file is long enough for as many numbers as the spec has, and what the
 *      spec will take in memory is within the limit;
 *   4. vocabulary, bag keys, standardization, the rules of tags;
 *   5. only now the net is created, and each of its tensors found, of the right
 *      shape, and finite;
 *   6. no tensor is left over.
 *
 * The net comes last because an arena doubles: small pieces behind a large block
 * would ask for another one as large.
 *
 * What is read lives in a scratch arena until the end; the model owns copies.
 */
#include "model/file_private.h"

#include <math.h>
#include <string.h>

#include "model/pieces.h"

/* Input sides of words that are computed beforehand: about 2000 of a network of the usual size. */
#define PROJECTED_BYTES ((size_t) 8 * 1024 * 1024)

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
bytes_held(const NnFileReader *reader)
{
	return nn_arena_bytes(reader->scratch) + (reader->model != NULL ? nn_model_bytes(reader->model) : 0);
}

NnStatus
nn_file_reserve(const NnFileReader *reader, size_t n_more)
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

NnStatus
nn_file_no_memory(const NnFileReader *reader)
{
	return nn_fail(reader->err, NN_ENOMEM, "out of memory");
}

/* ---- tensors --------------------------------------------------------------------------- */

/* Take a vector of n numbers; n < 0: of any length. */
static NnStatus
take_vector(NnFileReader *reader, const char *name, NnDtype dtype, int64_t n, const NnSafetensor **taken)
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
read_floats(NnFileReader *reader, const NnSafetensor *stored, int64_t n, float *out)
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
read_net_tensor(NnFileReader *reader, NnTensor *tensor)
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
read_net(NnFileReader *reader)
{
	NnModel    *model = reader->model;

	NN_TRY(nn_file_reserve(reader, nn_net_bytes(&model->spec, false)));
	if (!nn_arena_reserve(model->arena, nn_net_bytes(&model->spec, false)))
		return nn_file_no_memory(reader);
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
read_vocabulary(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	int64_t		n_entries = model->spec.vocabulary - 256;
	const NnSafetensor *lengths;
	const NnSafetensor *bytes;
	NnError		part;
	NnStatus	status;

	NN_TRY(take_vector(reader, NN_FILE_LENGTHS, NN_DTYPE_U8, 2 * n_entries, &lengths));
	NN_TRY(take_vector(reader, NN_FILE_BYTES, NN_DTYPE_U8, -1, &bytes));
	NN_TRY(nn_file_reserve(reader, nn_size_add((size_t) model->spec.vocabulary * VOCABULARY_ENTRY_BYTES, bytes->n_bytes)));
	status = nn_vocabulary_read(&model->vocabulary, reader->n_units, lengths->data, lengths->n_bytes,
								bytes->data, bytes->n_bytes, reader->home, &part);
	return status == NN_OK ? NN_OK : nn_file_pass_on(reader->err, status, &part);
}

static NnStatus
read_features(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	const NnSafetensor *keys;
	NnError		part;
	int			n = nn_file_features(&model->spec);
	NnStatus	status;

	NN_TRY(take_vector(reader, nn_file_keys_name(&model->spec), NN_DTYPE_I64, n, &keys));
	NN_TRY(nn_file_reserve(reader, (size_t) n * FEATURE_KEY_BYTES));
	status = nn_feature_index_read(&model->features, keys->data, n, reader->home, &part);
	return status == NN_OK ? NN_OK : nn_file_pass_on(reader->err, status, &part);
}

/* Standardization of the channels; a scale of 0 would hide a channel, so there is none. */
static NnStatus
read_channels(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	int			n = nn_spec_channels(&model->spec);
	const NnSafetensor *mean;
	const NnSafetensor *scale;

	NN_TRY(take_vector(reader, NN_FILE_MEAN, NN_DTYPE_F32, n, &mean));
	NN_TRY(take_vector(reader, NN_FILE_SCALE, NN_DTYPE_F32, n, &scale));
	NN_TRY(nn_file_reserve(reader, 2 * (size_t) n * sizeof(float)));
	model->n_channels = n;
	model->input_mean = NN_ALLOC(model->arena, float, (size_t) n);
	model->input_scale = NN_ALLOC(model->arena, float, (size_t) n);
	if (model->input_mean == NULL || model->input_scale == NULL)
		return nn_file_no_memory(reader);
	NN_TRY(read_floats(reader, mean, n, model->input_mean));
	NN_TRY(read_floats(reader, scale, n, model->input_scale));
	for (int i = 0; i < n; i++)
		if (!(model->input_scale[i] > 0))
			return nn_file_malformed(reader->err, "The scale of channel %d is not positive.", i + 1);
	model->flat_steps = nn_file_flat_steps(&model->spec);
	return NN_OK;
}

static NnStatus
read_target(NnFileReader *reader)
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
read_thresholds(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	int			n = model->spec.n_outputs;
	const NnSafetensor *threshold;

	NN_TRY(take_vector(reader, NN_FILE_THRESHOLD, NN_DTYPE_F32, n, &threshold));
	NN_TRY(nn_file_reserve(reader, (size_t) n * sizeof(float)));
	model->threshold = NN_ALLOC(model->arena, float, (size_t) n);
	if (model->threshold == NULL)
		return nn_file_no_memory(reader);
	return read_floats(reader, threshold, n, model->threshold);
}

/* What is decided from probabilities. */
static NnStatus
read_decision(NnFileReader *reader)
{
	const char *problem;

	NN_TRY(nn_file_read_temperature(reader));
	if (reader->model->spec.is_multi_label)
		NN_TRY(read_thresholds(reader));
	problem = nn_file_decision_problem(reader->model);
	return problem == NULL ? NN_OK : nn_file_malformed(reader->err, "It is unsound: %s.", problem);
}

/* Bytes of a tag in a scheme: three arrays, and its type's name, rounded up to 64. */
#define TAG_BYTES	128

/* What the tags mean and which may follow which: made of the labels, as the learner makes it. */
static NnStatus
make_tag_rules(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	int			K = model->spec.n_outputs;
	size_t		n_bytes = (size_t) (K + 1) * (size_t) K + 1024;
	NnError		part;
	NnStatus	status;

	for (int k = 0; k < K; k++)
		n_bytes += strlen(model->labels[k]) + TAG_BYTES;
	NN_TRY(nn_file_reserve(reader, n_bytes));
	if (!nn_arena_reserve(model->arena, n_bytes))
		return nn_file_no_memory(reader);
	status = nn_tag_scheme(&model->scheme, (const char *const *) model->labels, K, model->arena, &part);
	if (status == NN_OK)
		status = nn_tag_rules(&model->scheme, model->arena, &model->allowed, &part);
	return status == NN_OK ? NN_OK : nn_file_pass_on(reader->err, status, &part);
}

static NnStatus
check_all_taken(const NnFileReader *reader)
{
	for (int i = 0; i < reader->file.n_tensors; i++)
		if (!reader->file.tensors[i].is_taken)
			return nn_file_malformed(reader->err, "Tensor \"%s\" does not belong to its \"spec\".",
									 reader->file.tensors[i].name);
	return NN_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

/* The data cannot hold the spec's numbers unless there are two bytes for each. */
static NnStatus
check_extent(const NnFileReader *reader, const NnSpec *spec)
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
read_facts(NnFileReader *reader, const void *bytes, size_t n_bytes, NnSpec *spec)
{
	NN_TRY(nn_file_reserve(reader, 128 * 1024));	/* the header's tokens are bounded */
	NN_TRY(nn_safetensors_open(&reader->file, bytes, n_bytes, reader->scratch, reader->err));
	NN_TRY(nn_file_read_spec(reader, spec));
	return check_extent(reader, spec);
}

/*
 * Input sides of the most frequent words, if there is room: no more than what is
 * there already, and than one block of the arena.
 */
static NnStatus
project_words(NnFileReader *reader)
{
	NnModel    *model = reader->model;
	size_t		n_each = nn_net_projected_bytes(model->net);
	size_t		n_room = nn_arena_bytes(model->arena) < PROJECTED_BYTES ? nn_arena_bytes(model->arena) : PROJECTED_BYTES;
	NnStatus	status;
	int32_t		first;
	int32_t		n;

	if (n_each == 0 || nn_size_add(bytes_held(reader), arena_growth(n_room, n_room)) > reader->limit_bytes)
		return NN_OK;
	first = 256 + nn_vocabulary_n_units(model->vocabulary);
	n = model->spec.vocabulary - first;
	if ((size_t) n > (n_room - 128) / n_each)
		n = (int32_t) ((n_room - 128) / n_each);
	if (n <= 0)
		return NN_OK;
	status = nn_net_project(model->net, first, n, reader->err);
	/* answers can do without */
	return status == NN_ENOMEM ? NN_OK : status;
}

static NnStatus
read_model(NnFileReader *reader, const void *bytes, size_t n_bytes)
{
	bool	   *starts_word = NULL;
	NnSpec		spec;

	NN_TRY(read_facts(reader, bytes, n_bytes, &spec));
	NN_TRY(nn_file_reserve(reader, nn_size_add(nn_net_bytes(&spec, false), sizeof(NnModel) + 16 * 1024)));
	NN_TRY(nn_model_create(&reader->model, reader->home, reader->err));
	reader->model->spec = spec;
	NN_TRY(nn_file_read_reading(reader));
	if (nn_file_has_labels(&spec))
		NN_TRY(nn_file_read_labels(reader));
	NN_TRY(nn_file_read_training(reader));
	if (spec.vocabulary > 0)
	{
		NN_TRY(read_vocabulary(reader));
		NN_TRY(nn_find_pieces(reader->model, reader->model->arena, &starts_word, reader->err));
	}
	else if (reader->n_units != 0)
		return nn_file_malformed(reader->err, "It has units but no vocabulary.");
	if (nn_file_features(&spec) > 0)
		NN_TRY(read_features(reader));
	if (spec.input != NN_INPUT_TEXT)
		NN_TRY(read_channels(reader));
	if (spec.task == NN_TASK_REGRESS)
		NN_TRY(read_target(reader));
	if (spec.task == NN_TASK_TAG)
		NN_TRY(make_tag_rules(reader));
	NN_TRY(read_decision(reader));
	NN_TRY(read_net(reader));
	nn_use_pieces(reader->model, starts_word);
	NN_TRY(check_all_taken(reader));
	nn_net_pack(reader->model->net);
	return project_words(reader);
}

static NnStatus
start(NnFileReader *reader, size_t limit_bytes, const NnEnv *home, const NnEnv *env, NnError *err)
{
	memset(reader, 0, sizeof(*reader));
	reader->env = env;
	reader->home = home;
	reader->limit_bytes = limit_bytes == 0 ? SIZE_MAX : limit_bytes;
	reader->err = err;
	reader->scratch = nn_arena_create(env);
	return reader->scratch != NULL ? NN_OK : nn_file_no_memory(reader);
}

NnStatus
nn_file_read_into(NnModel **model, const void *bytes, size_t n_bytes, size_t limit_bytes,
				  const NnEnv *home, const NnEnv *env, NnError *err)
{
	NnFileReader reader;
	NnStatus	status;

	*model = NULL;
	NN_TRY(start(&reader, limit_bytes, home, env, err));
	status = read_model(&reader, bytes, n_bytes);
	nn_arena_destroy(reader.scratch);
	if (status != NN_OK)
	{
		nn_model_destroy(reader.model);
		return status;
	}
	reader.model->env = env;
	*model = reader.model;
	return NN_OK;
}

NnStatus
nn_file_read(NnModel **model, const void *bytes, size_t n_bytes, size_t limit_bytes,
			 const NnEnv *env, NnError *err)
{
	return nn_file_read_into(model, bytes, n_bytes, limit_bytes, env, env, err);
}

NnStatus
nn_file_peek(const void *bytes, size_t n_bytes, NnSpec *spec, const NnEnv *env, NnError *err)
{
	NnFileReader reader;
	NnStatus	status;

	NN_TRY(start(&reader, 0, env, env, err));
	status = read_facts(&reader, bytes, n_bytes, spec);
	nn_arena_destroy(reader.scratch);
	return status;
}
