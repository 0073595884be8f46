/*
 * topic/weights.h: the words of a text, each with what it weighs.
 */
#ifndef NN_TOPIC_WEIGHTS_H
#define NN_TOPIC_WEIGHTS_H

#include "text/tokenize.h"

/* Words from character start to before stop of a text weigh so much. */
typedef struct NnWeighted
{
	int64_t		start;
	int64_t		stop;
	double		weight;
} NnWeighted;

typedef struct NnWordWeights
{
	NnTokenizer tokenizer;
	const NnWeighted *weighted; /* in the order of the text */
	int			n;
	int			next;			/* those before it end before the word at hand */
} NnWordWeights;

void		nn_word_weights_init(NnWordWeights *words, const NnEnv *env, const char *text, size_t n_bytes,
								 const NnWeighted *weighted, int n);

/* As nn_tokenizer_next(); what is weighed is given to words by the characters that they share. */
NnStatus	nn_word_weights_next(NnWordWeights *words, NnWord *word, double *weight, NnError *err);

#endif							/* NN_TOPIC_WEIGHTS_H */
