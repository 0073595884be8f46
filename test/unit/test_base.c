/*
 * test_base.c: the room base: status, arena, array, random numbers, hash, bytes,
 * half precision.
 */
#include "tap.h"
#include "test_host.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "base/status.h"

/* ---- status ------------------------------------------------------------------ */

static NnStatus
try_twice(NnError *err, int *n_calls)
{
	(*n_calls)++;
	NN_TRY(NN_OK);
	(*n_calls)++;
	NN_TRY(nn_fail(err, NN_ERANGE, "no"));
	(*n_calls)++;
	return NN_OK;
}

static void
test_status(void)
{
	NnError		err = {0};
	char		text[600];
	int			n_calls = 0;
	int			status;

	is_int(nn_fail(&err, NN_EINVAL, "%d is not %s", 3, "four"), NN_EINVAL, "fail returns its status");
	is_text(err.message, strlen(err.message), "3 is not four", "message");
	is_int(nn_fail_detail(&err, "It is %s.", "three"), NN_EINVAL, "detail returns the status");
	is_int(nn_fail_hint(&err, "Count again."), NN_EINVAL, "hint returns the status");
	is_text(err.detail, strlen(err.detail), "It is three.", "detail");
	is_text(err.hint, strlen(err.hint), "Count again.", "hint");
	nn_fail(&err, NN_EDATA, "row 7: %s", err.message);
	is_text(err.message, strlen(err.message), "row 7: 3 is not four", "an error may quote itself");
	ok(err.detail[0] == '\0' && err.hint[0] == '\0', "a new failure clears detail and hint");

	is_int(nn_fail(NULL, NN_ENOMEM, "nobody listens"), NN_ENOMEM, "err may be NULL");
	ok(nn_fail_detail(NULL, "x") != NN_OK && nn_fail_hint(NULL, "x") != NN_OK, "and is a failure still");
	is_int(try_twice(&err, &n_calls), NN_ERANGE, "NN_TRY returns the failure");
	is_int(n_calls, 2, "at the failing call");

	/* 254 letters and a character of 3 bytes: it does not fit into 255 whole */
	memset(text, 'x', sizeof(text));
	strcpy(text + 254, "\xE2\x82\xAC and more");
	nn_fail(&err, NN_EINVAL, "%s", text);
	is_int(strlen(err.message), 254, "a message is cut before a character, not inside it");
	strcpy(text + 252, "\xE2\x82\xAC and more");
	nn_fail(&err, NN_EINVAL, "%s", text);
	is_int(strlen(err.message), 255, "a character that fits stays");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	nn_fail(&err, NN_EINVAL, "%s", text);
	is_int(strlen(err.message), 255, "a long message is cut");
	nn_fail_detail(&err, "%s", text);
	is_int(strlen(err.detail), 511, "a long detail is cut");

	for (status = NN_OK; status <= NN_EINTERNAL; status++)
		if (strcmp(nn_status_text((NnStatus) status), "unknown status") == 0)
			break;
	is_int(status, NN_EINTERNAL + 1, "each status has words");
}

/* ---- arena, sizes, array -------------------------------------------------------- */

static void
test_sizes(void)
{
	ok(nn_size_add(2, 3) == 5 && nn_size_mul(2, 3) == 6, "small sizes");
	ok(nn_size_add(SIZE_MAX, 1) == SIZE_MAX && nn_size_add(SIZE_MAX - 1, 1) == SIZE_MAX,
	   "sums saturate");
	ok(nn_size_mul(SIZE_MAX / 2, 3) == SIZE_MAX && nn_size_mul(SIZE_MAX, SIZE_MAX) == SIZE_MAX,
	   "products saturate");
	ok(nn_size_mul(0, SIZE_MAX) == 0 && nn_size_mul(SIZE_MAX, 0) == 0, "nothing times anything");
}

