/*
 * train/bleu.c: BLEU of a corpus (Papineni et al. 2002), as sacreBLEU computes it.
 *
 * With c_n the n-grams of all candidates and m_n those of them that a reference of
 * the same sentence has, an n-gram counted at most as often as in the reference
 * that has most of it:
 *	p_n  = m_n / c_n, and 1 / (2^j c_n) for the j-th order without a match
 *		   (Chen and Cherry 2014, method 3)
 *	BP   = 1 if c >= r else exp(1 - r / c)
 *	BLEU = 100 BP (p_1 p_2 p_3 p_4)^(1/4)
 * c are the candidates' tokens, r the tokens of each sentence's reference that is
 * nearest in length, of two equally near the shorter.  A corpus without a match,
 * or without candidates of four tokens, scores 0.
 */
#include "train/metrics_sequence.h"

#include <math.h>

#include "train/ngrams.h"

_Static_assert(NN_GRAM_ORDERS == sizeof(((NnBleu *) 0)->n_right) / sizeof(int64_t), "one count for each order");

/* One sentence at work; all of it in scratch. */
typedef struct Sentence
{
	NnTokenRule rule;
	NnArena    *scratch;
	NnTrie		words;			/* of the candidate alone: others match nothing */
	NnTrie		grams;
	NnWords		candidate;
	uint32_t   *gram;			/* (candidate.n, 4) */
	int64_t    *n_best;			/* by n-gram: how often the reference with most of it has it */
	int64_t    *n_here;			/* the same for the reference at hand */
} Sentence;

static NnStatus
read_candidate(Sentence *sentence, const char *text, size_t n_bytes, NnError *err)
{
	NnArena    *scratch = sentence->scratch;
	size_t		n_counts;

	NN_TRY(nn_trie_init(&sentence->words, scratch, err));
	NN_TRY(nn_trie_init(&sentence->grams, scratch, err));
	NN_TRY(nn_words_read(&sentence->candidate, &sentence->words, true, sentence->rule, text, n_bytes, err));
	sentence->gram = NN_TAKE(scratch, uint32_t, nn_size_mul(sentence->candidate.n, NN_GRAM_ORDERS));
	if (sentence->gram == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the BLEU of a text");
	NN_TRY(nn_grams_add(&sentence->grams, &sentence->candidate, sentence->gram, err));
	n_counts = (size_t) sentence->grams.n_nodes + 1;
	sentence->n_best = NN_ALLOC(scratch, int64_t, n_counts);
	sentence->n_here = NN_ALLOC(scratch, int64_t, n_counts);
	if (sentence->n_best == NULL || sentence->n_here == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the BLEU of a text");
	return NN_OK;
}

/* Raise n_best to what this reference has of the candidate's n-grams; *n_tokens are all of its words. */
static NnStatus
read_reference(Sentence *sentence, const char *text, size_t n_bytes, int64_t *n_tokens, NnError *err)
{
	NnWords		words;
	uint32_t   *gram;
	size_t		n;

	NN_TRY(nn_words_read(&words, &sentence->words, false, sentence->rule, text, n_bytes, err));
	n = nn_size_mul(words.n, NN_GRAM_ORDERS);
	gram = NN_TAKE(sentence->scratch, uint32_t, n);
	if (gram == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory for the BLEU of a text");
	NN_TRY(nn_grams_find(&sentence->grams, &words, gram));

	for (size_t i = 0; i < n; i++)
	{
		NN_TRY(nn_poll_at(sentence->scratch, i));
		sentence->n_here[gram[i]]++;
	}
	for (size_t i = 0; i < n; i++)
	{
		NN_TRY(nn_poll_at(sentence->scratch, i));
		if (sentence->n_here[gram[i]] > sentence->n_best[gram[i]])
			sentence->n_best[gram[i]] = sentence->n_here[gram[i]];
		sentence->n_here[gram[i]] = 0;
	}
	*n_tokens = (int64_t) words.n;
	return NN_OK;
}

/* Each n-gram of the candidate uses up one of the best reference's: that is the clipping. */
static NnStatus
count_matches(Sentence *sentence, NnBleu *bleu)
{
	sentence->n_best[0] = 0;	/* number 0 is no n-gram */
	for (size_t i = 0; i < sentence->candidate.n; i++)
	{
		NN_TRY(nn_poll_at(sentence->scratch, i));
		for (size_t k = 0; k < NN_GRAM_ORDERS; k++)
		{
			uint32_t	gram = sentence->gram[i * NN_GRAM_ORDERS + k];

			bleu->n_total[k] += gram != 0;
			if (sentence->n_best[gram] > 0)
			{
				sentence->n_best[gram]--;
				bleu->n_right[k]++;
			}
		}
	}
	return NN_OK;
}

/* Is a reference of n tokens nearer to n_candidate than one of n_nearest? */
static bool
is_nearer(int64_t n, int64_t n_nearest, int64_t n_candidate)
{
	int64_t		d = n > n_candidate ? n - n_candidate : n_candidate - n;
	int64_t		d_nearest = n_nearest > n_candidate ? n_nearest - n_candidate : n_candidate - n_nearest;

	return d < d_nearest || (d == d_nearest && n < n_nearest);
}

NnStatus
nn_bleu_add(NnBleu *bleu, const char *candidate, size_t n_bytes,
			const char *const *references, const size_t *reference_bytes, int n_references,
			bool is_characters, NnArena *scratch, NnError *err)
{
	Sentence	sentence = {0};
	NnBleu		sum = *bleu;	/* a failure leaves the caller's as it was */
	int64_t		n_nearest = 0;

	if (n_references < 1)
		return nn_fail(err, NN_EINVAL, "a text without a reference has no BLEU");
	sentence.rule = is_characters ? NN_TOKENS_CHARACTERS : NN_TOKENS_13A;
	sentence.scratch = scratch;
	NN_TRY(read_candidate(&sentence, candidate, n_bytes, err));
	for (int r = 0; r < n_references; r++)
	{
		int64_t		n_tokens = 0;

		NN_TRY(read_reference(&sentence, references[r], reference_bytes[r], &n_tokens, err));
		if (r == 0 || is_nearer(n_tokens, n_nearest, (int64_t) sentence.candidate.n))
			n_nearest = n_tokens;
	}
	NN_TRY(count_matches(&sentence, &sum));
	sum.n_candidate += (int64_t) sentence.candidate.n;
	sum.n_reference += n_nearest;
	*bleu = sum;
	return NN_OK;
}

double
nn_bleu_score(const NnBleu *bleu)
{
	double		sum_log = 0.0;
	double		smooth = 1.0;
	double		brevity = 0.0;	/* log BP */
	bool		is_any_right = false;

	for (int k = 0; k < NN_GRAM_ORDERS; k++)
	{
		double		p;

		if (bleu->n_total[k] <= 0)
			return 0.0;
		if (bleu->n_right[k] > 0)
		{
			is_any_right = true;
			p = (double) bleu->n_right[k] / (double) bleu->n_total[k];
		}
		else
		{
			smooth *= 2.0;
			p = 1.0 / (smooth * (double) bleu->n_total[k]);
		}
		sum_log += log(p);
	}
	if (!is_any_right)
		return 0.0;
	if (bleu->n_candidate < bleu->n_reference)
		brevity = 1.0 - (double) bleu->n_reference / (double) bleu->n_candidate;
	return 100.0 * exp(brevity + sum_log / NN_GRAM_ORDERS);
}
