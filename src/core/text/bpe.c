/*
 * text/bpe.c: byte-pair encoding, learned incrementally.
 *
 * Sennrich, Haddow and Birch, "Neural machine translation of rare words with
 * subword units", ACL 2016.  Each word starts as the run of its bytes.  Again and
 * again the pair of adjacent symbols with the greatest count (over all tokens of
 * the column) becomes one symbol everywhere; each new symbol is a unit.
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
 * result.  Two splits can make one string ("ab"+"c", "a"+"bc"): the second is merged
 * into the symbol of the first and is no new unit.
 *
 * A unit must not betray a word of a single row: a pair is merged only if a word
 * that holds it was seen in min_rows rows, or if the rows of all such words add up
 * to NN_BPE_ROWS_TOGETHER times as many, else never.  The same row may be counted
 * for several words (a secret with and without a space before it, its plural), so
 * their sum alone says little; but a row would have to hold that many of them.
 *
 * All memory is from one arena, one table each for pairs and symbols, and growing
 * arrays; nn_bpe_learn() owns them.
 */
#include "text/bpe.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "text/sort.h"
#include "text/table.h"
#include "text/tokenize.h"

/*
 * The rarest words of a large column change no unit, but would cost memory: some
 * 30 bytes for each of their own.  The most frequent ones are taken up to:
 */
#define WORDS_MAX	200000
#define BYTES_MAX	4000000

/* Work units (symbols or heap entries) between polls: well below 20 ms. */
#define POLL_WORK	65536

typedef struct Word
{
	int64_t		n_tokens;
	int32_t		n_rows;
	int32_t		at;				/* of its first symbol */
	int32_t		n;				/* symbols left */
	int32_t		visited;		/* the last merge that came to it */
} Word;

typedef struct Symbol
{
	uint32_t	at;				/* of its bytes */
	uint32_t	n_bytes;
} Symbol;

typedef struct Pair
{
	int32_t		left;
	int32_t		right;
	int64_t		count;			/* tokens; each place in a word counts */
	int64_t		queued;			/* count of its entry in the heap, 0 if it has none */
	int32_t		places;			/* first of its list, -1 at the end */
	bool		is_touched;		/* by the merge that is running */
} Pair;

typedef struct Place
{
	int32_t		word;
	int32_t		next;
} Place;

typedef struct Entry
{
	int64_t		count;
	int32_t		pair;
} Entry;

typedef struct Bpe
{
	const NnEnv *env;
	NnArena    *arena;
	Word	   *words;
	int32_t		n_words;
	int32_t    *symbols;		/* of all words, end to end */
	NnArray		strings;		/* Symbol: 256 bytes, then the units */
	NnArray		bytes;			/* of all symbols */
	NnTable		by_string;		/* hash of a unit's bytes -> symbol */
	NnArray		pairs;			/* Pair */
	NnTable		by_pair;		/* mixed (left, right) -> pair + 1 */
	NnArray		places;			/* Place */
	NnArray		heap;			/* Entry */
	NnArray		touched;		/* int32_t: pairs that the running merge made more frequent */
	int32_t		n_merges;
	size_t		work;			/* since the last poll */
} Bpe;

static NnStatus
poll_after(Bpe *bpe, size_t work)
{
	bpe->work += work;
	if (bpe->work < POLL_WORK)
		return NN_OK;
	bpe->work = 0;
	return bpe->env->poll(bpe->env->ctx) != 0 ? NN_ECANCELED : NN_OK;
}

/* ---- symbols ------------------------------------------------------------------- */

static inline Symbol
symbol_of(const Bpe *bpe, int32_t symbol)
{
	return ((const Symbol *) bpe->strings.data)[symbol];
}

/* Byte i of the string that two symbols make. */
static inline uint8_t
pair_byte(const Bpe *bpe, Symbol left, Symbol right, uint32_t i)
{
	const uint8_t *bytes = bpe->bytes.data;

	return i < left.n_bytes ? bytes[left.at + i] : bytes[right.at + i - left.n_bytes];
}

