/*
 * model/documents.c: term vectors by subspace iteration (topic/directions.h).
 *
 *	Q spans the leading right singular vectors of A
 *	x = idf (A'A Q)
 */
#include "model/documents.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "topic/directions.h"

#define N_ITERATIONS	4		/* one more changed no figure */

/* idf_w = log(N / df_w); 0 for a term of no text and for one of all. */
static void
weigh_terms(const NnTermRows *rows, float *idf)
{
	for (int64_t j = rows->start[0]; j < rows->start[rows->n]; j++)
		idf[rows->term[j]] += 1.0f;
	for (int w = 0; w < rows->n_terms; w++)
		if (idf[w] > 0.0f)
			idf[w] = (float) log((double) rows->n / (double) idf[w]);
}

/* Rows times idf, and all to a mean square of 1. */
static void
finish(const NnTermRows *rows, int width, const float *idf, float *out)
{
	int64_t		n = (int64_t) rows->n_terms * width;
	double		squares;

	for (int w = 0; w < rows->n_terms; w++)
		nn_scale(width, idf[w], out + (size_t) w * (size_t) width);
	squares = nn_sum_squares(n, out);
	if (squares > 0.0)
		nn_scale(n, (float) sqrt((double) n / squares), out);
}

NnStatus
nn_document_vectors(const NnTermRows *rows, int width, NnRng *rng, NnArena *scratch, float *out, NnError *err)
{
	float	   *idf = NN_ALLOC(scratch, float, (size_t) rows->n_terms);
	float	   *q = NN_TAKE(scratch, float, nn_size_mul((size_t) rows->n_terms, (size_t) width));
	NnSparse	matrix = {
		.n_rows = rows->n, .n_columns = rows->n_terms, .start = rows->start, .column = rows->term, .scale = idf
	};

	if (idf == NULL || q == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	weigh_terms(rows, idf);
	NN_TRY(nn_directions_find(&matrix, width, N_ITERATIONS, rng, scratch, q, out, err));
	NN_TRY(nn_directions_multiply(&matrix, width, q, scratch, out, err));
	finish(rows, width, idf, out);
	return NN_OK;
}

/* An arena's blocks leave some of their bytes unused. */
size_t
nn_document_bytes(int64_t n_terms, int width, int64_t longest)
{
	double		bytes = 4.0 * (double) n_terms * (width + 1.0);

	return nn_size_add((size_t) (1.25 * bytes), 2 * nn_directions_bytes(width, longest));
}
