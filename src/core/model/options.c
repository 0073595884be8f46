/*
 * model/options.c: the table of options, and setting one by its name.
 *
 * Everything about an option stands in its row: where its value lives, what it
 * may be, what it means.  The rest of the file is the same for all rows.  To
 * add an option, add a field to NnOptions, a row here, and use it in recipe.c.
 *
 * Meanings are for a person who knows SQL and no machine learning; the term of
 * the field stands behind in parentheses.
 */
#include "model/options.h"
#include "model/windows.h"
#include "train/train.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_ITEMS(array) ((int) (sizeof(array) / sizeof((array)[0])))

#define BIT(task)	(1u << NN_TASK_##task)
#define ONE_ANSWER	(BIT(CLASSIFY) | BIT(REGRESS))
#define LANGUAGE	BIT(LANGUAGE)
#define TAGS		BIT(TAG)
#define SERIES		BIT(FORECAST)
#define PAIRS		(BIT(TRANSLATE) | BIT(CAPTION))
#define WRITERS		(PAIRS | LANGUAGE)
#define READERS		(ONE_ANSWER | TAGS | BIT(TRANSLATE) | LANGUAGE) /* of text */
#define EVERY_TASK	(ONE_ANSWER | TAGS | WRITERS | SERIES)

#define SEED_MAX	9007199254740992.0	/* 2^53: every whole number up to it is a double */
#define PLACE(field) #field, offsetof(NnOptions, field)

/* Rows by kind; the arguments are in the order in which a reader wants them. */
#define INTEGER(tasks, field, low, high, shown, value, meaning) \
	ROW(NN_OPTION_INTEGER, PLACE(field), low, high, NULL, shown, value, meaning, tasks)
#define REAL(tasks, field, low, high, shown, value, meaning) \
	ROW(NN_OPTION_REAL, PLACE(field), low, high, NULL, shown, value, meaning, tasks)
#define BOOLEAN(tasks, field, shown, value, meaning) \
	ROW(NN_OPTION_BOOLEAN, PLACE(field), 0, 1, NULL, shown, value, meaning, tasks)
#define CHOICE(tasks, field, choices, shown, value, meaning) \
	ROW(NN_OPTION_CHOICE, PLACE(field), 0, 0, choices, shown, value, meaning, tasks)
#define TEXT(tasks, field, meaning) \
	ROW(NN_OPTION_TEXT, PLACE(field), 0, 0, NULL, "", 0, meaning, tasks)

#define ROW(kind, place, low, high, choices, shown, value, meaning, tasks) \
	ROW_(kind, place, low, high, choices, shown, value, meaning, tasks)
#define ROW_(kind, name, offset, low, high, choices, shown, value, meaning, tasks) \
	{name, kind, offset, low, high, choices, shown, value, meaning, tasks}

