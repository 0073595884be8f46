/*
 * exec/drift.h: how texts of now differ from those that a version learned from.
 */
#ifndef LSTM_DRIFT_H
#define LSTM_DRIFT_H

#include "train/drift.h"

#include "store/registry.h"

#define LSTM_BEFORE	0
#define LSTM_NOW	1

typedef struct LstmDrift
{
	int64		n[2];			/* inputs */
	bool		has_words;
	int64		n_tokens[2];
	int64		n_words[2];
	int64		n_unknown[2];
	int64		length[2][NN_LENGTH_BINS];
	int			n_labels;		/* 0: the model does not answer with labels */
	int64	   *answers[2];		/* (n_labels) how often each was answered */
} LstmDrift;

/* A distribution compared: PSI, and what chance alone would give in 1 of 20 samples. */
typedef struct LstmShift
{
	double		psi;
	double		chance;
} LstmShift;

/*
 * The live version's training against rows of a relation.  condition, on the rows, may
 * be NULL.  Of very many rows some thousand are asked.  In the current context.
 */
extern void lstm_drift(const LstmModelRow *model, Oid relid, const char *input, const char *condition,
					   LstmDrift *drift);

/* False if nothing is known of the rows that the live version learned from. */
extern bool lstm_drift_is_known(const LstmModelRow *model);

/* NAN where there is nothing to divide by. */
extern double lstm_unknown_rate(const LstmDrift *drift, int when);
extern double lstm_mean_length(const LstmDrift *drift, int when);

extern LstmShift lstm_unknown_shift(const LstmDrift *drift);
extern LstmShift lstm_length_shift(const LstmDrift *drift);
extern LstmShift lstm_answer_shift(const LstmDrift *drift);

#endif							/* LSTM_DRIFT_H */
