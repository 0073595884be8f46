/*
 * train/checkpoint.h: a training that can be interrupted, and goes on to the same bytes.
 *
 * The host is asked after every batch and every epoch what it wishes: nothing, a
 * checkpoint, or an end with the best there is so far.  A checkpoint is a stream of
 * bytes that the host keeps and, when the same training begins again, gives back: the
 * weights, the optimizer's moments, the copy of the best weights, the random
 * generators, where in which epoch it stood, and the report so far.  The order of an
 * epoch is not in it: it is drawn again.
 *
 * A refit is a second training, behind a first whose result decides how it goes; so
 * there are two streams.  The result of the first, once written, takes the place of its
 * checkpoints.
 *
 * A stream begins with what it belongs to and ends with a hash.  One that is damaged,
 * or of another training, is NN_EFORMAT: the host may then begin without it and arrive
 * at the same bytes later.
 */
#ifndef NN_CHECKPOINT_H
#define NN_CHECKPOINT_H

#include "train/train.h"

typedef enum NnWish
{
	NN_WISH_NOTHING,
	NN_WISH_CHECKPOINT,
	NN_WISH_STOP
} NnWish;

typedef enum NnStream
{
	NN_STREAM_RUNNING,			/* a training that goes on */
	NN_STREAM_FIRST				/* the result of the first of two; a new one ends the stream of the running */
} NnStream;

typedef struct NnCheckpoints
{
	void	   *ctx;
	int			n_done;			/* trainings of this learner before this one */

	/* None of these may return, as poll() may not. */
	NnWish		(*ask) (void *ctx);

	/* A new stream replaces the old one when it has ended.  What cannot be kept is the host's to bear. */
	NnStatus	(*begin) (void *ctx, NnStream stream, NnError *err);
	NnStatus	(*put) (void *ctx, const void *bytes, size_t n_bytes, NnError *err);
	NnStatus	(*end) (void *ctx, NnError *err);

	/* Is there such a stream?  Then get reads on in it; NN_EFORMAT at its end. */
	NnStatus	(*open) (void *ctx, NnStream stream, bool *is_there, NnError *err);
	NnStatus	(*get) (void *ctx, void *bytes, size_t n_bytes, NnError *err);
} NnCheckpoints;

/* Write, and read if there is one, the result of a training: the net's weights and the report. */
NnStatus	nn_first_save(const NnCheckpoints *checkpoints, NnNet *net, const NnEnv *env, NnTrainReport *report,
						  NnError *err);
NnStatus	nn_first_load(const NnCheckpoints *checkpoints, NnNet *net, const NnEnv *env, NnTrainReport *report,
						  bool *is_there, NnError *err);

#endif							/* NN_CHECKPOINT_H */
