/*
 * model/pieces.c: which tokens are words, and which are pieces of words.
 *
 * A piece that begins with a space begins a word (text/tokenize.h).  Another may:
 * a sign or a given word that is spelled looks like a piece that goes on, and is
 * then copied together with what stands before it, in its order.
 */
#include "model/pieces.h"

/* Bytes, then units, then words (text/vocabulary.h). */
static int
count_pieces(const NnModel *model)
{
	return 256 + nn_vocabulary_n_units(model->vocabulary);
}

bool
nn_is_whole_word(const NnModel *model, int32_t token)
{
	return token >= count_pieces(model);
}

NnStatus
nn_find_pieces(const NnModel *model, NnArena *arena, bool **starts_word, NnError *err)
{
	int			n;

	*starts_word = NULL;
	if (!model->spec.has_copy)
		return NN_OK;
	n = count_pieces(model);
	*starts_word = NN_TAKE(arena, bool, (size_t) n);
	if (*starts_word == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int id = 0; id < n; id++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(model->vocabulary, id, &n_bytes);

		(*starts_word)[id] = n_bytes > 0 && bytes[0] == ' ';
	}
	return NN_OK;
}

void
nn_use_pieces(const NnModel *model, const bool *starts_word)
{
	if (starts_word != NULL)
		nn_net_set_pieces(model->net, count_pieces(model), starts_word);
}
