/*
 * test_token_loss.c: the softmax over a vocabulary against a twin in double, its
 * gradients against central differences of that twin and against PyTorch
 * (test/golden/token.golden), the sampled softmax against its definition, and
 * what happens when memory or patience runs out.
 *
 * Tolerances: a logit is a sum of E products of numbers of size 1, so it is off
 * by about E * 6e-8; losses are compared to 1e-5 of themselves and gradients to
 * 1e-5 of the largest.
 */
#include <math.h>
#include <stdlib.h>

#include "golden_file.h"
#include "kern_case.h"
#include "nn/token_loss.h"
#include "tap.h"
#include "test_host.h"

/* A table, rows and labels; and what a loss says of them. */
typedef struct Case
{
	NnTokenTable table;
	float	   *weight;
	float	   *bias;
	float	   *packed;
	int			M;
	float	   *x;
	int32_t    *label;			/* about one of five is -1 */
	float	   *dx;
} Case;

static float *
new_zeros(size_t n)
{
	float	   *x = kern_case_floats(n);

	memset(x, 0, n * sizeof(float));
	return x;
}

/* Gradients are 0 again, and dx is full of what must be overwritten. */
static void
case_clear(Case *c)
{
	size_t		n_weight = (size_t) c->table.n_tokens * c->table.width;

	memset(c->table.weight_grad, 0, n_weight * sizeof(float));
	memset(c->table.bias_grad, 0, (size_t) c->table.n_tokens * sizeof(float));
	for (int i = 0; i < c->M * c->table.width; i++)
		c->dx[i] = 7.0f;
}

static void
case_pack(Case *c)
{
	nn_pack(c->weight, c->table.width, c->table.width, c->table.n_tokens, true, c->packed);
}

static Case
case_create(int V, int E, int M)
{
	Case		c = {.M = M};

	c.weight = kern_case_floats((size_t) V * E);
	c.bias = kern_case_floats((size_t) V);
	c.packed = kern_case_floats(nn_pack_floats(E, V));
	c.x = kern_case_floats((size_t) M * E);
	c.dx = kern_case_floats((size_t) M * E);
	c.label = malloc((size_t) (M > 0 ? M : 1) * sizeof(int32_t));
	for (int m = 0; m < M; m++)
	{
		c.label[m] = (int32_t) ((kern_case_float() + 1.0f) / 2.0f * (float) V);
		if (kern_case_float() < -0.6f)
			c.label[m] = -1 - m;
	}
	c.table.n_tokens = V;
	c.table.width = E;
	c.table.weight = c.weight;
	c.table.bias = c.bias;
	c.table.packed = c.packed;
	c.table.weight_grad = new_zeros((size_t) V * E);
	c.table.bias_grad = new_zeros((size_t) V);
	case_pack(&c);
	case_clear(&c);
	return c;
}

static void
case_free(Case *c)
{
	free(c->weight);
	free(c->bias);
	free(c->packed);
	free(c->x);
	free(c->dx);
	free(c->label);
	free(c->table.weight_grad);
	free(c->table.bias_grad);
}

static NnArena *
new_arena(void)
{
	static const NnEnv *env = &nn_env_malloc;
	NnArena    *arena = nn_arena_create(env);

	if (arena == NULL)
	{
		printf("Bail out! out of memory\n");
		exit(1);
	}
	return arena;
}

/* ---- the twin -------------------------------------------------------------- */

/* Which tokens a row looks at, and what is subtracted from their logits; both NULL: all, nothing. */
typedef struct Seen
{
	const bool *is_in;			/* (V); a row's own label always is */
	const double *log_q;		/* (V) */
} Seen;

typedef struct Twin
{
	double		loss;
	int			n_right;
	double	   *dx;
	double	   *dw;
	double	   *db;
} Twin;

