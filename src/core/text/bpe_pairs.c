/*
 * text/bpe_pairs.c: which pair of symbols is the most frequent.
 *
 * Counting anew after each merge would cost a pass over all words.  Instead
 *
 *	pairs	holds for each pair its count and a list of words it was seen in;
 *	heap	orders the pairs; a merge visits the pair's words only and moves the
 *			counts of the neighbors.
 *
 * The heap is lazy.  A pair has at most one entry that counts, with the count
 * `queued` in the pair.  An entry with another count is left over and dropped; if
 * the pair's count has sunk below its entry's, the entry goes back in with what is
 * left.  Lists of words may hold a word twice, or one that has the pair no more;
 * a visit finds out.
 *
 * Equal counts are decided by the bytes of the pair, then by where it is split,
 * so that neither the order of the lexicon nor that of the table is seen in the
 * result.
 */
#include "text/bpe_private.h"

/* Work units (symbols or heap entries) between polls: well below 20 ms. */
#define POLL_WORK	65536

NnStatus
nn_bpe_poll_after(NnBpe *bpe, size_t work)
{
	bpe->work += work;
	if (bpe->work < POLL_WORK)
		return NN_OK;
	bpe->work = 0;
	return bpe->env->poll(bpe->env->ctx) != 0 ? NN_ECANCELED : NN_OK;
}

/* ---- the heap -------------------------------------------------------------------- */

/* Byte i of the string that two symbols make. */
static inline uint8_t
pair_byte(const NnBpe *bpe, NnBpeSymbol left, NnBpeSymbol right, uint32_t i)
{
	const uint8_t *bytes = bpe->bytes.data;

	return i < left.n_bytes ? bytes[left.at + i] : bytes[right.at + i - left.n_bytes];
}

/* Should pair a be merged before b, both being equally frequent? */
static bool
is_pair_before(const NnBpe *bpe, const NnBpePair *a, const NnBpePair *b)
{
	NnBpeSymbol a_left = nn_bpe_symbol(bpe, a->left);
	NnBpeSymbol a_right = nn_bpe_symbol(bpe, a->right);
	NnBpeSymbol b_left = nn_bpe_symbol(bpe, b->left);
	NnBpeSymbol b_right = nn_bpe_symbol(bpe, b->right);
	uint32_t	a_bytes = a_left.n_bytes + a_right.n_bytes;
	uint32_t	b_bytes = b_left.n_bytes + b_right.n_bytes;
	uint32_t	i;

	for (i = 0; i < a_bytes && i < b_bytes; i++)
	{
		uint8_t		a_byte = pair_byte(bpe, a_left, a_right, i);
		uint8_t		b_byte = pair_byte(bpe, b_left, b_right, i);

		if (a_byte != b_byte)
			return a_byte < b_byte;
	}
	if (a_bytes != b_bytes)
		return a_bytes < b_bytes;
	return a_left.n_bytes < b_left.n_bytes;
}

static bool
is_entry_before(const NnBpe *bpe, NnBpeEntry a, NnBpeEntry b)
{
	if (a.count != b.count)
		return a.count > b.count;
	return a.pair != b.pair && is_pair_before(bpe, nn_bpe_pair(bpe, a.pair), nn_bpe_pair(bpe, b.pair));
}

