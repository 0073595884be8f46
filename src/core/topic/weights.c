/*
 * topic/weights.c: the words of a text, each with what it weighs.
 */
#include "topic/weights.h"

#include <math.h>

void
nn_word_weights_init(NnWordWeights *words, const NnEnv *env, const char *text, size_t n_bytes,
					 const NnWeighted *weighted, int n)
{
	const NnTokenizerOptions options = {0};

	nn_tokenizer_init(&words->tokenizer, env, &options, text, n_bytes);
	words->weighted = weighted;
	words->n = n;
	words->next = 0;
}

static double
weight_between(NnWordWeights *words, int64_t start, int64_t stop)
{
	double		sum = 0.0;

	while (words->next < words->n && words->weighted[words->next].stop <= start)
		words->next++;
	for (int i = words->next; i < words->n && words->weighted[i].start < stop; i++)
	{
		const NnWeighted *w = &words->weighted[i];
		int64_t		from = w->start > start ? w->start : start;
		int64_t		to = w->stop < stop ? w->stop : stop;

		if (to > from && isfinite(w->weight))
			sum += w->weight * (double) (to - from) / (double) (w->stop - w->start);
	}
	return sum;
}

NnStatus
nn_word_weights_next(NnWordWeights *words, NnWord *word, double *weight, NnError *err)
{
	NN_TRY(nn_tokenizer_next(&words->tokenizer, word, err));
	*weight = word->bytes != NULL ? weight_between(words, word->start, word->stop) : 0.0;
	return NN_OK;
}
