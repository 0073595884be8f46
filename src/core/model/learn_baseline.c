/*
 * model/learn_baseline.c: what later inputs are compared with (train/drift.h).
 *
 * The share of unknown words that new texts will have cannot be read off the rows
 * that the vocabulary was learned from: each of their words helped to get itself
 * known.  So each row is left out: a word of it counts as known if it would be one
 * without that row.
 */
#include "model/learn_private.h"

#include <string.h>

/* Is a word of a row, other than those of the vocabulary that came with a warm start, known to unseen rows? */
static bool
is_known(const NnLearner *learner, const char *bytes, int n_bytes, int n_rows)
{
	bool		is_own = learner->warm == NULL || learner->task == NN_TASK_TAG;

	return nn_vocabulary_find(learner->model->vocabulary, bytes, n_bytes) >= 0 &&
		(!is_own || n_rows > learner->options.min_rows);
}

/* Of each distinct word, by its number in the rows' stream. */
static NnStatus
find_known(const NnLearner *learner, bool *known, NnError *err)
{
	const NnLexicon *lexicon = learner->task == NN_TASK_TAG ? learner->form_lexicon : learner->lexicon;
	char		folded[NN_WORD_BYTES];

	for (int32_t w = 0; w < nn_lexicon_n(lexicon); w++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(lexicon, w);
		const char *bytes = nn_lexicon_bytes(lexicon, w);
		int			n_bytes = (int) lexeme->n_bytes;
		int			n_rows = lexeme->n_rows;

		if ((w & 1023) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		if (learner->task == NN_TASK_TAG)
		{
			int32_t		word;

			NN_TRY(nn_text_fold(learner->env, false, bytes, (size_t) n_bytes, folded, &n_bytes, err));
			bytes = folded;
			word = nn_lexicon_find(learner->lexicon, folded, n_bytes);
			n_rows = word >= 0 ? nn_lexicon_get(learner->lexicon, word)->n_rows : 0;
		}
		known[w] = n_bytes > 0 && is_known(learner, bytes, n_bytes, n_rows);
	}
	return NN_OK;
}

static NnStatus
count_rows(const NnLearner *learner, const bool *known, NnBaseline *baseline, NnError *err)
{
	const int32_t *words = learner->words.data;
	const NnWordUse *uses = learner->task == NN_TASK_TAG ? NULL : learner->uses.data;

	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
	{
		const NnRow *row = nn_learner_row(learner, i);
		int64_t		n = row->n;

		if ((i & 1023) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		for (int32_t j = 0; known != NULL && j < row->n; j++)
		{
			baseline->n_unknown += !known[words[row->start + j]];
			/* as an answer counts them: a word that is cut is several tokens */
			n += uses != NULL ? uses[words[row->start + j]].n_tokens - 1 : 0;
		}
		baseline->n++;
		baseline->n_tokens += n;
		baseline->n_words += known != NULL ? row->n : 0;
		baseline->length[nn_length_bin(n)]++;
	}
	return NN_OK;
}

NnStatus
nn_learner_describe_rows(NnLearner *learner, NnBaseline *baseline, NnError *err)
{
	const NnEnv *env = learner->env;
	bool		has_words = learner->model->vocabulary != NULL && learner->kind != NN_VALUE_NUMBERS;
	bool	   *known = NULL;
	NnStatus	status = NN_OK;

	memset(baseline, 0, sizeof(*baseline));
	if (has_words)
	{
		const NnLexicon *lexicon = learner->task == NN_TASK_TAG ? learner->form_lexicon : learner->lexicon;

		known = env->alloc(env->ctx, (size_t) nn_lexicon_n(lexicon) + 1);
		if (known == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		status = find_known(learner, known, err);
	}
	else
		baseline->n_unknown = -1;
	if (status == NN_OK)
		status = count_rows(learner, known, baseline, err);
	env->release(env->ctx, known);
	return status;
}
