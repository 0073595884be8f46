/*
 * store/registry.c: models and versions by name, number or digest, and who may
 * use them.
 *
 * lstm_predict comes here for every row of a query, so the last answers are
 * remembered.  A remembered answer holds for the same user, in the same
 * transaction, under a snapshot that sees the same rows, and until an
 * invalidation (rollback to a savepoint takes a row back without changing the
 * snapshot, but it sends one).  So a deploy is seen by other sessions in their
 * first statement after its commit, by its own transaction at once, and not at
 * all under a snapshot that was taken before.
 */
#include "glue/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/jsonb.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "model/options.h"

#include "store/catalog.h"
#include "store/registry.h"
#include "store/shipped.h"

/* A snapshot of ours, if the caller has none (some utility commands). */
typedef struct ReadSnapshot
{
	Snapshot	snapshot;
	bool		is_registered;
} ReadSnapshot;

static ReadSnapshot
snapshot_begin(void)
{
	ReadSnapshot read;

	read.is_registered = !ActiveSnapshotSet();
	if (read.is_registered)
		read.snapshot = RegisterSnapshot(GetTransactionSnapshot());
	else
		read.snapshot = GetActiveSnapshot();
	return read;
}

static void
snapshot_end(ReadSnapshot *read)
{
	if (read->is_registered)
		UnregisterSnapshot(read->snapshot);
}

/* What a remembered answer depends on beside its name. */
typedef struct Sight
{
	uint64		generation;
	LocalTransactionId transaction;
	Oid			user;
	TransactionId xmin;
	TransactionId xmax;
	uint32		n_running;
	int32		n_running_sub;
	CommandId	command;
} Sight;

static Sight
current_sight(void)
{
	ReadSnapshot read = snapshot_begin();
	Sight		sight;

	memset(&sight, 0, sizeof(sight));	/* compared with memcmp */
	sight.generation = lstm_catalog_generation();
	sight.transaction = lstm_local_xid();
	sight.user = GetUserId();
	sight.xmin = read.snapshot->xmin;
	sight.xmax = read.snapshot->xmax;
	sight.n_running = read.snapshot->xcnt;
	sight.n_running_sub = read.snapshot->subxcnt;
	sight.command = read.snapshot->curcid;
	snapshot_end(&read);
	return sight;
}

/* More models in one query than this are looked up anew for each row. */
#define N_REMEMBERED 16

typedef struct Remembered
{
	bool		is_used;
	bool		is_digest;		/* asked by digest, not by name */
	char		asked[LSTM_MAX_NAME + 1];
	Sight		sight;
	LstmRef		ref;
} Remembered;

static Remembered remembered[N_REMEMBERED];
static int	next_remembered = 0;

static const LstmRef *
recall(const char *asked, size_t n_bytes, bool is_digest, const Sight *sight)
{
	for (int i = 0; i < N_REMEMBERED; i++)
	{
		const Remembered *r = &remembered[i];

		if (r->is_used && r->is_digest == is_digest &&
			strncmp(r->asked, asked, n_bytes) == 0 && r->asked[n_bytes] == '\0' &&
			memcmp(&r->sight, sight, sizeof(*sight)) == 0)
			return &r->ref;
	}
	return NULL;
}

/* asked has been found, so it is not longer than names are. */
static const LstmRef *
remember(const LstmRef *ref, const char *asked, bool is_digest, const Sight *sight)
{
	Remembered *r = &remembered[next_remembered];

	next_remembered = (next_remembered + 1) % N_REMEMBERED;
	r->is_used = true;
	r->is_digest = is_digest;
	strlcpy(r->asked, asked, sizeof(r->asked));
	r->sight = *sight;
	r->ref = *ref;
	return &r->ref;
}

static void
read_model(HeapTuple tuple, TupleDesc desc, LstmModelRow *row)
{
	bool		is_null;
	Datum		value;

	value = heap_getattr(tuple, Anum_lstm_model_id, desc, &is_null);
	row->id = *DatumGetUUIDP(value);
	value = heap_getattr(tuple, Anum_lstm_model_name, desc, &is_null);
	strlcpy(row->name, TextDatumGetCString(value), sizeof(row->name));
	value = heap_getattr(tuple, Anum_lstm_model_owner, desc, &is_null);
	row->owner = DatumGetObjectId(value);
	value = heap_getattr(tuple, Anum_lstm_model_task, desc, &is_null);
	strlcpy(row->task, TextDatumGetCString(value), sizeof(row->task));
	value = heap_getattr(tuple, Anum_lstm_model_live, desc, &is_null);
	row->live = is_null ? 0 : DatumGetInt32(value);
}

