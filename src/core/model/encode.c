/*
 * model/encode.c: inputs -> examples, for answering.
 *
 * One walk over the words of a text feeds both branches.  The same words give
 * the same lists as in learning (learn_rows.c), in the same order, so a row of
 * the training set is answered from the very numbers it was learned with.
 */
#include "model/encode.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

bool
nn_list_reserve(NnList *list, int64_t n_more, NnArena *arena)
{
	int64_t		capacity = list->capacity;
	int32_t    *item;

	if (list->n + n_more <= capacity)
		return true;
	if (capacity < 64)
		capacity = 64;
	while (capacity < list->n + n_more)
		capacity *= 2;
	item = NN_TAKE(arena, int32_t, (size_t) capacity);
	if (item == NULL)
		return false;
	if (list->n > 0)
		memcpy(item, list->item, (size_t) list->n * sizeof(int32_t));
	list->item = item;
	list->capacity = capacity;
	return true;
}

/* ---- checks ------------------------------------------------------------------ */

static NnStatus
check_numbers(const NnValue *value, NnError *err)
{
	int64_t		n = (int64_t) value->n_steps * value->n_channels;

	for (int64_t i = 0; i < n; i++)
		if (!isfinite(value->numbers[i]))
			return nn_fail(err, NN_ERANGE, "input array holds %s at position %lld",
						   isnan(value->numbers[i]) ? "NaN" : "an infinite number", (long long) i + 1);
	return NN_OK;
}

NnStatus
nn_value_check(const NnValue *value, NnError *err)
{
	size_t		n_bytes = value->n_bytes;

	if (value->kind == NN_VALUE_NUMBERS)
		return check_numbers(value, err);
	if (value->kind == NN_VALUE_WORDS)
	{
		n_bytes = 0;
		for (int i = 0; i < value->n_words; i++)
			n_bytes = nn_size_add(n_bytes, value->word_bytes[i]);
	}
	if (n_bytes > NN_MAX_TEXT_BYTES)
	{
		nn_fail(err, NN_ELIMIT, "input text is too long");
		nn_fail_detail(err, "It has %zu bytes; at most %d are read.", n_bytes, NN_MAX_TEXT_BYTES);
		return nn_fail_hint(err, "Cut it, for example with left(text, 1000000).");
	}
	return NN_OK;
}

/* A vector comes as one step of numbers, or as steps of one number. */
static NnStatus
check_vector(const NnModel *model, const NnValue *input, NnError *err)
{
	int			n = input->n_channels == 1 ? input->n_steps : input->n_channels;

	if (n == model->n_channels && (input->n_channels == 1 || input->n_steps == 1))
		return NN_OK;
	if (input->n_channels > 1 && input->n_steps > 1)
		return nn_fail(err, NN_EINVAL, "the model reads exactly %d numbers, the input has %d steps of %d",
					   model->n_channels, input->n_steps, input->n_channels);
	nn_fail(err, NN_EINVAL, "the model reads exactly %d numbers, the input has %d", model->n_channels, n);
	return nn_fail_hint(err, "All arrays it was trained on had one length.");
}

NnStatus
nn_encode_check(const NnModel *model, const NnValue *input, NnError *err)
{
	bool		is_text = model->spec.input == NN_INPUT_TEXT;
	int			n_steps = input->n_steps;
	int			n_channels = input->n_channels;

	if (is_text != (input->kind != NN_VALUE_NUMBERS))
	{
		nn_fail(err, NN_EINVAL, "the model reads %s, the input is %s",
				is_text ? "text" : "arrays of numbers", is_text ? "an array of numbers" : "text");
		return nn_fail_hint(err, "Give it a value of the type of the column it was trained on.");
	}
	NN_TRY(nn_value_check(input, err));
	if (is_text)
		return NN_OK;
	if (model->spec.input == NN_INPUT_VECTOR)
		return check_vector(model, input, err);
	if (n_steps > 0 && n_channels != model->n_channels)
	{
		nn_fail(err, NN_EINVAL, "the model reads %d numbers a step, the input has %d",
				model->n_channels, n_channels);
		return nn_fail_hint(err, "Write a series as an array of steps, or of steps x numbers.");
	}
	if (model->flat_steps > 0 && n_steps != model->flat_steps)
	{
		nn_fail(err, NN_EINVAL, "the model reads exactly %d steps, the input has %d", model->flat_steps, n_steps);
		return nn_fail_hint(err, "All arrays it was trained on had one length; for series of many lengths train with option \"bag\": false.");
	}
	return NN_OK;
}

