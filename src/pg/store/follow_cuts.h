/*
 * store/follow_cuts.h: cuts are chosen by held-out rows, for each version anew.
 */
#ifndef LSTM_FOLLOW_CUTS_H
#define LSTM_FOLLOW_CUTS_H

#include "store/cuts.h"

typedef enum LstmChoice
{
	LSTM_CHOSEN,
	LSTM_NO_RECORD,				/* nothing is known of held-out rows */
	LSTM_NO_LABEL,				/* the version has no such label */
	LSTM_TOO_FEW				/* no cut keeps the promise; the figures are those of the nearest, if any */
} LstmChoice;

/*
 * Fill in a cut whose kind, label, asked and confidence are set.  *n_needed: how many answers, all of them
 * right, would be the least to choose by.  labels, or NULL: what labels there are, palloc'd.
 */
extern LstmChoice lstm_choose_cut(bytea *held_out, LstmCut *cut, int64 *n_needed, const char ***labels, int *n_labels);

/*
 * Version `now` is live in the place of `before` (0: of none).  What was asked for there
 * is asked for here too, unless this version has a cut of its own.  Where that cannot be promised,
 * a warning says so, and such answers are withheld: nobody should get answers that are worse
 * than was asked for because a version has changed.
 */
extern void lstm_follow_cuts(const char *name, const pg_uuid_t *model, int before, int now);

#endif							/* LSTM_FOLLOW_CUTS_H */
