/*
 * bench/speed/answer.c: our side of the rows of bench/speed/answer.py.
 *
 *	answer tokens MODEL TEXTS DATA	what the network reads of each text, for the other sides: int32 n,
 *									n lengths, all tokens
 *	answer check MODEL TEXTS OUT	answers (n, C) as floats; each text alone must give the same bits
 *									as all together
 *	answer run MODEL TEXTS			seconds on the wall and of the processor, of all texts: from texts to
 *									answers; from tokens to answers; from texts, one after the other
 *	answer one MODEL TEXTS			microseconds of the first text alone, warm: the median, and that of
 *									the network alone
 *
 * MODEL is a weights file, TEXTS has a text a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"
#include "model/answer.h"
#include "model/encode.h"
#include "model/file.h"
#include "train/train.h"

/* Texts of one call of nn_answer(), as a query of many rows would give them. */
#define CHUNK		2048
#define ONE_TURNS	2001

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
	fprintf(stderr, "answer: %s\n", what);
	exit(1);
}

/* ---- model and texts ------------------------------------------------------------ */

static char *
read_all(const char *path, size_t *n)
{
	FILE	   *f = fopen(path, "rb");
	char	   *bytes;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0)
		fail("cannot read a file");
	*n = (size_t) ftell(f);
	bytes = malloc(*n + 1);
	rewind(f);
	if (bytes == NULL || fread(bytes, 1, *n, f) != *n)
		fail("cannot read a file");
	bytes[*n] = '\0';
	fclose(f);
	return bytes;
}

static NnModel *
read_model(const char *path)
{
	NnModel    *model;
	NnError		err;
	size_t		n;
	char	   *bytes = read_all(path, &n);

	if (nn_file_read(&model, bytes, n, 0, &nn_env_malloc, &err) != NN_OK)
		fail(err.message);
	free(bytes);
	return model;
}

static NnValue *
read_texts(const char *path, int *n)
{
	size_t		n_bytes;
	char	   *at = read_all(path, &n_bytes);
	NnValue    *texts = calloc(n_bytes + 1, sizeof(NnValue));

	for (*n = 0; *at != '\0'; (*n)++)
	{
		texts[*n].kind = NN_VALUE_TEXT;
		texts[*n].text = at;
		texts[*n].n_bytes = strcspn(at, "\n");
		at += texts[*n].n_bytes;
		at += *at == '\n';
	}
	return texts;
}

static void
encode(const NnModel *model, const NnValue *texts, int n, NnArena *scratch, NnExamples *examples)
{
	NnError		err;

	if (nn_encode(model, texts, n, scratch, examples, NULL, &err) != NN_OK)
		fail(err.message);
}

static void
answer(const NnModel *model, const NnValue *texts, int n, NnArena *scratch, float *out)
{
	NnError		err;

	for (int done = 0; done < n; done += CHUNK)
	{
		int			size = n - done < CHUNK ? n - done : CHUNK;

		nn_arena_reset(scratch);
		if (nn_answer(model, texts + done, size, scratch, out + (size_t) done * (size_t) model->spec.n_outputs,
					  NULL, NULL, &err) != NN_OK)
			fail(err.message);
	}
}

/* ---- commands --------------------------------------------------------------------- */

static void
write_file(const char *path, const void *a, size_t n_a, const void *b, size_t n_b)
{
	FILE	   *f = fopen(path, "wb");

	if (f == NULL || fwrite(a, 1, n_a, f) != n_a || fwrite(b, 1, n_b, f) != n_b || fclose(f) != 0)
		fail("cannot write a file");
}

static void
write_tokens(const NnModel *model, const NnValue *texts, int n, NnArena *scratch, const char *path)
{
	int32_t    *head = malloc(((size_t) n + 1) * sizeof(int32_t));
	NnExamples	examples;

	encode(model, texts, n, scratch, &examples);
	head[0] = n;
	for (int i = 0; i < n; i++)
		head[1 + i] = (int32_t) (examples.token_start[i + 1] - examples.token_start[i]);
	write_file(path, head, ((size_t) n + 1) * sizeof(int32_t),
			   examples.token, (size_t) examples.token_start[n] * sizeof(int32_t));
}

