/*
 * crf_case.c: problems, all paths, the twin in logs, and distances.
 */
#include "crf_case.h"

#include <stdlib.h>
#include <string.h>
#include "kern/kern.h"

static NnCrf
make_scores(int K)
{
	NnCrf		crf = {.n_tags = K};

	crf.transition = ALLOC(float, K * K);
	crf.start = ALLOC(float, K);
	crf.end = ALLOC(float, K);
	return crf;
}

/* Numbers in [-bound, bound]; whole ones if they are to tie. */
static void
draw(NnRng *rng, int n, float bound, bool is_whole, float *x)
{
	for (int i = 0; i < n; i++)
		x[i] = is_whole ? roundf(net_case_float(rng, -bound, bound)) : net_case_float(rng, -bound, bound);
}

Problem
crf_case_make_problem(NnRng *rng, int K, int B, const int *length, float emission, float transition, bool is_whole)
{
	Problem		p = {0};

	p.K = K;
	p.B = B;
	p.length = ALLOC(int, B);
	p.first = ALLOC(int, B);
	for (int b = 0; b < B; b++)
	{
		p.length[b] = length[b];
		p.first[b] = p.N;
		p.N += length[b];
	}
	p.crf = make_scores(K);
	draw(rng, K * K, transition, is_whole, p.crf.transition);
	draw(rng, K, transition, is_whole, p.crf.start);
	draw(rng, K, transition, is_whole, p.crf.end);
	p.emission = ALLOC(float, p.N * K);
	draw(rng, p.N * K, emission, is_whole, p.emission);
	p.tag = ALLOC(int32_t, p.N);
	for (int r = 0; r < p.N; r++)
		p.tag[r] = net_case_int(rng, 0, K - 1);
	return p;
}

/* Each transition and first tag is allowed with a probability of n_of_10 / 10. */
void
crf_case_add_rules(NnRng *rng, Problem *p, int n_of_10)
{
	uint8_t    *allowed = ALLOC(uint8_t, (p->K + 1) * p->K);

	for (int i = 0; i < (p->K + 1) * p->K; i++)
		allowed[i] = net_case_int(rng, 1, 10) <= n_of_10;
	p->rules.allowed = allowed;
	p->has_rules = true;
}

const NnCrfRules *
crf_case_rules_of(const Problem *p)
{
	return p->has_rules ? &p->rules : NULL;
}

/* Sequences b_first ... b_last - 1 as a batch. */
Packed
crf_case_pack(const Problem *p, int b_first, int b_last)
{
	Packed		packed = {0};
	int			B = b_last - b_first;
	int			T = B > 0 ? p->length[b_first] : 0;
	int32_t    *length = ALLOC(int32_t, B);
	int32_t    *active = ALLOC(int32_t, T);
	int32_t    *offset = ALLOC(int32_t, T + 1);

	for (int b = 0; b < B; b++)
	{
		length[b] = p->length[b_first + b];
		for (int t = 0; t < length[b]; t++)
			active[t]++;
	}
	for (int t = 0; t < T; t++)
		offset[t + 1] = offset[t] + active[t];
	packed.batch.n_sequences = B;
	packed.batch.n_steps = T;
	packed.batch.n_rows = offset[T];
	packed.batch.length = length;
	packed.batch.active = active;
	packed.batch.offset = offset;
	packed.emission = ALLOC(float, offset[T] * p->K);
	packed.tag = ALLOC(int32_t, offset[T]);
	packed.row = ALLOC(int, offset[T]);
	for (int t = 0; t < T; t++)
	{
		for (int b = 0; b < active[t]; b++)
		{
			int			r = offset[t] + b;

			packed.row[r] = p->first[b_first + b] + t;
			packed.tag[r] = p->tag[packed.row[r]];
			memcpy(packed.emission + r * p->K, p->emission + packed.row[r] * p->K, p->K * sizeof(float));
		}
	}
	return packed;
}

