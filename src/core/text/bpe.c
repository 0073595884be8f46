/*
 * text/bpe.c: byte-pair encoding, learned incrementally.
 *
 * Sennrich, Haddow and Birch, "Neural machine translation of rare words with
 * subword units", ACL 2016.  Each word starts as the run of its bytes.  Again and
 * again the pair of adjacent symbols with the greatest count (over all tokens of
 * the column) becomes one symbol everywhere; each new symbol is a unit.
 *
 * bpe_pairs.c counts.  Two splits can make one string ("ab"+"c", "a"+"bc"): the second is
 * merged into the symbol of the first and is no new unit.
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
#include "text/bpe_private.h"

#include "text/sort.h"
#include "text/tokenize.h"

/*
 * The rarest words of a large column change no unit, but would cost memory: some
 * 30 bytes for each of their own.  The most frequent ones are taken up to:
 */
#define WORDS_MAX	200000
#define BYTES_MAX	4000000

/* ---- symbols ------------------------------------------------------------------- */

/* The symbol that left and right make, new or known. */
static NnStatus
join_symbols(NnBpe *bpe, int32_t left, int32_t right, int32_t *joined)
{
	NnBpeSymbol parts[2] = {nn_bpe_symbol(bpe, left), nn_bpe_symbol(bpe, right)};
	uint32_t	n_bytes = parts[0].n_bytes + parts[1].n_bytes;
	NnBpeSymbol *symbol;
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
		NnBpeSymbol known = nn_bpe_symbol(bpe, slot->value);

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

/* ---- merging ------------------------------------------------------------------------ */

static bool
has_pair(const NnBpe *bpe, const NnBpeWord *word, int32_t left, int32_t right)
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
is_pair_common(NnBpe *bpe, int32_t number, int min_rows, bool *is_common)
{
	const NnBpePair *pair = nn_bpe_pair(bpe, number);
	int64_t		n_together = (int64_t) min_rows * NN_BPE_ROWS_TOGETHER;
	int64_t		n_rows = 0;
	int32_t		at;

	bpe->n_merges++;
	*is_common = min_rows <= 1;
	for (at = pair->places; at >= 0 && !*is_common;)
	{
		NnBpePlace	place = ((const NnBpePlace *) bpe->places.data)[at];
		NnBpeWord  *word = &bpe->words[place.word];

		if (word->visited != bpe->n_merges && has_pair(bpe, word, pair->left, pair->right))
		{
			n_rows += word->n_rows;
			*is_common = word->n_rows >= min_rows || n_rows >= n_together;
		}
		word->visited = bpe->n_merges;
		at = place.next;
		NN_TRY(nn_bpe_poll_after(bpe, (size_t) word->n + 1));
	}
	return NN_OK;
}

/* Replace each left, right of a word by joined, from the front. */
static NnStatus
merge_in_word(NnBpe *bpe, int32_t number, int32_t left, int32_t right, int32_t joined)
{
	NnBpeWord  *word = &bpe->words[number];
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
		NN_TRY(nn_bpe_drop_pair(bpe, left, right, number));
		if (n > 0)
		{
			NN_TRY(nn_bpe_drop_pair(bpe, symbols[n - 1], left, number));
			NN_TRY(nn_bpe_add_pair(bpe, symbols[n - 1], joined, number));
		}
		if (i + 2 < word->n)
		{
			NN_TRY(nn_bpe_drop_pair(bpe, right, symbols[i + 2], number));
			NN_TRY(nn_bpe_add_pair(bpe, joined, symbols[i + 2], number));
		}
		symbols[n++] = joined;
		i += 2;
	}
	word->n = n;
	return NN_OK;
}

static NnStatus
merge_pair(NnBpe *bpe, int32_t number)
{
	NnBpePair	pair = *nn_bpe_pair(bpe, number);	/* a copy: the array may move */
	int32_t		joined;
	int32_t		at;

	NN_TRY(join_symbols(bpe, pair.left, pair.right, &joined));
	for (at = pair.places; at >= 0;)
	{
		NnBpePlace	place = ((const NnBpePlace *) bpe->places.data)[at];

		NN_TRY(merge_in_word(bpe, place.word, pair.left, pair.right, joined));
		at = place.next;
		NN_TRY(nn_bpe_poll_after(bpe, 4 * (size_t) bpe->words[place.word].n + 1));
	}
	nn_bpe_pair(bpe, number)->places = -1;
	return nn_bpe_push_touched(bpe);
}

