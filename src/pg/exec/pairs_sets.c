/*
 * exec/pairs_sets.c: two versions' answers where a row has any number of labels.
 *
 * A row adds the labels that were missed or are wrong, and how many there are on both
 * sides: 1 - errors / (true + answered) is the micro-averaged F1.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "exec/pairs.h"
#include "exec/predict.h"

static void
begin(LstmPairs *pairs)
{
	pairs->n_sums = 2;
	pairs->figure = nn_figure_share_right;
	pairs->result->figure = "micro_f1";
	pairs->result->test = "bootstrap of pairs, one-sided";
}

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

static void
add_row(const NnModel *model, const float *probability, const NnValue *labels, double *sums)
{
	int			n_true = count_distinct(labels);
	int			n_answered = 0;
	int			n_right = 0;

	for (int c = 0; c < model->spec.n_outputs; c++)
	{
		if (probability[c] < model->threshold[c])
			continue;
		n_answered++;
		n_right += has_label(labels, model->labels[c]);
	}
	sums[0] = n_true + n_answered - 2 * n_right;
	sums[1] = n_true + n_answered;
}

static void
take(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	for (int side = 0; side < 2; side++)
	{
		const NnModel *model = pairs->request->model[side];
		size_t		C = model->spec.n_outputs;
		float	   *out = palloc_extended(sizeof(float) * n * C, MCXT_ALLOC_HUGE);
		double	   *sums = lstm_pairs_push(pairs, side, n);

		lstm_predict_batch(model, inputs, n, out, NULL, NULL);
		for (int i = 0; i < n; i++)
			add_row(model, out + i * C, &rows[i].target, sums + 2 * i);
		pfree(out);
	}
}

const LstmPairer lstm_pairer_sets = {256, begin, take, NULL};
