/*
 * nn/token_loss.h: which token comes next: a softmax over a vocabulary.
 *
 * For rows x (M, E) and the table W (V, E), the embedding itself where it is
 * tied (Press and Wolf 2017; Inan et al. 2017):
 *   logit_m = W x_m + b      p = softmax(logit_m)      loss = -log p[label_m]
 *
 * M times V numbers are never held: rows go through in chunks.  Where V is large
 * a training step may look at a sample of the words only (Jean et al. 2015): the
 * labels of the batch and n_samples others, drawn from the log-uniform
 * distribution over ids ordered by frequency, each logit lessened by the log of
 * its expected count.  Losses that are reported are always of the whole softmax.
 */
#ifndef NN_TOKEN_LOSS_H
#define NN_TOKEN_LOSS_H

#include "nn/net.h"

/*
 * A second way to each row's label beside the softmax (copying: nn/seq2seq.c):
 *   p = own softmax(logit)[label] + other      loss = -log p
 * Labels are smoothed in the softmax alone.
 */
typedef struct NnTokenMixture
{
	const float *log_own;		/* (M) */
	const float *log_other;		/* (M) -INFINITY: there is no other way */
	float	   *share;			/* (M) out: other / p, of rows that have a label */
} NnTokenMixture;

typedef struct NnTokenTable
{
	int			n_tokens;		/* V */
	int			width;			/* E */
	const float *weight;		/* (V, E) */
	const float *bias;			/* (V) */
	float	   *weight_grad;	/* (V, E), added to; NULL for an answer */
	float	   *bias_grad;
	const float *packed;		/* nn_pack of weight: K = E, N = V, transposed */
	const NnTokenMixture *mixture;	/* for the two losses; NULL: the softmax alone */
} NnTokenTable;

/*
 * Sum of the losses of the M rows with label >= 0 (others count nothing and get
 * a zero gradient).  scale multiplies all gradients (1 / number of counted rows
 * of the batch).  label_smoothing as Szegedy et al. 2016.  dx (M, E) is written
 * unless NULL (then no gradient is added anywhere).  n_right, unless NULL, gets
 * the rows whose best token is the label.
 */
NnStatus	nn_token_loss(const NnTokenTable *table, int64_t M, const float *x, const int32_t *label,
						  float label_smoothing, float scale, float *dx, NnArena *scratch,
						  double *loss, int64_t *n_right, NnError *err);

/*
 * The same over a sample.  first_sampled: ids below it (bytes, units: not ordered
 * by frequency) are always in.  Rows of weight_grad that were touched are named
 * by touch(ctx, row), each once, ascending.
 */
NnStatus	nn_token_loss_sampled(const NnTokenTable *table, int64_t M, const float *x,
								  const int32_t *label, int n_samples, int first_sampled, float scale,
								  float *dx, NnRng *rng, void (*touch) (void *ctx, int32_t row), void *ctx,
								  NnArena *scratch, double *loss, NnError *err);

/*
 * Log-probabilities of the labels alone, into out (M) (0 where label < 0): for
 * scores and perplexity.  A row's number is the same alone and in any batch.
 */
NnStatus	nn_token_log_likelihood(const NnTokenTable *table, int64_t M, const float *x,
									const int32_t *label, NnArena *scratch, float *out, NnError *err);

/* All log-probabilities of M rows into out (M, V): for decoding, where M is a beam. */
void		nn_token_log_softmax(const NnTokenTable *table, int64_t M, const float *x, float *out);

/*
 * Scratch bytes at most of M rows over V tokens of width E: of a loss (is_backward), or
 * of log-likelihoods.  n_sampled: columns of a sampled softmax, 0 if it is whole.
 */
size_t		nn_token_loss_bytes(int V, int E, int64_t M, int64_t n_sampled, bool is_backward);

#endif							/* NN_TOKEN_LOSS_H */
