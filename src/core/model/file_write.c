/*
 * model/file_write.c: a model -> the bytes of its file, and rounding to them.
 *
 * Three steps: metadata as JSON text, a list of tensors that points at the
 * model's own numbers, then the numbers into their places.  What the model is
 * not sure to have right because it came from data (labels, standardization,
 * weights, the training record) is checked first, so that what was written can
 * be read.
 */
#include "model/file_private.h"

#include <math.h>
#include <string.h>

/* What is being written; lives for one call. */
typedef struct Writer
{
	const NnModel *model;
	NnFloatKind kind;
	NnSafetensor tensors[NN_SAFETENSORS_MAX];
	int			n_tensors;
	NnArray		metadata;		/* JSON object */
	NnArray		value;			/* a metadata text before it is quoted */
	NnArray		lengths;		/* of the vocabulary */
	NnArray		bytes;
	double		target[2];
} Writer;

/* ---- checks ---------------------------------------------------------------------- */

static bool
is_scale(double scale)
{
	return isfinite(scale) && scale > 0;
}

static NnStatus
check_labels(const NnModel *model, NnError *err)
{
	for (int i = 0; i < model->spec.n_outputs; i++)
	{
		const char *problem = nn_file_label_problem(model->labels[i], i > 0 ? model->labels[i - 1] : NULL);

		if (problem != NULL)
			return nn_fail(err, NN_EINVAL, "label %d %s", i + 1, problem);
	}
	return NN_OK;
}

static NnStatus
check_training(const NnModel *model, NnError *err)
{
	NnArena    *scratch;
	NnJson		json;
	NnStatus	status;

	if (model->training[0] == '\0')
		return NN_OK;
	scratch = nn_arena_create(model->env);
	if (scratch == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = nn_json_parse(&json, "the training record", model->training, strlen(model->training),
						   NN_FILE_MAX_TRAINING, scratch, err);
	if (status == NN_OK && nn_json_kind(&json, 0) != NN_JSON_OBJECT)
		status = nn_fail(err, NN_EINVAL, "the training record is not a JSON object");
	nn_arena_destroy(scratch);
	return status;
}

static NnStatus
check_channels(const NnModel *model, NnError *err)
{
	if (model->n_channels != nn_spec_channels(&model->spec) ||
		model->flat_steps != nn_file_flat_steps(&model->spec))
		return nn_fail(err, NN_EINVAL, "the model has %d channels and %d steps of fixed length, its network has others",
					   model->n_channels, model->flat_steps);
	for (int i = 0; i < model->n_channels; i++)
		if (!isfinite(model->input_mean[i]) || !is_scale((double) model->input_scale[i]))
			return nn_fail(err, NN_ERANGE, "channel %d has no finite mean and positive scale", i + 1);
	return NN_OK;
}

/* Has the model the words and features that its network has rows for? */
static NnStatus
check_tables(const NnModel *model, NnError *err)
{
	int64_t		n_features = nn_file_features(&model->spec);

	if ((model->vocabulary != NULL ? nn_vocabulary_n(model->vocabulary) : 0) != model->spec.vocabulary ||
		(model->features != NULL ? nn_feature_index_n(model->features) : 0) != n_features)
		return nn_fail(err, NN_EINVAL, "the model's vocabulary or features are not as many as its network has rows");
	return NN_OK;
}

static NnStatus
check_model(const NnModel *model, NnError *err)
{
	const NnSpec *spec = &model->spec;
	const char *problem;

	NN_TRY(nn_spec_check(spec, err));
	problem = nn_file_reading_problem(model);
	if (problem != NULL)
		return nn_fail(err, NN_EINVAL, "%s", problem);
	if (nn_file_has_labels(spec))
		NN_TRY(check_labels(model, err));
	if (spec->task == NN_TASK_REGRESS && (!isfinite(model->target_mean) || !is_scale(model->target_scale)))
		return nn_fail(err, NN_ERANGE, "the target has no finite mean and positive scale");
	if (nn_file_decision_problem(model) != NULL)
		return nn_fail(err, NN_ERANGE, "%s", nn_file_decision_problem(model));
	if (spec->input != NN_INPUT_TEXT)
		NN_TRY(check_channels(model, err));
	NN_TRY(check_tables(model, err));
	return check_training(model, err);
}

/* Is every number finite, and still so in the precision asked for? */
static NnStatus
check_weights(const NnModel *model, NnFloatKind kind, NnError *err)
{
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(model->net, i);
		int64_t		n = (int64_t) tensor->n_rows * tensor->n_columns;

		/* 65520 is the least number that rounds to no half but to infinity. */
		float		bound = kind == NN_FLOAT_F16 && !tensor->is_vector ? 65520.0f : INFINITY;

		for (int64_t j = 0; j < n; j++)
		{
			if (j % NN_FILE_CHUNK == 0 && model->env->poll(model->env->ctx) != 0)
				return nn_fail(err, NN_ECANCELED, "canceled");
			if (fabsf(tensor->data[j]) < bound)
				continue;
			nn_fail(err, NN_ERANGE, "a weight in \"%s\" is %g", tensor->name, (double) tensor->data[j]);
			if (isfinite(tensor->data[j]))
				nn_fail_hint(err, "Store the model with \"weights\": \"f32\".");
			return NN_ERANGE;
		}
	}
	return NN_OK;
}