static double
twin_logit(const Case *c, int m, int v)
{
	int			E = c->table.width;
	double		z = (double) c->bias[v];

	for (int e = 0; e < E; e++)
		z += (double) c->weight[(size_t) v * E + e] * (double) c->x[(size_t) m * E + e];
	return z;
}

/* One row's p into p (V), zeros where it does not look; returns its loss. */
static double
twin_row(const Case *c, const Seen *seen, int m, double eps, double *p, int *best)
{
	int			V = c->table.n_tokens;
	double		most = -INFINITY;
	double		sum = 0.0;
	double		loss = 0.0;

	for (int v = 0; v < V; v++)
	{
		bool		is_in = seen->is_in == NULL || seen->is_in[v] || v == c->label[m];

		p[v] = is_in ? twin_logit(c, m, v) - (seen->log_q != NULL ? seen->log_q[v] : 0.0) : -INFINITY;
		if (p[v] > most)
			*best = v;
		most = fmax(most, p[v]);
	}
	for (int v = 0; v < V; v++)
		sum += exp(p[v] - most);
	loss = (1.0 - eps) * (most + log(sum) - p[c->label[m]]);
	for (int v = 0; v < V; v++)
	{
		if (eps > 0.0)
			loss += eps / V * (most + log(sum) - p[v]);
		p[v] = exp(p[v] - most) / sum;
	}
	return loss;
}

static Twin
twin_loss(const Case *c, const Seen *seen, double eps, double scale)
{
	int			V = c->table.n_tokens;
	int			E = c->table.width;
	Twin		twin = {0};
	double	   *p = calloc((size_t) V, sizeof(double));

	twin.dx = calloc((size_t) c->M * E + 1, sizeof(double));
	twin.dw = calloc((size_t) V * E, sizeof(double));
	twin.db = calloc((size_t) V, sizeof(double));
	for (int m = 0; m < c->M; m++)
	{
		int			best = -1;

		if (c->label[m] < 0)
			continue;
		twin.loss += twin_row(c, seen, m, eps, p, &best);
		twin.n_right += best == c->label[m];
		for (int v = 0; v < V; v++)
		{
			double		d = scale * (p[v] - (v == c->label[m] ? 1.0 - eps : 0.0) - eps / V);

			twin.db[v] += d;
			for (int e = 0; e < E; e++)
			{
				twin.dx[(size_t) m * E + e] += d * (double) c->weight[(size_t) v * E + e];
				twin.dw[(size_t) v * E + e] += d * (double) c->x[(size_t) m * E + e];
			}
		}
	}
	free(p);
	return twin;
}

static void
twin_free(Twin *twin)
{
	free(twin->dx);
	free(twin->dw);
	free(twin->db);
}

/* Largest difference, relative to the largest number. */
static double
difference(const float *got, const double *expected, size_t n)
{
	double		most = 1e-30;
	double		worst = 0.0;

	for (size_t i = 0; i < n; i++)
	{
		most = fmax(most, fabs(expected[i]));
		if (!(fabs((double) got[i] - expected[i]) <= worst))
			worst = fabs((double) got[i] - expected[i]);
	}
	return worst / most;
}

static double
case_difference(const Case *c, const Twin *twin)
{
	size_t		E = (size_t) c->table.width;
	size_t		V = (size_t) c->table.n_tokens;
	double		worst = difference(c->dx, twin->dx, (size_t) c->M * E);

	worst = fmax(worst, difference(c->table.weight_grad, twin->dw, V * E));
	return fmax(worst, difference(c->table.bias_grad, twin->db, V));
}

/* ---- the whole softmax ------------------------------------------------------- */

