/*
 * bench/speed/train.c: our side of the training rows of bench/speed/train.py.
 *
 *	train run CELL DIRECTIONS E H V BATCH DATA SEED WEIGHTS [KERNEL]
 *		trains two epochs and prints the seconds of the second, on the wall and of the
 *		processor, and the kernels: dealing and packing of
 *		the batches, forward, backward, clipping, AdamW, packing of the weights; all
 *		that nn_train() does but validation and the copy of the best weights
 *	train check CELL DIRECTIONS E H V BATCH DATA STEPS OPTIMIZER RATE CLIP WEIGHTS OUT
 *		trains on the first BATCH examples alone, from the weights of a file; prints
 *		loss and norm of each step, and writes the weights it ends with
 *	train peak
 *		GFLOP/s of one core that does nothing but fused multiply-add in registers
 *
 * DATA is int32: n, n lengths, n labels, all tokens.  WEIGHTS and OUT are the
 * tensors that are trained, as floats, in the net's order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"
#include "train/train.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
fail(const char *what)
{
	fprintf(stderr, "train: %s\n", what);
	exit(1);
}

/* ---- the peak ----------------------------------------------------------------- */

/*
 * Sixteen chains of fused multiply-add, which hide its latency; the compiler must
 * take each for unknown, so that none is folded away.
 */
#define PEAK_CHAINS	16
#define PEAK_TURNS	200000

#define PEAK_LOOP(Vector, zero, multiply_add) \
	do { \
		Vector		a[PEAK_CHAINS]; \
		Vector		x = (zero); \
		for (int j = 0; j < PEAK_CHAINS; j++) \
			a[j] = (zero); \
		for (int i = 0; i < PEAK_TURNS; i++) \
		{ \
			_Pragma("GCC unroll 16") \
			for (int j = 0; j < PEAK_CHAINS; j++) \
				a[j] = multiply_add(x, x, a[j]); \
			__asm__ volatile("" : "+" PEAK_REGISTER(x)); \
		} \
		for (int j = 0; j < PEAK_CHAINS; j++) \
			__asm__ volatile("" : : PEAK_REGISTER(a[j])); \
	} while (0)

#if defined(__x86_64__)
#define PEAK_REGISTER "v"
__attribute__((target("avx512f"))) static int
peak_avx512(void)
{
	PEAK_LOOP(__m512, _mm512_setzero_ps(), _mm512_fmadd_ps);
	return 16;
}

__attribute__((target("avx2,fma"))) static int
peak_avx2(void)
{
	PEAK_LOOP(__m256, _mm256_setzero_ps(), _mm256_fmadd_ps);
	return 8;
}

/* Runs the loop; returns the floats of its vectors, 0 if there is no loop for this CPU. */
static int
peak_turns(void)
{
	if (__builtin_cpu_supports("avx512f"))
		return peak_avx512();
	if (__builtin_cpu_supports("fma"))
		return peak_avx2();
	return 0;
}
#elif defined(__aarch64__)
#define PEAK_REGISTER "w"
#define NEON_MULTIPLY_ADD(x, y, a) vfmaq_f32(a, x, y)
static int
peak_turns(void)
{
	PEAK_LOOP(float32x4_t, vdupq_n_f32(0.0f), NEON_MULTIPLY_ADD);
	return 4;
}
#else
static int
peak_turns(void)
{
	return 0;
}
#endif

/* The best of some runs: the peak is what the core can do, not what it was left to do. */
static void
print_peak(void)
{
	double		best = 0.0;

	for (int run = 0; run < 40; run++)
	{
		double		started = seconds(CLOCK_PROCESS_CPUTIME_ID);
		int			width = peak_turns();
		double		took = seconds(CLOCK_PROCESS_CPUTIME_ID) - started;
		double		rate = 2.0 * width * PEAK_CHAINS * PEAK_TURNS / took * 1e-9;

		best = rate > best ? rate : best;
	}
	printf("%.1f\n", best);
}

/* ---- what is trained ------------------------------------------------------------ */

static int32_t *
read_all(const char *path, size_t *n)
{
	FILE	   *f = fopen(path, "rb");
	int32_t    *items;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0)
		fail("cannot read a file");
	*n = (size_t) ftell(f) / sizeof(int32_t);
	items = malloc(*n * sizeof(int32_t) + 1);
	rewind(f);
	if (items == NULL || fread(items, sizeof(int32_t), *n, f) != *n)
		fail("cannot read a file");
	fclose(f);
	return items;
}

static void
read_examples(const char *path, NnExamples *examples)
{
	size_t		n_items;
	int32_t    *items = read_all(path, &n_items);
	int32_t		n = items[0];
	int64_t    *start = calloc((size_t) n + 1, sizeof(int64_t));

	for (int32_t i = 0; i < n; i++)
		start[i + 1] = start[i] + items[1 + i];
	if (n_items != 1 + 2 * (size_t) n + (size_t) start[n])
		fail("the data file is not one");
	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	examples->token_start = start;
	examples->label = items + 1 + n;
	examples->token = items + 1 + 2 * n;
}

static NnNet *
create_net(char **argv, NnArena *arena)
{
	NnSpec		spec = {0};
	NnNet	   *net;
	NnError		err;

	spec.task = NN_TASK_CLASSIFY;
	spec.input = NN_INPUT_TEXT;
	spec.n_outputs = 2;
	spec.cell = (NnCell) nn_cell_from_name(argv[2]);
	spec.is_bidirectional = atoi(argv[3]) == 2;
	spec.n_layers = 1;
	spec.embedding = atoi(argv[4]);
	spec.hidden = atoi(argv[5]);
	spec.pool = NN_POOL_LAST;
	spec.vocabulary = atoi(argv[6]);
	if (nn_net_create(&net, arena, &spec, true, &err) != NN_OK)
		fail(err.message);
	return net;
}

