/*
 * model/recipe.c: defaults that fit the data.
 *
 * Each rule says what it depends on; the measurements are in doc/recipes.md.
 */
#include "model/recipe.h"

#include <math.h>
#include <string.h>

#define SET_AUTO(field, value) \
	do { \
		if (options->field < 0) \
			options->field = (value); \
	} while (0)

/* The network of a text: a bag beside a bidirectional LSTM. */
static void
resolve_text(NnOptions *options, const NnDataShape *shape)
{
	SET_AUTO(embedding, shape->has_vectors ? shape->vector_width : 100);
	SET_AUTO(bag, 1);
	SET_AUTO(char_ngrams, shape->n_tokens <= NN_RECIPE_NGRAM_TOKENS);
	SET_AUTO(bag_features, 600000);
	SET_AUTO(bag_hidden, shape->n_scores + (shape->n_outputs <= 4 ? 16 : shape->n_outputs <= 20 ? 32 : 64));
	SET_AUTO(hidden, 64);
	SET_AUTO(max_tokens, 256);

	/*
	 * Put together from its units, a word of one row is the same to the network as a word of its own: it
	 * learns the row by heart, and spends more steps on it.  Words that are all the same token cannot be
	 * learned by heart; the bag reads their characters, so that no word is unknown to the network as a
	 * whole.  Units remain where no bag reads characters, and for writing without spaces, where most
	 * "words" are whole phrases.
	 */
	SET_AUTO(subwords, shape->rare_share > NN_RECIPE_RARE_SHARE || options->bag == 0 ||
			 options->char_ngrams == 0 ? 4000 : 0);
}

/*
 * The network of numbers: a dense layer over the whole input where all inputs
 * have one length, beside an LSTM over the steps.  A vector has no steps, so
 * there the dense layer stands alone unless a cell was asked for.
 */
static void
resolve_numbers(NnOptions *options, const NnDataShape *shape)
{
	bool		is_vector = shape->input == NN_INPUT_VECTOR;

	options->embedding = shape->n_channels;
	SET_AUTO(cell, is_vector ? NN_CELL_NONE : NN_CELL_LSTM);
	SET_AUTO(bag, shape->is_one_length && (int64_t) shape->n_steps * shape->n_channels <= 4096);
	SET_AUTO(char_ngrams, 0);
	SET_AUTO(bag_features, 0);
	SET_AUTO(bag_hidden, 128);
	SET_AUTO(hidden, 64);
	SET_AUTO(max_tokens, 4096);
	SET_AUTO(subwords, 0);
}

/* Steps of the optimizer matter more than epochs: small data sets get more epochs of smaller batches. */
static void
resolve_schedule(NnOptions *options, const NnDataShape *shape)
{
	int64_t		n = shape->n_rows;
	bool		is_text = shape->input == NN_INPUT_TEXT;
	bool		has_many_labels = shape->n_outputs > 20;

	SET_AUTO(batch, !is_text || n < 20000 ? 16 : n < 50000 ? 32 : 64);
	if (!is_text)
		SET_AUTO(epochs, n < 500 ? 60 : n < 5000 ? 30 : 15);
	SET_AUTO(epochs, shape->n_outputs >= 20 || n < 2500 ? 12 : n >= 20000 ? 5 : 8);
	SET_AUTO(rate, has_many_labels ? 3e-3 : 2e-3);
	SET_AUTO(rate_embedding, shape->has_vectors ? 1e-3 : options->rate);

	/*
	 * Many labels: a rare feature is more often a label's own than an accident. Two labels and long texts:
	 * the answer is a sum of many faint signs.
	 */
	SET_AUTO(epsilon_bag, shape->n_outputs >= NN_RECIPE_MANY_LABELS ? 1e-8 :
			 shape->n_outputs == 2 && shape->n_tokens > 150 * n ? 1e-8 : 1e-3);

	/* what a warm start brings is known better than rows can tell; of many labels each has too few for that */
	SET_AUTO(rate_bag, !is_text ? 2e-3 : shape->n_scores > 0 && shape->n_outputs < NN_RECIPE_MANY_LABELS ? 5e-4 : 5e-3);
	SET_AUTO(dropout_input, is_text ? 0.2 : 0.0);
	SET_AUTO(keep, NN_KEEP_LAST);
	/* a tenth more rows is worth most where rows are few, and there twice the time is short */
	SET_AUTO(refit, n < 20000 && shape->n_tokens <= NN_RECIPE_NGRAM_TOKENS);
}

