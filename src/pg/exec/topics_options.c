/*
 * exec/topics_options.c: what is for the topics and what for the network.
 *
 *	max_topics	the most topics to choose, where their number is left open
 *	min_rows	words in fewer rows are neither shown nor learned from
 *	words		how many words of a topic are shown
 *	refine		let the rows' own words move rows between topics
 *	seed		of all that is drawn
 *	key			column that tells rows apart, for examples
 *
 * Everything else, and min_rows and seed too, goes to the training of the model.
 */
#include "glue/compat.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "exec/topics_private.h"

static const char *const own_names[] = {"max_topics", "words", "refine", "key"};

#define MAX_SEED	9007199254740992.0	/* 2^53 */

static JsonbValue *
find(Jsonb *json, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, name, strlen(name), NULL);

	return value != NULL && value->type == jbvNull ? NULL : value;
}

/* A whole number within bounds, or the default. */
static double
whole_number(Jsonb *json, const char *name, double low, double high, double otherwise)
{
	JsonbValue *value = find(json, name);
	double		number;

	if (value == NULL)
		return otherwise;
	if (value->type != jbvNumeric)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a whole number", name),
				 errdetail("It may be %.0f to %.0f.", low, high)));
	number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (!(number >= low && number <= high))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("option \"%s\" is out of range", name),
				 errdetail("It may be %.0f to %.0f.", low, high)));
	if (number != rint(number))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a whole number", name),
				 errdetail("It may be %.0f to %.0f.", low, high)));
	return number;
}

static bool
boolean(Jsonb *json, const char *name, bool otherwise)
{
	JsonbValue *value = find(json, name);

	if (value == NULL)
		return otherwise;
	if (value->type != jbvBool)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be true or false", name)));
	return value->val.boolean;
}

static const char *
string(Jsonb *json, const char *name)
{
	JsonbValue *value = find(json, name);

	if (value == NULL)
		return NULL;
	if (value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a text", name)));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * The network of a topic model is the bag of words and pairs alone, unless asked for more: topics are told by
 * which words there are, and the labels are ours, not to be learned by heart (doc/topics.md).
 */
#define NETWORK "{\"cell\": \"none\", \"char_ngrams\": false, \"epochs\": 5}"

static Jsonb *
training_options(Jsonb *given)
{
	Datum		all = DirectFunctionCall2(jsonb_concat, DirectFunctionCall1(jsonb_in, CStringGetDatum(NETWORK)),
										  JsonbPGetDatum(given));

	for (int i = 0; i < (int) lengthof(own_names); i++)
		all = DirectFunctionCall2(jsonb_delete, all, CStringGetTextDatum(own_names[i]));
	return DatumGetJsonbP(all);
}

void
lstm_topics_options(const LstmTopicsRequest *request, LstmTopicsOptions *options)
{
	Jsonb	   *given = request->options;
	NnTopicOptions *core = &options->core;

	memset(options, 0, sizeof(*options));
	nn_topic_options_init(core);
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '{\"min_rows\": 5}'.")));
	core->n_topics = request->n_topics;
	core->max_topics = (int) whole_number(given, "max_topics", 3, NN_MAX_TOPICS, core->max_topics);
	core->min_rows = (int) whole_number(given, "min_rows", 1, 1000000, core->min_rows);
	core->n_words = (int) whole_number(given, "words", 1, NN_MAX_TOPIC_WORDS, core->n_words);
	core->seed = whole_number(given, "seed", 0, MAX_SEED, core->seed);
	core->is_refined = boolean(given, "refine", core->is_refined);
	options->key = string(given, "key");
	options->training = training_options(given);
}
