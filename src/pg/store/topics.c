/*
 * store/topics.c: the column lstm_version.topics.
 *
 *	[{"topic": 1, "rows": 912, "coherence": 0.31, "words": ["invoice", ...], "weights": [0.02, ...]}, ...]
 */
#include "glue/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "store/catalog.h"
#include "store/rows.h"
#include "store/topics.h"

/* ---- JSON -> topics ----------------------------------------------------------------- */

static JsonbValue *
member(JsonbContainer *object, const char *name, enum jbvType type)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, name, strlen(name), NULL);

	return value != NULL && value->type == type ? value : NULL;
}

static double
number_member(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name, jbvNumeric);

	if (value == NULL)
		return NAN;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

/* Element i of a list as a number; NAN if it is none. */
static double
number_at(JsonbValue *list, uint32 i)
{
	JsonbValue *value = list != NULL && JsonContainerIsArray(list->val.binary.data) ?
	getIthJsonbValueFromContainer(list->val.binary.data, i) : NULL;

	if (value == NULL || value->type != jbvNumeric)
		return NAN;
	return DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
}

static void
read_words(JsonbContainer *object, LstmTopic *topic)
{
	JsonbValue *list = member(object, "words", jbvBinary);
	JsonbValue *weights = member(object, "weights", jbvBinary);
	uint32		n = list != NULL && JsonContainerIsArray(list->val.binary.data) ?
	JsonContainerSize(list->val.binary.data) : 0;
	Datum	   *words = palloc(sizeof(Datum) * Max(n, 1));

	topic->word = palloc(sizeof(char *) * Max(n, 1));
	topic->weight = palloc(sizeof(double) * Max(n, 1));
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *word = getIthJsonbValueFromContainer(list->val.binary.data, i);

		if (word == NULL || word->type != jbvString)
			continue;
		topic->weight[topic->n_words] = number_at(weights, i);
		topic->word[topic->n_words] = pnstrdup(word->val.string.val, word->val.string.len);
		words[topic->n_words++] = PointerGetDatum(cstring_to_text_with_len(word->val.string.val, word->val.string.len));
	}
	topic->words = construct_array(words, topic->n_words, TEXTOID, -1, false, TYPALIGN_INT);
}

/* False if it is none: the table's owner may have put anything there. */
static bool
read_topic(JsonbContainer *object, LstmTopic *topic)
{
	double		number = number_member(object, "topic");
	double		rows = number_member(object, "rows");

	if (!(number >= 1.0 && number <= (double) INT_MAX))
		return false;
	topic->topic = (int) number;
	topic->n_rows = rows >= 0.0 && rows < 9e18 ? (int64) rows : 0;
	topic->coherence = number_member(object, "coherence");
	read_words(object, topic);
	return true;
}

static int
compare_topics(const void *a, const void *b)
{
	const LstmTopic *x = a;
	const LstmTopic *y = b;

	return (x->topic > y->topic) - (x->topic < y->topic);
}

static LstmTopicSet *
read_set(Jsonb *json)
{
	LstmTopicSet *set = palloc0(sizeof(LstmTopicSet));
	uint32		n = JB_ROOT_COUNT(json);

	set->topic = palloc0(sizeof(LstmTopic) * Max(n, 1));
	for (uint32 i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&json->root, i);

		if (value != NULL && value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data) &&
			read_topic(value->val.binary.data, &set->topic[set->n]))
			set->n++;
	}
	qsort(set->topic, set->n, sizeof(LstmTopic), compare_topics);
	return set;
}

/* ---- of a version ---------------------------------------------------------------------- */

const LstmTopicSet *
lstm_topics_of(const LstmRef *ref)
{
	static MemoryContext context = NULL;
	static const LstmTopicSet *remembered = NULL;
	static uint64 lookup = 0;
	MemoryContext old;
	Jsonb	   *json;

	if (ref->is_shipped)
		return NULL;
	if (lookup == ref->lookup && lookup != 0)
		return remembered;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "pg_lstm named topics", ALLOCSET_SMALL_SIZES);
	remembered = NULL;
	lookup = 0;
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	json = (Jsonb *) lstm_rows_version_column(ref, "topics", JSONBOID);
	if (json != NULL && JB_ROOT_IS_ARRAY(json) && !JB_ROOT_IS_SCALAR(json))
		remembered = read_set(json);
	MemoryContextSwitchTo(old);
	lookup = ref->lookup;
	return remembered;
}

const LstmTopic *
lstm_topic_numbered(const LstmTopicSet *set, int number)
{
	LstmTopic	key = {.topic = number};

	return bsearch(&key, set->topic, set->n, sizeof(LstmTopic), compare_topics);
}

int
lstm_last_topic(const pg_uuid_t *model)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	int			last;
	bool		is_null;

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	(void) lstm_owner_look("SELECT least(max((t.value ->> 'topic')::numeric), 2147483647)::integer"
						   " FROM %s.lstm_version v, jsonb_array_elements(v.topics) t"
						   " WHERE v.model = $1 AND jsonb_typeof(t.value -> 'topic') = 'number'", &args);
	last = DatumGetInt32(lstm_owner_result(1, &is_null));
	lstm_owner_end(&scope);
	return is_null ? 0 : last;
}
