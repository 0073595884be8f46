/*
 * test_train.c: the training loop, and evaluation.
 *
 *  - tasks that only a right network learns: which token came first, XOR;
 *  - same seed, same bytes (promise P3);
 *  - what is kept, and when it stops;
 *  - it takes no more memory than nn_train_bytes() says.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tap.h"
#include "train_run.h"

/* Some of everything. */
static const NnDropout some_dropout = {0.2f, 0.1f, 0.1f, 0.3f, 0.2f};

static NnError err;
static NnTrainReport report;

static NnStatus
case_train(TrainRun *c)
{
	return train_run(c, &report, &err);
}

/* Share of the validation rows whose largest output is the label's. */
static double
accuracy_of(TrainRun *c)
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
	TrainRun	c;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 600, 200, 1);
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
	train_run_destroy(&c);
}

static void
test_xor(void)
{
	TrainRun	c;
	NnStatus	status;

	train_run_create(&c, TRAIN_XOR_CLASSIFY, 400, 100, 1);
	status = case_train(&c);
	ok(status == NN_OK && report.epoch[9].metric > 0.97, "XOR of vectors (%.3f)", report.epoch[9].metric);
	train_run_destroy(&c);

	train_run_create(&c, TRAIN_XOR_REGRESS, 400, 100, 1);
	c.options.epochs = 20;
	status = case_train(&c);
	ok(status == NN_OK && report.epoch[19].metric > 0.9, "XOR as a number (R2 %.3f)", report.epoch[19].metric);
	ok(report.epoch[19].loss_valid < 0.05 && report.epoch[19].loss_train > 0, "and its squared error (%.3f)",
	   report.epoch[19].loss_valid);
	ok(nn_fit_scales(c.net, &c.valid.examples, &c.host.env, &err) == NN_OK && c.host.n_blocks == 0,
	   "branches that are both right are scaled");
	train_run_destroy(&c);
}

/* The metric of a regression is R2 of the outputs, its loss half their mean squared error. */
static void
test_regress_figures(void)
{
	TrainRun	c;
	float		out[100];
	double		predicted[100];
	double		target[100];
	NnMetrics	metrics;

	train_run_create(&c, TRAIN_XOR_REGRESS, 400, 100, 1);
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
	train_run_destroy(&c);
}

/* Options of the loss reach it. */
static void
test_loss_options(void)
{
	const float weight[2] = {1.0f, 20.0f};
	TrainRun	c;
	double		plain;
	float		out[120];
	int			n_second = 0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 6;
	case_train(&c);
	plain = report.epoch[5].loss_train;
	train_run_destroy(&c);

	train_run_create(&c, TRAIN_FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 6;
	c.options.label_smoothing = 0.3f;
	case_train(&c);
	ok(report.epoch[5].loss_train > plain + 0.1, "label smoothing keeps the loss up (%.3f, else %.3f)",
	   report.epoch[5].loss_train, plain);
	train_run_destroy(&c);

	train_run_create(&c, TRAIN_FIRST_TOKEN, 200, 60, 1);
	c.options.epochs = 1;
	c.options.class_weight = weight;
	case_train(&c);
	nn_outputs(c.net, &c.valid.examples, &nn_env_malloc, out, NULL, NULL, &err);
	for (int i = 0; i < 60; i++)
		n_second += out[2 * i + 1] > out[2 * i];
	is_int(n_second, 60, "with a weight of 20 every row is given the second label at first");
	train_run_destroy(&c);
}

/* A clock that gains 50 ms each time it is read: an epoch of 38 steps lasts 2 s and more. */
static void
test_progress(void)
{
	TrainRun	c;
	const NnProgress *inside;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 600, 50, 1);
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
	train_run_destroy(&c);
}

static uint64_t
hash_of_training(uint64_t seed, int window)
{
	TrainRun	c;
	uint64_t	hash;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 200, 40, 3);
	c.options.seed = seed;
	c.options.window = window;
	c.options.epochs = 2;
	c.options.dropout = some_dropout;
	c.options.drop_feature = 0.2f;
	case_train(&c);
	hash = train_case_hash(c.net);
	train_run_destroy(&c);
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
	TrainRun	c;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 50, 10, 1);
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
	train_run_destroy(&c);
}

/* ---- keeping and stopping -------------------------------------------------------- */

static void
test_keep(void)
{
	TrainRun	c;
	double		best = 0;
	int			last_best = 0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 150, 60, 4);
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
	train_run_destroy(&c);

	/* nothing moves: every epoch is as good as the first */
	train_run_create(&c, TRAIN_FIRST_TOKEN, 60, 20, 4);
	c.options.rate_recurrent = c.options.rate_embedding = c.options.rate_wide = 0;
	c.options.keep = NN_KEEP_BEST;
	c.options.patience = 3;
	ok(case_train(&c) == NN_OK && report.n_epochs == 4, "patience of 3 ends after the fourth equal epoch");
	ok(report.best_epoch == 4, "later of equal epochs is kept");
	c.valid.examples.n = 0;
	ok(case_train(&c) == NN_OK && report.n_epochs == 10 && isnan(report.epoch[9].metric) &&
	   isnan(report.epoch[9].loss_valid), "without a validation part nothing stops early");
	train_run_destroy(&c);
}

/* Fewer examples an epoch, fewer epochs than planned, and a start that is better than what follows. */
static void
test_parts(void)
{
	TrainRun	c;
	double		rate;
	double		accuracy;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 600, 200, 1);
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
	train_run_destroy(&c);
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
	TrainRun	c;
	NnTensor   *scale;
	float	   *out = calloc(300 * 2 * 3, sizeof(float));
	float	   *recurrent = out + 600;
	float	   *wide = out + 1200;
	int			n_wrong = 0;
	double		worst = 0.0;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 10, 300, 1);
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
	train_run_destroy(&c);
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
	test_bytes();
	test_outputs();
	return done_testing();
}