/*
 * Tags: word vectors beside spelling, a bidirectional LSTM and a CRF (doc/recipes.md).
 * The loss is a sum over tokens, so clipping is wider than elsewhere.
 */
static void
resolve_tag(NnOptions *options, const NnDataShape *shape)
{
	int64_t		n = shape->n_rows;

	SET_AUTO(embedding, shape->has_vectors ? shape->vector_width : 100);
	SET_AUTO(hidden, 100);
	SET_AUTO(max_tokens, 1000000);
	SET_AUTO(min_rows, 2);
	SET_AUTO(subwords, 0);
	SET_AUTO(batch, n < 1000 ? 8 : n < 5000 ? 16 : 32);
	SET_AUTO(epochs, n < 1000 ? 20 : n < 10000 ? 12 : 10);
	SET_AUTO(rate, 5e-3);
	SET_AUTO(rate_embedding, options->rate);
	SET_AUTO(dropout, 0.5);
	SET_AUTO(dropout_input, 0.5);
	SET_AUTO(dropout_word, 0.2);
	SET_AUTO(clip, 5.0);
	SET_AUTO(keep, NN_KEEP_LAST);
	SET_AUTO(refit, n < 20000);
}

/* A language model: as wide as the text is long, and the more is dropped the shorter it is. */
static void
resolve_language(NnOptions *options, const NnDataShape *shape)
{
	bool		is_small = shape->n_tokens < 300000;

	SET_AUTO(hidden, shape->is_character ? 512 : is_small ? 200 : 400);
	SET_AUTO(embedding, shape->has_vectors ? shape->vector_width : shape->is_character ? 64 : options->hidden);
	SET_AUTO(bidirectional, 0);
	SET_AUTO(max_tokens, 256);
	SET_AUTO(min_rows, shape->is_character ? 1 : shape->is_given ? 2 : 3);
	SET_AUTO(subwords, shape->is_character || shape->is_given ? 0 : 4000);
	SET_AUTO(running, options->bidirectional != 1 &&
			 (options->order_by[0] != '\0' || shape->n_tokens > 60 * shape->n_rows));
	SET_AUTO(documents, shape->is_character || shape->is_given || shape->n_rows < NN_RECIPE_DOCUMENT_TEXTS ? 0 :
			 NN_RECIPE_DOCUMENT);
	SET_AUTO(bptt, shape->is_character ? 64 : 35);
	SET_AUTO(batch, is_small || shape->is_character ? 16 : 32);
	SET_AUTO(epochs, shape->n_tokens >= 3000000 ? 5 : shape->is_character ? 24 : 16);
	SET_AUTO(rate, 2e-3);
	SET_AUTO(rate_embedding, options->rate);
	SET_AUTO(dropout, shape->is_character ? 0.5 : 0.4);
	SET_AUTO(dropout_input, shape->is_character ? 0.0 : 0.3);
	SET_AUTO(dropout_word, shape->is_character ? 0.0 : 0.1);
	SET_AUTO(dropout_recurrent, 0.2);
	SET_AUTO(keep, NN_KEEP_BEST);
}

