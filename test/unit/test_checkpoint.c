/*
 * test_checkpoint.c: trainings that are interrupted and go on (train/checkpoint.h).
 *
 *  - interrupted anywhere, again and again, every task ends with the bytes of a training
 *    that was left alone, and with its report;
 *  - so it does where each try is by a team of another size;
 *  - what is damaged is refused, whatever byte it is;
 *  - a wish to stop ends a training soon, with the best there is.
 */
#include "task_case.h"

#include <stdlib.h>
#include "base/bytes.h"
#include "base/rng.h"
#include "net_case.h"
#include "tap.h"
#include "team_case.h"

#define N_ROWS	40

static NnError err;

/* ---- a host that keeps streams ------------------------------------------------- */

typedef struct Keeper
{
	TestHost	host;
	NnCheckpoints checkpoints;
	NnArray		kept[2];		/* by NnStream */
	NnArray		made;
	NnStream	stream;			/* that is made, or read */
	size_t		at;				/* read so far */
	int			n_asked;
	int			n_saved;
	int			every;			/* so many questions: a checkpoint */
	int			stop_at;		/* from this question on: a stop; 0: never */
	bool		is_refitting;
	TeamCase	team;			/* who trains; size 0: nobody but the caller */
} Keeper;

static NnWish
ask(void *ctx)
{
	Keeper	   *keeper = ctx;

	keeper->n_asked++;
	if (keeper->stop_at > 0 && keeper->n_asked >= keeper->stop_at)
		return NN_WISH_STOP;
	return keeper->every > 0 && keeper->n_asked % keeper->every == 0 ? NN_WISH_CHECKPOINT : NN_WISH_NOTHING;
}

static NnStatus
begin(void *ctx, NnStream stream, NnError *error)
{
	Keeper	   *keeper = ctx;

	(void) error;
	nn_array_free(&keeper->made);
	nn_array_init(&keeper->made, &nn_env_malloc, 1);
	keeper->stream = stream;
	return NN_OK;
}

static NnStatus
put(void *ctx, const void *bytes, size_t n_bytes, NnError *error)
{
	(void) error;
	return nn_write_bytes(&((Keeper *) ctx)->made, bytes, n_bytes);
}

static NnStatus
end(void *ctx, NnError *error)
{
	Keeper	   *keeper = ctx;

	(void) error;
	nn_array_free(&keeper->kept[NN_STREAM_RUNNING]);
	nn_array_free(&keeper->kept[keeper->stream]);
	keeper->kept[keeper->stream] = keeper->made;
	memset(&keeper->made, 0, sizeof(keeper->made));
	keeper->n_saved++;
	return NN_OK;
}

static NnStatus
open_stream(void *ctx, NnStream stream, bool *is_there, NnError *error)
{
	Keeper	   *keeper = ctx;

	(void) error;
	keeper->stream = stream;
	keeper->at = 0;
	*is_there = keeper->kept[stream].n > 0;
	return NN_OK;
}

static NnStatus
get(void *ctx, void *bytes, size_t n_bytes, NnError *error)
{
	Keeper	   *keeper = ctx;
	const NnArray *from = &keeper->kept[keeper->stream];

	if (n_bytes > from->n - keeper->at)
		return nn_fail(error, NN_EFORMAT, "a checkpoint ends too early");
	if (n_bytes > 0)
		memcpy(bytes, (const char *) from->data + keeper->at, n_bytes);
	keeper->at += n_bytes;
	return NN_OK;
}

static void
keeper_init(Keeper *keeper)
{
	memset(keeper, 0, sizeof(*keeper));
	test_host_init(&keeper->host);
	keeper->checkpoints = (NnCheckpoints)
	{
		keeper, 0, ask, begin, put, end, open_stream, get
	};
}

static void
keeper_free(Keeper *keeper)
{
	nn_array_free(&keeper->made);
	nn_array_free(&keeper->kept[0]);
	nn_array_free(&keeper->kept[1]);
}

