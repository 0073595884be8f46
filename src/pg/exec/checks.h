/*
 * exec/checks.h: does a version get right what it must, and may it go live?
 */
#ifndef LSTM_CHECKS_H
#define LSTM_CHECKS_H

#include "model/answer.h"

#include "store/check.h"

/* A check that a model does not pass. */
typedef struct LstmBroken
{
	const char *input;
	const char *expected;
	const char *answer;			/* or what keeps it from answering */
} LstmBroken;

/* How many of a model's checks a network breaks; palloc'd. */
extern int	lstm_broken_checks(const pg_uuid_t *id, const NnModel *model, LstmBroken **broken);

/* The first of them as a sentence, for errors. */
extern char *lstm_broken_detail(const LstmBroken *broken);

/* Does the network pass a single one?  *answer: what it says. */
extern bool lstm_passes_check(const NnModel *model, const LstmCheck *check, const char **answer);

/* Error unless what is expected can be an answer of the model. */
extern void lstm_check_expected(const NnModel *model, const LstmCheck *check);

/*
 * May a network that was just trained or read go live as the named model?  False, with a
 * warning, if it breaks checks; the model's row stays locked, so that no check comes
 * between.
 */
extern bool lstm_may_go_live(const char *name, const NnModel *model);

/* lstm_deploy and lstm_rollback: an error instead, unless forced. */
extern void lstm_deploy_checked(const char *name, int version, bool force);
extern int	lstm_rollback_checked(const char *name, bool force);

#endif							/* LSTM_CHECKS_H */
