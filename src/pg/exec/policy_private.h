/*
 * exec/policy_private.h: between policy.c, which acts, and policy_reason.c, which decides.
 */
#ifndef LSTM_POLICY_PRIVATE_H
#define LSTM_POLICY_PRIVATE_H

#include "exec/policy.h"
#include "store/history.h"

/* Why a model should be retrained now, as a sentence; NULL: there is no reason.  As the model's owner. */
extern const char *lstm_policy_reason(const LstmModelRow *model, const LstmPolicy *policy,
									  const LstmPolicyTimes *times);

#endif							/* LSTM_POLICY_PRIVATE_H */
