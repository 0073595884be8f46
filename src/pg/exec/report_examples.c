/*
 * exec/report_examples.c: held-out rows told right and wrong, with the words that decided,
 * and the words that drive each label.
 *
 * The rows are read once for both sections.  Rows told wrong come by how sure the model was
 * of them, since a sure mistake is either the model's most instructive one or a wrong label; those
 * told right, and those whose words are counted, are drawn by their hash.
 */
#include "glue/compat.h"

#include <math.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "exec/explain.h"
#include "exec/predict.h"
#include "exec/report_page_private.h"
#include "exec/text_range.h"
#include "glue/errors.h"
#include "glue/settings.h"

#define BATCH_ROWS		256
#define MAX_LABELS		12		/* whose words are shown, those with the most answers */
#define MAX_EXPLAINED	240		/* rows, of all these labels */
#define MAX_WORDS		10		/* of a label */
#define MIN_TEXTS		2		/* that a word must be in */
#define MAX_CHARACTERS	900		/* of an example */

struct LstmLabelRows
{
	LstmHeldRows held;
	const char *why;			/* they could not be read; NULL: they were */
	float	   *out;			/* (BATCH_ROWS, C) */
	int64	   *n_answered;		/* (C) */
	int64		n_right;
	LstmShelf  *wrong;
	LstmShelf **right;			/* (C) of each label that was answered; NULL: none yet */
	LstmShelf **sample;			/* (C) the same, right or wrong, whose words are counted */
};

/* ---- what is answered ----------------------------------------------------------------------- */

/* Is the label among the words? */
static bool
has_label(const NnValue *labels, const char *label)
{
	for (int i = 0; i < labels->n_words; i++)
		if (strlen(label) == labels->word_bytes[i] && memcmp(label, labels->words[i], labels->word_bytes[i]) == 0)
			return true;
	return false;
}

/* Of many labels all must be right. */
static bool
is_right(const NnModel *model, const LstmRow *row, const float *p, int best)
{
	if (!model->spec.is_multi_label)
		return strlen(model->labels[best]) == row->label_bytes &&
			memcmp(model->labels[best], row->label, row->label_bytes) == 0;
	for (int c = 0; c < model->spec.n_outputs; c++)
		if ((p[c] >= model->threshold[c]) != has_label(&row->target, model->labels[c]))
			return false;
	return true;
}

/* The labels of a row, or those that were answered, as one text. */
static char *
join_labels(const NnModel *model, const LstmRow *row, const float *p)
{
	StringInfoData text;

	initStringInfo(&text);
	for (int i = 0; row != NULL && i < row->target.n_words; i++)
	{
		appendStringInfoString(&text, i > 0 ? ", " : "");
		appendBinaryStringInfo(&text, row->target.words[i], (int) row->target.word_bytes[i]);
	}
	for (int c = 0; row == NULL && c < model->spec.n_outputs; c++)
	{
		if (p[c] >= model->threshold[c])
			appendStringInfo(&text, "%s%s", text.len > 0 ? ", " : "", model->labels[c]);
	}
	return text.data;
}

static void
fill(const NnModel *model, LstmKeptRow *kept, const LstmRow *row, const float *p, int best)
{
	if (kept == NULL)
		return;
	kept->predicted = best;
	kept->probability = (double) p[best];
	if (!model->spec.is_multi_label)
	{
		kept->label = pnstrdup(row->label, row->label_bytes);
		kept->told = model->labels[best];
		return;
	}
	kept->label = join_labels(model, row, p);
	kept->told = join_labels(model, NULL, p);
}

/* A label's shelf; so many rows are wanted of all labels together. */
static LstmShelf *
shelf_of(LstmShelf **shelves, int label, int n_wanted, int C)
{
	int			n_labels = Max(Min(Min(MAX_LABELS, C), n_wanted), 1);

	if (shelves[label] == NULL)
		shelves[label] = lstm_shelf_create((n_wanted + n_labels - 1) / n_labels);
	return shelves[label];
}

