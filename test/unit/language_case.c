/*
 * language_case.c: texts, labels and states for the tests of nn/language.c (language_case.h).
 */
#include "language_case.h"

#include <stdlib.h>
#include <string.h>

#define FLOATS(n) ((float *) net_case_alloc((size_t) (n), sizeof(float)))
#define INTS(n) ((int32_t *) net_case_alloc((size_t) (n), sizeof(int32_t)))

NnSpec
language_case_spec(NnCell cell, int n_layers, bool is_bidirectional, int hidden, int embedding,
				   int vocabulary)
{
	NnSpec		spec = {0};

	spec.task = NN_TASK_LANGUAGE;
	spec.input = NN_INPUT_TEXT;
	spec.cell = cell;
	spec.n_layers = n_layers;
	spec.is_bidirectional = is_bidirectional;
	spec.hidden = hidden;
	spec.embedding = embedding;
	spec.vocabulary = vocabulary;
	return spec;
}

int32_t
language_case_label(const NaiveRow *row, int t, bool is_back)
{
	int			next = is_back ? t - 1 : t + 1;

	if ((row->token[t] + t + is_back) % 7 == 6)
		return -1;
	return next >= 0 && next < row->length ? row->token[next] : NN_TOKEN_END;
}

static const int32_t *
labels_of(const NaiveRow *rows, const int *order, const NnBatch *batch, bool is_back)
{
	int32_t    *label = INTS(batch->n_rows);

	for (int b = 0; b < batch->n_sequences; b++)
		for (int t = 0; t < batch->length[b]; t++)
			label[batch->offset[t] + b] = language_case_label(&rows[order[b]], t, is_back);
	return label;
}

void
language_case_pack(const NnSpec *spec, const NaiveRow *rows, const int *pick, int n,
				   NnBatch *batch, int *order)
{
	net_case_pack(spec, rows, pick, n, batch, order);
	batch->row_label = labels_of(rows, order, batch, false);
	batch->row_label_back = labels_of(rows, order, batch, true);
}

void
language_case_begin(NetTraining *training, const NnSpec *spec, NetCaseRows wish, NnRng *rng, int *order)
{
	net_training_begin(training, spec, wish, rng);
	language_case_pack(spec, training->rows, NULL, wish.n, &training->batch, order);
}

NnState
language_case_state(const NnSpec *spec, int B)
{
	int			n = spec->n_layers * B * spec->hidden;
	NnState		state = {FLOATS(n), NULL};

	if (spec->cell == NN_CELL_LSTM)
		state.c = FLOATS(n);
	return state;
}

double *
language_case_states(const NaiveNet *naive, const NaiveRow *row)
{
	const NnSpec *spec = &naive->spec;
	int			D = spec->hidden * (spec->is_bidirectional ? 2 : 1);
	int			width = spec->embedding;
	const double *embedding = naive->tensor[0].data;	/* the first wherever there is one */
	double	   *x = calloc((size_t) row->length * width + 1, sizeof(double));

	for (int t = 0; t < row->length; t++)
		memcpy(x + (size_t) t * width, embedding + (size_t) row->token[t] * width, width * sizeof(double));
	for (int layer = 0; layer < spec->n_layers; layer++)
	{
		double	   *h = calloc((size_t) row->length * D + 1, sizeof(double));

		naive_net_layer(naive, layer, row->length, width, x, h);
		free(x);
		x = h;
		width = D;
	}
	return x;
}
