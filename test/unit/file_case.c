/*
 * file_case.c: see file_case.h.
 */
#include "file_case.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include "base/bytes.h"
#include "base/rng.h"

const char *const file_case_names[N_FILE_CASES] = {
	"text", "bag", "series", "vector", "tag", "language", "translate", "caption", "story", "forecast", "documents"
};

static const NnSpec specs[N_FILE_CASES] = {
	{
		.task = NN_TASK_CLASSIFY, .input = NN_INPUT_TEXT, .n_outputs = 3,
		.cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 3, .is_bidirectional = true,
		.pool = NN_POOL_MAX | NN_POOL_MEAN, .vocabulary = 256 + 4, .embedding = 2,
		.wide = NN_WIDE_BAG, .wide_inputs = 5, .wide_hidden = 2,
	},
	{
		.task = NN_TASK_CLASSIFY, .input = NN_INPUT_TEXT, .n_outputs = 2,
		.wide = NN_WIDE_BAG, .wide_inputs = 3, .wide_hidden = 2,
	},
	{
		.task = NN_TASK_REGRESS, .input = NN_INPUT_SERIES, .n_outputs = 1,
		.cell = NN_CELL_GRU, .n_layers = 2, .hidden = 3,
		.pool = NN_POOL_LAST | NN_POOL_ATTENTION, .embedding = 2,
		.wide = NN_WIDE_FLAT, .wide_inputs = 8, .wide_hidden = 3,
	},
	{
		.task = NN_TASK_CLASSIFY, .input = NN_INPUT_VECTOR, .n_outputs = 2,
		.embedding = 5,
		.wide = NN_WIDE_FLAT, .wide_inputs = 5, .wide_hidden = 3,
	},
	{
		.task = NN_TASK_TAG, .input = NN_INPUT_TEXT, .n_outputs = 5,
		.cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 3, .is_bidirectional = true,
		.vocabulary = 256 + 4, .embedding = 2,
		.spelling_rows = 7, .spelling = 3,
	},
	{
		.task = NN_TASK_LANGUAGE, .input = NN_INPUT_TEXT,
		.cell = NN_CELL_GRU, .n_layers = 2, .hidden = 3,
		.vocabulary = 256 + 4, .embedding = 2,
	},
	{
		.task = NN_TASK_TRANSLATE, .input = NN_INPUT_TEXT,
		.cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 2, .is_bidirectional = true,
		.vocabulary = 256 + 4, .embedding = 3,
		.decoder_layers = 2, .has_copy = true,
	},
	{
		.task = NN_TASK_CAPTION, .input = NN_INPUT_VECTOR,
		.cell = NN_CELL_LSTM, .hidden = 3,
		.vocabulary = 256 + 4, .embedding = 2,
		.decoder_layers = 1, .channels = 5,
	},
	{
		.task = NN_TASK_CAPTION, .input = NN_INPUT_SERIES,
		.cell = NN_CELL_RNN, .n_layers = 1, .hidden = 3,
		.vocabulary = 256 + 4, .embedding = 2,
		.decoder_layers = 1, .channels = 3,
	},
	{
		.task = NN_TASK_FORECAST, .input = NN_INPUT_SERIES, .n_outputs = 3 * 2 * 3,
		.cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 3,
		.pool = NN_POOL_LAST, .embedding = 2 * 2,
		.wide = NN_WIDE_LINEAR, .wide_inputs = (4 + 1) * 2,
		.horizon = 3, .n_quantiles = 3,
	},
	{
		.task = NN_TASK_LANGUAGE, .input = NN_INPUT_TEXT,
		.cell = NN_CELL_LSTM, .n_layers = 1, .hidden = 2,
		.vocabulary = 256 + 4, .embedding = 2,
		.document_words = 4, .document = 3,
	},
};

static void *
counted_alloc(void *ctx, size_t size_bytes)
{
	FileCaseHost *host = ctx;
	void	   *block = test_host_alloc(&host->base, size_bytes);

	host->n_bytes += malloc_usable_size(block);
	if (host->n_bytes > host->n_bytes_peak)
		host->n_bytes_peak = host->n_bytes;
	return block;
}

static void
counted_release(void *ctx, void *block)
{
	FileCaseHost *host = ctx;

	host->n_bytes -= malloc_usable_size(block);
	test_host_release(&host->base, block);
}

/* The other calls find their host where ctx points: it stands first. */
void
file_case_host_init(FileCaseHost *host)
{
	test_host_init(&host->base);
	host->base.env.ctx = host;
	host->base.env.alloc = counted_alloc;
	host->base.env.release = counted_release;
	host->n_bytes = host->n_bytes_peak = 0;
}

static void
must(bool is_true, const char *what)
{
	if (is_true)
		return;
	printf("Bail out! %s\n", what);
	exit(1);
}

/* Two units and two words; four words. */
static void
add_vocabulary(NnModel *model)
{
	static const char bytes[] = "thingcatd\303\266g";
	static const uint8_t lengths[] = {2, 0, 3, 0, 3, 0, 4, 0};
	int			n_units = model->spec.task == NN_TASK_TAG ? 0 : 2;

	must(nn_vocabulary_read(&model->vocabulary, n_units, lengths, sizeof(lengths), (const uint8_t *) bytes,
							sizeof(bytes) - 1, model->env, NULL) == NN_OK, "no vocabulary");
}

