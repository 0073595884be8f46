/*
 * job/job_settings.c: settings that a job takes over from the session that submitted it.
 *
 * What a view, a policy or a condition shows may depend on them: search_path, TimeZone,
 * or a setting of the application's own that row security asks for.  Taken are those
 * that the session itself or ALTER ROLE has set and that every user may set, but for
 * those of a connection and of its transactions.
 */
#include "glue/compat.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "exec/report_json.h"
#include "job/job.h"

static const char *const not_taken[] = {
	"application_name", "client_encoding", "client_min_messages", "default_transaction_deferrable",
	"default_transaction_isolation", "default_transaction_read_only", "debug_parallel_query", "exit_on_error",
	"force_parallel_mode", "idle_in_transaction_session_timeout", "idle_session_timeout", "is_superuser",
	"local_preload_libraries", "lock_timeout", "pg_lstm.max_workers", "role", "seed", "session_authorization", "statement_timeout",
	"transaction_deferrable", "transaction_isolation", "transaction_read_only", "transaction_timeout"
};

static bool
is_taken(const struct config_generic *setting)
{
	if (setting->context != PGC_USERSET || setting->source < PGC_S_USER || setting->source == PGC_S_OVERRIDE)
		return false;
	for (int i = 0; i < (int) lengthof(not_taken); i++)
	{
		if (strcmp(setting->name, not_taken[i]) == 0)
			return false;
	}
	return true;
}

Jsonb *
lstm_job_settings(void)
{
	StringInfoData json;
	struct config_generic **settings;
	int			n;

	settings = lstm_all_settings(&n);
	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	for (int i = 0; i < n; i++)
	{
		const char *value;

		if (!is_taken(settings[i]))
			continue;
		value = GetConfigOption(settings[i]->name, true, false);
		if (value != NULL)
			lstm_json_text(&json, settings[i]->name, value);
	}
	appendStringInfoChar(&json, '}');
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json.data)));
}

void
lstm_job_set(Jsonb *settings)
{
	JsonbIterator *it = JsonbIteratorInit(&settings->root);
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			name = pnstrdup(value.val.string.val, value.val.string.len);
		else if (token == WJB_VALUE && name != NULL && value.type == jbvString)
			(void) set_config_option(name, pnstrdup(value.val.string.val, value.val.string.len), PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SET, true, 0, false);
	}
}
