/*
 * store/check.h: examples that a model must get right (lstm_check).
 */
#ifndef LSTM_CHECK_H
#define LSTM_CHECK_H

#include "store/registry.h"

typedef struct LstmCheck
{
	const char *input;			/* as text; of an array its text form */
	const char *input_kind;		/* text, words or numbers */
	const char *expected;
} LstmCheck;

/* Those of a model, in the order in which they were added; how many.  In the current context. */
extern int	lstm_read_checks(const pg_uuid_t *model, LstmCheck **checks);

/* Store it, or what is expected of an input that has one. */
extern void lstm_save_check(const LstmModelRow *model, const LstmCheck *check);

/* How many went; input NULL: all of the model. */
extern int	lstm_delete_checks(const LstmModelRow *model, const char *input);

#endif							/* LSTM_CHECK_H */
