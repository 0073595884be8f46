/*
 * model/learn_examples.c: what words become, and rows as examples.
 *
 * Everything is decided once for each distinct word (its tokens, its rows of the
 * bag's table); a row's lists are then copies of its words' lists.  The order is
 * that of encode.c: a training row is answered from the numbers it was learned with.
 */
#include "model/learn_private.h"

#include <stddef.h>
#include <string.h>

#include "base/rng.h"

/* ---- parts ---------------------------------------------------------------------- */

/* The streams of a part. */
static const struct
{
	size_t		offset;
	size_t		item_bytes;
}			part_arrays[] = {
	{offsetof(NnPart, token_start), sizeof(int64_t)},
	{offsetof(NnPart, token), sizeof(int32_t)},
	{offsetof(NnPart, bag_start), sizeof(int64_t)},
	{offsetof(NnPart, bag_row), sizeof(int32_t)},
	{offsetof(NnPart, bag_n_words), sizeof(int32_t)},
	{offsetof(NnPart, step_start), sizeof(int64_t)},
	{offsetof(NnPart, values), sizeof(float)},
	{offsetof(NnPart, label), sizeof(int32_t)},
	{offsetof(NnPart, target), sizeof(float)},
	{offsetof(NnPart, flat), sizeof(float)},
	{offsetof(NnPart, weight), sizeof(float)},
	{offsetof(NnPart, tag), sizeof(int32_t)},
	{offsetof(NnPart, written_start), sizeof(int64_t)},
	{offsetof(NnPart, written), sizeof(int32_t)},
};

#define N_PART_ARRAYS (sizeof(part_arrays) / sizeof(part_arrays[0]))

static NnArray *
part_array(const NnPart *part, size_t i)
{
	return (NnArray *) ((char *) part + part_arrays[i].offset);
}

void
nn_part_init(NnPart *part, const NnEnv *env, size_t map_bytes)
{
	memset(part, 0, sizeof(*part));
	for (size_t i = 0; i < N_PART_ARRAYS; i++)
	{
		nn_array_init(part_array(part, i), env, part_arrays[i].item_bytes);
		part_array(part, i)->map_bytes = map_bytes;
	}
}

void
nn_part_free(NnPart *part)
{
	for (size_t i = 0; i < N_PART_ARRAYS; i++)
		nn_array_free(part_array(part, i));
	memset(&part->examples, 0, sizeof(part->examples));
}

size_t
nn_part_bytes(const NnPart *part)
{
	size_t		n = 0;

	for (size_t i = 0; i < N_PART_ARRAYS; i++)
		n += nn_array_bytes(part_array(part, i));
	return n;
}

size_t
nn_part_growth_bytes(const NnPart *part, const NnPart *other)
{
	size_t		n = 0;

	for (size_t i = 0; i < N_PART_ARRAYS; i++)
		n += nn_array_growth_bytes(part_array(part, i), part_array(other, i)->n);
	return n;
}

size_t
nn_part_mapped_bytes(const NnPart *part)
{
	size_t		n = 0;

	for (size_t i = 0; i < N_PART_ARRAYS; i++)
		n += nn_array_mapped_bytes(part_array(part, i));
	return n;
}

static bool
push_i64(NnArray *array, int64_t value)
{
	int64_t    *place = nn_array_push(array, 1);

	if (place != NULL)
		*place = value;
	return place != NULL;
}

static bool
push_i32(NnArray *array, int32_t value)
{
	int32_t    *place = nn_array_push(array, 1);

	if (place != NULL)
		*place = value;
	return place != NULL;
}

/* A stream that stays empty is still there. */
static bool
begin_stream(NnArray *array)
{
	bool		ok = nn_array_push(array, 1) != NULL;

	array->n = 0;
	return ok;
}

/* ---- what words become -------------------------------------------------------------------- */

/* A distinct word as the bag knows it: folded, where the tokenizer keeps texts exact. */
static NnStatus
bag_form(const NnLearner *learner, int32_t word, char *room, const char **bytes, int *n_bytes)
{
	*bytes = nn_lexicon_bytes(learner->lexicon, word);
	*n_bytes = (int) nn_lexicon_get(learner->lexicon, word)->n_bytes;
	if (!learner->model->tokenizer.is_exact)
		return NN_OK;
	NN_TRY(nn_text_fold(learner->env, false, *bytes, (size_t) *n_bytes, room, n_bytes, NULL));
	*bytes = room;
	return NN_OK;
}

