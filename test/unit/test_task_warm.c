/*
 * test_task_warm.c: a training that starts from another model (model/learn_warm.c).
 *
 * With a learning rate of next to nothing the new model ends as it began, so what
 * was taken over can be read in its tensors.
 */
#include "task_case.h"

#include <math.h>
#include <stdlib.h>
#include "net_case.h"
#include "tap.h"

static NnError err;

static NnOptions
small_options(double rate)
{
	NnOptions	options = task_options();

	options.epochs = 2;
	options.batch = 8;
	options.rate = options.rate_embedding = options.rate_bag = rate;
	options.weight_decay = 0.0;
	options.validation = 0.0;
	return options;
}

/* Is a tensor of both next to the same?  It must be there. */
static bool
is_taken(const NnModel *model, const NnModel *from, const char *name)
{
	const NnTensor *a = nn_net_find_tensor(model->net, name);
	const NnTensor *b = nn_net_find_tensor(from->net, name);
	bool		is_same = a != NULL && b != NULL && net_case_size(a) == net_case_size(b);

	for (int i = 0; is_same && i < net_case_size(a); i++)
		is_same = fabsf(a->data[i] - b->data[i]) < 1e-5f;
	return is_same;
}

static const float *
word_vector(const NnModel *model, const char *word)
{
	int			id = nn_vocabulary_find(model->vocabulary, word, (int) strlen(word));

	return id < 0 ? NULL : nn_net_find_tensor(model->net, "embedding.weight")->data + id * model->spec.embedding;
}

static bool
same_vector(const NnModel *a, const char *word, const NnModel *b, const char *other)
{
	const float *x = word_vector(a, word);
	const float *y = word_vector(b, other);
	bool		is_same = x != NULL && y != NULL;

	for (int e = 0; is_same && e < a->spec.embedding; e++)
		is_same = fabsf(x[e] - y[e]) < 1e-5f;
	return is_same;
}

static TaskRow *
make_rows(int n, NnTask task)
{
	static const char *const subject[] = {"The cat", "A dog", "Paris", "My friend"};
	static const char *const verb[] = {"is here", "was  good", "saw the cat"};
	TaskRow    *rows = net_case_alloc((size_t) n, sizeof(TaskRow));

	for (int i = 0; i < n; i++)
	{
		char	   *text = task_print("%s %s.", subject[i % 4], verb[i % 3]);

		rows[i] = (TaskRow)
		{
			.input = task_text(text), .label = task == NN_TASK_CLASSIFY ? (i % 2 ? "odd" : "even") : NULL
		};
		if (task == NN_TASK_TRANSLATE)
			rows[i].target = task_text(task_print("%s!", verb[i % 3]));
		if (task == NN_TASK_TAG)
		{
			rows[i].input = task_words(i % 4 == 2 ? "Paris saw the cat" : "cat saw A paris");
			rows[i].target = task_words(i % 4 == 2 ? "B-X O O O" : "O O O B-X");
		}
	}
	return rows;
}

/* ---- from a language model ---------------------------------------------------------------- */

static void
test_classifier(const NnModel *language)
{
	NnOptions	options = small_options(1e-7);
	NnLearner  *learner = task_learn(NN_TASK_CLASSIFY, &options, language, make_rows(24, NN_TASK_CLASSIFY), 24, NULL);
	const NnModel *model = nn_learner_model(learner);
	NnModel    *read_back = task_read_back(learner);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnValue		input = task_text("Paris was  good.");
	float		p[2][2] = {{0}};

	is_int(model->spec.hidden, language->spec.hidden, "a classifier as wide as the language model");
	is_int(model->spec.vocabulary, language->spec.vocabulary, "with its vocabulary");
	ok(model->tokenizer.is_exact && model->spec.wide == NN_WIDE_BAG, "which reads as it does, beside a bag");
	ok(is_taken(model, language, "embedding.weight"), "the embedding is taken over");
	ok(is_taken(model, language, "rnn.weight_hh_l0") && is_taken(model, language, "rnn.weight_ih_l0") &&
	   is_taken(model, language, "rnn.bias_ih_l0"), "and the forward layer");
	ok(read_back != NULL && nn_answer(model, &input, 1, scratch, p[0], NULL, NULL, &err) == NN_OK &&
	   nn_answer(read_back, &input, 1, scratch, p[1], NULL, NULL, &err) == NN_OK &&
	   memcmp(p[0], p[1], sizeof(p[0])) == 0, "a model read from its file answers the same");
	nn_arena_destroy(scratch);
	nn_model_destroy(read_back);
	nn_learner_destroy(learner);
}

