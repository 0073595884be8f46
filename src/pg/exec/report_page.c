/*
 * exec/report_page.c: a report as a whole: what is known, the page's head, its sections.
 *
 * What is on record is read first, then section by section is written.  A section that
 * a task does not have is left out, one whose figures are not known says so.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "exec/report_json.h"
#include "exec/report_page_private.h"
#include "glue/errors.h"
#include "store/cache.h"
#include "store/cuts.h"
#include "store/shipped.h"

/* ---- what is known --------------------------------------------------------------------- */

static void
read_held_out(LstmReport *r)
{
	bytea	   *bytes = lstm_read_held_out(&r->ref);
	NnError		err = {0};

	if (bytes == NULL)
		return;
	if (nn_held_out_read(&r->held_out, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), r->arena, &err) != NN_OK)
		lstm_throw_stored(&err, "Train the model again.");
	r->has_answers = r->held_out.n_claims > 0;
}

static void
read_shipped(LstmReport *r)
{
	LstmShipped facts;

	r->version.version = 1;
	r->version.is_live = true;
	r->version.rows = r->version.epochs = -1;
	r->version.seconds = NAN;
	if (!lstm_shipped_facts(&facts))
		return;
	r->version.bytes = facts.n_bytes;
	r->version.digest = pstrdup(facts.digest);
}

/* The network in numbers is as good as the row's, where a row does not tell. */
static Jsonb *
facts_of(const NnModel *model)
{
	char	   *facts = lstm_json_facts(&model->spec, nn_net_n_parameters(model->net));

	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(facts)));
}

static void
read_record(LstmReport *r)
{
	if (r->ref.is_shipped)
		read_shipped(r);
	else
	{
		lstm_need_model(r->ref.name, &r->row);
		r->is_owner = r->row.right >= LSTM_RIGHT_OWN;
		if (!lstm_record_model(&r->ref.model, &r->about) ||
			!lstm_record_version(&r->ref.model, r->ref.version, &r->version))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("version %d of model \"%s\" was dropped", r->ref.version, r->ref.name)));
		r->n_epochs = lstm_record_epochs(&r->ref.model, r->ref.version, &r->epoch);
		read_held_out(r);
	}
	if (r->version.facts == NULL || isnan(lstm_json_number_of(r->version.facts, "parameters")))
		r->version.facts = facts_of(r->model);
}

/* ---- the head -------------------------------------------------------------------------------- */

static StringInfo
begin_value(void)
{
	return makeStringInfo();
}

/* Options may hold anything, a condition of any length for example. */
#define MAX_CODE	2000

static void
append_code(StringInfo html, const char *name)
{
	appendStringInfoString(html, "<code><bdi>");
	lstm_html_clipped(html, name, MAX_CODE);
	appendStringInfoString(html, "</bdi></code>");
}

/* "Tells cause from body of public.ticket", as a sentence's beginning. */
static void
append_purpose(const LstmReport *r, StringInfo html)
{
	static const char *const verbs[] = {
		[NN_TASK_CLASSIFY] = "Tells",[NN_TASK_REGRESS] = "Tells",[NN_TASK_TAG] = "Tags",
		[NN_TASK_TRANSLATE] = "Writes",[NN_TASK_CAPTION] = "Writes",[NN_TASK_LANGUAGE] = "Knows what comes next in",
		[NN_TASK_FORECAST] = "Forecasts",
	};

	if (r->ref.is_shipped)
	{
		appendStringInfoString(html, "The model that came with the extension.");
		return;
	}
	if (r->about.input == NULL)
	{
		appendStringInfoString(html, "An imported model.");
		return;
	}
	appendStringInfo(html, "%s ", verbs[r->model->spec.task]);
	if (r->about.target != NULL)
	{
		append_code(html, r->about.target);
		appendStringInfoString(html, " from ");
	}
	append_code(html, r->about.input);
	if (r->about.relation != NULL)
	{
		appendStringInfoString(html, " of ");
		append_code(html, r->about.relation);
	}
	appendStringInfoChar(html, '.');
}

static char *
lead(const LstmReport *r)
{
	StringInfo	html = begin_value();

	append_purpose(r, html);
	appendStringInfo(html, " Version %d, which is %s", r->version.version, r->version.is_live ? "live" : "not live");
	if (r->version.trained_at != NULL)
	{
		appendStringInfo(html, ", %s ", r->version.rows >= 0 ? "was trained" : "came here");
		lstm_html_text(html, r->version.trained_at);
	}
	if (r->version.rows >= 0)
	{
		appendStringInfoString(html, " on ");
		lstm_html_count(html, r->version.rows);
		appendStringInfoString(html, r->version.rows == 1 ? " row" : " rows");
	}
	if (isfinite(r->version.seconds))
	{
		appendStringInfoString(html, " in ");
		lstm_html_seconds(html, r->version.seconds);
	}
	appendStringInfoChar(html, '.');
	return html->data;
}

