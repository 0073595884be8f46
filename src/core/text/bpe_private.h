/*
 * text/bpe_private.h: what bpe.c and bpe_pairs.c share.
 */
#ifndef NN_BPE_PRIVATE_H
#define NN_BPE_PRIVATE_H

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "text/bpe.h"
#include "text/table.h"

typedef struct NnBpeWord
{
	int64_t		n_tokens;
	int32_t		n_rows;
	int32_t		at;				/* of its first symbol */
	int32_t		n;				/* symbols left */
	int32_t		visited;		/* the last merge that came to it */
} NnBpeWord;

typedef struct NnBpeSymbol
{
	uint32_t	at;				/* of its bytes */
	uint32_t	n_bytes;
} NnBpeSymbol;

typedef struct NnBpePair
{
	int32_t		left;
	int32_t		right;
	int64_t		count;			/* tokens; each place in a word counts */
	int64_t		queued;			/* count of its entry in the heap, 0 if it has none */
	int32_t		places;			/* first of its list, -1 at the end */
	bool		is_touched;		/* by the merge that is running */
} NnBpePair;

typedef struct NnBpePlace
{
	int32_t		word;
	int32_t		next;
} NnBpePlace;

typedef struct NnBpeEntry
{
	int64_t		count;
	int32_t		pair;
} NnBpeEntry;

typedef struct NnBpe
{
	const NnEnv *env;
	NnArena    *arena;
	NnBpeWord  *words;
	int32_t		n_words;
	int32_t    *symbols;		/* of all words, end to end */
	NnArray		strings;		/* NnBpeSymbol: 256 bytes, then the units */
	NnArray		bytes;			/* of all symbols */
	NnTable		by_string;		/* hash of a unit's bytes -> symbol */
	NnArray		pairs;			/* NnBpePair */
	NnTable		by_pair;		/* mixed (left, right) -> pair + 1 */
	NnArray		places;			/* NnBpePlace */
	NnArray		heap;			/* NnBpeEntry */
	NnArray		touched;		/* int32_t: pairs that the running merge made more frequent */
	int32_t		n_merges;
	size_t		work;			/* since the last poll */
} NnBpe;

static inline NnBpeSymbol
nn_bpe_symbol(const NnBpe *bpe, int32_t symbol)
{
	return ((const NnBpeSymbol *) bpe->strings.data)[symbol];
}

static inline NnBpePair *
nn_bpe_pair(const NnBpe *bpe, int32_t pair)
{
	return (NnBpePair *) bpe->pairs.data + pair;
}

/* Polls once enough work (symbols or entries of the heap) was done. */
NnStatus	nn_bpe_poll_after(NnBpe *bpe, size_t work);

/* One more place of a pair, in this word; one place less. */
NnStatus	nn_bpe_add_pair(NnBpe *bpe, int32_t left, int32_t right, int32_t word);
NnStatus	nn_bpe_drop_pair(NnBpe *bpe, int32_t left, int32_t right, int32_t word);

/* Queue the pairs that have become more frequent than their entries say. */
NnStatus	nn_bpe_push_touched(NnBpe *bpe);

/* The most frequent pair, if any has count_min; else -1. */
NnStatus	nn_bpe_pop_pair(NnBpe *bpe, int64_t count_min, int32_t *number);

#endif							/* NN_BPE_PRIVATE_H */
