/*
 * exec/checks.c: does a version get right what it must, and may it go live?
 *
 * The expected answer is compared as text.  Of a number it is a range instead,
 * '[40,60]', or one number: an answer that differs in its last digit is as right.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"

#include "exec/checks.h"
#include "exec/predict_text.h"
#include "glue/errors.h"
#include "store/cache.h"
#include "store/catalog.h"
#include "store/change.h"
#include "store/value.h"

/* Longer texts are cut in messages. */
#define SHOWN_CHARACTERS 100

/* ---- answers ------------------------------------------------------------------ */

static void
read_input(const LstmCheck *check, NnValue *value)
{
	Oid			type = strcmp(check->input_kind, "words") == 0 ? TEXTARRAYOID : FLOAT4ARRAYOID;
	Oid			function;
	Oid			io_param;
	Datum		array;

	if (strcmp(check->input_kind, "text") == 0)
	{
		lstm_value_from_text(CStringGetTextDatum(check->input), value);
		return;
	}
	getTypeInputInfo(type, &function, &io_param);
	array = OidInputFunctionCall(function, (char *) check->input, io_param, -1);
	lstm_value_from_array(DatumGetArrayTypeP(array), "input", value);
}

/* '[40,60]' as it is, '50' as '[50,50]'. */
static char *
range_of(const char *expected)
{
	while (*expected == ' ')
		expected++;
	return expected[0] == '[' || expected[0] == '(' ? pstrdup(expected) : psprintf("[%s,%s]", expected, expected);
}

/* Is the number in the range?  Both as text; an error of the server's if one is none. */
static bool
is_in_range(const char *expected, const char *number)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bool		is_null;
	bool		is_in;

	lstm_owner_begin(&scope);
	lstm_arg_text(&args, range_of(expected));
	lstm_arg_text(&args, number);
	(void) lstm_owner_run("SELECT $1::pg_catalog.numrange OPERATOR(pg_catalog.@>) $2::pg_catalog.numeric", &args);
	is_in = DatumGetBool(lstm_owner_result(1, &is_null));
	lstm_owner_end(&scope);
	return is_in;
}

bool
lstm_passes_check(const NnModel *model, const LstmCheck *check, const char **answer)
{
	NnValue		value;
	LstmText text;
	NnError		err = {0};

	read_input(check, &value);
	if (lstm_predict_texts(model, &value, 1, &text, NULL, &err) != NN_OK)
	{
		/* an input that the network cannot read, say of another width, is no right answer */
		*answer = psprintf("(%s)", err.message);
		return false;
	}
	*answer = lstm_from_utf8_bytes(text.bytes, text.n_bytes);
	if (model->spec.task == NN_TASK_REGRESS)
		return is_in_range(check->expected, *answer);
	return strcmp(*answer, check->expected) == 0;
}

int
lstm_broken_checks(const pg_uuid_t *id, const NnModel *model, LstmBroken **broken)
{
	LstmCheck  *checks;
	int			n = lstm_read_checks(id, &checks);
	int			n_broken = 0;

	*broken = palloc(sizeof(LstmBroken) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		const char *answer;

		CHECK_FOR_INTERRUPTS();
		if (!lstm_passes_check(model, &checks[i], &answer))
			(*broken)[n_broken++] = (LstmBroken) {checks[i].input, checks[i].expected, answer};
	}
	return n_broken;
}

void
lstm_check_expected(const NnModel *model, const LstmCheck *check)
{
	if (model->spec.task == NN_TASK_LANGUAGE || model->spec.task == NN_TASK_FORECAST)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a model of task %s cannot be checked", nn_task_name(model->spec.task)),
				 errdetail("What it writes or forecasts changes a little with every training."),
				 errhint("Models that answer with labels, numbers, tags or translations can be checked.")));
	/* the server says what is wrong with a range */
	if (model->spec.task == NN_TASK_REGRESS)
		(void) is_in_range(check->expected, "0");
	if (model->spec.task != NN_TASK_CLASSIFY || model->spec.is_multi_label)
		return;
	for (int c = 0; c < model->spec.n_outputs; c++)
		if (strcmp(lstm_from_utf8(model->labels[c]), check->expected) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the model has no label \"%s\"", check->expected),
			 errhint("A check that no version can pass would keep all from going live. Train on rows with that label first.")));
}

/* ---- going live ------------------------------------------------------------------- */

/* The beginning of a text, whole characters of it. */
static char *
shown(const char *text)
{
	int			n = (int) strlen(text);
	int			n_shown = pg_mbcharcliplen(text, n, SHOWN_CHARACTERS);

	return psprintf("%.*s%s", n_shown, text, n_shown < n ? "..." : "");
}

char *
lstm_broken_detail(const LstmBroken *broken)
{
	return psprintf("It answers \"%s\" to \"%s\", where \"%s\" is right.",
					shown(broken->answer), shown(broken->input), shown(broken->expected));
}

bool
lstm_may_go_live(const char *name, const NnModel *model)
{
	LstmModelRow row;
	LstmBroken *broken;
	int			n;

	if (!lstm_lock_model(name, &row) || row.live == 0)
		return true;
	n = lstm_broken_checks(&row.id, model, &broken);
	if (n == 0)
		return true;
	ereport(WARNING,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg_plural("the new version of model \"%s\" breaks %d check and does not go live",
						   "the new version of model \"%s\" breaks %d checks and does not go live",
						   n, name, n),
			 errdetail_internal("%s", lstm_broken_detail(&broken[0])),
			 errhint("Version %d stays live. lstm_deploy with force => true makes the new one live all the same.",
					 row.live)));
	return false;
}

/* An error rolls back what has made the version live. */
static void
need_checks(const char *name, int version)
{
	LstmRef		ref;
	LstmBroken *broken;
	NnModel    *model;
	int			n;

	lstm_numbered_version(name, version, &ref);
	model = lstm_cache_get(&ref);
	lstm_cache_pin(model, CurrentMemoryContext);
	n = lstm_broken_checks(&ref.model, model, &broken);
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_CHECK_VIOLATION),
				 errmsg_plural("version %d of model \"%s\" breaks %d check",
							   "version %d of model \"%s\" breaks %d checks",
							   n, version, name, n),
				 errdetail_internal("%s", lstm_broken_detail(&broken[0])),
				 errhint("The view lstm_checks lists them; lstm_drop_check removes one, force => true goes past them.")));
}

void
lstm_deploy_checked(const char *name, int version, bool force)
{
	/* in this order, for it locks the model: no check comes between */
	lstm_deploy(name, version);
	if (!force)
		need_checks(name, version);
}

int
lstm_rollback_checked(const char *name, bool force)
{
	int			version = lstm_rollback(name);

	if (!force)
		need_checks(name, version);
	return version;
}
