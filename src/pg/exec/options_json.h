/*
 * exec/options_json.h: the options argument, a jsonb object, as core's options.
 */
#ifndef LSTM_OPTIONS_JSON_H
#define LSTM_OPTIONS_JSON_H

#include "utils/jsonb.h"

#include "model/learn.h"

/* Errors name the option; one that means nothing to the task is an error, too. */
extern void lstm_options_read(Jsonb *json, NnTask task, NnOptions *options);

/* Give the learner the option class_weights, where it is an object of labels and weights. */
extern void lstm_options_weigh(Jsonb *json, NnLearner *learner);

/* "integer", "choice"... */
extern const char *lstm_option_kind_name(NnOptionKind kind);

#endif							/* LSTM_OPTIONS_JSON_H */
