/*
 * store/standin.h: the foreign servers that stand for models in PostgreSQL's
 * catalogs (store/rights.h says what for).
 *
 * They follow the rows of lstm_model by its triggers, whoever writes them:
 * training, pg_restore, logical replication, a superuser by hand.  The other way
 * round, who drops a server, as DROP OWNED does, drops its model; event
 * triggers see to that.  All of it is done as the bootstrap superuser, whom
 * nothing stops, with a search_path of pg_catalog alone.
 */
#ifndef LSTM_STANDIN_H
#define LSTM_STANDIN_H

#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "utils/uuid.h"

/* See that a model has a stand-in and that it belongs to this role. */
extern void lstm_standin_make(const char *model, const pg_uuid_t *id, Oid owner);

/* For a trigger of lstm_model, after the change. */
extern void lstm_standin_follow(TriggerData *trigger);

/* For event triggers on DROP OWNED, DROP SERVER, ALTER SERVER and ALTER EXTENSION. */
extern void lstm_standin_command(EventTriggerData *trigger);

#endif							/* LSTM_STANDIN_H */
