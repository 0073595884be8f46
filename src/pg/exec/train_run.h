/*
 * exec/train_run.h: one training, from the rows of a relation to a stored version.
 */
#ifndef LSTM_TRAIN_RUN_H
#define LSTM_TRAIN_RUN_H

#include "utils/jsonb.h"

#include "model/learn.h"

#include "store/source.h"

/* A training that is over, and not stored yet. */
typedef struct LstmTrained
{
	const char *model;
	const LstmSourceInfo *source;
	const NnOptions *options;	/* as they were asked for */
	NnLearner  *learner;
	const NnLearnReport *report;
	bytea	   *measured;		/* the weights that the report speaks of, where they are others; or NULL */
} LstmTrained;

/* What lstm_retrain adds to a training. */
typedef struct LstmAgain
{
	const NnModel *former;		/* go on from it; NULL: begin anew */
	const NnSplit *split;		/* what it held out */
	bool		(*may_go_live) (void *ctx, const LstmTrained *trained);
	void	   *ctx;
} LstmAgain;

typedef struct LstmTrainRequest
{
	Oid			relid;
	const char *input;			/* column names */
	const char *target;			/* NULL: none */
	const char *model;			/* NULL: <relation>_<target>, or _<input> */
	const char *task;			/* NULL: by the columns' types */
	Jsonb	   *options;
	const LstmAgain *again;		/* NULL: lstm_train */
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

/* A run's training by several processes. */
typedef struct LstmTrainHelp
{
	int			n_members;		/* wanted, this process included; out: how many there were */
	int			workers;		/* the option, or NN_AUTO */
	bool		is_job;			/* this process has its place, and no transaction */
	bool		is_broken;		/* out, of a job: a worker has ended, so the training was not */
	Size		used_bytes;		/* out: the most that they held beside this process's own memory */
} LstmTrainHelp;

/* Who can train together with a session; set by the layer above (job/), which knows workers. */
typedef struct LstmTrainHelpers
{
	/* How many processes: the option or NN_AUTO; seconds that one would take, estimated; shards of a batch. */
	int			(*count) (int workers, double seconds, int n_shards);

	/*
	 * How long so many would take, of the time that one takes; with the background workers that are free
	 * now.
	 */
	double		(*share_of_time) (int n_members, int n_shards);
	NnTrainHook train;			/* ctx is an LstmTrainHelp */
} LstmTrainHelpers;

extern const LstmTrainHelpers *lstm_train_helpers;

/* Read, plan, train, store.  What result points to is in the caller's context. */
extern void lstm_train_run(const LstmTrainRequest *request, LstmTrainResult *result);

/* Read and plan only. */
extern void lstm_train_plan(const LstmTrainRequest *request, NnPlan *plan);

#endif							/* LSTM_TRAIN_RUN_H */