Answer
crf_case_make_answer(const Problem *p)
{
	Answer		answer = {.loss = 0};

	answer.marginal = ALLOC(float, p->N * p->K);
	answer.d_emission = ALLOC(float, p->N * p->K);
	answer.grad = make_scores(p->K);
	answer.best = ALLOC(int32_t, p->N);
	answer.span = ALLOC(double, p->N);
	return answer;
}

/* Spans of sequences b_first ... of a problem, packed, into the problem's rows; marginal (N, K) is written. */
static NnStatus
ask_spans(const Problem *p, int b_first, const Packed *packed, NnArena *arena, float *marginal,
		  Answer *answer, NnError *err)
{
	NnCrfPaths *paths;

	NN_TRY(nn_crf_paths(&p->crf, crf_case_rules_of(p), &packed->batch, packed->emission, arena, marginal, &paths, err));
	for (int b = 0; b < packed->batch.n_sequences; b++)
	{
		for (int t = 0; t < packed->batch.length[b]; t++)
		{
			int			row = p->first[b_first + b] + t;
			int			t_last = t + 3 < packed->batch.length[b] ? t + 3 : packed->batch.length[b];

			NN_TRY(nn_crf_span(paths, b, t, t_last, p->tag + row, &answer->span[row], err));
		}
	}
	return NN_OK;
}

/* Ask everything of sequences b_first ... b_last - 1, into the problem's rows. */
NnStatus
crf_case_ask(const Problem *p, int b_first, int b_last, const NnEnv *env, Answer *answer, NnError *err)
{
	Packed		packed = crf_case_pack(p, b_first, b_last);
	int			N = packed.batch.n_rows;
	size_t		width = (size_t) p->K * sizeof(float);
	float	   *marginal = ALLOC(float, N * p->K);
	float	   *same = ALLOC(float, N * p->K);
	float	   *d_emission = ALLOC(float, N * p->K);
	int32_t    *best = ALLOC(int32_t, N);
	NnArena    *arena = nn_arena_create(env);
	NnStatus	status = NN_OK;
	double		loss_alone = 0;

	if (arena == NULL)
		return NN_ENOMEM;
	status = nn_crf_loss(&p->crf, &packed.batch, packed.emission, packed.tag, d_emission,
						 &answer->grad, arena, &answer->loss, err);
	if (status == NN_OK)
		status = nn_crf_loss(&p->crf, &packed.batch, packed.emission, packed.tag, NULL, NULL,
							 arena, &loss_alone, err);
	if (status == NN_OK && loss_alone != answer->loss && !isnan(answer->loss))
		status = nn_fail(err, NN_EINTERNAL, "the loss alone is another");
	if (status == NN_OK)
		status = nn_crf_marginals(&p->crf, crf_case_rules_of(p), &packed.batch, packed.emission, arena, marginal, err);
	if (status == NN_OK)
		status = nn_crf_decode(&p->crf, crf_case_rules_of(p), &packed.batch, packed.emission, arena, best, err);
	if (status == NN_OK)
		status = ask_spans(p, b_first, &packed, arena, same, answer, err);
	if (status == NN_OK && memcmp(marginal, same, N * width) != 0)
		status = nn_fail(err, NN_EINTERNAL, "the marginals beside the spans are others");
	nn_arena_destroy(arena);
	for (int r = 0; status == NN_OK && r < N; r++)
	{
		memcpy(answer->marginal + packed.row[r] * p->K, marginal + r * p->K, width);
		memcpy(answer->d_emission + packed.row[r] * p->K, d_emission + r * p->K, width);
		answer->best[packed.row[r]] = best[r];
	}
	return status;
}

Answer
crf_case_ask_all(const Problem *p)
{
	Answer		answer = crf_case_make_answer(p);
	NnError		err;

	net_case_check(crf_case_ask(p, 0, p->B, &nn_env_malloc, &answer, &err), &err);
	return answer;
}

