/*
 * kern/kern_body.h: the kernels in vectors of NN_VW floats.
 *
 * Not a header in the usual sense: kern_generic.c, kern_avx2.c and kern_avx512.c
 * each include it once, after defining
 *   NN_VW            floats of a vector: 4, 8 or 16
 *   NN_KERNELS, NN_KERNELS_NAME  the table to define, and its name
 *   NN_TILE_LIST(X)  the tiles (rows, panels) to compile, see below
 *   v_fma, v_max, v_min, v_sqrt, v_load_n, v_store_n
 * The functions are those of kern_naive.c, where the equations are, in the same
 * order and under the same names; what is said here is how they are made fast.
 * Elements do not mix across the lanes of a vector, so a result does not depend
 * on the lane it falls into; the last, partial vector of a row goes through
 * v_load_n and v_store_n and the same arithmetic.
 */
#include <math.h>
#include <string.h>

/* ---- vectors ------------------------------------------------------------- */

#define NN_INLINE inline __attribute__((always_inline))
#if defined(__clang__)
#define NN_UNROLL _Pragma("clang loop unroll(full)")
#else
#define NN_UNROLL _Pragma("GCC unroll 32")
#endif

/* Blocks of products, in numbers; all are multiples of every tile's. */
#define NN_GROUP_ROWS	96		/* of A beside all panels of B, in L2 */
#define NN_BLOCK_K 192
#define NN_BLOCK_N		128
#define NN_BLOCK_M		96

/* Rows too far apart for the hardware to foresee are asked for so many turns ahead. */
#define NN_ROWS_AHEAD	8

#define V_PER_PANEL (NN_PANEL / NN_VW)

typedef float Vec __attribute__((vector_size(NN_VW * 4)));
typedef float VecUnaligned __attribute__((vector_size(NN_VW * 4), aligned(4), may_alias));
typedef int32_t IVec __attribute__((vector_size(NN_VW * 4)));

/* Half as many floats, and as many doubles. */
typedef float HalfUnaligned __attribute__((vector_size(NN_VW * 2), aligned(4), may_alias));
typedef double DVec __attribute__((vector_size(NN_VW * 4)));

static NN_INLINE Vec
v_load(const float *from)
{
	return *(const VecUnaligned *) from;
}

static NN_INLINE void
v_store(float *to, Vec v)
{
	*(VecUnaligned *) to = v;
}

static NN_INLINE Vec
v_all(float x)
{
	return x - (Vec) {0};
}

/* A whole vector, or its first n lanes. */
static NN_INLINE Vec
v_load_part(const float *from, int n)
{
	return n >= NN_VW ? v_load(from) : v_load_n(from, n);
}

static NN_INLINE void
v_store_part(float *to, Vec v, int n)
{
	if (n >= NN_VW)
		v_store(to, v);
	else
		v_store_n(to, v, n);
}

static NN_INLINE Vec
v_tanh(Vec x)
{
	Vec			u,
				p,
				q;

	x = v_max(v_all(-NN_TANH_BOUND), x);
	x = v_min(v_all(NN_TANH_BOUND), x);
	u = x * x;
	p = v_fma(u, v_all(NN_TANH_P4), v_all(NN_TANH_P3));
	q = v_fma(u, v_all(NN_TANH_Q4), v_all(NN_TANH_Q3));
	p = v_fma(u, p, v_all(NN_TANH_P2));
	q = v_fma(u, q, v_all(NN_TANH_Q2));
	p = v_fma(u, p, v_all(NN_TANH_P1));
	q = v_fma(u, q, v_all(NN_TANH_Q1));
	p = v_fma(u, p, v_all(NN_TANH_P0));
	q = v_fma(u, q, v_all(NN_TANH_Q0));
	x = x * p / q;
	return v_max(v_all(-1.0f), v_min(v_all(1.0f), x));
}

static NN_INLINE Vec
v_sigmoid(Vec x)
{
	return v_fma(v_all(0.5f), v_tanh(v_all(0.5f) * x), v_all(0.5f));
}

