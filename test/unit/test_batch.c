/*
 * test_batch.c: packed batches against a naive twin, and the order of an epoch.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"
#include "train/batch.h"
#include "train_case.h"

#define MAX_PICK 40

static NnError err;

/* ---- the naive twin ------------------------------------------------------------ */

/* pick's places by descending length, ties as they are: repeatedly take the first longest. */
static void
naive_order(const NnExamples *examples, const NnSpec *spec, const int32_t *pick, int n, int32_t *order)
{
	bool		is_used[MAX_PICK] = {false};

	for (int r = 0; r < n; r++)
	{
		int			best = -1;

		for (int i = 0; i < n; i++)
			if (!is_used[i] && (best < 0 || nn_example_length(examples, spec, pick[i]) >
								nn_example_length(examples, spec, pick[best])))
				best = i;
		is_used[best] = true;
		order[r] = best;
	}
}

/* Number of things that are not as the loops below say. */
static int
compare_steps(const NnBatch *batch, const NnExamples *examples, const NnSpec *spec,
			  const int32_t *pick, const int32_t *order)
{
	bool		is_text = spec->input == NN_INPUT_TEXT;
	int			n_wrong = 0;
	int			row = 0;

	for (int t = 0; t < batch->n_steps; t++)
	{
		int			n = 0;

		n_wrong += batch->offset[t] != row;
		for (int r = 0; r < batch->n_sequences; r++)
		{
			int64_t		i = pick[order[r]];

			if (nn_example_length(examples, spec, i) <= t)
				continue;
			if (is_text)
				n_wrong += batch->distinct[batch->token[row]] != examples->token[examples->token_start[i] + t];
			else
			{
				int64_t		start = examples->step_start == NULL ? i : examples->step_start[i];

				n_wrong += memcmp(batch->values + (size_t) row * (size_t) spec->embedding,
								  examples->values + (start + t) * spec->embedding,
								  (size_t) spec->embedding * sizeof(float)) != 0;
			}
			n++;
			row++;
		}
		n_wrong += batch->active[t] != n || n == 0;
	}
	n_wrong += batch->offset[batch->n_steps] != row || batch->n_rows != row;
	for (int u = 1; u < batch->n_distinct; u++)
		n_wrong += batch->distinct[u] <= batch->distinct[u - 1];
	return n_wrong;
}

static int
compare_bag(const NnBatch *batch, const NnExamples *examples, const int32_t *pick, const int32_t *order)
{
	int			n_wrong = 0;
	int			at = 0;

	for (int r = 0; r < batch->n_sequences; r++)
	{
		int64_t		i = pick[order[r]];
		int64_t		n = examples->bag_start[i + 1] - examples->bag_start[i];

		n_wrong += batch->bag_start[r] != at;
		for (int64_t j = 0; j < n; j++, at++)
		{
			int64_t		n_words = examples->bag_n_words[i];
			double		weight = 1.0 / sqrt((double) (j < n_words ? n_words : n - n_words));

			n_wrong += batch->bag_row[at] != examples->bag_row[examples->bag_start[i] + j];
			n_wrong += fabs((double) batch->bag_weight[at] - weight) > 1e-7;
		}
	}
	return n_wrong + (batch->bag_start[batch->n_sequences] != at);
}

static int
compare_rows(const NnBatch *batch, const NnExamples *examples, const NnSpec *spec,
			 const int32_t *pick, const int32_t *order)
{
	size_t		C = (size_t) spec->n_outputs;
	size_t		width = (size_t) spec->wide_inputs;
	int			n_wrong = 0;

	for (int r = 0; r < batch->n_sequences; r++)
	{
		size_t		i = (size_t) pick[order[r]];

		n_wrong += batch->length[r] != nn_example_length(examples, spec, (int64_t) i);
		if (spec->wide == NN_WIDE_FLAT)
			n_wrong += memcmp(batch->flat + (size_t) r * width, examples->values + i * width,
							  width * sizeof(float)) != 0;
		if (spec->task == NN_TASK_CLASSIFY)
			n_wrong += batch->label[r] != examples->label[i];
		else
			n_wrong += memcmp(batch->target + (size_t) r * C, examples->target + i * C, C * sizeof(float)) != 0;
	}
	return n_wrong;
}

/* ---- tests ---------------------------------------------------------------------- */