static void
test_twin(int V, int E, int M, double eps)
{
	static const Seen all = {NULL, NULL};
	Case		c = case_create(V, E, M);
	NnArena    *arena = new_arena();
	Twin		twin = twin_loss(&c, &all, eps, 0.25);
	NnTokenTable answer = c.table;
	double		loss;
	double		loss_alone;
	int64_t		n_right;
	NnError		err;

	ok(nn_token_loss(&c.table, M, c.x, c.label, (float) eps, 0.25f, c.dx, arena, &loss, &n_right, &err) == NN_OK,
	   "V = %d, E = %d, M = %d, smoothing %g", V, E, M, eps);
	is_near(loss, twin.loss, 1e-5 * (1.0 + fabs(twin.loss)), "the loss is the twin's");
	is_int(n_right, twin.n_right, "as many are right");
	is_near(case_difference(&c, &twin), 0.0, 1e-5, "the gradients are the twin's");

	answer.weight_grad = answer.bias_grad = NULL;
	ok(nn_token_loss(&answer, M, c.x, c.label, (float) eps, 0.25f, NULL, arena, &loss_alone, NULL, &err) == NN_OK &&
	   fabs(loss_alone - loss) <= 1e-12 * fabs(loss), "the loss without gradients is the same");
	twin_free(&twin);
	case_free(&c);
	nn_arena_destroy(arena);
}

/*
 * Central differences of the twin's loss, in double.  The third derivative of
 * log Z is at most about 1 in units of |w|^3, so a step of 1e-4 leaves 1e-8.
 */
static void
test_differences(void)
{
	static const Seen all = {NULL, NULL};
	const float step = 0x1p-13f;
	Case		c = case_create(37, 5, 11);
	NnArena    *arena = new_arena();
	double		loss;
	double		worst = 0.0;
	NnError		err;

	nn_token_loss(&c.table, c.M, c.x, c.label, 0.1f, 1.0f, c.dx, arena, &loss, NULL, &err);
	for (int i = 0; i < 60; i++)
	{
		float	   *at[3] = {&c.x[i % (11 * 5)], &c.weight[i * 3], &c.bias[i % 37]};
		float		grad[3] = {c.dx[i % (11 * 5)], c.table.weight_grad[i * 3], c.table.bias_grad[i % 37]};

		for (int k = 0; k < 3; k++)
		{
			float		before = *at[k];
			float		up = before + step;
			float		down = before - step;
			Twin		a,
						b;

			*at[k] = up;
			a = twin_loss(&c, &all, (double) 0.1f, 1.0);
			*at[k] = down;
			b = twin_loss(&c, &all, (double) 0.1f, 1.0);
			*at[k] = before;
			worst = fmax(worst, fabs((a.loss - b.loss) / ((double) up - (double) down) - (double) grad[k]));
			twin_free(&a);
			twin_free(&b);
		}
	}
	is_near(worst, 0.0, 1e-5, "gradients are central differences of the twin's loss");
	case_free(&c);
	nn_arena_destroy(arena);
}

/* A row's log-likelihood: the same bytes alone, in a batch, in a beam. */
static void
test_same_bits(const char *kernels)
{
	enum
	{
		V = 1999, E = 37, M = 401
	};
	Case		c = case_create(V, E, M);
	NnArena    *arena = new_arena();
	float	   *batch = kern_case_floats(M);
	float	   *beam = kern_case_floats((size_t) 5 * V);
	double		sum = 0.0;
	double		loss;
	int			n_different = 0;
	NnError		err;

	nn_token_log_likelihood(&c.table, M, c.x, c.label, arena, batch, &err);
	for (int m = 0; m < M; m++)
	{
		float		alone = 5.0f;

		nn_token_log_likelihood(&c.table, 1, c.x + m * E, c.label + m, arena, &alone, &err);
		n_different += memcmp(&alone, &batch[m], sizeof(float)) != 0;
		n_different += c.label[m] < 0 && alone != 0.0f;
		sum -= (double) alone;
	}
	is_int(n_different, 0, "%s: a row's log-likelihood is the same alone and in a batch", kernels);
	nn_token_loss(&c.table, M, c.x, c.label, 0.0f, 1.0f, NULL, arena, &loss, NULL, &err);
	is_near(sum, loss, 1e-6 * loss, "%s: log-likelihoods add up to the loss", kernels);

	nn_token_log_softmax(&c.table, 5, c.x, beam);
	sum = 0.0;
	for (int v = 0; v < V; v++)
		sum += exp((double) beam[3 * V + v]);
	is_near(sum, 1.0, 1e-5, "%s: a beam's probabilities add up to 1", kernels);
	for (int m = 0; m < 5; m++)
		n_different += c.label[m] >= 0 && memcmp(&beam[m * V + c.label[m]], &batch[m], sizeof(float)) != 0;
	is_int(n_different, 0, "%s: a beam's log-probabilities are the scores", kernels);
	free(batch);
	free(beam);
	case_free(&c);
	nn_arena_destroy(arena);
}

