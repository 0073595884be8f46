/*
 * topic/topics.h: rows of text -> topics.
 *
 *	nn_topics_learn()		words that tell (vectors.h), vectors of rows, clusters of them (kmeans.h),
 *							which the rows' own words refine (refine.h)
 *	nn_topics_name()		the words of topics, however rows were given to them (words.h)
 *
 * The same rows, options and seed give the same topics, in whatever order rows were added.
 */
#ifndef NN_TOPICS_H
#define NN_TOPICS_H

#include "topic/corpus.h"
#include "topic/words.h"

#define NN_MAX_TOPICS	500

typedef struct NnTopicOptions
{
	int			n_topics;		/* 0: as many as there seem to be, at most max_topics */
	int			max_topics;
	int			min_rows;		/* of a word */
	int			n_words;		/* of a topic, to be shown */
	bool		is_refined;
	double		seed;
} NnTopicOptions;

void		nn_topic_options_init(NnTopicOptions *options);

typedef struct NnTopics
{
	NnTopicRows rows;
	int			n_topics;
	int32_t    *topic;			/* (rows.n) in the order of rows; -1: no word of the vocabulary */
	float	   *sure;			/* (rows.n) margin between the two most probable, 0 to 1 */
	float	   *telling;		/* (rows.n_words) how much a word tells, 0 to 1 */
} NnTopics;

/* Bytes that this holds at most, of rows that were added. */
size_t		nn_topics_bytes(const NnCorpus *corpus, const NnTopicOptions *options);

/* What topics points to is in the arena.  NN_EDATA: too few rows; NN_ELIMIT: too much memory. */
NnStatus	nn_topics_learn(NnCorpus *corpus, const NnTopicOptions *options, size_t limit_bytes, NnArena *arena,
							NnTopics *topics, NnError *err);

/* Words of n_topics topics that rows were given to (rows.n), -1: none; words (n_topics) are in the arena. */
NnStatus	nn_topics_name(const NnTopics *topics, const int32_t *topic, int n_topics, int n_words, NnArena *arena,
						   NnTopicWords *words, NnError *err);

#endif							/* NN_TOPICS_H */