/* ---- metadata ----------------------------------------------------------------------- */

/* Append the metadata text `name`, which stands in writer->value, and clear that. */
static NnStatus
add_metadata(Writer *writer, const char *name)
{
	NnArray    *out = &writer->metadata;

	NN_TRY(nn_write_bytes(out, out->n == 0 ? "{" : ",", 1));
	NN_TRY(nn_json_write_string(out, name, strlen(name)));
	NN_TRY(nn_write_bytes(out, ":", 1));
	NN_TRY(nn_json_write_string(out, writer->value.data, writer->value.n));
	writer->value.n = 0;
	return NN_OK;
}

static const char *
boolean_text(bool value)
{
	return value ? "true" : "false";
}

/* Members that a spec has because of its task. */
static NnStatus
write_task_members(NnArray *out, const NnSpec *spec)
{
	switch (spec->task)
	{
		case NN_TASK_TAG:
			return nn_write_format(out, ",\"spelling_rows\":%d,\"spelling\":%d", spec->spelling_rows, spec->spelling);
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return nn_write_format(out, ",\"decoder_layers\":%d,\"copy\":%s,\"channels\":%d",
								   spec->decoder_layers, boolean_text(spec->has_copy), spec->channels);
		case NN_TASK_LANGUAGE:
			if (spec->document_words == 0)
				return NN_OK;
			return nn_write_format(out, ",\"document_words\":%d,\"document\":%d", spec->document_words, spec->document);
		case NN_TASK_FORECAST:
			return nn_write_format(out, ",\"horizon\":%d,\"quantiles\":%d", spec->horizon, spec->n_quantiles);
		case NN_TASK_CLASSIFY:
			return spec->is_multi_label ? nn_write_format(out, ",\"multi_label\":true") : NN_OK;
		default:
			return NN_OK;
	}
}

static NnStatus
write_spec(NnArray *out, const NnSpec *spec)
{
	char		pool[64];

	nn_pool_format(spec->pool, pool, sizeof(pool));
	NN_TRY(nn_write_format(out,
						   "{\"task\":\"%s\",\"input\":\"%s\",\"outputs\":%d,"
						   "\"cell\":\"%s\",\"layers\":%d,\"hidden\":%d,\"bidirectional\":%s,"
						   "\"pool\":\"%s\",\"vocabulary\":%d,\"embedding\":%d,"
						   "\"wide\":\"%s\",\"wide_inputs\":%d,\"wide_hidden\":%d",
						   nn_task_name(spec->task), nn_input_name(spec->input), spec->n_outputs,
						   nn_cell_name(spec->cell), spec->n_layers, spec->hidden,
						   boolean_text(spec->is_bidirectional),
						   pool, spec->vocabulary, spec->embedding,
						   nn_wide_name(spec->wide), spec->wide_inputs, spec->wide_hidden));
	NN_TRY(write_task_members(out, spec));
	return nn_write_bytes(out, "}", 1);
}

