/*
 * exec/report_training.c: how a training went: losses, the figure on held-out rows, and
 * how the gradient behaved, over the epochs and back in time.
 */
#include "glue/compat.h"

#include <math.h>

#include "train/train.h"

#include "exec/report_page_private.h"
#include "exec/task.h"

/* ---- over the epochs -------------------------------------------------------------------- */

typedef struct Curves
{
	double	   *epoch;
	double	   *loss_train;
	double	   *loss_valid;
	double	   *metric;
	double	   *norm;
	LstmHtmlMark best;
	bool		has_best;
} Curves;

static double *
numbers(int n)
{
	return palloc(sizeof(double) * Max(n, 1));
}

static void
read_curves(const LstmReport *r, Curves *curves)
{
	int			n = r->n_epochs;
	double		best = lstm_json_number_of(r->version.metrics, "best_epoch");

	curves->epoch = numbers(n);
	curves->loss_train = numbers(n);
	curves->loss_valid = numbers(n);
	curves->metric = numbers(n);
	curves->norm = numbers(n);
	for (int i = 0; i < n; i++)
	{
		curves->epoch[i] = r->epoch[i].epoch;
		curves->loss_train[i] = r->epoch[i].loss_train;
		curves->loss_valid[i] = r->epoch[i].loss_valid;
		curves->metric[i] = r->epoch[i].metric;
		curves->norm[i] = r->epoch[i].gradient_norm;
	}
	curves->has_best = best >= 1.0 && n > 1;
	curves->best.x = best;
	curves->best.name = "best";
}

static bool
has_any(const double *values, int n)
{
	for (int i = 0; i < n; i++)
		if (isfinite(values[i]))
			return true;
	return false;
}

static LstmHtmlChart
epoch_chart(const Curves *curves, const char *title, const char *about, const char *y_name)
{
	LstmHtmlChart chart = {.title = title, .about = about, .x_name = "epoch", .y_name = y_name, .has_whole_x = true};

	if (curves->has_best)
	{
		chart.marks = &curves->best;
		chart.n_marks = 1;
	}
	return chart;
}

static void
put_losses(const LstmReport *r, StringInfo html, const Curves *curves)
{
	LstmHtmlChart chart = epoch_chart(curves, "Loss", "Mean loss of each epoch, on the rows learned from and on held-out rows.",
									  "loss");
	LstmHtmlSeries series[2] = {
		{.name = "rows learned from", .n = r->n_epochs, .x = curves->epoch, .y = curves->loss_train},
		{.name = "held-out rows", .n = r->n_epochs, .x = curves->epoch, .y = curves->loss_valid},
	};

	lstm_html_chart(html, &chart, series, has_any(curves->loss_valid, r->n_epochs) ? 2 : 1);
}

static const char *
metric_name(const NnSpec *spec)
{
	return spec->is_multi_label ? "micro F1" : lstm_task_metric(spec->task);
}

static void
put_metric(const LstmReport *r, StringInfo html, const Curves *curves)
{
	NnTask		task = r->model->spec.task;
	const char *name = metric_name(&r->model->spec);
	LstmHtmlChart chart = epoch_chart(curves, psprintf("Held-out rows: %s", name), "The figure by which the best epoch is chosen, by epoch.", name);
	LstmHtmlSeries series = {.name = name, .n = r->n_epochs, .x = curves->epoch, .y = curves->metric};

	if (task == NN_TASK_CLASSIFY || task == NN_TASK_TAG)
		chart.y_scale = LSTM_SCALE_SHARE;
	if (has_any(curves->metric, r->n_epochs))
		lstm_html_chart(html, &chart, &series, 1);
}

/* Beyond this share of largest to smallest a linear scale shows nothing of the small ones. */
#define WIDE_RANGE	20.0

static bool
is_wide(const double *values, int n)
{
	double		low = HUGE_VAL;
	double		high = 0.0;

	for (int i = 0; i < n; i++)
	{
		if (!(values[i] > 0.0) || !isfinite(values[i]))
			continue;
		low = Min(low, values[i]);
		high = Max(high, values[i]);
	}
	return high > low * WIDE_RANGE;
}

