/*
 * test_explain.c: explanations (model/explain.h), what they promise.
 *
 *  - the weights sum to the score less that of nothing, whatever the network, and the
 *    score is what the answer is made of;
 *  - what is linear is exact: a bag's features, and how they are split among words;
 *  - a row's explanation has the same bits alone and among others;
 *  - the slopes (nn/net.h) are those of the score, by central differences;
 *  - tokens of a word add up to the word; parts say where they stand; what is not read
 *    is told;
 *  - the words that drive a label are counted;
 *  - every failed allocation and every stopped poll is a status, and the model stays
 *    as it was.
 *
 * test_explain_golden.c has the weights of recurrent networks by PyTorch.
 */
#include "file_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/bytes.h"
#include "base/rng.h"
#include "model/answer_tags.h"
#include "model/encode.h"
#include "model/explain.h"
#include "tap.h"

static NnError err;

static void
must(NnStatus status)
{
	if (status == NN_OK)
		return;
	printf("Bail out! %s\n", err.message);
	exit(1);
}

static NnValue
text_value(const char *text)
{
	NnValue		value = {.kind = NN_VALUE_TEXT, .text = text, .n_bytes = strlen(text)};

	return value;
}

/* ---- models ------------------------------------------------------------------------------- */

static const char *const bag_words[] = {"cat", "dog", "bird"};

static uint64_t
word_key(const char *word)
{
	return nn_feature_word(nn_hash_bytes(word, strlen(word), 0));
}

static int
compare_keys(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return x < y ? -1 : x > y;
}

#define N_BAG	5

/* The model's bag has words, a pair (cat dog) and the last n-gram of cat, "at>". */
static void
set_features(NnModel *model)
{
	uint64_t	ngrams[3 * NN_WORD_CHARACTERS + 8];
	uint64_t	keys[N_BAG];
	uint8_t		bytes[N_BAG * 8];
	int			n = nn_feature_ngrams("cat", 3, ngrams);

	for (int i = 0; i < 3; i++)
		keys[i] = word_key(bag_words[i]);
	keys[3] = nn_feature_pair(nn_hash_bytes("cat", 3, 0), nn_hash_bytes("dog", 3, 0));
	keys[4] = ngrams[n - 1];
	qsort(keys, N_BAG, sizeof(uint64_t), compare_keys);
	for (int i = 0; i < N_BAG * 8; i++)
		bytes[i] = (uint8_t) (keys[i / 8] >> (8 * (i % 8)));
	nn_feature_index_destroy(model->features);
	must(nn_feature_index_read(&model->features, bytes, N_BAG, model->env, &err));
	model->has_ngrams = true;
}

/* New tensors for a changed spec. */
static void
set_net(NnModel *model, uint64_t seed)
{
	NnRng		rng;

	must(nn_net_create(&model->net, model->arena, &model->spec, false, &err));
	nn_rng_seed(&rng, seed);
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);

		for (int j = 0; j < tensor->n_rows * tensor->n_columns; j++)
			tensor->data[j] = nn_rng_normal(&rng);
	}
	nn_net_pack(model->net);
}

/* A model of both branches, whose bag knows words. */
static NnModel *
text_model(NnCell cell, int n_layers, bool is_bidirectional, unsigned pool)
{
	NnModel    *model = file_case_model(FILE_CASE_TEXT, &nn_env_malloc);

	model->spec.cell = cell;
	model->spec.n_layers = cell == NN_CELL_NONE ? 0 : n_layers;
	model->spec.hidden = cell == NN_CELL_NONE ? 0 : 5;
	model->spec.is_bidirectional = cell != NN_CELL_NONE && is_bidirectional;
	model->spec.pool = cell == NN_CELL_NONE ? 0 : pool;
	if (cell == NN_CELL_NONE)
	{
		model->spec.vocabulary = model->spec.embedding = 0;
		nn_vocabulary_destroy(model->vocabulary);
		model->vocabulary = NULL;
	}
	set_features(model);
	set_net(model, 23);
	return model;
}

/* ---- sums ------------------------------------------------------------------------------------ */

static double
sum_of(const NnExplanation *explanation)
{
	double		sum = 0.0;

	for (int k = 0; k < explanation->n_parts; k++)
		sum += explanation->part[k].weight;
	return sum;
}

