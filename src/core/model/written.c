/*
 * model/written.c: tokens -> the text they are.
 *
 * The bytes of exact tokens end to end are the text, with a space before it that
 * is no part of it.  Characters have no such space.  Given words are joined by one
 * space; one that is spelled in units is whole again, though two of that kind in a
 * row cannot be told apart.
 */
#include "model/written.h"

#include <string.h>

#include "model/pieces.h"

/* Tokens first ... stop - 1, decoded behind out. */
static NnStatus
decode_run(const NnModel *model, const int32_t *token, int n, bool keeps_space, NnArray *out)
{
	int			n_bytes;
	const char *bytes;

	if (n == 0)
		return NN_OK;
	/* the decoder takes one space away at the beginning */
	bytes = nn_vocabulary_bytes(model->vocabulary, token[0], &n_bytes);
	if (keeps_space && n_bytes > 0 && bytes[0] == ' ')
		NN_TRY(nn_write_bytes(out, " ", 1));
	return nn_vocabulary_decode_exact(model->vocabulary, token, n, out);
}

static NnStatus
decode_given(const NnModel *model, const int32_t *token, int n, bool is_continued, NnArray *out)
{
	int			stop;

	for (int first = 0; first < n; first = stop)
	{
		stop = first + 1;
		while (!nn_is_whole_word(model, token[first]) && stop < n && !nn_is_whole_word(model, token[stop]))
			stop++;
		if (first > 0 || is_continued)
			NN_TRY(nn_write_bytes(out, " ", 1));
		NN_TRY(decode_run(model, token + first, stop - first, true, out));
	}
	return NN_OK;
}

/* Places of the tokens, by the characters of each one's bytes. */
static void
find_pieces(const NnModel *model, const int32_t *token, int n, NnPiece *piece)
{
	bool		is_given = model->unit == NN_UNIT_GIVEN;
	int64_t		character = 0;

	for (int t = 0; t < n; t++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(model->vocabulary, token[t], &n_bytes);
		bool		has_space = !is_given && model->unit == NN_UNIT_WORD && n_bytes > 0 && bytes[0] == ' ';

		/* a space before a word is between the pieces; before the first it is not there */
		character += t > 0 && (has_space || (is_given && nn_is_whole_word(model, token[t])));
		piece[t].start = character;
		character += nn_utf8_length(bytes + has_space, (size_t) (n_bytes - has_space));
		piece[t].stop = character;
	}
}

NnStatus
nn_written_text(const NnModel *model, const int32_t *token, int n, bool is_continued,
				NnArena *scratch, NnWritten *out, NnError *err)
{
	NnArray		bytes;
	NnStatus	status;

	out->written = NN_ALLOC(scratch, NnPiece, (size_t) n + 1);
	if (out->written == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	find_pieces(model, token, n, out->written);
	nn_array_init(&bytes, model->env, 1);
	status = model->unit == NN_UNIT_GIVEN ? decode_given(model, token, n, is_continued, &bytes) :
		decode_run(model, token, n, is_continued || model->unit == NN_UNIT_CHARACTER, &bytes);
	if (status == NN_OK)
	{
		out->n_bytes = bytes.n;
		out->text = nn_arena_copy(scratch, bytes.n > 0 ? bytes.data : "", bytes.n);
		status = out->text != NULL ? NN_OK : NN_ENOMEM;
	}
	nn_array_free(&bytes);
	return status == NN_OK ? NN_OK : nn_fail(err, status, "%s", nn_status_text(status));
}
