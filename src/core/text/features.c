/*
 * text/features.c: keys of words, pairs and character n-grams; counting them;
 * and the index from keys to rows.
 *
 * Keys are good 64-bit hashes.  Two uses follow.  The counter's table needs no
 * comparison behind the hash (with 10 million keys a collision anywhere has a
 * chance of 3 in a million, and would only share a row).  And the index finds
 * a key among sorted ones by its leading bits: they name a bucket of some two
 * keys.  Keys from a hostile file may share a bucket; a binary search inside it
 * bounds the cost.
 *
 * The three kinds of keys start from different seeds.  Model files depend on all
 * of this: it may never change.
 */
#include "text/features.h"

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "text/sort.h"
#include "text/table.h"
#include "text/tokenize.h"

/* the first digits of pi, e and the golden ratio */
#define SEED_WORD	UINT64_C(0x243F6A8885A308D3)
#define SEED_PAIR	UINT64_C(0xB7E151628AED2A6A)
#define SEED_NGRAM	UINT64_C(0x9E3779B97F4A7C15)

#define NGRAM_MIN	3
#define NGRAM_MAX	5
#define POLL_ITEMS	65536

uint64_t
nn_feature_word(uint64_t word_hash)
{
	return nn_mix64(word_hash ^ SEED_WORD);
}

/* Not symmetric: the first word is mixed once more. */
uint64_t
nn_feature_pair(uint64_t first_hash, uint64_t second_hash)
{
	return nn_mix64(nn_mix64(first_hash ^ SEED_PAIR) + second_hash);
}

/* Append key unless it is there. */
static int
add_distinct(uint64_t *keys, int n_keys, uint64_t key)
{
	int			i;

	for (i = 0; i < n_keys; i++)
		if (keys[i] == key)
			return n_keys;
	keys[n_keys] = key;
	return n_keys + 1;
}

/* Bytes at ... stop - 1 of "<word>" as bytes of the word. */
static NnByteRange
inside_word(int at, int stop, int n_marked)
{
	NnByteRange range = {(uint16_t) (at > 0 ? at - 1 : 0), (uint16_t) (stop < n_marked ? stop - 1 : n_marked - 2)};

	return range;
}

int
nn_feature_ngrams(const char *bytes, int n_bytes, uint64_t *keys)
{
	return nn_feature_ngram_places(bytes, n_bytes, keys, NULL);
}

/*
 * By first character, then by length.  Of words that are longer than a tokenizer
 * makes them, only the beginning counts.
 */
int
nn_feature_ngram_places(const char *bytes, int n_bytes, uint64_t *keys, NnByteRange *places)
{
	char		marked[NN_WORD_BYTES + 2];	/* <word> */
	int			starts[NN_WORD_CHARACTERS + 3]; /* of its characters, and its end */
	int			n_characters = 0;
	int			n_keys = 0;
	int			n = 0;
	int			first;
	int			i;

	starts[n_characters++] = n;
	marked[n++] = '<';
	for (i = 0; i < n_bytes && i < NN_WORD_BYTES; i++)
	{
		if (((uint8_t) bytes[i] & 0xC0) != 0x80)
		{
			if (n_characters == NN_WORD_CHARACTERS + 1)
				break;
			starts[n_characters++] = n;
		}
		marked[n++] = bytes[i];
	}
	if (n_characters < 3)
		return 0;				/* fewer than 2 characters */
	starts[n_characters++] = n;
	marked[n++] = '>';
	starts[n_characters] = n;

	for (first = 0; first + NGRAM_MIN <= n_characters; first++)
	{
		int			length;

		for (length = NGRAM_MIN; length <= NGRAM_MAX && first + length <= n_characters; length++)
		{
			int			at = starts[first];
			int			stop = starts[first + length];
			int			n_before = n_keys;

			n_keys = add_distinct(keys, n_keys,
								  nn_hash_bytes(marked + at, (uint64_t) (stop - at), SEED_NGRAM));
			if (places != NULL && n_keys > n_before)
				places[n_before] = inside_word(at, stop, n);
		}
	}
	return n_keys;
}

/* ---- counting ---------------------------------------------------------------- */

struct NnFeatureCounter
{
	NnEnv		env;
	NnTable		table;			/* key -> count */
};

NnStatus
nn_feature_counter_create(NnFeatureCounter **counter, const NnEnv *env)
{
	*counter = env->alloc(env->ctx, sizeof(NnFeatureCounter));
	if (*counter == NULL)
		return NN_ENOMEM;
	(*counter)->env = *env;
	nn_table_init(&(*counter)->table, &(*counter)->env);
	return NN_OK;
}

void
nn_feature_counter_destroy(NnFeatureCounter *counter)
{
	NnEnv		env;

	if (counter == NULL)
		return;
	env = counter->env;
	nn_table_free(&counter->table);
	env.release(env.ctx, counter);
}

