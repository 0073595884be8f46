/*
 * train/label_sets.c: answers that are sets of labels.
 *
 * A threshold of one half makes the fewest wrong decisions where probabilities are
 * right, but a label that few rows have would then seldom be answered.  What is wanted
 * of such a label is F1, so each label's threshold is the one with the highest F1 on
 * held-out rows (Yang 2001, "SCut").  On few rows that follows their accidents; a label
 * with fewer than NN_MIN_LABEL_ROWS of them shares one threshold with all.
 */
#include "train/label_sets.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"

/* ---- measures ---------------------------------------------------------------- */

static double
f1_of(int64_t n_right, int64_t n_true, int64_t n_answered)
{
	return n_true + n_answered > 0 ? 2.0 * (double) n_right / (double) (n_true + n_answered) : 0.0;
}

static double
share(int64_t part, int64_t whole)
{
	return whole > 0 ? (double) part / (double) whole : 0.0;
}

static void
finish_labels(int C, NnClassMetrics *per_class, NnSetMetrics *metrics)
{
	int			n_occurring = 0;
	double		sum = 0.0;

	for (int c = 0; c < C; c++)
	{
		NnClassMetrics *class = &per_class[c];

		class->precision = share(class->n_right, class->n_predicted);
		class->recall = share(class->n_right, class->n);
		class->f1 = f1_of(class->n_right, class->n, class->n_predicted);
		n_occurring += class->n + class->n_predicted > 0;
		sum += class->f1;
	}
	metrics->macro_f1 = n_occurring > 0 ? sum / n_occurring : 0.0;
}

void
nn_metrics_sets(int64_t n, int C, const float *probabilities, const float *target, const int32_t *n_more_true,
				const float *threshold, NnSetMetrics *metrics, NnClassMetrics *per_class)
{
	int64_t		n_right = 0;
	int64_t		n_true = 0;
	int64_t		n_answered = 0;
	int64_t		n_exact = 0;

	memset(metrics, 0, sizeof(*metrics));
	memset(per_class, 0, (size_t) C * sizeof(*per_class));
	metrics->n = n;
	for (int64_t i = 0; i < n; i++)
	{
		int32_t		n_more = n_more_true != NULL ? n_more_true[i] : 0;
		bool		is_exact = n_more == 0;

		n_true += n_more;
		for (int c = 0; c < C; c++)
		{
			bool		is_true = target[i * C + c] > 0.5f;
			bool		is_answered = probabilities[i * C + c] >= threshold[c];

			per_class[c].n += is_true;
			per_class[c].n_predicted += is_answered;
			per_class[c].n_right += is_true && is_answered;
			n_true += is_true;
			n_answered += is_answered;
			n_right += is_true && is_answered;
			is_exact = is_exact && is_true == is_answered;
		}
		n_exact += is_exact;
	}
	finish_labels(C, per_class, metrics);
	metrics->exact = share(n_exact, n);
	metrics->micro_precision = share(n_right, n_answered);
	metrics->micro_recall = share(n_right, n_true);
	metrics->micro_f1 = f1_of(n_right, n_true, n_answered);
	metrics->labels_true = share(n_true, n);
	metrics->labels_answered = share(n_answered, n);
}

/* ---- thresholds ----------------------------------------------------------------- */

/*
 * All probabilities, of one label or of all, counted by size in cells of 1/1024: what a
 * threshold decides within a cell is less than what the rows can tell.
 */
#define N_CELLS 1024

typedef struct Histogram
{
	int64_t		n_true[N_CELLS];
	int64_t		n_all[N_CELLS];
} Histogram;

static void
count(Histogram *histogram, float probability, bool is_true)
{
	int			cell = 0;

	/* what is no probability (a NaN) is as low as one can be */
	if (probability > 0)
		cell = probability < 1 ? (int) (probability * N_CELLS) : N_CELLS - 1;
	histogram->n_all[cell]++;
	histogram->n_true[cell] += is_true;
}

static int64_t
total(const int64_t *cells)
{
	int64_t		sum = 0;

	for (int i = 0; i < N_CELLS; i++)
		sum += cells[i];
	return sum;
}

/*
 * The lower edge of the cell from which on everything is answered for the highest F1.
 * Where F1 is the same over many empty cells, their middle.
 */
static float
best_edge(const Histogram *histogram)
{
	int64_t		n_true = total(histogram->n_true);
	int64_t		n_right = 0;
	int64_t		n_answered = 0;
	double		best = -1.0;
	int			first = N_CELLS / 2;	/* cells with the best F1: from first down to last, with nothing
										 * between */
	int			last = N_CELLS / 2;
	bool		is_open = false;

	for (int i = N_CELLS - 1; i > 0; i--)
	{
		double		f1;

		n_right += histogram->n_true[i];
		n_answered += histogram->n_all[i];
		f1 = f1_of(n_right, n_true, n_answered);
		if (f1 > best)
		{
			best = f1;
			first = last = i;
			is_open = true;
		}
		else if (is_open && histogram->n_all[i] == 0)
			last = i;
		else
			is_open = false;
	}
	return (float) (first + last) / (2.0f * N_CELLS);
}

NnStatus
nn_fit_label_thresholds(int64_t n, int C, const float *probabilities, const float *target,
						float *threshold, const NnEnv *env, NnError *err)
{
	Histogram  *own = env->alloc(env->ctx, sizeof(Histogram));
	Histogram  *all = env->alloc(env->ctx, sizeof(Histogram));
	bool	   *is_rare = env->alloc(env->ctx, (size_t) C + 1);
	NnStatus	status = NN_OK;

	if (own == NULL || all == NULL || is_rare == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C && status == NN_OK; c++)
	{
		if (env->poll(env->ctx) != 0)
			status = nn_fail(err, NN_ECANCELED, "canceled");
		memset(own, 0, sizeof(*own));
		for (int64_t i = 0; i < n; i++)
		{
			count(own, probabilities[i * C + c], target[i * C + c] > 0.5f);
			count(all, probabilities[i * C + c], target[i * C + c] > 0.5f);
		}
		is_rare[c] = total(own->n_true) < NN_MIN_LABEL_ROWS;
		threshold[c] = is_rare[c] ? 0.5f : best_edge(own);
	}
	for (int c = 0; c < C && status == NN_OK; c++)
		if (is_rare[c] && total(all->n_true) > 0)
			threshold[c] = best_edge(all);
	env->release(env->ctx, own);
	env->release(env->ctx, all);
	env->release(env->ctx, is_rare);
	return status;
}
