/*
 * store/registry.c: models and versions by name, number or digest, and who may
 * use them.
 *
 * lstm_predict comes here for every row of a query, so the last answers are
 * remembered.  A remembered answer holds for the same user, in the same
 * statement, under a snapshot that sees the same rows, and until an
 * invalidation (rollback to a savepoint takes a row back without changing the
 * snapshot, but it sends one).  So a deploy is seen by other sessions in their
 * first statement after its commit, by its own transaction at once, and not at
 * all under a snapshot that was taken before.
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

#include "model/options.h"

#include "store/catalog.h"
#include "store/registry.h"
#include "store/rights.h"
#include "store/rows.h"
#include "store/shipped.h"

/* What a remembered answer depends on beside its name. */
typedef struct Sight
{
	uint64		generation;
	LocalTransactionId transaction;
	TimestampTz statement;
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
	LstmReadSnapshot read = lstm_snapshot_begin();
	Sight		sight;

	memset(&sight, 0, sizeof(sight));	/* compared with memcmp */
	sight.generation = lstm_catalog_generation();
	sight.transaction = lstm_local_xid();
	sight.statement = GetCurrentStatementStartTimestamp();
	sight.user = GetUserId();
	sight.xmin = read.snapshot->xmin;
	sight.xmax = read.snapshot->xmax;
	sight.n_running = read.snapshot->xcnt;
	sight.n_running_sub = read.snapshot->subxcnt;
	sight.command = read.snapshot->curcid;
	lstm_snapshot_end(&read);
	return sight;
}

/* More models in one query than this are looked up anew for each row. */
#define N_REMEMBERED 16

/* How a version was asked for; the same name may give another one in place of the shipped one. */
typedef enum Asked
{
	ASKED_NAME,
	ASKED_DIGEST,
	ASKED_IN_PLACE
} Asked;

typedef struct Remembered
{
	bool		is_used;
	Asked		how;
	char		asked[LSTM_MAX_NAME + 1];
	Sight		sight;
	LstmRef		ref;
} Remembered;

static Remembered remembered[N_REMEMBERED];
static int	next_remembered = 0;
static uint64 n_lookups = 0;

static const LstmRef *
recall(const char *asked, size_t n_bytes, Asked how, const Sight *sight)
{
	for (int i = 0; i < N_REMEMBERED; i++)
	{
		const Remembered *r = &remembered[i];

		if (r->is_used && r->how == how &&
			strncmp(r->asked, asked, n_bytes) == 0 && r->asked[n_bytes] == '\0' &&
			memcmp(&r->sight, sight, sizeof(*sight)) == 0)
			return &r->ref;
	}
	return NULL;
}

/* asked has been found, so it is not longer than names are. */
static const LstmRef *
remember(const LstmRef *ref, const char *asked, Asked how, const Sight *sight)
{
	Remembered *r = &remembered[next_remembered];

	next_remembered = (next_remembered + 1) % N_REMEMBERED;
	r->is_used = true;
	r->how = how;
	strlcpy(r->asked, asked, sizeof(r->asked));
	r->sight = *sight;
	r->ref = *ref;
	r->ref.lookup = ++n_lookups;
	return &r->ref;
}

/* Whose a row is, and what the caller may do with it. */
static void
look_up_right(LstmModelRow *row)
{
	row->right = lstm_right_of(GetUserId(), row->name, &row->id, &row->owner);
}

bool
lstm_find_model(const char *name, LstmModelRow *row)
{
	if (!lstm_rows_model_by_name(name, row))
		return false;
	look_up_right(row);
	return true;
}

bool
lstm_may_use(const LstmModelRow *row)
{
	return row->right >= LSTM_RIGHT_USE;
}

/* The name nearest to one that was not found, among those that the caller may see. */
static const char *
nearest_model(const char *name)
{
	LstmModelScan scan;
	LstmModelRow row;
	const char **names = palloc(sizeof(char *));
	int			n = 0;

	names[n++] = LSTM_SHIPPED_MODEL;
	lstm_rows_begin_models(&scan, lstm_snapshot_begin());
	while (lstm_rows_next_model(&scan, &row))
	{
		look_up_right(&row);
		if (!lstm_may_use(&row))
			continue;
		if ((n & (n - 1)) == 0)
			names = repalloc(names, sizeof(char *) * n * 2);
		names[n++] = pstrdup(row.name);
	}
	lstm_rows_end_models(&scan);
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

void
lstm_need_model(const char *name, LstmModelRow *row)
{
	if (!lstm_find_model(name, row))
		throw_no_model(name);
	if (!lstm_may_use(row))
		lstm_throw_no_use(name);
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
	if (row->right < LSTM_RIGHT_OWN)
		lstm_throw_not_owner(name);
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
	if (!lstm_rows_version(ref, version, NULL, NULL, NULL))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version %d", row->name, version),
				 errhint("The view lstm_versions lists them.")));
}

