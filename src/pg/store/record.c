/*
 * store/record.c: what is on record of a model, for people to look at.
 */
#include "glue/compat.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/memutils.h"

#include "store/catalog.h"
#include "store/record.h"

#define MAX_EPOCHS	"1000"
#define TIME_FORMAT	"'YYYY-MM-DD HH24:MI TZ'"

/* One query, and the rows that it gave. */
typedef struct Look
{
	LstmOwnerScope scope;
	MemoryContext caller;
	LstmArgs	args;
} Look;

static uint64
look(Look *l, const char *query, const pg_uuid_t *model, int number)
{
	memset(l, 0, sizeof(*l));
	l->caller = CurrentMemoryContext;
	lstm_owner_begin(&l->scope);
	lstm_arg(&l->args, UUIDOID, UUIDPGetDatum(model));
	lstm_arg(&l->args, INT4OID, Int32GetDatum(number));
	return lstm_owner_look(query, &l->args);
}

static void
look_end(Look *l)
{
	lstm_owner_end(&l->scope);
}

/* A column of row i, numbered from 1. */
static Datum
column(uint64 i, int number, bool *is_null)
{
	return SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, number, is_null);
}

/* Copied out of SPI's memory; NULL where it is null. */
static void *
copied(const Look *l, uint64 i, int number)
{
	bool		is_null;
	Datum		value = column(i, number, &is_null);
	MemoryContext old;
	void	   *copy;

	if (is_null)
		return NULL;
	old = MemoryContextSwitchTo(l->caller);
	copy = PG_DETOAST_DATUM_COPY(value);
	MemoryContextSwitchTo(old);
	return copy;
}

static const char *
text_of(const Look *l, uint64 i, int number)
{
	bool		is_null;
	Datum		value = column(i, number, &is_null);
	MemoryContext old;
	const char *string;

	if (is_null)
		return NULL;
	old = MemoryContextSwitchTo(l->caller);
	string = TextDatumGetCString(value);
	MemoryContextSwitchTo(old);
	return string;
}

static int64
count_of(uint64 i, int number)
{
	bool		is_null;
	Datum		value = column(i, number, &is_null);

	return is_null ? -1 : DatumGetInt64(value);
}

static double
number_of(uint64 i, int number)
{
	bool		is_null;
	Datum		value = column(i, number, &is_null);

	return is_null ? get_float8_nan() : DatumGetFloat8(value);
}

static bool
truth_of(uint64 i, int number)
{
	bool		is_null;
	Datum		value = column(i, number, &is_null);

	return !is_null && DatumGetBool(value);
}

/* ---- model and versions -------------------------------------------------------------- */

bool
lstm_record_model(const pg_uuid_t *model, LstmModelRecord *record)
{
	Look		l;
	bool		is_there;

	memset(record, 0, sizeof(*record));
	is_there = look(&l, "SELECT to_char(m.created, " TIME_FORMAT "), m.relation::text, m.input::text, m.target::text,"
					" (SELECT count(*) FROM %s.lstm_version v WHERE v.model = m.id)"
					" FROM %s.lstm_model m WHERE m.id = $1 AND $2 = 0", model, 0) > 0;
	if (is_there)
	{
		record->created = text_of(&l, 0, 1);
		record->relation = text_of(&l, 0, 2);
		record->input = text_of(&l, 0, 3);
		record->target = text_of(&l, 0, 4);
		record->n_versions = count_of(0, 5);
	}
	look_end(&l);
	return is_there;
}

#define VERSION_COLUMNS \
	"v.version::int4, v.version = m.live, v.digest::text, v.rows::int8, v.epochs::int8, v.seconds::float8, v.bytes::int8," \
	" to_char(v.trained_at, " TIME_FORMAT "), v.trained_by::text, v.options::jsonb"
#define VERSION_TABLES \
	" FROM %s.lstm_version v JOIN %s.lstm_model m ON m.id = v.model WHERE v.model = $1"

static void
read_version(const Look *l, uint64 i, LstmVersionRecord *record)
{
	bool		is_null;

	record->version = DatumGetInt32(column(i, 1, &is_null));
	record->is_live = truth_of(i, 2);
	record->digest = text_of(l, i, 3);
	record->rows = count_of(i, 4);
	record->epochs = (int) count_of(i, 5);
	record->seconds = number_of(i, 6);
	record->bytes = count_of(i, 7);
	record->trained_at = text_of(l, i, 8);
	record->trained_by = text_of(l, i, 9);
	record->options = copied(l, i, 10);
	record->metrics = copied(l, i, 11);
}

