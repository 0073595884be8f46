/*
 * train/confident.h: labels that are probably wrong (confident learning).
 */
#ifndef NN_CONFIDENT_H
#define NN_CONFIDENT_H

#include "base/env.h"
#include "base/status.h"

/* A row whose label is doubted. */
typedef struct NnSuspect
{
	int64_t		row;
	int32_t		believed;		/* the label that it should have */
	float		margin;			/* by how much the believed label is more probable than the given one */
} NnSuspect;

/*
 * Suspects among n rows with labels (n), by probabilities (n, C) of nets that did not learn
 * from the row; a row whose label is negative is passed over.  suspects has room for n; the
 * most doubtful come first.  NN_ENOMEM.
 */
NnStatus	nn_find_suspects(int64_t n, int C, const float *probabilities, const int32_t *label,
							 NnSuspect *suspects, int64_t *n_suspects, const NnEnv *env, NnError *err);

#endif							/* NN_CONFIDENT_H */
