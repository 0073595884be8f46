/*
 * store/cache.c: models in memory, ready to answer, one cache per session.
 *
 * Each model has a memory context of its own, so an eviction is one deletion.
 * It is loaded below the caller's context and moved below CacheMemoryContext
 * when it is whole: an error or a cancel in between leaves nothing.
 */
#include "glue/compat.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "model/file.h"

#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache.h"
#include "store/shipped.h"

typedef struct CacheEntry
{
	dlist_node	node;			/* in use_order */
	char		key[LSTM_DIGEST_CHARS + 1];
	MemoryContext context;		/* holds this entry, too */
	NnModel    *model;
	size_t		n_bytes;
	int			n_pins;
} CacheEntry;

/* The most recently used first. */
static dlist_head use_order = DLIST_STATIC_INIT(use_order);
static size_t cached_bytes = 0;
static int	n_cached = 0;

static CacheEntry *
find_entry(const char *key)
{
	dlist_iter	iter;

	dlist_foreach(iter, &use_order)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);

		if (strcmp(entry->key, key) == 0)
			return entry;
	}
	return NULL;
}

static void
forget(CacheEntry *entry)
{
	dlist_delete(&entry->node);
	cached_bytes -= entry->n_bytes;
	n_cached--;
	MemoryContextDelete(entry->context);
}

/* Evict, the least recently used first, until n_bytes more fit or only pinned models are left. */
static void
make_room(size_t n_bytes)
{
	size_t		limit = lstm_megabytes(lstm_cache_size_mb);
	dlist_node *node = dlist_is_empty(&use_order) ? NULL : dlist_tail_node(&use_order);

	while (node != NULL && cached_bytes + n_bytes > limit)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, node);

		node = dlist_has_prev(&use_order, node) ? dlist_prev_node(&use_order, node) : NULL;
		if (entry->n_pins == 0)
			forget(entry);
	}
}

NnModel *
lstm_model_from_bytes(bytea *bytes, size_t limit_bytes, MemoryContext context,
					  NnStatus *status, NnError *err)
{
	LstmEnv    *env = MemoryContextAlloc(context, sizeof(LstmEnv));
	NnModel    *model = NULL;

	lstm_env_init(env, context);
	*status = nn_file_read(&model, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), limit_bytes,
						   &env->env, err);
	return model;
}

/* About the bytes that a file takes when it is read. */
static size_t
estimate_bytes(bytea *bytes, const LstmEnv *env)
{
	NnSpec		spec;
	NnError		err;

	if (nn_file_peek(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), &spec, &env->env, &err) != NN_OK)
		lstm_throw_stored(&err, NULL);
	return nn_size_add(nn_net_bytes(&spec, false), VARSIZE_ANY_EXHDR(bytes));
}

static void
load_error_context(void *arg)
{
	const LstmRef *ref = arg;

	errcontext("loading version %d of model \"%s\"", ref->version, ref->name);
}

/* The row's weights must be those of its digest: lstm_predict_pinned is IMMUTABLE by it. */
static void
check_digest(const LstmRef *ref, bytea *bytes)
{
	char		digest[65];

	if (ref->is_shipped)
		return;
	lstm_digest(bytes, digest);
	if (strcmp(digest, ref->key) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("weights of version %d of model \"%s\" are not those of its digest", ref->version, ref->name),
				 errdetail("The row says %s, its weights have %s.", ref->key, digest),
				 errhint("The row was changed or damaged. Deploy another version, or restore it from a backup.")));
}

static CacheEntry *
load(const LstmRef *ref)
{
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext, "pg_lstm load", ALLOCSET_SMALL_SIZES);
	MemoryContext context = AllocSetContextCreate(work, "pg_lstm model", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(work);
	size_t		limit = lstm_megabytes(lstm_cache_size_mb);
	CacheEntry *entry;
	bytea	   *bytes;
	LstmEnv		env;
	NnError		err;
	NnStatus	status;
	ErrorContextCallback callback = {error_context_stack, load_error_context, unconstify(LstmRef *, ref)};

	error_context_stack = &callback;
	bytes = lstm_read_weights(ref);
	check_digest(ref, bytes);
	lstm_env_init(&env, work);
	make_room(estimate_bytes(bytes, &env));

	entry = MemoryContextAllocZero(context, sizeof(CacheEntry));
	strlcpy(entry->key, ref->key, sizeof(entry->key));
	entry->context = context;
	entry->model = lstm_model_from_bytes(bytes, limit > cached_bytes ? limit - cached_bytes : 1,
										 context, &status, &err);
	if (status == NN_ELIMIT && n_cached > 0)
	{
		/* The estimate was low: begin again with all the room there can be. */
		MemoryContextReset(context);
		make_room(limit);
		entry = MemoryContextAllocZero(context, sizeof(CacheEntry));
		strlcpy(entry->key, ref->key, sizeof(entry->key));
		entry->context = context;
		entry->model = lstm_model_from_bytes(bytes, limit > cached_bytes ? limit - cached_bytes : 1,
											 context, &status, &err);
	}
	if (status != NN_OK)
		lstm_throw_stored(&err, status == NN_ELIMIT ? "Raise pg_lstm.cache_size." : NULL);
	entry->n_bytes = nn_model_bytes(entry->model);

	error_context_stack = callback.previous;

	/* Nothing below can fail. */
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, CacheMemoryContext);
	dlist_push_head(&use_order, &entry->node);
	cached_bytes += entry->n_bytes;
	n_cached++;
	MemoryContextDelete(work);
	return entry;
}

NnModel *
lstm_cache_get(const LstmRef *ref)
{
	CacheEntry *entry = find_entry(ref->key);

	if (entry == NULL)
		entry = load(ref);
	else
		dlist_move_head(&use_order, &entry->node);
	return entry->model;
}

static void
unpin(void *arg)
{
	CacheEntry *entry = arg;

	entry->n_pins--;
}

void
lstm_cache_pin(const NnModel *model, MemoryContext until)
{
	MemoryContextCallback *callback;
	dlist_iter	iter;

	dlist_foreach(iter, &use_order)
	{
		CacheEntry *entry = dlist_container(CacheEntry, node, iter.cur);

		if (entry->model != model)
			continue;
		callback = MemoryContextAlloc(until, sizeof(MemoryContextCallback));
		callback->func = unpin;
		callback->arg = entry;
		entry->n_pins++;
		MemoryContextRegisterResetCallback(until, callback);
		return;
	}
	elog(ERROR, "model to pin is not in the cache");
}

void
lstm_cache_facts(int *n_models, size_t *n_bytes)
{
	*n_models = n_cached;
	*n_bytes = cached_bytes;
}
