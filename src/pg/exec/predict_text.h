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
 *     with many labels    those that reach their thresholds, as a text[]
 *   tag                   the tags, a space between each two
 *   translate, caption    what is written
 *   language              what most probably comes next, some tokens
 *   forecast              the medians of the model's horizon, as an array
 */
extern char *lstm_predict_text(const NnModel *model, const NnValue *input);

/* UTF-8, 0-terminated; the model's, palloc'd or scratch: good until the next answer. */
typedef struct LstmText
{
	const char *bytes;
	size_t		n_bytes;
} LstmText;

/*
 * The same for n inputs, each with the very answer that it gets alone.  What core
 * says against an input is returned, not raised.  readings (n), or NULL, are zeros
 * where a task does not tell.
 */
extern NnStatus lstm_predict_texts(const NnModel *model, const NnValue *inputs, int n, LstmText *texts,
								   NnReading *readings, NnError *err);

/* How translations and captions are written. */
extern void lstm_write_options(NnWriteOptions *options, int beam);

#define LSTM_DEFAULT_BEAM	4
#define LSTM_MAX_BEAM		64

#endif							/* LSTM_PREDICT_TEXT_H */
