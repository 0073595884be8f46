/*
 * exec/html_chart.c: lines, points and columns.
 *
 * Series differ by color, by the pattern of their lines and by the shape of their points:
 * who does not see colors, or prints without them, can tell them apart.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"

#include "exec/html_private.h"

/* Of more points only the line is drawn. */
#define MAX_DOTS	60

typedef struct Range
{
	double		low;
	double		high;
} Range;

static void
widen(Range *range, const LstmAxis *axis, const double *values, int n)
{
	for (int i = 0; i < n && values != NULL; i++)
	{
		if (!lstm_axis_has(axis, values[i]))
			continue;
		range->low = Min(range->low, values[i]);
		range->high = Max(range->high, values[i]);
	}
}

/* False if there is nothing to draw. */
static bool
fit(const LstmHtmlChart *chart, const LstmHtmlSeries *series, int n_series, LstmDrawing *drawing)
{
	Range		x = {HUGE_VAL, -HUGE_VAL};
	Range		y = {HUGE_VAL, -HUGE_VAL};

	drawing->x.scale = chart->x_scale;
	drawing->y.scale = chart->y_scale;
	for (int s = 0; s < n_series; s++)
	{
		widen(&x, &drawing->x, series[s].x, series[s].n);
		widen(&y, &drawing->y, series[s].y, series[s].n);
		widen(&y, &drawing->y, series[s].low, series[s].n);
		widen(&y, &drawing->y, series[s].high, series[s].n);
	}
	if (chart->has_diagonal)
	{
		/* a diagonal needs both axes alike */
		x.low = y.low = Min(x.low, y.low);
		x.high = y.high = Max(x.high, y.high);
	}
	return lstm_axis_fit(&drawing->x, chart->x_scale, x.low, x.high, chart->has_whole_x, false) &&
		lstm_axis_fit(&drawing->y, chart->y_scale, y.low, y.high, false, chart->is_zero_based);
}

static bool
is_shown(const LstmDrawing *drawing, const LstmHtmlSeries *series, int i)
{
	return lstm_axis_has(&drawing->x, series->x[i]) && lstm_axis_has(&drawing->y, series->y[i]);
}

static void
draw_line(StringInfo html, const LstmDrawing *drawing, const LstmHtmlSeries *series, int s)
{
	bool		is_begun = false;

	appendStringInfo(html, "<path class=\"line s%d\" d=\"", s);
	for (int i = 0; i < series->n; i++)
	{
		bool		has_point = is_shown(drawing, series, i);

		if (has_point)
			appendStringInfo(html, "%c%.1f %.1f", is_begun ? 'L' : 'M', lstm_axis_place(&drawing->x, series->x[i]),
							 lstm_axis_place(&drawing->y, series->y[i]));
		is_begun = has_point;
	}
	appendStringInfoString(html, "\"/>");
}

/* Between low and high: to the right along the one, back along the other. */
static void
draw_band(StringInfo html, const LstmDrawing *drawing, const LstmHtmlSeries *series, int s)
{
	char		command = 'M';

	appendStringInfo(html, "<path class=\"band s%d\" d=\"", s);
	for (int k = 0; k < 2 * series->n; k++)
	{
		int			i = k < series->n ? k : 2 * series->n - 1 - k;
		double		y = k < series->n ? series->low[i] : series->high[i];

		if (!lstm_axis_has(&drawing->x, series->x[i]) || !lstm_axis_has(&drawing->y, y))
			continue;
		appendStringInfo(html, "%c%.1f %.1f", command, lstm_axis_place(&drawing->x, series->x[i]),
						 lstm_axis_place(&drawing->y, y));
		command = 'L';
	}
	appendStringInfoString(html, "\"/>");
}

/* The shape tells the series, too. */
static void
draw_dot(StringInfo html, double x, double y, int s, double size)
{
	if (s % 3 == 0)
		appendStringInfo(html, "<circle class=\"dot s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\"", s, x, y, size);
	else if (s % 3 == 1)
		appendStringInfo(html, "<rect class=\"dot s%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"", s,
						 x - size, y - size, 2.0 * size, 2.0 * size);
	else
		appendStringInfo(html, "<path class=\"dot s%d\" d=\"M%.1f %.1fl%.1f %.1fh%.1fz\"", s, x, y - 1.3 * size,
						 1.3 * size, 2.2 * size, -2.6 * size);
}

