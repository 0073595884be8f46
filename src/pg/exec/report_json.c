/*
 * exec/report_json.c: figures of a training or an evaluation as JSON.
 */
#include "glue/compat.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/json.h"

#include "exec/report_json.h"

/* The confusion matrix is written as its nonzero cells, the largest first, at most so many. */
#define MAX_CONFUSION_CELLS 1000

void
lstm_json_key(StringInfo json, const char *key)
{
	if (json->len > 0 && json->data[json->len - 1] != '{')
		appendStringInfoString(json, ", ");
	escape_json(json, key);
	appendStringInfoString(json, ": ");
}

void
lstm_json_number(StringInfo json, const char *key, double value)
{
	lstm_json_key(json, key);
	if (isfinite(value))
		appendStringInfo(json, "%.6g", value);
	else
		appendStringInfoString(json, "null");
}

void
lstm_json_count(StringInfo json, const char *key, int64 value)
{
	lstm_json_key(json, key);
	appendStringInfo(json, INT64_FORMAT, value);
}

void
lstm_json_text(StringInfo json, const char *key, const char *value)
{
	lstm_json_key(json, key);
	escape_json(json, value);
}

void
lstm_json_boolean(StringInfo json, const char *key, bool value)
{
	lstm_json_key(json, key);
	appendStringInfoString(json, value ? "true" : "false");
}

