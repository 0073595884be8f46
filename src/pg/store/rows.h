/*
 * store/rows.h: rows of lstm_model, lstm_version and lstm_epoch as structs.
 *
 * Read by index scans under the active snapshot, past the tables' privileges.
 * Somebody may have altered the tables, or have put anything into them: columns
 * are checked to be of the types that the code reads, and nothing is believed of
 * what stands in them.
 */
#ifndef LSTM_ROWS_H
#define LSTM_ROWS_H

#include "access/genam.h"
#include "access/htup.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

#include "store/registry.h"

/* A snapshot of ours, if the caller has none (some utility commands). */
typedef struct LstmReadSnapshot
{
	Snapshot	snapshot;
	bool		is_registered;
} LstmReadSnapshot;

extern LstmReadSnapshot lstm_snapshot_begin(void);

/* One that sees all that is committed. */
extern LstmReadSnapshot lstm_snapshot_latest(void);
extern void lstm_snapshot_end(LstmReadSnapshot *read);

/* Error unless one of our tables has the columns that we read. */
extern void lstm_rows_check(Relation rel);

/* A row of lstm_model; owner and right are not looked up. */
extern void lstm_rows_model(HeapTuple tuple, TupleDesc desc, LstmModelRow *row);

extern bool lstm_rows_model_by_name(const char *name, LstmModelRow *row);
extern bool lstm_rows_model_by_id(const pg_uuid_t *id, LstmModelRow *row);

/* All rows of lstm_model. */
typedef struct LstmModelScan
{
	LstmReadSnapshot read;
	Relation	rel;
	SysScanDesc scan;
} LstmModelScan;

extern void lstm_rows_begin_models(LstmModelScan *scan, LstmReadSnapshot read);
extern bool lstm_rows_next_model(LstmModelScan *scan, LstmModelRow *row);
extern void lstm_rows_end_models(LstmModelScan *scan);

/*
 * Fill ref's version and key, and *weights, *options and *facts unless they are NULL,
 * from the row of lstm_version that has ref's model and the given number.
 */
extern bool lstm_rows_version(LstmRef *ref, int version, bytea **weights, Jsonb **options, Jsonb **facts);

/* A column of the row of ref's version, copied; NULL if it is NULL, or of another type than it should be. */
extern struct varlena *lstm_rows_version_column(const LstmRef *ref, const char *name, Oid type);

/* The versions with a digest: found() is told of each until it says true, which comes back. */
extern bool lstm_rows_with_digest(const char *digest, bool (*found) (const pg_uuid_t *model, int version, void *arg),
								  void *arg);

#endif							/* LSTM_ROWS_H */
