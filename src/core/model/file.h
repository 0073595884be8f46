/*
 * model/file.h: a model <-> the bytes of a safetensors file.
 *
 * The format is safetensors: u64 length of the header, a JSON header, raw
 * little-endian tensors.  doc/format.md says exactly what we put where:
 *  - header "__metadata__" (strings): "format" = "pg_lstm", "format_version" =
 *    "1", "spec" (JSON object), "reading" (JSON object: max_tokens; how text is
 *    cut; window and season of a forecast), "labels" (JSON array of strings: classes
 *    or tags), "training" (JSON object, for people);
 *  - every tensor of nn_net_tensor() under its name, F32 or F16;
 *  - "vocabulary.lengths", "vocabulary.bytes" (U8), "bag.keys" (I64: the u64 keys),
 *    "input.mean", "input.scale" (F32), "target" (F64: mean, scale).
 *
 * The reader treats bytes as hostile: every size is checked before it is
 * allocated, every tensor must have the shape that the spec demands, lie inside
 * the file, not overlap another, and hold only finite numbers.  The header has at
 * most 64 MB, of which labels are the largest part.
 */
#ifndef NN_FILE_H
#define NN_FILE_H

#include "model/model.h"

typedef enum NnFloatKind
{
	NN_FLOAT_F16,				/* tables and matrices in half precision, vectors in single */
	NN_FLOAT_F32
} NnFloatKind;

/*
 * Append the model's file to out.  The same model gives the same bytes.  NN_ERANGE if
 * a weight does not fit half precision (the caller then asks for F32).  What could
 * not be read back is not written: NN_ERANGE, NN_EINVAL or NN_EFORMAT say what.
 */
NnStatus	nn_file_write(const NnModel *model, NnFloatKind kind, NnArray *out, NnError *err);

/*
 * Round the net's tensors to what nn_file_write(kind) stores, so that the model in
 * memory answers exactly as the file read back.
 */
NnStatus	nn_file_round(NnModel *model, NnFloatKind kind, NnError *err);

/*
 * Read; the net is for inference and already packed.  limit_bytes bounds what is
 * allocated (0: no bound): NN_ELIMIT comes before the memory is taken.  The model
 * keeps nothing of bytes.
 */
NnStatus	nn_file_read(NnModel **model, const void *bytes, size_t n_bytes, size_t limit_bytes,
						 const NnEnv *env, NnError *err);

/*
 * The same for a model that several processes are to share: what it consists of comes
 * from home, and what reading and answering take besides from env.  home, like any
 * env, may be a copy; env must stand where it is as long as the model does.
 */
NnStatus	nn_file_read_into(NnModel **model, const void *bytes, size_t n_bytes, size_t limit_bytes,
							  const NnEnv *home, const NnEnv *env, NnError *err);

/*
 * The facts alone: the header is checked, and the spec in it (whose n_outputs is the
 * number of labels); the tensors' numbers are not read.  For views.
 */
NnStatus	nn_file_peek(const void *bytes, size_t n_bytes, NnSpec *spec, const NnEnv *env, NnError *err);

#endif							/* NN_FILE_H */