/* A NaN survives: whatever power its bits give, the product is NaN. */
static NN_INLINE Vec
v_exp(Vec x)
{
	Vec			rounded,
				j,
				r,
				p;
	IVec		exponent,
				half;

	x = v_max(v_all(NN_EXP_LOWEST), x);
	x = v_min(v_all(NN_EXP_HIGHEST), x);
	rounded = v_fma(x, v_all(NN_LOG2_E), v_all(NN_ROUNDER));
	j = rounded - v_all(NN_ROUNDER);
	r = v_fma(j, v_all(-NN_LN2_HIGH), x);
	r = v_fma(j, v_all(-NN_LN2_LOW), r);
	p = v_fma(r, v_all(1.0f / 5040), v_all(1.0f / 720));
	p = v_fma(r, p, v_all(1.0f / 120));
	p = v_fma(r, p, v_all(1.0f / 24));
	p = v_fma(r, p, v_all(1.0f / 6));
	p = v_fma(r, p, v_all(0.5f));
	p = v_fma(r, p, v_all(1.0f));
	p = v_fma(r, p, v_all(1.0f));
	exponent = (IVec) rounded - NN_ROUNDER_BITS;
	half = exponent >> 1;
	return p * (Vec) ((half + 127) << 23) * (Vec) ((exponent - half + 127) << 23);
}

/* ---- matrix products ------------------------------------------------------- */

/*
 * A tile is R rows by Q panels of C, held in R * Q * V_PER_PANEL accumulators
 * while k runs; R and Q are constants in every call, so that the arrays become
 * registers and the loops over them vanish.  C (R, n_columns) starts from itself
 * or from zeros.  A[r][k] is A[r * lda + k * a_step].
 */
static NN_INLINE void
tile(const int R, const int Q, int K, const float *A, size_t lda, size_t a_step,
	 const float *B, float *C, size_t ldc, int n_columns, bool is_added)
{
	Vec			sum[NN_TILE_VECTORS];
	const float *rows[(NN_TILE_ROWS + 3) / 4] = {NULL}; /* every fourth */
	const int	W = Q * V_PER_PANEL;	/* vectors of a row */
	const size_t panel = (size_t) K * NN_PANEL;

	NN_UNROLL
		for (int r = 0; r < R; r++)
	{
		NN_UNROLL
			for (int w = 0; w < W; w++)
		{
			int			n = n_columns - w * NN_VW;

			if (is_added && n > 0)
				sum[r * W + w] = v_load_part(C + r * ldc + w * NN_VW, n);
			else
				sum[r * W + w] = (Vec) {0};
		}
	}
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
			   float *C, size_t ldc, int n_columns, bool is_added) \
{ \
	tile(R, Q, K, A, lda, a_step, B, C, ldc, n_columns, is_added); \
}
NN_TILE_LIST(NN_TILE_DEFINE)

typedef void (*TileFunction) (int K, const float *A, size_t lda, size_t a_step, const float *B,
							  float *C, size_t ldc, int n_columns, bool is_added);

/* tiles[R][Q]: NULL where it was not compiled. */
#define NN_TILE_ENTRY(R, Q) [R][Q] = tile_##R##x##Q,
static const TileFunction tiles[NN_TILE_ROWS + 1][NN_TILE_PANELS + 1] = {
	NN_TILE_LIST(NN_TILE_ENTRY)
};

/*
 * C (M, N) = A B for B in panels.  A panel, or a few of them, stays in the L1
 * cache while a group of blocks of rows, which stays in L2, passes by.  Blocks
 * are nearly equal in height, since the flattest are the slowest; few rows take
 * more panels at once, so that there are enough accumulators to hide the
 * latency of fused multiply-add.
 */
static void
gemm_rows(int64_t M, int N, int K, const float *A, size_t lda, size_t a_step,
		  const float *packed, float *C, size_t ldc, bool is_added)
{
	const int64_t group = NN_GROUP_ROWS / NN_TILE_ROWS;
	int64_t		n_blocks = (M + NN_TILE_ROWS - 1) / NN_TILE_ROWS;
	int64_t		height = n_blocks > 0 ? (M + n_blocks - 1) / n_blocks : 0;
	int			n_panels = (N + NN_PANEL - 1) / NN_PANEL;

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

				tiles[R][Q] (K, A + m * lda, lda, a_step, B,
							 C + m * ldc + p * NN_PANEL, ldc, N - p * NN_PANEL, is_added);
			}
		}
	}
}

