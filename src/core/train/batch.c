/*
 * train/batch.c: examples to a packed batch, and what that takes.
 *
 * nn/net.h says what packed means.  Lengths decide active and offset;
 * tokens or steps are copied to their packed rows; the distinct tokens come
 * from a radix sort of (token, row), which takes no time worth naming and no
 * table as large as the vocabulary; the bag is copied with its weights.  Ids
 * are checked here, once, against the spec: behind this file they index memory.
 *
 * All memory is the scratch arena's and lives until its reset.
 */
#include "train/batch.h"

#include <math.h>
#include <string.h>

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory while building a batch");
}

/* ---- packing --------------------------------------------------------------- */

NnStatus
nn_pack_lengths(NnBatch *batch, const int32_t *length, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;
	int32_t    *active;
	int32_t    *offset;
	int64_t		n_rows = 0;
	int			T;

	for (int r = 0; r < B; r++)
		n_rows += length[r];
	if (n_rows > INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "a batch of %lld steps is too large", (long long) n_rows);

	T = B > 0 ? length[0] : 0;
	active = NN_TAKE(scratch, int32_t, (size_t) T);
	offset = NN_TAKE(scratch, int32_t, (size_t) T + 1);
	if (active == NULL || offset == NULL)
		return out_of_memory(err);

	/* Lengths descend, so the rows of a step are always the first ones. */
	offset[0] = 0;
	for (int t = 0, n = B; t < T; t++)
	{
		while (n > 0 && length[n - 1] <= t)
			n--;
		active[t] = n;
		offset[t + 1] = offset[t] + n;
	}

	batch->n_steps = T;
	batch->n_rows = (int) n_rows;
	batch->length = length;
	batch->active = active;
	batch->offset = offset;
	return NN_OK;
}

/* Lengths of sorted examples. */
static NnStatus
pack_lengths(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			 const int32_t *example, NnArena *scratch, NnError *err)
{
	int32_t    *length = NN_TAKE(scratch, int32_t, (size_t) batch->n_sequences);

	if (length == NULL)
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
		length[r] = (int32_t) nn_example_length(examples, spec, example[r]);
	return nn_pack_lengths(batch, length, scratch, err);
}

NnStatus
nn_pack_distinct(NnBatch *batch, const int32_t *key, int limit, NnArena *scratch, NnError *err)
{
	int			N = batch->n_rows;
	NnKeyed    *items = NN_TAKE(scratch, NnKeyed, (size_t) N);
	NnKeyed    *other = NN_TAKE(scratch, NnKeyed, (size_t) N);
	int32_t    *distinct = NN_TAKE(scratch, int32_t, (size_t) N);
	int32_t    *token = NN_TAKE(scratch, int32_t, (size_t) N);
	int			U = 0;

	if (items == NULL || other == NULL || distinct == NULL || token == NULL)
		return out_of_memory(err);
	for (int row = 0; row < N; row++)
	{
		items[row].key = (uint32_t) key[row];
		items[row].value = row;
	}
	items = nn_sort_keyed(items, other, N);

	/* The last is the largest, and a negative id is larger than any good one. */
	if (N > 0 && items[N - 1].key >= (uint32_t) limit)
		return nn_fail(err, NN_EINVAL, "token %lld is outside a vocabulary of %d",
					   (long long) items[N - 1].key, limit);

	for (int i = 0; i < N; i++)
	{
		if (U == 0 || (uint32_t) distinct[U - 1] != items[i].key)
			distinct[U++] = (int32_t) items[i].key;
		token[items[i].value] = U - 1;
	}

	batch->n_distinct = U;
	batch->distinct = distinct;
	batch->token = token;
	return NN_OK;
}

/* Distinct tokens of the batch and each packed row's place among them. */
static NnStatus
pack_tokens(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			const int32_t *example, NnArena *scratch, NnError *err)
{
	int32_t    *key = NN_TAKE(scratch, int32_t, (size_t) batch->n_rows);

	if (key == NULL)
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
	{
		const int32_t *from = examples->token + examples->token_start[example[r]];

		for (int t = 0; t < batch->length[r]; t++)
			key[batch->offset[t] + r] = from[t];
	}
	return nn_pack_distinct(batch, key, spec->vocabulary, scratch, err);
}

