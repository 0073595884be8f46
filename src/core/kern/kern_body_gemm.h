/*
 * kern/kern_body_gemm.h: the matrix products of kern_body.h.
 *
 * Three levels.  A tile is a few rows by a few panels of C, held in registers
 * while k runs.  gemm_rows() covers C with tiles for a B in panels, in an order
 * that finds panels in L1 and rows of A in L2.  body_gemm() cuts matrices of any
 * size and orientation into blocks, packs them, and calls gemm_rows().
 *
 * Whatever the tiles and blocks, an element of C is one sum over k = 0, 1...
 * which starts from 0, or from C if it is added to.  So the result is the naive
 * twin's to the last bit, for any M and with any kernels.
 */

/* Blocks of products, in numbers; all are multiples of every tile's. */
#define NN_GROUP_ROWS	96		/* of A beside all panels of B, in L2 */
#define NN_BLOCK_K		192
#define NN_BLOCK_N		256
#define NN_BLOCK_M		96

/* What the rows of a tile start from, see below; the compiler has one loop to unroll. */
static NN_INLINE void
tile_start(const int R, const int W, const NnStart *start, int64_t m, int n_first, int n_columns, Vec *sum)
{
	static const float zeros[NN_TILE_PANELS * NN_PANEL];
	const float *const *row = start->row != NULL ? start->row + m : NULL;
	const float *from = start->from != NULL ? start->from + (size_t) m * start->ld + n_first : zeros;
	size_t		ld = start->from != NULL ? start->ld : 0;

	NN_UNROLL
		for (int r = 0; r < R; r++)
	{
		const float *at = row != NULL ? row[r] + n_first : from + r * ld;

		NN_UNROLL
			for (int w = 0; w < W; w++)
		{
			int			n = n_columns - w * NN_VW;

			sum[r * W + w] = n > 0 ? v_load_part(at + w * NN_VW, n) : (Vec) {0};
		}
	}
}

/*
 * A tile is R rows by Q panels of C, held in R * Q * V_PER_PANEL accumulators
 * while k runs; R and Q are constants in every call, so that the arrays become
 * registers and the loops over them vanish.  C (R, n_columns) starts from what
 * start says, columns n_first and on.  A[r][k] is A[r * lda + k * a_step].
 */
static NN_INLINE void
tile(const int R, const int Q, int K, const float *A, size_t lda, size_t a_step,
	 const float *B, const NnStart *start, int64_t m, int n_first, float *C, size_t ldc, int n_columns)
{
	Vec			sum[NN_TILE_VECTORS];
	const float *rows[(NN_TILE_ROWS + 3) / 4] = {NULL}; /* every fourth */
	const int	W = Q * V_PER_PANEL;	/* vectors of a row */
	const size_t panel = (size_t) K * NN_PANEL;

	tile_start(R, W, start, m, n_first, n_columns, sum);
	NN_UNROLL
		for (int i = 0; i < (R + 3) / 4; i++)
		rows[i] = A + 4 * i * lda;
	for (int k = 0; k < K; k++, B += NN_PANEL)
	{
		Vec			b[NN_TILE_VECTORS];

		NN_UNROLL
			for (int w = 0; w < W; w++)
		{
			b[w] = *(const VecUnaligned *) (B + (size_t) (w / V_PER_PANEL) * panel + w % V_PER_PANEL * NN_VW);
			if (R > 1)
				v_keep(b[w]);
		}
		NN_UNROLL
			for (int r = 0; r < R; r++)
		{
			Vec			a = v_all(rows[r / 4][r % 4 * lda]);

			NN_UNROLL
				for (int w = 0; w < W; w++)
				sum[r * W + w] = v_fma(a, b[w], sum[r * W + w]);
		}
		NN_UNROLL
			for (int i = 0; i < (R + 3) / 4; i++)
			rows[i] += a_step;
	}
	NN_UNROLL
		for (int r = 0; r < R; r++)
	{
		NN_UNROLL
			for (int w = 0; w < W; w++)
		{
			int			n = n_columns - w * NN_VW;

			if (n > 0)
				v_store_part(C + r * ldc + w * NN_VW, sum[r * W + w], n);
		}
	}
}

