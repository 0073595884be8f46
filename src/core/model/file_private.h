/*
 * model/file_private.h: what the files about the model file share, beside doc/format.md.
 *
 *   file_write.c     a model -> bytes
 *   file_read.c      bytes -> a model: the order of the checks, tensors, memory
 *   file_metadata.c  the texts of the header -> spec, reading, labels, training record
 */
#ifndef NN_FILE_PRIVATE_H
#define NN_FILE_PRIVATE_H

#include "model/file.h"
#include "model/safetensors.h"
#include "model/windows.h"

#define NN_FILE_FORMAT			"pg_lstm"
#define NN_FILE_VERSION			"1"

/* Names of the tensors that are not the net's. */
#define NN_FILE_LENGTHS			"vocabulary.lengths"
#define NN_FILE_BYTES			"vocabulary.bytes"
#define NN_FILE_KEYS			"bag.keys"
#define NN_FILE_DOCUMENT_KEYS	"document.keys"
#define NN_FILE_MEAN			"input.mean"
#define NN_FILE_SCALE			"input.scale"
#define NN_FILE_TARGET			"target"
#define NN_FILE_THRESHOLD		"label.threshold"

#define NN_FILE_MAX_TOKENS		1000000 /* largest max_tokens */
#define NN_FILE_MAX_TRAINING	1000000 /* values and keys in the training record */

/* Numbers converted between two polls: some milliseconds. */
#define NN_FILE_CHUNK			((int64_t) 1 << 20)

/* ---- what both sides hold a model to (file_metadata.c) --------------------------- */

/*
 * One label of a list in byte order: UTF-8, behind the one before (NULL for the
 * first); '' is a label like others.  Returns what is wrong with it, or NULL.
 */
const char *nn_file_label_problem(const char *label, const char *before);

/* Do the numbers of "reading" fit the spec?  Returns what is wrong, or NULL. */
const char *nn_file_reading_problem(const NnModel *model);

/* Are temperature and thresholds numbers that a decision can be made with?  Returns what is wrong, or NULL. */
const char *nn_file_decision_problem(const NnModel *model);

/* Does the file say how text is cut: because text is read, or because it is written? */
bool		nn_file_has_text(const NnSpec *spec);

/* Has the file labels: classes or tags? */
bool		nn_file_has_labels(const NnSpec *spec);

/* Steps of every input, if they must be so many: where the wide branch is flat; else 0. */
int			nn_file_flat_steps(const NnSpec *spec);

/* Features that the model knows by their keys: the bag's, or words with a document vector. */
int			nn_file_features(const NnSpec *spec);

/* The tensor of their keys. */
const char *nn_file_keys_name(const NnSpec *spec);

/* Names of units as they stand in "reading"; -1 from nn_file_unit_from_name() if unknown. */
const char *nn_file_unit_name(NnUnit unit);
int			nn_file_unit_from_name(const char *name);

/* ---- reading ------------------------------------------------------------------------ */

typedef struct NnFileReader
{
	const NnEnv *env;			/* the scratch arena's, and polled */
	const NnEnv *home;			/* the model's */
	NnArena    *scratch;
	size_t		limit_bytes;	/* SIZE_MAX: none */
	NnSafetensors file;
	NnModel    *model;			/* NULL while only the facts are read */
	int			n_units;
	NnError    *err;
} NnFileReader;

/* Fail before n_more bytes are allocated, if they would pass the limit (file_read.c). */
NnStatus	nn_file_reserve(const NnFileReader *reader, size_t n_more);

/* NN_ENOMEM with its message. */
NnStatus	nn_file_no_memory(const NnFileReader *reader);

/* The format is ours, and *spec is sound. */
NnStatus	nn_file_read_spec(NnFileReader *reader, NnSpec *spec);

/* Into reader->model, whose spec is set; units into reader->n_units. */
NnStatus	nn_file_read_reading(NnFileReader *reader);
NnStatus	nn_file_read_labels(NnFileReader *reader);
NnStatus	nn_file_read_temperature(NnFileReader *reader);
NnStatus	nn_file_read_training(NnFileReader *reader);

#endif							/* NN_FILE_PRIVATE_H */
