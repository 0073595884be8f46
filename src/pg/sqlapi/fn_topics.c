/*
 * sqlapi/fn_topics.c: lstm_topics, lstm_topic, lstm_topics_report.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "topic/topics.h"

#include "exec/predict.h"
#include "exec/task.h"
#include "exec/topics.h"
#include "glue/errors.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/topics.h"

PG_FUNCTION_INFO_V1(pg_lstm_topics);
PG_FUNCTION_INFO_V1(pg_lstm_topic);
PG_FUNCTION_INFO_V1(pg_lstm_topics_report);

/* text[] of n strings, NULL ones included. */
static Datum
texts(const char **strings, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(n, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(n, 1));
	int			dims[1] = {n};
	int			lbs[1] = {1};

	for (int i = 0; i < n; i++)
	{
		nulls[i] = strings[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(strings[i]);
	}
	if (n == 0)
		return PointerGetDatum(construct_empty_array(TEXTOID));
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_topic(const LstmTopicsResult *result, const LstmTopicResult *topic, LstmRowBuilder *row, Tuplestorestate *set)
{
	MemoryContext old = MemoryContextSwitchTo(row->context);

	lstm_row_integer(row, topic->topic);
	lstm_row_datum(row, Int64GetDatum(topic->n_rows));
	lstm_row_number(row, topic->share);
	lstm_row_datum(row, texts(topic->words, topic->n_words));
	lstm_row_number(row, topic->coherence);
	lstm_row_datum(row, texts(topic->examples, topic->n_examples));
	if (topic->keys != NULL)
		lstm_row_datum(row, texts(topic->keys, topic->n_examples));
	else
		lstm_row_null(row);
	lstm_row_integer(row, result->version);
	lstm_row_put(row, set);
	MemoryContextSwitchTo(old);
}

Datum
pg_lstm_topics(PG_FUNCTION_ARGS)
{
	LstmTopicsRequest request = {0};
	LstmTopicsResult result = {0};
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);

	lstm_need_argument(fcinfo, 0, "relation");
	lstm_need_argument(fcinfo, 1, "input");
	lstm_need_argument(fcinfo, 4, "options");
	request.relid = PG_GETARG_OID(0);
	request.input = NameStr(*PG_GETARG_NAME(1));
	if (!PG_ARGISNULL(2))
		request.n_topics = lstm_integer_argument(fcinfo, 2, "topics", 2, NN_MAX_TOPICS);
	request.model = PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3));
	request.options = PG_GETARG_JSONB_P(4);
	lstm_topics_run(&request, &result);
	for (int i = 0; i < result.n; i++)
		put_topic(&result, &result.topics[i], &row, set);
	return (Datum) 0;
}

/* ---- lstm_topic -------------------------------------------------------------------------- */

typedef struct Share
{
	int			topic;
	float		probability;
} Share;

/* The most probable first, of equal ones the lower number. */
static int
compare_shares(const void *a, const void *b)
{
	const Share *x = a;
	const Share *y = b;

	if (x->probability != y->probability)
		return x->probability > y->probability ? -1 : 1;
	return x->topic - y->topic;
}

static Share *
ask(const NnModel *model, FunctionCallInfo fcinfo)
{
	int			C = model->spec.n_outputs;
	float	   *out = palloc(sizeof(float) * C);
	Share	   *share = palloc(sizeof(Share) * C);
	NnValue		value;

	lstm_input_argument(fcinfo, 1, &value);
	lstm_predict_batch(model, &value, 1, out, NULL, NULL);
	for (int c = 0; c < C; c++)
	{
		share[c].topic = atoi(model->labels[c]);
		share[c].probability = out[c];
	}
	qsort(share, C, sizeof(Share), compare_shares);
	return share;
}

Datum
pg_lstm_topic(PG_FUNCTION_ARGS)
{
	LstmRowBuilder row;
	Tuplestorestate *set = lstm_set_begin(&row, fcinfo);
	const LstmRef *ref;
	const NnModel *model;
	const LstmTopicSet *topics;
	Share	   *share;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		return (Datum) 0;
	ref = lstm_model_argument(fcinfo, 0);
	model = lstm_cache_get(ref);
	lstm_need_task(model, ref->name, NN_TASK_CLASSIFY);
	topics = lstm_topics_of(ref);
	if (topics == NULL)
		lstm_topics_throw_none(ref->name, "Probabilities of its labels are told by lstm_probabilities.");
	share = ask(model, fcinfo);
	for (int i = 0; i < model->spec.n_outputs; i++)
	{
		const LstmTopic *topic = lstm_topic_numbered(topics, share[i].topic);

		lstm_row_integer(&row, share[i].topic);
		lstm_row_datum(&row, Float4GetDatum(share[i].probability));
		lstm_row_datum(&row, Int32GetDatum(i + 1));
		if (topic != NULL)
			lstm_row_datum(&row, PointerGetDatum(topic->words));
		else
			lstm_row_null(&row);
		lstm_row_put(&row, set);
	}
	return (Datum) 0;
}

/* (model, version) */
Datum
pg_lstm_topics_report(PG_FUNCTION_ARGS)
{
	StringInfoData html;
	LstmRef		ref;

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	if (PG_ARGISNULL(1))
		ref = *lstm_model_argument(fcinfo, 0);
	else
		lstm_numbered_version(text_to_cstring(PG_GETARG_TEXT_PP(0)), lstm_version_argument(fcinfo, 1), &ref);
	initStringInfo(&html);
	lstm_topics_page(&ref, &html);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(html.data, html.len));
}