static void
body_gemm_packed(int64_t M, int N, int K, const float *A, int lda,
				 const float *packed, float *C, int ldc, bool is_added)
{
	gemm_rows(M, N, K, A, (size_t) lda, 1, packed, C, (size_t) ldc, is_added);
}

/*
 * The large products.  B is packed block by block on the stack (128 kB: half of
 * the smallest L2 cache we care for), with as many k as leave a pair of panels in
 * L1.  A is read where it lies unless it is transposed: then its numbers of one
 * k are neighbors, but those of the next k are a whole row away, and some rows
 * are copied together (48 kB) before all panels pass by them.
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

		for (int k = 0; k < K; k++)
		{
			const float *from = A + k * lda + m;
			const float *later = from + (k + NN_ROWS_AHEAD < K ? NN_ROWS_AHEAD * lda : 0);

			for (int r = 0; r < n_m; r += NN_PANEL)
				__builtin_prefetch(later + r);
			memcpy(rows + k * NN_BLOCK_M, from, (size_t) n_m * sizeof(float));
		}
		gemm_rows(n_m, N, K, rows, 1, NN_BLOCK_M, packed, C + m * ldc, ldc, is_added);
	}
}

static void
body_gemm(bool trans_a, bool trans_b, int M, int N, int K,
		  const float *A, int lda, const float *B, int ldb,
		  float *C, int ldc, bool is_added)
{
	float		packed[NN_BLOCK_K * NN_BLOCK_N] __attribute__((aligned(64)));
	int			k = 0;

	do
	{
		int			n_k = K - k < NN_BLOCK_K ? K - k : NN_BLOCK_K;

		for (int n = 0; n < N; n += NN_BLOCK_N)
		{
			int			n_n = N - n < NN_BLOCK_N ? N - n : NN_BLOCK_N;
			size_t		at = trans_b ? (size_t) n * ldb + k : (size_t) k * ldb + n;

			nn_pack(B + at, ldb, n_k, n_n, trans_b, packed);
			if (trans_a)
				gemm_columns(M, n_n, n_k, A + (size_t) k * lda, (size_t) lda,
							 packed, C + n, (size_t) ldc, is_added || k > 0);
			else
				gemm_rows(M, n_n, n_k, A + k, (size_t) lda, 1,
						  packed, C + n, (size_t) ldc, is_added || k > 0);
		}
		k += n_k;
	} while (k < K);
}

/* ---- recurrent steps --------------------------------------------------------- */

/* Rows whose gates are still in the L2 cache when the activations come. */
#define NN_STEP_ROWS 48

static NN_INLINE void
lstm_units(int n, size_t H, float *a, const float *c_prev, float *c, float *tanh_c, float *h)
{
	Vec			i = v_sigmoid(v_load_part(a, n));
	Vec			f = v_sigmoid(v_load_part(a + H, n));
	Vec			g = v_tanh(v_load_part(a + 2 * H, n));
	Vec			o = v_sigmoid(v_load_part(a + 3 * H, n));
	Vec			c_before = c_prev != NULL ? v_load_part(c_prev, n) : (Vec) {0};
	Vec			c_now = v_fma(f, c_before, i * g);
	Vec			t = v_tanh(c_now);

	v_store_part(a, i, n);
	v_store_part(a + H, f, n);
	v_store_part(a + 2 * H, g, n);
	v_store_part(a + 3 * H, o, n);
	v_store_part(c, c_now, n);
	v_store_part(tanh_c, t, n);
	v_store_part(h, o * t, n);
}

