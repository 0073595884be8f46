/*
 * kern/kern_naive.c: what every kernel computes, in the plainest loops.
 *
 * The twin that the vector kernels are tested against, bit by bit, and the
 * place to read the equations.  Slow: where the C library has no fused
 * multiply-add for this CPU, fmaf() is emulated.
 */
#include "kern/kern_private.h"

#include <math.h>
#include <string.h>

/* ---- sigma, tanh, exp --------------------------------------------------- */

/* x P(x^2) / Q(x^2); a NaN passes the bounds, since every comparison with it fails. */
static float
naive_tanh1(float x)
{
	float		u,
				p,
				q;

	x = -NN_TANH_BOUND > x ? -NN_TANH_BOUND : x;
	x = NN_TANH_BOUND < x ? NN_TANH_BOUND : x;
	u = x * x;
	p = fmaf(u, NN_TANH_P4, NN_TANH_P3);
	p = fmaf(u, p, NN_TANH_P2);
	p = fmaf(u, p, NN_TANH_P1);
	p = fmaf(u, p, NN_TANH_P0);
	q = fmaf(u, NN_TANH_Q4, NN_TANH_Q3);
	q = fmaf(u, q, NN_TANH_Q2);
	q = fmaf(u, q, NN_TANH_Q1);
	q = fmaf(u, q, NN_TANH_Q0);
	x = x * p / q;
	x = 1.0f < x ? 1.0f : x;
	return -1.0f > x ? -1.0f : x;
}

/* sigma(x) = 1 / (1 + e^-x) = 1/2 + tanh(x / 2) / 2 */
static float
naive_sigmoid1(float x)
{
	return fmaf(0.5f, naive_tanh1(0.5f * x), 0.5f);
}

/* 2^j as a float, -126 <= j <= 127. */
static float
power_of_two(int32_t j)
{
	uint32_t	bits = (uint32_t) (j + 127) << 23;
	float		power;

	memcpy(&power, &bits, sizeof(power));
	return power;
}

static float
naive_exp1(float x)
{
	float		rounded,
				j,
				r,
				p;
	int32_t		bits,
				exponent,
				half;

	x = NN_EXP_LOWEST > x ? NN_EXP_LOWEST : x;
	x = NN_EXP_HIGHEST < x ? NN_EXP_HIGHEST : x;
	rounded = fmaf(x, NN_LOG2_E, NN_ROUNDER);
	j = rounded - NN_ROUNDER;
	r = fmaf(j, -NN_LN2_HIGH, x);
	r = fmaf(j, -NN_LN2_LOW, r);
	p = fmaf(r, 1.0f / 5040, 1.0f / 720);
	p = fmaf(r, p, 1.0f / 120);
	p = fmaf(r, p, 1.0f / 24);
	p = fmaf(r, p, 1.0f / 6);
	p = fmaf(r, p, 0.5f);
	p = fmaf(r, p, 1.0f);
	p = fmaf(r, p, 1.0f);
	if (isnan(x))
		return x;
	memcpy(&bits, &rounded, sizeof(bits));
	exponent = bits - NN_ROUNDER_BITS;
	half = exponent >> 1;
	return p * power_of_two(half) * power_of_two(exponent - half);
}

static void
naive_sigmoid(int64_t n, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = naive_sigmoid1(x[i]);
}

static void
naive_tanh(int64_t n, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = naive_tanh1(x[i]);
}

static void
naive_exp(int64_t n, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = naive_exp1(x[i]);
}

/* ---- matrix products ------------------------------------------------------- */

static void
naive_gemm_packed(int64_t M, int N, int K, const float *A, int lda,
				  const float *packed, NnStart start, float *C, int ldc)
{
	for (int64_t m = 0; m < M; m++)
	{
		const float *from = nn_start_row(start, m);

		for (int n = 0; n < N; n++)
		{
			const float *B = packed + (size_t) (n / NN_PANEL) * NN_PANEL * (size_t) K + n % NN_PANEL;
			float		sum = from != NULL ? from[n] : 0.0f;

			for (int k = 0; k < K; k++)
				sum = fmaf(A[m * lda + k], B[(size_t) k * NN_PANEL], sum);
			C[m * ldc + n] = sum;
		}
	}
}

