/*
 * test_file_shared.c: a model that several processes share (nn_file_read_into).
 *
 *  - it lies in its home alone, nobody writes to it once it is read, and what
 *    answering takes besides comes from the other env: the home is memory that is
 *    then made read-only;
 *  - another process, whose env holds other things at the same place, answers with
 *    the same bits as a model of its own;
 *  - every failed allocation of either env and every stopped poll is a status, and
 *    nothing leaks.
 */
#include "file_case.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/rng.h"
#include "model/answer_tags.h"
#include "model/forecast.h"
#include "model/write.h"
#include "tap.h"

static NnError err;

/* ---- answers -------------------------------------------------------------------- */

/* An input of the right kind for each case. */
static NnValue
case_input(const NnModel *model)
{
	static const char *const words[] = {"cat", "Thing", "d\303\266g"};
	static const size_t word_bytes[] = {3, 5, 4};
	static const float numbers[] = {0.5f, -1.0f, 2.0f, 0.25f, 3.0f, -0.5f, 1.5f, 0.0f, 0.75f, 1.0f, -2.0f, 0.125f};
	NnValue		value = {0};

	value.kind = NN_VALUE_TEXT;
	value.text = "cat thing d\303\266g, a thing";
	value.n_bytes = strlen(value.text);
	if (model->unit == NN_UNIT_GIVEN)
	{
		value.kind = NN_VALUE_WORDS;
		value.words = words;
		value.word_bytes = word_bytes;
		value.n_words = 3;
	}
	else if (model->spec.input != NN_INPUT_TEXT)
	{
		value.kind = NN_VALUE_NUMBERS;
		value.numbers = numbers;
		value.n_channels = model->spec.input == NN_INPUT_VECTOR ? 1 : model->n_channels;
		value.n_steps = model->spec.input == NN_INPUT_VECTOR ? model->n_channels :
			model->flat_steps > 0 ? model->flat_steps : 12 / model->n_channels;
	}
	return value;
}

static uint64_t
hash(const void *bytes, size_t n_bytes, uint64_t seed)
{
	return nn_hash_bytes(bytes, n_bytes, seed);
}

/* All bits of an answer, or what is wrong with it, as one number that is not 0. */
static uint64_t
answer_hash(const NnModel *model, const NnEnv *env)
{
	NnValue		input = case_input(model);
	NnArena    *scratch = nn_arena_create(env);
	NnWriteOptions options = {.beam = 2, .length_penalty = 1.0, .max_tokens = 8};
	NnTaggedText tagged;
	NnEntities	entities;
	NnWritten	written;
	NnLikelihood likelihood;
	float		out[64];
	uint64_t	result = 1;
	NnStatus	status = NN_EINTERNAL;

	switch (model->spec.task)
	{
		case NN_TASK_CLASSIFY:
		case NN_TASK_REGRESS:
			status = nn_answer(model, &input, 1, scratch, out, NULL, NULL, &err);
			if (status == NN_OK)
				result = hash(out, (size_t) model->spec.n_outputs * sizeof(float), 1);
			break;
		case NN_TASK_TAG:
			status = nn_answer_tags(model, &input, 1, scratch, &tagged, &entities, NULL, &err);
			for (int i = 0; status == NN_OK && i < tagged.n_tokens; i++)
			{
				result = hash(&tagged.token[i].probability, sizeof(float), result);
				result = hash(&tagged.token[i].tag, sizeof(tagged.token[i].tag), result);
			}
			break;
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			status = nn_write(model, &input, 1, &options, false, scratch, &written, NULL, &err);
			if (status == NN_OK)
				result = hash(written.text, written.n_bytes, hash(&written.log_probability, sizeof(double), 1));
			break;
		case NN_TASK_LANGUAGE:
			status = nn_likelihood(model, &input, 1, scratch, &likelihood, NULL, &err);
			result = hash(&likelihood.sum, sizeof(double), 1);
			break;
		case NN_TASK_FORECAST:
			status = nn_forecast(model, &input, model->spec.horizon, scratch, out, &err);
			if (status == NN_OK)
				result = hash(out, (size_t) model->spec.n_outputs * sizeof(float), 1);
			break;
	}
	nn_arena_destroy(scratch);
	return status == NN_OK ? result : (uint64_t) status;
}

/* ---- a home that other processes see ------------------------------------------------ */

#define HOME_BYTES	((size_t) 4 * 1024 * 1024)

typedef struct Home
{
	NnEnv		env;
	char	   *start;
	size_t		used;
} Home;

static void *
home_alloc(void *ctx, size_t size_bytes)
{
	Home	   *home = ctx;
	size_t		n_bytes = (size_bytes + 63) & ~(size_t) 63;
	char	   *block = home->start + home->used;

	if (n_bytes > HOME_BYTES - home->used)
		return NULL;
	home->used += n_bytes;
	return block;
}

static void
home_release(void *ctx, void *block)
{
	(void) ctx;
	(void) block;
}

static int
home_poll(void *ctx)
{
	(void) ctx;
	return 0;
}

