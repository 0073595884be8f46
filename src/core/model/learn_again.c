/*
 * model/learn_again.c: what a training takes over from an earlier version of its model.
 *
 * The rows have changed since: there are words, features and labels that the earlier
 * version did not know, and some that it knew are gone.  So vocabulary, feature index and
 * labels are learned anew from the rows of now, and weights are found again by what
 * they belong to:
 *
 *	rows of the embedding, biases of the output		by the bytes of the token
 *	rows of the bag's table							by the key of the feature
 *	rows of a head, and what a CRF knows of a tag	by the name of the label
 *	everything else									by the name of the tensor
 *
 * What is new begins as in any training.  So a new label extends the head and leaves
 * what the others have learned as it is.
 *
 * That the rows which are held out were held out of the earlier version too is the
 * caller's care (learn_split.c); weights that have seen them must not come here.
 */
#include "model/learn_private.h"

#include <string.h>

NnStatus
nn_learner_go_on(NnLearner *learner, const NnModel *former, const NnSplit *split, NnError *err)
{
	if (learner->rows.n > 0)
		return nn_fail(err, NN_EINTERNAL, "an earlier version comes before the first row");
	if (former->spec.task != learner->task)
		return nn_fail(err, NN_EINVAL, "the earlier version has another task");
	learner->former = former;
	learner->earlier = split;
	if (learner->kind == NN_VALUE_NUMBERS)
		return NN_OK;
	learner->model->unit = former->unit;
	learner->model->tokenizer = former->tokenizer;
	return NN_OK;
}

void
nn_learner_follow_former(NnLearner *learner)
{
	NnOptions  *options = &learner->options;
	const NnModel *former = learner->former;
	const NnSpec *spec = &former->spec;

	if (options->hidden < 0 && spec->hidden > 0)
		options->hidden = spec->hidden;
	if (options->embedding < 0 && spec->embedding > 0 && former->vocabulary != NULL)
		options->embedding = spec->embedding;
	/* many labels more need a wider bag */
	if (options->bag_hidden < 0 && spec->wide == NN_WIDE_BAG &&
		nn_lexicon_n(learner->label_lexicon) <= 2 * spec->n_outputs)
		options->bag_hidden = spec->wide_hidden;
}

/* ---- which of ours was which of the former's ------------------------------------------ */

/* Numbers of the former's tokens, features or labels for ours; -1: new.  NULL: the same numbers. */
typedef struct Maps
{
	int32_t    *token;
	int32_t    *feature;
	int32_t    *label;
} Maps;

/* Units are a few thousand at most, and stand in the order of their merges: there is no index of their bytes. */
static int32_t
find_unit(const NnVocabulary *known, const char *bytes, int n_bytes)
{
	int			n = 256 + nn_vocabulary_n_units(known);

	for (int id = 256; id < n; id++)
	{
		int			n_known;
		const char *unit = nn_vocabulary_bytes(known, id, &n_known);

		if (n_known == n_bytes && memcmp(unit, bytes, (size_t) n_bytes) == 0)
			return id;
	}
	return -1;
}

