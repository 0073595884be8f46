/*
 * store/source.c: rows of a relation as inputs and targets.
 *
 * Memory: a fetch holds its tuples (large texts still as TOAST pointers) until
 * all of them were handed out; what lstm_source_read() detoasts and converts is
 * in row_context and lives until its next call.  Both are bounded by bytes as
 * well as by rows, except that one row must fit.
 */
#include "glue/compat.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "model/options.h"

#include "glue/errors.h"
#include "store/source.h"
#include "store/value.h"

#define FIRST_FETCH_ROWS	32
#define MAX_FETCH_ROWS		500
#define FETCH_BYTES			(4 * 1024 * 1024)
#define READ_BYTES			(8 * 1024 * 1024)

struct LstmSource
{
	NnValueKind input_kind;
	LstmReadAs	read_as;
	LstmTargetKind target_kind;
	bool		has_key;
	int			n_flags;
	Portal		portal;
	long		n_fetch;		/* rows of the next fetch */
	SPITupleTable *tuples;		/* of this fetch, NULL if all were handed out */
	uint64		n_tuples;
	uint64		next;
	LstmPosition position;		/* of the row that is being read */
	int64		n_fetched;
	int64		n_skipped;
	bool		has_row_security;
	MemoryContext row_context;
};

/* ---- what the columns are ------------------------------------------------ */

static void
check_relation_kind(Relation rel)
{
	switch (rel->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_FOREIGN_TABLE:
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("\"%s\" is not a table or view", RelationGetRelationName(rel)),
			 errhint("Rows can come from a table, view, materialized view, partitioned or foreign table.")));
}

static void
throw_no_column(Relation rel, const char *column)
{
	TupleDesc	desc = RelationGetDescr(rel);
	const char **names = palloc(sizeof(char *) * Max(desc->natts, 1));
	const char *nearest;
	int			n = 0;

	for (int i = 0; i < desc->natts; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			names[n++] = NameStr(TupleDescAttr(desc, i)->attname);
	}
	nearest = nn_nearest(column, names, n);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of relation \"%s\" does not exist", column, RelationGetRelationName(rel)),
			 nearest != NULL ? errhint("Perhaps you meant the column \"%s\".", nearest) : 0));
}

/* The type of a column, domains looked through. */
static Oid
column_type(Relation rel, const char *column)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), column) == 0)
			return getBaseType(attribute->atttypid);
	}
	throw_no_column(rel, column);
	return InvalidOid;
}

static bool
is_string_type(Oid type)
{
	char		category;
	bool		is_preferred;

	get_type_category_preferred(type, &category, &is_preferred);
	/* "char" counted as a string before 15 */
	return category == TYPCATEGORY_STRING && type != CHAROID;
}

static NnValueKind
input_kind_of(Oid type, const char *column)
{
	Oid			element = get_element_type(type);
	NnValueKind kind;

	if (OidIsValid(element) && lstm_value_kind(getBaseType(element), &kind))
		return kind;
	if (!OidIsValid(element) && is_string_type(type))
		return NN_VALUE_TEXT;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot be an input", column, format_type_be(type)),
			 errhint("An input is text, text[] (words) or real[] (numbers); a view can cast the column.")));
}

static LstmTargetKind
target_kind_of(Oid type, const char *column)
{
	Oid			element = get_element_type(type);
	NnValueKind kind;

	switch (type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return LSTM_TARGET_INTEGER;
		case FLOAT4OID:
		case FLOAT8OID:
		case NUMERICOID:
			return LSTM_TARGET_NUMBER;
		case BOOLOID:
			return LSTM_TARGET_LABEL;
	}
	if (OidIsValid(element) && lstm_value_kind(getBaseType(element), &kind))
		return kind == NN_VALUE_WORDS ? LSTM_TARGET_WORDS : LSTM_TARGET_NUMBERS;
	if (type_is_enum(type))
		return LSTM_TARGET_LABEL;
	if (!OidIsValid(element) && is_string_type(type))
		return LSTM_TARGET_TEXT;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of type %s cannot be a target", column, format_type_be(type)),
			 errhint("A target is a label (text, enum, boolean, integer), a number (real, double precision, numeric), a text, a list of tags or labels (text[]) or a series (real[]); a view can cast the column.")));
}

