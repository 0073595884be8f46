/*
 * sqlapi/fn_report.c: lstm_report, lstm_curve, lstm_confusion, lstm_confusion_text.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "exec/report_page.h"
#include "glue/result.h"
#include "sqlapi/input.h"

PG_FUNCTION_INFO_V1(pg_lstm_report);
PG_FUNCTION_INFO_V1(pg_lstm_curve);
PG_FUNCTION_INFO_V1(pg_lstm_confusion);
PG_FUNCTION_INFO_V1(pg_lstm_confusion_text);

#define MAX_EXAMPLES	50

/* Of more labels only pairs that occur are told: all pairs would be too many rows. */
#define MAX_ALL_PAIRS	100

/* The version that the first two arguments name: the live one if there is no number. */
static void
version_asked(FunctionCallInfo fcinfo, LstmRef *ref)
{
	if (PG_ARGISNULL(1))
		*ref = *lstm_model_argument(fcinfo, 0);
	else
		lstm_numbered_version(text_to_cstring(PG_GETARG_TEXT_PP(0)), lstm_version_argument(fcinfo, 1), ref);
}

/* (model, version, examples) */
Datum
pg_lstm_report(PG_FUNCTION_ARGS)
{
	StringInfoData html;
	LstmRef		ref;
	int			n_examples;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(2))
		PG_RETURN_NULL();
	version_asked(fcinfo, &ref);
	n_examples = lstm_integer_argument(fcinfo, 2, "examples", 0, MAX_EXAMPLES);
	initStringInfo(&html);
	lstm_report_page(&ref, n_examples, &html);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(html.data, html.len));
}

/* ---- lines ---------------------------------------------------------------------------- */

/* A row for each line: psql marks the lines of one value with signs of its own. */
static Datum
put_lines(FunctionCallInfo fcinfo, void (*write) (const LstmRef *ref, StringInfo text))
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	StringInfoData text;
	LstmRef		ref;
	char	   *line;

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	version_asked(fcinfo, &ref);
	initStringInfo(&text);
	write(&ref, &text);
	for (line = text.data; *line != '\0';)
	{
		char	   *end = strchr(line, '\n');

		*end = '\0';
		lstm_row_text(&row, line);
		lstm_row_put(&row, set);
		line = end + 1;
	}
	return (Datum) 0;
}

/* (model, version) */
Datum
pg_lstm_curve(PG_FUNCTION_ARGS)
{
	return put_lines(fcinfo, lstm_curve_text);
}

/* (model, version) */
Datum
pg_lstm_confusion_text(PG_FUNCTION_ARGS)
{
	return put_lines(fcinfo, lstm_confusion_text);
}

/* ---- confusion ---------------------------------------------------------------------------- */

static void
put_cell(LstmRowBuilder *row, Tuplestorestate *set, const LstmConfusion *confusion, int actual, int predicted, int64 n)
{
	lstm_row_text(row, confusion->labels[actual]);
	lstm_row_text(row, confusion->labels[predicted]);
	lstm_row_datum(row, Int64GetDatum(n));
	lstm_row_put(row, set);
}

/* All pairs in the order of the labels, so that \crosstabview gives the matrix as it is. */
static void
put_matrix(LstmRowBuilder *row, Tuplestorestate *set, const LstmConfusion *confusion)
{
	int			n = confusion->n_labels;
	int64	   *counts = palloc0(sizeof(int64) * n * n);

	for (int i = 0; i < confusion->n_cells; i++)
		counts[confusion->cell[i].actual * n + confusion->cell[i].predicted] = confusion->cell[i].rows;
	for (int i = 0; i < n * n; i++)
		put_cell(row, set, confusion, i / n, i % n, counts[i]);
}

/* (model, version) */
Datum
pg_lstm_confusion(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	LstmConfusion confusion;
	LstmRef		ref;

	if (PG_ARGISNULL(0))
		return (Datum) 0;
	version_asked(fcinfo, &ref);
	lstm_read_confusion(&ref, &confusion);
	if (confusion.n_labels <= MAX_ALL_PAIRS)
		put_matrix(&row, set, &confusion);
	else
		for (int i = 0; i < confusion.n_cells; i++)
			put_cell(&row, set, &confusion, confusion.cell[i].actual, confusion.cell[i].predicted, confusion.cell[i].rows);
	return (Datum) 0;
}
