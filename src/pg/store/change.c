/*
 * store/change.c: writing models and versions.
 *
 * Two writers of one model meet at its row: the first statement of each locks
 * it, so numbers are given one after the other and the check of the owner
 * holds until the end.
 */
#include "glue/compat.h"

#include <math.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"

#include "store/catalog.h"
#include "store/change.h"
#include "store/follow_cuts.h"
#include "store/registry.h"
#include "store/shipped.h"
#include "store/standin.h"

/* The live version joins those that were live before; the last 100 are remembered. */
#define PREVIOUS_WITH_LIVE \
	"CASE WHEN live IS NULL THEN previous" \
	" ELSE (previous || live)[greatest(1, cardinality(previous) - 98):] END"

void
lstm_need_writable(const char *command)
{
	/* a standby's reason first: there every transaction is read-only */
	PreventCommandDuringRecovery(command);
	PreventCommandIfReadOnly(command);
	PreventCommandIfParallelMode(command);
	if (InSecurityRestrictedOperation())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("cannot execute %s within security-restricted operation", command)));
}

static Datum
jsonb_of(const char *json)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* What a model's row says, once it is locked. */
typedef struct LockedModel
{
	pg_uuid_t	id;
	char	   *task;
	int			live;			/* 0: none */
} LockedModel;

/* Lock the row; false if there is none.  Within an owner scope. */
static bool
lock_model(const char *name, LockedModel *model)
{
	LstmArgs	args = {0};
	bool		is_null;

	lstm_arg_text(&args, name);
	if (lstm_owner_run("SELECT id, task, live FROM %s.lstm_model WHERE name = $1 FOR UPDATE", &args) == 0)
		return false;
	model->id = *DatumGetUUIDP(lstm_owner_result(1, &is_null));
	model->task = TextDatumGetCString(lstm_owner_result(2, &is_null));
	model->live = DatumGetInt32(lstm_owner_result(3, &is_null));
	if (is_null)
		model->live = 0;
	return true;
}

/* Once the row is locked: is it still, or by now, the caller's to change? */
static void
check_owner(const char *name, const LockedModel *model, Oid caller)
{
	Oid			owner;

	if (lstm_right_of(caller, name, &model->id, &owner) < LSTM_RIGHT_OWN)
		lstm_throw_not_owner(name);
}

/* Begin an owner scope and lock a model that must exist. */
static void
begin_change(const char *name, LstmOwnerScope *scope, LockedModel *model)
{
	LstmModelRow row;

	lstm_need_own_model(name, &row);
	lstm_owner_begin(scope);
	if (!lock_model(name, model))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" was dropped meanwhile", name)));
	check_owner(name, model, scope->caller);
}

bool
lstm_lock_model(const char *name, LstmModelRow *row)
{
	LstmOwnerScope scope;
	LockedModel model;
	bool		is_there;

	lstm_owner_begin(&scope);
	is_there = lock_model(name, &model);
	if (is_there)
	{
		check_owner(name, &model, scope.caller);
		memset(row, 0, sizeof(*row));
		row->id = model.id;
		row->live = model.live;
		strlcpy(row->name, name, sizeof(row->name));
		strlcpy(row->task, model.task, sizeof(row->task));
	}
	lstm_owner_end(&scope);
	return is_there;
}

void
lstm_hold_model(const LstmModelRow *row)
{
	LstmModelRow now;

	if (!lstm_lock_model(row->name, &now) || memcmp(&now.id, &row->id, sizeof(now.id)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" was dropped meanwhile", row->name)));
}

static bool
has_version(const LockedModel *model, int version)
{
	LstmArgs	args = {0};

	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	return lstm_owner_run("SELECT 1 FROM %s.lstm_version WHERE model = $1 AND version = $2", &args) > 0;
}

static void
need_version(const LockedModel *model, const char *name, int version)
{
	if (!has_version(model, version))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("model \"%s\" has no version %d", name, version),
				 errhint("The view lstm_versions lists them.")));
}

/* ---- a new version --------------------------------------------------------- */

