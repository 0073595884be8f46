/*
 * model/safetensors.h: named tensors and named texts in one run of bytes.
 *
 *	u64 n | n bytes of JSON | tensors end to end
 *
 * Numbers are little endian.  The JSON is one object: each tensor's name with its
 * dtype, shape and place behind the JSON, and "__metadata__", texts by name.
 * This is the container only; what a model puts into it is file_read.c's and
 * file_write.c's matter.
 */
#ifndef NN_SAFETENSORS_H
#define NN_SAFETENSORS_H

#include "model/json.h"

/* In the order of the safetensors library, which stores the last first: so every tensor is aligned. */
typedef enum NnDtype
{
	NN_DTYPE_U8,				/* uint8_t */
	NN_DTYPE_F16,				/* half precision; float in memory */
	NN_DTYPE_F32,				/* float */
	NN_DTYPE_F64,				/* double */
	NN_DTYPE_I64				/* uint64_t, by its bits */
} NnDtype;

#define NN_SAFETENSORS_MAX			128 /* tensors; the largest spec has 105, a file 4 more */
#define NN_SAFETENSORS_MAX_HEADER	((size_t) 64 * 1024 * 1024)

typedef struct NnSafetensor
{
	const char *name;
	NnDtype		dtype;
	int			n_dims;			/* 1 or 2 */
	int64_t		shape[2];
	const void *data;			/* read: bytes inside the file; to write: numbers in memory */
	size_t		n_bytes;		/* in the file */
	size_t		at;				/* offset behind the JSON */
	bool		is_taken;		/* nn_safetensors_take() gave it out */
} NnSafetensor;

/* ---- reading ---------------------------------------------------------------- */

typedef struct NnSafetensors
{
	NnJson		header;
	int			metadata;		/* the object "__metadata__" in header, or -1 */
	NnSafetensor *tensors;
	int			n_tensors;
} NnSafetensors;

/*
 * Read the header and check it against the bytes: every tensor has the bytes
 * that its shape asks for, and all of them together cover what is behind the
 * header once, without holes.  Points into bytes; small pieces come from arena.
 */
NnStatus	nn_safetensors_open(NnSafetensors *file, const void *bytes, size_t n_bytes,
								NnArena *arena, NnError *err);

/* The tensor of this name, which is then taken; NULL if there is none. */
NnSafetensor *nn_safetensors_take(NnSafetensors *file, const char *name);

/*
 * Numbers [from, from + n) of an F16 or F32 tensor into out; false if one of them
 * is not finite.  nn_safetensors_double() is for F64.
 */
bool		nn_safetensors_floats(const NnSafetensor *tensor, int64_t from, int64_t n, float *out);
double		nn_safetensors_double(const NnSafetensor *tensor, int64_t index);

/* ---- writing ---------------------------------------------------------------- */

/* Fill n_bytes from dtype and shape. */
void		nn_safetensors_size(NnSafetensor *tensor);

/*
 * Put the tensors in the order of the file, and append length and JSON to out,
 * with room for the tensors behind, of which *data is the first byte.  metadata
 * is the text of its JSON object.
 */
NnStatus	nn_safetensors_begin(NnSafetensor *tensors, int n_tensors,
								 const NnArray *metadata, NnArray *out, uint8_t **data);

/* Numbers [from, from + n) of a tensor into its place. */
void		nn_safetensors_put(const NnSafetensor *tensor, int64_t from, int64_t n, uint8_t *data);

/* ---- errors ----------------------------------------------------------------- */

/* NN_EFORMAT, with a sentence that says where the file is wrong. */
NnStatus	nn_file_malformed(NnError *err, const char *format,...) NN_PRINTF(2, 3);

/* A part of the file failed with status: NN_EFORMAT in the same form, others as they are. */
NnStatus	nn_file_pass_on(NnError *err, NnStatus status, const NnError *part);

#endif							/* NN_SAFETENSORS_H */
