/*
 * kern/kern_body_steps.h: the recurrent steps of kern_body.h.
 *
 * Rows are taken some at a time: first the product of all their gates, then
 * the activations, which find the sums in the cache.
 */

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
			   NnStart input, float *gates, const float *c_prev, float *c, float *tanh_c,
			   float *h, int ldh)
{
	size_t		G = (size_t) 4 * H;
	size_t		H1 = (size_t) H;

	for (int first = 0; first < n; first += NN_STEP_ROWS)
	{
		int			last = n - first < NN_STEP_ROWS ? n : first + NN_STEP_ROWS;
		int			M = (last < n_prev ? last : n_prev) - first;

		NnStart		start = nn_start_at(input, first);

		gemm_rows(M, 4 * H, H, h_prev + first * H1, H1, 1, packed_hh, &start, gates + first * G, G);
		for (int b = first; b < last; b++)
		{
			size_t		at = b * H1;
			float	   *a = gates + b * G;

			if (b >= n_prev && nn_start_row(input, b) != a)
				memcpy(a, nn_start_row(input, b), G * sizeof(float));
			lstm_row(H, a, b < n_prev ? c_prev + at : NULL, c + at, tanh_c + at, h + (size_t) b * ldh);
		}
	}
}

static NN_INLINE void
lstm_units_backward(int n, size_t H, const float *a, const float *c_prev, const float *tanh_c,
					const float *dh, float *dc, float *da)
{
	Vec			one = v_all(1.0f);
	Vec			i = v_load_part(a, n);
	Vec			f = v_load_part(a + H, n);
	Vec			g = v_load_part(a + 2 * H, n);
	Vec			o = v_load_part(a + 3 * H, n);
	Vec			c_before = c_prev != NULL ? v_load_part(c_prev, n) : (Vec) {0};
	Vec			t = v_load_part(tanh_c, n);
	Vec			dh1 = v_cut(v_load_part(dh, n));
	Vec			dc1 = v_cut(v_fma(dh1 * o, v_fma(-t, t, one), v_load_part(dc, n)));

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
	NnStart		start = {b_hh, 0, NULL};

	for (int first = 0; first < n; first += NN_STEP_ROWS)
	{
		int			last = n - first < NN_STEP_ROWS ? n : first + NN_STEP_ROWS;
		int			M = (last < n_prev ? last : n_prev) - first;

		for (int b = first > n_prev ? first : n_prev; b < last; b++)
			memcpy(h_gates + b * G, b_hh, G * sizeof(float));
		gemm_rows(M, 3 * H, H, h_prev + first * H1, H1, 1, packed_hh, &start, h_gates + first * G, G);
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
	Vec			one = v_all(1.0f);
	Vec			r = v_load_part(a, n);
	Vec			z = v_load_part(a + H, n);
	Vec			candidate = v_load_part(a + 2 * H, n);
	Vec			h_before = h_prev != NULL ? v_load_part(h_prev, n) : (Vec) {0};
	Vec			dh1 = v_cut(v_load_part(dh, n));
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
body_rnn_step(int n, int n_prev, int H, const float *h_prev, const float *packed_hh,
			  float *gates, float *h, int ldh)
{
	size_t		H1 = (size_t) H;

	body_gemm_packed(n_prev, H, H, h_prev, H, packed_hh, nn_start_added(gates, H, true), gates, H);
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
			Vec			da = v_cut(v_load_part(dh1 + u, H - u)) * v_fma(-h1, h1, v_all(1.0f));

			v_store_part(dgates + at + u, da, H - u);
		}
	}
}
