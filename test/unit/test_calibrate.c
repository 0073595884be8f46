/*
 * test_calibrate.c: calibration figures worked out by hand, temperatures that are known,
 * thresholds of labels, and the record of held-out rows.
 */
#include "tap.h"
#include "base/rng.h"
#include "model/held_out.h"
#include "train/calibrate.h"
#include "train/label_sets.h"
#include "train_case.h"

/*
 * Two labels, four rows: (.9 .1) (.8 .2) (.3 .7) (.4 .6), truly 0, 1, 1, 0.
 * Answers: 0 .9 right, 0 .8 wrong, 1 .7 right, 1 .6 wrong; of 15 bins 13, 12, 10 and 9:
 *   error = (.1 + .8 + .3 + .6) / 4 = .45
 * Label 0: bins of .9, .8, .3, .4 with truths 1, 0, 0, 1: (.1 + .8 + .3 + .6) / 4 = .45; label 1 the same.
 * Brier: 2 (.01 + .64 + .09 + .36) / 4 = .55
 */
static void
test_by_hand(void)
{
	static const float p[8] = {.9f, .1f, .8f, .2f, .3f, .7f, .4f, .6f};
	static const int32_t label[4] = {0, 1, 1, 0};
	static const float target[8] = {1, 0, 0, 1, 0, 1, 1, 0};
	NnTruth		one = {label, NULL};
	NnTruth		many = {NULL, target};
	NnCalibration c;

	nn_calibration(4, 2, p, &one, &c);
	is_near(c.error, 0.45, 1e-6, "error of the answers");
	is_near(c.classwise, 0.45, 1e-6, "class-wise error");
	is_near(c.brier, 0.55, 1e-6, "Brier's score");
	is_near(c.cross_entropy, -(log(.9) + log(.2) + log(.7) + log(.4)) / 4, 1e-6, "cross-entropy");
	nn_calibration(4, 2, p, &many, &c);
	is_near(c.classwise, 0.45, 1e-6, "of many labels: class-wise error");
	is_near(c.brier, 0.55, 1e-6, "... Brier's score");
	is_near(c.cross_entropy, -(log(.9) + log(.2) + log(.7) + log(.4)) / 2, 1e-6, "... both sides of each label");
	nn_calibration(0, 2, p, &one, &c);
	ok(c.n == 0 && c.error == 0, "no rows");
}

/* Labels drawn from softmax(z / 2.5) ask for a temperature of 2.5; of sigmoids likewise. */
static void
test_temperature(void)
{
	enum
	{
		N = 20000, C = 4
	};
	static float z[N * C];
	static float scaled[N * C];
	static float target[N * C];
	static int32_t label[N];
	NnSpec		spec = {.task = NN_TASK_CLASSIFY, .n_outputs = C};
	NnTruth		one = {label, NULL};
	NnTruth		many = {NULL, target};
	NnCalibration before;
	NnCalibration after;
	NnRng		rng;
	double		T = 0.0;

	nn_rng_seed(&rng, 3);
	for (int i = 0; i < N * C; i++)
		z[i] = 4.0f * nn_rng_normal(&rng);
	memcpy(scaled, z, sizeof(z));
	nn_probabilities(&spec, 2.5, N, scaled);
	for (int i = 0; i < N; i++)
	{
		float		u = nn_rng_uniform(&rng);

		for (label[i] = 0; label[i] < C - 1 && u >= scaled[i * C + label[i]]; label[i]++)
			u -= scaled[i * C + label[i]];
	}
	ok(nn_fit_temperature(N, C, z, &one, &nn_env_malloc, &T, NULL) == NN_OK, "fits");
	is_near(T, 2.5, 0.08, "the temperature that the labels were drawn with");
	nn_calibration(N, C, scaled, &one, &after);
	memcpy(scaled, z, sizeof(z));
	nn_probabilities(&spec, 1.0, N, scaled);
	nn_calibration(N, C, scaled, &one, &before);
	ok(after.error < 0.02 && before.error > 0.1, "calibration error %.3f before, %.3f after", before.error, after.error);
	ok(after.brier < before.brier && after.classwise < before.classwise, "the other figures are better too");

	spec.is_multi_label = true;
	memcpy(scaled, z, sizeof(z));
	nn_probabilities(&spec, 0.4, N, scaled);
	for (int i = 0; i < N * C; i++)
		target[i] = nn_rng_uniform(&rng) < scaled[i] ? 1.0f : 0.0f;
	ok(nn_fit_temperature(N, C, z, &many, &nn_env_malloc, &T, NULL) == NN_OK, "fits many labels");
	is_near(T, 0.4, 0.02, "a temperature below 1: a net that is too timid");
	for (int i = 0; i < N; i++)
		for (int c = 0, best = 0; c < C; c++)
		{
			best = z[i * C + c] > z[i * C + best] ? c : best;
			label[i] = best;
		}
	ok(nn_fit_temperature(N, C, z, &one, &nn_env_malloc, &T, NULL) == NN_OK && T >= 0.05 && T < 0.0501,
	   "answers that are never wrong ask for the lowest temperature there is");
	ok(nn_fit_temperature(29, C, z, &many, &nn_env_malloc, &T, NULL) == NN_OK && T == 1.0, "too few rows: 1");
}

