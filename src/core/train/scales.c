/*
 * train/scales.c: how much each branch has to say.
 *
 * The answer is softmax(a r + b w), r and w being the logits of the recurrent
 * and the wide branch.  Two over-confident branches added are more so, and one
 * branch may be far better than the other; held-out rows say how much of each
 * to take.  That is temperature scaling (Guo et al. 2017) with a temperature
 * for each branch; where only one branch exists it is theirs.
 *
 *   classify   sum over rows of  -log softmax(a r + b w)_y
 *   many labels   sum over rows and labels of  -log sigmoid(+-(a r + b w))
 *   regress    sum over rows of  1/2 |a r + b w - target|^2
 *              + 1/2 ((a - a0)^2 + (b - b0)^2)
 *
 * The last line is a weak pull towards where the scales start, (1, 1) for
 * logits, (1/2, 1/2) for numbers, worth about one row: it keeps few rows that
 * are all answered rightly from asking for endless confidence, and two branches
 * that say the same from sharing it in a wild way.  Below MIN_ROWS rows the
 * scales stay where they start.
 *
 * Both sums are convex in (a, b) and the pull makes them strictly so: Newton's
 * method, projected on the box (Bertsekas 1982), finds the one minimum.
 */
#include "train/train.h"

#include <math.h>
#include "train/batch.h"

#define MIN_ROWS			30
#define MAX_NUMBERS			((int64_t) 1 << 23) /* of a branch's outputs: 32 MB, ample for two scales */
#define MAX_ITERATIONS		50
#define MAX_HALVINGS		30
#define POLL_NUMBERS		((int64_t) 1 << 18) /* some 5 ms of exp() */

/* The held-out rows' outputs and the box. */
typedef struct NnScaleProblem
{
	const NnSpec *spec;
	const NnExamples *examples;
	int64_t		n;				/* rows */
	const float *branch[2];		/* (n, C) recurrent, wide; zeros where there is none */
	double	   *product;		/* (C) room for a row's scaled sum */
	bool		is_free[2];		/* the branch exists */
	double		start[2];
	double		low;
	double		high;
	const NnEnv *env;
} NnScaleProblem;

/* Value, gradient and second derivatives at one point. */
typedef struct NnScalePoint
{
	double		x[2];
	double		value;
	double		slope[2];
	double		curve[2][2];
} NnScalePoint;

/*
 * One row's cross-entropy.  With z = a r + b w, p = softmax(z), E the mean under p:
 *   -log p_y = log sum exp(z) - z_y
 *   d/da = E[r] - r_y       d2/da2 = E[r r] - E[r]^2      d2/dadb = E[r w] - E[r] E[w]
 */
static void
add_classified(const NnScaleProblem *problem, int64_t i, NnScalePoint *point)
{
	int			C = problem->spec->n_outputs;
	const float *r = problem->branch[0] + (size_t) i * (size_t) C;
	const float *w = problem->branch[1] + (size_t) i * (size_t) C;
	int			y = problem->examples->label[i];
	double	   *z = problem->product;
	double		highest = -HUGE_VAL;
	double		sum = 0.0;
	double		mean[2] = {0.0, 0.0};
	double		square[3] = {0.0, 0.0, 0.0};	/* r r, r w, w w */

	for (int c = 0; c < C; c++)
	{
		z[c] = point->x[0] * (double) r[c] + point->x[1] * (double) w[c];
		highest = z[c] > highest ? z[c] : highest;
	}
	point->value += highest - z[y];
	for (int c = 0; c < C; c++)
	{
		double		e = exp(z[c] - highest);

		sum += e;
		mean[0] += e * (double) r[c];
		mean[1] += e * (double) w[c];
		square[0] += e * (double) r[c] * (double) r[c];
		square[1] += e * (double) r[c] * (double) w[c];
		square[2] += e * (double) w[c] * (double) w[c];
	}
	mean[0] /= sum;
	mean[1] /= sum;
	point->value += log(sum);
	point->slope[0] += mean[0] - (double) r[y];
	point->slope[1] += mean[1] - (double) w[y];
	point->curve[0][0] += square[0] / sum - mean[0] * mean[0];
	point->curve[0][1] += square[1] / sum - mean[0] * mean[1];
	point->curve[1][1] += square[2] / sum - mean[1] * mean[1];
}

/*
 * One row whose labels do not exclude each other.  With z = a r + b w, s = sigmoid(z) for each label:
 *   log(1 + exp(z)) - y z      d/da = r (s - y)      d2/da2 = r r s (1 - s)
 */
