/*
 * store/shared_cache.c: a session's use of the models that all sessions share.
 *
 * A model is pinned from a transaction's first use of it to the transaction's
 * end, or longer by lstm_cache_pin(); so answering row after row takes no lock.
 *
 * One session loads a model while the others that want it wait, but not for
 * ever: the loader may be waiting for a lock of theirs, and they can load it for
 * themselves.  If the loader fails or leaves, the end of its (sub)transaction
 * empties the slot.
 */
#include "glue/compat.h"

#include "access/xact.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#include "model/file.h"

#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"
#include "store/cache_private.h"
#include "store/shared_slots.h"

/* How long others wait for a loader before they load for themselves. */
#define WAIT_MS			5000

/* What this session has used. */
typedef struct Held
{
	dlist_node	node;			/* in held_order */
	char		key[LSTM_DIGEST_CHARS + 1]; /* "": not in the slot, or no more */
	LstmSlot   *slot;
	uint64		load;
	NnModel    *model;
	bool		is_pinned;		/* as long as one of these: */
	bool		is_used;		/* by this transaction */
	int			n_holds;		/* lstm_shared_pin()s, whose memory may outlive a transaction */
} Held;

/* The most recently used first. */
static dlist_head held_order = DLIST_STATIC_INIT(held_order);
static int	n_pinned = 0;

/* What this session is loading. */
static LstmSlot *loading = NULL;
static LstmBlocks loading_blocks;

/*
 * The env of every shared model: a variable of the library, so it is at the same
 * place in each process but each has its own.  The home is where a model is read to.
 */
static LstmEnv answering;
static MemoryContext answering_context = NULL;
static bool has_joined = false;

/* ---- pins ------------------------------------------------------------------------ */

static bool
is_there(const Held *held)
{
	return held->slot->state == LSTM_SLOT_READY && held->slot->load == held->load;
}

/* For this transaction.  Under the lock, while it is there. */
static void
use(Held *held)
{
	held->is_used = true;
	if (held->is_pinned)
		return;
	lstm_slot_pin(held->slot);
	held->is_pinned = true;
	n_pinned++;
}

/* A model that is READY becomes one of this session's.  Under the lock. */
static void
adopt(Held *held, LstmSlot *slot)
{
	held->slot = slot;
	held->load = slot->load;
	held->model = slot->model;
	strlcpy(held->key, slot->key, sizeof(held->key));
	pg_atomic_fetch_add_u32(&slot->n_sessions, 1);
	use(held);
}

/* Unless something else needs it. */
static void
unpin(Held *held)
{
	if (!held->is_pinned || held->is_used || held->n_holds > 0)
		return;
	held->is_pinned = false;
	n_pinned--;
	lstm_slot_unpin(held->slot);
}

/* Unpin what this transaction has used and is not told to keep; false if there is nothing. */
static bool
unpin_unkept(void)
{
	bool		found = false;
	dlist_iter	iter;

	dlist_foreach(iter, &held_order)
	{
		Held	   *held = dlist_container(Held, node, iter.cur);

		if (held->is_used && held->n_holds == 0)
		{
			held->is_used = false;
			unpin(held);
			found = true;
		}
	}
	return found;
}

/* ---- the home env: what a model being loaded consists of ------------------------- */

static void *
home_alloc(void *ctx, size_t size_bytes)
{
	char	   *block;

	while ((block = lstm_blocks_add(&loading_blocks, size_bytes)) == NULL)
	{
		if (!lstm_slots_evict() && !unpin_unkept())
			return NULL;
	}
	lstm_clear(block, size_bytes);
	return block;
}

static void
home_release(void *ctx, void *block)
{
	/* All blocks go at once: when the load fails, or the model is evicted. */
}

static int
home_poll(void *ctx)
{
	CHECK_FOR_INTERRUPTS();
	return 0;
}

static const NnEnv home = {.alloc = home_alloc, .release = home_release, .poll = home_poll};

/* ---- loading -------------------------------------------------------------------- */

/* Give up what this session is loading, if anything. */
static void
abandon_load(void)
{
	LstmSlot   *slot = loading;

	if (slot == NULL)
		return;
	loading = NULL;
	lstm_blocks_unpoison();
	lstm_blocks_free(&loading_blocks);
	lstm_slot_give_up(slot);
}

