/*
 * exec/policy.h: retraining when there is reason to.
 */
#ifndef LSTM_EXEC_POLICY_H
#define LSTM_EXEC_POLICY_H

#include "utils/jsonb.h"

#include "store/policy.h"

/* Store a policy; errors if it cannot be followed. */
extern void lstm_set_policy(const char *model, const LstmPolicy *policy);

/* What lstm_maintain() did about one model. */
typedef struct LstmMaintained
{
	const char *model;
	const char *action;			/* queued, deployed, kept, nothing, waits, busy, failed */
	const char *reason;
	int			version;		/* 0: none was made */
	double		seconds;		/* NAN: nothing was done */
	int64		job;			/* that was queued, or is at it already; 0: none */
} LstmMaintained;

/* Where retrainings wait for a process of their own; the layer above (job/) has one. */
typedef struct LstmRetrainQueue
{
	/* The retraining of a model that waits or runs, 0: none. */
	int64		(*find) (const char *model);

	/* Queue one; its number. */
	int64		(*submit) (const char *model, Jsonb *options, const char *reason);

	/* See to those that wait and that nobody works on. */
	void		(*wake) (void);
} LstmRetrainQueue;

/*
 * Follow the policies of the caller's models, one after the other; tell of each.  A model
 * that fails does not keep the others from their turn.  queue: who retrains; NULL: this
 * very transaction does.
 */
extern void lstm_maintain(const LstmRetrainQueue *queue, void (*tell) (void *ctx, const LstmMaintained *done),
						  void *ctx);

#endif							/* LSTM_EXEC_POLICY_H */
