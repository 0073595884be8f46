/*
 * exec/classify.c: probabilities of labels as a row of type lstm_answer.
 */
#include "glue/compat.h"

#include "exec/classify.h"
#include "exec/predict.h"

void
lstm_classify_row(LstmRowBuilder *row, const float *probabilities, int C, const char *label,
				  const NnReading *reading, int version)
{
	int			best = lstm_best_of(probabilities, C);
	float		second = 0.0f;

	for (int c = 0; c < C; c++)
	{
		if (c != best && probabilities[c] > second)
			second = probabilities[c];
	}
	lstm_row_text(row, label);
	lstm_row_datum(row, Float4GetDatum(probabilities[best]));
	lstm_row_datum(row, Float4GetDatum(probabilities[best] - second));
	lstm_row_datum(row, BoolGetDatum(false));
	lstm_row_integer(row, reading->n_tokens);
	lstm_row_integer(row, reading->n_used);
	lstm_row_integer(row, reading->n_unknown);
	lstm_row_integer(row, version);
}
