/*
 * test_beam.c: nn/beam.h.
 *
 * The "network" is a table of random log-probabilities by input, step, token
 * before and token.  Whether the search is right is told by
 *  - all sequences, written out: a wide beam finds the best of them in order;
 *  - a naive twin: sort all continuations of a step, keep K, never stop early;
 *  - argmax, for K = 1; figures worked out by hand, for length normalization;
 *  - each input alone, to the last bit.
 * Sampling is judged by chi-square.
 */
#include "nn/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "net_case.h"
#include "tap.h"
#include "test_host.h"

#define V			4
#define MAX_STEPS	5
#define END			2			/* neither the first nor the last token */
#define START		3
#define MAX_INPUTS	8
#define MAX_WIDTH	1500

typedef struct Network
{
	float		log_p[MAX_STEPS][V][V]; /* step, token before, token */
} Network;

/* A hypothesis as the tests hold it. */
typedef struct Whole
{
	int			n;				/* tokens without the end */
	int32_t		token[MAX_STEPS];
	double		log_p;
	double		score;
} Whole;

static Network
random_network(NnRng *rng, float spread)
{
	Network		network;

	for (int t = 0; t < MAX_STEPS; t++)
	{
		for (int before = 0; before < V; before++)
		{
			float	   *x = network.log_p[t][before];
			double		sum = 0;

			for (int v = 0; v < V; v++)
			{
				x[v] = net_case_float(rng, -spread, spread);
				sum += exp((double) x[v]);
			}
			for (int v = 0; v < V; v++)
				x[v] -= (float) log(sum);
		}
	}
	return network;
}

static double
penalty(int length, double alpha)
{
	return pow((5.0 + length) / 6.0, alpha);
}

static NnBeam *
make_beam(NnArena *arena, int n_inputs, int width, double alpha)
{
	NnBeamOptions options = {n_inputs, width, MAX_STEPS, START, END, alpha};
	NnBeam	   *beam;
	NnError		err;

	net_case_check(nn_beam_create(&beam, arena, &options, &err), &err);
	return beam;
}

/* A whole search; how many steps it took. */
static int
search(NnBeam *beam, const Network *network, int n_inputs, const int32_t *max_steps)
{
	static float log_p[MAX_INPUTS * MAX_WIDTH * V];
	const NnBeamRows *rows;
	int			t = 0;

	nn_beam_start(beam, n_inputs, max_steps);
	for (; (rows = nn_beam_rows(beam))->n > 0; t++)
	{
		for (int r = 0; r < rows->n; r++)
			memcpy(log_p + r * V, network[rows->input[r]].log_p[t][rows->token[r]], V * sizeof(float));
		nn_beam_advance(beam, log_p, V);
	}
	return t;
}

static Whole
read_whole(const NnBeam *beam, int input, int rank)
{
	Whole		whole = {0};
	NnHypothesis hypothesis = nn_beam_hypothesis(beam, input, rank, whole.token, NULL);

	whole.n = hypothesis.n_tokens;
	whole.log_p = hypothesis.log_p;
	whole.score = hypothesis.score;
	return whole;
}

static bool
is_same(const Whole *a, const Whole *b)
{
	return a->n == b->n && a->log_p == b->log_p && a->score == b->score &&
		memcmp(a->token, b->token, (size_t) a->n * sizeof(int32_t)) == 0;
}

/* ---- all sequences ---------------------------------------------------------------- */

typedef struct Enumeration
{
	const Network *network;
	double		alpha;
	int			n;
	Whole		whole[MAX_WIDTH];
} Enumeration;

static void
enumerate(Enumeration *all, Whole prefix)
{
	int			before = prefix.n == 0 ? START : prefix.token[prefix.n - 1];
	const float *log_p = all->network->log_p[prefix.n][before];
	Whole		ended = prefix;

	ended.log_p += (double) log_p[END];
	ended.score = ended.log_p / penalty(ended.n + 1, all->alpha);
	all->whole[all->n++] = ended;
	if (prefix.n + 1 == MAX_STEPS)
		return;
	for (int v = 0; v < V; v++)
	{
		Whole		longer = prefix;

		if (v == END)
			continue;
		longer.log_p += (double) log_p[v];
		longer.token[longer.n++] = v;
		enumerate(all, longer);
	}
}

