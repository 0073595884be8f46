/*
 * store/rights.c: whose a model is, and who may use it.
 *
 * The one place where rights on models are decided: superusers and members of
 * the owning role may do everything with a model, whoever has USAGE on its
 * stand-in may use it, and nobody else may do anything.
 */
#include "glue/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_foreign_server.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "store/catalog.h"
#include "store/change.h"
#include "store/registry.h"
#include "store/rights.h"
#include "store/rows.h"
#include "store/standin.h"

/* Digits of the model's id in the name of its stand-in; they tell apart names that were cut. */
#define N_ID_DIGITS 8

void
lstm_standin_name(const char *model, const pg_uuid_t *id, char name[NAMEDATALEN])
{
	int			room = NAMEDATALEN - 1 - (int) strlen(LSTM_STANDIN_PREFIX "_") - N_ID_DIGITS;
	int			n_bytes = pg_mbcliplen(model, (int) strlen(model), room);
	int			at = snprintf(name, NAMEDATALEN, LSTM_STANDIN_PREFIX "%.*s_", n_bytes, model);

	for (int i = 0; i < N_ID_DIGITS / 2; i++)
		at += snprintf(name + at, NAMEDATALEN - at, "%02x", id->data[i]);
}

static bool
is_ours(HeapTuple tuple)
{
	return ((Form_pg_foreign_server) GETSTRUCT(tuple))->srvfdw == lstm_catalog()->wrapper;
}

/* The stand-in as the snapshot sees it, a copy; or NULL. */
static HeapTuple
find_by_snapshot(const char *name)
{
	LstmReadSnapshot read = lstm_snapshot_begin();
	Relation	rel = table_open(ForeignServerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_foreign_server_srvname, BTEqualStrategyNumber, F_NAMEEQ, CStringGetDatum(name));
	scan = systable_beginscan(rel, ForeignServerNameIndexId, true, read.snapshot, 1, &key);
	tuple = systable_getnext(scan);
	tuple = HeapTupleIsValid(tuple) ? heap_copytuple(tuple) : NULL;
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	lstm_snapshot_end(&read);
	return tuple;
}

/* The stand-in as it is now, else as it was when the snapshot was taken; a copy, or NULL. */
static HeapTuple
find_standin(const char *model, const pg_uuid_t *id)
{
	char		name[NAMEDATALEN];
	HeapTuple	tuple;

	lstm_standin_name(model, id, name);
	tuple = SearchSysCacheCopy1(FOREIGNSERVERNAME, CStringGetDatum(name));
	if (!HeapTupleIsValid(tuple))
		tuple = find_by_snapshot(name);
	return HeapTupleIsValid(tuple) && is_ours(tuple) ? tuple : NULL;
}

Oid
lstm_standin_oid(const char *name)
{
	HeapTuple	tuple = SearchSysCache1(FOREIGNSERVERNAME, CStringGetDatum(name));
	Oid			oid = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	if (is_ours(tuple))
		oid = ((Form_pg_foreign_server) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return oid;
}

/* The privileges on a stand-in, a copy; NULL where nothing was granted or revoked. */
static Acl *
acl_of(HeapTuple tuple)
{
	bool		is_null;
	Datum		acl = SysCacheGetAttr(FOREIGNSERVERNAME, tuple, Anum_pg_foreign_server_srvacl, &is_null);

	return is_null ? NULL : DatumGetAclPCopy(acl);
}

LstmRight
lstm_right_of(Oid role, const char *model, const pg_uuid_t *id, Oid *owner)
{
	HeapTuple	tuple = find_standin(model, id);
	LstmRight	right = LSTM_RIGHT_NONE;
	Acl		   *acl;

	*owner = HeapTupleIsValid(tuple) ? ((Form_pg_foreign_server) GETSTRUCT(tuple))->srvowner : InvalidOid;
	/* has_privs_of_role() says true to a superuser, but not of a role that is none */
	if (superuser_arg(role) || (OidIsValid(*owner) && has_privs_of_role(role, *owner)))
		right = LSTM_RIGHT_OWN;
	else if (HeapTupleIsValid(tuple))
	{
		acl = acl_of(tuple);
		if (acl != NULL && aclmask(acl, role, *owner, ACL_USAGE, ACLMASK_ANY) != 0)
			right = LSTM_RIGHT_USE;
	}
	if (HeapTupleIsValid(tuple))
		heap_freetuple(tuple);
	return right;
}

List *
lstm_granted_to(const char *model, const pg_uuid_t *id)
{
	HeapTuple	tuple = find_standin(model, id);
	Acl		   *acl = HeapTupleIsValid(tuple) ? acl_of(tuple) : NULL;
	List	   *roles = NIL;

	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		const AclItem *item = &ACL_DAT(acl)[i];
		char	   *role;

		if ((ACLITEM_GET_PRIVS(*item) & ACL_USAGE) == 0 ||
			item->ai_grantee == ((Form_pg_foreign_server) GETSTRUCT(tuple))->srvowner)
			continue;
		role = item->ai_grantee == ACL_ID_PUBLIC ? pstrdup("PUBLIC") : GetUserNameFromId(item->ai_grantee, true);
		if (role != NULL)
			roles = lappend(roles, role);
	}
	return roles;
}

