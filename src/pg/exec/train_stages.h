/*
 * exec/train_stages.h: a training stage by stage, for who does not do all of it in one
 * transaction (job/).
 *
 *	lstm_train_describe		every error that needs no row				a transaction
 *	lstm_train_begin		describe, and a learner without rows		a transaction
 *	lstm_train_read			rows into the learner, perhaps kept			a transaction
 *	lstm_train_plan_rows	plan										-
 *	lstm_train_rows			train										-
 *	lstm_train_finish		metrics; the new version					a transaction
 *
 * Everything lives in the memory context that is current when a run begins, and it must
 * be current at each stage.
 */
#ifndef LSTM_TRAIN_STAGES_H
#define LSTM_TRAIN_STAGES_H

#include "exec/progress.h"
#include "exec/train_run.h"
#include "glue/env_pg.h"
#include "store/source.h"

/* Who keeps what a training reads, to read it again after an interruption. */
typedef struct LstmRowKeeper
{
	void		(*row) (struct LstmRowKeeper *keeper, const LstmRow *row, const NnTarget *target, LstmReadAs read_as);
	void		(*vector) (struct LstmRowKeeper *keeper, const LstmRow *row);
	void		(*warm) (struct LstmRowKeeper *keeper, bytea *weights);
} LstmRowKeeper;

typedef struct LstmTrainRun
{
	const LstmTrainRequest *request;
	const char *model;
	NnTask		task;
	LstmSourceInfo source;
	LstmReadAs	read_as;
	NnOptions	options;
	LstmEnv    *env;
	LstmProgress progress;
	LstmRowKeeper *keeper;		/* NULL: nobody */
	bool		is_alone;		/* no other process is to help */
	Size		beside_bytes;	/* what the caller holds: the training gets the rest of pg_lstm.train_memory */
	void		(*on_poll) (void *arg); /* as that of LstmEnv */
	void	   *on_poll_arg;
	bool		has_width;		/* a word vector has been read */
	NnLearner  *learner;
	int64		n_skipped;		/* rows with a NULL */
	bool		has_row_security;
	NnPlan		plan;
	int			n_wanted;		/* processes, if memory were no matter */
	LstmTrainHelp help;
	double		started;
	const char *topics;			/* what topics its labels are, as JSON; NULL: none (exec/topics.h) */
} LstmTrainRun;

/* A run that is zeroed but for keeper, is_alone, beside_bytes, on_poll, and job and role in progress. */
extern void lstm_train_describe(LstmTrainRun *run, const LstmTrainRequest *request);
extern void lstm_train_begin(LstmTrainRun *run, const LstmTrainRequest *request);

/* Error unless the run may make its model, or a new version of it. */
extern void lstm_train_check_model(const LstmTrainRun *run);

/* The same without the source: task, model, options and source are filled already. */
extern void lstm_train_begin_again(LstmTrainRun *run, const LstmTrainRequest *request);

extern void lstm_train_read(LstmTrainRun *run);

/* What lstm_train_read() does with what a keeper has kept; in the order in which it was kept. */
extern void lstm_train_go_on(LstmTrainRun *run);
extern void lstm_train_read_warm(LstmTrainRun *run, bytea *weights);
extern NnStatus lstm_train_read_row(LstmTrainRun *run, const NnValue *input, const NnTarget *target, NnError *err);
extern NnStatus lstm_train_read_vector(LstmTrainRun *run, const NnValue *vector, const NnTarget *word, NnError *err);

/* Errors of core, with the hint about memory where it fits. */
pg_noreturn extern void lstm_train_throw(const NnError *err);

extern void lstm_train_plan_rows(LstmTrainRun *run);
extern NnStatus lstm_train_rows(LstmTrainRun *run, const NnLearnReport **report, NnError *err);

/* As what is asked whether it may go live. */
extern void lstm_train_outcome(LstmTrainRun *run, const NnLearnReport *report, LstmTrained *trained);

/* What result points to is in the context result_context. */
extern void lstm_train_finish(LstmTrainRun *run, const NnLearnReport *report, MemoryContext result_context,
							  LstmTrainResult *result);

#endif							/* LSTM_TRAIN_STAGES_H */
