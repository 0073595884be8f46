/*
 * token_case.h: losses of the softmax over a vocabulary (nn/token_loss.h) in the
 * plainest form, in double, for the tests of the whole and of the sampled one.
 */
#ifndef TOKEN_CASE_H
#define TOKEN_CASE_H

#include "nn/token_loss.h"

/* A table, rows and labels; and what a loss says of them. */
typedef struct TokenCase
{
	NnTokenTable table;
	float	   *weight;
	float	   *bias;
	float	   *packed;
	int			M;
	float	   *x;
	int32_t    *label;			/* about one of five is -1 */
	float	   *dx;
} TokenCase;

/* Which tokens a row looks at, and what is subtracted from their logits; both NULL: all, nothing. */
typedef struct TokenSeen
{
	const bool *is_in;			/* (V); a row's own label always is */
	const double *log_q;		/* (V) */
} TokenSeen;

typedef struct TokenTwin
{
	double		loss;
	int			n_right;
	double	   *dx;
	double	   *dw;
	double	   *db;
} TokenTwin;

typedef struct TokenTouched
{
	int			n;
	int32_t		row[8192];
} TokenTouched;

/* Drawn numbers for a table of V tokens of width E and M rows. */
TokenCase	token_case_create(int V, int E, int M);
void		token_case_free(TokenCase *c);

/* After a change of the weights. */
void		token_case_pack(TokenCase *c);

/* Gradients are 0 again, and dx is full of what must be overwritten. */
void		token_case_clear(TokenCase *c);

float	   *token_case_zeros(size_t n);
NnArena    *token_case_arena(void);

/* What the loss is by its definition, and its gradients times scale. */
TokenTwin	token_twin(const TokenCase *c, const TokenSeen *seen, double eps, double scale);
void		token_twin_free(TokenTwin *twin);

/* Largest difference of a gradient from the twin's, relative to its largest number. */
double		token_case_difference(const TokenCase *c, const TokenTwin *twin);

double		token_float_difference(const float *got, const float *expected, size_t n);

/* The callback of nn_token_loss_sampled(); ctx is a TokenTouched. */
void		token_touch(void *ctx, int32_t row);

#endif							/* TOKEN_CASE_H */