/* Splitting scales into mix and temperature leaves the probabilities. */
static void
test_split(void)
{
	NnSpec		spec = train_case_text_spec(NN_CELL_LSTM, 300, 50, 3);
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnNet	   *net = train_case_net(arena, &spec, 1);
	float	   *scale = nn_net_find_tensor(net, "scale")->data;

	scale[0] = 0.6f;
	scale[1] = 0.2f;
	is_near(nn_split_temperature(net), 2.5, 1e-6, "1 over the mean of the scales");
	ok(fabsf(scale[0] - 1.5f) < 1e-6f && fabsf(scale[1] - 0.5f) < 1e-6f, "which are 1 on average: %g, %g",
	   (double) scale[0], (double) scale[1]);
	is_near(nn_split_temperature(net), 1.0, 1e-6, "a second time nothing is left to split");
	nn_arena_destroy(arena);
}

static void
test_energies(void)
{
	NnSpec		spec = {.task = NN_TASK_CLASSIFY, .n_outputs = 3};
	static const float z[6] = {1, 2, 3, -100, -100, -100};
	float		energy[2];

	nn_energies(&spec, 2, z, energy);
	is_near(energy[0], -log(exp(1) + exp(2) + exp(3)), 1e-5, "one label: minus the log of the sum");
	is_near(energy[1], 100 - log(3), 1e-4, "without over- or underflow");
	spec.is_multi_label = true;
	nn_energies(&spec, 2, z, energy);
	is_near(energy[0], -(log1p(exp(1)) + log1p(exp(2)) + log1p(exp(3))), 1e-5, "many labels: each by itself");
	ok(fabsf(energy[1]) < 1e-30f, "that none of them has");
}

/*
 * Label 0: rows 0 ... 19 with p = .9 (16 have it) and .2 (4 have it): the best F1 answers the first
 * alone; label 1 has two rows only and takes the common threshold.
 */
static void
test_thresholds(void)
{
	float		p[40 * 2];
	float		target[40 * 2];
	float		threshold[2];
	int32_t		n_more[40] = {0};
	NnSetMetrics metrics;
	NnClassMetrics per_class[2];

	for (int i = 0; i < 40; i++)
	{
		p[2 * i] = i < 20 ? 0.9f : 0.2f;
		target[2 * i] = i < 16 || i >= 36 ? 1.0f : 0.0f;
		p[2 * i + 1] = i < 2 ? 0.7f : 0.1f;
		target[2 * i + 1] = i < 2 ? 1.0f : 0.0f;
	}
	ok(nn_fit_label_thresholds(40, 2, p, target, threshold, &nn_env_malloc, NULL) == NN_OK, "fits");
	ok(threshold[0] > 0.2f && threshold[0] < 0.9f, "label 0: between its two probabilities: %g", (double) threshold[0]);
	is_near(threshold[0], 0.55, 0.01, "in their middle");
	ok(threshold[1] > 0.2f && threshold[1] <= 0.7f, "the rare label: the common threshold, %g", (double) threshold[1]);

	n_more[0] = 1;
	nn_metrics_sets(40, 2, p, target, n_more, threshold, &metrics, per_class);
	/* label 0: 20 rows, 20 answers, 16 right; label 1: 2, 2, 2; and a label of row 0 that nobody knows */
	is_near(metrics.micro_precision, 18.0 / 22, 1e-9, "micro-precision");
	is_near(metrics.micro_recall, 18.0 / 23, 1e-9, "micro-recall counts the unknown label");
	is_near(metrics.micro_f1, 36.0 / 45, 1e-9, "micro-F1");
	is_near(metrics.macro_f1, (0.8 + 1.0) / 2, 1e-9, "macro-F1");
	is_near(metrics.exact, 31.0 / 40, 1e-9, "rows right as a whole: not 4 + 4, nor the one with the unknown label");
	ok(per_class[0].n == 20 && per_class[0].n_predicted == 20 && per_class[0].n_right == 16, "counts of a label");
	ok(nn_fit_label_thresholds(0, 2, p, target, threshold, &nn_env_malloc, NULL) == NN_OK &&
	   threshold[0] == 0.5f && threshold[1] == 0.5f, "without rows one half");
}

