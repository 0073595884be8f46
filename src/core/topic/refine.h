/*
 * topic/refine.h: clusters of row vectors -> clusters that their own words confirm.
 *
 * A linear classifier learns the rows of which each cluster is surest, from their words
 * (tf-idf) beside their vectors, and says anew which cluster each row is of; some rounds.
 * Words that name a topic by themselves come to count for more than what a mean of vectors
 * leaves of them.  Clusters count alike in the loss, else the largest takes what is unclear.
 */
#ifndef NN_REFINE_H
#define NN_REFINE_H

#include "base/rng.h"
#include "topic/corpus.h"

/*
 * topic (rows->n) is the first guess and the answer, sure (rows->n) how sure each is, in any
 * unit, and comes back as the margin between the two most probable topics, 0 to 1.  Rows of
 * topic -1 take no part.
 */
NnStatus	nn_refine(const NnTopicRows *rows, const float *x, int width, const float *telling, int n_topics, int n_rounds, NnRng *rng,
					  NnArena *scratch, int32_t *topic, float *sure, NnError *err);

#endif							/* NN_REFINE_H */
