/*
 * exec/html_axis.c: scales and the frame of a drawing.
 *
 * A drawing is as wide as there is room; its units are such that its letters can be
 * read on a phone and are not huge on a wide screen.
 */
#include "glue/compat.h"

#include <math.h>

#include "exec/html_private.h"

#define LEFT	48.0
#define RIGHT	(LSTM_DRAWING_WIDTH - 18.0)
#define TOP		24.0
#define BOTTOM	(LSTM_DRAWING_HEIGHT - 40.0)

#define N_TICKS	4

/* Beyond these differences overflow, and nobody sees anything anyway. */
#define MOST	1e30

/* ---- scales ------------------------------------------------------------------------- */

bool
lstm_axis_has(const LstmAxis *axis, double value)
{
	return isfinite(value) && fabs(value) < MOST && (axis->scale != LSTM_SCALE_LOG || value > 1e-30);
}

/* The largest of 1, 2, 5, 10, 20... times a power of ten that is about a quarter of the range. */
static double
nice_step(double range)
{
	double		rough = range / N_TICKS;
	double		power = pow(10.0, floor(log10(rough)));
	double		digit = rough / power;

	return power * (digit < 1.5 ? 1.0 : digit < 3.5 ? 2.0 : digit < 7.5 ? 5.0 : 10.0);
}

static void
fit_decades(LstmAxis *axis, double low, double high)
{
	double		first = floor(log10(low));
	double		last = ceil(log10(high));

	if (last <= first)
		last = first + 1.0;
	axis->step = ceil((last - first) / (N_TICKS + 1));
	axis->low = pow(10.0, first);
	axis->high = pow(10.0, last);
}

bool
lstm_axis_fit(LstmAxis *axis, LstmHtmlScale scale, double low, double high, bool is_whole, bool is_zero_based)
{
	axis->scale = scale;
	if (!(low <= high) || !lstm_axis_has(axis, low) || !lstm_axis_has(axis, high))
		return false;
	if (scale == LSTM_SCALE_LOG)
	{
		fit_decades(axis, low, high);
		return true;
	}
	if (is_zero_based)
	{
		low = Min(low, 0.0);
		high = Max(high, 0.0);
	}
	if (high - low < 1e-9 * Max(fabs(high), 1e-6))
	{
		double		room = is_whole ? 1.0 : Max(fabs(high) * 0.05, 0.01);

		low -= is_zero_based ? 0.0 : room;
		high += room;
	}
	axis->step = nice_step(high - low);
	if (is_whole)
	{
		/* the first and the last are shown, but not what lies beyond them */
		axis->step = Max(rint(axis->step), 1.0);
		axis->low = low;
		axis->high = high;
		return true;
	}
	axis->low = floor(low / axis->step + 1e-9) * axis->step;
	axis->high = ceil(high / axis->step - 1e-9) * axis->step;
	if (scale == LSTM_SCALE_SHARE)
	{
		axis->low = Max(axis->low, 0.0);
		axis->high = Min(axis->high, 1.0);
	}
	if (axis->high <= axis->low)
		axis->high = axis->low + axis->step;
	return true;
}

double
lstm_axis_place(const LstmAxis *axis, double value)
{
	double		share;

	if (axis->scale == LSTM_SCALE_LOG)
		share = (log10(value) - log10(axis->low)) / (log10(axis->high) - log10(axis->low));
	else
		share = (value - axis->low) / (axis->high - axis->low);
	share = share > 0.0 ? Min(share, 1.0) : 0.0;
	return axis->from + share * (axis->to - axis->from);
}

/* ---- ticks ---------------------------------------------------------------------------- */

static int
decimals_of(double step)
{
	return Min(Max((int) -floor(log10(step) + 1e-9), 0), 9);
}

static void
append_tick(StringInfo html, const LstmAxis *axis, double value)
{
	char		digits[64];

	/* what is left of adding steps to a low end */
	if (fabs(value) < axis->step * 1e-6 && axis->scale != LSTM_SCALE_LOG)
		value = 0.0;
	if (axis->scale == LSTM_SCALE_LOG || fabs(value) >= 1e6)
		snprintf(digits, sizeof(digits), "%g", value);
	else if (axis->scale == LSTM_SCALE_SHARE)
		snprintf(digits, sizeof(digits), "%.*f%%", decimals_of(axis->step * 100.0), value * 100.0);
	else
		snprintf(digits, sizeof(digits), "%.*f", decimals_of(axis->step), value);
	if (digits[0] == '-')
		appendStringInfo(html, "&#8722;%s", digits + 1);
	else
		appendStringInfoString(html, digits);
}

