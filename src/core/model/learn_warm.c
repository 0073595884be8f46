/*
 * model/learn_warm.c: what a training takes over from a model to start from.
 *
 * Whatever is learned from is read as that model reads: with its tokenizer and its
 * vocabulary, so that its embedding fits as it is.  A tagger alone has words of its
 * own (folded, and those of a table of vectors): it takes the vectors of the words
 * that both know.
 *
 * A classifier whose language model also knows what texts are about (learn_documents.c)
 * begins with that: the bag with scores of words (learn_warm_bag.c), the embedding with their
 * vectors, and the layers anew.
 *
 * Of the recurrent layers a direction is taken from the first layer upwards, as far
 * as cell and sizes agree: a layer is of no use above one that it does not know.
 * Heads mean something only to the same task with the same labels.
 */
#include "model/learn_private.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

/* ---- before the first row ------------------------------------------------------------ */

/* Text that is written again must be read exactly. */
static bool
can_read_for(const NnModel *model, NnTask task)
{
	return !nn_task_writes_text(task) || model->tokenizer.is_exact;
}

NnStatus
nn_learner_warm_start(NnLearner *learner, const NnModel *model, NnError *err)
{
	if (learner->rows.n > 0)
		return nn_fail(err, NN_EINTERNAL, "a warm start behind the first row");
	if (model->vocabulary == NULL || learner->kind == NN_VALUE_NUMBERS || !can_read_for(model, learner->task))
	{
		nn_fail(err, NN_EINVAL, "there is nothing to start from in the model of option \"warm_start\"");
		return nn_fail_hint(err, "A model that reads text with a recurrent network can be started from, for another that does; one that writes text only from one that writes text.");
	}
	if (model->unit != NN_UNIT_WORD && nn_task_is_pooled(learner->task))
	{
		nn_fail(err, NN_EINVAL, "the model of option \"warm_start\" reads characters or given words");
		return nn_fail_hint(err, "Start from a language model that was trained on a text column.");
	}
	learner->warm = model;
	if (learner->task == NN_TASK_TAG)
		return NN_OK;
	learner->model->unit = model->unit;
	/* a tagger keeps case for the spelling; its words are folded */
	if (model->spec.task != NN_TASK_TAG)
		learner->model->tokenizer = model->tokenizer;
	return NN_OK;
}

/*
 * Does the embedding begin with document vectors?  The language model's own goes first only where its
 * width is asked for: with few rows that have a label it answers worse (doc/recipes.md).
 */
static bool
reads_documents(const NnLearner *learner)
{
	return nn_learner_has_documents(learner) && learner->vector_word.n == 0 &&
		learner->options.embedding == learner->warm->spec.document;
}

void
nn_learner_follow_warm(NnLearner *learner)
{
	NnOptions  *options = &learner->options;
	const NnSpec *warm = &learner->warm->spec;

	if (options->embedding < 0)
		options->embedding = nn_learner_has_documents(learner) ? warm->document : warm->embedding;
	if (reads_documents(learner))
		return;
	/* a tagger's layers read spelling too: only a tagger's fit */
	if (learner->task == NN_TASK_TAG && warm->task != NN_TASK_TAG)
		return;
	if (options->hidden < 0)
		options->hidden = warm->hidden;
	if (options->cell < 0)
		options->cell = (int) warm->cell;
}

/* ---- weights ---------------------------------------------------------------------------- */

static void
copy_row(NnTensor *to, int32_t row, const NnTensor *from, int32_t row_from)
{
	size_t		n = (size_t) to->n_columns;

	memcpy(to->data + (size_t) row * n, from->data + (size_t) row_from * n, n * sizeof(float));
}

/* The tensor of this name in both, if it has one shape. */
static bool
find_pair(const NnLearner *learner, const char *name, NnTensor **to, const NnTensor **from)
{
	*to = nn_net_find_tensor(learner->model->net, name);
	*from = nn_net_find_tensor(learner->warm->net, name);
	return *to != NULL && *from != NULL && (*to)->n_rows == (*from)->n_rows &&
		(*to)->n_columns == (*from)->n_columns;
}

static void
copy_tensor(NnTensor *to, const NnTensor *from)
{
	memcpy(to->data, from->data, (size_t) to->n_rows * (size_t) to->n_columns * sizeof(float));
}

