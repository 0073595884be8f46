/*
 * net_case.h: random networks and random rows for the tests of nn/, and the
 * tests' own packing of rows into a batch (train/batch.c has a test of its own).
 *
 * All memory is a block of its own from malloc, of exactly the size that
 * nn/net.h names, so that the address sanitizer sees a read one number too far.
 * net_case_free_all() gives everything back.
 */
#ifndef NET_CASE_H
#define NET_CASE_H

#include <math.h>
#include "naive_net.h"

/* What a random row may look like. */
typedef struct NetCaseRows
{
	int			n;
	int			max_length;
	bool		has_empty;		/* the first row is empty, the second has one step (text, series) */
	bool		is_even;		/* tokens are drawn evenly, so that few repeat */
} NetCaseRows;

void	   *net_case_alloc(size_t n_items, size_t item_bytes);
void		net_case_free_all(void);

/* Names for the titles of tests. */
extern const char *const net_case_cells[];	/* by NnCell */
extern const char *const net_case_inputs[]; /* by NnInputKind */

/* Ends the test with the error's message unless status is NN_OK. */
void		net_case_check(NnStatus status, const NnError *err);

/* Uniform in [low, high]. */
int			net_case_int(NnRng *rng, int low, int high);
float		net_case_float(NnRng *rng, float low, float high);

/* A spec with this cell and input; task, sizes, pooling and wide branch are drawn. */
NnSpec		net_case_spec(NnRng *rng, NnCell cell, NnInputKind input, int n_layers,
						  bool is_bidirectional, int max_hidden);

/* Every number of the net, biases and scales too; then nn_net_pack(). */
void		net_case_fill(NnNet *net, NnRng *rng);

/* A net with all numbers drawn. */
NnNet	   *net_case_net(NnRng *rng, const NnSpec *spec, NnArena *arena, bool is_training);

NaiveRow   *net_case_rows(NnRng *rng, const NnSpec *spec, NetCaseRows wish);

/* Weights of the classes in [0.25, 4]. */
float	   *net_case_class_weight(NnRng *rng, const NnSpec *spec);

/*
 * The batch of rows[pick[0]], rows[pick[1]]...; pick NULL: of the first n rows.
 * order[b] is the number of the row that stands at place b of the batch.
 */
void		net_case_pack(const NnSpec *spec, const NaiveRow *rows, const int *pick, int n,
						  NnBatch *batch, int *order);

/* ---- a net in training ------------------------------------------------------ */

#define NET_CASE_MAX_ROWS 64	/* of a batch */

typedef struct NetTraining
{
	NnSpec		spec;
	NnArena    *arena;
	NnArena    *scratch;
	NnNet	   *net;
	int			n;
	NaiveRow   *rows;
	NnBatch		batch;			/* of all rows */
	NnLoss		loss_options;	/* zeros at first */
	NnDropout	dropout;		/* likewise */
} NetTraining;

void		net_training_begin(NetTraining *training, const NnSpec *spec, NetCaseRows wish, NnRng *rng);
void		net_training_end(NetTraining *training);	/* and net_case_free_all() */

/* All gradients set to zero, then one backward pass; the loss comes back. */
double		net_training_backward(NetTraining *training, uint64_t seed);

/* All gradients end to end, in the order of the tensors; zeros for a tensor without. */
float	   *net_training_gradients(const NetTraining *training);

/* Do the gradients differ from factor * other's by no more than the tolerance? */
bool		net_training_is_gradient(const NetTraining *training, const float *other,
									 float factor, double tolerance);

/* A spec with both branches, two layers, both directions and all poolings: everything at once. */
NnSpec		net_case_both_branches(NnCell cell, NnInputKind input, NnTask task);

/* The larger error; one that is not a number is larger than any. */
static inline double
net_case_worse(double a, double b)
{
	return isnan(a) || isnan(b) ? INFINITY : fmax(a, b);
}

/* Numbers of a tensor. */
static inline int
net_case_size(const NnTensor *tensor)
{
	return tensor->n_rows * tensor->n_columns;
}

#endif							/* NET_CASE_H */
