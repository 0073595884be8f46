/*
 * model/learn_plan.c: from rows to examples.
 *
 * Rows are put in the order of their hashes first: whatever order the host read
 * them in, the same rows give the same plan, the same batches and so the same
 * weights.  A row is held out if its input's hash falls under the share asked
 * for; so equal inputs are on one side, and a row that was held out once stays so
 * when the table grows.  A label all of whose rows would be held out gives them
 * back to training.
 */
#include "model/learn_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

/* At most so many rows are held out: the standard error of an accuracy is then under 0.7 points. */
#define MAX_HELD_OUT	5000

/* ---- order and split -------------------------------------------------------------- */

/* Heapsort of row numbers by (input hash, target hash): qsort has no context, and equal rows need no order. */
static bool
is_before(const NnLearner *learner, int32_t a, int32_t b)
{
	const NnRow *x = nn_learner_row(learner, a);
	const NnRow *y = nn_learner_row(learner, b);

	if (x->input_hash != y->input_hash)
		return x->input_hash < y->input_hash;
	return x->target_hash < y->target_hash;
}

static void
sift_down(const NnLearner *learner, int32_t *heap, int64_t at, int64_t n)
{
	for (;;)
	{
		int64_t		child = 2 * at + 1;
		int32_t		item = heap[at];

		if (child >= n)
			return;
		if (child + 1 < n && is_before(learner, heap[child], heap[child + 1]))
			child++;
		if (!is_before(learner, item, heap[child]))
			return;
		heap[at] = heap[child];
		heap[child] = item;
		at = child;
	}
}