/* Queue a pair with its present count. */
static NnStatus
push_pair(NnBpe *bpe, int32_t number)
{
	NnBpePair  *pair = nn_bpe_pair(bpe, number);
	NnBpeEntry	entry = {pair->count, number};
	NnBpeEntry *heap;
	size_t		i;

	pair->queued = pair->count;
	if (nn_array_push(&bpe->heap, 1) == NULL)
		return NN_ENOMEM;
	heap = bpe->heap.data;
	for (i = bpe->heap.n - 1; i > 0 && is_entry_before(bpe, entry, heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = entry;
	return NN_OK;
}

/* Take the first entry off a heap that is not empty. */
static NnBpeEntry
pop_entry(NnBpe *bpe)
{
	NnBpeEntry *heap = bpe->heap.data;
	NnBpeEntry	first = heap[0];
	NnBpeEntry	last = heap[--bpe->heap.n];
	size_t		n = bpe->heap.n;
	size_t		i = 0;

	for (;;)
	{
		size_t		child = 2 * i + 1;

		if (child >= n)
			break;
		if (child + 1 < n && is_entry_before(bpe, heap[child + 1], heap[child]))
			child++;
		if (!is_entry_before(bpe, heap[child], last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	if (n > 0)
		heap[i] = last;
	return first;
}

NnStatus
nn_bpe_pop_pair(NnBpe *bpe, int64_t count_min, int32_t *number)
{
	*number = -1;
	while (bpe->heap.n > 0)
	{
		NnBpeEntry	entry = pop_entry(bpe);
		NnBpePair  *pair = nn_bpe_pair(bpe, entry.pair);

		NN_TRY(nn_bpe_poll_after(bpe, 16));
		if (entry.count != pair->queued)
			continue;			/* left over */
		pair->queued = 0;
		if (pair->count < count_min)
			continue;
		if (pair->count == entry.count)
		{
			*number = entry.pair;
			return NN_OK;
		}
		NN_TRY(push_pair(bpe, entry.pair));
	}
	return NN_OK;
}

/* ---- counts ------------------------------------------------------------------------ */

/* The number of a pair, new or known. */
static NnStatus
find_pair(NnBpe *bpe, int32_t left, int32_t right, int32_t *number)
{
	uint64_t	hash = nn_mix64((uint64_t) (uint32_t) left << 32 | (uint32_t) right);
	NnTableSlot *slot;
	NnBpePair  *pair;

	/* nn_mix64 is one to one, so equal hashes are equal pairs */
	NN_TRY(nn_table_reserve(&bpe->by_pair, 1));
	slot = nn_table_first(&bpe->by_pair, hash);
	while (slot->value != 0 && slot->hash != hash)
		slot = nn_table_next(&bpe->by_pair, slot);
	if (slot->value == 0)
	{
		pair = nn_array_push(&bpe->pairs, 1);
		if (pair == NULL)
			return NN_ENOMEM;
		memset(pair, 0, sizeof(*pair));
		pair->left = left;
		pair->right = right;
		pair->places = -1;
		nn_table_fill(&bpe->by_pair, slot, hash, (int32_t) bpe->pairs.n);
	}
	*number = slot->value - 1;
	return NN_OK;
}

NnStatus
nn_bpe_add_pair(NnBpe *bpe, int32_t left, int32_t right, int32_t word)
{
	int32_t		number;
	NnBpePair  *pair;

	NN_TRY(find_pair(bpe, left, right, &number));
	pair = nn_bpe_pair(bpe, number);
	pair->count += bpe->words[word].n_tokens;
	if (pair->places == -1 || ((NnBpePlace *) bpe->places.data)[pair->places].word != word)
	{
		NnBpePlace *place = nn_array_push(&bpe->places, 1);

		if (place == NULL)
			return NN_ENOMEM;
		place->word = word;
		place->next = pair->places;
		pair->places = (int32_t) bpe->places.n - 1;
	}
	if (!pair->is_touched)
	{
		int32_t    *touched = nn_array_push(&bpe->touched, 1);

		if (touched == NULL)
			return NN_ENOMEM;
		*touched = number;
		pair->is_touched = true;
	}
	return NN_OK;
}

NnStatus
nn_bpe_drop_pair(NnBpe *bpe, int32_t left, int32_t right, int32_t word)
{
	int32_t		number;

	NN_TRY(find_pair(bpe, left, right, &number));
	nn_bpe_pair(bpe, number)->count -= bpe->words[word].n_tokens;
	return NN_OK;
}

NnStatus
nn_bpe_push_touched(NnBpe *bpe)
{
	const int32_t *touched = bpe->touched.data;
	size_t		i;

	for (i = 0; i < bpe->touched.n; i++)
	{
		NnBpePair  *pair = nn_bpe_pair(bpe, touched[i]);

		pair->is_touched = false;
		if (pair->count > pair->queued)
			NN_TRY(push_pair(bpe, touched[i]));
		NN_TRY(nn_bpe_poll_after(bpe, 4));
	}
	bpe->touched.n = 0;
	return NN_OK;
}
