/*
 * model/encode_tokens.c: inputs -> examples for tasks that answer token by token.
 *
 * The same words give the same numbers as in learning (learn_texts.c,
 * learn_tokens.c).
 */
#include "model/encode.h"

#include <string.h>

#include "text/spelling.h"

/* ---- the tokens of a value ------------------------------------------------------------ */

/* What is done with each token of an input, in its order; bytes are as the task reads it. */
typedef struct NnVisit NnVisit;
struct NnVisit
{
	const NnModel *model;
	NnStatus	(*take) (NnVisit *visit, const char *bytes, int n_bytes, const NnPlace *place, NnError *err);
	void	   *ctx;
};

/* base: characters before this text. */
static NnStatus
visit_text(NnVisit *visit, const NnValue *value, int64_t base, NnError *err)
{
	NnTokenizer tokenizer;
	NnWord		word;
	size_t		at = 0;
	int64_t		character = 0;

	nn_tokenizer_init(&tokenizer, visit->model->env, &visit->model->tokenizer, value->text, value->n_bytes);
	for (;;)
	{
		NnPlace		place;

		NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
		if (word.bytes == NULL)
			return NN_OK;
		/* words come in order: walk on to where this one begins; several may be of one character */
		at = nn_utf8_skip(value->text, value->n_bytes, at, word.start - character);
		character = word.start;
		place.start = base + word.start;
		place.stop = base + word.stop;
		place.bytes = value->text + at;
		place.n_bytes = (int) (nn_utf8_skip(value->text, value->n_bytes, at, word.stop - word.start) - at);
		NN_TRY(visit->take(visit, word.bytes, word.n_bytes, &place, err));
	}
}

static NnStatus
visit_characters(NnVisit *visit, const NnValue *value, int64_t base, NnError *err)
{
	size_t		bad_at;
	size_t		stop;
	int64_t		character = base;

	if (!nn_utf8_check(value->text, value->n_bytes, &bad_at))
		return nn_fail(err, NN_EENCODING, "text is not valid UTF-8 at byte %zu", bad_at + 1);
	for (size_t at = 0; at < value->n_bytes; at = stop)
	{
		NnPlace		place = {character, character + 1, value->text + at, 0};

		stop = nn_utf8_skip(value->text, value->n_bytes, at, 1);
		place.n_bytes = (int) (stop - at);
		character++;
		NN_TRY(visit->take(visit, value->text + at, place.n_bytes, &place, err));
	}
	return NN_OK;
}

/* One given token: folded for tags, else as it is. */
static NnStatus
visit_given(NnVisit *visit, const char *bytes, size_t n_bytes, int64_t *character, NnError *err)
{
	char		form[NN_WORD_BYTES];
	NnPlace		place = {*character, 0, bytes, (int) n_bytes};
	int			n = (int) n_bytes;
	size_t		bad_at;

	if (!nn_utf8_check(bytes, n_bytes, &bad_at))
		return nn_fail(err, NN_EENCODING, "text is not valid UTF-8 at byte %zu", bad_at + 1);
	place.stop = place.start + nn_utf8_length(bytes, n_bytes);
	*character = place.stop + 1;
	if (visit->model->spec.task == NN_TASK_TAG)
		NN_TRY(nn_text_fold(visit->model->env, true, bytes, n_bytes, form, &n, err));
	else if (n_bytes > NN_WORD_BYTES)
		return nn_fail(err, NN_EINVAL, "an element of the array is too long for a token");
	else if (n_bytes > 0)
		memcpy(form, bytes, n_bytes);
	return visit->take(visit, form, n, &place, err);
}

/* A text for a model of given words: they are what stands between white space. */
static NnStatus
visit_split(NnVisit *visit, const NnValue *value, NnError *err)
{
	const char *text = value->text;
	size_t		n_bytes = value->n_bytes;
	size_t		stop;
	int64_t		character = 0;

	for (size_t at = 0; at < n_bytes; at = stop + 1)
	{
		stop = at;
		while (stop < n_bytes && !nn_encode_is_white(text[stop]))
			stop++;
		/* either walks over the white space behind */
		if (stop > at)
			NN_TRY(visit_given(visit, text + at, stop - at, &character, err));
		else
			character++;
	}
	return NN_OK;
}

/* An element of text[] that is a text of its own; one space stands between each two. */
static NnStatus
visit_element(NnVisit *visit, const NnValue *word, bool is_first, int64_t *character, NnError *err)
{
	int64_t		base = *character;
	NnPlace		space = {base - 1, base, " ", 1};

	if (visit->model->unit == NN_UNIT_CHARACTER)
	{
		if (!is_first)
			NN_TRY(visit->take(visit, space.bytes, space.n_bytes, &space, err));
		NN_TRY(visit_characters(visit, word, base, err));
	}
	else
		NN_TRY(visit_text(visit, word, base, err));
	*character = base + nn_utf8_length(word->text, word->n_bytes) + 1;
	return NN_OK;
}