static Relation
open_source(Oid relid)
{
	Relation	rel = try_relation_open(relid, AccessShareLock);

	if (rel == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	check_relation_kind(rel);
	return rel;
}

void
lstm_source_describe(Oid relid, const char *input, const char *target, LstmSourceInfo *info)
{
	Relation	rel = open_source(relid);
	Oid			type;

	memset(info, 0, sizeof(*info));
	info->relid = relid;
	info->relation_name = pstrdup(RelationGetRelationName(rel));
	info->relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												RelationGetRelationName(rel));
	info->input = pstrdup(input);
	type = column_type(rel, input);
	info->input_kind = input_kind_of(type, input);
	info->input_element = get_element_type(type);
	info->target_kind = LSTM_TARGET_NONE;
	if (target != NULL)
	{
		info->target = pstrdup(target);
		type = column_type(rel, target);
		info->target_kind = target_kind_of(type, target);
		info->target_element = get_element_type(type);
		if (type_is_enum(type))
			info->target_enum = format_type_be_qualified(type);
	}
	relation_close(rel, AccessShareLock);
}

void
lstm_source_order(LstmSourceInfo *info, const char *column)
{
	Relation	rel = open_source(info->relid);

	(void) column_type(rel, column);
	info->order_by = pstrdup(column);
	relation_close(rel, AccessShareLock);
}

/* The column of a primary key of one column, NULL if there is none. */
static const char *
primary_key(Relation rel)
{
	Oid			constraint;
	Bitmapset  *columns = get_primary_key_attnos(RelationGetRelid(rel), false, &constraint);
	int			number;

	if (!bms_get_singleton_member(columns, &number))
		return NULL;
	return NameStr(TupleDescAttr(RelationGetDescr(rel), number + FirstLowInvalidHeapAttributeNumber - 1)->attname);
}

void
lstm_source_key_if_any(LstmSourceInfo *info, const char *column)
{
	Relation	rel = open_source(info->relid);

	if (column != NULL)
		(void) column_type(rel, column);
	else
		column = primary_key(rel);
	info->key = column != NULL ? pstrdup(column) : NULL;
	relation_close(rel, AccessShareLock);
}

void
lstm_source_key(LstmSourceInfo *info, const char *column)
{
	lstm_source_key_if_any(info, column);
	if (info->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation %s has no primary key of one column", info->relation),
				 errhint("Name a column that tells its rows apart with key => '...'.")));
}

/* Is that the name of a column, letter by letter? */
static bool
is_column(Oid relid, const char *name)
{
	Relation	rel = open_source(relid);
	TupleDesc	desc = RelationGetDescr(rel);
	bool		found = false;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		found |= !attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0;
	}
	relation_close(rel, AccessShareLock);
	return found;
}

void
lstm_source_flag(LstmSourceInfo *info, int n, const char *condition, const char *argument)
{
	if (is_column(info->relid, condition))
		info->flag[n] = quote_identifier(condition);
	else
	{
		lstm_check_condition(condition, argument);
		info->flag[n] = pstrdup(condition);
	}
}

/* ---- the query ------------------------------------------------------------ */

/*
 * Texts of all kinds come as text; arrays come as they are, but char(n)[] without
 * its blanks.  A cast keeps a TOAST pointer unless the type really has to be
 * converted.
 *
 * A cast of a type that a user made could be a function of that user's, and run
 * with the rights of who trains: who may read a table has not asked for that.
 * Types of texts, numbers and booleans, looked for below domains, are nobody's
 * to make casts for.  An enum, an array of a domain, is: no such cast is used.
 */
static void
append_text(StringInfo sql, const char *column)
{
	appendStringInfo(sql, "%s::pg_catalog.text", quote_identifier(column));
}

static void
append_array(StringInfo sql, const char *column, Oid element)
{
	appendStringInfo(sql, "%s%s", quote_identifier(column), element == BPCHAROID ? "::pg_catalog.text[]" : "");
}

static void
append_target(StringInfo sql, const LstmSourceInfo *info, LstmReadAs read_as)
{
	if (read_as == LSTM_READ_NUMBER)
		appendStringInfo(sql, "%s::pg_catalog.float8", quote_identifier(info->target));
	else if (info->target_enum != NULL)
		appendStringInfo(sql, "pg_catalog.textin(pg_catalog.enum_out(%s::%s))", quote_identifier(info->target),
						 info->target_enum);
	else if (read_as == LSTM_READ_LABELS ||
			 (read_as == LSTM_READ_VALUE &&
			  (info->target_kind == LSTM_TARGET_WORDS || info->target_kind == LSTM_TARGET_NUMBERS)))
		append_array(sql, info->target, info->target_element);
	else
		append_text(sql, info->target);
}