/* ---- text ---------------------------------------------------------------------- */

/* Keys of words and pairs that are looked up at once: memory answers them side by side. */
#define N_WAITING	32

/* As many as a word may have n-grams. */
#define MAX_KEYS	(3 * NN_WORD_CHARACTERS + 8)

_Static_assert(N_WAITING <= MAX_KEYS, "they are looked up by one function");

/* The lists of one text while it is read. */
typedef struct TextLists
{
	const NnModel *model;
	NnArena    *scratch;
	NnList	   *tokens;
	NnList	   *rows;
	NnList		ngrams;			/* of this text; appended to rows at its end */
	int64_t		n_text_tokens;	/* tokens in the whole text */
	int64_t		n_used;
	int64_t		n_words;
	int64_t		n_unknown;
	uint64_t	last_key;		/* of the word before; 0: none */
	uint64_t	waiting[N_WAITING]; /* keys of words and pairs that are looked up together */
	int			n_waiting;

	/* for whom it matters where they come from */
	NnOrigins  *origins;		/* NULL: for nobody */
	NnOrigin	waiting_origin[N_WAITING];
	int32_t		word;			/* at hand, and that of last_key */
	int32_t		last_word;
} TextLists;

/* The rows of those keys that have one, in their order; and to one of origins' lists, where these come from. */
static bool
add_rows(TextLists *lists, NnList *list, const uint64_t *keys, int n, NnOriginList *to, const NnOrigin *origin)
{
	int32_t		rows[MAX_KEYS];

	if (!nn_list_reserve(list, n, lists->scratch))
		return false;
	nn_feature_index_find_all(lists->model->features, keys, n, rows);
	if (to != NULL && !nn_origins_add(lists->origins, to, origin, rows, n))
		return false;
	for (int i = 0; i < n; i++)
	{
		list->item[list->n] = rows[i];
		list->n += rows[i] >= 0;
	}
	return true;
}

static bool
add_waiting(TextLists *lists)
{
	int			n = lists->n_waiting;

	lists->n_waiting = 0;
	return add_rows(lists, lists->rows, lists->waiting, n, lists->origins != NULL ? &lists->origins->feature : NULL,
					lists->waiting_origin);
}

/* before: of a pair its first word, else -1. */
static bool
add_key(TextLists *lists, uint64_t key, int32_t before)
{
	lists->waiting_origin[lists->n_waiting] = (NnOrigin) {.word = lists->word, .before = before};
	lists->waiting[lists->n_waiting++] = key;
	return lists->n_waiting < N_WAITING || add_waiting(lists);
}

static bool
add_ngrams(TextLists *lists, const char *bytes, int n_bytes)
{
	uint64_t	keys[MAX_KEYS];
	NnByteRange range[MAX_KEYS];
	NnOrigin	origin[MAX_KEYS];
	int			n;

	if (lists->origins == NULL)
	{
		n = nn_feature_ngrams(bytes, n_bytes, keys);
		return add_rows(lists, &lists->ngrams, keys, n, NULL, NULL);
	}
	n = nn_feature_ngram_places(bytes, n_bytes, keys, range);
	for (int i = 0; i < n; i++)
		origin[i] = (NnOrigin) {lists->word, -1, range[i]};
	return add_rows(lists, &lists->ngrams, keys, n, &lists->origins->ngram, origin);
}

/* from: the word's origin, or NULL. */
static bool
add_word_features(TextLists *lists, const NnWord *word, NnOriginWord *from)
{
	char		folded[NN_WORD_BYTES];
	const char *bytes = word->bytes;
	int			n_bytes = word->n_bytes;
	uint64_t	key;
	bool		ok;

	/* The tokenizer has checked the encoding, and a word takes no time to poll. */
	if (lists->model->tokenizer.is_exact)
	{
		if (nn_text_fold(lists->model->env, false, word->bytes, (size_t) word->n_bytes, folded, &n_bytes, NULL) != NN_OK ||
			n_bytes == 0)
			return true;
		bytes = folded;
	}
	key = nn_hash_bytes(bytes, (uint64_t) n_bytes, 0);
	ok = add_key(lists, nn_feature_word(key), -1);
	if (lists->last_key != 0)
		ok = ok && add_key(lists, nn_feature_pair(lists->last_key, key), lists->last_word);
	lists->last_key = key;
	lists->last_word = lists->word;
	if (from != NULL)
		from->n_bytes = n_bytes;
	return ok && (!lists->model->has_ngrams || add_ngrams(lists, bytes, n_bytes));
}

