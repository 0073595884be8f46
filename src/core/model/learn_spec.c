/*
 * model/learn_spec.c: what network the rows get: options by recipe, vocabulary,
 * features, spec.
 */
#include "model/learn_private.h"

#include <string.h>

/* The table of spelling: rows for hashed character n-grams, and their width (doc/recipes.md). */
#define SPELLING_ROWS	65536
#define SPELLING_WIDTH	50

NnInputKind
nn_learner_input_kind(const NnLearner *learner)
{
	int			asked = learner->options.input;

	if (learner->kind != NN_VALUE_NUMBERS)
		return NN_INPUT_TEXT;
	if (asked >= 0)
		return (NnInputKind) asked;
	/* what is told in words is a vector of features, unless its shape says otherwise */
	if (learner->task == NN_TASK_CAPTION && learner->is_one_length && learner->n_channels == 1)
		return NN_INPUT_VECTOR;
	return NN_INPUT_SERIES;
}

/* The share of all words in the rows that are too rare to be in a vocabulary. */
static double
rare_share(const NnLearner *learner)
{
	int64_t		n_rare = 0;
	int			min_rows = learner->options.min_rows < 0 ? NN_RECIPE_MIN_ROWS : learner->options.min_rows;
	int32_t		n_words = learner->kind != NN_VALUE_NUMBERS ? nn_lexicon_n(learner->lexicon) : 0;

	for (int32_t w = 0; w < n_words; w++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(learner->lexicon, w);

		if (lexeme->n_rows < min_rows)
			n_rare += lexeme->n_tokens;
	}
	return learner->words.n > 0 ? (double) n_rare / (double) learner->words.n : 0.0;
}

/* What the rows look like, for the recipe. */
static NnDataShape
data_shape(const NnLearner *learner, int64_t n_train)
{
	NnDataShape shape = {0};
	bool		is_vector = nn_learner_input_kind(learner) == NN_INPUT_VECTOR;
	bool		has_labels = learner->task == NN_TASK_CLASSIFY || learner->task == NN_TASK_TAG;

	shape.task = learner->task;
	shape.input = nn_learner_input_kind(learner);
	shape.n_rows = n_train;
	shape.n_tokens = (int64_t) learner->words.n;
	shape.n_written = learner->task == NN_TASK_TAG ? 0 : (int64_t) learner->target_words.n;
	shape.is_character = learner->model->unit == NN_UNIT_CHARACTER;
	shape.is_given = learner->model->unit == NN_UNIT_GIVEN;
	shape.rare_share = rare_share(learner);
	shape.n_outputs = has_labels ? nn_lexicon_n(learner->label_lexicon) : nn_task_writes_text(learner->task) ? 0 : 1;
	shape.n_channels = is_vector ? learner->n_steps : learner->n_channels;
	shape.n_steps = is_vector ? 1 : learner->longest;
	shape.is_one_length = learner->is_one_length;
	shape.n_scores = nn_learner_n_scores(learner, shape.n_outputs);
	shape.has_vectors = learner->vector_word.n > 0;
	shape.vector_width = learner->vector_width;
	return shape;
}

/* The recurrent part, whatever the task. */
static void
choose_stack(NnSpec *spec, const NnOptions *options, const NnDataShape *shape)
{
	bool		is_vector_caption = spec->task == NN_TASK_CAPTION && spec->input == NN_INPUT_VECTOR;

	spec->cell = (NnCell) options->cell;
	if (spec->cell != NN_CELL_NONE)
	{
		spec->n_layers = is_vector_caption ? 0 : options->layers;
		spec->hidden = options->hidden;
		spec->is_bidirectional = options->bidirectional == 1 && !is_vector_caption;
		spec->pool = nn_task_is_pooled(spec->task) ? (unsigned) options->pool : 0;
		spec->embedding = options->embedding;
	}
	if (spec->input != NN_INPUT_TEXT && !nn_task_writes_text(spec->task))
		spec->embedding = shape->n_channels;
}

static void
choose_wide(NnLearner *learner, const NnDataShape *shape)
{
	NnModel    *model = learner->model;
	NnSpec	   *spec = &model->spec;

	spec->wide = shape->input == NN_INPUT_TEXT ? NN_WIDE_BAG : NN_WIDE_FLAT;
	spec->wide_hidden = learner->options.bag_hidden;
	spec->wide_inputs = shape->n_steps * shape->n_channels;
	model->flat_steps = shape->input == NN_INPUT_TEXT ? 0 : shape->n_steps;
}