void
lstm_json_per_class(StringInfo json, int C, const char *const *labels, const int64_t *n_rows,
					const NnClassMetrics *per_class, const float *threshold)
{
	lstm_json_key(json, "per_class");
	appendStringInfoChar(json, '[');
	for (int c = 0; c < C; c++)
	{
		appendStringInfoString(json, c > 0 ? ", {" : "{");
		lstm_json_text(json, "label", labels[c]);
		if (n_rows != NULL)
			lstm_json_count(json, "rows", n_rows[c]);
		lstm_json_count(json, "n", per_class[c].n);
		lstm_json_number(json, "precision", per_class[c].precision);
		lstm_json_number(json, "recall", per_class[c].recall);
		lstm_json_number(json, "f1", per_class[c].f1);
		if (threshold != NULL)
			lstm_json_number(json, "threshold", threshold[c]);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

typedef struct Cell
{
	int			actual;
	int			predicted;
	int64		n;
} Cell;

/* The most rows first; then in the order of the labels, so that equal figures give equal JSON. */
static int
compare_cells(const void *a, const void *b)
{
	const Cell *x = a;
	const Cell *y = b;

	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	if (x->actual != y->actual)
		return x->actual < y->actual ? -1 : 1;
	return x->predicted < y->predicted ? -1 : x->predicted > y->predicted;
}

static Cell *
nonzero_cells(int C, const int64_t *confusion, int *n_cells)
{
	size_t		capacity = 64;
	size_t		n = 0;
	Cell	   *cells = palloc(sizeof(Cell) * capacity);

	for (int a = 0; a < C; a++)
	{
		CHECK_FOR_INTERRUPTS();
		for (int p = 0; p < C; p++)
		{
			int64		count = confusion[(size_t) a * C + p];

			if (count == 0)
				continue;
			if (n == capacity)
				cells = repalloc_huge(cells, sizeof(Cell) * (capacity *= 2));
			cells[n].actual = a;
			cells[n].predicted = p;
			cells[n++].n = count;
		}
	}
	qsort(cells, n, sizeof(Cell), compare_cells);
	*n_cells = (int) Min(n, MAX_CONFUSION_CELLS);
	return cells;
}

static void
append_confusion(StringInfo json, int C, const char *const *labels, const int64_t *confusion)
{
	int			n;
	Cell	   *cells = nonzero_cells(C, confusion, &n);

	lstm_json_key(json, "confusion");
	appendStringInfoChar(json, '[');
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(json, i > 0 ? ", {" : "{");
		lstm_json_text(json, "actual", labels[cells[i].actual]);
		lstm_json_text(json, "predicted", labels[cells[i].predicted]);
		lstm_json_count(json, "rows", cells[i].n);
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
	pfree(cells);
}

void
lstm_json_metrics(StringInfo json, NnTask task, const NnMetrics *metrics,
				  int C, const char *const *labels, const int64_t *n_rows,
				  const NnClassMetrics *per_class, const int64_t *confusion)
{
	if (metrics->n == 0)
		return;
	if (task == NN_TASK_REGRESS)
	{
		lstm_json_number(json, "mae", metrics->mae);
		lstm_json_number(json, "rmse", metrics->rmse);
		lstm_json_number(json, "r2", metrics->r2);
		return;
	}
	lstm_json_number(json, "accuracy", metrics->accuracy);
	lstm_json_number(json, "macro_f1", metrics->macro_f1);
	lstm_json_number(json, "cross_entropy", metrics->cross_entropy);
	lstm_json_number(json, "calibration_error", metrics->calibration_error);
	if (per_class != NULL)
		lstm_json_per_class(json, C, labels, n_rows, per_class, NULL);
	if (confusion != NULL)
		append_confusion(json, C, labels, confusion);
}

void
lstm_json_sequence(StringInfo json, const NnSequenceMetrics *metrics)
{
	const struct
	{
		const char *key;
		double		value;
	}			figures[] = {
		{"token_accuracy", metrics->token_accuracy},
		{"precision", metrics->precision},
		{"recall", metrics->recall},
		{"f1", metrics->f1},
		{"perplexity", metrics->perplexity},
		{"word_perplexity", metrics->word_perplexity},
		{"nats_per_character", metrics->nats_per_character},
		{"bleu", metrics->bleu},
		{"exact", metrics->exact},
		{"cider", metrics->cider},
		{"mae", metrics->mae},
		{"rmse", metrics->rmse},
		{"mase", metrics->mase},
		{"pinball", metrics->pinball},
		{"coverage", metrics->coverage},
	};

	if (metrics->n == 0)
		return;
	lstm_json_count(json, "tokens_measured", metrics->n_tokens);
	for (int i = 0; i < (int) lengthof(figures); i++)
	{
		if (!isnan(figures[i].value))
			lstm_json_number(json, figures[i].key, figures[i].value);
	}
}

void
lstm_json_types(StringInfo json, const char *key, const LstmTypeScore *score, int n)
{
	lstm_json_key(json, key);
	appendStringInfoChar(json, '[');
	for (int i = 0; i < n; i++)
	{
		appendStringInfoString(json, i > 0 ? ", {" : "{");
		lstm_json_text(json, "type", score[i].type);
		lstm_json_count(json, "n", score[i].count.n_true);
		lstm_json_number(json, "precision", nn_span_precision(&score[i].count));
		lstm_json_number(json, "recall", nn_span_recall(&score[i].count));
		lstm_json_number(json, "f1", nn_span_f1(&score[i].count));
		appendStringInfoChar(json, '}');
	}
	appendStringInfoChar(json, ']');
}

/* What only some tasks have. */
static void
append_task_facts(StringInfo json, const NnSpec *spec)
{
	if (spec->task == NN_TASK_TAG)
		lstm_json_count(json, "spelling_rows", spec->spelling_rows);
	if (spec->task == NN_TASK_TRANSLATE || spec->task == NN_TASK_CAPTION)
		lstm_json_count(json, "decoder_layers", spec->decoder_layers);
	if (spec->task == NN_TASK_TRANSLATE)
		lstm_json_boolean(json, "copy", spec->has_copy);
	if (spec->task == NN_TASK_FORECAST)
	{
		lstm_json_count(json, "horizon", spec->horizon);
		lstm_json_count(json, "quantiles", spec->n_quantiles);
	}
}

char *
lstm_json_facts(const NnSpec *spec, int64 n_parameters)
{
	StringInfoData json;
	char		pool[64];

	initStringInfo(&json);
	appendStringInfoChar(&json, '{');
	lstm_json_text(&json, "input", nn_input_name(spec->input));
	lstm_json_text(&json, "cell", nn_cell_name(spec->cell));
	if (spec->cell != NN_CELL_NONE)
	{
		lstm_json_count(&json, "layers", spec->n_layers);
		lstm_json_count(&json, "hidden", spec->hidden);
		lstm_json_boolean(&json, "bidirectional", spec->is_bidirectional);
		if (nn_task_is_pooled(spec->task))
		{
			nn_pool_format(spec->pool, pool, sizeof(pool));
			lstm_json_text(&json, "pool", pool);
		}
		lstm_json_count(&json, "embedding", spec->embedding);
		lstm_json_count(&json, "vocabulary", spec->vocabulary);
	}
	append_task_facts(&json, spec);
	if (nn_task_is_pooled(spec->task))
		lstm_json_text(&json, "wide", nn_wide_name(spec->wide));
	if (spec->wide != NN_WIDE_NONE)
	{
		lstm_json_count(&json, "wide_inputs", spec->wide_inputs);
		lstm_json_count(&json, "wide_hidden", spec->wide_hidden);
	}
	if (spec->is_multi_label)
		lstm_json_boolean(&json, "multi_label", true);
	if (spec->n_outputs > 0)
		lstm_json_count(&json, "outputs", spec->n_outputs);
	lstm_json_count(&json, "parameters", n_parameters);
	appendStringInfoChar(&json, '}');
	return json.data;
}

/* The share with all its digits: the same rows must fall under it when it is read back. */
void
lstm_json_split(StringInfo json, const NnSplit *split)
{
	lstm_json_key(json, "split");
	appendStringInfo(json, "{\"share\": %.17g, \"exceptions\": [", split->share);
	for (int64 i = 0; i < split->n_exceptions; i++)
		appendStringInfo(json, "%s\"%016llx\"", i > 0 ? ", " : "", (unsigned long long) split->exception[i]);
	appendStringInfoString(json, "]}");
}

void
lstm_json_baseline(StringInfo json, const NnBaseline *baseline, const NnClassMetrics *per_class, int C)
{
	lstm_json_key(json, "baseline");
	appendStringInfoChar(json, '{');
	lstm_json_count(json, "rows", baseline->n);
	lstm_json_count(json, "tokens", baseline->n_tokens);
	if (baseline->n_unknown >= 0)
	{
		lstm_json_count(json, "words", baseline->n_words);
		lstm_json_count(json, "unknown", baseline->n_unknown);
	}
	lstm_json_key(json, "length");
	appendStringInfoChar(json, '[');
	for (int b = 0; b < NN_LENGTH_BINS; b++)
		appendStringInfo(json, "%s" INT64_FORMAT, b > 0 ? ", " : "", baseline->length[b]);
	appendStringInfoChar(json, ']');
	if (per_class != NULL)
	{
		lstm_json_key(json, "answers");
		appendStringInfoChar(json, '[');
		for (int c = 0; c < C; c++)
			appendStringInfo(json, "%s" INT64_FORMAT, c > 0 ? ", " : "", per_class[c].n_predicted);
		appendStringInfoChar(json, ']');
	}
	appendStringInfoChar(json, '}');
}
