/*
 * exec/causes.c: which phrases drive a label in some rows, compared with others.
 *
 * Of a row that is added its words stay (as numbers, in core), the label that the
 * model gives it, and of a row of the cohort the text and the key too: some of them
 * are to be explained and shown.  What grows with the rows goes to temporary files when it is
 * large; the rest is held against pg_lstm.train_memory.
 *
 * Which rows are explained depends on their texts and keys alone, not on the order of reading.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"

#include "base/rng.h"
#include "stat/tests.h"
#include "text/tokenize.h"

#include "exec/causes.h"
#include "exec/causes_explain.h"
#include "exec/explain.h"
#include "exec/predict.h"
#include "glue/env_pg.h"
#include "glue/errors.h"
#include "glue/settings.h"

/* Larger blocks of texts go to a temporary file. */
#define MAP_BYTES		((size_t) 16 * 1024 * 1024)

/* Characters of a text shown before and behind a phrase. */
#define SNIPPET_BEFORE	40
#define SNIPPET_BEHIND	40

/* The baseline has the label too seldom to compare the rows with it if less than this part of the cohort's rate. */
#define SELDOM			0.2

typedef struct Kept
{
	size_t		at;				/* of the text, and behind it the key with its 0 */
	uint32		n_bytes;		/* of the text */
	bool		has_key;
	bool		is_cohort;
	bool		is_baseline;
} Kept;

struct LstmCauses
{
	const NnModel *model;
	const char *model_name;
	const LstmCausesOptions *options;
	bool		compares_label;
	LstmEnv		env;
	NnArena    *arena;
	NnPhrases  *phrases;
	NnArray		rows;			/* Kept */
	NnArray		labels;			/* uint8: for each row its number; with many labels one for each */
	NnArray		bytes;
	int			label_width;	/* of a row among the labels */
	int64	   *n_with[2];		/* (labels) rows of the baseline and the cohort with each label */
	int64		n_of[2];
};

static void
throw_no_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory")));
}

static void *
push(NnArray *array, size_t n)
{
	void	   *at = nn_array_push(array, n);

	if (at == NULL && n > 0)
		throw_no_memory();
	return at;
}

LstmCauses *
lstm_causes_begin(const NnModel *model, const char *model_name, bool compares_label, const LstmCausesOptions *options)
{
	LstmCauses *causes = palloc0(sizeof(LstmCauses));
	NnError		err = {0};

	causes->model = model;
	causes->model_name = model_name;
	causes->options = options;
	causes->compares_label = compares_label;
	lstm_env_init(&causes->env, CurrentMemoryContext);
	causes->arena = nn_arena_create(&causes->env.env);
	if (causes->arena == NULL)
		throw_no_memory();
	lstm_check(nn_phrases_create(&causes->phrases, &causes->env.env, lstm_megabytes(lstm_train_memory_mb), &err), &err);
	nn_array_init(&causes->rows, &causes->env.env, sizeof(Kept));
	nn_array_init(&causes->labels, &causes->env.env, 1);
	nn_array_init(&causes->bytes, &causes->env.env, 1);
	causes->rows.map_bytes = causes->labels.map_bytes = causes->bytes.map_bytes = MAP_BYTES;
	/* a number in two bytes, or a flag for each label */
	causes->label_width = model->spec.is_multi_label ? model->spec.n_outputs : sizeof(uint16);
	for (int side = 0; side < 2; side++)
		causes->n_with[side] = palloc0(sizeof(int64) * model->spec.n_outputs);
	return causes;
}

/* ---- rows ---------------------------------------------------------------------- */

static void
keep_labels(LstmCauses *causes, const float *p, const LstmCausesRow *row)
{
	const NnModel *model = causes->model;
	int			C = model->spec.n_outputs;
	uint8	   *at = push(&causes->labels, causes->label_width);
	bool		counts = row->is_cohort || row->is_baseline;

	causes->n_of[row->is_cohort] += counts;
	if (!model->spec.is_multi_label)
	{
		uint16		best = (uint16) lstm_best_of(p, C);

		memcpy(at, &best, sizeof(best));
		causes->n_with[row->is_cohort][best] += counts;
		return;
	}
	for (int c = 0; c < C; c++)
	{
		at[c] = p[c] >= model->threshold[c];
		causes->n_with[row->is_cohort][c] += counts && at[c];
	}
}