/* Ties go to the first; numbers that are not finite end in the loss. */
static void
test_corners(void)
{
	Case		c = case_create(2000, 3, 4);
	NnArena    *arena = new_arena();
	int32_t		label[4] = {0, 1, 1999, -1};
	int64_t		n_right;
	double		loss;
	NnError		err;

	memset(c.weight, 0, 2000 * 3 * sizeof(float));
	memset(c.bias, 0, 2000 * sizeof(float));
	case_pack(&c);
	nn_token_loss(&c.table, 4, c.x, label, 0.0f, 1.0f, NULL, arena, &loss, &n_right, &err);
	is_int(n_right, 1, "of equal tokens the first is best");
	is_near(loss, 3.0 * log(2000.0), 1e-6, "even probabilities");
	c.bias[1999] = 90.0f;
	c.bias[0] = -200.0f;
	nn_token_loss(&c.table, 4, c.x, label, 0.0f, 1.0f, NULL, arena, &loss, &n_right, &err);
	is_int(n_right, 1, "a later block's token is best");
	is_near(loss, 290.0 + 90.0, 1e-4, "a loss far beyond the range of exp");
	c.bias[1100] = NAN;
	nn_token_loss(&c.table, 4, c.x, label, 0.0f, 1.0f, NULL, arena, &loss, NULL, &err);
	ok(isnan(loss), "a NaN is not lost");
	c.bias[1100] = INFINITY;
	nn_token_loss(&c.table, 4, c.x, label, 0.0f, 1.0f, NULL, arena, &loss, NULL, &err);
	ok(!isfinite(loss), "nor is an infinity");
	label[2] = 2000;
	is_int(nn_token_loss(&c.table, 4, c.x, label, 0.0f, 1.0f, NULL, arena, &loss, NULL, &err), NN_EINTERNAL,
		   "a label that is no token");
	nn_token_loss(&c.table, 1, c.x, label + 3, 0.0f, 1.0f, c.dx, arena, &loss, &n_right, &err);
	ok(loss == 0.0 && n_right == 0 && c.dx[0] == 0.0f && c.dx[2] == 0.0f, "no label at all");
	case_free(&c);
	nn_arena_destroy(arena);
}

/* ---- PyTorch -------------------------------------------------------------------- */

static double
float_difference(const float *got, const float *expected, size_t n)
{
	double		worst = 0.0;

	for (size_t i = 0; i < n; i++)
		worst = fmax(worst, fabs((double) got[i] - (double) expected[i]));
	return worst;
}

