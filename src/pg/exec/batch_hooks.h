/*
 * exec/batch_hooks.h: where batch nodes get into plans.
 */
#ifndef LSTM_BATCH_HOOKS_H
#define LSTM_BATCH_HOOKS_H

/* When the library is loaded. */
extern void lstm_batch_init(void);

/*
 * The planner has met a function that may be batched.  It says so through the
 * function's support function, each time that it plans a call, and so long
 * before the first statement of a session that calls it is executed.
 */
extern void lstm_batch_note_function(Oid function);

#endif							/* LSTM_BATCH_HOOKS_H */
