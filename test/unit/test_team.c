/*
 * test_team.c: several that train one net, and batches in shards (train/team.h).
 *
 *  - teams of 1, 2, 3, 4 and 8 threads make the same file, of every task;
 *  - a single shard is what a batch always was, and shards learn as well as it does;
 *  - what is not finite is found by all members at once;
 *  - one that fails ends the training of all, and nothing is left behind.
 */
#include "task_case.h"

#include <stdlib.h>
#include "net_case.h"
#include "tap.h"
#include "team_case.h"

#define N_ROWS	90

static NnError err;
static NnTrainReport report;

/* ---- rows --------------------------------------------------------------------- */

static const char *const words[] = {
	"the", "a", "router", "invoice", "cable", "phone", "is", "was", "broken", "late", "blue", "very",
	"again", "please", "help", "since", "monday", "my", "our", "new", "old", "cold", "slow", "loud"
};

#define N_WORDS ((int) (sizeof(words) / sizeof(words[0])))

/* Up to max words; tags beside them, unless NULL. */
static const char *
draw_text(NnRng *rng, int max, char **tags)
{
	char		text[1024];
	char		tag[1024] = "";
	size_t		at = 0;
	size_t		tag_at = 0;
	int			n = net_case_int(rng, 1, max);

	for (int i = 0; i < n; i++)
	{
		int			word = net_case_int(rng, 0, N_WORDS - 1);

		at += (size_t) sprintf(text + at, "%s%s", i > 0 ? " " : "", words[word]);
		tag_at += (size_t) sprintf(tag + tag_at, "%s%s", i > 0 ? " " : "", word >= 2 && word < 6 ? "B-thing" : "O");
	}
	if (tags != NULL)
		*tags = task_print("%s", tag);
	return task_print("%s", text);
}

static void
make_rows(NnTask task, TaskRow *rows)
{
	NnRng		rng;

	nn_rng_seed(&rng, 5);
	memset(rows, 0, N_ROWS * sizeof(TaskRow));
	for (int i = 0; i < N_ROWS; i++)
	{
		char	   *tags;
		const char *text = draw_text(&rng, 14, &tags);
		float		numbers[40];

		for (int t = 0; t < 40; t++)
			numbers[t] = (float) sin(0.5 * t + i) + 0.1f * nn_rng_normal(&rng);
		rows[i].input = task == NN_TASK_TAG ? task_words(text) :
			task == NN_TASK_FORECAST || task == NN_TASK_CAPTION ? task_numbers(numbers, task == NN_TASK_CAPTION ? 5 : 40) :
			task_text(text);
		rows[i].label = i % 3 == 0 ? "few" : "many";
		rows[i].target = task == NN_TASK_TAG ? task_words(tags) :
			task == NN_TASK_FORECAST ? (NnValue) {.kind = NN_VALUE_NUMBERS} : task_text(draw_text(&rng, 9, NULL));
	}
}

/* Small, with everything that draws random numbers switched on. */
static NnOptions
options_of(int shards, int batch)
{
	NnOptions	options;

	nn_options_init(&options);
	options.hidden = 10;
	options.embedding = 8;
	options.epochs = 2;
	options.batch = batch;
	options.shards = shards;
	options.validation = 0.2;
	options.dropout = 0.2;
	options.dropout_word = 0.1;
	options.dropout_input = 0.1;
	options.dropout_recurrent = 0.1;
	options.subwords = 30;
	return options;
}

static uint64_t
hash_by(TeamCase *team, NnTask task, const NnOptions *options, const TaskRow *rows, int n)
{
	NnStatus	status;
	NnLearner  *learner = task_begin(task, options, NULL, rows, n, &nn_env_malloc, &status, &err);
	const NnLearnReport *learned;
	NnPlan		plan;
	uint64_t	hash = 0;

	nn_learner_train_by(learner, team_case_train, team);
	if (nn_learner_plan(learner, &plan, &err) == NN_OK && nn_learner_train(learner, &learned, &err) == NN_OK)
		hash = task_file_hash(learner);
	else
		diag("%s: %s", nn_task_name(task), err.message);
	nn_learner_destroy(learner);
	return hash;
}

/* ---- one result -------------------------------------------------------------------- */

static void
test_same(const char *what, NnTask task, const NnOptions *options, int n)
{
	static const int sizes[] = {1, 2, 3, 4, 8};
	TaskRow		rows[N_ROWS];
	TeamCase	alone = {0};
	uint64_t	hash;
	int			n_other = 0;

	make_rows(task, rows);
	hash = hash_by(&alone, task, options, rows, n);
	for (int k = 0; k < 5; k++)
	{
		TeamCase	team = {.size = sizes[k], .is_packed = k % 2 == 1};

		n_other += hash_by(&team, task, options, rows, n) != hash || team.n_trainings != alone.n_trainings;
		for (int m = 0; m < team.size; m++)
			n_other += team.status[m] != NN_OK;
	}
	ok(hash != 0 && n_other == 0, "%s: teams of 1 to 8 make the same file", what);
	task_free_values();
}

