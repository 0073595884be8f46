/*
 * exec/html.h: parts of a page that people look at.
 *
 * A page is one piece of text: HTML with its styles and drawings inside, no script, and
 * nothing fetched from anywhere; a policy in its head forbids both.  It is ASCII, all other
 * characters are written as references, so that it is the same page whatever encodings
 * database, client and file have.
 *
 * Every text of a user goes through lstm_html_text() or a function that says so; nothing
 * else writes such a text.  Functions append to html and keep nothing.  Numbers that are
 * not finite show as a dash.
 *
 *   html.c         texts and numbers, the page's frame
 *   html_style.c   how it looks, light and dark, on a phone and on paper
 *   html_table.c   tables, with bars and shades in their cells
 *   html_axis.c    scales and the frame of a drawing
 *   html_chart.c   lines, points and columns
 */
#ifndef LSTM_HTML_H
#define LSTM_HTML_H

#include "lib/stringinfo.h"

/* ---- texts and numbers ----------------------------------------------------------- */

/*
 * A text in the database's encoding, escaped: good between tags and in a quoted attribute.
 * Control characters show as their pictures; bytes that are no text, and what reorders letters, as U+FFFD.
 */
extern void lstm_html_text(StringInfo html, const char *text);

/* The same for UTF-8 bytes. */
extern void lstm_html_utf8(StringInfo html, const char *bytes, size_t n_bytes);

/* At most so many characters, and an ellipsis if there are more. */
extern void lstm_html_clipped(StringInfo html, const char *text, int max_characters);

extern void lstm_html_count(StringInfo html, int64 n);	/* 11,782 */
extern void lstm_html_number(StringInfo html, double x);	/* about four digits */
extern void lstm_html_percent(StringInfo html, double share);	/* 93.1% */
extern void lstm_html_bytes(StringInfo html, int64 n);	/* 1.4 MB */
extern void lstm_html_seconds(StringInfo html, double seconds); /* 3 min 20 s */

/* ---- the page ---------------------------------------------------------------------- */

/* A section's place in the list at the top; id is a word of ours. */
typedef struct LstmHtmlLink
{
	const char *id;
	const char *title;
} LstmHtmlLink;

/* To the end of the head; title is escaped. */
extern void lstm_html_begin(StringInfo html, const char *title);

/* The header: a word above, the title (escaped), and the links. */
extern void lstm_html_header(StringInfo html, const char *kind, const char *title, const char *lead_html,
							 const LstmHtmlLink *links, int n_links);
extern void lstm_html_end(StringInfo html, const char *footer_html);

/* intro may be NULL; it is ours and may hold tags. */
extern void lstm_html_section(StringInfo html, const char *id, const char *title, const char *intro);
extern void lstm_html_section_end(StringInfo html);

/* What stands where there is nothing to show; escaped. */
extern void lstm_html_empty(StringInfo html, const char *format,...) pg_attribute_printf(2, 3);

/* Something that one may unfold. */
extern void lstm_html_details(StringInfo html, const char *summary);
extern void lstm_html_details_end(StringInfo html);

/* Figures in large type, side by side: begin, one for each, end.  value_html was made by the functions above. */
extern void lstm_html_tiles(StringInfo html);
extern void lstm_html_tile(StringInfo html, const char *name, const char *value_html, const char *note);
extern void lstm_html_tiles_end(StringInfo html);

/* Names and values below each other: begin, one for each (name is escaped), end. */
extern void lstm_html_facts(StringInfo html);
extern void lstm_html_fact(StringInfo html, const char *name, const char *value_html);
extern void lstm_html_facts_end(StringInfo html);

/* ---- tables (html_table.c) --------------------------------------------------------- */

typedef struct LstmHtmlColumn
{
	const char *name;			/* escaped */
	bool		is_number;		/* to the right */
} LstmHtmlColumn;

