/*
 * store/cache_session.c: this session's own models.
 *
 * Each model has a memory context of its own, so an eviction is one deletion.
 * It is loaded below the caller's context and moved below CacheMemoryContext
 * when it is whole: an error or a cancel in between leaves nothing.
 */
#include "glue/compat.h"

#include "lib/ilist.h"
#include "utils/memutils.h"

#include "model/file.h"

#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache_private.h"

typedef struct CacheEntry
{
	dlist_node	node;			/* in use_order */
	char		key[LSTM_DIGEST_CHARS + 1];
	MemoryContext context;		/* holds this entry, too */
	NnModel    *model;
	size_t		n_bytes;
	int			n_pins;
	LocalTransactionId last_user;
	int64		n_hits;			/* transactions that found it here */
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

/* An entry with the model in it, below the work context; NULL if core refuses. */
static CacheEntry *
read_entry(LstmLoad *load, NnStatus *status, NnError *err)
{
	size_t		limit = lstm_megabytes(lstm_cache_size_mb);
	MemoryContext context = AllocSetContextCreate(load->work, "pg_lstm model", ALLOCSET_SMALL_SIZES);
	CacheEntry *entry = MemoryContextAllocZero(context, sizeof(CacheEntry));

	strlcpy(entry->key, load->ref->key, sizeof(entry->key));
	entry->context = context;
	entry->last_user = lstm_local_xid();
	entry->model = lstm_model_from_bytes(lstm_load_bytes(load), limit > cached_bytes ? limit - cached_bytes : 1,
										 context, status, err);
	if (*status == NN_OK)
		return entry;
	MemoryContextDelete(context);
	return NULL;
}

NnModel *
lstm_session_load(LstmLoad *load)
{
	CacheEntry *entry;
	NnError		err;
	NnStatus	status;

	/* What is not the net takes about what it takes in the file, and less than all of the file. */
	make_room(nn_size_add(lstm_load_net_bytes(load), VARSIZE_ANY_EXHDR(lstm_load_bytes(load))));
	entry = read_entry(load, &status, &err);
	if (status == NN_ELIMIT && n_cached > 0)
	{
		/* The estimate was low: begin again with all the room there can be. */
		make_room(lstm_megabytes(lstm_cache_size_mb));
		entry = read_entry(load, &status, &err);
	}
	if (status != NN_OK)
		lstm_throw_stored(&err, status == NN_ELIMIT ? "Raise pg_lstm.cache_size." : NULL);
	entry->n_bytes = nn_model_bytes(entry->model);

	/* Nothing below can fail. */
	MemoryContextSetParent(entry->context, CacheMemoryContext);
	dlist_push_head(&use_order, &entry->node);
	cached_bytes += entry->n_bytes;
	n_cached++;
	return entry->model;
}

NnModel *
lstm_session_find(const char *key)
{
	CacheEntry *entry = find_entry(key);

	if (entry == NULL)
		return NULL;
	dlist_move_head(&use_order, &entry->node);
	if (entry->last_user != lstm_local_xid())
	{
		entry->last_user = lstm_local_xid();
		entry->n_hits++;
	}
	return entry->model;
}

static void
unpin(void *arg)
{
	CacheEntry *entry = arg;

	entry->n_pins--;
}

bool
lstm_session_pin(const NnModel *model, MemoryContext until)
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
		return true;
	}
	return false;
}

bool
lstm_session_cached(const char *key, LstmCached *cached)
{
	CacheEntry *entry = find_entry(key);

	if (entry == NULL)
		return false;
	cached->is_shared = false;
	cached->n_bytes = (int64) entry->n_bytes;
	cached->n_sessions = 1;
	cached->n_pins = entry->last_user == lstm_local_xid() ? 1 : 0;
	cached->n_hits = entry->n_hits;
	cached->n_loads = 1;
	return true;
}

void
lstm_session_facts(LstmCacheFacts *facts)
{
	facts->n_own = n_cached;
	facts->n_own_bytes = cached_bytes;
}