/* Pack a random pick and hold it against the twin; returns what is wrong. */
static int
check_pack(NnRng *rng, const NnSpec *spec, const NnExamples *examples, NnArena *scratch)
{
	int			n = (int) nn_rng_below(rng, MAX_PICK + 1);
	int32_t		pick[MAX_PICK];
	int32_t		order[MAX_PICK];
	int32_t		expected[MAX_PICK];
	NnBatch		batch;
	int			n_wrong = 0;

	for (int k = 0; k < n; k++)
		pick[k] = (int32_t) nn_rng_below(rng, (uint64_t) examples->n);
	nn_arena_reset(scratch);
	if (nn_batch_pack(&batch, spec, examples, pick, n, 0, NULL, scratch, order, &err) != NN_OK)
	{
		printf("# %s\n", err.message);
		return 1;
	}
	naive_order(examples, spec, pick, n, expected);
	n_wrong += n > 0 && memcmp(order, expected, (size_t) n * sizeof(int32_t)) != 0;
	n_wrong += batch.n_sequences != n;
	n_wrong += compare_steps(&batch, examples, spec, pick, order);
	if (spec->wide == NN_WIDE_BAG)
		n_wrong += compare_bag(&batch, examples, pick, order);
	return n_wrong + compare_rows(&batch, examples, spec, pick, order);
}

static void
test_twin(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnRng		rng;
	int			n_wrong[4] = {0};

	nn_rng_seed(&rng, 1);
	for (int round = 0; round < 200; round++)
	{
		int			longest = 1 + (int) nn_rng_below(&rng, 60);
		NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 256 + (int) nn_rng_below(&rng, 100000), 1000, 3);
		TrainSet	set;

		train_set_random_text(&set, &rng, 60, longest, spec.vocabulary, spec.wide_inputs, 3);
		spec.task = round % 2 == 0 ? NN_TASK_CLASSIFY : NN_TASK_REGRESS;
		n_wrong[0] += check_pack(&rng, &spec, &set.examples, scratch);
		spec = train_case_text_spec(NN_CELL_NONE, 0, 1000, 3);
		n_wrong[1] += check_pack(&rng, &spec, &set.examples, scratch);
		train_set_free(&set);

		spec = train_case_xor_spec(round % 2 == 0);
		spec.n_outputs = 3;
		spec.embedding = 1 + (int) nn_rng_below(&rng, 5);
		spec.wide_inputs = spec.embedding;
		train_set_random_series(&set, &rng, 60, 0, spec.embedding, 3);
		n_wrong[2] += check_pack(&rng, &spec, &set.examples, scratch);
		train_set_free(&set);

		spec.input = NN_INPUT_SERIES;
		spec.wide = NN_WIDE_NONE;
		spec.wide_inputs = spec.wide_hidden = 0;
		train_set_random_series(&set, &rng, 60, longest, spec.embedding, 3);
		n_wrong[3] += check_pack(&rng, &spec, &set.examples, scratch);
		train_set_free(&set);
	}
	ok(n_wrong[0] == 0, "text: steps, tokens, bag and targets are the naive twin's");
	ok(n_wrong[1] == 0, "text without a recurrent branch: no steps, bag and targets are the twin's");
	ok(n_wrong[2] == 0, "vectors: values, flat copies and targets are the twin's");
	ok(n_wrong[3] == 0, "series: values and targets are the twin's");
	nn_arena_destroy(scratch);
}

static void
test_empty(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 256, 10, 2);
	const int64_t start[4] = {0, 0, 0, 0};
	const int32_t nothing[1] = {0};
	const int32_t label[3] = {1, 0, 1};
	const int32_t pick[3] = {2, 0, 1};
	NnExamples	examples = {.n = 3, .token_start = start, .token = nothing, .bag_start = start, .bag_row = nothing, .label = label};
	int32_t		order[3];
	NnBatch		batch;

	ok(nn_batch_pack(&batch, &spec, &examples, pick, 3, 0.5f, NULL, scratch, order, &err) == NN_OK &&
	   batch.n_steps == 0 && batch.n_rows == 0 && batch.n_distinct == 0 && batch.offset[0] == 0 &&
	   batch.bag_start[3] == 0 && batch.length[0] == 0, "three empty texts make a batch of no steps");
	ok(order[0] == 0 && order[1] == 1 && order[2] == 2 && batch.label[0] == 1 && batch.label[1] == 1 &&
	   batch.label[2] == 0, "in the order in which they were picked");
	ok(nn_batch_pack(&batch, &spec, &examples, pick, 0, 0, NULL, scratch, order, &err) == NN_OK &&
	   batch.n_sequences == 0 && batch.n_rows == 0, "no texts at all");
	nn_arena_destroy(scratch);
}

