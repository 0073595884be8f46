/*
 * model/learn_estimate.c: what a training will take.
 */
#include <math.h>

#include "model/learn_private.h"
#include "train/team.h"

/* FLOP/s of a recurrent product on this machine, now: the best of a few short turns, about 5 ms in all. */
static double
measure_rate(const NnLearner *learner)
{
	const int	M = 32;
	const int	N = 512;
	const int	K = 128;
	const int	n_products = 10;
	const NnEnv *env = learner->env;
	NnArena    *arena = nn_arena_create(env);
	float	   *a = arena == NULL ? NULL : NN_ALLOC(arena, float, (size_t) (M * K));
	float	   *w = arena == NULL ? NULL : NN_ALLOC(arena, float, nn_pack_floats(K, N));
	float	   *c = arena == NULL ? NULL : NN_ALLOC(arena, float, (size_t) (M * N));
	double		best = 1.0;
	double		begun = env->now(env->ctx);

	for (int turn = 0; turn < 5 && (turn == 0 || env->now(env->ctx) - begun < 5e-3) && a != NULL && w != NULL && c != NULL; turn++)
	{
		double		start = env->now(env->ctx);
		double		seconds;

		for (int i = 0; i < n_products; i++)
			nn_gemm_packed(M, N, K, a, K, w, c, N, true);
		seconds = env->now(env->ctx) - start;
		if (seconds > 0.0 && 2.0 * M * N * K * n_products / seconds > best)
			best = 2.0 * M * N * K * n_products / seconds;
	}
	nn_arena_destroy(arena);
	return best;
}

/* FLOPs of an epoch's written tokens: the softmax, and the decoder below it. */
static double
writing_flops(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	const NnExamples *examples = &learner->train.examples;
	double		D = nn_spec_decoder_hidden(spec);
	double		n_columns = spec->vocabulary;
	double		n_tokens;

	if (!nn_task_writes_text(spec->task))
		return 0.0;
	if (learner->options.samples > 0 && learner->options.samples < spec->vocabulary)
		n_columns = learner->options.samples;
	n_tokens = (double) examples->n + (double) (spec->task == NN_TASK_LANGUAGE ?
												examples->token_start[examples->n] :
												examples->written_start[examples->n]);
	return 6.0 * n_tokens * (spec->embedding * n_columns +
							 spec->decoder_layers * nn_cell_gates(spec->cell) * D * 2.5 * D);
}

/*
 * FLOPs of all epochs over a rate measured on the spot.  A whole training step runs at about
 * half the rate of its products; a row of the bag's table costs about 1 ns a number (both
 * measured with bench/speed/train and bench/learn).
 */
static double
estimate_seconds(const NnLearner *learner)
{
	const NnSpec *spec = &learner->model->spec;
	const NnExamples *examples = &learner->train.examples;
	double		directions = spec->is_bidirectional ? 2.0 : 1.0;
	double		H = spec->hidden;
	double		tokens = 0.0;
	double		flops = 0.0;
	double		features = (double) learner->train.bag_row.n;

	if (examples->n == 0)
		return 0.0;
	tokens = examples->token_start != NULL ? (double) examples->token_start[examples->n] :
		(double) examples->step_start[examples->n];
	if (spec->cell != NN_CELL_NONE)
		for (int k = 0; k < spec->n_layers; k++)
		{
			double		n_in = k == 0 ? nn_spec_input_width(spec) : directions * H;

			flops += 6.0 * directions * nn_cell_gates(spec->cell) * H * (n_in + H) * tokens;
		}
	flops += writing_flops(learner);
	if (spec->wide == NN_WIDE_LINEAR)
		flops += 6.0 * (double) examples->n * spec->wide_inputs * spec->n_outputs;
	if (spec->task == NN_TASK_FORECAST && examples->n > NN_RECIPE_EPOCH_WINDOWS)
		flops *= (double) NN_RECIPE_EPOCH_WINDOWS / (double) examples->n;
	return learner->options.epochs * (flops / (0.5 * measure_rate(learner)) +
									  features * spec->wide_hidden * 1e-9 +
									  (double) examples->n * spec->n_outputs * 1e-8);
}

/* A network and what works on it, by itself or as one of a team. */
static size_t
net_bytes(const NnLearner *learner, const NnSpec *spec, const NnTrainOptions *train, bool is_member)
{
	const NnExamples *examples = &learner->train.examples;
	size_t		in_training = is_member ? nn_team_member_bytes(spec, examples, train) : nn_train_bytes(spec, examples, train);
	size_t		before = nn_learner_linear_bytes(learner) + nn_learner_document_bytes(learner) +
	nn_learner_start_bag_bytes(learner);	/* of these one at most is not 0 */

	return nn_size_add(nn_net_bytes(spec, true), in_training > before ? in_training : before);
}