int
nn_encode_word(const NnModel *model, const char *bytes, int n_bytes, int32_t *ids, bool *is_known)
{
	const NnVocabulary *vocabulary = model->vocabulary;

	if (nn_vocabulary_n_units(vocabulary) > 0 || model->tokenizer.is_exact || nn_task_writes_text(model->spec.task))
		return nn_vocabulary_encode(vocabulary, bytes, n_bytes, ids, is_known);
	ids[0] = nn_vocabulary_find(vocabulary, bytes, n_bytes);
	*is_known = ids[0] >= 0;
	if (!*is_known)
		ids[0] = 0;
	return 1;
}

static bool
add_word_tokens(TextLists *lists, const NnWord *word, NnOriginWord *from)
{
	int32_t		ids[NN_WORD_BYTES + 8];
	bool		is_known;
	int			n = nn_encode_word(lists->model, word->bytes, word->n_bytes, ids, &is_known);
	int64_t		n_room = lists->model->max_tokens - lists->n_used;

	lists->n_text_tokens += n;
	lists->n_words++;
	lists->n_unknown += !is_known;
	if (n > n_room)
		n = (int) n_room;
	if (n <= 0)
		return true;
	if (!nn_list_reserve(lists->tokens, n, lists->scratch))
		return false;
	memcpy(lists->tokens->item + lists->tokens->n, ids, (size_t) n * sizeof(int32_t));
	lists->tokens->n += n;
	lists->n_used += n;
	if (from != NULL)
		from->n_tokens = n;
	return true;
}