static NnStatus
visit_value(NnVisit *visit, const NnValue *value, NnError *err)
{
	NnUnit		unit = visit->model->unit;
	bool		is_given = visit->model->spec.task == NN_TASK_TAG || unit == NN_UNIT_GIVEN;
	int64_t		character = 0;

	if (value->kind == NN_VALUE_TEXT)
		return unit == NN_UNIT_CHARACTER ? visit_characters(visit, value, 0, err) :
			unit == NN_UNIT_GIVEN ? visit_split(visit, value, err) : visit_text(visit, value, 0, err);
	for (int i = 0; i < value->n_words; i++)
	{
		NnValue		word = {.kind = NN_VALUE_TEXT, .text = value->words[i], .n_bytes = value->word_bytes[i]};

		NN_TRY(is_given ? visit_given(visit, word.text, word.n_bytes, &character, err) :
			   visit_element(visit, &word, i == 0, &character, err));
	}
	return NN_OK;
}

/* Places of one input's tokens, growing in an arena. */
typedef struct Places
{
	NnPlace    *item;
	int64_t		n;
	int64_t		capacity;
} Places;

static bool
push_place(Places *places, const NnPlace *place, NnArena *scratch)
{
	if (places->n == places->capacity)
	{
		int64_t		capacity = places->capacity < 16 ? 16 : 2 * places->capacity;
		NnPlace    *item = NN_TAKE(scratch, NnPlace, (size_t) capacity);

		if (item == NULL)
			return false;
		if (places->n > 0)
			memcpy(item, places->item, (size_t) places->n * sizeof(NnPlace));
		places->item = item;
		places->capacity = capacity;
	}
	places->item[places->n++] = *place;
	return true;
}

/* ---- tags ---------------------------------------------------------------------------------- */

/* Forms of a batch of inputs: each token is a form of its own, repeats included. */
typedef struct Tagging
{
	NnArena    *scratch;
	NnList		word;
	NnList		rows;
	NnList		starts;			/* of rows, behind each form */
	NnList		flags;
	Places	   *places;			/* NULL: nobody asks */
	int64_t		n_unknown;
} Tagging;

static bool
push(NnList *list, int32_t value, NnArena *scratch)
{
	if (!nn_list_reserve(list, 1, scratch))
		return false;
	list->item[list->n++] = value;
	return true;
}

static NnStatus
take_form(NnVisit *visit, const char *bytes, int n_bytes, const NnPlace *place, NnError *err)
{
	Tagging    *tagging = visit->ctx;
	const NnSpec *spec = &visit->model->spec;
	NnArena    *scratch = tagging->scratch;
	char		folded[NN_WORD_BYTES];
	int			n;
	int32_t		word;
	int32_t		flags = 0;
	bool		ok;

	NN_TRY(nn_text_fold(visit->model->env, false, bytes, (size_t) n_bytes, folded, &n, err));
	word = n > 0 ? nn_vocabulary_find(visit->model->vocabulary, folded, n) : -1;
	tagging->n_unknown += word < 0;
	ok = push(&tagging->word, word, scratch) && nn_list_reserve(&tagging->rows, NN_SPELLING_MAX, scratch);
	if (ok && spec->spelling_rows > 0)
	{
		tagging->rows.n += nn_spelling_rows(bytes, n_bytes, spec->spelling_rows,
											tagging->rows.item + tagging->rows.n);
		flags = nn_spelling_flags(bytes, n_bytes);
	}
	ok = ok && tagging->rows.n <= INT32_MAX && push(&tagging->starts, (int32_t) tagging->rows.n, scratch) &&
		push(&tagging->flags, flags, scratch);
	if (tagging->places != NULL)
		ok = ok && push_place(tagging->places, place, scratch);
	return ok ? NN_OK : nn_fail(err, NN_ENOMEM, "out of memory");
}

