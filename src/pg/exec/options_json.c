/*
 * exec/options_json.c: the options argument, a jsonb object, as core's options.
 */
#include "glue/compat.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "exec/options_json.h"
#include "glue/errors.h"

const char *
lstm_option_kind_name(NnOptionKind kind)
{
	switch (kind)
	{
		case NN_OPTION_INTEGER:
		case NN_OPTION_WHOLE:
			return "integer";
		case NN_OPTION_REAL:
			return "number";
		case NN_OPTION_BOOLEAN:
			return "boolean";
		case NN_OPTION_CHOICE:
		case NN_OPTION_POOL:
			return "choice";
		case NN_OPTION_TEXT:
			return "text";
	}
	return "";
}

static const NnOptionInfo *
option_named(const char *name)
{
	int			n;
	const NnOptionInfo *table = nn_options_table(&n);

	for (int i = 0; i < n; i++)
	{
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static void
check_task(const char *name, NnTask task)
{
	const NnOptionInfo *info = option_named(name);

	/* An unknown option is core's error, which names the nearest. */
	if (info != NULL && (info->tasks & (1u << task)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" has no meaning for task %s", name, nn_task_name(task)),
				 errhint("lstm_options('%s') lists the options of the task.", nn_task_name(task))));
}

/* An object of label and weight is read by lstm_options_weigh(), and a training needs to know no more of it. */
static bool
is_weights(const char *name, const JsonbValue *value)
{
	return value->type == jbvBinary && strcmp(name, "class_weights") == 0 && JsonContainerIsObject(value->val.binary.data);
}

static void
set_option(const char *name, const JsonbValue *value, NnOptions *options)
{
	NnError		err = {0};
	NnStatus	status;

	switch (value->type)
	{
		case jbvNull:
			status = nn_options_set_null(options, name, &err);
			break;
		case jbvBool:
			status = nn_options_set_boolean(options, name, value->val.boolean, &err);
			break;
		case jbvNumeric:
			status = nn_options_set_number(options, name,
										   DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																			  NumericGetDatum(value->val.numeric))),
										   &err);
			break;
		case jbvString:
			status = nn_options_set_text(options, name,
										 pnstrdup(value->val.string.val, value->val.string.len), &err);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"%s\" must be a number, a text or a boolean", name)));
	}
	lstm_check(status, &err);
}

void
lstm_options_read(Jsonb *json, NnTask task, NnOptions *options)
{
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *name = NULL;

	nn_options_init(options);
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '{\"epochs\": 10}'.")));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = pnstrdup(value.val.string.val, value.val.string.len);
			check_task(name, task);
		}
		else if (token == WJB_VALUE && !is_weights(name, &value))
			set_option(name, &value, options);
	}
}

void
lstm_options_weigh(Jsonb *json, NnLearner *learner)
{
	JsonbValue *weights = getKeyJsonValueFromContainer(&json->root, "class_weights", strlen("class_weights"), NULL);
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *shown = NULL;
	const char *label = NULL;
	size_t		n_bytes = 0;
	NnError		err = {0};

	if (weights == NULL || !is_weights("class_weights", weights))
		return;
	iterator = JsonbIteratorInit(weights->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			shown = pnstrdup(value.val.string.val, value.val.string.len);
			n_bytes = value.val.string.len;
			label = lstm_to_utf8(shown, &n_bytes);
		}
		else if (token == WJB_VALUE)
		{
			if (value.type != jbvNumeric)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("the weight of label \"%s\" must be a number", shown),
						 errhint("For example '{\"class_weights\": {\"fraud\": 5}}'; labels not named weigh 1.")));
			lstm_check(nn_learner_weigh(learner, label, n_bytes,
										DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																		   NumericGetDatum(value.val.numeric))),
										&err), &err);
		}
	}
}
