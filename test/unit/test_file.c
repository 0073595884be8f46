/*
 * test_file.c: a model written is the model read (model/file.h).
 *
 *  - everything a model holds comes back, in both precisions, and the model
 *    read writes the same bytes;
 *  - rounding in memory is what the file does;
 *  - the file is what a safetensors reader expects;
 *  - the limit of memory is kept, every failed allocation and every stopped
 *    poll is a status, and nothing leaks.
 *
 * test_file_hostile.c has the files that are wrong.
 *
 *	test_file --seeds DIR
 *
 * writes the seeds of test/fuzz/fuzz_file.c instead.
 */
#include "file_case.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include "base/bytes.h"
#include "tap.h"

static NnError err;

/* Free the block itself, so that the address sanitizer sees a read behind the file. */
static NnModel *
read_model(const uint8_t *file, size_t n_bytes)
{
	NnModel    *model = NULL;

	if (nn_file_read(&model, file, n_bytes, 0, &nn_env_malloc, &err) != NN_OK)
		diag("%s: %s", err.message, err.detail);
	return model;
}

static bool
same_nets(NnNet *a, NnNet *b)
{
	bool		is_same = nn_net_n_tensors(a) == nn_net_n_tensors(b);

	for (int i = 0; is_same && i < nn_net_n_tensors(a); i++)
	{
		const NnTensor *left = nn_net_tensor(a, i);
		const NnTensor *right = nn_net_tensor(b, i);

		is_same = strcmp(left->name, right->name) == 0 && left->n_rows == right->n_rows &&
			left->n_columns == right->n_columns &&
			memcmp(left->data, right->data,
				   (size_t) left->n_rows * (size_t) left->n_columns * sizeof(float)) == 0;
	}
	return is_same;
}

static bool
same_texts(const NnModel *a, const NnModel *b)
{
	for (int i = 0; a->labels != NULL && i < a->spec.n_outputs; i++)
		if (b->labels == NULL || strcmp(a->labels[i], b->labels[i]) != 0)
			return false;
	if ((a->vocabulary == NULL) != (b->vocabulary == NULL) || (a->features == NULL) != (b->features == NULL))
		return false;
	for (int i = 0; a->vocabulary != NULL && i < a->spec.vocabulary; i++)
	{
		int			n_left,
					n_right;
		const char *left = nn_vocabulary_bytes(a->vocabulary, i, &n_left);
		const char *right = nn_vocabulary_bytes(b->vocabulary, i, &n_right);

		if (n_left != n_right || memcmp(left, right, (size_t) n_left) != 0)
			return false;
	}
	if (a->vocabulary != NULL && nn_vocabulary_n_units(a->vocabulary) != nn_vocabulary_n_units(b->vocabulary))
		return false;
	if (a->features != NULL &&
		memcmp(nn_feature_index_keys(a->features), nn_feature_index_keys(b->features),
			   (size_t) a->spec.wide_inputs * sizeof(uint64_t)) != 0)
		return false;
	return strcmp(a->training, b->training) == 0;
}

static bool
same_numbers(const NnModel *a, const NnModel *b)
{
	size_t		n_bytes = (size_t) a->n_channels * sizeof(float);

	return a->n_channels == b->n_channels && a->flat_steps == b->flat_steps &&
		a->max_tokens == b->max_tokens && a->has_ngrams == b->has_ngrams &&
		a->tokenizer.is_case_kept == b->tokenizer.is_case_kept &&
		a->tokenizer.is_exact == b->tokenizer.is_exact && a->unit == b->unit && a->is_running == b->is_running &&
		a->window == b->window && a->season == b->season &&
		a->target_mean == b->target_mean && a->target_scale == b->target_scale &&
		(n_bytes == 0 || (memcmp(a->input_mean, b->input_mean, n_bytes) == 0 &&
						  memcmp(a->input_scale, b->input_scale, n_bytes) == 0));
}

/* Tags mean what they meant. */
static bool
same_rules(const NnModel *a, const NnModel *b)
{
	const NnTagScheme *left = &a->scheme;
	const NnTagScheme *right = &b->scheme;
	size_t		K = (size_t) left->n_tags;
	bool		is_same;

	is_same = left->is_bio == right->is_bio && left->n_tags == right->n_tags &&
		left->n_types == right->n_types && (a->allowed == NULL) == (b->allowed == NULL);
	for (int y = 0; is_same && y < left->n_types; y++)
		is_same = strcmp(left->type_name[y], right->type_name[y]) == 0;
	for (size_t k = 0; is_same && k < K; k++)
		is_same = left->type[k] == right->type[k] && left->prefix[k] == right->prefix[k];
	return is_same && (a->allowed == NULL || memcmp(a->allowed, b->allowed, (K + 1) * K) == 0);
}