static NnStatus
sort_rows(NnLearner *learner, NnError *err)
{
	int64_t		n = (int64_t) learner->rows.n;
	int32_t    *sorted = learner->env->alloc(learner->env->ctx, (size_t) n * sizeof(int32_t));

	if (sorted == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	learner->sorted = sorted;
	learner->n_sorted = n;
	for (int64_t i = 0; i < n; i++)
		sorted[i] = (int32_t) i;
	for (int64_t i = n / 2 - 1; i >= 0; i--)
		sift_down(learner, sorted, i, n);
	for (int64_t end = n - 1; end > 0; end--)
	{
		int32_t		item = sorted[0];

		sorted[0] = sorted[end];
		sorted[end] = item;
		sift_down(learner, sorted, 0, end);
	}
	return NN_OK;
}

/* The share of rows to hold out. */
static double
held_out_share(const NnLearner *learner)
{
	double		n = (double) learner->rows.n;
	double		share = learner->options.validation;

	return (share * n > MAX_HELD_OUT) ? MAX_HELD_OUT / n : share;
}

bool
nn_row_falls_under(const NnRow *row, double share)
{
	return (double) (nn_mix64(row->input_hash) >> 11) * 0x1.0p-53 < share;
}

/* Mark in is_label_kept which labels have a row outside the held-out part. */
static void
find_kept_labels(const NnLearner *learner, double share, bool *is_label_kept)
{
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		if (!nn_row_falls_under(nn_learner_row(learner, i), share))
			is_label_kept[nn_learner_row(learner, i)->label] = true;
}

/* ---- labels -------------------------------------------------------------------------- */

static int
compare_labels(const NnLexicon *lexicon, int32_t a, int32_t b)
{
	uint32_t	n_a = nn_lexicon_get(lexicon, a)->n_bytes;
	uint32_t	n_b = nn_lexicon_get(lexicon, b)->n_bytes;
	int			order = memcmp(nn_lexicon_bytes(lexicon, a), nn_lexicon_bytes(lexicon, b),
							   n_a < n_b ? n_a : n_b);

	return order != 0 ? order : (n_a > n_b) - (n_a < n_b);
}

/* Labels in byte order: names into the model, ranks into label_rank.  Shell sort: there are few. */
static NnStatus
rank_labels(NnLearner *learner, NnError *err)
{
	const NnLexicon *lexicon = learner->label_lexicon;
	int			C = nn_lexicon_n(lexicon);
	NnArena    *arena = learner->model->arena;
	int32_t    *order = NN_ALLOC(arena, int32_t, (size_t) C);

	learner->label_rank = learner->env->alloc(learner->env->ctx, (size_t) C * sizeof(int32_t));
	learner->model->labels = NN_ALLOC(arena, char *, (size_t) C);
	if (order == NULL || learner->label_rank == NULL || learner->model->labels == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int c = 0; c < C; c++)
		order[c] = c;
	for (int gap = C / 2; gap > 0; gap /= 2)
		for (int i = gap; i < C; i++)
			for (int j = i; j >= gap && compare_labels(lexicon, order[j - gap], order[j]) > 0; j -= gap)
			{
				int32_t		item = order[j];

				order[j] = order[j - gap];
				order[j - gap] = item;
			}
	for (int c = 0; c < C; c++)
	{
		learner->label_rank[order[c]] = c;
		learner->model->labels[c] = nn_arena_copy(arena, nn_lexicon_bytes(lexicon, order[c]),
												  nn_lexicon_get(lexicon, order[c])->n_bytes);
		if (learner->model->labels[c] == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	return NN_OK;
}

static NnStatus
check_rows(const NnLearner *learner, NnError *err)
{
	if (learner->rows.n == 0)
	{
		nn_fail(err, NN_EDATA, "no rows to learn from");
		return nn_fail_hint(err, "Rows whose input or target is null do not count.");
	}
	if (learner->task == NN_TASK_CLASSIFY)
	{
		int			C = nn_lexicon_n(learner->label_lexicon);

		if (C < 2)
		{
			nn_fail(err, NN_EDATA, "all rows have the same label");
			nn_fail_detail(err, "All %zu rows are labeled \"%.*s\".", learner->rows.n,
						   (int) nn_lexicon_get(learner->label_lexicon, 0)->n_bytes,
						   nn_lexicon_bytes(learner->label_lexicon, 0));
			return nn_fail_hint(err, "At least two labels with two rows each are needed.");
		}
		for (int c = 0; c < C; c++)
			if (nn_lexicon_get(learner->label_lexicon, c)->n_tokens >= 2)
				return NN_OK;
		nn_fail(err, NN_EDATA, "every label has only one row");
		nn_fail_detail(err, "There are %d labels in %zu rows.", C, learner->rows.n);
		return nn_fail_hint(err, "Is the target column the right one? At least two rows of a label are needed to learn it.");
	}
	if (learner->rows.n < 2)
	{
		nn_fail(err, NN_EDATA, "too few rows to learn from");
		return nn_fail_detail(err, "There is one row; at least two are needed.");
	}
	return NN_OK;
}

/* ---- standardization ------------------------------------------------------------------ */

/*
 * Mean and 1 / deviation of each channel over all rows, in hash order like
 * everything else: sums in another order could differ in the last bit.
 */
static NnStatus
standardize_input(NnLearner *learner, NnError *err)
{
	NnModel    *model = learner->model;
	int			E = model->n_channels;
	double		n = (double) learner->floats.n / E;

	model->input_mean = NN_ALLOC(model->arena, float, (size_t) E);
	model->input_scale = NN_ALLOC(model->arena, float, (size_t) E);
	if (model->input_mean == NULL || model->input_scale == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int e = 0; e < E; e++)
	{
		double		sum = 0.0;
		double		squares = 0.0;
		double		mean;

		for (int64_t i = 0; i < learner->n_sorted; i++)
		{
			const NnRow *row = nn_learner_row(learner, learner->sorted[i]);
			const float *x = (const float *) learner->floats.data + row->start;

			for (int64_t j = e; j < (int64_t) row->n * learner->n_channels; j += E)
				sum += (double) x[j];
		}
		mean = sum / n;
		for (int64_t i = 0; i < learner->n_sorted; i++)
		{
			const NnRow *row = nn_learner_row(learner, learner->sorted[i]);
			const float *x = (const float *) learner->floats.data + row->start;

			for (int64_t j = e; j < (int64_t) row->n * learner->n_channels; j += E)
				squares += ((double) x[j] - mean) * ((double) x[j] - mean);
		}
		squares = sqrt(squares / n);
		model->input_mean[e] = (float) mean;
		/* a channel that never changes says nothing */
		model->input_scale[e] = (squares > 1e-12 && isfinite(squares)) ? (float) (1.0 / squares) : 1.0f;
	}
	return NN_OK;
}

static void
standardize_target(NnLearner *learner)
{
	double		n = (double) learner->rows.n;
	double		mean = 0.0;
	double		squares = 0.0;

	for (int64_t i = 0; i < learner->n_sorted; i++)
		mean += nn_learner_row(learner, learner->sorted[i])->number / n;
	for (int64_t i = 0; i < learner->n_sorted; i++)
	{
		double		d = nn_learner_row(learner, learner->sorted[i])->number - mean;

		squares += d * d / n;
	}
	learner->model->target_mean = mean;
	learner->model->target_scale = (squares > 0.0 && isfinite(squares)) ? sqrt(squares) : 1.0;
}

/* ---- the plan ------------------------------------------------------------------------------------ */

static NnInputKind
input_kind(const NnLearner *learner)
{
	if (learner->kind != NN_VALUE_NUMBERS)
		return NN_INPUT_TEXT;
	return learner->options.input == (int) NN_INPUT_VECTOR ? NN_INPUT_VECTOR : NN_INPUT_SERIES;
}

static NnStatus
check_input_option(NnLearner *learner, NnError *err)
{
	int			asked = learner->options.input;

	if (asked >= 0 && (asked == (int) NN_INPUT_TEXT) != (learner->kind != NN_VALUE_NUMBERS))
	{
		nn_fail(err, NN_EINVAL, "option \"input\" is \"%s\", but the input column holds %s",
				nn_input_name((NnInputKind) asked),
				learner->kind == NN_VALUE_NUMBERS ? "arrays of numbers" : "text");
		return nn_fail_hint(err, "Leave option \"input\" away: the column's type tells.");
	}
	if (asked == (int) NN_INPUT_VECTOR && (!learner->is_one_length || learner->n_channels != 1))
	{
		nn_fail(err, NN_EINVAL, "vectors must be one-dimensional arrays of one length");
		return nn_fail_hint(err, "Leave option \"input\" away to read the arrays as series.");
	}
	if (learner->kind == NN_VALUE_NUMBERS && learner->options.bag == 1 && !learner->is_one_length)
	{
		nn_fail(err, NN_EINVAL, "option \"bag\" needs input arrays of one length");
		nn_fail_detail(err, "For numbers it means a dense layer over the whole input; the longest array has %d steps, others fewer.",
					   learner->longest);
		return nn_fail_hint(err, "Leave option \"bag\" away.");
	}
	if (learner->vector_word.n > 0 && learner->options.embedding >= 0 &&
		learner->options.embedding != learner->vector_width)
	{
		nn_fail(err, NN_EINVAL, "option \"embedding\" is %d, but the word vectors have %d numbers",
				learner->options.embedding, learner->vector_width);
		return nn_fail_hint(err, "Leave option \"embedding\" away.");
	}
	return NN_OK;
}

/* The share of all words in the rows that are too rare to be in a vocabulary. */
static double
rare_share(const NnLearner *learner)
{
	int64_t		n_rare = 0;
	int32_t		n_words = learner->kind != NN_VALUE_NUMBERS ? nn_lexicon_n(learner->lexicon) : 0;

	for (int32_t w = 0; w < n_words; w++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(learner->lexicon, w);

		if (lexeme->n_rows < learner->options.min_rows)
			n_rare += lexeme->n_tokens;
	}
	return learner->words.n > 0 ? (double) n_rare / (double) learner->words.n : 0.0;
}

/* Resolve the options and fill the spec's network part. */
static void
choose_spec(NnLearner *learner, int64_t n_train)
{
	NnModel    *model = learner->model;
	NnOptions  *options = &learner->options;
	NnSpec	   *spec = &model->spec;
	NnDataShape shape = {0};
	bool		is_vector = input_kind(learner) == NN_INPUT_VECTOR;

	shape.task = learner->task;
	shape.input = input_kind(learner);
	shape.n_rows = n_train;
	shape.n_tokens = (int64_t) learner->words.n;
	shape.rare_share = rare_share(learner);
	shape.n_outputs = learner->task == NN_TASK_CLASSIFY ? nn_lexicon_n(learner->label_lexicon) : 1;
	shape.n_channels = is_vector ? learner->n_steps : learner->n_channels;
	shape.n_steps = is_vector ? 1 : learner->longest;
	shape.is_one_length = learner->is_one_length;
	shape.has_vectors = learner->vector_word.n > 0;
	shape.vector_width = learner->vector_width;
	if (shape.has_vectors)
		options->embedding = learner->vector_width;
	nn_recipe_resolve(options, &shape);

	spec->task = shape.task;
	spec->input = shape.input;
	spec->n_outputs = shape.n_outputs;
	spec->cell = (NnCell) options->cell;
	if (spec->cell != NN_CELL_NONE)
	{
		spec->n_layers = options->layers;
		spec->hidden = options->hidden;
		spec->is_bidirectional = options->bidirectional == 1;
		spec->pool = (unsigned) options->pool;
		spec->embedding = options->embedding;
	}
	if (spec->input != NN_INPUT_TEXT)
		spec->embedding = shape.n_channels;
	model->max_tokens = options->max_tokens;
	model->n_channels = shape.input == NN_INPUT_TEXT ? 0 : shape.n_channels;
	model->has_ngrams = options->char_ngrams == 1;
	if (options->bag == 1)
	{
		spec->wide = shape.input == NN_INPUT_TEXT ? NN_WIDE_BAG : NN_WIDE_FLAT;
		spec->wide_hidden = options->bag_hidden;
		spec->wide_inputs = shape.n_steps * shape.n_channels;
		model->flat_steps = shape.input == NN_INPUT_TEXT ? 0 : shape.n_steps;
	}
}

static void
forget_features(NnLearner *learner)
{
	nn_feature_index_destroy(learner->model->features);
	learner->model->features = NULL;
	nn_array_free(&learner->uses);
	nn_array_free(&learner->piece);
	nn_array_free(&learner->ngram);
}

/* Vocabulary and feature index of a text model. */
static NnStatus
learn_text(NnLearner *learner, double share, const bool *is_label_kept, NnError *err)
{
	NnModel    *model = learner->model;
	NnOptions  *options = &learner->options;

	/* a refit comes here again: the vocabulary is that of all rows already */
	forget_features(learner);
	if (model->spec.cell != NN_CELL_NONE && model->vocabulary == NULL)
	{
		NnVocabularyOptions vocabulary = {options->vocabulary, options->subwords, options->min_rows};

		NN_TRY(nn_vocabulary_learn(&model->vocabulary, learner->lexicon, &vocabulary, learner->env, err));
	}
	if (model->vocabulary != NULL)
		model->spec.vocabulary = nn_vocabulary_n(model->vocabulary);
	if (model->spec.wide == NN_WIDE_BAG)
	{
		NN_TRY(nn_learner_count_features(learner, share, is_label_kept, err));
		if (nn_feature_index_learn(&model->features, learner->counter, 1, options->bag_features, learner->env) != NN_OK)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		nn_feature_counter_destroy(learner->counter);
		learner->counter = NULL;
		model->spec.wide_inputs = (int) nn_feature_index_n(model->features);
		if (model->spec.wide_inputs == 0)
		{
			/* no text has a word: answer from the recurrent branch's biases */
			nn_feature_index_destroy(model->features);
			model->features = NULL;
			model->spec.wide = NN_WIDE_NONE;
			model->spec.wide_hidden = 0;
		}
	}
	if (model->spec.wide == NN_WIDE_NONE && model->spec.cell == NN_CELL_NONE)
	{
		nn_fail(err, NN_EDATA, "the network has no part left to learn with");
		return nn_fail_hint(err, "Leave option \"cell\" or option \"bag\" away, or look whether the input column holds any words.");
	}
	return nn_learner_use_words(learner, err);
}

/* FLOP/s of a recurrent product on this machine, now: the best of a few short turns, about 5 ms. */
static double
measure_rate(const NnLearner *learner)
{
	const int	M = 32;
	const int	N = 512;
	const int	K = 128;
	const int	n_products = 50;
	const NnEnv *env = learner->env;
	NnArena    *arena = nn_arena_create(env);
	float	   *a = arena == NULL ? NULL : NN_ALLOC(arena, float, (size_t) (M * K));
	float	   *w = arena == NULL ? NULL : NN_ALLOC(arena, float, nn_pack_floats(K, N));
	float	   *c = arena == NULL ? NULL : NN_ALLOC(arena, float, (size_t) (M * N));
	double		best = 1.0;

	for (int turn = 0; turn < 5 && a != NULL && w != NULL && c != NULL; turn++)
	{
		double		start = env->now(env->ctx);
		double		seconds;

		for (int i = 0; i < n_products; i++)
			nn_gemm_packed(M, N, K, a, K, w, c, N, true);
		seconds = env->now(env->ctx) - start;
		if (seconds > 0.0 && 2.0 * M * N * K * n_products / seconds > best)
			best = 2.0 * M * N * K * n_products / seconds;
	}
	nn_arena_destroy(arena);
	return best;
}

/*
 * FLOPs of all epochs over a rate measured on the spot.  A whole training step runs at about
 * half the rate of its products; a row of the bag's table costs about 1 ns a number (both
 * measured with bench/train and bench/learn).
 */
static double
estimate_seconds(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	const NnExamples *examples = &learner->train.examples;
	double		directions = spec->is_bidirectional ? 2.0 : 1.0;
	double		H = spec->hidden;
	double		tokens = 0.0;
	double		flops = 0.0;
	double		features = (double) learner->train.bag_row.n;

	if (examples->n == 0)
		return 0.0;
	tokens = examples->token_start != NULL ? (double) examples->token_start[examples->n] :
		(double) examples->step_start[examples->n];
	if (spec->cell != NN_CELL_NONE)
		for (int k = 0; k < spec->n_layers; k++)
		{
			double		n_in = k == 0 ? spec->embedding : directions * H;

			flops += 6.0 * directions * nn_cell_gates(spec->cell) * H * (n_in + H) * tokens;
		}
	return learner->options.epochs * (flops / (0.5 * measure_rate(learner)) +
									  features * spec->wide_hidden * 1e-9 +
									  (double) examples->n * spec->n_outputs * 1e-8);
}

static size_t
net_bytes(const NnLearner *learner, const NnTrainOptions *train)
{
	return nn_size_add(nn_net_bytes(&learner->model->spec, true),
					   nn_train_bytes(&learner->model->spec, &learner->train.examples, train));
}

static void
fill_plan(NnLearner *learner)
{
	NnPlan	   *plan = &learner->plan;
	const NnSpec *spec = &learner->model->spec;
	NnTrainOptions train;

	nn_recipe_train_options(&learner->options, &train);
	plan->spec = *spec;
	plan->n_rows = (int64_t) learner->rows.n;
	plan->n_train = learner->train.examples.n;
	plan->n_valid = learner->valid.examples.n;
	plan->n_tokens = learner->kind == NN_VALUE_NUMBERS ?
		(int64_t) learner->floats.n / learner->model->n_channels : (int64_t) learner->words.n;
	plan->n_words = nn_lexicon_n(learner->lexicon);
	plan->n_parameters = nn_spec_n_numbers(spec);
	plan->n_features = spec->wide == NN_WIDE_BAG ? spec->wide_inputs : 0;
	plan->peak_bytes = nn_size_add(nn_learner_bytes(learner), net_bytes(learner, &train));
	plan->n_epochs = learner->options.epochs;
	plan->batch = learner->options.batch;
	plan->seconds = estimate_seconds(learner);
	if (learner->options.refit == 1 && plan->n_valid > 0)
		plan->seconds *= 2.0;	/* trained once more, on a little more */
}

static NnStatus
make_parts(NnLearner *learner, double share, bool *is_label_kept, NnError *err)
{
	int64_t		n_train = 0;

	if (learner->task == NN_TASK_CLASSIFY)
		find_kept_labels(learner, share, is_label_kept);
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		n_train += !nn_row_falls_under(nn_learner_row(learner, i), share);
	choose_spec(learner, n_train);
	if (learner->kind == NN_VALUE_NUMBERS)
		NN_TRY(standardize_input(learner, err));
	else
		NN_TRY(learn_text(learner, share, is_label_kept, err));
	NN_TRY(nn_spec_check(&learner->model->spec, err));
	return nn_learner_fill_parts(learner, share, is_label_kept, err);
}

NnStatus
nn_learner_make_parts(NnLearner *learner, bool is_all_training, NnError *err)
{
	int			C = nn_lexicon_n(learner->label_lexicon);
	double		share = is_all_training ? 0.0 : held_out_share(learner);
	bool	   *is_label_kept = learner->env->alloc(learner->env->ctx, (size_t) C + 1);
	NnStatus	status;

	if (is_label_kept == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = make_parts(learner, share, is_label_kept, err);
	learner->env->release(learner->env->ctx, is_label_kept);
	return status;
}

/* A few different inputs, repeated, may all fall under the share; then nothing is held out. */
static bool
is_all_held_out(const NnLearner *learner)
{
	double		share = held_out_share(learner);

	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		if (!nn_row_falls_under(nn_learner_row(learner, i), share))
			return false;
	return true;
}

NnStatus
nn_learner_plan(NnLearner *learner, NnPlan *plan, NnError *err)
{
	NN_TRY(check_rows(learner, err));
	NN_TRY(check_input_option(learner, err));
	NN_TRY(sort_rows(learner, err));
	if (learner->task == NN_TASK_CLASSIFY)
		NN_TRY(rank_labels(learner, err));
	else
		standardize_target(learner);
	NN_TRY(nn_learner_make_parts(learner, is_all_held_out(learner), err));
	fill_plan(learner);
	learner->is_planned = true;
	*plan = learner->plan;
	return nn_learner_check_memory(learner, learner->plan.peak_bytes > nn_learner_bytes(learner) ?
								   learner->plan.peak_bytes - nn_learner_bytes(learner) : 0, err);
}