/* What is refused, as it would index memory. */
static void
test_refused(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 300, 10, 2);
	NnSpec		flat = train_case_xor_spec(false);
	const int64_t start[3] = {0, 2, 4};
	int32_t		token[4] = {299, 0, 5, 5};
	int32_t		row[4] = {9, 0, 1, 1};
	int32_t		n_words[2] = {2, 1};
	const float values[8] = {0};
	int32_t		pick[2] = {0, 1};
	int32_t		order[2];
	NnExamples	examples = {.n = 2, .token_start = start, .token = token, .bag_start = start, .bag_row = row, .bag_n_words = n_words};
	NnExamples	long_vector = {.n = 2, .step_start = start, .values = values};
	NnExamples	none = {.n = 2};
	NnBatch		batch;

#define PACK(s, e) nn_batch_pack(&batch, s, e, pick, 2, 0, NULL, scratch, order, &err)
	ok(PACK(&spec, &examples) == NN_OK, "ids at their bounds");
	token[3] = 300;
	ok(PACK(&spec, &examples) == NN_EINVAL, "a token beyond the vocabulary");
	token[3] = -1;
	ok(PACK(&spec, &examples) == NN_EINVAL, "a negative token");
	token[3] = 5;
	row[2] = 10;
	ok(PACK(&spec, &examples) == NN_EINVAL, "a feature beyond the table");
	row[2] = -5;
	ok(PACK(&spec, &examples) == NN_EINVAL, "a negative feature");
	row[2] = 1;
	n_words[1] = 3;
	ok(PACK(&spec, &examples) == NN_EINTERNAL, "more words than features");
	n_words[1] = 1;
	pick[1] = 2;
	ok(PACK(&spec, &examples) == NN_EINTERNAL, "an example that is not there");
	pick[1] = 1;
	ok(PACK(&flat, &long_vector) == NN_EINVAL, "an input of another width");
	ok(PACK(&spec, &none) == NN_EINTERNAL && PACK(&flat, &none) == NN_EINTERNAL, "a stream that is missing");
	ok(PACK(&spec, &examples) == NN_OK, "and all is well again");
#undef PACK
	nn_arena_destroy(scratch);
}

static void
test_dropout(void)
{
	enum
	{
		N = 20,
		N_FEATURES = 5000
	};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = train_case_text_spec(NN_CELL_NONE, 0, N_FEATURES, 2);
	int64_t		start[N + 1];
	int32_t    *row = malloc((size_t) N * N_FEATURES * sizeof(int32_t));
	int32_t		pick[N];
	int32_t		order[N];
	int32_t		n_words[N];
	NnExamples	examples = {.n = N, .bag_start = start, .bag_row = row, .bag_n_words = n_words};
	NnBatch		batch;
	NnRng		rng;
	NnRng		again;
	double		p = 0.2;
	double		n_kept;
	double		sum = 0.0;
	int			n_first = 0;
	bool		is_other = false;
	uint64_t	hash;

	start[0] = 0;
	for (int i = 0; i < N; i++)
	{
		start[i + 1] = start[i] + N_FEATURES;
		n_words[i] = N_FEATURES - 900;
		pick[i] = i;
		for (int j = 0; j < N_FEATURES; j++)
			row[start[i] + j] = j;
	}
	nn_rng_seed(&rng, 3);
	again = rng;
	nn_batch_pack(&batch, &spec, &examples, pick, N, (float) p, &rng, scratch, order, &err);

	/* five standard deviations of a binomial count */
	n_kept = batch.bag_start[N];
	ok(fabs(n_kept - (1 - p) * N * N_FEATURES) < 5 * sqrt(p * (1 - p) * N * N_FEATURES),
	   "one feature in five is dropped (%.4f)", 1 - n_kept / (N * N_FEATURES));
	for (int j = 0; j < batch.bag_start[N]; j++)
		sum += (double) batch.bag_weight[j];
	ok(fabs(sum / (N * (sqrt(4100.0) + sqrt(900.0))) - 1) < 0.01, "the others weigh more, so that the sum stays");
	ok(fabs((double) batch.bag_weight[0] - 1 / sqrt(4100.0) / (1 - p)) < 1e-7,
	   "weights count the features before they are dropped");

	for (int j = 0; j < N_FEATURES / 2; j++)
		n_first += batch.bag_row[j] == batch.bag_row[batch.bag_start[1] + j];
	is_other = n_first < N_FEATURES / 4;
	ok(is_other, "each text drops its own");
	hash = nn_hash_bytes(batch.bag_row, (uint64_t) batch.bag_start[N] * 4, 0);
	nn_batch_pack(&batch, &spec, &examples, pick, N, (float) p, &rng, scratch, order, &err);
	ok(hash != nn_hash_bytes(batch.bag_row, (uint64_t) batch.bag_start[N] * 4, 0), "and others the next time");
	nn_batch_pack(&batch, &spec, &examples, pick, N, (float) p, &again, scratch, order, &err);
	ok(hash == nn_hash_bytes(batch.bag_row, (uint64_t) batch.bag_start[N] * 4, 0), "the same ones from the same generator");
	free(row);
	nn_arena_destroy(scratch);
}