/* ---- rows ------------------------------------------------------------------------- */

static const char *const words[] = {
	"the", "router", "invoice", "cable", "phone", "is", "broken", "late", "blue", "again", "monday", "my"
};

#define N_WORDS ((int) (sizeof(words) / sizeof(words[0])))

static void
make_rows(NnTask task, TaskRow *rows)
{
	NnRng		rng;

	nn_rng_seed(&rng, 7);
	memset(rows, 0, N_ROWS * sizeof(TaskRow));
	for (int i = 0; i < N_ROWS; i++)
	{
		char		text[512] = "";
		char		tags[512] = "";
		float		numbers[30];
		int			n = net_case_int(&rng, 1, 9);

		for (int k = 0; k < n; k++)
		{
			int			word = net_case_int(&rng, 0, N_WORDS - 1);

			sprintf(text + strlen(text), "%s%s", k > 0 ? " " : "", words[word]);
			sprintf(tags + strlen(tags), "%s%s", k > 0 ? " " : "", word > 0 && word < 5 ? "B-thing" : "O");
		}
		for (int t = 0; t < 30; t++)
			numbers[t] = (float) sin(0.5 * t + i) + 0.1f * nn_rng_normal(&rng);
		rows[i].input = task == NN_TASK_TAG ? task_words(task_print("%s", text)) :
			task == NN_TASK_FORECAST ? task_numbers(numbers, 30) : task_text(task_print("%s", text));
		rows[i].label = i % 3 == 0 ? "few" : "many";
		rows[i].target = task == NN_TASK_TAG ? task_words(task_print("%s", tags)) :
			task == NN_TASK_FORECAST ? (NnValue) {.kind = NN_VALUE_NUMBERS} : task_text(task_print("%s", text));
	}
}

/* Small, with everything that draws random numbers switched on. */
static NnOptions
options_of(int shards)
{
	NnOptions	options;

	nn_options_init(&options);
	options.hidden = 8;
	options.embedding = 6;
	options.epochs = 3;
	options.batch = 8;
	options.shards = shards;
	options.validation = 0.2;
	options.refit = 1;
	options.dropout = 0.2;
	options.dropout_word = 0.1;
	options.dropout_input = 0.1;
	options.subwords = 30;
	return options;
}

/* ---- one training, by one keeper --------------------------------------------------------- */

typedef struct Result
{
	NnStatus	status;
	uint64_t	hash;
	int			n_epochs;
	int			best_epoch;
	bool		is_refitted;
	uint64_t	figures;		/* of all epochs but their seconds */
} Result;

static uint64_t
hash_figures(const NnTrainReport *report)
{
	uint64_t	hash = 1;

	for (int i = 0; i < report->n_epochs; i++)
	{
		NnEpoch		epoch = report->epoch[i];

		epoch.seconds = 0.0;
		hash = nn_hash_bytes(&epoch.loss_train, sizeof(double), hash);
		hash = nn_hash_bytes(&epoch.loss_valid, sizeof(double), hash);
		hash = nn_hash_bytes(&epoch.gradient_norm, sizeof(double), hash);
		hash = nn_hash_bytes(epoch.gradient, (size_t) epoch.n_distances * sizeof(float), hash);
	}
	return hash;
}

static Result
learn(NnTask task, const NnOptions *options, const TaskRow *rows, Keeper *keeper)
{
	Result		result = {0};
	const NnEnv *env = keeper != NULL ? &keeper->host.env : &nn_env_malloc;
	NnLearner  *learner = task_begin(task, options, NULL, rows, N_ROWS, env, &result.status, &err);
	const NnLearnReport *report;
	NnPlan		plan;

	if (learner == NULL)
		return result;
	result.status = nn_learner_plan(learner, &plan, &err);
	if (keeper != NULL)
	{
		nn_learner_checkpoint(learner, &keeper->checkpoints);
		nn_learner_train_by(learner, team_case_train, &keeper->team);
		keeper->n_asked = 0;
	}
	if (result.status == NN_OK)
		result.status = nn_learner_train(learner, &report, &err);
	if (result.status == NN_OK)
	{
		if (keeper != NULL)
			keeper->host.cancel_at = 0; /* writing the file polls, too */
		result.hash = task_file_hash(learner);
		result.n_epochs = report->train.n_epochs;
		result.best_epoch = report->train.best_epoch;
		result.is_refitted = report->is_refitted;
		result.figures = hash_figures(&report->train);
	}
	nn_learner_destroy(learner);
	return result;
}

