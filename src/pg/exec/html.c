/*
 * exec/html.c: texts and numbers of a page, and its frame.
 */
#include "glue/compat.h"

#include <math.h>

#include "mb/pg_wchar.h"

#include "exec/html.h"
#include "exec/html_private.h"
#include "glue/errors.h"

/* ---- texts ----------------------------------------------------------------------- */

#define REPLACEMENT		0xFFFD
#define FIRST_PICTURE	0x2400	/* of control character 0; those of the others follow */
#define PICTURE_OF_DEL	0x2421

/* What shows in the place of a character that has no shape, or that no page may hold. */
static pg_wchar
visible(pg_wchar c)
{
	if (c == '\t' || c == '\n' || (c >= ' ' && c < 0x7F))
		return c;
	if (c < ' ')
		return FIRST_PICTURE + c;
	if (c == 0x7F)
		return PICTURE_OF_DEL;
	/* references to these would be read as those of Windows-1252 */
	if (c < 0xA0)
		return REPLACEMENT;
	/* embeddings, overrides and isolates show letters in another order than they stand in */
	if ((c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069))
		return REPLACEMENT;
	/* not characters */
	if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF) || (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF))
		return REPLACEMENT;
	return c;
}

static void
put_character(StringInfo html, pg_wchar c)
{
	switch (c)
	{
		case '&':
			appendStringInfoString(html, "&amp;");
			break;
		case '<':
			appendStringInfoString(html, "&lt;");
			break;
		case '>':
			appendStringInfoString(html, "&gt;");
			break;
		case '"':
			appendStringInfoString(html, "&quot;");
			break;
		case '\'':
			appendStringInfoString(html, "&#39;");
			break;
		default:
			c = visible(c);
			if (c < 0x80)
				appendStringInfoChar(html, (char) c);
			else
				appendStringInfo(html, "&#x%X;", c);
	}
}

/* One character at p; returns its bytes.  What is no UTF-8 is taken byte by byte. */
static int
next_character(const unsigned char *p, const unsigned char *end, pg_wchar *c)
{
	int			n = pg_utf_mblen(p);

	if (n > end - p || !pg_utf8_islegal(p, n))
	{
		*c = IS_HIGHBIT_SET(*p) ? REPLACEMENT : *p;
		return 1;
	}
	*c = utf8_to_unicode(p);
	return n;
}

void
lstm_html_utf8(StringInfo html, const char *bytes, size_t n_bytes)
{
	const unsigned char *p = (const unsigned char *) bytes;
	const unsigned char *end = p + n_bytes;
	pg_wchar	c;

	while (p < end)
	{
		p += next_character(p, end, &c);
		put_character(html, c);
	}
}

void
lstm_html_clipped(StringInfo html, const char *text, int max_characters)
{
	size_t		n_bytes = strlen(text);
	const unsigned char *p;
	const unsigned char *end;
	pg_wchar	c;

	/* nobody knows what bytes of SQL_ASCII mean: those that are UTF-8 are taken for it */
	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		text = lstm_to_utf8(text, &n_bytes);
	p = (const unsigned char *) text;

	end = p + n_bytes;
	for (int n = 0; p < end; n++)
	{
		if (n == max_characters)
		{
			appendStringInfoString(html, "&#8230;");
			return;
		}
		p += next_character(p, end, &c);
		put_character(html, c);
	}
}

void
lstm_html_text(StringInfo html, const char *text)
{
	lstm_html_clipped(html, text, INT_MAX);
}

/* ---- numbers ------------------------------------------------------------------------ */

#define DASH	"&#8211;"
#define MINUS	"&#8722;"

static void
append_digits(StringInfo html, const char *digits)
{
	if (digits[0] == '-')
	{
		appendStringInfoString(html, MINUS);
		digits++;
	}
	appendStringInfoString(html, digits);
}

void
lstm_html_count(StringInfo html, int64 n)
{
	char		digits[32];
	int			length;

	if (n < 0)
		appendStringInfoString(html, MINUS);
	length = snprintf(digits, sizeof(digits), UINT64_FORMAT, n < 0 ? (uint64) 0 - (uint64) n : (uint64) n);
	for (int i = 0; i < length; i++)
	{
		if (i > 0 && (length - i) % 3 == 0)
			appendStringInfoChar(html, ',');
		appendStringInfoChar(html, digits[i]);
	}
}

void
lstm_html_number(StringInfo html, double x)
{
	char		digits[64];

	if (!isfinite(x))
	{
		appendStringInfoString(html, DASH);
		return;
	}
	if (x != 0.0 && (fabs(x) < 1e-3 || fabs(x) >= 1e7))
		snprintf(digits, sizeof(digits), "%.2e", x);
	else if (fabs(x) >= 1000.0)
	{
		lstm_html_count(html, (int64) rint(x));
		return;
	}
	else
		snprintf(digits, sizeof(digits), "%.*f", fabs(x) >= 100.0 ? 1 : fabs(x) >= 10.0 ? 2 : 3, x);
	append_digits(html, digits);
}

void
lstm_html_percent(StringInfo html, double share)
{
	char		digits[64];

	if (!isfinite(share) || fabs(share) > 1e9)
	{
		appendStringInfoString(html, DASH);
		return;
	}
	snprintf(digits, sizeof(digits), "%.1f%%", 100.0 * share);
	append_digits(html, digits);
}

