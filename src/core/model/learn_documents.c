/*
 * model/learn_documents.c: language: what texts are about, beside what they say.
 *
 * Words as a bag knows them (folded, by their keys), those of MIN_TEXTS texts and
 * more, get the vectors of model/documents.h before the training of the network, which
 * leaves them alone.  All rows are read: nothing about a row's next words is in them.
 */
#include "model/learn_private.h"

#include <string.h>

#include "model/documents.h"

#define MIN_TEXTS	5
#define MAX_TOKENS	((int64_t) 30000000)	/* of more an even choice of texts is read */

/* ---- which words ------------------------------------------------------------------ */

/* Count every word by its rows; forms that fold to one word add up. */
static NnStatus
count_words(NnLearner *learner)
{
	for (int32_t w = 0; w < nn_lexicon_n(learner->lexicon); w++)
	{
		uint64_t	key = ((const uint64_t *) learner->bag_key.data)[w];

		if (key != 0)
			NN_TRY(nn_feature_counter_add(learner->counter, nn_feature_word(key),
										  nn_lexicon_get(learner->lexicon, w)->n_rows));
	}
	return NN_OK;
}

NnStatus
nn_learner_learn_documents(NnLearner *learner, NnError *err)
{
	NnModel    *model = learner->model;
	NnSpec	   *spec = &model->spec;
	int64_t		width = learner->options.documents;
	NnStatus	status;

	if (width <= 0)
		return NN_OK;
	NN_TRY(nn_learner_key_words(learner, err));
	status = nn_feature_counter_create(&learner->counter, learner->env);
	if (status == NN_OK)
		status = count_words(learner);
	if (status == NN_OK)
		status = nn_feature_index_learn(&model->features, learner->counter, MIN_TEXTS, learner->options.vocabulary,
										learner->env);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	nn_feature_counter_destroy(learner->counter);
	learner->counter = NULL;
	spec->document_words = (int) nn_feature_index_n(model->features);
	if (width > spec->document_words)
		width = spec->document_words;
	if (width > (int64_t) learner->rows.n)
		width = (int64_t) learner->rows.n;
	spec->document = (int) width;
	if (width > 0)
		return NN_OK;
	nn_feature_index_destroy(model->features);
	model->features = NULL;
	spec->document_words = 0;
	return NN_OK;
}

/* ---- texts as their distinct words ---------------------------------------------------- */

typedef struct Texts
{
	NnTermRows	rows;
	int64_t    *start;
	int32_t    *term;
	int32_t    *row_of;			/* (distinct words of the column) row of the table, or -1 */
	int32_t    *seen;			/* (rows of the table) the last text that has it, 1-based */
} Texts;

/* Every so many-th text is read. */
static int64_t
text_stride(const NnLearner *learner)
{
	return 1 + (int64_t) learner->words.n / MAX_TOKENS;
}

static NnStatus
create_texts(NnLearner *learner, Texts *texts, NnArena *scratch, NnError *err)
{
	const NnModel *model = learner->model;
	int32_t		n_words = nn_lexicon_n(learner->lexicon);

	texts->start = NN_TAKE(scratch, int64_t, (size_t) learner->n_sorted + 1);
	texts->term = NN_TAKE(scratch, int32_t, learner->words.n);
	texts->row_of = NN_TAKE(scratch, int32_t, (size_t) n_words);
	texts->seen = NN_ALLOC(scratch, int32_t, (size_t) model->spec.document_words);
	if (texts->start == NULL || texts->term == NULL || texts->row_of == NULL || texts->seen == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t w = 0; w < n_words; w++)
	{
		uint64_t	key = ((const uint64_t *) learner->bag_key.data)[w];

		texts->row_of[w] = key != 0 ? nn_feature_index_find(model->features, nn_feature_word(key)) : -1;
	}
	return NN_OK;
}

static NnStatus
read_texts(NnLearner *learner, Texts *texts, NnArena *scratch, NnError *err)
{
	int64_t		stride = text_stride(learner);
	int64_t		n = 0;
	int64_t		n_terms = 0;

	NN_TRY(create_texts(learner, texts, scratch, err));
	texts->start[0] = 0;
	for (int64_t i = 0; i < learner->n_sorted; i += stride)
	{
		const NnRow *row = nn_learner_row(learner, learner->sorted[i]);
		const int32_t *words = (const int32_t *) learner->words.data + row->start;

		if (n % 256 == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		n++;
		for (int32_t j = 0; j < row->n; j++)
		{
			int32_t		term = texts->row_of[words[j]];

			if (term < 0 || texts->seen[term] == n)
				continue;
			texts->seen[term] = (int32_t) n;
			texts->term[n_terms++] = term;
		}
		texts->start[n] = n_terms;
	}
	texts->rows = (NnTermRows)
	{
		n, learner->model->spec.document_words, texts->start, texts->term
	};
	return NN_OK;
}

/* ---- the calls ----------------------------------------------------------------------------- */

static NnStatus
solve_in(NnLearner *learner, NnArena *scratch, NnError *err)
{
	NnTensor   *table = nn_net_find_tensor(learner->model->net, "document.weight");
	NnRng		rng;
	Texts		texts;

	nn_rng_seed(&rng, (uint64_t) learner->options.seed);
	NN_TRY(read_texts(learner, &texts, scratch, err));
	return nn_document_vectors(&texts.rows, table->n_columns, &rng, scratch, table->data, err);
}

NnStatus
nn_learner_solve_documents(NnLearner *learner, NnError *err)
{
	NnArena    *scratch;
	NnStatus	status;

	if (learner->model->spec.document == 0)
		return NN_OK;
	scratch = nn_arena_create(learner->env);
	if (scratch == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = solve_in(learner, scratch, err);
	nn_arena_destroy(scratch);
	return status;
}

size_t
nn_learner_document_bytes(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	double		lists = 4.0 * ((double) learner->words.n + nn_lexicon_n(learner->lexicon) + spec->document_words) +
	8.0 * (double) learner->n_sorted;
	int64_t		longest = 0;

	if (spec->document == 0)
		return 0;
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
		if (nn_learner_row(learner, i)->n > longest)
			longest = nn_learner_row(learner, i)->n;
	return nn_size_add((size_t) (1.25 * lists), nn_document_bytes(spec->document_words, spec->document, longest));
}
