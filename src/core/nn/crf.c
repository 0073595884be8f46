/*
 * nn/crf.c: the sums over all paths of a linear-chain CRF, and its loss.
 *
 * Forward-backward in logs, with the transitions called A:
 *   alpha_1 = start + e_1     alpha_t[j] = e_t[j] + log sum_i exp(alpha_{t-1}[i] + A[i][j])
 *   beta_T  = end             beta_t[i]  = log sum_j exp(A[i][j] + gamma_{t+1}[j])
 *   gamma_t = beta_t + e_t    log Z = log sum_j exp(alpha_T[j] + end[j])
 *   p(y_t = k) = exp(alpha_t[k] + beta_t[k] - log Z)
 *   p(y_{t-1} = i, y_t = j) = exp(alpha_{t-1}[i] + A[i][j] + gamma_t[j] - log Z)
 * (Rabiner 1989; Lafferty et al. 2001).  Both recursions are the same sweep, one
 * with A and one with its transpose.  A sweep is a matrix product: K^2
 * multiplications a row, but only K exponentials and logarithms.
 *
 * Shifts.  exp(A) could overflow, or hide small numbers beside large ones, so
 *   A[i][j] = r_i + c_j + log M[i][j],  r_i = max_j A[i][j],  c_j = max_i (A[i][j] - r_i)
 * All of M is in [0, 1], and each row and each column of it has a 1.  With
 * x_i = alpha_i + r_i and its maximum, the peak, u_i = exp(x_i - peak) <= 1:
 *   log sum_i exp(alpha_i + A[i][j]) = log (u M)_j + peak + c_j
 * and the same with r and c in each other's place for the backward sweep.
 *
 * Underflow.  What (u M)_j loses is less than K 1e-38.  Where it is above TINY that
 * does not show.  Where it is not, every way to j that is open is improbable by
 * itself: rules close the others, or a few transitions are very far from the rest.
 * A small number put in for the sum would give mass to paths that are forbidden,
 * so that one sum is done again in logs, in double: exact, and rare.
 *
 * Logs are kept in double: they grow with the length of the sequence, and their
 * differences are what counts.  Every number of a sequence is computed from its
 * own rows in a fixed order, so it is the same in any batch.
 */
#include "nn/crf_private.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"

/* Sums of products below it are done again in logs.  K 1e-38 / TINY < 1e-9 for all K allowed. */
#define TINY	1e-25f

/* The same for the probability of a pair: log(1 / TINY). */
#define LOG_HUGE	57.5

NnStatus
nn_crf_work(NnCrfWork *work, int64_t n)
{
	work->done += n;
	if (work->done < NN_CRF_WORK_PER_POLL)
		return NN_OK;
	work->done = 0;
	return nn_arena_poll(work->arena);
}

/* ---- scores and their exponentials ---------------------------------------------- */