/* An epoch's order: each example once, batches sorted inside their windows. */
static void
test_epoch(void)
{
	NnArena    *memory = nn_arena_create(&nn_env_malloc);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 300, 50, 2);
	NnTrainOptions options = train_case_options();
	NnEpochOrder epoch;
	TrainSet	set;
	NnRng		rng;
	bool		is_seen[1003] = {false};
	bool		is_batch_seen[63] = {false};
	bool		is_permutation = true;
	bool		is_sorted = true;
	uint64_t	hash;
	double		spread = 0.0;

	nn_rng_seed(&rng, 9);
	train_set_random_text(&set, &rng, 1003, 40, 300, 50, 2);
	nn_epoch_order_create(&epoch, set.examples.n, &options, memory, &err);
	ok(epoch.n_batches == 63, "1003 examples make 63 batches of 16");
	nn_rng_seed(&rng, 5);
	ok(nn_epoch_order_shuffle(&epoch, &spec, &set.examples, &rng, &nn_env_malloc, scratch, &err) == NN_OK,
	   "an epoch is dealt");
	for (int64_t i = 0; i < epoch.n; i++)
	{
		int64_t		length = nn_example_length(&set.examples, &spec, epoch.order[i]);

		is_permutation = is_permutation && !is_seen[epoch.order[i]];
		is_seen[epoch.order[i]] = true;
		if (i % epoch.n_window != 0)
			is_sorted = is_sorted && length <= nn_example_length(&set.examples, &spec, epoch.order[i - 1]);
		if (i % 16 == 15)
			spread += (double) (nn_example_length(&set.examples, &spec, epoch.order[i - 15]) - length) / 62;
	}
	for (int b = 0; b < 63; b++)
	{
		is_permutation = is_permutation && !is_batch_seen[epoch.batch_order[b]];
		is_batch_seen[epoch.batch_order[b]] = true;
	}
	ok(is_permutation, "each example and each batch comes once");
	ok(is_sorted, "windows descend by length");
	/* 160 lengths of 0 ... 40 cut in ten: about 4 apart, against 36 if nothing were sorted */
	ok(spread < 6, "lengths of a batch are near each other (%.1f apart)", spread);

	hash = nn_hash_bytes(epoch.order, sizeof(int32_t) * 1003, nn_hash_bytes(epoch.batch_order, sizeof(int32_t) * 63, 0));
	nn_epoch_order_shuffle(&epoch, &spec, &set.examples, &rng, &nn_env_malloc, scratch, &err);
	ok(hash != nn_hash_bytes(epoch.order, sizeof(int32_t) * 1003, nn_hash_bytes(epoch.batch_order, sizeof(int32_t) * 63, 0)),
	   "the next epoch is another");
	nn_rng_seed(&rng, 5);
	nn_epoch_order_shuffle(&epoch, &spec, &set.examples, &rng, &nn_env_malloc, scratch, &err);
	ok(hash == nn_hash_bytes(epoch.order, sizeof(int32_t) * 1003, nn_hash_bytes(epoch.batch_order, sizeof(int32_t) * 63, 0)),
	   "the same seed deals the same");
	train_set_free(&set);
	nn_arena_destroy(scratch);
	nn_arena_destroy(memory);
}

/* The sort against its definition. */
static void
test_sort(void)
{
	NnKeyed		items[500];
	NnKeyed		other[500];
	NnRng		rng;
	int			n_wrong = 0;

	nn_rng_seed(&rng, 4);
	for (int round = 0; round < 200; round++)
	{
		int			n = (int) nn_rng_below(&rng, 501);
		uint64_t	range = UINT64_C(1) << nn_rng_below(&rng, 33);
		NnKeyed    *sorted;
		uint64_t	sum = 0;

		for (int i = 0; i < n; i++)
		{
			items[i].key = (uint32_t) nn_rng_below(&rng, range);
			items[i].value = i;
			sum += nn_mix64(items[i].key * UINT64_C(1000) + (uint64_t) i);
		}
		sorted = nn_sort_keyed(items, other, n);
		for (int i = 0; i < n; i++)
		{
			sum -= nn_mix64(sorted[i].key * UINT64_C(1000) + (uint64_t) sorted[i].value);
			if (i > 0)
				n_wrong += sorted[i - 1].key > sorted[i].key ||
					(sorted[i - 1].key == sorted[i].key && sorted[i - 1].value >= sorted[i].value);
		}
		n_wrong += sum != 0;
	}
	ok(n_wrong == 0, "the radix sort sorts, keeps ties, and loses nothing");
}