static int
by_score(const void *a, const void *b)
{
	double		x = ((const Whole *) a)->score;
	double		y = ((const Whole *) b)->score;

	return (x < y) - (x > y);
}

static void
test_all_sequences(NnRng *rng, NnArena *arena)
{
	static Enumeration all;
	const double alphas[4] = {0, 0.6, 1, 3};
	int			n_wrong = 0;
	int			n_best_missed = 0;

	for (int turn = 0; turn < 40; turn++)
	{
		Network		network = random_network(rng, 3);
		Whole		empty = {0};
		NnBeam	   *beam;

		nn_arena_reset(arena);
		all.network = &network;
		all.alpha = alphas[turn % 4];
		all.n = 0;
		enumerate(&all, empty);
		qsort(all.whole, (size_t) all.n, sizeof(Whole), by_score);

		/* wide enough for everything: all of them, in order */
		beam = make_beam(arena, 1, MAX_WIDTH, all.alpha);
		search(beam, &network, 1, NULL);
		n_wrong += nn_beam_n_hypotheses(beam, 0) != all.n;
		for (int i = 0; i < nn_beam_n_hypotheses(beam, 0); i++)
		{
			Whole		found = read_whole(beam, 0, i);

			n_wrong += !is_same(&found, &all.whole[i]);
		}

		/* narrower: not everything is kept, but the best is */
		beam = make_beam(arena, 1, 40, all.alpha);
		search(beam, &network, 1, NULL);
		n_best_missed += read_whole(beam, 0, 0).score != all.whole[0].score;
	}
	ok(all.n == 121, "there are 1 + 3 + 9 + 27 + 81 sequences");
	ok(n_wrong == 0, "a beam wide enough finds all of them in order (%d wrong)", n_wrong);
	ok(n_best_missed == 0, "one of 40 finds the best (missed %d times of 40)", n_best_missed);
}

/* ---- the twin ---------------------------------------------------------------------- */

/* K best whole hypotheses into found: every step sorts all continuations. */
static int
naive_search(const Network *network, int K, double alpha, Whole *found)
{
	static Whole live[MAX_WIDTH];
	static Whole next[MAX_WIDTH * V];
	static Whole ended[MAX_WIDTH * MAX_STEPS];
	int			n_live = 1;
	int			n_ended = 0;

	memset(live, 0, sizeof(live[0]));
	for (int t = 0; t < MAX_STEPS; t++)
	{
		int			n_next = 0;

		for (int r = 0; r < n_live; r++)
		{
			for (int v = 0; v < V; v++)
			{
				Whole	   *one = &next[n_next];

				if (t == MAX_STEPS - 1 && v != END)
					continue;
				*one = live[r];
				one->log_p += (double) network->log_p[t][t == 0 ? START : live[r].token[t - 1]][v];
				one->token[one->n++] = v;
				one->score = one->log_p;
				n_next++;
			}
		}
		qsort(next, (size_t) n_next, sizeof(Whole), by_score);
		n_live = 0;
		for (int i = 0; i < n_next && i < K; i++)
		{
			if (next[i].token[t] != END)
				live[n_live++] = next[i];
			else
			{
				ended[n_ended] = next[i];
				ended[n_ended].n--;
				ended[n_ended].score = next[i].log_p / penalty(t + 1, alpha);
				n_ended++;
			}
		}
	}
	qsort(ended, (size_t) n_ended, sizeof(Whole), by_score);
	n_ended = n_ended < K ? n_ended : K;
	memcpy(found, ended, (size_t) n_ended * sizeof(Whole));
	return n_ended;
}