NnStatus
nn_learner_choose_spec(NnLearner *learner, int64_t n_train, NnError *err)
{
	NnModel    *model = learner->model;
	NnOptions  *options = &learner->options;
	NnSpec	   *spec = &model->spec;
	NnDataShape shape = data_shape(learner, n_train);

	if (shape.has_vectors)
		options->embedding = learner->vector_width;
	if (learner->warm != NULL)
		nn_learner_follow_warm(learner);
	if (learner->former != NULL)
		nn_learner_follow_former(learner);
	nn_recipe_resolve(options, &shape);
	if (options->cell == (int) NN_CELL_NONE && !nn_task_is_pooled(learner->task))
	{
		nn_fail(err, NN_EINVAL, "option \"cell\" cannot be \"none\" for task %s", nn_task_name(learner->task));
		return nn_fail_hint(err, "Leave option \"cell\" away.");
	}

	if (options->running == 1 && options->bidirectional == 1)
	{
		nn_fail(err, NN_EINVAL, "options \"running\" and \"bidirectional\" exclude each other");
		return nn_fail_hint(err, "A running text has no end to read it from: leave one of them away, or \"order_by\".");
	}

	memset(spec, 0, sizeof(*spec));
	spec->task = shape.task;
	spec->input = shape.input;
	spec->n_outputs = shape.n_outputs;
	spec->is_multi_label = learner->is_multi_label;
	choose_stack(spec, options, &shape);
	model->max_tokens = options->max_tokens;
	model->is_running = spec->task == NN_TASK_LANGUAGE && options->running == 1;
	model->n_channels = shape.input == NN_INPUT_TEXT ? 0 : shape.n_channels;
	model->has_ngrams = options->char_ngrams == 1;
	if (options->bag == 1)
		choose_wide(learner, &shape);
	if (spec->task == NN_TASK_TAG && options->spelling == 1)
	{
		spec->spelling_rows = SPELLING_ROWS;
		spec->spelling = SPELLING_WIDTH;
	}
	if (spec->task == NN_TASK_TRANSLATE || spec->task == NN_TASK_CAPTION)
	{
		spec->decoder_layers = options->decoder_layers;
		spec->has_copy = spec->task == NN_TASK_TRANSLATE && options->copy == 1;
		spec->channels = spec->task == NN_TASK_CAPTION ? shape.n_channels : 0;
	}
	return NN_OK;
}

/* What a refit makes anew. */
static void
forget_features(NnLearner *learner)
{
	nn_feature_index_destroy(learner->model->features);
	learner->model->features = NULL;
	nn_array_free(&learner->uses);
	nn_array_free(&learner->piece);
	nn_array_free(&learner->ngram);
	nn_array_free(&learner->form_rank);
	nn_array_free(&learner->form_word);
	nn_array_free(&learner->form_start);
	nn_array_free(&learner->form_row);
	nn_array_free(&learner->form_flags);
}

/* A vocabulary by way of a file's two blocks. */
static NnStatus
copy_vocabulary(const NnVocabulary *from, NnVocabulary **to, const NnEnv *env, NnError *err)
{
	NnArray		lengths;
	NnArray		bytes;
	NnStatus	status;

	nn_array_init(&lengths, env, 1);
	nn_array_init(&bytes, env, 1);
	status = nn_vocabulary_write(from, &lengths, &bytes);
	if (status == NN_OK)
		status = nn_vocabulary_read(to, nn_vocabulary_n_units(from), lengths.data, lengths.n,
									bytes.data, bytes.n, env, err);
	else
		nn_fail(err, status, "%s", nn_status_text(status));
	nn_array_free(&lengths);
	nn_array_free(&bytes);
	return status;
}

/* The column's vocabulary, or that of the model to start from. */
static NnStatus
learn_vocabulary(NnLearner *learner, NnError *err)
{
	const NnOptions *options = &learner->options;
	NnVocabularyOptions vocabulary = {options->vocabulary, options->subwords, options->min_rows};
	NnModel    *model = learner->model;

	if (learner->warm != NULL && learner->task != NN_TASK_TAG)
		return copy_vocabulary(learner->warm->vocabulary, &model->vocabulary, learner->env, err);
	/* word vectors bring words of their own */
	if (learner->task == NN_TASK_TAG)
		vocabulary.max_words += (int) learner->vector_word.n;
	return nn_vocabulary_learn(&model->vocabulary, learner->lexicon, &vocabulary, learner->env, err);
}

NnStatus
nn_learner_learn_text(NnLearner *learner, const NnSplit *split, NnError *err)
{
	NnModel    *model = learner->model;
	NnOptions  *options = &learner->options;
	int			min_count;

	/* a refit comes here again: the vocabulary is that of all rows already */
	forget_features(learner);
	if (model->spec.cell != NN_CELL_NONE && model->vocabulary == NULL)
		NN_TRY(learn_vocabulary(learner, err));
	if (model->vocabulary != NULL)
		model->spec.vocabulary = nn_vocabulary_n(model->vocabulary);
	if (model->spec.wide == NN_WIDE_BAG)
	{
		NN_TRY(nn_learner_key_words(learner, err));
		NN_TRY(nn_learner_count_features(learner, split, err));
		NN_TRY(nn_learner_count_warm(learner, &min_count, err));
		if (nn_feature_index_learn(&model->features, learner->counter, min_count, options->bag_features, learner->env) != NN_OK)
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
	if (learner->task == NN_TASK_LANGUAGE)
		NN_TRY(nn_learner_learn_documents(learner, err));
	if (learner->task == NN_TASK_TAG)
		return nn_learner_use_forms(learner, err);
	if (model->spec.wide == NN_WIDE_NONE && model->spec.cell == NN_CELL_NONE)
	{
		nn_fail(err, NN_EDATA, "the network has no part left to learn with");
		return nn_fail_hint(err, "Leave option \"cell\" or option \"bag\" away, or look whether the input column holds any words.");
	}
	return nn_learner_use_words(learner, err);
}
