/*
 * exec/classify.h: probabilities of labels as a row of type lstm_answer.
 */
#ifndef LSTM_CLASSIFY_H
#define LSTM_CLASSIFY_H

#include "glue/result.h"
#include "model/answer.h"
#include "store/cuts.h"

/* The columns of one answer; label: its most probable label in the database's encoding. */
extern void lstm_classify_row(LstmRowBuilder *row, const NnModel *model, const LstmCuts *cuts,
							  const float *probabilities, const char *label, const NnReading *reading, int version);

#endif							/* LSTM_CLASSIFY_H */
