/*
 * train/calibrate.c: are probabilities what they say they are?
 *
 * Expected calibration error (Guo et al. 2017, equation 3): answers fall into 15 bins
 * by their probability,
 *   ECE = sum over bins of (rows of bin / n) |share right in bin - mean probability of bin|
 * It looks at the answer alone.  Class-wise error (Kull et al. 2019) does the same with
 * each label's probability in every row, and averages over the labels, so that one that
 * is always told too seldom shows.  Both depend on the bins; Brier's score (1950) does
 * not, and no forecaster can better it by saying what he does not believe.
 */
#include "train/calibrate.h"

#include <float.h>
#include <math.h>

#include "kern/kern.h"

#define N_BINS				15
#define MIN_ROWS			30
#define LEAST_TEMPERATURE	0.05
#define MOST_TEMPERATURE	20.0
#define MAX_ITERATIONS		100
#define POLL_NUMBERS		((int64_t) 1 << 18) /* some 5 ms of exp() */

static double
truth_of(const NnTruth *truth, int64_t i, int C, int c)
{
	if (truth->label != NULL)
		return truth->label[i] == c ? 1.0 : 0.0;
	return (double) truth->target[i * C + c];
}

/* ---- measures ---------------------------------------------------------------- */

typedef struct Bins
{
	double		sum_true[N_BINS];
	double		sum_probability[N_BINS];
} Bins;

static void
bins_add(Bins *bins, float probability, double is_true)
{
	int			b = N_BINS - 1;

	/* 1 belongs to the last bin; so does what is no probability (a NaN), as no cast may see it */
	if (probability >= 0 && probability < 1)
		b = (int) (probability * N_BINS);
	if (b == N_BINS)
		b--;
	bins->sum_true[b] += is_true;
	bins->sum_probability[b] += (double) probability;
}

static double
bins_error(const Bins *bins, double n)
{
	double		sum = 0.0;

	for (int b = 0; b < N_BINS; b++)
		sum += fabs(bins->sum_true[b] - bins->sum_probability[b]);
	return sum / n;
}

static double
error_of_answers(int64_t n, int C, const float *probabilities, const NnTruth *truth)
{
	Bins		bins = {0};

	for (int64_t i = 0; i < n; i++)
	{
		const float *p = probabilities + i * C;
		int			best = 0;

		for (int c = 1; c < C; c++)
			if (p[c] > p[best])
				best = c;
		bins_add(&bins, p[best], truth_of(truth, i, C, best));
	}
	return bins_error(&bins, (double) n);
}

/* Label c's alone; all labels' go to *all. */
static double
error_of_label(int64_t n, int C, const float *probabilities, const NnTruth *truth, int c, Bins *all)
{
	Bins		bins = {0};

	for (int64_t i = 0; i < n; i++)
		bins_add(&bins, probabilities[i * C + c], truth_of(truth, i, C, c));
	for (int b = 0; b < N_BINS; b++)
	{
		all->sum_true[b] += bins.sum_true[b];
		all->sum_probability[b] += bins.sum_probability[b];
	}
	return bins_error(&bins, (double) n);
}

/* -log p; what fell under the smallest float is not impossible for sure. */
static double
surprise(double p)
{
	return -log(p > (double) FLT_MIN ? p : (double) FLT_MIN);
}

/* Brier's score and cross-entropy, added up over the rows. */
static void
add_scores(int64_t n, int C, const float *probabilities, const NnTruth *truth, NnCalibration *calibration)
{
	for (int64_t i = 0; i < n; i++)
		for (int c = 0; c < C; c++)
		{
			double		p = (double) probabilities[i * C + c];
			double		y = truth_of(truth, i, C, c);

			calibration->brier += (p - y) * (p - y);
			if (y > 0.0)
				calibration->cross_entropy += y * surprise(p);
			if (truth->label == NULL && y < 1.0)
				calibration->cross_entropy += (1.0 - y) * surprise(1.0 - p);
		}
}

void
nn_calibration(int64_t n, int C, const float *probabilities, const NnTruth *truth, NnCalibration *calibration)
{
	Bins		all = {0};

	*calibration = (NnCalibration) {.n = n};
	if (n == 0)
		return;
	for (int c = 0; c < C; c++)
		calibration->classwise += error_of_label(n, C, probabilities, truth, c, &all) / C;
	calibration->error = truth->label != NULL ? error_of_answers(n, C, probabilities, truth) :
		bins_error(&all, (double) n * C);
	add_scores(n, C, probabilities, truth, calibration);
	calibration->brier /= (double) n;
	calibration->cross_entropy /= (double) n;
}

/* ---- the temperature ------------------------------------------------------------ */

/* First and second derivative of the cross-entropy by b = 1 / T. */
typedef struct Slope
{
	double		first;
	double		second;
} Slope;

/* One label a row, p = softmax(b z): d/db = E_p[z] - z_y, d2/db2 = E_p[z^2] - E_p[z]^2. */
static void
add_choice(const float *z, int C, int y, double b, Slope *slope)
{
	double		highest = -HUGE_VAL;
	double		sum = 0.0;
	double		mean = 0.0;
	double		square = 0.0;

	if (y < 0 || y >= C)
		return;
	for (int c = 0; c < C; c++)
		highest = fmax(highest, (double) z[c]);
	for (int c = 0; c < C; c++)
	{
		/* from the highest on, which changes neither derivative */
		double		d = (double) z[c] - highest;
		double		e = exp(b * d);

		sum += e;
		mean += e * d;
		square += e * d * d;
	}
	mean /= sum;
	slope->first += mean - ((double) z[y] - highest);
	slope->second += square / sum - mean * mean;
}

