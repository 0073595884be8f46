/*
 * exec/causes_state.h: rows that the aggregate of root causes has seen, as far as they are kept.
 *
 * Of each side, the cohort and the baseline, at most LSTM_STATE_ROWS rows and LSTM_STATE_BYTES
 * bytes stay: those with the smallest hashes of text and key.  That is a random sample, and the same
 * one in whatever order and in however many parts the rows come.
 *
 * For SQL the state is a bytea, so that it can go from one process or server to another; while rows
 * are added it is an expanded object (utils/expandeddatum.h), and adding one copies nothing else.
 */
#ifndef LSTM_CAUSES_STATE_H
#define LSTM_CAUSES_STATE_H

#include "fmgr.h"

#include "exec/causes.h"

#define LSTM_STATE_ROWS		10000
#define LSTM_STATE_BYTES	(16 * 1024 * 1024)

typedef struct LstmCausesState LstmCausesState;

/* What is the same for all rows of a group. */
typedef struct LstmCausesAsked
{
	const char *model;
	const char *label;			/* NULL: the one that has risen most */
	const char *options;		/* jsonb as text */
	bool		has_cohort;		/* false: the rows with the label are compared with those without */
} LstmCausesAsked;

/* An empty state, in a context below this one. */
extern LstmCausesState *lstm_causes_state(MemoryContext parent, const LstmCausesAsked *asked);

/* The state that a datum is: itself, or read from its bytes, which are not trusted, into a context below. */
extern LstmCausesState *lstm_causes_state_of(Datum datum, MemoryContext parent);

extern Datum lstm_causes_state_datum(LstmCausesState *state);

/* Error unless the state was asked the same. */
extern void lstm_causes_state_check(const LstmCausesState *state, const LstmCausesAsked *asked);

extern void lstm_causes_state_add(LstmCausesState *state, const LstmCausesRow *row);
extern void lstm_causes_state_merge(LstmCausesState *state, const LstmCausesState *other);

extern const LstmCausesAsked *lstm_causes_state_asked(const LstmCausesState *state);

/* The rows that are kept, in the order of their hashes; the texts are the state's.  Changes nothing. */
extern LstmCausesRow *lstm_causes_state_rows(const LstmCausesState *state, int *n);

#endif							/* LSTM_CAUSES_STATE_H */
