/*
 * exec/embed.h: the vector that a network makes of an input.
 */
#ifndef LSTM_EMBED_H
#define LSTM_EMBED_H

#include "utils/array.h"

#include "model/answer.h"

/*
 * real[]: what stands below the heads (classify, regress, forecast), or the mean
 * of the last layer's states over the tokens, forward before backward.
 */
extern ArrayType *lstm_embed(const NnModel *model, const NnValue *input);

/* The same for n inputs into out (n, lstm_embed_width()); core's status is returned. */
extern int	lstm_embed_width(const NnModel *model);
extern NnStatus lstm_embed_rows(const NnModel *model, const NnValue *inputs, int n, float *out,
								NnReading *readings, NnError *err);

#endif							/* LSTM_EMBED_H */
