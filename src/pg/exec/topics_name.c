/*
 * exec/topics_name.c: what the model answers to all rows, and so what its topics are.
 *
 * Sizes and words are those of the rows as the stored model answers them, not as they were
 * clustered: what lstm_topics says of a topic and what lstm_predict says of a row fit together.
 */
#include "glue/compat.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "exec/predict.h"
#include "exec/topics_private.h"
#include "glue/errors.h"

#define ASK_ROWS			256
#define EXAMPLE_CHARACTERS	120

/* ---- answers ------------------------------------------------------------------------------ */

void
lstm_topics_ask(LstmTopicsRun *run, const NnModel *model, int32 *label, float *probability)
{
	int64		n = lstm_topics_n_rows(run);
	int			C = model->spec.n_outputs;
	NnValue    *inputs = palloc(sizeof(NnValue) * ASK_ROWS);
	float	   *out = palloc_extended(sizeof(float) * ASK_ROWS * C, MCXT_ALLOC_HUGE);

	for (int64 at = 0; at < n; at += ASK_ROWS)
	{
		int			n_asked = (int) Min(ASK_ROWS, n - at);

		CHECK_FOR_INTERRUPTS();
		lstm_topics_inputs(run, at, n_asked, inputs);
		lstm_predict_batch(model, inputs, n_asked, out, NULL, NULL);
		for (int i = 0; i < n_asked; i++)
		{
			label[at + i] = lstm_best_of(out + (size_t) i * C, C);
			if (probability != NULL)
				probability[at + i] = out[(size_t) i * C + label[at + i]];
		}
	}
	pfree(inputs);
	pfree(out);
}

/* The topic that a label of the model stands for. */
static int32
topic_of_label(const LstmTopicsRun *run, const char *label)
{
	for (int k = 0; k < run->topics.n_topics; k++)
		if (atoi(label) == run->number[k])
			return k;
	return -1;
}

void
lstm_topics_name(LstmTopicsRun *run, const NnModel *model)
{
	const NnTopicRows *rows = &run->topics.rows;
	int32	   *label = palloc_extended(sizeof(int32) * Max(rows->n, 1), MCXT_ALLOC_HUGE);
	float	   *probability = palloc_extended(sizeof(float) * Max(rows->n, 1), MCXT_ALLOC_HUGE);
	int32	   *topic = palloc(sizeof(int32) * model->spec.n_outputs);
	NnError		err = {0};

	for (int c = 0; c < model->spec.n_outputs; c++)
		topic[c] = topic_of_label(run, model->labels[c]);
	lstm_topics_ask(run, model, label, probability);
	run->answer = palloc_extended(sizeof(int32) * Max(rows->n, 1), MCXT_ALLOC_HUGE);
	run->probability = palloc_extended(sizeof(float) * Max(rows->n, 1), MCXT_ALLOC_HUGE);
	for (int64 i = 0; i < rows->n; i++)
	{
		run->answer[i] = run->topics.topic[i] < 0 ? -1 : topic[label[rows->row[i]]];
		run->probability[i] = probability[rows->row[i]];
	}
	pfree(label);
	pfree(probability);
	run->words = palloc(sizeof(NnTopicWords) * run->topics.n_topics);
	lstm_check(nn_topics_name(&run->topics, run->answer, run->topics.n_topics, run->options.core.n_words, run->arena,
							  run->words, &err), &err);
}

/* ---- words -------------------------------------------------------------------------------- */

/* A word in the database's encoding; NULL if it cannot be written there, as after normalization. */
static char *
word_text(const LstmTopicsRun *run, int32 word)
{
	int			n_bytes;
	const char *bytes = nn_corpus_word(run->corpus, word, &n_bytes);
	size_t		n_out;
	char	   *text = lstm_from_utf8_quietly(bytes, (size_t) n_bytes, &n_out);

	return text !=NULL ? pnstrdup(text, n_out) : NULL;
}

char *
lstm_topics_json(const LstmTopicsRun *run)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoChar(&json, '[');
	for (int k = 0; k < run->topics.n_topics; k++)
	{
		const NnTopicWords *words = &run->words[k];
		StringInfoData weights;
		bool		is_first = true;

		initStringInfo(&weights);
		appendStringInfo(&json, "%s{\"topic\": %d, \"rows\": " INT64_FORMAT ", \"coherence\": ", k > 0 ? ", " : "",
						 run->number[k], words->n_rows);
		if (isfinite(words->coherence))
			appendStringInfo(&json, "%.6g", words->coherence);
		else
			appendStringInfoString(&json, "null");
		appendStringInfoString(&json, ", \"words\": [");
		for (int i = 0; i < words->n_words; i++)
		{
			char	   *text = word_text(run, words->word[i]);

			if (text == NULL)
				continue;
			if (!is_first)
				appendStringInfoString(&json, ", ");
			escape_json(&json, text);
			appendStringInfo(&weights, "%s%.6g", is_first ? "" : ", ", words->weight[i]);
			is_first = false;
		}
		appendStringInfo(&json, "], \"weights\": [%s]}", weights.data);
	}
	appendStringInfoChar(&json, ']');
	return json.data;
}

