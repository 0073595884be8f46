/*
 * train/cider.c: CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 4), with the
 * constants of the captions' evaluation server (Chen et al. 2015).
 *
 * An n-gram g of a text weighs tf(g) idf(g), where over N items
 *	tf(g)  = how often it is in the text
 *	idf(g) = log N - log max(1, items with g in a reference)
 * and a candidate c is compared with a reference r order by order,
 *	s_n(c, r) = exp(-(l_c - l_r)^2 / (2 sigma^2))
 *				* sum_g min(tf_c, tf_r) idf * tf_r idf / (||c|| ||r||)
 * Norms are over all n-grams of that order; sigma = 6; l counts a text's bigrams,
 * as the reference implementation does.  The score of an item is 10 times the mean
 * over orders 1 ... 4 and over its references, and that of all the mean over items.
 *
 * Texts are kept as word numbers until the score is asked for.  Sums over distinct
 * n-grams are computed over occurrences: each of the tf_r of g adds
 * min(tf_c, tf_r) idf^2 to the product, and tf_r idf^2 to ||r||^2.
 */
#include "train/metrics_sequence.h"

#include <math.h>
#include <string.h>

#include "train/ngrams.h"

#define SIGMA	6.0
#define SCALE	10.0

typedef struct Item
{
	struct Item *next;
	NnWords		candidate;
	int			n_references;
	NnWords    *reference;		/* (n_references) */
} Item;

struct NnCider
{
	NnArena    *arena;
	NnTrie		words;
	Item	   *first;
	Item	   *last;
	int64_t		n_items;
	size_t		n_longest;		/* words of the longest text */
};

/* What a score is computed with. */
typedef struct Weights
{
	NnTrie		grams;
	double	   *idf2;			/* by n-gram: idf squared; 0 for number 0, which is none */
	int32_t    *tf_candidate;	/* by n-gram */
	int32_t    *tf_reference;
	uint32_t   *candidate;		/* (n_longest, 4) n-grams of the candidate at hand */
	uint32_t   *reference;		/* the same of the reference */
} Weights;

static NnStatus
out_of_memory(NnError *err)
{
	return nn_fail(err, NN_ENOMEM, "out of memory for the CIDEr of captions");
}

NnStatus
nn_cider_create(NnCider **cider, NnArena *arena, NnError *err)
{
	NnCider    *made = NN_ALLOC(arena, NnCider, 1);

	*cider = NULL;
	if (made == NULL)
		return out_of_memory(err);
	made->arena = arena;
	NN_TRY(nn_trie_init(&made->words, arena, err));
	*cider = made;
	return NN_OK;
}

static NnStatus
read_text(NnCider *cider, const char *text, size_t n_bytes, NnWords *words, NnError *err)
{
	NN_TRY(nn_words_read(words, &cider->words, true, NN_TOKENS_CAPTION, text, n_bytes, err));
	if (words->n > cider->n_longest)
		cider->n_longest = words->n;
	return NN_OK;
}

/* An item that fails is not linked, so the others can still be scored. */
NnStatus
nn_cider_add(NnCider *cider, const char *candidate, size_t n_bytes,
			 const char *const *references, const size_t *reference_bytes, int n_references,
			 NnError *err)
{
	Item	   *item;

	if (n_references < 1)
		return nn_fail(err, NN_EINVAL, "a caption without a reference has no CIDEr");
	item = NN_ALLOC(cider->arena, Item, 1);
	if (item == NULL)
		return out_of_memory(err);
	item->n_references = n_references;
	item->reference = NN_ALLOC(cider->arena, NnWords, (size_t) n_references);
	if (item->reference == NULL)
		return out_of_memory(err);
	NN_TRY(read_text(cider, candidate, n_bytes, &item->candidate, err));
	for (int r = 0; r < n_references; r++)
		NN_TRY(read_text(cider, references[r], reference_bytes[r], &item->reference[r], err));

	if (cider->last != NULL)
		cider->last->next = item;
	else
		cider->first = item;
	cider->last = item;
	cider->n_items++;
	return NN_OK;
}

/* Number the n-grams of all texts, the candidates' too: those add to their norms. */
static NnStatus
number_grams(const NnCider *cider, Weights *weights, NnError *err)
{
	size_t		n = nn_size_mul(cider->n_longest, NN_GRAM_ORDERS);

	NN_TRY(nn_trie_init(&weights->grams, cider->arena, err));
	weights->candidate = NN_TAKE(cider->arena, uint32_t, n);
	weights->reference = NN_TAKE(cider->arena, uint32_t, n);
	if (weights->candidate == NULL || weights->reference == NULL)
		return out_of_memory(err);
	for (const Item *item = cider->first; item != NULL; item = item->next)
	{
		NN_TRY(nn_grams_add(&weights->grams, &item->candidate, weights->candidate, err));
		for (int r = 0; r < item->n_references; r++)
			NN_TRY(nn_grams_add(&weights->grams, &item->reference[r], weights->reference, err));
	}
	return NN_OK;
}

