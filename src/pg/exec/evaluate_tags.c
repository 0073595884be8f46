/*
 * exec/evaluate_tags.c: tags against those of a column.
 *
 * A tag that the model does not know cannot be right, but its span counts as
 * missed; whether tags are spans at all is known when all rows were seen, so
 * two numbers for each token are kept.
 */
#include "glue/compat.h"

#include "miscadmin.h"

#include "model/answer_tags.h"

#include "exec/evaluate_private.h"
#include "exec/predict.h"
#include "exec/report_json.h"
#include "glue/errors.h"

/* The answer for a token behind those that were read. */
#define NO_TAG (-1)

typedef struct KeptTags
{
	NnArray		truth;			/* int32, all tokens */
	NnArray		predicted;		/* int32, all tokens */
	NnArray		n_tokens;		/* int32, of each row */
	int64		n_right;		/* tokens */
	int64		n_exact;		/* rows without a wrong tag */
} KeptTags;

static void
begin(LstmEvaluating *e)
{
	KeptTags   *kept = palloc0(sizeof(KeptTags));

	nn_array_init(&kept->truth, &e->env.env, sizeof(int32));
	nn_array_init(&kept->predicted, &e->env.env, sizeof(int32));
	nn_array_init(&kept->n_tokens, &e->env.env, sizeof(int32));
	e->kept = kept;
}

static void
take_row(LstmEvaluating *e, const NnValue *tags, const NnTaggedText *tagged, const NnReading *reading)
{
	KeptTags   *kept = e->kept;
	int			n = tags->n_words;
	int32	   *truth;
	int32	   *predicted;
	int			n_right = 0;

	if (n != tagged->n_tokens && n != reading->n_tokens)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a row has not as many tags as tokens"),
				 errdetail("It has %d tokens and %d tags.", tagged->n_tokens, n),
				 errhint("Tags belong to the elements of a text[]; of plain text they belong to the words as lstm_tag() shows them.")));
	*(int32 *) lstm_evaluating_push(e, &kept->n_tokens, 1) = n;
	if (n == 0)
	{
		kept->n_exact++;
		return;
	}
	truth = lstm_evaluating_push(e, &kept->truth, n);
	predicted = lstm_evaluating_push(e, &kept->predicted, n);
	for (int i = 0; i < n; i++)
	{
		truth[i] = lstm_evaluating_label(e, tags->words[i], tags->word_bytes[i]);
		predicted[i] = i < tagged->n_tokens ? tagged->token[i].tag : NO_TAG;
		n_right += truth[i] == predicted[i];
	}
	kept->n_right += n_right;
	kept->n_exact += n_right == n;
}

static void
take(LstmEvaluating *e, const LstmRow *rows, const NnValue *inputs, NnReading *readings, int n)
{
	NnTaggedText *tagged = palloc(sizeof(NnTaggedText) * n);
	NnError		err = {0};

	lstm_check(nn_answer_tags(e->model, inputs, n, lstm_scratch(), tagged, NULL, readings, &err), &err);
	for (int i = 0; i < n; i++)
	{
		e->position.row = rows[i].position;
		take_row(e, &rows[i].target, &tagged[i], &readings[i]);
	}
	pfree(tagged);
}

/* Spans by type: [0] all, [1 + type] each.  arena outlives the call. */
static NnSpanCount *
count_spans(const LstmEvaluating *e, const NnTagScheme *scheme)
{
	const KeptTags *kept = e->kept;
	const int32 *truth = kept->truth.data;
	const int32 *predicted = kept->predicted.data;
	const int32 *n_tokens = kept->n_tokens.data;
	NnSpanCount *count = palloc0(sizeof(NnSpanCount) * (1 + scheme->n_types));
	NnError		err = {0};

	for (size_t i = 0; i < kept->n_tokens.n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		lstm_check(nn_span_count_add(scheme, truth, predicted, n_tokens[i], lstm_scratch(), count, &err), &err);
		truth += n_tokens[i];
		predicted += n_tokens[i];
	}
	return count;
}

/* Of tags that are no spans: each by itself. */
static NnSpanCount *
count_tags(const KeptTags *kept, int n_tags)
{
	const int32 *truth = kept->truth.data;
	const int32 *predicted = kept->predicted.data;
	NnSpanCount *count = palloc0(sizeof(NnSpanCount) * n_tags);

	for (size_t i = 0; i < kept->truth.n; i++)
	{
		count[truth[i]].n_true++;
		if (predicted[i] != NO_TAG)
			count[predicted[i]].n_predicted++;
		count[truth[i]].n_right += truth[i] == predicted[i];
	}
	return count;
}

static void
append_types(StringInfo json, const char *key, const char *const *names, const NnSpanCount *count, int n)
{
	LstmTypeScore *scores = palloc(sizeof(LstmTypeScore) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		scores[i].type = names[i];
		scores[i].count = count[i];
	}
	lstm_json_types(json, key, scores, n);
}

/* The model's tags and those it does not know, in UTF-8. */
static const char *const *
all_tags(const LstmEvaluating *e, int *n)
{
	int			K = e->model->spec.n_outputs;
	char	  **unknown = e->unknown.data;
	const char **tags;

	*n = K + (int) e->unknown.n;
	tags = palloc(sizeof(char *) * *n);
	for (int k = 0; k < *n; k++)
		tags[k] = k < K ? e->model->labels[k] : unknown[k - K];
	return tags;
}

static void
finish(LstmEvaluating *e, StringInfo json)
{
	KeptTags   *kept = e->kept;
	NnArena    *arena = nn_arena_create(&e->env.env);
	NnSequenceMetrics metrics;
	NnTagScheme scheme;
	NnSpanCount *count;
	NnError		err = {0};
	int			n_tags;
	const char *const *tags = all_tags(e, &n_tags);

	if (arena == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	lstm_check(nn_tag_scheme(&scheme, tags, n_tags, arena, &err), &err);
	nn_sequence_metrics_init(&metrics);
	metrics.n = e->n_rows;
	metrics.n_tokens = (int64) kept->truth.n;
	if (kept->truth.n > 0)
		metrics.token_accuracy = (double) kept->n_right / (double) kept->truth.n;
	metrics.exact = (double) kept->n_exact / (double) e->n_rows;
	lstm_json_count(json, "tokens_unknown_tag", e->n_unknown);
	if (scheme.is_bio)
	{
		const char **types = palloc(sizeof(char *) * Max(scheme.n_types, 1));

		for (int t = 0; t < scheme.n_types; t++)
			types[t] = lstm_from_utf8(scheme.type_name[t]);
		count = count_spans(e, &scheme);
		metrics.precision = nn_span_precision(&count[0]);
		metrics.recall = nn_span_recall(&count[0]);
		metrics.f1 = nn_span_f1(&count[0]);
		lstm_json_sequence(json, &metrics);
		append_types(json, "per_type", types, count + 1, scheme.n_types);
	}
	else
	{
		lstm_json_sequence(json, &metrics);
		append_types(json, "per_tag", lstm_evaluating_labels(e, &n_tags), count_tags(kept, n_tags), n_tags);
	}
}

const LstmEvaluator lstm_evaluator_tags = {256, begin, take, finish};
