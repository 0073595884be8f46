/*
 * test_attention.c: nn/attention.h.
 *
 *  - weights and contexts are those of a naive twin in double, which knows
 *    nothing of packed batches but a row and its source; gradients are central
 *    differences of the twin;
 *  - lengths are mixed: empty sources, empty targets, sources that several
 *    targets share and sources that none looks at;
 *  - one answer (promise P2): a pair's results are the same bytes alone;
 *  - PyTorch says the same (test/golden/attention.golden);
 *  - every allocation may fail and every poll may cancel.
 */
#include "nn/attention.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "golden_file.h"
#include "kern/kern.h"
#include "net_case.h"
#include "tap.h"
#include "test_host.h"

/* Weights and contexts are off by the rounding of sums of D and of S numbers.  Measured: 7e-7. */
#define TOLERANCE 5e-6

/* Gradients: relative to the largest of their array.  Measured: 5e-7. */
#define TOLERANCE_GRADIENT 5e-6

/* Step of the differences in double: truncation about 1e-10, rounding about 1e-11. */
#define STEP 1e-5

#define N_TRIED 12				/* numbers of an array whose derivatives are taken one by one */

static const char *const kernels[] = {"avx512", "avx2", "generic", "naive"};

/* Inputs and outputs of one call. */
typedef struct Case
{
	NnBatch		source;
	NnBatch		target;
	const int32_t *source_of;
	int			D;
	float	   *h;				/* (N_target, D) */
	float	   *s;				/* (N_source, D) */
	float	   *W;				/* (D, D) */
	float	   *d_context;		/* (N_target, D) */
	float	   *d_weight;		/* compressed rows, or NULL */
	float	   *context;
	NnAttention attention;
	float	   *d_h;
	float	   *d_s;
	float	   *d_W;
} Case;

#define FLOATS(n) ((float *) net_case_alloc((size_t) (n), sizeof(float)))
#define INTS(n) ((int32_t *) net_case_alloc((size_t) (n), sizeof(int32_t)))

/* ---- cases --------------------------------------------------------------------- */

static NnBatch
make_batch(int B, const int32_t *length)
{
	NnBatch		batch = {0};
	int32_t    *active;
	int32_t    *offset;

	batch.n_sequences = B;
	batch.n_steps = B > 0 ? length[0] : 0;
	batch.length = length;
	active = INTS(batch.n_steps);
	offset = INTS(batch.n_steps + 1);
	for (int t = 0; t < batch.n_steps; t++)
	{
		while (active[t] < B && length[active[t]] > t)
			active[t]++;
		offset[t + 1] = offset[t] + active[t];
	}
	batch.active = active;
	batch.offset = offset;
	batch.n_rows = offset[batch.n_steps];
	return batch;
}

static float *
random_floats(NnRng *rng, int n, float bound)
{
	float	   *x = FLOATS(n);

	for (int i = 0; i < n; i++)
		x[i] = net_case_float(rng, -bound, bound);
	return x;
}

/* Lengths in [0, longest], descending. */
static int32_t *
random_lengths(NnRng *rng, int B, int longest)
{
	int32_t    *length = INTS(B);

	for (int b = 0; b < B; b++)
	{
		int			n = net_case_int(rng, 0, 4) == 0 ? 0 : net_case_int(rng, 0, longest);
		int			at = b;

		for (; at > 0 && length[at - 1] < n; at--)
			length[at] = length[at - 1];
		length[at] = n;
	}
	return length;
}

/* Compressed weights of a case: the sum of the source lengths of all target rows. */
static int
n_weights(const Case *c)
{
	int			n = 0;

	for (int b = 0; b < c->target.n_sequences; b++)
		n += c->target.length[b] * c->source.length[c->source_of[b]];
	return n;
}

static void
fill_case(Case *c, NnRng *rng)
{
	c->h = random_floats(rng, c->target.n_rows * c->D, 1.0f);
	c->s = random_floats(rng, c->source.n_rows * c->D, 1.0f);
	c->W = random_floats(rng, c->D * c->D, 3.0f / sqrtf((float) c->D));
	c->d_context = random_floats(rng, c->target.n_rows * c->D, 1.0f);
	c->d_weight = random_floats(rng, n_weights(c), 1.0f);
}

