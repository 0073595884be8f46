/*
 * topic/bags.h: rows as their distinct words.
 *
 * A word that stands f times in a row counts 1 + log f: a row that says one word a thousand times is
 * not about it alone.
 */
#ifndef NN_TOPIC_BAGS_H
#define NN_TOPIC_BAGS_H

#include "topic/corpus.h"

/* Row i has word[start[i]] ... word[start[i + 1] - 1], in the order in which they first stand in it. */
typedef struct NnBags
{
	int64_t		n;
	int			n_words;		/* of the vocabulary */
	int64_t    *start;			/* (n + 1) */
	int32_t    *word;
	float	   *count;			/* 1 + log f */
	int64_t		longest;		/* distinct words of a row */
} NnBags;

/* In the arena. */
NnStatus	nn_bags_make(const NnTopicRows *rows, NnArena *arena, NnBags *bags, NnError *err);

#endif							/* NN_TOPIC_BAGS_H */