static void
test_tasks(void)
{
	NnOptions	options = options_of(8, 16);

	options.dropout_bag = options.dropout_feature = 0.2;
	options.class_weights = 1;
	options.refit = 1;
	test_same("labels, a bag and two directions", NN_TASK_CLASSIFY, &options, N_ROWS);
	options = options_of(3, 20);
	options.cell = NN_CELL_GRU;
	options.layers = 2;
	test_same("labels, shards that are not equal", NN_TASK_CLASSIFY, &options, N_ROWS - 1);
	options.cell = NN_CELL_NONE;
	test_same("labels, a bag alone", NN_TASK_CLASSIFY, &options, N_ROWS);
	options = options_of(64, 64);
	test_same("labels, more shards than the last batch has rows", NN_TASK_CLASSIFY, &options, N_ROWS);
	options = options_of(4, 16);
	test_same("tags", NN_TASK_TAG, &options, N_ROWS);
	options.subwords = 0;
	test_same("translations", NN_TASK_TRANSLATE, &options, N_ROWS);
	options.samples = 5;
	test_same("translations, a sample of words", NN_TASK_TRANSLATE, &options, N_ROWS);
	test_same("captions", NN_TASK_CAPTION, &options, N_ROWS);
	options = options_of(4, 8);
	test_same("forecasts", NN_TASK_FORECAST, &options, 6);
}

static void
test_language(void)
{
	NnOptions	options = options_of(4, 16);

	options.running = 0;
	test_same("texts", NN_TASK_LANGUAGE, &options, N_ROWS);
	options.bidirectional = 1;
	options.samples = 7;
	test_same("texts both ways, a sample of words", NN_TASK_LANGUAGE, &options, N_ROWS);
	options = options_of(4, 7);
	options.running = 1;
	options.bptt = 9;
	options.keep = NN_KEEP_BEST;
	test_same("running text", NN_TASK_LANGUAGE, &options, N_ROWS);
	options.samples = 7;
	options.cell = NN_CELL_GRU;
	test_same("running text, a sample of words", NN_TASK_LANGUAGE, &options, N_ROWS);
	options.bptt = 200;
	test_same("running text, more shards than lanes", NN_TASK_LANGUAGE, &options, N_ROWS);
}

/* ---- nets and sets of train_case ------------------------------------------------------- */

typedef struct Case
{
	NnSpec		spec;
	NnTrainOptions options;
	TrainSet	train;
	TrainSet	valid;
	NnArena    *memory;
	NnNet	   *net;
} Case;

static void
case_create(Case *c, int shards)
{
	NnRng		rng;

	memset(c, 0, sizeof(*c));
	c->memory = nn_arena_create(&nn_env_malloc);
	nn_rng_seed(&rng, 77);
	c->spec = train_case_text_spec(NN_CELL_LSTM, 258, 40, 2);
	train_set_first_token(&c->train, &rng, 400);
	train_set_first_token(&c->valid, &rng, 100);
	c->net = train_case_net(c->memory, &c->spec, 1);
	c->options = train_case_options();
	c->options.shards = shards;
}

static void
case_destroy(Case *c)
{
	train_set_free(&c->train);
	train_set_free(&c->valid);
	nn_arena_destroy(c->memory);
}

static NnStatus
case_train(Case *c, TeamCase *team, const NnEnv *env)
{
	return team_case_train(team, c->net, &c->train.examples, &c->valid.examples, &c->options, env, &report, &err);
}

/* ---- shards -------------------------------------------------------------------------- */

/* Without dropout, a batch's gradient is the same in any number of shards, but for rounding. */
static void
test_shards(void)
{
	double		loss[3];
	double		norm[3];
	static const int shards[] = {0, 4, 16};
	uint64_t	hash[2];

	for (int k = 0; k < 3; k++)
	{
		Case		c;

		case_create(&c, shards[k]);
		nn_train(c.net, &c.train.examples, &c.valid.examples, &c.options, &nn_env_malloc, &report, &err);
		loss[k] = report.epoch[0].loss_train;
		norm[k] = report.epoch[0].gradient_norm;
		ok(report.epoch[9].metric > 0.9 && report.n_steps == 250, "%d shards: it learns which token came first (%.3f)",
		   shards[k], report.epoch[9].metric);
		case_destroy(&c);
	}
	ok(fabs(loss[1] / loss[0] - 1.0) < 1e-4 && fabs(loss[2] / loss[0] - 1.0) < 1e-4,
	   "the loss of an epoch is the same in 1, 4 and 16 shards (%.6f, %.6f, %.6f)", loss[0], loss[1], loss[2]);
	ok(fabs(norm[1] / norm[0] - 1.0) < 1e-3 && fabs(norm[2] / norm[0] - 1.0) < 1e-3,
	   "and so is the length of the gradient (%.5f, %.5f, %.5f)", norm[0], norm[1], norm[2]);
	for (int k = 0; k < 2; k++)
	{
		Case		c;
		TeamCase	team = {.size = 3};

		/* every member does everything: one shard is nobody's part */
		case_create(&c, k);
		if (k == 1)
			case_train(&c, &team, &nn_env_malloc);
		else
			nn_train(c.net, &c.train.examples, &c.valid.examples, &c.options, &nn_env_malloc, &report, &err);
		hash[k] = train_case_hash(c.net);
		case_destroy(&c);
	}
	ok(hash[0] == hash[1], "one shard and a team: the same bytes");
}

