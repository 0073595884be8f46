/*
 * glue/compat.h: what differs between the servers we build for, 13 to 19.
 *
 * The only file with PG_VERSION_NUM in it.
 */
#ifndef LSTM_COMPAT_H
#define LSTM_COMPAT_H

#include "postgres.h"

#include "catalog/namespace.h"
#include "executor/executor.h"
#include "mb/pg_wchar.h"
#include "nodes/extensible.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/fd.h"
#include "storage/proc.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"
#include "utils/memutils.h"

#if PG_VERSION_NUM < 130000
#error "pg_lstm needs PostgreSQL 13 or newer"
#endif

#if PG_VERSION_NUM >= 140000
#include "utils/backend_status.h"
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#endif

/* Shared memory is asked for in a hook of its own; before, when the library is loaded. */
#if PG_VERSION_NUM >= 150000
#define LSTM_HAS_SHMEM_REQUEST_HOOK
#endif

/* Told to the server's own files alone before 14. */
#ifndef DLSUFFIX
#define DLSUFFIX ".so"
#endif

/* Stands before a declaration, as in 18. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* The number of this session's transaction, counted also where no xid is assigned. */
static inline LocalTransactionId
lstm_local_xid(void)
{
#if PG_VERSION_NUM >= 170000
	return MyProc->vxid.lxid;
#else
	return MyProc->lxid;
#endif
}

/* May a role take on another, and so give things to it? */
static inline bool
lstm_can_become(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

/* What pg_stat_activity knows of a process, by its number there, from 1. */
static inline LocalPgBackendStatus *
lstm_backend_status(int i)
{
#if PG_VERSION_NUM >= 160000
	return pgstat_get_local_beentry_by_index(i);
#else
	return pgstat_fetch_stat_local_beentry(i);
#endif
}

/* Another text for the running query in pg_stat_activity, which keeps its number. */
static inline void
lstm_report_query(const char *text)
{
#if PG_VERSION_NUM >= 140000
	int64		id = (int64) pgstat_get_my_query_id();

	pgstat_report_activity(STATE_RUNNING, text);
	pgstat_report_query_id(id, true);
#else
	pgstat_report_activity(STATE_RUNNING, text);
#endif
}

/* The statements of a string, as RawStmts. */
static inline List *
lstm_raw_parse(const char *sql)
{
#if PG_VERSION_NUM >= 140000
	return raw_parser(sql, RAW_PARSE_DEFAULT);
#else
	return raw_parser(sql);
#endif
}

/* Settings that begin with the prefix and are not ours are mistakes. */
static inline void
lstm_reserve_settings(const char *prefix)
{
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved(prefix);
#else
	EmitWarningsOnPlaceholders(prefix);
#endif
}

/* All settings there are, those that belong to no library included. */
static inline struct config_generic **
lstm_all_settings(int *n)
{
#if PG_VERSION_NUM >= 160000
	return get_guc_variables(n);
#else
	*n = GetNumConfigOptions();
	return get_guc_variables();
#endif
}

/* FileWrite() took a pointer to bytes that it may change, and an int, before 17. */
static inline int
lstm_file_write(File file, char *bytes, int n_bytes, off_t at)
{
	return (int) FileWrite(file, bytes, n_bytes, at, WAIT_EVENT_BUFFILE_WRITE);
}

/*
 * Text of one encoding in another, palloc'd and 0-terminated; NULL if it cannot be.
 * Conversions always raise an error before 14, so that none is tried there.
 */
static inline char *
lstm_convert_quietly(const char *bytes, size_t n_bytes, int from, int to, size_t *n_out)
{
#if PG_VERSION_NUM >= 140000
	Oid			proc = FindDefaultConversionProc(from, to);
	size_t		n_most = n_bytes * MAX_CONVERSION_GROWTH + 1;
	char	   *out;

	if (!OidIsValid(proc) || n_most > MaxAllocSize)
		return NULL;
	out = palloc(n_most);
	if (pg_do_encoding_conversion_buf(proc, from, to, (unsigned char *) unconstify(char *, bytes), (int) n_bytes,
									  (unsigned char *) out, (int) n_most, true) != (int) n_bytes)
		return NULL;
	*n_out = strlen(out);
	return out;
#else
	return NULL;
#endif
}

/* ---- plans, for exec/batch_*.c ---- */

/* Scans of ranges of ctids, Memoize, and scans that run asynchronously, came together. */
#if PG_VERSION_NUM >= 140000
#define LSTM_HAS_TID_RANGE_SCAN 1
#define LSTM_FORBID_ASYNC(plan) ((plan)->async_capable = false)
#define LSTM_MODIFY_TABLE_PLANS(plan) NIL
#else
#define LSTM_HAS_TID_RANGE_SCAN 0
#define LSTM_FORBID_ASYNC(plan) ((void) 0)
#define LSTM_MODIFY_TABLE_PLANS(plan) (((ModifyTable *) (plan))->plans)
#endif

/* EXPLAIN tells a disabled node by its having more of them than its children. */
#if PG_VERSION_NUM >= 180000
#define LSTM_COPY_DISABLED(to, from) ((to)->disabled_nodes = (from)->disabled_nodes)
#else
#define LSTM_COPY_DISABLED(to, from) ((void) 0)
#endif

/* Before, a CustomScan was always taken to project. */
#if PG_VERSION_NUM >= 150000
#define LSTM_CUSTOM_SCAN_PROJECTS CUSTOMPATH_SUPPORT_PROJECTION
#else
#define LSTM_CUSTOM_SCAN_PROJECTS 0
#endif

/* Expressions of JSON evaluate some of their parts only if they have to. */
#if PG_VERSION_NUM >= 170000
#define LSTM_IS_JSON_EXPRESSION(node) (IsA(node, JsonExpr) || IsA(node, JsonConstructorExpr) || IsA(node, JsonValueExpr))
#define LSTM_IS_MERGE_SUPPORT(node) IsA(node, MergeSupportFunc)
#elif PG_VERSION_NUM >= 160000
#define LSTM_IS_JSON_EXPRESSION(node) (IsA(node, JsonConstructorExpr) || IsA(node, JsonValueExpr))
#define LSTM_IS_MERGE_SUPPORT(node) false
#else
#define LSTM_IS_JSON_EXPRESSION(node) false
#define LSTM_IS_MERGE_SUPPORT(node) false
#endif

#if PG_VERSION_NUM >= 180000
#define LSTM_EXECUTOR_RUN_PARAMETERS QueryDesc *queryDesc, ScanDirection direction, uint64 count
#define LSTM_EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count
#else
#define LSTM_EXECUTOR_RUN_PARAMETERS QueryDesc *queryDesc, ScanDirection direction, uint64 count, bool execute_once
#define LSTM_EXECUTOR_RUN_ARGUMENTS queryDesc, direction, count, execute_once
#endif

#endif							/* LSTM_COMPAT_H */
