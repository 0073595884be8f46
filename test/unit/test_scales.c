/*
 * test_scales.c: the branch scales (train/scales.c) are no worse than the best of
 * a grid, whatever the branches say.
 */
#include <math.h>
#include <stdlib.h>
#include "tap.h"
#include "train_run.h"

static NnError err;
static NnTrainReport report;

static NnStatus
case_train(TrainRun *c)
{
	return train_run(c, &report, &err);
}

/* What nn_fit_scales() minimizes, from scales.c's head, in the plainest way. */
static double
objective(const TrainRun *c, const float *r, const float *w, double a, double b, double start)
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
check_scales(TrainRun *c, double low, double high, const char *what)
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
scale_head(TrainRun *c, const char *weight, const char *bias, float factor)
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
	TrainRun	c;
	const float *scale;
	NnSpec		alone;

	train_run_create(&c, TRAIN_FIRST_TOKEN, 300, 300, 1);
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
	train_run_destroy(&c);
}

static void
test_scales_regress(void)
{
	TrainRun	c;
	const float *scale;

	train_run_create(&c, TRAIN_XOR_REGRESS, 300, 200, 1);
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
	train_run_destroy(&c);
}

int
main(void)
{
	test_scales();
	test_scales_regress();
	return done_testing();
}
