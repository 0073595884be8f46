/*
 * model/write.c: translations and captions by beam search.
 *
 * Inputs go through the encoder in batches; the hypotheses of a batch are rows of
 * one decoder step.  What a search needs is taken once for a batch; only the
 * step's own scratch is reset from step to step.
 */
#include "model/write.h"

#include <math.h>
#include <string.h>

#include "kern/kern.h"
#include "model/encode.h"
#include "model/written.h"
#include "nn/beam.h"

/* Rows of a step: inputs side by side times the beam. */
#define STEP_ROWS	64
#define MAX_BEAM	64

/* Tokens of a text whose input says nothing of its length. */
#define CAPTION_TOKENS	100

/* One batch of inputs being written. */
typedef struct Search
{
	const NnModel *model;
	const NnWriteOptions *options;
	NnArena    *scratch;		/* lives as long as the answer */
	NnArena    *step;			/* reset every step */
	NnBatch		batch;
	NnEncoded  *encoded;
	NnBeam	   *beam;
	int			n_inputs;
	int			max_rows;
	int			n_layers;		/* of the decoder's state */
	int			width;
	NnState		state[2];		/* before and behind a step */
	float	   *log_p;			/* (rows, V) */
	int			max_steps;
	float	  **attention;		/* (max_steps) of each step (rows, n_source), if asked for */
} Search;

static NnStatus
check_options(const NnWriteOptions *options, NnError *err)
{
	if (options->beam < 1 || options->beam > MAX_BEAM)
	{
		nn_fail(err, NN_ERANGE, "beam is out of range: %d", options->beam);
		return nn_fail_detail(err, "It must be between 1 and %d.", MAX_BEAM);
	}
	if (options->max_tokens < 0 || !(options->length_penalty >= 0.0 && options->length_penalty <= 10.0))
		return nn_fail(err, NN_ERANGE, "the bound of tokens or the length penalty is out of range");
	return NN_OK;
}

/* Tokens that an input's text may have, its end included; from the input alone. */
static int
steps_of(const Search *search, int length)
{
	if (search->options->max_tokens > 0)
		return search->options->max_tokens + 1;
	return search->model->spec.task == NN_TASK_CAPTION ? CAPTION_TOKENS : 2 * length + 21;
}

/* ---- a batch's memory ------------------------------------------------------------- */

static NnStatus
take_states(Search *search, NnError *err)
{
	size_t		n = (size_t) search->n_layers * (size_t) search->max_rows * (size_t) search->width;

	for (int i = 0; i < 2; i++)
	{
		search->state[i].h = NN_TAKE(search->scratch, float, n);
		search->state[i].c = NN_TAKE(search->scratch, float, n);
		if (search->state[i].h == NULL || search->state[i].c == NULL)
			return nn_fail(err, NN_ENOMEM, "out of memory");
	}
	search->log_p = NN_TAKE(search->scratch, float,
							(size_t) search->max_rows * (size_t) search->model->spec.vocabulary);
	return search->log_p != NULL ? NN_OK : nn_fail(err, NN_ENOMEM, "out of memory");
}