static NN_INLINE void
lstm_row(int H, float *a, const float *c_prev, float *c, float *tanh_c, float *h)
{
	size_t		G = (size_t) H;
	int			u = 0;

	for (; u + NN_VW <= H; u += NN_VW)
		lstm_units(NN_VW, G, a + u, c_prev != NULL ? c_prev + u : NULL, c + u, tanh_c + u, h + u);
	if (u < H)
		lstm_units(H - u, G, a + u, c_prev != NULL ? c_prev + u : NULL, c + u, tanh_c + u, h + u);
}

static void
body_lstm_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			   float *gates, const float *c_prev, float *c, float *tanh_c,
			   float *h, int ldh)
{
	size_t		G = (size_t) 4 * H;
	size_t		H1 = (size_t) H;

	for (int first = 0; first < n; first += NN_STEP_ROWS)
	{
		int			last = n - first < NN_STEP_ROWS ? n : first + NN_STEP_ROWS;
		int			M = (last < n_prev ? last : n_prev) - first;

		gemm_rows(M, 4 * H, H, h_prev + first * H1, H1, 1, packed_hh, gates + first * G, G, true);
		for (int b = first; b < last; b++)
		{
			size_t		at = b * H1;

			if (b < n_prev)
				lstm_row(H, gates + b * G, c_prev + at, c + at, tanh_c + at, h + (size_t) b * ldh);
			else
				lstm_row(H, gates + b * G, NULL, c + at, tanh_c + at, h + (size_t) b * ldh);
		}
	}
}

static NN_INLINE void
lstm_units_backward(int n, size_t H, const float *a, const float *c_prev, const float *tanh_c,
					const float *dh, float *dc, float *da)
{
	const Vec	one = v_all(1.0f);
	Vec			i = v_load_part(a, n);
	Vec			f = v_load_part(a + H, n);
	Vec			g = v_load_part(a + 2 * H, n);
	Vec			o = v_load_part(a + 3 * H, n);
	Vec			c_before = c_prev != NULL ? v_load_part(c_prev, n) : (Vec) {0};
	Vec			t = v_load_part(tanh_c, n);
	Vec			dh1 = v_load_part(dh, n);
	Vec			dc1 = v_fma(dh1 * o, v_fma(-t, t, one), v_load_part(dc, n));

	v_store_part(da, dc1 * g * v_fma(-i, i, i), n);
	v_store_part(da + H, dc1 * c_before * v_fma(-f, f, f), n);
	v_store_part(da + 2 * H, dc1 * i * v_fma(-g, g, one), n);
	v_store_part(da + 3 * H, dh1 * t * v_fma(-o, o, o), n);
	v_store_part(dc, dc1 * f, n);
}

static void
body_lstm_step_backward(int n, int n_prev, int H, const float *gates,
						const float *c_prev, const float *tanh_c,
						const float *dh, int lddh, float *dc, float *dgates)
{
	size_t		H1 = (size_t) H;

	for (int b = 0; b < n; b++)
	{
		const float *a = gates + b * 4 * H1;
		const float *c1 = b < n_prev ? c_prev + b * H1 : NULL;
		const float *t = tanh_c + b * H1;
		const float *dh1 = dh + (size_t) b * lddh;
		float	   *dc1 = dc + b * H1;
		float	   *da = dgates + b * 4 * H1;
		int			u = 0;

		for (; u + NN_VW <= H; u += NN_VW)
			lstm_units_backward(NN_VW, H1, a + u, c1 != NULL ? c1 + u : NULL,
								t + u, dh1 + u, dc1 + u, da + u);
		if (u < H)
			lstm_units_backward(H - u, H1, a + u, c1 != NULL ? c1 + u : NULL,
								t + u, dh1 + u, dc1 + u, da + u);
	}
}

static NN_INLINE void
gru_units(int n, size_t H, float *a, const float *ah, const float *h_prev, float *h)
{
	Vec			r = v_sigmoid(v_load_part(a, n) + v_load_part(ah, n));
	Vec			z = v_sigmoid(v_load_part(a + H, n) + v_load_part(ah + H, n));
	Vec			candidate = v_tanh(v_fma(r, v_load_part(ah + 2 * H, n), v_load_part(a + 2 * H, n)));
	Vec			h_before = h_prev != NULL ? v_load_part(h_prev, n) : (Vec) {0};

	v_store_part(h, v_fma(z, h_before - candidate, candidate), n);
	v_store_part(a, r, n);
	v_store_part(a + H, z, n);
	v_store_part(a + 2 * H, candidate, n);
}