static void
add_features(NnModel *model)
{
	uint8_t		keys[8 * 8] = {0};

	/* The last key is past the largest signed number. */
	for (int i = 0; i < model->spec.wide_inputs; i++)
		keys[8 * i + 7] = (uint8_t) (i * 60 + 1);
	must(nn_feature_index_read(&model->features, keys, model->spec.wide_inputs, model->env, NULL) == NN_OK,
		 "no features");
	model->has_ngrams = true;
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

/* Words that have a document vector. */
static void
add_documents(NnModel *model)
{
	static const char *const words[4] = {"cat", "dog", "thing", "again"};
	uint64_t	keys[4];
	uint8_t		bytes[4 * 8];

	for (int i = 0; i < 4; i++)
		keys[i] = nn_feature_word(nn_hash_bytes(words[i], strlen(words[i]), 0));
	qsort(keys, 4, sizeof(uint64_t), compare_keys);
	for (int i = 0; i < 4 * 8; i++)
		bytes[i] = (uint8_t) (keys[i / 8] >> (8 * (i % 8)));
	must(nn_feature_index_read(&model->features, bytes, 4, model->env, NULL) == NN_OK, "no words");
}

static void
add_labels(NnModel *model)
{
	/* In byte order; what JSON must escape, and what it need not. */
	static const char *const labels[] = {"a \"quoted\\\" one\n\001", "plain", "\346\274\242\360\237\230\200"};
	static const char *const tags[] = {"B-LOC", "B-PER", "I-LOC", "I-PER", "O"};
	bool		is_tag = model->spec.task == NN_TASK_TAG;
	int			n = model->spec.n_outputs;

	model->labels = NN_ALLOC(model->arena, char *, (size_t) n);
	must(model->labels != NULL, "no labels");
	for (int i = 0; i < n; i++)
	{
		const char *label = is_tag ? tags[i] : labels[i];

		model->labels[i] = nn_arena_copy(model->arena, label, strlen(label));
	}
	if (!is_tag)
		return;
	must(nn_tag_scheme(&model->scheme, (const char *const *) model->labels, n, model->arena, NULL) == NN_OK &&
		 nn_tag_rules(&model->scheme, model->arena, &model->allowed, NULL) == NN_OK, "no rules");
}

static void
add_channels(NnModel *model)
{
	model->n_channels = nn_spec_channels(&model->spec);
	model->input_mean = NN_ALLOC(model->arena, float, (size_t) model->n_channels);
	model->input_scale = NN_ALLOC(model->arena, float, (size_t) model->n_channels);
	must(model->input_mean != NULL && model->input_scale != NULL, "no channels");
	for (int i = 0; i < model->n_channels; i++)
	{
		model->input_mean[i] = (float) i - 0.25f;
		model->input_scale[i] = 1.5f + (float) i;
	}
	model->flat_steps = model->spec.wide == NN_WIDE_FLAT ? model->spec.wide_inputs / model->n_channels : 0;
}

NnModel *
file_case_model(FileCase which, const NnEnv *env)
{
	NnModel    *model;
	NnRng		rng;

	must(nn_model_create(&model, env, NULL) == NN_OK, "no model");
	model->spec = specs[which];
	model->max_tokens = 17;
	if (model->spec.task == NN_TASK_CLASSIFY || model->spec.task == NN_TASK_TAG)
		add_labels(model);
	if (model->spec.input != NN_INPUT_TEXT)
		add_channels(model);
	if (model->spec.vocabulary > 0)
		add_vocabulary(model);
	if (model->spec.wide == NN_WIDE_BAG)
		add_features(model);
	if (model->spec.document_words > 0)
		add_documents(model);
	model->tokenizer.is_case_kept = which == FILE_CASE_TEXT || which == FILE_CASE_TAG;
	model->tokenizer.is_exact = nn_task_writes_text(model->spec.task);
	model->is_running = which == FILE_CASE_LANGUAGE && !model->spec.is_bidirectional;
	model->unit = which == FILE_CASE_LANGUAGE ? NN_UNIT_CHARACTER : which == FILE_CASE_TAG ? NN_UNIT_GIVEN : NN_UNIT_WORD;
	if (which == FILE_CASE_FORECAST)
	{
		model->window = 4;
		model->season = 2;
	}
	model->target_mean = model->spec.task == NN_TASK_REGRESS ? -1e300 : 0;
	model->target_scale = model->spec.task == NN_TASK_REGRESS ? 1e-10 : 1;
	model->training = nn_arena_copy(model->arena, "{\"rows\":12,\"where\":\"a < 'b'\"}", 29);
	must(nn_net_create(&model->net, model->arena, &model->spec, false, NULL) == NN_OK, "no net");
	nn_rng_seed(&rng, 7 + (uint64_t) which);
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);

		for (int64_t j = 0; j < (int64_t) tensor->n_rows * tensor->n_columns; j++)
			tensor->data[j] = nn_rng_normal(&rng);
	}
	nn_net_pack(model->net);
	return model;
}

uint8_t *
file_case_file(FileCase which, NnFloatKind kind, size_t *n_bytes)
{
	NnModel    *model = file_case_model(which, &nn_env_malloc);
	NnArray		out;
	uint8_t    *file;
	NnError		err;

	nn_array_init(&out, &nn_env_malloc, 1);
	must(nn_file_write(model, kind, &out, &err) == NN_OK, err.message);
	file = malloc(out.n);
	must(file != NULL, "out of memory");
	memcpy(file, out.data, out.n);
	*n_bytes = out.n;
	nn_array_free(&out);
	nn_model_destroy(model);
	return file;
}