#define NN_TILE_DEFINE(R, Q) \
static void \
tile_##R##x##Q(int K, const float *A, size_t lda, size_t a_step, const float *B, \
			   const NnStart *start, int64_t m, int n_first, float *C, size_t ldc, int n_columns) \
{ \
	tile(R, Q, K, A, lda, a_step, B, start, m, n_first, C, ldc, n_columns); \
}
NN_TILE_LIST(NN_TILE_DEFINE)

typedef void (*TileFunction) (int K, const float *A, size_t lda, size_t a_step, const float *B,
							  const NnStart *start, int64_t m, int n_first, float *C, size_t ldc,
							  int n_columns);

/* tiles[R][Q]: NULL where it was not compiled. */
#define NN_TILE_ENTRY(R, Q) [R][Q] = tile_##R##x##Q,
static const TileFunction tiles[NN_TILE_ROWS + 1][NN_TILE_PANELS + 1] = {
	NN_TILE_LIST(NN_TILE_ENTRY)
};

/*
 * Ask for rows m... of Q panels of what the next tile starts from: they are too
 * far apart for the hardware to foresee.  Measured: 6 % where C is larger than L2,
 * less than 1 % lost where it is not.  Below NN_ASK_K (a guess) the tile is over
 * before they would be here.
 */
#define NN_ASK_K		64

static NN_INLINE void
ask_for_tile(const NnStart *start, int64_t m, int64_t R, int Q, int n_first)
{
	for (int64_t r = 0; r < R; r++)
	{
		const float *from = nn_start_row(*start, m + r) + n_first;

		for (int q = 0; q < Q; q++)
			__builtin_prefetch(from + q * NN_PANEL, 1);
	}
}

/* One block of rows, the step of a few texts: what of gemm_rows() is left when there is nothing to divide. */
static NN_INLINE void
gemm_block(int64_t M, int N, int K, const float *A, size_t lda, size_t a_step,
		   const float *packed, const NnStart *start, float *C, size_t ldc)
{
	int			n_panels = (N + NN_PANEL - 1) / NN_PANEL;
	int			Q = NN_TILE_PANELS;

	for (int p = 0; p < n_panels; p += Q)
	{
		while (Q > n_panels - p || tiles[M][Q] == NULL)
			Q--;
		tiles[M][Q] (K, A, lda, a_step, packed + (size_t) p * NN_PANEL * (size_t) K,
					 start, 0, p * NN_PANEL, C + p * NN_PANEL, ldc, N - p * NN_PANEL);
	}
}

/*
 * C (M, N) = start + A B for B in panels.  A panel, or a few of them, stays in the L1
 * cache while a group of blocks of rows, which stays in L2, passes by.  Blocks
 * are nearly equal in height, since the flattest are the slowest; few rows take
 * more panels at once, so that there are enough accumulators to hide the
 * latency of fused multiply-add.
 */
static void
gemm_rows(int64_t M, int N, int K, const float *A, size_t lda, size_t a_step,
		  const float *packed, const NnStart *start, float *C, size_t ldc)
{
	const int64_t group = NN_GROUP_ROWS / NN_TILE_ROWS;
	int64_t		n_blocks = (M + NN_TILE_ROWS - 1) / NN_TILE_ROWS;
	int64_t		height = n_blocks > 0 ? (M + n_blocks - 1) / n_blocks : 0;
	int			n_panels = (N + NN_PANEL - 1) / NN_PANEL;
	bool		has_rows = start->row != NULL || (start->from != NULL && start->ld > 0);

	if (n_blocks == 1)
	{
		gemm_block(M, N, K, A, lda, a_step, packed, start, C, ldc);
		return;
	}
	for (int64_t first = 0; first < n_blocks; first += group)
	{
		int64_t		last = n_blocks - first < group ? n_blocks : first + group;
		int			Q = NN_TILE_PANELS;

		for (int p = 0; p < n_panels; p += Q)
		{
			const float *B = packed + (size_t) p * NN_PANEL * (size_t) K;

			while (Q > n_panels - p || tiles[height][Q] == NULL)
				Q--;
			for (int64_t block = first; block < last; block++)
			{
				int64_t		m = block * M / n_blocks;
				int64_t		R = (block + 1) * M / n_blocks - m;

				if (has_rows && K >= NN_ASK_K)
				{
					if (block + 1 < last)
						ask_for_tile(start, m + R, (block + 2) * M / n_blocks - m - R, Q, p * NN_PANEL);
					else if (p + 2 * Q <= n_panels)
						ask_for_tile(start, first * M / n_blocks,
									 (first + 1) * M / n_blocks - first * M / n_blocks, Q, (p + Q) * NN_PANEL);
				}
				tiles[R][Q] (K, A + m * lda, lda, a_step, B, start, m, p * NN_PANEL,
							 C + m * ldc + p * NN_PANEL, ldc, N - p * NN_PANEL);
			}
		}
	}
}

