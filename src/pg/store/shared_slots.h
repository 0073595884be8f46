/*
 * store/shared_slots.h: the directory of the models that all sessions share.
 *
 * The directory is an array of slots in shared memory, guarded by one lock.  A
 * slot goes EMPTY -> LOADING -> READY -> EMPTY:
 *
 *	LOADING	one session reads the weights file, holding no lock; it alone knows
 *			the blocks that it fills.
 *	READY	the model is whole and nobody writes to it again.  It is used through
 *			its pointer, which is good in every process (shared_memory.h).
 *
 * Who uses a model pins it; it is not evicted before the last pin is gone.  Pins
 * are taken under the shared lock and dropped under none; who evicts holds the
 * lock alone and so sees no new ones.  A slot that was emptied keeps its key and
 * its count of loads until another model needs it.
 *
 * Nothing is removed because a version was dropped: the memory was set aside
 * anyway, its key says what it is, and what nobody uses is what leaves next.
 */
#ifndef LSTM_SHARED_SLOTS_H
#define LSTM_SHARED_SLOTS_H

#include "port/atomics.h"
#include "storage/condition_variable.h"

#include "store/cache.h"
#include "store/shared_memory.h"

typedef enum LstmSlotState
{
	LSTM_SLOT_EMPTY,
	LSTM_SLOT_LOADING,
	LSTM_SLOT_READY
} LstmSlotState;

typedef struct LstmSlot
{
	char		key[LSTM_DIGEST_CHARS + 1];
	LstmSlotState state;
	uint64		load;			/* number of the load that filled it: tells what is here from what was */
	NnModel    *model;
	LstmBlocks	blocks;
	uint64		n_loads;		/* of this key */
	pg_atomic_uint64 n_hits;
	pg_atomic_uint64 last_used; /* by the directory's clock */
	pg_atomic_uint32 n_pins;
	pg_atomic_uint32 n_sessions;
} LstmSlot;

/* Once, when the library is loaded. */
extern void lstm_slots_init(void);

/* Is there a directory?  Ask before anything else. */
extern bool lstm_slots_exist(void);

extern void lstm_slots_lock(LWLockMode mode);
extern void lstm_slots_unlock(void);

/* ---- under the lock ---------------------------------------------------------- */

/* The slot of a key, in any state; or NULL. */
extern LstmSlot *lstm_slot_find(const char *key);

/* ... READY; or NULL. */
extern LstmSlot *lstm_slot_find_ready(const char *key);

/* A slot that is now LOADING the key; NULL if all are in use.  The lock is the caller's alone. */
extern LstmSlot *lstm_slot_take(const char *key);

/* LOADING -> READY, with no session yet. */
extern void lstm_slot_fill(LstmSlot *slot, NnModel *model, const LstmBlocks *blocks);

extern void lstm_slot_pin(LstmSlot *slot);

/* ---- takes the lock itself, or needs none ---------------------------------------- */

extern void lstm_slot_unpin(LstmSlot *slot);

/* LOADING -> EMPTY. */
extern void lstm_slot_give_up(LstmSlot *slot);

/* Signaled when a slot is no longer LOADING. */
extern ConditionVariable *lstm_slots_changed(void);

/* Evict the model that was not used for the longest time; false if all are in use. */
extern bool lstm_slots_evict(void);

/* Would so many bytes fit if all models left that nobody uses? */
extern bool lstm_slots_may_fit(size_t n_bytes);

extern bool lstm_slots_cached(const char *key, LstmCached *cached);
extern void lstm_slots_facts(LstmCacheFacts *facts);

#endif							/* LSTM_SHARED_SLOTS_H */
