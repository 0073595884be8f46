/*
 * test_net.c: the forward pass of nn/net.h.
 *
 *  - it says what the naive twin says, for every cell, direction, depth and
 *    input, with random sizes, poolings, wide branches, tasks and lengths;
 *  - one answer (promise P2): a row's outputs are the same bytes alone, in any
 *    batch and in any order.
 *
 * All of it with each kernel set that this CPU has.
 */
#include "net_case.h"

#include <math.h>
#include <string.h>
#include "kern/kern.h"
#include "tap.h"

/*
 * Absolute and relative.  A gate is off by up to 4e-7 (kern/kern.h) and the
 * rounding of its sum; a state gathers that over steps and layers, and the head
 * sums up to a few hundred of them.  Measured: at most 3e-6.
 */
#define TOLERANCE 2e-5

/* One pass over some rows; results stand in the order of pick. */
typedef struct Answers
{
	float	   *out;			/* (n, C) */
	float	   *recurrent;		/* (n, C) */
	float	   *wide;			/* (n, C) */
	float	   *hidden;			/* (n, pooled + D) */
} Answers;

static Answers
take_answers(const NnSpec *spec, int n)
{
	Answers		answers;

	answers.out = net_case_alloc((size_t) n * spec->n_outputs, sizeof(float));
	answers.recurrent = net_case_alloc((size_t) n * spec->n_outputs, sizeof(float));
	answers.wide = net_case_alloc((size_t) n * spec->n_outputs, sizeof(float));
	answers.hidden = net_case_alloc((size_t) n * naive_net_hidden(spec), sizeof(float));
	return answers;
}

/* Row `from` of one pass to row `to` of another. */
static void
copy_answer(const NnSpec *spec, const Answers *source, int from, Answers *target, int to)
{
	size_t		C = spec->n_outputs;
	size_t		D = naive_net_hidden(spec);

	memcpy(target->out + to * C, source->out + from * C, C * sizeof(float));
	memcpy(target->recurrent + to * C, source->recurrent + from * C, C * sizeof(float));
	memcpy(target->wide + to * C, source->wide + from * C, C * sizeof(float));
	memcpy(target->hidden + to * D, source->hidden + from * D, D * sizeof(float));
}

static bool
is_same_answer(const NnSpec *spec, const Answers *a, int i, const Answers *b, int j)
{
	size_t		C = spec->n_outputs;
	size_t		D = naive_net_hidden(spec);

	return memcmp(a->out + i * C, b->out + j * C, C * sizeof(float)) == 0 &&
		memcmp(a->recurrent + i * C, b->recurrent + j * C, C * sizeof(float)) == 0 &&
		memcmp(a->wide + i * C, b->wide + j * C, C * sizeof(float)) == 0 &&
		memcmp(a->hidden + i * D, b->hidden + j * D, D * sizeof(float)) == 0;
}

/* Answers for rows[pick[0 ... n - 1]] in one batch; pick NULL: the first n. */
static Answers
answer(const NnNet *net, const NaiveRow *rows, const int *pick, int n)
{
	const NnSpec *spec = nn_net_spec(net);
	Answers		packed = take_answers(spec, n);
	Answers		answers = take_answers(spec, n);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnBatch		batch;
	NnError		err;
	int			order[NET_CASE_MAX_ROWS];

	net_case_pack(spec, rows, pick, n, &batch, order);
	net_case_check(nn_net_forward(net, &batch, scratch, packed.out, packed.recurrent, packed.wide,
								  packed.hidden, &err), &err);
	nn_arena_destroy(scratch);
	for (int i = 0; i < n; i++)
	{
		int			row = pick != NULL ? pick[i] : i;

		for (int b = 0; b < n; b++)
			if (order[b] == row)
				copy_answer(spec, &packed, b, &answers, i);
	}
	return answers;
}

/* The largest |x - y| / (1 + |y|); NaN counts as infinite. */
static double
distance(int n, const float *x, const double *y)
{
	double		largest = 0;

	for (int i = 0; i < n; i++)
	{
		double		d = fabs(x[i] - y[i]) / (1 + fabs(y[i]));

		largest = net_case_worse(largest, d);
	}
	return largest;
}