static void
body_gru_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			  const float *b_hh, float *gates, float *h_gates, float *h, int ldh)
{
	size_t		G = (size_t) 3 * H;
	size_t		H1 = (size_t) H;

	for (int first = 0; first < n; first += NN_STEP_ROWS)
	{
		int			last = n - first < NN_STEP_ROWS ? n : first + NN_STEP_ROWS;
		int			M = (last < n_prev ? last : n_prev) - first;

		for (int b = first; b < last; b++)
			memcpy(h_gates + b * G, b_hh, G * sizeof(float));
		gemm_rows(M, 3 * H, H, h_prev + first * H1, H1, 1, packed_hh, h_gates + first * G, G, true);
		for (int b = first; b < last; b++)
		{
			float	   *a = gates + b * G;
			const float *ah = h_gates + b * G;
			const float *hp = b < n_prev ? h_prev + b * H1 : NULL;
			float	   *h1 = h + (size_t) b * ldh;
			int			u = 0;

			for (; u + NN_VW <= H; u += NN_VW)
				gru_units(NN_VW, H1, a + u, ah + u, hp != NULL ? hp + u : NULL, h1 + u);
			if (u < H)
				gru_units(H - u, H1, a + u, ah + u, hp != NULL ? hp + u : NULL, h1 + u);
		}
	}
}

static NN_INLINE void
gru_units_backward(int n, size_t H, const float *a, const float *ah, const float *h_prev,
				   const float *dh, float *da, float *dah, float *dh_prev)
{
	const Vec	one = v_all(1.0f);
	Vec			r = v_load_part(a, n);
	Vec			z = v_load_part(a + H, n);
	Vec			candidate = v_load_part(a + 2 * H, n);
	Vec			h_before = h_prev != NULL ? v_load_part(h_prev, n) : (Vec) {0};
	Vec			dh1 = v_load_part(dh, n);
	Vec			da_n = dh1 * (one - z) * v_fma(-candidate, candidate, one);
	Vec			da_z = dh1 * (h_before - candidate) * v_fma(-z, z, z);
	Vec			da_r = da_n * v_load_part(ah + 2 * H, n) * v_fma(-r, r, r);

	v_store_part(da, da_r, n);
	v_store_part(da + H, da_z, n);
	v_store_part(da + 2 * H, da_n, n);
	v_store_part(dah, da_r, n);
	v_store_part(dah + H, da_z, n);
	v_store_part(dah + 2 * H, da_n * r, n);
	if (h_prev != NULL)
		v_store_part(dh_prev, v_fma(dh1, z, v_load_part(dh_prev, n)), n);
}

static void
body_gru_step_backward(int n, int n_prev, int H, const float *gates, const float *h_gates,
					   const float *h_prev, const float *dh, int lddh,
					   float *dgates, float *dh_gates, float *dh_prev, int lddp)
{
	size_t		H1 = (size_t) H;

	for (int b = 0; b < n; b++)
	{
		size_t		at = b * 3 * H1;
		bool		has_prev = b < n_prev;
		const float *hp = has_prev ? h_prev + b * H1 : NULL;
		float	   *dhp = has_prev ? dh_prev + (size_t) b * lddp : NULL;
		const float *dh1 = dh + (size_t) b * lddh;

		for (int u = 0; u < H; u += NN_VW)
			gru_units_backward(H - u, H1, gates + at + u, h_gates + at + u,
							   has_prev ? hp + u : NULL, dh1 + u, dgates + at + u,
							   dh_gates + at + u, has_prev ? dhp + u : NULL);
	}
}

static void
body_tanh(int64_t n, const float *x, float *y)
{
	int64_t		i = 0;

	for (; i + NN_VW <= n; i += NN_VW)
		v_store(y + i, v_tanh(v_load(x + i)));
	if (i < n)
		v_store_n(y + i, v_tanh(v_load_n(x + i, (int) (n - i))), (int) (n - i));
}