static void
test_against_twin(NnRng *rng, NnArena *arena)
{
	const double alphas[5] = {0, 0.6, 1, -0.5, 4};
	int			n_wrong = 0;
	int			n_early = 0;

	for (int turn = 0; turn < 300; turn++)
	{
		Network		network = random_network(rng, 4);
		int			K = net_case_int(rng, 1, 12);
		double		alpha = alphas[turn % 5];
		Whole		expected[12];
		NnBeam	   *beam;
		int			n;

		nn_arena_reset(arena);
		beam = make_beam(arena, 1, K, alpha);
		n_early += search(beam, &network, 1, NULL) < MAX_STEPS;
		n = naive_search(&network, K, alpha, expected);
		n_wrong += n != nn_beam_n_hypotheses(beam, 0);
		for (int i = 0; i < n && i < nn_beam_n_hypotheses(beam, 0); i++)
		{
			Whole		found = read_whole(beam, 0, i);

			n_wrong += !is_same(&found, &expected[i]);
		}
	}
	ok(n_wrong == 0, "300 searches find what sorting everything finds (%d wrong)", n_wrong);
	ok(n_early > 20, "though %d of them stopped early", n_early);
}

static void
test_greedy(NnRng *rng, NnArena *arena)
{
	int			n_wrong = 0;

	for (int turn = 0; turn < 100; turn++)
	{
		Network		network = random_network(rng, 3);
		NnBeam	   *beam;
		Whole		found;
		Whole		expected = {0};
		int			before = START;

		nn_arena_reset(arena);
		beam = make_beam(arena, 1, 1, 0.6);
		search(beam, &network, 1, NULL);
		found = read_whole(beam, 0, 0);
		for (int t = 0; t < MAX_STEPS && before != END; t++)
		{
			const float *x = network.log_p[t][before];
			int			best = t == MAX_STEPS - 1 ? END : 0;

			for (int v = 1; v < V && t < MAX_STEPS - 1; v++)
				best = x[v] > x[best] ? v : best;
			expected.log_p += (double) x[best];
			if (best != END)
				expected.token[expected.n++] = best;
			before = best;
		}
		expected.score = expected.log_p / penalty(expected.n + 1, 0.6);
		n_wrong += nn_beam_n_hypotheses(beam, 0) != 1 || !is_same(&found, &expected);
	}
	ok(n_wrong == 0, "K = 1 takes the most probable token of each step (%d of 100 wrong)", n_wrong);
}

/* ---- by hand ------------------------------------------------------------------------ */

/*
 * At first the end has log-probability -1.0 and token 0 has -0.5, whose end has
 * -0.6; all else is far below.  So "" has -1.0 and length 1, "0" has -1.1 and
 * length 2.  (5 + 1) / 6 = 1 and (5 + 2) / 6 = 7 / 6: with alpha = 1 the scores
 * are -1 and -1.1 * 6 / 7 = -0.942857, and "0" comes first.
 */
static void
test_length_normalization(NnArena *arena)
{
	Network		network;
	NnBeam	   *beam;

	for (int t = 0; t < MAX_STEPS; t++)
		for (int before = 0; before < V; before++)
			for (int v = 0; v < V; v++)
				network.log_p[t][before][v] = -20;
	network.log_p[0][START][END] = -1.0f;
	network.log_p[0][START][0] = -0.5f;
	network.log_p[1][0][END] = -0.6f;
	nn_arena_reset(arena);
	beam = make_beam(arena, 1, 2, 0);
	search(beam, &network, 1, NULL);
	ok(nn_beam_n_hypotheses(beam, 0) == 2 && read_whole(beam, 0, 0).n == 0, "without it the shorter comes first");
	is_near(read_whole(beam, 0, 0).score, -1.0, 1e-7, "its score is its log-probability");
	is_near(read_whole(beam, 0, 1).score, -1.1, 1e-7, "so is the other's");
	beam = make_beam(arena, 1, 2, 1);
	search(beam, &network, 1, NULL);
	ok(read_whole(beam, 0, 0).n == 1 && read_whole(beam, 0, 0).token[0] == 0, "with it the longer");
	is_near(read_whole(beam, 0, 0).score, -1.1 * 6 / 7, 1e-7, "-1.1 * 6 / 7");
	is_near(read_whole(beam, 0, 0).log_p, -1.1, 1e-7, "of -1.1");
	is_near(read_whole(beam, 0, 1).score, -1.0, 1e-7, "-1 * 6 / 6");
}