NnStatus
nn_learner_key_words(NnLearner *learner, NnError *err)
{
	int32_t		n_words = nn_lexicon_n(learner->lexicon);
	uint64_t   *key;

	nn_array_free(&learner->bag_key);
	key = nn_array_push(&learner->bag_key, (size_t) n_words);
	if (key == NULL && n_words > 0)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int32_t w = 0; w < n_words; w++)
	{
		char		room[NN_WORD_BYTES];
		const char *bytes;
		int			n_bytes;
		NnStatus	status = bag_form(learner, w, room, &bytes, &n_bytes);

		if (status != NN_OK)
			return nn_fail(err, status, "%s", nn_status_text(status));
		key[w] = n_bytes > 0 ? nn_hash_bytes(bytes, (uint64_t) n_bytes, 0) : 0;
	}
	return NN_OK;
}

/* Count the words of one training row in count, and its pairs in the counter. */
static NnStatus
count_row(NnLearner *learner, const NnRow *row, int32_t *count)
{
	const int32_t *words = (const int32_t *) learner->words.data + row->start;
	uint64_t	last = 0;

	for (int32_t j = 0; j < row->n; j++)
	{
		uint64_t	key = ((const uint64_t *) learner->bag_key.data)[words[j]];

		if (count[words[j]] < INT32_MAX)
			count[words[j]]++;
		if (key == 0)
			continue;
		if (last != 0)
			NN_TRY(nn_feature_counter_add(learner->counter, nn_feature_pair(last, key), 1));
		last = key;
	}
	return NN_OK;
}

/* Count a distinct word and its character n-grams as often as the word occurs. */
static NnStatus
count_word(NnLearner *learner, int32_t word, int32_t times, bool has_ngrams)
{
	uint64_t	key = ((const uint64_t *) learner->bag_key.data)[word];
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];
	char		room[NN_WORD_BYTES];
	const char *bytes;
	int			n_bytes;
	int			n = 0;

	if (key == 0)
		return NN_OK;
	NN_TRY(nn_feature_counter_add(learner->counter, nn_feature_word(key), times));
	NN_TRY(bag_form(learner, word, room, &bytes, &n_bytes));
	if (has_ngrams)
		n = nn_feature_ngrams(bytes, n_bytes, keys);
	for (int k = 0; k < n; k++)
		NN_TRY(nn_feature_counter_add(learner->counter, keys[k], times));
	return NN_OK;
}

