/*
 * task_case.c: models learned from a few rows.
 */
#include "task_case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net_case.h"
#include "tap.h"

/* ---- values ------------------------------------------------------------------ */

char *
task_print(const char *format,...)
{
	va_list		args;
	char		text[1024];
	char	   *copy;
	int			n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	copy = net_case_alloc((size_t) n + 1, 1);
	memcpy(copy, text, (size_t) n + 1);
	return copy;
}

NnValue
task_bytes(const char *bytes, size_t n_bytes)
{
	char	   *copy = net_case_alloc(n_bytes, 1);

	memcpy(copy, bytes, n_bytes);
	return (NnValue) {.kind = NN_VALUE_TEXT, .text = copy, .n_bytes = n_bytes};
}

NnValue
task_text(const char *text)
{
	return task_bytes(text, strlen(text));
}

NnValue
task_words(const char *text)
{
	size_t		n_text = strlen(text);
	const char **words = net_case_alloc(n_text + 1, sizeof(char *));
	size_t	   *word_bytes = net_case_alloc(n_text + 1, sizeof(size_t));
	int			n = 0;

	for (size_t at = 0; n_text > 0 && at <= n_text; n++)
	{
		size_t		stop = at;

		while (stop < n_text && text[stop] != ' ')
			stop++;
		words[n] = task_bytes(text + at, stop - at).text;
		word_bytes[n] = stop - at;
		at = stop + 1;
	}
	return (NnValue) {.kind = NN_VALUE_WORDS, .words = words, .word_bytes = word_bytes, .n_words = n};
}

NnValue
task_numbers(const float *numbers, int n)
{
	float	   *copy = net_case_alloc((size_t) n, sizeof(float));

	memcpy(copy, numbers, (size_t) n * sizeof(float));
	return (NnValue) {.kind = NN_VALUE_NUMBERS, .numbers = copy, .n_steps = n, .n_channels = 1};
}

void
task_free_values(void)
{
	net_case_free_all();
}

char *
task_name(NnRng *rng, int n_syllables)
{
	static const char *const syllables[] = {
		"ba", "do", "fi", "gu", "ka", "le", "mo", "nu", "pa", "ri", "so", "ti", "vu", "wa", "xe", "zo"
	};
	char	   *name = net_case_alloc((size_t) n_syllables * 2 + 1, 1);

	for (int i = 0; i < n_syllables; i++)
		memcpy(name + 2 * i, syllables[net_case_int(rng, 0, 15)], 2);
	name[0] = (char) (name[0] - 'a' + 'A');
	name[2 * n_syllables] = '\0';
	return name;
}

/* ---- learning ------------------------------------------------------------------- */

NnOptions
task_options(void)
{
	NnOptions	options;

	nn_options_init(&options);
	options.refit = 0;
	options.weights = 1;
	options.dropout = 0.0;
	options.dropout_input = 0.0;
	options.dropout_word = 0.0;
	options.dropout_recurrent = 0.0;
	options.seed = 1;
	return options;
}

NnLearner *
task_begin(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
		   const NnEnv *env, NnStatus *status, NnError *err)
{
	NnLearner  *learner = NULL;

	*status = nn_learner_create(&learner, task, n > 0 ? rows[0].input.kind : NN_VALUE_TEXT, options, 0, env, err);
	if (*status != NN_OK)
		return NULL;
	if (task == NN_TASK_CLASSIFY && n > 0 && rows[0].label == NULL)
		nn_learner_expect_many_labels(learner);
	if (warm != NULL)
		*status = nn_learner_warm_start(learner, warm, err);
	for (int i = 0; i < n && *status == NN_OK; i++)
	{
		NnTarget	target = {.label = rows[i].label, .value = &rows[i].target};

		target.n_bytes = rows[i].label != NULL ? strlen(rows[i].label) : 0;
		*status = nn_learner_add(learner, &rows[i].input, &target, err);
	}
	if (*status == NN_OK)
		return learner;
	nn_learner_destroy(learner);
	return NULL;
}

NnLearner *
task_try(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
		 const NnEnv *env, const NnLearnReport **report, NnStatus *status, NnError *err)
{
	NnLearner  *learner = task_begin(task, options, warm, rows, n, env, status, err);
	NnPlan		plan;

	if (learner == NULL)
		return NULL;
	*status = nn_learner_plan(learner, &plan, err);
	if (*status == NN_OK)
		*status = nn_learner_train(learner, report, err);
	if (*status == NN_OK)
		return learner;
	nn_learner_destroy(learner);
	return NULL;
}