static void
test_round_trip(FileCase which, NnFloatKind kind)
{
	const char *name = file_case_names[which];
	const char *kind_name = kind == NN_FLOAT_F16 ? "F16" : "F32";
	NnModel    *model = file_case_model(which, &nn_env_malloc);
	NnModel    *back;
	NnSpec		spec;
	NnArray		again;
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, kind, &n_bytes);

	back = read_model(file, n_bytes);
	if (!ok(back != NULL, "%s, %s: the file is read", name, kind_name))
		return;
	ok(nn_file_peek(file, n_bytes, &spec, &nn_env_malloc, &err) == NN_OK &&
	   memcmp(&spec, &model->spec, sizeof(spec)) == 0, "%s, %s: peek finds the spec", name, kind_name);
	ok(memcmp(&back->spec, &model->spec, sizeof(spec)) == 0 && same_texts(model, back) &&
	   same_numbers(model, back) && same_rules(model, back), "%s, %s: what is no weight comes back", name, kind_name);

	nn_array_init(&again, &nn_env_malloc, 1);
	ok(nn_file_write(back, kind, &again, &err) == NN_OK && again.n == n_bytes &&
	   memcmp(again.data, file, n_bytes) == 0, "%s, %s: the model read writes the same bytes", name, kind_name);
	nn_array_free(&again);

	ok(nn_file_round(model, kind, &err) == NN_OK && same_nets(model->net, back->net),
	   "%s, %s: a rounded net is the net read", name, kind_name);
	free(file);
	nn_model_destroy(model);
	nn_model_destroy(back);
}

/* ---- writing ------------------------------------------------------------------ */

/* The largest weight that has a half, and the least that has none. */
static void
test_precision(void)
{
	NnModel    *model = file_case_model(FILE_CASE_VECTOR, &nn_env_malloc);
	NnTensor   *weight = nn_net_find_tensor(model->net, "flat.weight");
	NnTensor   *bias = nn_net_find_tensor(model->net, "flat.bias");
	float		before = weight->data[1];
	NnArray		out;

	nn_array_init(&out, &nn_env_malloc, 1);
	nn_write_bytes(&out, "before", 6);
	bias->data[0] = 1e30f;
	weight->data[0] = 65519.9961f;
	ok(nn_file_write(model, NN_FLOAT_F16, &out, &err) == NN_OK && out.n > 6 && memcmp(out.data, "before", 6) == 0,
	   "weights up to 65519 fit half precision, and vectors are not halved");
	out.n = 6;
	weight->data[0] = -65520.0f;
	ok(nn_file_write(model, NN_FLOAT_F16, &out, &err) == NN_ERANGE && out.n == 6 && err.hint[0] != '\0' &&
	   nn_file_write(model, NN_FLOAT_F16, &out, NULL) == NN_ERANGE,
	   "larger ones do not: %s", err.message);
	ok(nn_file_round(model, NN_FLOAT_F16, &err) == NN_ERANGE && weight->data[1] == before,
	   "and then nothing is rounded");
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_OK, "F32 takes them");
	out.n = 6;
	weight->data[0] = NAN;
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_ERANGE && out.n == 6, "NaN is refused: %s", err.message);
	weight->data[0] = INFINITY;
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_ERANGE, "infinity is refused: %s", err.message);
	nn_array_free(&out);
	nn_model_destroy(model);
}

/* What could not be read back is not written. */
static void
test_unwritable(void)
{
	NnModel    *model = file_case_model(FILE_CASE_SERIES, &nn_env_malloc);
	NnArray		out;
	char	   *swap;

	nn_array_init(&out, &nn_env_malloc, 1);
	model->input_scale[1] = 0;
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_ERANGE && out.n == 0, "a scale of 0: %s", err.message);
	model->input_scale[1] = 1;
	model->target_scale = NAN;
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_ERANGE, "a target scale of NaN: %s", err.message);
	model->target_scale = 1;
	model->training = nn_arena_copy(model->arena, "{\"a\":}", 6);
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_EFORMAT, "a broken training record: %s", err.message);
	model->training = nn_arena_copy(model->arena, "[1]", 3);
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_EINVAL, "one that is no object: %s", err.message);
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);
	swap = model->labels[0];
	model->labels[0] = model->labels[1];
	model->labels[1] = swap;
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_EINVAL, "labels out of order: %s", err.message);
	model->labels[1] = model->labels[0];
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_EINVAL, "a label twice: %s", err.message);
	model->labels[0] = nn_arena_copy(model->arena, "", 0);
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_OK, "the empty label is a label");
	model->labels[0] = nn_arena_copy(model->arena, "\377", 1);
	ok(nn_file_write(model, NN_FLOAT_F32, &out, &err) == NN_EINVAL, "a label that is not UTF-8");
	nn_array_free(&out);
	nn_model_destroy(model);
}