/* The first value of an example, and how many it has, given E values a step. */
static const float *
example_values(const NnExamples *examples, int64_t i, int E, int64_t *n)
{
	int64_t		start = examples->step_start == NULL ? i : examples->step_start[i];

	*n = nn_example_steps(examples, i) * E;
	return examples->values + start * E;
}

static NnStatus
pack_values(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			const int32_t *example, NnArena *scratch, NnError *err)
{
	int			E = nn_spec_input_width(spec);
	float	   *values = NN_TAKE(scratch, float, nn_size_mul((size_t) batch->n_rows, (size_t) E));

	if (values == NULL)
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
	{
		int64_t		n;
		const float *from = example_values(examples, example[r], E, &n);

		for (int t = 0; t < batch->length[r]; t++)
			memcpy(values + (size_t) (batch->offset[t] + r) * (size_t) E, from + (size_t) t * (size_t) E,
				   (size_t) E * sizeof(float));
	}
	batch->values = values;
	return NN_OK;
}

static NnStatus
pack_flat(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
		  const int32_t *example, NnArena *scratch, NnError *err)
{
	size_t		width = (size_t) spec->wide_inputs;
	float	   *flat = NN_TAKE(scratch, float, nn_size_mul((size_t) batch->n_sequences, width));

	if (flat == NULL)
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
	{
		int64_t		n = (int64_t) width;
		const float *from = examples->flat != NULL ? examples->flat + (size_t) example[r] * width :
		example_values(examples, example[r], spec->embedding, &n);

		if (n != (int64_t) width)
			return nn_fail(err, NN_EINVAL, "an input of %lld numbers where the network takes %d",
						   (long long) n, spec->wide_inputs);
		memcpy(flat + (size_t) r * width, from, width * sizeof(float));
	}
	batch->flat = flat;
	return NN_OK;
}

/*
 * Append n features, each of weight 1 / sqrt(n).  With dropout each is kept
 * with probability 1 - p and the kept ones weigh 1 / (1 - p) times as much,
 * which leaves the expected sum as it is without (Srivastava et al. 2014).
 * Returns how many were kept, or -1 if one is not a row of the table.
 */
static int64_t
append_features(const int32_t *from, int64_t n, int n_table, float drop, NnRng *rng,
				int32_t *row, float *weight)
{
	float		each = n > 0 ? (float) (1.0 / sqrt((double) n) / (1.0 - (double) drop)) : 0.0f;
	int64_t		n_kept = 0;

	for (int64_t j = 0; j < n; j++)
	{
		if (from[j] < 0 || from[j] >= n_table)
			return -1;
		if (drop > 0 && nn_rng_uniform(rng) < drop)
			continue;
		row[n_kept] = from[j];
		weight[n_kept] = each;
		n_kept++;
	}
	return n_kept;
}