static bool
adds_up(const NnExplanation *explanation, double share)
{
	double		gain = explanation->score - explanation->baseline;

	return fabs(gain - sum_of(explanation) - explanation->gap) <= 1e-9 * (1.0 + fabs(explanation->score)) &&
		fabs(explanation->gap) <= share * fabs(gain);
}

/* All labels of one input: weights that add up, and the softmax of the scores is the answer. */
static void
check_sums(const NnModel *model, const NnValue *value, const char *what)
{
	int			C = model->spec.n_outputs;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	float		answer[8];
	double		odds[8];
	double		sum = 0.0;
	double		worst = 0.0;
	int			n_bad = 0;

	for (int32_t c = 0; c < C; c++)
	{
		NnExplanation explanation;

		must(nn_explain(model, value, &c, 1, NULL, scratch, &explanation, &err));
		if (!adds_up(&explanation, 0.01))
		{
			diag("gap %g of %g, %d points", explanation.gap, explanation.score - explanation.baseline, explanation.n_points);
			n_bad++;
		}
		odds[c] = exp(explanation.score);
		sum += odds[c];
		if (model->spec.task == NN_TASK_REGRESS)
			odds[c] = explanation.score;
	}
	must(nn_answer(model, value, 1, scratch, answer, NULL, NULL, &err));
	for (int c = 0; c < C; c++)
	{
		double		of = model->spec.task == NN_TASK_REGRESS ? fmax(1.0, fabs(odds[c])) : sum;

		worst = fmax(worst, fabs(odds[c] / of - (double) answer[c] / (model->spec.task == NN_TASK_REGRESS ? of : 1.0)));
	}
	ok(n_bad == 0, "%s: the weights add up to the score", what);
	ok(worst < 1e-5, "%s: the scores are what the answer is made of (%.1e)", what, worst);
	nn_arena_destroy(scratch);
}

static void
test_sums(void)
{
	static const unsigned pools[] = {NN_POOL_LAST, NN_POOL_MAX | NN_POOL_MEAN, NN_POOL_ATTENTION};
	NnValue		value = text_value("cat dog thing in the cat dog, bird!");

	for (int cell = NN_CELL_NONE; cell <= NN_CELL_GRU; cell++)
		for (int i = 0; i < 3; i++)
		{
			NnModel    *model = text_model((NnCell) cell, 1 + i % 2, i > 0, pools[i]);
			char		what[64];

			snprintf(what, sizeof(what), "%s, pooling %d", nn_cell_name((NnCell) cell), (int) pools[i]);
			check_sums(model, &value, what);
			nn_model_destroy(model);
		}
}

static void
test_numbers(void)
{
	static const float grid[8] = {0.5f, -1.0f, 2.0f, 0.25f, -0.5f, 1.5f, 1.0f, -2.0f};
	NnModel    *series = file_case_model(FILE_CASE_SERIES, &nn_env_malloc);
	NnModel    *vector = file_case_model(FILE_CASE_VECTOR, &nn_env_malloc);
	NnValue		grid_value = {.kind = NN_VALUE_NUMBERS, .numbers = grid, .n_steps = 4, .n_channels = 2};
	NnValue		vector_value = {.kind = NN_VALUE_NUMBERS, .numbers = grid, .n_steps = 5, .n_channels = 1};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExplanation explanation;
	int			n_bad = 0;

	series->target_scale = 2.0;
	series->target_mean = 1.0;
	check_sums(series, &grid_value, "series");
	check_sums(vector, &vector_value, "vector");
	must(nn_explain(series, &grid_value, NULL, 1, NULL, scratch, &explanation, &err));
	for (int k = 0; k < explanation.n_parts; k++)
		n_bad += explanation.part[k].start != k / 2 || explanation.part[k].channel != k % 2 || explanation.part[k].bytes != NULL;
	ok(explanation.n_parts == 8 && n_bad == 0 && explanation.label == 0, "series: a part for each step and channel");

	/* the mean of the training rows says nothing */
	vector_value.numbers = vector->input_mean;
	must(nn_explain(vector, &vector_value, NULL, 1, NULL, scratch, &explanation, &err));
	for (int k = 0; k < explanation.n_parts; k++)
		n_bad += explanation.part[k].weight != 0.0;
	ok(n_bad == 0 && explanation.score == explanation.baseline && explanation.gap == 0.0, "vector: the mean has no weight");
	nn_arena_destroy(scratch);
	nn_model_destroy(series);
	nn_model_destroy(vector);
}

