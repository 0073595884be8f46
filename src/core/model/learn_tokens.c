/*
 * model/learn_tokens.c: examples of tasks whose targets stand at the tokens: tags,
 * next tokens, texts that are written.
 */
#include "model/learn_private.h"

#include <string.h>

#include "base/rng.h"
#include "text/spelling.h"

_Static_assert(NN_SPELLING_FLAGS == NN_SHAPE_FLAGS, "a network's flags are those of the spelling");

/* ---- tags ------------------------------------------------------------------------- */

static bool
is_form_before(const NnLearner *learner, int32_t a, int32_t b)
{
	return nn_lexicon_is_before(learner->form_lexicon, a, b);
}

/*
 * Forms are numbered in byte order: their numbers in the lexicon depend on the
 * order of the rows, and a batch's forms are dropped and added up by number.
 * sorted gets the forms in their new order.
 */
static NnStatus
rank_forms(NnLearner *learner, int32_t n, int32_t **sorted, NnError *err)
{
	int32_t    *rank = nn_array_push(&learner->form_rank, (size_t) n);
	int32_t    *form = learner->env->alloc(learner->env->ctx, ((size_t) n + 1) * sizeof(int32_t));

	*sorted = form;
	if (form == NULL || (rank == NULL && n > 0))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t i = 0; i < n; i++)
		form[i] = i;
	nn_learner_sort(learner, form, n, is_form_before);
	for (int32_t i = 0; i < n; i++)
		rank[form[i]] = i;
	return NN_OK;
}