static void
test_ties(NnArena *arena)
{
	const int32_t tokens[2][4] = {{0, 0, 0, 0}, {1, 0, 0, 0}};
	Network		network;
	NnBeam	   *beam;
	Whole		first;
	Whole		second;

	memset(&network, 0, sizeof(network));	/* every log-probability is 0 */
	nn_arena_reset(arena);
	beam = make_beam(arena, 1, 2, 0);
	search(beam, &network, 1, NULL);
	first = read_whole(beam, 0, 0);
	second = read_whole(beam, 0, 1);

	/* rows are "0", "1"; then "00", "10", since 0 goes before 1, whatever the row */
	ok(first.n == 4 && memcmp(first.token, tokens[0], 16) == 0, "of equal ones the lower token");
	ok(second.n == 4 && memcmp(second.token, tokens[1], 16) == 0, "then the lower row");
}

/* ---- rows --------------------------------------------------------------------------- */

/* Several inputs with bounds of their own give what each gives alone. */
static void
test_one_answer(NnRng *rng, NnArena *arena)
{
	int			n_wrong = 0;

	for (int turn = 0; turn < 60; turn++)
	{
		Network		network[MAX_INPUTS];
		int32_t		max_steps[MAX_INPUTS];
		int			K = net_case_int(rng, 1, 6);
		int			n_inputs = net_case_int(rng, 1, MAX_INPUTS);
		NnBeam	   *beam;
		NnBeam	   *alone;

		nn_arena_reset(arena);
		beam = make_beam(arena, MAX_INPUTS, K, 0.8);
		alone = make_beam(arena, 1, K, 0.8);
		for (int b = 0; b < n_inputs; b++)
		{
			network[b] = random_network(rng, 3);
			max_steps[b] = net_case_int(rng, 1, MAX_STEPS);
		}
		/* a second search in the same memory */
		search(beam, network, n_inputs / 2, NULL);
		search(beam, network, n_inputs, max_steps);
		for (int b = 0; b < n_inputs; b++)
		{
			search(alone, &network[b], 1, &max_steps[b]);
			n_wrong += nn_beam_n_hypotheses(beam, b) != nn_beam_n_hypotheses(alone, 0);
			for (int i = 0; i < nn_beam_n_hypotheses(alone, 0); i++)
			{
				Whole		x = read_whole(beam, b, i);
				Whole		y = read_whole(alone, 0, i);

				n_wrong += !is_same(&x, &y) || x.n >= max_steps[b];
			}
		}
	}
	ok(n_wrong == 0, "inputs side by side are the same bytes alone (%d wrong)", n_wrong);
}

/*
 * States that follow the rows as a decoder's do: a state is all tokens read so
 * far.  The rows of a hypothesis lead back to the log-probabilities it is made of.
 */
static void
test_rows(NnRng *rng, NnArena *arena)
{
	enum
	{
		K = 5,
		B = 4
	};
	static Whole state[MAX_STEPS][B * K];
	static float log_p[MAX_STEPS][B * K * V];
	int			n_wrong = 0;

	for (int turn = 0; turn < 30; turn++)
	{
		NnBeam	   *beam;
		const NnBeamRows *rows;

		nn_arena_reset(arena);
		beam = make_beam(arena, B, K, 1);
		nn_beam_start(beam, B, NULL);
		for (int t = 0; (rows = nn_beam_rows(beam))->n > 0; t++)
		{
			for (int r = 0; r < rows->n; r++)
			{
				if (t > 0)
				{
					state[t][r] = state[t - 1][rows->parent[r]];
					state[t][r].token[state[t][r].n++] = rows->token[r];
				}
				else
				{
					memset(&state[t][r], 0, sizeof(Whole));
					n_wrong += rows->parent[r] != r || rows->token[r] != START || rows->input[r] != r;
				}
				n_wrong += r > 0 && rows->input[r] < rows->input[r - 1];
			}
			for (int i = 0; i < rows->n * V; i++)
				log_p[t][i] = -net_case_float(rng, 0, 4);
			nn_beam_advance(beam, log_p[t], V);
		}
		for (int b = 0; b < B; b++)
		{
			for (int i = 0; i < nn_beam_n_hypotheses(beam, b); i++)
			{
				int32_t		token[MAX_STEPS];
				int32_t		row[MAX_STEPS];
				NnHypothesis one = nn_beam_hypothesis(beam, b, i, token, row);
				int			n = one.n_tokens;
				double		sum = 0;

				for (int t = 0; t < n; t++)
					sum += (double) log_p[t][row[t] * V + token[t]];
				sum += (double) log_p[n][row[n] * V + END];
				n_wrong += sum != one.log_p || state[n][row[n]].n != n ||
					memcmp(state[n][row[n]].token, token, (size_t) n * sizeof(int32_t)) != 0;
			}
		}
	}
	ok(n_wrong == 0, "parents lead back to states and log-probabilities (%d wrong)", n_wrong);
}