/* Counts stop at INT32_MAX. */
NnStatus
nn_feature_counter_add(NnFeatureCounter *counter, uint64_t key, int n_times)
{
	NnTable    *table = &counter->table;
	NnTableSlot *slot;

	if (n_times <= 0)
		return NN_OK;
	NN_TRY(nn_table_reserve(table, 1));
	slot = nn_table_first(table, key);
	while (slot->value != 0 && slot->hash != key)
		slot = nn_table_next(table, slot);
	if (slot->value == 0)
		nn_table_fill(table, slot, key, n_times);
	else if (slot->value > INT32_MAX - n_times)
		slot->value = INT32_MAX;
	else
		slot->value += n_times;
	return NN_OK;
}

int64_t
nn_feature_counter_n(const NnFeatureCounter *counter)
{
	return (int64_t) counter->table.n;
}

size_t
nn_feature_counter_size_bytes(const NnFeatureCounter *counter)
{
	return sizeof(*counter) + nn_table_bytes(&counter->table);
}

/* ---- the index ----------------------------------------------------------------- */

struct NnFeatureIndex
{
	NnEnv		env;
	uint64_t   *keys;			/* n, ascending */
	uint32_t   *starts;			/* first row of each bucket, and n behind the last */
	int64_t		n;
	int			bucket_bits;	/* buckets are numbered by that many leading bits */
};

void
nn_feature_index_destroy(NnFeatureIndex *index)
{
	NnEnv		env;

	if (index == NULL)
		return;
	env = index->env;
	env.release(env.ctx, index->keys);
	env.release(env.ctx, index->starts);
	env.release(env.ctx, index);
}

static inline size_t
bucket_of(const NnFeatureIndex *index, uint64_t key)
{
	/* shifting by 64 is undefined, so bits are taken off in two steps */
	return (size_t) (key >> 1 >> (63 - index->bucket_bits));
}

/* An index with room for n keys; n <= INT32_MAX. */
static NnStatus
create_index(NnFeatureIndex **index, int64_t n, const NnEnv *env)
{
	NnFeatureIndex *made = env->alloc(env->ctx, sizeof(NnFeatureIndex));

	*index = NULL;
	if (made == NULL)
		return NN_ENOMEM;
	made->env = *env;
	made->n = n;
	while (((int64_t) 2 << made->bucket_bits) < n)
		made->bucket_bits++;
	made->keys = env->alloc(env->ctx, nn_size_mul((size_t) n, sizeof(uint64_t)));
	made->starts = env->alloc(env->ctx, (((size_t) 1 << made->bucket_bits) + 1) * sizeof(uint32_t));
	if (made->keys == NULL || made->starts == NULL)
	{
		nn_feature_index_destroy(made);
		return NN_ENOMEM;
	}
	*index = made;
	return NN_OK;
}

/* Note where each bucket of the sorted keys starts. */
static NnStatus
fill_starts(NnFeatureIndex *index)
{
	size_t		n_buckets = (size_t) 1 << index->bucket_bits;
	size_t		bucket = 0;
	int64_t		row;

	for (row = 0; row < index->n; row++)
	{
		size_t		here = bucket_of(index, index->keys[row]);

		while (bucket < here)
			index->starts[++bucket] = (uint32_t) row;
		if (row % POLL_ITEMS == POLL_ITEMS - 1 && index->env.poll(index->env.ctx) != 0)
			return NN_ECANCELED;
	}
	while (bucket < n_buckets)
		index->starts[++bucket] = (uint32_t) index->n;
	return NN_OK;
}

/* How many keys were counted at least min_count times? */
static NnStatus
count_frequent(const NnFeatureCounter *counter, int64_t min_count, int64_t *n)
{
	const NnTable *table = &counter->table;
	size_t		i;

	*n = 0;
	for (i = 0; i < table->n_slots; i++)
	{
		*n += table->slots[i].value != 0 && table->slots[i].value >= min_count;
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && counter->env.poll(counter->env.ctx) != 0)
			return NN_ECANCELED;
	}
	return NN_OK;
}

/*
 * The least count >= *min_count that at most max_rows keys reach, and how many do.
 * Steps of 1, 2, 4... first, then bisection: it is near in practice.
 */
static NnStatus
raise_min_count(const NnFeatureCounter *counter, int64_t *min_count, int64_t max_rows, int64_t *n)
{
	int64_t		too_low = *min_count;
	int64_t		enough;
	int64_t		step = 1;
	int64_t		n_middle;

	NN_TRY(count_frequent(counter, *min_count, n));
	if (*n <= max_rows)
		return NN_OK;
	for (enough = too_low + 1;; enough += step)
	{
		/* nothing was counted more than INT32_MAX times */
		if (enough > INT32_MAX)
			enough = (int64_t) INT32_MAX + 1;
		NN_TRY(count_frequent(counter, enough, n));
		if (*n <= max_rows)
			break;
		too_low = enough;
		step *= 2;
	}
	while (enough - too_low > 1)
	{
		int64_t		middle = too_low + (enough - too_low) / 2;

		NN_TRY(count_frequent(counter, middle, &n_middle));
		if (n_middle <= max_rows)
		{
			enough = middle;
			*n = n_middle;
		}
		else
			too_low = middle;
	}
	*min_count = enough;
	return NN_OK;
}

