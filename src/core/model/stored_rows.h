/*
 * model/stored_rows.h: rows as bytes, and back, for a training that is to read the same
 * rows again.
 *
 * A record, all numbers little endian:
 *
 *	u32 bytes behind this number
 *	u64 position				among all rows of the source, for errors
 *	value						the input
 *	u32 kind of the target		NnStoredKind
 *	the target					label: u32 bytes, bytes; number: f64; value: value
 *
 *	value = u32 NnValueKind, then
 *	  text		u32 bytes, bytes
 *	  words		u32 words, and for each u32 bytes, bytes
 *	  numbers	u32 steps, u32 channels, f32...
 *
 * What is read is taken to be hostile: a record that is not what it claims to be is
 * NN_EFORMAT.  That texts are valid, and numbers finite, is for nn_learner_add() to see.
 */
#ifndef NN_STORED_ROWS_H
#define NN_STORED_ROWS_H

#include "base/bytes.h"
#include "model/learn.h"

typedef enum NnStoredKind
{
	NN_STORED_NOTHING,
	NN_STORED_LABEL,
	NN_STORED_NUMBER,
	NN_STORED_VALUE
} NnStoredKind;

/* What was read; it points into the bytes and into the arena. */
typedef struct NnStoredRow
{
	NnValue		input;
	NnValue		value;			/* of the target, if it is one */
	NnTarget	target;
	int64_t		position;
} NnStoredRow;

/* Append a record to out, an array of bytes.  kind says which field of target counts. */
NnStatus	nn_stored_row_write(NnArray *out, const NnValue *input, const NnTarget *target, NnStoredKind kind,
								int64_t position, NnError *err);

/* The next record of a reader that is not at its end.  What takes memory takes it from arena. */
NnStatus	nn_stored_row_read(NnReader *reader, NnArena *arena, NnStoredRow *row, NnError *err);

#endif							/* NN_STORED_ROWS_H */
