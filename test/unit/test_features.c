/*
 * test_features.c: groups of letters, and the index of the bag's features.
 */
#include "tap.h"

#include <stdlib.h>

#include "base/rng.h"
#include "text/features.h"
#include "text/tokenize.h"

static const NnEnv *const env = &nn_env_malloc;

/* ---- features ----------------------------------------------------------------------- */

static uint64_t
ngram(const char *text)
{
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];

	/* the only 5-gram of <xyz> and the like is the whole: the third key */
	return nn_feature_ngrams(text, (int) strlen(text), keys) == 6 ? keys[2] : 0;
}

static void
test_ngrams(void)
{
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];
	char		word[3000];
	uint64_t	first;

	is_int(nn_feature_ngrams("a", 1, keys), 0, "a word of one character has none");
	is_int(nn_feature_ngrams("\xE4\xBD\xA0", 3, keys), 0, "also if it has three bytes");
	is_int(nn_feature_ngrams("", 0, keys), 0, "nor has none");
	is_int(nn_feature_ngrams("at", 2, keys), 3, "<at, at>, <at>");
	is_int(nn_feature_ngrams("cat", 3, keys), 6, "<ca, <cat, <cat>, cat, cat>, at>");
	first = keys[5];
	ok(nn_feature_ngrams("hat", 3, keys) == 6 && keys[5] == first && keys[2] != ngram("cat"),
	   "cat and hat share at>");
	is_int(nn_feature_ngrams("\xC3\xA4\xC3\xB6\xC3\xBC", 6, keys), 6, "characters, not bytes");
	/* <aaaaaa>: <aa <aaa <aaaa aaa aaaa aaaaa aaaa> aaa> aa> */
	is_int(nn_feature_ngrams("aaaaaa", 6, keys), 9, "each distinct one once");
	memset(word, 'x', sizeof(word));
	is_int(nn_feature_ngrams(word, sizeof(word), keys), 9, "a long word of one letter");
	memset(word, 0x80, sizeof(word));
	ok(nn_feature_ngrams(word, sizeof(word), keys) == 0, "nothing but continuation bytes");
	for (size_t i = 0; i < sizeof(word); i++)
		word[i] = (char) (32 + nn_mix64(i) % 96);
	is_int(nn_feature_ngrams(word, sizeof(word), keys), 64 + 63 + 62, "no more than there is room for");

	ok(nn_feature_pair(1, 2) != nn_feature_pair(2, 1), "a pair has an order");
	ok(nn_feature_word(1) != nn_feature_pair(0, 1) && nn_feature_word(5) == nn_feature_word(5), "keys of words");
}

static void
test_index(void)
{
	NnFeatureCounter *counter;
	NnFeatureIndex *index;
	const uint64_t *sorted;
	bool		is_good = true;
	long		n_expected = 0;
	NnError		err;
	int			i;

	nn_feature_counter_create(&counter, env);
	is_int(nn_feature_index_learn(&index, counter, 1, 100, env), NN_OK, "an index of nothing");
	ok(nn_feature_index_n(index) == 0 && nn_feature_index_find(index, 5) == -1, "finds nothing");
	nn_feature_index_destroy(index);

	for (i = 0; i < 10000; i++)
		nn_feature_counter_add(counter, nn_mix64((uint64_t) i), 1 + i % 10);
	nn_feature_counter_add(counter, nn_mix64(0), 1);
	nn_feature_counter_add(counter, 0, 4);
	nn_feature_counter_add(counter, 12345, 0);
	nn_feature_counter_add(counter, 99, INT32_MAX);
	nn_feature_counter_add(counter, 99, INT32_MAX);
	is_int(nn_feature_counter_n(counter), 10000 + 2 - 1, "distinct keys; mix of 0 is 0");
	ok(nn_feature_counter_size_bytes(counter) >= 10002 * 16, "its size");

	is_int(nn_feature_index_learn(&index, counter, 9, 100000, env), NN_OK, "learn an index");
	for (i = 0; i < 10000; i++)
		n_expected += 1 + i % 10 >= 9;
	is_int(nn_feature_index_n(index), n_expected + 1, "of keys that are frequent enough");
	sorted = nn_feature_index_keys(index);
	for (i = 0; i < nn_feature_index_n(index); i++)
		is_good = is_good && (i == 0 || sorted[i] > sorted[i - 1]) &&
			nn_feature_index_find(index, sorted[i]) == i;
	ok(is_good, "keys ascend and are found");
	for (i = 1; i < 10000; i++)
		is_good = is_good && (nn_feature_index_find(index, nn_mix64((uint64_t) i)) >= 0) == (1 + i % 10 >= 9);
	ok(is_good && nn_feature_index_find(index, UINT64_MAX) == -1, "others are not");
	nn_feature_index_destroy(index);

	nn_feature_index_learn(&index, counter, 1, 2500, env);
	/* counted 9 times or more: 2001; 8 or more: 3001 */
	is_int(nn_feature_index_n(index), 2001, "the least count is raised until the rows suffice");
	nn_feature_index_destroy(index);
	nn_feature_index_learn(&index, counter, 1, 1, env);
	ok(nn_feature_index_n(index) == 1 && nn_feature_index_find(index, 99) == 0, "as far as it takes");
	nn_feature_index_destroy(index);
	nn_feature_index_learn(&index, counter, 1, 0, env);
	is_int(nn_feature_index_n(index), 0, "no rows");
	nn_feature_index_destroy(index);
	nn_feature_index_destroy(NULL);
	nn_feature_counter_destroy(counter);
	nn_feature_counter_destroy(NULL);

	is_int(nn_feature_index_read(&index, (const uint8_t *) "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 3,
								 env, &err), NN_OK, "read an index");
	ok(nn_feature_index_find(index, 2) == 1 && nn_feature_index_find(index, UINT64_C(1) << 56) == 2 &&
	   nn_feature_index_find(index, 3) == -1, "its rows");
	ok(nn_feature_index_size_bytes(index) >= 24, "its size");
	nn_feature_index_destroy(index);
	is_int(nn_feature_index_read(&index, (const uint8_t *) "\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 2, env, &err),
		   NN_EFORMAT, "a key twice is refused");
	is_int(nn_feature_index_read(&index, NULL, -1, env, &err), NN_EFORMAT, "a negative number of keys too");
	is_int(nn_feature_index_read(&index, NULL, 0, env, &err), NN_OK, "none is fine");
	nn_feature_index_destroy(index);
}

int
main(void)
{
	test_ngrams();
	test_index();
	return done_testing();
}
