/*
 * store/value.c: a datum as core's input.
 *
 * NaN and infinity pass: core says what is wrong with them.  Where errors must not
 * be raised (is_quiet), what has one returns false.
 */
#include "glue/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "glue/errors.h"
#include "store/value.h"

bool
lstm_value_kind(Oid element_type, NnValueKind *kind)
{
	char		category;
	bool		is_preferred;

	switch (element_type)
	{
		case FLOAT4OID:
		case FLOAT8OID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
			*kind = NN_VALUE_NUMBERS;
			return true;
	}
	/* text, varchar, char(n), citext...: all are varlenas of characters */
	get_type_category_preferred(element_type, &category, &is_preferred);
	*kind = NN_VALUE_WORDS;
	return category == TYPCATEGORY_STRING && get_typlen(element_type) == -1;
}

static bool
has_no_nulls(ArrayType *array, const char *what, bool is_quiet)
{
	if (!ARR_HASNULL(array) || !array_contains_nulls(array))
		return true;
	if (!is_quiet)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s array must not contain nulls", what),
				 strcmp(what, "target") == 0 ?
				 errhint("Every token needs a tag and every step a number.") :
				 errhint("Remove them, with array_remove(%s, NULL) for example.",
						 strcmp(what, "label") == 0 ? "target" : "input")));
	return false;
}

static bool
utf8_of(text *t, bool is_quiet, const char **utf8, size_t *n_bytes)
{
	*utf8 = VARDATA_ANY(t);
	*n_bytes = VARSIZE_ANY_EXHDR(t);
	if (is_quiet)
		return lstm_to_utf8_quietly(utf8, n_bytes);
	*utf8 = lstm_to_utf8(*utf8, n_bytes);
	return true;
}

static bool
words_of(ArrayType *array, const char *what, bool is_quiet, NnValue *value)
{
	Datum	   *elements;
	const char **words;
	size_t	   *word_bytes;
	int			n;

	if (ARR_NDIM(array) > 1)
	{
		if (is_quiet)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of words must have one dimension"),
				 errdetail("The %s has %d.", strcmp(what, "label") == 0 ? "array of labels" : what, ARR_NDIM(array))));
	}
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT, &elements, NULL, &n);
	words = palloc(sizeof(char *) * Max(n, 1));
	word_bytes = palloc(sizeof(size_t) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		if (!utf8_of(DatumGetTextPP(elements[i]), is_quiet, &words[i], &word_bytes[i]))
			return false;
	}
	pfree(elements);
	value->kind = NN_VALUE_WORDS;
	value->words = words;
	value->word_bytes = word_bytes;
	value->n_words = n;
	return true;
}

static bool
number_of(Datum datum, Oid type, const char *what, bool is_quiet, float *narrowed)
{
	double		number;

	switch (type)
	{
		case FLOAT8OID:
			number = DatumGetFloat8(datum);
			break;
		case INT2OID:
			number = DatumGetInt16(datum);
			break;
		case INT4OID:
			number = DatumGetInt32(datum);
			break;
		case INT8OID:
			number = (double) DatumGetInt64(datum);
			break;
		default:
			number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum));
			break;
	}
	*narrowed = (float) number;
	if (!isinf(*narrowed) || isinf(number))
		return true;
	if (!is_quiet)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("number %g in the %s array is out of range", number, what),
				 errdetail("Inputs are computed as type real.")));
	return false;
}

static bool
numbers_of(ArrayType *array, const char *what, bool is_quiet, NnValue *value)
{
	Oid			type = ARR_ELEMTYPE(array);
	int			n = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	float	   *numbers;

	if (ARR_NDIM(array) > 2)
	{
		if (is_quiet)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_ARRAY_SUBSCRIPT_ERROR),
				 errmsg("an array of numbers must have one dimension (steps) or two (steps and channels)"),
				 errdetail("The %s has %d.", what, ARR_NDIM(array))));
	}
	if (type == FLOAT4OID)
		numbers = (float *) ARR_DATA_PTR(array);
	else
	{
		int16		typlen;
		bool		typbyval;
		char		typalign;
		Datum	   *elements;

		get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
		deconstruct_array(array, type, typlen, typbyval, typalign, &elements, NULL, &n);
		numbers = palloc_extended(sizeof(float) * Max(n, 1), MCXT_ALLOC_HUGE);
		for (int i = 0; i < n; i++)
		{
			if (!number_of(elements[i], type, what, is_quiet, &numbers[i]))
				return false;
			if (i % 65536 == 0)
				CHECK_FOR_INTERRUPTS();
		}
		pfree(elements);
	}
	value->kind = NN_VALUE_NUMBERS;
	value->numbers = numbers;
	value->n_steps = ARR_NDIM(array) == 0 ? 0 : ARR_DIMS(array)[0];
	value->n_channels = ARR_NDIM(array) == 2 ? ARR_DIMS(array)[1] : 1;
	return true;
}

static bool
value_of_array(ArrayType *array, const char *what, bool is_quiet, NnValue *value)
{
	NnValueKind kind;

	memset(value, 0, sizeof(*value));
	if (!lstm_value_kind(ARR_ELEMTYPE(array), &kind))
	{
		if (is_quiet)
			return false;
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("an array of type %s cannot be an input", format_type_be(ARR_ELEMTYPE(array))),
				 errhint("Give text, text[] (words) or real[] (numbers).")));
	}
	return has_no_nulls(array, what, is_quiet) &&
		(kind == NN_VALUE_WORDS ? words_of(array, what, is_quiet, value) :
		 numbers_of(array, what, is_quiet, value));
}

static bool
value_of_text(text *t, bool is_quiet, NnValue *value)
{
	memset(value, 0, sizeof(*value));
	value->kind = NN_VALUE_TEXT;
	return utf8_of(t, is_quiet, &value->text, &value->n_bytes);
}

void
lstm_value_from_text(Datum datum, NnValue *value)
{
	value_of_text(DatumGetTextPP(datum), false, value);
}

void
lstm_value_from_array(ArrayType *array, const char *what, NnValue *value)
{
	value_of_array(array, what, false, value);
}

bool
lstm_value_quietly(Datum datum, bool is_array, NnValue *value)
{
	return is_array ? value_of_array(DatumGetArrayTypeP(datum), "input", true, value) :
		value_of_text(DatumGetTextPP(datum), true, value);
}

/* ---- copies -------------------------------------------------------------------- */

static void *
copy_bytes(const void *bytes, size_t n)
{
	void	   *copy = palloc_extended(Max(n, 1), MCXT_ALLOC_HUGE);

	if (n > 0)
		memcpy(copy, bytes, n);
	return copy;
}

NnValue
lstm_value_copy(const NnValue *value)
{
	NnValue		copy = *value;

	if (value->kind == NN_VALUE_TEXT)
		copy.text = copy_bytes(value->text, value->n_bytes);
	else if (value->kind == NN_VALUE_NUMBERS)
		copy.numbers = copy_bytes(value->numbers, sizeof(float) * value->n_steps * value->n_channels);
	else
	{
		const char **words = palloc(sizeof(char *) * Max(value->n_words, 1));

		for (int i = 0; i < value->n_words; i++)
			words[i] = copy_bytes(value->words[i], value->word_bytes[i]);
		copy.words = words;
		copy.word_bytes = copy_bytes(value->word_bytes, sizeof(size_t) * value->n_words);
	}
	return copy;
}
