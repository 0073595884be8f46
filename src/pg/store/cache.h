/*
 * store/cache.h: models in memory, ready to answer.
 *
 * The key is the digest of the weights file, so what is cached can never be
 * stale; who may use it under which name is the registry's business, and is
 * asked first.  Models that were not used for the longest time leave when
 * pg_lstm.cache_size would be passed.
 *
 * With pg_lstm in shared_preload_libraries one copy serves all sessions; a
 * session keeps a copy of its own only where the shared one finds no room.
 * Without, each session has its own.
 */
#ifndef LSTM_CACHE_H
#define LSTM_CACHE_H

#include "model/model.h"
#include "store/registry.h"

/*
 * The model of a version, loaded if need be.  Valid until the next call that
 * may load another one or the end of the transaction, or longer by
 * lstm_cache_pin().  It is not to be written to: others answer with it.
 */
extern NnModel *lstm_cache_get(const LstmRef *ref);

/* The same if it is loaded, here or by others; else NULL, and nothing is loaded. */
extern NnModel *lstm_cache_peek(const LstmRef *ref);

/*
 * Keep a model that lstm_cache_get() just returned until the memory context is
 * reset or deleted (which the end of a failed transaction also does).
 */
extern void lstm_cache_pin(const NnModel *model, MemoryContext until);

/* Load it, unless it is there; returns the bytes that it takes. */
extern size_t lstm_cache_load(const LstmRef *ref);

/* One model in memory. */
typedef struct LstmCached
{
	bool		is_shared;		/* else this session's own */
	int64		n_bytes;
	int			n_sessions;		/* connected ones that have used it */
	int			n_pins;			/* transactions that use it now */
	int64		n_hits;			/* transactions that found it */
	int64		n_loads;		/* how often it was read, since the server started or the session began */
} LstmCached;

/* At most two: the shared one, and one of this session.  Returns how many; digest as in lstm_versions. */
extern int	lstm_cache_find(const char *digest, LstmCached *found);

/* For lstm_doctor. */
typedef struct LstmCacheFacts
{
	bool		is_shared;
	int			n_shared;		/* models */
	size_t		n_shared_bytes;
	uint64		n_evicted;		/* models that had to leave the shared cache for others */
	int			n_own;			/* models of this session */
	size_t		n_own_bytes;
} LstmCacheFacts;

extern void lstm_cache_facts(LstmCacheFacts *facts);

/*
 * Read a weights file that is not in the cache, into a context that the caller
 * deletes.  limit_bytes as for nn_file_read.
 */
extern NnModel *lstm_model_from_bytes(bytea *bytes, size_t limit_bytes, MemoryContext context,
									  NnStatus *status, NnError *err);

/* Once, when the library is loaded. */
extern void lstm_cache_init(void);

#endif							/* LSTM_CACHE_H */