static NnStatus
map_tokens(const NnLearner *learner, int32_t *map, NnError *err)
{
	const NnEnv *env = learner->env;
	const NnVocabulary *own = learner->model->vocabulary;
	const NnVocabulary *known = learner->former->vocabulary;
	int			n_units = nn_vocabulary_n_units(own);

	for (int id = 0; id < nn_vocabulary_n(own); id++)
	{
		int			n_bytes;
		const char *bytes = nn_vocabulary_bytes(own, id, &n_bytes);

		if (((id & 1023) == 0 || (id < 256 + n_units && (id & 15) == 0)) && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		map[id] = id < 256 ? id : id < 256 + n_units ? find_unit(known, bytes, n_bytes) :
			nn_vocabulary_find(known, bytes, n_bytes);
	}
	return NN_OK;
}

static NnStatus
map_features(const NnLearner *learner, int32_t *map, NnError *err)
{
	const NnEnv *env = learner->env;
	const uint64_t *keys = nn_feature_index_keys(learner->model->features);
	int64_t		n = nn_feature_index_n(learner->model->features);

	for (int64_t r = 0; r < n; r++)
	{
		if ((r & 65535) == 0 && env->poll(env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		map[r] = nn_feature_index_find(learner->former->features, keys[r]);
	}
	return NN_OK;
}

/* Both are in byte order. */
static void
map_labels(const NnModel *own, const NnModel *known, int32_t *map)
{
	int			k = 0;

	for (int c = 0; c < own->spec.n_outputs; c++)
	{
		while (k < known->spec.n_outputs && strcmp(known->labels[k], own->labels[c]) < 0)
			k++;
		map[c] = (k < known->spec.n_outputs && strcmp(known->labels[k], own->labels[c]) == 0) ? k : -1;
	}
}

static NnStatus
make_maps(const NnLearner *learner, Maps *maps, NnArena *arena, NnError *err)
{
	const NnModel *own = learner->model;
	const NnModel *known = learner->former;

	if (own->vocabulary != NULL && known->vocabulary != NULL)
	{
		maps->token = NN_TAKE(arena, int32_t, (size_t) nn_vocabulary_n(own->vocabulary));
		if (maps->token == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(map_tokens(learner, maps->token, err));
	}
	if (own->features != NULL && known->features != NULL)
	{
		maps->feature = NN_TAKE(arena, int32_t, (size_t) nn_feature_index_n(own->features));
		if (maps->feature == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		NN_TRY(map_features(learner, maps->feature, err));
	}
	if (own->labels != NULL && known->labels != NULL)
	{
		maps->label = NN_TAKE(arena, int32_t, (size_t) own->spec.n_outputs);
		if (maps->label == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
		map_labels(own, known, maps->label);
	}
	return NN_OK;
}

/* ---- tensors ---------------------------------------------------------------------------- */

typedef enum Axis
{
	AXIS_SAME,					/* of one length, number for number */
	AXIS_TOKEN,
	AXIS_FEATURE,
	AXIS_LABEL
} Axis;

/* What the rows and columns of a tensor belong to; of others they are the same. */
static const struct
{
	const char *name;
	Axis		rows;
	Axis		columns;
}			axes[] = {
	{"embedding.weight", AXIS_TOKEN, AXIS_SAME},
	{"output.bias", AXIS_SAME, AXIS_TOKEN},
	{"bag.weight", AXIS_FEATURE, AXIS_SAME},
	{"head.weight", AXIS_LABEL, AXIS_SAME},
	{"head.bias", AXIS_SAME, AXIS_LABEL},
	{"wide_head.weight", AXIS_LABEL, AXIS_SAME},
	{"wide_head.bias", AXIS_SAME, AXIS_LABEL},
	{"crf.start_transitions", AXIS_SAME, AXIS_LABEL},
	{"crf.end_transitions", AXIS_SAME, AXIS_LABEL},
	{"crf.transitions", AXIS_LABEL, AXIS_LABEL},
};

#define N_AXES ((int) (sizeof(axes) / sizeof(axes[0])))

static const int32_t *
map_of(const Maps *maps, Axis axis)
{
	return axis == AXIS_TOKEN ? maps->token : axis == AXIS_FEATURE ? maps->feature :
		axis == AXIS_LABEL ? maps->label : NULL;
}

static void
copy_row(NnTensor *to, int row, const NnTensor *from, int known_row, const int32_t *columns)
{
	float	   *out = to->data + (size_t) row * (size_t) to->n_columns;
	const float *in = from->data + (size_t) known_row * (size_t) from->n_columns;

	if (columns == NULL)
	{
		memcpy(out, in, (size_t) to->n_columns * sizeof(float));
		return;
	}
	for (int c = 0; c < to->n_columns; c++)
		if (columns[c] >= 0)
			out[c] = in[columns[c]];
}

/* What both know of a tensor; nothing where it cannot be told what belongs to what. */
static void
start_tensor(NnTensor *to, const NnTensor *from, const Maps *maps)
{
	const int32_t *rows = NULL;
	const int32_t *columns = NULL;

	for (int i = 0; i < N_AXES; i++)
		if (strcmp(axes[i].name, to->name) == 0)
		{
			rows = map_of(maps, axes[i].rows);
			columns = map_of(maps, axes[i].columns);
		}
	if ((rows == NULL && to->n_rows != from->n_rows) || (columns == NULL && to->n_columns != from->n_columns))
		return;
	for (int r = 0; r < to->n_rows; r++)
		if (rows == NULL || rows[r] >= 0)
			copy_row(to, r, from, rows == NULL ? r : rows[r], columns);
}

NnStatus
nn_learner_start_again(NnLearner *learner, NnError *err)
{
	NnNet	   *net = learner->model->net;
	NnArena    *arena;
	Maps		maps = {0};
	NnStatus	status;

	if (learner->former == NULL || learner->former->spec.cell != learner->model->spec.cell)
		return NN_OK;
	arena = nn_arena_create(learner->env);
	if (arena == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = make_maps(learner, &maps, arena, err);
	for (int i = 0; status == NN_OK && i < nn_net_n_tensors(net); i++)
	{
		NnTensor   *to = nn_net_tensor(net, i);
		const NnTensor *from = nn_net_find_tensor(learner->former->net, to->name);

		/* branch scales and vectors of documents are solved for */
		if (from != NULL && to->kind != NN_TENSOR_FIXED)
			start_tensor(to, from, &maps);
	}
	nn_arena_destroy(arena);
	return status;
}