static NnStatus
merge_pairs(NnBpe *bpe, int max_units, int min_rows)
{
	/* what is seen once is no pattern; and rows are never more than tokens */
	int64_t		count_min = min_rows > 2 ? min_rows : 2;

	while (bpe->strings.n - 256 < (size_t) max_units)
	{
		bool		is_common;
		int32_t		number;

		NN_TRY(nn_bpe_pop_pair(bpe, count_min, &number));
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
choose_words(NnBpe *bpe, const NnLexicon *lexicon, int32_t *numbers, size_t *n_bytes)
{
	int32_t		n_all = nn_lexicon_n(lexicon);
	int32_t		n = 0;
	int32_t		i;

	for (i = 0; i < n_all; i++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(lexicon, i);

		NN_TRY(nn_bpe_poll_after(bpe, 1 + lexeme->n_bytes / 16));
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
add_words(NnBpe *bpe, const NnLexicon *lexicon)
{
	int32_t    *numbers = NN_ALLOC(bpe->arena, int32_t, (size_t) nn_lexicon_n(lexicon));
	int32_t		at = 0;
	size_t		n_bytes;
	int32_t		i;

	if (numbers == NULL)
		return NN_ENOMEM;
	NN_TRY(choose_words(bpe, lexicon, numbers, &n_bytes));
	bpe->words = NN_ALLOC(bpe->arena, NnBpeWord, (size_t) bpe->n_words);
	bpe->symbols = NN_ALLOC(bpe->arena, int32_t, n_bytes);
	if (bpe->words == NULL || bpe->symbols == NULL)
		return NN_ENOMEM;

	for (i = 0; i < bpe->n_words; i++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(lexicon, numbers[i]);
		const char *bytes = nn_lexicon_bytes(lexicon, numbers[i]);
		NnBpeWord  *word = &bpe->words[i];
		int32_t		k;

		word->n_tokens = lexeme->n_tokens;
		word->n_rows = lexeme->n_rows;
		word->at = at;
		word->n = (int32_t) lexeme->n_bytes;
		for (k = 0; k < word->n; k++)
			bpe->symbols[at + k] = (uint8_t) bytes[k];
		for (k = 0; k + 1 < word->n; k++)
			NN_TRY(nn_bpe_add_pair(bpe, bpe->symbols[at + k], bpe->symbols[at + k + 1], i));
		at += word->n;
		NN_TRY(nn_bpe_poll_after(bpe, 4 * (size_t) word->n));
	}
	return nn_bpe_push_touched(bpe);
}

/* The first 256 symbols are the bytes. */
static NnStatus
add_bytes(NnBpe *bpe)
{
	NnBpeSymbol *symbols = nn_array_push(&bpe->strings, 256);
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
write_units(const NnBpe *bpe, NnArray *lengths, NnArray *bytes, int *n_units)
{
	const uint8_t *block = bpe->bytes.data;
	size_t		i;

	for (i = 256; i < bpe->strings.n; i++)
	{
		NnBpeSymbol symbol = nn_bpe_symbol(bpe, (int32_t) i);
		uint8_t		length[2] = {(uint8_t) symbol.n_bytes, (uint8_t) (symbol.n_bytes >> 8)};

		NN_TRY(nn_write_bytes(lengths, length, 2));
		NN_TRY(nn_write_bytes(bytes, block + symbol.at, symbol.n_bytes));
	}
	*n_units = (int) (bpe->strings.n - 256);
	return NN_OK;
}

static NnStatus
learn(NnBpe *bpe, const NnLexicon *lexicon, int max_units, int min_rows)
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
	NnBpe		bpe = {.env = env};
	NnStatus	status;

	*n_units = 0;
	if (max_units <= 0)
		return NN_OK;
	bpe.arena = nn_arena_create(env);
	nn_array_init(&bpe.strings, env, sizeof(NnBpeSymbol));
	nn_array_init(&bpe.bytes, env, 1);
	nn_array_init(&bpe.pairs, env, sizeof(NnBpePair));
	nn_array_init(&bpe.places, env, sizeof(NnBpePlace));
	nn_array_init(&bpe.heap, env, sizeof(NnBpeEntry));
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