/* Count every feature of the rows to train on; times (distinct words) is scratch. */
static NnStatus
count_all(NnLearner *learner, const NnSplit *split, int32_t *times)
{
	for (int64_t i = 0; i < (int64_t) learner->rows.n; i++)
	{
		const NnRow *row = nn_learner_row(learner, i);

		if ((i & 255) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return NN_ECANCELED;
		if (!nn_learner_is_held_out(learner, i, split))
			NN_TRY(count_row(learner, row, times));
	}
	for (int32_t w = 0; w < nn_lexicon_n(learner->lexicon); w++)
		if (times[w] > 0)
			NN_TRY(count_word(learner, w, times[w], learner->model->has_ngrams));
	return NN_OK;
}

NnStatus
nn_learner_count_features(NnLearner *learner, const NnSplit *split, NnError *err)
{
	int32_t		n_words = nn_lexicon_n(learner->lexicon);
	int32_t    *times = learner->env->alloc(learner->env->ctx, ((size_t) n_words + 1) * sizeof(int32_t));
	NnStatus	status = nn_feature_counter_create(&learner->counter, learner->env);

	if (times == NULL)
		status = NN_ENOMEM;
	if (status == NN_OK)
		status = count_all(learner, split, times);
	learner->env->release(learner->env->ctx, times);
	if (status != NN_OK)
		return nn_fail(err, status, "%s", nn_status_text(status));
	return nn_learner_check_memory(learner, 0, err);
}

/* Pieces and n-gram rows of every distinct word. */
NnStatus
nn_learner_use_words(NnLearner *learner, NnError *err)
{
	const NnModel *model = learner->model;
	int32_t		n_words = nn_lexicon_n(learner->lexicon);
	uint64_t	keys[3 * NN_WORD_CHARACTERS + 8];
	int32_t		ids[NN_WORD_BYTES + 8];

	for (int32_t w = 0; w < n_words; w++)
	{
		const NnLexeme *lexeme = nn_lexicon_get(learner->lexicon, w);
		const char *bytes = nn_lexicon_bytes(learner->lexicon, w);
		NnWordUse  *use = nn_array_push(&learner->uses, 1);
		char		room[NN_WORD_BYTES];
		const char *form;
		int			n_form;
		bool		is_known;

		if (use == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		if ((w & 1023) == 0 && learner->env->poll(learner->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		use->token_start = (int64_t) learner->piece.n;
		use->ngram_start = (int64_t) learner->ngram.n;
		use->n_tokens = use->n_ngrams = 0;
		use->word_row = -1;
		if (model->vocabulary != NULL)
		{
			use->n_tokens = nn_encode_word(model, bytes, (int) lexeme->n_bytes, ids, &is_known);
			for (int32_t k = 0; k < use->n_tokens; k++)
				if (!push_i32(&learner->piece, ids[k]))
					return nn_fail(err, NN_ENOMEM, "out of memory");
		}
		if (model->spec.wide != NN_WIDE_BAG)
			continue;
		if (((const uint64_t *) learner->bag_key.data)[w] == 0)
			continue;
		use->word_row = nn_feature_index_find(model->features,
											  nn_feature_word(((const uint64_t *) learner->bag_key.data)[w]));
		if (!model->has_ngrams)
			continue;
		NN_TRY(bag_form(learner, w, room, &form, &n_form));
		for (int k = 0, n = nn_feature_ngrams(form, n_form, keys); k < n; k++)
		{
			int32_t		row = nn_feature_index_find(model->features, keys[k]);

			if (row >= 0 && !push_i32(&learner->ngram, row))
				return nn_fail(err, NN_ENOMEM, "out of memory");
			use->n_ngrams += row >= 0;
		}
	}
	return nn_learner_check_memory(learner, 0, err);
}

/* ---- examples -------------------------------------------------------------------------------- */

static bool
append_tokens(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut)
{
	const int32_t *words = (const int32_t *) learner->words.data + row->start;
	const NnWordUse *uses = learner->uses.data;
	int64_t		room = learner->model->max_tokens;
	bool		ok = true;

	for (int32_t j = 0; j < row->n && ok; j++)
	{
		const NnWordUse *use = &uses[words[j]];
		int32_t		n = use->n_tokens < room ? use->n_tokens : (int32_t) room;
		int32_t    *place = nn_array_push(&part->token, (size_t) n);

		ok = place != NULL || n == 0;
		if (ok && n > 0)
			memcpy(place, (const int32_t *) learner->piece.data + use->token_start, (size_t) n * sizeof(int32_t));
		room -= n;
		if (n < use->n_tokens)
		{
			(*n_cut)++;
			break;
		}
	}
	return ok && push_i64(&part->token_start, (int64_t) part->token.n);
}

static bool
append_bag(const NnLearner *learner, NnPart *part, const NnRow *row)
{
	const int32_t *words = (const int32_t *) learner->words.data + row->start;
	const NnWordUse *uses = learner->uses.data;
	size_t		first = part->bag_row.n;
	uint64_t	last = 0;
	bool		ok = true;

	for (int32_t j = 0; j < row->n && ok; j++)
	{
		uint64_t	key = ((const uint64_t *) learner->bag_key.data)[words[j]];
		int32_t		pair = -1;

		if (key == 0)
			continue;
		if (uses[words[j]].word_row >= 0)
			ok = push_i32(&part->bag_row, uses[words[j]].word_row);
		if (last != 0)
			pair = nn_feature_index_find(learner->model->features, nn_feature_pair(last, key));
		if (pair >= 0)
			ok = ok && push_i32(&part->bag_row, pair);
		last = key;
	}
	ok = ok && push_i32(&part->bag_n_words, (int32_t) (part->bag_row.n - first));
	for (int32_t j = 0; j < row->n && ok && learner->model->has_ngrams; j++)
	{
		const NnWordUse *use = &uses[words[j]];
		int32_t    *place = nn_array_push(&part->bag_row, (size_t) use->n_ngrams);

		ok = place != NULL || use->n_ngrams == 0;
		if (ok && use->n_ngrams > 0)
			memcpy(place, (const int32_t *) learner->ngram.data + use->ngram_start,
				   (size_t) use->n_ngrams * sizeof(int32_t));
	}
	return ok && push_i64(&part->bag_start, (int64_t) part->bag_row.n);
}

bool
nn_part_append_steps(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut)
{
	const NnModel *model = learner->model;
	int			E = model->n_channels;
	bool		is_vector = model->spec.input == NN_INPUT_VECTOR;
	int64_t		n_steps = is_vector ? 1 : row->n;
	int64_t		skip = 0;
	const float *from;
	float	   *to;

	if (n_steps > model->max_tokens && model->flat_steps == 0)
	{
		skip = n_steps - model->max_tokens;
		n_steps = model->max_tokens;
		(*n_cut)++;
	}
	from = (const float *) learner->floats.data + row->start + skip * E;
	to = nn_array_push(&part->values, (size_t) (n_steps * E));
	if (to == NULL)
		return false;
	for (int64_t j = 0; j < n_steps * E; j++)
		to[j] = (from[j] - model->input_mean[j % E]) * model->input_scale[j % E];
	return push_i64(&part->step_start, (int64_t) part->values.n / E);
}

/* 1 for each label of the row, 0 for the others. */
static bool
append_labels(const NnLearner *learner, NnPart *part, const NnRow *row)
{
	int			n;
	const int32_t *labels = nn_learner_row_labels(learner, row, &n);
	size_t		C = (size_t) learner->model->spec.n_outputs;
	float	   *target = nn_array_push(&part->target, C);

	if (target == NULL)
		return false;
	memset(target, 0, C * sizeof(float));
	for (int k = 0; k < n; k++)
		target[learner->label_rank[labels[k]]] = 1.0f;
	return true;
}

static bool
append_example(const NnLearner *learner, NnPart *part, const NnRow *row, int64_t *n_cut)
{
	const NnModel *model = learner->model;
	bool		ok = true;

	if (learner->kind == NN_VALUE_NUMBERS)
		ok = nn_part_append_steps(learner, part, row, n_cut);
	else
	{
		if (model->vocabulary != NULL)
			ok = append_tokens(learner, part, row, n_cut);
		else
			ok = push_i64(&part->token_start, 0);
		if (model->features != NULL)
			ok = ok && append_bag(learner, part, row);
	}
	if (ok && learner->is_multi_label)
		return append_labels(learner, part, row);
	if (ok && learner->task == NN_TASK_CLASSIFY)
		return push_i32(&part->label, learner->label_rank[row->label]);
	if (ok)
	{
		float	   *place = nn_array_push(&part->target, 1);

		ok = place != NULL;
		if (ok)
			*place = (float) ((row->number - model->target_mean) / model->target_scale);
	}
	return ok;
}

/* Point the examples at the arrays. */
static void
close_part(const NnLearner *learner, NnPart *part, int64_t n)
{
	NnExamples *examples = &part->examples;
	bool		is_text = learner->kind != NN_VALUE_NUMBERS;
	bool		has_bag = learner->model->spec.wide == NN_WIDE_BAG;

	memset(examples, 0, sizeof(*examples));
	examples->n = n;
	examples->token_start = is_text ? part->token_start.data : NULL;
	examples->token = is_text ? part->token.data : NULL;
	examples->bag_start = has_bag ? part->bag_start.data : NULL;
	examples->bag_row = has_bag ? part->bag_row.data : NULL;
	examples->bag_n_words = has_bag ? part->bag_n_words.data : NULL;
	examples->step_start = is_text ? NULL : part->step_start.data;
	examples->values = is_text ? NULL : part->values.data;
	examples->label = part->label.data;
	examples->target = part->target.data;
	if (learner->task == NN_TASK_TAG)
	{
		examples->forms = &learner->forms;
		examples->tag = part->tag.data;
	}
	if (learner->model->spec.decoder_layers > 0)
	{
		examples->written_start = part->written_start.data;
		examples->written = part->written.data;
	}
	examples->is_running = learner->task == NN_TASK_LANGUAGE && learner->options.running == 1;
}

/* Encode all rows into the two parts. */
NnStatus
nn_learner_fill_parts(NnLearner *learner, const NnSplit *split, NnError *err)
{
	NnPart	   *parts[2] = {&learner->train, &learner->valid};
	int64_t		n[2] = {0, 0};

	learner->plan.n_truncated = 0;
	for (int p = 0; p < 2; p++)
	{
		nn_part_free(parts[p]);
		if (!push_i64(&parts[p]->token_start, 0) || !push_i64(&parts[p]->bag_start, 0) ||
			!push_i64(&parts[p]->step_start, 0) || !begin_stream(&parts[p]->token) ||
			!begin_stream(&parts[p]->bag_row) || !begin_stream(&parts[p]->values) ||
			!push_i64(&parts[p]->written_start, 0) || !begin_stream(&parts[p]->written) ||
			!begin_stream(&parts[p]->tag))
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	for (int64_t i = 0; i < learner->n_sorted; i++)
	{
		const NnRow *row = nn_learner_row(learner, learner->sorted[i]);
		bool		ok;
		bool		p = nn_learner_is_held_out(learner, learner->sorted[i], split);

		ok = nn_task_is_pooled(learner->task) ?
			append_example(learner, parts[p], row, &learner->plan.n_truncated) :
			nn_part_append_tokens(learner, parts[p], row, &learner->plan.n_truncated, &n[p]);
		if (!ok)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		n[p] += nn_task_is_pooled(learner->task);
		if ((i & 255) == 0)
		{
			if (learner->env->poll(learner->env->ctx) != 0)
				return nn_fail(err, NN_ECANCELED, "canceled");
			NN_TRY(nn_learner_check_memory(learner, 0, err));
		}
	}
	close_part(learner, &learner->train, n[0]);
	close_part(learner, &learner->valid, n[1]);
	return NN_OK;
}
