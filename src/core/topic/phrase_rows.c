/*
 * topic/phrase_rows.c: rows as the numbers of their words, and the weights of these.
 */
#include "topic/phrase_private.h"

#include <string.h>

#include "text/tokenize.h"

#define POLL_PLACES		65536

/* Larger blocks of places go to a temporary file, where the host has such. */
#define MAP_BYTES		((size_t) 16 * 1024 * 1024)

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory");
}

NnStatus
nn_phrases_create(NnPhrases **phrases, const NnEnv *env, size_t limit_bytes, NnError *err)
{
	NnPhrases  *made = env->alloc(env->ctx, sizeof(NnPhrases));

	*phrases = NULL;
	if (made == NULL)
		return out_of_memory(err);
	made->env = *env;
	made->limit_bytes = limit_bytes;
	nn_array_init(&made->places, &made->env, sizeof(int32_t));
	nn_array_init(&made->starts, &made->env, sizeof(size_t));
	nn_array_init(&made->phrases, &made->env, sizeof(NnPhrase));
	nn_array_init(&made->of_word, &made->env, sizeof(int32_t));
	nn_array_init(&made->weighed, &made->env, sizeof(NnWeighed));
	nn_array_init(&made->weights, &made->env, sizeof(float));
	made->places.map_bytes = MAP_BYTES;
	nn_table_init(&made->table, &made->env);
	if (nn_lexicon_create(&made->lexicon, &made->env) != NN_OK)
	{
		nn_phrases_destroy(made);
		return out_of_memory(err);
	}
	*phrases = made;
	return NN_OK;
}

void
nn_phrases_destroy(NnPhrases *phrases)
{
	NnEnv		env;

	if (phrases == NULL)
		return;
	env = phrases->env;
	nn_lexicon_destroy(phrases->lexicon);
	nn_array_free(&phrases->places);
	nn_array_free(&phrases->starts);
	nn_array_free(&phrases->phrases);
	nn_array_free(&phrases->of_word);
	nn_array_free(&phrases->weighed);
	nn_array_free(&phrases->weights);
	nn_table_free(&phrases->table);
	env.release(env.ctx, phrases);
}

NnStatus
nn_phrase_poll(NnPhrases *phrases, int64_t n_places, NnError *err)
{
	phrases->n_polled += n_places;
	if (phrases->n_polled < POLL_PLACES)
		return NN_OK;
	phrases->n_polled = 0;
	return phrases->env.poll(phrases->env.ctx) == 0 ? NN_OK : nn_fail(err, NN_ECANCELED, "canceled");
}

NnStatus
nn_phrase_check_memory(const NnPhrases *phrases, size_t more, NnError *err)
{
	size_t		n_bytes = nn_lexicon_size_bytes(phrases->lexicon) + nn_array_bytes(&phrases->places) +
	nn_array_bytes(&phrases->starts) + nn_array_bytes(&phrases->phrases) + nn_array_bytes(&phrases->of_word) +
	nn_array_bytes(&phrases->weighed) + nn_array_bytes(&phrases->weights) + nn_table_bytes(&phrases->table);

	n_bytes = nn_size_add(n_bytes, more);
	if (n_bytes <= phrases->limit_bytes)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "the phrases of so many rows need more memory than allowed");
	return nn_fail_detail(err, "They take %zu MB; the limit is %zu MB.", (n_bytes >> 20) + 1, phrases->limit_bytes >> 20);
}

/* ---- reading ------------------------------------------------------------------ */

int32_t
nn_phrases_n_rows(const NnPhrases *phrases)
{
	return (int32_t) phrases->starts.n;
}

NnStatus
nn_phrases_add_row(NnPhrases *phrases, NnError *err)
{
	size_t	   *start;

	if (phrases->starts.n >= INT32_MAX)
		return nn_fail(err, NN_ELIMIT, "there are more than %d rows", INT32_MAX);
	start = nn_array_push(&phrases->starts, 1);
	if (start == NULL)
		return out_of_memory(err);
	*start = phrases->places.n;
	return phrases->starts.n % 256 == 0 ? nn_phrase_check_memory(phrases, 0, err) : NN_OK;
}

/* Signs stand between phrases; what is drawn above the basic plane (emoji) may say something. */
static bool
is_sign(const NnWord *word)
{
	unsigned char first = (unsigned char) word->bytes[0];

	if (word->is_alphabetic || (first >= '0' && first <= '9'))
		return false;
	return first < 0xF0;
}

static NnStatus
add_place(NnPhrases *phrases, const NnWord *word, NnError *err)
{
	int32_t    *place = nn_array_push(&phrases->places, 1);
	int32_t		number;

	if (place == NULL)
		return out_of_memory(err);
	*place = NN_PLACE_SIGN;
	if (is_sign(word))
		return NN_OK;
	NN_TRY(nn_lexicon_add(phrases->lexicon, word->bytes, word->n_bytes, (int32_t) phrases->starts.n - 1, &number));
	if (number > INT32_MAX / 2 - 1)
		return nn_fail(err, NN_ELIMIT, "there are more than %d different words", INT32_MAX / 2);
	*place = 2 * number + word->is_glued;
	return NN_OK;
}

NnStatus
nn_phrases_add_text(NnPhrases *phrases, const char *text, size_t n_bytes, NnError *err)
{
	const NnTokenizerOptions options = {0};
	NnTokenizer tokenizer;
	NnWord		word;

	nn_tokenizer_init(&tokenizer, &phrases->env, &options, text, n_bytes);
	for (int64_t n = 1;; n++)
	{
		NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
		if (word.bytes == NULL)
			return NN_OK;
		NN_TRY(add_place(phrases, &word, err));
		if (n % POLL_PLACES == 0)
			NN_TRY(nn_phrase_check_memory(phrases, 0, err));
	}
}

/* ---- weights -------------------------------------------------------------------- */

NnStatus
nn_phrases_weigh(NnPhrases *phrases, int32_t row, const char *text, size_t n_bytes,
				 const NnWeighted *weighted, int n_weighted, NnError *err)
{
	const int32_t *places;
	int64_t		n = nn_phrase_places(phrases, row, &places);
	NnWeighed  *weighed = nn_array_push(&phrases->weighed, 1);
	float	   *weight;
	NnWordWeights words;
	NnWord		word;

	if (weighed == NULL)
		return out_of_memory(err);
	*weighed = (NnWeighed) {.row = row, .at = phrases->weights.n};
	weight = nn_array_push(&phrases->weights, (size_t) n);
	if (weight == NULL && n > 0)
		return out_of_memory(err);
	NN_TRY(nn_phrase_check_memory(phrases, 0, err));
	nn_word_weights_init(&words, &phrases->env, text, n_bytes, weighted, n_weighted);
	for (int64_t i = 0; i < n; i++)
	{
		double		w;

		NN_TRY(nn_word_weights_next(&words, &word, &w, err));
		weight[i] = (float) w;
		weighed->positive += w > 0.0 ? w : 0.0;
	}
	return NN_OK;
}
