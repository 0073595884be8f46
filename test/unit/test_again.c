/*
 * test_again.c: a training that goes on from an earlier version (model/learn_again.c),
 * and what is kept for that.
 *
 * With a learning rate of next to nothing the new version ends as it began, so what
 * was taken over can be read in its tensors.
 */
#include "task_case.h"

#include <math.h>
#include <stdlib.h>
#include "net_case.h"
#include "tap.h"

static NnError err;

static const char *const things[] = {"cat", "dog", "bird", "fish", "horse", "mouse"};
static const char *const places[] = {"house", "garden", "river", "street", "wood"};

/* Labels a and b, or with more also c; later rows have words of their own. */
static TaskRow *
make_rows(int n, int n_labels, const char *word)
{
	static const char *const labels[] = {"a", "b", "c"};
	static const char *const sign[] = {"likes", "fears", "knows"};
	TaskRow    *rows = net_case_alloc((size_t) n, sizeof(TaskRow));

	for (int i = 0; i < n; i++)
		rows[i] = (TaskRow)
	{
		.input = task_text(task_print("the %s %s %s the %s %d", things[i % 6], sign[i % n_labels], word,
									  places[i % 5], i % 50)),
			.label = labels[i % n_labels]
	};
	return rows;
}

static NnOptions
options_with_rate(double rate, int epochs)
{
	NnOptions	options = task_options();

	options.epochs = epochs;
	options.batch = 8;
	options.hidden = 8;
	options.embedding = 12;
	options.rate = options.rate_embedding = options.rate_bag = rate;
	options.weight_decay = 0.0;
	options.validation = 0.1;
	return options;
}

static NnLearner *
learn_again(const NnOptions *options, NnTask task, const NnModel *former, const NnSplit *split, bool is_kept,
			const TaskRow *rows, int n, const NnEnv *env, NnStatus *status)
{
	NnLearner  *learner;
	NnPlan		result;
	const NnLearnReport *report;

	*status = nn_learner_create(&learner, task, rows[0].input.kind, options, 0, env, &err);
	if (*status != NN_OK)
		return NULL;
	if (former != NULL)
		*status = nn_learner_go_on(learner, former, split, &err);
	if (is_kept)
		nn_learner_keep_measured(learner);
	for (int i = 0; *status == NN_OK && i < n; i++)
	{
		NnTarget	target = {rows[i].label, rows[i].label != NULL ? strlen(rows[i].label) : 0, 0.0, &rows[i].target};

		*status = nn_learner_add(learner, &rows[i].input, &target, &err);
	}
	if (*status == NN_OK)
		*status = nn_learner_plan(learner, &result, &err);
	if (*status == NN_OK)
		*status = nn_learner_train(learner, &report, &err);
	if (*status == NN_OK)
		return learner;
	nn_learner_destroy(learner);
	return NULL;
}

static NnLearner *
learn(const NnOptions *options, NnTask task, const NnLearner *former, const TaskRow *rows, int n)
{
	NnStatus	status;
	NnLearner  *learner = learn_again(options, task, former != NULL ? nn_learner_model((NnLearner *) former) : NULL,
									  former != NULL ? nn_learner_split(former) : NULL, false, rows, n,
									  &nn_env_malloc, &status);

	if (learner == NULL)
	{
		diag("no model: %s %s", err.message, err.detail);
		exit(1);
	}
	return learner;
}

static const NnTensor *
tensor_of(const NnModel *model, const char *name)
{
	return nn_net_find_tensor(model->net, name);
}

static bool
same_row(const NnTensor *a, int row, const NnTensor *b, int other)
{
	for (int c = 0; c < a->n_columns; c++)
		if (fabsf(a->data[row * a->n_columns + c] - b->data[other * b->n_columns + c]) > 1e-4f)
			return false;
	return true;
}

static bool
same_tensor(const NnModel *a, const NnModel *b, const char *name)
{
	const NnTensor *x = tensor_of(a, name);
	const NnTensor *y = tensor_of(b, name);

	for (int r = 0; r < x->n_rows; r++)
		if (!same_row(x, r, y, r))
			return false;
	return x->n_rows == y->n_rows;
}

