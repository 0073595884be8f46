/*
 * test_optimizer.c: AdamW against a dense naive twin in double, the lazy form on
 * tables, clipping, and the schedule.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"
#include "train/batch.h"
#include "train/optimizer.h"
#include "train_case.h"

#define N_STEPS 7
#define B 6

static NnError err;

/* All trained tensors of a net, one behind the other, in double. */
typedef struct NaiveAdam
{
	size_t		n;
	double	   *w;
	double	   *g;
	double	   *m;
	double	   *v;
	double	   *rate;
	double	   *decay;
	bool	   *is_touched;		/* in this step; all true but in tables */
} NaiveAdam;

static size_t
numbers(const NnTensor *tensor)
{
	return (size_t) tensor->n_rows * (size_t) tensor->n_columns;
}

static void
naive_create(NaiveAdam *naive, NnNet *net, const NnTrainOptions *options)
{
	size_t		at = 0;

	naive->n = (size_t) nn_net_n_parameters(net);
	naive->w = calloc(naive->n, sizeof(double));
	naive->g = calloc(naive->n, sizeof(double));
	naive->m = calloc(naive->n, sizeof(double));
	naive->v = calloc(naive->n, sizeof(double));
	naive->rate = calloc(naive->n, sizeof(double));
	naive->decay = calloc(naive->n, sizeof(double));
	naive->is_touched = calloc(naive->n, sizeof(bool));
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		for (size_t k = 0; k < numbers(tensor); k++, at++)
		{
			naive->w[at] = (double) tensor->data[k];
			naive->rate[at] = (double) (tensor->is_wide ? options->rate_wide :
										strcmp(tensor->name, "embedding.weight") == 0 ? options->rate_embedding :
										options->rate_recurrent);
			naive->decay[at] = tensor->kind == NN_TENSOR_MATRIX ? (double) options->weight_decay : 0;
		}
	}
}

static void
naive_free(NaiveAdam *naive)
{
	free(naive->w);
	free(naive->g);
	free(naive->m);
	free(naive->v);
	free(naive->rate);
	free(naive->decay);
	free(naive->is_touched);
}

/* Take the net's gradients; a table's row counts as touched if the batch names it. */
static void
naive_read(NaiveAdam *naive, NnNet *net, const NnBatch *batch)
{
	size_t		at = 0;

	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);
		size_t		width = (size_t) tensor->n_columns;
		bool	   *row_touched;

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		row_touched = calloc((size_t) tensor->n_rows, sizeof(bool));
		for (int r = 0; r < tensor->n_rows; r++)
			row_touched[r] = tensor->kind != NN_TENSOR_TABLE;
		if (tensor->kind == NN_TENSOR_TABLE && tensor->is_wide)
			for (int j = 0; j < batch->bag_start[batch->n_sequences]; j++)
				row_touched[batch->bag_row[j]] = true;
		else if (tensor->kind == NN_TENSOR_TABLE)
			for (int u = 0; u < batch->n_distinct; u++)
				row_touched[batch->distinct[u]] = true;
		for (size_t k = 0; k < numbers(tensor); k++, at++)
		{
			naive->g[at] = (double) tensor->grad[k];
			naive->is_touched[at] = row_touched[k / width];
		}
		free(row_touched);
	}
}

static double
naive_norm(const NaiveAdam *naive)
{
	double		sum = 0.0;

	for (size_t i = 0; i < naive->n; i++)
		sum += naive->g[i] * naive->g[i];
	return sqrt(sum);
}

static void
naive_step(NaiveAdam *naive, const NnTrainOptions *options, int t, double share)
{
	double		b1 = (double) options->beta1;
	double		b2 = (double) options->beta2;
	double		norm = naive_norm(naive);
	double		scale = options->clip > 0 && norm > (double) options->clip ? (double) options->clip / norm : 1.0;

	for (size_t i = 0; i < naive->n; i++)
	{
		double		g = scale * naive->g[i];

		if (!naive->is_touched[i])
			continue;
		naive->m[i] = b1 * naive->m[i] + (1 - b1) * g;
		naive->v[i] = b2 * naive->v[i] + (1 - b2) * g * g;
		naive->w[i] -= naive->rate[i] * share *
			(naive->m[i] / (1 - pow(b1, t)) / (sqrt(naive->v[i] / (1 - pow(b2, t))) + (double) options->epsilon) +
			 naive->decay[i] * naive->w[i]);
	}
}

/* The largest difference of the weights, and whether a gradient is left. */
static double
naive_compare(const NaiveAdam *naive, NnNet *net, bool *is_clean)
{
	double		worst = 0.0;
	size_t		at = 0;

	*is_clean = true;
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		for (size_t k = 0; k < numbers(tensor); k++, at++)
		{
			worst = fmax(worst, fabs((double) tensor->data[k] - naive->w[at]));
			*is_clean = *is_clean && tensor->grad[k] == 0;
		}
	}
	return worst;
}

