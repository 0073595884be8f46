/*
 * bench/learn.c: learn a data set without a server, for trying recipes.
 *
 *   bench_learn TRAIN.tsv VALID.tsv INPUT_COLUMN TARGET_COLUMN [option=value ...]
 *
 * Files are tab separated with a header row; arrays are written {1,2} or
 * {{1,2},{3,4}}.  The option "vectors=FILE" names a tab-separated file of word
 * and array, "out=FILE" writes the weights file, "task=regress" learns a number,
 * "also=FILE" (may be repeated) evaluates on a further set.
 * Prints one line a epoch and a line of figures on VALID at the end.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/learn.h"

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static void
die(const NnError *err)
{
	fprintf(stderr, "error %d: %s\n%s\n%s\n", (int) err->status, err->message, err->detail, err->hint);
	exit(1);
}

/* Columns of one line, cut in place. */
static int
split(char *line, char **column, int n_max)
{
	int			n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; n < n_max; at++)
	{
		column[n++] = at;
		at += strcspn(at, "\t");
		if (*at == '\0')
			break;
		*at = '\0';
	}
	return n;
}

static int
find_column(char **column, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (strcmp(column[i], name) == 0)
			return i;
	fprintf(stderr, "no column %s\n", name);
	exit(1);
}

/* "{1,2}" -> numbers; steps and channels by the inner braces. */
static float *
parse_array(const char *text, int *n_steps, int *n_channels)
{
	size_t		n_max = strlen(text) / 2 + 2;
	float	   *x = malloc(n_max * sizeof(float));
	int			n = 0;
	int			n_rows = 0;

	for (const char *at = text + 1; *at;)
	{
		if (*at == '{')
			n_rows++;
		if (isdigit((unsigned char) *at) || *at == '-' || *at == '.')
		{
			char	   *end;

			x[n++] = strtof(at, &end);
			at = end;
		}
		else
			at++;
	}
	*n_steps = n_rows > 0 ? n_rows : n;
	*n_channels = n_rows > 0 ? n / n_rows : 1;
	return x;
}

typedef struct Set
{
	int			n;
	NnValue    *input;
	char	  **target;
	bool		is_numbers;
} Set;

static Set
read_set(const char *path, const char *input, const char *target)
{
	FILE	   *f = fopen(path, "r");
	Set			set = {0};
	char	   *line = NULL;
	size_t		n_line = 0;
	char	   *column[64];
	int			i_input,
				i_target,
				n;
	int			capacity = 0;

	if (f == NULL || getline(&line, &n_line, f) < 0)
	{
		perror(path);
		exit(1);
	}
	n = split(line, column, 64);
	i_input = find_column(column, n, input);
	i_target = find_column(column, n, target);
	while (getline(&line, &n_line, f) >= 0)
	{
		NnValue    *value;

		n = split(line, column, 64);
		if (n <= i_input || n <= i_target || column[i_target][0] == '\0')
			continue;
		if (set.n == capacity)
		{
			capacity = capacity * 2 + 1024;
			set.input = realloc(set.input, (size_t) capacity * sizeof(NnValue));
			set.target = realloc(set.target, (size_t) capacity * sizeof(char *));
		}
		value = &set.input[set.n];
		memset(value, 0, sizeof(*value));
		if (set.n == 0)
			set.is_numbers = column[i_input][0] == '{' && strchr("{-.0123456789", column[i_input][1]) != NULL;
		if (set.is_numbers)
		{
			value->kind = NN_VALUE_NUMBERS;
			value->numbers = parse_array(column[i_input], &value->n_steps, &value->n_channels);
		}
		else
		{
			value->kind = NN_VALUE_TEXT;
			value->text = strdup(column[i_input]);
			value->n_bytes = strlen(value->text);
		}
		set.target[set.n++] = strdup(column[i_target]);
	}
	free(line);
	fclose(f);
	return set;
}

