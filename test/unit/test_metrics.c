/*
 * test_metrics.c: figures worked out by hand.
 */
#include <math.h>
#include <string.h>
#include "tap.h"
#include "train/train.h"

static bool
is_close(double a, double b)
{
	return fabs(a - b) < 1e-6;
}

/*
 * Six rows, four labels; label 3 occurs nowhere.
 *
 *	row		truth	answer	p(answer)	bin of 15
 *	0		0		0		0.70		10
 *	1		0		1		0.60		9
 *	2		0		0		0.72		10
 *	3		1		1		0.95		14
 *	4		1		0		0.50		7
 *	5		2		1		0.61		9
 *
 * label 0: 3 rows, 3 answers, 2 right: P 2/3  R 2/3  F1 2/3
 * label 1: 2 rows, 3 answers, 1 right: P 1/3  R 1/2  F1 2/5
 * label 2: 1 row, no answer:           F1 0
 * macro-F1 over three labels: (2/3 + 2/5 + 0) / 3 = 16/45
 */
static const float probabilities[6][4] = {
	{0.70f, 0.10f, 0.10f, 0.10f},
	{0.30f, 0.60f, 0.05f, 0.05f},
	{0.72f, 0.08f, 0.10f, 0.10f},
	{0.02f, 0.95f, 0.02f, 0.01f},
	{0.50f, 0.30f, 0.10f, 0.10f},
	{0.20f, 0.61f, 0.09f, 0.10f},
};
static const int32_t labels[6] = {0, 0, 0, 1, 1, 2};

static void
test_by_hand(void)
{
	NnMetrics	metrics;
	NnClassMetrics per_class[4];
	int64_t		confusion[16];
	const int64_t expected[16] = {2, 1, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
	double		loss = -(log(0.70) + log(0.30) + log(0.72) + log(0.95) + log(0.30) + log(0.09)) / 6;

	/* bins: 10 has 2 right of 1.42, 9 has 0 of 1.21, 14 has 1 of 0.95, 7 has 0 of 0.5 */
	double		calibration = (0.58 + 1.21 + 0.05 + 0.5) / 6;

	nn_metrics_classify(6, 4, &probabilities[0][0], labels, &metrics, per_class, confusion);
	ok(metrics.n == 6 && is_close(metrics.accuracy, 0.5), "accuracy");
	ok(is_close(metrics.macro_f1, 16.0 / 45), "macro-F1 leaves out a label that occurs nowhere");
	ok(is_close(metrics.cross_entropy, loss), "cross-entropy");
	ok(is_close(metrics.calibration_error, calibration), "calibration error");
	ok(memcmp(confusion, expected, sizeof(expected)) == 0, "confusion: rows true, columns predicted");
	ok(per_class[0].n == 3 && per_class[0].n_predicted == 3 && per_class[0].n_right == 2 &&
	   is_close(per_class[0].precision, 2.0 / 3) && is_close(per_class[0].recall, 2.0 / 3) &&
	   is_close(per_class[0].f1, 2.0 / 3), "label 0");
	ok(is_close(per_class[1].precision, 1.0 / 3) && is_close(per_class[1].recall, 0.5) &&
	   is_close(per_class[1].f1, 0.4), "label 1");
	ok(per_class[2].n == 1 && per_class[2].n_predicted == 0 && per_class[2].precision == 0 &&
	   per_class[2].f1 == 0, "a label never answered has precision and F1 of 0");
	ok(per_class[3].n == 0 && per_class[3].f1 == 0, "a label that does not occur");
}

static void
test_without_room(void)
{
	enum
	{
		C = 700,				/* more than are counted in one pass */
		N = 50
	};
	static float p[N * C];
	static NnClassMetrics per_class[C];
	int32_t		label[N];
	NnMetrics	with;
	NnMetrics	without;

	for (int i = 0; i < N; i++)
	{
		label[i] = (i * 37) % C;
		for (int c = 0; c < C; c++)
			p[i * C + c] = 0.1f / C;
		p[i * C + (i % 3 == 0 ? (label[i] + 1) % C : label[i])] += 0.9f;
	}
	nn_metrics_classify(N, C, p, label, &with, per_class, NULL);
	nn_metrics_classify(N, C, p, label, &without, NULL, NULL);
	ok(memcmp(&with, &without, sizeof(with)) == 0, "the same figures without room for each of 700 labels");
	ok(is_close(with.accuracy, 33.0 / 50), "and the right ones");
}

static void
test_edges(void)
{
	const float sure[2] = {1.0f, 0.0f};
	const float strange[2] = {NAN, NAN};
	int32_t		label = 0;
	NnMetrics	metrics;
	int64_t		confusion[4];

	nn_metrics_classify(1, 2, sure, &label, &metrics, NULL, NULL);
	ok(metrics.accuracy == 1 && metrics.cross_entropy == 0 && metrics.calibration_error == 0, "sure and right");
	label = 1;
	nn_metrics_classify(1, 2, sure, &label, &metrics, NULL, NULL);
	ok(metrics.accuracy == 0 && metrics.calibration_error == 1 && metrics.cross_entropy > 80 &&
	   isfinite(metrics.cross_entropy), "sure and wrong costs much, but not infinity");
	label = -1;
	nn_metrics_classify(1, 2, sure, &label, &metrics, NULL, confusion);
	ok(metrics.accuracy == 0 && metrics.cross_entropy == 0 && metrics.calibration_error == 1 &&
	   confusion[0] + confusion[1] + confusion[2] + confusion[3] == 0,
	   "a label never seen is answered wrongly and is nowhere in the confusion");
	label = 7;
	nn_metrics_classify(1, 2, sure, &label, &metrics, NULL, confusion);
	ok(metrics.accuracy == 0 && metrics.macro_f1 == 0, "so is one beyond the last");
	label = 0;
	nn_metrics_classify(1, 2, strange, &label, &metrics, NULL, NULL);
	ok(metrics.n == 1, "NaN passes through");
	nn_metrics_classify(0, 2, sure, &label, &metrics, NULL, NULL);
	ok(metrics.n == 0 && metrics.accuracy == 0 && metrics.macro_f1 == 0, "no rows");
}

/* errors 1, 0, -2, 1: MAE 4/4, RMSE sqrt(6/4); targets 1, 2, 3, 6: mean 3, spread 4 + 1 + 0 + 9 */
static void
test_regress(void)
{
	const double target[4] = {1, 2, 3, 6};
	const double predicted[4] = {0, 2, 5, 5};
	const double even[2] = {2, 2};
	NnMetrics	metrics;

	nn_metrics_regress(4, predicted, target, &metrics);
	ok(is_close(metrics.mae, 1.0) && is_close(metrics.rmse, sqrt(1.5)), "MAE and RMSE");
	ok(is_close(metrics.r2, 1.0 - 6.0 / 14.0), "R2");
	nn_metrics_regress(2, even, even, &metrics);
	ok(metrics.r2 == 0 && metrics.rmse == 0, "R2 of targets that are all equal is 0");
	nn_metrics_regress(0, even, even, &metrics);
	ok(metrics.n == 0 && metrics.r2 == 0, "no rows");
}

int
main(void)
{
	test_by_hand();
	test_without_room();
	test_edges();
	test_regress();
	return done_testing();
}
