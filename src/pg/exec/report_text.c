/*
 * exec/report_text.c: the curve of a training and the confusion of a version as text,
 * for who looks at them in a terminal.
 *
 * Lines have at most 80 columns and are ASCII but for labels, which may be in any script
 * and are cut by the width of their letters.
 */
#include "glue/compat.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "exec/report_page.h"
#include "exec/task.h"
#include "store/cache.h"
#include "store/record.h"

/* One column is psql's. */
#define WIDTH		78

/* ---- curves ------------------------------------------------------------------------------ */

#define PLOT_LEFT	10			/* "    0.123 |" is one more */
#define PLOT_COLUMNS (WIDTH - PLOT_LEFT - 1)
#define PLOT_ROWS	10

typedef struct Curve
{
	char		sign;
	const double *y;
} Curve;

typedef struct Plot
{
	int			n;				/* values of each curve */
	double		low;
	double		high;
	char		cell[PLOT_ROWS][PLOT_COLUMNS];
} Plot;

static void
fit(Plot *plot, const Curve *curves, int n_curves)
{
	plot->low = HUGE_VAL;
	plot->high = -HUGE_VAL;
	for (int c = 0; c < n_curves; c++)
	{
		for (int i = 0; i < plot->n; i++)
		{
			if (!isfinite(curves[c].y[i]))
				continue;
			plot->low = Min(plot->low, curves[c].y[i]);
			plot->high = Max(plot->high, curves[c].y[i]);
		}
	}
}

/* Few epochs stand a few columns apart, many share columns. */
static int
column_of(const Plot *plot, int i)
{
	int			step = Max(1, Min(6, PLOT_COLUMNS / Max(plot->n, 1)));

	return plot->n <= PLOT_COLUMNS ? i * step + step / 2 : (int) ((int64) i * PLOT_COLUMNS / plot->n);
}

static int
row_of(const Plot *plot, double y)
{
	double		share = plot->high > plot->low ? (y - plot->low) / (plot->high - plot->low) : 0.5;

	return (PLOT_ROWS - 1) - (int) rint(Min(Max(share, 0.0), 1.0) * (PLOT_ROWS - 1));
}

static void
draw(Plot *plot, const Curve *curve)
{
	for (int i = 0; i < plot->n; i++)
	{
		char	   *cell;

		if (!isfinite(curve->y[i]))
			continue;
		cell = &plot->cell[row_of(plot, curve->y[i])][column_of(plot, i)];
		/* where two meet both are there */
		*cell = *cell == ' ' || *cell == curve->sign ? curve->sign : '*';
	}
}

static void
append_row(StringInfo text, const Plot *plot, int row)
{
	int			n = PLOT_COLUMNS;

	while (n > 0 && plot->cell[row][n - 1] == ' ')
		n--;
	if (row == row_of(plot, plot->high) || row == row_of(plot, plot->low))
		appendStringInfo(text, "%*.4g |", PLOT_LEFT - 1, row == row_of(plot, plot->high) ? plot->high : plot->low);
	else
		appendStringInfo(text, "%*s |", PLOT_LEFT - 1, "");
	appendBinaryStringInfo(text, plot->cell[row], n);
	appendStringInfoChar(text, '\n');
}

/* The numbers of the first epoch, the last, and some between. */
static void
append_epochs(StringInfo text, const Plot *plot, const LstmEpochRecord *epoch)
{
	char		line[PLOT_COLUMNS + 1];
	int			next = 0;

	memset(line, ' ', PLOT_COLUMNS);
	for (int i = 0; i < plot->n; i++)
	{
		char		digits[16];
		int			n = snprintf(digits, sizeof(digits), "%d", epoch[i].epoch);
		int			at = Max(column_of(plot, i) - (n - 1), 0);

		if (at < next || at + n > PLOT_COLUMNS)
			continue;
		memcpy(line + at, digits, n);
		next = at + n + (plot->n > 20 ? 4 : 1);
	}
	line[PLOT_COLUMNS] = '\0';
	for (int i = PLOT_COLUMNS - 1; i >= 0 && line[i] == ' '; i--)
		line[i] = '\0';
	appendStringInfo(text, "%*s%s\n", PLOT_LEFT + 1, "", line);
}