/* exp() is slow where it underflows. */
static double
quick_exp(double x)
{
	return x < -700 ? 0 : exp(x);
}

/* ---- the scores in double, and all paths --------------------------------------------- */

static double *
start_of(const Exact *x)
{
	return x->score + x->K * x->K;
}

static double *
end_of(const Exact *x)
{
	return start_of(x) + x->K;
}

static double *
emission_of(const Exact *x, int t)
{
	return end_of(x) + (1 + t) * x->K;
}

int
crf_case_n_scores(const Exact *x)
{
	return (x->K + 2 + x->T) * x->K;
}

Exact
crf_case_exact_of(const Problem *p, int b, const NnCrfRules *rules)
{
	Exact		x;

	x.K = p->K;
	x.T = p->length[b];
	x.score = ALLOC(double, crf_case_n_scores(&x));
	x.allowed = rules != NULL ? rules->allowed : NULL;
	for (int i = 0; i < x.K * x.K; i++)
		x.score[i] = (double) p->crf.transition[i];
	for (int k = 0; k < x.K; k++)
	{
		start_of(&x)[k] = (double) p->crf.start[k];
		end_of(&x)[k] = (double) p->crf.end[k];
	}
	for (int i = 0; i < x.T * x.K; i++)
		emission_of(&x, 0)[i] = (double) p->emission[p->first[b] * x.K + i];
	return x;
}

static bool
is_allowed(const Exact *x, int from, int to)
{
	return x->allowed == NULL || x->allowed[from * x->K + to] != 0;
}

/* -INFINITY for a path that is not allowed. */
double
crf_case_path_score(const Exact *x, const int32_t *y)
{
	double		score = start_of(x)[y[0]] + end_of(x)[y[x->T - 1]];

	if (!is_allowed(x, x->K, y[0]))
		return -INFINITY;
	for (int t = 0; t < x->T; t++)
	{
		if (t > 0 && !is_allowed(x, y[t - 1], y[t]))
			return -INFINITY;
		score += emission_of(x, t)[y[t]] + (t > 0 ? x->score[y[t - 1] * x->K + y[t]] : 0);
	}
	return score;
}

/* The path after y, the first step's tag running fastest; false after the last one. */
static bool
next_path(const Exact *x, int32_t *y)
{
	for (int t = 0; t < x->T; t++)
	{
		if (++y[t] < x->K)
			return true;
		y[t] = 0;
	}
	return false;
}

/*
 * log of the sum over the paths that carry want at t_first ... t_last - 1.  best
 * (T): the best path, of equal ones that with the lowest last tag, then the lowest
 * before it...; expected: the expected number of times each score is used.  Both
 * may be NULL.
 */
double
crf_case_sum_paths(const Exact *x, int t_first, int t_last, const int32_t *want, int32_t *best, double *expected)
{
	int32_t		y[8] = {0};
	double		most = -INFINITY;
	double		sum = 0;

	do
	{
		double		score = crf_case_path_score(x, y);

		if (score > most && best != NULL)
			memcpy(best, y, x->T * sizeof(int32_t));
		most = fmax(most, score);
	} while (next_path(x, y));
	if (most == -INFINITY)
		return -INFINITY;
	do
	{
		double		mass = quick_exp(crf_case_path_score(x, y) - most);

		for (int t = t_first; t < t_last; t++)
			mass = y[t] == want[t - t_first] ? mass : 0;
		sum += mass;
		if (expected == NULL)
			continue;
		expected[x->K * x->K + y[0]] += mass;
		expected[x->K * (x->K + 1) + y[x->T - 1]] += mass;
		for (int t = 0; t < x->T; t++)
		{
			expected[x->K * (x->K + 2 + t) + y[t]] += mass;
			if (t > 0)
				expected[y[t - 1] * x->K + y[t]] += mass;
		}
	} while (next_path(x, y));
	for (int i = 0; expected != NULL && i < crf_case_n_scores(x); i++)
		expected[i] /= sum;
	return most + log(sum);
}