static void
test_others(const NnModel *language)
{
	NnOptions	options = small_options(1e-7);
	NnLearner  *learner = task_learn(NN_TASK_TRANSLATE, &options, language, make_rows(24, NN_TASK_TRANSLATE), 24, NULL);

	ok(is_taken(nn_learner_model(learner), language, "embedding.weight") &&
	   is_taken(nn_learner_model(learner), language, "rnn.weight_ih_l0"), "a translator takes embedding and encoder");
	nn_learner_destroy(learner);

	options.dropout_word = options.dropout_input = 0.0;
	learner = task_learn(NN_TASK_TAG, &options, language, make_rows(24, NN_TASK_TAG), 24, NULL);
	ok(same_vector(nn_learner_model(learner), "saw", language, " saw"), "a tagger takes the vectors of words");
	ok(same_vector(nn_learner_model(learner), "paris", language, "Paris") ||
	   same_vector(nn_learner_model(learner), "paris", language, " Paris"), "of folded ones too");
	ok(!is_taken(nn_learner_model(learner), language, "rnn.weight_hh_l0"), "and no half of a layer");
	nn_learner_destroy(learner);

	learner = task_learn(NN_TASK_LANGUAGE, &options, language, make_rows(24, NN_TASK_LANGUAGE), 24, NULL);
	ok(is_taken(nn_learner_model(learner), language, "output.bias") &&
	   is_taken(nn_learner_model(learner), language, "readout.weight"), "a language model takes the readout as well");
	nn_learner_destroy(learner);

	options.embedding = language->spec.embedding + 1;
	learner = task_learn(NN_TASK_LANGUAGE, &options, language, make_rows(24, NN_TASK_LANGUAGE), 24, NULL);
	is_int(nn_learner_model(learner)->spec.embedding, options.embedding, "what is asked for goes first");
	nn_learner_destroy(learner);
}

/* ---- what texts are about -------------------------------------------------------------------- */

static const char *const sea[] = {"harbor", "anchor", "sail", "tide", "reef", "mast", "gull", "keel"};
static const char *const field[] = {"barley", "plough", "acre", "hedge", "furrow", "sickle", "sheaf", "orchard"};

/* n texts of three words each of one of two kinds, among words of both; labels name the kind. */
static TaskRow *
make_topics(int n, int n_words, int first, NnRng *rng)
{
	TaskRow    *rows = net_case_alloc((size_t) n, sizeof(TaskRow));

	for (int i = 0; i < n; i++)
	{
		const char *const *words = i % 2 ? sea : field;
		const char *word[3];

		for (int k = 0; k < 3; k++)
			word[k] = words[first + (net_case_int(rng, 0, n_words - 1) + k) % n_words];
		rows[i].input = task_text(task_print("The %s and %s, with a %s.", word[0], word[1], word[2]));
		rows[i].label = i % 2 ? "sea" : "field";
	}
	return rows;
}

/* How many of the two kinds' last four words, each in a text of its own, are answered rightly. */
static int
count_right(const NnModel *model)
{
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	int			n_right = 0;

	for (int i = 0; i < 8; i++)
	{
		NnValue		input = task_text(task_print("A %s.", (i % 2 ? sea : field)[4 + i / 2]));
		float		p[2] = {0, 0};

		if (nn_answer(model, &input, 1, scratch, p, NULL, NULL, &err) == NN_OK)
			n_right += (p[1] > p[0]) == (i % 2);
	}
	nn_arena_destroy(scratch);
	return n_right;
}

