/*
 * exec/topics_private.h: one run of lstm_topics, from its options to the new version.
 *
 *   topics.c           the whole: read, learn, number, train, store
 *   topics_options.c   what is for the topics and what for the network
 *   topics_rows.c      the rows, which are needed again and again
 *   topics_name.c      what the model answers to all rows; words and examples of each topic
 */
#ifndef LSTM_TOPICS_PRIVATE_H
#define LSTM_TOPICS_PRIVATE_H

#include "topic/topics.h"

#include "exec/topics.h"
#include "exec/train_stages.h"
#include "glue/env_pg.h"

#define LSTM_TOPIC_EXAMPLES 3

typedef struct LstmTopicsOptions
{
	NnTopicOptions core;
	const char *key;			/* column; NULL: the primary key, if that is one column */
	Jsonb	   *training;		/* what is left, for the network */
} LstmTopicsOptions;

/* Rows as they were read, in temporary files where they take much memory. */
typedef struct LstmTopicRows
{
	NnArray		record;			/* bytes: model/stored_rows.h */
	NnArray		record_start;	/* int64 */
	NnArray		key;			/* bytes, each with a 0 byte */
	NnArray		key_start;		/* int64; empty if rows have no keys */
} LstmTopicRows;

typedef struct LstmTopicsRun
{
	const LstmTopicsRequest *request;
	LstmTopicsOptions options;
	LstmTrainRequest training;
	LstmTrainRun train;
	LstmEnv		env;
	LstmTopicRows rows;
	NnCorpus   *corpus;
	NnArena    *arena;
	NnArena    *scratch;
	NnTopics	topics;
	int		   *number;			/* (topics.n_topics) as users see them */

	/* what the model answers, in the order of topics.rows */
	int32	   *answer;			/* -1: none */
	float	   *probability;
	NnTopicWords *words;		/* (topics.n_topics) */
} LstmTopicsRun;

/* ---- topics_options.c ------------------------------------------------------------- */
extern void lstm_topics_options(const LstmTopicsRequest *request, LstmTopicsOptions *options);

/* ---- topics_rows.c ------------------------------------------------------------------ */

/* The rows into run->rows and run->corpus. */
extern void lstm_topics_read(LstmTopicsRun *run);

extern int64 lstm_topics_n_rows(const LstmTopicsRun *run);

/*
 * Inputs from ... from + n - 1, in the order of reading; good until the next call.
 */
extern void lstm_topics_inputs(LstmTopicsRun *run, int64 from, int n, NnValue *inputs);

/* The key of a row; NULL if it has none. */
extern const char *lstm_topics_key(const LstmTopicsRun *run, int64 row);

extern Size lstm_topics_row_bytes(const LstmTopicsRun *run);

/* ---- topics_name.c ------------------------------------------------------------------- */

/*
 * What a model answers to each row, in the order of reading: the number of its label in the model, and how
 * probable it is (NULL: never mind).
 */
extern void lstm_topics_ask(LstmTopicsRun *run, const NnModel *model, int32 *label, float *probability);

/* answer, probability and words, by the trained model. */
extern void lstm_topics_name(LstmTopicsRun *run, const NnModel *model);

/* What lstm_version.topics keeps, as JSON. */
extern char *lstm_topics_json(const LstmTopicsRun *run);

/* In the current context. */
extern void lstm_topics_result(LstmTopicsRun *run, LstmTopicsResult *result);

#endif							/* LSTM_TOPICS_PRIVATE_H */