static void
take(LstmReport *r, LstmHeldRows *held, const LstmRow *row, const NnValue *inputs, const uint64 *hash, int n)
{
	struct LstmLabelRows *rows = held->kept;
	const NnModel *model = held->model;
	int			C = model->spec.n_outputs;

	lstm_predict_batch(model, inputs, n, rows->out, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		const float *p = rows->out + (size_t) i * C;
		int			best = lstm_best_of(p, C);
		double		rank = lstm_rank_of(hash[i]);
		LstmKeptRow *kept;

		rows->n_answered[best]++;
		if (is_right(model, &row[i], p, best))
		{
			rows->n_right++;
			kept = lstm_shelf_add(shelf_of(rows->right, best, r->n_examples, C), rank, hash[i], &inputs[i]);
		}
		else
			kept = lstm_shelf_add(rows->wrong, -(double) p[best], hash[i], &inputs[i]);
		fill(model, kept, &row[i], p, best);
		if (model->spec.input == NN_INPUT_TEXT)
			(void) lstm_shelf_add(shelf_of(rows->sample, best, MAX_EXPLAINED, C), rank, hash[i], &inputs[i]);
	}
}

static struct LstmLabelRows *
label_rows(LstmReport *r)
{
	int			C = r->model->spec.n_outputs;
	struct LstmLabelRows *rows;

	if (r->label_rows != NULL)
		return r->label_rows;
	rows = palloc0(sizeof(struct LstmLabelRows));
	rows->out = palloc_extended(sizeof(float) * BATCH_ROWS * C, MCXT_ALLOC_HUGE);
	rows->n_answered = palloc0(sizeof(int64) * C);
	rows->right = palloc0(sizeof(LstmShelf *) * C);
	rows->wrong = lstm_shelf_create(r->n_examples);
	rows->sample = palloc0(sizeof(LstmShelf *) * C);
	rows->held.batch_rows = BATCH_ROWS;
	rows->held.take = take;
	rows->held.kept = rows;
	rows->why = lstm_report_read(r, &rows->held);
	if (rows->why == NULL && rows->held.n == 0)
		rows->why = "No held-out row is there any more.";
	r->label_rows = rows;
	return rows;
}

typedef struct Answered
{
	int			label;
	int64		n;
} Answered;

static int
compare_answered(const void *a, const void *b)
{
	const Answered *x = a;
	const Answered *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	return x->label < y->label ? -1 : x->label > y->label;
}

/* The labels by how often they were answered. */
static Answered *
order_labels(const struct LstmLabelRows *rows)
{
	int			C = rows->held.model->spec.n_outputs;
	Answered   *order = palloc(sizeof(Answered) * C);

	for (int c = 0; c < C; c++)
		order[c] = (Answered) {c, rows->n_answered[c]};
	qsort(order, C, sizeof(Answered), compare_answered);
	return order;
}

/* Rows told right: in turn one of each label. */
static LstmShelf *
choose_right(const struct LstmLabelRows *rows, int n_wanted)
{
	LstmShelf  *chosen = lstm_shelf_create(n_wanted);
	Answered   *order = order_labels(rows);

	for (int turn = 0; turn < n_wanted; turn++)
	{
		for (int i = 0; i < rows->held.model->spec.n_outputs && chosen->n < n_wanted; i++)
		{
			const LstmShelf *shelf = rows->right[order[i].label];

			if (shelf != NULL && turn < shelf->n)
				chosen->row[chosen->n++] = shelf->row[turn];
		}
	}
	return chosen;
}

/* ---- colored texts ------------------------------------------------------------------------------ */

static double
largest_weight(const NnExplanation *explanation)
{
	double		most = 0.0;

	for (int i = 0; i < explanation->n_parts; i++)
		most = Max(most, isfinite(explanation->part[i].weight) ? fabs(explanation->part[i].weight) : 0.0);
	return most;
}

