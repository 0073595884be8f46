/*
 * kern/kern_body_vectors.h: functions of vectors and rows of kern_body.h.
 */

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
body_tanh(int64_t n, const float *x, float *y)
{
	NN_ELEMENTWISE(v_tanh(vx));
}

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
body_scale_shift(int64_t n, float a, float b, float *y)
{
	const float *x = y;

	NN_ELEMENTWISE(v_fma(v_all(a), vx, v_all(b)));
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
body_maximum_from(int64_t n, int32_t row, const float *x, float *y, int32_t *from)
{
	const IVec	rows = (IVec) {0} + row;
	int64_t		i = 0;

	for (; i + NN_VW <= n; i += NN_VW)
	{
		Vec			vx = v_load(x + i);
		Vec			vy = v_load(y + i);
		IVec		is_larger = vx > vy;
		IVec		vfrom = (IVec) v_load((const float *) (from + i));

		v_store(y + i, v_max(vx, vy));
		v_store((float *) (from + i), (Vec) ((rows & is_larger) | (vfrom & ~is_larger)));
	}
	for (; i < n; i++)
		if (x[i] > y[i])
		{
			y[i] = x[i];
			from[i] = row;
		}
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

/* 16 parts side by side whatever the width: kern_naive.c. */
#define V_HALF		(NN_VW / 2)
#define V_PARTS		(16 / V_HALF)

static NN_INLINE double
v_add_parts(double part[16])
{
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			part[i] += part[i + half];
	return part[0];
}

static double
body_sum(int64_t n, const float *x)
{
	DVec		parts[V_PARTS] = {{0}};
	double		part[16];
	int64_t		i = 0;

	for (; i + 16 <= n; i += 16)
	{
		NN_UNROLL
			for (int s = 0; s < V_PARTS; s++)
			parts[s] += v_double(x + i + s * V_HALF);
	}
	memcpy(part, parts, sizeof(part));
	for (; i < n; i++)
		part[i % 16] += (double) x[i];
	return v_add_parts(part);
}

static double
body_sum_squares(int64_t n, const float *x)
{
	DVec		parts[V_PARTS] = {{0}};
	double		part[16];
	int64_t		i = 0;

	for (; i + 16 <= n; i += 16)
	{
		NN_UNROLL
			for (int s = 0; s < V_PARTS; s++)
		{
			DVec		d = v_double(x + i + s * V_HALF);

			parts[s] += d * d;
		}
	}
	memcpy(part, parts, sizeof(part));
	for (; i < n; i++)
		part[i % 16] += (double) x[i] * (double) x[i];
	return v_add_parts(part);
}

/* Four vectors at a time, for the latency of a maximum. */
static float
body_highest(int64_t n, const float *x)
{
	Vec			most[4] = {v_all(-INFINITY), v_all(-INFINITY), v_all(-INFINITY), v_all(-INFINITY)};
	float		highest = -INFINITY;
	int64_t		i = 0;

	for (; i + 4 * NN_VW <= n; i += 4 * NN_VW)
	{
		NN_UNROLL
			for (int w = 0; w < 4; w++)
			most[w] = v_max(v_load(x + i + w * NN_VW), most[w]);
	}
	most[0] = v_max(v_max(most[0], most[1]), v_max(most[2], most[3]));
	for (int j = 0; j < NN_VW; j++)
		highest = most[0][j] > highest ? most[0][j] : highest;
	for (; i < n; i++)
		highest = x[i] > highest ? x[i] : highest;
	return highest;
}

/* 16 numbers are computed, stored for a moment, and added as doubles. */
static NN_INLINE double
exp_sum(int64_t n, float shift, const float *x, float *y, const bool is_stored)
{
	DVec		parts[V_PARTS] = {{0}};
	double		part[16];
	float		e[16] __attribute__((aligned(64)));
	int64_t		i = 0;

	for (; i + 16 <= n; i += 16)
	{
		float	   *to = is_stored ? y + i : e;

		NN_UNROLL
			for (int w = 0; w < V_PER_PANEL; w++)
			v_store(to + w * NN_VW, v_exp(v_load(x + i + w * NN_VW) - v_all(shift)));
		NN_UNROLL
			for (int s = 0; s < V_PARTS; s++)
			parts[s] += v_double(to + s * V_HALF);
	}
	memcpy(part, parts, sizeof(part));
	for (; i < n; i += NN_VW)
	{
		int			n_left = n - i < NN_VW ? (int) (n - i) : NN_VW;

		v_store(e, v_exp(v_load_part(x + i, n_left) - v_all(shift)));
		for (int j = 0; j < n_left; j++)
			part[(i + j) % 16] += (double) e[j];
		if (is_stored)
			memcpy(y + i, e, (size_t) n_left * sizeof(float));
	}
	return v_add_parts(part);
}

static double
body_exp_sum(int64_t n, float shift, const float *x, float *y)
{
	return y != NULL ? exp_sum(n, shift, x, y, true) : exp_sum(n, shift, x, NULL, false);
}

/* Zero times a finite number adds nothing; times infinity or NaN it gives NaN, which stays. */
static bool
body_all_finite(int64_t n, const float *x)
{
	Vec			zero = {0};
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
