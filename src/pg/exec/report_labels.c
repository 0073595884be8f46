/*
 * exec/report_labels.c: how well each label is told on held-out rows, what is taken for
 * what, whether probabilities are what they say, and what abstaining would cost.
 *
 * All of it is on record since the training (metrics, model/held_out.h): no row is read.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"

#include "exec/report_page_private.h"
#include "glue/errors.h"
#include "store/cuts.h"

#define MAX_LABELS		200		/* in the table */
#define MAX_MATRIX		16		/* labels in the matrix */
#define MAX_PAIRS		12		/* of labels taken for each other */

#define NOTHING_HELD_OUT "Nothing is known of held-out rows: the training held none out, or it was not done here."

/* ---- labels ---------------------------------------------------------------------------------- */

/* Many rows first; then in the order of the labels. */
static int
compare_figures(const void *a, const void *b)
{
	const LstmLabelFigures *x = a;
	const LstmLabelFigures *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return strcmp(x->label, y->label);
}

static void
put_label(StringInfo html, const LstmLabelFigures *label, bool has_thresholds)
{
	/* of a label without held-out rows nothing is known */
	bool		is_known = label->n > 0;

	lstm_html_row(html);
	lstm_html_cell_header(html, label->label);
	lstm_html_cell_bar(html, is_known ? label->precision : NAN);
	lstm_html_cell_bar(html, is_known ? label->recall : NAN);
	lstm_html_cell_bar(html, is_known ? label->f1 : NAN);
	if (has_thresholds)
		lstm_html_cell_number(html, label->threshold);
	lstm_html_cell_count(html, Max(label->n, 0));
	if (label->rows >= 0)
		lstm_html_cell_count(html, label->rows);
	else
		lstm_html_cell_number(html, NAN);
	lstm_html_row_end(html);
}

void
lstm_report_labels(LstmReport *r, StringInfo html)
{
	static const LstmHtmlColumn plain[] = {
		{"label", false}, {"precision", true}, {"recall", true}, {"F1", true}, {"held-out rows", true}, {"rows", true},
	};
	static const LstmHtmlColumn with_thresholds[] = {
		{"label", false}, {"precision", true}, {"recall", true}, {"F1", true}, {"threshold", true}, {"held-out rows", true}, {"rows", true},
	};
	bool		has_thresholds = r->model->spec.is_multi_label;
	LstmLabelFigures *figures;
	int			n = lstm_metrics_labels(r->version.metrics, "per_class", "label", &figures);

	if (n == 0)
	{
		lstm_html_empty(html, NOTHING_HELD_OUT);
		return;
	}
	appendStringInfoString(html, "<p class=\"intro\">Precision: of the rows that were told this label, so many have it. "
						   "Recall: of the rows that have it, so many were told it.</p>\n");
	qsort(figures, n, sizeof(LstmLabelFigures), compare_figures);
	lstm_html_table(html, "On held-out rows, the most frequent labels first",
					has_thresholds ? with_thresholds : plain, has_thresholds ? lengthof(with_thresholds) : lengthof(plain));
	for (int i = 0; i < Min(n, MAX_LABELS); i++)
		put_label(html, &figures[i], has_thresholds);
	lstm_html_table_end(html);
	if (n > MAX_LABELS)
		appendStringInfo(html, "<p class=\"legend\">And %d labels more, with fewer rows.</p>\n", n - MAX_LABELS);
}

/* ---- confusion --------------------------------------------------------------------------------- */

typedef struct Counted
{
	int			label;
	int64		rows;
} Counted;

static int
compare_counted(const void *a, const void *b)
{
	const Counted *x = a;
	const Counted *y = b;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	return x->label < y->label ? -1 : x->label > y->label;
}

