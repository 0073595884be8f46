/*
 * nn/crf.h: a linear-chain conditional random field over a packed batch.
 *
 * The score of the tags y_1 ... y_T of one sequence (Lafferty et al. 2001; as
 * the last layer of an LSTM: Huang et al. 2015, Lample et al. 2016):
 *   s(x, y) = start[y_1] + sum_t e_t[y_t] + sum_t transition[y_{t-1}][y_t] + end[y_T]
 *   p(y | x) = exp(s(x, y)) / sum over all paths
 * Row offset[t] + b of emission (N, K) belongs to step t of sequence b, as
 * everywhere in a packed batch (nn/net.h).  The forward recursion runs over the
 * active rows of a step at once: with M = exp(transition),
 *   alpha'_t = log(exp(alpha_{t-1} - max) M) + max + e_t
 */
#ifndef NN_CRF_H
#define NN_CRF_H

#include "nn/net.h"

#define NN_MAX_TAGS	4096

/* Scores, or their gradients. */
typedef struct NnCrf
{
	int			n_tags;			/* K */
	float	   *transition;		/* (K, K) from row, to column */
	float	   *start;			/* (K) */
	float	   *end;			/* (K) */
} NnCrf;

/*
 * Which tag may follow which: bit to of row from; row K says which may come
 * first.  NULL allows everything.  A sequence so long that the rules leave it no
 * legal path is answered as if there were no rules.
 */
typedef struct NnCrfRules
{
	const uint8_t *allowed;		/* (K + 1, K) */
} NnCrfRules;

/*
 * Negative log likelihood of tag (N), summed over tokens and sequences.  With
 * gradients: d_emission (N, K) is written, grad's arrays are added to; both NULL
 * for the loss alone.  Sequences of length 0 add nothing.
 */
NnStatus	nn_crf_loss(const NnCrf *crf, const NnBatch *batch, const float *emission,
						const int32_t *tag, float *d_emission, NnCrf *grad,
						NnArena *scratch, double *loss, NnError *err);

/*
 * Marginal probabilities p(y_t = k | x) of the legal paths into marginal (N, K),
 * by forward-backward; each row sums to 1.
 */
NnStatus	nn_crf_marginals(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
							 const float *emission, NnArena *scratch, float *marginal, NnError *err);

/* The best legal path into tag (N) (Viterbi); of equal scores the lower tag. */
NnStatus	nn_crf_decode(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
						  const float *emission, NnArena *scratch, int32_t *tag, NnError *err);

/*
 * The legal paths of each sequence, summed up and kept, so that any number of spans
 * may be asked for.  In scratch; the CRF, the batch and emission must outlive it.
 */
typedef struct NnCrfPaths NnCrfPaths;

/* With the marginals, which come from the same sums. */
NnStatus	nn_crf_paths(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
						 const float *emission, NnArena *scratch, float *marginal,
						 NnCrfPaths **paths, NnError *err);

/*
 * log of the probability that steps t_first ... t_last - 1 of sequence b carry the
 * tags want[0 ...] (a span): exact, 0 of no step, -INFINITY if no legal path has
 * them.  Takes K + t_last - t_first operations and no memory.
 */
NnStatus	nn_crf_span(const NnCrfPaths *paths, int b, int t_first, int t_last, const int32_t *want,
						double *log_probability, NnError *err);

#endif							/* NN_CRF_H */
