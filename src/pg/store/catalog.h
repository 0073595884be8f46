/*
 * store/catalog.h: where our tables are, when they change, and writing to them.
 *
 * The extension may live in any schema and be moved, so its relations are
 * found through pg_extension and remembered until an invalidation.  Column
 * numbers are those of sql/pg_lstm--1.0.sql.
 */
#ifndef LSTM_CATALOG_H
#define LSTM_CATALOG_H

#include "utils/guc.h"

#define Anum_lstm_model_id				1
#define Anum_lstm_model_name			2
#define Anum_lstm_model_owner_name		3
#define Anum_lstm_model_task			4
#define Anum_lstm_model_input_kind		5
#define Anum_lstm_model_live			6

#define Anum_lstm_version_model			1
#define Anum_lstm_version_version		2
#define Anum_lstm_version_digest		3
#define Anum_lstm_version_facts			8
#define Anum_lstm_version_options		10
#define Anum_lstm_version_weights		13

#define Anum_lstm_epoch_model			1
#define Anum_lstm_epoch_version			2
#define Anum_lstm_epoch_epoch			3
#define Anum_lstm_epoch_share_clipped	8
#define Anum_lstm_epoch_gradient		11

typedef struct LstmCatalog
{
	Oid			schema;
	Oid			model;			/* lstm_model... */
	Oid			model_name;		/* ...and its index on name */
	Oid			model_pkey;
	Oid			version;
	Oid			version_pkey;
	Oid			version_digest;
	Oid			epoch;
	Oid			epoch_pkey;
	Oid			wrapper;		/* the foreign-data wrapper of stand-ins */
} LstmCatalog;

#define LSTM_WRAPPER "pg_lstm"

/* Of the current database; an error if the extension was not created. */
extern const LstmCatalog *lstm_catalog(void);

/* Grows whenever a model may have changed; what was looked up before may be stale. */
extern uint64 lstm_catalog_generation(void);

/* Tell all sessions, at commit, that models have changed. */
extern void lstm_catalog_changed(void);

/* Once per process. */
extern void lstm_catalog_init(void);

/*
 * Statements on our tables run as the tables' owner, as those of foreign keys
 * do, and with a search_path of pg_catalog alone, so that the caller's cannot
 * put own operators under them.  The operation is security-restricted: code that
 * somebody put on the tables cannot wait there for the caller's commit.  Begin connects SPI, end finishes it; after an error
 * the end of the (sub)transaction restores all three.
 */
typedef struct LstmOwnerScope
{
	Oid			caller;
	int			security_context;
	int			guc_level;
} LstmOwnerScope;

extern void lstm_owner_begin(LstmOwnerScope *scope);
extern void lstm_owner_end(LstmOwnerScope *scope);

/* The same as another user. */
extern void lstm_scope_begin(LstmOwnerScope *scope, Oid user);
extern void lstm_scope_end(LstmOwnerScope *scope);

/* Run one command within a scope. */
extern void lstm_run_command(const char *command);

/*
 * Run one statement within the scope; each %s of format is our schema, quoted
 * (the only use of format).  nulls as for SPI_execute_with_args.  Returns the
 * number of rows, which are in SPI_tuptable if the statement returns any.
 */
#define LSTM_MAX_ARGS 17

typedef struct LstmArgs
{
	int			n;
	Oid			types[LSTM_MAX_ARGS];
	Datum		values[LSTM_MAX_ARGS];
	char		nulls[LSTM_MAX_ARGS];
} LstmArgs;

extern void lstm_arg(LstmArgs *args, Oid type, Datum value);
extern void lstm_arg_text(LstmArgs *args, const char *string);	/* NULL: a NULL */
extern uint64 lstm_owner_run(const char *format, LstmArgs *args);

/*
 * The same for one that also sees what was committed after the transaction's
 * snapshot was taken: whoever locks a row and then tidies up behind it has to.
 */
extern uint64 lstm_owner_run_latest(const char *format, LstmArgs *args);

/* The same for one that only reads, under the active snapshot. */
extern uint64 lstm_owner_look(const char *format, LstmArgs *args);

/* A column of the first row of SPI_tuptable, numbered from 1. */
extern Datum lstm_owner_result(int column, bool *is_null);

#endif							/* LSTM_CATALOG_H */
