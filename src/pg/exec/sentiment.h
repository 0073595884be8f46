/*
 * exec/sentiment.h: positive, negative or neutral.
 */
#ifndef LSTM_SENTIMENT_H
#define LSTM_SENTIMENT_H

#include "model/answer.h"

typedef struct LstmSentiment
{
	double		score;			/* P(positive) - P(negative) */
	const char *word;			/* "positive", "negative", "neutral" */
} LstmSentiment;

/* By the caller's model named sentiment, else by the one that came with the extension. */
extern void lstm_sentiment(const NnValue *text, LstmSentiment *sentiment);

#endif							/* LSTM_SENTIMENT_H */