/* ---- interruptions ------------------------------------------------------------------------- */

/*
 * Interrupt a training at a poll, let another go on from what was kept, interrupt that a
 * little later, and so on until one comes to its end.  n_sizes: teams of 1 to so many
 * threads, one after the other.
 */
static Result
learn_with_interruptions(NnTask task, const NnOptions *options, const TaskRow *rows, int every, long polls,
						 int n_sizes, int *n_interrupted)
{
	Keeper		keeper;
	Result		result;

	keeper_init(&keeper);
	keeper.every = every;
	*n_interrupted = 0;
	for (;;)
	{
		keeper.host.n_polls = 0;
		keeper.host.cancel_at = polls + 150 * *n_interrupted;
		keeper.team.size = n_sizes - *n_interrupted % n_sizes;
		result = learn(task, options, rows, &keeper);
		if (keeper.host.n_blocks != 0)
			diag("%lld blocks are left", (long long) keeper.host.n_blocks);
		if (result.status != NN_ECANCELED || *n_interrupted == 200)
			break;
		(*n_interrupted)++;
	}
	keeper_free(&keeper);
	return result;
}

static void
test_same_by(const char *what, NnTask task, const NnOptions *options, int n_sizes)
{
	TaskRow		rows[N_ROWS];
	Result		alone;
	int			n_same = 0;
	int			n_interrupted = 0;

	make_rows(task, rows);
	alone = learn(task, options, rows, NULL);
	for (int k = 0; k < 2; k++)
	{
		static const int every[] = {1, 5};
		int			n;
		Result		again = learn_with_interruptions(task, options, rows, every[k], 150 + 31 * k, n_sizes, &n);

		n_interrupted += n;
		if (again.status == NN_OK && again.hash == alone.hash && again.figures == alone.figures &&
			again.n_epochs == alone.n_epochs && again.best_epoch == alone.best_epoch &&
			again.is_refitted == alone.is_refitted)
			n_same++;
		else
			diag("%s, every %d: %s", what, every[k], again.status == NN_OK ? "other bytes" : err.message);
	}
	ok(alone.status == NN_OK && n_same == 2 && n_interrupted >= 4, "%s: the same bytes and figures (%d interruptions%s)",
	   what, n_interrupted, alone.is_refitted ? ", refitted" : "");
	task_free_values();
}

static void
test_same(const char *what, NnTask task, const NnOptions *options)
{
	test_same_by(what, task, options, 1);
}

/* Teams of three, two, one, three... threads. */
static void
test_teams(void)
{
	NnOptions	options = options_of(4);

	test_same_by("labels, by teams", NN_TASK_CLASSIFY, &options, 3);
	options.refit = 0;
	options.patience = 1;
	options.epochs = 12;
	test_same_by("stopped early, by teams", NN_TASK_CLASSIFY, &options, 3);
	options = options_of(3);
	test_same_by("tags, by teams", NN_TASK_TAG, &options, 3);
	test_same_by("translations, by teams", NN_TASK_TRANSLATE, &options, 2);
	test_same_by("forecasts, by teams", NN_TASK_FORECAST, &options, 3);
	options.running = 1;
	options.bptt = 5;
	options.batch = 4;
	test_same_by("running text, by teams", NN_TASK_LANGUAGE, &options, 3);
	options = options_of(3);
	options.optimizer = NN_OPTIMIZER_SGD;
	options.rate = 1.0;
	options.clip = 0.0;
	test_same_by("steps that are too long, by teams", NN_TASK_CLASSIFY, &options, 3);
}

