/*
 * base/arena.c: blocks from the env, cut into pieces from the front.
 *
 *	block: | header, 64 bytes | piece | piece | ... never handed out |
 *	                                                ^ used
 *
 * The blocks form a list; only the newest is cut from.  A new block is as large
 * as all before it together (within bounds), so their number stays small.  A
 * reset keeps the largest block and remembers how much the round took; if that
 * was more than the block, the first piece of the next round replaces it by one
 * that holds the whole round.  From the third round of an even load on, no block
 * is taken or given back.
 *
 * Pieces must be zeroed.  The env zeroes blocks, so only the part of a block that
 * an earlier round has handed out (below `dirty`) is cleared again.
 *
 * Under AddressSanitizer what is not handed out is poisoned, the up to 63 bytes
 * behind each piece included.
 */
#include "base/arena.h"

#include <stdbool.h>
#include <string.h>

#include "base/poison.h"

#define ALIGNMENT		((size_t) 64)
#define BLOCK_BYTES_MIN	((size_t) 16 * 1024)	/* so that small arenas stay small */
#define BLOCK_BYTES_MAX ((size_t) 8 * 1024 * 1024)	/* growth stops here; one piece may be larger */

typedef struct Block
{
	struct Block *before;
	size_t		n_bytes;		/* header included */
	size_t		used;			/* offset of the first free byte */
	size_t		dirty;			/* bytes below it may not be zero */
} Block;

_Static_assert(sizeof(Block) <= 64, "a block's header must fit before its first piece");

struct NnArena
{
	NnEnv		env;
	Block	   *newest;
	size_t		n_bytes;		/* of all blocks */
	size_t		n_bytes_peak;
	size_t		round_bytes;	/* handed out since the last reset, and not rewound */
	size_t		round_peak;		/* at most */
	size_t		wanted_bytes;	/* what the round before took, if in several blocks; else 0 */
};

NnArena *
nn_arena_create(const NnEnv *env)
{
	NnArena    *arena = env->alloc(env->ctx, sizeof(NnArena));

	if (arena == NULL)
		return NULL;
	arena->env = *env;
	return arena;
}

const NnEnv *
nn_arena_env(const NnArena *arena)
{
	return &arena->env;
}

static void
release_block(NnArena *arena, Block *block)
{
	arena->n_bytes -= block->n_bytes;
	NN_UNPOISON(block, block->n_bytes);
	arena->env.release(arena->env.ctx, block);
}

void
nn_arena_destroy(NnArena *arena)
{
	NnEnv		env;

	if (arena == NULL)
		return;
	while (arena->newest != NULL)
	{
		Block	   *block = arena->newest;

		arena->newest = block->before;
		release_block(arena, block);
	}
	env = arena->env;
	env.release(env.ctx, arena);
}

void
nn_arena_reset(NnArena *arena)
{
	Block	   *largest = arena->newest;
	Block	   *block;

	if (largest == NULL)
		return;
	arena->wanted_bytes = largest->before != NULL || arena->round_peak > arena->round_bytes ? arena->round_peak : 0;
	arena->round_bytes = 0;
	arena->round_peak = 0;

	for (block = arena->newest; block != NULL; block = block->before)
		if (block->n_bytes > largest->n_bytes)
			largest = block;
	block = arena->newest;
	while (block != NULL)
	{
		Block	   *before = block->before;

		if (block != largest)
			release_block(arena, block);
		block = before;
	}
	largest->before = NULL;
	largest->dirty = largest->used > largest->dirty ? largest->used : largest->dirty;
	largest->used = ALIGNMENT;
	NN_POISON((char *) largest + ALIGNMENT, largest->n_bytes - ALIGNMENT);
	arena->newest = largest;
}

/* A block with room for at least n_bytes in front of the list. */
static bool
add_block(NnArena *arena, size_t n_bytes)
{
	size_t		n_block = arena->n_bytes;
	Block	   *block;

	if (n_block < BLOCK_BYTES_MIN)
		n_block = BLOCK_BYTES_MIN;
	if (n_block > BLOCK_BYTES_MAX)
		n_block = BLOCK_BYTES_MAX;
	if (n_block < nn_size_add(n_bytes, ALIGNMENT))
		n_block = nn_size_add(n_bytes, ALIGNMENT);
	if (n_block == SIZE_MAX)
		return false;

	block = arena->env.alloc(arena->env.ctx, n_block);
	if (block == NULL)
		return false;
	block->before = arena->newest;
	block->n_bytes = n_block;
	block->used = ALIGNMENT;
	block->dirty = ALIGNMENT;
	NN_POISON((char *) block + ALIGNMENT, n_block - ALIGNMENT);
	arena->newest = block;
	arena->n_bytes += n_block;
	if (arena->n_bytes > arena->n_bytes_peak)
		arena->n_bytes_peak = arena->n_bytes;
	return true;
}

