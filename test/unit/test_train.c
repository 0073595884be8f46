/*
 * test_train.c: the training loop, evaluation and the branch scales.
 *
 *  - tasks that only a right network learns: which token came first, XOR;
 *  - same seed, same bytes (promise P3);
 *  - canceled at any poll and out of memory at any block: a status, no leak;
 *  - weights that stop being numbers are replaced by good ones;
 *  - it takes no more memory than nn_train_bytes() says;
 *  - scales are the best of a grid.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"
#include "train_case.h"

/* Some of everything. */
static const NnDropout some_dropout = {0.2f, 0.1f, 0.1f, 0.3f, 0.2f};

static NnError err;
static NnTrainReport report;

/* A net with data to train and to validate on. */
typedef struct Case
{
	TestHost	host;
	NnArena    *memory;
	NnSpec		spec;
	NnNet	   *net;
	TrainSet	train;
	TrainSet	valid;
	NnTrainOptions options;
} Case;

typedef enum CaseKind
{
	FIRST_TOKEN,
	XOR_CLASSIFY,
	XOR_REGRESS
} CaseKind;

static void
case_create(Case *c, CaseKind kind, int64_t n_train, int64_t n_valid, uint64_t seed)
{
	NnRng		rng;

	memset(c, 0, sizeof(*c));
	test_host_init(&c->host);
	c->memory = nn_arena_create(&nn_env_malloc);
	nn_rng_seed(&rng, 77);
	if (kind == FIRST_TOKEN)
	{
		c->spec = train_case_text_spec(NN_CELL_LSTM, 258, 2, 2);
		train_set_first_token(&c->train, &rng, n_train);
		train_set_first_token(&c->valid, &rng, n_valid);
	}
	else
	{
		c->spec = train_case_xor_spec(kind == XOR_REGRESS);
		train_set_xor(&c->train, &rng, n_train, kind == XOR_REGRESS);
		train_set_xor(&c->valid, &rng, n_valid, kind == XOR_REGRESS);
	}
	c->net = train_case_net(c->memory, &c->spec, seed);
	c->options = train_case_options();
	c->options.seed = seed;
}

static NnStatus
case_train(Case *c)
{
	return nn_train(c->net, &c->train.examples, &c->valid.examples, &c->options, &c->host.env, &report, &err);
}

static void
case_destroy(Case *c)
{
	train_set_free(&c->train);
	train_set_free(&c->valid);
	nn_arena_destroy(c->memory);
}

/* Share of the validation rows whose largest output is the label's. */
static double
accuracy_of(Case *c)
{
	int64_t		n = c->valid.examples.n;
	float	   *out = calloc((size_t) n * 2, sizeof(float));
	double		n_right = 0;

	nn_outputs(c->net, &c->valid.examples, &nn_env_malloc, out, NULL, NULL, &err);
	for (int64_t i = 0; i < n; i++)
		n_right += (out[2 * i + 1] > out[2 * i]) == (c->valid.label[i] == 1);
	free(out);
	return n_right / (double) n;
}

/* ---- learning ------------------------------------------------------------------ */