static NnStatus
read_text(TextLists *lists, const char *text, size_t n_bytes, NnError *err)
{
	NnTokenizer tokenizer;
	NnWord		word;

	nn_tokenizer_init(&tokenizer, lists->model->env, &lists->model->tokenizer, text, n_bytes);
	for (;; lists->word++)
	{
		NnOriginWord *from = NULL;
		bool		ok;

		NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
		if (word.bytes == NULL)
			return NN_OK;
		if (lists->origins != NULL)
			from = nn_origins_word(lists->origins, &word);
		ok = from != NULL || lists->origins == NULL;
		if (ok && lists->model->features != NULL)
			ok = add_word_features(lists, &word, from);
		if (ok && lists->model->vocabulary != NULL)
			ok = add_word_tokens(lists, &word, from);
		else if (lists->model->vocabulary == NULL)
			lists->n_text_tokens++;
		if (!ok)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
}

/* A list of words: characters are counted as if one space stood between each two. */
static NnStatus
read_words(TextLists *lists, const NnValue *input, NnError *err)
{
	int64_t		base = 0;

	for (int i = 0; i < input->n_words; i++)
	{
		if (lists->origins != NULL)
			nn_origins_text(lists->origins, input->words[i], input->word_bytes[i], base);
		NN_TRY(read_text(lists, input->words[i], input->word_bytes[i], err));
		if (lists->origins != NULL)
			base += nn_utf8_length(input->words[i], input->word_bytes[i]) + 1;
	}
	return NN_OK;
}

/* One input's words into lists; fills n_words (rows of words and pairs). */
static NnStatus
read_value(TextLists *lists, const NnValue *input, int32_t *n_words, NnError *err)
{
	int64_t		first = lists->rows->n;

	lists->ngrams.n = 0;
	lists->n_text_tokens = lists->n_used = lists->n_words = lists->n_unknown = 0;
	lists->last_key = 0;
	lists->n_waiting = 0;
	lists->word = 0;
	if (input->kind == NN_VALUE_WORDS)
		NN_TRY(read_words(lists, input, err));
	else
	{
		if (lists->origins != NULL)
			nn_origins_text(lists->origins, input->text, input->n_bytes, 0);
		NN_TRY(read_text(lists, input->text, input->n_bytes, err));
	}
	if (!add_waiting(lists))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*n_words = (int32_t) (lists->rows->n - first);
	if (!nn_list_reserve(lists->rows, lists->ngrams.n, lists->scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	if (lists->ngrams.n > 0)
		memcpy(lists->rows->item + lists->rows->n, lists->ngrams.item,
			   (size_t) lists->ngrams.n * sizeof(int32_t));
	lists->rows->n += lists->ngrams.n;
	return NN_OK;
}

static NnStatus
encode_text(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
			NnExamples *examples, NnOrigins *origins, NnReading *readings, NnError *err)
{
	NnList		tokens = {0};
	NnList		rows = {0};
	TextLists	lists = {0};
	int64_t    *token_start = NN_ALLOC(scratch, int64_t, (size_t) n + 1);
	int64_t    *bag_start = NN_ALLOC(scratch, int64_t, (size_t) n + 1);
	int32_t    *n_words = NN_ALLOC(scratch, int32_t, (size_t) n);

	if (token_start == NULL || bag_start == NULL || n_words == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	/* texts without a word still have lists, of length 0 */
	if (!nn_list_reserve(&tokens, 1, scratch) || !nn_list_reserve(&rows, 1, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	lists.model = model;
	lists.scratch = scratch;
	lists.tokens = &tokens;
	lists.rows = &rows;
	lists.origins = origins;
	for (int i = 0; i < n; i++)
	{
		NN_TRY(nn_encode_check(model, &inputs[i], err));
		NN_TRY(read_value(&lists, &inputs[i], &n_words[i], err));
		if (origins != NULL && !nn_origins_close(origins, i))
			return nn_fail(err, NN_ENOMEM, "out of memory");
		token_start[i + 1] = tokens.n;
		bag_start[i + 1] = rows.n;
		if (readings != NULL)
		{
			readings[i].n_tokens = lists.n_text_tokens;
			readings[i].n_used = (model->vocabulary != NULL) ? lists.n_used : lists.n_text_tokens;
			readings[i].n_words = lists.n_words;
			readings[i].n_unknown = lists.n_unknown;
		}
	}
	examples->token_start = token_start;
	examples->token = tokens.item;
	examples->bag_start = bag_start;
	examples->bag_row = rows.item;
	examples->bag_n_words = n_words;
	return NN_OK;
}

/* ---- numbers --------------------------------------------------------------------- */

NnStatus
nn_encode_numbers(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
				  NnExamples *examples, NnReading *readings, NnError *err)
{
	int			E = model->n_channels;
	int64_t    *step_start = NN_ALLOC(scratch, int64_t, (size_t) n + 1);
	float	   *values;

	if (step_start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
	{
		int64_t		n_numbers = (int64_t) inputs[i].n_steps * inputs[i].n_channels;
		int64_t		n_steps;

		NN_TRY(nn_encode_check(model, &inputs[i], err));
		n_steps = n_numbers / E;
		if (readings != NULL)
		{
			readings[i].n_tokens = n_steps;
			readings[i].n_used = n_steps < model->max_tokens ? n_steps : model->max_tokens;
			readings[i].n_words = readings[i].n_unknown = 0;
		}
		/* the recurrent branch reads the last steps: they are nearest to the answer */
		if (n_steps > model->max_tokens && model->flat_steps == 0)
			n_steps = model->max_tokens;
		step_start[i + 1] = step_start[i] + n_steps;
	}
	values = NN_TAKE(scratch, float, (size_t) step_start[n] * (size_t) E);
	if (values == NULL && step_start[n] > 0)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
	{
		int64_t		n_kept = (step_start[i + 1] - step_start[i]) * E;
		const float *from = inputs[i].numbers + ((int64_t) inputs[i].n_steps * inputs[i].n_channels - n_kept);
		float	   *to = values + step_start[i] * E;

		for (int64_t j = 0; j < n_kept; j++)
			to[j] = (from[j] - model->input_mean[j % E]) * model->input_scale[j % E];
	}
	examples->step_start = step_start;
	examples->values = values;
	return NN_OK;
}

NnStatus
nn_encode(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
		  NnExamples *examples, NnReading *readings, NnError *err)
{
	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	if (model->spec.task == NN_TASK_TAG)
		return nn_encode_tagged(model, inputs, n, scratch, examples, NULL, readings, err);
	if (nn_task_writes_text(model->spec.task) && model->spec.input == NN_INPUT_TEXT)
		return nn_encode_exact(model, inputs, n, scratch, examples, NULL, readings, err);
	if (model->spec.input == NN_INPUT_TEXT)
		return encode_text(model, inputs, n, scratch, examples, NULL, readings, err);
	if (model->spec.task == NN_TASK_FORECAST)
		return nn_encode_windows(model, inputs, n, scratch, examples, NULL, readings, err);
	return nn_encode_numbers(model, inputs, n, scratch, examples, readings, err);
}

NnStatus
nn_encode_origins(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
				  NnExamples *examples, NnOrigins *origins, NnReading *readings, NnError *err)
{
	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	if (!nn_origins_begin(origins, n, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return encode_text(model, inputs, n, scratch, examples, origins, readings, err);
}
