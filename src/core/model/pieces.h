/*
 * model/pieces.h: inside this room: which tokens are words, and which are pieces of
 * words (bytes and units of the vocabulary).
 */
#ifndef NN_PIECES_H
#define NN_PIECES_H

#include "model/model.h"

/* Is the token a word of the vocabulary? */
bool		nn_is_whole_word(const NnModel *model, int32_t token);

/*
 * Which pieces begin a word, for a net that copies (else NULL); memory from arena,
 * which outlives the net.
 */
NnStatus	nn_find_pieces(const NnModel *model, NnArena *arena, bool **starts_word, NnError *err);

/* Tell the model's net. */
void		nn_use_pieces(const NnModel *model, const bool *starts_word);

#endif							/* NN_PIECES_H */