/* Labels by how many rows they are mixed up in; where all find room, in their own order. */
static Counted *
order_labels(const LstmConfusion *confusion)
{
	Counted    *order = palloc0(sizeof(Counted) * Max(confusion->n_labels, 1));

	for (int c = 0; c < confusion->n_labels; c++)
		order[c].label = c;
	if (confusion->n_labels <= MAX_MATRIX)
		return order;
	for (int i = 0; i < confusion->n_cells; i++)
	{
		if (confusion->cell[i].actual == confusion->cell[i].predicted)
			continue;
		order[confusion->cell[i].actual].rows += confusion->cell[i].rows;
		order[confusion->cell[i].predicted].rows += confusion->cell[i].rows;
	}
	qsort(order, confusion->n_labels, sizeof(Counted), compare_counted);
	return order;
}

static void
put_matrix(StringInfo html, const LstmConfusion *confusion)
{
	Counted    *order = order_labels(confusion);
	int			n = Min(confusion->n_labels, MAX_MATRIX);
	int		   *place = palloc(sizeof(int) * Max(confusion->n_labels, 1));
	const char **names = palloc(sizeof(char *) * Max(n, 1));
	int64	   *counts = palloc0(sizeof(int64) * Max(n * n, 1));

	for (int i = 0; i < confusion->n_labels; i++)
	{
		place[order[i].label] = i;
		if (i < n)
			names[i] = confusion->labels[order[i].label];
	}
	for (int i = 0; i < confusion->n_cells; i++)
	{
		int			row = place[confusion->cell[i].actual];
		int			column = place[confusion->cell[i].predicted];

		if (row < n && column < n)
			counts[row * n + column] += confusion->cell[i].rows;
	}
	lstm_html_matrix(html, confusion->n_labels > n ? psprintf("The %d of %d labels that are mixed up most", n, confusion->n_labels) :
					 "Held-out rows", "label of the row", "was told", names, n, counts);
}

static void
put_pairs(StringInfo html, const LstmConfusion *confusion)
{
	static const LstmHtmlColumn columns[] = {{"label of the row", false}, {"was told", false}, {"rows", true}};
	int			n = 0;

	lstm_html_table(html, "What is mistaken most often", columns, lengthof(columns));
	for (int i = 0; i < confusion->n_cells && n < MAX_PAIRS; i++)
	{
		if (confusion->cell[i].actual == confusion->cell[i].predicted)
			continue;
		lstm_html_row(html);
		lstm_html_cell_header(html, confusion->labels[confusion->cell[i].actual]);
		lstm_html_cell_text(html, confusion->labels[confusion->cell[i].predicted]);
		lstm_html_cell_count(html, confusion->cell[i].rows);
		lstm_html_row_end(html);
		n++;
	}
	lstm_html_table_end(html);
}

void
lstm_report_confusion(LstmReport *r, StringInfo html)
{
	LstmConfusion confusion;

	if (!lstm_metrics_confusion(r->version.metrics, &confusion))
	{
		lstm_html_empty(html, NOTHING_HELD_OUT);
		return;
	}
	appendStringInfoString(html, "<p class=\"intro\">A row for each label, a column for each answer, numbered alike; what is framed was right. "
						   "The stronger the color, the larger the share of the row.</p>\n");
	put_matrix(html, &confusion);
	if (confusion.n_labels > 3 && confusion.n_right < confusion.n_rows)
		put_pairs(html, &confusion);
	else if (confusion.n_right == confusion.n_rows)
		appendStringInfoString(html, "<p class=\"legend\">No held-out row was told wrong.</p>\n");
}

/* ---- calibration --------------------------------------------------------------------------------- */

#define N_BINS	10

typedef struct Bins
{
	double		n[N_BINS];
	double		right[N_BINS];
	double		probability[N_BINS];
} Bins;

/* Of one label a row: the answers; of many: all labels that had a chance. */
static void
fill_bins(const LstmReport *r, Bins *bins)
{
	memset(bins, 0, sizeof(*bins));
	for (int64 i = 0; i < r->held_out.n_claims; i++)
	{
		const NnClaim *claim = &r->held_out.claim[i];
		int			b = claim->probability >= 0.0f && claim->probability < 1.0f ? (int) (claim->probability * N_BINS) : N_BINS - 1;

		bins->n[b] += 1.0;
		bins->right[b] += claim->is_right;
		bins->probability[b] += (double) claim->probability;
	}
}

