/*
 * exec/retrain_options.c: what is for the training and what for the decision.
 *
 *	alpha		the challenger is worse if so many rows against it would have a
 *				smaller probability than this
 *	floor		a share, or an object of label: share: labels must be told right so often
 *	force		go live whatever is found
 *	warm_start	'': begin anew; a model's name: begin with it, as in lstm_train
 *
 * Everything else goes to the training, over the options of the last one.
 */
#include "glue/compat.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "exec/retrain_private.h"

#define DEFAULT_ALPHA 0.05

static const char *const own_names[] = {"alpha", "floor", "force", "warm_start"};

static JsonbValue *
find(Jsonb *json, const char *name)
{
	JsonbValue *value = getKeyJsonValueFromContainer(&json->root, name, strlen(name), NULL);

	return value != NULL && value->type == jbvNull ? NULL : value;
}

static double
number_within(const char *name, const JsonbValue *value, double low, double high)
{
	double		number = 0.0;

	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (value->type != jbvNumeric || !(number >= low && number <= high))
		ereport(ERROR,
				(errcode(value->type == jbvNumeric ? ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE : ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a number from %g to %g", name, low, high)));
	return number;
}

static void
read_floors(const JsonbValue *value, LstmRetrainOptions *options)
{
	JsonbIterator *iterator;
	JsonbValue	item;
	JsonbIteratorToken token;
	const char *label = NULL;

	if (value->type == jbvNumeric)
	{
		options->floors = palloc(sizeof(LstmFloor));
		options->floors[0] = (LstmFloor)
		{
			NULL, number_within("floor", value, 0.0, 1.0)
		};
		options->n_floors = 1;
		return;
	}
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"floor\" must be a number or an object of numbers"),
				 errhint("For example 0.7, or {\"refund\": 0.9}: the share of a label's held-out rows that must be told right.")));
	options->floors = palloc(sizeof(LstmFloor) * Max(JsonContainerSize(value->val.binary.data), 1));
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			label = pnstrdup(item.val.string.val, item.val.string.len);
		else if (token == WJB_VALUE)
			options->floors[options->n_floors++] = (LstmFloor)
		{
			label, number_within("floor", &item, 0.0, 1.0)
		};
	}
}

/* The training's options: the stored ones, those given over them, without ours. */
static Jsonb *
training_options(Jsonb *given, Jsonb *stored)
{
	Datum		all = DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(stored), JsonbPGetDatum(given));

	for (int i = 0; i < (int) lengthof(own_names) - 1; i++)
		all = DirectFunctionCall2(jsonb_delete, all, CStringGetTextDatum(own_names[i]));
	return DatumGetJsonbP(all);
}

void
lstm_retrain_options(Jsonb *given, Jsonb *stored, LstmRetrainOptions *options)
{
	JsonbValue *value;

	memset(options, 0, sizeof(*options));
	options->alpha = DEFAULT_ALPHA;
	if (!JB_ROOT_IS_OBJECT(given))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '{\"alpha\": 0.1, \"floor\": {\"refund\": 0.9}}'.")));
	if ((value = find(given, "alpha")) != NULL)
		options->alpha = number_within("alpha", value, 0.0, 1.0);
	if ((value = find(given, "floor")) != NULL)
		read_floors(value, options);
	if ((value = find(given, "force")) != NULL)
	{
		if (value->type != jbvBool)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"force\" must be true or false")));
		options->is_forced = value->val.boolean;
	}
	value = find(given, "warm_start");
	if (value == NULL)
		value = find(stored, "warm_start");
	if (value != NULL && value->type == jbvString)
		options->start = pnstrdup(value->val.string.val, value->val.string.len);
	options->training = training_options(given, stored);
}