static void
test_first_token(void)
{
	Case		c;

	case_create(&c, FIRST_TOKEN, 600, 200, 1);
	c.options.dropout.word = 0.05f;
	c.options.dropout.output = 0.1f;
	c.options.drop_feature = 0.2f;
	ok(case_train(&c) == NN_OK, "a net is trained to tell which token came first");
	/* chance is 0.5 with a deviation of 0.035 on 200 rows */
	ok(report.epoch[9].metric > 0.95, "it can (%.3f of unseen rows)", report.epoch[9].metric);
	ok(report.epoch[9].loss_train < 0.8 * report.epoch[0].loss_train, "the loss falls (%.3f to %.3f)",
	   report.epoch[0].loss_train, report.epoch[9].loss_train);
	is_near(accuracy_of(&c), report.epoch[9].metric, 1e-12, "the report's metric is that of the net");
	is_int(report.n_steps, 10 * 38, "600 rows in batches of 16, ten times");
	ok(report.n_epochs == 10 && report.best_epoch == 10 && report.n_resets == 0, "the last epoch is kept");
	ok(report.epoch[9].rate < report.epoch[1].rate && report.epoch[9].rate > 0, "the rate fell");
	ok(report.epoch[0].gradient_norm > 0 && report.epoch[0].share_clipped >= 0 && report.epoch[0].share_clipped <= 1 &&
	   report.seconds > 0 && report.epoch[0].seconds > 0, "the report is filled");
	is_int(c.host.n_blocks, 0, "all memory is given back");
	is_int(c.host.n_epoch_ends, 10, "progress is told at each epoch's end");
	ok(c.host.last.is_epoch_end && c.host.last.epoch == 10 && c.host.last.n_rows_done == 600 &&
	   c.host.last.n_rows == 600 && c.host.last.metric == report.epoch[9].metric &&
	   c.host.last.seconds_left == 0 && c.host.last.rows_per_second > 0, "with the figures of that epoch");
	ok(c.host.n_polls > 380, "it polls before every batch (%lld polls)", (long long) c.host.n_polls);
	case_destroy(&c);
}

static void
test_xor(void)
{
	Case		c;
	NnStatus	status;

	case_create(&c, XOR_CLASSIFY, 400, 100, 1);
	status = case_train(&c);
	ok(status == NN_OK && report.epoch[9].metric > 0.97, "XOR of vectors (%.3f)", report.epoch[9].metric);
	case_destroy(&c);

	case_create(&c, XOR_REGRESS, 400, 100, 1);
	c.options.epochs = 20;
	status = case_train(&c);
	ok(status == NN_OK && report.epoch[19].metric > 0.9, "XOR as a number (R2 %.3f)", report.epoch[19].metric);
	ok(report.epoch[19].loss_valid < 0.05 && report.epoch[19].loss_train > 0, "and its squared error (%.3f)",
	   report.epoch[19].loss_valid);
	ok(nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err) == NN_OK && c.host.n_blocks == 0,
	   "branches that are both right are scaled");
	case_destroy(&c);
}

/* The metric of a regression is R2 of the outputs, its loss half their mean squared error. */
static void
test_regress_figures(void)
{
	Case		c;
	float		out[100];
	double		predicted[100];
	double		target[100];
	NnMetrics	metrics;

	case_create(&c, XOR_REGRESS, 400, 100, 1);
	c.options.epochs = 3;
	case_train(&c);
	nn_outputs(c.net, &c.valid.examples, &nn_env_malloc, out, NULL, NULL, &err);
	for (int i = 0; i < 100; i++)
	{
		predicted[i] = (double) out[i];
		target[i] = (double) c.valid.target[i];
	}
	nn_metrics_regress(100, predicted, target, &metrics);
	is_near(report.epoch[2].metric, metrics.r2, 1e-9, "the report's R2 is that of the outputs");
	is_near(report.epoch[2].loss_valid, 0.5 * metrics.rmse * metrics.rmse, 1e-9, "so is its loss");
	case_destroy(&c);
}