static void
publish_load(NnModel *model, Held *held)
{
	lstm_blocks_unpoison();
	lstm_slots_lock(LW_EXCLUSIVE);
	lstm_slot_fill(loading, model, &loading_blocks);
	adopt(held, loading);
	lstm_slots_unlock();
	loading = NULL;
	ConditionVariableBroadcast(lstm_slots_changed());
}

static void
warn_no_room(const LstmRef *ref)
{
	static bool is_warned = false;

	if (is_warned)
		return;
	is_warned = true;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("model \"%s\" found no room in the shared cache", ref->name),
			 errdetail("This session keeps its own copy."),
			 errhint("Raise pg_lstm.cache_size, now %d MB; that needs a restart of the server.", lstm_cache_size_mb)));
}

/* Read the model into the slot that was claimed; false if there is no room. */
static bool
fill_claimed(LstmLoad *load, Held *held)
{
	size_t		n_bytes = lstm_load_net_bytes(load);
	bytea	   *bytes = lstm_load_bytes(load);
	NnModel    *model;
	NnStatus	status = NN_ENOMEM;
	NnError		err;

	if (lstm_slots_may_fit(n_bytes) || (unpin_unkept() && lstm_slots_may_fit(n_bytes)))
		status = nn_file_read_into(&model, VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes), 0,
								   &home, &answering.env, &err);
	if (status == NN_OK)
	{
		publish_load(model, held);
		return true;
	}
	abandon_load();
	if (status != NN_ENOMEM)
		lstm_throw_stored(&err, NULL);
	return false;
}

typedef enum Claim
{
	CLAIM_FOUND,				/* READY, and pinned */
	CLAIM_BUSY,					/* another session loads it */
	CLAIM_MINE,					/* LOADING, by us */
	CLAIM_NONE					/* no slot is free */
} Claim;

static Claim
claim(const char *key, Held *held)
{
	Claim		result = CLAIM_NONE;
	LstmSlot   *slot;

	lstm_slots_lock(LW_EXCLUSIVE);
	slot = lstm_slot_find(key);
	if (slot != NULL && slot->state == LSTM_SLOT_READY)
	{
		adopt(held, slot);
		pg_atomic_fetch_add_u64(&slot->n_hits, 1);
		result = CLAIM_FOUND;
	}
	else if (slot != NULL && slot->state == LSTM_SLOT_LOADING)
		result = CLAIM_BUSY;
	else if ((loading = lstm_slot_take(key)) != NULL)
	{
		memset(&loading_blocks, 0, sizeof(loading_blocks));
		result = CLAIM_MINE;
	}
	lstm_slots_unlock();
	return result;
}

/* Of WAIT_MS, by a clock that nobody sets. */
static long
ms_left(const instr_time *begin)
{
	instr_time	now;

	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, *begin);
	return WAIT_MS - (long) INSTR_TIME_GET_MILLISEC(now);
}

/* Claim, waiting for another loader for a while. */
static Claim
claim_or_wait(const char *key, Held *held)
{
	instr_time	begin;
	Claim		claimed;

	INSTR_TIME_SET_CURRENT(begin);
	ConditionVariablePrepareToSleep(lstm_slots_changed());
	while ((claimed = claim(key, held)) == CLAIM_BUSY)
	{
		long		left_ms = ms_left(&begin);

		if (left_ms <= 0 || ConditionVariableTimedSleep(lstm_slots_changed(), left_ms, PG_WAIT_EXTENSION))
			break;
	}
	ConditionVariableCancelSleep();
	return claimed;
}

/* ---- this session ------------------------------------------------------------------ */

/* Forget what has left; what is kept by a memory context that is still there, later. */
static void
sweep_held(void)
{
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &held_order)
	{
		Held	   *held = dlist_container(Held, node, iter.cur);

		if (held->key[0] != '\0' || held->n_holds > 0)
			continue;
		dlist_delete(&held->node);
		pfree(held);
	}
}

static void
transaction_over(void)
{
	dlist_iter	iter;

	abandon_load();
	if (n_pinned == 0)
		return;
	dlist_foreach(iter, &held_order)
	{
		Held	   *held = dlist_container(Held, node, iter.cur);

		held->is_used = false;
		unpin(held);
	}
	MemoryContextReset(answering_context);
}