/* Labels of rows that have the first four words of a kind alone; the last four are known from texts without label. */
static void
test_documents(void)
{
	NnOptions	options = small_options(1e-3);
	NnRng		rng;
	NnLearner  *language;
	NnLearner  *learner;
	NnModel    *warm;
	TaskRow    *rows;

	nn_rng_seed(&rng, 5);
	options.hidden = options.embedding = 6;
	options.documents = 8;
	options.epochs = 1;
	language = task_learn(NN_TASK_LANGUAGE, &options, NULL, make_topics(200, 8, 0, &rng), 200, NULL);
	warm = task_read_back(language);
	is_int(warm == NULL ? 0 : warm->spec.document, 8, "a language model keeps what its texts are about in its file");
	ok(nn_learner_model(language)->spec.document_words >= 16 &&
	   nn_net_find_tensor(warm->net, "document.weight") != NULL, "for its words");

	options = small_options(1e-7);
	rows = make_topics(30, 4, 0, &rng);
	learner = task_learn(NN_TASK_CLASSIFY, &options, warm, rows, 30, NULL);
	is_int(count_right(nn_learner_model(learner)), 8, "a classifier knows words that no labeled row has");
	is_int(nn_learner_model(learner)->spec.embedding, 8, "its embedding begins with them");
	ok(fabsf(word_vector(nn_learner_model(learner), " reef")[0] - word_vector(nn_learner_model(learner), " keel")[0]) <
	   fabsf(word_vector(nn_learner_model(learner), " reef")[0] - word_vector(nn_learner_model(learner), " acre")[0]),
	   "words of one kind alike");
	nn_learner_destroy(learner);

	options.bag_hidden = 1;
	learner = task_learn(NN_TASK_CLASSIFY, &options, warm, rows, 30, NULL);
	is_int(nn_learner_model(learner)->spec.wide_hidden, 1, "a bag too narrow for the scores begins anew");
	nn_learner_destroy(learner);
	options.bag_hidden = NN_AUTO;

	options.embedding = 6;
	learner = task_learn(NN_TASK_CLASSIFY, &options, warm, rows, 30, NULL);
	ok(is_taken(nn_learner_model(learner), warm, "embedding.weight") &&
	   is_taken(nn_learner_model(learner), warm, "rnn.weight_hh_l0"),
	   "the language model's own embedding and layer, where its width is asked for");
	nn_learner_destroy(learner);
	nn_model_destroy(warm);
	nn_learner_destroy(language);
}

/* Does a classifier that starts from these vectors learn, or say that it cannot, and answer? */
static bool
learns_from(const NnModel *warm, const TaskRow *rows, int n)
{
	NnOptions	options = small_options(1e-3);
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	const NnLearnReport *report;
	float		p[2] = {0, 0};
	NnStatus	status;
	NnLearner  *learner = task_try(NN_TASK_CLASSIFY, &options, warm, rows, n, &nn_env_malloc, &report, &status, &err);
	bool		is_sound = learner == NULL && status == NN_EDIVERGED;

	if (learner != NULL)
		is_sound = nn_answer(nn_learner_model(learner), &rows[0].input, 1, scratch, p, NULL, NULL, &err) == NN_OK &&
			fabsf(p[0] + p[1] - 1.0f) < 1e-5f;
	if (!is_sound)
		diag("status %d: %s", (int) status, err.message);
	nn_learner_destroy(learner);
	nn_arena_destroy(scratch);
	return is_sound;
}

/* A file may be anybody's: its vectors are finite, and that is all there is to know. */
static void
test_strange_documents(void)
{
	static const float numbers[] = {3e38f, 1e30f, 1e19f, 1e-30f, 1e-42f, 0.0f};
	NnOptions	options = small_options(1e-3);
	NnRng		rng;
	NnLearner  *language;
	NnTensor   *vectors;
	TaskRow    *rows;
	int			n_bad = 0;

	nn_rng_seed(&rng, 6);
	options.hidden = options.embedding = 6;
	options.documents = 3;
	options.epochs = 1;
	language = task_learn(NN_TASK_LANGUAGE, &options, NULL, make_topics(60, 8, 0, &rng), 60, NULL);
	vectors = nn_net_find_tensor(nn_learner_model(language)->net, "document.weight");
	rows = make_topics(24, 8, 0, &rng);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		for (int kind = 0; kind < 3; kind++)
		{
			for (int j = 0; j < vectors->n_rows * vectors->n_columns; j++)
				vectors->data[j] = kind == 0 || (kind == 1 && j % 2 == 0) ? numbers[i] :
					kind == 2 && j % 3 == 0 ? 1.0f : -numbers[i];
			n_bad += !learns_from(nn_learner_model(language), rows, 24);
		}
	ok(n_bad == 0, "a classifier starts from document vectors of any size");
	nn_learner_destroy(language);
}