/* The first row that a scan of lstm_model by one key finds. */
static bool
scan_model(Oid index, ScanKey key, LstmModelRow *row)
{
	ReadSnapshot read = snapshot_begin();
	Relation	rel = table_open(lstm_catalog()->model, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, index, true, read.snapshot, 1, key);
	HeapTuple	tuple = systable_getnext(scan);
	bool		is_found = HeapTupleIsValid(tuple);

	if (is_found)
		read_model(tuple, RelationGetDescr(rel), row);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	snapshot_end(&read);
	return is_found;
}

bool
lstm_find_model(const char *name, LstmModelRow *row)
{
	ScanKeyData key;

	/* The column's collation is "C", and so is that of this key. */
	ScanKeyInit(&key, Anum_lstm_model_name, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(name));
	return scan_model(lstm_catalog()->model_name, &key, row);
}

static bool
find_model_by_id(const pg_uuid_t *id, LstmModelRow *row)
{
	ScanKeyData key;

	ScanKeyInit(&key, Anum_lstm_model_id, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(id));
	return scan_model(lstm_catalog()->model_pkey, &key, row);
}

bool
lstm_may_use(const LstmModelRow *row)
{
	return has_privs_of_role(GetUserId(), row->owner);
}

/* The name nearest to one that was not found, among those that the caller may see. */
static const char *
nearest_model(const char *name)
{
	ReadSnapshot read = snapshot_begin();
	Relation	rel = table_open(lstm_catalog()->model, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, read.snapshot, 0, NULL);
	const char **names = palloc(sizeof(char *));
	int			n = 0;
	HeapTuple	tuple;

	names[n++] = LSTM_SHIPPED_MODEL;
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		LstmModelRow row;

		CHECK_FOR_INTERRUPTS();
		read_model(tuple, RelationGetDescr(rel), &row);
		if (!lstm_may_use(&row))
			continue;
		if ((n & (n - 1)) == 0)
			names = repalloc(names, sizeof(char *) * n * 2);
		names[n++] = pstrdup(row.name);
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	snapshot_end(&read);
	return nn_nearest(name, names, n);
}

static void
throw_no_model(const char *name)
{
	const char *nearest = nearest_model(name);

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("model \"%s\" does not exist", name),
			 nearest != NULL ?
			 errhint("Perhaps you meant \"%s\".", nearest) :
			 errhint("The view lstm_models lists the models that you may use; lstm_train makes one.")));
}

static void
throw_no_right(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", name),
			 errhint("A model may be used by its owner and by members of the role that owns it.")));
}

void
lstm_need_model(const char *name, LstmModelRow *row)
{
	if (!lstm_find_model(name, row))
		throw_no_model(name);
	if (!lstm_may_use(row))
		throw_no_right(name);
}

void
lstm_need_own_model(const char *name, LstmModelRow *row)
{
	if (strcmp(name, LSTM_SHIPPED_MODEL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("model \"%s\" came with the extension and cannot be changed", name),
				 errhint("Train or import a model of another name.")));
	if (!lstm_find_model(name, row))
		throw_no_model(name);
	if (!has_privs_of_role(GetUserId(), row->owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of model \"%s\"", name),
				 errhint("Give another name for a model of your own.")));
}

void
lstm_check_new_name(const char *name)
{
	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("the name of a model must not be empty")));
	if (strlen(name) > LSTM_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("the name of a model must not be longer than %d bytes", LSTM_MAX_NAME),
				 errdetail("The name given has %zu bytes.", strlen(name))));
	if (strcmp(name, LSTM_SHIPPED_MODEL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("model name \"%s\" is reserved", name),
				 errdetail("It is the model that came with the extension."),
				 errhint("Choose another name; a model named sentiment is what sentiment() uses.")));
}

/*
 * Fill ref's version and key, and *weights, *options and *facts unless they are NULL,
 * from the row of lstm_version that has ref's model and the given number.
 */
