/*
 * nn/attention.h: looking back at the source while writing the target.
 *
 * Luong's "general" score (Luong et al. 2015): for the decoder's state h_r at
 * target row r and the encoder's states s_1 ... s_S of the same pair,
 *   score_rj = h_r^T W s_j      a_r = softmax_j(score_rj)      c_r = sum_j a_rj s_j
 * It needs no loop over time (Bahdanau's additive score with its state of the
 * step before does), so a whole packed batch is a few large products.
 *
 * The source and target batches are both packed; sequence b of the target
 * belongs to sequence source_of[b] of the source.  The weights of all rows are
 * kept as compressed rows: row r has the source length of its pair.
 */
#ifndef NN_ATTENTION_H
#define NN_ATTENTION_H

#include "nn/net.h"

typedef struct NnAttention
{
	int64_t    *start;			/* (N_target + 1) where a row's weights begin */
	float	   *weight;			/* a, compressed rows, source positions ascending */
	float	   *query;			/* (N_target, D) W^T h */
} NnAttention;

/*
 * context (N_target, D) from h (N_target, D) and the source's states s (N_source,
 * D); W (D, D) packed for x W (K = N = D, not transposed).  Sequences without a
 * source row (empty) get zeros.
 */
NnStatus	nn_attention_forward(const NnBatch *target, const NnBatch *source, const int32_t *source_of,
								 int D, const float *h, const float *s, const float *packed_W,
								 NnArena *scratch, NnAttention *attention, float *context, NnError *err);

/*
 * From d_context (N_target, D), and d_weight (compressed rows, or NULL: a
 * gradient that reaches the weights themselves, from copying): adds to d_h, d_s
 * and W_grad (D, D).  W (D, D) row major.
 */
NnStatus	nn_attention_backward(const NnBatch *target, const NnBatch *source, const int32_t *source_of,
								  int D, const float *h, const float *s, const float *W,
								  const NnAttention *attention, const float *d_context,
								  const float *d_weight, float *d_h, float *d_s, float *W_grad,
								  NnArena *scratch, NnError *err);

#endif							/* NN_ATTENTION_H */
