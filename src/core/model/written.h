/*
 * model/written.h: inside this room: tokens -> the text they are.
 */
#ifndef NN_WRITTEN_H
#define NN_WRITTEN_H

#include "model/write.h"

/*
 * The text of n tokens into out->text and out->n_bytes, from scratch, and the
 * places of the tokens in it into out->written.  is_continued: the text goes on
 * behind another, so a space before its first word is kept.
 */
NnStatus	nn_written_text(const NnModel *model, const int32_t *token, int n, bool is_continued,
							NnArena *scratch, NnWritten *out, NnError *err);

#endif							/* NN_WRITTEN_H */
