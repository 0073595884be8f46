/*
 * exec/report_metrics.h: the metrics of a version, read back from their JSON.
 *
 * Whoever restores a dump fills the rows that these stand in, so a key that is missing
 * or is of another kind is taken for one that is not known.
 */
#ifndef LSTM_REPORT_METRICS_H
#define LSTM_REPORT_METRICS_H

#include "utils/jsonb.h"

#include "model/split.h"

/* A number under a key of the object, or under a key of an object in it; NAN if there is none. */
extern double lstm_json_number_of(const Jsonb *json, const char *key);
extern double lstm_json_number_in(const Jsonb *json, const char *object, const char *key);

/* A text, NULL if there is none; true if there is a true. */
extern char *lstm_json_text_of(const Jsonb *json, const char *key);
extern bool lstm_json_truth_of(const Jsonb *json, const char *key);

/* How well one label, or one kind of span, is told. */
typedef struct LstmLabelFigures
{
	const char *label;
	int64		rows;			/* of the training; -1: unknown */
	int64		n;				/* held out, with this label */
	double		precision;
	double		recall;
	double		f1;
	double		threshold;		/* of many labels; else NAN */
} LstmLabelFigures;

/* Those of an array under key, whose objects have their name under name_key. */
extern int	lstm_metrics_labels(const Jsonb *metrics, const char *key, const char *name_key, LstmLabelFigures **figures);

/* Rows by the label that they have and the label that was answered. */
typedef struct LstmConfusion
{
	int			n_labels;
	const char **labels;		/* in byte order */
	int			n_cells;		/* not zero */
	struct LstmConfusionCell
	{
		int			actual;
		int			predicted;
		int64		rows;
	}		   *cell;			/* the most rows first */
	int64		n_rows;			/* in all cells */
	int64		n_right;
} LstmConfusion;

/* False if the metrics have none: nothing was held out, or the task has no such thing. */
extern bool lstm_metrics_confusion(const Jsonb *metrics, LstmConfusion *confusion);

/* The split that a version's facts tell; false if they do not. */
extern bool lstm_facts_split(Jsonb *facts, NnSplit *split);

#endif							/* LSTM_REPORT_METRICS_H */