static void
check_unwritten(const NnModel *model, const char *what)
{
	NnArray		out;
	NnStatus	status;

	nn_array_init(&out, &nn_env_malloc, 1);
	status = nn_file_write(model, NN_FLOAT_F32, &out, &err);
	ok((status == NN_EINVAL || status == NN_ERANGE) && out.n == 0 && err.status == status, "%s: %s", what, err.message);
	nn_array_free(&out);
}

/* The same of the other tasks, one wrong thing at a time. */
static void
test_unwritable_tasks(void)
{
	NnModel    *model = file_case_model(FILE_CASE_TAG, &nn_env_malloc);
	char	   *swap = model->labels[0];

	model->labels[0] = model->labels[1];
	model->labels[1] = swap;
	check_unwritten(model, "tags out of order");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_LANGUAGE, &nn_env_malloc);
	model->max_tokens = 0;
	check_unwritten(model, "max_tokens of 0");
	model->max_tokens = 17;
	model->unit = (NnUnit) 3;
	check_unwritten(model, "a unit without a name");
	model->unit = NN_UNIT_WORD;
	model->is_running = model->spec.is_bidirectional = true;
	check_unwritten(model, "a running text read in both directions");
	model->spec.is_bidirectional = false;
	model->spec.vocabulary++;
	check_unwritten(model, "more rows than words");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_CAPTION, &nn_env_malloc);
	model->input_scale[4] = -1;
	check_unwritten(model, "a negative scale of a caption's input");
	model->input_scale[4] = 1;
	model->n_channels = 4;
	check_unwritten(model, "a channel too few");
	nn_model_destroy(model);

	model = file_case_model(FILE_CASE_FORECAST, &nn_env_malloc);
	model->window = 5;
	check_unwritten(model, "a window that the wide branch does not read");
	model->window = 4;
	model->season = -1;
	check_unwritten(model, "a negative season");
	model->season = 0;
	model->flat_steps = 4;
	check_unwritten(model, "series of one length alone");
	nn_model_destroy(model);
}

/* NaN in any tensor of any task. */
static void
test_unwritable_weights(FileCase which)
{
	NnModel    *model = file_case_model(which, &nn_env_malloc);
	int			n_bad = 0;
	NnArray		out;

	nn_array_init(&out, &nn_env_malloc, 1);
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);
		float	   *number = &tensor->data[tensor->n_rows * tensor->n_columns - 1];
		float		before = *number;

		*number = NAN;
		n_bad += nn_file_write(model, NN_FLOAT_F16, &out, &err) != NN_ERANGE || strstr(err.message, tensor->name) == NULL;
		*number = before;
	}
	ok(n_bad == 0 && out.n == 0, "%s: NaN in any of %d tensors is refused", file_case_names[which],
	   nn_net_n_tensors(model->net));
	nn_array_free(&out);
	nn_model_destroy(model);
}

/* Tags that are not BIO have no rules. */
static void
test_plain_tags(void)
{
	NnModel    *model = file_case_model(FILE_CASE_TAG, &nn_env_malloc);
	NnModel    *back;
	NnArray		out;

	model->labels[4] = nn_arena_copy(model->arena, "VERB", 4);
	nn_array_init(&out, &nn_env_malloc, 1);
	nn_file_write(model, NN_FLOAT_F32, &out, &err);
	back = read_model(out.data, out.n);
	ok(back != NULL && !back->scheme.is_bio && back->scheme.n_tags == 5 && back->allowed == NULL,
	   "tags that are not BIO may follow one another as they like");
	nn_array_free(&out);
	nn_model_destroy(model);
	nn_model_destroy(back);
}

