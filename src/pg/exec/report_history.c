/*
 * exec/report_history.c: the versions of a model, what was decided about them, and how
 * the inputs of now differ from those that the version learned from.
 */
#include "glue/compat.h"

#include <math.h>

#include "exec/drift.h"
#include "exec/report_page_private.h"
#include "glue/errors.h"

#define MAX_VERSIONS	60
#define MAX_DECISIONS	60

/* ---- versions --------------------------------------------------------------------------- */

typedef struct MainFigure
{
	const char *key;
	const char *name;
	bool		is_share;
} MainFigure;

/* The one figure by which versions of a task are told apart. */
static MainFigure
main_figure(const LstmReport *r)
{
	const NnSpec *spec = &r->model->spec;

	switch (spec->task)
	{
		case NN_TASK_CLASSIFY:
			return spec->is_multi_label ? (MainFigure) {"micro_f1", "micro F1", true} : (MainFigure) {"accuracy", "accuracy", true};
		case NN_TASK_REGRESS:
			return (MainFigure) {"mae", "mean error", false};
		case NN_TASK_TAG:
			return isnan(lstm_json_number_of(r->version.metrics, "f1")) ? (MainFigure) {"token_accuracy", "token accuracy", true} :
				(MainFigure) {"f1", "F1 of spans", true};
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			return (MainFigure) {"bleu", "BLEU", false};
		case NN_TASK_LANGUAGE:
			return (MainFigure) {"perplexity", "perplexity", false};
		case NN_TASK_FORECAST:
			return (MainFigure) {"mase", "MASE", false};
	}
	return (MainFigure) {"accuracy", "accuracy", true};
}

static void
put_figure_chart(StringInfo html, const MainFigure *figure, const LstmVersionRecord *versions, int n)
{
	LstmHtmlChart chart = {
		.title = psprintf("Held-out rows: %s", figure->name),
		.about = "The figure of each version on its own held-out rows.",
		.x_name = "version", .y_name = figure->name, .has_whole_x = true,
		.y_scale = figure->is_share ? LSTM_SCALE_SHARE : LSTM_SCALE_LINEAR,
	};
	double	   *x = palloc(sizeof(double) * n);
	double	   *y = palloc(sizeof(double) * n);
	LstmHtmlSeries series = {.name = figure->name, .n = n, .x = x, .y = y};
	LstmHtmlMark live = {.name = "live"};
	int			n_known = 0;

	for (int i = 0; i < n; i++)
	{
		x[i] = versions[i].version;
		y[i] = lstm_json_number_of(versions[i].metrics, figure->key);
		n_known += isfinite(y[i]);
		if (versions[i].is_live)
		{
			live.x = x[i];
			chart.marks = &live;
			chart.n_marks = 1;
		}
	}
	if (n_known < 2)
		return;
	lstm_html_grid(html);
	lstm_html_chart(html, &chart, &series, 1);
	lstm_html_grid_end(html);
}

/* Of what is -1 nothing is known. */
static void
put_known_count(StringInfo html, int64 n)
{
	if (n >= 0)
		lstm_html_cell_count(html, n);
	else
		lstm_html_cell_number(html, NAN);
}

static void
put_version(const LstmReport *r, StringInfo html, const MainFigure *figure, const LstmVersionRecord *version)
{
	double		value = lstm_json_number_of(version->metrics, figure->key);

	lstm_html_row(html);
	appendStringInfo(html, "<th scope=\"row\">%d%s%s</th>", version->version,
					 version->is_live ? " <span class=\"badge good\">live</span>" : "",
					 version->version == r->version.version ? " <span class=\"badge\">this page</span>" : "");
	if (figure->is_share)
		lstm_html_cell_percent(html, value);
	else
		lstm_html_cell_number(html, value);
	put_known_count(html, version->rows);
	put_known_count(html, version->epochs);
	lstm_html_cell(html, true);
	lstm_html_seconds(html, version->seconds);
	lstm_html_cell_end(html);
	lstm_html_cell_text(html, version->trained_at);
	lstm_html_cell_text(html, version->trained_by);
	lstm_html_cell(html, false);
	appendStringInfoString(html, "<code>");
	lstm_html_clipped(html, version->digest != NULL ? version->digest : "", 12);
	appendStringInfoString(html, "</code>");
	lstm_html_cell_end(html);
	lstm_html_row_end(html);
}