/* ---- what is not finite ----------------------------------------------------------------- */

/* Steps that are skipped and trainings that go back, by all members alike. */
static void
test_not_finite(void)
{
	static const float rates[] = {1e2f, 1e18f, 1e37f};

	for (int k = 0; k < 3; k++)
	{
		NnStatus	status[2];
		uint64_t	hash[2];
		int			n_resets[2];
		int64_t		n_steps[2];

		for (int j = 0; j < 2; j++)
		{
			TeamCase	team = {.size = j == 0 ? 1 : 4};
			Case		c;

			case_create(&c, 4);
			c.options.rate_recurrent = c.options.rate_embedding = c.options.rate_wide = rates[k];
			c.options.clip = 0.0f;
			c.options.optimizer = NN_OPTIMIZER_SGD;
			status[j] = case_train(&c, &team, &nn_env_malloc);
			hash[j] = train_case_hash(c.net);
			n_resets[j] = report.n_resets;
			n_steps[j] = report.n_steps;
			case_destroy(&c);
		}
		ok(status[0] == status[1] && hash[0] == hash[1] && n_resets[0] == n_resets[1] && n_steps[0] == n_steps[1],
		   "rate %g: alone and in a team the same end (%d resets, %lld steps, %s)", (double) rates[k], n_resets[0],
		   (long long) n_steps[0], status[0] == NN_OK ? "done" : err.message);
	}
}

/* ---- failures -------------------------------------------------------------------------------- */

/* The first member, or one of the others, is canceled at poll after poll. */
static void
test_cancel(bool is_first)
{
	int			n_wrong = 0;
	int			n_canceled = 0;
	NnStatus	status = NN_ECANCELED;

	for (int64_t at = 1; status != NN_OK; at += 1 + at / 4)
	{
		Case		c;
		TestHost	host;
		TeamCase	team = {.size = 2, .host = is_first ? NULL : &host};

		case_create(&c, 4);
		c.options.epochs = 2;
		test_host_init(&host);
		host.cancel_at = at;
		status = case_train(&c, &team, is_first ? &host.env : &nn_env_malloc);
		n_wrong += host.n_blocks != 0 || (status != NN_OK && status != NN_ECANCELED) ||
			(status == NN_OK) != (team.status[1] == NN_OK);
		n_canceled += status != NN_OK;
		case_destroy(&c);
	}
	ok(n_wrong == 0 && n_canceled > 10, "%s is canceled at any poll: both end, nothing is left",
	   is_first ? "the first" : "the other");
}

/* The plan may have gigabytes: its packing asks whether to go on, also within an array. */
static void
test_cancel_packing(void)
{
	const int64_t n_large = 5 * 1024 * 1024;
	Case		c;
	TestHost	host;
	NnExamples	large;
	void	   *block;
	NnStatus	status;
	int64_t		n_polls;
	int			n_wrong = 0;

	case_create(&c, 4);
	block = aligned_alloc(64, nn_team_plan_bytes(&c.spec, &c.train.examples, &c.valid.examples, &c.options));
	test_host_init(&host);
	status = nn_team_plan_pack(block, c.net, &c.train.examples, &c.valid.examples, &c.options, &host.env, &err);
	n_polls = host.n_polls;
	for (int64_t at = 1; at <= n_polls; at++)
	{
		test_host_init(&host);
		host.cancel_at = at;
		n_wrong += nn_team_plan_pack(block, c.net, &c.train.examples, &c.valid.examples, &c.options, &host.env,
									 &err) != NN_ECANCELED || host.n_polls != at;
	}
	ok(status == NN_OK && n_wrong == 0 && n_polls > 10, "packing a plan is canceled at each of %lld polls", (long long) n_polls);
	free(block);

	large = c.train.examples;
	large.bag_start = calloc((size_t) large.n + 1, sizeof(int64_t));
	((int64_t *) large.bag_start)[large.n] = n_large;
	large.bag_row = calloc((size_t) n_large, sizeof(int32_t));
	block = aligned_alloc(64, nn_examples_packed_bytes(&large, &c.spec));
	test_host_init(&host);
	status = nn_examples_pack(&large, &c.spec, block, &host.env, &err);
	ok(status == NN_OK && host.n_polls >= 4 + 20 / 4, "and polls within 20 MB (%lld polls)", (long long) host.n_polls);
	free((void *) large.bag_start);
	free((void *) large.bag_row);
	free(block);
	case_destroy(&c);
}