static void
make_or_lock_model(const LstmNewVersion *version, Oid caller, LockedModel *model)
{
	LstmArgs	args = {0};
	bool		is_new;

	lstm_arg_text(&args, version->model);
	lstm_arg_text(&args, GetUserNameFromId(caller, false));
	lstm_arg_text(&args, version->task);
	lstm_arg_text(&args, version->input_kind);
	is_new = lstm_owner_run("INSERT INTO %s.lstm_model (name, owner_name, task, input_kind)"
							" VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING", &args) > 0;
	if (!lock_model(version->model, model))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("model \"%s\" was dropped meanwhile", version->model),
				 errhint("Try again.")));
	/* its trigger has made the stand-in, but may not know whom it can give it to */
	if (is_new)
		lstm_standin_make(version->model, &model->id, caller);
	check_owner(version->model, model, caller);
	if (strcmp(model->task, version->task) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("model \"%s\" has task %s, not %s", version->model, model->task, version->task),
				 errhint("Give another name, or drop the model first.")));
}

/* Count up and leave the rest of the model as it is. */
static int
take_number_alone(const LockedModel *model)
{
	LstmArgs	args = {0};
	bool		is_null;

	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_owner_run("UPDATE %s.lstm_model SET last_version = last_version + 1"
				   " WHERE id = $1 RETURNING last_version", &args);
	return DatumGetInt32(lstm_owner_result(1, &is_null));
}

/* Count up, make the number live, note the source of the training. */
static int
take_number(const LstmNewVersion *version, const LockedModel *model)
{
	LstmArgs	args = {0};
	bool		is_null;

	if (version->stays_back && model->live != 0)
		return take_number_alone(model);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_arg_text(&args, version->input_kind);
	lstm_arg_text(&args, version->keeps_source ? NULL : version->relation);
	lstm_arg_text(&args, version->input);
	lstm_arg_text(&args, version->target);
	lstm_arg(&args, JSONBOID, jsonb_of(version->options));
	/* An imported version leaves the source of the model alone. */
	lstm_owner_run("UPDATE %s.lstm_model SET last_version = last_version + 1, live = last_version + 1,"
				   " previous = " PREVIOUS_WITH_LIVE ","
				   " input_kind = $2, relation = coalesce($3, relation), input = coalesce($4, input),"
				   " target = CASE WHEN $3 IS NULL THEN target ELSE $5 END,"
				   " options = CASE WHEN $3 IS NULL THEN options ELSE $6 END"
				   " WHERE id = $1 RETURNING last_version", &args);
	return DatumGetInt32(lstm_owner_result(1, &is_null));
}

static void
insert_version(const LstmNewVersion *version, const LockedModel *model, int number, Oid caller)
{
	LstmArgs	args = {0};
	char		digest[LSTM_DIGEST_CHARS + 1];

	lstm_digest(version->weights, digest);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_arg(&args, INT4OID, Int32GetDatum(number));
	lstm_arg_text(&args, digest);
	lstm_arg(&args, INT8OID, Int64GetDatum(version->rows));
	lstm_arg(&args, INT4OID, Int32GetDatum(version->epochs));
	lstm_arg(&args, FLOAT8OID, Float8GetDatum(version->seconds));
	lstm_arg(&args, INT8OID, Int64GetDatum((int64) VARSIZE_ANY_EXHDR(version->weights)));
	lstm_arg(&args, JSONBOID, jsonb_of(version->facts));
	lstm_arg(&args, JSONBOID, jsonb_of(version->metrics));
	lstm_arg(&args, JSONBOID, jsonb_of(version->options));
	lstm_arg_text(&args, GetUserNameFromId(caller, false));
	lstm_arg(&args, BYTEAOID, PointerGetDatum(version->weights));
	lstm_arg(&args, BOOLOID, BoolGetDatum(version->has_row_security));
	lstm_arg(&args, BOOLOID, BoolGetDatum(version->relation != NULL));
	lstm_arg(&args, BYTEAOID, PointerGetDatum(version->measured));
	if (version->measured == NULL)
		args.nulls[args.n - 1] = 'n';
	lstm_arg(&args, BYTEAOID, PointerGetDatum(version->held_out));
	args.nulls[args.n - 1] = version->held_out != NULL ? ' ' : 'n';
	lstm_arg_text(&args, version->topics);
	lstm_owner_run("INSERT INTO %s.lstm_version (model, version, digest, rows, epochs, seconds, bytes,"
				   " facts, metrics, options, trained_by, weights, measured, held_out, topics) VALUES ($1, $2, $3,"
				   " CASE WHEN $4 >= 0 THEN $4 END, CASE WHEN $5 >= 0 THEN $5 END,"
				   " CASE WHEN $6 >= 0 THEN $6 END, $7,"
				   " $8 || CASE WHEN $14 THEN pg_catalog.jsonb_build_object('row_security', $13) ELSE '{}' END,"
				   " $9, $10, $11, $12, $15, $16, $17::pg_catalog.jsonb)", &args);
}