static bool
read_version(LstmRef *ref, int version, bytea **weights, Jsonb **options, Jsonb **facts)
{
	ReadSnapshot read = snapshot_begin();
	Relation	rel = table_open(lstm_catalog()->version, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_null;

	ScanKeyInit(&keys[0], Anum_lstm_version_model, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&ref->model));
	ScanKeyInit(&keys[1], Anum_lstm_version_version, BTEqualStrategyNumber, F_INT4EQ,
				Int32GetDatum(version));
	scan = systable_beginscan(rel, lstm_catalog()->version_pkey, true, read.snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		TupleDesc	desc = RelationGetDescr(rel);
		Datum		digest = heap_getattr(tuple, Anum_lstm_version_digest, desc, &is_null);

		ref->version = version;
		strlcpy(ref->key, TextDatumGetCString(digest), sizeof(ref->key));
		if (weights != NULL)
			*weights = DatumGetByteaPCopy(heap_getattr(tuple, Anum_lstm_version_weights, desc, &is_null));
		if (options != NULL)
			*options = DatumGetJsonbPCopy(heap_getattr(tuple, Anum_lstm_version_options, desc, &is_null));
		if (facts != NULL)
			*facts = DatumGetJsonbPCopy(heap_getattr(tuple, Anum_lstm_version_facts, desc, &is_null));
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	snapshot_end(&read);
	return HeapTupleIsValid(tuple);
}

static void
shipped_ref(LstmRef *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->is_shipped = true;
	ref->version = 1;
	strlcpy(ref->name, LSTM_SHIPPED_MODEL, sizeof(ref->name));
	lstm_shipped_key(ref->key, sizeof(ref->key));
}

static void
init_ref(const LstmModelRow *row, LstmRef *ref)
{
	memset(ref, 0, sizeof(*ref));
	ref->model = row->id;
	strlcpy(ref->name, row->name, sizeof(ref->name));
}

static void
model_ref(const LstmModelRow *row, int version, LstmRef *ref)
{
	init_ref(row, ref);
	if (version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no live version", row->name),
				 errhint("Choose one with lstm_deploy.")));
	if (!read_version(ref, version, NULL, NULL, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version %d", row->name, version),
				 errhint("The view lstm_versions lists them.")));
}

const LstmRef *
lstm_live_version_or_null(const char *name, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(name, n_bytes, false, &sight);
	char	   *asked;
	LstmModelRow row;
	LstmRef		ref;

	if (likely(known != NULL && known->version != 0))
		return known;

	asked = pnstrdup(name, n_bytes);
	if (strcmp(asked, LSTM_SHIPPED_MODEL) == 0)
		shipped_ref(&ref);
	else
	{
		if (!lstm_find_model(asked, &row) || !lstm_may_use(&row) || row.live == 0)
			return NULL;
		init_ref(&row, &ref);
		if (!read_version(&ref, row.live, NULL, NULL, NULL))
			return NULL;
	}
	known = remember(&ref, asked, false, &sight);
	pfree(asked);
	return known;
}

const LstmRef *
lstm_live_version(const char *name, size_t n_bytes)
{
	const LstmRef *known = lstm_live_version_or_null(name, n_bytes);
	char	   *asked;
	LstmModelRow row;
	LstmRef		ref;

	if (likely(known != NULL))
		return known;

	/* one of these says why not */
	asked = pnstrdup(name, n_bytes);
	lstm_need_model(asked, &row);
	model_ref(&row, row.live, &ref);
	elog(ERROR, "model \"%s\" was found at second sight only", asked);
}

const LstmRef *
lstm_live_version_if_any(const char *name)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(name, strlen(name), false, &sight);
	LstmModelRow row;
	LstmRef		ref;

	if (likely(known != NULL))
		return known->version == 0 ? NULL : known;

	memset(&ref, 0, sizeof(ref));
	strlcpy(ref.name, name, sizeof(ref.name));
	/* A superuser may use any model, but should not find another user's in place of the shipped one. */
	if (lstm_find_model(name, &row) && is_member_of_role_nosuper(GetUserId(), row.owner) && row.live != 0)
		model_ref(&row, row.live, &ref);
	/* That there is none (version 0) is remembered too. */
	known = remember(&ref, name, false, &sight);
	return known->version == 0 ? NULL : known;
}

void
lstm_numbered_version(const char *name, int version, LstmRef *ref)
{
	LstmModelRow row;

	if (strcmp(name, LSTM_SHIPPED_MODEL) == 0 && version == 1)
	{
		shipped_ref(ref);
		return;
	}
	lstm_need_model(name, &row);
	model_ref(&row, version == 0 ? -1 : version, ref);
}

