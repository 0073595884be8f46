/*
 * text/features.h: the bag's features of a text, as 64-bit keys.
 *
 * Words, adjacent pairs of words, and character n-grams (3 to 5 characters of
 * <word>, words of 2 characters and more; Bojanowski et al. 2017) are known by a
 * hash alone, so a weights file holds no text for them.  An index maps the keys
 * that were seen often enough in training to rows of the bag's table; a key that
 * is not in it is ignored.
 */
#ifndef NN_FEATURES_H
#define NN_FEATURES_H

#include "base/arena.h"

/* Keys of a word (by the hash of its bytes) and of a pair. */
uint64_t	nn_feature_word(uint64_t word_hash);
uint64_t	nn_feature_pair(uint64_t first_hash, uint64_t second_hash);

/*
 * Keys of a word's character n-grams, each distinct one once, in order, into
 * keys (room for 3 * NN_WORD_CHARACTERS + 8); returns how many.
 */
int			nn_feature_ngrams(const char *bytes, int n_bytes, uint64_t *keys);

/* Bytes of a word. */
typedef struct NnByteRange
{
	uint16_t	start;
	uint16_t	stop;			/* behind the last one */
} NnByteRange;

/* The same, and the bytes of the word that each n-gram is where it occurs first. */
int			nn_feature_ngram_places(const char *bytes, int n_bytes, uint64_t *keys, NnByteRange *places);

/* ---- counting while learning ------------------------------------------- */
typedef struct NnFeatureCounter NnFeatureCounter;

NnStatus	nn_feature_counter_create(NnFeatureCounter **counter, const NnEnv *env);
void		nn_feature_counter_destroy(NnFeatureCounter *counter);
NnStatus	nn_feature_counter_add(NnFeatureCounter *counter, uint64_t key, int n_times);
int64_t		nn_feature_counter_n(const NnFeatureCounter *counter);
size_t		nn_feature_counter_size_bytes(const NnFeatureCounter *counter);

/* ---- the index: key -> row ----------------------------------------------- */
typedef struct NnFeatureIndex NnFeatureIndex;

/*
 * All counted keys seen at least min_count times; if that is more than max_rows,
 * min_count is raised until they fit.  Rows are numbered by ascending key, so the
 * order of counting does not matter.
 */
NnStatus	nn_feature_index_learn(NnFeatureIndex **index, const NnFeatureCounter *counter,
								   int min_count, int64_t max_rows, const NnEnv *env);

/* From a file's keys (n of them, little endian u64); NN_EFORMAT unless strictly ascending. */
NnStatus	nn_feature_index_read(NnFeatureIndex **index, const uint8_t *keys, int64_t n,
								  const NnEnv *env, NnError *err);
void		nn_feature_index_destroy(NnFeatureIndex *index);
int64_t		nn_feature_index_n(const NnFeatureIndex *index);
const uint64_t *nn_feature_index_keys(const NnFeatureIndex *index); /* ascending */
int32_t		nn_feature_index_find(const NnFeatureIndex *index, uint64_t key);	/* row or -1 */
void		nn_feature_index_find_all(const NnFeatureIndex *index, const uint64_t *keys, int n, int32_t *rows);
size_t		nn_feature_index_size_bytes(const NnFeatureIndex *index);

#endif							/* NN_FEATURES_H */