/* caption is escaped.  A row is begun, its cells are written, it is ended. */
extern void lstm_html_table(StringInfo html, const char *caption, const LstmHtmlColumn *columns, int n_columns);
extern void lstm_html_table_end(StringInfo html);
extern void lstm_html_row(StringInfo html);
extern void lstm_html_row_end(StringInfo html);
extern void lstm_html_cell_header(StringInfo html, const char *text);	/* escaped; the first of a row */
extern void lstm_html_cell_text(StringInfo html, const char *text); /* escaped; NULL: a dash */
extern void lstm_html_cell_count(StringInfo html, int64 n);
extern void lstm_html_cell_number(StringInfo html, double x);
extern void lstm_html_cell_percent(StringInfo html, double share);
extern void lstm_html_cell_bar(StringInfo html, double share);	/* a share with a bar of its length */

/* A cell of which the caller writes what is inside. */
extern void lstm_html_cell(StringInfo html, bool is_number);
extern void lstm_html_cell_end(StringInfo html);

/*
 * Counts by two names (n, n), rows against columns, the larger the darker within its row; the diagonal is
 * marked.  Columns are numbered as the rows are, so that long names take no room.
 */
extern void lstm_html_matrix(StringInfo html, const char *caption, const char *row_name, const char *column_name,
							 const char *const *names, int n, const int64 *counts);

/* Words with weights, larger ones longer: two colors for the two signs, and a sign for those who see none. */
typedef struct LstmHtmlWeight
{
	const char *name;			/* escaped */
	double		weight;
	int64		n;				/* how often it was seen, 0: is not told */
} LstmHtmlWeight;

extern void lstm_html_weights(StringInfo html, const char *caption, const LstmHtmlWeight *weights, int n);

/*
 * One word of a running text with its weight, -1 to 1 of the largest there is: its background.  Text is
 * UTF-8 bytes; what stands between words is written with lstm_html_utf8().
 */
extern void lstm_html_mark(StringInfo html, const char *bytes, size_t n_bytes, double weight);

/* ---- drawings (html_axis.c, html_chart.c) -------------------------------------------- */

typedef struct LstmHtmlSeries
{
	const char *name;			/* for the legend; escaped */
	int			n;
	const double *x;
	const double *y;			/* not finite: a gap */
	bool		is_points;		/* no line */
	const double *low;			/* a band around y, with high; or NULL */
	const double *high;
} LstmHtmlSeries;

typedef struct LstmHtmlMark
{
	double		x;
	const char *name;			/* escaped */
} LstmHtmlMark;

typedef enum LstmHtmlScale
{
	LSTM_SCALE_LINEAR,
	LSTM_SCALE_SHARE,			/* 0 ... 1, told in percent */
	LSTM_SCALE_LOG
} LstmHtmlScale;

typedef struct LstmHtmlChart
{
	const char *title;			/* escaped, as are all texts here */
	const char *about;			/* a sentence for who does not see it */
	const char *x_name;
	const char *y_name;
	LstmHtmlScale x_scale;
	LstmHtmlScale y_scale;
	bool		has_whole_x;	/* ticks at whole numbers alone */
	bool		is_zero_based;	/* y begins at 0 */
	bool		has_diagonal;	/* y = x is drawn */
	const LstmHtmlMark *marks;	/* vertical lines */
	int			n_marks;
} LstmHtmlChart;

#define LSTM_HTML_SERIES 6		/* that can be told apart */

/* Lines and points of several series in one drawing; nothing finite: an empty state. */
extern void lstm_html_chart(StringInfo html, const LstmHtmlChart *chart, const LstmHtmlSeries *series, int n_series);

/* Columns: values[i] from edges[i] to edges[i + 1]. */
extern void lstm_html_columns(StringInfo html, const LstmHtmlChart *chart, const double *edges, const double *values, int n);

/* Drawings side by side where there is room. */
extern void lstm_html_grid(StringInfo html);
extern void lstm_html_grid_end(StringInfo html);

#endif							/* LSTM_HTML_H */
