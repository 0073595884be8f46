/*
 * model/file_private.h: what file_write.c and file_read.c agree on, beside doc/format.md.
 */
#ifndef NN_FILE_PRIVATE_H
#define NN_FILE_PRIVATE_H

#include "model/file.h"
#include "model/safetensors.h"

#define NN_FILE_FORMAT			"pg_lstm"
#define NN_FILE_VERSION			"1"

/* Names of the tensors that are not the net's. */
#define NN_FILE_LENGTHS			"vocabulary.lengths"
#define NN_FILE_BYTES			"vocabulary.bytes"
#define NN_FILE_KEYS			"bag.keys"
#define NN_FILE_MEAN			"input.mean"
#define NN_FILE_SCALE			"input.scale"
#define NN_FILE_TARGET			"target"

#define NN_FILE_MAX_TOKENS		1000000 /* largest max_tokens */
#define NN_FILE_MAX_TRAINING	1000000 /* values and keys in the training record */

/* Numbers converted between two polls: some milliseconds. */
#define NN_FILE_CHUNK			((int64_t) 1 << 20)

/*
 * One label of a list in byte order: UTF-8, behind the one before (NULL for the
 * first); '' is a label like others.  Returns what is wrong with it, or NULL.
 */
const char *nn_file_label_problem(const char *label, const char *before);

#endif							/* NN_FILE_PRIVATE_H */