static void
naive_gemm(bool trans_a, bool trans_b, int M, int N, int K,
		   const float *A, int lda, const float *B, int ldb,
		   float *C, int ldc, bool is_added)
{
	size_t		a_row = trans_a ? 1 : (size_t) lda;
	size_t		a_column = trans_a ? (size_t) lda : 1;
	size_t		b_row = trans_b ? 1 : (size_t) ldb;
	size_t		b_column = trans_b ? (size_t) ldb : 1;

	for (int m = 0; m < M; m++)
	{
		for (int n = 0; n < N; n++)
		{
			float	   *c = C + (size_t) m * ldc + n;
			float		sum = is_added ? *c : 0.0f;

			for (int k = 0; k < K; k++)
				sum = fmaf(A[m * a_row + k * a_column], B[k * b_row + n * b_column], sum);
			*c = sum;
		}
	}
}

/* ---- recurrent steps --------------------------------------------------------- */

static void
naive_lstm_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
				NnStart input, float *gates, const float *c_prev, float *c, float *tanh_c,
				float *h, int ldh)
{
	naive_gemm_packed(n_prev, 4 * H, H, h_prev, H, packed_hh, input, gates, 4 * H);
	for (int b = n_prev; b < n; b++)
		for (int g = 0; g < 4 * H; g++)
			gates[(size_t) b * 4 * H + g] = nn_start_row(input, b)[g];
	for (int b = 0; b < n; b++)
	{
		for (int u = 0; u < H; u++)
		{
			float	   *a = gates + (size_t) b * 4 * H + u;
			size_t		at = (size_t) b * H + u;
			float		c_before = b < n_prev ? c_prev[at] : 0.0f;
			float		i = naive_sigmoid1(a[0]);
			float		f = naive_sigmoid1(a[H]);
			float		g = naive_tanh1(a[2 * H]);
			float		o = naive_sigmoid1(a[3 * H]);

			c[at] = fmaf(f, c_before, i * g);
			tanh_c[at] = naive_tanh1(c[at]);
			h[(size_t) b * ldh + u] = o * tanh_c[at];
			a[0] = i;
			a[H] = f;
			a[2 * H] = g;
			a[3 * H] = o;
		}
	}
}

/* See NN_TINY_GRADIENT. */
static float
cut(float x)
{
	return fabsf(x) < NN_TINY_GRADIENT ? 0.0f : x;
}

/*
 * do = dh tanh(c)              dc_t = dc + dh o (1 - tanh(c)^2)
 * da_i = dc_t g i (1 - i)      da_f = dc_t c_{t-1} f (1 - f)
 * da_g = dc_t i (1 - g^2)      da_o = do o (1 - o)
 * dc_{t-1} = dc_t f
 */
static void
naive_lstm_step_backward(int n, int n_prev, int H, const float *gates,
						 const float *c_prev, const float *tanh_c,
						 const float *dh, int lddh, float *dc, float *dgates)
{
	for (int b = 0; b < n; b++)
	{
		for (int u = 0; u < H; u++)
		{
			const float *a = gates + (size_t) b * 4 * H + u;
			float	   *da = dgates + (size_t) b * 4 * H + u;
			size_t		at = (size_t) b * H + u;
			float		c_before = b < n_prev ? c_prev[at] : 0.0f;
			float		i = a[0],
						f = a[H],
						g = a[2 * H],
						o = a[3 * H];
			float		t = tanh_c[at];
			float		dh1 = cut(dh[(size_t) b * lddh + u]);
			float		dc1 = cut(fmaf(dh1 * o, fmaf(-t, t, 1.0f), dc[at]));

			da[0] = dc1 * g * fmaf(-i, i, i);
			da[H] = dc1 * c_before * fmaf(-f, f, f);
			da[2 * H] = dc1 * i * fmaf(-g, g, 1.0f);
			da[3 * H] = dh1 * t * fmaf(-o, o, o);
			dc[at] = dc1 * f;
		}
	}
}

static void
naive_gru_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			   const float *b_hh, float *gates, float *h_gates, float *h, int ldh)
{
	for (int b = 0; b < n; b++)
		memcpy(h_gates + (size_t) b * 3 * H, b_hh, (size_t) 3 * H * sizeof(float));
	naive_gemm_packed(n_prev, 3 * H, H, h_prev, H, packed_hh, nn_start_added(h_gates, 3 * H, true), h_gates, 3 * H);
	for (int b = 0; b < n; b++)
	{
		for (int u = 0; u < H; u++)
		{
			float	   *a = gates + (size_t) b * 3 * H + u;
			const float *ah = h_gates + (size_t) b * 3 * H + u;
			float		h_before = b < n_prev ? h_prev[(size_t) b * H + u] : 0.0f;
			float		r = naive_sigmoid1(a[0] + ah[0]);
			float		z = naive_sigmoid1(a[H] + ah[H]);
			float		candidate = naive_tanh1(fmaf(r, ah[2 * H], a[2 * H]));

			/* (1 - z) n + z h = n + z (h - n) */
			h[(size_t) b * ldh + u] = fmaf(z, h_before - candidate, candidate);
			a[0] = r;
			a[H] = z;
			a[2 * H] = candidate;
		}
	}
}

