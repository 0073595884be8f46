/*
 * model/split.c: which rows are held out.
 */
#include "model/split.h"

#include "base/rng.h"

uint64_t
nn_input_hash(const NnValue *input)
{
	uint64_t	hash = 0;

	if (input->kind == NN_VALUE_TEXT)
		return nn_hash_bytes(input->text, input->n_bytes, 1);
	if (input->kind == NN_VALUE_NUMBERS)
		return nn_hash_bytes(input->numbers, (size_t) input->n_steps * (size_t) input->n_channels * sizeof(float), 3);
	for (int i = 0; i < input->n_words; i++)
		hash = nn_mix64(hash) ^ nn_hash_bytes(input->words[i], input->word_bytes[i], 2);
	return hash;
}

double
nn_split_place(uint64_t hash)
{
	return (double) (nn_mix64(hash) >> 11) * 0x1.0p-53;
}

bool
nn_split_is_exception(const NnSplit *split, uint64_t hash)
{
	int64_t		low = 0;
	int64_t		high = split->n_exceptions;

	while (low < high)
	{
		int64_t		middle = low + (high - low) / 2;

		if (split->exception[middle] < hash)
			low = middle + 1;
		else
			high = middle;
	}
	return low < split->n_exceptions && split->exception[low] == hash;
}

bool
nn_split_holds_out(const NnSplit *split, uint64_t hash)
{
	return (nn_split_place(hash) < split->share) != nn_split_is_exception(split, hash);
}
