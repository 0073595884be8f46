/*
 * sqlapi/fn_retrain.c: lstm_retrain, lstm_check, lstm_drop_check.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

#include "exec/checks.h"
#include "exec/retrain.h"
#include "glue/result.h"
#include "sqlapi/input.h"
#include "store/cache.h"
#include "store/change.h"
#include "store/value.h"

PG_FUNCTION_INFO_V1(pg_lstm_retrain);
PG_FUNCTION_INFO_V1(pg_lstm_check);
PG_FUNCTION_INFO_V1(pg_lstm_drop_check);
PG_FUNCTION_INFO_V1(pg_lstm_drop_check_array);

Datum
pg_lstm_retrain(PG_FUNCTION_ARGS)
{
	LstmRetrainResult result;
	LstmRowBuilder row;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", PG_ARGISNULL(0) ? "model" : "options")));
	lstm_row_begin(&row, fcinfo);
	lstm_retrain(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_JSONB_P(1), &result);
	lstm_row_text(&row, result.model);
	lstm_row_datum(&row, Int32GetDatum(result.champion));
	lstm_row_datum(&row, Int32GetDatum(result.challenger));
	lstm_row_datum(&row, BoolGetDatum(result.is_live));
	lstm_row_text(&row, result.reason);
	lstm_row_datum(&row, Int64GetDatum(result.n_rows));
	lstm_row_datum(&row, Float8GetDatum(result.seconds));
	lstm_row_datum(&row, DirectFunctionCall1(jsonb_in, CStringGetDatum(result.figures)));
	PG_RETURN_DATUM(lstm_row_value(&row));
}

/*
 * Argument n as the text that a check keeps: texts as they are, words as text[] and
 * numbers as real[] print, so that an input is found again whatever type it came in.
 */
static const char *
check_input(FunctionCallInfo fcinfo, int n, const char **kind)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, n);
	Oid			element = get_base_element_type(type);
	NnValueKind value_kind = NN_VALUE_TEXT;
	NnValue		value;
	Oid			output;
	bool		is_varlena;

	*kind = "text";
	if (!OidIsValid(element))
		return text_to_cstring(PG_GETARG_TEXT_PP(n));
	/* says what is wrong with the array, if anything is */
	lstm_value_from_array(PG_GETARG_ARRAYTYPE_P(n), "input", &value);
	(void) lstm_value_kind(getBaseType(element), &value_kind);
	*kind = value_kind == NN_VALUE_WORDS ? "words" : "numbers";
	getTypeOutputInfo(getBaseType(type), &output, &is_varlena);
	return OidOutputFunctionCall(output, PG_GETARG_DATUM(n));
}

Datum
pg_lstm_check(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	LstmCheck	check;
	LstmModelRow row;
	const char *answer;
	NnModel    *model;
	bool		is_right;

	lstm_need_writable("lstm_check()");
	check.input = check_input(fcinfo, 1, &check.input_kind);
	check.expected = text_to_cstring(PG_GETARG_TEXT_PP(2));
	lstm_need_own_model(name, &row);
	model = lstm_cache_get(lstm_live_version(name, strlen(name)));
	lstm_cache_pin(model, CurrentMemoryContext);
	lstm_check_expected(model, &check);
	is_right = lstm_passes_check(model, &check, &answer);

	/* a version that goes live at the same time waits for us, or we for it */
	if (!lstm_lock_model(name, &row))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" was dropped meanwhile", name)));
	lstm_save_check(&row, &check);
	if (!is_right)
	{
		LstmBroken	broken = {check.input, check.expected, answer};

		ereport(NOTICE,
				(errmsg("the live version of model \"%s\" does not pass this check", name),
				 errdetail_internal("%s", lstm_broken_detail(&broken)),
				 errhint("It stays live, but no version that does not pass can go live from now on.")));
	}
	PG_RETURN_BOOL(is_right);
}

static int
drop_check(const char *name, const char *input)
{
	LstmModelRow row;
	int			n;

	lstm_need_writable("lstm_drop_check()");
	lstm_need_own_model(name, &row);
	n = lstm_delete_checks(&row, input);
	if (n == 0 && input != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no check with this input", name),
				 errhint("The view lstm_checks lists them.")));
	return n;
}

Datum
pg_lstm_drop_check(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_INT32(drop_check(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							   PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1))));
}

Datum
pg_lstm_drop_check_array(PG_FUNCTION_ARGS)
{
	const char *kind;

	PG_RETURN_INT32(drop_check(text_to_cstring(PG_GETARG_TEXT_PP(0)), check_input(fcinfo, 1, &kind)));
}