/* Vectors of words that both know; of words that are one when folded, the most frequent's. */
static NnStatus
start_folded(NnLearner *learner, NnTensor *to, const NnTensor *from, bool *is_set, NnError *err)
{
	const NnVocabulary *known = learner->warm->vocabulary;
	const NnEnv *env = learner->env;

	for (int32_t id = 256 + nn_vocabulary_n_units(known); id < nn_vocabulary_n(known); id++)
	{
		char		folded[NN_WORD_BYTES];
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(known, id, &n_bytes);
		int			own = -1;

		if ((id & 1023) == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(nn_text_fold(env, false, bytes, (size_t) n_bytes, folded, &n_bytes, err));
		if (n_bytes > 0)
			own = nn_vocabulary_find(learner->model->vocabulary, folded, n_bytes);
		if (own < 0 || is_set[own])
			continue;
		is_set[own] = true;
		copy_row(to, own, from, id);
	}
	return NN_OK;
}

/* The factors that give each number of the document vectors the same spread. */
static void
even_spread(const NnTensor *vectors, float *factor)
{
	size_t		D = (size_t) vectors->n_columns;

	for (size_t d = 0; d < D; d++)
	{
		double		squares = 0.0;

		for (int r = 0; r < vectors->n_rows; r++)
			squares += (double) vectors->data[(size_t) r * D + d] * (double) vectors->data[(size_t) r * D + d];
		factor[d] = squares > 0.0 ? (float) (NN_VECTOR_DEVIATION / sqrt(squares / vectors->n_rows)) : 0.0f;
	}
}

/* Words begin with what the texts that they are in are about; forms of one folded word alike. */
static NnStatus
start_documents(NnLearner *learner, NnTensor *to, NnError *err)
{
	const NnModel *warm = learner->warm;
	const NnVocabulary *vocabulary = learner->model->vocabulary;
	const NnTensor *from = nn_net_find_tensor(warm->net, "document.weight");
	const NnEnv *env = learner->env;
	size_t		D = (size_t) to->n_columns;
	float		factor[NN_MAX_DOCUMENT];

	even_spread(from, factor);
	for (int32_t id = 256 + nn_vocabulary_n_units(vocabulary); id < nn_vocabulary_n(vocabulary); id++)
	{
		char		folded[NN_WORD_BYTES];
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(vocabulary, id, &n_bytes);
		int32_t		row = -1;

		if ((id & 1023) == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		NN_TRY(nn_text_fold(env, false, bytes, (size_t) n_bytes, folded, &n_bytes, err));
		if (n_bytes > 0)
			row = nn_feature_index_find(warm->features, nn_feature_word(nn_hash_bytes(folded, (uint64_t) n_bytes, 0)));
		for (size_t d = 0; d < D && row >= 0; d++)
			to->data[(size_t) id * D + d] = factor[d] * from->data[(size_t) row * D + d];
	}
	return NN_OK;
}

static NnStatus
start_embedding(NnLearner *learner, NnError *err)
{
	NnTensor   *to = nn_net_find_tensor(learner->model->net, "embedding.weight");
	const NnTensor *from = nn_net_find_tensor(learner->warm->net, "embedding.weight");
	bool	   *is_set;
	NnStatus	status;

	if (to != NULL && reads_documents(learner))
		return start_documents(learner, to, err);
	if (to == NULL || from == NULL || to->n_columns != from->n_columns)
		return NN_OK;
	if (learner->task != NN_TASK_TAG)
	{
		/* the vocabulary is a copy */
		if (to->n_rows == from->n_rows)
			copy_tensor(to, from);
		return NN_OK;
	}
	is_set = learner->env->alloc(learner->env->ctx, (size_t) to->n_rows);
	if (is_set == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = start_folded(learner, to, from, is_set, err);
	learner->env->release(learner->env->ctx, is_set);
	return status;
}

/* Layer k of one direction; false if it does not fit. */
static bool
start_layer(NnLearner *learner, int k, const char *suffix)
{
	static const char *const parts[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
	NnTensor   *to[4];
	const NnTensor *from[4];
	char		name[48];

	for (int i = 0; i < 4; i++)
	{
		snprintf(name, sizeof(name), "rnn.%s_l%d%s", parts[i], k, suffix);
		if (!find_pair(learner, name, &to[i], &from[i]))
			return false;
	}
	for (int i = 0; i < 4; i++)
		copy_tensor(to[i], from[i]);
	return true;
}

/* Every layer in every direction? */
static bool
start_layers(NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	int			n_directions = spec->is_bidirectional ? 2 : 1;
	bool		fits = spec->cell == learner->warm->spec.cell;

	for (int d = 0; d < n_directions && spec->cell == learner->warm->spec.cell; d++)
		for (int k = 0; k < spec->n_layers; k++)
			if (!start_layer(learner, k, d == 0 ? "" : "_reverse"))
			{
				fits = false;
				break;
			}
	return fits;
}

static bool
has_same_labels(const NnModel *a, const NnModel *b)
{
	if ((a->labels == NULL) != (b->labels == NULL) || a->spec.n_outputs != b->spec.n_outputs)
		return false;
	for (int c = 0; a->labels != NULL && c < a->spec.n_outputs; c++)
		if (strcmp(a->labels[c], b->labels[c]) != 0)
			return false;
	return true;
}

/* What stands above the layers; the bag, whose rows are this training's own, begins anew. */
static void
start_rest(NnLearner *learner)
{
	for (int i = 0; i < nn_net_n_tensors(learner->model->net); i++)
	{
		const char *name = nn_net_tensor(learner->model->net, i)->name;
		NnTensor   *to;
		const NnTensor *from;

		if (!find_pair(learner, name, &to, &from) || to->is_wide || to->kind == NN_TENSOR_FIXED ||
			strcmp(name, "embedding.weight") == 0 || strncmp(name, "rnn.", 4) == 0)
			continue;
		copy_tensor(to, from);
	}
}

NnStatus
nn_learner_start_warm(NnLearner *learner, NnError *err)
{
	bool		fits;

	if (learner->warm == NULL)
		return NN_OK;
	NN_TRY(start_embedding(learner, err));
	/* layers that read something else are of no use above them */
	if (reads_documents(learner))
		return NN_OK;
	fits = start_layers(learner);
	if (fits && learner->task == learner->warm->spec.task && has_same_labels(learner->model, learner->warm))
		start_rest(learner);
	return NN_OK;
}
