/*
 * model/learn_warm_bag.c: what the bag takes over from a language model.
 *
 * A language model keeps vectors x_w of words, which say what the texts they are in
 * are about (model/documents.h).  With r_i the bag's weighted sum over the words of
 * row i, a linear function of it is fitted to the rows' labels or numbers,
 *
 *	y_i ~ W sum_w weight_iw x_w + b			(model/leave_one_out.h)
 *
 * which is a score W x_w for each word.  That is what the first columns of the bag's
 * table begin with, one for each output, and the head with ones for them and b: the bag
 * answers from its first step on, and knows words that no labeled row has.  With more
 * outputs than numbers in a vector the columns are the vectors and the head is W.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

#include "model/leave_one_out.h"

bool
nn_learner_has_documents(const NnLearner *learner)
{
	return learner->warm != NULL && learner->warm->spec.document > 0 && learner->kind != NN_VALUE_NUMBERS &&
		((learner->task == NN_TASK_CLASSIFY && !learner->is_multi_label) || learner->task == NN_TASK_REGRESS);
}

int
nn_learner_n_scores(const NnLearner *learner, int n_outputs)
{
	int			width = nn_learner_has_documents(learner) ? learner->warm->spec.document : 0;

	return n_outputs < width ? n_outputs : width;
}

/*
 * The words of the warm model's vectors are features whether a row has them or not.  What occurs once
 * is left out: a new row does not have it, would weigh its known words by a smaller number, and so
 * read another sum than the rows that the scores were fitted to.  Of many labels one occurrence
 * says more than that costs.
 */
NnStatus
nn_learner_count_warm(NnLearner *learner, int *min_count, NnError *err)
{
	const NnFeatureIndex *known = learner->warm != NULL ? learner->warm->features : NULL;

	*min_count = 1;
	if (!nn_learner_has_documents(learner))
		return NN_OK;
	*min_count = learner->model->spec.n_outputs < NN_RECIPE_MANY_LABELS ? 2 : 1;
	for (int64_t i = 0; i < nn_feature_index_n(known); i++)
		if (nn_feature_counter_add(learner->counter, nn_feature_index_keys(known)[i], *min_count) != NN_OK)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	return NN_OK;
}

/* ---- the fit --------------------------------------------------------------------------- */

typedef struct Transfer
{
	NnLearner  *learner;
	const NnTensor *vectors;	/* (words of the warm model, D) */
	NnTensor   *table;			/* the bag's */
	NnTensor   *head;			/* (C, width of the bag) */
	NnTensor   *head_bias;
	int			D;
	int			C;
	int			n_scores;		/* columns of the table that are set */
	int32_t    *word;			/* (rows of the bag's table) row of vectors, or -1 */
	float	   *input;			/* (training rows, D) */
	float	   *weight;			/* (C, D) */
	float	   *bias;			/* (C) */
} Transfer;

