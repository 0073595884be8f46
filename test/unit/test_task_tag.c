/*
 * test_task_tag.c: taggers, from rows to entities (model/learn.h, model/answer_tags.h).
 *
 * The language: people meet in towns.  People end in "son", towns in "burg", and
 * have one word or two; all else is written small.  Nearly every name is new.
 */
#include "task_case.h"

#include <stdlib.h>
#include "model/encode.h"
#include "net_case.h"
#include "nn/crf.h"
#include "tap.h"

#define MAX_SENTENCE 512

/* A sentence and its tags, one space between each two. */
typedef struct Sentence
{
	char		words[MAX_SENTENCE];
	char		tags[MAX_SENTENCE];
} Sentence;

static void
append(Sentence *sentence, const char *word, const char *tag)
{
	const char *space = sentence->words[0] != '\0' ? " " : "";
	size_t		n = strlen(sentence->words);

	snprintf(sentence->words + n, sizeof(sentence->words) - n, "%s%s", space, word);
	n = strlen(sentence->tags);
	snprintf(sentence->tags + n, sizeof(sentence->tags) - n, "%s%s", space, tag);
}

static void
append_name(Sentence *sentence, NnRng *rng, const char *ending, const char *type)
{
	if (net_case_int(rng, 0, 2) == 0)
		append(sentence, task_name(rng, 2), task_print("B-%s", type));
	append(sentence, task_print("%s%s", task_name(rng, 2), ending),
		   task_print("%s-%s", strcmp(sentence->tags + (strlen(sentence->tags) < 5 ? 0 : strlen(sentence->tags) - 5),
									  task_print("B-%s", type)) == 0 ? "I" : "B", type));
}

static Sentence
make_sentence(NnRng *rng)
{
	static const char *const before[] = {"then", "in may", "as we know ,", "yesterday"};
	static const char *const verb[] = {"met", "saw", "wrote to"};
	Sentence	sentence = {{0}, {0}};
	const char *parts[3];

	parts[0] = before[net_case_int(rng, 0, 3)];
	parts[1] = verb[net_case_int(rng, 0, 2)];
	parts[2] = "in";
	for (int k = 0; k < 3; k++)
	{
		NnValue		words = task_words(parts[k]);

		for (int i = 0; i < words.n_words; i++)
			append(&sentence, task_print("%.*s", (int) words.word_bytes[i], words.words[i]), "O");
		append_name(&sentence, rng, k == 2 ? "burg" : "son", k == 2 ? "LOC" : "PER");
	}
	append(&sentence, ".", "O");
	return sentence;
}

static TaskRow *
make_rows(NnRng *rng, int n)
{
	TaskRow    *rows = net_case_alloc((size_t) n, sizeof(TaskRow));

	for (int i = 0; i < n; i++)
	{
		Sentence	sentence = make_sentence(rng);

		rows[i].input = task_words(sentence.words);
		rows[i].target = task_words(sentence.tags);
		rows[i].label = NULL;
	}
	return rows;
}

static NnOptions
small_options(int epochs)
{
	NnOptions	options = task_options();

	options.hidden = 12;
	options.embedding = 10;
	options.epochs = epochs;
	options.batch = 8;
	options.dropout_word = 0.2;
	return options;
}

static NnError err;

static NnTaggedText *
answer(const NnModel *model, const NnValue *inputs, int n, NnArena *scratch, NnEntities *entities)
{
	NnTaggedText *out = nn_arena_alloc(scratch, (size_t) n, sizeof(NnTaggedText));

	if (nn_answer_tags(model, inputs, n, scratch, out, entities, NULL, &err) != NN_OK)
	{
		printf("Bail out! %s\n", err.message);
		exit(1);
	}
	return out;
}

/* ---- what it learns ---------------------------------------------------------------- */

static void
test_names(const NnModel *model, const NnLearnReport *report, NnArena *scratch)
{
	NnRng		rng;
	int			n_right = 0;
	int			n_tokens = 0;
	int			n_illegal = 0;
	int			n = 40;
	TaskRow    *rows;
	NnValue    *inputs = net_case_alloc((size_t) n, sizeof(NnValue));
	NnTaggedText *texts;

	nn_rng_seed(&rng, 99);
	rows = make_rows(&rng, n);
	for (int i = 0; i < n; i++)
		inputs[i] = rows[i].input;
	texts = answer(model, inputs, n, scratch, NULL);
	for (int i = 0; i < n; i++)
		for (int t = 0; t < texts[i].n_tokens; t++)
		{
			int			tag = texts[i].token[t].tag;
			int			from = t == 0 ? model->spec.n_outputs : texts[i].token[t - 1].tag;

			n_tokens++;
			n_right += strlen(model->labels[tag]) == rows[i].target.word_bytes[t] &&
				memcmp(model->labels[tag], rows[i].target.words[t], rows[i].target.word_bytes[t]) == 0;
			n_illegal += !model->allowed[from * model->spec.n_outputs + tag];
		}
	ok(n_right >= 0.97 * n_tokens, "names never seen: %d of %d tags are right", n_right, n_tokens);
	is_int(n_illegal, 0, "only legal tags follow one another");
	ok(report->sequence.n > 0 && report->sequence.f1 > 0.9 && report->sequence.token_accuracy > 0.95,
	   "held out: F1 %.3f, accuracy %.3f", report->sequence.f1, report->sequence.token_accuracy);
	ok(report->train.epoch[0].loss_train > report->train.epoch[report->train.n_epochs - 1].loss_train,
	   "the loss falls");
}

