/*
 * text/learn_vocabulary.c: which words and units of a column are kept.
 *
 * The result is written as a file's two blocks and read back, so a learned
 * vocabulary has passed the checks that a stored one must pass.
 */
#include <string.h>

#include "text/bpe.h"
#include "text/sort.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

#define POLL_ITEMS	4096

/* More frequent words first, equally frequent ones in byte order. */
static int
is_word_before(int32_t a, int32_t b, const void *context)
{
	const NnLexeme *lexeme_a = nn_lexicon_get(context, a);
	const NnLexeme *lexeme_b = nn_lexicon_get(context, b);
	size_t		n_bytes;
	int			order;

	if (lexeme_a->n_tokens != lexeme_b->n_tokens)
		return lexeme_a->n_tokens > lexeme_b->n_tokens;
	n_bytes = lexeme_a->n_bytes < lexeme_b->n_bytes ? lexeme_a->n_bytes : lexeme_b->n_bytes;
	order = memcmp(nn_lexicon_bytes(context, a), nn_lexicon_bytes(context, b), n_bytes);
	return order != 0 ? order < 0 : lexeme_a->n_bytes < lexeme_b->n_bytes;
}

/* May the word be in a vocabulary: known from enough rows, and such as read takes? */
static bool
is_eligible(const NnLexicon *lexicon, int32_t number, int min_rows)
{
	const NnLexeme *lexeme = nn_lexicon_get(lexicon, number);

	return lexeme->n_rows >= min_rows && lexeme->n_bytes >= 1 && lexeme->n_bytes <= NN_WORD_BYTES &&
		nn_utf8_check(nn_lexicon_bytes(lexicon, number), lexeme->n_bytes, NULL);
}

/* Append the words to the two blocks. */
static NnStatus
write_words(const NnLexicon *lexicon, const NnVocabularyOptions *options,
			int32_t *numbers, const NnEnv *env, NnArray *lengths, NnArray *bytes)
{
	int32_t		n_all = nn_lexicon_n(lexicon);
	int32_t		n = 0;
	int32_t		i;

	for (i = 0; i < n_all; i++)
	{
		if (is_eligible(lexicon, i, options->min_rows))
			numbers[n++] = i;
		if (i % POLL_ITEMS == 0 && env->poll(env->ctx) != 0)
			return NN_ECANCELED;
	}
	NN_TRY(nn_sort_numbers(numbers, (size_t) n, is_word_before, lexicon, env));
	for (i = 0; i < n && i < options->max_words; i++)
	{
		uint32_t	n_bytes = nn_lexicon_get(lexicon, numbers[i])->n_bytes;
		uint8_t		length[2] = {(uint8_t) n_bytes, (uint8_t) (n_bytes >> 8)};

		NN_TRY(nn_write_bytes(lengths, length, sizeof(length)));
		NN_TRY(nn_write_bytes(bytes, nn_lexicon_bytes(lexicon, numbers[i]), n_bytes));
	}
	return NN_OK;
}

/* Choose units, then words, into the two blocks. */
static NnStatus
choose(const NnLexicon *lexicon, const NnVocabularyOptions *options, const NnEnv *env,
	   NnArray *lengths, NnArray *bytes, int *n_units)
{
	size_t		n_numbers = (size_t) nn_lexicon_n(lexicon);
	int32_t    *numbers;
	NnStatus	status;

	NN_TRY(nn_bpe_learn(lexicon, options->max_units, options->min_rows, env,
						lengths, bytes, n_units));
	numbers = env->alloc(env->ctx, nn_size_mul(n_numbers, sizeof(int32_t)));
	if (numbers == NULL)
		return NN_ENOMEM;
	status = write_words(lexicon, options, numbers, env, lengths, bytes);
	env->release(env->ctx, numbers);
	return status;
}

NnStatus
nn_vocabulary_learn(NnVocabulary **vocabulary, const NnLexicon *lexicon,
					const NnVocabularyOptions *options, const NnEnv *env, NnError *err)
{
	NnArray		lengths;
	NnArray		bytes;
	NnStatus	status;
	int			n_units;

	*vocabulary = NULL;
	nn_array_init(&lengths, env, 1);
	nn_array_init(&bytes, env, 1);
	status = choose(lexicon, options, env, &lengths, &bytes, &n_units);
	if (status != NN_OK)
		nn_fail(err, status, "%s", nn_status_text(status));
	else
		status = nn_vocabulary_read(vocabulary, n_units, lengths.data, lengths.n,
									bytes.data, bytes.n, env, err);
	nn_array_free(&bytes);
	nn_array_free(&lengths);
	return status;
}
