/*
 * topic/vectors.h: words that stand near the same words get vectors alike, and rows those of
 * their words.
 *
 * With n_wc how often word c stands at most WINDOW words from word w, m_w the sum of these
 * over c and Z over all, the positive pointwise mutual information
 *
 *	M_wc = max(0, log(n_wc / (m_w q_c)))	q_c = m_c^0.75 / sum_d m_d^0.75
 *
 * (Levy, Goldberg and Dagan 2015: the exponent keeps rare contexts from weighing most), and
 * with the leading singular vectors and values M = U S V', a word's vector is (U S^1/2)_w.
 *
 * A row's vector is the mean of its words', a/(a + p_w) each (Arora, Liang and Ma 2017), less
 * the mean of all rows, at length 1.  The usual a of 0.001 would weigh
 * away the very words that name the topics of short texts: they are frequent.
 */
#ifndef NN_TOPIC_VECTORS_H
#define NN_TOPIC_VECTORS_H

#include "base/rng.h"
#include "topic/bags.h"

/*
 * Vectors of words into vector (n_words, width), and how much each tells into telling (n_words): how far the
 * words around it differ from those of the column (word_vectors.c).  NN_ELIMIT if what stands together takes
 * more than limit bytes.
 */
NnStatus	nn_word_vectors(const NnTopicRows *rows, int width, size_t limit_bytes, NnRng *rng, NnArena *scratch,
							float *vector, float *telling, NnError *err);

/* What words weigh in the vectors of rows: telling_w a/(a + p_w). */
void		nn_row_weights(const NnTopicRows *rows, const float *telling, float *weight);

/* Of rows into out (n, width); zeros for a row without a word that weighs anything. */
NnStatus	nn_row_vectors(const NnBags *bags, int width, const float *vector, const float *weight, NnArena *scratch,
						   float *out, NnError *err);

#endif							/* NN_TOPIC_VECTORS_H */