/* The lists as the forms of examples whose token i is form i. */
static NnStatus
close_forms(const Tagging *tagging, NnExamples *examples, NnError *err)
{
	NnArena    *scratch = tagging->scratch;
	int64_t		n = tagging->word.n;
	NnForms    *forms = NN_ALLOC(scratch, NnForms, 1);
	int64_t    *start = NN_TAKE(scratch, int64_t, (size_t) n + 1);
	uint16_t   *flags = NN_TAKE(scratch, uint16_t, (size_t) n);
	int32_t    *token = NN_TAKE(scratch, int32_t, (size_t) n);

	if (forms == NULL || start == NULL || flags == NULL || token == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	start[0] = 0;
	for (int64_t i = 0; i < n; i++)
	{
		start[i + 1] = tagging->starts.item[i];
		flags[i] = (uint16_t) tagging->flags.item[i];
		token[i] = (int32_t) i;
	}
	forms->n = (int32_t) n;
	forms->word = tagging->word.item;
	forms->spelling_start = start;
	forms->spelling_row = tagging->rows.item;
	forms->flags = flags;
	examples->forms = forms;
	examples->token = token;
	return NN_OK;
}

NnStatus
nn_encode_tagged(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
				 NnExamples *examples, NnPlace **place, NnReading *readings, NnError *err)
{
	Tagging		tagging = {.scratch = scratch};
	NnVisit		visit = {model, take_form, &tagging};
	int64_t    *token_start = NN_ALLOC(scratch, int64_t, (size_t) n + 1);

	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	if (token_start == NULL || !nn_list_reserve(&tagging.word, 1, scratch) ||
		!nn_list_reserve(&tagging.rows, 1, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
	{
		Places		places = {0};

		tagging.places = place != NULL ? &places : NULL;
		tagging.n_unknown = 0;
		NN_TRY(nn_encode_check(model, &inputs[i], err));
		NN_TRY(visit_value(&visit, &inputs[i], err));
		token_start[i + 1] = tagging.word.n;
		if (place != NULL)
			place[i] = places.item;
		if (readings != NULL)
			readings[i] = (NnReading)
		{
			.n_tokens = token_start[i + 1] - token_start[i],
				.n_used = token_start[i + 1] - token_start[i],
				.n_words = token_start[i + 1] - token_start[i],
				.n_unknown = tagging.n_unknown
		};
	}
	examples->token_start = token_start;
	return close_forms(&tagging, examples, err);
}

/* ---- texts ------------------------------------------------------------------------------------ */

typedef struct Spelling
{
	NnArena    *scratch;
	NnList		tokens;
	Places	   *places;
	int64_t		n_words;
	int64_t		n_unknown;
} Spelling;

NnPlace
nn_encode_cut_piece(const NnModel *model, NnPlace *rest, int32_t id, bool is_first, bool is_last)
{
	NnPlace		place = *rest;
	int			n_bytes;
	const char *bytes = nn_vocabulary_bytes(model->vocabulary, id, &n_bytes);

	/* the space that the first piece takes along is no part of its place */
	if (is_first && n_bytes > 0 && bytes[0] == ' ' && (rest->n_bytes == 0 || *rest->bytes != ' '))
		n_bytes--;
	if (n_bytes > rest->n_bytes || is_last)
		n_bytes = rest->n_bytes;
	place.n_bytes = n_bytes;
	place.stop = place.start + nn_utf8_length(place.bytes, (size_t) n_bytes);
	rest->bytes += n_bytes;
	rest->n_bytes -= n_bytes;
	rest->start = place.stop;
	return place;
}

static bool
place_pieces(const NnModel *model, const NnPlace *word, const int32_t *ids, int n, Spelling *spelling)
{
	NnPlace		rest = *word;

	for (int k = 0; k < n; k++)
	{
		NnPlace		place = nn_encode_cut_piece(model, &rest, ids[k], k == 0, k == n - 1);

		if (!push_place(spelling->places, &place, spelling->scratch))
			return false;
	}
	return true;
}

static NnStatus
take_word(NnVisit *visit, const char *bytes, int n_bytes, const NnPlace *place, NnError *err)
{
	Spelling   *spelling = visit->ctx;
	int32_t		ids[NN_WORD_BYTES + 8];
	bool		is_known;
	int			n = nn_encode_word(visit->model, bytes, n_bytes, ids, &is_known);

	spelling->n_words++;
	spelling->n_unknown += !is_known;
	if (!nn_list_reserve(&spelling->tokens, n, spelling->scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(spelling->tokens.item + spelling->tokens.n, ids, (size_t) n * sizeof(int32_t));
	spelling->tokens.n += n;
	if (spelling->places != NULL && !place_pieces(visit->model, place, ids, n, spelling))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

NnStatus
nn_encode_exact(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
				NnExamples *examples, NnPlace **place, NnReading *readings, NnError *err)
{
	Spelling	spelling = {.scratch = scratch};
	NnVisit		visit = {model, take_word, &spelling};
	int64_t    *token_start = NN_ALLOC(scratch, int64_t, (size_t) n + 1);

	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	if (token_start == NULL || !nn_list_reserve(&spelling.tokens, 1, scratch))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
	{
		Places		places = {0};
		int64_t		n_read;

		spelling.places = place != NULL ? &places : NULL;
		spelling.n_words = spelling.n_unknown = 0;
		NN_TRY(nn_encode_check(model, &inputs[i], err));
		NN_TRY(visit_value(&visit, &inputs[i], err));
		n_read = spelling.tokens.n - token_start[i];
		/* a translation reads so much; a language model reads all */
		if (model->spec.task == NN_TASK_TRANSLATE && n_read > model->max_tokens)
			spelling.tokens.n = token_start[i] + model->max_tokens;
		token_start[i + 1] = spelling.tokens.n;
		if (place != NULL)
			place[i] = places.item;
		if (readings != NULL)
			readings[i] = (NnReading)
		{
			.n_tokens = n_read, .n_used = token_start[i + 1] - token_start[i],
				.n_words = spelling.n_words, .n_unknown = spelling.n_unknown
		};
	}
	examples->token_start = token_start;
	examples->token = spelling.tokens.item;
	return NN_OK;
}
