/*
 * train/threshold.h: from which probability on an answer is to be trusted.
 */
#ifndef NN_THRESHOLD_H
#define NN_THRESHOLD_H

#include "base/arena.h"

/*
 * The lower end of the one-sided interval of Clopper and Pearson (1934) for a share of
 * which n_right of n were seen: the share under which so many would come with
 * probability 1 - confidence only.  0 for n_right = 0.
 */
double		nn_lower_bound(int64_t n_right, int64_t n, double confidence);

/* One answer whose truth is known. */
typedef struct NnJudged
{
	float		probability;
	bool		is_right;
} NnJudged;

/* Where answers are cut off, and what is known of those that stay. */
typedef struct NnCut
{
	double		probability;	/* answers from here on stay */
	int64_t		n_judged;		/* all answers */
	int64_t		n_answered;		/* those that stay ... */
	int64_t		n_right;		/* ... and are right */
	double		bound;			/* the precision of answers that stay is at least this */
	bool		is_found;		/* the bound reaches what was asked for; else these are the figures of the
								 * cut whose bound comes nearest */
	int64_t		n_needed;		/* answers, all of them right, without which no bound would reach it */
} NnCut;

/*
 * The lowest cut for which, with the given confidence (0 to 1), precision is at least
 * min_precision (0 to 1) among answers like those judged.  The confidence is that of
 * the whole procedure, the choice among all cuts included.  Sorts judged.
 */
void		nn_choose_cut(NnJudged *judged, int64_t n, double min_precision, double confidence, NnCut *cut);

/*
 * The energy from which on a row is too unlike the n rows (energies, sorted here) to be
 * answered, so that of rows like them a share of at least keep is, on average over all that
 * might have been held out (Vovk et al. 2005).  False if n rows are too few to tell.
 */
bool		nn_choose_energy(float *energies, int64_t n, double keep, double *energy);

#endif							/* NN_THRESHOLD_H */