/* Translations and captions: an encoder as wide as the decoder is, both ways added. */
static void
resolve_writer(NnOptions *options, const NnDataShape *shape)
{
	int64_t		n = shape->n_rows;
	bool		is_text = shape->input == NN_INPUT_TEXT;
	bool		is_small = !is_text && n < 5000;

	SET_AUTO(decoder_layers, is_small ? 1 : 2);
	SET_AUTO(refit, !is_text && n < 20000);
	SET_AUTO(hidden, is_small || (is_text && n < 60000) ? 128 : is_text ? 192 : 256);
	SET_AUTO(embedding, shape->has_vectors ? shape->vector_width : n < 5000 ? 128 : 256);
	SET_AUTO(bidirectional, shape->input != NN_INPUT_VECTOR);
	SET_AUTO(max_tokens, 256);
	SET_AUTO(min_rows, is_text ? 3 : 2);
	SET_AUTO(subwords, shape->is_given ? 0 : 4000);
	SET_AUTO(batch, is_small ? 16 : n < 20000 ? 32 : 64);
	SET_AUTO(epochs, n < 5000 ? 40 : n < 60000 ? 12 : 6);
	SET_AUTO(rate, 2e-3);
	SET_AUTO(rate_embedding, options->rate);
	SET_AUTO(dropout, is_small ? 0.3 : n < 60000 ? 0.4 : 0.2);
	SET_AUTO(dropout_input, is_small ? 0.1 : n < 60000 ? 0.3 : 0.2);
	SET_AUTO(dropout_word, is_text && n < 60000 ? 0.1 : 0.0);
	SET_AUTO(label_smoothing, 0.1);
	SET_AUTO(keep, NN_KEEP_BEST);
}

/*
 * Forecasts: a linear branch that begins with a solution, and an LSTM that learns what it
 * leaves; where there is nothing, an early stop leaves the solution as it is.  A step of
 * many weights together moves the answer by their number times a weight's step, so the
 * linear rate falls with the window.
 */
static void
resolve_forecast(NnOptions *options, const NnDataShape *shape)
{
	int64_t		n_inputs = (int64_t) shape->n_steps * shape->n_channels;

	options->embedding = shape->n_channels;
	SET_AUTO(hidden, 32);
	SET_AUTO(bidirectional, 0);
	SET_AUTO(pool, NN_POOL_LAST);
	SET_AUTO(bag, n_inputs + shape->n_channels <= NN_RECIPE_LINEAR_INPUTS);
	SET_AUTO(max_tokens, shape->n_steps);
	SET_AUTO(subwords, 0);
	SET_AUTO(batch, 32);
	/* without a linear branch it begins with nothing */
	SET_AUTO(epochs, options->bag == 1 || shape->n_rows >= 5000 ? 15 : shape->n_rows >= 500 ? 30 : 60);
	SET_AUTO(rate, 1e-3);
	SET_AUTO(rate_bag, 5e-3 / (double) n_inputs);
	SET_AUTO(warmup, 0.1);
	SET_AUTO(weight_decay, 0.1);
	SET_AUTO(dropout, 0.1);
	SET_AUTO(patience, 4);
	SET_AUTO(keep, NN_KEEP_BEST);
	SET_AUTO(refit, 1);
}

/*
 * Two shards where there are 8 rows for each, then one for every 16 rows, eight at most: products of fewer rows
 * are slower (4 shards of 8 cost 4 to 8 % more than 2 of 16, whoever computes them).  A forecast's step is over
 * before it would pay to share it.
 */
static int
choose_shards(const NnOptions *options, const NnDataShape *shape)
{
	int			n = options->batch / 16;

	if (shape->task == NN_TASK_FORECAST || options->batch < 16)
		return 1;
	return n < 2 ? 2 : n > 8 ? 8 : n;
}

