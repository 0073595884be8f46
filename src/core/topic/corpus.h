/*
 * topic/corpus.h: the texts of a column as the numbers of those words that can name a topic.
 *
 * Such a word has a letter and two characters or more, stands in at least min_rows rows and
 * at most in a given share of them.  Scripts without spaces between words (Han, kana), whose
 * characters the tokenizer cuts apart, are read as pairs of neighbors.
 *
 * Rows are put in the order of their hashes, and words in that of their number of rows, so
 * nothing depends on the order in which rows were read.
 */
#ifndef NN_CORPUS_H
#define NN_CORPUS_H

#include "base/arena.h"

typedef struct NnCorpus NnCorpus;

typedef struct NnCorpusOptions
{
	int			min_rows;		/* of a word */
	double		max_share;		/* of the rows that a word may be in */
	int			max_words;		/* of the vocabulary: those in most rows */
} NnCorpusOptions;

/* Row i, in the order of hashes, has the words word[start[i]] ... word[start[i + 1] - 1], as they stand in the text. */
typedef struct NnTopicRows
{
	int64_t		n;
	int			n_words;		/* of the vocabulary */
	const int64_t *start;		/* (n + 1) */
	const int32_t *word;
	const int64_t *row;			/* (n) its number in the order of reading */
	const int32_t *n_rows;		/* (n_words) rows with the word */
	const int64_t *n_tokens;	/* (n_words) */
	int64_t		n_all_tokens;	/* of all words */
} NnTopicRows;

NnStatus	nn_corpus_create(NnCorpus **corpus, const NnEnv *env, NnError *err);
void		nn_corpus_destroy(NnCorpus *corpus);

/* Begin a row; its texts follow.  Texts are UTF-8; NN_EENCODING. */
NnStatus	nn_corpus_add_row(NnCorpus *corpus, NnError *err);
NnStatus	nn_corpus_add_text(NnCorpus *corpus, const char *text, size_t n_bytes, NnError *err);

int64_t		nn_corpus_n(const NnCorpus *corpus);
int64_t		nn_corpus_n_words(const NnCorpus *corpus);	/* of all rows */

/* Bytes held. */
size_t		nn_corpus_bytes(const NnCorpus *corpus);

/* Choose the words; once, after the last row.  What rows points to is in the arena. */
NnStatus	nn_corpus_finish(NnCorpus *corpus, const NnCorpusOptions *options, NnArena *arena,
							 NnTopicRows *rows, NnError *err);

/* Bytes of a word of the vocabulary, not 0-terminated; after the finish. */
const char *nn_corpus_word(const NnCorpus *corpus, int32_t word, int *n_bytes);

/* Have two rows the same words in the same order? */
bool		nn_topic_rows_are_same(const NnTopicRows *rows, int64_t a, int64_t b);

#endif							/* NN_CORPUS_H */