void
lstm_throw_no_use(const char *model)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for model \"%s\"", model),
			 errhint("Its owner can let you use it: SELECT lstm_grant(%s, %s).", quote_literal_cstr(model),
					 quote_literal_cstr(GetUserNameFromId(GetUserId(), false)))));
}

void
lstm_throw_not_owner(const char *model)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("must be owner of model \"%s\"", model),
			 errhint("Give another name for a model of your own.")));
}

void
lstm_need_owner(const LstmModelRow *row)
{
	char		name[NAMEDATALEN];

	if (OidIsValid(row->owner))
		return;
	lstm_standin_name(row->name, &row->id, name);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" belongs to nobody", row->name),
			 errdetail("There is no foreign server \"%s\", which says whose the model is.", name),
			 errhint("Say whose it is with lstm_owner(%s, 'role').", quote_literal_cstr(row->name))));
}

/* ---- changing them ---------------------------------------------------------------- */

/* The stand-in of a model of the caller's, which is locked with it; an error if there is none. */
static void
need_standin(const char *model, char name[NAMEDATALEN])
{
	LstmModelRow row;

	lstm_need_own_model(model, &row);
	lstm_need_owner(&row);
	lstm_hold_model(&row);
	lstm_standin_name(row.name, &row.id, name);
}

/* PUBLIC, unless a role is really called so. */
static const char *
quote_grantee(const char *role)
{
	if (pg_strcasecmp(role, "public") == 0 && !OidIsValid(get_role_oid(role, true)))
		return "PUBLIC";
	(void) get_role_oid(role, false);
	return quote_identifier(role);
}

/* As the caller, so that the grantor is who PostgreSQL would take. */
static void
grant_or_revoke(const char *format, const char *model, const char *role)
{
	const char *grantee = quote_grantee(role);
	char		name[NAMEDATALEN];
	LstmOwnerScope scope;

	need_standin(model, name);
	lstm_scope_begin(&scope, GetUserId());
	lstm_run_command(psprintf(format, quote_identifier(name), grantee));
	lstm_scope_end(&scope);
}

void
lstm_grant(const char *model, const char *role)
{
	grant_or_revoke("GRANT USAGE ON FOREIGN SERVER %s TO %s", model, role);
}

void
lstm_revoke(const char *model, const char *role)
{
	grant_or_revoke("REVOKE USAGE ON FOREIGN SERVER %s FROM %s CASCADE", model, role);
}

void
lstm_give(const char *model, const char *role)
{
	Oid			new_owner = get_role_oid(role, false);
	LstmModelRow row;

	lstm_need_own_model(model, &row);
	if (!lstm_can_become(GetUserId(), new_owner))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be able to SET ROLE \"%s\"", role),
				 errdetail("Whoever gives a model away must be a member of the role that gets it.")));
	lstm_hold_model(&row);
	lstm_standin_make(row.name, &row.id, new_owner);
	lstm_note_owner(&row.id, new_owner);
}
