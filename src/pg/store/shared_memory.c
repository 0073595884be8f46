/*
 * store/shared_memory.c: the server's shared memory for models.
 *
 *	directory | DSA area: block | block | ...
 *
 * The area is a dsa_area that may not grow: it never makes a dynamic segment,
 * so neither /dev/shm nor dynamic_shared_memory_type matter.  Each block begins
 * with a header that chains it to the others of its model.
 */
#include "glue/compat.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#include "base/poison.h"
#include "glue/settings.h"
#include "store/shared_memory.h"

#define NAME		"pg_lstm"

/* Core's kernels load whole cache lines. */
#define ALIGNMENT	64

/* What the area needs for itself, beside 64 kB for each size of small blocks. */
#define AREA_BYTES	((size_t) 256 * 1024)

typedef struct BlockHeader
{
	dsa_pointer next;
} BlockHeader;

static size_t directory_bytes = 0;
static void (*start_directory) (void *directory) = NULL;
static shmem_startup_hook_type next_startup_hook = NULL;
#ifdef LSTM_HAS_SHMEM_REQUEST_HOOK
static shmem_request_hook_type next_request_hook = NULL;
#endif

/* Set by the postmaster, inherited by its children. */
static char *directory = NULL;
static char *place = NULL;		/* the area's */
static LWLock *lock = NULL;

/* This process's access to the area; only those that load or evict have one. */
static dsa_area *area = NULL;

static size_t
area_bytes(void)
{
	return lstm_megabytes(lstm_cache_size_mb);
}

static void
request(void)
{
#ifdef LSTM_HAS_SHMEM_REQUEST_HOOK
	if (next_request_hook != NULL)
		next_request_hook();
#endif
	RequestAddinShmemSpace(add_size(directory_bytes, area_bytes()));
	RequestNamedLWLockTranche(NAME, 1);
}

static void
startup(void)
{
	bool		is_found;
	dsa_area   *made;

	if (next_startup_hook != NULL)
		next_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	directory = ShmemInitStruct(NAME, add_size(directory_bytes, area_bytes()), &is_found);
	place = directory + directory_bytes;
	lock = &GetNamedLWLockTranche(NAME)->lock;
	if (!is_found)
	{
		start_directory(directory);
		made = dsa_create_in_place(place, area_bytes(), lock->tranche, NULL);
		dsa_pin(made);
		dsa_set_size_limit(made, area_bytes());
		/* The postmaster never looks into it again. */
		dsa_detach(made);
	}
	LWLockRelease(AddinShmemInitLock);
}

void
lstm_shared_memory_init(size_t bytes, void (*start) (void *directory))
{
#ifndef EXEC_BACKEND
	/* Where processes are not forked, our functions may stand elsewhere in each. */
	if (!process_shared_preload_libraries_in_progress)
		return;
	directory_bytes = CACHELINEALIGN(bytes);
	start_directory = start;
	next_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
#ifdef LSTM_HAS_SHMEM_REQUEST_HOOK
	next_request_hook = shmem_request_hook;
	shmem_request_hook = request;
#else
	request();
#endif
#endif
}

void *
lstm_shared_directory(void)
{
	return directory;
}

LWLock *
lstm_shared_lock(void)
{
	return lock;
}

static void
attach(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	area = dsa_attach_in_place(place, NULL);
	dsa_pin_mapping(area);
	on_shmem_exit(dsa_on_shmem_exit_release_in_place, PointerGetDatum(place));
	MemoryContextSwitchTo(old);
}

char *
lstm_blocks_add(LstmBlocks *blocks, size_t n_bytes)
{
	size_t		n_whole;
	dsa_pointer made;
	BlockHeader *header;

	if (n_bytes > area_bytes())
		return NULL;
	if (area == NULL)
		attach();
	n_whole = sizeof(BlockHeader) + ALIGNMENT + n_bytes;
	made = dsa_allocate_extended(area, n_whole, DSA_ALLOC_HUGE | DSA_ALLOC_NO_OOM);
	if (!DsaPointerIsValid(made))
		return NULL;
	header = dsa_get_address(area, made);
	header->next = blocks->first;
	blocks->first = made;
	blocks->n_bytes += n_whole;
	return (char *) TYPEALIGN(ALIGNMENT, header + 1);
}

void
lstm_blocks_free(LstmBlocks *blocks)
{
	if (area == NULL)
		attach();
	while (DsaPointerIsValid(blocks->first))
	{
		dsa_pointer block = blocks->first;

		blocks->first = ((BlockHeader *) dsa_get_address(area, block))->next;
		dsa_free(area, block);
	}
	blocks->n_bytes = 0;
}

/* Any process may free blocks and fill them anew, of which this one's poison would know nothing. */
void
lstm_blocks_unpoison(void)
{
	NN_UNPOISON(place, area_bytes());
}

size_t
lstm_blocks_limit(void)
{
	return area_bytes() - AREA_BYTES;
}
