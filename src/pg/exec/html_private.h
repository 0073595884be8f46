/*
 * exec/html_private.h: what the files of html.h share.
 */
#ifndef LSTM_HTML_PRIVATE_H
#define LSTM_HTML_PRIVATE_H

#include "exec/html.h"

/* The page's styles (html_style.c). */
extern void lstm_html_style(StringInfo html);

/* ---- html_axis.c ------------------------------------------------------------------- */

/* The drawing's size in its own units, and the part of it that shows values. */
#define LSTM_DRAWING_WIDTH	440
#define LSTM_DRAWING_HEIGHT	250

typedef struct LstmAxis
{
	LstmHtmlScale scale;
	double		low;
	double		high;
	double		step;			/* between ticks; of a logarithmic scale in decades */
	double		from;			/* where low is drawn ... */
	double		to;				/* ... and high */
} LstmAxis;

typedef struct LstmDrawing
{
	LstmAxis	x;
	LstmAxis	y;
} LstmDrawing;

/* Bounds that hold all values shown, rounded to ticks; false if there is no finite one. */
extern bool lstm_axis_fit(LstmAxis *axis, LstmHtmlScale scale, double low, double high, bool is_whole,
						  bool is_zero_based);

/* Where a value stands; within the axis's ends. */
extern double lstm_axis_place(const LstmAxis *axis, double value);

/* Can it be shown? */
extern bool lstm_axis_has(const LstmAxis *axis, double value);

/* Figure, caption with legend, svg with its title, grid, ticks and names; and back. */
extern void lstm_drawing_begin(StringInfo html, const LstmHtmlChart *chart, LstmDrawing *drawing,
							   const LstmHtmlSeries *series, int n_series);
extern void lstm_drawing_end(StringInfo html);

#endif							/* LSTM_HTML_PRIVATE_H */