static const NnOptionInfo table[] = {
	/* network */
	CHOICE(EVERY_TASK, cell, "none|rnn|lstm|gru", "auto: lstm; none for vectors", NN_AUTO,
		   "The kind of memory that reads the words in their order; none leaves only the bag of words (recurrent cell)."),
	INTEGER(EVERY_TASK, hidden, 1, NN_MAX_HIDDEN, "auto: 64; more for tags and for texts that are written", NN_AUTO,
			"How many numbers the network keeps in mind while it reads, in each direction (hidden size)."),
	INTEGER(EVERY_TASK, layers, 1, NN_MAX_LAYERS, "1", 1,
			"How many networks are stacked, each reading what the one below made of the text (layers)."),
	BOOLEAN(EVERY_TASK, bidirectional, "auto: true; false for language", NN_AUTO,
			"Read the text from its end too, and use both readings (bidirectional)."),
	ROW(NN_OPTION_POOL, PLACE(pool), 0, 0, "last|max|mean|attention",
		"auto: max+mean, with last for numbers", NN_AUTO,
		"How what was read at each word becomes one summary: any of last, max, mean, attention, joined by + (pooling).",
		ONE_ANSWER | SERIES),
	INTEGER(READERS | WRITERS, embedding, 1, NN_MAX_EMBEDDING, "auto: 100, or the width of vectors", NN_AUTO,
			"How many numbers stand for a word (embedding size)."),
	BOOLEAN(ONE_ANSWER, bag, "auto: true; for numbers only where all rows have one length", NN_AUTO,
			"Also look at which words, pairs of words and parts of words occur, whatever their order (wide branch)."),
	INTEGER(ONE_ANSWER, bag_hidden, 1, NN_MAX_HIDDEN, "auto: from the number of labels", NN_AUTO,
			"How many numbers sum up the bag of words (hidden size of the wide branch)."),
	INTEGER(ONE_ANSWER, bag_features, 0, 20000000, "auto: 600000", NN_AUTO,
			"At most so many words, pairs and parts of words are known to the bag; the rarest are left out (features)."),
	BOOLEAN(ONE_ANSWER, char_ngrams, "auto: true unless the texts are very long in all", NN_AUTO,
			"Let the bag know parts of words too, which helps with typing errors and endings (character n-grams)."),

	/* reading */
	CHOICE(ONE_ANSWER | BIT(CAPTION), input, "text|series|vector", "auto: from the type of the column", NN_AUTO,
		   "Whether an array of numbers is a series of steps in time or one vector without order (input kind)."),
	INTEGER(EVERY_TASK, max_tokens, 1, 1000000, "auto: 256 words, or 4096 steps; tag: no bound", NN_AUTO,
			"At most so many words or steps are read in their order; the bag sees all of them (truncation length)."),
	INTEGER(READERS | WRITERS, vocabulary, 0, 2000000, "60000", 60000,
			"At most so many different words are known as whole words, the most frequent ones (vocabulary size)."),
	INTEGER(ONE_ANSWER | WRITERS, subwords, 0, 100000, "auto: 0; 4000 where most words are rare, where no bag reads parts of words, and for texts that are written; 0 for given words and characters", NN_AUTO,
			"At most so many parts of words are learned, from which all other words are put together; 0 reads all other words as one and the same (byte-pair merges)."),
	INTEGER(READERS | WRITERS, min_rows, 1, 1000000, "auto: 3; 2 for tags, captions and a language of given words; 1 for a language of characters", NN_AUTO,
			"A word that occurs in fewer rows is not stored in the model as a word (minimum document frequency)."),
	BOOLEAN(ONE_ANSWER, case_sensitive, "false", 0,
			"Tell words apart that differ only in capital letters (case folding is off)."),
	CHOICE(LANGUAGE, unit, "word|character", "word", 0,
		   "What a text is made of: words, with parts of words for the rare ones, or single characters (token unit)."),
	BOOLEAN(TAGS, spelling, "true", 1,
			"Read how each word is written too, its letters and capitals, which tells names never seen before (character features)."),
	TEXT(READERS, vectors,
		 "A relation (word text, vector real[]) with numbers for words that were learned elsewhere (pretrained embeddings)."),
	TEXT(EVERY_TASK, where,
		 "An SQL condition on the rows to learn from, as after WHERE (filter)."),
	TEXT(LANGUAGE, order_by,
		 "The column in whose order the rows are one running text, so that each row is read with those before it in mind (stateful training)."),
	TEXT(EVERY_TASK, warm_start,
		 "A model to start from, say a language model of the same column: its words and what it knows of them (transfer learning)."),

	/* writing */
	INTEGER(PAIRS, decoder_layers, 1, NN_MAX_LAYERS, "auto: 2; 1 for captions of few rows", NN_AUTO,
			"How many networks are stacked to write the text; the first looks back at what was read (decoder layers)."),
	BOOLEAN(BIT(TRANSLATE), copy, "true", 1,
			"Let words of the source be copied as they are, such as names (copy mechanism)."),

	/* forecasts */
	INTEGER(SERIES, horizon, 1, NN_MAX_HORIZON, "auto: one season, or 24 where there is none", NN_AUTO,
			"How many steps ahead are learned at once (forecast horizon)."),
	INTEGER(SERIES, window, 1, NN_MAX_WINDOW, "auto: from the season", NN_AUTO,
			"How many steps back are looked at (window length)."),
	INTEGER(SERIES, season, 1, NN_MAX_WINDOW, "auto: found in the series; 1 where there is none", NN_AUTO,
			"After how many steps the series tends to repeat (seasonal period)."),

	/* training */
	BOOLEAN(LANGUAGE, running, "auto: true with order_by, or where texts are long", NN_AUTO,
			"Read all rows as one running text and keep in mind what came before (stateful training)."),
	INTEGER(LANGUAGE, bptt, 1, 10000, "auto: 35 words or 100 characters", NN_AUTO,
			"How many steps of a running text are learned from at once (truncated back-propagation through time)."),
	INTEGER(LANGUAGE, documents, 0, NN_MAX_DOCUMENT, "auto: 100 where there are 100 texts of words and more", NN_AUTO,
			"How many numbers say what a whole text is about, learned from the words that texts share; a warm start for labels is built on them (latent semantic analysis)."),
	INTEGER(WRITERS, samples, 0, 1000000, "auto: 0; 4000 where more than 40000 words are known", NN_AUTO,
			"Compare the right word with so many others drawn at random while learning; 0 compares with all (sampled softmax)."),
	INTEGER(EVERY_TASK, epochs, 1, 1000, "auto: from the number of rows and labels", NN_AUTO,
			"How often the rows are gone through (epochs)."),
	INTEGER(EVERY_TASK, batch, 1, 4096, "auto: from the number of rows", NN_AUTO,
			"How many rows are looked at before the network changes a little (batch size)."),
	REAL(EVERY_TASK, rate, 1e-7, 10, "auto: from the number of labels", NN_AUTO_REAL,
		 "How far the recurrent network changes at a step; too high and it forgets, too low and it never gets there (learning rate)."),
	REAL(READERS | WRITERS, rate_embedding, 1e-7, 10, "auto: from rate", NN_AUTO_REAL,
		 "The same for the numbers that stand for words (learning rate of the embedding)."),
	REAL(ONE_ANSWER | SERIES, rate_bag, 1e-7, 10, "auto: from the kind of input", NN_AUTO_REAL,
		 "The same for the bag of words, or for the linear part of a forecast (learning rate of the wide branch)."),
	REAL(ONE_ANSWER, epsilon_bag, 0, 1, "auto: 0.001; 1e-08 for 20 labels and more, or for two labels and long texts", NN_AUTO_REAL,
		 "Features seen rarely move the less, the larger this is; 1e-08 lets each move as far as a frequent one (Adam's epsilon for the bag's table)."),
	REAL(EVERY_TASK, warmup, 0, 1, "auto: 0.05; 0.1 for forecasts", NN_AUTO_REAL,
		 "The share of the training during which the steps grow from nothing to their full size (warm-up)."),
	CHOICE(EVERY_TASK, schedule, "linear|constant", "linear", 0,
		   "Whether the steps shrink to nothing towards the end or keep their size (learning rate schedule)."),
	REAL(EVERY_TASK, weight_decay, 0, 10, "auto: 0.01; 0.1 for forecasts", NN_AUTO_REAL,
		 "How strongly large weights are pulled back, against learning the rows by heart (weight decay)."),
	REAL(EVERY_TASK, clip, 0, 1e6, "auto: 1; 5 for tag", NN_AUTO_REAL,
		 "The largest step that one batch may ask for, as a length; 0 sets no bound (gradient clipping by global norm)."),
	CHOICE(EVERY_TASK, optimizer, "adamw|sgd", "adamw", 0,
		   "How a batch changes the network: adamw gives each number a step of its own size, sgd the bare gradient (optimizer)."),
	INTEGER(EVERY_TASK, remember, 0, 1000000, "0", 0,
			"Over how many steps the memory is ready to keep what it read before it has learned anything; for long series whose beginning decides (chrono initialization)."),
	REAL(EVERY_TASK, dropout, 0, 0.95, "auto: 0.5; less for texts that are written", NN_AUTO_REAL,
		 "The share of the summary hidden at random while learning, against learning the rows by heart (output dropout)."),
	REAL(READERS | WRITERS, dropout_word, 0, 0.95, "auto: 0.3; 0.2 for tag; less for texts that are written", NN_AUTO_REAL,
		 "The share of the different words hidden at random while learning (word-type dropout)."),
	REAL(EVERY_TASK, dropout_input, 0, 0.95, "auto: 0.2 for text, 0 for numbers; more for tag and for texts that are written", NN_AUTO_REAL,
		 "The share of the numbers of each word or step, and between layers, hidden at random while learning (input dropout)."),
	REAL(EVERY_TASK, dropout_recurrent, 0, 0.95, "auto: 0; language: from the size of the text", NN_AUTO_REAL,
		 "The share of the memory hidden at random from one step to the next while learning (recurrent dropout)."),
	REAL(ONE_ANSWER, dropout_bag, 0, 0.95, "0.3", 0.3,
		 "The share of the bag's summary hidden at random while learning (dropout of the wide branch)."),
	REAL(ONE_ANSWER, dropout_feature, 0, 0.95, "0.2", 0.2,
		 "The share of the bag's words, pairs and parts of words hidden at random while learning (feature dropout)."),
	ROW(NN_OPTION_REAL, PLACE(label_smoothing), 0, 0.95, NULL, "auto: 0; 0.1 for texts that are written", NN_AUTO_REAL,
		"How much doubt is put on every given label, for labels that are often wrong (label smoothing).",
		BIT(CLASSIFY) | PAIRS),
	ROW(NN_OPTION_CHOICE, PLACE(class_weights), 0, 0, "none|balanced", "none", 0,
		"Whether a row counts more the rarer its label is; or an object that says how much, as {\"fraud\": 5} (class weights).",
		BIT(CLASSIFY)),
	REAL(EVERY_TASK, validation, 0, 0.5, "auto: 0.1; 0.02 with order_by; 0.2 for forecasts, at the end of each series", NN_AUTO_REAL,
		 "The share of the rows kept apart, on which the model is measured and never trained (validation split)."),
	INTEGER(EVERY_TASK, patience, 0, 1000, "auto: 0; 4 for forecasts", NN_AUTO,
			"Stop after so many epochs without a better result on the rows kept apart; 0 never stops early (early stopping)."),
	CHOICE(EVERY_TASK, keep, "best|last", "auto: last", NN_AUTO,
		   "Whether the model is that of the best epoch or of the last (checkpoint kept)."),
	BOOLEAN(ONE_ANSWER | TAGS | SERIES, refit, "auto: true for fewer than 20000 rows of moderate length, and for forecasts", NN_AUTO,
			"After measuring, train once more on all rows, those kept apart included (refit)."),
	INTEGER(EVERY_TASK, shards, 1, NN_MAX_SHARDS, "auto: from batch", NN_AUTO,
			"Into how many parts a batch is cut that can be computed at the same time; part of what decides the result (data parallelism)."),
	INTEGER(EVERY_TASK, workers, 1, NN_MAX_SHARDS, "auto: from pg_lstm.max_workers and the size of the training", NN_AUTO,
			"How many processes train together, at most one for each shard; whatever their number, the result is the same (workers)."),
	ROW(NN_OPTION_WHOLE, PLACE(seed), 0, SEED_MAX, NULL, "1", 1,
		"Where the random numbers start; the same seed, rows and options give the same model (random seed).",
		EVERY_TASK),
	CHOICE(EVERY_TASK, weights, "f16|f32", "f16", 0,
		   "How numbers are stored in the model: f16 takes half the space, f32 keeps every digit (precision)."),
};