/* The value of a tick, from 0; false behind the last. */
static bool
tick_at(const LstmAxis *axis, int i, double *value)
{
	if (axis->scale == LSTM_SCALE_LOG)
		*value = pow(10.0, rint(log10(axis->low)) + i * axis->step);
	else
		*value = ceil(axis->low / axis->step - 1e-9) * axis->step + i * axis->step;
	return *value <= axis->high * (axis->high > 0.0 ? 1.0 + 1e-9 : 1.0 - 1e-9) + axis->step * 1e-9 && i < 4 * N_TICKS;
}

static void
draw_x_ticks(StringInfo html, const LstmAxis *axis)
{
	double		value;

	for (int i = 0; tick_at(axis, i, &value); i++)
	{
		double		x = lstm_axis_place(axis, value);

		appendStringInfo(html, "<path class=\"tick\" d=\"M%.1f %.1fv4\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
						 x, BOTTOM, x, BOTTOM + 16.0);
		append_tick(html, axis, value);
		appendStringInfoString(html, "</text>");
	}
}

static void
draw_y_ticks(StringInfo html, const LstmAxis *axis)
{
	double		value;

	for (int i = 0; tick_at(axis, i, &value); i++)
	{
		double		y = lstm_axis_place(axis, value);

		appendStringInfo(html, "<path class=\"grid\" d=\"M%.1f %.1fH%.1f\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
						 LEFT, y, RIGHT, LEFT - 6.0, y + 4.0);
		append_tick(html, axis, value);
		appendStringInfoString(html, "</text>");
	}
}

/* ---- the frame --------------------------------------------------------------------------- */

static void
append_caption(StringInfo html, const LstmHtmlChart *chart, const LstmHtmlSeries *series, int n_series)
{
	appendStringInfoString(html, "<figure class=\"chart\"><figcaption><strong>");
	lstm_html_text(html, chart->title);
	appendStringInfoString(html, "</strong>");
	for (int s = 0; s < n_series && n_series > 1; s++)
	{
		appendStringInfo(html, "<span class=\"key s%d%s\">", s, series[s].is_points ? " points" : "");
		lstm_html_text(html, series[s].name);
		appendStringInfoString(html, "</span>");
	}
	appendStringInfoString(html, "</figcaption>\n");
}

static void
draw_marks(StringInfo html, const LstmHtmlChart *chart, const LstmAxis *x)
{
	for (int i = 0; i < chart->n_marks; i++)
	{
		double		at;

		if (!lstm_axis_has(x, chart->marks[i].x) || chart->marks[i].x < x->low || chart->marks[i].x > x->high)
			continue;
		at = lstm_axis_place(x, chart->marks[i].x);
		appendStringInfo(html, "<path class=\"mark\" d=\"M%.1f %.1fV%.1f\"/><text class=\"mark\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
						 at, TOP, BOTTOM, at + (at > (LEFT + RIGHT) / 2.0 ? -4.0 : 4.0), TOP + 10.0,
						 at > (LEFT + RIGHT) / 2.0 ? "end" : "start");
		lstm_html_clipped(html, chart->marks[i].name, 28);
		appendStringInfoString(html, "</text>");
	}
}

void
lstm_drawing_begin(StringInfo html, const LstmHtmlChart *chart, LstmDrawing *drawing,
				   const LstmHtmlSeries *series, int n_series)
{
	drawing->x.from = LEFT;
	drawing->x.to = RIGHT;
	drawing->y.from = BOTTOM;
	drawing->y.to = TOP;
	append_caption(html, chart, series, n_series);
	appendStringInfo(html, "<svg viewBox=\"0 0 %d %d\" role=\"img\"><title>", LSTM_DRAWING_WIDTH, LSTM_DRAWING_HEIGHT);
	lstm_html_text(html, chart->title);
	appendStringInfoString(html, "</title><desc>");
	lstm_html_text(html, chart->about);
	appendStringInfoString(html, "</desc>\n");
	draw_y_ticks(html, &drawing->y);
	draw_x_ticks(html, &drawing->x);
	appendStringInfo(html, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/><text class=\"name\" x=\"4\" y=\"12\">", LEFT, BOTTOM, RIGHT);
	lstm_html_text(html, chart->y_name);
	appendStringInfo(html, "</text><text class=\"name\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", RIGHT, BOTTOM + 34.0);
	lstm_html_text(html, chart->x_name);
	appendStringInfoString(html, "</text>\n");
	if (chart->has_diagonal)
		appendStringInfo(html, "<path class=\"diagonal\" d=\"M%.1f %.1fL%.1f %.1f\"/>", LEFT, BOTTOM, RIGHT, TOP);
	draw_marks(html, chart, &drawing->x);
}

void
lstm_drawing_end(StringInfo html)
{
	appendStringInfoString(html, "</svg></figure>\n");
}
