/*
 * exec/cause_groups.h: the rows of a relation that a model gives a label, grouped by what drives it.
 */
#ifndef LSTM_CAUSE_GROUPS_H
#define LSTM_CAUSE_GROUPS_H

#include "store/registry.h"
#include "store/source.h"

typedef struct LstmGroupedRow
{
	char	   *key;			/* NULL: none */
	int			group;			/* from 0, that of most rows; -1: none */
	float		near;
} LstmGroupedRow;

typedef struct LstmGroupedRows
{
	int64		n;
	LstmGroupedRow *row;		/* in the order of reading */
	int			n_groups;
	const char **name;			/* (n_groups) words, commas between them, in the database's encoding */
} LstmGroupedRows;

/* info has no target; the key may be missing.  Everything is in the current context, which the caller deletes. */
extern LstmGroupedRows *lstm_group_causes(const LstmRef *ref, const LstmSourceInfo *info, const char *label,
										  int n_groups, uint64 seed);

#endif							/* LSTM_CAUSE_GROUPS_H */
