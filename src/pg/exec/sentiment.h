/*
 * exec/sentiment.h: positive, negative or neutral.
 */
#ifndef LSTM_SENTIMENT_H
#define LSTM_SENTIMENT_H

#include "model/answer.h"

#include "store/registry.h"

/* The user's own, where there is one. */
#define LSTM_SENTIMENT_MODEL	"sentiment"

typedef struct LstmSentiment
{
	double		score;			/* P(positive) - P(negative) */
	const char *word;			/* "positive", "negative", "neutral" */
} LstmSentiment;

/* By the caller's model named sentiment, else by the one that came with the extension. */
extern void lstm_sentiment(const NnValue *text, LstmSentiment *sentiment);

/* For rows that are answered together: the version that lstm_sentiment() asks. */
extern const LstmRef *lstm_sentiment_version(void);

/* How a model's answers are read. */
typedef struct LstmSentimentScale
{
	int			n_labels;
	int			positive;		/* number of the label */
	int			negative;
	bool		has_neutral;	/* else near 0 is neutral: */
	double		margin;
} LstmSentimentScale;

/* False if the model cannot tell a sentiment. */
extern bool lstm_sentiment_scale(const NnModel *model, LstmSentimentScale *scale);

extern void lstm_sentiment_of(const LstmSentimentScale *scale, const float *probabilities,
							  const NnReading *reading, LstmSentiment *sentiment);

#endif							/* LSTM_SENTIMENT_H */
