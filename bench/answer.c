/*
 * bench/answer.c: how fast a model answers, without a server.
 *
 *   bench_answer MODEL.safetensors ROWS.tsv COLUMN [N_ROWS]
 *
 * ROWS.tsv is tab separated with a header row.  For each size of call (1: row by
 * row, as a plain SELECT would) prints rows and tokens a second of processor time,
 * the best of some rounds, after comparing all answers bit for bit with those of
 * single rows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kern/kern.h"
#include "model/answer.h"
#include "model/file.h"

#define N_ROUNDS		5
#define MAX_LINE		(1 << 22)

static double
processor_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
die(const NnError *err)
{
	fprintf(stderr, "error %d: %s\n%s\n", (int) err->status, err->message, err->detail);
	exit(1);
}

static char *
read_file(const char *path, size_t *n_bytes)
{
	FILE	   *file = fopen(path, "rb");
	char	   *bytes;

	if (file == NULL)
	{
		perror(path);
		exit(1);
	}
	fseek(file, 0, SEEK_END);
	*n_bytes = (size_t) ftell(file);
	rewind(file);
	bytes = malloc(*n_bytes + 1);
	if (fread(bytes, 1, *n_bytes, file) != *n_bytes)
		exit(1);
	fclose(file);
	return bytes;
}

/* Field `at` of a line, ended by a 0. */
static char *
field(char *line, int at)
{
	line[strcspn(line, "\r\n")] = '\0';
	for (; at > 0; at--)
	{
		line += strcspn(line, "\t");
		line += *line == '\t';
	}
	line[strcspn(line, "\t")] = '\0';
	return line;
}

static int
read_rows(const char *path, const char *column, NnValue *rows, int max_rows)
{
	FILE	   *file = fopen(path, "r");
	char	   *line = malloc(MAX_LINE);
	int			at = 0;
	int			n = 0;

	if (file == NULL || fgets(line, MAX_LINE, file) == NULL)
	{
		perror(path);
		exit(1);
	}
	for (char *name = strtok(line, "\t\r\n"); name != NULL && strcmp(name, column) != 0; at++)
		name = strtok(NULL, "\t\r\n");
	while (n < max_rows && fgets(line, MAX_LINE, file) != NULL)
	{
		char	   *text = strdup(field(line, at));

		memset(&rows[n], 0, sizeof(rows[n]));
		rows[n].kind = NN_VALUE_TEXT;
		rows[n].text = text;
		rows[n].n_bytes = strlen(text);
		n++;
	}
	fclose(file);
	free(line);
	return n;
}

/* All rows, so many a call; returns processor seconds. */
static double
answer_all(const NnModel *model, const NnValue *rows, int n, int n_call, NnArena *scratch, float *out,
		   NnReading *readings)
{
	double		start = processor_seconds();
	NnError		err;

	for (int at = 0; at < n; at += n_call)
	{
		int			size = n - at < n_call ? n - at : n_call;

		nn_arena_reset(scratch);
		if (nn_answer(model, rows + at, size, scratch, out + (size_t) at * (size_t) model->spec.n_outputs,
					  readings + at, NULL, &err) != NN_OK)
			die(&err);
	}
	return processor_seconds() - start;
}

int
main(int argc, char **argv)
{
	static const int sizes[] = {1, 8, 16, 32, 64, 256, 1024};
	int			max_rows = argc > 4 ? atoi(argv[4]) : 2000;
	NnValue    *rows = calloc((size_t) max_rows, sizeof(NnValue));
	NnReading  *readings = calloc((size_t) max_rows, sizeof(NnReading));
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnModel    *model;
	NnError		err;
	size_t		n_bytes;
	size_t		n_out;
	char	   *file;
	float	   *single;
	float	   *out;
	double		best[sizeof(sizes) / sizeof(sizes[0])];
	int64_t		n_tokens = 0;
	int			n;

	if (argc < 4)
	{
		fprintf(stderr, "usage: bench_answer MODEL.safetensors ROWS.tsv COLUMN [N_ROWS]\n");
		return 2;
	}
	nn_kern_init();
	file = read_file(argv[1], &n_bytes);
	if (nn_file_read(&model, file, n_bytes, (size_t) 1 << 33, &nn_env_malloc, &err) != NN_OK)
		die(&err);
	n = read_rows(argv[2], argv[3], rows, max_rows);
	n_out = (size_t) n * (size_t) model->spec.n_outputs;
	single = malloc(n_out * sizeof(float));
	out = malloc(n_out * sizeof(float));
	answer_all(model, rows, n, 1, scratch, single, readings);
	for (int i = 0; i < n; i++)
		n_tokens += readings[i].n_used;
	for (int round = 0; round < N_ROUNDS; round++)
		for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
		{
			double		seconds = answer_all(model, rows, n, sizes[k], scratch, out, readings);

			if (memcmp(single, out, n_out * sizeof(float)) != 0)
			{
				fprintf(stderr, "answers of %d rows a call differ\n", sizes[k]);
				return 1;
			}
			if (round == 0 || seconds < best[k])
				best[k] = seconds;
		}
	printf("kernels %s, E %d, H %d x %d, %d rows, %.1f tokens a row\n", nn_kern_name(), model->spec.embedding,
		   model->spec.hidden, model->spec.is_bidirectional ? 2 : 1, n, (double) n_tokens / n);
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
		printf("%5d rows a call: %9.0f rows/s %11.0f tokens/s %8.1f us/row\n", sizes[k], n / best[k],
			   (double) n_tokens / best[k], best[k] / n * 1e6);
	printf("scratch %zu kB at most\n", nn_arena_peak_bytes(scratch) >> 10);
	return 0;
}