/* One written form: its word's row, its spelling, its shape. */
static NnStatus
use_form(NnLearner *learner, int32_t form, NnError *err)
{
	const char *bytes = nn_lexicon_bytes(learner->form_lexicon, form);
	int			n_bytes = (int) nn_lexicon_get(learner->form_lexicon, form)->n_bytes;
	const NnSpec *spec = &learner->model->spec;
	int32_t    *word = nn_array_push(&learner->form_word, 1);
	uint16_t   *flags = nn_array_push(&learner->form_flags, 1);
	int64_t    *start;
	int32_t    *rows;
	char		folded[NN_WORD_BYTES];
	int			n;

	if (word == NULL || flags == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_text_fold(learner->env, false, bytes, (size_t) n_bytes, folded, &n, err));
	*word = n > 0 ? nn_vocabulary_find(learner->model->vocabulary, folded, n) : -1;
	*flags = 0;
	if (spec->spelling_rows > 0)
	{
		*flags = nn_spelling_flags(bytes, n_bytes);
		rows = nn_array_push(&learner->form_row, NN_SPELLING_MAX);
		if (rows == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		learner->form_row.n -= NN_SPELLING_MAX;
		learner->form_row.n += (size_t) nn_spelling_rows(bytes, n_bytes, spec->spelling_rows, rows);
	}
	start = nn_array_push(&learner->form_start, 1);
	if (start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*start = (int64_t) learner->form_row.n;
	return NN_OK;
}

static NnStatus
use_sorted_forms(NnLearner *learner, const int32_t *form, int32_t n, NnError *err)
{
	int64_t    *start = nn_array_push(&learner->form_start, 1);

	if (start == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*start = 0;
	for (int32_t i = 0; i < n; i++)
	{
		if ((i & 255) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(use_form(learner, form[i], err));
	}
	return NN_OK;
}

NnStatus
nn_learner_use_forms(NnLearner *learner, NnError *err)
{
	int32_t		n = nn_lexicon_n(learner->form_lexicon);
	int32_t    *form = NULL;
	NnStatus	status = rank_forms(learner, n, &form, err);

	if (status == NN_OK)
		status = use_sorted_forms(learner, form, n, err);
	learner->env->release(learner->env->ctx, form);
	NN_TRY(status);
	learner->forms.n = n;
	learner->forms.word = learner->form_word.data;
	learner->forms.spelling_start = learner->form_start.data;
	learner->forms.spelling_row = learner->form_row.data;
	learner->forms.flags = learner->form_flags.data;
	return nn_learner_check_memory(learner, 0, err);
}

static bool
push_start(NnArray *starts, const NnArray *stream)
{
	int64_t    *place = nn_array_push(starts, 1);

	if (place != NULL)
		*place = (int64_t) stream->n;
	return place != NULL;
}

static bool
append_tagged(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut)
{
	const int32_t *form = (const int32_t *) learner->words.data + row->start;
	const int32_t *tag = (const int32_t *) learner->target_words.data + row->target_start;
	const int32_t *rank = learner->form_rank.data;
	int32_t		n = row->n < learner->model->max_tokens ? row->n : learner->model->max_tokens;
	int32_t    *forms = nn_array_push(&part->token, (size_t) n);
	int32_t    *tags = nn_array_push(&part->tag, (size_t) n);

	if (n > 0 && (forms == NULL || tags == NULL))
		return false;
	*n_cut += n < row->n;
	for (int32_t j = 0; j < n; j++)
	{
		forms[j] = rank[form[j]];
		tags[j] = learner->label_rank[tag[j]];
	}
	return push_start(&part->token_start, &part->token);
}

/* ---- texts --------------------------------------------------------------------------- */

/*
 * A word that is rare, and the same in a row's text and in what is written for it, is
 * cut into units on both sides, in one of SPELLED_OF of its rows: names never seen
 * come in pieces, and where all names of the table are words nothing else would teach
 * how pieces are copied (compare BPE dropout, Provilkov et al. 2020).  By hash, so
 * that the rows' order does not matter.
 */
#define SPELLED_OF		5
#define RARE_SHARE		20		/* rare: in at most one of so many rows */

/* The words of a row on one side, and on the other where names may be spelled (else NULL). */
typedef struct RowWords
{
	const NnRow *row;
	const int32_t *words;
	int32_t		n;
	const int32_t *other;
	int32_t		n_other;
} RowWords;

static bool
is_spelled(const NnLearner *learner, const RowWords *side, int32_t word)
{
	const NnLexeme *lexeme = nn_lexicon_get(learner->lexicon, word);

	if (side->other == NULL || nn_mix64(side->row->input_hash ^ lexeme->hash) % SPELLED_OF != 0 ||
		(int64_t) lexeme->n_rows * RARE_SHARE > (int64_t) learner->rows.n)
		return false;
	for (int32_t j = 0; j < side->n_other; j++)
		if (side->other[j] == word)
			return true;
	return false;
}

/* The tokens of a word: its own, or spelled into room. */
static const int32_t *
tokens_of(const NnLearner *learner, const RowWords *side, int32_t word, int32_t *room, int32_t *n)
{
	const NnWordUse *use = (const NnWordUse *) learner->uses.data + word;

	*n = use->n_tokens;
	if (use->n_tokens != 1 || !is_spelled(learner, side, word))
		return (const int32_t *) learner->piece.data + use->token_start;
	*n = nn_vocabulary_cut(learner->model->vocabulary, nn_lexicon_bytes(learner->lexicon, word),
						   (int) nn_lexicon_get(learner->lexicon, word)->n_bytes, room);
	return room;
}

/* The tokens of one side behind stream; at most n_room of them.  False if out of memory. */
static bool
append_side(const NnLearner *learner, const RowWords *side, int64_t n_room, NnArray *stream, bool *is_cut)
{
	int32_t		room[NN_WORD_BYTES];
	size_t		start = stream->n;

	for (int32_t j = 0; j < side->n; j++)
	{
		int32_t		n;
		const int32_t *tokens = tokens_of(learner, side, side->words[j], room, &n);
		int32_t    *place;

		if ((int64_t) (stream->n - start) + n > n_room)
		{
			*is_cut = true;
			return true;
		}
		place = nn_array_push(stream, (size_t) n);
		if (place == NULL && n > 0)
			return false;
		if (n > 0)
			memcpy(place, tokens, (size_t) n * sizeof(int32_t));
	}
	return true;
}

/*
 * A text of a language model; where it does not run on, a long one becomes several
 * examples, of which the last alone ends: behind the others comes the next one's token.
 */
static bool
append_language(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_examples)
{
	RowWords	side = {row, (const int32_t *) learner->words.data + row->start, row->n, NULL, 0};
	int64_t		room = learner->options.running == 1 ? INT64_MAX : learner->model->max_tokens;
	size_t		first = part->token.n;
	bool		is_cut = false;

	if (!append_side(learner, &side, INT64_MAX, &part->token, &is_cut))
		return false;
	do
	{
		int64_t    *place = nn_array_push(&part->token_start, 1);
		int32_t    *behind = nn_array_push(&part->label, 1);
		size_t		left = part->token.n - first;

		if (place == NULL || behind == NULL)
			return false;
		first += (int64_t) left < room ? left : (size_t) room;
		*place = (int64_t) first;
		*behind = first < part->token.n ? ((const int32_t *) part->token.data)[first] : NN_TOKEN_END;
		(*n_examples)++;
	} while (first < part->token.n);
	return true;
}

static bool
append_pair(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut)
{
	const int32_t *read = (const int32_t *) learner->words.data + row->start;
	const int32_t *written = (const int32_t *) learner->target_words.data + row->target_start;
	RowWords	source = {row, read, row->n, NULL, 0};
	RowWords	target = {row, written, row->target_n, NULL, 0};
	int64_t		room = learner->model->max_tokens;
	bool		is_cut = false;

	/* held-out rows are read as they will be in an answer */
	if (learner->model->spec.has_copy && part == &learner->train)
	{
		source.other = target.words;
		source.n_other = target.n;
		target.other = source.words;
		target.n_other = source.n;
	}
	if (learner->task == NN_TASK_CAPTION)
	{
		if (!nn_part_append_steps(learner, part, row, n_cut))
			return false;
	}
	else if (!append_side(learner, &source, room, &part->token, &is_cut) ||
			 !push_start(&part->token_start, &part->token))
		return false;
	if (!append_side(learner, &target, room, &part->written, &is_cut))
		return false;
	*n_cut += is_cut;
	return push_start(&part->written_start, &part->written);
}

bool
nn_part_append_tokens(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut,
					  int64_t *n_examples)
{
	switch (learner->task)
	{
		case NN_TASK_TAG:
			(*n_examples)++;
			return append_tagged(learner, part, row, n_cut);
		case NN_TASK_LANGUAGE:
			return append_language(learner, part, row, n_examples);
		default:
			(*n_examples)++;
			return append_pair(learner, part, row, n_cut);
	}
}
