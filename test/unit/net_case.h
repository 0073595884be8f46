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

#include "naive_net.h"

/* What a random row may look like. */
typedef struct NetCaseRows
{
	int			n;
	int			max_length;
	bool		has_empty;		/* the first row is empty, the second has one step (text, series) */
} NetCaseRows;

void	   *net_case_alloc(size_t n_items, size_t item_bytes);
void		net_case_free_all(void);

/* Uniform in [low, high]. */
int			net_case_int(NnRng *rng, int low, int high);
float		net_case_float(NnRng *rng, float low, float high);

/* A spec with this cell and input; task, sizes, pooling and wide branch are drawn. */
NnSpec		net_case_spec(NnRng *rng, NnCell cell, NnInputKind input, int n_layers,
						  bool is_bidirectional, int max_hidden);

/* Every number of the net, biases and scales too; then nn_net_pack(). */
void		net_case_fill(NnNet *net, NnRng *rng);

NaiveRow   *net_case_rows(NnRng *rng, const NnSpec *spec, NetCaseRows wish);

/* Weights of the classes in [0.25, 4]. */
float	   *net_case_class_weight(NnRng *rng, const NnSpec *spec);

/*
 * The batch of rows[pick[0]], rows[pick[1]]...; pick NULL: of the first n rows.
 * order[b] is the number of the row that stands at place b of the batch.
 */
void		net_case_pack(const NnSpec *spec, const NaiveRow *rows, const int *pick, int n,
						  NnBatch *batch, int *order);

#endif							/* NET_CASE_H */
