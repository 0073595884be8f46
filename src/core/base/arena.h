/*
 * base/arena.h: memory that is given back all at once.
 *
 * An arena takes blocks from the env and hands out pieces, zeroed and aligned
 * to 64 bytes.  Pieces are never freed alone; nn_arena_reset() forgets all of
 * them and keeps the largest block for the next round, so a loop that resets
 * once a turn allocates nothing after its first turns.
 *
 * Also here: sizes computed without overflow, and a growing array.
 */
#ifndef NN_ARENA_H
#define NN_ARENA_H

#include <stdbool.h>
#include "base/env.h"
#include "base/status.h"

typedef struct NnArena NnArena;

/* NULL if out of memory.  env must outlive the arena. */
NnArena    *nn_arena_create(const NnEnv *env);
void		nn_arena_destroy(NnArena *arena);	/* NULL allowed */
void		nn_arena_reset(NnArena *arena);

/*
 * Forget the pieces handed out since the mark, and those alone: for one turn of a
 * loop whose answers stand in the same arena, before the mark.  A reset ends a mark.
 */
typedef struct NnArenaMark
{
	void	   *block;
	size_t		used;
	size_t		round_bytes;
} NnArenaMark;

NnArenaMark nn_arena_mark(NnArena *arena);
void		nn_arena_rewind(NnArena *arena, const NnArenaMark *mark);

/*
 * Have room for pieces of n_bytes in all, each rounded up to 64, in one block: for
 * a sum that is known, this wastes nothing between large pieces.  False if out of
 * memory.
 */
bool		nn_arena_reserve(NnArena *arena, size_t n_bytes);

/* n_items * item_bytes zeroed bytes; NULL if out of memory or on overflow. */
void	   *nn_arena_alloc(NnArena *arena, size_t n_items, size_t item_bytes);

/* The same without the zeros: for what is written before it is read. */
void	   *nn_arena_take(NnArena *arena, size_t n_items, size_t item_bytes);

/* A copy of n_bytes bytes and a 0 byte behind them. */
char	   *nn_arena_copy(NnArena *arena, const void *bytes, size_t n_bytes);

/* Where its blocks come from: for memory that is to go when the arena's does, even if poll() does not return. */
const NnEnv *nn_arena_env(const NnArena *arena);

/* Ask the env's poll: NN_OK or NN_ECANCELED.  May not return. */
NnStatus	nn_arena_poll(const NnArena *arena);

/*
 * The same once NN_POLL_WORK multiplications are done, a few milliseconds: *done, which begins as 0, counts
 * them; call it before so many more (work).
 */
#define NN_POLL_WORK 4e6
NnStatus	nn_arena_poll_work(const NnArena *arena, double *done, double work, NnError *err);

/* Bytes taken from the env by this arena, now and at most. */
size_t		nn_arena_bytes(const NnArena *arena);
size_t		nn_arena_peak_bytes(const NnArena *arena);

#define NN_ALLOC(arena, type, n) ((type *) nn_arena_alloc((arena), (n), sizeof(type)))
#define NN_TAKE(arena, type, n) ((type *) nn_arena_take((arena), (n), sizeof(type)))

/* Saturating size arithmetic: SIZE_MAX means "too large for anything". */
size_t		nn_size_add(size_t a, size_t b);
size_t		nn_size_mul(size_t a, size_t b);

/*
 * A growing array outside any arena, for streams whose length is not known.
 * Zero-initialize, set env and item_bytes (nn_array_init), push, free.  One that
 * grows past map_bytes moves to a temporary file of the host (env->map), if it
 * has such.
 */
typedef struct NnArray
{
	const NnEnv *env;
	void	   *data;
	size_t		n;				/* items in use */
	size_t		capacity;		/* items allocated */
	size_t		item_bytes;
	size_t		map_bytes;		/* the most to hold in memory; 0: all */
	bool		is_mapped;		/* data is in a file */
} NnArray;

void		nn_array_init(NnArray *array, const NnEnv *env, size_t item_bytes);
void		nn_array_free(NnArray *array);

/* Room for n_more items behind the last; NULL if out of memory.  Counts them as in use. */
void	   *nn_array_push(NnArray *array, size_t n_more);

/* By how many bytes of memory it would grow if so many more items were pushed now. */
size_t		nn_array_growth_bytes(const NnArray *array, size_t n_more);

/* Bytes allocated in memory, and in a file: one of them is 0. */
size_t		nn_array_bytes(const NnArray *array);
size_t		nn_array_mapped_bytes(const NnArray *array);

#endif							/* NN_ARENA_H */