static bool
has_label(const LstmCauses *causes, int64 row, int label)
{
	const uint8 *at = (const uint8 *) causes->labels.data + row * causes->label_width;
	uint16		best;

	if (causes->model->spec.is_multi_label)
		return at[label];
	memcpy(&best, at, sizeof(best));
	return best == label;
}

static void
keep_row(LstmCauses *causes, const LstmCausesRow *row)
{
	Kept	   *kept = push(&causes->rows, 1);
	size_t		n_key = row->key != NULL ? strlen(row->key) + 1 : 0;
	char	   *at;

	memset(kept, 0, sizeof(*kept));
	kept->is_cohort = row->is_cohort;
	kept->is_baseline = row->is_baseline && !row->is_cohort;
	kept->has_key = n_key > 0;
	kept->at = causes->bytes.n;
	if (!row->is_cohort && !causes->compares_label)
		return;
	kept->n_bytes = (uint32) row->input.n_bytes;
	at = push(&causes->bytes, row->input.n_bytes + n_key);
	if (row->input.n_bytes > 0)
		memcpy(at, row->input.text, row->input.n_bytes);
	if (n_key > 0)
		memcpy(at + row->input.n_bytes, row->key, n_key);
}

void
lstm_causes_add(LstmCauses *causes, const LstmCausesRow *rows, int n)
{
	const NnModel *model = causes->model;
	int			C = model->spec.n_outputs;
	NnValue    *inputs = palloc(sizeof(NnValue) * Max(n, 1));
	float	   *p = palloc_extended(sizeof(float) * Max(n, 1) * C, MCXT_ALLOC_HUGE);
	NnError		err = {0};

	for (int i = 0; i < n; i++)
		inputs[i] = rows[i].input;
	lstm_predict_batch(model, inputs, n, p, NULL, NULL);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		keep_labels(causes, p + (size_t) i * C, &rows[i]);
		keep_row(causes, &rows[i]);
		lstm_check_memory(nn_phrases_add_row(causes->phrases, &err), &err);
		lstm_check_memory(nn_phrases_add_text(causes->phrases, rows[i].input.text, rows[i].input.n_bytes, &err), &err);
	}
	pfree(inputs);
	pfree(p);
}

/* ---- the label -------------------------------------------------------------------- */

/* The label whose share of the cohort is most surely larger than that of the baseline. */
static int
risen_label(const LstmCauses *causes)
{
	int			best = 0;
	double		best_p = 2.0;

	for (int c = 0; c < causes->model->spec.n_outputs; c++)
	{
		NnTwoSamples samples = {causes->n_with[1][c], causes->n_of[1], causes->n_with[0][c], causes->n_of[0]};
		double		p = nn_share_test(&samples, NN_FIRST_MORE);

		if (p < best_p)
		{
			best = c;
			best_p = p;
		}
	}
	return best;
}

int
lstm_causes_label(const LstmCauses *causes, const char *label)
{
	return label == NULL ? risen_label(causes) : lstm_label_number(causes->model, causes->model_name, label);
}

/* ---- what is compared ---------------------------------------------------------------- */

/* Do the rows with the label tell enough, or does having it make the cohort what it is? */
static bool
compares_label_rows(const LstmCauses *causes, int label)
{
	double		cohort = (double) causes->n_with[1][label] / (double) Max(causes->n_of[1], 1);
	double		baseline = (double) causes->n_with[0][label] / (double) Max(causes->n_of[0], 1);

	if (causes->options->compare != LSTM_COMPARE_AUTO)
		return causes->options->compare == LSTM_COMPARE_LABEL;
	return baseline >= SELDOM * cohort;
}

