/*
 * fuzz_vocabulary.c: any bytes as the stored blocks of a vocabulary and as the
 * stored keys of a feature index.
 *
 *	byte 0		bit 0: an index; else a vocabulary.  bit 1: repair it first
 *	byte 1..2	number of units
 *	byte 3..4	bytes of the lengths
 *	then		the lengths, then the bytes of the entries
 *
 * Attacks: lengths that lie, overflow or are cut, entries that repeat or are no
 * text, wrong counts, keys out of order.  Random bytes seldom pass the checks, so
 * "repair" makes the lengths fit (or the keys ascend), and what lies behind the
 * checks is reached too.  Must hold: what is accepted can be used, is written back
 * as it was read, and its tokens in any order decode to valid text.
 */
#include "fuzz_main.h"

#include <string.h>

#include "text/features.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

/* Set lengths of 1 to 8 bytes, as far as the bytes reach; the last takes the rest. */
static size_t
repair_lengths(uint8_t *lengths, size_t n_lengths, size_t n_bytes)
{
	size_t		n = 0;

	while (n + 2 <= n_lengths && n_bytes > 0)
	{
		size_t		length = 1 + (lengths[n] & 7);

		if (length > n_bytes || (n + 4 > n_lengths && n_bytes <= NN_WORD_BYTES))
			length = n_bytes;
		lengths[n] = (uint8_t) length;
		lengths[n + 1] = (uint8_t) (length >> 8);
		n += 2;
		n_bytes -= length;
	}
	return n;
}

static void
use_vocabulary(const NnVocabulary *vocabulary, const uint8_t *text, size_t size)
{
	int32_t    *ids = malloc((size + 1) * sizeof(int32_t));
	int			id = nn_vocabulary_n(vocabulary) - 1;
	bool		is_known;
	NnArray		out;
	int			n;

	nn_array_init(&out, &nn_env_malloc, 1);
	n = nn_vocabulary_encode(vocabulary, (const char *) text, (int) size, ids, &is_known);
	FUZZ_REQUIRE(n >= (size > 0) && (size_t) n <= size);
	FUZZ_REQUIRE(nn_vocabulary_decode(vocabulary, ids, NULL, n, &out) == NN_OK);
	FUZZ_REQUIRE(out.n == (n > 0 ? size + (size_t) n - 1 : 0));
	out.n = 0;
	FUZZ_REQUIRE(nn_vocabulary_decode_exact(vocabulary, ids, n, &out) == NN_OK);
	FUZZ_REQUIRE(out.n <= 3 * size);
	FUZZ_REQUIRE(out.n == 0 || nn_utf8_check(out.data, out.n, NULL));
	for (; id >= 256 + nn_vocabulary_n_units(vocabulary); id--)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, id, &n_bytes);

		FUZZ_REQUIRE(nn_vocabulary_find(vocabulary, bytes, n_bytes) == id);
	}
	nn_array_free(&out);
	free(ids);
}

static void
fuzz_vocabulary(int n_units, uint8_t *lengths, size_t n_lengths,
				const uint8_t *bytes, size_t n_bytes, bool is_repaired)
{
	NnVocabulary *vocabulary;
	NnError		err;

	if (is_repaired)
		n_lengths = repair_lengths(lengths, n_lengths, n_bytes);
	if (is_repaired && (size_t) n_units > n_lengths / 2)
		n_units = (int) (n_lengths / 4);
	if (nn_vocabulary_read(&vocabulary, n_units, lengths, n_lengths, bytes, n_bytes,
						   &nn_env_malloc, &err) == NN_OK)
	{
		NnArray		lengths_out;
		NnArray		bytes_out;

		nn_array_init(&lengths_out, &nn_env_malloc, 1);
		nn_array_init(&bytes_out, &nn_env_malloc, 1);
		use_vocabulary(vocabulary, bytes, n_bytes);
		FUZZ_REQUIRE(nn_vocabulary_write(vocabulary, &lengths_out, &bytes_out) == NN_OK);
		FUZZ_REQUIRE(lengths_out.n == n_lengths && bytes_out.n == n_bytes);
		FUZZ_REQUIRE(n_lengths == 0 || memcmp(lengths_out.data, lengths, n_lengths) == 0);
		FUZZ_REQUIRE(n_bytes == 0 || memcmp(bytes_out.data, bytes, n_bytes) == 0);
		nn_array_free(&lengths_out);
		nn_array_free(&bytes_out);
		nn_vocabulary_destroy(vocabulary);
	}
	else
		FUZZ_REQUIRE(vocabulary == NULL && err.status == NN_EFORMAT && err.message[0] != '\0');
}

static void
fuzz_index(uint8_t *keys, size_t n_bytes, bool is_repaired)
{
	int64_t		n = (int64_t) (n_bytes / 8);
	NnFeatureIndex *index;
	NnError		err;
	int64_t		i;

	/* ascending in the highest byte, at least for the first 255 */
	for (i = 0; is_repaired && i < n; i++)
		keys[8 * i + 7] = (uint8_t) i;
	if (nn_feature_index_read(&index, keys, n, &nn_env_malloc, &err) == NN_OK)
	{
		const uint64_t *sorted = nn_feature_index_keys(index);

		FUZZ_REQUIRE(nn_feature_index_n(index) == n);
		for (i = 0; i < n; i++)
		{
			int32_t		next = nn_feature_index_find(index, sorted[i] + 1);

			FUZZ_REQUIRE(nn_feature_index_find(index, sorted[i]) == i);
			FUZZ_REQUIRE(next == -1 || next == i + 1 || (next == 0 && sorted[i] == UINT64_MAX));
		}
		nn_feature_index_destroy(index);
	}
	else
		FUZZ_REQUIRE(index == NULL && err.status == NN_EFORMAT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool		is_repaired;
	size_t		n_lengths;
	uint8_t    *copy;
	int			n_units;

	if (size < 5)
		return 0;
	is_repaired = (data[0] & 2) != 0;
	n_units = data[1] | data[2] << 8;
	n_lengths = (size_t) (data[3] | data[4] << 8);
	copy = malloc(size - 5 + 1);
	memcpy(copy, data + 5, size - 5);
	if (n_lengths > size - 5)
		n_lengths = size - 5;
	if (data[0] & 1)
		fuzz_index(copy, size - 5, is_repaired);
	else
		fuzz_vocabulary(n_units, copy, n_lengths, copy + n_lengths, size - 5 - n_lengths, is_repaired);
	free(copy);
	return 0;
}
