/*
 * store/standin.c: the foreign servers that stand for models in PostgreSQL's
 * catalogs.
 */
#include "glue/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_data_wrapper.h"
#include "catalog/pg_foreign_server.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/rel.h"

#include "store/catalog.h"
#include "store/change.h"
#include "store/registry.h"
#include "store/rights.h"
#include "store/rows.h"
#include "store/standin.h"

/* A command on a stand-in; the first %s of format is its name. */
static void
run(const char *format, const char *name, const char *argument)
{
	LstmOwnerScope scope;

	lstm_scope_begin(&scope, BOOTSTRAP_SUPERUSERID);
	lstm_run_command(psprintf(format, quote_identifier(name), argument));
	lstm_scope_end(&scope);
}

/*
 * CREATE SERVER lets the server hold the wrapper, and with it the extension,
 * until it is dropped.  A model shall not do that: DROP EXTENSION drops models.
 */
static void
let_go_of_wrapper(Oid server)
{
	ObjectAddress self = {ForeignServerRelationId, server, 0};
	ObjectAddress wrapper = {ForeignDataWrapperRelationId, lstm_catalog()->wrapper, 0};

	if (deleteDependencyRecordsForClass(ForeignServerRelationId, server, ForeignDataWrapperRelationId,
										DEPENDENCY_NORMAL) > 0)
		recordDependencyOn(&self, &wrapper, DEPENDENCY_AUTO);
}

/*
 * pg_upgrade makes the stand-ins anew, and copies the rows below the triggers that
 * would follow.  It makes event triggers last of all and then adds them to the extension,
 * which is a command that they see.
 */
static void
let_all_go_of_wrapper(void)
{
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0, NULL);
	HeapTuple	tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_foreign_server server = (Form_pg_foreign_server) GETSTRUCT(tuple);

		if (server->srvfdw == lstm_catalog()->wrapper)
			let_go_of_wrapper(server->oid);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* ---- making one ------------------------------------------------------------------ */

/* A stand-in that is there keeps its owner. */
static Oid
make(const char *name)
{
	Oid			server = lstm_standin_oid(name);

	if (!OidIsValid(server))
	{
		run("CREATE SERVER %s FOREIGN DATA WRAPPER %s", name, LSTM_WRAPPER);
		server = lstm_standin_oid(name);
	}
	let_go_of_wrapper(server);
	return server;
}

void
lstm_standin_make(const char *model, const pg_uuid_t *id, Oid owner)
{
	char		name[NAMEDATALEN];
	Oid			server;

	lstm_standin_name(model, id, name);
	server = make(name);
	if (GetForeignServer(server)->owner != owner)
		run("ALTER SERVER %s OWNER TO %s", name, quote_identifier(GetUserNameFromId(owner, false)));
}

/* ---- following the rows ------------------------------------------------------------ */

/*
 * The role that a row names, if who writes the row may give things to that role;
 * else another one.  Rows that were copied may name roles that are not here.
 */
static Oid
named_owner(const LstmModelRow *row, Oid other)
{
	Oid			role = get_role_oid(row->owner_name, true);

	if (OidIsValid(role) && lstm_can_become(GetUserId(), role))
		return role;
	if (!OidIsValid(role))
		ereport(WARNING,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" belongs to \"%s\"", row->name, GetUserNameFromId(other, false)),
				 errdetail("Role \"%s\" does not exist here.", row->owner_name),
				 errhint("lstm_owner() gives a model to another role.")));
	return other;
}

static void
follow_insert(const LstmModelRow *row)
{
	char		name[NAMEDATALEN];

	lstm_standin_name(row->name, &row->id, name);
	/* pg_restore brings the stand-in before the row, and with the right owner */
	if (OidIsValid(lstm_standin_oid(name)))
		(void) make(name);
	else
		lstm_standin_make(row->name, &row->id, named_owner(row, GetUserId()));
}

static void
follow_update(const LstmModelRow *old_row, const LstmModelRow *row)
{
	char		old_name[NAMEDATALEN];
	char		name[NAMEDATALEN];
	Oid			server;

	lstm_standin_name(old_row->name, &old_row->id, old_name);
	lstm_standin_name(row->name, &row->id, name);
	if (strcmp(old_name, name) != 0 && OidIsValid(lstm_standin_oid(old_name)))
		run("ALTER SERVER %s RENAME TO %s", old_name, quote_identifier(name));
	if (strcmp(old_row->owner_name, row->owner_name) == 0)
		return;
	server = lstm_standin_oid(name);
	lstm_standin_make(row->name, &row->id,
					  named_owner(row, OidIsValid(server) ? GetForeignServer(server)->owner : GetUserId()));
}

