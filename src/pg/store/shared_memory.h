/*
 * store/shared_memory.h: the server's shared memory for models: a directory,
 * and blocks that models are read into.
 *
 * It is reserved when the server starts, if shared_preload_libraries names us,
 * as a part of the server's main shared memory.  That stands at the same
 * address in every process, as does this library, which they all got from the
 * postmaster: so what lies there may point at other things that lie there and at
 * functions of ours.  It is as large as pg_lstm.cache_size, whatever is in it;
 * pages that were never used take no memory.  A crash of a process empties it.
 */
#ifndef LSTM_SHARED_MEMORY_H
#define LSTM_SHARED_MEMORY_H

#include "storage/lwlock.h"
#include "utils/dsa.h"

/* The blocks of one model, given back all at once. */
typedef struct LstmBlocks
{
	dsa_pointer first;
	size_t		n_bytes;		/* of all */
} LstmBlocks;

/*
 * Once, when the library is loaded: ask for the memory.  start fills the
 * directory of directory_bytes, in the postmaster.
 */
extern void lstm_shared_memory_init(size_t directory_bytes, void (*start) (void *directory));

/* The directory, NULL if there is no shared memory of ours; and the lock that guards it. */
extern void *lstm_shared_directory(void);
extern LWLock *lstm_shared_lock(void);

/* A block aligned to 64 bytes that becomes one of blocks, not zeroed; NULL if there is no room. */
extern char *lstm_blocks_add(LstmBlocks *blocks, size_t n_bytes);

/* Free all of them. */
extern void lstm_blocks_free(LstmBlocks *blocks);

/* This process has no arena in blocks any more, or has filled it for good; for AddressSanitizer. */
extern void lstm_blocks_unpoison(void);

/* Bytes that blocks can have together, about. */
extern size_t lstm_blocks_limit(void);

#endif							/* LSTM_SHARED_MEMORY_H */
