/*
 * store/check.c: examples that a model must get right.
 *
 * Inputs may be of any length, so they are found by their SHA-256.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "store/catalog.h"
#include "store/check.h"
#include "store/shipped.h"

static char *
text_column(int row, int column, MemoryContext context)
{
	char	   *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);

	return MemoryContextStrdup(context, value);
}

int
lstm_read_checks(const pg_uuid_t *model, LstmCheck **checks)
{
	MemoryContext caller = CurrentMemoryContext;
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	int			n;

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(model));
	n = (int) lstm_owner_run("SELECT input, input_kind, expected FROM %s.lstm_check WHERE model = $1"
							 " ORDER BY created, input", &args);
	*checks = MemoryContextAlloc(caller, sizeof(LstmCheck) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		(*checks)[i].input = text_column(i, 1, caller);
		(*checks)[i].input_kind = text_column(i, 2, caller);
		(*checks)[i].expected = text_column(i, 3, caller);
	}
	lstm_owner_end(&scope);
	return n;
}

static void
arg_digest(LstmArgs *args, const char *input)
{
	char		digest[LSTM_DIGEST_CHARS + 1];

	lstm_digest((bytea *) cstring_to_text(input), digest);
	lstm_arg_text(args, digest);
}

void
lstm_save_check(const LstmModelRow *model, const LstmCheck *check)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	arg_digest(&args, check->input);
	lstm_arg_text(&args, check->input);
	lstm_arg_text(&args, check->input_kind);
	lstm_arg_text(&args, check->expected);
	lstm_owner_run("INSERT INTO %s.lstm_check (model, digest, input, input_kind, expected)"
				   " VALUES ($1, $2, $3, $4, $5)"
				   " ON CONFLICT (model, digest) DO UPDATE SET expected = excluded.expected", &args);
	lstm_owner_end(&scope);
}

int
lstm_delete_checks(const LstmModelRow *model, const char *input)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};
	int			n;

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	if (input != NULL)
		arg_digest(&args, input);
	n = (int) lstm_owner_run(input != NULL ?
							 "DELETE FROM %s.lstm_check WHERE model = $1 AND digest = $2" :
							 "DELETE FROM %s.lstm_check WHERE model = $1", &args);
	lstm_owner_end(&scope);
	return n;
}
