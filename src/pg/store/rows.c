/*
 * store/rows.c: rows of lstm_model, lstm_version and lstm_epoch as structs.
 */
#include "glue/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "store/catalog.h"
#include "store/rows.h"

/* ---- snapshots --------------------------------------------------------------------- */

LstmReadSnapshot
lstm_snapshot_begin(void)
{
	LstmReadSnapshot read;

	read.is_registered = !ActiveSnapshotSet();
	if (read.is_registered)
		read.snapshot = RegisterSnapshot(GetTransactionSnapshot());
	else
		read.snapshot = GetActiveSnapshot();
	return read;
}

LstmReadSnapshot
lstm_snapshot_latest(void)
{
	LstmReadSnapshot read;

	read.snapshot = RegisterSnapshot(GetLatestSnapshot());
	read.is_registered = true;
	return read;
}

void
lstm_snapshot_end(LstmReadSnapshot *read)
{
	if (read->is_registered)
		UnregisterSnapshot(read->snapshot);
}

/* ---- columns ------------------------------------------------------------------------ */

typedef struct Column
{
	AttrNumber	number;
	Oid			type;
} Column;

static const Column model_columns[] = {
	{Anum_lstm_model_id, UUIDOID},
	{Anum_lstm_model_name, TEXTOID},
	{Anum_lstm_model_owner_name, NAMEOID},
	{Anum_lstm_model_task, TEXTOID},
	{Anum_lstm_model_live, INT4OID},
};

static const Column version_columns[] = {
	{Anum_lstm_version_model, UUIDOID},
	{Anum_lstm_version_version, INT4OID},
	{Anum_lstm_version_digest, TEXTOID},
	{Anum_lstm_version_facts, JSONBOID},
	{Anum_lstm_version_options, JSONBOID},
	{Anum_lstm_version_weights, BYTEAOID},
};

static const Column epoch_columns[] = {
	{Anum_lstm_epoch_model, UUIDOID},
	{Anum_lstm_epoch_version, INT4OID},
	{Anum_lstm_epoch_epoch, INT4OID},
	{Anum_lstm_epoch_share_clipped, FLOAT8OID},
	{Anum_lstm_epoch_gradient, FLOAT4ARRAYOID},
};

static void
check_columns(Relation rel, const Column *columns, int n)
{
	TupleDesc	desc = RelationGetDescr(rel);

	for (int i = 0; i < n; i++)
	{
		if (desc->natts < columns[i].number ||
			TupleDescAttr(desc, columns[i].number - 1)->attisdropped ||
			TupleDescAttr(desc, columns[i].number - 1)->atttypid != columns[i].type)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("table \"%s\" of extension pg_lstm was altered", RelationGetRelationName(rel)),
					 errdetail("Its column number %d should have type %s.", columns[i].number,
							   format_type_be(columns[i].type)),
					 errhint("Make it what the extension's script makes it.")));
	}
}

void
lstm_rows_check(Relation rel)
{
	const LstmCatalog *catalog = lstm_catalog();
	Oid			relid = RelationGetRelid(rel);

	if (relid == catalog->model)
		check_columns(rel, model_columns, lengthof(model_columns));
	else if (relid == catalog->version)
		check_columns(rel, version_columns, lengthof(version_columns));
	else if (relid == catalog->epoch)
		check_columns(rel, epoch_columns, lengthof(epoch_columns));
}

static Relation
open_table(Oid relid)
{
	Relation	rel = table_open(relid, AccessShareLock);

	lstm_rows_check(rel);
	return rel;
}

/* A value of a column that is NOT NULL, or was. */
static Datum
get_value(HeapTuple tuple, TupleDesc desc, AttrNumber number)
{
	bool		is_null;
	Datum		value = heap_getattr(tuple, number, desc, &is_null);

	if (is_null)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("column \"%s\" of a table of extension pg_lstm is null",
						NameStr(TupleDescAttr(desc, number - 1)->attname))));
	return value;
}

static void
get_text(HeapTuple tuple, TupleDesc desc, AttrNumber number, char *out, size_t n_out)
{
	strlcpy(out, TextDatumGetCString(get_value(tuple, desc, number)), n_out);
}

/* ---- models -------------------------------------------------------------------------- */

void
lstm_rows_model(HeapTuple tuple, TupleDesc desc, LstmModelRow *row)
{
	bool		is_null;
	Datum		live = heap_getattr(tuple, Anum_lstm_model_live, desc, &is_null);

	memset(row, 0, sizeof(*row));
	row->live = is_null ? 0 : DatumGetInt32(live);
	row->id = *DatumGetUUIDP(get_value(tuple, desc, Anum_lstm_model_id));
	get_text(tuple, desc, Anum_lstm_model_name, row->name, sizeof(row->name));
	get_text(tuple, desc, Anum_lstm_model_task, row->task, sizeof(row->task));
	strlcpy(row->owner_name, NameStr(*DatumGetName(get_value(tuple, desc, Anum_lstm_model_owner_name))),
			sizeof(row->owner_name));
}

/* The first row that a scan of lstm_model by one key finds. */
static bool
scan_model(Oid index, ScanKey key, LstmModelRow *row)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = open_table(lstm_catalog()->model);
	SysScanDesc scan = systable_beginscan(rel, index, true, read.snapshot, 1, key);
	HeapTuple	tuple = systable_getnext(scan);
	bool		is_found = HeapTupleIsValid(tuple);

	if (is_found)
		lstm_rows_model(tuple, RelationGetDescr(rel), row);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return is_found;
}