/* Nothing where no value is finite. */
static void
append_plot(StringInfo text, const char *title, const LstmEpochRecord *epoch, int n, const Curve *curves, int n_curves)
{
	Plot		plot = {.n = n};

	memset(plot.cell, ' ', sizeof(plot.cell));
	fit(&plot, curves, n_curves);
	if (!(plot.low <= plot.high))
		return;
	for (int c = 0; c < n_curves; c++)
		draw(&plot, &curves[c]);
	appendStringInfo(text, "\n%s\n", title);
	for (int row = 0; row < PLOT_ROWS; row++)
		append_row(text, &plot, row);
	appendStringInfo(text, "%*s +", PLOT_LEFT - 1, "");
	for (int i = 0; i <= column_of(&plot, n - 1) && i < PLOT_COLUMNS; i++)
		appendStringInfoChar(text, '-');
	appendStringInfoChar(text, '\n');
	append_epochs(text, &plot, epoch);
}

/* A text in at most so many columns; what has no shape shows as a period.  Returns how many it took. */
static int
append_cut(StringInfo text, const char *string, int width)
{
	int			used = 0;

	while (*string != '\0')
	{
		int			n = pg_mblen(string);
		int			columns = pg_encoding_dsplen(GetDatabaseEncoding(), string);

		if (used + Max(columns, 1) > width)
			break;
		if (columns < 0)
			appendStringInfoChar(text, '.');
		else
			appendBinaryStringInfo(text, string, n);
		used += columns < 0 ? 1 : columns;
		string += n;
	}
	return used;
}

static void
append_heading(StringInfo text, const LstmRef *ref)
{
	(void) append_cut(text, ref->name, WIDTH - 24);
	appendStringInfo(text, ", version %d\n", ref->version);
}

static void
throw_no_training(const LstmRef *ref)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("nothing is known of the training of version %d of model \"%s\"", ref->version, ref->name),
			 errdetail("It was imported, or came with the extension."),
			 errhint("Train it here: lstm_train and lstm_retrain write down how it goes.")));
}

void
lstm_curve_text(const LstmRef *ref, StringInfo text)
{
	const NnModel *model;
	LstmVersionRecord version;
	LstmEpochRecord *epoch = NULL;
	Curve		curves[2];
	const char *metric;
	double	   *y[3];
	double		best;
	int			n = 0;

	if (ref->is_shipped || !lstm_record_version(&ref->model, ref->version, &version) ||
		(n = lstm_record_epochs(&ref->model, ref->version, &epoch)) == 0)
		throw_no_training(ref);
	model = lstm_cache_get(ref);
	metric = model->spec.is_multi_label ? "micro F1" : lstm_task_metric(model->spec.task);
	for (int k = 0; k < 3; k++)
		y[k] = palloc(sizeof(double) * n);
	for (int i = 0; i < n; i++)
	{
		y[0][i] = epoch[i].loss_train;
		y[1][i] = epoch[i].loss_valid;
		y[2][i] = epoch[i].metric;
	}
	append_heading(text, ref);
	best = lstm_json_number_of(version.metrics, "best_epoch");
	appendStringInfo(text, "%d epochs", n);
	if (best >= 1.0 && best <= n)
		appendStringInfo(text, ", the best was number %d", (int) best);
	appendStringInfoChar(text, '\n');
	curves[0] = (Curve) {'o', y[0]};
	curves[1] = (Curve) {'x', y[1]};
	append_plot(text, "loss: o on the rows learned from, x on held-out rows, * both", epoch, n, curves, 2);
	curves[0] = (Curve) {'x', y[2]};
	append_plot(text, psprintf("%s on held-out rows", metric), epoch, n, curves, 1);
}

/* ---- confusion --------------------------------------------------------------------------- */

