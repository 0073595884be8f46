/*
 * bench/learn.c: learn a data set without a server, for trying recipes.
 *
 *   bench_learn TRAIN.tsv VALID.tsv INPUT_COLUMN TARGET_COLUMN [option=value ...]
 *
 * Files are tab separated with a header row; arrays are written {1,2} or
 * {{1,2},{3,4}}.  The option "vectors=FILE" names a tab-separated file of word
 * and array, "out=FILE" writes the weights file, "task=regress" (tag, translate,
 * language...) names the task, "words=1" cuts inputs (tag: targets too) at spaces
 * into text[], "also=FILE" (may be repeated) evaluates on a further set.  A
 * language model has no target: give "-".  "warm=FILE" starts from a weights file.
 * Prints one line a epoch and a line of figures on VALID at the end.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/answer_tags.h"
#include "model/learn.h"
#include "model/write.h"
#include "train/metrics_sequence.h"

#include "options.h"
#include "process.h"

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
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

static bool is_words;			/* cut texts at spaces */

/* A text, or its words. */
static void
set_text(NnValue *value, const char *text, bool is_cut)
{
	char	   *own = strdup(text);
	const char **words;
	size_t	   *bytes;
	int			n = 0;

	memset(value, 0, sizeof(*value));
	value->text = own;
	value->n_bytes = strlen(own);
	if (!is_cut)
		return;
	words = malloc((value->n_bytes + 1) * sizeof(char *));
	bytes = malloc((value->n_bytes + 1) * sizeof(size_t));
	for (char *word = strtok(own, " "); word != NULL; word = strtok(NULL, " "))
	{
		words[n] = word;
		bytes[n++] = strlen(word);
	}
	value->kind = NN_VALUE_WORDS;
	value->words = words;
	value->word_bytes = bytes;
	value->n_words = n;
}

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
	i_target = strcmp(target, "-") == 0 ? i_input : find_column(column, n, target);
	while (getline(&line, &n_line, f) >= 0)
	{
		NnValue    *value;

		n = split(line, column, 64);
		/* without a label it is no example; but an empty line is part of a text */
		if (n <= i_input || n <= i_target || (i_target != i_input && column[i_target][0] == '\0'))
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
			set_text(value, column[i_input], is_words);
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

static NnModel *
read_model(const char *path, const NnEnv *env)
{
	FILE	   *f = fopen(path, "rb");
	char	   *bytes = NULL;
	size_t		n = 0;
	size_t		n_read;
	NnModel    *model;
	NnError		err;

	if (f == NULL)
	{
		perror(path);
		exit(1);
	}
	do
	{
		bytes = realloc(bytes, n + (1 << 20));
		n_read = fread(bytes + n, 1, 1 << 20, f);
		n += n_read;
	} while (n_read > 0);
	fclose(f);
	if (nn_file_read(&model, bytes, n, 0, env, &err) != NN_OK)
		die(&err);
	free(bytes);
	return model;
}

/* Tags of all rows: spans as conlleval counts them. */
static void
evaluate_tags(const NnModel *model, const Set *set, const NnEnv *env)
{
	NnArena    *arena = nn_arena_create(env);
	NnArena    *scratch = nn_arena_create(env);
	NnSpanCount *count = NN_ALLOC(arena, NnSpanCount, 1 + (size_t) model->scheme.n_types);
	int64_t		n_right = 0;
	int64_t		n_all = 0;
	NnError		err;

	for (int at = 0; at < set->n; at += 64)
	{
		int			n = set->n - at < 64 ? set->n - at : 64;
		NnTaggedText text[64];

		nn_arena_reset(scratch);
		if (nn_answer_tags(model, set->input + at, n, scratch, text, NULL, NULL, &err) != NN_OK)
			die(&err);
		for (int i = 0; i < n; i++)
		{
			NnValue		tags;
			int32_t    *truth = NN_ALLOC(scratch, int32_t, (size_t) text[i].n_tokens + 1);
			int32_t    *found = NN_ALLOC(scratch, int32_t, (size_t) text[i].n_tokens + 1);

			set_text(&tags, set->target[at + i], true);
			for (int t = 0; t < text[i].n_tokens; t++)
			{
				truth[t] = -1;
				for (int k = 0; k < model->spec.n_outputs; k++)
					if (strcmp(model->labels[k], tags.words[t]) == 0)
						truth[t] = k;
				found[t] = text[i].token[t].tag;
				n_right += truth[t] == found[t];
				n_all++;
			}
			if (model->scheme.is_bio)
				nn_span_count_add(&model->scheme, truth, found, text[i].n_tokens, scratch, count, &err);
		}
	}
	printf("valid rows %d tokens %lld accuracy %.4f", set->n, (long long) n_all, (double) n_right / (double) n_all);
	if (model->scheme.is_bio)
		printf(" precision %.4f recall %.4f f1 %.4f", nn_span_precision(&count[0]), nn_span_recall(&count[0]),
			   nn_span_f1(&count[0]));
	nn_arena_destroy(scratch);
	nn_arena_destroy(arena);
}

/* Log-likelihoods of n rows: each by itself, or from where the last one ended if the model read running text. */
static void
read_rows(const NnModel *model, NnValue *inputs, int n, NnState *state, NnArena *scratch, NnLikelihood *out)
{
	NnError		err;
	NnStatus	status = model->is_running ?
	nn_likelihood_running(model, inputs, n, state, scratch, out, NULL, &err) :
	nn_likelihood(model, inputs, n, scratch, out, NULL, &err);

	if (status != NN_OK)
		die(&err);
}

/* Perplexity of all rows, in their order. */
static void
evaluate_language(const NnModel *model, const Set *set, const NnEnv *env)
{
	size_t		n_state = (size_t) model->spec.n_layers * (size_t) model->spec.hidden;
	bool		is_lstm = model->spec.cell == NN_CELL_LSTM;
	NnState		state = {calloc(n_state, sizeof(float)), is_lstm ? calloc(n_state, sizeof(float)) : NULL};
	NnArena    *scratch = nn_arena_create(env);
	double		sum = 0.0;
	int64_t		n_tokens = 0;
	int64_t		n_words = 0;
	int64_t		n_characters = 0;

	if (state.h == NULL || (is_lstm && state.c == NULL))
		exit(1);
	for (int at = 0; at < set->n; at += 64)
	{
		int			n = set->n - at < 64 ? set->n - at : 64;
		NnLikelihood likelihood[64];

		nn_arena_reset(scratch);
		read_rows(model, set->input + at, n, &state, scratch, likelihood);
		for (int i = 0; i < n; i++)
		{
			sum += likelihood[i].sum;
			n_tokens += likelihood[i].n_tokens;
			n_words += likelihood[i].n_words;
			n_characters += likelihood[i].n_characters;
		}
	}
	printf("valid rows %d tokens %lld perplexity %.3f word perplexity %.3f nats a character %.4f", set->n,
		   (long long) n_tokens, exp(-sum / (double) n_tokens), exp(-sum / (double) n_words),
		   -sum / (double) n_characters);
	free(state.h);
	free(state.c);
	nn_arena_destroy(scratch);
}

/* Texts of all rows beside what was to be written. */
static void
evaluate_written(const NnModel *model, const Set *set, const NnEnv *env)
{
	NnArena    *scratch = nn_arena_create(env);
	NnWriteOptions options = {.beam = 4, .length_penalty = 1.0};
	NnBleu		bleu = {0};
	int			n_exact = 0;
	NnError		err;

	for (int at = 0; at < set->n; at += 64)
	{
		int			n = set->n - at < 64 ? set->n - at : 64;
		NnWritten	written[64];

		nn_arena_reset(scratch);
		if (nn_write(model, set->input + at, n, &options, false, scratch, written, NULL, &err) != NN_OK)
			die(&err);
		for (int i = 0; i < n; i++)
		{
			const char *reference = set->target[at + i];
			size_t		n_bytes = strlen(reference);

			n_exact += strcmp(written[i].text, reference) == 0;
			if (nn_bleu_add(&bleu, written[i].text, written[i].n_bytes, &reference, &n_bytes, 1, false, scratch,
							&err) != NN_OK)
				die(&err);
			if (at + i < 5 || (getenv("SHOW") != NULL && strcmp(written[i].text, reference) != 0))
				fprintf(stderr, "  %s\n  = %s\n", written[i].text, reference);
		}
	}
	printf("valid rows %d bleu %.2f exact %.4f", set->n, nn_bleu_score(&bleu), (double) n_exact / set->n);
	nn_arena_destroy(scratch);
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

	if (task == NN_TASK_TAG)
		evaluate_tags(model, set, env);
	if (task == NN_TASK_LANGUAGE)
		evaluate_language(model, set, env);
	if (task == NN_TASK_TRANSLATE || task == NN_TASK_CAPTION)
		evaluate_written(model, set, env);
	if (!nn_task_is_pooled(task))
	{
		printf(" answer_seconds %.2f", now() - start);
		return;
	}
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
	NnModel    *warm = NULL;
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
		else if (strcmp(argv[i], "warm") == 0)
			warm = read_model(equals + 1, &env);
		else if (strcmp(argv[i], "words") == 0)
			is_words = true;
		else if (strcmp(argv[i], "task") == 0)
			task = (NnTask) nn_task_from_name(equals + 1);
		else
			set_option(&options, argv[i], equals + 1);
	}
	train = read_set(argv[1], argv[3], argv[4]);
	valid = read_set(argv[2], argv[3], argv[4]);
	if (nn_learner_create(&learner, task, train.is_numbers ? NN_VALUE_NUMBERS : is_words ? NN_VALUE_WORDS : NN_VALUE_TEXT,
						  &options, 0, &env, &err) != NN_OK)
		die(&err);
	if (warm != NULL && nn_learner_warm_start(learner, warm, &err) != NN_OK)
		die(&err);
	for (int i = 0; i < train.n; i++)
	{
		NnValue		value;
		NnTarget	target = {train.target[i], strlen(train.target[i]), atof(train.target[i]), &value};

		set_text(&value, train.target[i], task == NN_TASK_TAG || (is_words && task == NN_TASK_TRANSLATE));

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
	printf(" seconds %.1f peak_mb %ld held_out accuracy %.4f perplexity %.3f f1 %.4f\n", trained,
		   peak_mb(),
		   nn_task_is_pooled(task) ? report->held_out.accuracy : report->sequence.token_accuracy,
		   report->sequence.perplexity, report->sequence.f1);
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
	nn_model_destroy(warm);
	return 0;
}
