/*
 * exec/pairs_texts.c: texts that two versions write, and how usual two language
 * models find texts.
 *
 * Written texts are kept until all rows were seen: whether BLEU counts words or
 * characters goes by all references.
 */
#include "glue/compat.h"

#include "utils/memutils.h"

#include "model/write.h"

#include "exec/evaluate_private.h"
#include "exec/pairs.h"
#include "exec/predict.h"
#include "exec/predict_text.h"
#include "exec/text_range.h"
#include "glue/errors.h"

/* Counts of NnBleu, as sums. */
#define N_BLEU 10

typedef struct PairedText
{
	char	   *reference;
	char	   *written[2];
} PairedText;

static void
begin_texts(LstmPairs *pairs)
{
	NnArray    *texts = palloc0(sizeof(NnArray));

	nn_array_init(texts, &pairs->env.env, sizeof(PairedText));
	pairs->kept = texts;
	pairs->n_sums = N_BLEU;
	pairs->figure = nn_figure_bleu;
	pairs->result->figure = "bleu";
	pairs->result->test = "bootstrap of pairs, one-sided";
}

static void
take_texts(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	NnArray    *texts = pairs->kept;
	PairedText *more = nn_array_push(texts, n);
	NnWritten  *written = palloc(sizeof(NnWritten) * n);
	NnWriteOptions options;
	NnError		err = {0};

	if (more == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	lstm_write_options(&options, LSTM_DEFAULT_BEAM);
	for (int i = 0; i < n; i++)
	{
		LstmRuler	whole;

		lstm_ruler_init(&whole, &rows[i].target);
		more[i].reference = MemoryContextStrdup(pairs->env.context, pnstrdup(whole.text, whole.n_bytes));
	}
	for (int side = 0; side < 2; side++)
	{
		lstm_check(nn_write(pairs->request->model[side], inputs, n, &options, false, lstm_scratch(), written, NULL, &err), &err);
		for (int i = 0; i < n; i++)
			more[i].written[side] = MemoryContextStrdup(pairs->env.context, written[i].text);
	}
	pfree(written);
}

static void
add_bleu(const PairedText *text, int side, bool is_characters, double *sums)
{
	NnBleu		bleu = {0};
	const char *reference = text->reference;
	size_t		n_bytes = strlen(reference);
	NnError		err = {0};

	lstm_check(nn_bleu_add(&bleu, text->written[side], strlen(text->written[side]), &reference, &n_bytes, 1,
						   is_characters, lstm_scratch(), &err), &err);
	for (int k = 0; k < 4; k++)
	{
		sums[k] = (double) bleu.n_right[k];
		sums[4 + k] = (double) bleu.n_total[k];
	}
	sums[8] = (double) bleu.n_candidate;
	sums[9] = (double) bleu.n_reference;
}

static void
finish_texts(LstmPairs *pairs)
{
	const NnArray *texts = pairs->kept;
	const PairedText *text = texts->data;
	int64		n_unspaced = 0;
	int64		n_all = 0;

	for (size_t i = 0; i < texts->n; i++)
		lstm_count_unspaced(text[i].reference, strlen(text[i].reference), &n_unspaced, &n_all);
	for (size_t i = 0; i < texts->n; i++)
		for (int side = 0; side < 2; side++)
			add_bleu(&text[i], side, 2 * n_unspaced > n_all, lstm_pairs_push(pairs, side, 1));
}

/* ---- language -------------------------------------------------------------------- */

static void
begin_language(LstmPairs *pairs)
{
	NnState    *states = palloc0(sizeof(NnState) * 2);

	pairs->kept = states;
	pairs->n_sums = 2;
	pairs->figure = nn_figure_less_error;
	pairs->result->figure = "nats_per_character";
	pairs->result->test = "bootstrap of pairs, one-sided";
	for (int side = 0; side < 2; side++)
	{
		const NnModel *model = pairs->request->model[side];
		size_t		n = sizeof(float) * model->spec.n_layers * model->spec.hidden;

		if (!model->is_running)
			continue;
		states[side].h = palloc0(n);
		if (model->spec.cell == NN_CELL_LSTM)
			states[side].c = palloc0(n);
	}
}

static void
take_language(LstmPairs *pairs, const LstmRow *rows, const NnValue *inputs, int n)
{
	NnState    *states = pairs->kept;
	NnLikelihood *each = palloc(sizeof(NnLikelihood) * n);
	NnError		err = {0};

	for (int side = 0; side < 2; side++)
	{
		const NnModel *model = pairs->request->model[side];
		double	   *sums = lstm_pairs_push(pairs, side, n);

		if (model->is_running)
			lstm_check(nn_likelihood_running(model, inputs, n, &states[side], lstm_scratch(), each, NULL, &err), &err);
		else
			lstm_check(nn_likelihood(model, inputs, n, lstm_scratch(), each, NULL, &err), &err);
		for (int i = 0; i < n; i++)
		{
			sums[2 * i] = -each[i].sum;
			sums[2 * i + 1] = (double) each[i].n_characters;
		}
	}
	pfree(each);
}

const LstmPairer lstm_pairer_texts = {64, begin_texts, take_texts, finish_texts};
const LstmPairer lstm_pairer_language = {64, begin_language, take_language, NULL};
