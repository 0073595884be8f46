/*
 * nn/crf_decode.c: answers of a CRF: marginals, a span's probability, the best path.
 *
 * Rules close transitions and first tags; how a sequence may end they do not say.
 * Whether a legal path exists depends on the length alone, and if there is one of
 * some length, then also of any smaller one.  So the sequences without are the
 * first of the batch; they are answered as if there were no rules.
 */
#include "nn/crf_private.h"

#include <math.h>
#include <string.h>

/* ---- sums over paths -------------------------------------------------------------- */

struct NnCrfPaths
{
	NnCrfScores legal;
	NnCrfScores all;
	int			n_closed;		/* the first sequences, which have no legal path */
	NnCrfLattice lattice;		/* alpha, beta and log Z */
};

/*
 * Forward and backward under the rules, and once more without them over the
 * sequences that they close.
 */
static NnStatus
sum_paths(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch, const float *emission,
		  bool keeps_beta, NnArena *scratch, NnCrfPaths *paths, float *marginal, NnError *err)
{
	NnCrfLattice *lattice = &paths->lattice;
	NnCrfChain	chain;

	NN_TRY(nn_crf_chain_create(crf, rules, scratch, &chain, err));
	NN_TRY(nn_crf_lattice_create(batch, emission, crf->n_tags, false, scratch, lattice, err));
	if (keeps_beta)
	{
		lattice->beta = NN_TAKE(scratch, double, nn_size_mul((size_t) batch->n_rows, (size_t) crf->n_tags));
		if (lattice->beta == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	NN_TRY(nn_crf_forward(&chain, lattice));
	NN_TRY(nn_crf_backward(&chain, lattice, marginal, NULL));
	paths->legal = paths->all = chain.scores;
	paths->n_closed = 0;
	if (rules == NULL)
		return NN_OK;

	while (paths->n_closed < batch->n_sequences && batch->length[paths->n_closed] > 0 &&
		   lattice->log_z[paths->n_closed] == -INFINITY)
		paths->n_closed++;
	if (paths->n_closed == 0)
		return NN_OK;
	lattice->n = paths->n_closed;
	NN_TRY(nn_crf_chain_create(crf, NULL, scratch, &chain, err));
	paths->all = chain.scores;
	NN_TRY(nn_crf_forward(&chain, lattice));
	return nn_crf_backward(&chain, lattice, marginal, NULL);
}

NnStatus
nn_crf_marginals(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
				 const float *emission, NnArena *scratch, float *marginal, NnError *err)
{
	NnCrfPaths	paths;

	return sum_paths(crf, rules, batch, emission, false, scratch, &paths, marginal, err);
}

NnStatus
nn_crf_paths(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
			 const float *emission, NnArena *scratch, float *marginal,
			 NnCrfPaths **paths, NnError *err)
{
	*paths = NN_TAKE(scratch, NnCrfPaths, 1);
	if (*paths == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return sum_paths(crf, rules, batch, emission, true, scratch, *paths, marginal, err);
}

/* log sum_k exp(alpha[k] + beta[k]) */
static double
log_sum_row(int K, const double *alpha, const double *beta)
{
	double		most = -INFINITY;
	double		sum = 0.0;

	for (int k = 0; k < K; k++)
		most = alpha[k] + beta[k] > most ? alpha[k] + beta[k] : most;
	for (int k = 0; k < K; k++)
		sum += exp(alpha[k] + beta[k] - most);
	return log(sum) + most;
}

/*
 * With f the first step of the span and l its last one, and y = want there:
 *   log p = alpha_f[y_f] + sum over f < t <= l of (A[y_{t-1}][y_t] + e_t[y_t]) + beta_l[y_l] - log Z
 * Every step gives a log Z of its own, log sum_k exp(alpha_t[k] + beta_t[k]), and
 * they are rounded apart.  That of step f shares with the rest what rounding did to
 * alpha_f; so a span of one step has just its marginal.
 */
NnStatus
nn_crf_span(const NnCrfPaths *paths, int b, int t_first, int t_last, const int32_t *want,
			double *log_probability, NnError *err)
{
	const NnCrfLattice *lattice = &paths->lattice;
	const NnBatch *batch = lattice->batch;
	const NnCrfScores *scores = b < paths->n_closed ? &paths->all : &paths->legal;
	size_t		K = (size_t) scores->K;
	size_t		row;
	double		sum;

	if (b < 0 || b >= batch->n_sequences || t_first < 0 || t_first > t_last || t_last > batch->length[b])
		return nn_fail(err, NN_ERANGE, "span from %d to %d is not within its sequence", t_first, t_last);
	for (int i = 0; i < t_last - t_first; i++)
	{
		if (want[i] < 0 || want[i] >= scores->K)
			return nn_fail(err, NN_ERANGE, "tag %d is not between 0 and %d", (int) want[i], scores->K - 1);
	}
	*log_probability = 0.0;
	if (t_first == t_last)
		return NN_OK;

	row = (size_t) (batch->offset[t_first] + b) * K;
	sum = lattice->alpha[row + (size_t) want[0]] - log_sum_row(scores->K, lattice->alpha + row, lattice->beta + row);
	for (int i = 1; i < t_last - t_first; i++)
	{
		row = (size_t) (batch->offset[t_first + i] + b) * K;
		sum += (double) scores->transition[(size_t) want[i - 1] * K + (size_t) want[i]] +
			(double) lattice->emission[row + (size_t) want[i]];
	}
	sum += lattice->beta[row + (size_t) want[t_last - t_first - 1]];
	*log_probability = sum > 0.0 ? 0.0 : sum;	/* of numbers that are rounded apart */
	return NN_OK;
}

/* ---- the best path ------------------------------------------------------------------ */

/* The lowest k with the largest a[k] + b[k * step]. */
static int
best_of(int K, const double *a, const float *b, size_t step, double *best)
{
	int			best_k = 0;

	*best = -INFINITY;
	for (int k = 0; k < K; k++)
	{
		double		x = a[k] + (double) b[(size_t) k * step];

		if (x > *best)
		{
			*best = x;
			best_k = k;
		}
	}
	return best_k;
}

/*
 * Viterbi (1967) for one sequence:
 *   delta_1 = start + e_1     delta_t[j] = e_t[j] + max_i (delta_{t-1}[i] + A[i][j])
 * Where the maximum came from is not noted but found again on the way back: that
 * is K comparisons a step, and leaves an inner loop without a branch.
 */
static NnStatus
decode_sequence(const NnCrfScores *scores, const NnBatch *batch, const float *emission, int b,
				NnCrfWork *work, double *delta, int32_t *tag, double *best)
{
	size_t		K = (size_t) scores->K;
	int			length = batch->length[b];
	double		ignored;
	int			y;

	for (int t = 0; t < length; t++)
	{
		const float *e = emission + (size_t) (batch->offset[t] + b) * K;
		double	   *row = delta + (size_t) t * K;

		for (size_t j = 0; j < K; j++)
			row[j] = t == 0 ? (double) scores->start[j] : -INFINITY;
		for (size_t i = 0; t > 0 && i < K; i++)
		{
			const float *A = scores->transition + i * K;
			double		from = delta[(size_t) (t - 1) * K + i];

			for (size_t j = 0; j < K; j++)
				row[j] = from + (double) A[j] > row[j] ? from + (double) A[j] : row[j];
		}
		for (size_t j = 0; j < K; j++)
			row[j] += (double) e[j];
		NN_TRY(nn_crf_work(work, (int64_t) (K * K) * NN_CRF_WORK_COMPARE));
	}
	y = best_of(scores->K, delta + (size_t) (length - 1) * K, scores->end, 1, best);
	for (int t = length - 1; t >= 0; t--)
	{
		tag[batch->offset[t] + b] = y;
		if (t > 0)
			y = best_of(scores->K, delta + (size_t) (t - 1) * K, scores->transition + y, K, &ignored);
	}
	return NN_OK;
}

NnStatus
nn_crf_decode(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
			  const float *emission, NnArena *scratch, int32_t *tag, NnError *err)
{
	NnCrfWork	work = {.arena = scratch};
	NnCrfScores legal;
	NnCrfScores all;
	double	   *delta;

	NN_TRY(nn_crf_scores(crf, rules, scratch, &legal, err));
	NN_TRY(nn_crf_scores(crf, NULL, scratch, &all, err));
	delta = NN_TAKE(scratch, double, nn_size_mul((size_t) batch->n_steps, (size_t) crf->n_tags));
	if (delta == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
	{
		double		best;

		NN_TRY(decode_sequence(&legal, batch, emission, b, &work, delta, tag, &best));
		if (best == -INFINITY && rules != NULL)
			NN_TRY(decode_sequence(&all, batch, emission, b, &work, delta, tag, &best));
	}
	return NN_OK;
}