/* The names of this text, by hand: characters, not bytes. */
static void
test_offsets(const NnModel *model, NnArena *scratch)
{
	const char *text = "\xf0\x9f\x98\x80 \xc3\xa4 then  Bado Mofison saw Kalezoson in Vutiburg.";
	NnValue		input = task_text(text);
	NnValue		words = task_words("then Bado Mofison saw Kalezoson in Vutiburg .");
	NnEntities	entities;
	NnTaggedText *tagged = answer(model, &input, 1, scratch, &entities);

	is_int(tagged->n_tokens, 10, "ten tokens");
	is_int(entities.n, 3, "three entities");
	if (entities.n == 3)
	{
		is_int(entities.entity[0].start, 10, "the first begins at character 10, behind one of four bytes and one of two");
		is_int(entities.entity[0].stop, 22, "and ends before 22");
		is_text(entities.entity[0].label, strlen(entities.entity[0].label), "PER", "a person");
		is_int(entities.entity[1].start, 27, "the second");
		is_int(entities.entity[2].start, 40, "the third");
		is_int(entities.entity[2].stop, 48, "to its end, before the period");
		is_text(entities.entity[2].label, strlen(entities.entity[2].label), "LOC", "a town");
	}
	is_text(tagged->token[3].bytes, tagged->token[3].n_bytes, "Bado", "bytes as they are written");

	(void) answer(model, &words, 1, scratch, &entities);
	is_int(entities.n, 3, "words: three entities");
	if (entities.n == 3)
	{
		is_int(entities.entity[0].start, 5, "words: counted with one space between");
		is_int(entities.entity[0].stop, 17, "words: over two of them");
		is_int(entities.entity[2].start, 35, "words: the last");
	}
}

/* ---- probabilities ------------------------------------------------------------------- */

/* Scores of one text as the network gives them. */
static float *
emissions_of(const NnModel *model, const NnTaggedText *text, const NnValue *input, NnArena *scratch)
{
	NnExamples	examples;
	NnBatch		batch;
	int32_t		pick = 0;
	int32_t		order;
	float	   *emission = nn_arena_alloc(scratch, (size_t) (text->n_tokens * model->spec.n_outputs), sizeof(float));

	(void) nn_encode_tagged(model, input, 1, scratch, &examples, NULL, NULL, &err);
	(void) nn_batch_pack(&batch, &model->spec, &examples, &pick, 1, 0, NULL, scratch, &order, &err);
	(void) nn_net_emissions(model->net, &batch, scratch, emission, &err);
	return emission;
}

/* Sums over all legal paths. */
typedef struct Paths
{
	const NnModel *model;
	int			T;
	const float *emission;
	const NnEntity *entity;
	const NnTaggedText *text;
	double		all;
	double		with_entity;
	double		marginal[8][8]; /* T, K */
	int			path[8];
} Paths;

/* Is the entity there, and no longer? */
static bool
path_has_entity(const Paths *paths)
{
	const NnTagScheme *scheme = &paths->model->scheme;
	const NnEntity *entity = paths->entity;

	for (int t = entity->first; t < entity->last; t++)
		if (paths->path[t] != paths->text->token[t].tag)
			return false;
	if (entity->last == paths->T)
		return true;
	return !(scheme->prefix[paths->path[entity->last]] == 'I' &&
			 scheme->type[paths->path[entity->last]] == scheme->type[paths->path[entity->first]]);
}

static void
walk_paths(Paths *paths, int t, double score)
{
	const NnModel *model = paths->model;
	int			K = model->spec.n_outputs;
	NnCrf		crf;

	nn_net_transitions(model->net, &crf.n_tags, &crf.transition, &crf.start, &crf.end);
	if (t == paths->T)
	{
		double		p = exp(score + (double) crf.end[paths->path[t - 1]]);

		paths->all += p;
		paths->with_entity += path_has_entity(paths) ? p : 0.0;
		for (int s = 0; s < t; s++)
			paths->marginal[s][paths->path[s]] += p;
		return;
	}
	for (int k = 0; k < K; k++)
	{
		int			from = t == 0 ? K : paths->path[t - 1];

		if (!model->allowed[from * K + k])
			continue;
		paths->path[t] = k;
		walk_paths(paths, t + 1, score + (double) paths->emission[t * K + k] +
				   (double) (t == 0 ? crf.start[k] : crf.transition[from * K + k]));
	}
}

