/*
 * exec/progress_slots.c: trainings of all sessions, in shared memory.
 *
 * A few slots, each with a spinlock of its own.  They are taken from the server's main
 * shared memory when the first training begins, with or without
 * shared_preload_libraries: a server has more room to spare than these kilobytes.  A
 * training that finds no slot is not seen, and that is all.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/procarray.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "exec/progress.h"

#define N_SLOTS 32

typedef struct ProgressSlot
{
	slock_t		mutex;
	LstmProgressRow row;
} ProgressSlot;

static ProgressSlot *slots = NULL;

/* This process's slot, or -1. */
static int	own_slot = -1;

static void
attach(void)
{
	bool		is_found;

	if (slots != NULL)
		return;
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	slots = ShmemInitStruct("pg_lstm progress", sizeof(ProgressSlot) * N_SLOTS, &is_found);
	if (!is_found)
	{
		memset(slots, 0, sizeof(ProgressSlot) * N_SLOTS);
		for (int i = 0; i < N_SLOTS; i++)
			SpinLockInit(&slots[i].mutex);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
release(void *arg)
{
	void		(*leave) (void) = arg;

	if (own_slot < 0)
		return;
	if (leave != NULL)
		leave();
	SpinLockAcquire(&slots[own_slot].mutex);
	slots[own_slot].row.pid = 0;
	SpinLockRelease(&slots[own_slot].mutex);
	own_slot = -1;
}

static void
release_at_exit(int code, Datum arg)
{
	release(NULL);
}

static bool
take(ProgressSlot *slot)
{
	bool		is_free;

	SpinLockAcquire(&slot->mutex);
	is_free = slot->row.pid == 0;
	if (is_free)
	{
		memset(&slot->row, 0, sizeof(slot->row));
		slot->row.pid = MyProcPid;
	}
	SpinLockRelease(&slot->mutex);
	return is_free;
}

int
lstm_progress_take_slot(MemoryContext context, void (*leave) (void))
{
	static bool is_registered = false;
	MemoryContextCallback *callback;

	attach();
	/* a training within a training, by a function that a view calls, say, is not seen */
	if (own_slot >= 0)
		return -1;
	if (!is_registered)
		before_shmem_exit(release_at_exit, (Datum) 0);
	is_registered = true;
	callback = MemoryContextAllocZero(context, sizeof(MemoryContextCallback));
	callback->func = release;
	callback->arg = leave;
	for (int i = 0; i < N_SLOTS && own_slot < 0; i++)
	{
		if (take(&slots[i]))
			own_slot = i;
	}
	if (own_slot >= 0)
		MemoryContextRegisterResetCallback(context, callback);
	return own_slot;
}

void
lstm_progress_fill_slot(int slot, const LstmProgressRow *row)
{
	if (slot < 0)
		return;
	SpinLockAcquire(&slots[slot].mutex);
	slots[slot].row = *row;
	SpinLockRelease(&slots[slot].mutex);
}

int
lstm_progress_list(LstmProgressRow **rows)
{
	int			n = 0;

	attach();
	*rows = palloc(sizeof(LstmProgressRow) * N_SLOTS);
	for (int i = 0; i < N_SLOTS; i++)
	{
		LstmProgressRow *row = &(*rows)[n];

		SpinLockAcquire(&slots[i].mutex);
		*row = slots[i].row;
		SpinLockRelease(&slots[i].mutex);
		if (row->pid != 0 && BackendPidGetProc(row->pid) != NULL)
			n++;
	}
	return n;
}