static void
test_golden_case(const GoldenCase *golden)
{
	const int32_t *shape = golden_find(golden, "shape")->ints;
	const GoldenRecord *input = golden_find(golden, "input");
	int			V = shape[0];
	int			E = shape[1];
	int			M = shape[2];
	Case		c = case_create(V, E, M);
	NnArena    *arena = new_arena();
	int			n_counted = 0;
	double		loss = NAN;
	NnError		err;

	memcpy(c.weight, golden_floats(golden, V * E, "weight"), (size_t) V * E * sizeof(float));
	memcpy(c.bias, golden_floats(golden, V, "bias"), (size_t) V * sizeof(float));
	memcpy(c.label, golden_find(golden, "label")->ints, (size_t) M * sizeof(int32_t));
	case_pack(&c);
	for (int m = 0; m < M; m++)
	{
		const float *x = input != NULL ? c.weight + input->ints[m] * E : golden_floats(golden, M * E, "x") + m * E;

		memcpy(c.x + m * E, x, (size_t) E * sizeof(float));
		n_counted += c.label[m] >= 0;
	}
	nn_token_loss(&c.table, M, c.x, c.label, golden_floats(golden, 1, "smoothing")[0],
				  1.0f / (float) n_counted, c.dx, arena, &loss, NULL, &err);
	is_near(loss / n_counted, golden_floats(golden, 1, "loss")[0], 1e-5, "PyTorch, %s: loss", golden->name);
	if (input != NULL)
	{
		for (int m = 0; m < M; m++)
			nn_axpy(E, 1.0f, c.dx + m * E, c.table.weight_grad + input->ints[m] * E);
	}
	else
		is_near(float_difference(c.dx, golden_floats(golden, M * E, "grad x"), (size_t) M * E),
				0.0, 1e-6, "PyTorch, %s: gradient of x", golden->name);
	is_near(float_difference(c.table.weight_grad, golden_floats(golden, V * E, "grad weight"), (size_t) V * E),
			0.0, 1e-6, "PyTorch, %s: gradient of W", golden->name);
	is_near(float_difference(c.table.bias_grad, golden_floats(golden, V, "grad bias"), (size_t) V),
			0.0, 1e-6, "PyTorch, %s: gradient of b", golden->name);
	case_free(&c);
	nn_arena_destroy(arena);
}

/* ---- over a sample ------------------------------------------------------------------ */

typedef struct Touched
{
	int			n;
	int32_t		row[8192];
} Touched;

static void
note_touched(void *ctx, int32_t row)
{
	Touched    *touched = ctx;

	if (touched->n < 8192)
		touched->row[touched->n] = row;
	touched->n++;
}

/* Everything is in the sample: the whole softmax, bit by bit, and all rows touched. */
static void
test_whole_sample(int n_samples, int first_sampled)
{
	Case		c = case_create(1500, 12, 40);
	Case		d = c;
	NnArena    *arena = new_arena();
	Touched    *touched = calloc(1, sizeof(Touched));
	bool		is_ascending = true;
	double		loss,
				loss_sampled;
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 1);
	d.table.weight_grad = new_zeros(1500 * 12);
	d.table.bias_grad = new_zeros(1500);
	d.dx = new_zeros(40 * 12);
	nn_token_loss(&c.table, c.M, c.x, c.label, 0.0f, 0.5f, c.dx, arena, &loss, NULL, &err);
	nn_token_loss_sampled(&d.table, c.M, c.x, c.label, n_samples, first_sampled, 0.5f, d.dx, &rng,
						  note_touched, touched, arena, &loss_sampled, &err);
	ok(loss == loss_sampled && memcmp(c.dx, d.dx, 40 * 12 * sizeof(float)) == 0 &&
	   float_difference(c.table.weight_grad, d.table.weight_grad, 1500 * 12) == 0.0 &&
	   float_difference(c.table.bias_grad, d.table.bias_grad, 1500) == 0.0,
	   "n_samples = %d beyond %d: the whole softmax to the last bit", n_samples, first_sampled);
	for (int i = 0; i < touched->n && i < 8192; i++)
		is_ascending &= touched->row[i] == i;
	ok(touched->n == 1500 && is_ascending, "all rows are touched");
	free(d.table.weight_grad);
	free(d.table.bias_grad);
	free(d.dx);
	free(touched);
	case_free(&c);
	nn_arena_destroy(arena);
}

