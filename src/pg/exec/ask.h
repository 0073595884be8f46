/*
 * exec/ask.h: which rows to label next.
 */
#ifndef LSTM_ASK_H
#define LSTM_ASK_H

#include "store/registry.h"
#include "store/source.h"

typedef struct LstmQuestion
{
	char	   *key;
	const char *label;			/* the model's guess, in the database's encoding */
	float		probability;
	float		margin;
} LstmQuestion;

/* Up to n rows of the relation, the most worth asking first; info has a key and no target. */
extern LstmQuestion *lstm_ask(const LstmRef *ref, const LstmSourceInfo *info, int n, int *n_found);

#endif							/* LSTM_ASK_H */