/* Options of the loss reach it. */
static void
test_loss_options(void)
{
	const float weight[2] = {1.0f, 20.0f};
	Case		c;
	double		plain;
	float		out[120];
	int			n_second = 0;

	case_create(&c, FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 6;
	case_train(&c);
	plain = report.epoch[5].loss_train;
	case_destroy(&c);

	case_create(&c, FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 6;
	c.options.label_smoothing = 0.3f;
	case_train(&c);
	ok(report.epoch[5].loss_train > plain + 0.1, "label smoothing keeps the loss up (%.3f, else %.3f)",
	   report.epoch[5].loss_train, plain);
	case_destroy(&c);

	case_create(&c, FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 1;
	c.options.class_weight = weight;
	case_train(&c);
	nn_outputs(c.net, &c.valid.examples, &nn_env_malloc, out, NULL, NULL, &err);
	for (int i = 0; i < 60; i++)
		n_second += out[2 * i + 1] > out[2 * i];
	is_int(n_second, 60, "with a weight of 20 every row is given the second label at first");
	case_destroy(&c);
}

/* A clock that gains 50 ms each time it is read: an epoch of 38 steps lasts 2 s and more. */
static void
test_progress(void)
{
	Case		c;
	const NnProgress *inside;

	case_create(&c, FIRST_TOKEN, 600, 50, 1);
	c.host.clock_step = 0.05;
	c.options.epochs = 3;
	case_train(&c);
	inside = &c.host.last_inside;
	is_int(c.host.n_epoch_ends, 3, "progress at each of three epochs' ends");
	/* a step reads the clock once, a report a few times: some 10 to 14 reads between two reports */
	ok(c.host.n_progress - 3 >= 3 * 2 && c.host.n_progress - 3 <= 3 * 4,
	   "and about each half second in between (%lld)", (long long) c.host.n_progress - 3);
	ok(inside->epoch == 3 && inside->n_epochs == 3 && inside->n_rows_done > 0 && inside->n_rows_done < 600 &&
	   inside->loss_train > 0 && inside->gradient_norm > 0, "with what the epoch has done so far");
	ok(inside->metric == report.epoch[1].metric && inside->loss_valid == report.epoch[1].loss_valid,
	   "and the last epoch's validation");
	ok(inside->seconds_left > 0 && inside->seconds_left < inside->seconds && inside->rows_per_second > 0,
	   "and when it will end (%.1f s done, %.1f s left)", inside->seconds, inside->seconds_left);
	case_destroy(&c);
}

static uint64_t
hash_of_training(uint64_t seed, int window)
{
	Case		c;
	uint64_t	hash;

	case_create(&c, FIRST_TOKEN, 200, 40, 3);
	c.options.seed = seed;
	c.options.window = window;
	c.options.epochs = 2;
	c.options.dropout = some_dropout;
	c.options.drop_feature = 0.2f;
	case_train(&c);
	hash = train_case_hash(c.net);
	case_destroy(&c);
	return hash;
}

static void
test_same_bytes(void)
{
	uint64_t	hash = hash_of_training(5, 10);

	ok(hash == hash_of_training(5, 10), "same seed, same bytes");
	ok(hash != hash_of_training(6, 10), "another seed, other bytes");
	ok(hash != hash_of_training(5, 1), "another window, other bytes");
}

static void
test_refused(void)
{
	Case		c;

	case_create(&c, FIRST_TOKEN, 50, 10, 1);
	c.options.epochs = 0;
	ok(case_train(&c) == NN_ERANGE, "no epochs");
	c.options.epochs = NN_MAX_EPOCHS + 1;
	ok(case_train(&c) == NN_ERANGE, "too many epochs");
	c.options.epochs = 1;
	c.options.batch = 0;
	ok(case_train(&c) == NN_ERANGE, "an empty batch");
	c.options.batch = 16;
	c.options.beta2 = 1;
	ok(case_train(&c) == NN_ERANGE, "a moment that never fades");
	c.options.beta2 = 0.999f;
	c.options.drop_feature = 1;
	ok(case_train(&c) == NN_ERANGE, "all features dropped");
	c.options.drop_feature = 0;
	c.train.label[7] = 2;
	ok(case_train(&c) == NN_EINVAL, "a label beyond the last");
	c.train.label[7] = -1;
	ok(case_train(&c) == NN_EINVAL, "a negative label");
	c.train.label[7] = 1;
	c.train.token[c.train.start[50] - 1] = 258;
	ok(case_train(&c) == NN_EINVAL && c.host.n_blocks == 0, "a token beyond the vocabulary, in the middle of an epoch");
	c.train.token[c.train.start[50] - 1] = 1;
	c.train.examples.n = 0;
	ok(case_train(&c) == NN_EDATA, "no rows");
	c.train.examples.n = 50;
	ok(case_train(&c) == NN_OK, "and all is well again");
	case_destroy(&c);
}

/* ---- keeping and stopping -------------------------------------------------------- */

static void
test_keep(void)
{
	Case		c;
	double		best = 0;
	int			last_best = 0;

	case_create(&c, FIRST_TOKEN, 150, 60, 4);
	c.options.keep = NN_KEEP_BEST;
	/* rough, so that the metric goes up and down */
	c.options.rate_recurrent = c.options.rate_embedding = 0.1f;
	c.options.is_constant_rate = true;
	c.options.epochs = 12;
	ok(case_train(&c) == NN_OK, "keep the best epoch");
	for (int e = 0; e < report.n_epochs; e++)
		if (report.epoch[e].metric >= best)
		{
			best = report.epoch[e].metric;
			last_best = e + 1;
		}
	is_int(report.best_epoch, last_best, "it is the last of the best");
	is_near(accuracy_of(&c), best, 1e-12, "and its weights are in the net");
	case_destroy(&c);

	/* nothing moves: every epoch is as good as the first */
	case_create(&c, FIRST_TOKEN, 60, 20, 4);
	c.options.rate_recurrent = c.options.rate_embedding = c.options.rate_wide = 0;
	c.options.keep = NN_KEEP_BEST;
	c.options.patience = 3;
	ok(case_train(&c) == NN_OK && report.n_epochs == 4, "patience of 3 ends after the fourth equal epoch");
	ok(report.best_epoch == 4, "later of equal epochs is kept");
	c.valid.examples.n = 0;
	ok(case_train(&c) == NN_OK && report.n_epochs == 10 && isnan(report.epoch[9].metric) &&
	   isnan(report.epoch[9].loss_valid), "without a validation part nothing stops early");
	case_destroy(&c);
}

/* ---- trouble ----------------------------------------------------------------------- */

/* Fewer examples an epoch, fewer epochs than planned, and a start that is better than what follows. */
static void
test_parts(void)
{
	Case		c;
	double		rate;
	double		accuracy;

	case_create(&c, FIRST_TOKEN, 600, 200, 1);
	ok(case_train(&c) == NN_OK, "all epochs");
	rate = report.epoch[2].rate;
	accuracy = accuracy_of(&c);
	c.options.stop = 3;
	c.options.max_examples = 40;
	c.options.rate_recurrent = c.options.rate_embedding = c.options.rate_wide = 3.0f;
	c.options.keep = NN_KEEP_BEST;
	c.options.is_start_kept = true;
	ok(case_train(&c) == NN_OK && report.n_epochs == 3, "three of ten epochs");
	is_int(report.n_steps, 3 * 3, "of 40 examples in batches of 16");
	ok(c.host.last.n_rows == 40 && c.host.last.n_epochs == 3 && c.host.last.seconds_left == 0, "progress knows both");
	ok(report.best_epoch == 0 && accuracy_of(&c) == accuracy, "no epoch was as good as the start, which is kept");
	c.options.max_examples = 0;
	ok(case_train(&c) == NN_OK && fabs(report.epoch[2].rate - rate) < 1e-6, "rates fall as if all epochs came");
	c.options.stop = -1;
	ok(case_train(&c) == NN_ERANGE, "a stop before the first epoch");
	case_destroy(&c);
}

static void
test_cancel(void)
{
	Case		c;
	int64_t		n_polls;
	int			n_wrong = 0;

	case_create(&c, FIRST_TOKEN, 60, 40, 1);
	c.options.epochs = 2;
	case_train(&c);
	n_polls = c.host.n_polls;
	for (int64_t at = 1; at <= n_polls; at++)
	{
		test_host_init(&c.host);
		c.host.cancel_at = at;
		n_wrong += case_train(&c) != NN_ECANCELED || err.status != NN_ECANCELED || c.host.n_blocks != 0 ||
			c.host.n_polls != at;
	}
	ok(n_wrong == 0, "canceled at each of %lld polls: NN_ECANCELED, no further poll, no leak", (long long) n_polls);

	test_host_init(&c.host);
	nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err);
	n_polls = c.host.n_polls;
	n_wrong = 0;
	for (int64_t at = 1; at <= n_polls; at++)
	{
		test_host_init(&c.host);
		c.host.cancel_at = at;
		n_wrong += nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err) != NN_ECANCELED || c.host.n_blocks != 0;
	}
	ok(n_wrong == 0 && n_polls > 2, "so is the fit of scales (%lld polls)", (long long) n_polls);
	case_destroy(&c);
}

static void
test_no_memory(void)
{
	Case		c;
	NnStatus	status = NN_ENOMEM;
	int64_t		at;
	int			n_wrong = 0;

	case_create(&c, FIRST_TOKEN, 60, 40, 1);
	c.options.epochs = 1;
	for (at = 1; status != NN_OK && at < 1000; at++)
	{
		test_host_init(&c.host);
		c.host.fail_at = at;
		status = case_train(&c);
		n_wrong += (status != NN_OK && (status != NN_ENOMEM || err.status != NN_ENOMEM)) || c.host.n_blocks != 0;
	}
	ok(n_wrong == 0 && status == NN_OK, "each failed block is NN_ENOMEM; %lld blocks are enough", (long long) at - 2);
	status = NN_ENOMEM;
	for (at = 1; status != NN_OK && at < 1000; at++)
	{
		test_host_init(&c.host);
		c.host.fail_at = at;
		status = nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err);
		n_wrong += (status != NN_OK && (status != NN_ENOMEM || err.status != NN_ENOMEM)) || c.host.n_blocks != 0;
	}
	ok(n_wrong == 0 && status == NN_OK && at > 4, "in the fit of scales too");
	case_destroy(&c);
}