static bool
same_word(const NnModel *a, const NnModel *b, const char *word)
{
	int			n = (int) strlen(word);
	int			x = nn_vocabulary_find(a->vocabulary, word, n);
	int			y = nn_vocabulary_find(b->vocabulary, word, n);

	return x >= 0 && y >= 0 && x != y && same_row(tensor_of(a, "embedding.weight"), x, tensor_of(b, "embedding.weight"), y);
}

/* Rows of the bag's table that both know, and how many of them are the same. */
static void
count_features(const NnModel *a, const NnModel *b, int *n_common, int *n_same)
{
	*n_common = *n_same = 0;
	for (int r = 0; r < (int) nn_feature_index_n(a->features); r++)
	{
		int32_t		other = nn_feature_index_find(b->features, nn_feature_index_keys(a->features)[r]);

		*n_common += other >= 0;
		*n_same += other >= 0 && same_row(tensor_of(a, "bag.weight"), r, tensor_of(b, "bag.weight"), other);
	}
}

/* ---- labels ------------------------------------------------------------------------------ */

static void
test_labels(void)
{
	NnOptions	fast = options_with_rate(0.01, 4);
	NnOptions	still = options_with_rate(1e-9, 1);
	TaskRow    *old_rows = make_rows(120, 2, "well");
	TaskRow    *new_rows = make_rows(240, 3, "zebra");
	NnLearner  *first = learn(&fast, NN_TASK_CLASSIFY, NULL, old_rows, 120);
	NnLearner  *second = learn(&still, NN_TASK_CLASSIFY, first, new_rows, 240);
	const NnModel *old = nn_learner_model(first);
	const NnModel *model = nn_learner_model(second);
	NnLearner  *third;
	int			n_common;
	int			n_same;

	is_int(model->spec.n_outputs, 3, "a new label extends the head");
	ok(same_row(tensor_of(model, "head.weight"), 0, tensor_of(old, "head.weight"), 0) &&
	   same_row(tensor_of(model, "head.weight"), 1, tensor_of(old, "head.weight"), 1), "old labels keep their rows of it");
	ok(same_row(tensor_of(model, "wide_head.weight"), 0, tensor_of(old, "wide_head.weight"), 0) &&
	   fabsf(tensor_of(model, "wide_head.bias")->data[1] - tensor_of(old, "wide_head.bias")->data[1]) < 1e-4f,
	   "in the bag's head too");
	ok(same_tensor(model, old, "rnn.weight_ih_l0") && same_tensor(model, old, "rnn.bias_hh_l0_reverse"), "layers stay");
	ok(same_word(model, old, "garden"), "a word keeps its vector, at another place");
	ok(nn_vocabulary_find(model->vocabulary, "zebra", 5) >= 0 && nn_vocabulary_find(old->vocabulary, "zebra", 5) < 0,
	   "new words are known");
	ok(nn_vocabulary_find(model->vocabulary, "well", 4) < 0, "words that are gone are not");
	count_features(model, old, &n_common, &n_same);
	ok(n_common > 100 && n_same == n_common && nn_feature_index_n(model->features) > n_common,
	   "all of %d common features of the bag keep their numbers", n_common);

	/* b and c alone: a has vanished */
	for (int i = 0; i < 240; i++)
		if (new_rows[i].label[0] == 'a')
			new_rows[i].label = "b";
	third = learn(&still, NN_TASK_CLASSIFY, second, new_rows, 240);
	ok(nn_learner_model(third)->spec.n_outputs == 2 &&
	   same_row(tensor_of(nn_learner_model(third), "head.weight"), 1, tensor_of(model, "head.weight"), 2),
	   "where a label has vanished, the others are still found");
	nn_learner_destroy(third);
	nn_learner_destroy(second);
	nn_learner_destroy(first);
}

/* ---- tags and texts ------------------------------------------------------------------------ */

