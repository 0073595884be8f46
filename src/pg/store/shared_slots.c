/*
 * store/shared_slots.c: the directory of the models that all sessions share.
 */
#include "glue/compat.h"

#include "store/shared_slots.h"

#define N_SLOTS			512

typedef struct Directory
{
	ConditionVariable changed;
	pg_atomic_uint64 clock;		/* counts uses */
	uint64		n_loads;
	uint64		n_evicted;
	LstmSlot	slots[N_SLOTS];
} Directory;

static Directory *directory = NULL;

static void
start(void *memory)
{
	Directory  *made = memory;

	memset(made, 0, sizeof(*made));
	ConditionVariableInit(&made->changed);
	pg_atomic_init_u64(&made->clock, 0);
	for (int i = 0; i < N_SLOTS; i++)
	{
		pg_atomic_init_u64(&made->slots[i].n_hits, 0);
		pg_atomic_init_u64(&made->slots[i].last_used, 0);
		pg_atomic_init_u32(&made->slots[i].n_pins, 0);
		pg_atomic_init_u32(&made->slots[i].n_sessions, 0);
	}
}

void
lstm_slots_init(void)
{
	lstm_shared_memory_init(sizeof(Directory), start);
}

bool
lstm_slots_exist(void)
{
	directory = lstm_shared_directory();
	return directory != NULL;
}

void
lstm_slots_lock(LWLockMode mode)
{
	LWLockAcquire(lstm_shared_lock(), mode);
}

void
lstm_slots_unlock(void)
{
	LWLockRelease(lstm_shared_lock());
}

ConditionVariable *
lstm_slots_changed(void)
{
	return &directory->changed;
}

LstmSlot *
lstm_slot_find(const char *key)
{
	for (int i = 0; i < N_SLOTS; i++)
	{
		if (strcmp(directory->slots[i].key, key) == 0)
			return &directory->slots[i];
	}
	return NULL;
}

LstmSlot *
lstm_slot_find_ready(const char *key)
{
	LstmSlot   *slot = lstm_slot_find(key);

	return slot != NULL && slot->state == LSTM_SLOT_READY ? slot : NULL;
}

/* Of the slots in a state that nobody uses, the one that was not used for the longest time; or NULL. */
static LstmSlot *
oldest_slot(LstmSlotState state)
{
	LstmSlot   *oldest = NULL;

	for (int i = 0; i < N_SLOTS; i++)
	{
		LstmSlot   *slot = &directory->slots[i];

		if (slot->state == state && pg_atomic_read_u32(&slot->n_pins) == 0 &&
			(oldest == NULL || pg_atomic_read_u64(&slot->last_used) < pg_atomic_read_u64(&oldest->last_used)))
			oldest = slot;
	}
	return oldest;
}

LstmSlot *
lstm_slot_take(const char *key)
{
	LstmSlot   *slot = lstm_slot_find(key);

	if (slot == NULL)
		slot = oldest_slot(LSTM_SLOT_EMPTY);
	if (slot == NULL)
		return NULL;
	Assert(slot->state == LSTM_SLOT_EMPTY);
	if (strcmp(slot->key, key) != 0)
	{
		strlcpy(slot->key, key, sizeof(slot->key));
		slot->n_loads = 0;
		pg_atomic_write_u64(&slot->n_hits, 0);
	}
	slot->state = LSTM_SLOT_LOADING;
	return slot;
}

void
lstm_slot_fill(LstmSlot *slot, NnModel *model, const LstmBlocks *blocks)
{
	slot->model = model;
	slot->blocks = *blocks;
	slot->load = ++directory->n_loads;
	slot->n_loads++;
	pg_atomic_write_u32(&slot->n_sessions, 0);
	slot->state = LSTM_SLOT_READY;
}

void
lstm_slot_give_up(LstmSlot *slot)
{
	lstm_slots_lock(LW_EXCLUSIVE);
	slot->state = LSTM_SLOT_EMPTY;
	lstm_slots_unlock();
	ConditionVariableBroadcast(&directory->changed);
}

void
lstm_slot_pin(LstmSlot *slot)
{
	pg_atomic_fetch_add_u32(&slot->n_pins, 1);
	pg_atomic_write_u64(&slot->last_used, pg_atomic_add_fetch_u64(&directory->clock, 1));
}

void
lstm_slot_unpin(LstmSlot *slot)
{
	pg_atomic_fetch_sub_u32(&slot->n_pins, 1);
}

bool
lstm_slots_evict(void)
{
	LstmBlocks	blocks;
	LstmSlot   *slot;

	lstm_slots_lock(LW_EXCLUSIVE);
	slot = oldest_slot(LSTM_SLOT_READY);
	if (slot == NULL)
	{
		lstm_slots_unlock();
		return false;
	}
	blocks = slot->blocks;
	slot->state = LSTM_SLOT_EMPTY;
	slot->model = NULL;
	directory->n_evicted++;
	lstm_slots_unlock();
	lstm_blocks_free(&blocks);
	return true;
}

bool
lstm_slots_may_fit(size_t n_bytes)
{
	size_t		n_used = n_bytes;

	lstm_slots_lock(LW_SHARED);
	for (int i = 0; i < N_SLOTS; i++)
	{
		LstmSlot   *slot = &directory->slots[i];

		if (slot->state == LSTM_SLOT_READY && pg_atomic_read_u32(&slot->n_pins) > 0)
			n_used = nn_size_add(n_used, slot->blocks.n_bytes);
	}
	lstm_slots_unlock();
	return n_used <= lstm_blocks_limit();
}

/* ---- facts ------------------------------------------------------------------- */

bool
lstm_slots_cached(const char *key, LstmCached *cached)
{
	LstmSlot   *slot;

	if (!lstm_slots_exist())
		return false;
	lstm_slots_lock(LW_SHARED);
	slot = lstm_slot_find_ready(key);
	if (slot != NULL)
	{
		cached->is_shared = true;
		cached->n_bytes = (int64) slot->blocks.n_bytes;
		cached->n_sessions = (int) pg_atomic_read_u32(&slot->n_sessions);
		cached->n_pins = (int) pg_atomic_read_u32(&slot->n_pins);
		cached->n_hits = (int64) pg_atomic_read_u64(&slot->n_hits);
		cached->n_loads = (int64) slot->n_loads;
	}
	lstm_slots_unlock();
	return slot != NULL;
}

void
lstm_slots_facts(LstmCacheFacts *facts)
{
	if (!lstm_slots_exist())
		return;
	facts->is_shared = true;
	lstm_slots_lock(LW_SHARED);
	facts->n_evicted = directory->n_evicted;
	for (int i = 0; i < N_SLOTS; i++)
	{
		if (directory->slots[i].state != LSTM_SLOT_READY)
			continue;
		facts->n_shared++;
		facts->n_shared_bytes += directory->slots[i].blocks.n_bytes;
	}
	lstm_slots_unlock();
}