/* Replace the kept block, still unused, by one that holds the whole round. */
static void
grow_kept_block(NnArena *arena)
{
	size_t		wanted = arena->wanted_bytes;
	Block	   *kept = arena->newest;

	arena->wanted_bytes = 0;
	if (wanted <= kept->n_bytes - ALIGNMENT)
		return;
	arena->newest = NULL;
	release_block(arena, kept);
	/* if it fails, the round goes on in smaller blocks */
	(void) add_block(arena, wanted);
}

/* A piece of the newest block; *n_dirty of its first bytes may not be zero. */
static void *
cut_piece(NnArena *arena, size_t n_asked, size_t *n_dirty)
{
	size_t		n_bytes;
	Block	   *block;
	char	   *piece;

	if (n_asked > SIZE_MAX - 2 * ALIGNMENT)
		return NULL;
	n_bytes = (n_asked + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
	if (n_bytes == 0)
		n_bytes = ALIGNMENT;	/* pieces of nothing still have places of their own */

	if (arena->wanted_bytes > 0)
		grow_kept_block(arena);
	block = arena->newest;
	if (block == NULL || n_bytes > block->n_bytes - block->used)
	{
		if (!add_block(arena, n_bytes))
			return NULL;
		block = arena->newest;
	}

	piece = (char *) block + block->used;
	NN_UNPOISON(piece, n_asked);
	*n_dirty = block->used < block->dirty ? block->dirty - block->used : 0;
	if (*n_dirty > n_asked)
		*n_dirty = n_asked;
	block->used += n_bytes;
	arena->round_bytes += n_bytes;
	if (arena->round_bytes > arena->round_peak)
		arena->round_peak = arena->round_bytes;
	return piece;
}

NnArenaMark
nn_arena_mark(NnArena *arena)
{
	NnArenaMark mark = {0};

	/* no block that a mark names may be replaced */
	if (arena->wanted_bytes > 0)
		grow_kept_block(arena);
	mark.block = arena->newest;
	mark.used = arena->newest != NULL ? arena->newest->used : 0;
	mark.round_bytes = arena->round_bytes;
	return mark;
}

void
nn_arena_rewind(NnArena *arena, const NnArenaMark *mark)
{
	Block	   *block;

	while (arena->newest != NULL && arena->newest != mark->block)
	{
		block = arena->newest;
		arena->newest = block->before;
		release_block(arena, block);
	}
	arena->round_bytes = mark->round_bytes;
	block = arena->newest;
	if (block == NULL)
		return;
	block->dirty = block->used > block->dirty ? block->used : block->dirty;
	block->used = mark->used;
	NN_POISON((char *) block + block->used, block->n_bytes - block->used);
}

bool
nn_arena_reserve(NnArena *arena, size_t n_bytes)
{
	if (arena->wanted_bytes > 0)
		grow_kept_block(arena);
	if (arena->newest != NULL && n_bytes <= arena->newest->n_bytes - arena->newest->used)
		return true;
	return add_block(arena, n_bytes);
}

void *
nn_arena_alloc(NnArena *arena, size_t n_items, size_t item_bytes)
{
	size_t		n_dirty;
	void	   *piece = cut_piece(arena, nn_size_mul(n_items, item_bytes), &n_dirty);

	if (piece != NULL && n_dirty > 0)
		memset(piece, 0, n_dirty);
	return piece;
}

void *
nn_arena_take(NnArena *arena, size_t n_items, size_t item_bytes)
{
	size_t		n_dirty;

	return cut_piece(arena, nn_size_mul(n_items, item_bytes), &n_dirty);
}

char *
nn_arena_copy(NnArena *arena, const void *bytes, size_t n_bytes)
{
	char	   *copy = nn_arena_alloc(arena, nn_size_add(n_bytes, 1), 1);

	if (copy != NULL && n_bytes > 0)
		memcpy(copy, bytes, n_bytes);
	return copy;
}

NnStatus
nn_arena_poll(const NnArena *arena)
{
	return arena->env.poll(arena->env.ctx) != 0 ? NN_ECANCELED : NN_OK;
}

NnStatus
nn_arena_poll_work(const NnArena *arena, double *done, double work, NnError *err)
{
	*done += work;
	if (*done < NN_POLL_WORK)
		return NN_OK;
	*done = 0.0;
	if (nn_arena_poll(arena) != NN_OK)
		return nn_fail(err, NN_ECANCELED, "canceled");
	return NN_OK;
}

size_t
nn_arena_bytes(const NnArena *arena)
{
	return arena->n_bytes;
}

size_t
nn_arena_peak_bytes(const NnArena *arena)
{
	return arena->n_bytes_peak;
}

size_t
nn_size_add(size_t a, size_t b)
{
	return a > SIZE_MAX - b ? SIZE_MAX : a + b;
}

size_t
nn_size_mul(size_t a, size_t b)
{
	return b != 0 && a > SIZE_MAX / b ? SIZE_MAX : a * b;
}

void
nn_array_init(NnArray *array, const NnEnv *env, size_t item_bytes)
{
	memset(array, 0, sizeof(*array));
	array->env = env;
	array->item_bytes = item_bytes;
}

static void
release_data(NnArray *array)
{
	const NnEnv *env = array->env;

	if (array->is_mapped)
		env->unmap(env->ctx, array->data, array->capacity * array->item_bytes);
	else
		env->release(env->ctx, array->data);
	array->data = NULL;
	array->is_mapped = false;
}

void
nn_array_free(NnArray *array)
{
	if (array->env != NULL)
		release_data(array);
	array->n = 0;
	array->capacity = 0;
}

/* The content in a new place of n_bytes bytes, in memory or in a file; false if there is none. */
static bool
move_data(NnArray *array, size_t capacity, size_t n_bytes)
{
	const NnEnv *env = array->env;
	bool		to_file = array->is_mapped || (array->map_bytes > 0 && n_bytes > array->map_bytes && env->map != NULL);
	void	   *data;

	if (array->is_mapped)
	{
		/* a file grows in its place */
		data = env->map(env->ctx, array->data, array->capacity * array->item_bytes, n_bytes);
		if (data == NULL)
			return false;
	}
	else
	{
		data = to_file ? env->map(env->ctx, NULL, 0, n_bytes) : env->alloc(env->ctx, n_bytes);
		if (data == NULL)
			return false;
		if (array->n > 0)
			memcpy(data, array->data, array->n * array->item_bytes);
		release_data(array);
	}
	array->data = data;
	array->capacity = capacity;
	array->is_mapped = to_file;
	return true;
}

/*
 * The capacity for n items of an array that has less.  Growth by half: the old and the new block
 * live side by side for a moment, so doubling would cost three times the content at its worst.
 */
static size_t
grown_capacity(const NnArray *array, size_t n)
{
	size_t		capacity = nn_size_add(array->capacity, array->capacity / 2);

	return capacity < n ? n : capacity < 16 ? 16 : capacity;
}

void *
nn_array_push(NnArray *array, size_t n_more)
{
	size_t		n = nn_size_add(array->n, n_more);
	void	   *at;

	if (n > array->capacity || array->data == NULL)
	{
		size_t		capacity = grown_capacity(array, n);
		size_t		n_bytes;

		n_bytes = nn_size_mul(capacity, array->item_bytes);
		if (n_bytes == SIZE_MAX || !move_data(array, capacity, n_bytes))
			return NULL;
	}
	at = (char *) array->data + array->n * array->item_bytes;
	array->n = n;
	return at;
}

size_t
nn_array_growth_bytes(const NnArray *array, size_t n_more)
{
	size_t		n = nn_size_add(array->n, n_more);
	size_t		n_bytes;

	if (n <= array->capacity || array->is_mapped)
		return 0;
	n_bytes = nn_size_mul(grown_capacity(array, n), array->item_bytes);
	if (array->map_bytes > 0 && n_bytes > array->map_bytes && array->env->map != NULL)
		return 0;
	return n_bytes - array->capacity * array->item_bytes;
}

size_t
nn_array_bytes(const NnArray *array)
{
	return array->is_mapped ? 0 : array->capacity * array->item_bytes;
}

size_t
nn_array_mapped_bytes(const NnArray *array)
{
	return array->is_mapped ? array->capacity * array->item_bytes : 0;
}