/* Blocks asked for do not depend on the number of steps: the loop itself allocates nothing. */
static void
test_no_growth(void)
{
	Case		c;
	int64_t		n_allocs;

	case_create(&c, FIRST_TOKEN, 100, 50, 1);
	c.options.epochs = 1;
	case_train(&c);
	n_allocs = c.host.n_allocs;
	c.options.epochs = 8;
	test_host_init(&c.host);
	case_train(&c);
	is_int(c.host.n_allocs, n_allocs, "eight epochs ask for as many blocks as one");
	case_destroy(&c);
}

/*
 * Put a NaN into a tensor at some poll after some epoch's end (polls 5 to 40 or
 * so after it come before steps), once or from then on always.
 */
typedef struct Poison
{
	NnTensor   *tensor;
	int64_t		n_epoch_ends;
	int64_t		after;			/* polls */
	bool		is_lasting;
	int64_t		n_polls;		/* since that epoch's end */
} Poison;

static void
poison(TestHost *host)
{
	Poison	   *p = host->on_poll_ctx;

	if (host->n_epoch_ends < p->n_epoch_ends)
		return;
	p->n_polls++;
	if (p->n_polls == p->after || (p->is_lasting && p->n_polls > p->after))
		p->tensor->data[1] = NAN;
}

static bool
is_finite_net(NnNet *net)
{
	for (int i = 0; i < nn_net_n_tensors(net); i++)
	{
		const NnTensor *tensor = nn_net_tensor(net, i);

		for (size_t k = 0; k < (size_t) tensor->n_rows * (size_t) tensor->n_columns; k++)
			if (!isfinite(tensor->data[k]))
				return false;
	}
	return true;
}

