/*
 * model/learn.c: training, branch scales, the report, the file.
 */
#include "model/learn_private.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "model/pieces.h"

/* Scale factor that gives all kept vectors NN_VECTOR_DEVIATION. */
static float
vector_scale(const NnLearner *learner)
{
	double		squares = nn_sum_squares((int64_t) learner->vectors.n, learner->vectors.data);
	double		deviation = sqrt(squares / (double) learner->vectors.n);

	return deviation > 1e-12 ? (float) (NN_VECTOR_DEVIATION / deviation) : 1.0f;
}

/* Given word vectors replace the first weights of their words. */
static void
set_vectors(NnLearner *learner)
{
	NnTensor   *embedding = nn_net_find_tensor(learner->model->net, "embedding.weight");
	int			E = learner->vector_width;
	float		scale;

	if (embedding == NULL || learner->vector_word.n == 0)
		return;
	scale = vector_scale(learner);
	for (size_t i = 0; i < learner->vector_word.n; i++)
	{
		int32_t		word = ((const int32_t *) learner->vector_word.data)[i];
		const NnLexeme *lexeme = nn_lexicon_get(learner->lexicon, word);
		int			id = nn_vocabulary_find(learner->model->vocabulary,
											nn_lexicon_bytes(learner->lexicon, word), (int) lexeme->n_bytes);

		if (id < 0)
			continue;
		for (int e = 0; e < E; e++)
			embedding->data[(size_t) id * (size_t) E + (size_t) e] =
				scale * ((const float *) learner->vectors.data)[i * (size_t) E + (size_t) e];
	}
}

/* Weight n / (C n_c) for label c (King and Zeng 2001; scikit-learn's "balanced"). */
static NnStatus
weigh_classes(NnLearner *learner, NnError *err)
{
	int			C = learner->model->spec.n_outputs;
	const NnExamples *examples = &learner->train.examples;
	double	   *count;

	learner->class_weight = NULL;
	if (learner->task != NN_TASK_CLASSIFY || learner->options.class_weights != 1)
		return NN_OK;
	learner->class_weight = NN_ALLOC(learner->model->arena, float, (size_t) C);
	count = NN_ALLOC(learner->model->arena, double, (size_t) C);
	if (learner->class_weight == NULL || count == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int64_t i = 0; i < examples->n; i++)
		count[examples->label[i]] += 1.0;
	for (int c = 0; c < C; c++)
		learner->class_weight[c] = (float) ((double) examples->n / ((double) C * fmax(count[c], 1.0)));
	return NN_OK;
}

void
nn_learner_train_options(const NnLearner *learner, NnTrainOptions *options)
{
	const NnVocabulary *vocabulary = learner->model->vocabulary;

	nn_recipe_train_options(&learner->options, options);
	if (learner->task == NN_TASK_FORECAST)
	{
		options->max_examples = NN_RECIPE_EPOCH_WINDOWS;
		options->is_start_kept = learner->model->spec.wide == NN_WIDE_LINEAR;
	}
	options->first_sampled = vocabulary != NULL ? 256 + nn_vocabulary_n_units(vocabulary) : 0;
}

/*
 * One training on the parts as they are: a new net in the model, trained for n_epochs
 * of those that are planned; 0 leaves the first weights, which a forecast solves for.
 */
static NnStatus
train_once(NnLearner *learner, int n_epochs, NnTrainReport *report, NnError *err)
{
	NnModel    *model = learner->model;
	NnTrainOptions options;
	NnRng		rng;
	bool	   *starts_word;

	nn_rng_seed(&rng, (uint64_t) learner->options.seed);
	NN_TRY(weigh_classes(learner, err));
	nn_learner_train_options(learner, &options);
	options.class_weight = learner->class_weight;
	options.stop = n_epochs;
	nn_arena_destroy(model->net_arena);
	model->net = NULL;
	model->net_arena = nn_arena_create(learner->env);
	if (model->net_arena == NULL ||
		!nn_arena_reserve(model->net_arena, nn_net_bytes(&model->spec, true)))
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_net_create(&model->net, model->net_arena, &model->spec, true, err));
	NN_TRY(nn_find_pieces(model, model->arena, &starts_word, err));
	nn_use_pieces(model, starts_word);
	NN_TRY(nn_net_init(model->net, &rng));
	nn_net_remember(model->net, learner->options.remember, &rng);
	set_vectors(learner);
	NN_TRY(nn_learner_start_warm(learner, err));
	NN_TRY(nn_learner_start_bag(learner, err));
	NN_TRY(nn_learner_solve_documents(learner, err));
	if (model->spec.wide == NN_WIDE_LINEAR)
		NN_TRY(nn_learner_solve_linear(learner, err));
	nn_net_pack(model->net);
	if (n_epochs == 0)
		return NN_OK;
	if (learner->train_hook != NULL)
		return learner->train_hook(learner->train_ctx, model->net, &learner->train.examples,
								   &learner->valid.examples, &options, learner->env, report, err);
	return nn_train(model->net, &learner->train.examples, &learner->valid.examples, &options,
					learner->env, report, err);
}

