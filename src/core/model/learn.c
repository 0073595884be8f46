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

/* A new net in the model, with its first weights. */
static NnStatus
begin_net(NnLearner *learner, NnError *err)
{
	NnModel    *model = learner->model;
	NnRng		rng;
	bool	   *starts_word;

	nn_rng_seed(&rng, (uint64_t) learner->options.seed);
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
	NN_TRY(nn_learner_start_again(learner, err));
	NN_TRY(nn_learner_start_bag(learner, err));
	NN_TRY(nn_learner_solve_documents(learner, err));
	if (model->spec.wide == NN_WIDE_LINEAR)
		NN_TRY(nn_learner_solve_linear(learner, err));
	nn_net_pack(model->net);
	return NN_OK;
}

/*
 * One training on the parts as they are, for n_epochs of those that are planned; 0 leaves
 * the first weights, which a forecast solves for.
 */
static NnStatus
train_net(NnLearner *learner, int n_epochs, NnTrainReport *report, NnError *err)
{
	NnTrainOptions options;

	NN_TRY(nn_learner_weigh_classes(learner, err));
	nn_learner_train_options(learner, &options);
	options.class_weight = learner->class_weight;
	options.stop = n_epochs;
	if (learner->checkpoints.ask != NULL)
		options.checkpoints = &learner->checkpoints;
	if (n_epochs == 0)
		return NN_OK;
	if (learner->train_hook != NULL)
		return learner->train_hook(learner->train_ctx, learner->model->net, &learner->train.examples,
								   &learner->valid.examples, &options, learner->env, report, err);
	return nn_train(learner->model->net, &learner->train.examples, &learner->valid.examples, &options,
					learner->env, report, err);
}

void
nn_learner_train_by(NnLearner *learner, NnTrainHook hook, void *ctx)
{
	learner->train_hook = hook;
	learner->train_ctx = ctx;
}

void
nn_learner_checkpoint(NnLearner *learner, const NnCheckpoints *checkpoints)
{
	learner->checkpoints = *checkpoints;
	learner->checkpoints.n_done = 0;
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
 * scales, the temperature and the thresholds fitted then: how much too sure a net is of rows that
 * it has not seen is a matter of the network and of how long it learns, and hardly of a tenth more
 * rows, while rows that it has seen would say that it is not sure enough.  A forecast's first training stopped early, and its best epoch had
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
	NN_TRY(begin_net(learner, err));
	NN_TRY(train_net(learner, n_epochs, report, err));
	if (report->is_stopped)
		return nn_fail(err, NN_ECANCELED, "the refit was stopped");
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

/* The training that the report is of; one whose result is known already is not done again. */
static NnStatus
train_first(NnLearner *learner, NnTrainReport *report, NnError *err)
{
	const NnCheckpoints *checkpoints = &learner->checkpoints;
	bool		is_first = learner->options.refit == 1 && learner->valid.examples.n > 0 && checkpoints->ask != NULL;
	bool		is_there = false;

	NN_TRY(begin_net(learner, err));
	if (is_first)
		NN_TRY(nn_first_load(checkpoints, learner->model->net, learner->env, report, &is_there, err));
	if (!is_there)
		NN_TRY(train_net(learner, learner->options.epochs, report, err));
	if (is_first && !is_there && !report->is_stopped)
		NN_TRY(nn_first_save(checkpoints, learner->model->net, learner->env, report, err));
	learner->checkpoints.n_done = 1;
	return NN_OK;
}

static bool
wants_refit(const NnLearner *learner)
{
	const NnCheckpoints *checkpoints = &learner->checkpoints;

	return learner->options.refit == 1 && learner->valid.examples.n > 0 && !learner->report.train.is_stopped &&
		(checkpoints->ask == NULL || checkpoints->ask(checkpoints->ctx) != NN_WISH_STOP);
}

NnStatus
nn_learner_train(NnLearner *learner, const NnLearnReport **report, NnError *err)
{
	NnLearnReport *own = &learner->report;

	if (!learner->is_planned)
		return nn_fail(err, NN_EINTERNAL, "training before the plan");
	memset(own, 0, sizeof(*own));
	own->plan = learner->plan;
	NN_TRY(train_first(learner, &own->train, err));
	NN_TRY(round_weights(learner, err));
	if (learner->task == NN_TASK_CLASSIFY || learner->task == NN_TASK_REGRESS)
		NN_TRY(nn_learner_decide(learner, err));
	NN_TRY(nn_learner_measure(learner, err));
	NN_TRY(nn_learner_describe_rows(learner, &own->baseline, err));
	if (wants_refit(learner))
	{
		if (learner->is_measured_kept)
			NN_TRY(nn_learner_write(learner, &learner->measured, err));
		NN_TRY(refit_unseen(learner, err));
	}
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

void
nn_learner_keep_measured(NnLearner *learner)
{
	learner->is_measured_kept = true;
}

const NnArray *
nn_learner_measured(const NnLearner *learner)
{
	return &learner->measured;
}
