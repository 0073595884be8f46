/*
 * text/table.c: growth of the hash table.
 */
#include "text/table.h"

#include <string.h>

#define N_SLOTS_MIN ((size_t) 64)

void
nn_table_init(NnTable *table, const NnEnv *env)
{
	memset(table, 0, sizeof(*table));
	table->env = env;
}

void
nn_table_free(NnTable *table)
{
	if (table->env != NULL)
		table->env->release(table->env->ctx, table->slots);
	table->slots = NULL;
	table->n_slots = 0;
	table->n = 0;
}

NnStatus
nn_table_reserve(NnTable *table, size_t n_more)
{
	const NnEnv *env = table->env;
	size_t		n = nn_size_add(table->n, n_more);
	NnTable		larger = *table;
	size_t		i;

	if (table->n_slots > 0 && n <= table->n_slots - table->n_slots / 3)
		return NN_OK;
	if (n > SIZE_MAX / 4)
		return NN_ENOMEM;
	if (larger.n_slots == 0)
		larger.n_slots = N_SLOTS_MIN;
	while (n > larger.n_slots - larger.n_slots / 3)
		larger.n_slots *= 2;
	i = nn_size_mul(larger.n_slots, sizeof(NnTableSlot));
	larger.slots = i == SIZE_MAX ? NULL : env->alloc(env->ctx, i);
	if (larger.slots == NULL)
		return NN_ENOMEM;

	for (i = 0; i < table->n_slots; i++)
	{
		const NnTableSlot *old = &table->slots[i];
		NnTableSlot *slot;

		if (i % 65536 == 65535 && env->poll(env->ctx) != 0)
		{
			env->release(env->ctx, larger.slots);
			return NN_ECANCELED;
		}
		if (old->value == 0)
			continue;
		slot = nn_table_first(&larger, old->hash);
		while (slot->value != 0)
			slot = nn_table_next(&larger, slot);
		*slot = *old;
	}
	env->release(env->ctx, table->slots);
	*table = larger;
	return NN_OK;
}

size_t
nn_table_bytes(const NnTable *table)
{
	return table->n_slots * sizeof(NnTableSlot);
}