static void
transaction_ended(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		transaction_over();
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *arg)
{
	/* A load opens no subtransaction: if one failed, so did the load. */
	if (event == SUBXACT_EVENT_ABORT_SUB)
		abandon_load();
}

/* The session ends, perhaps in the middle of something. */
static void
leave(int code, Datum arg)
{
	dlist_iter	iter;

	transaction_over();
	lstm_slots_lock(LW_SHARED);
	dlist_foreach(iter, &held_order)
	{
		Held	   *held = dlist_container(Held, node, iter.cur);

		if (held->key[0] != '\0' && is_there(held))
			pg_atomic_fetch_sub_u32(&held->slot->n_sessions, 1);
		held->n_holds = 0;
		unpin(held);
	}
	lstm_slots_unlock();
	dlist_init(&held_order);
}

/* Before a session's first use. */
static void
join_sessions(void)
{
	if (has_joined)
		return;
	answering_context = AllocSetContextCreate(TopMemoryContext, "pg_lstm answering", ALLOCSET_SMALL_SIZES);
	lstm_env_init(&answering, answering_context);
	before_shmem_exit(leave, (Datum) 0);
	has_joined = true;
}

NnModel *
lstm_shared_find(const char *key)
{
	dlist_iter	iter;
	Held	   *held = NULL;

	dlist_foreach(iter, &held_order)
	{
		held = dlist_container(Held, node, iter.cur);
		if (strcmp(held->key, key) == 0)
			break;
		held = NULL;
	}
	if (held == NULL)
		return NULL;
	dlist_move_head(&held_order, &held->node);
	if (likely(held->is_used))
		return held->model;

	lstm_slots_lock(LW_SHARED);
	if (is_there(held))
	{
		use(held);
		pg_atomic_fetch_add_u64(&held->slot->n_hits, 1);
	}
	else
		held->key[0] = '\0';
	lstm_slots_unlock();
	return held->is_used ? held->model : NULL;
}

/* A new entry of this session; nobody finds it before it has its key. */
static Held *
make_held(void)
{
	Held	   *held;

	join_sessions();
	sweep_held();
	held = MemoryContextAllocZero(TopMemoryContext, sizeof(Held));
	dlist_push_head(&held_order, &held->node);
	return held;
}

NnModel *
lstm_shared_join(const char *key)
{
	Held	   *held;
	LstmSlot   *slot;

	if (!lstm_slots_exist())
		return NULL;
	held = make_held();
	lstm_slots_lock(LW_SHARED);
	slot = lstm_slot_find_ready(key);
	if (slot != NULL)
	{
		adopt(held, slot);
		pg_atomic_fetch_add_u64(&slot->n_hits, 1);
	}
	lstm_slots_unlock();
	return held->model;
}

NnModel *
lstm_shared_load(LstmLoad *load)
{
	const char *key = load->ref->key;
	Claim		claimed;
	Held	   *held;

	if (!lstm_slots_exist())
		return NULL;
	/* In case that an error was caught and its transaction went on. */
	abandon_load();
	held = make_held();
	claimed = claim_or_wait(key, held);
	if (claimed == CLAIM_NONE && lstm_slots_evict())
		claimed = claim_or_wait(key, held);
	if (claimed == CLAIM_BUSY)
		return NULL;
	if (claimed == CLAIM_NONE || (claimed == CLAIM_MINE && !fill_claimed(load, held)))
	{
		warn_no_room(load->ref);
		return NULL;
	}
	return held->model;
}

static void
unhold(void *arg)
{
	Held	   *held = arg;

	/* The session may have left the cache before. */
	if (held->n_holds == 0)
		return;
	held->n_holds--;
	unpin(held);
}

bool
lstm_shared_pin(const NnModel *model, MemoryContext until)
{
	MemoryContextCallback *callback;
	dlist_iter	iter;

	dlist_foreach(iter, &held_order)
	{
		Held	   *held = dlist_container(Held, node, iter.cur);

		if (held->model != model || !held->is_pinned)
			continue;
		callback = MemoryContextAlloc(until, sizeof(MemoryContextCallback));
		callback->func = unhold;
		callback->arg = held;
		held->n_holds++;
		MemoryContextRegisterResetCallback(until, callback);
		return true;
	}
	return false;
}

void
lstm_shared_init(void)
{
	lstm_slots_init();
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
}