#define MAX_COLUMNS	9			/* labels in the matrix: as many as find room */
#define LABEL_WIDTH	22
#define CELL_WIDTH	6
#define MAX_PAIRS	20

void
lstm_read_confusion(const LstmRef *ref, LstmConfusion *confusion)
{
	const NnModel *model = lstm_cache_get(ref);
	LstmVersionRecord version;

	lstm_need_task(model, ref->name, NN_TASK_CLASSIFY);
	if (model->spec.is_multi_label)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("model \"%s\" answers with any number of labels", ref->name),
				 errdetail("A row that has several labels is not taken for another one."),
				 errhint("lstm_versions.metrics -> 'per_class' says how well each label is told.")));
	if (ref->is_shipped || !lstm_record_version(&ref->model, ref->version, &version) ||
		!lstm_metrics_confusion(version.metrics, confusion))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("nothing is known of held-out rows of version %d of model \"%s\"", ref->version, ref->name),
				 errdetail("It was imported, or no rows were held out of its training."),
				 errhint("Train it here, with the option \"validation\" above 0; or ask lstm_evaluate about rows of a table.")));
}

static void
append_label(StringInfo text, const char *label, int width)
{
	appendStringInfoSpaces(text, width - append_cut(text, label, width));
}

static void
append_count(StringInfo text, int64 n)
{
	if (n > 99999)
		appendStringInfo(text, "%*s", CELL_WIDTH, psprintf(INT64_FORMAT "k", n / 1000));
	else
		appendStringInfo(text, "%*s", CELL_WIDTH, n == 0 ? "." : psprintf(INT64_FORMAT, n));
}

static void
append_matrix(StringInfo text, const LstmConfusion *confusion)
{
	int			n = confusion->n_labels;
	int64	   *counts = palloc0(sizeof(int64) * n * n);

	for (int i = 0; i < confusion->n_cells; i++)
		counts[confusion->cell[i].actual * n + confusion->cell[i].predicted] = confusion->cell[i].rows;
	appendStringInfo(text, "\nA line a label, a column an answer, numbered alike.\n\n%*s", LABEL_WIDTH + 4, "");
	for (int c = 0; c < n; c++)
		appendStringInfo(text, "%*d", CELL_WIDTH, c + 1);
	appendStringInfoChar(text, '\n');
	for (int a = 0; a < n; a++)
	{
		appendStringInfo(text, "%2d  ", a + 1);
		append_label(text, confusion->labels[a], LABEL_WIDTH);
		for (int p = 0; p < n; p++)
			append_count(text, counts[a * n + p]);
		appendStringInfoChar(text, '\n');
	}
}

static void
append_pairs(StringInfo text, const LstmConfusion *confusion)
{
	int			n = 0;

	appendStringInfoString(text, "\n  rows  label                            was told\n");
	for (int i = 0; i < confusion->n_cells && n < MAX_PAIRS; i++)
	{
		if (confusion->cell[i].actual == confusion->cell[i].predicted)
			continue;
		append_count(text, confusion->cell[i].rows);
		appendStringInfoString(text, "  ");
		append_label(text, confusion->labels[confusion->cell[i].actual], 31);
		appendStringInfoString(text, "  ");
		append_label(text, confusion->labels[confusion->cell[i].predicted], 31);
		while (text->data[text->len - 1] == ' ')
			text	  ->data[--text->len] = '\0';

		appendStringInfoChar(text, '\n');
		n++;
	}
}

void
lstm_confusion_text(const LstmRef *ref, StringInfo text)
{
	LstmConfusion confusion;

	lstm_read_confusion(ref, &confusion);
	append_heading(text, ref);
	appendStringInfo(text, INT64_FORMAT " of " INT64_FORMAT " held-out rows were told right (%.1f%%)\n", confusion.n_right,
					 confusion.n_rows, 100.0 * (double) confusion.n_right / (double) confusion.n_rows);
	if (confusion.n_labels <= MAX_COLUMNS)
		append_matrix(text, &confusion);
	else if (confusion.n_right < confusion.n_rows)
		append_pairs(text, &confusion);
}