/* Copy the keys that were counted often enough, sort them, and find the buckets. */
static NnStatus
fill_index(NnFeatureIndex *index, const NnFeatureCounter *counter, int64_t min_count)
{
	const NnTable *table = &counter->table;
	int64_t		n = 0;
	size_t		i;

	for (i = 0; i < table->n_slots; i++)
	{
		if (table->slots[i].value != 0 && table->slots[i].value >= min_count)
			index->keys[n++] = table->slots[i].hash;
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && index->env.poll(index->env.ctx) != 0)
			return NN_ECANCELED;
	}
	NN_TRY(nn_sort_keys(index->keys, (size_t) n, &index->env));
	return fill_starts(index);
}

NnStatus
nn_feature_index_learn(NnFeatureIndex **index, const NnFeatureCounter *counter,
					   int min_count, int64_t max_rows, const NnEnv *env)
{
	int64_t		least = min_count;
	int64_t		n;
	NnStatus	status;

	*index = NULL;
	if (max_rows < 0)
		max_rows = 0;
	if (max_rows > INT32_MAX)
		max_rows = INT32_MAX;
	NN_TRY(raise_min_count(counter, &least, max_rows, &n));
	NN_TRY(create_index(index, n, env));
	status = fill_index(*index, counter, least);
	if (status != NN_OK)
	{
		nn_feature_index_destroy(*index);
		*index = NULL;
	}
	return status;
}

/* Copy n keys of a file, which must ascend, and find the buckets. */
static NnStatus
read_index(NnFeatureIndex *index, const uint8_t *keys, NnError *err)
{
	NnReader	reader = nn_reader(keys, (size_t) index->n * sizeof(uint64_t));
	int64_t		i;

	for (i = 0; i < index->n; i++)
	{
		index->keys[i] = nn_read_u64(&reader);
		if (i > 0 && index->keys[i] <= index->keys[i - 1])
			return nn_fail(err, NN_EFORMAT, "feature keys are not in ascending order");
		if (i % POLL_ITEMS == POLL_ITEMS - 1 && index->env.poll(index->env.ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "%s", nn_status_text(NN_ECANCELED));
	}
	if (fill_starts(index) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "%s", nn_status_text(NN_ECANCELED));
	return NN_OK;
}

NnStatus
nn_feature_index_read(NnFeatureIndex **index, const uint8_t *keys, int64_t n,
					  const NnEnv *env, NnError *err)
{
	NnStatus	status;

	*index = NULL;
	if (n < 0 || n > INT32_MAX)
		return nn_fail(err, NN_EFORMAT, "number of feature keys is out of range");
	status = create_index(index, n, env);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	status = read_index(*index, keys, err);
	if (status != NN_OK)
	{
		nn_feature_index_destroy(*index);
		*index = NULL;
	}
	return status;
}

int64_t
nn_feature_index_n(const NnFeatureIndex *index)
{
	return index->n;
}

const uint64_t *
nn_feature_index_keys(const NnFeatureIndex *index)
{
	return index->keys;
}

int32_t
nn_feature_index_find(const NnFeatureIndex *index, uint64_t key)
{
	size_t		bucket = bucket_of(index, key);
	uint32_t	low = index->starts[bucket];
	uint32_t	high = index->starts[bucket + 1];

	while (low < high)
	{
		uint32_t	middle = low + (high - low) / 2;

		if (index->keys[middle] < key)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < index->starts[bucket + 1] && index->keys[low] == key)
		return (int32_t) low;
	return -1;
}

/*
 * Each key is in a place of its own, rarely in a cache: ask for all buckets, then
 * for the keys that they name, and look when they are here.
 */
void
nn_feature_index_find_all(const NnFeatureIndex *index, const uint64_t *keys, int n, int32_t *rows)
{
	for (int i = 0; i < n; i++)
		__builtin_prefetch(&index->starts[bucket_of(index, keys[i])]);
	for (int i = 0; i < n; i++)
		__builtin_prefetch(&index->keys[index->starts[bucket_of(index, keys[i])]]);
	for (int i = 0; i < n; i++)
		rows[i] = nn_feature_index_find(index, keys[i]);
}

size_t
nn_feature_index_size_bytes(const NnFeatureIndex *index)
{
	return sizeof(*index) + (size_t) index->n * sizeof(uint64_t) +
		(((size_t) 1 << index->bucket_bits) + 1) * sizeof(uint32_t);
}