/* What a task leaves alone is as for labels. */
static void
resolve_rest(NnOptions *options, const NnDataShape *shape)
{
	SET_AUTO(hidden, 64);
	SET_AUTO(min_rows, NN_RECIPE_MIN_ROWS);
	SET_AUTO(running, 0);
	SET_AUTO(bptt, 35);
	SET_AUTO(documents, 0);
	SET_AUTO(samples, 0);
	SET_AUTO(clip, 1.0);
	SET_AUTO(dropout, 0.5);
	SET_AUTO(dropout_word, 0.3);
	SET_AUTO(dropout_recurrent, 0.0);
	SET_AUTO(label_smoothing, 0.0);
	SET_AUTO(bag, 0);
	SET_AUTO(char_ngrams, 0);
	SET_AUTO(bag_features, 0);
	SET_AUTO(bag_hidden, 0);
	SET_AUTO(refit, 0);
	SET_AUTO(warmup, 0.05);
	SET_AUTO(weight_decay, 0.01);
	SET_AUTO(validation, nn_recipe_validation(shape->task, options->order_by[0] != '\0'));
	SET_AUTO(patience, 0);
	SET_AUTO(cell, NN_CELL_LSTM);
	SET_AUTO(layers, 1);
	SET_AUTO(bidirectional, 1);
	SET_AUTO(pool, NN_POOL_MAX | NN_POOL_MEAN | (shape->input == NN_INPUT_TEXT ? 0 : NN_POOL_LAST));
}

/*
 * Of a series' end more, as windows there share most of their steps.  Of a running text less: each
 * row that is held out is a gap in it, and takes with it all rows that read the same.
 */
double
nn_recipe_validation(NnTask task, bool is_ordered)
{
	if (task == NN_TASK_LANGUAGE && is_ordered)
		return 0.02;
	return task == NN_TASK_FORECAST ? 0.2 : 0.1;
}

void
nn_recipe_resolve(NnOptions *options, const NnDataShape *shape)
{
	options->input = (int) shape->input;
	switch (shape->task)
	{
		case NN_TASK_TAG:
			resolve_tag(options, shape);
			break;
		case NN_TASK_LANGUAGE:
			resolve_language(options, shape);
			break;
		case NN_TASK_TRANSLATE:
		case NN_TASK_CAPTION:
			resolve_writer(options, shape);
			break;
		case NN_TASK_FORECAST:
			resolve_forecast(options, shape);
			break;
		default:
			if (shape->input == NN_INPUT_TEXT)
				resolve_text(options, shape);
			else
				resolve_numbers(options, shape);
			break;
	}
	resolve_rest(options, shape);
	resolve_schedule(options, shape);
	SET_AUTO(shards, choose_shards(options, shape));	/* by the batch */
	SET_AUTO(schedule, 0);
	SET_AUTO(class_weights, 0);
	SET_AUTO(weights, 0);
	SET_AUTO(case_sensitive, 0);
}

void
nn_recipe_train_options(const NnOptions *options, NnTrainOptions *train)
{
	memset(train, 0, sizeof(*train));
	train->epochs = options->epochs;
	train->optimizer = (NnOptimizerKind) options->optimizer;
	train->batch = options->batch;
	train->window = 50;
	train->rate_recurrent = (float) options->rate;
	train->rate_embedding = (float) options->rate_embedding;
	train->rate_wide = (float) options->rate_bag;
	train->warmup = (float) options->warmup;
	train->is_constant_rate = options->schedule == 1;
	train->weight_decay = (float) options->weight_decay;
	train->beta1 = 0.9f;
	train->beta2 = 0.999f;
	train->epsilon = 1e-8f;
	train->epsilon_bag = (float) options->epsilon_bag;
	train->clip = (float) options->clip;
	train->dropout.word = (float) options->dropout_word;
	train->dropout.input = (float) options->dropout_input;
	train->dropout.recurrent = (float) options->dropout_recurrent;
	train->dropout.output = (float) options->dropout;
	train->dropout.wide = (float) options->dropout_bag;
	train->drop_feature = (float) options->dropout_feature;
	train->label_smoothing = (float) options->label_smoothing;
	train->bptt = options->bptt;
	train->is_ordered = options->order_by[0] != '\0';
	train->n_samples = options->samples;
	train->patience = options->patience;
	train->keep = (NnKeep) options->keep;
	train->shards = options->shards;
	train->seed = (uint64_t) options->seed;
}