#define N_OPTIONS N_ITEMS(table)

const NnOptionInfo *
nn_options_table(int *n)
{
	*n = N_OPTIONS;
	return table;
}

/* ---- one value ----------------------------------------------------------- */

/* Put a number that was checked into its field. */
static void
store_number(NnOptions *options, const NnOptionInfo *info, double value)
{
	char	   *field = (char *) options + info->offset;

	if (info->kind == NN_OPTION_REAL || info->kind == NN_OPTION_WHOLE)
		*(double *) field = value;
	else
		*(int *) field = (int) value;
}

static void
store_default(NnOptions *options, const NnOptionInfo *info)
{
	if (info->kind == NN_OPTION_TEXT)
		memset((char *) options + info->offset, 0, NN_OPTION_TEXT_BYTES);
	else
		store_number(options, info, info->default_number);
}

void
nn_options_init(NnOptions *options)
{
	for (int i = 0; i < N_OPTIONS; i++)
		store_default(options, &table[i]);
}

/* Take the next name off "a|b|c". */
static void
next_choice(const char **at, char *name, size_t n_name)
{
	size_t		n_bytes = strcspn(*at, "|");

	snprintf(name, n_name, "%.*s", (int) n_bytes, *at);
	*at += n_bytes;
	if (**at == '|')
		(*at)++;
}

