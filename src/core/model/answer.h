/*
 * model/answer.h: inputs in, answers out.
 */
#ifndef NN_ANSWER_H
#define NN_ANSWER_H

#include "model/model.h"

typedef enum NnValueKind
{
	NN_VALUE_TEXT,				/* UTF-8 text */
	NN_VALUE_WORDS,				/* a list of words (text[]), each tokenized by itself */
	NN_VALUE_NUMBERS			/* steps x channels */
} NnValueKind;

/* One row's input, in the host's memory. */
typedef struct NnValue
{
	NnValueKind kind;
	const char *text;
	size_t		n_bytes;
	const char *const *words;
	const size_t *word_bytes;
	int			n_words;
	const float *numbers;
	int			n_steps;		/* a 1-D array of n numbers: n steps x 1 channel */
	int			n_channels;
} NnValue;

/* What was read of an input. */
typedef struct NnReading
{
	int64_t		n_tokens;		/* tokens (or steps) of the whole input */
	int64_t		n_used;			/* ... that the recurrent branch read (all, if there is none) */
	int64_t		n_words;		/* that were looked up in the vocabulary; 0 without one */
	int64_t		n_unknown;		/* ... and that it does not hold as words */
	float		energy;			/* classify: how unlike the training rows it is (train/calibrate.h) */
	int			batch;			/* of the packed batches of a call, the one that read it, from 0 */
} NnReading;

/* These inputs, picked, were read in this batch; readings may be NULL. */
static inline void
nn_reading_in_batch(NnReading *readings, const int32_t *pick, int n, int batch)
{
	for (int i = 0; readings != NULL && i < n; i++)
		readings[pick[i]].batch = batch;
}

/*
 * Answers for n inputs.  out (n, C): probabilities that sum to 1 (classify; each
 * label's own where a row may have many), or numbers in the target's own units (regress).  readings (n) may be NULL.
 * hidden (n, nn_answer_hidden(model)), or NULL, receives the vectors below the
 * heads.  A row's numbers are bit-identical alone and in any batch.
 * An input without tokens is answered from the biases alone.
 * NN_EINVAL if an input does not fit the model (kind, channels, length), NN_EENCODING,
 * NN_ERANGE on NaN or infinity.
 */
NnStatus	nn_answer(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch,
					  float *out, NnReading *readings, float *hidden, NnError *err);

/* Width of the hidden vector. */
int			nn_answer_hidden(const NnModel *model);

#endif							/* NN_ANSWER_H */
