/*
 * exec/pairs_sets.c: two versions' answers where a row has any number of labels.
 *
 * A row adds the labels that were missed or are wrong, and how many there are on both
 * sides: 1 - errors / (true + answered) is the micro-averaged F1.
 *
 * Label by label each row is a question with two answers, to give it or not.  A version is
 * right about a label if it gives it to a row that has it, and does not to one that lacks
 * it; McNemar's test counts the rows about which only one version is right.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "exec/pairs.h"
#include "exec/predict.h"

/* Does a row have the label?  A label that stands twice in it counts once. */
static bool
has_label(const NnValue *labels, const char *label)
{
	size_t		n_bytes = strlen(label);

	for (int i = 0; i < labels->n_words; i++)
		if (labels->word_bytes[i] == n_bytes && memcmp(labels->words[i], label, n_bytes) == 0)
			return true;
	return false;
}

static int
count_distinct(const NnValue *labels)
{
	int			n = 0;

	for (int i = 0; i < labels->n_words; i++)
	{
		bool		is_again = false;

		for (int j = 0; j < i && !is_again; j++)
			is_again = labels->word_bytes[i] == labels->word_bytes[j] &&
				memcmp(labels->words[i], labels->words[j], labels->word_bytes[i]) == 0;
		n += !is_again;
	}
	return n;
}

static bool
is_given(const NnModel *model, const float *probability, int c)
{
	return probability[c] >= model->threshold[c];
}

static void
add_row(const NnModel *model, const float *probability, const NnValue *labels, double *sums)
{
	int			n_true = count_distinct(labels);
	int			n_answered = 0;
	int			n_right = 0;

	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		if (!is_given(model, probability, c))
			continue;
		n_answered++;
		n_right += has_label(labels, model->labels[c]);
	}
	sums[0] = n_true + n_answered - 2 * n_right;
	sums[1] = n_true + n_answered;
}

bool
lstm_sets_agree(const NnModel *model, const float *probability, const NnValue *labels)
{
	double		sums[2];

	add_row(model, probability, labels, sums);
	return sums[0] == 0.0;
}

static void
begin(LstmPairs *pairs)
{
	pairs->n_sums = 2;
	pairs->figure = nn_figure_share_right;
	pairs->result->figure = "micro_f1";
	pairs->result->test = "bootstrap of pairs, one-sided";
	lstm_pairs_add_labels(pairs);
}

/* Does the model give the label?  *c is where to look for it: labels are in byte order. */
static bool
is_label_given(const NnModel *model, const float *probability, const char *label, int *c)
{
	while (*c < model->spec.n_outputs && strcmp(model->labels[*c], label) < 0)
		(*c)++;
	return *c < model->spec.n_outputs && strcmp(model->labels[*c], label) == 0 && is_given(model, probability, *c);
}

/* What both sides say of each label that the challenger knows. */
static void
count_labels(LstmPairs *pairs, float *const *probability, const NnValue *labels)
{
	const NnModel *champion = pairs->request->model[LSTM_CHAMPION];
	const NnModel *challenger = pairs->request->model[LSTM_CHALLENGER];
	int			k = 0;

	for (int c = 0; c < challenger->spec.n_outputs; c++)
	{
		LstmLabelPair *label = &pairs->result->label[c];
		bool		is_true = has_label(labels, challenger->labels[c]);
		bool		is_right[2];

		is_right[LSTM_CHALLENGER] = is_given(challenger, probability[LSTM_CHALLENGER], c) == is_true;
		is_right[LSTM_CHAMPION] = is_label_given(champion, probability[LSTM_CHAMPION], challenger->labels[c], &k) == is_true;
		label->discordant.n_champion += is_right[LSTM_CHAMPION] && !is_right[LSTM_CHALLENGER];
		label->discordant.n_challenger += is_right[LSTM_CHALLENGER] && !is_right[LSTM_CHAMPION];
		label->n += is_true;
		for (int side = 0; side < 2; side++)
			label->n_right[side] += is_true && is_right[side];
	}
}

static void
take(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	float	   *out[2];

	for (int side = 0; side < 2; side++)
	{
		const NnModel *model = pairs->request->model[side];
		size_t		C = model->spec.n_outputs;
		double	   *sums = lstm_pairs_push(pairs, side, n);

		out[side] = palloc_extended(sizeof(float) * n * C, MCXT_ALLOC_HUGE);
		lstm_predict_batch(model, inputs, n, out[side], NULL, NULL);
		for (int i = 0; i < n; i++)
			add_row(model, out[side] + i * C, &rows[i].target, sums + 2 * i);
	}
	for (int i = 0; i < n; i++)
	{
		float	   *row[2];

		for (int side = 0; side < 2; side++)
			row[side] = out[side] + (size_t) i * pairs->request->model[side]->spec.n_outputs;
		count_labels(pairs, row, &rows[i].target);
	}
	pfree(out[LSTM_CHAMPION]);
	pfree(out[LSTM_CHALLENGER]);
}

const LstmPairer lstm_pairer_sets = {256, begin, take, NULL};