void
nn_options_range(const NnOptionInfo *info, char *out, int n_out)
{
	const char *at = info->choices;
	int			used = 0;
	char		name[32];

	switch (info->kind)
	{
		case NN_OPTION_INTEGER:
		case NN_OPTION_WHOLE:
			snprintf(out, (size_t) n_out, "%.0f ... %.0f", info->low, info->high);
			break;
		case NN_OPTION_REAL:
			snprintf(out, (size_t) n_out, "%g ... %.10g", info->low, info->high);
			break;
		case NN_OPTION_BOOLEAN:
			snprintf(out, (size_t) n_out, "true or false");
			break;
		case NN_OPTION_CHOICE:
		case NN_OPTION_POOL:
			while (*at != '\0' && used < n_out)
			{
				next_choice(&at, name, sizeof(name));
				used += snprintf(out + used, (size_t) (n_out - used), "%s%s",
								 used > 0 ? ", " : "", name);
			}
			if (info->kind == NN_OPTION_POOL && used < n_out)
				snprintf(out + used, (size_t) (n_out - used), ", or several joined by +");
			break;
		case NN_OPTION_TEXT:
			snprintf(out, (size_t) n_out, "text of at most %d bytes", NN_OPTION_TEXT_BYTES - 1);
			break;
	}
}

