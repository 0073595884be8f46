/*
 * exec/highlight.c: a text whose words are colored by their weights.
 *
 * A word's color is as strong as its weight beside the largest one of the text: green
 * where it speaks for the label, red and underlined where it speaks against, as not
 * everybody tells the two colors apart.
 *
 * The text may come from anywhere.  In a terminal it must not move the cursor, change
 * the title or the direction of writing: control characters other than the tab and the line
 * feed are spelled out as less(1) does, ^[ and <9B> and <U+202E>.
 */
#include "glue/compat.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "exec/explain.h"
#include "exec/html.h"
#include "exec/text_range.h"

/* Weaker words are not colored: a text of faint colors is hard to read. */
#define LEAST_STRENGTH	0.05

/* ---- a terminal ---------------------------------------------------------------------- */

/* Characters that change how others are shown. */
static bool
is_direction(pg_wchar c)
{
	return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static void
append_plain(StringInfo out, const char *bytes, size_t n_bytes)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + n_bytes;

	while (p < end)
	{
		int			length = Min(pg_utf_mblen(p), (int) (end - p));
		pg_wchar	c = utf8_to_unicode(p);

		if (c == 0x7F || (c < 0x20 && c != '\t' && c != '\n'))
			appendStringInfo(out, "^%c", (int) (c ^ 0x40));
		else if (c >= 0x80 && c < 0xA0)
			appendStringInfo(out, "<%02X>", c);
		else if (is_direction(c))
			appendStringInfo(out, "<U+%04X>", c);
		else
			appendBinaryStringInfo(out, (const char *) p, length);
		p += length;
	}
}

/* Black on four shades of green and red of the 256 colors that terminals have. */
static void
append_ansi_word(StringInfo out, const char *bytes, size_t n_bytes, double strength)
{
	static const int shades[2][4] = {{194, 157, 120, 83}, {224, 217, 210, 203}};
	int			shade = Min((int) (fabs(strength) * 4.0), 3);

	appendStringInfo(out, "\033[%s30;48;5;%dm", strength < 0.0 ? "4;" : "", shades[strength < 0.0][shade]);
	append_plain(out, bytes, n_bytes);
	appendStringInfoString(out, "\033[0m");
}

/* ---- a page ---------------------------------------------------------------------------- */

static void
append_html_word(StringInfo out, const char *bytes, size_t n_bytes, double strength, double weight)
{
	appendStringInfo(out, "<mark style=\"color:inherit;background-color:rgba(%s,%.2f)%s\" title=\"%+.3g\">",
					 strength > 0.0 ? "46,160,67" : "218,54,51", fabs(strength) * 0.75,
					 strength > 0.0 ? "" : ";text-decoration:underline", weight);
	lstm_html_utf8(out, bytes, n_bytes);
	appendStringInfoString(out, "</mark>");
}

/* ---- both -------------------------------------------------------------------------------- */

static void
append_between(StringInfo out, LstmMarkup markup, const char *bytes, size_t n_bytes)
{
	if (markup == LSTM_MARKUP_HTML)
		lstm_html_utf8(out, bytes, n_bytes);
	else
		append_plain(out, bytes, n_bytes);
}

static void
append_word(StringInfo out, LstmMarkup markup, const char *bytes, size_t n_bytes, double weight, double largest)
{
	double		strength = largest > 0.0 ? Max(-1.0, Min(weight / largest, 1.0)) : 0.0;

	if (fabs(strength) < LEAST_STRENGTH || n_bytes == 0)
		append_between(out, markup, bytes, n_bytes);
	else if (markup == LSTM_MARKUP_HTML)
		append_html_word(out, bytes, n_bytes, strength, weight);
	else
		append_ansi_word(out, bytes, n_bytes, strength);
}

void
lstm_highlight(StringInfo out, LstmMarkup markup, const NnValue *input, const NnExplanation *explanation)
{
	double		largest = 0.0;
	size_t		at = 0;
	int64		character = 0;
	LstmRuler	ruler;
	const char *bytes;

	lstm_ruler_init(&ruler, input);
	bytes = ruler.text;
	for (int k = 0; k < explanation->n_parts; k++)
		largest = Max(largest, fabs(explanation->part[k].weight));
	if (markup == LSTM_MARKUP_HTML)
		appendStringInfoString(out, "<span style=\"white-space:pre-wrap;unicode-bidi:isolate\">");
	for (int k = 0; k < explanation->n_parts;)
	{
		NnExplainPart word = explanation->part[k++];
		size_t		start = nn_utf8_skip(bytes, ruler.n_bytes, at, word.start - character);
		size_t		stop;

		/* several words may be of one character, which is shown once */
		for (; k < explanation->n_parts && explanation->part[k].start < word.stop; k++)
		{
			word.stop = Max(word.stop, explanation->part[k].stop);
			word.weight += explanation->part[k].weight;
		}
		stop = nn_utf8_skip(bytes, ruler.n_bytes, start, word.stop - word.start);
		append_between(out, markup, bytes + at, start - at);
		append_word(out, markup, bytes + start, stop - start, word.weight, largest);
		at = stop;
		character = word.stop;
	}
	append_between(out, markup, bytes + at, ruler.n_bytes - at);
	if (markup == LSTM_MARKUP_HTML)
		appendStringInfoString(out, "</span>");
}
