/*
 * store/policy.c: when a model is to be retrained.
 */
#include "glue/compat.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "store/policy.h"

static void
arg_or_null(LstmArgs *args, Oid type, Datum value, bool is_null)
{
	lstm_arg(args, type, value);
	if (is_null)
		args->nulls[args->n - 1] = 'n';
}

void
lstm_save_policy(const LstmModelRow *model, const LstmPolicy *policy)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	arg_or_null(&args, INT8OID, Int64GetDatum(policy->new_rows), policy->new_rows == 0);
	arg_or_null(&args, INTERVALOID, IntervalPGetDatum(policy->max_age), policy->max_age == NULL);
	arg_or_null(&args, FLOAT8OID, Float8GetDatum(policy->unknown_rate), isnan(policy->unknown_rate));
	arg_or_null(&args, FLOAT8OID, Float8GetDatum(policy->class_psi), isnan(policy->class_psi));
	arg_or_null(&args, FLOAT8OID, Float8GetDatum(policy->accuracy_drop), isnan(policy->accuracy_drop));
	lstm_arg_text(&args, policy->labeled_at);
	lstm_arg(&args, INTERVALOID, IntervalPGetDatum(policy->not_more_often));
	arg_or_null(&args, TIMEOID, TimeADTGetDatum(policy->hours_from), !policy->has_hours);
	arg_or_null(&args, TIMEOID, TimeADTGetDatum(policy->hours_to), !policy->has_hours);
	lstm_arg(&args, JSONBOID, JsonbPGetDatum(policy->options));
	lstm_owner_run("INSERT INTO %s.lstm_policy (model, new_rows, max_age, unknown_rate, class_psi, accuracy_drop,"
				   " labeled_at, not_more_often, hours_from, hours_to, options)"
				   " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
				   " ON CONFLICT (model) DO UPDATE SET new_rows = $2, max_age = $3, unknown_rate = $4, class_psi = $5,"
				   " accuracy_drop = $6, labeled_at = $7, not_more_often = $8, hours_from = $9, hours_to = $10, options = $11",
				   &args);
	lstm_owner_end(&scope);
}

bool
lstm_delete_policy(const LstmModelRow *model)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bool		is_gone;

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	is_gone = lstm_owner_run("DELETE FROM %s.lstm_policy WHERE model = $1", &args) > 0;
	lstm_owner_end(&scope);
	return is_gone;
}

int
lstm_policy_models(char ***names)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	int			n;

	lstm_owner_begin(&scope);
	n = (int) lstm_owner_run("SELECT m.name FROM %s.lstm_policy p JOIN %s.lstm_model m ON m.id = p.model"
							 " ORDER BY m.name", &args);
	*names = MemoryContextAlloc(caller, sizeof(char *) * Max(n, 1));
	for (int i = 0; i < n; i++)
		(*names)[i] = MemoryContextStrdup(caller, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	lstm_owner_end(&scope);
	return n;
}

/* ---- one row ------------------------------------------------------------------- */

/* In the order of READ_POLICY. */
enum PolicyColumn
{
	NEW_ROWS = 1, UNKNOWN_RATE, CLASS_PSI, ACCURACY_DROP, LABELED_AT, OPTIONS, TOO_SOON, OFF_HOURS, OLD, TRAINED_AT
};

/*
 * Hours may go past midnight: 22:00 to 06:00.  The time of day is that of the session's
 * time zone.  Locked rows are passed over: another lstm_maintain() has them.
 *
 * What a clock that was ahead has noted lies in the future.  Only the distance counts,
 * so that a model is not forgotten for as long as the clock was wrong.
 */
#define READ_POLICY \
	"SELECT p.new_rows, p.unknown_rate, p.class_psi, p.accuracy_drop, p.labeled_at, p.options," \
	" coalesce(p.last_run + p.not_more_often > now() AND p.last_run - now() <= p.not_more_often, false)," \
	" coalesce(CASE WHEN p.hours_from <= p.hours_to THEN localtime < p.hours_from OR localtime >= p.hours_to" \
	"  ELSE localtime < p.hours_from AND localtime >= p.hours_to END, false)," \
	" coalesce(v.trained_at + p.max_age < now() OR v.trained_at - now() > p.max_age, false), quote_literal(v.trained_at)" \
	" FROM %s.lstm_policy p JOIN %s.lstm_model m ON m.id = p.model" \
	" LEFT JOIN %s.lstm_version v ON v.model = m.id AND v.version = m.live" \
	" WHERE p.model = $1 FOR UPDATE OF p SKIP LOCKED"

static double
double_of(enum PolicyColumn column)
{
	bool		is_null;
	Datum		value = lstm_owner_result(column, &is_null);

	return is_null ? NAN : DatumGetFloat8(value);
}

static bool
boolean_of(enum PolicyColumn column)
{
	bool		is_null;

	return DatumGetBool(lstm_owner_result(column, &is_null));
}

static char *
text_of(enum PolicyColumn column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);

	return value != NULL ? MemoryContextStrdup(context, value) : NULL;
}

static void
read_policy(LstmPolicy *policy, LstmPolicyTimes *times, MemoryContext context)
{
	bool		is_null;
	Datum		value = lstm_owner_result(NEW_ROWS, &is_null);
	MemoryContext old;

	policy->new_rows = is_null ? 0 : DatumGetInt64(value);
	policy->unknown_rate = double_of(UNKNOWN_RATE);
	policy->class_psi = double_of(CLASS_PSI);
	policy->accuracy_drop = double_of(ACCURACY_DROP);
	policy->labeled_at = text_of(LABELED_AT, context);
	value = lstm_owner_result(OPTIONS, &is_null);
	old = MemoryContextSwitchTo(context);
	policy->options = DatumGetJsonbPCopy(value);
	MemoryContextSwitchTo(old);
	times->is_too_soon = boolean_of(TOO_SOON);
	times->is_off_hours = boolean_of(OFF_HOURS);
	times->is_old = boolean_of(OLD);
	times->trained_at = text_of(TRAINED_AT, context);
}

bool
lstm_lock_policy(const LstmModelRow *model, LstmPolicy *policy, LstmPolicyTimes *times)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bool		is_there;

	memset(policy, 0, sizeof(*policy));
	memset(times, 0, sizeof(*times));
	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	is_there = lstm_owner_run(READ_POLICY, &args) > 0;
	if (is_there)
		read_policy(policy, times, caller);
	lstm_owner_end(&scope);
	return is_there;
}

void
lstm_note_policy(const LstmModelRow *model, const char *result, bool is_run)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_arg_text(&args, result);
	lstm_arg(&args, BOOLOID, BoolGetDatum(is_run));
	lstm_owner_run("UPDATE %s.lstm_policy SET last_result = $2,"
				   " last_run = CASE WHEN $3 THEN clock_timestamp() ELSE last_run END WHERE model = $1", &args);
	lstm_owner_end(&scope);
}