static void
add_labeled(const NnScaleProblem *problem, int64_t i, NnScalePoint *point)
{
	size_t		C = (size_t) problem->spec->n_outputs;

	for (size_t at = (size_t) i * C; at < ((size_t) i + 1) * C; at++)
	{
		double		r = (double) problem->branch[0][at];
		double		w = (double) problem->branch[1][at];
		double		y = (double) problem->examples->target[at];
		double		z = point->x[0] * r + point->x[1] * w;
		double		s = 1.0 / (1.0 + exp(-z));
		double		bend = s * (1.0 - s);

		point->value += log1p(exp(-fabs(z))) + fmax(z, 0.0) - y * z;
		point->slope[0] += r * (s - y);
		point->slope[1] += w * (s - y);
		point->curve[0][0] += r * r * bend;
		point->curve[0][1] += r * w * bend;
		point->curve[1][1] += w * w * bend;
	}
}

static void
add_regressed(const NnScaleProblem *problem, int64_t i, NnScalePoint *point)
{
	int			C = problem->spec->n_outputs;

	for (int c = 0; c < C; c++)
	{
		size_t		at = (size_t) i * (size_t) C + (size_t) c;
		double		r = (double) problem->branch[0][at];
		double		w = (double) problem->branch[1][at];
		double		d = point->x[0] * r + point->x[1] * w - (double) problem->examples->target[at];

		point->value += 0.5 * d * d;
		point->slope[0] += d * r;
		point->slope[1] += d * w;
		point->curve[0][0] += r * r;
		point->curve[0][1] += r * w;
		point->curve[1][1] += w * w;
	}
}