/* A continuation in a large vocabulary. */
typedef struct Next
{
	double		sum;
	int			token;
	int			row;
} Next;

static int
by_sum(const void *a, const void *b)
{
	const Next *x = a;
	const Next *y = b;

	if (x->sum != y->sum)
		return x->sum < y->sum ? 1 : -1;
	return x->token != y->token ? x->token - y->token : x->row - y->row;
}

/*
 * A vocabulary of some hundred tokens, whose log-probabilities are multiples of
 * a step, so that many are equal; some are NaN or forbidden.  Rows must be the
 * first K of all continuations, sorted.
 */
static void
test_large_vocabulary(NnRng *rng, NnArena *arena)
{
	enum
	{
		K = 7,
		N = 333
	};
	static float log_p[K * N];
	static Next next[K * N];
	NnBeamOptions options = {1, K, 6, 0, N - 1, 0};
	NnBeam	   *beam;
	NnError		err;
	int			n_wrong = 0;

	for (int turn = 0; turn < 100; turn++)
	{
		const float steps[3] = {0.25f, 1e-6f, 3};
		float		step = steps[turn % 3];
		double		sum[K] = {0};

		nn_arena_reset(arena);
		net_case_check(nn_beam_create(&beam, arena, &options, &err), &err);
		nn_beam_start(beam, 1, NULL);
		for (int t = 0; t < 5; t++)
		{
			const NnBeamRows *rows = nn_beam_rows(beam);
			int			n = 0;

			for (int r = 0; r < rows->n; r++)
			{
				for (int v = 0; v < N; v++)
				{
					float	   *x = &log_p[r * N + v];
					int			kind = net_case_int(rng, 0, 9);

					*x = kind == 0 ? NAN : kind == 1 ? -INFINITY : -1 - step * (float) net_case_int(rng, 0, 400);
					if (v == N - 1)
						*x = -INFINITY; /* no end before its time */
					if (kind > 1 && v < N - 1)
					{
						next[n].sum = sum[r] + (double) *x;
						next[n].token = v;
						next[n++].row = r;
					}
				}
			}
			nn_beam_advance(beam, log_p, N);
			qsort(next, (size_t) n, sizeof(Next), by_sum);
			n_wrong += rows->n != K;
			for (int r = 0; r < K; r++)
			{
				n_wrong += rows->token[r] != next[r].token || rows->parent[r] != next[r].row;
				sum[r] = next[r].sum;
			}
		}
	}
	ok(n_wrong == 0, "the first K of all continuations of a large vocabulary (%d wrong)", n_wrong);
}

/* ---- strange numbers, failures --------------------------------------------------------- */

