/*
 * naive_net.h: the whole network again, in double and in the plainest loops.
 *
 * The twin is written from the papers and from nn/spec.h and nn/net.h alone.
 * It takes one row at a time, knows no batches, no packing and no kernels, and
 * has no backward pass: gradients are central differences of its loss.  The
 * only thing it takes from the net under test is the numbers in its tensors,
 * found by their names.
 */
#ifndef NAIVE_NET_H
#define NAIVE_NET_H

#include "nn/net.h"

/* One row of the data as it is before anything is packed. */
typedef struct NaiveRow
{
	int			length;			/* steps; may be 0 */
	const int32_t *token;		/* (length) text: token ids */
	const float *values;		/* (length, E) series and vectors */
	int			n_bag;
	const int32_t *bag_row;		/* (n_bag) */
	const float *bag_weight;	/* (n_bag) */
	const float *flat;			/* (wide_inputs) */
	int32_t		label;
	const float *target;		/* (C); forecast: (horizon * channels) */
	const float *weight;		/* (channels) forecast */
} NaiveRow;

typedef struct NaiveTensor
{
	char		name[48];
	int			n_rows;
	int			n_columns;
	double	   *data;			/* n_rows * n_columns */
} NaiveTensor;

#define NAIVE_MAX_TENSORS (8 * NN_MAX_LAYERS + 16)

typedef struct NaiveNet
{
	NnSpec		spec;
	int			n_tensors;
	NaiveTensor tensor[NAIVE_MAX_TENSORS];
} NaiveNet;

/* Copy spec and tensors of a net, tensor k of the twin being tensor k of the net.  Memory from malloc. */
void		naive_net_read(NaiveNet *naive, NnNet *net);
void		naive_net_free(NaiveNet *naive);

/* Width of the vectors below the heads: the pooled one and the wide one. */
int			naive_net_pooled(const NnSpec *spec);
int			naive_net_hidden(const NnSpec *spec);

/*
 * One row.  recurrent and wide (C): each branch's outputs, zeros for a branch
 * the spec has not; out (C): their sum, each times its scale; hidden
 * (naive_net_hidden): the vectors below the heads.  Any of them may be NULL.
 */
void		naive_net_forward(const NaiveNet *naive, const NaiveRow *row,
							  double *out, double *recurrent, double *wide, double *hidden);

/* The training loss of a batch: the sum of both branches' losses, or of a forecast the loss of their sum. */
double		naive_net_loss(const NaiveNet *naive, const NaiveRow *rows, int n, const NnLoss *options);

/*
 * The outputs of one layer for one sequence: x (T, width of x) -> h (T, D),
 * D = H times directions; the forward direction's H first.
 */
void		naive_net_layer(const NaiveNet *naive, int layer, int T, int n_in, const double *x, double *h);

#endif							/* NAIVE_NET_H */