/* A net, its data and its optimizer. */
typedef struct Bench
{
	NnArena    *memory;
	NnArena    *scratch;
	NnSpec		spec;
	NnNet	   *net;
	TrainSet	set;
	NnTrainOptions options;
	NnOptimizer *optimizer;
	NnRng		rng;
	NnBatch		batch;
} Bench;

static void
bench_create(Bench *bench, float clip)
{
	memset(bench, 0, sizeof(*bench));
	bench->memory = nn_arena_create(&nn_env_malloc);
	bench->scratch = nn_arena_create(&nn_env_malloc);
	bench->spec = train_case_text_spec(NN_CELL_LSTM, 300, 400, 3);
	bench->options = train_case_options();
	bench->options.rate_recurrent = 2e-3f;
	bench->options.rate_embedding = 3e-3f;
	bench->options.rate_wide = 5e-3f;
	bench->options.weight_decay = 0.1f;
	bench->options.clip = clip;
	nn_rng_seed(&bench->rng, 12);
	train_set_random_text(&bench->set, &bench->rng, N_STEPS * B, 9, 300, 400, 3);
	bench->net = train_case_net(bench->memory, &bench->spec, 2);
	nn_optimizer_create(&bench->optimizer, bench->net, &bench->options, NULL, bench->memory, &err);
}

static void
bench_destroy(Bench *bench)
{
	train_set_free(&bench->set);
	nn_arena_destroy(bench->scratch);
	nn_arena_destroy(bench->memory);
}

/* Gradients of batch number k. */
static void
bench_backward(Bench *bench, int k)
{
	int32_t		pick[B];
	int32_t		order[B];
	NnDropout	dropout = {0};
	NnLoss		loss_options = {0};
	double		loss;

	for (int i = 0; i < B; i++)
		pick[i] = k * B + i;
	nn_arena_reset(bench->scratch);
	nn_batch_pack(&bench->batch, &bench->spec, &bench->set.examples, pick, B, 0, NULL,
				  bench->scratch, order, &err);
	if (nn_net_backward(bench->net, &bench->batch, NULL, &dropout, &loss_options, &bench->rng,
						bench->scratch, &loss, &err) != NN_OK)
		printf("Bail out! %s\n", err.message);
}

static void
test_twin(float clip, const char *what)
{
	Bench		bench;
	NaiveAdam	naive = {0};
	double		worst = 0.0;
	double		worst_norm = 0.0;
	bool		is_clean = true;
	float		scale[2];

	bench_create(&bench, clip);
	naive_create(&naive, bench.net, &bench.options);
	memcpy(scale, nn_net_find_tensor(bench.net, "scale")->data, sizeof(scale));
	for (int k = 0; k < N_STEPS; k++)
	{
		double		share = 1.0 - 0.1 * k;
		double		norm;
		bool		is_zero;

		bench_backward(&bench, k);
		naive_read(&naive, bench.net, &bench.batch);
		norm = nn_optimizer_norm(bench.optimizer);
		worst_norm = fmax(worst_norm, fabs(norm / naive_norm(&naive) - 1));
		nn_optimizer_step(bench.optimizer, NN_PART_ALL, share, norm);
		nn_net_pack(bench.net);
		naive_step(&naive, &bench.options, k + 1, share);
		worst = fmax(worst, naive_compare(&naive, bench.net, &is_zero));
		is_clean = is_clean && is_zero;
	}
	/* seven steps of a few roundings (6e-8) of weights of about 1 */
	ok(worst < 2e-6, "%s: weights of dense tensors and tables are the twin's after %d steps (off by %.1e)",
	   what, N_STEPS, worst);
	/* squares are summed in double, of the same floats */
	ok(worst_norm < 1e-6, "%s: the norm is over everything (off by %.1e)", what, worst_norm);
	ok(is_clean, "%s: every gradient is zero after its step", what);
	ok(memcmp(scale, nn_net_find_tensor(bench.net, "scale")->data, sizeof(scale)) == 0,
	   "%s: tensors that are fixed do not move", what);
	naive_free(&naive);
	bench_destroy(&bench);
}