static NnStatus
pack_bag(NnBatch *batch, const NnSpec *spec, const NnExamples *examples, const int32_t *example,
		 float drop, NnRng *rng, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;
	int64_t		n_all = 0;
	int64_t		n = 0;
	int32_t    *start = NN_TAKE(scratch, int32_t, (size_t) B + 1);
	int32_t    *row;
	float	   *weight;

	if (start == NULL)
		return out_of_memory(err);
	for (int r = 0; r < B; r++)
		n_all += nn_example_bag(examples, spec, example[r]);
	if (n_all > INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "a batch of %lld features is too large", (long long) n_all);
	row = NN_TAKE(scratch, int32_t, (size_t) n_all);
	weight = NN_TAKE(scratch, float, (size_t) n_all);
	if (row == NULL || weight == NULL)
		return out_of_memory(err);

	start[0] = 0;
	for (int r = 0; r < B; r++)
	{
		int64_t		i = example[r];
		const int32_t *from = examples->bag_row + examples->bag_start[i];
		int64_t		n_bag = nn_example_bag(examples, spec, i);
		int64_t		n_kind[2];

		/* Words and pairs, then character n-grams: each kind weighs by its own number. */
		n_kind[0] = examples->bag_n_words == NULL ? n_bag : examples->bag_n_words[i];
		n_kind[1] = n_bag - n_kind[0];
		if (n_kind[0] < 0 || n_kind[1] < 0)
			return nn_fail(err, NN_EINTERNAL, "a bag of %lld features has %lld words",
						   (long long) n_bag, (long long) n_kind[0]);
		for (int kind = 0; kind < 2; kind++)
		{
			int64_t		n_kept = append_features(from, n_kind[kind], spec->wide_inputs, drop, rng,
												 row + n, weight + n);

			if (n_kept < 0)
				return nn_fail(err, NN_EINVAL, "a feature is outside a table of %d", spec->wide_inputs);
			n += n_kept;
			from += n_kind[kind];
		}
		start[r + 1] = (int32_t) n;
	}

	batch->bag_start = start;
	batch->bag_row = row;
	batch->bag_weight = weight;
	return NN_OK;
}

/* One row of width numbers for each example of the batch. */
static NnStatus
pack_rows(NnBatch *batch, const float *from, size_t width, const int32_t *example, NnArena *scratch,
		  const float **packed, NnError *err)
{
	float	   *rows = NN_TAKE(scratch, float, nn_size_mul((size_t) batch->n_sequences, width));

	if (rows == NULL)
		return out_of_memory(err);
	for (int r = 0; r < batch->n_sequences; r++)
		memcpy(rows + (size_t) r * width, from + (size_t) example[r] * width, width * sizeof(float));
	*packed = rows;
	return NN_OK;
}

static NnStatus
pack_targets(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			 const int32_t *example, NnArena *scratch, NnError *err)
{
	int			B = batch->n_sequences;

	if (spec->task == NN_TASK_CLASSIFY && !spec->is_multi_label && examples->label != NULL)
	{
		int32_t    *label = NN_TAKE(scratch, int32_t, (size_t) B);

		if (label == NULL)
			return out_of_memory(err);
		for (int r = 0; r < B; r++)
			label[r] = examples->label[example[r]];
		batch->label = label;
	}
	if ((spec->task == NN_TASK_REGRESS || spec->is_multi_label) && examples->target != NULL)
		return pack_rows(batch, examples->target, (size_t) spec->n_outputs, example, scratch, &batch->target, err);
	if (spec->task == NN_TASK_FORECAST && examples->weight != NULL)
		NN_TRY(pack_rows(batch, examples->weight, (size_t) nn_spec_channels(spec), example, scratch,
						 &batch->weight, err));
	if (spec->task == NN_TASK_FORECAST && examples->target != NULL)
		return pack_rows(batch, examples->target, (size_t) (spec->n_outputs / spec->n_quantiles), example, scratch,
						 &batch->target, err);
	return NN_OK;
}

/* Put pick in order of descending length; example (n_pick) gets the examples' numbers in that order. */
static NnStatus
sort_pick(const NnSpec *spec, const NnExamples *examples, const int32_t *pick, int n_pick,
		  NnArena *scratch, int32_t *order, int32_t *example, NnError *err)
{
	NnKeyed    *items = NN_TAKE(scratch, NnKeyed, (size_t) n_pick);
	NnKeyed    *other = NN_TAKE(scratch, NnKeyed, (size_t) n_pick);

	if (items == NULL || other == NULL)
		return out_of_memory(err);
	for (int i = 0; i < n_pick; i++)
	{
		int64_t		length;

		if (pick[i] < 0 || pick[i] >= examples->n)
			return nn_fail(err, NN_EINTERNAL, "example %d of %lld", (int) pick[i], (long long) examples->n);
		length = nn_example_length(examples, spec, pick[i]);
		if (length < 0 || length > INT32_MAX)
			return nn_fail(err, NN_ELIMIT, "a sequence of %lld steps is too long", (long long) length);
		items[i].key = (uint32_t) (INT32_MAX - length);
		items[i].value = i;
	}
	items = nn_sort_keyed(items, other, n_pick);
	for (int i = 0; i < n_pick; i++)
	{
		order[i] = items[i].value;
		example[i] = pick[items[i].value];
	}
	return NN_OK;
}