/* The largest distance of a batch's answers from the twin's. */
static double
distance_from_twin(NnNet *net, const NaiveRow *rows, int n)
{
	const NnSpec *spec = nn_net_spec(net);
	int			C = spec->n_outputs;
	int			D = naive_net_hidden(spec);
	Answers		answers = answer(net, rows, NULL, n);
	double	   *out = net_case_alloc(C, sizeof(double));
	double	   *recurrent = net_case_alloc(C, sizeof(double));
	double	   *wide = net_case_alloc(C, sizeof(double));
	double	   *hidden = net_case_alloc(D, sizeof(double));
	double		largest = 0;
	NaiveNet	naive;

	naive_net_read(&naive, net);
	for (int i = 0; i < n; i++)
	{
		naive_net_forward(&naive, &rows[i], out, recurrent, wide, hidden);
		largest = net_case_worse(largest, distance(C, answers.out + (size_t) i * C, out));
		largest = net_case_worse(largest, distance(D, answers.hidden + (size_t) i * D, hidden));
		if (spec->cell != NN_CELL_NONE)
			largest = net_case_worse(largest, distance(C, answers.recurrent + (size_t) i * C, recurrent));
		if (spec->wide != NN_WIDE_NONE)
			largest = net_case_worse(largest, distance(C, answers.wide + (size_t) i * C, wide));
	}
	naive_net_free(&naive);
	return largest;
}

static void
shuffle(NnRng *rng, int *items, int n)
{
	for (int i = n - 1; i > 0; i--)
	{
		int			j = net_case_int(rng, 0, i);
		int			item = items[i];

		items[i] = items[j];
		items[j] = item;
	}
}

/*
 * Rows whose bytes differ from those of the whole batch when they are answered
 * alone, or in one of n_rounds random parts of the batch in random order.
 */
static int
count_unstable(const NnNet *net, const NaiveRow *rows, int n, int n_rounds, NnRng *rng)
{
	const NnSpec *spec = nn_net_spec(net);
	Answers		whole = answer(net, rows, NULL, n);
	int			n_unstable = 0;
	int			pick[NET_CASE_MAX_ROWS];

	for (int i = 0; i < n; i++)
	{
		Answers		alone = answer(net, rows, &i, 1);

		n_unstable += !is_same_answer(spec, &alone, 0, &whole, i);
	}
	for (int round = 0; round < n_rounds; round++)
	{
		int			n_part = net_case_int(rng, 2, n);
		Answers		part;

		for (int i = 0; i < n; i++)
			pick[i] = i;
		shuffle(rng, pick, n);
		part = answer(net, rows, pick, n_part);
		for (int i = 0; i < n_part; i++)
			n_unstable += !is_same_answer(spec, &part, i, &whole, pick[i]);
	}
	return n_unstable;
}

/* Several random nets of one architecture: the twin, and one answer. */
static void
test_architecture(NnCell cell, NnInputKind input, int n_layers, bool is_bidirectional, int n_nets)
{
	static const int max_hidden[] = {4, 12, 40, 4, 12, 40};
	NnRng		rng;
	double		largest = 0;
	int			n_unstable = 0;

	nn_rng_seed(&rng, 1000 * cell + 100 * input + 10 * n_layers + is_bidirectional);
	for (int k = 0; k < n_nets; k++)
	{
		NnSpec		spec = net_case_spec(&rng, cell, input, n_layers, is_bidirectional, max_hidden[k]);
		NetCaseRows wish = {net_case_int(&rng, 2, 9), 12, true, false};
		NaiveRow   *rows = net_case_rows(&rng, &spec, wish);
		NnArena    *arena = nn_arena_create(&nn_env_malloc);
		NnNet	   *net = net_case_net(&rng, &spec, arena, false);

		largest = net_case_worse(largest, distance_from_twin(net, rows, wish.n));
		n_unstable += count_unstable(net, rows, wish.n, 4, &rng);
		nn_arena_destroy(arena);
		net_case_free_all();
	}
	ok(largest < TOLERANCE, "%s, %s, %d layer(s)%s: the twin's answers (off by %.1e)",
	   net_case_cells[cell], net_case_inputs[input], n_layers, is_bidirectional ? ", bidirectional" : "", largest);
	ok(n_unstable == 0, "%s, %s, %d layer(s)%s: the same bytes alone, in part and in other order (%d differ)",
	   net_case_cells[cell], net_case_inputs[input], n_layers, is_bidirectional ? ", bidirectional" : "", n_unstable);
}

