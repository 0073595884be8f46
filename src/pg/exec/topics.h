/*
 * exec/topics.h: what a column of texts is about.
 *
 * Core finds topics (topic/topics.h), which become the labels that a model of task classify
 * learns to tell; the model is what is kept, beside the words of each topic.
 */
#ifndef LSTM_TOPICS_H
#define LSTM_TOPICS_H

#include "lib/stringinfo.h"
#include "utils/jsonb.h"

#include "store/registry.h"

typedef struct LstmTopicsRequest
{
	Oid			relid;
	const char *input;			/* name of the column */
	int			n_topics;		/* 0: to be chosen */
	const char *model;			/* NULL: <relation>_topics */
	Jsonb	   *options;
} LstmTopicsRequest;

/* A topic, or with number 0 the rows that have none. */
typedef struct LstmTopicResult
{
	int			topic;
	int64		n_rows;
	double		share;			/* of all rows */
	int			n_words;
	const char **words;			/* in the database's encoding */
	double		coherence;		/* NAN: unknown */
	int			n_examples;
	const char **examples;		/* the beginnings of the rows it is surest of */
	const char **keys;			/* theirs; NULL: rows have none */
} LstmTopicResult;

typedef struct LstmTopicsResult
{
	const char *model;
	int			version;
	int			n;
	LstmTopicResult *topics;
} LstmTopicsResult;

/* What result points to is in the caller's context. */
extern void lstm_topics_run(const LstmTopicsRequest *request, LstmTopicsResult *result);

/* The topics of a version as one HTML page, which holds words and figures and no row.  An error if it has none. */
extern void lstm_topics_page(const LstmRef *ref, StringInfo html);

/* Error for a model whose labels are no topics. */
pg_noreturn extern void lstm_topics_throw_none(const char *model, const char *hint);

#endif							/* LSTM_TOPICS_H */
