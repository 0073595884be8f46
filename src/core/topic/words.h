/*
 * topic/words.h: which words name a topic, and how well they go together.
 *
 * A word is typical of topic k by class-based tf-idf, p(w|k) log(p(w|k) / p(w)).  The most
 * typical N_CANDIDATES are then thinned out: the word that goes least with those left, by the
 * sum of its NPMI, goes, until as many are left as are to be shown.
 *
 * With P(w) the share of the rows that have word w, and P(v, w) those that have both,
 *
 *	NPMI(v, w) = log(P(v, w) / (P(v) P(w))) / -log P(v, w)
 *
 * (Bouma 2009), from -1, never together, over 0, by chance, to 1, always together.  A topic's
 * coherence is its mean over all pairs of its words (Lau, Newman and Baldwin 2014).  Diversity
 * is the share of different words among all topics' words (Dieng, Ruiz and Blei 2020).
 */
#ifndef NN_TOPIC_WORDS_H
#define NN_TOPIC_WORDS_H

#include "topic/corpus.h"

#define NN_MAX_TOPIC_WORDS 50

typedef struct NnTopicWords
{
	int64_t		n_rows;
	int			n_words;
	int32_t    *word;			/* (n_words) the most typical first */
	float	   *weight;			/* (n_words) how typical */
	double		coherence;		/* NAN with fewer than two words */
} NnTopicWords;

/* topic (rows->n): 0 ... n_topics - 1, or -1.  Arrays of words (n_topics) are in the arena. */
NnStatus	nn_topic_words(const NnTopicRows *rows, const int32_t *topic, const float *telling, int n_topics, int n_shown,
						   NnArena *arena, NnTopicWords *words, NnError *err);

/* NPMI of words that are in a and in b of n rows, and together in both. */
double		nn_npmi(int64_t n, int64_t a, int64_t b, int64_t both);

double		nn_topic_diversity(const NnTopicWords *words, int n_topics);

#endif							/* NN_TOPIC_WORDS_H */
