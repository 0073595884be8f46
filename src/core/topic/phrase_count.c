/*
 * topic/phrase_count.c: phrases that enough rows have.
 *
 * Level by level: no phrase is in more rows than its parts, so one of k words is looked at
 * only where both phrases of k - 1 words in it were found often enough (Agrawal and Srikant
 * 1994).  Most candidates are rare all the same; a first pass counts them by a short hash,
 * and only those whose bucket is full enough get a counter of their own (Park, Chen and Yu 1995), so that
 * memory goes with the phrases that are found.
 */
#include "topic/phrase_private.h"

#include <string.h>

#include "base/rng.h"

#define N_BUCKETS	((size_t) 1 << 22)

/* ---- looking phrases up ------------------------------------------------------------- */

static uint64_t
pair_hash(int32_t head, int32_t tail)
{
	/* one to one, so that equal hashes are equal pairs */
	return nn_mix64((uint64_t) (uint32_t) head << 32 | (uint32_t) tail);
}

int32_t
nn_phrase_pair(const NnPhrases *phrases, int32_t head, int32_t tail)
{
	uint64_t	hash = pair_hash(head, tail);

	if (phrases->table.n_slots == 0)
		return -1;
	for (NnTableSlot *slot = nn_table_first(&phrases->table, hash); slot->value != 0; slot = nn_table_next(&phrases->table, slot))
	{
		if (slot->hash == hash)
			return slot->value - 1;
	}
	return -1;
}

void
nn_phrase_walk(const NnPhrases *phrases, int32_t row, int max_words, NnPhraseWalk *walk)
{
	walk->at = nn_phrase_places(phrases, row, &walk->places);
	walk->max_words = max_words;
	for (int k = 0; k <= NN_PHRASE_WORDS; k++)
		walk->begin[k] = -1;
}

bool
nn_phrase_step(const NnPhrases *phrases, NnPhraseWalk *walk)
{
	const int32_t *of_word = phrases->of_word.data;
	int32_t		place;

	if (walk->at == 0)
		return false;
	memcpy(walk->after, walk->begin, sizeof(walk->begin));
	place = walk->places[--walk->at];
	walk->begin[1] = place == NN_PLACE_SIGN ? -1 : of_word[place / 2];
	for (int k = 2; k <= walk->max_words; k++)
		walk->begin[k] = walk->begin[k - 1] < 0 || walk->after[k - 1] < 0 ? -1 :
			nn_phrase_pair(phrases, walk->begin[k - 1], walk->after[k - 1]);
	return true;
}

int
nn_phrase_words(const NnPhrases *phrases, int32_t number, int32_t word[NN_PHRASE_WORDS])
{
	int			n = nn_phrase_get(phrases, number)->n_words;

	for (int i = 0; i < n; i++)
	{
		const NnPhrase *phrase = nn_phrase_get(phrases, number);

		/* the first word is the head of heads; then go on with what follows it */
		for (int32_t head = number; phrase->n_words > 1; phrase = nn_phrase_get(phrases, head))
			head = phrase->head;
		word[i] = phrase->head;
		if (i < n - 1)
			number = nn_phrase_get(phrases, number)->tail;
	}
	return n;
}

static NnStatus
reserve_table(NnPhrases *phrases, size_t n_more, NnError *err)
{
	NnStatus	status = nn_table_reserve(&phrases->table, n_more);

	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}

/* ---- one level -------------------------------------------------------------------------- */

static void
count_in(NnPhrase *phrase, int32_t row, NnRowSet cell)
{
	if (phrase->last_row == row)
		return;
	phrase->last_row = row;
	phrase->n_rows[cell]++;
}

static bool
is_frequent(const NnPhrase *phrase, int min_rows)
{
	return phrase->n_rows[NN_ROWS_COHORT] + phrase->n_rows[NN_ROWS_BASELINE] >= min_rows;
}