bool
lstm_record_version(const pg_uuid_t *model, int version, LstmVersionRecord *record)
{
	Look		l;
	bool		is_there;

	memset(record, 0, sizeof(*record));
	is_there = look(&l, "SELECT " VERSION_COLUMNS ", v.metrics::jsonb, v.facts::jsonb" VERSION_TABLES " AND v.version = $2",
					model, version) > 0;
	if (is_there)
	{
		read_version(&l, 0, record);
		record->facts = copied(&l, 0, 12);
	}
	look_end(&l);
	return is_there;
}

int
lstm_record_versions(const pg_uuid_t *model, int max, LstmVersionRecord **records)
{
	Look		l;
	int			n = (int) look(&l, "SELECT " VERSION_COLUMNS ", CASE WHEN jsonb_typeof(v.metrics) = 'object'"
							   " THEN v.metrics - '{confusion,per_class,per_type,per_tag,baseline}'::text[] END"
							   VERSION_TABLES " ORDER BY v.version DESC LIMIT $2", model, max);

	*records = MemoryContextAllocZero(l.caller, sizeof(LstmVersionRecord) * Max(n, 1));
	for (int i = 0; i < n; i++)
		read_version(&l, i, &(*records)[n - 1 - i]);
	look_end(&l);
	return n;
}

bytea *
lstm_record_measured(const pg_uuid_t *model, int version)
{
	Look		l;
	bytea	   *measured = NULL;

	if (look(&l, "SELECT measured::bytea FROM %s.lstm_version WHERE model = $1 AND version = $2", model, version) > 0)
		measured = copied(&l, 0, 1);
	look_end(&l);
	return measured;
}

/* ---- epochs and decisions --------------------------------------------------------------- */

int
lstm_record_epochs(const pg_uuid_t *model, int version, LstmEpochRecord **records)
{
	Look		l;
	int			n = (int) look(&l, "SELECT epoch::int4, loss_train::float8, loss_valid::float8, metric::float8,"
							   " gradient_norm::float8, share_clipped::float8, rate::float8, seconds::float8"
							   " FROM %s.lstm_epoch WHERE model = $1 AND version = $2 ORDER BY epoch LIMIT " MAX_EPOCHS,
							   model, version);

	*records = MemoryContextAllocZero(l.caller, sizeof(LstmEpochRecord) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		LstmEpochRecord *record = &(*records)[i];
		bool		is_null;

		record->epoch = DatumGetInt32(column(i, 1, &is_null));
		record->loss_train = number_of(i, 2);
		record->loss_valid = number_of(i, 3);
		record->metric = number_of(i, 4);
		record->gradient_norm = number_of(i, 5);
		record->share_clipped = number_of(i, 6);
		record->rate = number_of(i, 7);
		record->seconds = number_of(i, 8);
	}
	look_end(&l);
	return n;
}

int
lstm_record_decisions(const pg_uuid_t *model, int max, LstmDecisionRecord **records)
{
	Look		l;
	int			n = (int) look(&l, "SELECT version::int4, coalesce(champion, 0)::int8, went_live::bool, reason::text, figures::jsonb,"
							   " to_char(decided_at, " TIME_FORMAT "), decided_by::text"
							   " FROM %s.lstm_decision WHERE model = $1 ORDER BY version DESC LIMIT $2", model, max);

	*records = MemoryContextAllocZero(l.caller, sizeof(LstmDecisionRecord) * Max(n, 1));
	for (int i = 0; i < n; i++)
	{
		LstmDecisionRecord *record = &(*records)[n - 1 - i];
		bool		is_null;

		record->version = DatumGetInt32(column(i, 1, &is_null));
		record->champion = (int) count_of(i, 2);
		record->went_live = truth_of(i, 3);
		record->reason = text_of(&l, i, 4);
		record->figures = copied(&l, i, 5);
		record->decided_at = text_of(&l, i, 6);
		record->decided_by = text_of(&l, i, 7);
	}
	look_end(&l);
	return n;
}
