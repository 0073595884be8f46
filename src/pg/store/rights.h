/*
 * store/rights.h: whose a model is, and who may use it.
 *
 * PostgreSQL's own catalogs say so.  Each model has a stand-in there, a foreign
 * server of the foreign-data wrapper pg_lstm that leads nowhere: who owns the
 * server owns the model, and who has the privilege USAGE on it may use the
 * model.  So models have everything that PostgreSQL does with owners and
 * privileges: GRANT OPTION, membership, DROP ROLE that refuses, REASSIGN OWNED,
 * DROP OWNED, and pg_dump with or without owners and privileges.
 *
 * This file asks; store/standin.h makes the stand-ins.
 */
#ifndef LSTM_RIGHTS_H
#define LSTM_RIGHTS_H

#include "nodes/pg_list.h"
#include "utils/uuid.h"

typedef enum LstmRight
{
	LSTM_RIGHT_NONE,
	LSTM_RIGHT_USE,				/* ask, measure, look inside, copy */
	LSTM_RIGHT_OWN				/* everything */
} LstmRight;

/*
 * What a role may do with a model.  *owner is InvalidOid if there is no stand-in:
 * then only superusers may use or change the model.  Rights are those of now, not
 * of a snapshot; but a model that was dropped since the snapshot was taken has
 * those it had.
 */
extern LstmRight lstm_right_of(Oid role, const char *model, const pg_uuid_t *id, Oid *owner);

/* The roles, as text, that may use a model beside its owner; "PUBLIC" is everybody. */
extern List *lstm_granted_to(const char *model, const pg_uuid_t *id);

/* The name of a model's stand-in. */
#define LSTM_STANDIN_PREFIX "lstm_"
extern void lstm_standin_name(const char *model, const pg_uuid_t *id, char name[NAMEDATALEN]);

/* The OID of a stand-in now, or InvalidOid. */
extern Oid	lstm_standin_oid(const char *name);

/* Errors. */
extern void lstm_throw_no_use(const char *model);
extern void lstm_throw_not_owner(const char *model);

/* Let a role, or everybody ("public"), use a model of the caller's; or no longer. */
extern void lstm_grant(const char *model, const char *role);
extern void lstm_revoke(const char *model, const char *role);

/* Give a model of the caller's to another role, which the caller must be able to become. */
extern void lstm_give(const char *model, const char *role);

#endif							/* LSTM_RIGHTS_H */