/* Members that came later stand only where they say something, so that old files keep their bytes. */
static void
test_members(void)
{
	NnModel    *model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);
	NnModel    *back;
	NnArray		out;

	nn_array_init(&out, &nn_env_malloc, 1);
	nn_file_write(model, NN_FLOAT_F32, &out, &err);
	ok(memmem(out.data, out.n, "exact", 5) == NULL && memmem(out.data, out.n, "unit\\\"", 6) == NULL &&
	   memmem(out.data, out.n, "running", 7) == NULL &&
	   memmem(out.data, out.n, "horizon", 7) == NULL && memmem(out.data, out.n, "decoder", 7) == NULL &&
	   memmem(out.data, out.n, "spelling", 8) == NULL, "a classifier's file has no members of other tasks");
	out.n = 0;
	model->tokenizer.is_exact = true;
	nn_file_write(model, NN_FLOAT_F32, &out, &err);
	back = read_model(out.data, out.n);
	ok(back != NULL && back->tokenizer.is_exact && back->unit == NN_UNIT_WORD,
	   "one that began as a language model reads exact words");
	nn_array_free(&out);
	nn_model_destroy(model);
	nn_model_destroy(back);
}

/* The shipped model, as it was written before there were other tasks, keeps its bytes. */
static void
test_old_file(void)
{
	static const char path[] = "models/sentiment_en.safetensors";
	FILE	   *in = fopen(path, "rb");
	NnModel    *model;
	NnArray		file;
	NnArray		again;
	size_t		n;
	char	   *room;

	if (in == NULL)
	{
		diag("no %s here: not tried", path);
		return;
	}
	nn_array_init(&file, &nn_env_malloc, 1);
	nn_array_init(&again, &nn_env_malloc, 1);
	do
	{
		room = nn_array_push(&file, 1 << 20);
		n = room != NULL ? fread(room, 1, 1 << 20, in) : 0;
		file.n -= (1 << 20) - n;
	} while (n > 0);
	fclose(in);
	model = read_model(file.data, file.n);
	ok(model != NULL && nn_file_write(model, NN_FLOAT_F16, &again, &err) == NN_OK && again.n == file.n &&
	   memcmp(again.data, file.data, file.n) == 0, "the shipped model writes the bytes that it was read from");
	nn_model_destroy(model);
	nn_array_free(&file);
	nn_array_free(&again);
}

/* The container as its own readers want it. */
static void
test_container(void)
{
	size_t		n_bytes;
	uint8_t    *file = file_case_file(FILE_CASE_TEXT, NN_FLOAT_F16, &n_bytes);
	NnReader	reader = nn_reader(file, n_bytes);
	size_t		n_header = (size_t) nn_read_u64(&reader);
	char	   *header = malloc(n_header + 1);
	const char *keys;
	const char *lengths;

	memcpy(header, reader.at, n_header);
	header[n_header] = '\0';
	ok(n_header % 8 == 0 && strncmp(header, "{\"__metadata__\":{\"format\":\"pg_lstm\",", 36) == 0,
	   "the header is padded and starts with the metadata");
	keys = strstr(header, "\"bag.keys\":{\"dtype\":\"I64\",\"shape\":[5],\"data_offsets\":[0,40]}");
	lengths = strstr(header, "\"vocabulary.lengths\":{\"dtype\":\"U8\",\"shape\":[8],");
	ok(keys != NULL && lengths > keys, "the widest numbers stand first");
	ok(strstr(header, "\"embedding.weight\":{\"dtype\":\"F16\",\"shape\":[260,2],") != NULL &&
	   strstr(header, "\"head.bias\":{\"dtype\":\"F32\",\"shape\":[3],") != NULL,
	   "matrices are F16, vectors F32");
	ok(strstr(header, "\\\\u0001") != NULL && strstr(header, "\346\274\242") != NULL,
	   "labels are escaped where JSON asks for it and nowhere else");
	free(header);
	free(file);
}

/* ---- memory and cancel ---------------------------------------------------------- */

static void
test_limits(FileCase which)
{
	FileCaseHost host;
	const NnEnv *env = &host.base.env;
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, NN_FLOAT_F16, &n_bytes);
	NnModel    *model;
	size_t		peak;
	size_t		granted = 0;
	int			n_bad = 0;

	file_case_host_init(&host);
	if (nn_file_read(&model, file, n_bytes, 0, env, &err) != NN_OK)
		n_bad++;
	peak = host.n_bytes_peak;
	n_bad += nn_model_bytes(model) > host.n_bytes || nn_model_bytes(model) + 1024 < host.n_bytes;
	nn_model_destroy(model);
	for (size_t limit = 1; limit < 4 * peak + 512 * 1024; limit += limit / 16 + 1)
	{
		NnStatus	status;

		host.n_bytes_peak = 0;
		status = nn_file_read(&model, file, n_bytes, limit, env, &err);
		n_bad += status != NN_OK && (status != NN_ELIMIT || model != NULL || err.detail[0] == '\0');
		n_bad += host.n_bytes_peak > limit && limit > 1024;
		if (status == NN_OK && granted == 0)
			granted = limit;
		n_bad += status != NN_OK && granted != 0;
		nn_model_destroy(model);
		n_bad += host.base.n_live != 0;
	}
	ok(n_bad == 0 && granted != 0, "%s: a limit is kept, and the answer is honest (peak %zu, granted from %zu)",
	   file_case_names[which], peak, granted);
	free(file);
}

