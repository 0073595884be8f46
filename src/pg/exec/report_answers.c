/*
 * exec/report_answers.c: held-out rows of the tasks that do not answer with labels:
 * numbers, texts that are written, texts that are expected, forecasts.  Tags are in report_tags.c.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"

#include "model/forecast.h"
#include "model/write.h"

#include "exec/explain.h"
#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/report_page_private.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "store/value.h"

#define BATCH_ROWS		256
#define MAX_CHARACTERS	600

/* ---- values ------------------------------------------------------------------------------ */

#define MAX_NUMBERS		24

static void
write_numbers(StringInfo html, const NnValue *value)
{
	int64		n = (int64) value->n_steps * value->n_channels;

	for (int64 i = 0; i < Min(n, MAX_NUMBERS); i++)
	{
		appendStringInfoString(html, i == 0 ? "" : i % value->n_channels == 0 && value->n_channels > 1 ? "; " : ", ");
		lstm_html_number(html, (double) value->numbers[i]);
	}
	if (n > MAX_NUMBERS)
		appendStringInfoString(html, ", &#8230;");
	if (value->n_channels > 1)
		appendStringInfo(html, " (%d steps of %d)", value->n_steps, value->n_channels);
	else
		appendStringInfo(html, " (%d number%s)", value->n_steps, value->n_steps == 1 ? "" : "s");
}

/* A text's first characters. */
static void
write_text(StringInfo html, const char *bytes, size_t n_bytes)
{
	lstm_html_clipped(html, lstm_from_utf8_bytes(bytes, n_bytes), MAX_CHARACTERS);
}

void
lstm_report_value(StringInfo html, const NnValue *value)
{
	LstmRuler	ruler;

	if (value->kind == NN_VALUE_NUMBERS)
	{
		write_numbers(html, value);
		return;
	}
	lstm_ruler_init(&ruler, value);
	write_text(html, ruler.text, ruler.n_bytes);
}

static void
write_body(StringInfo html, const char *name, const NnValue *value)
{
	appendStringInfo(html, "<p class=\"body\" dir=\"auto\"><span class=\"badge\">%s</span> ", name);
	lstm_report_value(html, value);
	appendStringInfoString(html, "</p>\n");
}

bool
lstm_report_begin_rows(LstmReport *r, StringInfo html, LstmHeldRows *held, const char *why)
{
	if (why == NULL && held->n == 0)
		why = "No held-out row is there any more.";
	if (why != NULL)
	{
		lstm_html_empty(html, "%s", why);
		return false;
	}
	appendStringInfoString(html, "<p class=\"intro\">");
	if (r->model->spec.task == NN_TASK_FORECAST)
	{
		appendStringInfoString(html, "Series that were read again: ");
		lstm_html_count(html, held->n);
		appendStringInfoString(html, ". What is held out is the end of each.</p>\n");
		return true;
	}
	appendStringInfoString(html, "Held-out rows that were read again: ");
	lstm_html_count(html, held->n);
	appendStringInfo(html, ". %s</p>\n", held->is_clean ? "This network has not learned from them." :
					 "This version has learned from them since.");
	return true;
}

/* ---- numbers ------------------------------------------------------------------------------ */

#define MAX_POINTS		500
#define N_COLUMNS		20

typedef struct NumberRows
{
	LstmHeldRows held;
	float	   *out;
	NnArray		actual;			/* double */
	NnArray		answer;			/* double */
	LstmShelf  *worst;
} NumberRows;

