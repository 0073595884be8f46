/*
 * topic/directions.h: the leading directions of a sparse matrix.
 *
 * For A (rows, columns) and an orthonormal Q (columns, width), products with A'A turn Q
 * towards the leading right singular vectors of A (subspace iteration; Halko, Martinsson
 * and Tropp 2011):
 *
 *	Q random
 *	n_iterations times:  Y = A'A Q;  Q = Y R^-1 with Y'Y = R'R (Cholesky)
 *
 * Q then spans these vectors up to a rotation.  Who needs each of them, and its singular
 * value, turns Q by the eigenvectors of Q'A'A Q (Rayleigh and Ritz).
 */
#ifndef NN_DIRECTIONS_H
#define NN_DIRECTIONS_H

#include "base/arena.h"
#include "base/rng.h"

/* Entries of row i are those from start[i] on, up to start[i + 1]. */
typedef struct NnSparse
{
	int64_t		n_rows;
	int			n_columns;		/* column is under it */
	const int64_t *start;		/* (n_rows + 1) */
	const int32_t *column;
	const float *value;			/* of each entry; NULL: */
	const float *scale;			/* (n_columns) an entry is its column's, over the norm of the row of these */
} NnSparse;

/*
 * An orthonormal basis into q (columns, width); spare is as large.  What the matrix does not
 * determine is zero.  The same rng gives the same numbers: sums run in the order of the entries.
 * scratch is not reset.  NN_ENOMEM, NN_ECANCELED.
 */
NnStatus	nn_directions_find(const NnSparse *matrix, int width, int n_iterations, NnRng *rng,
							   NnArena *scratch, float *q, float *spare, NnError *err);

/* y = A'A q, both (columns, width). */
NnStatus	nn_directions_multiply(const NnSparse *matrix, int width, const float *q, NnArena *scratch,
								   float *y, NnError *err);

/*
 * Turn an orthonormal q to the singular vectors, the leading one first, and tell the squares
 * of their singular values (width).
 */
NnStatus	nn_directions_align(const NnSparse *matrix, int width, NnArena *scratch, float *q, float *spare,
								double *squares, NnError *err);

/* Scratch bytes that each of these takes at most. */
size_t		nn_directions_bytes(int width, int64_t longest);

/*
 * Eigenvectors of a symmetric a (n, n): into the columns of vector, by descending value
 * (n).  a is destroyed.  Jacobi's rotations: for small n.
 */
NnStatus	nn_symmetric_eigen(int n, double *a, double *vector, double *value, const NnArena *arena, NnError *err);

#endif							/* NN_DIRECTIONS_H */