/*
 * dn = dh (1 - z)              da_n = dn (1 - n^2)
 * dz = dh (h_{t-1} - n)        da_z = dz z (1 - z)
 * dr = da_n (W_hn h + b_hn)    da_r = dr r (1 - r)
 * The recurrent side of n has the gradient da_n r.
 */
static void
naive_gru_step_backward(int n, int n_prev, int H, const float *gates, const float *h_gates,
						const float *h_prev, const float *dh, int lddh,
						float *dgates, float *dh_gates, float *dh_prev, int lddp)
{
	for (int b = 0; b < n; b++)
	{
		for (int u = 0; u < H; u++)
		{
			size_t		at = (size_t) b * 3 * H + u;
			float		r = gates[at],
						z = gates[at + H],
						candidate = gates[at + 2 * H];
			float		h_before = b < n_prev ? h_prev[(size_t) b * H + u] : 0.0f;
			float		dh1 = cut(dh[(size_t) b * lddh + u]);
			float		da_n = dh1 * (1.0f - z) * fmaf(-candidate, candidate, 1.0f);
			float		da_z = dh1 * (h_before - candidate) * fmaf(-z, z, z);
			float		da_r = da_n * h_gates[at + 2 * H] * fmaf(-r, r, r);

			dgates[at] = dh_gates[at] = da_r;
			dgates[at + H] = dh_gates[at + H] = da_z;
			dgates[at + 2 * H] = da_n;
			dh_gates[at + 2 * H] = da_n * r;
			if (b < n_prev)
			{
				float	   *dp = dh_prev + (size_t) b * lddp + u;

				*dp = fmaf(dh1, z, *dp);
			}
		}
	}
}

static void
naive_rnn_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			   float *gates, float *h, int ldh)
{
	naive_gemm_packed(n_prev, H, H, h_prev, H, packed_hh, nn_start_added(gates, H, true), gates, H);
	for (int b = 0; b < n; b++)
	{
		naive_tanh(H, gates + (size_t) b * H, gates + (size_t) b * H);
		memcpy(h + (size_t) b * ldh, gates + (size_t) b * H, (size_t) H * sizeof(float));
	}
}

/* da = dh (1 - h^2) */
static void
naive_rnn_step_backward(int n, int H, const float *gates, const float *dh, int lddh, float *dgates)
{
	for (int b = 0; b < n; b++)
	{
		for (int u = 0; u < H; u++)
		{
			float		h1 = gates[(size_t) b * H + u];

			dgates[(size_t) b * H + u] = cut(dh[(size_t) b * lddh + u]) * fmaf(-h1, h1, 1.0f);
		}
	}
}

/* ---- vectors -------------------------------------------------------------------- */

static void
naive_axpy(int64_t n, float a, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = fmaf(a, x[i], y[i]);
}

static void
naive_scale(int64_t n, float a, float *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] *= a;
}

static void
naive_scale_shift(int64_t n, float a, float b, float *x)
{
	for (int64_t i = 0; i < n; i++)
		x[i] = fmaf(a, x[i], b);
}

static void
naive_multiply(int64_t n, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] *= x[i];
}