/* Each label by itself, s = sigmoid(b z): d/db = z (s - y), d2/db2 = z^2 s (1 - s). */
static void
add_labels(const float *z, const float *target, int C, double b, Slope *slope)
{
	for (int c = 0; c < C; c++)
	{
		double		x = (double) z[c];
		double		s = 1.0 / (1.0 + exp(-b * x));

		slope->first += x * (s - (double) target[c]);
		slope->second += x * x * s * (1.0 - s);
	}
}

static NnStatus
slope_at(int64_t n, int C, const float *logits, const NnTruth *truth, double b, const NnEnv *env,
		 Slope *slope, NnError *err)
{
	int64_t		n_poll = POLL_NUMBERS / C + 1;

	*slope = (Slope) {0};
	for (int64_t i = 0; i < n; i++)
	{
		if (i % n_poll == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "fitting of the temperature was canceled");
		if (truth->label != NULL)
			add_choice(logits + i * C, C, truth->label[i], b, slope);
		else
			add_labels(logits + i * C, truth->target + i * C, C, b, slope);
	}
	return NN_OK;
}

/*
 * The cross-entropy is convex in b = 1 / T, so its slope rises and crosses zero once:
 * Newton's steps, and where one leaves the bracket its middle.
 */
NnStatus
nn_fit_temperature(int64_t n, int C, const float *logits, const NnTruth *truth, const NnEnv *env,
				   double *temperature, NnError *err)
{
	double		low = 1.0 / MOST_TEMPERATURE;
	double		high = 1.0 / LEAST_TEMPERATURE;
	double		b = 1.0;

	*temperature = 1.0;
	if (n < MIN_ROWS)
		return NN_OK;
	for (int i = 0; i < MAX_ITERATIONS && high - low > 1e-9; i++)
	{
		Slope		slope;
		double		next;

		NN_TRY(slope_at(n, C, logits, truth, b, env, &slope, err));
		if (!isfinite(slope.first))
			return NN_OK;
		if (slope.first > 0.0)
			high = b;
		else
			low = b;
		next = b - slope.first / slope.second;
		/* written so that a NaN is no step */
		if (!(next > low && next < high))
			next = 0.5 * (low + high);
		if (fabs(next - b) < 1e-9)
			break;
		b = next;
	}
	*temperature = 1.0 / b;
	return NN_OK;
}

double
nn_split_temperature(NnNet *net)
{
	const NnSpec *spec = nn_net_spec(net);
	NnTensor   *scale = nn_net_find_tensor(net, "scale");
	double		sum = 0.0;
	int			n = 0;

	if (scale == NULL || scale->n_columns != 2)
		return 1.0;
	if (spec->cell != NN_CELL_NONE)
	{
		sum += (double) scale->data[0];
		n++;
	}
	if (spec->wide != NN_WIDE_NONE)
	{
		sum += (double) scale->data[1];
		n++;
	}
	if (!(sum > 0.0) || sum == n)
		return 1.0;
	for (int k = 0; k < 2; k++)
		scale->data[k] = (float) ((double) scale->data[k] * n / sum);
	nn_net_pack(net);
	return n / sum;
}

void
nn_energies(const NnSpec *spec, int64_t n, const float *z, float *energy)
{
	int			C = spec->n_outputs;

	for (int64_t i = 0; i < n; i++, z += C)
	{
		float		highest = nn_highest(C, z);
		double		sum = 0.0;

		if (!spec->is_multi_label)
		{
			energy[i] = (float) -((double) highest + log(nn_exp_sum(C, highest, z, NULL)));
			continue;
		}
		for (int c = 0; c < C; c++)
			sum += log1p(exp(-fabs((double) z[c]))) + fmax((double) z[c], 0.0);
		energy[i] = (float) -sum;
	}
}

void
nn_probabilities(const NnSpec *spec, double temperature, int64_t n, float *z)
{
	int64_t		n_numbers = n * spec->n_outputs;

	if (temperature != 1.0)
		nn_scale(n_numbers, (float) (1.0 / temperature), z);
	if (spec->is_multi_label)
		nn_sigmoid(n_numbers, z, z);
	else
		nn_softmax_rows(n, spec->n_outputs, z, spec->n_outputs);
}

/* softmax(z) is softmax(z / T) to the power of T, made to sum to 1; a sigmoid and its rest likewise. */
void
nn_untemper(double temperature, bool is_multi_label, int64_t n, int C, float *probabilities)
{
	for (int64_t i = 0; i < n && temperature != 1.0; i++)
	{
		float	   *p = probabilities + i * C;
		double		sum = 0.0;

		for (int c = 0; c < C; c++)
		{
			double		power = pow((double) p[c], temperature);

			sum += power;
			p[c] = (float) (is_multi_label ? power / (power + pow(1.0 - (double) p[c], temperature)) : power);
		}
		for (int c = 0; c < C && !is_multi_label && sum > 0.0; c++)
			p[c] = (float) ((double) p[c] / sum);
	}
}