static bool
is_zero(const unsigned char *bytes, size_t n)
{
	size_t		i;

	for (i = 0; i < n; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* One round of pieces of all sizes, each checked and then soiled. */
static bool
use_arena(NnArena *arena, uint64_t seed)
{
	NnRng		rng;
	int			i;

	nn_rng_seed(&rng, seed);
	for (i = 0; i < 300; i++)
	{
		size_t		n = nn_rng_below(&rng, i % 50 == 0 ? 100000 : 700);
		unsigned char *piece = NN_ALLOC(arena, unsigned char, n);

		if (piece == NULL || (uintptr_t) piece % 64 != 0 || !is_zero(piece, n))
			return false;
		memset(piece, 0xA5, n);
	}
	return true;
}

/* What stood before a mark stays, and what comes behind it again and again takes no more memory. */
static void
test_rewind(void)
{
	TestHost	host;
	NnArena    *arena;
	bool		is_good = true;
	size_t		n_bytes = 0;
	long		n_allocs = 0;

	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	for (int round = 0; round < 6; round++)
	{
		NnArenaMark empty;
		unsigned char *kept;

		n_allocs = host.n_allocs;
		nn_arena_reset(arena);
		empty = nn_arena_mark(arena);
		is_good = is_good && use_arena(arena, 5);
		nn_arena_rewind(arena, &empty);
		kept = NN_ALLOC(arena, unsigned char, 100000);
		for (int i = 0; i < 100000; i++)
			is_good = is_good && kept[i] == 0;
		memset(kept, 7, 100000);
		for (int turn = 0; turn < 20; turn++)
		{
			NnArenaMark mark = nn_arena_mark(arena);

			is_good = is_good && use_arena(arena, 3);
			nn_arena_rewind(arena, &mark);
			n_bytes = turn == 0 ? nn_arena_peak_bytes(arena) : n_bytes;
		}
		for (int i = 0; i < 100000; i++)
			is_good = is_good && kept[i] == 7;
		is_good = is_good && nn_arena_peak_bytes(arena) <= n_bytes;
	}
	ok(is_good, "a rewound arena: zeroed pieces, what was before the mark, no more memory");
	is_int(host.n_allocs, n_allocs, "and at last one block");
	nn_arena_destroy(arena);
	is_int(host.n_live, 0, "which it gives back");
}

static void
test_arena(void)
{
	TestHost	host;
	NnArena    *arena;
	long		n_allocs;
	bool		is_good = true;
	size_t		n_bytes;
	char	   *copy;
	int			round;

	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	ok(use_arena(arena, 1), "pieces are aligned and zeroed");
	ok(nn_arena_alloc(arena, SIZE_MAX, 2) == NULL, "overflowing product");
	ok(nn_arena_alloc(arena, SIZE_MAX - 10, 1) == NULL, "overflowing size");
	ok(nn_arena_alloc(arena, 0, 8) != nn_arena_alloc(arena, 0, 8), "pieces of nothing are distinct");
	copy = nn_arena_copy(arena, "abc", 3);
	is_text(copy, strlen(copy), "abc", "copy ends in a 0 byte");
	ok(nn_arena_copy(arena, NULL, 0) != NULL, "copy of nothing");
	ok(nn_arena_bytes(arena) <= nn_arena_peak_bytes(arena), "peak is at least present");

	for (round = 2; round < 4; round++)
	{
		nn_arena_reset(arena);
		is_good = is_good && use_arena(arena, 1);
	}
	ok(is_good, "used again, pieces are zeroed again");
	n_allocs = host.n_allocs;
	n_bytes = nn_arena_bytes(arena);
	for (round = 0; round < 10; round++)
	{
		nn_arena_reset(arena);
		is_good = is_good && use_arena(arena, 1);
	}
	ok(is_good && host.n_allocs == n_allocs, "an even load allocates nothing after its first rounds");
	ok(nn_arena_bytes(arena) == n_bytes, "and does not grow");
	nn_arena_destroy(arena);
	nn_arena_destroy(NULL);
	is_int(host.n_live, 0, "an arena gives all back");

	for (round = 1; round < 100; round++)
	{
		test_host_init(&host);
		host.fail_at = round;
		arena = nn_arena_create(&host.env);
		if (arena != NULL)
		{
			is_good = use_arena(arena, 3);
			nn_arena_reset(arena);
			is_good = use_arena(arena, 3) && is_good;
			nn_arena_reset(arena);
			nn_arena_destroy(arena);
			if (is_good && host.n_allocs < host.fail_at)
				break;
		}
		if (host.n_live != 0)
			break;
	}
	ok(round > 3 && round < 100 && host.n_live == 0, "any allocation may fail, nothing leaks");
}

static void
test_array(void)
{
	TestHost	host;
	NnArray		array;
	bool		is_good = true;
	bool		is_foretold = true;
	int			i;

	test_host_init(&host);
	nn_array_init(&array, &host.env, sizeof(int));
	ok(nn_array_push(&array, 0) != NULL, "no items may be pushed onto nothing");
	for (i = 0; i < 1000; i++)
	{
		size_t		foretold = nn_array_bytes(&array) + nn_array_growth_bytes(&array, 1);

		*(int *) nn_array_push(&array, 1) = i;
		is_foretold = is_foretold && nn_array_bytes(&array) == foretold;
	}
	ok(is_foretold, "growth is as foretold");
	for (i = 0; i < 1000; i++)
		is_good = is_good && ((int *) array.data)[i] == i;
	ok(is_good && array.n == 1000, "items stay while the array grows");
	ok(nn_array_bytes(&array) >= 1000 * sizeof(int), "its bytes");
	ok(nn_array_push(&array, SIZE_MAX) == NULL && nn_array_push(&array, SIZE_MAX / 4) == NULL,
	   "too many items");
	is_int(array.n, 1000, "a failed push changes nothing");
	nn_array_free(&array);
	nn_array_free(&array);
	is_int(host.n_live, 0, "an array gives all back");
}

/* A host whose files are memory; how many there are. */
static long n_files;

static void *
file_map(void *ctx, void *block, size_t old_bytes, size_t size_bytes)
{
	void	   *grown;

	(void) ctx;
	if (size_bytes > 100000)
		return NULL;
	grown = nn_env_malloc.alloc(NULL, size_bytes);
	if (block != NULL)
		memcpy(grown, block, old_bytes);
	else
		n_files++;
	nn_env_malloc.release(NULL, block);
	return grown;
}

static void
file_unmap(void *ctx, void *block, size_t size_bytes)
{
	(void) ctx;
	(void) size_bytes;
	n_files--;
	nn_env_malloc.release(NULL, block);
}

static void
test_array_in_file(void)
{
	TestHost	host;
	NnArray		array;
	bool		is_good = true;

	test_host_init(&host);
	nn_array_init(&array, &host.env, sizeof(int));
	array.map_bytes = 1000;
	for (int i = 0; i < 1000; i++)
		*(int *) nn_array_push(&array, 1) = i;
	ok(!array.is_mapped, "a host without files keeps an array in memory");
	nn_array_free(&array);

	host.env.map = file_map;
	host.env.unmap = file_unmap;
	for (int i = 0; i < 160; i++)
		*(int *) nn_array_push(&array, 1) = i;
	ok(!array.is_mapped && nn_array_mapped_bytes(&array) == 0, "an array below its bound is in memory");
	for (int i = 160; i < 10000; i++)
		*(int *) nn_array_push(&array, 1) = i;
	for (int i = 0; i < 10000; i++)
		is_good = is_good && ((int *) array.data)[i] == i;
	ok(is_good && array.is_mapped, "a larger one is in a file, with its items");
	is_int(n_files, 1, "in one");
	ok(nn_array_bytes(&array) == 0 && nn_array_mapped_bytes(&array) >= 40000, "its bytes are the file's");
	is_int(host.n_live, 0, "and its memory is given back");
	ok(nn_array_push(&array, 100000) == NULL && array.n == 10000 && ((int *) array.data)[9999] == 9999,
	   "a file that cannot grow changes nothing");
	nn_array_free(&array);
	is_int(n_files, 0, "the file is given back");
	*(int *) nn_array_push(&array, 1) = 1;
	ok(!array.is_mapped, "an array that was freed begins in memory");
	nn_array_free(&array);
	is_int(host.n_live, 0, "an array in a file gives all back");
}

/* ---- random numbers and hash ------------------------------------------------------ */

static void
test_rng_golden(void)
{
	/* xoshiro256** from 1, 2, 3, 4, splitmix64 from 1234567: as other implementations' tests have them */
	static const uint64_t expected[] = {
		UINT64_C(11520), UINT64_C(0), UINT64_C(1509978240), UINT64_C(1215971899390074240),
		UINT64_C(1216172134540287360), UINT64_C(607988272756665600),
		UINT64_C(16172922978634559625), UINT64_C(8476171486693032832),
		UINT64_C(10595114339597558777), UINT64_C(2904607092377533576)
	};
	static const uint64_t expected_seeds[] = {
		UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)
	};
	NnRng		rng = {{1, 2, 3, 4}};
	bool		is_good = true;
	int			i;

	for (i = 0; i < 10; i++)
		is_good = is_good && nn_rng_u64(&rng) == expected[i];
	ok(is_good, "xoshiro256** golden values");
	nn_rng_seed(&rng, 1234567);
	for (i = 0; i < 4; i++)
		is_good = is_good && rng.state[i] == expected_seeds[i];
	ok(is_good, "splitmix64 golden values");
}

static void
test_rng_spread(void)
{
	double		sum = 0;
	double		sum_squares = 0;
	int32_t		items[100];
	int			counts[7] = {0};
	int			n_stayed = 0;
	bool		is_good = true;
	NnRng		rng;
	int			i;

	nn_rng_seed(&rng, 1234567);
	for (i = 0; i < 70000; i++)
		counts[nn_rng_below(&rng, 7)]++;
	/* standard deviation sqrt(70000 / 7 * 6 / 7) = 93; five of them */
	for (i = 0; i < 7; i++)
		is_good = is_good && abs(counts[i] - 10000) < 465;
	ok(is_good, "numbers below 7 are evenly spread");
	is_int(nn_rng_below(&rng, 1), 0, "the only number below 1");
	for (i = 0; i < 1000; i++)
		is_good = is_good && nn_rng_below(&rng, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63;
	ok(is_good, "numbers below 2^63 + 1");

	for (i = 0; i < 100000; i++)
	{
		float		u = nn_rng_uniform(&rng);

		is_good = is_good && u >= 0 && u < 1;
		sum += u;
	}
	ok(is_good, "uniform numbers are in [0, 1)");
	is_near(sum / 100000, 0.5, 0.005, "their mean");	/* 5 sd of 0.289 / sqrt(1e5) */

	sum = 0;
	for (i = 0; i < 100000; i++)
	{
		double		z = nn_rng_normal(&rng);

		is_good = is_good && isfinite(z);
		sum += z;
		sum_squares += z * z;
	}
	ok(is_good, "normal numbers are finite");
	is_near(sum / 100000, 0, 0.016, "their mean");	/* 5 sd of 1 / sqrt(1e5) */
	is_near(sum_squares / 100000, 1, 0.023, "their variance");	/* 5 sd of sqrt(2 / 1e5) */

	for (i = 0; i < 100; i++)
		items[i] = i;
	nn_rng_seed(&rng, 42);
	nn_rng_shuffle(&rng, items, 100);
	nn_rng_shuffle(&rng, items, 0);
	sum = 0;
	for (i = 0; i < 100; i++)
	{
		sum += items[i];
		n_stayed += items[i] == i;
	}
	ok(sum == 4950 && n_stayed < 10, "a shuffle keeps the items and moves them");
}

static int
compare_u64(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

static void
test_hash(void)
{
	/* by a second implementation, with integers of any size */
	static const struct
	{
		const char *bytes;
		uint64_t	seed;
		uint64_t	hash;
	}			golden[] = {
		{"", 0, UINT64_C(0x0465E671E4956C24)},
		{"", 1, UINT64_C(0x523E0B660CFA8501)},
		{"a", 0, UINT64_C(0xB38285FE6E95291D)},
		{"ab", 0, UINT64_C(0x2380C45F0DA122BF)},
		{"abc", 0, UINT64_C(0x30794C0404CA1F77)},
		{"abcd", 0, UINT64_C(0xFED73C7AF7D0DB85)},
		{"abcdefg", 1, UINT64_C(0xA75E99EC719F8679)},
		{"abcdefgh", 0, UINT64_C(0xCB230A29702469F8)},
		{"abcdefghijklmnop", 0, UINT64_C(0xD491B10ADA5C84AB)},
		{"abcdefghijklmnopq", 0, UINT64_C(0x97682889027EB0DE)},
		{"the quick brown fox jumps over the lazy dog", 0, UINT64_C(0x9033CF5E129D7DC2)},
		{"the quick brown fox jumps over the lazy dog", 1, UINT64_C(0xEBEBF54DFB7264F1)}
	};
	static uint64_t hashes[200000];
	char		bytes[64] = {0};
	size_t		n = 0;
	size_t		i;
	int			bit;
	long		n_flipped = 0;

	for (i = 0; i < sizeof(golden) / sizeof(golden[0]); i++)
		if (nn_hash_bytes(golden[i].bytes, strlen(golden[i].bytes), golden[i].seed) != golden[i].hash)
			break;
	is_int(i, sizeof(golden) / sizeof(golden[0]), "golden hashes");

	/* lengths of zeros, and all words that differ in two bytes */
	for (i = 20; i < 64; i++)
		hashes[n++] = nn_hash_bytes(bytes, i, 0);
	for (i = 0; i < 65536; i++)
	{
		bytes[0] = (char) (i & 0xFF);
		bytes[17] = (char) (i >> 8);
		hashes[n++] = nn_hash_bytes(bytes, 18, 0);
		hashes[n++] = nn_hash_bytes(bytes, 19, 0);
	}
	qsort(hashes, n, sizeof(uint64_t), compare_u64);
	for (i = 1; i < n; i++)
		if (hashes[i] == hashes[i - 1])
			break;
	is_int(i, n, "no two of %zu inputs collide", n);

	for (i = 0; i < 20; i++)
		for (bit = 0; bit < 8; bit++)
		{
			char		one[20] = "twenty bytes of text";
			uint64_t	before = nn_hash_bytes(one, 20, 0);

			one[i] = (char) (one[i] ^ (1 << bit));
			n_flipped += __builtin_popcountll(before ^ nn_hash_bytes(one, 20, 0));
		}
	/* 160 flips of 64 bits: standard deviation 4 / sqrt(160) = 0.32; five of them */
	is_near((double) n_flipped / 160, 32, 1.6, "a flipped bit flips half of the hash");
}

/* ---- bytes ----------------------------------------------------------------------- */

static void
test_reader(void)
{
	static const uint8_t bytes[] = {1, 2, 3, 4, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 9, 9};
	NnReader	reader = nn_reader(bytes, sizeof(bytes));

	ok(nn_read_u32(&reader) == 0x04030201, "u32, little endian");
	ok(nn_read_u64(&reader) == UINT64_C(0xF8F7F6F5F4F3F2F1), "u64, little endian");
	ok(nn_read_bytes(&reader, 0) == bytes + 12 && nn_read_bytes(&reader, 1) == bytes + 12, "bytes");
	ok(!reader.failed && nn_read_u32(&reader) == 0 && reader.failed, "a read past the end fails");
	ok(nn_read_bytes(&reader, 1) == NULL && nn_read_u64(&reader) == 0, "and so do all behind it");
	reader = nn_reader(bytes, 4);
	ok(nn_read_bytes(&reader, SIZE_MAX) == NULL && reader.failed, "a length that would wrap");
	reader = nn_reader(NULL, 0);
	ok(nn_read_bytes(&reader, 0) != NULL && nn_read_u32(&reader) == 0 && reader.failed, "of nothing");
}

static void
test_writer(void)
{
	TestHost	host;
	NnArray		out;
	char		text[500];

	test_host_init(&host);
	nn_array_init(&out, &host.env, 1);
	is_int(nn_write_bytes(&out, NULL, 0), NN_OK, "nothing is written");
	is_int(nn_write_u64(&out, UINT64_C(0x4847464544434241)), NN_OK, "a u64");
	is_int(nn_write_format(&out, " %d %s", 12, "x"), NN_OK, "formatted text");
	is_text(out.data, out.n, "ABCDEFGH 12 x", "what was written");
	memset(text, 'y', sizeof(text));
	text[499] = '\0';
	out.n = 0;
	is_int(nn_write_format(&out, "%s", text), NN_OK, "long formatted text");
	is_text(out.data, out.n, text, "as long as it is");
	host.fail_at = host.n_allocs + 1;
	host.is_failing_on = true;
	while (nn_write_format(&out, "%s", text) == NN_OK)
		;
	ok(out.n % 499 == 0, "a failed write writes nothing");
	nn_array_free(&out);
	is_int(host.n_live, 0, "nothing leaks");
}

/* ---- half precision ---------------------------------------------------------------- */

static uint32_t
bits_of(float value)
{
	uint32_t	bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* The value of a half by its definition. */
static double
half_value(int half)
{
	int			exponent = (half >> 10) & 0x1F;
	int			mantissa = half & 0x3FF;
	double		value = exponent == 0 ? ldexp(mantissa, -24) : ldexp(mantissa + 1024, exponent - 25);

	return half & 0x8000 ? -value : value;
}

/* All halves there and back, and each midpoint between neighbors with the floats beside it. */
static void
test_half(void)
{
	int			n_wrong_there = 0;
	int			n_wrong_back = 0;
	int			n_wrong_ties = 0;
	int			half;

	for (half = 0; half < 65536; half++)
	{
		float		value = nn_half_to_float((uint16_t) half);
		bool		is_special = (half & 0x7C00) == 0x7C00;

		n_wrong_back += nn_half_from_float(value) != half;
		if (is_special)
			n_wrong_there += (half & 0x3FF) == 0 ? !isinf(value) : !isnan(value);
		else
			n_wrong_there += value != half_value(half) || !signbit(value) != !(half & 0x8000);
	}
	is_int(n_wrong_there, 0, "each half has the value of its definition");
	is_int(n_wrong_back, 0, "each half comes back from single precision");

	/* up to the largest half and the 65536 that would be next */
	for (half = 0; half < 0x7C00; half++)
	{
		float		middle = (float) ((half_value(half) + half_value(half + 1)) / 2);
		int			even = half % 2 == 0 ? half : half + 1;

		n_wrong_ties += nn_half_from_float(middle) != even;
		n_wrong_ties += nn_half_from_float(-middle) != (0x8000 | even);
		n_wrong_ties += nn_half_from_float(nextafterf(middle, 0)) != half;
		n_wrong_ties += nn_half_from_float(nextafterf(middle, INFINITY)) != half + 1;
	}
	is_int(n_wrong_ties, 0, "to nearest, ties to even");
	is_int(nn_half_from_float(1e30f), 0x7C00, "too large is infinity");
	is_int(nn_half_from_float(-1e-30f), 0x8000, "too small is a zero of the same sign");
	is_int(nn_half_from_float(0x1p-25f), 0, "half of the smallest is tied to 0");

#ifdef __FLT16_MAX__
	{
		NnRng		rng;
		int			n_wrong = 0;
		int			i;

		nn_rng_seed(&rng, 7);
		for (i = 0; i < 1000000; i++)
		{
			/* exponents around those of halves, any mantissa */
			uint32_t	exponent = (uint32_t) (95 + nn_rng_below(&rng, 55));
			uint32_t	bits = (uint32_t) (nn_rng_u64(&rng) & 0x807FFFFF) | exponent << 23;
			float		value;
			_Float16	compiled;
			uint16_t	expected;

			memcpy(&value, &bits, sizeof(value));
			compiled = (_Float16) value;
			memcpy(&expected, &compiled, sizeof(expected));
			n_wrong += nn_half_from_float(value) != expected;
			n_wrong += bits_of(nn_half_to_float(expected)) != bits_of((float) compiled);
		}
		is_int(n_wrong, 0, "as the compiler's own _Float16");
	}
#else
	(void) bits_of;
	ok(true, "as the compiler's own _Float16 # SKIP it has none");
#endif
}

int
main(void)
{
	test_status();
	test_sizes();
	test_arena();
	test_rewind();
	test_array();
	test_array_in_file();
	test_rng_golden();
	test_rng_spread();
	test_hash();
	test_reader();
	test_writer();
	test_half();
	return done_testing();
}
