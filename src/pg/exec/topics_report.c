/*
 * exec/topics_report.c: the topics of a version as a page that people look at.
 *
 *   figures    topics, rows, coherence, diversity
 *   table      all topics, the largest first
 *   topics     the words of each, with how typical they are
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/builtins.h"

#include "exec/html.h"
#include "exec/topics.h"
#include "store/topics.h"

#define SHOWN_WORDS 5

/* In the table and below it: the largest first, of equal ones the lower number. */
static int
compare_sizes(const void *a, const void *b)
{
	const LstmTopic *x = *(const LstmTopic *const *) a;
	const LstmTopic *y = *(const LstmTopic *const *) b;

	if (x->n_rows != y->n_rows)
		return x->n_rows > y->n_rows ? -1 : 1;
	return (x->topic > y->topic) - (x->topic < y->topic);
}

static const LstmTopic **
by_size(const LstmTopicSet *set)
{
	const LstmTopic **topics = palloc(sizeof(LstmTopic *) * Max(set->n, 1));

	for (int i = 0; i < set->n; i++)
		topics[i] = &set->topic[i];
	qsort(topics, set->n, sizeof(LstmTopic *), compare_sizes);
	return topics;
}

static double
mean_coherence(const LstmTopicSet *set)
{
	double		sum = 0.0;
	int			n = 0;

	for (int i = 0; i < set->n; i++)
	{
		if (!isfinite(set->topic[i].coherence))
			continue;
		sum += set->topic[i].coherence;
		n++;
	}
	return n > 0 ? sum / n : NAN;
}

static int
compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* The share of different words among all topics' words. */
static double
diversity(const LstmTopicSet *set)
{
	int			n = 0;
	int			n_different = 0;
	const char **words;

	for (int i = 0; i < set->n; i++)
		n += set->topic[i].n_words;
	words = palloc(sizeof(char *) * Max(n, 1));
	n = 0;
	for (int i = 0; i < set->n; i++)
		for (int j = 0; j < set->topic[i].n_words; j++)
			words[n++] = set->topic[i].word[j];
	qsort(words, n, sizeof(char *), compare_words);
	for (int i = 0; i < n; i++)
		n_different += i == 0 || strcmp(words[i], words[i - 1]) != 0;
	return n > 0 ? (double) n_different / n : NAN;
}

static int64
count_rows(const LstmTopicSet *set)
{
	int64		n = 0;

	for (int i = 0; i < set->n; i++)
		n += set->topic[i].n_rows;
	return n;
}

/* ---- sections ------------------------------------------------------------------------------ */

static void
write_figures(const LstmTopicSet *set, StringInfo html)
{
	StringInfoData value;

	initStringInfo(&value);
	lstm_html_tiles(html);
	lstm_html_count(&value, set->n);
	lstm_html_tile(html, "Topics", value.data, NULL);
	resetStringInfo(&value);
	lstm_html_count(&value, count_rows(set));
	lstm_html_tile(html, "Rows with a topic", value.data, NULL);
	resetStringInfo(&value);
	lstm_html_number(&value, mean_coherence(set));
	lstm_html_tile(html, "Coherence", value.data, "mean NPMI: 0 by chance, 1 always together");
	resetStringInfo(&value);
	lstm_html_percent(&value, diversity(set));
	lstm_html_tile(html, "Different words", value.data, "of all words of topics");
	lstm_html_tiles_end(html);
}

/* The number of a topic and its first words: what stands in front of its row. */
static char *
title(const LstmTopic *topic)
{
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfo(&text, "%d:", topic->topic);
	for (int j = 0; j < Min(topic->n_words, SHOWN_WORDS); j++)
		appendStringInfo(&text, "%s %s", j > 0 ? "," : "", topic->word[j]);
	return text.data;
}

static void
write_table(const LstmTopicSet *set, const LstmTopic **topics, StringInfo html)
{
	static const LstmHtmlColumn columns[] = {{"Topic", false}, {"Rows", true}, {"Share", true}, {"Coherence", true}};
	double		n = (double) Max(count_rows(set), 1);

	lstm_html_section(html, "all", "All topics", "The largest first. The number is the label that <code>lstm_predict</code> answers.");
	lstm_html_table(html, "Topics with their rows", columns, lengthof(columns));
	for (int i = 0; i < set->n; i++)
	{
		lstm_html_row(html);
		lstm_html_cell_header(html, title(topics[i]));
		lstm_html_cell_count(html, topics[i]->n_rows);
		lstm_html_cell_bar(html, (double) topics[i]->n_rows / n);
		lstm_html_cell_number(html, topics[i]->coherence);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
	lstm_html_section_end(html);
}

static void
write_topic_words(const LstmTopic *topic, StringInfo html)
{
	static const LstmHtmlColumn columns[] = {{"Word", false}, {"How typical", true}};
	double		most = 0.0;

	for (int j = 0; j < topic->n_words; j++)
		most = Max(most, topic->weight[j]);
	lstm_html_table(html, psprintf("Topic %d", topic->topic), columns, lengthof(columns));
	for (int j = 0; j < topic->n_words; j++)
	{
		lstm_html_row(html);
		lstm_html_cell_header(html, topic->word[j]);
		lstm_html_cell_bar(html, most > 0.0 ? topic->weight[j] / most : NAN);
		lstm_html_row_end(html);
	}
	lstm_html_table_end(html);
}

static void
write_words(const LstmTopicSet *set, const LstmTopic **topics, StringInfo html)
{
	lstm_html_section(html, "words", "The words of each topic",
					  "How typical a word is, of the topic's most typical one: its share of the topic's words, times the"
					  " logarithm of how much larger that is than its share of all words, times how much it tells of any topic.");
	lstm_html_grid(html);
	for (int i = 0; i < set->n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		write_topic_words(topics[i], html);
	}
	lstm_html_grid_end(html);
	lstm_html_section_end(html);
}

void
lstm_topics_page(const LstmRef *ref, StringInfo html)
{
	static const LstmHtmlLink links[] = {{"all", "All topics"}, {"words", "Words"}};
	const LstmTopicSet *set = lstm_topics_of(ref);
	const LstmTopic **topics;

	if (set == NULL)
		lstm_topics_throw_none(ref->name, "The page of any model is made by lstm_report.");
	topics = by_size(set);
	lstm_html_begin(html, psprintf("Topics of %s", ref->name));
	lstm_html_header(html, "Topics", ref->name, psprintf("Version %d.", ref->version), links, lengthof(links));
	write_figures(set, html);
	write_table(set, topics, html);
	write_words(set, topics, html);
	lstm_html_end(html, "Made by <code>lstm_topics_report</code>. No text of any row is in this page.");
}