/* Sizes that fill vector registers and blocks of rows, and do not divide by them. */
static void
test_large(NnCell cell)
{
	NnSpec		spec = {0};
	NetCaseRows wish = {37, 9, true, false};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NaiveRow   *rows;
	NnNet	   *net;
	NnRng		rng;
	double		d;
	int			n_unstable;

	spec.input = NN_INPUT_TEXT;
	spec.n_outputs = 19;
	spec.cell = cell;
	spec.n_layers = 2;
	spec.hidden = 67;
	spec.is_bidirectional = true;
	spec.pool = NN_POOL_LAST | NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION;
	spec.vocabulary = 300;
	spec.embedding = 50;
	spec.wide = NN_WIDE_BAG;
	spec.wide_inputs = 100;
	spec.wide_hidden = 33;
	nn_rng_seed(&rng, 5 + cell);
	rows = net_case_rows(&rng, &spec, wish);
	net = net_case_net(&rng, &spec, arena, false);
	d = distance_from_twin(net, rows, wish.n);
	ok(d < TOLERANCE, "%s, 37 rows, H = 67: the twin's answers (off by %.1e)", net_case_cells[cell], d);
	n_unstable = count_unstable(net, rows, wish.n, 10, &rng);
	ok(n_unstable == 0, "%s, 37 rows, H = 67: the same bytes in any batch (%d differ)",
	   net_case_cells[cell], n_unstable);
	nn_arena_destroy(arena);
	net_case_free_all();
}

static void
test_kernels(const char *name)
{
	/* The naive kernels call fmaf for each product, which the sanitizers make slow: small nets only. */
	bool		is_slow = strcmp(name, "naive") == 0;
	int			n_nets = is_slow ? 2 : 6;

	if (!nn_kern_use(name))
	{
		printf("# no %s kernels on this machine\n", name);
		return;
	}
	printf("# kernels: %s\n", name);
	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		for (int input = NN_INPUT_TEXT; input <= NN_INPUT_VECTOR; input++)
			for (int n_layers = 1; n_layers <= 3; n_layers++)
				for (int k = 0; k < 2; k++)
					test_architecture((NnCell) cell, (NnInputKind) input, n_layers, k == 1, n_nets);
		if (!is_slow)
			test_large((NnCell) cell);
	}
	for (int input = NN_INPUT_TEXT; input <= NN_INPUT_VECTOR; input++)
		test_architecture(NN_CELL_NONE, (NnInputKind) input, 0, false, n_nets);
}

/* ---- edges ---------------------------------------------------------------- */

/* Batches of nothing but empty rows, and results that nobody wants. */
static void
test_empty(NnNet *net, const NaiveRow *rows, int n)
{
	const NnSpec *spec = nn_net_spec(net);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	Answers		answers;
	NnBatch		batch;
	int			order[NET_CASE_MAX_ROWS];
	int			empty[] = {0, 0, 0};
	float	   *out = net_case_alloc((size_t) n * spec->n_outputs, sizeof(float));
	bool		is_same = true;

	ok(distance_from_twin(net, rows, 1) < TOLERANCE, "one empty row alone");
	answers = answer(net, rows, empty, 3);
	ok(is_same_answer(spec, &answers, 0, &answers, 2), "three empty rows");

	answers = answer(net, rows, NULL, n);
	net_case_pack(spec, rows, NULL, n, &batch, order);
	ok(nn_net_forward(net, &batch, scratch, out, NULL, NULL, NULL, NULL) == NN_OK, "only the sum is wanted");
	for (int b = 0; b < n; b++)
		is_same = is_same && memcmp(out + (size_t) b * spec->n_outputs,
									answers.out + (size_t) order[b] * spec->n_outputs,
									spec->n_outputs * sizeof(float)) == 0;
	ok(is_same, "and it is the same");
	nn_arena_destroy(scratch);
}

static void
test_edges(void)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NetCaseRows wish = {5, 6, true, false};
	NnRng		rng;
	NnSpec		spec;
	NnNet	   *net;
	NaiveRow   *rows;
	Answers		answers;
	bool		is_finite = true;

	nn_rng_seed(&rng, 77);
	spec = net_case_spec(&rng, NN_CELL_LSTM, NN_INPUT_TEXT, 2, true, 9);
	spec.pool = NN_POOL_LAST | NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION;
	net = net_case_net(&rng, &spec, arena, false);
	rows = net_case_rows(&rng, &spec, wish);
	test_empty(net, rows, wish.n);

	for (int k = 0; k < nn_net_n_tensors(net); k++)
		for (int i = 0; i < net_case_size(nn_net_tensor(net, k)); i++)
			nn_net_tensor(net, k)->data[i] *= 1000.0f;
	nn_net_pack(net);
	answers = answer(net, rows, NULL, wish.n);
	for (int i = 0; i < wish.n * spec.n_outputs; i++)
		is_finite = is_finite && isfinite(answers.out[i]);
	ok(is_finite, "weights of thousands saturate gates and attention, and answers stay finite");
	nn_arena_destroy(arena);
	net_case_free_all();
}

int
main(void)
{
	static const char *const kernels[] = {"naive", "generic", "avx2", "avx512"};

	nn_kern_init();
	test_edges();
	for (int k = 0; k < 4; k++)
		test_kernels(kernels[k]);
	return done_testing();
}