static void
test_tags(void)
{
	NnOptions	fast = options_with_rate(0.01, 3);
	NnOptions	still = options_with_rate(1e-9, 1);
	TaskRow		rows[60];
	NnLearner  *first;
	NnLearner  *second;
	const NnTensor *from;
	const NnTensor *to;

	for (int i = 0; i < 60; i++)
		rows[i] = (TaskRow)
	{
		.input = task_words(i % 2 ? "the cat saw Paris" : "Rome saw a dog"),
			.target = task_words(i % 2 ? "O O O B-X" : "B-X O O O")
	};
	first = learn(&fast, NN_TASK_TAG, NULL, rows, 60);
	for (int i = 0; i < 30; i++)
		rows[i].target = task_words(i % 2 ? "O B-A O B-X" : "B-X O O B-A");
	second = learn(&still, NN_TASK_TAG, first, rows, 60);
	from = tensor_of(nn_learner_model(first), "crf.transitions");
	to = tensor_of(nn_learner_model(second), "crf.transitions");
	/* B-X, O became B-A, B-X, O */
	ok(to->n_rows == 3 && fabsf(to->data[1 * 3 + 2] - from->data[0 * 2 + 1]) < 1e-4f &&
	   fabsf(to->data[2 * 3 + 1] - from->data[1 * 2 + 0]) < 1e-4f, "what follows what stays with the tags");
	ok(same_tensor(nn_learner_model(second), nn_learner_model(first), "spelling.weight"), "spelling stays");
	nn_learner_destroy(second);
	nn_learner_destroy(first);
}

static void
test_translations(void)
{
	NnOptions	fast = options_with_rate(0.01, 2);
	NnOptions	still = options_with_rate(1e-9, 1);
	TaskRow		rows[60];
	NnLearner  *first;
	NnLearner  *second;

	for (int i = 0; i < 60; i++)
		rows[i] = (TaskRow)
	{
		.input = task_text(task_print("the %s in the %s", things[i % 6], places[i % 5])),
			.target = task_text(task_print("%s %s", places[i % 5], things[i % 6]))
	};
	first = learn(&fast, NN_TASK_TRANSLATE, NULL, rows, 60);
	second = learn(&still, NN_TASK_TRANSLATE, first, rows, 60);
	ok(same_tensor(nn_learner_model(second), nn_learner_model(first), "embedding.weight") &&
	   same_tensor(nn_learner_model(second), nn_learner_model(first), "output.bias") &&
	   same_tensor(nn_learner_model(second), nn_learner_model(first), "decoder.weight_hh_l0") &&
	   same_tensor(nn_learner_model(second), nn_learner_model(first), "attention.weight"),
	   "of the same rows a translation goes on as it was, pieces of words included");
	nn_learner_destroy(second);
	nn_learner_destroy(first);
}

/* ---- what is kept of the first training -------------------------------------------------------- */

static uint64_t
hash_of_file(const NnArray *file)
{
	return nn_hash_bytes(file->data, file->n, 0);
}

static void
test_measured(void)
{
	NnOptions	options = options_with_rate(0.01, 2);
	TaskRow    *rows = make_rows(120, 2, "well");
	NnStatus	status;
	NnLearner  *once = learn(&options, NN_TASK_CLASSIFY, NULL, rows, 120);
	NnLearner  *twice;
	NnArray		file;

	nn_array_init(&file, &nn_env_malloc, 1);
	options.refit = 1;
	twice = learn_again(&options, NN_TASK_CLASSIFY, NULL, NULL, true, rows, 120, &nn_env_malloc, &status);
	ok(twice != NULL && nn_learner_write(once, &file, &err) == NN_OK && file.n == nn_learner_measured(twice)->n &&
	   hash_of_file(&file) == hash_of_file(nn_learner_measured(twice)),
	   "what is kept of a training with refit is the model of one without");
	ok(task_file_hash(twice) != hash_of_file(&file), "which the refit's is not");
	is_int(nn_learner_measured(once)->n, 0, "without a refit nothing need be kept");
	nn_array_free(&file);
	nn_learner_destroy(twice);
	nn_learner_destroy(once);
}

