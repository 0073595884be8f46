/*
 * model/documents.h: what a text is about, as a few numbers, from texts alone.
 *
 * A language model knows which word may follow which; what a whole text is about it
 * says less well.  Latent semantic analysis (Deerwester et al. 1990) does: words that
 * occur in the same texts get vectors alike.  With N texts, df_w of them with word w,
 *
 *	idf_w = log(N / df_w)
 *	a_iw  = idf_w / |row i|		where word w is in text i, however often
 *
 * and A (N, words) of these, V the k leading right singular vectors of A and S their
 * singular values, word w gets
 *
 *	x_w = idf_w (V S^2)_w
 *
 * so that a text's x, the sum over its words, is what A V S^2 has for it.  The squares say
 * beforehand that what many texts have in common matters more than what few have: whoever
 * fits a linear function of x to few labels with one penalty for all of its weights is
 * told so (a Gaussian process whose covariance is that of the texts; doc/recipes.md).
 *
 * V S^2 up to a rotation, which changes no linear function with such a penalty, is
 * A'A Q for any orthonormal Q that spans V: there is no decomposition to compute,
 * only products with A (subspace iteration; Halko, Martinsson and Tropp 2011).
 */
#ifndef NN_DOCUMENTS_H
#define NN_DOCUMENTS_H

#include "base/arena.h"
#include "base/rng.h"

/* Texts as their distinct terms: those of text i are term[start[i]] ... term[start[i + 1] - 1]. */
typedef struct NnTermRows
{
	int64_t		n;
	int			n_terms;		/* different ones; term is under it */
	const int64_t *start;
	const int32_t *term;
} NnTermRows;

/*
 * Vectors of all terms into out (n_terms, width), scaled so that the mean square of its
 * numbers is 1.  What texts and terms do not determine is zero.  The same rng gives
 * the same numbers.  scratch is not reset.  NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_document_vectors(const NnTermRows *rows, int width, NnRng *rng, NnArena *scratch,
								float *out, NnError *err);

/* Scratch bytes that takes. */
size_t		nn_document_bytes(int64_t n_terms, int width, int64_t longest);

#endif							/* NN_DOCUMENTS_H */