/* How text is cut.  The last three are younger than the others: files without them read as they always did. */
static NnStatus
write_text_members(NnArray *out, const NnModel *model)
{
	NN_TRY(nn_write_format(out, ",\"units\":%d,\"case_sensitive\":%s,\"char_ngrams\":%s",
						   model->vocabulary != NULL ? nn_vocabulary_n_units(model->vocabulary) : 0,
						   boolean_text(model->tokenizer.is_case_kept),
						   boolean_text(model->has_ngrams)));
	if (model->tokenizer.is_exact)
		NN_TRY(nn_write_format(out, ",\"exact\":true"));
	if (model->unit != NN_UNIT_WORD)
		NN_TRY(nn_write_format(out, ",\"unit\":\"%s\"", nn_file_unit_name(model->unit)));
	if (model->is_running)
		NN_TRY(nn_write_format(out, ",\"running\":true"));
	return NN_OK;
}

static NnStatus
write_reading(NnArray *out, const NnModel *model)
{
	NN_TRY(nn_write_format(out, "{\"max_tokens\":%d", model->max_tokens));
	if (nn_file_has_text(&model->spec))
		NN_TRY(write_text_members(out, model));
	if (model->spec.task == NN_TASK_FORECAST)
		NN_TRY(nn_write_format(out, ",\"window\":%d,\"season\":%d", model->window, model->season));
	return nn_write_bytes(out, "}", 1);
}

static NnStatus
write_labels(NnArray *out, const NnModel *model)
{
	for (int i = 0; i < model->spec.n_outputs; i++)
	{
		NN_TRY(nn_write_bytes(out, i == 0 ? "[" : ",", 1));
		NN_TRY(nn_json_write_string(out, model->labels[i], strlen(model->labels[i])));
	}
	return nn_write_bytes(out, "]", 1);
}

/* What is younger than the others: files without it read as they always did. */
static NnStatus
write_temperature(Writer *writer)
{
	if (writer->model->temperature == 1.0)
		return NN_OK;
	NN_TRY(nn_write_format(&writer->value, "%.9g", writer->model->temperature));
	return add_metadata(writer, "temperature");
}

static NnStatus
write_metadata(Writer *writer)
{
	const NnModel *model = writer->model;
	NnArray    *value = &writer->value;

	NN_TRY(nn_write_bytes(value, NN_FILE_FORMAT, strlen(NN_FILE_FORMAT)));
	NN_TRY(add_metadata(writer, "format"));
	NN_TRY(nn_write_bytes(value, NN_FILE_VERSION, strlen(NN_FILE_VERSION)));
	NN_TRY(add_metadata(writer, "format_version"));
	NN_TRY(write_spec(value, &model->spec));
	NN_TRY(add_metadata(writer, "spec"));
	NN_TRY(write_reading(value, model));
	NN_TRY(add_metadata(writer, "reading"));
	if (nn_file_has_labels(&model->spec))
	{
		NN_TRY(write_labels(value, model));
		NN_TRY(add_metadata(writer, "labels"));
	}
	NN_TRY(write_temperature(writer));
	if (model->training[0] != '\0')
	{
		NN_TRY(nn_write_bytes(value, model->training, strlen(model->training)));
		NN_TRY(add_metadata(writer, "training"));
	}
	return nn_write_bytes(&writer->metadata, "}", 1);
}

/* ---- tensors ------------------------------------------------------------------------- */

static NnSafetensor *
add_tensor(Writer *writer, const char *name, NnDtype dtype, const void *data, int64_t n)
{
	NnSafetensor *tensor = &writer->tensors[writer->n_tensors++];

	tensor->name = name;
	tensor->dtype = dtype;
	tensor->data = data;
	tensor->n_dims = 1;
	tensor->shape[0] = n;
	nn_safetensors_size(tensor);
	return tensor;
}

static void
add_net(Writer *writer)
{
	NnNet	   *net = writer->model->net;

	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);
		bool		is_half = writer->kind == NN_FLOAT_F16 && !tensor->is_vector;
		NnSafetensor *stored = add_tensor(writer, tensor->name, is_half ? NN_DTYPE_F16 : NN_DTYPE_F32,
										  tensor->data, tensor->n_columns);

		if (tensor->is_vector)
			continue;
		stored->n_dims = 2;
		stored->shape[0] = tensor->n_rows;
		stored->shape[1] = tensor->n_columns;
		nn_safetensors_size(stored);
	}
}

