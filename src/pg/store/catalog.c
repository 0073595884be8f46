/*
 * store/catalog.c: where our tables are, when they change, and writing to them.
 *
 * Two things end what a session remembers.  A relcache invalidation of
 * lstm_model or lstm_version comes when a model's row was changed (the tables'
 * trigger asks for it), and when the tables were moved or dropped.  It comes
 * at commit to other sessions and to standbys, after each command and after a
 * rollback to our own.
 */
#include "glue/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/index.h"
#include "catalog/indexing.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/catalog.h"

static LstmCatalog catalog;
static bool catalog_is_valid = false;
static uint64 generation = 1;

static void
relation_changed(Datum arg, Oid relid)
{
	if (!catalog_is_valid)
		return;
	if (relid == InvalidOid || relid == catalog.model || relid == catalog.version)
	{
		catalog_is_valid = false;
		generation++;
	}
}

void
lstm_catalog_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

static Oid
schema_of_extension(Oid extension)
{
	Relation	rel = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			schema = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(rel, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		schema = ((Form_pg_extension) GETSTRUCT(tuple))->extnamespace;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return schema;
}

static Oid
relation_named(const char *name, Oid schema)
{
	Oid			relid = get_relname_relid(name, schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" of extension pg_lstm does not exist", name),
				 errhint("Drop the extension and create it again.")));
	return relid;
}

/* An index of this table: one that got the name of ours must not lead us elsewhere. */
static Oid
index_named(const char *name, Oid schema, Oid table)
{
	Oid			relid = relation_named(name, schema);
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	bool		is_btree = HeapTupleIsValid(tuple) && ((Form_pg_class) GETSTRUCT(tuple))->relam == BTREE_AM_OID;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	if (!is_btree || IndexGetRelation(relid, true) != table)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("relation \"%s\" of extension pg_lstm was altered", name),
				 errhint("Make it what the extension's script makes it.")));
	return relid;
}

const LstmCatalog *
lstm_catalog(void)
{
	LstmCatalog found;
	Oid			extension;

	if (likely(catalog_is_valid))
		return &catalog;

	extension = get_extension_oid("pg_lstm", true);
	if (!OidIsValid(extension))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"pg_lstm\" does not exist in this database"),
				 errhint("Run CREATE EXTENSION pg_lstm.")));
	found.schema = schema_of_extension(extension);
	found.model = relation_named("lstm_model", found.schema);
	found.model_name = index_named("lstm_model_name_key", found.schema, found.model);
	found.model_pkey = index_named("lstm_model_pkey", found.schema, found.model);
	found.version = relation_named("lstm_version", found.schema);
	found.version_pkey = index_named("lstm_version_pkey", found.schema, found.version);
	found.version_digest = index_named("lstm_version_digest_idx", found.schema, found.version);
	found.epoch = relation_named("lstm_epoch", found.schema);
	found.epoch_pkey = index_named("lstm_epoch_pkey", found.schema, found.epoch);
	found.wrapper = get_foreign_data_wrapper_oid(LSTM_WRAPPER, false);
	catalog = found;
	catalog_is_valid = true;
	return &catalog;
}

uint64
lstm_catalog_generation(void)
{
	/* Without valid OIDs we could not tell our tables' invalidations. */
	(void) lstm_catalog();
	return generation;
}

void
lstm_catalog_changed(void)
{
	CacheInvalidateRelcacheByRelid(lstm_catalog()->model);
}

void
lstm_scope_begin(LstmOwnerScope *scope, Oid user)
{
	GetUserIdAndSecContext(&scope->caller, &scope->security_context);
	SetUserIdAndSecContext(user, scope->security_context | SECURITY_LOCAL_USERID_CHANGE |
						   SECURITY_RESTRICTED_OPERATION | SECURITY_NOFORCE_RLS);
	scope->guc_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
lstm_scope_end(LstmOwnerScope *scope)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(false, scope->guc_level);
	SetUserIdAndSecContext(scope->caller, scope->security_context);
}

void
lstm_owner_begin(LstmOwnerScope *scope)
{
	Relation	rel = table_open(lstm_catalog()->model, AccessShareLock);
	Oid			owner = rel->rd_rel->relowner;

	table_close(rel, NoLock);
	lstm_scope_begin(scope, owner);
}

void
lstm_owner_end(LstmOwnerScope *scope)
{
	lstm_scope_end(scope);
}

void
lstm_run_command(const char *command)
{
	int			result = SPI_execute(command, false, 0);

	if (result < 0)
		elog(ERROR, "command \"%s\" failed: %s", command, SPI_result_code_string(result));
}

void
lstm_arg(LstmArgs *args, Oid type, Datum value)
{
	Assert(args->n < LSTM_MAX_ARGS);
	args->types[args->n] = type;
	args->values[args->n] = value;
	args->nulls[args->n++] = ' ';
}

void
lstm_arg_text(LstmArgs *args, const char *string)
{
	lstm_arg(args, TEXTOID, string != NULL ? CStringGetTextDatum(string) : (Datum) 0);
	if (string == NULL)
		args->nulls[args->n - 1] = 'n';
}

/* The text of a statement, palloc'd. */
static char *
with_schema(const char *format)
{
	const char *schema = quote_identifier(get_namespace_name(lstm_catalog()->schema));
	StringInfoData sql;

	initStringInfo(&sql);
	for (const char *c = format; *c != '\0'; c++)
	{
		if (c[0] == '%' && c[1] == 's')
		{
			appendStringInfoString(&sql, schema);
			c++;
		}
		else
			appendStringInfoChar(&sql, *c);
	}
	return sql.data;
}

static uint64
n_processed(int result)
{
	if (result < 0)
		elog(ERROR, "statement on a model table failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

static uint64
run(const char *format, LstmArgs *args, bool is_reading)
{
	return n_processed(SPI_execute_with_args(with_schema(format), args->n, args->types, args->values, args->nulls,
											 is_reading, 0));
}

uint64
lstm_owner_run(const char *format, LstmArgs *args)
{
	return run(format, args, false);
}

uint64
lstm_owner_run_latest(const char *format, LstmArgs *args)
{
	SPIPlanPtr	plan = SPI_prepare(with_schema(format), args->n, args->types);

	if (plan == NULL)
		(void) n_processed(SPI_result);
	return n_processed(SPI_execute_snapshot(plan, args->values, args->nulls, GetLatestSnapshot(), InvalidSnapshot,
											false, true, 0));
}

uint64
lstm_owner_look(const char *format, LstmArgs *args)
{
	return run(format, args, true);
}

Datum
lstm_owner_result(int column, bool *is_null)
{
	/* a rule or trigger that somebody put on the table may have left nothing */
	if (SPI_tuptable == NULL || SPI_tuptable->numvals == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("a statement on a table of extension pg_lstm returned no row"),
				 errhint("Make the table what the extension's script makes it.")));
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, is_null);
}
