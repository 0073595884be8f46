/*
 * topic/phrase_private.h: what the files of phrases share.
 */
#ifndef NN_PHRASE_PRIVATE_H
#define NN_PHRASE_PRIVATE_H

#include "text/lexicon.h"
#include "text/table.h"
#include "topic/phrases.h"

/* A place of a row: the number of a word, twice, plus 1 if nothing separates it from the word before; or a sign. */
#define NN_PLACE_SIGN		(-1)

/* A phrase is its first words but one and its last words but one, which are phrases of the level below. */
typedef struct NnPhrase
{
	int32_t		head;			/* of one word: its number */
	int32_t		tail;			/* of one word: -1 */
	int8_t		n_words;
	uint8_t		glued;			/* bit i: word i is glued to the one before, somewhere */
	int32_t		last_row;		/* in which it was counted */
	int32_t		n_rows[NN_N_ROW_SETS];
} NnPhrase;

/* A row whose words have weights. */
typedef struct NnWeighed
{
	int32_t		row;
	size_t		at;				/* of its weights, one for each place */
	double		positive;		/* the sum of those above 0 */
} NnWeighed;

struct NnPhrases
{
	NnEnv		env;
	size_t		limit_bytes;
	NnLexicon  *lexicon;
	NnArray		places;			/* int32_t */
	NnArray		starts;			/* size_t: of each row among the places */
	const uint8_t *cell;
	int			max_words;

	/* after the count */
	NnArray		phrases;		/* NnPhrase, those of one word first, then of two... */
	NnArray		of_word;		/* int32_t: the phrase of a word, or -1 */
	NnTable		table;			/* from (head, tail) to the phrase + 1 */
	int64_t		n_rows[NN_N_ROW_SETS];

	NnArray		weighed;		/* NnWeighed */
	NnArray		weights;		/* float */
	int64_t		n_polled;		/* places looked at since the last poll */
};

static inline NnPhrase *
nn_phrase_get(const NnPhrases *phrases, int32_t number)
{
	return (NnPhrase *) phrases->phrases.data + number;
}

/* The places of a row; returns how many. */
static inline int64_t
nn_phrase_places(const NnPhrases *phrases, int32_t row, const int32_t **places)
{
	const size_t *starts = phrases->starts.data;
	size_t		stop = (size_t) row + 1 < phrases->starts.n ? starts[row + 1] : phrases->places.n;

	*places = (const int32_t *) phrases->places.data + starts[row];
	return (int64_t) (stop - starts[row]);
}

/* The phrases that begin at one place of a row, by their number of words; -1 for none. */
typedef struct NnPhraseWalk
{
	const int32_t *places;
	int64_t		at;				/* the place, from the last to the first */
	int			max_words;
	int32_t		begin[NN_PHRASE_WORDS + 1]; /* [k]: of k words */
	int32_t		after[NN_PHRASE_WORDS + 1]; /* the same of the place behind */
} NnPhraseWalk;

void		nn_phrase_walk(const NnPhrases *phrases, int32_t row, int max_words, NnPhraseWalk *walk);

/* The next place, towards the front; false if there is none. */
bool		nn_phrase_step(const NnPhrases *phrases, NnPhraseWalk *walk);

/* The phrase of two that overlap in all words but one each, or -1. */
int32_t		nn_phrase_pair(const NnPhrases *phrases, int32_t head, int32_t tail);

/* Ask poll() now and then, for so many places looked at. */
NnStatus	nn_phrase_poll(NnPhrases *phrases, int64_t n_places, NnError *err);

/* NN_ELIMIT if more is held than may be. */
NnStatus	nn_phrase_check_memory(const NnPhrases *phrases, size_t more, NnError *err);

/* Numbers of the words of a phrase; returns how many. */
int			nn_phrase_words(const NnPhrases *phrases, int32_t number, int32_t word[NN_PHRASE_WORDS]);

#endif							/* NN_PHRASE_PRIVATE_H */
