/*
 * exec/threshold.h: choosing below which probability the live version of a model abstains.
 */
#ifndef LSTM_THRESHOLD_H
#define LSTM_THRESHOLD_H

#include "store/cuts.h"

/*
 * Choose a cut whose kind, label, asked and confidence are set, and put it into the live
 * version, or remove what is there (is_removed); an error if the promise cannot be kept.
 * label in UTF-8.  Returns the version.
 */
extern int	lstm_set_cut(const char *model, LstmCut *cut, bool is_removed);

#endif							/* LSTM_THRESHOLD_H */