static void
test_failures(FileCase which)
{
	TestHost	host;
	const NnEnv *env = &host.env;
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, NN_FLOAT_F32, &n_bytes);
	NnModel    *model;
	NnArray		out;
	long		n_allocs;
	long		n_polls;
	int			n_bad = 0;

	test_host_init(&host);

	/* Reading. */
	n_bad += nn_file_read(&model, file, n_bytes, 0, env, &err) != NN_OK;
	nn_model_destroy(model);
	n_allocs = host.n_allocs;
	n_polls = host.n_polls;
	for (long i = 1; i <= n_allocs; i++)
	{
		host.n_allocs = 0;
		host.fail_at = i;
		n_bad += nn_file_read(&model, file, n_bytes, 0, env, &err) != NN_ENOMEM || model != NULL ||
			host.n_live != 0;
	}
	host.fail_at = 0;
	for (long i = 1; i <= n_polls; i++)
	{
		host.n_polls = 0;
		host.cancel_at = i;
		n_bad += nn_file_read(&model, file, n_bytes, 0, env, &err) != NN_ECANCELED || model != NULL ||
			host.n_live != 0;
	}
	host.cancel_at = 0;
	ok(n_bad == 0 && n_polls > 0, "%s: reading survives each of %ld failed allocations and %ld stops",
	   file_case_names[which], n_allocs, n_polls);

	/* Writing: the model is made by an env that fails only later. */
	n_bad = 0;
	model = file_case_model(which, env);
	nn_array_init(&out, env, 1);
	for (long i = 1;; i++)
	{
		long		n_live = host.n_live;
		NnStatus	status;

		host.n_allocs = 0;
		host.fail_at = i;
		status = nn_file_write(model, NN_FLOAT_F32, &out, &err);
		host.fail_at = 0;
		if (status == NN_OK)
			break;
		n_bad += status != NN_ENOMEM || out.n != 0 || host.n_live != n_live || err.message[0] == '\0';
	}
	n_bad += out.n != n_bytes || memcmp(out.data, file, n_bytes) != 0;
	out.n = 0;
	for (long i = 1;; i++)
	{
		NnStatus	status;

		host.n_polls = 0;
		host.cancel_at = i;
		status = nn_file_write(model, NN_FLOAT_F32, &out, &err);
		if (status == NN_OK)
			break;
		n_bad += status != NN_ECANCELED || out.n != 0;
	}
	nn_array_free(&out);
	nn_model_destroy(model);
	ok(n_bad == 0 && host.n_live == 0, "%s: so does writing", file_case_names[which]);
	free(file);
}

/* ---- seeds of the fuzzer ----------------------------------------------------------- */

/* A seed: 1, the header, a 0 byte, the data (see fuzz_file.c). */
static int
write_seed(const char *folder, FileCase which, NnFloatKind kind)
{
	char		path[4096];
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, kind, &n_bytes);
	NnReader	reader = nn_reader(file, n_bytes);
	size_t		n_header = (size_t) nn_read_u64(&reader);
	FILE	   *out;

	snprintf(path, sizeof(path), "%s/%s_%s", folder, file_case_names[which], kind == NN_FLOAT_F16 ? "f16" : "f32");
	out = fopen(path, "wb");
	if (out == NULL)
	{
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return 1;
	}
	fputc(1, out);
	fwrite(reader.at, 1, n_header, out);
	fputc(0, out);
	fwrite(reader.at + n_header, 1, n_bytes - 8 - n_header, out);
	free(file);
	return fclose(out) != 0;
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
	{
		int			n_failed = 0;

		for (int which = 0; which < N_FILE_CASES; which++)
			n_failed += write_seed(argv[2], (FileCase) which, which % 2 == 0 ? NN_FLOAT_F16 : NN_FLOAT_F32);
		return n_failed != 0;
	}

	for (int which = 0; which < N_FILE_CASES; which++)
	{
		test_round_trip((FileCase) which, NN_FLOAT_F16);
		test_round_trip((FileCase) which, NN_FLOAT_F32);
		test_limits((FileCase) which);
		test_failures((FileCase) which);
		test_unwritable_weights((FileCase) which);
	}
	test_precision();
	test_unwritable();
	test_unwritable_tasks();
	test_plain_tags();
	test_members();
	test_old_file();
	test_container();
	return done_testing();
}
