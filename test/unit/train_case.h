/*
 * train_case.h: a host that fails where it is told to, and small data sets,
 * for the tests of train/.
 */
#ifndef TRAIN_CASE_H
#define TRAIN_CASE_H

#include "train/train.h"

/* A host over malloc that counts, and fails or cancels at the n-th call (0: never). */
typedef struct TestHost
{
	NnEnv		env;			/* give this one; ctx is the host */
	int64_t		n_allocs;
	int64_t		n_blocks;		/* held now */
	int64_t		n_bytes;		/* held now, and at most */
	int64_t		n_bytes_peak;
	int64_t		n_polls;
	int64_t		n_progress;
	int64_t		n_epoch_ends;
	int64_t		fail_at;
	int64_t		cancel_at;
	double		clock;			/* if clock_step is set: what now() says, and what each call adds */
	double		clock_step;
	void		(*on_poll) (struct TestHost *host);
	void	   *on_poll_ctx;
	NnProgress	last;
	NnProgress	last_inside;	/* not at an epoch's end */
} TestHost;

void		test_host_init(TestHost *host);

/* A set of examples and what it stands in; train_set_free() gives it back. */
typedef struct TrainSet
{
	NnExamples	examples;
	int64_t    *start;			/* token_start or step_start */
	int32_t    *token;
	int64_t    *bag_start;
	int32_t    *bag_row;
	int32_t    *bag_n_words;
	float	   *values;
	int32_t    *label;
	float	   *target;
} TrainSet;

void		train_set_free(TrainSet *set);

/* Any text at all: lengths 0 ... max_length, tokens below V, bags below n_table of random size. */
void		train_set_random_text(TrainSet *set, NnRng *rng, int64_t n, int max_length, int V,
								  int n_table, int C);

/* Series of random length with E channels; with max_length 0 vectors without starts. */
void		train_set_random_series(TrainSet *set, NnRng *rng, int64_t n, int max_length, int E, int C);

/*
 * Which token came first: two marks (tokens 256 and 257) among noise, the label
 * says which stands before the other.  The bag sees both and knows nothing.
 */
void		train_set_first_token(TrainSet *set, NnRng *rng, int64_t n);

/* Vectors (x, y) in the four quarters of the plane; label or target: do the signs differ? */
void		train_set_xor(TrainSet *set, NnRng *rng, int64_t n, bool is_regress);

/* Specs that fit them. */
NnSpec		train_case_text_spec(NnCell cell, int V, int n_table, int C);
NnSpec		train_case_xor_spec(bool is_regress);

NnTrainOptions train_case_options(void);

/* A net with first weights of a seed, in arena; exits if that fails. */
NnNet	   *train_case_net(NnArena *arena, const NnSpec *spec, uint64_t seed);

/* All weights as one hash. */
uint64_t	train_case_hash(NnNet *net);

#endif							/* TRAIN_CASE_H */