/* The beam over the batch's inputs, each with its own bound. */
static NnStatus
start_beam(Search *search, bool has_alignment, NnError *err)
{
	NnBeamOptions options = {0};
	int32_t    *max_steps = NN_TAKE(search->scratch, int32_t, (size_t) search->n_inputs);

	if (max_steps == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	search->max_steps = 1;
	for (int b = 0; b < search->n_inputs; b++)
	{
		max_steps[b] = steps_of(search, search->batch.length[b]);
		if (max_steps[b] > search->max_steps)
			search->max_steps = max_steps[b];
	}
	options.max_inputs = search->n_inputs;
	options.width = search->options->beam;
	options.max_steps = search->max_steps;
	options.start_token = NN_TOKEN_END;
	options.end_token = NN_TOKEN_END;
	options.alpha = search->options->length_penalty;
	NN_TRY(nn_beam_create(&search->beam, search->scratch, &options, err));
	nn_beam_start(search->beam, search->n_inputs, max_steps);
	if (!has_alignment)
		return NN_OK;
	search->attention = NN_ALLOC(search->scratch, float *, (size_t) search->max_steps);
	return search->attention != NULL ? NN_OK : nn_fail(err, NN_ENOMEM, "out of memory");
}

/* ---- steps ---------------------------------------------------------------------------- */

/* Row r of `to` (R rows) goes on from row parent[r] of `from` (n_from rows). */
static void
move_rows(const Search *search, const NnState *from, int n_from, NnState *to, int R, const int32_t *parent)
{
	size_t		width = (size_t) search->width;

	for (int k = 0; k < search->n_layers; k++)
		for (int r = 0; r < R; r++)
		{
			size_t		at = ((size_t) k * (size_t) R + (size_t) r) * width;
			size_t		was = ((size_t) k * (size_t) n_from + (size_t) parent[r]) * width;

			memcpy(to->h + at, from->h + was, width * sizeof(float));
			memcpy(to->c + at, from->c + was, width * sizeof(float));
		}
}

static NnStatus
run_steps(Search *search, NnError *err)
{
	const NnModel *model = search->model;
	const NnBeamRows *rows = nn_beam_rows(search->beam);
	int			n_before = search->n_inputs;
	int			ld = search->batch.n_steps;

	nn_seq2seq_begin(model->net, search->encoded, rows->n, rows->input, &search->state[0]);
	for (int step = 0; rows->n > 0; step++)
	{
		float	   *attention = NULL;
		NnState		swap;

		if (model->env->poll(model->env->ctx) != 0)
			return nn_fail(err, NN_ECANCELED, "canceled");
		nn_arena_reset(search->step);
		if (search->attention != NULL)
		{
			attention = NN_ALLOC(search->scratch, float, (size_t) rows->n * (size_t) ld);
			search->attention[step] = attention;
			if (attention == NULL && ld > 0)
				return nn_fail(err, NN_ENOMEM, "out of memory");
		}
		move_rows(search, &search->state[0], n_before, &search->state[1], rows->n, rows->parent);
		NN_TRY(nn_seq2seq_step(model->net, search->encoded, rows->n, rows->input, rows->token, &search->state[1],
							   search->step, search->log_p, attention, ld, err));
		n_before = rows->n;
		swap = search->state[0];
		search->state[0] = search->state[1];
		search->state[1] = swap;
		nn_beam_advance(search->beam, search->log_p, model->spec.vocabulary);
		rows = nn_beam_rows(search->beam);
	}
	return NN_OK;
}

/* ---- answers ------------------------------------------------------------------------------ */

/* Attention of each token of the best hypothesis. */
static NnStatus
fill_alignment(const Search *search, int b, const int32_t *row, const NnPlace *place, NnWritten *out, NnError *err)
{
	int			n_source = search->batch.length[b];
	int			ld = search->batch.n_steps;

	out->n_source = n_source;
	out->source = NN_ALLOC(search->scratch, NnPiece, (size_t) n_source + 1);
	out->weight = NN_ALLOC(search->scratch, float, (size_t) n_source * (size_t) out->n_tokens + 1);
	if (out->source == NULL || out->weight == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int s = 0; s < n_source; s++)
		out->source[s] = (NnPiece) {place[s].start, place[s].stop};
	for (int t = 0; t < out->n_tokens; t++)
		memcpy(out->weight + (size_t) t * (size_t) n_source,
			   search->attention[t] + (size_t) row[t] * (size_t) ld, (size_t) n_source * sizeof(float));
	return NN_OK;
}

static NnStatus
fill_written(const Search *search, int b, const NnPlace *place, NnWritten *out, NnError *err)
{
	int32_t    *token = NN_TAKE(search->scratch, int32_t, (size_t) search->max_steps + 1);
	int32_t    *row = NN_TAKE(search->scratch, int32_t, (size_t) search->max_steps + 1);
	NnHypothesis best;

	if (token == NULL || row == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	best = nn_beam_hypothesis(search->beam, b, 0, token, row);
	out->n_tokens = best.n_tokens;
	out->log_probability = best.log_p;
	out->is_cut = best.n_tokens + 1 >= steps_of(search, search->batch.length[b]);
	NN_TRY(nn_written_text(search->model, token, best.n_tokens, false, search->scratch, out, err));
	return search->attention != NULL && place != NULL ? fill_alignment(search, b, row, place, out, err) : NN_OK;
}

/* A weights file may be such that no answer is a number. */
static NnStatus
check_states(const Search *search, NnError *err)
{
	size_t		n = (size_t) search->n_layers * (size_t) search->n_inputs * (size_t) search->width;

	if (nn_all_finite((int64_t) n, search->state[0].h))
		return NN_OK;
	nn_fail(err, NN_EFORMAT, "the model's weights give no finite answer");
	return nn_fail_hint(err, "The weights file is damaged, or the input's numbers are far outside those of the training.");
}

static NnStatus
write_batch(Search *search, const NnExamples *examples, const int32_t *pick, NnPlace **place,
			NnWritten *out, NnError *err)
{
	const NnModel *model = search->model;
	int			n = search->n_inputs;
	int32_t    *order = NN_TAKE(search->scratch, int32_t, (size_t) n);

	if (order == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(nn_batch_pack(&search->batch, &model->spec, examples, pick, n, 0.0f, NULL, search->scratch, order, err));
	NN_TRY(nn_seq2seq_encode(model->net, &search->batch, search->scratch, &search->encoded, err));
	search->n_layers = nn_seq2seq_state_layers(model->net);
	search->width = nn_seq2seq_state_width(model->net);
	search->max_rows = n * search->options->beam;
	search->attention = NULL;
	NN_TRY(take_states(search, err));
	NN_TRY(start_beam(search, place != NULL, err));
	NN_TRY(run_steps(search, err));
	NN_TRY(check_states(search, err));
	for (int b = 0; b < n; b++)
	{
		int32_t		i = pick[order[b]];

		NN_TRY(fill_written(search, b, place != NULL ? place[i] : NULL, &out[i], err));
	}
	return NN_OK;
}

static NnStatus
write_all(Search *search, const NnExamples *examples, int n, NnPlace **place, NnWritten *out,
		  NnReading *readings, NnError *err)
{
	int			n_batches = 0;
	int			n_side = STEP_ROWS / search->options->beam;
	int32_t    *pick = NN_TAKE(search->scratch, int32_t, (size_t) n);

	if (n > 0 && pick == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	for (int i = 0; i < n; i++)
		pick[i] = i;
	for (int first = 0; first < n; first += search->n_inputs)
	{
		search->n_inputs = n - first < n_side ? n - first : n_side;
		if (search->n_inputs < 1)
			search->n_inputs = 1;
		NN_TRY(write_batch(search, examples, pick + first, place, out, err));
		nn_reading_in_batch(readings, pick + first, search->n_inputs, n_batches++);
	}
	return NN_OK;
}

NnStatus
nn_write(const NnModel *model, const NnValue *inputs, int n, const NnWriteOptions *options,
		 bool has_alignment, NnArena *scratch, NnWritten *out, NnReading *readings, NnError *err)
{
	bool		is_text = model->spec.input == NN_INPUT_TEXT;
	Search		search = {.model = model, .options = options, .scratch = scratch};
	NnPlace   **place = NULL;
	NnExamples	examples;
	NnStatus	status;

	NN_TRY(check_options(options, err));
	memset(out, 0, (size_t) n * sizeof(NnWritten));
	if (has_alignment && is_text)
		place = NN_ALLOC(scratch, NnPlace *, (size_t) n);
	if (has_alignment && is_text && n > 0 && place == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	NN_TRY(is_text ? nn_encode_exact(model, inputs, n, scratch, &examples, place, readings, err) :
		   nn_encode(model, inputs, n, scratch, &examples, readings, err));
	search.step = nn_arena_create(nn_arena_env(scratch));
	if (search.step == NULL)
		return nn_fail(err, NN_ENOMEM, "out of memory");
	status = write_all(&search, &examples, n, place, out, readings, err);
	nn_arena_destroy(search.step);
	return status;
}