static void
test_guard(void)
{
	static const char *const names[] = {"rnn.weight_hh_l0", "embedding.weight", "head.bias", "bag.weight"};

	for (int i = 0; i < 4; i++)
	{
		Case		c;
		Poison		p = {0};
		NnStatus	status;

		case_create(&c, FIRST_TOKEN, 600, 200, 1);
		c.options.epochs = 12;
		p.tensor = nn_net_find_tensor(c.net, names[i]);
		p.n_epoch_ends = 2;
		p.after = 20;
		c.host.on_poll = poison;
		c.host.on_poll_ctx = &p;
		status = case_train(&c);
		ok(status == NN_OK && report.n_resets == 1 && is_finite_net(c.net) && report.epoch[11].metric > 0.9,
		   "a NaN in %s: back to good weights, and on (%d reset, %.3f)", names[i], report.n_resets,
		   report.epoch[11].metric);
		case_destroy(&c);
	}
}

static void
test_diverged(void)
{
	Case		c;
	Poison		p = {0};
	int			n_untrained = 0;

	case_create(&c, FIRST_TOKEN, 100, 20, 1);
	p.tensor = nn_net_find_tensor(c.net, "head.weight");
	p.after = 20;
	p.is_lasting = true;
	c.host.on_poll = poison;
	c.host.on_poll_ctx = &p;
	ok(case_train(&c) == NN_EDIVERGED && report.n_resets == 5, "after five resets it gives up");
	ok(strstr(err.message, "epoch ") != NULL && strstr(err.message, "step ") != NULL &&
	   strstr(err.detail, "5 times") != NULL && strstr(err.hint, "\"clip\"") != NULL,
	   "and says where and what to do: %s", err.message);
	is_int(c.host.n_blocks, 0, "all memory is given back");
	case_destroy(&c);

	/* a rate that throws the weights beyond what a float's square can hold */
	case_create(&c, FIRST_TOKEN, 100, 20, 1);
	c.options.rate_recurrent = c.options.rate_wide = c.options.rate_embedding = 1e36f;
	c.options.clip = 0;
	ok(case_train(&c) == NN_EDIVERGED && is_finite_net(c.net), "an absurd learning rate diverges, with finite weights left");
	case_destroy(&c);

	/* the only step is spoiled, or the weights after it: nothing was learned */
	case_create(&c, FIRST_TOKEN, 16, 0, 1);
	c.options.epochs = 1;
	for (int64_t after = 1; after < 60; after++)
	{
		test_host_init(&c.host);
		memset(&p, 0, sizeof(p));
		p.tensor = nn_net_find_tensor(c.net, "head.weight");
		p.after = after;
		p.tensor->data[1] = 0;
		c.host.on_poll = poison;
		c.host.on_poll_ctx = &p;
		if (case_train(&c) != NN_OK)
			n_untrained += err.status == NN_EDIVERGED && strstr(err.message, "no epoch") != NULL && err.hint[0] != '\0';
	}
	ok(n_untrained >= 2, "an only epoch without a good step or without good weights is an error");
	case_destroy(&c);
}