static void
test_out_of_memory(void)
{
	int			n_wrong = 0;
	NnStatus	status = NN_ENOMEM;

	for (int64_t at = 1; status != NN_OK; at++)
	{
		Case		c;
		TestHost	host;
		TeamCase	team = {.size = 2, .host = &host};

		case_create(&c, 4);
		c.options.epochs = 1;
		test_host_init(&host);
		host.fail_at = at;
		status = case_train(&c, &team, &nn_env_malloc);
		n_wrong += host.n_blocks != 0 || (status != NN_OK && team.status[1] != NN_ENOMEM);
		case_destroy(&c);
	}
	ok(n_wrong == 0, "one has no memory: both end, nothing is left");
}

static void
test_bad_team(void)
{
	Case		c;
	char		exchange[64];
	NnTeam		team = {.rank = 2, .size = 2, .exchange = exchange, .n_bytes = sizeof(exchange)};

	case_create(&c, 4);
	c.options.team = &team;
	ok(nn_train(c.net, &c.train.examples, &c.valid.examples, &c.options, &nn_env_malloc, &report, &err) == NN_EINTERNAL,
	   "a member that the team has not");
	team.rank = 0;
	ok(nn_train(c.net, &c.train.examples, &c.valid.examples, &c.options, &nn_env_malloc, &report, &err) == NN_EINTERNAL,
	   "slots too small for gradients: %s", err.message);
	c.options.team = NULL;
	c.options.shards = NN_MAX_SHARDS + 1;
	ok(nn_train(c.net, &c.train.examples, &c.valid.examples, &c.options, &nn_env_malloc, &report, &err) == NN_ERANGE,
	   "too many shards");
	case_destroy(&c);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void
test_bytes(void)
{
	NnRng		rng;
	int			n_over = 0;
	double		loosest = 0.0;

	nn_rng_seed(&rng, 20);
	for (int round = 0; round < 24; round++)
	{
		NnArena    *memory = nn_arena_create(&nn_env_malloc);
		int			n_table = 10 + (int) nn_rng_below(&rng, 3000);
		NnSpec		spec = train_case_text_spec((NnCell) (round % 4), 300, n_table, 3);
		NnTrainOptions options = train_case_options();
		TestHost	host;
		TestHost	other;
		TeamCase	team = {.size = round % 2 == 0 ? 1 : 2, .host = &other};
		TrainSet	set;
		NnNet	   *net;
		size_t		bytes;

		options.epochs = 2;
		options.batch = 1 + (int) nn_rng_below(&rng, 64);
		options.shards = 1 + (int) nn_rng_below(&rng, 10);
		options.dropout = (NnDropout) {0.2f, 0.1f, 0.1f, 0.3f, 0.2f};
		if (spec.cell != NN_CELL_NONE)
			spec.hidden = 1 + (int) nn_rng_below(&rng, 40);
		train_set_random_text(&set, &rng, 20 + (int64_t) nn_rng_below(&rng, 100), 1 + (int) nn_rng_below(&rng, 80),
							  300, n_table, 3);
		net = train_case_net(memory, &spec, 1);
		test_host_init(&host);
		test_host_init(&other);
		bytes = nn_train_bytes(&spec, &set.examples, &options);
		if (team_case_train(&team, net, &set.examples, &set.examples, &options, &host.env, &report, &err) != NN_OK)
			n_over++;
		n_over += (size_t) host.n_bytes_peak > bytes || report.peak_bytes > bytes;
		n_over += (size_t) other.n_bytes_peak > nn_team_follow_bytes(&spec, &set.examples, &options);
		if (team.size == 1)
			loosest = fmax(loosest, (double) bytes / (double) host.n_bytes_peak);
		train_set_free(&set);
		nn_arena_destroy(memory);
	}
	ok(n_over == 0, "no training in shards takes more than was said, and no other member");
	ok(loosest < 4, "which is at most four times too careful for such small nets (%.1f)", loosest);
}

int
main(void)
{
	test_tasks();
	test_language();
	test_shards();
	test_not_finite();
	test_cancel(true);
	test_cancel(false);
	test_cancel_packing();
	test_out_of_memory();
	test_bad_team();
	test_bytes();
	return done_testing();
}