bool
lstm_rows_model_by_name(const char *name, LstmModelRow *row)
{
	ScanKeyData key;

	/* The column's collation is "C", and so is that of this key. */
	ScanKeyInit(&key, Anum_lstm_model_name, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	return scan_model(lstm_catalog()->model_name, &key, row);
}

bool
lstm_rows_model_by_id(const pg_uuid_t *id, LstmModelRow *row)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_lstm_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(id));
	return scan_model(lstm_catalog()->model_pkey, &key, row);
}

void
lstm_rows_begin_models(LstmModelScan *scan, LstmReadSnapshot read)
{
	scan->read = read;
	scan->rel = open_table(lstm_catalog()->model);
	scan->scan = systable_beginscan(scan->rel, InvalidOid, false, read.snapshot, 0, NULL);
}

bool
lstm_rows_next_model(LstmModelScan *scan, LstmModelRow *row)
{
	HeapTuple	tuple = systable_getnext(scan->scan);

	CHECK_FOR_INTERRUPTS();
	if (HeapTupleIsValid(tuple))
		lstm_rows_model(tuple, RelationGetDescr(scan->rel), row);
	return HeapTupleIsValid(tuple);
}

void
lstm_rows_end_models(LstmModelScan *scan)
{
	systable_endscan(scan->scan);
	table_close(scan->rel, AccessShareLock);
	lstm_snapshot_end(&scan->read);
}

/* ---- versions ------------------------------------------------------------------------- */

bool
lstm_rows_version(LstmRef *ref, int version, bytea **weights, Jsonb **options, Jsonb **facts)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = open_table(lstm_catalog()->version);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&keys[0], Anum_lstm_version_model, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&ref->model));
	ScanKeyInit(&keys[1], Anum_lstm_version_version, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(version));
	scan = systable_beginscan(rel, lstm_catalog()->version_pkey, true, read.snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		ref->version = version;
		get_text(tuple, desc, Anum_lstm_version_digest, ref->key, sizeof(ref->key));
		if (weights != NULL)
			*weights = DatumGetByteaPCopy(get_value(tuple, desc, Anum_lstm_version_weights));
		if (options != NULL)
			*options = DatumGetJsonbPCopy(get_value(tuple, desc, Anum_lstm_version_options));
		if (facts != NULL)
			*facts = DatumGetJsonbPCopy(get_value(tuple, desc, Anum_lstm_version_facts));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return HeapTupleIsValid(tuple);
}

struct varlena *
lstm_rows_version_column(const LstmRef *ref, const char *name, Oid type)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = open_table(lstm_catalog()->version);
	TupleDesc	desc = RelationGetDescr(rel);
	AttrNumber	column = get_attnum(RelationGetRelid(rel), name);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	struct varlena *copy = NULL;

	ScanKeyInit(&keys[0], Anum_lstm_version_model, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&ref->model));
	ScanKeyInit(&keys[1], Anum_lstm_version_version, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(ref->version));
	scan = systable_beginscan(rel, lstm_catalog()->version_pkey, true, read.snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple) && column > 0 && TupleDescAttr(desc, column - 1)->atttypid == type)
	{
		bool		is_null;
		Datum		value = heap_getattr(tuple, column, desc, &is_null);

		if (!is_null)
			copy = pg_detoast_datum_copy((struct varlena *) DatumGetPointer(value));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return copy;
}

bool
lstm_rows_with_digest(const char *digest, bool (*found) (const pg_uuid_t *model, int version, void *arg), void *arg)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = open_table(lstm_catalog()->version);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_found = false;

	ScanKeyInit(&key, Anum_lstm_version_digest, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(digest));
	scan = systable_beginscan(rel, lstm_catalog()->version_digest, true, read.snapshot, 1, &key);
	while (!is_found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		is_found = found(DatumGetUUIDP(get_value(tuple, desc, Anum_lstm_version_model)),
						 DatumGetInt32(get_value(tuple, desc, Anum_lstm_version_version)), arg);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return is_found;
}

/* ---- epochs --------------------------------------------------------------------------- */

static void
read_epoch(HeapTuple tuple, TupleDesc desc, LstmEpochRow *row)
{
	bool		is_null;
	Datum		value;
	ArrayType  *gradient;

	memset(row, 0, sizeof(*row));
	row->epoch = DatumGetInt32(get_value(tuple, desc, Anum_lstm_epoch_epoch));
	value = heap_getattr(tuple, Anum_lstm_epoch_share_clipped, desc, &is_null);
	row->share_clipped = is_null ? get_float8_nan() : DatumGetFloat8(value);
	value = heap_getattr(tuple, Anum_lstm_epoch_gradient, desc, &is_null);
	if (is_null)
		return;
	gradient = DatumGetArrayTypePCopy(value);
	/* The table may have been restored from anything. */
	if (ARR_NDIM(gradient) != 1 || ARR_HASNULL(gradient))
		return;
	row->n_distances = ARR_DIMS(gradient)[0];
	row->gradient = (const float *) ARR_DATA_PTR(gradient);
}

int
lstm_read_epochs(const LstmRef *ref, LstmEpochRow **epochs)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = open_table(lstm_catalog()->epoch);
	int			capacity = 16;
	int			n = 0;
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;

	*epochs = palloc(sizeof(LstmEpochRow) * capacity);
	ScanKeyInit(&keys[0], Anum_lstm_epoch_model, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&ref->model));
	ScanKeyInit(&keys[1], Anum_lstm_epoch_version, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(ref->version));
	scan = systable_beginscan(rel, lstm_catalog()->epoch_pkey, true, read.snapshot, 2, keys);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		if (n == capacity)
			*epochs = repalloc(*epochs, sizeof(LstmEpochRow) * (capacity *= 2));
		read_epoch(tuple, RelationGetDescr(rel), &(*epochs)[n++]);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return n;
}
