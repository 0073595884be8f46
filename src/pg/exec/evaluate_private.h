/*
 * exec/evaluate_private.h: inside this room: one evaluation, and what each kind
 * of task adds to it.
 *
 * evaluate.c reads the rows and hands them on in batches; what an evaluator
 * keeps of them is in env's context, whose size is bounded by
 * pg_lstm.train_memory.  Core's scratch is good for one batch: reading rows may
 * run anything.
 */
#ifndef LSTM_EVALUATE_PRIVATE_H
#define LSTM_EVALUATE_PRIVATE_H

#include "lib/stringinfo.h"

#include "model/answer.h"

#include "glue/env_pg.h"
#include "store/registry.h"
#include "store/source.h"

typedef struct LstmEvaluating
{
	const LstmRef *ref;
	const NnModel *model;
	LstmEnv		env;
	LstmSourceInfo info;
	LstmPosition position;		/* for errors about one row */
	int64		n_rows;			/* compared */
	int64		n_skipped;		/* with a NULL */
	int64		n_truncated;
	NnArray		unknown;		/* char *: labels or tags that the model lacks, in order of appearance */
	int64		n_unknown;		/* times that one of them appeared */
	void	   *kept;			/* the evaluator's */
} LstmEvaluating;

typedef struct LstmEvaluator
{
	int			batch_rows;
	void		(*begin) (LstmEvaluating *e);	/* the relation is known, and no row of it read */
	void		(*take) (LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs,
						 NnReading *readings, int n);	/* fills readings */
	void		(*finish) (LstmEvaluating *e, StringInfo json); /* appends to an open object */
} LstmEvaluator;

extern const LstmEvaluator lstm_evaluator_labels;
extern const LstmEvaluator lstm_evaluator_sets;
extern const LstmEvaluator lstm_evaluator_numbers;
extern const LstmEvaluator lstm_evaluator_tags;
extern const LstmEvaluator lstm_evaluator_texts;
extern const LstmEvaluator lstm_evaluator_language;
extern const LstmEvaluator lstm_evaluator_series;

/* Count the characters of a text that are no white space, and those of scripts without spaces. */
extern void lstm_count_unspaced(const char *text, size_t n_bytes, int64 *n_unspaced, int64 *n_all);

/* More items of an array, or an error. */
extern void *lstm_evaluating_push(LstmEvaluating *e, NnArray *array, size_t n);

/* The number of a label or tag: below the model's count of them if it knows it. */
extern int32 lstm_evaluating_label(LstmEvaluating *e, const char *bytes, size_t n_bytes);

/* All labels by number, those of the model first, in the database's encoding. */
extern const char **lstm_evaluating_labels(LstmEvaluating *e, int *n);

#endif							/* LSTM_EVALUATE_PRIVATE_H */
