/*
 * base/bytes.h: a bounded cursor over bytes that we did not make, and a
 * growing writer.  A read past the end sets `failed` and returns zeros, so a
 * parser may read a whole group and look once.
 */
#ifndef NN_BYTES_H
#define NN_BYTES_H

#include <stdbool.h>
#include "base/arena.h"

typedef struct NnReader
{
	const uint8_t *at;
	const uint8_t *end;
	bool		failed;
} NnReader;

NnReader	nn_reader(const void *bytes, size_t n_bytes);
uint32_t	nn_read_u32(NnReader *reader);	/* little endian */
uint64_t	nn_read_u64(NnReader *reader);
const uint8_t *nn_read_bytes(NnReader *reader, size_t n_bytes); /* NULL if too few */

/* Writer: appends to an NnArray of item size 1. */
NnStatus	nn_write_bytes(NnArray *out, const void *bytes, size_t n_bytes);
NnStatus	nn_write_u64(NnArray *out, uint64_t value);
NnStatus	nn_write_format(NnArray *out, const char *format,...) NN_PRINTF(2, 3);

/* IEEE half precision <-> single, round to nearest even, portable C. */
uint16_t	nn_half_from_float(float value);
float		nn_half_to_float(uint16_t half);

#endif							/* NN_BYTES_H */
