/*
 * train/trainer_private.h: inside this room: a training as it goes on.
 *
 *   trainer.c          epochs, validation, progress
 *   trainer_step.c     one batch to one step of the optimizer; the NaN guard
 *   trainer_memory.c   what it takes
 *   checkpoint.c       how it is written down, and goes on
 */
#ifndef NN_TRAINER_PRIVATE_H
#define NN_TRAINER_PRIVATE_H

#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/guard.h"
#include "train/optimizer.h"
#include "train/joint.h"

/* What an epoch adds up; steps that were skipped count in rows only. */
typedef struct NnEpochSums
{
	double		started;
	double		before;			/* seconds, if the epoch was interrupted */
	int64_t		n_rows;			/* seen */
	int64_t		n_counted;		/* what the losses were means over: rows, or tokens */
	int64_t		n_steps;		/* good ones */
	int64_t		n_clipped;
	double		loss;			/* times what it was the mean over */
	double		norm;
	double		share;			/* of the peak rate, last */
} NnEpochSums;

typedef struct NnTrainer
{
	NnNet	   *net;
	const NnSpec *spec;
	const NnExamples *train;
	const NnTrainOptions *options;
	const NnEnv *env;
	NnTrainReport *report;
	NnArena    *memory;
	NnArena    *scratch;

	NnOptimizer *optimizer;
	NnSnapshot	snapshot;
	NnEpochOrder order;
	bool		is_running;		/* a language model's running text: batches in their order */
	NnRunning	running;
	NnRunning	running_valid;
	NnEvaluation valid;			/* n = 0: there is none */
	int			n_shards;		/* of a batch */
	NnSlots    *slots;			/* their gradients */
	NnJoint    *joint;			/* a team's weights; NULL: there is no team */
	NnRng		rng_order;
	NnRng		rng_epoch;		/* as rng_order was before the running epoch was dealt */
	NnRng		rng_drop;		/* of batches that are one shard */

	int			epoch;			/* 1-based, the running one */
	int64_t		batch;			/* of the epoch, the next one */
	float	   *lanes_to_be;	/* states of a running text that goes on in the middle of an epoch; else
								 * NULL */
	int64_t		step;			/* of all, skipped ones included */
	int64_t		n_steps;		/* planned */
	int			n_bad_in_row;
	NnEpochSums sums;
	double		started;
	double		reported;		/* when progress was last told */
	double		done_before;	/* share of the training, if it was interrupted */
	double		goodness;		/* of the running epoch: more is better; NAN without a validation part */
	double		best_goodness;
	bool		is_start_good;	/* the first weights may be what it ends with */
	int			n_epochs_stale; /* since the metric got better */
} NnTrainer;

/* ---- trainer.c -------------------------------------------------------------- */

/* Batches of an epoch. */
int64_t		nn_trainer_batches(const NnTrainer *trainer);

/* ---- checkpoint.c ------------------------------------------------------------ */

/* Write down where it stands; go on from there, if that was ever done.  All members of a team call them. */
NnStatus	nn_trainer_save(NnTrainer *trainer, NnError *err);
NnStatus	nn_trainer_load(NnTrainer *trainer, bool *is_there, NnError *err);

/* ---- trainer_memory.c ------------------------------------------------------ */

/* All memory of a training, largest pieces first, and scratch at its full size. */
NnStatus	nn_trainer_allocate(NnTrainer *trainer, const NnExamples *valid, NnError *err);

/* ---- trainer_step.c -------------------------------------------------------- */

/* Batch k of the epoch. */
NnStatus	nn_trainer_step(NnTrainer *trainer, int64_t k, NnError *err);

/* The copy's weights into the net, of all members. */
NnStatus	nn_trainer_restore(NnTrainer *trainer, NnError *err);

/* Back to the last good weights, more carefully; NN_EDIVERGED if that was done too often. */
NnStatus	nn_trainer_go_back(NnTrainer *trainer, NnError *err);

#endif							/* NN_TRAINER_PRIVATE_H */
