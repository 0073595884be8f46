/*
 * model/learn_texts.c: a row's text -> numbers of its words, by what the task
 * reads: words as the tokenizer cuts them, single characters, elements as given,
 * or, for tags, tokens as they are written with their folded words beside.
 */
#include "model/learn_private.h"

#include <string.h>

static NnStatus
push_word(NnLexicon *lexicon, const char *bytes, int n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	int32_t    *place = nn_array_push(stream, 1);
	NnStatus	status;

	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = nn_lexicon_add(lexicon, bytes, n_bytes, row, place);
	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}

/* A token to tag: its form into the stream, its folded word into the lexicon. */
static NnStatus
add_form(NnLearner *learner, const char *form, int n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	char		folded[NN_WORD_BYTES];
	int			n;
	int32_t		number;
	NnStatus	status;

	NN_TRY(push_word(learner->form_lexicon, form, n_bytes, row, stream, err));
	NN_TRY(nn_text_fold(learner->env, false, form, (size_t) n_bytes, folded, &n, err));
	if (n == 0)
		return NN_OK;
	status = nn_lexicon_add(learner->lexicon, folded, n, row, &number);
	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}

static NnStatus
add_text(NnLearner *learner, const char *text, size_t n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	NnTokenizer tokenizer;
	NnWord		word;

	nn_tokenizer_init(&tokenizer, learner->env, &learner->model->tokenizer, text, n_bytes);
	for (;;)
	{
		NN_TRY(nn_tokenizer_next(&tokenizer, &word, err));
		if (word.bytes == NULL)
			return NN_OK;
		if (learner->task == NN_TASK_TAG)
			NN_TRY(add_form(learner, word.bytes, word.n_bytes, row, stream, err));
		else
			NN_TRY(push_word(learner->lexicon, word.bytes, word.n_bytes, row, stream, err));
	}
}

static NnStatus
add_characters(NnLearner *learner, const char *text, size_t n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	size_t		bad_at;
	size_t		stop;

	if (!nn_utf8_check(text, n_bytes, &bad_at))
		return nn_fail(err, NN_EENCODING, "text is not valid UTF-8 at byte %zu", bad_at + 1);
	for (size_t at = 0; at < n_bytes; at = stop)
	{
		stop = at + 1;
		while (stop < n_bytes && ((unsigned char) text[stop] & 0xC0) == 0x80)
			stop++;
		NN_TRY(push_word(learner->lexicon, text + at, (int) (stop - at), row, stream, err));
	}
	return NN_OK;
}

/* An element of a text[] that is a token by itself. */
static NnStatus
add_element(NnLearner *learner, const char *word, size_t n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	char		form[NN_WORD_BYTES];
	size_t		bad_at;
	int			n;

	if (learner->task == NN_TASK_TAG)
	{
		NN_TRY(nn_text_fold(learner->env, true, word, n_bytes, form, &n, err));
		return add_form(learner, form, n, row, stream, err);
	}
	if (n_bytes > NN_WORD_BYTES)
	{
		nn_fail(err, NN_EINVAL, "an element of the array is too long for a token");
		return nn_fail_detail(err, "It has %zu bytes; a token has at most %d.", n_bytes, NN_WORD_BYTES);
	}
	if (!nn_utf8_check(word, n_bytes, &bad_at))
		return nn_fail(err, NN_EENCODING, "text is not valid UTF-8 at byte %zu", bad_at + 1);
	return push_word(learner->lexicon, word, (int) n_bytes, row, stream, err);
}

/* A text of given tokens: they are what stands between white space. */
static NnStatus
add_split(NnLearner *learner, const char *text, size_t n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	size_t		stop;

	for (size_t at = 0; at < n_bytes; at = stop + 1)
	{
		stop = at;
		while (stop < n_bytes && !nn_encode_is_white(text[stop]))
			stop++;
		if (stop > at)
			NN_TRY(add_element(learner, text + at, stop - at, row, stream, err));
	}
	return NN_OK;
}

static NnStatus
add_one_text(NnLearner *learner, const char *text, size_t n_bytes, int32_t row, NnArray *stream, NnError *err)
{
	if (learner->model->unit == NN_UNIT_CHARACTER)
		return add_characters(learner, text, n_bytes, row, stream, err);
	if (learner->model->unit == NN_UNIT_GIVEN)
		return add_split(learner, text, n_bytes, row, stream, err);
	return add_text(learner, text, n_bytes, row, stream, err);
}

NnStatus
nn_learner_add_words(NnLearner *learner, const NnValue *value, int32_t row, NnArray *stream, NnError *err)
{
	bool		is_given = learner->task == NN_TASK_TAG || learner->model->unit == NN_UNIT_GIVEN;

	if (value->kind == NN_VALUE_TEXT)
		return add_one_text(learner, value->text, value->n_bytes, row, stream, err);
	for (int i = 0; i < value->n_words; i++)
	{
		/* exact words begin with a space by themselves */
		if (i > 0 && learner->model->unit == NN_UNIT_CHARACTER)
			NN_TRY(add_characters(learner, " ", 1, row, stream, err));
		NN_TRY(is_given ? add_element(learner, value->words[i], value->word_bytes[i], row, stream, err) :
			   add_one_text(learner, value->words[i], value->word_bytes[i], row, stream, err));
	}
	return NN_OK;
}