/* ---- figures --------------------------------------------------------------------------------- */

typedef enum FigureKind
{
	FIGURE_SHARE,
	FIGURE_NUMBER
} FigureKind;

typedef struct Figure
{
	const char *key;
	const char *name;
	const char *note;
	FigureKind	kind;
} Figure;

/* Those that a version has are shown, in this order. */
static const Figure figures[] = {
	{"accuracy", "Accuracy", "of the held-out rows told right", FIGURE_SHARE},
	{"micro_f1", "Micro F1", "over all labels of all rows", FIGURE_SHARE},
	{"macro_f1", "Macro F1", "the mean over the labels", FIGURE_SHARE},
	{"exact_sets", "Exact sets", "rows with all labels right", FIGURE_SHARE},
	{"r2", "R squared", "share of the variance explained", FIGURE_NUMBER},
	{"f1", "F1 of spans", "precision and recall together", FIGURE_SHARE},
	{"token_accuracy", "Token accuracy", "of the tokens told right", FIGURE_SHARE},
	{"bleu", "BLEU", "0 to 100", FIGURE_NUMBER},
	{"cider", "CIDEr", "0 to 10", FIGURE_NUMBER},
	{"exact", "Exact", "of the texts, written exactly", FIGURE_SHARE},
	{"perplexity", "Perplexity", "per token; the less, the better", FIGURE_NUMBER},
	{"nats_per_character", "Nats per character", "the less, the better", FIGURE_NUMBER},
	{"mase", "MASE", "error over that of the season before", FIGURE_NUMBER},
	{"mae", "Mean error", "in the units of the target", FIGURE_NUMBER},
	{"rmse", "RMSE", "large errors count more", FIGURE_NUMBER},
	{"coverage", "Coverage", "values within the 80% band", FIGURE_SHARE},
	{"calibration_error", "Calibration error", "how far probabilities are off", FIGURE_SHARE},
};

static void
put_figure(const LstmReport *r, StringInfo html, const Figure *figure)
{
	double		value = lstm_json_number_of(r->version.metrics, figure->key);
	StringInfo text = begin_value();

	if (isnan(value))
		return;
	if (figure->kind == FIGURE_SHARE)
		lstm_html_percent(text, value);
	else
		lstm_html_number(text, value);
	lstm_html_tile(html, figure->name, text->data, figure->note);
}

static void
put_figures(const LstmReport *r, StringInfo html)
{
	double		n_valid = lstm_json_number_of(r->version.metrics, "n_valid");
	StringInfo text = begin_value();

	if (r->version.metrics == NULL)
		return;
	lstm_html_tiles(html);
	for (int i = 0; i < lengthof(figures); i++)
		put_figure(r, html, &figures[i]);
	if (n_valid >= 0.0 && n_valid < 1e15)
	{
		lstm_html_count(text, (int64) n_valid);
		lstm_html_tile(html, "Held-out rows", text->data, n_valid > 0.0 ? "by which it was measured" : "so nothing was measured");
	}
	lstm_html_tiles_end(html);
}

/* ---- the model's facts ----------------------------------------------------------------------- */

static void
put_text_fact(StringInfo html, const char *name, const char *value)
{
	StringInfo text = begin_value();

	if (value == NULL)
		return;
	appendStringInfoString(text, "<bdi>");
	lstm_html_text(text, value);
	appendStringInfoString(text, "</bdi>");
	lstm_html_fact(html, name, text->data);
}

static void
put_code_fact(StringInfo html, const char *name, const char *value)
{
	StringInfo text = begin_value();

	if (value == NULL)
		return;
	append_code(text, value);
	lstm_html_fact(html, name, text->data);
}

static void
put_count_fact(const LstmReport *r, StringInfo html, const char *name, const char *key)
{
	double		value = lstm_json_number_of(r->version.facts, key);
	StringInfo text = begin_value();

	if (!(value >= 1.0 && value < 1e15))
		return;
	lstm_html_count(text, (int64) value);
	lstm_html_fact(html, name, text->data);
}