static void
test_tasks(void)
{
	NnOptions	options = options_of(0);

	test_same("labels", NN_TASK_CLASSIFY, &options);
	options.cell = NN_CELL_NONE;
	test_same("labels, a bag alone", NN_TASK_CLASSIFY, &options);
	options = options_of(4);
	options.refit = 0;
	options.patience = 1;
	options.epochs = 12;
	test_same("labels in shards, stopped early, no refit", NN_TASK_CLASSIFY, &options);
	options = options_of(2);
	options.keep = NN_KEEP_LAST;
	test_same("tags", NN_TASK_TAG, &options);
	options.subwords = 0;
	options.samples = 5;
	test_same("translations, a sample of words", NN_TASK_TRANSLATE, &options);
	options = options_of(2);
	test_same("forecasts", NN_TASK_FORECAST, &options);
	options.running = 0;
	test_same("texts", NN_TASK_LANGUAGE, &options);
	options.running = 1;
	options.bptt = 5;
	options.batch = 4;
	test_same("running text", NN_TASK_LANGUAGE, &options);
	options.shards = 1;
	options.cell = NN_CELL_GRU;
	test_same("running text in one shard", NN_TASK_LANGUAGE, &options);
	options = options_of(0);
	options.optimizer = NN_OPTIMIZER_SGD;
	options.rate = 1.0;
	options.clip = 0.0;
	test_same("labels, with steps that are too long", NN_TASK_CLASSIFY, &options);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* A keeper that was interrupted in the middle. */
static void
interrupt(Keeper *keeper, const NnOptions *options, const TaskRow *rows, int n_saved)
{
	keeper_init(keeper);
	keeper->every = 2;
	for (keeper->host.cancel_at = 50; keeper->n_saved < n_saved; keeper->host.cancel_at += 20)
	{
		keeper->host.n_polls = 0;
		if (learn(NN_TASK_CLASSIFY, options, rows, keeper).status == NN_OK)
			break;
	}
	keeper->host.cancel_at = 0;
	keeper->every = 0;
}

static void
test_damage(NnStream stream, int n_saved)
{
	NnOptions	options = options_of(2);
	TaskRow		rows[N_ROWS];
	Keeper		keeper;
	NnArray    *kept;
	Result		result;
	int			n_refused = 0;
	int			n_tried = 0;

	options.char_ngrams = 0;
	options.bag_features = 50;
	make_rows(NN_TASK_CLASSIFY, rows);
	interrupt(&keeper, &options, rows, n_saved);
	kept = &keeper.kept[stream];
	if (!ok(kept->n > 1000, "there is a stream of %zu bytes", kept->n))
		return;
	for (size_t at = 0; at < kept->n; at += at < 600 ? 13 : kept->n / 20)
	{
		uint8_t    *byte = (uint8_t *) kept->data + at;
		uint8_t		was = *byte;

		*byte ^= (uint8_t) (1 << (at % 8));
		n_tried++;
		result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
		if (result.status == NN_EFORMAT)
			n_refused++;
		else
			diag("byte %zu: %s", at, result.status == NN_OK ? "taken" : err.message);
		*byte = was;
	}
	ok(n_refused == n_tried, "a byte that was changed is refused, %d of %d", n_refused, n_tried);
	for (size_t n = kept->n, cut = 1; cut < n; cut *= 9)
	{
		kept->n = n - cut;
		n_tried = n_refused = 0;
		result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
		if (!ok(result.status == NN_EFORMAT, "cut off %zu bytes: refused", cut))
			diag("%s", err.message);
		kept->n = n;
	}
	options.hidden = 9;
	ok(learn(NN_TASK_CLASSIFY, &options, rows, &keeper).status == NN_EFORMAT, "of another network: refused");
	options.hidden = 8;
	options.seed = 2;
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(stream == NN_STREAM_FIRST || result.status == NN_EFORMAT, "of another seed: refused");
	keeper_free(&keeper);
	task_free_values();
}

/* ---- stops -------------------------------------------------------------------------------------- */

static void
test_stop(void)
{
	NnOptions	options = options_of(2);
	TaskRow		rows[N_ROWS];
	Keeper		keeper;
	Result		result;
	Result		again;
	int			n_asked;

	options.epochs = 100;
	make_rows(NN_TASK_CLASSIFY, rows);
	keeper_init(&keeper);
	keeper.stop_at = 1;
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(result.status == NN_OK && result.n_epochs == 1 && !result.is_refitted, "stopped behind the first batch: one epoch");
	keeper.stop_at = 30;
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(result.status == NN_OK && result.n_epochs > 2 && result.n_epochs < 10 && !result.is_refitted,
	   "stopped later: %d epochs", result.n_epochs);
	again = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(again.hash == result.hash, "stopped at the same batch: the same bytes");
	keeper.team.size = 2;
	again = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(again.hash == result.hash && again.n_epochs == result.n_epochs, "and by a team");
	keeper_free(&keeper);

	/* in the refit: what the first training found is what is left */
	options = options_of(2);
	options.epochs = 5;
	keeper_init(&keeper);
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	n_asked = keeper.n_asked;
	ok(result.status == NN_OK && result.is_refitted, "not stopped: refitted");
	keeper_free(&keeper);
	keeper_init(&keeper);
	keeper.stop_at = n_asked - 1;
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(result.status == NN_ECANCELED, "stopped in the refit: nothing at first");
	keeper.stop_at = 1;
	result = learn(NN_TASK_CLASSIFY, &options, rows, &keeper);
	ok(result.status == NN_OK && result.n_epochs == 5 && !result.is_refitted, "the same again: the first training's result");
	options.refit = 0;
	again = learn(NN_TASK_CLASSIFY, &options, rows, NULL);
	ok(again.hash == result.hash && again.figures == result.figures, "the bytes of a training without a refit");
	keeper_free(&keeper);
	task_free_values();
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void
test_memory(void)
{
	NnOptions	options = options_of(2);
	TaskRow		rows[N_ROWS];
	Keeper		keeper;
	Result		result = {.status = NN_ENOMEM};
	int			n_wrong = 0;
	int			n_failed = 0;

	options.running = 1;
	options.bptt = 5;
	make_rows(NN_TASK_LANGUAGE, rows);
	keeper_init(&keeper);
	keeper.every = 3;
	keeper.host.cancel_at = 120;
	for (int i = 0; i < 20 && keeper.n_saved < 3; i++, keeper.host.cancel_at += 20)
	{
		keeper.host.n_polls = 0;
		learn(NN_TASK_LANGUAGE, &options, rows, &keeper);
	}
	keeper.host.cancel_at = 0;
	keeper.every = 0;
	for (long at = 1; result.status != NN_OK && at < 100000; at += 1 + at / 3)
	{
		keeper.host.n_allocs = 0;
		keeper.host.fail_at = at;
		result = learn(NN_TASK_LANGUAGE, &options, rows, &keeper);
		n_failed += result.status == NN_ENOMEM;
		n_wrong += (result.status != NN_OK && result.status != NN_ENOMEM) || keeper.host.n_blocks != 0;
	}
	ok(n_wrong == 0 && n_failed > 5, "allocations refused while it goes on: an error, and nothing is left (%d)", n_failed);
	keeper_free(&keeper);
	task_free_values();
}

int
main(void)
{
	test_tasks();
	test_teams();
	test_damage(NN_STREAM_RUNNING, 2);
	test_damage(NN_STREAM_FIRST, 22);
	test_stop();
	test_memory();
	return done_testing();
}
