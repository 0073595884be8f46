/*
 * store/cache.h: models in memory, ready to answer, one cache per session.
 *
 * The key is the digest of the weights file, so what is cached can never be
 * stale; who may use it under which name is the registry's business.  Models
 * that were not used for the longest time leave when pg_lstm.cache_size would
 * be passed.
 */
#ifndef LSTM_CACHE_H
#define LSTM_CACHE_H

#include "model/model.h"
#include "store/registry.h"

/*
 * The model of a version, loaded if need be.  Valid until the next call that
 * may load another one, or longer by lstm_cache_pin().
 */
extern NnModel *lstm_cache_get(const LstmRef *ref);

/*
 * Keep a model that lstm_cache_get() just returned until the memory context is
 * reset or deleted (which the end of a failed transaction also does).
 */
extern void lstm_cache_pin(const NnModel *model, MemoryContext until);

/* For lstm_doctor. */
extern void lstm_cache_facts(int *n_models, size_t *n_bytes);

/*
 * Read a weights file that is not in the cache, into a context that the caller
 * deletes.  limit_bytes as for nn_file_read.
 */
extern NnModel *lstm_model_from_bytes(bytea *bytes, size_t limit_bytes, MemoryContext context,
									  NnStatus *status, NnError *err);

#endif							/* LSTM_CACHE_H */
