/*
 * store/cache.c: where a model is looked for, and in which order.
 *
 * What this session holds already comes first, so answering row after row
 * costs a comparison of keys.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "kern/kern.h"

#include "store/cache_private.h"
#include "store/shared_slots.h"
#include "store/shipped.h"

static NnModel *
find(const char *key)
{
	NnModel    *model = lstm_shared_find(key);

	return likely(model != NULL) ? model : lstm_session_find(key);
}

static void
load_error_context(void *arg)
{
	const LstmRef *ref = arg;

	errcontext("loading version %d of model \"%s\"", ref->version, ref->name);
}

static NnModel *
load_model(const LstmRef *ref)
{
	ErrorContextCallback callback = {error_context_stack, load_error_context, unconstify(LstmRef *, ref)};
	LstmLoad	load = {0};
	MemoryContext old;
	NnModel    *model;

	error_context_stack = &callback;
	load.ref = ref;
	load.work = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm load", ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(load.work);
	model = lstm_shared_load(&load);
	if (model == NULL)
		model = lstm_session_load(&load);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(load.work);
	error_context_stack = callback.previous;
	return model;
}

NnModel *
lstm_cache_get(const LstmRef *ref)
{
	NnModel    *model = find(ref->key);

	return likely(model != NULL) ? model : load_model(ref);
}

NnModel *
lstm_cache_peek(const LstmRef *ref)
{
	NnModel    *model = find(ref->key);

	return model != NULL ? model : lstm_shared_join(ref->key);
}

void
lstm_cache_pin(const NnModel *model, MemoryContext until)
{
	if (!lstm_shared_pin(model, until) && !lstm_session_pin(model, until))
		elog(ERROR, "model to pin is not in the cache");
}

size_t
lstm_cache_load(const LstmRef *ref)
{
	LstmCached	cached;

	(void) lstm_cache_get(ref);
	if (!lstm_slots_cached(ref->key, &cached) && !lstm_session_cached(ref->key, &cached))
		elog(ERROR, "model that was loaded is not in the cache");
	return (size_t) cached.n_bytes;
}

int
lstm_cache_find(const char *digest, LstmCached *found)
{
	char		key[LSTM_DIGEST_CHARS + 1];
	int			n = 0;

	strlcpy(key, digest, sizeof(key));
	if (lstm_shipped_has_digest(digest))
		lstm_shipped_key(key, sizeof(key));
	if (lstm_slots_cached(key, &found[n]))
		n++;
	if (lstm_session_cached(key, &found[n]))
		n++;
	return n;
}

void
lstm_cache_facts(LstmCacheFacts *facts)
{
	memset(facts, 0, sizeof(*facts));
	lstm_slots_facts(facts);
	lstm_session_facts(facts);
}

void
lstm_cache_init(void)
{
	/* Chosen in the postmaster, if it loads us: no session then has to. */
	nn_kern_init();
	lstm_shared_init();
}