/* The sampler in the plainest form: which tokens, and log Q of all. */
static void
twin_sample(int V, int n_samples, int first, NnRng *rng, bool *is_in, double *log_q)
{
	double		log_ranks = log(V - first + 1.0);
	double		n_draws = 0.0;
	int			n = 0;

	for (int v = 0; v < V; v++)
		is_in[v] = v < first;
	while (n < n_samples)
	{
		int			v = first + (int) (exp((double) (nn_rng_u64(rng) >> 11) * 0x1p-53 * log_ranks) - 1.0);

		n_draws += 1.0;
		n += v < V && !is_in[v];
		is_in[v < V ? v : 0] = true;
	}
	for (int v = 0; v < V; v++)
		log_q[v] = v < first ? 0.0 :
			log(1.0 - pow(1.0 - log((v - first + 2.0) / (v - first + 1.0)) / log_ranks, n_draws));
}

static void
test_sample_twin(int V, int E, int M, int n_samples, int first)
{
	Case		c = case_create(V, E, M);
	NnArena    *arena = new_arena();
	Touched    *touched = calloc(1, sizeof(Touched));
	bool	   *is_in = calloc((size_t) V, sizeof(bool));
	double	   *log_q = calloc((size_t) V, sizeof(double));
	Seen		seen = {is_in, log_q};
	NnRng		rng,
				rng_twin;
	Twin		twin;
	double		loss;
	double		loss_alone;
	int			n = 0;
	bool		is_right = true;
	NnError		err;

	nn_rng_seed(&rng, 7);
	rng_twin = rng;
	twin_sample(V, n_samples, first, &rng_twin, is_in, log_q);
	twin = twin_loss(&c, &seen, 0.0, 0.5);
	nn_token_loss_sampled(&c.table, M, c.x, c.label, n_samples, first, 0.5f, c.dx, &rng,
						  note_touched, touched, arena, &loss, &err);
	is_near(loss, twin.loss, 1e-5 * (1.0 + twin.loss), "sampled, V = %d, %d + %d: the loss is the twin's",
			V, first, n_samples);
	is_near(case_difference(&c, &twin), 0.0, 1e-5, "the gradients are the twin's");
	for (int m = 0; m < M; m++)
		if (c.label[m] >= 0)
			is_in[c.label[m]] = true;
	for (int v = 0; v < V; v++)
	{
		if (is_in[v])
			is_right &= n < touched->n && touched->row[n++] == v;
		else
			is_right &= c.table.bias_grad[v] == 0.0f && c.table.weight_grad[(size_t) v * E] == 0.0f;
	}
	ok(is_right && n == touched->n, "touched, ascending: what was drawn and the labels");
	nn_rng_seed(&rng, 7);
	nn_token_loss_sampled(&c.table, M, c.x, c.label, n_samples, first, 0.5f, NULL, &rng,
						  note_touched, touched, arena, &loss_alone, &err);
	ok(fabs(loss_alone - loss) <= 1e-12 * loss && n == touched->n, "the same without gradients");
	twin_free(&twin);
	free(touched);
	free(is_in);
	free(log_q);
	case_free(&c);
	nn_arena_destroy(arena);
}

/*
 * One draw at a time falls on rank r with P(r): 20,000 draws over 30 ranks, each
 * share within five of its standard errors.
 */
static void
test_sampler(void)
{
	enum
	{
		V = 35, first = 5, n_draws = 20000
	};
	Case		c = case_create(V, 2, 0);
	NnArena    *arena = new_arena();
	Touched    *touched = calloc(1, sizeof(Touched));
	int			count[V] = {0};
	double		worst = 0.0;
	double		loss;
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 3);
	for (int i = 0; i < n_draws; i++)
	{
		touched->n = 0;
		nn_token_loss_sampled(&c.table, 0, c.x, c.label, 1, first, 1.0f, c.dx, &rng,
							  note_touched, touched, arena, &loss, &err);
		for (int j = 0; j < touched->n; j++)
			count[touched->row[j]]++;
		nn_arena_reset(arena);
	}
	for (int v = first; v < V; v++)
	{
		double		p = log((v - first + 2.0) / (v - first + 1.0)) / log(V - first + 1.0);

		worst = fmax(worst, fabs(count[v] - n_draws * p) / sqrt(n_draws * p * (1.0 - p)));
	}
	ok(count[0] == n_draws && count[first - 1] == n_draws, "what is below first_sampled is always in");
	ok(worst < 5.0, "draws are log-uniform (worst %.1f standard errors)", worst);
	free(touched);
	case_free(&c);
	nn_arena_destroy(arena);
}