static void
drop_standin(const LstmModelRow *row)
{
	char		name[NAMEDATALEN];

	lstm_standin_name(row->name, &row->id, name);
	/* who may use a model may hang a user mapping or a foreign table on its stand-in */
	if (OidIsValid(lstm_standin_oid(name)))
		run("DROP SERVER %s%s", name, " CASCADE");
}

/* After TRUNCATE there are no rows to tell which stand-ins were theirs: all. */
static void
drop_all(void)
{
	LstmOwnerScope scope;

	lstm_scope_begin(&scope, BOOTSTRAP_SUPERUSERID);
	SPI_execute("SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s.srvname), ', ')"
				" FROM pg_catalog.pg_foreign_server s JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw"
				" WHERE w.fdwname = '" LSTM_WRAPPER "'", false, 0);
	if (SPI_processed > 0 && SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) != NULL)
		lstm_run_command(psprintf("DROP SERVER %s CASCADE",
								  SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1)));
	lstm_scope_end(&scope);
}

void
lstm_standin_follow(TriggerData *trigger)
{
	Relation	rel = trigger->tg_relation;
	LstmModelRow row;
	LstmModelRow new_row;

	/* Anybody may put this trigger on a table of his own. */
	if (RelationGetRelid(rel) != lstm_catalog()->model)
		return;
	if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event))
	{
		drop_all();
		return;
	}
	if (!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || !TRIGGER_FIRED_AFTER(trigger->tg_event))
		return;
	lstm_rows_check(rel);
	lstm_rows_model(trigger->tg_trigtuple, RelationGetDescr(rel), &row);
	if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		follow_insert(&row);
	else if (TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		drop_standin(&row);
	else
	{
		lstm_rows_model(trigger->tg_newtuple, RelationGetDescr(rel), &new_row);
		follow_update(&row, &new_row);
	}
}

/* ---- being followed by the rows ------------------------------------------------------ */

/* The model whose stand-in has this name. */
static bool
model_of(const char *name, LstmModelRow *row)
{
	LstmModelScan scan;
	bool		is_found = false;

	if (strncmp(name, LSTM_STANDIN_PREFIX, strlen(LSTM_STANDIN_PREFIX)) != 0)
		return false;
	/* what is committed counts: the command has dropped what its snapshot does not see */
	lstm_rows_begin_models(&scan, lstm_snapshot_latest());
	while (!is_found && lstm_rows_next_model(&scan, row))
	{
		char		standin[NAMEDATALEN];

		lstm_standin_name(row->name, &row->id, standin);
		is_found = strcmp(standin, name) == 0;
	}
	lstm_rows_end_models(&scan);
	return is_found;
}

/* The names of the foreign servers that this command dropped. */
static List *
dropped_servers(void)
{
	LstmOwnerScope scope;
	MemoryContext context = CurrentMemoryContext;
	List	   *names = NIL;

	lstm_scope_begin(&scope, GetUserId());
	SPI_execute("SELECT d.object_name FROM pg_catalog.pg_event_trigger_dropped_objects() d"
				" WHERE d.object_type = 'server'", true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		names = lappend(names, SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
		MemoryContextSwitchTo(old);
	}
	lstm_scope_end(&scope);
	return names;
}

void
lstm_standin_command(EventTriggerData *trigger)
{
	LstmModelRow row;
	ListCell   *cell;

	if (strcmp(trigger->event, "sql_drop") == 0)
	{
		foreach(cell, dropped_servers())
		{
			if (model_of(lfirst(cell), &row))
				lstm_forget_model(&row.id);
		}
	}
	else if (IsA(trigger->parsetree, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) trigger->parsetree;

		if (rename->renameType == OBJECT_FOREIGN_SERVER && model_of(strVal(rename->object), &row))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("cannot rename foreign server \"%s\"", strVal(rename->object)),
					 errdetail("It says whose model \"%s\" is and who may use it, and is found by its name.", row.name)));
	}
	else if (IsA(trigger->parsetree, AlterExtensionContentsStmt) &&
			 strcmp(((AlterExtensionContentsStmt *) trigger->parsetree)->extname, "pg_lstm") == 0)
		let_all_go_of_wrapper();
}
