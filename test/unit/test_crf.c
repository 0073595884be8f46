/*
 * test_crf.c: the CRF against all its paths, a twin in logs (crf_case.h), and PyTorch.
 *
 * test/golden/crf.golden has PyTorch's loss and gradients.  Then promise P2 (alone
 * and in a batch, bit by bit), failing allocations, and a poll that says stop.
 */
#include "crf_case.h"

#include <stdlib.h>
#include "golden_file.h"
#include "kern/kern.h"
#include "tap.h"
#include "test_host.h"

/* Errors of probabilities, and of logs beside their size.  Measured: 5e-6, and 8e-6 in 200 steps. */
#define TOLERANCE 1e-5
#define TOLERANCE_LONG 5e-5
#define TOLERANCE_GOLDEN 1e-4

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
	return crf_case_make_problem(rng, net_case_int(rng, 1, 4), B, length, emission, transition, is_whole);
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
	Answer		answer = crf_case_ask_all(p);
	Packed		packed = crf_case_pack(p, 0, p->B);
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	float	   *same = ALLOC(float, p->N * p->K);
	NnCrfPaths *paths;
	NnError		err;

	net_case_check(nn_crf_paths(&p->crf, crf_case_rules_of(p), &packed.batch, packed.emission, arena, same, &paths, &err), &err);
	worst->loss = net_case_worse(worst->loss, crf_case_loss_distance(p, &answer, crf_case_judge_paths));
	for (int b = 0; b < p->B && p->length[b] > 0; b++)
	{
		Exact		x = crf_case_legal_of(p, b);
		double	   *expected = ALLOC(double, crf_case_n_scores(&x));
		const float *marginal = answer.marginal + p->first[b] * p->K;
		const int32_t *decoded = answer.best + p->first[b];
		int32_t		best[8];
		double		score;

		crf_case_sum_paths(&x, 0, 0, NULL, best, expected);
		expected += p->K * (p->K + 2);
		worst->marginal = net_case_worse(worst->marginal, crf_case_distance(x.T * p->K, marginal, expected));
		worst->n_bad += crf_case_n_bad_rows(x.T, p->K, marginal, expected);
		score = crf_case_path_score(&x, best);
		worst->n_lesser += !(crf_case_path_score(&x, decoded) >= score - 1e-10 * (1 + fabs(score)));
		worst->n_other += memcmp(decoded, best, x.T * sizeof(int32_t)) != 0;
		for (int i = 0; i < 4; i++)
			worst->span = net_case_worse(worst->span, crf_case_span_distance(rng, paths, b, &x));
		worst->row = net_case_worse(worst->row, crf_case_row_distance(paths, &packed, p->K, b, same));
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
			crf_case_add_rules(rng, &p, n_of_10);
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
		Problem		p = crf_case_make_problem(rng, net_case_int(rng, 1, 3), 1, &length, 2, 2, false);
		Answer		answer = crf_case_ask_all(&p);
		Exact		x = crf_case_exact_of(&p, 0, NULL);
		float	   *got = ALLOC(float, crf_case_n_scores(&x));

		memcpy(got, answer.grad.transition, p.K * p.K * sizeof(float));
		memcpy(got + p.K * p.K, answer.grad.start, p.K * sizeof(float));
		memcpy(got + p.K * (p.K + 1), answer.grad.end, p.K * sizeof(float));
		memcpy(got + p.K * (p.K + 2), answer.d_emission, p.K * length * sizeof(float));
		for (int k = 0; k < crf_case_n_scores(&x); k++)
		{
			double		kept = x.score[k];
			double		loss[2];

			for (int side = 0; side < 2; side++)
			{
				x.score[k] = side == 0 ? kept - h : kept + h;
				loss[side] = crf_case_sum_paths(&x, 0, 0, NULL, NULL, NULL) - crf_case_path_score(&x, p.tag);
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
	Problem		p = crf_case_make_problem(rng, 3, 1, &length, 0, 0, false);
	Worst		worst = {0};

	memcpy(p.emission, emission, sizeof(emission));
	p.rules.allowed = allowed;
	p.has_rules = true;
	judge_problem(rng, &p, &worst);
	is_near(worst.marginal, 0, TOLERANCE, "two legal ways as good as an illegal one that is far better");
	is_int(worst.n_bad, 0, "and the illegal one has no mass");
	net_case_free_all();

	p = crf_case_make_problem(rng, 2, 1, &length, 0, 0, false);
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
	Problem		p = crf_case_make_problem(rng, 120, 3, length, emission, transition, false);
	Answer		answer;
	double		worst = 0;
	double		worst_loss;
	int			n_bad = 0;

	if (n_of_10 < 10)
		crf_case_add_rules(rng, &p, n_of_10);
	answer = crf_case_ask_all(&p);
	for (int b = 0; b < p.B; b++)
	{
		Exact		x = crf_case_exact_of(&p, b, crf_case_rules_of(&p));
		double	   *expected = ALLOC(double, crf_case_n_scores(&x));
		const float *marginal = answer.marginal + p.first[b] * p.K;

		crf_case_sum_in_logs(&x, expected);
		expected += p.K * (p.K + 2);
		worst = net_case_worse(worst, crf_case_distance(x.T * p.K, marginal, expected));
		n_bad += crf_case_n_bad_rows(x.T, p.K, marginal, expected);
	}
	worst_loss = crf_case_loss_distance(&p, &answer, crf_case_sum_in_logs);
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
		Problem		p = crf_case_make_problem(rng, net_case_int(rng, 1, 4), 1, &length, 3, 3, false);
		Exact		x;
		double	   *by_paths;
		double	   *in_logs;

		crf_case_add_rules(rng, &p, 7);
		x = crf_case_legal_of(&p, 0);
		by_paths = ALLOC(double, crf_case_n_scores(&x));
		in_logs = ALLOC(double, crf_case_n_scores(&x));
		worst = net_case_worse(worst, fabs(crf_case_sum_paths(&x, 0, 0, NULL, NULL, by_paths) - crf_case_sum_in_logs(&x, in_logs)));
		for (int k = 0; k < crf_case_n_scores(&x); k++)
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
		Problem		p = crf_case_make_problem(rng, i % 2 == 0 ? 9 : 43, 11, length, i == 5 ? 1e4f : 5, i == 4 ? 80 : 2, false);
		Answer		together;
		Answer		alone = crf_case_make_answer(&p);
		NnError		err;

		if (i >= 2)
			crf_case_add_rules(rng, &p, 3);
		together = crf_case_ask_all(&p);
		for (int b = 0; b < p.B; b++)
			net_case_check(crf_case_ask(&p, b, b + 1, &nn_env_malloc, &alone, &err), &err);
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
		Problem		p = crf_case_make_problem(&rng, K, length->n, length->ints, 0, 0, false);
		const char *name[] = {"transition", "start", "end", "emission"};
		const int	n[] = {K * K, K, K, p.N * K};
		float	   *const data[] = {p.crf.transition, p.crf.start, p.crf.end, p.emission};
		double		worst = 0;
		double		loss = (double) golden_floats(golden, 1, "loss")[0];
		Answer		answer;

		for (int k = 0; k < 4; k++)
			memcpy(data[k], golden_floats(golden, n[k], "data %s", name[k]), n[k] * sizeof(float));
		memcpy(p.tag, golden_find(golden, "tag")->ints, p.N * sizeof(int32_t));
		answer = crf_case_ask_all(&p);
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
	Problem		p = crf_case_make_problem(rng, 3, 2, empty, 1, 1, false);
	Answer		answer = crf_case_ask_all(&p);
	Packed		packed;
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnError		err;
	NnCrfPaths *paths;
	double		loss;
	int32_t		want[] = {0, 3};

	is_near(answer.loss, 0, 0, "empty sequences have no loss");
	p = crf_case_make_problem(rng, 1, 1, &one, 3, 3, false);
	answer = crf_case_ask_all(&p);
	is_near(answer.loss, 0, 1e-6, "one tag is certain");
	ok(answer.best[0] == 0 && answer.marginal[0] == 1.0f, "and answered");

	/* gradients are added to, not written */
	for (int k = 0; k < 2; k++)
	{
		p = crf_case_make_problem(rng, 3, 1, &one, 1, 1, false);
		answer = crf_case_make_answer(&p);
		for (int i = 0; i < 3; i++)
			answer.grad.start[i] = 5;
		net_case_check(crf_case_ask(&p, 0, 1, &nn_env_malloc, &answer, &err), &err);
	}
	is_near(answer.grad.start[0] + answer.grad.start[1] + answer.grad.start[2], 15, 1e-5, "gradients are added");

	packed = crf_case_pack(&p, 0, 1);
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
		Problem		p = crf_case_make_problem(rng, 4, 2, length, 2, 2, false);
		Answer		answer;

		for (int k = 0; k < 4; k++)
			(i < 3 ? p.emission + 4 : p.crf.transition)[k] = bad[i % 3];
		answer = crf_case_ask_all(&p);
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
	Problem		p = crf_case_make_problem(rng, 90, 3, length, 2, 2, false);
	const int	lengths_wild[] = {100, 60};
	Problem		wild;
	TestHost	host;
	NnError		err;
	NnStatus	status;
	int			n_refused = 0;
	long		n_polls;

	crf_case_add_rules(rng, &p, 5);
	do
	{
		Answer		answer = crf_case_make_answer(&p);

		test_host_init(&host);
		host.fail_at = n_refused + 1;
		status = crf_case_ask(&p, 0, p.B, &host.env, &answer, &err);
		if (status == NN_ENOMEM)
			n_refused++;
	} while (status == NN_ENOMEM && host.n_live == 0);
	ok(status == NN_OK && host.n_live == 0 && n_refused > 3, "any of %d allocations may fail", n_refused);

	/* transitions so far apart that every sum is done in logs, and slowly */
	wild = crf_case_make_problem(rng, 150, 2, lengths_wild, 2, 3000, false);
	for (n_polls = 1; n_polls <= 3; n_polls++)
	{
		Answer		answer = crf_case_make_answer(&wild);

		test_host_init(&host);
		host.cancel_at = n_polls;
		status = crf_case_ask(&wild, 0, wild.B, &host.env, &answer, &err);
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
