/*
 * test_token_loss.c: the softmax over a vocabulary against a twin in double, its
 * gradients against central differences of that twin and against PyTorch
 * (test/golden/token.golden), and what happens when memory or patience runs out,
 * also in the sampled one.
 *
 * Tolerances: a logit is a sum of E products of numbers of size 1, so it is off
 * by about E * 6e-8; losses are compared to 1e-5 of themselves and gradients to
 * 1e-5 of the largest.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden_file.h"
#include "kern_case.h"
#include "tap.h"
#include "test_host.h"
#include "token_case.h"

/* ---- the whole softmax ------------------------------------------------------- */

static void
test_twin(int V, int E, int M, double eps)
{
	static const TokenSeen all = {NULL, NULL};
	TokenCase	c = token_case_create(V, E, M);
	NnArena    *arena = token_case_arena();
	TokenTwin	twin = token_twin(&c, &all, eps, 0.25);
	NnTokenTable answer = c.table;
	double		loss;
	double		loss_alone;
	int64_t		n_right;
	NnError		err;

	ok(nn_token_loss(&c.table, M, c.x, c.label, (float) eps, 0.25f, c.dx, arena, &loss, &n_right, &err) == NN_OK,
	   "V = %d, E = %d, M = %d, smoothing %g", V, E, M, eps);
	is_near(loss, twin.loss, 1e-5 * (1.0 + fabs(twin.loss)), "the loss is the twin's");
	is_int(n_right, twin.n_right, "as many are right");
	is_near(token_case_difference(&c, &twin), 0.0, 1e-5, "the gradients are the twin's");

	answer.weight_grad = answer.bias_grad = NULL;
	ok(nn_token_loss(&answer, M, c.x, c.label, (float) eps, 0.25f, NULL, arena, &loss_alone, NULL, &err) == NN_OK &&
	   fabs(loss_alone - loss) <= 1e-12 * fabs(loss), "the loss without gradients is the same");
	token_twin_free(&twin);
	token_case_free(&c);
	nn_arena_destroy(arena);
}

/*
 * Central differences of the twin's loss, in double.  The third derivative of
 * log Z is at most about 1 in units of |w|^3, so a step of 1e-4 leaves 1e-8.
 */
static void
test_differences(void)
{
	static const TokenSeen all = {NULL, NULL};
	const float step = 0x1p-13f;
	TokenCase	c = token_case_create(37, 5, 11);
	NnArena    *arena = token_case_arena();
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
			TokenTwin	a,
						b;

			*at[k] = up;
			a = token_twin(&c, &all, (double) 0.1f, 1.0);
			*at[k] = down;
			b = token_twin(&c, &all, (double) 0.1f, 1.0);
			*at[k] = before;
			worst = fmax(worst, fabs((a.loss - b.loss) / ((double) up - (double) down) - (double) grad[k]));
			token_twin_free(&a);
			token_twin_free(&b);
		}
	}
	is_near(worst, 0.0, 1e-5, "gradients are central differences of the twin's loss");
	token_case_free(&c);
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
	TokenCase	c = token_case_create(V, E, M);
	NnArena    *arena = token_case_arena();
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
	token_case_free(&c);
	nn_arena_destroy(arena);
}

/* Ties go to the first; numbers that are not finite end in the loss. */
static void
test_corners(void)
{
	TokenCase	c = token_case_create(2000, 3, 4);
	NnArena    *arena = token_case_arena();
	int32_t		label[4] = {0, 1, 1999, -1};
	int64_t		n_right;
	double		loss;
	NnError		err;

	memset(c.weight, 0, 2000 * 3 * sizeof(float));
	memset(c.bias, 0, 2000 * sizeof(float));
	token_case_pack(&c);
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
	token_case_free(&c);
	nn_arena_destroy(arena);
}

/* ---- PyTorch -------------------------------------------------------------------- */

static void
test_golden_case(const GoldenCase *golden)
{
	const int32_t *shape = golden_find(golden, "shape")->ints;
	const GoldenRecord *input = golden_find(golden, "input");
	int			V = shape[0];
	int			E = shape[1];
	int			M = shape[2];
	TokenCase	c = token_case_create(V, E, M);
	NnArena    *arena = token_case_arena();
	int			n_counted = 0;
	double		loss = NAN;
	NnError		err;

	memcpy(c.weight, golden_floats(golden, V * E, "weight"), (size_t) V * E * sizeof(float));
	memcpy(c.bias, golden_floats(golden, V, "bias"), (size_t) V * sizeof(float));
	memcpy(c.label, golden_find(golden, "label")->ints, (size_t) M * sizeof(int32_t));
	token_case_pack(&c);
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
		is_near(token_float_difference(c.dx, golden_floats(golden, M * E, "grad x"), (size_t) M * E),
				0.0, 1e-6, "PyTorch, %s: gradient of x", golden->name);
	is_near(token_float_difference(c.table.weight_grad, golden_floats(golden, V * E, "grad weight"), (size_t) V * E),
			0.0, 1e-6, "PyTorch, %s: gradient of W", golden->name);
	is_near(token_float_difference(c.table.bias_grad, golden_floats(golden, V, "grad bias"), (size_t) V),
			0.0, 1e-6, "PyTorch, %s: gradient of b", golden->name);
	token_case_free(&c);
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
attempt(TokenCase *c, int function, long fail_at, long cancel_at)
{
	Attempt		result;
	TokenTouched *touched = calloc(1, sizeof(TokenTouched));
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
											  c->dx, &rng, token_touch, touched, arena, &loss, &err);
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
	TokenCase	c = token_case_create(5000, 8, 30);

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

			token_case_clear(&c);
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
	token_case_free(&c);
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
	test_failures();
	return done_testing();
}