static void
home_init(Home *home)
{
	memset(home, 0, sizeof(*home));
	home->env.ctx = home;
	home->env.alloc = home_alloc;
	home->env.release = home_release;
	home->env.poll = home_poll;
	home->start = mmap(NULL, HOME_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (home->start == MAP_FAILED)
	{
		printf("Bail out! no memory to share\n");
		exit(1);
	}
}

/* What all share models with: at one place in every process, with content of its own. */
static TestHost host;

/* The answer of another process; 0 if it has none. */
static uint64_t
answer_elsewhere(const NnModel *model)
{
	uint64_t	result = 0;
	int			ends[2];
	pid_t		child;

	if (pipe(ends) != 0)
		return 0;
	child = fork();
	if (child == 0)
	{
		test_host_init(&host);
		result = answer_hash(model, &nn_env_malloc);
		if (host.n_live != 0 || write(ends[1], &result, sizeof(result)) != (ssize_t) sizeof(result))
			_exit(1);
		_exit(0);
	}
	close(ends[1]);
	if (read(ends[0], &result, sizeof(result)) != (ssize_t) sizeof(result))
		result = 0;
	close(ends[0]);
	(void) waitpid(child, NULL, 0);
	return result;
}

static void
test_sharing(FileCase which)
{
	const char *name = file_case_names[which];
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, NN_FLOAT_F32, &n_bytes);
	NnModel    *own = NULL;
	NnModel    *shared = NULL;
	NnArray		again;
	uint64_t	expected;
	Home		home;

	home_init(&home);
	test_host_init(&host);
	ok(nn_file_read(&own, file, n_bytes, 0, &nn_env_malloc, &err) == NN_OK &&
	   nn_file_read_into(&shared, file, n_bytes, 0, &home.env, &host.env, &err) == NN_OK,
	   "%s: the file is read to a place of its own", name);
	if (own == NULL || shared == NULL)
		return;
	ok(host.n_live == 0 && host.n_polls > 0, "%s: nothing of it lies elsewhere", name);
	ok(nn_model_bytes(shared) <= home.used, "%s: its bytes are counted", name);

	/* From here on a write to it ends this program. */
	mprotect(home.start, HOME_BYTES, PROT_READ);
	memset(&home.env, 0xff, sizeof(home.env));
	expected = answer_hash(own, &nn_env_malloc);
	ok(answer_hash(shared, &nn_env_malloc) == expected, "%s: it answers with the same bits", name);
	ok(answer_elsewhere(shared) == expected, "%s: in another process, too", name);
	nn_array_init(&again, &nn_env_malloc, 1);
	ok(nn_file_write(shared, NN_FLOAT_F32, &again, &err) == NN_OK && again.n == n_bytes &&
	   memcmp(again.data, file, n_bytes) == 0, "%s: it writes the same file", name);
	nn_array_free(&again);
	ok(host.n_live == 0, "%s: answering has given back what it took", name);
	nn_model_destroy(own);
	free(file);
}

/* ---- failures ---------------------------------------------------------------------------- */

static void
test_failures(FileCase which)
{
	TestHost	home;
	size_t		n_bytes;
	uint8_t    *file = file_case_file(which, NN_FLOAT_F16, &n_bytes);
	NnModel    *model;
	long		n_home;
	long		n_host;
	long		n_home_polls;
	long		n_polls;
	int			n_bad = 0;

	test_host_init(&home);
	test_host_init(&host);
	n_bad += nn_file_read_into(&model, file, n_bytes, 0, &home.env, &host.env, &err) != NN_OK;
	nn_model_destroy(model);
	n_bad += home.n_live != 0 || host.n_live != 0;
	n_home = home.n_allocs;
	n_host = host.n_allocs;
	n_home_polls = home.n_polls;
	n_polls = n_home_polls + host.n_polls;
	for (long i = 1; i <= n_home + n_host; i++)
	{
		home.n_allocs = host.n_allocs = 0;
		home.fail_at = i <= n_home ? i : 0;
		host.fail_at = i <= n_home ? 0 : i - n_home;
		n_bad += nn_file_read_into(&model, file, n_bytes, 0, &home.env, &host.env, &err) != NN_ENOMEM ||
			model != NULL || home.n_live != 0 || host.n_live != 0;
	}
	home.fail_at = host.fail_at = 0;
	for (long i = 1; i <= n_polls; i++)
	{
		home.n_polls = host.n_polls = 0;
		home.cancel_at = i <= n_home_polls ? i : 0;
		host.cancel_at = i <= n_home_polls ? 0 : i - n_home_polls;
		n_bad += nn_file_read_into(&model, file, n_bytes, 0, &home.env, &host.env, &err) != NN_ECANCELED ||
			model != NULL || home.n_live != 0 || host.n_live != 0;
	}
	ok(n_bad == 0, "%s: reading survives each of %ld failed allocations and %ld stops", file_case_names[which],
	   n_home + n_host, n_polls);
	free(file);
}

int
main(void)
{
	for (int which = 0; which < N_FILE_CASES; which++)
	{
		test_sharing((FileCase) which);
		test_failures((FileCase) which);
	}
	return done_testing();
}