/* Phrases from `from` on that too few rows have are left out; the rest gets their numbers. */
static int32_t
keep_frequent(NnPhrases *phrases, int32_t from, int min_rows)
{
	int32_t		kept = from;

	for (int32_t i = from; i < (int32_t) phrases->phrases.n; i++)
	{
		if (is_frequent(nn_phrase_get(phrases, i), min_rows))
			*nn_phrase_get(phrases, kept++) = *nn_phrase_get(phrases, i);
	}
	phrases->phrases.n = (size_t) kept;
	return kept;
}

static NnStatus
count_words(NnPhrases *phrases, int min_rows, NnError *err)
{
	int32_t		n_words = nn_lexicon_n(phrases->lexicon);
	NnPhrase   *phrase = nn_array_push(&phrases->phrases, (size_t) n_words);
	int32_t    *of_word = nn_array_push(&phrases->of_word, (size_t) n_words);
	int32_t		n;

	if (n_words > 0 && (phrase == NULL || of_word == NULL))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t w = 0; w < n_words; w++)
		phrase[w] = (NnPhrase) {.head = w, .tail = -1, .n_words = 1, .last_row = -1};
	for (int32_t row = 0; row < nn_phrases_n_rows(phrases); row++)
	{
		const int32_t *places;
		int64_t		n_places = nn_phrase_places(phrases, row, &places);

		for (int64_t i = 0; i < n_places; i++)
		{
			if (places[i] != NN_PLACE_SIGN)
				count_in(&phrase[places[i] / 2], row, phrases->cell[row]);
		}
		NN_TRY(nn_phrase_poll(phrases, n_places + 1, err));
	}
	for (int32_t w = 0; w < n_words; w++)
		of_word[w] = -1;
	n = keep_frequent(phrases, 0, min_rows);
	for (int32_t i = 0; i < n; i++)
		of_word[nn_phrase_get(phrases, i)->head] = i;
	return NN_OK;
}

/* The bucket of the candidate of k words at a place; NULL if there is none there. */
static uint16_t *
bucket_at(const NnPhraseWalk *walk, int k, uint16_t *bucket)
{
	if (walk->begin[k - 1] < 0 || walk->after[k - 1] < 0)
		return NULL;
	return &bucket[pair_hash(walk->begin[k - 1], walk->after[k - 1]) >> 42];
}

static NnStatus
fill_buckets(NnPhrases *phrases, int k, uint16_t *bucket, NnError *err)
{
	NnPhraseWalk walk;

	for (int32_t row = 0; row < nn_phrases_n_rows(phrases); row++)
	{
		if (phrases->cell[row] > NN_ROWS_BASELINE)
			continue;
		nn_phrase_walk(phrases, row, k - 1, &walk);
		NN_TRY(nn_phrase_poll(phrases, walk.at + 1, err));
		while (nn_phrase_step(phrases, &walk))
		{
			uint16_t   *at = bucket_at(&walk, k, bucket);

			if (at != NULL && *at < UINT16_MAX)
				(*at)++;
		}
	}
	return NN_OK;
}

/* Are the words of the candidate at this place glued? */
static uint8_t
glued_bits(const NnPhraseWalk *walk, int k)
{
	uint8_t		bits = 0;

	for (int i = 1; i < k; i++)
		bits |= (uint8_t) ((walk->places[walk->at + i] & 1) << i);
	return bits;
}