static void
body_rnn_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			  float *gates, float *h, int ldh)
{
	size_t		H1 = (size_t) H;

	body_gemm_packed(n_prev, H, H, h_prev, H, packed_hh, gates, H, true);
	for (int b = 0; b < n; b++)
	{
		body_tanh(H, gates + b * H1, gates + b * H1);
		memcpy(h + (size_t) b * ldh, gates + b * H1, H1 * sizeof(float));
	}
}

static void
body_rnn_step_backward(int n, int H, const float *gates, const float *dh, int lddh, float *dgates)
{
	for (int b = 0; b < n; b++)
	{
		size_t		at = (size_t) b * H;
		const float *dh1 = dh + (size_t) b * lddh;

		for (int u = 0; u < H; u += NN_VW)
		{
			Vec			h1 = v_load_part(gates + at + u, H - u);
			Vec			da = v_load_part(dh1 + u, H - u) * v_fma(-h1, h1, v_all(1.0f));

			v_store_part(dgates + at + u, da, H - u);
		}
	}
}

/* ---- vectors -------------------------------------------------------------------- */

/*
 * A function of n elements: EXPRESSION gives the new y from vectors x and y.
 * Written out for whole vectors, and once more for what is left.
 */
#define NN_ELEMENTWISE(EXPRESSION) \
	do { \
		int64_t		i = 0; \
		for (; i + NN_VW <= n; i += NN_VW) \
		{ \
			Vec			vx = v_load(x + i); \
			Vec			vy = v_load(y + i); \
			(void) vy; \
			v_store(y + i, EXPRESSION); \
		} \
		if (i < n) \
		{ \
			Vec			vx = v_load_n(x + i, (int) (n - i)); \
			Vec			vy = v_load_n(y + i, (int) (n - i)); \
			(void) vy; \
			v_store_n(y + i, EXPRESSION, (int) (n - i)); \
		} \
	} while (0)

static void
body_sigmoid(int64_t n, const float *x, float *y)
{
	NN_ELEMENTWISE(v_sigmoid(vx));
}

static void
body_exp(int64_t n, const float *x, float *y)
{
	NN_ELEMENTWISE(v_exp(vx));
}

static void
body_axpy(int64_t n, float a, const float *x, float *y)
{
	NN_ELEMENTWISE(v_fma(v_all(a), vx, vy));
}

static void
body_scale(int64_t n, float a, float *y)
{
	const float *x = y;

	NN_ELEMENTWISE(vx * v_all(a));
}

static void
body_multiply(int64_t n, const float *x, float *y)
{
	NN_ELEMENTWISE(vx * vy);
}

static void
body_maximum(int64_t n, const float *x, float *y)
{
	NN_ELEMENTWISE(v_max(vx, vy));
}

static void
body_add_rows(int64_t M, int n, const float *x, float *C, int ldc)
{
	for (int64_t m = 0; m < M; m++)
	{
		float	   *y = C + m * ldc;

		NN_ELEMENTWISE(vx + vy);
	}
}

/* Four vectors of columns at a time stay in registers while the rows pass. */
static void
body_sum_rows(int64_t M, int N, const float *C, int ldc, float *sum)
{
	int			n = 0;

	for (; n + 4 * NN_VW <= N; n += 4 * NN_VW)
	{
		Vec			s0 = v_load(sum + n);
		Vec			s1 = v_load(sum + n + NN_VW);
		Vec			s2 = v_load(sum + n + 2 * NN_VW);
		Vec			s3 = v_load(sum + n + 3 * NN_VW);

		for (int64_t m = 0; m < M; m++)
		{
			const float *row = C + m * ldc + n;

			s0 += v_load(row);
			s1 += v_load(row + NN_VW);
			s2 += v_load(row + 2 * NN_VW);
			s3 += v_load(row + 3 * NN_VW);
		}
		v_store(sum + n, s0);
		v_store(sum + n + NN_VW, s1);
		v_store(sum + n + 2 * NN_VW, s2);
		v_store(sum + n + 3 * NN_VW, s3);
	}
	for (; n < N; n += NN_VW)
	{
		Vec			s = v_load_part(sum + n, N - n);

		for (int64_t m = 0; m < M; m++)
			s += v_load_part(C + m * ldc + n, N - n);
		v_store_part(sum + n, s, N - n);
	}
}