static void
progress(void *ctx, const NnProgress *p)
{
	(void) ctx;
	if (p->is_epoch_end)
		fprintf(stderr, "epoch %d/%d loss %.4f valid %.4f metric %.4f norm %.2f clipped %.2f %.0f rows/s %.1f s\n",
				p->epoch, p->n_epochs, p->loss_train, p->loss_valid, p->metric, p->gradient_norm,
				p->n_clipped, p->rows_per_second, p->seconds);
}

static void
read_vectors(NnLearner *learner, const char *path)
{
	FILE	   *f = fopen(path, "r");
	char	   *line = NULL;
	size_t		n_line = 0;
	char	   *column[4];
	NnError		err;

	if (f == NULL)
	{
		perror(path);
		exit(1);
	}
	while (getline(&line, &n_line, f) >= 0)
	{
		int			n_steps,
					n_channels;
		float	   *x;

		if (split(line, column, 4) < 2 || column[1][0] != '{')
			continue;
		x = parse_array(column[1], &n_steps, &n_channels);
		if (nn_learner_add_vector(learner, column[0], strlen(column[0]), x, n_steps, &err) != NN_OK)
			die(&err);
		free(x);
	}
	free(line);
	fclose(f);
}

static void
set_option(NnOptions *options, const char *name, const char *value)
{
	NnError		err;
	char	   *end;
	double		number = strtod(value, &end);
	NnStatus	status;

	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		status = nn_options_set_boolean(options, name, value[0] == 't', &err);
	else if (*end == '\0')
		status = nn_options_set_number(options, name, number, &err);
	else
		status = nn_options_set_text(options, name, value, &err);
	if (status != NN_OK)
		die(&err);
}

/* Answers for all rows of a set, 256 at a time. */
static void
evaluate(const NnModel *model, const Set *set, const NnEnv *env, NnTask task)
{
	int			C = model->spec.n_outputs;
	float	   *out = malloc((size_t) set->n * (size_t) C * sizeof(float));
	int32_t    *label = malloc((size_t) set->n * sizeof(int32_t));
	NnArena    *scratch = nn_arena_create(env);
	NnMetrics	metrics;
	NnError		err;
	double		start = now();

	for (int at = 0; at < set->n; at += 256)
	{
		int			n = set->n - at < 256 ? set->n - at : 256;

		nn_arena_reset(scratch);
		if (nn_answer(model, set->input + at, n, scratch, out + (size_t) at * (size_t) C, NULL, NULL, &err) != NN_OK)
			die(&err);
	}
	if (task == NN_TASK_CLASSIFY)
	{
		int			n_known = 0;

		for (int i = 0; i < set->n; i++)
		{
			label[n_known] = -1;
			for (int c = 0; c < C; c++)
				if (strcmp(model->labels[c], set->target[i]) == 0)
					label[n_known] = c;
			if (label[n_known] < 0)
				continue;
			memmove(out + (size_t) n_known * (size_t) C, out + (size_t) i * (size_t) C, (size_t) C * sizeof(float));
			n_known++;
		}
		nn_metrics_classify(n_known, C, out, label, &metrics, NULL, NULL);
		printf("valid rows %d accuracy %.4f macro_f1 %.4f ece %.3f", set->n,
			   metrics.accuracy * n_known / set->n, metrics.macro_f1, metrics.calibration_error);
	}
	else
	{
		double	   *predicted = malloc((size_t) set->n * sizeof(double));
		double	   *target = malloc((size_t) set->n * sizeof(double));

		for (int i = 0; i < set->n; i++)
		{
			predicted[i] = (double) out[i];
			target[i] = atof(set->target[i]);
		}
		nn_metrics_regress(set->n, predicted, target, &metrics);
		printf("valid rows %d mae %.4f rmse %.4f r2 %.4f", set->n, metrics.mae, metrics.rmse, metrics.r2);
		free(predicted);
		free(target);
	}
	printf(" answer_seconds %.2f", now() - start);
	nn_arena_destroy(scratch);
	free(out);
	free(label);
}