static NnStatus
count_candidate(NnPhrases *phrases, const NnPhraseWalk *walk, int k, int32_t row, NnError *err)
{
	int32_t		head = walk->begin[k - 1];
	int32_t		tail = walk->after[k - 1];
	int32_t		number = nn_phrase_pair(phrases, head, tail);

	if (number < 0)
	{
		NnPhrase   *phrase;
		NnTableSlot *slot;
		uint64_t	hash = pair_hash(head, tail);

		if (phrases->phrases.n >= INT32_MAX - 1)
			return nn_fail(err, NN_ELIMIT, "there are more than %d different phrases", INT32_MAX);
		number = (int32_t) phrases->phrases.n;
		phrase = nn_array_push(&phrases->phrases, 1);
		if (phrase == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(reserve_table(phrases, 1, err));
		*phrase = (NnPhrase)
		{
			.head = head, .tail = tail, .n_words = (int8_t) k, .last_row = -1
		};
		for (slot = nn_table_first(&phrases->table, hash); slot->value != 0;)
			slot = nn_table_next(&phrases->table, slot);
		nn_table_fill(&phrases->table, slot, hash, number + 1);
		if (phrases->phrases.n % 65536 == 0)
			NN_TRY(nn_phrase_check_memory(phrases, 0, err));
	}
	nn_phrase_get(phrases, number)->glued |= glued_bits(walk, k);
	count_in(nn_phrase_get(phrases, number), row, phrases->cell[row]);
	return NN_OK;
}

static NnStatus
count_candidates(NnPhrases *phrases, int k, uint16_t *bucket, int min_rows, NnError *err)
{
	NnPhraseWalk walk;
	int			enough = min_rows < UINT16_MAX ? min_rows : UINT16_MAX;

	for (int32_t row = 0; row < nn_phrases_n_rows(phrases); row++)
	{
		nn_phrase_walk(phrases, row, k - 1, &walk);
		NN_TRY(nn_phrase_poll(phrases, walk.at + 1, err));
		while (nn_phrase_step(phrases, &walk))
		{
			const uint16_t *at = bucket_at(&walk, k, bucket);

			if (at != NULL && *at >= enough)
				NN_TRY(count_candidate(phrases, &walk, k, row, err));
		}
	}
	return NN_OK;
}

/* The table anew, of those that were kept. */
static NnStatus
fill_table(NnPhrases *phrases, NnError *err)
{
	nn_table_free(&phrases->table);
	nn_table_init(&phrases->table, &phrases->env);
	NN_TRY(reserve_table(phrases, phrases->phrases.n, err));
	for (int32_t i = 0; i < (int32_t) phrases->phrases.n; i++)
	{
		const NnPhrase *phrase = nn_phrase_get(phrases, i);
		uint64_t	hash = pair_hash(phrase->head, phrase->tail);
		NnTableSlot *slot;

		if (phrase->n_words == 1)
			continue;
		for (slot = nn_table_first(&phrases->table, hash); slot->value != 0;)
			slot = nn_table_next(&phrases->table, slot);
		nn_table_fill(&phrases->table, slot, hash, i + 1);
	}
	return NN_OK;
}

static NnStatus
count_level(NnPhrases *phrases, int k, int min_rows, uint16_t *bucket, NnError *err)
{
	int32_t		from = (int32_t) phrases->phrases.n;

	memset(bucket, 0, N_BUCKETS * sizeof(uint16_t));
	NN_TRY(fill_buckets(phrases, k, bucket, err));
	NN_TRY(count_candidates(phrases, k, bucket, min_rows, err));
	keep_frequent(phrases, from, min_rows);
	return fill_table(phrases, err);
}

NnStatus
nn_phrases_count(NnPhrases *phrases, const uint8_t *cell, int min_rows, int max_words, NnError *err)
{
	uint16_t   *bucket;
	NnStatus	status;

	phrases->cell = cell;
	phrases->max_words = max_words;
	for (int32_t row = 0; row < nn_phrases_n_rows(phrases); row++)
		phrases->n_rows[cell[row]]++;
	NN_TRY(count_words(phrases, min_rows, err));
	bucket = phrases->env.alloc(phrases->env.ctx, N_BUCKETS * sizeof(uint16_t));
	if (bucket == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = nn_phrase_check_memory(phrases, N_BUCKETS * sizeof(uint16_t), err);
	for (int k = 2; k <= max_words && status == NN_OK; k++)
		status = count_level(phrases, k, min_rows, bucket, err);
	phrases->env.release(phrases->env.ctx, bucket);
	return status;
}
