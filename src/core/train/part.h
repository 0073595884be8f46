/*
 * train/part.h: inside this room: who of a team does what to the weights.
 *
 * Gradients are added up, measured and turned into steps in units: chunks of dense
 * tensors, rows of tables.  Members take units in turns.  Whatever is summed over
 * units is summed unit by unit, so the size of a team changes no result.
 */
#ifndef NN_PART_H
#define NN_PART_H

#include <stdbool.h>
#include <stddef.h>

#define NN_PART_NUMBERS	((size_t) 4096) /* of a chunk */
#define NN_PART_ROWS	((size_t) 8)	/* side by side that go to the same member */

typedef struct NnPart
{
	int			rank;
	int			size;
} NnPart;

/* Somebody alone. */
#define NN_PART_ALL ((NnPart) {0, 1})

/* Chunks or rows that begin with number `at`, counted in steps of `width`. */
static inline bool
nn_part_has(NnPart part, size_t at, size_t width)
{
	return part.size == 1 || at / width % (size_t) part.size == (size_t) part.rank;
}

#endif							/* NN_PART_H */
