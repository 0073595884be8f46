/*
 * train/label_sets.h: rows that have any number of labels: where each label's
 * probability is high enough, and how good such answers are.
 */
#ifndef NN_LABEL_SETS_H
#define NN_LABEL_SETS_H

#include "train/train.h"

/* Figures of answers that are sets of labels. */
typedef struct NnSetMetrics
{
	int64_t		n;				/* rows */
	double		exact;			/* share of the rows whose set is right as a whole */
	double		micro_precision;	/* over all labels and rows together */
	double		micro_recall;
	double		micro_f1;
	double		macro_f1;		/* mean over labels that occur among the rows or the answers */
	double		labels_true;	/* mean number of labels of a row ... */
	double		labels_answered;	/* ... and of its answer */
} NnSetMetrics;

/*
 * A label is answered where its probability reaches its threshold.  probabilities and
 * target (n, C), threshold (C); n_more_true (n), or NULL: labels of each row that are
 * none of these C, which no answer can hold.  per_class (C).
 */
void		nn_metrics_sets(int64_t n, int C, const float *probabilities, const float *target,
							const int32_t *n_more_true, const float *threshold, NnSetMetrics *metrics,
							NnClassMetrics *per_class);

/* A label with fewer rows among those that thresholds are fitted to takes the threshold common to all. */
#define NN_MIN_LABEL_ROWS 10

/*
 * The threshold of each label (C) that makes its F1 the highest on these rows; of rare
 * labels, the one that makes the micro-F1 of all labels the highest; 0.5 without a row.
 * NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_fit_label_thresholds(int64_t n, int C, const float *probabilities, const float *target,
									float *threshold, const NnEnv *env, NnError *err);

#endif							/* NN_LABEL_SETS_H */