/* The bound holds for the worst batch there is, and the bytes for what is taken. */
static void
test_bound(void)
{
	NnRng		rng;
	int			n_under = 0;
	int			n_loose = 0;
	int			n_over = 0;

	nn_rng_seed(&rng, 6);
	for (int round = 0; round < 60; round++)
	{
		NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 300, 50, 2);
		int			B = 1 + (int) nn_rng_below(&rng, MAX_PICK);
		NnArena    *scratch = nn_arena_create(&nn_env_malloc);
		NnBatchBound bound;
		TrainSet	set;
		int32_t		longest[200];
		int32_t		order[MAX_PICK];
		int64_t		n_rows = 0;
		int			n_pick;
		NnBatch		batch;

		train_set_random_text(&set, &rng, 1 + (int64_t) nn_rng_below(&rng, 200), 1 + (int) nn_rng_below(&rng, 300),
							  300, 50, 2);
		for (int i = 0; i < set.examples.n; i++)
			longest[i] = i;
		nn_examples_sort(&set.examples, &spec, longest, set.examples.n, scratch, &err);
		n_pick = B < set.examples.n ? B : (int) set.examples.n;
		for (int i = 0; i < n_pick; i++)
			n_rows += nn_example_length(&set.examples, &spec, longest[i]);
		nn_batch_bound(&bound, &set.examples, &spec, B);
		n_under += bound.n_rows < n_rows || bound.n_sequences != n_pick;
		n_loose += (double) bound.n_rows > 1.15 * (double) n_rows + 1;

		/* one piece of that size, and everything must fit into it */
		nn_arena_destroy(scratch);
		scratch = nn_arena_create(&nn_env_malloc);
		nn_arena_take(scratch, 1, nn_batch_bytes(&spec, &bound));
		nn_arena_reset(scratch);
		nn_batch_pack(&batch, &spec, &set.examples, longest, n_pick, 0, NULL, scratch, order, &err);
		n_over += nn_arena_peak_bytes(scratch) > nn_batch_bytes(&spec, &bound) + 16384 + 64;
		train_set_free(&set);
		nn_arena_destroy(scratch);
	}
	ok(n_under == 0, "no batch is larger than the bound");
	ok(n_loose == 0, "and the bound is less than an eighth above the largest");
	ok(n_over == 0, "a batch fits into the bytes that were named");
}

static void
test_no_memory(void)
{
	NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 300, 50, 2);
	NnRng		rng;
	TrainSet	set;
	int			n_failed = 0;
	bool		is_clean = true;
	NnStatus	status = NN_ENOMEM;

	nn_rng_seed(&rng, 8);
	train_set_random_text(&set, &rng, 40, 400, 300, 50, 2);
	for (int fail_at = 2; status != NN_OK && fail_at < 100; fail_at++)
	{
		TestHost	host;
		NnArena    *scratch;
		int32_t		pick[40];
		int32_t		order[40];
		NnBatch		batch;

		for (int i = 0; i < 40; i++)
			pick[i] = i;
		test_host_init(&host);
		host.fail_at = fail_at;
		scratch = nn_arena_create(&host.env);
		status = nn_batch_pack(&batch, &spec, &set.examples, pick, 40, 0.1f, &rng, scratch, order, &err);
		is_clean = is_clean && (status == NN_OK || (status == NN_ENOMEM && err.status == NN_ENOMEM));
		n_failed += status == NN_ENOMEM;
		nn_arena_destroy(scratch);
		is_clean = is_clean && host.n_blocks == 0;
	}
	ok(is_clean && status == NN_OK && n_failed > 2, "each failed allocation is NN_ENOMEM (%d of them)", n_failed);
	train_set_free(&set);
}

int
main(void)
{
	test_sort();
	test_twin();
	test_empty();
	test_refused();
	test_dropout();
	test_epoch();
	test_bound();
	test_no_memory();
	return done_testing();
}