static char *
source_query(const LstmSourceInfo *info, const char *condition, LstmReadAs read_as)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT ");
	if (info->input_kind == NN_VALUE_TEXT)
		append_text(&sql, info->input);
	else
		append_array(&sql, info->input, info->input_element);
	if (read_as != LSTM_READ_NOTHING)
	{
		appendStringInfoString(&sql, ", ");
		append_target(&sql, info, read_as);
	}
	/* as it is: its type's own output makes a text of it, and no cast that somebody made */
	if (info->key != NULL)
		appendStringInfo(&sql, ", %s", quote_identifier(info->key));
	/* CASE takes nothing but a boolean, and no function that returns a set; the line end closes a comment. */
	for (int i = 0; i < LSTM_MAX_FLAGS && info->flag[i] != NULL; i++)
		appendStringInfo(&sql, ", CASE WHEN (%s\n) THEN true ELSE false END", info->flag[i]);
	appendStringInfo(&sql, " FROM %s", info->relation);
	/* The line end closes a comment at the end of the condition. */
	if (condition != NULL && condition[0] != '\0')
		appendStringInfo(&sql, " WHERE (%s\n)", condition);
	/* Qualified: the relation's column, not one of the result that is named like it. */
	if (info->order_by != NULL)
		appendStringInfo(&sql, " ORDER BY %s.%s", info->relation, quote_identifier(info->order_by));
	return sql.data;
}

LstmSource *
lstm_source_open(const LstmSourceInfo *info, const char *condition, LstmReadAs read_as)
{
	LstmSource *source = palloc0(sizeof(LstmSource));
	SPIPlanPtr	plan;
	char	   *sql;

	source->input_kind = info->input_kind;
	source->target_kind = info->target_kind;
	source->has_key = info->key != NULL;
	while (source->n_flags < LSTM_MAX_FLAGS && info->flag[source->n_flags] != NULL)
		source->n_flags++;
	source->read_as = read_as;
	source->position.relation = info->relation;
	source->n_fetch = FIRST_FETCH_ROWS;
	source->row_context = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm rows", ALLOCSET_DEFAULT_SIZES);
	sql = source_query(info, condition, read_as);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	plan = SPI_prepare_cursor(sql, 0, NULL, CURSOR_OPT_NO_SCROLL);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare_cursor failed: %s", SPI_result_code_string(SPI_result));
	source->has_row_security = lstm_plan_has_row_security(plan);
	source->portal = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	return source;
}

void
lstm_source_close(LstmSource *source)
{
	SPI_cursor_close(source->portal);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	MemoryContextDelete(source->row_context);
	pfree(source);
}

int64
lstm_source_n_skipped(const LstmSource *source)
{
	return source->n_skipped;
}

bool
lstm_source_has_row_security(const LstmSource *source)
{
	return source->has_row_security;
}

/* ---- rows ----------------------------------------------------------------- */

/* So many rows next time that they take about FETCH_BYTES, going by the largest of this time. */
static long
next_fetch(const SPITupleTable *tuples, uint64 n_tuples)
{
	uint64		largest = 1;

	for (uint64 i = 0; i < n_tuples; i++)
		largest = Max(largest, tuples->vals[i]->t_len);
	return (long) Min(MAX_FETCH_ROWS, Max(1, FETCH_BYTES / largest));
}

static bool
fetch(LstmSource *source)
{
	MemoryContext old = CurrentMemoryContext;

	if (source->tuples != NULL)
		SPI_freetuptable(source->tuples);
	source->tuples = NULL;
	SPI_cursor_fetch(source->portal, true, source->n_fetch);
	MemoryContextSwitchTo(old);
	source->n_tuples = SPI_processed;
	source->next = 0;
	if (SPI_processed == 0)
		return false;
	source->tuples = SPI_tuptable;
	source->n_fetch = next_fetch(source->tuples, source->n_tuples);
	return true;
}