/* The sequence under its rules, or without if they allow no path. */
Exact
crf_case_legal_of(const Problem *p, int b)
{
	Exact		x = crf_case_exact_of(p, b, crf_case_rules_of(p));

	if (crf_case_sum_paths(&x, 0, 0, NULL, NULL, NULL) == -INFINITY)
		x.allowed = NULL;
	return x;
}

/* ---- the twin: forward-backward in logs ------------------------------------------------- */

/* log of a sum of n terms. */
static double
log_sum(int n, const double *term)
{
	double		most = -INFINITY;
	double		sum = 0;

	for (int i = 0; i < n; i++)
		most = fmax(most, term[i]);
	if (most == -INFINITY)
		return most;
	for (int i = 0; i < n; i++)
		sum += quick_exp(term[i] - most);
	return most + log(sum);
}

static double
edge(const Exact *x, int from, int to)
{
	return is_allowed(x, from, to) ? x->score[from * x->K + to] : -INFINITY;
}

/* As crf_case_sum_paths() with expected, for any size. */
double
crf_case_sum_in_logs(const Exact *x, double *expected)
{
	int			K = x->K;
	int			T = x->T;
	double	   *alpha = ALLOC(double, T * K);
	double	   *beta = ALLOC(double, T * K);
	double	   *term = ALLOC(double, K);
	double		log_z;

	for (int t = 0; t < T; t++)
	{
		for (int j = 0; j < K; j++)
		{
			for (int i = 0; t > 0 && i < K; i++)
				term[i] = alpha[(t - 1) * K + i] + edge(x, i, j);
			alpha[t * K + j] = emission_of(x, t)[j] +
				(t > 0 ? log_sum(K, term) : is_allowed(x, K, j) ? start_of(x)[j] : -INFINITY);
		}
	}
	for (int k = 0; k < K; k++)
		term[k] = alpha[(T - 1) * K + k] + end_of(x)[k];
	log_z = log_sum(K, term);
	for (int t = T - 1; t >= 0; t--)
	{
		for (int i = 0; i < K; i++)
		{
			for (int j = 0; t < T - 1 && j < K; j++)
			{
				term[j] = edge(x, i, j) + emission_of(x, t + 1)[j] + beta[(t + 1) * K + j];
				expected[i * K + j] += quick_exp(alpha[t * K + i] + term[j] - log_z);
			}
			beta[t * K + i] = t < T - 1 ? log_sum(K, term) : end_of(x)[i];
			expected[K * (K + 2 + t) + i] = quick_exp(alpha[t * K + i] + beta[t * K + i] - log_z);
		}
	}
	memcpy(expected + K * K, expected + K * (K + 2), K * sizeof(double));
	memcpy(expected + K * (K + 1), expected + K * (K + 1 + T), K * sizeof(double));
	return log_z;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* The largest difference. */
double
crf_case_distance(int n, const float *got, const double *expected)
{
	double		worst = 0;

	for (int i = 0; i < n; i++)
		worst = net_case_worse(worst, fabs((double) got[i] - expected[i]));
	return worst;
}

double
crf_case_judge_paths(const Exact *x, double *expected)
{
	return crf_case_sum_paths(x, 0, 0, NULL, NULL, expected);
}

/* Loss and gradients of the whole problem. */
double
crf_case_loss_distance(const Problem *p, const Answer *answer, Judge judge)
{
	int			K = p->K;
	double	   *d_shared = ALLOC(double, K * (K + 2));
	double		loss = 0;
	double		worst = 0;

	for (int b = 0; b < p->B && p->length[b] > 0; b++)
	{
		Exact		x = crf_case_exact_of(p, b, NULL);
		double	   *expected = ALLOC(double, crf_case_n_scores(&x));
		const int32_t *y = p->tag + p->first[b];
		double		log_z = judge(&x, expected);

		loss += log_z - crf_case_path_score(&x, y);
		expected[K * K + y[0]] -= 1;
		expected[K * (K + 1) + y[x.T - 1]] -= 1;
		for (int t = 0; t < x.T; t++)
		{
			expected[K * (K + 2 + t) + y[t]] -= 1;
			if (t > 0)
				expected[y[t - 1] * K + y[t]] -= 1;
		}
		worst = net_case_worse(worst, crf_case_distance(x.T * K, answer->d_emission + p->first[b] * K, expected + K * (K + 2)));
		for (int i = 0; i < K * (K + 2); i++)
			d_shared[i] += expected[i];
	}
	worst = net_case_worse(worst, crf_case_distance(K * K, answer->grad.transition, d_shared));
	worst = net_case_worse(worst, crf_case_distance(K, answer->grad.start, d_shared + K * K));
	worst = net_case_worse(worst, crf_case_distance(K, answer->grad.end, d_shared + K * (K + 1)));
	return net_case_worse(worst, fabs(answer->loss - loss));
}

/* Rows that are not distributions, or give a tag mass that the judge says has none. */
int
crf_case_n_bad_rows(int n, int K, const float *marginal, const double *expected)
{
	int			n_bad = 0;

	for (int r = 0; r < n; r++)
	{
		double		sum = 0;
		bool		has_ghost = false;

		for (int k = r * K; k < (r + 1) * K; k++)
		{
			sum += (double) marginal[k];
			has_ghost = has_ghost || (expected[k] == 0 && marginal[k] != 0.0f);
		}
		n_bad += has_ghost || !(fabs(sum - 1) < 1e-5);
	}
	return n_bad;
}

/* Do the rules forbid a transition of the span, or its first tag at the first step? */
static bool
is_span_illegal(const Exact *x, int t_first, int n, const int32_t *want)
{
	bool		is_illegal = n > 0 && t_first == 0 && !is_allowed(x, x->K, want[0]);

	for (int i = 1; i < n; i++)
		is_illegal = is_illegal || !is_allowed(x, want[i - 1], want[i]);
	return is_illegal;
}

/* A random span of a sequence, by the paths and by nn_crf_span(). */
double
crf_case_span_distance(NnRng *rng, const NnCrfPaths *paths, int b, const Exact *legal)
{
	int			t_first = net_case_int(rng, 0, legal->T);
	int			t_last = net_case_int(rng, t_first, legal->T);
	int32_t		want[8];
	double		got;
	double		expected;
	NnError		err;

	for (int i = 0; i < t_last - t_first; i++)
		want[i] = net_case_int(rng, 0, legal->K - 1);
	net_case_check(nn_crf_span(paths, b, t_first, t_last, want, &got, &err), &err);
	if (is_span_illegal(legal, t_first, t_last - t_first, want))
		return got == -INFINITY ? 0 : INFINITY;
	expected = crf_case_sum_paths(legal, t_first, t_last, want, NULL, NULL) - crf_case_sum_paths(legal, 0, 0, NULL, NULL, NULL);
	/* the judge's sum may underflow where ours, in logs, does not */
	if (expected == -INFINITY)
		return got < -690 ? 0 : INFINITY;
	return fabs(got - expected) / (1 + fabs(expected));
}

/* The spans of one step against the marginals (N, K), in the batch's rows: but for float they are the same. */
double
crf_case_row_distance(const NnCrfPaths *paths, const Packed *packed, int K, int b, const float *marginal)
{
	double		worst = 0;
	NnError		err;

	for (int t = 0; t < packed->batch.length[b]; t++)
	{
		for (int32_t k = 0; k < K; k++)
		{
			double		log_p;

			net_case_check(nn_crf_span(paths, b, t, t + 1, &k, &log_p, &err), &err);
			worst = net_case_worse(worst, fabs(exp(log_p) - (double) marginal[(packed->batch.offset[t] + b) * K + k]));
		}
	}
	return worst;
}