static uint8 *
cells_of(const LstmCauses *causes, int label)
{
	const Kept *rows = causes->rows.data;
	uint8	   *cell = palloc_extended(Max(causes->rows.n, 1), MCXT_ALLOC_HUGE);
	bool		is_strict = !causes->compares_label && compares_label_rows(causes, label);

	for (size_t i = 0; i < causes->rows.n; i++)
	{
		bool		has_it = has_label(causes, i, label);
		bool		is_cohort = causes->compares_label ? has_it : rows[i].is_cohort;

		if (is_strict && !has_it)
			cell[i] = is_cohort ? NN_ROWS_COHORT_OTHER : NN_ROWS_BASELINE_OTHER;
		else
			cell[i] = is_cohort ? NN_ROWS_COHORT : NN_ROWS_BASELINE;
		if (!causes->compares_label && !rows[i].is_cohort && !rows[i].is_baseline)
			cell[i] = NN_ROWS_NONE;
	}
	return cell;
}

/* ---- weights ---------------------------------------------------------------------------- */

typedef struct Drawn
{
	uint64		hash;
	int32		row;
} Drawn;

static int
compare_drawn(const void *a, const void *b)
{
	const Drawn *x = a;
	const Drawn *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->row - y->row;
}

/* Rows of the cohort with the label, in the order of hashes. */
static Drawn *
draw_rows(const LstmCauses *causes, int label, const uint8 *cell, int64 *n_drawn)
{
	const Kept *rows = causes->rows.data;
	Drawn	   *drawn = palloc_extended(sizeof(Drawn) * Max(causes->rows.n, 1), MCXT_ALLOC_HUGE);
	int64		n = 0;

	for (size_t i = 0; i < causes->rows.n; i++)
	{
		const char *text = (const char *) causes->bytes.data + rows[i].at;

		if (cell[i] != NN_ROWS_COHORT || !has_label(causes, i, label))
			continue;
		drawn[n].row = (int32) i;
		drawn[n].hash = nn_hash_bytes(text, rows[i].n_bytes, 1);
		if (rows[i].has_key)
			drawn[n].hash ^= nn_hash_bytes(text +rows[i].n_bytes, strlen(text +rows[i].n_bytes), 2);
		n++;
	}
	qsort(drawn, n, sizeof(Drawn), compare_drawn);
	*n_drawn = Min(n, causes->options->explain_rows);
	return drawn;
}

static NnValue
text_of(const LstmCauses *causes, int64 row)
{
	const Kept *kept = (const Kept *) causes->rows.data + row;

	return (NnValue)
	{
		.kind = NN_VALUE_TEXT, .text = (const char *) causes->bytes.data + kept->at, .n_bytes = kept->n_bytes
	};
}

/* Rows whose weights are on their way. */
typedef struct Weighing
{
	LstmCauses *causes;
	const Drawn *drawn;
} Weighing;

static void
weigh_row(void *arg, int i, const NnValue *input, const NnWeighted *weighted, int n)
{
	Weighing   *weighing = arg;
	NnError		err = {0};

	lstm_check_memory(nn_phrases_weigh(weighing->causes->phrases, weighing->drawn[i].row, input->text, input->n_bytes,
									   weighted, n, &err), &err);
}

static void
weigh_rows(LstmCauses *causes, int label, const Drawn *drawn, int64 n_drawn)
{
	NnValue    *inputs = palloc_extended(sizeof(NnValue) * Max(n_drawn, 1), MCXT_ALLOC_HUGE);
	Weighing	weighing = {causes, drawn};

	for (int64 i = 0; i < n_drawn; i++)
		inputs[i] = text_of(causes, drawn[i].row);
	lstm_causes_explain(causes->model, label, inputs, (int) n_drawn, weigh_row, &weighing);
	pfree(inputs);
}

/* ---- causes --------------------------------------------------------------------------------- */