const LstmRef *
lstm_live_version_or_null(const char *name, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(name, n_bytes, ASKED_NAME, &sight);
	char	   *asked;
	LstmModelRow row;
	LstmRef		ref;

	if (likely(known != NULL))
		return known;

	asked = pnstrdup(name, n_bytes);
	if (strcmp(asked, LSTM_SHIPPED_MODEL) == 0)
		shipped_ref(&ref);
	else
	{
		if (!lstm_find_model(asked, &row) || !lstm_may_use(&row) || row.live == 0)
			return NULL;
		init_ref(&row, &ref);
		if (!lstm_rows_version(&ref, row.live, NULL, NULL, NULL))
			return NULL;
	}
	known = remember(&ref, asked, ASKED_NAME, &sight);
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

/*
 * May a model take the place of the shipped one for the caller?  A superuser may
 * use any, but should not find another user's there; and nobody should find
 * there what another user made and granted to all.
 */
static bool
is_trusted(const LstmModelRow *row)
{
	return OidIsValid(row->owner) &&
		(is_member_of_role_nosuper(GetUserId(), row->owner) ||
		 (lstm_may_use(row) && superuser_arg(row->owner)));
}

const LstmRef *
lstm_live_version_if_any(const char *name)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(name, strlen(name), ASKED_IN_PLACE, &sight);
	LstmModelRow row;
	LstmRef		ref;

	if (likely(known != NULL))
		return known->version == 0 ? NULL : known;

	memset(&ref, 0, sizeof(ref));
	strlcpy(ref.name, name, sizeof(ref.name));
	if (lstm_find_model(name, &row) && is_trusted(&row) && row.live != 0)
		model_ref(&row, row.live, &ref);
	/* That there is none (version 0) is remembered too. */
	known = remember(&ref, name, ASKED_IN_PLACE, &sight);
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

typedef struct DigestSearch
{
	LstmRef    *ref;
	const char *digest;
	bool		is_forbidden;	/* a model has it that the caller may not use */
} DigestSearch;

static bool
digest_found(const pg_uuid_t *model, int version, void *arg)
{
	DigestSearch *search = arg;
	LstmModelRow row;

	if (!lstm_rows_model_by_id(model, &row))
		return false;
	look_up_right(&row);
	if (!lstm_may_use(&row))
	{
		search->is_forbidden = true;
		return false;
	}
	init_ref(&row, search->ref);
	search->ref->version = version;
	strlcpy(search->ref->key, search->digest, sizeof(search->ref->key));
	return true;
}

/* A version with the digest whose model the caller may use. */
static bool
find_digest(const char *digest, LstmRef *ref, bool *is_forbidden)
{
	DigestSearch search = {ref, digest, false};
	bool		is_found = lstm_rows_with_digest(digest, digest_found, &search);

	*is_forbidden = search.is_forbidden;
	return is_found;
}

const LstmRef *
lstm_pinned_version(const char *digest, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(digest, n_bytes, ASKED_DIGEST, &sight);
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
					 errhint("The owner of its model can let you use it with lstm_grant().")));
		if (!lstm_shipped_has_digest(asked))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_OBJECT),
					 errmsg("no version has the digest \"%s\"", asked),
					 errhint("The view lstm_versions lists them; lstm_import brings one from another database.")));
		shipped_ref(&ref);
	}
	known = remember(&ref, asked, ASKED_DIGEST, &sight);
	pfree(asked);
	return known;
}

const LstmRef *
lstm_pinned_version_or_null(const char *digest, size_t n_bytes)
{
	Sight		sight = current_sight();
	const LstmRef *known = recall(digest, n_bytes, ASKED_DIGEST, &sight);
	char	   *asked;
	LstmRef		ref;
	bool		is_forbidden;

	if (likely(known != NULL))
		return known;

	asked = pnstrdup(digest, n_bytes);
	if (n_bytes != LSTM_DIGEST_CHARS || !find_digest(asked, &ref, &is_forbidden))
		return NULL;
	known = remember(&ref, asked, ASKED_DIGEST, &sight);
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
	if (!lstm_rows_version(&found, ref->version, &weights, NULL, NULL))
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

	if (ref->is_shipped || !lstm_rows_version(&found, ref->version, NULL, &options, NULL) || !JB_ROOT_IS_OBJECT(options))
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

	if (ref->is_shipped || !lstm_rows_version(&found, ref->version, NULL, NULL, &facts) || !JB_ROOT_IS_OBJECT(facts))
		return NULL;
	return facts;
}