static void
put_reliability(StringInfo html, const Bins *bins)
{
	LstmHtmlChart chart = {
		.title = "Said and true",
		.about = "Share of the answers that are right, by the probability that was told. On the diagonal both are the same; below it the model is too sure.",
		.x_name = "probability told", .y_name = "share that is right",
		.x_scale = LSTM_SCALE_SHARE, .y_scale = LSTM_SCALE_SHARE, .has_diagonal = true,
	};
	double		x[N_BINS + 2];
	double		y[N_BINS + 2];
	LstmHtmlSeries series = {.name = "answers", .n = N_BINS + 2, .x = x, .y = y};

	for (int b = 0; b < N_BINS; b++)
	{
		x[b] = bins->n[b] > 0.0 ? bins->probability[b] / bins->n[b] : NAN;
		y[b] = bins->n[b] > 0.0 ? bins->right[b] / bins->n[b] : NAN;
	}
	/* both axes from 0 to 1: corners that are not drawn */
	x[N_BINS] = 0.0;
	x[N_BINS + 1] = 1.0;
	y[N_BINS] = y[N_BINS + 1] = NAN;
	lstm_html_chart(html, &chart, &series, 1);
}

static void
put_probabilities(StringInfo html, const Bins *bins)
{
	LstmHtmlChart chart = {
		.title = "How sure it is", .about = "How many answers to held-out rows were told with which probability.",
		.x_name = "probability told", .y_name = "answers", .x_scale = LSTM_SCALE_SHARE,
	};
	double		edges[N_BINS + 1];

	for (int b = 0; b <= N_BINS; b++)
		edges[b] = (double) b / N_BINS;
	lstm_html_columns(html, &chart, edges, bins->n, N_BINS);
}

void
lstm_report_calibration(LstmReport *r, StringInfo html)
{
	double		temperature = lstm_json_number_in(r->version.metrics, "calibration", "temperature");
	double		error = lstm_json_number_in(r->version.metrics, "calibration", "error");
	double		before = lstm_json_number_in(r->version.metrics, "calibration", "error_before");
	Bins		bins;

	if (!r->has_answers)
	{
		lstm_html_empty(html, NOTHING_HELD_OUT);
		return;
	}
	appendStringInfoString(html, "<p class=\"intro\">Of all answers with probability 80% eight of ten should be right.");
	if (!isnan(temperature) && !isnan(error) && !isnan(before))
	{
		appendStringInfoString(html, " On average they are off by ");
		lstm_html_percent(html, error);
		appendStringInfoString(html, "; without the temperature of ");
		lstm_html_number(html, temperature);
		appendStringInfoString(html, " that was fitted it would be ");
		lstm_html_percent(html, before);
		appendStringInfoChar(html, '.');
	}
	appendStringInfoString(html, "</p>\n");
	fill_bins(r, &bins);
	lstm_html_grid(html);
	put_reliability(html, &bins);
	put_probabilities(html, &bins);
	lstm_html_grid_end(html);
}

/* ---- abstaining ------------------------------------------------------------------------------------ */

#define N_THRESHOLDS	101

