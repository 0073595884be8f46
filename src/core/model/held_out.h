/*
 * model/held_out.h: what rows that a net never saw were answered, kept small.
 *
 * A net that was trained once more on all rows has no unseen rows left, and the rows of
 * its source may be gone: whoever wants to know later how often answers above some
 * probability are right has to ask what was written down at training.
 */
#ifndef NN_HELD_OUT_H
#define NN_HELD_OUT_H

#include "base/arena.h"
#include "train/calibrate.h"

/* One label that was answered, or might have been. */
typedef struct NnClaim
{
	int32_t		row;			/* which of the rows, ascending */
	int32_t		label;
	bool		is_right;
	bool		is_answer;		/* the model says it; else it only might have */
	float		probability;
	float		energy;			/* of its row; the higher, the less the row is like the training rows */
} NnClaim;

typedef struct NnHeldOut
{
	int64_t		n_rows;
	int64_t		n_claims;		/* one label a row: n_rows; many: labels that have a chance, of all rows */
	NnClaim    *claim;
	int			n_labels;		/* after nn_held_out_read() */
	char	  **labels;			/* (n_labels) 0-terminated UTF-8, in byte order */
} NnHeldOut;

/* Of many labels, those under this probability are not kept unless the row has them. */
#define NN_LEAST_CLAIM		0.05f

/* Claims of n rows; energies (n); threshold (C) with many labels, else NULL.  NN_ENOMEM. */
NnStatus	nn_held_out_collect(int64_t n, int C, const float *probabilities, const float *energies,
								const NnTruth *truth, const float *threshold, NnArena *arena, NnHeldOut *held_out,
								NnError *err);

/* As bytes with the labels' names, appended to out, and back; a reader takes them for hostile: NN_EFORMAT. */
NnStatus	nn_held_out_write(const NnHeldOut *held_out, int n_labels, char *const *labels, NnArray *out);
NnStatus	nn_held_out_read(NnHeldOut *held_out, const void *bytes, size_t n_bytes, NnArena *arena, NnError *err);

#endif							/* NN_HELD_OUT_H */