static void
test_baseline(void)
{
	NnOptions	options = options_with_rate(0.01, 1);
	TaskRow		rows[40];
	const NnLearnReport *report;
	NnLearner  *learner;

	/* 4 words a row: two common, one in three rows of 40, one in this row alone */
	for (int i = 0; i < 40; i++)
		rows[i] = (TaskRow)
	{
		.input = task_text(task_print("here stands triple%c once%c%c", 'a' + i / 3, 'a' + i / 20, 'a' + i % 20)),
			.label = i % 2 ? "a" : "b"
	};
	options.min_rows = 3;
	options.subwords = 0;
	learner = task_learn(NN_TASK_CLASSIFY, &options, NULL, rows, 40, &report);
	is_int(report->baseline.n, 40, "all rows");
	ok(report->baseline.n_tokens == 160 && report->baseline.n_words == 160, "all words");
	is_int(report->baseline.length[nn_length_bin(4)], 40, "all of one length");
	/* a word of three rows would be in two without the row at hand */
	is_int(report->baseline.n_unknown, 80, "words are known that would be without their row");
	nn_learner_destroy(learner);
}

/* ---- hard times ---------------------------------------------------------------------------------- */

static void
test_failures(void)
{
	NnOptions	options = options_with_rate(0.01, 1);
	TaskRow    *rows = make_rows(40, 2, "well");
	NnLearner  *first = learn(&options, NN_TASK_CLASSIFY, NULL, rows, 40);
	TestHost	host;
	NnStatus	status;
	int			n_failed = 0;
	int			n_stopped = 0;
	bool		is_clean = true;

	options.refit = 1;
	for (long at = 1; at < 4000; at += 1 + at / 8)
	{
		NnLearner  *learner;

		test_host_init(&host);
		host.fail_at = at;
		learner = learn_again(&options, NN_TASK_CLASSIFY, nn_learner_model(first), nn_learner_split(first), true,
							  rows, 40, &host.env, &status);
		n_failed += status == NN_ENOMEM;
		nn_learner_destroy(learner);
		is_clean = is_clean && host.n_blocks == 0 && (status == NN_OK || status == NN_ENOMEM);
		test_host_init(&host);
		host.cancel_at = at;
		learner = learn_again(&options, NN_TASK_CLASSIFY, nn_learner_model(first), nn_learner_split(first), true,
							  rows, 40, &host.env, &status);
		n_stopped += status == NN_ECANCELED;
		nn_learner_destroy(learner);
		is_clean = is_clean && host.n_blocks == 0 && (status == NN_OK || status == NN_ECANCELED);
	}
	ok(n_failed > 10 && n_stopped > 10 && is_clean, "without memory, and stopped (%d, %d), nothing is left", n_failed, n_stopped);
	nn_learner_destroy(first);
}

static void
test_mismatch(void)
{
	NnOptions	options = options_with_rate(0.01, 1);
	TaskRow    *rows = make_rows(40, 2, "well");
	NnLearner  *first = learn(&options, NN_TASK_CLASSIFY, NULL, rows, 40);
	NnLearner  *other;

	nn_learner_create(&other, NN_TASK_REGRESS, NN_VALUE_TEXT, &options, 0, &nn_env_malloc, &err);
	ok(nn_learner_go_on(other, nn_learner_model(first), NULL, &err) == NN_EINVAL, "another task");
	nn_learner_destroy(other);

	/* another cell and another width: nothing fits, and nothing breaks */
	options.cell = (int) NN_CELL_GRU;
	options.hidden = 5;
	options.embedding = 7;
	other = learn(&options, NN_TASK_CLASSIFY, first, rows, 40);
	is_int(nn_learner_model(other)->spec.hidden, 5, "what was asked for goes first");
	nn_learner_destroy(other);
	nn_learner_destroy(first);
}

int
main(void)
{
	test_labels();
	test_tags();
	test_translations();
	test_measured();
	test_baseline();
	test_failures();
	test_mismatch();
	task_free_values();
	return done_testing();
}
