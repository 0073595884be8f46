/*
 * topic/mixture.h: clusters of row vectors -> clusters that their own words confirm.
 *
 * Each row has one topic, that of the highest score.  With c_iw how much word w counts in row i (bags.h),
 * t_w how much it tells, p_w its share of all rows' words and q_kw of those of topic k, and mu_k the direction
 * of the mean of topic k's vectors,
 *
 *	score_ik = sum_w t_w c_iw (log(q_kw / p_w) + KAPPA x_i'mu_k)
 *	q_kw = (n_kw + PRIOR p_w) / (n_k + PRIOR)	n_kw = sum of c_iw over the rows i of topic k
 *
 * which is a mixture of multinomials (Nigam, McCallum, Thrun and Mitchell 2000) and of von Mises-Fisher
 * distributions, where a word has as many votes as it tells.  Rows go to the highest score, q and mu follow,
 * some turns (classification EM; Celeux and Govaert 1992).
 */
#ifndef NN_TOPIC_MIXTURE_H
#define NN_TOPIC_MIXTURE_H

#include "topic/bags.h"

typedef struct NnMixture
{
	const NnBags *bags;
	const float *x;				/* (bags->n, width) vectors of rows, at length 1 or zero */
	int			width;
	const float *telling;		/* (bags->n_words) */
	int			most;			/* topics that there is room for */
	float	   *share;			/* (n_words) p_w */
	float	   *ratio;			/* (n_words, K) n_kw, then log(q_kw / p_w) */
	float	   *center;			/* (width, K) KAPPA mu_k */
	double	   *square;			/* (most) */
	float	   *n_counted;		/* (most) n_k */
	float	   *vote;			/* (longest row) t_w c_iw */
	float	   *score;			/* (most) of the row at hand */
	NnArena    *arena;
	double		work;			/* since the last poll */
} NnMixture;

/* Rows that take part, and where each stands. */
typedef struct NnMixed
{
	int64_t		n;
	const int32_t *row;			/* (n) ascending numbers in bags */
	int			K;
	int32_t    *topic;			/* (n) */
	float	   *best;			/* (n) its score */
	float	   *second;			/* (n) of the next topic; that of none is -inf */
	double		total;			/* of best */
} NnMixed;

/* What it holds is in the arena. */
NnStatus	nn_mixture_create(NnMixture *mixture, const NnBags *bags, const float *x, int width, const float *telling,
							  int most, NnArena *arena, NnError *err);

/* From a first topic of each row to the last, at most n_turns turns; the scores are those under it. */
NnStatus	nn_mixture_fit(NnMixture *mixture, int n_turns, NnMixed *mixed, NnError *err);

/* The best topic of a row but one, as of the last turn's fit. */
int32_t		nn_mixture_other(NnMixture *mixture, const NnMixed *mixed, int64_t i, int32_t but);

#endif							/* NN_TOPIC_MIXTURE_H */
