/*
 * exec/report_page.h: all that is known of a model, as a page, and some of it as text.
 */
#ifndef LSTM_REPORT_PAGE_H
#define LSTM_REPORT_PAGE_H

#include "lib/stringinfo.h"

#include "exec/report_metrics.h"
#include "store/registry.h"

/*
 * One self-contained HTML page (exec/html.h) about a version of a model that the caller may
 * use.  n_examples: rows of each kind that are shown; with 0 no row of the model's
 * source is read, and the page holds no text of any.
 */
extern void lstm_report_page(const LstmRef *ref, int n_examples, StringInfo html);

/*
 * The training of a version, and its confusion, as lines of at most 80 columns of ASCII
 * (but for labels): each ends with a newline.  Errors say what is not known of it.
 */
extern void lstm_curve_text(const LstmRef *ref, StringInfo text);
extern void lstm_confusion_text(const LstmRef *ref, StringInfo text);

/* The confusion of a version; an error if there is none. */
extern void lstm_read_confusion(const LstmRef *ref, LstmConfusion *confusion);

#endif							/* LSTM_REPORT_PAGE_H */