NnStatus
nn_batch_pack(NnBatch *batch, const NnSpec *spec, const NnExamples *examples,
			  const int32_t *pick, int n_pick, float drop_feature, NnRng *rng,
			  NnArena *scratch, int32_t *order, NnError *err)
{
	int32_t    *example = NN_TAKE(scratch, int32_t, (size_t) n_pick);

	if (example == NULL)
		return out_of_memory(err);
	memset(batch, 0, sizeof(*batch));
	batch->n_sequences = n_pick;

	NN_TRY(nn_examples_check(examples, spec, false, err));
	NN_TRY(sort_pick(spec, examples, pick, n_pick, scratch, order, example, err));
	NN_TRY(pack_lengths(batch, spec, examples, example, scratch, err));
	if (spec->task == NN_TASK_TAG)
		return nn_pack_tags(batch, spec, examples, example, scratch, err);
	if (spec->task == NN_TASK_LANGUAGE)
		return nn_pack_language(batch, spec, examples, example, scratch, err);
	if (spec->cell != NN_CELL_NONE && spec->input == NN_INPUT_TEXT)
		NN_TRY(pack_tokens(batch, spec, examples, example, scratch, err));
	else if (spec->cell != NN_CELL_NONE)
		NN_TRY(pack_values(batch, spec, examples, example, scratch, err));
	if (spec->decoder_layers > 0)
		return nn_pack_written(batch, spec, examples, example, scratch, err);

	if (spec->wide == NN_WIDE_BAG)
		NN_TRY(pack_bag(batch, spec, examples, example, drop_feature, rng, scratch, err));
	else if (spec->wide != NN_WIDE_NONE)
		NN_TRY(pack_flat(batch, spec, examples, example, scratch, err));
	return pack_targets(batch, spec, examples, example, scratch, err);
}

/* ---- sizes ----------------------------------------------------------------- */

/*
 * A bound of the sum of the n largest numbers of a stream, in one pass and
 * without memory that grows: numbers fall into buckets an eighth of an octave
 * wide, and the buckets are emptied from the top.  Exact for outliers, which
 * stand alone in their bucket, and for numbers cut off at a common limit.
 */
#define N_BUCKETS 512

typedef struct NnLargest
{
	struct
	{
		int64_t		n;
		int64_t		sum;
		int64_t		highest;
	}			bucket[N_BUCKETS];
} NnLargest;

static void
largest_add(NnLargest *largest, int64_t value)
{
	int			octave = 0;
	int			at;

	if (value < 0)
		value = 0;
	/* value >> octave is in 8 ... 15, below that each number has its own bucket */
	while ((value >> octave) > 15)
		octave++;
	at = octave * 8 + (int) (value >> octave);
	largest->bucket[at].n++;
	largest->bucket[at].sum += value;
	if (value > largest->bucket[at].highest)
		largest->bucket[at].highest = value;
}

static int64_t
largest_sum(const NnLargest *largest, int64_t n)
{
	int64_t		sum = 0;

	for (int at = N_BUCKETS - 1; at >= 0 && n > 0; at--)
	{
		int64_t		n_here = largest->bucket[at].n < n ? largest->bucket[at].n : n;

		if (n_here == largest->bucket[at].n)
			sum += largest->bucket[at].sum;
		else
			sum += n_here * largest->bucket[at].highest;
		n -= n_here;
	}
	return sum;
}