/* ---- the record -------------------------------------------------------------------- */

static bool
reads(const NnArray *bytes, size_t n_bytes, NnHeldOut *held_out)
{
	static NnArena *arena = NULL;
	NnError		err;

	nn_arena_destroy(arena);
	arena = nn_arena_create(&nn_env_malloc);
	return nn_held_out_read(held_out, bytes->data, n_bytes, arena, &err) == NN_OK;
}

static void
test_record(void)
{
	static const float p[3 * 3] = {.7f, .2f, .1f, .1f, .8f, .1f, .04f, .06f, .9f};
	static const float energy[3] = {-3, -2, -1};
	static const int32_t label[3] = {0, 2, 2};
	static const float target[9] = {1, 0, 1, 0, 0, 0, 1, 0, 1};
	static const float half[3] = {.5f, .5f, .5f};
	static char *const names[3] = {"a", "b", "c"};
	NnTruth		one = {label, NULL};
	NnTruth		many = {NULL, target};
	NnArena    *arena = nn_arena_create(&nn_env_malloc);
	NnHeldOut	held_out;
	NnHeldOut	back;
	NnArray		bytes;
	bool		is_safe = true;

	nn_array_init(&bytes, &nn_env_malloc, 1);
	ok(nn_held_out_collect(3, 3, p, energy, &one, NULL, arena, &held_out, NULL) == NN_OK && held_out.n_claims == 3, "a claim a row");
	ok(held_out.claim[0].is_right && !held_out.claim[1].is_right && held_out.claim[1].label == 1, "right and wrong");
	ok(nn_held_out_collect(3, 3, p, energy, &many, half, arena, &held_out, NULL) == NN_OK && held_out.n_claims == 9,
	   "many labels: those with a chance, and those that are true");
	ok(held_out.claim[0].is_answer && !held_out.claim[1].is_answer, "answers reach their threshold");
	ok(nn_held_out_write(&held_out, 3, names, &bytes) == NN_OK && bytes.n == 24 + 16 * 9 + 8 + 3 * 9, "written");
	ok(reads(&bytes, bytes.n, &back) && back.n_rows == 3 && back.n_claims == 9 &&
	   memcmp(&back.claim[8], &held_out.claim[8], sizeof(NnClaim)) == 0, "read back");
	ok(back.n_labels == 3 && strcmp(back.labels[2], "c") == 0, "with its labels");
	for (size_t n = 0; n < bytes.n; n++)
		is_safe = is_safe && !reads(&bytes, n, &back);
	ok(is_safe, "cut anywhere, it is refused");
	/* a byte changed somewhere: refused, or numbers that are sound */
	for (size_t i = 0; i < bytes.n; i++)
	{
		uint8_t    *byte = (uint8_t *) bytes.data + i;

		*byte ^= 0xff;
		if (reads(&bytes, bytes.n, &back))
			for (int64_t k = 0; k < back.n_claims; k++)
				is_safe = is_safe && back.claim[k].label >= 0 && back.claim[k].label < 3 &&
					back.claim[k].probability >= 0 && back.claim[k].probability <= 1;
		*byte ^= 0xff;
	}
	ok(is_safe, "no changed byte gives an unsound claim");
	reads(&bytes, 0, &back);
	nn_array_free(&bytes);
	nn_arena_destroy(arena);
}

int
main(void)
{
	test_by_hand();
	test_temperature();
	test_split();
	test_energies();
	test_thresholds();
	test_record();
	return done_testing();
}