static void
read_target(LstmSource *source, Datum datum, LstmRow *row)
{
	text	   *label;

	switch (source->read_as)
	{
		case LSTM_READ_NOTHING:
			break;
		case LSTM_READ_NUMBER:
			row->number = DatumGetFloat8(datum);
			break;
		case LSTM_READ_LABEL:
			label = DatumGetTextPP(datum);
			row->label_bytes = VARSIZE_ANY_EXHDR(label);
			row->label = lstm_to_utf8(VARDATA_ANY(label), &row->label_bytes);
			break;
		case LSTM_READ_LABELS:
			lstm_value_from_array(DatumGetArrayTypeP(datum), "label", &row->target);
			break;
		case LSTM_READ_VALUE:
			if (source->target_kind == LSTM_TARGET_WORDS || source->target_kind == LSTM_TARGET_NUMBERS)
				lstm_value_from_array(DatumGetArrayTypeP(datum), "target", &row->target);
			else
				lstm_value_from_text(datum, &row->target);
			break;
	}
}

void
lstm_source_error_context(void *arg)
{
	const LstmPosition *position = arg;

	if (position->row > 0)
		errcontext("row " INT64_FORMAT " read from %s", position->row, position->relation);
}

/* False if the row has a NULL. */
static bool
read_row(LstmSource *source, HeapTuple tuple, LstmRow *row)
{
	TupleDesc	desc = source->tuples->tupdesc;
	bool		input_is_null;
	bool		target_is_null = false;
	bool		flag_is_null;
	int			column = 1;		/* counted apart from heap_getattr(), a macro before 15 */
	Datum		input = heap_getattr(tuple, column, desc, &input_is_null);
	Datum		target = (Datum) 0;

	if (source->read_as != LSTM_READ_NOTHING)
	{
		column++;
		target = heap_getattr(tuple, column, desc, &target_is_null);
	}
	source->position.row = ++source->n_fetched;
	if (input_is_null || target_is_null)
		return false;
	memset(row, 0, sizeof(*row));
	row->position = source->position.row;
	if (source->input_kind == NN_VALUE_TEXT)
		lstm_value_from_text(input, &row->input);
	else
		lstm_value_from_array(DatumGetArrayTypeP(input), "input", &row->input);
	read_target(source, target, row);
	if (source->has_key)
		row->key = SPI_getvalue(tuple, desc, ++column);
	for (int i = 0; i < source->n_flags; i++)
		row->flag[i] = DatumGetBool(heap_getattr(tuple, column + 1 + i, desc, &flag_is_null));
	return true;
}

static size_t
value_bytes(const NnValue *value)
{
	return value->n_bytes + sizeof(Datum) * (size_t) value->n_words +
		sizeof(float) * (size_t) value->n_steps * (size_t) value->n_channels;
}

/* Convert what is left of the fetch, up to max_rows rows and about READ_BYTES. */
static int
read_fetched(LstmSource *source, LstmRow *rows, int max_rows)
{
	ErrorContextCallback callback = {error_context_stack, lstm_source_error_context, &source->position};
	size_t		n_bytes = 0;
	int			n = 0;

	error_context_stack = &callback;
	while (source->next < source->n_tuples && n < max_rows && n_bytes < READ_BYTES)
	{
		CHECK_FOR_INTERRUPTS();
		if (read_row(source, source->tuples->vals[source->next++], &rows[n]))
		{
			n_bytes += value_bytes(&rows[n].input) + value_bytes(&rows[n].target);
			n++;
		}
		else
			source->n_skipped++;
	}
	error_context_stack = callback.previous;
	return n;
}

int
lstm_source_read(LstmSource *source, LstmRow *rows, int max_rows)
{
	MemoryContext old = MemoryContextSwitchTo(source->row_context);
	int			n = 0;

	MemoryContextReset(source->row_context);
	/* Rows handed out point into the fetch's tuples: one call never spans two fetches that gave rows. */
	while (n == 0)
	{
		if ((source->tuples == NULL || source->next == source->n_tuples) && !fetch(source))
			break;
		n = read_fetched(source, rows, max_rows);
	}
	MemoryContextSwitchTo(old);
	return n;
}

int64
lstm_source_count(const char *query)
{
	bool		is_null;
	int64		n;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	if (SPI_execute(query, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "rows could not be counted");
	n = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
	SPI_finish();
	return n;
}
