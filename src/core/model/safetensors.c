/*
 * model/safetensors.c: the container, read as hostile and written in one form.
 *
 * Reading checks everything that can be known without knowing models.  Nothing
 * is allocated in proportion to a number that the file merely claims: tokens are
 * bounded by a constant, tensors by NN_SAFETENSORS_MAX, and data stays in the
 * caller's bytes.
 *
 * Writing does what the safetensors library does: tensors by descending dtype,
 * then by name; the JSON padded with spaces to a multiple of 8 bytes.  So every
 * tensor is aligned to its numbers and one model has one sequence of bytes.
 */
#include "model/safetensors.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_BYTES 8			/* the u64 in front */
#define METADATA "__metadata__"

/*
 * Keys and values of the header: a tensor has at most 13 (its name, an object of
 * three members, two arrays of two); the rest is for metadata of other writers.
 */
#define MAX_HEADER_TOKENS (16 * NN_SAFETENSORS_MAX + 2048)
#define MAX_NAME_BYTES 64		/* ours have fewer than 48 */

static const char *const dtype_names[] = {"U8", "F16", "F32", "F64", "I64"};
static const size_t dtype_bytes[] = {1, 2, 4, 8, 8};

#define N_DTYPES ((int) (sizeof(dtype_bytes) / sizeof(dtype_bytes[0])))

NnStatus
nn_file_malformed(NnError *err, const char *format,...)
{
	/* Longer than a detail, so that nn_fail_detail() cuts, between characters. */
	char		sentence[sizeof(((NnError *) NULL)->detail) + 16];
	va_list		args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	nn_fail(err, NN_EFORMAT, "not a valid model file");
	nn_fail_detail(err, "%s", sentence);
	return NN_EFORMAT;
}

NnStatus
nn_file_pass_on(NnError *err, NnStatus status, const NnError *part)
{
	if (status == NN_EFORMAT)
		return nn_file_malformed(err, "Reason: %s.", part->message);
	return nn_fail(err, status, "%s", part->message);
}

/* Bytes that a tensor of this dtype and shape takes; SIZE_MAX if no file could hold it. */
static size_t
shape_bytes(const NnSafetensor *tensor)
{
	size_t		n = dtype_bytes[tensor->dtype];

	for (int i = 0; i < tensor->n_dims; i++)
		n = nn_size_mul(n, (size_t) tensor->shape[i]);
	return n;
}

/* ---- reading: one tensor of the header ---------------------------------------- */

static bool
read_dtype(const NnJson *json, int value, NnDtype *dtype)
{
	if (value < 0 || nn_json_kind(json, value) != NN_JSON_STRING)
		return false;
	for (int i = 0; i < N_DTYPES; i++)
		if (nn_json_is_key(json, value, dtype_names[i]))
		{
			*dtype = (NnDtype) i;
			return true;
		}
	return false;
}

/* Up to two whole numbers in an array; how many, or -1. */
static int
read_pair(const NnJson *json, int array, int64_t *numbers)
{
	int			n = 0;

	if (array < 0 || nn_json_kind(json, array) != NN_JSON_ARRAY)
		return -1;
	for (int item = nn_json_first(json, array); item >= 0; item = nn_json_next(json, array, item))
		if (n == 2 || !nn_json_integer(json, item, 0, INT64_MAX, &numbers[n++]))
			return -1;
	return n;
}

static NnStatus
read_tensor(const NnJson *json, int object, const uint8_t *data, size_t n_data,
			NnSafetensor *tensor, NnError *err)
{
	const char *name = tensor->name;
	int64_t		place[2];

	if (nn_json_kind(json, object) != NN_JSON_OBJECT || nn_json_has_repeats(json, object))
		return nn_file_malformed(err, "Tensor \"%s\" is not described by an object.", name);
	if (!read_dtype(json, nn_json_find(json, object, "dtype"), &tensor->dtype))
		return nn_file_malformed(err, "Tensor \"%s\" has no known dtype.", name);
	tensor->n_dims = read_pair(json, nn_json_find(json, object, "shape"), tensor->shape);
	if (tensor->n_dims < 1)
		return nn_file_malformed(err, "Tensor \"%s\" has no shape of one or two whole numbers.", name);
	if (read_pair(json, nn_json_find(json, object, "data_offsets"), place) != 2)
		return nn_file_malformed(err, "Tensor \"%s\" has no data_offsets of two whole numbers.", name);
	if (place[0] > place[1] || (uint64_t) place[1] > n_data)
		return nn_file_malformed(err, "Tensor \"%s\" does not lie inside the file.", name);

	tensor->at = (size_t) place[0];
	tensor->n_bytes = (size_t) (place[1] - place[0]);
	tensor->data = data + tensor->at;
	if (tensor->n_bytes != shape_bytes(tensor))
		return nn_file_malformed(err, "Tensor \"%s\" has %zu bytes, which is not what its shape and dtype need.",
								 name, tensor->n_bytes);
	return NN_OK;
}