static void
draw_dots(StringInfo html, const LstmDrawing *drawing, const LstmHtmlSeries *series, int s)
{
	for (int i = 0; i < series->n; i++)
	{
		if (!is_shown(drawing, series, i))
			continue;
		draw_dot(html, lstm_axis_place(&drawing->x, series->x[i]), lstm_axis_place(&drawing->y, series->y[i]), s,
				 series->n > MAX_DOTS ? 2.0 : 2.8);
		if (series->n > MAX_DOTS)
		{
			appendStringInfoString(html, "/>");
			continue;
		}
		appendStringInfoString(html, "><title>");
		lstm_html_text(html, series->name);
		appendStringInfoString(html, ", ");
		lstm_html_number(html, series->x[i]);
		appendStringInfoString(html, ": ");
		lstm_html_number(html, series->y[i]);
		appendStringInfoString(html, s % 3 == 0 ? "</title></circle>" : s % 3 == 1 ? "</title></rect>" : "</title></path>");
	}
}

void
lstm_html_chart(StringInfo html, const LstmHtmlChart *chart, const LstmHtmlSeries *series, int n_series)
{
	LstmDrawing drawing;

	n_series = Min(n_series, LSTM_HTML_SERIES);
	if (!fit(chart, series, n_series, &drawing))
	{
		lstm_html_empty(html, "%s: nothing is known.", chart->title);
		return;
	}
	lstm_drawing_begin(html, chart, &drawing, series, n_series);
	for (int s = 0; s < n_series; s++)
	{
		CHECK_FOR_INTERRUPTS();
		if (series[s].low != NULL && series[s].high != NULL)
			draw_band(html, &drawing, &series[s], s);
		if (!series[s].is_points)
			draw_line(html, &drawing, &series[s], s);
		if (series[s].is_points || series[s].n <= MAX_DOTS)
			draw_dots(html, &drawing, &series[s], s);
		appendStringInfoChar(html, '\n');
	}
	lstm_drawing_end(html);
}

void
lstm_html_columns(StringInfo html, const LstmHtmlChart *chart, const double *edges, const double *values, int n)
{
	Range		x = {HUGE_VAL, -HUGE_VAL};
	Range		y = {0.0, 0.0};
	LstmDrawing drawing;

	drawing.x.scale = chart->x_scale;
	drawing.y.scale = chart->y_scale;
	widen(&x, &drawing.x, edges, n + 1);
	widen(&y, &drawing.y, values, n);
	if (n < 1 || !lstm_axis_fit(&drawing.x, chart->x_scale, x.low, x.high, chart->has_whole_x, false) ||
		!lstm_axis_fit(&drawing.y, chart->y_scale, y.low, y.high, false, true))
	{
		lstm_html_empty(html, "%s: nothing is known.", chart->title);
		return;
	}
	lstm_drawing_begin(html, chart, &drawing, NULL, 0);
	for (int i = 0; i < n; i++)
	{
		double		from;
		double		to;
		double		top;

		if (!lstm_axis_has(&drawing.x, edges[i]) || !lstm_axis_has(&drawing.x, edges[i + 1]) || !(values[i] > 0.0))
			continue;
		from = lstm_axis_place(&drawing.x, edges[i]);
		to = lstm_axis_place(&drawing.x, edges[i + 1]);
		top = lstm_axis_place(&drawing.y, values[i]);
		appendStringInfo(html, "<rect class=\"column\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>",
						 from + 0.5, top, Max(to - from - 1.0, 0.5), drawing.y.from - top);
		lstm_html_number(html, values[i]);
		appendStringInfoString(html, "</title></rect>");
	}
	lstm_drawing_end(html);
}

void
lstm_html_grid(StringInfo html)
{
	appendStringInfoString(html, "<div class=\"grid\">\n");
}

void
lstm_html_grid_end(StringInfo html)
{
	appendStringInfoString(html, "</div>\n");
}
