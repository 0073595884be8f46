/*
 * exec/report_tags.c: held-out rows of a tagger: how well each kind of span is found, and rows with their tags.
 */
#include "glue/compat.h"

#include <math.h>

#include "model/answer_tags.h"

#include "exec/explain.h"
#include "exec/predict.h"
#include "exec/report_page_private.h"
#include "glue/errors.h"

#define TAG_ROWS	64

typedef struct TagRows
{
	LstmHeldRows held;
	const NnTagScheme *scheme;
	NnSpanCount *count;			/* (1 + types), or (1 + tags) where they are no spans */
	LstmShelf  *wrong;
	LstmShelf  *right;
} TagRows;

static int32
tag_number(const NnModel *model, const char *bytes, size_t n_bytes)
{
	for (int k = 0; k < model->spec.n_outputs; k++)
		if (strlen(model->labels[k]) == n_bytes && memcmp(model->labels[k], bytes, n_bytes) == 0)
			return k;
	return -1;
}

static void
count_tags(TagRows *kept, const int32 *truth, const int32 *told, int n)
{
	NnError		err = {0};

	if (kept->scheme->is_bio)
	{
		lstm_check(nn_span_count_add(kept->scheme, truth, told, n, lstm_scratch(), kept->count, &err), &err);
		return;
	}
	for (int t = 0; t < n; t++)
	{
		bool		is_right = truth[t] == told[t];

		kept->count[0].n_true++;
		kept->count[0].n_predicted++;
		kept->count[0].n_right += is_right;
		if (truth[t] >= 0)
			kept->count[1 + truth[t]].n_true++;
		if (told[t] >= 0)
			kept->count[1 + told[t]].n_predicted++;
		if (is_right && told[t] >= 0)
			kept->count[1 + told[t]].n_right++;
	}
}

/* A token with its tag, unless that is O. */
static void
append_tagged(StringInfo html, const char *bytes, size_t n_bytes, const char *tag, size_t tag_bytes, bool is_wrong)
{
	bool		has_tag = !(tag_bytes == 1 && tag[0] == 'O');

	if (html->len > 0)
		appendStringInfoChar(html, ' ');
	if (!has_tag && !is_wrong)
	{
		lstm_html_utf8(html, bytes, n_bytes);
		return;
	}
	appendStringInfo(html, "<mark class=\"span%s\">", is_wrong ? " missed" : "");
	lstm_html_utf8(html, bytes, n_bytes);
	appendStringInfoString(html, "<sub>");
	lstm_html_utf8(html, tag, tag_bytes);
	appendStringInfoString(html, "</sub></mark>");
}

#define MAX_TOKENS	80

/* Was token t told the tag that it has? */
static bool
is_right_at(const NnModel *model, const NnValue *tags, const NnTaggedText *tagged, int t)
{
	const char *answer = model->labels[tagged->token[t].tag];

	return strlen(answer) == tags->word_bytes[t] && memcmp(answer, tags->words[t], tags->word_bytes[t]) == 0;
}

/* The first token that was told another tag than it has, or -1. */
static int
first_mistake(const NnModel *model, const NnValue *tags, const NnTaggedText *tagged)
{
	for (int t = 0; t < Min(tags->n_words, tagged->n_tokens); t++)
	{
		if (!is_right_at(model, tags, tagged, t))
			return t;
	}
	return -1;
}

/* The text with the tags that it has, and with those that were told, as HTML. */
static void
keep_tagged(const NnModel *model, LstmKeptRow *row, const NnValue *tags, const NnTaggedText *tagged)
{
	StringInfo	truth = makeStringInfo();
	StringInfo	told = makeStringInfo();
	int			n = Min(tags->n_words, tagged->n_tokens);

	if (row == NULL)
		return;
	for (int t = 0; t < Min(n, MAX_TOKENS); t++)
	{
		const NnTaggedToken *token = &tagged->token[t];
		const char *answer = model->labels[token->tag];

		append_tagged(truth, token->bytes, token->n_bytes, tags->words[t], tags->word_bytes[t], false);
		append_tagged(told, token->bytes, token->n_bytes, answer, strlen(answer), !is_right_at(model, tags, tagged, t));
	}
	row->label = truth->data;
	row->told = told->data;
	row->predicted = first_mistake(model, tags, tagged);
}

static void
take_tags(LstmReport *r, LstmHeldRows *held, const LstmRow *rows, const NnValue *inputs, const uint64 *hash, int n)
{
	TagRows    *kept = held->kept;
	NnTaggedText *tagged = palloc(sizeof(NnTaggedText) * n);
	int32	  **told = palloc(sizeof(int32 *) * n);
	NnError		err = {0};

	lstm_check(nn_answer_tags(held->model, inputs, n, lstm_scratch(), tagged, NULL, NULL, &err), &err);
	/* before spans are counted in core's scratch, too */
	for (int i = 0; i < n; i++)
	{
		const NnValue *tags = &rows[i].target;
		bool		is_right = true;

		told[i] = palloc(sizeof(int32) * Max(tags->n_words, 1));
		for (int t = 0; t < tags->n_words; t++)
		{
			told[i][t] = t < tagged[i].n_tokens ? tagged[i].token[t].tag : -1;
			is_right &= told[i][t] >= 0 && told[i][t] == tag_number(held->model, tags->words[t], tags->word_bytes[t]);
		}
		keep_tagged(held->model, lstm_shelf_add(is_right ? kept->right : kept->wrong, lstm_rank_of(hash[i]), hash[i], &inputs[i]),
					tags, &tagged[i]);
	}
	for (int i = 0; i < n; i++)
	{
		const NnValue *tags = &rows[i].target;
		int32	   *truth = palloc(sizeof(int32) * Max(tags->n_words, 1));

		for (int t = 0; t < tags->n_words; t++)
			truth[t] = tag_number(held->model, tags->words[t], tags->word_bytes[t]);
		count_tags(kept, truth, told[i], tags->n_words);
		pfree(truth);
		pfree(told[i]);
	}
	pfree(told);
	pfree(tagged);
}