static void
put_versions(const LstmReport *r, StringInfo html, const LstmVersionRecord *versions, int n)
{
	MainFigure	figure = main_figure(r);
	LstmHtmlColumn columns[] = {
		{"version", false}, {figure.name, true}, {"rows", true}, {"epochs", true}, {"time", true}, {"trained at", false}, {"by", false}, {"digest", false},
	};

	put_figure_chart(html, &figure, versions, n);
	lstm_html_table(html, r->about.n_versions > n ? psprintf("The last %d of " INT64_FORMAT " versions", n, r->about.n_versions) :
					"Versions", columns, lengthof(columns));
	for (int i = n - 1; i >= 0; i--)
		put_version(r, html, &figure, &versions[i]);
	lstm_html_table_end(html);
}

/* ---- decisions ----------------------------------------------------------------------------- */

static void
put_decision(StringInfo html, const LstmDecisionRecord *decision)
{
	const char *figure = lstm_json_text_of(decision->figures, "figure");

	lstm_html_row(html);
	appendStringInfo(html, "<th scope=\"row\">%d <span class=\"badge %s\">%s</span></th>", decision->version,
					 decision->went_live ? "good" : "bad", decision->went_live ? "went live" : "kept back");
	put_known_count(html, decision->champion > 0 ? decision->champion : -1);
	lstm_html_cell_text(html, figure);
	lstm_html_cell_number(html, lstm_json_number_of(decision->figures, "challenger"));
	lstm_html_cell_number(html, lstm_json_number_of(decision->figures, "champion"));
	lstm_html_cell_number(html, lstm_json_number_of(decision->figures, "p_worse"));
	lstm_html_cell_text(html, decision->reason);
	lstm_html_cell_text(html, decision->decided_at);
	lstm_html_row_end(html);
}

/* Reasons and figures speak of checks, which are the owner's: lstm_decisions shows them to nobody else. */
static void
put_decisions(const LstmReport *r, StringInfo html)
{
	static const LstmHtmlColumn columns[] = {
		{"challenger", false}, {"champion", true}, {"figure", false}, {"of the challenger", true}, {"of the champion", true}, {"p (worse)", true},
		{"why", false}, {"at", false},
	};
	LstmDecisionRecord *decisions;
	int			n;

	appendStringInfoString(html, "<h3>Champion and challenger</h3>\n");
	if (!r->is_owner)
	{
		lstm_html_empty(html, "What was decided about retrained versions is shown to the model's owner.");
		return;
	}
	n = lstm_record_decisions(&r->ref.model, MAX_DECISIONS, &decisions);
	if (n == 0)
	{
		lstm_html_empty(html, "The model was not retrained yet. lstm_retrain trains a new version and lets it go live if it is not worse.");
		return;
	}
	lstm_html_table(html, "Compared on rows that neither has learned from", columns, lengthof(columns));
	for (int i = n - 1; i >= 0; i--)
		put_decision(html, &decisions[i]);
	lstm_html_table_end(html);
}

void
lstm_report_versions(LstmReport *r, StringInfo html)
{
	LstmVersionRecord *versions;
	int			n;

	if (r->ref.is_shipped)
	{
		lstm_html_empty(html, "The model came with the extension and has one version.");
		return;
	}
	n = lstm_record_versions(&r->ref.model, MAX_VERSIONS, &versions);
	put_versions(r, html, versions, n);
	put_decisions(r, html);
}

/* ---- drift ------------------------------------------------------------------------------------- */

static void
measure(LstmReport *r, Oid relid, void *arg)
{
	lstm_drift(&r->row, relid, r->about.input, lstm_json_text_of(r->version.options, "where"), arg);
}

