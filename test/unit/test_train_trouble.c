/*
 * test_train_trouble.c: trainings that cannot go on.
 *
 *  - canceled at any poll and out of memory at any block: a status, no leak;
 *  - weights that stop being numbers are replaced by good ones;
 *  - the loop itself allocates nothing.
 */
#include <math.h>
#include <string.h>
#include "tap.h"
#include "train_run.h"

static NnError err;
static NnTrainReport report;

static NnStatus
case_train(TrainRun *c)
{
	return train_run(c, &report, &err);
}

static void
test_cancel(void)
{
	TrainRun	c;
	int64_t		n_polls;
	int			n_wrong = 0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 60, 40, 1);
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
	train_run_destroy(&c);
}

static void
test_no_memory(void)
{
	TrainRun	c;
	NnStatus	status = NN_ENOMEM;
	int64_t		at;
	int			n_wrong = 0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 60, 40, 1);
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
	train_run_destroy(&c);
}

/* Blocks asked for do not depend on the number of steps: the loop itself allocates nothing. */
static void
test_no_growth(void)
{
	TrainRun	c;
	int64_t		n_allocs;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 100, 50, 1);
	c.options.epochs = 1;
	case_train(&c);
	n_allocs = c.host.n_allocs;
	c.options.epochs = 8;
	test_host_init(&c.host);
	case_train(&c);
	is_int(c.host.n_allocs, n_allocs, "eight epochs ask for as many blocks as one");
	train_run_destroy(&c);
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
		TrainRun	c;
		Poison		p = {0};
		NnStatus	status;

		train_run_create(&c, TRAIN_FIRST_TOKEN, 600, 200, 1);
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
		train_run_destroy(&c);
	}
}

static void
test_diverged(void)
{
	TrainRun	c;
	Poison		p = {0};
	int			n_untrained = 0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 100, 20, 1);
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
	train_run_destroy(&c);

	/* a rate that throws the weights beyond what a float's square can hold */
	train_run_create(&c, TRAIN_FIRST_TOKEN, 100, 20, 1);
	c.options.rate_recurrent = c.options.rate_wide = c.options.rate_embedding = 1e36f;
	c.options.clip = 0;
	ok(case_train(&c) == NN_EDIVERGED && is_finite_net(c.net), "an absurd learning rate diverges, with finite weights left");
	train_run_destroy(&c);

	/* the only step is spoiled, or the weights after it: nothing was learned */
	train_run_create(&c, TRAIN_FIRST_TOKEN, 16, 0, 1);
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
	train_run_destroy(&c);
}

/* One row that is not a number spoils its batch each epoch and nothing else. */
static void
test_bad_row(void)
{
	TrainRun	c;
	NnStatus	status;

	train_run_create(&c, TRAIN_XOR_CLASSIFY, 400, 100, 1);
	c.train.values[11] = NAN;
	status = case_train(&c);
	ok(status == NN_OK && report.n_resets == 0 && report.n_steps == 10 * 24 && is_finite_net(c.net) &&
	   report.epoch[9].metric > 0.97 && isfinite(report.epoch[9].loss_train),
	   "the batch of a row that is not a number is skipped (%lld steps of 250)", (long long) report.n_steps);
	train_run_destroy(&c);
}

int
main(void)
{
	test_cancel();
	test_no_memory();
	test_no_growth();
	test_guard();
	test_diverged();
	test_bad_row();
	return done_testing();
}