static NnStatus
check_metadata(const NnJson *json, int object, NnError *err)
{
	int			n_keys = 0;

	if (nn_json_kind(json, object) != NN_JSON_OBJECT)
		return nn_file_malformed(err, "Its " METADATA " is not an object.");
	for (int key = nn_json_first(json, object); key >= 0; key = nn_json_next(json, object, key))
		if (nn_json_kind(json, nn_json_value(json, key)) != NN_JSON_STRING ||
			++n_keys > NN_SAFETENSORS_MAX)
			return nn_file_malformed(err, "Its " METADATA " holds more than %d texts, or something that is no text.",
									 NN_SAFETENSORS_MAX);
	if (nn_json_has_repeats(json, object))
		return nn_file_malformed(err, "A name in its " METADATA " repeats.");
	return NN_OK;
}

/* All members of the header. */
static NnStatus
read_members(NnSafetensors *file, const uint8_t *data, size_t n_data, NnArena *arena, NnError *err)
{
	const NnJson *json = &file->header;

	file->metadata = -1;
	file->tensors = NN_ALLOC(arena, NnSafetensor, NN_SAFETENSORS_MAX);
	if (file->tensors == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");

	for (int key = nn_json_first(json, 0); key >= 0; key = nn_json_next(json, 0, key))
	{
		NnSafetensor *tensor;
		size_t		n_name;

		if (nn_json_is_key(json, key, METADATA) && file->metadata < 0)
		{
			file->metadata = nn_json_value(json, key);
			NN_TRY(check_metadata(json, file->metadata, err));
			continue;
		}
		if (file->n_tensors == NN_SAFETENSORS_MAX)
			return nn_file_malformed(err, "It has more than %d tensors.", NN_SAFETENSORS_MAX);
		if (nn_json_string_bytes(json, key) > MAX_NAME_BYTES)
			return nn_file_malformed(err, "A tensor has a name of more than %d bytes.", MAX_NAME_BYTES);
		tensor = &file->tensors[file->n_tensors++];
		tensor->name = nn_json_string(json, key, arena, &n_name);
		if (tensor->name == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(read_tensor(json, nn_json_value(json, key), data, n_data, tensor, err));
	}
	return NN_OK;
}

/* ---- order ---------------------------------------------------------------------- */

typedef bool (*IsBefore) (const NnSafetensor *a, const NnSafetensor *b);

static bool
is_before_by_place(const NnSafetensor *a, const NnSafetensor *b)
{
	return a->at != b->at ? a->at < b->at : a->n_bytes < b->n_bytes;
}

static bool
is_before_by_dtype(const NnSafetensor *a, const NnSafetensor *b)
{
	return a->dtype != b->dtype ? a->dtype > b->dtype : strcmp(a->name, b->name) < 0;
}

/* Insertion sort: there are fewer than NN_SAFETENSORS_MAX. */
static void
sort_tensors(NnSafetensor *tensors, int n_tensors, IsBefore is_before)
{
	for (int i = 1; i < n_tensors; i++)
	{
		NnSafetensor moved = tensors[i];
		int			j = i;

		for (; j > 0 && is_before(&moved, &tensors[j - 1]); j--)
			tensors[j] = tensors[j - 1];
		tensors[j] = moved;
	}
}

/* ---- reading: the whole ----------------------------------------------------------- */

/* Do the tensors cover the data once and wholly?  Names must differ too. */
static NnStatus
check_cover(NnSafetensors *file, size_t n_data, NnError *err)
{
	size_t		at = 0;

	sort_tensors(file->tensors, file->n_tensors, is_before_by_place);
	for (int i = 0; i < file->n_tensors; i++)
	{
		const NnSafetensor *tensor = &file->tensors[i];

		if (tensor->at != at)
			return nn_file_malformed(err, "Tensor \"%s\" overlaps another or leaves a hole before it.", tensor->name);
		at += tensor->n_bytes;
		for (int j = 0; j < i; j++)
			if (strcmp(file->tensors[j].name, tensor->name) == 0)
				return nn_file_malformed(err, "Tensor \"%s\" occurs twice.", tensor->name);
	}
	if (at != n_data)
		return nn_file_malformed(err, "Its tensors end at byte %zu of %zu.", at, n_data);
	return NN_OK;
}

NnStatus
nn_safetensors_open(NnSafetensors *file, const void *bytes, size_t n_bytes,
					NnArena *arena, NnError *err)
{
	NnReader	reader = nn_reader(bytes, n_bytes);
	uint64_t	n_header = nn_read_u64(&reader);
	const uint8_t *header;
	size_t		n_data;
	NnError		part;
	NnStatus	status;

	memset(file, 0, sizeof(*file));
	if (reader.failed)
		return nn_file_malformed(err, "It has only %zu bytes.", n_bytes);
	if (n_header > NN_SAFETENSORS_MAX_HEADER)
		return nn_file_malformed(err, "Its header claims to have %llu bytes; at most %zu are read.",
								 (unsigned long long) n_header, NN_SAFETENSORS_MAX_HEADER);
	header = nn_read_bytes(&reader, (size_t) n_header);
	if (header == NULL)
		return nn_file_malformed(err, "Its header claims to have %llu bytes, but the file ends after %zu.",
								 (unsigned long long) n_header, n_bytes - LENGTH_BYTES);
	if (n_header == 0 || header[0] != '{')
		return nn_file_malformed(err, "Its header is not a JSON object.");

	status = nn_json_parse(&file->header, "the header", (const char *) header, (size_t) n_header,
						   MAX_HEADER_TOKENS, arena, &part);
	if (status != NN_OK)
		return nn_file_pass_on(err, status, &part);

	n_data = (size_t) (reader.end - reader.at);
	NN_TRY(read_members(file, reader.at, n_data, arena, err));
	return check_cover(file, n_data, err);
}

NnSafetensor *
nn_safetensors_take(NnSafetensors *file, const char *name)
{
	for (int i = 0; i < file->n_tensors; i++)
		if (strcmp(file->tensors[i].name, name) == 0)
		{
			file->tensors[i].is_taken = true;
			return &file->tensors[i];
		}
	return NULL;
}

/* ---- numbers ------------------------------------------------------------------------ */

static uint16_t
load_u16(const uint8_t *at)
{
	return (uint16_t) (at[0] | at[1] << 8);
}

static uint32_t
load_u32(const uint8_t *at)
{
	return (uint32_t) load_u16(at) | (uint32_t) load_u16(at + 2) << 16;
}

static void
store_little(uint64_t value, int n_bytes, uint8_t *at)
{
	for (int i = 0; i < n_bytes; i++)
		at[i] = (uint8_t) (value >> (8 * i));
}

/* A number is NaN or infinite if all bits of its exponent are set. */
bool
nn_safetensors_floats(const NnSafetensor *tensor, int64_t from, int64_t n, float *out)
{
	const uint8_t *at = (const uint8_t *) tensor->data + (size_t) from * dtype_bytes[tensor->dtype];
	bool		is_finite = true;

	for (int64_t i = 0; i < n; i++)
	{
		if (tensor->dtype == NN_DTYPE_F16)
		{
			uint16_t	half = load_u16(at + 2 * i);

			is_finite &= (half & 0x7C00) != 0x7C00;
			out[i] = nn_half_to_float(half);
		}
		else
		{
			uint32_t	bits = load_u32(at + 4 * i);

			is_finite &= (bits & 0x7F800000) != 0x7F800000;
			memcpy(&out[i], &bits, sizeof(bits));
		}
	}
	return is_finite;
}

double
nn_safetensors_double(const NnSafetensor *tensor, int64_t index)
{
	const uint8_t *at = (const uint8_t *) tensor->data + 8 * (size_t) index;
	uint64_t	bits = (uint64_t) load_u32(at) | (uint64_t) load_u32(at + 4) << 32;
	double		value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void
nn_safetensors_put(const NnSafetensor *tensor, int64_t from, int64_t n, uint8_t *data)
{
	size_t		item_bytes = dtype_bytes[tensor->dtype];
	uint8_t    *at = data + tensor->at + (size_t) from * item_bytes;
	uint32_t	bits32;
	uint64_t	bits64;

	for (int64_t i = from; i < from + n; i++, at += item_bytes)
		switch (tensor->dtype)
		{
			case NN_DTYPE_U8:
				*at = ((const uint8_t *) tensor->data)[i];
				break;
			case NN_DTYPE_F16:
				store_little(nn_half_from_float(((const float *) tensor->data)[i]), 2, at);
				break;
			case NN_DTYPE_F32:
				memcpy(&bits32, (const float *) tensor->data + i, sizeof(bits32));
				store_little(bits32, 4, at);
				break;
			case NN_DTYPE_F64:
			case NN_DTYPE_I64:
				memcpy(&bits64, (const uint8_t *) tensor->data + 8 * i, sizeof(bits64));
				store_little(bits64, 8, at);
				break;
		}
}

/* ---- writing --------------------------------------------------------------------------- */

void
nn_safetensors_size(NnSafetensor *tensor)
{
	tensor->n_bytes = shape_bytes(tensor);
}

static NnStatus
write_tensor(NnArray *header, const NnSafetensor *tensor)
{
	NN_TRY(nn_write_bytes(header, ",", 1));
	NN_TRY(nn_json_write_string(header, tensor->name, strlen(tensor->name)));
	NN_TRY(nn_write_format(header, ":{\"dtype\":\"%s\",\"shape\":[%lld",
						   dtype_names[tensor->dtype], (long long) tensor->shape[0]));
	if (tensor->n_dims == 2)
		NN_TRY(nn_write_format(header, ",%lld", (long long) tensor->shape[1]));
	return nn_write_format(header, "],\"data_offsets\":[%zu,%zu]}",
						   tensor->at, tensor->at + tensor->n_bytes);
}

/* The JSON into header, padded; tensors have their places. */
static NnStatus
write_header(NnArray *header, const NnSafetensor *tensors, int n_tensors, const NnArray *metadata)
{
	NN_TRY(nn_write_bytes(header, "{\"" METADATA "\":", strlen("{\"" METADATA "\":")));
	NN_TRY(nn_write_bytes(header, metadata->data, metadata->n));
	for (int i = 0; i < n_tensors; i++)
		NN_TRY(write_tensor(header, &tensors[i]));
	NN_TRY(nn_write_bytes(header, "}", 1));
	while (header->n % 8 != 0)
		NN_TRY(nn_write_bytes(header, " ", 1));
	return NN_OK;
}

NnStatus
nn_safetensors_begin(NnSafetensor *tensors, int n_tensors,
					 const NnArray *metadata, NnArray *out, uint8_t **data)
{
	NnArray		header;
	NnStatus	status;
	size_t		n_data = 0;
	uint8_t    *at;

	sort_tensors(tensors, n_tensors, is_before_by_dtype);
	for (int i = 0; i < n_tensors; i++)
	{
		tensors[i].at = n_data;
		n_data = nn_size_add(n_data, tensors[i].n_bytes);
	}

	nn_array_init(&header, out->env, 1);
	status = write_header(&header, tensors, n_tensors, metadata);
	if (status == NN_OK && header.n > NN_SAFETENSORS_MAX_HEADER)
		status = NN_ELIMIT;
	if (status == NN_OK)
	{
		/* All at once: the array then has no need to grow and copy. */
		at = nn_array_push(out, nn_size_add(LENGTH_BYTES + header.n, n_data));
		if (at != NULL)
		{
			store_little(header.n, LENGTH_BYTES, at);
			memcpy(at + LENGTH_BYTES, header.data, header.n);
			*data = at + LENGTH_BYTES + header.n;
		}
		else
			status = NN_ENOMEM;
	}
	nn_array_free(&header);
	return status;
}
