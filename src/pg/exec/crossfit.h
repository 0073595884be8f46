/*
 * exec/crossfit.h: what nets say of rows that they did not learn from, for all rows.
 */
#ifndef LSTM_CROSSFIT_H
#define LSTM_CROSSFIT_H

#include "utils/jsonb.h"

#include "model/learn.h"
#include "store/source.h"

/* In the current memory context. */
typedef struct LstmCrossFit
{
	int64		n;				/* rows */
	int			C;				/* labels */
	char	  **keys;			/* (n) of rows; NULL for a NULL */
	const char **labels;		/* (C) in the database's encoding */
	int32	   *label;			/* (n) as given */
	float	   *probabilities;	/* (n, C) by a net that did not see the row's input */
} LstmCrossFit;

/*
 * Reads the rows once, deals them to folds by their inputs' hashes, and trains a net for
 * each fold on all others.  info has a key.  options: refit is off.
 */
extern LstmCrossFit *lstm_crossfit(const LstmSourceInfo *info, const NnOptions *options, Jsonb *given, int folds);

#endif							/* LSTM_CROSSFIT_H */