/*
 * Where the model is the truth, the expected gradient is zero: labels stand in
 * the proportion of p, though p rises where the sampler's distribution falls.
 * The biases alone are looked at.  Exact for tokens drawn independently; that
 * 12 different ones are drawn leaves 0.09 of p (a simulation in double says so
 * too), where no correction at all would leave 1.4.
 */
static void
test_consistent(void)
{
	enum
	{
		V = 24, n_turns = 4000
	};
	Case		c = case_create(V, 1, V * (V + 1) / 2);
	NnArena    *arena = new_arena();
	Touched    *touched = calloc(1, sizeof(Touched));
	int			m = 0;
	double		worst = 0.0;
	double		loss;
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 5);
	memset(c.weight, 0, V * sizeof(float));
	for (int v = 0; v < V; v++)
	{
		c.bias[v] = logf((float) (v + 1));
		for (int i = 0; i <= v; i++)
			c.label[m++] = v;
	}
	for (int turn = 0; turn < n_turns; turn++)
	{
		nn_token_loss_sampled(&c.table, c.M, c.x, c.label, 12, 0, 1.0f / (float) c.M, c.dx, &rng,
							  note_touched, touched, arena, &loss, &err);
		nn_arena_reset(arena);
	}
	for (int v = 0; v < V; v++)
		worst = fmax(worst, fabs((double) c.table.bias_grad[v]) / n_turns / ((v + 1.0) / c.M));
	ok(worst < 0.15, "the true distribution is where the expected gradient vanishes (worst %.3f of p)", worst);
	free(touched);
	case_free(&c);
	nn_arena_destroy(arena);
}

/* More samples, less distance from the whole softmax; with all, none. */
static void
test_converges(void)
{
	static const int n_samples[] = {50, 200, 399, 400};
	Case		c = case_create(400, 8, 60);
	NnArena    *arena = new_arena();
	double		loss;
	double		distance[4];
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 9);
	nn_token_loss(&c.table, c.M, c.x, c.label, 0.0f, 1.0f, NULL, arena, &loss, NULL, &err);
	for (int i = 0; i < 4; i++)
	{
		double		sum = 0.0;

		for (int turn = 0; turn < 20; turn++)
		{
			double		sampled = NAN;

			nn_token_loss_sampled(&c.table, c.M, c.x, c.label, n_samples[i], 0, 1.0f, NULL, &rng,
								  NULL, NULL, arena, &sampled, &err);
			sum += sampled / 20;
		}
		distance[i] = fabs(sum / loss - 1.0);
	}
	ok(distance[0] > distance[1] && distance[1] > distance[2] && distance[2] < 0.01 && distance[3] == 0.0,
	   "sampled losses come near to the whole one (%.3f, %.3f, %.5f, %g)",
	   distance[0], distance[1], distance[2], distance[3]);
	case_free(&c);
	nn_arena_destroy(arena);
}

/* ---- what may fail --------------------------------------------------------------------- */

typedef struct Attempt
{
	TestHost	host;
	NnStatus	status;
} Attempt;