static void
put_words(const LstmTopicsRun *run, const NnTopicWords *words, LstmTopicResult *result)
{
	result->words = palloc(sizeof(char *) * Max(words->n_words, 1));
	for (int i = 0; i < words->n_words; i++)
	{
		char	   *text = word_text(run, words->word[i]);

		if (text !=NULL)
			result->words[result->n_words++] = text;
	}
}

/* ---- examples ------------------------------------------------------------------------------- */

/* The beginning of a text, white space as one space each; in the database's encoding. */
static char *
beginning(const NnValue *input)
{
	StringInfoData text;
	const char *bytes = input->kind == NN_VALUE_TEXT ? input->text : "";
	size_t		n_bytes = input->kind == NN_VALUE_TEXT ? input->n_bytes : 0;
	char	   *out;
	size_t		n_out;

	initStringInfo(&text);
	for (int i = 0; input->kind == NN_VALUE_WORDS && i < input->n_words && text.len < 4 * EXAMPLE_CHARACTERS; i++)
	{
		if (i > 0)
			appendStringInfoChar(&text, ' ');
		appendBinaryStringInfo(&text, input->words[i], (int) Min(input->word_bytes[i], 4 * EXAMPLE_CHARACTERS));
	}
	if (input->kind == NN_VALUE_WORDS)
	{
		bytes = text.data;
		n_bytes = text.len;
	}
	n_bytes = nn_utf8_skip(bytes, n_bytes, 0, EXAMPLE_CHARACTERS);
	out = lstm_from_utf8_quietly(bytes, n_bytes, &n_out);
	if (out == NULL)
		return pstrdup("");
	out = pnstrdup(out, n_out);
	for (char *at = out; *at != '\0'; at++)
		if (*at == '\n' || *at == '\r' || *at == '\t')
			*at = ' ';
	return out;
}

/* The rows that the model is surest of, of each text one: rows of one text stand side by side. */
static int
surest_rows(const LstmTopicsRun *run, int k, int64 *row)
{
	const NnTopicRows *rows = &run->topics.rows;
	int			n = 0;

	for (int64 i = 0; i < rows->n; i++)
	{
		int			at;

		if (run->answer[i] != k)
			continue;
		if (n == LSTM_TOPIC_EXAMPLES && run->probability[i] <= run->probability[row[n - 1]])
			continue;
		for (at = 0; at < n && run->probability[row[at]] > run->probability[i]; at++)
			;
		if (at < n && run->probability[row[at]] == run->probability[i] && nn_topic_rows_are_same(rows, row[at], i))
			continue;
		n = Min(n + 1, LSTM_TOPIC_EXAMPLES);
		for (int j = n - 1; j > at; j--)
			row[j] = row[j - 1];
		row[at] = i;
	}
	return n;
}

static void
put_examples(LstmTopicsRun *run, int k, LstmTopicResult *result)
{
	int64		row[LSTM_TOPIC_EXAMPLES];

	result->n_examples = surest_rows(run, k, row);
	result->examples = palloc(sizeof(char *) * LSTM_TOPIC_EXAMPLES);
	result->keys = run->train.source.key != NULL ? palloc0(sizeof(char *) * LSTM_TOPIC_EXAMPLES) : NULL;
	for (int i = 0; i < result->n_examples; i++)
	{
		int64		number = run->topics.rows.row[row[i]];
		const char *key = lstm_topics_key(run, number);
		NnValue		input;

		lstm_topics_inputs(run, number, 1, &input);
		result->examples[i] = beginning(&input);
		if (key != NULL)
			result->keys[i] = pstrdup(key);
	}
}

void
lstm_topics_result(LstmTopicsRun *run, LstmTopicsResult *result)
{
	double		n = (double) Max(run->topics.rows.n, 1);
	int64		n_none = run->topics.rows.n;
	LstmTopicResult *none;

	result->topics = palloc0(sizeof(LstmTopicResult) * (run->topics.n_topics + 1));
	for (int k = 0; k < run->topics.n_topics; k++)
	{
		LstmTopicResult *topic = &result->topics[k];

		topic->topic = run->number[k];
		topic->n_rows = run->words[k].n_rows;
		topic->share = (double) topic->n_rows / n;
		topic->coherence = run->words[k].coherence;
		put_words(run, &run->words[k], topic);
		put_examples(run, k, topic);
		n_none -= topic->n_rows;
	}
	result->n = run->topics.n_topics;
	if (n_none == 0)
		return;
	none = &result->topics[result->n++];
	none->n_rows = n_none;
	none->share = (double) n_none / n;
	none->coherence = NAN;
	none->words = palloc(sizeof(char *));
	put_examples(run, -1, none);
}
