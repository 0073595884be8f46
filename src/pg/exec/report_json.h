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

/* Figures of tags, texts and forecasts, those that apply. */
extern void lstm_json_sequence(StringInfo json, const NnSequenceMetrics *metrics);

/* How well spans, or single tags, of each type were found: an array under key. */
typedef struct LstmTypeScore
{
	const char *type;			/* in the database's encoding */
	NnSpanCount count;
} LstmTypeScore;

extern void lstm_json_types(StringInfo json, const char *key, const LstmTypeScore *score, int n);

/* The network in numbers, as an object. */
extern char *lstm_json_facts(const NnSpec *spec, int64 n_parameters);

#endif							/* LSTM_REPORT_JSON_H */
