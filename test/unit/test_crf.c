/*
 * test_crf.c: the CRF against all its paths, a twin in logs, and PyTorch.
 *
 * The judge of small problems is the definition: every path of every sequence is
 * scored in double and summed.  Large ones have a naive twin, the recursion in
 * logs and in double, itself held against the paths.  test/golden/crf.golden has
 * PyTorch's loss and gradients.  Then promise P2 (alone and in a batch, bit by
 * bit), failing allocations, and a poll that says stop.
 */
#include <stdlib.h>
#include "golden_file.h"
#include "kern/kern.h"
#include "net_case.h"
#include "nn/crf.h"
#include "tap.h"
#include "test_host.h"

#define ALLOC(type, n) ((type *) net_case_alloc((size_t) (n), sizeof(type)))

/* Errors of probabilities, and of logs beside their size.  Measured: 5e-6, and 8e-6 in 200 steps. */
#define TOLERANCE 1e-5
#define TOLERANCE_LONG 5e-5
#define TOLERANCE_GOLDEN 1e-4

/* Some sequences, longest first, one after the other. */
typedef struct Problem
{
	int			K;
	int			B;
	int			N;
	int		   *length;			/* (B) */
	int		   *first;			/* (B) row of the first step */
	NnCrf		crf;
	NnCrfRules	rules;
	bool		has_rules;
	float	   *emission;		/* (N, K) */
	int32_t    *tag;			/* (N) */
} Problem;

/* What may be asked of a problem, rows in its order or in the batch's. */
typedef struct Answer
{
	double		loss;
	float	   *marginal;		/* (N, K) */
	float	   *d_emission;		/* (N, K) */
	NnCrf		grad;
	int32_t    *best;			/* (N) */
	double	   *span;			/* (N) log p of up to three of the tags from here on */
} Answer;

typedef struct Packed
{
	NnBatch		batch;
	float	   *emission;
	int32_t    *tag;
	int		   *row;			/* (N) the problem's row */
} Packed;

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

static Problem
make_problem(NnRng *rng, int K, int B, const int *length, float emission, float transition, bool is_whole)
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
static void
add_rules(NnRng *rng, Problem *p, int n_of_10)
{
	uint8_t    *allowed = ALLOC(uint8_t, (p->K + 1) * p->K);

	for (int i = 0; i < (p->K + 1) * p->K; i++)
		allowed[i] = net_case_int(rng, 1, 10) <= n_of_10;
	p->rules.allowed = allowed;
	p->has_rules = true;
}

static const NnCrfRules *
rules_of(const Problem *p)
{
	return p->has_rules ? &p->rules : NULL;
}

/* Sequences b_first ... b_last - 1 as a batch. */
static Packed
pack(const Problem *p, int b_first, int b_last)
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

