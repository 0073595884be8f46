/*
 * exec/suspects.h: training rows that the model believes are labeled wrongly.
 */
#ifndef LSTM_SUSPECTS_H
#define LSTM_SUSPECTS_H

#include "train/confident.h"

#include "exec/crossfit.h"

/* Suspects among the rows, the most doubtful first, in the current context. */
extern NnSuspect *lstm_find_suspects(const LstmCrossFit *fit, int64 *n);

#endif							/* LSTM_SUSPECTS_H */
