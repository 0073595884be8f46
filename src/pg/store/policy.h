/*
 * store/policy.h: when a model is to be retrained.
 */
#ifndef LSTM_POLICY_H
#define LSTM_POLICY_H

#include "datatype/timestamp.h"
#include "utils/date.h"

#include "store/registry.h"

/* What is not asked for is NULL, 0 or NAN. */
typedef struct LstmPolicy
{
	int64		new_rows;
	Interval   *max_age;
	double		unknown_rate;
	double		class_psi;
	double		accuracy_drop;
	const char *labeled_at;		/* a column of the source: when a row got its label */
	Interval   *not_more_often;
	bool		has_hours;
	TimeADT		hours_from;
	TimeADT		hours_to;
	Jsonb	   *options;		/* of lstm_retrain */
} LstmPolicy;

extern void lstm_save_policy(const LstmModelRow *model, const LstmPolicy *policy);
extern bool lstm_delete_policy(const LstmModelRow *model);

/* What the server says about time, since intervals of months are its business. */
typedef struct LstmPolicyTimes
{
	bool		is_too_soon;	/* not_more_often has not passed since the last run */
	bool		is_off_hours;
	bool		is_old;			/* the live version is older than max_age */
	const char *trained_at;		/* of the live version, as a literal */
} LstmPolicyTimes;

/*
 * The models with a policy, by name.  Of each its row is locked by lstm_lock_policy until the
 * end of the transaction; false if somebody else has it, or it is gone.
 */
extern int	lstm_policy_models(char ***names);
extern bool lstm_lock_policy(const LstmModelRow *model, LstmPolicy *policy, LstmPolicyTimes *times);

/* What was done; counts as a run for not_more_often if it is one. */
extern void lstm_note_policy(const LstmModelRow *model, const char *result, bool is_run);

#endif							/* LSTM_POLICY_H */