/* idf2 from the number of items that have the n-gram in a reference, each counted once. */
static NnStatus
weigh_grams(const NnCider *cider, Weights *weights, NnError *err)
{
	size_t		n_counts = (size_t) weights->grams.n_nodes + 1;
	int64_t    *n_items = NN_ALLOC(cider->arena, int64_t, n_counts);
	int64_t    *last_item = NN_ALLOC(cider->arena, int64_t, n_counts);
	int64_t		number = 0;

	weights->idf2 = NN_ALLOC(cider->arena, double, n_counts);
	weights->tf_candidate = NN_ALLOC(cider->arena, int32_t, n_counts);
	weights->tf_reference = NN_ALLOC(cider->arena, int32_t, n_counts);
	if (n_items == NULL || last_item == NULL || weights->idf2 == NULL ||
		weights->tf_candidate == NULL || weights->tf_reference == NULL)
		return out_of_memory(err);

	for (const Item *item = cider->first; item != NULL; item = item->next)
	{
		number++;
		for (int r = 0; r < item->n_references; r++)
		{
			NN_TRY(nn_grams_find(&weights->grams, &item->reference[r], weights->reference));
			for (size_t i = 0; i < item->reference[r].n * NN_GRAM_ORDERS; i++)
			{
				uint32_t	gram = weights->reference[i];

				NN_TRY(nn_poll_at(cider->arena, i));
				if (last_item[gram] != number)
					n_items[gram]++;
				last_item[gram] = number;
			}
		}
	}
	for (size_t gram = 1; gram < n_counts; gram++)
	{
		double		idf = log((double) cider->n_items) - log((double) (n_items[gram] > 1 ? n_items[gram] : 1));

		NN_TRY(nn_poll_at(cider->arena, gram));
		weights->idf2[gram] = idf * idf;
	}
	return NN_OK;
}

/* Find a text's n-grams, add them to tf, and their squared norms by order. */
static NnStatus
weigh_text(const Weights *weights, const NnWords *words, uint32_t *gram, int32_t *tf, double *norm2)
{
	NN_TRY(nn_grams_find(&weights->grams, words, gram));
	for (size_t i = 0; i < words->n * NN_GRAM_ORDERS; i++)
	{
		NN_TRY(nn_poll_at(weights->grams.arena, i));
		tf[gram[i]]++;
	}
	memset(norm2, 0, NN_GRAM_ORDERS * sizeof(*norm2));
	for (size_t i = 0; i < words->n * NN_GRAM_ORDERS; i++)
	{
		NN_TRY(nn_poll_at(weights->grams.arena, i));
		norm2[i % NN_GRAM_ORDERS] += (double) tf[gram[i]] * weights->idf2[gram[i]];
	}
	return NN_OK;
}

static void
forget_text(const NnWords *words, const uint32_t *gram, int32_t *tf)
{
	for (size_t i = 0; i < words->n * NN_GRAM_ORDERS; i++)
		tf[gram[i]] = 0;
}

static double
n_bigrams(const NnWords *words)
{
	return words->n > 1 ? (double) (words->n - 1) : 0.0;
}

/* The mean of s_1 ... s_4 of the candidate at hand and one reference. */
static NnStatus
compare(const Weights *weights, const Item *item, const double *candidate_norm2, const NnWords *reference,
		double *similarity)
{
	double		delta = n_bigrams(&item->candidate) - n_bigrams(reference);
	double		penalty = exp(-delta * delta / (2.0 * SIGMA * SIGMA));
	double		product[NN_GRAM_ORDERS] = {0};
	double		norm2[NN_GRAM_ORDERS];

	NN_TRY(weigh_text(weights, reference, weights->reference, weights->tf_reference, norm2));
	for (size_t i = 0; i < reference->n * NN_GRAM_ORDERS; i++)
	{
		uint32_t	gram = weights->reference[i];
		int32_t		tf_candidate = weights->tf_candidate[gram];
		int32_t		tf_reference = weights->tf_reference[gram];

		NN_TRY(nn_poll_at(weights->grams.arena, i));
		product[i % NN_GRAM_ORDERS] +=
			(tf_candidate < tf_reference ? tf_candidate : tf_reference) * weights->idf2[gram];
	}
	forget_text(reference, weights->reference, weights->tf_reference);

	*similarity = 0.0;
	for (int k = 0; k < NN_GRAM_ORDERS; k++)
	{
		if (candidate_norm2[k] > 0.0 && norm2[k] > 0.0)
			*similarity += penalty * product[k] / (sqrt(candidate_norm2[k]) * sqrt(norm2[k]));
	}
	*similarity /= NN_GRAM_ORDERS;
	return NN_OK;
}

NnStatus
nn_cider_score(NnCider *cider, double *score, NnError *err)
{
	Weights		weights = {0};
	double		sum = 0.0;

	*score = NAN;
	if (cider->n_items == 0)
		return NN_OK;
	NN_TRY(number_grams(cider, &weights, err));
	NN_TRY(weigh_grams(cider, &weights, err));
	for (const Item *item = cider->first; item != NULL; item = item->next)
	{
		double		norm2[NN_GRAM_ORDERS];
		double		sum_item = 0.0;

		NN_TRY(weigh_text(&weights, &item->candidate, weights.candidate, weights.tf_candidate, norm2));
		for (int r = 0; r < item->n_references; r++)
		{
			double		similarity = 0.0;

			NN_TRY(compare(&weights, item, norm2, &item->reference[r], &similarity));
			sum_item += similarity;
		}
		forget_text(&item->candidate, weights.candidate, weights.tf_candidate);
		sum += SCALE * sum_item / item->n_references;
	}
	*score = sum / (double) cider->n_items;
	return NN_OK;
}
