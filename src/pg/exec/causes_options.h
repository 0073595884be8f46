/*
 * exec/causes_options.h: options of lstm_root_causes.
 */
#ifndef LSTM_CAUSES_OPTIONS_H
#define LSTM_CAUSES_OPTIONS_H

#include "utils/jsonb.h"

/* Which rows are compared. */
typedef enum LstmCompare
{
	LSTM_COMPARE_AUTO,			/* those with the label, unless the baseline hardly has any */
	LSTM_COMPARE_LABEL,			/* those with the label */
	LSTM_COMPARE_ALL			/* all */
} LstmCompare;

typedef struct LstmCausesOptions
{
	double		false_rate;
	int			limit;
	int			min_rows;
	int			max_words;
	int			examples;
	int			explain_rows;
	LstmCompare compare;
} LstmCausesOptions;

/* Defaults, and what the object says; errors name the nearest option there is. */
extern void lstm_causes_options(Jsonb *json, LstmCausesOptions *options);

#endif							/* LSTM_CAUSES_OPTIONS_H */
