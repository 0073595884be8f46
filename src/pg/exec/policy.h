/*
 * exec/policy.h: retraining when there is reason to.
 */
#ifndef LSTM_EXEC_POLICY_H
#define LSTM_EXEC_POLICY_H

#include "store/policy.h"

/* Store a policy; errors if it cannot be followed. */
extern void lstm_set_policy(const char *model, const LstmPolicy *policy);

/* What lstm_maintain() did about one model. */
typedef struct LstmMaintained
{
	const char *model;
	const char *action;			/* deployed, kept, nothing, waits, busy, failed */
	const char *reason;
	int			version;		/* 0: none was made */
	double		seconds;		/* NAN: nothing was done */
} LstmMaintained;

/*
 * Follow the policies of the caller's models, one after the other; tell of each.  A model
 * that fails does not keep the others from their turn.
 */
extern void lstm_maintain(void (*tell) (void *ctx, const LstmMaintained *done), void *ctx);

#endif							/* LSTM_EXEC_POLICY_H */
