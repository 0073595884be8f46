/*
 * glue/compat.h: what differs between the servers we build for, 13 to 19.
 *
 * The only file with PG_VERSION_NUM in it.
 */
#ifndef LSTM_COMPAT_H
#define LSTM_COMPAT_H

#include "postgres.h"

#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "storage/fd.h"
#include "storage/proc.h"
#include "utils/guc.h"

#if PG_VERSION_NUM < 130000
#error "pg_lstm needs PostgreSQL 13 or newer"
#endif

#if PG_VERSION_NUM >= 140000
#include "utils/wait_event.h"
#else
#include "pgstat.h"
#endif
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
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

/* FileWrite() took a pointer to bytes that it may change, and an int, before 17. */
static inline int
lstm_file_write(File file, char *bytes, int n_bytes, off_t at)
{
	return (int) FileWrite(file, bytes, n_bytes, at, WAIT_EVENT_BUFFILE_WRITE);
}

#endif							/* LSTM_COMPAT_H */