static Answer
make_answer(const Problem *p)
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

	NN_TRY(nn_crf_paths(&p->crf, rules_of(p), &packed->batch, packed->emission, arena, marginal, &paths, err));
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
static NnStatus
ask(const Problem *p, int b_first, int b_last, const NnEnv *env, Answer *answer, NnError *err)
{
	Packed		packed = pack(p, b_first, b_last);
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
		status = nn_crf_marginals(&p->crf, rules_of(p), &packed.batch, packed.emission, arena, marginal, err);
	if (status == NN_OK)
		status = nn_crf_decode(&p->crf, rules_of(p), &packed.batch, packed.emission, arena, best, err);
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

static Answer
ask_all(const Problem *p)
{
	Answer		answer = make_answer(p);
	NnError		err;

	net_case_check(ask(p, 0, p->B, &nn_env_malloc, &answer, &err), &err);
	return answer;
}

/* exp() is slow where it underflows. */
static double
quick_exp(double x)
{
	return x < -700 ? 0 : exp(x);
}

/* ---- the scores in double, and all paths --------------------------------------------- */

/* One sequence in double: the numbers, and whether rules hold. */
typedef struct Exact
{
	int			K;
	int			T;
	double	   *score;			/* transition (K, K), start (K), end (K), emission (T, K) */
	const uint8_t *allowed;		/* or NULL */
} Exact;

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

static int
n_scores(const Exact *x)
{
	return (x->K + 2 + x->T) * x->K;
}

static Exact
exact_of(const Problem *p, int b, const NnCrfRules *rules)
{
	Exact		x;

	x.K = p->K;
	x.T = p->length[b];
	x.score = ALLOC(double, n_scores(&x));
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
static double
path_score(const Exact *x, const int32_t *y)
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
static double
sum_paths(const Exact *x, int t_first, int t_last, const int32_t *want, int32_t *best, double *expected)
{
	int32_t		y[8] = {0};
	double		most = -INFINITY;
	double		sum = 0;

	do
	{
		double		score = path_score(x, y);

		if (score > most && best != NULL)
			memcpy(best, y, x->T * sizeof(int32_t));
		most = fmax(most, score);
	} while (next_path(x, y));
	if (most == -INFINITY)
		return -INFINITY;
	do
	{
		double		mass = quick_exp(path_score(x, y) - most);

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
	for (int i = 0; expected != NULL && i < n_scores(x); i++)
		expected[i] /= sum;
	return most + log(sum);
}

/* The sequence under its rules, or without if they allow no path. */
static Exact
legal_of(const Problem *p, int b)
{
	Exact		x = exact_of(p, b, rules_of(p));

	if (sum_paths(&x, 0, 0, NULL, NULL, NULL) == -INFINITY)
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

/* As sum_paths() with expected, for any size. */
static double
sum_in_logs(const Exact *x, double *expected)
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
static double
distance(int n, const float *got, const double *expected)
{
	double		worst = 0;

	for (int i = 0; i < n; i++)
		worst = net_case_worse(worst, fabs((double) got[i] - expected[i]));
	return worst;
}

typedef double (*Judge) (const Exact *x, double *expected);

static double
judge_paths(const Exact *x, double *expected)
{
	return sum_paths(x, 0, 0, NULL, NULL, expected);
}

/* Loss and gradients of the whole problem. */
static double
loss_distance(const Problem *p, const Answer *answer, Judge judge)
{
	int			K = p->K;
	double	   *d_shared = ALLOC(double, K * (K + 2));
	double		loss = 0;
	double		worst = 0;

	for (int b = 0; b < p->B && p->length[b] > 0; b++)
	{
		Exact		x = exact_of(p, b, NULL);
		double	   *expected = ALLOC(double, n_scores(&x));
		const int32_t *y = p->tag + p->first[b];
		double		log_z = judge(&x, expected);

		loss += log_z - path_score(&x, y);
		expected[K * K + y[0]] -= 1;
		expected[K * (K + 1) + y[x.T - 1]] -= 1;
		for (int t = 0; t < x.T; t++)
		{
			expected[K * (K + 2 + t) + y[t]] -= 1;
			if (t > 0)
				expected[y[t - 1] * K + y[t]] -= 1;
		}
		worst = net_case_worse(worst, distance(x.T * K, answer->d_emission + p->first[b] * K, expected + K * (K + 2)));
		for (int i = 0; i < K * (K + 2); i++)
			d_shared[i] += expected[i];
	}
	worst = net_case_worse(worst, distance(K * K, answer->grad.transition, d_shared));
	worst = net_case_worse(worst, distance(K, answer->grad.start, d_shared + K * K));
	worst = net_case_worse(worst, distance(K, answer->grad.end, d_shared + K * (K + 1)));
	return net_case_worse(worst, fabs(answer->loss - loss));
}

/* Rows that are not distributions, or give a tag mass that the judge says has none. */
static int
n_bad_rows(int n, int K, const float *marginal, const double *expected)
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
static double
span_distance(NnRng *rng, const NnCrfPaths *paths, int b, const Exact *legal)
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
	expected = sum_paths(legal, t_first, t_last, want, NULL, NULL) - sum_paths(legal, 0, 0, NULL, NULL, NULL);
	/* the judge's sum may underflow where ours, in logs, does not */
	if (expected == -INFINITY)
		return got < -690 ? 0 : INFINITY;
	return fabs(got - expected) / (1 + fabs(expected));
}

/* The spans of one step against the marginals (N, K), in the batch's rows: but for float they are the same. */
static double
row_distance(const NnCrfPaths *paths, const Packed *packed, int K, int b, const float *marginal)
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

/* ---- tests ------------------------------------------------------------------------------------ */

static void
sort_down(int n, int *x)
{
	for (int i = 1; i < n; i++)
		for (int j = i; j > 0 && x[j] > x[j - 1]; j--)
		{
			int			kept = x[j];

			x[j] = x[j - 1];
			x[j - 1] = kept;
		}
}

static Problem
small_problem(NnRng *rng, float emission, float transition, bool is_whole)
{
	int			length[4];
	int			B = net_case_int(rng, 1, 4);

	for (int b = 0; b < B; b++)
		length[b] = net_case_int(rng, 0, 6);
	sort_down(B, length);
	return make_problem(rng, net_case_int(rng, 1, 4), B, length, emission, transition, is_whole);
}

/* The worst of each kind over many problems. */
typedef struct Worst
{
	double		loss;
	double		marginal;
	double		span;
	double		row;			/* spans of one step against marginals */
	int			n_bad;			/* rows */
	int			n_lesser;		/* decoded paths that are not allowed, or not the best */
	int			n_other;		/* or another of equal ones than the lower tags' */
} Worst;

static void
judge_problem(NnRng *rng, const Problem *p, Worst *worst)
{
	Answer		answer = ask_all(p);
	Packed		packed = pack(p, 0, p->B);
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	float	   *same = ALLOC(float, p->N * p->K);
	NnCrfPaths *paths;
	NnError		err;

	net_case_check(nn_crf_paths(&p->crf, rules_of(p), &packed.batch, packed.emission, arena, same, &paths, &err), &err);
	worst->loss = net_case_worse(worst->loss, loss_distance(p, &answer, judge_paths));
	for (int b = 0; b < p->B && p->length[b] > 0; b++)
	{
		Exact		x = legal_of(p, b);
		double	   *expected = ALLOC(double, n_scores(&x));
		const float *marginal = answer.marginal + p->first[b] * p->K;
		const int32_t *decoded = answer.best + p->first[b];
		int32_t		best[8];
		double		score;

		sum_paths(&x, 0, 0, NULL, best, expected);
		expected += p->K * (p->K + 2);
		worst->marginal = net_case_worse(worst->marginal, distance(x.T * p->K, marginal, expected));
		worst->n_bad += n_bad_rows(x.T, p->K, marginal, expected);
		score = path_score(&x, best);
		worst->n_lesser += !(path_score(&x, decoded) >= score - 1e-10 * (1 + fabs(score)));
		worst->n_other += memcmp(decoded, best, x.T * sizeof(int32_t)) != 0;
		for (int i = 0; i < 4; i++)
			worst->span = net_case_worse(worst->span, span_distance(rng, paths, b, &x));
		worst->row = net_case_worse(worst->row, row_distance(paths, &packed, p->K, b, same));
	}
	nn_arena_destroy(arena);
}

static void
test_all_paths(NnRng *rng, const char *name, float emission, float transition, bool is_whole, int n_of_10)
{
	Worst		worst = {0};

	for (int i = 0; i < 60; i++)
	{
		Problem		p = small_problem(rng, emission, transition, is_whole);

		if (n_of_10 < 10)
			add_rules(rng, &p, n_of_10);
		judge_problem(rng, &p, &worst);
		net_case_free_all();
	}
	is_near(worst.loss, 0, TOLERANCE, "%s: loss and gradients", name);
	is_near(worst.marginal, 0, TOLERANCE, "%s: marginals", name);
	is_int(worst.n_bad, 0, "%s: rows sum to 1 and illegal tags have no mass", name);
	is_int(worst.n_lesser, 0, "%s: the best path", name);
	is_int(worst.n_other, 0, "%s: of equal paths that of the lower tags", name);
	is_near(worst.span, 0, TOLERANCE, "%s: spans", name);
	is_near(worst.row, 0, 5e-7, "%s: spans of one step are the marginals", name);
}

/* Gradients once more, as central differences of the sum over all paths. */
static void
test_differences(NnRng *rng)
{
	const double h = 1e-4;
	double		worst = 0;

	for (int i = 0; i < 8; i++)
	{
		int			length = net_case_int(rng, 1, 4);
		Problem		p = make_problem(rng, net_case_int(rng, 1, 3), 1, &length, 2, 2, false);
		Answer		answer = ask_all(&p);
		Exact		x = exact_of(&p, 0, NULL);
		float	   *got = ALLOC(float, n_scores(&x));

		memcpy(got, answer.grad.transition, p.K * p.K * sizeof(float));
		memcpy(got + p.K * p.K, answer.grad.start, p.K * sizeof(float));
		memcpy(got + p.K * (p.K + 1), answer.grad.end, p.K * sizeof(float));
		memcpy(got + p.K * (p.K + 2), answer.d_emission, p.K * length * sizeof(float));
		for (int k = 0; k < n_scores(&x); k++)
		{
			double		kept = x.score[k];
			double		loss[2];

			for (int side = 0; side < 2; side++)
			{
				x.score[k] = side == 0 ? kept - h : kept + h;
				loss[side] = sum_paths(&x, 0, 0, NULL, NULL, NULL) - path_score(&x, p.tag);
			}
			x.score[k] = kept;
			worst = net_case_worse(worst, fabs((loss[1] - loss[0]) / (2 * h) - (double) got[k]));
		}
		net_case_free_all();
	}
	is_near(worst, 0, TOLERANCE, "gradients are the central differences of the loss");
}

/* What is likely at a step does not lead to what is likely at the next: products see nothing. */
static void
test_unlikely_ways(NnRng *rng)
{
	const uint8_t allowed[] = {1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0}; /* O B I: I only after B or I */
	const float emission[] = {200, 0, 0, 0, 0, 200};
	const float closing[] = {0, -150, -150, 0};
	const int	length = 2;
	Problem		p = make_problem(rng, 3, 1, &length, 0, 0, false);
	Worst		worst = {0};

	memcpy(p.emission, emission, sizeof(emission));
	p.rules.allowed = allowed;
	p.has_rules = true;
	judge_problem(rng, &p, &worst);
	is_near(worst.marginal, 0, TOLERANCE, "two legal ways as good as an illegal one that is far better");
	is_int(worst.n_bad, 0, "and the illegal one has no mass");
	net_case_free_all();

	p = make_problem(rng, 2, 1, &length, 0, 0, false);
	memcpy(p.crf.transition, closing, sizeof(closing));
	p.emission[0] = p.emission[3] = 100;
	memset(&worst, 0, sizeof(worst));
	judge_problem(rng, &p, &worst);
	is_near(worst.loss, 0, TOLERANCE, "pairs that underflow are counted in logs");
	net_case_free_all();
}

/* K = 120 and 200 steps, beside shorter ones. */
static void
test_large(NnRng *rng, float emission, float transition, int n_of_10)
{
	const int	length[] = {200, 31, 1};
	Problem		p = make_problem(rng, 120, 3, length, emission, transition, false);
	Answer		answer;
	double		worst = 0;
	double		worst_loss;
	int			n_bad = 0;

	if (n_of_10 < 10)
		add_rules(rng, &p, n_of_10);
	answer = ask_all(&p);
	for (int b = 0; b < p.B; b++)
	{
		Exact		x = exact_of(&p, b, rules_of(&p));
		double	   *expected = ALLOC(double, n_scores(&x));
		const float *marginal = answer.marginal + p.first[b] * p.K;

		sum_in_logs(&x, expected);
		expected += p.K * (p.K + 2);
		worst = net_case_worse(worst, distance(x.T * p.K, marginal, expected));
		n_bad += n_bad_rows(x.T, p.K, marginal, expected);
	}
	worst_loss = loss_distance(&p, &answer, sum_in_logs);
	is_near(worst_loss, 0, TOLERANCE_LONG, "120 tags, 200 steps, emissions %g, transitions %g: loss", emission, transition);
	is_near(worst, 0, TOLERANCE_LONG, "the same, %d transitions of 10: marginals", n_of_10);
	is_int(n_bad, 0, "and no mass where there is no path");
	net_case_free_all();
}

/* The twin is right too. */
static void
test_twin(NnRng *rng)
{
	double		worst = 0;

	for (int i = 0; i < 30; i++)
	{
		int			length = net_case_int(rng, 1, 6);
		Problem		p = make_problem(rng, net_case_int(rng, 1, 4), 1, &length, 3, 3, false);
		Exact		x;
		double	   *by_paths;
		double	   *in_logs;

		add_rules(rng, &p, 7);
		x = legal_of(&p, 0);
		by_paths = ALLOC(double, n_scores(&x));
		in_logs = ALLOC(double, n_scores(&x));
		worst = net_case_worse(worst, fabs(sum_paths(&x, 0, 0, NULL, NULL, by_paths) - sum_in_logs(&x, in_logs)));
		for (int k = 0; k < n_scores(&x); k++)
			worst = net_case_worse(worst, fabs(by_paths[k] - in_logs[k]));
		net_case_free_all();
	}
	is_near(worst, 0, 1e-12, "the twin in logs agrees with all paths");
}

/* Promise P2: a sequence's answers alone and in its batch are the same to the last bit. */
static void
test_alone(NnRng *rng, const char *kernels)
{
	const int	length[] = {40, 33, 33, 20, 12, 7, 3, 2, 1, 1, 0};
	int			n_other = 0;

	if (!nn_kern_use(kernels))
		return;
	for (int i = 0; i < 6; i++)
	{
		Problem		p = make_problem(rng, i % 2 == 0 ? 9 : 43, 11, length, i == 5 ? 1e4f : 5, i == 4 ? 80 : 2, false);
		Answer		together;
		Answer		alone = make_answer(&p);
		NnError		err;

		if (i >= 2)
			add_rules(rng, &p, 3);
		together = ask_all(&p);
		for (int b = 0; b < p.B; b++)
			net_case_check(ask(&p, b, b + 1, &nn_env_malloc, &alone, &err), &err);
		n_other += memcmp(together.marginal, alone.marginal, p.N * p.K * sizeof(float)) != 0;
		n_other += memcmp(together.best, alone.best, p.N * sizeof(int32_t)) != 0;
		n_other += memcmp(together.span, alone.span, p.N * sizeof(double)) != 0;
		net_case_free_all();
	}
	is_int(n_other, 0, "%s: a sequence alone and in a batch, bit by bit", kernels);
}

static void
test_golden(void)
{
	int			n_cases;
	const GoldenCase *cases = golden_read("crf", &n_cases);

	for (int i = 0; i < n_cases; i++)
	{
		const GoldenCase *golden = &cases[i];
		const GoldenRecord *length = golden_find(golden, "length");
		int			K = golden_find(golden, "n_tags")->ints[0];
		NnRng		rng = {{1}};
		Problem		p = make_problem(&rng, K, length->n, length->ints, 0, 0, false);
		const char *name[] = {"transition", "start", "end", "emission"};
		const int	n[] = {K * K, K, K, p.N * K};
		float	   *const data[] = {p.crf.transition, p.crf.start, p.crf.end, p.emission};
		double		worst = 0;
		double		loss = (double) golden_floats(golden, 1, "loss")[0];
		Answer		answer;

		for (int k = 0; k < 4; k++)
			memcpy(data[k], golden_floats(golden, n[k], "data %s", name[k]), n[k] * sizeof(float));
		memcpy(p.tag, golden_find(golden, "tag")->ints, p.N * sizeof(int32_t));
		answer = ask_all(&p);
		for (int k = 0; k < 4; k++)
		{
			const float *got[] = {answer.grad.transition, answer.grad.start, answer.grad.end, answer.d_emission};
			const float *expected = golden_floats(golden, n[k], "grad %s", name[k]);

			for (int j = 0; j < n[k]; j++)
				worst = net_case_worse(worst, fabs((double) got[k][j] - (double) expected[j]));
		}
		is_near(worst, 0, TOLERANCE_GOLDEN, "PyTorch, %s: gradients", golden->name);
		is_near(answer.loss, loss, TOLERANCE_GOLDEN * (1 + 0.01 * fabs(loss)), "PyTorch, %s: loss", golden->name);
	}
	net_case_free_all();
}

static void
test_edges(NnRng *rng)
{
	const int	empty[] = {0, 0};
	const int	one = 1;
	Problem		p = make_problem(rng, 3, 2, empty, 1, 1, false);
	Answer		answer = ask_all(&p);
	Packed		packed;
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnError		err;
	NnCrfPaths *paths;
	double		loss;
	int32_t		want[] = {0, 3};

	is_near(answer.loss, 0, 0, "empty sequences have no loss");
	p = make_problem(rng, 1, 1, &one, 3, 3, false);
	answer = ask_all(&p);
	is_near(answer.loss, 0, 1e-6, "one tag is certain");
	ok(answer.best[0] == 0 && answer.marginal[0] == 1.0f, "and answered");

	/* gradients are added to, not written */
	for (int k = 0; k < 2; k++)
	{
		p = make_problem(rng, 3, 1, &one, 1, 1, false);
		answer = make_answer(&p);
		for (int i = 0; i < 3; i++)
			answer.grad.start[i] = 5;
		net_case_check(ask(&p, 0, 1, &nn_env_malloc, &answer, &err), &err);
	}
	is_near(answer.grad.start[0] + answer.grad.start[1] + answer.grad.start[2], 15, 1e-5, "gradients are added");

	packed = pack(&p, 0, 1);
	packed.tag[0] = 3;
	is_int(nn_crf_loss(&p.crf, &packed.batch, packed.emission, packed.tag, NULL, NULL, arena, &loss, &err),
		   NN_ERANGE, "a tag that is none");
	net_case_check(nn_crf_paths(&p.crf, NULL, &packed.batch, packed.emission, arena, answer.marginal, &paths, &err), &err);
	is_int(nn_crf_span(paths, 0, 0, 2, want, &loss, &err), NN_ERANGE, "a span past the end");
	is_int(nn_crf_span(paths, 1, 0, 0, want, &loss, &err), NN_ERANGE, "a span of no sequence");
	is_int(nn_crf_span(paths, 0, 0, 1, want + 1, &loss, &err), NN_ERANGE, "a span of a tag that is none");
	ok(nn_crf_span(paths, 0, 1, 1, NULL, &loss, &err) == NN_OK && loss == 0.0, "a span of no step is certain");
	p.crf.n_tags = 0;
	is_int(nn_crf_decode(&p.crf, NULL, &packed.batch, packed.emission, arena, packed.tag, &err),
		   NN_ERANGE, "no tags");
	p.crf.n_tags = NN_MAX_TAGS + 1;
	is_int(nn_crf_marginals(&p.crf, NULL, &packed.batch, packed.emission, arena, packed.emission, &err),
		   NN_ERANGE, "too many tags");
	nn_arena_destroy(arena);
	net_case_free_all();
}

/* Numbers that are none, of a training that went astray, end in NaN and not in a crash. */
static void
test_not_finite(NnRng *rng)
{
	const float bad[] = {NAN, INFINITY, -INFINITY};
	const int	length[] = {5, 3};
	int			n_bad = 0;

	for (int i = 0; i < 6; i++)
	{
		Problem		p = make_problem(rng, 4, 2, length, 2, 2, false);
		Answer		answer;

		for (int k = 0; k < 4; k++)
			(i < 3 ? p.emission + 4 : p.crf.transition)[k] = bad[i % 3];
		answer = ask_all(&p);
		for (int r = 0; r < p.N; r++)
			n_bad += answer.best[r] < 0 || answer.best[r] >= 4;
		n_bad += i % 3 < 2 && isfinite(answer.loss);
		net_case_free_all();
	}
	is_int(n_bad, 0, "numbers that are not finite: no finite loss, and tags that exist");
}

static void
test_failures(NnRng *rng)
{
	const int	length[] = {9, 4, 0};
	Problem		p = make_problem(rng, 90, 3, length, 2, 2, false);
	const int	lengths_wild[] = {100, 60};
	Problem		wild;
	TestHost	host;
	NnError		err;
	NnStatus	status;
	int			n_refused = 0;
	long		n_polls;

	add_rules(rng, &p, 5);
	do
	{
		Answer		answer = make_answer(&p);

		test_host_init(&host);
		host.fail_at = n_refused + 1;
		status = ask(&p, 0, p.B, &host.env, &answer, &err);
		if (status == NN_ENOMEM)
			n_refused++;
	} while (status == NN_ENOMEM && host.n_live == 0);
	ok(status == NN_OK && host.n_live == 0 && n_refused > 3, "any of %d allocations may fail", n_refused);

	/* transitions so far apart that every sum is done in logs, and slowly */
	wild = make_problem(rng, 150, 2, lengths_wild, 2, 3000, false);
	for (n_polls = 1; n_polls <= 3; n_polls++)
	{
		Answer		answer = make_answer(&wild);

		test_host_init(&host);
		host.cancel_at = n_polls;
		status = ask(&wild, 0, wild.B, &host.env, &answer, &err);
		ok(status == NN_ECANCELED && host.n_polls == n_polls && host.n_live == 0, "canceled at poll %ld", n_polls);
	}
	net_case_free_all();
}

int
main(void)
{
	NnRng		rng;

	nn_kern_init();
	nn_rng_seed(&rng, 20240229);
	test_twin(&rng);
	test_all_paths(&rng, "small numbers", 2, 2, false, 10);
	test_all_paths(&rng, "rules", 2, 2, false, 7);
	test_all_paths(&rng, "strict rules", 2, 2, false, 4);
	test_all_paths(&rng, "whole numbers", 1, 1, true, 10);
	test_all_paths(&rng, "whole numbers, rules", 1, 1, true, 6);
	test_all_paths(&rng, "emissions to 10,000", 1e4f, 2, false, 10);
	test_all_paths(&rng, "emissions to 10,000, rules", 1e4f, 2, false, 6);
	test_all_paths(&rng, "emissions to 100, rules", 100, 2, false, 6);
	test_all_paths(&rng, "transitions to 200", 100, 200, false, 10);
	test_all_paths(&rng, "transitions to 10,000, rules", 1e4f, 1e4f, false, 6);
	test_differences(&rng);
	test_unlikely_ways(&rng);
	test_large(&rng, 3, 1, 10);
	test_large(&rng, 30, 3, 3);
	test_large(&rng, 3, 40, 10);
	test_golden();
	test_edges(&rng);
	test_not_finite(&rng);
	test_failures(&rng);
	test_alone(&rng, "avx512");
	test_alone(&rng, "avx2");
	test_alone(&rng, "generic");
	test_alone(&rng, "naive");
	return done_testing();
}
