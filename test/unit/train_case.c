/*
 * train_case.c: a host that fails where it is told to, and small data sets.
 */
#include "train_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the host ---------------------------------------------------------------- */

/* In front of every block, so that what is given back can be counted. */
#define HEAD_BYTES 64

static void *
host_alloc(void *ctx, size_t size_bytes)
{
	TestHost   *host = ctx;
	char	   *block;

	host->n_allocs++;
	if (host->fail_at > 0 && host->n_allocs >= host->fail_at)
		return NULL;
	block = nn_env_malloc.alloc(NULL, size_bytes + HEAD_BYTES);
	if (block == NULL)
		return NULL;
	memcpy(block, &size_bytes, sizeof(size_bytes));
	host->n_blocks++;
	host->n_bytes += (int64_t) size_bytes;
	if (host->n_bytes > host->n_bytes_peak)
		host->n_bytes_peak = host->n_bytes;
	return block + HEAD_BYTES;
}

static void
host_release(void *ctx, void *block)
{
	TestHost   *host = ctx;
	size_t		size_bytes;

	if (block == NULL)
		return;
	memcpy(&size_bytes, (char *) block - HEAD_BYTES, sizeof(size_bytes));
	host->n_blocks--;
	host->n_bytes -= (int64_t) size_bytes;
	nn_env_malloc.release(NULL, (char *) block - HEAD_BYTES);
}

static int
host_poll(void *ctx)
{
	TestHost   *host = ctx;

	host->n_polls++;
	if (host->on_poll != NULL)
		host->on_poll(host);
	return host->cancel_at > 0 && host->n_polls >= host->cancel_at;
}

static void
host_progress(void *ctx, const NnProgress *progress)
{
	TestHost   *host = ctx;

	host->n_progress++;
	host->n_epoch_ends += progress->is_epoch_end;
	host->last = *progress;
	if (!progress->is_epoch_end)
		host->last_inside = *progress;
}

static double
host_now(void *ctx)
{
	TestHost   *host = ctx;

	host->clock += host->clock_step;
	return host->clock_step > 0 ? host->clock : nn_env_malloc.now(NULL);
}

void
test_host_init(TestHost *host)
{
	memset(host, 0, sizeof(*host));
	host->env.ctx = host;
	host->env.alloc = host_alloc;
	host->env.release = host_release;
	host->env.poll = host_poll;
	host->env.progress = host_progress;
	host->env.now = host_now;
}

/* ---- sets ---------------------------------------------------------------------- */