/* "bidirectional lstm, 1 layer of 64; bag of words and pairs" */
static char *
network(const LstmReport *r)
{
	const NnSpec *spec = &r->model->spec;
	StringInfoData text;

	initStringInfo(&text);
	if (spec->cell != NN_CELL_NONE)
	{
		appendStringInfo(&text, "%s%s", spec->is_bidirectional ? "bidirectional " : "", nn_cell_name(spec->cell));
		if (spec->n_layers > 0)
			appendStringInfo(&text, ", %d layer%s of %d", spec->n_layers, spec->n_layers > 1 ? "s" : "", spec->hidden);
	}
	if (nn_task_is_pooled(spec->task) && spec->wide != NN_WIDE_NONE)
		appendStringInfo(&text, "%s%s", text.len > 0 ? ", beside it: " : "",
						 spec->wide == NN_WIDE_BAG ? "a bag of words and pairs" :
						 spec->wide == NN_WIDE_FLAT ? "a dense layer over all steps" : "an autoregression");
	if (spec->task == NN_TASK_TAG)
		appendStringInfoString(&text, ", a conditional random field over the tags");
	if (spec->decoder_layers > 0)
		appendStringInfo(&text, ", a decoder of %d layer%s with attention", spec->decoder_layers,
						 spec->decoder_layers > 1 ? "s" : "");
	return text.data;
}

static void
put_training_facts(LstmReport *r, StringInfo html)
{
	StringInfo text;

	put_code_fact(html, "Source", r->about.relation);
	put_code_fact(html, "Input", r->about.input);
	put_code_fact(html, "Target", r->about.target);
	if (r->version.rows >= 0)
	{
		double		skipped = lstm_json_number_of(r->version.metrics, "rows_skipped_null");

		text = begin_value();

		lstm_html_count(text, r->version.rows);
		if (skipped > 0.0 && skipped < 1e15)
		{
			appendStringInfoString(text, ", and ");
			lstm_html_count(text, (int64) skipped);
			appendStringInfoString(text, " skipped for a null");
		}
		lstm_html_fact(html, "Rows", text->data);
	}
	if (r->version.epochs >= 0)
	{
		double		best = lstm_json_number_of(r->version.metrics, "best_epoch");

		text = begin_value();

		lstm_html_count(text, r->version.epochs);
		if (best >= 0.0 && best < 1e6)
			appendStringInfo(text, best == 0.0 ? ", none better than the start" : ", the best was number %d", (int) best);
		lstm_html_fact(html, "Epochs", text->data);
	}
	put_text_fact(html, "Trained at", r->version.trained_at);
	put_text_fact(html, "Trained by", r->version.trained_by);
	if (r->version.options != NULL && JB_ROOT_COUNT(r->version.options) > 0)
		put_code_fact(html, "Options", JsonbToCString(NULL, &r->version.options->root, VARSIZE(r->version.options)));
	if (lstm_json_truth_of(r->version.metrics, "refitted"))
		put_text_fact(html, "Refit", "after it was measured it was trained once more on all rows");
	if (lstm_json_truth_of(r->version.facts, "row_security"))
		put_text_fact(html, "Row security", "policies chose among the rows that it learned from");
}

static void
write_model(LstmReport *r, StringInfo html)
{
	StringInfo text = begin_value();

	lstm_html_facts(html);
	put_text_fact(html, "Task", nn_task_name(r->model->spec.task));
	put_text_fact(html, "Network", network(r));
	put_count_fact(r, html, "Parameters", "parameters");
	put_count_fact(r, html, "Vocabulary", "vocabulary");
	put_training_facts(r, html);
	put_text_fact(html, "Owner", r->ref.is_shipped ? NULL : GetUserNameFromId(r->row.owner, true));
	put_text_fact(html, "First version", r->about.created);
	lstm_html_bytes(text, r->version.bytes);
	lstm_html_fact(html, "Weights file", text->data);
	put_code_fact(html, "Digest", r->version.digest);
	lstm_html_facts_end(html);
}

/* ---- the whole --------------------------------------------------------------------------------- */

static const LstmSection model_section = {"model", "The model", write_model};
static const LstmSection training_section = {"training", "Training", lstm_report_training};
static const LstmSection versions_section = {"versions", "Versions", lstm_report_versions};
static const LstmSection drift_section = {"drift", "Drift", lstm_report_drift};

/* What a task has between its training and its versions. */
static const LstmSection label_sections[] = {
	{"labels", "Labels", lstm_report_labels},
	{"confusion", "Confusion", lstm_report_confusion},
	{"calibration", "Calibration", lstm_report_calibration},
	{"abstaining", "Abstaining", lstm_report_abstaining},
	{"words", "Words", lstm_report_words},
	{"examples", "Examples", lstm_report_examples},
};