static void
check(const NnModel *model, const NnValue *texts, int n, NnArena *scratch, float *out, const char *path)
{
	size_t		C = (size_t) model->spec.n_outputs;
	float	   *alone = malloc(C * sizeof(float));

	answer(model, texts, n, scratch, out);
	for (int i = 0; i < n; i++)
	{
		answer(model, texts + i, 1, scratch, alone);
		if (memcmp(alone, out + (size_t) i * C, C * sizeof(float)) != 0)
			fail("a text alone has another answer than among others");
	}
	write_file(path, out, (size_t) n * C * sizeof(float), NULL, 0);
}

static void
print_since(double wall, double processor)
{
	printf("%.6f %.6f\n", seconds(CLOCK_MONOTONIC) - wall, seconds(CLOCK_PROCESS_CPUTIME_ID) - processor);
}

static void
run(const NnModel *model, const NnValue *texts, int n, NnArena *scratch, float *out)
{
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnExamples	examples;
	NnError		err;
	double		wall,
				processor;

	encode(model, texts, n, arena, &examples);
	answer(model, texts, n < 256 ? n : 256, scratch, out);	/* warm */
	for (int mode = 0; mode < 3; mode++)
	{
		wall = seconds(CLOCK_MONOTONIC);
		processor = seconds(CLOCK_PROCESS_CPUTIME_ID);
		if (mode == 0)
			answer(model, texts, n, scratch, out);
		else if (mode == 1 && nn_outputs(model->net, &examples, &nn_env_malloc, out, NULL, NULL, &err) != NN_OK)
			fail(err.message);
		for (int i = 0; mode == 2 && i < n; i++)
			answer(model, texts + i, 1, scratch, out);
		print_since(wall, processor);
	}
	nn_arena_destroy(arena);
}

static int
compare(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static void
one(const NnModel *model, const NnValue *text, NnArena *scratch)
{
	static double whole[ONE_TURNS];
	static double net[ONE_TURNS];
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	int32_t		pick = 0;
	int32_t		order;
	float		out[64];
	NnExamples	examples;
	NnError		err;

	encode(model, text, 1, arena, &examples);
	for (int i = 0; i < ONE_TURNS; i++)
	{
		NnBatch		batch;
		double		started = seconds(CLOCK_MONOTONIC);

		answer(model, text, 1, scratch, out);
		whole[i] = seconds(CLOCK_MONOTONIC) - started;
		nn_arena_reset(scratch);
		started = seconds(CLOCK_MONOTONIC);
		if (nn_batch_pack(&batch, &model->spec, &examples, &pick, 1, 0.0f, NULL, scratch, &order, &err) != NN_OK ||
			nn_net_forward(model->net, &batch, scratch, out, NULL, NULL, NULL, &err) != NN_OK)
			fail(err.message);
		net[i] = seconds(CLOCK_MONOTONIC) - started;
	}
	qsort(whole, ONE_TURNS, sizeof(double), compare);
	qsort(net, ONE_TURNS, sizeof(double), compare);
	printf("%.2f %.2f %lld\n", whole[ONE_TURNS / 2] * 1e6, net[ONE_TURNS / 2] * 1e6,
		   (long long) examples.token_start[1]);
	nn_arena_destroy(arena);
}

int
main(int argc, char **argv)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnModel    *model;
	NnValue    *texts;
	float	   *out;
	int			n;

	if (argc < 4)
		return 2;
	nn_kern_init();
	model = read_model(argv[2]);
	texts = read_texts(argv[3], &n);
	if (n == 0 || model->spec.n_outputs > 64)
		fail("no text, or too many labels");
	out = malloc((size_t) n * (size_t) model->spec.n_outputs * sizeof(float));
	if (strcmp(argv[1], "tokens") == 0 && argc > 4)
		write_tokens(model, texts, n, scratch, argv[4]);
	else if (strcmp(argv[1], "check") == 0 && argc > 4)
		check(model, texts, n, scratch, out, argv[4]);
	else if (strcmp(argv[1], "run") == 0)
		run(model, texts, n, scratch, out);
	else if (strcmp(argv[1], "one") == 0)
		one(model, texts, scratch);
	else
		return 2;
	nn_arena_destroy(scratch);
	return 0;
}