/* One column of the epochs as float8[]; what is not finite becomes NULL. */
static Datum
epoch_column(const LstmNewVersion *version, size_t offset)
{
	Datum	   *values = palloc(sizeof(Datum) * version->epochs);
	bool	   *nulls = palloc(sizeof(bool) * version->epochs);
	int			dims[1] = {version->epochs};
	int			lbs[1] = {1};

	for (int i = 0; i < version->epochs; i++)
	{
		double		number;

		memcpy(&number, (const char *) &version->epoch[i] + offset, sizeof(number));
		values[i] = Float8GetDatum(number);
		nulls[i] = !isfinite(number);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, dims, lbs, FLOAT8OID,
											  sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/*
 * The gradients of all epochs as real[][]: a row an epoch, NULL behind the
 * distances that it has.
 */
static Datum
epoch_gradients(const LstmNewVersion *version)
{
	int			width = 1;
	Datum	   *values;
	bool	   *nulls;
	int			dims[2];
	int			lbs[2] = {1, 1};

	for (int i = 0; i < version->epochs; i++)
		width = Max(width, version->epoch[i].n_distances);
	values = palloc0(sizeof(Datum) * version->epochs * width);
	nulls = palloc(sizeof(bool) * version->epochs * width);
	memset(nulls, true, sizeof(bool) * version->epochs * width);
	for (int i = 0; i < version->epochs; i++)
	{
		for (int d = 0; d < version->epoch[i].n_distances; d++)
		{
			values[i * width + d] = Float4GetDatum(version->epoch[i].gradient[d]);
			nulls[i * width + d] = false;
		}
	}
	dims[0] = version->epochs;
	dims[1] = width;
	return PointerGetDatum(construct_md_array(values, nulls, 2, dims, lbs, FLOAT4OID,
											  sizeof(float4), true, TYPALIGN_INT));
}

static void
insert_epochs(const LstmNewVersion *version, const LockedModel *model, int number)
{
	static const size_t columns[] = {
		offsetof(NnEpoch, loss_train), offsetof(NnEpoch, loss_valid), offsetof(NnEpoch, metric),
		offsetof(NnEpoch, gradient_norm), offsetof(NnEpoch, share_clipped), offsetof(NnEpoch, rate),
		offsetof(NnEpoch, seconds)
	};
	LstmArgs	args = {0};

	if (version->epoch == NULL || version->epochs <= 0)
		return;
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model->id));
	lstm_arg(&args, INT4OID, Int32GetDatum(number));
	for (int i = 0; i < (int) lengthof(columns); i++)
		lstm_arg(&args, FLOAT8ARRAYOID, epoch_column(version, columns[i]));
	lstm_arg(&args, FLOAT4ARRAYOID, epoch_gradients(version));
	lstm_owner_run("INSERT INTO %s.lstm_epoch (model, version, epoch, loss_train, loss_valid, metric,"
				   " gradient_norm, share_clipped, rate, seconds, gradient_by_distance)"
				   " SELECT $1, $2, e.n, e.a, e.b, e.c, e.d, e.e, e.f, e.g,"
				   " (SELECT array_agg(u.norm ORDER BY u.d)"
				   " FROM unnest($10[e.n::integer:e.n::integer]) WITH ORDINALITY AS u (norm, d)"
				   " WHERE u.norm IS NOT NULL)"
				   " FROM ROWS FROM (unnest($3, $4, $5, $6, $7, $8, $9))"
				   " WITH ORDINALITY AS e (a, b, c, d, e, f, g, n)", &args);
}

int
lstm_save_version(const LstmNewVersion *version)
{
	LstmOwnerScope scope;
	LockedModel model;
	int			number;

	lstm_owner_begin(&scope);
	make_or_lock_model(version, scope.caller, &model);
	number = take_number(version, &model);
	insert_version(version, &model, number, scope.caller);
	insert_epochs(version, &model, number);
	lstm_owner_end(&scope);
	if (!version->stays_back || model.live == 0)
		lstm_follow_cuts(version->model, &model.id, model.live, number);
	return number;
}

/* ---- which version is live ------------------------------------------------- */

