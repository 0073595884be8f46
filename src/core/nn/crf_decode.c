/*
 * nn/crf_decode.c: answers of a CRF: marginals, the best path, a span's probability.
 *
 * Rules close transitions and first tags; how a sequence may end they do not say.
 * Whether a legal path exists depends on the length alone, and if there is one of
 * some length, then also of any smaller one.  So the sequences without are the
 * first of the batch; they are answered as if there were no rules.
 */
#include "nn/crf_private.h"

#include <math.h>
#include <string.h>

/* ---- marginals -------------------------------------------------------------------- */

NnStatus
nn_crf_marginals(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
				 const float *emission, NnArena *scratch, float *marginal, NnError *err)
{
	NnCrfChain	chain;
	NnCrfLattice lattice;
	int			n_closed = 0;

	NN_TRY(nn_crf_chain_create(crf, rules, scratch, &chain, err));
	NN_TRY(nn_crf_lattice_create(batch, emission, crf->n_tags, false, scratch, &lattice, err));
	NN_TRY(nn_crf_forward(&chain, &lattice));
	NN_TRY(nn_crf_backward(&chain, &lattice, marginal, NULL));
	if (rules == NULL)
		return NN_OK;

	while (n_closed < batch->n_sequences && batch->length[n_closed] > 0 &&
		   lattice.log_z[n_closed] == -INFINITY)
		n_closed++;
	if (n_closed == 0)
		return NN_OK;
	lattice.n = n_closed;
	NN_TRY(nn_crf_chain_create(crf, NULL, scratch, &chain, err));
	NN_TRY(nn_crf_forward(&chain, &lattice));
	return nn_crf_backward(&chain, &lattice, marginal, NULL);
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

/* ---- a span --------------------------------------------------------------------------- */

/*
 * A sequence twice, as a batch of two rows a step: as it is, and with every tag
 * but the wanted one closed in the span.
 */
static NnStatus
make_pair(const NnBatch *batch, int b, NnArena *scratch, NnBatch *pair, NnError *err)
{
	size_t		T = (size_t) batch->length[b];
	int32_t    *length = NN_TAKE(scratch, int32_t, 2);
	int32_t    *active = NN_TAKE(scratch, int32_t, T);
	int32_t    *offset = NN_TAKE(scratch, int32_t, T + 1);

	if (length == NULL || active == NULL || offset == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	length[0] = length[1] = (int32_t) T;
	for (size_t t = 0; t < T; t++)
		active[t] = 2;
	for (size_t t = 0; t <= T; t++)
		offset[t] = (int32_t) (2 * t);
	memset(pair, 0, sizeof(*pair));
	pair->n_sequences = 2;
	pair->n_steps = (int) T;
	pair->n_rows = (int) (2 * T);
	pair->length = length;
	pair->active = active;
	pair->offset = offset;
	return NN_OK;
}

static void
fill_pair(const NnBatch *batch, const float *emission, int b, int t_first, int t_last,
		  const int32_t *want, size_t K, float *both)
{
	for (int t = 0; t < batch->length[b]; t++)
	{
		float	   *held = both + (size_t) (2 * t + 1) * K;

		memcpy(held - K, emission + (size_t) (batch->offset[t] + b) * K, K * sizeof(float));
		memcpy(held, held - K, K * sizeof(float));
		for (size_t k = 0; t >= t_first && t < t_last && k < K; k++)
			if ((int32_t) k != want[t - t_first])
				held[k] = -INFINITY;
	}
}

NnStatus
nn_crf_span(const NnCrf *crf, const NnCrfRules *rules, const NnBatch *batch,
			const float *emission, int b, int t_first, int t_last, const int32_t *want,
			NnArena *scratch, double *log_probability, NnError *err)
{
	NnBatch		pair;
	NnCrfChain	chain;
	NnCrfLattice lattice;
	float	   *both;

	if (b < 0 || b >= batch->n_sequences || t_first < 0 || t_first > t_last || t_last > batch->length[b])
		return nn_fail(err, NN_ERANGE, "span from %d to %d is not within its sequence", t_first, t_last);
	*log_probability = 0.0;
	if (t_first == t_last)
		return NN_OK;

	NN_TRY(nn_crf_chain_create(crf, rules, scratch, &chain, err));
	NN_TRY(make_pair(batch, b, scratch, &pair, err));
	both = NN_TAKE(scratch, float, nn_size_mul((size_t) pair.n_rows, (size_t) crf->n_tags));
	if (both == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	fill_pair(batch, emission, b, t_first, t_last, want, (size_t) crf->n_tags, both);
	NN_TRY(nn_crf_lattice_create(&pair, both, crf->n_tags, false, scratch, &lattice, err));
	NN_TRY(nn_crf_forward(&chain, &lattice));
	if (lattice.log_z[0] == -INFINITY && rules != NULL)
	{
		NN_TRY(nn_crf_chain_create(crf, NULL, scratch, &chain, err));
		NN_TRY(nn_crf_forward(&chain, &lattice));
	}
	*log_probability = lattice.log_z[1] - lattice.log_z[0];
	if (*log_probability > 0.0)
		*log_probability = 0.0; /* the two sums are rounded apart */
	return NN_OK;
}