/* One row that is not a number spoils its batch each epoch and nothing else. */
static void
test_bad_row(void)
{
	Case		c;
	NnStatus	status;

	case_create(&c, XOR_CLASSIFY, 400, 100, 1);
	c.train.values[11] = NAN;
	status = case_train(&c);
	ok(status == NN_OK && report.n_resets == 0 && report.n_steps == 10 * 24 && is_finite_net(c.net) &&
	   report.epoch[9].metric > 0.97 && isfinite(report.epoch[9].loss_train),
	   "the batch of a row that is not a number is skipped (%lld steps of 250)", (long long) report.n_steps);
	case_destroy(&c);
}

/* ---- memory --------------------------------------------------------------------------- */

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
		TrainSet	set;
		NnNet	   *net;
		size_t		bytes;

		options.epochs = 2;
		options.batch = 1 + (int) nn_rng_below(&rng, 64);
		options.dropout = some_dropout;
		options.drop_feature = 0.1f;
		options.keep = NN_KEEP_BEST;
		if (spec.cell != NN_CELL_NONE)
		{
			spec.hidden = 1 + (int) nn_rng_below(&rng, 40);
			spec.n_layers = 1 + round / 4 % 3;
		}
		train_set_random_text(&set, &rng, 20 + (int64_t) nn_rng_below(&rng, 100), 1 + (int) nn_rng_below(&rng, 80),
							  300, n_table, 3);
		net = train_case_net(memory, &spec, 1);
		test_host_init(&host);
		bytes = nn_train_bytes(&spec, &set.examples, &options);
		if (nn_train(net, &set.examples, &set.examples, &options, &host.env, &report, &err) != NN_OK)
			n_over++;
		n_over += (size_t) host.n_bytes_peak > bytes || report.peak_bytes > bytes;
		loosest = fmax(loosest, (double) bytes / (double) host.n_bytes_peak);
		train_set_free(&set);
		nn_arena_destroy(memory);
	}
	ok(n_over == 0, "no training takes more than nn_train_bytes()");
	ok(loosest < 4, "which is at most four times too careful for such small nets (%.1f)", loosest);
}

/* ---- outputs ---------------------------------------------------------------------------- */