static void
body_gemm_packed(int64_t M, int N, int K, const float *A, int lda,
				 const float *packed, NnStart start, float *C, int ldc)
{
	gemm_rows(M, N, K, A, (size_t) lda, 1, packed, &start, C, (size_t) ldc);
}

/*
 * The large products.  B is packed block by block on the stack (at most 192 kB,
 * which the L2 cache of any server holds), with as many k as leave a pair of
 * panels in L1; blocks are nearly equal in depth, and in width, in whole pairs of panels.
 * A is read where it lies unless it is transposed: then its numbers of one k are
 * neighbors, but those of the next k are a whole row away, and some rows are
 * copied together (72 kB) before all panels pass by them.
 * Splitting K changes nothing in the result: a later block goes on from C.
 */
static void
gemm_columns(int M, int N, int K, const float *A, size_t lda,
			 const float *packed, float *C, size_t ldc, bool is_added)
{
	float		rows[NN_BLOCK_K * NN_BLOCK_M];

	for (int m = 0; m < M; m += NN_BLOCK_M)
	{
		int			n_m = M - m < NN_BLOCK_M ? M - m : NN_BLOCK_M;
		NnStart		start;

		for (int k = 0; k < K; k++)
		{
			const float *from = A + k * lda + m;
			const float *later = from + (k + NN_ROWS_AHEAD < K ? NN_ROWS_AHEAD * lda : 0);

			for (int r = 0; r < n_m; r += NN_PANEL)
				__builtin_prefetch(later + r);
			memcpy(rows + k * NN_BLOCK_M, from, (size_t) n_m * sizeof(float));
		}
		start = nn_start_added(C + m * ldc, (int) ldc, is_added);
		gemm_rows(n_m, N, K, rows, 1, NN_BLOCK_M, packed, &start, C + m * ldc, ldc);
	}
}

static void
body_gemm(bool trans_a, bool trans_b, int M, int N, int K,
		  const float *A, int lda, const float *B, int ldb,
		  float *C, int ldc, bool is_added)
{
	float		packed[NN_BLOCK_K * NN_BLOCK_N] __attribute__((aligned(64)));
	int			n_blocks = (N + NN_BLOCK_N - 1) / NN_BLOCK_N;
	int			width = n_blocks > 0 ? ((N + n_blocks - 1) / n_blocks + 31) / 32 * 32 : NN_BLOCK_N;
	int			n_parts = (K + NN_BLOCK_K - 1) / NN_BLOCK_K;
	int			depth = n_parts > 0 ? (K + n_parts - 1) / n_parts : 0;
	int			k = 0;

	do
	{
		int			n_k = K - k < depth ? K - k : depth;

		for (int n = 0; n < N; n += width)
		{
			int			n_n = N - n < width ? N - n : width;
			size_t		at = trans_b ? (size_t) n * ldb + k : (size_t) k * ldb + n;

			nn_pack(B + at, ldb, n_k, n_n, trans_b, packed);
			if (trans_a)
				gemm_columns(M, n_n, n_k, A + (size_t) k * lda, (size_t) lda,
							 packed, C + n, (size_t) ldc, is_added || k > 0);
			else
			{
				NnStart		start = nn_start_added(C + n, ldc, is_added || k > 0);

				gemm_rows(M, n_n, n_k, A + k, (size_t) lda, 1, packed, &start, C + n, (size_t) ldc);
			}
		}
		k += n_k;
	} while (k < K);
}
