/*
 * exec/train_run.h: one training, from the rows of a relation to a stored version.
 */
#ifndef LSTM_TRAIN_RUN_H
#define LSTM_TRAIN_RUN_H

#include "utils/jsonb.h"

#include "model/learn.h"

typedef struct LstmTrainRequest
{
	Oid			relid;
	const char *input;			/* column names */
	const char *target;			/* NULL: none */
	const char *model;			/* NULL: <relation>_<target>, or _<input> */
	const char *task;			/* NULL: by the columns' types */
	Jsonb	   *options;
} LstmTrainRequest;

typedef struct LstmTrainResult
{
	const char *model;
	int			version;
	const char *task;
	int64		n_rows;
	int			n_epochs;
	double		seconds;
	const char *metrics;		/* JSON */
} LstmTrainResult;

/* Read, plan, train, store.  What result points to is in the caller's context. */
extern void lstm_train_run(const LstmTrainRequest *request, LstmTrainResult *result);

/* Read and plan only. */
extern void lstm_train_plan(const LstmTrainRequest *request, NnPlan *plan);

#endif							/* LSTM_TRAIN_RUN_H */
