/*
 * crf_case.h: random problems for the CRF, and what their answers are by definition.
 *
 * The judge of small problems is the definition: every path of every sequence is
 * scored in double and summed.  Large ones have a naive twin, the recursion in
 * logs and in double, itself held against the paths.
 */
#ifndef CRF_CASE_H
#define CRF_CASE_H

#include "net_case.h"
#include "nn/crf.h"

#define ALLOC(type, n) ((type *) net_case_alloc((size_t) (n), sizeof(type)))

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

/* One sequence in double: the numbers, and whether rules hold. */
typedef struct Exact
{
	int			K;
	int			T;
	double	   *score;			/* transition (K, K), start (K), end (K), emission (T, K) */
	const uint8_t *allowed;		/* or NULL */
} Exact;

typedef double (*Judge) (const Exact *x, double *expected);

Problem		crf_case_make_problem(NnRng *rng, int K, int B, const int *length, float emission, float transition, bool is_whole);

/* Each transition and first tag is allowed with a probability of n_of_10 / 10. */
void		crf_case_add_rules(NnRng *rng, Problem *p, int n_of_10);
const NnCrfRules *crf_case_rules_of(const Problem *p);

/* Sequences b_first ... b_last - 1 as a batch. */
Packed		crf_case_pack(const Problem *p, int b_first, int b_last);
Answer		crf_case_make_answer(const Problem *p);

/* Ask everything of sequences b_first ... b_last - 1, into the problem's rows. */
NnStatus	crf_case_ask(const Problem *p, int b_first, int b_last, const NnEnv *env, Answer *answer, NnError *err);
Answer		crf_case_ask_all(const Problem *p);
int			crf_case_n_scores(const Exact *x);
Exact		crf_case_exact_of(const Problem *p, int b, const NnCrfRules *rules);

/* -INFINITY for a path that is not allowed. */
double		crf_case_path_score(const Exact *x, const int32_t *y);

/*
 * log of the sum over the paths that carry want at t_first ... t_last - 1.  best
 * (T): the best path, of equal ones that with the lowest last tag, then the lowest
 * before it...; expected: the expected number of times each score is used.  Both
 * may be NULL.
 */
double		crf_case_sum_paths(const Exact *x, int t_first, int t_last, const int32_t *want, int32_t *best, double *expected);

/* The sequence under its rules, or without if they allow no path. */
Exact		crf_case_legal_of(const Problem *p, int b);

/* As sum_paths() with expected, for any size. */
double		crf_case_sum_in_logs(const Exact *x, double *expected);

/* The largest difference. */
double		crf_case_distance(int n, const float *got, const double *expected);
double		crf_case_judge_paths(const Exact *x, double *expected);

/* Loss and gradients of the whole problem. */
double		crf_case_loss_distance(const Problem *p, const Answer *answer, Judge judge);

/* Rows that are not distributions, or give a tag mass that the judge says has none. */
int			crf_case_n_bad_rows(int n, int K, const float *marginal, const double *expected);

/* A random span of a sequence, by the paths and by nn_crf_span(). */
double		crf_case_span_distance(NnRng *rng, const NnCrfPaths *paths, int b, const Exact *legal);

/* The spans of one step against the marginals (N, K), in the batch's rows: but for float they are the same. */
double		crf_case_row_distance(const NnCrfPaths *paths, const Packed *packed, int K, int b, const float *marginal);

#endif							/* CRF_CASE_H */
