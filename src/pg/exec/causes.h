/*
 * exec/causes.h: which phrases drive a label in some rows, compared with others.
 *
 * Rows are given one batch after another; the model says which of them have the label.
 * Phrases are counted in all rows (topic/phrases.h), and what speaks for the label
 * is explained (model/explain.h) in some thousand rows of the cohort.
 */
#ifndef LSTM_CAUSES_H
#define LSTM_CAUSES_H

#include "utils/jsonb.h"

#include "model/answer.h"
#include "topic/phrases.h"

#include "exec/causes_options.h"
#include "store/registry.h"

typedef struct LstmCauses LstmCauses;

/* One row; the texts stay the caller's. */
typedef struct LstmCausesRow
{
	NnValue		input;			/* a text */
	const char *key;			/* in the database's encoding; NULL: none */
	bool		is_cohort;
	bool		is_baseline;	/* a row may be neither; the cohort goes before */
} LstmCausesRow;

/* What one phrase does, in the database's encoding. */
typedef struct LstmCause
{
	const char *phrase;
	double		share;			/* NAN: unknown */
	double		lift;
	int64		support;
	double		p_value;
	int			n_examples;
	const char **examples;		/* keys, each may be NULL */
	const char **snippets;
	const char *forms;			/* a line each; "" if none */
	int64		baseline_support;
} LstmCause;

/*
 * Everything is in the current context, which the caller deletes.  The model must stay (store/cache.h).
 * compares_label: no cohort is given, the rows with the label are it.
 */
extern LstmCauses *lstm_causes_begin(const NnModel *model, const char *model_name, bool compares_label,
									 const LstmCausesOptions *options);

extern void lstm_causes_add(LstmCauses *causes, const LstmCausesRow *rows, int n);

/*
 * The number of a label.  NULL: the one that the cohort has more of than the
 * baseline, as surely as any.  An error if there is no such label.
 */
extern int	lstm_causes_label(const LstmCauses *causes, const char *label);

/* Causes, the surest first. */
extern LstmCause *lstm_causes_find(LstmCauses *causes, int label, int *n);

#endif							/* LSTM_CAUSES_H */