static double *
push(NnArray *array, int n)
{
	double	   *items = nn_array_push(array, n);

	if (items == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	return items;
}

static void
take_numbers(LstmReport *r, LstmHeldRows *held, const LstmRow *rows, const NnValue *inputs, const uint64 *hash, int n)
{
	NumberRows *kept = held->kept;
	int			C = held->model->spec.n_outputs;
	double	   *actual = push(&kept->actual, n);
	double	   *answer = push(&kept->answer, n);

	lstm_predict_batch(held->model, inputs, n, kept->out, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		LstmKeptRow *row;

		actual[i] = rows[i].number;
		answer[i] = (double) kept->out[(size_t) i * C];
		row = lstm_shelf_add(kept->worst, -fabs(answer[i] - actual[i]), hash[i], &inputs[i]);
		if (row == NULL)
			continue;
		row->number = actual[i];
		row->answer = answer[i];
	}
}

static void
put_scatter(StringInfo html, const double *actual, const double *answer, int64 n)
{
	LstmHtmlChart chart = {
		.title = "Told and true", .about = "The number that was told for each held-out row, by its true number; on the diagonal both are the same.",
		.x_name = "true", .y_name = "told", .has_diagonal = true,
	};
	int64		stride = (n + MAX_POINTS - 1) / MAX_POINTS;
	double	   *x = palloc(sizeof(double) * MAX_POINTS);
	double	   *y = palloc(sizeof(double) * MAX_POINTS);
	LstmHtmlSeries series = {.name = "rows", .x = x, .y = y, .is_points = true};

	for (int64 i = 0; i < n; i += stride)
	{
		x[series.n] = actual[i];
		y[series.n++] = answer[i];
	}
	lstm_html_chart(html, &chart, &series, 1);
}

static void
put_residuals(StringInfo html, const double *actual, const double *answer, int64 n)
{
	LstmHtmlChart chart = {
		.title = "Errors", .about = "How many held-out rows were told too little, to the left, or too much, to the right.",
		.x_name = "told less true", .y_name = "rows",
	};
	double		edges[N_COLUMNS + 1];
	double		counts[N_COLUMNS] = {0.0};
	double		most = 0.0;

	for (int64 i = 0; i < n; i++)
		most = Max(most, isfinite(answer[i] - actual[i]) ? fabs(answer[i] - actual[i]) : 0.0);
	if (most == 0.0)
		most = 1.0;
	for (int b = 0; b <= N_COLUMNS; b++)
		edges[b] = -most + 2.0 * most * b / N_COLUMNS;
	for (int64 i = 0; i < n; i++)
	{
		double		place = ((answer[i] - actual[i]) / most + 1.0) / 2.0;

		if (place >= 0.0 && place <= 1.0)
			counts[Min((int) (place * N_COLUMNS), N_COLUMNS - 1)] += 1.0;
	}
	lstm_html_columns(html, &chart, edges, counts, N_COLUMNS);
}

static void
put_worst(StringInfo html, const NnModel *model, const LstmShelf *worst)
{
	NnValue    *inputs = palloc(sizeof(NnValue) * Max(worst->n, 1));
	NnExplanation *explanation = NULL;

	for (int i = 0; i < worst->n; i++)
		inputs[i] = worst->row[i].input;
	appendStringInfoString(html, "<h3>The largest errors</h3>\n");
	if (model->spec.input == NN_INPUT_TEXT)
	{
		explanation = lstm_explain_rows(model, inputs, NULL, worst->n, NULL);
		appendStringInfoString(html, "<p class=\"intro\">The stronger a word's color, the more it <mark class=\"for\" style=\"--w:.8\">raises</mark> "
							   "or <mark class=\"against\" style=\"--w:.8\">lowers</mark> the number that was told.</p>\n");
	}
	appendStringInfoString(html, "<ol class=\"cards\">\n");
	for (int i = 0; i < worst->n; i++)
	{
		appendStringInfoString(html, "<li class=\"wrong\"><p class=\"head\"><span>is <b>");
		lstm_html_number(html, worst->row[i].number);
		appendStringInfoString(html, "</b></span><span>was told <b>");
		lstm_html_number(html, worst->row[i].answer);
		appendStringInfoString(html, "</b></span></p>\n<p class=\"body\" dir=\"auto\">");
		if (explanation != NULL)
			lstm_report_colored(html, &worst->row[i].input, &explanation[i]);
		else
			lstm_report_value(html, &worst->row[i].input);
		appendStringInfoString(html, "</p></li>\n");
	}
	appendStringInfoString(html, "</ol>\n");
}

void
lstm_report_numbers(LstmReport *r, StringInfo html)
{
	NumberRows	kept = {.held = {.batch_rows = BATCH_ROWS, .take = take_numbers}};

	kept.held.kept = &kept;
	kept.out = palloc_extended(sizeof(float) * BATCH_ROWS * r->model->spec.n_outputs, MCXT_ALLOC_HUGE);
	kept.worst = lstm_shelf_create(r->n_examples);
	nn_array_init(&kept.actual, &r->env.env, sizeof(double));
	nn_array_init(&kept.answer, &r->env.env, sizeof(double));
	if (!lstm_report_begin_rows(r, html, &kept.held, lstm_report_read(r, &kept.held)))
		return;
	lstm_html_grid(html);
	put_scatter(html, kept.actual.data, kept.answer.data, (int64) kept.actual.n);
	put_residuals(html, kept.actual.data, kept.answer.data, (int64) kept.actual.n);
	lstm_html_grid_end(html);
	put_worst(html, kept.held.model, kept.worst);
}

/* ---- texts that are written --------------------------------------------------------------------- */

typedef struct SampleRows
{
	LstmHeldRows held;
	LstmShelf  *sample;
} SampleRows;

static void
take_sample(LstmReport *r, LstmHeldRows *held, const LstmRow *rows, const NnValue *inputs, const uint64 *hash, int n)
{
	SampleRows *kept = held->kept;

	for (int i = 0; i < n; i++)
	{
		LstmKeptRow *row = lstm_shelf_add(kept->sample, lstm_rank_of(hash[i]), hash[i], &inputs[i]);

		if (row != NULL && held->info.target != NULL && rows[i].target.n_bytes + rows[i].target.n_words + rows[i].target.n_steps > 0)
			row->target = lstm_value_copy(&rows[i].target);
	}
}

void
lstm_report_written(LstmReport *r, StringInfo html)
{
	SampleRows	kept = {.held = {.batch_rows = BATCH_ROWS, .take = take_sample}};

	kept.held.kept = &kept;
	kept.sample = lstm_shelf_create(r->n_examples);
	if (!lstm_report_begin_rows(r, html, &kept.held, lstm_report_read(r, &kept.held)))
		return;
	appendStringInfoString(html, "<ol class=\"cards\">\n");
	for (int i = 0; i < kept.sample->n; i++)
	{
		const LstmKeptRow *row = &kept.sample->row[i];
		NnWriteOptions options;
		NnWritten	written;
		NnError		err = {0};

		CHECK_FOR_INTERRUPTS();
		lstm_write_options(&options, LSTM_DEFAULT_BEAM);
		lstm_check(nn_write(kept.held.model, &row->input, 1, &options, false, lstm_scratch(), &written, NULL, &err), &err);
		appendStringInfoString(html, "<li>");
		write_body(html, "input", &row->input);
		write_body(html, "expected", &row->target);
		appendStringInfoString(html, "<p class=\"body\" dir=\"auto\"><span class=\"badge\">written</span> ");
		write_text(html, written.text, written.n_bytes);
		appendStringInfoString(html, "</p></li>\n");
	}
	appendStringInfoString(html, "</ol>\n");
}

/* ---- texts that are expected ---------------------------------------------------------------------- */

#define MAX_SCORED	400

static int
compare_rows(const void *a, const void *b)
{
	const LstmKeptRow *x = a;
	const LstmKeptRow *y = b;

	return x->answer < y->answer ? -1 : x->answer > y->answer;
}

/* Mean log-likelihood of a token, as lstm_score tells it. */
static void
score(const NnModel *model, LstmShelf *shelf)
{
	for (int i = 0; i < shelf->n; i++)
	{
		NnLikelihood likelihood;
		NnError		err = {0};

		CHECK_FOR_INTERRUPTS();
		lstm_check(nn_likelihood(model, &shelf->row[i].input, 1, lstm_scratch(), &likelihood, NULL, &err), &err);
		shelf->row[i].answer = likelihood.sum / (double) Max(likelihood.n_tokens, 1);
	}
	qsort(shelf->row, shelf->n, sizeof(LstmKeptRow), compare_rows);
}

static void
put_scores(StringInfo html, const LstmShelf *shelf)
{
	LstmHtmlChart chart = {
		.title = "How usual held-out rows are", .about = "How many held-out rows have which mean log-likelihood of a token; the further to the left, the stranger.",
		.x_name = "log-likelihood of a token", .y_name = "rows",
	};
	double		low = shelf->row[0].answer;
	double		high = shelf->row[shelf->n - 1].answer;
	double		edges[N_COLUMNS + 1];
	double		counts[N_COLUMNS] = {0.0};

	if (!(high > low))
		high = low + 1.0;
	for (int b = 0; b <= N_COLUMNS; b++)
		edges[b] = low + (high - low) * b / N_COLUMNS;
	for (int i = 0; i < shelf->n; i++)
		counts[Min(Max((int) ((shelf->row[i].answer - low) / (high - low) * N_COLUMNS), 0), N_COLUMNS - 1)] += 1.0;
	lstm_html_grid(html);
	lstm_html_columns(html, &chart, edges, counts, N_COLUMNS);
	lstm_html_grid_end(html);
}

static void
put_scored(StringInfo html, const char *title, const LstmShelf *shelf, int from, int to)
{
	appendStringInfo(html, "<h3>%s</h3>\n<ol class=\"cards\">\n", title);
	for (int i = from; i < to; i++)
	{
		appendStringInfoString(html, "<li><p class=\"head\"><span>log-likelihood of a token <b>");
		lstm_html_number(html, shelf->row[i].answer);
		appendStringInfoString(html, "</b></span></p>\n<p class=\"body\" dir=\"auto\">");
		lstm_report_value(html, &shelf->row[i].input);
		appendStringInfoString(html, "</p></li>\n");
	}
	appendStringInfoString(html, "</ol>\n");
}

/* What the model writes by itself; no row is needed for that, but it may have learned rows by heart. */
static void
put_generated(LstmReport *r, StringInfo html)
{
	appendStringInfoString(html, "<h3>What it writes by itself</h3>\n<ol class=\"cards\">\n");
	for (int i = 0; i < Min(r->n_examples, 3); i++)
	{
		NnWriteOptions options;
		NnWritten	written;
		NnError		err = {0};

		CHECK_FOR_INTERRUPTS();
		lstm_write_options(&options, 1);
		options.max_tokens = 60;
		options.temperature = 0.8;
		options.top_k = 40;
		options.seed = i + 1;
		lstm_check(nn_generate(r->model, NULL, &options, lstm_scratch(), &written, &err), &err);
		appendStringInfoString(html, "<li><p class=\"body\" dir=\"auto\">");
		write_text(html, written.text, written.n_bytes);
		appendStringInfoString(html, "</p></li>\n");
	}
	appendStringInfoString(html, "</ol>\n");
}

void
lstm_report_language(LstmReport *r, StringInfo html)
{
	SampleRows	kept = {.held = {.batch_rows = BATCH_ROWS, .take = take_sample}};

	kept.held.kept = &kept;
	kept.sample = lstm_shelf_create(MAX_SCORED);
	if (lstm_report_begin_rows(r, html, &kept.held, lstm_report_read(r, &kept.held)))
	{
		int			n = Min(r->n_examples, kept.sample->n);

		score(kept.held.model, kept.sample);
		put_scores(html, kept.sample);
		put_scored(html, "The strangest of them", kept.sample, 0, n);
		put_scored(html, "The most usual of them", kept.sample, Max(kept.sample->n - n, n), kept.sample->n);
	}
	if (r->n_examples > 0)
		put_generated(r, html);
}

/* ---- forecasts -------------------------------------------------------------------------------------- */

/* Steps that are drawn before the forecast. */
#define MIN_HISTORY		24
#define MAX_HISTORY		240

/* One channel: what was, what came, and what was forecast with its band. */
static void
draw_forecast(StringInfo html, const NnModel *model, const NnValue *history, const float *actual, int n_actual, int channel)
{
	int			n_steps = Min(model->spec.horizon, NN_MAX_HORIZON);
	int			C = history->n_channels;
	int			Q = model->spec.n_quantiles;
	int			n_before = Min(history->n_steps, Min(Max(4 * n_steps, MIN_HISTORY), MAX_HISTORY));
	float	   *out = palloc_extended(sizeof(float) * n_steps * C * Q, MCXT_ALLOC_HUGE);
	double	   *x = palloc(sizeof(double) * (n_before + n_actual + 2 * n_steps));
	double	   *y = palloc(sizeof(double) * (n_before + n_actual + 4 * n_steps));
	double	   *median = y + n_before + n_actual;
	double	   *low = median + n_steps;
	double	   *high = low + n_steps;
	double	   *ahead = x + n_before + n_actual;
	LstmHtmlChart chart = {
		.title = C > 1 ? psprintf("Channel %d", channel + 1) : "A series and its forecast",
		.about = "The end of a series, the forecast of what follows with the band that 8 of 10 values should lie in, and what came.",
		.x_name = "step", .y_name = "", .has_whole_x = true,
	};
	LstmHtmlSeries series[2] = {
		{.name = "the series", .n = n_before + n_actual, .x = x, .y = y},
		{.name = "forecast", .n = n_steps, .x = ahead, .y = median, .low = low, .high = high},
	};
	NnError		err = {0};

	lstm_check(nn_forecast(model, history, n_steps, lstm_scratch(), out, &err), &err);
	for (int t = 0; t < n_before + n_actual; t++)
	{
		int			step = history->n_steps - n_before + t;

		x[t] = step + 1;
		y[t] = (double) (t < n_before ? history->numbers[(size_t) step * C + channel] : actual[(size_t) (t - n_before) * C + channel]);
	}
	for (int t = 0; t < n_steps; t++)
	{
		const float *quantile = out + ((size_t) t * C + channel) * Q;

		ahead[t] = history->n_steps + t + 1;
		median[t] = (double) quantile[Q / 2];
		low[t] = (double) quantile[0];
		high[t] = (double) quantile[Q - 1];
	}
	lstm_html_chart(html, &chart, series, 2);
	pfree(out);
}

#define MAX_CHANNELS	4

static void
put_forecast(StringInfo html, const LstmHeldRows *held, const LstmKeptRow *row)
{
	const NnModel *model = held->model;
	NnValue		history = row->input;
	const float *actual = row->target.numbers;
	int			n_actual = row->target.n_steps;
	int			window = Max(model->window, 1);

	if (history.n_channels != model->n_channels)
		return;
	if (held->info.target == NULL)
	{
		int			origin = (int) ceil((1.0 - held->split.share) * history.n_steps);

		/* the last whole horizon of what is held out, or as much of it as there is */
		origin = Max(Max(origin, history.n_steps - model->spec.horizon), window);
		n_actual = Min(history.n_steps - origin, model->spec.horizon);
		if (n_actual <= 0)
			return;
		actual = history.numbers + (size_t) origin * history.n_channels;
		history.n_steps = origin;
	}
	else if (row->target.n_channels != history.n_channels || history.n_steps < window)
		return;
	for (int c = 0; c < Min(history.n_channels, MAX_CHANNELS); c++)
		draw_forecast(html, model, &history, actual, Min(n_actual, model->spec.horizon), c);
}

void
lstm_report_forecasts(LstmReport *r, StringInfo html)
{
	SampleRows	kept = {.held = {.batch_rows = 16, .take = take_sample}};

	kept.held.kept = &kept;
	kept.sample = lstm_shelf_create(r->n_examples);
	if (!lstm_report_begin_rows(r, html, &kept.held, lstm_report_read(r, &kept.held)))
		return;
	lstm_html_grid(html);
	for (int i = 0; i < kept.sample->n; i++)
		put_forecast(html, &kept.held, &kept.sample->row[i]);
	lstm_html_grid_end(html);
}