static void
common_options(NnTrainOptions *options, char **argv)
{
	memset(options, 0, sizeof(*options));
	options->batch = atoi(argv[7]);
	options->window = 50;
	options->rate_recurrent = options->rate_embedding = options->rate_wide = 1e-3f;
	options->beta1 = 0.9f;
	options->beta2 = 0.999f;
	options->epsilon = 1e-8f;
	options->weight_decay = 0.01f;
	options->clip = 1.0f;
	options->keep = NN_KEEP_LAST;
	options->is_constant_rate = true;
	options->seed = 1;
}

/* Read or write the tensors that are trained. */
static void
move_weights(NnNet *net, const char *path, bool is_written)
{
	FILE	   *f = fopen(path, is_written ? "wb" : "rb");

	for (int i = 0; f != NULL && i < nn_net_n_tensors(net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(net, i);
		size_t		n = (size_t) tensor->n_rows * (size_t) tensor->n_columns;

		if (tensor->kind == NN_TENSOR_FIXED)
			continue;
		if ((is_written ? fwrite(tensor->data, sizeof(float), n, f) : fread(tensor->data, sizeof(float), n, f)) != n)
			fail("weights of another size");
	}
	if (f == NULL || fclose(f) != 0)
		fail("cannot open a file of weights");
}

/* ---- run: the time of an epoch's steps ------------------------------------------ */

typedef struct Stopwatch
{
	double		wall;			/* from the end of epoch 1 to the last step of epoch 2 */
	double		processor;
} Stopwatch;

/* A clock that runs so fast that the trainer reports after every step. */
static double
fast_clock(void *ctx)
{
	(void) ctx;
	return seconds(CLOCK_MONOTONIC) * 1e7;
}

static void
watch(void *ctx, const NnProgress *progress)
{
	Stopwatch  *stopwatch = ctx;

	if (progress->epoch == 1 && progress->is_epoch_end)
	{
		stopwatch->wall = -seconds(CLOCK_MONOTONIC);
		stopwatch->processor = -seconds(CLOCK_PROCESS_CPUTIME_ID);
	}
	if (progress->epoch == 2 && !progress->is_epoch_end && progress->n_rows_done == progress->n_rows)
	{
		stopwatch->wall += seconds(CLOCK_MONOTONIC);
		stopwatch->processor += seconds(CLOCK_PROCESS_CPUTIME_ID);
	}
}

static void
run(char **argv, const char *kernel)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net = create_net(argv, arena);
	NnTrainReport *report = calloc(1, sizeof(NnTrainReport));
	Stopwatch	stopwatch = {0};
	NnEnv		env = nn_env_malloc;
	NnExamples	none = {0};
	NnExamples	examples;
	NnTrainOptions options;
	NnError		err;

	if (kernel != NULL && !nn_kern_use(kernel))
		fail("no such kernels");
	read_examples(argv[8], &examples);
	common_options(&options, argv);
	options.epochs = 2;
	options.seed = strtoull(argv[9], NULL, 10);
	env.ctx = &stopwatch;
	env.progress = watch;
	env.now = fast_clock;
	move_weights(net, argv[10], false);
	if (nn_train(net, &examples, &none, &options, &env, report, &err) != NN_OK)
		fail(err.message);
	printf("%.6f %.6f %s %s\n", stopwatch.wall, stopwatch.processor, nn_kern_name(), nn_gemm_name(NULL));
	nn_arena_destroy(arena);
}

/* ---- check: the numbers of a few steps ------------------------------------------- */

static void
check(char **argv)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net = create_net(argv, arena);
	NnTrainReport *report = calloc(1, sizeof(NnTrainReport));
	NnExamples	none = {0};
	NnExamples	examples;
	NnTrainOptions options;
	NnError		err;

	read_examples(argv[8], &examples);
	if (examples.n > atoi(argv[7]))
		examples.n = atoi(argv[7]);
	common_options(&options, argv);
	options.epochs = atoi(argv[9]);
	options.optimizer = strcmp(argv[10], "sgd") == 0 ? NN_OPTIMIZER_SGD : NN_OPTIMIZER_ADAMW;
	options.rate_recurrent = options.rate_embedding = strtof(argv[11], NULL);
	if (options.optimizer == NN_OPTIMIZER_SGD)
		options.weight_decay = 0.0f;
	options.clip = strtof(argv[12], NULL);
	move_weights(net, argv[13], false);
	if (nn_train(net, &examples, &none, &options, &nn_env_malloc, report, &err) != NN_OK)
		fail(err.message);
	for (int i = 0; i < report->n_epochs; i++)
		printf("%.9g %.9g\n", report->epoch[i].loss_train, report->epoch[i].gradient_norm);
	move_weights(net, argv[14], true);
	nn_arena_destroy(arena);
}

int
main(int argc, char **argv)
{
	nn_kern_init();
	if (argc >= 2 && strcmp(argv[1], "peak") == 0)
		print_peak();
	else if (argc >= 11 && strcmp(argv[1], "run") == 0)
		run(argv, argc > 11 ? argv[11] : NULL);
	else if (argc >= 15 && strcmp(argv[1], "check") == 0)
		check(argv);
	else
		return 2;
	return 0;
}
