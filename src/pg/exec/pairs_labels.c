/*
 * exec/pairs_labels.c: two versions' labels and numbers.
 */
#include "glue/compat.h"

#include <math.h>

#include "utils/memutils.h"

#include "exec/pairs.h"
#include "exec/predict.h"

static const NnModel *
model_of(const LstmPairs *pairs, int side)
{
	return pairs->request->model[side];
}

/* The answers of one side, (n, C). */
static float *
ask(const LstmPairs *pairs, int side, const NnValue *inputs, int n)
{
	const NnModel *model = model_of(pairs, side);
	float	   *out = palloc_extended(sizeof(float) * n * model->spec.n_outputs, MCXT_ALLOC_HUGE);

	lstm_predict_batch(model, inputs, n, out, NULL, NULL);
	return out;
}

/* ---- labels -------------------------------------------------------------------- */

void
lstm_pairs_add_labels(LstmPairs *pairs)
{
	LstmPairResult *result = pairs->result;

	result->n_labels = model_of(pairs, LSTM_CHALLENGER)->spec.n_outputs;
	result->label = palloc_extended(sizeof(LstmLabelPair) * result->n_labels, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

/* The challenger has learned from the same rows: it knows all of their labels, in byte order. */
LstmLabelPair *
lstm_pairs_label(const LstmPairs *pairs, const char *label, size_t n_bytes)
{
	const NnModel *model = model_of(pairs, LSTM_CHALLENGER);
	int			low = 0;
	int			high = model->spec.n_outputs - 1;

	while (low <= high)
	{
		int			middle = (low + high) / 2;
		size_t		n = strlen(model->labels[middle]);
		int			order = memcmp(model->labels[middle], label, Min(n, n_bytes));

		if (order == 0 && n == n_bytes)
			return &pairs->result->label[middle];
		if (order < 0 || (order == 0 && n < n_bytes))
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static void
begin_labels(LstmPairs *pairs)
{
	pairs->n_sums = 2;
	pairs->figure = nn_figure_share_right;
	pairs->result->figure = "accuracy";
	pairs->result->test = "McNemar, exact, one-sided";
	pairs->result->is_right_or_wrong = true;
	lstm_pairs_add_labels(pairs);
}

static bool
is_label(const char *label, const LstmRow *row)
{
	return strlen(label) == row->label_bytes && memcmp(label, row->label, row->label_bytes) == 0;
}

static void
count(LstmPairs *pairs, const LstmRow *row, const bool *is_right)
{
	LstmLabelPair *label = lstm_pairs_label(pairs, row->label, row->label_bytes);
	NnDiscordant add = {is_right[LSTM_CHAMPION] && !is_right[LSTM_CHALLENGER],
	is_right[LSTM_CHALLENGER] && !is_right[LSTM_CHAMPION]};

	pairs->result->discordant.n_champion += add.n_champion;
	pairs->result->discordant.n_challenger += add.n_challenger;
	/* a relation that gives other rows when read twice may have a label that nobody knows */
	if (label == NULL)
		return;
	label->n++;
	label->n_right[LSTM_CHAMPION] += is_right[LSTM_CHAMPION];
	label->n_right[LSTM_CHALLENGER] += is_right[LSTM_CHALLENGER];
	label->discordant.n_champion += add.n_champion;
	label->discordant.n_challenger += add.n_challenger;
}

static void
take_labels(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	float	   *out[2];
	double	   *sums[2];

	for (int side = 0; side < 2; side++)
	{
		out[side] = ask(pairs, side, inputs, n);
		sums[side] = lstm_pairs_push(pairs, side, n);
	}
	for (int i = 0; i < n; i++)
	{
		bool		is_right[2];

		for (int side = 0; side < 2; side++)
		{
			int			C = model_of(pairs, side)->spec.n_outputs;
			int			best = lstm_best_of(out[side] + (size_t) i * C, C);

			is_right[side] = is_label(model_of(pairs, side)->labels[best], &rows[i]);
			sums[side][2 * i] = !is_right[side];
			sums[side][2 * i + 1] = 1.0;
		}
		count(pairs, &rows[i], is_right);
	}
	pfree(out[LSTM_CHAMPION]);
	pfree(out[LSTM_CHALLENGER]);
}

/* ---- numbers ---------------------------------------------------------------------- */

static void
begin_numbers(LstmPairs *pairs)
{
	pairs->n_sums = 2;
	pairs->figure = nn_figure_less_error;
	pairs->result->figure = "mae";
	pairs->result->test = "bootstrap of pairs, one-sided";
}

static void
take_numbers(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	for (int side = 0; side < 2; side++)
	{
		float	   *out = ask(pairs, side, inputs, n);
		double	   *sums = lstm_pairs_push(pairs, side, n);

		for (int i = 0; i < n; i++)
		{
			sums[2 * i] = fabs((double) out[i] - rows[i].number);
			sums[2 * i + 1] = 1.0;
		}
		pfree(out);
	}
}

const LstmPairer lstm_pairer_labels = {256, begin_labels, take_labels, NULL};
const LstmPairer lstm_pairer_numbers = {256, begin_numbers, take_numbers, NULL};