/* ---- what is linear ----------------------------------------------------------------------------- */

/* What row `key` of the bag is worth to label c, times its weight. */
static double
feature_share(NnModel *model, uint64_t key, int c, double weight)
{
	const NnTensor *bag = nn_net_find_tensor(model->net, "bag.weight");
	const NnTensor *head = nn_net_find_tensor(model->net, "wide_head.weight");
	const NnTensor *scale = nn_net_find_tensor(model->net, "scale");
	int32_t		row = nn_feature_index_find(model->features, key);
	int			D = model->spec.wide_hidden;
	double		sum = 0.0;

	for (int j = 0; j < D; j++)
		sum += (double) bag->data[row * D + j] * (double) head->data[c * D + j];
	return sum * weight * (double) scale->data[1];
}

static void
test_linear(void)
{
	NnModel    *model = text_model(NN_CELL_NONE, 0, false, 0);
	NnValue		value = text_value("cat dog, so what? bird");
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	double		of_words = 1.0 / sqrt(4.0); /* three words and a pair */
	uint64_t	pair = nn_feature_pair(nn_hash_bytes("cat", 3, 0), nn_hash_bytes("dog", 3, 0));
	double		of_ngrams = 1.0 / sqrt(2.0);	/* "at>" of cat and of what */
	uint64_t	ngrams[3 * NN_WORD_CHARACTERS + 8];
	uint64_t	ngram = ngrams[nn_feature_ngrams("cat", 3, ngrams) - 1];
	NnExplanation explanation;
	int32_t		label = 1;
	double		expected[7] = {0};
	double		worst = 0.0;

	expected[0] = feature_share(model, word_key("cat"), 1, of_words) + feature_share(model, pair, 1, of_words) / 2.0 +
		feature_share(model, ngram, 1, of_ngrams);
	expected[1] = feature_share(model, word_key("dog"), 1, of_words) + feature_share(model, pair, 1, of_words) / 2.0;
	expected[4] = feature_share(model, ngram, 1, of_ngrams);
	expected[6] = feature_share(model, word_key("bird"), 1, of_words);
	must(nn_explain(model, &value, &label, 1, NULL, scratch, &explanation, &err));
	for (int k = 0; k < 7 && k < explanation.n_parts; k++)
		worst = fmax(worst, fabs(explanation.part[k].weight - expected[k]));
	ok(explanation.n_parts == 7 && worst < 1e-6, "a bag: each word has its features, a pair's half goes to each (%.1e)", worst);
	ok(fabs(explanation.gap) < 1e-12 && explanation.n_points == 0, "a bag: nothing is approximated");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

/* The distance from the mean of the others. */
static void
test_margin(void)
{
	NnModel    *model = text_model(NN_CELL_LSTM, 1, true, NN_POOL_MAX);
	NnValue		value = text_value("cat dog thing bird");
	NnExplainOptions options = {.score = NN_EXPLAIN_MARGIN};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExplanation logit[3];
	NnExplanation margin;
	int32_t		c = 0;
	double		worst = 0.0;

	for (int32_t k = 0; k < 3; k++)
		must(nn_explain(model, &value, &k, 1, NULL, scratch, &logit[k], &err));
	must(nn_explain(model, &value, &c, 1, &options, scratch, &margin, &err));
	is_near(margin.score, logit[0].score - (logit[1].score + logit[2].score) / 2.0, 1e-4, "margin: the score");
	is_near(margin.baseline, logit[0].baseline - (logit[1].baseline + logit[2].baseline) / 2.0, 1e-4, "margin: that of nothing");
	for (int k = 0; k < margin.n_parts; k++)
		worst = fmax(worst, fabs(margin.part[k].weight - logit[0].part[k].weight +
								 (logit[1].part[k].weight + logit[2].part[k].weight) / 2.0));
	ok(worst < 0.05, "margin: weights are those of the logits (%.1e)", worst);
	ok(adds_up(&margin, 0.01), "margin: they add up");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

/* ---- the same bits ------------------------------------------------------------------------------- */

static bool
same(const NnExplanation *a, const NnExplanation *b)
{
	if (a->n_parts != b->n_parts || a->label != b->label || a->n_points != b->n_points ||
		memcmp(&a->score, &b->score, sizeof(double)) != 0 || memcmp(&a->baseline, &b->baseline, sizeof(double)) != 0 ||
		memcmp(&a->gap, &b->gap, sizeof(double)) != 0)
		return false;
	for (int k = 0; k < a->n_parts; k++)
		if (memcmp(&a->part[k].weight, &b->part[k].weight, sizeof(double)) != 0)
			return false;
	return true;
}

#define N_TEXTS 150

static void
test_batches(void)
{
	static const char *const words[] = {"cat", "dog", "thing", "bird", "the", "x", "d\303\266g", "ingth"};
	static char texts[N_TEXTS][128];
	static NnValue values[N_TEXTS];
	static NnExplanation together[N_TEXTS];
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnArena    *other = nn_arena_create(&nn_env_malloc);
	NnModel    *models[2] = {text_model(NN_CELL_LSTM, 2, true, NN_POOL_MAX | NN_POOL_MEAN | NN_POOL_ATTENTION), file_case_model(FILE_CASE_TAG, &nn_env_malloc)};
	NnRng		rng;

	nn_rng_seed(&rng, 3);
	for (int i = 0; i < N_TEXTS; i++)
	{
		int			n_words = (int) (nn_rng_uniform(&rng) * 12.0f);

		for (int w = 0; w < n_words; w++)
			snprintf(texts[i] + strlen(texts[i]), 16, "%s ", words[(int) (nn_rng_uniform(&rng) * 7.99f)]);
		values[i] = text_value(texts[i]);
	}
	for (int m = 0; m < 2; m++)
	{
		int			n_other = 0;

		must(nn_explain(models[m], values, NULL, N_TEXTS, NULL, scratch, together, &err));
		for (int i = 0; i < N_TEXTS; i++)
		{
			NnExplanation alone;

			nn_arena_reset(other);
			must(nn_explain(models[m], &values[i], NULL, 1, NULL, other, &alone, &err));
			n_other += !same(&together[i], &alone);
		}
		ok(n_other == 0, "%s: %d texts, alone and together, to the bit", m == 0 ? "labels" : "tags", N_TEXTS);
		nn_arena_reset(scratch);
		nn_model_destroy(models[m]);
	}
	nn_arena_destroy(scratch);
	nn_arena_destroy(other);
}

/* ---- slopes ----------------------------------------------------------------------------------------- */

/* Scores and slopes of one text at so many points of its way. */
static void
slopes_at(const NnModel *model, const NnValue *value, const float *way, int n, double *score, double *slope)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnSpec		spec = model->spec;
	int32_t		pick[8] = {0};
	int32_t		order[8];
	int32_t		label[8] = {1, 1, 1, 1, 1, 1, 1, 1};
	NnExamples	examples;
	NnSlopeView *view;
	NnSlopes	slopes;
	NnBatch		batch;

	spec.wide = NN_WIDE_NONE;
	spec.wide_inputs = spec.wide_hidden = 0;
	must(nn_encode(model, value, 1, scratch, &examples, NULL, &err));
	must(nn_batch_pack(&batch, &spec, &examples, pick, n, 0.0f, NULL, scratch, order, &err));
	batch.label = label;
	must(nn_slope_view_create(&view, model->net, false, scratch, &err));
	must(nn_slopes(view, &batch, way, scratch, &slopes, &err));
	for (int b = 0; b < n; b++)
	{
		score[b] = slopes.score[b];
		slope[b] = 0.0;
		for (int t = 0; t < batch.length[b]; t++)
			slope[b] += (double) slopes.row[batch.offset[t] + b];
	}
	nn_arena_destroy(scratch);
}

/* Poolings without a maximum, whose slope may jump. */
static void
test_slopes(void)
{
	static const float way[6] = {0.0f, 0.297f, 0.3f, 0.303f, 0.99f, 1.0f};
	NnValue		value = text_value("cat thing dog in the bird");

	for (int cell = NN_CELL_RNN; cell <= NN_CELL_GRU; cell++)
	{
		NnModel    *model = text_model((NnCell) cell, 2, true, NN_POOL_LAST | NN_POOL_MEAN | NN_POOL_ATTENTION);
		double		score[6];
		double		slope[6];
		double		difference;

		slopes_at(model, &value, way, 6, score, slope);
		difference = (score[3] - score[1]) / (double) (way[3] - way[1]);
		ok(fabs(slope[2] - difference) <= 5e-3 * fmax(1.0, fabs(difference)), "%s: the slope is that of the score (%g, %g)",
		   nn_cell_name((NnCell) cell), slope[2], difference);
		nn_model_destroy(model);
	}
}

/* ---- parts --------------------------------------------------------------------------------------------- */

typedef struct Expected
{
	int			start;
	int			stop;
	const char *bytes;
} Expected;

static void
check_parts(const NnExplanation *explanation, const Expected *expected, int n, const char *what)
{
	int			n_bad = 0;

	for (int k = 0; k < n && k < explanation->n_parts; k++)
	{
		const NnExplainPart *part = &explanation->part[k];

		if (part->start != expected[k].start || part->stop != expected[k].stop ||
			part->n_bytes != (int) strlen(expected[k].bytes) ||
			memcmp(part->bytes, expected[k].bytes, (size_t) part->n_bytes) != 0)
		{
			diag("part %d: \"%.*s\" at %d to %d", k, part->n_bytes, part->bytes, (int) part->start, (int) part->stop);
			n_bad++;
		}
	}
	ok(explanation->n_parts == n && n_bad == 0, "%s", what);
}

static void
test_parts(void)
{
	static const Expected words[] = {{0, 3, "cat"}, {5, 8, "d\303\266g"}, {9, 14, "thing"}, {14, 15, "!"}};
	static const Expected tokens[] = {{0, 3, "cat"}, {5, 8, "d\303\266g"}, {9, 11, "th"}, {11, 12, "i"}, {12, 13, "n"}, {13, 14, "g"}, {14, 15, "!"}};
	static const char *const list[] = {"cat thing", "", "d\303\266g"};
	static const size_t list_bytes[] = {9, 0, 4};
	static const Expected halves[] = {{0, 1, "\302\275"}, {0, 1, "\302\275"}, {0, 1, "\302\275"}, {2, 5, "cat"}};
	static const Expected listed[] = {{0, 3, "cat"}, {4, 9, "thing"}, {11, 14, "d\303\266g"}};
	NnModel    *model = text_model(NN_CELL_LSTM, 1, true, NN_POOL_MAX);
	NnExplainOptions by_token = {.unit = NN_EXPLAIN_TOKENS};
	NnValue		value = text_value("cat  d\303\266g thing!");
	NnValue		half = text_value("\302\275 cat");
	NnValue		of_list = {.kind = NN_VALUE_WORDS, .words = list, .word_bytes = list_bytes, .n_words = 3};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExplanation a;
	NnExplanation b;

	must(nn_explain(model, &value, NULL, 1, NULL, scratch, &a, &err));
	must(nn_explain(model, &value, NULL, 1, &by_token, scratch, &b, &err));
	check_parts(&a, words, 4, "words of a text");
	check_parts(&b, tokens, 7, "tokens of a text");
	ok(fabs(a.part[2].weight - b.part[2].weight - b.part[3].weight - b.part[4].weight - b.part[5].weight) < 1e-12 &&
	   fabs(a.part[0].weight - b.part[0].weight) < 1e-12 && b.part[2].weight != b.part[3].weight, "tokens add up to their word");
	must(nn_explain(model, &half, NULL, 1, NULL, scratch, &a, &err));
	check_parts(&a, halves, 4, "words of one character");
	must(nn_explain(model, &of_list, NULL, 1, NULL, scratch, &a, &err));
	check_parts(&a, listed, 3, "words of a list, counted with one space between its elements");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

/* What is not read has no weight, and says so. */
static void
test_unread(void)
{
	static const float numbers[20 * 2] = {1.0f, 2.0f};
	NnModel    *model = text_model(NN_CELL_LSTM, 1, true, NN_POOL_MAX);
	NnModel    *series = file_case_model(FILE_CASE_SERIES, &nn_env_malloc);
	NnValue		value = text_value("cat dog thing bird cat");
	NnValue		steps = {.kind = NN_VALUE_NUMBERS, .numbers = numbers, .n_steps = 20, .n_channels = 2};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExplanation explanation;

	model->max_tokens = 2;
	must(nn_explain(model, &value, NULL, 1, NULL, scratch, &explanation, &err));
	ok(explanation.n_parts == 5 && explanation.part[4].is_read && explanation.part[3].weight != 0.0 && adds_up(&explanation, 0.01),
	   "the bag reads what is too long for the network");
	nn_feature_index_destroy(model->features);
	model->features = NULL;
	model->spec.wide = NN_WIDE_NONE;
	model->spec.wide_inputs = model->spec.wide_hidden = 0;
	set_net(model, 5);
	must(nn_explain(model, &value, NULL, 1, NULL, scratch, &explanation, &err));
	ok(explanation.n_parts == 5 && explanation.part[0].is_read && !explanation.part[3].is_read && !explanation.part[4].is_read &&
	   explanation.part[4].weight == 0.0 && explanation.reading.n_used == 2 && adds_up(&explanation, 0.01),
	   "without a bag it is not read, which shows");

	series->spec.wide = NN_WIDE_NONE;
	series->spec.wide_inputs = series->spec.wide_hidden = series->flat_steps = 0;
	series->target_scale = 1.0;
	series->target_mean = 0.0;
	set_net(series, 5);
	must(nn_explain(series, &steps, NULL, 1, NULL, scratch, &explanation, &err));
	ok(explanation.n_parts == 40 && !explanation.part[5].is_read && explanation.part[6].is_read && adds_up(&explanation, 0.01),
	   "of a series the last steps are read");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
	nn_model_destroy(series);
}

static void
test_nothing(void)
{
	NnModel    *model = text_model(NN_CELL_LSTM, 1, true, NN_POOL_MAX | NN_POOL_ATTENTION);
	NnValue		values[3] = {text_value(""), text_value("cat"), text_value(" ")};
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnExplanation out[3];

	must(nn_explain(model, values, NULL, 3, NULL, scratch, out, &err));
	ok(out[0].n_parts == 0 && out[2].n_parts == 0 && out[0].score == out[0].baseline && out[0].gap == 0.0 && out[1].n_parts == 1,
	   "a text without words is explained by nothing");
	must(nn_explain(model, values, NULL, 0, NULL, scratch, out, &err));
	ok(true, "no texts at all");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

/* ---- tags ------------------------------------------------------------------------------------------------ */

static void
test_tags(void)
{
	NnModel    *model = file_case_model(FILE_CASE_TAG, &nn_env_malloc);
	NnValue		value = text_value("cat d\303\266g Thing th cat");
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnTaggedText tagged;
	NnExplanation all;
	NnExplanation explanation;
	double		score = 0.0;
	double		baseline = 0.0;
	int			n_bad = 0;

	must(nn_answer_tags(model, &value, 1, scratch, &tagged, NULL, NULL, &err));
	must(nn_explain(model, &value, NULL, 1, NULL, scratch, &all, &err));
	ok(all.n_parts == 5 && all.label == -1 && adds_up(&all, 0.01), "tags: the words add up");
	for (int t = 0; t < tagged.n_tokens; t++)
	{
		NnExplainOptions options = {.position = t + 1};

		must(nn_explain(model, &value, NULL, 1, &options, scratch, &explanation, &err));
		n_bad += explanation.label != tagged.token[t].tag || !adds_up(&explanation, 0.01);
		score += explanation.score;
		baseline += explanation.baseline;
	}
	ok(n_bad == 0 && fabs(score - all.score) < 1e-5 && fabs(baseline - all.baseline) < 1e-5,
	   "tags: the scores of the places are that of all");
	for (int32_t k = 0; k < model->spec.n_outputs; k++)
	{
		must(nn_explain(model, &value, &k, 1, NULL, scratch, &explanation, &err));
		score -= explanation.score;
	}
	is_near(score, 0.0, 1e-4, "tags: so are those of the tags");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

/* ---- drivers ------------------------------------------------------------------------------------------------ */

static void
test_drivers(void)
{
	NnExplainPart parts[3] = {{.bytes = "Cat", .n_bytes = 3, .is_read = true, .weight = 2.0},
	{.bytes = "dog", .n_bytes = 3, .is_read = true, .weight = 0.5}, {.bytes = "cat", .n_bytes = 3, .is_read = true, .weight = -0.5}};
	NnExplanation explanation = {.label = 1, .n_parts = 3, .part = parts};
	NnDrivers  *drivers;
	NnDriver	top[4];

	must(nn_drivers_create(&drivers, &nn_env_malloc, 2, (size_t) 1 << 20, &err));
	must(nn_drivers_add(drivers, &explanation, &err));
	explanation.n_parts = 2;
	must(nn_drivers_add(drivers, &explanation, &err));
	explanation.label = 0;
	explanation.n_parts = 1;
	must(nn_drivers_add(drivers, &explanation, &err));
	is_int(nn_drivers_top(drivers, 1, 1, 4, top), 2, "two words drive the label");
	ok(top[0].n_bytes == 3 && memcmp(top[0].bytes, "cat", 3) == 0 && top[0].n_texts == 2 && top[0].n_times == 3 &&
	   top[0].weight == 3.5 && memcmp(top[1].bytes, "dog", 3) == 0 && top[1].weight == 1.0, "the first one is cat, however it is written");
	is_int(nn_drivers_top(drivers, 1, 3, 4, top), 0, "none in three texts");
	is_int(nn_drivers_top(drivers, 1, 1, 1, top), 1, "the first alone");
	is_int(nn_drivers_top(drivers, 0, 1, 4, top), 1, "each label has its own");
	nn_drivers_destroy(drivers);
	must(nn_drivers_create(&drivers, &nn_env_malloc, 2, 0, &err));
	must(nn_drivers_add(drivers, &explanation, &err));
	is_int(nn_drivers_top(drivers, 0, 1, 4, top), 0, "without room nothing is counted");
	nn_drivers_destroy(drivers);
}

/* ---- failures ----------------------------------------------------------------------------------------------- */

static void
test_errors(void)
{
	NnModel    *text = text_model(NN_CELL_LSTM, 1, true, NN_POOL_MAX);
	NnModel    *tags = file_case_model(FILE_CASE_TAG, &nn_env_malloc);
	NnModel    *language = file_case_model(FILE_CASE_LANGUAGE, &nn_env_malloc);
	NnModel    *forecast = file_case_model(FILE_CASE_FORECAST, &nn_env_malloc);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue		value = text_value("cat dog");
	NnExplanation out;
	int32_t		label = 3;

	is_int(nn_explain(text, &value, &label, 1, NULL, scratch, &out, &err), NN_ERANGE, "a label that is none");
	label = -2;
	is_int(nn_explain(text, &value, &label, 1, NULL, scratch, &out, &err), NN_ERANGE, "... nor this");
	is_int(nn_explain(language, &value, NULL, 1, NULL, scratch, &out, &err), NN_EINVAL, "a model that writes");
	ok(err.hint[0] != '\0', "... with a hint");
	is_int(nn_explain(forecast, &value, NULL, 1, NULL, scratch, &out, &err), NN_EINVAL, "a forecast");
	is_int(nn_explain(text, &value, NULL, 1, &(NnExplainOptions) {.position = 1}, scratch, &out, &err), NN_EINVAL, "a label has no position");
	is_int(nn_explain(tags, &value, NULL, 1, &(NnExplainOptions) {.position = 3}, scratch, &out, &err), NN_ERANGE, "no such token");
	is_int(nn_explain(tags, &value, NULL, 1, &(NnExplainOptions) {.score = NN_EXPLAIN_MARGIN}, scratch, &out, &err), NN_EINVAL, "tags have no margin");
	is_int(nn_explain(text, &value, NULL, 1, &(NnExplainOptions) {.tolerance = -1.0}, scratch, &out, &err), NN_ERANGE, "no tolerance below 0");
	is_int(nn_explain(text, &value, NULL, 1, &(NnExplainOptions) {.limit_bytes = 5000}, scratch, &out, &err), NN_ELIMIT, "too little memory to read");
	is_int(nn_explain(text, &value, NULL, 1, &(NnExplainOptions) {.limit_bytes = 100000}, scratch, &out, &err), NN_ELIMIT, "... or to go the way");
	value = text_value("cat \377");
	is_int(nn_explain(text, &value, NULL, 1, NULL, scratch, &out, &err), NN_EENCODING, "no UTF-8");
	value.kind = NN_VALUE_NUMBERS;
	is_int(nn_explain(text, &value, NULL, 1, NULL, scratch, &out, &err), NN_EINVAL, "no text");

	/* a file may hold numbers that are finite and too large */
	value = text_value("cat dog");
	nn_net_find_tensor(text->net, "head.weight")->data[0] = 3e38f;
	nn_net_find_tensor(text->net, "head.weight")->data[1] = 3e38f;
	nn_net_find_tensor(text->net, "scale")->data[0] = 1e30f;
	nn_net_pack(text->net);
	label = 0;
	is_int(nn_explain(text, &value, &label, 1, NULL, scratch, &out, &err), NN_EFORMAT, "weights without an answer");
	nn_arena_destroy(scratch);
	nn_model_destroy(text);
	nn_model_destroy(tags);
	nn_model_destroy(language);
	nn_model_destroy(forecast);
}

/* One explanation with the host's faults. */
static NnStatus
try_once(TestHost *host, const NnModel *shape, FileCase which)
{
	static const float grid[8] = {0.5f, -1.0f, 2.0f, 0.25f, -0.5f, 1.5f, 1.0f, -2.0f};
	NnValue		value = which == FILE_CASE_SERIES ? (NnValue) {.kind = NN_VALUE_NUMBERS, .numbers = grid, .n_steps = 4, .n_channels = 2} :
	text_value("cat dog thing");
	NnModel		model = *shape;
	NnArena    *scratch = nn_arena_create(&host->env);
	NnExplanation out;
	NnStatus	status;

	if (scratch == NULL)
		return NN_ENOMEM;
	model.env = &host->env;
	status = nn_explain(&model, &value, NULL, 1, NULL, scratch, &out, &err);
	nn_arena_destroy(scratch);
	return status;
}

static void
test_failures(void)
{
	static const FileCase cases[] = {FILE_CASE_TEXT, FILE_CASE_SERIES, FILE_CASE_TAG};

	for (int i = 0; i < 3; i++)
	{
		NnModel    *model = file_case_model(cases[i], &nn_env_malloc);
		NnStatus	status = NN_ENOMEM;
		TestHost	host;
		int			n_wrong = 0;
		long		at;

		if (model->spec.task == NN_TASK_REGRESS)
		{
			model->target_scale = 1.0;
			model->target_mean = 0.0;
		}
		for (at = 1; at < 1000 && status != NN_OK; at++)
		{
			test_host_init(&host);
			host.fail_at = at;
			status = try_once(&host, model, cases[i]);
			n_wrong += (status != NN_OK && status != NN_ENOMEM) || host.n_live != 0;
		}
		ok(n_wrong == 0 && status == NN_OK && at > 2, "%s: every failed allocation is an error", file_case_names[cases[i]]);
		status = NN_ECANCELED;
		for (at = 1; at < 100000 && status != NN_OK; at += 1 + at / 8)
		{
			test_host_init(&host);
			host.cancel_at = at;
			status = try_once(&host, model, cases[i]);
			n_wrong += (status != NN_OK && status != NN_ECANCELED) || host.n_live != 0;
		}
		ok(n_wrong == 0 && status == NN_OK && at > 8, "%s: every poll can stop it", file_case_names[cases[i]]);
		nn_model_destroy(model);
	}
}

/* Others answer with the model meanwhile. */
static void
test_untouched(void)
{
	NnModel    *model = text_model(NN_CELL_GRU, 2, true, NN_POOL_ATTENTION | NN_POOL_MAX);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue		value = text_value("cat dog thing");
	uint64_t	before = 0;
	uint64_t	after = 0;
	NnExplanation out;

	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);

		before ^= nn_hash_bytes((const char *) tensor->data, (uint64_t) (tensor->n_rows * tensor->n_columns) * 4, (uint64_t) i);
	}
	must(nn_explain(model, &value, NULL, 1, NULL, scratch, &out, &err));
	for (int i = 0; i < nn_net_n_tensors(model->net); i++)
	{
		NnTensor   *tensor = nn_net_tensor(model->net, i);

		after ^= nn_hash_bytes((const char *) tensor->data, (uint64_t) (tensor->n_rows * tensor->n_columns) * 4, (uint64_t) i);
	}
	ok(before == after, "the model is as it was");
	nn_arena_destroy(scratch);
	nn_model_destroy(model);
}

int
main(void)
{
	test_sums();
	test_numbers();
	test_linear();
	test_margin();
	test_batches();
	test_slopes();
	test_parts();
	test_unread();
	test_nothing();
	test_tags();
	test_drivers();
	test_errors();
	test_failures();
	test_untouched();
	return done_testing();
}