static void
test_strange(NnRng *rng, NnArena *arena)
{
	const float strange[4] = {NAN, -INFINITY, INFINITY, -3e38f};
	int			n_wrong = 0;
	Network		network[3];
	NnBeam	   *beam;

	nn_arena_reset(arena);
	beam = make_beam(arena, 3, 3, 1);
	for (int turn = 0; turn < 200; turn++)
	{
		for (int b = 0; b < 3; b++)
		{
			float	   *x = &network[b].log_p[0][0][0];

			network[b] = random_network(rng, 2);
			for (int i = 0; i < MAX_STEPS * V * V; i++)
				x[i] = net_case_int(rng, 0, 2) == 0 ? strange[net_case_int(rng, 0, 3)] : x[i];
		}
		search(beam, network, 3, NULL);
		for (int b = 0; b < 3; b++)
			n_wrong += nn_beam_n_hypotheses(beam, b) < 1 || nn_beam_n_hypotheses(beam, b) > 3;
	}
	ok(n_wrong == 0, "whatever the numbers, each input has hypotheses");
	for (int i = 0; i < MAX_STEPS * V * V; i++)
		(&network[0].log_p[0][0][0])[i] = NAN;
	is_int(search(beam, network, 1, NULL), 1, "nothing but NaN ends at once");
	ok(nn_beam_n_hypotheses(beam, 0) == 1 && read_whole(beam, 0, 0).n == 0 && isinf(read_whole(beam, 0, 0).log_p),
	   "with nothing");

	/* forbidden tokens and NaN are not chosen where there is something else */
	network[0] = random_network(rng, 1);
	for (int t = 0; t < MAX_STEPS; t++)
		for (int before = 0; before < V; before++)
		{
			network[0].log_p[t][before][0] = -INFINITY;
			network[0].log_p[t][before][1] = NAN;
		}
	search(beam, network, 1, NULL);
	n_wrong = 0;
	for (int i = 0; i < nn_beam_n_hypotheses(beam, 0); i++)
		for (int t = 0; t < read_whole(beam, 0, i).n; t++)
			n_wrong += read_whole(beam, 0, i).token[t] != 3;
	ok(n_wrong == 0 && nn_beam_n_hypotheses(beam, 0) == 3, "forbidden tokens are never chosen");
}

static void
test_memory(void)
{
	NnBeamOptions options = {MAX_INPUTS, 6, 400, START, END, 1};
	NnBeamOptions bad = options;
	TestHost	host;
	NnArena    *arena;
	NnBeam	   *beam;
	NnError		err;
	long		n_allocs;
	int			n_wrong = 0;

	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	net_case_check(nn_beam_create(&beam, arena, &options, &err), &err);
	ok(nn_arena_reserve(arena, 1) && nn_beam_bytes(&options) >= 400 * MAX_INPUTS * 6 * 8, "bytes are counted");
	n_allocs = host.n_allocs;
	nn_arena_destroy(arena);
	for (long k = 2; k < n_allocs; k++)
	{
		test_host_init(&host);
		host.fail_at = k;
		host.is_failing_on = true;
		arena = nn_arena_create(&host.env);
		n_wrong += nn_beam_create(&beam, arena, &options, &err) != NN_ENOMEM || beam != NULL;
		nn_arena_destroy(arena);
		n_wrong += host.n_live != 0;
	}
	ok(n_wrong == 0, "allocations may fail");

	/* with what nn_beam_bytes() says reserved, creation takes no more */
	test_host_init(&host);
	arena = nn_arena_create(&host.env);
	ok(nn_arena_reserve(arena, nn_beam_bytes(&options)), "room for all");
	n_allocs = host.n_allocs;
	net_case_check(nn_beam_create(&beam, arena, &options, &err), &err);
	is_int(host.n_allocs, n_allocs, "it is enough");

	bad.width = 0;
	ok(nn_beam_create(&beam, arena, &bad, &err) == NN_ERANGE, "no hypotheses");
	bad.width = 1 << 30;
	ok(nn_beam_create(&beam, arena, &bad, &err) == NN_ERANGE, "too many hypotheses");
	bad = options;
	bad.max_steps = 0;
	ok(nn_beam_create(&beam, arena, &bad, &err) == NN_ERANGE, "no steps");
	bad = options;
	bad.alpha = NAN;
	ok(nn_beam_create(&beam, arena, &bad, &err) == NN_ERANGE, "alpha that is not a number");
	nn_arena_destroy(arena);
}

/* ---- drawing -------------------------------------------------------------------------- */

#define N_DRAWN 40000

/*
 * Chi-square of N_DRAWN draws against probabilities p (n); a token of
 * probability 0 must not occur.
 */
