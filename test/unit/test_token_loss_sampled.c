/*
 * test_token_loss_sampled.c: the sampled softmax over a vocabulary: the whole one
 * if everything is in the sample, else its definition in double; the sampler's
 * distribution; and that it learns what the whole one learns.  Tolerances are those
 * of test_token_loss.c, where its failures are tested, too.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kern/kern.h"
#include "tap.h"
#include "token_case.h"

/* Everything is in the sample: the whole softmax, bit by bit, and all rows touched. */
static void
test_whole_sample(int n_samples, int first_sampled)
{
	TokenCase	c = token_case_create(1500, 12, 40);
	TokenCase	d = c;
	NnArena    *arena = token_case_arena();
	TokenTouched *touched = calloc(1, sizeof(TokenTouched));
	bool		is_ascending = true;
	double		loss,
				loss_sampled;
	NnRng		rng;
	NnError		err;

	nn_rng_seed(&rng, 1);
	d.table.weight_grad = token_case_zeros(1500 * 12);
	d.table.bias_grad = token_case_zeros(1500);
	d.dx = token_case_zeros(40 * 12);
	nn_token_loss(&c.table, c.M, c.x, c.label, 0.0f, 0.5f, c.dx, arena, &loss, NULL, &err);
	nn_token_loss_sampled(&d.table, c.M, c.x, c.label, n_samples, first_sampled, 0.5f, d.dx, &rng,
						  token_touch, touched, arena, &loss_sampled, &err);
	ok(loss == loss_sampled && memcmp(c.dx, d.dx, 40 * 12 * sizeof(float)) == 0 &&
	   token_float_difference(c.table.weight_grad, d.table.weight_grad, 1500 * 12) == 0.0 &&
	   token_float_difference(c.table.bias_grad, d.table.bias_grad, 1500) == 0.0,
	   "n_samples = %d beyond %d: the whole softmax to the last bit", n_samples, first_sampled);
	for (int i = 0; i < touched->n && i < 8192; i++)
		is_ascending &= touched->row[i] == i;
	ok(touched->n == 1500 && is_ascending, "all rows are touched");
	free(d.table.weight_grad);
	free(d.table.bias_grad);
	free(d.dx);
	free(touched);
	token_case_free(&c);
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
	TokenCase	c = token_case_create(V, E, M);
	NnArena    *arena = token_case_arena();
	TokenTouched *touched = calloc(1, sizeof(TokenTouched));
	bool	   *is_in = calloc((size_t) V, sizeof(bool));
	double	   *log_q = calloc((size_t) V, sizeof(double));
	TokenSeen	seen = {is_in, log_q};
	NnRng		rng,
				rng_twin;
	TokenTwin	twin;
	double		loss;
	double		loss_alone;
	int			n = 0;
	bool		is_right = true;
	NnError		err;

	nn_rng_seed(&rng, 7);
	rng_twin = rng;
	twin_sample(V, n_samples, first, &rng_twin, is_in, log_q);
	twin = token_twin(&c, &seen, 0.0, 0.5);
	nn_token_loss_sampled(&c.table, M, c.x, c.label, n_samples, first, 0.5f, c.dx, &rng,
						  token_touch, touched, arena, &loss, &err);
	is_near(loss, twin.loss, 1e-5 * (1.0 + twin.loss), "sampled, V = %d, %d + %d: the loss is the twin's",
			V, first, n_samples);
	is_near(token_case_difference(&c, &twin), 0.0, 1e-5, "the gradients are the twin's");
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
						  token_touch, touched, arena, &loss_alone, &err);
	ok(fabs(loss_alone - loss) <= 1e-12 * loss && n == touched->n, "the same without gradients");
	token_twin_free(&twin);
	free(touched);
	free(is_in);
	free(log_q);
	token_case_free(&c);
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
	TokenCase	c = token_case_create(V, 2, 0);
	NnArena    *arena = token_case_arena();
	TokenTouched *touched = calloc(1, sizeof(TokenTouched));
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
							  token_touch, touched, arena, &loss, &err);
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
	token_case_free(&c);
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
	TokenCase	c = token_case_create(V, 1, V * (V + 1) / 2);
	NnArena    *arena = token_case_arena();
	TokenTouched *touched = calloc(1, sizeof(TokenTouched));
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
							  token_touch, touched, arena, &loss, &err);
		nn_arena_reset(arena);
	}
	for (int v = 0; v < V; v++)
		worst = fmax(worst, fabs((double) c.table.bias_grad[v]) / n_turns / ((v + 1.0) / c.M));
	ok(worst < 0.15, "the true distribution is where the expected gradient vanishes (worst %.3f of p)", worst);
	free(touched);
	token_case_free(&c);
	nn_arena_destroy(arena);
}

/* More samples, less distance from the whole softmax; with all, none. */
static void
test_converges(void)
{
	static const int n_samples[] = {50, 200, 399, 400};
	TokenCase	c = token_case_create(400, 8, 60);
	NnArena    *arena = token_case_arena();
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
	ok(distance[0] > distance[1] && distance[1] > distance[2] && distance[2] < 0.01 && distance[3] < 1e-12,
	   "sampled losses come near to the whole one (%.3f, %.3f, %.5f, %g)",
	   distance[0], distance[1], distance[2], distance[3]);
	token_case_free(&c);
	nn_arena_destroy(arena);
}

int
main(void)
{
	nn_kern_init();
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
	return done_testing();
}
