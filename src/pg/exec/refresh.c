/*
 * exec/refresh.c: a column of answers that stays filled.
 *
 * One UPDATE of the caller's, whose rows are picked by a subquery:
 *
 *	WITH p AS MATERIALIZED (SELECT tableoid, ctid FROM t WHERE needs it LIMIT n FOR UPDATE SKIP LOCKED)
 *	UPDATE t SET target = lstm_predict_pinned(live version, input)[, version = its number] FROM p
 *	 WHERE t.tableoid = p.tableoid AND t.ctid = p.ctid
 *
 * so that rights, triggers, constraints and partitions are the server's business, and
 * the answers are computed in batches where a plain UPDATE's would be.  Rows are picked that
 * have an input and no answer, or one of another version.  An answer without a version
 * is somebody's own and stays.  They are picked once, also before 14, where each partition has
 * a plan of its own.
 */
#include "glue/compat.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "exec/refresh.h"
#include "store/catalog.h"
#include "store/history.h"
#include "store/source.h"

/* The relation, as statements name it: a table that rows can be changed in by their place. */
static char *
table_name(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);
	char	   *name;

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (rel->rd_rel->relkind != RELKIND_RELATION && rel->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(rel)),
				 errhint("Refresh the table that its rows come from.")));
	name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)), RelationGetRelationName(rel));
	relation_close(rel, AccessShareLock);
	return name;
}

static Oid
column_type(const LstmRefresh *refresh, const char *column)
{
	AttrNumber	number = get_attnum(refresh->relid, column);

	if (number <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of relation \"%s\" does not exist", column, get_rel_name(refresh->relid))));
	return get_atttype(refresh->relid, number);
}

/* What the version column keeps: the number, or the digest where it is text. */
static const char *
version_literal(const LstmRefresh *refresh, const LstmRef *ref)
{
	Oid			type = getBaseType(column_type(refresh, refresh->version));

	if (type == TEXTOID || type == VARCHAROID)
		return quote_literal_cstr(ref->key);
	if (type == INT4OID || type == INT8OID)
		return psprintf("%d", ref->version);
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot keep a version", refresh->version, format_type_be(type)),
			 errhint("An integer column keeps the version's number, a text column its digest.")));
	return NULL;
}

static const char *
input_column(const LstmRefresh *refresh, const LstmRef *ref)
{
	LstmOrigin	origin;

	if (refresh->input != NULL)
		return refresh->input;
	memset(&origin, 0, sizeof(origin));
	if (!ref->is_shipped)
		lstm_read_origin(&ref->model, &origin);
	if (origin.input == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"input\" is missing"),
				 errdetail("It is not known which column model \"%s\" reads.", refresh->model)));
	return origin.input;
}

/* A column of which we do not read arrays of texts or numbers is read as text. */
static const char *
input_cast(const LstmRefresh *refresh, const char *input)
{
	LstmSourceInfo info;

	lstm_source_describe(refresh->relid, input, NULL, &info);
	return info.input_kind == NN_VALUE_TEXT ? "::pg_catalog.text" : info.input_kind == NN_VALUE_WORDS ? "::pg_catalog.text[]" : "";
}

/* The statement; $1 is how many rows at most. */
static char *
update_statement(const LstmRefresh *refresh)
{
	LstmRef		ref = *lstm_live_version(refresh->model, strlen(refresh->model));
	const char *table = table_name(refresh->relid);
	const char *input = input_column(refresh, &ref);
	const char *target = quote_identifier(refresh->target);
	Oid			type = column_type(refresh, refresh->target);
	const char *version = refresh->version != NULL ? version_literal(refresh, &ref) : NULL;
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "WITH p AS MATERIALIZED (SELECT s.tableoid, s.ctid FROM %s AS s WHERE s.%s IS NOT NULL AND (s.%s IS NULL",
					 table, quote_identifier(input), target);
	if (version != NULL)
		appendStringInfo(&sql, " OR s.%s::pg_catalog.text OPERATOR(pg_catalog.<>) %s::pg_catalog.text",
						 quote_identifier(refresh->version), version);
	/* by the digest: the version that is noted is the one that answers, whoever deploys meanwhile */
	appendStringInfo(&sql, ") LIMIT $1 FOR UPDATE SKIP LOCKED) UPDATE %s AS t SET %s = %s.%s(%s::pg_catalog.text, t.%s%s)::%s", table, target,
					 quote_identifier(get_namespace_name(lstm_catalog()->schema)),
					 ref.is_shipped ? "lstm_predict" : "lstm_predict_pinned",
					 quote_literal_cstr(ref.is_shipped ? ref.name : ref.key), quote_identifier(input), input_cast(refresh, input), format_type_with_typemod(type, -1));
	if (version != NULL)
		appendStringInfo(&sql, ", %s = %s", quote_identifier(refresh->version), version);
	appendStringInfoString(&sql, " FROM p WHERE t.tableoid OPERATOR(pg_catalog.=) p.tableoid AND t.ctid OPERATOR(pg_catalog.=) p.ctid");
	return sql.data;
}

/* Within SPI. */
static int64
update_rows(const LstmRefresh *refresh, int64 max_rows)
{
	Oid			types[1] = {INT8OID};
	Datum		values[1] = {Int64GetDatum(max_rows)};
	const char	nulls[1] = {max_rows > 0 ? ' ' : 'n'};

	if (SPI_execute_with_args(update_statement(refresh), 1, types, values, nulls, false, 0) != SPI_OK_UPDATE)
		elog(ERROR, "rows could not be refreshed");
	return (int64) SPI_processed;
}

int64
lstm_refresh(const LstmRefresh *refresh, int64 max_rows)
{
	int64		n;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	n = update_rows(refresh, max_rows);
	SPI_finish();
	return n;
}

/* The relation may be dropped between two batches: then the next one says so. */
void
lstm_refresh_all(const LstmRefresh *refresh, int64 batch)
{
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	while (update_rows(refresh, batch) > 0)
	{
		SPI_commit();
		SPI_start_transaction();
		CHECK_FOR_INTERRUPTS();
	}
	SPI_finish();
}
