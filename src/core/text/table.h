/*
 * text/table.h: an open-addressing hash table from 64-bit hashes to numbers.
 * For text and the rooms that read texts themselves.
 *
 * Linear probing over a power of two of slots, at most two thirds of them in use.
 * A slot whose value is 0 is empty, so values start at 1.  The table knows
 * nothing of what was hashed: where different things may have one hash, its user
 * compares them and goes on to the next slot.
 *
 *	for (slot = nn_table_first(table, hash); slot->value != 0; slot = nn_table_next(table, slot))
 *		if (slot->hash == hash && ... is the one looked for ...)
 *			return slot->value;
 *	... slot is where it would be; before filling it, nn_table_reserve() ...
 */
#ifndef NN_TABLE_H
#define NN_TABLE_H

#include "base/arena.h"

typedef struct NnTableSlot
{
	uint64_t	hash;
	int32_t		value;			/* 0: empty */
} NnTableSlot;

typedef struct NnTable
{
	const NnEnv *env;
	NnTableSlot *slots;
	size_t		n_slots;		/* a power of two, or 0 before the first reserve */
	size_t		n;				/* slots in use */
} NnTable;

void		nn_table_init(NnTable *table, const NnEnv *env);
void		nn_table_free(NnTable *table);

/*
 * Have room for n_more entries.  NN_ENOMEM, or NN_ECANCELED as poll says; then
 * the table is as it was.  Slots found before are found elsewhere afterwards.
 */
NnStatus	nn_table_reserve(NnTable *table, size_t n_more);

size_t		nn_table_bytes(const NnTable *table);

/* The slots must have been reserved once. */
static inline NnTableSlot *
nn_table_first(const NnTable *table, uint64_t hash)
{
	return &table->slots[hash & (table->n_slots - 1)];
}

static inline NnTableSlot *
nn_table_next(const NnTable *table, NnTableSlot *slot)
{
	return slot + 1 == table->slots + table->n_slots ? table->slots : slot + 1;
}

/* Fill an empty slot for which room was reserved. */
static inline void
nn_table_fill(NnTable *table, NnTableSlot *slot, uint64_t hash, int32_t value)
{
	slot->hash = hash;
	slot->value = value;
	table->n++;
}

#endif							/* NN_TABLE_H */