/* Characters from start to before stop of a text, with some before and behind; line ends become spaces. */
static char *
cut_snippet(const NnValue *value, int64 start, int64 stop)
{
	int64		from = Max(start - SNIPPET_BEFORE, 0);
	size_t		first = nn_utf8_skip(value->text, value->n_bytes, 0, from);
	size_t		behind = nn_utf8_skip(value->text, value->n_bytes, first, stop + SNIPPET_BEHIND - from);
	char	   *snippet = psprintf("%s%.*s%s", first > 0 ? "..." : "", (int) (behind - first), value->text +first,
								   behind < value->n_bytes ? "..." : "");

	for (char *c = snippet; *c != '\0'; c++)
	{
		if (*c >= '\t' && *c <= '\r')
			*c = ' ';
	}
	return snippet;
}

static char *
snippet_of(const LstmCauses *causes, const NnPhraseExample *example)
{
	const NnTokenizerOptions options = {0};
	NnValue		value = text_of(causes, example->row);
	NnTokenizer tokenizer;
	NnWord		word;
	int64		start = 0;
	int64		stop = 0;
	NnError		err = {0};

	nn_tokenizer_init(&tokenizer, &causes->env.env, &options, value.text, value.n_bytes);
	for (int64 i = 0; i < example->word + example->n_words; i++)
	{
		lstm_check(nn_tokenizer_next(&tokenizer, &word, &err), &err);
		if (word.bytes == NULL)
			break;
		if (i == example->word)
			start = word.start;
		stop = word.stop;
	}
	return cut_snippet(&value, start, stop);
}

static void
put_examples(const LstmCauses *causes, const NnFinding *finding, LstmCause *cause)
{
	const Kept *rows = causes->rows.data;

	cause->n_examples = finding->n_examples;
	cause->examples = palloc(sizeof(char *) * Max(finding->n_examples, 1));
	cause->snippets = palloc(sizeof(char *) * Max(finding->n_examples, 1));
	for (int i = 0; i < finding->n_examples; i++)
	{
		const Kept *kept = &rows[finding->example[i].row];
		const char *text = (const char *) causes->bytes.data + kept->at;

		cause->examples[i] = kept->has_key ? pstrdup(text +kept->n_bytes) : NULL;
		cause->snippets[i] = lstm_from_utf8(snippet_of(causes, &finding->example[i]));
	}
}

static LstmCause *
causes_of(const LstmCauses *causes, const NnFindings *findings)
{
	LstmCause  *found = palloc0(sizeof(LstmCause) * Max(findings->n, 1));

	for (int i = 0; i < findings->n; i++)
	{
		const NnFinding *finding = &findings->finding[i];

		found[i].phrase = lstm_from_utf8_bytes(finding->bytes, finding->n_bytes);
		found[i].share = finding->share;
		found[i].lift = finding->lift;
		found[i].support = finding->n_rows[NN_ROWS_COHORT];
		found[i].p_value = finding->p_value;
		found[i].forms = lstm_from_utf8_bytes(finding->forms, finding->n_form_bytes);
		found[i].baseline_support = finding->n_rows[NN_ROWS_BASELINE];
		put_examples(causes, finding, &found[i]);
	}
	return found;
}

LstmCause *
lstm_causes_find(LstmCauses *causes, int label, int *n)
{
	const LstmCausesOptions *options = causes->options;
	NnFindingOptions finding_options = {
		.false_rate = options->false_rate, .max_findings = options->limit, .n_examples = options->examples
	};
	uint8	   *cell = cells_of(causes, label);
	NnFindings	findings;
	Drawn	   *drawn;
	int64		n_drawn;
	NnError		err = {0};

	lstm_check_memory(nn_phrases_count(causes->phrases, cell, options->min_rows, options->max_words, &err), &err);
	drawn = draw_rows(causes, label, cell, &n_drawn);
	weigh_rows(causes, label, drawn, n_drawn);
	lstm_check_memory(nn_phrases_find(causes->phrases, &finding_options, causes->arena, &findings, &err), &err);
	*n = findings.n;
	return causes_of(causes, &findings);
}