static void
test_outputs(void)
{
	Case		c;
	NnTensor   *scale;
	float	   *out = calloc(300 * 2 * 3, sizeof(float));
	float	   *recurrent = out + 600;
	float	   *wide = out + 1200;
	int			n_wrong = 0;
	double		worst = 0.0;

	case_create(&c, FIRST_TOKEN, 10, 300, 1);
	scale = nn_net_find_tensor(c.net, "scale");
	scale->data[0] = 0.7f;
	scale->data[1] = 1.3f;
	nn_net_pack(c.net);
	ok(nn_outputs(c.net, &c.valid.examples, &c.host.env, out, recurrent, wide, &err) == NN_OK, "outputs of 300 rows");
	for (int64_t i = 0; i < 300; i++)
	{
		NnExamples	one = c.valid.examples;
		float		alone[2];

		one.n = 1;
		one.token_start += i;
		one.bag_start += i;
		one.bag_n_words += i;
		nn_outputs(c.net, &one, &c.host.env, alone, NULL, NULL, &err);
		n_wrong += memcmp(alone, out + 2 * i, sizeof(alone)) != 0;
		for (int k = 0; k < 2; k++)
			worst = fmax(worst, fabs(0.7 * (double) recurrent[2 * i + k] + 1.3 * (double) wide[2 * i + k] -
									 (double) out[2 * i + k]));
	}
	ok(n_wrong == 0, "each is in its place, and the same bytes alone");
	ok(worst < 1e-6, "each is the branches' scaled sum");
	c.valid.examples.n = 0;
	ok(nn_outputs(c.net, &c.valid.examples, &c.host.env, out, NULL, NULL, &err) == NN_OK, "no rows, no outputs");
	is_int(c.host.n_blocks, 0, "all memory is given back");
	free(out);
	case_destroy(&c);
}

/* ---- branch scales ------------------------------------------------------------------------ */

/* What nn_fit_scales() minimizes, from scales.c's head, in the plainest way. */
static double
objective(const Case *c, const float *r, const float *w, double a, double b, double start)
{
	bool		is_regress = c->spec.task == NN_TASK_REGRESS;
	double		sum = 0.5 * ((a - start) * (a - start) + (b - start) * (b - start));

	for (int64_t i = 0; i < c->valid.examples.n; i++)
	{
		if (is_regress)
		{
			double		d = a * (double) r[i] + b * (double) w[i] - (double) c->valid.target[i];

			sum += 0.5 * d * d;
		}
		else
		{
			int			y = c->valid.label[i];
			double		right = a * (double) r[2 * i + y] + b * (double) w[2 * i + y];
			double		wrong = a * (double) r[2 * i + 1 - y] + b * (double) w[2 * i + 1 - y];

			sum += log1p(exp(wrong - right));
		}
	}
	return sum;
}

/* Fitted scales against the best of a grid over the box. */
static void
check_scales(Case *c, double low, double high, const char *what)
{
	int64_t		n = c->valid.examples.n;
	int			C = c->spec.n_outputs;
	float	   *out = calloc((size_t) (n * C) * 3, sizeof(float));
	float	   *r = out + n * C;
	float	   *w = out + 2 * n * C;
	double		start = c->spec.task == NN_TASK_REGRESS ? 0.5 : 1.0;
	const float *scale = nn_net_find_tensor(c->net, "scale")->data;
	double		best = HUGE_VAL;
	double		fitted;
	NnStatus	status;

	status = nn_fit_scales(c->net, &c->valid.examples, &c->host.env, &err);
	nn_outputs(c->net, &c->valid.examples, &c->host.env, out, r, w, &err);
	for (int i = 0; i <= 60; i++)
		for (int j = 0; j <= 60; j++)
			best = fmin(best, objective(c, r, w, low + (high - low) * i / 60, low + (high - low) * j / 60, start));
	fitted = objective(c, r, w, (double) scale[0], (double) scale[1], start);
	ok(status == NN_OK && fitted <= best + 1e-5 * fabs(best) &&
	   (double) scale[0] >= low - 1e-6 && (double) scale[0] <= high && (double) scale[1] >= low - 1e-6 && (double) scale[1] <= high,
	   "%s: scales %.3f and %.3f are no worse than a grid's best (%.6f, %.6f)", what,
	   (double) scale[0], (double) scale[1], fitted, best);
	free(out);
}

