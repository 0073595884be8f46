/*
 * topic/refine.h: the mixture (mixture.h) from a first guess, and out of poor ones.
 *
 * K-means stays where it began: one of its clusters may hold two topics, while another is of rows that
 * have little but common words.  So the topic that would be missed least, whose rows lose least by going to
 * their next topics, is given up for a second half of the one that gains most by being split, for as long as
 * the sum of scores grows.
 */
#ifndef NN_REFINE_H
#define NN_REFINE_H

#include "base/rng.h"
#include "topic/bags.h"

/*
 * topic (bags->n) is the first guess and the answer; rows of topic -1 take no part.  sure (bags->n) is how
 * much more probable a row's topic is than the next, 0 to 1.  spare is as large as x.
 */
NnStatus	nn_refine(const NnBags *bags, const float *x, float *spare, int width, const float *telling, int n_topics,
					  NnRng *rng, NnArena *scratch, int32_t *topic, float *sure, NnError *err);

#endif							/* NN_REFINE_H */
