/*
 * model/learn_rows.c: adding rows to a learner.
 *
 * A text is tokenized at once and kept as the numbers of its words; the text
 * itself is not kept.  Arrays of numbers are kept as they are.
 */
#include "model/learn_private.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/rng.h"
#include "nn/crf.h"

/* A label is a name: longer ones are texts in the wrong column. */
#define MAX_LABEL_BYTES	1000

/* Where rows have many labels, each holds a number for every label. */
#define MAX_MANY_LABELS	5000

/*
 * A stream is kept in memory up to this share of the limit, and in a temporary file
 * beyond it: what grows with the rows then never reaches the limit, and training
 * reads of the files what a batch needs.
 */
#define MAPPED_SHARE	32

/* The learner's growing arrays. */
static const struct
{
	size_t		offset;
	size_t		item_bytes;
	bool		grows_with_rows;	/* else with distinct words, or with columns */
}			learner_arrays[] = {
	{offsetof(NnLearner, rows), sizeof(NnRow), true},
	{offsetof(NnLearner, words), sizeof(int32_t), true},
	{offsetof(NnLearner, target_words), sizeof(int32_t), true},
	{offsetof(NnLearner, floats), sizeof(float), true},
	{offsetof(NnLearner, measured), 1, true},
	{offsetof(NnLearner, exceptions), sizeof(uint64_t), false},
	{offsetof(NnLearner, bag_key), sizeof(uint64_t), false},
	{offsetof(NnLearner, weights), sizeof(float), false},
	{offsetof(NnLearner, vector_word), sizeof(int32_t), false},
	{offsetof(NnLearner, vectors), sizeof(float), false},
	{offsetof(NnLearner, uses), sizeof(NnWordUse), false},
	{offsetof(NnLearner, piece), sizeof(int32_t), false},
	{offsetof(NnLearner, ngram), sizeof(int32_t), false},
	{offsetof(NnLearner, form_rank), sizeof(int32_t), false},
	{offsetof(NnLearner, form_word), sizeof(int32_t), false},
	{offsetof(NnLearner, form_start), sizeof(int64_t), false},
	{offsetof(NnLearner, form_row), sizeof(int32_t), false},
	{offsetof(NnLearner, form_flags), sizeof(uint16_t), false},
};

#define N_LEARNER_ARRAYS (sizeof(learner_arrays) / sizeof(learner_arrays[0]))

static NnArray *
learner_array(const NnLearner *learner, size_t i)
{
	return (NnArray *) ((char *) learner + learner_arrays[i].offset);
}

static void
init_arrays(NnLearner *learner)
{
	size_t		map_bytes = learner->limit_bytes / MAPPED_SHARE;

	for (size_t i = 0; i < N_LEARNER_ARRAYS; i++)
	{
		nn_array_init(learner_array(learner, i), learner->env, learner_arrays[i].item_bytes);
		if (learner_arrays[i].grows_with_rows)
			learner_array(learner, i)->map_bytes = map_bytes;
	}
	nn_part_init(&learner->train, learner->env, map_bytes);
	nn_part_init(&learner->valid, learner->env, map_bytes);
}