static double
chi_square(const float *log_p, int n, double temperature, int top_k, const double *p, NnRng *rng)
{
	int			count[16] = {0};
	double		sum = 0;

	for (int i = 0; i < N_DRAWN; i++)
		count[nn_sample_token(log_p, n, temperature, top_k, rng)]++;
	for (int v = 0; v < n; v++)
	{
		double		expected = N_DRAWN * p[v];

		if (p[v] > 0)
			sum += (count[v] - expected) * (count[v] - expected) / expected;
		else if (count[v] > 0)
			return INFINITY;
	}
	return sum;
}

static void
test_sampling(NnRng *rng)
{
	const double p[6] = {0.4, 0.05, 0.25, 0.1, 0.15, 0.05};
	const double flat[6] = {0.16, 0.16, 0.16, 0.16, 0.16, 0.2};
	float		log_p[6];
	float		log_flat[6];
	double		q[6];
	double		total = 0;

	/* 20.5 is passed once in a thousand with 5 degrees of freedom; the seed is fixed */
	for (int v = 0; v < 6; v++)
	{
		log_p[v] = (float) log(p[v]);
		log_flat[v] = (float) log(flat[v]);
	}
	is_near(chi_square(log_p, 6, 1, 0, p, rng), 0, 20.5, "drawn as often as probable");
	for (int v = 0; v < 6; v++)
		total += p[v] * p[v];
	for (int v = 0; v < 6; v++)
		q[v] = p[v] * p[v] / total;
	is_near(chi_square(log_p, 6, 0.5, 0, q, rng), 0, 20.5, "at half the temperature as its square");
	for (int v = 0; v < 6; v++)
		q[v] = p[v] >= 0.15 ? p[v] / 0.8 : 0;
	is_near(chi_square(log_p, 6, 1, 3, q, rng), 0, 13.8, "of the top three only");
	for (int v = 0; v < 6; v++)
		q[v] = v == 5 ? 0.2 / 0.52 : v < 2 ? 0.16 / 0.52 : 0;
	is_near(chi_square(log_flat, 6, 1, 3, q, rng), 0, 13.8, "of equal ones the lower tokens");
	for (int v = 0; v < 6; v++)
		log_p[v] += 7;
	is_near(chi_square(log_p, 6, 1, 6, p, rng), 0, 20.5, "logits do as well, and top 6 of 6 is all");
}

static void
test_sampling_edges(NnRng *rng)
{
	const float x[6] = {-1, NAN, 3, -INFINITY, 3, 2};
	const float none[3] = {NAN, NAN, NAN};
	const float infinite[3] = {1, INFINITY, INFINITY};
	NnRng		before = *rng;
	int			n_wrong = 0;

	is_int(nn_sample_token(x, 6, 0, 0, rng), 2, "temperature 0: the most probable, of equal ones the lower");
	is_int(nn_sample_token(x, 6, NAN, 0, rng), 2, "NaN likewise");
	is_int(nn_sample_token(none, 3, 1, 0, rng), 0, "nothing but NaN");
	is_int(nn_sample_token(infinite, 3, 1, 0, rng), 1, "infinity");
	ok(memcmp(&before, rng, sizeof(before)) == 0, "none of which draws");
	is_int(nn_sample_token(x, 6, 1, 1, rng), 2, "top 1");
	is_int(nn_sample_token(x, 1, 1, 0, rng), 0, "a vocabulary of one");
	is_int(nn_sample_token(x, 6, 1e-300, 1, rng), 2, "next to no temperature");
	for (int i = 0; i < 2000; i++)
	{
		int32_t		v = nn_sample_token(x, 6, 1e300, i % 8, rng);

		n_wrong += v == 1 || v == 3;
	}
	ok(n_wrong == 0, "neither NaN nor -infinity is drawn, however hot");
}

int
main(void)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnRng		rng;

	nn_rng_seed(&rng, 20240302);
	test_all_sequences(&rng, arena);
	test_against_twin(&rng, arena);
	test_greedy(&rng, arena);
	test_length_normalization(arena);
	test_ties(arena);
	test_one_answer(&rng, arena);
	test_rows(&rng, arena);
	test_large_vocabulary(&rng, arena);
	test_strange(&rng, arena);
	test_memory();
	test_sampling(&rng);
	test_sampling_edges(&rng);
	nn_arena_destroy(arena);
	return done_testing();
}
