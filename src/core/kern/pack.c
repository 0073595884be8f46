/*
 * kern/pack.c: the layout of packed matrices (kern_private.h, NN_PANEL).
 */
#include "kern/kern_private.h"

#include <string.h>

/* Floats of nn_pack()'s result. */
size_t
nn_pack_floats(int K, int N)
{
	size_t		n_panels = ((size_t) N + NN_PANEL - 1) / NN_PANEL;

	return n_panels * NN_PANEL * (size_t) K;
}

/* One panel of a matrix whose rows are read as they lie. */
static void
pack_rows(const float *W, size_t ldw, int K, int n_columns, float *packed)
{
	for (int k = 0; k < K; k++, W += ldw, packed += NN_PANEL)
	{
		if (n_columns == NN_PANEL)
			memcpy(packed, W, NN_PANEL * sizeof(float));
		else
		{
			for (int j = 0; j < n_columns; j++)
				packed[j] = W[j];
			for (int j = n_columns; j < NN_PANEL; j++)
				packed[j] = 0.0f;
		}
	}
}

/*
 * One panel of a transposed matrix, 16 by 16 numbers at a time: rows of W are
 * often a power of two apart, and 16 of them read side by side would fight for
 * the same few lines of the cache.
 */
static void
pack_columns(const float *W, size_t ldw, int K, int n_columns, float *packed)
{
	for (int first = 0; first < K; first += 16, W += 16, packed += 16 * NN_PANEL)
	{
		int			n_k = K - first < 16 ? K - first : 16;

		for (int j = 0; j < n_columns; j++)
			for (int k = 0; k < n_k; k++)
				packed[k * NN_PANEL + j] = W[j * ldw + k];
		for (int k = 0; k < n_k; k++)
			for (int j = n_columns; j < NN_PANEL; j++)
				packed[k * NN_PANEL + j] = 0.0f;
	}
}

/* Cut B (K, N), or the transpose of W (N, K), into panels. */
void
nn_pack(const float *W, int ldw, int K, int N, bool is_transposed, float *packed)
{
	for (int n = 0; n < N; n += NN_PANEL, packed += (size_t) K * NN_PANEL)
	{
		int			n_columns = N - n < NN_PANEL ? N - n : NN_PANEL;

		if (is_transposed)
			pack_columns(W + (size_t) n * ldw, (size_t) ldw, K, n_columns, packed);
		else
			pack_rows(W + n, (size_t) ldw, K, n_columns, packed);
	}
}
