/*
 * exec/explain.h: which words made an answer what it is, for one row or many; and
 * texts whose words are colored by it.
 */
#ifndef LSTM_EXPLAIN_H
#define LSTM_EXPLAIN_H

#include "lib/stringinfo.h"

#include "model/explain.h"

/*
 * n inputs explained, in core's scratch memory (lstm_scratch): good until the next
 * answer of this session.  label as nn_explain(); options NULL: words, logits.
 * Memory is bounded by pg_lstm.train_memory.  Raises core's errors; give it some hundred rows at a time.
 */
extern NnExplanation *lstm_explain_rows(const NnModel *model, const NnValue *inputs, const int32_t *label, int n,
										const NnExplainOptions *options);

/*
 * The number of a label, given in the database's encoding; of a tagger a tag.  NULL: -1.  An
 * error that names the nearest label if there is none such, or if the model has no labels.
 */
extern int32_t lstm_label_number(const NnModel *model, const char *model_name, const char *label);

/* Does the model's task have explanations?  An error if not. */
extern void lstm_need_explained(const NnModel *model, const char *model_name);

typedef enum LstmMarkup
{
	LSTM_MARKUP_ANSI,
	LSTM_MARKUP_HTML
} LstmMarkup;

/*
 * The input's text, its words colored by their weights, appended to out: HTML as ASCII (exec/html.h), ANSI
 * as UTF-8 with all other control characters spelled out (highlight.c).  Of a list of words the text is these
 * with a space between each two.
 */
extern void lstm_highlight(StringInfo out, LstmMarkup markup, const NnValue *input, const NnExplanation *explanation);

#endif							/* LSTM_EXPLAIN_H */