void
nn_learner_train_by(NnLearner *learner, NnTrainHook hook, void *ctx)
{
	learner->train_hook = hook;
	learner->train_ctx = ctx;
}

/* ---- the calls -------------------------------------------------------------------------- */

static NnFloatKind
float_kind(const NnLearner *learner)
{
	return learner->options.weights == 1 ? NN_FLOAT_F32 : NN_FLOAT_F16;
}

/* Weights beyond half precision's range are stored whole. */
static NnStatus
round_weights(NnLearner *learner, NnError *err)
{
	NnStatus	status = nn_file_round(learner->model, float_kind(learner), err);

	if (status == NN_ERANGE)
	{
		learner->options.weights = 1;
		status = nn_file_round(learner->model, NN_FLOAT_F32, err);
	}
	nn_net_pack(learner->model->net);
	return status;
}

/*
 * Train once more on all rows, for as many epochs as the first time and with the
 * scales fitted then.  A forecast's first training stopped early, and its best epoch had
 * the rates of that early epoch: they are planned for all of them again.  The report stays that of the first training: there are no
 * unseen rows left to ask.
 */
static NnStatus
refit(NnLearner *learner, NnTrainReport *report, NnError *err)
{
	int			n_epochs = learner->report.train.best_epoch;
	float		scale[2];
	const NnTensor *tensor = nn_net_find_tensor(learner->model->net, "scale");

	if (tensor != NULL)
		memcpy(scale, tensor->data, sizeof(scale));
	if (learner->task != NN_TASK_FORECAST)
		learner->options.epochs = n_epochs;
	NN_TRY(nn_learner_make_parts(learner, true, err));
	NN_TRY(train_once(learner, n_epochs, report, err));
	if (tensor != NULL)
		memcpy(nn_net_find_tensor(learner->model->net, "scale")->data, scale, sizeof(scale));
	learner->report.is_refitted = true;
	return round_weights(learner, err);
}

static NnStatus
refit_unseen(NnLearner *learner, NnError *err)
{
	NnTrainReport *report = learner->env->alloc(learner->env->ctx, sizeof(NnTrainReport));
	NnStatus	status = NN_ENOMEM;

	if (report != NULL)
		status = refit(learner, report, err);
	else
		nn_fail(err, status, "out of memory");
	learner->env->release(learner->env->ctx, report);
	return status;
}

NnStatus
nn_learner_train(NnLearner *learner, const NnLearnReport **report, NnError *err)
{
	NnLearnReport *own = &learner->report;
	size_t		n_bytes;

	if (!learner->is_planned)
		return nn_fail(err, NN_EINTERNAL, "training before the plan");
	memset(own, 0, sizeof(*own));
	own->plan = learner->plan;
	NN_TRY(train_once(learner, learner->options.epochs, &own->train, err));
	NN_TRY(round_weights(learner, err));
	if (learner->task == NN_TASK_CLASSIFY || learner->task == NN_TASK_REGRESS)
		NN_TRY(nn_fit_scales(learner->model->net, &learner->valid.examples, learner->env, err));
	NN_TRY(nn_learner_measure(learner, err));
	n_bytes = nn_learner_bytes(learner) + own->train.peak_bytes;
	if (n_bytes > learner->peak_bytes)
		learner->peak_bytes = n_bytes;
	if (learner->options.refit == 1 && learner->valid.examples.n > 0)
		NN_TRY(refit_unseen(learner, err));
	*report = own;
	return NN_OK;
}

NnModel *
nn_learner_model(NnLearner *learner)
{
	return learner->model;
}

NnStatus
nn_learner_write(NnLearner *learner, NnArray *out, NnError *err)
{
	return nn_file_write(learner->model, float_kind(learner), out, err);
}
