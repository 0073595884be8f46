/*
 * glue/act_as.h: doing something in another role's name.
 *
 * As maintenance commands of the server do it: code that the role has put where
 * it is run, in a view say, has the role's rights and not the caller's, and cannot
 * leave anything behind that would run later with them.
 */
#ifndef LSTM_ACT_AS_H
#define LSTM_ACT_AS_H

typedef struct LstmActing
{
	Oid			caller;
	int			security_context;
} LstmActing;

/* Nothing changes if it is the caller's own role, or nobody's (InvalidOid).  After an error the end of the (sub)transaction restores it. */
extern void lstm_act_begin(LstmActing *acting, Oid role);
extern void lstm_act_end(const LstmActing *acting);

#endif							/* LSTM_ACT_AS_H */
