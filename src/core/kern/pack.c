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

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/* One panel of a matrix whose rows are read as they lie. */
static void
pack_rows(const float *W, size_t ldw, int K, int n_columns, float *packed)
{
	int			n_whole = n_columns / 4 * 4;

	for (int k = 0; k < K; k++, W += ldw, packed += NN_PANEL)
	{
		int			j = 0;

		for (; j < n_whole; j += 4)
			*(Four *) (packed + j) = *(const Four *) (W + j);
		for (; j < n_columns; j++)
			packed[j] = W[j];
		for (; j < NN_PANEL; j++)
			packed[j] = 0.0f;
	}
}

#if defined(__clang__)
#define MIX(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
typedef int32_t FourIndexes __attribute__((vector_size(16)));
#define MIX(a, b, i, j, k, l) __builtin_shuffle(a, b, (FourIndexes) {i, j, k, l})
#endif

/* Four numbers of each of four rows of W, to columns of a panel. */
static inline void
pack_four(const float *W, size_t ldw, float *packed)
{
	Four		a = *(const Four *) W,
				b = *(const Four *) (W + ldw),
				c = *(const Four *) (W + 2 * ldw),
				d = *(const Four *) (W + 3 * ldw);
	Four		ab_low = MIX(a, b, 0, 4, 1, 5),
				ab_high = MIX(a, b, 2, 6, 3, 7),
				cd_low = MIX(c, d, 0, 4, 1, 5),
				cd_high = MIX(c, d, 2, 6, 3, 7);

	*(Four *) packed = MIX(ab_low, cd_low, 0, 1, 4, 5);
	*(Four *) (packed + NN_PANEL) = MIX(ab_low, cd_low, 2, 3, 6, 7);
	*(Four *) (packed + 2 * NN_PANEL) = MIX(ab_high, cd_high, 0, 1, 4, 5);
	*(Four *) (packed + 3 * NN_PANEL) = MIX(ab_high, cd_high, 2, 3, 6, 7);
}

/*
 * One panel of a transposed matrix, 16 by 16 numbers at a time: rows of W are
 * often a power of two apart, and 16 of them read side by side would fight for
 * the same few lines of the cache.
 */
static void
pack_block(const float *W, size_t ldw, int n_k, int n_columns, float *packed)
{
	for (int j = 0; j < n_columns; j += 4)
		for (int k = 0; k < n_k; k += 4)
		{
			if (j + 4 <= n_columns && k + 4 <= n_k)
				pack_four(W + j * ldw + k, ldw, packed + k * NN_PANEL + j);
			else
				for (int c = j; c < j + 4 && c < n_columns; c++)
					for (int i = k; i < k + 4 && i < n_k; i++)
						packed[i * NN_PANEL + c] = W[c * ldw + i];
		}
	for (int k = 0; k < n_k; k++)
		for (int j = n_columns; j < NN_PANEL; j++)
			packed[k * NN_PANEL + j] = 0.0f;
}

static void
pack_columns(const float *W, size_t ldw, int K, int n_columns, float *packed)
{
	for (int first = 0; first < K; first += 16, W += 16, packed += 16 * NN_PANEL)
		pack_block(W, ldw, K - first < 16 ? K - first : 16, n_columns, packed);
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