static void
put_norms(const LstmReport *r, StringInfo html, const Curves *curves)
{
	bool		is_log = is_wide(curves->norm, r->n_epochs);
	LstmHtmlChart chart = epoch_chart(curves, "Norm of the gradient", "Mean norm of the gradient before it is clipped, by epoch.",
									  is_log ? "norm, logarithmic" : "norm");
	LstmHtmlSeries series = {.name = "norm", .n = r->n_epochs, .x = curves->epoch, .y = curves->norm};

	chart.y_scale = is_log ? LSTM_SCALE_LOG : LSTM_SCALE_LINEAR;
	chart.is_zero_based = !is_log;
	if (has_any(curves->norm, r->n_epochs))
		lstm_html_chart(html, &chart, &series, 1);
}

static void
put_table(const LstmReport *r, StringInfo html)
{
	static const LstmHtmlColumn columns[] = {
		{"epoch", true}, {"loss, learned from", true}, {"loss, held out", true}, {"figure", true}, {"gradient norm", true},
		{"steps clipped", true}, {"rate", true}, {"seconds", true},
	};

	lstm_html_details(html, "All epochs as a table");
	lstm_html_table(html, "Epochs", columns, lengthof(columns));
	for (int i = 0; i < r->n_epochs; i++)
	{
		const LstmEpochRecord *epoch = &r->epoch[i];

		lstm_html_row(html);
		lstm_html_cell_count(html, epoch->epoch);
		lstm_html_cell_number(html, epoch->loss_train);
		lstm_html_cell_number(html, epoch->loss_valid);
		lstm_html_cell_number(html, epoch->metric);
		lstm_html_cell_number(html, epoch->gradient_norm);
		lstm_html_cell_percent(html, epoch->share_clipped);
		lstm_html_cell_percent(html, epoch->rate);
		lstm_html_cell_number(html, epoch->seconds);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
	lstm_html_details_end(html);
}

/* ---- back in time --------------------------------------------------------------------------- */

static LstmHtmlSeries
gradient_series(const LstmEpochRow *epoch)
{
	int			n = Min(epoch->n_distances, NN_GRADIENT_DISTANCES);
	LstmHtmlSeries series = {.name = psprintf("epoch %d", epoch->epoch), .n = n};
	double	   *x = numbers(n);
	double	   *y = numbers(n);

	for (int d = 0; d < n; d++)
	{
		x[d] = d;
		y[d] = (double) epoch->gradient[d];
	}
	series.x = x;
	series.y = y;
	return series;
}

/* The first epoch that tells, and the last. */
static void
put_distances(const LstmReport *r, StringInfo html)
{
	LstmHtmlChart chart = {
		.title = "Gradient back in time",
		.about = "Norm of the loss's gradient by how many steps before the end of a text a word stands, in the first and in the last epoch, on a logarithmic scale.",
		.x_name = "steps back", .y_name = "norm, logarithmic", .has_whole_x = true, .y_scale = LSTM_SCALE_LOG,
	};
	LstmHtmlSeries series[2];
	LstmEpochRow *epochs;
	int			n = lstm_read_epochs(&r->ref, &epochs);
	int			first = 0;
	int			n_series = 0;

	while (first < n && epochs[first].n_distances == 0)
		first++;
	while (n > first && epochs[n - 1].n_distances == 0)
		n--;
	if (first < n)
		series[n_series++] = gradient_series(&epochs[first]);
	if (first < n - 1)
		series[n_series++] = gradient_series(&epochs[n - 1]);
	if (n_series > 0)
		lstm_html_chart(html, &chart, series, n_series);
}

void
lstm_report_training(LstmReport *r, StringInfo html)
{
	Curves		curves;

	if (r->n_epochs == 0)
	{
		lstm_html_empty(html, "Nothing is known of the training of this version: %s",
						r->ref.is_shipped ? "it came with the extension." : "it was imported.");
		return;
	}
	read_curves(r, &curves);
	lstm_html_grid(html);
	put_losses(r, html, &curves);
	put_metric(r, html, &curves);
	put_norms(r, html, &curves);
	put_distances(r, html);
	lstm_html_grid_end(html);
	put_table(r, html);
}