NnStatus
nn_crf_scores(const NnCrf *crf, const NnCrfRules *rules, NnArena *scratch,
			  NnCrfScores *scores, NnError *err)
{
	size_t		K = (size_t) crf->n_tags;
	float	   *all;

	if (crf->n_tags < 1 || crf->n_tags > NN_MAX_TAGS)
		return nn_fail(err, NN_ERANGE, "number of tags %d is not between 1 and %d",
					   crf->n_tags, NN_MAX_TAGS);
	scores->K = crf->n_tags;
	scores->transition = crf->transition;
	scores->start = crf->start;
	scores->end = crf->end;
	if (rules == NULL)
		return NN_OK;

	all = NN_TAKE(scratch, float, (K + 1) * K);
	if (all == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(all, crf->transition, K * K * sizeof(float));
	memcpy(all + K * K, crf->start, K * sizeof(float));
	for (size_t i = 0; i < (K + 1) * K; i++)
		all[i] = rules->allowed[i] != 0 ? all[i] : -INFINITY;
	scores->transition = all;
	scores->start = all + K * K;
	return NN_OK;
}

/* r and c of the head of this file; 0 for a tag that nothing leaves or reaches. */
static void
find_shifts(const NnCrfScores *scores, double *r, double *c)
{
	int			K = scores->K;

	for (int j = 0; j < K; j++)
		c[j] = -INFINITY;
	for (int i = 0; i < K; i++)
	{
		const float *A = scores->transition + (size_t) i * (size_t) K;
		float		most = -INFINITY;

		for (int j = 0; j < K; j++)
			most = A[j] > most ? A[j] : most;
		r[i] = most > -INFINITY ? (double) most : 0.0;
		for (int j = 0; j < K; j++)
			c[j] = (double) A[j] - r[i] > c[j] ? (double) A[j] - r[i] : c[j];
	}
	for (int j = 0; j < K; j++)
		c[j] = c[j] > -INFINITY ? c[j] : 0.0;
}

NnStatus
nn_crf_chain_create(const NnCrf *crf, const NnCrfRules *rules, NnArena *scratch,
					NnCrfChain *chain, NnError *err)
{
	NnCrfScores *scores = &chain->scores;
	size_t		K;
	double	   *r;
	double	   *c;
	float	   *packed;
	float	   *packed_back;

	NN_TRY(nn_crf_scores(crf, rules, scratch, scores, err));
	K = (size_t) scores->K;
	r = NN_TAKE(scratch, double, K);
	c = NN_TAKE(scratch, double, K);
	chain->M = NN_TAKE(scratch, float, K * K);
	packed = NN_TAKE(scratch, float, nn_pack_floats(scores->K, scores->K));
	packed_back = NN_TAKE(scratch, float, nn_pack_floats(scores->K, scores->K));
	if (r == NULL || c == NULL || chain->M == NULL || packed == NULL || packed_back == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");

	chain->forward.step_from = chain->backward.step_to = K;
	chain->forward.step_to = chain->backward.step_from = 1;
	chain->forward.shift_from = chain->backward.shift_to = r;
	chain->forward.shift_to = chain->backward.shift_from = c;
	chain->forward.packed = packed;
	chain->backward.packed = packed_back;
	chain->work.arena = scratch;
	chain->work.done = 0;

	/* exp(-INFINITY) is 0 */
	find_shifts(scores, r, c);
	for (size_t i = 0; i < K; i++)
		for (size_t j = 0; j < K; j++)
			chain->M[i * K + j] = (float) ((double) scores->transition[i * K + j] - r[i] - c[j]);
	nn_exp((int64_t) (K * K), chain->M, chain->M);
	nn_pack(chain->M, scores->K, scores->K, scores->K, false, packed);
	nn_pack(chain->M, scores->K, scores->K, scores->K, true, packed_back);
	return nn_crf_work(&chain->work, 16 * (int64_t) (K * K));
}

NnStatus
nn_crf_lattice_create(const NnBatch *batch, const float *emission, int K,
					  bool keeps_factors, NnArena *scratch, NnCrfLattice *lattice,
					  NnError *err)
{
	size_t		N = (size_t) batch->n_rows;
	size_t		B = (size_t) batch->n_sequences;
	size_t		n_kept = keeps_factors ? N : B;
	size_t		width = (size_t) K;

	lattice->batch = batch;
	lattice->emission = emission;
	lattice->n = batch->n_sequences;
	lattice->keeps_factors = keeps_factors;
	lattice->beta = NULL;
	lattice->alpha = NN_TAKE(scratch, double, nn_size_mul(N, width));
	lattice->gamma[0] = NN_TAKE(scratch, double, nn_size_mul(B, width));
	lattice->gamma[1] = NN_TAKE(scratch, double, nn_size_mul(B, width));
	lattice->log_z = NN_TAKE(scratch, double, B);
	lattice->u = NN_TAKE(scratch, float, nn_size_mul(n_kept, width));
	lattice->v = NN_TAKE(scratch, float, nn_size_mul(n_kept, width));
	lattice->peak_u = NN_TAKE(scratch, double, n_kept);
	lattice->peak_v = NN_TAKE(scratch, double, n_kept);
	lattice->product = NN_TAKE(scratch, float, nn_size_mul(B, width));
	if (lattice->alpha == NULL || lattice->gamma[0] == NULL || lattice->gamma[1] == NULL ||
		lattice->log_z == NULL || lattice->u == NULL || lattice->v == NULL ||
		lattice->peak_u == NULL || lattice->peak_v == NULL || lattice->product == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* ---- the recursions ----------------------------------------------------------------- */

/* Sequences that have step t, of those looked at. */
static int
active_at(const NnCrfLattice *lattice, int t)
{
	int			n = t < lattice->batch->n_steps ? lattice->batch->active[t] : 0;

	return n < lattice->n ? n : lattice->n;
}

/* The first kept row of step t. */
static size_t
kept_row(const NnCrfLattice *lattice, int t)
{
	return lattice->keeps_factors ? (size_t) lattice->batch->offset[t] : 0;
}

/* log sum_k exp(a[k] + b[k * step]); -INFINITY for a sum of nothing. */
static double
log_sum_exp(int K, const double *a, const float *b, size_t step)
{
	double		most = -INFINITY;
	double		sum = 0.0;

	for (size_t k = 0; k < (size_t) K; k++)
		most = a[k] + (double) b[k * step] > most ? a[k] + (double) b[k * step] : most;
	if (most == -INFINITY)
		return -INFINITY;
	for (size_t k = 0; k < (size_t) K; k++)
	{
		double		x = a[k] + (double) b[k * step] - most;

		/* exp() is slow where it underflows; a NaN is not left out */
		if (!(x < -100.0))
			sum += exp(x);
	}
	return log(sum) + most;
}

/* The largest x[k] + y[k]: four at a time, since a maximum waits for the one before it. */
static double
highest_sum(int K, const double *x, const double *y)
{
	double		most[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY};
	int			k = 0;

	for (; k + 4 <= K; k += 4)
		for (int i = 0; i < 4; i++)
			most[i] = x[k + i] + y[k + i] > most[i] ? x[k + i] + y[k + i] : most[i];
	for (; k < K; k++)
		most[0] = x[k] + y[k] > most[0] ? x[k] + y[k] : most[0];
	for (int i = 1; i < 4; i++)
		most[0] = most[i] > most[0] ? most[i] : most[0];
	return most[0];
}

/*
 * factor (K) = from + shift - peak, to be put through exp(); the peak comes back.
 * Where nothing reaches any tag all of factor is -INFINITY.
 */
static double
scale_row(int K, const double *from, const double *shift, float *factor)
{
	double		peak = highest_sum(K, from, shift);

	if (peak == -INFINITY)
		peak = 0.0;
	for (int k = 0; k < K; k++)
		factor[k] = (float) (from[k] + shift[k] - peak);
	return peak;
}

/*
 * One step for n rows: to[j] = log sum_i exp(from[i] + A[i][j]), i being a tag
 * of the step that is known.  factor (n, K) and peak (n) are kept for the caller.
 */
static NnStatus
sweep_step(NnCrfChain *chain, const NnCrfSweep *sweep, int n, const double *from,
		   float *factor, double *peak, float *product, double *to)
{
	int			K = chain->scores.K;
	size_t		width = (size_t) K;
	int64_t		row_work = (int64_t) K * K;
	int			n_part = 1 + (int) (NN_CRF_WORK_PER_POLL / row_work / 2);

	for (int b = 0; b < n; b++)
		peak[b] = scale_row(K, from + (size_t) b * width, sweep->shift_from, factor + (size_t) b * width);
	nn_exp((int64_t) n * K, factor, factor);
	for (int first = 0; first < n; first += n_part)
	{
		int			n_rows = n - first < n_part ? n - first : n_part;

		NN_TRY(nn_crf_work(&chain->work, n_rows * row_work));
		nn_gemm_packed(n_rows, K, K, factor + (size_t) first * width, K, sweep->packed,
					   product + (size_t) first * width, K, false);
	}
	for (int b = 0; b < n; b++)
	{
		const float *sum = product + (size_t) b * width;
		double	   *row = to + (size_t) b * width;

		for (size_t j = 0; j < width; j++)
		{
			if (sum[j] <= TINY)
			{
				row[j] = log_sum_exp(K, from + (size_t) b * width,
									 chain->scores.transition + j * sweep->step_to, sweep->step_from);
				NN_TRY(nn_crf_work(&chain->work, K * NN_CRF_WORK_EXP));
			}
			else
				row[j] = (double) logf(sum[j]) + (peak[b] + sweep->shift_to[j]);
		}
	}
	return NN_OK;
}

/* y += x, n numbers. */
static void
add_floats(size_t n, const float *x, double *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] += (double) x[i];
}

/* A row of scores into rows first ... n - 1. */
static void
fill_rows(int K, int first, int n, const float *score, double *rows)
{
	for (size_t b = (size_t) first; b < (size_t) n; b++)
		for (size_t k = 0; k < (size_t) K; k++)
			rows[b * (size_t) K + k] = (double) score[k];
}

NnStatus
nn_crf_forward(NnCrfChain *chain, NnCrfLattice *lattice)
{
	const NnBatch *batch = lattice->batch;
	int			K = chain->scores.K;
	size_t		width = (size_t) K;

	for (int t = 0; t < batch->n_steps; t++)
	{
		int			n = active_at(lattice, t);
		size_t		kept = kept_row(lattice, t);
		double	   *alpha = lattice->alpha + (size_t) batch->offset[t] * width;

		if (t == 0)
			fill_rows(K, 0, n, chain->scores.start, alpha);
		else
			NN_TRY(sweep_step(chain, &chain->forward, n,
							  lattice->alpha + (size_t) batch->offset[t - 1] * width,
							  lattice->u + kept * width, lattice->peak_u + kept,
							  lattice->product, alpha));
		add_floats((size_t) n * width, lattice->emission + (size_t) batch->offset[t] * width, alpha);
		for (int b = active_at(lattice, t + 1); b < n; b++)
			lattice->log_z[b] = log_sum_exp(K, alpha + (size_t) b * width, chain->scores.end, 1);
	}
	return NN_OK;
}

/* d[i][j] += p(i, j) of one pair of neighbors, in logs. */
static NnStatus
add_pair_exactly(NnCrfChain *chain, const double *alpha, const double *gamma, double log_z, float *d)
{
	size_t		K = (size_t) chain->scores.K;

	for (size_t i = 0; i < K; i++)
	{
		const float *A = chain->scores.transition + i * K;

		for (size_t j = 0; j < K; j++)
			d[i * K + j] += (float) exp(alpha[i] + (double) A[j] + gamma[j] - log_z);
		NN_TRY(nn_crf_work(&chain->work, (int64_t) K * NN_CRF_WORK_EXP));
	}
	return NN_OK;
}

/*
 * Make u_i M[i][j] v_j the probability of the pairs that end at step t:
 *   p(i, j) = u_i M[i][j] v_j exp(peak_u + peak_v - log Z)
 * A factor that is huge says that the likely i do not lead to the likely j; such a
 * row is added to d_transition here, and v set to zero.
 */
static NnStatus
weigh_pairs(NnCrfChain *chain, const NnCrfLattice *lattice, int t, const double *gamma, float *d_transition)
{
	const NnBatch *batch = lattice->batch;
	size_t		K = (size_t) chain->scores.K;
	size_t		kept = kept_row(lattice, t);
	const double *alpha = lattice->alpha + (size_t) batch->offset[t - 1] * K;
	int			n = active_at(lattice, t);

	for (size_t b = 0; b < (size_t) n; b++)
	{
		double		excess = lattice->peak_u[kept + b] + lattice->peak_v[kept + b] - lattice->log_z[b];
		float	   *v = lattice->v + (kept + b) * K;

		if (excess > LOG_HUGE)
		{
			NN_TRY(add_pair_exactly(chain, alpha + b * K, gamma + b * K, lattice->log_z[b], d_transition));
			memset(v, 0, K * sizeof(float));
		}
		else
			nn_scale((int64_t) K, (float) exp(excess), v);
	}
	return NN_OK;
}

/* p(y_t = k) = exp(alpha + beta - log Z); dividing by the sum takes off what rounding added. */
static void
fill_marginals(int n, int K, const double *alpha, const double *beta, const double *log_z, float *marginal)
{
	for (size_t b = 0; b < (size_t) n; b++)
		for (size_t k = b * (size_t) K; k < (b + 1) * (size_t) K; k++)
			marginal[k] = (float) (alpha[k] + beta[k] - log_z[b]);
	nn_softmax_rows(n, K, marginal, K);
}

NnStatus
nn_crf_backward(NnCrfChain *chain, NnCrfLattice *lattice, float *marginal, float *d_transition)
{
	const NnBatch *batch = lattice->batch;
	int			K = chain->scores.K;
	size_t		width = (size_t) K;

	for (int t = batch->n_steps - 1; t >= 0; t--)
	{
		int			n = active_at(lattice, t);
		int			n_next = active_at(lattice, t + 1);
		size_t		at = (size_t) batch->offset[t] * width;
		double	   *beta = lattice->gamma[t % 2];
		const double *gamma = lattice->gamma[(t + 1) % 2];

		if (n_next > 0)
		{
			size_t		kept = kept_row(lattice, t + 1);

			NN_TRY(sweep_step(chain, &chain->backward, n_next, gamma,
							  lattice->v + kept * width, lattice->peak_v + kept,
							  lattice->product, beta));
			if (d_transition != NULL)
				NN_TRY(weigh_pairs(chain, lattice, t + 1, gamma, d_transition));
		}
		fill_rows(K, n_next, n, chain->scores.end, beta);
		if (lattice->beta != NULL && n > 0)
			memcpy(lattice->beta + at, beta, (size_t) n * width * sizeof(double));
		fill_marginals(n, K, lattice->alpha + at, beta, lattice->log_z, marginal + at);
		add_floats((size_t) n * width, lattice->emission + at, beta);	/* now it is gamma_t */
	}
	return NN_OK;
}

/* ---- the loss ------------------------------------------------------------------------- */

/* s(x, y) of the header. */
static NnStatus
gold_score(const NnCrfScores *scores, const NnBatch *batch, const float *emission,
		   const int32_t *tag, double *score, NnError *err)
{
	size_t		K = (size_t) scores->K;

	*score = 0.0;
	for (int r = 0; r < batch->n_rows; r++)
	{
		if (tag[r] < 0 || tag[r] >= scores->K)
			return nn_fail(err, NN_ERANGE, "tag %d is not between 0 and %d", (int) tag[r], scores->K - 1);
		*score += (double) emission[(size_t) r * K + (size_t) tag[r]];
	}
	for (int t = 0; t < batch->n_steps; t++)
	{
		const int32_t *y = tag + batch->offset[t];
		int			n_next = t + 1 < batch->n_steps ? batch->active[t + 1] : 0;

		for (int b = 0; t == 0 && b < batch->active[0]; b++)
			*score += (double) scores->start[y[b]];
		for (int b = 0; b < n_next; b++)
			*score += (double) scores->transition[(size_t) y[b] * K + (size_t) tag[batch->offset[t + 1] + b]];
		for (int b = n_next; b < batch->active[t]; b++)
			*score += (double) scores->end[y[b]];
	}
	return NN_OK;
}

/*
 * The expected number of transitions, M * (U^T V) with the pairs of all rows but
 * the first step's in the rows of U and V.
 */
static NnStatus
add_expected_transitions(NnCrfChain *chain, const NnCrfLattice *lattice, NnArena *scratch,
						 float *d_transition, NnError *err)
{
	int			K = chain->scores.K;
	size_t		width = (size_t) K;
	int			first = lattice->batch->n_steps > 0 ? lattice->batch->active[0] : 0;
	int64_t		row_work = (int64_t) K * K;
	int			n_part = 1 + (int) (NN_CRF_WORK_PER_POLL / row_work / 2);
	float	   *counts = NN_ALLOC(scratch, float, width * width);

	if (counts == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (; first < lattice->batch->n_rows; first += n_part)
	{
		int			n = lattice->batch->n_rows - first;

		n = n < n_part ? n : n_part;
		NN_TRY(nn_crf_work(&chain->work, n * row_work));
		nn_gemm(true, false, K, K, n, lattice->u + (size_t) first * width, K,
				lattice->v + (size_t) first * width, K, counts, K, true);
	}
	nn_multiply(row_work, chain->M, counts);
	nn_axpy(row_work, 1.0f, counts, d_transition);
	return NN_OK;
}

/* From marginals to gradients: the gold path is taken off, and the ends get their shares. */
static void
subtract_gold(const NnBatch *batch, int K, const int32_t *tag, float *d_emission, NnCrf *grad)
{
	size_t		width = (size_t) K;

	for (int r = 0; r < batch->n_rows; r++)
		d_emission[(size_t) r * width + (size_t) tag[r]] -= 1.0f;
	for (int t = 0; t < batch->n_steps; t++)
	{
		const int32_t *y = tag + batch->offset[t];
		int			n_next = t + 1 < batch->n_steps ? batch->active[t + 1] : 0;

		for (int b = 0; b < n_next; b++)
			grad->transition[(size_t) y[b] * width + (size_t) tag[batch->offset[t + 1] + b]] -= 1.0f;
		nn_sum_rows(batch->active[t] - n_next, K,
					d_emission + (size_t) (batch->offset[t] + n_next) * width, K, grad->end);
	}
	if (batch->n_steps > 0)
		nn_sum_rows(batch->active[0], K, d_emission, K, grad->start);
}

NnStatus
nn_crf_loss(const NnCrf *crf, const NnBatch *batch, const float *emission,
			const int32_t *tag, float *d_emission, NnCrf *grad,
			NnArena *scratch, double *loss, NnError *err)
{
	NnCrfChain	chain;
	NnCrfLattice lattice;
	double		gold;

	NN_TRY(nn_crf_chain_create(crf, NULL, scratch, &chain, err));
	NN_TRY(gold_score(&chain.scores, batch, emission, tag, &gold, err));
	NN_TRY(nn_crf_lattice_create(batch, emission, crf->n_tags, d_emission != NULL, scratch, &lattice, err));
	NN_TRY(nn_crf_forward(&chain, &lattice));
	*loss = -gold;
	for (int b = 0; b < batch->n_sequences && batch->length[b] > 0; b++)
		*loss += lattice.log_z[b];
	if (d_emission == NULL)
		return NN_OK;

	NN_TRY(nn_crf_backward(&chain, &lattice, d_emission, grad->transition));
	NN_TRY(add_expected_transitions(&chain, &lattice, scratch, grad->transition, err));
	subtract_gold(batch, crf->n_tags, tag, d_emission, grad);
	return NN_OK;
}