/* Many labels: more than numbers in a vector. */
static void
test_many_labels(void)
{
	NnOptions	options = small_options(1e-3);
	TaskRow    *rows = net_case_alloc(64, sizeof(TaskRow));
	NnLearner  *language;
	NnLearner  *learner;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	int			n_right = 0;

	for (int i = 0; i < 64; i++)
		rows[i] = (TaskRow)
	{
		.input = task_text(task_print("%s %s", sea[i % 8], field[i % 8])), .label = sea[i % 8]
	};
	options.hidden = options.embedding = 6;
	options.documents = 7;
	options.epochs = 1;
	language = task_learn(NN_TASK_LANGUAGE, &options, NULL, rows, 64, NULL);
	options = small_options(1e-7);
	learner = task_learn(NN_TASK_CLASSIFY, &options, nn_learner_model(language), rows, 64, NULL);
	for (int i = 0; i < 8; i++)
	{
		NnValue		input = task_text(field[i]);
		float		p[8] = {0};
		int			best = 0;

		if (nn_answer(nn_learner_model(learner), &input, 1, scratch, p, NULL, NULL, &err) != NN_OK)
			continue;
		for (int c = 1; c < 8; c++)
			best = p[c] > p[best] ? c : best;
		n_right += strcmp(nn_learner_model(learner)->labels[best], sea[i]) == 0;
	}
	ok(n_right >= 7, "with more labels than numbers the bag begins with the vectors (%d of 8 right)", n_right);
	nn_arena_destroy(scratch);
	nn_learner_destroy(learner);
	nn_learner_destroy(language);
}

/* ---- what cannot be ---------------------------------------------------------------------------- */

static void
test_refusals(const NnModel *language)
{
	NnOptions	options = small_options(1e-3);
	const NnLearnReport *report;
	float		x[2] = {1, 2};
	TaskRow		number = {.input = task_numbers(x, 2), .label = "a"};
	NnStatus	status;
	NnLearner  *classifier;
	NnLearner  *characters;

	ok(task_try(NN_TASK_CLASSIFY, &options, language, &number, 1, &nn_env_malloc, &report, &status, &err) == NULL &&
	   status == NN_EINVAL, "rows of numbers have no use for a language model");
	classifier = task_learn(NN_TASK_CLASSIFY, &options, NULL, make_rows(24, NN_TASK_CLASSIFY), 24, NULL);
	ok(task_try(NN_TASK_LANGUAGE, &options, nn_learner_model(classifier), make_rows(24, NN_TASK_LANGUAGE), 24,
				&nn_env_malloc, &report, &status, &err) == NULL && status == NN_EINVAL,
	   "a language model needs words as they are written");
	options.unit = NN_UNIT_CHARACTER;
	characters = task_learn(NN_TASK_LANGUAGE, &options, NULL, make_rows(24, NN_TASK_LANGUAGE), 24, NULL);
	options.unit = NN_UNIT_WORD;
	ok(task_try(NN_TASK_CLASSIFY, &options, nn_learner_model(characters), make_rows(24, NN_TASK_CLASSIFY), 24,
				&nn_env_malloc, &report, &status, &err) == NULL && status == NN_EINVAL,
	   "a classifier does not read characters");
	nn_learner_destroy(characters);

	options.rate = options.rate_embedding = options.rate_bag = 1e-7;
	characters = task_learn(NN_TASK_CLASSIFY, &options, nn_learner_model(classifier), make_rows(24, NN_TASK_CLASSIFY), 24, NULL);
	ok(is_taken(nn_learner_model(characters), nn_learner_model(classifier), "rnn.weight_ih_l0_reverse") &&
	   is_taken(nn_learner_model(characters), nn_learner_model(classifier), "head.weight"),
	   "the same task with the same labels takes the head too");
	nn_learner_destroy(characters);
	nn_learner_destroy(classifier);
}

int
main(void)
{
	NnOptions	options = small_options(5e-3);
	NnLearner  *language;

	options.hidden = 14;
	options.embedding = 11;
	language = task_learn(NN_TASK_LANGUAGE, &options, NULL, make_rows(24, NN_TASK_LANGUAGE), 24, NULL);
	test_classifier(nn_learner_model(language));
	test_others(nn_learner_model(language));
	test_documents();
	test_strange_documents();
	test_many_labels();
	test_refusals(nn_learner_model(language));
	nn_learner_destroy(language);
	task_free_values();
	return done_testing();
}
