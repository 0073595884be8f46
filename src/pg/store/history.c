/*
 * store/history.c: what later trainings need of earlier ones, and what was decided
 * about them.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "store/catalog.h"
#include "store/history.h"

/* A column of the first row, copied out of SPI's memory; NULL where it is null. */
static void *
copied(int column, MemoryContext context)
{
	bool		is_null;
	Datum		datum = lstm_owner_result(column, &is_null);
	MemoryContext old;
	void	   *copy;

	if (is_null)
		return NULL;
	old = MemoryContextSwitchTo(context);
	copy = PG_DETOAST_DATUM_COPY(datum);
	MemoryContextSwitchTo(old);
	return copy;
}

static char *
copied_text(int column, MemoryContext context)
{
	text	   *copy = copied(column, context);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *string = copy != NULL ? text_to_cstring(copy) : NULL;

	MemoryContextSwitchTo(old);
	return string;
}

void
lstm_read_origin(const pg_uuid_t *model, LstmOrigin *origin)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	if (lstm_owner_run("SELECT relation, input, target, options FROM %s.lstm_model WHERE id = $1", &args) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the model was dropped meanwhile")));
	origin->relation = copied_text(1, caller);
	origin->input = copied_text(2, caller);
	origin->target = copied_text(3, caller);
	origin->options = copied(4, caller);
	lstm_owner_end(&scope);
}

bool
lstm_read_version(const pg_uuid_t *model, int version, bool with_weights, LstmVersionRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	bool		is_null;
	bool		is_there;

	memset(row, 0, sizeof(*row));
	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	lstm_arg(&args, BOOLOID, BoolGetDatum(with_weights));
	is_there = lstm_owner_run("SELECT facts, metrics, coalesce(rows, -1), trained_at, CASE WHEN $3 THEN measured END"
							  " FROM %s.lstm_version WHERE model = $1 AND version = $2", &args) > 0;
	if (is_there)
	{
		row->facts = copied(1, caller);
		row->metrics = copied(2, caller);
		row->rows = DatumGetInt64(lstm_owner_result(3, &is_null));
		row->trained_at = DatumGetTimestampTz(lstm_owner_result(4, &is_null));
		row->measured = copied(5, caller);
	}
	lstm_owner_end(&scope);
	return is_there;
}

void
lstm_save_decision(const pg_uuid_t *model, const LstmDecision *decision)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	lstm_arg(&args, INT4OID, Int32GetDatum(decision->challenger));
	lstm_arg(&args, INT4OID, Int32GetDatum(decision->champion));
	lstm_arg(&args, BOOLOID, BoolGetDatum(decision->went_live));
	lstm_arg_text(&args, decision->reason);
	lstm_arg(&args, JSONBOID, DirectFunctionCall1(jsonb_in, CStringGetDatum(decision->figures)));
	lstm_arg_text(&args, GetUserNameFromId(scope.caller, false));
	lstm_owner_run("INSERT INTO %s.lstm_decision (model, version, champion, went_live, reason, figures, decided_by)"
				   " VALUES ($1, $2, nullif($3, 0), $4, $5, $6, $7)", &args);
	lstm_owner_end(&scope);
}