NnLearner *
task_learn(NnTask task, const NnOptions *options, const NnModel *warm, const TaskRow *rows, int n,
		   const NnLearnReport **report)
{
	const NnLearnReport *unused;
	NnStatus	status;
	NnError		err = {0};
	NnLearner  *learner = task_try(task, options, warm, rows, n, &nn_env_malloc, report != NULL ? report : &unused,
								   &status, &err);

	if (learner == NULL)
	{
		printf("Bail out! %s: %s %s\n", nn_task_name(task), err.message, err.detail);
		exit(1);
	}
	return learner;
}

static void
write_file(NnLearner *learner, NnArray *out)
{
	NnError		err = {0};

	nn_array_init(out, &nn_env_malloc, 1);
	if (nn_learner_write(learner, out, &err) != NN_OK)
	{
		printf("Bail out! %s %s\n", err.message, err.detail);
		exit(1);
	}
}

uint64_t
task_file_hash(NnLearner *learner)
{
	NnArray		out;
	uint64_t	hash;

	write_file(learner, &out);
	hash = nn_hash_bytes(out.data, out.n, 0);
	nn_array_free(&out);
	return hash;
}

NnModel *
task_read_back(NnLearner *learner)
{
	NnArray		out;
	NnModel    *model = NULL;
	NnError		err = {0};

	write_file(learner, &out);
	if (nn_file_read(&model, out.data, out.n, 0, &nn_env_malloc, &err) != NN_OK)
		diag("%s: %s", err.message, err.detail);
	nn_array_free(&out);
	return model;
}

/* ---- what every task must keep ------------------------------------------------------- */

/* One training on a host that fails; everything must be given back, and the status be the one wanted. */
static bool
fails_cleanly(TestHost *host, NnTask task, const NnOptions *options, const TaskRow *rows, int n, NnStatus want,
			  NnStatus *status)
{
	const NnLearnReport *report;
	NnError		err = {0};
	NnLearner  *learner = task_try(task, options, NULL, rows, n, &host->env, &report, status, &err);

	nn_learner_destroy(learner);
	if (host->n_blocks == 0 && (*status == want || *status == NN_OK))
		return true;
	diag("status %d (%s), %lld blocks left", (int) *status, err.message, (long long) host->n_blocks);
	return false;
}

/* Every failure of one kind, as *at grows; false if one is not an error or leaves something behind. */
static bool
survives(NnTask task, const NnOptions *options, const TaskRow *rows, int n, NnStatus want)
{
	NnStatus	status = want;
	int			n_failed = -1;

	for (int64_t at = 1; status != NN_OK; at += 1 + at / 6)
	{
		TestHost	host;

		test_host_init(&host);
		if (want == NN_ENOMEM)
			host.fail_at = at;
		else
			host.cancel_at = at;
		if (!fails_cleanly(&host, task, options, rows, n, want, &status))
		{
			diag("%s number %lld", want == NN_ENOMEM ? "allocation" : "poll", (long long) at);
			return false;
		}
		n_failed++;
	}
	return n_failed > 5;
}

bool
task_survives_failures(NnTask task, const NnOptions *options, const TaskRow *rows, int n)
{
	return survives(task, options, rows, n, NN_ENOMEM) && survives(task, options, rows, n, NN_ECANCELED);
}

bool
task_keeps_its_plan(NnTask task, const NnOptions *options, const TaskRow *rows, int n)
{
	TestHost	host;
	const NnLearnReport *report;
	NnPlan		plan;
	NnError		err = {0};
	NnStatus	status;
	NnLearner  *learner;
	bool		is_kept = false;

	test_host_init(&host);
	learner = task_begin(task, options, NULL, rows, n, &host.env, &status, &err);
	if (learner != NULL && nn_learner_plan(learner, &plan, &err) == NN_OK)
	{
		int64_t		planned = (int64_t) plan.peak_bytes;

		host.n_bytes_peak = host.n_bytes;
		status = nn_learner_train(learner, &report, &err);
		is_kept = status == NN_OK && host.n_bytes_peak <= planned && planned < host.n_bytes_peak + host.n_bytes_peak / 10 + (128 << 10);
		if (!is_kept)
			diag("held %lld kB, planned %lld kB", (long long) host.n_bytes_peak / 1024, (long long) planned / 1024);
	}
	if (!is_kept)
		diag("%s", err.message);
	nn_learner_destroy(learner);
	return is_kept;
}

bool
task_ignores_order(NnTask task, const NnOptions *options, const TaskRow *rows, int n)
{
	TaskRow    *turned = net_case_alloc((size_t) n, sizeof(TaskRow));
	uint64_t	hash[2];

	for (int i = 0; i < n; i++)
		turned[i] = rows[n - 1 - i];
	for (int k = 0; k < 2; k++)
	{
		NnLearner  *learner = task_learn(task, options, NULL, k == 0 ? rows : turned, n, NULL);

		hash[k] = task_file_hash(learner);
		nn_learner_destroy(learner);
	}
	return hash[0] == hash[1];
}