size_t
nn_learner_team_bytes(const NnLearner *learner, int n_members)
{
	const NnSpec *spec = &learner->model->spec;
	const NnExamples *train = &learner->train.examples;
	NnTrainOptions options;
	size_t		shared;
	size_t		follow;

	if (n_members < 2)
		return 0;
	nn_learner_train_options(learner, &options);
	shared = nn_size_add(nn_team_plan_bytes(spec, train, &learner->valid.examples, &options),
						 nn_team_bytes(spec, train, &options));
	follow = nn_size_mul((size_t) n_members - 1, nn_team_follow_bytes(spec, train, &options));
	/* moments and gradients of shards are now among what is shared, and not the learner's own */
	return nn_size_add(shared, follow) - (net_bytes(learner, spec, &options, false) - net_bytes(learner, spec, &options, true));
}

/* The file of the weights before a refit; past a share of the limit it is on disk. */
static size_t
measured_bytes(const NnLearner *learner)
{
	const NnModel *model = learner->model;
	size_t		n;

	if (learner->options.refit != 1 || !learner->is_measured_kept)
		return 0;
	n = nn_size_mul((size_t) nn_spec_n_numbers(&model->spec), learner->options.weights == 1 ? 4 : 2);
	if (model->vocabulary != NULL)
		n = nn_size_add(n, nn_vocabulary_size_bytes(model->vocabulary));
	if (model->features != NULL)
		n = nn_size_add(n, 8 * (size_t) nn_feature_index_n(model->features));
	n = nn_size_add(n, n / 2);	/* a growing array has room to spare */
	return learner->env->map != NULL && n > learner->measured.map_bytes ? learner->measured.map_bytes : n;
}

/*
 * Of n distinct words in the rows learned from, how many all rows have, if there is no limit: by Heaps' law, whose
 * exponent is between 0.4 and 0.6 for words that occur, and larger for those that occur more than once.
 */
static int32_t
more_rows_have(const NnLearner *learner, int32_t n, int32_t limit)
{
	double		more = (double) n * pow(1.0 + (double) learner->valid.examples.n / (double) learner->train.examples.n, 0.7);

	return n >= limit ? n : more > (double) limit ? limit : (int32_t) more;
}

/* What a second training on all rows takes beside the first: it has more rows, and may have more words. */
static size_t
refit_bytes(const NnLearner *learner, const NnTrainOptions *train)
{
	const NnModel *model = learner->model;
	const NnSpec *spec = &model->spec;
	size_t		n_valid = (size_t) learner->valid.examples.n;
	size_t		bytes = nn_size_add(sizeof(NnTrainReport), measured_bytes(learner));
	NnSpec		larger = *spec;

	/* windows are the same ones, cut otherwise */
	if (n_valid == 0 || learner->train.examples.n == 0 || learner->task == NN_TASK_FORECAST)
		return bytes;
	larger.vocabulary = more_rows_have(learner, spec->vocabulary, learner->options.vocabulary);
	if (spec->wide == NN_WIDE_BAG)
		larger.wide_inputs = more_rows_have(learner, spec->wide_inputs, learner->options.bag_features);
	bytes = nn_size_add(bytes, net_bytes(learner, &larger, train, false) - net_bytes(learner, spec, train, false));
	if (larger.vocabulary > spec->vocabulary && model->vocabulary != NULL)
		bytes = nn_size_add(bytes, nn_vocabulary_size_bytes(model->vocabulary) / 8);
	if (larger.wide_inputs > spec->wide_inputs && model->features != NULL)
		bytes = nn_size_add(bytes, nn_feature_index_size_bytes(model->features) / 8);
	bytes = nn_size_add(bytes, nn_part_growth_bytes(&learner->train, &learner->valid));
	return nn_size_add(bytes, nn_size_mul(n_valid, 7 * sizeof(int32_t)));	/* orders, and sorting them */
}

void
nn_learner_fill_plan(NnLearner *learner)
{
	NnPlan	   *plan = &learner->plan;
	const NnSpec *spec = &learner->model->spec;
	NnTrainOptions train;

	nn_learner_train_options(learner, &train);
	plan->spec = *spec;
	plan->n_rows = (int64_t) learner->rows.n;
	plan->n_train = learner->train.examples.n;
	plan->n_valid = learner->valid.examples.n;
	plan->n_tokens = learner->kind == NN_VALUE_NUMBERS ?
		(int64_t) learner->floats.n / learner->model->n_channels : (int64_t) learner->words.n;
	plan->n_words = nn_lexicon_n(learner->lexicon);
	plan->n_parameters = nn_spec_n_numbers(spec);
	plan->n_features = spec->wide == NN_WIDE_BAG ? spec->wide_inputs : 0;
	plan->peak_bytes = nn_size_add(nn_learner_bytes(learner), net_bytes(learner, spec, &train, false));
	if (learner->options.refit == 1)
		plan->peak_bytes = nn_size_add(plan->peak_bytes, refit_bytes(learner, &train));
	plan->n_epochs = learner->options.epochs;
	plan->batch = learner->options.batch;
	plan->n_shards = train.shards < train.batch ? train.shards : train.batch;
	plan->seconds = estimate_seconds(learner);
	if (learner->options.refit == 1 && plan->n_valid > 0)
		plan->seconds *= 2.0;	/* trained once more, on a little more */
}
