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

/* Cut B (K, N), or the transpose of W (N, K), into panels. */
void
nn_pack(const float *W, int ldw, int K, int N, bool is_transposed, float *packed)
{
	for (int first = 0; first < N; first += NN_PANEL)
	{
		int			n_columns = N - first < NN_PANEL ? N - first : NN_PANEL;

		for (int k = 0; k < K; k++, packed += NN_PANEL)
		{
			if (is_transposed)
			{
				const float *from = W + (size_t) first * ldw + k;

				for (int j = 0; j < n_columns; j++)
					packed[j] = from[(size_t) j * ldw];
			}
			else
				memcpy(packed, W + (size_t) k * ldw + first, (size_t) n_columns * sizeof(float));
			for (int j = n_columns; j < NN_PANEL; j++)
				packed[j] = 0.0f;
		}
	}
}
