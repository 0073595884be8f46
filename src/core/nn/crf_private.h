/*
 * nn/crf_private.h: what crf.c and crf_decode.c share.
 *
 * Memory is the scratch arena's, taken by the create functions.
 */
#ifndef NN_CRF_PRIVATE_H
#define NN_CRF_PRIVATE_H

#include "nn/crf.h"

/*
 * Work is counted in multiply-adds of a matrix product, some 20 ps each; after
 * about 20 ms of it the arena is polled.  The other prices are rough measures.
 */
#define NN_CRF_WORK_PER_POLL	((int64_t) 1000000000)
#define NN_CRF_WORK_EXP		((int64_t) 400) /* exp() of the C library */
#define NN_CRF_WORK_COMPARE ((int64_t) 32)	/* an addition and a maximum in double */

typedef struct NnCrfWork
{
	const NnArena *arena;
	int64_t		done;			/* since the last poll */
} NnCrfWork;

/* Count n units, and poll if it is time. */
NnStatus	nn_crf_work(NnCrfWork *work, int64_t n);

/* The scores of a CRF under rules: -INFINITY is what a rule forbids. */
typedef struct NnCrfScores
{
	int			K;
	const float *transition;	/* (K, K) */
	const float *start;			/* (K) */
	const float *end;			/* (K) */
} NnCrfScores;

/* Without rules these are the CRF's own arrays. */
NnStatus	nn_crf_scores(const NnCrf *crf, const NnCrfRules *rules, NnArena *scratch,
						  NnCrfScores *scores, NnError *err);

/* The recursion in one direction: transition[from * step_from + to * step_to]. */
typedef struct NnCrfSweep
{
	size_t		step_from;
	size_t		step_to;
	const double *shift_from;	/* (K) */
	const double *shift_to;		/* (K) */
	const float *packed;		/* nn_pack() of exp(transition - both shifts), from x to */
} NnCrfSweep;

typedef struct NnCrfChain
{
	NnCrfScores scores;
	float	   *M;				/* (K, K) exp(transition - both shifts) */
	NnCrfSweep	forward;
	NnCrfSweep	backward;
	NnCrfWork	work;
} NnCrfChain;

NnStatus	nn_crf_chain_create(const NnCrf *crf, const NnCrfRules *rules, NnArena *scratch,
								NnCrfChain *chain, NnError *err);

/*
 * What the recursions leave.  alpha_t[j] is the log of the sum over all paths
 * that end in tag j at step t.  u holds the left factors of the products of the
 * forward sweep, peak_u what was taken off before exp(), v and peak_v those of
 * the backward sweep; those of the product that leads from or to a row's
 * predecessor stand at the row.  Only training keeps them beyond a step.
 */
typedef struct NnCrfLattice
{
	const NnBatch *batch;
	const float *emission;		/* (N, K) */
	int			n;				/* only the first n sequences of the batch are looked at */
	bool		keeps_factors;
	double	   *alpha;			/* (N, K) */
	double	   *beta;			/* (N, K) the same of the paths from there to the end; NULL: not kept */
	double	   *gamma[2];		/* (B, K) this step's and the next one's: crf.c */
	double	   *log_z;			/* (B) log of the sum over all paths; not written for length 0 */
	float	   *u;				/* (N or B, K) */
	float	   *v;
	double	   *peak_u;			/* (N or B) */
	double	   *peak_v;
	float	   *product;		/* (B, K) */
} NnCrfLattice;

NnStatus	nn_crf_lattice_create(const NnBatch *batch, const float *emission, int K,
								  bool keeps_factors, NnArena *scratch, NnCrfLattice *lattice,
								  NnError *err);

/* alpha and log_z.  -INFINITY: no path is allowed. */
NnStatus	nn_crf_forward(NnCrfChain *chain, NnCrfLattice *lattice);

/*
 * After nn_crf_forward(), the marginals of the same sequences (N, K).  With
 * d_transition (K, K), else NULL, v is made ready for the expected numbers of
 * transitions, and what cannot come from products is added to d_transition.
 */
NnStatus	nn_crf_backward(NnCrfChain *chain, NnCrfLattice *lattice, float *marginal, float *d_transition);

#endif							/* NN_CRF_PRIVATE_H */