/* Every legal path of a short text, one by one. */
static void
test_probabilities(const NnModel *model, NnArena *scratch)
{
	NnValue		input = task_words("met Zoki kason in Motiburg");
	NnEntities	entities;
	NnTaggedText *text = answer(model, &input, 1, scratch, &entities);
	Paths		paths = {.model = model, .T = text->n_tokens, .text = text};
	double		worst = 0.0;

	paths.emission = emissions_of(model, text, &input, scratch);
	ok(model->spec.n_outputs == 5 && entities.n > 0 && text->n_tokens == 5, "a text with %d entities", entities.n);
	for (int i = 0; i < entities.n; i++)
	{
		paths.entity = &entities.entity[i];
		paths.all = paths.with_entity = 0.0;
		memset(paths.marginal, 0, sizeof(paths.marginal));
		walk_paths(&paths, 0, 0.0);
		is_near(entities.entity[i].probability, paths.with_entity / paths.all, 1e-5, "an entity's probability");
	}
	for (int t = 0; t < text->n_tokens; t++)
		worst = net_case_worse(worst, fabs((double) text->token[t].probability -
										   paths.marginal[t][text->token[t].tag] / paths.all));
	ok(worst < 1e-5, "marginals of the tags (error %.2g)", worst);
}

/* ---- alone and in a batch; hostile input ------------------------------------------------ */

static bool
same_tagged(const NnTaggedText *a, const NnTaggedText *b, const NnEntities *c, const NnEntities *d)
{
	bool		is_same = a->n_tokens == b->n_tokens && c->n == d->n;

	for (int t = 0; is_same && t < a->n_tokens; t++)
		is_same = a->token[t].tag == b->token[t].tag && a->token[t].start == b->token[t].start &&
			memcmp(&a->token[t].probability, &b->token[t].probability, sizeof(float)) == 0;
	for (int i = 0; is_same && i < c->n; i++)
		is_same = c->entity[i].start == d->entity[i].start && c->entity[i].label != NULL &&
			strcmp(c->entity[i].label, d->entity[i].label) == 0 &&
			memcmp(&c->entity[i].probability, &d->entity[i].probability, sizeof(float)) == 0;
	return is_same;
}

static void
test_batches(const NnModel *model, const NnModel *read_back, NnArena *scratch)
{
	enum
	{
		N = 100
	};
	NnRng		rng;
	NnValue		inputs[N];
	NnEntities	together[N];
	NnTaggedText *texts;
	int			n_alone = 0;
	int			n_read = 0;

	nn_rng_seed(&rng, 5);
	for (int i = 0; i < N; i++)
	{
		Sentence	sentence = make_sentence(&rng);

		inputs[i] = i % 3 == 0 ? task_words(sentence.words) : task_text(sentence.words);
	}
	inputs[7] = task_text("");
	inputs[8] = task_words("");
	inputs[9] = task_text("  \n ");
	inputs[10] = task_text("Zoburg");
	inputs[11] = (NnValue)
	{
		.kind = NN_VALUE_WORDS, .words = inputs[0].words, .word_bytes = net_case_alloc(3, sizeof(size_t)), .n_words = 3
	};
	texts = answer(model, inputs, N, scratch, together);
	is_int(texts[7].n_tokens + texts[8].n_tokens + texts[9].n_tokens, 0, "nothing in, nothing out");
	is_int(texts[11].n_tokens, 3, "empty words are tokens");
	for (int i = 0; i < N; i++)
	{
		NnEntities	alone;
		NnTaggedText *text = answer(model, &inputs[i], 1, scratch, &alone);

		n_alone += same_tagged(text, &texts[i], &alone, &together[i]);
		text = answer(read_back, &inputs[i], 1, scratch, &alone);
		n_read += same_tagged(text, &texts[i], &alone, &together[i]);
	}
	is_int(n_alone, N, "alone and in a batch, bit for bit");
	is_int(n_read, N, "a model read from its file answers the same");
}

