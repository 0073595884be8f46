/*
 * store/topics.h: what topics the labels of a version are.
 *
 * They stand in the version's row, so they are granted, deployed, dumped and dropped with it.
 */
#ifndef LSTM_STORE_TOPICS_H
#define LSTM_STORE_TOPICS_H

#include "utils/array.h"

#include "store/registry.h"

typedef struct LstmTopic
{
	int			topic;			/* its number: the label as a number */
	int64		n_rows;
	double		coherence;		/* NAN: unknown */
	ArrayType  *words;			/* text[] */
	int			n_words;
	const char **word;			/* (n_words) */
	double	   *weight;			/* (n_words) how typical; NAN: unknown */
} LstmTopic;

typedef struct LstmTopicSet
{
	int			n;
	LstmTopic  *topic;			/* by their numbers */
} LstmTopicSet;

/*
 * Of a version; NULL if lstm_topics did not make it.  Nothing is believed of what stands
 * there.  Remembered until the next call.
 */
extern const LstmTopicSet *lstm_topics_of(const LstmRef *ref);

/* The topic with a number, or NULL. */
extern const LstmTopic *lstm_topic_numbered(const LstmTopicSet *set, int number);

/* The highest number that a topic of any version of a model has; 0: none. */
extern int	lstm_last_topic(const pg_uuid_t *model);

#endif							/* LSTM_STORE_TOPICS_H */