int
main(int argc, char **argv)
{
	NnEnv		env = nn_env_malloc;
	NnOptions	options;
	NnError		err;
	NnLearner  *learner;
	NnPlan		plan;
	const NnLearnReport *report;
	NnTask		task = NN_TASK_CLASSIFY;
	const char *vectors = NULL;
	const char *out = NULL;
	const char *also[32];
	int			n_also = 0;
	double		start = now();
	double		trained;
	Set			train,
				valid;

	if (argc < 5)
	{
		fprintf(stderr, "usage: %s TRAIN.tsv VALID.tsv INPUT TARGET [option=value ...]\n", argv[0]);
		return 2;
	}
	env.progress = progress;
	nn_options_init(&options);
	for (int i = 5; i < argc; i++)
	{
		char	   *equals = strchr(argv[i], '=');

		if (equals == NULL)
			continue;
		*equals = '\0';
		if (strcmp(argv[i], "vectors") == 0)
			vectors = equals + 1;
		else if (strcmp(argv[i], "out") == 0)
			out = equals + 1;
		else if (strcmp(argv[i], "also") == 0 && n_also < 32)
			also[n_also++] = equals + 1;
		else if (strcmp(argv[i], "task") == 0)
			task = (NnTask) nn_task_from_name(equals + 1);
		else
			set_option(&options, argv[i], equals + 1);
	}
	train = read_set(argv[1], argv[3], argv[4]);
	valid = read_set(argv[2], argv[3], argv[4]);
	if (nn_learner_create(&learner, task, train.is_numbers ? NN_VALUE_NUMBERS : NN_VALUE_TEXT,
						  &options, 0, &env, &err) != NN_OK)
		die(&err);
	for (int i = 0; i < train.n; i++)
	{
		NnTarget	target = {train.target[i], strlen(train.target[i]), atof(train.target[i])};

		if (nn_learner_add(learner, &train.input[i], &target, &err) != NN_OK)
			die(&err);
	}
	if (vectors != NULL)
		read_vectors(learner, vectors);
	if (nn_learner_plan(learner, &plan, &err) != NN_OK)
		die(&err);
	fprintf(stderr, "rows %lld tokens %lld words %lld vocabulary %d features %lld labels %d, planned in %.1f s, estimate %.0f s %zu MB\n",
			(long long) plan.n_rows, (long long) plan.n_tokens, (long long) plan.n_words, plan.spec.vocabulary,
			(long long) plan.n_features, plan.spec.n_outputs, now() - start, plan.seconds, plan.peak_bytes >> 20);
	if (nn_learner_train(learner, &report, &err) != NN_OK)
		die(&err);
	trained = now() - start;
	evaluate(nn_learner_model(learner), &valid, &env, task);
	printf(" seconds %.1f peak_mb %zu held_out %.4f scale %.2f %.2f\n", trained,
		   nn_learner_peak_bytes(learner) >> 20, report->held_out.accuracy,
		   (double) nn_net_find_tensor(nn_learner_model(learner)->net, "scale")->data[0],
		   (double) nn_net_find_tensor(nn_learner_model(learner)->net, "scale")->data[1]);
	for (int i = 0; i < n_also; i++)
	{
		Set			set = read_set(also[i], argv[3], argv[4]);

		printf("%s: ", also[i]);
		evaluate(nn_learner_model(learner), &set, &env, task);
		printf("\n");
	}
	if (out != NULL)
	{
		NnArray		bytes;
		FILE	   *f = fopen(out, "wb");

		nn_array_init(&bytes, &env, 1);
		if (f == NULL || nn_learner_write(learner, &bytes, &err) != NN_OK)
			die(&err);
		fwrite(bytes.data, 1, bytes.n, f);
		fclose(f);
		nn_array_free(&bytes);
	}
	nn_learner_destroy(learner);
	return 0;
}