static void
test_hostile(const NnModel *model, NnArena *scratch)
{
	float		numbers[2] = {1, 2};
	NnValue		wrong = task_numbers(numbers, 2);
	NnValue		bytes = task_bytes("then \xff met", 10);
	NnValue		word = task_bytes("\xc3", 1);
	NnValue		words = {.kind = NN_VALUE_WORDS, .words = &word.text, .word_bytes = &word.n_bytes, .n_words = 1};
	NnTaggedText out;
	char	   *many = net_case_alloc(10000 * 6 + 1, 1);

	is_int(nn_answer_tags(model, &wrong, 1, scratch, &out, NULL, NULL, &err), NN_EINVAL, "numbers are refused");
	is_int(nn_answer_tags(model, &bytes, 1, scratch, &out, NULL, NULL, &err), NN_EENCODING, "so are bytes that are no text");
	is_int(nn_answer_tags(model, &words, 1, scratch, &out, NULL, NULL, &err), NN_EENCODING, "and in words");
	for (int i = 0; i < 10000; i++)
		memcpy(many + 6 * i, i % 50 == 0 ? "Kason " : "wrote ", 6);
	many[10000 * 6] = '\0';
	bytes = task_text(many);
	{
		NnEntities	entities;

		(void) nn_answer_tags(model, &bytes, 1, scratch, &out, &entities, NULL, &err);
		is_int(out.n_tokens, 10000, "ten thousand tokens");
		ok(nn_arena_peak_bytes(scratch) < (size_t) 200 << 20, "in %zu MB, with %d entities",
		   nn_arena_peak_bytes(scratch) >> 20, entities.n);
	}
}

/* ---- rows that cannot be learned from ---------------------------------------------------- */

static void
expect(const char *words, const char *tags, NnStatus want, const char *message, const char *what)
{
	TaskRow		rows[2] = {{.input = task_words(words), .target = task_words(tags)}};
	NnOptions	options = small_options(1);
	const NnLearnReport *report;
	NnStatus	status;
	NnLearner  *learner;

	rows[1] = rows[0];
	learner = task_try(NN_TASK_TAG, &options, NULL, rows, 2, &nn_env_malloc, &report, &status, &err);
	if (!ok(status == want && (want == NN_OK || strstr(err.message, message) != NULL), "%s", what))
		diag("status %d: %s", (int) status, err.message);
	nn_learner_destroy(learner);
}

static void
test_rows(void)
{
	expect("a b c", "O O", NN_EINVAL, "not as many tags", "fewer tags than tokens");
	expect("a", "O O", NN_EINVAL, "not as many tags", "more tags than tokens");
	expect("", "", NN_EDATA, "no row has a token", "no tokens at all");
	expect("a", "O", NN_OK, "", "sentences of one token and one tag");
	expect("a b", "NOUN VERB", NN_OK, "", "tags that are not BIO");
	expect("a b", "I-X I-Y", NN_OK, "", "tags without a beginning");
}

/* A tag that only held-out rows have, or one row of many, is a tag all the same. */
static void
test_rare_tags(void)
{
	NnRng		rng;
	NnOptions	options = small_options(1);
	NnModel    *model;
	TaskRow    *rows;
	NnLearner  *learner;

	nn_rng_seed(&rng, 31);
	rows = make_rows(&rng, 30);
	rows[4].input = task_words("once");
	rows[4].target = task_words("B-EVER");
	learner = task_learn(NN_TASK_TAG, &options, NULL, rows, 30, NULL);
	model = nn_learner_model(learner);
	is_int(model->spec.n_outputs, 6, "a tag of one row is known");
	nn_learner_destroy(learner);
}

int
main(void)
{
	NnRng		rng;
	NnArena    *scratch = nn_arena_create(&nn_env_malloc);
	NnOptions	options = small_options(8);
	const NnLearnReport *report;
	TaskRow    *rows;
	NnLearner  *learner;
	NnModel    *read_back;

	nn_rng_seed(&rng, 1);
	rows = make_rows(&rng, 300);
	learner = task_learn(NN_TASK_TAG, &options, NULL, rows, 300, &report);
	read_back = task_read_back(learner);
	test_names(nn_learner_model(learner), report, scratch);
	test_offsets(nn_learner_model(learner), scratch);
	test_probabilities(nn_learner_model(learner), scratch);
	if (ok(read_back != NULL, "the file is read back"))
		test_batches(nn_learner_model(learner), read_back, scratch);
	nn_arena_destroy(scratch);
	scratch = nn_arena_create(&nn_env_malloc);
	test_hostile(nn_learner_model(learner), scratch);
	nn_model_destroy(read_back);
	nn_learner_destroy(learner);
	test_rows();
	test_rare_tags();

	options.epochs = 1;
	ok(task_ignores_order(NN_TASK_TAG, &options, rows, 40), "the same file whatever the order of the rows");
	ok(task_keeps_its_plan(NN_TASK_TAG, &options, rows, 100), "no more memory than planned");
	options.spelling = 0;
	options.dropout = options.dropout_input = 0.3;
	options.refit = 1;
	ok(task_keeps_its_plan(NN_TASK_TAG, &options, rows, 100), "nor without spelling and with a second training");
	ok(task_survives_failures(NN_TASK_TAG, &options, rows, 20), "failed allocations and stopped polls");
	nn_arena_destroy(scratch);
	task_free_values();
	return done_testing();
}
