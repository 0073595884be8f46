/*
 * train/metrics.c: how good answers are.
 *
 * The answer to a row is its most probable label, the first of equal ones.
 * A label outside 0 ... C - 1 (a row whose label the model has never seen)
 * counts as answered wrongly; it has no probability, so cross-entropy leaves
 * it out.  Nothing here allocates.
 */
#include "train/metrics_sequence.h"
#include "train/train.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define N_BINS 15

/* Labels counted in one pass over the rows, on the stack, when the caller gives no room. */
#define N_LABELS_A_PASS 256

static int
most_probable(const float *probability, int C)
{
	int			best = 0;

	for (int c = 1; c < C; c++)
	{
		if (probability[c] > probability[best])
			best = c;
	}
	return best;
}

/* Precision, recall, F1 = 2 PR / (P + R) = 2 right / (rows + predictions), 0 where undefined. */
static void
finish_class(NnClassMetrics *class)
{
	double		n_right = (double) class->n_right;

	if (class->n_predicted > 0)
		class->precision = n_right / (double) class->n_predicted;
	if (class->n > 0)
		class->recall = n_right / (double) class->n;
	if (class->n + class->n_predicted > 0)
		class->f1 = 2.0 * n_right / (double) (class->n + class->n_predicted);
}

/* Counts of labels first ... first + n_labels - 1 into class (n_labels); returns the number that occur, adds their F1. */
static int
count_classes(int64_t n, int C, const float *probabilities, const int32_t *label,
			  int first, int n_labels, NnClassMetrics *class, double *sum_f1)
{
	int			n_occurring = 0;

	memset(class, 0, (size_t) n_labels * sizeof(*class));
	for (int64_t i = 0; i < n; i++)
	{
		int			predicted = most_probable(probabilities + (size_t) i * (size_t) C, C) - first;
		int64_t		truth = (int64_t) label[i] - first;

		if (truth >= 0 && truth < n_labels && label[i] < C)
			class[truth].n++;
		if (predicted >= 0 && predicted < n_labels)
		{
			class[predicted].n_predicted++;
			if (predicted == truth)
				class[predicted].n_right++;
		}
	}
	for (int c = 0; c < n_labels; c++)
	{
		finish_class(&class[c]);
		if (class[c].n + class[c].n_predicted > 0)
			n_occurring++;
		*sum_f1 += class[c].f1;
	}
	return n_occurring;
}

/*
 * Macro-F1: the mean over labels that occur among rows or predictions; one
 * that occurs in neither says nothing about the model.
 */
static double
macro_f1(int64_t n, int C, const float *probabilities, const int32_t *label, NnClassMetrics *per_class)
{
	NnClassMetrics some[N_LABELS_A_PASS];
	double		sum = 0.0;
	int			n_occurring = 0;

	if (per_class != NULL)
		n_occurring = count_classes(n, C, probabilities, label, 0, C, per_class, &sum);
	else
	{
		for (int first = 0; first < C; first += N_LABELS_A_PASS)
		{
			int			n_labels = C - first < N_LABELS_A_PASS ? C - first : N_LABELS_A_PASS;

			n_occurring += count_classes(n, C, probabilities, label, first, n_labels, some, &sum);
		}
	}
	return n_occurring > 0 ? sum / n_occurring : 0.0;
}

/*
 * Expected calibration error (Guo et al. 2017, equation 3): answers fall into
 * bins by their probability,
 *   ECE = sum over bins of (rows of bin / n) |accuracy of bin - mean probability of bin|
 */
typedef struct NnBin
{
	int64_t		n_right;
	double		sum_probability;
} NnBin;

static double
calibration_error(const NnBin *bin, int64_t n)
{
	double		sum = 0.0;

	for (int b = 0; b < N_BINS; b++)
		sum += fabs((double) bin[b].n_right - bin[b].sum_probability);
	return sum / (double) n;
}

void
nn_metrics_classify(int64_t n, int C, const float *probabilities, const int32_t *label,
					NnMetrics *metrics, NnClassMetrics *per_class, int64_t *confusion)
{
	NnBin		bin[N_BINS] = {{0, 0.0}};
	int64_t		n_right = 0;
	int64_t		n_known = 0;
	double		sum_loss = 0.0;

	memset(metrics, 0, sizeof(*metrics));
	metrics->n = n;
	if (confusion != NULL)
		memset(confusion, 0, (size_t) C * (size_t) C * sizeof(*confusion));
	metrics->macro_f1 = macro_f1(n, C, probabilities, label, per_class);
	if (n == 0)
		return;

	for (int64_t i = 0; i < n; i++)
	{
		const float *row = probabilities + (size_t) i * (size_t) C;
		int			predicted = most_probable(row, C);
		int			b = N_BINS - 1;

		/* 1 belongs to the last bin; so does what is no probability (a NaN), as no cast may see it */
		if (row[predicted] >= 0 && row[predicted] < 1)
			b = (int) (row[predicted] * N_BINS);
		if (b == N_BINS)
			b--;
		bin[b].sum_probability += row[predicted];
		if (predicted == label[i])
		{
			bin[b].n_right++;
			n_right++;
		}
		if (label[i] < 0 || label[i] >= C)
			continue;
		n_known++;
		/* A probability that fell under the smallest float is not zero for sure. */
		sum_loss -= log(row[label[i]] > FLT_MIN ? (double) row[label[i]] : (double) FLT_MIN);
		if (confusion != NULL)
			confusion[(size_t) label[i] * (size_t) C + (size_t) predicted]++;
	}
	metrics->accuracy = (double) n_right / (double) n;
	metrics->cross_entropy = n_known > 0 ? sum_loss / (double) n_known : 0.0;
	metrics->calibration_error = calibration_error(bin, n);
}

/*
 * R2 = 1 - sum (target - predicted)^2 / sum (target - mean target)^2; where all
 * targets are equal it is undefined, and we say 0.
 */
void
nn_metrics_regress(int64_t n, const double *predicted, const double *target, NnMetrics *metrics)
{
	double		mean = 0.0;
	double		sum_absolute = 0.0;
	double		sum_squares = 0.0;
	double		sum_spread = 0.0;

	memset(metrics, 0, sizeof(*metrics));
	metrics->n = n;
	if (n == 0)
		return;

	for (int64_t i = 0; i < n; i++)
		mean += target[i];
	mean /= (double) n;
	for (int64_t i = 0; i < n; i++)
	{
		double		error = target[i] - predicted[i];

		sum_absolute += fabs(error);
		sum_squares += error * error;
		sum_spread += (target[i] - mean) * (target[i] - mean);
	}
	metrics->mae = sum_absolute / (double) n;
	metrics->rmse = sqrt(sum_squares / (double) n);
	metrics->r2 = sum_spread > 0 ? 1.0 - sum_squares / sum_spread : 0.0;
}

void
nn_sequence_metrics_init(NnSequenceMetrics *metrics)
{
	const double none = (double) NAN;

	*metrics = (NnSequenceMetrics)
	{
		.token_accuracy = none, .precision = none, .recall = none, .f1 = none,
			.perplexity = none, .word_perplexity = none, .nats_per_character = none,
			.bleu = none, .exact = none, .cider = none,
			.mae = none, .rmse = none, .mase = none, .pinball = none, .coverage = none,
	};
}