static void
put_shift(StringInfo html, const char *name, double before, double now, bool is_share, LstmShift shift)
{
	bool		is_beyond = shift.psi > shift.chance && shift.psi >= 0.1;

	lstm_html_row(html);
	lstm_html_cell_header(html, name);
	if (is_share)
	{
		lstm_html_cell_percent(html, before);
		lstm_html_cell_percent(html, now);
	}
	else
	{
		lstm_html_cell_number(html, before);
		lstm_html_cell_number(html, now);
	}
	lstm_html_cell_number(html, shift.psi);
	lstm_html_cell_number(html, shift.chance);
	appendStringInfo(html, "<td><span class=\"badge %s\">%s</span></td>", is_beyond ? "bad" : "good",
					 is_beyond ? "moved" : shift.psi > shift.chance ? "a little" : "as before");
	lstm_html_row_end(html);
}

static void
put_drift(StringInfo html, const LstmDrift *drift)
{
	static const LstmHtmlColumn columns[] = {
		{"measure", false}, {"at the training", true}, {"now", true}, {"PSI", true}, {"by chance", true}, {"", false},
	};

	appendStringInfoString(html, "<p class=\"intro\">The inputs that stand in the source now, against those of the training. The population stability index (PSI) "
						   "says how far two distributions are apart; below 0.1 is little, and what chance gives says nothing.</p>\n");
	lstm_html_table(html, "Inputs", columns, lengthof(columns));
	if (drift->has_words)
		put_shift(html, "unknown words", lstm_unknown_rate(drift, LSTM_BEFORE), lstm_unknown_rate(drift, LSTM_NOW), true,
				  lstm_unknown_shift(drift));
	put_shift(html, "mean length", lstm_mean_length(drift, LSTM_BEFORE), lstm_mean_length(drift, LSTM_NOW), false,
			  lstm_length_shift(drift));
	if (drift->n_labels > 0)
		put_shift(html, "mix of answers", NAN, NAN, false, lstm_answer_shift(drift));
	lstm_html_table_end(html);
}

#define MAX_ANSWERS	12

/* The answers whose share has changed most. */
static void
put_answer_mix(const LstmReport *r, StringInfo html, const LstmDrift *drift)
{
	static const LstmHtmlColumn columns[] = {{"answer", false}, {"at the training", true}, {"now", true}};
	double		n[2] = {0.0, 0.0};

	if (drift->n_labels < 2 || drift->n_labels > MAX_ANSWERS)
		return;
	for (int c = 0; c < drift->n_labels; c++)
	{
		n[LSTM_BEFORE] += (double) drift->answers[LSTM_BEFORE][c];
		n[LSTM_NOW] += (double) drift->answers[LSTM_NOW][c];
	}
	lstm_html_table(html, "Mix of answers", columns, lengthof(columns));
	for (int c = 0; c < drift->n_labels; c++)
	{
		lstm_html_row(html);
		lstm_html_cell_header(html, lstm_from_utf8(r->model->labels[c]));
		lstm_html_cell_bar(html, n[LSTM_BEFORE] > 0.0 ? (double) drift->answers[LSTM_BEFORE][c] / n[LSTM_BEFORE] : NAN);
		lstm_html_cell_bar(html, n[LSTM_NOW] > 0.0 ? (double) drift->answers[LSTM_NOW][c] / n[LSTM_NOW] : NAN);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
}

void
lstm_report_drift(LstmReport *r, StringInfo html)
{
	LstmDrift	drift;
	const char *why;

	if (!r->version.is_live)
	{
		lstm_html_empty(html, "Drift is measured against the live version.");
		return;
	}
	if (!r->ref.is_shipped && !lstm_drift_is_known(&r->row))
	{
		lstm_html_empty(html, "Nothing is known of the inputs that this version learned from.");
		return;
	}
	why = lstm_report_attempt(r, measure, &drift);
	if (why != NULL)
	{
		lstm_html_empty(html, "%s", why);
		return;
	}
	put_drift(html, &drift);
	put_answer_mix(r, html, &drift);
}
