/*
 * topic/corpus.c: texts -> words that can name a topic.
 */
#include "topic/corpus.h"

#include <string.h>

#include "base/rng.h"
#include "text/lexicon.h"
#include "text/sort.h"
#include "text/tokenize.h"

#define MAX_ROWS		INT32_MAX
#define POLL_ROWS		1024

typedef struct RowHead
{
	uint64_t	hash;			/* of its words in their order */
	int64_t		start;			/* in words */
} RowHead;

struct NnCorpus
{
	NnEnv		env;
	NnLexicon  *lexicon;
	NnArray		words;			/* int32_t: numbers in the lexicon, all rows end to end */
	NnArray		rows;			/* RowHead */
	const int32_t *chosen;		/* (vocabulary) number in the lexicon */
};

NnStatus
nn_corpus_create(NnCorpus **corpus, const NnEnv *env, NnError *err)
{
	NnCorpus   *made = env->alloc(env->ctx, sizeof(NnCorpus));

	*corpus = made;
	if (made == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	made->env = *env;
	nn_array_init(&made->words, &made->env, sizeof(int32_t));
	nn_array_init(&made->rows, &made->env, sizeof(RowHead));
	if (nn_lexicon_create(&made->lexicon, &made->env) != NN_OK)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

void
nn_corpus_destroy(NnCorpus *corpus)
{
	NnEnv		env;

	if (corpus == NULL)
		return;
	env = corpus->env;
	nn_lexicon_destroy(corpus->lexicon);
	nn_array_free(&corpus->words);
	nn_array_free(&corpus->rows);
	env.release(env.ctx, corpus);
}

int64_t
nn_corpus_n(const NnCorpus *corpus)
{
	return (int64_t) corpus->rows.n;
}

int64_t
nn_corpus_n_words(const NnCorpus *corpus)
{
	return (int64_t) corpus->words.n;
}

/* ---- rows ------------------------------------------------------------------------ */

NnStatus
nn_corpus_add_row(NnCorpus *corpus, NnError *err)
{
	RowHead    *head;

	if (corpus->rows.n >= MAX_ROWS)
		return nn_fail(err, NN_ELIMIT, "too many rows");
	head = nn_array_push(&corpus->rows, 1);
	if (head == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	head->hash = 0;
	head->start = (int64_t) corpus->words.n;
	return NN_OK;
}

static NnStatus
push_word(NnCorpus *corpus, const char *bytes, int n_bytes, NnError *err)
{
	RowHead    *head = (RowHead *) corpus->rows.data + corpus->rows.n - 1;
	int32_t    *place = nn_array_push(&corpus->words, 1);
	NnStatus	status;

	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = nn_lexicon_add(corpus->lexicon, bytes, n_bytes, (int32_t) corpus->rows.n, place);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	head->hash = nn_mix64(head->hash ^ nn_lexicon_get(corpus->lexicon, *place)->hash);
	return NN_OK;
}

/* One character of a script without spaces: the tokenizer cuts these alone.  Letters of others never are. */
static bool
is_ideograph(const NnWord *word)
{
	return word->stop - word->start == 1 && word->n_bytes >= 3 && (uint8_t) word->bytes[0] >= 0xE2;
}

/* Letters, two at least, and no part of a contraction. */
static bool
can_name(const NnWord *word)
{
	return word->is_alphabetic && nn_utf8_length(word->bytes, (size_t) word->n_bytes) >= 2 &&
		memchr(word->bytes, '\'', (size_t) word->n_bytes) == NULL;
}

/*
 * The run of ideographs that word begins: its pairs.  A run of one is a word.  *word is the
 * first word behind the run.
 */
static NnStatus
add_run(NnCorpus *corpus, NnTokenizer *tokenizer, NnWord *word, NnError *err)
{
	char		pair[2 * NN_WORD_BYTES];
	int			n_before = word->n_bytes;
	bool		is_first = true;

	memcpy(pair, word->bytes, (size_t) n_before);
	for (;;)
	{
		NN_TRY(nn_tokenizer_next(tokenizer, word, err));
		if (word->bytes == NULL || !word->is_glued || !word->is_alphabetic || !is_ideograph(word))
			return is_first ? push_word(corpus, pair, n_before, err) : NN_OK;
		memcpy(pair + n_before, word->bytes, (size_t) word->n_bytes);
		NN_TRY(push_word(corpus, pair, n_before + word->n_bytes, err));
		memmove(pair, pair + n_before, (size_t) word->n_bytes);
		n_before = word->n_bytes;
		is_first = false;
	}
}

NnStatus
nn_corpus_add_text(NnCorpus *corpus, const char *text, size_t n_bytes, NnError *err)
{
	NnTokenizerOptions options = {0};
	NnTokenizer tokenizer;
	NnWord		word;

	nn_tokenizer_init(&tokenizer, &corpus->env, &options, text, n_bytes);
	NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
	while (word.bytes != NULL)
	{
		if (word.is_alphabetic && is_ideograph(&word))
		{
			NN_TRY(add_run(corpus, &tokenizer, &word, err));
			continue;
		}
		if (can_name(&word))
			NN_TRY(push_word(corpus, word.bytes, word.n_bytes, err));
		NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
	}
	return NN_OK;
}

size_t
nn_corpus_bytes(const NnCorpus *corpus)
{
	return nn_array_bytes(&corpus->words) + nn_array_bytes(&corpus->rows) + nn_lexicon_size_bytes(corpus->lexicon);
}

/* ---- vocabulary -------------------------------------------------------------------- */

/* More rows first, then by bytes. */
static int
word_before(int32_t a, int32_t b, const void *context)
{
	const NnLexicon *lexicon = context;
	const NnLexeme *x = nn_lexicon_get(lexicon, a);
	const NnLexeme *y = nn_lexicon_get(lexicon, b);
	uint32_t	n = x->n_bytes < y->n_bytes ? x->n_bytes : y->n_bytes;
	int			order;

	if (x->n_rows != y->n_rows)
		return x->n_rows > y->n_rows;
	order = memcmp(nn_lexicon_bytes(lexicon, a), nn_lexicon_bytes(lexicon, b), n);
	return order != 0 ? order < 0 : x->n_bytes < y->n_bytes;
}

/* Numbers in the lexicon of the words chosen, in order; *n of them. */
static NnStatus
choose_words(NnCorpus *corpus, const NnCorpusOptions *options, NnArena *arena, int *n, NnError *err)
{
	int32_t		n_all = nn_lexicon_n(corpus->lexicon);
	int32_t    *chosen = NN_TAKE(arena, int32_t, (size_t) n_all);
	double		most = options->max_share * (double) corpus->rows.n;
	int32_t		n_chosen = 0;
	NnStatus	status;

	if (chosen == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t w = 0; w < n_all; w++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(corpus->lexicon, w);

		if (lexeme->n_rows >= options->min_rows && (double) lexeme->n_rows <= most)
			chosen[n_chosen++] = w;
	}
	status = nn_sort_numbers(chosen, (size_t) n_chosen, word_before, corpus->lexicon, &corpus->env);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	corpus->chosen = chosen;
	*n = n_chosen < options->max_words ? n_chosen : options->max_words;
	return NN_OK;
}

const char *
nn_corpus_word(const NnCorpus *corpus, int32_t word, int *n_bytes)
{
	*n_bytes = (int) nn_lexicon_get(corpus->lexicon, corpus->chosen[word])->n_bytes;
	return nn_lexicon_bytes(corpus->lexicon, corpus->chosen[word]);
}

/* ---- rows of the vocabulary ----------------------------------------------------------- */

static int
row_before(int32_t a, int32_t b, const void *context)
{
	const RowHead *rows = context;

	/* rows of one hash have the same words: which is first changes nothing but their numbers */
	return rows[a].hash != rows[b].hash ? rows[a].hash < rows[b].hash : a < b;
}

static int64_t
row_stop(const NnCorpus *corpus, int64_t i)
{
	const RowHead *rows = corpus->rows.data;

	return (size_t) i + 1 < corpus->rows.n ? rows[i + 1].start : (int64_t) corpus->words.n;
}

typedef struct Filling
{
	int64_t    *start;
	int32_t    *word;
	int64_t    *row;
	int32_t    *n_rows;
	int64_t    *n_tokens;
	int64_t    *seen;			/* (vocabulary) the last row with the word, from 1 */
	int32_t    *number;			/* (lexicon) in the vocabulary, or -1 */
	int32_t    *order;
} Filling;

static NnStatus
create_filling(NnCorpus *corpus, int n_words, NnArena *arena, Filling *f, NnError *err)
{
	int32_t		n_all = nn_lexicon_n(corpus->lexicon);
	NnStatus	status;

	f->start = NN_TAKE(arena, int64_t, corpus->rows.n + 1);
	f->word = NN_TAKE(arena, int32_t, corpus->words.n);
	f->row = NN_TAKE(arena, int64_t, corpus->rows.n);
	f->n_rows = NN_ALLOC(arena, int32_t, (size_t) n_words);
	f->n_tokens = NN_ALLOC(arena, int64_t, (size_t) n_words);
	f->seen = NN_ALLOC(arena, int64_t, (size_t) n_words);
	f->number = NN_TAKE(arena, int32_t, (size_t) n_all);
	f->order = NN_TAKE(arena, int32_t, corpus->rows.n);
	if (f->start == NULL || f->word == NULL || f->row == NULL || f->n_rows == NULL || f->n_tokens == NULL ||
		f->seen == NULL || f->number == NULL || f->order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t w = 0; w < n_all; w++)
		f->number[w] = -1;
	for (int32_t v = 0; v < n_words; v++)
		f->number[corpus->chosen[v]] = v;
	for (size_t i = 0; i < corpus->rows.n; i++)
		f->order[i] = (int32_t) i;
	status = nn_sort_numbers(f->order, corpus->rows.n, row_before, corpus->rows.data, &corpus->env);
	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}

static int64_t
fill_row(const NnCorpus *corpus, Filling *f, int64_t i, int64_t n)
{
	const RowHead *rows = corpus->rows.data;
	const int32_t *words = corpus->words.data;
	int64_t		row = f->order[i];

	f->row[i] = row;
	for (int64_t j = rows[row].start; j < row_stop(corpus, row); j++)
	{
		int32_t		v = f->number[words[j]];

		if (v < 0)
			continue;
		f->word[n++] = v;
		f->n_tokens[v]++;
		f->n_rows[v] += f->seen[v] != i + 1;
		f->seen[v] = i + 1;
	}
	return n;
}

NnStatus
nn_corpus_finish(NnCorpus *corpus, const NnCorpusOptions *options, NnArena *arena, NnTopicRows *rows, NnError *err)
{
	int64_t		n = 0;
	int			n_words = 0;
	Filling		f;

	NN_TRY(choose_words(corpus, options, arena, &n_words, err));
	NN_TRY(create_filling(corpus, n_words, arena, &f, err));
	f.start[0] = 0;
	for (int64_t i = 0; i < (int64_t) corpus->rows.n; i++)
	{
		if (i % POLL_ROWS == 0 && nn_arena_poll(arena) != NN_OK)
			return nn_fail(err, NN_ECANCELED, "canceled");
		n = fill_row(corpus, &f, i, n);
		f.start[i + 1] = n;
	}
	*rows = (NnTopicRows)
	{
		.n = (int64_t) corpus->rows.n, .n_words = n_words, .start = f.start, .word = f.word, .row = f.row,
			.n_rows = f.n_rows, .n_tokens = f.n_tokens, .n_all_tokens = n
	};
	return NN_OK;
}

bool
nn_topic_rows_are_same(const NnTopicRows *rows, int64_t a, int64_t b)
{
	int64_t		n = rows->start[a + 1] - rows->start[a];

	return n == rows->start[b + 1] - rows->start[b] &&
		memcmp(rows->word + rows->start[a], rows->word + rows->start[b], (size_t) n * sizeof(int32_t)) == 0;
}