/* Should pair a be merged before b, both being equally frequent? */
static bool
is_pair_before(const Bpe *bpe, const Pair *a, const Pair *b)
{
	Symbol		a_left = symbol_of(bpe, a->left);
	Symbol		a_right = symbol_of(bpe, a->right);
	Symbol		b_left = symbol_of(bpe, b->left);
	Symbol		b_right = symbol_of(bpe, b->right);
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

/* The symbol that left and right make, new or known. */
static NnStatus
join_symbols(Bpe *bpe, int32_t left, int32_t right, int32_t *joined)
{
	Symbol		parts[2] = {symbol_of(bpe, left), symbol_of(bpe, right)};
	uint32_t	n_bytes = parts[0].n_bytes + parts[1].n_bytes;
	Symbol	   *symbol;
	NnTableSlot *slot;
	uint64_t	hash;
	uint8_t    *bytes;
	uint8_t    *string;

	/* write it behind the others; take it back if it is known */
	if (nn_array_push(&bpe->bytes, n_bytes) == NULL)
		return NN_ENOMEM;
	bytes = bpe->bytes.data;
	string = bytes + bpe->bytes.n - n_bytes;
	memcpy(string, bytes + parts[0].at, parts[0].n_bytes);
	memcpy(string + parts[0].n_bytes, bytes + parts[1].at, parts[1].n_bytes);

	NN_TRY(nn_table_reserve(&bpe->by_string, 1));
	hash = nn_hash_bytes(string, n_bytes, 0);
	slot = nn_table_first(&bpe->by_string, hash);
	for (; slot->value != 0; slot = nn_table_next(&bpe->by_string, slot))
	{
		Symbol		known = symbol_of(bpe, slot->value);

		if (slot->hash == hash && known.n_bytes == n_bytes &&
			memcmp(bytes + known.at, string, n_bytes) == 0)
		{
			bpe->bytes.n -= n_bytes;
			*joined = slot->value;
			return NN_OK;
		}
	}
	symbol = nn_array_push(&bpe->strings, 1);
	if (symbol == NULL)
		return NN_ENOMEM;
	symbol->at = (uint32_t) (bpe->bytes.n - n_bytes);
	symbol->n_bytes = n_bytes;
	*joined = (int32_t) bpe->strings.n - 1;
	nn_table_fill(&bpe->by_string, slot, hash, *joined);
	return NN_OK;
}

/* ---- the heap -------------------------------------------------------------------- */

static inline Pair *
pair_at(const Bpe *bpe, int32_t pair)
{
	return (Pair *) bpe->pairs.data + pair;
}

static bool
is_entry_before(const Bpe *bpe, Entry a, Entry b)
{
	if (a.count != b.count)
		return a.count > b.count;
	return a.pair != b.pair && is_pair_before(bpe, pair_at(bpe, a.pair), pair_at(bpe, b.pair));
}

/* Queue a pair with its present count. */
static NnStatus
push_pair(Bpe *bpe, int32_t number)
{
	Pair	   *pair = pair_at(bpe, number);
	Entry		entry = {pair->count, number};
	Entry	   *heap;
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
static Entry
pop_entry(Bpe *bpe)
{
	Entry	   *heap = bpe->heap.data;
	Entry		first = heap[0];
	Entry		last = heap[--bpe->heap.n];
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

/* The most frequent pair, if any has count_min; else -1. */
static NnStatus
pop_pair(Bpe *bpe, int64_t count_min, int32_t *number)
{
	*number = -1;
	while (bpe->heap.n > 0)
	{
		Entry		entry = pop_entry(bpe);
		Pair	   *pair = pair_at(bpe, entry.pair);

		NN_TRY(poll_after(bpe, 16));
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
find_pair(Bpe *bpe, int32_t left, int32_t right, int32_t *number)
{
	uint64_t	hash = nn_mix64((uint64_t) (uint32_t) left << 32 | (uint32_t) right);
	NnTableSlot *slot;
	Pair	   *pair;

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

/* One more place of the pair, in this word. */
static NnStatus
add_pair(Bpe *bpe, int32_t left, int32_t right, int32_t word)
{
	int32_t		number;
	Pair	   *pair;

	NN_TRY(find_pair(bpe, left, right, &number));
	pair = pair_at(bpe, number);
	pair->count += bpe->words[word].n_tokens;
	if (pair->places == -1 || ((Place *) bpe->places.data)[pair->places].word != word)
	{
		Place	   *place = nn_array_push(&bpe->places, 1);

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

/* One place less. */
static NnStatus
drop_pair(Bpe *bpe, int32_t left, int32_t right, int32_t word)
{
	int32_t		number;

	NN_TRY(find_pair(bpe, left, right, &number));
	pair_at(bpe, number)->count -= bpe->words[word].n_tokens;
	return NN_OK;
}

/* Queue the pairs that have become more frequent than their entries say. */
static NnStatus
push_touched(Bpe *bpe)
{
	const int32_t *touched = bpe->touched.data;
	size_t		i;

	for (i = 0; i < bpe->touched.n; i++)
	{
		Pair	   *pair = pair_at(bpe, touched[i]);

		pair->is_touched = false;
		if (pair->count > pair->queued)
			NN_TRY(push_pair(bpe, touched[i]));
		NN_TRY(poll_after(bpe, 4));
	}
	bpe->touched.n = 0;
	return NN_OK;
}

/* ---- merging ------------------------------------------------------------------------ */

static bool
has_pair(const Bpe *bpe, const Word *word, int32_t left, int32_t right)
{
	const int32_t *symbols = bpe->symbols + word->at;
	int32_t		i;

	for (i = 0; i + 1 < word->n; i++)
		if (symbols[i] == left && symbols[i + 1] == right)
			return true;
	return false;
}

/* Were the words that hold the pair seen in min_rows rows? */
static NnStatus
is_pair_common(Bpe *bpe, int32_t number, int min_rows, bool *is_common)
{
	const Pair *pair = pair_at(bpe, number);
	int64_t		n_together = (int64_t) min_rows * NN_BPE_ROWS_TOGETHER;
	int64_t		n_rows = 0;
	int32_t		at;

	bpe->n_merges++;
	*is_common = min_rows <= 1;
	for (at = pair->places; at >= 0 && !*is_common;)
	{
		Place		place = ((const Place *) bpe->places.data)[at];
		Word	   *word = &bpe->words[place.word];

		if (word->visited != bpe->n_merges && has_pair(bpe, word, pair->left, pair->right))
		{
			n_rows += word->n_rows;
			*is_common = word->n_rows >= min_rows || n_rows >= n_together;
		}
		word->visited = bpe->n_merges;
		at = place.next;
		NN_TRY(poll_after(bpe, (size_t) word->n + 1));
	}
	return NN_OK;
}

/* Replace each left, right of a word by joined, from the front. */
static NnStatus
merge_in_word(Bpe *bpe, int32_t number, int32_t left, int32_t right, int32_t joined)
{
	Word	   *word = &bpe->words[number];
	int32_t    *symbols = bpe->symbols + word->at;
	int32_t		n = 0;
	int32_t		i = 0;

	while (i < word->n)
	{
		if (i + 1 == word->n || symbols[i] != left || symbols[i + 1] != right)
		{
			symbols[n++] = symbols[i++];
			continue;
		}
		NN_TRY(drop_pair(bpe, left, right, number));
		if (n > 0)
		{
			NN_TRY(drop_pair(bpe, symbols[n - 1], left, number));
			NN_TRY(add_pair(bpe, symbols[n - 1], joined, number));
		}
		if (i + 2 < word->n)
		{
			NN_TRY(drop_pair(bpe, right, symbols[i + 2], number));
			NN_TRY(add_pair(bpe, joined, symbols[i + 2], number));
		}
		symbols[n++] = joined;
		i += 2;
	}
	word->n = n;
	return NN_OK;
}

static NnStatus
merge_pair(Bpe *bpe, int32_t number)
{
	Pair		pair = *pair_at(bpe, number);	/* a copy: the array may move */
	int32_t		joined;
	int32_t		at;

	NN_TRY(join_symbols(bpe, pair.left, pair.right, &joined));
	for (at = pair.places; at >= 0;)
	{
		Place		place = ((const Place *) bpe->places.data)[at];

		NN_TRY(merge_in_word(bpe, place.word, pair.left, pair.right, joined));
		at = place.next;
		NN_TRY(poll_after(bpe, 4 * (size_t) bpe->words[place.word].n + 1));
	}
	pair_at(bpe, number)->places = -1;
	return push_touched(bpe);
}

static NnStatus
merge_pairs(Bpe *bpe, int max_units, int min_rows)
{
	/* what is seen once is no pattern; and rows are never more than tokens */
	int64_t		count_min = min_rows > 2 ? min_rows : 2;

	while (bpe->strings.n - 256 < (size_t) max_units)
	{
		bool		is_common;
		int32_t		number;

		NN_TRY(pop_pair(bpe, count_min, &number));
		if (number < 0)
			break;
		NN_TRY(is_pair_common(bpe, number, min_rows, &is_common));
		if (is_common)
			NN_TRY(merge_pair(bpe, number));
	}
	return NN_OK;
}

/* ---- the beginning -------------------------------------------------------------------- */

/* More frequent words first; equally frequent ones by hash, which favors no alphabet. */
static int
is_word_before(int32_t a, int32_t b, const void *context)
{
	const NnLexeme *lexeme_a = nn_lexicon_get(context, a);
	const NnLexeme *lexeme_b = nn_lexicon_get(context, b);
	size_t		n_bytes;
	int			order;

	if (lexeme_a->n_tokens != lexeme_b->n_tokens)
		return lexeme_a->n_tokens > lexeme_b->n_tokens;
	if (lexeme_a->hash != lexeme_b->hash)
		return lexeme_a->hash < lexeme_b->hash;
	n_bytes = lexeme_a->n_bytes < lexeme_b->n_bytes ? lexeme_a->n_bytes : lexeme_b->n_bytes;
	order = memcmp(nn_lexicon_bytes(context, a), nn_lexicon_bytes(context, b), n_bytes);
	return order != 0 ? order < 0 : lexeme_a->n_bytes < lexeme_b->n_bytes;
}

/* Take the words to learn from: numbers in the lexicon, and their bytes together. */
static NnStatus
choose_words(Bpe *bpe, const NnLexicon *lexicon, int32_t *numbers, size_t *n_bytes)
{
	int32_t		n_all = nn_lexicon_n(lexicon);
	int32_t		n = 0;
	int32_t		i;

	for (i = 0; i < n_all; i++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(lexicon, i);

		NN_TRY(poll_after(bpe, 1 + lexeme->n_bytes / 16));
		if (lexeme->n_bytes >= 2 && lexeme->n_bytes <= NN_WORD_BYTES &&
			nn_utf8_length(nn_lexicon_bytes(lexicon, i), lexeme->n_bytes) <= NN_WORD_CHARACTERS)
			numbers[n++] = i;
	}
	NN_TRY(nn_sort_numbers(numbers, (size_t) n, is_word_before, lexicon, bpe->env));
	*n_bytes = 0;
	for (i = 0; i < n && i < WORDS_MAX && *n_bytes < BYTES_MAX; i++)
		*n_bytes += nn_lexicon_get(lexicon, numbers[i])->n_bytes;
	bpe->n_words = i;
	return NN_OK;
}

/* Lay the chosen words out as bytes and count their pairs. */
static NnStatus
add_words(Bpe *bpe, const NnLexicon *lexicon)
{
	int32_t    *numbers = NN_ALLOC(bpe->arena, int32_t, (size_t) nn_lexicon_n(lexicon));
	int32_t		at = 0;
	size_t		n_bytes;
	int32_t		i;

	if (numbers == NULL)
		return NN_ENOMEM;
	NN_TRY(choose_words(bpe, lexicon, numbers, &n_bytes));
	bpe->words = NN_ALLOC(bpe->arena, Word, (size_t) bpe->n_words);
	bpe->symbols = NN_ALLOC(bpe->arena, int32_t, n_bytes);
	if (bpe->words == NULL || bpe->symbols == NULL)
		return NN_ENOMEM;

	for (i = 0; i < bpe->n_words; i++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(lexicon, numbers[i]);
		const char *bytes = nn_lexicon_bytes(lexicon, numbers[i]);
		Word	   *word = &bpe->words[i];
		int32_t		k;

		word->n_tokens = lexeme->n_tokens;
		word->n_rows = lexeme->n_rows;
		word->at = at;
		word->n = (int32_t) lexeme->n_bytes;
		for (k = 0; k < word->n; k++)
			bpe->symbols[at + k] = (uint8_t) bytes[k];
		for (k = 0; k + 1 < word->n; k++)
			NN_TRY(add_pair(bpe, bpe->symbols[at + k], bpe->symbols[at + k + 1], i));
		at += word->n;
		NN_TRY(poll_after(bpe, 4 * (size_t) word->n));
	}
	return push_touched(bpe);
}

/* The first 256 symbols are the bytes. */
static NnStatus
add_bytes(Bpe *bpe)
{
	Symbol	   *symbols = nn_array_push(&bpe->strings, 256);
	uint8_t    *bytes = nn_array_push(&bpe->bytes, 256);
	int			i;

	if (symbols == NULL || bytes == NULL)
		return NN_ENOMEM;
	for (i = 0; i < 256; i++)
	{
		bytes[i] = (uint8_t) i;
		symbols[i].at = (uint32_t) i;
		symbols[i].n_bytes = 1;
	}
	return NN_OK;
}

/* Append the units to the caller's blocks. */
static NnStatus
write_units(const Bpe *bpe, NnArray *lengths, NnArray *bytes, int *n_units)
{
	const uint8_t *block = bpe->bytes.data;
	size_t		i;

	for (i = 256; i < bpe->strings.n; i++)
	{
		Symbol		symbol = symbol_of(bpe, (int32_t) i);
		uint8_t		length[2] = {(uint8_t) symbol.n_bytes, (uint8_t) (symbol.n_bytes >> 8)};

		NN_TRY(nn_write_bytes(lengths, length, 2));
		NN_TRY(nn_write_bytes(bytes, block + symbol.at, symbol.n_bytes));
	}
	*n_units = (int) (bpe->strings.n - 256);
	return NN_OK;
}

static NnStatus
learn(Bpe *bpe, const NnLexicon *lexicon, int max_units, int min_rows)
{
	if (bpe->arena == NULL)
		return NN_ENOMEM;
	NN_TRY(add_bytes(bpe));
	NN_TRY(add_words(bpe, lexicon));
	return merge_pairs(bpe, max_units, min_rows);
}

NnStatus
nn_bpe_learn(const NnLexicon *lexicon, int max_units, int min_rows,
			 const NnEnv *env, NnArray *lengths, NnArray *bytes, int *n_units)
{
	Bpe			bpe = {.env = env};
	NnStatus	status;

	*n_units = 0;
	if (max_units <= 0)
		return NN_OK;
	bpe.arena = nn_arena_create(env);
	nn_array_init(&bpe.strings, env, sizeof(Symbol));
	nn_array_init(&bpe.bytes, env, 1);
	nn_array_init(&bpe.pairs, env, sizeof(Pair));
	nn_array_init(&bpe.places, env, sizeof(Place));
	nn_array_init(&bpe.heap, env, sizeof(Entry));
	nn_array_init(&bpe.touched, env, sizeof(int32_t));
	nn_table_init(&bpe.by_string, env);
	nn_table_init(&bpe.by_pair, env);

	status = learn(&bpe, lexicon, max_units, min_rows);
	if (status == NN_OK)
		status = write_units(&bpe, lengths, bytes, n_units);

	nn_table_free(&bpe.by_pair);
	nn_table_free(&bpe.by_string);
	nn_array_free(&bpe.touched);
	nn_array_free(&bpe.heap);
	nn_array_free(&bpe.places);
	nn_array_free(&bpe.pairs);
	nn_array_free(&bpe.bytes);
	nn_array_free(&bpe.strings);
	nn_arena_destroy(bpe.arena);
	return status;
}
