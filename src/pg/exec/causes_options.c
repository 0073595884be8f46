/*
 * exec/causes_options.c: options of lstm_root_causes.
 */
#include "glue/compat.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "model/options.h"

#include "exec/causes_options.h"

typedef struct CausesOption
{
	const char *name;
	bool		is_whole;
	double		low;
	double		high;
	double		otherwise;
} CausesOption;

enum
{
	FALSE_RATE, LIMIT, MIN_ROWS, MAX_WORDS, EXAMPLES, EXPLAIN_ROWS, N_NUMBERS
};

static const CausesOption table[N_NUMBERS] = {
	[FALSE_RATE] = {"false_rate", false, 0, 1, 0.01},
	[LIMIT] = {"limit", true, 1, 1000, 20},
	[MIN_ROWS] = {"min_rows", true, 2, 1000000, 5},
	[MAX_WORDS] = {"max_words", true, 1, 4, 4},
	[EXAMPLES] = {"examples", true, 0, 100, 3},
	[EXPLAIN_ROWS] = {"explain_rows", true, 0, 1000000, 1000},
};

static const char *const compare_names[] = {"auto", "label", "all"};

static void
throw_no_option(const char *name)
{
	const char *names[N_NUMBERS + 1];
	const char *nearest;

	for (int i = 0; i < N_NUMBERS; i++)
		names[i] = table[i].name;
	names[N_NUMBERS] = "compare";
	nearest = nn_nearest(name, names, N_NUMBERS + 1);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("there is no option \"%s\"", name),
			 nearest != NULL ? errhint("Perhaps you meant \"%s\".", nearest) :
			 errhint("Options are false_rate, limit, min_rows, max_words, examples, explain_rows and compare.")));
}

static LstmCompare
read_compare(const JsonbValue *value)
{
	for (int i = 0; value->type == jbvString && i < lengthof(compare_names); i++)
	{
		if (value->val.string.len == strlen(compare_names[i]) &&
			memcmp(value->val.string.val, compare_names[i], value->val.string.len) == 0)
			return i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"compare\" must be \"auto\", \"label\" or \"all\""),
			 errhint("\"label\" compares the rows that the model gives the label, \"all\" all rows.")));
}

static double
read_number(const CausesOption *option, const JsonbValue *value)
{
	double		number = NAN;

	if (value->type == jbvNumeric)
		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(value->val.numeric)));
	if (!(number >= option->low && number <= option->high) || (option->is_whole && number != floor(number)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a%s number from %g to %.0f", option->name,
						option->is_whole ? " whole" : "", option->low, option->high)));
	return number;
}

void
lstm_causes_options(Jsonb *json, LstmCausesOptions *options)
{
	double		number[N_NUMBERS];
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	char	   *name = NULL;

	for (int i = 0; i < N_NUMBERS; i++)
		number[i] = table[i].otherwise;
	options->compare = LSTM_COMPARE_AUTO;
	if (!JB_ROOT_IS_OBJECT(json))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example '{\"limit\": 10}'.")));
	iterator = JsonbIteratorInit(&json->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		int			i = 0;

		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		if (token != WJB_VALUE)
			continue;
		while (i < N_NUMBERS && strcmp(table[i].name, name) != 0)
			i++;
		if (i < N_NUMBERS)
			number[i] = read_number(&table[i], &value);
		else if (strcmp(name, "compare") == 0)
			options->compare = read_compare(&value);
		else
			throw_no_option(name);
	}
	options->false_rate = number[FALSE_RATE];
	options->limit = (int) number[LIMIT];
	options->min_rows = (int) number[MIN_ROWS];
	options->max_words = (int) number[MAX_WORDS];
	options->examples = (int) number[EXAMPLES];
	options->explain_rows = (int) number[EXPLAIN_ROWS];
}
