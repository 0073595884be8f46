/*
 * exec/causes_relation.h: root causes in the rows of a relation, or of an aggregate.
 */
#ifndef LSTM_CAUSES_RELATION_H
#define LSTM_CAUSES_RELATION_H

#include "exec/causes_state.h"
#include "store/source.h"

typedef struct LstmCausesRequest
{
	LstmRef		model;
	Oid			relation;
	const char *input;			/* column */
	const char *label;			/* NULL: the one that has risen most */
	const char *cohort;			/* condition or boolean column; NULL: the rows with the label */
	const char *baseline;		/* the same; NULL: all rows that are not of the cohort */
	const char *key;			/* column; NULL: the primary key, if there is one of one column */
	LstmCausesOptions options;
} LstmCausesRequest;

/* A relation, a column of texts, and a key: NULL for the primary key, if there is one of one column. */
extern void lstm_causes_describe(Oid relation, const char *input, const char *key, LstmSourceInfo *info);

/* Reads with the caller's rights.  Everything is in the current context, which the caller deletes. */
extern LstmCause *lstm_causes_of_relation(const LstmCausesRequest *request, int *n);

/* In the rows that a state kept. */
extern LstmCause *lstm_causes_of_state(const LstmCausesState *state, int *n);

#endif							/* LSTM_CAUSES_RELATION_H */
