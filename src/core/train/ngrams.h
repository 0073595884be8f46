/*
 * train/ngrams.h: inside this room: numbers for words and for runs of words.
 *
 * A trie whose edges are the entries of one hash table: (node, label) -> node.
 * Node 0 is the root; others are numbered from 1 as they come.  Two of them number
 * everything exactly, without a copy of any text: in the first, labels are pieces
 * of words, so a node is a word; in the second, labels are words, so a node is an
 * n-gram, reached from the one that is shorter by its last word.
 */
#ifndef NN_NGRAMS_H
#define NN_NGRAMS_H

#include "train/tokens_13a.h"

#define NN_GRAM_ORDERS	4		/* n = 1 ... 4 */

typedef struct NnTrieEdge
{
	uint32_t	from;
	uint32_t	label;
	uint32_t	to;				/* 0: an empty slot */
} NnTrieEdge;

typedef struct NnTrie
{
	NnArena    *arena;
	NnTrieEdge *edges;			/* (n_slots) */
	size_t		n_slots;		/* a power of two */
	uint32_t	n_nodes;		/* without the root */
} NnTrie;

/* Edges are taken from arena; outgrown tables stay there, together smaller than the last. */
NnStatus	nn_trie_init(NnTrie *trie, NnArena *arena, NnError *err);

/* The node that label leads to, or 0. */
uint32_t	nn_trie_find(const NnTrie *trie, uint32_t from, uint32_t label);

/* The same, made if need be.  Polls while it grows. */
NnStatus	nn_trie_add(NnTrie *trie, uint32_t from, uint32_t label, uint32_t *to, NnError *err);

/* A text as the numbers of its words. */
typedef struct NnWords
{
	size_t		n;
	uint32_t   *word;			/* (n) nodes of the trie of words; 0: not in it */
} NnWords;

/*
 * Cut text by rule and number its words; new ones are numbered too (is_open), or 0.
 * The numbers, and a copy of the text, are taken from the trie's arena.
 */
NnStatus	nn_words_read(NnWords *words, NnTrie *trie, bool is_open, NnTokenRule rule,
						  const char *text, size_t n_bytes, NnError *err);

/*
 * The numbers of the text's n-grams into gram (n, 4): [i][k] is that of k + 1 words
 * whose last is i; 0 where there is none.
 */
NnStatus	nn_grams_add(NnTrie *trie, const NnWords *words, uint32_t *gram, NnError *err);

/* The same without new ones: 0 too for what the trie does not know. */
NnStatus	nn_grams_find(const NnTrie *trie, const NnWords *words, uint32_t *gram);

/* Asked at every item of a long loop, polls at every 65536th. */
static inline NnStatus
nn_poll_at(const NnArena *arena, size_t i)
{
	return i % 65536 == 0 ? nn_arena_poll(arena) : NN_OK;
}

#endif							/* NN_NGRAMS_H */