/* Go on to a character; what lies between is written, and no more than there is room for. */
static void
write_to(StringInfo html, LstmRuler *ruler, int64 character, double weight, bool is_marked)
{
	size_t		from = ruler->byte;

	while (ruler->character < Min(character, MAX_CHARACTERS) && ruler->byte < ruler->n_bytes)
	{
		ruler->byte = Min(ruler->byte + pg_utf_mblen((const unsigned char *) ruler->text +ruler->byte), ruler->n_bytes);
		ruler->character++;
	}
	if (is_marked)
		lstm_html_mark(html, ruler->text +from, ruler->byte - from, weight);
	else
		lstm_html_utf8(html, ruler->text +from, ruler->byte - from);
}

void
lstm_report_colored(StringInfo html, const NnValue *input, const NnExplanation *explanation)
{
	double		most = largest_weight(explanation);
	LstmRuler	ruler;

	lstm_ruler_init(&ruler, input);
	for (int i = 0; i < explanation->n_parts && most > 0.0; i++)
	{
		const NnExplainPart *part = &explanation->part[i];

		write_to(html, &ruler, part->start, 0.0, false);
		write_to(html, &ruler, part->stop, part->weight / most, true);
	}
	write_to(html, &ruler, MAX_CHARACTERS, 0.0, false);
	if (ruler.byte < ruler.n_bytes)
		appendStringInfoString(html, "&#8230;");
}

static void
write_example(const NnModel *model, StringInfo html, const LstmKeptRow *row, const NnExplanation *explanation, bool is_right)
{
	appendStringInfo(html, "<li class=\"%s\"><p class=\"head\"><span>%s <b><bdi>", is_right ? "right" : "wrong",
					 is_right ? "told" : "is");
	lstm_html_utf8(html, row->label, strlen(row->label));
	appendStringInfoString(html, "</bdi></b></span>");
	if (!is_right)
	{
		appendStringInfoString(html, "<span>was told <b><bdi>");
		lstm_html_utf8(html, row->told, strlen(row->told));
		appendStringInfoString(html, "</bdi></b></span>");
	}
	appendStringInfoString(html, "<span>probability ");
	lstm_html_percent(html, row->probability);
	appendStringInfoString(html, "</span></p>\n<p class=\"body\" dir=\"auto\">");
	if (explanation != NULL)
		lstm_report_colored(html, &row->input, explanation);
	else
		lstm_report_value(html, &row->input);
	appendStringInfoString(html, "</p></li>\n");
}

static void
write_examples(const NnModel *model, StringInfo html, const LstmShelf *shelf, bool is_right)
{
	NnExplainOptions options = {.score = NN_EXPLAIN_LOGIT};
	NnValue    *inputs = palloc(sizeof(NnValue) * Max(shelf->n, 1));
	int32_t    *label = palloc(sizeof(int32_t) * Max(shelf->n, 1));
	NnExplanation *explanation = NULL;

	appendStringInfo(html, "<h3>Told %s</h3>\n", is_right ? "right" : "wrong, the surest first");
	if (shelf->n == 0)
	{
		lstm_html_empty(html, "No held-out row was told %s.", is_right ? "right" : "wrong");
		return;
	}
	for (int i = 0; i < shelf->n; i++)
	{
		inputs[i] = shelf->row[i].input;
		label[i] = shelf->row[i].predicted;
	}
	if (model->spec.input == NN_INPUT_TEXT)
		explanation = lstm_explain_rows(model, inputs, label, shelf->n, &options);
	appendStringInfoString(html, "<ol class=\"cards\">\n");
	for (int i = 0; i < shelf->n; i++)
		write_example(model, html, &shelf->row[i], explanation != NULL ? &explanation[i] : NULL, is_right);
	appendStringInfoString(html, "</ol>\n");
}