/* 16 sums side by side whatever the width: kern_naive.c. */
static double
body_sum_squares(int64_t n, const float *x)
{
	enum
	{
		half = NN_VW / 2,
		n_vectors = 16 / half
	};
	DVec		partial[n_vectors] = {{0}};
	double		sums[16];
	int64_t		i = 0;

	for (; i + 16 <= n; i += 16)
	{
		NN_UNROLL
			for (int s = 0; s < n_vectors; s++)
		{
			DVec		d = __builtin_convertvector(*(const HalfUnaligned *) (x + i + s * half), DVec);

			partial[s] += d * d;
		}
	}
	memcpy(sums, partial, sizeof(sums));
	for (; i < n; i++)
		sums[i % 16] += (double) x[i] * (double) x[i];
	for (int width = 8; width > 0; width /= 2)
		for (int j = 0; j < width; j++)
			sums[j] += sums[j + width];
	return sums[0];
}

/* Zero times a finite number adds nothing; times infinity or NaN it gives NaN, which stays. */
static bool
body_all_finite(int64_t n, const float *x)
{
	const Vec	zero = {0};
	Vec			sum = {0};
	int64_t		i = 0;

	for (; i + NN_VW <= n; i += NN_VW)
		sum = v_fma(v_load(x + i), zero, sum);
	if (i < n)
		sum = v_fma(v_load_n(x + i, (int) (n - i)), zero, sum);
	for (int j = 0; j < NN_VW; j++)
		if (sum[j] != 0.0f)
			return false;
	return true;
}

static void
body_softmax_rows(int64_t M, int N, float *C, int ldc)
{
	for (int64_t m = 0; m < M; m++)
	{
		float	   *row = C + m * ldc;
		Vec			most = v_all(-INFINITY);
		float		highest = -INFINITY;
		double		sum = 0.0;
		int			n = 0;

		for (; n + NN_VW <= N; n += NN_VW)
			most = v_max(v_load(row + n), most);
		for (; n < N; n++)
			highest = row[n] > highest ? row[n] : highest;
		for (int j = 0; j < NN_VW; j++)
			highest = most[j] > highest ? most[j] : highest;
		for (n = 0; n < N; n += NN_VW)
			v_store_part(row + n, v_exp(v_load_part(row + n, N - n) - v_all(highest)), N - n);
		for (n = 0; n < N; n++)
			sum += (double) row[n];
		body_scale(N, (float) (1.0 / sum), row);
	}
}

static NN_INLINE void
adam_part(const NnAdam *adam, int n, float *w, float *grad, float *m, float *v)
{
	Vec			g = v_all(adam->scale) * v_load_part(grad, n);
	Vec			w1 = v_load_part(w, n);
	Vec			m1 = v_fma(v_all(adam->b1), v_load_part(m, n), v_all(1.0f - adam->b1) * g);
	Vec			v1 = v_fma(v_all(adam->b2), v_load_part(v, n), v_all(1.0f - adam->b2) * (g * g));
	Vec			step = m1 * v_all(adam->c1) / (v_sqrt(v1 * v_all(adam->c2)) + v_all(adam->eps));

	step = v_fma(v_all(adam->decay), w1, step);
	v_store_part(w, v_fma(v_all(-adam->lr), step, w1), n);
	v_store_part(m, m1, n);
	v_store_part(v, v1, n);
	v_store_part(grad, (Vec) {0}, n);
}

static void
body_adam(const NnAdam *adam, int64_t n, float *w, float *grad, float *m, float *v)
{
	NnAdam		a = *adam;		/* the compiler knows that no store changes it */
	int64_t		i = 0;

	for (; i + NN_VW <= n; i += NN_VW)
		adam_part(&a, NN_VW, w + i, grad + i, m + i, v + i);
	if (i < n)
		adam_part(&a, (int) (n - i), w + i, grad + i, m + i, v + i);
}