/* Multiply a head's weights and bias. */
static void
scale_head(Case *c, const char *weight, const char *bias, float factor)
{
	NnTensor   *tensors[2] = {nn_net_find_tensor(c->net, weight), nn_net_find_tensor(c->net, bias)};

	for (int i = 0; i < 2; i++)
		for (int k = 0; k < tensors[i]->n_rows * tensors[i]->n_columns; k++)
			tensors[i]->data[k] *= factor;
	nn_net_pack(c->net);
}

static void
test_scales(void)
{
	Case		c;
	const float *scale;
	NnSpec		alone;

	case_create(&c, FIRST_TOKEN, 300, 300, 1);
	c.options.epochs = 4;
	case_train(&c);
	for (int i = 0; i < 60; i++)	/* one row in five is wrong: no branch should be sure */
		c.valid.label[5 * i] = 1 - c.valid.label[5 * i];
	check_scales(&c, 0.05, 10, "after training");
	scale_head(&c, "head.weight", "head.bias", 50);
	check_scales(&c, 0.05, 10, "an over-confident recurrent branch");
	scale_head(&c, "head.weight", "head.bias", 1e-3f);
	check_scales(&c, 0.05, 10, "a timid one");
	scale_head(&c, "head.weight", "head.bias", -20);
	check_scales(&c, 0.05, 10, "one that is always wrong");
	scale = nn_net_find_tensor(c.net, "scale")->data;
	is_near(scale[0], 0.05, 1e-6, "which is turned down as far as it goes");
	c.valid.examples.n = 29;
	ok(nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err) == NN_OK && scale[0] == 1 && scale[1] == 1,
	   "29 rows are too few to say");
	nn_net_find_tensor(c.net, "head.bias")->data[0] = NAN;
	nn_net_pack(c.net);
	c.valid.examples.n = 300;
	ok(nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err) == NN_OK && scale[0] == 1 && scale[1] == 1,
	   "a branch that is not a number leaves the scales alone");

	/* one branch: one temperature */
	alone = c.spec;
	alone.wide = NN_WIDE_NONE;
	alone.wide_inputs = alone.wide_hidden = 0;
	c.spec = alone;
	c.net = train_case_net(c.memory, &alone, 2);
	case_train(&c);
	scale_head(&c, "head.weight", "head.bias", 20);
	nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err);
	scale = nn_net_find_tensor(c.net, "scale")->data;
	ok(scale[1] == 1 && scale[0] < 0.5f, "a branch alone gets its temperature (%.3f), the other's stays", (double) scale[0]);
	is_int(c.host.n_blocks, 0, "all memory is given back");
	case_destroy(&c);
}

static void
test_scales_regress(void)
{
	Case		c;
	const float *scale;

	case_create(&c, XOR_REGRESS, 300, 200, 1);
	c.options.epochs = 6;
	case_train(&c);
	check_scales(&c, 0, 1.5, "numbers");
	scale_head(&c, "head.weight", "head.bias", -1);
	check_scales(&c, 0, 1.5, "numbers of the wrong sign");
	scale = nn_net_find_tensor(c.net, "scale")->data;
	ok(scale[0] == 0, "which are left out");
	scale_head(&c, "wide_head.weight", "wide_head.bias", 0.1f);
	check_scales(&c, 0, 1.5, "numbers far too small");
	c.valid.examples.n = 10;
	nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err);
	ok(scale[0] == 0.5f && scale[1] == 0.5f, "few rows: the branches' mean");
	case_destroy(&c);
}

int
main(void)
{
	test_first_token();
	test_xor();
	test_regress_figures();
	test_loss_options();
	test_progress();
	test_same_bytes();
	test_refused();
	test_keep();
	test_parts();
	test_cancel();
	test_no_memory();
	test_no_growth();
	test_guard();
	test_diverged();
	test_bad_row();
	test_bytes();
	test_outputs();
	test_scales();
	test_scales_regress();
	return done_testing();
}