static const LstmSection number_sections[] = {{"answers", "Answers", lstm_report_numbers}};
static const LstmSection tag_sections[] = {{"answers", "Tags", lstm_report_tags}};
static const LstmSection written_sections[] = {{"answers", "What it writes", lstm_report_written}};
static const LstmSection language_sections[] = {{"answers", "What it expects", lstm_report_language}};
static const LstmSection forecast_sections[] = {{"answers", "Forecasts", lstm_report_forecasts}};

static const struct
{
	const LstmSection *sections;
	int			n;
}			sections_of[] = {
	[NN_TASK_CLASSIFY] = {label_sections, lengthof(label_sections)},
	[NN_TASK_REGRESS] = {number_sections, lengthof(number_sections)},
	[NN_TASK_TAG] = {tag_sections, lengthof(tag_sections)},
	[NN_TASK_TRANSLATE] = {written_sections, lengthof(written_sections)},
	[NN_TASK_CAPTION] = {written_sections, lengthof(written_sections)},
	[NN_TASK_LANGUAGE] = {language_sections, lengthof(language_sections)},
	[NN_TASK_FORECAST] = {forecast_sections, lengthof(forecast_sections)},
};

#define MAX_SECTIONS 16

/* A row with many labels is not taken for another one; numbers have no words. */
static bool
has_section(const LstmReport *r, const LstmSection *section)
{
	if (section->write == lstm_report_confusion)
		return !r->model->spec.is_multi_label;
	if (section->write == lstm_report_words)
		return r->model->spec.input == NN_INPUT_TEXT;
	return true;
}

static int
choose_sections(const LstmReport *r, const LstmSection **chosen)
{
	NnTask		task = r->model->spec.task;
	int			n = 0;

	chosen[n++] = &model_section;
	chosen[n++] = &training_section;
	for (int i = 0; i < sections_of[task].n; i++)
	{
		if (has_section(r, &sections_of[task].sections[i]))
			chosen[n++] = &sections_of[task].sections[i];
	}
	chosen[n++] = &versions_section;
	chosen[n++] = &drift_section;
	return n;
}

/* As times stand on the rest of the page. */
static char *
time_now(void)
{
	return TextDatumGetCString(DirectFunctionCall2(timestamptz_to_char, TimestampTzGetDatum(GetCurrentTimestamp()),
												   CStringGetTextDatum("YYYY-MM-DD HH24:MI TZ")));
}

static void
write_page(LstmReport *r, StringInfo html)
{
	const LstmSection *sections[MAX_SECTIONS];
	LstmHtmlLink links[MAX_SECTIONS];
	int			n = choose_sections(r, sections);
	StringInfo text = begin_value();

	for (int i = 0; i < n; i++)
		links[i] = (LstmHtmlLink) {sections[i]->id, sections[i]->title};
	appendStringInfo(text, "%s, version %d", r->ref.name, r->version.version);
	lstm_html_begin(html, text->data);
	lstm_html_header(html, psprintf("pg_lstm, %s", nn_task_name(r->model->spec.task)), r->ref.name, lead(r), links, n);
	put_figures(r, html);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		lstm_html_section(html, sections[i]->id, sections[i]->title, NULL);
		sections[i]->write(r, html);
		lstm_html_section_end(html);
	}
	resetStringInfo(text);
	appendStringInfoString(text, "Written by pg_lstm, ");
	lstm_html_text(text, time_now());
	appendStringInfoString(text, ", for ");
	lstm_html_text(text, GetUserNameFromId(GetUserId(), false));
	appendStringInfoString(text, r->n_examples > 0 ? ". It may hold texts of rows that not everybody may read." : ".");
	lstm_html_end(html, text->data);
}

void
lstm_report_page(const LstmRef *ref, int n_examples, StringInfo html)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "pg_lstm report", ALLOCSET_DEFAULT_SIZES);
	LstmReport *r;

	MemoryContextSwitchTo(context);
	r = palloc0(sizeof(LstmReport));
	r->context = context;
	r->ref = *ref;
	r->n_examples = n_examples;
	lstm_env_init(&r->env, context);
	r->arena = nn_arena_create(&r->env.env);
	if (r->arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	r->model = lstm_cache_get(&r->ref);
	/* reading rows may ask other models */
	lstm_cache_pin(r->model, context);
	read_record(r);
	write_page(r, html);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}