/* A row that was touched before and is not now keeps its very bytes. */
static void
test_untouched(void)
{
	Bench		bench;
	const char *const names[] = {"embedding.weight", "bag.weight"};

	bench_create(&bench, 1.0f);
	bench_backward(&bench, 0);
	nn_optimizer_step(bench.optimizer, NN_PART_ALL, 1.0, nn_optimizer_norm(bench.optimizer));
	for (int i = 0; i < 2; i++)
	{
		NnTensor   *table = nn_net_find_tensor(bench.net, names[i]);
		size_t		width = (size_t) table->n_columns;
		float	   *before = malloc(numbers(table) * sizeof(float));
		const int32_t *rows;
		int			n_touched;
		int			n_changed = 0;

		memcpy(before, table->data, numbers(table) * sizeof(float));
		bench_backward(&bench, 1 + i);
		n_touched = nn_net_touched(bench.net, table, &rows);
		nn_optimizer_step(bench.optimizer, NN_PART_ALL, 1.0, nn_optimizer_norm(bench.optimizer));
		for (int r = 0; r < table->n_rows; r++)
			n_changed += memcmp(before + (size_t) r * width, table->data + (size_t) r * width,
								width * sizeof(float)) != 0;
		ok(n_changed == n_touched && n_touched < table->n_rows && n_touched > 0,
		   "%s: %d of %d rows were touched and only they changed", names[i], n_touched, table->n_rows);
		free(before);
	}
	bench_destroy(&bench);
}

static void
test_skip_and_restart(void)
{
	Bench		bench;
	NaiveAdam	naive = {0};
	uint64_t	hash;
	bool		is_clean;
	double		worst;

	bench_create(&bench, 1.0f);
	hash = train_case_hash(bench.net);
	bench_backward(&bench, 0);
	nn_net_find_tensor(bench.net, "head.weight")->grad[3] = NAN;
	ok(isnan(nn_optimizer_norm(bench.optimizer)), "a NaN among the gradients makes the norm one");
	nn_net_find_tensor(bench.net, "head.weight")->grad[3] = INFINITY;
	ok(isinf(nn_optimizer_norm(bench.optimizer)), "and so does infinity");
	nn_optimizer_skip(bench.optimizer, NN_PART_ALL);
	naive_create(&naive, bench.net, &bench.options);
	naive_compare(&naive, bench.net, &is_clean);
	ok(is_clean && hash == train_case_hash(bench.net), "a skipped step leaves no gradient and no trace");

	/* moments of two steps, then a restart: as if fresh, at half the rate */
	for (int k = 1; k < 3; k++)
	{
		bench_backward(&bench, k);
		nn_optimizer_step(bench.optimizer, NN_PART_ALL, 1.0, nn_optimizer_norm(bench.optimizer));
	}
	nn_net_pack(bench.net);
	nn_optimizer_restart(bench.optimizer);
	naive_free(&naive);
	naive_create(&naive, bench.net, &bench.options);
	bench_backward(&bench, 3);
	naive_read(&naive, bench.net, &bench.batch);
	nn_optimizer_step(bench.optimizer, NN_PART_ALL, 1.0, nn_optimizer_norm(bench.optimizer));
	naive_step(&naive, &bench.options, 1, 0.5);
	worst = naive_compare(&naive, bench.net, &is_clean);
	ok(worst < 1e-6, "after a restart: no moments, step 1, half the rates (off by %.1e)", worst);
	naive_free(&naive);
	bench_destroy(&bench);
}

/* 100 steps, 10 of them rising: 0.1, 0.2 ... 1.0, then 90/90, 89/90 ... 1/90. */
static void
test_schedule(void)
{
	NnTrainOptions options = train_case_options();
	double		largest = 0.0;

	options.warmup = 0.1f;
	ok(fabs(nn_schedule_share(&options, 0, 100) - 0.1) < 1e-6, "the first step has a tenth of the rate");
	ok(fabs(nn_schedule_share(&options, 9, 100) - 1.0) < 1e-6, "the tenth all of it");
	ok(fabs(nn_schedule_share(&options, 10, 100) - 1.0) < 1e-6, "so has the next");
	ok(fabs(nn_schedule_share(&options, 55, 100) - 0.5) < 1e-6, "half way down half of it");
	ok(fabs(nn_schedule_share(&options, 99, 100) - 1.0 / 90) < 1e-6, "the last still moves");
	options.is_constant_rate = true;
	ok(nn_schedule_share(&options, 99, 100) == 1.0 && nn_schedule_share(&options, 4, 100) < 0.6,
	   "a constant rate rises and stays");
	options.is_constant_rate = false;
	options.warmup = 0;
	ok(nn_schedule_share(&options, 0, 1) == 1.0, "one step without warm-up");
	options.warmup = 1;
	ok(nn_schedule_share(&options, 0, 1) == 1.0, "one step of warm-up");
	for (int s = 0; s < 7; s++)
		largest = fmax(largest, nn_schedule_share(&options, s, 7));
	ok(largest == 1.0 && nn_schedule_share(&options, 0, 7) > 0, "all steps rising");
}

int
main(void)
{
	test_twin(0, "not clipped");
	test_twin(0.05f, "clipped");
	test_untouched();
	test_skip_and_restart();
	test_schedule();
	return done_testing();
}