void
lstm_deploy(const char *name, int version)
{
	LstmOwnerScope scope;
	LockedModel model;
	LstmArgs	args = {0};

	begin_change(name, &scope, &model);
	need_version(&model, name, version);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model.id));
	lstm_arg(&args, INT4OID, Int32GetDatum(version));
	lstm_owner_run("UPDATE %s.lstm_model SET live = $2, previous = " PREVIOUS_WITH_LIVE
				   " WHERE id = $1 AND live IS DISTINCT FROM $2", &args);
	lstm_owner_end(&scope);
	lstm_follow_cuts(name, &model.id, model.live, version);
}

int
lstm_rollback(const char *name)
{
	LstmOwnerScope scope;
	LockedModel model;
	LstmArgs	args = {0};
	uint64		n;
	int			live = 0;
	bool		is_null;

	begin_change(name, &scope, &model);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model.id));
	/* The last of the previous versions that still exists and is another one. */
	n = lstm_owner_run("UPDATE %s.lstm_model m SET live = p.version, previous = m.previous[:p.n - 1]"
					   " FROM (SELECT u.version, u.n FROM %s.lstm_model o,"
					   " unnest(o.previous) WITH ORDINALITY AS u (version, n)"
					   " JOIN %s.lstm_version v ON v.model = $1 AND v.version = u.version"
					   " WHERE o.id = $1 AND u.version IS DISTINCT FROM o.live"
					   " ORDER BY u.n DESC LIMIT 1) p"
					   " WHERE m.id = $1 RETURNING m.live", &args);
	if (n > 0)
		live = DatumGetInt32(lstm_owner_result(1, &is_null));
	lstm_owner_end(&scope);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no other version of model \"%s\" was live before", name),
				 errhint("Choose a version with lstm_deploy.")));
	lstm_follow_cuts(name, &model.id, model.live, live);
	return live;
}

/*
 * Every row of a model; returns how many versions it had.  The lock comes first: who writes a row for the model holds
 * it.  In REPEATABLE READ such rows may be newer than our snapshot, and must not stay behind.
 */
static int
forget(const pg_uuid_t *id)
{
	LstmArgs	args = {0};
	int			n;

	lstm_arg(&args, UUIDOID, UUIDPGetDatum(id));
	lstm_owner_run("SELECT FROM %s.lstm_model WHERE id = $1 FOR UPDATE", &args);
	lstm_owner_run_latest("DELETE FROM %s.lstm_epoch WHERE model = $1", &args);
	lstm_owner_run_latest("DELETE FROM %s.lstm_decision WHERE model = $1", &args);
	lstm_owner_run_latest("DELETE FROM %s.lstm_check WHERE model = $1", &args);
	lstm_owner_run_latest("DELETE FROM %s.lstm_policy WHERE model = $1", &args);
	n = (int) lstm_owner_run_latest("DELETE FROM %s.lstm_version WHERE model = $1", &args);
	lstm_owner_run_latest("DELETE FROM %s.lstm_model WHERE id = $1", &args);
	return n;
}

void
lstm_forget_model(const pg_uuid_t *id)
{
	LstmOwnerScope scope;

	lstm_owner_begin(&scope);
	(void) forget(id);
	lstm_owner_end(&scope);
}

void
lstm_note_owner(const pg_uuid_t *id, Oid owner)
{
	LstmOwnerScope scope;
	LstmArgs	args = {0};

	lstm_owner_begin(&scope);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(id));
	lstm_arg_text(&args, GetUserNameFromId(owner, false));
	lstm_owner_run("UPDATE %s.lstm_model SET owner_name = $2 WHERE id = $1", &args);
	lstm_owner_end(&scope);
}

int
lstm_drop(const char *name, int version)
{
	LstmOwnerScope scope;
	LockedModel model;
	LstmArgs	args = {0};
	int			n;

	begin_change(name, &scope, &model);
	lstm_arg(&args, UUIDOID, UUIDPGetDatum(&model.id));
	if (version != 0)
	{
		need_version(&model, name, version);
		if (version == model.live)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("version %d of model \"%s\" is live", version, name),
					 errhint("Make another one live with lstm_deploy, or drop the whole model.")));
		lstm_arg(&args, INT4OID, Int32GetDatum(version));
		lstm_owner_run("DELETE FROM %s.lstm_epoch WHERE model = $1 AND version = $2", &args);
		lstm_owner_run("DELETE FROM %s.lstm_decision WHERE model = $1 AND version = $2", &args);
		n = (int) lstm_owner_run("DELETE FROM %s.lstm_version WHERE model = $1 AND version = $2", &args);
	}
	else
	{
		n = forget(&model.id);
	}
	lstm_owner_end(&scope);
	return n;
}
