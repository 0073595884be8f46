/*
 * nn/token_loss_private.h: chunks of rows, which the whole softmax (token_loss.c) and
 * that over a sample (token_loss_sampled.c) pass over their tables.
 */
#ifndef NN_TOKEN_LOSS_PRIVATE_H
#define NN_TOKEN_LOSS_PRIVATE_H

#include "nn/token_loss.h"

/* log sum exp of what was added so far: highest + log(sum). */
typedef struct NnLogSum
{
	float		highest;
	double		sum;
} NnLogSum;

typedef struct NnChunk
{
	const NnTokenTable *table;	/* whose rows are the columns here */
	const int32_t *place;		/* token -> column + 1, -1 where it is none; NULL: token -> token */
	int			n_blocks;
	int			stride;			/* from row to row of a block */
	int			n_rows_max;
	int			n_rows;
	bool		is_backward;	/* the blocks are kept */
	double		smoothing;		/* eps */

	/* of each row */
	float	   *x;				/* (n_rows_max, E) */
	float	   *dx;				/* (n_rows_max, E) */
	int64_t    *row;			/* where it came from */
	int32_t    *token;			/* its label */
	int32_t    *column;			/* its label's column, -1 if it has none */
	float	   *logit;			/* its label's z */
	bool	   *is_first;		/* no column of the label's block, and none before it there, has more */
	NnLogSum   *total;
	double	   *log_z;
	double	   *log_p;			/* of its label, the mixture counted in */
	double	   *own;			/* the softmax's share in that: 1 without a mixture */
	double	   *logit_sum;		/* sum of z, where labels are smoothed */

	float	   *highest;		/* (n_blocks, n_rows_max): h */
	float	   *block;			/* (n_blocks or 1, n_rows_max, stride): e */
} NnChunk;

/* Add sum * exp(highest).  NaN and infinity end as NaN in the sum. */
void		nn_log_sum_add(NnLogSum *total, float highest, double sum);

/* Shape and memory of chunks of M rows. */
NnStatus	nn_chunk_create(NnChunk *chunk, const NnTokenTable *table, int64_t M, bool is_backward,
							NnArena *scratch, NnError *err);

/* The next rows that have a label, from row *next of M on; false if there are no more. */
bool		nn_chunk_fill(NnChunk *chunk, int64_t M, const float *x, const int32_t *label, int64_t *next);

/* All blocks forward: log Z of each row, and what is told of its label. */
NnStatus	nn_chunk_forward(NnChunk *chunk, const NnArena *scratch);

/* Sum of the rows' losses. */
double		nn_chunk_loss(const NnChunk *chunk);

/* The gradients of table and rows. */
NnStatus	nn_chunk_backward(NnChunk *chunk, double scale, const NnArena *scratch);

/* The chunk's rows of dx to where they belong. */
void		nn_chunk_put_dx(const NnChunk *chunk, float *dx);

/* Labels within the vocabulary? */
NnStatus	nn_check_tokens(const NnTokenTable *table, int64_t M, const int32_t *label, NnError *err);

#endif							/* NN_TOKEN_LOSS_PRIVATE_H */
