/*
 * fuzz_utf8.c: any bytes as a text.
 *
 * The first byte chooses the options (bit 0: keep case, bit 1: exact words), the
 * rest is the text.  Attacks: invalid and cut UTF-8, marks and joiners without
 * end, expansions, apostrophes everywhere, white space of all kinds.
 * Must hold: the tokenizer fails just where nn_utf8_check() does; words are valid,
 * bounded and in order; a vocabulary learned from them gives each word back, and a
 * text of exact words as a whole; a word's fold and spelling are within bounds.
 */
#include "fuzz_main.h"

#include <string.h>

#include "text/features.h"
#include "text/spelling.h"
#include "text/tokenize.h"
#include "text/vocabulary.h"

/* What else is made of a word. */
static void
use_word(const NnWord *word)
{
	char		folded[NN_WORD_BYTES];
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];
	int32_t		rows[NN_SPELLING_MAX];
	uint16_t	flags = nn_spelling_flags(word->bytes, word->n_bytes);
	int			n_rows = nn_spelling_rows(word->bytes, word->n_bytes, 50, rows);
	int			n_folded;
	int			i;

	FUZZ_REQUIRE(nn_feature_ngrams(word->bytes, word->n_bytes, keys) <= 3 * NN_WORD_CHARACTERS + 8);
	FUZZ_REQUIRE(n_rows > 0 && n_rows <= NN_SPELLING_MAX);
	for (i = 0; i < n_rows; i++)
		FUZZ_REQUIRE(rows[i] >= 0 && rows[i] < 50 && (i == 0 || rows[i] > rows[i - 1]));
	FUZZ_REQUIRE(flags >> NN_SPELLING_FLAGS == 0);
	FUZZ_REQUIRE(nn_text_fold(&nn_env_malloc, false, word->bytes, (size_t) word->n_bytes,
							  folded, &n_folded, NULL) == NN_OK);
	FUZZ_REQUIRE(n_folded >= 0 && n_folded <= NN_WORD_BYTES &&
				 nn_utf8_check(folded, (size_t) n_folded, NULL));
}

/* Words of the text into a lexicon; what the tokenizer said at its end. */
static NnStatus
add_words(NnLexicon *lexicon, const NnTokenizerOptions *options, const char *text, size_t size)
{
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
		if (!options->is_exact)
			FUZZ_REQUIRE(memchr(word.bytes, ' ', (size_t) word.n_bytes) == NULL);
		FUZZ_REQUIRE(word.start >= start && word.stop >= stop);
		/* the space before an exact text may be a word of its own */
		FUZZ_REQUIRE(word.start < word.stop || (options->is_exact && row == 0 && word.stop == 0));
		FUZZ_REQUIRE(word.stop <= length);
		start = word.start;
		stop = word.stop;
		use_word(&word);
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

/* Exact words, end to end, must be a space and the text; and so must their tokens. */
static void
encode_text(const NnVocabulary *vocabulary, const char *text, size_t size)
{
	NnTokenizerOptions options = {.is_exact = true};
	int32_t    *ids = malloc((size + 1) * sizeof(int32_t));
	NnTokenizer tokenizer;
	size_t		at = 0;			/* in a space and the text */
	NnArray		out;
	NnWord		word;
	int			n = 0;

	nn_tokenizer_init(&tokenizer, &nn_env_malloc, &options, text, size);
	for (;;)
	{
		int			i;

		FUZZ_REQUIRE(nn_tokenizer_next(&tokenizer, &word, NULL) == NN_OK);
		if (word.bytes == NULL)
			break;
		FUZZ_REQUIRE((size_t) word.n_bytes <= size + 1 - at);
		for (i = 0; i < word.n_bytes; i++, at++)
			FUZZ_REQUIRE(word.bytes[i] == (at == 0 ? ' ' : text[at - 1]));
		n += nn_vocabulary_encode(vocabulary, word.bytes, word.n_bytes, ids + n, NULL);
	}
	FUZZ_REQUIRE(at == (size > 0 ? size + 1 : 0));

	nn_array_init(&out, &nn_env_malloc, 1);
	FUZZ_REQUIRE(nn_vocabulary_decode_exact(vocabulary, ids, n, &out) == NN_OK);
	FUZZ_REQUIRE(out.n == size && (size == 0 || memcmp(out.data, text, size) == 0));
	nn_array_free(&out);
	free(ids);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	NnTokenizerOptions options = {0};
	NnVocabularyOptions learning = {20, 50, 1};
	const char *text;
	NnVocabulary *vocabulary;
	NnLexicon  *lexicon;
	bool		is_valid;
	NnError		err;

	if (size == 0)
		return 0;
	options.is_case_kept = (data[0] & 1) != 0;
	options.is_exact = (data[0] & 2) != 0;
	text = (const char *) data + 1;
	size--;
	is_valid = nn_utf8_check(text, size, NULL);
	FUZZ_REQUIRE(nn_lexicon_create(&lexicon, &nn_env_malloc) == NN_OK);
	FUZZ_REQUIRE(add_words(lexicon, &options, text, size) == (is_valid ? NN_OK : NN_EENCODING));
	FUZZ_REQUIRE(nn_vocabulary_learn(&vocabulary, lexicon, &learning, &nn_env_malloc, &err) == NN_OK);
	encode_words(vocabulary, lexicon);
	if (is_valid)
		encode_text(vocabulary, text, size);
	nn_vocabulary_destroy(vocabulary);
	nn_lexicon_destroy(lexicon);
	return 0;
}