/* Which of the bag's features are words that the warm model has a vector of. */
static NnStatus
match_words(Transfer *transfer, NnError *err)
{
	const NnEnv *env = transfer->learner->env;
	const uint64_t *keys = nn_feature_index_keys(transfer->learner->model->features);

	for (int r = 0; r < transfer->table->n_rows; r++)
	{
		if ((r & 65535) == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		transfer->word[r] = nn_feature_index_find(transfer->learner->warm->features, keys[r]);
	}
	return NN_OK;
}

/* What each training row is about: words and pairs share one weight, 1 / sqrt(how many there are). */
static NnStatus
read_rows(Transfer *transfer, NnError *err)
{
	const NnEnv *env = transfer->learner->env;
	const NnExamples *rows = &transfer->learner->train.examples;
	size_t		D = (size_t) transfer->D;

	for (int64_t i = 0; i < rows->n; i++)
	{
		const int32_t *row = rows->bag_row + rows->bag_start[i];
		int32_t		n = rows->bag_n_words[i];

		if ((i & 255) == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		for (int32_t j = 0; j < n; j++)
			if (transfer->word[row[j]] >= 0)
				nn_axpy((int64_t) D, 1.0f / sqrtf((float) n),
						transfer->vectors->data + (size_t) transfer->word[row[j]] * D, transfer->input + (size_t) i * D);
	}
	return NN_OK;
}

/* A feature's numbers in the bag's table; those of words that no row has are not drawn but zero. */
static void
set_feature(Transfer *transfer, int r, bool is_in_rows)
{
	size_t		H = (size_t) transfer->table->n_columns;
	size_t		D = (size_t) transfer->D;
	float	   *out = transfer->table->data + (size_t) r * H;
	const float *x = transfer->vectors->data + (size_t) transfer->word[r] * D;

	if (!is_in_rows)
		memset(out, 0, H * sizeof(float));
	for (int c = 0; c < transfer->n_scores; c++)
	{
		double		score = 0.0;

		for (size_t d = 0; d < D && transfer->C <= transfer->D; d++)
			score += (double) transfer->weight[(size_t) c * D + d] * (double) x[d];
		out[c] = transfer->C <= transfer->D ? (float) score : x[c];
	}
}

static void
set_head(Transfer *transfer)
{
	size_t		H = (size_t) transfer->head->n_columns;

	for (int c = 0; c < transfer->C; c++)
	{
		for (int k = 0; k < transfer->n_scores; k++)
			transfer->head->data[(size_t) c * H + (size_t) k] = transfer->C > transfer->D ?
				transfer->weight[(size_t) c * (size_t) transfer->D + (size_t) k] : c == k ? 1.0f : 0.0f;
		transfer->head_bias->data[c] = transfer->bias[c];
	}
}

static NnStatus
set_bag(Transfer *transfer, NnError *err)
{
	const NnEnv *env = transfer->learner->env;
	const NnExamples *rows = &transfer->learner->train.examples;
	bool	   *is_in_rows = env->alloc(env->ctx, (size_t) transfer->table->n_rows);

	if (is_in_rows == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t j = rows->bag_start[0]; j < rows->bag_start[rows->n]; j++)
		is_in_rows[rows->bag_row[j]] = true;
	for (int r = 0; r < transfer->table->n_rows; r++)
	{
		float	   *out = transfer->table->data + (size_t) r * (size_t) transfer->table->n_columns;

		if (transfer->word[r] >= 0)
			set_feature(transfer, r, is_in_rows[r]);
		else
			memset(out, 0, (size_t) transfer->n_scores * sizeof(float));
	}
	env->release(env->ctx, is_in_rows);
	set_head(transfer);
	return NN_OK;
}

static NnStatus
transfer_in(Transfer *transfer, NnArena *memory, NnArena *scratch, NnError *err)
{
	const NnExamples *rows = &transfer->learner->train.examples;
	size_t		D = (size_t) transfer->D;
	size_t		C = (size_t) transfer->C;
	NnFewRows	few = {rows->n, transfer->D, transfer->C, NULL, NULL, NULL};

	transfer->word = NN_TAKE(memory, int32_t, (size_t) transfer->table->n_rows);
	transfer->input = NN_ALLOC(memory, float, nn_size_mul((size_t) rows->n, D));
	transfer->weight = NN_TAKE(memory, float, C * D);
	transfer->bias = NN_TAKE(memory, float, C);
	if (transfer->word == NULL || transfer->input == NULL || transfer->weight == NULL || transfer->bias == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(match_words(transfer, err));
	NN_TRY(read_rows(transfer, err));
	few.input = transfer->input;
	few.label = transfer->learner->task == NN_TASK_CLASSIFY ? rows->label : NULL;
	few.target = rows->target;
	NN_TRY(nn_leave_one_out_fit(&few, transfer->weight, transfer->bias, scratch, err));
	/* vectors of a strange file may have no finite fit */
	if (!nn_all_finite((int64_t) (C * D), transfer->weight) || !nn_all_finite((int64_t) C, transfer->bias))
		return NN_OK;
	return set_bag(transfer, err);
}

NnStatus
nn_learner_start_bag(NnLearner *learner, NnError *err)
{
	NnNet	   *net = learner->model->net;
	Transfer	transfer = {.learner = learner};
	NnArena    *memory;
	NnArena    *scratch;
	NnStatus	status;

	if (!nn_learner_has_documents(learner) || learner->model->spec.wide != NN_WIDE_BAG || learner->train.examples.n < 2)
		return NN_OK;
	transfer.vectors = nn_net_find_tensor(learner->warm->net, "document.weight");
	transfer.table = nn_net_find_tensor(net, "bag.weight");
	transfer.head = nn_net_find_tensor(net, "wide_head.weight");
	transfer.head_bias = nn_net_find_tensor(net, "wide_head.bias");
	transfer.D = transfer.vectors->n_columns;
	transfer.C = learner->model->spec.n_outputs;
	transfer.n_scores = nn_learner_n_scores(learner, transfer.C);
	if (transfer.n_scores > transfer.table->n_columns)
		return NN_OK;
	memory = nn_arena_create(learner->env);
	scratch = nn_arena_create(learner->env);
	if (memory == NULL || scratch == NULL)
		status = nn_fail(err, NN_ENOMEM, "out of memory");
	else
		status = transfer_in(&transfer, memory, scratch, err);
	nn_arena_destroy(scratch);
	nn_arena_destroy(memory);
	return status;
}

size_t
nn_learner_start_bag_bytes(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	double		D;
	double		bytes;

	if (!nn_learner_has_documents(learner) || spec->wide != NN_WIDE_BAG)
		return 0;
	D = learner->warm->spec.document;
	bytes = 5.0 * spec->wide_inputs + 4.0 * D * ((double) learner->train.examples.n + (double) learner->valid.examples.n) +
		4.0 * spec->n_outputs * (D + 1.0);
	return nn_size_add((size_t) (1.25 * bytes) + 65536, nn_leave_one_out_bytes((int) D, spec->n_outputs));
}