/* ---- the nearest name ---------------------------------------------------- */

#define NEAREST_BYTES 64		/* a longer name is near to none */

static int
least(int a, int b)
{
	return a < b ? a : b;
}

/*
 * Damerau-Levenshtein distance in the form of optimal string alignment (Damerau
 * 1964): the fewest insertions, deletions, replacements and swaps of neighbors,
 * no byte edited twice.  With d(i, j) the distance of the first i bytes of a and
 * the first j of b,
 *   d(i, j) = min(d(i-1, j) + 1, d(i, j-1) + 1, d(i-1, j-1) + [a_i != b_j],
 *                 d(i-2, j-2) + 1 if a_i = b_{j-1} and a_{i-1} = b_j)
 * Three rows of d are enough.
 */
static int
edit_distance(const char *a, int n_a, const char *b, int n_b)
{
	int			rows[3][NEAREST_BYTES + 1];
	int		   *before = rows[0];
	int		   *above = rows[1];
	int		   *row = rows[2];

	for (int j = 0; j <= n_b; j++)
		above[j] = j;
	for (int i = 1; i <= n_a; i++)
	{
		int		   *free_row = before;

		row[0] = i;
		for (int j = 1; j <= n_b; j++)
		{
			row[j] = least(least(above[j], row[j - 1]) + 1,
						   above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
		before = above;
		above = row;
		row = free_row;
	}
	return above[n_b];
}

const char *
nn_nearest(const char *name, const char *const *names, int n_names)
{
	int			n_bytes = (int) strnlen(name, NEAREST_BYTES + 1);
	const char *nearest = NULL;
	int			bound;

	if (n_bytes > NEAREST_BYTES)
		return NULL;

	/* Two typing errors, or one in three letters; never a wholly different name. */
	bound = n_bytes / 3 > 2 ? n_bytes / 3 : 2;
	bound = least(bound, n_bytes - 1);
	for (int i = 0; i < n_names; i++)
	{
		int			n_other = (int) strnlen(names[i], NEAREST_BYTES + 1);
		int			distance;

		if (n_other > NEAREST_BYTES)
			continue;
		distance = edit_distance(name, n_bytes, names[i], n_other);
		if (distance <= bound)
		{
			nearest = names[i];
			bound = distance - 1;
		}
	}
	return nearest;
}

/* ---- setting by name ------------------------------------------------------ */

/*
 * The longest option name that stands whole in a longer one: other systems say
 * hidden_size, num_layers, learning_rate.
 */
static const char *
contained_option(const char *name)
{
	const char *longest = NULL;

	for (int i = 0; i < N_OPTIONS; i++)
		if (strstr(name, table[i].name) != NULL &&
			(longest == NULL || strlen(table[i].name) > strlen(longest)))
			longest = table[i].name;
	return longest;
}

static NnStatus
find_option(const char *name, const NnOptionInfo **info, NnError *err)
{
	const char *names[N_OPTIONS];
	const char *near;

	for (int i = 0; i < N_OPTIONS; i++)
	{
		names[i] = table[i].name;
		if (strcmp(name, names[i]) == 0)
		{
			*info = &table[i];
			return NN_OK;
		}
	}

	near = nn_nearest(name, names, N_OPTIONS);
	if (near == NULL)
		near = contained_option(name);
	nn_fail(err, NN_EUNKNOWN, "there is no option \"%s\"", name);
	if (near != NULL)
		nn_fail_hint(err, "Perhaps you meant \"%s\". lstm_options() lists all options.", near);
	else
		nn_fail_hint(err, "lstm_options() lists all options.");
	return NN_EUNKNOWN;
}

/* What a value of the wrong kind should have been. */
static NnStatus
wrong_kind(const NnOptionInfo *info, NnError *err)
{
	char		range[256];
	const char *kind = "text";

	switch (info->kind)
	{
		case NN_OPTION_INTEGER:
		case NN_OPTION_WHOLE:
			kind = "a whole number";
			break;
		case NN_OPTION_REAL:
			kind = "a number";
			break;
		case NN_OPTION_BOOLEAN:
			kind = "true or false";
			break;
		case NN_OPTION_CHOICE:
		case NN_OPTION_POOL:
			kind = "one of its names";
			break;
		case NN_OPTION_TEXT:
			break;
	}
	nn_options_range(info, range, sizeof(range));
	nn_fail(err, NN_EINVAL, "option \"%s\" must be %s", info->name, kind);
	nn_fail_detail(err, "It takes %s.", range);
	return NN_EINVAL;
}

static NnStatus
out_of_range(const NnOptionInfo *info, const char *value, NnError *err)
{
	char		range[256];

	nn_options_range(info, range, sizeof(range));
	nn_fail(err, NN_ERANGE, "option \"%s\" cannot be %s", info->name, value);
	nn_fail_detail(err, "It takes %s.", range);
	return NN_ERANGE;
}

NnStatus
nn_options_set_number(NnOptions *options, const char *name, double value, NnError *err)
{
	const NnOptionInfo *info;
	char		shown[32];

	NN_TRY(find_option(name, &info, err));
	if (info->kind != NN_OPTION_INTEGER && info->kind != NN_OPTION_WHOLE &&
		info->kind != NN_OPTION_REAL)
		return wrong_kind(info, err);

	/* Written so that NaN fails. */
	if (!(value >= info->low && value <= info->high))
	{
		snprintf(shown, sizeof(shown), "%.15g", value);
		return out_of_range(info, shown, err);
	}
	if (info->kind != NN_OPTION_REAL && value != floor(value))
		return wrong_kind(info, err);
	store_number(options, info, value);
	return NN_OK;
}

/* The number of value among the choices, or an error that names the nearest. */
static NnStatus
find_choice(const NnOptionInfo *info, const char *value, int *choice, NnError *err)
{
	char		names[8][32];
	char		range[256];
	const char *pointers[8];
	const char *near;
	const char *at = info->choices;
	int			n = 0;

	for (; *at != '\0' && n < N_ITEMS(names); n++)
	{
		next_choice(&at, names[n], sizeof(names[n]));
		pointers[n] = names[n];
		if (strcmp(names[n], value) == 0)
		{
			*choice = n;
			return NN_OK;
		}
	}

	near = nn_nearest(value, pointers, n);
	nn_options_range(info, range, sizeof(range));
	nn_fail(err, NN_ERANGE, "option \"%s\" cannot be \"%s\"", info->name, value);
	nn_fail_detail(err, "It takes %s.", range);
	if (near != NULL)
		nn_fail_hint(err, "Perhaps you meant \"%s\".", near);
	return NN_ERANGE;
}

NnStatus
nn_options_set_text(NnOptions *options, const char *name, const char *value, NnError *err)
{
	const NnOptionInfo *info;
	int			number;
	size_t		n_bytes;

	NN_TRY(find_option(name, &info, err));
	if (info->kind == NN_OPTION_TEXT)
	{
		n_bytes = strlen(value);
		if (n_bytes >= NN_OPTION_TEXT_BYTES)
			return out_of_range(info, "so long", err);
		store_default(options, info);
		memcpy((char *) options + info->offset, value, n_bytes);
		return NN_OK;
	}

	if (info->default_number == NN_AUTO && strcmp(value, "auto") == 0)
	{
		store_default(options, info);
		return NN_OK;
	}
	switch (info->kind)
	{
		case NN_OPTION_CHOICE:
			NN_TRY(find_choice(info, value, &number, err));
			break;
		case NN_OPTION_POOL:
			number = (int) nn_pool_from_name(value);
			if (number == 0)
				return find_choice(info, value, &number, err);
			break;
		default:
			return wrong_kind(info, err);
	}
	store_number(options, info, number);
	return NN_OK;
}

NnStatus
nn_options_set_boolean(NnOptions *options, const char *name, bool value, NnError *err)
{
	const NnOptionInfo *info;

	NN_TRY(find_option(name, &info, err));
	if (info->kind != NN_OPTION_BOOLEAN)
		return wrong_kind(info, err);
	store_number(options, info, value ? 1 : 0);
	return NN_OK;
}

NnStatus
nn_options_set_null(NnOptions *options, const char *name, NnError *err)
{
	const NnOptionInfo *info;

	NN_TRY(find_option(name, &info, err));
	store_default(options, info);
	return NN_OK;
}