static void
naive_maximum(int64_t n, const float *x, float *y)
{
	for (int64_t i = 0; i < n; i++)
		y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void
naive_maximum_from(int64_t n, int32_t row, const float *x, float *y, int32_t *from)
{
	for (int64_t i = 0; i < n; i++)
	{
		from[i] = x[i] > y[i] ? row : from[i];
		y[i] = x[i] > y[i] ? x[i] : y[i];
	}
}

static void
naive_add_rows(int64_t M, int N, const float *bias, float *C, int ldc)
{
	for (int64_t m = 0; m < M; m++)
		for (int n = 0; n < N; n++)
			C[m * ldc + n] += bias[n];
}

static void
naive_sum_rows(int64_t M, int N, const float *C, int ldc, float *sum)
{
	for (int64_t m = 0; m < M; m++)
		for (int n = 0; n < N; n++)
			sum[n] += C[m * ldc + n];
}

/*
 * Sums have 16 parts side by side, number i in part i mod 16; at the end halves
 * are added: 8 and 8, 4 and 4, 2 and 2, 1 and 1.
 */
static double
add_parts(double part[16])
{
	for (int half = 8; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			part[i] += part[i + half];
	return part[0];
}

static double
naive_sum(int64_t n, const float *x)
{
	double		part[16] = {0};

	for (int64_t i = 0; i < n; i++)
		part[i % 16] += (double) x[i];
	return add_parts(part);
}

/* The square of a float is exact in double. */
static double
naive_sum_squares(int64_t n, const float *x)
{
	double		part[16] = {0};

	for (int64_t i = 0; i < n; i++)
		part[i % 16] += (double) x[i] * (double) x[i];
	return add_parts(part);
}

static float
naive_highest(int64_t n, const float *x)
{
	float		highest = -INFINITY;

	for (int64_t i = 0; i < n; i++)
		highest = x[i] > highest ? x[i] : highest;
	return highest;
}

static double
naive_exp_sum(int64_t n, float shift, const float *x, float *y)
{
	double		part[16] = {0};

	for (int64_t i = 0; i < n; i++)
	{
		float		e = naive_exp1(x[i] - shift);

		part[i % 16] += (double) e;
		if (y != NULL)
			y[i] = e;
	}
	return add_parts(part);
}

static bool
naive_all_finite(int64_t n, const float *x)
{
	for (int64_t i = 0; i < n; i++)
		if (!isfinite(x[i]))
			return false;
	return true;
}

static void
naive_softmax_rows(int64_t M, int N, float *C, int ldc)
{
	for (int64_t m = 0; m < M; m++)
	{
		float	   *row = C + m * ldc;
		float		highest = -INFINITY;
		float		inverse;
		double		sum = 0.0;

		for (int n = 0; n < N; n++)
			highest = row[n] > highest ? row[n] : highest;
		for (int n = 0; n < N; n++)
			row[n] = naive_exp1(row[n] - highest);
		for (int n = 0; n < N; n++)
			sum += (double) row[n];
		inverse = (float) (1.0 / sum);
		for (int n = 0; n < N; n++)
			row[n] *= inverse;
	}
}

static void
naive_adam(const NnAdam *adam, int64_t n, float *w, float *grad, float *m, float *v)
{
	for (int64_t i = 0; i < n; i++)
	{
		float		g = adam->scale * grad[i];
		float		step;

		m[i] = fmaf(adam->b1, m[i], (1.0f - adam->b1) * g);
		v[i] = fmaf(adam->b2, v[i], (1.0f - adam->b2) * (g * g));
		step = m[i] * adam->c1 / (sqrtf(v[i] * adam->c2) + adam->eps);
		step = fmaf(adam->decay, w[i], step);
		w[i] = fmaf(-adam->lr, step, w[i]);
		grad[i] = 0.0f;
	}
}

static void
naive_gather_sum(int64_t n, const int32_t *row, const float *weight,
				 const float *table, int D, float *out)
{
	for (int64_t j = 0; j < n; j++)
		naive_axpy(D, weight[j], table + (size_t) row[j] * D, out);
}

static void
naive_scatter_sum(int64_t n, const int32_t *row, const float *weight,
				  const float *dout, int D, float *grad)
{
	for (int64_t j = 0; j < n; j++)
		naive_axpy(D, weight[j], dout, grad + (size_t) row[j] * D);
}

const NnKernels nn_kernels_naive = {
	.name = "naive",
	.gemm_packed = naive_gemm_packed,
	.gemm = naive_gemm,
	.lstm_step = naive_lstm_step,
	.lstm_step_backward = naive_lstm_step_backward,
	.gru_step = naive_gru_step,
	.gru_step_backward = naive_gru_step_backward,
	.rnn_step = naive_rnn_step,
	.rnn_step_backward = naive_rnn_step_backward,
	.sigmoid = naive_sigmoid,
	.tanh = naive_tanh,
	.exp = naive_exp,
	.axpy = naive_axpy,
	.scale = naive_scale,
	.scale_shift = naive_scale_shift,
	.multiply = naive_multiply,
	.maximum = naive_maximum,
	.maximum_from = naive_maximum_from,
	.add_rows = naive_add_rows,
	.sum_rows = naive_sum_rows,
	.sum = naive_sum,
	.sum_squares = naive_sum_squares,
	.highest = naive_highest,
	.exp_sum = naive_exp_sum,
	.all_finite = naive_all_finite,
	.softmax_rows = naive_softmax_rows,
	.adam = naive_adam,
	.gather_sum = naive_gather_sum,
	.scatter_sum = naive_scatter_sum,
};