/* What of n answers is right and what is answered if those below each threshold are withheld. */
static void
put_threshold_curve(const LstmReport *r, StringInfo html, const LstmHtmlMark *marks, int n_marks)
{
	LstmHtmlChart chart = {
		.title = "If answers below a probability are withheld",
		.about = "Share of the answers that are right and share of the rows that are still answered, by the probability below which answers are withheld.",
		.x_name = "threshold", .y_name = "", .x_scale = LSTM_SCALE_SHARE, .y_scale = LSTM_SCALE_SHARE,
		.is_zero_based = true, .marks = marks, .n_marks = n_marks,
	};
	double		x[N_THRESHOLDS];
	double		right[N_THRESHOLDS] = {0.0};
	double		answered[N_THRESHOLDS] = {0.0};
	double		n_all;
	LstmHtmlSeries series[2] = {
		{.name = "right, of those answered", .n = N_THRESHOLDS, .x = x, .y = right},
		{.name = "answered, of all", .n = N_THRESHOLDS, .x = x, .y = answered},
	};

	for (int64 i = 0; i < r->held_out.n_claims; i++)
	{
		const NnClaim *claim = &r->held_out.claim[i];
		int			t = claim->probability >= 0.0f && claim->probability < 1.0f ?
		(int) (claim->probability * (N_THRESHOLDS - 1)) : N_THRESHOLDS - 1;

		if (!claim->is_answer)
			continue;
		answered[t] += 1.0;
		right[t] += claim->is_right;
	}
	for (int t = N_THRESHOLDS - 2; t >= 0; t--)
	{
		answered[t] += answered[t + 1];
		right[t] += right[t + 1];
	}
	n_all = answered[0];
	for (int t = 0; t < N_THRESHOLDS; t++)
	{
		x[t] = (double) t / (N_THRESHOLDS - 1);
		right[t] = answered[t] > 0.0 ? right[t] / answered[t] : NAN;
		answered[t] = n_all > 0.0 ? answered[t] / n_all : NAN;
	}
	lstm_html_chart(html, &chart, series, 2);
}

static const char *
cut_name(const LstmCut *cut)
{
	return cut->kind == LSTM_CUT_LABEL ? lstm_from_utf8(cut->label) : cut->kind == LSTM_CUT_ANY ? "any label" : "unlike inputs";
}

static void
put_cuts(StringInfo html, const LstmCuts *cuts)
{
	static const LstmHtmlColumn columns[] = {
		{"answers with", false}, {"threshold", true}, {"precision asked for", true}, {"still answered", true}, {"right", true}, {"at least", true},
	};

	lstm_html_table(html, "Thresholds that are set", columns, lengthof(columns));
	for (int i = 0; i < Min(cuts->n, MAX_LABELS); i++)
	{
		const LstmCut *cut = &cuts->cut[i];
		bool		is_unlike = cut->kind == LSTM_CUT_UNLIKE;

		lstm_html_row(html);
		lstm_html_cell_header(html, cut_name(cut));
		lstm_html_cell_number(html, (double) cut->threshold);
		lstm_html_cell_percent(html, is_unlike ? NAN : cut->asked);
		lstm_html_cell_percent(html, cut->n_judged > 0 ? (double) cut->n_answered / (double) cut->n_judged : NAN);
		lstm_html_cell_percent(html, is_unlike || cut->n_answered == 0 ? NAN : (double) cut->n_right / (double) cut->n_answered);
		lstm_html_cell_percent(html, is_unlike ? NAN : cut->bound);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
}

#define MAX_MARKS	3

void
lstm_report_abstaining(LstmReport *r, StringInfo html)
{
	const LstmCuts *cuts = lstm_cuts_of(&r->ref);
	LstmHtmlMark marks[MAX_MARKS];
	int			n_marks = 0;

	for (int i = 0; i < cuts->n && n_marks < MAX_MARKS; i++)
	{
		if (cuts->cut[i].kind != LSTM_CUT_UNLIKE)
			marks[n_marks++] = (LstmHtmlMark)
		{
			(double) cuts->cut[i].threshold, cut_name(&cuts->cut[i])
		};
	}
	if (!r->has_answers)
		lstm_html_empty(html, NOTHING_HELD_OUT);
	else
	{
		lstm_html_grid(html);
		put_threshold_curve(r, html, marks, n_marks);
		lstm_html_grid_end(html);
	}
	if (cuts->n > 0)
		put_cuts(html, cuts);
	else
		appendStringInfoString(html, "<p class=\"legend\">No threshold is set, so every row is answered. <code>lstm_threshold</code> sets one that keeps a promise.</p>\n");
}