NnStatus
nn_learner_create(NnLearner **learner_out, NnTask task, NnValueKind kind, const NnOptions *options,
				  size_t limit_bytes, const NnEnv *env, NnError *err)
{
	NnLearner  *learner = env->alloc(env->ctx, sizeof(NnLearner));

	if (learner == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	nn_kern_init();
	learner->env = env;
	learner->task = task;
	learner->kind = kind;
	learner->options = *options;
	if (options->validation < 0.0)
		learner->options.validation = nn_recipe_validation(task, options->order_by[0] != '\0');
	learner->limit_bytes = limit_bytes;
	learner->is_one_length = true;
	init_arrays(learner);
	learner->windowing.arena = nn_arena_create(env);
	*learner_out = learner;
	if (learner->windowing.arena == NULL || nn_lexicon_create(&learner->lexicon, env) != NN_OK ||
		nn_lexicon_create(&learner->label_lexicon, env) != NN_OK ||
		nn_lexicon_create(&learner->form_lexicon, env) != NN_OK ||
		nn_lexicon_create(&learner->weighed, env) != NN_OK ||
		nn_model_create(&learner->model, env, err) != NN_OK)
	{
		nn_learner_destroy(learner);
		*learner_out = NULL;
		return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	learner->model->tokenizer.is_case_kept = options->case_sensitive == 1 || task == NN_TASK_TAG;
	learner->model->tokenizer.is_exact = nn_task_writes_text(task);
	if (nn_task_writes_text(task))
		learner->model->unit = options->unit == (int) NN_UNIT_CHARACTER ? NN_UNIT_CHARACTER :
			kind == NN_VALUE_WORDS ? NN_UNIT_GIVEN : NN_UNIT_WORD;
	learner->is_ordered = task == NN_TASK_LANGUAGE && options->order_by[0] != '\0';
	return NN_OK;
}

void
nn_learner_expect_many_labels(NnLearner *learner)
{
	learner->is_multi_label = true;
}

void
nn_learner_destroy(NnLearner *learner)
{
	const NnEnv *env;

	if (learner == NULL)
		return;
	env = learner->env;
	for (size_t i = 0; i < N_LEARNER_ARRAYS; i++)
		nn_array_free(learner_array(learner, i));
	nn_part_free(&learner->train);
	nn_part_free(&learner->valid);
	nn_arena_destroy(learner->windowing.arena);
	nn_lexicon_destroy(learner->lexicon);
	nn_lexicon_destroy(learner->label_lexicon);
	nn_lexicon_destroy(learner->form_lexicon);
	nn_lexicon_destroy(learner->weighed);
	nn_feature_counter_destroy(learner->counter);
	nn_model_destroy(learner->model);
	env->release(env->ctx, learner->sorted);
	env->release(env->ctx, learner->label_rank);
	env->release(env->ctx, learner);
}

size_t
nn_learner_bytes(const NnLearner *learner)
{
	size_t		n = sizeof(NnLearner);

	for (size_t i = 0; i < N_LEARNER_ARRAYS; i++)
		n += nn_array_bytes(learner_array(learner, i));
	n += nn_part_bytes(&learner->train) + nn_part_bytes(&learner->valid);
	n += nn_arena_bytes(learner->windowing.arena);
	n += nn_lexicon_size_bytes(learner->lexicon) + nn_lexicon_size_bytes(learner->label_lexicon);
	n += nn_lexicon_size_bytes(learner->form_lexicon) + nn_lexicon_size_bytes(learner->weighed);
	if (learner->counter != NULL)
		n += nn_feature_counter_size_bytes(learner->counter);
	n += nn_model_bytes(learner->model);
	n += (size_t) learner->n_sorted * sizeof(int32_t);
	return n;
}

size_t
nn_learner_mapped_bytes(const NnLearner *learner)
{
	size_t		n = nn_part_mapped_bytes(&learner->train) + nn_part_mapped_bytes(&learner->valid);

	for (size_t i = 0; i < N_LEARNER_ARRAYS; i++)
		n += nn_array_mapped_bytes(learner_array(learner, i));
	return n;
}

NnStatus
nn_learner_check_memory(const NnLearner *learner, size_t more, NnError *err)
{
	size_t		n = nn_size_add(nn_learner_bytes(learner), more);

	if (learner->limit_bytes > 0 && n > learner->limit_bytes)
	{
		nn_fail(err, NN_ELIMIT, "training would need more memory than allowed");
		nn_fail_detail(err, "It needs %zu MB; the limit is %zu MB.",
					   n / (1024 * 1024) + 1, learner->limit_bytes / (1024 * 1024));
		return nn_fail_hint(err, "Raise pg_lstm.train_memory, train on fewer rows (option \"where\"), "
							"or make the model smaller (\"bag_features\", \"vocabulary\", \"max_tokens\", \"batch\").");
	}
	return NN_OK;
}

/* ---- one row ------------------------------------------------------------------- */

static NnStatus
add_words(NnLearner *learner, const NnValue *input, int32_t number, NnRow *row, NnError *err)
{
	row->start = (int64_t) learner->words.n;
	row->input_hash = nn_input_hash(input);
	NN_TRY(nn_learner_add_words(learner, input, number, &learner->words, err));
	row->n = (int32_t) ((int64_t) learner->words.n - row->start);
	return NN_OK;
}

static NnStatus
add_numbers(NnLearner *learner, const NnValue *input, NnRow *row, NnError *err)
{
	size_t		n = (size_t) input->n_steps * (size_t) input->n_channels;
	float	   *place;

	if (n == 0)
		return nn_fail(err, NN_EINVAL, "input array is empty");
	if (learner->n_channels == 0)
	{
		learner->n_channels = input->n_channels;
		learner->n_steps = input->n_steps;
	}
	if (input->n_channels != learner->n_channels)
	{
		nn_fail(err, NN_EINVAL, "input arrays have different widths");
		return nn_fail_detail(err, "One has %d numbers a step, an earlier one %d.",
							  input->n_channels, learner->n_channels);
	}
	if (input->n_steps != learner->n_steps)
		learner->is_one_length = false;
	if (input->n_steps > learner->longest)
		learner->longest = input->n_steps;
	row->start = (int64_t) learner->floats.n;
	row->n = input->n_steps;
	row->input_hash = nn_input_hash(input);
	place = nn_array_push(&learner->floats, n);
	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	memcpy(place, input->numbers, n * sizeof(float));
	return NN_OK;
}

static NnStatus
add_number(const NnTarget *target, NnRow *row, NnError *err)
{
	if (!isfinite(target->number))
		return nn_fail(err, NN_ERANGE, "target is %s", isnan(target->number) ? "NaN" : "infinite");
	row->number = target->number;
	row->target_hash = nn_hash_bytes(&row->number, sizeof(row->number), 4);
	return NN_OK;
}

/* A label or a tag into the label lexicon. */
static NnStatus
add_label(NnLearner *learner, const char *label, size_t n_bytes, int32_t row, int limit, int32_t *number, NnError *err)
{
	const char *what = learner->task == NN_TASK_TAG ? "tag" : "label";
	NnStatus	status;

	if (n_bytes > MAX_LABEL_BYTES)
	{
		nn_fail(err, NN_EINVAL, "%s is too long", what);
		nn_fail_detail(err, "It has %zu bytes; a %s has at most %d.", n_bytes, what, MAX_LABEL_BYTES);
		return nn_fail_hint(err, "Is the target column the right one? Texts are learned with task => 'translate'.");
	}
	status = nn_lexicon_add(learner->label_lexicon, label, (int) n_bytes, row, number);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	if (nn_lexicon_n(learner->label_lexicon) > limit)
	{
		nn_fail(err, NN_EDATA, "target has more than %d different %ss", limit, what);
		return nn_fail_hint(err, "Is the target column the right one? Numbers can be learned with task => 'regress', texts with task => 'translate'.");
	}
	return NN_OK;
}

/* Labels of a row, each once, in any order. */
static NnStatus
add_labels(NnLearner *learner, const NnValue *labels, int32_t number, NnRow *row, NnError *err)
{
	if (labels == NULL || labels->kind != NN_VALUE_WORDS)
		return nn_fail(err, NN_EINTERNAL, "labels of a row are missing");
	for (int i = 0; i < labels->n_words; i++)
	{
		const char *label = labels->words[i];
		size_t		n_bytes = labels->word_bytes[i];
		int32_t		known = n_bytes <= MAX_LABEL_BYTES ?
		nn_lexicon_find(learner->label_lexicon, label, (int) n_bytes) : -1;
		int32_t    *place;

		if (known >= 0 && nn_lexicon_get(learner->label_lexicon, known)->last_row == number)
			continue;
		place = nn_array_push(&learner->target_words, 1);
		if (place == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(add_label(learner, label, n_bytes, number, MAX_MANY_LABELS, place, err));
		/* a sum: their order says nothing */
		row->target_hash += nn_mix64(nn_lexicon_get(learner->label_lexicon, *place)->hash);
		row->target_n++;
	}
	return NN_OK;
}

/* As many tags as the row has tokens. */
static NnStatus
add_tags(NnLearner *learner, const NnValue *tags, int32_t number, NnRow *row, NnError *err)
{
	if (tags == NULL || tags->kind != NN_VALUE_WORDS)
		return nn_fail(err, NN_EINTERNAL, "tags of a row are missing");
	if (tags->n_words != row->n)
	{
		nn_fail(err, NN_EINVAL, "a row has not as many tags as tokens");
		nn_fail_detail(err, "It has %d tokens and %d tags.", (int) row->n, tags->n_words);
		return nn_fail_hint(err, "Tags belong to the elements of a text[]; of plain text they belong to the words as lstm_tag() shows them. Labels of a row as a whole are learned with task => 'classify'.");
	}
	for (int i = 0; i < tags->n_words; i++)
	{
		int32_t    *place = nn_array_push(&learner->target_words, 1);

		if (place == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(add_label(learner, tags->words[i], tags->word_bytes[i], number, NN_MAX_TAGS, place, err));
	}
	return NN_OK;
}

static NnStatus
add_target(NnLearner *learner, const NnTarget *target, int32_t number, NnRow *row, NnError *err)
{
	row->target_start = (int64_t) learner->target_words.n;
	switch (learner->task)
	{
		case NN_TASK_REGRESS:
			return add_number(target, row, err);
		case NN_TASK_CLASSIFY:
			if (learner->is_multi_label)
				return add_labels(learner, target->value, number, row, err);
			row->target_hash = nn_hash_bytes(target->label, target->n_bytes, 4);
			return add_label(learner, target->label, target->n_bytes, number, NN_MAX_OUTPUTS, &row->label, err);
		case NN_TASK_FORECAST:
			return nn_learner_add_following(learner, target->value, row, err);
		case NN_TASK_TAG:
			NN_TRY(add_tags(learner, target->value, number, row, err));
			break;
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			if (target->value == NULL || target->value->kind == NN_VALUE_NUMBERS)
				return nn_fail(err, NN_EINTERNAL, "the text to write is missing");
			NN_TRY(nn_value_check(target->value, err));
			NN_TRY(nn_learner_add_words(learner, target->value, number, &learner->target_words, err));
			break;
		default:
			return NN_OK;
	}
	row->target_n = (int32_t) ((int64_t) learner->target_words.n - row->target_start);
	row->target_hash = nn_input_hash(target->value);
	return NN_OK;
}

NnStatus
nn_learner_add(NnLearner *learner, const NnValue *input, const NnTarget *target, NnError *err)
{
	int32_t		number = (int32_t) learner->rows.n;
	NnRow		row = {0};
	NnRow	   *place;

	if (learner->rows.n >= INT32_MAX - 1)
		return nn_fail(err, NN_ELIMIT, "too many rows");
	NN_TRY(nn_value_check(input, err));
	if (input->kind == NN_VALUE_NUMBERS)
		NN_TRY(add_numbers(learner, input, &row, err));
	else
		NN_TRY(add_words(learner, input, number, &row, err));
	NN_TRY(add_target(learner, target, number, &row, err));
	place = nn_array_push(&learner->rows, 1);
	if (place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*place = row;
	return nn_learner_check_memory(learner, 0, err);
}

static int32_t
least_rows(const NnLearner *learner)
{
	return learner->options.min_rows < 0 ? NN_RECIPE_MIN_ROWS : learner->options.min_rows;
}

/*
 * The number of a word of the table, or -1.  The column's words are normalized,
 * so the table's must be.  A tagger knows words as wholes, and keeps all.
 */
static NnStatus
find_vector_word(NnLearner *learner, const char *word, size_t n_bytes, int32_t *number, NnError *err)
{
	NnTokenizer tokenizer;
	NnWord		first;
	NnWord		second;

	*number = -1;
	if (learner->task == NN_TASK_TAG)
	{
		char		folded[NN_WORD_BYTES];
		int			n;

		NN_TRY(nn_text_fold(learner->env, false, word, n_bytes, folded, &n, err));
		/* as if it had been in rows enough to be kept: these words are no secrets of the rows */
		for (int32_t row = -least_rows(learner); row < 0 && n > 0; row++)
			NN_TRY(nn_lexicon_add(learner->lexicon, folded, n, row, number));
		return NN_OK;
	}
	nn_tokenizer_init(&tokenizer, learner->env, &learner->model->tokenizer, word, n_bytes);
	NN_TRY(nn_tokenizer_next(&tokenizer, &first, err));
	if (first.bytes == NULL)
		return NN_OK;
	*number = nn_lexicon_find(learner->lexicon, first.bytes, first.n_bytes);
	NN_TRY(nn_tokenizer_next(&tokenizer, &second, err));
	if (second.bytes != NULL)
		*number = -1;
	return NN_OK;
}

NnStatus
nn_learner_add_vector(NnLearner *learner, const char *word, size_t n_bytes, const float *vector,
					  int width, NnError *err)
{
	int32_t		number;
	int32_t    *place;
	float	   *floats;

	if (learner->vector_width == 0)
		learner->vector_width = width;
	if (width < 1 || width > NN_MAX_EMBEDDING)
	{
		nn_fail(err, NN_EINVAL, "word vector has an unusable width");
		return nn_fail_detail(err, "It has %d numbers; 1 to %d can be used.", width, NN_MAX_EMBEDDING);
	}
	if (width != learner->vector_width)
	{
		nn_fail(err, NN_EINVAL, "word vectors have different widths");
		return nn_fail_detail(err, "One has %d numbers, an earlier one %d.", width, learner->vector_width);
	}
	for (int i = 0; i < width; i++)
		if (!isfinite(vector[i]))
		{
			nn_fail(err, NN_ERANGE, "word vector holds a number that is not finite");
			return nn_fail_detail(err, "It is number %d of the vector of \"%.*s\".", i + 1,
								  n_bytes < 100 ? (int) n_bytes : 100, word);
		}

	NN_TRY(find_vector_word(learner, word, n_bytes, &number, err));
	if (number < 0)
		return NN_OK;
	place = nn_array_push(&learner->vector_word, 1);
	floats = nn_array_push(&learner->vectors, (size_t) width);
	if (place == NULL || floats == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	*place = number;
	memcpy(floats, vector, (size_t) width * sizeof(float));
	return nn_learner_check_memory(learner, 0, err);
}

int64_t
nn_learner_n_vectors(const NnLearner *learner)
{
	return (int64_t) learner->vector_word.n;
}
