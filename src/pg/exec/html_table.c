/*
 * exec/html_table.c: tables of a page, with bars and shades in their cells.
 *
 * A wide table scrolls in a frame of its own, which the keyboard can reach, so that the
 * page itself is never wider than the screen.
 */
#include "glue/compat.h"

#include <math.h>

#include "exec/html.h"

/* Letters of a text in a cell at most: a label may be of any length. */
#define MAX_NAME	160
#define MAX_TEXT	1000

static void
begin_table(StringInfo html, const char *class, const char *caption)
{
	appendStringInfo(html, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
	lstm_html_clipped(html, caption, MAX_NAME);
	appendStringInfo(html, "\"><table class=\"%s\">\n<caption>", class);
	lstm_html_clipped(html, caption, MAX_NAME);
	appendStringInfoString(html, "</caption>\n");
}

void
lstm_html_table(StringInfo html, const char *caption, const LstmHtmlColumn *columns, int n_columns)
{
	begin_table(html, "list", caption);
	appendStringInfoString(html, "<thead><tr>");
	for (int i = 0; i < n_columns; i++)
	{
		appendStringInfo(html, "<th scope=\"col\"%s>", columns[i].is_number ? " class=\"n\"" : "");
		lstm_html_text(html, columns[i].name);
		appendStringInfoString(html, "</th>");
	}
	appendStringInfoString(html, "</tr></thead>\n<tbody>\n");
}

void
lstm_html_table_end(StringInfo html)
{
	appendStringInfoString(html, "</tbody></table></div>\n");
}

void
lstm_html_row(StringInfo html)
{
	appendStringInfoString(html, "<tr>");
}

void
lstm_html_row_end(StringInfo html)
{
	appendStringInfoString(html, "</tr>\n");
}

void
lstm_html_cell(StringInfo html, bool is_number)
{
	appendStringInfoString(html, is_number ? "<td class=\"n\">" : "<td>");
}

void
lstm_html_cell_end(StringInfo html)
{
	appendStringInfoString(html, "</td>");
}

void
lstm_html_cell_header(StringInfo html, const char *text)
{
	appendStringInfoString(html, "<th scope=\"row\"><bdi>");
	lstm_html_clipped(html, text, MAX_NAME);
	appendStringInfoString(html, "</bdi></th>");
}

void
lstm_html_cell_text(StringInfo html, const char *text)
{
	lstm_html_cell(html, false);
	if (text !=NULL)
		lstm_html_text(html, text);
	else
		lstm_html_number(html, NAN);
	lstm_html_cell_end(html);
}

void
lstm_html_cell_count(StringInfo html, int64 n)
{
	lstm_html_cell(html, true);
	lstm_html_count(html, n);
	lstm_html_cell_end(html);
}

void
lstm_html_cell_number(StringInfo html, double x)
{
	lstm_html_cell(html, true);
	lstm_html_number(html, x);
	lstm_html_cell_end(html);
}

void
lstm_html_cell_percent(StringInfo html, double share)
{
	lstm_html_cell(html, true);
	lstm_html_percent(html, share);
	lstm_html_cell_end(html);
}

static double
within(double x, double low, double high)
{
	/* written so that NaN becomes low */
	return x > low ? Min(x, high) : low;
}

void
lstm_html_cell_bar(StringInfo html, double share)
{
	appendStringInfo(html, "<td class=\"n bar\" style=\"--v:%.3f\"><span>", within(share, 0.0, 1.0));
	lstm_html_percent(html, share);
	appendStringInfoString(html, "</span></td>");
}

/* ---- counts by two names ------------------------------------------------------------- */

static void
put_count(StringInfo html, bool is_diagonal, int64 n, int64 n_row)
{
	double		share = n_row > 0 ? within((double) n / (double) n_row, 0.0, 1.0) : 0.0;

	/* nothing at all is left white, and what is hardly anything is seen */
	appendStringInfo(html, "<td class=\"%s\" style=\"--w:%.2f\">", is_diagonal ? "d" : n == 0 ? "zero" : "c",
					 n > 0 ? Max(share, 0.06) : 0.0);
	lstm_html_count(html, n);
	appendStringInfoString(html, "</td>");
}

void
lstm_html_matrix(StringInfo html, const char *caption, const char *row_name, const char *column_name,
				 const char *const *names, int n, const int64 *counts)
{
	begin_table(html, "matrix", caption);
	appendStringInfo(html, "<thead><tr><th scope=\"col\" colspan=\"2\">");
	lstm_html_text(html, row_name);
	appendStringInfo(html, "</th><th scope=\"colgroup\" colspan=\"%d\">", n);
	lstm_html_text(html, column_name);
	appendStringInfoString(html, "</th></tr>\n<tr><td colspan=\"2\"></td>");
	for (int c = 0; c < n; c++)
	{
		appendStringInfoString(html, "<th scope=\"col\"><abbr title=\"");
		lstm_html_clipped(html, names[c], MAX_NAME);
		appendStringInfo(html, "\">%d</abbr></th>", c + 1);
	}
	appendStringInfoString(html, "</tr></thead>\n<tbody>\n");
	for (int r = 0; r < n; r++)
	{
		int64		n_row = 0;

		for (int c = 0; c < n; c++)
			n_row += counts[r * n + c];
		appendStringInfo(html, "<tr><td class=\"number\">%d</td>", r + 1);
		lstm_html_cell_header(html, names[r]);
		for (int c = 0; c < n; c++)
			put_count(html, r == c, counts[r * n + c], n_row);
		appendStringInfoString(html, "</tr>\n");
	}
	lstm_html_table_end(html);
}

/* ---- words with weights ---------------------------------------------------------------- */

void
lstm_html_weights(StringInfo html, const char *caption, const LstmHtmlWeight *weights, int n)
{
	double		most = 0.0;
	bool		has_counts = false;

	for (int i = 0; i < n; i++)
	{
		most = Max(most, isfinite(weights[i].weight) ? fabs(weights[i].weight) : 0.0);
		has_counts |= weights[i].n > 0;
	}
	begin_table(html, "weights", caption);
	appendStringInfo(html, "<thead><tr><th scope=\"col\">word</th><th scope=\"col\" class=\"n\">weight</th>%s</tr></thead>\n<tbody>\n",
					 has_counts ? "<th scope=\"col\" class=\"n\">rows</th>" : "");
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(html, "<tr><th scope=\"row\"><bdi>");
		lstm_html_clipped(html, weights[i].name, 60);
		appendStringInfo(html, "</bdi></th><td class=\"n %s\" style=\"--v:%.3f\"><span>",
						 weights[i].weight < 0.0 ? "against" : "for",
						 most > 0.0 ? within(fabs(weights[i].weight) / most, 0.0, 1.0) : 0.0);
		if (weights[i].weight > 0.0)
			appendStringInfoChar(html, '+');
		lstm_html_number(html, weights[i].weight);
		appendStringInfoString(html, "</span></td>");
		if (has_counts)
			lstm_html_cell_count(html, weights[i].n);
		appendStringInfoString(html, "</tr>\n");
	}
	lstm_html_table_end(html);
}

void
lstm_html_mark(StringInfo html, const char *bytes, size_t n_bytes, double weight)
{
	double		strength = within(fabs(weight), 0.0, 1.0);

	/* what is hardly there is not colored: a text of faint colors is hard to read */
	if (strength < 0.05)
	{
		lstm_html_utf8(html, bytes, n_bytes);
		return;
	}
	appendStringInfo(html, "<mark class=\"%s\" style=\"--w:%.2f\">", weight > 0.0 ? "for" : "against", strength);
	lstm_html_utf8(html, bytes, n_bytes);
	appendStringInfoString(html, "</mark>");
}
