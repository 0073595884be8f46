/*
 * train/ngrams.c: words and n-grams numbered by tries.
 *
 * The table is open addressing with linear probing over a power of two of slots,
 * at most two thirds in use; a slot's key is the edge itself, so nothing depends
 * on hashes being different.
 *
 * A word is walked in pieces of three bytes, the last may be shorter; a label is a
 * piece with its length above it.  All pieces but the last are full, so different
 * words end at different nodes.
 */
#include "train/ngrams.h"

#include <string.h>

#include "base/rng.h"

#define N_SLOTS_MIN		((size_t) 256)
#define PIECE_BYTES		3

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory while counting words");
}

NnStatus
nn_trie_init(NnTrie *trie, NnArena *arena, NnError *err)
{
	memset(trie, 0, sizeof(*trie));
	trie->arena = arena;
	trie->n_slots = N_SLOTS_MIN;
	trie->edges = NN_ALLOC(arena, NnTrieEdge, trie->n_slots);
	return trie->edges != NULL ? NN_OK : out_of_memory(err);
}

/* The edge's slot, or the empty one where it would be. */
static NnTrieEdge *
find_slot(const NnTrie *trie, uint32_t from, uint32_t label)
{
	size_t		mask = trie->n_slots - 1;
	size_t		at = nn_mix64((uint64_t) from << 32 | label) & mask;

	while (trie->edges[at].to != 0 && (trie->edges[at].from != from || trie->edges[at].label != label))
		at = (at + 1) & mask;
	return &trie->edges[at];
}

/* Twice the slots.  On failure the trie is as it was. */
static NnStatus
grow(NnTrie *trie, NnError *err)
{
	NnTrie		larger = *trie;

	larger.n_slots = nn_size_mul(trie->n_slots, 2);
	larger.edges = NN_ALLOC(trie->arena, NnTrieEdge, larger.n_slots);
	if (larger.edges == NULL)
		return out_of_memory(err);
	for (size_t i = 0; i < trie->n_slots; i++)
	{
		const NnTrieEdge *edge = &trie->edges[i];

		NN_TRY(nn_poll_at(trie->arena, i));
		if (edge->to != 0)
			*find_slot(&larger, edge->from, edge->label) = *edge;
	}
	*trie = larger;
	return NN_OK;
}

uint32_t
nn_trie_find(const NnTrie *trie, uint32_t from, uint32_t label)
{
	return find_slot(trie, from, label)->to;
}

NnStatus
nn_trie_add(NnTrie *trie, uint32_t from, uint32_t label, uint32_t *to, NnError *err)
{
	NnTrieEdge *slot = find_slot(trie, from, label);

	if (slot->to == 0)
	{
		if (trie->n_nodes >= trie->n_slots - trie->n_slots / 3)
		{
			NN_TRY(grow(trie, err));
			slot = find_slot(trie, from, label);
		}
		if (trie->n_nodes >= INT32_MAX)
			return nn_fail(err, NN_ELIMIT, "too many different words to count");
		slot->from = from;
		slot->label = label;
		slot->to = ++trie->n_nodes;
	}
	*to = slot->to;
	return NN_OK;
}

static NnStatus
number_word(NnTrie *trie, bool is_open, const char *bytes, size_t n_bytes, uint32_t *word, NnError *err)
{
	uint32_t	node = 0;

	*word = 0;
	for (size_t at = 0; at < n_bytes; at += PIECE_BYTES)
	{
		size_t		n = n_bytes - at < PIECE_BYTES ? n_bytes - at : PIECE_BYTES;
		uint32_t	label = (uint32_t) n;

		for (size_t i = 0; i < n; i++)
			label = label << 8 | (unsigned char) bytes[at + i];
		if (is_open)
			NN_TRY(nn_trie_add(trie, node, label, &node, err));
		else
			node = nn_trie_find(trie, node, label);
		if (node == 0)
			return NN_OK;
	}
	*word = node;
	return NN_OK;
}

NnStatus
nn_words_read(NnWords *words, NnTrie *trie, bool is_open, NnTokenRule rule,
			  const char *text, size_t n_bytes, NnError *err)
{
	NnArena    *arena = trie->arena;
	NnTokens	tokens;
	const char *token;
	size_t		n_token;
	size_t		n = 0;

	NN_TRY(nn_tokens_init(&tokens, rule, text, n_bytes, arena, err));
	while (nn_tokens_next(&tokens, &n_token) != NULL)
		NN_TRY(nn_poll_at(arena, n++));

	words->n = 0;
	words->word = NN_TAKE(arena, uint32_t, n);
	if (words->word == NULL)
		return out_of_memory(err);
	nn_tokens_rewind(&tokens);
	while ((token = nn_tokens_next(&tokens, &n_token)) != NULL)
	{
		NN_TRY(nn_poll_at(arena, words->n));
		NN_TRY(number_word(trie, is_open, token, n_token, &words->word[words->n], err));
		words->n++;
	}
	return NN_OK;
}

NnStatus
nn_grams_add(NnTrie *trie, const NnWords *words, uint32_t *gram, NnError *err)
{
	for (size_t i = 0; i < words->n; i++)
	{
		uint32_t   *ends_here = gram + i * NN_GRAM_ORDERS;

		NN_TRY(nn_poll_at(trie->arena, i));
		NN_TRY(nn_trie_add(trie, 0, words->word[i], &ends_here[0], err));
		for (size_t k = 1; k < NN_GRAM_ORDERS; k++)
		{
			uint32_t	shorter = i >= k ? ends_here[(ptrdiff_t) k - 1 - NN_GRAM_ORDERS] : 0;

			ends_here[k] = 0;
			if (shorter != 0)
				NN_TRY(nn_trie_add(trie, shorter, words->word[i], &ends_here[k], err));
		}
	}
	return NN_OK;
}

NnStatus
nn_grams_find(const NnTrie *trie, const NnWords *words, uint32_t *gram)
{
	for (size_t i = 0; i < words->n; i++)
	{
		uint32_t   *ends_here = gram + i * NN_GRAM_ORDERS;

		NN_TRY(nn_poll_at(trie->arena, i));
		ends_here[0] = nn_trie_find(trie, 0, words->word[i]);
		for (size_t k = 1; k < NN_GRAM_ORDERS; k++)
		{
			uint32_t	shorter = i >= k ? ends_here[(ptrdiff_t) k - 1 - NN_GRAM_ORDERS] : 0;

			ends_here[k] = shorter != 0 ? nn_trie_find(trie, shorter, words->word[i]) : 0;
		}
	}
	return NN_OK;
}