static void *
must_alloc(size_t n, size_t item_bytes)
{
	/* of the exact size, so that the address sanitizer sees a read behind it */
	void	   *block = calloc(n > 0 ? n : 1, item_bytes);

	if (block == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return block;
}

void
train_set_free(TrainSet *set)
{
	free(set->start);
	free(set->token);
	free(set->bag_start);
	free(set->bag_row);
	free(set->bag_n_words);
	free(set->values);
	free(set->label);
	free(set->target);
	memset(set, 0, sizeof(*set));
}

/* Point the examples at what the set holds. */
static void
publish(TrainSet *set, int64_t n, bool is_text)
{
	NnExamples *examples = &set->examples;

	examples->n = n;
	examples->token_start = is_text ? set->start : NULL;
	examples->step_start = is_text ? NULL : set->start;
	examples->token = set->token;
	examples->bag_start = set->bag_start;
	examples->bag_row = set->bag_row;
	examples->bag_n_words = set->bag_n_words;
	examples->values = set->values;
	examples->label = set->label;
	examples->target = set->target;
}

static void
random_labels(TrainSet *set, NnRng *rng, int64_t n, int C)
{
	set->label = must_alloc((size_t) n, sizeof(int32_t));
	set->target = must_alloc((size_t) n * (size_t) C, sizeof(float));
	for (int64_t i = 0; i < n; i++)
		set->label[i] = (int32_t) nn_rng_below(rng, (uint64_t) C);
	for (int64_t i = 0; i < n * C; i++)
		set->target[i] = nn_rng_normal(rng);
}

/* Starts of n runs of 0 ... longest items. */
static int64_t *
random_starts(NnRng *rng, int64_t n, int longest)
{
	int64_t    *start = must_alloc((size_t) n + 1, sizeof(int64_t));

	for (int64_t i = 0; i < n; i++)
	{
		int64_t		length = (int64_t) nn_rng_below(rng, (uint64_t) longest + 1);

		start[i + 1] = start[i] + length;
	}
	return start;
}

void
train_set_random_text(TrainSet *set, NnRng *rng, int64_t n, int max_length, int V, int n_table, int C)
{
	memset(set, 0, sizeof(*set));
	set->start = random_starts(rng, n, max_length);
	set->token = must_alloc((size_t) set->start[n], sizeof(int32_t));
	for (int64_t k = 0; k < set->start[n]; k++)
		set->token[k] = (int32_t) nn_rng_below(rng, (uint64_t) V);
	set->bag_start = random_starts(rng, n, 3 * max_length);
	set->bag_row = must_alloc((size_t) set->bag_start[n], sizeof(int32_t));
	for (int64_t k = 0; k < set->bag_start[n]; k++)
		set->bag_row[k] = (int32_t) nn_rng_below(rng, (uint64_t) n_table);
	set->bag_n_words = must_alloc((size_t) n, sizeof(int32_t));
	for (int64_t i = 0; i < n; i++)
		set->bag_n_words[i] = (int32_t) nn_rng_below(rng, (uint64_t) (set->bag_start[i + 1] - set->bag_start[i] + 1));
	random_labels(set, rng, n, C);
	publish(set, n, true);
}

void
train_set_random_series(TrainSet *set, NnRng *rng, int64_t n, int max_length, int E, int C)
{
	int64_t		n_steps = n;

	memset(set, 0, sizeof(*set));
	if (max_length > 0)
	{
		set->start = random_starts(rng, n, max_length);
		n_steps = set->start[n];
	}
	set->values = must_alloc((size_t) n_steps * (size_t) E, sizeof(float));
	for (int64_t k = 0; k < n_steps * E; k++)
		set->values[k] = nn_rng_normal(rng);
	random_labels(set, rng, n, C);
	publish(set, n, false);
}

void
train_set_first_token(TrainSet *set, NnRng *rng, int64_t n)
{
	int64_t		at = 0;

	memset(set, 0, sizeof(*set));
	set->start = must_alloc((size_t) n + 1, sizeof(int64_t));
	set->token = must_alloc((size_t) n * 8, sizeof(int32_t));
	set->bag_start = must_alloc((size_t) n + 1, sizeof(int64_t));
	set->bag_row = must_alloc((size_t) n * 2, sizeof(int32_t));
	set->bag_n_words = must_alloc((size_t) n, sizeof(int32_t));
	set->label = must_alloc((size_t) n, sizeof(int32_t));
	for (int64_t i = 0; i < n; i++)
	{
		int			length = 2 + (int) nn_rng_below(rng, 7);
		int			first = (int) nn_rng_below(rng, (uint64_t) length - 1);
		int			second = first + 1 + (int) nn_rng_below(rng, (uint64_t) (length - 1 - first));

		set->label[i] = (int32_t) nn_rng_below(rng, 2);
		for (int t = 0; t < length; t++)
			set->token[at + t] = (int32_t) nn_rng_below(rng, 20);
		set->token[at + first] = 256 + set->label[i];
		set->token[at + second] = 257 - set->label[i];
		at += length;
		set->start[i + 1] = at;
		set->bag_row[2 * i] = 0;
		set->bag_row[2 * i + 1] = 1;
		set->bag_start[i + 1] = 2 * (i + 1);
		set->bag_n_words[i] = 2;
	}
	publish(set, n, true);
}

void
train_set_xor(TrainSet *set, NnRng *rng, int64_t n, bool is_regress)
{
	memset(set, 0, sizeof(*set));
	set->values = must_alloc((size_t) n * 2, sizeof(float));
	set->label = must_alloc((size_t) n, sizeof(int32_t));
	set->target = must_alloc((size_t) n, sizeof(float));
	for (int64_t i = 0; i < n; i++)
	{
		bool		is_right = nn_rng_below(rng, 2) == 1;
		bool		is_up = nn_rng_below(rng, 2) == 1;

		set->values[2 * i] = (is_right ? 1.0f : -1.0f) * (0.5f + nn_rng_uniform(rng));
		set->values[2 * i + 1] = (is_up ? 1.0f : -1.0f) * (0.5f + nn_rng_uniform(rng));
		set->label[i] = is_right != is_up;
		set->target[i] = set->label[i] ? 1.0f : -1.0f;
	}
	publish(set, n, false);
	if (is_regress)
		set->examples.label = NULL;
	else
		set->examples.target = NULL;
}

/* ---- nets ---------------------------------------------------------------------- */

NnSpec
train_case_text_spec(NnCell cell, int V, int n_table, int C)
{
	NnSpec		spec = {0};

	spec.task = NN_TASK_CLASSIFY;
	spec.input = NN_INPUT_TEXT;
	spec.n_outputs = C;
	spec.cell = cell;
	if (cell != NN_CELL_NONE)
	{
		spec.n_layers = 1;
		spec.hidden = 8;
		spec.is_bidirectional = true;
		spec.pool = NN_POOL_MAX | NN_POOL_MEAN;
		spec.vocabulary = V;
		spec.embedding = 6;
	}
	if (n_table > 0)
	{
		spec.wide = NN_WIDE_BAG;
		spec.wide_inputs = n_table;
		spec.wide_hidden = 5;
	}
	return spec;
}

NnSpec
train_case_xor_spec(bool is_regress)
{
	NnSpec		spec = {0};

	spec.task = is_regress ? NN_TASK_REGRESS : NN_TASK_CLASSIFY;
	spec.input = NN_INPUT_VECTOR;
	spec.n_outputs = is_regress ? 1 : 2;
	spec.cell = NN_CELL_GRU;
	spec.n_layers = 1;
	spec.hidden = 8;
	spec.pool = NN_POOL_LAST;
	spec.embedding = 2;
	spec.wide = NN_WIDE_FLAT;
	spec.wide_inputs = 2;
	spec.wide_hidden = 8;
	return spec;
}

NnTrainOptions
train_case_options(void)
{
	NnTrainOptions options = {0};

	options.epochs = 10;
	options.batch = 16;
	options.window = 10;
	options.rate_recurrent = 1e-2f;
	options.rate_embedding = 1e-2f;
	options.rate_wide = 1e-2f;
	options.warmup = 0.05f;
	options.weight_decay = 0.01f;
	options.beta1 = 0.9f;
	options.beta2 = 0.999f;
	options.epsilon = 1e-8f;
	options.clip = 1.0f;
	options.keep = NN_KEEP_LAST;
	options.seed = 1;
	return options;
}

NnNet *
train_case_net(NnArena *arena, const NnSpec *spec, uint64_t seed)
{
	NnNet	   *net = NULL;
	NnRng		rng;
	NnError		err;

	if (nn_net_create(&net, arena, spec, true, &err) != NN_OK)
	{
		printf("Bail out! nn_net_create: %s\n", err.message);
		exit(1);
	}
	nn_rng_seed(&rng, seed);
	nn_net_init(net, &rng);
	return net;
}

uint64_t
train_case_hash(NnNet *net)
{
	uint64_t	hash = 0;

	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		hash = nn_hash_bytes(tensor->data,
							 (uint64_t) tensor->n_rows * (uint64_t) tensor->n_columns * sizeof(float), hash);
	}
	return hash;
}