static void
put_tag_counts(StringInfo html, const NnModel *model, const TagRows *kept)
{
	static const LstmHtmlColumn columns[] = {
		{"", false}, {"precision", true}, {"recall", true}, {"F1", true}, {"held out", true}, {"told", true},
	};
	int			n = kept->scheme->is_bio ? kept->scheme->n_types : model->spec.n_outputs;

	lstm_html_table(html, kept->scheme->is_bio ? "Spans, each right if its whole is" : "Tags", columns, lengthof(columns));
	for (int k = 0; k <= n; k++)
	{
		const NnSpanCount *count = &kept->count[k];
		const char *name = k == 0 ? "all" : lstm_from_utf8(kept->scheme->is_bio ? kept->scheme->type_name[k - 1] : model->labels[k - 1]);

		lstm_html_row(html);
		lstm_html_cell_header(html, name);
		lstm_html_cell_bar(html, count->n_predicted > 0 ? nn_span_precision(count) : NAN);
		lstm_html_cell_bar(html, count->n_true > 0 ? nn_span_recall(count) : NAN);
		lstm_html_cell_bar(html, count->n_true + count->n_predicted > 0 ? nn_span_f1(count) : NAN);
		lstm_html_cell_count(html, count->n_true);
		lstm_html_cell_count(html, count->n_predicted);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
}

/* What made the network tell the first token that it got wrong another tag: by the words around it. */
static void
put_reason(StringInfo html, const NnModel *model, const LstmKeptRow *row)
{
	NnExplainOptions options = {.position = row->predicted + 1};
	NnTaggedText tagged;
	const NnTaggedToken *token;
	int32_t		tag;
	NnError		err = {0};

	if (row->predicted < 0 || model->spec.input != NN_INPUT_TEXT)
		return;
	lstm_check(nn_answer_tags(model, &row->input, 1, lstm_scratch(), &tagged, NULL, NULL, &err), &err);
	if (row->predicted >= tagged.n_tokens)
		return;
	token = &tagged.token[row->predicted];
	tag = token->tag;
	appendStringInfoString(html, "<p class=\"body\" dir=\"auto\"><span class=\"badge\">why</span> ");
	append_tagged(html, token->bytes, token->n_bytes, model->labels[tag], strlen(model->labels[tag]), true);
	appendStringInfoString(html, "</p>\n<p class=\"body\" dir=\"auto\">");
	lstm_report_colored(html, &row->input, lstm_explain_rows(model, &row->input, &tag, 1, &options));
	appendStringInfoString(html, "</p>\n");
}

static void
put_tagged(StringInfo html, const NnModel *model, const char *title, const LstmShelf *shelf, bool is_right)
{
	if (shelf->n == 0)
		return;
	appendStringInfo(html, "<h3>%s</h3>\n", title);
	if (!is_right && model->spec.input == NN_INPUT_TEXT)
		appendStringInfoString(html, "<p class=\"intro\">Below each row the first tag that is wrong, and the words that spoke "
							   "<mark class=\"for\" style=\"--w:.8\">for</mark> it or <mark class=\"against\" style=\"--w:.8\">against</mark> it.</p>\n");
	appendStringInfoString(html, "<ol class=\"cards\">\n");
	for (int i = 0; i < shelf->n; i++)
	{
		appendStringInfo(html, "<li class=\"%s\"><p class=\"body\" dir=\"auto\">", is_right ? "right" : "wrong");
		if (!is_right)
			appendStringInfo(html, "<span class=\"badge\">is</span> %s</p>\n<p class=\"body\" dir=\"auto\"><span class=\"badge\">was told</span> ",
							 shelf->row[i].label);
		appendStringInfo(html, "%s</p>\n", shelf->row[i].told);
		if (!is_right)
			put_reason(html, model, &shelf->row[i]);
		appendStringInfoString(html, "</li>\n");
	}
	appendStringInfoString(html, "</ol>\n");
}

void
lstm_report_tags(LstmReport *r, StringInfo html)
{
	TagRows		kept = {.held = {.batch_rows = TAG_ROWS, .take = take_tags}};

	kept.held.kept = &kept;
	kept.scheme = &r->model->scheme;
	kept.count = palloc0(sizeof(NnSpanCount) * (1 + Max(kept.scheme->n_types, r->model->spec.n_outputs)));
	kept.wrong = lstm_shelf_create(r->n_examples);
	kept.right = lstm_shelf_create(r->n_examples);
	if (!lstm_report_begin_rows(r, html, &kept.held, lstm_report_read(r, &kept.held)))
		return;
	put_tag_counts(html, r->model, &kept);
	put_tagged(html, kept.held.model, "Rows with a mistake", kept.wrong, false);
	put_tagged(html, kept.held.model, "Rows told right", kept.right, true);
}
