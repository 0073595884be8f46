/*
 * exec/report_json.h: figures of a training or an evaluation as JSON.
 *
 * What is undefined or not finite becomes null.
 */
#ifndef LSTM_REPORT_JSON_H
#define LSTM_REPORT_JSON_H

#include "lib/stringinfo.h"

#include "model/learn.h"

/* "key": value, with a comma before it unless it is the first of its object. */
extern void lstm_json_key(StringInfo json, const char *key);
extern void lstm_json_number(StringInfo json, const char *key, double value);
extern void lstm_json_count(StringInfo json, const char *key, int64 value);
extern void lstm_json_text(StringInfo json, const char *key, const char *value);
extern void lstm_json_boolean(StringInfo json, const char *key, bool value);

/*
 * Metrics of a task, appended to an open object.  labels (C, in the database's
 * encoding), n_rows (C), per_class and confusion may be NULL.
 */
extern void lstm_json_metrics(StringInfo json, NnTask task, const NnMetrics *metrics,
							  int C, const char *const *labels, const int64_t *n_rows,
							  const NnClassMetrics *per_class, const int64_t *confusion);

/* An array of the figures of each label; n_rows (C) and threshold (C) may be NULL. */
extern void lstm_json_per_class(StringInfo json, int C, const char *const *labels, const int64_t *n_rows,
								const NnClassMetrics *per_class, const float *threshold);

/* Answers that are sets of labels, and how far probabilities are from the truth (report_decision.c). */
extern void lstm_json_sets(StringInfo json, const NnSetMetrics *metrics);
extern void lstm_json_calibration(StringInfo json, double temperature, const NnCalibration *before,
								  const NnCalibration *after);

/* What a training found out of how to decide; nothing unless the task is classify. */
extern void lstm_json_decision(StringInfo json, const NnModel *model, const char *const *labels,
							   const NnLearnReport *report);

/* Figures of tags, texts and forecasts, those that apply. */
extern void lstm_json_sequence(StringInfo json, const NnSequenceMetrics *metrics);

/* How well spans, or single tags, of each type were found: an array under key. */
typedef struct LstmTypeScore
{
	const char *type;			/* in the database's encoding */
	NnSpanCount count;
} LstmTypeScore;

extern void lstm_json_types(StringInfo json, const char *key, const LstmTypeScore *score, int n);

/* What was held out, as an object under "split". */
extern void lstm_json_split(StringInfo json, const NnSplit *split);

/*
 * What later inputs are compared with, as an object under "baseline"; per_class (C) or NULL
 * says how often each label was answered for held-out rows.
 */
extern void lstm_json_baseline(StringInfo json, const NnBaseline *baseline, const NnClassMetrics *per_class, int C);

/* The network in numbers, as an object. */
extern char *lstm_json_facts(const NnSpec *spec, int64 n_parameters);

#endif							/* LSTM_REPORT_JSON_H */
