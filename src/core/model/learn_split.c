/*
 * model/learn_split.c: the choice of held-out rows.
 *
 * By the hash of the input alone (model/split.h), but for two kinds of labels:
 *
 *	- One that has rows enough to expect one under the share (10 rows where a tenth is held
 *	  out), and has none there, has its input with the lowest hash held out: it is
 *	  measured.
 *	- One that has no row outside gives the input with the highest hash back: it is
 *	  learned.  A label with a single input is only learned.
 *
 * A label with fewer rows is held out by chance or not at all, and then nothing is
 * known of how well it is told; figures by label show that it has no held-out row.
 *
 * Inputs move, not rows, so equal ones still stand together.  A training that goes on from
 * an earlier one takes over its exceptions and never holds out more of the hashes than that
 * did: what it holds out, no version before it has learned from.
 */
#include "model/learn_private.h"

#include <stdlib.h>

/* At most so many rows are held out: the standard error of an accuracy is then under 0.7 points. */
#define MAX_HELD_OUT	5000

/* One label's rows under the split at hand. */
typedef struct LabelSides
{
	int64_t		n_rows;
	int64_t		n_out;
	uint64_t	lowest;			/* hash of the input with the lowest place */
	uint64_t	highest;
} LabelSides;

static double
asked_share(const NnLearner *learner)
{
	double		n = (double) learner->rows.n;
	double		share = learner->options.validation;

	if (share * n > MAX_HELD_OUT)
		share = MAX_HELD_OUT / n;
	if (learner->earlier != NULL && learner->earlier->share < share)
		share = learner->earlier->share;
	return share;
}

static int
by_hash(const void *a, const void *b)
{
	uint64_t	x = *(const uint64_t *) a;
	uint64_t	y = *(const uint64_t *) b;

	return (x > y) - (x < y);
}

/* Put an input on its other side, and keep the list in order. */
static NnStatus
move_input(NnLearner *learner, uint64_t hash, NnError *err)
{
	NnArray    *list = &learner->exceptions;
	uint64_t   *items = list->data;
	uint64_t   *place;

	for (size_t i = 0; i < list->n; i++)
		if (items[i] == hash)
		{
			items[i] = items[--list->n];
			qsort(items, list->n, sizeof(uint64_t), by_hash);
			learner->split.n_exceptions = (int64_t) list->n;
			return NN_OK;
		}
	place = nn_array_push(list, 1);
	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*place = hash;
	qsort(list->data, list->n, sizeof(uint64_t), by_hash);
	learner->split.exception = list->data;
	learner->split.n_exceptions = (int64_t) list->n;
	return NN_OK;
}

/*
 * What an earlier training held out although above its share stays held out; what it
 * learned although below stays learned.  Above the share of now that needs no mention.
 */
static NnStatus
take_over(NnLearner *learner, NnError *err)
{
	const NnSplit *earlier = learner->earlier;

	for (int64_t i = 0; earlier != NULL && i < earlier->n_exceptions; i++)
	{
		uint64_t	hash = earlier->exception[i];
		bool		is_out = nn_split_holds_out(earlier, hash);

		if (is_out != (nn_split_place(hash) < learner->split.share) &&
			!nn_split_is_exception(&learner->split, hash))
			NN_TRY(move_input(learner, hash, err));
	}
	return NN_OK;
}

/* A row with this input has the label. */
static void
count_side(const NnLearner *learner, uint64_t hash, LabelSides *label)
{
	double		place = nn_split_place(hash);

	if (label->n_rows == 0 || place < nn_split_place(label->lowest))
		label->lowest = hash;
	if (label->n_rows == 0 || place > nn_split_place(label->highest))
		label->highest = hash;
	label->n_rows++;
	label->n_out += nn_split_holds_out(&learner->split, hash);
}

static NnStatus
count_sides(const NnLearner *learner, LabelSides *labels, NnError *err)
{
	int			C = nn_lexicon_n(learner->label_lexicon);

	for (int c = 0; c < C; c++)
		labels[c] = (LabelSides) {0};
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
	{
		const NnRow *row = nn_learner_row(learner, i);
		int			n;
		const int32_t *number = nn_learner_row_labels(learner, row, &n);

		if ((i & 65535) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		for (int k = 0; k < n; k++)
			count_side(learner, row->input_hash, &labels[number[k]]);
	}
	return NN_OK;
}

/* What one of two labels asked for may have served the other one too. */
static NnStatus
serve_labels(NnLearner *learner, LabelSides *labels, NnError *err)
{
	const NnSplit *split = &learner->split;
	int			C = nn_lexicon_n(learner->label_lexicon);

	NN_TRY(count_sides(learner, labels, err));
	for (int c = 0; c < C; c++)
		if (labels[c].n_out == 0 && labels[c].lowest != labels[c].highest &&
			(double) labels[c].n_rows * split->share >= 1.0 && !nn_split_holds_out(split, labels[c].lowest))
			NN_TRY(move_input(learner, labels[c].lowest, err));
	NN_TRY(count_sides(learner, labels, err));
	for (int c = 0; c < C; c++)
		if (labels[c].n_out == labels[c].n_rows && nn_split_holds_out(split, labels[c].highest))
			NN_TRY(move_input(learner, labels[c].highest, err));
	return NN_OK;
}

/* A few different inputs, repeated, may all fall under the share; then nothing is held out. */
static bool
is_all_held_out(const NnLearner *learner)
{
	/* of a forecast's rows the ends are held out, not the whole */
	if (learner->task == NN_TASK_FORECAST)
		return false;
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		if (!nn_learner_is_held_out(learner, i, &learner->split))
			return false;
	return true;
}

NnStatus
nn_learner_choose_split(NnLearner *learner, NnError *err)
{
	NnStatus	status = NN_OK;
	LabelSides *labels;

	learner->split.share = asked_share(learner);
	if (learner->is_ordered || learner->task == NN_TASK_FORECAST)
		return NN_OK;
	NN_TRY(take_over(learner, err));
	if (learner->task == NN_TASK_CLASSIFY && learner->split.share > 0.0)
	{
		labels = learner->env->alloc(learner->env->ctx, sizeof(LabelSides) *
									 (size_t) nn_lexicon_n(learner->label_lexicon));
		if (labels == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		status = serve_labels(learner, labels, err);
		learner->env->release(learner->env->ctx, labels);
	}
	if (status == NN_OK && is_all_held_out(learner))
		learner->split = (NnSplit) {0};
	return status;
}

bool
nn_learner_is_held_out(const NnLearner *learner, int64_t i, const NnSplit *split)
{
	if (learner->is_ordered)
		return (double) i >= (1.0 - split->share) * (double) learner->rows.n && split->share > 0.0;
	return nn_split_holds_out(split, nn_learner_row(learner, i)->input_hash);
}

const NnSplit *
nn_learner_split(const NnLearner *learner)
{
	return &learner->split;
}
