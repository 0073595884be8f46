/*
 * fuzz_utf8.c: any bytes as a text.
 *
 * The first byte chooses the options, the rest is the text.  Attacks: invalid and
 * cut UTF-8, marks and joiners without end, expansions, apostrophes everywhere.
 * Must hold: the tokenizer fails just where nn_utf8_check() does; words are valid,
 * bounded and in order; a vocabulary learned from them gives each word back.
 */
#include "fuzz_main.h"

#include <string.h>

#include "text/features.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

/* Words of the text into a lexicon; what the tokenizer said at its end. */
static NnStatus
add_words(NnLexicon *lexicon, const NnTokenizerOptions *options, const char *text, size_t size)
{
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];
	int64_t		length = nn_utf8_length(text, size);
	int64_t		start = 0;
	int64_t		stop = 0;
	NnTokenizer tokenizer;
	int32_t		row = 0;
	int32_t		number;
	NnError		err;
	NnWord		word;

	nn_tokenizer_init(&tokenizer, &nn_env_malloc, options, text, size);
	for (;;)
	{
		NN_TRY(nn_tokenizer_next(&tokenizer, &word, &err));
		if (word.bytes == NULL)
			return NN_OK;
		FUZZ_REQUIRE(word.n_bytes > 0 && word.n_bytes <= NN_WORD_BYTES);
		FUZZ_REQUIRE(nn_utf8_check(word.bytes, (size_t) word.n_bytes, NULL));
		FUZZ_REQUIRE(nn_utf8_length(word.bytes, (size_t) word.n_bytes) <= NN_WORD_CHARACTERS);
		FUZZ_REQUIRE(memchr(word.bytes, ' ', (size_t) word.n_bytes) == NULL);
		FUZZ_REQUIRE(word.start >= start && word.stop >= stop && word.start < word.stop);
		FUZZ_REQUIRE(word.stop <= length);
		start = word.start;
		stop = word.stop;
		FUZZ_REQUIRE(nn_feature_ngrams(word.bytes, word.n_bytes, keys) <= 3 * NN_WORD_CHARACTERS + 8);
		FUZZ_REQUIRE(nn_lexicon_add(lexicon, word.bytes, word.n_bytes, row++ / 4, &number) == NN_OK);
	}
}

/* Each word must come back from its token ids. */
static void
encode_words(const NnVocabulary *vocabulary, const NnLexicon *lexicon)
{
	bool		all_glued[NN_WORD_BYTES];
	int32_t		ids[NN_WORD_BYTES];
	NnArray		out;
	int32_t		number;

	memset(all_glued, true, sizeof(all_glued));
	nn_array_init(&out, &nn_env_malloc, 1);
	for (number = 0; number < nn_lexicon_n(lexicon); number++)
	{
		const char *bytes = nn_lexicon_bytes(lexicon, number);
		int			n_bytes = (int) nn_lexicon_get(lexicon, number)->n_bytes;
		bool		is_known;
		int			n = nn_vocabulary_encode(vocabulary, bytes, n_bytes, ids, &is_known);

		FUZZ_REQUIRE(n > 0 && n <= n_bytes);
		FUZZ_REQUIRE(is_known == (nn_vocabulary_find(vocabulary, bytes, n_bytes) >= 0));
		out.n = 0;
		FUZZ_REQUIRE(nn_vocabulary_decode(vocabulary, ids, all_glued, n, &out) == NN_OK);
		FUZZ_REQUIRE(out.n == (size_t) n_bytes && memcmp(out.data, bytes, out.n) == 0);
	}
	nn_array_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	NnTokenizerOptions options = {.is_case_kept = size > 0 && (data[0] & 1) != 0};
	NnVocabularyOptions learning = {20, 50, 1};
	const char *text;
	NnVocabulary *vocabulary;
	NnLexicon  *lexicon;
	bool		is_valid;
	NnError		err;

	if (size == 0)
		return 0;
	text = (const char *) data + 1;
	size--;
	is_valid = nn_utf8_check(text, size, NULL);
	FUZZ_REQUIRE(nn_lexicon_create(&lexicon, &nn_env_malloc) == NN_OK);
	FUZZ_REQUIRE(add_words(lexicon, &options, text, size) == (is_valid ? NN_OK : NN_EENCODING));
	FUZZ_REQUIRE(nn_vocabulary_learn(&vocabulary, lexicon, &learning, &nn_env_malloc, &err) == NN_OK);
	encode_words(vocabulary, lexicon);
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
	return 0;
}