void
lstm_report_examples(LstmReport *r, StringInfo html)
{
	struct LstmLabelRows *rows = label_rows(r);

	if (rows->why != NULL)
	{
		lstm_html_empty(html, "%s", rows->why);
		return;
	}
	appendStringInfoString(html, "<p class=\"intro\">Of ");
	lstm_html_count(html, rows->held.n);
	appendStringInfo(html, " held-out rows that were read again, %s, ",
					 rows->held.is_clean ? "which this network has not learned from" : "which this version has learned from since");
	lstm_html_count(html, rows->n_right);
	appendStringInfoString(html, " are told right.");
	if (r->model->spec.input == NN_INPUT_TEXT)
		appendStringInfoString(html, " The stronger a word's color, the more it counts: <mark class=\"for\" style=\"--w:.8\">for</mark> the answer "
							   "or <mark class=\"against\" style=\"--w:.8\">against</mark> it.");
	appendStringInfoString(html, "</p>\n");
	write_examples(rows->held.model, html, rows->wrong, false);
	write_examples(rows->held.model, html, choose_right(rows, r->n_examples), true);
}

/* ---- words -------------------------------------------------------------------------------------- */

/* Explain a label's rows and count their words; returns how many rows. */
static int
count_words(const NnModel *model, const LstmShelf *shelf, int label, NnDrivers *drivers)
{
	bool		is_apart = !model->spec.is_multi_label && model->spec.n_outputs > 1;
	NnExplainOptions options = {.score = is_apart ? NN_EXPLAIN_MARGIN : NN_EXPLAIN_LOGIT};
	NnValue    *inputs = palloc(sizeof(NnValue) * Max(shelf->n, 1));
	int32_t    *labels = palloc(sizeof(int32_t) * Max(shelf->n, 1));
	NnExplanation *explanation;
	NnError		err = {0};

	for (int i = 0; i < shelf->n; i++)
	{
		inputs[i] = shelf->row[i].input;
		labels[i] = label;
	}
	explanation = lstm_explain_rows(model, inputs, labels, shelf->n, &options);
	for (int i = 0; i < shelf->n; i++)
		lstm_check(nn_drivers_add(drivers, &explanation[i], &err), &err);
	return shelf->n;
}

static void
write_words(const NnModel *model, StringInfo html, const LstmShelf *shelf, int label, NnDrivers *drivers)
{
	int			n_rows = count_words(model, shelf, label, drivers);
	NnDriver	top[MAX_WORDS];
	LstmHtmlWeight weights[MAX_WORDS];
	int			n = nn_drivers_top(drivers, label, Min(MIN_TEXTS, n_rows), MAX_WORDS, top);
	int			n_shown = 0;

	for (int i = 0; i < n; i++)
	{
		if (!(top[i].weight > 0.0))
			continue;
		weights[n_shown].name = lstm_from_utf8_bytes(top[i].bytes, top[i].n_bytes);
		weights[n_shown].weight = top[i].weight / n_rows;
		weights[n_shown++].n = top[i].n_texts;
	}
	appendStringInfoString(html, "<div>");
	lstm_html_weights(html, psprintf("%s (%d row%s)", lstm_from_utf8(model->labels[label]), n_rows, n_rows == 1 ? "" : "s"),
					  weights, n_shown);
	appendStringInfoString(html, "</div>\n");
}

void
lstm_report_words(LstmReport *r, StringInfo html)
{
	struct LstmLabelRows *rows = label_rows(r);
	const NnModel *model = rows->held.model;
	int			C = r->model->spec.n_outputs;
	Answered   *order;
	NnDrivers  *drivers;
	NnError		err = {0};

	if (rows->why != NULL)
	{
		lstm_html_empty(html, "%s", rows->why);
		return;
	}
	order = order_labels(rows);
	lstm_check(nn_drivers_create(&drivers, &r->env.env, C, lstm_megabytes(lstm_train_memory_mb) / 4, &err), &err);
	appendStringInfoString(html, "<p class=\"intro\">Words that speak most for each label, by integrated gradients over held-out rows that were told it. "
						   "A weight is what the word adds to the label's score, on average over these rows.</p>\n<div class=\"grid small\">\n");
	for (int i = 0; i < Min(C, MAX_LABELS); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (order[i].n > 0 && rows->sample[order[i].label] != NULL && rows->sample[order[i].label]->n > 0)
			write_words(model, html, rows->sample[order[i].label], order[i].label, drivers);
	}
	lstm_html_grid_end(html);
	nn_drivers_destroy(drivers);
}
