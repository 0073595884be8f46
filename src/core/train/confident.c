/*
 * train/confident.c: labels that are probably wrong (confident learning, Northcutt, Jiang
 * and Chuang 2021).
 *
 * A net gives some labels higher probabilities than others, so one bound for all would
 * doubt the rows of the timid ones.  Each label has its own: t_j, the mean probability of j
 * over the rows that are labeled j.  A row is counted with label j if p_j >= t_j, with the
 * most probable of those if there are several, with none if there is none.  These counts
 * by given label i are the confident joint; rows off its diagonal are the suspects.
 * They stand in the order of the normalized margin, p_believed - p_given.
 */
#include "train/confident.h"

#include <stdlib.h>

/* t_j in threshold (C); a label without a row has none, which is told by a number above 1. */
static void
mean_probabilities(int64_t n, int C, const float *probabilities, const int32_t *label, double *threshold,
				   int64_t *n_rows)
{
	for (int64_t i = 0; i < n; i++)
	{
		if (label[i] < 0)
			continue;
		threshold[label[i]] += (double) probabilities[i * C + label[i]];
		n_rows[label[i]]++;
	}
	for (int c = 0; c < C; c++)
		threshold[c] = n_rows[c] > 0 ? threshold[c] / (double) n_rows[c] : 2.0;
}

/* The label that a row is counted with, or -1. */
static int
confident_label(int C, const float *p, const double *threshold)
{
	int			best = -1;

	for (int c = 0; c < C; c++)
		if ((double) p[c] >= threshold[c] && (best < 0 || p[c] > p[best]))
			best = c;
	return best;
}

/* The widest margin first, equal ones in the order of the rows. */
static int
compare_suspects(const void *a, const void *b)
{
	const NnSuspect *x = a;
	const NnSuspect *y = b;

	if (x->margin != y->margin)
		return x->margin > y->margin ? -1 : 1;
	return (x->row > y->row) - (x->row < y->row);
}

NnStatus
nn_find_suspects(int64_t n, int C, const float *probabilities, const int32_t *label,
				 NnSuspect *suspects, int64_t *n_suspects, const NnEnv *env, NnError *err)
{
	double	   *threshold = env->alloc(env->ctx, (size_t) C * sizeof(double));
	int64_t    *n_rows = env->alloc(env->ctx, (size_t) C * sizeof(int64_t));
	NnStatus	status = NN_OK;

	*n_suspects = 0;
	if (threshold == NULL || n_rows == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	else
		mean_probabilities(n, C, probabilities, label, threshold, n_rows);
	for (int64_t i = 0; i < n && status == NN_OK; i++)
	{
		const float *p = probabilities + i * C;
		int			believed = label[i] < 0 ? -1 : confident_label(C, p, threshold);

		if (believed >= 0 && believed != label[i])
			suspects[(*n_suspects)++] = (NnSuspect) {i, believed, p[believed] - p[label[i]]};
	}
	if (*n_suspects > 0)
		qsort(suspects, (size_t) *n_suspects, sizeof(*suspects), compare_suspects);
	env->release(env->ctx, threshold);
	env->release(env->ctx, n_rows);
	return status;
}
