/*
 * store/cache_private.h: what the files of the cache share.
 *
 *   cache.c          where a model is looked for, and in which order
 *   cache_load.c     a version's bytes: read once, checked against the digest
 *   cache_session.c  this session's own models
 *   shared_cache.c   this session's use of those that all sessions share: pins, loading
 *   shared_slots.c   the directory of these
 *   shared_memory.c  the memory that they lie in
 */
#ifndef LSTM_CACHE_PRIVATE_H
#define LSTM_CACHE_PRIVATE_H

#include "store/cache.h"

/* ---- cache_load.c ------------------------------------------------------------ */

/* One version on its way into a cache. */
typedef struct LstmLoad
{
	const LstmRef *ref;
	MemoryContext work;			/* deleted when the load is over */
	bytea	   *bytes;			/* NULL until they were asked for */
} LstmLoad;

/* The weights file, read in the first call; an error unless it is that of the version's key. */
extern bytea *lstm_load_bytes(LstmLoad *load);

/* The bytes that its net will take, the larger part of it; nothing but the header is read for that. */
extern size_t lstm_load_net_bytes(LstmLoad *load);

/* ---- cache_session.c ---------------------------------------------------------- */

/* NULL if it is not there. */
extern NnModel *lstm_session_find(const char *key);
extern NnModel *lstm_session_load(LstmLoad *load);

/* False if the model is not this cache's. */
extern bool lstm_session_pin(const NnModel *model, MemoryContext until);
extern bool lstm_session_cached(const char *key, LstmCached *cached);
extern void lstm_session_facts(LstmCacheFacts *facts);

/* ---- shared_cache.c ------------------------------------------------------------ */

/* NULL if this session has not used it, or it has left since. */
extern NnModel *lstm_shared_find(const char *key);

/* What others have loaded; NULL if nobody has. */
extern NnModel *lstm_shared_join(const char *key);

/* The same, and loads it if nobody has; NULL if there is no shared memory, or no room in it. */
extern NnModel *lstm_shared_load(LstmLoad *load);

/* False if the model is not in use from there. */
extern bool lstm_shared_pin(const NnModel *model, MemoryContext until);
extern void lstm_shared_init(void);

#endif							/* LSTM_CACHE_PRIVATE_H */