/* The first row of lstm_version with the digest whose model the caller may use. */
static bool
find_digest(const char *digest, LstmRef *ref, bool *is_forbidden)
{
	ReadSnapshot read = snapshot_begin();
	Relation	rel = table_open(lstm_catalog()->version, AccessShareLock);
	TupleDesc	desc = RelationGetDescr(rel);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		is_found = false;

	*is_forbidden = false;
	ScanKeyInit(&key, Anum_lstm_version_digest, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(digest));
	scan = systable_beginscan(rel, lstm_catalog()->version_digest, true, read.snapshot, 1, &key);
	while (!is_found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		is_null;
		Datum		id = heap_getattr(tuple, Anum_lstm_version_model, desc, &is_null);
		Datum		version = heap_getattr(tuple, Anum_lstm_version_version, desc, &is_null);
		LstmModelRow row;

		if (!find_model_by_id(DatumGetUUIDP(id), &row))
			continue;
		if (!lstm_may_use(&row))
		{
			*is_forbidden = true;
			continue;
		}
		memset(ref, 0, sizeof(*ref));
		ref->model = row.id;
		ref->version = DatumGetInt32(version);
		strlcpy(ref->name, row.name, sizeof(ref->name));
		strlcpy(ref->key, digest, sizeof(ref->key));
		is_found = true;
	}
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	snapshot_end(&read);
	return is_found;
}

const LstmRef *
lstm_pinned_version(const char *digest, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(digest, n_bytes, true, &sight);
	char	   *asked;
	LstmRef		ref;
	bool		is_forbidden;

	if (likely(known != NULL))
		return known;

	asked = pnstrdup(digest, n_bytes);
	if (n_bytes != LSTM_DIGEST_CHARS || strspn(asked, "0123456789abcdef") != LSTM_DIGEST_CHARS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is not the digest of a version", pnstrdup(asked, 80)),
				 errdetail("A digest is the SHA-256 of a weights file: %d characters 0-9 and a-f.", LSTM_DIGEST_CHARS),
				 errhint("The view lstm_versions lists them.")));
	if (!find_digest(asked, &ref, &is_forbidden))
	{
		if (is_forbidden)
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied for the version with digest \"%s\"", asked),
					 errhint("A model may be used by its owner and by members of the role that owns it.")));
		if (!lstm_shipped_has_digest(asked))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("no version has the digest \"%s\"", asked),
					 errhint("The view lstm_versions lists them; lstm_import brings one from another database.")));
		shipped_ref(&ref);
	}
	known = remember(&ref, asked, true, &sight);
	pfree(asked);
	return known;
}

const LstmRef *
lstm_pinned_version_or_null(const char *digest, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(digest, n_bytes, true, &sight);
	char	   *asked;
	LstmRef		ref;
	bool		is_forbidden;

	if (likely(known != NULL))
		return known;

	asked = pnstrdup(digest, n_bytes);
	if (n_bytes != LSTM_DIGEST_CHARS || !find_digest(asked, &ref, &is_forbidden))
		return NULL;
	known = remember(&ref, asked, true, &sight);
	pfree(asked);
	return known;
}

bytea *
lstm_read_weights(const LstmRef *ref)
{
	LstmRef		found = *ref;
	bytea	   *weights;

	if (ref->is_shipped)
		return lstm_shipped_read();
	if (!read_version(&found, ref->version, &weights, NULL, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("version %d of model \"%s\" was dropped", ref->version, ref->name)));
	return weights;
}

char *
lstm_version_option(const LstmRef *ref, const char *name)
{
	LstmRef		found = *ref;
	Jsonb	   *options;
	JsonbValue *value;

	if (ref->is_shipped || !read_version(&found, ref->version, NULL, &options, NULL) || !JB_ROOT_IS_OBJECT(options))
		return NULL;
	value = getKeyJsonValueFromContainer(&options->root, name, strlen(name), NULL);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

Jsonb *
lstm_version_facts(const LstmRef *ref)
{
	LstmRef		found = *ref;
	Jsonb	   *facts;

	if (ref->is_shipped || !read_version(&found, ref->version, NULL, NULL, &facts) || !JB_ROOT_IS_OBJECT(facts))
		return NULL;
	return facts;
}

static void
read_epoch(HeapTuple tuple, TupleDesc desc, LstmEpochRow *row)
{
	bool		is_null;
	Datum		value;
	ArrayType  *gradient;

	memset(row, 0, sizeof(*row));
	row->epoch = DatumGetInt32(heap_getattr(tuple, Anum_lstm_epoch_epoch, desc, &is_null));
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
	ReadSnapshot read = snapshot_begin();
	Relation	rel = table_open(lstm_catalog()->epoch, AccessShareLock);
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
	snapshot_end(&read);
	return n;
}
