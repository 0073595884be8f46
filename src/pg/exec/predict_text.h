/*
 * exec/predict_text.h: the answer of a model of any task, as text.
 */
#ifndef LSTM_PREDICT_TEXT_H
#define LSTM_PREDICT_TEXT_H

#include "model/answer.h"
#include "model/write.h"

/*
 * A label, a number, tags or a text, in the task's own terms, palloc'd and in
 * the database's encoding:
 *   classify, regress     the most probable label; the number
 *   tag                   the tags, a space between each two
 *   translate, caption    what is written
 *   language              what most probably comes next, some tokens
 *   forecast              the medians of the model's horizon, as an array
 */
extern char *lstm_predict_text(const NnModel *model, const NnValue *input);

/* How translations and captions are written. */
extern void lstm_write_options(NnWriteOptions *options, int beam);

#define LSTM_DEFAULT_BEAM	4
#define LSTM_MAX_BEAM		64

#endif							/* LSTM_PREDICT_TEXT_H */
