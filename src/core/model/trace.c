/*
 * model/trace.c: one input through the recurrent layers, and every gate of them
 * named by the token it stood at.
 *
 * The input is encoded as for an answer, as a batch of one sequence: so row t of
 * every array is step t.  Nothing is copied: the steps point into the arrays of the
 * pass, which stay in scratch.
 */
#include "model/trace.h"

#include <string.h>

#include "model/encode.h"

/* The most that a trace may take. */
#define TRACE_BYTES		((size_t) 1024 * 1024 * 1024)

/* What was read. */
typedef struct Input
{
	NnExamples	examples;		/* one */
	int64_t		n;				/* tokens or steps */
	const NnPlace *place;		/* (n) text; NULL for numbers */
	int64_t		first;			/* numbers: the first step read */
} Input;

/* ---- where tokens stand ----------------------------------------------------------- */

static bool
same_tokens(const NnExamples *a, const NnExamples *b, int64_t n)
{
	return b->token_start[1] >= n && (n == 0 || memcmp(a->token, b->token, (size_t) n * sizeof(int32_t)) == 0);
}

/* Tokens of a text, and their places.  What nn_encode() says counts. */
static NnStatus
read_text(const NnModel *model, const NnValue *value, NnArena *scratch, Input *input, NnError *err)
{
	NnPlace    *place = NULL;
	NnExamples	placed;			/* more of them than are read */

	if (model->spec.task == NN_TASK_TAG)
	{
		NN_TRY(nn_encode_tagged(model, value, 1, scratch, &input->examples, &place, NULL, err));
		placed = input->examples;
	}
	else
	{
		NN_TRY(nn_encode(model, value, 1, scratch, &input->examples, NULL, err));
		NN_TRY(nn_encode_exact(model, value, 1, scratch, &placed, &place, NULL, err));
		if (!same_tokens(&input->examples, &placed, input->examples.token_start[1]))
			return nn_fail(err, NN_EINTERNAL, "the tokens of the text have no places");
	}
	nn_places_widen(place, placed.token_start[1]);
	input->n = input->examples.token_start[1];
	input->place = place;
	return NN_OK;
}

static NnStatus
read_numbers(const NnModel *model, const NnValue *value, NnArena *scratch, Input *input, NnError *err)
{
	NnReading	reading;

	NN_TRY(nn_encode(model, value, 1, scratch, &input->examples, &reading, err));
	input->n = input->examples.step_start[1];
	input->first = reading.n_tokens - input->n;
	return NN_OK;
}

/* ---- what was done ------------------------------------------------------------------ */

/* Ends of text that a language model reads with it (train/batch_text.c): before, and backwards behind. */
static int
n_marks(const NnSpec *spec)
{
	if (spec->task != NN_TASK_LANGUAGE)
		return 0;
	return spec->is_bidirectional ? 2 : 1;
}

static NnStatus
check_memory(const NnModel *model, int64_t n_rows, int64_t n_steps, NnError *err)
{
	NnBatchSize size = {.B = 1, .N = n_rows, .U = n_rows};
	size_t		n_bytes = nn_net_batch_bytes(&model->spec, false, &size);

	n_bytes = nn_size_add(n_bytes, nn_size_mul((size_t) n_steps, sizeof(NnTraceStep)));
	if (n_bytes <= TRACE_BYTES)
		return NN_OK;
	nn_fail(err, NN_ELIMIT, "tracing an input this long would need too much memory");
	nn_fail_detail(err, "It has %lld tokens or steps, which take %zu MB; the limit is %zu MB.",
				   (long long) n_rows, n_bytes >> 20, TRACE_BYTES >> 20);
	return nn_fail_hint(err, "Cut the input.");
}

/* Where step t came from; the marks stand before and behind the text. */
static void
locate(const NnModel *model, const Input *input, int64_t t, NnTraceStep *step)
{
	int64_t		i = t - (n_marks(&model->spec) > 0);
	const NnPlace *place;

	if (model->spec.input != NN_INPUT_TEXT)
	{
		step->start = input->first + t;
		step->stop = step->start + 1;
		return;
	}
	step->bytes = "";
	if (i < 0 || input->n == 0)
		return;
	place = &input->place[i < input->n ? i : input->n - 1];
	step->start = step->stop = place->stop;
	if (i >= input->n)
		return;
	step->start = place->start;
	step->bytes = place->bytes;
	step->n_bytes = place->n_bytes;
}

/* The gates of step t under the names that they have in this cell. */
static void
name_gates(const NnNetTrace *trace, const NnLayerTrace *layer, int64_t t, NnTraceStep *step)
{
	size_t		H = (size_t) trace->hidden;
	const float *gates = layer->gates + (size_t) t * (size_t) trace->n_gates;

	step->hidden = layer->h + (size_t) t * (size_t) layer->ldh;
	if (trace->cell == NN_CELL_RNN)
		return;
	step->input = gates;
	step->forget = gates + H;
	step->candidate = gates + 2 * H;
	if (trace->cell != NN_CELL_LSTM)
		return;
	step->output = gates + 3 * H;
	step->cell = layer->c + (size_t) t * H;
}

static void
list_steps(const NnModel *model, const Input *input, const NnNetTrace *trace, int n_rows, NnTraceStep *step)
{
	for (int64_t t = 0; t < n_rows; t++)
		for (int k = 0; k < trace->n_layers; k++)
			for (int d = 0; d < trace->n_directions; d++)
			{
				locate(model, input, t, step);
				step->layer = k;
				step->is_reverse = d == 1;
				name_gates(trace, &trace->layer[k][d], t, step);
				step++;
			}
}

NnStatus
nn_trace(const NnModel *model, const NnValue *value, NnArena *scratch, NnTraced *out, NnError *err)
{
	Input		input = {0};
	int32_t		pick = 0;
	int32_t		order;
	int64_t		n_rows;
	int64_t		n_steps;
	NnBatch		batch;
	NnNetTrace	trace;

	memset(out, 0, sizeof(*out));
	if (model->spec.n_layers == 0)
		return nn_fail(err, NN_EINVAL, "the model has no recurrent layers that read its input");
	if (model->spec.input == NN_INPUT_TEXT)
		NN_TRY(read_text(model, value, scratch, &input, err));
	else
		NN_TRY(read_numbers(model, value, scratch, &input, err));

	n_rows = input.n + n_marks(&model->spec);
	n_steps = n_rows * model->spec.n_layers * (model->spec.is_bidirectional ? 2 : 1);
	NN_TRY(check_memory(model, n_rows, n_steps, err));
	NN_TRY(nn_batch_pack(&batch, &model->spec, &input.examples, &pick, 1, 0.0f, NULL, scratch, &order, err));
	if (batch.n_rows != n_rows)
		return nn_fail(err, NN_EINTERNAL, "%d steps of %lld tokens", batch.n_rows, (long long) input.n);
	NN_TRY(nn_net_trace(model->net, &batch, scratch, &trace, err));
	out->step = NN_ALLOC(scratch, NnTraceStep, (size_t) n_steps);
	if (out->step == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	out->hidden = trace.hidden;
	out->n = n_steps;
	list_steps(model, &input, &trace, batch.n_rows, out->step);
	return NN_OK;
}