/* Fill point at its x. */
static NnStatus
evaluate_point(const NnScaleProblem *problem, NnScalePoint *point, NnError *err)
{
	int64_t		n_poll = POLL_NUMBERS / problem->spec->n_outputs + 1;

	point->value = 0.0;
	for (int k = 0; k < 2; k++)
	{
		double		d = point->x[k] - problem->start[k];

		point->value += 0.5 * d * d;
		point->slope[k] = d;
		point->curve[k][k] = 1.0;
	}
	point->curve[0][1] = 0.0;

	for (int64_t i = 0; i < problem->n; i++)
	{
		if (i % n_poll == 0 && problem->env->poll(problem->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "fitting of the branch scales was canceled");
		if (problem->spec->is_multi_label)
			add_labeled(problem, i, point);
		else if (problem->spec->task == NN_TASK_CLASSIFY)
			add_classified(problem, i, point);
		else
			add_regressed(problem, i, point);
	}
	point->curve[1][0] = point->curve[0][1];
	return NN_OK;
}

static double
clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/*
 * Where to go from a point: Newton's step over the coordinates that can move.
 * A coordinate at a bound that the slope pushes outward stays.  One at a bound
 * that only Newton's step pushes outward would make the projected step useless;
 * then each coordinate goes by its own second derivative.  False: nowhere.
 */
static bool
find_direction(const NnScaleProblem *problem, const NnScalePoint *point, double direction[2])
{
	const double (*H)[2] = point->curve;
	bool		moves[2];
	double		largest = 0.0;

	for (int k = 0; k < 2; k++)
	{
		double		slope = point->slope[k];

		moves[k] = problem->is_free[k] &&
			!(point->x[k] <= problem->low && slope > 0) && !(point->x[k] >= problem->high && slope < 0);
		direction[k] = moves[k] ? -slope / H[k][k] : 0.0;
		largest = moves[k] ? fmax(largest, fabs(slope)) : largest;
	}
	/* a millionth of a nat a row and unit of scale */
	if (!(largest > 1e-6 * (double) problem->n))
		return false;

	if (moves[0] && moves[1])
	{
		double		det = H[0][0] * H[1][1] - H[0][1] * H[1][0];
		double		newton[2] = {
			(-point->slope[0] * H[1][1] + point->slope[1] * H[0][1]) / det,
			(-point->slope[1] * H[0][0] + point->slope[0] * H[1][0]) / det
		};
		bool		is_blocked = false;

		for (int k = 0; k < 2; k++)
			is_blocked = is_blocked || (point->x[k] <= problem->low && newton[k] < 0) ||
				(point->x[k] >= problem->high && newton[k] > 0);
		if (!is_blocked && isfinite(newton[0]) && isfinite(newton[1]))
		{
			direction[0] = newton[0];
			direction[1] = newton[1];
		}
	}
	return true;
}

/* The lowest point of the box, from its start; halves steps until they go down (Armijo's rule). */
static NnStatus
find_minimum(const NnScaleProblem *problem, NnScalePoint *point, NnError *err)
{
	point->x[0] = problem->start[0];
	point->x[1] = problem->start[1];
	NN_TRY(evaluate_point(problem, point, err));

	for (int iteration = 0; iteration < MAX_ITERATIONS; iteration++)
	{
		double		direction[2];
		double		step = 1.0;
		int			n_halvings;

		if (!find_direction(problem, point, direction))
			return NN_OK;
		for (n_halvings = 0; n_halvings < MAX_HALVINGS; n_halvings++, step /= 2)
		{
			NnScalePoint next;
			double		promised = 0.0;

			for (int k = 0; k < 2; k++)
			{
				next.x[k] = clamp(point->x[k] + step * direction[k], problem->low, problem->high);
				promised += point->slope[k] * (next.x[k] - point->x[k]);
			}
			NN_TRY(evaluate_point(problem, &next, err));
			if (next.value <= point->value + 1e-4 * promised)
			{
				*point = next;
				break;
			}
		}
		if (n_halvings == MAX_HALVINGS)
			return NN_OK;		/* no way down that double can see */
	}
	return NN_OK;
}

/* Outputs of both branches for the problem's rows. */
static NnStatus
read_branches(NnScaleProblem *problem, const NnNet *net, const NnExamples *held_out,
			  NnArena *memory, NnError *err)
{
	size_t		n_numbers = nn_size_mul((size_t) problem->n, (size_t) problem->spec->n_outputs);
	float	   *recurrent = NN_ALLOC(memory, float, n_numbers);
	float	   *wide = NN_ALLOC(memory, float, n_numbers);
	float	   *sum = NN_ALLOC(memory, float, n_numbers);
	NnExamples	first = *held_out;

	problem->product = NN_ALLOC(memory, double, (size_t) problem->spec->n_outputs);
	if (recurrent == NULL || wide == NULL || sum == NULL || problem->product == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory while fitting the branch scales");
	first.n = problem->n;
	NN_TRY(nn_outputs(net, &first, problem->env, sum, recurrent, wide, err));
	problem->branch[0] = recurrent;
	problem->branch[1] = wide;
	return NN_OK;
}

static void
set_scales(NnNet *net, NnTensor *scale, const double x[2])
{
	scale->data[0] = (float) x[0];
	scale->data[1] = (float) x[1];
	nn_net_pack(net);
}

NnStatus
nn_fit_scales(NnNet *net, const NnExamples *held_out, const NnEnv *env, NnError *err)
{
	const NnSpec *spec = nn_net_spec(net);
	NnTensor   *scale = nn_net_find_tensor(net, "scale");
	NnScaleProblem problem = {.spec = spec, .examples = held_out, .env = env};
	NnScalePoint point;
	NnArena    *memory;
	NnStatus	status;
	bool		is_regress = spec->task == NN_TASK_REGRESS;

	if (scale == NULL || scale->n_columns != 2)
		return nn_fail(err, NN_EINTERNAL, "the network has no branch scales");

	NN_TRY(nn_examples_check(held_out, spec, true, err));
	problem.is_free[0] = spec->cell != NN_CELL_NONE;
	problem.is_free[1] = spec->wide != NN_WIDE_NONE;
	for (int k = 0; k < 2; k++)
		problem.start[k] = is_regress && problem.is_free[0] && problem.is_free[1] ? 0.5 : 1.0;
	problem.low = is_regress ? 0.0 : 0.05;
	problem.high = is_regress ? 1.5 : 10.0;
	problem.n = MAX_NUMBERS / spec->n_outputs;
	problem.n = held_out->n < problem.n ? held_out->n : problem.n;
	set_scales(net, scale, problem.start);
	if (problem.n < MIN_ROWS)
		return NN_OK;

	memory = nn_arena_create(env);
	if (memory == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory while fitting the branch scales");
	status = read_branches(&problem, net, held_out, memory, err);
	if (status == NN_OK)
		status = find_minimum(&problem, &point, err);
	/* branches that are not finite say nothing about their scales */
	if (status == NN_OK && isfinite(point.x[0]) && isfinite(point.x[1]) && isfinite(point.value))
		set_scales(net, scale, point.x);
	nn_arena_destroy(memory);
	return status;
}