static NnStatus
add_tensors(Writer *writer)
{
	const NnModel *model = writer->model;

	add_net(writer);
	if (model->vocabulary != NULL)
	{
		NN_TRY(nn_vocabulary_write(model->vocabulary, &writer->lengths, &writer->bytes));
		add_tensor(writer, NN_FILE_LENGTHS, NN_DTYPE_U8, writer->lengths.data, (int64_t) writer->lengths.n);
		add_tensor(writer, NN_FILE_BYTES, NN_DTYPE_U8, writer->bytes.data, (int64_t) writer->bytes.n);
	}
	if (model->features != NULL)
		add_tensor(writer, nn_file_keys_name(&model->spec), NN_DTYPE_I64, nn_feature_index_keys(model->features),
				   nn_feature_index_n(model->features));
	if (model->spec.input != NN_INPUT_TEXT)
	{
		add_tensor(writer, NN_FILE_MEAN, NN_DTYPE_F32, model->input_mean, model->n_channels);
		add_tensor(writer, NN_FILE_SCALE, NN_DTYPE_F32, model->input_scale, model->n_channels);
	}
	if (model->spec.is_multi_label)
		add_tensor(writer, NN_FILE_THRESHOLD, NN_DTYPE_F32, model->threshold, model->spec.n_outputs);
	if (model->spec.task == NN_TASK_REGRESS)
	{
		writer->target[0] = model->target_mean;
		writer->target[1] = model->target_scale;
		add_tensor(writer, NN_FILE_TARGET, NN_DTYPE_F64, writer->target, 2);
	}
	return NN_OK;
}

static NnStatus
put_numbers(const Writer *writer, uint8_t *data)
{
	const NnEnv *env = writer->model->env;

	for (int i = 0; i < writer->n_tensors; i++)
	{
		const NnSafetensor *tensor = &writer->tensors[i];
		int64_t		n = tensor->shape[0] * (tensor->n_dims == 2 ? tensor->shape[1] : 1);

		for (int64_t from = 0; from < n; from += NN_FILE_CHUNK)
		{
			if (env->poll(env->ctx) != 0)
				return NN_ECANCELED;
			nn_safetensors_put(tensor, from, n - from < NN_FILE_CHUNK ? n - from : NN_FILE_CHUNK, data);
		}
	}
	return NN_OK;
}

static NnStatus
write_file(Writer *writer, NnArray *out)
{
	uint8_t    *data;

	NN_TRY(write_metadata(writer));
	NN_TRY(add_tensors(writer));
	NN_TRY(nn_safetensors_begin(writer->tensors, writer->n_tensors, &writer->metadata, out, &data));
	return put_numbers(writer, data);
}

NnStatus
nn_file_write(const NnModel *model, NnFloatKind kind, NnArray *out, NnError *err)
{
	size_t		n_before = out->n;
	Writer		writer = {0};
	NnStatus	status;

	NN_TRY(check_model(model, err));
	NN_TRY(check_weights(model, kind, err));
	writer.model = model;
	writer.kind = kind;
	nn_array_init(&writer.metadata, model->env, 1);
	nn_array_init(&writer.value, model->env, 1);
	nn_array_init(&writer.lengths, model->env, 1);
	nn_array_init(&writer.bytes, model->env, 1);

	status = write_file(&writer, out);

	nn_array_free(&writer.metadata);
	nn_array_free(&writer.value);
	nn_array_free(&writer.lengths);
	nn_array_free(&writer.bytes);
	if (status != NN_OK)
	{
		out->n = n_before;
		return nn_fail(err, status, "%s", nn_status_text(status));
	}
	return NN_OK;
}

/* All or nothing: a weight that does not fit is found before the first is changed. */
NnStatus
nn_file_round(NnModel *model, NnFloatKind kind, NnError *err)
{
	NN_TRY(check_weights(model, kind, err));
	if (kind == NN_FLOAT_F32)
		return NN_OK;
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);
		int64_t		n = (int64_t) tensor->n_rows * tensor->n_columns;

		for (int64_t j = 0; j < n && !tensor->is_vector; j++)
			tensor->data[j] = nn_half_to_float(nn_half_from_float(tensor->data[j]));
	}
	nn_net_pack(model->net);
	return NN_OK;
}