/* Spelling rows of the form that has the most. */
static int64_t
longest_spelling(const NnForms *forms)
{
	int64_t		longest = 0;

	for (int32_t i = 0; forms != NULL && i < forms->n; i++)
		if (forms->spelling_start[i + 1] - forms->spelling_start[i] > longest)
			longest = forms->spelling_start[i + 1] - forms->spelling_start[i];
	return longest;
}

void
nn_batch_bound(NnBatchBound *bound, const NnExamples *examples, const NnSpec *spec, int n_sequences)
{
	NnLargest	rows;
	NnLargest	bags;
	NnLargest	written;
	NnLargest	pairs;

	memset(&rows, 0, sizeof(rows));
	memset(&bags, 0, sizeof(bags));
	memset(&written, 0, sizeof(written));
	memset(&pairs, 0, sizeof(pairs));
	for (int64_t i = 0; i < examples->n; i++)
	{
		int64_t		n_rows = nn_example_length(examples, spec, i);
		int64_t		n_written = nn_example_written(examples, spec, i);

		largest_add(&rows, n_rows);
		largest_add(&bags, nn_example_bag(examples, spec, i));
		largest_add(&written, n_written);
		largest_add(&pairs, n_rows * n_written);
	}
	bound->n_written = largest_sum(&written, n_sequences);
	bound->n_pairs = largest_sum(&pairs, n_sequences);
	bound->n_sequences = n_sequences < examples->n ? n_sequences : examples->n;
	bound->n_rows = largest_sum(&rows, n_sequences);
	bound->n_bag = largest_sum(&bags, n_sequences);
	bound->n_sampled = 0;
	bound->n_spelling = bound->n_rows * longest_spelling(examples->forms);
}

/* What an arena takes for n items: its pieces are aligned to 64 bytes. */
static size_t
piece_bytes(int64_t n, size_t item_bytes)
{
	return nn_size_add(nn_size_mul((size_t) n, item_bytes), 64);
}

size_t
nn_batch_bytes(const NnSpec *spec, const NnBatchBound *bound)
{
	int64_t		B = bound->n_sequences;
	int64_t		N = bound->n_rows;
	size_t		bytes = 0;

	/* example and order, lengths, the sort's two arrays, active and offset (T <= N) */
	bytes = nn_size_add(bytes, nn_size_mul(3, piece_bytes(B, sizeof(int32_t))));
	bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(B, sizeof(NnKeyed))));
	bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(N + 1, sizeof(int32_t))));

	if (spec->cell != NN_CELL_NONE && spec->input == NN_INPUT_TEXT)
	{
		bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(N, sizeof(NnKeyed))));
		bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(N, sizeof(int32_t))));
	}
	else if (spec->cell != NN_CELL_NONE)
		bytes = nn_size_add(bytes, nn_size_mul(piece_bytes(N, sizeof(float)), (size_t) nn_spec_input_width(spec)));

	if (spec->wide == NN_WIDE_BAG)
	{
		bytes = nn_size_add(bytes, piece_bytes(B + 1, sizeof(int32_t)));
		bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(bound->n_bag, sizeof(float))));
	}
	else if (spec->wide != NN_WIDE_NONE)
		bytes = nn_size_add(bytes, nn_size_mul(piece_bytes(B, sizeof(float)), (size_t) spec->wide_inputs));

	/* keys, labels of rows, spelling; a written batch of its own: the same arrays again */
	bytes = nn_size_add(bytes, nn_size_mul(3, piece_bytes(N + 2 * B, sizeof(int32_t))));
	bytes = nn_size_add(bytes, nn_size_mul(2, piece_bytes(bound->n_spelling + N + 1, sizeof(int32_t))));
	bytes = nn_size_add(bytes, nn_size_mul(12, piece_bytes(bound->n_written + B + 1, sizeof(int32_t))));

	/* labels or targets; a forecast has fewer targets than outputs, and weights */
	bytes = nn_size_add(bytes, 64);
	return nn_size_add(bytes, nn_size_mul(piece_bytes(B, sizeof(float)), (size_t) spec->n_outputs));
}
