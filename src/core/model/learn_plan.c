/*
 * model/learn_plan.c: from rows to examples.
 *
 * Rows are put in the order of their hashes first: whatever order the host read
 * them in, the same rows give the same plan, the same batches and so the same
 * weights.  Which of them are held out is learn_split.c's.
 */
#include "model/learn_private.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- order -------------------------------------------------------------- */

/* By (input hash, target hash); equal rows need no order. */
static bool
is_row_before(const NnLearner *learner, int32_t a, int32_t b)
{
	const NnRow *x = nn_learner_row(learner, a);
	const NnRow *y = nn_learner_row(learner, b);

	if (x->input_hash != y->input_hash)
		return x->input_hash < y->input_hash;
	return x->target_hash < y->target_hash;
}

static void
sift_down(const NnLearner *learner, int32_t *heap, int64_t at, int64_t n, NnIsBefore is_before)
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

/* Heapsort: qsort has no context. */
void
nn_learner_sort(const NnLearner *learner, int32_t *numbers, int64_t n, NnIsBefore is_before)
{
	for (int64_t i = n / 2 - 1; i >= 0; i--)
		sift_down(learner, numbers, i, n, is_before);
	for (int64_t end = n - 1; end > 0; end--)
	{
		int32_t		item = numbers[0];

		numbers[0] = numbers[end];
		numbers[end] = item;
		sift_down(learner, numbers, 0, end, is_before);
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
	if (!learner->is_ordered)
		nn_learner_sort(learner, sorted, n, is_row_before);
	return NN_OK;
}

/* ---- labels -------------------------------------------------------------------------- */

bool
nn_lexicon_is_before(const NnLexicon *lexicon, int32_t a, int32_t b)
{
	uint32_t	n_a = nn_lexicon_get(lexicon, a)->n_bytes;
	uint32_t	n_b = nn_lexicon_get(lexicon, b)->n_bytes;
	int			order = memcmp(nn_lexicon_bytes(lexicon, a), nn_lexicon_bytes(lexicon, b),
							   n_a < n_b ? n_a : n_b);

	return order != 0 ? order < 0 : n_a < n_b;
}

static bool
is_label_before(const NnLearner *learner, int32_t a, int32_t b)
{
	return nn_lexicon_is_before(learner->label_lexicon, a, b);
}

/* Labels in byte order: names into the model, ranks into label_rank. */
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
	nn_learner_sort(learner, order, C, is_label_before);
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

/* What the tags mean, and which may follow which. */
static NnStatus
read_scheme(NnModel *model, int n_tags, NnError *err)
{
	NN_TRY(nn_tag_scheme(&model->scheme, (const char *const *) model->labels, n_tags, model->arena, err));
	return nn_tag_rules(&model->scheme, model->arena, &model->allowed, err);
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

		if (C == 0)
		{
			nn_fail(err, NN_EDATA, "no row has a label");
			nn_fail_detail(err, "All %zu arrays of labels are empty.", learner->rows.n);
			return nn_fail_hint(err, "Is the target column the right one?");
		}
		if (C < 2 && !learner->is_multi_label)
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
	if (learner->task == NN_TASK_TAG && nn_lexicon_n(learner->label_lexicon) == 0)
	{
		nn_fail(err, NN_EDATA, "no row has a token");
		return nn_fail_hint(err, "Are the columns the right ones?");
	}
	if (nn_task_writes_text(learner->task) && learner->words.n + learner->target_words.n == 0)
	{
		nn_fail(err, NN_EDATA, "no row has a word");
		return nn_fail_hint(err, "Are the columns the right ones?");
	}
	/* one row may be a whole book */
	if (learner->rows.n < 2 && learner->task != NN_TASK_LANGUAGE && learner->task != NN_TASK_FORECAST)
	{
		nn_fail(err, NN_EDATA, "too few rows to learn from");
		return nn_fail_detail(err, "There is one row; at least two are needed.");
	}
	return NN_OK;
}

/* ---- standardization ------------------------------------------------------------------ */

/* Numbers read between two polls: some milliseconds, also where each is in a cache line of its own. */
#define POLL_NUMBERS	(1024 * 1024)

/* The sum over channel e of x - mean, or of its square. */
static NnStatus
sum_channel(const NnLearner *learner, int e, double mean, bool is_squared, double *sum, NnError *err)
{
	int			E = learner->model->n_channels;
	int64_t		n_read = 0;

	*sum = 0.0;
	for (int64_t i = 0; i < learner->n_sorted; i++)
	{
		const NnRow *row = nn_learner_row(learner, learner->sorted[i]);
		const float *x = (const float *) learner->floats.data + row->start;

		for (int64_t j = e; j < (int64_t) row->n * learner->n_channels; j += E)
		{
			double		d = (double) x[j] - mean;

			*sum += is_squared ? d * d : d;
		}
		n_read += row->n;
		if (n_read < POLL_NUMBERS)
			continue;
		n_read = 0;
		if (learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "training was canceled");
	}
	return NN_OK;
}

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
		double		sum;
		double		squares;
		double		mean;

		NN_TRY(sum_channel(learner, e, 0.0, false, &sum, err));
		mean = sum / n;
		NN_TRY(sum_channel(learner, e, mean, true, &squares, err));
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

static NnStatus
make_parts(NnLearner *learner, const NnSplit *split, NnError *err)
{
	int64_t		n_train = 0;

	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		n_train += !nn_learner_is_held_out(learner, i, split);
	NN_TRY(nn_learner_choose_spec(learner, n_train, err));
	if (learner->kind == NN_VALUE_NUMBERS)
		NN_TRY(standardize_input(learner, err));
	if (learner->kind != NN_VALUE_NUMBERS || nn_task_writes_text(learner->task))
		NN_TRY(nn_learner_learn_text(learner, split, err));
	NN_TRY(nn_spec_check(&learner->model->spec, err));
	return nn_learner_fill_parts(learner, split, err);
}

NnStatus
nn_learner_make_parts(NnLearner *learner, bool is_all_training, NnError *err)
{
	const NnSplit nothing = {0};

	if (learner->task == NN_TASK_FORECAST)
		return nn_learner_make_windows(learner, is_all_training, err);
	return make_parts(learner, is_all_training ? &nothing : &learner->split, err);
}

NnStatus
nn_learner_plan(NnLearner *learner, NnPlan *plan, NnError *err)
{
	NN_TRY(check_rows(learner, err));
	NN_TRY(check_input_option(learner, err));
	NN_TRY(nn_learner_check_weights(learner, err));
	NN_TRY(sort_rows(learner, err));
	if (learner->task == NN_TASK_CLASSIFY || learner->task == NN_TASK_TAG)
		NN_TRY(rank_labels(learner, err));
	else
		standardize_target(learner);
	if (learner->task == NN_TASK_TAG)
		NN_TRY(read_scheme(learner->model, nn_lexicon_n(learner->label_lexicon), err));
	NN_TRY(nn_learner_choose_split(learner, err));
	NN_TRY(nn_learner_make_parts(learner, false, err));
	nn_learner_fill_plan(learner);
	learner->is_planned = true;
	*plan = learner->plan;
	return nn_learner_check_memory(learner, learner->plan.peak_bytes > nn_learner_bytes(learner) ?
								   learner->plan.peak_bytes - nn_learner_bytes(learner) : 0, err);
}