/* One call of function 0, 1 or 2 in an env that fails or cancels. */
static Attempt
attempt(Case *c, int function, long fail_at, long cancel_at)
{
	Attempt		result;
	Touched    *touched = calloc(1, sizeof(Touched));
	float	   *out = kern_case_floats((size_t) c->M);
	NnArena    *arena;
	NnRng		rng;
	NnError		err;
	double		loss;

	test_host_init(&result.host);
	nn_rng_seed(&rng, 1);
	arena = nn_arena_create(&result.host.env);
	result.host.fail_at = fail_at > 0 ? fail_at + 1 : 0;
	result.host.cancel_at = cancel_at;
	if (function == 0)
		result.status = nn_token_loss(&c->table, c->M, c->x, c->label, 0.1f, 1.0f, c->dx, arena, &loss, NULL, &err);
	else if (function == 1)
		result.status = nn_token_loss_sampled(&c->table, c->M, c->x, c->label, c->table.n_tokens - 1, 0, 1.0f,
											  c->dx, &rng, note_touched, touched, arena, &loss, &err);
	else
		result.status = nn_token_log_likelihood(&c->table, c->M, c->x, c->label, arena, out, &err);
	nn_arena_destroy(arena);
	free(touched);
	free(out);
	return result;
}

static void
test_failures(void)
{
	static const char *const names[] = {"nn_token_loss", "nn_token_loss_sampled", "nn_token_log_likelihood"};
	Case		c = case_create(5000, 8, 30);

	for (int function = 0; function < 3; function++)
	{
		Attempt		whole = attempt(&c, function, 0, 0);
		int			n_wrong = 0;
		long		n_leaked = whole.host.n_live;

		ok(whole.status == NN_OK && whole.host.n_polls > 0, "%s: asks %ld times whether to stop", names[function],
		   whole.host.n_polls);
		for (long at = 1; at < whole.host.n_allocs; at++)
		{
			Attempt		failed;

			case_clear(&c);
			failed = attempt(&c, function, at, 0);
			n_wrong += failed.status != NN_ENOMEM || nn_sum_squares(5000 * 8, c.table.weight_grad) != 0.0;
			n_leaked += failed.host.n_live;
		}
		is_int(n_wrong, 0, "%s: out of memory, and no gradient touched, at each of %ld allocations",
			   names[function], whole.host.n_allocs - 1);
		n_wrong = 0;
		for (long at = 1; at <= whole.host.n_polls; at++)
		{
			Attempt		canceled = attempt(&c, function, 0, at);

			n_wrong += canceled.status != NN_ECANCELED || canceled.host.n_polls != at;
			n_leaked += canceled.host.n_live;
		}
		is_int(n_wrong, 0, "%s: canceled at each poll", names[function]);
		is_int(n_leaked, 0, "%s: nothing leaks", names[function]);
	}
	case_free(&c);
}

int
main(void)
{
	int			n_golden;
	GoldenCase *golden = golden_read("token", &n_golden);

	for (int i = 0; i < 4; i++)
	{
		const NnKernels *kernels = kern_case_use(i);

		if (kernels == NULL)
			continue;
		test_same_bits(kernels->name);
		test_twin(1000, 10, 7, 0.1);
	}
	/* the last kernels are the best: all else is tested with them */
	test_twin(1, 3, 5, 0.0);
	test_twin(2, 1, 1, 0.1);
	test_twin(65, 16, 900, 0.0);
	test_twin(960, 7, 50, 0.05);
	test_twin(961, 7, 50, 0.05);
	test_twin(4000, 20, 30, 0.0);
	test_twin(300, 300, 3, 0.2);
	test_differences();
	test_corners();
	for (int i = 0; i < n_golden; i++)
		test_golden_case(&golden[i]);
	test_whole_sample(1500, 0);
	test_whole_sample(1400, 100);
	test_whole_sample(0, 1500);
	test_whole_sample(5, 4000);
	test_sample_twin(500, 6, 40, 60, 20);
	test_sample_twin(3000, 6, 450, 1500, 0);
	test_sample_twin(50, 3, 20, 1, 0);
	test_sample_twin(50, 3, 20, 48, 1);
	test_sampler();
	test_consistent();
	test_converges();
	test_failures();
	return done_testing();
}