static void
take_outputs(Case *c)
{
	c->context = FLOATS(c->target.n_rows * c->D);
	c->d_h = FLOATS(c->target.n_rows * c->D);
	c->d_s = FLOATS(c->source.n_rows * c->D);
	c->d_W = FLOATS(c->D * c->D);
}

static Case
random_case(NnRng *rng, int B_source, int B_target, int longest, int D)
{
	Case		c = {0};
	int32_t    *source_of = INTS(B_target);

	c.source = make_batch(B_source, random_lengths(rng, B_source, longest));
	c.target = make_batch(B_target, random_lengths(rng, B_target, longest));
	for (int b = 0; b < B_target; b++)
		source_of[b] = net_case_int(rng, 0, B_source - 1);
	c.source_of = source_of;
	c.D = D;
	fill_case(&c, rng);
	take_outputs(&c);
	return c;
}

static NnStatus
run_forward(Case *c, NnArena *scratch, NnError *err)
{
	float	   *packed = NN_TAKE(scratch, float, nn_pack_floats(c->D, c->D));

	if (packed == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_pack(c->W, c->D, c->D, c->D, false, packed);
	return nn_attention_forward(&c->target, &c->source, c->source_of, c->D, c->h, c->s, packed,
								scratch, &c->attention, c->context, err);
}

static NnStatus
run_backward(Case *c, NnArena *scratch, NnError *err)
{
	return nn_attention_backward(&c->target, &c->source, c->source_of, c->D, c->h, c->s, c->W,
								 &c->attention, c->d_context, c->d_weight, c->d_h, c->d_s, c->d_W,
								 scratch, err);
}

static void
run(Case *c, NnArena *scratch)
{
	NnError		err;

	net_case_check(run_forward(c, scratch, &err), &err);
	net_case_check(run_backward(c, scratch, &err), &err);
}

/* ---- the twin ------------------------------------------------------------------ */

/* A case's inputs in double. */
typedef struct Naive
{
	double	   *h;
	double	   *s;
	double	   *W;
} Naive;

static double *
in_double(int n, const float *x)
{
	double	   *copy = net_case_alloc((size_t) n, sizeof(double));

	for (int i = 0; i < n; i++)
		copy[i] = (double) x[i];
	return copy;
}

static Naive
naive_of(const Case *c)
{
	Naive		naive;

	naive.h = in_double(c->target.n_rows * c->D, c->h);
	naive.s = in_double(c->source.n_rows * c->D, c->s);
	naive.W = in_double(c->D * c->D, c->W);
	return naive;
}

/* Weights (S) and context (D) of step t of target sequence b, as nn/attention.h has the equations. */
static void
naive_row(const Case *c, const Naive *naive, int b, int t, double *weight, double *context)
{
	int			D = c->D;
	int			q = c->source_of[b];
	int			S = c->source.length[q];
	const double *h = naive->h + (c->target.offset[t] + b) * D;
	double		sum = 0;

	for (int j = 0; j < S; j++)
	{
		const double *s = naive->s + (c->source.offset[j] + q) * D;
		double		score = 0;

		for (int k = 0; k < D; k++)
			for (int l = 0; l < D; l++)
				score += h[k] * naive->W[k * D + l] * s[l];
		weight[j] = exp(score);
		sum += weight[j];
	}
	for (int k = 0; k < D; k++)
		context[k] = 0;
	for (int j = 0; j < S; j++)
	{
		weight[j] /= sum;
		for (int k = 0; k < D; k++)
			context[k] += weight[j] * naive->s[(c->source.offset[j] + q) * D + k];
	}
}

/* sum(context * d_context) + sum(weight * d_weight); *worst, unless NULL, is how far off the case's outputs are. */
static double
naive_loss(const Case *c, const Naive *naive, double *worst)
{
	double	   *weight = net_case_alloc((size_t) c->source.n_steps, sizeof(double));
	double	   *context = net_case_alloc((size_t) c->D, sizeof(double));
	int			start = 0;
	double		loss = 0;

	for (int t = 0; t < c->target.n_steps; t++)
	{
		for (int b = 0; b < c->target.active[t]; b++)
		{
			int			r = c->target.offset[t] + b;
			int			S = c->source.length[c->source_of[b]];

			naive_row(c, naive, b, t, weight, context);
			for (int k = 0; k < c->D; k++)
			{
				loss += context[k] * (double) c->d_context[r * c->D + k];
				if (worst != NULL)
					*worst = net_case_worse(*worst, fabs(context[k] - (double) c->context[r * c->D + k]));
			}
			for (int j = 0; j < S; j++)
			{
				if (c->d_weight != NULL)
					loss += weight[j] * (double) c->d_weight[start + j];
				if (worst != NULL)
					*worst = net_case_worse(*worst, fabs(weight[j] - (double) c->attention.weight[start + j]));
			}
			if (worst != NULL && c->attention.start[r] != start)
				*worst = INFINITY;
			start += S;
		}
	}
	if (worst != NULL && c->attention.start[c->target.n_rows] != start)
		*worst = INFINITY;
	return loss;
}

/* How far grad (n) is from the derivatives of the loss by x: some numbers, and one direction through all. */
static double
gradient_distance(const Case *c, const Naive *naive, double *x, int n, const float *grad, NnRng *rng)
{
	double	   *direction = net_case_alloc((size_t) n, sizeof(double));
	double		largest = 1;
	double		worst = 0;

	for (int i = 0; i < n; i++)
		largest = fmax(largest, fabs((double) grad[i]));
	for (int k = 0; k <= N_TRIED && n > 0; k++)
	{
		double		expected = 0;
		double		got = 0;

		for (int i = 0; i < n; i++)
			direction[i] = k == N_TRIED ? (double) net_case_float(rng, -1, 1) / sqrt(n) : 0;
		if (k < N_TRIED)
			direction[net_case_int(rng, 0, n - 1)] = 1;
		for (int side = 1; side >= -1; side -= 2)
		{
			for (int i = 0; i < n; i++)
				x[i] += side * STEP * direction[i];
			expected += side * naive_loss(c, naive, NULL) / (2 * STEP);
			for (int i = 0; i < n; i++)
				x[i] -= side * STEP * direction[i];
		}
		for (int i = 0; i < n; i++)
			got += direction[i] * (double) grad[i];
		worst = net_case_worse(worst, fabs(got - expected) / largest);
	}
	return worst;
}

static void
test_against_twin(NnRng *rng, NnArena *scratch, const char *kernel)
{
	double		worst = 0;
	double		worst_gradient = 0;

	for (int turn = 0; turn < 24; turn++)
	{
		Case		c = random_case(rng, net_case_int(rng, 1, 5), net_case_int(rng, 0, 7),
									net_case_int(rng, 0, 8), net_case_int(rng, 1, 9));
		Naive		naive = naive_of(&c);

		if (turn % 3 == 0)
			c.d_weight = NULL;
		nn_arena_reset(scratch);
		run(&c, scratch);
		(void) naive_loss(&c, &naive, &worst);
		worst_gradient = net_case_worse(worst_gradient, gradient_distance(&c, &naive, naive.h, c.target.n_rows * c.D, c.d_h, rng));
		worst_gradient = net_case_worse(worst_gradient, gradient_distance(&c, &naive, naive.s, c.source.n_rows * c.D, c.d_s, rng));
		worst_gradient = net_case_worse(worst_gradient, gradient_distance(&c, &naive, naive.W, c.D * c.D, c.d_W, rng));
		net_case_free_all();
	}
	ok(worst < TOLERANCE, "%s: weights and contexts are the twin's (off by %.1e)", kernel, worst);
	ok(worst_gradient < TOLERANCE_GRADIENT, "%s: gradients are central differences (off by %.1e)",
	   kernel, worst_gradient);
}

/* More rows than are taken together look at a source of more steps than a panel has columns. */
static void
test_large(NnRng *rng, NnArena *scratch, const char *kernel)
{
	static const int32_t source_length[3] = {37, 5, 0};
	static const int32_t target_length[6] = {50, 50, 49, 3, 1, 0};
	static const int32_t source_of[6] = {0, 0, 0, 1, 2, 0};
	Case		c = {.source_of = source_of, .D = 24};
	Naive		naive;
	double		worst = 0;
	double		worst_gradient;

	c.source = make_batch(3, source_length);
	c.target = make_batch(6, target_length);
	fill_case(&c, rng);
	take_outputs(&c);
	naive = naive_of(&c);
	nn_arena_reset(scratch);
	run(&c, scratch);
	(void) naive_loss(&c, &naive, &worst);
	ok(worst < TOLERANCE, "%s: 149 rows look at one source of 37 steps (off by %.1e)", kernel, worst);
	worst_gradient = gradient_distance(&c, &naive, naive.s, c.source.n_rows * c.D, c.d_s, rng);
	worst_gradient = net_case_worse(worst_gradient, gradient_distance(&c, &naive, naive.W, c.D * c.D, c.d_W, rng));
	ok(worst_gradient < TOLERANCE_GRADIENT, "%s: and their gradients (off by %.1e)", kernel, worst_gradient);
	net_case_free_all();
}

/* ---- the contract --------------------------------------------------------------- */

static bool
is_zero(int n, const float *x)
{
	for (int i = 0; i < n; i++)
		if (x[i] != 0.0f)
			return false;
	return true;
}

static void
test_edges(NnRng *rng, NnArena *scratch)
{
	static const int32_t none[3] = {0, 0, 0};
	static const int32_t some[3] = {4, 2, 1};
	static const int32_t source_of[3] = {2, 1, 0};
	Case		c = {.source_of = source_of, .D = 5};
	float	   *before;

	c.source = make_batch(3, none);
	c.target = make_batch(3, some);
	fill_case(&c, rng);
	take_outputs(&c);
	for (int i = 0; i < c.target.n_rows * c.D; i++)
		c.context[i] = NAN;
	nn_arena_reset(scratch);
	run(&c, scratch);
	ok(is_zero(c.target.n_rows * c.D, c.context), "empty sources give zeros");
	ok(is_zero(c.target.n_rows * c.D, c.d_h) && is_zero(c.D * c.D, c.d_W), "and no gradients");
	is_int(c.attention.start[c.target.n_rows], 0, "and no weights");

	c.source = make_batch(3, some);
	c.target = make_batch(3, none);
	fill_case(&c, rng);
	take_outputs(&c);
	run(&c, scratch);
	ok(is_zero(c.source.n_rows * c.D, c.d_s) && is_zero(c.D * c.D, c.d_W), "empty targets give no gradients");

	c.source = make_batch(3, none);
	take_outputs(&c);
	run(&c, scratch);
	c.source = c.target = make_batch(0, none);
	run(&c, scratch);
	ok(true, "nothing looks at nothing");

	/* what one pair gives alone is added to what is there */
	c.source = c.target = make_batch(1, some);
	c.source_of = none;
	fill_case(&c, rng);
	take_outputs(&c);
	run(&c, scratch);
	before = FLOATS(4 * c.D);
	memcpy(before, c.d_s, (size_t) (4 * c.D) * sizeof(float));
	run(&c, scratch);
	for (int i = 0; i < 4 * c.D; i++)
		before[i] += before[i];
	ok(memcmp(before, c.d_s, (size_t) (4 * c.D) * sizeof(float)) == 0, "gradients are added");
	net_case_free_all();
}

/* A score of a thousand overflows exp() unless the maximum is subtracted. */
static void
test_large_scores(NnArena *scratch)
{
	static const int32_t length[1] = {2};
	static const int32_t source_of[1] = {0};
	Case		c = {.source_of = source_of, .D = 1};
	float		h[2] = {1000, -1000};
	float		s[2] = {1, -1};
	float		W[1] = {1};
	float		d_context[2] = {1, 1};

	c.source = c.target = make_batch(1, length);
	take_outputs(&c);
	c.h = h;
	c.s = s;
	c.W = W;
	c.d_context = d_context;
	nn_arena_reset(scratch);
	run(&c, scratch);
	ok(c.context[0] == 1 && c.context[1] == -1 && c.attention.weight[0] == 1 && c.attention.weight[1] == 0 &&
	   c.attention.weight[2] == 0 && c.attention.weight[3] == 1, "scores of 1000 and -1000 choose one state");
	ok(c.d_W[0] == 0 && c.d_s[0] == 1 && c.d_s[1] == 1, "and pass the gradient to it alone");
	net_case_free_all();
}

/* The rows of some sequences of a batch, as a batch of their own. */
static float *
pick_rows(const NnBatch *from, int n, const int32_t *which, const NnBatch *to, int D, const float *x)
{
	float	   *picked = FLOATS(to->n_rows * D);

	for (int i = 0; i < n; i++)
		for (int t = 0; t < to->length[i]; t++)
			memcpy(picked + (to->offset[t] + i) * D, x + (from->offset[t] + which[i]) * D, (size_t) D * sizeof(float));
	return picked;
}

/* Is target sequence b the same to the last bit when it is alone with its source? */
static bool
is_same_alone(const Case *c, int b, NnArena *scratch)
{
	static const int32_t zero[1] = {0};
	Case		one = {.source_of = zero, .D = c->D, .W = c->W};
	int32_t		place[1] = {b};
	int			q = c->source_of[b];
	int			S = c->source.length[q];
	NnError		err;
	float	   *expected;

	one.source = make_batch(1, c->source.length + q);
	one.target = make_batch(1, c->target.length + b);
	one.s = pick_rows(&c->source, 1, &c->source_of[b], &one.source, c->D, c->s);
	one.h = pick_rows(&c->target, 1, place, &one.target, c->D, c->h);
	expected = pick_rows(&c->target, 1, place, &one.target, c->D, c->context);
	one.context = FLOATS(one.target.n_rows * c->D);
	net_case_check(run_forward(&one, scratch, &err), &err);
	for (int t = 0; t < one.target.n_steps; t++)
		if (memcmp(one.attention.weight + t * S, c->attention.weight + c->attention.start[c->target.offset[t] + b],
				   (size_t) S * sizeof(float)) != 0)
			return false;
	return memcmp(one.context, expected, (size_t) (one.target.n_rows * c->D) * sizeof(float)) == 0;
}

static void
test_one_answer(NnRng *rng, NnArena *scratch, const char *kernel)
{
	int			n_different = 0;
	int			n = 0;

	for (int turn = 0; turn < 12; turn++)
	{
		Case		c = random_case(rng, net_case_int(rng, 1, 6), net_case_int(rng, 1, 12),
									net_case_int(rng, 1, 40), net_case_int(rng, 1, 70));
		NnError		err;

		nn_arena_reset(scratch);
		net_case_check(run_forward(&c, scratch, &err), &err);
		for (int b = 0; b < c.target.n_sequences; b++, n++)
			n_different += !is_same_alone(&c, b, scratch);
		net_case_free_all();
	}
	ok(n_different == 0, "%s: %d pairs are the same bytes alone (%d differ)", kernel, n, n_different);
}

/* The same call twice gives the same bytes. */
static void
test_same_bytes(NnRng *rng, NnArena *scratch)
{
	Case		c = random_case(rng, 5, 9, 30, 33);
	Case		again = c;

	take_outputs(&again);
	nn_arena_reset(scratch);
	run(&c, scratch);
	run(&again, scratch);
	ok(memcmp(c.d_h, again.d_h, (size_t) (c.target.n_rows * c.D) * sizeof(float)) == 0 &&
	   memcmp(c.d_s, again.d_s, (size_t) (c.source.n_rows * c.D) * sizeof(float)) == 0 &&
	   memcmp(c.d_W, again.d_W, (size_t) (c.D * c.D) * sizeof(float)) == 0, "the same gradients twice");
	net_case_free_all();
}

/* ---- the host -------------------------------------------------------------------- */

/* Forward and backward in an arena of the host; its status. */
static NnStatus
run_in(TestHost *host, Case *c, NnError *err)
{
	NnArena    *scratch = nn_arena_create(&host->env);
	NnStatus	status = NN_ENOMEM;

	if (scratch == NULL)
		return status;
	status = run_forward(c, scratch, err);
	if (status == NN_OK)
		status = run_backward(c, scratch, err);
	nn_arena_destroy(scratch);
	return status;
}

static void
test_host(NnRng *rng)
{
	Case		c = random_case(rng, 6, 40, 40, 80);
	NnError		err;
	TestHost	host;
	long		n_allocs;
	long		n_polls;
	int			n_wrong = 0;

	test_host_init(&host);
	net_case_check(run_in(&host, &c, &err), &err);
	n_allocs = host.n_allocs;
	n_polls = host.n_polls;
	for (long k = 1; k <= n_allocs; k++)
	{
		test_host_init(&host);
		host.fail_at = k;
		n_wrong += run_in(&host, &c, &err) != NN_ENOMEM || host.n_live != 0;
	}
	ok(n_allocs > 5 && n_wrong == 0, "each of %ld allocations may fail (%d wrong)", n_allocs, n_wrong);
	n_wrong = 0;
	for (long k = 1; k <= n_polls; k++)
	{
		test_host_init(&host);
		host.cancel_at = k;
		n_wrong += run_in(&host, &c, &err) != NN_ECANCELED || host.n_live != 0 || host.n_polls != k;
	}
	ok(n_polls > 10 && n_wrong == 0, "each of %ld polls may cancel (%d wrong)", n_polls, n_wrong);
	net_case_free_all();
}

/* ---- golden ---------------------------------------------------------------------- */

static const GoldenRecord *
golden_ints(const GoldenCase *golden, const char *name)
{
	const GoldenRecord *record = golden_find(golden, "%s", name);

	if (record == NULL || record->ints == NULL)
	{
		printf("Bail out! attention.golden lacks %s\n", name);
		exit(1);
	}
	return record;
}

static float *
golden_copy(const GoldenCase *golden, int n, const char *name)
{
	return memcpy(FLOATS(n), golden_floats(golden, n, "%s", name), (size_t) n * sizeof(float));
}

static double
distance(int n, const float *a, const float *b)
{
	double		worst = 0;

	for (int i = 0; i < n; i++)
		worst = net_case_worse(worst, fabs((double) a[i] - (double) b[i]));
	return worst;
}

/* The file's weights are rows of the longest source; compress them. */
static float *
golden_weights(const GoldenCase *golden, const Case *c, const char *name)
{
	int			width = c->source.n_steps;
	const float *from = golden_floats(golden, c->target.n_rows * width, "%s", name);
	float	   *weight = FLOATS(n_weights(c));
	int			n = 0;

	for (int t = 0; t < c->target.n_steps; t++)
		for (int b = 0; b < c->target.active[t]; b++)
			for (int j = 0; j < c->source.length[c->source_of[b]]; j++)
				weight[n++] = from[(c->target.offset[t] + b) * width + j];
	return weight;
}

static void
test_golden(NnArena *scratch)
{
	int			n_cases;
	GoldenCase *cases = golden_read("attention", &n_cases);

	for (int i = 0; i < n_cases; i++)
	{
		const GoldenCase *golden = &cases[i];
		const GoldenRecord *source_length = golden_ints(golden, "source_length");
		const GoldenRecord *target_length = golden_ints(golden, "target_length");
		Case		c = {0};
		double		worst;

		c.D = golden_ints(golden, "size")->ints[0];
		c.source_of = golden_ints(golden, "source_of")->ints;
		c.source = make_batch(source_length->n, source_length->ints);
		c.target = make_batch(target_length->n, target_length->ints);
		c.h = golden_copy(golden, c.target.n_rows * c.D, "h");
		c.s = golden_copy(golden, c.source.n_rows * c.D, "s");
		c.W = golden_copy(golden, c.D * c.D, "W");
		c.d_context = golden_copy(golden, c.target.n_rows * c.D, "d_context");
		c.d_weight = golden_weights(golden, &c, "d_weight");
		take_outputs(&c);
		nn_arena_reset(scratch);
		run(&c, scratch);
		worst = distance(c.target.n_rows * c.D, c.context, golden_copy(golden, c.target.n_rows * c.D, "context"));
		worst = net_case_worse(worst, distance(n_weights(&c), c.attention.weight, golden_weights(golden, &c, "weight")));
		ok(worst < 1e-4, "PyTorch, %s: outputs (off by %.1e)", golden->name, worst);
		worst = distance(c.target.n_rows * c.D, c.d_h, golden_copy(golden, c.target.n_rows * c.D, "d_h"));
		worst = net_case_worse(worst, distance(c.source.n_rows * c.D, c.d_s, golden_copy(golden, c.source.n_rows * c.D, "d_s")));
		worst = net_case_worse(worst, distance(c.D * c.D, c.d_W, golden_copy(golden, c.D * c.D, "d_W")));
		ok(worst < 1e-4, "PyTorch, %s: gradients (off by %.1e)", golden->name, worst);
	}
	net_case_free_all();
}

int
main(void)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnRng		rng;

	nn_rng_seed(&rng, 20240301);
	for (int k = 0; k < 4; k++)
	{
		nn_kern_init();
		if (!nn_kern_use(kernels[k]))
			continue;
		test_against_twin(&rng, scratch, kernels[k]);
		test_large(&rng, scratch, kernels[k]);
		test_one_answer(&rng, scratch, kernels[k]);
	}
	test_edges(&rng, scratch);
	test_large_scores(scratch);
	test_same_bytes(&rng, scratch);
	test_host(&rng);
	test_golden(scratch);
	nn_arena_destroy(scratch);
	return done_testing();
}
