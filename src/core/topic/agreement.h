/*
 * topic/agreement.h: whether rows that share a word are alike in their other words.
 *
 * What stands around a word (word_vectors.h: its divergence) does not tell all: "nntp" and "posting" always
 * stand side by side, in mails about anything.  With u_iw the vector of row i without what word w adds to it,
 * less the mean of all rows, at length 1, the agreement of word w is the mean cosine of two
 * of its n rows:
 *
 *	g_w = (|sum_i u_iw|^2 - n) / (n (n - 1))
 *
 * 0 for a word that stands anywhere, whatever n.  A word tells the geometric mean of both.
 */
#ifndef NN_TOPIC_AGREEMENT_H
#define NN_TOPIC_AGREEMENT_H

#include "topic/bags.h"

/*
 * agreement (bags->n_words) of words that weigh so much (weight) in the vectors (width) of rows.  A word of one
 * row has none: 0.
 */
NnStatus	nn_topic_agreement(const NnBags *bags, int width, const float *vector, const float *weight, NnArena *scratch,
							   float *agreement, NnError *err);

#endif							/* NN_TOPIC_AGREEMENT_H */