void
lstm_html_bytes(StringInfo html, int64 n)
{
	static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
	double		x = (double) n;
	int			unit = 0;

	while (fabs(x) >= 999.5 && unit < lengthof(units) - 1)
	{
		x /= 1000.0;
		unit++;
	}
	appendStringInfo(html, "%.*f&#160;%s", unit > 0 && x < 99.95 ? 1 : 0, x, units[unit]);
}

void
lstm_html_seconds(StringInfo html, double seconds)
{
	int64		n;

	if (!isfinite(seconds) || fabs(seconds) > 1e12)
	{
		appendStringInfoString(html, DASH);
		return;
	}
	n = (int64) rint(seconds);
	if (seconds < 1.0)
		appendStringInfo(html, "%.0f&#160;ms", seconds * 1000.0);
	else if (seconds < 10.0)
		appendStringInfo(html, "%.1f&#160;s", seconds);
	else if (n < 60)
		appendStringInfo(html, INT64_FORMAT "&#160;s", n);
	else if (n < 3600)
		appendStringInfo(html, INT64_FORMAT "&#160;min " INT64_FORMAT "&#160;s", n / 60, n % 60);
	else
		appendStringInfo(html, INT64_FORMAT "&#160;h " INT64_FORMAT "&#160;min", n / 3600, n % 3600 / 60);
}

/* ---- the page -------------------------------------------------------------------------- */

/*
 * The policy allows the styles that stand in the page, and nothing else: no script would
 * run, whoever got one in here.
 */
void
lstm_html_begin(StringInfo html, const char *title)
{
	appendStringInfoString(html,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
						   "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"/>\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
						   "<meta name=\"color-scheme\" content=\"light dark\"/>\n"
						   "<meta name=\"generator\" content=\"pg_lstm\"/>\n<title>");
	lstm_html_text(html, title);
	appendStringInfoString(html, "</title>\n<style>\n");
	lstm_html_style(html);
	appendStringInfoString(html, "</style>\n</head>\n");
}

void
lstm_html_header(StringInfo html, const char *kind, const char *title, const char *lead_html,
				 const LstmHtmlLink *links, int n_links)
{
	appendStringInfoString(html,
						   "<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n"
						   "<header class=\"page\">\n<p class=\"kind\">");
	lstm_html_text(html, kind);
	appendStringInfoString(html, "</p>\n<h1><bdi>");
	lstm_html_text(html, title);
	appendStringInfo(html, "</bdi></h1>\n<p class=\"lead\">%s</p>\n", lead_html);
	appendStringInfoString(html, "<nav aria-label=\"Sections\"><ul>\n");
	for (int i = 0; i < n_links; i++)
	{
		appendStringInfo(html, "<li><a href=\"#%s\">", links[i].id);
		lstm_html_text(html, links[i].title);
		appendStringInfoString(html, "</a></li>\n");
	}
	appendStringInfoString(html, "</ul></nav>\n</header>\n<main id=\"main\" tabindex=\"-1\">\n");
}

void
lstm_html_end(StringInfo html, const char *footer_html)
{
	appendStringInfo(html, "</main>\n<footer class=\"page\"><p>%s</p></footer>\n</body>\n</html>\n", footer_html);
}

void
lstm_html_section(StringInfo html, const char *id, const char *title, const char *intro)
{
	appendStringInfo(html, "<section id=\"%s\" aria-labelledby=\"%s-title\">\n<h2 id=\"%s-title\">", id, id, id);
	lstm_html_text(html, title);
	appendStringInfoString(html, "</h2>\n");
	if (intro != NULL)
		appendStringInfo(html, "<p class=\"intro\">%s</p>\n", intro);
}

void
lstm_html_section_end(StringInfo html)
{
	appendStringInfoString(html, "</section>\n");
}

void
lstm_html_empty(StringInfo html, const char *format,...)
{
	StringInfoData text;
	int			needed;

	initStringInfo(&text);
	for (;;)
	{
		va_list		args;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	appendStringInfoString(html, "<p class=\"empty\">");
	lstm_html_text(html, text.data);
	appendStringInfoString(html, "</p>\n");
	pfree(text.data);
}

void
lstm_html_details(StringInfo html, const char *summary)
{
	appendStringInfoString(html, "<details><summary>");
	lstm_html_text(html, summary);
	appendStringInfoString(html, "</summary>\n");
}

void
lstm_html_details_end(StringInfo html)
{
	appendStringInfoString(html, "</details>\n");
}

void
lstm_html_tiles(StringInfo html)
{
	appendStringInfoString(html, "<dl class=\"tiles\">\n");
}

void
lstm_html_tile(StringInfo html, const char *name, const char *value_html, const char *note)
{
	appendStringInfoString(html, "<div><dt>");
	lstm_html_text(html, name);
	appendStringInfo(html, "</dt><dd>%s", value_html);
	if (note != NULL)
	{
		appendStringInfoString(html, "<small>");
		lstm_html_text(html, note);
		appendStringInfoString(html, "</small>");
	}
	appendStringInfoString(html, "</dd></div>\n");
}

void
lstm_html_tiles_end(StringInfo html)
{
	appendStringInfoString(html, "</dl>\n");
}

void
lstm_html_facts(StringInfo html)
{
	appendStringInfoString(html, "<dl class=\"facts\">\n");
}

void
lstm_html_fact(StringInfo html, const char *name, const char *value_html)
{
	appendStringInfoString(html, "<div><dt>");
	lstm_html_text(html, name);
	appendStringInfo(html, "</dt><dd>%s</dd></div>\n", value_html);
}

void
lstm_html_facts_end(StringInfo html)
{
	appendStringInfoString(html, "</dl>\n");
}