/* W vectors of columns stay in registers while the rows pass; the last has n_last columns. */
static NN_INLINE void
gather_columns(const int W, int n_last, int64_t n, const int32_t *row, const float *weight,
			   const float *table, size_t D, float *out)
{
	Vec			sum[8];

	NN_UNROLL
		for (int w = 0; w < W; w++)
		sum[w] = v_load_part(out + w * NN_VW, w < W - 1 ? NN_VW : n_last);
	for (int64_t j = 0; j < n; j++)
	{
		const float *from = table + (size_t) row[j] * D;
		const float *later = table + (size_t) row[j + NN_ROWS_AHEAD < n ? j + NN_ROWS_AHEAD : n - 1] * D;
		Vec			a = v_all(weight[j]);

		NN_UNROLL
			for (int w = 0; w < W; w++)
		{
			if (w % V_PER_PANEL == 0)
				__builtin_prefetch(later + w * NN_VW);
			sum[w] = v_fma(a, v_load_part(from + w * NN_VW, w < W - 1 ? NN_VW : n_last), sum[w]);
		}
	}
	NN_UNROLL
		for (int w = 0; w < W; w++)
		v_store_part(out + w * NN_VW, sum[w], w < W - 1 ? NN_VW : n_last);
}

static void
body_gather_sum(int64_t n, const int32_t *row, const float *weight,
				const float *table, int D, float *out)
{
	size_t		D1 = (size_t) D;

	for (int d = 0; d < D; d += 8 * NN_VW)
	{
		int			W = (D - d + NN_VW - 1) / NN_VW;
		int			n_last = W > 8 ? NN_VW : D - d - (W - 1) * NN_VW;

#define NN_GATHER(w) gather_columns((w), n_last, n, row, weight, table + d, D1, out + d)
		switch (W)
		{
			case 1:
				NN_GATHER(1);
				break;
			case 2:
				NN_GATHER(2);
				break;
			case 3:
				NN_GATHER(3);
				break;
			case 4:
				NN_GATHER(4);
				break;
			case 5:
				NN_GATHER(5);
				break;
			case 6:
				NN_GATHER(6);
				break;
			case 7:
				NN_GATHER(7);
				break;
			default:
				NN_GATHER(8);
				break;
		}
#undef NN_GATHER
	}
}

static void
body_scatter_sum(int64_t n, const int32_t *row, const float *weight,
				 const float *dout, int D, float *grad)
{
	for (int64_t j = 0; j < n; j++)
	{
		const float *later = grad + (size_t) row[j + NN_ROWS_AHEAD < n ? j + NN_ROWS_AHEAD : n - 1] * (size_t) D;

		for (int d = 0; d < D; d += NN_PANEL)
			__builtin_prefetch(later + d, 1);
		body_axpy(D, weight[j], dout, grad + (size_t) row[j] * (size_t) D);
	}
}

const NnKernels NN_KERNELS = {
	.name = NN_KERNELS_NAME,
	.gemm_packed = body_gemm_packed,
	.gemm = body_gemm,
	.lstm_step = body_lstm_step,
	.lstm_step_backward = body_lstm_step_backward,
	.gru_step = body_gru_step,
	.gru_step_backward = body_gru_step_backward,
	.rnn_step = body_rnn_step,
	.rnn_step_backward = body_rnn_step_backward,
	.sigmoid = body_sigmoid,
	.tanh = body_tanh,
	.exp = body_exp,
	.axpy = body_axpy,
	.scale = body_scale,
	.multiply = body_multiply,
	.maximum = body_maximum,
	.add_rows = body_add_rows,
	.sum_rows = body_sum_rows,
	.sum_squares = body_sum_squares,
	.all_finite = body_all_finite,
	.softmax_rows = body_softmax_rows,
	.adam = body_adam,
	.gather_sum = body_gather_sum,
	.scatter_sum = body_scatter_sum,
};
